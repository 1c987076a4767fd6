//! First stage: whether this request may be looked at, before a byte of it is read.
//!
//! Assumes the listener has bounded the body. Never looks into it.

use super::Ask;
use crate::base::limits::BODY_BYTES_MAX;
use crate::model::exchange::Exchange;
use crate::model::outcome::NoBid;
use crate::state::State;
use crate::state::world::World;

/// The exchange asking, or the state of the server that forbids an answer.
pub fn admit<'w>(world: &'w World, state: &State, ask: &Ask<'_>) -> Result<&'w Exchange, NoBid> {
    if ask.body.len() > BODY_BYTES_MAX {
        return Err(NoBid::TooLarge);
    }
    if !state.status.is_ready() {
        return Err(NoBid::NotReady);
    }
    if state.status.is_poisoned() {
        return Err(NoBid::StorePoisoned);
    }
    world.exchange(ask.exchange).map(|exchange| &**exchange).ok_or(NoBid::NotReady)
}
