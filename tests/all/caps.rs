//! Frequency caps and competition, with every signal sent three times.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Client;
use crate::kill::reported;
use crate::rig::{Server, ask, bids, call, tell, tracking_paths};
use crate::shop::{PRODUCTS, Setup, advertiser, cart, domain, request, theirs, title};

const SHOPS: usize = 8;
const CAP: usize = 3;

/// Every signal of a shown ad, three times over.
fn show(exchange: &mut Client, visitor: &mut Client, bid: &Value) {
    let pixels = tracking_paths(bid["adm"].as_str().unwrap_or(""), "/imp/");
    assert_eq!(pixels.len(), 1, "one pixel in {}", bid["adm"]);
    for _ in 0..3 {
        for url in ["nurl", "burl"] {
            assert_eq!(exchange.get(&call(&bid[url], "2.00")).expect("an answer").status, 200, "{url}");
        }
        assert_eq!(visitor.get(&pixels[0]).expect("a pixel").status, 200);
    }
}

#[test]
fn three_a_day_is_three() {
    let mut capped = advertiser("acme");
    capped["campaigns"][0]["frequency"] = json!([{"max": CAP, "per": "1d"}]);
    let server = Server::fresh(Setup::new().with(capped));
    let (mut exchange, mut visitor) = (server.exchange(), server.visitor());
    for item in 0..6 {
        tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", item));
    }
    let mut shown = 0;
    for n in 0..12 {
        let answer = ask(&mut exchange, &request(&format!("cap-{n}"), "u", 1));
        for bid in bids(&answer) {
            shown += 1;
            show(&mut exchange, &mut visitor, &bid);
        }
        assert!([200, 204].contains(&answer.status), "{}", answer.status);
        // Bids for one placement within two seconds are one; these are several, but need not hurry.
        thread::sleep(Duration::from_millis(50));
    }
    let (impressions, cost) = reported(&mut server.api());
    let mut figures = Figures::new();
    figures.exactly("caps.shown", shown, CAP);
    figures.exactly("caps.impressions", impressions, CAP);
    figures.exactly("caps.cost_billionths", cost, CAP as i128 * 2_000_000);
    figures.settle();
}

#[test]
fn bids_without_notices_hold_too() {
    let mut capped = advertiser("acme");
    capped["campaigns"][0]["frequency"] = json!([{"max": CAP, "per": "1d"}]);
    let server = Server::fresh(Setup::new().with(capped));
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let mut exchange = server.exchange();
    let won = (0..10)
        .filter(|n| ask(&mut exchange, &request(&format!("hold-{n}"), "u", 1)).status == 200)
        .count();
    let mut figures = Figures::new();
    figures.at_most("caps.held", won, CAP);
    figures.at_least("caps.held_used", won, CAP);
    figures.settle();
}

#[test]
fn six_imps_one_each() {
    let names: Vec<String> = (0..SHOPS).map(|n| format!("shop{n}")).collect();
    let setup = names.iter().fold(Setup::new(), |setup, name| setup.with(advertiser(name)));
    let server = Server::fresh(setup);
    let mut shop = server.shop();
    for (n, name) in names.iter().enumerate() {
        for item in [n, n + 8] {
            tell(&mut shop, name, &cart(theirs("fresh"), name, item));
        }
    }
    let answer = ask(&mut server.exchange(), &request("six", "fresh", 6));
    assert_eq!(answer.status, 200);
    let bids = bids(&answer);
    let distinct = |name: &str| bids.iter().map(|bid| bid[name].to_string()).collect::<BTreeSet<_>>().len();
    let products: Vec<Vec<String>> = bids.iter().map(|bid| products(bid, &names)).collect();
    let one_each = products.iter().filter(|shown| shown.len() == 1).count();
    let all: BTreeSet<&String> = products.iter().flatten().collect();
    let own = bids
        .iter()
        .filter(|bid| names.iter().any(|name| bid["adomain"] == json!([domain(name)])))
        .count();
    let mut figures = Figures::new();
    figures.exactly("caps.six_bids", bids.len(), 6);
    figures.exactly("caps.six_imps", distinct("impid"), 6);
    figures.exactly("caps.six_advertisers", distinct("adomain"), 6);
    figures.exactly("caps.six_ours", own, 6);
    figures.exactly("caps.six_one_product_each", one_each, 6);
    figures.exactly("caps.six_products", all.len(), 6);
    figures.settle();
}

/// Titles of the products an ad shows.
fn products(bid: &Value, shops: &[String]) -> Vec<String> {
    let markup = bid["adm"].as_str().unwrap_or("");
    let titles = shops.iter().flat_map(|shop| (0..PRODUCTS).map(|n| title(shop, n)));
    titles.filter(|title| markup.contains(title.as_str())).collect()
}

#[test]
fn one_advertiser_gets_one_imp() {
    let server = Server::fresh(Setup::acme());
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    assert_eq!(bids(&ask(&mut server.exchange(), &request("r", "u", 6))).len(), 1);
}
