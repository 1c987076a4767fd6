//! What must be true, counted by itself: every bid, sign, event and impression as plain lists, from which
//! caps, books, reports and conversions are added up without any part of the server.
//!
//! It is told what became durable, in order, and what the exchange charges; it never asks the server.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use winback::base::id::{CampaignNo, CreativeNo};
use winback::base::limits::NOTICE_LIFE;
use winback::base::money::{Money, NANOS};
use winback::base::time::{Day, Millis};
use winback::model::exposure::evidence::{BILL, CLICK, PIXEL, SETTLED, WIN};
use winback::state::{Buyer, DayRow};
use winback::track::fact::Sign;
use winback::track::notice::Opened;

use super::world::{BILLING, Book, Cap, Setting};

/// Bids for one place within this are one.
const SAME_PLACE_MS: i64 = 2_000;
const CLICK_S: i64 = 30 * 86_400;
const VIEW_S: i64 = 86_400;

/// One bid and all that came of it.
pub struct Bid {
    pub opened: Opened,
    pub user: usize,
    pub shop: usize,
    pub exchange: usize,
    pub campaign: CampaignNo,
    pub creative: CreativeNo,
    pub place: String,
    pub made: i64,
    pub lapses: i64,
    /// CPM in billionths, in dollars.
    pub price: i128,
    pub hold: i128,
    /// What the exchange charges of it, with the fee.
    pub charged: Option<i128>,
    /// Whether its frequency hold stands, but for its lapse.
    pub holding: bool,
    /// Whether a crash forgot its budget hold before it was written.
    pub forgotten: bool,
    pub signs: u8,
    /// Second and order of the first sign.
    pub seen: Option<(i64, usize)>,
    pub clicked: Option<i64>,
    /// What was booked, and whether its price was known.
    pub settled: Option<(i128, bool)>,
}

struct Order {
    campaign: CampaignNo,
    day: Date,
    earned_on: Date,
    value: i128,
    refunded: i128,
    is_void: bool,
}

/// An event of a shopper, as it is sent.
#[derive(Clone, Debug)]
pub struct Told {
    pub user: usize,
    pub shop: usize,
    pub event_id: u64,
    /// Of a purchase or refund: the order, and its value.
    pub order: Option<(u64, Option<i128>)>,
    pub is_refund: bool,
}

/// All of it.
pub struct Model<'a> {
    pub setting: &'a Setting,
    pub bids: Vec<Bid>,
    of_user: BTreeMap<usize, Vec<usize>>,
    waiting: BTreeSet<(i64, u64, usize)>,
    paid: [Vec<(i128, i128)>; 3],
    pub days: BTreeMap<(CampaignNo, Date), DayRow>,
    pub visits: BTreeMap<(usize, usize), u32>,
    events: BTreeSet<(usize, u64)>,
    bought: BTreeSet<(usize, u64)>,
    orders: BTreeMap<(usize, u64), Order>,
    sightings: usize,
    /// Impressions whose frequency hold had lapsed before any sign.
    pub lapsed: usize,
    /// Those, and whose hold a crash forgot or a later bid for the same place took over.
    pub late: usize,
}

/// The quotient nearest to the exact one, halves up; nothing here is negative.
fn nearest(a: i128, b: i128) -> i128 {
    (2 * a + b).div_euclid(2 * b)
}

const fn flag(sign: Sign) -> u8 {
    match sign {
        Sign::Win => WIN,
        Sign::Bill => BILL,
        Sign::Pixel => PIXEL,
        Sign::Click => CLICK,
    }
}

impl<'a> Model<'a> {
    pub fn new(setting: &'a Setting) -> Model<'a> {
        Model {
            setting,
            bids: Vec::new(),
            of_user: BTreeMap::new(),
            waiting: BTreeSet::new(),
            paid: [const { Vec::new() }; 3],
            days: BTreeMap::new(),
            visits: BTreeMap::new(),
            events: BTreeSet::new(),
            bought: BTreeSet::new(),
            orders: BTreeMap::new(),
            sightings: 0,
            lapsed: 0,
            late: 0,
        }
    }

    fn date(&self, shop: usize, ms: i64) -> Date {
        let at = Timestamp::from_millisecond(ms).expect("a time");
        at.to_zoned(self.setting.shops[shop].zone.clone()).date()
    }

    fn row(&mut self, campaign: CampaignNo, date: Date) -> &mut DayRow {
        self.days.entry((campaign, date)).or_default()
    }

    /// What a bid costs at a CPM, with the fee, in the shop's currency.
    pub fn cost(&self, bid: usize, cpm: i128) -> (i128, i128) {
        let bid = &self.bids[bid];
        let rate = bid.opened.ticket.conversion;
        let cost = nearest(nearest(cpm * i128::from(rate.to), i128::from(rate.from)), 1_000);
        (cost, cost + nearest(cost * self.setting.shops[bid.shop].fee, NANOS))
    }

    /// The cap that a bid would be over, were it made now beside what is known and under way.
    pub fn over(&self, bid: &Bid) -> Option<String> {
        let shop = &self.setting.shops[bid.shop];
        let campaign = shop.campaigns.iter().find(|c| c.no == bid.campaign).expect("its campaign");
        let counted = |cap: &Cap| {
            let of_shop = |other: &Bid| other.shop == bid.shop;
            let in_scope = |other: &Bid| match cap.scope {
                "campaign" => other.campaign == bid.campaign,
                "creative" => of_shop(other) && other.creative == bid.creative,
                _ => of_shop(other),
            };
            let now_s = bid.made.div_euclid(1_000);
            let seen = |other: &Bid| other.seen.is_some_and(|(at, _)| now_s - at < cap.per_s);
            let held = |other: &Bid| other.holding && other.lapses > bid.made && !is_again(other, bid);
            let others = self.of_user.get(&bid.user).into_iter().flatten().map(|at| &self.bids[*at]);
            others.filter(|other| in_scope(other) && (seen(other) || held(other))).count()
        };
        let caps = campaign.caps.iter().chain(&shop.own.caps);
        let over = caps.map(|cap| (cap, counted(cap))).find(|(cap, n)| *n >= cap.max)?;
        Some(format!("a bid of user {} beyond {:?}: {} already", bid.user, over.0, over.1))
    }

    /// Notes a bid that was committed.
    pub fn bid(&mut self, bid: Bid) -> usize {
        let at = self.bids.len();
        let of_user = self.of_user.entry(bid.user).or_default();
        for other in of_user.iter() {
            if self.bids[*other].holding && is_again(&self.bids[*other], &bid) {
                self.bids[*other].holding = false;
            }
        }
        of_user.push(at);
        self.bids.push(bid);
        at
    }

    /// A loss notice has come.
    pub fn lose(&mut self, bid: usize) {
        if self.bids[bid].seen.is_none() {
            self.bids[bid].holding = false;
        }
    }

    /// A crash forgets holds and shares, and the budget holds that no commit had written.
    pub fn crash(&mut self, committed_ms: i64) {
        self.paid = [const { Vec::new() }; 3];
        for bid in &mut self.bids {
            bid.holding = false;
            bid.forgotten |= bid.made >= committed_ms;
        }
    }

    /// A turn of the writer begins: impressions whose billing sign never came are booked.
    pub fn overdue(&mut self, now_ms: i64) {
        let now_s = now_ms.div_euclid(1_000);
        while let Some(first) = self.waiting.first().copied().filter(|(due, ..)| *due <= now_s) {
            self.waiting.remove(&first);
            if self.bids[first.2].settled.is_none() {
                self.settle(first.2, None);
            }
        }
    }

    /// A sign has become durable.
    pub fn sign(&mut self, at: usize, sign: Sign, paid: i128, now_ms: i64) {
        let now_s = now_ms.div_euclid(1_000);
        let (bill, bid) = (BILLING[self.bids[at].exchange], &mut self.bids[at]);
        let before = bid.signs;
        if before & flag(sign) != 0 {
            return;
        }
        bid.signs |= flag(sign);
        if bid.seen.is_none() {
            self.sightings += 1;
            bid.seen = Some((now_s, self.sightings));
            // The server's clock of notices goes by seconds.
            let stands = bid.holding && bid.lapses > now_s * 1_000;
            self.lapsed += usize::from(bid.holding && !stands);
            self.late += usize::from(bid.lapses > bid.made && !stands);
            bid.holding = false;
        }
        let proofs = if bill == Sign::Win {
            PIXEL | BILL
        } else {
            (PIXEL | BILL) & !flag(bill)
        };
        let (tag, made_s) = (bid.opened.tag.0, i64::from(bid.opened.ticket.at.0));
        let since_s = Millis(now_ms).to_secs().0 - bid.opened.ticket.at.0;
        let hold_s = u32::from(bid.opened.ticket.hold_s);
        let waits = if since_s < hold_s { hold_s } else { NOTICE_LIFE.0 };
        let epoch_s = now_s - i64::from(Millis(now_ms).to_secs().0);
        let is_settled = bid.settled.is_some();
        if sign == Sign::Click {
            bid.clicked = Some(now_s);
            let (campaign, shop, made) = (bid.campaign, bid.shop, bid.made);
            let date = self.date(shop, made);
            self.row(campaign, date).clicks += 1;
        }
        if sign == bill && !is_settled {
            self.settle(at, Some(paid));
        } else if flag(sign) & proofs != 0 && before & proofs == 0 && !is_settled {
            self.waiting.insert((epoch_s + made_s + i64::from(waits), tag, at));
        }
    }

    fn settle(&mut self, at: usize, paid: Option<i128>) {
        let (exchange, price) = (self.bids[at].exchange, self.bids[at].price);
        let cpm = match paid {
            Some(paid) => paid.min(price),
            None => nearest(price * self.median(exchange), 100),
        };
        if paid.is_some() {
            self.paid[exchange].push((cpm, price));
        }
        let (cost, billed) = self.cost(at, cpm);
        let bid = &mut self.bids[at];
        bid.settled = Some((billed, paid.is_some()));
        let (campaign, shop, made) = (bid.campaign, bid.shop, bid.made);
        let date = self.date(shop, made);
        let row = self.row(campaign, date);
        row.impressions += 1;
        row.media_cost += Money(cost);
        row.billed += Money(billed);
    }

    /// The median share in hundredths, of what was paid since the start; all where that is nothing.
    fn median(&self, exchange: usize) -> i128 {
        let share = |(paid, bid): &(i128, i128)| nearest(paid * 100, *bid);
        let mut shares: Vec<i128> = self.paid[exchange].iter().map(share).collect();
        shares.sort_unstable();
        shares.get(shares.len().div_ceil(2).saturating_sub(1)).copied().unwrap_or(100)
    }

    /// An event has become durable.
    pub fn told(&mut self, told: &Told, now_ms: i64) {
        if !self.events.insert((told.shop, told.event_id)) {
            return;
        }
        let key = |order| (told.shop, order);
        match told.order {
            Some((order, _)) if !told.is_refund && !self.bought.insert(key(order)) => return,
            Some((order, value)) if told.is_refund => self.refund(key(order), value),
            Some((order, value)) => self.convert(told, key(order), value.unwrap_or(0), now_ms),
            None => {}
        }
        *self.visits.entry((told.user, told.shop)).or_default() += 1;
    }

    fn convert(&mut self, told: &Told, key: (usize, u64), value: i128, now_ms: i64) {
        let now_s = now_ms.div_euclid(1_000);
        let own = self.of_user.get(&told.user).into_iter().flatten().map(|at| &self.bids[*at]);
        let own: Vec<&Bid> = own.filter(|bid| bid.shop == told.shop).collect();
        let order = |bid: &&&Bid| bid.seen.map(|(_, order)| order);
        let clicks = own.iter().filter(|bid| bid.clicked.is_some_and(|at| now_s - at <= CLICK_S));
        let is_shown = |bid: &Bid| bid.signs & (BILL | PIXEL | SETTLED) != 0 || bid.settled.is_some();
        let views = own
            .iter()
            .filter(|bid| is_shown(bid) && bid.seen.is_some_and(|(at, _)| now_s - at <= VIEW_S));
        let click = clicks.max_by_key(|bid| (bid.clicked, order(bid)));
        let Some(touch) = click.or_else(|| views.max_by_key(|bid| bid.seen)) else {
            return;
        };
        let (campaign, seen) = (touch.campaign, touch.seen.expect("it was seen").0);
        let (day, earned_on) = (self.date(told.shop, now_ms), self.date(told.shop, seen * 1_000));
        self.row(campaign, day).convert(Money(value), Buyer::New);
        self.row(campaign, earned_on).earn(Money(value));
        let made = Order {
            campaign,
            day,
            earned_on,
            value,
            refunded: 0,
            is_void: false,
        };
        self.orders.insert(key, made);
    }

    fn refund(&mut self, key: (usize, u64), value: Option<i128>) {
        let Some(order) = self.orders.get_mut(&key) else { return };
        let left = order.value - order.refunded;
        let back = value.map_or(left, |value| value.min(left));
        let ends = back == left && !order.is_void;
        order.refunded += back;
        order.is_void |= ends;
        let (campaign, day, earned_on) = (order.campaign, order.day, order.earned_on);
        self.row(campaign, day).refund(Money(back), ends, Buyer::New);
        self.row(campaign, earned_on).unearn(Money(back), ends);
    }

    /// The report's rows as the server keys them.
    pub fn rows(&self) -> BTreeMap<(CampaignNo, Day), DayRow> {
        let rows = self.days.iter();
        rows.map(|((campaign, date), row)| ((*campaign, Day::from_date(*date)), *row))
            .collect()
    }

    /// What was booked of a campaign.
    pub fn spent(&self, campaign: CampaignNo) -> Money {
        self.days
            .iter()
            .filter(|((no, _), _)| *no == campaign)
            .map(|(_, row)| row.billed)
            .sum()
    }

    /// What the exchanges charged of each budget: limit, charged, and of that what no server could know:
    /// impressions without any proof, prices that never came, and holds that a crash forgot.
    pub fn ledger(&self) -> Vec<Charged> {
        let mut found = Vec::new();
        for (shop, of) in self.setting.shops.iter().enumerate() {
            for book in of.campaigns.iter().chain([&of.own]) {
                let is_own = book.no == of.own.no;
                let bids = || {
                    self.bids
                        .iter()
                        .filter(move |bid| bid.shop == shop && (is_own || bid.campaign == book.no))
                };
                if let Some(limit) = book.total {
                    found.push(Charged::of(book, limit, &mut bids()));
                }
                let Some(limit) = book.daily else { continue };
                let days: BTreeSet<Date> = bids().map(|bid| self.date(shop, bid.made)).collect();
                for day in days {
                    found.push(Charged::of(book, limit, &mut bids().filter(|bid| self.date(shop, bid.made) == day)));
                }
            }
        }
        found
    }
}

/// A bid for the place of one made a moment ago takes its hold over.
fn is_again(other: &Bid, bid: &Bid) -> bool {
    other.campaign == bid.campaign && other.place == bid.place && bid.made - other.made <= SAME_PLACE_MS && other.lapses > bid.made
}

/// What was charged of a budget.
pub struct Charged {
    pub book: CampaignNo,
    pub limit: i128,
    pub charged: i128,
    pub excused: i128,
}

impl Charged {
    fn of(book: &Book, limit: i128, bids: &mut dyn Iterator<Item = &Bid>) -> Charged {
        let (mut charged, mut excused) = (0, 0);
        for bid in bids {
            let cost = bid.charged.unwrap_or(0);
            charged += cost;
            excused += match bid.settled {
                _ if bid.forgotten => bid.hold,
                None if bid.signs & (BILL | PIXEL) == 0 => cost,
                None => 0,
                Some((booked, false)) => (cost - booked).max(0),
                Some((_, true)) => 0,
            };
        }
        let book = book.no;
        Charged {
            book,
            limit,
            charged,
            excused,
        }
    }
}
