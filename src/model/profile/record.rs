//! The byte record of a shopper: compact and versioned.
//!
//! Record = version u8, seen u32 (seconds since 2024, little endian), machine u32 where the version's highest
//! bit is set (until when the user is taken for a machine), section*. Section = advertiser varint, count u8,
//! [first visit varint (seconds before seen), visits varint], event*. The first visit and how many there were
//! are written, and the count's highest bit set, where the events kept do not tell: some were forgotten. A
//! section without visits says that it is in another record. Event = marks?, kind 4 bits and flags 4 bits, age
//! varint (seconds before seen for the first, before the previous one for the rest; newest first), then
//! product u40, quantity varint and value as flags say. Marks = 15 in 4 bits, their number in 4 bits, u16*. Values are in minor units (a hundredth): each the
//! zigzag varint of what it is more than the value before it in its section, for what is looked at, put into a
//! cart and bought tends to be the same.
//!
//! In records before version 3 visits are always written, before the count, and values are not differences;
//! those of version 1 have no marks. Decoding assumes nothing: a broken record reads as far as it is sound.

use super::{Profile, Section};
use crate::base::id::{AdvertiserNo, ProductKey};
use crate::base::limits::SECTIONS_MAX;
use crate::base::money::{Money, NANOS};
use crate::base::time::Secs;
use crate::model::event::{EventKind, Happening, Marks};

const VERSION: u8 = 3;
/// The oldest version that is read.
const VERSION_OLDEST: u8 = 1;
/// Beside the version: the user was taken for a machine.
const MACHINE: u8 = 0x80;
/// The first whose sections say only what events do not tell.
const VERSION_BRIEF: u8 = 3;
/// Of a count: visits follow.
const VISITS: u8 = 0x80;
/// In place of an event's kind: the marks of the event that follows.
const MARKS: u8 = 15;
const FLAG_CONTINUED: u8 = 1;
const FLAG_PRODUCT: u8 = 2;
const FLAG_QUANTITY: u8 = 4;
const FLAG_VALUE: u8 = 8;
/// Billionths in a hundredth, the step of stored values.
const CENT: i128 = NANOS / 100;
/// Differences of values up to this fit a varint.
const CENTS_MAX: i64 = (1 << 62) - 1;

impl Profile {
    /// Reads a record into this, replacing what was there.
    pub fn read(&mut self, record: &[u8]) {
        self.clear();
        let mut bytes = Bytes(record);
        let Some(head) = bytes.u8() else { return };
        let version = head & !MACHINE;
        if !(VERSION_OLDEST..=VERSION).contains(&version) {
            return;
        }
        let mut second = || Secs(bytes.fixed::<4>().map_or(0, u32::from_le_bytes));
        self.seen = second();
        if head & MACHINE != 0 {
            self.machine_until = second();
        }
        while !bytes.0.is_empty() && self.sections.len() < SECTIONS_MAX {
            if self.read_section(&mut bytes, version >= VERSION_BRIEF).is_none() {
                return;
            }
        }
    }

    fn read_section(&mut self, bytes: &mut Bytes<'_>, brief: bool) -> Option<()> {
        let advertiser = AdvertiserNo(u32::try_from(bytes.varint()?).ok()?);
        let mut told = if brief { None } else { Some(self.visits(bytes)?) };
        let mut count = bytes.u8()?;
        if brief && count & VISITS != 0 {
            count &= !VISITS;
            told = Some(self.visits(bytes)?);
        }
        let from = self.events.len() as u32;
        let (mut at, mut heads, mut cents) = (self.seen, 0, 0i64);
        for _ in 0..count {
            let (head, marks) = bytes.head()?;
            at = Secs(at.0.saturating_sub(u32::try_from(bytes.varint()?).ok()?));
            let flags = head & 0x0f;
            let product = if flags & FLAG_PRODUCT != 0 { bytes.fixed::<5>()? } else { [0; 5] };
            let quantity = if flags & FLAG_QUANTITY != 0 {
                u32::try_from(bytes.varint()?).ok()?
            } else {
                1
            };
            let value = match flags & FLAG_VALUE != 0 {
                false => 0,
                true if brief => {
                    cents = cents.wrapping_add(unzigzag(bytes.varint()?)).clamp(0, CENTS_MAX);
                    cents
                }
                true => bytes.varint()? as i64,
            };
            heads += u32::from(flags & FLAG_CONTINUED == 0);
            let Some(kind) = EventKind::from_code(head >> 4) else { continue };
            let mut wide = [0u8; 8];
            wide[..5].copy_from_slice(&product);
            self.events.push(Happening {
                kind,
                at,
                continued: flags & FLAG_CONTINUED != 0,
                product: ProductKey(u64::from_le_bytes(wide)),
                quantity,
                value: Money(i128::from(value) * CENT),
                marks,
            });
        }
        let (first, visits) = told.unwrap_or((at, heads));
        self.sections.push(Section {
            advertiser,
            first,
            visits,
            from,
            to: self.events.len() as u32,
        });
        Some(())
    }

    /// The first visit of a section, and how many there were.
    fn visits(&self, bytes: &mut Bytes<'_>) -> Option<(Secs, u32)> {
        let first = self.seen.0.saturating_sub(u32::try_from(bytes.varint()?).ok()?);
        Some((Secs(first), u32::try_from(bytes.varint()?).ok()?))
    }

    /// Writes the record.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 12 * self.events.len());
        // What is over by the last event is over.
        let is_machine = self.machine_until > self.seen;
        out.push(if is_machine { VERSION | MACHINE } else { VERSION });
        out.extend(self.seen.0.to_le_bytes());
        if is_machine {
            out.extend(self.machine_until.0.to_le_bytes());
        }
        for section in &self.sections {
            push_varint(&mut out, u64::from(section.advertiser.0));
            let events = self.events(section);
            let heads = events.iter().filter(|event| !event.continued).count() as u32;
            let oldest = events.last().map_or(self.seen, |event| event.at);
            if (section.first, section.visits) == (oldest, heads) {
                out.push(events.len() as u8);
            } else {
                out.push(events.len() as u8 | VISITS);
                push_varint(&mut out, u64::from(self.seen.since(section.first)));
                push_varint(&mut out, u64::from(section.visits));
            }
            let (mut previous, mut cents) = (self.seen, 0);
            for event in events {
                write_event(&mut out, event, previous, &mut cents);
                previous = event.at;
            }
        }
        out
    }
}

/// When the user of a record was last seen; long ago where it does not say.
pub fn seen(record: &[u8]) -> Secs {
    let seen = record.get(1..).and_then(|rest| rest.first_chunk::<4>());
    Secs(seen.map_or(0, |seen| u32::from_le_bytes(*seen)))
}

/// An event's value, as stored.
pub(super) fn cents(of: &Happening) -> i64 {
    i64::try_from(of.value.0 / CENT).unwrap_or(CENTS_MAX).clamp(0, CENTS_MAX)
}

/// `before` is the value before it.
fn write_event(out: &mut Vec<u8>, event: &Happening, previous: Secs, before: &mut i64) {
    let cents = cents(event);
    let mut flags = 0;
    flags |= if event.continued { FLAG_CONTINUED } else { 0 };
    flags |= if event.product.is_some() { FLAG_PRODUCT } else { 0 };
    flags |= if event.quantity != 1 { FLAG_QUANTITY } else { 0 };
    flags |= if cents != 0 { FLAG_VALUE } else { 0 };
    let marks = event.marks.codes().count() as u8;
    if marks > 0 {
        out.push(MARKS << 4 | marks);
        out.extend(event.marks.codes().flat_map(u16::to_le_bytes));
    }
    out.push((event.kind as u8) << 4 | flags);
    push_varint(out, u64::from(previous.since(event.at)));
    if flags & FLAG_PRODUCT != 0 {
        out.extend(&event.product.0.to_le_bytes()[..5]);
    }
    if flags & FLAG_QUANTITY != 0 {
        push_varint(out, u64::from(event.quantity));
    }
    if flags & FLAG_VALUE != 0 {
        push_varint(out, zigzag(cents - *before));
        *before = cents;
    }
}

/// Small differences either way are small numbers.
fn zigzag(difference: i64) -> u64 {
    (difference << 1 ^ difference >> 63) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A cursor over bytes that may be anything.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// An event's first byte, and the marks before it.
    fn head(&mut self) -> Option<(u8, Marks)> {
        let head = self.u8()?;
        if head >> 4 != MARKS {
            return Some((head, Marks::default()));
        }
        let (codes, rest) = self.0.split_at_checked(2 * usize::from(head & 0x0f))?;
        self.0 = rest;
        let codes = codes.as_chunks::<2>().0.iter().map(|code| u16::from_le_bytes(*code));
        Some((self.u8()?, Marks::from_codes(codes)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, at: u32, cents: i128) -> Happening {
        Happening {
            kind,
            at: Secs(at),
            continued: false,
            product: ProductKey(at.into()),
            quantity: 1,
            value: Money(cents * CENT),
            marks: Marks::default(),
        }
    }

    fn read(record: &[u8]) -> Profile {
        let mut profile = Profile::default();
        profile.read(record);
        profile
    }

    #[test]
    fn what_was_forgotten_is_still_counted() {
        let (mut profile, shop) = (Profile::default(), AdvertiserNo(1));
        for at in 10..300 {
            profile.remember(shop, &[event(EventKind::ViewItem, at, 100)]);
            let section = *read(&profile.write()).section(shop).expect("a section");
            assert_eq!((section.first, section.visits), (Secs(10), at - 9));
        }
    }

    #[test]
    fn values_are_read_as_written_whatever_came_before() {
        let values = [0, 590, 590, 30_490, 1, i128::from(CENTS_MAX), 0, 7, i128::MAX / CENT, 0];
        let mut profile = Profile::default();
        for (at, value) in values.iter().enumerate() {
            profile.remember(AdvertiserNo(1), &[event(EventKind::AddToCart, at as u32, *value)]);
        }
        let read: Vec<i128> = read(&profile.write())
            .events
            .iter()
            .rev()
            .map(|event| event.value.0 / CENT)
            .collect();
        let most = i128::from(CENTS_MAX);
        assert_eq!(read, [0, 590, 590, 30_490, 1, most, 0, 7, most, 0]);
    }

    #[test]
    fn four_events_of_a_cart_take_a_class_of_48_bytes() {
        let mut profile = Profile::default();
        for (kind, before) in [
            (EventKind::ViewItem, 9_000),
            (EventKind::ViewItem, 340),
            (EventKind::AddToCart, 60),
            (EventKind::ViewCart, 0),
        ] {
            profile.remember(AdvertiserNo(19), &[event(kind, 90_000_000 - before, 30_490)]);
        }
        assert!(profile.write().len() <= 48, "{}", profile.write().len());
    }

    #[test]
    fn records_of_older_versions_are_read() {
        let old = [
            2,
            0x10,
            0x27,
            0,
            0, // seen 10,000
            7,
            0x64,
            5,
            2, // shop 7, first 100 before, 5 visits, 2 events
            (EventKind::AddToCart as u8) << 4 | FLAG_PRODUCT | FLAG_VALUE,
            3,
            9,
            0,
            0,
            0,
            0,
            0xce,
            0x04, // 5.90
            (EventKind::ViewItem as u8) << 4 | FLAG_VALUE,
            4,
            0xce,
            0x04,
        ];
        for version in [1, 2] {
            let mut record = old;
            record[0] = version;
            let profile = read(&record);
            let section = *profile.section(AdvertiserNo(7)).expect("a section");
            assert_eq!((section.first, section.visits), (Secs(9_900), 5));
            let events: Vec<_> = profile
                .events(&section)
                .iter()
                .map(|e| (e.kind, e.at.0, e.value.0 / CENT))
                .collect();
            assert_eq!(events, [(EventKind::AddToCart, 9_997, 590), (EventKind::ViewItem, 9_993, 590)]);
            assert_eq!(read(&profile.write()), profile);
        }
    }

    #[test]
    fn a_broken_record_reads_as_far_as_it_is_sound() {
        let mut profile = Profile::default();
        profile.remember(
            AdvertiserNo(1),
            &[event(EventKind::AddToCart, 5, 590), event(EventKind::AddToCart, 5, 20)],
        );
        let record = profile.write();
        for cut in 0..record.len() {
            read(&record[..cut]);
        }
        // Differences that add up to more than there is.
        let most = [&[0xff; 8][..], &[0x7f]].concat();
        let one = [&[(EventKind::ViewItem as u8) << 4 | FLAG_VALUE, 0][..], &most].concat();
        read(&[&[VERSION, 0, 0, 0, 0, 1, 4][..], &one, &one, &one, &one].concat());
        let half = [&[0xfe; 1][..], &[0xff; 7], &[0x7f]].concat();
        let one = [&[(EventKind::ViewItem as u8) << 4 | FLAG_VALUE, 0][..], &half].concat();
        read(&[&[VERSION, 0, 0, 0, 0, 1, 6][..], &one, &one, &one, &one, &one, &one].concat());
    }
}
