//! The files that the config is made of, as they were last looked at: which text of each runs, and what is wrong with
//! the text that is there.
//!
//! Changed by whoever holds `engine.edits`. What is applied from the disk is written into the audit log here, and
//! nowhere else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::audit::{Audit, Entry};
use crate::base::time::Millis;
use crate::config::Fault;

/// Bytes of the hash that an ETag shows.
const ETAG_BYTES: usize = 16;

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The advertiser it is of, or `server`; none where it does not say.
    pub of: Option<String>,
    /// ETag of the text that runs; none where none of it does.
    pub live: Option<String>,
    /// ETag of the text that was looked at last; none where it could not be read.
    pub seen: Option<String>,
    /// What is wrong with that, or worth saying of it.
    pub faults: Vec<Fault>,
}

impl Known {
    /// A text that runs.
    pub fn live(of: &str, text: &[u8], warnings: Vec<Fault>) -> Known {
        let tag = etag(text);
        Known {
            of: Some(of.to_owned()),
            live: Some(tag.clone()),
            seen: Some(tag),
            faults: warnings,
        }
    }

    /// Whether it is what it should be.
    pub fn is_sound(&self) -> bool {
        self.faults.iter().all(|fault| fault.warning)
    }
}

/// All files, by where they are.
#[derive(Default)]
pub struct Files(Mutex<BTreeMap<PathBuf, Known>>);

impl Files {
    /// All of them.
    pub fn all(&self) -> Vec<(PathBuf, Known)> {
        self.0.lock().iter().map(|(path, known)| (path.clone(), known.clone())).collect()
    }

    /// Where they are.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.lock().keys().cloned().collect()
    }

    /// What is known of one.
    pub fn get(&self, path: &Path) -> Option<Known> {
        self.0.lock().get(path).cloned()
    }

    /// Notes what was found. A text that is refused leaves the one that runs.
    pub fn put(&self, path: &Path, mut known: Known) {
        let mut files = self.0.lock();
        if let Some(before) = files.get(path).filter(|_| known.live.is_none()) {
            known.live.clone_from(&before.live);
        }
        files.insert(path.to_owned(), known);
    }

    /// Forgets one that is gone.
    pub fn forget(&self, path: &Path) {
        self.0.lock().remove(path);
    }

    /// Another file that the text of an advertiser runs from.
    pub fn other_of(&self, id: &str, path: &Path) -> Option<PathBuf> {
        let files = self.0.lock();
        let is_other = |(at, known): &(&PathBuf, &Known)| known.of.as_deref() == Some(id) && known.live.is_some() && *at != path;
        files.iter().find(is_other).map(|(at, _)| at.clone())
    }

    /// Notes all files of the folder anew, those that are gone forgotten; the server's own stays.
    pub fn renew(&self, server: &Path, all: Vec<(PathBuf, Known)>) {
        let kept: BTreeSet<&PathBuf> = all.iter().map(|(path, _)| path).collect();
        self.0.lock().retain(|path, _| path == server || kept.contains(path));
        all.into_iter().for_each(|(path, known)| self.put(&path, known));
    }

    /// How many faults there are in all.
    pub fn faults(&self) -> usize {
        let files = self.0.lock();
        files
            .values()
            .flat_map(|known| &known.faults)
            .filter(|fault| !fault.warning)
            .count()
    }

    /// The text that runs, by whom it is of.
    pub fn revisions(&self) -> HashMap<String, String> {
        let files = self.0.lock();
        let live = files.values().filter_map(|known| Some((known.of.clone()?, known.live.clone()?)));
        live.collect()
    }

    /// Writes into the log what runs now and did not before, and what does no more.
    pub fn witness(&self, audit: &Audit, before: &HashMap<String, String>, now: Millis) {
        let after = self.revisions();
        let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changed = all.into_iter().filter(|of| before.get(*of) != after.get(*of));
        let entries: Vec<Entry> = changed
            .map(|of| Entry::of_file(of, before.get(of).cloned(), after.get(of).cloned(), now))
            .collect();
        if let Err(error) = audit.write(&entries, now) {
            tracing::error!("cannot write the audit log: {error}");
        }
    }
}

/// The ETag of a file's bytes, quotes included.
pub fn etag(bytes: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(bytes).iter().take(ETAG_BYTES) {
        use std::fmt::Write;
        // Writing into a String does not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// The `id` in an advertiser's JSON; none where it has none or is no JSON.
pub fn id_in(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let named: Named = serde_json::from_slice(bytes).ok()?;
    Some(named.id.trim().to_owned())
}
