//! Every attribute of a bid request, by the field table of IAB Tech Lab's protobuf: honoured, with a request
//! whose answer it changes, or ignored, and why (`tests/golden/conformance.json`).
//!
//! `docs/openrtb.md` is written from that table: `UPDATE_GOLDEN=1` writes it anew. A row is `{"of", "name"}`
//! with `ignored`, or with `does` and a case: `given` as in scenarios, `when` a request, `edit` laid over it;
//! `before` is asked and bid on first, `waited_ms` is how long both have waited.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::corpus::corpus;
use crate::figures::Figures;
use crate::scenarios::{given, lay, play};

const ATTRIBUTES_MIN: usize = 453;
const HONOURED_MIN: usize = 170;
/// The variant that the table is of.
const VARIANT: &str = "iab_2.6_edition2023";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    of: String,
    name: String,
    ignored: Option<String>,
    does: Option<String>,
    #[serde(default)]
    given: Value,
    #[serde(default)]
    when: Value,
    #[serde(default)]
    before: Option<Value>,
    #[serde(default)]
    edit: Value,
    #[serde(default)]
    waited_ms: u32,
}

impl Row {
    /// Whether its edit changes the answer, down to a byte.
    fn is_felt(&self) -> bool {
        let mut edited = self.when.clone();
        lay(&mut edited, self.edit.clone());
        let config = given::config(&self.given);
        let answer = |last: &Value| {
            let before = self.before.as_ref().map(|before| {
                let mut first = self.when.clone();
                lay(&mut first, before.clone());
                first
            });
            let asked: Vec<Value> = before.into_iter().chain([last.clone()]).collect();
            play::answer(&self.given, &config, &asked, self.waited_ms)
        };
        answer(&self.when) != answer(&edited)
    }

    fn is_sound(&self) -> bool {
        let told = [&self.ignored, &self.does].into_iter().flatten();
        told.clone().count() == 1 && told.into_iter().all(|text| !text.is_empty()) && self.does.is_some() != self.edit.is_null()
    }
}

fn root(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn table() -> Vec<Row> {
    let text = fs::read_to_string(root("tests/golden/conformance.json")).expect("the table");
    serde_json::from_str(&text).expect("rows")
}

/// Messages and fields of the shared table; none where it is not here.
fn published() -> Option<BTreeSet<(String, String)>> {
    let text = fs::read_to_string(corpus()?.join("protobuf_fields.json")).expect("protobuf_fields.json");
    let whole: Value = serde_json::from_str(&text).expect("json");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let rows = whole["fields"].as_array().expect("a list").iter();
    let of_requests = rows.filter(|row| row["variant"] == VARIANT && text(row, "message").starts_with("BidRequest"));
    Some(of_requests.map(|row| (text(row, "message"), text(row, "field"))).collect())
}

#[test]
fn every_attribute_is_honoured_or_ignored_for_a_reason() {
    let rows = table();
    let known: BTreeSet<(String, String)> = rows.iter().map(|row| (row.of.clone(), row.name.clone())).collect();
    let differing = published().map_or(0, |published| {
        let differing: Vec<_> = published.symmetric_difference(&known).collect();
        println!("in one of the two tables only: {differing:?}");
        differing.len()
    });
    let unsound = rows.iter().filter(|row| !row.is_sound());
    unsound
        .clone()
        .for_each(|row| println!("neither honoured nor ignored: {} {}", row.of, row.name));
    let honoured = || rows.iter().filter(|row| row.does.is_some());
    let idle: Vec<&Row> = honoured().filter(|row| !row.is_felt()).collect();
    idle.iter()
        .for_each(|row| println!("its case changes nothing: {} {}", row.of, row.name));
    let ignored = rows.iter().filter(|row| row.ignored.is_some()).count();
    let document = document(&rows);
    let path = root("docs/openrtb.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("docs");
        fs::write(&path, &document).expect("docs/openrtb.md is written");
    }
    let is_stale = fs::read_to_string(&path).unwrap_or_default() != document;
    let mut figures = Figures::new();
    figures.at_least("conformance.attributes", rows.len(), ATTRIBUTES_MIN);
    figures.exactly("conformance.not_in_both_tables", differing + rows.len() - known.len(), 0);
    figures.at_least("conformance.honoured", honoured().count(), HONOURED_MIN);
    figures.exactly("conformance.settled", honoured().count() + ignored, rows.len());
    figures.exactly("conformance.unsound", unsound.count(), 0);
    figures.exactly("conformance.honoured_without_effect", idle.len(), 0);
    figures.exactly("conformance.document_stale", usize::from(is_stale), 0);
    figures.settle();
}

/// A case that changes nothing must be told.
#[test]
fn an_edit_without_effect_is_found() {
    let row = |edit: &str| -> Row {
        serde_json::from_str(&format!(r#"{{"of": "BidRequest", "name": "x", "does": "x", "edit": {edit}}}"#)).expect("a row")
    };
    assert!(!row(r#"{"allimps": 1}"#).is_felt());
    assert!(row(r#"{"bseat": ["winback"]}"#).is_felt());
}

fn document(rows: &[Row]) -> String {
    let mut text = String::from(
        "# OpenRTB bid requests, attribute by attribute\n\n\
         What winback does with each attribute of a bid request of OpenRTB 2.6, as IAB Tech Lab's protobuf names them\n\
         (`ext` and what stands in it too). Absent attributes mean what the specification says; 2.5 places are read where\n\
         2.6 has moved one. Written from `tests/golden/conformance.json`, whose test asks, for each attribute that is\n\
         honoured, a request that is answered otherwise because of it.\n",
    );
    let mut of = "";
    for row in rows {
        if row.of != of {
            of = &row.of;
            let short = of.strip_prefix("BidRequest.").unwrap_or(of);
            write!(text, "\n## {short}\n\n| attribute | | |\n| --- | --- | --- |\n").expect("memory");
        }
        let (status, told) = match (&row.does, &row.ignored) {
            (Some(does), _) => ("honoured", does.as_str()),
            (_, why) => ("ignored", why.as_deref().unwrap_or_default()),
        };
        let name = row.name.replace(['<', '>'], "");
        writeln!(text, "| `{name}` | {status} | {} |", told.replace('|', "\\|")).expect("memory");
    }
    text
}
