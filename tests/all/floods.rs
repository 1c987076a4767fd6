//! More than there should be of anything, at the real listeners: connections that say nothing, half of
//! something or too much, requests that have waited too long, an exchange that asks too often. Counted is
//! what came of each, and afterwards a request is answered as ever.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Client;
use crate::rig::{Server, ask};
use crate::shop::{EVENT_KEY, Setup, request};

/// No test waits longer for a connection to be closed.
const WAIT: Duration = Duration::from_secs(20);
const MIB: usize = 1024 * 1024;

/// A connection that is not spoken to as it should be.
struct Raw(TcpStream);

impl Raw {
    fn to(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect_timeout(&address, WAIT).expect("a connection");
        stream.set_read_timeout(Some(WAIT)).expect("a timeout");
        stream.set_write_timeout(Some(WAIT)).expect("a timeout");
        Raw(stream)
    }

    /// Sends what it can: who is closed meanwhile cannot send the rest.
    fn say(mut self, text: &[u8]) -> Raw {
        let _ = self.0.write_all(text);
        self
    }

    /// The status of the next answer; none where the connection ends instead.
    fn status(&mut self) -> Option<u16> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte) {
                Ok(1) => line.push(byte[0]),
                Ok(_) => return None,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("neither answered nor closed"),
                Err(_) => return None,
            }
        }
        String::from_utf8_lossy(&line).split(' ').nth(1)?.parse().ok()
    }

    /// Waits until it is closed.
    fn closed(mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
            }
        }
    }
}

/// A server with an exchange that has a second, one that has a tenth and may ask twice a second, and with these
/// limits.
fn served(limits: Value) -> Server {
    let mut setup = Setup::acme();
    setup.config["limits"] = limits;
    setup.config["exchanges"][0]["tmax_ms"] = json!(1_000);
    let exchanges = setup.config["exchanges"].as_array_mut().expect("a list");
    exchanges.push(json!({"id": "eager", "tmax_ms": 100, "max_qps": 2}));
    exchanges.push(json!({"id": "modest", "tmax_ms": 10_000}));
    Server::fresh(setup)
}

/// The sum of a metric's series whose labels hold all of these.
fn counted(server: &Server, name: &str, labels: &[&str]) -> f64 {
    let text = server.api().get("/metrics").expect("metrics").text();
    let lines = text
        .lines()
        .filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn ended(server: &Server, listener: &str, why: &str) -> f64 {
    let labels = [&*format!("listener=\"{listener}\""), &*format!("why=\"{why}\"")];
    counted(server, "winback_connections_ended_total", &labels)
}

/// The reason that a request of an exchange gets.
fn reason(client: &mut Client, exchange: &str) -> Value {
    let body = request("r", "nobody", 1).to_string();
    let answer = client.post(&format!("/bid/{exchange}?nbr=1"), body.as_bytes()).expect("an answer");
    answer.json()["nbr"].clone()
}

const UNKNOWN_USER: u16 = 8;
const TOO_LATE: u16 = 15;
const OVERLOADED: u16 = 1;

fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}")
}

#[test]
fn whoever_is_slow_or_silent_is_closed() {
    let server = served(json!({"idle_s": 1, "stall_ms": 200}));
    let mut figures = Figures::new();
    let half_head = "POST /bid/modest HTTP/1.1\r\nHost: x\r\nContent-Le";
    let half_body = |path: &str, more: &str| post(path, &format!("Content-Length: 100\r\n{more}"), "{\"events\"");
    let key = format!("Authorization: Bearer {EVENT_KEY}\r\n");
    for (listener, address) in [("bid", server.bid), ("public", server.public), ("admin", server.admin)] {
        let silent = Raw::to(address);
        let mut kept = Raw::to(address).say(b"GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(kept.status().is_some(), "{listener}");
        let half = Raw::to(address).say(half_head.as_bytes());
        let closed = [silent, kept, half].into_iter().map(Raw::closed).filter(|closed| *closed).count();
        figures.exactly(&format!("floods.{listener}_closed"), closed, 3);
        figures.exactly(&format!("floods.{listener}_idle"), ended(&server, listener, "idle"), 2.0);
        figures.exactly(&format!("floods.{listener}_slow_heads"), ended(&server, listener, "slow_head"), 1.0);
    }
    let mut body = Raw::to(server.bid).say(half_body("/bid/modest", "").as_bytes());
    figures.exactly("floods.bid_half_body", body.status().unwrap_or(0), 400);
    figures.exactly("floods.bid_half_body_closed", u8::from(body.closed()), 1);
    let body = Raw::to(server.public).say(half_body("/e/acme-web", &key).as_bytes());
    figures.exactly("floods.public_half_body_closed", u8::from(body.closed()), 1);
    for listener in ["bid", "public"] {
        figures.exactly(
            &format!("floods.{listener}_slow_bodies"),
            ended(&server, listener, "slow_body"),
            1.0,
        );
    }
    // Asks for more than any buffer holds, and takes none of it.
    let asks = "GET /tag.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000);
    let reader = Raw::to(server.public).say(asks.as_bytes());
    let end = std::time::Instant::now() + WAIT;
    while ended(&server, "public", "slow_reader") == 0.0 && std::time::Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    figures.exactly("floods.slow_readers", ended(&server, "public", "slow_reader"), 1.0);
    drop(reader);
    assert_eq!(reason(&mut Client::new(server.bid), "modest"), UNKNOWN_USER);
    figures.settle();
}

#[test]
fn the_idle_give_way_and_the_busy_do_not() {
    let server = served(json!({"connections": 4, "stall_ms": 60_000}));
    let mut figures = Figures::new();
    let idle = |n: usize| -> Vec<Raw> {
        let kept = (0..n).map(|_| {
            let mut kept = Raw::to(server.bid).say(b"GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(kept.status(), Some(404), "one of the idle gives way to each that comes");
            kept
        });
        kept.collect()
    };
    let kept = idle(10);
    figures.exactly("floods.gave_way", ended(&server, "bid", "gave_way"), 6.0);
    drop(kept);
    assert_eq!(reason(&mut Client::new(server.bid), "modest"), UNKNOWN_USER);

    // Whoever is told to go on has been heard, and is waited for.
    let begins = || {
        let headers = format!("Content-Length: 100\r\nExpect: 100-continue\r\nAuthorization: Bearer {EVENT_KEY}\r\n");
        Raw::to(server.public).say(post("/e/acme-web", &headers, "").as_bytes())
    };
    let mut busy: Vec<Raw> = (0..4).map(|_| begins()).collect();
    let heard = busy.iter_mut().filter_map(Raw::status).filter(|status| *status == 100).count();
    assert_eq!(heard, 4);
    let turned_away = (0..6)
        .map(|_| begins())
        .filter_map(|mut more| more.status().is_none().then_some(()))
        .count();
    figures.exactly("floods.turned_away", turned_away, 6);
    figures.exactly(
        "floods.refused",
        counted(&server, "winback_connections_refused_total", &["public"]),
        6.0,
    );
    drop(busy);
    let mut tried = 0;
    while begins().status() != Some(100) {
        tried += 1;
        assert!(tried < 400, "those that have gone leave room");
        thread::sleep(Duration::from_millis(25));
    }
    figures.settle();
}

#[test]
fn heads_and_bodies_are_bounded() {
    let server = served(json!({"stall_ms": 60_000}));
    let mut figures = Figures::new();
    let long = "x".repeat(1024 * 1024);
    let many: String = (0..200).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let chunk = format!("{:x}\r\n{}\r\n", 64 * 1024, "x".repeat(64 * 1024)).repeat(8);
    let floods = [
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
        ("\x16\x03\x01\x02 GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (post("/bid/modest", "Content-Length: 1000000000\r\n", "{"), 413),
        (post("/bid/modest", "Transfer-Encoding: chunked\r\n", &chunk), 413),
    ];
    for address in [server.bid, server.public] {
        for (flood, expected) in &floods {
            if address == server.public && *expected == 413 {
                continue;
            }
            let mut raw = Raw::to(address).say(flood.as_bytes());
            let status = raw.status();
            let begins = &flood[..40.min(flood.len())];
            // What is still coming may reset the connection before the answer is read.
            assert!(status.is_none_or(|status| status == *expected), "{status:?} to {begins}");
            assert!(raw.closed(), "{begins}");
        }
    }
    for listener in ["bid", "public"] {
        figures.exactly(&format!("floods.{listener}_long_heads"), ended(&server, listener, "long_head"), 3.0);
        figures.exactly(
            &format!("floods.{listener}_unreadable"),
            ended(&server, listener, "unreadable"),
            1.0,
        );
    }
    let announced = format!(
        "Content-Length: {}\r\nExpect: 100-continue\r\nAuthorization: Bearer {EVENT_KEY}\r\n",
        16 * MIB
    );
    let bulk = post("/e/acme-web", &format!("Content-Type: application/x-ndjson\r\n{announced}"), "");
    let mut bodies: Vec<Raw> = (0..20).map(|_| Raw::to(server.public).say(bulk.as_bytes())).collect();
    let statuses: Vec<_> = bodies.iter_mut().filter_map(Raw::status).collect();
    let of = |status| statuses.iter().filter(|got| **got == status).count();
    figures.exactly("floods.bodies_awaited_mib", of(100) * 16, 256);
    figures.exactly("floods.bodies_refused", of(503), 4);
    drop(bodies);
    assert_eq!(reason(&mut Client::new(server.bid), "modest"), UNKNOWN_USER);
    figures.settle();
}

#[test]
fn what_waited_too_long_is_answered_no_bid_and_what_comes_after_is_not() {
    let server = served(json!({}));
    let mut figures = Figures::new();
    let body = request("r", "nobody", 1).to_string();
    let headers = format!(
        "X-Exchange-Key: {}\r\nContent-Length: {}\r\n",
        crate::shop::EXCHANGE_KEY,
        body.len()
    );
    let text = post("/bid/x", &headers, &body);
    let known = |_| {
        let mut raw = Raw::to(server.bid).say(b"GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(raw.status(), Some(404));
        raw
    };
    let mut waiting: Vec<Raw> = (0..16).map(known).collect();
    assert_eq!(ask(&mut server.exchange(), &request("r", "nobody", 1)).status, 204);
    let before = counted(&server, "winback_no_bids_total", &["exchange=\"x\"", "too_late"]);
    server.signal("STOP");
    waiting = waiting.into_iter().map(|raw| raw.say(text.as_bytes())).collect();
    thread::sleep(Duration::from_millis(1_300));
    server.signal("CONT");
    let answered = waiting.iter_mut().filter_map(Raw::status).filter(|status| *status == 204).count();
    let late = counted(&server, "winback_no_bids_total", &["exchange=\"x\"", "too_late"]) - before;
    figures.exactly("floods.stalled_answered", answered, 16);
    figures.exactly("floods.stalled_too_late", late, 16.0);
    figures.exactly(
        "floods.stalled_late",
        counted(&server, "winback_late_total", &["exchange=\"x\""]),
        16.0,
    );
    let share = counted(&server, "winback_in_time_share", &["exchange=\"x\""]);
    figures.judge("floods.stalled_in_time_share", share, "<1", share < 1.0);
    // At once, on the same connections.
    waiting = waiting.into_iter().map(|raw| raw.say(text.as_bytes())).collect();
    let again = waiting.iter_mut().filter_map(Raw::status).count();
    let late = counted(&server, "winback_no_bids_total", &["exchange=\"x\"", "too_late"]) - before;
    figures.exactly("floods.recovered", again, 16);
    figures.exactly("floods.recovered_too_late", late - 16.0, 0.0);
    figures.settle();
}

#[test]
fn an_exchange_beyond_its_rate_is_read_less_often() {
    let server = served(json!({}));
    let mut figures = Figures::new();
    let mut eager = Client::new(server.bid);
    let mut modest = Client::new(server.bid);
    let mut reasons = Vec::new();
    for _ in 0..40 {
        reasons.push(reason(&mut eager, "eager"));
        assert_eq!(reason(&mut modest, "modest"), UNKNOWN_USER);
    }
    let of = |nbr: u16| reasons.iter().filter(|reason| **reason == nbr).count();
    let held = |exchange: &str| {
        let labels = [&*format!("exchange=\"{exchange}\""), "why=\"max_qps\""];
        counted(&server, "winback_reads_held_total", &labels)
    };
    // Slow machines see more seconds begin, and may read one too late.
    figures.at_least("floods.eager_answered", of(UNKNOWN_USER), 2);
    figures.at_least("floods.eager_overloaded", of(OVERLOADED), 10);
    figures.at_least("floods.eager_held", held("eager"), 10.0);
    figures.exactly("floods.modest_held", held("modest"), 0.0);
    assert_eq!(of(UNKNOWN_USER) + of(OVERLOADED) + of(TOO_LATE), 40, "{reasons:?}");
    // A second later it may ask again.
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(reason(&mut eager, "eager"), UNKNOWN_USER);
    figures.settle();
}
