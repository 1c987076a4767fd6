//! Parts of an OpenRTB answer, written straight into the buffer that goes to the socket.
//!
//! Never fails and decides nothing.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

use super::json::{Text, write_string};
use super::request::Dsa;

/// Longest name that `ext.dsa` takes, in characters.
const DSA_NAME_CHARS_MAX: usize = 100;

/// `bid.ext.dsa` (privacy.md §7): the advertiser is shown and pays; its shoppers are profiled by us. The ad
/// says so itself where it can and the publisher does not.
pub fn write_dsa(dsa: Dsa, says_why: bool, advertiser: &str, us: &str, out: &mut BytesMut) {
    let end = advertiser
        .char_indices()
        .nth(DSA_NAME_CHARS_MAX)
        .map_or(advertiser.len(), |(at, _)| at);
    let name = &advertiser[..end];
    out.put_slice(b"{\"behalf\":");
    write_string(name, out);
    field(out, "paid", name);
    out.put_slice(b",\"transparency\":[{\"domain\":");
    write_string(us, out);
    let renders = says_why && dsa.publisher_renders != Some(2);
    let _ = write!(out, ",\"dsaparams\":[1,2]}}],\"adrender\":{}}}", u8::from(renders));
}

/// A text of the request, given back as it came: raw text is valid within quotes.
pub fn echo(out: &mut BytesMut, text: Text<'_>) {
    out.put_u8(b'"');
    out.put_slice(text.raw());
    out.put_u8(b'"');
}

/// Bytes that are a text of ours.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

/// A member of an object that has some already.
pub fn field(out: &mut BytesMut, name: &str, value: &str) {
    out.put_slice(b",\"");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\":");
    write_string(value, out);
}

/// A member that is a list of texts.
pub fn list(out: &mut BytesMut, name: &str, values: &[String]) {
    let _ = write!(out, ",\"{name}\":[");
    let mut first = true;
    for value in values {
        comma(out, &mut first);
        write_string(value, out);
    }
    out.put_slice(b"]");
}

/// A comma, but before the first.
pub fn comma(out: &mut BytesMut, first: &mut bool) {
    if !std::mem::replace(first, false) {
        out.put_u8(b',');
    }
}
