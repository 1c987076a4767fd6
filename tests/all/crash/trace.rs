//! A trace of the system calls of a server under load: no 2xx of a fact leaves before a sync that began
//! after the fact arrived has ended.
//!
//! A fact can only be in a batch that is written after it arrived, so the sync that covers it lies
//! between its arrival and its answer. The trace is judged as text, and so is one with its syncs taken
//! out.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::has_strace;
use crate::figures::Figures;
use crate::rig::{Server, ask, bids, call, tell};
use crate::shop::{PRODUCTS, Setup, cart, request, theirs};

/// Facts of each of three callers.
const FACTS: usize = 120;

/// What a trace shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    /// Facts that were answered 2xx.
    answered: usize,
    /// Of those, before any sync that covers them.
    early: usize,
    /// Syncs of a journal.
    syncs: usize,
}

/// One call: the lines on which it began and ended, and what it says.
struct Call<'t> {
    began: usize,
    ended: usize,
    name: &'t str,
    rest: String,
}

/// The calls of a trace as `strace -f -yy` writes it, in the order in which they ended; those that
/// another thread's interrupt are put together again.
fn calls(trace: &str) -> Vec<Call<'_>> {
    let mut open: HashMap<(&str, &str), (usize, String)> = HashMap::new();
    let mut done = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some((name, rest)) = call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            let Some((began, start)) = open.remove(&(thread, name)) else {
                continue;
            };
            done.push(Call {
                began,
                ended: at,
                name,
                rest: start + rest,
            });
        } else if let Some((name, rest)) = call.split_once('(') {
            match rest.split_once("<unfinished ...>") {
                Some((start, _)) => drop(open.insert((thread, name), (at, start.to_owned()))),
                None => done.push(Call {
                    began: at,
                    ended: at,
                    name,
                    rest: rest.to_owned(),
                }),
            }
        }
    }
    done
}

fn judge(trace: &str) -> Judged {
    let calls = calls(trace);
    let is_sync = |call: &&Call<'_>| call.name == "fdatasync" && call.rest.contains(".jnl") && call.rest.contains("= 0");
    let syncs: Vec<&Call<'_>> = calls.iter().filter(is_sync).collect();
    let mut judged = Judged {
        syncs: syncs.len(),
        ..Judged::default()
    };
    let mut arrived: HashMap<&str, usize> = HashMap::new();
    for call in &calls {
        let socket = call.rest.split(['>', ',']).next().unwrap_or_default();
        let is_fact = ["\"POST /e/", "\"GET /n/"].iter().any(|start| call.rest.contains(start));
        if call.name == "recvfrom" && is_fact {
            arrived.insert(socket, call.ended);
        } else if ["sendto", "writev"].contains(&call.name)
            && call.rest.contains("\"HTTP/1.1 200")
            && let Some(since) = arrived.remove(socket)
        {
            judged.answered += 1;
            let covered = syncs.iter().any(|sync| sync.began >= since && sync.ended <= call.began);
            judged.early += usize::from(!covered);
        }
    }
    judged
}

#[test]
fn no_answer_leaves_before_its_sync() {
    if !has_strace() {
        println!("strace does not work here: no system call was looked at");
        return;
    }
    let setup = Setup::acme();
    setup.write();
    let server = Server::start(setup.path());
    let trace = setup.path().join("trace");
    let mut strace = Command::new("strace")
        .args(["-f", "-yy", "-s", "24", "-e", "trace=recvfrom,sendto,writev,fdatasync", "-o"])
        .arg(&trace)
        .args(["-p", &server.id().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("strace");
    let follows = |trace: &std::path::Path| fs::metadata(trace).is_ok_and(|file| file.len() > 0);
    for _ in 0..200 {
        // Attached once anything is seen; the first facts may go unseen.
        drop(server.api().get("/health/ready"));
        if follows(&trace) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    thread::scope(|scope| {
        for caller in 0..2 {
            let mut shop = server.shop();
            scope.spawn(move || {
                (0..FACTS).for_each(|n| tell(&mut shop, "acme", &cart(theirs(&format!("t-{caller}-{n}")), "acme", n % PRODUCTS)))
            });
        }
        let mut exchange = server.exchange();
        tell(&mut server.shop(), "acme", &cart(theirs("t"), "acme", 1));
        scope.spawn(move || {
            for n in 0..FACTS {
                let bid = bids(&ask(&mut exchange, &request(&format!("t-{n}"), "t", 1))).remove(0);
                assert_eq!(exchange.get(&call(&bid["burl"], "1.25")).expect("an answer").status, 200);
            }
        });
    });
    drop(server);
    strace.wait().expect("strace ends with what it follows");
    let text = fs::read_to_string(&trace).expect("the trace");
    let judged = judge(&text);
    println!("{judged:?}");
    let without: String = text
        .lines()
        .filter(|line| !line.contains("fdatasync"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let blind = judge(&without);
    let mut figures = Figures::new();
    figures.at_least("crash.acks_traced", judged.answered, 2 * FACTS);
    figures.exactly("crash.acks_before_sync", judged.early, 0);
    figures.exactly("crash.acks_without_syncs_caught", blind.early, judged.answered);
    figures.settle();
}
