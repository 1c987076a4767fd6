//! A running server and its feed by address, as its people see them: `check`, the API, the log, metrics.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::PUBLIC;
use super::source::{Source, answer};
use crate::figures::Figures;
use crate::rig::{Server, tell, winback};
use crate::shop::{Setup, advertiser};

/// A shop's feed at its own address: what it says now, with an ETag of it.
#[derive(Clone)]
struct Shelf {
    source: Source,
    text: Arc<Mutex<String>>,
    bodies: Arc<AtomicUsize>,
}

impl Shelf {
    fn put_up(text: &str) -> Shelf {
        let source = Source::at(PUBLIC, 0).expect("a port");
        let shelf = Shelf {
            source,
            text: Arc::new(Mutex::new(text.to_owned())),
            bodies: Arc::default(),
        };
        let of_source = shelf.clone();
        shelf.source.answers(move |asked| {
            let text = of_source.text.lock().expect("a lock").clone();
            if text.is_empty() {
                return answer("503 Service Unavailable", "", b"");
            }
            let etag = format!("\"{}\"", text.len());
            if asked.header("if-none-match") == Some(etag.as_str()) {
                return answer("304 Not Modified", &format!("ETag: {etag}\r\n"), b"");
            }
            of_source.bodies.fetch_add(1, Ordering::SeqCst);
            answer("200 OK", &format!("ETag: {etag}\r\n"), text.as_bytes())
        });
        shelf
    }

    fn say(&self, text: &str) {
        text.clone_into(&mut self.text.lock().expect("a lock"));
    }

    /// Bodies sent, and requests that asked for changes only.
    fn served(&self) -> (usize, usize) {
        let asked = self.source.asked();
        let conditional = asked.iter().filter(|asked| asked.header("if-none-match").is_some()).count();
        (self.bodies.load(Ordering::SeqCst), conditional)
    }
}

fn csv(rows: &[&str]) -> String {
    let row = |id: &&str| format!("{id},Shoe,https://acme.example/{id},https://acme.example/{id}.jpg,5 USD,shoe\n");
    format!(
        "id,title,link,image_link,price,item_group_id\n{}",
        rows.iter().map(row).collect::<String>()
    )
}

/// One shop by address.
fn setup(url: &str) -> Setup {
    let mut shop = advertiser("acme");
    shop["feed"] = json!({"url": url, "refresh": "1h"});
    let mut setup = Setup::new().with(shop);
    setup.config["feeds"] = json!({"allow": ["127.0.0.2"], "timeout": "5s"});
    setup
}

fn health(server: &Server) -> Value {
    server.api().get("/api/feeds/acme").expect("an answer").json()
}

/// Looks at the feed now.
fn look(server: &Server) -> Value {
    let answer = server.api().post("/api/feeds/acme/refresh", b"").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Waits until the server has looked by itself.
fn looked(server: &Server) -> Value {
    for _ in 0..200 {
        let health = health(server);
        if health["tried"].is_string() && !matches!(health["result"].as_str(), Some("waiting" | "read")) {
            return health;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("nobody looked\n{}", server.log());
}

#[test]
fn a_feed_is_fetched_where_it_has_changed_and_kept_where_it_fails() {
    let shelf = Shelf::put_up(&csv(&["a", "b"]));
    let setup = setup(&shelf.source.url("/feed.csv?key=secret"));
    setup.write();
    let mut server = Server::start(setup.path());
    let first = looked(&server);
    assert_eq!(
        (&first["result"], &first["products"], &first["from"]),
        (&json!("fetched"), &json!(2), &json!("url"))
    );
    assert_eq!(first["source"], shelf.source.url("/feed.csv"), "a query may be secret");
    assert_eq!(look(&server)["result"], "unchanged");
    assert_eq!(shelf.served(), (1, 1));
    // A server that starts again has its products before anybody answers.
    server.kill();
    shelf.say("");
    let mut server = Server::start(setup.path());
    let failing = looked(&server);
    assert_eq!((&failing["result"], &failing["products"]), (&json!("failed"), &json!(2)));
    assert_eq!(failing["problem"]["code"], "status");
    shelf.say(&csv(&["a", "b"]));
    let again = look(&server);
    assert_eq!((&again["result"], &again["failures"]), (&json!("unchanged"), &json!(0)));
    let refetched = shelf.served().0 - 1;
    // What cannot be read changes nothing, on disk either.
    shelf.say("<rss><channel><item>");
    let broken = look(&server);
    assert_eq!((&broken["problem"]["code"], &broken["products"]), (&json!("unreadable"), &json!(2)));
    assert!(
        server.log().contains("the feed of advertiser `acme` stays as it was"),
        "{}",
        server.log()
    );
    server.kill();
    let server = Server::start(setup.path());
    assert_eq!(looked(&server)["products"], 2);
    shelf.say(&format!("{}c,,,,,\n", csv(&["a", "b", "x"])));
    let new = look(&server);
    assert_eq!(
        (&new["result"], &new["products"], &new["read"]["accepted"]),
        (&json!("fetched"), &json!(3), &json!(3))
    );
    let rejected = &new["read"]["rejected"];
    assert_eq!(
        (&rejected["items"], &rejected["reasons"][0]["reason"]),
        (&json!(1), &json!("no_title"))
    );
    assert_eq!(
        (&rejected["examples"][0]["line"], &rejected["examples"][0]["item_id"]),
        (&json!(5), &json!("c"))
    );
    let metrics = server.api().get("/metrics").expect("metrics").text();
    for line in [
        "winback_feed_fetches_total{advertiser=\"acme\",result=\"fetched\"} 1",
        "winback_feed_failures{advertiser=\"acme\"} 0",
        "winback_feed_items{advertiser=\"acme\",state=\"rejected\"} 1",
        "winback_feed_good_seconds{advertiser=\"acme\"} ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let mut figures = Figures::new();
    figures.exactly("feeds.refetched_unchanged", refetched, 0);
    figures.at_least("feeds.conditional_fetches", shelf.served().1, 5);
    figures.settle();
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[test]
fn ids_that_a_site_names_otherwise_are_told_with_what_they_should_be() {
    let shelf = Shelf::put_up(&csv(&["a", "shop_US_77"]));
    let server = Server::fresh(setup(&shelf.source.url("/feed.csv")));
    looked(&server);
    let mut shop = server.shop();
    let batch = |ids: &[&str]| {
        let items: Vec<Value> = ids.iter().map(|id| json!({"item_id": id})).collect();
        json!({"user": {"first_party_id": "somebody"}, "events": [{"event": "view_cart", "items": items}]})
    };
    tell(&mut shop, "acme", &batch(&["a", "web_a", "77", "shoe", "gone"]));
    tell(&mut shop, "acme", &batch(&["web_a", "a"]));
    // An event that is rejected names nothing.
    let wrong = json!({"user": {"first_party_id": "x"}, "events": [{"event": "view_cart", "items": [{"item_id": "no", "quantity": 0}]}]});
    shop.post("/e/acme-web", wrong.to_string().as_bytes()).expect("an answer");
    let events = &health(&server)["events"];
    assert_eq!(
        (&events["items"], &events["not_in_feed"], &events["match_rate"]),
        (&json!(7), &json!(5), &json!(0.2857))
    );
    let told: Vec<(&str, u64, &str)> = events["ids_not_in_feed"]
        .as_array()
        .expect("ids")
        .iter()
        .map(|id| {
            (
                id["item_id"].as_str().expect("an id"),
                id["count"].as_u64().expect("a count"),
                id["hint"].as_str().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("web_a", 2, "the feed lists `a`: add `web_` to `feed.id_prefixes`"),
            ("77", 1, "the feed lists `shop_US_77`: let events and feed say the same"),
            ("gone", 1, ""),
            ("shoe", 1, "it is an `item_group_id`: let events name the variant, such as `a`"),
        ]
    );
    let metrics = server.api().get("/metrics").expect("metrics").text();
    assert!(
        metrics.contains("winback_feed_event_items{advertiser=\"acme\",listed=\"false\"} 5"),
        "{metrics}"
    );
    // Once the feed lists it, it is told no more.
    shelf.say(&csv(&["a", "shop_US_77", "gone"]));
    let events = look(&server)["events"].clone();
    assert!(!events["ids_not_in_feed"].to_string().contains("gone"), "{events}");
    let all = server.api().get("/api/feeds").expect("an answer").json();
    assert_eq!(all["feeds"].as_array().map(Vec::len), Some(1));
    assert_eq!(server.api().get("/api/feeds/nobody").expect("an answer").status, 404);
}

#[test]
fn check_asks_for_a_feed_by_address() {
    let shelf = Shelf::put_up(&csv(&["a"]));
    let mut setup = setup(&shelf.source.url("/feed.csv"));
    let check = |setup: &Setup| {
        setup.write();
        let run = winback()
            .args(["check", "winback.json"])
            .current_dir(setup.path())
            .output()
            .expect("the binary starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (run.status.code(), text(&run.stdout), text(&run.stderr))
    };
    let (code, said, faults) = check(&setup);
    assert_eq!(code, Some(0), "{faults}");
    assert!(said.contains("/feed.csv: csv, 1 items, 1 accepted, 0 rejected"), "{said}");
    assert!(!setup.path().join("data/feeds").exists(), "a check leaves no trace");
    // That nobody answers now is no fault of a file.
    shelf.say("");
    let (code, said, _) = check(&setup);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("warning: ") && said.contains("the feed cannot be fetched: `127.0.0.2` answered 503"),
        "{said}"
    );
    shelf.say("<html>");
    let (code, _, faults) = check(&setup);
    assert_eq!(code, Some(1));
    assert!(faults.contains("/feed.csv:1:"), "{faults}");
    setup.config["feeds"] = json!({});
    let (code, _, faults) = check(&setup);
    assert_eq!(code, Some(1));
    assert!(
        faults.contains("/feed/url: ") && faults.contains("which is not public: allow its network"),
        "{faults}"
    );
    assert!(faults.contains("acme.json:"), "{faults}");
}

#[test]
fn a_password_is_sent_and_a_private_address_is_not_asked() {
    let shelf = Shelf::put_up(&csv(&["a"]));
    let mut setup = setup(&shelf.source.url("/feed.csv"));
    setup.advertisers[0]["feed"]["auth"] = json!({"user": "winback", "password_file": "feed-password"});
    setup.write();
    fs::write(setup.path().join("advertisers/feed-password"), "open sesame\n").expect("written");
    let mut server = Server::start(setup.path());
    assert_eq!(looked(&server)["result"], "fetched");
    let asked = shelf.source.asked();
    assert_eq!(asked[0].header("authorization"), Some("Basic d2luYmFjazpvcGVuIHNlc2FtZQ=="));
    server.kill();
    setup.config["feeds"] = json!({});
    fs::remove_dir_all(setup.path().join("data/feeds")).expect("removed");
    setup.write();
    fs::write(setup.path().join("advertisers/feed-password"), "open sesame\n").expect("written");
    let server = Server::start(setup.path());
    let health = looked(&server);
    assert_eq!(
        (&health["problem"]["code"], &health["products"]),
        (&json!("private_address"), &json!(0))
    );
    assert_eq!(shelf.source.asked().len(), asked.len());
    // Whoever is gone leaves nothing behind.
    assert_eq!(
        server
            .api()
            .send("DELETE", "/api/advertisers/acme", &[], b"")
            .expect("an answer")
            .status,
        204
    );
    assert_eq!(server.api().get("/api/feeds").expect("an answer").json(), json!({"feeds": []}));
}
