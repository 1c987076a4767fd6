//! What the privacy signals of a request, an event or a sync allow.
//!
//! The strict half: consent strings are not read, so whatever says that a regime is in force, or that
//! the person objects, forbids. Decides before any id is read; never looks at an id.

pub mod bits;
pub mod gpp;
pub mod permission;
pub mod tcf;
pub mod us;
pub mod vendor;

use crate::openrtb::request::Signals;

/// GPP section of the EU's TCF.
const GPP_TCF_EU: i64 = 2;
/// GPP sections of the United States: US Privacy, the national one and the states'.
const GPP_US: std::ops::RangeInclusive<i64> = 6..=40;

/// The signals, wherever they came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regime {
    /// GDPR applies.
    pub gdpr: bool,
    /// A child.
    pub coppa: bool,
    /// Tracking is limited on the device.
    pub lmt: bool,
    /// US Privacy: opted out of sale.
    pub us_opt_out: bool,
    /// A section of GPP that is in force and whose string is not read.
    pub gpp: bool,
    /// Global Privacy Control.
    pub gpc: bool,
}

impl Regime {
    /// Whether ids may be read, stored and used.
    pub fn allows_ids(self) -> bool {
        self == Regime::default()
    }

    /// Of a bid request.
    pub fn of_request(signals: &Signals<'_>) -> Regime {
        Regime {
            gdpr: signals.gdpr.is_some_and(|flag| flag != 0),
            coppa: signals.coppa,
            lmt: signals.lmt,
            us_opt_out: says_opt_out(signals.us_privacy.raw()),
            gpp: signals.gpp_sid.iter().any(|sid| sid.integer().is_some_and(section_in_force)),
            gpc: signals.gpc,
        }
    }

    /// Of parameters as syncs, pixels and events carry them; `gpp_sid` as comma-separated text.
    pub fn of_parameters(gdpr: Option<&str>, gpp_sid: Option<&str>, us_privacy: Option<&str>, gpc: Option<&str>) -> Regime {
        let set = |text: Option<&str>| text.map(str::trim).is_some_and(|t| !matches!(t, "" | "0" | "false" | "null"));
        // Macros that nobody filled in say nothing.
        let known = |text: &&str| !text.contains(['{', '$', '%']);
        Regime {
            gdpr: set(gdpr.filter(known)),
            us_opt_out: us_privacy.is_some_and(|text| says_opt_out(text.as_bytes())),
            gpp: gpp_sid.is_some_and(|list| {
                list.split([',', '_', ' '])
                    .any(|sid| sid.trim().parse().is_ok_and(section_in_force))
            }),
            gpc: set(gpc.filter(known)),
            ..Regime::default()
        }
    }
}

fn section_in_force(sid: i64) -> bool {
    sid == GPP_TCF_EU || GPP_US.contains(&sid)
}

/// The third letter of a US Privacy string: opted out of sale.
fn says_opt_out(us_privacy: &[u8]) -> bool {
    us_privacy.get(2).is_some_and(|letter| letter.eq_ignore_ascii_case(&b'Y'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_forbid_and_that_do_not() {
        let regime = |gdpr, sid, usp, gpc| Regime::of_parameters(gdpr, sid, usp, gpc).allows_ids();
        assert!(regime(None, None, None, None));
        assert!(regime(Some("0"), Some(""), Some("1YNN"), Some("")));
        assert!(regime(Some("${GDPR}"), Some("-1"), Some("1---"), None));
        assert!(!regime(Some("1"), None, None, None));
        assert!(!regime(None, Some("2"), None, None));
        assert!(!regime(None, Some("5,7"), None, None));
        assert!(!regime(None, None, Some("1YYN"), None));
        assert!(!regime(None, None, None, Some("1")));
        assert!(regime(None, Some("5"), None, None));
    }
}
