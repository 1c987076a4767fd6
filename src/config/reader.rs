//! Typed readers over a tree of nodes that has been held against its shape: each takes what it can.
//!
//! What the file alone shows to be wrong is noted by `structure` before, so most readers say nothing
//! where they return `None`; ranges and defaults are the shape's. Never stops at a fault; whoever
//! assembles a value looks at [`Reader::finish`] before using it.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use url::Host;

use super::fault::{Fault, position, shorten, suggest};
use super::node::{Entry, Node, Value};
use super::shape::{Key, Kind, Shape};
use super::structure::check;
use crate::base::limits::FAULTS_MAX;
use crate::base::money::{Currency, Money, Ratio};
use crate::base::time::Span;

/// Keys that any object may have, for the people and tools around the file.
pub(super) const KEYS_ANYWHERE: [&str; 3] = ["$schema", "note", "labels"];

/// Faults and warnings that are kept while reading; finding the place of each takes a pass over the file.
const NOTES_MAX: usize = 5 * FAULTS_MAX;

/// A file being read: its text and the faults so far.
pub(super) struct Reader<'t> {
    name: &'t str,
    text: &'t str,
    dir: PathBuf,
    faults: RefCell<Vec<Fault>>,
    /// Faults and warnings beyond what is worth finding the place of.
    more: Cell<usize>,
}

impl<'t> Reader<'t> {
    /// Reads `text`, calls it `name`, and takes relative paths from `dir`.
    pub fn new(name: &'t str, dir: &Path, text: &'t str) -> Reader<'t> {
        Reader {
            name,
            text,
            dir: dir.to_owned(),
            faults: RefCell::default(),
            more: Cell::new(0),
        }
    }

    /// Where the file is.
    pub fn file(&self) -> PathBuf {
        let name = Path::new(self.name).file_name().unwrap_or_default();
        self.dir.join(name)
    }

    /// The file's text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Holds the whole file against its shape and opens it.
    pub fn open<'r>(&'r self, root: &'r Node<'t>, shape: &'static Shape) -> Option<Object<'r, 't>> {
        check(self, root, &Kind::Object(shape));
        self.object(root, shape)
    }

    /// Every fault and warning, in the file's order; of too many, the rest is counted.
    pub fn finish(&self) -> Vec<Fault> {
        let mut found = self.faults.borrow().clone();
        found.sort_by(|a, b| {
            let key = |fault: &Fault| (fault.file != self.name, fault.file.clone(), fault.line, fault.column);
            key(a).cmp(&key(b))
        });
        let more = (found.len() + self.more.get()).saturating_sub(FAULTS_MAX);
        if more > 0 && found.iter().any(|fault| !fault.warning) {
            // Warnings give way first: what is cut must not hide why the file is refused.
            found.sort_by_key(|fault| fault.warning);
            found.truncate(FAULTS_MAX);
            found.push(Fault::of_file(self.name, 0, 0, format!("and {more} more faults and warnings")));
        }
        found
    }

    /// Notes a fault at a value.
    pub fn fault(&self, node: &Node<'_>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.note(node.at, &node.pointer, node.raw, problem.into(), remedy.into(), false);
    }

    /// Notes a fault of a file that this one names.
    pub fn add(&self, fault: Fault) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < NOTES_MAX {
            faults.push(fault);
        } else {
            self.more.set(self.more.get() + 1);
        }
    }

    /// Notes a fault at a key.
    pub fn fault_of_key(&self, entry: &Entry<'_>, problem: &str, remedy: String) {
        self.note(entry.at, &entry.node.pointer, entry.node.raw, problem.into(), remedy, false);
    }

    /// Notes something worth saying at a value.
    pub fn warn(&self, node: &Node<'_>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.note(node.at, &node.pointer, node.raw, problem.into(), remedy.into(), true);
    }

    fn note(&self, at: usize, pointer: &str, raw: &str, problem: String, remedy: String, warning: bool) {
        if at == Node::NOWHERE {
            return;
        }
        let mut faults = self.faults.borrow_mut();
        // The first fault is kept however many warnings came before it: it decides.
        if faults.len() >= NOTES_MAX && (warning || faults.iter().any(|fault| !fault.warning)) {
            self.more.set(self.more.get() + 1);
            return;
        }
        let (line, column) = position(self.text, at);
        faults.push(Fault {
            file: self.name.to_owned(),
            line,
            column,
            pointer: pointer.to_owned(),
            value: shorten(raw),
            problem,
            remedy: Some(remedy).filter(|r| !r.is_empty()),
            warning,
        });
    }

    /// An object of a shape.
    pub fn object<'r>(&'r self, node: &'r Node<'t>, shape: &'static Shape) -> Option<Object<'r, 't>> {
        let Value::Object(entries) = &node.value else { return None };
        let reader = self;
        Some(Object {
            reader,
            node,
            entries,
            shape,
        })
    }

    /// The items of a list.
    pub fn items<'n>(&self, node: &'n Node<'t>) -> &'n [Node<'t>] {
        match &node.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// Each item of a list.
    pub fn list<T>(&self, node: &Node<'t>, read: impl Fn(&Reader<'t>, &Node<'t>) -> Option<T>) -> Option<Vec<T>> {
        match &node.value {
            Value::Array(items) => Some(items.iter().filter_map(|item| read(self, item)).collect()),
            _ => None,
        }
    }

    /// The ids of a list's objects, as written: what others may refer to even where something else
    /// is wrong with the object. An id given twice is a fault.
    pub fn ids(&self, list: Option<&Node<'t>>) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        for item in list.map_or(&[][..], |list| self.items(list)) {
            let id = match &item.value {
                Value::Object(entries) => entries.iter().find(|entry| entry.key == "id").map(|entry| &entry.node),
                _ => None,
            };
            let text = match id.map(|node| &node.value) {
                Some(Value::Text(text)) => text.as_str(),
                _ => "",
            };
            if let Some(node) = id.filter(|_| !text.is_empty() && !seen.insert(text)) {
                self.fault(node, "id given twice", "ids are unique in their list");
            }
            ids.push(text.to_owned());
        }
        ids
    }

    /// Text for people and for others' systems, trimmed.
    pub fn words(&self, node: &Node<'t>) -> Option<String> {
        Some(self.string(node)?.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Text that is compared: trimmed and lower case.
    pub fn lower(&self, node: &Node<'t>) -> Option<String> {
        self.words(node).map(|text| text.to_lowercase())
    }

    /// Text as it is written. Addresses are not normalised: that would escape the braces of macros.
    pub fn plain(&self, node: &Node<'t>) -> Option<String> {
        self.string(node).map(str::to_owned)
    }

    /// Text as it is written.
    pub fn string<'n>(&self, node: &'n Node<'t>) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, node: &Node<'t>) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The exact text of a number, written as a number or as text.
    fn decimal<'n>(&self, node: &'n Node<'t>) -> Option<&'n str> {
        match &node.value {
            Value::Number => Some(node.raw),
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An amount above zero.
    pub fn money(&self, node: &Node<'t>) -> Option<Money> {
        Money::parse(self.decimal(node)?).ok().filter(|amount| amount.0 > 0)
    }

    /// A ratio.
    pub fn ratio(&self, node: &Node<'t>) -> Option<Ratio> {
        Ratio::parse(self.decimal(node)?).ok()
    }

    /// A whole number.
    pub fn integer(&self, node: &Node<'t>) -> Option<u32> {
        match node.value {
            Value::Number => node.raw.parse().ok(),
            _ => None,
        }
    }

    /// A length of time.
    pub fn span(&self, node: &Node<'t>) -> Option<Span> {
        Span::parse(self.string(node)?)
    }

    /// What a word stands for.
    pub fn word<T: Copy>(&self, node: &Node<'t>, words: &[(&str, T)]) -> Option<T> {
        let text = self.string(node)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    }

    /// The place in `names` of what a text names; a fault where it names nothing.
    pub fn reference(&self, node: &Node<'t>, kind: &str, names: &[String]) -> Option<usize> {
        let text = self.string(node).filter(|text| !text.trim().is_empty())?;
        let found = names.iter().position(|name| *name == text);
        if found.is_none() {
            self.fault(node, format!("no such {kind}"), suggest(text, names.iter().map(String::as_str)));
        }
        found
    }

    /// A listed currency.
    pub fn currency(&self, node: &Node<'t>) -> Option<Currency> {
        Currency::parse(self.string(node)?).filter(|currency| currency.is_listed())
    }

    /// A path, relative to the file's folder.
    pub fn path(&self, node: &Node<'t>) -> Option<PathBuf> {
        self.words(node).map(|text| self.dir.join(text))
    }

    /// A path to a file that must be there; a fault where it is not.
    pub fn existing_file(&self, node: &Node<'t>) -> Option<PathBuf> {
        let path = self.path(node)?;
        if path.is_file() {
            return Some(path);
        }
        self.refuse(node, "no such file", format!("looked for {}", path.display()))
    }

    /// A host name or address, as URLs write it.
    pub fn host(&self, node: &Node<'t>) -> Option<String> {
        Host::parse(self.string(node)?).ok().map(|host| host.to_string())
    }

    /// Notes a fault; for the last line of a reader.
    pub fn refuse<T>(&self, node: &Node<'_>, problem: impl Into<String>, remedy: impl Into<String>) -> Option<T> {
        self.fault(node, problem, remedy);
        None
    }
}

/// An object being read. A key whose value is `null` counts as not given.
pub(super) struct Object<'r, 't> {
    reader: &'r Reader<'t>,
    /// The object itself, for faults that concern all of it; the one around it where it is not given.
    pub node: &'r Node<'t>,
    entries: &'r [Entry<'t>],
    shape: &'static Shape,
}

impl<'r, 't> Object<'r, 't> {
    /// The value of a key, `null` included.
    pub fn written(&self, key: &str) -> Option<&'r Node<'t>> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'r Node<'t>> {
        self.written(key).filter(|node| !node.is_null())
    }

    /// What the shape says of a key.
    fn key(&self, key: &str) -> Option<&'static Key> {
        let found = self.shape.key(key);
        debug_assert!(found.is_some(), "`{key}` is no key of {}", self.shape.name);
        found
    }

    /// Reads a key, or its default where it is not given or has faults: `None` only where it has no
    /// default.
    pub fn read<T>(&self, key: &str, read: impl Fn(&Reader<'t>, &Node<'t>) -> Option<T>) -> Option<T> {
        let default = self.key(key).and_then(Key::default);
        let given = self.get(key).and_then(|node| read(self.reader, node));
        given.or_else(|| read(self.reader, default?))
    }

    /// Reads each item of a list.
    pub fn list<T>(&self, key: &str, read: impl Fn(&Reader<'t>, &Node<'t>) -> Option<T>) -> Vec<T> {
        self.read(key, |r, n| r.list(n, &read)).unwrap_or_default()
    }

    /// Reads each object of a list.
    pub fn objects<T>(&self, key: &str, read: impl Fn(&Reader<'t>, &Object<'_, 't>) -> Option<T>) -> Vec<T> {
        self.list(key, |r, n| read(r, &self.item(key, n)?))
    }

    /// An item of a key's list, where it is an object.
    pub fn item<'n>(&self, key: &str, node: &'n Node<'t>) -> Option<Object<'n, 't>>
    where
        'r: 'n,
    {
        self.reader.object(node, self.key(key)?.shape()?)
    }

    /// Text, trimmed.
    pub fn text(&self, key: &str) -> Option<String> {
        self.read(key, Reader::words)
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.read(key, Reader::boolean)
    }

    /// A whole number.
    pub fn integer(&self, key: &str) -> Option<u32> {
        self.read(key, Reader::integer)
    }

    /// An amount above zero.
    pub fn money(&self, key: &str) -> Option<Money> {
        self.read(key, Reader::money)
    }

    /// A ratio.
    pub fn ratio(&self, key: &str) -> Option<Ratio> {
        self.read(key, Reader::ratio)
    }

    /// A length of time.
    pub fn span(&self, key: &str) -> Option<Span> {
        self.read(key, Reader::span)
    }

    /// What a word stands for.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.read(key, |r, n| r.word(n, words))
    }

    /// A path, relative to the file's folder.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.read(key, Reader::path)
    }

    /// An inner object, where it is given.
    pub fn object(&self, key: &str) -> Option<Object<'r, 't>> {
        self.reader.object(self.get(key)?, self.key(key)?.shape()?)
    }

    /// An inner object; where it is not given, one in which every key has its default.
    pub fn inner(&self, key: &str) -> Object<'r, 't> {
        self.object(key).unwrap_or(Object {
            reader: self.reader,
            node: self.node,
            entries: &[],
            shape: self.key(key).and_then(Key::shape).unwrap_or(self.shape),
        })
    }

    /// The entries of an inner object whose keys are names of the user's choice.
    pub fn map(&self, key: &str) -> Vec<&'r Entry<'t>> {
        match self.get(key).map(|node| &node.value) {
            Some(Value::Object(entries)) => {
                let is_name = |entry: &&Entry<'t>| !KEYS_ANYWHERE.contains(&entry.key.as_str());
                entries.iter().filter(is_name).collect()
            }
            _ => Vec::new(),
        }
    }
}
