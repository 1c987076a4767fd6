//! The manifests of fjall before it opens them: which tables make up a keyspace, and from when.
//!
//! Holds for the pinned version of fjall: it writes their checksums and does not look at them, so that a
//! changed bit ends the process or opens another store.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

/// Which manifest of a store is not what was written.
pub fn damage(store: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(store.join("keyspaces"))? {
        let keyspace = entry?.path();
        if !is_whole(&keyspace)? {
            let name = keyspace.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Some(format!("the checksum of the manifest of keyspace {name} does not hold")));
        }
    }
    Ok(None)
}

/// Whether a keyspace's manifest is the one that is said to be current. One that was not finished has
/// none, and is made anew.
fn is_whole(keyspace: &Path) -> io::Result<bool> {
    let Some(current) = read(&keyspace.join("current"))? else {
        return Ok(true);
    };
    let said = current.split_first_chunk::<8>().and_then(|(number, rest)| {
        let checksum = rest.first_chunk::<16>()?;
        Some((u64::from_le_bytes(*number), u128::from_le_bytes(*checksum)))
    });
    let Some((number, checksum)) = said else { return Ok(false) };
    let manifest = read(&keyspace.join(format!("v{number}")))?;
    Ok(manifest.is_some_and(|bytes| xxh3_128(&bytes) == checksum))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
