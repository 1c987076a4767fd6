//! What a decision costs, beside the cost of merely skipping over the same bytes (`skip`): machines
//! differ, ratios to `skip` do not much.
//!
//! The World and the State are those of the scenarios' rig, in memory; commits are undone by losses.

#[path = "../tests/all/bench_rig.rs"]
#[allow(dead_code)]
mod bench_rig;

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use winback::base::id::BidTag;
use winback::base::money::{Conversion, Money};
use winback::base::seal::Audience;
use winback::base::time::{Day, Millis};
use winback::bid::{Ask, Scratch, Silent, decide};
use winback::model::advertiser::Budget;
use winback::model::outcome::Outcome;
use winback::model::ticket::Ticket;
use winback::openrtb::decode::{decode_into, recycle};
use winback::openrtb::request::{Imp, Opportunity};
use winback::state::holds::{Limits, commit};

use bench_rig::{NOWHERE, Rig, item};

const NOW: Millis = Millis(1_781_092_800_000);
/// Other users, so that maps are not of one entry.
const CROWD: usize = 1_000;
const PRODUCTS: usize = 500;

/// A request as an exchange sends it for a phone's browser, about 1.5 KB.
fn request(user: &str) -> Vec<u8> {
    let text = json!({
        "id": "7b1f0c9e-52a4-4d0f-9a64-0d6f8e1c2b3a",
        "at": 1, "tmax": 120, "cur": ["USD"], "bcat": ["IAB7-39", "IAB8-18", "IAB25", "IAB26"],
        "badv": ["one.example", "two.example", "three.example"],
        "imp": [{
            "id": "1", "tagid": "article-top", "bidfloor": 0.35, "bidfloorcur": "USD", "secure": 1, "exp": 300,
            "banner": {"format": [{"w": 728, "h": 90}, {"w": 300, "h": 250}], "pos": 1, "battr": [1, 3, 9], "api": [5, 6, 7],
                "mimes": ["text/html", "image/png", "image/jpeg"]},
            "ext": {"gpid": "/21800000/news/article-top", "tid": "a9d1d2c4-6f0e-4b89-8a07-4f6c2f1f5f10"},
        }],
        "site": {
            "id": "s-4411", "name": "The News", "domain": "news.example", "cat": ["IAB12", "IAB12-2"],
            "page": "https://www.news.example/world/2026/06/10/a-rather-long-headline-as-papers-write-them.html?ref=home",
            "ref": "https://www.search.example/", "publisher": {"id": "pub-7", "name": "News Company", "domain": "news.example"},
            "content": {"language": "en", "keywords": "world, trade, ports"},
        },
        "device": {
            "ua": "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
            "ip": "198.51.100.0", "devicetype": 4, "make": "Google", "model": "Pixel 9", "os": "Android", "osv": "15", "language": "en",
            "w": 412, "h": 915, "pxratio": 2.625, "js": 1, "connectiontype": 2, "lmt": 0,
            "geo": {"country": "USA", "region": "CA", "city": "San Jose", "zip": "95112", "utcoffset": -420, "type": 2},
        },
        "user": {"id": user, "eids": [{"source": "ids.example", "uids": [{"id": "AQIC5wM2LY4Sfcxn", "atype": 1}]}]},
        "regs": {"coppa": 0, "gdpr": 0, "us_privacy": "1YNN"},
        "source": {"tid": "7b1f0c9e", "schain": {"ver": "1.0", "complete": 1,
            "nodes": [{"asi": "exchange.example", "sid": "1234", "hp": 1}]}},
    });
    text.to_string().into_bytes()
}

fn advertiser() -> Value {
    json!({
        "version": 1, "id": "acme", "name": "Acme", "domain": "acme.example", "site_key": "acme-web", "categories": ["IAB18-3"],
        "audiences": [
            {"id": "cart", "include": [{"state": "cart", "within": "30d"}]},
            {"id": "big", "include": [{"state": "cart", "within": "7d", "min_value": 100}]},
        ],
        "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250], [728, 90]], "headline": "Still thinking it over?"}],
        "campaigns": [{
            "id": "back", "audiences": ["cart", {"id": "big", "bid_multiplier": 1.5}], "creatives": ["card"],
            "bid": {"type": "cpc", "amount": 2, "max_cpm": 12}, "budget": {"daily": 1_000_000},
            "bid_adjustments": [{"when": {"devices": ["mobile"]}, "bid_multiplier": 0.8}],
            "frequency": [{"max": 10, "per": "1d"}], "targeting": {"countries": ["US"]},
        }],
    })
}

/// A shop, a crowd, a user with a cart and one who only looked.
fn rig() -> Rig {
    let exchange = json!({"id": "x", "seat": "winback"});
    let server = json!({"public": {"url": "https://ads.example"}, "exchanges": [exchange]});
    let mut rig = Rig::new(&server, Path::new(NOWHERE)).expect("a sound config");
    let items: Vec<Value> = (0..PRODUCTS)
        .map(|n| item(&json!({"id": format!("sku-{n}")}), "acme.example", "USD"))
        .collect();
    rig.add(&advertiser(), &items).expect("a sound advertiser");
    let mut tell = |user: &str, event: &str, product: usize| {
        let events = [json!({"event": event, "items": [{"item_id": format!("sku-{product}")}]})];
        let batch = json!({"user": {"exchange_ids": {"x": user}}, "events": events});
        assert_eq!(rig.tell("acme", &batch, NOW), 0, "{batch}");
    };
    for n in 0..CROWD {
        tell(&format!("crowd-{n}"), "view_item", n % PRODUCTS);
    }
    for n in 0..6 {
        tell("looker", "view_item", n);
        tell("buyer", "view_item", n);
    }
    tell("buyer", "add_to_cart", 3);
    tell("buyer", "add_to_cart", 4);
    rig
}

fn ask(body: &[u8], seed: u128) -> Ask<'_> {
    Ask {
        exchange: winback::base::id::ExchangeNo(0),
        body,
        now: NOW,
        waited_ms: 0,
        seed,
        barred: None,
        inert: false,
    }
}

fn reading(c: &mut Criterion) {
    let body = request("buyer");
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("skip", |b| {
        b.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&body)).is_ok());
    });
    group.bench_function("decode", |b| {
        let mut memory: Vec<Imp<'static>> = Vec::new();
        b.iter(|| {
            let mut request = Opportunity {
                imps: recycle(std::mem::take(&mut memory)),
                ..Opportunity::default()
            };
            let read = decode_into(black_box(&body), &mut request).is_ok();
            memory = recycle(request.imps);
            read
        });
    });
    group.finish();
}

fn deciding(c: &mut Criterion) {
    let rig = rig();
    let mut group = c.benchmark_group("decide");
    for (name, user, bids) in [
        ("unknown_user", "stranger", false),
        ("no_audience", "looker", false),
        ("bid", "buyer", true),
    ] {
        let body = request(user);
        let mut scratch = Scratch::default();
        let mut seed = 0;
        let mut once = || {
            seed += 1;
            decide(&rig.world, &rig.state, &ask(black_box(&body), seed), &mut scratch, &mut Silent)
        };
        assert_eq!(matches!(once(), Outcome::Bid { .. }), bids, "{name}");
        group.bench_function(name, |b| b.iter(&mut once));
    }
    group.finish();
}

fn sealing(c: &mut Criterion) {
    let rig = rig();
    let payload = Ticket::priced(Money::units(4), Conversion { from: 1, to: 1 }).write();
    let key = rig.world.seals.current(false);
    let (mut out, mut count) = (Vec::new(), 0u64);
    c.bench_function("seal", |b| {
        b.iter(|| {
            count += 1;
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&count.to_le_bytes());
            out.clear();
            key.seal(Audience::Notice, &nonce, black_box(&payload), &mut out);
        });
    });
}

/// A commit and the loss that frees what it took.
fn committing(c: &mut Criterion) {
    let rig = rig();
    let body = request("buyer");
    let mut scratch = Scratch::default();
    let outcome = decide(&rig.world, &rig.state, &ask(&body, 1), &mut scratch, &mut Silent);
    assert!(matches!(outcome, Outcome::Bid { bids: 1, .. }), "{outcome:?}");
    let limits = Limits {
        campaign: Budget::default(),
        advertiser: Budget::default(),
        day: Day(0),
    };
    let (state, mut pick) = (&rig.state, scratch.picks[0]);
    let mut tag = 0;
    c.bench_function("commit", |b| {
        b.iter(|| {
            tag += 1;
            pick.tag = BidTag(tag);
            let epoch = state.cap_holds.view(pick.user, NOW).epoch;
            let committed = commit(state, &[pick], epoch, NOW, |_| limits);
            state.cap_holds.free(pick.user, pick.tag);
            for book in [pick.campaign, pick.advertiser_book] {
                state.books.release(book, pick.hold, pick.at, pick.hold_s, NOW.to_secs());
            }
            assert!(committed.is_ok());
        });
    });
}

criterion_group!(benches, reading, deciding, sealing, committing);
criterion_main!(benches);
