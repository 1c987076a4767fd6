//! Who is one person does not depend on the order in which anybody hears of it.
//!
//! Worlds of browsers, ids, shops, events, syncs and impressions are drawn from seeds; each is told in many
//! random orders, some of it twice. However it is told, the same must be known of the same people: which ids are
//! one person's, what every browser's record says of each shop, what it was shown, what it
//! permitted last.
//!
//! Left out, because there is no such order: an id that one browser claims by a sync while it is another's, which
//! leads to whoever claimed it last. Of events of the same second a record keeps the order they came in; they
//! are compared as sets.

mod world;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};
use winback::base::id::{AdvertiserNo, BidTag, CreativeNo, ExchangeNo, MatchKey, ProductKey, UserKey};
use winback::base::money::{Conversion, Money};
use winback::base::time::{Millis, Secs};
use winback::model::exposure::{Exposure, evidence};
use winback::model::hold::WinShare;
use winback::model::profile::Profile;
use winback::model::ticket::Ticket;
use winback::privacy::grant::Grant;
use winback::privacy::signals::Signals;
use winback::track::fact::{Evidence, Fact, IdRef, Paid, Sign};
use winback::track::who::email_hash;

use crate::bench_rig::{NOWHERE, Rig};
use crate::figures::Figures;
use crate::game::rng::Rng;
use world::{CONSENTS, Id, Told, World};

const NOW: Millis = Millis(1_790_000_000_000);
const BROWSERS: u64 = 5;
/// In how many orders each world is told.
const ORDERS: usize = 20;
const SHOPS: [&str; 2] = ["acme", "brand"];
const SYNCED: [&str; 2] = ["x", "y"];

/// How many orders are told in all: few where others wait for the test.
fn interleavings() -> usize {
    std::env::var("INTERLEAVINGS").map_or(500, |n| n.parse().expect("a number"))
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
            Told::Events(shop, ids, events, said) => {
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
                let consent: Value = serde_json::from_str(CONSENTS[said.0]).expect("json");
                let batch = json!({"user": user, "consent": consent, "events": events});
                let read = self.rig.read(shop, &batch, Millis(NOW.0 + 1_000 * i64::from(said.1)));
                assert_eq!(read.rejected.len(), 0, "{:?}", read.rejected);
                self.rig.record(Fact::Events(read.batch.expect("events")), NOW);
            }
            Told::Sync(ours, exchange, theirs, at) => {
                let (ours, theirs) = (self.id(&("", ours.clone())), self.id(&(exchange, theirs.clone())));
                let foreign = self.rig.world.hashes.foreign(exchange, theirs.as_bytes());
                let ids = vec![IdRef::Ours(self.key(&ours), ours), IdRef::Foreign(foreign, (*exchange).to_owned())];
                let signals = Signals::default();
                let grant = Grant::of(self.rig.world.privacy.permit(&signals), &signals, Secs(NOW.to_secs().0 + *at));
                self.rig.record(Fact::Match(ids, grant), NOW);
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
            place: Default::default(),
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
                    "{id:?} {person} {named:?} {} {:?} {}\n",
                    profile.seen.0,
                    self.rig.granted(user),
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
        "privacy": {"gvl_vendor_id": 10},
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
                    Told::Events(_, ids, events, _) => {
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
