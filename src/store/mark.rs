//! The high-water mark: the number of the last commit that was acknowledged, in a file beside the store.
//!
//! A journal that lost its end opens as if it had been shorter all along; the mark tells. It is written
//! before the acknowledgement and survives the process at once, the machine within [`SYNC_EVERY`]: a
//! mark that lags only notices less. Two slots, so that one torn write leaves the other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::hash::Hashes;

/// Its file in the data folder.
pub const FILE: &str = "high-water";
const SYNC_EVERY: Duration = Duration::from_millis(100);
const SLOT_BYTES: usize = 16;
/// Slots lie in sectors of their own.
const SLOT_APART: u64 = 512;
const SLOTS: u64 = 2;

/// An open mark.
pub struct Mark {
    file: File,
    slot: u64,
    synced: Instant,
}

/// What a mark's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is none.
    Nothing,
    /// Neither slot can be read.
    Damaged,
    /// The last acknowledged commit.
    At(u64),
}

/// Reads a mark.
pub fn read(data_dir: &Path) -> io::Result<Seen> {
    let bytes = match std::fs::read(data_dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
        read => read?,
    };
    let slots = (0..SLOTS).filter_map(|slot| read_slot(bytes.get((slot * SLOT_APART) as usize..)?));
    Ok(slots.max().map_or(Seen::Damaged, Seen::At))
}

impl Mark {
    /// Opens the mark, or makes it, and sets it to `number`.
    pub fn open(data_dir: &Path, number: u64) -> io::Result<Mark> {
        let file = File::options().create(true).truncate(false).write(true).open(data_dir.join(FILE))?;
        for slot in 0..SLOTS {
            file.write_all_at(&slot_of(number), slot * SLOT_APART)?;
            file.sync_all()?;
        }
        File::open(data_dir)?.sync_all()?;
        Ok(Mark {
            file,
            slot: 0,
            synced: Instant::now(),
        })
    }

    /// Raises the mark.
    pub fn raise(&mut self, number: u64) -> io::Result<()> {
        self.file.write_all_at(&slot_of(number), self.slot * SLOT_APART)?;
        self.slot = (self.slot + 1) % SLOTS;
        if self.synced.elapsed() < SYNC_EVERY {
            return Ok(());
        }
        self.synced = Instant::now();
        self.file.sync_data()
    }
}

fn checksum(number: [u8; 8]) -> [u8; 8] {
    Hashes::new(&[0; 16]).of(FILE, &[&number]).to_le_bytes()
}

fn slot_of(number: u64) -> [u8; SLOT_BYTES] {
    let number = number.to_le_bytes();
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&number);
    slot[8..].copy_from_slice(&checksum(number));
    slot
}

fn read_slot(bytes: &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    (*rest.first_chunk::<8>()? == checksum(*number)).then(|| u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_torn_slot_leaves_the_other() {
        let dir = tempfile::tempdir().expect("folder");
        assert_eq!(read(dir.path()).expect("read"), Seen::Nothing);
        let mut mark = Mark::open(dir.path(), 7).expect("made");
        for number in [8, 9] {
            mark.raise(number).expect("raised");
            assert_eq!(read(dir.path()).expect("read"), Seen::At(number));
        }
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).expect("bytes");
        let (mut damaged, mut bits) = (0, 0);
        for bit in (0..8 * SLOT_BYTES).map(|bit| bit + 8 * SLOT_APART as usize) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).expect("written");
            bits += 1;
            damaged += usize::from(read(dir.path()).expect("read") == Seen::At(8));
        }
        assert_eq!((bits, damaged), (128, 128), "a slot that is damaged is not believed");
        std::fs::write(&path, [0; 600]).expect("written");
        assert_eq!(read(dir.path()).expect("read"), Seen::Damaged);
    }
}
