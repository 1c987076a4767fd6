//! The TC string of IAB Europe's Transparency and Consent Framework, version 2 (privacy.md §2).
//!
//! A string is checked from end to end when it is taken; what is asked of it afterwards is read from the text
//! in place, without memory of its own. Says what the string says: whether that is enough is decided by
//! [`super::permission`].

use super::bits::{Alphabet, Bits, Cursor};

/// Segments that a string may have; more is no TC string.
const SEGMENTS_MAX: usize = 8;
/// Longest string that is read: twice what all vendors of the list, one by one in three sections, take today.
const CHARS_MAX: usize = 16 * 1024;

const VERSION: usize = 2;
// Where the fields of the core segment begin that are asked for singly.
const CREATED: usize = 6;
const LAST_UPDATED: usize = 42;
const CMP_ID: usize = 78;
const CMP_VERSION: usize = 90;
const CONSENT_SCREEN: usize = 102;
const CONSENT_LANGUAGE: usize = 108;
const VENDOR_LIST_VERSION: usize = 120;
const POLICY_VERSION: usize = 132;
const IS_SERVICE_SPECIFIC: usize = 138;
const USE_NON_STANDARD_TEXTS: usize = 139;
const SPECIAL_FEATURES: usize = 140;
const PURPOSES_CONSENT: usize = 152;
const PURPOSES_LI: usize = 176;
const PURPOSE_ONE_TREATMENT: usize = 200;
const PUBLISHER_CC: usize = 201;
const VENDORS: usize = 213;

const PURPOSES: usize = 24;
const SPECIAL_FEATURES_BITS: usize = 12;

/// Why a text is no TC string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TcFault {
    /// A character that base64url does not have, or a segment without any.
    #[error("a segment is not base64url")]
    NotBase64,
    /// Not version 2.
    #[error("not version 2 of the framework")]
    Version,
    /// A segment ends before its last field.
    #[error("a segment ends before its last field")]
    Short,
    /// A range of vendors begins at 0 or goes beyond the highest id that the section names.
    #[error("a range of vendors is outside of its section")]
    Range,
    /// More segments than there are kinds of, or a longer text than anybody writes.
    #[error("too many segments, or longer than {CHARS_MAX} characters")]
    Long,
}

/// A publisher's restriction on a purpose (RestrictionType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restriction {
    /// 0: not allowed, whatever else is said.
    NotAllowed,
    /// 1: only by consent.
    RequireConsent,
    /// 2: only by legitimate interest.
    RequireLi,
    /// 3: not defined.
    Undefined,
}

impl Restriction {
    fn of(number: u64) -> Restriction {
        match number {
            0 => Restriction::NotAllowed,
            1 => Restriction::RequireConsent,
            2 => Restriction::RequireLi,
            _ => Restriction::Undefined,
        }
    }
}

/// A set of vendors: one bit each, or ranges.
#[derive(Clone, Copy, Debug)]
pub struct Vendors<'a> {
    bits: Bits<'a>,
    /// The highest id that it speaks of.
    pub max: u16,
    /// Whether it lists ranges; else it has a bit for each id from 1 to `max`.
    pub is_range: bool,
    /// Its first bit, or the first entry of its ranges.
    at: usize,
    entries: u16,
}

impl<'a> Vendors<'a> {
    /// Reads and checks a section: `MaxVendorId`, `IsRangeEncoding`, and what they say follows.
    fn read(bits: Bits<'a>, cursor: &mut Cursor<'a>) -> Result<Vendors<'a>, TcFault> {
        let max = cursor.short().ok_or(TcFault::Short)?;
        let is_range = cursor.flag().ok_or(TcFault::Short)?;
        let (mut at, mut entries) = (cursor.at, 0);
        if is_range {
            (at, entries) = ranges(cursor, Some(max))?;
        } else {
            cursor.skip(usize::from(max)).ok_or(TcFault::Short)?;
        }
        Ok(Vendors {
            bits,
            max,
            is_range,
            at,
            entries,
        })
    }

    /// Whether the vendor is in it.
    pub fn has(&self, vendor: u16) -> bool {
        if vendor == 0 || vendor > self.max {
            false
        } else if self.is_range {
            in_ranges(Cursor::new(self.bits, self.at), self.entries, vendor)
        } else {
            self.bits.is_set(self.at + usize::from(vendor) - 1) == Some(true)
        }
    }
}

/// Checks range entries, whose number comes first; where they begin and how many they are. Reversed ones are
/// let be: they hold nobody.
fn ranges(cursor: &mut Cursor<'_>, max: Option<u16>) -> Result<(usize, u16), TcFault> {
    let entries = cursor.number(12).ok_or(TcFault::Short)? as u16;
    let at = cursor.at;
    for _ in 0..entries {
        let (start, end) = range(cursor).ok_or(TcFault::Short)?;
        if start == 0 || max.is_some_and(|max| start.max(end) > max) {
            return Err(TcFault::Range);
        }
    }
    Ok((at, entries))
}

fn range(cursor: &mut Cursor<'_>) -> Option<(u16, u16)> {
    // A whole entry at once, where there are as many bits.
    if let Some(entry) = cursor.peek(33) {
        let (is_range, start, end) = (entry >> 32 == 1, (entry >> 16) as u16, entry as u16);
        cursor.skip(if is_range { 33 } else { 17 })?;
        return Some((start, if is_range { end } else { start }));
    }
    let is_range = cursor.flag()?;
    let start = cursor.short()?;
    Some((start, if is_range { cursor.short()? } else { start }))
}

fn in_ranges(mut cursor: Cursor<'_>, entries: u16, vendor: u16) -> bool {
    (0..entries).any(|_| range(&mut cursor).is_some_and(|(start, end)| (start..=end).contains(&vendor)))
}

/// Whether a text is meant as a TC string: of this version, and long enough for its core.
pub fn looks_like(text: &str) -> bool {
    text.starts_with('C') && text.len() * 6 >= VENDORS
}

/// A TC string, checked.
#[derive(Clone, Copy, Debug)]
pub struct TcString<'a> {
    core: Bits<'a>,
    /// Who has consent.
    pub vendors: Vendors<'a>,
    /// Whose legitimate interest was made known and not objected to.
    pub vendors_li: Vendors<'a>,
    /// Where the publisher's restrictions begin, and how many records they are.
    restrictions: (usize, u16),
    /// Who was shown to the user at all; a segment that 2.3 made mandatory.
    pub disclosed: Option<Vendors<'a>>,
    /// Of old strings, who may be consented to out of band.
    pub allowed: Option<Vendors<'a>>,
    /// The publisher's own purposes.
    pub publisher: Option<PublisherTc<'a>>,
}

impl<'a> TcString<'a> {
    /// Takes a string: every segment must be whole, in any order after the core.
    pub fn parse(text: &'a str) -> Result<TcString<'a>, TcFault> {
        if text.len() > CHARS_MAX {
            return Err(TcFault::Long);
        }
        let mut segments = text.split('.');
        let core = segment(segments.next().unwrap_or(""))?;
        if core.number(0, 6).ok_or(TcFault::Short)? != VERSION as u64 {
            return Err(TcFault::Version);
        }
        let mut cursor = Cursor::new(core, VENDORS);
        let vendors = Vendors::read(core, &mut cursor)?;
        let vendors_li = Vendors::read(core, &mut cursor)?;
        let restrictions = check_restrictions(&mut cursor)?;
        let mut string = TcString {
            core,
            vendors,
            vendors_li,
            restrictions,
            disclosed: None,
            allowed: None,
            publisher: None,
        };
        for (at, text) in segments.enumerate() {
            if at >= SEGMENTS_MAX {
                return Err(TcFault::Long);
            }
            string.take(segment(text)?)?;
        }
        Ok(string)
    }

    /// A segment beside the core; what kind its first three bits say. Unknown kinds are passed over.
    fn take(&mut self, bits: Bits<'a>) -> Result<(), TcFault> {
        let mut cursor = Cursor::new(bits, 0);
        match cursor.number(3).ok_or(TcFault::Short)? {
            1 => self.disclosed = Some(Vendors::read(bits, &mut cursor)?),
            2 => self.allowed = Some(Vendors::read(bits, &mut cursor)?),
            3 => self.publisher = Some(PublisherTc::read(bits)?),
            _ => {}
        }
        Ok(())
    }

    fn number(&self, at: usize, width: usize) -> u64 {
        // The vendors stand behind all of these and have been read.
        self.core.number(at, width).unwrap_or(0)
    }

    /// `Created`, tenths of a second since 1970.
    pub fn created_ds(&self) -> u64 {
        self.number(CREATED, 36)
    }

    /// `LastUpdated`, tenths of a second since 1970.
    pub fn last_updated_ds(&self) -> u64 {
        self.number(LAST_UPDATED, 36)
    }

    /// `CmpId`.
    pub fn cmp_id(&self) -> u16 {
        self.number(CMP_ID, 12) as u16
    }

    /// `CmpVersion`.
    pub fn cmp_version(&self) -> u16 {
        self.number(CMP_VERSION, 12) as u16
    }

    /// `ConsentScreen`.
    pub fn consent_screen(&self) -> u8 {
        self.number(CONSENT_SCREEN, 6) as u8
    }

    /// `ConsentLanguage`, two letters.
    pub fn consent_language(&self) -> [u8; 2] {
        self.letters(CONSENT_LANGUAGE)
    }

    /// `VendorListVersion`.
    pub fn vendor_list_version(&self) -> u16 {
        self.number(VENDOR_LIST_VERSION, 12) as u16
    }

    /// `TcfPolicyVersion`.
    pub fn policy_version(&self) -> u8 {
        self.number(POLICY_VERSION, 6) as u8
    }

    /// `IsServiceSpecific`.
    pub fn is_service_specific(&self) -> bool {
        self.number(IS_SERVICE_SPECIFIC, 1) == 1
    }

    /// `UseNonStandardTexts`.
    pub fn use_non_standard_texts(&self) -> bool {
        self.number(USE_NON_STANDARD_TEXTS, 1) == 1
    }

    /// Whether special feature `id`, from 1, was opted in to.
    pub fn has_special_feature(&self, id: u8) -> bool {
        self.is_set_of(SPECIAL_FEATURES, SPECIAL_FEATURES_BITS, id)
    }

    /// Whether purpose `id`, from 1, has consent.
    pub fn has_consent(&self, purpose: u8) -> bool {
        self.is_set_of(PURPOSES_CONSENT, PURPOSES, purpose)
    }

    /// Whether the legitimate interest in purpose `id`, from 1, was made known and not objected to.
    pub fn has_li(&self, purpose: u8) -> bool {
        self.is_set_of(PURPOSES_LI, PURPOSES, purpose)
    }

    /// `PurposeOneTreatment`: purpose 1 was not shown at all, as the law of [`TcString::publisher_cc`] allows.
    pub fn purpose_one_treatment(&self) -> bool {
        self.number(PURPOSE_ONE_TREATMENT, 1) == 1
    }

    /// `PublisherCC`, two letters.
    pub fn publisher_cc(&self) -> [u8; 2] {
        self.letters(PUBLISHER_CC)
    }

    /// Every record of the publisher's restrictions.
    pub fn each_restriction(&self) -> impl Iterator<Item = Restricted<'a>> {
        let (at, records) = self.restrictions;
        let (bits, mut cursor) = (self.core, Cursor::new(self.core, at));
        (0..records).map_while(move |_| Restricted::read(bits, &mut cursor).ok())
    }

    fn is_set_of(&self, at: usize, width: usize, id: u8) -> bool {
        (1..=width).contains(&usize::from(id)) && self.number(at + usize::from(id) - 1, 1) == 1
    }

    fn letters(&self, at: usize) -> [u8; 2] {
        // Some write lower case, which is 26 and more.
        [0, 6].map(|further| b'A' + (self.number(at + further, 6) as u8).min(63))
    }
}

fn segment(text: &str) -> Result<Bits<'_>, TcFault> {
    Bits::of(text, Alphabet::Url).ok_or(TcFault::NotBase64)
}

fn check_restrictions(cursor: &mut Cursor<'_>) -> Result<(usize, u16), TcFault> {
    let records = cursor.number(12).ok_or(TcFault::Short)? as u16;
    let at = cursor.at;
    for _ in 0..records {
        cursor.skip(6 + 2).ok_or(TcFault::Short)?;
        ranges(cursor, None)?;
    }
    Ok((at, records))
}

/// One record of the publisher's restrictions.
#[derive(Clone, Copy, Debug)]
pub struct Restricted<'a> {
    /// Of which purpose, from 1.
    pub purpose: u8,
    /// What.
    pub kind: Restriction,
    bits: Bits<'a>,
    at: usize,
    entries: u16,
}

impl<'a> Restricted<'a> {
    fn read(bits: Bits<'a>, cursor: &mut Cursor<'a>) -> Result<Restricted<'a>, TcFault> {
        let purpose = cursor.number(6).ok_or(TcFault::Short)? as u8;
        let kind = Restriction::of(cursor.number(2).ok_or(TcFault::Short)?);
        let (at, entries) = ranges(cursor, None)?;
        Ok(Restricted {
            purpose,
            kind,
            bits,
            at,
            entries,
        })
    }

    /// Whether it is about the vendor.
    pub fn has(&self, vendor: u16) -> bool {
        in_ranges(Cursor::new(self.bits, self.at), self.entries, vendor)
    }
}

/// The publisher's own purposes (segment type 3).
#[derive(Clone, Copy, Debug)]
pub struct PublisherTc<'a> {
    bits: Bits<'a>,
    /// How many purposes of its own it has.
    pub custom_purposes: u8,
}

impl<'a> PublisherTc<'a> {
    const CONSENT: usize = 3;
    const LI: usize = 27;
    const CUSTOM: usize = 57;

    fn read(bits: Bits<'a>) -> Result<PublisherTc<'a>, TcFault> {
        let custom_purposes = bits.number(51, 6).ok_or(TcFault::Short)? as u8;
        Cursor::new(bits, Self::CUSTOM)
            .skip(2 * usize::from(custom_purposes))
            .ok_or(TcFault::Short)?;
        Ok(PublisherTc { bits, custom_purposes })
    }

    fn is_set(&self, at: usize, width: usize, id: u8) -> bool {
        (1..=width).contains(&usize::from(id)) && self.bits.is_set(at + usize::from(id) - 1) == Some(true)
    }

    /// Whether purpose `id` of the framework has consent for the publisher.
    pub fn has_consent(&self, purpose: u8) -> bool {
        self.is_set(Self::CONSENT, PURPOSES, purpose)
    }

    /// Whether purpose `id` of the framework is the publisher's legitimate interest.
    pub fn has_li(&self, purpose: u8) -> bool {
        self.is_set(Self::LI, PURPOSES, purpose)
    }

    /// Whether the publisher's own purpose `id` has consent.
    pub fn has_custom_consent(&self, id: u8) -> bool {
        self.is_set(Self::CUSTOM, usize::from(self.custom_purposes), id)
    }

    /// Whether the publisher's own purpose `id` is its legitimate interest.
    pub fn has_custom_li(&self, id: u8) -> bool {
        let width = usize::from(self.custom_purposes);
        self.is_set(Self::CUSTOM + width, width, id)
    }
}
