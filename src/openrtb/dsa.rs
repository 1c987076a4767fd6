//! What the EU's Digital Services Act asks of an ad, as `bid.ext.dsa` says it (privacy.md §7).
//!
//! Never fails and decides nothing.

use super::request::Dsa;
use super::response::{Writer, dsa, transparency};

/// Longest name that `ext.dsa` takes, in characters.
const NAME_CHARS_MAX: usize = 100;
/// What an ad of ours is chosen by (`dsaparams`): profiling, and basic data.
const PARAMS: [u32; 2] = [1, 2];

/// The advertiser is shown and pays; its shoppers are profiled by us. The ad says so itself where it can and the
/// publisher does not.
pub fn write(asked: Dsa, says_why: bool, advertiser: &str, us: &str, out: &mut impl Writer) {
    let end = advertiser.char_indices().nth(NAME_CHARS_MAX);
    let name = &advertiser[..end.map_or(advertiser.len(), |(at, _)| at)];
    out.text(dsa::BEHALF, name);
    out.text(dsa::PAID, name);
    out.messages(dsa::TRANSPARENCY, [()], |out, ()| {
        out.text(transparency::DOMAIN, us);
        out.numbers(transparency::DSAPARAMS, PARAMS);
    });
    let renders = says_why && asked.publisher_renders != Some(2);
    out.number(dsa::ADRENDER, u32::from(renders));
}
