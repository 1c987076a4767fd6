//! The sharded maps of users, matches and exposures: many small DashMaps, with their traps closed.
//!
//! Keys are keyed hashes already: the top bits pick the map, so that rows in the order of keys fill one
//! after another, and one can be gone through without keeping the others waiting. Callers copy out or
//! replace; no guard leaves this file, so no lock can be held across two operations. A clock is lent by the
//! caller, to time how long a lock is held.

use std::hash::BuildHasherDefault;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;

use crate::base::hash::Turned;

/// Many maps keep the worst insert short: each doubles by itself.
pub const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 12;
/// The fewest that a DashMap has of its own.
const SHARDS_OF_SHARD: usize = 2;
/// Bytes of an entry of 24 in its table, control byte included, where the table is emptiest: just doubled.
pub const ENTRY_BYTES: u64 = 57;

type Shard<V> = DashMap<u64, V, BuildHasherDefault<Turned>>;

/// What to time lock holds by: nanoseconds since some beginning.
pub type Clock = fn() -> u64;

/// The longest times that a shard's lock was held by the writer or the hand, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    /// While the shard's table did not grow.
    pub steady_ns: u64,
    /// While it doubled.
    pub doubling_ns: u64,
}

/// A concurrent map from keyed 64-bit hashes.
pub struct KeyedMap<V> {
    shards: Box<[Shard<V>]>,
    count: AtomicUsize,
    clock: OnceLock<Clock>,
    steady_ns: AtomicU64,
    doubling_ns: AtomicU64,
}

impl<V> Default for KeyedMap<V> {
    fn default() -> KeyedMap<V> {
        KeyedMap {
            shards: (0..SHARDS)
                .map(|_| DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS_OF_SHARD))
                .collect(),
            count: AtomicUsize::new(0),
            clock: OnceLock::new(),
            steady_ns: AtomicU64::new(0),
            doubling_ns: AtomicU64::new(0),
        }
    }
}

/// The shard a key belongs to.
fn shard_of(key: u64) -> usize {
    (key >> (u64::BITS - SHARD_BITS)) as usize
}

impl<V> KeyedMap<V> {
    fn shard(&self, key: u64) -> &Shard<V> {
        &self.shards[shard_of(key)]
    }

    fn now(&self) -> u64 {
        self.clock.get().map_or(0, |clock| clock())
    }

    fn held_since(&self, began: u64, doubled: bool) {
        let longest = if doubled { &self.doubling_ns } else { &self.steady_ns };
        longest.fetch_max(self.now().saturating_sub(began), Relaxed);
    }

    /// From now on holds are timed by this clock; the first one given stays.
    pub fn time_by(&self, clock: Clock) {
        self.clock.get_or_init(|| clock);
    }

    /// The longest holds so far.
    pub fn longest(&self) -> Longest {
        Longest {
            steady_ns: self.steady_ns.load(Relaxed),
            doubling_ns: self.doubling_ns.load(Relaxed),
        }
    }

    /// Lets `look` see the value, under the shard's lock: copy and leave.
    pub fn read<R>(&self, key: u64, look: impl FnOnce(&V) -> R) -> Option<R> {
        self.shard(key).get(&key).map(|value| look(&value))
    }

    /// Whether there is a value.
    pub fn contains(&self, key: u64) -> bool {
        self.shard(key).contains_key(&key)
    }

    /// Puts a value in place of any other, which is returned. For the writer only.
    pub fn put(&self, key: u64, value: V) -> Option<V> {
        let shard = self.shard(key);
        let before = shard.capacity();
        let began = self.now();
        let old = shard.insert(key, value);
        self.held_since(began, shard.capacity() > before);
        self.count.fetch_add(usize::from(old.is_none()), Relaxed);
        old
    }

    /// At start, where nobody is held up: a value that was not there. How many there were is told by
    /// [`KeyedMap::filled`].
    pub fn fill(&self, key: u64, value: V) {
        self.shard(key).insert(key, value);
    }

    /// At start: so many values were filled in.
    pub fn filled(&self, values: usize) {
        self.count.fetch_add(values, Relaxed);
    }

    /// Takes a value out. For the writer only.
    pub fn remove(&self, key: u64) -> Option<V> {
        let began = self.now();
        let old = self.shard(key).remove(&key).map(|(_, value)| value);
        self.held_since(began, false);
        self.count.fetch_sub(usize::from(old.is_some()), Relaxed);
        old
    }

    /// Shows every entry of one shard, in no order, while bids go on reading it.
    pub fn sweep(&self, shard: usize, mut look: impl FnMut(u64, &V)) {
        let began = self.now();
        self.shards[shard].iter().for_each(|entry| look(*entry.key(), entry.value()));
        self.held_since(began, false);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V: Copy> KeyedMap<V> {
    /// A copy of the value.
    pub fn get(&self, key: u64) -> Option<V> {
        self.read(key, |value| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::mix;

    #[test]
    fn what_is_put_is_there_and_every_entry_is_swept_once() {
        let map = KeyedMap::default();
        let keys: Vec<u64> = (0..50_000).map(mix).collect();
        for key in &keys {
            assert_eq!(map.put(*key, key ^ 1), None);
        }
        assert_eq!((map.put(keys[0], 7), map.put(keys[0], keys[0] ^ 1)), (Some(keys[0] ^ 1), Some(7)));
        assert_eq!((map.remove(keys[1]), map.remove(keys[1])), (Some(keys[1] ^ 1), None));
        assert_eq!(map.len(), keys.len() - 1);
        let mut seen = Vec::new();
        (0..SHARDS).for_each(|shard| map.sweep(shard, |key, value| seen.push((key, *value))));
        seen.sort_unstable();
        let mut wanted: Vec<_> = keys.iter().filter(|key| **key != keys[1]).map(|key| (*key, key ^ 1)).collect();
        wanted.sort_unstable();
        assert_eq!(seen, wanted);
    }

    #[test]
    fn holds_are_timed_once_there_is_a_clock() {
        let map = KeyedMap::default();
        map.put(1, ());
        assert_eq!(map.longest(), Longest::default());
        fn ticking() -> u64 {
            static TICKS: AtomicU64 = AtomicU64::new(0);
            TICKS.fetch_add(3, Relaxed)
        }
        map.time_by(ticking);
        map.remove(1);
        assert_eq!(
            map.longest(),
            Longest {
                steady_ns: 3,
                doubling_ns: 0
            }
        );
        for key in 0..100 {
            map.put(key, ());
        }
        assert_eq!(
            map.longest(),
            Longest {
                steady_ns: 3,
                doubling_ns: 3
            }
        );
    }
}
