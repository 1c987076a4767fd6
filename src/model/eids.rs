//! Whose ids of `user.eids` a shopper is looked for by, and which first (sync.md §7).
//!
//! Plain data, built by `config`. Sources are compared as they are written: exchanges send them in lower case.

/// The sources that the field knows, in the order in which sync.md §7 names them: those by login first.
pub const KNOWN: [&str; 20] = [
    "uidapi.com",
    "euid.eu",
    "id5-sync.com",
    "liveramp.com",
    "criteo.com",
    "pubcid.org",
    "adserver.org",
    "esp.pubmatic.com",
    "google.com",
    "liveintent.com",
    "bidswitch.net",
    "yahoo.com",
    "netid.de",
    "utiq.com",
    "33across.com",
    "audigent.com",
    "quantcast.com",
    "merkleinc.com",
    "zeotap.com",
    "neustar.biz",
];

/// `eids`: the sources that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EidSources {
    /// In the order of their names, each with its rank.
    ranks: Vec<(String, usize)>,
    /// Whether others are, too, after these.
    others: bool,
}

impl Default for EidSources {
    fn default() -> EidSources {
        EidSources::new(KNOWN.map(str::to_owned).into(), true)
    }
}

impl EidSources {
    /// The sources, the most trusted first, and whether others count, too.
    pub fn new(sources: Vec<String>, others: bool) -> EidSources {
        let mut ranks: Vec<(String, usize)> = sources.into_iter().zip(1..).collect();
        ranks.sort();
        ranks.dedup_by(|again, first| again.0 == first.0);
        EidSources { ranks, others }
    }

    /// How far back a source comes, from 1; none where its ids are not looked at. `None` is one whose name cannot
    /// be told.
    pub fn rank(&self, source: Option<&str>) -> Option<usize> {
        let named = source.and_then(|name| self.ranks.binary_search_by_key(&name, |(known, _)| known).ok());
        let ranked = named.and_then(|at| self.ranks.get(at)).map(|(_, rank)| *rank);
        ranked.or(self.others.then_some(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_come_in_their_order_and_others_last_or_not_at_all() {
        let sources = EidSources::default();
        for (at, source) in KNOWN.iter().enumerate() {
            assert_eq!(sources.rank(Some(source)), Some(at + 1));
        }
        assert_eq!(sources.rank(Some("else.example")), Some(usize::MAX));
        assert_eq!(sources.rank(None), Some(usize::MAX));
        let two = EidSources::new(vec!["b.example".into(), "a.example".into(), "b.example".into()], false);
        let ranks = ["a.example", "b.example", "c.example"].map(|source| two.rank(Some(source)));
        assert_eq!(ranks, [Some(2), Some(1), None]);
        assert_eq!(two.rank(None), None);
    }
}
