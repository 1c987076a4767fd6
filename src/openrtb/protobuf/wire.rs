//! A protobuf bid request as a source of values: text and numbers straight from the body.
//!
//! Text that JSON would have to escape, and whatever a reader takes raw, is written as JSON into memory that
//! is lent. Once that is warm nothing is allocated, unless a message was written in pieces.

use std::str::from_utf8;

use super::fields::{Kind, Seen};
use super::messages::BID_REQUEST;
use super::pieces::put_together;
use super::transcript::Transcript;
use super::{Known, Stop, Value};
use crate::base::limits::BODY_BYTES_MAX;
use crate::openrtb::decode::Unreadable;
use crate::openrtb::json::{List, Scan, Scanner, Stopped, Text, plain_run, write_content};
use crate::openrtb::source::Source;

/// Memory that requests are read with, one after the other.
#[derive(Debug, Default)]
pub struct Memory {
    /// What is kept of a request beside its body.
    kept: Vec<u8>,
    /// What is being written.
    text: Vec<u8>,
    /// A body put together.
    body: Vec<u8>,
}

/// A place in a bid request: a value that is to be read.
pub struct Wire<'b> {
    /// What comes after the value in its message.
    known: Known<'b>,
    /// What was looked at of that already.
    ahead: Option<(usize, Value<'b>)>,
    row: usize,
    kind: Kind,
    value: Value<'b>,
    text: &'b mut Vec<u8>,
    /// Room for what is kept.
    room: &'b mut [u8],
    /// Where a body is put together, once, and room for what is kept of that.
    spare: Option<(&'b mut Vec<u8>, &'b mut [u8])>,
    why: Stop,
}

impl<'b> Wire<'b> {
    /// At the whole of a `BidRequest`.
    pub fn new(body: &'b [u8], memory: &'b mut Memory) -> Wire<'b> {
        let Memory { kept, text, body: whole } = memory;
        // All at once, and at the first request in protobuf: what is lent cannot grow.
        if kept.is_empty() {
            *kept = vec![0; 2 * BODY_BYTES_MAX];
        }
        let (room, later) = kept.split_at_mut(BODY_BYTES_MAX);
        Wire {
            known: Known {
                of: &BID_REQUEST,
                rest: &[],
            },
            ahead: None,
            row: 0,
            kind: Kind::One(&BID_REQUEST),
            value: Value::Bytes(body),
            text,
            room,
            spare: Some((whole, later)),
            why: Stop::Fault,
        }
    }

    /// After it stopped: at the whole of the request again, with what was in pieces put together; or why it
    /// cannot be read.
    pub fn again(mut self, body: &'b [u8]) -> Result<Wire<'b>, Unreadable> {
        let Some((whole, room)) = self.spare.take().filter(|_| self.why == Stop::InPieces) else {
            return Err(self.unreadable());
        };
        *whole = put_together(&BID_REQUEST, body).map_err(|stop| stop.unreadable(BODY_BYTES_MAX))?;
        Ok(Wire {
            known: Known {
                of: &BID_REQUEST,
                rest: &[],
            },
            ahead: None,
            kind: Kind::One(&BID_REQUEST),
            value: Value::Bytes(whole),
            room,
            ..self
        })
    }

    /// Why it stopped, after it has.
    pub fn unreadable(&self) -> Unreadable {
        self.why.unreadable(BODY_BYTES_MAX)
    }

    #[cold]
    fn stopped(&mut self, why: Stop) -> Stopped {
        self.why = why;
        Stopped
    }

    /// The next field of the message.
    #[inline]
    fn next(&mut self) -> Result<Option<(usize, Value<'b>)>, Stop> {
        match self.ahead.take() {
            None => self.known.next(),
            ahead => Ok(ahead),
        }
    }

    /// Whether another value of the repeated field comes next; then it is the one to be read.
    #[inline]
    fn goes_on(&mut self, row: usize) -> Result<bool, Stop> {
        match self.known.next()? {
            Some((next, value)) if next == row => {
                self.value = value;
                Ok(true)
            }
            other => {
                self.ahead = other;
                Ok(false)
            }
        }
    }

    /// The members of a message.
    #[inline]
    fn members(&mut self, visit: &mut impl FnMut(&mut Self, &[u8]) -> Scan) -> Scan<bool> {
        let (Kind::One(of) | Kind::Place(of), Value::Bytes(bytes)) = (self.kind, self.value) else {
            return self.skip().map(|()| false);
        };
        let outer = std::mem::replace(&mut self.known, Known { of, rest: bytes });
        let mut seen = Seen::default();
        while let Some((row, value)) = self.next().map_err(|why| self.stopped(why))? {
            let field = &of.fields[row];
            seen.note(row, field.kind).map_err(|why| self.stopped(why))?;
            (self.row, self.kind, self.value) = (row, field.kind, value);
            visit(self, field.name.as_bytes())?;
        }
        self.known = outer;
        Ok(true)
    }

    /// Writes the value as JSON, of a repeated field all that come.
    fn write(&mut self) -> Result<(), Stop> {
        self.text.clear();
        let (kind, row, most) = (self.kind, self.row, self.room.len());
        if kind.is_repeated() {
            self.text.push(b'[');
        }
        loop {
            Transcript { out: self.text, most }.value(kind, self.value)?;
            if !kind.is_repeated() {
                return Ok(());
            }
            let goes_on = self.goes_on(row)?;
            self.text.push(if goes_on { b',' } else { b']' });
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// What was written, for as long as the request is there.
    fn keep(&mut self) -> Result<&'b str, Stop> {
        let free = std::mem::take(&mut self.room);
        let (kept, room) = free.split_at_mut_checked(self.text.len()).ok_or(Stop::Full)?;
        self.room = room;
        kept.copy_from_slice(self.text);
        from_utf8(kept).map_err(|_| Stop::Fault)
    }

    /// Text as it would stand between quotes.
    #[inline]
    fn string(&mut self, bytes: &'b [u8]) -> Scan<Text<'b>> {
        let text = if plain_run(bytes) == bytes.len() {
            from_utf8(bytes).map_err(|_| Stop::Fault)
        } else {
            self.text.clear();
            write_content(bytes, self.text);
            self.keep()
        };
        text.map(Text::new).map_err(|why| self.stopped(why))
    }

    /// A text, or a number as text.
    #[inline]
    fn plain(&mut self) -> Option<Scan<Text<'b>>> {
        match (self.kind, self.value) {
            (Kind::Text, Value::Bytes(bytes)) => Some(self.string(bytes)),
            (Kind::Decimal, Value::Fixed64(bits)) if f64::from_bits(bits).is_finite() => Some(self.number(f64::from_bits(bits))),
            _ => None,
        }
    }

    fn number(&mut self, finite: f64) -> Scan<Text<'b>> {
        self.text.clear();
        self.text.extend_from_slice(zmij::Buffer::new().format_finite(finite).as_bytes());
        self.keep().map(Text::new).map_err(|why| self.stopped(why))
    }

    /// The value as a reader of JSON takes it; what stands for `null` is absent.
    fn as_json(&mut self, read: fn(&mut Scanner<'b>) -> Scan<Text<'b>>) -> Scan<Text<'b>> {
        match self.raw()? {
            "" => Ok(Text::default()),
            raw => read(&mut Scanner::new(raw)),
        }
    }
}

impl<'b> Source<'b> for Wire<'b> {
    #[inline]
    fn object(&mut self, mut visit: impl FnMut(&mut Self, &[u8]) -> Scan) -> Scan<bool> {
        match self.kind {
            Kind::Many(_) => self.objects(|s| s.members(&mut visit).map(drop)),
            _ => self.members(&mut visit),
        }
    }

    #[inline]
    fn objects(&mut self, mut visit: impl FnMut(&mut Self) -> Scan) -> Scan<bool> {
        let row = self.row;
        match self.kind {
            Kind::Many(of) => loop {
                self.kind = Kind::One(of);
                visit(self)?;
                if !self.goes_on(row).map_err(|why| self.stopped(why))? {
                    return Ok(true);
                }
            },
            Kind::One(_) | Kind::Place(_) => visit(self).map(|()| true),
            _ => self.skip().map(|()| false),
        }
    }

    #[inline]
    fn scalar(&mut self) -> Scan<Text<'b>> {
        match self.plain() {
            Some(text) => text,
            None => self.as_json(Scanner::scalar),
        }
    }

    #[inline]
    fn text(&mut self) -> Scan<Text<'b>> {
        match self.plain() {
            Some(text) => text,
            None => self.as_json(Scanner::text),
        }
    }

    #[inline]
    fn integer(&mut self) -> Scan<Option<i64>> {
        Ok(match (self.kind, self.value) {
            // As the transcript has them.
            (Kind::Integer, Value::Varint(number)) => Some(i64::from(number as i32)),
            (Kind::Long, Value::Varint(number)) => Some(number as i64),
            (Kind::Flag, Value::Varint(set)) => Some(i64::from(set != 0)),
            _ => self.text()?.integer(),
        })
    }

    #[inline]
    fn list(&mut self) -> Scan<List<'b>> {
        match self.kind {
            Kind::One(_) | Kind::Place(_) => self.skip().map(|()| List::default()),
            _ => self.raw().map(List::new),
        }
    }

    #[inline]
    fn raw(&mut self) -> Scan<&'b str> {
        self.write().map_err(|why| self.stopped(why))?;
        match &self.text[..] {
            b"null" => Ok(""),
            _ => self.keep().map_err(|why| self.stopped(why)),
        }
    }

    /// What is passed over is checked all the same.
    fn skip(&mut self) -> Scan {
        let checked = match (self.kind, self.value) {
            (Kind::Integer | Kind::Long | Kind::Flag | Kind::Decimal, _) => Ok(()),
            (Kind::Text, Value::Bytes(bytes)) => from_utf8(bytes).map(drop).map_err(|_| Stop::Fault),
            _ => self.write().and_then(|()| from_utf8(self.text).map(drop).map_err(|_| Stop::Fault)),
        };
        checked.map_err(|why| self.stopped(why))
    }
}
