//! Byte records of users in memory, with the two sums that bound them: what they take, and how many users
//! were last seen when.
//!
//! Written by the writer and at start; no guard leaves this file.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::maps::{Clock, ENTRY_BYTES, KeyedMap, Longest};
use crate::base::hash::Spread;
use crate::model::profile;

/// Users seen within one step of so many seconds are alike to the hand.
pub const SEEN_STEP_S: u32 = 900;

/// How many users were last seen in which step since 2024.
pub type Tally = BTreeMap<u32, u64>;

/// Sums of what one thread fills in at start.
#[derive(Debug, Default)]
pub struct Filling {
    /// As [`Tally`], but quick to add to.
    tally: HashMap<u64, u64, BuildHasherDefault<Spread>>,
    bytes: u64,
    records: usize,
}

/// Records by user.
#[derive(Default)]
pub struct Records {
    map: KeyedMap<Box<[u8]>>,
    bytes: AtomicU64,
    tally: Option<Mutex<Tally>>,
}

/// The step a record was last seen in.
fn step(record: &[u8]) -> u32 {
    profile::seen(record).0 / SEEN_STEP_S
}

/// What an allocation of so many bytes takes: classes of 16 bytes, above 128 an eighth apart.
fn allocated(bytes: usize) -> u64 {
    let bytes = bytes.max(1) as u64;
    let class = if bytes <= 128 {
        16
    } else {
        (bytes.next_power_of_two() / 16).max(16)
    };
    bytes.next_multiple_of(class)
}

impl Records {
    /// Records of `model::profile`, which say when their user was last seen.
    pub fn of_profiles() -> Records {
        Records {
            tally: Some(Mutex::default()),
            ..Records::default()
        }
    }

    /// Lets `look` see the record, under the shard's lock: copy and leave.
    pub fn read<R>(&self, key: u64, look: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.map.read(key, |record| look(record))
    }

    /// Whether there is a record.
    pub fn contains(&self, key: u64) -> bool {
        self.map.contains(key)
    }

    /// Puts a record in place of any other. For the writer only.
    pub fn put(&self, key: u64, record: Box<[u8]>) {
        let (new, takes) = (step(&record), allocated(record.len()));
        let old = self.map.put(key, record);
        self.bytes.fetch_add(takes, Relaxed);
        self.count(old.as_deref(), Some(new));
    }

    /// Takes a record out. For the writer only.
    pub fn remove(&self, key: u64) {
        let old = self.map.remove(key);
        self.count(old.as_deref(), None);
    }

    /// At start, where nobody else writes: a record that was not there. Its sums are kept apart, and are to be
    /// handed to [`Records::filled`].
    pub fn fill(&self, key: u64, record: Box<[u8]>, filling: &mut Filling) {
        *filling.tally.entry(step(&record).into()).or_default() += 1;
        filling.bytes += allocated(record.len());
        filling.records += 1;
        self.map.fill(key, record);
    }

    /// At start: the sums of what was filled in.
    pub fn filled(&self, filling: Filling) {
        self.map.filled(filling.records);
        self.bytes.fetch_add(filling.bytes, Relaxed);
        if let Some(own) = &self.tally {
            let mut own = own.lock();
            for (step, users) in filling.tally {
                *own.entry(step as u32).or_default() += users;
            }
        }
    }

    fn count(&self, old: Option<&[u8]>, new: Option<u32>) {
        if let Some(old) = old {
            self.bytes.fetch_sub(allocated(old.len()), Relaxed);
        }
        let old = old.map(step);
        let Some(tally) = self.tally.as_ref().filter(|_| old != new) else {
            return;
        };
        let mut tally = tally.lock();
        if let Some(new) = new {
            *tally.entry(new).or_default() += 1;
        }
        if let Some(old) = old
            && let Some(users) = tally.get_mut(&old)
        {
            *users -= 1;
            if *users == 0 {
                tally.remove(&old);
            }
        }
    }

    /// How many users were last seen when; nothing of records that do not say.
    pub fn tally(&self) -> Tally {
        self.tally.as_ref().map(|tally| tally.lock().clone()).unwrap_or_default()
    }

    /// Shows every record of one shard, in no order, while bids go on reading it.
    pub fn sweep(&self, shard: usize, mut look: impl FnMut(u64, &[u8])) {
        self.map.sweep(shard, |key, record| look(key, record));
    }

    /// What all records and their slots take at most.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed) + self.len() as u64 * ENTRY_BYTES
    }

    /// From now on lock holds are timed by this clock.
    pub fn time_by(&self, clock: Clock) {
        self.map.time_by(clock);
    }

    /// The longest holds so far.
    pub fn longest(&self) -> Longest {
        self.map.longest()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::mix;
    use crate::base::id::AdvertiserNo;
    use crate::base::time::Secs;
    use crate::model::event::{EventKind, Happening, Marks};
    use crate::model::profile::Profile;

    fn record(seen: u32, events: usize) -> Box<[u8]> {
        let mut profile = Profile::default();
        let event = Happening {
            kind: EventKind::PageView,
            at: Secs(seen),
            continued: false,
            product: crate::base::id::ProductKey::NONE,
            quantity: 1,
            value: crate::base::money::Money::ZERO,
            marks: Marks::default(),
        };
        (0..events).for_each(|_| profile.remember(AdvertiserNo(1), &[event]));
        profile.write().into_boxed_slice()
    }

    #[test]
    fn sums_are_those_of_the_records_that_are_there() {
        let records = Records::of_profiles();
        let mut kept: BTreeMap<u64, Box<[u8]>> = BTreeMap::new();
        for n in 0..20_000u64 {
            let key = mix(mix(n) % 500);
            if mix(n ^ 5).is_multiple_of(4) {
                records.remove(key);
                kept.remove(&key);
            } else {
                let record = record((mix(n ^ 9) % 9_000) as u32, (mix(n) % 40) as usize + 1);
                records.put(key, record.clone());
                kept.insert(key, record);
            }
        }
        assert!(kept.len() > 300, "{}", kept.len());
        let mut tally = Tally::new();
        kept.values().for_each(|record| *tally.entry(step(record)).or_default() += 1);
        let bytes: u64 = kept.values().map(|record| allocated(record.len()) + ENTRY_BYTES).sum();
        assert_eq!(
            (records.len(), records.tally(), records.bytes()),
            (kept.len(), tally.clone(), bytes)
        );
        let again = Records::of_profiles();
        let mut filling = Filling::default();
        for (key, record) in &kept {
            again.fill(*key, record.clone(), &mut filling);
        }
        again.filled(filling);
        assert_eq!((again.len(), again.tally(), again.bytes()), (kept.len(), tally, bytes));
    }
}
