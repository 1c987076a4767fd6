//! kill -9 in the middle of events, notices, edits and compactions: what was acknowledged is there, once.
//!
//! `ROUNDS` says how often: 3 where it is not set, 15 in the ordinary run, 200 for `make crash`. At the
//! end the books must equal what the exchange was told, to the billionth.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::figures::{Figures, billionths, decimal};
use crate::http::Client;
use crate::rig::{Server, ask, bids, call, tell};
use crate::shop::{PRODUCTS, Setup, advertiser, cart, request, theirs};

const SEEDS: usize = 400;
const ROUND_MAX: Duration = Duration::from_secs(20);
const COMPACT_MAX: Duration = Duration::from_secs(120);
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// Acknowledgements over 15 rounds.
const ACKNOWLEDGED_MIN: usize = 2_000;
const ROUNDS_FULL: usize = 15;

/// One notice: the call and what it says was paid for a thousand, in billionths.
#[derive(Clone)]
struct Notice {
    path: String,
    cpm: i128,
}

/// What was sent, and what of it was acknowledged.
#[derive(Default)]
struct Tally {
    next: AtomicUsize,
    acknowledged: AtomicUsize,
    events: Mutex<Vec<usize>>,
    events_open: Mutex<Vec<usize>>,
    notices: Mutex<Vec<Notice>>,
    notices_open: Mutex<Vec<Notice>>,
    edit: Mutex<[String; 2]>,
    edits: AtomicUsize,
    /// Compactions that came to their end.
    compactions: AtomicUsize,
    /// Rounds in which the server was killed in the middle of one.
    killed_compacting: AtomicUsize,
    /// Notices that a running server refused.
    refused: Mutex<Vec<String>>,
}

impl Tally {
    fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn acknowledge(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

fn rounds() -> usize {
    std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

#[test]
fn acknowledged_is_there_once() {
    let setup = Setup::acme();
    setup.write();
    let mut server = Server::start(setup.path());
    let mut shop = server.shop();
    for n in 0..SEEDS {
        tell(&mut shop, "acme", &cart(theirs(&seed(n)), "acme", n % PRODUCTS));
    }
    let tally = Tally::default();
    *tally.edit.lock().unwrap() = ["Shop acme".to_owned(), "Shop acme".to_owned()];
    let rounds = rounds();
    let (mut missing, mut doubled) = (0, 0);
    for round in 0..rounds {
        let target = (round + 1) * ACKNOWLEDGED_MIN.div_ceil(ROUNDS_FULL) + round % 7 * 3;
        let first = tally.events.lock().unwrap().len();
        work_until_killed(&mut server, &tally, target);
        server = Server::start(setup.path());
        let open = tally.events_open.lock().unwrap().len();
        let (lost, twice) = verify(&server, &tally, first);
        let done = tally.acknowledged.load(Ordering::Relaxed);
        println!(
            "round {}: {done} acknowledged, {open} events open, {lost} missing, {twice} doubled",
            round + 1
        );
        missing += lost;
        doubled += twice;
    }
    compact_then_kill(&mut server, &setup, &tally);
    let (lost, twice) = verify(&server, &tally, 0);
    let refused = tally.refused.lock().unwrap().clone();
    refused.iter().take(10).for_each(|what| println!("refused: {what}"));
    let (events, notices) = (tally.events.lock().unwrap().len(), tally.notices.lock().unwrap().len());
    println!("events {events}, notices {notices}, edits {}", tally.edits.load(Ordering::Relaxed));
    let mut figures = Figures::new();
    figures.exactly("kill.rounds", rounds, rounds);
    figures.at_least(
        "kill.acknowledged",
        tally.acknowledged.load(Ordering::Relaxed),
        ACKNOWLEDGED_MIN * rounds / ROUNDS_FULL,
    );
    figures.at_least(
        "kill.kinds",
        [events, notices, tally.edits.load(Ordering::Relaxed)]
            .iter()
            .filter(|n| **n > 0)
            .count(),
        3,
    );
    figures.exactly("kill.missing", missing + lost, 0);
    figures.exactly("kill.doubled", doubled + twice, 0);
    figures.exactly("kill.refused", refused.len(), 0);
    let ledger: i128 = tally.notices.lock().unwrap().iter().map(|notice| notice.cpm / 1_000).sum();
    let (_, books) = reported(&mut server.api());
    figures.exactly("crash.rounds", rounds, rounds);
    figures.at_least("crash.acknowledged", tally.acknowledged.load(Ordering::Relaxed), 100 * rounds);
    figures.exactly("crash.lost", missing + lost, 0);
    figures.exactly("crash.doubled", doubled + twice, 0);
    figures.exactly("crash.ledger_billionths", books - ledger, 0);
    figures.at_least("crash.compactions", tally.compactions.load(Ordering::Relaxed), 1);
    figures.at_least(
        "crash.killed_compacting",
        tally.killed_compacting.load(Ordering::Relaxed),
        rounds / 2,
    );
    figures.settle();
}

fn seed(n: usize) -> String {
    format!("seed-{n}")
}

fn work_until_killed(server: &mut Server, tally: &Tally, target: usize) {
    let killed = AtomicBool::new(false);
    let (shops, exchanges) = ([server.shop(), server.shop()], [server.exchange(), server.exchange()]);
    let (api, desk, killed) = (server.api(), server.api(), &killed);
    thread::scope(|scope| {
        for shop in shops {
            scope.spawn(move || send_events(shop, tally, killed));
        }
        for exchange in exchanges {
            scope.spawn(move || send_notices(exchange, tally, killed));
        }
        scope.spawn(move || send_edits(api, tally, killed));
        scope.spawn(move || compact(desk, tally, killed));
        let end = Instant::now() + ROUND_MAX;
        while tally.acknowledged.load(Ordering::Relaxed) < target && Instant::now() < end {
            thread::sleep(Duration::from_millis(3));
        }
        server.kill();
        killed.store(true, Ordering::Relaxed);
    });
}

fn send_events(mut shop: Client, tally: &Tally, killed: &AtomicBool) {
    while !killed.load(Ordering::Relaxed) {
        let n = tally.number();
        if send_event(&mut shop, n) {
            tally.events.lock().unwrap().push(n);
            tally.acknowledge();
        } else {
            tally.events_open.lock().unwrap().push(n);
            return;
        }
    }
}

/// One event of a user of its own; true where it was acknowledged.
fn send_event(shop: &mut Client, n: usize) -> bool {
    let mut batch = cart(theirs(&format!("k-{n}")), "acme", n % PRODUCTS);
    batch["events"][0]["event_id"] = format!("ev-{n}").into();
    let answer = shop.post("/e/acme-web", batch.to_string().as_bytes());
    // Sent again, an event that was stored is the same event: accepted or not, it is acknowledged.
    answer.is_ok_and(|answer| answer.status == 200)
}

fn send_notices(mut exchange: Client, tally: &Tally, killed: &AtomicBool) {
    while !killed.load(Ordering::Relaxed) {
        let n = tally.number();
        let asked = request(&format!("kill-{n}"), &seed(n % SEEDS), 1);
        let Ok(answer) = exchange.post("/bid/x", asked.to_string().as_bytes()) else {
            continue;
        };
        let Some(bid) = bids(&answer).into_iter().next() else { continue };
        let price = format!("1.{:06}", n % 1_000_000);
        let notice = Notice {
            path: call(&bid["burl"], &price),
            cpm: billionths(&price).unwrap(),
        };
        match exchange.get(&notice.path) {
            Ok(answer) if answer.status == 200 => {
                tally.notices.lock().unwrap().push(notice);
                tally.acknowledge();
            }
            Ok(answer) if answer.status != 503 => {
                tally.refused.lock().unwrap().push(format!("{} {}", answer.status, notice.path));
            }
            _ => tally.notices_open.lock().unwrap().push(notice),
        }
    }
}

fn send_edits(mut api: Client, tally: &Tally, killed: &AtomicBool) {
    while !killed.load(Ordering::Relaxed) {
        let name = format!("Shop acme, edit {}", tally.number());
        let mut edited = advertiser("acme");
        edited["name"] = name.clone().into();
        tally.edit.lock().unwrap()[1] = name.clone();
        let body = edited.to_string();
        let answer = api.send(
            "PUT",
            "/api/advertisers/acme",
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        );
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => {
                tally.edit.lock().unwrap()[0] = name;
                tally.edits.fetch_add(1, Ordering::Relaxed);
                tally.acknowledge();
            }
            Ok(answer) => tally
                .refused
                .lock()
                .unwrap()
                .push(format!("{} PUT {}", answer.status, answer.text())),
            Err(_) => return,
        }
        // Edits rebuild a shop; events and notices are to have most of the round.
        thread::sleep(Duration::from_millis(25));
    }
}

/// A compaction that comes to its end; the next server is on what it left.
fn compact_then_kill(server: &mut Server, setup: &Setup, tally: &Tally) {
    let answer = server.api().patient(COMPACT_MAX).post("/api/compact", b"").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    tally.compactions.fetch_add(1, Ordering::Relaxed);
    server.kill();
    *server = Server::start(setup.path());
}

/// One compaction after another.
fn compact(api: Client, tally: &Tally, killed: &AtomicBool) {
    let mut api = api.patient(COMPACT_MAX);
    while !killed.load(Ordering::Relaxed) {
        match api.post("/api/compact", b"") {
            Ok(answer) if answer.status == 200 => drop(tally.compactions.fetch_add(1, Ordering::Relaxed)),
            Ok(answer) => tally
                .refused
                .lock()
                .unwrap()
                .push(format!("{} compact {}", answer.status, answer.text())),
            Err(_) => {
                tally.killed_compacting.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// What is missing and what is there twice, after a restart. Sends again what was not acknowledged.
fn verify(server: &Server, tally: &Tally, first: usize) -> (usize, usize) {
    let (mut missing, mut doubled) = (0, 0);
    let mut api = server.api();
    let name = api.get("/api/advertisers/acme").expect("the advertiser").json()["name"].clone();
    let mut edit = tally.edit.lock().unwrap();
    if !edit.iter().any(|sent| name == sent.as_str()) {
        println!("the name is {name}, sent were {edit:?}");
        missing += 1;
    }
    let shown = name.as_str().unwrap_or_default().to_owned();
    *edit = [shown.clone(), shown];

    let (count, _) = reported(&mut api);
    let mut acknowledged = tally.notices.lock().unwrap();
    let mut open = tally.notices_open.lock().unwrap();
    missing += acknowledged.len().saturating_sub(count);
    doubled += count.saturating_sub(acknowledged.len() + open.len());
    let (mut exchange, mut shop) = (server.exchange(), server.shop());
    for notice in open.drain(..) {
        let answer = exchange.get(&notice.path).expect("an answer to a notice");
        assert_eq!(answer.status, 200, "sent again: {}", notice.path);
        acknowledged.push(notice);
    }
    let (lost, twice) = money(&mut api, &acknowledged);
    missing += lost;
    doubled += twice;

    let mut events = tally.events.lock().unwrap();
    for n in tally.events_open.lock().unwrap().drain(..) {
        assert!(send_event(&mut shop, n), "event {n}, sent again, is not acknowledged");
        events.push(n);
    }
    for n in &events[first..] {
        match events_of(&mut api, *n) {
            0 => missing += 1,
            1 => {}
            _ => doubled += 1,
        }
    }
    (missing, doubled)
}

/// Impressions and media cost must equal what was acknowledged, exactly.
fn money(api: &mut Client, acknowledged: &[Notice]) -> (usize, usize) {
    let cost: i128 = acknowledged.iter().map(|notice| notice.cpm / 1_000).sum();
    let end = Instant::now() + SETTLE_MAX;
    loop {
        let (count, reported) = reported(api);
        if count == acknowledged.len() && reported == cost {
            return (0, 0);
        }
        if Instant::now() > end {
            println!(
                "reported {count} at {}, acknowledged {} at {}",
                decimal(reported),
                acknowledged.len(),
                decimal(cost)
            );
            let (more, less) = (
                count > acknowledged.len() || reported > cost,
                count < acknowledged.len() || reported < cost,
            );
            return (usize::from(less), usize::from(more));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Impressions and media cost of the report, in billionths.
pub fn reported(api: &mut Client) -> (usize, i128) {
    let report = api
        .get("/api/report?advertiser=acme&by=campaign&format=json")
        .expect("the report")
        .json();
    let rows = report["rows"].as_array().cloned().unwrap_or_else(|| panic!("no rows: {report}"));
    let impressions = rows.iter().filter_map(|row| row["impressions"].as_u64()).sum::<u64>();
    let cost = rows.iter().map(|row| {
        let text = row["media_cost"].as_str().unwrap_or_else(|| panic!("media_cost is no text: {row}"));
        billionths(text).unwrap_or_else(|| panic!("media_cost is not exact: {row}"))
    });
    (impressions as usize, cost.sum())
}

/// Events of the n-th event's user.
fn events_of(api: &mut Client, n: usize) -> usize {
    let answer = api.get(&format!("/api/users/x:k-{n}")).expect("the user");
    let user = answer.json();
    let count = |events: &Value| {
        events
            .as_array()
            .map(Vec::len)
            .or_else(|| events.as_u64().map(|count| count as usize))
    };
    let advertisers = user["advertisers"].as_array().cloned().unwrap_or_default();
    advertisers.iter().filter_map(|seen| count(&seen["events"])).sum()
}

#[test]
fn a_notice_sent_again_counts_once() {
    let server = Server::fresh(Setup::acme());
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let mut exchange = server.exchange();
    let bid = bids(&ask(&mut exchange, &request("r", "u", 1))).remove(0);
    for price in ["1.25", "1.25", "2.00"] {
        assert_eq!(exchange.get(&call(&bid["burl"], price)).expect("an answer").status, 200);
    }
    assert_eq!(
        money(
            &mut server.api(),
            &[Notice {
                path: String::new(),
                cpm: 1_250_000_000
            }]
        ),
        (0, 0)
    );
}
