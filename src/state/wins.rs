//! What becomes of a campaign's bids on one exchange: how many are paid for, and how much of what is bid.
//!
//! Counted by when the bid was made, and believed once its evidence should be in. Estimates, not money:
//! nothing is booked by them. Assumes that whoever counts a bid counts its impression with the same time.

use crate::base::money::{Money, Ratio};
use crate::base::time::Secs;
use crate::model::hold::WinShare;

/// Bids of so many seconds are counted together.
const BUCKET_S: u32 = 240;
const BUCKETS: usize = 16;
/// Fewer bids tell nothing: all of a bid is held.
const BIDS_MIN: u64 = 200;
/// Bids of one bucket that tell how far the share goes up and down.
const BUCKET_BIDS_MIN: u32 = 50;
/// Standard errors above what was observed.
const ERRORS: f64 = 3.0;
/// And so much above that, for what changes faster than it is observed.
const HEADROOM: f64 = 1.5;
/// What share of bids is taken to be paid before anything is known, and how many bids that weighs.
const PRIOR: (Ratio, u64) = (Ratio(200_000_000), 20);

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Which one since 2024.
    no: u32,
    bids: u32,
    wins: u32,
    held: Money,
    spent: Money,
}

/// Counts of the last hour.
#[derive(Clone, Debug, Default)]
pub struct Wins {
    buckets: [Bucket; BUCKETS],
    /// The longest that a bid has been held: older ones have their evidence.
    mature_s: u32,
}

impl Wins {
    /// Counts a bid, held in full at `held` for `hold_s`.
    pub fn bid(&mut self, at: Secs, held: Money, hold_s: u32) {
        self.mature_s = self.mature_s.max(hold_s);
        let no = at.0 / BUCKET_S;
        let bucket = &mut self.buckets[no as usize % BUCKETS];
        if bucket.no != no {
            *bucket = Bucket { no, ..Bucket::default() };
        }
        bucket.bids += 1;
        bucket.held += held;
    }

    /// Counts an impression of a bid made at `at`; one whose bids are forgotten counts nothing.
    pub fn win(&mut self, at: Secs, spent: Money) {
        let no = at.0 / BUCKET_S;
        let bucket = &mut self.buckets[no as usize % BUCKETS];
        if bucket.no == no {
            bucket.wins += 1;
            bucket.spent += spent;
        }
    }

    /// The buckets whose evidence is in.
    fn mature(&self, now: Secs) -> impl Iterator<Item = &Bucket> {
        let last = now.0.saturating_sub(self.mature_s) / BUCKET_S;
        let first = (now.0 / BUCKET_S).saturating_sub(BUCKETS as u32 - 1);
        self.buckets.iter().filter(move |b| b.bids > 0 && b.no < last && b.no >= first)
    }

    /// An upper bound of the share of bids that are won; all of them where too little is known.
    pub fn share(&self, now: Secs) -> WinShare {
        let (mut bids, mut wins, mut most) = (0u64, 0u64, 0f64);
        for bucket in self.mature(now) {
            bids += u64::from(bucket.bids);
            wins += u64::from(bucket.wins);
            if bucket.bids >= BUCKET_BIDS_MIN {
                most = most.max(f64::from(bucket.wins) / f64::from(bucket.bids));
            }
        }
        if bids < BIDS_MIN {
            return WinShare::FULL;
        }
        let (n, rate) = (bids as f64, wins as f64 / bids as f64);
        let bound = rate + ERRORS * (rate * (1.0 - rate).max(0.0) / n).sqrt() + ERRORS * ERRORS / n;
        let share = (bound.max(most) * HEADROOM).min(1.0);
        WinShare::at_least(Ratio((share * Ratio::ONE.0 as f64).ceil() as i64))
    }

    /// What part of what is held for a bid is expected to be spent.
    pub fn expected(&self, now: Secs) -> Ratio {
        let (mut bids, mut held, mut spent) = (0, 0i128, 0i128);
        for bucket in self.mature(now) {
            bids += u64::from(bucket.bids);
            held += bucket.held.0;
            spent += bucket.spent.0;
        }
        let (prior, weight) = PRIOR;
        if bids == 0 || held <= 0 {
            return prior;
        }
        let usual = held / i128::from(bids) * i128::from(weight);
        let of_prior = usual * i128::from(prior.0) / i128::from(Ratio::ONE.0);
        // Amounts of a small currency unit pass 64 bits within an hour.
        let whole = held + usual;
        let step = whole / i128::from(u64::MAX) + 1;
        let part = (spent + of_prior).clamp(0, whole);
        Ratio::of((part / step) as u64, (whole / step) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Secs = Secs(90_000_000 - 90_000_000 % BUCKET_S);

    fn told(bids: u32, every: u32) -> Wins {
        let mut wins = Wins::default();
        for n in 0..bids {
            let at = Secs(START.0 + n);
            wins.bid(at, Money(1_000), 360);
            if n % every == 0 {
                wins.win(at, Money(800));
            }
        }
        wins
    }

    #[test]
    fn nothing_is_believed_before_evidence_should_be_in() {
        let wins = told(1_000, 10);
        let at = |after: u32| Secs(START.0 + after);
        assert_eq!(wins.share(at(400)), WinShare::FULL, "too early");
        assert_eq!(wins.expected(at(400)), PRIOR.0);
        assert_eq!(told(199, 10).share(at(1_500)), WinShare::FULL, "too few");
        let share = wins.share(at(1_500)).of(Money(1_000_000)).likely.0;
        assert!((150_000..350_000).contains(&share), "{share}");
        let expected = wins.expected(at(1_500)).0;
        assert!((80_000_000..90_000_000).contains(&expected), "{expected}");
        assert_eq!(wins.share(at(9_000)), WinShare::FULL, "too long ago");
    }

    #[test]
    fn a_large_currency_is_expected_alike() {
        let mut wins = Wins::default();
        for n in 0..1_000 {
            let at = Secs(START.0 + n);
            wins.bid(at, Money(i128::from(u64::MAX) / 10), 360);
            if n % 10 == 0 {
                wins.win(at, Money(i128::from(u64::MAX) / 10));
            }
        }
        let expected = wins.expected(Secs(START.0 + 1_500)).0;
        assert!((95_000_000..105_000_000).contains(&expected), "{expected}");
    }

    #[test]
    fn the_bound_is_not_below_what_any_part_of_the_hour_saw() {
        let mut wins = told(720, 10);
        for n in 720..960 {
            let at = Secs(START.0 + n);
            wins.bid(at, Money(1_000), 360);
            wins.win(at, Money(800));
        }
        assert_eq!(wins.share(Secs(START.0 + 1_700)), WinShare::FULL);
    }
}
