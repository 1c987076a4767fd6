//! The names of sites and apps that bids were made for of late, by what stands for them in tokens: so that
//! reports can tell where an ad was shown.
//!
//! Memory only, bounded, in two generations: one that is named again stays. Those on which something was shown
//! are kept by the writer.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::base::limits::{SITE_CHARS_MAX, SITES_RECENT_MAX};
use crate::model::showing::SiteKey;

type Names = HashMap<SiteKey, Box<str>>;

/// The names.
#[derive(Default)]
pub struct Sites(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: Names,
    old: Names,
}

impl Sites {
    /// Whether a name should be told: it is not known, or not of late.
    pub fn wants(&self, site: SiteKey) -> bool {
        site.is_named() && !self.0.lock().young.contains_key(&site)
    }

    /// Notes the name of a site.
    pub fn note(&self, name: &str) {
        let mut inner = self.0.lock();
        if inner.young.len() >= SITES_RECENT_MAX {
            inner.old = std::mem::take(&mut inner.young);
        }
        let cut = name.char_indices().nth(SITE_CHARS_MAX).map_or(name.len(), |(at, _)| at);
        inner.young.insert(SiteKey::of(name), name[..cut].to_ascii_lowercase().into());
    }

    /// The name of a site.
    pub fn name(&self, site: SiteKey) -> Option<String> {
        let inner = self.0.lock();
        inner.young.get(&site).or_else(|| inner.old.get(&site)).map(|name| name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_named_again_stay() {
        let sites = Sites::default();
        let site = SiteKey::of("news.example");
        assert!(sites.wants(site) && !sites.wants(SiteKey::NONE) && !sites.wants(SiteKey::UNKNOWN));
        sites.note("News.example");
        assert!(!sites.wants(site));
        (0..SITES_RECENT_MAX).for_each(|n| sites.note(&format!("{n}.example")));
        assert_eq!((sites.name(site).as_deref(), sites.wants(site)), (Some("news.example"), true));
        sites.note("news.example");
        (2..SITES_RECENT_MAX).for_each(|n| sites.note(&format!("more-{n}.example")));
        assert!(!sites.wants(site), "the younger half is full, and has it");
        sites.note("one-more.example");
        assert!(sites.name(site).is_some() && sites.wants(site), "in the older half");
        (0..SITES_RECENT_MAX).for_each(|n| sites.note(&format!("last-{n}.example")));
        assert_eq!(sites.name(site), None);
    }
}
