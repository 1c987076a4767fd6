//! Scenarios as data: what is given, what is asked, what must come of it (`tests/golden/scenarios`),
//! over the very decision the server runs, on virtual time.
//!
//! A scenario is `{"name", "like", "given", "when", "look_for", "then"}`; `like` names another of its
//! file of which it is a patch. `UPDATE_GOLDEN=1` writes every `then` anew and leaves the rest as
//! people wrote it. Short forms are in `given.rs`, steps in `play.rs`.

pub mod given;
mod keys;
pub mod play;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use winback::bid::{Ask, Scratch};
use winback::model::outcome::{NoBid, Outcome};

use crate::bench_rig::Rig;
use crate::figures::Figures;

const SCENARIOS_MIN: usize = 750;
const BIDS_MIN: usize = 500;
const NO_BIDS_MIN: usize = 200;
const REASONS_MIN: usize = 28;

/// Reasons that no scenario ends in: the test that does, or the issue that brings them.
const ELSEWHERE: [(NoBid, &str); 4] = [
    (NoBid::Overloaded, "tests/all/doors.rs: an exchange beyond its rate"),
    (NoBid::Pacing, "issue \"Memory and money that survive anything\""),
    (NoBid::Contended, "src/state/holds.rs: takes two threads"),
    (NoBid::TooLarge, "below: takes a body of 256 KiB"),
];

/// Scenarios whose `then` is right and does not come out, and what is missing.
const KNOWN_GAPS: [(&str, &str); 0] = [];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'t> {
    name: String,
    like: Option<String>,
    #[serde(borrow)]
    given: Option<&'t RawValue>,
    #[serde(borrow)]
    when: Option<&'t RawValue>,
    #[serde(default)]
    look_for: Vec<Value>,
    #[serde(default)]
    then: Value,
}

/// A scenario made whole, and what came of it.
struct Played {
    name: String,
    like: Option<String>,
    then: Value,
    came: Value,
    given: Value,
    when: Value,
    look_for: Vec<Value>,
}

impl Played {
    fn reasons(&self) -> BTreeSet<&str> {
        outcomes(&self.came).filter_map(|outcome| outcome["no_bid"].as_str()).collect()
    }

    fn bids(&self) -> bool {
        outcomes(&self.came).any(|outcome| outcome["bids"].is_array())
    }
}

fn outcomes(came: &Value) -> impl Iterator<Item = &Value> {
    came.as_array().map_or(std::slice::from_ref(came), Vec::as_slice).iter()
}

#[test]
fn scenarios() {
    let mut played = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).expect("a scenario file");
        let written: Vec<Written<'_>> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut of_file = play_all(&written);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            for played in of_file.iter_mut().filter(|played| gap(&played.name).is_none()) {
                played.then = played.came.clone();
            }
            fs::write(&path, rewritten(&written, &of_file)).expect("a scenario file is written");
        }
        played.extend(of_file);
    }
    let counts = counted(&played);
    println!("{} scenarios: {counts:?}", played.len());
    for (name, what) in KNOWN_GAPS {
        println!("known gap: {name}: {what}");
    }
    let wrong: Vec<String> = played.iter().filter_map(fault).collect();
    let missing = uncovered(&played);
    println!("{}\nno scenario, or none near it that bids: {missing:?}", wrong.join("\n"));
    let bids = counts.get("bid").copied().unwrap_or(0);
    let no_bids = counts.values().sum::<usize>() - bids;
    let mut figures = Figures::new();
    figures.at_least("scenarios.played", played.len(), SCENARIOS_MIN);
    figures.at_least("scenarios.bids", bids, BIDS_MIN);
    figures.at_least("scenarios.no_bids", no_bids, NO_BIDS_MIN);
    figures.exactly("scenarios.wrong", wrong.len(), 0);
    figures.at_least("scenarios.reasons", NoBid::ALL.len() - ELSEWHERE.len() - missing.len(), REASONS_MIN);
    figures.exactly("scenarios.reasons_without_a_case", missing.len(), 0);
    figures.settle();
}

#[test]
fn every_key_of_the_config_is_felt() {
    let mut played = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).expect("a scenario file");
        played.extend(play_all(&serde_json::from_str::<Vec<Written<'_>>>(&text).expect("scenarios")));
    }
    keys::judge(&played);
}

/// Every scenario's name, and what came of it.
pub fn played() -> impl Iterator<Item = (String, Value)> {
    files()
        .into_iter()
        .flat_map(|path| {
            let text = fs::read_to_string(&path).expect("a scenario file");
            play_all(&serde_json::from_str::<Vec<Written<'_>>>(&text).expect("scenarios"))
        })
        .map(|played| (played.name, played.came))
}

/// Plays every scenario while somebody watches, who is told its name.
pub fn watch(mut watch: impl FnMut(&str, &Rig, &Ask<'_>, Outcome, &Scratch)) {
    for path in files() {
        let text = fs::read_to_string(&path).expect("a scenario file");
        let written: Vec<Written<'_>> = serde_json::from_str(&text).expect("scenarios");
        for (scenario, (given, when)) in written.iter().zip(whole(&written)) {
            let mut watch = |rig: &Rig, ask: &Ask<'_>, outcome, scratch: &Scratch| watch(&scenario.name, rig, ask, outcome, scratch);
            play::watched(&given, &given::config(&given), &when, &[], Some(&mut watch));
        }
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the scenarios' folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// What scenarios are given and when, with what those have that they are like.
fn whole(written: &[Written<'_>]) -> Vec<(Value, Value)> {
    let mut known: BTreeMap<&str, (Value, Value)> = BTreeMap::new();
    let mut all = Vec::new();
    for scenario in written {
        let value = |raw: Option<&RawValue>| raw.map(|raw| serde_json::from_str::<Value>(raw.get()).expect("JSON within JSON"));
        let like = scenario.like.as_deref();
        let base = like.map(|name| known.get(name).unwrap_or_else(|| panic!("no `{name}` above `{}`", scenario.name)));
        let (mut given, mut when) = base.cloned().unwrap_or((Value::Null, Value::Null));
        for (into, patch) in [(&mut given, value(scenario.given)), (&mut when, value(scenario.when))] {
            if let Some(patch) = patch {
                lay(into, patch);
            }
        }
        let before = known.insert(&scenario.name, (given.clone(), when.clone()));
        assert!(before.is_none(), "two scenarios `{}`", scenario.name);
        all.push((given, when));
    }
    all
}

fn play_all(written: &[Written<'_>]) -> Vec<Played> {
    let play = |(scenario, (given, when)): (&Written<'_>, (Value, Value))| Played {
        name: scenario.name.clone(),
        like: scenario.like.clone(),
        then: scenario.then.clone(),
        came: played_with(&given, &given::config(&given), &when, &scenario.look_for),
        given,
        when,
        look_for: scenario.look_for.clone(),
    };
    written.iter().zip(whole(written)).map(play).collect()
}

/// Plays a scenario over a config; a panic, such as at config that is refused, is an outcome too.
fn played_with(given: &Value, config: &given::Config, when: &Value, look_for: &[Value]) -> Value {
    let came = catch_unwind(AssertUnwindSafe(|| play::play(given, config, when, look_for)));
    came.unwrap_or_else(|panic| json!({"panicked": panic.downcast_ref::<String>()}))
}

/// Lays a patch over another: as a merge, but that nulls stay, for they remove from a default later.
pub fn lay(under: &mut Value, patch: Value) {
    match (under, patch) {
        (Value::Object(under), Value::Object(patch)) => {
            for (key, value) in patch {
                lay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, patch) => *under = patch,
    }
}

/// Requests by what they ended in.
fn counted(played: &[Played]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for outcome in played.iter().flat_map(|played| outcomes(&played.came)) {
        if let Some(reason) = outcome["no_bid"].as_str() {
            *counts.entry(reason).or_default() += 1;
        } else if outcome["bids"].is_array() {
            *counts.entry("bid").or_default() += 1;
        }
    }
    counts
}

/// What is missing for a scenario to come out right, where that is known.
fn gap(scenario: &str) -> Option<&'static str> {
    KNOWN_GAPS.iter().find(|(name, _)| *name == scenario).map(|(_, what)| *what)
}

/// What is wrong with what came of a scenario: it is not as it must be, or a gap that is none.
fn fault(played: &Played) -> Option<String> {
    let is_gap = gap(&played.name).is_some();
    let is_right = played.came == played.then && played.came.get("panicked").is_none();
    match (is_gap, is_right) {
        (true, true) => Some(format!("{}: comes out right: take it off the known gaps", played.name)),
        (false, false) => Some(format!("{}:\n  must be {}\n  came    {}", played.name, played.then, played.came)),
        _ => None,
    }
}

/// Reasons without a scenario that ends in them, or without one near it that bids: in it, beside it
/// or one of which it is a patch.
fn uncovered(played: &[Played]) -> Vec<&'static str> {
    let covered = |reason: &NoBid| {
        let ends = played.iter().filter(|played| played.reasons().contains(reason.label()));
        ends.into_iter()
            .any(|ends| played.iter().any(|other| other.bids() && are_near(ends, other)))
    };
    let listed = |reason: &NoBid| ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == reason);
    let missing = NoBid::ALL.iter().filter(|reason| !listed(reason) && !covered(reason));
    missing.map(|reason| reason.label()).collect()
}

fn are_near(one: &Played, other: &Played) -> bool {
    let is_like = |a: &Played, b: &Played| a.like.as_ref() == Some(&b.name);
    one.name == other.name || is_like(one, other) || is_like(other, one) || (one.like.is_some() && one.like == other.like)
}

/// The file as it was written, but for every `then`.
fn rewritten(written: &[Written<'_>], played: &[Played]) -> String {
    let line = |(scenario, played): (&Written<'_>, &Played)| {
        let mut fields = vec![format!("\"name\": {}", Value::from(scenario.name.as_str()))];
        fields.extend(scenario.like.as_deref().map(|like| format!("\"like\": {}", Value::from(like))));
        fields.extend(scenario.given.map(|given| format!("\"given\": {given}")));
        fields.extend(scenario.when.map(|when| format!("\"when\": {when}")));
        if !scenario.look_for.is_empty() {
            fields.push(format!("\"look_for\": {}", Value::from(scenario.look_for.clone())));
        }
        fields.push(format!("\"then\": {}", played.then));
        format!("{{{}}}", fields.join(",\n "))
    };
    let lines: Vec<String> = written.iter().zip(played).map(line).collect();
    format!("[\n{}\n]\n", lines.join(",\n\n"))
}

#[test]
fn a_body_beyond_the_limit_is_too_large() {
    let padding = " ".repeat(winback::base::limits::BODY_BYTES_MAX);
    let body = given::request(&Value::Null).to_string();
    let config = given::config(&Value::Null);
    let came = |body: String| play::play(&Value::Null, &config, &Value::String(body), &[]);
    assert!(came(body.clone())["bids"].is_array());
    assert_eq!(came(body + &padding)["no_bid"], "too_large");
}
