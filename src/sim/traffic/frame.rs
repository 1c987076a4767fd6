//! JSON text with holes: what is the same in many requests is written once, and strung together with
//! what differs.
//!
//! Assumes values of our own making: in a text `<name>` is a hole inside the text, and a text that is
//! `<=name>` as a whole is a hole for a value without quotes. Unknown names stay as they are.

use serde_json::Value;

/// What is written into a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// The request's id.
    Id,
    /// The placements, one after the other.
    Imps,
    /// The site or app.
    Place,
    /// The device.
    Device,
    /// The viewer's id at the exchange.
    Uid,
    /// The placement's id.
    ImpId,
    /// `bidfloor`.
    Floor,
    /// `bidfloorcur`.
    FloorCurrency,
    /// `at`.
    At,
    /// 1 where GDPR applies.
    Gdpr,
    /// A consent string where GDPR applies, else nothing.
    Consent,
    /// 1 where tracking is limited.
    Lmt,
    /// Sixteen hexadecimal digits.
    Hex,
    /// A UUID.
    Uuid,
    /// A number of four digits.
    Number,
    /// The last part of an IPv4 address.
    Host,
}

const NAMES: [(&str, Hole); 16] = [
    ("id", Hole::Id),
    ("imps", Hole::Imps),
    ("place", Hole::Place),
    ("device", Hole::Device),
    ("uid", Hole::Uid),
    ("impid", Hole::ImpId),
    ("floor", Hole::Floor),
    ("floorcur", Hole::FloorCurrency),
    ("at", Hole::At),
    ("gdpr", Hole::Gdpr),
    ("consent", Hole::Consent),
    ("lmt", Hole::Lmt),
    ("hex", Hole::Hex),
    ("uuid", Hole::Uuid),
    ("number", Hole::Number),
    ("host", Hole::Host),
];

/// Text with holes.
#[derive(Debug)]
pub struct Frame {
    /// Texts, each with the hole behind it.
    parts: Vec<(Box<[u8]>, Hole)>,
    last: Box<[u8]>,
}

impl Frame {
    /// The frame of a value.
    pub fn of(value: &Value) -> Frame {
        let text = value.to_string();
        let mut parts = Vec::new();
        let (mut begun, mut from) = (0, 0);
        while let Some((at, end, hole)) = next_hole(&text, from) {
            parts.push((text.as_bytes()[begun..at].into(), hole));
            (begun, from) = (end, end);
        }
        let last = text.as_bytes()[begun..].into();
        Frame { parts, last }
    }

    /// Writes it, with `fill` writing each hole.
    pub fn write(&self, out: &mut Vec<u8>, mut fill: impl FnMut(Hole, &mut Vec<u8>)) {
        for (text, hole) in &self.parts {
            out.extend_from_slice(text);
            fill(*hole, out);
        }
        out.extend_from_slice(&self.last);
    }
}

/// The first hole at or after `from`: where it begins and ends, and which.
fn next_hole(text: &str, mut from: usize) -> Option<(usize, usize, Hole)> {
    loop {
        let open = from + text[from..].find('<')?;
        let close = open + text[open..].find('>')?;
        let inside = &text[open + 1..close];
        let bare = inside.strip_prefix('=');
        let name = bare.unwrap_or(inside);
        if let Some((_, hole)) = NAMES.iter().find(|(known, _)| *known == name) {
            // Without quotes: those around it belong to the hole.
            let quotes = usize::from(bare.is_some());
            return Some((open - quotes, close + 1 + quotes, *hole));
        }
        from = open + 1;
    }
}

/// The value with every number as text, as some exchanges write it; holes get quotes too.
pub fn as_texts(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::String(number.to_string()),
        Value::String(text) => {
            // What a structure fills is no number.
            let is_structure = matches!(text.as_str(), "<=imps>" | "<=place>" | "<=device>");
            if !is_structure && text.starts_with("<=") {
                *text = text.replacen("<=", "<", 1);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(as_texts),
        Value::Object(map) => map.values_mut().for_each(as_texts),
        _ => {}
    }
}

/// Appends a number in decimal.
pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

fn digits(number: u64) -> [u8; 16] {
    std::array::from_fn(|place| b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 15])
}

/// Appends sixteen hexadecimal digits.
pub fn hex(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&digits(number));
}

/// Appends a UUID of these bits.
pub fn uuid(out: &mut Vec<u8>, high: u64, low: u64) {
    let (high, low) = (digits(high), digits(low));
    let groups = [&high[..8], &high[8..12], &high[12..], &low[..4], &low[4..]];
    for (place, group) in groups.into_iter().enumerate() {
        if place > 0 {
            out.push(b'-');
        }
        out.extend_from_slice(group);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(frame: &Frame) -> String {
        let mut out = Vec::new();
        frame.write(&mut out, |hole, out| match hole {
            Hole::Imps => out.extend_from_slice(b"1,2"),
            Hole::Floor => out.extend_from_slice(b"0.5"),
            _ => out.extend_from_slice(b"x"),
        });
        String::from_utf8(out).expect("utf-8")
    }

    #[test]
    fn holes_are_filled_with_and_without_quotes() {
        let mut value = json!({"a": "<uid>", "b": "<=floor>", "c": ["<=imps>"], "d": "a<b <no> <hex>.", "e": 1});
        assert_eq!(
            written(&Frame::of(&value)),
            r#"{"a":"x","b":0.5,"c":[1,2],"d":"a<b <no> x.","e":1}"#
        );
        as_texts(&mut value);
        assert_eq!(
            written(&Frame::of(&value)),
            r#"{"a":"x","b":"0.5","c":[1,2],"d":"a<b <no> x.","e":"1"}"#
        );
    }

    #[test]
    fn numbers_are_written_as_the_formatter_writes_them() {
        for number in [0, 7, 10, 4_711, u64::MAX] {
            let (mut decimals, mut digits, mut id) = (Vec::new(), Vec::new(), Vec::new());
            decimal(&mut decimals, number);
            hex(&mut digits, number);
            uuid(&mut id, number, 1);
            assert_eq!(decimals, number.to_string().into_bytes());
            assert_eq!(digits, format!("{number:016x}").into_bytes());
            assert_eq!(id.len(), 36);
        }
    }
}
