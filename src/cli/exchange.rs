//! `winback exchange`: plays an exchange against a bidder, this one or another that speaks OpenRTB.
//!
//! Reads arguments and files, runs one thread, prints a table and, where asked, JSON. Exit 1 where the
//! answers say that the target was asked wrongly, 3 where nobody answers.

mod compare;
mod profile;
mod values;

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::LocalSet;
use url::Url;

use super::Failure;
use crate::sim::{
    Answers, Business, Config, Habits, Load, Mix, Model, Outcomes, PlottedRun, Rate, Report, Source, Span, Traffic, load, null, plot,
    secret,
};
use values::{FORMS, formats, forms, header, header_file, percent, rate, share, sound_header, span};

/// How long the target may take to accept a first connection.
const CONNECT_MAX: Duration = Duration::from_secs(3);
const FILE_HELP: &str = "put what it is in a file and name that";

/// Arguments of `winback exchange`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Requests are due at a constant rate and latency counts from when each was due (open loop), so a server that stalls is \
seen to. If the target rate was not reached, the table and the JSON say so: then do not believe the latencies. Over some \
hundred requests a second it looks at the clock all the time: leave it a core of its own (taskset).

Examples:
  winback exchange --target http://127.0.0.1:8080/bid/demo-x --config winback.json --rate 2000 --seconds 30
  winback exchange --target http://127.0.0.1:8080/bid/demo-x --rate max --no-auction --header-file X-Exchange-Key=key --json -
  winback exchange --profile evening --plot evening.html --json evening.json
  winback exchange --compare morning.json evening.json --plot both.html
  winback exchange --null 127.0.0.1:9999 --answers answers.txt")]
pub struct Exchange {
    /// Where bid requests are sent: http://HOST:PORT/bid/EXCHANGE.
    #[arg(long, value_name = "URL", required_unless_present_any = ["null", "compare", "profile"])]
    pub target: Option<String>,
    /// Requests a second, evenly spaced; or max: as fast as the connections allow, each sending when it
    /// has its answer (closed loop).
    #[arg(long, value_name = "N|max", default_value = "1000", value_parser = rate)]
    pub rate: Rate,
    /// Connections, each with one request at a time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub connections: u16,
    /// How long is measured.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// How long before that is not.
    #[arg(long, value_name = "S", default_value_t = 2)]
    pub warmup: u64,
    /// An answer that takes longer, from sending, is none.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub timeout_ms: u64,
    /// How long a request waits for a free connection; then it is not sent. As exchanges do that drop what they
    /// cannot ask at once. Without it all are sent, late as they may be.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub wait_ms: Option<u64>,
    /// A line each second on standard error; without it where that is a terminal.
    #[arg(long)]
    pub progress: bool,
    /// The same figures as JSON into a file, or on standard output in place of the table: -.
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<String>,
    /// A page with the latencies drawn, by percentile and over time: one file, to be opened in a browser.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Asks nobody, but holds two runs against one another, of which --json wrote these files.
    #[arg(long, value_names = ["A", "B"], num_args = 2, conflicts_with_all = ["target", "null"])]
    pub compare: Vec<PathBuf>,
    /// Settings of this name in the file of --profiles; what is given here wins.
    #[arg(long, value_name = "NAME", conflicts_with = "null")]
    pub profile: Option<String>,
    /// Names, each with the options of a run: {"evening": {"rate": 2000, "known": 30}}.
    #[arg(long, value_name = "FILE", default_value = "profiles.json")]
    pub profiles: PathBuf,
    /// `status length` of every answer, warm-up too, a line each in the order of arrivals; 0 0 for none.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// A header of every bid request, 'NAME: VALUE'. May be given again.
    #[arg(long, value_name = "HEADER", value_parser = header)]
    pub header: Vec<(String, String)>,
    /// The same with the value in a file. May be given again.
    #[arg(long, value_name = "NAME=FILE", value_parser = header_file)]
    pub header_file: Vec<(String, PathBuf)>,
    /// The bidder's config: its exchange key, its public listener, and its shops, without which nobody buys.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Bodies to send in turn, a JSON request a line, in place of generated ones; nothing is auctioned.
    #[arg(long, value_name = "FILE", help_heading = "Requests")]
    pub requests: Option<PathBuf>,
    /// Of all chance: the same seed asks the same.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Requests")]
    pub seed: u64,
    /// Viewers that shops may have told the bidder of: u0, u1 and so on.
    #[arg(long, value_name = "N", default_value_t = 10_000, help_heading = "Requests")]
    pub users: u64,
    /// Requests in a hundred that are for one of them; the others are for strangers.
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent(), help_heading = "Requests")]
    pub known: u64,
    /// Requests in a hundred that come from apps.
    #[arg(long, value_name = "PERCENT", default_value_t = 35, value_parser = percent(), help_heading = "Requests")]
    pub apps: u64,
    /// How the requests of exchanges are written, each with its share: openrtb26, openrtb25, google, xandr, prebid_server, texts.
    #[arg(long, value_name = "NAME=SHARE,...", value_parser = forms, help_heading = "Requests", default_value = FORMS)]
    pub forms: [u64; 6],
    /// What placements are for, each with its share: banner, native, video.
    #[arg(long, value_name = "NAME=SHARE,...", value_parser = formats, help_heading = "Requests", default_value = "banner=1")]
    pub formats: [u64; 3],
    /// Requests in a hundred where GDPR applies or tracking is limited.
    #[arg(long, value_name = "PERCENT", default_value_t = 3, value_parser = percent(), help_heading = "Requests")]
    pub private: u64,

    /// Only asks: no auctions, notices, views, clicks or purchases.
    #[arg(long, help_heading = "Auctions")]
    pub no_auction: bool,
    /// Answers with bids in a hundred that are auctioned; fewer leave the generator more of its core.
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = percent(), help_heading = "Auctions")]
    pub auction_share: u64,
    /// Where the URLs in bids are called, in place of the host that they name: http://HOST:PORT.
    #[arg(long, value_name = "URL", help_heading = "Auctions")]
    pub public: Option<String>,
    /// From the auction to the notice of it, and on to the billing notice.
    #[arg(long, value_name = "FROM-TO", default_value = "50-300", value_parser = span, help_heading = "Auctions")]
    pub notice_ms: Span,
    /// From the billing notice to the view.
    #[arg(long, value_name = "FROM-TO", default_value = "500-2000", value_parser = span, help_heading = "Auctions")]
    pub view_ms: Span,
    /// From the view to the click.
    #[arg(long, value_name = "FROM-TO", default_value = "2000-10000", value_parser = span, help_heading = "Auctions")]
    pub click_ms: Span,
    /// From the click to the purchase.
    #[arg(long, value_name = "FROM-TO", default_value = "5000-30000", value_parser = span, help_heading = "Auctions")]
    pub conversion_ms: Span,
    /// Views that are clicked, of one.
    #[arg(long, value_name = "SHARE", default_value_t = 0.005, value_parser = share, help_heading = "Auctions")]
    pub ctr: f64,
    /// What is left of that for each placement further down a request.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = share, help_heading = "Auctions")]
    pub click_position: f64,
    /// What is left of it for each view of the same viewer before.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = share, help_heading = "Auctions")]
    pub click_repeat: f64,
    /// Clicks that end in a purchase, of one.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share, help_heading = "Auctions")]
    pub cvr: f64,
    /// What is left of that for each purchase of the same viewer before.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = share, help_heading = "Auctions")]
    pub buy_again: f64,
    /// Connections for notices, views, clicks and purchases.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000), help_heading = "Auctions")]
    pub follow_connections: u16,
    /// How long what is still to be done may take after the load's end.
    #[arg(long, value_name = "S", default_value_t = 10, help_heading = "Auctions")]
    pub drain_s: u64,

    /// Asks nobody, but answers on this address like a bidder that decides nothing: the floor to measure
    /// against. 204 to all, until Ctrl-C.
    #[arg(
        long,
        value_name = "ADDR",
        conflicts_with = "target",
        help_heading = "A bidder that decides nothing"
    )]
    pub null: Option<SocketAddr>,
    /// What it answers in turn, `status length` a line, as --record writes it.
    #[arg(long, value_name = "FILE", requires = "null", help_heading = "A bidder that decides nothing")]
    pub answers: Option<PathBuf>,
}

/// What a target is made of.
struct Target {
    address: SocketAddr,
    authority: String,
    path: String,
    exchange: String,
}

fn wrong(text: String) -> Failure {
    Failure::Faults(text)
}

/// The address that a plain http URL is at.
fn resolved(option: &str, text: &str) -> Result<(Url, SocketAddr), Failure> {
    let url = Url::parse(text).map_err(|fault| wrong(format!("{option} {text}: {fault}: write http://HOST:PORT")))?;
    let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme()) else {
        return Err(wrong(format!("{option} {text}: only http is spoken: write http://HOST:PORT")));
    };
    // Brackets belong to the URL, not to the address.
    let found = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next());
    let address = found.ok_or_else(|| Failure::Unreachable(format!("{option} {text}: no such host")))?;
    Ok((url, address))
}

impl Target {
    fn of(text: &str) -> Result<Target, Failure> {
        let (url, address) = resolved("--target", text)?;
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let exchange = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        if exchange.is_empty() {
            return Err(wrong(format!("--target {text}: end it in /bid/ and the exchange's id")));
        }
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        Ok(Target {
            address,
            authority,
            path,
            exchange,
        })
    }
}

/// `winback exchange`.
pub fn exchange(arguments: &Exchange) -> Result<(), Failure> {
    if let [a, b] = arguments.compare.as_slice() {
        return hold_against(arguments, a, b);
    }
    match &arguments.profile {
        None => run(arguments),
        Some(name) => {
            // The line again, for what was given there and what is a default cannot be told apart any more.
            let own = std::env::args_os().skip_while(|word| word != "exchange").skip(1);
            run(&profile::settled(&arguments.profiles, name, own)?)
        }
    }
}

/// Two runs beside one another.
fn hold_against(arguments: &Exchange, a: &Path, b: &Path) -> Result<(), Failure> {
    let names = [a, b].map(|path| path.display().to_string());
    let names = [names[0].as_str(), names[1].as_str()];
    let (a, b) = (compare::report(a)?, compare::report(b)?);
    let comparison = compare::compare(&a, &b);
    if let Some(path) = &arguments.plot {
        draw(path, &[(names[0], &a), (names[1], &b)])?;
    }
    show(arguments, &json!(comparison), comparison.table(names))
}

/// Writes the page of some runs.
fn draw(path: &Path, runs: &[(&str, &Report)]) -> Result<(), Failure> {
    let runs: Vec<PlottedRun<'_>> = runs.iter().map(|(name, report)| PlottedRun { name, report }).collect();
    write(path, plot(&runs).map_err(wrong)?.as_bytes())
}

fn run(arguments: &Exchange) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Failure::Environment {
        what: "cannot start",
        source,
    })?;
    if let Some(address) = arguments.null {
        return LocalSet::new().block_on(&runtime, decide_nothing(address, arguments.answers.as_deref()));
    }
    let target = Target::of(arguments.target.as_deref().unwrap_or_default())?;
    let config = arguments.config.as_deref().map(|path| Config::read(path, &target.exchange));
    let config = config.transpose().map_err(wrong)?;
    let plan = plan(arguments, &target, config.as_ref())?;
    let source = source(arguments)?;
    let habits = match arguments.no_auction || arguments.requests.is_some() {
        true => None,
        false => Some(habits(arguments, &target, config)?),
    };
    if let Some(path) = &arguments.record {
        write(path, b"")?;
    }
    let local = LocalSet::new();
    let drain = Duration::from_secs(arguments.drain_s);
    let (report, totals) = local.block_on(&runtime, async {
        reach(&target).await?;
        let business = habits.map(Business::open);
        let report = load(plan, source, business.clone()).await.map_err(wrong)?;
        let totals = match business {
            Some(business) => Some(business.drain(drain).await),
            None => None,
        };
        Ok::<_, Failure>((report, totals))
    })?;
    tell(arguments, &report, totals.as_ref())?;
    match report.advice() {
        Some(advice) => Err(wrong(advice)),
        None => Ok(()),
    }
}

/// Whether anybody is there.
async fn reach(target: &Target) -> Result<(), Failure> {
    let there = tokio::time::timeout(CONNECT_MAX, tokio::net::TcpStream::connect(target.address)).await;
    let fault = match there {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(fault)) => fault.to_string(),
        Err(_) => format!("no connection within {} s", CONNECT_MAX.as_secs()),
    };
    Err(Failure::Unreachable(format!(
        "cannot reach http://{}{}: {fault}: start the bidder, or name its bid listener",
        target.authority, target.path
    )))
}

async fn decide_nothing(address: SocketAddr, answers: Option<&Path>) -> Result<(), Failure> {
    let answers = match answers {
        None => Answers::default(),
        Some(path) => Answers::read(&read(path)?).map_err(|fault| wrong(format!("{}: {fault}", path.display())))?,
    };
    let listening = |source| Failure::Environment {
        what: "cannot listen",
        source,
    };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listening)?;
    println!("null listening on {}", listener.local_addr().map_err(listening)?);
    tokio::select! {
        () = null(listener, answers) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

fn plan(arguments: &Exchange, target: &Target, config: Option<&Config>) -> Result<Load, Failure> {
    let mut headers = arguments.header.clone();
    for (name, file) in &arguments.header_file {
        let value = secret(file).map_err(|fault| wrong(format!("--header-file {name}: {fault}")))?;
        headers.push(sound_header(name, &value).map_err(wrong)?);
    }
    let own = config.and_then(|config| config.header.clone());
    headers.extend(own.filter(|(name, _)| !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))));
    Ok(Load {
        address: target.address,
        authority: target.authority.clone(),
        path: target.path.clone(),
        headers,
        rate: arguments.rate,
        connections: usize::from(arguments.connections),
        warmup: Duration::from_secs(arguments.warmup),
        measured: Duration::from_secs(arguments.seconds),
        timeout: Duration::from_millis(arguments.timeout_ms),
        wait: arguments.wait_ms.map_or(Duration::MAX, Duration::from_millis),
        progress: arguments.progress || std::io::stderr().is_terminal(),
        record: arguments.record.is_some(),
    })
}

fn source(arguments: &Exchange) -> Result<Source, Failure> {
    let Some(path) = &arguments.requests else {
        return Ok(Source::Traffic(Box::new(Traffic::new(&Mix {
            users: arguments.users,
            known_percent: arguments.known,
            seed: arguments.seed,
            app_percent: arguments.apps,
            privacy_percent: arguments.private,
            dialects: arguments.forms,
            formats: arguments.formats,
            ..Mix::default()
        }))));
    };
    let text = read(path)?;
    let bodies: Vec<Vec<u8>> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.as_bytes().to_vec())
        .collect();
    match bodies.is_empty() {
        true => Err(wrong(format!(
            "{}: no request in it: write a JSON bid request a line",
            path.display()
        ))),
        false => Ok(Source::Recorded(bodies)),
    }
}

fn habits(arguments: &Exchange, target: &Target, config: Option<Config>) -> Result<Habits, Failure> {
    let given = arguments.public.as_deref().map(|text| resolved("--public", text));
    let given = given.transpose()?.map(|(_, address)| address);
    Ok(Habits {
        share_percent: arguments.auction_share,
        notice_ms: arguments.notice_ms,
        view_ms: arguments.view_ms,
        click_ms: arguments.click_ms,
        conversion_ms: arguments.conversion_ms,
        model: Model {
            ctr: arguments.ctr,
            position: arguments.click_position,
            repeat: arguments.click_repeat,
            cvr: arguments.cvr,
            again: arguments.buy_again,
        },
        connections: usize::from(arguments.follow_connections),
        public: given.or(config.as_ref().and_then(|config| config.public)),
        seed: arguments.seed,
        exchange: target.exchange.clone(),
        config,
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|fault| wrong(format!("cannot read {}: {fault}: {FILE_HELP}", path.display())))
}

fn write(path: &Path, text: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|source| Failure::Unreachable(format!("cannot write {}: {source}", path.display())))
}

/// The table on standard output, JSON and answers where they were asked for.
fn tell(arguments: &Exchange, report: &Report, totals: Option<&Outcomes>) -> Result<(), Failure> {
    if let Some(path) = &arguments.record {
        let lines: String = report
            .answers
            .iter()
            .map(|(status, length)| format!("{status} {length}\n"))
            .collect();
        write(path, lines.as_bytes())?;
    }
    if let Some(path) = &arguments.plot {
        draw(path, &[("this run", report)])?;
    }
    let mut figures = json!(report);
    figures["auction"] = totals.map_or(Value::Null, |totals| json!(totals));
    let table = report.table() + &totals.map(Outcomes::table).unwrap_or_default();
    show(arguments, &figures, table)
}

/// A table on standard output; JSON where it was asked for, there or into a file.
fn show(arguments: &Exchange, figures: &Value, table: String) -> Result<(), Failure> {
    let text = match arguments.json.as_deref() {
        Some("-") => format!("{figures}\n"),
        Some(path) => {
            write(Path::new(path), format!("{figures}\n").as_bytes())?;
            table
        }
        None => table,
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| Failure::Environment {
            what: "cannot write the figures",
            source,
        }),
    }
}
