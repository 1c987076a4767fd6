//! Matches that browsers bring: how long they hold, and in which version of an exchange's ids.

use super::rig::Rig;
use crate::base::id::{MatchKey, UserKey};
use crate::base::time::Span;
use crate::model::rows::Table;
use crate::track::fact::{Effect, Fact, IdRef};

const VIEW: &str = r#"{"event": "page_view"}"#;

impl Rig {
    fn bring(&mut self, ours: &str, label: &str, theirs: &str) {
        let exchange = label.split(':').next().unwrap_or(label);
        let mut fact = self.matching(ours, exchange, theirs);
        if let Fact::Match(ids, _) = &mut fact
            && let Some(IdRef::Foreign(_, namespace)) = ids.last_mut()
        {
            label.clone_into(namespace);
        }
        assert_eq!(self.one(fact), Effect::Recorded);
    }

    fn lapse(&mut self, ours: &str, theirs: &[&str]) -> Effect {
        let user = self.key(ours);
        let of = |id: &&str| (user, self.world.hashes.foreign("burl-x", id.as_bytes()));
        let all: Vec<(UserKey, MatchKey)> = theirs.iter().map(of).collect();
        self.one(Fact::Lapse(all))
    }
}

#[test]
fn a_match_lapses_unless_it_is_made_anew() {
    let mut rig = Rig::new();
    rig.bring("anna", "burl-x", "old");
    rig.bring("anna", "burl-x", "renewed");
    rig.bring("anna", "imp-x", "of an exchange without sync");
    let told = rig.events(r#"{"id": "anna", "exchange_ids": {"burl-x": "told"}}"#, VIEW);
    rig.one(told);
    rig.later(Span::days(30).0 - 1);
    let all = ["old", "renewed", "told", "nobody's"];
    assert_eq!(rig.lapse("anna", &all), Effect::Repeat, "none is over");
    rig.bring("anna", "burl-x", "renewed");
    rig.later(1);
    assert_eq!(rig.lapse("bob", &all), Effect::Repeat, "none is bob's");
    assert_eq!(rig.lapse("anna", &all), Effect::Recorded);
    let anna = Some(rig.key("anna"));
    let found = all.map(|id| rig.matched("burl-x", id));
    assert_eq!(found, [None, anna, anna, None]);
    assert_eq!(rig.matched("imp-x", "of an exchange without sync"), anna);
    assert_eq!(rig.disk.count(Table::UserMatches), 3);
    rig.bring("anna", "burl-x", "old");
    assert_eq!(rig.matched("burl-x", "old"), anna);
    rig.assert_durable();
}

#[test]
fn another_version_makes_ids_of_before_void() {
    let mut rig = Rig::new();
    rig.bring("anna", "burl-x:1", "a");
    rig.bring("anna", "burl-x:1", "b");
    rig.bring("anna", "imp-x:1", "a");
    rig.bring("bob", "burl-x:1", "c");
    let told = rig.events(r#"{"id": "anna", "exchange_ids": {"burl-x": "told"}}"#, VIEW);
    rig.one(told);
    let (anna, bob) = (Some(rig.key("anna")), Some(rig.key("bob")));
    assert_eq!(
        (rig.matched("burl-x", "a"), rig.matched("burl-x", "b")),
        (anna, anna),
        "of one version there may be several"
    );
    rig.bring("anna", "burl-x:2", "d");
    assert_eq!(
        ["a", "b", "c", "d", "told"].map(|id| rig.matched("burl-x", id)),
        [None, None, bob, anna, anna]
    );
    assert_eq!(rig.matched("imp-x", "a"), anna);
    // The same id in another version is that version's.
    rig.bring("anna", "burl-x:3", "d");
    assert_eq!(rig.matched("burl-x", "d"), anna);
    rig.bring("anna", "burl-x:3", "e");
    assert_eq!((rig.matched("burl-x", "d"), rig.matched("burl-x", "e")), (anna, anna));
    rig.assert_durable();
}

/// Rows of two users who turn out to be one keep when their matches were made.
#[test]
fn a_merged_users_matches_lapse_in_their_turn() {
    let mut rig = Rig::new();
    rig.bring("anna", "burl-x", "a");
    let one = rig.events(r#"{"id": "bob", "exchange_ids": {"burl-x": "a"}}"#, VIEW);
    rig.one(one);
    assert_eq!(rig.matched("burl-x", "a"), Some(rig.key("bob")));
    rig.later(Span::days(30).0);
    assert_eq!(rig.lapse("bob", &["a"]), Effect::Recorded);
    assert_eq!(rig.matched("burl-x", "a"), None);
    rig.assert_durable();
}
