//! Who a request is about, as explain tells it: where it carries ids, what each led to and how old that match is, and
//! what forbade to look.
//!
//! Never tells an id. When a match was made is kept on the disk alone, which is read for it.

use serde::Serialize;

use super::Ground;
use crate::base::id::{MatchKey, UserKey};
use crate::base::time::Secs;
use crate::model::matched::Matched;
use crate::model::outcome::Outcome;
use crate::model::rows::{Table, pair};
use crate::server::engine::Engine;
use crate::state::sight::{Led, Place, Sight};
use crate::track::fold::Disk;

/// What the ids of a request came to.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Identity {
    /// The word that `winback_match_total` counts.
    pub(super) result: &'static str,
    /// The same for people.
    pub(super) sentence: &'static str,
    /// What forbade to look, where something did.
    pub(super) forbidden_by: Option<Forbidden>,
    /// Where the request carries ids.
    pub(super) ids: Vec<Id>,
}

/// A privacy signal that forbade to look.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ForbiddenBy)]
pub struct Forbidden {
    /// Its name.
    pub(super) signal: &'static str,
    /// The same for people.
    pub(super) sentence: &'static str,
}

/// A place where a request carries an id.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ExplainedId)]
pub struct Id {
    /// Such as `user.buyeruid`.
    pub(super) field: String,
    /// nobody, unknown or matched.
    pub(super) led_to: &'static str,
    /// The same for people.
    pub(super) sentence: &'static str,
    /// When a browser last brought both ids together; null for ours, and for ids that a shop told.
    pub(super) matched_at: Option<String>,
    /// Seconds since then.
    pub(super) age_s: Option<u32>,
}

/// None where the request did not get so far.
pub(super) fn told(ground: &Ground<'_>, sight: &Sight, outcome: Outcome, now: Secs) -> Option<Identity> {
    let recognition = sight.recognition(outcome.why_not())?;
    Some(Identity {
        result: recognition.label(),
        sentence: recognition.sentence(),
        forbidden_by: sight.ground.map(|ground| Forbidden {
            signal: ground.label(),
            sentence: ground.sentence(),
        }),
        ids: Place::all().filter_map(|place| id(ground, sight, place, now)).collect(),
    })
}

fn id(ground: &Ground<'_>, sight: &Sight, place: Place, now: Secs) -> Option<Id> {
    let (led_to, sentence) = match (sight.led(place), place) {
        (Led::Absent, _) => return None,
        (Led::Nobody, _) => ("nobody", "a macro that was not replaced, zeros, too long, or a word for nobody"),
        (Led::Unknown, Place::BuyerUid) => ("unknown", "no user of ours has this id, or has it any more"),
        (Led::Unknown, Place::UserId) => ("unknown", "the exchange's id has not been matched: see its `sync`"),
        (Led::Unknown, _) => ("unknown", "no shop has told this id, and no sync has matched it"),
        (Led::Known, _) => ("matched", "leads to a user of ours"),
    };
    let since = |key: MatchKey| (ground.since)(ground.state.matched(key)?, key);
    let at = sight.key(place).and_then(since);
    Some(Id {
        field: field(sight, place),
        led_to,
        sentence,
        matched_at: at.map(|at| at.to_millis().to_rfc3339()),
        age_s: at.map(|at| now.since(at)),
    })
}

/// When a match was made, of those that browsers bring.
pub(super) fn since(engine: &Engine, user: UserKey, key: MatchKey) -> Option<Secs> {
    let row = engine.store.get(Table::UserMatches, &pair(user.0, key.0)).ok()??;
    Matched::read(&String::from_utf8_lossy(&row)).at
}

fn field(sight: &Sight, place: Place) -> String {
    match place {
        Place::BuyerUid => "user.buyeruid".to_owned(),
        Place::UserId => "user.id".to_owned(),
        Place::Eid(n) => format!("user.eids, id no. {}", sight.number(n)),
        Place::Ifa => "device.ifa".to_owned(),
    }
}
