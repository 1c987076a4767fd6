//! Key and token files: read, or made with a random value that only their owner may read.
//!
//! Never logs a value.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// The trimmed text of a key file; a missing one is made, with its folders, 0600, from 32 random bytes
/// in hex. An empty file is an error: an empty key would let everyone in.
pub fn secret(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(io::Error::new(
            ErrorKind::InvalidData,
            "the key file is empty; write a key into it, or remove it to have one made",
        )),
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => make(path),
        Err(error) => Err(error),
    }
}

fn make(path: &Path) -> io::Result<String> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut text = String::with_capacity(65);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    // Written beside and linked into place, so that no reader ever sees half a key and of two that
    // make one at the same time both end up with the first; temporary files are 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    writeln!(file, "{text}")?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(text),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(fs::read_to_string(path)?.trim().to_owned()),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("keys/deep/key");
        let made = secret(&path).expect("made");
        assert_eq!(made.len(), 64);
        assert_eq!(secret(&path).expect("read"), made);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
        fs::write(&path, " \n").expect("written");
        assert_eq!(secret(&path).expect_err("empty").kind(), ErrorKind::InvalidData);
    }
}
