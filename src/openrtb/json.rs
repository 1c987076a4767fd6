//! A pull scanner over one JSON document, for bid requests: in place, one pass, no allocation.
//!
//! Accepts and rejects exactly what `serde_json::from_slice::<serde_json::Value>` does, but for
//! nesting, which ends at [`JSON_DEPTH_MAX`]; a property test holds it to that. Strings stay raw
//! slices whose escapes have been checked and not processed. Readers ask for the type they want; a
//! value of another type reads as absent, and is checked all the same. Never panics on any input.

mod escapes;
mod values;

pub use escapes::resolved;
pub use values::{Chars, Eid, Elements, List, Text, creatives, eids, elements, sizes};

use bytes::{BufMut, BytesMut};

use crate::base::limits::JSON_DEPTH_MAX;
use values::unescape_one;

/// Longest key that a reader can ask for, in bytes; a longer one is no key of OpenRTB.
const KEY_BYTES_MAX: usize = 48;
/// A number shorter than this and with an exponent of at most two digits is in the range of an `f64`.
const NUMBER_BYTES_SURE: usize = 200;

/// Why a document is not read on, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON.
    Syntax(usize),
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    Depth(usize),
}

/// What a read of the document comes to.
pub type Scan<T = ()> = Result<T, Fault>;

/// A place in a document, between two values.
#[derive(Clone, Debug)]
pub struct Scanner<'b> {
    text: &'b str,
    at: usize,
    depth: usize,
}

impl<'b> Scanner<'b> {
    /// At the start of `text`.
    pub fn new(text: &'b str) -> Scanner<'b> {
        Scanner { text, at: 0, depth: 0 }
    }

    /// At the start of `body`, which must be UTF-8.
    pub fn of_bytes(body: &'b [u8]) -> Scan<Scanner<'b>> {
        std::str::from_utf8(body)
            .map(Scanner::new)
            .map_err(|fault| Fault::Syntax(fault.valid_up_to()))
    }

    /// The first byte of the next value, or `None` at the end.
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                _ => return Some(*byte),
            }
        }
        None
    }

    /// Checks that only white space is left.
    pub fn end(&mut self) -> Scan {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault(),
        }
    }

    /// Passes over a value.
    pub fn skip(&mut self) -> Scan {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.members(|s, _| s.skip()),
            Some(b'[') => self.array(Scanner::skip),
            Some(b't') => self.literal("true").map(drop),
            Some(b'f') => self.literal("false").map(drop),
            Some(b'n') => self.literal("null").map(drop),
            _ => self.number_text().map(drop),
        }
    }

    /// Passes over a value and gives its text; `""` for `null`.
    pub fn raw(&mut self) -> Scan<&'b str> {
        let null = self.peek() == Some(b'n');
        let start = self.at;
        self.skip()?;
        Ok(if null { "" } else { self.since(start) })
    }

    /// A string, number or boolean as text; anything else is absent.
    pub fn scalar(&mut self) -> Scan<Text<'b>> {
        match self.peek() {
            Some(b'"') => self.string().map(Text::new),
            Some(b't') => self.literal("true").map(Text::new),
            Some(b'f') => self.literal("false").map(Text::new),
            Some(b'n' | b'{' | b'[') => self.skip().map(|()| Text::default()),
            _ => self.number_text().map(Text::new),
        }
    }

    /// As [`Scanner::scalar`], and the first scalar of an array where one is given for a scalar.
    pub fn text(&mut self) -> Scan<Text<'b>> {
        if self.peek() != Some(b'[') {
            return self.scalar();
        }
        let mut first = Text::default();
        self.array(|s| {
            let text = s.scalar()?;
            if first.is_empty() {
                first = text;
            }
            Ok(())
        })?;
        Ok(first)
    }

    /// An integer from a number, a numeric string or a boolean; see [`Text::integer`].
    pub fn integer(&mut self) -> Scan<Option<i64>> {
        self.text().map(|text| text.integer())
    }

    /// Whether a flag is set: any number but zero, `"1"`, `true`.
    pub fn flag(&mut self) -> Scan<bool> {
        self.integer().map(|number| number.is_some_and(|n| n != 0))
    }

    /// An array, or the scalar given for one; an object is absent.
    pub fn list(&mut self) -> Scan<List<'b>> {
        let object = self.peek() == Some(b'{');
        let raw = self.raw()?;
        Ok(List::new(if object { "" } else { raw }))
    }

    /// Calls `visit` at every object of an array of objects, or at the one object given for it, and
    /// says whether there was any. `visit` must read that object.
    pub fn objects(&mut self, mut visit: impl FnMut(&mut Self) -> Scan) -> Scan<bool> {
        let mut any = false;
        let mut one = |s: &mut Self| {
            if s.peek() != Some(b'{') {
                return s.skip();
            }
            any = true;
            visit(s)
        };
        if self.peek() == Some(b'[') {
            self.array(one)?;
        } else {
            one(self)?;
        }
        Ok(any)
    }

    /// Calls `visit` with every key of an object, and says whether there was an object. `visit` must
    /// read the value. An array given for an object is read as the objects in it, one after another.
    pub fn object(&mut self, mut visit: impl FnMut(&mut Self, &str) -> Scan) -> Scan<bool> {
        self.objects(|s| s.members(&mut visit))
    }

    /// The members of the object that starts here.
    fn members(&mut self, mut visit: impl FnMut(&mut Self, &str) -> Scan) -> Scan {
        self.enter()?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fault();
            }
            let (key, escaped) = self.string_and_kind()?;
            self.expect(b':')?;
            if escaped {
                visit(self, Text::new(key).unescape_within(&mut [0; KEY_BYTES_MAX]).unwrap_or(""))?;
            } else {
                visit(self, key)?;
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return self.fault(),
            }
        }
    }

    /// The values of the array that starts here.
    fn array(&mut self, mut visit: impl FnMut(&mut Self) -> Scan) -> Scan {
        self.enter()?;
        if self.peek() == Some(b']') {
            return self.leave();
        }
        loop {
            visit(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.leave(),
                _ => return self.fault(),
            }
        }
    }

    /// The content of the string that starts here, escapes checked and left as they are.
    fn string(&mut self) -> Scan<&'b str> {
        self.string_and_kind().map(|(content, _)| content)
    }

    /// As [`Scanner::string`], and whether there are escapes in it.
    fn string_and_kind(&mut self) -> Scan<(&'b str, bool)> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        let bytes = self.text.as_bytes();
        loop {
            self.at += plain_run(bytes.get(self.at..).unwrap_or_default());
            match bytes.get(self.at) {
                Some(b'"') => {
                    let content = self.since(start);
                    self.at += 1;
                    return Ok((content, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    let mut rest = self.text.get(self.at + 1..).unwrap_or_default().chars();
                    if unescape_one(&mut rest).is_none() {
                        return self.fault();
                    }
                    self.at = self.text.len() - rest.as_str().len();
                }
                _ => return self.fault(),
            }
        }
    }

    /// The number that starts here. One beyond the range of an `f64` is refused, as serde_json does.
    fn number_text(&mut self) -> Scan<&'b str> {
        let start = self.at;
        self.accept(b"-");
        if !self.accept(b"0") && self.digits() == 0 {
            return self.fault();
        }
        // Most numbers end here.
        if !matches!(self.text.as_bytes().get(self.at), Some(b'.' | b'e' | b'E')) && self.at - start < NUMBER_BYTES_SURE {
            return Ok(self.since(start));
        }
        if self.accept(b".") && self.digits() == 0 {
            return self.fault();
        }
        let mut exponent = 0;
        if self.accept(b"eE") {
            self.accept(b"+-");
            exponent = self.digits();
            if exponent == 0 {
                return self.fault();
            }
        }
        let raw = self.since(start);
        let sure = exponent < 3 && raw.len() < NUMBER_BYTES_SURE;
        if sure || raw.parse::<f64>().is_ok_and(f64::is_finite) {
            Ok(raw)
        } else {
            self.fault()
        }
    }

    fn literal(&mut self, word: &'static str) -> Scan<&'b str> {
        let start = self.at;
        if !self.text.as_bytes().get(start..).unwrap_or_default().starts_with(word.as_bytes()) {
            return self.fault();
        }
        self.at += word.len();
        Ok(self.since(start))
    }

    fn digits(&mut self) -> usize {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn accept(&mut self, any_of: &[u8]) -> bool {
        let found = self.text.as_bytes().get(self.at).is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Scan {
        if self.peek() != Some(byte) {
            return self.fault();
        }
        self.at += 1;
        Ok(())
    }

    fn enter(&mut self) -> Scan {
        if self.depth >= JSON_DEPTH_MAX {
            return Err(Fault::Depth(self.at));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) -> Scan {
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    fn since(&self, start: usize) -> &'b str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn fault<T>(&self) -> Scan<T> {
        Err(Fault::Syntax(self.at))
    }
}

/// Appends a text as a JSON string, quotes and all, as serde_json writes it: most of an answer is markup,
/// in long runs without anything to escape.
pub fn write_string(text: &str, out: &mut BytesMut) {
    out.put_u8(b'"');
    let mut rest = text.as_bytes();
    loop {
        let run = plain_run(rest);
        out.put_slice(&rest[..run]);
        let Some(byte) = rest.get(run) else { break };
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => 0,
        };
        if short == 0 {
            let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit & 15)];
            out.put_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(*byte)]);
        } else {
            out.put_slice(&[b'\\', short]);
        }
        rest = &rest[run + 1..];
    }
    out.put_u8(b'"');
}

/// How many bytes come before the first quote, backslash or control character; eight at a time.
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let (words, tail) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let slash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let stop = (below(word, 0x20) | quote | slash) & HIGH;
        if stop != 0 {
            return n * 8 + stop.trailing_zeros() as usize / 8;
        }
    }
    let stop = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    bytes.len() - tail.len() + stop.unwrap_or(tail.len())
}

#[cfg(test)]
mod tests;
