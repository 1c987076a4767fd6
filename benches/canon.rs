//! The canonical shops and shoppers that every bench decides about: as JSON, the way advertisers write
//! them, so that a server is configured with the very same.
//!
//! Deterministic: the n-th shop and the n-th shopper are always the same. Half of the shoppers left
//! something that a campaign asks for; the others are known and in nobody's audience.

use serde_json::{Value, json};

/// Campaigns of one shop.
pub const CAMPAIGNS_PER_SHOP: usize = 10;
/// Products of one shop.
pub const PRODUCTS: usize = 100;
/// The exchange's id.
pub const EXCHANGE: &str = "x";
/// What is asked for most on the open market, in CSS pixels.
const SIZES: [[u32; 2]; 7] = [[300, 250], [320, 50], [728, 90], [160, 600], [970, 250], [300, 600], [320, 100]];

/// The server's config, but for where it listens.
pub fn server() -> Value {
    json!({
        "public": {"url": "https://ads.example"},
        "currencies": {"base": "USD", "rates": {"EUR": "0.92", "GBP": "0.79", "VND": "25400", "JPY": "149"}},
        "exchanges": [{"id": EXCHANGE, "seat": "winback"}],
        "privacy": {"gdpr_when_unknown": false},
        "invalid_traffic": null,
    })
}

/// The n-th shop with so many campaigns.
pub fn advertiser(n: usize, campaigns: usize) -> Value {
    json!({
        "version": 1, "id": format!("shop{n}"), "name": format!("Shop {n}"), "domain": format!("shop{n}.example"),
        "site_key": format!("shop{n}-web"), "categories": ["IAB18-3"], "language": "en",
        "audiences": [
            {"id": "cart", "include": [{"state": "cart", "within": "30d"}]},
            {"id": "big-cart", "include": [{"state": "cart", "within": "7d", "min_value": 100}]},
            {"id": "lookers", "include": [{"event": "view_item", "within": "14d", "min_count": 2}],
                "exclude": [{"event": "purchase", "within": "30d"}]},
            {"id": "lapsed", "include": [{"event": "purchase", "within": "90d"}], "exclude": [{"event": "purchase", "within": "30d"}]},
            {"id": "fans", "include": [{"event": "view_item", "within": "14d", "category": "Sneakers", "min_count": 2}]},
        ],
        "creatives": [
            {"id": "card", "format": "banner", "sizes": SIZES, "headline": "Still thinking it over?",
                "call_to_action": "Back to your cart", "promotion": {"text": "10% off today", "code": "COMEBACK10"}},
            {"id": "row", "format": "banner", "sizes": [[728, 90], [970, 250]], "template": "carousel", "products": 4},
        ],
        "campaigns": (0..campaigns).map(campaign).collect::<Vec<_>>(),
    })
}

/// Campaigns as a shop runs them: who filled a cart, who looked, who has not bought for long, each in
/// several versions.
fn campaign(n: usize) -> Value {
    let (audiences, bid) = match n % 5 {
        0 => (
            json!(["cart", {"id": "big-cart", "bid_multiplier": 1.5}]),
            json!({"type": "cpc", "amount": 2.4, "max_cpm": 12}),
        ),
        1 => (json!(["big-cart"]), json!({"type": "cpm", "amount": 2.5})),
        2 => (json!(["lookers"]), json!({"type": "cpc", "amount": 1.6, "max_cpm": 6})),
        3 => (json!(["lapsed"]), json!({"type": "cpa", "amount": 60, "max_cpm": 8})),
        _ => (json!(["fans"]), json!({"type": "cpm", "amount": 2})),
    };
    json!({
        "id": format!("c{n}"), "audiences": audiences, "bid": bid,
        "bid_adjustments": [
            {"when": {"within": "1h"}, "bid_multiplier": 1.5},
            {"when": {"devices": ["mobile"]}, "bid_multiplier": 0.9},
        ],
        "budget": {"daily": 1_000_000, "total": 50_000_000, "pacing": "asap"},
        "frequency": [{"max": 10, "per": "1d"}, {"max": 30, "per": "7d", "scope": "advertiser"}],
        "targeting": {"countries": {"exclude": ["KP"]}, "domains": {"exclude": ["piracy.example"]}},
        "creatives": ["card", "row"],
    })
}

/// The items of every shop's feed.
pub fn items(shop: usize) -> impl Iterator<Item = Value> {
    (0..PRODUCTS).map(move |n| {
        json!({
            "id": sku(n),
            "title": format!("Sneaker model {n} in a colour of its own"),
            "link": format!("https://shop{shop}.example/p/{}", sku(n)),
            "image_link": format!("https://shop{shop}.example/p/{}.jpg", sku(n)),
            "price": format!("{}.90 USD", 20 + n * 7 % 180),
            "availability": "in_stock",
            "brand": "Fell",
            "product_type": if n % 2 == 0 { "Shoes > Sneakers" } else { "Shoes > Boots" },
        })
    })
}

fn sku(n: usize) -> String {
    format!("sku-{}", n % PRODUCTS)
}

/// What the n-th shopper did at a shop, as one batch of events: thirteen of thirty left a cart, three
/// looked at several things, the rest bought or hardly looked.
pub fn batch(uid: &str, n: usize) -> Value {
    let event = |name: &str, product: usize| json!({"event": name, "items": [{"item_id": sku(product), "price": 60, "quantity": 1}]});
    let events = match n % 30 {
        0..13 => vec![
            event("view_item", n),
            event("view_item", n + 1),
            event("add_to_cart", n),
            event("add_to_cart", n + 1),
        ],
        13..16 => (0..4).map(|step| event("view_item", n + 2 * step)).collect(),
        16..22 => vec![event("view_item", n), event("add_to_cart", n), event("purchase", n)],
        _ => vec![json!({"event": "page_view"}), event("view_item", n)],
    };
    json!({"user": {"exchange_ids": {EXCHANGE: uid}}, "events": events})
}
