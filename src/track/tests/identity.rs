//! Who is who: new users, merges, opt-outs and erasures; and that a batch composes.

use super::rig::{Rig, hex};
use crate::base::id::{UserKey, device_id};
use crate::base::money::Money;
use crate::model::rows::Table;
use crate::track::events::Sender;
use crate::track::fact::{Effect, Fact, IdRef, Sign};

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
        r#"{"address": "e1", "ifa": "0AB12CD3-0000-4000-8000-00000000000F", "first_party_id": "f", "exchange_ids": {"burl-x": "t"}}"#,
    )]);
    let fresh = Some(rig.key("fresh"));
    for (namespace, id) in [("ifa:", "0ab12cd300004000800000000000000f"), ("acme.example", "f"), ("burl-x", "t")] {
        assert_eq!(rig.matched(namespace, id), fresh, "{namespace}");
    }
    assert_eq!(rig.addressed("acme", "e1"), fresh);
    assert_eq!((rig.state.users.len(), rig.disk.count(Table::UserIds)), (1, 1));
    let rig = play(&[events(r#"{"id": "anna", "address": "e"}"#), events(r#"{"address": "e"}"#)]);
    assert_eq!(rig.profile(rig.key("anna")).events.len(), 2);
    assert_eq!(rig.state.users.len(), 1, "no user of the fresh id");
}

#[test]
fn device_ids_that_are_none_are_nobodys() {
    let id = "0ab12cd3-0000-4000-8000-00000000000f";
    for wrong in [
        "00000000-0000-0000-0000-000000000000",
        "00000000000000000000000000000000",
        "0",
        "not-a-uuid",
        &id[1..],
        &format!("{id}0"),
        &id.replace('f', "g"),
        &id.replacen('-', "0", 1),
        "0ab12cd3-0000-4000-8000-0000000000é",
    ] {
        let rig = Rig::new();
        let body = format!(r#"{{"user": {{"id": "anna", "ifa": "{wrong}"}}, "events": [{VIEW}]}}"#);
        let ids = rig.read(&Sender::Server, &body).expect("readable").batch.expect("events").ids;
        assert_eq!(ids.len(), 1, "{wrong}");
        assert_eq!(device_id(wrong.as_bytes()), None, "{wrong}");
    }
    let forms = [id.to_owned(), id.to_uppercase(), id.replace('-', "")];
    let read: Vec<_> = forms.iter().map(|form| device_id(form.as_bytes())).collect();
    assert!(read.iter().all(|form| form.is_some() && *form == read[0]), "{read:?}");
}

/// Vectors of UID2's documentation: an address as typed, as normalised by its rules, and the hash in base64.
const UID2: [(&str, &str, &str); 6] = [
    (
        "USER@example.com",
        "user@example.com",
        "tMmiiTI7IaAcPpQPFQ65uMVCWH8av9jw4cwf/F5HVRQ=",
    ),
    (
        "MyEmail@example.com",
        "myemail@example.com",
        "FsGNM28LJQ8OLZB0Us65ZYp07NrovJSGTCMSKnLMJ6U=",
    ),
    (
        "My.Email@example.com",
        "my.email@example.com",
        "4itTvG+HEnTzpiqzejyu1yFPwU1nYhWpaiQvz62hyB8=",
    ),
    (
        "JaneSaoirse+Work@example.com",
        "janesaoirse+work@example.com",
        "KKruSBUjDNO069iMUVImVQZm6RrAGZKeOtrD9mwogYA=",
    ),
    (
        "Jane.Saoirse@gmail.com",
        "janesaoirse@gmail.com",
        "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8=",
    ),
    (
        "JaneSaoirse+Work@gmail.com",
        "janesaoirse@gmail.com",
        "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8=",
    ),
];

#[test]
fn a_hashed_address_is_one_in_hexadecimal_and_in_base64_and_nothing_else_is_taken_for_one() {
    let rig = Rig::new();
    let read = |text: &str| {
        let body = format!(r#"{{"user": {{"id": "anna", "email_sha256": "{text}"}}, "events": [{VIEW}, {VIEW}]}}"#);
        rig.read(&Sender::Server, &body).expect("readable")
    };
    let id = |text: &str| read(text).batch.expect("events").ids.remove(1);
    for (_, normalised, base64) in UID2 {
        let forms = [hex(normalised), hex(normalised).to_uppercase(), format!(" {base64} ")];
        let ids: Vec<IdRef> = forms.iter().map(|form| id(form)).collect();
        assert!(
            ids.iter().all(|one| *one == ids[0] && matches!(one, IdRef::Email(..))),
            "{normalised}"
        );
    }
    assert_eq!(id(UID2[4].2), id(UID2[5].2), "one person by gmail's rule");
    let (_, address, base64) = UID2[0];
    for wrong in [
        address,
        &hex(address)[1..],
        &base64[1..],
        &base64.replace('=', "@"),
        &hex(address).replace('b', "x"),
        "xyz",
    ] {
        let read = read(wrong);
        assert!(read.batch.is_none(), "{wrong}");
        let faults: Vec<_> = read.rejected.iter().map(|r| (r.index, r.pointer.as_str())).collect();
        assert_eq!(faults, [(0, "/user/email_sha256"), (1, "/user/email_sha256")]);
        let problem = &read.rejected[0].problem;
        assert!(!problem.contains(wrong) && problem.contains("SHA-256"), "{problem}");
        assert_eq!(problem.contains("in the clear"), wrong.contains('@'), "{problem}");
    }
}

#[test]
fn namespaces_of_people_and_of_other_shops_cannot_be_claimed() {
    let user = r#"{"id": "anna", "exchange_ids": {"email_sha256:": "e", "ifa:": "i", "other.example": "f", "acme.example": "f"}}"#;
    let rig = play(&[events(user)]);
    assert_eq!(rig.state.matches.len(), 0);
}

/// Of two users who both came with an id of ours the one with the least key is left.
fn in_order(rig: &Rig, a: &str, b: &str) -> (UserKey, UserKey) {
    let (a, b) = (rig.key(a), rig.key(b));
    (a.min(b), a.max(b))
}

#[test]
fn two_known_users_become_one_with_everything_of_both() {
    let rig = play(&[
        events(r#"{"id": "anna", "exchange_ids": {"burl-x": "a"}}"#),
        events(r#"{"id": "bob", "first_party_id": "e", "exchange_ids": {"imp-x": "b"}}"#),
        sign(Sign::Bill, "bob", 1),
        sign(Sign::Win, "anna", 2),
        // Names neither `a` nor `b`.
        events(r#"{"id": "anna", "first_party_id": "e"}"#),
        // Evidence of tickets made out to who is no more.
        sign(Sign::Bill, "bob", 1),
        sign(Sign::Pixel, "bob", 1),
        sign(Sign::Bill, "bob", 3),
        events(r#"{"id": "bob"}"#),
    ]);
    let (one, other) = in_order(&rig, "anna", "bob");
    for (namespace, id) in [("burl-x", "a"), ("imp-x", "b"), ("acme.example", "e")] {
        assert_eq!(rig.matched(namespace, id), Some(one), "{namespace}");
    }
    assert_eq!(rig.profile(one).events.len(), 4);
    assert!(!rig.state.users.contains(other.0) && !rig.state.exposures.contains(other.0));
    let mut tags: Vec<u64> = rig.exposures(one).iter().map(|e| e.tag.0).collect();
    tags.sort_unstable();
    assert_eq!(tags, [1, 2, 3]);
    assert_eq!(rig.row().impressions, 2);
    assert_eq!(rig.disk.count(Table::Orphans), 0);
}

#[test]
fn a_chain_of_merges_leads_to_one() {
    let rig = play(&[
        events(r#"{"id": "a", "first_party_id": "1"}"#),
        events(r#"{"id": "b", "first_party_id": "2"}"#),
        events(r#"{"id": "c", "first_party_id": "3"}"#),
        events(r#"{"id": "b", "first_party_id": "1"}"#),
        events(r#"{"id": "c", "first_party_id": "2"}"#),
        sign(Sign::Bill, "a", 1),
        events(r#"{"id": "a"}"#),
    ]);
    let c = rig.key("a").min(rig.key("b")).min(rig.key("c"));
    assert_eq!(
        (rig.profile(c).events.len(), rig.exposures(c).len(), rig.state.users.len()),
        (6, 1, 1)
    );
    for id in ["1", "2", "3"] {
        assert_eq!(rig.matched("acme.example", id), Some(c));
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
    let all = r#"{"id": "anna", "first_party_id": "f", "address": "e", "exchange_ids": {"burl-x": "t"}}"#;
    let rig = play(&[
        events(r#"{"id": "old", "first_party_id": "f"}"#),
        events(all),
        forget("old", true),
        events(r#"{"id": "anna"}"#),
        events(r#"{"id": "old"}"#),
        events(r#"{"address": "e"}"#),
        events(r#"{"first_party_id": "f"}"#),
        events(r#"{"id": "new", "address": "e"}"#),
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
        events(r#"{"id": "anna", "address": "e"}"#),
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
    assert_eq!((rig.disk.count(Table::Matches), rig.disk.count(Table::UserMatches)), (0, 0));
}

#[test]
fn an_erased_user_who_comes_back_is_a_new_one() {
    let rig = play(&[
        events(r#"{"id": "anna", "address": "e"}"#),
        sign(Sign::Win, "anna", 1),
        forget("anna", false),
        events(r#"{"id": "anna", "address": "e"}"#),
        sign(Sign::Bill, "anna", 1),
        sign(Sign::Bill, "anna", 1),
        sign(Sign::Bill, "anna", 2),
    ]);
    let anna = rig.key("anna");
    assert_eq!(rig.profile(anna).events.len(), 1);
    assert_eq!(rig.addressed("acme", "e"), Some(anna));
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
            r#"{"id": "bob", "first_party_id": "e"}"#,
            r#"{"id": "anna", "first_party_id": "e"}"#,
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
