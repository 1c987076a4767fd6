//! Which creatives an exchange keeps refusing: after so many refusals in a row a creative is not offered
//! there for an hour.
//!
//! Memory only: a restart asks anew. Counting takes a lock that the decision path never does; it reads
//! the short list of those suspended through one pointer.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::base::id::{CridKey, ExchangeNo};
use crate::base::limits::{REFUSALS_MAX, REFUSED_CREATIVES_MAX, SUSPENSION};
use crate::base::time::Secs;
use crate::openrtb::feedback::Verdict;

/// A creative that is not offered at an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// Where.
    pub exchange: ExchangeNo,
    /// Which.
    pub crid: CridKey,
    /// Until when, exclusive.
    pub until: Secs,
    /// The code of the last refusal.
    pub code: u32,
}

/// Refusals and suspensions.
#[derive(Default)]
pub struct Approvals {
    /// Refusals in a row; who is admitted leaves.
    refusals: Mutex<HashMap<(ExchangeNo, CridKey), u32>>,
    suspended: ArcSwap<Vec<Suspended>>,
}

impl Approvals {
    /// Counts a verdict given with `code`. Returns the suspension, where this one brought it about.
    pub fn hear(&self, exchange: ExchangeNo, crid: CridKey, verdict: Verdict, code: u32, now: Secs) -> Option<Suspended> {
        let mut refusals = self.refusals.lock();
        match verdict {
            Verdict::Silent => return None,
            Verdict::Admitted => {
                refusals.remove(&(exchange, crid));
                return None;
            }
            Verdict::Refused => {}
        }
        if refusals.len() >= REFUSED_CREATIVES_MAX && !refusals.contains_key(&(exchange, crid)) {
            return None;
        }
        let count = refusals.entry((exchange, crid)).or_default();
        *count += 1;
        if *count < REFUSALS_MAX || self.suspended(exchange, crid, now).is_some() {
            return None;
        }
        refusals.remove(&(exchange, crid));
        let new = Suspended {
            exchange,
            crid,
            until: Secs(now.0.saturating_add(SUSPENSION.0)),
            code,
        };
        let mut list = self.list(now);
        list.push(new);
        self.suspended.store(Arc::new(list));
        Some(new)
    }

    /// The suspension of a creative at an exchange, if there is one.
    pub fn suspended(&self, exchange: ExchangeNo, crid: CridKey, now: Secs) -> Option<Suspended> {
        let list = self.suspended.load();
        let holds = |s: &&Suspended| s.exchange == exchange && s.crid == crid && now < s.until;
        list.iter().find(holds).copied()
    }

    /// All that are suspended at `now`.
    pub fn list(&self, now: Secs) -> Vec<Suspended> {
        self.suspended.load().iter().filter(|s| now < s.until).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_in_a_row_suspend_for_an_hour() {
        let (approvals, x, y) = (Approvals::default(), ExchangeNo(1), ExchangeNo(2));
        let hear = |exchange, verdict, now| approvals.hear(exchange, CridKey(7), verdict, 202, Secs(now));
        for n in 0..REFUSALS_MAX - 1 {
            assert_eq!(hear(x, Verdict::Refused, n), None);
        }
        hear(x, Verdict::Silent, 30);
        hear(x, Verdict::Admitted, 30);
        for n in 0..REFUSALS_MAX - 1 {
            assert_eq!(hear(x, Verdict::Refused, 40 + n), None, "admitted in between");
            assert_eq!(hear(y, Verdict::Refused, 40 + n), None, "elsewhere");
        }
        let until = Secs(100 + SUSPENSION.0);
        assert_eq!(hear(x, Verdict::Refused, 100).map(|s| s.until), Some(until));
        assert!(approvals.suspended(x, CridKey(7), Secs(until.0 - 1)).is_some());
        assert!(approvals.suspended(x, CridKey(7), until).is_none());
        assert!(approvals.suspended(y, CridKey(7), Secs(100)).is_none());
        assert!(approvals.suspended(x, CridKey(8), Secs(100)).is_none());
        assert_eq!((approvals.list(Secs(100)).len(), approvals.list(until).len()), (1, 0));
    }
}
