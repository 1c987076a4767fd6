//! Who is one person does not depend on the order in which anybody hears of it.
//!
//! Worlds of browsers, ids, shops, events, syncs and impressions are drawn from seeds; each is told in many
//! random orders, some of it twice. However it is told, the same must be known of the same people: which ids are
//! one person's, what every browser's record says of each shop, what it was shown.
//!
//! Left out, because there is no such order: an id that one browser claims by a sync while it is another's, which
//! leads to whoever claimed it last. Of events of the same second a record keeps the order they came in; they
//! are compared as sets.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use serde_json::{Value, json};
use winback::base::id::{AdvertiserNo, BidTag, CreativeNo, ExchangeNo, MatchKey, ProductKey, UserKey};
use winback::base::money::{Conversion, Money};
use winback::base::time::{Millis, Secs};
use winback::model::exposure::{Exposure, evidence};
use winback::model::hold::WinShare;
use winback::model::profile::Profile;
use winback::model::ticket::Ticket;
use winback::track::fact::{Evidence, Fact, IdRef, Paid, Sign};
use winback::track::who::email_hash;

use crate::bench_rig::{NOWHERE, Rig};
use crate::figures::Figures;
use crate::game::rng::Rng;

const NOW: Millis = Millis(1_790_000_000_000);
const DAY_S: u64 = 86_400;
const BROWSERS: u64 = 5;
/// In how many orders each world is told.
const ORDERS: usize = 20;
const SHOPS: [&str; 2] = ["acme", "brand"];
const SYNCED: [&str; 2] = ["x", "y"];

/// How many orders are told in all: few where others wait for the test.
fn interleavings() -> usize {
    std::env::var("INTERLEAVINGS").map_or(500, |n| n.parse().expect("a number"))
}

/// An id: of whom it is, and its text.
type Id = (&'static str, String);

/// Something to be told.
#[derive(Clone, Debug)]
enum Told {
    /// A batch of a shop: who, and what.
    Events(&'static str, Vec<Id>, Vec<Value>),
    /// A browser's sync with an exchange.
    Sync(String, &'static str, String),
    /// A browser was shown an ad of a shop.
    Shown(String, &'static str, u64),
}

/// A world: all there is to tell, and the ids that are asked after.
struct World {
    ids: BTreeSet<Id>,
    /// Told first, in this order: ads are shown only to browsers that are known.
    known: Vec<Told>,
    told: Vec<Told>,
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
        Told::Events(shop, ids, events)
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
                Told::Sync(ids[0].1.clone(), exchange, theirs)
            }
            2 => Told::Shown(ids[0].1.clone(), SHOPS[self.rng.below(2) as usize], n),
            _ => self.visit(browser),
        }
    }
}

impl World {
    fn new(seed: u64) -> World {
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
            if let Told::Events(_, named, _) = one {
                ids.extend(named.iter().cloned());
            }
        }
        World { ids, known, told }
    }
}

/// A teller: tells a world under ids of its own, so that one rig serves for all.
struct Teller<'r> {
    rig: &'r mut Rig,
    n: usize,
}

impl Teller<'_> {
    fn id(&self, (owner, id): &Id) -> String {
        match *owner {
            "ifa" => format!("{:08x}-0000-4000-8000-{:0>12}", self.n + 1, id),
            _ => format!("{id}-{}", self.n),
        }
    }

    fn address(&self, id: &Id) -> String {
        use sha2::{Digest, Sha256};
        Sha256::digest(self.id(id)).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn no(&self, shop: &str) -> AdvertiserNo {
        self.rig.shop(shop).advertiser.no
    }

    fn key(&self, ours: &str) -> UserKey {
        self.rig.world.hashes.user(ours.as_bytes())
    }

    fn tell(&mut self, told: &Told) {
        match told {
            Told::Events(shop, ids, events) => {
                let mut user = json!({"exchange_ids": {}});
                for id in ids {
                    match id.0 {
                        "" => user["id"] = json!(self.id(id)),
                        "ifa" => user["ifa"] = json!(self.id(id)),
                        "email" => user["email_sha256"] = json!(self.address(id)),
                        exchange if SYNCED.contains(&exchange) => user["exchange_ids"][exchange] = json!(self.id(id)),
                        _ => user["first_party_id"] = json!(self.id(id)),
                    }
                }
                let mut events = events.clone();
                for event in &mut events {
                    event["event_id"] = json!(format!("{}-{}", event["event_id"].as_str().expect("an id"), self.n));
                }
                assert_eq!(self.rig.tell(shop, &json!({"user": user, "events": events}), NOW), 0);
            }
            Told::Sync(ours, exchange, theirs) => {
                let (ours, theirs) = (self.id(&("", ours.clone())), self.id(&(exchange, theirs.clone())));
                let foreign = self.rig.world.hashes.foreign(exchange, theirs.as_bytes());
                let ids = vec![IdRef::Ours(self.key(&ours), ours), IdRef::Foreign(foreign, (*exchange).to_owned())];
                self.rig.record(Fact::Match(ids), NOW);
            }
            Told::Shown(ours, shop, tag) => {
                let ticket = self.ticket(&self.id(&("", ours.clone())), shop, *tag);
                let tag = BidTag(tag + self.n as u64 * 10_000);
                let (paid, at) = (Paid::Price(Money(1)), ticket.at);
                self.rig.record(
                    Fact::Evidence(Evidence {
                        sign: Sign::Bill,
                        ticket,
                        tag,
                        paid,
                        at,
                        ms: 0,
                        invalid: None,
                    }),
                    NOW,
                );
            }
        }
    }

    fn ticket(&self, ours: &str, shop: &str, tag: u64) -> Ticket {
        let advertiser = &self.rig.shop(shop).advertiser;
        Ticket {
            exchange: ExchangeNo(0),
            test: false,
            own_currency: false,
            tracked: true,
            advertiser: advertiser.no,
            campaign: advertiser.campaigns[0].no,
            creative: CreativeNo(1),
            user: self.key(ours),
            product: ProductKey::NONE,
            at: Secs(NOW.to_secs().0 - 1_000 - (tag * 7 % 500) as u32),
            hold_s: 360,
            price: Money(2_000_000_000),
            conversion: Conversion { from: 1, to: 1 },
            share: WinShare::FULL,
        }
    }

    /// The user an id leads to.
    fn user(&self, id: &Id, shop: &str) -> Option<UserKey> {
        let (hashes, state) = (&self.rig.world.hashes, &self.rig.state);
        let text = self.id(id);
        let digits = text.replace('-', "");
        match id.0 {
            "" => {
                let own = self.key(&text);
                Some(state.matched(MatchKey(own.0)).unwrap_or(own))
            }
            "ifa" => state.matched(hashes.foreign("ifa:", digits.as_bytes())),
            "email" => {
                let namespace = format!("email_sha256:{}", self.no(shop).0);
                let hash = email_hash(&self.address(id)).expect("a hash");
                state.matched(hashes.foreign(&namespace, &hash))
            }
            exchange if SYNCED.contains(&exchange) => state.matched(hashes.foreign(exchange, text.as_bytes())),
            shop => state.matched(hashes.foreign(&format!("{shop}.example"), text.as_bytes())),
        }
    }

    /// All that is known in the end, in words that no order shows through.
    fn known(&self, world: &World) -> String {
        let mut people: BTreeMap<UserKey, usize> = BTreeMap::new();
        let ours: Vec<UserKey> = (0..BROWSERS).map(|n| self.key(&self.id(&("", format!("b{n}"))))).collect();
        let mut out = String::new();
        for id in &world.ids {
            for shop in SHOPS.into_iter().take(if id.0 == "email" { 2 } else { 1 }) {
                let Some(user) = self.user(id, shop) else {
                    out += &format!("{id:?} leads nowhere\n");
                    continue;
                };
                let (mut profile, mut shown) = Default::default();
                if !self.rig.state.recall(user, &mut profile, &mut shown, &mut Default::default()) {
                    (profile, shown) = Default::default();
                }
                if id.0 == "email" {
                    // Who it is leads to is the shop's own affair, what it knows of them is not.
                    let no = self.no(shop);
                    out += &format!("{id:?} {shop} {}\n", self.words(&profile, &shown, Some(no)));
                    continue;
                }
                let next = people.len();
                let person = *people.entry(user).or_insert(next);
                // Of several browsers the one with the least key is left, whose ids are others in each order.
                let led = ours
                    .iter()
                    .filter(|key| self.rig.state.matched(MatchKey(key.0)) == Some(user) || **key == user);
                let named = led.min().map(|least| *least == user);
                out += &format!(
                    "{id:?} {person} {named:?} {} {}\n",
                    profile.seen.0,
                    self.words(&profile, &shown, None)
                );
            }
        }
        out
    }

    fn words(&self, profile: &Profile, shown: &[Exposure], only: Option<AdvertiserNo>) -> String {
        let mut sections: Vec<_> = profile
            .sections
            .iter()
            .filter(|s| only.is_none_or(|no| no == s.advertiser))
            .collect();
        sections.sort_by_key(|section| section.advertiser);
        let mut words = Vec::new();
        for section in sections {
            let mut events: Vec<String> = profile
                .events(section)
                .iter()
                .map(|e| {
                    format!(
                        "{}{:?}{}{:x}x{}={}",
                        e.at.0,
                        e.kind,
                        if e.continued { "+" } else { "" },
                        e.product.0,
                        e.quantity,
                        e.value
                    )
                })
                .collect();
            events.sort();
            words.push(format!(
                "{}: {} from {} {events:?}",
                section.advertiser.0, section.visits, section.first.0
            ));
        }
        let of_shop = |e: &&Exposure| {
            let shop = only.and_then(|no| self.rig.world.shop(no));
            shop.is_none_or(|shop| shop.advertiser.campaigns.iter().any(|c| c.no == e.campaign))
        };
        let mut seen: Vec<_> = shown
            .iter()
            .filter(of_shop)
            .map(|e| (e.tag.0 % 10_000, e.at.0, e.flags & evidence::SETTLED))
            .collect();
        seen.sort_unstable();
        format!("{words:?} {seen:?}")
    }
}

fn rig() -> Rig {
    let server = json!({
        "public": {"listen": "127.0.0.1:0", "url": "https://ads.example"},
        "currencies": {"base": "USD", "rates": {}},
        "exchanges": [{"id": "x"}, {"id": "y"}],
    });
    let mut rig = Rig::new(&server, Path::new(NOWHERE)).expect("a server");
    for id in SHOPS {
        let shop = json!({
            "version": 1, "id": id, "name": id, "domain": format!("{id}.example"), "site_key": format!("{id}-web"),
            "audiences": [{"id": "all", "include": [{"event": "page_view"}]}],
            "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250]]}],
            "campaigns": [{"id": "one", "audiences": ["all"], "bid": {"type": "cpm", "amount": 5}, "budget": {"daily": 100}, "creatives": ["card"]}]
        });
        rig.add(&shop, &[]).expect("a shop");
    }
    rig
}

fn shuffle(rng: &mut Rng, told: &mut [Told]) {
    for at in (1..told.len()).rev() {
        told.swap(at, rng.below(at as u64 + 1) as usize);
    }
}

/// What was told in all orders, and what came of it.
#[derive(Default)]
struct Tally {
    interleavings: usize,
    worlds: usize,
    /// Worlds that came to more than one result.
    differ: usize,
    most_results: usize,
    links: usize,
    merges: usize,
    events: usize,
    shown: usize,
    shared: usize,
}

#[test]
fn one_result_comes_of_links_and_events_in_any_order() {
    let mut rig = rig();
    let mut tally = Tally::default();
    while tally.interleavings < interleavings() {
        let world = World::new(tally.worlds as u64);
        let mut rng = Rng(!(tally.worlds as u64));
        let mut results = HashSet::new();
        let mut first: Option<String> = None;
        for _ in 0..ORDERS {
            let mut told = world.told.clone();
            shuffle(&mut rng, &mut told);
            let mut teller = Teller {
                rig: &mut rig,
                n: tally.interleavings,
            };
            for one in world.known.iter().chain(&told) {
                teller.tell(one);
                match one {
                    Told::Events(_, ids, events) => {
                        tally.links += usize::from(ids.len() > 1);
                        tally.events += events.len();
                    }
                    Told::Sync(..) => tally.links += 1,
                    Told::Shown(..) => tally.shown += 1,
                }
            }
            let known = teller.known(&world);
            let ours = (0..BROWSERS).map(|n| teller.key(&teller.id(&("", format!("b{n}")))));
            tally.merges += ours.filter(|key| teller.rig.state.matched(MatchKey(key.0)).is_some()).count();
            tally.shared += known.lines().filter(|line| line.ends_with("nowhere")).count();
            if let Some(first) = first.as_ref().filter(|first| **first != known && results.len() == 1) {
                let lines = first.lines().zip(known.lines()).filter(|(a, b)| a != b);
                lines
                    .take(1)
                    .for_each(|(a, b)| println!("world {}:\n  {a:.900}\n  {b:.900}", tally.worlds));
            }
            first.get_or_insert_with(|| known.clone());
            results.insert(known);
            tally.interleavings += 1;
        }
        tally.worlds += 1;
        tally.differ += usize::from(results.len() > 1);
        tally.most_results = tally.most_results.max(results.len());
    }
    let least = |n: usize| n * interleavings() / 500;
    let mut figures = Figures::new();
    figures.at_least("identity.merge_interleavings", tally.interleavings, interleavings());
    figures.exactly("identity.merge_results", tally.most_results, 1);
    figures.exactly("identity.merge_differ", tally.differ, 0);
    figures.at_least("identity.merge_links", tally.links, least(4_000));
    figures.at_least("identity.merge_merges", tally.merges, least(200));
    figures.at_least("identity.merge_events", tally.events, least(20_000));
    figures.at_least("identity.merge_shown", tally.shown, least(2_000));
    println!("{} worlds, {} ids led nowhere", tally.worlds, tally.shared);
    figures.settle();
}
