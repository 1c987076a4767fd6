//! The turn: everything that is still there streamed into a fresh folder, which then takes the store's
//! place while others go on reading and committing. What was deleted stays behind, and goes with the old
//! folder.
//!
//! The view that is streamed is of one moment; what is committed since is replayed, the last of it between
//! two commits, when the fresh folder is marked as whole and the handles are swapped. A folder's name is
//! never used twice while it may be open, for fjall reaches files by their path: the next start gives the
//! newest whole folder the store's name again. At every moment one whole store is there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, PersistMode};

use super::journal::remove_folder;
use super::since::Since;
use super::tables::{Tables, View};
use super::trouble::Trouble;
use super::{META, Store, WAITS, builder, options, other};
use crate::model::rows::{Row, Table};

const NAME: &str = "store";
/// Says that a folder holds all that the store before it held: an empty file.
const WHOLE: &str = "whole";
/// Rows between two looks at whether to go on.
const CHUNK_ROWS: u64 = 1_024;
/// Rows that are replayed in one batch.
const BATCH_ROWS: usize = 8_192;
/// Commits so few that replaying them holds nobody up.
const FEW_COMMITS: u64 = 16;
/// Beyond so many rounds the commits come as fast as they are replayed.
const ROUNDS_MAX: usize = 20;
/// How often it is looked whether anybody still reads the old folder.
const STILL_READ: Duration = Duration::from_millis(10);

/// How far a turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Some more rows are streamed.
    Streaming,
    /// All of the view is in the fresh folder.
    Streamed,
    /// And almost all that was committed since.
    Replayed,
    /// The fresh folder is whole and marked; nobody can commit.
    Marked,
    /// It is the store: commits go there.
    Swapped,
    /// The old folder is gone.
    Removed,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Rows that were written anew.
    pub rows: u64,
    /// How long nobody could commit.
    pub held: Duration,
}

/// The store's folder at rest.
pub(super) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// Where a store is made that is not there yet.
pub(super) fn unfinished(data_dir: &Path) -> PathBuf {
    data_dir.join("store.new")
}

fn outgoing(data_dir: &Path) -> PathBuf {
    data_dir.join("store.old")
}

/// The folders that turns made, by their numbers.
fn turned(data_dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("store.")?.parse::<u64>().ok();
    let mut found = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let path = entry?.path();
        found.extend(number(&path).map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

/// Settles what a turn left, whether it came to its end or not. Nobody may have the store open.
pub(super) fn settle(data_dir: &Path) -> io::Result<()> {
    let (store, old) = (folder(data_dir), outgoing(data_dir));
    let mut turned = turned(data_dir)?;
    let newest = turned.iter().rposition(|(_, path)| path.join(WHOLE).exists());
    let newest = newest.map(|at| turned.remove(at).1);
    for (_, path) in &turned {
        remove_folder(path)?;
    }
    if let Some(newest) = newest {
        // The others are gone for good before this one stops being the newest.
        remove_folder(&store)?;
        sync(data_dir)?;
        fs::rename(&newest, &store)?;
        sync(data_dir)?;
    } else if old.exists() && !store.exists() {
        fs::rename(&old, &store)?;
        sync(data_dir)?;
    }
    remove_folder(&old)?;
    remove_folder(&unfinished(data_dir))
}

/// An empty store where the next one is made.
pub(super) fn fresh(data_dir: &Path) -> io::Result<Database> {
    open_fresh(&unfinished(data_dir))
}

fn open_fresh(dir: &Path) -> io::Result<Database> {
    remove_folder(dir)?;
    builder(dir).open().map_err(other)
}

/// Puts a store that was made, and is closed, in its place.
pub(super) fn put(data_dir: &Path) -> io::Result<()> {
    let (store, new, old) = (folder(data_dir), unfinished(data_dir), outgoing(data_dir));
    sync_all(&new)?;
    if store.exists() {
        fs::rename(&store, &old)?;
    }
    fs::rename(&new, &store)?;
    sync(data_dir)?;
    remove_folder(&old)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Everything below a folder onto the disk. What fjall takes away meanwhile it needs no more.
fn sync_all(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let synced = if path.is_dir() { sync_all(&path) } else { sync(&path) };
        match synced {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
    }
    sync(dir)
}

/// Goes on, or gives up where the one who watches says so.
fn on(watch: &mut dyn FnMut(Step) -> bool, step: Step) -> io::Result<()> {
    match watch(step) {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::Interrupted, "it was given up: run it again")),
    }
}

impl Store {
    /// Writes the store anew: what was erased before is then nowhere in the data folder. Others go on
    /// meanwhile; nobody can commit for as long as the last commits are replayed and the folders swapped.
    /// `watch` is told of every step, may rest in it, and up to [`Step::Replayed`] has the turn given up by
    /// saying false: all is then as before.
    pub fn turn(&self, watch: &mut dyn FnMut(Step) -> bool) -> Result<Turned, Trouble> {
        let data_dir = self.data_dir();
        let Some(_alone) = self.turning.try_lock() else {
            return Err(Trouble::Turning(data_dir));
        };
        let failed = |error| Trouble::io("write the store anew in", &data_dir)(error);
        let dir = next_folder(&data_dir).map_err(failed)?;
        let (old, turned) = self.renew(&data_dir, &dir, watch).map_err(|error| {
            // A part of a marked folder must never be found. What is left without a mark goes at the next start.
            if !dir.join(WHOLE).exists() {
                let _ = remove_folder(&dir);
            }
            failed(error)
        })?;
        watch(Step::Swapped);
        while Arc::strong_count(&old) > 1 {
            // A backup may take its time; a server that ends need not wait, for the next start removes it.
            if !watch(Step::Streaming) {
                return Ok(turned);
            }
            std::thread::sleep(STILL_READ);
        }
        let behind = old.dir.clone();
        drop(old);
        remove_folder(&behind).map_err(Trouble::io("remove what was erased in", &behind))?;
        sync(&data_dir).map_err(Trouble::io("write", &data_dir))?;
        watch(Step::Removed);
        Ok(turned)
    }

    /// Makes the fresh folder the store; returns the handles of the old one.
    fn renew(&self, data_dir: &Path, dir: &Path, watch: &mut dyn FnMut(Step) -> bool) -> io::Result<(Arc<Tables>, Turned)> {
        let _noting = Noting(self);
        let (tables, view) = {
            let mut beside = self.beside.lock();
            let tables = self.tables.load_full();
            beside.since = Some(Since::begin(data_dir)?);
            let view = tables.view()?;
            (tables, view)
        };
        check_room(&tables, data_dir)?;
        let fresh = open_fresh(dir)?;
        let rows = stream(&view, &fresh, watch)?;
        drop((view, tables));
        let next = Tables::open(dir, fresh)?;
        sync_all(dir)?;
        sync(data_dir)?;
        on(watch, Step::Streamed)?;
        self.catch_up(data_dir, &next)?;
        on(watch, Step::Replayed)?;
        let mut beside = self.beside.lock();
        let began = Instant::now();
        if beside.broken {
            return Err(io::Error::other("a write beside the store failed"));
        }
        if let Some(since) = beside.since.take() {
            replay(since, &next)?;
        }
        next.db.persist(PersistMode::SyncAll).map_err(other)?;
        // Where this fails it is not known which folder will be the store: neither may change any more.
        let marked = File::create(dir.join(WHOLE)).and_then(|_| sync(dir));
        beside.broken |= marked.is_err();
        marked?;
        watch(Step::Marked);
        let old = self.tables.swap(Arc::new(next));
        Ok((
            old,
            Turned {
                rows,
                held: began.elapsed(),
            },
        ))
    }

    /// Replays what was committed since until it is next to nothing.
    fn catch_up(&self, data_dir: &Path, next: &Tables) -> io::Result<()> {
        for _ in 0..ROUNDS_MAX {
            let empty = Since::begin(data_dir)?;
            let since = self.beside.lock().since.replace(empty);
            let commits = since.map_or(Ok(0), |since| replay(since, next))?;
            next.db.persist(PersistMode::SyncAll).map_err(other)?;
            if commits <= FEW_COMMITS {
                break;
            }
        }
        Ok(())
    }
}

/// Commits are noted while this is there, however a turn ends.
struct Noting<'a>(&'a Store);

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        self.0.beside.lock().since = None;
    }
}

/// The folder of a turn: after all that there are.
fn next_folder(data_dir: &Path) -> io::Result<PathBuf> {
    let last = turned(data_dir)?.last().map_or(0, |(number, _)| *number);
    Ok(data_dir.join(format!("{NAME}.{}", last + 1)))
}

/// Both folders are there for a while.
fn check_room(tables: &Tables, data_dir: &Path) -> io::Result<()> {
    let needed = tables.db.disk_space().map_err(other)?;
    let disk = rustix::fs::statvfs(data_dir)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let problem = format!("{} MiB are free and the store takes {} MiB", mib(free), mib(needed));
    Err(io::Error::new(io::ErrorKind::StorageFull, problem))
}

/// Every row of a view into a fresh database, in the order of keys.
fn stream(view: &View, fresh: &Database, watch: &mut dyn FnMut(Step) -> bool) -> io::Result<u64> {
    let mut rows = 0;
    for table in &view.tables {
        let into = fresh.keyspace(table.name(), options).map_err(other)?;
        rows += stream_table(view, table, &into, watch)?;
    }
    Ok(rows)
}

fn stream_table(view: &View, table: &Keyspace, into: &Keyspace, watch: &mut dyn FnMut(Step) -> bool) -> io::Result<u64> {
    let mut rows = 0;
    let mut ingestion = into.start_ingestion().map_err(other)?;
    for row in view.rows(table) {
        let (key, value) = row?;
        // Nothing that was erased before the view is in it.
        if &**table.name() == META && *key == *WAITS.as_bytes() {
            continue;
        }
        ingestion.write(key, value).map_err(other)?;
        rows += 1;
        if rows % CHUNK_ROWS == 0 {
            on(watch, Step::Streaming)?;
        }
    }
    ingestion.finish().map_err(other)?;
    Ok(rows)
}

/// What several commits wrote, the last of each row.
type Gathered = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// Replays commits, many as one; returns how many there were.
fn replay(since: Since, next: &Tables) -> io::Result<u64> {
    let (mut gathered, mut last) = (Gathered::new(), 0);
    let commits = since.replay(|number, rows| {
        gathered.extend(rows.into_iter().map(|row| ((row.table, row.key), row.value)));
        last = number;
        match gathered.len() < BATCH_ROWS {
            true => Ok(()),
            false => write(std::mem::take(&mut gathered), number, next),
        }
    })?;
    if commits > 0 {
        write(gathered, last, next)?;
    }
    Ok(commits)
}

fn write(gathered: Gathered, number: u64, next: &Tables) -> io::Result<()> {
    let rows = gathered.into_iter().map(|((table, key), value)| Row { table, key, value });
    let rows: Vec<Row> = rows.collect();
    next.write(&rows, number, None)?;
    next.drop_past(&rows)
}
