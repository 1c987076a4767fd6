//! A backup: one consistent view of the store, with the keys without which it means nothing, as frames
//! in one stream.
//!
//! Every frame carries its number and a checksum, and the last one says how much there was: a file that
//! is cut off, swapped about or changed in a single bit is not read as a shorter one. Holds the keys in
//! the clear: whoever has it can read and forge what the server can.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Store;

const MAGIC: &[u8; 16] = b"winback-backup\x01\n";
/// Rows are gathered into frames of about this size.
const FRAME_BYTES: usize = 64 * 1024;
/// No frame is larger.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
const CHECKSUM_BYTES: usize = 8;

const FILE: u8 = 1;
const TABLE: u8 = 2;
const ROWS: u8 = 3;
const END: u8 = 4;

/// The name of the key of all hashes in a backup.
pub(super) const HASH_KEY: &str = "hash-key";
/// What the names of seal keys begin with.
pub(super) const SEAL_KEYS: &str = "seal-keys/";

/// A part of a backup, as it is read.
pub(super) enum Part {
    /// A key file.
    File(String, Vec<u8>),
    /// Rows of this table follow.
    Table(String),
    /// Some of them, in the order of keys.
    Rows(Vec<(Vec<u8>, Vec<u8>)>),
}

/// The key files of a server, as they go into a backup.
pub fn keys(data_dir: &Path, seal_keys_dir: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![(HASH_KEY.to_owned(), fs::read(data_dir.join(HASH_KEY))?)];
    for entry in fs::read_dir(seal_keys_dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "key")
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            files.push((format!("{SEAL_KEYS}{name}"), fs::read(&path)?));
        }
    }
    Ok(files)
}

/// Writes a backup; returns how many rows it holds.
pub fn write(store: &Store, keys: &[(String, Vec<u8>)], out: &mut dyn Write) -> io::Result<u64> {
    let mut out = Frames { out, number: 0 };
    out.out.write_all(MAGIC)?;
    for (name, bytes) in keys {
        let mut body = Vec::new();
        push(&mut body, name.as_bytes());
        body.extend(bytes);
        out.frame(FILE, &body)?;
    }
    let (_held, view) = store.view()?;
    let mut rows = 0u64;
    for table in &view.tables {
        out.frame(TABLE, table.name().as_bytes())?;
        let mut body = Vec::with_capacity(2 * FRAME_BYTES);
        for row in view.rows(table) {
            let (key, value) = row?;
            push(&mut body, &key);
            push(&mut body, &value);
            rows += 1;
            if body.len() >= FRAME_BYTES {
                out.frame(ROWS, &body)?;
                body.clear();
            }
        }
        if !body.is_empty() {
            out.frame(ROWS, &body)?;
        }
    }
    out.frame(END, &rows.to_le_bytes())?;
    out.out.flush()?;
    Ok(rows)
}

/// Reads a backup to its end: how many rows it holds.
pub fn check(file: &mut dyn Read) -> io::Result<u64> {
    let mut parts = Parts::open(file)?;
    while parts.next()?.is_some() {}
    Ok(parts.rows)
}

struct Frames<'a> {
    out: &'a mut dyn Write,
    number: u64,
}

impl Frames<'_> {
    fn frame(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).ok().filter(|length| *length as usize <= FRAME_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::other("a row is too large for a backup"))?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&[kind])?;
        self.out.write_all(body)?;
        self.out.write_all(&checksum(self.number, kind, body))?;
        self.number += 1;
        Ok(())
    }
}

fn checksum(number: u64, kind: u8, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(number.to_le_bytes());
    hash.update([kind]);
    hash.update(body);
    let hash = hash.finalize();
    std::array::from_fn(|at| hash[at])
}

/// Appends bytes with their length before them.
pub(super) fn push(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend((bytes.len() as u32).to_le_bytes());
    body.extend(bytes);
}

/// The parts of a backup, each checked before it is handed out.
pub(super) struct Parts<'a> {
    from: &'a mut dyn Read,
    number: u64,
    rows: u64,
    ended: bool,
}

impl<'a> Parts<'a> {
    /// Reads the beginning.
    pub(super) fn open(from: &'a mut dyn Read) -> io::Result<Parts<'a>> {
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic).map_err(cut)?;
        if magic != *MAGIC {
            return Err(invalid("it is no backup of winback, or one of a newer version"));
        }
        Ok(Parts {
            from,
            number: 0,
            rows: 0,
            ended: false,
        })
    }

    /// The next part; none after the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Part>> {
        if self.ended {
            return Ok(None);
        }
        let (kind, body) = self.frame()?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| invalid("a name in it is no text"));
        let mut rest = body.as_slice();
        match kind {
            FILE => {
                let name = text(pull(&mut rest)?)?;
                Ok(Some(Part::File(name, rest.to_vec())))
            }
            TABLE => Ok(Some(Part::Table(text(rest)?))),
            ROWS => {
                let mut rows = Vec::new();
                while !rest.is_empty() {
                    rows.push((pull(&mut rest)?.to_vec(), pull(&mut rest)?.to_vec()));
                }
                self.rows += rows.len() as u64;
                Ok(Some(Part::Rows(rows)))
            }
            END if body == self.rows.to_le_bytes() && self.is_over()? => {
                self.ended = true;
                Ok(None)
            }
            _ => Err(invalid("it does not end as it should")),
        }
    }

    fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.from.read_exact(&mut head).map_err(cut)?;
        let [a, b, c, d, kind] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(invalid("a length in it is nonsense"));
        }
        let mut body = vec![0; length];
        self.from.read_exact(&mut body).map_err(cut)?;
        let mut told = [0; CHECKSUM_BYTES];
        self.from.read_exact(&mut told).map_err(cut)?;
        if told != checksum(self.number, kind, &body) {
            return Err(invalid(&format!("the checksum of part {} does not hold", self.number)));
        }
        self.number += 1;
        Ok((kind, body))
    }

    fn is_over(&mut self) -> io::Result<bool> {
        Ok(self.from.read(&mut [0])? == 0)
    }
}

fn pull<'b>(rest: &mut &'b [u8]) -> io::Result<&'b [u8]> {
    let short = || invalid("a part of it is too short");
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(short)?;
    *rest = after;
    Ok(bytes)
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem)
}

fn cut(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => invalid("it is cut off"),
        _ => error,
    }
}
