//! TC strings that one core has read lately, and what each allowed.
//!
//! The largest publishers' strings list hundreds of ranges of vendors, and come again and again: of one person, and of
//! all who chose the same with the same dialogue on the same day. A string is known again by its whole text, so
//! nobody is ever granted what another string grants; by another policy it is read anew. Takes memory once.

use xxhash_rust::xxh3::xxh3_64;

use super::permission::{Permission, Policy};
use crate::base::limits::{TC_STRING_RECALLED_CHARS_MAX as CHARS, TC_STRINGS_RECALLED as STRINGS};

/// Strings of one core; a string takes the place of another one that hashes alike.
#[derive(Debug, Default)]
pub struct Recall {
    /// By what policy they were read.
    policy: Policy,
    /// How long the string in each place is, and what it allowed; no places before the first string.
    places: Vec<(usize, Permission)>,
    /// The strings, [`CHARS`] for each place.
    texts: Vec<u8>,
}

impl Recall {
    /// What a TC string allows by a policy: [`Policy::read`].
    pub fn read(&mut self, policy: &Policy, text: &str) -> Permission {
        let text_bytes = text.as_bytes();
        if text.is_empty() || text.len() > CHARS {
            return policy.read(text);
        }
        if self.places.is_empty() || self.policy != *policy {
            self.forget(policy);
        }
        let at = xxh3_64(text_bytes) as usize % STRINGS;
        let (place, kept) = (&mut self.places[at], &mut self.texts[at * CHARS..][..CHARS]);
        if kept[..place.0] != *text_bytes {
            *place = (text.len(), policy.read(text));
            kept[..text.len()].copy_from_slice(text_bytes);
        }
        place.1
    }

    fn forget(&mut self, policy: &Policy) {
        self.policy.clone_from(policy);
        self.places.clear();
        self.places.resize(STRINGS, (0, Permission::ALL));
        self.texts.resize(STRINGS * CHARS, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::permission::Ground;
    use crate::privacy::vendor::Vendor;

    /// Purposes 1 to 4 and 7 for vendor 10, and for another one.
    const OURS: &str = "CQI9IYAQI9IYAAKABBENBkEgAPIAAAAAAAYgAFABAAAAA";
    const OTHERS: &str = "CQI9IYAQI9IYAAKABBENBkEgAPIAAAAAAAYgAFgAgAAAA";

    fn policy(vendor: u16) -> Policy {
        Policy {
            vendor: Some(Vendor::by_consent(vendor)),
            ..Policy::default()
        }
    }

    #[test]
    fn what_is_recalled_is_what_is_read() {
        let (mut recall, policies) = (Recall::default(), [policy(10), policy(11), Policy::default()]);
        let long = "C".repeat(CHARS + 1);
        let texts: Vec<String> = (0..3 * STRINGS)
            .map(|n| format!("{OURS}.{n:06}"))
            .chain([OURS, OTHERS, "", "C", &long].map(str::to_string))
            .collect();
        let mut granted = 0;
        for policy in policies.iter().chain(&policies) {
            for text in texts.iter().chain(&texts) {
                let recalled = recall.read(policy, text);
                assert_eq!(recalled, policy.read(text), "{text}");
                granted += usize::from(recalled == policy.read(OURS) && recalled.because != Some(Ground::NoVendor));
            }
        }
        assert!(granted > STRINGS, "{granted}");
    }
}
