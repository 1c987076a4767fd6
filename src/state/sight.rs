//! What ids a request carries, and what each of them led to: for metrics and explain, never the ids themselves.
//!
//! `identify` fills it while it looks. Assumes that permission has been asked before; allocates nothing beyond
//! the keys it is lent.

use crate::base::hash::{Hashes, NS_IFA};
use crate::base::id::{MatchKey, UserKey, device_id};
use crate::base::limits::EID_PROBES_MAX;
use crate::model::outcome::NoBid;
use crate::openrtb::attributes::plain;
use crate::openrtb::eids::Chosen;
use crate::openrtb::json::Text;
use crate::privacy::permission::Ground;
use crate::state::State;
use crate::state::world::World;

/// Ids of exchanges that are longer are nobody's.
pub const FOREIGN_ID_BYTES_MAX: usize = 256;

/// What an id led to, from the least to the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Led {
    /// There is none.
    #[default]
    Absent,
    /// It is a macro nobody replaced, zeros, or a word for nobody.
    Nobody,
    /// No match.
    Unknown,
    /// A user of ours.
    Known,
}

/// Where a request carries an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `user.buyeruid`: ours.
    BuyerUid,
    /// `user.id`: the exchange's.
    UserId,
    /// `user.eids`, the n-th of those that are looked at.
    Eid(usize),
    /// `device.ifa`.
    Ifa,
}

const PLACES: usize = 3 + EID_PROBES_MAX;

impl Place {
    /// The places, in the order in which they are looked at.
    pub fn all() -> impl Iterator<Item = Place> {
        let eids = (0..EID_PROBES_MAX).map(Place::Eid);
        [Place::BuyerUid, Place::UserId].into_iter().chain(eids).chain([Place::Ifa])
    }

    const fn index(self) -> usize {
        match self {
            Place::BuyerUid => 0,
            Place::UserId => 1,
            Place::Ifa => 2,
            Place::Eid(n) => 3 + if n < EID_PROBES_MAX { n } else { EID_PROBES_MAX - 1 },
        }
    }
}

/// What the ids of one request led to, and what forbade to look at them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight {
    led: [Led; PLACES],
    /// By which keys the places lead that lead to somebody, so that it can be told since when.
    keys: [MatchKey; PLACES],
    /// Which of the request's EIDs those are that are looked at, from 1.
    numbers: [u16; EID_PROBES_MAX],
    /// The signal that forbade.
    pub ground: Option<Ground>,
}

impl Sight {
    /// What the id of a place led to.
    pub fn led(&self, place: Place) -> Led {
        self.led[place.index()]
    }

    /// By which key a place led to a user, if it did.
    pub fn key(&self, place: Place) -> Option<MatchKey> {
        (self.led(place) == Led::Known).then(|| self.keys[place.index()])
    }

    /// The number of the n-th EID that is looked at, among all of the request, from 1.
    pub fn number(&self, n: usize) -> u16 {
        self.numbers.get(n).copied().unwrap_or_default()
    }

    /// Whether any place holds an id, somebody's or nobody's. A device id that is nobody's is none.
    pub fn names_anybody(&self) -> bool {
        let is_named = |place: Place| self.led(place) > if place == Place::Ifa { Led::Nobody } else { Led::Absent };
        Place::all().any(is_named)
    }

    fn best(&self) -> Led {
        self.led.into_iter().max().unwrap_or_default()
    }

    /// What the ids of a request came to, where it got as far as being asked; `why` there was no bid, if so.
    pub fn recognition(&self, why: Option<NoBid>) -> Option<Recognition> {
        Some(match why {
            Some(NoBid::Consent) => Recognition::Consent,
            Some(NoBid::OptedOut) => Recognition::OptedOut,
            Some(NoBid::NoId | NoBid::UnknownUser) => match self.best() {
                Led::Absent => Recognition::NoId,
                Led::Nobody => Recognition::Nobody,
                Led::Unknown => Recognition::UnknownId,
                Led::Known => Recognition::NoEvents,
            },
            Some(why) if why < NoBid::Consent => return None,
            _ => Recognition::Matched,
        })
    }

    fn note(&mut self, place: Place, led: Led, key: MatchKey) {
        let at = place.index();
        if led > self.led[at] {
            self.led[at] = led;
            self.keys[at] = key;
        }
    }
}

macro_rules! recognitions {
    ($($name:ident $label:literal $sentence:literal),+ $(,)?) => {
        /// What the ids of a request came to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Recognition {
            $(#[doc = $sentence] $name),+
        }

        impl Recognition {
            /// All of them.
            pub const ALL: &'static [Recognition] = &[$(Recognition::$name),+];

            /// The metric label.
            pub const fn label(self) -> &'static str {
                match self { $(Recognition::$name => $label),+ }
            }

            /// The sentence that explain shows.
            pub const fn sentence(self) -> &'static str {
                match self { $(Recognition::$name => $sentence),+ }
            }
        }
    };
}

recognitions! {
    Matched "matched" "an id leads to a user with events",
    Consent "consent" "no id may be looked at",
    OptedOut "opted_out" "an id is of somebody who opted out",
    NoId "no_id" "the request carries no id",
    Nobody "nobody" "its ids are nobody's: macros that were not replaced, zeros, words such as `null`",
    UnknownId "unknown_id" "no id has been matched",
    NoEvents "no_events" "an id is matched, and no shop has told an event of the user that is still kept",
}

/// The bytes of an id, unescaped; none where it is empty.
pub fn id_text<'s>(id: Text<'s>, memory: &'s mut String) -> Option<&'s [u8]> {
    Some(id.unescape(memory).as_bytes()).filter(|id| !id.is_empty())
}

/// Whether an id is nobody's: empty, too long, a macro that was not replaced, zeros or a word for nobody. It would
/// make one person of all who are sent with it.
pub fn is_nobody(id: &[u8]) -> bool {
    let is_macro = |byte: u8| matches!(byte, b'{' | b'}' | b'[' | b']');
    let is_word = |word: &&[u8]| id.eq_ignore_ascii_case(word);
    const WORDS: [&[u8]; 7] = [b"null", b"none", b"undefined", b"nan", b"unknown", b"false", b"(null)"];
    is_zero(id)
        || id.len() > FOREIGN_ID_BYTES_MAX
        || id.starts_with(b"$")
        || id.starts_with(b"%%")
        // Without a way out, so that it is done for many bytes at once.
        || id.iter().fold(false, |any, byte| any | is_macro(*byte))
        || WORDS.iter().any(is_word)
}

/// Whether it is what limited devices send: zeros, or nothing.
fn is_zero(id: &[u8]) -> bool {
    id.iter().all(|byte| matches!(byte, b'0' | b'-'))
}

/// Looks ids up, notes what each led to, and gathers the users they may be of.
pub struct Probe<'a> {
    /// Users and matches.
    pub state: &'a State,
    /// What ids are hashed by.
    pub hashes: &'a Hashes,
    /// The users found, the most trusted id's first.
    pub keys: &'a mut Vec<UserKey>,
    /// What is noted.
    pub sight: &'a mut Sight,
}

impl Probe<'_> {
    /// An id of ours. A user who turned out to be another leads there.
    pub fn ours(&mut self, id: &[u8]) {
        let key = self.hashes.user(id);
        self.keys.push(key);
        self.look(Place::BuyerUid, id, MatchKey(key.0));
        if self.state.users.contains(key.0) {
            self.sight.note(Place::BuyerUid, Led::Known, MatchKey(key.0));
        }
    }

    /// An id of somebody else's, in their namespace.
    pub fn theirs(&mut self, place: Place, namespace: &str, id: &[u8]) {
        self.look(place, id, self.hashes.foreign(namespace, id));
    }

    /// EIDs, those of a source in its namespace, else in that of the exchange, which vouches for it. Returns the user
    /// of the first that is ours. `text` is memory for unescaping.
    pub fn eids(&mut self, chosen: &[Chosen<'_>], world: &World, exchange: &str, text: &mut String) -> Option<UserKey> {
        let mut ours = None;
        for (n, Chosen { eid, number }) in chosen.iter().enumerate() {
            let Some(id) = id_text(eid.id, text) else { continue };
            self.sight.numbers[n] = *number;
            if let Some(name) = plain(eid.source) {
                if name == world.public_host {
                    ours = ours.or(Some(self.hashes.user(id)));
                }
                self.theirs(Place::Eid(n), name, id);
            }
            self.theirs(Place::Eid(n), exchange, id);
        }
        ours
    }

    /// A device's; one that is no such id, or the all-zero one of limited devices, is nobody's.
    pub fn device(&mut self, ifa: &[u8]) {
        match device_id(ifa) {
            Some(id) => self.look(Place::Ifa, &id, self.hashes.foreign(NS_IFA, &id)),
            None => self.sight.note(Place::Ifa, Led::Nobody, MatchKey::default()),
        }
    }

    fn look(&mut self, place: Place, id: &[u8], key: MatchKey) {
        let found = self.state.matched(key);
        self.keys.extend(found);
        let led = match found {
            Some(_) => Led::Known,
            None if is_nobody(id) => Led::Nobody,
            None => Led::Unknown,
        };
        self.sight.note(place, led, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IFA: &str = "6D92078A-8246-4BA4-AE5B-76104861E7DC";

    #[test]
    fn nobodys_ids_and_somebodys() {
        for id in [
            "",
            "0",
            "00000000-0000-0000-0000-000000000000",
            "${UID}",
            "$UID",
            "{uid}",
            "%%ID%%",
            "[RX_UUID]",
            "NULL",
            "undefined",
        ] {
            assert!(is_nobody(id.as_bytes()), "{id}");
        }
        assert!(is_nobody(&[b'a'; FOREIGN_ID_BYTES_MAX + 1]));
        for id in [
            "1",
            "CAESEABC_-=",
            "00000000-0000-0000-0000-000000000001",
            "nobody",
            "a$b",
            "100%25",
        ] {
            assert!(!is_nobody(id.as_bytes()), "{id}");
        }
    }

    #[test]
    fn a_request_is_recognised_by_the_best_of_its_ids() {
        let (state, hashes) = (State::default(), Hashes::new(&[1; 16]));
        state.matches.put(hashes.foreign("x", b"theirs").0, UserKey(7));
        state.matches.put(
            hashes.foreign(NS_IFA, IFA.to_ascii_lowercase().replace('-', "").as_bytes()).0,
            UserKey(8),
        );
        let seen = |ids: &[(Place, &str)]| {
            let (mut keys, mut sight) = (Vec::new(), Sight::default());
            let mut probe = Probe {
                state: &state,
                hashes: &hashes,
                keys: &mut keys,
                sight: &mut sight,
            };
            for (place, id) in ids {
                match place {
                    Place::BuyerUid => probe.ours(id.as_bytes()),
                    Place::Ifa => probe.device(id.as_bytes()),
                    _ => probe.theirs(*place, "x", id.as_bytes()),
                }
            }
            (
                keys.len(),
                sight.names_anybody(),
                sight.recognition(Some(NoBid::UnknownUser)).map(Recognition::label),
            )
        };
        assert_eq!(seen(&[]), (0, false, Some("no_id")));
        assert_eq!(seen(&[(Place::Ifa, "0000")]), (0, false, Some("nobody")));
        assert_eq!(seen(&[(Place::UserId, "null")]), (0, true, Some("nobody")));
        assert_eq!(
            seen(&[(Place::UserId, "null"), (Place::Eid(9), "else")]),
            (0, true, Some("unknown_id"))
        );
        assert_eq!(seen(&[(Place::BuyerUid, "ours")]), (1, true, Some("unknown_id")));
        assert_eq!(
            seen(&[(Place::Eid(0), "theirs"), (Place::UserId, "else")]),
            (1, true, Some("no_events"))
        );
        assert_eq!(seen(&[(Place::Ifa, IFA)]), (1, true, Some("no_events")));
        let none = Sight::default();
        assert_eq!(none.recognition(Some(NoBid::Malformed)), None);
        assert_eq!(none.recognition(Some(NoBid::Frequency)), Some(Recognition::Matched));
        assert_eq!(none.recognition(None), Some(Recognition::Matched));
    }
}
