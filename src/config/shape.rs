//! The shapes of config files: every key of contract §2 and §3 with its kind, its range, whether it
//! must be given, its default and what it means. Here and nowhere else.
//!
//! `structure` holds files against these tables, the readers take ranges and defaults from them, and
//! `schema` prints them. Says nothing of what needs more than the file: ids that others name, rates,
//! other files, the clock.

mod access;
pub(super) mod advertiser;
mod campaign;
pub(super) mod creative;
mod exchange;
pub(super) mod form;
pub(super) mod server;
mod targeting;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::node::{Node, Value, parse};
use crate::base::limits::EXPOSURES_MAX;
use crate::base::money::Ratio;
use crate::base::time::Span;
use form::Form;

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Text of a form.
    Text(&'static Form),
    /// One of some words.
    Words(&'static [&'static str]),
    /// The name of an event, `custom:<name>` among them.
    Event,
    /// One of some JSON values.
    Literals(&'static Literals),
    /// `true` or `false`.
    Bool,
    /// A whole number from the first to the second.
    Integer(u32, u32),
    /// A number of events of one user, to as many as are remembered.
    Count(u32),
    /// An amount above zero, as a number or as text.
    Money,
    /// A number from the first to the second, as a number or as text.
    Ratio(Ratio, Ratio),
    /// A duration from the first to the second.
    Span(Span, Span),
    /// `[w, h]` or `"wxh"`.
    Size,
    /// A list.
    List(&'static Kind),
    /// A list with something in it.
    Several(&'static Several),
    /// Whichever of these fits the value's JSON type.
    Either(&'static [Kind]),
    /// An object.
    Object(&'static Shape),
    /// An object whose keys are of the first form.
    Map(&'static Form, &'static Kind),
}

/// JSON values as they are written.
#[derive(Debug)]
pub(super) struct Literals {
    /// Each as it is written.
    pub raws: &'static [&'static str],
    /// What is wrong with others.
    pub problem: &'static str,
    /// What would be right.
    pub remedy: &'static str,
}

/// A list that must not be empty.
#[derive(Debug)]
pub(super) struct Several {
    /// What each item is.
    pub item: Kind,
    /// What is wrong with none.
    pub problem: &'static str,
    /// What would be right.
    pub remedy: &'static str,
}

/// Whether a key must be given, and what holds where it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// It must be.
    Must,
    /// It need not be; nothing, or what the description says, stands in its place.
    May,
    /// It need not be; this JSON stands in its place.
    Or(&'static str),
}

/// A key of an object.
#[derive(Debug)]
pub(super) struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value must be. `null` counts as not given.
    pub kind: Kind,
    /// Whether it must be given.
    pub given: Given,
    /// What it means, for people.
    pub help: &'static str,
}

/// An object: its keys and what they ask of one another.
#[derive(Debug)]
pub(super) struct Shape {
    /// What it is called in a schema.
    pub name: &'static str,
    /// What it is, for people.
    pub help: &'static str,
    /// A shape whose keys it has too.
    pub base: Option<&'static Shape>,
    /// Its keys.
    pub keys: &'static [Key],
    /// What the keys ask of one another.
    pub rules: &'static [Rule],
}

/// What the keys of one object ask of one another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// One of these at least.
    AnyOf(&'static [&'static str], Say),
    /// One of these, and not both; what is said of neither, and of both.
    OneOf([&'static str; 2], Say, Say),
    /// Both or neither.
    Together([&'static str; 2], Say),
    /// A list with something in it in one of these at least.
    SomeOf(&'static [&'static str], Say),
    /// `key` needs others where it is one of some words; the text is the remedy.
    Needs(&'static str, &'static [&'static str], &'static [&'static str], &'static str),
}

/// What is wrong, and what would be right.
pub(super) type Say = (&'static str, &'static str);

/// Any length of time.
const ANY_SPAN: Kind = Kind::Span(Span(1), Span(u32::MAX));
/// From as little as can be written to one.
const SHARE: Kind = Kind::Ratio(Ratio(1), Ratio::ONE);
/// Impressions of a user that are remembered.
const SHOWN_MAX: u32 = EXPOSURES_MAX as u32;
/// Widths and heights.
pub(super) const SIDE_MAX: u32 = 10_000;

/// A list of names with at least one.
const fn named(item: Kind) -> Several {
    Several {
        item,
        problem: "an empty list",
        remedy: "name at least one",
    }
}

/// A key that must be given.
const fn must(name: &'static str, kind: Kind, help: &'static str) -> Key {
    let given = Given::Must;
    Key { name, kind, given, help }
}

/// A key that need not be given.
const fn may(name: &'static str, kind: Kind, help: &'static str) -> Key {
    let given = Given::May;
    Key { name, kind, given, help }
}

/// A key with a default.
const fn or(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Key {
    let given = Given::Or(default);
    Key { name, kind, given, help }
}

impl Shape {
    /// Every key, those of the base first.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + Clone + use<> {
        let base: &'static [Key] = self.base.map_or(&[], |base| base.keys);
        base.iter().chain(self.keys)
    }

    /// The key of a name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    /// Every rule, those of the base first.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> + use<> {
        let base: &'static [Rule] = self.base.map_or(&[], |base| base.rules);
        base.iter().chain(self.rules)
    }
}

impl Key {
    /// What stands in the place of a key that is not given.
    pub fn default(&self) -> Option<&'static Node<'static>> {
        match self.given {
            Given::Or(text) => DEFAULTS.get(text),
            _ => None,
        }
    }

    /// The shape of its value, or of the items of its list, where that is an object.
    pub fn shape(&self) -> Option<&'static Shape> {
        self.kind.shape()
    }
}

impl Kind {
    fn shape(&self) -> Option<&'static Shape> {
        match self {
            Kind::Object(shape) => Some(shape),
            Kind::List(item) => item.shape(),
            Kind::Several(several) => several.item.shape(),
            Kind::Either(kinds) => kinds.iter().find_map(Kind::shape),
            _ => None,
        }
    }
}

/// The defaults of all tables, read once.
static DEFAULTS: LazyLock<HashMap<&'static str, Node<'static>>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    for root in [&server::SERVER, &advertiser::ADVERTISER] {
        walk(&Kind::Object(root), "", &mut |_, key| {
            if let Given::Or(text) = key.given
                && let Ok(mut node) = parse(text)
            {
                mark(&mut node);
                found.insert(text, node);
            }
        });
    }
    found
});

/// A default stands in no file: nothing is said of it.
fn mark(node: &mut Node<'_>) {
    node.at = Node::NOWHERE;
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(mark),
        Value::Object(entries) => entries.iter_mut().for_each(|entry| mark(&mut entry.node)),
        _ => {}
    }
}

/// Calls `each` with every key below a kind and its path, such as `campaigns[].bid.max_cpm`; `*` stands
/// for a name of the user's choice.
pub(super) fn walk(kind: &Kind, path: &str, each: &mut dyn FnMut(&str, &'static Key)) {
    match kind {
        Kind::Object(shape) => {
            for key in shape.keys() {
                let below = if path.is_empty() {
                    key.name.to_owned()
                } else {
                    format!("{path}.{}", key.name)
                };
                each(&below, key);
                walk(&key.kind, &below, each);
            }
        }
        Kind::List(item) => walk(item, &format!("{path}[]"), each),
        Kind::Several(several) => walk(&several.item, &format!("{path}[]"), each),
        Kind::Map(_, value) => walk(value, &format!("{path}.*"), each),
        Kind::Either(kinds) => kinds.iter().for_each(|kind| walk(kind, path, each)),
        _ => {}
    }
}
