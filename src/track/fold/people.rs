//! Who is who: ids that lead to one user, users who turn out to be one person, users who leave or are erased.
//!
//! All of it laid over the State, like any other fact; nothing here touches the disk but by the fold's reads.

use std::collections::BTreeMap;
use std::io;

use super::{Change, Fold, Trust};
use crate::base::id::{BidTag, MatchKey, UserKey};
use crate::base::limits::{CLICK_LIFE, EXPOSURES_MAX};
use crate::base::time::Secs;
use crate::model::exposure::Exposure;
use crate::model::rows::{Table, pair, tail};
use crate::model::ticket::Ticket;
use crate::state::hand::Leaving;
use crate::track::fact::IdRef;

impl Fold<'_> {
    /// Whoever is known by an id only has a record too, which says when, so that they leave in their turn.
    pub(in crate::track) fn meet(&mut self, user: UserKey) {
        if !self.is_known(user) {
            self.profile(user).seen = self.now;
        }
    }

    /// A known user was shown something: that counts as having been seen.
    pub(in crate::track) fn touch(&mut self, user: UserKey, at: Secs) {
        if self.is_known(user) {
            let profile = self.profile(user);
            profile.seen = profile.seen.max(at);
        }
    }

    /// Lets users leave who were not seen since; true if any did.
    pub fn evict(&mut self, leaving: &[Leaving]) -> io::Result<bool> {
        let mut any = false;
        for one in leaving {
            if self.is_known(one.user) && self.profile(one.user).seen <= one.seen {
                self.forget(one.user, false)?;
                self.changes.push(Change::Evicted(one.why));
                any = true;
            }
        }
        Ok(any)
    }

    /// Makes all ids lead to one user, and returns it. Users that turn out to be the same person are
    /// merged into the one named by the most trusted id.
    pub fn resolve(&mut self, ids: &[IdRef], fresh: &(UserKey, String), trust: Trust) -> io::Result<UserKey> {
        let known: Vec<UserKey> = ids.iter().filter_map(|id| self.user_of(id)).collect();
        let named = ids.iter().find_map(|id| match id {
            IdRef::Ours(key, name) => Some((self.canonical(*key), name)),
            IdRef::Foreign(..) | IdRef::Clicked(_) => None,
        });
        let user = match (named, known.first()) {
            (Some((user, name)), _) => {
                self.name(user, name)?;
                self.put(Table::Claims, user.0.to_be_bytes().to_vec(), Some(Vec::new()));
                user
            }
            (None, Some(user)) => *user,
            (None, None) => {
                self.name(fresh.0, &fresh.1)?;
                fresh.0
            }
        };
        for other in known.into_iter().filter(|other| *other != user) {
            // Whoever calls a sync can name anybody's id: a user with a cookie of their own keeps what is
            // known of them, and only the id moves.
            if trust == Trust::Shop || self.get(Table::Claims, &other.0.to_be_bytes())?.is_none() {
                self.merge(user, other)?;
            }
        }
        for id in ids {
            if let IdRef::Foreign(key, namespace) = id
                && self.matched(*key) != Some(user)
            {
                if let Some(old) = self.matched(*key) {
                    self.put(Table::UserMatches, pair(old.0, key.0), None);
                }
                self.matches.insert(*key, Some(user));
                self.put(Table::UserMatches, pair(user.0, key.0), Some(namespace.clone().into_bytes()));
            }
        }
        Ok(user)
    }

    /// Erases a user: record, impressions, matches and names; what was billed stays, without a name.
    /// An opt-out bars every id that led to the user, or the next sync would undo it. Returns the keys that
    /// led to them.
    pub fn forget(&mut self, named: UserKey, opt_out: bool) -> io::Result<Vec<u64>> {
        let user = self.canonical(named);
        let mut barred = vec![named.0, user.0];
        let now = self.now;
        let can_be_told_of = |exposure: &Exposure| now.since(exposure.at) <= CLICK_LIFE.0;
        for exposure in std::mem::take(self.exposures(user)).into_iter().filter(can_be_told_of) {
            self.orphan(exposure.tag, exposure.flags);
        }
        self.users.insert(user, None);
        self.exposures.insert(user, None);
        for (key, _) in self.scan(Table::UserMatches, &user.0.to_be_bytes())? {
            if let Some(foreign) = tail(&key) {
                self.matches.insert(MatchKey(foreign), None);
                barred.push(foreign);
            }
            self.put(Table::UserMatches, key, None);
        }
        self.put(Table::UserIds, user.0.to_be_bytes().to_vec(), None);
        self.put(Table::Claims, user.0.to_be_bytes().to_vec(), None);
        self.drop_handle(user);
        for key in barred.iter().filter(|_| opt_out) {
            self.put(Table::OptedOut, key.to_be_bytes().to_vec(), Some(Vec::new()));
        }
        self.changes.push(Change::Moved(user));
        Ok(barred)
    }

    /// Forgets a user for good: noted by hashes, so that no backup brings them back.
    pub fn erase(&mut self, named: UserKey, opt_out: bool, now: Secs) -> io::Result<()> {
        let keys = self.forget(named, opt_out)?;
        self.wait_for_nobody(&keys);
        for key in keys {
            let erased = self.world.hashes.erased(key).to_be_bytes().to_vec();
            self.put(Table::Erased, erased, Some(now.0.to_le_bytes().to_vec()));
        }
        Ok(())
    }

    /// Impressions that wait for the sign that bills them go on waiting, but for nobody known by these keys.
    fn wait_for_nobody(&mut self, keys: &[u64]) {
        let stored: Vec<_> = self.state.pending.lock().iter().map(|(key, ticket)| (*key, *ticket)).collect();
        let mut waiting: BTreeMap<(Secs, BidTag), Ticket> = stored.into_iter().filter(|(_, t)| keys.contains(&t.user.0)).collect();
        // What this commit has changed of it.
        for change in &self.changes {
            match change {
                Change::Wait(due, tag, ticket) if keys.contains(&ticket.user.0) => drop(waiting.insert((*due, *tag), *ticket)),
                Change::Waited(due, tag) => drop(waiting.remove(&(*due, *tag))),
                _ => {}
            }
        }
        for ((due, tag), ticket) in waiting {
            self.wait(due, tag, ticket.of_nobody());
        }
    }

    /// An impression waits for the sign that bills it; where its user has no record, for nobody's: what
    /// was seen of it is kept by its tag.
    pub(in crate::track) fn wait(&mut self, due: Secs, tag: BidTag, ticket: Ticket) {
        let user = self.canonical(ticket.user);
        let ticket = if self.is_known(user) { ticket } else { ticket.of_nobody() };
        self.put(Table::Pending, pair(u64::from(due.0), tag.0), Some(ticket.write().to_vec()));
        self.changes.push(Change::Wait(due, tag, ticket));
    }

    /// The user a key leads to: itself, or whom it was merged into.
    pub(in crate::track) fn canonical(&self, user: UserKey) -> UserKey {
        self.alias(user).unwrap_or(user)
    }

    /// Whether an id, or the user it leads to, has opted out.
    pub(in crate::track) fn is_opted_out(&self, id: &IdRef) -> bool {
        let own = match id {
            IdRef::Ours(key, _) => key.0,
            IdRef::Foreign(key, _) => key.0,
            IdRef::Clicked(key) => key.0,
        };
        let now_gone = |key: u64| self.rows.contains_key(&(Table::OptedOut, key.to_be_bytes().to_vec()));
        let gone = |key: u64| self.state.opted_out.contains(key) || now_gone(key);
        gone(own) || self.user_of(id).is_some_and(|user| gone(user.0))
    }

    fn user_of(&self, id: &IdRef) -> Option<UserKey> {
        match id {
            IdRef::Ours(key, _) | IdRef::Clicked(key) => self.alias(*key).or_else(|| self.is_known(*key).then_some(*key)),
            IdRef::Foreign(key, _) => self.matched(*key),
        }
    }

    fn matched(&self, key: MatchKey) -> Option<UserKey> {
        self.matches.get(&key).map_or_else(|| self.state.matched(key), |user| *user)
    }

    /// Where a merged user went.
    fn alias(&self, user: UserKey) -> Option<UserKey> {
        self.matched(MatchKey(user.0))
    }

    fn name(&mut self, user: UserKey, name: &str) -> io::Result<()> {
        let key = user.0.to_be_bytes();
        if self.get(Table::UserIds, &key)?.is_none() {
            self.put(Table::UserIds, key.to_vec(), Some(name.as_bytes().to_vec()));
        }
        Ok(())
    }

    /// Moves all that is known of `other` to `user`; `other` leads there from now on.
    fn merge(&mut self, user: UserKey, other: UserKey) -> io::Result<()> {
        self.merge_handles(user, other)?;
        if self.is_known(other) {
            let profile = std::mem::take(self.profile(other));
            self.profile(user).absorb(&profile);
        }
        self.users.insert(other, None);
        let moved = std::mem::take(self.exposures(other));
        self.exposures.insert(other, None);
        let mut kept = std::mem::take(self.exposures(user));
        kept.extend(moved);
        kept.sort_by_key(|exposure| exposure.at);
        for exposure in kept.drain(..kept.len().saturating_sub(EXPOSURES_MAX)) {
            self.orphan(exposure.tag, exposure.flags);
        }
        *self.exposures(user) = kept;
        self.changes.push(Change::Moved(user));
        for (key, namespace) in self.scan(Table::UserMatches, &other.0.to_be_bytes())? {
            if let Some(foreign) = tail(&key) {
                self.matches.insert(MatchKey(foreign), Some(user));
                self.put(Table::UserMatches, pair(user.0, foreign), Some(namespace));
            }
            self.put(Table::UserMatches, key, None);
        }
        self.matches.insert(MatchKey(other.0), Some(user));
        self.put(Table::UserMatches, pair(user.0, other.0), Some(b"merged".to_vec()));
        self.put(Table::UserIds, other.0.to_be_bytes().to_vec(), None);
        self.put(Table::Claims, other.0.to_be_bytes().to_vec(), None);
        Ok(())
    }
}
