//! The tables against what is made of them: the schema, the check and the config that is read.
//!
//! Each key is given generated values in a whole file; the published schema and the check must agree on
//! each, but where the check knows more than a schema can.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::*;
use crate::config::schema::{File, keys, schema};
use crate::config::shape::form::Form;
use crate::config::shape::{self, Given, Key, Kind};

/// What a check alone can know: the beginnings of its faults on values that the schema lets through.
const SEMANTIC: [&str; 29] = [
    "a name that is taken",
    "the file of another token",
    "no such audience",
    "no such creative",
    "no such exchange",
    "no such file",
    "no rate for this currency",
    "not used by this encoding",
    "the file holds no price keys",
    " keys, where `encryption_key_file`",
    "a notice of ",
    "not a currency",
    "not a country",
    "unknown time zone",
    "not a local time",
    "not hours",
    "not a domain",
    "not a web address",
    "not a network",
    "not a category of taxonomy 1",
    "the base currency's rate is 1",
    "more than seven decimals",
    "neither deals nor the open market",
    "the network's ",
    "a budget hold of ",
    "the record cannot remember that long",
    "`end` is not after `start`",
    "it can never hold",
    "the items of custom events are not remembered",
];
/// Texts that no form but free text accepts.
const NONSENSE: [&str; 3] = ["", " ", "?%?"];

struct Rig {
    dir: tempfile::TempDir,
    /// What advertisers are read against.
    server: Server,
    file: File,
    schema: Validator,
}

impl Rig {
    fn new(file: File) -> Rig {
        Rig::of(file, serde_json::from_str(&schema(file)).expect("json"))
    }

    fn of(file: File, schema: Value) -> Rig {
        let dir = tempfile::tempdir().expect("folder");
        // A list of names, of which it has none, and a template.
        let text = r##"# <a href="{{click}}">{{product.title}}</a>"##;
        std::fs::write(dir.path().join("file"), text).expect("a file");
        std::fs::write(dir.path().join("key"), "skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o=").expect("a key");
        std::fs::write(dir.path().join("gvl.json"), r#"{"vendors": {"7": {"purposes": [1, 3]}}}"#).expect("a list");
        assert!(jsonschema::meta::is_valid(&schema), "the schema of {file:?} is no schema");
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        let full = include_str!("full-server.json").replace("\"60d\"", "\"90d\"");
        let (server, _) = server_from_text("winback.json", dir.path(), &full).expect("the server");
        Rig { dir, server, file, schema }
    }

    /// What is read from a document, printed, or what was blamed.
    fn read(&self, document: &Value) -> Result<String, Vec<Fault>> {
        let text = document.to_string();
        if self.file == File::Server {
            return server_from_text("winback.json", self.dir.path(), &text).map(|(server, _)| format!("{server:?}"));
        }
        let (hashes, numbers) = (Hashes::new(&[1; 16]), InMemory::default());
        let context = Context {
            server: &self.server,
            hashes: &hashes,
            numbers: &numbers,
        };
        advertiser("acme.json", self.dir.path(), &text, &context).map(|(advertiser, _)| format!("{advertiser:?}"))
    }

    /// What a check says of a document.
    fn found(&self, document: &Value) -> Vec<Fault> {
        let text = document.to_string();
        match self.file {
            File::Server => server_from_text("winback.json", self.dir.path(), &text).map_or_else(|faults| faults, |(_, found)| found),
            File::Advertiser => draft_advertiser("acme.json", self.dir.path(), &text, &self.server).1,
        }
    }

    /// Why schema and check disagree, if they do.
    fn disagreement(&self, document: &Value) -> Option<String> {
        let faults: Vec<Fault> = self.found(document).into_iter().filter(|fault| !fault.warning).collect();
        match (self.schema.is_valid(document), faults.is_empty()) {
            (true, true) | (false, false) => None,
            (false, true) => Some("the schema refuses what the check accepts".to_owned()),
            (true, false) => {
                let is_semantic = |fault: &Fault| {
                    let known = SEMANTIC.iter().any(|known| fault.problem.contains(known));
                    // Ranges of numbers written as text, and of durations, have no pattern.
                    let is_text = fault.value.starts_with('"');
                    known || is_text && ["out of range", "too short", "not above zero"].contains(&fault.problem.as_str())
                };
                let structural: Vec<String> = faults.iter().filter(|fault| !is_semantic(fault)).map(Fault::to_string).collect();
                (!structural.is_empty()).then(|| format!("the schema accepts what the check refuses: {}", structural.join("; ")))
            }
        }
    }
}

fn whole(file: File) -> Value {
    let text = match file {
        File::Server => include_str!("full-server.json"),
        File::Advertiser => include_str!("full-advertiser.json"),
    };
    serde_json::from_str(text).expect("json")
}

/// Every key of a file with its path.
fn table(file: File) -> Vec<(String, &'static Key)> {
    let shape = match file {
        File::Server => &shape::server::SERVER,
        File::Advertiser => &shape::advertiser::ADVERTISER,
    };
    let mut found = Vec::new();
    shape::walk(&Kind::Object(shape), "", &mut |path, key| found.push((path.to_owned(), key)));
    found
}

/// The first place in a document that a path leads to.
fn place(document: &Value, path: &str) -> Option<String> {
    fn find(value: &Value, parts: &[&str], at: String) -> Option<String> {
        let Some((part, rest)) = parts.split_first() else {
            return Some(at);
        };
        if *part == "*" {
            let inner = value.as_object()?.iter();
            return inner
                .into_iter()
                .find_map(|(name, inner)| find(inner, rest, format!("{at}/{name}")));
        }
        let (name, lists) = part.split_once("[]").map_or((*part, 0), |(name, more)| (name, 1 + more.len() / 2));
        let inner = value.get(name)?;
        let at = format!("{at}/{name}");
        if lists == 0 {
            return find(inner, rest, at);
        }
        let items = inner.as_array()?;
        items
            .iter()
            .enumerate()
            .find_map(|(no, item)| find(item, rest, format!("{at}/{no}")))
    }
    find(document, &path.split('.').collect::<Vec<_>>(), String::new())
}

/// A document in which a path leads somewhere: the whole one, or one that gives the key in place of
/// what excludes it.
fn document(file: File, path: &str) -> (Value, String) {
    let mut document = whole(file);
    if path == "feed.path" {
        document["feed"] = json!({"path": "file"});
    }
    if path == "feed.auth.value_file" {
        document["feed"]["auth"] = json!({"value_file": "file"});
    }
    if path == "privacy.gvl_vendor_id" {
        // The list has one vendor.
        document["privacy"].as_object_mut().expect("an object").remove("gvl_file");
    }
    let place = place(&document, path).unwrap_or_else(|| panic!("`{path}` is not in the whole document of {file:?}"));
    (document, place)
}

fn text_values(form: &Form) -> Vec<Value> {
    let good = form.examples.iter().map(|text| json!(text));
    good.chain(NONSENSE.iter().map(|text| json!(text))).collect()
}

/// Values at and beyond the bounds of a kind, and of other kinds.
fn values(kind: &Kind) -> Vec<Value> {
    let number = |text: String| serde_json::from_str::<Value>(&text).expect("a number");
    let mut found = match kind {
        Kind::Text(form) => text_values(form),
        Kind::Words(words) => words
            .iter()
            .map(|word| json!(word))
            .chain([json!("nonsense"), json!("Burl")])
            .collect(),
        Kind::Event => {
            let names = EventKind::ALL.iter().map(|kind| json!(kind.label()));
            names.chain([json!("custom:quiz"), json!("custom:"), json!("buy")]).collect()
        }
        Kind::Literals(known) => known
            .raws
            .iter()
            .map(|raw| number((*raw).to_owned()))
            .chain([json!("maybe"), json!(2)])
            .collect(),
        Kind::Integer(least, most) => bounds(i64::from(*least), i64::from(*most)),
        Kind::Count(most) => bounds(0, i64::from(*most)),
        Kind::Money => ["0", "-1", "0.000000001", "12.5", "\"12.5\"", "\"0\"", "\"x\"", "\"-1\""]
            .map(|text| number(text.to_owned()))
            .to_vec(),
        Kind::Ratio(least, most) => {
            let near = [Ratio(least.0 - 1), *least, *most, Ratio(most.0 + 1)];
            let plain = near.iter().map(|ratio| number(ratio.to_string()));
            plain
                .chain(near.iter().map(|ratio| json!(ratio.to_string())))
                .chain([json!("x")])
                .collect()
        }
        Kind::Span(least, most) => {
            let near = [least.0 - 1, least.0, least.0 + 1, most.0, most.0.saturating_add(1)];
            let plain = near.iter().map(|secs| json!(format!("{secs}s")));
            plain.chain(["12h", "1 month", "90", "0d"].map(|text| json!(text))).collect()
        }
        Kind::Size => [
            json!([1, 1]),
            json!([0, 1]),
            json!([10_000, 10_000]),
            json!([1, 10_001]),
            json!([1]),
            json!([1, 1, 1]),
            json!("728x90"),
            json!("0x1"),
            json!("728*90"),
        ]
        .to_vec(),
        Kind::List(item) => values(item).into_iter().map(|value| json!([value])).chain([json!([])]).collect(),
        Kind::Several(several) => values(&several.item)
            .into_iter()
            .map(|value| json!([value]))
            .chain([json!([])])
            .collect(),
        Kind::Either(kinds) => kinds.iter().flat_map(values).collect(),
        Kind::Object(_) => vec![json!({"nonsense": 1}), json!({})],
        Kind::Map(..) => vec![json!({"nonsense!": 1}), json!({"note": 1}), json!({})],
        Kind::Bool => vec![json!("true")],
    };
    found.extend([json!(true), json!(7.5), json!("7"), json!([[]]), json!({"": 0}), Value::Null]);
    found
}

fn bounds(least: i64, most: i64) -> Vec<Value> {
    [least - 1, least, most, most + 1].map(|value| json!(value)).to_vec()
}

fn parent(place: &str) -> (&str, &str) {
    place.rsplit_once('/').expect("a place below the root")
}

/// The document as it becomes for each value of a key: replaced, removed, with a stranger beside it.
fn variants(document: &Value, place: &str, key: &Key) -> Vec<Value> {
    let mut found = Vec::new();
    for value in values(&key.kind) {
        let mut variant = document.clone();
        *variant.pointer_mut(place).expect("the key") = value;
        found.push(variant);
    }
    let (around, name) = parent(place);
    for (stranger, keep) in [(Some(format!("{name}x")), true), (Some("note".to_owned()), true), (None, false)] {
        let mut variant = document.clone();
        let object = variant.pointer_mut(around).and_then(Value::as_object_mut).expect("its object");
        if !keep {
            object.remove(name);
        }
        object.extend(stranger.map(|stranger| (stranger, json!(1))));
        found.push(variant);
    }
    found
}

#[test]
fn schema_and_check_agree_on_every_key() {
    let (mut count, mut disagreements) = ((0, 0), Vec::new());
    for file in [File::Server, File::Advertiser] {
        let rig = Rig::new(file);
        for (path, key) in table(file) {
            let (document, place) = document(file, &path);
            count.0 += 1;
            for variant in variants(&document, &place, key) {
                count.1 += 1;
                if let Some(problem) = rig.disagreement(&variant) {
                    disagreements.push(format!("{path} in {:?}: {problem}", variant.pointer(&place)));
                }
            }
        }
    }
    println!("{} keys, {} values, {} disagreements", count.0, count.1, disagreements.len());
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert!(count.0 >= 250 && count.1 >= 4_000, "{count:?}");
}

#[test]
fn a_schema_that_is_off_by_one_is_caught() {
    let plants = [
        (
            "/$defs/exchange/properties/tmax_ms/anyOf/0/maximum",
            json!(10_001),
            "exchanges[].tmax_ms",
        ),
        (
            "/$defs/exchange/properties/tmax_ms/anyOf/0/minimum",
            json!(6),
            "exchanges[].tmax_ms",
        ),
        (
            "/$defs/exchange/properties/billing/anyOf/0/enum/2",
            json!("nurll"),
            "exchanges[].billing",
        ),
        ("/$defs/exchange/required", json!([]), "exchanges[].id"),
        ("/$defs/exchange/additionalProperties", json!(true), "exchanges[].seat"),
        ("/$defs/auth/allOf", json!([true]), "exchanges[].auth.header"),
        ("/$defs/price/allOf/0", json!(true), "exchanges[].price.encryption_key_file"),
        ("/$defs/id/pattern", json!("^[a-z0-9._-]{0,48}$"), "exchanges[].id"),
        (
            "/$defs/privacy/properties/gvl_vendor_id/anyOf/1",
            json!(false),
            "privacy.gvl_vendor_id",
        ),
    ];
    for (pointer, fault, path) in plants {
        let mut schema: Value = serde_json::from_str(&schema(File::Server)).expect("json");
        *schema.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = fault;
        let rig = Rig::of(File::Server, schema);
        let (_, key) = table(File::Server).into_iter().find(|(known, _)| known == path).expect("the key");
        let (document, place) = document(File::Server, path);
        let caught = variants(&document, &place, key)
            .iter()
            .filter(|variant| rig.disagreement(variant).is_some())
            .count();
        assert!(caught > 0, "{pointer}");
    }
}

#[test]
fn a_default_written_out_changes_nothing() {
    let mut count = 0;
    for file in [File::Server, File::Advertiser] {
        let rig = Rig::new(file);
        for (path, key) in table(file) {
            let Given::Or(default) = key.given else { continue };
            let (document, place) = document(file, &path);
            let default: Value = serde_json::from_str(default).unwrap_or_else(|e| panic!("{path}: {e}"));
            let (around, name) = parent(&place);
            let written = |value: Option<Value>| {
                let mut document = document.clone();
                let object = document.pointer_mut(around).and_then(Value::as_object_mut).expect("its object");
                object.remove(name);
                object.extend(value.map(|value| (name.to_owned(), value)));
                rig.read(&document)
                    .map_err(|faults| faults.into_iter().map(|fault| fault.problem).collect::<Vec<_>>())
            };
            let left_out = written(None);
            assert_eq!(left_out, written(Some(default)), "{path}");
            count += usize::from(left_out.is_ok());
        }
    }
    println!("{count} defaults");
    assert!(count >= 100, "{count}");
}

#[test]
fn every_key_is_explained() {
    let (mut seen, mut silent) = (0, Vec::new());
    for file in [File::Server, File::Advertiser] {
        for (path, key) in table(file) {
            seen += 1;
            let says_default = match key.given {
                Given::May => key.help.contains("Default: ") || key.help.contains("must be given"),
                _ => true,
            };
            if !key.help.ends_with('.') || !says_default {
                silent.push(path);
            }
        }
    }
    assert!(silent.is_empty() && seen >= 250, "of {seen}: {silent:?}");
}

#[test]
fn keys_are_listed_by_their_paths() {
    let (server, advertiser) = (keys(File::Server), keys(File::Advertiser));
    for path in ["bid.listen", "exchanges[].tmax_ms", "currencies.rates", "house.block.categories"] {
        assert!(server.iter().any(|key| key == path), "{path}");
    }
    for path in [
        "campaigns[].bid.max_cpm",
        "campaigns[].bid_adjustments[].when.countries.exclude",
        "creatives[].template.file",
    ] {
        assert!(advertiser.iter().any(|key| key == path), "{path}");
    }
}

#[test]
fn the_schemas_accept_what_is_published() {
    let (server, advertiser) = (Rig::new(File::Server), Rig::new(File::Advertiser));
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("json");
    let accept = |rig: &Rig, name: &str, document: &Value| {
        let problems: Vec<String> = rig
            .schema
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}");
    };
    accept(&server, "the contract's server", &read(SERVER));
    accept(&advertiser, "the contract's advertiser", &read(ADVERTISER));
    accept(&server, "every key", &whole(File::Server));
    accept(&advertiser, "every key", &whole(File::Advertiser));
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let text = |path: &Path| read(&std::fs::read_to_string(path).expect("an example"));
    accept(&server, "the example", &text(&shop.join("winback.json")));
    let files = std::fs::read_dir(shop.join("advertisers"))
        .expect("examples")
        .map(|entry| entry.expect("an entry").path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    files
        .iter()
        .for_each(|path| accept(&advertiser, &path.display().to_string(), &text(path)));
}
