//! The string of IAB's Global Privacy Platform: a header that names sections, and the sections (privacy.md §3).
//!
//! Reads the header and finds sections by their number; what a section says is read by [`super::tcf`] and
//! [`super::us`]. Allocates nothing.

use super::bits::{Alphabet, Bits, Cursor};

/// The section that holds a TC string of the EU.
pub const TCF_EU: u8 = 2;
/// The section that holds a TC string of Canada, which is not read.
pub const TCF_CANADA: u8 = 5;
/// The section that holds a US Privacy string.
pub const US_PRIVACY: u8 = 6;

const TYPE: u64 = 3;
const VERSION: u64 = 1;

/// Why a text is no GPP string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GppFault {
    /// The header is not of type 3 and version 1, or ends before its last field.
    #[error("the header is not one of the platform's version 1")]
    Header,
    /// The header names a section beyond those that can be kept apart.
    #[error("the header names a section beyond {}", SectionIds::MAX)]
    Section,
    /// The header names as many sections as do not follow.
    #[error("the header names other sections than follow")]
    Count,
}

/// Numbers of sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectionIds(u64);

impl SectionIds {
    /// The highest number that is kept.
    pub const MAX: u8 = 63;

    /// None of them.
    pub const NONE: SectionIds = SectionIds(0);

    /// Adds one; `false` where its number is too high.
    pub fn insert(&mut self, id: u32) -> bool {
        let fits = (1..=u32::from(Self::MAX)).contains(&id);
        if fits {
            self.0 |= 1 << id;
        }
        fits
    }

    /// Whether it is among them.
    pub fn has(self, id: u8) -> bool {
        id <= Self::MAX && self.0 >> id & 1 == 1
    }

    /// How many.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In ascending order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (1..=Self::MAX).filter(move |id| self.has(*id))
    }

    /// How many stand before it.
    fn before(self, id: u8) -> usize {
        (self.0 & ((1 << id) - 1)).count_ones() as usize
    }
}

/// A GPP string whose header has been read.
#[derive(Clone, Copy, Debug)]
pub struct GppString<'a> {
    /// The sections that it has.
    pub ids: SectionIds,
    sections: &'a str,
}

impl<'a> GppString<'a> {
    /// Takes a string; its sections may still be unreadable.
    pub fn parse(text: &'a str) -> Result<GppString<'a>, GppFault> {
        let (header, sections) = text.split_once('~').unwrap_or((text, ""));
        let ids = header_ids(header)?;
        let follow = if text.len() == header.len() {
            0
        } else {
            sections.split('~').count()
        };
        if follow == ids.len() {
            Ok(GppString { ids, sections })
        } else {
            Err(GppFault::Count)
        }
    }

    /// The text of a section; `None` where the string has none of that number.
    pub fn section(&self, id: u8) -> Option<&'a str> {
        let nth = self.ids.has(id).then(|| self.ids.before(id))?;
        self.sections.split('~').nth(nth)
    }
}

/// Sections as a header names them: ascending, each as the distance from the one before.
fn header_ids(header: &str) -> Result<SectionIds, GppFault> {
    let bits = Bits::of(header, Alphabet::Either).ok_or(GppFault::Header)?;
    let mut cursor = Cursor::new(bits, 0);
    if cursor.number(6) != Some(TYPE) || cursor.number(6) != Some(VERSION) {
        return Err(GppFault::Header);
    }
    let items = cursor.number(12).ok_or(GppFault::Header)?;
    let (mut ids, mut last) = (SectionIds::NONE, 0u32);
    for _ in 0..items {
        let is_group = cursor.flag().ok_or(GppFault::Header)?;
        let first = last.saturating_add(cursor.fibonacci().ok_or(GppFault::Header)?);
        let further = if is_group { cursor.fibonacci().ok_or(GppFault::Header)? } else { 0 };
        last = first.saturating_add(further);
        if last > u32::from(SectionIds::MAX) {
            return Err(GppFault::Section);
        }
        for id in first..=last {
            ids.insert(id);
        }
    }
    Ok(ids)
}
