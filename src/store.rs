//! The durable store: fjall in `data_dir`, one keyspace for each table.
//!
//! A struct, not a trait: the seam is `track::fold::Disk`. One thread writes, in batches that are
//! synced before they are answered. Never interprets a value.

mod parts;

use std::io;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::base::time::Secs;
use crate::model::rows::{Row, Table, drops_through};
use crate::track::fold::Disk;
use parts::Divided;

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
}

impl Store {
    /// Opens the store in a folder, or makes it.
    pub fn open(dir: &Path) -> io::Result<Store> {
        let db = Database::builder(dir).worker_threads(1).open().map_err(other)?;
        let divided = Divided::open(&db)?;
        let open = |table: &Table| match table.parts() {
            Some(_) => Ok(None),
            None => db.keyspace(table.name(), options).map(Some).map_err(other),
        };
        let tables = Table::ALL.iter().map(open).collect::<io::Result<Vec<_>>>()?;
        Ok(Store { db, tables, divided })
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
        batch.commit().map_err(other)?;
        // Forgotten in a crash, they are dropped at the next start.
        for row in rows {
            if let Some(last) = drops_through(row) {
                self.divided.drop_through(row.table, last)?;
            }
        }
        Ok(())
    }
}

fn other(error: fjall::Error) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
impl Store {
    fn keyspace_names(&self) -> Vec<String> {
        self.db.list_keyspace_names().iter().map(|name| name.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_there_after_reopening() {
        let dir = tempfile::tempdir().expect("folder");
        let row = |key: u64, value: Option<&[u8]>| Row {
            table: Table::Facts,
            key: key.to_be_bytes().to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        let mut store = Store::open(dir.path()).expect("open");
        store.commit(&[row(1, Some(b"a")), row(2, Some(b"b"))]).expect("commit");
        store.commit(&[row(1, None)]).expect("commit");
        drop(store);
        let store = Store::open(dir.path()).expect("reopen");
        assert_eq!(store.get(Table::Facts, &2u64.to_be_bytes()).expect("get"), Some(b"b".to_vec()));
        assert_eq!(store.get(Table::Facts, &1u64.to_be_bytes()).expect("get"), None);
        assert_eq!(store.rows(Table::Facts).count(), 1);
        assert_eq!(store.next_number(Table::Facts).expect("number"), 3);
        assert_eq!(store.prefix(Table::Facts, &[0, 0]).expect("scan").len(), 1);
    }
}
