//! What stands on the wire, written as the JSON that it stands for.
//!
//! Text is not checked to be UTF-8: whoever reads the JSON does. Allocates nothing but what `out` needs to
//! grow.

use bytes::BufMut;
use prost::encoding::decode_varint;

use super::fields::{Field, Kind, Message, Seen};
use super::{Known, Stop, Value};
use crate::openrtb::json::write_bytes;

/// Where it is written, and how much at most.
pub(super) struct Transcript<'o> {
    pub(super) out: &'o mut Vec<u8>,
    pub(super) most: usize,
}

impl Transcript<'_> {
    /// A message as an object.
    pub(super) fn message(&mut self, of: &'static Message, bytes: &[u8]) -> Result<(), Stop> {
        let (mut seen, mut open) = (Seen::default(), None);
        let mut known = Known { of, rest: bytes };
        self.out.push(b'{');
        while let Some((row, value)) = known.next()? {
            self.member(of, row, value, &mut seen, &mut open)?;
        }
        if open.is_some() {
            self.out.push(b']');
        }
        self.out.push(b'}');
        Ok(())
    }

    /// One field, as a member of the object or as one more value of the array that is open, of a row.
    #[inline]
    fn member(
        &mut self,
        of: &'static Message,
        row: usize,
        value: Value<'_>,
        seen: &mut Seen,
        open: &mut Option<usize>,
    ) -> Result<(), Stop> {
        let Field { key, kind, .. } = of.fields[row];
        if *open == Some(row) {
            self.out.push(b',');
        } else {
            if open.take().is_some() {
                self.out.push(b']');
            }
            if !seen.is_empty() {
                self.out.push(b',');
            }
            seen.note(row, kind)?;
            self.out.extend_from_slice(key.as_bytes());
            if kind.is_repeated() {
                self.out.push(b'[');
                *open = Some(row);
            }
        }
        self.value(kind, value)
    }

    /// One value; of a repeated field, one or more with commas between.
    pub(super) fn value(&mut self, kind: Kind, value: Value<'_>) -> Result<(), Stop> {
        match (kind, value) {
            (Kind::One(of) | Kind::Many(of) | Kind::Place(of), Value::Bytes(bytes)) => self.message(of, bytes)?,
            (Kind::Integers, Value::Bytes(packed)) => self.packed(packed, |t, number| t.integer(number as i32))?,
            (Kind::Longs, Value::Bytes(packed)) => self.packed(packed, |t, number| t.long(number as i64))?,
            (_, Value::Bytes(text)) => write_bytes(text, self.out),
            (Kind::Long | Kind::Longs, Value::Varint(number)) => self.long(number as i64),
            (Kind::Flag, Value::Varint(set)) => self.out.push(b'0' + u8::from(set != 0)),
            // Of 32 bits, whose sign an encoder may or may not have spread over 64.
            (_, Value::Varint(number)) => self.integer(number as i32),
            (_, Value::Fixed64(bits)) => self.decimal(f64::from_bits(bits)),
        }
        if self.out.len() > self.most { Err(Stop::Full) } else { Ok(()) }
    }

    fn packed(&mut self, mut packed: &[u8], mut write: impl FnMut(&mut Self, u64)) -> Result<(), Stop> {
        let mut first = true;
        while !packed.is_empty() {
            if !std::mem::replace(&mut first, false) {
                self.out.push(b',');
            }
            let number = decode_varint(&mut packed)?;
            write(self, number);
        }
        Ok(())
    }

    fn integer(&mut self, number: i32) {
        match u8::try_from(number) {
            Ok(digit @ 0..10) => self.out.push(b'0' + digit),
            _ => self.long(i64::from(number)),
        }
    }

    fn long(&mut self, number: i64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// What JSON has no number for is written as text, which an amount is read from all the same.
    fn decimal(&mut self, number: f64) {
        if number.is_finite() {
            self.out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
        } else if number.is_nan() {
            self.out.extend_from_slice(b"null");
        } else {
            self.out.put_slice(if number > 0.0 { b"\"inf\"" } else { b"\"-inf\"" });
        }
    }
}
