//! The names of sites and apps that bids were made for of late, by what stands for them in tokens: so that
//! reports can tell where an ad was shown.
//!
//! Memory only, bounded, in two generations: one that is named again stays. Those on which something was shown
//! are kept by the writer. In shards, since every bid asks.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::base::limits::{SITE_CHARS_MAX, SITES_RECENT_MAX};
use crate::model::showing::SiteKey;

type Names = HashMap<SiteKey, Box<str>>;

const SHARDS: usize = 64;

/// The names.
pub struct Sites([Mutex<Generations>; SHARDS]);

impl Default for Sites {
    fn default() -> Sites {
        Sites(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Sites {
    fn shard(&self, site: SiteKey) -> &Mutex<Generations> {
        &self.0[site.0 as usize % SHARDS]
    }

    /// Whether a name should be told: it is not known, or not of late.
    pub fn wants(&self, site: SiteKey) -> bool {
        site.is_named() && !self.shard(site).lock().young.contains_key(&site)
    }

    /// Notes the name of a site.
    pub fn note(&self, name: &str) {
        let site = SiteKey::of(name);
        self.shard(site).lock().note(site, name);
    }

    /// The name of a site.
    pub fn name(&self, site: SiteKey) -> Option<String> {
        self.shard(site).lock().name(site).map(str::to_owned)
    }
}

/// The names of a shard: those of late, and those before them.
#[derive(Default)]
struct Generations {
    young: Names,
    old: Names,
}

impl Generations {
    fn note(&mut self, site: SiteKey, name: &str) {
        if self.young.len() >= SITES_RECENT_MAX / SHARDS {
            self.old = std::mem::take(&mut self.young);
        }
        let cut = name.char_indices().nth(SITE_CHARS_MAX).map_or(name.len(), |(at, _)| at);
        self.young.insert(site, name[..cut].to_ascii_lowercase().into());
    }

    fn name(&self, site: SiteKey) -> Option<&str> {
        self.young.get(&site).or_else(|| self.old.get(&site)).map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_once() {
        let sites = Sites::default();
        let site = SiteKey::of("news.example");
        assert!(sites.wants(site) && !sites.wants(SiteKey::NONE) && !sites.wants(SiteKey::UNKNOWN));
        sites.note("News.example");
        assert_eq!((sites.name(site).as_deref(), sites.wants(site)), (Some("news.example"), false));
    }

    #[test]
    fn names_that_are_named_again_stay() {
        let (mut names, site) = (Generations::default(), SiteKey::of("news.example"));
        let fill = |names: &mut Generations, word: &str, count: usize| {
            (0..count).for_each(|n| {
                let name = format!("{word}-{n}.example");
                names.note(SiteKey::of(&name), &name);
            });
        };
        names.note(site, "news.example");
        fill(&mut names, "more", SITES_RECENT_MAX / SHARDS - 1);
        assert!(names.young.contains_key(&site), "the younger half is full, and has it");
        fill(&mut names, "one-more", 1);
        assert!(names.name(site).is_some() && !names.young.contains_key(&site), "in the older half");
        fill(&mut names, "last", SITES_RECENT_MAX / SHARDS);
        assert_eq!(names.name(site), None);
    }
}
