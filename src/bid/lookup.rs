//! Fourth stage: the record of the first id that leads to one, copied into scratch.
//!
//! The hold bucket is copied before the record, so that an impression arriving in between refuses the
//! commit rather than going uncounted. No guard leaves this stage.

use super::{Case, Known};
use crate::base::id::UserKey;
use crate::model::exposure;
use crate::model::outcome::NoBid;

/// Fills `known` for the first of `keys` that has events.
pub fn lookup(case: &Case<'_>, keys: &[UserKey], known: &mut Known) -> Result<(), NoBid> {
    for key in keys {
        known.holds = case.state.cap_holds.view(*key, case.ask.now);
        let found = case.state.users.read(key.0, |record| known.profile.read(record));
        if found.is_none() || known.profile.sections.is_empty() {
            continue;
        }
        known.key = *key;
        if case
            .state
            .exposures
            .read(key.0, |entries| exposure::read(entries, &mut known.exposures))
            .is_none()
        {
            known.exposures.clear();
        }
        return Ok(());
    }
    Err(NoBid::UnknownUser)
}
