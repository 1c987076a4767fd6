//! Verdicts of exchanges on creatives, from loss notices and Google's feedback, to what `state` counts.
//!
//! No facts: memory only, like the loss notices they come with.

use super::notice::Opened;
use crate::base::id::ExchangeNo;
use crate::base::time::Secs;
use crate::openrtb::feedback::{self, Verdict};
use crate::state::State;
use crate::state::approvals::Suspended;
use crate::state::world::World;

/// A verdict on the creative of a bid, given with `code`; returns the suspension it brought about.
pub fn of_bid(world: &World, state: &State, opened: &Opened, verdict: Verdict, code: u32, now: Secs) -> Option<Suspended> {
    let ticket = &opened.ticket;
    let shop = world.shop(ticket.advertiser).filter(|_| !ticket.test)?;
    let creative = shop.advertiser.creatives.iter().find(|creative| creative.no == ticket.creative)?;
    state.approvals.hear(ticket.exchange, creative.crid_key, verdict, code, now)
}

/// The verdicts of a raw `ext.bid_feedback`; returns the suspensions they brought about.
pub fn of_feedback(world: &World, state: &State, exchange: ExchangeNo, raw: &[u8], now: Secs) -> Vec<Suspended> {
    let hear = |entry: feedback::Feedback<'_>| {
        let key = world.hashes.crid(entry.crid.plain()?);
        state
            .approvals
            .hear(exchange, key, feedback::of_google(entry.code), entry.code, now)
    };
    feedback::entries(raw).filter_map(hear).collect()
}
