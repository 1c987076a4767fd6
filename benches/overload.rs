//! What becomes of bids when there is more to answer than can be answered, and when there are more connections
//! than anybody needs: winback on one core, the generator on the other, which gives requests up as exchanges
//! do. Before, meanwhile and after are measured in one run, as figures of two runs do not compare.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use winback::server::listener::descriptors;

use crate::canon::EXCHANGE;
use crate::ratios::median;
use crate::server::Server;
use crate::wire::{Bench, machine};

/// For how long an exchange waits, in milliseconds, and when it drops what finds no free connection.
const TMAX_MS: &str = "100";
const WAIT_MS: &str = "5";
/// Connections of an exchange, and of one that opens as many as it likes.
const CONNECTIONS: [(&str, &str); 2] = [("", "512"), ("many_", "4096")];
/// Connections that say nothing, and that have begun to.
const IDLE: usize = 10_000;
const HALF_OPEN: usize = 1_000;
/// A head that is not whole is waited for 5 s: before that, others come in its place.
const HALF_OPEN_LASTS: Duration = Duration::from_secs(3);

/// How much of it.
pub struct Sizes {
    users: usize,
    seconds: usize,
    /// Of the connections of a flood, in percent.
    percent: usize,
}

impl Sizes {
    /// Of words: users, seconds, percent.
    pub fn of(words: &[String]) -> Sizes {
        let number = |at: usize, usual| words.get(at).map_or(usual, |word| word.parse().expect("a number"));
        Sizes {
            users: number(0, 1_000_000),
            seconds: number(1, 20),
            percent: number(2, 100),
        }
    }
}

fn show(name: &str, figure: f64, bar: &str, ok: bool) {
    println!("show {name} {figure:.2} {bar} {}", if ok { "ok" } else { "short" });
}

fn number(report: &Value, name: &str) -> f64 {
    let value = report.pointer(&format!("/{}", name.replace('.', "/")));
    value.and_then(Value::as_f64).unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// A server of an exchange that waits for 100 ms.
fn serve(bench: &Bench) -> Server {
    let exchange = json!({"id": EXCHANGE, "seat": "winback", "tmax_ms": 100});
    bench.serve(&json!({"exchanges": [exchange]}))
}

/// Answers and bids a second of a server that is asked as fast as it answers.
fn peak(bench: &Bench, server: &Server, seconds: usize) -> (f64, f64) {
    let seconds = (seconds / 2).max(1).to_string();
    let report = bench.load(server, 1, &["--rate", "max", "--warmup", "1", "--seconds", &seconds]);
    assert_eq!(report["errors"], 0, "{report}");
    (
        number(&report, "achieved_rate"),
        number(&report, "bids") / number(&report, "seconds"),
    )
}

/// A load of half of what can be answered, its first second apart.
fn usual(bench: &Bench, server: &Server, seed: usize, rate: f64, seconds: usize) -> Value {
    let (rate, seconds) = (format!("{:.1}", rate / 2.0), seconds.to_string());
    bench.load(
        server,
        seed,
        &["--rate", &rate, "--warmup", "1", "--seconds", &seconds, "--timeout-ms", TMAX_MS],
    )
}

fn unanswered(report: &Value) -> f64 {
    number(report, "errors") + number(report, "timeouts") + number(report, "unsent")
}

/// What an exchange with so many connections gets of a server that it asks half as much again as it can answer.
fn beyond(bench: &Bench, server: &Server, connections: &str, rate: f64, seconds: usize) -> Value {
    let (rate, seconds) = (format!("{:.1}", rate * 1.5), seconds.to_string());
    let mut how = vec![
        "--rate",
        &rate,
        "--warmup",
        "1",
        "--seconds",
        &seconds,
        "--connections",
        connections,
    ];
    how.extend(["--timeout-ms", TMAX_MS, "--wait-ms", WAIT_MS]);
    bench.load(server, 3, &how)
}

/// Overload at 1.5 times what can be answered, with a build of winback.
pub fn overload(winback: &Path, sizes: &Sizes) {
    let bench = Bench::new(winback, sizes.users);
    let server = serve(&bench);
    let (rate, bids) = peak(&bench, &server, sizes.seconds);
    let before = usual(&bench, &server, 2, rate, sizes.seconds.div_ceil(4));
    let rss = server.rss() as f64;
    for (name, connections) in CONNECTIONS {
        let report = beyond(&bench, &server, connections, rate, sizes.seconds);
        let grown = (server.rss() as f64 / rss - 1.0) * 100.0;
        let after = usual(&bench, &server, 4, rate, sizes.seconds.div_ceil(4));
        let offered = rate * 1.5 * number(&report, "seconds");
        let in_time = (number(&report, "bids") - number(&report, "late_bids")) / number(&report, "seconds");
        let percent = |part: f64, whole: f64| part * 100.0 / whole.max(1.0);
        println!(
            "{connections} connections: {rate:.0}/s can be answered, {:.0}/s asked: {}/s answered, p99 {} us; {} timeouts, {} errors, {} unsent; \
             the generator was busy {} % of its core",
            rate * 1.5,
            report["achieved_rate"],
            report["latency_us"]["p99"],
            report["timeouts"],
            report["errors"],
            report["unsent"],
            report["generator"]["busy_percent"]
        );
        told(&server);
        let judged = name.is_empty();
        let show = |what: &str, figure: f64, bar: &str, ok: bool| {
            show(
                &format!("overload.{name}{what}"),
                figure,
                if judged { bar } else { "printed" },
                ok || !judged,
            );
        };
        let kept = percent(in_time, bids);
        let (late, lost) = (percent(number(&report, "late"), offered), percent(unanswered(&report), offered));
        let slower = number(&after, "latency_us.p99") / number(&before, "latency_us.p99").max(1.0);
        show("bids_percent", kept, ">=85", kept >= 85.0);
        show("late_percent", late, "<=1", late <= 1.0);
        show("unanswered_percent", lost, "<=35", lost <= 35.0);
        show("rss_grown_percent", grown, "<=5", grown <= 5.0);
        show("after_unanswered", unanswered(&after), "=0", unanswered(&after) == 0.0);
        show("after_p99_ratio", slower, "<=1.5", slower <= 1.5);
    }
    println!("{}", machine());
}

/// What the server says of itself.
fn told(server: &Server) {
    let name = |why: &str| format!("winback_no_bids_total{{exchange=\"{EXCHANGE}\",reason=\"{why}\"}} ");
    println!(
        "so far no-bids {} too_late, {} overloaded; in time {}",
        server.metric(&name("too_late")),
        server.metric(&name("overloaded")),
        server.metric(&format!("winback_in_time_share{{exchange=\"{EXCHANGE}\"}} "))
    );
}

/// A connection that has asked once and is kept.
fn idle(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(b"GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let mut answer = [0; 256];
    assert!(stream.read(&mut answer).expect("an answer") > 0);
    stream
}

/// A connection that has begun to ask.
fn half_open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(b"POST /bid/x HTTP/1.1\r\nHost: x\r\nContent-Le").expect("sent");
    stream
}

/// Bids beside ten thousand connections that say nothing and a thousand that never end what they say.
pub fn floods(winback: &Path, sizes: &Sizes) {
    descriptors();
    let bench = Bench::new(winback, sizes.users);
    let server = serve(&bench);
    let address = server.addresses[0];
    let (rate, _) = peak(&bench, &server, sizes.seconds);
    let (idles, halves) = (IDLE * sizes.percent / 100, HALF_OPEN * sizes.percent / 100);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let (mut open, mut kib) = (f64::MAX, 0.0f64);
    for pair in 0..3 {
        let p99 = |report: Value| number(&report, "bid_latency_us.p99");
        without.push(p99(usual(&bench, &server, 2 * pair, rate, sizes.seconds.div_ceil(4))));
        let before = server.rss() as f64;
        let kept: Vec<TcpStream> = (0..idles).map(|_| idle(address)).collect();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _half: Vec<TcpStream> = (0..halves).map(|_| half_open(address)).collect();
                    thread::sleep(HALF_OPEN_LASTS);
                }
            });
            // Until the first of them are there.
            thread::sleep(Duration::from_secs(1));
            kib = kib.max((server.rss() as f64 - before) / 1_024.0 / (idles + halves).max(1) as f64);
            open = open.min(server.metric("winback_connections{listener=\"bid\"} "));
            with.push(p99(usual(&bench, &server, 2 * pair + 1, rate, sizes.seconds.div_ceil(4))));
            stop.store(true, Ordering::Relaxed);
        });
        drop(kept);
    }
    let least = (idles + halves) as f64 * 0.95;
    let (without, with) = (median(&mut without), median(&mut with));
    println!("{}", machine());
    println!("p99 of a bid at half of what can be answered: {without} us alone, {with} us beside {open} connections");
    show("floods.connections_least", open, &format!(">={least:.0}"), open >= least);
    show("floods.kib_a_connection", kib, "printed", true);
    show(
        "floods.bid_p99_ratio",
        with / without.max(1.0),
        "<=1.5",
        with <= 1.5 * without.max(1.0),
    );
}
