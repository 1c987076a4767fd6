//! Bids whose budget hold has been given back: so that a repeated loss, or a bill after a loss, gives
//! nothing back twice.
//!
//! Memory only, bounded, in two generations: an entry lasts at least as long as a hold can stand.
//! When full, losses give nothing back early; their holds lapse by themselves.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use parking_lot::Mutex;

use crate::base::hash::Identity;
use crate::base::id::BidTag;
use crate::base::limits::{HOLD_S_MAX, RESOLVED_MAX};
use crate::base::time::Secs;

type Tags = HashSet<u64, BuildHasherDefault<Identity>>;

/// The set.
#[derive(Default)]
pub struct Resolved {
    inner: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: Tags,
    old: Tags,
    turned: Secs,
}

impl Resolved {
    /// Notes a bid; false if it was noted before, or cannot be.
    pub fn insert(&self, tag: BidTag, now: Secs) -> bool {
        let mut inner = self.inner.lock();
        if now.since(inner.turned) > HOLD_S_MAX {
            inner.old = std::mem::take(&mut inner.young);
            inner.turned = now;
        }
        if inner.young.len() >= RESOLVED_MAX || inner.old.contains(&tag.0) {
            return false;
        }
        inner.young.insert(tag.0)
    }

    /// Whether a bid is noted.
    pub fn contains(&self, tag: BidTag) -> bool {
        let inner = self.inner.lock();
        inner.young.contains(&tag.0) || inner.old.contains(&tag.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bid_is_resolved_once_for_as_long_as_a_hold_can_stand() {
        let resolved = Resolved::default();
        let start = Secs(1_000_000);
        assert!(resolved.insert(BidTag(1), start));
        assert!(!resolved.insert(BidTag(1), start));
        assert!(!resolved.insert(BidTag(1), Secs(start.0 + HOLD_S_MAX + 1)));
        assert!(resolved.insert(BidTag(1), Secs(start.0 + 3 * HOLD_S_MAX)));
    }
}
