//! What keeps a store from being opened, and what to do about it.
//!
//! All of it is the environment's: exit code 3. Texts are whole: what failed, on what, what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another process is on the folder.
    #[error("another process works on {}: stop it, or give this one a `data_dir` of its own", .0.display())]
    Locked(PathBuf),
    /// Commits that were acknowledged are gone.
    #[error("store ends at commit {at} but {acknowledged} was acknowledged: restore a backup, or start with --accept-loss")]
    Short {
        /// The last commit there is.
        at: u64,
        /// The last that was acknowledged.
        acknowledged: u64,
    },
    /// The high-water mark is gone or unreadable, so it cannot be told whether the store is whole.
    #[error("{} {problem}, so nobody can tell whether the store is whole: restore a backup, or start with --accept-loss", file.display())]
    Mark {
        /// Its file.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A newer program wrote it.
    #[error("the store in {} is of version {found}, this winback knows up to {known}: run the winback that wrote it, or a newer one", dir.display())]
    Newer {
        /// The store's folder.
        dir: PathBuf,
        /// Its version.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// Bytes of it are not what was written.
    #[error("the store in {} is damaged ({problem}): restore a backup", dir.display())]
    Damaged {
        /// The store's folder.
        dir: PathBuf,
        /// How that shows.
        problem: String,
    },
    /// A turn is under way.
    #[error("the store in {} is being written anew already: wait for that", .0.display())]
    Turning(PathBuf),
    /// A restore did not come to its end.
    #[error("a restore into {} was interrupted: run it again", .0.display())]
    HalfRestored(PathBuf),
    /// The machine would not.
    #[error("cannot {what} {}: {source}{}", path.display(), remedy(source))]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What helps against the commonest refusals of a machine.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": free the disk, then start again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ": let this user write there",
        _ => "",
    }
}

impl Trouble {
    /// An error of the machine, for `map_err`.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Trouble {
        let path = path.to_owned();
        move |source| Trouble::Io { what, path, source }
    }
}
