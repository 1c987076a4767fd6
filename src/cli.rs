//! What each command does; the longer ones have a file each. Arguments are read in `main.rs`.
//!
//! Results go to standard output; what went wrong goes back to the caller, who prints it once.

mod backup;
mod call;
mod check;
mod exchange;
mod explain;
mod init;
mod manual;
mod replay;
mod report;

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, StartError};
use crate::config::schema;
use crate::sim;
use crate::store::Store;

pub use backup::{Backup, Compact, Restore, backup, compact, restore};
pub use check::check;
pub use exchange::{Exchange, exchange};
pub use explain::{Explain, Why, explain, why};
pub use init::{Init, init};
pub use manual::{Completions, Man, completions, man};
pub use replay::{Replay, replay};
pub use report::{Export, Report, export, report};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// See [`StartError`].
    #[error(transparent)]
    Start(#[from] StartError),
    /// What was asked to be checked has faults.
    #[error("{0}")]
    Faults(String),
    /// The machine would not.
    #[error("{what}: {source}")]
    Environment {
        /// What failed, and on what.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The other side, or a file to write, is not there.
    #[error("{0}")]
    Unreachable(String),
    /// The demo went wrong.
    #[error("the demo stopped: {0}")]
    Demo(String),
}

impl Failure {
    /// 1 the input is at fault, 3 the environment is (contract §1).
    pub const fn exit_code(&self) -> u8 {
        match self {
            Failure::Faults(_) | Failure::Demo(_) | Failure::Start(StartError::Input(_)) => 1,
            Failure::Environment { .. }
            | Failure::Unreachable(_)
            | Failure::Start(StartError::Environment { .. } | StartError::Store(_)) => 3,
        }
    }
}

/// Arguments of `winback demo`.
#[derive(clap::Args, Clone, Debug)]
pub struct Demo {
    /// Stop after so many seconds; without it the demo runs until Ctrl-C.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Where exchanges call: 127.0.0.1:8080, or a free port where that is taken; port 0 takes a free one.
    #[arg(long)]
    pub bid: Option<SocketAddr>,
    /// Where browsers and shops call: 127.0.0.1:8081, likewise.
    #[arg(long)]
    pub public: Option<SocketAddr>,
    /// Where its people call: 127.0.0.1:9090, likewise.
    #[arg(long)]
    pub admin: Option<SocketAddr>,
}

/// Starts the log on standard error.
pub fn log_to_stderr(json: bool, level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(format!("winback={level}")).unwrap_or_else(|_| "winback=info".into());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second call finds the log started.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}

fn recorder() -> Result<PrometheusHandle, Failure> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let taken = |_| Failure::Environment {
        what: "cannot install the metrics recorder",
        source: std::io::Error::other("already installed"),
    };
    metrics::set_global_recorder(recorder).map_err(taken)?;
    Ok(handle)
}

/// Arguments of `winback serve`.
#[derive(clap::Args, Clone, Debug)]
pub struct Serve {
    /// The server's config.
    #[arg(long)]
    pub config: PathBuf,
    /// Go on from where the store ends, even if more was acknowledged: what is missing is lost.
    #[arg(long)]
    pub accept_loss: bool,
}

/// `winback serve`: until SIGTERM or Ctrl-C.
pub fn serve(arguments: &Serve) -> Result<(), Failure> {
    let open = if arguments.accept_loss {
        Store::open_with_losses
    } else {
        Store::open
    };
    let app = App::start(&arguments.config, recorder()?, open)?;
    for remark in &app.remarks {
        tracing::warn!("{remark}");
    }
    let mut signals = app.runtime().block_on(async { Signals::new() })?;
    println!(
        "bid listening on {}\npublic listening on {}\nadmin listening on {}\nready",
        app.bid, app.public, app.admin
    );
    while app.runtime().block_on(signals.next()) {
        for remark in app.reload() {
            tracing::warn!("{remark}");
        }
        tracing::info!("config and feeds read again");
    }
    app.drain();
    Ok(())
}

/// The signals that are listened to, from when it is made: what comes while nobody waits is not lost.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// To be called within a runtime.
    fn new() -> Result<Signals, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|source| Failure::Environment {
                what: "cannot wait for signals",
                source,
            })
        };
        Ok(Signals {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for one: true to reload, false to stop.
    async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.hangup.recv() => true,
        }
    }
}

/// `winback schema`: the JSON Schema that `check` enforces.
pub fn print_schema(file: schema::File) -> Result<(), Failure> {
    match std::io::stdout().write_all(schema::schema(file).as_bytes()) {
        // Whoever reads has had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| Failure::Environment {
            what: "cannot write the schema",
            source,
        }),
    }
}

/// `winback demo`.
pub fn demo(arguments: &Demo) -> Result<(), Failure> {
    let environment = |what| move |source| Failure::Environment { what, source };
    let folder = tempfile::Builder::new()
        .prefix("winback-demo-")
        .tempdir()
        .map_err(environment("cannot make a temporary folder"))?;
    let dir = folder.path();
    let storefront = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).map_err(environment("cannot listen for the demo's shops"))?;
    storefront
        .set_nonblocking(true)
        .map_err(environment("cannot listen for the demo's shops"))?;
    let pages = storefront.local_addr().map_err(environment("cannot listen for the demo's shops"))?;
    let pick = |given, port| {
        address_for(given, port)
            .map(|at| at.to_string())
            .map_err(environment("cannot find a free port"))
    };
    let listen = sim::Listen {
        bid: pick(arguments.bid, 8080)?,
        public: pick(arguments.public, 8081)?,
        admin: pick(arguments.admin, 9090)?,
    };
    let config = sim::write_config(dir, pages, &listen).map_err(environment("cannot write the demo's config"))?;
    let app = App::start(&config, recorder()?, Store::open)?;
    println!(
        "bid listening on {}\npublic listening on {}\nadmin listening on {}, its token in {}\n",
        app.bid,
        app.public,
        app.admin,
        dir.join("admin-token").display()
    );
    let stage = stage(&app, dir);
    let mut stop = app.stopping();
    let mut signals = app.runtime().block_on(async { Signals::new() })?;
    let outcome = app.runtime().block_on(async {
        let listener = tokio::net::TcpListener::from_std(storefront).map_err(|e| e.to_string())?;
        tokio::spawn(sim::storefront(listener));
        let (stopped, stopping) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = signals.next() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            // The demo may have ended by itself.
            let _ = stopped.send(true);
        });
        sim::demo(&stage, arguments.seconds, stopping, &mut std::io::stdout()).await
    });
    app.drain();
    let _ = std::io::stdout().flush();
    outcome.map(|_| ()).map_err(Failure::Demo)
}

/// The address given, with a free port in place of 0; else the usual one, or a free one where that is
/// taken. The config names real ports, so they are found before the server starts.
fn address_for(given: Option<SocketAddr>, usual_port: u16) -> std::io::Result<SocketAddr> {
    let local = IpAddr::from([127, 0, 0, 1]);
    match given {
        Some(at) if at.port() != 0 => Ok(at),
        Some(at) => TcpListener::bind(at)?.local_addr(),
        None => TcpListener::bind((local, usual_port))
            .or_else(|_| TcpListener::bind((local, 0)))?
            .local_addr(),
    }
}

/// What outsiders are told of the server.
fn stage(app: &App, dir: &Path) -> sim::Stage {
    let world = app.engine.world.load();
    let settings = app.engine.settings.load();
    let exchange = settings.server.exchanges.first();
    let door = exchange.and_then(|exchange| settings.doors.get(usize::from(exchange.no.0))?.clone());
    let shops = world.shops().map(|shop| sim::ShopDoor {
        id: shop.advertiser.id.clone(),
        site_key: shop.advertiser.site_key.clone(),
        event_key: shop.advertiser.event_key.clone().unwrap_or_default(),
        domain: shop.advertiser.domain.clone(),
        currency: shop.advertiser.currency.to_string(),
    });
    sim::Stage {
        bid: app.bid,
        public: app.public,
        public_url: world.public_url.clone(),
        admin: app.admin,
        admin_token: settings.tokens.first().map(|token| token.text.clone()).unwrap_or_default(),
        exchange: exchange.map(|exchange| exchange.id.clone()).unwrap_or_default(),
        exchange_key: door.and_then(|door| door.header),
        shops: shops.collect(),
        dir: dir.to_owned(),
    }
}
