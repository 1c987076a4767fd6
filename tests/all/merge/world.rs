//! Worlds of browsers, ids, shops, events, syncs and impressions, drawn from seeds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{BROWSERS, NOW, SHOPS};
use crate::game::rng::Rng;

const DAY_S: u64 = 86_400;

/// An id: of whom it is, and its text.
pub type Id = (&'static str, String);

/// What is said of consent with a batch or a sync, and how many seconds after [`NOW`]: whenever it is heard of.
type Said = (usize, u32);

/// What may be said: nothing, that GDPR does not apply, purposes granted to vendor 10, a US Privacy string.
pub const CONSENTS: [&str; 4] = [
    "{}",
    r#"{"gdpr": 0}"#,
    r#"{"gdpr": 1, "gdpr_consent": "CQI9IYAQI9IYAAKABBENBkEgALAAAAAAAAYgAFABAAAAA"}"#,
    r#"{"us_privacy": "1YNN"}"#,
];

/// Something to be told.
#[derive(Clone, Debug)]
pub enum Told {
    /// A batch of a shop: who, and what.
    Events(&'static str, Vec<Id>, Vec<Value>, Said),
    /// A browser's sync with an exchange, so many seconds after [`NOW`]: nothing is said.
    Sync(String, &'static str, String, u32),
    /// A browser was shown an ad of a shop.
    Shown(String, &'static str, u64),
}

/// A world: all there is to tell, and the ids that are asked after.
pub struct World {
    /// Those that are asked after.
    pub ids: BTreeSet<Id>,
    /// Told first, in this order: ads are shown only to browsers that are known.
    pub known: Vec<Told>,
    /// Then these, in any order.
    pub told: Vec<Told>,
}

fn event(rng: &mut Rng, n: usize) -> Value {
    let names = [
        "page_view",
        "view_item",
        "view_item",
        "add_to_cart",
        "remove_from_cart",
        "purchase",
        "custom:quiz",
    ];
    // Few moments, so that some are shared.
    let at = NOW.0 as u64 / 1_000 - rng.below(40) * DAY_S / 4;
    let items: Vec<Value> = (0..1 + rng.below(3))
        .map(|_| json!({"item_id": format!("i{}", rng.below(6)), "price": format!("{}.5", rng.below(9)), "quantity": 1 + rng.below(2)}))
        .collect();
    let name = names[rng.below(names.len() as u64) as usize];
    json!({"event": name, "event_id": format!("e{n}"), "time": at, "items": items})
}

/// The ids of a browser: its own, at exchanges, of shops and of its device; never another's.
fn own_ids(browser: u64) -> Vec<Id> {
    let named = |owner, id: &str| (owner, format!("{id}{browser}"));
    vec![
        named("", "b"),
        named("x", "x"),
        named("y", "y"),
        named("acme", "fa"),
        named("brand", "fb"),
        named("ifa", ""),
    ]
}

/// Draws a world: batches of events that are told apart by their ids.
struct Draw {
    rng: Rng,
    browsers: Vec<Vec<Id>>,
    events: usize,
}

impl Draw {
    fn one(&mut self, of: &[Id]) -> Id {
        of[self.rng.below(of.len() as u64) as usize].clone()
    }

    fn batch(&mut self, shop: &'static str, ids: Vec<Id>, most: u64) -> Told {
        let events = (0..1 + self.rng.below(most)).map(|_| {
            self.events += 1;
            event(&mut self.rng, self.events)
        });
        let events = events.collect();
        Told::Events(shop, ids, events, self.said())
    }

    /// Few moments, so that some are shared.
    fn said(&mut self) -> Said {
        (self.rng.below(CONSENTS.len() as u64) as usize, self.rng.below(12) as u32)
    }

    /// A batch of a browser's shop, by one of its ids or two.
    fn visit(&mut self, browser: usize) -> Told {
        let shop = SHOPS[self.rng.below(2) as usize];
        let ids = self.browsers[browser].iter();
        let fitting: Vec<Id> = ids.filter(|id| !SHOPS.contains(&id.0) || id.0 == shop).cloned().collect();
        let mut named = vec![fitting[0].clone()];
        match self.rng.below(6) {
            0..2 => named = vec![self.one(&fitting)],
            2 => named.push(self.one(&fitting[1..])),
            3 => {}
            // One browser with another's id of the shop: two become one.
            4 => named.push((shop, format!("f{}{}", &shop[..1], self.rng.below(BROWSERS)))),
            _ => named.extend(fitting.into_iter().find(|id| id.0 == shop)),
        }
        self.batch(shop, named, 2)
    }

    /// A batch with an address. Few users give one, or it would be one that is shared.
    fn with_address(&mut self) -> Told {
        let (browser, id) = (self.rng.below(2) as usize, self.rng.below(2) as usize);
        let mut named = vec![self.browsers[browser][id].clone()];
        named.truncate(self.rng.below(4) as usize);
        named.push(("email", format!("m{}", self.rng.below(3))));
        let shop = SHOPS[self.rng.below(2) as usize];
        self.batch(shop, named, 2)
    }

    fn told(&mut self, n: u64, with_addresses: bool) -> Told {
        let browser = self.rng.below(BROWSERS) as usize;
        let ids = &self.browsers[browser];
        match self.rng.below(10) {
            0 if with_addresses => self.with_address(),
            1 => {
                let (exchange, theirs) = ids[1 + self.rng.below(2) as usize].clone();
                let ours = ids[0].1.clone();
                let (_, at) = self.said();
                Told::Sync(ours, exchange, theirs, at)
            }
            2 => Told::Shown(ids[0].1.clone(), SHOPS[self.rng.below(2) as usize], n),
            _ => self.visit(browser),
        }
    }
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64) -> World {
        let mut draw = Draw {
            rng: Rng(seed),
            browsers: (0..BROWSERS).map(own_ids).collect(),
            events: 0,
        };
        let browsers = draw.browsers.clone();
        let known = browsers.iter().map(|ids| draw.batch("acme", vec![ids[0].clone()], 2));
        let known = known.collect();
        let with_addresses = draw.rng.chance(60);
        let count = 12 + draw.rng.below(30);
        let mut told: Vec<Told> = (0..count).map(|n| draw.told(n, with_addresses)).collect();
        // Shoppers with more events than are remembered, and with more impressions.
        if draw.rng.chance(25) {
            for ids in &browsers[..2] {
                told.extend((0..8).map(|_| draw.batch("acme", vec![ids[0].clone()], 8)));
            }
        }
        if !with_addresses && draw.rng.chance(40) {
            let shown = |n: u64| Told::Shown(browsers[(n % 3) as usize][0].1.clone(), "acme", 1_000 + n);
            told.extend((0..200).map(shown));
        }
        let again: Vec<Told> = told.iter().filter(|_| draw.rng.chance(15)).cloned().collect();
        told.extend(again);
        let mut ids: BTreeSet<Id> = browsers.iter().flatten().cloned().collect();
        for one in &told {
            if let Told::Events(_, named, ..) = one {
                ids.extend(named.iter().cloned());
            }
        }
        World { ids, known, told }
    }
}
