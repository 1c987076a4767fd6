//! One server without listeners: a disk in memory that can fail, virtual time.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::world::world;
use crate::base::hash::{Hashes, email_namespace};
use crate::base::id::{BidTag, CampaignNo, CreativeNo, ExchangeNo, ProductKey, UserKey};
use crate::base::money::{Conversion, Money};
use crate::base::time::{Day, Millis, Span};
use crate::model::advertiser::{Budget, Shop};
use crate::model::dimension::{Dimension, read_cell};
use crate::model::exposure::{self, Exposure};
use crate::model::hold::WinShare;
use crate::model::profile::Profile;
use crate::model::rows::{Row, Table, drops_through, head, tail};
use crate::model::ticket::Ticket;
use crate::model::traffic::InvalidTraffic;
use crate::privacy::grant::Grant;
use crate::privacy::permission::Permission;
use crate::privacy::signals::Signals;
use crate::state::world::World;
use crate::state::{DayRow, State};
use crate::track::events::{self, Read, Sender};
use crate::track::fact::{Effect, Fact, IdRef, Sign};
use crate::track::fold::Disk;
use crate::track::notice::{self, Opened};
use crate::track::writer::{Unrecorded, Writer, install_row, restore};

/// 2026-09-21T14:13:20Z: 21:13 in the shop's zone.
pub const NOW: Millis = Millis(1_790_000_000_000);

/// A disk in memory; the commit whose turn `fail_at` is fails.
#[derive(Default)]
pub struct MemoryDisk {
    pub rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    pub commits: usize,
    pub fail_at: Option<usize>,
}

impl Disk for MemoryDisk {
    fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn prefix(&self, table: Table, prefix: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let from = self.rows.range((table, prefix.to_vec())..);
        let found = from.take_while(|((t, key), _)| *t == table && key.starts_with(prefix));
        Ok(found.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&mut self, rows: &[Row]) -> io::Result<()> {
        self.commits += 1;
        if self.fail_at == Some(self.commits) {
            return Err(io::Error::other("disk full"));
        }
        for row in rows {
            if let Some(last) = drops_through(row) {
                self.rows.retain(|(table, key), _| *table != row.table || head(key) > Some(last));
            }
            let key = (row.table, row.key.clone());
            match &row.value {
                Some(value) => self.rows.insert(key, value.clone()),
                None => self.rows.remove(&key),
            };
        }
        Ok(())
    }
}

impl MemoryDisk {
    pub fn table(&self, table: Table) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.rows
            .iter()
            .filter(move |((t, _), _)| *t == table)
            .map(|((_, key), value)| (key, value))
    }

    pub fn count(&self, table: Table) -> usize {
        self.table(table).count()
    }

    /// Whether any key or value has these eight bytes of a number.
    pub fn mentions(&self, number: u64) -> bool {
        let (big, little) = (number.to_be_bytes(), number.to_le_bytes());
        let has = |bytes: &[u8]| bytes.windows(8).any(|window| *window == big || *window == little);
        self.rows.iter().any(|((_, key), value)| has(key) || has(value))
    }
}

/// The hash of an address as shops send it.
pub fn hex(address: &str) -> String {
    Sha256::digest(address).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One server without listeners.
pub struct Rig {
    pub world: World,
    pub state: State,
    pub disk: MemoryDisk,
    pub writer: Writer,
    pub now: Millis,
}

impl Rig {
    pub fn new() -> Rig {
        Rig {
            world: world(),
            state: State::default(),
            disk: MemoryDisk::default(),
            writer: Writer::new(0, Hashes::new(&[9; 16])),
            now: NOW,
        }
    }

    /// One in which an id of more users than these is nobody's own.
    pub fn with_shared_ids(most: usize) -> Rig {
        let mut rig = Rig::new();
        rig.world.invalid_traffic = Arc::new(InvalidTraffic {
            users_per_foreign_id: Some(most as u32),
            ..InvalidTraffic::default()
        });
        rig
    }

    pub fn later(&mut self, seconds: u32) {
        self.now = self.now.after(Span(seconds));
    }

    pub fn try_record(&mut self, facts: &[Fact]) -> Result<Vec<Effect>, Unrecorded> {
        self.writer.record(facts, &self.state, &self.world, &mut self.disk, self.now)
    }

    pub fn record(&mut self, facts: Vec<Fact>) -> Vec<Effect> {
        self.try_record(&facts).expect("recorded")
    }

    pub fn one(&mut self, fact: Fact) -> Effect {
        self.record(vec![fact])[0]
    }

    pub fn shop(&self, id: &str) -> &Arc<Shop> {
        self.world.shop_by_id(id).expect("shop")
    }

    pub fn campaign(&self, index: usize) -> CampaignNo {
        self.shop("acme").advertiser.campaigns[index].no
    }

    pub fn key(&self, id: &str) -> UserKey {
        self.world.hashes.user(id.as_bytes())
    }

    /// A bid of CPM 2.50 in the shop's currency, made now.
    pub fn ticket(&self, user: UserKey, exchange: u8) -> Ticket {
        let shop = &self.shop("acme").advertiser;
        Ticket {
            exchange: ExchangeNo(exchange),
            test: false,
            own_currency: false,
            tracked: true,
            advertiser: shop.no,
            campaign: shop.campaigns[0].no,
            creative: CreativeNo(1),
            user,
            product: ProductKey::NONE,
            at: self.now.to_secs(),
            hold_s: 360,
            price: Money(2_500_000_000),
            conversion: Conversion { from: 1, to: 1 },
            share: WinShare::FULL,
            place: Default::default(),
        }
    }

    pub fn sign(&self, sign: Sign, ticket: Ticket, tag: u64, price: &str) -> Fact {
        let opened = Opened {
            ticket,
            further: Default::default(),
            tag: BidTag(tag),
        };
        let query = format!("price={price}");
        Fact::Evidence(notice::evidence(&self.world, sign, opened, Some(&query), self.now))
    }

    /// Takes a bid's budget holds, as committing it does.
    pub fn hold(&self, ticket: &Ticket) -> Money {
        let shop = self.shop("acme");
        let taken = ticket.taken(shop.advertiser.fee, crate::base::money::Ratio(0));
        for book in [ticket.campaign, shop.advertiser.book] {
            assert!(self.state.books.hold(book, &Budget::default(), Day(0), &taken));
        }
        taken.amount.full
    }

    pub fn lose(&self, ticket: Ticket, tag: u64) -> bool {
        let opened = Opened {
            ticket,
            further: Default::default(),
            tag: BidTag(tag),
        };
        notice::lose(&self.world, &self.state, &opened, self.now.to_secs())
    }

    pub fn read(&self, sender: &Sender, body: &str) -> Result<Read, String> {
        let fresh = (self.key("fresh"), "fresh".to_owned());
        events::read(&self.world, self.shop("acme"), sender, body, self.now, fresh)
    }

    /// Events sent by the shop's server of whom `user` describes; `address` there is one in the clear.
    pub fn events(&self, user: &str, events: &str) -> Fact {
        self.events_at("acme", user, events)
    }

    /// The same at any shop.
    pub fn events_at(&self, shop: &str, user: &str, events: &str) -> Fact {
        let mut user: serde_json::Value = serde_json::from_str(user).expect("a user");
        if let Some(address) = user["address"].as_str().map(str::to_owned) {
            user["email_sha256"] = hex(&address).into();
        }
        let body = format!(r#"{{"user": {user}, "events": [{events}]}}"#);
        let fresh = (self.key("fresh"), "fresh".to_owned());
        let read = events::read(&self.world, self.shop(shop), &Sender::Server, &body, self.now, fresh).expect("readable");
        assert!(read.rejected.is_empty(), "{:?}", read.rejected);
        Fact::Events(read.batch.expect("events"))
    }

    pub fn matching(&self, ours: &str, exchange: &str, theirs: &str) -> Fact {
        let foreign = self.world.hashes.foreign(exchange, theirs.as_bytes());
        let ids = vec![IdRef::Ours(self.key(ours), ours.into()), IdRef::Foreign(foreign, exchange.into())];
        Fact::Match(ids, Grant::of(Permission::ALL, &Signals::default(), self.now.to_secs()))
    }

    pub fn matched(&self, namespace: &str, theirs: &str) -> Option<UserKey> {
        self.state.matched(self.world.hashes.foreign(namespace, theirs.as_bytes()))
    }

    /// Whom a shop knows by an address.
    pub fn addressed(&self, shop: &str, address: &str) -> Option<UserKey> {
        let namespace = email_namespace(self.shop(shop).advertiser.no);
        let key = self.world.hashes.foreign(&namespace, &Sha256::digest(address));
        self.state.matched(key)
    }

    /// What a decision is told of a user.
    pub fn recalled(&self, user: UserKey) -> (Profile, Vec<Exposure>) {
        let (mut profile, mut shown) = Default::default();
        match self.state.recall(user, &mut profile, &mut shown, &mut Default::default()) {
            true => (profile, shown),
            false => Default::default(),
        }
    }

    pub fn profile(&self, user: UserKey) -> Profile {
        let mut profile = Profile::default();
        self.state.users.read(user.0, |record| profile.read(record));
        profile
    }

    pub fn exposures(&self, user: UserKey) -> Vec<Exposure> {
        let mut list = Vec::new();
        self.state.exposures.read(user.0, |bytes| exposure::read(bytes, &mut list));
        list
    }

    /// Spent and held of the first campaign.
    pub fn totals(&self) -> (Money, Money) {
        self.state.books.totals(self.campaign(0), self.now.to_secs())
    }

    /// All days of the first campaign, summed.
    pub fn row(&self) -> DayRow {
        let days = self.state.days.lock();
        let rows = days.iter().filter(|((no, _), _)| *no == self.campaign(0)).map(|(_, row)| *row);
        rows.fold(DayRow::default(), |mut sum, row| {
            sum.add(&row);
            sum
        })
    }

    /// A State read from the disk, as at a start.
    pub fn reloaded(&self) -> State {
        let state = State::default();
        let row = |table, (key, value): (&Vec<u8>, &Vec<u8>)| Row {
            table,
            key: key.clone(),
            value: Some(value.clone()),
        };
        for table in [Table::Users, Table::Exposures, Table::Matches, Table::Days, Table::OptedOut] {
            self.disk.table(table).for_each(|entry| install_row(&row(table, entry), &state));
        }
        let rest = [Table::Holds, Table::Pending];
        let rest: Vec<Row> = rest
            .into_iter()
            .flat_map(|table| self.disk.table(table).map(move |entry| row(table, entry)))
            .collect();
        let book_of = |campaign| {
            let owner = |shop: &&Arc<Shop>| shop.advertiser.campaigns.iter().any(|c| c.no == campaign);
            self.world.shops().find(owner).map(|shop| shop.advertiser.book)
        };
        restore(&state, rest.into_iter(), book_of, self.now.to_secs());
        state
    }

    pub fn restart(&mut self) {
        self.state = self.reloaded();
        let last = self.disk.table(Table::Facts).last().and_then(|(key, _)| tail(key));
        self.writer = Writer::new(last.map_or(0, |n| n + 1), Hashes::new(&[9; 16]));
    }

    /// The running State and one read from the disk know the same.
    pub fn assert_durable(&self) {
        let loaded = self.reloaded();
        for state in [&self.state, &loaded] {
            self.assert_mirrors(state);
        }
        assert_eq!(*self.state.days.lock(), *loaded.days.lock());
        self.assert_cells();
        assert_eq!(*self.state.pending.lock(), *loaded.pending.lock());
        let now = self.now.to_secs();
        for no in (0..20).map(CampaignNo) {
            let (running, later) = (self.state.books.entry(no), loaded.books.entry(no));
            for (a, b) in [
                (&running.impressions, &later.impressions),
                (&running.clicks, &later.clicks),
                (&running.conversions, &later.conversions),
            ] {
                let read = std::sync::atomic::Ordering::Relaxed;
                assert_eq!(a.load(read), b.load(read), "{no:?}");
            }
            let ((spent, held), (spent_later, held_later)) = (self.state.books.totals(no, now), loaded.books.totals(no, now));
            assert_eq!(spent, spent_later, "{no:?}");
            assert!(held <= held_later, "{no:?}: a restart forgets no hold");
            // What a day's budget leaves, the holds put back: what was spent on that day.
            let left = |state: &State, day, held| {
                let budget = Budget {
                    daily: Some(Money::units(1_000)),
                    ..Budget::default()
                };
                state.books.room(no, &budget, day, now).full + held
            };
            let today = self.now.local_day(&jiff::tz::TimeZone::UTC);
            for day in (-2..=1).map(|n| today.plus(n)) {
                assert_eq!(left(&self.state, day, held), left(&loaded, day, held_later), "{no:?} {day}");
            }
        }
    }

    /// What dimensions tell apart adds up to the rows of days.
    fn assert_cells(&self) {
        for ((campaign, day), row) in self.state.days.lock().iter() {
            // What is of a whole advertiser was shown nowhere.
            let every = Dimension::ALL
                .into_iter()
                .filter(|dimension| *dimension == Dimension::Hour || row.invalid_events == 0);
            for dimension in every {
                let cells = self.cells(dimension, *campaign, *day);
                let mut sum = DayRow::default();
                cells.iter().for_each(|(_, cell)| sum.add(cell));
                assert_eq!(sum, *row, "{dimension:?} of {campaign:?} {day}");
            }
        }
    }

    /// The cells of a campaign's day, by value.
    pub fn cells(&self, dimension: Dimension, campaign: CampaignNo, day: Day) -> Vec<(u64, DayRow)> {
        let of_day = dimension.of_day(campaign, day).to_be_bytes();
        let rows = self.disk.prefix(Table::Cells, &of_day).expect("rows");
        let cells = rows
            .iter()
            .filter_map(|(key, value)| Some((read_cell(key)?.1, DayRow::read(value)?)));
        cells.collect()
    }

    fn assert_mirrors(&self, state: &State) {
        let mirrored = |table, map: &crate::state::records::Records| {
            assert_eq!(map.len(), self.disk.count(table), "{table:?}");
            for (key, value) in self.disk.table(table) {
                let key = head(key).expect("key");
                assert_eq!(map.read(key, |v| v.to_vec()).as_ref(), Some(value), "{table:?}");
            }
        };
        mirrored(Table::Users, &state.users);
        mirrored(Table::Exposures, &state.exposures);
        assert_eq!(state.matches.len(), self.disk.count(Table::Matches));
        for (key, value) in self.disk.table(Table::Matches) {
            assert_eq!(state.matches.get(head(key).expect("key")).map(|u| u.0), head(value));
        }
        assert_eq!(state.opted_out.len(), self.disk.count(Table::OptedOut));
        assert!(
            self.disk
                .table(Table::OptedOut)
                .all(|(key, _)| state.opted_out.contains(head(key).expect("key")))
        );
    }
}
