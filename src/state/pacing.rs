//! Even pacing: a multiplier of bids that spreads a budget over the day the way its chances to bid come.
//!
//! Driven by what bids are expected to cost when they are made, for notices come late; corrected by what
//! they cost in the end, for that is what the expectation is learned from. The plan is how yesterday's
//! chances were spread over the day; on a first day chances are taken to come as they have so far. Never
//! above one: a rule says what an impression is worth. Estimates throughout; budgets hold by themselves.

pub mod plan;

use crate::base::money::{Money, Ratio};
use crate::base::time::{Day, Millis, Secs};
use crate::model::advertiser::{Budget, Status};
use crate::state::books::{Books, Standing};
use crate::state::world::World;

/// Parts of a day by the local clock.
const SLOTS: usize = 48;
const SLOT_S: u32 = 86_400 / SLOTS as u32;
const DAY_S: u32 = 86_400;
/// Yesterday is no plan with fewer chances.
const PLAN_CHANCES_MIN: u64 = 200;
/// Nor is today's share of it told with fewer than so many of either.
const SCALE_CHANCES_MIN: f64 = 50.0;
/// A multiplier moves once so many chances have come.
const TURN_CHANCES: u32 = 20;
/// The budget is spread so that the last part of the day's chances is not needed: bids of then are held in
/// full, and what was lost on the way is made up for.
const RESERVE: f64 = 0.04;
/// How fast the multiplier follows, for each chance.
const RATE_MAX: f64 = 0.001_5;
const RATE_OF_ROOT: f64 = 0.4;
/// How far it moves at once; further while it is new.
const STEP_MAX: f64 = 0.1;
const STEP_MAX_NEW: f64 = 0.3;
const NEW_CHANCES: u64 = 500;
/// How far above the plan an expectation counts as such.
const EXCESS_MAX: f64 = 50.0;
/// A thousandth: below that a bid is no bid.
const LOG_MIN: f64 = -6.9;
/// How often a pace is written down.
const WRITE_S: u32 = 60;
const VERSION: u8 = 1;
const BYTES: usize = 1 + 4 + 8 + 2 * 4 * SLOTS;

/// How one budget is spread.
#[derive(Clone, Debug)]
pub struct Pace {
    day: Day,
    /// Logarithm of the multiplier.
    log: f64,
    /// Chances of today and of the day before, by slot.
    today: [u32; SLOTS],
    before: [u32; SLOTS],
    /// Since the last turn.
    chances: u32,
    expected: Money,
    /// Seconds of the local clock at the first chance of today.
    began_s: Option<u32>,
    /// When it was last written down.
    written: Secs,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            day: Day(i32::MIN),
            log: 0.0,
            today: [0; SLOTS],
            before: [0; SLOTS],
            chances: 0,
            expected: Money::ZERO,
            began_s: None,
            written: Secs(0),
        }
    }
}

/// The local clock of a shop.
#[derive(Clone, Copy, Debug)]
struct Clock {
    day: Day,
    second: u32,
}

impl Clock {
    fn slot(self) -> usize {
        (self.second / SLOT_S) as usize % SLOTS
    }

    /// How much of the slot is over.
    fn into_slot(self) -> f64 {
        f64::from(self.second % SLOT_S) / f64::from(SLOT_S)
    }
}

impl Pace {
    /// Counts a request that could have been bid on.
    pub(super) fn chance(&mut self) {
        self.chances = self.chances.saturating_add(1);
    }

    /// Counts what a bid is expected to come to.
    pub(super) fn expect(&mut self, expected: Money) {
        self.expected += expected;
    }

    /// What bids are multiplied with.
    pub(super) fn multiplier(&self) -> Ratio {
        Ratio((self.log.min(0.0).exp() * Ratio::ONE.0 as f64) as i64)
    }

    /// Turns the multiplier by what happened since the last turn. `left` is what may still be spent today
    /// beyond what bids under way are expected to cost; none where nothing limits the day.
    fn turn(&mut self, clock: Clock, left: Option<Money>) {
        if self.day != clock.day {
            // A day without chances is no plan for any other.
            if self.today.iter().any(|chances| *chances > 0) {
                self.before = self.today;
            }
            (self.day, self.today, self.began_s) = (clock.day, [0; SLOTS], None);
        }
        let Some(left) = left else {
            self.log = 0.0;
            return self.count(clock);
        };
        if self.chances < TURN_CHANCES {
            return;
        }
        let chances = f64::from(self.chances);
        let expected = self.expected.0 as f64 / chances;
        self.count(clock);
        let ahead = self.chances_ahead(clock);
        let planned = left.0.max(1) as f64 / ahead;
        let excess = ((expected - planned) / planned).clamp(-1.0, EXCESS_MAX);
        let rate = RATE_MAX.min(RATE_OF_ROOT / ahead.sqrt());
        let so_far: u64 = self.today.iter().map(|n| u64::from(*n)).sum();
        let step = if so_far < NEW_CHANCES { STEP_MAX_NEW } else { STEP_MAX };
        self.log = (self.log - (rate * chances * excess).clamp(-step, step)).clamp(LOG_MIN, 0.0);
    }

    /// Puts the chances since the last turn to their slot.
    fn count(&mut self, clock: Clock) {
        if self.chances > 0 {
            self.began_s.get_or_insert(clock.second);
        }
        let slot = &mut self.today[clock.slot()];
        *slot = slot.saturating_add(self.chances);
        (self.chances, self.expected) = (0, Money::ZERO);
    }

    /// How many more chances the rest of the day is planned to bring, at least one.
    fn chances_ahead(&self, clock: Clock) -> f64 {
        let sum = |slots: &[u32]| slots.iter().map(|n| f64::from(*n)).sum::<f64>();
        let so_far = sum(&self.today);
        let (slot, into) = (clock.slot(), clock.into_slot());
        let planned = sum(&self.before);
        let ahead = if planned >= PLAN_CHANCES_MIN as f64 {
            let done = sum(&self.before[..slot]) + f64::from(self.before[slot]) * into;
            let is_told = done >= SCALE_CHANCES_MIN && so_far >= SCALE_CHANCES_MIN;
            let scale = if is_told { (so_far / done).clamp(0.25, 4.0) } else { 1.0 };
            (planned - done) * scale
        } else {
            let seconds = clock.second.saturating_sub(self.began_s.unwrap_or(clock.second)).max(1);
            so_far / f64::from(seconds) * f64::from(DAY_S.saturating_sub(clock.second))
        };
        (ahead - RESERVE * (ahead + so_far)).max(1.0)
    }

    /// As stored.
    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.push(VERSION);
        out.extend(self.day.0.to_le_bytes());
        out.extend(self.log.to_le_bytes());
        out.extend(self.today.iter().chain(&self.before).flat_map(|n| n.to_le_bytes()));
        out
    }

    /// From what is stored; none where that is something else.
    pub(super) fn read(bytes: &[u8]) -> Option<Pace> {
        let bytes = bytes.strip_prefix(&[VERSION])?;
        let (day, bytes) = bytes.split_first_chunk::<4>()?;
        let (log, bytes) = bytes.split_first_chunk::<8>()?;
        let (counts, rest) = bytes.as_chunks::<4>();
        let log = f64::from_le_bytes(*log);
        if counts.len() != 2 * SLOTS || !rest.is_empty() || !(LOG_MIN..=0.0).contains(&log) {
            return None;
        }
        let slots = |from: usize| std::array::from_fn(|at| u32::from_le_bytes(counts[from + at]));
        Some(Pace {
            day: Day(i32::from_le_bytes(*day)),
            log,
            today: slots(0),
            before: slots(SLOTS),
            // Where chances of before the start count, they came since midnight.
            began_s: Some(0),
            ..Pace::default()
        })
    }
}

/// A budget's pace as it is to be stored: its book, and the bytes.
pub type Written = (crate::base::id::CampaignNo, Vec<u8>);

/// Turns every even pace, and returns those that are due to be written down. To be called about once a second.
pub fn turn(world: &World, books: &Books, now: Millis) -> Vec<Written> {
    let mut written = Vec::new();
    for shop in world.shops() {
        let advertiser = &shop.advertiser;
        let campaigns = advertiser.campaigns.iter().filter(|c| c.status == Status::Active);
        let of_campaigns = campaigns.map(|c| (c.no, &c.budget, c.end));
        let even: Vec<_> = of_campaigns
            .chain([(advertiser.book, &advertiser.budget, None)])
            .filter(|(_, budget, _)| budget.even)
            .collect();
        if even.is_empty() {
            continue;
        }
        let (day, second) = now.local(&advertiser.timezone);
        for (no, budget, end) in even {
            let last_day = end.map(|end| Millis(end.0 - 1).local_day(&advertiser.timezone));
            books.steer(no, now.to_secs(), |pace, standing| {
                pace.turn(Clock { day, second }, left_today(budget, last_day, day, standing(day)));
                if now.to_secs().since(pace.written) >= WRITE_S {
                    pace.written = now.to_secs();
                    written.push((no, pace.write()));
                }
                pace.multiplier()
            });
        }
    }
    written
}

/// What may still be spent today, beyond what bids under way are expected to cost: of the day's budget, and of the whole
/// budget this day's part of the days up to the flight's last. None where neither says anything of today.
fn left_today(budget: &Budget, last_day: Option<Day>, today: Day, standing: Standing) -> Option<Money> {
    let of_day = budget.daily.map(|daily| daily - standing.spent_today);
    let of_all = budget.total.zip(last_day).map(|(total, last)| {
        let days = i128::from((last.0 - today.0).max(0) + 1);
        let before_today = standing.spent - standing.spent_today;
        Money((total - before_today).0 / days) - standing.spent_today
    });
    let left = of_day.into_iter().chain(of_all).min()?;
    Some(left - standing.expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day with so many chances a second, each costing `cost` at a multiplier of one; returns what was spent by each
    /// hour in parts of the budget.
    fn day(pace: &mut Pace, day: i32, rate: impl Fn(u32) -> u32, cost: i128, budget: i128) -> Vec<f64> {
        let mut spent = 0;
        let mut hours = Vec::new();
        for second in 0..DAY_S {
            for _ in 0..rate(second) {
                pace.chance();
                let bid = Money(cost).times(pace.multiplier(), crate::base::money::Round::Nearest);
                if spent + bid.0 <= budget {
                    pace.expect(bid);
                    spent += bid.0;
                }
            }
            pace.turn(Clock { day: Day(day), second }, Some(Money(budget - spent)));
            if second % 3_600 == 3_599 {
                hours.push(spent as f64 / budget as f64);
            }
        }
        hours
    }

    #[test]
    fn a_budget_is_spread_over_the_day_and_spent() {
        for scarcity in [2, 10, 100] {
            let mut pace = Pace::default();
            let spent = day(&mut pace, 1, |_| 1, 1_000_000, 86_400_000_000 / scarcity);
            assert!((0.40..0.62).contains(&spent[11]), "{scarcity}: {spent:?}");
            assert!(spent[22] > 0.97 && spent[23] > 0.985, "{scarcity}: {spent:?}");
        }
    }

    #[test]
    fn the_second_day_goes_by_the_chances_of_the_first() {
        // Four times as many in the evening.
        let rate = |second: u32| if second >= 18 * 3_600 { 4 } else { 1 };
        let mut pace = Pace::default();
        day(&mut pace, 1, rate, 1_000_000, 10_000_000_000);
        let spent = day(&mut pace, 2, rate, 1_000_000, 10_000_000_000);
        // 18 of 42 parts of the chances have come by then.
        assert!((0.38..0.50).contains(&spent[17]), "{spent:?}");
        assert!(spent[23] > 0.985, "{spent:?}");
    }

    #[test]
    fn scarce_chances_are_all_bid_on() {
        let mut pace = Pace::default();
        let spent = day(&mut pace, 1, |second| u32::from(second % 60 == 0), 1_000, 1_000_000_000);
        assert!(pace.multiplier() > Ratio::of(99, 100), "{spent:?}");
        assert!((0.0014..0.00145).contains(&spent[23]), "{spent:?}");
    }

    #[test]
    fn a_pace_survives_being_stored() {
        let mut pace = Pace::default();
        day(&mut pace, 1, |_| 1, 1_000_000, 10_000_000_000);
        let read = Pace::read(&pace.write()).expect("a pace");
        assert_eq!(
            (read.day, read.today, read.before, read.log),
            (pace.day, pace.today, pace.before, pace.log)
        );
        assert_eq!(pace.write().len(), BYTES);
        for cut in 0..BYTES {
            assert!(Pace::read(&pace.write()[..cut]).is_none());
        }
    }

    #[test]
    fn a_whole_budget_is_divided_by_the_days_that_are_left() {
        let budget = |daily: Option<i64>, total: Option<i64>| Budget {
            daily: daily.map(Money::units),
            total: total.map(Money::units),
            even: true,
        };
        let standing = Standing {
            spent: Money::units(50),
            spent_today: Money::units(10),
            expected: Money::units(1),
        };
        for (budget, last, left) in [
            (budget(Some(30), None), None, Some(19)),
            (budget(None, Some(100)), Some(Day(7)), Some(19)),
            (budget(Some(15), Some(100)), Some(Day(7)), Some(4)),
            (budget(None, Some(100)), None, None),
            (budget(None, Some(100)), Some(Day(1)), Some(49)),
        ] {
            assert_eq!(left_today(&budget, last, Day(6), standing), left.map(Money::units), "{budget:?}");
        }
    }
}
