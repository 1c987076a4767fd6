//! Bodies of bid requests and answers: which forms and packings are read, and back.
//!
//! The bid path reads JSON and protobuf: gzip is unpacked before it, into memory that a core keeps. What comes
//! out is bounded as what comes in is, so that a small body cannot keep a core busy. Never waits.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};

use crate::model::outcome::NoBid;
use crate::openrtb::decode::Unreadable;
use crate::openrtb::protobuf::transcribe;
use crate::openrtb::response::Form;

/// Answers from this on are worth packing: shorter ones, with 110 bytes of head, go in one packet of 1,460 as
/// they are, so that packing saves nothing that travels. Of our own answers (bench `gzip`) 1,400 bytes become 873,
/// 2,800 become 1,476 and 9,227 become 3,467, one packet in place of two and three in place of seven, for what
/// skipping over 6 to 26 requests takes.
const PACKED_FROM_BYTES: usize = 1_400;
/// The window of gzip, as a power of two.
const WINDOW_BITS: u8 = 15;
/// Room for what packing adds to a text that cannot be packed.
const PACKING_BYTES: usize = 64;

/// How a request's body is read and its answer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// JSON or protobuf.
    pub form: Form,
    /// The answer's content type.
    pub content_type: &'static str,
    packed: bool,
    takes_packed: bool,
}

/// By the headers of a request; none where its type or packing cannot be read.
pub fn manner(headers: &HeaderMap) -> Option<Manner> {
    let (form, content_type) = match headers.get(CONTENT_TYPE) {
        Some(value) => form_of(value.to_str().ok()?)?,
        None => (Form::Json, "application/json"),
    };
    Some(Manner {
        form,
        content_type,
        packed: is_packed(headers)?,
        takes_packed: takes_packed(headers),
    })
}

/// The form of a content type, and the type of its answer: bytes without a name are answered so.
fn form_of(content_type: &str) -> Option<(Form, &'static str)> {
    const JSON: [&str; 4] = ["application/json", "text/json", "text/plain", ""];
    const PROTOBUF: [&str; 3] = ["application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"];
    let essence = content_type.split(';').next().unwrap_or("").trim();
    let is = |name: &&str| essence.eq_ignore_ascii_case(name);
    let is_kin = essence
        .rsplit_once('+')
        .is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"));
    match () {
        () if JSON.iter().any(is) || is_kin => Some((Form::Json, "application/json")),
        () if is(&"application/octet-stream") => Some((Form::Protobuf, "application/octet-stream")),
        () => PROTOBUF.iter().any(is).then_some((Form::Protobuf, "application/x-protobuf")),
    }
}

/// The entries of a header that is a list.
fn entries(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| line.to_str().unwrap_or("?").split(',')).map(str::trim)
}

/// Whether a body is packed with gzip; none where with anything else.
fn is_packed(headers: &HeaderMap) -> Option<bool> {
    let mut packed = false;
    for coding in entries(headers, CONTENT_ENCODING) {
        let is = |name: &str| coding.eq_ignore_ascii_case(name);
        match () {
            () if is("identity") || coding.is_empty() => {}
            () if (is("gzip") || is("x-gzip")) && !packed => packed = true,
            () => return None,
        }
    }
    Some(packed)
}

/// Whether gzip is asked for: named, or any coding is welcome (RFC 9110 §12.5.3).
pub fn takes_packed(headers: &HeaderMap) -> bool {
    let mut any = false;
    for entry in entries(headers, ACCEPT_ENCODING) {
        let (coding, weight) = entry.split_once(';').unwrap_or((entry, "q=1"));
        let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start().strip_prefix('=');
        let wanted = weight
            .and_then(|weight| weight.trim().parse().ok())
            .is_none_or(|weight: f32| weight > 0.0);
        match coding.trim() {
            coding if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

/// Memory of one core for bodies that do not come as plain JSON.
#[derive(Default)]
pub struct Reader {
    unpacked: Vec<u8>,
    transcribed: Vec<u8>,
}

impl Reader {
    /// A body in its form, unpacked, at most `most` bytes; the reason where there is none.
    pub fn plain<'m>(&'m mut self, manner: Manner, body: &'m [u8], most: usize) -> Result<&'m [u8], NoBid> {
        match manner.packed {
            true => unpack(body, most, &mut self.unpacked),
            false => Ok(body),
        }
    }

    /// The JSON of a body in either form, likewise.
    pub fn json<'m>(&'m mut self, manner: Manner, body: &'m [u8], most: usize) -> Result<&'m [u8], NoBid> {
        if manner.form == Form::Json {
            return self.plain(manner, body, most);
        }
        let mut transcribed = std::mem::take(&mut self.transcribed);
        let body = self.plain(manner, body, most)?;
        transcribe(body, most, &mut transcribed).map_err(Unreadable::no_bid)?;
        self.transcribed = transcribed;
        Ok(&self.transcribed)
    }
}

fn unpack<'m>(body: &[u8], most: usize, out: &'m mut Vec<u8>) -> Result<&'m [u8], NoBid> {
    out.clear();
    let mut bounded = MultiGzDecoder::new(body).take(most as u64 + 1);
    match bounded.read_to_end(out) {
        Ok(length) if length > most => Err(NoBid::TooLarge),
        Ok(_) => Ok(out),
        Err(_) => Err(NoBid::Malformed),
    }
}

/// Packs answers, with the memory of one core.
pub struct Packer(Compress);

impl Default for Packer {
    fn default() -> Packer {
        Packer(Compress::new_gzip(Compression::fast(), WINDOW_BITS))
    }
}

impl Packer {
    /// Takes an answer out of `out`, packed where that is asked for and worth it, and says whether it is.
    pub fn answer(&mut self, manner: Manner, out: &mut BytesMut) -> (Bytes, bool) {
        let is_worth_it = manner.takes_packed && out.len() >= PACKED_FROM_BYTES;
        match is_worth_it.then(|| self.packed(out)).flatten() {
            Some(packed) => {
                out.clear();
                (packed.into(), true)
            }
            None => (out.split().freeze(), false),
        }
    }

    /// Bytes, packed; none where that fails.
    pub fn packed(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut packed = Vec::with_capacity(bytes.len() + PACKING_BYTES);
        self.0.reset();
        let whole = self.0.compress_vec(bytes, &mut packed, FlushCompress::Finish);
        matches!(whole, Ok(Status::StreamEnd)).then_some(packed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn forms_are_told_by_their_content_type() {
        for (value, expected) in [
            ("application/json; charset=utf-8", Some(Form::Json)),
            ("text/plain", Some(Form::Json)),
            ("application/openrtb+json", Some(Form::Json)),
            ("Application/X-Protobuf", Some(Form::Protobuf)),
            ("application/octet-stream", Some(Form::Protobuf)),
            ("text/html", None),
            ("application/xml", None),
            ("multipart/form-data; boundary=x", None),
        ] {
            let manner = manner(&headers(&[(CONTENT_TYPE, value)]));
            assert_eq!(manner.map(|manner| manner.form), expected, "{value}");
        }
        assert_eq!(manner(&HeaderMap::new()).map(|manner| manner.form), Some(Form::Json));
    }

    #[test]
    fn only_gzip_is_unpacked() {
        for (value, expected) in [
            ("gzip", Some(true)),
            ("X-GZIP", Some(true)),
            ("identity", Some(false)),
            ("identity, gzip", Some(true)),
            ("gzip, gzip", None),
            ("deflate", None),
            ("br", None),
            ("zstd", None),
        ] {
            let manner = manner(&headers(&[(CONTENT_ENCODING, value)]));
            assert_eq!(manner.map(|manner| manner.packed), expected, "{value}");
        }
    }

    #[test]
    fn gzip_is_answered_where_it_is_asked_for() {
        for (value, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("br, *", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip; q=0.0", false),
            ("br", false),
            ("", false),
        ] {
            let taken = takes_packed(&headers(&[(ACCEPT_ENCODING, value)]));
            assert_eq!(taken, expected, "{value}");
        }
        assert!(!takes_packed(&HeaderMap::new()));
    }

    #[test]
    fn what_is_unpacked_is_bounded_and_whole() {
        let manner = manner(&headers(&[(CONTENT_ENCODING, "gzip")])).expect("gzip");
        let mut reader = Reader::default();
        let body = gzip(b"{\"id\":1}");
        assert_eq!(reader.plain(manner, &body, 8), Ok(&b"{\"id\":1}"[..]));
        assert_eq!(reader.plain(manner, &body, 7), Err(NoBid::TooLarge));
        assert_eq!(reader.plain(manner, &[&body[..], &body[..]].concat(), 64).map(<[u8]>::len), Ok(16));
        for cut in 0..body.len() {
            assert_eq!(reader.plain(manner, &body[..cut], 64), Err(NoBid::Malformed), "cut at {cut}");
        }
        let mut damaged = body.clone();
        *damaged.last_mut().expect("a byte") ^= 1;
        assert_eq!(reader.plain(manner, &damaged, 64), Err(NoBid::Malformed), "its length differs");
        assert_eq!(reader.plain(manner, &[&body[..], b"garbage"].concat(), 64), Err(NoBid::Malformed));
        let bomb = gzip(&vec![b' '; 64 << 20]);
        assert_eq!(reader.plain(manner, &bomb, 256 << 10), Err(NoBid::TooLarge));
        assert!(reader.unpacked.capacity() <= 1 << 20, "{} bytes kept", reader.unpacked.capacity());
    }

    #[test]
    fn an_answer_is_packed_if_it_is_long_and_may_be() {
        let asked = manner(&headers(&[(ACCEPT_ENCODING, "gzip")])).expect("JSON");
        let plain = manner(&HeaderMap::new()).expect("JSON");
        let long = "<div>markup</div>".repeat(400);
        let mut packer = Packer::default();
        for (manner, text, expected) in [
            (asked, &long[..], true),
            (asked, "{}", false),
            (plain, &long, false),
            (asked, &long, true),
        ] {
            let mut out = BytesMut::from(text);
            let (bytes, packed) = packer.answer(manner, &mut out);
            assert_eq!((packed, out.len()), (expected, 0));
            let mut read = Vec::new();
            match packed {
                true => drop(MultiGzDecoder::new(&bytes[..]).read_to_end(&mut read).expect("gzip")),
                false => read.extend_from_slice(&bytes),
            }
            assert!(read == text.as_bytes() && (!packed || bytes.len() < text.len()));
        }
    }
}
