//! The server without threads and sockets: decisions committed as the engine does, facts recorded by the
//! real writer on a disk in memory that can fail, and starts as `app` makes them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use winback::base::hash::Hashes;
use winback::base::id::{CampaignNo, UserKey};
use winback::base::money::Money;
use winback::base::time::Millis;
use winback::bid::{Ask, Scratch, Trace, decide};
use winback::model::advertiser::Shop;
use winback::model::exposure::{self, Exposure};
use winback::model::outcome::{NoBid, Outcome, Pick};
use winback::model::profile::Profile;
use winback::model::rows::{Row, Table, head, tail};
use winback::model::told::{Detail, Step};
use winback::openrtb::response::Form;
use winback::state::State;
use winback::state::holds::{Limits, Refused, commit};
use winback::state::records::Records;
use winback::state::world::World;
use winback::track::fact::Fact;

use winback::track::writer::{Writer, install_row, restore};

/// What the next commit comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written.
    Refused,
    /// Everything is, and the answer is an error all the same.
    Unsaid,
}

/// A disk in memory.
#[derive(Default)]
pub struct Disk {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// What the next commit comes to; none is that it is written.
    pub fault: Option<Fault>,
}

impl winback::track::fold::Disk for Disk {
    fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn prefix(&self, table: Table, prefix: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let from = self.rows.range((table, prefix.to_vec())..);
        let found = from.take_while(|((t, key), _)| *t == table && key.starts_with(prefix));
        Ok(found.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&mut self, rows: &[Row]) -> io::Result<()> {
        let fault = self.fault.take();
        for row in rows.iter().filter(|_| fault != Some(Fault::Refused)) {
            let key = (row.table, row.key.clone());
            match &row.value {
                Some(value) => self.rows.insert(key, value.clone()),
                None => self.rows.remove(&key),
            };
        }
        fault.map_or(Ok(()), |_| Err(io::Error::other("input/output error")))
    }
}

impl Disk {
    fn table(&self, table: Table) -> impl Iterator<Item = Row> + '_ {
        let rows = self.rows.range((table, Vec::new())..).take_while(move |((t, _), _)| *t == table);
        rows.map(|((table, key), value)| Row {
            table: *table,
            key: key.clone(),
            value: Some(value.clone()),
        })
    }
}

/// How often campaigns were held back by a cap and by a budget.
#[derive(Default)]
pub struct HeldBack {
    pub capped: usize,
    pub broke: usize,
}

impl Trace for HeldBack {
    const ON: bool = true;
    fn stage(&mut self, _: &'static str) {}
    fn dropped(&mut self, _: CampaignNo, why: NoBid, _: impl FnOnce() -> Detail) {
        self.capped += usize::from(why == NoBid::Frequency);
        self.broke += usize::from(why == NoBid::Budget);
    }
    fn priced(&mut self, _: CampaignNo, _: impl FnOnce() -> Step) {}
}

/// One server.
pub struct Server {
    pub world: Arc<World>,
    pub state: State,
    pub disk: Disk,
    writer: Writer,
    /// Its last answer and what it holds.
    pub scratch: Scratch,
    pub held_back: HeldBack,
    asked: u64,
}

impl Server {
    /// A new one, ready.
    pub fn new(world: Arc<World>) -> Server {
        let state = State::default();
        state.status.set_ready(true);
        Server {
            world,
            state,
            disk: Disk::default(),
            writer: Writer::new(0, Hashes::new(&[9; 16])),
            scratch: Scratch::default(),
            held_back: HeldBack::default(),
            asked: 0,
        }
    }

    /// Decides, lets `between` happen, and commits; refused, once more, as the engine does.
    pub fn bid(&mut self, exchange: usize, body: &str, now: Millis, mut between: impl FnMut(&mut Server)) -> (Outcome, usize) {
        let mut barred = None;
        for stale in 0..2 {
            self.asked += 1;
            let ask = Ask {
                exchange: self.world.exchanges().nth(exchange).expect("an exchange").no,
                body: body.as_bytes(),
                form: Form::Json,
                now,
                waited_ms: 0,
                seed: u128::from(winback::base::hash::mix(self.asked)) << 64 | u128::from(winback::base::hash::mix(!self.asked)),
                barred,
                inert: false,
            };
            let outcome = decide(&self.world, &self.state, &ask, &mut self.scratch, &mut self.held_back);
            let Outcome::Bid { epoch, .. } = outcome else {
                return (outcome, stale);
            };
            between(self);
            let limits = |pick: &Pick| limits(&self.world, pick, now);
            match commit(&self.state, &self.scratch.picks, epoch, now, limits) {
                Ok(()) => return (outcome, stale),
                Err(Refused::Stale) => {}
                Err(Refused::Budget(campaign)) => barred = Some(campaign),
            }
        }
        self.scratch.picks.clear();
        (Outcome::NoBid(NoBid::Contended), 2)
    }

    /// Records facts in one commit.
    pub fn record(&mut self, facts: &[Fact], now: Millis) -> bool {
        let world = self.world.clone();
        self.writer.record(facts, &self.state, &world, &mut self.disk, now).is_ok()
    }

    /// Ends without a word and starts again; returns the memory of before.
    pub fn crash(&mut self, now: Millis) -> State {
        let last = self.disk.table(Table::Facts).last().and_then(|row| tail(&row.key));
        self.writer = Writer::new(last.map_or(0, |n| n + 1), Hashes::new(&[9; 16]));
        let loaded = self.load(now);
        std::mem::replace(&mut self.state, loaded)
    }

    fn load(&self, now: Millis) -> State {
        let state = State::default();
        for table in [Table::Users, Table::Exposures, Table::Matches, Table::Days, Table::OptedOut] {
            for row in self.disk.table(table) {
                install_row(&row, &state);
            }
        }
        let rest = [Table::Holds, Table::Paces, Table::Pending]
            .into_iter()
            .flat_map(|table| self.disk.table(table));
        restore(&state, rest, |campaign| self.book_of(campaign), now.to_secs());
        state.popular.rank(&self.world, now.to_secs());
        state.status.set_ready(true);
        state
    }

    fn book_of(&self, campaign: CampaignNo) -> Option<CampaignNo> {
        let owner = |shop: &&Arc<Shop>| shop.advertiser.campaigns.iter().any(|c| c.no == campaign);
        self.world.shops().find(owner).map(|shop| shop.advertiser.book)
    }

    /// What differs between two memories that must know the same.
    pub fn differences(&self, before: &State, books: &[CampaignNo], now: Millis) -> Vec<String> {
        let mut found = Vec::new();
        let mut same = |what: &str, is_same: bool| {
            if !is_same {
                found.push(format!("{what} differ after the reload"));
            }
        };
        let after = &self.state;
        let pairs = [
            (Table::Users, &before.users, &after.users),
            (Table::Exposures, &before.exposures, &after.exposures),
        ];
        for (table, a, b) in pairs {
            let key = |row: &Row| head(&row.key).unwrap_or_default();
            let value = |records: &Records, key| records.read(key, <[u8]>::to_vec);
            let all = self
                .disk
                .table(table)
                .all(|row| value(a, key(&row)) == row.value && value(b, key(&row)) == row.value);
            same(table.name(), all && a.len() == b.len());
        }
        let matches = self.disk.table(Table::Matches).filter_map(|row| head(&row.key));
        let all = matches.into_iter().all(|key| before.matches.get(key) == after.matches.get(key));
        same("matches", all && before.matches.len() == after.matches.len());
        same("days", *before.days.lock() == *after.days.lock());
        same("pending", *before.pending.lock() == *after.pending.lock());
        let spent = |state: &State, no: &CampaignNo| state.books.totals(*no, now.to_secs()).0;
        same("books", books.iter().all(|no| spent(before, no) == spent(after, no)));
        found
    }

    /// What is spent of a book.
    pub fn spent(&self, no: CampaignNo, now: Millis) -> Money {
        self.state.books.totals(no, now.to_secs()).0
    }

    /// A user's impressions.
    pub fn exposures(&self, user: UserKey) -> Vec<Exposure> {
        let mut list = Vec::new();
        self.state.exposures.read(user.0, |bytes| exposure::read(bytes, &mut list));
        list
    }

    /// Evidence of a bid that is no longer listed with its user.
    pub fn orphan(&self, tag: u64) -> u8 {
        let rows = self.disk.table(Table::Orphans);
        // Behind the part of the table that it was written in.
        let row = rows.filter(|row| tail(&row.key) == Some(tag)).last();
        row.and_then(|row| row.value?.first().copied()).unwrap_or(0)
    }

    /// What is remembered of a user.
    pub fn profile(&self, user: UserKey) -> Profile {
        let mut profile = Profile::default();
        self.state.users.read(user.0, |record| profile.read(record));
        profile
    }
}

fn limits(world: &World, pick: &Pick, now: Millis) -> Limits {
    let advertiser = &world.shop(pick.advertiser).expect("its shop").advertiser;
    Limits {
        campaign: advertiser.campaigns[pick.campaign_index as usize].budget,
        advertiser: advertiser.budget,
        day: now.local_day(&advertiser.timezone),
    }
}
