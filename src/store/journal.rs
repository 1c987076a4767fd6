//! The journals of fjall before it opens them: copied, for opening cuts off in place what it cannot
//! read, and looked over for what it does not look at.
//!
//! Holds for the pinned version of fjall: a checksum covers a batch's rows but not its number, and rows
//! under a number too low hide behind older ones.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const FOLDER: &str = "journal-copy";
const BLOCK_BYTES: usize = 64 * 1024;

/// Copies of the journals, until it is known that the store is whole.
pub struct Copies {
    store: PathBuf,
    kept: PathBuf,
}

impl Copies {
    /// Copies the journals. Copies that are there already are of a store that never passed: they are
    /// put back first.
    pub fn take(data_dir: &Path, store: &Path) -> io::Result<Copies> {
        let copies = Copies {
            store: store.to_owned(),
            kept: data_dir.join(FOLDER),
        };
        if copies.kept.exists() {
            copies.put_back()?;
        }
        let unfinished = data_dir.join(format!("{FOLDER}.new"));
        remove_folder(&unfinished)?;
        let copied = copy_journals(store, &unfinished).and_then(|()| fs::rename(&unfinished, &copies.kept));
        if copied.is_err() {
            remove_folder(&unfinished)?;
        }
        copied?;
        File::open(data_dir)?.sync_all()?;
        Ok(copies)
    }

    /// The store did not pass: its journals are again what they were.
    pub fn put_back(&self) -> io::Result<()> {
        copy_journals(&self.kept, &self.store)?;
        File::open(&self.store)?.sync_all()?;
        self.drop()
    }

    /// The store passed, or its journals are put back: the copies are no longer needed.
    pub fn drop(&self) -> io::Result<()> {
        // Renamed first: a part of the copies must not be taken for all of them.
        let done = self.kept.with_extension("done");
        remove_folder(&done)?;
        fs::rename(&self.kept, &done)?;
        remove_folder(&done)
    }
}

/// Copies the journals of a folder into another; returns once the copies are durable.
fn copy_journals(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for journal in journals(from)? {
        let copy = to.join(journal.file_name().unwrap_or_default());
        // What is put back is written over, and not after it was emptied: a full disk has no room twice.
        let mut copy = File::options().create(true).truncate(false).write(true).open(copy)?;
        copy_sparse(&mut File::open(&journal)?, &mut copy)?;
    }
    Ok(())
}

/// Copies what is not zero: fjall makes journals of 64 MiB in advance, and most of that is a hole.
fn copy_sparse(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = from.read(&mut block)?;
        if read == 0 {
            break;
        }
        if block[..read].iter().any(|byte| *byte != 0) {
            to.write_all(&block[..read])?;
        } else {
            to.seek(SeekFrom::Current(read as i64))?;
        }
    }
    to.set_len(from.stream_position()?)?;
    to.sync_all()
}

/// Removes a folder, if there is one.
pub fn remove_folder(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The journals in a folder, in the order in which they were begun.
fn journals(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension() == Some(OsStr::new("jnl")));
    let number = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
    paths.sort_by_key(number);
    Ok(paths)
}

/// How the journals show that they are not what was written, beyond what fjall finds itself.
pub fn disorder(store: &Path) -> io::Result<Option<String>> {
    let mut last = None;
    for path in journals(store)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut reader = BufReader::new(File::open(&path)?);
        // What cannot be read is for fjall to judge, and for the high-water mark.
        while let Ok(entry) = entry(&mut reader) {
            let Entry::Batch(number) = entry else { continue };
            if last.is_some_and(|last| number <= last) {
                return Ok(Some(format!("batch {number} of {name} is out of order")));
            }
            last = Some(number);
        }
    }
    Ok(None)
}

enum Entry {
    Batch(u64),
    Other,
}

/// One entry as fjall writes it: a tag, then what the tag says.
fn entry(reader: &mut (impl Read + Seek)) -> io::Result<Entry> {
    let [tag] = take(reader)?;
    match tag {
        1 => {
            let _rows: [u8; 4] = take(reader)?;
            Ok(Entry::Batch(u64::from_le_bytes(take(reader)?)))
        }
        2 => {
            // Kind, compression, keyspace.
            let _head: [u8; 10] = take(reader)?;
            let key = u16::from_le_bytes(take(reader)?);
            let _unpacked: [u8; 4] = take(reader)?;
            let value = u32::from_le_bytes(take(reader)?);
            skip(reader, i64::from(key) + i64::from(value))
        }
        3 => skip(reader, 8 + 4),
        4 => skip(reader, 8),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

fn take<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(reader: &mut impl Seek, bytes: i64) -> io::Result<Entry> {
    reader.seek(SeekFrom::Current(bytes))?;
    Ok(Entry::Other)
}
