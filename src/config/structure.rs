//! A file held against its shape: every fault that the file alone shows.
//!
//! Goes through all of it and stops at nothing; the readers that come after say nothing of structure
//! and take what they can.

use std::collections::HashMap;

use super::fault::{nearest, position, suggest};
use super::node::{Entry, Node, Value};
use super::reader::{KEYS_ANYWHERE, Reader};
use super::shape::form::Form;
use super::shape::{Given, Key, Kind, Rule, SIDE_MAX, Shape};
use crate::base::money::{Money, MoneyFault, Ratio};
use crate::base::time::Span;
use crate::model::advertiser::Size;
use crate::model::event::EventKind;

/// Notes what is wrong with a value.
pub(super) fn check(r: &Reader<'_>, node: &Node<'_>, kind: &Kind) {
    match kind {
        Kind::Text(form) => text(r, node, form),
        Kind::Words(words) => word(r, node, words.iter().copied(), |text| words.contains(&text)),
        Kind::Event => event(r, node),
        Kind::Literals(known) if known.raws.contains(&node.raw) => {}
        Kind::Literals(known) => r.fault(node, known.problem, known.remedy),
        Kind::Bool if matches!(node.value, Value::Bool(_)) => {}
        Kind::Bool => r.fault(node, "not true or false", "write `true` or `false`, without quotes"),
        Kind::Integer(least, most) => integer(r, node, *least, *most),
        Kind::Count(most) => count(r, node, *most),
        Kind::Money => money(r, node),
        Kind::Ratio(least, most) => ratio(r, node, *least, *most),
        Kind::Span(least, most) => span(r, node, *least, *most),
        Kind::Size => size(r, node),
        Kind::List(item) => list(r, node, item),
        Kind::Several(several) => match &node.value {
            Value::Array(items) if items.is_empty() => r.fault(node, several.problem, several.remedy),
            _ => list(r, node, &several.item),
        },
        Kind::Either(kinds) => {
            // Where none fits, the first says what was expected.
            let fitting = kinds.iter().find(|kind| fits(kind, &node.value)).or(kinds.first());
            fitting.into_iter().for_each(|kind| check(r, node, kind));
        }
        Kind::Object(shape) => object(r, node, shape),
        Kind::Map(keys, values) => map(r, node, keys, values),
    }
}

/// Whether a value is of the JSON type that a kind is written as.
fn fits(kind: &Kind, value: &Value<'_>) -> bool {
    match kind {
        Kind::Text(_) | Kind::Words(_) | Kind::Event | Kind::Span(..) => matches!(value, Value::Text(_)),
        Kind::Bool => matches!(value, Value::Bool(_)),
        Kind::Integer(..) | Kind::Count(_) => matches!(value, Value::Number),
        Kind::Money | Kind::Ratio(..) => matches!(value, Value::Number | Value::Text(_)),
        Kind::Size => matches!(value, Value::Array(_) | Value::Text(_)),
        Kind::List(_) | Kind::Several(_) => matches!(value, Value::Array(_)),
        Kind::Object(_) | Kind::Map(..) => matches!(value, Value::Object(_)),
        Kind::Literals(_) => !matches!(value, Value::Array(_) | Value::Object(_)),
        Kind::Either(kinds) => kinds.iter().any(|kind| fits(kind, value)),
    }
}

/// The text of a value that must be text.
fn some_text<'n>(r: &Reader<'_>, node: &'n Node<'_>) -> Option<&'n str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => r.refuse(node, "not text", "write it in double quotes"),
    }
}

fn text(r: &Reader<'_>, node: &Node<'_>, form: &Form) {
    let Some(text) = some_text(r, node) else { return };
    if let Some(fault) = misfit(text, form) {
        r.fault(node, fault.problem, fault.remedy);
    }
}

/// The form that a text fails.
fn misfit<'f>(text: &str, form: &'f Form) -> Option<&'f Form> {
    let wider = form.narrows.and_then(|wider| misfit(text, wider));
    wider.or_else(|| (!(form.accepts)(text)).then_some(form))
}

fn word<'w>(r: &Reader<'_>, node: &Node<'_>, words: impl Iterator<Item = &'w str> + Clone, is_known: impl Fn(&str) -> bool) {
    let Some(text) = some_text(r, node) else { return };
    if !is_known(text) {
        r.fault(node, "unknown value", suggest(text, words));
    }
}

fn event(r: &Reader<'_>, node: &Node<'_>) {
    let kinds = EventKind::ALL.iter().filter(|kind| **kind != EventKind::Custom);
    let names = kinds.map(|kind| kind.label()).chain(["custom:<name>"]);
    word(r, node, names, |text| EventKind::parse(text).is_some());
}

fn integer(r: &Reader<'_>, node: &Node<'_>, least: u32, most: u32) {
    let range = format!("from {least} to {most}");
    let Value::Number = node.value else {
        return r.fault(node, "not a whole number", format!("{range}, without quotes"));
    };
    match node.raw.parse::<i128>() {
        Ok(value) if (i128::from(least)..=i128::from(most)).contains(&value) => {}
        Ok(_) => r.fault(node, "out of range", range),
        Err(_) => r.fault(node, "not a whole number", range),
    }
}

fn count(r: &Reader<'_>, node: &Node<'_>, most: u32) {
    match node.raw.parse::<i128>() {
        Ok(value) if matches!(node.value, Value::Number) && value > i128::from(most) => r.fault(
            node,
            "the record cannot remember so many",
            format!("at most {most} events of a user are kept"),
        ),
        _ => integer(r, node, 0, most),
    }
}

/// A number that is read exactly, written as a number or as text.
fn exact<T>(r: &Reader<'_>, node: &Node<'_>, parse: impl Fn(&str) -> Result<T, MoneyFault>) -> Option<T> {
    let text = match &node.value {
        Value::Number => node.raw,
        Value::Text(text) => text,
        _ => return r.refuse(node, "not a number", "write a number or a number as text, such as `0.40`"),
    };
    let remedy = match parse(text) {
        Ok(value) => return Some(value),
        Err(MoneyFault::NotDecimal) => "write digits and a point, such as `0.40`",
        Err(MoneyFault::TooFine) => "amounts are exact to nine decimals",
        Err(MoneyFault::TooLarge) => "write a smaller number",
    };
    r.refuse(node, parse(text).err().map_or_else(String::new, |fault| fault.to_string()), remedy)
}

fn money(r: &Reader<'_>, node: &Node<'_>) {
    if exact(r, node, Money::parse).is_some_and(|amount| amount.0 <= 0) {
        r.fault(node, "not above zero", "write an amount above zero");
    }
}

fn ratio(r: &Reader<'_>, node: &Node<'_>, least: Ratio, most: Ratio) {
    if exact(r, node, Ratio::parse).is_some_and(|value| !(least..=most).contains(&value)) {
        r.fault(node, "out of range", format!("from {least} to {most}"));
    }
}

fn span(r: &Reader<'_>, node: &Node<'_>, least: Span, most: Span) {
    let Some(text) = some_text(r, node) else { return };
    match Span::parse(text) {
        Some(span) if (least..=most).contains(&span) => {}
        Some(Span(0)) => r.fault(node, "no time at all", "write a duration above zero"),
        Some(_) if most == Span(u32::MAX) => r.fault(node, "too short", format!("at least `{least}`")),
        Some(_) => r.fault(node, "out of range", format!("from {least} to {most}")),
        None => r.fault(node, "not a duration", "digits and one of `s m h d`: `90s`, `15m`, `12h`, `30d`"),
    }
}

fn size(r: &Reader<'_>, node: &Node<'_>) {
    match &node.value {
        Value::Array(sides) if sides.len() == 2 => sides.iter().for_each(|side| integer(r, side, 1, SIDE_MAX)),
        Value::Text(text) if size_of_text(text).is_some() => {}
        _ => r.fault(node, "not a size", "`[300, 250]` or `\"300x250\"`"),
    }
}

/// A size written `300x250`.
pub(super) fn size_of_text(text: &str) -> Option<Size> {
    let side = |text: &str| {
        let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|side| is_plain && (1..=SIDE_MAX).contains(side))
    };
    let (w, h) = text.split_once('x')?;
    Some(Size { w: side(w)?, h: side(h)? })
}

fn list(r: &Reader<'_>, node: &Node<'_>, item: &Kind) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|node| check(r, node, item)),
        _ => r.fault(node, "not a list", "write `[...]`"),
    }
}

/// The entries of an object without the keys that are allowed anywhere; a key given twice is a fault.
fn entries<'n, 't>(r: &Reader<'_>, node: &'n Node<'t>) -> Option<Vec<&'n Entry<'t>>> {
    let Value::Object(entries) = &node.value else {
        return r.refuse(node, "not an object", "write `{...}`");
    };
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        if let Some(first) = seen.insert(&entry.key, entry.at) {
            let remedy = format!("keep one; the first is on line {}", position(r.text(), first).0);
            r.fault_of_key(entry, "key given twice", remedy);
        }
    }
    Some(
        entries
            .iter()
            .filter(|entry| !KEYS_ANYWHERE.contains(&entry.key.as_str()))
            .collect(),
    )
}

fn map(r: &Reader<'_>, node: &Node<'_>, keys: &Form, values: &Kind) {
    for entry in entries(r, node).unwrap_or_default() {
        match misfit(&entry.key, keys) {
            Some(form) => r.fault(&entry.node, form.problem, form.remedy),
            None => check(r, &entry.node, values),
        }
    }
}

fn object(r: &Reader<'_>, node: &Node<'_>, shape: &'static Shape) {
    let Some(entries) = entries(r, node) else { return };
    let names = shape.keys().map(|key| key.name);
    let mut present = Present {
        entries: &entries,
        meant: Vec::new(),
        shape,
    };
    for entry in &entries {
        match shape.key(&entry.key) {
            Some(_) if entry.node.is_null() => {}
            Some(key) => check(r, &entry.node, &key.kind),
            None => {
                present.meant.extend(nearest(&entry.key, names.clone()));
                r.fault_of_key(entry, "unknown key", suggest(&entry.key, names.clone()));
            }
        }
    }
    for key in shape.keys().filter(|key| key.given == Given::Must && !present.has(key.name)) {
        missing(r, node, key.name, "it must be given");
    }
    for rule in shape.rules() {
        follow(r, node, &present, rule);
    }
}

fn missing(r: &Reader<'_>, node: &Node<'_>, key: &str, remedy: &str) {
    r.fault(node, format!("`{key}` is missing"), remedy);
}

/// The keys of an object that are there.
struct Present<'a, 't> {
    entries: &'a [&'a Entry<'t>],
    /// What its unknown keys were probably meant to be: one slip is one fault, so these are not also
    /// reported as missing.
    meant: Vec<&'static str>,
    shape: &'static Shape,
}

impl<'a, 't> Present<'a, 't> {
    fn get(&self, key: &str) -> Option<&'a Node<'t>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.node).filter(|node| !node.is_null())
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some() || self.meant.contains(&key)
    }

    /// The text of a key or of its default.
    fn word(&self, key: &str) -> Option<&str> {
        let default = || self.shape.key(key).and_then(Key::default).map(|node| &node.value);
        match self.get(key).map(|node| &node.value).or_else(default)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn follow(r: &Reader<'_>, node: &Node<'_>, present: &Present<'_, '_>, rule: &Rule) {
    let has = |key: &&str| present.has(key);
    match rule {
        Rule::AnyOf(keys, say) if !keys.iter().any(has) => r.fault(node, say.0, say.1),
        Rule::OneOf(keys, neither, both) => match keys.iter().filter(|key| has(key)).count() {
            0 => r.fault(node, neither.0, neither.1),
            2 => r.fault(node, both.0, both.1),
            _ => {}
        },
        Rule::Together([a, b], say) if has(a) != has(b) => r.fault(node, say.0, say.1),
        Rule::SomeOf(keys, say) => {
            let is_empty = |key: &str| {
                present
                    .get(key)
                    .is_some_and(|node| matches!(&node.value, Value::Array(items) if items.is_empty()))
            };
            if !keys.iter().any(|key| has(key) && !is_empty(key)) {
                r.fault(node, say.0, say.1);
            }
        }
        Rule::Needs(key, words, needed, remedy) if present.word(key).is_some_and(|word| words.contains(&word)) => {
            for key in needed.iter().filter(|key| !has(key)) {
                missing(r, node, key, remedy);
            }
        }
        _ => {}
    }
}
