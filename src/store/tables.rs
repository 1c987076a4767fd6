//! One open fjall with the handles of its tables: what a turn replaces as a whole.
//!
//! Knows where a row belongs and how rows are written; of commits and who may make one it knows nothing.

use std::io;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, PersistMode, Readable, Snapshot};

use super::parts::Divided;
use super::{COMMIT, META, WAITS, options, other};
use crate::model::rows::{Row, Table, drops_through};

/// The handles of one folder. Whoever reads holds it whole: its folder goes when nobody does.
pub(super) struct Tables {
    pub(super) dir: PathBuf,
    pub(super) db: Database,
    /// Of those that are divided, none.
    whole: Vec<Option<Keyspace>>,
    pub(super) divided: Divided,
    pub(super) meta: Keyspace,
}

impl Tables {
    /// Opens every table of a database, or makes it.
    pub(super) fn open(dir: &Path, db: Database) -> io::Result<Tables> {
        let divided = Divided::open(&db)?;
        let keyspace = |name: &str| db.keyspace(name, options).map_err(other);
        let whole = Table::ALL.iter().map(|table| match table.parts() {
            Some(_) => Ok(None),
            None => keyspace(table.name()).map(Some),
        });
        Ok(Tables {
            dir: dir.to_owned(),
            whole: whole.collect::<io::Result<_>>()?,
            meta: keyspace(META)?,
            divided,
            db,
        })
    }

    /// The keyspace of a table that is not divided.
    pub(super) fn whole(&self, table: Table) -> Option<&Keyspace> {
        self.whole[table as usize].as_ref()
    }

    /// The keyspace where a key of a table is, if there is any.
    pub(super) fn place(&self, table: Table, key: &[u8]) -> Option<Keyspace> {
        self.whole(table).cloned().or_else(|| self.divided.part(table, key))
    }

    /// All keyspaces of a table, in the order of their keys.
    pub(super) fn places(&self, table: Table) -> Vec<Keyspace> {
        match self.whole(table) {
            Some(place) => vec![place.clone()],
            None => self.divided.all(table),
        }
    }

    /// Writes the rows of commit `number`, all or none, as durable as `mode` makes them; without one they
    /// are once something later is.
    pub(super) fn write(&self, rows: &[Row], number: u64, mode: Option<PersistMode>) -> io::Result<()> {
        let mut batch = self.db.batch().durability(mode);
        for row in rows.iter().filter(|row| drops_through(row).is_none()) {
            let place = match self.whole(row.table) {
                Some(place) => place.clone(),
                None => self.divided.make(row.table, &row.key)?,
            };
            match &row.value {
                Some(value) => batch.insert(&place, row.key.as_slice(), value.as_slice()),
                None => batch.remove(&place, row.key.as_slice()),
            }
        }
        let somebody_went = |row: &Row| row.table == Table::Erased || (row.table == Table::Users && row.value.is_none());
        if rows.iter().any(somebody_went) {
            batch.insert(&self.meta, WAITS, number.to_le_bytes());
        }
        batch.insert(&self.meta, COMMIT, number.to_le_bytes());
        batch.commit().map_err(other)
    }

    /// Drops what such rows say is over. Forgotten in a crash, it is dropped at the next start.
    pub(super) fn drop_past(&self, rows: &[Row]) -> io::Result<()> {
        let mut over = rows.iter().filter_map(|row| Some((row.table, drops_through(row)?)));
        over.try_for_each(|(table, last)| self.divided.drop_through(table, last))
    }

    /// Everything as it is now, whatever is written while it is read.
    pub(super) fn view(&self) -> io::Result<View> {
        let snapshot = self.db.snapshot();
        let names = self.db.list_keyspace_names();
        let tables = names.iter().map(|name| self.db.keyspace(name, options).map_err(other));
        let mut tables = tables.collect::<io::Result<Vec<_>>>()?;
        tables.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(View { snapshot, tables })
    }
}

/// A consistent view of every table.
pub(super) struct View {
    snapshot: Snapshot,
    pub(super) tables: Vec<Keyspace>,
}

impl View {
    /// The rows of a table in the order of keys.
    pub(super) fn rows<'a>(&'a self, table: &'a Keyspace) -> impl Iterator<Item = io::Result<fjall::KvPair>> + 'a {
        self.snapshot.iter(table).map(|guard| guard.into_inner().map_err(other))
    }
}
