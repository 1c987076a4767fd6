//! What a person last permitted, as it is kept to be shown to them: for which uses, when, and by which kind of
//! signal. Never the string that said so.
//!
//! Decides nothing: every event, sync and request is judged by the signals that it brings.

use super::permission::{Permission, Use};
use super::signals::Signals;
use crate::base::time::Secs;

/// By which kind of signal something was permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Word {
    /// Nothing was said that asks for permission.
    Nothing,
    /// It was said that GDPR does not apply.
    NoGdpr,
    /// A US Privacy string.
    UsPrivacy,
    /// A TC string.
    Tcf,
    /// Sections of the Global Privacy Platform.
    Gpp,
}

impl Word {
    /// All of them, by their numbers.
    pub const ALL: [Word; 5] = [Word::Nothing, Word::NoGdpr, Word::UsPrivacy, Word::Tcf, Word::Gpp];

    /// What decides, of all that is said: in the order of privacy.md §1.
    fn of(signals: &Signals<'_>) -> Word {
        match signals.gpp_sid.ids {
            Some(ids) if !ids.is_empty() => Word::Gpp,
            None if signals.gdpr == Some(true) => Word::Tcf,
            _ if !signals.us_privacy.is_empty() => Word::UsPrivacy,
            None if signals.gdpr.is_none() => Word::Nothing,
            _ => Word::NoGdpr,
        }
    }

    /// The name in answers.
    pub const fn label(self) -> &'static str {
        match self {
            Word::Nothing => "nothing_said",
            Word::NoGdpr => "gdpr_does_not_apply",
            Word::UsPrivacy => "us_privacy",
            Word::Tcf => "tcf",
            Word::Gpp => "gpp",
        }
    }
}

/// The name of a use in answers.
pub const fn label(of: Use) -> &'static str {
    match of {
        Use::Event => "event",
        Use::Sync => "sync",
        Use::Profile => "profile",
        Use::Bid => "bid",
        Use::Track => "track",
    }
}

/// What was permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// When.
    pub at: Secs,
    /// By which kind of signal.
    pub by: Word,
    /// A bit for each use.
    uses: u8,
}

impl Grant {
    /// What the signals of a call permit.
    pub fn of(permission: Permission, signals: &Signals<'_>, at: Secs) -> Grant {
        let allowed = Use::ALL.into_iter().filter(|wanted| permission.allows(*wanted));
        Grant {
            at,
            by: Word::of(signals),
            uses: allowed.fold(0, |set, wanted| set | 1 << wanted as u8),
        }
    }

    /// The uses that it allows.
    pub fn uses(self) -> impl Iterator<Item = Use> {
        Use::ALL.into_iter().filter(move |wanted| self.uses >> *wanted as u8 & 1 == 1)
    }

    /// The later of two; of the same second what both allow. It does not matter which is heard of first.
    #[must_use]
    pub fn or_later(self, other: Grant) -> Grant {
        match self.at.cmp(&other.at) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => Grant {
                at: self.at,
                by: self.by.max(other.by),
                uses: self.uses & other.uses,
            },
        }
    }

    /// As a row.
    pub fn write(self) -> Vec<u8> {
        [&self.at.0.to_le_bytes()[..], &[self.uses, self.by as u8]].concat()
    }

    /// Of a row.
    pub fn read(row: &[u8]) -> Option<Grant> {
        let (at, rest) = row.split_first_chunk::<4>()?;
        let [uses, by] = rest else { return None };
        Some(Grant {
            at: Secs(u32::from_le_bytes(*at)),
            by: *Word::ALL.get(usize::from(*by))?,
            uses: *uses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::permission::Policy;
    use crate::privacy::signals::Stated;
    use crate::privacy::vendor::Vendor;

    /// Purposes 1, 3 and 4 of vendor 10, consented to; and all that we ask for.
    const SOME: &str = "CQI9IYAQI9IYAAKABBENBkEgALAAAAAAAAYgAFABAAAAA";

    fn grant(said: &[(&str, &str)], at: u32) -> Grant {
        let get = |name: &str| said.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let stated = Stated {
            gdpr: get("gdpr"),
            gdpr_consent: get("gdpr_consent"),
            gpp: get("gpp"),
            gpp_sid: get("gpp_sid"),
            us_privacy: get("us_privacy"),
            gpc: None,
        };
        let policy = Policy {
            vendor: Some(Vendor::by_consent(10)),
            ..Policy::default()
        };
        let signals = stated.signals();
        Grant::of(policy.permit(&signals), &signals, Secs(at))
    }

    #[test]
    fn the_kind_of_signal_is_the_one_that_decides() {
        for (said, by) in [
            (&[][..], Word::Nothing),
            (&[("gdpr", "0")], Word::NoGdpr),
            (&[("gpp_sid", "-1")], Word::NoGdpr),
            (&[("gdpr", "1"), ("gdpr_consent", SOME), ("us_privacy", "1YNN")], Word::Tcf),
            (&[("gdpr", "0"), ("us_privacy", "1YNN")], Word::UsPrivacy),
            (&[("gdpr", "1"), ("gpp_sid", "7"), ("gpp", "DBABLA~BVQqAAAAAgA.QA")], Word::Gpp),
        ] {
            assert_eq!(grant(said, 1).by, by, "{said:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let some = grant(&[("gdpr", "1"), ("gdpr_consent", SOME)], 91_000_000);
        assert_eq!(some.uses().collect::<Vec<_>>(), [Use::Event, Use::Sync, Use::Profile]);
        assert_eq!(grant(&[], 1).uses().count(), Use::ALL.len());
        assert_eq!(Grant::read(&some.write()), Some(some));
        for row in [&b""[..], b"12345", b"1234567", b"12345\x05"] {
            assert_eq!(Grant::read(row), None);
        }
    }

    #[test]
    fn the_latest_holds_whichever_is_heard_of_first() {
        let all = [
            grant(&[], 5),
            grant(&[("gdpr", "1"), ("gdpr_consent", SOME)], 5),
            grant(&[("gdpr", "0")], 6),
            grant(&[("us_privacy", "1YYN")], 4),
        ];
        for (a, b) in all.into_iter().flat_map(|a| all.map(|b| (a, b))) {
            assert_eq!(a.or_later(b), b.or_later(a));
            assert_eq!(a.or_later(b).or_later(b), a.or_later(b));
            for c in all {
                assert_eq!(a.or_later(b).or_later(c), a.or_later(b.or_later(c)));
            }
        }
        assert_eq!(all[0].or_later(all[1]), all[1], "of one second, what both allow");
        assert_eq!(all[0].or_later(all[2]), all[2]);
    }
}
