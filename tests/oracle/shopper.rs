//! The shopper as the oracle sees her: what she did at one shop, event by event; her cart; whether a rule
//! holds of that, and which product an ad would show her first.
//!
//! Assumes that nothing has been forgotten: fewer events than a record keeps.

use std::cmp::Reverse;

use serde_json::Value;
use winback::base::{money::Money, time::Span};

use super::request::{each, kin, text};
use crate::game::facts::Facts;

pub const ONE: i128 = 1_000_000_000;
const CENT: i128 = ONE / 100;

/// An item of an event, or an event without items: the event's place in time, when it was (s), what it and
/// the item say, how many, worth how much.
#[derive(Clone, Copy)]
pub struct Entry<'x> {
    rank: usize,
    pub at: i64,
    event: &'x Value,
    item: &'x Value,
    count: i128,
    worth: i128,
}

/// One shopper at one shop.
pub struct Shopper<'x> {
    doc: &'x Value,
    feed: &'x [Value],
    now: i64,
    retention: i64,
    /// Oldest first.
    pub past: Vec<Entry<'x>>,
    cart: Vec<Entry<'x>>,
}

pub fn nano(v: &Value) -> Option<i128> {
    text(v).and_then(|text| Money::parse_lossy(&text).ok()).map(|amount| amount.0)
}

pub fn seconds(v: &Value) -> Option<i64> {
    v.as_str().and_then(Span::parse).map(|span| i64::from(span.0))
}

/// Units of a currency for one of the base; none where there is no rate.
pub fn rate(x: &Facts, code: &str) -> Option<i128> {
    let (currencies, code) = (&x.server["currencies"], code.trim().to_uppercase());
    if currencies["base"] == code {
        Some(ONE)
    } else {
        nano(&currencies["rates"][&code])
    }
}

pub fn nearest(a: i128, b: i128) -> i128 {
    (2 * a + b).div_euclid(2 * b)
}

fn lower(v: &Value) -> String {
    v.as_str().unwrap_or("").trim().to_lowercase()
}

/// The levels of a category path.
fn levels(v: &Value) -> Vec<String> {
    lower(v)
        .split('>')
        .map(|level| level.trim().to_owned())
        .filter(|level| !level.is_empty())
        .collect()
}

impl<'x> Shopper<'x> {
    pub fn new(x: &'x Facts, person: usize, shop: usize, now: i64) -> Shopper<'x> {
        let (doc, feed) = (&x.shops[shop], &x.feeds[shop][..]);
        let kin = kin(x, person, shop);
        let mut events: Vec<(i64, &Value)> = x
            .told
            .iter()
            .filter(|t| kin.contains(&t.0) && t.1 == shop)
            .map(|t| (t.2, &t.3))
            .collect();
        events.sort_by_key(|(at, _)| *at);
        let retention = seconds(&x.server["privacy"]["retention"]).unwrap_or(90 * 86_400);
        let mut her = Shopper {
            doc,
            feed,
            now,
            retention,
            past: Vec::new(),
            cart: Vec::new(),
        };
        let own = rate(x, doc["currency"].as_str().unwrap_or("USD")).expect("a rate");
        for (rank, (at, event)) in events.into_iter().enumerate() {
            let from = event["currency"].as_str().map_or(Some(own), |code| rate(x, code));
            let into_own = |amount: i128| from.map_or(0, |from| nearest(amount * own, from));
            let items = if event["items"].is_null() {
                std::slice::from_ref(&Value::Null)
            } else {
                each(&event["items"])
            };
            for item in items {
                let count = nano(&item["quantity"]).map_or(1, |n| n / ONE);
                let listed = || her.find(item).and_then(|p| nano(&p["price"].as_str()?.split(' ').next()?.into()));
                let worth = match nano(if item.is_null() { &event["value"] } else { &item["price"] }) {
                    Some(said) => into_own(said),
                    None => listed().unwrap_or(0),
                };
                her.past.push(Entry {
                    rank,
                    at,
                    event,
                    item,
                    count,
                    worth: worth * count / CENT * CENT,
                });
            }
        }
        her.fill_cart();
        her
    }

    fn fill_cart(&mut self) {
        let mut cart: Vec<Entry<'x>> = Vec::new();
        for e in &self.past {
            let place = cart.iter().position(|line| line.item["item_id"] == e.item["item_id"]);
            match (e.event["event"].as_str(), place) {
                (Some("add_to_cart"), place) => {
                    let old = place.map(|at| cart.remove(at)).map_or((0, 0), |old| (old.count, old.worth));
                    cart.push(Entry {
                        count: old.0 + e.count,
                        worth: old.1 + e.worth,
                        ..*e
                    });
                }
                (Some("purchase"), _) if e.item.is_null() => cart.clear(),
                (Some("purchase" | "remove_from_cart"), Some(at)) => {
                    let left = (cart[at].count - e.count).max(0);
                    cart[at].worth = cart[at].worth / cart[at].count.max(1) * left;
                    cart[at].count = left;
                }
                _ => {}
            }
        }
        cart.retain(|line| line.count > 0);
        self.cart = cart;
    }

    fn find(&self, item: &Value) -> Option<&'x Value> {
        self.feed.iter().find(|p| p["id"] == item["item_id"] && p["id"].is_string())
    }

    fn is_about(&self, rule: &Value, e: &Entry<'_>) -> bool {
        let wants = |key: &str, has: &dyn Fn(&Value) -> bool| rule[key].is_null() || has(&rule[key]);
        let listed = self.find(e.item).unwrap_or(&Value::Null);
        let is_in = |path: &Value, wanted: &Value| levels(path).windows(levels(wanted).len()).any(|part| part == levels(wanted));
        wants("product", &|w| *w == e.item["item_id"])
            && wants("channel", &|w| lower(&e.event["channel"]) == lower(w))
            && wants("url", &|w| lower(&e.event["url"]).contains(&lower(w)))
            && wants("category", &|w| {
                is_in(&e.item["item_category"], w) || is_in(&listed["product_type"], w)
            })
            && wants("brand", &|w| {
                [&e.item["item_brand"], &listed["brand"]]
                    .iter()
                    .any(|brand| lower(brand) == lower(w))
            })
    }

    fn holds(&self, rule: &Value) -> bool {
        let number = |key: &str, default: usize| rule[key].as_u64().map_or(default, |n| n as usize);
        let bounds = |count: usize, worth: i128| {
            (number("min_count", 1)..=number("max_count", usize::MAX)).contains(&count)
                && nano(&rule["min_value"]).is_none_or(|least| worth >= least)
        };
        let worth = |entries: &[&Entry<'_>]| entries.iter().map(|e| e.worth).sum();
        if rule["state"] == "cart" {
            let lines: Vec<&Entry<'_>> = self.cart.iter().filter(|line| self.is_about(rule, line)).collect();
            return match lines.iter().map(|line| line.at).max() {
                Some(last) => self.is_within(rule, last) && bounds(lines.len(), worth(&lines)),
                None => number("min_count", 1) == 0,
            };
        }
        let of = |name: &Value, e: &Entry<'_>| e.event["event"] == *name;
        let since = self.past.iter().filter(|e| of(&rule["since"], e)).map(|e| e.at).max();
        let counts = |e: &&Entry<'_>| of(&rule["event"], e) && self.is_within(rule, e.at) && since.is_none_or(|since| e.at > since);
        let hits: Vec<&Entry<'_>> = self.past.iter().filter(counts).filter(|e| self.is_about(rule, e)).collect();
        let mut events: Vec<usize> = hits.iter().map(|e| e.rank).collect();
        events.dedup();
        bounds(events.len(), worth(&hits))
    }

    /// now − within ≤ time < now − older_than.
    pub fn is_within(&self, rule: &Value, at: i64) -> bool {
        at >= self.now - seconds(&rule["within"]).unwrap_or(self.retention)
            && seconds(&rule["older_than"]).is_none_or(|older| at < self.now - older)
    }

    pub fn is_in(&self, audience: &Value) -> bool {
        let audience = each(&self.doc["audiences"])
            .iter()
            .find(|a| a["id"] == *audience)
            .expect("an audience");
        each(&audience["include"]).iter().all(|rule| self.holds(rule)) && !each(&audience["exclude"]).iter().any(|rule| self.holds(rule))
    }

    /// The first product that an ad may show beside those `taken`; the empty one is an ad of the shop itself.
    pub fn product(&self, taken: &[Value]) -> Option<Value> {
        let rules = &self.doc["products"];
        let group = |p: &'x Value| Some(&p["item_group_id"]).filter(|group| group.is_string());
        let kin = |p: &'x Value, id: &Value| {
            self.feed
                .iter()
                .any(|other| other["id"] == *id && group(other).is_some() && group(other) == group(p))
        };
        let since = self.now - seconds(&rules["exclude_bought"]).unwrap_or(90 * 86_400);
        let purchases = || self.past.iter().filter(|e| e.event["event"] == "purchase" && e.at >= since);
        let is_bought = |p: &'x Value| purchases().any(|e| e.item["item_id"] == p["id"] || kin(p, &e.item["item_id"]));
        let is_taken = |p: &'x Value| {
            taken
                .iter()
                .any(|id| *id == p["id"] || rules["one_per_group"] != false && kin(p, id))
        };
        let fits = |p: &&'x Value| p["availability"] == "in_stock" && !is_bought(p) && !is_taken(p);
        let fitting = |p: &'x Value| match p["availability"] == "in_stock" || is_bought(p) {
            true => Some(p).filter(fits),
            false => self
                .feed
                .iter()
                .filter(|other| group(p).is_some() && group(other) == group(p))
                .find(fits),
        };
        let cart = || self.cart.iter().rev().filter_map(|line| self.find(line.item));
        let mut views: Vec<&Entry<'x>> = self.past.iter().filter(|e| e.event["event"] == "view_item").collect();
        views.sort_by_key(|e| Reverse(e.rank));
        let viewed = || views.iter().filter_map(|e| self.find(e.item));
        let of_category = |path: &[String]| {
            self.feed
                .iter()
                .filter(|p| levels(&p["product_type"]).starts_with(path))
                .collect::<Vec<_>>()
        };
        let alike = |seed: &'x Value| {
            let path = levels(&seed["product_type"]);
            (1..=path.len()).rev().flat_map(|n| of_category(&path[..n])).collect::<Vec<_>>()
        };
        let from = |source: &str| -> Option<&'x Value> {
            match source {
                "cart" => cart().find_map(fitting),
                "viewed" => viewed().find_map(fitting),
                "category" => cart().chain(viewed()).flat_map(alike).find_map(fitting),
                _ => self.feed.iter().find_map(fitting),
            }
        };
        let sources = rules["from"]
            .as_array()
            .map_or(vec!["cart", "viewed", "category"], |l| l.iter().filter_map(Value::as_str).collect());
        let chosen = sources.into_iter().find_map(from).map(|p| p["id"].clone());
        chosen.or_else(|| match rules["fallback"].as_str() {
            Some("popular") => from("popular").map(|p| p["id"].clone()),
            Some("brand") => Some(Value::Null),
            _ => None,
        })
    }
}
