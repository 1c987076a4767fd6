//! Worlds: server config, shops with feeds, audiences and campaigns, people and what they do.
//!
//! Every document is one that `config` accepts. A theme makes one reason likely in a whole world.

use std::path::Path;

use serde_json::{Value, json};

use super::facts::Facts;
use super::rng::{Rng, one};
use super::vendor;

/// Names of shops, in the order of their documents.
const SHOPS: [&str; 3] = ["acme", "birch", "cedar"];
/// What a unit of money is in a shop's currency, so that prices are alike everywhere.
const CURRENCIES: [(&str, u64); 4] = [("USD", 1), ("EUR", 1), ("VND", 25_000), ("JPY", 150)];
pub const SIZES: [[u32; 2]; 4] = [[300, 250], [728, 90], [160, 600], [320, 50]];
/// Creatives of a campaign.
const CREATIVES: [&[&str]; 7] = [
    &["card"],
    &["card", "row"],
    &["native", "card"],
    &["row", "native"],
    &["spot", "card"],
    &["jingle", "spot", "row"],
    &["native", "spot"],
];
pub const PEOPLE: usize = 9;
/// What some worlds are about, beside everything else.
const THEMES: [&str; 8] = ["paused", "flight", "hours", "targeting", "audience", "house", "products", "size"];

/// Decimal text of hundredths of a unit.
fn amount(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Fills in the config of a world; the house's lists are files in `dir`.
pub fn config(rng: &mut Rng, facts: &mut Facts, dir: &Path) {
    let theme = if rng.chance(35) { one(rng, &THEMES) } else { "" };
    let mut server = json!({
        "public": {"url": "https://ads.example"},
        "currencies": {"base": "USD", "rates": {"EUR": "0.8", "VND": "25400", "JPY": "151.37", "GBP": 0.7871}},
        "exchanges": [exchange(rng, "x"), exchange(rng, "y")],
    });
    server["privacy"] = if rng.chance(12) {
        json!({})
    } else {
        json!({"gdpr_when_unknown": false})
    };
    if rng.chance(5) {
        server["privacy"]["gdpr_when_unknown"] = json!(true);
    }
    if rng.chance(50) {
        server["privacy"]["gvl_vendor_id"] = json!(one(rng, &[10, 10, 11]));
    }
    if rng.chance(10) {
        server["privacy"]["dnt"] = json!("ignore");
    }
    if theme == "house" || rng.chance(20) {
        let house = json!({"domains": ["bad.example"], "bundles": ["com.bad.game"], "sellers": ["pub-bad"], "categories": ["IAB25"]});
        let mut block = json!({"categories": house["categories"]});
        for name in ["domains", "bundles", "sellers"] {
            let entry = house[name][0].as_str().expect("a name");
            std::fs::write(dir.join(name), format!("# what we avoid\n{entry}\n")).expect("a file");
            block[format!("{name}_file")] = json!(name);
        }
        server["house"] = json!({"block": block});
        facts.house = house;
    }
    // Events are counted elsewhere: here every person does less than a machine.
    // Drawn apart, so that all else is as it is without it.
    let mut apart = Rng(rng.0 ^ 0x001d_7a11);
    server["invalid_traffic"] = if apart.chance(10) {
        std::fs::write(dir.join("ranges"), "# a data centre\n198.51.100.0/25\n198.51.100.128/25\n").expect("a file");
        let most = json!(one(&mut apart, &[Some(2), Some(6), None, None]));
        json!({"bids_per_min": most, "events_per_min": null, "items_per_day": null, "ranges_file": "ranges"})
    } else {
        json!(null)
    };
    if rng.chance(30) {
        server["house"]["ad_choices_url"] = json!("https://choices.example/");
    }
    for id in &SHOPS[..1 + rng.below(3) as usize] {
        let (currency, unit) = one(rng, &CURRENCIES);
        facts.feeds.push(feed(rng, id, currency, unit, theme));
        facts.shops.push(shop(rng, id, currency, unit, theme));
    }
    vendor::config(&mut Rng(rng.0 ^ 0xb111), &mut server, &mut facts.shops);
    facts.server = server;
}

fn exchange(rng: &mut Rng, id: &str) -> Value {
    let mut x = json!({"id": id, "billing": one(rng, &["burl", "impression", "nurl"])});
    if rng.chance(80) {
        x["seat"] = json!(one(rng, &["winback", "wb-2"]));
    }
    if rng.chance(12) {
        x["auction"] = json!({"default_at": 1 + rng.below(2), "shade": one(rng, &["0.8", "0.735", "1", "0.5"])});
    }
    if rng.chance(12) {
        x["tmax_ms"] = json!(one(rng, &[60, 150, 300]));
        x["network_margin_ms"] = json!(one(rng, &[0, 20, 55]));
    }
    if rng.chance(12) {
        x["cap_hold_s"] = json!({"banner": one(rng, &[0, 20, 60]), "native": 15, "video": one(rng, &[0, 90]), "app": 45});
        x["exp_s"] = json!({"banner": one(rng, &[30, 120, 600]), "native": one(rng, &[45, 200]), "video": 400, "app": 900});
        x["notice_grace_s"] = json!(one(rng, &[0, 20, 60]));
    }
    if rng.chance(5) {
        x["test_only"] = json!(true);
    }
    if rng.chance(12) {
        x["discrepancy"] = json!(one(rng, &["0.03", "0.1"]));
    }
    x
}

fn feed(rng: &mut Rng, shop: &str, currency: &str, unit: u64, theme: &str) -> Vec<Value> {
    let stocked = if theme == "products" { 15 } else { 90 };
    let mut product = |n: usize| {
        let mut item = json!({
            "id": format!("{shop}-{n}"), "title": format!("Number {n}"), "link": format!("https://{shop}.example/{n}"),
            "image_link": format!("https://{shop}.example/{n}.jpg"), "price": format!("{} {currency}", amount((1_000 + rng.below(9_000)) * unit)),
            "availability": if rng.chance(stocked) { "in_stock" } else { "out_of_stock" },
            "product_type": one(rng, &["Shoes > Boots", "Shoes > Sneakers > Low", "Hats"]),
            "brand": one(rng, &["Fell", "Nordkap"]),
        });
        if rng.chance(40) {
            item["item_group_id"] = json!(one(rng, &["g1", "g2"]));
        }
        item
    };
    (0..6).map(&mut product).collect()
}

fn shop(rng: &mut Rng, id: &str, currency: &str, unit: u64, theme: &str) -> Value {
    let per_request = if rng.chance(35) { 2 + rng.below(2) } else { 1 };
    let zone = one(rng, &["UTC", "Asia/Ho_Chi_Minh", "America/New_York", "Europe/Berlin"]);
    let mut doc = json!({
        "version": 1, "id": id, "name": id.to_uppercase(), "domain": format!("{id}.example"), "site_key": format!("{id}-web"),
        "currency": currency, "timezone": zone, "fee_percent": one(rng, &["0", "10", "12.5"]),
        "attribution": {"goal": "sign_up"}, "audiences": audiences(rng, id, unit, theme), "creatives": creatives(rng, per_request, theme),
        "categories": one(rng, &[&["IAB18-3"][..], &["IAB22", "IAB18-1"], &[]]),
        "products": {"from": one(rng, &[&["cart", "viewed", "category"][..], &["cart"], &["viewed", "cart"], &["popular"]]),
            "fallback": if theme == "products" { "no_bid" } else { one(rng, &["no_bid", "popular", "brand"]) },
            "one_per_group": rng.chance(60), "exclude_bought": one(rng, &["90d", "1d"])},
    });
    let campaigns = 1 + rng.below(4);
    doc["campaigns"] = (0..campaigns).map(|n| campaign(rng, n, unit, theme)).collect();
    if per_request > 1 {
        doc["per_request"] = json!(per_request);
    }
    if rng.chance(40) {
        doc["language"] = json!(one(rng, &["vi", "en-GB", "en"]));
    }
    if rng.chance(12) {
        doc["apps"] = json!(["com.acme.shoes"]);
    }
    if rng.chance(25) {
        doc["seats"] = json!({"x": format!("{id}-seat")});
    }
    if rng.chance(25) {
        doc["frequency"] = json!([{"max": 1 + rng.below(6), "per": one(rng, &["10m", "3h", "1d"])}]);
    }
    if rng.chance(25) {
        doc["budget"] = json!({"daily": amount(unit * (1 + rng.below(20)))});
    }
    doc
}

fn creatives(rng: &mut Rng, per_request: u64, theme: &str) -> Vec<Value> {
    let mut card = |id: &str, template: &str, sizes: &[[u32; 2]]| {
        let mut card = json!({"id": id, "format": "banner", "sizes": sizes, "template": template});
        if rng.chance(75) {
            card["attr"] = json!([one(rng, &[1, 3, 8])]);
        }
        card
    };
    let row = if per_request > 1 { "product-card" } else { "carousel" };
    let first = if theme == "size" { &SIZES[2..3] } else { &SIZES[..2] };
    vec![
        card("card", "product-card", first),
        card("row", row, &SIZES[1..3]),
        json!({"id": "native", "format": "native", "attr": [3]}),
        json!({"id": "spot", "format": "video", "sizes": [[640, 360]], "duration_s": 15, "attr": [8],
            "media": [{"url": "https://cdn.example/spot.mp4", "mime": "video/mp4"}]}),
        json!({"id": "jingle", "format": "audio", "duration_s": 30, "attr": [1], "media": [{"url": "https://cdn.example/jingle.mp3", "mime": "audio/mpeg"}]}),
    ]
}

fn audiences(rng: &mut Rng, shop: &str, unit: u64, theme: &str) -> Vec<Value> {
    let within = |rng: &mut Rng| one(rng, &["1h", "1d", "7d", "30d", "80d"]);
    let everyone = match theme {
        "audience" => json!([{"event": "view_item", "within": "2h", "min_count": 2}]),
        _ => json!([{"event": "view_item", "min_count": 0}]),
    };
    let mut all = vec![json!({"id": "all", "include": everyone})];
    for n in 0..4 {
        let (span, count) = (within(rng), 1 + rng.below(3));
        let rule = match rng.below(9) {
            0 => json!({"state": "cart", "within": span}),
            1 => json!({"state": "cart", "within": span, "min_value": amount(unit * 100 * (1 + rng.below(120)))}),
            2 => {
                json!({"event": "view_item", "within": span, "min_count": count, "category": one(rng, &["shoes", "Shoes > Sneakers", "Boots"])})
            }
            3 => json!({"event": "view_item", "within": "60d", "older_than": one(rng, &["10m", "1d"]), "max_count": 3}),
            4 => {
                json!({"event": one(rng, &["view_item", "add_to_cart"]), "brand": "fell", "min_value": amount(unit * 100 * (1 + rng.below(90)))})
            }
            5 => json!({"event": "page_view", "channel": "Mail", "within": span}),
            6 => json!({"event": "page_view", "url": "/sale"}),
            7 => json!({"event": "custom:quiz", "within": span, "max_count": 4}),
            _ => {
                json!({"event": "view_item", "since": "purchase", "product": format!("{shop}-{}", rng.below(3)), "min_count": rng.below(2)})
            }
        };
        let mut audience = json!({"id": format!("a{n}"), "include": [rule]});
        if rng.chance(12) {
            audience["exclude"] = json!([{"event": "purchase", "within": within(rng)}]);
        }
        if rng.chance(20) {
            audience["include"]
                .as_array_mut()
                .expect("a list")
                .push(json!({"state": "cart", "min_count": one(rng, &[0, 1, 2])}));
        }
        all.push(audience);
    }
    all
}

fn campaign(rng: &mut Rng, n: u64, unit: u64, theme: &str) -> Value {
    let kind = one(rng, &["cpm", "cpc", "cpa"]);
    let own = format!("a{}", rng.below(4));
    let factor = |rng: &mut Rng| one(rng, &["1.5", "0.9", "2", "1.333333333", "0.7"]);
    let mut used = vec![json!({"id": own, "bid_multiplier": factor(rng)})];
    if rng.chance(80) {
        used.push(json!("all"));
    }
    let mut c = json!({
        "id": format!("c{n}"), "audiences": used, "creatives": one(rng, &CREATIVES),
        "bid": bid(rng, kind, unit), "budget": budget(rng, unit),
    });
    if theme == "audience" || rng.chance(20) {
        c["exclude_audiences"] = json!([format!("a{}", rng.below(4))]);
    }
    if rng.chance(50) {
        c["bid_adjustments"] = (0..1 + rng.below(2))
            .map(|_| json!({"when": when(rng), "bid_multiplier": factor(rng)}))
            .collect();
    }
    if rng.chance(60) {
        let caps = |rng: &mut Rng| json!({"max": 1 + rng.below(4), "per": one(rng, &["90s", "20m", "3h", "1d"]), "scope": one(rng, &["campaign", "creative", "advertiser"])});
        c["frequency"] = (0..rng.below(3)).map(|_| caps(rng)).collect();
    }
    if theme == "paused" || rng.chance(4) {
        c["status"] = json!(one(rng, &["paused", "archived"]));
    }
    if theme == "flight" || rng.chance(5) {
        let (key, at) = one(
            rng,
            &[
                ("start", "2026-06-11T06:30:00"),
                ("end", "2026-06-10T20:00:00"),
                ("end", "2026-06-01T00:00:00"),
            ],
        );
        c["flight"] = json!({key: at});
    }
    if theme == "targeting" || rng.chance(20) {
        c["targeting"] = targeting(rng);
    }
    if theme == "hours" || rng.chance(6) {
        c["targeting"]["hours"] = hours(rng);
    }
    if rng.chance(35) {
        c["targeting"]["deals"] =
            json!({"ids": one(rng, &[&["d1"][..], &["d3", "d1", "d2"], &["d4", "d2"]]), "open_market": rng.chance(80)});
    }
    if rng.chance(5) {
        c["schain"] = json!("complete");
    }
    c
}

fn bid(rng: &mut Rng, kind: &str, unit: u64) -> Value {
    // An odd cent in each, so that no two campaigns are worth the same by chance.
    let cents = (50 + rng.below(950)) * unit + rng.below(50);
    match kind {
        "cpm" if rng.chance(50) => json!({"type": "cpm", "amount": amount(cents)}),
        "cpm" => json!({"type": "cpm", "amount": amount(cents), "max_cpm": amount(cents * 3 / 2)}),
        "cpc" => json!({"type": "cpc", "amount": amount(cents / 3), "max_cpm": amount(cents * 2)}),
        _ => {
            let prior = json!({"ctr": one(rng, &["0.002", "0.0007"]), "cvr": one(rng, &["0.05", "0.013"])});
            json!({"type": "cpa", "amount": amount(cents * 5), "max_cpm": amount(cents * 2), "prior": prior})
        }
    }
}

/// From a few impressions to more than a game can spend.
fn budget(rng: &mut Rng, unit: u64) -> Value {
    let cents = one(rng, &[3, 10, 100, 100_000, 100_000, 100_000]) * unit + rng.below(10);
    match rng.below(3) {
        0 => json!({"daily": amount(cents)}),
        1 => json!({"total": amount(cents)}),
        _ => json!({"daily": amount(cents / 2 + 1), "total": amount(cents), "pacing": "asap"}),
    }
}

fn hours(rng: &mut Rng) -> Value {
    let window = one(
        rng,
        &[
            "mon-fri 07:00-23:00",
            "wed,thu 9:00-17:30",
            "22:00-04:00",
            "fri-mon",
            "wed 18:00-03:00",
        ],
    );
    match rng.below(3) {
        0 => json!(window),
        1 => json!([window, "sun 10:00-11:00"]),
        _ => json!({"clock": one(rng, &["user", "advertiser"]), "windows": window}),
    }
}

fn targeting(rng: &mut Rng) -> Value {
    let mut t = json!({});
    for _ in 0..1 + rng.below(2) {
        let (key, values) = one(
            rng,
            &[
                ("countries", ["US", "VNM"]),
                ("regions", ["CA", "SG"]),
                ("cities", ["San Jose", "hue"]),
                ("devices", ["mobile", "desktop"]),
                ("os", ["Android", "iOS"]),
                ("browsers", ["Chrome", "firefox"]),
                ("languages", ["en", "vi"]),
                ("domains", ["news.example", "blog.example"]),
                ("apps", ["com.good.game", "com.chat"]),
                ("categories", ["IAB12", "IAB17-2"]),
                ("sellers", ["Pub-7", "pub-8"]),
                ("exchanges", ["x", "y"]),
                ("formats", ["banner", "native"]),
                ("formats", ["video", "native"]),
            ],
        );
        let few = &values[..1 + rng.below(2) as usize];
        t[key] = match rng.below(3) {
            0 => json!({"exclude": &values[1..]}),
            1 => json!({"include": few}),
            _ => json!(few),
        };
    }
    t
}

fn when(rng: &mut Rng) -> Value {
    match rng.below(6) {
        5 => json!({"deals": {"ids": one(rng, &[&["d1"][..], &["d2", "d4"]]), "open_market": rng.chance(50)}}),
        0 => json!({"within": one(rng, &["20m", "5h", "10d"])}),
        1 => json!({"older_than": one(rng, &["20m", "5h"]), "within": "40d"}),
        2 => json!({"shown_min": 1, "shown_max": 1 + rng.below(5)}),
        3 => json!({"hours": hours(rng)}),
        _ => targeting(rng),
    }
}

/// People by the ids they go by. The last but one never did anything, the last opts out.
pub fn people(rng: &mut Rng) -> Vec<Vec<(String, String)>> {
    let mut person = |n: usize| {
        let mut ids = vec![("x".to_owned(), format!("x-{n}"))];
        let kinds = [
            ("", "our-"),
            ("y", "y-"),
            ("ids.example", "eid-"),
            ("uidapi.com", "token-"),
            ("ifa:", "0affcd1e00004000800000000000000"),
        ];
        ids.extend(
            kinds
                .map(|(owner, id)| (owner.to_owned(), format!("{id}{n}")))
                .into_iter()
                .filter(|_| rng.chance(60)),
        );
        ids
    };
    let mut people: Vec<_> = (0..PEOPLE).map(&mut person).collect();
    people[PEOPLE - 2].retain(|(owner, _)| !owner.is_empty());
    people[PEOPLE - 1].retain(|(owner, _)| !owner.is_empty());
    people[PEOPLE - 1].push((String::new(), "our-gone".to_owned()));
    people
}

/// Ids that lead nowhere, a few or more than are looked at.
pub fn strangers(rng: &mut Rng) -> Vec<Value> {
    let count = one(rng, &[3, 7, 8]);
    (0..count).map(|n| json!({"id": format!("z{n}")})).collect()
}

/// Something that a person does at a shop.
pub fn event(rng: &mut Rng, feed: &[Value], currency: Option<&str>) -> Value {
    let name = one(
        rng,
        &[
            "view_item",
            "view_item",
            "view_item",
            "add_to_cart",
            "add_to_cart",
            "remove_from_cart",
            "purchase",
            "page_view",
            "custom:quiz",
        ],
    );
    let mut event = json!({"event": name});
    if name == "page_view" || name == "custom:quiz" || (name == "purchase" && rng.chance(30)) {
        event["channel"] = json!(one(rng, &["mail", "search"]));
        event["url"] = json!(one(rng, &["https://acme.example/Sale/1", "https://acme.example/new"]));
        event["value"] = json!(amount(rng.below(9_000)));
    } else {
        event["items"] = (0..1 + rng.below(2)).map(|_| item(rng, feed)).collect();
        let own = currency.unwrap_or("USD");
        event["currency"] = json!(one(rng, &[own, own, own, "EUR", "CHF"]));
    }
    event
}

fn item(rng: &mut Rng, feed: &[Value]) -> Value {
    let id = if rng.chance(90) {
        feed[rng.below(feed.len() as u64) as usize]["id"].clone()
    } else {
        json!("gone-1")
    };
    let mut item = json!({"item_id": id});
    if rng.chance(40) {
        item["quantity"] = json!(1 + rng.below(3));
    }
    if rng.chance(60) {
        item["price"] = json!(amount(rng.below(20_000)));
    }
    if rng.chance(15) {
        item["item_category"] = json!("Shoes > Boots");
        item["item_brand"] = json!("FELL");
    }
    item
}
