//! Every native request of the corpus in the form it came in: answered, or refused for a reason that is
//! there to be seen; answers against the schema of Native 1.0 and the rules of 1.2.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Stage, bid};
use crate::corpus::corpus;
use crate::figures::Figures;
use crate::responses::{read_schema, schema_26, validator};
use crate::rig::fill;

/// Data that no product feed has: rating, likes, downloads, phone, address.
const NOT_OURS: [i64; 5] = [3, 4, 5, 8, 9];

#[derive(serde::Deserialize)]
struct Line {
    source: String,
    kind: String,
    wrapped_in_native_key: bool,
    was_json_in_string: bool,
    native: Value,
}

impl Line {
    /// `imp.native.request` as it came.
    fn request(&self) -> Value {
        let root = match self.wrapped_in_native_key {
            true => json!({"native": self.native}),
            false => self.native.clone(),
        };
        match self.was_json_in_string {
            true => json!(root.to_string()),
            false => root,
        }
    }

    fn assets(&self) -> Vec<&Value> {
        self.native["assets"].as_array().into_iter().flatten().collect()
    }

    /// Whether something required cannot be had of a feed, or nothing can.
    fn asks_too_much(&self) -> bool {
        let required = |asset: &&&Value| asset["required"] == 1 || asset["required"] == true;
        let assets = self.assets();
        !assets.iter().any(|asset| can_be_had(asset)) || assets.iter().filter(required).any(|asset| !can_be_had(asset))
    }
}

/// Whether a feed has what an asset is filled with, and the asset an id to answer by.
fn can_be_had(asset: &Value) -> bool {
    let kind = asset["data"]["type"].as_i64();
    let of_feed = |kind: i64| (1..=12).contains(&kind) && kind != 10 && !NOT_OURS.contains(&kind);
    let has_kind = match kind {
        Some(kind) => of_feed(kind),
        None => asset["title"].is_object() || (asset["img"].is_object() && takes_jpeg(&asset["img"])),
    };
    asset["id"].is_number() && has_kind
}

fn takes_jpeg(img: &Value) -> bool {
    let Some(mimes) = img["mimes"].as_array().filter(|mimes| !mimes.is_empty()) else {
        return true;
    };
    mimes.iter().any(|mime| mime == "image/jpeg" || mime == "image/jpg")
}

#[test]
fn requests_of_others_are_answered_or_refused_for_a_reason() {
    let Some(folder) = corpus() else { return };
    let text = fs::read_to_string(folder.join("native.ndjson")).expect("native.ndjson");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Line>(line).expect("a line of the corpus"));
    let lines: Vec<Line> = lines.filter(|line| line.kind == "request").collect();
    let schemas = [schema_26(&folder), native_10(&folder)];
    let mut stage = Stage::new(&json!({"id": "n", "format": "native"}));
    let (mut answered, mut refused, mut invalid, mut forms) = (0, BTreeMap::new(), Vec::new(), BTreeMap::new());
    for line in &lines {
        match stage.ask(json!({"native": {"request": line.request(), "ver": "1.2"}})) {
            Ok(answer) => {
                answered += 1;
                *forms.entry((line.wrapped_in_native_key, line.was_json_in_string)).or_insert(0) += 1;
                let faults = faults(line, &answer, &schemas);
                invalid.extend(faults.into_iter().map(|fault| format!("{}: {fault}", line.source)));
            }
            Err(why) => {
                *refused.entry(why).or_insert(0) += 1;
                if !line.asks_too_much() {
                    invalid.push(format!("{}: {why}, and nothing stands in the way: {}", line.source, line.native));
                }
            }
        }
    }
    println!(
        "answered by (wrapped, text): {forms:?}; refused: {refused:?}\n{}",
        invalid.join("\n")
    );
    let mut figures = Figures::new();
    figures.exactly(
        "native.answered_or_refused",
        answered + refused.values().sum::<usize>(),
        lines.len(),
    );
    figures.at_least("native.answered", answered, 100);
    figures.at_least("native.forms", forms.len(), 4);
    figures.exactly("native.invalid", invalid.len(), 0);
    figures.settle();
}

/// The schema of Native 1.0, with the definition it forgot.
fn native_10(corpus: &Path) -> jsonschema::Validator {
    let mut schema = read_schema(&corpus.join("schemas/native-1.0/native-schema_response_v1-0.json"));
    schema["definitions"]["boolean_int"] = json!({"enum": [0, 1]});
    validator(&schema)
}

/// What is wrong with an answer to a request.
fn faults(line: &Line, answer: &Value, [of_bid, of_native]: &[jsonschema::Validator; 2]) -> Vec<String> {
    // Macros are the exchange's to fill; what it then calls must be an address.
    let filled: Value = serde_json::from_str(&fill(&answer.to_string(), "1.5")).expect("JSON as before");
    let mut faults: Vec<String> = of_bid
        .iter_errors(&filled)
        .map(|e| format!("2.6 {}: {e}", e.instance_path()))
        .collect();
    let bid = bid(answer);
    if bid["mtype"] != 4 || !bid["w"].is_null() {
        faults.push(format!("mtype {} w {}", bid["mtype"], bid["w"]));
    }
    let Ok(root) = serde_json::from_str::<Value>(bid["adm"].as_str().unwrap_or_default()) else {
        return vec!["adm is no JSON".to_owned()];
    };
    if root["native"].is_object() != line.wrapped_in_native_key {
        faults.push("the root is of another form".to_owned());
    }
    let ad = if line.wrapped_in_native_key { &root["native"] } else { &root };
    let mut older = json!({"native": ad});
    // A number in 1.0, a text since.
    older["native"].as_object_mut().expect("an object").remove("ver");
    faults.extend(of_native.iter_errors(&older).map(|e| format!("1.0 {}: {e}", e.instance_path())));
    let version = &line.native["ver"];
    if *version != ad["ver"] && (ad["ver"] != Value::Null || *version == "1.2" || *version == "1.1") {
        faults.push(format!("ver {version} answered by {}", ad["ver"]));
    }
    faults.extend(assets(line, ad).into_iter().chain(trackers(line, ad)));
    faults
}

/// Ids, kinds, lengths; nothing required is missing, nothing is there that was not asked for.
fn assets(line: &Line, ad: &Value) -> Vec<String> {
    let (asked, mut faults) = (line.assets(), Vec::new());
    let given: Vec<&Value> = ad["assets"].as_array().into_iter().flatten().collect();
    if given.is_empty() {
        faults.push("no assets".to_owned());
    }
    for asset in asked.iter().filter(|asset| asset["required"] == 1 || asset["required"] == true) {
        if !given.iter().any(|other| other["id"] == asset["id"]) {
            faults.push(format!("required asset {} is missing", asset["id"]));
        }
    }
    for asset in &given {
        let of_id = || asked.iter().filter(|other| other["id"] == asset["id"]);
        let kind = ["title", "img", "data", "video"]
            .into_iter()
            .find(|kind| asset[*kind].is_object())
            .unwrap_or("?");
        let Some(other) = of_id().find(|other| other[kind].is_object()) else {
            faults.push(format!("{asset} was not asked for"));
            continue;
        };
        let text = asset[kind]["text"].as_str().or(asset[kind]["value"].as_str());
        let len = other[kind]["len"].as_u64().filter(|len| *len > 0).unwrap_or(u64::MAX);
        if text.is_some_and(|text| text.is_empty() || text.chars().count() as u64 > len) {
            faults.push(format!("{asset} is not within {len}"));
        }
        if kind == "img" && !asset["img"]["url"].as_str().is_some_and(|url| url.starts_with("https://")) {
            faults.push(format!("{asset} has no secure picture"));
        }
    }
    faults
}

/// The impression is told in a way that the request offers, or in the old way where it offers none.
fn trackers(line: &Line, ad: &Value) -> Vec<String> {
    let offered = |event: &Value, method: &Value| {
        let trackers = line.native["eventtrackers"].as_array().into_iter().flatten();
        trackers
            .filter(|tracker| tracker["event"] == *event)
            .any(|tracker| tracker["methods"].as_array().is_some_and(|methods| methods.contains(method)))
    };
    let mut faults = Vec::new();
    let given: Vec<&Value> = ad["eventtrackers"].as_array().into_iter().flatten().collect();
    for tracker in &given {
        if !offered(&tracker["event"], &tracker["method"]) {
            faults.push(format!("{tracker} was not offered"));
        }
    }
    let calls = |value: &Value| value.to_string().contains("https://ads.example/imp/");
    if calls(&ad["eventtrackers"]) == calls(&ad["imptrackers"]) {
        faults.push("the impression is told twice, or never".to_owned());
    }
    if !ad["link"]["url"]
        .as_str()
        .unwrap_or_default()
        .starts_with("https://ads.example/click/")
    {
        faults.push(format!("link is {}", ad["link"]));
    }
    let asks_privacy = line.native["privacy"] == 1 || line.native["privacy"] == true;
    if (ad["privacy"] == "https://house.example/choices") != asks_privacy {
        faults.push(format!("privacy is {}", ad["privacy"]));
    }
    faults
}

/// What judges the answers notices what is wrong with one.
#[test]
fn slips_are_noticed() {
    let line = Line {
        source: "here".to_owned(),
        kind: "request".to_owned(),
        wrapped_in_native_key: false,
        was_json_in_string: false,
        native: json!({"ver": "1.2", "eventtrackers": [{"event": 1, "methods": [1]}],
            "assets": [{"id": 1, "required": 1, "title": {"len": 25}}, {"id": 2, "required": 1, "img": {"type": 3}}]}),
    };
    let answer = Stage::new(&json!({"id": "n", "format": "native"}))
        .ask(json!({"native": {"request": line.request()}}))
        .expect("a bid");
    let sound: Value = serde_json::from_str(bid(&answer)["adm"].as_str().expect("adm")).expect("a native ad");
    let look = |change: &dyn Fn(&mut Value)| {
        let mut ad = sound.clone();
        change(&mut ad);
        assets(&line, &ad).len() + trackers(&line, &ad).len()
    };
    assert_eq!(look(&|_| ()), 0, "{sound}");
    let slips: [&dyn Fn(&mut Value); 6] = [
        &|ad| ad["assets"] = json!([]),
        &|ad| ad["assets"][0]["title"]["text"] = json!("x".repeat(26)),
        &|ad| ad["assets"][0]["id"] = json!(7),
        &|ad| ad["eventtrackers"][0]["method"] = json!(2),
        &|ad| ad["imptrackers"] = json!(["https://ads.example/imp/1"]),
        &|ad| ad["link"]["url"] = json!("https://acme.example"),
    ];
    for slip in slips {
        assert!(look(slip) > 0);
    }
}
