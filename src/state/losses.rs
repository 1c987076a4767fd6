//! What exchanges tell of bids that they did not take, and what would have won: by exchange and campaign.
//!
//! Memory only, bounded: a restart begins anew, and pairs beyond the bound are counted together. Where an
//! exchange names no campaign, the advertiser's own book stands in its place. Nothing is booked by this.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::base::id::{CampaignNo, ExchangeNo};
use crate::base::limits::{LOSS_REASONS_MAX, LOSSES_PAIRS_MAX, MINS_TO_WIN_KEPT};
use crate::base::money::Money;
use crate::openrtb::feedback::Reason;

/// Whose bids, and where.
pub type Pair = (ExchangeNo, CampaignNo);

/// All that was told.
#[derive(Default)]
pub struct Losses {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    told: HashMap<Pair, Told>,
    unkept: u64,
}

/// What was told of one pair.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Bids by the reason of their loss, in the order in which reasons were first told.
    pub reasons: SmallVec<[(Reason, u64); 4]>,
    /// The last of the least that would have won, as CPM in the advertiser's currency, in any order.
    mins: Vec<Money>,
    /// How many of those were told.
    pub mins_told: u64,
}

impl Losses {
    /// A bid was lost.
    pub fn lost(&self, pair: Pair, reason: Reason) {
        self.tell(pair, |told| {
            let known = told.reasons.iter().position(|(known, _)| *known == reason);
            let place = known.unwrap_or(told.reasons.len()).min(LOSS_REASONS_MAX - 1);
            match told.reasons.get_mut(place) {
                Some((_, count)) => *count += 1,
                None => told.reasons.push((reason, 1)),
            }
        });
    }

    /// So much, as CPM in the advertiser's currency, would have won or been enough to win.
    pub fn min_to_win(&self, pair: Pair, least: Money) {
        self.tell(pair, |told| {
            let place = (told.mins_told % MINS_TO_WIN_KEPT as u64) as usize;
            match told.mins.get_mut(place) {
                Some(oldest) => *oldest = least,
                None => told.mins.push(least),
            }
            told.mins_told += 1;
        });
    }

    fn tell(&self, pair: Pair, note: impl FnOnce(&mut Told)) {
        let mut inner = self.inner.lock();
        let is_full = inner.told.len() >= LOSSES_PAIRS_MAX;
        match inner.told.entry(pair) {
            Entry::Occupied(known) => note(known.into_mut()),
            Entry::Vacant(new) if !is_full => note(new.insert(Told::default())),
            Entry::Vacant(_) => inner.unkept += 1,
        }
    }

    /// What was told of a pair.
    pub fn of(&self, pair: Pair) -> Option<Told> {
        self.inner.lock().told.get(&pair).cloned()
    }

    /// What was told of all, and how much was told of pairs that found no place.
    pub fn all(&self) -> (Vec<(Pair, Told)>, u64) {
        let inner = self.inner.lock();
        let mut all: Vec<_> = inner.told.iter().map(|(pair, told)| (*pair, told.clone())).collect();
        all.sort_by_key(|(pair, _)| *pair);
        (all, inner.unkept)
    }
}

impl Told {
    /// What would have won half of the last auctions that were told of.
    pub fn median_to_win(&self) -> Option<Money> {
        let mut sorted = self.mins.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    /// Bids lost, whatever for.
    pub fn lost(&self) -> u64 {
        self.reasons.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Pair = (ExchangeNo(1), CampaignNo(7));

    #[test]
    fn reasons_are_counted_and_the_last_prices_kept() {
        let losses = Losses::default();
        for code in [102, 100, 102] {
            losses.lost(PAIR, Reason::Loss(code));
        }
        for price in 1..=MINS_TO_WIN_KEPT as i64 * 2 {
            losses.min_to_win(PAIR, Money::units(price));
        }
        let told = losses.of(PAIR).expect("told");
        assert_eq!(told.reasons[..], [(Reason::Loss(102), 2), (Reason::Loss(100), 1)]);
        assert_eq!(told.lost(), 3);
        assert_eq!(told.mins.len(), MINS_TO_WIN_KEPT, "no more memory than that");
        assert_eq!(told.median_to_win(), Some(Money::units(MINS_TO_WIN_KEPT as i64 * 3 / 2 + 1)));
        assert!(losses.of((ExchangeNo(2), CampaignNo(7))).is_none());
    }

    #[test]
    fn nothing_grows_without_bound() {
        let losses = Losses::default();
        for code in 0..1_000 {
            losses.lost(PAIR, Reason::Loss(500 + code));
        }
        let told = losses.of(PAIR).expect("told");
        assert_eq!((told.reasons.len(), told.lost()), (LOSS_REASONS_MAX, 1_000));
        for no in 0..LOSSES_PAIRS_MAX as u32 + 5 {
            losses.lost((ExchangeNo(2), CampaignNo(no)), Reason::Untold);
        }
        let (all, unkept) = losses.all();
        assert_eq!((all.len(), unkept), (LOSSES_PAIRS_MAX, 6));
    }
}
