//! The canonical bench, over sockets: winback on one core, the generator on the other, in turns with a bare
//! hyper server that answers the same mix of statuses and sizes.
//!
//! Its figure is a ratio of server CPU time for each answered request: on a shared machine rates drift
//! with whatever else runs, and what a request costs does much less. The generator sends as fast as 64
//! connections allow (closed loop), so no latency is claimed here.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::canon::{self, CAMPAIGNS_PER_SHOP, EXCHANGE};
use crate::http::Client;
use crate::ratios::{median, ratios};
use crate::server::{self, Server};

const CAMPAIGNS: usize = 1_000;
/// Shoppers that the figures are for.
const USERS: usize = 1_000_000;
/// Requests in a hundred that are for somebody who is known.
const KNOWN: &str = "30";
const SERVER_CORE: &str = "0";
pub const GENERATOR_CORE: &str = "1";
/// Seconds of one round.
const ROUND: &str = "1";

/// Starts winback with arguments on the servers' core.
fn on_its_core(winback: &Path, arguments: &[&str], addresses: usize) -> Server {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE]).arg(winback).args(arguments);
    Server::start(command, addresses)
}

/// What one round told.
struct Round {
    us_a_request: f64,
    rate: f64,
    bid_percent: f64,
}

pub struct Bench {
    pub winback: PathBuf,
    pub users: usize,
    dir: tempfile::TempDir,
}

impl Bench {
    /// With so many users.
    pub fn new(winback: &Path, users: usize) -> Bench {
        Bench {
            winback: winback.to_owned(),
            users,
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// A server of the canonical shops on its core, told of all users; `more` is laid over its config.
    pub fn serve(&self, more: &Value) -> Server {
        let folder = self.dir.path();
        server::write_shops(folder, CAMPAIGNS / CAMPAIGNS_PER_SHOP, CAMPAIGNS_PER_SHOP);
        server::write_config(folder, more);
        let config = folder.join("winback.json");
        let server = on_its_core(&self.winback, &["serve", "--config", config.to_str().expect("a path in UTF-8")], 3);
        let began = Instant::now();
        self.tell(server.addresses[1]);
        println!(
            "{} users told in {:.0} s, {CAMPAIGNS} campaigns, {KNOWN} % of requests known",
            server.metric("winback_users "),
            began.elapsed().as_secs_f64()
        );
        server
    }

    /// Tells every shop what its shoppers did: one body of NDJSON each.
    fn tell(&self, public: SocketAddr) {
        let shops = CAMPAIGNS / CAMPAIGNS_PER_SHOP;
        for shop in 0..shops {
            let key = server::event_key(self.dir.path(), shop);
            let batch = |n: usize| canon::batch(&format!("u{n}"), n / shops).to_string();
            let body: Vec<String> = (shop..self.users).step_by(shops).map(batch).collect();
            let headers = [
                ("Content-Type", "application/x-ndjson"),
                ("Authorization", &*format!("Bearer {key}")),
            ];
            let answer = Client::new(public).send("POST", &format!("/e/shop{shop}-web"), &headers, body.join("\n").as_bytes());
            let answer = answer.expect("an answer to events");
            let rejected = answer.json()["rejected"].as_array().map(Vec::len);
            assert_eq!((answer.status, rejected), (200, Some(0)), "{}", answer.text());
        }
    }

    /// What the generator reports of a load against a server. `seed` tells loads apart.
    pub fn load(&self, server: &Server, seed: usize, more: &[&str]) -> Value {
        let target = format!("http://{}/bid/{EXCHANGE}", server.addresses[0]);
        let (seed, users) = (seed.to_string(), self.users.to_string());
        let mut command = Command::new("taskset");
        command.args(["-c", GENERATOR_CORE]).arg(&self.winback).args([
            "exchange",
            "--target",
            &target,
            "--no-auction",
            "--json",
            "-",
            "--known",
            KNOWN,
        ]);
        command.args(["--seed", &seed, "--users", &users]).args(more);
        let output = command.output().expect("the generator runs");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {output:?}"))
    }

    /// One round against a server; the servers of a pair share `seed`.
    fn round(&self, server: &Server, seed: usize, more: &[&str]) -> Round {
        let before = server.cpu_ns();
        let report = self.load(server, seed, &[&["--rate", "max", "--warmup", "0"][..], more].concat());
        let spent = server.cpu_ns() - before;
        let answered = report["answered"].as_f64().expect("a number");
        assert!(answered > 1_000.0 && report["errors"] == 0, "{report}");
        Round {
            us_a_request: spent as f64 / 1_000.0 / answered,
            rate: report["achieved_rate"].as_f64().expect("a rate"),
            bid_percent: report["bid_percent"].as_f64().expect("a share"),
        }
    }
}

/// The quartiles of figures.
fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    let middle = median(&mut figures);
    let at = |quarter: usize| figures[(figures.len() - 1) * quarter / 4];
    [at(1), middle, at(3)]
}

fn show(name: &str, figure: f64, bar: &str, ok: bool) {
    println!("show wire.{name} {figure:.2} {bar} {}", if ok { "ok" } else { "short" });
}

/// Runs so many pairs of rounds with a release build of winback and prints what they told; with fewer users
/// than the figures are for, to look into something.
pub fn wire(winback: &Path, pairs: usize, users: Option<usize>) {
    let bench = Bench::new(winback, users.unwrap_or(USERS));
    let ours = bench.serve(&json!({}));
    let users = ours.metric("winback_users ");

    let answers = bench.dir.path().join("answers");
    let answers = answers.to_str().expect("a path in UTF-8");
    bench.round(&ours, 0, &["--seconds", "5", "--record", answers]);
    let floor = on_its_core(winback, &["exchange", "--null", "127.0.0.1:0", "--answers", answers], 1);
    bench.round(&floor, 0, &["--seconds", "2"]);

    let (mut of_ours, mut of_floor) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        // Whoever goes second finds the same machine as whoever goes first.
        let (first, second) = if pair % 2 == 0 { (&floor, &ours) } else { (&ours, &floor) };
        let (first, second) = (
            bench.round(first, pair, &["--seconds", ROUND]),
            bench.round(second, pair, &["--seconds", ROUND]),
        );
        let (own, bare) = if pair % 2 == 0 { (second, first) } else { (first, second) };
        println!(
            "winback {:.1} us {:.0}/s, bids in {:.1} % of answers; bare hyper {:.1} us {:.0}/s: {:.2}",
            own.us_a_request,
            own.rate,
            own.bid_percent,
            bare.us_a_request,
            bare.rate,
            bare.us_a_request / own.us_a_request
        );
        of_ours.push(own);
        of_floor.push(bare);
    }
    let each = |of: &dyn Fn(usize) -> f64| quartiles((0..pairs).map(of).collect());
    let [low, ratio, high] = each(&|at| of_floor[at].us_a_request / of_ours[at].us_a_request);
    let [_, own, _] = each(&|at| of_ours[at].us_a_request);
    let [_, bare, _] = each(&|at| of_floor[at].us_a_request);
    let [_, rate, _] = each(&|at| of_ours[at].rate);
    let bids = of_ours.iter().map(|round| round.bid_percent);
    let (least, most) = (bids.clone().fold(100.0, f64::min), bids.fold(0.0, f64::max));
    println!("{}", machine());
    println!("CPU a request, median of {pairs}: winback {own:.1} us, bare hyper {bare:.1} us; winback {rate:.0} requests/s on one core");
    println!("ratio {ratio:.2} (quartiles {low:.2} to {high:.2})");
    show("users", users, &format!(">={USERS}"), users >= USERS as f64);
    show("bid_percent_least", least, ">=14", least >= 14.0);
    show("bid_percent_most", most, "<=16", most <= 16.0);
    show("ratio", ratio, ">=0.40", ratio >= 0.40);
    drop((ours, floor));
    let (crowded, known) = ratios();
    show("decide_100k_campaigns", crowded, "<=1.20", crowded <= 1.2);
    show("decide_20_shops_of_10", known, "<=4.00", known <= 4.0);
}

/// Which commit, on what.
pub fn machine() -> String {
    let first = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("?", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "commit {}, {}, {model}, {cores} cores",
        first("git", &["describe", "--always", "--dirty"]),
        first("rustc", &["--version"])
    )
}
