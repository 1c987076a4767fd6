//! TC strings that speak of a thousand vendors, as the largest publishers' do.

use winback::privacy::permission::{Policy, Use};
use winback::privacy::recall::Recall;
use winback::privacy::signals::Signals;
use winback::privacy::vendor::Vendor;

/// Vendors that the strings speak of.
const VENDORS: u16 = 1_000;
/// Who we are among them: the last, whom a reader finds last.
const OURS: u16 = 999;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bits that become a text.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, number: u64, width: u32) {
        self.0.extend((0..width).rev().map(|bit| number >> bit & 1 == 1));
    }

    fn text(&self) -> String {
        let six = |bits: &[bool]| (0..6).fold(0, |value, at| value << 1 | usize::from(bits.get(at) == Some(&true)));
        self.0.chunks(6).map(|bits| char::from(ALPHABET[six(bits)])).collect()
    }

    /// Every second vendor one by one; or runs of twenty of forty, as ranges, which are shorter then.
    fn vendors(&mut self, as_ranges: bool) {
        self.put(VENDORS.into(), 16);
        self.put(as_ranges.into(), 1);
        if as_ranges {
            let runs = (0..VENDORS / 40).map(|run| (run * 40 + 20, run * 40 + 39));
            self.put(u64::from(VENDORS / 40), 12);
            runs.for_each(|(start, end)| self.put(1 << 32 | u64::from(start) << 16 | u64::from(end), 33));
        } else {
            (1..=VENDORS).for_each(|vendor| self.put(u64::from(vendor % 2), 1));
        }
    }
}

/// The `n`th string that grants [`OURS`] every purpose (privacy.md §2): each made a tenth of a second later.
pub fn string(as_ranges: bool, n: u64) -> String {
    let mut bits = Bits::default();
    bits.put(2, 6);
    bits.put(17_330_112_000 + n, 36);
    bits.put(17_330_112_000 + n, 36);
    bits.put(10 << 12 | 1, 24);
    bits.put(1, 6);
    bits.put(4 << 6 | 13, 12);
    bits.put(100, 12);
    bits.put(4, 6);
    bits.put(0b10, 2);
    bits.put(0, 12);
    bits.put(0xFF_E000, 24);
    bits.put(0, 24);
    bits.put(0, 1);
    bits.put(3 << 6 | 4, 12);
    bits.vendors(as_ranges);
    bits.vendors(as_ranges);
    bits.put(0, 12);
    bits.text()
}

/// Whether a string allows a bid.
pub fn permits(policy: &Policy, recall: &mut Recall, consent: &str) -> bool {
    let signals = Signals {
        gdpr: Some(true),
        consent,
        ..Signals::default()
    };
    policy.permit_recalling(&signals, recall).allows(Use::Bid)
}

/// Ours.
pub fn policy() -> Policy {
    Policy {
        vendor: Some(Vendor::by_consent(OURS)),
        ..Policy::default()
    }
}
