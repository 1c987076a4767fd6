//! Bid requests in protobuf, IAB's and Google's: what stands on the wire, by a table of the fields that the
//! bidder reads (`messages`), so that a field is named once.
//!
//! Read in place, value by value, as JSON is (`wire`); what its readers want as JSON is written as such
//! (`transcript`): flags as 0 and 1, packed and unpacked numbers as arrays, extensions as `ext`. What is
//! beside the table is passed over by its length. Assumes nothing of the bytes. Decides nothing about the
//! request.

mod fields;
mod messages;
mod pieces;
mod transcript;
mod wire;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::openrtb::decode::Unreadable;
use fields::Message;
use messages::BID_REQUEST;
use transcript::Transcript;
pub use wire::{Memory, Wire};

/// Writes the JSON that a `BidRequest` stands for into `out`, which is cleared; at most so many bytes. Text
/// that is no UTF-8 stays as it is.
pub fn transcribe(body: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Unreadable> {
    let mut whole = |body: &[u8]| {
        out.clear();
        Transcript { out: &mut *out, most }.message(&BID_REQUEST, body)
    };
    // Encoders keep together what belongs together: only where one did not is everything sorted first.
    let written = match whole(body) {
        Err(Stop::InPieces) => pieces::put_together(&BID_REQUEST, body).and_then(|body| whole(&body)),
        written => written,
    };
    written.map_err(|stop| stop.unreadable(most))
}

/// Why it is not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// A key, a varint or a length that leads nowhere, or text that is none.
    Fault,
    /// There is more JSON in it than there may be.
    Full,
    /// A repeated field, or a message, of which something came earlier, with others between.
    InPieces,
}

impl Stop {
    fn unreadable(self, most: usize) -> Unreadable {
        match self {
            Stop::Fault | Stop::InPieces => Unreadable::NotProtobuf,
            Stop::Full => Unreadable::TooLarge { most },
        }
    }
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
    /// The next one, or none at the end. Always within its caller: what it gives is too much for registers, and
    /// a fifth of what reading a request takes went into handing that over.
    #[inline(always)]
    fn next(&mut self) -> Result<Option<(usize, Value<'b>)>, Stop> {
        while !self.rest.is_empty() {
            let (number, wire) = self.key()?;
            let row = self.of.row(number);
            let value = match wire {
                WireType::LengthDelimited => Value::Bytes(self.bytes()?),
                WireType::Varint => Value::Varint(self.varint()?),
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

    /// The number of a field, and how its value stands; at once where both are in one byte, as most are.
    #[inline]
    fn key(&mut self) -> Result<(u32, WireType), Stop> {
        if let [key @ 0x08..0x80, rest @ ..] = self.rest {
            let wire = match key & 7 {
                0 => Some(WireType::Varint),
                1 => Some(WireType::SixtyFourBit),
                2 => Some(WireType::LengthDelimited),
                _ => None,
            };
            if let Some(wire) = wire {
                self.rest = rest;
                return Ok((u32::from(key >> 3), wire));
            }
        }
        Ok(decode_key(&mut self.rest)?)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Stop> {
        if let [number @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*number));
        }
        Ok(decode_varint(&mut self.rest)?)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'b [u8], Stop> {
        let length = self.varint()?;
        let (bytes, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or(Stop::Fault)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn fixed64(&mut self) -> Result<u64, Stop> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Stop::Fault)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests;
