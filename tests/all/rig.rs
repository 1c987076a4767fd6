//! Starts the real binary on a folder, on free ports, and ends it by its process id.
//!
//! It knows the server only from outside: standard output, HTTP and signals.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Answer, Client};
use crate::responses;
use crate::shop::{EVENT_KEY, EXCHANGE, EXCHANGE_KEY, Setup};

const START_MAX: Duration = Duration::from_secs(60);

/// The binary.
pub fn winback() -> Command {
    Command::new(env!("CARGO_BIN_EXE_winback"))
}

/// A running server; dropped, it is killed.
pub struct Server {
    child: Child,
    folder: PathBuf,
    /// Its folder, where nobody else keeps it.
    _setup: Option<Setup>,
    /// The bid listener.
    pub bid: SocketAddr,
    /// The public listener.
    pub public: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
}

impl Server {
    /// Writes the folder and starts a server on it, which keeps the folder.
    pub fn fresh(setup: Setup) -> Server {
        setup.write();
        let mut server = Server::start(setup.path());
        server._setup = Some(setup);
        server
    }

    /// Starts a server on a folder as it is, and waits until it is ready.
    pub fn start(folder: &Path) -> Server {
        Server::start_with(folder, &[])
    }

    /// The same with further arguments.
    pub fn start_with(folder: &Path, arguments: &[&str]) -> Server {
        let errors = File::options()
            .create(true)
            .append(true)
            .open(folder.join("stderr.log"))
            .expect("stderr.log");
        let mut child = winback()
            .args(["serve", "--config", "winback.json"])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the binary starts");
        let output = child.stdout.take().expect("stdout is piped");
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody may be listening any more; the pipe must be drained all the same.
                send.send(line).ok();
            }
        });
        let Some([bid, public, admin]) = addresses(&lines) else {
            child.kill().ok();
            child.wait().ok();
            panic!("the server took no addresses\n{}", log(folder));
        };
        let mut server = Server {
            child,
            folder: folder.to_owned(),
            _setup: None,
            bid,
            public,
            admin,
        };
        server.await_ready();
        server
    }

    fn await_ready(&mut self) {
        let end = Instant::now() + START_MAX;
        let mut client = Client::new(self.admin);
        while Instant::now() < end {
            if client.get("/health/ready").is_ok_and(|answer| answer.status == 200) {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended with {status}\n{}", log(&self.folder));
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("the server is not ready after {START_MAX:?}\n{}", log(&self.folder));
    }

    /// The bid listener, authenticated as the exchange.
    pub fn exchange(&self) -> Client {
        Client::new(self.bid).with("X-Exchange-Key", EXCHANGE_KEY).judged(responses::look)
    }

    /// The public listener, as a shop's own server.
    pub fn shop(&self) -> Client {
        Client::new(self.public).with("Authorization", &format!("Bearer {EVENT_KEY}"))
    }

    /// The public listener, as nobody.
    pub fn visitor(&self) -> Client {
        Client::new(self.public)
    }

    /// The admin listener, with its token.
    pub fn api(&self) -> Client {
        let token = fs::read_to_string(self.folder.join("admin-token")).expect("the admin token's file");
        Client::new(self.admin).with("Authorization", &format!("Bearer {}", token.trim()))
    }

    /// kill -9, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill").success(), "kill -{name}");
    }

    /// Waits for the end; none within the limit where it does not come.
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its config.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it wrote on standard error so far.
    pub fn log(&self) -> String {
        log(&self.folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("stderr.log")).unwrap_or_default()
}

fn addresses(lines: &mpsc::Receiver<String>) -> Option<[SocketAddr; 3]> {
    let end = Instant::now() + START_MAX;
    let mut taken = [None; 3];
    while taken.contains(&None) {
        let left = end.checked_duration_since(Instant::now())?;
        let line = lines.recv_timeout(left).ok()?;
        for (slot, name) in taken.iter_mut().zip(["bid", "public", "admin"]) {
            if let Some(rest) = line.strip_prefix(&format!("{name} listening on ")) {
                *slot = rest.trim().trim_start_matches("http://").trim_end_matches('/').parse().ok();
            }
        }
    }
    let [Some(bid), Some(public), Some(admin)] = taken else {
        return None;
    };
    Some([bid, public, admin])
}

/// Asks for a bid.
pub fn ask(exchange: &mut Client, request: &Value) -> Answer {
    exchange
        .post(&format!("/bid/{EXCHANGE}"), request.to_string().as_bytes())
        .expect("an answer to a bid request")
}

/// Sends a batch of events, which must be accepted whole.
pub fn tell(shop: &mut Client, id: &str, batch: &Value) {
    let answer = shop
        .post(&format!("/e/{id}-web"), batch.to_string().as_bytes())
        .expect("an answer to events");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json()["accepted"],
        batch["events"].as_array().map_or(0, Vec::len),
        "{}",
        answer.text()
    );
}

/// The bids of a response.
pub fn bids(answer: &Answer) -> Vec<Value> {
    let body = answer.json();
    let seats = body["seatbid"].as_array().cloned().unwrap_or_default();
    seats
        .iter()
        .flat_map(|seat| seat["bid"].as_array().cloned().unwrap_or_default())
        .collect()
}

/// A tracking URL's path and query, with the price in place of its macro.
pub fn call(url: &Value, price: &str) -> String {
    let url = url.as_str().expect("a URL");
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    fill(path, price)
}

/// Text with `${AUCTION_PRICE}` replaced and every other macro emptied, as an exchange does.
pub fn fill(text: &str, price: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(before);
        if name == "AUCTION_PRICE" {
            out.push_str(price);
        }
        rest = tail;
    }
    out + rest
}

/// Every path below this prefix, such as `/imp/`, that a text mentions, token and all.
pub fn tracking_paths(text: &str, prefix: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .match_indices(prefix)
        .map(|(at, _)| &text[at..])
        .filter_map(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || "/_-.".contains(c))).next())
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}
