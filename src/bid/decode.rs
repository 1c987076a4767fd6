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
    if ask.waited_ms >= exchange.patience_ms(request.tmax) {
        return Err(NoBid::TooLate);
    }
    if exchange.test_only && !request.test {
        return Err(NoBid::TestOnly);
    }
    Ok(())
}
