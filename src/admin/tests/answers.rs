//! The description against the routes, and every answer of these tests against the description.
//!
//! Answers are held to schemas that allow nothing beside what they describe: a field that is not described fails.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::super::{calls, openapi};
use super::{Got, Rig};

/// The document, strict.
pub struct Described {
    document: Value,
    checked: Cell<usize>,
}

impl Described {
    pub fn new() -> Described {
        let mut document: Value = serde_json::from_str(&openapi::text()).expect("json");
        close(&mut document["components"]["schemas"]);
        Described {
            document,
            checked: Cell::new(0),
        }
    }

    /// How many answers were held to it.
    pub fn checked(&self) -> usize {
        self.checked.get()
    }

    /// Panics where an answer is not as described. What is no call has no description.
    pub fn hold(&self, method: &Method, path: &str, got: &Got) {
        let path = path.split('?').next().unwrap_or_default();
        let paths = self.document["paths"].as_object().expect("paths");
        let found = paths.iter().find(|(template, _)| is_like(template, path));
        let operation = found.map(|(_, item)| &item[method.as_str().to_lowercase()]);
        let Some(operation) = operation.filter(|operation| operation.is_object()) else {
            return;
        };
        let status = got.status.as_u16();
        let said = format!("{method} {path}: {status}: {}", got.text);
        let response = &operation["responses"][status.to_string()];
        assert!(response.is_object(), "a status that is not described: {said}");
        let kind = got.header("content-type");
        self.checked.set(self.checked.get() + 1);
        if got.text.is_empty() {
            return;
        }
        let Some(content) = response["content"].as_object() else {
            panic!("a body that is not described: {said}")
        };
        let described = content.iter().find(|(name, _)| name.split(';').next() == kind.split(';').next());
        let (_, described) = described.unwrap_or_else(|| panic!("{kind} is not described: {said}"));
        if kind.contains("json") {
            let faults = self.faults(&described["schema"], &got.json());
            assert!(faults.is_empty(), "{faults}: {said}");
        }
    }

    fn faults(&self, schema: &Value, value: &Value) -> String {
        let mut root = schema.as_object().cloned().unwrap_or_default();
        root.insert("components".into(), self.document["components"].clone());
        let validator = jsonschema::validator_for(&Value::Object(root)).expect("a schema");
        let faults = validator
            .iter_errors(value)
            .map(|fault| format!("{} at {}", fault, fault.instance_path()));
        faults.collect::<Vec<_>>().join("; ")
    }
}

/// Lets no object of these schemas have what they do not describe.
fn close(schemas: &mut Value) {
    for schema in schemas.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if schema["properties"].is_object() {
            schema["additionalProperties"] = json!(false);
        }
    }
}

fn is_like(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let is_same = |(part, given): (&&str, &&str)| part.starts_with('{') || part == given;
    template.len() == path.len() && template.iter().zip(&path).all(is_same)
}

/// Method and path of everything that is described.
fn described(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let methods = |(path, item): (&String, &Value)| -> Vec<String> {
        let item = item.as_object().expect("operations");
        item.keys().map(|method| format!("{} {path}", method.to_uppercase())).collect()
    };
    paths.flat_map(methods).collect()
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let document: Value = serde_json::from_str(&openapi::text()).expect("json");
    let routes: BTreeSet<String> = calls::calls().iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    assert_eq!(described(&document), routes);
    println!("show api.calls_described {} ={} ok", routes.len(), calls::calls().len());
    assert_eq!(routes.len(), calls::calls().len());
    for call in calls::calls() {
        let operation = &document["paths"][call.path][call.method.as_str().to_lowercase()];
        let security = operation["security"][0]["token"][0].as_str();
        assert_eq!(security, call.role.map(crate::config::Role::label), "{} {}", call.method, call.path);
        assert!(operation["summary"].is_string(), "{} {} has no words", call.method, call.path);
        let named = call.path.matches('{').count();
        let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let of_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(of_path, named, "{} {}", call.method, call.path);
    }
}

#[test]
fn the_description_is_the_one_that_was_looked_at() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openapi.json");
    let text = openapi::text();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).expect("written");
    }
    let kept = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(kept == text, "the description has changed: look at it and run with UPDATE_GOLDEN=1");
    let document: Value = serde_json::from_str(&text).expect("json");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
}

#[test]
fn examples_are_what_they_are_examples_of() {
    let described = Described::new();
    let mut held = 0;
    let operations = described.document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|item| item.as_object().expect("operations").values());
    for operation in operations {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let bodies = operation["requestBody"]["content"].as_object().into_iter().flat_map(Map::values);
        for with_example in parameters.chain(bodies).filter(|of| !of["example"].is_null()) {
            let faults = described.faults(&with_example["schema"], &with_example["example"]);
            assert!(faults.is_empty(), "{faults}: {with_example}");
            held += 1;
        }
    }
    assert!(held >= 10, "{held}");
}

#[tokio::test]
async fn an_answer_that_is_not_as_described_is_caught() {
    let rig = Rig::new();
    let caught = |status: u16, text: &str, kind: &str| {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("content-type", kind.parse().expect("a value"));
        let got = Got {
            status: axum::http::StatusCode::from_u16(status).expect("a status"),
            headers,
            text: text.to_owned(),
        };
        let held = std::panic::AssertUnwindSafe(|| rig.described.hold(&Method::GET, "/health/live", &got));
        std::panic::catch_unwind(held).is_err()
    };
    assert!(!caught(200, r#"{"live": true}"#, "application/json"));
    assert!(caught(200, r#"{"live": 1}"#, "application/json"));
    assert!(caught(200, r#"{"live": true, "more": 1}"#, "application/json"));
    assert!(caught(200, "{}", "application/json"));
    assert!(caught(200, "live", "text/plain"));
    assert!(caught(201, r#"{"live": true}"#, "application/json"));
    let told = rig.get("/openapi.json").await;
    assert_eq!(told.text, openapi::text());
}
