//! JSON Schema (draft 2020-12) of config files, printed from the tables that files are held against.
//!
//! For editors and other tools. A schema lets more through than a check does, never less: it knows no
//! other file, no rate, no calendar, and of numbers written as text only that they are numbers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::reader::KEYS_ANYWHERE;
use super::shape::form::Form;
use super::shape::{Given, Key, Kind, Rule, SIDE_MAX, Shape, advertiser::ADVERTISER, server::SERVER, walk};
use crate::base::money::Ratio;
use crate::model::event::EventKind;

/// A number as text, as amounts are read.
const DECIMAL: &str = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$";
/// The same, not below zero.
const DECIMAL_NOT_NEGATIVE: &str = r"^\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$";
/// A duration above zero.
const DURATION: &str = "^0*[1-9][0-9]*[smhd]$";
/// A size as text.
const SIZE: &str = "^0*[1-9][0-9]*x0*[1-9][0-9]*$";
/// A custom event.
const CUSTOM: &str = "^custom:.{1,64}$";

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum File {
    /// `winback.json`
    Server,
    /// A file of the folder `advertisers`
    Advertiser,
}

impl File {
    fn shape(self) -> &'static Shape {
        match self {
            File::Server => &SERVER,
            File::Advertiser => &ADVERTISER,
        }
    }
}

/// Every key of a file, as its path: `campaigns[].bid.max_cpm`; `*` stands for a name of the user's
/// choice.
pub fn keys(file: File) -> Vec<String> {
    let mut found = Vec::new();
    walk(&Kind::Object(file.shape()), "", &mut |path, _| found.push(path.to_owned()));
    found
}

/// The schema of a file, indented.
pub fn schema(file: File) -> String {
    let shape = file.shape();
    let mut defs = BTreeMap::new();
    let mut root = Map::new();
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".into(), json!(format!("winback {}", shape.name)));
    root.extend(object(shape, &mut defs));
    root.insert("$defs".into(), defs.into_iter().collect::<Map<_, _>>().into());
    let mut text = format!("{:#}", Value::Object(root));
    text.push('\n');
    text
}

type Defs = BTreeMap<String, Value>;

/// What is said of a kind where it is used; what is said in several places goes into `defs`.
fn of(kind: &Kind, defs: &mut Defs) -> Value {
    match kind {
        Kind::Text(form) => {
            defs.entry(form.name.into()).or_insert_with(|| text(form));
            reference(form.name)
        }
        Kind::Words(words) => json!({"enum": words}),
        Kind::Event => event(),
        Kind::Literals(known) => json!({"enum": known.raws.iter().map(|raw| plain(raw)).collect::<Vec<_>>()}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Integer(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::Count(most) => json!({"type": "integer", "minimum": 0, "maximum": most}),
        Kind::Money => {
            defs.entry("amount".into()).or_insert_with(amount);
            reference("amount")
        }
        Kind::Ratio(least, most) => ratio(*least, *most),
        Kind::Span(..) => {
            let duration = || {
                json!({
                    "description": "A duration: digits and one of `s`, `m`, `h`, `d`.",
                    "type": "string", "pattern": DURATION, "examples": ["15m", "30d"],
                })
            };
            defs.entry("duration".into()).or_insert_with(duration);
            reference("duration")
        }
        Kind::Size => {
            defs.entry("size".into()).or_insert_with(size);
            reference("size")
        }
        Kind::List(item) => json!({"type": "array", "items": of(item, defs)}),
        Kind::Several(several) => json!({"type": "array", "minItems": 1, "items": of(&several.item, defs)}),
        Kind::Either(kinds) => json!({"anyOf": kinds.iter().map(|kind| of(kind, defs)).collect::<Vec<_>>()}),
        Kind::Object(shape) => {
            if !defs.contains_key(shape.name) {
                // Held open, so that a shape within itself would not go round for ever.
                defs.insert(shape.name.into(), Value::Null);
                let whole = object(shape, defs);
                defs.insert(shape.name.into(), whole.into());
            }
            reference(shape.name)
        }
        Kind::Map(keys, value) => json!({
            "type": "object",
            "properties": anywhere(),
            "propertyNames": {"anyOf": [{"enum": KEYS_ANYWHERE}, text(keys)]},
            "additionalProperties": of(value, defs),
        }),
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// A table's JSON text as a value; the tests read every one.
fn plain(raw: &str) -> Value {
    serde_json::from_str(raw).unwrap_or_default()
}

fn text(form: &Form) -> Value {
    let mut said = json!({"type": "string"});
    if !form.pattern.is_empty() {
        said["pattern"] = json!(form.pattern);
    }
    if !form.remedy.is_empty() {
        said["description"] = json!(form.remedy);
        said["examples"] = json!(form.examples);
    }
    said
}

fn event() -> Value {
    let kinds = EventKind::ALL.iter().filter(|kind| **kind != EventKind::Custom);
    let standard = json!({"enum": kinds.map(|kind| kind.label()).collect::<Vec<_>>()});
    json!({"anyOf": [standard, {"type": "string", "pattern": CUSTOM}]})
}

fn amount() -> Value {
    json!({
        "description": "An amount above zero, to nine decimals, as a number or as text.",
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "string", "pattern": DECIMAL_NOT_NEGATIVE},
        ],
    })
}

fn ratio(least: Ratio, most: Ratio) -> Value {
    let pattern = if least < Ratio(0) { DECIMAL } else { DECIMAL_NOT_NEGATIVE };
    json!({"anyOf": [
        {"type": "number", "minimum": plain(&least.to_string()), "maximum": plain(&most.to_string())},
        {"type": "string", "pattern": pattern},
    ]})
}

fn size() -> Value {
    let side = json!({"type": "integer", "minimum": 1, "maximum": SIDE_MAX});
    json!({
        "description": "Width and height in device-independent pixels.",
        "examples": [[300, 250], "300x250"],
        "anyOf": [
            {"type": "array", "prefixItems": [side, side], "minItems": 2, "maxItems": 2},
            {"type": "string", "pattern": SIZE},
        ],
    })
}

/// Keys that any object may have.
fn anywhere() -> Map<String, Value> {
    KEYS_ANYWHERE.iter().map(|key| ((*key).to_owned(), json!(true))).collect()
}

fn object(shape: &'static Shape, defs: &mut Defs) -> Map<String, Value> {
    let mut properties = anywhere();
    for key in shape.keys() {
        properties.insert(key.name.into(), property(key, defs));
    }
    let required: Vec<&str> = shape.keys().filter(|key| key.given == Given::Must).map(|key| key.name).collect();
    let mut said = Map::new();
    said.insert("description".into(), json!(shape.help));
    said.insert("type".into(), json!("object"));
    said.insert("properties".into(), properties.into());
    said.insert("additionalProperties".into(), json!(false));
    if !required.is_empty() {
        said.insert("required".into(), json!(required));
    }
    let rules: Vec<Value> = shape.rules().map(rule).collect();
    if !rules.is_empty() {
        said.insert("allOf".into(), rules.into());
    }
    said
}

/// A key; one that need not be given may be `null` as well.
fn property(key: &Key, defs: &mut Defs) -> Value {
    let value = of(&key.kind, defs);
    let mut said = match key.given {
        Given::Must => value,
        _ => json!({"anyOf": [value, {"type": "null"}]}),
    };
    said["description"] = json!(key.help);
    if let Given::Or(default) = key.given {
        said["default"] = plain(default);
    }
    said
}

/// That a key is given: there, and not `null`.
fn given(key: &str) -> Value {
    json!({"required": [key], "properties": {key: {"not": {"type": "null"}}}})
}

fn absent(key: &str) -> Value {
    json!({"properties": {key: {"type": "null"}}})
}

fn rule(rule: &Rule) -> Value {
    let all = |keys: &[&str], say: fn(&str) -> Value| json!({"allOf": keys.iter().map(|key| say(key)).collect::<Vec<_>>()});
    match rule {
        Rule::AnyOf(keys, _) => json!({"anyOf": keys.iter().map(|key| given(key)).collect::<Vec<_>>()}),
        Rule::OneOf(keys, ..) => json!({"oneOf": keys.iter().map(|key| given(key)).collect::<Vec<_>>()}),
        Rule::Together(keys, _) => json!({"anyOf": [all(keys, given), all(keys, absent)]}),
        Rule::SomeOf(keys, _) => {
            let some = |key: &&str| json!({"required": [key], "properties": {*key: {"type": "array", "minItems": 1}}});
            json!({"anyOf": keys.iter().map(some).collect::<Vec<_>>()})
        }
        Rule::Needs(key, words, needed, _) => json!({
            "if": {"required": [key], "properties": {*key: {"enum": words}}},
            "then": all(needed, given),
        }),
    }
}
