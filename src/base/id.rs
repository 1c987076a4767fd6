//! The identifiers of the project as types: configured names and the small numbers that stand for
//! them on the decision path.
//!
//! Numbers are given once, kept in the store and never reused. Nothing here looks anything up.

/// Whether a text is an id: `[a-z0-9][a-z0-9._-]{0,47}` (contract, preamble).
pub fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=48).contains(&bytes.len())
        && (bytes[0].is_ascii_lowercase() || bytes[0].is_ascii_digit())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
}

/// The advertising id of a device (`device.ifa`, §3.2.18): the digits of a UUID in lower case, of one written
/// with its hyphens or with none, and not of the one of zeros alone that stands for none.
pub fn device_id(text: &[u8]) -> Option<[u8; 32]> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let is_hyphen = |at: usize| text.len() == 36 && HYPHENS.contains(&at);
    let mut id = [0; 32];
    let mut digits = 0;
    for (at, byte) in text.iter().enumerate() {
        if is_hyphen(at) {
            (*byte == b'-').then_some(())?;
            continue;
        }
        *id.get_mut(digits)? = byte.is_ascii_hexdigit().then(|| byte.to_ascii_lowercase())?;
        digits += 1;
    }
    (digits == id.len() && id.iter().any(|digit| *digit != b'0')).then_some(id)
}

/// A shopper: the keyed 64-bit hash of our id of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub u64);

impl UserKey {
    /// Stands for somebody who was erased.
    pub const NOBODY: UserKey = UserKey(0);
}

/// A foreign id: the keyed 64-bit hash of its namespace and text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchKey(pub u64);

/// An exchange of the server config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeNo(pub u8);

/// An advertiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdvertiserNo(pub u32);

/// A campaign, or an advertiser's own book over all its campaigns; below 2^24.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CampaignNo(pub u32);

/// A creative within its advertiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreativeNo(pub u8);

/// A `crid`: its keyed 64-bit hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CridKey(pub u64);

/// A product: the low 40 bits of the keyed hash of its advertiser and `item_id`; zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductKey(pub u64);

impl ProductKey {
    /// No product.
    pub const NONE: ProductKey = ProductKey(0);

    /// Whether this stands for a product.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// A bid: the first eight bytes of its token's nonce. What evidence of one impression shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BidTag(pub u64);

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_short_lower_case_and_plain() {
        for good in ["a", "acme-shoes", "0.x_y", &"a".repeat(48)] {
            assert!(super::is_id(good), "{good}");
        }
        for bad in ["", "-a", "A", "a b", "é", &"a".repeat(49)] {
            assert!(!super::is_id(bad), "{bad}");
        }
    }
}
