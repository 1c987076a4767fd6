//! How well a cap is kept and used: days of shoppers on virtual time, with notices that come late or never,
//! against a clairvoyant who knows which bids would win.
//!
//! Every notice is late or lost by itself, one in twenty. The clairvoyant shows each shopper as many of the
//! winnable impressions as the cap allows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use winback::base::id::BidTag;
use winback::base::time::Millis;
use winback::model::outcome::{Outcome, Pick};
use winback::model::ticket::Ticket;
use winback::track::events::{self, Sender};
use winback::track::fact::{Evidence, Fact, Paid, Sign};
use winback::track::notice::{self, Opened};

use crate::bench_rig::{NOWHERE, Rig, item};
use crate::figures::Figures;
use crate::game::rng::Rng;
use crate::storm::server::Server;

const CAP: usize = 3;
const SHOPPERS: usize = 2_000;
/// A morning in UTC, so that a whole waking day is one day.
const START: Millis = Millis(1_781_071_200_000);
/// Notices of a hundred that are late or lost, as many of each.
const BAD_PERCENT: u64 = 5;
/// Exchanges tell of so many losses in a hundred.
const TOLD_LOSSES_PERCENT: u64 = 60;
const OVER_PERCENT_MAX: f64 = 1.0;
const DELIVERY_PERCENT_MIN: f64 = 80.0;

/// A request on its way, and whether a bid on it would win.
#[derive(Clone, Copy)]
struct Offer {
    user: usize,
    page: u64,
    spot: u64,
    wins: bool,
}

enum News {
    Asked(Offer),
    Sign(usize, Sign),
    Lost(usize),
}

/// All shoppers' day.
struct Day {
    server: Server,
    rng: Rng,
    news: BTreeMap<(i64, u64), News>,
    sent: u64,
    bids: Vec<(Ticket, BidTag)>,
    winnable: Vec<usize>,
    shown: Vec<usize>,
    requests: usize,
    bad_percent: u64,
    bad: usize,
}

/// What came of it.
struct Came {
    over_percent: f64,
    delivery_percent: f64,
    counts: String,
    bids: usize,
    bad: usize,
}

fn server() -> Server {
    let doc = json!({"public": {"url": "https://ads.example"}, "exchanges": [{"id": "x"}], "privacy": {"gdpr_when_unknown": false}});
    let mut rig = Rig::new(&doc, Path::new(NOWHERE)).expect("a sound server config");
    let shop = json!({
        "version": 1, "id": "acme", "name": "Acme", "domain": "acme.example", "site_key": "acme-web",
        "audiences": [{"id": "cart", "include": [{"state": "cart", "within": "30d"}]}],
        "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250]]}],
        "campaigns": [{"id": "back", "audiences": ["cart"], "creatives": ["card"], "bid": {"type": "cpm", "amount": 5},
            "budget": {"total": 1_000_000, "pacing": "asap"}, "frequency": [{"max": CAP, "per": "1d"}]}],
    });
    rig.add(&shop, &[item(&json!({"id": "boot"}), "acme.example", "USD")])
        .expect("a shop");
    Server::new(Arc::new(rig.world))
}

impl Day {
    fn new(win_percent: u64, bad_percent: u64) -> Day {
        let mut day = Day {
            server: server(),
            rng: Rng(win_percent),
            news: BTreeMap::new(),
            sent: 0,
            bids: Vec::new(),
            winnable: vec![0; SHOPPERS],
            shown: vec![0; SHOPPERS],
            requests: 0,
            bad_percent,
            bad: 0,
        };
        for user in 0..SHOPPERS {
            day.met(user);
            day.browses(user, win_percent);
        }
        day
    }

    /// The shopper leaves something in a cart.
    fn met(&mut self, user: usize) {
        let world = self.server.world.clone();
        let body = json!({"user": {"exchange_ids": {"x": format!("u{user}")}}, "events": [{"event": "add_to_cart", "items": [{"item_id": "boot"}]}]});
        let name = format!("made-{user}");
        let fresh = (world.hashes.user(name.as_bytes()), name);
        let shop = world.shop_by_id("acme").expect("a shop");
        let read = events::read(&world, shop, &Sender::Server, &body.to_string(), START, fresh).expect("a batch");
        assert!(self.server.record(&[Fact::Events(read.batch.expect("events"))], START));
    }

    /// A few visits to other sites: pages one after the other, each with some places for ads.
    fn browses(&mut self, user: usize, win_percent: u64) {
        let mut at = START.0 + 60_000;
        for visit in 0..2 + self.rng.below(3) {
            at += (1 + self.rng.below(180)) as i64 * 60_000;
            for page in 0..4 + self.rng.below(8) {
                at += 6_000 + self.rng.below(50_000) as i64;
                for spot in 0..1 + self.rng.below(4) {
                    let wins = self.rng.chance(win_percent);
                    self.winnable[user] += usize::from(wins);
                    let page = visit << 8 | page;
                    let soon = self.rng.below(300) as i64;
                    // One in four impressions is also offered by another way, and sold by one of the two.
                    if self.rng.chance(25) {
                        let other = self.rng.below(1_500) as i64;
                        self.send(
                            at + other,
                            News::Asked(Offer {
                                user,
                                page,
                                spot,
                                wins: false,
                            }),
                        );
                    }
                    self.send(at + soon, News::Asked(Offer { user, page, spot, wins }));
                }
            }
        }
    }

    fn send(&mut self, at: i64, news: News) {
        self.sent += 1;
        self.news.insert((at, self.sent), news);
    }

    /// A notice: in a moment, or late, or never.
    fn notify(&mut self, at: i64, news: News) {
        let soon = 50 + self.rng.below(300) as i64;
        match self.rng.below(200) {
            n if n < self.bad_percent => self.bad += 1,
            n if n < 2 * self.bad_percent => {
                self.bad += 1;
                let late = 5_000 + self.rng.below(55_000) as i64;
                self.send(at + late, news);
            }
            _ => self.send(at + soon, news),
        }
    }

    fn play(mut self) -> Came {
        while let Some(((at, _), news)) = self.news.pop_first() {
            match news {
                News::Asked(offer) => self.ask(at, offer),
                News::Sign(bid, sign) => self.sign(at, bid, sign),
                News::Lost(bid) => self.lose(at, bid),
            }
        }
        let over = self.shown.iter().filter(|shown| **shown > CAP).count();
        let within: usize = self.shown.iter().map(|shown| (*shown).min(CAP)).sum();
        let possible: usize = self.winnable.iter().map(|winnable| (*winnable).min(CAP)).sum();
        let percent = |part: usize, whole: usize| (part * 10_000 / whole.max(1)) as f64 / 100.0;
        Came {
            over_percent: percent(over, SHOPPERS),
            delivery_percent: percent(within, possible),
            counts: format!(
                "{SHOPPERS} user-days, {} requests, {} bids, {} notices late or lost, {within} of {possible} shown, {over} over",
                self.requests,
                self.bids.len(),
                self.bad
            ),
            bids: self.bids.len(),
            bad: self.bad,
        }
    }

    fn ask(&mut self, at: i64, offer: Offer) {
        let Offer { user, page, spot, wins } = offer;
        self.requests += 1;
        let body = format!(
            r#"{{"id": "r", "at": 1, "imp": [{{"id": "1", "tagid": "s{spot}", "banner": {{"format": [{{"w": 300, "h": 250}}]}}}}],
            "site": {{"domain": "news.example", "page": "https://news.example/{page}"}}, "user": {{"id": "u{user}"}}}}"#
        );
        if !matches!(self.server.bid(0, &body, Millis(at), |_| {}).0, Outcome::Bid { .. }) {
            return;
        }
        let pick = self.server.scratch.picks[0];
        let bid = self.bids.len();
        self.bids.push((ticket(&pick), pick.tag));
        if !wins {
            if self.rng.chance(TOLD_LOSSES_PERCENT) {
                self.notify(at + 100, News::Lost(bid));
            }
            return;
        }
        self.shown[user] += 1;
        self.notify(at + 100, News::Sign(bid, Sign::Win));
        // One in ten takes its time to appear.
        let shown = if self.rng.chance(10) {
            3_000 + self.rng.below(20_000)
        } else {
            300 + self.rng.below(2_500)
        };
        for sign in [Sign::Bill, Sign::Pixel] {
            self.notify(at + shown as i64, News::Sign(bid, sign));
        }
    }

    fn sign(&mut self, at: i64, bid: usize, sign: Sign) {
        let (ticket, tag) = self.bids[bid];
        let evidence = Evidence {
            sign,
            ticket,
            tag,
            paid: Paid::Price(ticket.price),
            at: Millis(at).to_secs(),
            ms: 0,
            invalid: None,
        };
        assert!(self.server.record(&[Fact::Evidence(evidence)], Millis(at)));
    }

    fn lose(&mut self, at: i64, bid: usize) {
        let (ticket, tag) = self.bids[bid];
        let further = Default::default();
        let opened = Opened { ticket, further, tag };
        notice::lose(&self.server.world, &self.server.state, &opened, Millis(at).to_secs());
    }
}

/// What the token of a bid says.
fn ticket(pick: &Pick) -> Ticket {
    Ticket {
        exchange: pick.exchange,
        advertiser: pick.advertiser,
        campaign: pick.campaign,
        creative: pick.creative,
        user: pick.user,
        product: pick.product,
        at: pick.at,
        hold_s: u16::try_from(pick.hold_s).expect("minutes"),
        ..Ticket::priced(pick.price, winback::base::money::Conversion { from: 1, to: 1 })
    }
}

#[test]
fn caps_are_kept_and_used() {
    let mut figures = Figures::new();
    let came: Vec<(u64, Came)> = std::thread::scope(|scope| {
        let day = |percent, bad| (percent, scope.spawn(move || Day::new(percent, bad).play()));
        // In the last no notice comes in time: caps cannot be kept, which must be seen.
        let days = [day(5, BAD_PERCENT), day(10, BAD_PERCENT), day(20, BAD_PERCENT), day(20, 100)];
        days.map(|(percent, day)| (percent, day.join().expect("a day"))).into()
    });
    let (blind, came) = came.split_last().expect("days");
    for (percent, came) in came {
        println!("{percent} % of bids win: {}", came.counts);
        figures.at_most(&format!("frequency.over_percent_{percent}"), came.over_percent, OVER_PERCENT_MAX);
        let name = format!("frequency.delivery_percent_{percent}");
        match percent {
            10 => figures.at_least(&name, came.delivery_percent, DELIVERY_PERCENT_MIN),
            _ => figures.judge(&name, came.delivery_percent, "-", true),
        }
    }
    figures.at_least("frequency.over_percent_without_notices", blind.1.over_percent, 10.0);
    figures.at_least("frequency.bids", came.iter().map(|(_, came)| came.bids).sum::<usize>(), 50_000);
    figures.at_least("frequency.bad_notices", came.iter().map(|(_, came)| came.bad).sum::<usize>(), 2_000);
    figures.settle();
}
