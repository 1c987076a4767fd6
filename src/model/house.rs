//! What no advertiser is shown on: the house's lists of domains, apps, sellers and categories (contract
//! §2 `house.block`).
//!
//! Entries are in lower case, as files and requests are compared. Looks at texts only; which texts of a
//! request are asked about is the caller's to know.

use std::collections::HashSet;

/// The longest name that can be on a list.
const NAME_BYTES_MAX: usize = 253;

/// The lists, put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HouseBlock {
    /// Domains; what is below them is blocked too.
    pub domains: HashSet<Box<str>>,
    /// App bundles, exactly.
    pub bundles: HashSet<Box<str>>,
    /// `publisher.id`, exactly.
    pub sellers: HashSet<Box<str>>,
    /// Content categories; what is below them is blocked too.
    pub categories: Vec<String>,
}

impl HouseBlock {
    /// Whether nothing is blocked.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.bundles.is_empty() && self.sellers.is_empty() && self.categories.is_empty()
    }

    /// Whether a domain, or one above it, is blocked.
    pub fn has_domain(&self, domain: &str) -> bool {
        lowered(domain.trim_end_matches('.'), |domain| {
            std::iter::successors(Some(domain), |domain| domain.split_once('.').map(|(_, above)| above))
                .any(|domain| self.domains.contains(domain))
        })
    }

    /// Whether an app is blocked.
    pub fn has_bundle(&self, bundle: &str) -> bool {
        lowered(bundle, |bundle| self.bundles.contains(bundle))
    }

    /// Whether a seller is blocked.
    pub fn has_seller(&self, seller: &str) -> bool {
        lowered(seller, |seller| self.sellers.contains(seller))
    }
}

/// Asks about a text in lower case, without allocation; one longer than any entry is on no list.
fn lowered(text: &str, ask: impl FnOnce(&str) -> bool) -> bool {
    let mut lower = [0; NAME_BYTES_MAX];
    let Some(lower) = lower.get_mut(..text.len()) else { return false };
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).is_ok_and(ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_block_what_is_below_them() {
        let block = HouseBlock {
            domains: ["bad.example".into()].into(),
            bundles: ["com.bad.app".into()].into(),
            ..HouseBlock::default()
        };
        for domain in ["bad.example", "www.BAD.example", "a.b.bad.example."] {
            assert!(block.has_domain(domain), "{domain}");
        }
        for domain in ["notbad.example", "example", "bad.example.org", "", &"a.".repeat(200)] {
            assert!(!block.has_domain(domain), "{domain}");
        }
        assert!(block.has_bundle("com.Bad.App") && !block.has_bundle("com.bad.app2") && !block.has_seller("x"));
    }
}
