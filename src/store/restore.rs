//! Restores a backup into an empty data folder: all of it or nothing, and nobody who was erased since.
//!
//! The file is read to its end before anything is written. What must outlive a store, the list of the
//! erased, may lie in the folder already.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use fjall::{Database, PersistMode};

use super::backup::{HASH_KEY, Part, Parts, SEAL_KEYS};
use super::erased::{self, Erased, Gone, is_of, of_nobody, when};
use super::mark::{self, Mark};
use super::open::{VERSION, VERSION_KEY, lock};
use super::trouble::Trouble;
use super::{COMMIT, META, options, other, turn};
use crate::base::hash::Hashes;
use crate::model::exposure;
use crate::model::rows::{Table, head};

/// Says that a restore has not come to its end.
const HALF_DONE: &str = "restoring";

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The file is at fault.
    #[error("cannot restore {}: {problem}: take another backup", file.display())]
    File {
        /// The backup.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder is in use.
    #[error("{} holds `{found}`: move everything but `erased` out of it, then restore", data_dir.display())]
    NotEmpty {
        /// The data folder.
        data_dir: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// A key that the backup does not know of is in the place of one of its own.
    #[error("{} is another key than the backup's: move it away, then restore", .0.display())]
    OtherKey(PathBuf),
    /// See [`Trouble`].
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Rows.
    pub rows: u64,
    /// Rows of people who were erased after the backup, which were left out.
    pub left_out: u64,
    /// The number of the last commit.
    pub commit: u64,
}

/// Whether a restore into a folder did not come to its end.
pub(super) fn is_half_done(data_dir: &Path) -> bool {
    data_dir.join(HALF_DONE).exists()
}

/// What must be known of a backup before its rows are read.
#[derive(Default)]
struct Survey {
    keys: Vec<(String, Vec<u8>)>,
    erased: Gone,
    commit: u64,
    version: u32,
}

/// Restores `file`. The key of hashes goes into `data_dir`, the seal keys into `seal_keys_dir`.
pub fn restore(file: &Path, data_dir: &Path, seal_keys_dir: &Path) -> Result<Restored, Refused> {
    let survey = survey(file)?;
    let hashes = survey.hashes(file)?;
    let lock = lock(data_dir)?;
    check_empty(data_dir)?;
    let keys = survey.places(data_dir, seal_keys_dir);
    for (path, bytes) in &keys {
        if fs::read(path).is_ok_and(|found| found != **bytes) && !is_half_done(data_dir) {
            return Err(Refused::OtherKey(path.clone()));
        }
    }
    let written = || -> io::Result<Restored> {
        File::create(data_dir.join(HALF_DONE))?.sync_all()?;
        for (path, bytes) in &keys {
            write_key(path, bytes)?;
        }
        Mark::open(data_dir, survey.commit)?;
        let restored = fill(file, data_dir, &survey, &hashes)?;
        turn::put(data_dir)?;
        fs::remove_file(data_dir.join(HALF_DONE))?;
        File::open(data_dir)?.sync_all()?;
        Ok(restored)
    };
    let restored = written().map_err(Trouble::io("restore into", data_dir))?;
    drop(lock);
    Ok(restored)
}

impl Survey {
    fn hashes(&self, file: &Path) -> Result<Hashes, Refused> {
        let text = self.keys.iter().find(|(name, _)| name == HASH_KEY);
        let key = text.and_then(|(_, text)| Hashes::from_hex(std::str::from_utf8(text).ok()?.trim()));
        key.ok_or_else(|| Refused::File {
            file: file.to_owned(),
            problem: "it holds no key of hashes".to_owned(),
        })
    }

    fn places(&self, data_dir: &Path, seal_keys_dir: &Path) -> Vec<(PathBuf, &Vec<u8>)> {
        let place = |name: &str| match name.strip_prefix(SEAL_KEYS) {
            // A name that leads elsewhere is nobody's key.
            Some(key) if !key.contains('/') => Some(seal_keys_dir.join(key)),
            None if name == HASH_KEY => Some(data_dir.join(HASH_KEY)),
            _ => None,
        };
        let keys = self.keys.iter();
        keys.filter_map(|(name, bytes)| Some((place(name)?, bytes))).collect()
    }
}

fn survey(file: &Path) -> Result<Survey, Refused> {
    let read = || -> io::Result<Survey> {
        let mut reader = BufReader::new(File::open(file)?);
        let mut parts = Parts::open(&mut reader)?;
        let (mut survey, mut table) = (Survey::default(), String::new());
        while let Some(part) = parts.next()? {
            match part {
                Part::File(name, bytes) => survey.keys.push((name, bytes)),
                Part::Table(name) => table = name,
                Part::Rows(rows) if table == Table::Erased.name() => {
                    survey
                        .erased
                        .extend(rows.iter().filter_map(|(key, value)| Some((head(key)?, when(value)?))));
                }
                Part::Rows(rows) if table == META => {
                    for (key, value) in &rows {
                        if key == COMMIT.as_bytes() {
                            survey.commit = value.first_chunk::<8>().map_or(0, |n| u64::from_le_bytes(*n));
                        } else if key == VERSION_KEY.as_bytes() {
                            survey.version = survey.version.max(when(value).unwrap_or(0));
                        }
                    }
                }
                Part::Rows(_) => {}
            }
        }
        Ok(survey)
    };
    let problem = match read() {
        Ok(survey) if survey.version <= VERSION => return Ok(survey),
        Ok(survey) => format!("it is of a store of version {}, this winback knows up to {VERSION}", survey.version),
        Err(error) => error.to_string(),
    };
    Err(Refused::File {
        file: file.to_owned(),
        problem,
    })
}

fn check_empty(data_dir: &Path) -> Result<(), Refused> {
    let mut kept = vec![super::open::LOCK, erased::FILE];
    if is_half_done(data_dir) {
        kept.extend([HALF_DONE, HASH_KEY, mark::FILE, "store.new", "store"]);
    }
    for entry in fs::read_dir(data_dir).map_err(Trouble::io("read", data_dir))? {
        let found = entry.map_err(Trouble::io("read", data_dir))?.file_name();
        if !kept.iter().any(|name| found == *name) {
            return Err(Refused::NotEmpty {
                data_dir: data_dir.to_owned(),
                found: found.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

/// Writes a key file that only its owner may read.
fn write_key(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    // Temporary files are 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

/// Streams the rows into a fresh store, but for those of people who are gone.
fn fill(file: &Path, data_dir: &Path, survey: &Survey, hashes: &Hashes) -> io::Result<Restored> {
    let list = erased::read(data_dir)?;
    let gone = erased::beyond(&list, &survey.erased);
    Erased::open(data_dir)?.note_all(&erased::beyond(&survey.erased, &list))?;
    let fresh = turn::fresh(data_dir)?;
    let mut restored = Restored {
        commit: survey.commit,
        ..Restored::default()
    };
    let mut seen = Vec::new();
    let mut reader = BufReader::new(File::open(file)?);
    let mut parts = Parts::open(&mut reader)?;
    let mut next = parts.next()?;
    while let Some(part) = next {
        let Part::Table(table) = part else {
            next = parts.next()?;
            continue;
        };
        let keyspace = fresh.keyspace(&table, options).map_err(other)?;
        let mut ingestion = keyspace.start_ingestion().map_err(other)?;
        next = parts.next()?;
        while let Some(Part::Rows(rows)) = next {
            for (key, value) in rows.into_iter().filter(|_| table != Table::Erased.name()) {
                if is_of(&gone, hashes, &table, &key, &value) {
                    restored.left_out += 1;
                    if table == Table::Exposures.name() {
                        let mut list = Vec::new();
                        exposure::read(&value, &mut list);
                        seen.extend(list);
                    }
                } else {
                    restored.rows += 1;
                    let value = of_nobody(&gone, hashes, &table, &value).unwrap_or(value);
                    ingestion.write(key, value).map_err(other)?;
                }
            }
            next = parts.next()?;
        }
        ingestion.finish().map_err(other)?;
    }
    let mut all = survey.erased.clone();
    all.extend(gone);
    note(&fresh, &all)?;
    erased::orphan(&fresh, &seen)?;
    Ok(restored)
}

/// Who is erased by now.
fn note(fresh: &Database, gone: &Gone) -> io::Result<()> {
    let erased = fresh.keyspace(Table::Erased.name(), options).map_err(other)?;
    let mut batch = fresh.batch().durability(Some(PersistMode::SyncAll));
    for (key, at) in gone {
        batch.insert(&erased, key.to_be_bytes(), at.to_le_bytes());
    }
    batch.commit().map_err(other)
}
