//! What the log of facts says of people: a handle, never a key; and for how long.

use serde_json::Value;

use super::rig::Rig;
use crate::base::id::UserKey;
use crate::base::limits::NOTICE_LIFE;
use crate::base::time::Span;
use crate::model::rows::{Table, head, tail};
use crate::track::fact::{Effect, Fact, Sign};

const VIEW: &str = r#"{"event": "page_view"}"#;

fn meet(rig: &mut Rig, user: &str) {
    let fact = rig.events(user, VIEW);
    rig.one(fact);
}

/// A bill, which is a fact.
fn bill(rig: &mut Rig, user: UserKey, tag: u64) -> Effect {
    let ticket = rig.ticket(user, 0);
    let fact = rig.sign(Sign::Bill, ticket, tag, "1");
    rig.one(fact)
}

fn facts(rig: &Rig) -> Vec<Value> {
    let read = |(_, value): (_, &Vec<u8>)| serde_json::from_slice(value).expect("json");
    rig.disk.table(Table::Facts).map(read).collect()
}

/// Whom the facts tell of, in their order.
fn handles(rig: &Rig) -> Vec<Option<String>> {
    facts(rig).iter().map(|fact| fact["user"].as_str().map(str::to_owned)).collect()
}

fn forget(rig: &mut Rig, user: UserKey) {
    rig.one(Fact::Forget { user, opt_out: false });
}

#[test]
fn facts_name_a_user_by_a_handle_that_an_erasure_drops() {
    let mut rig = Rig::new();
    let [anna, bob] = ["anna", "bob"].map(|name| rig.key(name));
    meet(&mut rig, r#"{"id": "anna"}"#);
    meet(&mut rig, r#"{"id": "bob"}"#);
    for (user, tag) in [(anna, 1), (bob, 2), (anna, 3)] {
        assert_eq!(bill(&mut rig, user, tag), Effect::Settled);
    }
    rig.restart();
    let order = r#"{"event": "purchase", "transaction_id": "o", "items": [{"item_id": "a", "price": 9}]}"#;
    let refund = r#"{"event": "refund", "transaction_id": "o"}"#;
    let click = rig.sign(Sign::Click, rig.ticket(anna, 0), 3, "1");
    rig.one(click);
    for event in [order, refund] {
        let fact = rig.events(r#"{"id": "anna"}"#, event);
        rig.one(fact);
    }
    let told = handles(&rig);
    let [a, b] = [told[0].clone(), told[1].clone()];
    assert!(a.is_some() && b.is_some() && a != b, "{told:?}");
    assert_eq!(
        told,
        [a.clone(), b, a.clone(), a.clone(), a.clone(), a.clone()],
        "a restart draws no other"
    );
    let logged: Vec<u8> = rig.disk.table(Table::Facts).flat_map(|(_, value)| value.clone()).collect();
    let logged = String::from_utf8(logged).expect("text");
    for key in [anna.0, anna.0.swap_bytes()] {
        assert!(!logged.contains(&format!("{key:016x}")) && !logged.contains(&key.to_string()));
    }
    forget(&mut rig, anna);
    assert!(!rig.disk.mentions(anna.0), "nothing leads to her facts");
    assert_eq!(rig.disk.count(Table::Handles), 1);
    let late = rig.sign(Sign::Click, rig.ticket(anna, 0), 1, "1");
    assert_eq!(rig.one(late), Effect::Recorded);
    assert_eq!(handles(&rig).last(), Some(&None), "of somebody who is gone");
    assert!(!rig.disk.mentions(anna.0));
    meet(&mut rig, r#"{"id": "anna"}"#);
    bill(&mut rig, anna, 9);
    let again = handles(&rig).pop().flatten();
    assert!(again.is_some() && again != a, "who comes back is somebody else");
    rig.assert_durable();
}

#[test]
fn of_two_who_are_one_a_fact_says_so() {
    let mut rig = Rig::new();
    for (name, theirs) in [("anna", "a"), ("bob", "b"), ("cleo", "c")] {
        meet(
            &mut rig,
            &format!(r#"{{"id": "{name}", "exchange_ids": {{"burl-x": "{theirs}"}}}}"#),
        );
    }
    let [anna, bob, cleo] = ["anna", "bob", "cleo"].map(|name| rig.key(name));
    bill(&mut rig, bob, 1);
    // Who has none takes the other's; of two the merged one is told.
    meet(&mut rig, r#"{"id": "anna", "exchange_ids": {"burl-x": "b"}}"#);
    bill(&mut rig, cleo, 2);
    meet(&mut rig, r#"{"id": "anna", "exchange_ids": {"burl-x": "c"}}"#);
    bill(&mut rig, anna, 3);
    let told = handles(&rig);
    assert_eq!((&told[0], told[1] != told[0]), (&told[3], true));
    let merge = &facts(&rig)[2];
    assert_eq!(
        (merge["fact"].as_str(), merge["merged"].as_str()),
        (Some("merge"), told[1].as_deref())
    );
    assert_eq!((&told[2], rig.disk.count(Table::Handles)), (&told[0], 1));
    forget(&mut rig, bob);
    assert_eq!(rig.disk.count(Table::Handles), 0);
    assert!([anna, bob, cleo].iter().all(|user| !rig.disk.mentions(user.0)));
    rig.assert_durable();
}

#[test]
fn facts_beyond_the_retention_go_day_by_day_and_the_books_stay() {
    let mut rig = Rig::new();
    rig.world.retention_s = Span::days(30).0;
    meet(&mut rig, r#"{"id": "anna"}"#);
    let anna = rig.key("anna");
    let (mut most, days) = (0, 75);
    for day in 0..days {
        for n in 0..3 {
            assert_eq!(bill(&mut rig, anna, 10 * day + n), Effect::Settled);
        }
        most = most.max(rig.disk.count(Table::Facts));
        if day % 20 == 7 {
            rig.restart();
        }
        rig.later(Span::DAY.0);
    }
    assert!((30 * 3..=32 * 3).contains(&most), "{most} facts of 30 days");
    assert_eq!(rig.row().impressions, 3 * days, "what reports are made of stays");
    assert_eq!(rig.totals().0, rig.row().billed);
    let numbers: Vec<u64> = rig.disk.table(Table::Facts).filter_map(|(key, _)| tail(key)).collect();
    assert_eq!(numbers.last(), Some(&(3 * days - 1)), "numbers go on");
    // Nothing happens for long: the first commit drops all of it.
    rig.later(Span::days(200).0);
    rig.record(Vec::new());
    assert_eq!((rig.disk.count(Table::Facts), rig.row().impressions), (0, 3 * days));
    bill(&mut rig, anna, 10_000);
    let parts: Vec<_> = rig.disk.table(Table::Facts).filter_map(|(key, _)| head(key)).collect();
    assert_eq!(parts, [u64::from(rig.now.to_secs().0 / Span::DAY.0)]);
    rig.assert_durable();
}

#[test]
fn an_impression_of_somebody_erased_is_billed_and_tells_of_nobody() {
    // The pixel came before the erasure, after it, or in one commit with it.
    for case in 0..3 {
        let mut rig = Rig::new();
        meet(&mut rig, r#"{"id": "anna"}"#);
        let anna = rig.key("anna");
        let ticket = rig.ticket(anna, 0);
        let held = rig.hold(&ticket);
        let pixel = rig.sign(Sign::Pixel, ticket, 1, "");
        let erase = Fact::Forget {
            user: anna,
            opt_out: false,
        };
        let facts = match case {
            0 | 2 => vec![pixel, erase],
            _ => vec![erase, pixel],
        };
        let commits = if case == 2 {
            vec![facts]
        } else {
            facts.into_iter().map(|fact| vec![fact]).collect()
        };
        commits.into_iter().for_each(|facts| assert!(!rig.record(facts).is_empty()));
        assert!(!rig.disk.mentions(anna.0), "{case}: it waits for nobody");
        assert_eq!(rig.disk.count(Table::Pending), 1, "{case}");
        rig.assert_durable();
        if case == 1 {
            rig.restart();
        }
        rig.later(u32::from(ticket.hold_s) + 1);
        rig.record(Vec::new());
        let row = rig.row();
        assert_eq!((row.impressions, rig.disk.count(Table::Pending)), (1, 0), "{case}");
        assert!(row.billed > crate::base::money::Money::ZERO && row.billed <= held, "{case}");
        let late = rig.sign(Sign::Bill, ticket, 1, "1");
        assert_eq!(rig.one(late), Effect::Recorded, "{case}: known, and billed already");
        assert_eq!(rig.row().impressions, 1);
        rig.later(NOTICE_LIFE.0);
        rig.record(Vec::new());
        assert!(!rig.disk.mentions(anna.0), "{case}");
        rig.assert_durable();
    }
}
