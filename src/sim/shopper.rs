//! Shoppers: who they are to shop and exchange, and what they do in a shop.
//!
//! Assumes that a shopper is someone different to each party: a cookie, the exchange's id or a
//! device id. Talks to the public listener only, as a browser or a shop's server does.

use serde_json::{Value, json};

use super::http::{Answer, COOKIE_HEADER, Client, path_on};
use super::rng::Rng;
use super::shop::{Item, Shop};
use super::{ShopDoor, Stage};
use crate::base::money::Money;
use crate::base::time::{Millis, Span};

/// Bounces of an id sync that are followed.
const BOUNCES_MAX: usize = 4;

/// How the parties know a shopper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A browser with our cookie, matched by an id sync.
    Cookie(String),
    /// The shop's server names the exchange's id.
    Server,
    /// An app user, known by the device's advertising id.
    Device(String),
}

/// What a shopper does in the shop before leaving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Looks, fills a cart and leaves.
    Cart,
    /// Looks and leaves.
    Viewer,
    /// Buys at once.
    Buyer,
    /// Bought weeks ago and was not seen since.
    Lapsed,
}

/// A shopper.
#[derive(Clone, Debug)]
pub struct Shopper {
    /// The exchange's id.
    pub uid: String,
    /// How the parties know this shopper.
    pub identity: Identity,
    /// Index of the shop visited.
    pub shop: usize,
    /// What is done there.
    pub habit: Habit,
    /// Alpha-3 country.
    pub country: &'static str,
    /// When last offered in an auction, milliseconds of the run.
    pub offered_at: Option<u64>,
}

impl Shopper {
    /// The `n`-th shopper of the world.
    pub fn new(n: u64, shops: &[Shop], rng: &mut Rng) -> Shopper {
        let shop = (n as usize) % shops.len().max(1);
        let habit = match rng.below(100) {
            0..40 => Habit::Cart,
            40..65 if shops.get(shop).is_some_and(|s| s.courts_viewers) => Habit::Viewer,
            65..90 if shops.get(shop).is_some_and(|s| s.courts_lapsed) => Habit::Lapsed,
            90..97 => Habit::Buyer,
            _ => Habit::Cart,
        };
        // The past can only be told by a server: `time` is not a browser's to set.
        let identity = match rng.below(10) {
            0..3 if habit != Habit::Lapsed => Identity::Cookie(String::new()),
            3..5 => Identity::Device(uuid(rng)),
            _ => Identity::Server,
        };
        // Outside the EEA: a bidder without a vendor id of its own does not bid under GDPR.
        let countries = if shop == 1 {
            ["VNM", "VNM", "VNM", "USA"]
        } else {
            ["USA", "USA", "THA", "VNM"]
        };
        Shopper {
            uid: format!("x-{n:05}-{:08x}", rng.next() as u32),
            identity,
            shop,
            habit,
            country: rng.pick(&countries).copied().unwrap_or("USA"),
            offered_at: None,
        }
    }

    /// Who a shop's server says this is.
    pub fn user(&self, exchange: &str) -> Value {
        match &self.identity {
            Identity::Device(ifa) => json!({"ifa": ifa}),
            _ => json!({"exchange_ids": {exchange: self.uid}}),
        }
    }

    /// Visits the shop: syncs where it is a browser, then does what the habit says.
    pub async fn visit(&mut self, world: &mut Door<'_>, rng: &mut Rng) -> Result<(), String> {
        if matches!(self.identity, Identity::Cookie(_)) {
            self.identity = sync(world, &self.uid).await?;
        }
        let events = self.doings(world.shop, rng);
        world.send(self, events).await.map(|_| ())
    }

    /// The events of a visit.
    fn doings(&self, shop: &Shop, rng: &mut Rng) -> Vec<Value> {
        let looked: Vec<&Item> = (0..1 + rng.below(3)).filter_map(|_| rng.pick(&shop.items)).collect();
        let Some(last) = looked.last() else {
            return Vec::new();
        };
        let mut events: Vec<Value> = looked.iter().map(|item| event("view_item", item, shop)).collect();
        match self.habit {
            Habit::Viewer => {}
            Habit::Cart => events.push(event("add_to_cart", last, shop)),
            Habit::Buyer => {
                events.push(event("add_to_cart", last, shop));
                events.push(purchase(last, shop, format!("order-{:012x}", rng.next() >> 16)));
            }
            Habit::Lapsed => {
                events.push(purchase(last, shop, format!("order-{:012x}", rng.next() >> 16)));
                let days = 35 + rng.below(45) as u32;
                let then = Millis::wall_clock().before(Span::days(days)).to_rfc3339();
                for event in &mut events {
                    event["time"] = json!(then);
                }
            }
        }
        events
    }
}

/// A shop's door: where its events go.
pub struct Door<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// The connection to the public listener.
    pub public: &'a mut Client,
    /// The shop.
    pub shop: &'a Shop,
    /// Its keys.
    pub door: &'a ShopDoor,
}

impl Door<'_> {
    /// Sends events of a shopper, in the way that shopper is known.
    pub async fn send(&mut self, shopper: &Shopper, events: Vec<Value>) -> Result<(String, Answer), String> {
        let path = format!("/e/{}", self.door.site_key);
        let mut batch = json!({"consent": {"gdpr": 0}, "events": events});
        let answer = match &shopper.identity {
            Identity::Cookie(jar) => {
                let origin = format!("https://{}", self.door.domain);
                self.public
                    .post(&path, &[("origin", &origin), (COOKIE_HEADER, jar)], batch.to_string())
                    .await?
            }
            _ => {
                batch["user"] = shopper.user(&self.stage.exchange);
                let bearer = format!("Bearer {}", self.door.event_key);
                self.public.post(&path, &[("authorization", &bearer)], batch.to_string()).await?
            }
        };
        let answer = answer.expect(&[200])?;
        let rejected = answer.json()?["rejected"].as_array().map_or(0, Vec::len);
        if rejected > 0 {
            return Err(format!(
                "POST {path}: {rejected} events rejected: {}",
                String::from_utf8_lossy(&answer.body)
            ));
        }
        Ok((batch.to_string(), answer))
    }
}

/// An event about one item.
pub fn event(name: &str, item: &Item, shop: &Shop) -> Value {
    json!({
        "event": name,
        "items": [{"item_id": item.id, "quantity": 1, "price": number(item.amount()), "item_category": item.category}],
        "currency": shop.currency.as_str()
    })
}

/// A purchase of one item.
pub fn purchase(item: &Item, shop: &Shop, transaction: String) -> Value {
    let mut event = event("purchase", item, shop);
    event["value"] = number(item.amount());
    event["transaction_id"] = json!(transaction);
    event
}

/// Decimal text as a JSON number; null where it is none.
pub fn number(text: &str) -> Value {
    match Money::parse(text) {
        Ok(amount) => serde_json::from_str(&amount.to_string()).unwrap_or(Value::Null),
        Err(_) => Value::Null,
    }
}

/// Has the browser synced: follows our own bounces with the cookies set on the way.
async fn sync(world: &mut Door<'_>, uid: &str) -> Result<Identity, String> {
    let mut jar: Vec<(String, String)> = Vec::new();
    let mut path = format!("/sync/{}?uid={uid}&gdpr=0", world.stage.exchange);
    for _ in 0..BOUNCES_MAX {
        let cookies = jar_text(&jar);
        let headers: &[(&str, &str)] = if jar.is_empty() { &[] } else { &[(COOKIE_HEADER, &cookies)] };
        let answer = world.public.get(&path, headers).await?.expect(&[200, 204, 302, 303])?;
        for (name, value) in answer.cookies() {
            jar.retain(|(known, _)| *known != name);
            jar.push((name, value));
        }
        // Leads elsewhere, or nowhere: the exchange's own step, which this world does not have.
        let next = answer
            .location()
            .and_then(|to| path_on(&world.stage.public_url, to).or(to.starts_with('/').then_some(to)));
        match next {
            Some(next) => next.clone_into(&mut path),
            None => break,
        }
    }
    if jar.iter().any(|(name, _)| name == "wb_uid") {
        return Ok(Identity::Cookie(jar_text(&jar)));
    }
    Err(format!("GET {path}: no cookie `wb_uid` was set for a browser that takes cookies"))
}

fn jar_text(jar: &[(String, String)]) -> String {
    let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// A random UUID, version 4, as devices have for advertising ids.
fn uuid(rng: &mut Rng) -> String {
    let (high, low) = (rng.next(), rng.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | ((low >> 48) & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}
