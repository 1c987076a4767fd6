//! The ids of `user.eids` that a shopper is looked for by, the most trusted first.
//!
//! Ours come first, then those matched by login, by cookie sync or in no stated way, then those that a publisher
//! observed by itself; each in the order of its sources. Inferred ones may be anybody's: they are passed over.
//! Allocates nothing.

use smallvec::SmallVec;

use super::attributes::plain;
use super::json::{Eid, eids};
use crate::base::limits::EID_PROBES_MAX;
use crate::model::eids::EidSources;

/// `mm` of ids that the publisher observed by itself (AdCOM, ID Match Methods).
const OBSERVED: i64 = 4;
/// Of ids that are inferred, from an address or the like.
const INFERRED: i64 = 5;

/// One id, and which of the request's it is, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen<'b> {
    /// The id.
    pub eid: Eid<'b>,
    /// Its number in the request.
    pub number: u16,
}

/// Chooses the ids to look at from a raw `eids` array, [`EID_PROBES_MAX`] at most; `own` is the source of ours.
pub fn chosen<'b>(raw: &'b [u8], sources: &EidSources, own: &str) -> SmallVec<[Chosen<'b>; EID_PROBES_MAX]> {
    let mut best: SmallVec<[(bool, usize, Chosen<'b>); EID_PROBES_MAX]> = SmallVec::new();
    for (eid, number) in eids(raw).zip(1u16..) {
        let source = plain(eid.source);
        let rank = if source == Some(own) { Some(0) } else { sources.rank(source) };
        let Some(rank) = rank.filter(|_| eid.method != Some(INFERRED)) else {
            continue;
        };
        let key = (eid.method == Some(OBSERVED), rank);
        let place = best.partition_point(|(observed, rank, _)| (*observed, *rank) <= key);
        if place == EID_PROBES_MAX {
            continue;
        }
        best.truncate(EID_PROBES_MAX - 1);
        best.insert(place, (key.0, key.1, Chosen { eid, number }));
    }
    best.into_iter().map(|(_, _, chosen)| chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(raw: &str, sources: &EidSources) -> Vec<u16> {
        let chosen = chosen(raw.as_bytes(), sources, "ads.example");
        assert!(!chosen.spilled());
        chosen.iter().map(|chosen| chosen.number).collect()
    }

    #[test]
    fn the_most_trusted_come_first_and_a_few_of_many_are_looked_at() {
        let all = EidSources::default();
        let raw = r#"[{"source": "else.example", "uids": [{"id": "1"}, {"id": "2"}]},
            {"source": "pubcid.org", "mm": 4, "uids": [{"id": "3"}]},
            {"source": "ads.example", "uids": [{"id": "4"}]},
            {"source": "euid.eu", "mm": 5, "uids": [{"id": "5"}]},
            {"source": "id5-sync.com", "mm": 2, "uids": [{"id": "6"}]},
            {"source": "uidapi.com", "mm": 3, "uids": [{"id": "7"}]}]"#;
        assert_eq!(numbers(raw, &all), [4, 7, 6, 1, 2, 3]);
        let few = EidSources::new(vec!["id5-sync.com".into(), "pubcid.org".into()], false);
        assert_eq!(numbers(raw, &few), [4, 6, 3], "ours count whatever is listed");
        let many: Vec<String> = (1..=20).map(|n| format!("{{\"id\": \"{n}\"}}")).collect();
        let uids = many.join(",");
        let raw = format!(r#"[{{"source": "else.example", "uids": [{uids}]}}, {{"source": "euid.eu", "uids": [{uids}]}}]"#);
        let first = |from: u16| (from..from + EID_PROBES_MAX as u16).collect::<Vec<_>>();
        assert_eq!(numbers(&raw, &all), first(21));
        assert_eq!(numbers(&raw, &EidSources::new(Vec::new(), true)), first(1));
        assert_eq!(numbers("", &all), [0; 0]);
    }
}
