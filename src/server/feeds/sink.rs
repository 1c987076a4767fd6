//! Where what is fetched goes: a file, unpacked where it was packed for the way, bounded and durable.
//!
//! Only `Content-Encoding` is undone here; a feed that is a packed file stays one, for its reader.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use flate2::write::MultiGzDecoder;

use crate::base::limits::{FEED_RATIO_FROM_BYTES, FEED_RATIO_MAX};

/// A file that is being written.
pub(super) struct Sink {
    form: Form,
    /// Bytes that came.
    came: u64,
    most: u64,
}

enum Form {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

/// A file that takes so much and then fails.
struct Bounded {
    file: BufWriter<File>,
    written: u64,
    most: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len() as u64;
        if self.written > self.most {
            let problem = format!("it is more than {} MiB: is this a feed? see `feeds.max_mib`", self.most >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink {
    /// Writes as it comes.
    pub fn plain(file: File, most: u64) -> Sink {
        Sink::of(file, most, Form::Plain)
    }

    /// Unpacks gzip.
    pub fn gzip(file: File, most: u64) -> Sink {
        Sink::of(file, most, |file| Form::Gzip(Box::new(MultiGzDecoder::new(file))))
    }

    fn of(file: File, most: u64, form: impl FnOnce(Bounded) -> Form) -> Sink {
        let file = Bounded {
            file: BufWriter::with_capacity(64 * 1024, file),
            written: 0,
            most,
        };
        Sink {
            form: form(file),
            came: 0,
            most,
        }
    }

    /// Takes what came.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.came += bytes.len() as u64;
        match &mut self.form {
            Form::Plain(file) => file.write_all(bytes),
            Form::Gzip(packed) => {
                let by_ratio = self.came.saturating_mul(FEED_RATIO_MAX).max(FEED_RATIO_FROM_BYTES);
                packed.get_mut().most = by_ratio.min(self.most);
                packed.write_all(bytes).map_err(damaged)
            }
        }
    }

    /// All has come: the file is whole and on the disk.
    pub fn finish(self) -> io::Result<()> {
        let bounded = match self.form {
            Form::Plain(file) => file,
            Form::Gzip(packed) => packed.finish().map_err(damaged)?,
        };
        let file = bounded.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

/// What the unpacker says is about the packing; what the file says stays.
fn damaged(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::WriteZero => {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("its gzip data is damaged or cut short ({error})"),
            )
        }
        _ => error,
    }
}
