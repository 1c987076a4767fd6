//! Values of a request that has been checked: text, lists, sizes, EIDs; read when they are asked for.
//!
//! Assumes slices of a document that [`Scanner`] has passed over; given anything else, iteration
//! ends early. Never allocates, but into a scratch that the caller lends.

use super::{Scan, Scanner, short_string};
use crate::base::limits::SIZES_MAX;
use crate::base::quoted::has_backslash;

/// Longest text that is read as a number when it is written with escapes.
const NUMBER_BYTES_MAX: usize = 64;

/// A scalar as text: a string's raw content, or the text of a number or boolean. Empty where the
/// request has none, has `null`, or has something that is no scalar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text<'b> {
    raw: &'b str,
}

impl<'b> Text<'b> {
    /// From the raw content of a JSON string: escapes unprocessed, valid.
    pub fn new(raw: &'b str) -> Text<'b> {
        Text { raw }
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Whether there is text.
    pub fn is_present(&self) -> bool {
        !self.is_empty()
    }

    /// This, or `other` where this is empty.
    pub fn or(self, other: Text<'b>) -> Text<'b> {
        if self.is_empty() { other } else { self }
    }

    /// The bytes as they stand: valid between quotes in JSON.
    pub fn raw(&self) -> &'b [u8] {
        self.raw.as_bytes()
    }

    /// The text, where nothing in it is escaped.
    pub fn plain(&self) -> Option<&'b str> {
        (!has_backslash(self.raw.as_bytes())).then_some(self.raw)
    }

    /// The characters, escapes processed.
    pub fn chars(&self) -> Chars<'b> {
        Chars(self.raw.chars())
    }

    /// The text, escapes processed; `scratch` is used, and overwritten, only where there are some.
    pub fn unescape<'s>(&self, scratch: &'s mut String) -> &'s str
    where
        'b: 's,
    {
        match self.plain() {
            Some(text) => text,
            None => {
                scratch.clear();
                scratch.extend(self.chars());
                scratch
            }
        }
    }

    /// As [`Text::unescape`], into a fixed buffer; `None` where it does not fit.
    pub fn unescape_within<'s, const N: usize>(&self, buffer: &'s mut [u8; N]) -> Option<&'s str>
    where
        'b: 's,
    {
        if let Some(text) = self.plain() {
            return Some(text);
        }
        let mut used = 0;
        for character in self.chars() {
            let place = buffer.get_mut(used..used + character.len_utf8())?;
            used += character.encode_utf8(place).len();
        }
        std::str::from_utf8(buffer.get(..used)?).ok()
    }

    /// Whether the text is `other`, ASCII letters of either case being the same.
    pub fn eq_ignore_case(&self, other: &str) -> bool {
        match self.plain() {
            Some(text) => text.eq_ignore_ascii_case(other),
            None => {
                let lower = |c: char| c.to_ascii_lowercase();
                self.chars().map(lower).eq(other.chars().map(lower))
            }
        }
    }

    /// An integer: `1`, `1.0`, `1e2`, `"1"`, `true`. Decimals are cut, what is beyond 64 bits becomes
    /// the nearest; `None` where the text is no number.
    pub fn integer(&self) -> Option<i64> {
        // Most are a few digits.
        if (1..=18).contains(&self.raw.len()) && self.raw.bytes().all(|b| b.is_ascii_digit()) {
            return Some(self.raw.bytes().fold(0, |sum, b| sum * 10 + i64::from(b - b'0')));
        }
        let mut buffer = [0; NUMBER_BYTES_MAX];
        let text = self.unescape_within(&mut buffer)?.trim();
        if let Ok(number) = text.parse() {
            return Some(number);
        }
        if text.eq_ignore_ascii_case("true") {
            return Some(1);
        }
        if text.eq_ignore_ascii_case("false") {
            return Some(0);
        }
        // `f64` also reads "nan" and "inf".
        let numeric = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        let number: f64 = text.parse().ok().filter(|_| numeric)?;
        Some(number as i64)
    }
}

/// The characters of a [`Text`], escapes processed.
#[derive(Clone, Debug)]
pub struct Chars<'b>(std::str::Chars<'b>);

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.0.next()? {
            '\\' => unescape_one(&mut self.0),
            character => Some(character),
        }
    }
}

/// The character that the escape stands for whose backslash has just been passed; `None` where it is
/// none, half a surrogate pair among them.
pub(super) fn unescape_one(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        same @ ('"' | '\\' | '/') => Some(same),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'u' => {
            let unit = four_hex(rest)?;
            if !(0xD800..0xDC00).contains(&unit) {
                return char::from_u32(unit);
            }
            if rest.next() != Some('\\') || rest.next() != Some('u') {
                return None;
            }
            let low = four_hex(rest).filter(|low| (0xDC00..0xE000).contains(low))?;
            char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
        }
        _ => None,
    }
}

fn four_hex(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit * 16 + rest.next()?.to_digit(16)?;
    }
    Some(unit)
}

/// An array of scalars, or one scalar given for it; empty where the request has neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List<'b> {
    raw: &'b str,
}

impl<'b> List<'b> {
    /// From the raw text of a JSON value.
    pub fn new(raw: &'b str) -> List<'b> {
        List { raw }
    }

    /// Whether it has no scalar.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// This, or `other` where this is empty.
    pub fn or(self, other: List<'b>) -> List<'b> {
        if self.is_empty() { other } else { self }
    }

    /// The raw text of the value.
    pub fn raw(&self) -> &'b [u8] {
        self.raw.as_bytes()
    }

    /// Its scalars that are not empty. One string given for an array is read as its parts between
    /// commas, for some write lists so.
    pub fn iter(&self) -> Entries<'b> {
        let elements = elements(self.raw);
        Entries {
            splits: !elements.array,
            elements,
            rest: None,
        }
    }

    /// Its integers; a string's parts between commas count one by one.
    pub fn integers(&self) -> impl Iterator<Item = i64> + use<'b> {
        let entries = Entries {
            splits: true,
            ..self.iter()
        };
        entries.filter_map(|text| text.integer())
    }
}

/// See [`List::iter`].
#[derive(Clone, Debug)]
pub struct Entries<'b> {
    elements: Elements<'b>,
    /// Whether what stands between the commas of a string counts one by one.
    splits: bool,
    /// What is left of such a string.
    rest: Option<&'b str>,
}

impl<'b> Iterator for Entries<'b> {
    type Item = Text<'b>;

    fn next(&mut self) -> Option<Text<'b>> {
        loop {
            let entry = match self.rest.take() {
                Some(rest) => {
                    let comma = memchr::memchr(b',', rest.as_bytes());
                    self.rest = comma.map(|at| &rest[at + 1..]);
                    Text::new(rest[..comma.unwrap_or(rest.len())].trim())
                }
                None => {
                    let short = self.elements.next_short();
                    let text = short.or_else(|| self.elements.next_as(Scanner::scalar))?;
                    if self.splits {
                        self.rest = Some(text.raw);
                        continue;
                    }
                    text
                }
            };
            if entry.is_present() {
                return Some(entry);
            }
        }
    }
}

/// The values of a raw array, each as raw text; of anything else, that alone.
pub fn elements(raw: &str) -> Elements<'_> {
    let mut scanner = Scanner::new(raw);
    let array = scanner.peek() == Some(b'[');
    scanner.at += usize::from(array);
    Elements { scanner, array }
}

/// See [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'b> {
    scanner: Scanner<'b>,
    array: bool,
}

impl<'b> Iterator for Elements<'b> {
    type Item = &'b str;

    fn next(&mut self) -> Option<&'b str> {
        self.next_as(|s| {
            let start = s.at;
            s.skip().map(|()| s.since(start))
        })
    }
}

impl<'b> Elements<'b> {
    /// The next value, as `read` reads it.
    fn next_as<T>(&mut self, read: impl FnOnce(&mut Scanner<'b>) -> Scan<T>) -> Option<T> {
        let scanner = &mut self.scanner;
        if self.array && scanner.peek()? == b',' {
            scanner.at += 1;
        }
        scanner.peek()?;
        read(scanner).ok()
    }

    /// The next value of an array, where it is a short string without anything before it: most are.
    #[inline(always)]
    fn next_short(&mut self) -> Option<Text<'b>> {
        let Scanner { text, at, .. } = &mut self.scanner;
        let rest = text.as_bytes().get(*at..)?;
        let comma = usize::from(self.array && rest.first() == Some(&b','));
        let (quote, content) = rest.get(comma..)?.split_first()?;
        let run = short_string(content).filter(|_| *quote == b'"')?;
        let start = *at + comma + 1;
        *at = start + run + 1;
        text.get(start..start + run).map(Text::new)
    }
}

/// What `read` makes of each value of a raw array, or of that alone.
fn each<'b, T>(raw: &'b str, read: impl Fn(&mut Scanner<'b>) -> Scan<T>) -> impl Iterator<Item = T> {
    let mut elements = elements(raw);
    std::iter::from_fn(move || elements.next_as(&read))
}

/// Bytes of a request, which is UTF-8.
fn text(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).unwrap_or_default()
}

/// The pairs of `w` and `h` in a raw `banner.format`, an array or one object; entries without either
/// are passed over, as are those beyond `SIZES_MAX`.
pub fn sizes(format: &[u8]) -> impl Iterator<Item = (i64, i64)> {
    formats(format).filter_map(|format| format.w.zip(format.h)).take(SIZES_MAX)
}

/// One entry of `banner.format` (§3.2.10): a size, or a ratio of sides with a least width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatEntry {
    /// `w`.
    pub w: Option<i64>,
    /// `h`.
    pub h: Option<i64>,
    /// `wratio`.
    pub wratio: Option<i64>,
    /// `hratio`.
    pub hratio: Option<i64>,
    /// `wmin`.
    pub wmin: Option<i64>,
}

/// The entries of a raw `banner.format`, an array or one object.
pub fn formats(format: &[u8]) -> impl Iterator<Item = FormatEntry> {
    each(text(format), format_entry)
}

fn format_entry(s: &mut Scanner<'_>) -> Scan<FormatEntry> {
    let mut entry = FormatEntry::default();
    s.object(|s, key| match key {
        b"w" => s.integer().map(|n| entry.w = n),
        b"h" => s.integer().map(|n| entry.h = n),
        b"wratio" => s.integer().map(|n| entry.wratio = n),
        b"hratio" => s.integer().map(|n| entry.hratio = n),
        b"wmin" => s.integer().map(|n| entry.wmin = n),
        _ => s.skip(),
    })?;
    Ok(entry)
}

/// One id of `user.eids` (§3.2.27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eid<'b> {
    /// `source`.
    pub source: Text<'b>,
    /// `uids[].id`.
    pub id: Text<'b>,
    /// `mm`: how it was matched.
    pub method: Option<i64>,
}

/// The ids in a raw `eids` array, each with its source, in order; those without either are passed over.
pub fn eids(raw: &[u8]) -> impl Iterator<Item = Eid<'_>> {
    each(text(raw), source_and_uids)
        .flat_map(|(source, uids, method)| each(uids, uid).map(move |id| Eid { source, id, method }))
        .filter(|eid| eid.source.is_present() && eid.id.is_present())
}

fn source_and_uids<'b>(s: &mut Scanner<'b>) -> Scan<(Text<'b>, &'b str, Option<i64>)> {
    let (mut source, mut uids, mut method) = (Text::default(), "", None);
    s.object(|s, key| match key {
        b"source" => s.text().map(|text| source = text),
        b"uids" => s.raw().map(|raw| uids = raw),
        b"mm" => s.integer().map(|n| method = n),
        _ => s.skip(),
    })?;
    Ok((source, uids, method))
}

/// The ids in a raw `excluded_creatives` array.
pub fn creatives(raw: &[u8]) -> impl Iterator<Item = Text<'_>> {
    each(text(raw), |s| member_or_scalar(s, "buyer_creative_id"))
}

/// The id of one entry of `uids`.
fn uid<'b>(s: &mut Scanner<'b>) -> Scan<Text<'b>> {
    member_or_scalar(s, "id")
}

/// A member of an object, or the scalar given for the object.
fn member_or_scalar<'b>(s: &mut Scanner<'b>, name: &str) -> Scan<Text<'b>> {
    if s.peek() != Some(b'{') {
        return s.scalar();
    }
    let mut value = Text::default();
    s.object(|s, key| match key == name.as_bytes() {
        true => s.text().map(|text| value = text),
        false => s.skip(),
    })?;
    Ok(value)
}

/// What a raw `sua` (§3.2.29) says of browser, system and device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints<'b> {
    /// `platform.brand`.
    pub platform: Text<'b>,
    /// `mobile`; none where it is not said.
    pub mobile: Option<i64>,
    browsers: &'b str,
}

impl<'b> Hints<'b> {
    /// The brands of `browsers`, in order.
    pub fn brands(&self) -> impl Iterator<Item = Text<'b>> + use<'b> {
        each(self.browsers, |s| member_or_scalar(s, "brand"))
    }
}

/// Reads a raw `sua`.
pub fn hints(raw: &[u8]) -> Hints<'_> {
    let mut hints = Hints::default();
    // What cannot be read says nothing.
    let _ = Scanner::new(text(raw)).object(|s, key| match key {
        b"browsers" => s.raw().map(|raw| hints.browsers = raw),
        b"platform" => member_or_scalar(s, "brand").map(|brand| hints.platform = brand),
        b"mobile" => s.integer().map(|n| hints.mobile = n),
        _ => s.skip(),
    });
    hints
}
