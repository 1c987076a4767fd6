//! Many shoppers on one machine: the real server is told of them by NDJSON; then what each takes, how fast
//! they are read back at a start, and what bids cost while events arrive and others leave.
//!
//! Every shopper has four events at one shop and one match. Latencies are of an open-loop generator on the
//! same machine, in turns with and without the load, so only their ratio says something; the worst are
//! printed and not judged.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use winback::base::time::Millis;
use winback::model::rows::Table;
use winback::store::Store;

use crate::canon::{self, EXCHANGE};
use crate::http::Client;
use crate::ingest;
use crate::ratios::median;
use crate::server::{self, Server};

const SHOPS: usize = 20;
/// Shoppers of one body.
const LINES: usize = 20_000;
/// Shoppers were last seen within so many days.
const DAYS: usize = 80;
/// Those not seen for longer leave in the rounds with load.
const RETENTION: &str = "75d";
const PAIRS: usize = 4;
const PAIRS_COMPACTING: usize = 3;
const ROUND_S: &str = "15";
/// In the middle of a round.
const RELOAD_AFTER: Duration = Duration::from_secs(7);
/// No compaction takes longer.
const COMPACT_MAX: Duration = Duration::from_secs(1_800);
/// Bid requests a second.
const RATE: &str = "2000";
const EVENTS_PER_S: usize = 5_000;
/// Bodies of events a second.
const TICKS: usize = 20;
const READS: usize = 3;
/// It looks at the clock all the time.
const GENERATOR_CORE: &str = "1";

/// The longest shard-lock holds in microseconds: of tables as they are, and while they double.
fn locks(server: &Server) -> [f64; 2] {
    ["steady", "doubling"].map(|table| server.metric(&format!("winback_shard_lock_seconds_max{{table=\"{table}\"}}")) * 1e6)
}

struct Bench {
    winback: PathBuf,
    users: usize,
    dir: tempfile::TempDir,
    keys: Vec<String>,
}

impl Bench {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The server's config; with a ceiling, the retention is shorter too.
    fn write_config(&self, memory_mib: Option<u64>) {
        let more = match memory_mib {
            Some(most) => json!({"privacy": {"retention": RETENTION}, "limits": {"memory_mib": most}}),
            None => json!({"privacy": {"retention": "90d"}}),
        };
        server::write_config(self.dir.path(), &more);
    }

    fn start(&self) -> Server {
        Server::serve(&self.winback, self.dir.path())
    }

    /// Seconds that the last start took to load users and matches.
    fn load_s(&self) -> f64 {
        let log = fs::read_to_string(self.at("log")).expect("the log");
        let line = log.lines().rfind(|line| line.contains("loaded ")).expect("a load");
        let took = line.rsplit_once(" in ").and_then(|(_, rest)| rest.strip_suffix(" s")?.parse().ok());
        took.expect("seconds")
    }

    /// Sends one body for a shop, which must be accepted whole.
    fn send(&self, client: &mut Client, shop: usize, body: &str) {
        let key = format!("Bearer {}", self.keys[shop]);
        let headers = [("Content-Type", "application/x-ndjson"), ("Authorization", &*key)];
        let answer = client.send("POST", &format!("/e/shop{shop}-web"), &headers, body.as_bytes());
        let answer = answer.expect("an answer to events");
        let rejected = answer.json()["rejected"].as_array().map(Vec::len);
        assert_eq!((answer.status, rejected), (200, Some(0)), "{}", answer.text());
    }

    /// Tells of every shopper, one body after another: one in the making while the other is on its way.
    fn tell(&self, public: SocketAddr) {
        let client = &Mutex::new(Client::new(public));
        std::thread::scope(|scope| {
            for half in 0..2 {
                scope.spawn(move || {
                    for start in (half * LINES..self.users).step_by(2 * LINES) {
                        let shop = start / LINES % SHOPS;
                        let mut body = String::with_capacity(LINES * 420);
                        for n in start..(start + LINES).min(self.users) {
                            line(&mut body, n);
                        }
                        self.send(&mut client.lock().expect("the connection"), shop, &body);
                    }
                });
            }
        });
    }

    /// Tells of events at their rate until it is told to stop; returns how many.
    fn keep_telling(&self, public: SocketAddr, round: usize, stop: &AtomicBool) -> usize {
        let mut client = Client::new(public);
        let (began, mut told) = (Instant::now(), 0);
        for tick in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let mut body = String::new();
            for n in 0..EVENTS_PER_S / TICKS {
                // Half of them of somebody new.
                let user = if n % 2 == 0 {
                    (tick * 7_919 + n * 104_729) % self.users
                } else {
                    self.users + round * 10_000_000 + tick * 1_000 + n
                };
                let sku = n % canon::PRODUCTS;
                writeln!(
                    body,
                    r#"{{"user":{{"exchange_ids":{{"{EXCHANGE}":"u{user}"}}}},"events":[{{"event":"view_item","items":[{{"item_id":"sku-{sku}","price":60}}]}}]}}"#
                )
                .expect("text");
            }
            self.send(&mut client, tick % SHOPS, &body);
            told += EVENTS_PER_S / TICKS;
            let due = Duration::from_micros((tick as u64 + 1) * 1_000_000 / TICKS as u64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        println!("{:.0} events/s told", told as f64 / began.elapsed().as_secs_f64());
        told
    }

    /// The 99.9th and the 99.99th percentile of bids, and the worst, in microseconds.
    fn bids(&self, server: &Server, seed: usize) -> [f64; 3] {
        let mut command = Command::new("taskset");
        command.args(["-c", GENERATOR_CORE]).arg(&self.winback);
        let target = format!("http://{}/bid/{EXCHANGE}", server.addresses[0]);
        command.args([
            "exchange",
            "--target",
            &target,
            "--rate",
            RATE,
            "--seconds",
            ROUND_S,
            "--no-auction",
            "--json",
            "-",
        ]);
        command.args(["--known", "50", "--seed", &seed.to_string(), "--users", &self.users.to_string()]);
        let output = command.output().expect("the generator runs");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {output:?}"));
        assert_eq!(report["errors"], 0, "{report}");
        ["p99_9", "p99_99", "max"].map(|of| report["latency_us"][of].as_f64().expect("a figure"))
    }

    /// Seconds in which fjall alone reads the rows of users and matches, with as many threads as a load has.
    fn read_alone(&self) -> (f64, usize) {
        let store = Store::open(&self.at("data")).expect("the store");
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let width = u64::MAX / threads;
        let began = Instant::now();
        let rows: usize = std::thread::scope(|scope| {
            let read = |at: u64| {
                let store = &store;
                move || {
                    let last = if at + 1 == threads { u64::MAX } else { (at + 1) * width - 1 };
                    let mut rows = 0;
                    for table in [Table::Users, Table::Matches] {
                        store.each(table, at * width, last, |_, _| rows += 1).expect("rows");
                    }
                    rows
                }
            };
            let reading: Vec<_> = (0..threads).map(|at| scope.spawn(read(at))).collect();
            reading.into_iter().map(|thread| thread.join().expect("read")).sum()
        });
        (began.elapsed().as_secs_f64(), rows)
    }
}

/// One shopper: four events at times that all of them together spread evenly over the days.
fn line(body: &mut String, n: usize) {
    let at = Millis::wall_clock().0 / 1_000 - (n * 7_919 % (DAYS * 86_400)) as i64;
    let events = [("view_item", 9_000), ("view_item", 340), ("add_to_cart", 60), ("view_cart", 0)];
    write!(body, r#"{{"user":{{"exchange_ids":{{"{EXCHANGE}":"u{n}"}}}},"events":["#).expect("text");
    for (nth, (event, before)) in events.into_iter().enumerate() {
        let (comma, sku, price) = (if nth > 0 { "," } else { "" }, (n + nth) % canon::PRODUCTS, 5 + n % 300);
        write!(
            body,
            r#"{comma}{{"event":"{event}","time":{},"items":[{{"item_id":"sku-{sku}","price":"{price}.90"}}]}}"#,
            at - before
        )
        .expect("text");
    }
    body.push_str("]}\n");
}

fn show(name: &str, figure: f64, digits: usize, bar: &str, ok: bool) {
    println!("show scale.{name} {figure:.digits$} {bar} {}", if ok { "ok" } else { "short" });
}

/// What came of telling.
struct Told {
    users: f64,
    bytes_per_user: f64,
    /// What the server reckons its users take at most.
    reckoned_mib: u64,
    locks: [f64; 2],
}

/// Everything, with a release build of winback and so many users; `ingested` puts them into the store rather
/// than telling them one by one, which on a slow disk takes an hour.
pub fn scale(winback: &Path, users: usize, ingested: bool) {
    let mut bench = Bench {
        winback: winback.to_owned(),
        users,
        dir: tempfile::tempdir().expect("a temporary folder"),
        keys: Vec::new(),
    };
    server::write_shops(bench.dir.path(), SHOPS, 2);
    bench.write_config(None);
    let told = if ingested { bench.ingested() } else { bench.told() };
    let (load_ratio, server) = bench.loaded();
    let pairs = bench.pairs(&server, told.reckoned_mib * 19 / 20);
    let steady = locks(&server);
    let compacting = bench.while_compacting(&server);
    let evicted = ["memory", "retention"].map(|why| server.metric(&format!("winback_evicted_total{{reason=\"{why}\"}}")));
    println!(
        "left: {} for memory, {} for retention; {} users stay",
        evicted[0],
        evicted[1],
        server.metric("winback_users ")
    );
    let of = |at: usize| median(&mut pairs.iter().map(|ratios: &[f64; 2]| ratios[at]).collect::<Vec<_>>());
    let (p999, p9999) = (of(0), of(1));
    let locks = [told.locks[0].max(steady[0]), told.locks[1].max(steady[1])];
    show("users", told.users, 0, &format!(">={users}"), told.users >= users as f64);
    show("bytes_per_user", told.bytes_per_user, 1, "<=160", told.bytes_per_user <= 160.0);
    show("load_ratio", load_ratio, 2, ">=0.50", load_ratio >= 0.5);
    show("evicted", evicted[0], 0, ">=1", evicted[0] >= 1.0);
    show("expired", evicted[1], 0, ">=1", evicted[1] >= 1.0);
    show("p999_ratio", p999, 2, "<=2.00", p999 <= 2.0);
    show("p9999_ratio", p9999, 2, "<=2.00", p9999 <= 2.0);
    show("p999_compacting_ratio", compacting[0], 2, "<=2.00", compacting[0] <= 2.0);
    show("p9999_compacting_ratio", compacting[1], 2, "printed", true);
    show("shard_lock_us_max", locks[0], 0, "<=1000", locks[0] <= 1_000.0);
    show("shard_lock_doubling_us_max", locks[1], 0, "<=12000", locks[1] <= 12_000.0);
}

impl Bench {
    /// A server on an empty folder.
    fn first(&mut self) -> Server {
        let server = self.start();
        self.keys = (0..SHOPS).map(|shop| server::event_key(self.dir.path(), shop)).collect();
        server
    }

    /// A server on an empty folder, ended; everybody put into its store; and what it takes when started again.
    fn ingested(&mut self) -> Told {
        let server = self.first();
        let empty = server.rss();
        server.end();
        let began = Instant::now();
        ingest::ingest(&self.at("data"), self.users);
        println!("{} users ingested in {:.0} s", self.users, began.elapsed().as_secs_f64());
        let server = self.start();
        Bench::taken(server, empty)
    }

    /// A server on an empty folder, told of everybody, then ended.
    fn told(&mut self) -> Told {
        let server = self.first();
        let empty = server.rss();
        let began = Instant::now();
        self.tell(server.addresses[1]);
        println!("told in {:.0} s", began.elapsed().as_secs_f64());
        Bench::taken(server, empty)
    }

    /// What a full server takes; it is ended.
    fn taken(server: Server, empty: u64) -> Told {
        std::thread::sleep(Duration::from_secs(5));
        let full = server.rss();
        let users = server.metric("winback_users ");
        let reckoned_mib = server.metric("winback_users_bytes ") as u64 >> 20;
        println!(
            "{users} users; resident {} MiB, {} MiB before; {reckoned_mib} MiB reckoned at most for users",
            full >> 20,
            empty >> 20
        );
        let locks = locks(&server);
        server.end();
        Told {
            users,
            bytes_per_user: (full - empty) as f64 / users,
            reckoned_mib,
            locks,
        }
    }

    /// Starts in turns with fjall alone reading the same; the ratio of what each takes, and the last server.
    fn loaded(&self) -> (f64, Server) {
        let (mut alone, mut loads) = (Vec::new(), Vec::new());
        let mut once = || {
            let (took, rows) = self.read_alone();
            let server = self.start();
            println!(
                "fjall alone reads {rows} rows in {took:.2} s; a start loads them in {:.2} s",
                self.load_s()
            );
            alone.push(took);
            loads.push(self.load_s());
            server
        };
        for _ in 1..READS {
            once().end();
        }
        let server = once();
        println!("after a start resident {} MiB", server.rss() >> 20);
        (median(&mut alone) / median(&mut loads), server)
    }

    /// Rounds of bids in turns with and without events, eviction and retention in progress; the ratios of
    /// each pair.
    fn pairs(&self, server: &Server, memory_mib: u64) -> Vec<[f64; 2]> {
        let settle = |memory_mib: Option<u64>| {
            self.write_config(memory_mib);
            server.signal("HUP");
            std::thread::sleep(Duration::from_secs(2));
        };
        let pair = |n: usize| {
            settle(None);
            let quiet = self.bids(server, n);
            // Each time a little less, so that there is always somebody who has to leave.
            settle(Some(memory_mib.saturating_sub(memory_mib / 20 * n as u64).max(64)));
            let stop = AtomicBool::new(false);
            let before = server.metric("winback_evicted_total{reason=\"memory\"}");
            let busy = std::thread::scope(|scope| {
                scope.spawn(|| self.keep_telling(server.addresses[1], n, &stop));
                let busy = self.bids(server, n);
                stop.store(true, Ordering::Relaxed);
                busy
            });
            let left = server.metric("winback_evicted_total{reason=\"memory\"}") - before;
            println!("p99.9, p99.99, worst in us: {quiet:?} without, {busy:?} with load, {left} leaving meanwhile");
            [busy[0] / quiet[0], busy[1] / quiet[1]]
        };
        (0..PAIRS).map(pair).collect()
    }

    /// Rounds of bids in turns without and with a compaction under way and the config read again in the middle
    /// of it; the median ratios.
    fn while_compacting(&self, server: &Server) -> [f64; 2] {
        self.write_config(None);
        server.signal("HUP");
        let token = fs::read_to_string(self.at("token")).expect("the token");
        let api = Client::new(server.addresses[2]).with("Authorization", &format!("Bearer {}", token.trim()));
        let mut api = api.patient(COMPACT_MAX);
        let mut pair = |n: usize| {
            let quiet = self.bids(server, PAIRS + n);
            let (busy, took) = std::thread::scope(|scope| {
                let compacting = scope.spawn(|| {
                    let began = Instant::now();
                    let answer = api.post("/api/compact", b"").expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    began.elapsed().as_secs_f64()
                });
                scope.spawn(|| {
                    std::thread::sleep(RELOAD_AFTER);
                    server.signal("HUP");
                });
                let busy = self.bids(server, PAIRS + n);
                (busy, compacting.join().expect("a compaction"))
            });
            println!("p99.9, p99.99, worst in us: {quiet:?} without, {busy:?} with a compaction of {took:.1} s");
            [busy[0] / quiet[0], busy[1] / quiet[1]]
        };
        let pairs: Vec<_> = (0..PAIRS_COMPACTING).map(&mut pair).collect();
        [0, 1].map(|at| median(&mut pairs.iter().map(|ratios| ratios[at]).collect::<Vec<_>>()))
    }
}
