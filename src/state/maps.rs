//! The sharded maps of users, matches and exposures: DashMap with its traps closed.
//!
//! Keys are keyed hashes already, so the map's own hash is the identity. Callers copy out or replace;
//! no guard leaves this file, so no lock can be held across two operations.

use std::hash::BuildHasherDefault;

use dashmap::DashMap;

use crate::base::hash::Identity;

/// Many shards keep the worst insert short: a shard doubles by itself.
const SHARDS: usize = 1_024;

/// A concurrent map from keyed 64-bit hashes.
pub struct KeyedMap<V> {
    map: DashMap<u64, V, BuildHasherDefault<Identity>>,
}

impl<V> Default for KeyedMap<V> {
    fn default() -> KeyedMap<V> {
        KeyedMap {
            map: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS),
        }
    }
}

impl<V> KeyedMap<V> {
    /// Lets `look` see the value, under the shard's lock: copy and leave.
    pub fn read<R>(&self, key: u64, look: impl FnOnce(&V) -> R) -> Option<R> {
        self.map.get(&key).map(|value| look(&value))
    }

    /// Whether there is a value.
    pub fn contains(&self, key: u64) -> bool {
        self.map.contains_key(&key)
    }

    /// Puts a value in place of any other. For the writer only.
    pub fn put(&self, key: u64, value: V) {
        self.map.insert(key, value);
    }

    /// Takes a value out. For the writer only.
    pub fn remove(&self, key: u64) {
        self.map.remove(&key);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.len()
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
