//! The durable store: fjall in `data_dir`, one keyspace for each table.
//!
//! A struct, not a trait: the seam is `track::fold::Disk`. One thread writes, in batches that are
//! synced before they are answered. Never interprets a value.

use std::io;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::model::rows::{Row, Table};
use crate::track::fold::Disk;

/// An open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    db: Database,
    tables: Vec<Keyspace>,
}

impl Store {
    /// Opens the store in a folder, or makes it.
    pub fn open(dir: &Path) -> io::Result<Store> {
        let db = Database::builder(dir).worker_threads(1).open().map_err(other)?;
        let tables = Table::ALL
            .iter()
            .map(|table| db.keyspace(table.name(), KeyspaceCreateOptions::default).map_err(other));
        let tables = tables.collect::<io::Result<Vec<_>>>()?;
        Ok(Store { db, tables })
    }

    fn table(&self, table: Table) -> &Keyspace {
        &self.tables[table as usize]
    }

    /// Every row of a table, in the order of keys.
    pub fn rows(&self, table: Table) -> impl Iterator<Item = io::Result<Row>> + '_ {
        self.table(table).iter().map(move |guard| {
            let (key, value) = guard.into_inner().map_err(other)?;
            Ok(Row {
                table,
                key: key.to_vec(),
                value: Some(value.to_vec()),
            })
        })
    }

    /// The number after the last one of a table whose keys begin with one.
    pub fn next_number(&self, table: Table) -> io::Result<u64> {
        let last = self
            .table(table)
            .last_key_value()
            .map(|guard| guard.key().map_err(other))
            .transpose()?;
        Ok(last.and_then(|key| crate::model::rows::head(&key)).map_or(0, |n| n + 1))
    }
}

impl Disk for Store {
    fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.table(table).get(key).map_err(other)?.map(|value| value.to_vec()))
    }

    fn prefix(&self, table: Table, prefix: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let rows = self.table(table).prefix(prefix).map(|guard| guard.into_inner().map_err(other));
        rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
    }

    fn commit(&mut self, rows: &[Row]) -> io::Result<()> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for row in rows {
            match &row.value {
                Some(value) => batch.insert(self.table(row.table), row.key.as_slice(), value.as_slice()),
                None => batch.remove(self.table(row.table), row.key.as_slice()),
            }
        }
        batch.commit().map_err(other)
    }
}

fn other(error: fjall::Error) -> io::Error {
    io::Error::other(error.to_string())
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
