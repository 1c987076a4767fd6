//! Folds facts into rows and effects: a view of the State with the facts of one commit laid over it.
//!
//! Pure but for reads of the disk. What is folded is seen by the facts after it, so two facts about one
//! user in one batch compose; nothing is visible to anyone else before the commit.

mod cells;
mod grants;
mod handles;
mod homes;
mod matches;
mod people;
mod shared;

use std::collections::BTreeMap;
use std::io;

use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, BidTag, CampaignNo, MatchKey, ProductKey, UserKey};
use crate::base::limits::EVENT_ID_LIFE;
use crate::base::money::Money;
use crate::base::time::{Day, Secs};
use crate::model::event::EventKind;
use crate::model::exposure::{self, Exposure};
use crate::model::hold::Taken;
use crate::model::profile::Profile;
use crate::model::rows::{Parts, Row, Table, head, pair};
use crate::model::ticket::Ticket;
use crate::model::traffic::Invalid;
use crate::state::hand::Why;
use crate::state::world::World;
use crate::state::{Buyer, DayRow, State};
use crate::track::fact::{Effect, EventBatch, IdRef, NewEvent};
use crate::track::{credit, invalid};

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
    /// A conversion of a campaign was refunded.
    Uncount(CampaignNo),
    /// An impression of a campaign was looked at by nobody.
    Unseen(CampaignNo),
    /// So many events, impressions or clicks were invalid.
    Invalid(Invalid, u64),
    /// A frequency hold, where there was to be one, has become an impression.
    Seen(UserKey, BidTag, Hold),
    /// What caps count of a user has changed otherwise.
    Moved(UserKey),
    /// A bid has become an impression: its budget hold is given back.
    Settled {
        /// The bid.
        tag: BidTag,
        /// Whose.
        campaign: CampaignNo,
        /// The advertiser's book.
        book: CampaignNo,
        /// What was held.
        taken: Taken,
        /// What was spent instead.
        billed: Money,
    },
    /// A user has left.
    Evicted(Why),
    /// A product was viewed.
    Viewed(AdvertiserNo, ProductKey, Secs),
    /// A share of a bid that was paid.
    Paid(u8, Money, Money),
    /// An impression waits for the sign that bills it.
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
    facts: Numbering,
    now: Secs,
}

/// How facts are numbered, and whom they tell of.
#[derive(Clone, Debug)]
pub struct Numbering {
    /// The number the next fact gets.
    pub next: u64,
    /// What handles are drawn with: known to this process alone, so that they tell of nobody.
    pub secret: Hashes,
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
    /// Nothing laid over yet, at `now`.
    pub fn new(state: &'a State, world: &'a World, disk: &'a dyn Disk, facts: Numbering, now: Secs) -> Fold<'a> {
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
            facts,
            now,
        }
    }

    /// Records events of one user, and credits conversions.
    pub fn events(&mut self, batch: &EventBatch, now: Secs) -> io::Result<Effect> {
        if batch.ids.iter().any(|id| self.is_opted_out(id)) {
            return Ok(Effect::Recorded);
        }
        if let Some(why) = batch.invalid {
            invalid::keep_events(self, &batch.shop, why, &batch.events, UserKey::NOBODY, now)?;
            return Ok(Effect::Invalid);
        }
        let advertiser = batch.shop.advertiser.no;
        let ids = self.own(&batch.ids, Some(advertiser))?;
        if ids.is_empty() {
            return Ok(Effect::Recorded);
        }
        let browser = self.resolve(&ids, &batch.fresh, Trust::Shop)?;
        // By an address alone it is not known which of a person's browsers it was.
        if ids.iter().any(|id| !matches!(id, IdRef::Email(..))) {
            self.permit(browser, batch.grant)?;
        }
        for id in &ids {
            if let IdRef::Email(address, namespace) = id {
                self.link(browser, advertiser, *address, namespace)?;
            }
        }
        let user = self.home(browser, advertiser);
        let mut effect = Effect::Recorded;
        for event in &batch.events {
            if self.is_repeat(advertiser, event, now)? {
                continue;
            }
            if let Some(why) = invalid::of_event(self, browser, event) {
                invalid::keep_events(self, &batch.shop, why, std::slice::from_ref(event), browser, now)?;
                effect = Effect::Invalid;
                continue;
            }
            let is_goal = batch.shop.advertiser.attribution.goal.is(&event.entries[0]);
            let buyer = if is_goal { self.buyer(user, advertiser) } else { Buyer::New };
            self.profile(user).remember(advertiser, &event.entries);
            let viewed = event
                .entries
                .iter()
                .filter(|entry| entry.kind == EventKind::ViewItem && entry.product.is_some());
            self.changes
                .extend(viewed.map(|entry| Change::Viewed(advertiser, entry.product, entry.at)));
            if is_goal {
                credit::convert(self, &batch.shop, (user, buyer), event, now)?;
            } else if event.entries[0].kind == EventKind::Refund {
                credit::refund(self, &batch.shop, user, event, now)?;
            }
            if browser != user {
                self.profile(browser).point(advertiser, event.entries[0].at);
            }
        }
        self.meet(browser);
        self.meet(user);
        Ok(effect)
    }

    /// Whether a shop knows of a purchase of a user.
    fn buyer(&mut self, user: UserKey, advertiser: AdvertiserNo) -> Buyer {
        let profile = self.profile(user);
        let known = profile.section(advertiser).map_or(&[][..], |section| profile.events(section));
        match known.iter().any(|event| event.kind == EventKind::Purchase) {
            true => Buyer::Repeat,
            false => Buyer::New,
        }
    }

    /// Keeps what evidence was seen of a bid whose user is gone, or whose impression no longer fits.
    pub(super) fn orphan(&mut self, tag: BidTag, flags: u8) {
        self.put(Table::Orphans, tag.0.to_be_bytes().to_vec(), Some(vec![flags]));
    }

    /// The user's record, to be changed; without what is older than the retention.
    pub fn profile(&mut self, user: UserKey) -> &mut Profile {
        let state = self.state;
        let oldest = Secs(self.now.0.saturating_sub(self.world.retention_s));
        let entry = self.users.entry(user).or_insert_with(|| {
            let mut profile = Profile::default();
            state.users.read(user.0, |record| profile.read(record));
            profile.forget_before(oldest);
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

    /// Drops the parts of divided tables that are over; of facts, those beyond the retention.
    pub fn drop_past(&mut self) {
        for table in Table::ALL {
            let Some(parts) = table.parts() else { continue };
            let oldest = match table {
                Table::Facts => parts.oldest_within(self.world.retention_s, self.now),
                _ => parts.oldest(self.now),
            };
            if let Some(past) = oldest.checked_sub(1) {
                let Row { table, key, value } = Parts::drop_through(table, past);
                self.rows.insert((table, key), value);
            }
        }
    }

    /// Appends to the log of what happened, with the handle of whom it happened to; of somebody who is not
    /// known, or no longer, without one.
    pub fn log(&mut self, mut fact: serde_json::Value, user: UserKey) -> io::Result<()> {
        if let Some(handle) = self.handle(user)? {
            fact["user"] = handle.into();
        }
        let key = self.facts.next.to_be_bytes().to_vec();
        self.facts.next += 1;
        self.put(Table::Facts, key, Some(fact.to_string().into_bytes()));
        Ok(())
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
            push(Table::Days, pair(u64::from(campaign.0), day.0 as u32 as u64), Some(row.write()));
        }
        for ((table, key), value) in self.rows {
            push(table, key, value);
        }
        Folded {
            rows,
            changes: self.changes,
            next_fact: self.facts.next,
        }
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
