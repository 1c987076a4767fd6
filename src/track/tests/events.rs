//! What the reader of events accepts, and what it says of the rest.

use super::rig::{NOW, Rig};
use crate::base::limits::{EVENT_ID_LIFE, ITEMS_PER_EVENT_MAX};
use crate::base::money::Money;
use crate::model::profile::Profile;
use crate::track::events::Sender;
use crate::track::fact::{Fact, NewEvent};

fn browser() -> Sender {
    Sender::Browser {
        cookie: Some("cookie-of-anna".into()),
        invalid: None,
    }
}

/// The one event of a server's batch, or where and what is wrong with it.
fn read_one(rig: &Rig, event: &str) -> Result<NewEvent, (String, String)> {
    let read = rig.read(&Sender::Server, &format!(r#"{{"user": {{"id": "anna"}}, "events": [{event}]}}"#));
    let read = read.expect("batch");
    match read.rejected.into_iter().next() {
        Some(fault) => Err((fault.pointer, fault.problem)),
        None => Ok(read.batch.expect("batch").events.remove(0)),
    }
}

#[test]
fn every_fault_has_its_place_and_the_others_count() {
    let rig = Rig::new();
    let items = |n: usize| format!(r#"{{"event":"purchase","items":[{}]}}"#, vec![r#"{"item_id":"a"}"#; n].join(","));
    let long = "x".repeat(257);
    let cases = [
        ("7", "", "not an event"),
        ("{}", "", "missing field `event`"),
        (r#"{"event": 3}"#, "", "not an event"),
        (r#"{"event": "buy"}"#, "/event", "unknown event `buy`"),
        (r#"{"event": "custom:"}"#, "/event", "unknown event"),
        (r#"{"event": "custom"}"#, "/event", "unknown event"),
        (r#"{"event":"view_item","currency":"dollars"}"#, "/currency", "`dollars`"),
        (r#"{"event":"view_item","value":"12,50"}"#, "/value", "12,50"),
        (r#"{"event":"view_item","value":-1}"#, "/value", "no amount"),
        (r#"{"event":"view_item","value":[1]}"#, "/value", "no amount"),
        (r#"{"event":"view_item","time":"yesterday"}"#, "/time", "RFC 3339"),
        (r#"{"event":"view_item","time":true}"#, "/time", "RFC 3339"),
        (r#"{"event":"view_item","time":1e300}"#, "/time", "RFC 3339"),
        (r#"{"event":"view_item","time":-1}"#, "/time", "longer ago"),
        (r#"{"event":"view_item","time":1700000000}"#, "/time", "longer ago"),
        (r#"{"event":"view_item","time":1790000301}"#, "/time", "in the future"),
        (r#"{"event":"view_item","items":[{"item_id":" "}]}"#, "/items/0/item_id", "1 to 256"),
        (
            &format!(r#"{{"event":"view_item","items":[{{"item_id":"{long}"}}]}}"#),
            "/items/0/item_id",
            "1 to 256",
        ),
        (
            r#"{"event":"view_item","items":[{"item_id":"a"},{"item_id":"b","price":"x"}]}"#,
            "/items/1/price",
            "no amount",
        ),
        (
            r#"{"event":"view_item","items":[{"item_id":"a","quantity":0}]}"#,
            "/items/0/quantity",
            "whole number",
        ),
        (
            r#"{"event":"view_item","items":[{"item_id":"a","quantity":-2}]}"#,
            "/items/0/quantity",
            "whole number",
        ),
        (
            r#"{"event":"view_item","items":[{"item_id":"a","quantity":1.5}]}"#,
            "/items/0/quantity",
            "whole number",
        ),
        (
            r#"{"event":"view_item","items":[{"item_id":"a","quantity":1e9}]}"#,
            "/items/0/quantity",
            "whole number",
        ),
        (&items(ITEMS_PER_EVENT_MAX + 1), "/items", "33 items"),
    ];
    let good = r#"{"event": "page_view"}"#;
    for (event, pointer, problem) in cases {
        let body = format!(r#"{{"user": {{"id": "anna"}}, "events": [{good}, {event}, {good}]}}"#);
        let read = rig.read(&Sender::Server, &body).expect("batch");
        assert_eq!((read.accepted, read.rejected.len()), (2, 1), "{event}");
        let fault = &read.rejected[0];
        assert_eq!((fault.index, fault.pointer.as_str()), (1, pointer), "{event}: {}", fault.problem);
        assert!(fault.problem.contains(problem), "{event}: {}", fault.problem);
    }
    assert_eq!(
        read_one(&rig, &items(ITEMS_PER_EVENT_MAX)).expect("read").entries.len(),
        ITEMS_PER_EVENT_MAX
    );
}

#[test]
fn ids_are_as_long_as_they_may_be() {
    let rig = Rig::new();
    let long = "x".repeat(256);
    let event = read_one(&rig, &format!(r#"{{"event":"view_item","items":[{{"item_id":" {long} "}}]}}"#)).expect("an event");
    assert_eq!(event.entries.len(), 1);
}

#[test]
fn a_batch_that_cannot_be_read_says_why() {
    let rig = Rig::new();
    let many = |n: usize| {
        format!(
            r#"{{"user": {{"id": "a"}}, "events": [{}]}}"#,
            vec![r#"{"event":"page_view"}"#; n].join(",")
        )
    };
    let cases = [
        ("", "not as described"),
        ("[]", "not as described"),
        (r#"{"user": {"id": "a"}}"#, "missing field `events`"),
        (r#"{"events": [{"event":"page_view"}]}"#, "no user"),
        (r#"{"user": {"id": " "}, "events": []}"#, "no user"),
        (r#"{"user": {"ifa": "0000-00"}, "events": []}"#, "no user"),
        (r#"{"user": 5, "events": []}"#, "`user`"),
        (&many(1_001), "1001 events in one batch"),
        (
            &format!(r#"{{"user": {{"id": "{}"}}, "events": []}}"#, "x".repeat(300)),
            "longer than 256",
        ),
    ];
    for (body, problem) in cases {
        let error = rig.read(&Sender::Server, body).expect_err(body);
        assert!(error.contains(problem), "{body}: {error}");
    }
    assert_eq!(rig.read(&Sender::Server, &many(1_000)).expect("read").accepted, 1_000);
}

#[test]
fn without_permission_nothing_is_read() {
    let rig = Rig::new();
    let refusing = [
        r#"{"gdpr": 1}"#,
        r#"{"gdpr": true, "gdpr_consent": "CO"}"#,
        r#"{"gdpr": "1"}"#,
        r#"{"gpp_sid": [2]}"#,
        r#"{"gpp_sid": ["2"]}"#,
        r#"{"gpp_sid": "-1,7"}"#,
        r#"{"gpp_sid": 8}"#,
        r#"{"us_privacy": "1YYN"}"#,
        r#"{"gpc": true}"#,
        r#"{"gpc": 1}"#,
    ];
    for consent in refusing {
        // Even a user that is none goes unread.
        let body = format!(r#"{{"user": 5, "consent": {consent}, "events": [{{"event":"page_view"}}, 3]}}"#);
        for sender in [Sender::Server, browser()] {
            let read = rig.read(&sender, &body).expect("batch");
            assert!(read.batch.is_none() && read.accepted == 0, "{consent}");
            let pointers: Vec<_> = read.rejected.iter().map(|r| (r.index, r.pointer.as_str())).collect();
            assert_eq!(pointers, [(0, "/consent"), (1, "/consent")]);
        }
    }
    for consent in ["null", "{}", r#"{"gdpr": 0, "gpp_sid": [-1], "us_privacy": "1YNN", "gpc": false}"#] {
        let body = format!(r#"{{"user": {{"id": "a"}}, "consent": {consent}, "events": [{{"event":"page_view"}}]}}"#);
        assert_eq!(rig.read(&Sender::Server, &body).expect("batch").accepted, 1, "{consent}");
    }
    let body = r#"{"user": {"first_party_id": "f"}, "events": [{"event":"page_view"}]}"#;
    let read = rig.read(&Sender::Objector, body).expect("batch");
    assert!(read.batch.is_none() && read.rejected.len() == 1);
}

#[test]
fn browsers_name_neither_users_nor_times() {
    let rig = Rig::new();
    let body = r#"{"user": {"id": "victim", "email_sha256": "e", "ifa": "i", "exchange_ids": {"burl-x": "t"}, "first_party_id": "f"},
                   "events": [{"event":"page_view"}, {"event":"page_view","time":1789999999}]}"#;
    let read = rig.read(&browser(), body).expect("batch");
    assert_eq!((read.rejected[0].index, read.rejected[0].pointer.as_str()), (1, "/time"));
    let ids = read.batch.expect("batch").ids;
    let keys: Vec<u64> = ids
        .iter()
        .map(|id| match id {
            crate::track::fact::IdRef::Ours(key, _) => key.0,
            crate::track::fact::IdRef::Foreign(key, _) | crate::track::fact::IdRef::Email(key, _) => key.0,
            crate::track::fact::IdRef::Clicked(key) => key.0,
        })
        .collect();
    let first_party = rig.world.hashes.foreign("acme.example", b"f").0;
    assert_eq!(keys, [rig.key("cookie-of-anna").0, first_party]);
    for cookie in [None, Some(String::new()), Some("x".repeat(5_000))] {
        let sender = Sender::Browser { cookie, invalid: None };
        let read = rig.read(&sender, r#"{"events": [{"event":"page_view"}]}"#);
        assert!(read.expect("batch").batch.expect("batch").ids.is_empty());
    }
}

#[test]
fn times_are_read_in_every_form() {
    let rig = Rig::new();
    let at = crate::base::time::Millis(1_789_990_000_500).to_secs();
    for time in [
        "1789990000",
        "1789990000.5",
        "1789990000500",
        r#""2026-09-21T11:26:40Z""#,
        r#""2026-09-21T18:26:40.5+07:00""#,
    ] {
        let event = read_one(&rig, &format!(r#"{{"event":"page_view","time":{time}}}"#)).expect(time);
        assert_eq!(event.entries[0].at, at, "{time}");
    }
    for event in [r#"{"event":"page_view"}"#, r#"{"event":"page_view","time":null}"#] {
        assert_eq!(read_one(&rig, event).expect("read").entries[0].at, NOW.to_secs());
    }
    assert!(
        read_one(&rig, r#"{"event":"page_view","time":1790000300}"#).is_ok(),
        "five minutes ahead"
    );
}

#[test]
fn values_are_in_the_shops_currency_and_prefixes_are_cut() {
    let rig = Rig::new();
    let of = |extra: &str| read_one(&rig, &format!(r#"{{"event":"purchase",{extra}}}"#)).expect(extra);
    let usd = |text: &str| Money::parse(text).expect("amount");
    assert_eq!(of(r#""value": 10.10"#).value, usd("10.1"));
    assert_eq!(of(r#""value": "8", "currency": "eur""#).value, usd("10"));
    assert_eq!(of(r#""value": 8, "currency": "KWD""#).value, Money::ZERO, "no rate");
    let two = of(r#""items": [{"item_id":"x","price":0.8,"quantity":3},{"item_id":"sku-1","quantity":"2"}], "currency":"EUR""#);
    assert_eq!(
        (two.entries[0].value, two.entries[1].value),
        (usd("3"), usd("40")),
        "listed prices are the shop's"
    );
    assert_eq!((two.value, two.entries[1].continued, two.entries[1].quantity), (usd("43"), true, 2));
    let listed = rig.world.hashes.product(rig.shop("acme").advertiser.no, "sku-1");
    for (id, expected) in [
        ("web_sku-1", true),
        ("sku-1", true),
        (" sku-1 ", true),
        ("app_sku-1", false),
        ("web_gone", false),
    ] {
        let event = of(&format!(r#""items": [{{"item_id":"{id}"}}]"#));
        assert_eq!(event.entries[0].product == listed, expected, "{id}");
    }
}

#[test]
fn no_amount_breaks_a_record() {
    let rig = Rig::new();
    for price in ["1e17", "170000000000000000", "99999999999999999999"] {
        let text = format!(r#"{{"event":"purchase","items":[{{"item_id":"a","price":"{price}","quantity":1000000}},{{"item_id":"b"}}]}}"#);
        let Ok(event) = read_one(&rig, &text) else { continue };
        let mut profile = Profile::default();
        profile.remember(rig.shop("acme").advertiser.no, &event.entries);
        let mut again = Profile::default();
        again.read(&profile.write());
        assert_eq!(again, profile, "{price}");
    }
}

#[test]
fn event_ids_and_orders_count_once() {
    let mut rig = Rig::new();
    let send = |rig: &mut Rig, user: &str, event: &str| {
        let fact = rig.events(&format!(r#"{{"id": "{user}"}}"#), event);
        rig.record(vec![fact]);
        rig.profile(rig.key(user)).events.len()
    };
    let view = r#"{"event":"page_view","event_id":"e"}"#;
    assert_eq!(send(&mut rig, "anna", view), 1);
    rig.later(EVENT_ID_LIFE.0 - 1);
    assert_eq!(send(&mut rig, "anna", view), 1);
    rig.later(1);
    assert_eq!(send(&mut rig, "anna", view), 2, "after a week it is another event");
    let order = r#"{"event":"purchase","transaction_id":"o"}"#;
    assert_eq!(send(&mut rig, "anna", order), 3);
    rig.later(40 * 86_400);
    assert_eq!(send(&mut rig, "bob", order), 0, "an order is one for the whole shop");
    rig.restart();
    assert_eq!(send(&mut rig, "anna", order), 3);
    assert_eq!(
        send(&mut rig, "anna", r#"{"event":"refund","transaction_id":"o"}"#),
        4,
        "a refund names its order"
    );
    assert_eq!(send(&mut rig, "anna", r#"{"event":"purchase","transaction_id":""}"#), 5);
    assert_eq!(
        send(&mut rig, "anna", r#"{"event":"purchase","transaction_id":""}"#),
        6,
        "empty is none"
    );
    let twice = format!("{view}, {view}");
    let Fact::Events(batch) = rig.events(r#"{"id": "cleo"}"#, &twice.replace("\"e\"", "\"f\"")) else {
        panic!("events")
    };
    rig.record(vec![Fact::Events(batch)]);
    assert_eq!(rig.profile(rig.key("cleo")).events.len(), 1, "twice in one batch");
    rig.assert_durable();
}
