//! Packed feeds: gzip, zip and bzip2, told by their first bytes and read as a stream.
//!
//! What comes out is bounded, in all and by how much goes in, so that a small file cannot keep a
//! machine busy. Nothing is written anywhere.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};

use crate::base::limits::{FEED_BYTES_MAX, FEED_RATIO_FROM_BYTES, FEED_RATIO_MAX};

const BUFFER_BYTES: usize = 64 * 1024;
/// Other packings and their first bytes, to be called by name.
const UNKNOWN: [(&[u8], &str); 4] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "rar"),
];

/// Hands the file's content to `read`, unpacked; of a zip its first file.
pub(super) fn unpacked<T>(mut file: File, read: impl FnOnce(&mut dyn BufRead) -> T) -> io::Result<T> {
    let size = file.metadata()?.len();
    let mut magic = Vec::new();
    file.by_ref().take(8).read_to_end(&mut magic)?;
    file.rewind()?;
    let buffered = |file| BufReader::with_capacity(BUFFER_BYTES, file);
    let run = |packing, plain: &mut dyn Read| read(&mut buffered_bounded(packing, plain, size));
    if let Some((_, name)) = UNKNOWN.iter().find(|(bytes, _)| magic.starts_with(bytes)) {
        let problem = format!("it is packed with {name}: pack it with gzip, zip or bzip2, or not at all");
        return Err(io::Error::new(io::ErrorKind::Unsupported, problem));
    }
    if magic.starts_with(&[0x1f, 0x8b]) {
        return Ok(run(Some("gzip"), &mut flate2::bufread::MultiGzDecoder::new(buffered(file))));
    }
    if magic.starts_with(b"BZh") {
        return Ok(run(Some("bzip2"), &mut bzip2::bufread::MultiBzDecoder::new(buffered(file))));
    }
    if magic.starts_with(b"PK\x03\x04") || magic.starts_with(b"PK\x05\x06") {
        let mut archive = zip::ZipArchive::new(buffered(file)).map_err(|e| damaged("zip", &e.into()))?;
        let place =
            first_file(&archive).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no file in the zip: put the feed into it"))?;
        let mut entry = archive.by_index(place).map_err(|e| damaged("zip", &e.into()))?;
        return Ok(run(Some("zip"), &mut entry));
    }
    Ok(run(None, &mut file))
}

/// The first entry that is no folder and not of the leaves that systems add.
fn first_file<R: Read + Seek>(archive: &zip::ZipArchive<R>) -> Option<usize> {
    let is_file = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or_default();
        !last.is_empty() && !last.starts_with('.') && !name.starts_with("__MACOSX/")
    };
    (0..archive.len()).find(|at| {
        archive
            .name_for_index(*at)
            .is_some_and(|name| name.is_ok_and(|name| is_file(&name)))
    })
}

fn buffered_bounded<'r>(packing: Option<&'static str>, input: &'r mut dyn Read, size: u64) -> BufReader<Bounded<'r>> {
    let by_ratio = size.saturating_mul(FEED_RATIO_MAX).max(FEED_RATIO_FROM_BYTES);
    let most = if packing.is_some() {
        by_ratio.min(FEED_BYTES_MAX)
    } else {
        FEED_BYTES_MAX
    };
    let bounded = Bounded {
        input,
        packing,
        most,
        left: most,
    };
    BufReader::with_capacity(BUFFER_BYTES, bounded)
}

fn damaged(packing: &str, error: &io::Error) -> io::Error {
    let problem = format!("its {packing} data is damaged, cut short or locked ({error}): make the file again");
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// A reader that gives so much and then fails.
struct Bounded<'r> {
    input: &'r mut dyn Read,
    packing: Option<&'static str>,
    most: u64,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out).map_err(|error| match self.packing {
            Some(packing) if error.kind() != io::ErrorKind::Interrupted => damaged(packing, &error),
            _ => error,
        })?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let unpacks = if self.packing.is_some() { "it unpacks to" } else { "it is" };
            let problem = format!("{unpacks} more than {} MiB: is this a feed? split it", self.most >> 20);
            io::Error::new(io::ErrorKind::FileTooLarge, problem)
        })?;
        Ok(read)
    }
}
