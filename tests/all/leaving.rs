//! Shoppers not seen within the retention leave a running server, and stay gone after a crash.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::rig::{Server, ask, tell};
use crate::shop::{EXCHANGE, Setup, cart, request, theirs};

const EACH: usize = 25;
const DAY_S: u64 = 86_400;

/// The shopper put something into the cart so many days ago.
fn met(id: &str, days: u64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let mut batch = cart(theirs(id), "acme", 1);
    batch["events"][0]["time"] = json!(now - days * DAY_S);
    batch
}

/// A figure of the server's metrics.
fn metric(server: &Server, name: &str) -> usize {
    let text = server.api().get("/metrics").expect("metrics").text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn is_known(server: &Server, id: &str) -> bool {
    let answer = server.api().get(&format!("/api/users/{EXCHANGE}:{id}")).expect("an answer");
    assert!(matches!(answer.status, 200 | 404), "{}", answer.text());
    answer.status == 200
}

#[test]
fn who_was_not_seen_within_the_retention_leaves_for_good() {
    let mut setup = Setup::acme();
    setup.write();
    let mut server = Server::start(setup.path());
    let mut shop = server.shop();
    for n in 0..EACH {
        tell(&mut shop, "acme", &met(&format!("old{n}"), 45));
        tell(&mut shop, "acme", &met(&format!("new{n}"), 25));
    }
    let mut figures = Figures::new();
    figures.exactly("leaving.told", metric(&server, "winback_users "), 2 * EACH);
    setup.config["privacy"]["retention"] = json!("40d");
    setup.write();
    server.signal("HUP");
    let end = Instant::now() + Duration::from_secs(60);
    while metric(&server, "winback_users ") > EACH && Instant::now() < end {
        thread::sleep(Duration::from_millis(100));
    }
    figures.exactly("leaving.left", metric(&server, "winback_evicted_total{reason=\"retention\"}"), EACH);
    for crashed in [false, true] {
        if crashed {
            server.kill();
            server = Server::start(setup.path());
        }
        let count = |name: &str| (0..EACH).filter(|n| is_known(&server, &format!("{name}{n}"))).count();
        figures.exactly("leaving.old_known", count("old"), 0);
        figures.exactly("leaving.new_known", count("new"), EACH);
        figures.exactly("leaving.users", metric(&server, "winback_users "), EACH);
        let mut exchange = server.exchange();
        let bids = (0..EACH).filter(|n| ask(&mut exchange, &request(&format!("r{crashed}{n}"), &format!("new{n}"), 1)).status == 200);
        figures.exactly("leaving.bids", bids.count(), EACH);
    }
    figures.settle();
}
