//! The dashboard for Grafana against a running server: whatever it queries is there to be queried.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::figures::Figures;
use crate::http::Client;
use crate::rig::{Server, ask, bids, call, tell};
use crate::shop::{Setup, cart, request, theirs};

/// Every metric with the labels that any line of it has.
fn shown(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let labels = line.strip_prefix(&name).and_then(|rest| rest.strip_prefix('{')).unwrap_or_default();
        found.entry(name).or_default().extend(labels_of(labels));
    }
    found
}

/// The names before `=` of a list up to its brace.
fn labels_of(list: &str) -> Vec<String> {
    let list = list.split('}').next().unwrap_or_default();
    let named = list.split(',').filter_map(|pair| pair.split(['=', '!']).next());
    named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The metrics that a query names, and the labels it names of them.
fn queried(query: &str) -> Vec<(String, Vec<String>)> {
    let by = query
        .split("by (")
        .skip(1)
        .flat_map(|rest| rest.split(')').next().unwrap_or_default().split(','));
    let by: Vec<String> = by.map(|label| label.trim().to_owned()).collect();
    let metric = |at: usize| {
        let rest = &query[at..];
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let braces = rest[name.len()..].strip_prefix('{').unwrap_or_default();
        (name, labels_of(braces).into_iter().chain(by.clone()).collect())
    };
    query.match_indices("winback_").map(|(at, _)| metric(at)).collect()
}

#[test]
fn the_dashboard_queries_what_a_server_shows() {
    let server = Server::fresh(Setup::acme());
    let mut exchange = server.exchange();
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let bid = bids(&ask(&mut exchange, &request("r", "u", 1))).remove(0);
    assert_eq!(exchange.get(&call(&bid["burl"], "1.00")).expect("an answer").status, 200);
    assert_eq!(ask(&mut exchange, &request("r", "nobody", 1)).status, 204);
    let shown = shown(&Client::new(server.admin).get("/metrics").expect("metrics").text());

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana/winback.json");
    let board: Value = serde_json::from_slice(&fs::read(file).expect("the dashboard")).expect("json");
    assert!(board["schemaVersion"].as_u64().is_some_and(|version| version >= 36) && board["id"].is_null());
    let variables = board["templating"]["list"].as_array().expect("variables");
    assert!(
        variables
            .iter()
            .any(|variable| variable["type"] == "datasource" && variable["query"] == "prometheus")
    );
    let panels = board["panels"].as_array().expect("panels");
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    let (mut queries, mut missing) = (0, Vec::new());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{}", panel["title"]);
        for query in targets.iter().filter_map(|target| target["expr"].as_str()) {
            let named = queried(query);
            assert!(!named.is_empty(), "{query}");
            queries += 1;
            for (metric, labels) in named {
                let has = |label: &String| shown.get(&metric).is_some_and(|known| known.contains(label));
                if !shown.contains_key(&metric) || !labels.iter().all(has) {
                    missing.push(format!("{metric} {labels:?}"));
                }
            }
        }
    }
    let mut figures = Figures::new();
    figures.at_least("grafana.queries", queries, 25);
    figures.exactly("grafana.missing", missing.len(), 0);
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(queried("rate(winback_x{a=\"1\", b!=\"2\"}[5m]) by (c)")[0].1, ["a", "b", "c"]);
    figures.settle();
}
