//! A running server for the benches over sockets: the real binary on the canonical shops, in a folder of its
//! own, on free ports of loopback.
//!
//! It is spoken to over HTTP and signals only, and killed with its owner.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::canon;
use crate::http::Client;

/// A running process that listens; ends with its owner.
pub struct Server {
    child: Child,
    /// Where it listens, in the order in which it says so: bid, public, admin.
    pub addresses: Vec<SocketAddr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a command and waits until it has printed so many addresses.
    pub fn start(mut command: Command, addresses: usize) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let found = lines.filter_map(|line| line.split_once("listening on ")?.1.split_whitespace().next()?.parse().ok());
        let found: Vec<SocketAddr> = found.take(addresses).collect();
        assert_eq!(found.len(), addresses, "{command:?} took no addresses");
        Server { child, addresses: found }
    }

    /// Starts winback on a folder with a config, its log beside that.
    pub fn serve(winback: &Path, folder: &Path) -> Server {
        let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log");
        let mut command = Command::new(winback);
        command.args(["serve", "--config"]).arg(folder.join("winback.json")).stderr(log);
        Server::start(command, 3)
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill").success());
    }

    /// Drains it.
    pub fn end(mut self) {
        self.signal("TERM");
        assert!(self.child.wait().expect("its end").success());
    }

    /// Resident bytes.
    pub fn rss(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kib.expect("VmRSS") * 1024
    }

    /// Nanoseconds that its threads have run.
    pub fn cpu_ns(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let ran = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.flatten().filter_map(ran).sum()
    }

    /// A figure of its metrics.
    pub fn metric(&self, name: &str) -> f64 {
        let text = Client::new(self.addresses[2]).get("/metrics").expect("metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    }
}

/// Writes the first shops with so many campaigns each, and their feeds.
pub fn write_shops(folder: &Path, shops: usize, campaigns: usize) {
    fs::create_dir(folder.join("advertisers")).expect("a folder");
    for shop in 0..shops {
        let mut document = canon::advertiser(shop, campaigns);
        document["feed"] = json!({"path": format!("shop{shop}.jsonl")});
        document["event_key_file"] = json!(format!("shop{shop}-key"));
        let feed: Vec<String> = canon::items(shop).map(|item| item.to_string()).collect();
        fs::write(folder.join(format!("advertisers/shop{shop}.json")), document.to_string()).expect("a file");
        fs::write(folder.join(format!("advertisers/shop{shop}.jsonl")), feed.join("\n")).expect("a file");
    }
}

/// The canonical server on free ports; `more` is laid over it.
pub fn write_config(folder: &Path, more: &Value) {
    let mut server = canon::server();
    let own = json!({
        "bid": {"listen": "127.0.0.1:0"},
        "public": {"listen": "127.0.0.1:0", "url": "https://ads.example"},
        "admin": {"listen": "127.0.0.1:0", "token_file": "token"},
        "data_dir": "data", "seal_keys_dir": "seal-keys", "advertisers": "advertisers",
    });
    crate::bench_rig::merge(&mut server, &own);
    crate::bench_rig::merge(&mut server, more);
    fs::write(folder.join("winback.json"), server.to_string()).expect("a file");
}

/// The key of a shop's events, once a server has made it.
pub fn event_key(folder: &Path, shop: usize) -> String {
    let key = fs::read_to_string(folder.join(format!("advertisers/shop{shop}-key"))).expect("a key");
    key.trim().to_owned()
}
