//! Links by addresses: one person at the shop that sent them, and nowhere else; and ids that many come with.

use super::rig::Rig;
use crate::base::id::UserKey;
use crate::base::time::Span;
use crate::model::rows::Table;
use crate::state::hand::{Leaving, Why};
use crate::state::home_key;
use crate::track::fact::{Fact, Sign};

/// So many users come with one foreign id.
const MOST_USERS: usize = 5;
const VIEW: &str = r#"{"event": "page_view"}"#;

fn tell(rig: &mut Rig, shop: &str, user: &str) {
    let fact = rig.events_at(shop, user, VIEW);
    rig.one(fact);
}

/// How many events each of the two shops knows of a user, as a decision is told, and how many impressions.
fn known(rig: &Rig, user: UserKey) -> (usize, usize, usize) {
    let (profile, shown) = rig.recalled(user);
    let of = |shop: &str| profile.section(rig.shop(shop).advertiser.no).map_or(0, |s| profile.events(s).len());
    (of("acme"), of("other"), shown.len())
}

/// Anna and bob gave one address at `acme`; both have been at both shops.
fn two() -> (Rig, UserKey, UserKey) {
    let mut rig = Rig::new();
    for name in ["anna", "bob"] {
        tell(
            &mut rig,
            "other",
            &format!(r#"{{"id": "{name}", "exchange_ids": {{"burl-x": "{name}"}}}}"#),
        );
        tell(&mut rig, "acme", &format!(r#"{{"id": "{name}"}}"#));
        tell(&mut rig, "acme", &format!(r#"{{"id": "{name}", "address": "e"}}"#));
        rig.assert_durable();
    }
    let (anna, bob) = (rig.key("anna"), rig.key("bob"));
    (rig, anna, bob)
}

#[test]
fn an_address_makes_one_person_at_its_shop_and_two_at_others() {
    let (mut rig, anna, bob) = two();
    assert_eq!((known(&rig, anna), known(&rig, bob)), ((4, 1, 0), (4, 1, 0)));
    assert_eq!(
        (rig.matched("burl-x", "anna"), rig.matched("burl-x", "bob")),
        (Some(anna), Some(bob))
    );
    // What either does at the shop, or is shown for it, both are known for; at the other shop only one.
    tell(&mut rig, "acme", r#"{"id": "anna"}"#);
    tell(&mut rig, "acme", r#"{"address": "e"}"#);
    tell(&mut rig, "other", r#"{"id": "bob"}"#);
    for (user, tag) in [(anna, 1), (bob, 2), (bob, 2)] {
        let bill = rig.sign(Sign::Bill, rig.ticket(user, 0), tag, "1");
        rig.one(bill);
    }
    assert_eq!((known(&rig, anna), known(&rig, bob)), ((6, 1, 2), (6, 2, 2)));
    assert_eq!(rig.row().impressions, 2);
    // The same address at the other shop is another matter: nobody is linked by both.
    tell(&mut rig, "other", r#"{"id": "carl", "address": "e"}"#);
    assert_eq!(known(&rig, rig.key("carl")), (0, 1, 0));
    assert_eq!((known(&rig, anna), known(&rig, bob)), ((6, 1, 2), (6, 2, 2)));
    rig.assert_durable();
    rig.restart();
    assert_eq!((known(&rig, anna), known(&rig, bob)), ((6, 1, 2), (6, 2, 2)));
}

#[test]
fn two_at_one_address_who_turn_out_to_be_one_browser_are_one() {
    let (mut rig, anna, bob) = two();
    tell(&mut rig, "acme", r#"{"id": "carl", "address": "f"}"#);
    for user in [
        r#"{"id": "anna", "first_party_id": "f"}"#,
        r#"{"id": "bob", "first_party_id": "f"}"#,
    ] {
        tell(&mut rig, "acme", user);
    }
    let (one, other) = (anna.min(bob), anna.max(bob));
    assert_eq!(known(&rig, one), (6, 2, 0));
    assert!(!rig.state.users.contains(other.0));
    // Homes are merged like users, and so are those of two who have one each.
    tell(&mut rig, "acme", r#"{"id": "dan", "address": "f"}"#);
    tell(&mut rig, "acme", r#"{"id": "dan", "address": "e"}"#);
    for name in ["anna", "carl", "dan"] {
        let key = if name == "anna" { one } else { rig.key(name) };
        assert_eq!(known(&rig, key).0, 9, "{name}");
    }
    tell(&mut rig, "acme", r#"{"id": "dan", "first_party_id": "f"}"#);
    assert_eq!(known(&rig, one.min(rig.key("dan"))), (10, 2, 0));
    rig.assert_durable();
}

#[test]
fn erasing_one_erases_what_the_shop_kept_of_the_person() {
    for opt_out in [false, true] {
        let (mut rig, anna, bob) = two();
        let no = rig.shop("acme").advertiser.no;
        let home = rig.state.matched(home_key(anna, no)).expect("a home");
        rig.one(Fact::Forget { user: anna, opt_out });
        assert_eq!((known(&rig, anna), known(&rig, bob)), ((0, 0, 0), (0, 1, 0)));
        assert_eq!(rig.addressed("acme", "e"), None);
        if !opt_out {
            let gone = [anna.0, home.0, home_key(anna, no).0];
            assert!(!gone.iter().any(|key| rig.disk.mentions(*key)), "no row tells of them");
        }
        let users = rig.state.users.len();
        for user in [
            r#"{"address": "e"}"#,
            r#"{"id": "anna"}"#,
            r#"{"exchange_ids": {"burl-x": "anna"}}"#,
        ] {
            tell(&mut rig, "acme", user);
        }
        assert_eq!(rig.state.users.len() == users, opt_out, "who opted out comes back by no id");
        tell(&mut rig, "acme", r#"{"id": "bob"}"#);
        assert_eq!(known(&rig, bob), (1, 1, 0));
        rig.assert_durable();
    }
}

#[test]
fn a_home_leaves_when_nobody_was_seen_there_and_users_by_themselves() {
    let (mut rig, anna, bob) = two();
    let no = rig.shop("acme").advertiser.no;
    let home = rig.state.matched(home_key(anna, no)).expect("a home");
    rig.later(Span::days(1).0);
    let leave = |rig: &Rig, user: UserKey| {
        Fact::Evict(vec![Leaving {
            user,
            seen: rig.now.to_secs(),
            why: Why::Retention,
        }])
    };
    let fact = leave(&rig, anna);
    rig.one(fact);
    assert_eq!((known(&rig, anna), known(&rig, bob)), ((0, 0, 0), (4, 1, 0)));
    let fact = leave(&rig, home);
    rig.one(fact);
    assert_eq!(known(&rig, bob), (0, 1, 0));
    tell(&mut rig, "acme", r#"{"id": "bob", "address": "e"}"#);
    assert_eq!(known(&rig, bob), (1, 1, 0));
    rig.assert_durable();
}

#[test]
fn an_id_that_many_come_with_is_nobodys_for_a_day() {
    let ids = [
        r#""first_party_id": "undefined""#,
        r#""address": "shop@acme.example""#,
        r#""exchange_ids": {"burl-x": "t"}"#,
    ];
    for (n, id) in ids.into_iter().enumerate() {
        let mut rig = Rig::with_shared_ids(MOST_USERS);
        let leads = |rig: &Rig| match n {
            0 => rig.matched("acme.example", "undefined"),
            1 => rig.addressed("acme", "shop@acme.example"),
            _ => rig.matched("burl-x", "t"),
        };
        // Whoever comes with it alone is one of those who come with it.
        tell(&mut rig, "acme", &format!("{{{id}}}"));
        for user in 0..MOST_USERS {
            tell(&mut rig, "acme", &format!(r#"{{"id": "u{user}", {id}}}"#));
            assert!(leads(&rig).is_some(), "{id} {user}");
        }
        let first = leads(&rig).expect("few users");
        let before = known(&rig, first).0;
        assert_eq!(before, MOST_USERS + 1, "{id}");
        for user in ["more", "u0", "other"] {
            tell(&mut rig, "acme", &format!(r#"{{"id": "{user}", {id}}}"#));
            assert_eq!(leads(&rig), None, "{id} {user}");
        }
        assert_eq!(known(&rig, rig.key("other")).0, 1, "{id}: nothing of the others'");
        let users = rig.state.users.len();
        tell(&mut rig, "acme", &format!("{{{id}}}"));
        assert_eq!(rig.state.users.len(), users, "{id}: alone it is nobody");
        rig.assert_durable();
        rig.later(Span::DAY.0);
        tell(&mut rig, "acme", &format!(r#"{{"id": "more", {id}}}"#));
        assert_eq!(leads(&rig), Some(rig.key("more")), "{id}: another day");
        assert_eq!(rig.disk.count(Table::Shared), 0, "{id}");
        rig.assert_durable();
    }
}

#[test]
fn a_sync_id_that_many_browsers_claim_is_nobodys_for_a_day() {
    let mut rig = Rig::with_shared_ids(MOST_USERS);
    for user in 0..MOST_USERS + 2 {
        let name = format!("u{user}");
        let sync = rig.matching(&name, "burl-x", "t");
        rig.one(sync);
        let expected = (user < MOST_USERS).then(|| rig.key(&name));
        assert_eq!(rig.matched("burl-x", "t"), expected, "{user}");
    }
    assert_eq!(rig.state.users.len(), MOST_USERS + 2, "each is still there");
}
