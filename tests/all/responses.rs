//! Answers against the published schemas: OpenRTB 2.6, and strict 2.5 without what 2.6 added to it.
//!
//! Whatever a test's exchange gets from `/bid/` with 200 is checked on its way to the test (`rig.rs`), and whatever a
//! scenario is answered (`scenarios/play.rs`). Without the shared corpus there are no schemas: nothing is judged.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::corpus::corpus;
use crate::figures::Figures;
use crate::http::Answer;
use crate::rig::fill;
use crate::scenarios::played;

/// Members of a bid that 2.5 does not have yet.
const NEW_IN_26: [&str; 6] = ["mtype", "dur", "apis", "cattax", "slotinpod", "langb"];
/// Answers of scenarios at least.
const CHECKED_MIN: usize = 500;

static SCHEMAS: LazyLock<Option<[Validator; 2]>> = LazyLock::new(|| corpus().map(|folder| [schema_26(&folder), schema_25(&folder)]));
static CHECKED: AtomicUsize = AtomicUsize::new(0);

pub fn read_schema(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a schema")
}

pub fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).expect("a schema")
}

pub fn schema_26(corpus: &Path) -> Validator {
    let whole = read_schema(&corpus.join("schemas/openrtb-2.6/schema.json"));
    validator(&json!({"$schema": whole["$schema"], "$ref": "#/$defs/BidResponse", "$defs": whole["$defs"]}))
}

fn schema_25(corpus: &Path) -> Validator {
    validator(&read_schema(
        &corpus.join("schemas/openrtb-2.5/openrtb-schema_bid-response_v2-5.nbr-fixed.json"),
    ))
}

fn bids(answer: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let seats = answer["seatbid"].as_array_mut().into_iter().flatten();
    seats
        .flat_map(|seat| seat["bid"].as_array_mut().into_iter().flatten())
        .filter_map(Value::as_object_mut)
}

/// What either schema finds wrong with an answer. Macros are the exchange's to fill; what it then calls must
/// be a URL.
pub fn faults(answer: &str) -> Vec<String> {
    let Some(schemas) = &*SCHEMAS else { return Vec::new() };
    let Ok(answer) = serde_json::from_str::<Value>(&fill(answer, "1.5")) else {
        return vec!["not JSON".to_owned()];
    };
    CHECKED.fetch_add(1, Relaxed);
    let mut older = answer.clone();
    for bid in bids(&mut older) {
        // Of the taxonomies it knows Content 1.0 alone.
        if bid.get("cattax").is_some_and(|cattax| *cattax != 1) {
            bid.remove("cat");
        }
        // Of the documents it knows none after VAST 4.0 and DAAST.
        if bid.get("protocol").and_then(Value::as_u64).is_some_and(|protocol| protocol > 10) {
            bid.remove("protocol");
        }
        NEW_IN_26.iter().for_each(|name| drop(bid.remove(*name)));
    }
    let mut faults = Vec::new();
    for (version, schema, answer) in [("2.6", &schemas[0], &answer), ("2.5", &schemas[1], &older)] {
        faults.extend(
            schema
                .iter_errors(answer)
                .map(|error| format!("{version} {}: {error}", error.instance_path())),
        );
    }
    faults
}

/// Panics where either schema finds anything.
pub fn check(answer: &[u8]) {
    let answer = String::from_utf8_lossy(answer);
    let faults = faults(&answer);
    assert!(faults.is_empty(), "{faults:#?}\n{answer}");
}

/// Looks at what an exchange is answered.
pub fn look(path: &str, answer: &Answer) {
    let is_json = answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    if path.starts_with("/bid/") && answer.status == 200 && is_json && answer.header("content-encoding").is_none() {
        check(&answer.body);
    }
}

/// How many this process has checked.
pub fn checked() -> usize {
    CHECKED.load(Relaxed)
}

#[test]
fn every_answer_of_every_scenario_passes_both_schemas() {
    if SCHEMAS.is_none() {
        return;
    }
    // Each is checked as it is played, and a fault is a panic, which is an outcome.
    let invalid = played().filter(|(_, came)| came["panicked"].is_string());
    let invalid: Vec<String> = invalid.map(|(name, came)| format!("{name}: {came}")).collect();
    println!("{}", invalid.join("\n"));
    let checked = checked();
    let bid = json!({"id": "b", "impid": "1", "price": 1.5, "w": 300, "h": 250, "mtype": 1, "adomain": ["acme.example"]});
    let spoilt = [
        ("price", json!("1.5")),
        ("impid", Value::Null),
        ("adomain", json!("acme.example")),
        ("w", json!(1.5)),
    ];
    let caught = spoilt.iter().filter(|(name, value)| {
        let mut bid = bid.clone();
        bid[*name] = value.clone();
        let answer = |bid: &Value| json!({"id": "r", "cur": "USD", "seatbid": [{"bid": [bid]}]}).to_string();
        !faults(&answer(&bid)).is_empty()
    });
    let mut figures = Figures::new();
    figures.at_least("responses.checked", checked, CHECKED_MIN);
    figures.exactly("responses.invalid", invalid.len(), 0);
    figures.exactly("responses.planted_caught", caught.count(), spoilt.len());
    figures.settle();
}
