//! Builds and owns everything: store, state, World, writer, listeners. The only place that knows all
//! parts.
//!
//! Start-up refuses rather than half-starts; a drain answers what is in flight and makes every fact
//! durable.

mod edits;
mod hand;
mod lapse;
mod load;
mod look;
pub mod still;
mod writer;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use look::{glance, look};

use crate::base::hash::{Hashes, decode_hex};
use crate::base::id::ExchangeNo;
use crate::base::limits::{EXCHANGES_MAX, FACTS_QUEUE_MAX};
use crate::base::seal::Seals;
use crate::base::time::Millis;
use crate::config::{self, Fault, Server, TokenFile};
use crate::server::crowd::Crowd;
use crate::server::engine::{Door, Engine, Facts, Parts, Settings, Token};
use crate::server::feeds::{self, Feeds};
use crate::server::names::Names;
use crate::server::{bids, compaction, funnel, history, listener, public, samples, shops, sizes};
use crate::state::world::World;
use crate::store::{Store, Trouble};
pub use still::Still;

/// How often it is looked whether a feed is due.
const FEED_TICK: Duration = Duration::from_secs(10);
/// Browsers and admins may hold a drain up for so long.
const PUBLIC_DRAIN: Duration = Duration::from_secs(5);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The input is at fault: exit code 1.
    #[error("{0}")]
    Input(String),
    /// The environment is: exit code 3.
    #[error("{what}: {source}")]
    Environment {
        /// What failed, and on what.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The store is not what it was, or not for us: exit code 3.
    #[error(transparent)]
    Store(#[from] Trouble),
}

fn environment(what: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Environment { what, source }
}

/// A running server.
pub struct App {
    /// What the listeners share.
    pub engine: Arc<Engine>,
    /// Where exchanges call.
    pub bid: SocketAddr,
    /// Where browsers and shops call.
    pub public: SocketAddr,
    /// Where its people call.
    pub admin: SocketAddr,
    /// What was found wrong with advertisers and feeds at start.
    pub remarks: Vec<String>,
    config: std::path::PathBuf,
    stop: watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
    bid_threads: Vec<JoinHandle<()>>,
    axum: Vec<tokio::task::JoinHandle<()>>,
    closing: Arc<AtomicBool>,
    hand: JoinHandle<()>,
    sampled: Arc<AtomicBool>,
    sampler: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl App {
    /// Reads the config, opens the store with `open`, loads it, reads every advertiser and feed, and listens.
    pub fn start(
        config: &Path,
        prometheus: metrics_exporter_prometheus::PrometheusHandle,
        open: fn(&Path) -> Result<Store, Trouble>,
    ) -> Result<App, StartError> {
        let (server, warnings) = config::server(config).map_err(faults)?;
        let mut store = giving_way(|| open(&server.data_dir))?;
        let hashes = hashes(&server.data_dir, &store)?;
        store.finish_erasures(&hashes).map_err(environment("cannot erase in the store"))?;
        let names = Names::open(store.clone()).map_err(environment("cannot read the store"))?;
        let (server, settings) = settings(server, &names)?;
        let (public, admin) = (listen(server.public)?, listen(server.admin)?);
        let bid = listen(server.bid)?;
        let public_url = server.url(address(&public)?);
        let seals = seals(&server.seal_keys_dir)?;
        let feeds = Feeds::default();
        let read = shops::load_folder(world(&server, &public_url, hashes, seals), &server, &names, &feeds);
        let shops::Folder {
            world, mut remarks, files, ..
        } = read;
        remarks.splice(0..0, warnings.iter().map(ToString::to_string));
        let state = load::load(&store, &names, Millis::wall_clock().to_secs()).map_err(environment("cannot load the store"))?;
        state.time_by(hand::thread_cpu_ns);
        state.popular.rank(&world, Millis::wall_clock().to_secs());
        let (sender, receiver) = sync_channel(FACTS_QUEUE_MAX);
        let parts = Parts {
            world,
            state,
            settings,
            facts: Facts(sender),
            store: store.clone(),
            names,
            feeds,
        };
        let engine = Arc::new(Engine::new(parts).map_err(environment("cannot draw a secret"))?);
        remarks.extend(crowded(&engine));
        edits::begin(&engine, files, warnings).map_err(environment("cannot read the audit log"))?;
        let closing = Arc::new(AtomicBool::new(false));
        let writer = writer::spawn(engine.clone(), store, receiver, closing.clone()).map_err(environment("cannot start the writer"))?;
        let sampled = Arc::new(AtomicBool::new(false));
        let sampler = sampler(engine.clone(), sampled.clone()).map_err(environment("cannot start the sampler"))?;
        let (stop, stopping) = watch::channel(false);
        let hand = hand::spawn(engine.clone(), stopping.clone()).map_err(environment("cannot start the hand"))?;
        let runtime = runtime().map_err(environment("cannot start a runtime"))?;
        let addresses = (address(&bid)?, address(&public)?, address(&admin)?);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let bid_threads = bids::serve(&engine, bid, cores, &stopping).map_err(environment("cannot serve bids"))?;
        let config = config.to_owned();
        let admin_router = crate::admin::router(engine.clone(), prometheus, reloader(engine.clone(), config.clone()));
        let axum = serve_axum(&runtime, &engine, public, (admin, admin_router), &stopping)?;
        spawn_chores(&runtime, &engine, &config);
        engine.state.status.set_ready(true);
        Ok(App {
            engine,
            bid: addresses.0,
            public: addresses.1,
            admin: addresses.2,
            remarks,
            config,
            stop,
            runtime,
            bid_threads,
            axum,
            closing,
            hand,
            sampled,
            sampler,
            writer,
        })
    }

    /// The runtime of everything that is no bid.
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// A value that turns true when the server stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Reads config and feeds again; what is at fault stays as it was.
    pub fn reload(&self) -> Vec<String> {
        self.runtime.block_on(edits::reload(&self.engine, &self.config))
    }

    /// Not ready, no new connections, what is in flight answered, facts flushed.
    pub fn drain(self) {
        let began = Instant::now();
        self.engine.state.status.set_ready(false);
        // Whoever stops waiting has gone already.
        let _ = self.stop.send(true);
        for thread in self.bid_threads {
            let _ = thread.join();
        }
        let axum = self.axum;
        self.runtime.block_on(async {
            for listener in axum {
                // One span for all: they have been draining since the beginning.
                let left = PUBLIC_DRAIN.saturating_sub(began.elapsed());
                let _ = tokio::time::timeout(left, listener).await;
            }
        });
        sizes::write(&self.engine);
        self.sampled.store(true, Ordering::Release);
        let _ = self.sampler.join();
        let _ = self.hand.join();
        // Nobody is left to send facts; what the writer has is committed before it ends.
        self.closing.store(true, Ordering::Release);
        let _ = self.writer.join();
        self.runtime.shutdown_background();
    }
}

/// How much nicer than bids all else is: where both want a core, bids have nine tenths of it.
const NICE: i32 = 10;

/// From now on this thread, and whatever it starts, lets those that bid go first.
fn give_way() {
    // Where it may not, it works as before.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Does something on a thread that gives way: those that it starts do, too.
fn giving_way<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let work = || {
        give_way();
        work()
    };
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
}

/// Starts the thread that rewrites and keeps samples; it ends when it is told to close and nothing is left.
fn sampler(engine: Arc<Engine>, closing: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("sampler".into()).spawn(move || {
        give_way();
        samples::keep(&engine, &closing);
    })
}

fn faults(faults: Vec<Fault>) -> StartError {
    StartError::Input(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn listen(at: SocketAddr) -> Result<TcpListener, StartError> {
    let open = || {
        let socket = socket2::Socket::new(socket2::Domain::for_address(at), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&at.into())?;
        socket.listen(1_024)?;
        Ok(TcpListener::from(socket))
    };
    open().map_err(environment(format!("cannot listen on {at}: choose another address")))
}

/// Where all is done that is no bid.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("public")
        .on_thread_start(give_way)
        .enable_all()
        .build()
}

/// Starts what is done now and then, beside all else.
fn spawn_chores(runtime: &tokio::runtime::Runtime, engine: &Arc<Engine>, config: &Path) {
    runtime.spawn(listener::look(engine.clone()));
    runtime.spawn(refresh_feeds(engine.clone()));
    runtime.spawn(edits::watch(engine.clone(), config.to_owned()));
    runtime.spawn(sizes::keep(engine.clone()));
    runtime.spawn(funnel::keep(engine.clone()));
    runtime.spawn(history::keep(engine.clone()));
    runtime.spawn(compaction::nightly(engine.clone()));
}

/// Serves browsers and admins.
fn serve_axum(
    runtime: &tokio::runtime::Runtime,
    engine: &Arc<Engine>,
    public: TcpListener,
    (admin, admin_router): (TcpListener, axum::Router),
    stopping: &watch::Receiver<bool>,
) -> Result<Vec<tokio::task::JoinHandle<()>>, StartError> {
    let serve = |socket, router, crowd: &Arc<Crowd>, what| {
        listener::serve(runtime, socket, router, crowd.clone(), stopping.clone()).map_err(environment(what))
    };
    let browsers = public::router(engine.clone());
    Ok(vec![
        serve(public, browsers, &engine.crowds.public, "cannot serve browsers")?,
        serve(admin, admin_router, &engine.crowds.admin, "cannot serve admins")?,
    ])
}

/// What is to be said where the system lets in far fewer connections than the config.
fn crowded(engine: &Engine) -> Option<String> {
    let (wanted, most) = (engine.settings.load().server.limits.connections, engine.crowds.most_bidding());
    (most < wanted as usize / 2).then(|| {
        format!(
            "`limits.connections` is {wanted}, and this process may open too few files: at most {most} on the bid listener; \
             raise `ulimit -n`"
        )
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(environment("cannot tell the address listened on"))
}

/// Gives exchanges their lasting numbers and reads the secrets that files hold.
fn settings(mut server: Server, names: &Names) -> Result<(Server, Settings), StartError> {
    let mut doors: Vec<Option<Door>> = vec![None; EXCHANGES_MAX];
    for exchange in &mut server.exchanges {
        exchange.no = names.exchange(&exchange.id);
        let ExchangeNo(no) = exchange.no;
        let header = exchange.auth.header.as_ref().map(|(name, file)| {
            let value = config::secret(file).map_err(environment(format!("cannot read the key of exchange `{}`", exchange.id)))?;
            Ok::<_, StartError>((name.to_ascii_lowercase(), value))
        });
        let door = Door {
            allow: exchange.auth.allow.clone(),
            header: header.transpose()?,
        };
        match doors.get_mut(usize::from(no)) {
            Some(place) => *place = Some(door),
            None => {
                return Err(StartError::Input(format!(
                    "more than {EXCHANGES_MAX} exchanges were ever configured"
                )));
            }
        }
    }
    let tokens = tokens(&server)?;
    Ok((server.clone(), Settings { server, doors, tokens }))
}

/// Who may make calls of the admin listener.
fn tokens(server: &Server) -> Result<Vec<Token>, StartError> {
    let text = |file: &Path| config::secret(file).map_err(environment(format!("cannot read the admin token in {}", file.display())));
    let mut tokens = vec![Token::first(text(&server.token_file)?)];
    for TokenFile { name, role, path } in &server.tokens {
        let (name, role, text) = (name.clone(), *role, text(path)?);
        tokens.push(Token { name, role, text });
    }
    Ok(tokens)
}

fn world(server: &Server, public_url: &str, hashes: Hashes, seals: Seals) -> World {
    let mut world = World::new(server.exchanges.clone(), server.rates.clone(), public_url, hashes, seals);
    apply_server(&mut world, server);
    world
}

/// What of the server's config every request is held against.
fn apply_server(world: &mut World, server: &Server) {
    world.house = Arc::new(server.house.block.clone());
    world.retention_s = server.privacy.retention.0;
    world.privacy = Arc::new(server.privacy.policy.clone());
    world.eids = Arc::new(server.eids.clone());
    world.invalid_traffic = Arc::new(server.invalid_traffic.clone());
}

/// All hashes are under one key: made with the store, kept beside it. Under another one nobody in the
/// store would ever be found.
fn hashes(data_dir: &Path, store: &Store) -> Result<Hashes, StartError> {
    let path = data_dir.join("hash-key");
    if store.last_commit() > 0 && !path.exists() {
        let missing = format!("{} is missing: restore it from the backup", path.display());
        return Err(StartError::Input(missing));
    }
    let text = config::secret(&path).map_err(environment(format!("cannot read {}", path.display())))?;
    Hashes::from_hex(&text).ok_or_else(|| {
        StartError::Input(format!(
            "{} holds no key of hexadecimal digits: restore it from the backup",
            path.display()
        ))
    })
}

/// The keys that seal tokens: files named by their number, the highest seals, the one before still opens.
fn seals(dir: &Path) -> Result<Seals, StartError> {
    let failed = |what: &str| environment(format!("cannot {what} the seal keys in {}", dir.display()));
    std::fs::create_dir_all(dir).map_err(failed("make"))?;
    let mut numbers: Vec<u8> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed("read"))? {
        let path = entry.map_err(failed("read"))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u8>().ok());
        numbers.extend(number.filter(|number| *number > 0));
    }
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    if numbers.is_empty() {
        numbers.push(1);
    }
    numbers.truncate(2);
    let mut keys = Vec::new();
    for number in numbers {
        let path = dir.join(format!("{number}.key"));
        let text = config::secret(&path).map_err(failed("read"))?;
        let key = decode_hex::<32>(&text);
        let key = key.ok_or_else(|| StartError::Input(format!("{} holds no key of 64 hexadecimal digits", path.display())))?;
        keys.push((number, key));
    }
    let mut inert = [0; 32];
    getrandom::fill(&mut inert).map_err(|e| failed("draw")(io::Error::other(e.to_string())))?;
    Ok(Seals::new(&keys, &inert))
}

/// Looks after the feeds, and what is popular of them, for as long as the runtime lives.
async fn refresh_feeds(engine: Arc<Engine>) {
    let mut refresh = shops::Refresh::default();
    let mut tick = tokio::time::interval(FEED_TICK);
    loop {
        tick.tick().await;
        feeds::fetch_due(&engine);
        let (engine, mut turning) = (engine.clone(), refresh);
        let turned = tokio::task::spawn_blocking(move || {
            let _alone = engine.edits.blocking_lock();
            let remarks = turning.turn(&engine, Instant::now());
            engine.state.popular.rank(&engine.world.load(), Millis::wall_clock().to_secs());
            (turning, remarks)
        });
        let Ok((turned, remarks)) = turned.await else { return };
        refresh = turned;
        for remark in remarks {
            tracing::warn!("{remark}");
        }
    }
}

fn reloader(engine: Arc<Engine>, config: std::path::PathBuf) -> crate::admin::Reload {
    Arc::new(move || {
        let (engine, config) = (engine.clone(), config.clone());
        Box::pin(async move { edits::reload(&engine, &config).await })
    })
}
