//! Who leaves when: against a list sorted by when users were seen; and what is left of them.

use std::collections::BTreeMap;

use super::rig::Rig;
use crate::base::hash::mix;
use crate::base::id::UserKey;
use crate::base::limits::{CLICK_LIFE, EVENT_ID_LIFE, ORDER_LIFE};
use crate::base::time::{Secs, Span};
use crate::model::rows::Table;
use crate::state::hand::{Bounds, Leaving, Plan, Why};
use crate::state::maps::SHARDS;
use crate::state::records::SEEN_STEP_S;
use crate::track::fact::{Effect, Fact, Sign};

const VIEW: &str = r#"{"event": "page_view"}"#;
const FOREVER: u32 = Span::days(4_000).0;

/// Whom the plan is about, shard by shard.
fn named(rig: &Rig, plan: &mut Plan) -> Vec<Leaving> {
    let mut one = Vec::new();
    let shards = (0..SHARDS).flat_map(|shard| {
        plan.sweep(&rig.state, shard, &mut one);
        one.clone()
    });
    shards.collect()
}

/// One round of the hand; returns who was asked to leave.
fn round(rig: &mut Rig, bounds: &Bounds) -> Vec<Leaving> {
    let Some(mut plan) = Plan::new(&rig.state, bounds, rig.now.to_secs()) else {
        return Vec::new();
    };
    let all = named(rig, &mut plan);
    for some in all.chunks(50) {
        rig.one(Fact::Evict(some.to_vec()));
    }
    all
}

fn meet(rig: &mut Rig, name: &str) -> UserKey {
    let fact = rig.events(&format!(r#"{{"id": "{name}", "exchange_ids": {{"burl-x": "{name}"}}}}"#), VIEW);
    rig.one(fact);
    rig.key(name)
}

fn evicted(rig: &Rig, why: Why) -> u64 {
    rig.state.evicted[why as usize].load(std::sync::atomic::Ordering::Relaxed)
}

/// Users who come at random, some of them again, and when each was last seen.
fn crowd(rig: &mut Rig, users: u64) -> BTreeMap<UserKey, Secs> {
    let mut seen = BTreeMap::new();
    for n in 0..users + users / 2 {
        rig.later((mix(n) % 4_000) as u32);
        let user = meet(rig, &format!("u{}", if n < users { n } else { mix(n) % users }));
        seen.insert(user, rig.now.to_secs());
    }
    seen
}

/// Those who stay of `seen` when the least recently seen leave until `left` are left, compared by step.
fn assert_newest(rig: &Rig, seen: &BTreeMap<UserKey, Secs>) {
    let step = |user: &UserKey| seen[user].0 / SEEN_STEP_S;
    let (stayed, left): (Vec<_>, Vec<_>) = seen.keys().partition(|user| rig.state.users.contains(user.0));
    let oldest_stayed = stayed.into_iter().map(step).min().expect("somebody stays");
    let newest_left = left.iter().copied().map(step).max().expect("somebody leaves");
    assert!(newest_left <= oldest_stayed, "{newest_left} left, {oldest_stayed} stayed");
    for user in left {
        assert!(!rig.disk.mentions(user.0), "a trace of {user:?}");
    }
}

#[test]
fn the_least_recently_seen_leave_when_memory_is_full_and_no_more_than_need() {
    let mut rig = Rig::new();
    let seen = crowd(&mut rig, 600);
    let full = rig.state.users_bytes();
    let bounds = |bytes| Bounds {
        retention_s: FOREVER,
        bytes_max: Some(bytes),
    };
    assert_eq!(round(&mut rig, &bounds(full)), [], "full is not too full");
    let mut rounds = 0;
    for share in [90, 60, 59, 20] {
        let most = full * share / 100;
        let users = rig.state.users.len();
        let mut asked = 0;
        // Who has not been seen for long has a shorter record than most: what leaves first may not do.
        while rig.state.users_bytes() > most {
            asked += round(&mut rig, &bounds(most)).len();
            rounds += 1;
        }
        let bytes = rig.state.users_bytes();
        assert_eq!(users - asked, rig.state.users.len());
        assert!(bytes <= most && bytes >= most - most / 20, "{bytes} of {most}");
        assert_newest(&rig, &seen);
        rig.assert_durable();
    }
    let gone = evicted(&rig, Why::Memory);
    println!("{rounds} rounds, {gone} of {} users left", seen.len());
    assert!((4..=12).contains(&rounds) && gone >= 450 && evicted(&rig, Why::Retention) == 0);
}

#[test]
fn who_is_not_seen_within_the_retention_leaves_and_nobody_else() {
    let mut rig = Rig::new();
    let seen = crowd(&mut rig, 300);
    let bounds = Bounds {
        retention_s: Span::days(3).0,
        bytes_max: None,
    };
    round(&mut rig, &bounds);
    let (now, slack) = (rig.now.to_secs(), SEEN_STEP_S);
    let mut checked = [0; 2];
    for (user, at) in &seen {
        let age = now.since(*at);
        if age > bounds.retention_s + slack || age < bounds.retention_s {
            assert_eq!(rig.state.users.contains(user.0), age < bounds.retention_s, "{age}");
            checked[usize::from(age < bounds.retention_s)] += 1;
        }
    }
    assert!(checked[0] >= 50 && checked[1] >= 50, "{checked:?}");
    assert_eq!(evicted(&rig, Why::Retention) as usize, seen.len() - rig.state.users.len());
    assert_eq!(round(&mut rig, &bounds), [], "once is enough");
    rig.assert_durable();
}

#[test]
fn an_impression_is_a_sign_of_life_and_whoever_came_back_meanwhile_stays() {
    let mut rig = Rig::new();
    for name in ["anna", "bob", "cleo"] {
        meet(&mut rig, name);
    }
    let sync = rig.matching("dan", "burl-x", "d");
    rig.one(sync);
    let bounds = Bounds {
        retention_s: Span::days(20).0,
        bytes_max: None,
    };
    rig.later(Span::days(19).0);
    let shown = rig.sign(Sign::Bill, rig.ticket(rig.key("bob"), 0), 1, "1");
    rig.one(shown);
    rig.later(Span::days(2).0);
    let mut plan = Plan::new(&rig.state, &bounds, rig.now.to_secs()).expect("some are due");
    let leaving = named(&rig, &mut plan);
    assert_eq!(
        leaving.len(),
        3,
        "all but bob, who was shown something; dan is known by a sync only"
    );
    meet(&mut rig, "cleo");
    assert_eq!(rig.one(Fact::Evict(leaving.clone())), Effect::Recorded);
    assert_eq!(rig.one(Fact::Evict(leaving)), Effect::Repeat);
    let here = |rig: &Rig, name: &str| rig.state.users.contains(rig.key(name).0);
    let stayed = ["anna", "bob", "cleo", "dan"].map(|name| here(&rig, name));
    assert_eq!(stayed, [false, true, true, false]);
    assert_eq!((rig.matched("burl-x", "d"), rig.matched("burl-x", "anna")), (None, None));
    rig.assert_durable();
}

#[test]
fn evidence_of_an_evicted_users_bids_counts_once_for_as_long_as_its_token_lives() {
    let mut rig = Rig::new();
    let user = meet(&mut rig, "anna");
    let ticket = rig.ticket(user, 0);
    let signs = [(Sign::Bill, 1), (Sign::Pixel, 1), (Sign::Win, 2)];
    for (sign, tag) in signs {
        let fact = rig.sign(sign, ticket, tag, "1");
        rig.one(fact);
    }
    let leaving = Leaving {
        user,
        seen: rig.now.to_secs(),
        why: Why::Memory,
    };
    assert_eq!(rig.one(Fact::Evict(vec![leaving])), Effect::Recorded);
    assert_eq!(
        (rig.state.users.len(), rig.state.exposures.len(), rig.state.matches.len()),
        (0, 0, 0)
    );
    assert_eq!(rig.disk.count(Table::Orphans), 2);
    for day in [0, 1, 1] {
        rig.later(Span::days(day).0 / 2);
        for (sign, tag) in signs {
            let fact = rig.sign(sign, ticket, tag, "1");
            assert_eq!(rig.one(fact), Effect::Repeat, "day {day}");
        }
    }
    let late = rig.sign(Sign::Bill, ticket, 2, "1");
    assert_eq!(rig.one(late), Effect::Settled);
    assert_eq!(rig.row().impressions, 2);
    rig.later(CLICK_LIFE.0 - Span::days(2).0);
    for expected in [Effect::Recorded, Effect::Repeat] {
        let click = rig.sign(Sign::Click, ticket, 1, "1");
        assert_eq!(rig.one(click), expected, "a click's token lives longest");
    }
    rig.assert_durable();
}

#[test]
fn a_repeat_is_known_for_as_long_as_was_said_and_no_longer() {
    let event = r#"{"event": "page_view", "event_id": "e"}"#;
    let order = r#"{"event": "purchase", "transaction_id": "o", "items": [{"item_id": "a", "price": 1}]}"#;
    let mut tried = 0;
    for (event, life) in [(event, EVENT_ID_LIFE), (order, ORDER_LIFE)] {
        // Told at any time of the day, and of the part that it falls into.
        for start in [0, 11, 23, 24 * 7, 24 * 33] {
            let mut rig = Rig::new();
            rig.later(start * 3_600);
            let told = |rig: &mut Rig| {
                let before = rig.profile(rig.key("anna")).sections.first().map_or(0, |section| section.visits);
                let fact = rig.events(r#"{"id": "anna"}"#, event);
                rig.one(fact);
                rig.profile(rig.key("anna")).sections[0].visits > before
            };
            assert!(told(&mut rig));
            for hour in 1..=(life.0 / 3_600 - 1) {
                rig.later(3_600);
                rig.record(Vec::new());
                if hour % 997 == 0 {
                    rig.restart();
                }
            }
            assert!(!told(&mut rig), "{event} {start}: still known");
            if life == EVENT_ID_LIFE {
                rig.later(3_600);
                assert!(told(&mut rig), "{event} {start}: known no more");
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 10);
}

#[test]
fn tables_of_what_was_seen_before_do_not_grow_with_time() {
    let mut rig = Rig::new();
    let mut most: BTreeMap<Table, usize> = BTreeMap::new();
    let tables = [Table::EventIds, Table::Orders, Table::Orphans];
    let days = ORDER_LIFE.0 / Span::DAY.0 * 2;
    for day in 0..days {
        let event = format!(
            r#"{{"event": "purchase", "event_id": "e{day}", "transaction_id": "o{day}", "items": [{{"item_id": "a", "price": 1}}]}}"#
        );
        for repeat in [false, true] {
            let visits = |rig: &Rig| rig.profile(rig.key("anna")).sections.first().map_or(0, |section| section.visits);
            let before = visits(&rig);
            let fact = rig.events(r#"{"id": "anna"}"#, &event);
            rig.one(fact);
            assert_eq!(visits(&rig) == before, repeat, "day {day}");
        }
        let nobody = rig.sign(Sign::Bill, rig.ticket(rig.key("nobody"), 0), u64::from(day), "1");
        rig.one(nobody);
        for table in tables {
            let rows = rig.disk.count(table);
            most.entry(table).and_modify(|most| *most = rows.max(*most)).or_insert(rows);
        }
        rig.later(Span::DAY.0);
        if day % 97 == 0 {
            rig.restart();
        }
    }
    let lives = [EVENT_ID_LIFE, ORDER_LIFE, CLICK_LIFE].map(|life| (life.0 / Span::DAY.0) as usize);
    println!("{days} days: at most {most:?} rows, of {lives:?} days");
    for (table, life) in tables.iter().zip(lives) {
        assert!((life..life + 42).contains(&most[table]), "{table:?}: {} rows", most[table]);
    }
}
