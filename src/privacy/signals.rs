//! What is said about a person, wherever it is said: in a bid request, an event, the parameters of a sync or pixel.
//!
//! Only gathers; what it adds up to is [`super::permission`]'s. Macros that nobody filled in say nothing.

use super::gpp::SectionIds;
use super::tcf;
use crate::base::country::Country;
use crate::openrtb::attributes::plain;
use crate::openrtb::request::Opportunity;

/// What is said about a person. Absent texts are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals<'a> {
    /// Whether GDPR applies.
    pub gdpr: Option<bool>,
    /// A TC string.
    pub consent: &'a str,
    /// A GPP string.
    pub gpp: &'a str,
    /// Which of its sections are in force.
    pub gpp_sid: Sections,
    /// A US Privacy string.
    pub us_privacy: &'a str,
    /// A child.
    pub coppa: bool,
    /// Tracking is limited on the device.
    pub lmt: bool,
    /// Do not track.
    pub dnt: bool,
    /// Global Privacy Control.
    pub gpc: bool,
    /// The browser carries our opt-out.
    pub opted_out: bool,
    /// The exchange says not to personalise (Google's `non_personalized_ads_reason`).
    pub non_personalized: bool,
    /// Where the person is.
    pub whereabouts: Whereabouts,
}

/// Sections of the Global Privacy Platform that are in force (`gpp_sid`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// Those whose numbers can be kept; `None` where nothing is said, empty where it is said that none is.
    pub ids: Option<SectionIds>,
    /// Others are, too.
    pub further: bool,
}

impl Sections {
    /// Adds one as it is written; -1 and 0 stand for none.
    fn add(&mut self, sid: i64) {
        let ids = self.ids.get_or_insert(SectionIds::NONE);
        if sid > 0 {
            self.further |= !u32::try_from(sid).is_ok_and(|sid| ids.insert(sid));
        }
    }

    /// Of numbers in any order.
    pub fn of(sids: impl Iterator<Item = i64>) -> Sections {
        let mut sections = Sections::default();
        sids.for_each(|sid| sections.add(sid));
        sections
    }
}

/// Where a person is, as far as it matters to whether GDPR applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whereabouts {
    /// Whoever speaks has to say it where GDPR applies: a shop's own page, an exchange's sync.
    #[default]
    NotAsked,
    /// A bid request that names no country.
    Unknown,
    /// In a country.
    In(Country),
}

impl<'a> Signals<'a> {
    /// Of a bid request.
    pub fn of_request(request: &Opportunity<'a>) -> Signals<'a> {
        let said = &request.signals;
        let country = plain(request.device.country).and_then(Country::parse);
        Signals {
            gdpr: said.gdpr.map(|flag| flag != 0),
            consent: plain(request.user.consent).unwrap_or(""),
            gpp: plain(said.gpp).unwrap_or(""),
            gpp_sid: Sections::of(said.gpp_sid.iter().filter_map(|sid| sid.integer())),
            us_privacy: plain(said.us_privacy).unwrap_or(""),
            coppa: said.coppa,
            lmt: said.lmt,
            dnt: said.dnt,
            gpc: said.gpc,
            opted_out: false,
            non_personalized: said.non_personalized,
            whereabouts: country.map_or(Whereabouts::Unknown, Whereabouts::In),
        }
    }
}

/// Privacy parameters as texts, of an event's `consent` or a query.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// `gdpr`; of some partners the TC string itself.
    pub gdpr: Option<String>,
    /// `gdpr_consent`.
    pub gdpr_consent: Option<String>,
    /// `gpp`.
    pub gpp: Option<String>,
    /// `gpp_sid`, with commas.
    pub gpp_sid: Option<String>,
    /// `us_privacy`.
    pub us_privacy: Option<String>,
    /// `gpc`.
    pub gpc: Option<String>,
}

impl Stated {
    /// The signals that they are.
    pub fn signals(&self) -> Signals<'_> {
        let gdpr = said(&self.gdpr);
        let is_string = gdpr.filter(|text| tcf::looks_like(text));
        let sids = said(&self.gpp_sid).unwrap_or("").split([',', '_', ' ']);
        Signals {
            gdpr: gdpr.map(is_yes),
            consent: said(&self.gdpr_consent).or(is_string).unwrap_or(""),
            gpp: said(&self.gpp).unwrap_or(""),
            gpp_sid: Sections::of(sids.filter_map(|sid| sid.trim().parse().ok())),
            us_privacy: said(&self.us_privacy).unwrap_or(""),
            gpc: said(&self.gpc).is_some_and(is_yes),
            ..Signals::default()
        }
    }
}

/// A parameter that says something.
fn said(text: &Option<String>) -> Option<&str> {
    let is_macro = |text: &&str| text.contains(['{', '$', '%']);
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty() && *text != "null" && !is_macro(text))
}

fn is_yes(text: &str) -> bool {
    !matches!(text, "0" | "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(gdpr: &str, gpp_sid: &str, gpc: &str) -> Stated {
        Stated {
            gdpr: Some(gdpr.into()),
            gpp_sid: Some(gpp_sid.into()),
            gpc: Some(gpc.into()),
            ..Stated::default()
        }
    }

    #[test]
    fn parameters_that_say_something() {
        assert_eq!(stated("", "", "").signals().gdpr, None);
        assert_eq!(stated("${GDPR}", "", "").signals().gdpr, None);
        assert_eq!(stated("0", "", "").signals().gdpr, Some(false));
        assert_eq!(stated("true", "", "").signals().gdpr, Some(true));
        assert!(stated("", "", "1").signals().gpc && !stated("", "", "0").signals().gpc);
        let of = |sids: &str| stated("", sids, "").signals().gpp_sid;
        assert_eq!(of("x").ids, None);
        assert_eq!(of("-1").ids, Some(SectionIds::NONE));
        assert!(of("2, 6").ids.is_some_and(|ids| ids.has(2) && ids.has(6) && ids.len() == 2));
        assert!(of("2_900").further && !of("2_63").further);
    }

    #[test]
    fn a_partner_who_sends_the_string_as_the_flag() {
        let text = "CQSbk4AQSbk4AAKADBENBkFgAAAAAELAAAqIAAABbAAAAAAAAAAAAAAAQAA";
        let stated = stated(text, "", "");
        assert_eq!((stated.signals().gdpr, stated.signals().consent), (Some(true), text));
    }
}
