//! Messages whose parts an encoder scattered, written anew as others write them (protobuf: "last one wins",
//! and merging).
//!
//! Allocates: hardly any encoder does that. Only the fields of the table are kept.

use std::str::from_utf8;

use bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::fields::{Field, Kind, Message};
use super::transcript::Transcript;
use super::{Known, Stop, Value};

/// A message with its members sorted by field, and messages in pieces made whole.
pub(super) fn put_together(of: &'static Message, bytes: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut known = Known { of, rest: bytes };
    let mut all = Vec::new();
    while let Some(member) = known.next()? {
        all.push(member);
    }
    // Of a site and an app the later one is left, with all that came of it since.
    let is_place = |row: usize| matches!(of.fields[row].kind, Kind::Place(_));
    if let Some((last, _)) = all.iter().rev().find(|(row, _)| is_place(*row)).copied() {
        let other = all.iter().rposition(|(row, _)| is_place(*row) && *row != last);
        let left = |at: usize, row: usize| Some(at) > other || !is_place(row);
        for (_, (row, value)) in all.iter().enumerate().filter(|(at, (row, _))| !left(*at, *row)) {
            passed_over(of.fields[*row].kind, *value)?;
        }
        let mut at = 0..;
        all.retain(|(row, _)| at.next().is_some_and(|at| left(at, *row)));
    }
    all.sort_by_key(|(row, _)| *row);
    let mut out = Vec::with_capacity(bytes.len());
    for same in all.chunk_by(|(one, _), (other, _)| one == other) {
        let Field { number, kind, .. } = of.fields[same[0].0];
        let values = same.iter().map(|(_, value)| *value);
        match kind {
            Kind::One(of) | Kind::Place(of) => {
                let pieces: Vec<u8> = values.filter_map(bytes_of).flatten().copied().collect();
                field(number, Value::Bytes(&put_together(of, &pieces)?), &mut out);
            }
            Kind::Many(of) => {
                for bytes in values.filter_map(bytes_of) {
                    field(number, Value::Bytes(&put_together(of, bytes)?), &mut out);
                }
            }
            _ => values.for_each(|value| field(number, value, &mut out)),
        }
    }
    Ok(out)
}

/// What is dropped is read all the same: whether a text of it is one must not hang on what came later.
fn passed_over(kind: Kind, value: Value<'_>) -> Result<(), Stop> {
    let mut text = Vec::new();
    let written = Transcript {
        out: &mut text,
        most: usize::MAX,
    }
    .value(kind, value);
    match written {
        Ok(()) | Err(Stop::InPieces) => from_utf8(&text).map(drop).map_err(|_| Stop::Fault),
        Err(other) => Err(other),
    }
}

fn bytes_of(value: Value<'_>) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn field(number: u32, value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Varint(value) => {
            encode_key(number, WireType::Varint, out);
            encode_varint(value, out);
        }
        Value::Fixed64(bits) => {
            encode_key(number, WireType::SixtyFourBit, out);
            out.put_u64_le(bits);
        }
        Value::Bytes(bytes) => {
            encode_key(number, WireType::LengthDelimited, out);
            encode_varint(bytes.len() as u64, out);
            out.put_slice(bytes);
        }
    }
}
