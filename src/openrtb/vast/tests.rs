//! Addresses and text in documents.

use super::*;

#[test]
fn addresses_are_whole_whatever_is_in_them() {
    let urls = [
        "https://a.example/?b=1&c=<d>".to_owned(),
        "https://a.example/?x=[y]]>z\u{1}\u{fffe}".to_owned(),
    ];
    let expected = "<Impression><![CDATA[https://a.example/?b=1&c=<d>]]></Impression>\
         <Impression><![CDATA[https://a.example/?x=[y]]]]><![CDATA[>z]]></Impression>";
    assert_eq!(elements_of("Impression", &urls), expected);
}

#[test]
fn what_is_plain_needs_no_closer_look() {
    let all = (0..=255u8).map(|byte| vec![b'x', byte, b'x']);
    let texts = ["", "áé靴", "]]>", "a]", "\u{fffe}", "\u{ffee}", "\u{10ffff}", "a\r\n\tb"];
    let mut plain = 0;
    for bytes in all.chain(texts.map(|text| text.as_bytes().to_vec())) {
        let mut out = Vec::new();
        sections(&bytes, &mut out);
        assert!(!is_plain(&bytes) || out == bytes, "{bytes:?}");
        plain += usize::from(is_plain(&bytes));
    }
    assert_eq!(plain, 99 + 5, "printable ASCII, DEL and three blanks; five texts");
}

#[test]
fn lengths_are_clocks() {
    let mut out = Vec::new();
    clock(3_723, &mut out);
    assert_eq!(out, b"01:02:03");
}
