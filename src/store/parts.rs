//! Tables divided by time: one keyspace for each part, so that what is over is dropped whole.
//!
//! Parts are made when their first row is written. Stores of before tables were divided have one keyspace
//! under the table's own name; its rows are moved once, and it is dropped. Never interprets a value, but
//! for the time that such old rows tell.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use fjall::{Database, Keyspace, PersistMode};
use parking_lot::RwLock;
use serde::Deserialize;

use super::{options, other};
use crate::base::time::{Millis, Secs};
use crate::model::rows::{Parts, Table, head};

/// Rows moved in one commit.
const MOVED_PER_COMMIT_MAX: usize = 10_000;

type Open = BTreeMap<(Table, u64), Keyspace>;

/// The parts there are. Clones share them.
#[derive(Clone)]
pub(super) struct Divided {
    db: Database,
    open: Arc<RwLock<Open>>,
}

fn name(table: Table, part: u64) -> String {
    format!("{}.{part}", table.name())
}

impl Divided {
    /// Opens every part of every divided table.
    pub(super) fn open(db: &Database) -> io::Result<Divided> {
        let mut open = Open::new();
        for keyspace in db.list_keyspace_names() {
            let part = keyspace.rsplit_once('.').and_then(|(table, part)| {
                let table = Table::ALL.into_iter().find(|t| t.parts().is_some() && t.name() == table)?;
                Some((table, part.parse().ok()?))
            });
            if let Some(part) = part {
                open.insert(part, db.keyspace(&keyspace, options).map_err(other)?);
            }
        }
        Ok(Divided {
            db: db.clone(),
            open: Arc::new(RwLock::new(open)),
        })
    }

    /// The part a key belongs to, if there is one.
    pub(super) fn part(&self, table: Table, key: &[u8]) -> Option<Keyspace> {
        self.open.read().get(&(table, head(key)?)).cloned()
    }

    /// The part a key belongs to; made, if it is the first row there.
    pub(super) fn make(&self, table: Table, key: &[u8]) -> io::Result<Keyspace> {
        if let Some(part) = self.part(table, key) {
            return Ok(part);
        }
        let part = head(key).ok_or_else(|| io::Error::other(format!("a key of `{}` has no part", table.name())))?;
        let made = self.db.keyspace(&name(table, part), options).map_err(other)?;
        self.open.write().insert((table, part), made.clone());
        Ok(made)
    }

    /// Every part of a table, the oldest first.
    pub(super) fn all(&self, table: Table) -> Vec<Keyspace> {
        let open = self.open.read();
        open.range((table, 0)..=(table, u64::MAX)).map(|(_, part)| part.clone()).collect()
    }

    /// Drops the parts of a table up to this one, that one included.
    pub(super) fn drop_through(&self, table: Table, last: u64) -> io::Result<()> {
        let mut open = self.open.write();
        let past: Vec<(Table, u64)> = open.range((table, 0)..=(table, last)).map(|(part, _)| *part).collect();
        for part in past {
            if let Some(keyspace) = open.remove(&part) {
                self.db.delete_keyspace(keyspace).map_err(other)?;
            }
        }
        Ok(())
    }

    /// Moves rows of before this table was divided to the part of the time they tell, or of `now` where
    /// they tell none. Returns how many; done again after a crash, it goes on where it was.
    pub(super) fn move_undivided(&self, table: Table, now: Secs) -> io::Result<usize> {
        let (Some(parts), true) = (table.parts(), self.db.keyspace_exists(table.name())) else {
            return Ok(0);
        };
        let old = self.db.keyspace(table.name(), options).map_err(other)?;
        let mut moved = 0;
        loop {
            let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
            let mut rows = 0;
            for guard in old.iter().take(MOVED_PER_COMMIT_MAX) {
                let (key, value) = guard.into_inner().map_err(other)?;
                let written = written(table, &value).map_or(now, |at| at.min(now));
                // What is over already is left behind.
                if parts.of(written) >= parts.oldest(now) {
                    let key = Parts::key(parts.of(written), &key);
                    batch.insert(&self.make(table, &key)?, key, &*value);
                }
                batch.remove(&old, key);
                rows += 1;
            }
            if rows == 0 {
                break;
            }
            batch.commit().map_err(other)?;
            moved += rows;
        }
        self.db.delete_keyspace(old).map_err(other)?;
        Ok(moved)
    }
}

/// When a row of before its table was divided was written: facts say so as text, others begin with it.
fn written(table: Table, value: &[u8]) -> Option<Secs> {
    #[derive(Deserialize)]
    struct Fact<'a> {
        at: &'a str,
    }
    match table {
        Table::Facts => {
            let fact: Fact<'_> = serde_json::from_slice(value).ok()?;
            let at: jiff::Timestamp = fact.at.parse().ok()?;
            Some(Millis(at.as_millisecond()).to_secs())
        }
        _ => head(value).and_then(|at| u32::try_from(at).ok()).map(Secs),
    }
}

#[cfg(test)]
mod tests {
    use fjall::{Database, KeyspaceCreateOptions};

    use super::*;
    use crate::base::time::Span;
    use crate::model::rows::{Row, pair};
    use crate::store::Store;
    use crate::track::fold::Disk;

    const NOW: Secs = Secs(80_000_000);

    fn names(store: &Store) -> Vec<String> {
        store
            .tables
            .load()
            .db
            .list_keyspace_names()
            .iter()
            .map(|name| name.to_string())
            .collect()
    }

    fn row(table: Table, part: u64, key: u64, value: Option<&[u8]>) -> Row {
        Row {
            table,
            key: Parts::key(part, &key.to_be_bytes()),
            value: value.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn a_part_is_there_until_it_is_dropped_and_stays_dropped() {
        let dir = tempfile::tempdir().expect("folder");
        let mut store = Store::open(dir.path()).expect("open");
        let table = Table::EventIds;
        store
            .commit(&[row(table, 7, 1, Some(b"a")), row(table, 8, 2, Some(b"b"))])
            .expect("commit");
        store
            .commit(&[row(table, 9, 3, Some(b"c")), row(Table::Orphans, 7, 1, Some(b"d"))])
            .expect("commit");
        drop(store);
        let mut store = Store::open(dir.path()).expect("reopen");
        let keys = |store: &Store| {
            store
                .rows(table)
                .map(|row| head(&row.expect("row").key).expect("part"))
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&store), [7, 8, 9]);
        store
            .commit(&[Parts::drop_through(table, 8), row(table, 9, 4, Some(b"e"))])
            .expect("commit");
        for _ in 0..2 {
            assert_eq!(keys(&store), [9, 9]);
            assert_eq!(store.get(table, &row(table, 7, 1, None).key).expect("get"), None);
            assert_eq!(store.get(table, &row(table, 9, 3, None).key).expect("get"), Some(b"c".to_vec()));
            assert_eq!(
                store.get(Table::Orphans, &row(table, 7, 1, None).key).expect("get"),
                Some(b"d".to_vec())
            );
            drop(store);
            store = Store::open(dir.path()).expect("reopen");
        }
        let names = names(&store);
        assert!(
            !names.contains(&"event_ids.8".to_owned()) && names.contains(&"event_ids.9".to_owned()),
            "{names:?}"
        );
    }

    #[test]
    fn a_store_of_before_tables_were_divided_opens_with_its_rows() {
        let dir = tempfile::tempdir().expect("folder");
        let db = Database::builder(dir.path().join("store")).open().expect("open");
        let old = |table: Table| db.keyspace(table.name(), KeyspaceCreateOptions::default).expect("keyspace");
        let at = |secs: Secs| u64::from(secs.0).to_be_bytes();
        let (recent, over) = (Secs(NOW.0 - Span::DAY.0), Secs(NOW.0 - Span::days(20).0));
        for n in 0..25_000u64 {
            let when = if n % 5 == 0 { over } else { recent };
            old(Table::EventIds).insert(pair(1, n), at(when)).expect("insert");
        }
        old(Table::Orders).insert(pair(1, 5), at(over)).expect("insert");
        old(Table::Orphans).insert(9u64.to_be_bytes(), [31]).expect("insert");
        for n in 0..5u64 {
            let at = if n == 4 { recent } else { over }.to_millis().to_rfc3339();
            let fact = format!(r#"{{"fact":"impression","campaign":1,"at":"{at}"}}"#);
            old(Table::Facts).insert(n.to_be_bytes(), fact).expect("insert");
        }
        db.persist(PersistMode::SyncAll).expect("persist");
        drop(db);
        for moved in [25_007, 0] {
            let store = Store::open(dir.path()).expect("open");
            assert_eq!(store.divide(NOW).expect("moved"), moved);
            assert_eq!(store.rows(Table::EventIds).count(), 20_000, "those over are left behind");
            let part = |table: Table, at: Secs| table.parts().expect("divided").of(at);
            let get = |table, at, key: &[u8]| store.get(table, &Parts::key(part(table, at), key)).expect("get");
            assert_eq!(get(Table::EventIds, recent, &pair(1, 24_999)), Some(at(recent).to_vec()));
            assert_eq!(get(Table::Orders, over, &pair(1, 5)), Some(at(over).to_vec()));
            assert_eq!(get(Table::Orphans, NOW, &9u64.to_be_bytes()), Some(vec![31]));
            assert!(!names(&store).iter().any(|name| name == "orders"));
            let facts = [over, recent].map(|at| store.prefix(Table::Facts, &part(Table::Facts, at).to_be_bytes()));
            assert_eq!(facts.map(|facts| facts.expect("facts").len()), [4, 1]);
            assert_eq!(store.next_fact().expect("a number"), 5, "numbers go on");
        }
    }
}
