//! The two days: who is shown what, what becomes of it, and how it comes to be known.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use winback::app;
use winback::base::hash::Hashes;
use winback::base::id::{BidTag, ProductKey, UserKey};
use winback::base::money::{Conversion, Money};
use winback::base::time::{Millis, Span};
use winback::model::advertiser::Shop;
use winback::model::showing::{Place, SiteKey};
use winback::model::targeting::Device;
use winback::model::ticket::Ticket;
use winback::model::traffic::Invalid;
use winback::server::engine::Engine;
use winback::track::events::{self, Sender};
use winback::track::fact::{Effect, Evidence, Fact, Paid, Sign};
use winback::track::writer::Writer;

use crate::game::rng::{Rng, one};
use crate::shop::{self, PRODUCTS, Setup, advertiser};

/// 2026-10-24T10:00:00Z: clocks of Berlin go back the night after.
const START: Millis = Millis(1_792_836_000_000);
const BIDS: u64 = 2_400;
/// How many there are.
pub const SHOPPERS: u64 = 90;
/// Currency and clock of each shop.
const SHOPS: [(&str, &str, &str); 3] = [
    ("kaufhaus", "EUR", "Europe/Berlin"),
    ("bazaar", "USD", "Asia/Kolkata"),
    ("yonder", "AUD", "Australia/Lord_Howe"),
];
const SITES: [&str; 6] = [
    "news.example",
    "blog.example",
    "games.example",
    "com.example.app",
    "forum.example",
    "",
];
/// What happens when.
enum Then {
    Sign(Evidence),
    Tell(usize, u64, Value, Option<Invalid>),
}

/// All that happens.
pub struct Days {
    /// The server, without listeners.
    pub engine: Engine,
    writer: Writer,
    rng: Rng,
    now: Millis,
    /// By when, and the order in which it was thought of.
    plan: BTreeMap<(Millis, usize), Then>,
    planned: usize,
    /// How often what came of signs and events.
    pub seen: BTreeMap<&'static str, u64>,
}

/// The server's folder.
pub fn setup() -> Setup {
    let mut setup = Setup::new();
    setup.config.as_object_mut().expect("an object").remove("invalid_traffic");
    let mut other = setup.config["exchanges"][0].clone();
    (other["id"], other["billing"]) = (json!("y"), json!("impression"));
    setup.config["exchanges"].as_array_mut().expect("exchanges").push(other);
    for (id, currency, zone) in SHOPS {
        let mut shop = advertiser(id);
        (shop["currency"], shop["timezone"], shop["fee_percent"]) = (json!(currency), json!(zone), json!(7.5));
        shop["creatives"]
            .as_array_mut()
            .expect("creatives")
            .push(json!({"id": "native", "format": "native"}));
        let mut second = shop["campaigns"][0].clone();
        (second["id"], second["creatives"]) = (json!("lapsed"), json!(["card", "native"]));
        shop["campaigns"].as_array_mut().expect("campaigns").push(second);
        setup = setup.with(shop);
    }
    setup.write();
    setup
}

impl Days {
    /// Nothing has happened yet.
    pub fn new(config: &Path) -> Days {
        // As a first start would.
        std::fs::create_dir_all(config.with_file_name("data")).expect("the data folder");
        let engine = app::look(config).unwrap_or_else(|error| panic!("{error}"));
        let next = engine.store.next_fact().expect("a number");
        Days {
            engine,
            writer: Writer::new(next, Hashes::drawn().expect("random bytes")),
            rng: Rng(9),
            now: START,
            plan: BTreeMap::new(),
            planned: 0,
            seen: BTreeMap::new(),
        }
    }

    fn shop(&self, at: usize) -> Arc<Shop> {
        self.engine.world.load().shop_by_id(SHOPS[at].0).expect("a shop").clone()
    }

    fn user(&self, n: u64) -> UserKey {
        self.engine.world.load().hashes.user(format!("u{n}").as_bytes())
    }

    fn plan(&mut self, after_ms: u64, then: Then) {
        let at = Millis(self.now.0 + after_ms as i64);
        self.planned += 1;
        self.plan.insert((at, self.planned), then);
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// A bid, and all that comes of it.
    fn bid(&mut self, tag: u64) {
        let (shop_no, user) = (self.rng.below(3) as usize, self.rng.below(SHOPPERS));
        let shop = self.shop(shop_no);
        let campaign = &shop.advertiser.campaigns[self.rng.below(2) as usize];
        let item = shop::item(SHOPS[shop_no].0, self.rng.below(PRODUCTS as u64) as usize);
        let product = self.engine.world.load().hashes.product(shop.advertiser.no, &item);
        let site = one(&mut self.rng, &SITES);
        if !site.is_empty() {
            self.engine.state.sites.note(site);
        }
        let exchange = one(&mut self.rng, &["x", "y"]);
        let ticket = Ticket {
            exchange: self.engine.names.exchange(exchange),
            advertiser: shop.advertiser.no,
            campaign: campaign.no,
            creative: shop.advertiser.creatives[self.rng.below(2) as usize].no,
            user: self.user(user),
            product: if self.rng.chance(5) { ProductKey::NONE } else { product },
            at: self.now.to_secs(),
            hold_s: 360,
            place: Place {
                device: one(
                    &mut self.rng,
                    &[None, Some(Device::Mobile), Some(Device::Desktop), Some(Device::Tv)],
                ),
                site: if site.is_empty() { SiteKey::NONE } else { SiteKey::of(site) },
            },
            ..Ticket::priced(Money(2_345_678_901), Conversion { from: 10, to: 9 })
        };
        let late = match self.rng.below(100) {
            0..90 => 2_000,
            90..97 => 5 * 3_600_000,
            _ => 50 * 3_600_000,
        };
        for (sign, percent, after) in [(Sign::Win, 90, 700), (Sign::Bill, 88, late), (Sign::Pixel, 90, 1_200)] {
            self.sign(sign, ticket, tag, percent, after);
        }
        if self.rng.chance(35) {
            let after = one(&mut self.rng, &[1_500, 9_000, 60_000, 1_200_000]);
            self.sign(Sign::Click, ticket, tag, 95, after);
            if self.rng.chance(45) {
                self.order(shop_no, user, tag, after + 60_000);
            }
        }
    }

    fn sign(&mut self, sign: Sign, ticket: Ticket, tag: u64, percent: u64, after_ms: u64) {
        if !self.rng.chance(percent) {
            return self.count("lost");
        }
        let times = if self.rng.chance(6) { 2 } else { 1 };
        for nth in 0..times {
            let at = Millis(self.now.0 + (after_ms + nth * 400) as i64);
            let is_machine = matches!(sign, Sign::Pixel | Sign::Click) && self.rng.chance(6);
            let evidence = Evidence {
                sign,
                ticket,
                tag: BidTag(tag),
                paid: match self.rng.chance(4) {
                    true => Paid::Unknown("empty"),
                    false => Paid::Price(Money(1_111_111_111 + self.rng.below(900_000_000) as i128)),
                },
                at: at.to_secs(),
                ms: at.0.rem_euclid(1_000) as u16,
                invalid: is_machine.then_some(Invalid::Crawler),
            };
            self.plan(after_ms + nth * 400, Then::Sign(evidence));
        }
        if times > 1 {
            self.count("doubled");
        }
    }

    /// An order, which may be sent back in parts or as a whole.
    fn order(&mut self, shop: usize, user: u64, tag: u64, after_ms: u64) {
        let cents = self.rng.below(20_000);
        let value = format!("{}.{:02}", cents / 100, cents % 100);
        let order = json!({"event": "purchase", "transaction_id": format!("o{tag}"), "value": value, "currency": SHOPS[shop].1,
            "items": [{"item_id": shop::item(SHOPS[shop].0, 3), "quantity": 1, "price": value}]});
        self.plan(after_ms, Then::Tell(shop, user, order, None));
        let refund = json!({"event": "refund", "transaction_id": format!("o{tag}")});
        if self.rng.chance(20) {
            let mut part = refund.clone();
            (part["value"], part["currency"]) = (json!("3.21"), json!(SHOPS[shop].1));
            self.plan(after_ms + 7_200_000, Then::Tell(shop, user, part, None));
        }
        if self.rng.chance(20) {
            self.plan(after_ms + 20 * 3_600_000, Then::Tell(shop, user, refund, None));
        }
    }

    fn fact(&mut self, then: Then, at: Millis) -> Fact {
        let (shop, user, event, invalid) = match then {
            Then::Sign(evidence) => return Fact::Evidence(evidence),
            Then::Tell(shop, user, event, invalid) => (self.shop(shop), user, event, invalid),
        };
        let body = json!({"user": {"id": format!("u{user}")}, "events": [event]}).to_string();
        let fresh = (self.user(u64::MAX), "nobody".to_owned());
        let read = events::read(&self.engine.world.load(), &shop, &Sender::Server, &body, at, fresh).expect("a batch");
        assert!(read.rejected.is_empty(), "{:?}", read.rejected);
        let mut batch = read.batch.expect("events");
        batch.invalid = invalid;
        Fact::Events(batch)
    }

    /// Whatever is due within the next seconds, in one commit.
    fn step(&mut self, seconds: u32) {
        self.now = self.now.after(Span(seconds));
        let later = self.plan.split_off(&(self.now, 0));
        let due = std::mem::replace(&mut self.plan, later);
        let facts: Vec<Fact> = due.into_iter().map(|((at, _), then)| self.fact(then, at)).collect();
        let world = self.engine.world.load_full();
        let mut disk = self.engine.store.clone();
        let effects = self
            .writer
            .record(&facts, &self.engine.state, &world, &mut disk, self.now)
            .expect("recorded");
        for effect in effects {
            self.count(match effect {
                Effect::Settled => "settled",
                Effect::Repeat => "repeated",
                Effect::Expired => "expired",
                Effect::Invalid => "invalid",
                _ => "recorded",
            });
        }
    }

    /// All of it.
    pub fn pass(&mut self) {
        for user in 0..SHOPPERS {
            for (shop, (id, ..)) in SHOPS.into_iter().enumerate() {
                let view = json!({"event": "view_item", "items": [{"item_id": shop::item(id, 1)}]});
                let after = self.rng.below(40 * 3_600_000);
                self.plan(after / 30, Then::Tell(shop, user, view.clone(), None));
                self.plan(after, Then::Tell(shop, user, view.clone(), None));
                let invalid = self.rng.chance(20).then_some(Invalid::Prefetch);
                self.plan(after, Then::Tell(shop, user, view, invalid));
            }
        }
        self.step(600);
        for tag in 1..=BIDS {
            self.bid(tag);
            if tag % 5 == 0 {
                self.step(360);
            }
        }
        // Until nothing waits any more.
        for _ in 0..60 {
            self.step(3_600);
        }
        assert!(self.plan.is_empty() && self.engine.state.pending.lock().is_empty());
    }
}
