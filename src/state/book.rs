//! One book: what a campaign, or an advertiser over all of its campaigns, has spent, and what its bids
//! under way hold.
//!
//! Holds are summed in rings of time buckets: lapse is dropping a bucket. Assumes that its owner holds the
//! lock and never goes back in time.

use crate::base::id::ExchangeNo;
use crate::base::limits::{BUDGET_LAST_PART, HOLD_S_MAX, RING_BUCKET_S, RING_BUCKETS};
use crate::base::money::{Money, Ratio, Round};
use crate::base::time::{Day, Secs};
use crate::model::advertiser::Budget;
use crate::model::hold::{BudgetHold, Room, Taken, WinShare};
use crate::state::wins::Wins;

/// Local days whose spend is kept at hand: today, and those whose bids still settle.
const DAYS: usize = 4;

/// Spent and held.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub spent: Money,
    days: [(Day, Money); DAYS],
    /// Holds of up to a minute, to the second; the others in coarser steps.
    rings: [Ring; 2],
    held: BudgetHold,
    /// Holds of before the start, by their sum; they lapse together.
    restored: BudgetHold,
    restored_until: Secs,
    /// What becomes of bids, by exchange.
    wins: Vec<(ExchangeNo, Box<Wins>)>,
}

/// Holds by when they lapse.
#[derive(Clone, Debug)]
struct Ring {
    bucket_s: u32,
    /// The bucket of time up to which lapsed ones have been dropped.
    swept: u32,
    /// Elsewhere, so that what every decision reads of a book lies together; none before the first hold.
    slots: Option<Box<[BudgetHold; RING_BUCKETS]>>,
}

impl Ring {
    const fn new(bucket_s: u32) -> Ring {
        Ring {
            bucket_s,
            swept: 0,
            slots: None,
        }
    }

    /// Drops what has lapsed; returns its sum.
    fn sweep(&mut self, now: Secs) -> BudgetHold {
        let bucket = now.0 / self.bucket_s;
        let first = self.swept.max(bucket.saturating_sub(RING_BUCKETS as u32));
        self.swept = self.swept.max(bucket);
        let Some(slots) = &mut self.slots else {
            return BudgetHold::NONE;
        };
        (first..bucket)
            .map(|lapsed| std::mem::take(&mut slots[lapsed as usize % RING_BUCKETS]))
            .sum()
    }

    /// The slot of holds that lapse then: dropped once all of its time is over. None where it has been.
    fn slot(&mut self, lapses: Secs) -> Option<&mut BudgetHold> {
        let bucket = lapses.0 / self.bucket_s;
        let ahead = bucket.checked_sub(self.swept)?;
        let slots = self.slots.get_or_insert_with(|| Box::new([BudgetHold::NONE; RING_BUCKETS]));
        ((ahead as usize) < RING_BUCKETS).then(|| &mut slots[bucket as usize % RING_BUCKETS])
    }
}

impl Default for Book {
    fn default() -> Book {
        Book {
            spent: Money::ZERO,
            days: [(Day(i32::MIN), Money::ZERO); DAYS],
            rings: [Ring::new(1), Ring::new(RING_BUCKET_S)],
            held: BudgetHold::NONE,
            restored: BudgetHold::NONE,
            restored_until: Secs(0),
            wins: Vec::new(),
        }
    }
}

impl Book {
    /// Drops holds that have lapsed.
    pub fn sweep(&mut self, now: Secs) {
        let lapsed: BudgetHold = self.rings.iter_mut().map(|ring| ring.sweep(now)).sum();
        self.held -= lapsed;
        if self.restored != BudgetHold::NONE && now >= self.restored_until {
            self.restored = BudgetHold::NONE;
        }
    }

    /// The slot of a hold; none where it has lapsed.
    fn slot(&mut self, taken: &Taken) -> Option<&mut BudgetHold> {
        let ring = &mut self.rings[usize::from(taken.hold_s as usize >= RING_BUCKETS - 2)];
        ring.slot(Secs(taken.at.0.saturating_add(taken.hold_s.min(HOLD_S_MAX))))
    }

    /// Takes a hold.
    pub fn take(&mut self, taken: &Taken) {
        if let Some(slot) = self.slot(taken) {
            *slot += taken.amount;
            self.held += taken.amount;
        }
    }

    /// Gives a hold back, unless it has lapsed: what is not among the holds of its time is of before the start.
    pub fn give_back(&mut self, taken: &Taken) {
        let mut rest = BudgetHold::NONE;
        if let Some(slot) = self.slot(taken) {
            let back = taken.amount.min(*slot);
            *slot -= back;
            self.held -= back;
            rest = taken.amount - back;
        }
        self.restored -= rest.min(self.restored);
    }

    /// Holds of before a restart, as they were then.
    pub fn restore(&mut self, held: BudgetHold, as_of: Secs) {
        self.restored = held;
        self.restored_until = Secs(as_of.0.saturating_add(HOLD_S_MAX));
    }

    /// What bids under way hold.
    pub fn outstanding(&self) -> BudgetHold {
        self.held + self.restored
    }

    /// What was spent on a local day.
    pub fn spent_on(&self, day: Day) -> Money {
        self.days.iter().find(|(d, _)| *d == day).map_or(Money::ZERO, |(_, spent)| *spent)
    }

    /// What a budget leaves.
    pub fn room(&self, budget: &Budget, day: Day) -> Room {
        let held = self.outstanding();
        let of = |limit: Money, spent: Money| {
            let left = limit - spent;
            let is_last_part = left.0.wrapping_mul(BUDGET_LAST_PART) <= limit.0;
            Room {
                full: left - held.full,
                likely: if is_last_part { Room::FULL_ONLY } else { left - held.likely },
            }
        };
        let of_day = budget.daily.map_or(Room::ENDLESS, |daily| of(daily, self.spent_on(day)));
        let of_all = budget.total.map_or(Room::ENDLESS, |total| of(total, self.spent));
        of_day.min(of_all)
    }

    /// Books what was spent on a local day.
    pub fn spend(&mut self, day: Day, amount: Money) {
        self.spent += amount;
        if let Some((_, spent)) = self.days.iter_mut().find(|(d, _)| *d == day) {
            *spent += amount;
        } else if let Some(oldest) = self.days.iter_mut().min_by_key(|(d, _)| *d).filter(|(d, _)| *d < day) {
            *oldest = (day, amount);
        }
    }

    /// Counts a bid; returns what it is expected to come to.
    pub fn count_bid(&mut self, taken: &Taken) -> Money {
        let known = self.wins.iter().position(|(no, _)| *no == taken.exchange);
        let at = known.unwrap_or_else(|| {
            self.wins.push((taken.exchange, Box::default()));
            self.wins.len() - 1
        });
        let wins = &mut self.wins[at].1;
        let expected = taken.amount.full.times(wins.expected(taken.at), Round::Nearest);
        wins.bid(taken.at, taken.amount.full, taken.hold_s);
        expected
    }

    /// Counts an impression of a bid made at `at`.
    pub fn count_win(&mut self, exchange: ExchangeNo, at: Secs, spent: Money) {
        if let Some((_, wins)) = self.wins.iter_mut().find(|(no, _)| *no == exchange) {
            wins.win(at, spent);
        }
    }

    fn wins(&self, exchange: ExchangeNo) -> Option<&Wins> {
        self.wins.iter().find(|(no, _)| *no == exchange).map(|(_, wins)| &**wins)
    }

    /// How much of what is bid on an exchange will have to be paid at most.
    pub fn share(&self, exchange: ExchangeNo, now: Secs) -> WinShare {
        self.wins(exchange).map_or(WinShare::FULL, |wins| wins.share(now))
    }

    /// What part of what is held is expected to be spent, on the whole.
    pub fn expected(&self, now: Secs) -> Ratio {
        let of_all = self.wins.iter().map(|(_, wins)| wins.expected(now).0);
        of_all.max().map_or(Ratio(0), Ratio)
    }
}
