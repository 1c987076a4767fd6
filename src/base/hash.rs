//! Keyed hashing of ids: the only form in which foreign ids, users and products are kept.
//!
//! Assumes a 128-bit key that lives beside the store. Never allocates.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::id::{AdvertiserNo, CridKey, MatchKey, ProductKey, UserKey};

/// Hashes under one key. Fields are separated, so `("a", "bc")` and `("ab", "c")` differ.
#[derive(Clone, Debug)]
pub struct Hashes {
    empty: SipHasher13,
}

impl Hashes {
    /// Hashes under `key`.
    pub fn new(key: &[u8; 16]) -> Hashes {
        Hashes {
            empty: SipHasher13::new_with_key(key),
        }
    }

    /// Hashes under a key that is drawn and told nobody: what comes of them is this process's own.
    pub fn drawn() -> std::io::Result<Hashes> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Hashes::new(&key))
    }

    /// Hashes under a key of at least 32 hexadecimal digits, as its file holds it.
    pub fn from_hex(text: &str) -> Option<Hashes> {
        decode_hex(text).map(|key| Hashes::new(&key))
    }

    /// The 64-bit hash of a domain and parts.
    pub fn of(&self, domain: &str, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.empty;
        hasher.write(domain.as_bytes());
        for part in parts {
            hasher.write_u8(0xff);
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }

    /// The key of the user whom we call `id`: base64 as a rule, which some who send it back pad.
    pub fn user(&self, id: &[u8]) -> UserKey {
        let padding = id.iter().rev().take_while(|byte| **byte == b'=').count();
        UserKey(self.of("user", &[&id[..id.len() - padding]]))
    }

    /// The key of an id that others gave, in the namespace of those who gave it.
    pub fn foreign(&self, namespace: &str, id: &[u8]) -> MatchKey {
        MatchKey(self.of("match", &[namespace.as_bytes(), id]))
    }

    /// What the key of somebody erased is remembered by.
    pub fn erased(&self, key: u64) -> u64 {
        self.of("erased", &[&key.to_be_bytes()])
    }

    /// What stands for a custom event in records and rules, by its name with `custom:`.
    pub fn custom_event(&self, name: &str) -> ProductKey {
        ProductKey((self.of("custom", &[name.as_bytes()]) & 0xff_ffff_ffff).max(1))
    }

    /// The key of a `crid`.
    pub fn crid(&self, crid: &str) -> CridKey {
        CridKey(self.of("crid", &[crid.as_bytes()]))
    }

    /// The key of an advertiser's product.
    pub fn product(&self, advertiser: AdvertiserNo, item_id: &str) -> ProductKey {
        let hash = self.of("product", &[&advertiser.0.to_le_bytes(), item_id.as_bytes()]);
        ProductKey((hash & 0xff_ffff_ffff).max(1))
    }
}

/// The first `N` bytes that hexadecimal digits stand for.
pub fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let mut key = [0; N];
    if digits.len() < 2 * N || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(key)
}

/// The namespace of the advertising ids of devices.
pub const NS_IFA: &str = "ifa:";
/// What the namespaces of SHA-256 hashes of e-mail addresses begin with: each advertiser has its own.
pub const NS_EMAIL: &str = "email_sha256:";

/// The namespace of the addresses that an advertiser knows its customers by.
pub fn email_namespace(advertiser: AdvertiserNo) -> String {
    format!("{NS_EMAIL}{}", advertiser.0)
}

/// Passes 64-bit keys through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `u64` keys are hashed; anything else still spreads.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// For keyed hashes whose top bits have been used up: turns them to the middle, where neither the place in a
/// table (the lowest bits) nor the tag of an entry (the highest) is taken from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turned(Identity);

impl Hasher for Turned {
    fn finish(&self) -> u64 {
        self.0.finish().rotate_right(12)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn write_u64(&mut self, key: u64) {
        self.0.write_u64(key);
    }
}

/// For keys that are keyed hashes of fewer than 64 bits, such as products': spreads them over all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread(Identity);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn write_u64(&mut self, key: u64) {
        self.0.write_u64(key);
    }
}

/// Mixes a 64-bit number well; for ties and derived seeds, not for secrets.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
