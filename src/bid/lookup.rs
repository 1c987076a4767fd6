//! Fourth stage: the record of the first id that leads to one, copied into scratch.
//!
//! The hold bucket is copied before the record, so that an impression arriving in between refuses the
//! commit rather than going uncounted. No guard leaves this stage.

use super::{Case, Known};
use crate::base::id::UserKey;
use crate::model::outcome::NoBid;
use crate::openrtb::attributes::plain;
use crate::state::traffic::is_machine;

/// Fills `known` for the first of `keys` that has events.
pub fn lookup(case: &Case<'_>, keys: &[UserKey], known: &mut Known) -> Result<(), NoBid> {
    let (world, state, device, now) = (case.world, case.state, &case.request.device, case.ask.now);
    for key in keys {
        known.holds = state.cap_holds.view(*key, now);
        let (profile, shown, memory) = (&mut known.profile, &mut known.exposures, &mut known.memory);
        if !state.recall(*key, profile, shown, memory) {
            continue;
        }
        known.key = *key;
        let says = [plain(device.ua), plain(device.ip)];
        if is_machine(world, state, *key, profile, says, now) {
            return Err(NoBid::InvalidTraffic);
        }
        return Ok(());
    }
    Err(NoBid::UnknownUser)
}
