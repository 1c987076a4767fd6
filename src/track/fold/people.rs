//! Who is who: ids that lead to one user, users who turn out to be one person, users who leave or are erased.
//!
//! All of it laid over the State, like any other fact; nothing here touches the disk but by the fold's reads.

use std::collections::BTreeMap;
use std::io;

use super::homes::NS_MERGED;
use super::{Change, Fold, Trust};
use crate::base::id::{BidTag, MatchKey, UserKey};
use crate::base::limits::CLICK_LIFE;
use crate::base::time::Secs;
use crate::model::exposure::{self, Exposure};
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

    /// A known user was shown something, or called a sync: that counts as having been seen.
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

    /// Makes all ids lead to one user, and returns it. Users that turn out to be the same person are merged:
    /// into one that came with an id of ours if any did, of several into the one with the least key, so that
    /// it does not matter who was met first. Hashes of addresses tell only who it is where nothing else does.
    pub fn resolve(&mut self, ids: &[IdRef], fresh: &(UserKey, String), trust: Trust) -> io::Result<UserKey> {
        let mut people: Vec<UserKey> = ids.iter().filter_map(|id| self.user_of(id)).collect();
        let mut named = None;
        if let Some(IdRef::Ours(key, name)) = ids.iter().find(|id| matches!(id, IdRef::Ours(..))) {
            let user = self.canonical(*key);
            self.name(user, name)?;
            self.put(Table::Claims, user.0.to_be_bytes().to_vec(), Some(Vec::new()));
            people.push(user);
            named = Some(user);
        }
        let user = match (trust, named) {
            (Trust::Browser, Some(user)) => user,
            _ => match self.foremost(&people)? {
                Some(user) => user,
                None => self.stranger(ids, fresh)?,
            },
        };
        for other in people {
            // Whoever calls a sync can name anybody's id: a user with a cookie of their own keeps what is
            // known of them, and only the id moves.
            if self.canonical(other) != user && (trust == Trust::Shop || !self.is_claimed(other)?) {
                self.merge(user, other)?;
            }
        }
        for id in ids {
            if let IdRef::Foreign(key, namespace) = id {
                self.lead(*key, user, namespace);
            }
        }
        Ok(user)
    }

    /// Into which of these users the others are merged.
    fn foremost(&self, people: &[UserKey]) -> io::Result<Option<UserKey>> {
        let mut ranked = Vec::with_capacity(people.len());
        for user in people {
            ranked.push((!self.is_claimed(*user)?, *user));
        }
        Ok(ranked.into_iter().min().map(|(_, user)| user))
    }

    /// Whom ids stand for that lead to nobody: whom a shop knows by their address alone, else somebody new.
    fn stranger(&mut self, ids: &[IdRef], fresh: &(UserKey, String)) -> io::Result<UserKey> {
        let is_address = |id: &IdRef| matches!(id, IdRef::Email(..));
        if let Some(IdRef::Email(key, _)) = ids.first().filter(|_| ids.iter().all(is_address))
            && let Some(known) = self.matched(*key)
        {
            return Ok(known);
        }
        self.name(fresh.0, &fresh.1)?;
        Ok(fresh.0)
    }

    /// Makes a foreign id lead to a user.
    pub(super) fn lead(&mut self, key: MatchKey, user: UserKey, namespace: &str) {
        let before = self.matched(key);
        if before == Some(user) {
            return;
        }
        if let Some(before) = before {
            self.put(Table::UserMatches, pair(before.0, key.0), None);
        }
        self.matches.insert(key, Some(user));
        self.put(Table::UserMatches, pair(user.0, key.0), Some(namespace.as_bytes().to_vec()));
    }

    /// Makes it lead to nobody.
    pub(super) fn lead_nowhere(&mut self, key: MatchKey) {
        if let Some(before) = self.matched(key) {
            self.put(Table::UserMatches, pair(before.0, key.0), None);
            self.matches.insert(key, None);
        }
    }

    /// Whether a user came with an id of ours.
    pub(super) fn is_claimed(&self, user: UserKey) -> io::Result<bool> {
        Ok(self.get(Table::Claims, &user.0.to_be_bytes())?.is_some())
    }

    /// Erases a user: record, impressions, matches and names; what was billed stays, without a name.
    /// An opt-out bars every id that led to the user, or the next sync would undo it. Returns the keys that
    /// led to them.
    pub fn forget(&mut self, named: UserKey, opt_out: bool) -> io::Result<Vec<u64>> {
        let user = self.canonical(named);
        let mut barred = vec![named.0, user.0];
        let now = self.now;
        self.leave_homes(user);
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
        self.drop_grant(user);
        for key in barred.iter().filter(|_| opt_out) {
            self.put(Table::OptedOut, key.to_be_bytes().to_vec(), Some(Vec::new()));
        }
        self.changes.push(Change::Moved(user));
        Ok(barred)
    }

    /// Forgets a user for good: noted by hashes, so that no backup brings them back.
    pub fn erase(&mut self, named: UserKey, opt_out: bool, now: Secs) -> io::Result<()> {
        let homes = self.homes(self.canonical(named));
        let mut keys = self.forget(named, opt_out)?;
        for home in homes {
            keys.extend(self.forget(home, opt_out)?);
        }
        self.wait_for_nobody(&keys);
        for key in keys {
            self.put(Table::Shared, key.to_be_bytes().to_vec(), None);
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
            IdRef::Foreign(key, _) | IdRef::Email(key, _) => key.0,
            IdRef::Clicked(key) => key.0,
        };
        let now_gone = |key: u64| self.rows.contains_key(&(Table::OptedOut, key.to_be_bytes().to_vec()));
        let gone = |key: u64| self.state.opted_out.contains(key) || now_gone(key);
        gone(own) || self.user_of(id).is_some_and(|user| gone(user.0))
    }

    /// The user an id leads to. The hash of an address leads to what one shop keeps of somebody.
    pub(super) fn user_of(&self, id: &IdRef) -> Option<UserKey> {
        match id {
            IdRef::Ours(key, _) | IdRef::Clicked(key) => self.alias(*key).or_else(|| self.is_known(*key).then_some(*key)),
            IdRef::Foreign(key, _) => self.matched(*key),
            IdRef::Email(..) => None,
        }
    }

    pub(super) fn matched(&self, key: MatchKey) -> Option<UserKey> {
        self.matches.get(&key).map_or_else(|| self.state.matched(key), |user| *user)
    }

    /// Where a merged user went.
    fn alias(&self, user: UserKey) -> Option<UserKey> {
        self.matched(MatchKey(user.0))
    }

    /// Adds impressions to a user's; of those beyond the limit only what was seen is kept.
    pub(super) fn add_exposures(&mut self, user: UserKey, more: Vec<Exposure>) {
        if let Some(last) = more.iter().map(|exposure| exposure.at).max() {
            self.touch(user, last);
        }
        let list = self.exposures(user);
        list.extend(more);
        for gone in exposure::cut(list) {
            self.orphan(gone.tag, gone.flags);
        }
        self.changes.push(Change::Moved(user));
    }

    fn name(&mut self, user: UserKey, name: &str) -> io::Result<()> {
        let key = user.0.to_be_bytes();
        if self.get(Table::UserIds, &key)?.is_none() {
            self.put(Table::UserIds, key.to_vec(), Some(name.as_bytes().to_vec()));
        }
        Ok(())
    }

    /// Moves all that is known of `other` to `user`; `other` leads there from now on.
    pub(super) fn merge(&mut self, user: UserKey, other: UserKey) -> io::Result<()> {
        self.merge_handles(user, other)?;
        self.merge_grants(user, other)?;
        self.merge_homes(user, other)?;
        if self.is_known(other) {
            let profile = std::mem::take(self.profile(other));
            self.profile(user).absorb(&profile);
        }
        self.users.insert(other, None);
        let moved = std::mem::take(self.exposures(other));
        self.exposures.insert(other, None);
        self.add_exposures(user, moved);
        for (key, namespace) in self.scan(Table::UserMatches, &other.0.to_be_bytes())? {
            if let Some(foreign) = tail(&key) {
                self.matches.insert(MatchKey(foreign), Some(user));
                self.put(Table::UserMatches, pair(user.0, foreign), Some(namespace));
            }
            self.put(Table::UserMatches, key, None);
        }
        self.matches.insert(MatchKey(other.0), Some(user));
        self.put(Table::UserMatches, pair(user.0, other.0), Some(NS_MERGED.as_bytes().to_vec()));
        self.put(Table::UserIds, other.0.to_be_bytes().to_vec(), None);
        self.put(Table::Claims, other.0.to_be_bytes().to_vec(), None);
        Ok(())
    }
}
