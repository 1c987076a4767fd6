//! Files of one entry a line, which a config names: blocked names, networks.
//!
//! What follows a `#` is for people. Every bad line is a fault with its place in that file.

use std::path::Path;

use super::fault::{Fault, shorten};
use super::node::Node;
use super::reader::Reader;

/// Such a file is read whole; more is no list.
const LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What entries are, for whoever wrote one that is none.
pub(super) struct Entries {
    /// What is wrong with it.
    pub problem: &'static str,
    /// What would be right.
    pub remedy: &'static str,
}

/// The entries of the file that a value names.
pub(super) fn lines<'t, T>(r: &Reader<'t>, node: &Node<'t>, entries: &Entries, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let path = r.existing_file(node)?;
    let text = match text(&path) {
        Ok(text) => text,
        Err(error) => return r.refuse(node, format!("cannot be read: {error}"), "a text file of one entry a line"),
    };
    let mut found = Vec::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        match read(entry) {
            Some(entry) => found.push(entry),
            None => r.add(Fault {
                value: shorten(entry),
                remedy: Some(entries.remedy.into()),
                ..Fault::of_file(
                    &path.display().to_string(),
                    u32::try_from(at + 1).unwrap_or(u32::MAX),
                    u32::try_from(line.len() - line.trim_start().len() + 1).unwrap_or(u32::MAX),
                    entries.problem,
                )
            }),
        }
    }
    Some(found)
}

fn text(path: &Path) -> std::io::Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > LIST_BYTES_MAX {
        return Err(std::io::Error::other(format!("{bytes} bytes, more than {LIST_BYTES_MAX}")));
    }
    std::fs::read_to_string(path)
}
