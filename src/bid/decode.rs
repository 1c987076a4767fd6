//! Second stage: bytes to a borrowed request, and whether it is one to answer, in time.
//!
//! Never fails on what is merely strange.

use super::Ask;
use crate::model::exchange::Exchange;
use crate::model::outcome::NoBid;
use crate::openrtb::decode as openrtb;
use crate::openrtb::request::{Imp, Opportunity};

/// An empty request that is lent the memory of the imps before.
pub fn lend<'b>(imps: &mut Vec<Imp<'static>>) -> Opportunity<'b> {
    Opportunity {
        imps: openrtb::recycle(std::mem::take(imps)),
        ..Opportunity::default()
    }
}

/// Takes the memory back.
pub fn take_back(request: Opportunity<'_>, imps: &mut Vec<Imp<'static>>) {
    *imps = openrtb::recycle(request.imps);
}

/// Reads the request into `request`.
pub fn decode<'b>(ask: &Ask<'b>, exchange: &Exchange, memory: &'b mut openrtb::Memory, request: &mut Opportunity<'b>) -> Result<(), NoBid> {
    openrtb::read(ask.form, ask.body, memory, request).map_err(|unreadable| unreadable.no_bid())?;
    if ask.waited_ms >= patience_ms(request, exchange) {
        return Err(NoBid::TooLate);
    }
    if exchange.test_only && !request.test {
        return Err(NoBid::TestOnly);
    }
    Ok(())
}

/// Milliseconds from arrival within which an answer is in time: the request's `tmax`, at most the
/// exchange's, less what the network needs; half of a `tmax` that is shorter than that.
fn patience_ms(request: &Opportunity<'_>, exchange: &Exchange) -> u32 {
    let asked = request.tmax.filter(|tmax| *tmax > 0).and_then(|tmax| u32::try_from(tmax).ok());
    let tmax = asked.map_or(exchange.tmax_ms, |tmax| tmax.min(exchange.tmax_ms));
    tmax.saturating_sub(exchange.network_margin_ms).max(tmax / 2).max(1)
}
