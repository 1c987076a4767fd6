//! The world by itself: requests, auctions, macros, the book and the embedded configuration.

use serde_json::{Value, json};

use super::exchange::{Bid, Verdict, auction, kind_of, read, rivals};
use super::ledger::{Ledger, names};
use super::macros::Macros;
use super::request::{Ask, Slot, Viewer};
use super::rng::Rng;
use super::shop::{FILES, SERVER, rates, shops};
use super::shopper::{Habit, Shopper};
use super::*;
use crate::base::money::Money;
use crate::model::targeting::Format;

const PUBLIC: &str = "http://127.0.0.1:8081";

fn money(text: &str) -> Money {
    Money::parse(text).expect("amount")
}

fn ask(rng: &mut Rng, n: u64) -> Ask {
    let viewer = Viewer {
        uid: "x-00001",
        ifa: n.is_multiple_of(3).then_some("0f1e2d3c-aaaa-4bbb-8ccc-ddddeeeeffff"),
        country: "VNM",
    };
    Ask::new(n, viewer, rng)
}

/// A sound bid on the first placement of a request.
fn bid_on(ask: &Ask, price: &str) -> Value {
    let slot = &ask.offer.imps[0];
    let (w, h) = slot.sizes[0];
    json!({
        "id": "b1", "impid": slot.id, "price": serde_json::from_str::<Value>(price).expect("price"),
        "cid": "cart-recovery", "crid": "alder-shoes.cart-card.0a1b2c3d", "adid": "a", "adomain": ["alder-shoes.example"],
        "adm": format!("<a href=\"{PUBLIC}/click/T\"><img src=\"{PUBLIC}/imp/T?p=${{AUCTION_PRICE}}&amp;i=1\"></a>"),
        "w": w, "h": h,
        "nurl": format!("{PUBLIC}/n/win/T?p=${{AUCTION_PRICE}}"),
        "burl": format!("{PUBLIC}/n/bill/T?p=${{AUCTION_PRICE}}"),
        "lurl": format!("{PUBLIC}/n/loss/T?l=${{AUCTION_LOSS}}")
    })
}

fn answer(ask: &Ask, bid: Value) -> Vec<u8> {
    json!({"id": ask.offer.id, "cur": "USD", "seatbid": [{"bid": [bid]}]})
        .to_string()
        .into_bytes()
}

#[test]
fn requests_are_valid_and_of_a_usual_size() {
    let mut rng = Rng::new(7);
    for n in 0..300 {
        let ask = ask(&mut rng, n);
        let body = ask.body();
        assert!((1_000..=2_560).contains(&body.len()), "{} bytes: {body}", body.len());
        let json: Value = serde_json::from_str(&body).expect("json");
        assert_eq!(json["imp"].as_array().map(Vec::len), Some(ask.offer.imps.len()));
        assert!(json["site"].is_object() != json["app"].is_object());
        for (slot, imp) in ask.offer.imps.iter().zip(json["imp"].as_array().expect("imps")) {
            assert_eq!(Money::parse(&imp["bidfloor"].to_string()), Ok(slot.floor));
        }
    }
}

#[test]
fn one_seed_makes_one_world() {
    let bodies = |seed| {
        let mut rng = Rng::new(seed);
        (0..20).map(|n| ask(&mut rng, n).body()).collect::<Vec<_>>()
    };
    assert_eq!(bodies(1), bodies(1));
    assert_ne!(bodies(1), bodies(2));
}

#[test]
fn the_highest_bid_wins_and_pays_by_the_auctions_rule() {
    let slot = Slot {
        id: "1".to_owned(),
        format: Format::Banner,
        sizes: &[(300, 250)],
        floor: money("0.50"),
    };
    let price = money("2.345678");
    assert_eq!(auction(1, &slot, price, &[money("1.2")]), Verdict::Won(money("2.3456")));
    assert_eq!(auction(2, &slot, price, &[money("1.2"), money("0.7")]), Verdict::Won(money("1.2")));
    assert_eq!(auction(2, &slot, price, &[money("0.4")]), Verdict::Won(money("0.50")));
    assert_eq!(auction(1, &slot, price, &[money("2.345678")]), Verdict::Lost(price));
    let mut rng = Rng::new(3);
    for rival in (0..200).flat_map(|_| rivals(&mut rng)) {
        assert_eq!(rival, rival.to_decimals(4, crate::base::money::Round::Down));
    }
}

#[test]
fn a_sound_bid_passes_and_its_markup_is_read() {
    let mut rng = Rng::new(1);
    let ask = ask(&mut rng, 1);
    let (bids, faults) = read(&ask.offer, &answer(&ask, bid_on(&ask, "3.24")), PUBLIC);
    assert_eq!(faults, Vec::<String>::new());
    let (bid, price): &(Bid, Money) = &bids[0];
    assert_eq!(*price, money("3.24"));
    let url = bid.url_in_markup("http://127.0.0.1:8081/imp/").expect("pixel");
    let macros = Macros::of(&ask.offer, bid, money("1.5"), None);
    assert_eq!(macros.fill(&url), format!("{PUBLIC}/imp/T?p=1.5&i=1"));
    let lost = Macros {
        lost: Some(true),
        ..macros
    };
    assert_eq!(lost.fill(&bid.lurl), format!("{PUBLIC}/n/loss/T?l=102"));
}

#[test]
fn what_an_exchange_would_refuse_is_refused() {
    let mut rng = Rng::new(1);
    let ask = ask(&mut rng, 1);
    let changes = [
        ("impid", json!("9"), "not offered"),
        ("price", json!(0.01), "floor"),
        ("w", json!(1), "size"),
        ("crid", json!(""), "crid"),
        ("cid", json!(""), "cid"),
        ("adomain", json!(["casino.example"]), "adomain"),
        ("adm", json!("<img src=\"http://cdn.example/a.png\">"), "insecure"),
        ("burl", json!("http://other.example/"), "burl"),
    ];
    for (key, value, problem) in changes {
        let mut bid = bid_on(&ask, "3.24");
        bid[key] = value;
        let (bids, faults) = read(&ask.offer, &answer(&ask, bid), PUBLIC);
        assert!(bids.is_empty(), "{key}");
        assert!(faults.iter().any(|fault| fault.contains(problem)), "{key}: {faults:?}");
    }
    let foreign = json!({"id": "other", "seatbid": []}).to_string();
    let faults = read(&ask.offer, foreign.as_bytes(), PUBLIC).1;
    assert_eq!(
        faults.iter().map(|fault| kind_of(fault)).collect::<Vec<_>>(),
        ["id is not the request's"]
    );
    assert_eq!(
        kind_of("bid b1: insecure address in adm: http://cdn.example/a.png"),
        "insecure address in adm"
    );
    assert_eq!(kind_of("bid b1: cid is missing"), "cid is missing");
}

#[test]
fn the_book_converts_as_the_report_does() {
    let shops = shops().expect("shops");
    let mut ledger = Ledger::new(&shops, &rates().expect("rates")).expect("ledger");
    ledger.bill(&shops, "gio-hang", &["hien-nha.example".to_owned()], money("1.2345"));
    ledger.bill(&shops, "gio-hang", &["hien-nha.example".to_owned()], money("0.5"));
    let line = ledger
        .line(&shops, "hien-nha.gio-hang", &["hien-nha.example".to_owned()])
        .expect("line");
    assert_eq!(line.billed, money("31.3563") + money("12.7"));
    assert!(ledger.line(&shops, "gio-hang", &["alder-shoes.example".to_owned()]).is_none());
    assert!(names("a.b", "a", "b") && names("b", "a", "b") && !names("ab", "a", "b"));
    assert!(!ledger.is_complete());
}

#[test]
fn the_embedded_configuration_hangs_together() {
    let server: Value = serde_json::from_str(SERVER).expect("server config");
    assert_eq!(server["exchanges"][0]["id"], "demo-x");
    let shops = shops().expect("shops");
    assert_eq!(
        shops.iter().map(|shop| shop.currency.as_str()).collect::<Vec<_>>(),
        ["USD", "VND", "EUR"]
    );
    let kinds: std::collections::BTreeSet<&str> = shops.iter().flat_map(|s| &s.campaigns).map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["cpa", "cpc", "cpm"]);
    for (shop, files) in shops.iter().zip(&FILES) {
        assert_eq!(shop.id, files.id);
        assert!((12..=20).contains(&shop.items.len()), "{} sells {}", shop.id, shop.items.len());
        for item in &shop.items {
            assert!(Money::parse(item.amount()).is_ok_and(|amount| amount > Money::ZERO), "{item:?}");
            assert!(
                item.price.ends_with(shop.currency.as_str()) && !item.title.is_empty() && !item.description.is_empty(),
                "{item:?}"
            );
        }
        let json: Value = serde_json::from_str(files.json).expect("advertiser");
        let ids = |key: &str| -> Vec<String> {
            let list = json[key].as_array().expect("list");
            list.iter().map(|entry| entry["id"].as_str().expect("id").to_owned()).collect()
        };
        let (audiences, creatives) = (ids("audiences"), ids("creatives"));
        for campaign in json["campaigns"].as_array().expect("campaigns") {
            for audience in campaign["audiences"].as_array().expect("audiences") {
                let id = audience.as_str().or(audience["id"].as_str()).expect("audience");
                assert!(audiences.iter().any(|known| known == id), "{id}");
            }
            for creative in campaign["creatives"].as_array().expect("creatives") {
                assert!(creatives.iter().any(|known| creative == known), "{creative}");
            }
        }
    }
}

#[test]
fn the_configuration_is_written_with_the_addresses_at_hand() {
    let dir = tempfile::tempdir().expect("folder");
    let listen = Listen {
        bid: "127.0.0.1:8081".to_owned(),
        public: "0.0.0.0:18082".to_owned(),
        admin: "127.0.0.1:18083".to_owned(),
    };
    let path = write_config(dir.path(), "127.0.0.1:18084".parse().expect("address"), &listen).expect("written");
    let server: Value = serde_json::from_slice(&std::fs::read(path).expect("read")).expect("json");
    assert_eq!(server["bid"]["listen"], "127.0.0.1:8081");
    assert_eq!(
        server["public"],
        json!({"listen": "0.0.0.0:18082", "url": "http://127.0.0.1:18082"})
    );
    assert_eq!(server["admin"]["listen"], "127.0.0.1:18083");
    let feed = std::fs::read_to_string(dir.path().join("advertisers/bergfuchs-feed.xml")).expect("feed");
    assert!(feed.contains("http://127.0.0.1:18084/bergfuchs/p/bf-zelt-2") && !feed.contains(":8085"));
}

#[test]
fn every_campaign_has_shoppers() {
    let shops = shops().expect("shops");
    let mut rng = Rng::new(5);
    let world: Vec<Shopper> = (0..300).map(|n| Shopper::new(n, &shops, &mut rng)).collect();
    for (at, shop) in shops.iter().enumerate() {
        let count = |habit| world.iter().filter(|s| s.shop == at && s.habit == habit).count();
        assert!(count(Habit::Cart) >= 20, "{}", shop.id);
        assert!(!shop.courts_viewers || count(Habit::Viewer) >= 10, "{}", shop.id);
        assert!(!shop.courts_lapsed || count(Habit::Lapsed) >= 10, "{}", shop.id);
    }
}

#[test]
fn the_world_runs_its_course_and_its_book_agrees() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    let (totals, text) = runtime.block_on(async {
        let dir = tempfile::tempdir().expect("folder");
        let pages = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = pages.local_addr().expect("address");
        tokio::spawn(storefront(pages));
        let stage = fake::stage(dir.path(), address).await;
        let (_keep, stop) = tokio::sync::watch::channel(false);
        // On a task of its own: the future has to be `Send`.
        let run = tokio::spawn(async move {
            let mut out = Vec::new();
            let totals = demo(&stage, Some(6), stop, &mut out).await;
            (totals, out)
        });
        let (totals, out) = run.await.expect("run");
        let mut page = http::Client::new(address);
        let picture = page
            .get("/alder-shoes/i/alder-fell-gtx.svg", &[])
            .await
            .and_then(|answer| answer.expect(&[200]));
        assert!(picture.expect("picture").body.starts_with(b"<svg"));
        let product = page
            .get("/bergfuchs/p/bf-zelt-2", &[])
            .await
            .and_then(|answer| answer.expect(&[200]));
        assert!(String::from_utf8_lossy(&product.expect("page").body).contains("Leichtzelt Firn 2"));
        (totals.expect("totals"), String::from_utf8(out).expect("text"))
    });
    println!("{text}");
    assert_eq!(totals.campaigns, 7);
    assert_eq!(
        (
            totals.campaigns_with_everything,
            totals.report_minus_notices.as_str(),
            totals.errors
        ),
        (7, "0", 0),
        "{text}"
    );
    let story = text.split("\nAfter ").next().unwrap_or_default();
    assert!(story.lines().count() <= 80, "{story}");
    assert!(
        text.trim_end()
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("demo: campaigns=7 complete=7 ")),
        "{text}"
    );
}

#[test]
fn a_run_that_is_stopped_still_tells_its_totals() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let dir = tempfile::tempdir().expect("folder");
        let stage = fake::stage(dir.path(), "127.0.0.1:9".parse().expect("address")).await;
        let (stopper, stop) = tokio::sync::watch::channel(false);
        stopper.send(true).expect("receiver");
        let mut out = Vec::new();
        let totals = demo(&stage, None, stop, &mut out).await.expect("totals");
        assert_eq!(totals.report_minus_notices, "0");
        assert!(dir.path().join("ad-linh.html").exists());
    });
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let fault = runtime.block_on(async {
        http::Client::new("127.0.0.1:1".parse().expect("address"))
            .get("/health/live", &[])
            .await
    });
    assert!(
        fault
            .expect_err("nobody listens")
            .starts_with("GET http://127.0.0.1:1/health/live: ")
    );
}
