//! One storm: shoppers ask and buy, an exchange sells and charges, signs come late, twice, in any order or
//! never, the disk fails and the server dies, on virtual time, from one seed.

mod look;
mod shopper;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use serde::Deserialize;
use winback::base::id::UserKey;
use winback::base::money::Money;
use winback::base::seal::Audience;
use winback::base::time::Millis;
use winback::model::outcome::{NoBid, Outcome};
use winback::track::events::{self, Sender};
use winback::track::fact::{Fact, Sign};
use winback::track::notice::{self, Opened};

use super::model::{Bid, Model, Told};
use super::server::{Fault, Server};
use super::tally::Tally;
use super::world::{BILLING, Setting};
use crate::game::rng::{Rng, one};

const SHOPPERS: u64 = 24;
/// The writer commits this often without facts.
const TICK_MS: i64 = 250;
/// After this long without news everything is settled.
const CALM_MS: i64 = 50 * 3_600_000;
/// As late as the contract says that evidence may be.
const LATE_MS: u64 = 60_000;

/// What is on its way to the server, or about to happen at the exchange.
#[derive(Clone, Debug)]
enum News {
    Sign { bid: usize, sign: Sign, sent: i64 },
    Loss { bid: usize },
    Shown { bid: usize },
    Told { told: Told, body: String },
}

#[derive(Deserialize)]
struct Answer {
    seatbid: Vec<Seat>,
}

#[derive(Deserialize)]
struct Seat {
    bid: Vec<Answered>,
}

#[derive(Deserialize)]
struct Answered {
    burl: String,
}

struct Storm<'a> {
    setting: &'a Setting,
    server: Server,
    model: Model<'a>,
    rng: Rng,
    now: i64,
    /// The last commit that was written.
    committed: i64,
    news: BTreeMap<(i64, u64), News>,
    sent: u64,
    paid: Vec<i128>,
    last_sent: BTreeMap<usize, i64>,
    orders: Vec<(usize, usize, u64)>,
    tally: Tally,
    /// Impressions without a hold that the servers before this one counted.
    cap_late: u64,
    /// Impressions may come after their hold has lapsed.
    is_slow: bool,
}

/// Plays a storm of so many steps.
pub fn play(setting: &Setting, is_slow: bool, seed: u64, steps: usize) -> Tally {
    let mut storm = Storm {
        setting,
        server: Server::new(setting.world.clone()),
        model: Model::new(setting),
        rng: Rng(seed),
        now: setting.start.0,
        committed: setting.start.0,
        news: BTreeMap::new(),
        sent: 0,
        paid: Vec::new(),
        last_sent: BTreeMap::new(),
        orders: Vec::new(),
        tally: Tally::default(),
        cap_late: 0,
        is_slow,
    };
    for user in 0..SHOPPERS as usize {
        for shop in 0..3 {
            storm.tell(user, shop, "add_to_cart");
        }
    }
    for _ in 0..steps {
        storm.step();
    }
    storm.calm();
    storm.tally
}

impl<'a> Storm<'a> {
    fn step(&mut self) {
        let pause = one(&mut self.rng, &[120, 900, 2_500, 6_000, 20_000, 90_000]);
        let pause = if self.rng.chance(1) { 40 * 60_000 } else { pause };
        let until = self.now + 1 + self.rng.below(pause) as i64;
        self.deliver(until);
        self.now = until;
        if self.now - self.committed >= TICK_MS {
            self.record(Vec::new());
        }
        match self.rng.below(1_000) {
            0..2 => self.crash(),
            2..4 => self.server.disk.fault = Some(one(&mut self.rng, &[Fault::Refused, Fault::Unsaid])),
            4..80 => {
                let (user, shop) = (self.rng.below(SHOPPERS) as usize, self.rng.below(3) as usize);
                let event = one(&mut self.rng, &["view_item", "add_to_cart", "purchase", "purchase", "refund"]);
                self.tell(user, shop, event);
            }
            _ => self.ask(),
        }
        if self.rng.chance(2) {
            self.check();
        }
    }

    fn send(&mut self, after: u64, news: News) {
        self.sent += 1;
        self.news.insert((self.now + after as i64, self.sent), news);
    }

    /// Sends over a bad line: late, never or twice.
    fn transmit(&mut self, news: News) {
        if self.rng.chance(3) {
            return self.tally.count("lost", 1);
        }
        let after = self.after();
        self.send(after, news.clone());
        if self.rng.chance(1) {
            self.tally.count("doubled", 1);
            let after = self.after();
            self.send(after, news);
        }
    }

    fn after(&mut self) -> u64 {
        if self.rng.chance(5) {
            self.tally.count("late", 1);
            return 5_000 + self.rng.below(LATE_MS - 5_001);
        }
        50 + self.rng.below(900)
    }

    fn ask(&mut self) {
        let user = self.rng.below(SHOPPERS) as usize;
        let exchange = self.rng.below(3) as usize;
        let (w, h) = one(&mut self.rng, &[(300, 250), (300, 250), (728, 90)]);
        let (page, spot) = (self.rng.below(3), self.rng.below(2));
        let imps: Vec<String> = (0..1 + self.rng.below(2))
            .map(|n| {
                format!(
                    r#"{{"id": "{n}", "tagid": "s{}", "banner": {{"format": [{{"w": {w}, "h": {h}}}]}}}}"#,
                    spot + n
                )
            })
            .collect();
        let body = format!(
            r#"{{"id": "r", "at": 1, "imp": [{}], "site": {{"domain": "news.example", "page": "https://news.example/{page}"}},
            "device": {{"devicetype": 2, "geo": {{"country": "USA"}}}}, "user": {{"id": "u{user}"}}}}"#,
            imps.join(",")
        );
        self.tally.count("requests", 1);
        // Now and then something that the decision depends on changes before it takes effect.
        let meanwhile = self.rng.chance(20).then(|| self.pending_sign_of(user)).flatten();
        let mut done = false;
        let (setting, now) = (self.setting, Millis(self.now));
        let facts = meanwhile.map(|(_, bid, sign)| [self.evidence(bid, sign)]);
        let (outcome, stale) = self.server.bid(exchange, &body, now, |server| {
            if let Some(facts) = facts.as_ref().filter(|_| !done) {
                done = server.disk.fault.is_none() && server.record(facts, now);
            }
        });
        self.tally.count("stale", usize::from(stale > 0));
        if let (true, Some((key, bid, sign))) = (done, meanwhile) {
            self.news.remove(&key);
            self.committed = self.now;
            self.model.overdue(self.now);
            self.apply_sign(bid, sign);
        }
        match outcome {
            Outcome::Bid { .. } => self.bidden(setting, user, exchange, page, spot),
            Outcome::NoBid(_) => {}
        }
    }

    /// A sign on its way of a bid for a user.
    fn pending_sign_of(&self, user: usize) -> Option<((i64, u64), usize, Sign)> {
        self.news.iter().find_map(|(key, news)| match news {
            News::Sign { bid, sign, .. } if self.model.bids[*bid].user == user => Some((*key, *bid, *sign)),
            _ => None,
        })
    }

    /// Notes the bids of the answer, after a look at whether they might be made; the auction is held.
    fn bidden(&mut self, setting: &'a Setting, user: usize, exchange: usize, page: u64, spot: u64) {
        let answer: Answer = serde_json::from_slice(&self.server.scratch.out).expect("an answer");
        let picks = self.server.scratch.picks.clone();
        for answered in answer.seatbid.iter().flat_map(|seat| &seat.bid) {
            let path = answered.burl.split('?').next().unwrap_or_default();
            let token = path.rsplit('/').next().unwrap_or_default();
            let opened = notice::open(&setting.world, Audience::Notice, token).expect("our own token");
            let pick = picks.iter().find(|pick| pick.tag == opened.tag).expect("a pick");
            let is_it = |id: &str| {
                setting
                    .world
                    .shop_by_id(id)
                    .is_some_and(|shop| shop.advertiser.no == pick.advertiser)
            };
            let bid = Bid {
                opened,
                user,
                shop: setting.shops.iter().position(|shop| is_it(shop.id)).expect("a shop"),
                exchange,
                campaign: pick.campaign,
                creative: pick.creative,
                place: format!("{page}/{}/{}", spot + u64::from(pick.imp), self.size_of(pick.creative)),
                made: self.now,
                lapses: self.now + i64::from(pick.cap_hold_s) * 1_000,
                price: opened.ticket.price.0,
                hold: pick.hold.full.0,
                charged: None,
                holding: pick.cap_hold_s > 0,
                forgotten: false,
                signs: 0,
                seen: None,
                clicked: None,
                settled: None,
            };
            if let Some(over) = self.model.over(&bid) {
                self.tally.broke("caps", over);
            }
            let bid = self.model.bid(bid);
            self.auction(bid);
        }
    }

    /// A creative is of one size, so it says which one was asked for.
    fn size_of(&self, creative: winback::base::id::CreativeNo) -> u8 {
        creative.0
    }

    fn auction(&mut self, bid: usize) {
        self.tally.count("bids", 1);
        let price = self.model.bids[bid].price;
        // In steps of a thousandth of a cent, as exchanges write prices.
        let paid = price * i128::from(40 + self.rng.below(61)) / 100 / 10_000 * 10_000;
        self.paid.push(paid);
        if !self.rng.chance(40) {
            self.tally.count("losses", 1);
            if self.rng.chance(80) {
                self.transmit(News::Loss { bid });
            }
            return;
        }
        self.tally.count("wins", 1);
        let sent = self.now;
        self.transmit(News::Sign {
            bid,
            sign: Sign::Win,
            sent,
        });
        if BILLING[self.model.bids[bid].exchange] == Sign::Win {
            self.charge(bid);
        }
        if self.rng.chance(97) {
            let shown_after = match self.rng.below(100) {
                0..90 => 200 + self.rng.below(3_000),
                // The exchange was told to show it within five minutes.
                _ if !self.is_slow => 3_000 + self.rng.below(290_000),
                _ => 3_000 + self.rng.below(1_800_000),
            };
            self.send(shown_after, News::Shown { bid });
        }
    }

    fn charge(&mut self, bid: usize) {
        let (_, billed) = self.model.cost(bid, self.paid[bid]);
        self.model.bids[bid].charged = Some(billed);
    }

    fn shown(&mut self, bid: usize) {
        self.charge(bid);
        self.tally.count("shown", 1);
        let sent = self.now;
        let mut signs = vec![Sign::Bill, Sign::Pixel];
        if self.rng.chance(6) {
            signs.push(Sign::Click);
        }
        for sign in signs {
            self.transmit(News::Sign { bid, sign, sent });
        }
    }

    /// All news until then, at their times, in batches.
    fn deliver(&mut self, until: i64) {
        while let Some((at, _)) = self.news.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            let most = 1 + self.rng.below(8) as usize;
            let mut batch = Vec::new();
            while batch.len() < most
                && let Some(entry) = self.news.first_entry()
                && entry.key().0 <= self.now
            {
                match entry.remove() {
                    News::Shown { bid } => self.shown(bid),
                    News::Loss { bid } => self.lose(bid),
                    news => batch.push(news),
                }
            }
            self.record(batch);
        }
    }

    fn lose(&mut self, bid: usize) {
        let now = Millis(self.now).to_secs();
        notice::lose(&self.server.world, &self.server.state, &self.model.bids[bid].opened, now);
        self.model.lose(bid);
    }

    fn evidence(&self, bid: usize, sign: Sign) -> Fact {
        let opened: Opened = self.model.bids[bid].opened;
        let query = format!("price={}", Money(self.paid[bid]));
        Fact::Evidence(notice::evidence(&self.server.world, sign, opened, Some(&query), Millis(self.now)))
    }

    /// Commits news together; what is not acknowledged is sent again, to a server that starts anew.
    fn record(&mut self, batch: Vec<News>) {
        let facts: Vec<Fact> = batch.iter().filter_map(|news| self.fact(news)).collect();
        let fault = self.server.disk.fault;
        let is_said = self.server.record(&facts, Millis(self.now));
        let is_written = is_said || (fault == Some(Fault::Unsaid) && self.server.disk.fault.is_none());
        if is_written {
            self.committed = self.now;
            let late = self.model.late;
            self.model.overdue(self.now);
            for news in &batch {
                match news {
                    News::Sign { bid, sign, sent } => {
                        let last = self.last_sent.insert(*bid, *sent);
                        self.tally.count("reordered", usize::from(last.is_some_and(|last| last > *sent)));
                        self.apply_sign(*bid, *sign);
                    }
                    News::Told { told, .. } => self.model.told(told, self.now),
                    _ => {}
                }
            }
            // What was written and not said never reached the memory that counts.
            self.model.late = if is_said { self.model.late } else { late };
        }
        if !is_said {
            self.tally.count(if is_written { "unsaid" } else { "refused" }, 1);
            let ends = matches!(
                self.server.bid(0, "{}", Millis(self.now), |_| {}).0,
                Outcome::NoBid(NoBid::StorePoisoned)
            );
            if !ends {
                self.tally.broke("poison", "a poisoned server answers".to_owned());
            }
            self.restart(is_written);
            for news in batch {
                let after = 500 + self.rng.below(5_000);
                self.tally.count("retried", 1);
                self.send(after, news);
            }
        }
    }

    fn fact(&self, news: &News) -> Option<Fact> {
        match news {
            News::Sign { bid, sign, .. } => Some(self.evidence(*bid, *sign)),
            News::Told { told, body } => {
                let world = &self.server.world;
                let shop = world.shop_by_id(self.setting.shops[told.shop].id).expect("a shop");
                let fresh = (UserKey(1), "nobody".to_owned());
                let read = events::read(world, shop, &Sender::Server, body, Millis(self.now), fresh).expect("a batch");
                assert!(read.rejected.is_empty(), "{:?}", read.rejected);
                read.batch.map(Fact::Events)
            }
            News::Loss { .. } | News::Shown { .. } => None,
        }
    }

    fn apply_sign(&mut self, bid: usize, sign: Sign) {
        self.model.sign(bid, sign, self.paid[bid], self.now);
    }

    fn crash(&mut self) {
        self.tally.count("crashes", 1);
        self.restart(false);
    }

    /// The server ends and starts again; unless the last commit was written and not said, both know the same.
    fn restart(&mut self, is_ahead: bool) {
        let before = self.server.crash(Millis(self.now));
        self.cap_late += before.cap_late.load(Relaxed);
        self.model.crash(self.committed);
        if !is_ahead {
            let books: Vec<_> = self
                .setting
                .shops
                .iter()
                .flat_map(|shop| shop.campaigns.iter().chain([&shop.own]))
                .map(|b| b.no)
                .collect();
            for found in self.server.differences(&before, &books, Millis(self.now)) {
                self.tally.broke("reload", found);
            }
        }
        self.check();
    }

    /// Whatever is on its way arrives, whatever waits is settled, and everything is looked at.
    fn calm(&mut self) {
        while let Some((at, _)) = self.news.last_key_value().map(|(key, _)| *key) {
            self.deliver(at);
        }
        self.server.disk.fault = None;
        self.now += if self.is_slow { CALM_MS } else { 400_000 };
        self.record(Vec::new());
        self.check();
        self.check_facts();
        self.restart(false);
        self.check_facts();
        self.tally.count("lapsed", self.model.lapsed);
        self.tally.count("cap_late", self.model.late);
        self.tally.count("capped", self.server.held_back.capped);
        self.tally.count("broke", self.server.held_back.broke);
        let orders: u64 = self.model.days.values().map(|row| row.conversions).sum();
        self.tally.count("conversions", orders as usize);
        if self.cap_late != self.model.late as u64 {
            let detail = format!("{} counted without a hold, {} is right", self.cap_late, self.model.late);
            self.tally.broke("late", detail);
        }
        self.check_budgets();
    }
}
