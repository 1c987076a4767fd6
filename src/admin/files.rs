//! Advertiser files: found by the id inside, replaced and removed durably.
//!
//! Assumes that its callers hold `engine.edits`. A reader sees the old file or the new one, never a
//! part; when a write returns, it has survived a crash. Never checks what it writes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

pub use crate::server::files::{etag, id_in};
use crate::server::shops;

/// An advertiser's file.
#[derive(Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The file of an advertiser: `<id>.json`, else whichever has that `id` in it.
pub fn find(dir: &Path, id: &str) -> io::Result<Option<Found>> {
    let named = dir.join(format!("{id}.json"));
    if let Some(found) = read(named.clone())? {
        // A file that cannot be read as JSON is that of the name it bears.
        if id_in(&found.bytes).is_none_or(|inside| inside == id) {
            return Ok(Some(found));
        }
    }
    let others = match shops::files(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        others => others?,
    };
    for path in others.into_iter().filter(|path| *path != named) {
        if let Some(found) = read(path)?
            && id_in(&found.bytes).is_some_and(|inside| inside == id)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn read(path: PathBuf) -> io::Result<Option<Found>> {
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(Found { path, bytes })),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `bytes` in place of a file, or makes it; returns once they are durable.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Through a link to the file itself: replacing the link would leave its target behind.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = folder_of(&path);
    fs::create_dir_all(dir)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: what the umask leaves.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir)?;
    if let Ok(before) = fs::metadata(&path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    sync_folder(dir)
}

/// Removes a file; returns once it would not come back.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_the_id_inside() {
        let dir = tempfile::tempdir().expect("folder");
        let put = |name: &str, text: &str| replace(&dir.path().join(name), text.as_bytes()).expect("written");
        put("a.json", r#"{"id": "b"}"#);
        put("other.json", r#"{"id": " a "}"#);
        put("broken.json", "{");
        let name_of = |id: &str| {
            find(dir.path(), id)
                .expect("read")
                .map(|found| found.path.file_name().expect("name").to_owned())
        };
        assert_eq!(name_of("a").as_deref(), Some("other.json".as_ref()));
        assert_eq!(name_of("b").as_deref(), Some("a.json".as_ref()));
        assert_eq!(name_of("broken").as_deref(), Some("broken.json".as_ref()));
        assert_eq!(name_of("c"), None);
        assert!(find(&dir.path().join("nowhere"), "a").expect("read").is_none());
        remove(&dir.path().join("a.json")).expect("removed");
        remove(&dir.path().join("a.json")).expect("removed already");
        assert_eq!(name_of("b"), None);
        assert_eq!(fs::read_dir(dir.path()).expect("folder").count(), 2, "nothing temporary is left");
    }
}
