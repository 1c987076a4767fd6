//! Encrypted prices that notices carried, by their vectors: one that comes again with another bid was
//! copied from a notice of the first.
//!
//! Memory only, bounded, in two generations: an entry lasts at least as long as a price is fresh. When
//! full, further ones are not remembered.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use parking_lot::Mutex;

use crate::base::hash::Identity;
use crate::base::id::BidTag;
use crate::base::limits::{PRICE_AGE_MAX, PRICES_SEEN_MAX};
use crate::base::time::Secs;

type Bids = HashMap<u64, BidTag, BuildHasherDefault<Identity>>;

/// What was seen.
#[derive(Default)]
pub struct PricesSeen {
    inner: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: Bids,
    old: Bids,
    turned: Secs,
}

impl PricesSeen {
    /// Whether a price came with another bid before; remembers it with this one where it did not.
    pub fn is_of_another(&self, price: u64, tag: BidTag, now: Secs) -> bool {
        let mut inner = self.inner.lock();
        if now.since(inner.turned) > 2 * PRICE_AGE_MAX.0 {
            inner.old = std::mem::take(&mut inner.young);
            inner.turned = now;
        }
        match inner.young.get(&price).or_else(|| inner.old.get(&price)) {
            Some(first) => *first != tag,
            None => {
                if inner.young.len() < PRICES_SEEN_MAX {
                    inner.young.insert(price, tag);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_belongs_to_the_bid_it_came_with_first() {
        let seen = PricesSeen::default();
        let start = Secs(1_000_000);
        let at = |after: u32| Secs(start.0 + after);
        assert!(!seen.is_of_another(7, BidTag(1), at(0)));
        assert!(!seen.is_of_another(7, BidTag(1), at(1)), "a notice that is repeated");
        assert!(seen.is_of_another(7, BidTag(2), at(2)));
        assert!(seen.is_of_another(7, BidTag(2), at(PRICE_AGE_MAX.0)), "for as long as it is fresh");
        assert!(!seen.is_of_another(8, BidTag(2), at(3)));
        assert!(!seen.is_of_another(9, BidTag(3), at(5_000)));
        assert!(!seen.is_of_another(7, BidTag(2), at(9_000)), "stale by now, whoever sends it");
    }
}
