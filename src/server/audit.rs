//! The audit log: who changed what, by a call or by a file on the disk, from which text to which, and what it came to.
//!
//! Lines of JSON in `data_dir/audit`, for their owner alone, each durable before its call is answered. Apart from the
//! store: it is read by other programs, it tells of the very moments in which the store can record nothing, and
//! nothing that is decided depends on it. Bounded: beyond [`AUDIT_FILES_MAX`] files the oldest goes. Never has a token in
//! it, nor a person's id: of those it has the handle that only our key leads to.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::base::limits::{AUDIT_FILE_BYTES_MAX, AUDIT_FILES_MAX};
use crate::base::time::Millis;
use crate::config::BY_FILE;

/// Its folder in `data_dir`.
const FOLDER: &str = "audit";
const ENDING: &str = "ndjson";
/// What was done with a file on the disk.
pub const EDIT: &str = "edit";
/// A file that is gone, and its advertiser with it.
pub const REMOVE: &str = "remove";
/// What a change that was made came to.
pub const DONE: &str = "done";
/// What a server's config is called.
pub const SERVER: &str = "server";

/// A change, or the attempt at one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    /// When it was done, RFC 3339.
    pub time: String,
    /// Whose token it was; `file` for an edit on the disk.
    pub who: String,
    /// What that token may do; none of a file.
    pub role: Option<String>,
    /// Method and path of the call; `edit` or `remove` of a file.
    pub call: String,
    /// What it was about: an advertiser, a campaign of one, `server`, a user's handle.
    pub target: String,
    /// The text before: its ETag.
    pub from: Option<String>,
    /// The text after: its ETag.
    pub to: Option<String>,
    /// `done`, or the code of the failure.
    pub outcome: String,
}

impl Entry {
    /// An edit on the disk that was applied; without a text after it the file is gone.
    pub fn of_file(target: &str, from: Option<String>, to: Option<String>, now: Millis) -> Entry {
        Entry {
            time: now.to_rfc3339(),
            who: BY_FILE.to_owned(),
            role: None,
            call: if to.is_some() { EDIT } else { REMOVE }.to_owned(),
            target: target.to_owned(),
            from,
            to,
            outcome: DONE.to_owned(),
        }
    }
}

/// The log.
pub struct Audit {
    dir: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    file: File,
    bytes: u64,
}

impl Audit {
    /// That of a data folder; it is made with the first line.
    pub fn new(data_dir: &Path) -> Audit {
        Audit {
            dir: data_dir.join(FOLDER),
            open: Mutex::new(None),
        }
    }

    /// Appends lines; returns once they are durable.
    pub fn write(&self, entries: &[Entry], now: Millis) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let mut open = self.open.lock();
        let written = self.append(&mut open, &lines, now);
        if written.is_err() {
            // Whatever of a line is there, the next begins a file of its own.
            *open = None;
        }
        written
    }

    fn append(&self, open: &mut Option<Open>, lines: &[u8], now: Millis) -> io::Result<()> {
        if open.as_ref().is_none_or(|open| open.bytes >= AUDIT_FILE_BYTES_MAX) {
            *open = Some(self.begin(now)?);
        }
        let Some(Open { file, bytes }) = open else { return Ok(()) };
        file.write_all(lines)?;
        file.sync_data()?;
        *bytes += lines.len() as u64;
        Ok(())
    }

    /// Begins a file, named by its moment and so that names stand in order; the oldest goes.
    fn begin(&self, now: Millis) -> io::Result<Open> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let files = self.files()?;
        let last = files.last().and_then(|path| path.file_stem()?.to_str()?.parse::<i64>().ok());
        let name = last.map_or(now.0, |last| now.0.max(last + 1));
        for old in files.iter().take((files.len() + 1).saturating_sub(AUDIT_FILES_MAX)) {
            fs::remove_file(old)?;
        }
        let path = self.dir.join(format!("{name:014}.{ENDING}"));
        let file = fs::OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        File::open(&self.dir)?.sync_all()?;
        Ok(Open { file, bytes: 0 })
    }

    /// The files, the oldest first.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// The lines that are wanted, the newest first, at most `limit`. What is no line, as after a crash, is passed over.
    pub fn read(&self, limit: usize, is_wanted: impl Fn(&Entry) -> bool) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for path in self.files()?.iter().rev() {
            let text = fs::read(path)?;
            let lines = text
                .rsplit(|byte| *byte == b'\n')
                .filter_map(|line| serde_json::from_slice(line).ok());
            found.extend(lines.filter(&is_wanted).take(limit - found.len()));
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// The ETag that each file was left with, by the advertiser it is of; none where that went.
    pub fn revisions(&self) -> io::Result<HashMap<String, Option<String>>> {
        let mut revisions = HashMap::new();
        let is_of_text = |entry: &Entry| entry.outcome == DONE && (entry.from.is_some() || entry.to.is_some());
        for entry in self.read(usize::MAX, is_of_text)? {
            let advertiser = entry.target.split('/').next().unwrap_or_default().to_owned();
            revisions.entry(advertiser).or_insert(entry.to);
        }
        Ok(revisions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(target: &str, to: Option<&str>) -> Entry {
        Entry::of_file(target, Some("\"a\"".into()), to.map(str::to_owned), Millis(0))
    }

    #[test]
    fn the_newest_come_first_over_files_and_what_is_cut_off_is_passed_over() {
        let dir = tempfile::tempdir().expect("folder");
        let audit = Audit::new(dir.path());
        assert_eq!(audit.read(10, |_| true).expect("read"), []);
        audit
            .write(&[entry("a", Some("\"1\"")), entry("b", Some("\"1\""))], Millis(5))
            .expect("written");
        // As a start after a crash, at the very same millisecond.
        let path = audit.files().expect("files")[0].clone();
        fs::write(&path, [fs::read(&path).expect("read"), b"{\"time\": \"20".to_vec()].concat()).expect("cut off");
        let audit = Audit::new(dir.path());
        audit
            .write(&[entry("b", Some("\"2\"")), entry("a", None)], Millis(5))
            .expect("written");
        let targets = |limit| -> Vec<String> {
            let read = audit.read(limit, |_| true).expect("read");
            read.into_iter().map(|entry| entry.target).collect()
        };
        assert_eq!(targets(10), ["a", "b", "b", "a"]);
        assert_eq!(targets(3), ["a", "b", "b"]);
        let revisions = audit.revisions().expect("read");
        assert_eq!((&revisions["a"], revisions["b"].as_deref()), (&None, Some("\"2\"")));
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&dir.path().join(FOLDER))), (0o600, 0o700));
    }

    #[test]
    fn it_is_bounded() {
        let dir = tempfile::tempdir().expect("folder");
        for n in 0..AUDIT_FILES_MAX as i64 + 3 {
            // Every start begins a file.
            Audit::new(dir.path())
                .write(&[entry("a", Some("\"1\""))], Millis(n))
                .expect("written");
        }
        let audit = Audit::new(dir.path());
        assert_eq!(audit.files().expect("files").len(), AUDIT_FILES_MAX);
        audit
            .write(&[entry("a", Some(&"x".repeat(AUDIT_FILE_BYTES_MAX as usize)))], Millis(100))
            .expect("written");
        audit.write(&[entry("b", None)], Millis(100)).expect("written");
        assert_eq!(audit.files().expect("files").len(), AUDIT_FILES_MAX);
        assert_eq!(audit.read(1, |_| true).expect("read")[0].target, "b");
    }
}
