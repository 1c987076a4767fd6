//! A game that both `decide` and the oracle are asked about: a world of shops and shoppers from a seed, in
//! which time passes, events come, bids are committed, and notices follow or do not.
//!
//! Keeps the state through the rig, as the server would, and beside it the plain facts that the oracle is
//! told. Never decides whether to bid.

#[path = "game/answer.rs"]
mod answer;
#[path = "game/facts.rs"]
pub mod facts;
#[path = "game/request.rs"]
mod request;
#[path = "game/rng.rs"]
pub mod rng;
#[path = "game/vendor.rs"]
mod vendor;
#[path = "game/world.rs"]
mod world;

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use winback::base::id::ExchangeNo;
use winback::base::money::Money;
use winback::base::seal::Audience;
use winback::base::time::{Day, Millis};
use winback::bid::{Ask, Scratch};
use winback::model::outcome::Pick;
use winback::openrtb::feedback::Verdict as Heard;
use winback::openrtb::response::Form;
use winback::privacy::grant::Grant;
use winback::privacy::permission::Permission;
use winback::privacy::signals::Signals;
use winback::state::holds::{Limits, commit};
use winback::track::fact::{Effect, Fact, IdRef, Sign};
use winback::track::notice::{self, Opened};

use crate::bench_rig::Rig;
use answer::{Answer, Answered};
use facts::{Asked, Bid, Facts, Made, Win};
use rng::Rng;
use world::PEOPLE;

/// Wednesday noon, UTC.
const START_MS: i64 = 1_781_092_800_000;
/// No token is too old.
const PLAYED_MS: i64 = 46 * 3_600_000;
/// Impressions of one person: as many as a record keeps.
const SHOWN_MAX: usize = 60;
pub const ONE: i128 = 1_000_000_000;

/// A bid that may still be heard of.
struct Open {
    bid: usize,
    opened: Opened,
    price: i128,
    signs: Vec<Sign>,
}

/// One world being played.
pub struct Game {
    pub rig: Rig,
    pub facts: Facts,
    pub rng: Rng,
    now: i64,
    asked: u64,
    last: Option<Asked>,
    open: Vec<Open>,
    settled: Vec<usize>,
    _dir: tempfile::TempDir,
}

fn nano(v: &Value) -> Option<i128> {
    let text = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    Money::parse_lossy(&text).ok().map(|amount| amount.0)
}

fn nearest(a: i128, b: i128) -> i128 {
    (2 * a + b).div_euclid(2 * b)
}

impl Game {
    /// The world of a seed.
    pub fn new(seed: u64) -> Game {
        let mut rng = Rng(seed);
        let dir = tempfile::tempdir().expect("a folder");
        let mut facts = Facts::default();
        world::config(&mut rng, &mut facts, dir.path());
        let mut rig = Rig::new(&facts.server, dir.path()).expect("a sound server config");
        let mut crids = Vec::new();
        for (doc, feed) in facts.shops.iter().zip(&facts.feeds) {
            rig.add(doc, feed).unwrap_or_else(|faults| panic!("{faults:#?}\n{doc}"));
            let of_world = rig.shop(doc["id"].as_str().expect("an id"));
            crids.push(of_world.advertiser.creatives.iter().map(|creative| creative.crid.clone()).collect());
        }
        facts.crids = crids;
        let (open, settled) = (Vec::new(), Vec::new());
        let mut game = Game {
            rig,
            facts,
            rng,
            now: START_MS,
            asked: 0,
            last: None,
            open,
            settled,
            _dir: dir,
        };
        game.people();
        game.before();
        game
    }

    /// People, what they did, and who opted out.
    fn people(&mut self) {
        self.facts.people = world::people(&mut self.rng);
        // Some are two browsers of one address.
        let pairs: Vec<bool> = (0..PEOPLE).map(|_| self.rng.chance(25)).collect();
        self.facts.addresses = (0..PEOPLE).map(|person| pairs[person / 2].then_some(person / 2)).collect();
        let (last, rest) = (self.facts.people.len() - 1, self.facts.people.len() - 2);
        for person in 0..rest {
            for shop in 0..self.facts.shops.len() {
                for _ in 0..if self.rng.chance(75) { self.rng.below(9) } else { 0 } {
                    let ago = [600, 7_200, 86_400, 20 * 86_400, 60 * 86_400][self.rng.below(5) as usize];
                    let at = self.second() - self.rng.below(ago) as i64;
                    self.tell(person, shop, at);
                }
            }
        }
        // One who is known and never did anything, and one who left for good.
        let ids = self.facts.people[rest].iter().filter(|(owner, _)| !owner.is_empty());
        let hashes = &self.rig.world.hashes;
        let mut refs = vec![IdRef::Ours(hashes.user(b"idle"), "idle".to_owned())];
        refs.extend(ids.map(|(owner, id)| IdRef::Foreign(hashes.foreign(owner, id.as_bytes()), owner.clone())));
        let grant = Grant::of(Permission::ALL, &Signals::default(), Millis(self.now).to_secs());
        self.rig.record(Fact::Match(refs, grant), Millis(self.now));
        self.tell(last, 0, self.second() - 500);
        let ours = self.facts.people[last]
            .iter()
            .find(|(owner, _)| owner.is_empty())
            .expect("an id of ours");
        let user = self.rig.world.hashes.user(ours.1.as_bytes());
        self.rig.record(Fact::Forget { user, opt_out: true }, Millis(self.now));
        self.facts.gone.push(last);
    }

    /// What campaigns spent and observed before the game.
    fn before(&mut self) {
        for (shop, doc) in self.facts.shops.iter().enumerate() {
            let of_world = self.rig.shop(doc["id"].as_str().expect("an id")).advertiser.clone();
            let mut counts = Vec::new();
            for no in of_world.campaigns.iter().map(|c| c.no).chain([of_world.book]) {
                if self.rng.chance(60) {
                    let log = -(self.rng.below(2_500) as f64) / 1_000.0;
                    let stored = [&[1][..], &0i32.to_le_bytes(), &log.to_le_bytes(), &[0; 8 * 48]].concat();
                    self.rig.state.books.restore_pace(no, &stored);
                }
            }
            for (campaign, c) in of_world.campaigns.iter().enumerate() {
                let (impressions, clicks) = (self.rng.below(60_000), self.rng.below(200));
                let seen = if self.rng.chance(50) {
                    [impressions, clicks.min(impressions), self.rng.below(clicks + 1)]
                } else {
                    [0; 3]
                };
                let entry = self.rig.state.books.entry(c.no);
                for (counter, n) in [&entry.impressions, &entry.clicks, &entry.conversions].into_iter().zip(seen) {
                    counter.store(n, Relaxed);
                }
                counts.push(seen.map(i128::from));
                let day = ["2026-06-09", "2026-06-10"][self.rng.below(2) as usize];
                let of_budget = c.budget.total.or(c.budget.daily).map_or(0, |budget| budget.0);
                let billed = if self.rng.chance(25) {
                    of_budget * i128::from(self.rng.below(101)) / 100
                } else {
                    0
                };
                for book in [c.no, of_world.book] {
                    self.rig.state.books.spend(book, Day::parse(day).expect("a day"), Money(billed));
                }
                let who = [usize::MAX, shop, campaign, 0];
                self.facts.bids.push(Bid {
                    who,
                    billed,
                    day: day.to_owned(),
                    ..Bid::default()
                });
            }
            self.facts.counts.push(counts);
        }
    }

    /// What pacing multiplies bids with just now.
    fn note_paces(&mut self) {
        let multiplier = |no| i128::from(self.rig.state.books.multiplier(no).0);
        (self.facts.paces, self.facts.own_paces) = (Vec::new(), Vec::new());
        for doc in &self.facts.shops {
            let shop = &self.rig.shop(doc["id"].as_str().expect("an id")).advertiser;
            self.facts.paces.push(shop.campaigns.iter().map(|c| multiplier(c.no)).collect());
            self.facts.own_paces.push(multiplier(shop.book));
        }
    }

    fn second(&self) -> i64 {
        self.now.div_euclid(1000)
    }

    /// One event of a person at a shop.
    fn tell(&mut self, person: usize, shop: usize, at: i64) {
        let told = self.facts.told.iter().filter(|told| (told.0, told.1) == (person, shop)).count();
        let address = self.facts.addresses[person];
        // As many as are remembered, of both together.
        if told >= if address.is_some() { 10 } else { 20 } {
            return;
        }
        let event = world::event(&mut self.rng, &self.facts.feeds[shop], self.facts.shops[shop]["currency"].as_str());
        let mut user = json!({"exchange_ids": {}});
        for (owner, id) in &self.facts.people[person] {
            match owner.as_str() {
                "" => user["id"] = json!(id),
                "ifa:" => user["ifa"] = json!(id),
                exchange => user["exchange_ids"][exchange] = json!(id),
            }
        }
        if let Some(address) = address {
            user["email_sha256"] = json!(format!("{address:064x}"));
        }
        let mut dated = event.clone();
        dated["time"] = json!(at);
        let id = self.facts.shops[shop]["id"].as_str().expect("an id").to_owned();
        let batch = json!({"user": user, "events": [dated]});
        assert_eq!(self.rig.tell(&id, &batch, Millis(self.now)), 0, "{batch}");
        self.facts.told.push((person, shop, at, event));
    }

    /// Lets something happen and time pass; then somebody asks.
    pub fn turn(&mut self) -> Asked {
        let step = [50, 900, 1_500, 5_000, 40_000, 400_000, 1_500_000][self.rng.below(7) as usize];
        let step = 1 + self.rng.below(step) as i64;
        self.now = (self.now + step).min(START_MS + PLAYED_MS);
        if self.rng.chance(12) {
            let (person, shop) = (
                self.rng.below(self.facts.people.len() as u64 - 2),
                self.rng.below(self.facts.shops.len() as u64),
            );
            self.tell(person as usize, shop as usize, self.second());
        }
        if self.rng.chance(2) {
            self.suspend();
        }
        while !self.open.is_empty() && self.rng.chance(45) {
            self.hear();
        }
        self.note_paces();
        self.asked += 1;
        // The same impression is offered again, as by another way to the same exchange.
        if let Some(last) = self.last.take().filter(|_| self.rng.chance(25)) {
            return Asked { now: self.now, ..last };
        }
        let asked = request::request(&mut self.rng, &self.facts, self.now);
        self.last = Some(asked.clone());
        asked
    }

    /// How `decide` is asked the same.
    pub fn ask<'a>(&self, asked: &'a Asked) -> Ask<'a> {
        let seed = u128::from(self.asked) << 64 | u128::from(winback::base::hash::mix(self.asked << 20));
        Ask {
            exchange: ExchangeNo(asked.exchange as u8),
            body: &asked.body,
            form: Form::Json,
            now: Millis(asked.now),
            waited_ms: asked.waited as u32,
            seed,
            barred: None,
            inert: false,
        }
    }

    /// The bids in scratch by their places in the documents, as picks and answer agree on them.
    pub fn wins(&self, scratch: &Scratch) -> Vec<Win> {
        let answer: Answer<'_> = serde_json::from_slice(&scratch.out).expect("an answer");
        let answered: Vec<&Answered<'_>> = answer.seatbid.iter().flat_map(|seat| &seat.bid).collect();
        assert_eq!(answered.len(), scratch.picks.len());
        let win = |pick: &Pick| {
            let of_shop = self.rig.world.shop(pick.advertiser).expect("a shop");
            let (advertiser, doc) = (&of_shop.advertiser, |doc: &Value| doc["id"] == of_shop.advertiser.id);
            let shop = self.facts.shops.iter().position(doc).expect("a document");
            let creative = advertiser.creatives.iter().position(|c| c.no == pick.creative).expect("a creative");
            let (campaign, name) = (pick.campaign_index as usize, &advertiser.campaigns[pick.campaign_index as usize].id);
            let is_it = |a: &&&Answered<'_>| {
                a.id == format!("{:016x}", pick.tag.0)
                    && a.campaign() == Some(name)
                    && a.adid == advertiser.creatives[creative].id
                    && nano_text(a.price) == pick.price.0
            };
            let found = answered
                .iter()
                .find(is_it)
                .unwrap_or_else(|| panic!("{pick:?} is not in the answer"));
            Win {
                who: [usize::from(pick.imp), shop, campaign, creative],
                price: pick.price.0,
                deal: found.dealid.clone(),
                billed_to: found.billed_to(),
            }
        };
        scratch.picks.iter().map(win).collect()
    }

    /// Commits bids as the server does, and notes them as the oracle has them.
    pub fn commit(&mut self, scratch: &Scratch, epoch: u32, made: &[Made]) {
        if self.rng.chance(10) {
            return;
        }
        let world = &self.rig.world;
        let limits = |pick: &Pick| {
            let shop = &world.shop(pick.advertiser).expect("a shop").advertiser;
            let campaign = shop.campaigns[pick.campaign_index as usize].budget;
            Limits {
                campaign,
                advertiser: shop.budget,
                day: Millis(self.now).local_day(&shop.timezone),
            }
        };
        commit(&self.rig.state, &scratch.picks, epoch, Millis(self.now), limits).expect("nobody else commits");
        let answer: Answer<'_> = serde_json::from_slice(&scratch.out).expect("an answer");
        for answered in answer.seatbid.iter().flat_map(|seat| &seat.bid) {
            let token = answered
                .burl
                .rsplit_once('/')
                .map_or("", |(_, token)| token.split('?').next().unwrap_or(""));
            let opened = notice::open(world, Audience::Notice, token).expect("our own token");
            let pick = scratch.picks.iter().find(|pick| pick.tag == opened.tag).expect("a pick");
            let shop = &world.shop(pick.advertiser).expect("a shop").advertiser.id;
            let is_it = |made: &&Made| made.imp == usize::from(pick.imp) && self.facts.shops[made.bid.who[1]]["id"] == **shop;
            let of = made.iter().find(is_it).expect("the oracle's");
            if of.bid.held == 0 {
                continue;
            }
            if of.bid.capped > 0 {
                // The same impression bid again takes the place of the hold before it.
                let again = |bid: &&mut Bid| {
                    bid.who[..3] == of.bid.who[..3] && bid.spot == of.bid.spot && bid.capped > self.now && self.now - bid.at <= 2_000
                };
                if let Some(before) = self.facts.bids.iter_mut().find(again) {
                    before.capped = 0;
                }
            }
            let signs = vec![Sign::Win, Sign::Bill, Sign::Pixel, Sign::Click];
            self.open.push(Open {
                bid: self.facts.bids.len(),
                opened,
                price: of.price,
                signs,
            });
            self.facts.bids.push(of.bid.clone());
        }
    }

    /// Something is heard of a bid: that it lost, a sign of its impression, or never anything again.
    fn hear(&mut self) {
        let at = self.rng.below(self.open.len() as u64) as usize;
        let (bid, unseen) = (self.open[at].bid, self.facts.bids[self.open[at].bid].seen.is_none());
        let shown = self
            .facts
            .bids
            .iter()
            .filter(|b| self.facts.is_near(b.who[0], self.facts.bids[bid].who[0]) && b.seen.is_some())
            .count();
        if self.rng.chance(20) || shown >= SHOWN_MAX || self.open[at].signs.is_empty() {
            self.open.swap_remove(at);
            return;
        }
        if unseen && self.rng.chance(30) {
            let lost = self.open.swap_remove(at);
            let freed = notice::lose(&self.rig.world, &self.rig.state, &lost.opened, Millis(self.now).to_secs());
            assert!(freed, "{:?} {:?}", lost.opened, self.facts.bids[bid]);
            (self.facts.bids[bid].capped, self.facts.bids[bid].held) = (0, 0);
            return;
        }
        let nth = self.rng.below(self.open[at].signs.len() as u64) as usize;
        let sign = self.open[at].signs.remove(nth);
        self.sign(at, sign);
        // No impression waits for what bills it so long that it is billed without a price.
        let billing = self.billing(at);
        let waits = matches!(sign, Sign::Pixel | Sign::Bill) && !self.settled.contains(&bid);
        if let Some(nth) = self.open[at].signs.iter().position(|sign| *sign == billing && waits) {
            self.open[at].signs.remove(nth);
            self.sign(at, billing);
        }
    }

    /// What bills an open bid's impression.
    fn billing(&self, at: usize) -> Sign {
        let exchange = self.open[at].opened.ticket.exchange;
        match self.facts.server["exchanges"][usize::from(exchange.0)]["billing"].as_str() {
            Some("impression") => Sign::Pixel,
            Some("nurl") => Sign::Win,
            _ => Sign::Bill,
        }
    }

    /// One sign of an open bid's impression.
    fn sign(&mut self, at: usize, sign: Sign) {
        let bid = self.open[at].bid;
        let paid = self.open[at].price * i128::from(50 + self.rng.below(51)) / 100;
        let query = format!("price={}", Money(paid));
        let evidence = notice::evidence(&self.rig.world, sign, self.open[at].opened, Some(&query), Millis(self.now));
        let conversion = evidence.ticket.conversion;
        let effect = self.rig.record(Fact::Evidence(evidence), Millis(self.now));
        if effect == Effect::Invalid {
            return;
        }
        let (second, billing) = (self.second(), self.billing(at));
        let of = &mut self.facts.bids[bid];
        let [_, shop, campaign, _] = of.who;
        of.capped = 0;
        of.seen = of.seen.or(Some(second));
        if sign == billing && !self.settled.contains(&bid) {
            self.settled.push(bid);
            let fee = nano(&self.facts.shops[shop]["fee_percent"]).unwrap_or(0) / 100;
            let cost = nearest(nearest(paid * i128::from(conversion.to), i128::from(conversion.from)), 1_000);
            of.billed = cost + nearest(cost * fee, ONE);
            of.held = 0;
            self.facts.counts[shop][campaign][0] += 1;
        }
        if sign == Sign::Click {
            self.facts.counts[shop][campaign][1] += 1;
        }
    }

    /// An exchange refuses a creative twenty times.
    fn suspend(&mut self) {
        let exchange = self.rng.below(2) as usize;
        let shop = self.rng.below(self.facts.shops.len() as u64) as usize;
        let of_world = self.rig.shop(self.facts.shops[shop]["id"].as_str().expect("an id"));
        let creative = self.rng.below(of_world.advertiser.creatives.len() as u64) as usize;
        let second = self.second();
        if self
            .facts
            .suspended
            .iter()
            .any(|s| (s.0, s.1, s.2) == (exchange, shop, creative) && second < s.3)
        {
            return;
        }
        let crid = of_world.advertiser.creatives[creative].crid_key;
        for _ in 0..20 {
            let now = Millis(self.now).to_secs();
            self.rig
                .state
                .approvals
                .hear(ExchangeNo(exchange as u8), crid, Heard::Refused, 202, now);
        }
        self.facts.suspended.push((exchange, shop, creative, second + 3_600));
    }

    /// The server is no longer ready, or no longer sound.
    pub fn down(&mut self, why: &'static str) {
        self.facts.down = Some(why);
        self.rig.state.status.set_ready(why != "not_ready");
        if why == "store_poisoned" {
            self.rig.state.status.poison();
        }
    }

    /// A request that is only asked, without anything happening.
    pub fn ask_again(&mut self) -> Asked {
        self.asked += 1;
        request::request(&mut self.rng, &self.facts, self.now)
    }
}

fn nano_text(price: &serde_json::value::RawValue) -> i128 {
    Money::parse(price.get()).expect("a price").0
}
