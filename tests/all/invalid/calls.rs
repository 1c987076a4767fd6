//! Calls that are no events, clicks or pixels: id match, and what players report.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CRAWLER, DATA_CENTRE, PERSON};
use crate::rig::{Server, ask, bids, tell, tracking_paths};
use crate::shop::{Setup, cart, request, theirs};

/// A server that tests for everything, and believes a proxy.
pub fn tested(change: impl FnOnce(&mut Value)) -> Server {
    let mut setup = Setup::acme();
    std::fs::write(setup.path().join("ranges.txt"), "198.51.100.0/24 # a data centre\n").expect("a file");
    setup.config["invalid_traffic"] = json!({"ranges_file": "ranges.txt"});
    setup.config["trusted_proxies"] = json!(["127.0.0.0/8"]);
    change(&mut setup.config);
    Server::fresh(setup)
}

/// Syncs and what players report, of people and of machines, by the real binary: what comes back, whether the ids are
/// matched from then on, and how the call is counted.
pub fn called() -> Vec<Value> {
    let server = tested(|config| config["exchanges"][0]["sync"] = json!({"push_url": "https://match.x.example/?uid={uid}"}));
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 7));
    let answer = ask(&mut server.exchange(), &request("r", "u", 1));
    let markup = bids(&answer)[0]["adm"].as_str().expect("markup").to_owned();
    let token = tracking_paths(&markup, "/imp/")[0].replace("/imp/", "");
    let senders: [(&str, &[(&str, &str)]); 4] = [
        ("a person", &[("User-Agent", PERSON)]),
        ("a crawler", &[("User-Agent", CRAWLER)]),
        ("a page loaded in advance", &[("User-Agent", PERSON), ("Sec-Purpose", "prefetch")]),
        ("a data centre", &[("User-Agent", PERSON), ("X-Forwarded-For", DATA_CENTRE)]),
    ];
    let mut rows = Vec::new();
    for (n, (who, headers)) in senders.iter().enumerate() {
        let cookie = format!("wb_uid=ours-{n}");
        let known: Vec<(&str, &str)> = headers.iter().copied().chain([("Cookie", cookie.as_str())]).collect();
        let calls = [
            ("syncs", &known[..], format!("/sync/x?uid=theirs-{n}")),
            ("asks where to sync, without a cookie", headers, "/sync/x".to_owned()),
            ("syncs with all that are due", &known[..], "/sync".to_owned()),
            ("syncs with one after the other", &known[..], "/sync.gif".to_owned()),
            ("reports that a spot starts", headers, format!("/vast/start/{token}")),
        ];
        for (what, headers, path) in calls {
            let before = counted(&server);
            let answer = server.visitor().send("GET", &path, headers, b"").expect("an answer");
            let after = counted(&server);
            let rise = after.iter().filter(|(line, count)| before.get(*line) != Some(count));
            let rise: Vec<&String> = rise.map(|(line, _)| line).collect();
            let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie").count();
            let is_matched = server.api().get(&format!("/api/users/x:theirs-{n}")).expect("an answer").status == 200;
            let comes_to = json!({"status": answer.status, "cookies": cookies, "is_matched": is_matched, "counted": rise});
            rows.push(json!({"kind": format!("{who} {what}"), "comes_to": comes_to}));
        }
    }
    rows
}

/// The counters of syncs, notices and invalid traffic.
fn counted(server: &Server) -> BTreeMap<String, u64> {
    let text = server.api().get("/metrics").expect("metrics").text();
    let names = ["winback_syncs_total{", "winback_notices_total{", "winback_invalid_total{"];
    let lines = text.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    let pairs = lines.filter_map(|line| line.rsplit_once(' '));
    pairs
        .filter_map(|(line, count)| Some((line.to_owned(), count.parse().ok()?)))
        .filter(|(_, count)| *count > 0)
        .collect()
}
