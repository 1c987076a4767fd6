//! What a bid holds of budgets until there is evidence: all of it, and what it is likely to come to.
//!
//! Plain figures. Decides nothing.

use std::ops::{Add, AddAssign, Sub, SubAssign};

use crate::base::id::ExchangeNo;
use crate::base::money::{Money, Ratio, Round};
use crate::base::time::Secs;

/// Steps of a [`WinShare`]: six bits of a ticket.
const STEPS: usize = 64;
/// Each step is so many thousandths of the one before.
const STEP_THOUSANDTHS: i64 = 917;
/// The shares, from all of a bid down to half of a hundredth.
const SHARES: [Ratio; STEPS] = {
    let mut shares = [Ratio::ONE; STEPS];
    let mut at = 1;
    while at < STEPS {
        shares[at] = Ratio(shares[at - 1].0 * STEP_THOUSANDTHS / 1000);
        at += 1;
    }
    shares
};

/// An upper bound of how much of what is bid will have to be paid, in 64 steps; the default is all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WinShare(u8);

impl WinShare {
    /// All of the bid.
    pub const FULL: WinShare = WinShare(0);

    /// The smallest step that is not below a share.
    pub fn at_least(share: Ratio) -> WinShare {
        let above = SHARES.partition_point(|step| *step >= share);
        WinShare(above.saturating_sub(1) as u8)
    }

    /// From its six bits.
    pub fn from_bits(bits: u8) -> WinShare {
        WinShare(bits & (STEPS as u8 - 1))
    }

    /// Its six bits.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Of a full hold, both.
    pub fn of(self, full: Money) -> BudgetHold {
        BudgetHold {
            full,
            likely: full.times(SHARES[usize::from(self.0)], Round::Up),
        }
    }
}

/// What is held of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetHold {
    /// Should every bid be paid in full.
    pub full: Money,
    /// Should as many be paid as have been at most.
    pub likely: Money,
}

impl BudgetHold {
    /// Nothing.
    pub const NONE: BudgetHold = BudgetHold {
        full: Money::ZERO,
        likely: Money::ZERO,
    };

    /// The lesser of both, figure by figure.
    pub fn min(self, other: BudgetHold) -> BudgetHold {
        BudgetHold {
            full: self.full.min(other.full),
            likely: self.likely.min(other.likely),
        }
    }
}

impl Add for BudgetHold {
    type Output = BudgetHold;

    fn add(self, other: BudgetHold) -> BudgetHold {
        BudgetHold {
            full: self.full + other.full,
            likely: self.likely + other.likely,
        }
    }
}

impl Sub for BudgetHold {
    type Output = BudgetHold;

    fn sub(self, other: BudgetHold) -> BudgetHold {
        BudgetHold {
            full: self.full - other.full,
            likely: self.likely - other.likely,
        }
    }
}

impl AddAssign for BudgetHold {
    fn add_assign(&mut self, other: BudgetHold) {
        *self = *self + other;
    }
}

impl SubAssign for BudgetHold {
    fn sub_assign(&mut self, other: BudgetHold) {
        *self = *self - other;
    }
}

impl std::iter::Sum for BudgetHold {
    fn sum<I: Iterator<Item = BudgetHold>>(holds: I) -> BudgetHold {
        holds.fold(BudgetHold::NONE, Add::add)
    }
}

/// A hold as it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where the bid was made.
    pub exchange: ExchangeNo,
    /// How much, in the advertiser's currency.
    pub amount: BudgetHold,
    /// When.
    pub at: Secs,
    /// For how long.
    pub hold_s: u32,
}

/// What a budget leaves for further bids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// With every bid under way held in full.
    pub full: Money,
    /// With each held at what it is likely to come to; less than nothing in the last part of a budget, where
    /// every bid is held in full.
    pub likely: Money,
}

impl Room {
    /// Where nothing is limited.
    pub const ENDLESS: Room = Room {
        full: Money(i128::MAX),
        likely: Money(i128::MAX),
    };
    /// That no bid is held at what it is likely to come to.
    pub const FULL_ONLY: Money = Money(i128::MIN);

    /// Whether a hold can be taken: in full, or, where that would stop a campaign that has a good part of its
    /// budget left, at what it is likely to come to.
    pub fn fits(&self, hold: BudgetHold) -> bool {
        self.full >= hold.full || self.likely >= hold.likely
    }

    /// Whether nothing at all fits.
    pub fn is_empty(&self) -> bool {
        self.full <= Money::ZERO && self.likely <= Money::ZERO
    }

    /// What two budgets both leave; a little less where each is short in another way.
    pub fn min(self, other: Room) -> Room {
        Room {
            full: self.full.min(other.full),
            likely: self.likely.min(other.likely),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_never_below_the_share_and_close_above_it() {
        for share in (5..=1000).map(|n| Ratio::of(n, 1000)) {
            let held = WinShare::at_least(share).of(Money::units(1)).likely;
            let exact = Money::units(1).times(share, Round::Nearest);
            assert!(
                held >= exact && held < exact.times(Ratio::of(1091, 1000), Round::Up),
                "{share}: {held}"
            );
        }
        assert_eq!(WinShare::at_least(Ratio(0)).bits(), 63);
        assert_eq!(WinShare::at_least(Ratio::of(3, 2)), WinShare::FULL);
        assert_eq!(WinShare::from_bits(WinShare(17).bits()), WinShare(17));
        assert_eq!(WinShare::FULL.of(Money(7)).likely, Money(7));
    }

    #[test]
    fn a_hold_fits_in_full_or_where_allowed_at_what_it_is_likely_to_cost() {
        let hold = BudgetHold {
            full: Money(10),
            likely: Money(2),
        };
        let room = |full: i128, likely: Option<i128>| Room {
            full: Money(full),
            likely: likely.map_or(Room::FULL_ONLY, Money),
        };
        for (room, fits) in [
            (room(10, None), true),
            (room(9, None), false),
            (room(9, Some(2)), true),
            (room(-50, Some(1)), false),
        ] {
            assert_eq!(room.fits(hold), fits, "{room:?}");
        }
        assert!(room(0, None).is_empty() && !room(0, Some(1)).is_empty());
        assert_eq!(room(5, Some(9)).min(room(6, None)), room(5, None));
    }
}
