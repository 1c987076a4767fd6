//! A copy of a data folder that no server uses, for whoever wants to look without leaving a trace: opening a store
//! settles what a crash left, and numbers are given to what a config names for the first time.
//!
//! Reads alone; the lock is held meanwhile, so that nothing is half written.

use std::fs;
use std::io;
use std::path::Path;

use super::open::{LOCK, lock};
use super::trouble::Trouble;

/// Copies all of a data folder into `to`, which must be empty, but for what `leave` names.
pub fn copy(data_dir: &Path, to: &Path, leave: &[&str]) -> Result<(), Trouble> {
    let _held = lock(data_dir)?;
    let skip = |name: &std::ffi::OsStr| name == LOCK || leave.iter().any(|left| name == *left);
    let copied = || -> io::Result<()> {
        for entry in fs::read_dir(data_dir)? {
            let entry = entry?;
            if !skip(&entry.file_name()) {
                copy_all(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        Ok(())
    };
    copied().map_err(Trouble::io("copy", data_dir))
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir(to)?;
    fs::read_dir(from)?.try_for_each(|entry| {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))
    })
}
