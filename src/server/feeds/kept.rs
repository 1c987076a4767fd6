//! What is kept of a fetched feed in `data_dir/feeds/<advertiser>`: its body, and what its server said of it.
//!
//! Two places for bodies, and a note that names one of them: a body is written into the other place, and is
//! the feed once the note says so. So whoever reads finds a whole feed with its own ETag or none, whenever the
//! machine stops; and a server that starts again has its products at once and asks for changes only.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fetch::Validators;
use crate::base::time::Millis;

const NOTE: &str = "note.json";
const PLACES: [&str; 2] = ["a", "b"];

/// What is said of the body that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Where it came from; of another address it says nothing.
    pub url: String,
    /// Which place it is in.
    place: usize,
    /// By which its server tells it from the next one.
    #[serde(flatten)]
    pub validators: Validators,
    /// When it came, in milliseconds since 1970.
    pub fetched_ms: i64,
}

impl Note {
    /// When it came.
    pub fn fetched(&self) -> Millis {
        Millis(self.fetched_ms)
    }
}

/// The folder of one advertiser's feed.
#[derive(Clone, Debug)]
pub struct Kept {
    dir: PathBuf,
}

impl Kept {
    /// Of the advertiser `id`, which is no path: ids have no slash and begin with a letter or digit.
    pub fn of(data_dir: &Path, id: &str) -> Kept {
        Kept {
            dir: data_dir.join("feeds").join(id),
        }
    }

    /// The body that came from `url`, and what is said of it.
    pub fn body(&self, url: &str) -> Option<(PathBuf, Note)> {
        let note = self.note().filter(|note| note.url == url)?;
        let path = self.dir.join(PLACES.get(note.place)?);
        path.is_file().then_some((path, note))
    }

    fn note(&self) -> Option<Note> {
        // One that cannot be read is none: the feed is fetched anew.
        serde_json::from_slice(&fs::read(self.dir.join(NOTE)).ok()?).ok()
    }

    /// An empty file in the place that does not count.
    pub fn begin(&self) -> io::Result<Draft> {
        fs::create_dir_all(&self.dir)?;
        let place = self.note().map_or(0, |note| (note.place + 1) % PLACES.len());
        let path = self.dir.join(PLACES[place]);
        // Whoever still reads what was there before keeps it.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::create_new(&path)?;
        Ok(Draft {
            dir: self.dir.clone(),
            place,
            path,
            file: Some(file),
            counts: false,
        })
    }

    /// Forgets all of it.
    pub fn remove(&self) {
        // What stays behind is in nobody's way.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A body being written; it goes where it is dropped before it counts.
pub struct Draft {
    dir: PathBuf,
    place: usize,
    path: PathBuf,
    file: Option<File>,
    counts: bool,
}

impl Draft {
    /// The file to write to, once.
    pub fn file(&mut self) -> io::Result<File> {
        self.file.take().ok_or_else(|| io::Error::other("it is being written already"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on this is the feed, over restarts too.
    pub fn keep(mut self, url: &str, validators: Validators, now: Millis) -> io::Result<()> {
        let note = Note {
            url: url.to_owned(),
            place: self.place,
            validators,
            fetched_ms: now.0,
        };
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        serde_json::to_writer(&mut file, &note)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(self.dir.join(NOTE)).map_err(|error| error.error)?;
        self.counts = true;
        File::open(&self.dir)?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.counts {
            // What stays behind is overwritten by the next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://acme.example/feed.xml";

    fn keep(kept: &Kept, text: &str, etag: &str) {
        let mut draft = kept.begin().expect("a draft");
        draft.file().expect("a file").write_all(text.as_bytes()).expect("written");
        let validators = Validators {
            etag: Some(etag.to_owned()),
            last_modified: None,
        };
        draft.keep(URL, validators, Millis(7)).expect("kept");
    }

    fn found(kept: &Kept) -> Option<(String, Option<String>)> {
        let (path, note) = kept.body(URL)?;
        Some((fs::read_to_string(path).expect("a body"), note.validators.etag))
    }

    #[test]
    fn a_body_counts_once_its_note_is_written_and_the_one_before_until_then() {
        let dir = tempfile::tempdir().expect("a folder");
        let kept = Kept::of(dir.path(), "acme");
        let is = |text: &str, etag: &str| Some((text.to_owned(), Some(etag.to_owned())));
        assert_eq!(found(&kept), None);
        keep(&kept, "one", "1");
        assert_eq!(found(&kept), is("one", "1"));
        let mut half = kept.begin().expect("a draft");
        half.file().expect("a file").write_all(b"tw").expect("written");
        assert_eq!(found(&kept), is("one", "1"));
        // As if the machine had stopped: nobody cleans up.
        std::mem::forget(half);
        keep(&kept, "two", "2");
        assert_eq!(found(&kept), is("two", "2"));
        drop(kept.begin().expect("a draft"));
        assert_eq!(found(&kept), is("two", "2"));
        keep(&kept, "three", "3");
        assert_eq!(found(&kept), is("three", "3"));
        assert_eq!(kept.body("https://acme.example/other.xml"), None);
        fs::write(dir.path().join("feeds/acme").join(NOTE), "{").expect("written");
        assert_eq!(found(&kept), None);
        keep(&kept, "four", "4");
        assert_eq!(found(&kept), is("four", "4"));
        kept.remove();
        assert_eq!(found(&kept), None);
    }
}
