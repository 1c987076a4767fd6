//! Third stage: permission first, then who is asked about, by every id the request carries.
//!
//! Never reads, hashes or looks up an id before the privacy signals allow it (architecture rule 1).

use super::Case;
use crate::base::id::UserKey;
use crate::model::outcome::NoBid;
use crate::openrtb::eids;
use crate::privacy::permission::{Permission, Use};
use crate::privacy::recall::Recall;
use crate::privacy::signals::Signals;
use crate::state::sight::{Place, Probe, Sight, id_text};

/// Users the request may be about, the most trusted id first: ours, the exchange's, EIDs, the
/// device's; and what may be done. `text` is memory for unescaping.
pub fn identify(
    case: &Case<'_>,
    recall: &mut Recall,
    text: &mut String,
    keys: &mut Vec<UserKey>,
    sight: &mut Sight,
) -> Result<Permission, NoBid> {
    let (world, state, request) = (case.world, case.state, case.request);
    *sight = Sight::default();
    let permission = world.privacy.permit_recalling(&Signals::of_request(request), recall);
    if !permission.allows(Use::Bid) {
        sight.ground = permission.because;
        return Err(NoBid::Consent);
    }
    keys.clear();
    let hashes = &world.hashes;
    let mut probe = Probe {
        state,
        hashes,
        keys,
        sight,
    };
    if let Some(id) = id_text(request.user.buyeruid, text) {
        probe.ours(id);
    }
    if let Some(id) = id_text(request.user.id, text) {
        probe.theirs(Place::UserId, &case.exchange.id, id);
    }
    let ours = probe.eids(
        &eids::chosen(request.user.eids, &world.eids, &world.public_host),
        world,
        &case.exchange.id,
        text,
    );
    if let Some(ifa) = id_text(request.device.ifa, text) {
        probe.device(ifa);
    }
    keys.extend(ours);
    if keys.iter().any(|key| state.opted_out.contains(key.0)) {
        return Err(NoBid::OptedOut);
    }
    match (sight.names_anybody(), keys.is_empty()) {
        (false, _) => Err(NoBid::NoId),
        (true, true) => Err(NoBid::UnknownUser),
        (true, false) => Ok(permission),
    }
}
