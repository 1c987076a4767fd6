//! The impressions remembered for one shopper: what caps count, what deduplicates evidence, what
//! conversions are credited to.
//!
//! One entry for each bid that any evidence has been seen of. Fixed width, so that a repeat is found
//! by scanning a few dozen bytes.

use crate::base::id::{BidTag, CampaignNo, CreativeNo};
use crate::base::limits::EXPOSURES_MAX;
use crate::base::time::Secs;

/// Bytes of one stored entry.
const WIDTH: usize = 21;

/// Evidence seen, as bits.
pub mod evidence {
    /// A win notice.
    pub const WIN: u8 = 1;
    /// A billing notice.
    pub const BILL: u8 = 2;
    /// The pixel.
    pub const PIXEL: u8 = 4;
    /// A click.
    pub const CLICK: u8 = 8;
    /// Billed: counted as an impression, money booked.
    pub const SETTLED: u8 = 16;
    /// No purchase may be led back to it.
    pub const UNTRACKED: u8 = 32;
    /// A click that was invalid: no purchase is led back to that.
    pub const BAD_CLICK: u8 = 64;
    /// The pixel was loaded by nobody who looks.
    pub const BAD_PIXEL: u8 = 128;
    /// Signs that there was an impression; an auction won is none yet.
    pub const SEEN: u8 = BILL | PIXEL | SETTLED;
}

/// One impression, or what is known of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The bid.
    pub tag: BidTag,
    /// Its campaign.
    pub campaign: CampaignNo,
    /// Its creative.
    pub creative: CreativeNo,
    /// When evidence was first seen.
    pub at: Secs,
    /// When it was clicked, where it was.
    pub clicked: Secs,
    /// Bits of [`evidence`].
    pub flags: u8,
}

/// Reads stored entries into `out`, replacing what was there. A torn tail is passed over.
pub fn read(bytes: &[u8], out: &mut Vec<Exposure>) {
    out.clear();
    for entry in bytes.as_chunks::<WIDTH>().0 {
        let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
        out.push(Exposure {
            tag: BidTag(u64::from(word(0)) | u64::from(word(4)) << 32),
            campaign: CampaignNo(word(8) & 0xff_ffff),
            creative: CreativeNo(entry[11]),
            at: Secs(word(12)),
            clicked: Secs(word(16)),
            flags: entry[20],
        });
    }
}

/// Puts entries in the order of time and returns the oldest, where there are more than [`EXPOSURES_MAX`].
/// Which stay does not depend on the order in which they came; those of one moment stay in that order.
pub fn cut(entries: &mut Vec<Exposure>) -> Vec<Exposure> {
    entries.sort_by_key(|entry| entry.at);
    let mut gone = Vec::new();
    while entries.len() > EXPOSURES_MAX {
        let oldest = (0..entries.len()).min_by_key(|at| (entries[*at].at, entries[*at].tag));
        gone.push(entries.remove(oldest.unwrap_or(0)));
    }
    gone
}

/// Writes entries; of more than [`EXPOSURES_MAX`] the newest.
pub fn write(entries: &[Exposure]) -> Vec<u8> {
    let kept = &entries[entries.len().saturating_sub(EXPOSURES_MAX)..];
    let mut out = Vec::with_capacity(kept.len() * WIDTH);
    for entry in kept {
        out.extend(entry.tag.0.to_le_bytes());
        out.extend(&entry.campaign.0.to_le_bytes()[..3]);
        out.push(entry.creative.0);
        out.extend(entry.at.0.to_le_bytes());
        out.extend(entry.clicked.0.to_le_bytes());
        out.push(entry.flags);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_and_the_newest_are_kept() {
        let entry = |n: u32| Exposure {
            tag: BidTag(u64::from(n) << 33 | 5),
            campaign: CampaignNo(0xab_cdef),
            creative: CreativeNo(200),
            at: Secs(n),
            clicked: Secs(n + 1),
            flags: evidence::WIN | evidence::SETTLED,
        };
        let entries: Vec<_> = (0..EXPOSURES_MAX as u32 + 3).map(entry).collect();
        let mut read_back = Vec::new();
        read(&write(&entries), &mut read_back);
        assert_eq!(read_back, entries[3..]);
        read(&write(&entries)[..WIDTH * 2 + 5], &mut read_back);
        assert_eq!(read_back.len(), 2);
    }
}
