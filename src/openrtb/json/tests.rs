//! The scanner against serde_json: same documents accepted, same values read.

use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// The whole document as serde_json's value, read by the scanner alone.
fn read(body: &[u8]) -> Result<Value, Fault> {
    let mut scanner = Scanner::of_bytes(body)?;
    let read = value(&mut scanner).and_then(|value| scanner.end().map(|()| value));
    read.map_err(|_| scanner.fault())
}

fn value(s: &mut Scanner<'_>) -> Scan<Value> {
    match s.peek() {
        Some(b'{') => {
            let mut map = Map::new();
            s.members(|s, key| {
                let key = String::from_utf8(key.to_vec()).expect("UTF-8");
                value(s).map(|value| drop(map.insert(key, value)))
            })?;
            Ok(Value::Object(map))
        }
        Some(b'[') => {
            let mut items = Vec::new();
            s.array(|s| value(s).map(|value| items.push(value)))?;
            Ok(Value::Array(items))
        }
        Some(b'"') => s.string().map(|raw| Text::new(raw).unescape(&mut String::new()).into()),
        Some(b't' | b'f') => s.scalar().map(|text| (text.raw() == b"true").into()),
        Some(b'n') => s.skip().map(|()| Value::Null),
        _ => s
            .number_text()
            .map(|raw| serde_json::from_str(raw).expect("a number for serde_json too")),
    }
}

fn agree(body: &[u8]) {
    let ours = read(body);
    let skipped = Scanner::of_bytes(body).and_then(|mut s| s.skip().and_then(|()| s.end()).map_err(|_| s.fault()));
    let fault = ours.as_ref().err().copied();
    assert_eq!(skipped.err(), fault, "{}", String::from_utf8_lossy(body));
    let theirs = serde_json::from_slice::<Value>(body);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(body)),
        (Err(Fault::Depth(_)), _) | (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("{}: {ours:?} but serde_json {theirs:?}", String::from_utf8_lossy(body)),
    }
}

/// Documents about whose reading parsers differ.
const HARD_CASES: &[&[u8]] = &[
    b"",
    b" ",
    b"{}",
    b"[]",
    b"[1,]",
    b"[,1]",
    b"{\"a\":1,}",
    b"{\"a\" 1}",
    b"{a:1}",
    b"[1 2]",
    b"{}{}",
    b"1 2",
    b"01",
    b"-",
    b"-0",
    b"-01",
    b"+1",
    b".5",
    b"1.",
    b"1.e1",
    b"1e",
    b"1e+",
    b"1e400",
    b"-1e400",
    b"0e400",
    b"1e-400",
    b"0e99999999999",
    b"1e99999999999",
    b"1e-99999999999",
    b"1E5",
    b"12345678901234567890123",
    b"1e308",
    b"1.7976931348623157e308",
    b"nul",
    b"nulll",
    b"truefalse",
    b"True",
    b"NaN",
    b"\"a",
    b"\"\\\"",
    b"\"\\",
    b"\"\\x\"",
    b"\"\\/\\b\\f\\n\\r\\t\\\\\"",
    b"\"\\u00e9\"",
    b"\"\\u00E\"",
    b"\"\\u00g0\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\ud83d\"",
    b"\"\\ude00\"",
    b"\"\\ud83d\\u0041\"",
    b"\"\\ud83dx\"",
    b"\"\\ud83d\\n\"",
    b"\"\\ud83d\\ud83d\"",
    b"\"\\u0000\"",
    b"\"\0\"",
    b"\"\n\"",
    b"\"\x1f\"",
    b"\"\x7f\"",
    b"\"\xff\"",
    b"\"\xc3\xa9\"",
    b"\"\xed\xa0\x80\"",
    b"\xef\xbb\xbf{}",
    b"{\"a\":1,\"a\":2}",
    b"{\"\\u0061\":1,\"a\":2}",
    b"{\"\\ud800\":1}",
    b"[1]]",
    b"{\"a\":[}",
    b"\x0b1",
    b"1\x0c",
    b"[1]\0",
    b"//\n1",
    b"'a'",
    b"\"12345678\\u0041234567\x01\"",
    b"\"\xf0\x9f\x98\x80 quote \xf0\x9f\x98\x80\\\" end\"",
];

#[test]
fn hard_cases_are_judged_as_serde_json_does() {
    for case in HARD_CASES {
        agree(case);
    }
    agree(format!("1{}", "0".repeat(400)).as_bytes());
    agree(format!("0.{}1", "0".repeat(400)).as_bytes());
    agree(format!("1{}e-350", "0".repeat(400)).as_bytes());
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(read(nested(JSON_DEPTH_MAX + 1).as_bytes()), Err(Fault::Depth(JSON_DEPTH_MAX)));
    assert_eq!(read("[".repeat(1 << 20).as_bytes()), Err(Fault::Depth(JSON_DEPTH_MAX)));
}

#[test]
fn integers_are_read_from_what_means_them() {
    let cases = [
        ("1", Some(1)),
        ("1.0", Some(1)),
        ("1e2", Some(100)),
        ("-1.9", Some(-1)),
        ("1e-05", Some(0)),
        ("\"1\"", Some(1)),
        ("\" 2.0 \"", Some(2)),
        ("\"\\u0031\"", Some(1)),
        ("true", Some(1)),
        ("false", Some(0)),
        ("[3]", Some(3)),
        ("9007199254740993", Some(9_007_199_254_740_993)),
        ("99999999999999999999", Some(i64::MAX)),
        ("-1e300", Some(i64::MIN)),
        ("\"\"", None),
        ("\"NaN\"", None),
        ("\"inf\"", None),
        ("\"x\"", None),
        ("null", None),
        ("{}", None),
        ("[]", None),
    ];
    for (text, expected) in cases {
        assert_eq!(Scanner::new(text).integer(), Ok(expected), "{text}");
    }
}

#[test]
fn lists_sizes_and_eids_are_read_lazily() {
    let list = |raw: &'static str| {
        let list = Scanner::new(raw).list().expect("valid");
        list.iter()
            .map(|text| text.unescape(&mut String::new()).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(r#"["a", 2 ,null,{},["x"],"","c,d","\u0065"]"#), ["a", "2", "c,d", "e"]);
    assert_eq!(list(r#""IAB1, IAB2""#), ["IAB1", "IAB2"]);
    for empty in ["null", "[]", "{}", "\"\"", "[null]", "{\"a\":1}"] {
        assert_eq!(list(empty), [""; 0]);
    }
    assert_eq!(List::new(r#"[7,"8, 9",2.0]"#).integers().collect::<Vec<_>>(), [7, 8, 9, 2]);

    let pairs = |raw: &'static str| sizes(raw.as_bytes()).collect::<Vec<_>>();
    assert_eq!(
        pairs(r#"[{"w":300,"h":250},{"w":1},{},null,{"h":"90","w":728.0}]"#),
        [(300, 250), (728, 90)]
    );
    assert_eq!(pairs(r#"{"w":1,"h":2}"#), [(1, 2)]);
    assert_eq!(pairs(""), []);

    let raw = br#"[{"uids":[{"id":"1"},{"id":2},{},"3"],"source":"s"},{"source":"t","uids":{"id":"4"}},{"source":"u"},5]"#;
    let found: Vec<_> = eids(raw).map(|eid| (eid.source.plain(), eid.id.plain())).collect();
    let expected = [("s", "1"), ("s", "2"), ("s", "3"), ("t", "4")];
    assert_eq!(found, expected.map(|(source, id)| (Some(source), Some(id))));
}

#[test]
fn text_is_raw_plain_or_unescaped() {
    let text = Scanner::new(r#""a\u00e9\n""#).scalar().expect("valid");
    assert_eq!((text.raw(), text.plain()), (&br"a\u00e9\n"[..], None));
    assert_eq!(text.unescape(&mut String::from("old")), "aé\n");
    assert!(text.eq_ignore_case("Aé\n") && !text.eq_ignore_case("a"));
    assert_eq!(text.unescape_within(&mut [0; 3]), None);
    assert_eq!(text.unescape_within(&mut [0; 4]), Some("aé\n"));
}

/// Pieces of which documents, good and bad, are put together.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"id\":", "\\", "\\u", "\\ud83d", "\\ude00", "\\n", "0", "1", "-", ".", "e", "E+",
        "12", "1.5", "1e3", "null", "true", "false", " ", "\n", "\t", "é", "😀", "\u{1}", "\u{7f}", "x", "\"\":", "\"b\":[", "{}", "[]",
    ])
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((".{0,10}", inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_read_the_same(value in document(), pretty: bool) {
        let body = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
        agree(&body.expect("values are JSON"));
    }

    #[test]
    fn damaged_documents_are_judged_the_same(value in document(), at: prop::sample::Index, with: u8, cut: bool) {
        let mut body = serde_json::to_vec(&value).expect("values are JSON");
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = with }
        agree(&body);
    }

    #[test]
    fn strings_are_written_the_same(text in "[\\x00-\\x7f\u{e9}\u{1f600}]{0,40}", plain in ".{0,40}") {
        // Longer than a piece, too, and cut at any place by its end.
        let long = format!("{plain}{}", text.repeat(20));
        for text in [text, plain, long] {
            let mut out = bytes::BytesMut::new();
            write_string(&text, &mut out);
            prop_assert_eq!(&out[..], serde_json::to_vec(&text).expect("a text"));
        }
    }

    #[test]
    fn pieces_are_judged_the_same(pieces in prop::collection::vec(piece(), 0..16)) {
        agree(pieces.concat().as_bytes());
    }
}
