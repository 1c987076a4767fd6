//! How long a shop waits for the acknowledgement of an event: at a steady rate, from when each was due, beside
//! what a bare `fdatasync` takes on the same disk; and the same while the store is written anew, again and
//! again.
//!
//! The load is open: an event that is late is counted from when it should have been sent. Senders and server
//! share the machine, so that the figures are of both.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use crate::canon::{self, EXCHANGE};
use crate::http::Client;
use crate::ingest;
use crate::ratios::median;
use crate::server::{self, Server};

/// Events a second.
const RATE: usize = 5_000;
/// Connections that they come over.
const SENDERS: usize = 64;
/// No compaction takes longer.
const COMPACT_MAX: Duration = Duration::from_secs(600);
/// How long there is nothing but `fdatasync`.
const BARE: Duration = Duration::from_secs(2);
/// What one of them makes durable: some thirty facts.
const BARE_BYTES: usize = 8 * 1_024;

/// What one round told, in milliseconds.
struct Round {
    p50: f64,
    p99: f64,
    worst: f64,
    per_s: f64,
}

struct Bench {
    dir: tempfile::TempDir,
    users: usize,
    seconds: usize,
}

impl Bench {
    /// The median of `fdatasync` after some bytes at the end of a file, in milliseconds.
    fn bare(&self) -> f64 {
        let path = self.dir.path().join("bare");
        let mut file = File::create(&path).expect("a file");
        let (began, mut took) = (Instant::now(), Vec::new());
        while began.elapsed() < BARE {
            file.write_all(&[7; BARE_BYTES]).expect("written");
            let began = Instant::now();
            file.sync_data().expect("synced");
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        fs::remove_file(path).expect("removed");
        median(&mut took)
    }

    /// Tells of single events at the rate.
    fn round(&self, server: &Server, round: usize) -> Round {
        let events = RATE * self.seconds;
        let key = format!("Bearer {}", server::event_key(self.dir.path(), 0));
        let (began, key) = (Instant::now() + Duration::from_millis(100), &*key);
        let mut all = histogram();
        thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| scope.spawn(move || self.send(server, key, round, began, (sender..events).step_by(SENDERS))))
                .collect();
            for sender in senders {
                all += sender.join().expect("a sender");
            }
        });
        let ms = |us: u64| us as f64 / 1e3;
        Round {
            p50: ms(all.value_at_quantile(0.5)),
            p99: ms(all.value_at_quantile(0.99)),
            worst: ms(all.max()),
            per_s: events as f64 / began.elapsed().as_secs_f64(),
        }
    }

    /// One connection's events; how long each took to be acknowledged, in microseconds.
    fn send(&self, server: &Server, key: &str, round: usize, began: Instant, events: impl Iterator<Item = usize>) -> Histogram<u64> {
        let mut client = Client::new(server.addresses[1]).with("Authorization", key);
        let mut took = histogram();
        for n in events {
            // Half of them of somebody new.
            let user = if n % 2 == 0 {
                n * 7_919 % self.users
            } else {
                self.users + round * 10_000_000 + n
            };
            let item = format!("sku-{}", n % canon::PRODUCTS);
            let event = json!({"event": "view_item", "items": [{"item_id": item, "price": 60}]});
            let body = json!({"user": {"exchange_ids": {EXCHANGE: format!("u{user}")}}, "events": [event]}).to_string();
            let due = began + Duration::from_micros((n * 1_000_000 / RATE) as u64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let answer = client.post("/e/shop0-web", body.as_bytes()).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            took.saturating_record(due.elapsed().as_micros() as u64);
        }
        took
    }

    /// Has the store written anew until it is told to stop: how often, and for how many milliseconds at most
    /// nothing could be recorded.
    fn compact(&self, server: &Server, stop: &AtomicBool) -> (usize, f64) {
        let token = fs::read_to_string(self.dir.path().join("token")).expect("the token");
        let api = Client::new(server.addresses[2]).with("Authorization", &format!("Bearer {}", token.trim()));
        let mut api = api.patient(COMPACT_MAX);
        let (mut times, mut held) = (0, 0.0f64);
        while !stop.load(Ordering::Relaxed) {
            let answer = api.post("/api/compact", b"").expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            times += 1;
            held = held.max(answer.json()["held_ms"].as_f64().expect("a figure"));
        }
        (times, held)
    }
}

/// Of microseconds, up to ten minutes.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("a histogram")
}

fn show(name: &str, figure: f64, bar: &str, ok: bool) {
    println!("show memory.{name} {figure:.2} {bar} {}", if ok { "ok" } else { "short" });
}

/// So many rounds of so many seconds each way, with a build of winback and so many users known.
pub fn ack(winback: &Path, rounds: usize, seconds: usize, users: usize) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench { dir, users, seconds };
    server::write_shops(bench.dir.path(), 1, 2);
    server::write_config(bench.dir.path(), &json!({}));
    // Its first start makes the folder and its keys.
    Server::serve(winback, bench.dir.path()).end();
    ingest::ingest(&bench.dir.path().join("data"), users);
    let server = Server::serve(winback, bench.dir.path());
    let (mut bare, mut quiet, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    let (mut compactions, mut held) = (0, 0.0f64);
    for n in 0..rounds {
        bare.push(bench.bare());
        quiet.push(bench.round(&server, 2 * n));
        let stop = AtomicBool::new(false);
        busy.push(thread::scope(|scope| {
            let compacting = scope.spawn(|| bench.compact(&server, &stop));
            let round = bench.round(&server, 2 * n + 1);
            stop.store(true, Ordering::Relaxed);
            let (times, longest) = compacting.join().expect("compactions");
            compactions += times;
            held = held.max(longest);
            round
        }));
        println!("fdatasync {:.2} ms", bare[n]);
        for (what, Round { p50, p99, worst, per_s }) in [("alone", &quiet[n]), ("while the store is written anew", &busy[n])] {
            println!("{per_s:.0} events/s {what}: p50 {p50:.2} ms, p99 {p99:.2} ms, worst {worst:.0} ms");
        }
    }
    let of = |rounds: &[Round], figure: fn(&Round) -> f64| median(&mut rounds.iter().map(figure).collect::<Vec<_>>());
    let (p50, p99) = (of(&quiet, |round| round.p50), of(&quiet, |round| round.p99));
    let bare = median(&mut bare);
    let most = |rounds: &[Round]| rounds.iter().map(|round| round.worst).fold(0.0, f64::max);
    let (least, told) = (
        0.98 * RATE as f64,
        of(&quiet, |round| round.per_s).min(of(&busy, |round| round.per_s)),
    );
    show("ack_events_per_s", told, &format!(">={least:.0}"), told >= least);
    show("ack_fdatasync_ms", bare, "printed", true);
    show("ack_ms_p50", p50, "printed", true);
    show("ack_ms_p99", p99, "<=10.00", p99 <= 10.0);
    show("ack_per_fdatasync", p50 / bare, "printed", true);
    show("ack_ms_worst", most(&quiet), "<=1000.00", most(&quiet) <= 1_000.0);
    show("ack_compactions", compactions as f64, &format!(">={rounds}"), compactions >= rounds);
    show("ack_compacting_ms_p50", of(&busy, |round| round.p50), "printed", true);
    show("ack_compacting_ms_p99", of(&busy, |round| round.p99), "printed", true);
    show("ack_compacting_ms_worst", most(&busy), "<=1000.00", most(&busy) <= 1_000.0);
    show("ack_held_ms_max", held, "printed", true);
}
