//! Numbers out of base64url text, bit by bit, without decoding the text first.
//!
//! Six bits a character, most significant first, as the consent strings of IAB are written. Knows no field of
//! them. Never reads beyond the text: what is not there is `None`.

/// A text in which every character stands for six bits.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    text: &'a [u8],
}

/// Which characters stand for the last two of the 64 values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `-` and `_` (RFC 4648 §5), as consent strings must be written.
    Url,
    /// `+` and `/` too, which the GPP specification's own table shows.
    Either,
}

/// No character of the alphabet.
const NONE: u8 = 0xFF;
/// Of each byte the value of the character, `+` and `/` among them.
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let (mut values, mut byte) = ([NONE; 256], 0);
    while byte < 256 {
        values[byte] = match byte as u8 {
            letter @ b'A'..=b'Z' => letter - b'A',
            letter @ b'a'..=b'z' => letter - b'a' + 26,
            digit @ b'0'..=b'9' => digit - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => NONE,
        };
        byte += 1;
    }
    values
}

impl<'a> Bits<'a> {
    /// Of a text; padding at its end is passed over. `None` where another character is in it, or none at all.
    pub fn of(text: &'a str, alphabet: Alphabet) -> Option<Bits<'a>> {
        let text = text.trim_end_matches('=').as_bytes();
        let is_known = |byte: &u8| VALUES[usize::from(*byte)] != NONE && (alphabet == Alphabet::Either || !matches!(byte, b'+' | b'/'));
        (!text.is_empty() && text.iter().all(is_known)).then_some(Bits { text })
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.text.len() * 6
    }

    /// Whether there are none; never of a text that was taken.
    pub fn is_empty(self) -> bool {
        self.text.is_empty()
    }

    /// The number in `width` bits, at most 48, from bit `at` on.
    pub fn number(self, at: usize, width: usize) -> Option<u64> {
        debug_assert!(width <= 48);
        let end = at.checked_add(width)?;
        if end > self.len() {
            return None;
        }
        let (first, last) = (at / 6, end.div_ceil(6));
        let value = self.text[first..last]
            .iter()
            .fold(0u64, |value, byte| value << 6 | u64::from(VALUES[usize::from(*byte)]));
        Some(value >> (last * 6 - end) & ((1 << width) - 1))
    }

    /// One bit.
    pub fn is_set(self, at: usize) -> Option<bool> {
        self.number(at, 1).map(|bit| bit == 1)
    }

    /// A number of 16 bits.
    pub fn short(self, at: usize) -> Option<u16> {
        self.number(at, 16).map(|number| number as u16)
    }
}

/// A reader that remembers where it is.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bits: Bits<'a>,
    /// The next bit.
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// At bit `at`.
    pub fn new(bits: Bits<'a>, at: usize) -> Cursor<'a> {
        Cursor { bits, at }
    }

    /// The number in the next `width` bits, at most 48.
    pub fn number(&mut self, width: usize) -> Option<u64> {
        let number = self.bits.number(self.at, width)?;
        self.at += width;
        Some(number)
    }

    /// The same without going on.
    pub fn peek(&self, width: usize) -> Option<u64> {
        self.bits.number(self.at, width)
    }

    /// The next bit.
    pub fn flag(&mut self) -> Option<bool> {
        self.number(1).map(|bit| bit == 1)
    }

    /// The next 16 bits.
    pub fn short(&mut self) -> Option<u16> {
        self.number(16).map(|number| number as u16)
    }

    /// Passes over `width` bits, which must be there.
    pub fn skip(&mut self, width: usize) -> Option<()> {
        let end = self.at.checked_add(width).filter(|end| *end <= self.bits.len())?;
        self.at = end;
        Some(())
    }

    /// A number in Fibonacci code (GPP, "Fibonacci encoding"): Zeckendorf terms from the least, ended by two ones.
    pub fn fibonacci(&mut self) -> Option<u32> {
        let (mut value, mut term, mut next) = (0u32, 1u32, 2u32);
        let mut before = false;
        loop {
            let one = self.flag()?;
            if one && before {
                return Some(value);
            }
            if one {
                value = value.checked_add(term)?;
            }
            before = one;
            (term, next) = (next, term.checked_add(next)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_across_characters() {
        let bits = Bits::of("CAB_", Alphabet::Url).unwrap();
        assert_eq!(bits.len(), 24);
        assert_eq!(bits.number(0, 6), Some(2));
        assert_eq!(bits.number(4, 4), Some(0b1000));
        assert_eq!(bits.number(0, 24), Some(0b000010_000000_000001_111111));
        assert_eq!(bits.number(17, 7), Some(0b111_1111));
        assert_eq!(bits.number(24, 0), Some(0));
        assert_eq!(bits.number(24, 1), None);
        assert_eq!(bits.number(usize::MAX, 2), None);
    }

    #[test]
    fn only_characters_of_the_alphabet() {
        assert!(Bits::of("", Alphabet::Url).is_none());
        assert!(Bits::of("==", Alphabet::Url).is_none());
        assert!(Bits::of("A+", Alphabet::Url).is_none());
        assert_eq!(Bits::of("A+", Alphabet::Either).unwrap().number(6, 6), Some(62));
        assert!(Bits::of("A=A", Alphabet::Either).is_none());
        assert!(Bits::of("Aé", Alphabet::Either).is_none());
        assert_eq!(Bits::of("Ag==", Alphabet::Url).unwrap().len(), 12);
    }

    #[test]
    fn fibonacci_codes_of_the_specification() {
        let text = ["11", "011", "0011", "1011", "00011", "10011", "01011"].concat();
        let written: Vec<u8> = text
            .as_bytes()
            .chunks(6)
            .map(|six| {
                let six = std::str::from_utf8(six).unwrap();
                let value = u8::from_str_radix(&format!("{six:0<6}"), 2).unwrap();
                VALUES.iter().position(|of| *of == value).unwrap() as u8
            })
            .collect();
        let written = String::from_utf8(written).unwrap();
        let mut cursor = Cursor::new(Bits::of(&written, Alphabet::Either).unwrap(), 0);
        for expected in 1..=7 {
            assert_eq!(cursor.fibonacci(), Some(expected));
        }
        assert_eq!(cursor.fibonacci(), None);
    }
}
