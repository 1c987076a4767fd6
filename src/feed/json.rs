//! JSON as a stream of items: an object a line, a list of objects, or an object that holds the list.
//!
//! Names and shapes are those of Merchant Center's API, of Shopify's and of feeds in general. A line
//! that is no object is reported and skipped; in a list, text that is no JSON ends the feed.

use std::io::{BufRead, ErrorKind};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::meter::Meter;
use super::raw::{Field, Halt, PIECE_BYTES_MAX, Rank, RawItem, unreadable};
use super::report::Rejection;
use crate::base::limits::FEED_ITEM_BYTES_MAX;

/// Names under which an object holds a list of items.
const LISTS: [&str; 7] = ["products", "items", "entries", "resources", "data", "results", "feed"];
/// Members that hold attributes of the item itself.
const NESTED: [&str; 2] = ["attributes", "productAttributes"];
/// Members of an object that are the text meant, best first.
const TEXTS: [&str; 6] = ["url", "src", "href", "content", "fullName", "name"];

/// How items stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One a line.
    Lines,
    /// In a list that starts so many bytes into the file.
    List(usize),
}

/// The shape of a file that begins with `head`.
pub(super) fn shape(head: &[u8]) -> Shape {
    match head.trim_ascii_start() {
        [b'[', ..] => Shape::List(head.len() - head.trim_ascii_start().len()),
        _ => list_in_object(head).map_or(Shape::Lines, Shape::List),
    }
}

/// Where the list of items starts in an object, behind nothing but texts: `{"kind": "…", "items": [{`.
fn list_in_object(head: &[u8]) -> Option<usize> {
    let after = |at: usize, mark: u8| {
        let rest = head.get(at..)?;
        let rest_trimmed = rest.trim_ascii_start();
        (rest_trimmed.first() == Some(&mark)).then(|| at + rest.len() - rest_trimmed.len() + 1)
    };
    let text = |at: usize| {
        let mut texts = serde_json::Deserializer::from_slice(head.get(at..)?).into_iter::<String>();
        let text = texts.next()?.ok()?;
        Some((text, at + texts.byte_offset()))
    };
    let mut at = after(0, b'{')?;
    loop {
        let (name, behind) = text(at)?;
        let value = after(behind, b':')?;
        if let Some(list) = after(value, b'[') {
            let holds_objects = after(list, b'{').or_else(|| after(list, b']')).is_some();
            return (holds_objects && LISTS.contains(&name.as_str())).then_some(list - 1);
        }
        if Field::named(&name).is_some() {
            return None;
        }
        at = after(text(value)?.1, b',')?;
    }
}

/// The items of a feed in JSON.
pub(super) struct Items<R> {
    input: Meter<R>,
    shape: Shape,
    /// The line at hand.
    buffer: Vec<u8>,
    has_objects: bool,
    is_over: bool,
}

impl<R: BufRead> Items<R> {
    pub fn new(input: R, shape: Shape) -> Result<Items<R>, Halt> {
        let mut input = Meter::new(input);
        if let Shape::List(mut before) = shape {
            // Up to and with the bracket.
            before += 1;
            input.allow(before + 1);
            while before > 0 {
                let some = input.fill_buf()?.len().min(before);
                if some == 0 {
                    break;
                }
                input.consume(some);
                before -= some;
            }
        }
        Ok(Items {
            input,
            shape,
            buffer: Vec::new(),
            has_objects: false,
            is_over: false,
        })
    }

    /// The line reading has come to.
    pub fn line(&self) -> u32 {
        self.input.line()
    }

    /// The next item; `None` at the end of the feed.
    pub fn next_item(&mut self) -> Result<Option<RawItem>, Halt> {
        if self.is_over {
            return Ok(None);
        }
        match self.shape {
            Shape::Lines => self.next_line(),
            Shape::List(_) => self.next_element(),
        }
    }

    fn next_line(&mut self) -> Result<Option<RawItem>, Halt> {
        loop {
            let line = self.input.line();
            self.buffer.clear();
            self.input.allow(FEED_ITEM_BYTES_MAX);
            match self.input.read_until(b'\n', &mut self.buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::FileTooLarge && self.input.is_spent() => {
                    self.pass_line()?;
                    let mut item = RawItem::at(line);
                    item.spoil(Rejection::TooLarge, "");
                    return Ok(Some(item));
                }
                Err(error) => return Err(Halt::Io(error)),
            }
            let text = self.buffer.trim_ascii();
            if text.is_empty() {
                continue;
            }
            return Ok(Some(match serde_json::from_slice(text) {
                Ok(Value::Object(members)) => {
                    self.has_objects = true;
                    item(line, &members)
                }
                Ok(_) => RawItem::malformed(line, "not an object"),
                Err(fault) => RawItem::malformed(line, &format!("not JSON from column {}", fault.column())),
            }));
        }
        self.is_over = true;
        if self.has_objects {
            return Ok(None);
        }
        unreadable("no line of it is a JSON object: give one object a line, or a list of objects")
    }

    fn pass_line(&mut self) -> Result<(), Halt> {
        loop {
            self.input.allow(PIECE_BYTES_MAX);
            let bytes = self.input.fill_buf()?;
            let end = bytes.iter().position(|b| *b == b'\n');
            let passed = end.map_or(bytes.len(), |end| end + 1);
            self.input.consume(passed);
            if end.is_some() || passed == 0 {
                return Ok(());
            }
        }
    }

    fn next_element(&mut self) -> Result<Option<RawItem>, Halt> {
        let next = self.pass(|b| b.is_ascii_whitespace() || b == b',')?;
        let line = self.input.line();
        match next {
            Some(b'{') => {
                let members: Map<String, Value> = self.value()?;
                let mut item = item(line, &members);
                item.weigh(self.input.taken());
                Ok(Some(item))
            }
            Some(b']') => {
                self.is_over = true;
                Ok(None)
            }
            Some(b'[' | b'"') => {
                let IgnoredAny = self.value()?;
                Ok(Some(RawItem::malformed(line, "not an object")))
            }
            Some(_) => {
                self.pass(|b| !matches!(b, b',' | b']' | b'\n'))?;
                Ok(Some(RawItem::malformed(line, "not an object")))
            }
            None => unreadable("the file ends inside the list: was it cut short?"),
        }
    }

    /// Passes over bytes; what stands behind them.
    fn pass(&mut self, is_passed: fn(u8) -> bool) -> Result<Option<u8>, Halt> {
        loop {
            self.input.allow(PIECE_BYTES_MAX);
            let bytes = self.input.fill_buf()?;
            let found = bytes.iter().position(|b| !is_passed(*b));
            let next = found.and_then(|at| bytes.get(at).copied());
            let passed = found.unwrap_or(bytes.len());
            self.input.consume(passed);
            if next.is_some() || passed == 0 {
                return Ok(next);
            }
        }
    }

    /// A value that ends by itself, so that nothing behind it is taken.
    fn value<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, Halt> {
        self.input.allow(PIECE_BYTES_MAX);
        let read = T::deserialize(&mut serde_json::Deserializer::from_reader(&mut self.input));
        match read {
            Ok(value) => Ok(value),
            Err(_) if self.input.is_spent() => unreadable(format!("one item is larger than {PIECE_BYTES_MAX} bytes: is this a feed?")),
            Err(fault) if fault.is_io() => Err(Halt::Io(fault.into())),
            Err(fault) if fault.is_eof() => unreadable("the file ends inside an item: was it cut short?"),
            Err(_) => unreadable("not JSON: correct it, or give one object a line, so that a bad one costs itself only"),
        }
    }
}

fn item(line: u32, members: &Map<String, Value>) -> RawItem {
    let mut item = RawItem::at(line);
    let nested = NESTED.iter().filter_map(|name| members.get(*name)?.as_object());
    for (name, value) in nested.flatten().chain(members) {
        if let Some((field, rank)) = Field::named(name) {
            put(&mut item, field, rank, value);
        }
    }
    item
}

/// Puts a value; of a list all, of an object the text it stands for.
pub(super) fn put(item: &mut RawItem, field: Field, rank: Rank, value: &Value) {
    let is_amount = matches!(field, Field::Price | Field::SalePrice | Field::PriceBefore);
    match value {
        Value::Null => {}
        Value::Bool(yes) => item.put(field, rank, word(field, *yes)),
        Value::Number(number) if is_amount => item.put(field, rank, &exact(&number.to_string())),
        Value::Number(number) => item.put(field, rank, &number.to_string()),
        Value::String(text) => item.put(field, rank, text),
        Value::Array(values) => values.iter().for_each(|value| put(item, field, rank, value)),
        Value::Object(members) if is_amount => item.put(field, rank, &amount(members)),
        Value::Object(members) if field == Field::SaleDates => {
            let edge = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
            item.put(field, rank, &format!("{}/{}", edge("startTime"), edge("endTime")));
        }
        Value::Object(members) => {
            let text = TEXTS.iter().find_map(|name| members.get(*name)?.as_str());
            item.put(field, rank, text.unwrap_or_default());
        }
    }
}

fn word(field: Field, yes: bool) -> &'static str {
    match (field, yes) {
        (Field::Availability, true) => "in stock",
        (Field::Availability, false) => "out of stock",
        (_, true) => "yes",
        (_, false) => "no",
    }
}

/// `{"amountMicros": "15990000", "currencyCode": "USD"}`, `{"value": "15.99", "currency": "USD"}`.
fn amount(members: &Map<String, Value>) -> String {
    let text = |names: &[&str]| {
        names.iter().find_map(|name| match members.get(*name)? {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let micros = text(&["amountMicros", "amount_micros"]).map(|micros| match micros.parse::<i64>() {
        Ok(n) if n >= 0 => format!("{}.{:06}", n / 1_000_000, n % 1_000_000),
        _ => micros,
    });
    let amount = micros.or_else(|| text(&["value", "amount"]).map(|amount| exact(&amount)));
    let currency = text(&["currencyCode", "currency_code", "currency"]);
    format!("{} {}", amount.unwrap_or_default(), currency.unwrap_or_default())
}

/// A number of JSON in a form that leaves no doubt that its point is a decimal one: three digits
/// behind a point could be thousands in a price that people wrote.
fn exact(number: &str) -> String {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match number.split_once('.') {
        Some((whole, fraction)) if is_digits(whole) && is_digits(fraction) => format!("{whole}.{fraction:0<6}"),
        _ => number.to_owned(),
    }
}
