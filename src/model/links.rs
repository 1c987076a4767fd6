//! The tracking links of one ad: two sealed tokens, five addresses that carry them.
//!
//! One token goes to the exchange (`nurl`, `burl`, `lurl`), one into the markup (click, pixel); the path
//! says what a call does, within what its token was sealed for. The nonce of a seal is the caller's to
//! keep unique.

use std::ops::Range;

use crate::base::hash::mix;
use crate::base::seal::{Audience, SealKey};

/// What an exchange fills in on each notice (OpenRTB 2.6 §4.4).
const KIN: &str = "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}";

/// Twelve bytes that differ for every seed, slot and audience; the first eight are the bid's tag.
pub fn nonce(seed: u128, slot: u16, audience: Audience) -> [u8; 12] {
    let tag = mix(seed as u64 ^ mix(u64::from(slot) + 1));
    let rest = mix((seed >> 64) as u64 ^ tag);
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&tag.to_le_bytes());
    nonce[8..].copy_from_slice(&rest.to_le_bytes()[..4]);
    nonce[11] = audience as u8;
    nonce
}

/// The links of one ad, as ranges of the buffer they are written in.
#[derive(Clone, Debug)]
pub struct Links {
    /// `nurl`, `burl`, `lurl`.
    pub notices: [Range<usize>; 3],
    /// Where a click goes.
    pub click: Range<usize>,
    /// The pixel's address.
    pub pixel: Range<usize>,
    /// The token that both carry.
    pub view: Range<usize>,
}

/// Who seals, for which bid, and what the links begin with.
#[derive(Clone, Copy)]
pub struct Sealing<'a> {
    /// The key.
    pub key: &'a SealKey,
    /// The seed of the decision; never the same twice under a key.
    pub seed: u128,
    /// Which of the bids of a decision: each has its own.
    pub slot: u16,
    /// `public.url`, without a slash at the end.
    pub url: &'a str,
    /// The exchange's `click_macro`; may be empty.
    pub click_macro: &'a str,
}

impl Sealing<'_> {
    /// Seals a payload for each audience and appends the links to `out`.
    pub fn write(&self, notice: &[u8], view: &[u8], out: &mut Vec<u8>) -> Links {
        let mut seal = |audience: Audience, payload: &[u8]| {
            let start = out.len();
            self.key.seal(audience, &nonce(self.seed, self.slot, audience), payload, out);
            start..out.len()
        };
        let (notice, view) = (seal(Audience::Notice, notice), seal(Audience::View, view));
        let mut link = |token: &Range<usize>, before: [&str; 3], after: [&str; 2]| {
            let start = out.len();
            before.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
            out.extend_from_within(token.clone());
            after.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
            start..out.len()
        };
        let url = self.url;
        Links {
            notices: [
                link(&notice, ["", url, "/n/win/"], [KIN, "&mtw=${AUCTION_MIN_TO_WIN}"]),
                link(&notice, ["", url, "/n/bill/"], [KIN, ""]),
                link(
                    &notice,
                    ["", url, "/n/loss/"],
                    ["?reason=${AUCTION_LOSS}&price=${AUCTION_PRICE}", "&mtw=${AUCTION_MIN_TO_WIN}"],
                ),
            ],
            click: link(&view, [self.click_macro, url, "/click/"], ["", ""]),
            pixel: link(&view, ["", url, "/imp/"], [KIN, ""]),
            view,
        }
    }
}
