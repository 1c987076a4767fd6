//! Presets: whole, sourced, and laid under what an entry says itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::config::preset::{PRESETS, preset};
use crate::model::exchange::{Billing, Exchange, PriceEncoding};

fn read(exchange: &Value) -> Result<Exchange, Vec<Fault>> {
    let text = format!("{{\n \"exchanges\": [\n  {exchange}\n ]\n}}");
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("key"), "skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o=").expect("a key");
    let (server, _) = server_from_text("winback.json", dir.path(), &text)?;
    Ok(server.exchanges.into_iter().next().expect("an exchange"))
}

/// The keys of an object and of those within, without the objects themselves.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(inner, &below, found);
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn every_value_of_a_preset_has_a_source_or_says_that_it_has_none() {
    for name in PRESETS {
        let whole: Value = serde_json::from_str(preset(name).expect("a preset")).expect("JSON");
        let mut said = BTreeSet::new();
        leaves(&whole["exchange"], "", &mut said);
        let mut sourced = BTreeSet::new();
        for list in ["sources", "unverified"] {
            for (key, source) in whole[list].as_object().expect("a list of reasons") {
                assert!(sourced.insert(key.clone()), "{name}: {key} twice");
                assert!(source.as_str().is_some_and(|text| !text.is_empty()), "{name}: {key}");
            }
        }
        assert_eq!(said, sourced, "{name}");
    }
}

#[test]
fn an_entry_is_completed_and_what_it_says_itself_stands() {
    let key_files = json!({"encryption_key_file": "key", "integrity_key_file": "key"});
    let google = read(&json!({"id": "g", "preset": "google", "price": key_files})).expect("read");
    assert!(matches!(&google.price.encoding, PriceEncoding::Google(keys) if keys.len() == 1));
    assert_eq!(google.price.scale, Ratio(1_000 * Ratio::ONE.0));
    assert_eq!(
        (google.links.click.before.as_str(), google.links.click.escaped),
        ("%%CLICK_URL_UNESC%%", 1)
    );
    let own = json!({"id": "g", "preset": "google", "click_macro": null, "billing": "nurl", "price": {"encoding": "plain", "scale": 1}});
    let own = read(&own).expect("read");
    assert_eq!((own.price.encoding, own.billing), (PriceEncoding::Plain, Billing::Nurl));
    assert_eq!(own.links.click, Default::default());
    assert_eq!(own.links.notices, google.links.notices, "what it does not say itself");
    let none = read(&json!({"id": "g"})).expect("read");
    let generic = read(&json!({"id": "g", "preset": "generic"})).expect("read");
    assert_eq!(none, generic, "the defaults are those of the specification");
}

#[test]
fn faults_stand_where_the_preset_is_named() {
    let said = |exchange: Value| blamed(read(&exchange).map(|exchange| (exchange, Vec::new())));
    let google = said(json!({"id": "g", "preset": "google"}));
    assert_eq!(
        google,
        ["encryption_key_file", "integrity_key_file"].map(|key| {
            format!("winback.json:3:22: /exchanges/0/price: `{{\"encoding\": \"google\", \"scale\": 1000}}`: `{key}` is missing; it must be given")
        })
    );
    assert_eq!(
        said(json!({"id": "g", "preset": "gogle"})),
        [r#"winback.json:3:22: /exchanges/0/preset: `"gogle"`: unknown value; did you mean `google`?"#]
    );
    let hold = said(json!({"id": "g", "notice_grace_s": 500, "preset": "generic"}));
    assert_eq!(hold.len(), 1, "{hold:?}");
    assert!(hold[0].starts_with("winback.json:3:43: /exchanges/0/exp_s: "), "{hold:?}");
    let keyless = said(json!({"id": "g", "price": {"encoding": "google", "encryption_key_file": "key", "integrity_key_file": "none"}}));
    assert!(
        keyless
            .iter()
            .any(|fault| fault.contains("/integrity_key_file") && fault.contains("no such file")),
        "{keyless:?}"
    );
    let long = said(json!({"id": "g", "macros": {"append": format!("a={}", "x".repeat(300))}}));
    assert!(
        long[0].contains("/exchanges/0/macros") && long[0].contains("exchanges store 400"),
        "{long:?}"
    );
    let twice = said(json!({"id": "g", "click_macro": "a{url}b{url_esc}"}));
    assert!(twice[0].contains("more than one place for the address"), "{twice:?}");
}
