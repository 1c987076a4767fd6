//! Who a request is about, as explain tells it: where it carries ids, what each led to and how old that match is, and
//! what forbade to look.
//!
//! Never tells an id. When a match was made is kept on the disk alone, which is read for it.

use serde_json::{Value, json};

use crate::base::time::{Millis, Secs};
use crate::model::matched::Matched;
use crate::model::outcome::Outcome;
use crate::model::rows::{Table, pair};
use crate::server::engine::Engine;
use crate::state::sight::{Led, Place, Sight};
use crate::track::fold::Disk;

/// `{"result", "sentence", "forbidden_by", "ids": [{"field", "led_to", "sentence", "matched_at", "age_s"}]}`; null where
/// the request did not get so far.
pub(super) fn told(engine: &Engine, sight: &Sight, outcome: Outcome) -> Value {
    let Some(recognition) = sight.recognition(outcome.why_not()) else {
        return Value::Null;
    };
    let now = Millis::wall_clock().to_secs();
    let ground = sight
        .ground
        .map(|ground| json!({"signal": ground.label(), "sentence": ground.sentence()}));
    let ids: Vec<Value> = Place::all().filter_map(|place| id(engine, sight, place, now)).collect();
    json!({
        "result": recognition.label(),
        "sentence": recognition.sentence(),
        "forbidden_by": ground,
        "ids": ids,
    })
}

fn id(engine: &Engine, sight: &Sight, place: Place, now: Secs) -> Option<Value> {
    let (word, sentence) = match (sight.led(place), place) {
        (Led::Absent, _) => return None,
        (Led::Nobody, _) => ("nobody", "a macro that was not replaced, zeros, too long, or a word for nobody"),
        (Led::Unknown, Place::BuyerUid) => ("unknown", "no user of ours has this id, or has it any more"),
        (Led::Unknown, Place::UserId) => ("unknown", "the exchange's id has not been matched: see its `sync`"),
        (Led::Unknown, _) => ("unknown", "no shop has told this id, and no sync has matched it"),
        (Led::Known, _) => ("matched", "leads to a user of ours"),
    };
    let at = since(engine, sight, place);
    Some(json!({
        "field": field(sight, place),
        "led_to": word,
        "sentence": sentence,
        "matched_at": at.map(|at| at.to_millis().to_rfc3339()),
        "age_s": at.map(|at| now.since(at)),
    }))
}

/// When a browser last brought both ids together; none of ours, and of ids that a shop told.
fn since(engine: &Engine, sight: &Sight, place: Place) -> Option<Secs> {
    let key = sight.key(place)?;
    let user = engine.state.matched(key)?;
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
