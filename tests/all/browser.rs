//! The tag and the match of ids as browsers have them: Chromium, over TLS, between two shops and two exchanges that
//! are third parties to one another, with the real server behind a proxy.
//!
//! What comes of each journey is a row of `tests/golden/browser.json`: events sent and taken, whether each exchange's
//! own cookie leads to a user, what is shown there, and the cookies that are left. `UPDATE_GOLDEN=1` writes it anew.
//! Without Chromium there is nothing to look at; in CI that is a failure.

mod chromium;
mod desk;
mod exchange;
mod shop;
mod snippets;
mod street;
mod tag;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ads::browser::Chromium;
use crate::figures::Figures;
use crate::life::run;
use crate::rig::{Server, tracking_paths};
use crate::shop::{Setup, advertiser, item};
use chromium::{Browser, Manner};
use exchange::Shown;
use shop::{CONSENTED, REFUSED};
use street::{ADS, Call, EXCHANGES, SHOPS, Street};

const JOURNEYS: usize = 8;
/// Longer than a tag ever waits before it sends.
const QUIET: Duration = Duration::from_millis(2_000);

/// A server, the street before it, and the browser's name.
struct Town {
    server: Server,
    street: Street,
    chromium: Chromium,
}

/// One browser on its way.
struct Walk<'t> {
    town: &'t Town,
    browser: Browser,
    from: usize,
}

impl Town {
    /// None where there is no browser.
    fn build() -> Option<Town> {
        let chromium = Chromium::found()?;
        let mut setup = Setup::new();
        for shop in ["shop-a", "shop-b"] {
            setup = setup.with(advertiser(shop));
        }
        let exchange = |id: &str, host: &str| {
            let push_url = format!("https://{host}/set?uid={{uid}}&gdpr={{gdpr}}&gdpr_consent={{gdpr_consent}}");
            json!({"id": id, "sync": {"push_url": push_url, "redirect_hosts": [host], "ttl": "30d"}})
        };
        setup.config["exchanges"] = json!([exchange("x1", EXCHANGES[0]), exchange("x2", EXCHANGES[1])]);
        setup.config["public"]["url"] = json!(format!("https://{ADS}"));
        setup.config["privacy"]["gvl_vendor_id"] = json!(10);
        let server = Server::fresh(setup);
        let street = Street::start(&server, [printed(server.folder()), documented()]);
        Some(Town { server, street, chromium })
    }

    fn walk(&self, manner: Manner) -> Walk<'_> {
        Walk {
            from: self.street.calls().len(),
            browser: Browser::open(self.chromium.name(), &self.street, manner),
            town: self,
        }
    }

    /// What is known of a user, by event names of each shop.
    fn known(&self, id: &str) -> Option<BTreeMap<String, Vec<String>>> {
        let answer = self.server.api().get(&format!("/api/users/{id}")).expect("an answer");
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let of_shop = |shop: &Value| {
            let events = shop["events"].as_array().cloned().unwrap_or_default();
            let mut names: Vec<String> = events.iter().map(|event| text(&event["event"])).collect();
            names.sort();
            (text(&shop["id"]), names)
        };
        let shops = answer.json()["advertisers"].as_array().cloned().unwrap_or_default();
        (answer.status == 200).then(|| shops.iter().map(of_shop).collect())
    }
}

/// What the README says, of the second shop.
fn documented() -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    let (_, after) = readme.split_once("```html\n").expect("a snippet");
    let (snippet, _) = after.split_once("```").expect("its end");
    snippet.replace("ads.example.com", ADS).replace("shop-web", "shop-b-web")
}

/// What `winback init` prints for the first shop's pages, under the address that browsers reach.
fn printed(folder: &Path) -> String {
    let made = run(
        folder,
        &[
            "init",
            "made",
            "--domain",
            SHOPS[0],
            "--feed",
            "advertisers/shop-a.xml",
            "--currency",
            "USD",
        ],
    );
    let said = String::from_utf8(made.stdout).expect("text");
    let line = said
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("<script async"))
        .expect("a snippet");
    assert!(line.contains("data-site=\"shop-a-web\""), "{line}");
    line.replace("http://127.0.0.1:8081", &format!("https://{ADS}"))
}

impl Walk<'_> {
    fn calls(&self) -> Vec<Call> {
        self.town.street.calls().split_off(self.from)
    }

    fn batches(&self) -> Vec<Call> {
        let calls = self.calls().into_iter();
        calls.filter(|call| call.method == "POST" && call.path.starts_with("/e/")).collect()
    }

    fn visit(&mut self, shop: usize, n: usize, query: &str) {
        let id = SHOPS[shop].trim_end_matches(".example");
        self.browser.go(&format!("https://{}/p/{}{query}", SHOPS[shop], item(id, n)));
    }

    /// Puts a product into the cart, as shops do that have gtag.
    fn add_to_cart(&mut self, id: &str, n: usize) {
        let item = json!([{"item_id": item(id, n), "item_name": "of the shop", "quantity": 1, "price": 19.5}]);
        self.browser.run(&format!(
            "gtag('event', 'add_to_cart', {{currency: 'USD', value: 19.5, items: {item}}}); 0"
        ));
    }

    /// Waits for the answer to an event.
    fn told(&self, event: &str) -> Call {
        let needle = format!("\"event\":\"{event}\"");
        let is_it = |call: &Call| call.method == "POST" && call.path.starts_with("/e/") && call.body.contains(&needle);
        self.town.street.await_call(self.from, event, is_it)
    }

    /// Waits until both exchanges have been told, or it has shown that the browser keeps no cookie.
    fn synced(&self, is_kept: bool) {
        let ends: &[&str] = if is_kept { &["/set?", "/sync/x2?uid="] } else { &["/sync?"] };
        for end in ends {
            let is_it = |call: &Call| call.path.starts_with(end) && (is_kept || (call.path.contains("wb_ck") && call.status == 200));
            self.town.street.await_call(self.from, end, is_it);
        }
    }

    /// What an exchange's page shows.
    fn read_news(&mut self, exchange: usize, query: &str) -> Shown {
        let shown = || self.town.street.shared.shown.lock().expect("a lock").clone();
        let before = shown().len();
        self.browser.go(&format!("https://{}/page{query}", EXCHANGES[exchange]));
        let after = self.town.street.shared.shown.lock().expect("a lock").clone();
        after.get(before).expect("a place for an ad").clone()
    }

    /// The row of a journey that ends with a look at both exchanges' pages.
    fn row(mut self, journey: &str, query: &str) -> Value {
        let (mut matched, mut shown, mut knows) = (json!({}), json!({}), Value::Null);
        for exchange in 0..EXCHANGES.len() {
            let place = self.read_news(exchange, query);
            let known = self.town.known(&place.user_id());
            matched[&place.exchange] = json!(known.is_some());
            shown[&place.exchange] = place.product().map_or_else(|| json!({"nbr": place.nbr}), |product| json!(product));
            knows = known.map_or(knows, |known| json!(known));
        }
        let hosts: Vec<&str> = [ADS].iter().chain(&SHOPS).chain(&EXCHANGES).copied().collect();
        let complaints = self.browser.complaints();
        assert!(complaints.is_empty(), "{journey}: {complaints:?}");
        json!({"journey": journey, "sent": self.sent(), "taken": self.taken(), "matched": matched, "shown": shown,
            "knows": knows, "jar": self.browser.jar(&hosts)})
    }

    fn sent(&self) -> usize {
        let batches = self.batches();
        batches.iter().map(|call| call.body.matches("\"event\":").count()).sum()
    }

    fn taken(&self) -> u64 {
        let answers = self.batches();
        let taken = answers
            .iter()
            .map(|call| serde_json::from_str::<Value>(&call.answer).unwrap_or_default()["accepted"].as_u64());
        taken.flatten().sum()
    }
}

/// A visitor of no particular place, whom both exchanges come to know: and what the other shop adds to that.
fn visit(town: &Town) -> Vec<Value> {
    let mut walk = town.walk(Manner::Plain);
    walk.visit(0, 3, "");
    walk.add_to_cart("shop-a", 3);
    walk.told("add_to_cart");
    walk.synced(true);
    let ad = walk.read_news(0, "");
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("ads").join("browser.png");
    walk.browser.picture(&picture);
    walk.visit(1, 5, "");
    walk.told("page_view");
    walk.town.street.await_call(walk.from, "the other shop's event", |call| {
        call.path == "/e/shop-b-web" && call.status == 200
    });
    let click = tracking_paths(ad.bid["adm"].as_str().unwrap_or(""), "/click/").remove(0);
    vec![walk.row("visit", ""), bought_elsewhere(town, &click)]
}

/// The ad is clicked, and the order comes from a browser that no exchange and no cookie of ours knows.
fn bought_elsewhere(town: &Town, click: &str) -> Value {
    // Nobody clicks at once.
    thread::sleep(Duration::from_millis(1_200));
    let mut walk = town.walk(Manner::Strict);
    walk.browser.go(&format!("https://{ADS}{click}"));
    let product = walk.browser.run("location.pathname");
    assert_eq!(product, format!("/p/{}", item("shop-a", 3)));
    walk.told("page_view");
    walk.synced(false);
    walk.visit(0, 9, "");
    let order = "gtag('event', 'purchase', {transaction_id: 'T-1', currency: 'USD', value: 61, items: [{item_id: 'shop-a-sku-9', quantity: 2}]}); 0";
    walk.browser.run(order);
    let batch = walk.told("purchase");
    assert!(
        batch.body.contains("\"click_id\":"),
        "the landing page's click is remembered: {}",
        batch.body
    );
    let report = town
        .server
        .api()
        .get("/api/report?advertiser=shop-a&by=campaign")
        .expect("a report")
        .json();
    let row = &report["rows"][0];
    let mut done = walk.row("click, and an order on another page", "");
    done["report"] = json!({"impressions": row["impressions"], "clicks": row["clicks"], "conversions": row["conversions"],
        "conversion_value": row["conversion_value"]});
    done
}

fn consented(town: &Town) -> Value {
    let mut walk = town.walk(Manner::Plain);
    walk.visit(0, 4, "?cmp=tcf");
    walk.add_to_cart("shop-a", 4);
    thread::sleep(QUIET);
    assert_eq!(walk.batches().len(), 0, "nothing is sent before the choice");
    assert_eq!(walk.browser.jar(&[ADS, SHOPS[0]]), [""; 0], "nothing is kept before the choice");
    walk.browser.run("choose(true)");
    walk.told("add_to_cart");
    walk.synced(true);
    let passed_on = format!("&gdpr=1&gdpr_consent={CONSENTED}");
    walk.town.street.await_call(walk.from, "the choice at an exchange", |call| {
        call.path.starts_with("/set?") && call.path.ends_with(&passed_on)
    });
    walk.row("consent given", &format!("?gdpr_consent={CONSENTED}"))
}

fn refused(town: &Town) -> Value {
    let mut walk = town.walk(Manner::Plain);
    walk.visit(0, 4, "?cmp=tcf");
    walk.add_to_cart("shop-a", 4);
    walk.browser.run("choose(false)");
    thread::sleep(QUIET);
    walk.visit(0, 5, "?cmp=tcf");
    walk.add_to_cart("shop-a", 5);
    thread::sleep(QUIET);
    walk.row("consent refused", &format!("?gdpr_consent={REFUSED}"))
}

/// Without cookies of third parties: the shop knows its visitor again, and nobody else does.
fn blocked(town: &Town, manner: Manner, journey: &str) -> Value {
    let mut walk = town.walk(manner);
    walk.visit(0, 6, "");
    walk.add_to_cart("shop-a", 6);
    let first = walk.told("add_to_cart");
    walk.synced(false);
    walk.visit(0, 7, "");
    walk.add_to_cart("shop-a", 7);
    let second = walk
        .town
        .street
        .await_call(walk.from, "the second product", |call| call.body.contains("shop-a-sku-7"));
    let person = |call: &Call| serde_json::from_str::<Value>(&call.body).expect("a batch")["user"]["first_party_id"].clone();
    assert!(person(&first).is_string() && person(&first) == person(&second), "one visitor");
    walk.row(journey, "")
}

fn opted_out(town: &Town) -> Value {
    let mut walk = town.walk(Manner::Plain);
    walk.visit(0, 8, "");
    walk.add_to_cart("shop-a", 8);
    walk.told("add_to_cart");
    walk.synced(true);
    walk.browser.go(&format!("https://{ADS}/optout"));
    walk.visit(0, 2, "");
    walk.add_to_cart("shop-a", 2);
    walk.town
        .street
        .await_call(walk.from, "the event after", |call| call.body.contains("shop-a-sku-2"));
    // The answer is still to be read.
    thread::sleep(QUIET);
    walk.row("opted out", "")
}

fn objected(town: &Town) -> Value {
    let mut walk = town.walk(Manner::Plain);
    walk.browser.object();
    walk.visit(0, 8, "");
    walk.add_to_cart("shop-a", 8);
    thread::sleep(QUIET);
    // Whoever sends all the same is refused by the header alone.
    let script = format!(
        "fetch('https://{ADS}/e/shop-a-web', {{method: 'POST', credentials: 'include', body: '{{\"events\": [{{\"event\": \"page_view\"}}]}}'}})\
         .then(answer => answer.json()).then(said => said.accepted)"
    );
    assert_eq!(walk.browser.run(&script), json!(0));
    walk.row("global privacy control", "")
}

#[test]
fn who_is_known_where_after_what() {
    let Some(town) = Town::build() else { return };
    let mut rows = visit(&town);
    rows.push(consented(&town));
    rows.push(refused(&town));
    rows.push(blocked(&town, Manner::Strict, "third-party cookies blocked"));
    rows.push(opted_out(&town));
    rows.push(objected(&town));
    rows.push(blocked(&town, Manner::Private, "private window"));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/browser.json");
    let found = Value::Array(rows);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, format!("{}\n", crate::shop::pretty(&found))).expect("the golden rows");
    }
    let expected: Value = serde_json::from_slice(&fs::read(&golden).expect("the golden rows")).expect("JSON");
    let list = |rows: &Value| rows.as_array().cloned().unwrap_or_default();
    let (found, expected) = (list(&found), list(&expected));
    let differing = found.iter().zip(&expected).filter(|(found, expected)| found != expected);
    let differ = differing
        .inspect(|(found, expected)| println!("{found:#}\n    in place of\n{expected:#}"))
        .count();
    let matched = |row: &&Value| row["matched"]["x1"] == true && row["matched"]["x2"] == true;
    let strangers = town.street.strangers();
    println!("{} requests; to others: {strangers:?}", town.street.calls().len());
    let mut figures = Figures::new();
    figures.exactly("browser.journeys", found.len(), JOURNEYS);
    figures.exactly("browser.rows_differ", differ + found.len().abs_diff(expected.len()), 0);
    figures.exactly("browser.matched", found.iter().filter(matched).count(), 2);
    figures.at_least("browser.requests", town.street.calls().len(), 80);
    figures.exactly("browser.requests_elsewhere", strangers.len(), 0);
    figures.settle();
}
