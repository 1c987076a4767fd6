//! Opens a data folder: the lock, what an interrupted turn left, the journals, fjall, the version, the
//! high-water mark; in this order.
//!
//! A store that is refused is left as it was found.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use fjall::{Database, Keyspace, PersistMode};
use parking_lot::Mutex;

use super::erased::Erased;
use super::journal::{self, Copies};
use super::manifest;
use super::mark::{self, Mark, Seen};
use super::tables::Tables;
use super::trouble::Trouble;
use super::{Beside, COMMIT, META, Store, WAITS, builder, options, other, restore, turn};

/// What this program writes. Stores without a version have no numbered commits; before 2, facts were one
/// table and named nobody.
pub const VERSION: u32 = 2;
pub(super) const VERSION_KEY: &str = "version";
pub(super) const LOCK: &str = "lock";

/// The lock of a data folder, which is made if need be.
pub(super) fn lock(data_dir: &Path) -> Result<File, Trouble> {
    fs::create_dir_all(data_dir).map_err(Trouble::io("make", data_dir))?;
    let path = data_dir.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(Trouble::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Trouble::Locked(data_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(Trouble::io("lock", &path)(source)),
    }
}

pub(super) fn open(data_dir: &Path, accept_loss: bool) -> Result<Store, Trouble> {
    let lock = lock(data_dir)?;
    if restore::is_half_done(data_dir) {
        return Err(Trouble::HalfRestored(data_dir.to_owned()));
    }
    turn::settle(data_dir).map_err(Trouble::io("settle", data_dir))?;
    let dir = turn::folder(data_dir);
    let seen = mark::read(data_dir).map_err(Trouble::io("read", &data_dir.join(mark::FILE)))?;
    if !dir.exists() {
        match seen {
            Seen::At(acknowledged) if acknowledged > 0 && !accept_loss => return Err(Trouble::Short { at: 0, acknowledged }),
            _ => make(data_dir)?,
        }
    }
    let copies = Copies::take(data_dir, &dir).map_err(Trouble::io("copy the journals of", &dir))?;
    let judged = open_tables(&dir).and_then(|opened| {
        let commit = judge(data_dir, &dir, &opened.meta, seen, accept_loss)?;
        Ok((opened, commit))
    });
    let (opened, commit) = match judged {
        Ok(judged) => judged,
        Err(trouble) => {
            if let Err(error) = copies.put_back() {
                tracing::warn!("the journals of {} are put back at the next start: {error}", dir.display());
            }
            return Err(trouble);
        }
    };
    if commit.version < VERSION {
        upgrade(&opened).map_err(Trouble::io("write", &dir))?;
    }
    let commit = commit.at;
    copies.drop().map_err(Trouble::io("remove the copies of the journals of", &dir))?;
    let mark = Mark::open(data_dir, commit).map_err(Trouble::io("write", &data_dir.join(mark::FILE)))?;
    let erased = Erased::open(data_dir).map_err(Trouble::io("open the list of the erased in", data_dir))?;
    let beside = Beside {
        data_dir: data_dir.to_owned(),
        commit,
        mark,
        erased,
        since: None,
        broken: false,
        _lock: lock,
    };
    Ok(Store {
        tables: Arc::new(ArcSwap::from_pointee(opened)),
        beside: Arc::new(Mutex::new(beside)),
        turning: Arc::default(),
    })
}

/// A new store, made apart: a store is there whole or not at all.
fn make(data_dir: &Path) -> Result<(), Trouble> {
    let fresh = turn::unfinished(data_dir);
    let made = turn::fresh(data_dir).and_then(|db| {
        let meta = db.keyspace(META, options).map_err(other)?;
        write_version(&db, &meta)
    });
    made.map_err(Trouble::io("make a store in", &fresh))?;
    turn::put(data_dir).map_err(Trouble::io("make a store in", data_dir))
}

pub(super) fn write_version(db: &Database, meta: &Keyspace) -> io::Result<()> {
    let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(meta, VERSION_KEY, VERSION.to_le_bytes());
    batch.commit().map_err(other)
}

/// Notes that a store of an older program is this one's from now on. It never said whether somebody was
/// erased: it is taken for granted.
fn upgrade(tables: &Tables) -> io::Result<()> {
    let mut batch = tables.db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(&tables.meta, VERSION_KEY, VERSION.to_le_bytes());
    batch.insert(&tables.meta, WAITS, 0u64.to_le_bytes());
    batch.commit().map_err(other)
}

/// Opens fjall and the tables. Whatever it stumbles over is damage: it was written whole.
fn open_tables(dir: &Path) -> Result<Tables, Trouble> {
    let damaged = |problem: String| Trouble::Damaged {
        dir: dir.to_owned(),
        problem,
    };
    let looked = manifest::damage(dir).and_then(|found| found.map_or_else(|| journal::disorder(dir), |found| Ok(Some(found))));
    if let Some(problem) = looked.map_err(Trouble::io("read", dir))? {
        return Err(damaged(problem));
    }
    // A panic is how some damage shows.
    let opened = std::panic::catch_unwind(|| builder(dir).open());
    let opened = opened.map_err(|_| damaged("it cannot be read".to_owned()))?;
    let db = opened.map_err(|error| match error {
        fjall::Error::Locked => Trouble::Locked(dir.to_owned()),
        fjall::Error::Io(source) if is_machine(&source) => Trouble::io("open", dir)(source),
        error => damaged(other(error).to_string()),
    })?;
    let known = read_number(&db, VERSION_KEY).map_err(|error| damaged(error.to_string()))?;
    let found = known.and_then(|bytes| bytes.first_chunk::<4>().map(|version| u32::from_le_bytes(*version)));
    if let Some(found) = found.filter(|found| *found > VERSION) {
        return Err(Trouble::Newer {
            dir: dir.to_owned(),
            found,
            known: VERSION,
        });
    }
    Tables::open(dir, db).map_err(Trouble::io("make the tables of", dir))
}

/// Errors that are no sign of damage.
fn is_machine(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::StorageFull | Kind::QuotaExceeded | Kind::PermissionDenied | Kind::ReadOnlyFilesystem
    )
}

/// What the store says of itself; a store of an older program says nothing.
fn read_number(db: &Database, key: &str) -> io::Result<Option<Vec<u8>>> {
    if !db.keyspace_exists(META) {
        return Ok(None);
    }
    let meta = db.keyspace(META, options).map_err(other)?;
    Ok(meta.get(key).map_err(other)?.map(|value| value.to_vec()))
}

/// The number of the last commit, held against what was acknowledged.
fn judge(data_dir: &Path, dir: &Path, meta: &Keyspace, seen: Seen, accept_loss: bool) -> Result<Last, Trouble> {
    let get = |key: &str| meta.get(key).map_err(other).map_err(Trouble::io("read", dir));
    let commit = get(COMMIT)?.and_then(|number| number.first_chunk::<8>().map(|number| u64::from_le_bytes(*number)));
    let version = get(VERSION_KEY)?.and_then(|version| version.first_chunk::<4>().map(|version| u32::from_le_bytes(*version)));
    let at = commit.unwrap_or(0);
    let last = Last {
        at,
        version: version.unwrap_or(0),
    };
    let unknown = |problem| Trouble::Mark {
        file: data_dir.join(mark::FILE),
        problem,
    };
    match seen {
        _ if accept_loss => Ok(last),
        Seen::At(acknowledged) if at < acknowledged => Err(Trouble::Short { at, acknowledged }),
        Seen::Damaged => Err(unknown("is damaged")),
        Seen::Nothing if version.is_some() && at > 0 => Err(unknown("is missing")),
        Seen::At(_) | Seen::Nothing => Ok(last),
    }
}

/// The last commit of a store.
struct Last {
    at: u64,
    /// What wrote it; 0 before there were versions.
    version: u32,
}
