//! A pull scanner over one JSON document, for bid requests: in place, one pass, no allocation.
//!
//! Accepts and rejects exactly what `serde_json::from_slice::<serde_json::Value>` does, but for
//! nesting, which ends at [`JSON_DEPTH_MAX`]; a property test holds it to that. Strings stay raw
//! slices whose escapes have been checked and not processed. Readers ask for the type they want; a
//! value of another type reads as absent, and is checked all the same. Never panics on any input.

mod escapes;
mod numbers;
mod values;

pub use escapes::resolved;
pub use values::{Chars, Eid, Elements, FormatEntry, Hints, List, Text, creatives, eids, elements, formats, hints, sizes};

use crate::base::limits::JSON_DEPTH_MAX;
pub(super) use crate::base::quoted::plain_run;
use crate::base::quoted::short_string;
pub use crate::base::quoted::{write_bytes, write_content, write_string};
use values::unescape_one;

/// Longest key that a reader can ask for, in bytes; a longer one is no key of OpenRTB.
const KEY_BYTES_MAX: usize = 48;

// One bit a level, see `Scanner::skip`.
const _: () = assert!(JSON_DEPTH_MAX <= u64::BITS as usize);

/// Why a document is not read on, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON.
    Syntax(usize),
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    Depth(usize),
}

/// The document is not read on; the scanner stands where it was given up, see [`Scanner::fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// What a read comes to. Without the fault, for then most fit in registers.
pub type Scan<T = ()> = Result<T, Stopped>;

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
    pub fn of_bytes(body: &'b [u8]) -> Result<Scanner<'b>, Fault> {
        // The fast reader does not say where it is not.
        let slowly = |_| std::str::from_utf8(body).map_err(|fault| Fault::Syntax(fault.valid_up_to()));
        simdutf8::basic::from_utf8(body).or_else(slowly).map(Scanner::new)
    }

    /// Why it stopped, after it has.
    pub fn fault(&self) -> Fault {
        if self.depth > JSON_DEPTH_MAX {
            Fault::Depth(self.at)
        } else {
            Fault::Syntax(self.at)
        }
    }

    /// The first byte of the next value, or `None` at the end.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        // Most requests are written without blanks.
        if byte > b' ' { Some(byte) } else { self.peek_past_blanks() }
    }

    #[cold]
    fn peek_past_blanks(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match *bytes.get(self.at)? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Checks that only white space is left.
    pub fn end(&mut self) -> Scan {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Stopped),
        }
    }

    /// Passes over a value.
    #[inline]
    pub fn skip(&mut self) -> Scan {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'0'..=b'9') => self.skip_number(),
            _ => self.skip_nested(),
        }
    }

    fn skip_nested(&mut self) -> Scan {
        let outside = self.depth;
        // Of each level entered, the innermost lowest: whether it is an object.
        let mut objects = 0u64;
        loop {
            match self.peek() {
                Some(b'"') => self.skip_string()?,
                Some(open @ (b'{' | b'[')) => {
                    self.enter()?;
                    let is_object = open == b'{';
                    if self.peek() == Some(open + 2) {
                        self.leave()?;
                    } else {
                        objects = objects << 1 | u64::from(is_object);
                        if is_object {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                Some(b'0'..=b'9') => self.skip_number()?,
                _ => drop(self.plain_scalar()?),
            }
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                let is_object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if is_object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    Some(b'}') if is_object => self.leave()?,
                    Some(b']') if !is_object => self.leave()?,
                    _ => return Err(Stopped),
                }
                objects >>= 1;
            }
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
            Some(b'n' | b'{' | b'[') => self.skip().map(|()| Text::default()),
            _ => self.plain_scalar().map(Text::new),
        }
    }

    /// As [`Scanner::scalar`], and the first scalar of an array where one is given for a scalar.
    pub fn text(&mut self) -> Scan<Text<'b>> {
        if self.peek() == Some(b'[') {
            self.first_scalar()
        } else {
            self.scalar()
        }
    }

    fn first_scalar(&mut self) -> Scan<Text<'b>> {
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
    #[inline]
    pub fn integer(&mut self) -> Scan<Option<i64>> {
        match self.whole() {
            Some(number) => Ok(Some(number)),
            None => self.any_integer(),
        }
    }

    fn any_integer(&mut self) -> Scan<Option<i64>> {
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
    pub fn object(&mut self, mut visit: impl FnMut(&mut Self, &[u8]) -> Scan) -> Scan<bool> {
        if self.peek() == Some(b'{') {
            return self.members(&mut visit).map(|()| true);
        }
        self.objects(|s| s.members(&mut visit))
    }

    /// The members of the object that starts here.
    fn members(&mut self, mut visit: impl FnMut(&mut Self, &[u8]) -> Scan) -> Scan {
        self.enter()?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            match self.plain_key() {
                Some(key) => visit(self, key)?,
                None => {
                    let key = Text::new(self.key()?);
                    visit(self, key.unescape_within(&mut [0; KEY_BYTES_MAX]).unwrap_or("").as_bytes())?;
                }
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return Err(Stopped),
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
                _ => return Err(Stopped),
            }
        }
    }

    /// The key that comes next with its colon, if it is short, without escapes and followed at once: most are.
    #[inline(always)]
    fn plain_key(&mut self) -> Option<&'b [u8]> {
        let (quote, rest) = self.text.as_bytes().get(self.at..)?.split_first()?;
        let run = short_string(rest)?;
        if *quote != b'"' || rest.get(run + 1) != Some(&b':') {
            return None;
        }
        self.at += run + 3;
        rest.get(..run)
    }

    #[inline(always)]
    fn skip_key(&mut self) -> Scan {
        match self.plain_key() {
            Some(_) => Ok(()),
            None => self.key().map(drop),
        }
    }

    /// The key that must come next, and its colon.
    fn key(&mut self) -> Scan<&'b str> {
        if self.peek() != Some(b'"') {
            return Err(Stopped);
        }
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return Err(Stopped);
        }
        self.at += 1;
        Ok(key)
    }

    /// Passes over the string that starts here.
    #[inline(always)]
    fn skip_string(&mut self) -> Scan {
        match self.text.as_bytes().get(self.at + 1..).and_then(short_string) {
            Some(run) => self.at += run + 2,
            None => drop(self.string()?),
        }
        Ok(())
    }

    /// The content of the string that starts here, escapes checked and left as they are.
    fn string(&mut self) -> Scan<&'b str> {
        let start = self.at + 1;
        self.at = start + plain_run(self.text.as_bytes().get(start..).unwrap_or_default());
        if self.text.as_bytes().get(self.at) != Some(&b'"') {
            self.escapes()?;
        }
        let content = self.since(start);
        self.at += 1;
        Ok(content)
    }

    /// What follows of a string after a plain run, up to the closing quote.
    #[cold]
    fn escapes(&mut self) -> Scan {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => {
                    let mut rest = self.text.get(self.at + 1..).unwrap_or_default().chars();
                    if unescape_one(&mut rest).is_none() {
                        return Err(Stopped);
                    }
                    self.at = self.text.len() - rest.as_str().len();
                }
                _ => return Err(Stopped),
            }
            self.at += plain_run(bytes.get(self.at..).unwrap_or_default());
        }
    }

    /// The number, boolean or `null` that starts here.
    fn plain_scalar(&mut self) -> Scan<&'b str> {
        match self.text.as_bytes().get(self.at) {
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => self.number_text(),
        }
    }

    fn literal(&mut self, word: &'static str) -> Scan<&'b str> {
        let start = self.at;
        if !self.text.as_bytes().get(start..).unwrap_or_default().starts_with(word.as_bytes()) {
            return Err(Stopped);
        }
        self.at += word.len();
        Ok(self.since(start))
    }

    fn enter(&mut self) -> Scan {
        if self.depth >= JSON_DEPTH_MAX {
            self.depth = JSON_DEPTH_MAX + 1;
            return Err(Stopped);
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
}

#[cfg(test)]
mod tests;
