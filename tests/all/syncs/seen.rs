//! What one can see of identity: every way in which a request or a call can fail to be matched, as a metric and in
//! explain.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Browser, served};
use crate::figures::Figures;
use crate::rig::{Server, ask, tell};
use crate::shop::{EXCHANGE, Setup, cart, request, theirs};

/// Names and values, of cookies or headers.
type Pairs<'a> = &'a [(&'a str, &'a str)];
/// A purpose short of what a bid needs, for vendor 10.
const NOT_ALL_PURPOSES: &str = "CQI9IYAQI9IYAAKABBENBkEgALAAAAAAAAYgAFABAAAAA";

/// The values of a metric by its labels, as they are written.
fn metric(server: &Server, name: &str) -> BTreeMap<String, u64> {
    let text = server.api().get("/metrics").expect("an answer").text();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{name}{{"))?.split_once("} "));
    lines
        .map(|(labels, value)| (labels.to_owned(), value.parse().expect("a count")))
        .collect()
}

/// A request whose `user` and `device` are as given.
fn naming(user: Value, ifa: Option<&str>, regs: Value) -> Value {
    let mut request = request("r", "", 1);
    request["user"] = user;
    request["regs"] = regs;
    if let Some(ifa) = ifa {
        request["device"]["ifa"] = json!(ifa);
    }
    request
}

/// Requests by what their ids come to, with the fields explained and what each leads to.
fn requests() -> Vec<(&'static str, Value, Value)> {
    let none = || json!({});
    let eids = json!({"id": "else", "eids": [{"source": "id.example", "uids": [{"id": "NULL"}, {"id": "e-1"}]}]});
    let tcf = |string: &str| json!({"gdpr": 1, "ext": {"consent": string}});
    let consented = json!({"id": "known", "consent": NOT_ALL_PURPOSES});
    vec![
        ("no_id", naming(none(), None, none()), json!([])),
        (
            "nobody",
            naming(json!({"id": "${UID}"}), Some("00000000-0000-0000-0000-000000000000"), none()),
            json!([["user.id", "nobody"], ["device.ifa", "nobody"]]),
        ),
        (
            "unknown_id",
            naming(
                json!({"id": "strange", "buyeruid": "made-up"}),
                Some("6D92078A-8246-4BA4-AE5B-76104861E7DC"),
                none(),
            ),
            json!([["user.buyeruid", "unknown"], ["user.id", "unknown"], ["device.ifa", "unknown"]]),
        ),
        (
            "unknown_id",
            naming(eids, None, none()),
            json!([
                ["user.id", "unknown"],
                ["user.eids, id no. 1", "nobody"],
                ["user.eids, id no. 2", "unknown"]
            ]),
        ),
        (
            "no_events",
            naming(json!({"id": "synced"}), None, none()),
            json!([["user.id", "matched"]]),
        ),
        (
            "no_events",
            naming(json!({"buyeruid": "ours-9"}), None, none()),
            json!([["user.buyeruid", "matched"]]),
        ),
        // As those pad it who decode what they were given.
        (
            "no_events",
            naming(json!({"buyeruid": "ours-9=="}), None, none()),
            json!([["user.buyeruid", "matched"]]),
        ),
        (
            "matched",
            naming(json!({"id": "known"}), None, none()),
            json!([["user.id", "matched"]]),
        ),
        ("consent", naming(consented, None, tcf(NOT_ALL_PURPOSES)), json!([])),
        (
            "consent",
            naming(json!({"id": "known"}), None, json!({"us_privacy": "1YYN"})),
            json!([]),
        ),
        (
            "opted_out",
            naming(json!({"buyeruid": "ours-8"}), None, none()),
            json!([["user.buyeruid", "unknown"]]),
        ),
    ]
}

#[test]
fn every_way_not_to_be_matched_is_counted_and_explained() {
    let server = served();
    tell(&mut server.shop(), "acme", &cart(theirs("known"), "acme", 1));
    let mut browser = Browser::new(&server, [("wb_uid".to_owned(), "ours-9".to_owned())].into());
    assert_eq!(browser.call("GET", &format!("/sync/{EXCHANGE}?uid=synced"), &[]).status, 200);
    let mut gone = Browser::new(&server, [("wb_uid".to_owned(), "ours-8".to_owned())].into());
    assert_eq!(gone.call("GET", &format!("/sync/{EXCHANGE}?uid=gone"), &[]).status, 200);
    assert_eq!(gone.call("POST", "/optout", &[]).status, 200);
    let (mut exchange, mut api) = (server.exchange(), server.api());
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    let mut wrong = 0;
    let requests = requests();
    for (result, body, ids) in &requests {
        ask(&mut exchange, body);
        *wanted.entry((*result).to_owned()).or_default() += 1;
        let told = api
            .post(&format!("/api/explain/{EXCHANGE}"), body.to_string().as_bytes())
            .expect("an answer")
            .json();
        let identity = &told["identity"];
        let fields: Vec<Value> = identity["ids"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|id| json!([id["field"], id["led_to"]]))
            .collect();
        if identity["result"] != *result || json!(fields) != *ids {
            wrong += 1;
            println!("{body} should come to {result}, {ids}: {identity}");
        }
        let text = told["identity"].to_string();
        assert!(
            !["strange", "made-up", "6D92078A-8246-4BA4-AE5B-76104861E7DC", "e-1", "synced"]
                .iter()
                .any(|id| text.contains(&format!("\"{id}\""))),
            "{text}"
        );
    }
    let refused = |body: &Value| api_ground(&server, body);
    assert_eq!(refused(&requests[8].1), "tcf_purpose");
    assert_eq!(refused(&requests[9].1), "us_privacy");
    let counted = metric(&server, "winback_match_total");
    let of_exchange = counted.into_iter().filter_map(|(labels, count)| {
        let result = labels.strip_prefix(&format!("exchange=\"{EXCHANGE}\",result=\""))?;
        Some((result.trim_end_matches('"').to_owned(), count))
    });
    let counted: BTreeMap<String, u64> = of_exchange.filter(|(_, count)| *count > 0).collect();
    let grounds = metric(&server, "winback_consent_refusals_total");
    let grounds = grounds.values().sum::<u64>();
    let mut figures = Figures::new();
    figures.at_least("sync.requests_explained", requests.len() - wrong, requests.len());
    figures.exactly("sync.results_counted", counted.len(), 7);
    figures.exactly("sync.grounds_counted", grounds, 2);
    assert_eq!(counted, wanted);
    figures.settle();
}

fn api_ground(server: &Server, body: &Value) -> String {
    let told = server
        .api()
        .post(&format!("/api/explain/{EXCHANGE}"), body.to_string().as_bytes())
        .expect("an answer")
        .json();
    told["identity"]["forbidden_by"]["signal"].as_str().unwrap_or("").to_owned()
}

/// Each result of a call for id match, and the age of a match that is made anew.
#[test]
fn every_end_of_a_call_is_counted() {
    let server = served();
    let jar = |cookies: &[(&str, &str)]| {
        cookies
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let own: Pairs<'_> = &[("wb_uid", "ours-1")];
    let calls: [(&str, Pairs<'_>, &str, Pairs<'_>); 14] = [
        ("told", own, "/sync/open?uid=a", &[]),
        ("asked", own, "/sync/open", &[]),
        ("no_id", own, "/sync/open?uid=", &[]),
        ("nobody", own, "/sync/open?uid=%24UID", &[]),
        ("sent", own, "/sync/push", &[]),
        ("redirected", own, "/sync/open?redirect=https%3A%2F%2Fmatch.open.example%2F", &[]),
        ("redirect_refused", own, "/sync/open?redirect=https%3A%2F%2Fevil.example%2F", &[]),
        ("error", own, "/sync/google?google_error=3", &[]),
        ("bounced", &[], "/sync/open", &[]),
        ("no_cookie", &[], "/sync/open?wb_ck=1", &[]),
        ("consent", own, "/sync/open?us_privacy=1YYN", &[]),
        ("opted_out", own, "/sync/open", &[("Sec-GPC", "1")]),
        ("prefetch", own, "/sync/open?uid=b", &[("Sec-Purpose", "prefetch;prerender")]),
        ("bounced", &[], "/sync", &[]),
    ];
    for (_, cookies, path, headers) in calls {
        Browser::new(&server, jar(cookies)).call("GET", path, headers);
    }
    let mut again = Browser::new(&server, jar(own));
    again.call("GET", "/sync/open?uid=a", &[]);
    again.call("GET", "/sync/open?uid=a", &[]);
    let counted = metric(&server, "winback_syncs_total");
    let docs = include_str!("../../../docs/sync.md");
    let missing: Vec<&str> = calls
        .iter()
        .map(|(result, ..)| *result)
        .filter(|result| {
            !counted.keys().any(|labels| labels.ends_with(&format!("result=\"{result}\""))) || !docs.contains(&format!("`{result}`"))
        })
        .collect();
    println!("{counted:?}");
    let ages = metric(&server, "winback_match_age_seconds_bucket");
    let mut figures = Figures::new();
    figures.exactly("sync.call_results_missing", missing.len(), 0);
    figures.exactly(
        "sync.ages_counted",
        ages.get("exchange=\"open\",le=\"+Inf\"").copied().unwrap_or(0),
        1,
    );
    figures.exactly(
        "sync.errors_counted",
        metric(&server, "winback_sync_errors_total").values().sum::<u64>(),
        1,
    );
    figures.exactly(
        "sync.refusals_counted",
        metric(&server, "winback_sync_refusals_total").values().sum::<u64>(),
        1,
    );
    figures.settle();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Until a call comes out as wanted; false where it does not within half a minute.
fn comes(mut is: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::time::Instant::now() < end {
        if is() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    false
}

/// Longer than its `ttl` no match is used, but those that shops told; the next sync makes it anew.
#[test]
fn a_match_holds_as_long_as_its_ttl() {
    let mut setup = Setup::acme();
    setup.config["exchanges"][0]["sync"] = json!({"ttl": "5s"});
    let server = Server::fresh(setup);
    tell(&mut server.shop(), "acme", &cart(json!({"id": "ours-1"}), "acme", 1));
    tell(&mut server.shop(), "acme", &cart(theirs("told"), "acme", 1));
    let mut browser = Browser::new(&server, [("wb_uid".to_owned(), "ours-1".to_owned())].into());
    let mut exchange = server.exchange();
    let mut bids = |id: &str| ask(&mut exchange, &request("r", id, 1)).status == 200;
    let mut sync = || browser.call("GET", &format!("/sync/{EXCHANGE}?uid=synced"), &[]).status;
    let mut figures = Figures::new();
    assert_eq!(sync(), 200);
    assert!(bids("synced") && bids("told"));
    let lapses = comes(|| !bids("synced"));
    figures.judge("sync.match_lapses", lapses, "=true", lapses);
    assert!(bids("told"), "a shop's word holds longer");
    assert_eq!(sync(), 200);
    let is_anew = bids("synced");
    figures.judge("sync.match_made_anew", is_anew, "=true", is_anew);
    figures.settle();
}

/// How old a match is: in explain of each, as a metric of all that are held.
#[test]
fn the_age_of_matches_is_seen() {
    let mut setup = Setup::acme();
    setup.config["exchanges"][0]["sync"] = json!({"ttl": "48s"});
    let server = Server::fresh(setup);
    tell(&mut server.shop(), "acme", &cart(theirs("told"), "acme", 1));
    let mut browser = Browser::new(&server, [("wb_uid".to_owned(), "ours-1".to_owned())].into());
    assert_eq!(browser.call("GET", &format!("/sync/{EXCHANGE}?uid=synced"), &[]).status, 200);
    let told = |id: &str| {
        let body = request("r", id, 1).to_string();
        let answer = server.api().post(&format!("/api/explain/{EXCHANGE}"), body.as_bytes());
        answer.expect("an answer").json()["identity"]["ids"][0].clone()
    };
    let (synced, by_shop) = (told("synced"), told("told"));
    let explained = synced["age_s"].as_u64().is_some_and(|age_s| age_s < 48) && synced["matched_at"].is_string();
    assert_eq!(
        (&by_shop["led_to"], &by_shop["age_s"]),
        (&json!("matched"), &Value::Null),
        "a shop does not say"
    );
    let held = |name: &str, rest: &str| metric(&server, name).get(&format!("exchange=\"{EXCHANGE}\"{rest}")).copied();
    let counted = comes(|| held("winback_matches_by_age", ",le=\"3600\"") == Some(1));
    let all = held("winback_matches_by_age", ",le=\"+Inf\"");
    let mut figures = Figures::new();
    figures.judge("sync.match_age_explained", explained, "=true", explained);
    figures.judge("sync.match_ages_held", counted, "=true", counted);
    assert_eq!((all, held("winback_matches_told_by_shops", "")), (Some(1), Some(1)));
    figures.settle();
}
