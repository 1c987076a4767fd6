//! Every snippet of `docs/tag.md`, as a shop would copy it: scripts run beside the tag, commands are sent; what they
//! say must arrive and be taken.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::chromium::Manner;
use super::street::ADS;
use super::{QUIET, Town, Walk};
use crate::figures::Figures;

/// Of every kind that the page has.
const SNIPPETS_MIN: usize = 16;
/// What all scripts say together, beside views of pages.
const SAID: [(&str, usize); 6] = [
    ("add_to_cart", 2),
    ("custom:size-guide", 1),
    ("purchase", 2),
    ("remove_from_cart", 1),
    ("view_cart", 1),
    ("view_item", 4),
];
/// Longer than a batch gathers events.
const GATHER: Duration = Duration::from_millis(400);

/// The snippets of a language.
fn snippets(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap_or("").trim().to_owned())
        .collect()
}

/// With everything between two marks replaced by what a template would put there.
fn filled(text: &str, (open, close): (&str, &str), fill: impl Fn(&str) -> &'static str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let (inside, tail) = after.split_once(close).expect("an end of the place");
        out.push_str(before);
        out.push_str(fill(inside));
        rest = tail;
    }
    out + rest
}

/// A script as it comes to a browser.
fn rendered(snippet: &str) -> String {
    let liquid = |place: &str| match place.trim() {
        place if place.contains("iso_code") => "\"USD\"",
        place if place.contains("price") => "19.9",
        place if place.contains("quantity") => "2",
        _ => "4711",
    };
    let text = filled(snippet, ("{{ ", " }}"), liquid);
    let text = filled(&text, ("{%", "%}"), |_| "");
    let text = filled(
        &text,
        ("<?php", "?>"),
        |_| r#"{"transaction_id": "W-12", "currency": "USD", "value": "10", "items": [{"item_id": "12", "quantity": 1}]}"#,
    );
    let text = text.trim_start_matches("<script>").trim_end_matches("</script>");
    text.replace("export function", "function")
        .replace("ads.example.com", ADS)
        .replace("\"shop-web\"", "\"shop-a-web\"")
}

/// Runs a script on a page of its own; what it threw.
fn run(walk: &mut Walk<'_>, script: &str) -> String {
    walk.visit(0, 1, "");
    let text = Value::from(rendered(script));
    let outcome = walk
        .browser
        .run(&format!("try {{ new Function({text})(); '' }} catch (fault) {{ String(fault) }}"));
    thread::sleep(GATHER);
    outcome.as_str().unwrap_or("no answer").to_owned()
}

/// Sends a command's body; whether all of it is taken.
fn send(town: &Town, command: &str) -> bool {
    let body = command
        .split_once("-d '")
        .map_or("", |(_, rest)| rest.trim_end().trim_end_matches('\''));
    let sent: Value = serde_json::from_str(body).unwrap_or_default();
    let events = sent["events"].as_array().map_or(0, Vec::len);
    let answer = town.server.shop().post("/e/shop-a-web", body.as_bytes()).expect("an answer");
    println!("{}", answer.text());
    events > 0 && answer.json()["accepted"] == json!(events)
}

#[test]
fn snippets_of_the_tag_page_work_as_they_stand() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tag.md")).expect("the page");
    let (pages, apps, commands) = (snippets(&text, "html"), snippets(&text, "js"), snippets(&text, "sh"));
    let Some(town) = Town::build() else { return };
    let mut walk = town.walk(Manner::Plain);
    let mut wrong = 0;
    let loads = |snippet: &&String| snippet.starts_with("<script async src=");
    // That of the first is held to `winback init` and the README where they are tested.
    wrong += usize::from(pages.iter().filter(loads).count() != 1);
    for script in pages.iter().filter(|snippet| !loads(snippet)).chain(&apps) {
        let threw = run(&mut walk, script);
        if !threw.is_empty() {
            println!("{script}\n    threw {threw}");
            wrong += 1;
        }
    }
    wrong += commands.iter().filter(|command| !send(&town, command)).count();
    thread::sleep(QUIET);
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    for call in walk.batches() {
        let batch: Value = serde_json::from_str(&call.body).expect("a batch");
        for event in batch["events"].as_array().expect("events") {
            *said.entry(event["event"].as_str().unwrap_or("").to_owned()).or_default() += 1;
        }
    }
    said.remove("page_view");
    let expected: BTreeMap<String, usize> = SAID.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(said, expected);
    assert_eq!(walk.sent() as u64, walk.taken());
    let complaints = walk.browser.complaints();
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    let mut figures = Figures::new();
    figures.at_least("tag.snippets", pages.len() + apps.len() + commands.len(), SNIPPETS_MIN);
    figures.exactly("tag.snippets_wrong", wrong + complaints.len(), 0);
    figures.settle();
}
