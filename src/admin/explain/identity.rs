//! Who a request is about, as explain tells it: where it carries ids and what each led to, and what forbade to look.
//!
//! Never tells an id.

use serde_json::{Value, json};

use crate::model::outcome::Outcome;
use crate::state::sight::{Led, Place, Sight};

/// `{"result", "sentence", "forbidden_by", "ids": [{"field", "led_to", "sentence"}]}`; null where the request did not
/// get so far.
pub(super) fn told(sight: &Sight, outcome: Outcome) -> Value {
    let Some(recognition) = sight.recognition(outcome.why_not()) else {
        return Value::Null;
    };
    let ground = sight
        .ground
        .map(|ground| json!({"signal": ground.label(), "sentence": ground.sentence()}));
    let ids: Vec<Value> = Place::all().filter_map(|place| id(place, sight.led(place))).collect();
    json!({
        "result": recognition.label(),
        "sentence": recognition.sentence(),
        "forbidden_by": ground,
        "ids": ids,
    })
}

fn id(place: Place, led: Led) -> Option<Value> {
    let (word, sentence) = match (led, place) {
        (Led::Absent, _) => return None,
        (Led::Nobody, _) => ("nobody", "a macro that was not replaced, zeros, too long, or a word for nobody"),
        (Led::Unknown, Place::BuyerUid) => ("unknown", "no user of ours has this id, or has it any more"),
        (Led::Unknown, Place::UserId) => ("unknown", "the exchange's id has not been matched: see its `sync`"),
        (Led::Unknown, _) => ("unknown", "no shop has told this id, and no sync has matched it"),
        (Led::Known, _) => ("matched", "leads to a user of ours"),
    };
    Some(json!({"field": field(place), "led_to": word, "sentence": sentence}))
}

fn field(place: Place) -> String {
    match place {
        Place::BuyerUid => "user.buyeruid".to_owned(),
        Place::UserId => "user.id".to_owned(),
        Place::Eid(n) => format!("user.eids, id no. {}", n + 1),
        Place::Ifa => "device.ifa".to_owned(),
    }
}
