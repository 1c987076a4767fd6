//! The durable store: fjall in `data_dir/store`, one keyspace for each table, and beside it what tells
//! whether it is whole: a lock, a high-water mark, the list of the erased.
//!
//! A struct, not a trait: the seam is `track::fold::Disk`. One commit at a time, in batches that are
//! synced before they are answered. Never interprets a value, but for the rows it is told to erase.

pub mod backup;
mod copy;
mod erased;
mod journal;
mod manifest;
mod mark;
mod open;
mod parts;
pub mod restore;
mod since;
mod tables;
mod trouble;
mod turn;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use fjall::config::PartitioningPolicy;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use parking_lot::Mutex;

use crate::base::time::Secs;
use crate::model::rows::{Row, Table, tail};
use crate::track::fold::Disk;
use erased::Erased;
use mark::Mark;
use since::Since;
use tables::{Tables, View};

pub use copy::copy;
pub use open::VERSION;
pub use trouble::Trouble;
pub use turn::{Step, Turned};

/// What the number of the last group commit is kept under.
const COMMIT: &str = "commit";
/// What is there while bytes of somebody who was erased or left may still be in the folder: since a commit of
/// that number.
const WAITS: &str = "erasure";
/// The keyspace of what the store keeps of itself.
const META: &str = "meta";

/// What a table keeps in memory before it is written out: every table has its own, and what they take is not
/// there for users.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// How new tables are made; those of older stores stay as they were made. Filters are in pieces, so that a look at a
/// key reads one piece, and not the whole filter of a file, where the cache does not hold all of them.
fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .filter_block_partitioning_policy(PartitioningPolicy::all(true))
}

/// How a database is opened: one thread writes out and merges, for bids have the machine. Its cache
/// is fjall's own of 32 MiB: in one of 8 the filters of ten million users do not stay.
fn builder(dir: &Path) -> fjall::DatabaseBuilder<Database> {
    Database::builder(dir).worker_threads(1)
}

/// An open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    /// A turn puts others in their place, between two commits.
    tables: Arc<ArcSwap<Tables>>,
    beside: Arc<Mutex<Beside>>,
    /// One turn at a time.
    turning: Arc<Mutex<()>>,
}

/// What is kept in files beside the store, and the number of the last commit. Whoever commits holds it.
struct Beside {
    data_dir: PathBuf,
    commit: u64,
    mark: Mark,
    erased: Erased,
    /// Commits since a turn began, while one is under way.
    since: Option<Since>,
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

    /// Whether bytes of somebody who was erased or left may still be in the folder: a turn takes them out.
    pub fn has_leftovers(&self) -> io::Result<bool> {
        self.tables.load().meta.contains_key(WAITS).map_err(other)
    }

    /// Moves what a store of before tables were divided has of them to its parts; returns how many rows.
    pub fn divide(&self, now: Secs) -> io::Result<usize> {
        let tables = self.tables.load_full();
        Table::ALL.iter().map(|table| tables.divided.move_undivided(*table, now)).sum()
    }

    /// Every row of a table, in the order of keys.
    pub fn rows(&self, table: Table) -> impl Iterator<Item = io::Result<Row>> + 'static {
        let tables = self.tables.load_full();
        let every = tables.places(table).into_iter().flat_map(|place| place.iter());
        every.map(move |guard| {
            let _held = &tables;
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
        let tables = self.tables.load_full();
        let Some(place) = tables.whole(table) else { return Ok(()) };
        for guard in place.range(first.to_be_bytes().to_vec()..=upper) {
            let (key, value) = guard.into_inner().map_err(other)?;
            each(&key, &value);
        }
        Ok(())
    }

    /// The number after the last fact's.
    pub fn next_fact(&self) -> io::Result<u64> {
        let tables = self.tables.load_full();
        let last = tables
            .places(Table::Facts)
            .into_iter()
            .rev()
            .find_map(|place| place.last_key_value());
        let last = last.map(|guard| guard.key().map_err(other)).transpose()?;
        Ok(last.and_then(|key| tail(&key)).map_or(0, |n| n + 1))
    }

    /// Everything as it is now, whatever is committed while it is read, and the tables that it is of.
    fn view(&self) -> io::Result<(Arc<Tables>, View)> {
        // No commit is half done while the lock is held.
        let _quiet = self.beside.lock();
        let tables = self.tables.load_full();
        let view = tables.view()?;
        Ok((tables, view))
    }
}

impl Disk for Store {
    fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let tables = self.tables.load();
        let Some(place) = tables.place(table, key) else { return Ok(None) };
        Ok(place.get(key).map_err(other)?.map(|value| value.to_vec()))
    }

    fn prefix(&self, table: Table, prefix: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let tables = self.tables.load_full();
        let rows = tables.places(table).into_iter().flat_map(|place| place.prefix(prefix));
        let rows = rows.map(|guard| guard.into_inner().map_err(other));
        rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
    }

    fn commit(&mut self, rows: &[Row]) -> io::Result<()> {
        let mut beside = self.beside.lock();
        let beside = &mut *beside;
        if beside.broken {
            return Err(io::Error::other("an earlier write beside the store failed"));
        }
        // Noted before it is done: an erasure that is noted and not done is done at the next start.
        let noted = beside.erased.note(rows.iter().filter(|row| row.table == Table::Erased));
        beside.broken |= noted.is_err();
        noted?;
        let number = beside.commit + 1;
        let tables = self.tables.load();
        tables.write(rows, number, Some(PersistMode::SyncData))?;
        beside.commit = number;
        if let Some(since) = &mut beside.since {
            since.note(number, rows);
        }
        let raised = tables.drop_past(rows).and_then(|()| beside.mark.raise(number));
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
