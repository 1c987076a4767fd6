//! What a table of protobuf fields is made of, and how a field is found in it.
//!
//! Holds no field itself: those are in `messages`.

use super::{Stop, Value};

/// A message: its fields, and where a number is among them.
pub(super) struct Message {
    /// In the order of the spec's table; at most 63.
    pub(super) fields: &'static [Field],
    /// By number, one more than the row; 0 where there is none.
    near: [u8; NEAR],
}

/// Numbers below this are found at once: all but extensions.
const NEAR: usize = 64;

/// A field of a message.
pub(super) struct Field {
    pub(super) number: u32,
    /// The JSON name.
    pub(super) name: &'static str,
    /// The same, quotes and colon around it.
    pub(super) key: &'static str,
    pub(super) kind: Kind,
}

/// What a field holds, and how often.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Texts,
    Integer,
    Integers,
    /// An integer of 64 bits.
    Long,
    /// Integers of 64 bits.
    Longs,
    /// A bool, which JSON has as 0 and 1.
    Flag,
    Decimal,
    One(&'static Message),
    Many(&'static Message),
    /// A message of `distributionchannel_oneof`, of which the last on the wire is the one.
    Place(&'static Message),
}

impl Kind {
    /// Whether a value of the wire can be one of this kind; any other is an unknown field.
    #[inline]
    pub(super) fn takes(self, value: Value<'_>) -> bool {
        match self {
            Kind::Integer | Kind::Long | Kind::Flag => matches!(value, Value::Varint(_)),
            Kind::Decimal => matches!(value, Value::Fixed64(_)),
            // Packed or not; packed and none at all is as good as absent.
            Kind::Integers | Kind::Longs => match value {
                Value::Bytes(packed) => !packed.is_empty(),
                other => matches!(other, Value::Varint(_)),
            },
            _ => matches!(value, Value::Bytes(_)),
        }
    }

    pub(super) fn is_repeated(self) -> bool {
        matches!(self, Kind::Texts | Kind::Integers | Kind::Longs | Kind::Many(_))
    }

    /// Whether all that comes of it counts, and not only the last.
    pub(super) fn is_made_of_parts(self) -> bool {
        self.is_repeated() || matches!(self, Kind::One(_) | Kind::Place(_))
    }
}

/// The members of one message that came, each in one piece so far.
#[derive(Default)]
pub(super) struct Seen {
    /// A bit for each row that came.
    rows: u64,
    /// Whether a site, an app or a screen came, of which there is one at most.
    placed: bool,
}

impl Seen {
    /// Whether nothing came.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Notes a member; of a repeated one, that its array begins.
    #[inline]
    pub(super) fn note(&mut self, row: usize, kind: Kind) -> Result<(), Stop> {
        let is_place = matches!(kind, Kind::Place(_));
        let again = self.rows & 1 << row != 0 && kind.is_made_of_parts();
        if again || is_place && self.placed {
            return Err(Stop::InPieces);
        }
        self.rows |= 1 << row;
        self.placed |= is_place;
        Ok(())
    }
}

impl Message {
    /// Of these fields.
    pub(super) const fn new(fields: &'static [Field]) -> Message {
        Message {
            fields,
            near: near(fields),
        }
    }

    /// The row of a field.
    #[inline]
    pub(super) fn row(&self, number: u32) -> Option<usize> {
        match self.near.get(number as usize) {
            Some(row) => usize::from(*row).checked_sub(1),
            None => self.fields.iter().position(|field| field.number == number),
        }
    }
}

const fn near(fields: &[Field]) -> [u8; NEAR] {
    assert!(fields.len() < 64, "a bit for each row");
    let (mut near, mut row) = ([0; NEAR], 0);
    while row < fields.len() {
        let number = fields[row].number as usize;
        if number < NEAR {
            assert!(near[number] == 0, "a number twice");
            near[number] = row as u8 + 1;
        }
        row += 1;
    }
    near
}
