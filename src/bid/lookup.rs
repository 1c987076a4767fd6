//! Fourth stage: the record of the first id that leads to one, copied into scratch.
//!
//! The hold bucket is copied before the record, so that an impression arriving in between refuses the
//! commit rather than going uncounted. No guard leaves this stage.

use super::{Case, Known};
use crate::base::id::UserKey;
use crate::model::outcome::NoBid;

/// Fills `known` for the first of `keys` that has events.
pub fn lookup(case: &Case<'_>, keys: &[UserKey], known: &mut Known) -> Result<(), NoBid> {
    for key in keys {
        known.holds = case.state.cap_holds.view(*key, case.ask.now);
        let Known {
            profile,
            exposures,
            memory,
            ..
        } = &mut *known;
        if case.state.recall(*key, profile, exposures, memory) {
            known.key = *key;
            return Ok(());
        }
    }
    Err(NoBid::UnknownUser)
}
