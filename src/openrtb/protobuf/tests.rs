//! Bytes as encoders write them, and as none does: each with the JSON that must come of them, and each read in
//! place as that JSON is.

use prost::encoding::{WireType, encode_key, encode_varint};

use super::*;
use crate::base::limits::BODY_BYTES_MAX;
use crate::openrtb::decode::{self, decode, read};
use crate::openrtb::request::Opportunity;
use crate::openrtb::response::Form;

/// A field of bytes, such as a text or a message.
fn bytes(number: u32, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(bytes.as_ref().len() as u64, &mut out);
    out.extend_from_slice(bytes.as_ref());
    out
}

fn varint(number: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out
}

fn double(number: u32, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::SixtyFourBit, &mut out);
    out.extend_from_slice(&value.to_le_bytes());
    out
}

/// An imp with so many fields, in a request.
fn imp(fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(2, fields.concat())
}

#[track_caller]
fn json(body: &[u8]) -> Result<String, Unreadable> {
    let mut out = Vec::new();
    let transcribed = transcribe(body, BODY_BYTES_MAX, &mut out);
    let of_transcript = transcribed.and_then(|()| decode(&out, Vec::new()).map(|request| format!("{request:?}")));
    // Text that is no UTF-8 is found by whoever reads it.
    let expected = of_transcript.map_err(|fault| match fault {
        Unreadable::NotJson { .. } => Unreadable::NotProtobuf,
        other => other,
    });
    assert_eq!(in_place(body), expected, "read in place, and as {}", String::from_utf8_lossy(&out));
    transcribed.map(|()| String::from_utf8_lossy(&out).into_owned())
}

fn in_place(body: &[u8]) -> Result<String, Unreadable> {
    let (mut memory, mut request) = (decode::Memory::default(), Opportunity::default());
    read(Form::Protobuf, body, &mut memory, &mut request).map(|()| format!("{request:?}"))
}

/// By itself, and in a request that can be answered.
#[track_caller]
fn becomes(fields: &[Vec<u8>], expected: &str) {
    assert_eq!(json(&fields.concat()).as_deref(), Ok(expected));
    assert!(json(&[&fields.concat()[..], &bytes(1, "r"), &imp(&[bytes(1, "i")])].concat()).is_ok());
}

#[test]
fn fields_become_members_and_repeated_ones_arrays() {
    becomes(&[], "{}");
    becomes(
        &[
            bytes(1, "r"),
            imp(&[bytes(1, "a")]),
            imp(&[]),
            varint(15, 1),
            varint(8, 120),
            bytes(11, "USD"),
            bytes(11, "EUR"),
        ],
        r#"{"id":"r","imp":[{"id":"a"},{}],"test":1,"tmax":120,"cur":["USD","EUR"]}"#,
    );
}

#[test]
fn numbers_come_packed_or_not_and_of_either_sign() {
    let negative = -240i64 as u64;
    let geo = [varint(10, negative), varint(10, u64::from(-240i32 as u32)), varint(10, 540)].concat();
    becomes(
        &[bytes(5, bytes(4, geo))],
        r#"{"device":{"geo":{"utcoffset":-240,"utcoffset":-240,"utcoffset":540}}}"#,
    );
    let packed = bytes(6, [1, 3, 0xac, 2]);
    let banner = [varint(6, 7), packed, bytes(6, []), varint(6, 9)].concat();
    becomes(&[imp(&[bytes(2, banner)])], r#"{"imp":[{"banner":{"battr":[7,1,3,300,9]}}]}"#);
}

#[test]
fn amounts_are_written_as_the_shortest_text_and_infinite_ones_as_a_word() {
    for (value, expected) in [
        (0.35, "0.35"),
        (2.0, "2.0"),
        (-0.0, "-0.0"),
        (1e300, "1e+300"),
        (0.1 + 0.2, "0.30000000000000004"),
        (f64::INFINITY, r#""inf""#),
        (f64::NEG_INFINITY, r#""-inf""#),
        (f64::NAN, "null"),
    ] {
        becomes(&[imp(&[double(8, value)])], &format!(r#"{{"imp":[{{"bidfloor":{expected}}}]}}"#));
    }
}

#[test]
fn text_is_escaped_where_json_needs_it() {
    becomes(
        &[bytes(1, "a\"b\\c\n\u{1}/\u{1f600}")],
        "{\"id\":\"a\\\"b\\\\c\\n\\u0001/\u{1f600}\"}",
    );
}

#[test]
fn unknown_fields_and_known_ones_of_another_type_are_passed_over() {
    let group = [vec![0xa3, 6], varint(1, 7), bytes(2, "x"), vec![0xa4, 6]].concat();
    let fixed32 = [vec![0xad, 6], vec![1, 2, 3, 4]].concat();
    let odd = [
        varint(1, 5),
        bytes(8, "120"),
        double(15, 1.0),
        bytes(77, "x"),
        varint(3_000, 1),
        double(900, 1.0),
    ];
    becomes(&[odd.concat(), group, fixed32, bytes(1, "r")], r#"{"id":"r"}"#);
    // An array is not broken by what is passed over.
    becomes(
        &[bytes(13, "a.example"), bytes(77, "x"), bytes(13, "b.example")],
        r#"{"badv":["a.example","b.example"]}"#,
    );
}

#[test]
fn what_is_in_pieces_is_put_together() {
    becomes(
        &[
            bytes(13, "a"),
            varint(7, 1),
            bytes(13, "b"),
            imp(&[bytes(1, "1")]),
            bytes(13, "c"),
            imp(&[bytes(1, "2")]),
        ],
        r#"{"imp":[{"id":"1"},{"id":"2"}],"at":1,"badv":["a","b","c"]}"#,
    );
    // Two messages of one field that is not repeated are one; numbers are the last one's.
    let home = bytes(6, [bytes(2, "me"), bytes(7, bytes(3, "VNM"))].concat());
    let again = bytes(6, [bytes(1, "u"), bytes(7, bytes(7, "Hue"))].concat());
    becomes(
        &[home, again],
        r#"{"user":{"id":"u","buyeruid":"me","geo":{"country":"VNM","city":"Hue"}}}"#,
    );
}

#[test]
fn of_site_and_app_the_last_is_the_one() {
    let site = |domain| bytes(3, bytes(3, domain));
    let app = |bundle| bytes(4, bytes(8, bundle));
    becomes(&[site("a.example"), app("b")], r#"{"app":{"bundle":"b"}}"#);
    becomes(&[app("b"), site("a.example")], r#"{"site":{"domain":"a.example"}}"#);
    becomes(
        &[site("a.example"), app("b"), site("c.example")],
        r#"{"site":{"domain":"c.example"}}"#,
    );
    becomes(&[site("a.example"), bytes(22, bytes(2, "screen"))], r#"{"dooh":{}}"#);
    becomes(&[app("b"), app("c")], r#"{"app":{"bundle":"b","bundle":"c"}}"#);
    // Of the earlier one every text must be one, whether or not anybody reads it.
    let page = |page: &[u8]| bytes(3, bytes(7, page));
    assert_eq!(json(&[page(b"\x9d\x90"), app("b")].concat()), Err(Unreadable::NotProtobuf));
    becomes(&[page("é".as_bytes()), app("b")], r#"{"app":{"bundle":"b"}}"#);
}

#[test]
fn extensions_are_read_in_the_places_of_iab_and_of_google() {
    let consent = |number, field| bytes(6, bytes(number, bytes(field, "CP")));
    becomes(&[consent(99, 1)], r#"{"user":{"ext":{"consent":"CP"}}}"#);
    becomes(&[consent(1007, 2)], r#"{"user":{"ext":{"consent":"CP"}}}"#);
    let excluded = bytes(1009, bytes(10, bytes(1, "acme.card.1")));
    becomes(
        &[imp(&[excluded])],
        r#"{"imp":[{"ext":{"excluded_creatives":[{"buyer_creative_id":"acme.card.1"}]}}]}"#,
    );
    let feedback = [varint(2, 79), bytes(5, "acme.card.1")].concat();
    becomes(
        &[bytes(1018, bytes(1, feedback))],
        r#"{"ext":{"bid_feedback":[{"creative_status_code":79,"buyer_creative_id":"acme.card.1"}]}}"#,
    );
}

#[test]
fn a_cut_or_broken_message_is_refused() {
    let whole = [bytes(1, "r"), imp(&[bytes(1, "a"), double(8, 0.5), bytes(2, bytes(6, [1, 2, 3]))])].concat();
    assert!(json(&whole).is_ok());
    let fields = [0, 3, whole.len()];
    for cut in (0..whole.len()).filter(|cut| !fields.contains(cut)) {
        assert_eq!(json(&whole[..cut]), Err(Unreadable::NotProtobuf), "cut at {cut}");
    }
    let endless = [0xff; 12];
    let longer_than_all = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    for body in [&endless[..], &longer_than_all, &[0x00], &[0x0f], &[0xa3, 6], &[0xa4, 6], &[0x08]] {
        assert_eq!(json(body), Err(Unreadable::NotProtobuf), "{body:?}");
    }
}

#[test]
fn what_comes_out_is_bounded() {
    let mut out = Vec::new();
    let quotes = bytes(1, "\"".repeat(100));
    assert_eq!(transcribe(&quotes, 64, &mut out), Err(Unreadable::TooLarge { most: 64 }));
    assert_eq!(transcribe(&quotes, 300, &mut out), Ok(()));
}

#[test]
fn any_bytes_are_read_or_refused() {
    let (mut seed, mut read) = (7u64, 0);
    let (id, imp) = (bytes(1, "r"), imp(&[bytes(1, "i")]));
    for _ in 0..20_000 {
        let mut body = [0u8; 24];
        for byte in &mut body {
            seed = crate::base::hash::mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
            // Mostly what keys and lengths are made of.
            *byte = if seed & 1 == 0 {
                (seed >> 8) as u8 & 0x1f
            } else {
                (seed >> 8) as u8
            };
        }
        read += u32::from(json(&[&id[..], &body, &imp].concat()).is_ok());
    }
    println!("{read} read");
    assert!(read > 100, "{read}");
}
