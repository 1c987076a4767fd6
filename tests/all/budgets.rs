//! Budgets over whole days of virtual time: none is overspent on the exchange's own ledger, and what the
//! traffic can fund is spent, whatever happens at noon.
//!
//! Twenty campaigns of ten shops; an exchange that charges what it charges, and whose signs come up to a minute
//! late, are lost and come twice, each independently. `BUDGET_REQUESTS` says how many requests a day has: the
//! bounds that are promised are held to with a million, where chance no longer blurs them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde_json::{Value, json};
use winback::base::id::{CampaignNo, ExchangeNo};
use winback::base::money::Round;
use winback::base::seal::Audience;
use winback::base::time::Millis;
use winback::bid::{Ask, Scratch, Silent, decide};
use winback::model::outcome::{Outcome, Pick};
use winback::openrtb::response::Form;
use winback::state::holds::{Limits, Refused, commit};
use winback::track::fact::{Fact, Sign};
use winback::track::notice::{self, Opened};

use crate::bench_rig::{NOWHERE, Rig, item};
use crate::figures::Figures;
use crate::game::rng::Rng;

const SHOPS: u64 = 10;
const USERS: u64 = 3_000;
const REQUESTS: u64 = 60_000;
const REQUESTS_FULL: u64 = 1_000_000;
/// Of a hundred bids, so many are won at the price that campaigns bid without any pacing.
const WON_PERCENT: f64 = 10.0;
const LOST_PERCENT: u64 = 3;
const DOUBLED_PERCENT: u64 = 1;
const LATE_MS_MAX: u64 = 60_000;

/// What happens at noon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noon {
    Nothing,
    /// Every budget becomes a quarter larger.
    Edit,
    /// Every second campaign pauses for an hour.
    Pause,
    /// The process dies.
    Kill,
}

/// What a campaign may spend on the day.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Of what its traffic would cost it, so much, in hundredths.
    percent: u64,
    pacing: &'static str,
    /// The whole budget of a flight of so many days, rather than a day's.
    days: Option<u64>,
}

/// By campaign of a shop, over and over.
const PLANS: [Plan; 4] = [
    Plan {
        percent: 40,
        pacing: "even",
        days: None,
    },
    Plan {
        percent: 25,
        pacing: "asap",
        days: None,
    },
    Plan {
        percent: 15,
        pacing: "even",
        days: Some(1),
    },
    Plan {
        percent: 900,
        pacing: "even",
        days: None,
    },
];

struct Exchange {
    rig: Rig,
    rng: Rng,
    scratch: Scratch,
    now: i64,
    /// Signs under way: when they arrive, in which order, and what they say.
    signs: BinaryHeap<Reverse<(i64, u64)>>,
    said: BTreeMap<u64, (Sign, Opened, String)>,
    sent: u64,
    charged: BTreeMap<CampaignNo, i128>,
    bids: u64,
    wins: u64,
}

impl Exchange {
    fn new(day: &str, requests: u64) -> Exchange {
        let server = json!({
            "public": {"url": "https://ads.example"},
            "currencies": {"base": "USD", "rates": {}},
            "exchanges": [{"id": "x", "seat": "winback"}],
            "privacy": {"gdpr_when_unknown": false},
            "invalid_traffic": null,
        });
        let mut rig = Rig::new(&server, NOWHERE.as_ref()).unwrap_or_else(|faults| panic!("{faults:?}"));
        for shop in 0..SHOPS {
            let domain = format!("shop{shop}.example");
            let document = advertiser(shop, requests, day, 100);
            rig.add(&document, &[item(&json!({"id": "sku"}), &domain, "USD")])
                .unwrap_or_else(|faults| panic!("{faults:?}"));
        }
        let midnight: jiff::Zoned = format!("{day}T00:00[America/New_York]").parse().expect("a day");
        let now = midnight.timestamp().as_millisecond();
        for user in 0..USERS {
            for shop in [user % SHOPS, (user / SHOPS + user + 1) % SHOPS] {
                let event = json!({"event": "add_to_cart", "items": [{"item_id": "sku", "price": 50}]});
                let batch = json!({"user": {"exchange_ids": {"x": format!("u{user}")}}, "events": [event]});
                assert_eq!(rig.tell(&format!("shop{shop}"), &batch, Millis(now - 3_600_000)), 0);
            }
        }
        Exchange {
            rig,
            rng: Rng(7),
            scratch: Scratch::default(),
            now,
            signs: BinaryHeap::new(),
            said: BTreeMap::new(),
            sent: 0,
            charged: BTreeMap::new(),
            bids: 0,
            wins: 0,
        }
    }

    fn ask(&mut self) {
        let user = self.rng.below(USERS);
        let body = json!({
            "id": "r", "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, "tagid": format!("t{}", self.rng.below(1 << 40))}],
            "site": {"domain": "news.example", "page": "https://news.example/a"}, "device": {"ua": "Mozilla/5.0"},
            "user": {"id": format!("u{user}")}, "tmax": 120,
        });
        let body = body.to_string();
        let ask = Ask {
            exchange: ExchangeNo(0),
            body: body.as_bytes(),
            form: Form::Json,
            now: Millis(self.now),
            waited_ms: 0,
            seed: u128::from(self.rng.below(u64::MAX)) << 64 | u128::from(self.sent),
            barred: None,
            inert: false,
        };
        let outcome = decide(&self.rig.world, &self.rig.state, &ask, &mut self.scratch, &mut Silent);
        for book in self.scratch.chances() {
            self.rig.state.books.chance(*book);
        }
        let Outcome::Bid { epoch, .. } = outcome else { return };
        let world = &self.rig.world;
        let limits = |pick: &Pick| {
            let shop = &world.shop(pick.advertiser).expect("a shop").advertiser;
            Limits {
                campaign: shop.campaigns[pick.campaign_index as usize].budget,
                advertiser: shop.budget,
                day: Millis(self.now).local_day(&shop.timezone),
            }
        };
        match commit(&self.rig.state, &self.scratch.picks, epoch, Millis(self.now), limits) {
            Ok(()) => self.auction(),
            Err(Refused::Budget(_)) => {}
            Err(Refused::Stale) => panic!("nobody else commits"),
        }
    }

    /// Sells the impression, to us or to others, and sends what there is to tell.
    fn auction(&mut self) {
        self.bids += 1;
        let pick = self.scratch.picks[0];
        // What others bid: one who bids twice as much wins nearly twice as often; more do in the afternoon.
        let scale = PRICE / -f64::ln(1.0 - WON_PERCENT / 100.0);
        let part = self.rng.below(1 << 30) as f64 / f64::from(1 << 30);
        let others = -f64::ln(1.0 - part) * scale;
        if others >= pick.price.0 as f64 / 1e9 {
            return;
        }
        self.wins += 1;
        let cost = pick.price.per_impression(Round::Nearest).0;
        *self.charged.entry(pick.campaign).or_default() += cost;
        let answer: Value = serde_json::from_slice(&self.scratch.out).expect("an answer");
        let burl = answer["seatbid"][0]["bid"][0]["burl"].as_str().expect("a burl");
        let token = burl.rsplit_once('/').map_or("", |(_, token)| token.split('?').next().unwrap_or(""));
        let opened = notice::open(&self.rig.world, Audience::Notice, token).expect("our own token");
        for sign in [Sign::Win, Sign::Bill, Sign::Pixel] {
            let times = if self.rng.chance(DOUBLED_PERCENT) { 2 } else { 1 };
            for _ in 0..times {
                let at = self.now + 1 + self.rng.below(LATE_MS_MAX) as i64;
                if !self.rng.chance(LOST_PERCENT) {
                    self.sent += 1;
                    self.signs.push(Reverse((at, self.sent)));
                    self.said.insert(self.sent, (sign, opened, format!("price={}", pick.price)));
                }
            }
        }
    }

    /// Lets a second pass, and all that arrives in it.
    fn second(&mut self) {
        while let Some(Reverse((at, no))) = self.signs.peek().copied().filter(|Reverse((at, _))| *at < self.now + 1_000) {
            self.signs.pop();
            let (sign, opened, query) = self.said.remove(&no).expect("said once");
            let evidence = notice::evidence(&self.rig.world, sign, opened, Some(&query), Millis(at));
            self.rig.record(Fact::Evidence(evidence), Millis(at));
        }
        self.rig.tick(Millis(self.now));
        self.now += 1_000;
    }
}

/// CPM that campaigns bid without any pacing: the rule's amount, shaded.
const PRICE: f64 = 1.6;

/// A shop with two campaigns whose budgets are parts of what its traffic would cost it, `raised` hundredths of
/// them.
fn advertiser(shop: u64, requests: u64, day: &str, raised: u64) -> Value {
    // Shoppers are of two shops each, and one of them bids; a tenth of the bids is won.
    let traffic = requests as f64 / SHOPS as f64 * (WON_PERCENT / 100.0) * PRICE / 1_000.0;
    let campaign = |n: u64| {
        let plan = plan(shop, n);
        let amount = format!("{:.6}", traffic * (plan.percent * raised) as f64 / 10_000.0);
        let mut campaign = json!({
            "id": format!("c{n}"), "audiences": ["cart"], "bid": {"type": "cpm", "amount": 2},
            "frequency": [], "creatives": ["card"],
        });
        campaign["budget"] = match plan.days {
            None => json!({"daily": amount, "pacing": plan.pacing}),
            Some(_) => json!({"total": amount, "pacing": plan.pacing}),
        };
        if plan.days.is_some() {
            let next: jiff::civil::Date = day.parse().expect("a day");
            let next = next.tomorrow().expect("a day after");
            campaign["flight"] = json!({"start": format!("{day}T00:00:00"), "end": format!("{next}T00:00:00")});
        }
        campaign
    };
    json!({
        "version": 1, "id": format!("shop{shop}"), "name": "Shop", "domain": format!("shop{shop}.example"),
        "site_key": format!("shop{shop}-web"), "timezone": "America/New_York", "categories": ["IAB18-3"],
        "audiences": [{"id": "cart", "include": [{"state": "cart", "within": "30d"}]}],
        "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250]]}],
        "campaigns": [campaign(0), campaign(1)],
    })
}

/// Requests in a second: a third as many at night as in the evening.
fn rate(second: f64, requests: u64) -> f64 {
    let hour = second / 3_600.0;
    let shape = 1.0 - 0.5 * f64::cos((hour - 4.0) / 24.0 * std::f64::consts::TAU);
    requests as f64 / 86_400.0 * shape
}

/// The largest share of any budget that was charged, and the smallest of those that traffic can fund.
fn play(day: &str, noon: Noon, requests: u64) -> (f64, f64) {
    let mut x = Exchange::new(day, requests);
    let begins = x.now;
    let midnight: jiff::Zoned = format!("{day}T00:00[America/New_York]").parse().expect("a day");
    let ends = midnight.tomorrow().expect("a day after").timestamp().as_millisecond();
    let replace = |x: &mut Exchange, change: &dyn Fn(u64, &mut Value)| {
        for shop in 0..SHOPS {
            let mut document = advertiser(shop, requests, day, if noon == Noon::Edit { 125 } else { 100 });
            change(shop, &mut document);
            let domain = format!("shop{shop}.example");
            x.rig
                .add(&document, &[item(&json!({"id": "sku"}), &domain, "USD")])
                .expect("read before");
        }
    };
    while x.now < ends {
        let second = (x.now - begins) / 1_000;
        match (noon, second) {
            (Noon::Edit, 43_200) => replace(&mut x, &|_, _| {}),
            (Noon::Pause, 43_200) => replace(&mut x, &|_, shop| shop["campaigns"][0]["status"] = json!("paused")),
            (Noon::Pause, 46_800) => replace(&mut x, &|_, _| {}),
            (Noon::Kill, 43_200) => x.rig.restart(Millis(x.now)),
            _ => {}
        }
        let due = rate(second as f64, requests);
        let more = u64::from(x.rng.below(1_000_000) < (due.fract() * 1e6) as u64);
        for _ in 0..due as u64 + more {
            x.ask();
        }
        x.second();
    }
    // What is still under way arrives.
    for _ in 0..600 {
        x.second();
    }
    judge(&x, day, noon)
}

/// A campaign of a shop, and its plan.
fn plan(shop: u64, n: u64) -> Plan {
    PLANS[((shop * 2 + n) % PLANS.len() as u64) as usize]
}

fn judge(x: &Exchange, day: &str, noon: Noon) -> (f64, f64) {
    let (mut most, mut least) = (0f64, f64::MAX);
    let mut lines = Vec::new();
    for no in 0..SHOPS {
        let shop = x.rig.shop(&format!("shop{no}"));
        for (n, c) in (0..).zip(&shop.advertiser.campaigns) {
            let budget = c.budget.daily.or(c.budget.total).expect("a budget").0;
            let share = x.charged.get(&c.no).copied().unwrap_or(0) as f64 / budget as f64;
            most = most.max(share);
            // What is many times the traffic's worth cannot be spent.
            if plan(no, n).percent < 100 {
                least = least.min(share);
            }
            lines.push(format!("{} {} {:.1} %", shop.advertiser.id, plan(no, n).pacing, share * 100.0));
        }
    }
    println!("{day} {noon:?}: {} bids, {} wins; {}", x.bids, x.wins, lines.join(", "));
    assert!(x.bids > 10_000 && x.wins > 800, "too few to tell: {} bids, {} wins", x.bids, x.wins);
    (most * 100.0, least * 100.0)
}

#[test]
fn no_budget_is_overspent_and_what_can_be_spent_is() {
    let requests = std::env::var("BUDGET_REQUESTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(REQUESTS);
    let mut figures = Figures::new();
    for (name, day, noon) in [
        ("day", "2026-06-10", Noon::Nothing),
        ("edit", "2026-06-10", Noon::Edit),
        ("pause", "2026-06-10", Noon::Pause),
        ("kill", "2026-06-10", Noon::Kill),
        ("short_day", "2026-03-08", Noon::Nothing),
        ("long_day", "2026-11-01", Noon::Nothing),
    ] {
        let (most, least) = play(day, noon, requests);
        // The smallest budgets of a day cut short are of a hundred impressions: three of them are as many per cent.
        let (over, under) = if requests >= REQUESTS_FULL { (100.5, 98.0) } else { (103.0, 95.0) };
        let (most_shown, least_shown) = (format!("{most:.2}"), format!("{least:.2}"));
        figures.judge(
            &format!("budgets.{name}_most_percent"),
            most_shown,
            format!("<={over:.2}"),
            most <= over,
        );
        figures.judge(
            &format!("budgets.{name}_least_percent"),
            least_shown,
            format!(">={under:.2}"),
            least >= under,
        );
    }
    figures.settle();
}
