//! The bid response in both forms: every field is written in one place, by its name in JSON and its number
//! in protobuf (IAB's OpenRTB 2.6; Google's core numbers are the same).
//!
//! Assumes a buffer that may grow; writes straight into it, so that nothing is copied on the way to the
//! socket but the lengths of messages, which protobuf has before what they measure. Decides nothing.

use bytes::{BufMut, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::json::{Text, write_string};
use crate::base::money::Money;
use crate::base::quoted::Quoting;

/// How a request came, and its answer goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-protobuf`.
    Protobuf,
}

impl Form {
    /// Where the texts of an answer land.
    pub const fn quoting(self) -> Quoting {
        match self {
            Form::Json => Quoting::Json,
            Form::Protobuf => Quoting::Plain,
        }
    }
}

/// A field of the response: its name as it follows another member of an object, `,"id":`, and its number.
#[derive(Clone, Copy, Debug)]
pub struct Field(&'static str, u32);

impl Field {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        &self.0[2..self.0.len() - 2]
    }
}

macro_rules! fields {
    ($($name:ident $key:literal $number:literal;)*) => {
        $(#[doc = concat!("`", $key, "`.")] pub const $name: Field = Field(concat!(",\"", $key, "\":"), $number);)*
    };
}

/// `BidResponse` (OpenRTB 2.6 §4.2.1).
pub mod answer {
    use super::Field;

    fields! {
        ID "id" 1;
        SEATBID "seatbid" 2;
        BIDID "bidid" 3;
        CUR "cur" 4;
        NBR "nbr" 6;
        EXT_GOOGLE "ext" 1005;
    }
}

/// `SeatBid` (§4.2.2).
pub mod seat {
    use super::Field;

    fields! {
        BID "bid" 1;
        SEAT "seat" 2;
    }
}

/// `Bid` (§4.2.3).
pub mod bid {
    use super::Field;

    fields! {
        ID "id" 1;
        IMPID "impid" 2;
        PRICE "price" 3;
        ADID "adid" 4;
        NURL "nurl" 5;
        BURL "burl" 22;
        LURL "lurl" 23;
        ADM "adm" 6;
        ADOMAIN "adomain" 7;
        IURL "iurl" 8;
        CID "cid" 9;
        CRID "crid" 10;
        CAT "cat" 15;
        CATTAX "cattax" 30;
        ATTR "attr" 11;
        LANGUAGE "language" 25;
        DEALID "dealid" 13;
        W "w" 16;
        H "h" 17;
        EXP "exp" 21;
        DUR "dur" 32;
        MTYPE "mtype" 33;
        PROTOCOL "protocol" 19;
        WRATIO "wratio" 26;
        HRATIO "hratio" 27;
        SLOTINPOD "slotinpod" 28;
        APIS "apis" 31;
        EXT "ext" 99;
        EXT_GOOGLE "ext" 1014;
    }
}

/// `Bid.ext`.
pub mod ext {
    use super::Field;

    fields! {
        DSA "dsa" 2;
    }
}

/// Google's own members of `Bid.ext`, and of the answer's.
pub mod google {
    use super::Field;

    fields! {
        IMPRESSION_TRACKING_URL "impression_tracking_url" 1;
        AD_CHOICES_DESTINATION_URL "ad_choices_destination_url" 2;
        ATTRIBUTE "attribute" 5;
        RESTRICTED_CATEGORY "restricted_category" 9;
        BILLING_ID "billing_id" 10;
        BUYER_REPORTING_ID "buyer_reporting_id" 17;
        PROCESSING_TIME_MS "processing_time_ms" 1;
    }
}

/// `bid.ext.dsa`.
pub mod dsa {
    use super::Field;

    fields! {
        BEHALF "behalf" 1;
        PAID "paid" 2;
        TRANSPARENCY "transparency" 3;
        ADRENDER "adrender" 4;
    }
}

/// `bid.ext.dsa.transparency[]`.
pub mod transparency {
    use super::Field;

    fields! {
        DOMAIN "domain" 1;
        DSAPARAMS "dsaparams" 2;
    }
}

/// Writes the fields of one message after another.
pub trait Writer {
    /// A text.
    fn text(&mut self, field: Field, value: &str);
    /// A text that has been made for this form, see [`Form::quoting`].
    fn ready(&mut self, field: Field, value: &[u8]);
    /// A text of the request, given back.
    fn echo(&mut self, field: Field, value: Text<'_>);
    /// Sixteen hexadecimal digits.
    fn hex(&mut self, field: Field, value: u64);
    /// Texts; nothing at all where there is none.
    fn texts<'t>(&mut self, field: Field, values: impl IntoIterator<Item = &'t str>);
    /// A number.
    fn number(&mut self, field: Field, value: u32);
    /// Numbers; nothing at all where there is none.
    fn numbers(&mut self, field: Field, values: impl IntoIterator<Item = u32>);
    /// A number of 64 bits, which is text in JSON.
    fn long(&mut self, field: Field, value: i64);
    /// An amount.
    fn amount(&mut self, field: Field, value: Money);
    /// A message.
    fn message(&mut self, field: Field, write: impl FnOnce(&mut Self));
    /// Messages, one for each item.
    fn messages<T>(&mut self, field: Field, items: impl IntoIterator<Item = T>, write: impl FnMut(&mut Self, T));
    /// Two messages of one name, which are one object in JSON; neither is there with nothing in it.
    fn extensions(&mut self, one: (Field, impl FnOnce(&mut Self)), other: (Field, impl FnOnce(&mut Self)));
}

/// The no-bid that says why (§4.2.1, `nbr`).
pub fn no_bid(form: Form, id: Text<'_>, nbr: u32, out: &mut BytesMut) {
    fn fields(writer: &mut impl Writer, id: Text<'_>, nbr: u32) {
        writer.echo(answer::ID, id);
        writer.messages(answer::SEATBID, [(); 0], |_, ()| {});
        writer.number(answer::NBR, nbr);
    }
    match form {
        Form::Json => Json::document(out, |writer| fields(writer, id, nbr)),
        Form::Protobuf => fields(&mut Protobuf(out), id, nbr),
    }
}

/// Sixteen of them, hexadecimal.
fn digits(value: u64) -> [u8; 16] {
    std::array::from_fn(|at| b"0123456789abcdef"[(value >> (60 - 4 * at)) as usize & 15])
}

/// As JSON.
pub struct Json<'o>(&'o mut BytesMut);

impl Json<'_> {
    /// A whole answer, braces and all.
    pub fn document(out: &mut BytesMut, write: impl FnOnce(&mut Json<'_>)) {
        Json(out).object(write);
    }

    fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.0.put_u8(b'{');
        write(self);
        self.0.put_u8(b'}');
    }

    fn comma(&mut self) {
        if !matches!(self.0.last(), Some(b'{' | b'[')) {
            self.0.put_u8(b',');
        }
    }

    fn name(&mut self, field: Field) {
        let is_first = matches!(self.0.last(), Some(b'{'));
        self.0.put_slice(&field.0.as_bytes()[usize::from(is_first)..]);
    }

    fn quoted(&mut self, content: &[u8]) {
        self.0.put_u8(b'"');
        self.0.put_slice(content);
        self.0.put_u8(b'"');
    }

    fn list<T>(&mut self, field: Field, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        self.name(field);
        self.0.put_u8(b'[');
        for item in items {
            self.comma();
            write(self, item);
        }
        self.0.put_u8(b']');
    }
}

impl Writer for Json<'_> {
    fn text(&mut self, field: Field, value: &str) {
        self.name(field);
        write_string(value, self.0);
    }

    fn ready(&mut self, field: Field, value: &[u8]) {
        self.name(field);
        self.quoted(value);
    }

    /// As it came: raw text is valid within quotes.
    fn echo(&mut self, field: Field, value: Text<'_>) {
        self.ready(field, value.raw());
    }

    fn hex(&mut self, field: Field, value: u64) {
        self.ready(field, &digits(value));
    }

    fn texts<'t>(&mut self, field: Field, values: impl IntoIterator<Item = &'t str>) {
        self.list(field, values, |json, value| write_string(value, json.0));
    }

    fn number(&mut self, field: Field, value: u32) {
        self.name(field);
        self.0.put_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn numbers(&mut self, field: Field, values: impl IntoIterator<Item = u32>) {
        self.list(field, values, |json, value| {
            json.0.put_slice(itoa::Buffer::new().format(value).as_bytes());
        });
    }

    fn long(&mut self, field: Field, value: i64) {
        self.ready(field, itoa::Buffer::new().format(value).as_bytes());
    }

    fn amount(&mut self, field: Field, value: Money) {
        self.name(field);
        // Writing into memory cannot fail.
        let _ = value.write(self.0);
    }

    fn message(&mut self, field: Field, write: impl FnOnce(&mut Self)) {
        self.name(field);
        self.object(write);
    }

    /// An empty list is written: `"seatbid":[]` is what a no-bid has.
    fn messages<T>(&mut self, field: Field, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.name(field);
        self.0.put_u8(b'[');
        for item in items {
            self.comma();
            self.object(|json| write(json, item));
        }
        self.0.put_u8(b']');
    }

    fn extensions(&mut self, one: (Field, impl FnOnce(&mut Self)), other: (Field, impl FnOnce(&mut Self))) {
        let start = self.0.len();
        self.message(one.0, |json| {
            (one.1)(json);
            (other.1)(json);
        });
        if self.0.ends_with(b":{}") {
            self.0.truncate(start);
        }
    }
}

/// As protobuf.
pub struct Protobuf<'o>(pub &'o mut BytesMut);

impl Protobuf<'_> {
    fn varint(&mut self, field: Field, value: u64) {
        encode_key(field.1, WireType::Varint, self.0);
        encode_varint(value, self.0);
    }

    /// Bytes whose number is known once they are written: they move by what their length takes.
    fn measured(&mut self, field: Field, write: impl FnOnce(&mut Self)) {
        encode_key(field.1, WireType::LengthDelimited, self.0);
        let start = self.0.len();
        write(self);
        let length = self.0.len() - start;
        let taken = encoded_len_varint(length as u64);
        self.0.put_bytes(0, taken);
        self.0.copy_within(start..start + length, start + taken);
        encode_varint(length as u64, &mut &mut self.0[start..start + taken]);
    }
}

impl Protobuf<'_> {
    /// A message that is left out with nothing in it.
    fn unless_empty(&mut self, field: Field, write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.measured(field, write);
        // Its length is the last byte where it is none.
        let empty = start + encoded_len_varint(u64::from(field.1 << 3)) + 1;
        if self.0.len() == empty {
            self.0.truncate(start);
        }
    }
}

impl Writer for Protobuf<'_> {
    fn text(&mut self, field: Field, value: &str) {
        self.ready(field, value.as_bytes());
    }

    fn ready(&mut self, field: Field, value: &[u8]) {
        encode_key(field.1, WireType::LengthDelimited, self.0);
        encode_varint(value.len() as u64, self.0);
        self.0.put_slice(value);
    }

    fn echo(&mut self, field: Field, value: Text<'_>) {
        match value.plain() {
            Some(plain) => self.text(field, plain),
            None => self.measured(field, |bytes| {
                value.chars().for_each(|c| bytes.0.put_slice(c.encode_utf8(&mut [0; 4]).as_bytes()));
            }),
        }
    }

    fn hex(&mut self, field: Field, value: u64) {
        self.ready(field, &digits(value));
    }

    fn texts<'t>(&mut self, field: Field, values: impl IntoIterator<Item = &'t str>) {
        values.into_iter().for_each(|value| self.text(field, value));
    }

    fn number(&mut self, field: Field, value: u32) {
        self.varint(field, u64::from(value));
    }

    /// Packed, as both protos have them.
    fn numbers(&mut self, field: Field, values: impl IntoIterator<Item = u32>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.measured(field, |bytes| values.for_each(|value| encode_varint(u64::from(value), bytes.0)));
        }
    }

    fn long(&mut self, field: Field, value: i64) {
        // Its bits, whatever its sign.
        self.varint(field, value as u64);
    }

    /// The double nearest to it: protobuf has no decimals.
    fn amount(&mut self, field: Field, value: Money) {
        encode_key(field.1, WireType::SixtyFourBit, self.0);
        self.0.put_f64_le(value.0 as f64 / 1e9);
    }

    fn message(&mut self, field: Field, write: impl FnOnce(&mut Self)) {
        self.measured(field, write);
    }

    fn messages<T>(&mut self, field: Field, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        items.into_iter().for_each(|item| self.measured(field, |bytes| write(bytes, item)));
    }

    fn extensions(&mut self, one: (Field, impl FnOnce(&mut Self)), other: (Field, impl FnOnce(&mut Self))) {
        self.unless_empty(one.0, one.1);
        self.unless_empty(other.0, other.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_bid_says_why_in_both_forms() {
        let mut out = BytesMut::new();
        no_bid(Form::Json, Text::new("a\\\"b"), 8, &mut out);
        assert_eq!(&out[..], br#"{"id":"a\"b","seatbid":[],"nbr":8}"#);
        out.clear();
        no_bid(Form::Protobuf, Text::new("a\\\"b"), 8, &mut out);
        assert_eq!(&out[..], b"\x0a\x03a\"b\x30\x08");
    }

    #[test]
    fn lengths_stand_before_what_they_measure_however_long_it_is() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            let mut out = BytesMut::new();
            let text = "x".repeat(length);
            let write = |seat: &mut Protobuf<'_>, ()| seat.text(seat::SEAT, &text);
            Protobuf(&mut out).messages(answer::SEATBID, [()], write);
            let mut expected = vec![0x12];
            encode_varint((1 + encoded_len_varint(length as u64) + length) as u64, &mut expected);
            expected.push(0x12);
            encode_varint(length as u64, &mut expected);
            expected.extend_from_slice(text.as_bytes());
            assert!(out[..] == expected[..], "{length}");
        }
    }
}
