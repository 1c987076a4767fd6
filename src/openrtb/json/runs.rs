//! How far a string goes without anything that matters to JSON: most of what is read or written.
//!
//! Assumes nothing of the bytes; decides nothing about them.

use wide::u8x16;

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
                }
            }
        }
    }
}
