//! Real requests, made by others, through the real listener: as they are, and with known users.
//!
//! Reads `WINBACK_CORPUS`, else `../shared/corpus` beside the repository. Without it there is
//! nothing to judge; in CI that is a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Client;
use crate::judge;
use crate::rig::{Server, ask, fill};
use crate::shop::{EXCHANGE, PRODUCTS, Setup, cart};

/// Members of a bid that 2.5 does not have yet.
const NEW_IN_26: [&str; 6] = ["mtype", "dur", "apis", "cattax", "slotinpod", "langb"];
/// Batches of one call.
const BATCHES: usize = 500;
/// How many failures are shown.
const SHOWN: usize = 15;

#[derive(serde::Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    request: &'a RawValue,
}

/// The corpus's folder, if it is here.
pub fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("WINBACK_CORPUS").map_or(beside, PathBuf::from);
    if folder.join("requests.ndjson").is_file() {
        return Some(folder);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "no corpus in {}: set WINBACK_CORPUS",
        folder.display()
    );
    println!("no corpus in {}: nothing judged; set WINBACK_CORPUS", folder.display());
    None
}

/// Requests of a file, byte for byte.
fn requests(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| serde_json::from_str::<Line<'_>>(line).expect("a line of the corpus").request.get())
        .collect()
}

fn post(exchange: &mut Client, body: &[u8]) -> u16 {
    exchange.post(&format!("/bid/{EXCHANGE}"), body).map_or(599, |answer| answer.status)
}

#[test]
fn as_it_is() {
    let Some(folder) = corpus() else { return };
    let server = Server::fresh(Setup::acme());
    let mut exchange = server.exchange();
    let text = fs::read_to_string(folder.join("requests.ndjson")).expect("requests.ndjson");
    let mut codes = BTreeMap::new();
    let mut refused = Vec::new();
    for (n, body) in requests(&text).into_iter().enumerate() {
        let status = post(&mut exchange, body.as_bytes());
        *codes.entry(status).or_insert(0) += 1;
        if status == 400 {
            refused.push(n + 1);
        }
    }
    println!("codes: {codes:?}");
    let golden = golden();
    let unexplained: Vec<_> = refused.iter().filter(|line| !golden.contains(line)).collect();
    let answered: Vec<_> = golden.iter().filter(|line| !refused.contains(line)).collect();
    println!("refused without a reason on file: {unexplained:?}; on file but answered: {answered:?}");
    let others: i32 = codes
        .iter()
        .filter(|(code, _)| ![200, 204, 400].contains(*code))
        .map(|(_, count)| count)
        .sum();
    let mut figures = Figures::new();
    figures.at_least("corpus.requests", codes.values().sum::<i32>(), 3_578);
    figures.exactly("corpus.other_codes", others, 0);
    figures.at_most("corpus.400s", refused.len(), 35);
    figures.exactly("corpus.400s_unexplained", unexplained.len(), 0);
    figures.exactly("corpus.golden_answered", answered.len(), 0);
    figures.settle();
}

/// Line numbers, from 1, of the requests that are to be refused.
fn golden() -> Vec<usize> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/corpus_malformed.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows: Vec<Value> = serde_json::from_str(&text).expect("a list of lines and reasons");
    for row in &rows {
        assert!(row["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "no reason: {row}");
    }
    rows.iter()
        .filter_map(|row| row["line"].as_u64())
        .map(|line| line as usize)
        .collect()
}

#[test]
fn broken() {
    let Some(folder) = corpus() else { return };
    let server = Server::fresh(Setup::acme());
    let mut exchange = server.exchange();
    let mut bodies = Vec::new();
    for file in ["requests_invalid.ndjson", "requests_nearmiss.ndjson"] {
        let text = fs::read_to_string(folder.join(file)).expect("a file of the corpus");
        bodies.extend(requests(&text).into_iter().map(|body| body.as_bytes().to_vec()));
    }
    let text = fs::read_to_string(folder.join("requests_malformed.ndjson")).expect("requests_malformed.ndjson");
    let malformed: Vec<Vec<u8>> = text.lines().map(decoded).collect();
    let lenient: Vec<u16> = bodies.iter().map(|body| post(&mut exchange, body)).collect();
    let strict: Vec<u16> = malformed.iter().map(|body| post(&mut exchange, body)).collect();
    let whole = post(&mut exchange, br#"{"id":"1","imp":[{"id":"1","banner":{"w":300,"h":250}}]}"#);
    let mut figures = Figures::new();
    figures.at_least("corpus-broken.bodies", lenient.len() + strict.len(), 138);
    figures.exactly(
        "corpus-broken.5xx",
        lenient.iter().chain(&strict).filter(|code| **code >= 500).count(),
        0,
    );
    figures.exactly(
        "corpus-broken.not_json_answered",
        strict.iter().filter(|code| **code != 400).count(),
        0,
    );
    figures.exactly("corpus-broken.crashes", usize::from(whole != 204), 0);
    figures.settle();
}

fn decoded(line: &str) -> Vec<u8> {
    let row: Value = serde_json::from_str(line).expect("a line of the corpus");
    base64::engine::general_purpose::STANDARD
        .decode(row["body_base64"].as_str().expect("body_base64"))
        .expect("base64")
}

/// One request of a known user.
struct Asked {
    line: usize,
    /// Why nobody may bid on it.
    forbidden: Option<&'static str>,
    user: Value,
    request: Value,
}

#[test]
fn known() {
    let Some(folder) = corpus() else { return };
    let server = Server::fresh(Setup::acme());
    let text = fs::read_to_string(folder.join("requests.ndjson")).expect("requests.ndjson");
    let asked = asked(&text);
    let accepted = make_known(&mut server.shop(), &asked);
    let schemas = [schema_26(&folder), schema_25(&folder)];
    let (mut silent, mut rejected, mut unasked, mut bids) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut exchange = server.exchange();
    for Asked {
        line, forbidden, request, ..
    } in &asked
    {
        let answer = ask(&mut exchange, request);
        match (answer.status, forbidden) {
            (200, None) => bids += 1,
            (200, Some(why)) if judge::NEVER.contains(why) => unasked.push(format!("line {line}: bid in spite of {why}")),
            (status, None) => silent.push(format!("line {line}: {status}")),
            _ => {}
        }
        if answer.status == 200 {
            let faults = faults(request, &answer.text(), &schemas);
            rejected.extend(faults.into_iter().map(|fault| format!("line {line}: {fault}")));
        }
    }
    [&silent, &rejected, &unasked]
        .into_iter()
        .flat_map(|list| list.iter().take(SHOWN))
        .for_each(|what| println!("{what}"));
    let open = bids + silent.len();
    let share = bids as f64 * 100.0 / open.max(1) as f64;
    let mut figures = Figures::new();
    figures.exactly("corpus-known.events_accepted", accepted, asked.len());
    figures.at_least("corpus-known.requests", open, 1_300);
    figures.judge("corpus-known.200s_percent", format!("{share:.2}"), ">=97", share >= 97.0);
    figures.exactly("corpus-known.rejects", rejected.len(), 0);
    figures.exactly("corpus-known.forbidden_bids", unasked.len(), 0);
    figures.settle();
}

/// Puts a product into every user's cart; how many events were accepted.
fn make_known(shop: &mut Client, asked: &[Asked]) -> usize {
    let batches: Vec<String> = asked
        .iter()
        .enumerate()
        .map(|(n, asked)| cart(asked.user.clone(), "acme", n % PRODUCTS).to_string())
        .collect();
    let mut accepted = 0;
    for some in batches.chunks(BATCHES) {
        let answer = shop.send(
            "POST",
            "/e/acme-web",
            &[("Content-Type", "application/x-ndjson")],
            some.join("\n").as_bytes(),
        );
        let answer = answer.expect("an answer to events");
        assert_eq!(answer.status, 200, "{}", answer.text());
        accepted += answer.json()["accepted"].as_u64().unwrap_or(0) as usize;
    }
    accepted
}

/// The requests that can be read, each with its user.
fn asked(text: &str) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut why = BTreeMap::new();
    for (n, body) in requests(text).into_iter().enumerate() {
        let Ok(mut request @ Value::Object(_)) = serde_json::from_str::<Value>(body) else {
            continue;
        };
        let forbidden = judge::forbids(&request);
        *why.entry(forbidden.unwrap_or("nothing")).or_insert(0) += 1;
        let user = judge::identify(&mut request, n, EXCHANGE);
        asked.push(Asked {
            line: n + 1,
            forbidden,
            user,
            request,
        });
    }
    println!("forbidden by: {why:?}");
    asked
}

fn faults(request: &Value, response: &str, schemas: &[jsonschema::Validator; 2]) -> Vec<String> {
    // Macros are the exchange's to fill; what it then calls must be a URL.
    let Ok(response) = serde_json::from_str::<Value>(&fill(response, "1.5")) else {
        return vec!["not JSON".to_owned()];
    };
    let mut faults = judge::rejects(request, &response);
    let mut older = response.clone();
    let seats = older["seatbid"].as_array_mut().into_iter().flatten();
    for bid in seats.flat_map(|seat| seat["bid"].as_array_mut().into_iter().flatten()) {
        if let Some(bid) = bid.as_object_mut() {
            NEW_IN_26.iter().for_each(|name| drop(bid.remove(*name)));
        }
    }
    for (version, schema, response) in [("2.6", &schemas[0], &response), ("2.5", &schemas[1], &older)] {
        faults.extend(
            schema
                .iter_errors(response)
                .map(|error| format!("{version} {}: {error}", error.instance_path())),
        );
    }
    faults
}

pub fn read_schema(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a schema")
}

pub fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).expect("a schema")
}

pub fn schema_26(corpus: &Path) -> jsonschema::Validator {
    let whole = read_schema(&corpus.join("schemas/openrtb-2.6/schema.json"));
    validator(&json!({"$schema": whole["$schema"], "$ref": "#/$defs/BidResponse", "$defs": whole["$defs"]}))
}

fn schema_25(corpus: &Path) -> jsonschema::Validator {
    validator(&read_schema(
        &corpus.join("schemas/openrtb-2.5/openrtb-schema_bid-response_v2-5.nbr-fixed.json"),
    ))
}
