//! Exchanges on loopback, each with its own id of a browser, and browsers that are led over them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use percent_encoding::percent_decode_str;
use serde_json::json;

use super::Browser;
use crate::figures::Figures;
use crate::http::Client;
use crate::rig::Server;
use crate::shop::{PUBLIC_URL, Setup};

/// Exchanges that bring the browser back, and those that do not.
const RETURNING: usize = 7;
const SILENT: usize = 3;
/// One page view leads to so many.
const PER_PAGE: usize = 5;

/// The addresses that a page loads as pictures.
pub fn pictures(page: &str) -> Vec<String> {
    let sources = page.split("<img src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    sources
        .map(|source| html_escape::decode_html_entities(source).into_owned())
        .collect()
}

/// Exchanges, and what each was told: paths as they were called.
#[derive(Clone, Default)]
struct Partners {
    called: Arc<Mutex<Vec<String>>>,
}

impl Partners {
    /// Serves all of them on one port: `/N/get?to=` leads back with `theirs-N`, `/N/set` shows nothing.
    fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let called = self.called.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.find(String::is_empty);
                let path = first.split(' ').nth(1).unwrap_or("").to_owned();
                let n = path.split('/').nth(1).unwrap_or("").to_owned();
                let back = path
                    .split_once("to=")
                    .map(|(_, rest)| rest.split('&').next().unwrap_or("").to_owned());
                let head = match back {
                    Some(back) => {
                        let back = percent_decode_str(&back)
                            .decode_utf8_lossy()
                            .replace("$UID", &format!("theirs-{n}"));
                        format!("302 Found\r\nLocation: {back}")
                    }
                    None => "204 No Content".to_owned(),
                };
                called.lock().expect("a lock").push(path);
                let mut stream = stream;
                write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok();
            }
        });
        address
    }

    /// Who was called since the last look.
    fn take(&self) -> Vec<String> {
        let mut paths = std::mem::take(&mut *self.called.lock().expect("a lock"));
        paths
            .iter_mut()
            .for_each(|path| *path = path.split('/').nth(1).unwrap_or("").to_owned());
        paths
    }
}

/// Goes where it is led, from an address on, ours or a partner's; the hops it took.
fn follow(browser: &mut Browser, from: &str) -> usize {
    let mut url = from.to_owned();
    for hops in 0..30 {
        let answer = match url.strip_prefix(PUBLIC_URL) {
            Some(path) => browser.call("GET", path, &[]),
            None => {
                let (host, path) = url
                    .strip_prefix("http://")
                    .and_then(|rest| rest.split_once('/'))
                    .expect("a partner");
                Client::new(host.parse().expect("loopback"))
                    .get(&format!("/{path}"))
                    .expect("an answer")
            }
        };
        match answer.header("location") {
            Some(next) => url = next.to_owned(),
            None => return hops,
        }
    }
    panic!("led in circles from {from}, at last to {url}");
}

/// A server with all the partners, their `ttl` long or over at once.
fn served(partners: &Partners, ttl: &str) -> Server {
    let at = partners.serve();
    let mut setup = Setup::acme();
    let exchanges = setup.config["exchanges"].as_array_mut().expect("a list");
    let returning = (0..RETURNING).map(|n| {
        let url = format!("http://{at}/{n}/get?to={{return}}&uid={{uid}}");
        json!({"id": format!("p{n}"), "sync": {"push_url": url, "uid_macro": "$UID", "ttl": ttl}})
    });
    exchanges.extend(returning);
    let silent = (RETURNING..RETURNING + SILENT)
        .map(|n| json!({"id": format!("p{n}"), "sync": {"push_url": format!("http://{at}/{n}/set?uid={{uid}}"), "ttl": ttl}}));
    exchanges.extend(silent);
    Server::fresh(setup)
}

fn distinct(called: &[String]) -> usize {
    called.iter().collect::<BTreeSet<_>>().len()
}

/// One after the other, those that bring the browser back before those that do not; nobody twice before its time.
#[test]
fn a_chain_leads_over_those_that_are_due() {
    let partners = Partners::default();
    let server = served(&partners, "30d");
    let mut browser = Browser::new(&server, BTreeMap::new());
    let mut views: Vec<Vec<String>> = Vec::new();
    for _ in 0..6 {
        follow(&mut browser, &format!("{PUBLIC_URL}/sync.gif?gdpr=0"));
        views.push(partners.take());
    }
    println!("called, view by view: {views:?}");
    let lengths: Vec<usize> = views.iter().map(Vec::len).collect();
    // Seven bring the browser back: five, then two and one that does not; then the other two, one a view.
    assert_eq!(lengths, [5, 3, 1, 1, 0, 0]);
    let all: Vec<String> = views.concat();
    assert_eq!((all.len(), distinct(&all)), (RETURNING + SILENT, RETURNING + SILENT));
    let own = browser.jar["wb_uid"].clone();
    let mut api = server.api();
    let kept = (0..RETURNING).filter(|n| {
        api.get(&format!("/api/users/p{n}:theirs-{n}"))
            .is_ok_and(|answer| answer.json()["id"] == json!(own))
    });
    let kept = kept.count();
    let mut figures = Figures::new();
    figures.exactly("sync.chain_partners", distinct(&all), RETURNING + SILENT);
    figures.at_most("sync.chain_partners_a_view", lengths.into_iter().max().unwrap_or(0), PER_PAGE);
    figures.exactly("sync.chain_ids_kept", kept, RETURNING);
    figures.settle();
}

/// Makes all that a browser remembers of exchanges so many days older.
fn age(browser: &mut Browser, days: u32) {
    let marks = browser.jar.get("wb_sync").cloned().unwrap_or_default();
    let older = |mark: &str| {
        let at = mark.find(['.', '_']).expect("a mark") + 1;
        let before: u32 = mark[at..].parse().expect("a time");
        format!("{}{}", &mark[..at], before - days * 86_400)
    };
    let marks: Vec<String> = marks.split('-').map(older).collect();
    browser.jar.insert("wb_sync".to_owned(), marks.join("-"));
}

/// The pictures of the page that a frame shows, however often the browser is bounced before.
fn page(browser: &mut Browser) -> Vec<String> {
    let mut path = "/sync?gdpr=0".to_owned();
    loop {
        let answer = browser.call("GET", &path, &[]);
        match answer.header("location").and_then(|to| to.strip_prefix(PUBLIC_URL)) {
            Some(next) => path = next.to_owned(),
            None => return pictures(&answer.text()),
        }
    }
}

/// All at once; and when matches are over their `ttl`, in turns.
#[test]
fn a_page_leads_to_those_that_are_due() {
    let partners = Partners::default();
    let server = served(&partners, "30d");
    let mut browser = Browser::new(&server, BTreeMap::new());
    let mut called: BTreeMap<String, usize> = BTreeMap::new();
    let mut most = 0;
    for _ in 0..4 {
        let targets = page(&mut browser);
        most = most.max(targets.len());
        let hops: usize = targets.iter().map(|target| follow(&mut browser, target)).sum();
        println!("{} pictures, {hops} redirects", targets.len());
        partners.take().into_iter().for_each(|n| *called.entry(n).or_default() += 1);
        age(&mut browser, 30);
    }
    println!("called: {called:?}");
    let twice = called.values().filter(|times| **times == 2).count();
    // Shown, and nobody followed them: those that bring the browser back are asked again after a day.
    let shown: Vec<usize> = (0..3).map(|_| page(&mut browser).len()).collect();
    age(&mut browser, 1);
    let unanswered = page(&mut browser).len() + page(&mut browser).len();
    assert_eq!(shown, [PER_PAGE, PER_PAGE, 0]);
    let mut figures = Figures::new();
    figures.at_most("sync.page_partners", most, PER_PAGE);
    figures.exactly("sync.page_partners_in_turns", twice, RETURNING + SILENT);
    figures.exactly("sync.page_partners_unanswered", unanswered, RETURNING);
    figures.settle();
}
