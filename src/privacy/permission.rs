//! What the signals add up to: one value that says what a person's data may be used for.
//!
//! Every rule of privacy.md §1-§7 that can forbid stands here, in the order of their precedence. A regime that is
//! in force and cannot be read forbids. Decides before any id is read, and never looks at one.

use super::gpp::{self, GppString, SectionIds};
use super::recall::Recall;
use super::signals::{Signals, Whereabouts};
use super::tcf::{Restriction, TcString};
use super::us::{FIRST, SECTIONS, UsPrivacy, UsSection};
use super::vendor::{Basis, Vendor};
use crate::base::country::Country;

/// Strings under an older policy lost their force on 2023-09-30.
const POLICY_VERSION_MIN: u8 = 4;
/// From this policy on a string must say who was disclosed to the person.
const POLICY_VERSION_DISCLOSING: u8 = 5;
/// The last purpose that a use needs.
const PURPOSE_LAST: u8 = 7;
/// Purposes that no legitimate interest carries (policy 4, "purposes 3 to 6").
const CONSENT_ONLY: [u8; 5] = [1, 3, 4, 5, 6];

/// What a person's data may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To store what the person does at a shop.
    Event,
    /// To set and read a cookie, and to match ids.
    Sync,
    /// To look up what the person did.
    Profile,
    /// To bid on the strength of that.
    Bid,
    /// To tell which ad led to which purchase.
    Track,
}

impl Use {
    /// All of them.
    pub const ALL: [Use; 5] = [Use::Event, Use::Sync, Use::Profile, Use::Bid, Use::Track];

    /// The purposes of the framework that it needs, all of them (privacy.md §2, "Decision matrix").
    fn purposes(self) -> &'static [u8] {
        match self {
            Use::Event => &[1, 3],
            Use::Sync => &[1],
            Use::Profile => &[1, 3, 4],
            Use::Bid => &[1, 2, 3, 4],
            Use::Track => &[7],
        }
    }
}

/// What forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// A child: `regs.coppa`.
    Coppa,
    /// The opt-out cookie.
    OptOut,
    /// `device.lmt`.
    Limited,
    /// `device.dnt`.
    DoNotTrack,
    /// The exchange says not to personalise.
    NonPersonalized,
    /// Global Privacy Control.
    Gpc,
    /// GDPR, and we are no vendor of the framework.
    NoVendor,
    /// GDPR, and no TC string that could be read, is in force and shows us.
    NoTcString,
    /// GDPR, and a purpose that the use needs is not granted.
    Purpose,
    /// A section of GPP that is in force and cannot be read.
    Gpp,
    /// A section of GPP on the United States.
    UsSection,
    /// A US Privacy string.
    UsPrivacy,
}

impl Ground {
    /// All of them.
    pub const ALL: [Ground; 12] = [
        Ground::Coppa,
        Ground::OptOut,
        Ground::Limited,
        Ground::DoNotTrack,
        Ground::NonPersonalized,
        Ground::Gpc,
        Ground::NoVendor,
        Ground::NoTcString,
        Ground::Purpose,
        Ground::Gpp,
        Ground::UsSection,
        Ground::UsPrivacy,
    ];

    /// The sentence that explain shows.
    pub fn sentence(self) -> &'static str {
        match self {
            Ground::Coppa => "`regs.coppa`: a child",
            Ground::OptOut => "our opt-out cookie",
            Ground::Limited => "`device.lmt`: tracking is limited on the device",
            Ground::DoNotTrack => "`device.dnt`: do not track",
            Ground::NonPersonalized => "the exchange says not to personalise",
            Ground::Gpc => "Global Privacy Control",
            Ground::NoVendor => "gdpr applies, and `privacy.gvl_vendor_id` is not set",
            Ground::NoTcString => "gdpr applies, and no TC string can be read, is in force and shows us",
            Ground::Purpose => "gdpr applies, and the TC string does not grant us a purpose that is needed",
            Ground::Gpp => "a section of GPP is in force that cannot be read",
            Ground::UsSection => "a section of GPP on the United States: opted out, not told, or a child",
            Ground::UsPrivacy => "the US Privacy string: opted out of sale",
        }
    }

    /// The name in metrics and documents.
    pub fn label(self) -> &'static str {
        match self {
            Ground::Coppa => "coppa",
            Ground::OptOut => "opt_out",
            Ground::Limited => "lmt",
            Ground::DoNotTrack => "dnt",
            Ground::NonPersonalized => "non_personalized",
            Ground::Gpc => "gpc",
            Ground::NoVendor => "no_gvl_vendor_id",
            Ground::NoTcString => "tc_string",
            Ground::Purpose => "tcf_purpose",
            Ground::Gpp => "gpp_unreadable",
            Ground::UsSection => "gpp_us",
            Ground::UsPrivacy => "us_privacy",
        }
    }
}

/// The uses that are allowed, and why others are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    allowed: u8,
    /// The first thing that forbade one.
    pub because: Option<Ground>,
}

impl Permission {
    /// Everything.
    pub const ALL: Permission = Permission {
        allowed: 0b1_1111,
        because: None,
    };

    /// Nothing, for a reason.
    pub fn none(because: Ground) -> Permission {
        Permission {
            allowed: 0,
            because: Some(because),
        }
    }

    /// Whether it allows a use.
    pub fn allows(self, wanted: Use) -> bool {
        self.allowed >> wanted as u8 & 1 == 1
    }

    /// Only what both allow.
    #[must_use]
    pub fn and(self, other: Permission) -> Permission {
        Permission {
            allowed: self.allowed & other.allowed,
            because: self.because.or(other.because),
        }
    }
}

/// Whether GDPR applies to a bid request that does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenUnknown {
    /// It does.
    Applies,
    /// It does not.
    DoesNot,
    /// In the European Economic Area, the United Kingdom, Switzerland, and where the country is not known.
    #[default]
    ByCountry,
}

/// What law leaves to us, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Our row of the vendor list; without one nothing is allowed under GDPR.
    pub vendor: Option<Vendor>,
    /// `privacy.gdpr_when_unknown`.
    pub when_unknown: WhenUnknown,
    /// Whether `device.dnt` says nothing to us.
    pub ignore_dnt: bool,
    /// Countries where purpose 1 needs no consent if it was not shown (`PurposeOneTreatment`).
    pub purpose_one_exempt: Vec<Country>,
}

impl Policy {
    /// How long a cookie may live, in seconds: never longer than our row of the list says.
    pub fn cookie_age_s(&self, wanted: u32) -> u32 {
        let most = self.vendor.and_then(|vendor| vendor.cookie_max_age_s);
        most.and_then(|most| u32::try_from(most).ok())
            .map_or(wanted, |most| most.min(wanted))
    }

    /// Whether a cookie's life may begin anew when it is seen again.
    pub fn may_renew_cookies(&self) -> bool {
        self.vendor.is_none_or(|vendor| vendor.cookie_refresh)
    }

    /// What the signals allow.
    pub fn permit(&self, signals: &Signals<'_>) -> Permission {
        self.permit_by(signals, |consent| self.read(consent))
    }

    /// The same, with a memory of the TC strings read before.
    pub fn permit_recalling(&self, signals: &Signals<'_>, recall: &mut Recall) -> Permission {
        self.permit_by(signals, |consent| recall.read(self, consent))
    }

    fn permit_by(&self, signals: &Signals<'_>, read: impl FnOnce(&str) -> Permission) -> Permission {
        match objection(self, signals) {
            Some(ground) => Permission::none(ground),
            None => self.under_gdpr(signals, read).and(under_us(signals)),
        }
    }

    /// What a TC string allows where GDPR applies.
    pub fn read(&self, consent: &str) -> Permission {
        let Some(vendor) = &self.vendor else {
            return Permission::none(Ground::NoVendor);
        };
        match TcString::parse(consent) {
            Ok(string) if is_in_force(&string, vendor.id) => self.granted(&string, vendor),
            _ => Permission::none(Ground::NoTcString),
        }
    }

    fn under_gdpr(&self, signals: &Signals<'_>, read: impl FnOnce(&str) -> Permission) -> Permission {
        let (applies, consent) = match Gpp::of(signals) {
            Gpp::Absent => (
                signals.gdpr.unwrap_or_else(|| self.applies_unsaid(signals.whereabouts)),
                signals.consent,
            ),
            // The sections in force are known, what they say is elsewhere.
            Gpp::Ids(ids) => (ids.has(gpp::TCF_EU), signals.consent),
            Gpp::String(ids, string) => (ids.has(gpp::TCF_EU), string.section(gpp::TCF_EU).unwrap_or("")),
            Gpp::Unreadable => return Permission::none(Ground::Gpp),
        };
        if applies { read(consent) } else { Permission::ALL }
    }

    fn applies_unsaid(&self, whereabouts: Whereabouts) -> bool {
        match (whereabouts, self.when_unknown) {
            (Whereabouts::NotAsked, _) | (_, WhenUnknown::DoesNot) => false,
            (_, WhenUnknown::Applies) | (Whereabouts::Unknown, WhenUnknown::ByCountry) => true,
            (Whereabouts::In(country), WhenUnknown::ByCountry) => country.is_under_gdpr(),
        }
    }

    fn granted(&self, string: &TcString<'_>, vendor: &Vendor) -> Permission {
        // Looked for once: among ranges it takes a walk.
        let consented = string.vendors.has(vendor.id);
        let demands = Demands::of(string, vendor.id);
        let granted = (1..=PURPOSE_LAST).filter(|purpose| self.grants(string, vendor, consented, demands, *purpose));
        let granted = granted.fold(0u8, |set, purpose| set | 1 << purpose);
        let has = |purposes: &[u8]| purposes.iter().all(|purpose| granted >> purpose & 1 == 1);
        let allowed = Use::ALL.into_iter().filter(|wanted| has(wanted.purposes()));
        let allowed = allowed.fold(0, |set, wanted| set | 1 << wanted as u8);
        Permission {
            allowed,
            because: (allowed != Permission::ALL.allowed).then_some(Ground::Purpose),
        }
    }

    /// Whether purpose 1 was not shown to the person, in a country whose law does not ask for it.
    fn is_exempt(&self, string: &TcString<'_>) -> bool {
        let country = || Country::parse(std::str::from_utf8(&string.publisher_cc()).ok()?);
        string.purpose_one_treatment() && country().is_some_and(|country| self.purpose_one_exempt.contains(&country))
    }

    /// Whether a purpose is granted to us, who have consent or not, on the basis that our row and the publisher leave (privacy.md §2).
    fn grants(&self, string: &TcString<'_>, vendor: &Vendor, consented: bool, demands: Demands, purpose: u8) -> bool {
        if purpose == 1 && self.is_exempt(string) {
            return true;
        }
        let Some(registered) = vendor.basis(purpose) else { return false };
        let basis = match demands.on(purpose) {
            (false, false, false) => registered,
            (false, true, false) => Basis::Consent,
            (false, false, true) => Basis::LegitimateInterest,
            // Not allowed; or both are required, which leaves neither.
            _ => return false,
        };
        if basis != registered && !vendor.is_flexible(purpose) {
            return false;
        }
        match basis {
            Basis::Consent => consented && string.has_consent(purpose),
            Basis::LegitimateInterest => !CONSENT_ONLY.contains(&purpose) && string.has_li(purpose) && string.vendors_li.has(vendor.id),
        }
    }
}

/// What a publisher's restrictions ask of us, one bit a purpose.
#[derive(Clone, Copy, Default)]
struct Demands {
    nothing: u8,
    consent: u8,
    interest: u8,
}

impl Demands {
    /// Of all records that name us, in one walk.
    fn of(string: &TcString<'_>, vendor: u16) -> Demands {
        let mut demands = Demands::default();
        for record in string.each_restriction() {
            if (1..=PURPOSE_LAST).contains(&record.purpose) && record.has(vendor) {
                let bit = 1 << record.purpose;
                match record.kind {
                    Restriction::NotAllowed => demands.nothing |= bit,
                    Restriction::RequireConsent => demands.consent |= bit,
                    Restriction::RequireLi => demands.interest |= bit,
                    Restriction::Undefined => {}
                }
            }
        }
        demands
    }

    /// Whether a purpose is not allowed, needs consent, needs legitimate interest.
    fn on(self, purpose: u8) -> (bool, bool, bool) {
        let has = |set: u8| set >> purpose & 1 == 1;
        (has(self.nothing), has(self.consent), has(self.interest))
    }
}

/// What forbids everything whatever consent says.
fn objection(policy: &Policy, signals: &Signals<'_>) -> Option<Ground> {
    [
        (signals.coppa, Ground::Coppa),
        (signals.opted_out, Ground::OptOut),
        (signals.lmt, Ground::Limited),
        (signals.dnt && !policy.ignore_dnt, Ground::DoNotTrack),
        (signals.non_personalized, Ground::NonPersonalized),
        (signals.gpc, Ground::Gpc),
        (signals.gpp_sid.further, Ground::Gpp),
    ]
    .into_iter()
    .find_map(|(is_set, ground)| is_set.then_some(ground))
}

/// Whether a string can grant anything to a vendor.
fn is_in_force(string: &TcString<'_>, vendor: u16) -> bool {
    let shows_us = match string.disclosed {
        Some(disclosed) => disclosed.has(vendor),
        None => string.policy_version() < POLICY_VERSION_DISCLOSING,
    };
    string.policy_version() >= POLICY_VERSION_MIN && string.is_service_specific() && shows_us
}

/// What is known by the Global Privacy Platform.
enum Gpp<'a> {
    /// Nothing that is in force.
    Absent,
    /// Which sections are in force, without a string.
    Ids(SectionIds),
    /// Which, and the string.
    String(SectionIds, GppString<'a>),
    /// Sections are in force, and the string cannot be read.
    Unreadable,
}

impl<'a> Gpp<'a> {
    fn of(signals: &Signals<'a>) -> Gpp<'a> {
        match signals.gpp_sid.ids {
            None => Gpp::Absent,
            Some(ids) if signals.gpp.is_empty() => Gpp::Ids(ids),
            Some(ids) => match GppString::parse(signals.gpp) {
                Ok(string) => Gpp::String(ids, string),
                Err(_) if ids.is_empty() => Gpp::Ids(ids),
                Err(_) => Gpp::Unreadable,
            },
        }
    }
}

fn under_us(signals: &Signals<'_>) -> Permission {
    let ground = match Gpp::of(signals) {
        Gpp::Absent => legacy_us(signals),
        Gpp::Unreadable => Some(Ground::Gpp),
        Gpp::Ids(ids) => {
            let is_told_elsewhere = |id: u8| id == gpp::TCF_EU || (id == gpp::US_PRIVACY && !signals.us_privacy.is_empty());
            let unread = ids.iter().find(|id| !is_told_elsewhere(*id));
            unread.map(|_| Ground::Gpp).or_else(|| legacy_us(signals))
        }
        Gpp::String(ids, string) => {
            let speaks_of_us = ids.iter().any(|id| id >= gpp::US_PRIVACY);
            let said = ids.iter().find_map(|id| section_of_us(id, &string));
            said.or_else(|| legacy_us(signals).filter(|_| !speaks_of_us))
        }
    };
    ground.map_or(Permission::ALL, Permission::none)
}

/// What a section in force forbids by, if it is not that of the EU.
fn section_of_us(id: u8, string: &GppString<'_>) -> Option<Ground> {
    let text = string.section(id).unwrap_or("");
    match id {
        gpp::TCF_EU => None,
        gpp::US_PRIVACY => match UsPrivacy::parse(text.as_bytes(), true) {
            Some(said) => (said.opted_out == Some(true)).then_some(Ground::UsPrivacy),
            None => Some(Ground::Gpp),
        },
        id if (FIRST..FIRST + SECTIONS.len() as u8).contains(&id) => match UsSection::parse(id, text) {
            Some(section) => section.forbids().then_some(Ground::UsSection),
            None => Some(Ground::Gpp),
        },
        _ => Some(Ground::Gpp),
    }
}

/// The opt-out of sale in a US Privacy string; one that is cut or strange still says it by its third letter.
fn legacy_us(signals: &Signals<'_>) -> Option<Ground> {
    let third = signals.us_privacy.as_bytes().get(2);
    third
        .is_some_and(|letter| letter.eq_ignore_ascii_case(&b'Y'))
        .then_some(Ground::UsPrivacy)
}
