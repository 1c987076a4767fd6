//! A protobuf bid request as the JSON that it stands for, so that one reader reads both forms.
//!
//! Only the fields of a table (`messages`) are written, those that the bidder reads; what is beside
//! them is passed over by its length. Flags come out as 0 and 1, packed and unpacked numbers as
//! arrays, extensions as `ext`, in IAB's places and in Google's. Assumes nothing of the bytes. Text is
//! not checked to be UTF-8: whoever reads the JSON does. Allocates nothing once `out` is warm, unless a
//! message was written in pieces, which merges them. Decides nothing about the request.

mod fields;
mod messages;

use bytes::BufMut;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::openrtb::json::write_bytes;
use fields::{Field, Kind, Message};
use messages::BID_REQUEST;

/// Why bytes are not transcribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A key, a varint or a length that leads nowhere.
    #[error("the body is not one protobuf message")]
    NotProtobuf,
    /// More JSON than a body may have.
    #[error("the body comes to more than {most} bytes of JSON")]
    TooLarge {
        /// So many at most.
        most: usize,
    },
}

/// Writes the JSON that a `BidRequest` stands for into `out`, which is cleared; at most so many bytes.
pub fn transcribe(body: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Unreadable> {
    let whole = |pieces: bool, out: &mut Vec<u8>| {
        out.clear();
        Transcript { out, most, pieces }.message(&BID_REQUEST, body)
    };
    // Encoders keep together what belongs together: only where one did not is everything sorted first.
    let written = match whole(false, out) {
        Err(Stop::InPieces) => whole(true, out),
        written => written,
    };
    written.map_err(|stop| match stop {
        Stop::Fault | Stop::InPieces => Unreadable::NotProtobuf,
        Stop::Full => Unreadable::TooLarge { most },
    })
}

/// Why it is not written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Fault,
    Full,
    /// A repeated field, or a message, of which something came earlier, with others between.
    InPieces,
}

impl From<prost::DecodeError> for Stop {
    fn from(_: prost::DecodeError) -> Stop {
        Stop::Fault
    }
}

/// A value as it stands on the wire.
#[derive(Clone, Copy)]
enum Value<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
}

/// The known fields of one message, in the order of the wire: each with its row in the table.
struct Known<'b> {
    of: &'static Message,
    rest: &'b [u8],
}

impl<'b> Known<'b> {
    /// The next one, or none at the end.
    #[inline]
    fn next(&mut self) -> Result<Option<(usize, Value<'b>)>, Stop> {
        while !self.rest.is_empty() {
            let (number, wire) = decode_key(&mut self.rest)?;
            let row = self.of.row(number);
            let value = match wire {
                WireType::LengthDelimited => Value::Bytes(self.bytes()?),
                WireType::Varint => Value::Varint(decode_varint(&mut self.rest)?),
                WireType::SixtyFourBit => Value::Fixed64(self.fixed64()?),
                WireType::ThirtyTwoBit | WireType::StartGroup | WireType::EndGroup => {
                    skip_field(wire, number, &mut self.rest, DecodeContext::default())?;
                    continue;
                }
            };
            if let Some(row) = row.filter(|row| self.of.fields[*row].kind.takes(value)) {
                return Ok(Some((row, value)));
            }
        }
        Ok(None)
    }

    fn bytes(&mut self) -> Result<&'b [u8], Stop> {
        let length = decode_varint(&mut self.rest)?;
        let (bytes, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or(Stop::Fault)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn fixed64(&mut self) -> Result<u64, Stop> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Stop::Fault)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }
}

/// The members of an object that have been written.
struct Object {
    /// A bit for each row that came.
    seen: u64,
    /// The row whose array is open.
    open: Option<usize>,
    /// Whether a site, an app or a screen came, of which there is one at most.
    placed: bool,
}

struct Transcript<'o> {
    out: &'o mut Vec<u8>,
    most: usize,
    /// Whether messages may be in pieces: they are sorted, then.
    pieces: bool,
}

impl Transcript<'_> {
    fn message(&mut self, of: &'static Message, bytes: &[u8]) -> Result<(), Stop> {
        let mut object = Object {
            seen: 0,
            open: None,
            placed: false,
        };
        let mut known = Known { of, rest: bytes };
        self.out.push(b'{');
        if self.pieces {
            self.merged(&mut known, &mut object)?;
        } else {
            while let Some((row, value)) = known.next()? {
                self.member(of, row, value, &mut object)?;
            }
        }
        if object.open.is_some() {
            self.out.push(b']');
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Members sorted by field, messages in pieces made whole (protobuf, "last one wins" and merging).
    fn merged(&mut self, known: &mut Known<'_>, object: &mut Object) -> Result<(), Stop> {
        let of = known.of;
        let mut all = Vec::new();
        while let Some(member) = known.next()? {
            all.push(member);
        }
        // Of a site and an app the later one is left, with all that came of it since.
        let is_place = |row: usize| matches!(of.fields[row].kind, Kind::Place(_));
        if let Some((last, _)) = all.iter().rev().find(|(row, _)| is_place(*row)).copied() {
            let other = all.iter().rposition(|(row, _)| is_place(*row) && *row != last);
            let mut at = 0..;
            all.retain(|(row, _)| at.next() > other || !is_place(*row));
        }
        all.sort_by_key(|(row, _)| *row);
        for same in all.chunk_by(|(one, _), (other, _)| one == other) {
            let row = same[0].0;
            if same.len() > 1 && matches!(of.fields[row].kind, Kind::One(_) | Kind::Place(_)) {
                let pieces = same.iter().filter_map(|(_, value)| match value {
                    Value::Bytes(bytes) => Some(*bytes),
                    _ => None,
                });
                let whole: Vec<u8> = pieces.flatten().copied().collect();
                self.member(of, row, Value::Bytes(&whole), object)?;
                continue;
            }
            for (row, value) in same {
                self.member(of, *row, *value, object)?;
            }
        }
        Ok(())
    }

    /// One field, as a member of the object or as one more value of its array.
    #[inline]
    fn member(&mut self, of: &'static Message, row: usize, value: Value<'_>, object: &mut Object) -> Result<(), Stop> {
        let Field { key, kind, .. } = &of.fields[row];
        if object.open == Some(row) {
            self.out.push(b',');
        } else {
            let bit = 1 << row;
            let again = object.seen & bit != 0 && kind.is_made_of_parts();
            let another_place = object.placed && matches!(kind, Kind::Place(_));
            if again || another_place {
                return Err(Stop::InPieces);
            }
            if object.open.take().is_some() {
                self.out.push(b']');
            }
            if object.seen != 0 {
                self.out.push(b',');
            }
            object.seen |= bit;
            object.placed |= matches!(kind, Kind::Place(_));
            self.out.extend_from_slice(key.as_bytes());
            if kind.is_repeated() {
                self.out.push(b'[');
                object.open = Some(row);
            }
        }
        self.value(kind, value)?;
        if self.out.len() > self.most { Err(Stop::Full) } else { Ok(()) }
    }

    fn value(&mut self, kind: &Kind, value: Value<'_>) -> Result<(), Stop> {
        match (kind, value) {
            (Kind::One(of) | Kind::Many(of) | Kind::Place(of), Value::Bytes(bytes)) => self.message(of, bytes)?,
            (Kind::Integers, Value::Bytes(packed)) => self.packed(packed)?,
            (_, Value::Bytes(text)) => write_bytes(text, self.out),
            (Kind::Long, Value::Varint(number)) => self.long(number as i64),
            (Kind::Flag, Value::Varint(set)) => self.out.push(b'0' + u8::from(set != 0)),
            // Of 32 bits, whose sign an encoder may or may not have spread over 64.
            (_, Value::Varint(number)) => self.integer(number as i32),
            (_, Value::Fixed64(bits)) => self.decimal(f64::from_bits(bits)),
        }
        Ok(())
    }

    fn packed(&mut self, mut packed: &[u8]) -> Result<(), Stop> {
        let mut first = true;
        while !packed.is_empty() {
            if !std::mem::replace(&mut first, false) {
                self.out.push(b',');
            }
            let number = decode_varint(&mut packed)?;
            self.integer(number as i32);
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

#[cfg(test)]
mod tests;
