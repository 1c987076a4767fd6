//! What will never spend, each case with its warning; and beside each a file as near to it that may.

use super::*;
use crate::base::time::Millis;
use crate::config::never_spends;
use crate::model::advertiser::Size;

/// 2026-06-01T00:00:00Z.
const NOW: Millis = Millis(1_780_272_000_000);
const SHOP: &str = r#"{"id": "a", "name": "A", "domain": "a.example", "site_key": "a", "feed": {"path": "f"},
"audiences": [{"id": "x", "include": [{"event": "view_item", "within": "14d", "min_count": 2}]}],
"creatives": [{"id": "card", "format": "banner", "sizes": ["300x250"]}, {"id": "n", "format": "native"}],
"frequency": [{"max": 20, "per": "30d"}],
"campaigns": [{"id": "c", "audiences": ["x"], "bid": {"type": "cpm", "amount": 4}, "budget": {"daily": 1}, "creatives": ["card"],
"frequency": [{"max": 3, "per": "1d"}], "flight": {"end": "2027-01-01T00:00:00"}, "targeting": {}}]}"#;

/// What is replaced, by what, and the warning; an empty one where there must be none.
const CASES: &[(&str, &str, &str)] = &[
    (
        "2027-01-01",
        "2026-06-01",
        "/campaigns/0/flight/end: this flight was over at 2026-06-01T00:00:00Z",
    ),
    ("2027-01-01", "2026-06-02", ""),
    (r#""end": "2027"#, r#""start": "2026-07-01T00:00:00", "end": "2027"#, ""),
    // Audiences that nobody can be in.
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}], "exclude": [{"event": "view_item", "within": "30d"}]"#,
        "/audiences/0: nobody can be in this audience: an `exclude` rule holds wherever an `include` rule does",
    ),
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}], "exclude": [{"event": "view_item", "within": "7d"}]"#,
        "",
    ),
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}], "exclude": [{"event": "view_item", "within": "30d", "min_count": 3}]"#,
        "",
    ),
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}], "exclude": [{"event": "view_item", "within": "30d", "brand": "B"}]"#,
        "",
    ),
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}], "exclude": [{"event": "view_item", "within": "30d", "min_value": 5}]"#,
        "",
    ),
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}], "exclude": [{"event": "view_item", "within": "30d", "older_than": "1d"}]"#,
        "",
    ),
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}], "exclude": [{"event": "purchase", "within": "30d"}]"#,
        "",
    ),
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}, {"event": "view_item", "within": "30d", "min_count": 0, "max_count": 1}]"#,
        "/audiences/0: nobody can be in this audience: one rule asks for 2 or more events, another for 1 or fewer of the same",
    ),
    (
        r#""min_count": 2}]"#,
        r#""min_count": 2}, {"event": "view_item", "within": "7d", "min_count": 0, "max_count": 1}]"#,
        "",
    ),
    (
        r#"{"event": "view_item", "within": "14d", "min_count": 2}]"#,
        r#"{"state": "cart", "within": "7d"}], "exclude": [{"state": "cart", "within": "30d"}]"#,
        "/audiences/0: nobody can be in this audience: an `exclude` rule holds wherever an `include` rule does",
    ),
    (
        r#""audiences": ["x"]"#,
        r#""audiences": ["x"], "exclude_audiences": ["x"]"#,
        "/campaigns/0/exclude_audiences: every audience of this campaign is excluded: it never bids",
    ),
    (
        r#""audiences": ["x"]"#,
        r#""audiences": [{"id": "x", "bid_multiplier": 0}]"#,
        "/campaigns/0/audiences: every `bid_multiplier` is 0: it never bids\n\
         /campaigns/0/bid: at most 0 for a thousand impressions: below the smallest price, 0.000001",
    ),
    // Money.
    (
        r#""daily": 1"#,
        r#""daily": 0.003999"#,
        "/campaigns/0/budget/daily: below what one impression may cost, 0.004",
    ),
    (r#""daily": 1"#, r#""daily": 0.004"#, ""),
    (
        r#""daily": 1"#,
        r#""total": 0.001"#,
        "/campaigns/0/budget/total: below what one impression may cost, 0.004",
    ),
    (
        r#""type": "cpm", "amount": 4"#,
        r#""type": "cpc", "amount": 4, "max_cpm": 1001"#,
        "/campaigns/0/budget/daily: below what one impression may cost, 1.001",
    ),
    (
        r#""type": "cpm", "amount": 4"#,
        r#""type": "cpc", "amount": 9999, "max_cpm": 5"#,
        "",
    ),
    (
        r#""frequency": [{"max": 20"#,
        r#""budget": {"total": 0.002}, "frequency": [{"max": 20"#,
        "/budget/total: below what one impression may cost, 0.004",
    ),
    (
        r#""amount": 4"#,
        r#""amount": 0.0000009"#,
        "/campaigns/0/bid: at most 0.0000009 for a thousand impressions: below the smallest price, 0.000001",
    ),
    // Caps.
    (
        r#"{"max": 3, "per": "1d"}"#,
        r#"{"max": 10, "per": "1d"}, {"max": 3, "per": "7d"}"#,
        "/campaigns/0/frequency/0: this cap never binds: 3 in 7d is stricter",
    ),
    (
        r#"{"max": 3, "per": "1d"}"#,
        r#"{"max": 3, "per": "1d"}, {"max": 10, "per": "7d"}"#,
        "",
    ),
    (
        r#"{"max": 3, "per": "1d"}"#,
        r#"{"max": 3, "per": "1d"}, {"max": 3, "per": "1d"}"#,
        "/campaigns/0/frequency/1: this cap never binds: 3 in 1d is stricter",
    ),
    (
        r#"{"max": 3, "per": "1d"}"#,
        r#"{"max": 10, "per": "1d"}, {"max": 3, "per": "7d", "scope": "creative"}"#,
        "",
    ),
    (
        r#"{"max": 3, "per": "1d"}"#,
        r#"{"max": 30, "per": "7d"}"#,
        "/campaigns/0/frequency/0: this cap never binds: 20 in 30d is stricter",
    ),
    // Targeting.
    (
        r#""targeting": {}"#,
        r#""targeting": {"countries": {"include": ["VN"], "exclude": ["VNM", "TH"]}}"#,
        "/campaigns/0/targeting/countries: all that `countries` includes is excluded: it never bids",
    ),
    (
        r#""targeting": {}"#,
        r#""targeting": {"countries": {"include": ["VN", "LA"], "exclude": ["VNM", "TH"]}}"#,
        "",
    ),
    (
        r#""targeting": {}"#,
        r#""targeting": {"domains": {"include": ["m.news.example"], "exclude": ["news.example"]}}"#,
        "/campaigns/0/targeting/domains: all that `domains` includes is excluded: it never bids",
    ),
    (
        r#""targeting": {}"#,
        r#""targeting": {"domains": {"include": ["mynews.example"], "exclude": ["news.example"]}}"#,
        "",
    ),
    (
        r#""targeting": {}"#,
        r#""targeting": {"exchanges": {"exclude": ["demo-x"]}}"#,
        "/campaigns/0/targeting/exchanges: every exchange is excluded: it never bids",
    ),
    (
        r#""targeting": {}"#,
        r#""targeting": {"formats": ["video"]}"#,
        "/campaigns/0/targeting/formats: none of its creatives is of these formats: it never bids",
    ),
    // What is shown.
    (r#""creatives": ["card"]"#, r#""creatives": ["n"]"#, ""),
    (r#""creatives": ["card"]"#, r#""creatives": ["n", "card"]"#, ""),
    (
        "300x250",
        "300x240",
        "/campaigns/0/creatives: no creative for any size of the last day's requests: most asked for 300x250, 728x90; \
         add 300x250 beside 300x240",
    ),
    (r#""feed": {"path": "f"},"#, "", ": no `feed`: without products nothing is shown"),
    (r#""id": "c""#, r#""id": "c", "status": "archived", "exclude_audiences": ["x"]"#, ""),
];

#[test]
fn what_never_spends_is_warned_of_and_nothing_else() {
    let (server, _) = read_server(SERVER).expect("server");
    let seen = [(Size { w: 300, h: 250 }, 9), (Size { w: 728, h: 90 }, 1)];
    let told = |text: &str| {
        let (draft, found) = draft_advertiser("a.json", Path::new("/nowhere"), text, &server);
        assert!(found.iter().all(|fault| fault.warning), "{found:?}");
        let warnings = never_spends("a.json", text, &draft.expect("read"), &server, NOW, &seen);
        assert!(warnings.iter().all(|fault| fault.warning && fault.line > 0), "{warnings:?}");
        let lines: Vec<String> = warnings
            .iter()
            .map(|said| match &said.remedy {
                Some(remedy) if remedy.starts_with("add 3") => format!("{}: {}; {remedy}", said.pointer, said.problem),
                _ => format!("{}: {}", said.pointer, said.problem),
            })
            .collect();
        lines.join("\n")
    };
    assert_eq!(told(SHOP), "");
    for (from, to, expected) in CASES {
        assert_eq!(told(&plant(SHOP, from, to)), *expected, "{to}");
    }
    let warned = CASES.iter().filter(|(.., expected)| !expected.is_empty()).count();
    println!("{} cases, {warned} of them warned of", CASES.len());
    assert!(CASES.len() >= 35 && warned >= 20);
}

#[test]
fn drafts_of_faulty_files_serve_to_check_the_rest() {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("winback.json");
    std::fs::write(&file, SERVER.replace("\"0.92\"", "\"0,92\"").replace("\"burl\"", "\"bill\"")).expect("written");
    let (server, found) = draft_server(&file);
    assert_eq!(found.iter().filter(|fault| !fault.warning).count(), 2, "{found:?}");
    let server = server.expect("a draft");
    let text = ADVERTISER.replace("\"USD\"", "\"EUR\"").replace("\"cpc\"", "\"cpx\"");
    let (draft, found) = draft_advertiser("a.json", dir.path(), &text, &server);
    let faults: Vec<&str> = found
        .iter()
        .filter(|fault| !fault.warning)
        .map(|fault| fault.pointer.as_str())
        .collect();
    assert_eq!(faults, ["/campaigns/0/bid/type"], "neither exchange nor currency is unknown");
    assert_eq!(
        draft.map(|draft| draft.currency.to_string()).as_deref(),
        Some("EUR"),
        "its feed can be read"
    );
    assert!(!dir.path().join("acme-event-key").exists(), "a draft makes no key");
    let claimed: Vec<_> = claims("a.json", &text)
        .into_iter()
        .map(|claim| (claim.key, claim.value, claim.fault.line))
        .collect();
    assert_eq!(
        claimed,
        [("id", "acme-shoes".to_owned(), 3), ("site_key", "acme-web-1".to_owned(), 10)]
    );
}
