//! What the store survives: every cut and single flipped bit of its journal, a full disk, a failed sync, a
//! second process, another version, an erasure and a restore. What is acknowledged is durable by then.
//!
//! The rounds of kill -9 are in `kill`. Each part prints how much it tried.

mod backup;
mod images;
mod outcomes;
mod trace;
mod turn;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        match entry.file_type().expect("a kind").is_dir() {
            true => copy(&entry.path(), &place),
            false if place.extension().is_some_and(|ending| ending == "jnl") => copy_journal(&entry.path(), &place),
            false => drop(fs::copy(entry.path(), place).expect("copied")),
        }
    }
}

/// Journals are made long in advance: what is not written yet is a hole in the copy, too.
fn copy_journal(from: &Path, to: &Path) {
    let bytes = fs::read(from).expect("a journal");
    fs::write(to, &bytes[..written(&bytes)]).expect("copied");
    let copy = fs::File::options().write(true).open(to).expect("the copy");
    copy.set_len(bytes.len() as u64).expect("its length");
}

/// The end of what was written, beyond which a journal may be empty space.
fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

/// How many files below a folder hold these bytes.
pub fn holding(dir: &Path, bytes: &[u8]) -> usize {
    let entries = fs::read_dir(dir).expect("the folder").map(|entry| entry.expect("an entry").path());
    let has = |path: &Path| memchr::memmem::find(&fs::read(path).expect("a file"), bytes).is_some();
    entries
        .map(|path| {
            if path.is_dir() {
                holding(&path, bytes)
            } else {
                usize::from(has(&path))
            }
        })
        .sum()
}

/// A folder in memory where there is one: images are opened by the hundred.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// Whether a tool works here. In CI it must.
fn has(tool: &str, arguments: &[&str]) -> bool {
    let run = Command::new(tool)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let works = run.is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("CI").is_none(), "{tool} does not work here");
    works
}

/// Whether system calls can be traced and made to fail here.
fn has_strace() -> bool {
    has(
        "strace",
        &["-f", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO", "true"],
    )
}
