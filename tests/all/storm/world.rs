//! What storms are played on: three exchanges, each with its own way of billing, and three shops on three
//! clocks, with budgets that are soon spent and caps of every scope; and the same as plain figures, for the
//! model.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use winback::base::id::CampaignNo;
use winback::base::money::{Money, NANOS};
use winback::base::time::Millis;
use winback::state::world::World;
use winback::track::fact::Sign;

use crate::bench_rig::{NOWHERE, Rig};

/// What bills at each exchange.
pub const BILLING: [Sign; 3] = [Sign::Bill, Sign::Pixel, Sign::Win];
/// How a shop is billed: with what fee, in which currency, units of it for a dollar.
const SHOPS: [(&str, &str, &str, u64, &str); 3] = [
    ("acme", "Europe/Berlin", "EUR", 1, "12.5"),
    ("birch", "America/New_York", "USD", 1, "0"),
    ("cedar", "Asia/Ho_Chi_Minh", "VND", 25_000, "10"),
];
/// Evenings before the clocks change in one of the zones, and one when they do not.
pub const STARTS: [&str; 5] = [
    "2026-10-24T19:00:00Z",
    "2026-03-28T19:00:00Z",
    "2026-11-01T00:00:00Z",
    "2026-03-08T01:00:00Z",
    "2026-06-10T12:00:00Z",
];

/// A cap: `max`, seconds, scope.
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    pub max: usize,
    pub per_s: i64,
    pub scope: &'static str,
}

const fn cap(max: usize, per_s: i64, scope: &'static str) -> Cap {
    Cap { max, per_s, scope }
}

/// Thousandths of a dollar a day and all told; zero is no such budget.
type Plan = (u64, u64, u64, &'static [Cap]);

/// CPM in dollars, budgets, caps: two campaigns of each shop, and the shop's own in the place of a third.
const PLANS: [[Plan; 3]; 3] = [
    [
        (5, 120, 0, &[cap(3, 86_400, "campaign"), cap(2, 1_200, "campaign")]),
        (4, 0, 400, &[]),
        (0, 300, 0, &[cap(8, 86_400, "advertiser")]),
    ],
    [
        (5, 200, 300, &[cap(2, 3_600, "creative")]),
        (6, 0, 150, &[cap(4, 86_400, "advertiser")]),
        (0, 0, 0, &[]),
    ],
    [
        (4, 150, 0, &[cap(3, 86_400, "campaign"), cap(5, 604_800, "creative")]),
        (5, 0, 0, &[cap(1, 600, "campaign")]),
        (0, 0, 350, &[]),
    ],
];

/// A budget and its caps.
#[derive(Clone, Debug)]
pub struct Book {
    pub no: CampaignNo,
    pub daily: Option<i128>,
    pub total: Option<i128>,
    pub caps: Vec<Cap>,
}

/// A shop as the model knows it.
pub struct Shop {
    pub id: &'static str,
    pub zone: TimeZone,
    /// Billionths.
    pub fee: i128,
    pub campaigns: Vec<Book>,
    pub own: Book,
}

/// A world and what the model knows of it.
pub struct Setting {
    pub world: Arc<World>,
    pub shops: Vec<Shop>,
    pub start: Millis,
}

fn mills(thousandths: u64) -> Option<i128> {
    (thousandths > 0).then(|| i128::from(thousandths) * NANOS / 1_000)
}

fn budget((_, daily, total, _): Plan, unit: u64) -> Value {
    let mut budget = json!({"pacing": "asap"});
    for (name, thousandths) in [("daily", daily), ("total", total)] {
        if let Some(amount) = mills(thousandths * unit) {
            budget[name] = json!(Money(amount).to_string());
        }
    }
    budget
}

fn caps((.., caps): Plan) -> Vec<Value> {
    let cap = |cap: &Cap| json!({"max": cap.max, "per": format!("{}s", cap.per_s), "scope": cap.scope});
    caps.iter().map(cap).collect()
}

fn advertiser(shop: usize, without_budget: bool) -> Value {
    let (id, zone, currency, unit, fee) = SHOPS[shop];
    let unlimited = json!({"total": "1000000", "pacing": "asap"});
    let campaign = |n: usize| {
        let plan = PLANS[shop][n];
        let no_budget = without_budget || (plan.1 == 0 && plan.2 == 0);
        json!({"id": format!("c{n}"), "audiences": ["cart"], "creatives": ["card", "wide"], "frequency": caps(plan),
            "bid": {"type": "cpm", "amount": plan.0 * unit},
            "budget": if no_budget { unlimited.clone() } else { budget(plan, unit) }})
    };
    let mut doc = json!({
        "version": 1, "id": id, "name": id, "domain": format!("{id}.example"), "site_key": format!("{id}-web"),
        "currency": currency, "timezone": zone, "fee_percent": fee,
        "audiences": [{"id": "cart", "include": [{"event": "add_to_cart", "within": "30d"}]}],
        "products": {"exclude_bought": "1s"},
        "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250]]}, {"id": "wide", "format": "banner", "sizes": [[728, 90]]}],
        "campaigns": [campaign(0), campaign(1)], "frequency": caps(PLANS[shop][2]),
    });
    if !without_budget && (PLANS[shop][2].1 > 0 || PLANS[shop][2].2 > 0) {
        doc["budget"] = budget(PLANS[shop][2], unit);
    }
    doc
}

/// A world in which budgets are soon spent, or in which there are none and impressions may come late.
pub fn setting(start: &str, without_budget: bool) -> Setting {
    let server = json!({
        "public": {"url": "https://ads.example"},
        "currencies": {"base": "USD", "rates": {"EUR": "0.8137", "VND": "25400"}},
        "invalid_traffic": null,
        "exchanges": [{"id": "x", "billing": "burl"}, {"id": "y", "billing": "impression"}, {"id": "z", "billing": "nurl"}],
    });
    let mut rig = Rig::new(&server, Path::new(NOWHERE)).expect("a sound server config");
    let mut shops = Vec::new();
    for (n, (id, zone, currency, unit, fee)) in SHOPS.into_iter().enumerate() {
        let items: Vec<Value> = ["boot", "hat", "shirt"]
            .map(|item| crate::bench_rig::item(&json!({"id": item}), &format!("{id}.example"), currency))
            .into();
        rig.add(&advertiser(n, without_budget), &items)
            .unwrap_or_else(|faults| panic!("{faults:#?}"));
        let made = rig.shop(id).advertiser.clone();
        let book = |plan: Plan, no| Book {
            no,
            daily: mills(plan.1 * unit).filter(|_| !without_budget),
            total: mills(plan.2 * unit).filter(|_| !without_budget),
            caps: plan.3.to_vec(),
        };
        shops.push(Shop {
            id,
            zone: TimeZone::get(zone).expect("a zone"),
            fee: Money::parse(fee).expect("a fee").0 / 100,
            campaigns: (0..2).map(|c| book(PLANS[n][c], made.campaigns[c].no)).collect(),
            own: book(PLANS[n][2], made.book),
        });
    }
    let start: jiff::Timestamp = start.parse().expect("a time");
    Setting {
        world: Arc::new(rig.world),
        shops,
        start: Millis(start.as_millisecond()),
    }
}
