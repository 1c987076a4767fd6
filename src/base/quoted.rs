//! Text within a JSON string: how far it goes without anything that matters to JSON, and how the rest is
//! written, as serde_json does.
//!
//! Assumes nothing of the bytes: what may yet turn out to be no UTF-8 is kept as it is. Decides nothing about
//! them.

use bytes::BufMut;
use wide::u8x16;

/// Where text lands: decided once for a whole answer, so that nothing in it is looked at twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quoting {
    /// Nowhere in particular: it stays as it is.
    #[default]
    Plain,
    /// Between the quotes of a JSON string.
    Json,
}

impl Quoting {
    /// Makes what has been appended to `out` since it was `start` bytes long fit where it lands. Allocates nothing
    /// but what `out` needs to grow.
    pub fn fit(self, start: usize, out: &mut Vec<u8>) {
        let end = out.len();
        if self == Quoting::Plain {
            return;
        }
        let first = start + plain_run(&out[start..]);
        let mut at = first;
        while at < end {
            out.extend_from_slice(Escape::of(out[at]).bytes());
            at += 1;
            let run = plain_run(&out[at..end]);
            out.extend_from_within(at..at + run);
            at += run;
        }
        out.drain(first..end);
    }
}

/// A text that is written again and again, ready for wherever it lands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    plain: Box<str>,
    /// None where that is the same.
    json: Option<Box<str>>,
}

impl Ready {
    /// Of a text as it is.
    pub fn new(text: &str) -> Ready {
        let mut json = Vec::new();
        write_content(text.as_bytes(), &mut json);
        let json = String::from_utf8(json).unwrap_or_default();
        Ready {
            plain: text.into(),
            json: (json != text).then(|| json.into()),
        }
    }

    /// As it lands there.
    pub fn within(&self, quoting: Quoting) -> &str {
        match (quoting, &self.json) {
            (Quoting::Json, Some(json)) => json,
            _ => &self.plain,
        }
    }
}

/// How many bytes come before the first quote, backslash or control character; sixteen at a time.
#[inline]
pub fn plain_run(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        let stops = stops(u8x16::new(*block));
        if stops != 0 {
            return bytes.len() - rest.len() + stops.trailing_zeros() as usize;
        }
        rest = after;
    }
    let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    bytes.len() - rest.len() + stop.unwrap_or(rest.len())
}

/// Whether there is an escape, or the like, among bytes; sixteen at a time.
#[inline]
pub fn has_backslash(bytes: &[u8]) -> bool {
    let slashes = |block: &[u8; 16]| u8x16::new(*block).simd_eq(u8x16::splat(b'\\'));
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().fold(false, |any, byte| any | (*byte == b'\\'));
    };
    // The last block, which may overlap the one before it, stands for what is left.
    let (blocks, _) = bytes.as_chunks();
    (blocks.iter().fold(slashes(last), |any, block| any | slashes(block))).to_bitmask() != 0
}

/// How long the string is whose content starts here, if it ends within sixteen bytes and has no escapes.
#[inline(always)]
pub fn short_string(bytes: &[u8]) -> Option<usize> {
    let stops = stops(u8x16::new(*bytes.first_chunk()?));
    let end = stops.trailing_zeros() as usize;
    (stops != 0 && bytes.get(end) == Some(&b'"')).then_some(end)
}

/// A bit for each byte that ends a run, the first one lowest.
#[inline(always)]
fn stops(block: u8x16) -> u32 {
    let quote = block.simd_eq(u8x16::splat(b'"'));
    let slash = block.simd_eq(u8x16::splat(b'\\'));
    let control = block.min(u8x16::splat(0x1f)).simd_eq(block);
    (quote | slash | control).to_bitmask()
}

/// Appends a text as a JSON string, quotes and all.
pub fn write_string(text: &str, out: &mut impl BufMut) {
    write_bytes(text.as_bytes(), out);
}

/// As [`write_string`], of bytes.
pub fn write_bytes(text: &[u8], out: &mut impl BufMut) {
    out.put_u8(b'"');
    write_content(text, out);
    out.put_u8(b'"');
}

/// Appends what stands between the quotes.
#[inline]
pub fn write_content(text: &[u8], out: &mut impl BufMut) {
    let mut rest = text;
    loop {
        let run = plain_run(rest);
        out.put_slice(&rest[..run]);
        let Some(byte) = rest.get(run) else { break };
        out.put_slice(Escape::of(*byte).bytes());
        rest = &rest[run + 1..];
    }
}

/// What stands for a byte that must not stand for itself.
struct Escape {
    bytes: [u8; 6],
    length: usize,
}

impl Escape {
    #[inline]
    fn of(byte: u8) -> Escape {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit & 15)];
                let bytes = [b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)];
                return Escape { bytes, length: 6 };
            }
        };
        Escape {
            bytes: [b'\\', short, 0, 0, 0, 0],
            length: 2,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_the_first_byte_that_matters_wherever_it_stands() {
        for stop in 0..=255u8 {
            for before in 0..40 {
                for after in 0..20 {
                    let mut bytes = vec![b'x'; before];
                    bytes.push(stop);
                    bytes.resize(before + 1 + after, 0xc3);
                    let ends = matches!(stop, b'"' | b'\\' | 0..0x20);
                    let expected = if ends { before } else { bytes.len() };
                    assert_eq!(plain_run(&bytes), expected, "{stop} after {before}, before {after}");
                    assert_eq!(has_backslash(&bytes), stop == b'\\', "{stop} after {before}, before {after}");
                }
            }
        }
    }

    /// Whatever stands before it stays, and what is appended is escaped once, as serde_json does.
    #[test]
    fn what_is_appended_fits_a_json_string() {
        let texts = [
            "",
            "plain",
            "\"",
            "\\",
            "a\"b\\c\nd\u{1}e\u{7f}é靴\u{1f600}</script>",
            "\t\r\u{8}\u{c}\0",
        ];
        let long = texts.concat().repeat(9);
        let mut escaped = 0;
        for text in texts.into_iter().chain([&*long]) {
            let quoted = serde_json::to_string(text).expect("a text");
            let within = &quoted[1..quoted.len() - 1];
            let (ready, before) = (Ready::new(text), "\"before\"");
            for (quoting, expected) in [(Quoting::Plain, text), (Quoting::Json, within)] {
                assert_eq!(ready.within(quoting), expected);
                let mut out = before.as_bytes().to_vec();
                out.extend_from_slice(text.as_bytes());
                quoting.fit(before.len(), &mut out);
                assert_eq!(out, [before, expected].concat().as_bytes());
            }
            escaped += usize::from(within != text);
        }
        assert_eq!(escaped, 5, "of seven texts all but two have something to escape");
    }
}
