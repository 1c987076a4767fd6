//! Third stage: permission first, then who is asked about, by every id the request carries.
//!
//! Never reads, hashes or looks up an id before the privacy signals allow it (architecture rule 1).

use super::Case;
use crate::base::hash::NS_IFA;
use crate::base::id::{MatchKey, UserKey, device_id};
use crate::base::limits::EID_PROBES_MAX;
use crate::model::outcome::NoBid;
use crate::openrtb::attributes::plain;
use crate::openrtb::json::{Text, trusted_eids};
use crate::privacy::permission::{Permission, Use};
use crate::privacy::signals::Signals;

/// Users the request may be about, the most trusted id first: ours, the exchange's, EIDs, the
/// device's; and what may be done. `text` is memory for unescaping.
pub fn identify(case: &Case<'_>, text: &mut String, keys: &mut Vec<UserKey>) -> Result<Permission, NoBid> {
    let (world, state, request) = (case.world, case.state, case.request);
    let permission = world.privacy.permit(&Signals::of_request(request));
    if !permission.allows(Use::Bid) {
        return Err(NoBid::Consent);
    }
    keys.clear();
    let mut named = false;
    if let Some(id) = id_text(request.user.buyeruid, text) {
        named = true;
        let key = world.hashes.user(id);
        keys.push(key);
        // A user who turned out to be another leads there.
        keys.extend(state.matched(MatchKey(key.0)));
    }
    let mut ours = None;
    let mut probe = |namespace: &str, id: Text<'_>, text: &mut String| {
        if let Some(id) = id_text(id, text) {
            named = true;
            keys.extend(state.matched(world.hashes.foreign(namespace, id)));
        }
    };
    probe(&case.exchange.id, request.user.id, text);
    for eid in trusted_eids(request.user.eids).take(EID_PROBES_MAX) {
        // An EID of a source that is named as such, else one that the exchange vouches for.
        if let Some(name) = plain(eid.source) {
            if name == world.public_host {
                ours = ours.or(id_text(eid.id, text).map(|id| world.hashes.user(id)));
            }
            probe(name, eid.id, text);
        }
        probe(&case.exchange.id, eid.id, text);
    }
    if let Some(ifa) = id_text(request.device.ifa, text).and_then(device_id) {
        named = true;
        keys.extend(state.matched(world.hashes.foreign(NS_IFA, &ifa)));
    }
    keys.extend(ours);
    if keys.iter().any(|key| state.opted_out.contains(key.0)) {
        return Err(NoBid::OptedOut);
    }
    match (named, keys.is_empty()) {
        (false, _) => Err(NoBid::NoId),
        (true, true) => Err(NoBid::UnknownUser),
        (true, false) => Ok(permission),
    }
}

/// The bytes of an id, unescaped; none where it is empty.
fn id_text<'s>(id: Text<'s>, memory: &'s mut String) -> Option<&'s [u8]> {
    Some(id.unescape(memory).as_bytes()).filter(|id| !id.is_empty())
}
