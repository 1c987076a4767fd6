//! Who is who: new users, merges, opt-outs and erasures; and that a batch composes.

use super::rig::Rig;
use crate::base::money::Money;
use crate::model::rows::Table;
use crate::track::fact::{Effect, Fact, Sign};

const VIEW: &str = r#"{"event": "page_view"}"#;

/// What a fact of the list is made of.
type Make = Box<dyn Fn(&Rig) -> Fact>;

fn events(user: &'static str) -> Make {
    Box::new(move |rig| rig.events(user, VIEW))
}

fn sign(sign: Sign, user: &'static str, tag: u64) -> Make {
    Box::new(move |rig| rig.sign(sign, rig.ticket(rig.key(user), 0), tag, "1"))
}

fn forget(user: &'static str, opt_out: bool) -> Make {
    Box::new(move |rig| Fact::Forget {
        user: rig.key(user),
        opt_out,
    })
}

fn sync(ours: &'static str, theirs: &'static str) -> Make {
    Box::new(move |rig| rig.matching(ours, "burl-x", theirs))
}

/// Plays facts one a batch and all in one batch; both must come to the same. Returns the latter.
fn play(facts: &[Make]) -> Rig {
    let (mut single, mut together) = (Rig::new(), Rig::new());
    let mut effects = Vec::new();
    for make in facts {
        let fact = make(&single);
        effects.push(single.one(fact));
    }
    let batch = facts.iter().map(|make| make(&together)).collect();
    assert_eq!(together.record(batch), effects);
    assert_eq!(single.disk.rows, together.disk.rows);
    single.assert_durable();
    together.assert_durable();
    together
}

#[test]
fn an_unseen_id_makes_a_user_and_all_ids_lead_there() {
    let rig = play(&[events(
        r#"{"email_sha256": "E1", "ifa": "A-1", "first_party_id": "f", "exchange_ids": {"burl-x": "t"}}"#,
    )]);
    let fresh = Some(rig.key("fresh"));
    for (namespace, id) in [("email_sha256:", "e1"), ("ifa:", "a-1"), ("acme.example", "f"), ("burl-x", "t")] {
        assert_eq!(rig.matched(namespace, id), fresh, "{namespace}");
    }
    assert_eq!((rig.state.users.len(), rig.disk.count(Table::UserIds)), (1, 1));
    let rig = play(&[events(r#"{"id": "anna", "email_sha256": "e"}"#), events(r#"{"email_sha256": "E"}"#)]);
    assert_eq!(rig.profile(rig.key("anna")).events.len(), 2);
    assert_eq!(rig.state.users.len(), 1, "no user of the fresh id");
    let rig = play(&[events(r#"{"id": "anna", "ifa": "00000000-0000"}"#)]);
    assert_eq!(rig.state.matches.len(), 0, "the all-zero device id is nobody's");
}

#[test]
fn namespaces_of_people_and_of_other_shops_cannot_be_claimed() {
    let user = r#"{"id": "anna", "exchange_ids": {"email_sha256:": "e", "ifa:": "i", "other.example": "f", "acme.example": "f"}}"#;
    let rig = play(&[events(user)]);
    assert_eq!(rig.state.matches.len(), 0);
}

#[test]
fn two_known_users_become_one_with_everything_of_both() {
    let rig = play(&[
        events(r#"{"id": "anna", "exchange_ids": {"burl-x": "a"}}"#),
        events(r#"{"id": "bob", "email_sha256": "e", "exchange_ids": {"imp-x": "b"}}"#),
        sign(Sign::Bill, "bob", 1),
        sign(Sign::Win, "anna", 2),
        // Names neither `a` nor `b`.
        events(r#"{"id": "anna", "email_sha256": "e"}"#),
        // Evidence of tickets made out to who is no more.
        sign(Sign::Bill, "bob", 1),
        sign(Sign::Pixel, "bob", 1),
        sign(Sign::Bill, "bob", 3),
        events(r#"{"id": "bob"}"#),
    ]);
    let (anna, bob) = (rig.key("anna"), rig.key("bob"));
    for (namespace, id) in [("burl-x", "a"), ("imp-x", "b"), ("email_sha256:", "e")] {
        assert_eq!(rig.matched(namespace, id), Some(anna), "{namespace}");
    }
    assert_eq!(rig.profile(anna).events.len(), 4);
    assert!(!rig.state.users.contains(bob.0) && !rig.state.exposures.contains(bob.0));
    let mut tags: Vec<u64> = rig.exposures(anna).iter().map(|e| e.tag.0).collect();
    tags.sort_unstable();
    assert_eq!(tags, [1, 2, 3]);
    assert_eq!(rig.row().impressions, 2);
    assert_eq!(rig.disk.count(Table::Orphans), 0);
}

#[test]
fn a_chain_of_merges_leads_to_the_last() {
    let rig = play(&[
        events(r#"{"id": "a", "email_sha256": "1"}"#),
        events(r#"{"id": "b", "email_sha256": "2"}"#),
        events(r#"{"id": "c", "email_sha256": "3"}"#),
        events(r#"{"id": "b", "email_sha256": "1"}"#),
        events(r#"{"id": "c", "email_sha256": "2"}"#),
        sign(Sign::Bill, "a", 1),
        events(r#"{"id": "a"}"#),
    ]);
    let c = rig.key("c");
    assert_eq!(
        (rig.profile(c).events.len(), rig.exposures(c).len(), rig.state.users.len()),
        (6, 1, 1)
    );
    for id in ["1", "2", "3"] {
        assert_eq!(rig.matched("email_sha256:", id), Some(c));
    }
}

#[test]
fn a_sync_before_or_after_events_finds_them() {
    for facts in [
        [events(r#"{"id": "anna"}"#), sync("anna", "t")],
        [sync("anna", "t"), events(r#"{"id": "anna"}"#)],
        [sync("anna", "t"), events(r#"{"exchange_ids": {"burl-x": "t"}}"#)],
    ] {
        let rig = play(&facts);
        assert_eq!(rig.matched("burl-x", "t"), Some(rig.key("anna")));
        assert_eq!(rig.profile(rig.key("anna")).events.len(), 1);
    }
    // Of who is only known by a sync there is a record of when that was, or they would never leave.
    let rig = play(&[sync("anna", "t"), sync("bob", "t")]);
    assert_eq!((rig.state.users.len(), rig.matched("burl-x", "t")), (2, Some(rig.key("bob"))));
    let bob = rig.profile(rig.key("bob"));
    assert_eq!((bob.seen, bob.sections.len()), (rig.now.to_secs(), 0));
}

#[test]
fn who_opted_out_stays_forgotten_whatever_id_comes_back() {
    let all = r#"{"id": "anna", "email_sha256": "e", "exchange_ids": {"burl-x": "t"}}"#;
    let rig = play(&[
        events(r#"{"id": "old", "email_sha256": "e"}"#),
        events(all),
        forget("old", true),
        events(r#"{"id": "anna"}"#),
        events(r#"{"id": "old"}"#),
        events(r#"{"email_sha256": "e"}"#),
        events(r#"{"id": "new", "exchange_ids": {"burl-x": "t"}}"#),
        sync("new", "t"),
        sync("anna", "u"),
        sign(Sign::Bill, "anna", 1),
    ]);
    assert_eq!(
        (rig.state.users.len(), rig.state.matches.len(), rig.state.exposures.len()),
        (0, 0, 0)
    );
    assert_eq!((rig.disk.count(Table::UserIds), rig.disk.count(Table::UserMatches)), (0, 0));
    assert_eq!(rig.row().impressions, 1, "money is money");
}

#[test]
fn an_erased_users_late_burl_counts_once_and_makes_nothing() {
    let rig = play(&[
        events(r#"{"id": "anna", "email_sha256": "e"}"#),
        sign(Sign::Bill, "anna", 1),
        sign(Sign::Win, "anna", 2),
        forget("anna", false),
        sign(Sign::Bill, "anna", 1),
        sign(Sign::Bill, "anna", 2),
        sign(Sign::Bill, "anna", 2),
        sign(Sign::Bill, "anna", 3),
        sign(Sign::Bill, "anna", 3),
    ]);
    assert_eq!(rig.row().impressions, 3);
    assert_eq!(rig.totals().0, Money(3 * 1_150_000));
    assert!(!rig.disk.mentions(rig.key("anna").0), "no row tells of the user");
    assert!(!rig.disk.mentions(rig.world.hashes.foreign("email_sha256:", b"e").0));
}

#[test]
fn an_erased_user_who_comes_back_is_a_new_one() {
    let rig = play(&[
        events(r#"{"id": "anna", "email_sha256": "e"}"#),
        sign(Sign::Win, "anna", 1),
        forget("anna", false),
        events(r#"{"id": "anna", "email_sha256": "e"}"#),
        sign(Sign::Bill, "anna", 1),
        sign(Sign::Bill, "anna", 1),
        sign(Sign::Bill, "anna", 2),
    ]);
    let anna = rig.key("anna");
    assert_eq!(rig.profile(anna).events.len(), 1);
    assert_eq!(rig.matched("email_sha256:", "e"), Some(anna));
    let tags: Vec<u64> = rig.exposures(anna).iter().map(|e| e.tag.0).collect();
    assert_eq!(tags, [2], "what was shown before the erasure stays apart");
    assert_eq!(rig.row().impressions, 2);
}

#[test]
fn erasing_a_merged_user_by_either_id_erases_both() {
    for by in ["anna", "bob"] {
        let mut rig = Rig::new();
        for user in [
            r#"{"id": "anna"}"#,
            r#"{"id": "bob", "email_sha256": "e"}"#,
            r#"{"id": "anna", "email_sha256": "e"}"#,
        ] {
            let fact = rig.events(user, VIEW);
            rig.record(vec![fact]);
        }
        let fact = forget(by, false)(&rig);
        assert_eq!(rig.one(fact), Effect::Recorded);
        let users = [rig.key("anna"), rig.key("bob")];
        assert!(!users.iter().any(|user| rig.disk.mentions(user.0)), "{by}");
        rig.assert_durable();
    }
}

#[test]
fn a_sync_with_somebody_elses_id_takes_the_id_but_not_the_history() {
    let rig = play(&[
        events(r#"{"id": "anna"}"#),
        sync("anna", "theirs"),
        sync("mallory", "theirs"),
        forget("anna", false),
    ]);
    assert_eq!(rig.matched("burl-x", "theirs"), Some(rig.key("mallory")), "not erased with anna");
    assert_eq!(rig.state.users.len(), 1);
    assert_eq!(
        rig.profile(rig.key("mallory")).sections.len(),
        0,
        "nothing of anna's went to mallory"
    );
}
