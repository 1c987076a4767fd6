//! The durable store: fjall in `data_dir/store`, one keyspace for each table, and beside it what tells
//! whether it is whole: a lock, a high-water mark, the list of the erased.
//!
//! A struct, not a trait: the seam is `track::fold::Disk`. One commit at a time, in batches that are
//! synced before they are answered. Never interprets a value, but for the rows it is told to erase.

pub mod backup;
mod erased;
mod journal;
mod manifest;
mod mark;
mod open;
mod parts;
pub mod restore;
mod trouble;
mod turn;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use parking_lot::Mutex;

use crate::base::time::Secs;
use crate::model::rows::{Row, Table, drops_through};
use crate::track::fold::Disk;
use erased::Erased;
use mark::Mark;
use parts::Divided;

pub use open::VERSION;
pub use trouble::Trouble;

/// What the number of the last group commit is kept under.
const COMMIT: &str = "commit";
/// The keyspace of what the store keeps of itself.
const META: &str = "meta";

/// What a table keeps in memory before it is written out: every table has its own, and what they take is not
/// there for users.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// How new tables are made; those of older stores stay as they were made.
fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
}

/// An open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    db: Database,
    /// Of those that are divided, none.
    tables: Vec<Option<Keyspace>>,
    divided: Divided,
    meta: Keyspace,
    beside: Arc<Mutex<Beside>>,
}

/// What is kept in files beside the store, and the number of the last commit.
struct Beside {
    data_dir: PathBuf,
    commit: u64,
    mark: Mark,
    erased: Erased,
    /// A file beside the store could not be written: nothing more is taken.
    broken: bool,
    /// Last, so that it is let go when all else is closed.
    _lock: File,
}

impl Store {
    /// Opens the store of a data folder, or makes it.
    pub fn open(data_dir: &Path) -> Result<Store, Trouble> {
        open::open(data_dir, false)
    }

    /// As [`Store::open`], but goes on from where the store ends even if more was acknowledged.
    pub fn open_with_losses(data_dir: &Path) -> Result<Store, Trouble> {
        open::open(data_dir, true)
    }

    /// The number of the last group commit.
    pub fn last_commit(&self) -> u64 {
        self.beside.lock().commit
    }

    /// The folder that the store and its keys are in.
    pub fn data_dir(&self) -> PathBuf {
        self.beside.lock().data_dir.clone()
    }

    /// Moves what a store of before tables were divided has of them to its parts; returns how many rows.
    pub fn divide(&self, now: Secs) -> io::Result<usize> {
        Table::ALL.iter().map(|table| self.divided.move_undivided(*table, now)).sum()
    }

    /// The keyspace where a key of a table is, if there is any.
    fn place(&self, table: Table, key: &[u8]) -> Option<Keyspace> {
        self.tables[table as usize].clone().or_else(|| self.divided.part(table, key))
    }

    /// All keyspaces of a table, in the order of their keys.
    fn places(&self, table: Table) -> Vec<Keyspace> {
        match &self.tables[table as usize] {
            Some(place) => vec![place.clone()],
            None => self.divided.all(table),
        }
    }

    /// Every row of a table, in the order of keys.
    pub fn rows(&self, table: Table) -> impl Iterator<Item = io::Result<Row>> + '_ {
        let every = self.places(table).into_iter().flat_map(|place| place.iter());
        every.map(move |guard| {
            let (key, value) = guard.into_inner().map_err(other)?;
            Ok(Row {
                table,
                key: key.to_vec(),
                value: Some(value.to_vec()),
            })
        })
    }

    /// Calls `each` with every key and value of a table that is not divided, whose keys begin with a number
    /// from `first` to `last`, in their order.
    pub fn each(&self, table: Table, first: u64, last: u64, mut each: impl FnMut(&[u8], &[u8])) -> io::Result<()> {
        // The longest key that begins with `last` is none longer than this.
        let upper = [&last.to_be_bytes()[..], &[0xff; 32]].concat();
        let Some(place) = &self.tables[table as usize] else { return Ok(()) };
        for guard in place.range(first.to_be_bytes().to_vec()..=upper) {
            let (key, value) = guard.into_inner().map_err(other)?;
            each(&key, &value);
        }
        Ok(())
    }

    /// The number after the last one of a table whose keys begin with one.
    pub fn next_number(&self, table: Table) -> io::Result<u64> {
        let last = self.places(table).into_iter().rev().find_map(|place| place.last_key_value());
        let last = last.map(|guard| guard.key().map_err(other)).transpose()?;
        Ok(last.and_then(|key| crate::model::rows::head(&key)).map_or(0, |n| n + 1))
    }

    /// Everything as it is now, whatever is committed while it is read.
    fn view(&self) -> io::Result<View> {
        // No commit is half done while the lock is held.
        let _quiet = self.beside.lock();
        let snapshot = self.db.snapshot();
        let names = self.db.list_keyspace_names();
        let tables = names.iter().map(|name| self.db.keyspace(name, options).map_err(other));
        let mut tables = tables.collect::<io::Result<Vec<_>>>()?;
        tables.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(View { snapshot, tables })
    }
}

/// A consistent view of every table.
struct View {
    snapshot: Snapshot,
    tables: Vec<Keyspace>,
}

impl View {
    /// The rows of a table in the order of keys.
    fn rows<'a>(&'a self, table: &'a Keyspace) -> impl Iterator<Item = io::Result<fjall::KvPair>> + 'a {
        self.snapshot.iter(table).map(|guard| guard.into_inner().map_err(other))
    }
}

impl Disk for Store {
    fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(place) = self.place(table, key) else { return Ok(None) };
        Ok(place.get(key).map_err(other)?.map(|value| value.to_vec()))
    }

    fn prefix(&self, table: Table, prefix: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let rows = self.places(table).into_iter().flat_map(|place| place.prefix(prefix));
        let rows = rows.map(|guard| guard.into_inner().map_err(other));
        rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
    }

    fn commit(&mut self, rows: &[Row]) -> io::Result<()> {
        let mut beside = self.beside.lock();
        if beside.broken {
            return Err(io::Error::other("an earlier write beside the store failed"));
        }
        // Noted before it is done: an erasure that is noted and not done is done at the next start.
        let noted = beside.erased.note(rows.iter().filter(|row| row.table == Table::Erased));
        beside.broken |= noted.is_err();
        noted?;
        let number = beside.commit + 1;
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for row in rows.iter().filter(|row| drops_through(row).is_none()) {
            let place = match &self.tables[row.table as usize] {
                Some(place) => place.clone(),
                None => self.divided.make(row.table, &row.key)?,
            };
            match &row.value {
                Some(value) => batch.insert(&place, row.key.as_slice(), value.as_slice()),
                None => batch.remove(&place, row.key.as_slice()),
            }
        }
        batch.insert(&self.meta, COMMIT, number.to_le_bytes());
        batch.commit().map_err(other)?;
        // Forgotten in a crash, they are dropped at the next start.
        let mut over = rows.iter().filter_map(|row| Some((row.table, drops_through(row)?)));
        let dropped = over.try_for_each(|(table, last)| self.divided.drop_through(table, last));
        beside.commit = number;
        let raised = dropped.and_then(|()| beside.mark.raise(number));
        beside.broken |= raised.is_err();
        raised
    }
}

fn other(error: fjall::Error) -> io::Error {
    match error {
        fjall::Error::Io(error) => error,
        fjall::Error::Storage(fjall::LsmError::Io(error)) => error,
        other => io::Error::other(other.to_string()),
    }
}
