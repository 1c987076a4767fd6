//! What a budget is meant to have spent by when: the curve that even pacing follows, for people to look at.
//!
//! Reads what pacing goes by and changes nothing. Estimates, as pacing is.

use super::{DAY_S, PLAN_CHANCES_MIN, Pace, RESERVE, SLOT_S, left_today};
use crate::base::money::{Money, Ratio, Round};
use crate::base::time::{Day, Millis};
use crate::model::advertiser::{Advertiser, Budget, Campaign};
use crate::state::books::{Books, Standing};

/// Where a campaign stands on its advertiser's local day.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The day.
    pub day: Day,
    /// Seconds of it that are over.
    pub second: u32,
    /// What may be spent on it in all; none where nothing limits the day.
    pub allowance: Option<Money>,
    /// What has been.
    pub spent_today: Money,
    /// What has been since the campaign began.
    pub spent: Money,
    /// What bids under way hold.
    pub held: Money,
    /// What pacing multiplies bids with.
    pub multiplier: Ratio,
    /// Parts of the allowance that should be spent by the end of each hour, in billionths; none where it is spent as
    /// fast as it goes, or nothing limits the day.
    pub by_hour: Option<[Ratio; 24]>,
    /// What should be spent by now.
    pub expected: Option<Money>,
}

/// Where a campaign stands at `now`.
pub fn plan(books: &Books, advertiser: &Advertiser, campaign: &Campaign, now: Millis) -> Plan {
    let (day, second) = now.local(&advertiser.timezone);
    let (spent, held) = books.totals(campaign.no, now.to_secs());
    let spent_today = books.spent_on(campaign.no, day);
    let last_day = campaign.end.map(|end| Millis(end.0 - 1).local_day(&advertiser.timezone));
    let allowance = allowance(&campaign.budget, last_day, day, (spent, spent_today));
    let due = |second: u32| books.pace(campaign.no, |pace| Ratio((due(pace, second) * Ratio::ONE.0 as f64) as i64));
    let is_planned = campaign.budget.even && allowance.is_some();
    Plan {
        day,
        second,
        allowance,
        spent_today,
        spent,
        held,
        multiplier: books.multiplier(campaign.no),
        by_hour: is_planned.then(|| std::array::from_fn(|hour| due((hour as u32 + 1) * 3_600))),
        expected: allowance
            .filter(|_| is_planned)
            .map(|allowance| allowance.times(due(second), Round::Nearest)),
    }
}

/// What may be spent on the day in all.
fn allowance(budget: &Budget, last_day: Option<Day>, day: Day, (spent, spent_today): (Money, Money)) -> Option<Money> {
    let standing = Standing {
        spent,
        spent_today,
        expected: Money::ZERO,
    };
    Some(left_today(budget, last_day, day, standing)? + spent_today)
}

/// The part of a day's allowance that should be spent by a second of it: as the day before brought its chances, else
/// evenly since the first one came.
fn due(pace: Option<&Pace>, second: u32) -> f64 {
    let sum = |slots: &[u32]| slots.iter().map(|n| f64::from(*n)).sum::<f64>();
    let before = pace.map_or(&[][..], |pace| &pace.before);
    let (planned, slot) = (sum(before), (second / SLOT_S) as usize);
    let done = if planned >= PLAN_CHANCES_MIN as f64 {
        let running = before.get(slot).map_or(0.0, |n| f64::from(*n));
        let whole = sum(&before[..slot.min(before.len())]);
        (whole + running * f64::from(second % SLOT_S) / f64::from(SLOT_S)) / planned
    } else {
        let began = pace.and_then(|pace| pace.began_s).unwrap_or(0).min(DAY_S - 1);
        f64::from(second.saturating_sub(began)) / f64::from(DAY_S - began)
    };
    (done / (1.0 - RESERVE)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_follows_the_day_before_or_the_clock() {
        assert!((due(None, 43_200) - 0.5 / 0.96).abs() < 1e-9, "no pace yet: by the clock");
        assert_eq!((due(None, 0), due(None, DAY_S)), (0.0, 1.0));
        let late = Pace {
            began_s: Some(64_800),
            ..Pace::default()
        };
        assert_eq!(due(Some(&late), 43_200), 0.0, "it began in the evening");
        assert!((due(Some(&late), 75_600) - 0.5 / 0.96).abs() < 1e-9);
        let mut pace = Pace::default();
        pace.before[36..].fill(100);
        pace.before[..36].fill(1);
        assert!(due(Some(&pace), 64_800) < 0.04, "most comes in the evening");
        assert_eq!(due(Some(&pace), DAY_S), 1.0);
        let hours: Vec<f64> = (0..=24).map(|hour| due(Some(&pace), hour * 3_600)).collect();
        assert!(hours.is_sorted());
    }

    #[test]
    fn an_allowance_is_what_the_day_may_cost_in_all() {
        let budget = Budget {
            daily: Some(Money::units(30)),
            total: Some(Money::units(100)),
            even: true,
        };
        let spent = (Money::units(50), Money::units(10));
        assert_eq!(allowance(&budget, Some(Day(7)), Day(6), spent), Some(Money::units(30)));
        assert_eq!(allowance(&budget, Some(Day(8)), Day(6), spent), Some(Money::units(20)));
        let total = Budget { daily: None, ..budget };
        assert_eq!(allowance(&total, None, Day(6), spent), None);
    }
}
