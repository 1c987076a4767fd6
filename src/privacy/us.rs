//! What the sections of the United States say: the national one, the states' (privacy.md §3), and the US Privacy
//! string before them (§4).
//!
//! Where a field stands in which section is a table; what the fields add up to is decided here in one place, as
//! Prebid decides it for ids and first-party data. A version that is not known says no.

use super::bits::{Alphabet, Bits};

/// Bits of the version, which every section begins with.
const VERSION_BITS: usize = 6;
/// What a GPC sub-section begins with.
const GPC_SEGMENT: u64 = 1;
/// Sensitive data that no consent makes fit for ads, counted from 1 as the national section does: health and
/// sex life, citizenship, genes and biometry, precise place, contents of messages.
const SENSITIVE_NATIONAL: u16 = mask(&[6, 7, 9, 10, 12]);
/// Where the states' own numbers are not mapped to the national ones, any.
const SENSITIVE_ANY: u16 = u16::MAX;

const fn mask(ids: &[u16]) -> u16 {
    let (mut mask, mut at) = (0, 0);
    while at < ids.len() {
        mask |= 1 << (ids[at] - 1);
        at += 1;
    }
    mask
}

/// Where a section's fields of two bits stand, by their first bit; 0 for none.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The section's prefix in API names.
    pub name: &'static str,
    /// Notices of sharing or processing, sale, sharing, targeted advertising.
    notices: [usize; 4],
    /// Opt-outs of sale, sharing, targeted advertising.
    opt_outs: [usize; 3],
    /// First bit and number of the fields on sensitive data, and which of them count.
    sensitive: (usize, usize, u16),
    /// First bit and number of the fields on known children.
    children: (usize, usize),
    /// `MspaServiceProviderMode`, or `MspaMode`, and the value by which the publisher is a service provider.
    service_provider: (usize, u64),
    /// `MspaCoveredTransaction`.
    covered: usize,
    /// Bits in all.
    bits: usize,
    /// The highest version that is known.
    versions: u64,
}

const fn layout(name: &'static str, notices: [usize; 4], opt_outs: [usize; 3]) -> Layout {
    Layout {
        name,
        notices,
        opt_outs,
        sensitive: (0, 0, 0),
        children: (0, 0),
        service_provider: (0, 1),
        covered: 0,
        bits: 0,
        versions: 1,
    }
}

impl Layout {
    const fn sensitive(self, at: usize, fields: usize, counting: u16) -> Layout {
        Layout {
            sensitive: (at, fields, counting),
            ..self
        }
    }

    const fn children(self, at: usize, fields: usize) -> Layout {
        Layout {
            children: (at, fields),
            ..self
        }
    }

    /// The three fields of the Multi-State Privacy Agreement, one after the other: covered, opt-out option mode,
    /// service provider mode.
    const fn mspa(self, covered: usize) -> Layout {
        Layout {
            covered,
            service_provider: (covered + 4, 1),
            ..self
        }
    }

    const fn bits(self, bits: usize) -> Layout {
        Layout { bits, ..self }
    }
}

const NATIONAL: Layout = Layout {
    versions: 2,
    ..layout("usnat", [6, 8, 10, 12], [18, 20, 22])
        .sensitive(24, 16, SENSITIVE_NATIONAL)
        .children(56, 3)
        .mspa(64)
        .bits(70)
};
/// The national section before it grew; told by its length alone, for some of version 1 are written as version 2.
const NATIONAL_SHORT: Layout = Layout {
    versions: 2,
    ..layout("usnat", [6, 8, 10, 12], [18, 20, 22])
        .sensitive(24, 12, SENSITIVE_NATIONAL)
        .children(48, 2)
        .mspa(54)
        .bits(60)
};
const NATIONAL_SHORT_BITS: [usize; 2] = [60, 66];

/// Notices of most states: sharing or processing, sale, targeted advertising.
const NOTICES: [usize; 4] = [6, 8, 0, 10];
/// Sensitive categories of states that count as the national section does.
const SENSITIVE_AS_NATIONAL: u16 = mask(&[6, 7]);

/// A state's section with 12 bits before the opt-outs.
const fn state(name: &'static str) -> Layout {
    layout(name, NOTICES, [12, 0, 14])
}

/// A state's section with one notice more.
const fn state_long(name: &'static str) -> Layout {
    layout(name, NOTICES, [14, 0, 16]).sensitive(18, 8, SENSITIVE_ANY)
}

/// The youngest sections, which begin with the agreement and have one mode for it.
const fn state_new(name: &'static str) -> Layout {
    Layout {
        covered: 6,
        service_provider: (8, 2),
        ..layout(name, [10, 12, 0, 14], [16, 0, 18])
    }
}

/// A layout of eight sensitive categories and one field on children.
const fn state_of_eight(name: &'static str) -> Layout {
    state(name).sensitive(16, 8, SENSITIVE_ANY).children(32, 1).mspa(36).bits(42)
}

const fn state_of_three_children(name: &'static str) -> Layout {
    state(name).sensitive(16, 8, SENSITIVE_ANY).children(32, 3).mspa(40).bits(46)
}

/// The number of the first section in [`SECTIONS`].
pub const FIRST: u8 = 7;
/// Section 7 and those after it.
pub const SECTIONS: [Layout; 21] = [
    NATIONAL,
    layout("usca", [0, 6, 8, 0], [12, 14, 0])
        .sensitive(16, 9, mask(&[1, 2, 5, 6, 7]))
        .children(34, 2)
        .mspa(40)
        .bits(46),
    state("usva")
        .sensitive(16, 8, SENSITIVE_AS_NATIONAL)
        .children(32, 1)
        .mspa(34)
        .bits(40),
    state("usco")
        .sensitive(16, 7, SENSITIVE_AS_NATIONAL)
        .children(30, 1)
        .mspa(32)
        .bits(38),
    state_long("usut")
        .sensitive(18, 8, SENSITIVE_AS_NATIONAL)
        .children(34, 1)
        .mspa(36)
        .bits(42),
    state("usct")
        .sensitive(16, 8, SENSITIVE_AS_NATIONAL)
        .children(32, 3)
        .mspa(38)
        .bits(44),
    state_of_three_children("usfl"),
    state_of_three_children("usmt"),
    state("usor").sensitive(16, 11, SENSITIVE_ANY).children(38, 3).mspa(46).bits(52),
    state_of_eight("ustx"),
    state("usde").sensitive(16, 9, SENSITIVE_ANY).children(34, 5).mspa(46).bits(52),
    state_long("usia").children(34, 1).mspa(36).bits(42),
    state_of_eight("usne"),
    state_of_three_children("usnh"),
    state("usnj").sensitive(16, 10, SENSITIVE_ANY).children(36, 5).mspa(48).bits(54),
    state_of_eight("ustn"),
    state_of_eight("usmn"),
    state_new("usmd").bits(22),
    state_new("usin").children(20, 1).bits(24),
    state_new("usky").children(20, 1).bits(24),
    state_new("usri").children(20, 1).bits(24),
];

/// A section, whole.
#[derive(Clone, Copy, Debug)]
pub struct UsSection<'a> {
    bits: Bits<'a>,
    further: &'a str,
    /// Where its fields stand.
    pub layout: &'static Layout,
}

impl<'a> UsSection<'a> {
    /// Takes the text of section `id`; `None` where it is not readable, or of no state that is known.
    pub fn parse(id: u8, text: &'a str) -> Option<UsSection<'a>> {
        let (core, further) = text.split_once('.').unwrap_or((text, ""));
        let bits = Bits::of(core, Alphabet::Either)?;
        let layout = match usize::from(id.checked_sub(FIRST)?) {
            0 if NATIONAL_SHORT_BITS.contains(&bits.len()) => &NATIONAL_SHORT,
            at => SECTIONS.get(at)?,
        };
        (bits.len() >= layout.bits).then_some(UsSection { bits, further, layout })
    }

    fn two(&self, at: usize) -> u64 {
        if at == 0 { 0 } else { self.bits.number(at, 2).unwrap_or(0) }
    }

    fn list(&self, at: usize, fields: usize) -> impl Iterator<Item = u64> {
        (0..fields).map(move |nth| self.two(at + 2 * nth))
    }

    /// `Version`; of the youngest sections, that of the agreement.
    pub fn version(&self) -> u64 {
        self.bits.number(0, VERSION_BITS).unwrap_or(0)
    }

    /// Opt-outs of sale, sharing, targeted advertising: 1 opted out, 2 did not, 0 does not apply.
    pub fn opt_outs(&self) -> [u64; 3] {
        self.layout.opt_outs.map(|at| self.two(at))
    }

    /// Notices of sharing or processing, sale, sharing opt-out, targeted advertising: 1 given, 2 not given.
    pub fn notices(&self) -> [u64; 4] {
        self.layout.notices.map(|at| self.two(at))
    }

    /// Consents to each kind of sensitive data: 1 no, 2 yes.
    pub fn sensitive(&self) -> impl Iterator<Item = u64> {
        self.list(self.layout.sensitive.0, self.layout.sensitive.1)
    }

    /// Consents for known children: 1 no, 2 yes.
    pub fn children(&self) -> impl Iterator<Item = u64> {
        self.list(self.layout.children.0, self.layout.children.1)
    }

    /// `MspaCoveredTransaction`: 1 yes, 2 no.
    pub fn covered(&self) -> u64 {
        self.two(self.layout.covered)
    }

    /// `MspaServiceProviderMode` or `MspaMode`.
    pub fn mode(&self) -> u64 {
        self.two(self.layout.service_provider.0)
    }

    /// Whether a sub-section says Global Privacy Control.
    pub fn gpc(&self) -> bool {
        self.further.split('.').any(|text| {
            let bits = Bits::of(text, Alphabet::Either);
            bits.is_some_and(|bits| bits.number(0, 2) == Some(GPC_SEGMENT) && bits.is_set(2) == Some(true))
        })
    }

    /// Whether a sub-section of another kind says anything: some states keep their sensitive data there.
    fn says_more(&self) -> bool {
        let mut further = self.further.split('.').filter(|text| !text.is_empty());
        further.any(|text| match Bits::of(text, Alphabet::Either) {
            Some(bits) if bits.number(0, 2) == Some(GPC_SEGMENT) => false,
            Some(bits) => (0..bits.len()).any(|at| bits.is_set(at) == Some(true)),
            None => true,
        })
    }

    /// Whether it forbids the use of ids and profiles.
    pub fn forbids(&self) -> bool {
        let [_, sale_notice, sharing_notice, targeted_notice] = self.notices();
        let opt_outs = self.opt_outs();
        let unfounded = |(notice, opt_out): (u64, u64)| notice == 0 && opt_out == 2;
        let has_notice = self.layout.notices;
        // An opt-out that was not made use of, without the notice by which one knows of it.
        let contradicts = [sale_notice, sharing_notice, targeted_notice]
            .into_iter()
            .zip(opt_outs)
            .zip(&has_notice[1..])
            .any(|(pair, at)| *at != 0 && unfounded(pair));
        let (_, _, counting) = self.layout.sensitive;
        let mut sensitive = self.sensitive().enumerate();
        !(1..=self.layout.versions).contains(&self.version())
            || self.mode() == self.layout.service_provider.1
            || self.gpc()
            || self.says_more()
            || opt_outs.contains(&1)
            || self.notices().contains(&2)
            || contradicts
            || self.children().any(|consent| consent != 0)
            || sensitive.any(|(nth, consent)| consent != 0 && counting >> nth & 1 == 1)
    }
}

/// A US Privacy string (§4): version, notice, opt-out of sale, service provider agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsPrivacy {
    /// Whether notice was given; `None` where the law does not apply.
    pub notice: Option<bool>,
    /// Whether the person opted out of sale.
    pub opted_out: Option<bool>,
    /// Whether the transaction is under the limited service provider agreement.
    pub lspa: Option<bool>,
}

impl UsPrivacy {
    /// Takes a string of version 1; `None` where it is none. Case does not matter where `lenient`.
    pub fn parse(text: &[u8], lenient: bool) -> Option<UsPrivacy> {
        let letter = |byte: u8| match if lenient { byte.to_ascii_uppercase() } else { byte } {
            b'Y' => Some(Some(true)),
            b'N' => Some(Some(false)),
            b'-' => Some(None),
            _ => None,
        };
        let [b'1', notice, opted_out, lspa] = *text else { return None };
        Some(UsPrivacy {
            notice: letter(notice)?,
            opted_out: letter(opted_out)?,
            lspa: letter(lspa)?,
        })
    }
}
