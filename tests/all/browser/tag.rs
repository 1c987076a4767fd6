//! What shops' pages tell the tag, and what comes of it: every form of it once, nothing twice, nothing without
//! permission.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::chromium::Manner;
use super::street::{ADS, SHOPS};
use super::{QUIET, Town, Walk};
use crate::figures::Figures;
use crate::rig::Server;
use crate::shop::{Setup, item};

/// Of the tag as it is sent, in bytes.
const GZIPPED_MAX: usize = 6 * 1024;

/// Every way to say something, and much that says nothing.
fn say_everything(walk: &mut Walk<'_>) {
    let thing = |n: usize| json!({"item_id": item("shop-a", n), "quantity": 1, "price": "20.90"}).to_string();
    let script = r#"
        winback('event', {event: 'view_item', items: [@1]});
        winback('event', 'view_item', {items: [@2]});
        winback('custom:fitting', {items: [@1]});
        winback.push(['search']);
        dataLayer.push({event: 'view_cart', ecommerce: {items: [@1, @2, {item_name: 'without an id'}]}});
        dataLayer.push({event: 'gtm.js'}, null, 'text', {ecommerce: null}, function () {});
        gtag('config', 'G-1');
        gtag('event', 'add_to_wishlist', {items: [Object.assign({item_category: 'Shoes', item_category2: 'Trail'}, @2)]});
        history.pushState({}, '', '/p/another');
        history.replaceState({}, '', '/p/another#top');
        winback.push(null); winback(undefined, 7); winback('consent'); winback('consent', 'granted'); 0"#;
    walk.browser.run(&script.replace("@1", &thing(1)).replace("@2", &thing(2)));
    walk.told("add_to_wishlist");
}

/// What is then remembered, an entry for each item.
const EVERYTHING: [&str; 11] = [
    "add_to_cart",
    "add_to_wishlist",
    "begin_checkout",
    "custom",
    "page_view",
    "page_view",
    "search",
    "view_cart",
    "view_cart",
    "view_item",
    "view_item",
];

/// How often an event arrives whose first two answers get lost on their way back.
fn say_again_and_again(walk: &mut Walk<'_>) -> usize {
    walk.town.street.shared.losing.store(2, Ordering::SeqCst);
    walk.add_to_cart("shop-a", 3);
    let arrivals = |walk: &Walk<'_>| walk.batches().iter().filter(|call| call.body.contains("add_to_cart")).count();
    for _ in 0..150 {
        if arrivals(walk) == 3 {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    arrivals(walk)
}

#[test]
fn what_pages_tell_arrives_once() {
    let Some(town) = Town::build() else { return };
    let mut walk = town.walk(Manner::Plain);
    walk.visit(0, 1, "");
    say_everything(&mut walk);
    let arrivals = say_again_and_again(&mut walk);
    // And what is said while the page is left.
    let thing = json!({"item_id": item("shop-a", 3)});
    walk.browser.go(&format!(
        "javascript:gtag('event', 'begin_checkout', {{items: [{thing}]}}); location.href = 'https://{}/p/shop-b-sku-1'; 0",
        SHOPS[1],
    ));
    walk.told("begin_checkout");
    let cookies = walk
        .browser
        .call("Network.getCookies", json!({"urls": [format!("https://{ADS}/")]}));
    let jar = cookies["cookies"].as_array().map_or(&[][..], Vec::as_slice);
    let own = jar.iter().find(|cookie| cookie["name"] == "wb_uid");
    let id = own.and_then(|cookie| cookie["value"].as_str()).unwrap_or("").to_owned();
    let known = town.known(&id).and_then(|mut known| known.remove("shop-a")).unwrap_or_default();
    println!("remembered: {known:?}");
    let complaints = walk.browser.complaints();
    // Whoever else were asked would be seen.
    walk.browser.run("fetch('https://elsewhere.example/').catch(() => 0).then(() => 0)");
    assert_eq!(town.street.strangers(), ["elsewhere.example"]);
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    let mut figures = Figures::new();
    figures.exactly("tag.remembered", known.len(), EVERYTHING.len());
    figures.exactly("tag.arrivals_of_one", arrivals, 3);
    figures.exactly("tag.complaints", complaints.len(), 0);
    figures.settle();
    assert_eq!(known, EVERYTHING);
}

/// Pages with something to say about permission, by what they are asked for with; what comes of it: nothing sent, a
/// refusal of the server, or events taken.
const SAID: [(&str, &str, &str); 11] = [
    ("usp", "1YYN", "silent"),
    ("usp", "1YNN", "taken"),
    ("gpp", "DBABLA~CVVaAAAAAACA.QA", "refused"),
    ("gpp", "DBABLA~CVVqAAAAAACA.QA", "taken"),
    ("script", "gtag('consent', 'default', {ad_storage: 'denied'})", "silent"),
    (
        "script",
        "gtag('consent', 'default', {ad_storage: 'denied', region: ['DE']}); gtag('consent', 'default', {ad_storage: 'granted'})",
        "silent",
    ),
    (
        "script",
        "gtag('consent', 'default', {ad_storage: 'denied'}); gtag('consent', 'update', {ad_storage: 'granted'})",
        "taken",
    ),
    ("script", "winback = [['consent', 'wait']]", "silent"),
    ("script", "winback = [['consent', 'denied']]", "silent"),
    ("script", "winback = [['consent', 'wait'], ['consent', 'granted']]", "taken"),
    (
        "script",
        "winback = function () { (winback.q = winback.q || []).push(arguments) }; winback('consent', 'granted')",
        "taken",
    ),
];

#[test]
fn pages_speak_with_permission_only() {
    let Some(town) = Town::build() else { return };
    let mut walk = town.walk(Manner::Plain);
    let mut wrong = 0;
    for (manager, string, expected) in SAID {
        let before = (walk.sent(), walk.taken());
        walk.browser.call("Network.clearBrowserCookies", json!({}));
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("cmp", manager)
            .append_pair("string", string)
            .finish();
        walk.visit(1, 1, &format!("?{query}"));
        thread::sleep(QUIET);
        let came = match (walk.sent() - before.0, walk.taken() - before.1) {
            (0, _) => "silent",
            (_, 0) => "refused",
            _ => "taken",
        };
        let kept = walk.browser.jar(&SHOPS).iter().any(|cookie| cookie.contains(" wb_fpid;"));
        if came != expected || kept != (expected == "taken") {
            println!("{manager} {string}: {came}, expected {expected}; an id is kept: {kept}");
            wrong += 1;
        }
    }
    let mut figures = Figures::new();
    figures.exactly("tag.permissions", SAID.len(), 11);
    figures.exactly("tag.permissions_wrong", wrong, 0);
    figures.settle();
}

#[test]
fn the_tag_is_small_and_kept_by_whoever_has_it() {
    let server = Server::fresh(Setup::acme());
    let mut visitor = server.visitor();
    let plain = visitor.get("/tag.js").expect("an answer");
    let packed = visitor
        .send("GET", "/tag.js", &[("Accept-Encoding", "gzip")], b"")
        .expect("an answer");
    let etag = plain.header("etag").expect("an etag").to_owned();
    let again = visitor.send("GET", "/tag.js", &[("If-None-Match", &etag)], b"").expect("an answer");
    assert_eq!((plain.status, again.status, again.body.len()), (200, 304, 0));
    assert!(plain.header("set-cookie").is_none() && plain.text().contains("https://ads.example.com"));
    println!("{} bytes", plain.body.len());
    let mut figures = Figures::new();
    figures.at_most("tag.gzipped_bytes", packed.body.len(), GZIPPED_MAX);
    figures.settle();
}

#[test]
fn a_cookie_is_for_new_visitors() {
    let server = Server::fresh(Setup::acme());
    let given = |cookie: &str, id: &str| {
        let headers = [
            ("Origin", "https://acme.example"),
            ("Content-Type", "text/plain"),
            ("Cookie", cookie),
        ];
        let batch = json!({"user": {"first_party_id": id}, "events": [{"event": "page_view"}]}).to_string();
        let answer = server
            .visitor()
            .send("POST", "/e/acme-web", &headers, batch.as_bytes())
            .expect("an answer");
        assert_eq!(answer.json()["accepted"], 1, "{}", answer.text());
        answer.header("set-cookie").map(str::to_owned)
    };
    let first = given("a=b", "first").expect("a cookie");
    assert!(first.starts_with("wb_uid=") && first.contains("SameSite=None"), "{first}");
    assert_eq!(given("a=b", "first"), None, "an id that can be guessed is worth no cookie");
    assert_eq!(given("wb_uid=known", "second"), None, "who has one keeps it");
    assert!(given("a=b", "third").is_some());
}
