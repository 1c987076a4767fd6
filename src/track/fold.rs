//! Folds facts into rows and effects: a view of the State with the facts of one commit laid over it.
//!
//! Pure but for reads of the disk. What is folded is seen by the facts after it, so two facts about one
//! user in one batch compose; nothing is visible to anyone else before the commit.

use std::collections::BTreeMap;
use std::io;

use crate::base::id::{AdvertiserNo, BidTag, CampaignNo, MatchKey, ProductKey, UserKey};
use crate::base::limits::{CLICK_LIFE, EVENT_ID_LIFE, EXPOSURES_MAX};
use crate::base::money::Money;
use crate::base::time::{Day, Secs};
use crate::model::event::EventKind;
use crate::model::exposure::{self, Exposure};
use crate::model::profile::Profile;
use crate::model::rows::{Parts, Row, Table, head, pair, tail};
use crate::model::ticket::Ticket;
use crate::state::hand::{Leaving, Why};
use crate::state::world::World;
use crate::state::{DayRow, State};
use crate::track::fact::{EventBatch, IdRef, NewEvent};
use crate::track::settle;

/// Reads of the disk, for what is kept there only; and the one write.
pub trait Disk {
    /// A row's value.
    fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>>;
    /// Rows whose key begins with `prefix`.
    fn prefix(&self, table: Table, prefix: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>>;
    /// Writes all rows or none, and returns when they are durable.
    fn commit(&mut self, rows: &[Row]) -> io::Result<()>;
}

/// Changes of memory that follow from a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Spend of a book.
    Spend(CampaignNo, Day, Money),
    /// One more impression, click or conversion of a campaign.
    Count(CampaignNo, Counted),
    /// A frequency hold, where there was to be one, has become an impression.
    Seen(UserKey, BidTag, Hold),
    /// What caps count of a user has changed otherwise.
    Moved(UserKey),
    /// A user has left.
    Evicted(Why),
    /// A bid's budget hold is given back.
    Release(Ticket, BidTag, CampaignNo, Money),
    /// A product was viewed.
    Viewed(AdvertiserNo, ProductKey, Secs),
    /// A share of a bid that was paid.
    Paid(u8, Money, Money),
    /// A pixel waits for its billing notice.
    Wait(Secs, BidTag, Ticket),
    /// It waits no more.
    Waited(Secs, BidTag),
}

/// Whether a bid should have a frequency hold when its first evidence comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It should: one that is gone has lapsed, or was forgotten in a crash.
    Expected,
    /// No cap counts it, or evidence has been seen before.
    No,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A settled impression.
    Impression,
    /// A click.
    Click,
    /// A conversion.
    Conversion,
}

/// Whose word it is that several ids are one person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A shop's: it knows its customer.
    Shop,
    /// A browser's, by a sync that anybody can call.
    Browser,
}

/// The facts of one commit laid over the State.
pub struct Fold<'a> {
    pub(super) state: &'a State,
    pub(super) world: &'a World,
    disk: &'a dyn Disk,
    users: BTreeMap<UserKey, Option<Profile>>,
    exposures: BTreeMap<UserKey, Option<Vec<Exposure>>>,
    matches: BTreeMap<MatchKey, Option<UserKey>>,
    /// Rows of tables that are on disk only, or mirrored by changes.
    rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    days: BTreeMap<(CampaignNo, Day), DayRow>,
    pub(super) changes: Vec<Change>,
    next_fact: u64,
    now: Secs,
}

/// What a fold comes to.
#[derive(Debug, Default)]
pub struct Folded {
    /// For the disk.
    pub rows: Vec<Row>,
    /// For memory, once the rows are durable.
    pub changes: Vec<Change>,
    /// The number the next fact gets.
    pub next_fact: u64,
}

impl<'a> Fold<'a> {
    /// Nothing laid over yet, at `now`; facts are numbered from `next_fact`.
    pub fn new(state: &'a State, world: &'a World, disk: &'a dyn Disk, next_fact: u64, now: Secs) -> Fold<'a> {
        Fold {
            state,
            world,
            disk,
            users: BTreeMap::new(),
            exposures: BTreeMap::new(),
            matches: BTreeMap::new(),
            rows: BTreeMap::new(),
            days: BTreeMap::new(),
            changes: Vec::new(),
            next_fact,
            now,
        }
    }

    /// Records events of one user, and credits conversions.
    pub fn events(&mut self, batch: &EventBatch, now: Secs) -> io::Result<()> {
        if batch.ids.iter().any(|id| self.is_opted_out(id)) {
            return Ok(());
        }
        let user = self.resolve(&batch.ids, &batch.fresh, Trust::Shop)?;
        for event in &batch.events {
            if self.is_repeat(batch.shop.advertiser.no, event, now)? {
                continue;
            }
            let advertiser = batch.shop.advertiser.no;
            self.profile(user).remember(advertiser, &event.entries);
            let viewed = event
                .entries
                .iter()
                .filter(|entry| entry.kind == EventKind::ViewItem && entry.product.is_some());
            self.changes
                .extend(viewed.map(|entry| Change::Viewed(advertiser, entry.product, entry.at)));
            if batch.shop.advertiser.attribution.goal.is(&event.entries[0]) {
                settle::convert(self, &batch.shop, user, event, now);
            }
        }
        self.meet(user);
        Ok(())
    }

    /// Whoever is known by an id only has a record too, which says when, so that they leave in their turn.
    pub(super) fn meet(&mut self, user: UserKey) {
        if !self.is_known(user) {
            self.profile(user).seen = self.now;
        }
    }

    /// A known user was shown something: that counts as having been seen.
    pub(super) fn touch(&mut self, user: UserKey, at: Secs) {
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
            IdRef::Foreign(..) => None,
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
    /// An opt-out bars every id that led to the user, or the next sync would undo it.
    pub fn forget(&mut self, named: UserKey, opt_out: bool) -> io::Result<()> {
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
        for key in barred.into_iter().filter(|_| opt_out) {
            self.put(Table::OptedOut, key.to_be_bytes().to_vec(), Some(Vec::new()));
        }
        self.changes.push(Change::Moved(user));
        Ok(())
    }

    /// Keeps what evidence was seen of a bid whose user is gone, or whose impression no longer fits.
    pub(super) fn orphan(&mut self, tag: BidTag, flags: u8) {
        self.put(Table::Orphans, tag.0.to_be_bytes().to_vec(), Some(vec![flags]));
    }

    /// The user a key leads to: itself, or whom it was merged into.
    pub(super) fn canonical(&self, user: UserKey) -> UserKey {
        self.alias(user).unwrap_or(user)
    }

    /// The user's record, to be changed.
    pub fn profile(&mut self, user: UserKey) -> &mut Profile {
        let state = self.state;
        let entry = self.users.entry(user).or_insert_with(|| {
            let mut profile = Profile::default();
            state.users.read(user.0, |record| profile.read(record));
            Some(profile)
        });
        entry.get_or_insert_default()
    }

    /// The user's impressions, to be changed.
    pub fn exposures(&mut self, user: UserKey) -> &mut Vec<Exposure> {
        let state = self.state;
        let entry = self.exposures.entry(user).or_insert_with(|| {
            let mut list = Vec::new();
            state.exposures.read(user.0, |bytes| exposure::read(bytes, &mut list));
            Some(list)
        });
        entry.get_or_insert_default()
    }

    /// Whether a user has a record.
    pub fn is_known(&self, user: UserKey) -> bool {
        self.users
            .get(&user)
            .map_or_else(|| self.state.users.contains(user.0), Option::is_some)
    }

    /// A book's row of a day, to be changed.
    pub fn day(&mut self, campaign: CampaignNo, day: Day) -> &mut DayRow {
        let state = self.state;
        self.days
            .entry((campaign, day))
            .or_insert_with(|| state.days.lock().get(&(campaign, day)).copied().unwrap_or_default())
    }

    /// A row of a table that is on disk only; of one that is divided, from whichever part has it.
    pub fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(parts) = table.parts() else {
            return self.stored(table, key);
        };
        for part in (parts.oldest(self.now)..=parts.of(self.now)).rev() {
            if let Some(value) = self.stored(table, &Parts::key(part, key))? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn stored(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self.rows.get(&(table, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => self.disk.get(table, key),
        }
    }

    /// Writes such a row; into a table that is divided, where its time begins anew.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key = match table.parts() {
            Some(parts) => Parts::key(parts.of(self.now), &key),
            None => key,
        };
        self.rows.insert((table, key), value);
    }

    /// Drops the parts of divided tables that are over.
    pub fn drop_past(&mut self) {
        for table in Table::ALL {
            let past = table.parts().and_then(|parts| parts.oldest(self.now).checked_sub(1));
            if let Some(past) = past {
                let Row { table, key, value } = Parts::drop_through(table, past);
                self.rows.insert((table, key), value);
            }
        }
    }

    /// Appends to the log of what happened.
    pub fn log(&mut self, fact: &serde_json::Value) {
        let key = self.next_fact.to_be_bytes().to_vec();
        self.next_fact += 1;
        self.put(Table::Facts, key, Some(fact.to_string().into_bytes()));
    }

    /// Rows and changes.
    pub fn finish(self) -> Folded {
        let mut rows = Vec::with_capacity(self.users.len() + self.exposures.len() + self.matches.len() + self.rows.len());
        let state = self.state;
        let mut push = |table, key: Vec<u8>, value| rows.push(Row { table, key, value });
        for (user, profile) in self.users {
            if profile.is_some() || state.users.contains(user.0) {
                push(Table::Users, user.0.to_be_bytes().to_vec(), profile.map(|p| p.write()));
            }
        }
        for (user, list) in self.exposures {
            let value = list.filter(|list| !list.is_empty()).map(|list| exposure::write(&list));
            // Of users who were only looked for, no trace.
            if value.is_some() || state.exposures.contains(user.0) {
                push(Table::Exposures, user.0.to_be_bytes().to_vec(), value);
            }
        }
        for (key, user) in self.matches {
            push(
                Table::Matches,
                key.0.to_be_bytes().to_vec(),
                user.map(|user| user.0.to_be_bytes().to_vec()),
            );
        }
        for ((campaign, day), row) in self.days {
            push(
                Table::Days,
                pair(u64::from(campaign.0), day.0 as u32 as u64),
                Some(row.write().to_vec()),
            );
        }
        for ((table, key), value) in self.rows {
            push(table, key, value);
        }
        Folded {
            rows,
            changes: self.changes,
            next_fact: self.next_fact,
        }
    }

    /// Whether an id, or the user it leads to, has opted out.
    pub(super) fn is_opted_out(&self, id: &IdRef) -> bool {
        let own = match id {
            IdRef::Ours(key, _) => key.0,
            IdRef::Foreign(key, _) => key.0,
        };
        let now_gone = |key: u64| self.rows.contains_key(&(Table::OptedOut, key.to_be_bytes().to_vec()));
        let gone = |key: u64| self.state.opted_out.contains(key) || now_gone(key);
        gone(own) || self.user_of(id).is_some_and(|user| gone(user.0))
    }

    fn user_of(&self, id: &IdRef) -> Option<UserKey> {
        match id {
            IdRef::Ours(key, _) => self.alias(*key).or_else(|| self.is_known(*key).then_some(*key)),
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

    fn scan(&self, table: Table, prefix: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut found: BTreeMap<Vec<u8>, Vec<u8>> = self.disk.prefix(table, prefix)?.into_iter().collect();
        for ((_, key), value) in self
            .rows
            .range((table, prefix.to_vec())..)
            .take_while(|((t, key), _)| *t == table && key.starts_with(prefix))
        {
            match value {
                Some(value) => found.insert(key.clone(), value.clone()),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().collect())
    }

    /// Whether an event has been recorded before, by its `event_id` or as an order.
    fn is_repeat(&mut self, advertiser: AdvertiserNo, event: &NewEvent, now: Secs) -> io::Result<bool> {
        let shop = u64::from(advertiser.0);
        if let Some(id) = event.event_id {
            let key = pair(shop, id);
            let before = self
                .get(Table::EventIds, &key)?
                .and_then(|value| head(&value))
                .map(|at| Secs(at as u32));
            if before.is_some_and(|at| now.since(at) < EVENT_ID_LIFE.0) {
                return Ok(true);
            }
            self.put(Table::EventIds, key, Some(u64::from(now.0).to_be_bytes().to_vec()));
        }
        let is_purchase = event.entries[0].kind == EventKind::Purchase;
        if let Some(order) = event.order.filter(|_| is_purchase) {
            let key = pair(shop, order);
            if self.get(Table::Orders, &key)?.is_some() {
                return Ok(true);
            }
            self.put(Table::Orders, key, Some(u64::from(now.0).to_be_bytes().to_vec()));
        }
        Ok(false)
    }
}
