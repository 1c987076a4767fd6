//! A reader that counts lines and bounds how much may be taken in one go.
//!
//! Parsers gather a text, a tag or a value whole; this is what keeps one without an end from filling
//! the memory. Never reads further than it is asked to.

use std::io::{self, BufRead, Read};

/// Lines counted, bytes bounded.
pub(super) struct Meter<R> {
    input: R,
    line: u32,
    allowed: usize,
    left: usize,
}

impl<R: BufRead> Meter<R> {
    pub fn new(input: R) -> Meter<R> {
        Meter {
            input,
            line: 1,
            allowed: 0,
            left: 0,
        }
    }

    /// The line of the next byte, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Allows `bytes` more.
    pub fn allow(&mut self, bytes: usize) {
        (self.allowed, self.left) = (bytes, bytes);
    }

    /// How much of what was allowed was taken.
    pub fn taken(&self) -> usize {
        self.allowed - self.left
    }

    /// Whether what was allowed is used up.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }
}

impl<R: BufRead> BufRead for Meter<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let bytes = self.input.fill_buf()?;
        Ok(bytes.get(..self.left).unwrap_or(bytes))
    }

    fn consume(&mut self, amount: usize) {
        let taken = self.input.fill_buf().ok().and_then(|bytes| bytes.get(..amount)).unwrap_or_default();
        let lines = taken.iter().filter(|b| **b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.left = self.left.saturating_sub(amount);
        self.input.consume(amount);
    }
}

impl<R: BufRead> Read for Meter<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}
