//! Numbers: most are a few digits, and read in passing; all others are checked as serde_json does.

use super::{Scan, Scanner, Stopped};

/// A number shorter than this and with an exponent of at most two digits is in the range of an `f64`.
const NUMBER_BYTES_SURE: usize = 200;
/// A whole number of so many digits fits an `i64`.
const WHOLE_DIGITS_MAX: usize = 18;

impl<'b> Scanner<'b> {
    /// The number that starts here. One beyond the range of an `f64` is refused, as serde_json does.
    pub(super) fn number_text(&mut self) -> Scan<&'b str> {
        let start = self.at;
        self.skip_number().map(|()| self.since(start))
    }

    /// Passes over the number that starts here.
    #[inline(always)]
    pub(super) fn skip_number(&mut self) -> Scan {
        match self.whole() {
            Some(_) => Ok(()),
            None => self.any_number(),
        }
    }

    /// The number that comes next, if it is of a few digits and nothing else: most are.
    #[inline(always)]
    pub(super) fn whole(&mut self) -> Option<i64> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let (mut value, mut digits) = (0, 0);
        while let Some(digit) = rest.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            if digits == WHOLE_DIGITS_MAX {
                return None;
            }
            value = value * 10 + i64::from(digit);
            digits += 1;
        }
        let is_whole = digits == 1 || digits > 1 && rest.first() != Some(&b'0');
        if !is_whole || matches!(rest.get(digits), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at += digits;
        Some(value)
    }

    fn any_number(&mut self) -> Scan {
        let start = self.at;
        self.accept(b"-");
        // Nothing may follow a leading zero, and what does is no part of the number.
        if !self.accept(b"0") && self.digits() == 0 {
            return Err(Stopped);
        }
        if self.accept(b".") && self.digits() == 0 {
            return Err(Stopped);
        }
        let mut exponent = 0;
        if self.accept(b"eE") {
            self.accept(b"+-");
            exponent = self.digits();
            if exponent == 0 {
                return Err(Stopped);
            }
        }
        let raw = self.since(start);
        let sure = exponent < 3 && raw.len() < NUMBER_BYTES_SURE;
        if sure || raw.parse::<f64>().is_ok_and(f64::is_finite) {
            Ok(())
        } else {
            Err(Stopped)
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.text.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    fn accept(&mut self, any_of: &[u8]) -> bool {
        let found = self.text.as_bytes().get(self.at).is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(found);
        found
    }
}
