//! Who has to leave: users not seen within the retention, and, beyond the memory that is allowed, those
//! seen longest ago.
//!
//! Plans are read off the counts of users by when they were seen; a hand then goes over the shards, one at
//! a time, and names whom the plan is about. It changes nothing: the writer does, once it is durable.
//! *Seen* is the last event or impression, never a bid request.

use super::State;
use super::records::{SEEN_STEP_S, Tally};
use crate::base::id::UserKey;
use crate::base::time::Secs;
use crate::model::profile;

/// A sixty-fourth of the memory is freed beyond what is needed, so that the hand can rest.
const FREED_FURTHER: u64 = 64;

/// Why a user leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Not seen within the retention.
    Retention,
    /// The memory is full, and they were seen longest ago.
    Memory,
}

impl Why {
    /// All of them.
    pub const ALL: [Why; 2] = [Why::Retention, Why::Memory];

    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Why::Retention => "retention",
            Why::Memory => "memory",
        }
    }
}

/// What bounds the users.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long a user is remembered after they were last seen.
    pub retention_s: u32,
    /// What users may take, if limited.
    pub bytes_max: Option<u64>,
}

/// Whom one round of the hand is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// All who were last seen before this: not within the retention.
    expired: Secs,
    /// All who were last seen before this.
    before: Secs,
    /// And so many of those seen in the step that begins then.
    further: u64,
}

/// Somebody who is to leave, unless they were seen again after `seen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Whom.
    pub user: UserKey,
    /// When they were last seen.
    pub seen: Secs,
    /// Why.
    pub why: Why,
}

impl Plan {
    /// What is to be done at `now`; none where nobody has to leave.
    pub fn new(state: &State, bounds: &Bounds, now: Secs) -> Option<Plan> {
        let tally = state.users.tally();
        let expired_step = now.0.saturating_sub(bounds.retention_s) / SEEN_STEP_S;
        let expired = Secs(expired_step * SEEN_STEP_S);
        let (step, further) = match Plan::excess(state, bounds) {
            Some(excess) => Plan::threshold(&tally, excess),
            None => (0, 0),
        };
        let is_any_expired = tally.range(..expired_step).next().is_some();
        (is_any_expired || step > 0 || further > 0).then(|| Plan {
            expired,
            before: expired.max(Secs(step.saturating_mul(SEEN_STEP_S))),
            // Of a step before the retention all go anyway.
            further: if step >= expired_step { further } else { 0 },
        })
    }

    /// How many users too many there are for the memory.
    fn excess(state: &State, bounds: &Bounds) -> Option<u64> {
        let (most, bytes, users) = (bounds.bytes_max?, state.users_bytes(), state.users.len() as u64);
        let target = most - most / FREED_FURTHER;
        (bytes > most && users > 0).then(|| ((bytes - target) * users).div_ceil(bytes).min(users))
    }

    /// The step before which all leave so that `excess` do, and how many of it.
    fn threshold(tally: &Tally, excess: u64) -> (u32, u64) {
        let mut left = excess;
        for (step, users) in tally {
            if *users >= left {
                return (*step, left);
            }
            left -= users;
        }
        (u32::MAX / SEEN_STEP_S, 0)
    }

    /// Those of one shard who are to leave, in place of what `leaving` holds: its memory should be there before the
    /// shard is locked.
    pub fn sweep(&mut self, state: &State, shard: usize, leaving: &mut Vec<Leaving>) {
        leaving.clear();
        let step_end = self.before.0.saturating_add(SEEN_STEP_S);
        state.users.sweep(shard, |key, record| {
            let seen = profile::seen(record);
            let is_further = seen >= self.before && seen.0 < step_end && self.further > 0;
            if seen < self.before || is_further {
                self.further -= u64::from(is_further);
                let why = if seen < self.expired { Why::Retention } else { Why::Memory };
                let user = UserKey(key);
                leaving.push(Leaving { user, seen, why });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_leaves_as_many_as_are_too_many() {
        let tally = Tally::from([(1, 10), (2, 5), (40, 100)]);
        let cases = [
            (1, (1, 1)),
            (10, (1, 10)),
            (11, (2, 1)),
            (15, (2, 5)),
            (16, (40, 1)),
            (115, (40, 100)),
        ];
        for (excess, threshold) in cases {
            assert_eq!(Plan::threshold(&tally, excess), threshold, "{excess}");
        }
        assert_eq!(Plan::threshold(&tally, 116).1, 0, "more than there are: all");
    }
}
