//! The turn: everything that is still there streamed into a fresh folder, which then takes the store's
//! place. What was deleted stays behind, and goes with the old folder.
//!
//! At every moment one whole store is there; an interrupted turn is settled at the next start.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use fjall::Database;

use super::journal::remove_folder;
use super::trouble::Trouble;
use super::{Store, options, other};

/// The store's folder.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("store")
}

/// Where the next one is made.
pub fn unfinished(data_dir: &Path) -> PathBuf {
    data_dir.join("store.new")
}

fn outgoing(data_dir: &Path) -> PathBuf {
    data_dir.join("store.old")
}

/// Settles what a turn left that did not come to its end.
pub fn settle(data_dir: &Path) -> io::Result<()> {
    let (store, old) = (folder(data_dir), outgoing(data_dir));
    if old.exists() && !store.exists() {
        fs::rename(&old, &store)?;
        sync(data_dir)?;
    }
    remove_folder(&old)?;
    remove_folder(&unfinished(data_dir))
}

/// An empty store where the next one is made.
pub fn fresh(data_dir: &Path) -> io::Result<Database> {
    let dir = unfinished(data_dir);
    remove_folder(&dir)?;
    Database::builder(dir).worker_threads(1).open().map_err(other)
}

/// Puts the new folder, which must be closed, in the store's place.
pub fn swap(data_dir: &Path) -> io::Result<()> {
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

/// Everything below a folder onto the disk.
fn sync_all(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            sync(&entry.path())?;
        }
    }
    sync(dir)
}

impl Store {
    /// Writes the store anew and closes it: what was erased is then nowhere in its folder. Nobody else
    /// may hold a clone. Returns how many rows there are.
    pub fn turn(self) -> Result<u64, Trouble> {
        let data_dir = self.data_dir();
        let streamed = stream(&self, &data_dir).map_err(Trouble::io("write the store anew in", &data_dir))?;
        let Store {
            db,
            tables,
            divided,
            meta,
            beside,
        } = self;
        drop((db, tables, divided, meta));
        swap(&data_dir).map_err(Trouble::io("swap the store in", &data_dir))?;
        // The lock is held to the end.
        drop(beside);
        Ok(streamed)
    }
}

fn stream(store: &Store, data_dir: &Path) -> io::Result<u64> {
    let fresh = fresh(data_dir)?;
    let view = store.view()?;
    let mut rows = 0;
    for table in &view.tables {
        let into = fresh.keyspace(table.name(), options).map_err(other)?;
        let mut ingestion = into.start_ingestion().map_err(other)?;
        for row in view.rows(table) {
            let (key, value) = row?;
            ingestion.write(key, value).map_err(other)?;
            rows += 1;
        }
        ingestion.finish().map_err(other)?;
    }
    Ok(rows)
}
