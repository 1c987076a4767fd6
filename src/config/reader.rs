//! Typed readers over a tree of nodes: each takes what it can, notes what is wrong and goes on.
//!
//! A reader that returns `None` has noted why. Never stops at a fault; whoever assembles a value looks
//! at [`Reader::finish`] before using it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::fault::{Fault, nearest, position, shorten, suggest};
use super::node::{Entry, Node, Value};
use crate::base::id::is_id;
use crate::base::limits::FAULTS_MAX;
use crate::base::money::{Currency, Money, MoneyFault, Ratio};
use crate::base::time::Span;

/// Keys that any object may have, for the people and tools around the file.
const KEYS_ANYWHERE: [&str; 3] = ["$schema", "note", "labels"];

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

    /// The warnings, if nothing is wrong; else every fault, warnings among them, in the file's order.
    pub fn finish(&self) -> Result<Vec<Fault>, Vec<Fault>> {
        let mut found = self.faults.borrow().clone();
        found.sort_by(|a, b| {
            let key = |fault: &Fault| (fault.file != self.name, fault.file.clone(), fault.line, fault.column);
            key(a).cmp(&key(b))
        });
        if found.iter().all(|fault| fault.warning) {
            return Ok(found);
        }
        let more = (found.len() + self.more.get()).saturating_sub(FAULTS_MAX);
        if more > 0 {
            // Warnings give way first: what is cut must not hide why the file is refused.
            found.sort_by_key(|fault| fault.warning);
            found.truncate(FAULTS_MAX);
            found.push(Fault::of_file(self.name, 0, 0, format!("and {more} more faults and warnings")));
        }
        Err(found)
    }

    /// Notes a fault at a value.
    pub fn fault(&self, node: &Node<'t>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.note(node.at, &node.pointer, node.raw, problem.into(), remedy.into(), false);
    }

    /// Notes a fault in a file that a value names, whose text is `text`.
    pub fn fault_within(&self, node: &Node<'t>, file: &Path, text: &str, at: usize, fault: [String; 3]) {
        let (line, column) = position(text, at);
        let [value, problem, remedy] = fault;
        self.faults.borrow_mut().push(Fault {
            file: file.display().to_string(),
            line,
            column,
            pointer: node.pointer.clone(),
            value,
            problem,
            remedy: Some(remedy).filter(|remedy| !remedy.is_empty()),
            warning: false,
        });
    }

    /// Notes a value that is read and checked and changes nothing: it must not cost money silently.
    pub fn warn_unused(&self, node: &Node<'t>, meanwhile: &str) {
        self.warn(node, "read, but without effect in this version", meanwhile);
    }

    /// Notes something worth saying at a value.
    pub fn warn(&self, node: &Node<'t>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.note(node.at, &node.pointer, node.raw, problem.into(), remedy.into(), true);
    }

    fn note(&self, at: usize, pointer: &str, raw: &str, problem: String, remedy: String, warning: bool) {
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

    /// An object with these keys only.
    pub fn object<'r>(&'r self, node: &'r Node<'t>, keys: &[&'static str]) -> Option<Object<'r, 't>> {
        let mut object = self.map(node)?;
        for entry in object.entries() {
            if !keys.contains(&entry.key.as_str()) {
                object.meant.extend(nearest(&entry.key, keys.iter().copied()));
                let remedy = suggest(&entry.key, keys.iter().copied());
                self.note(entry.at, &entry.node.pointer, entry.node.raw, "unknown key".into(), remedy, false);
            }
        }
        Some(object)
    }

    /// An object whose keys are names of the user's choice, each given once.
    pub fn map<'r>(&'r self, node: &'r Node<'t>) -> Option<Object<'r, 't>> {
        let Value::Object(entries) = &node.value else {
            self.fault(node, "not an object", "write `{...}`");
            return None;
        };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for entry in entries {
            if let Some(first) = seen.insert(&entry.key, entry.at) {
                let remedy = format!("keep one; the first is on line {}", position(self.text, first).0);
                self.note(
                    entry.at,
                    &entry.node.pointer,
                    entry.node.raw,
                    "key given twice".into(),
                    remedy,
                    false,
                );
            }
        }
        Some(Object {
            reader: self,
            node,
            entries,
            meant: Vec::new(),
        })
    }

    /// The items of a list.
    pub fn items<'r>(&self, node: &'r Node<'t>) -> Option<&'r [Node<'t>]> {
        match &node.value {
            Value::Array(items) => Some(items),
            _ => {
                self.fault(node, "not a list", "write `[...]`");
                None
            }
        }
    }

    /// The items of a list that must have some.
    pub fn some_items<'r>(&self, node: &'r Node<'t>) -> Option<&'r [Node<'t>]> {
        match self.items(node)? {
            [] => self.refuse(node, "an empty list", "name at least one"),
            items => Some(items),
        }
    }

    /// Each item of a list that must have some.
    pub fn some_of<T>(&self, node: &Node<'t>, read: impl Fn(&Reader<'t>, &Node<'t>) -> Option<T>) -> Option<Vec<T>> {
        Some(self.some_items(node)?.iter().filter_map(|item| read(self, item)).collect())
    }

    /// The ids of a list's objects, as written: what others may refer to even where something else
    /// is wrong with the object. An id given twice is a fault.
    pub fn ids(&self, list: Option<&Node<'t>>) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let Some(Node {
            value: Value::Array(items),
            ..
        }) = list
        else {
            return ids;
        };
        for item in items {
            let id = match &item.value {
                Value::Object(entries) => entries.iter().find(|entry| entry.key == "id").map(|entry| &entry.node),
                _ => None,
            };
            let text = match id.map(|node| &node.value) {
                Some(Value::Text(text)) => text.as_str(),
                _ => "",
            };
            if let Some(node) = id.filter(|_| !seen.insert(text)) {
                self.fault(node, "id given twice", "ids are unique in their list");
            }
            ids.push(text.to_owned());
        }
        ids
    }

    /// Text with something in it, trimmed.
    pub fn text(&self, node: &Node<'t>) -> Option<String> {
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Text(_) => self.refuse(node, "empty text", "say something, or leave the key out"),
            _ => self.refuse(node, "not text", "write it in double quotes"),
        }
    }

    /// Text that is compared: trimmed and lower case.
    pub fn lower(&self, node: &Node<'t>) -> Option<String> {
        self.text(node).map(|text| text.to_lowercase())
    }

    /// Text that may be empty.
    pub fn any_text(&self, node: &Node<'t>) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => self.refuse(node, "not text", "write it in double quotes"),
        }
    }

    /// An id (contract, preamble).
    pub fn id(&self, node: &Node<'t>) -> Option<String> {
        let text = self.text(node)?;
        if is_id(&text) {
            return Some(text);
        }
        self.refuse(
            node,
            "not an id",
            "1 to 48 of `a-z`, `0-9`, `.`, `_`, `-`, the first a letter or digit",
        )
    }

    /// `true` or `false`.
    pub fn boolean(&self, node: &Node<'t>) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => self.refuse(node, "not true or false", "write `true` or `false`, without quotes"),
        }
    }

    /// The exact text of a number, written as a number or as text.
    fn decimal<'r>(&self, node: &'r Node<'t>) -> Option<&'r str> {
        match &node.value {
            Value::Number => Some(node.raw),
            Value::Text(text) => Some(text),
            _ => self.refuse(node, "not a number", "write a number or a number as text, such as `0.40`"),
        }
    }

    fn exact<T>(&self, node: &Node<'t>, parse: impl Fn(&str) -> Result<T, MoneyFault>) -> Option<T> {
        let text = self.decimal(node)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(fault @ MoneyFault::NotDecimal) => self.refuse(node, fault.to_string(), "write digits and a point, such as `0.40`"),
            Err(fault @ MoneyFault::TooFine) => self.refuse(node, fault.to_string(), "amounts are exact to nine decimals"),
            Err(fault @ MoneyFault::TooLarge) => self.refuse(node, fault.to_string(), "write a smaller number"),
        }
    }

    /// An amount above zero.
    pub fn money(&self, node: &Node<'t>) -> Option<Money> {
        let amount = self.exact(node, Money::parse)?;
        if amount.0 > 0 {
            return Some(amount);
        }
        self.refuse(node, "not above zero", "write an amount above zero")
    }

    /// A ratio within bounds, both included.
    pub fn ratio(&self, node: &Node<'t>, least: Ratio, most: Ratio) -> Option<Ratio> {
        let value = self.exact(node, Ratio::parse)?;
        if (least..=most).contains(&value) {
            return Some(value);
        }
        self.refuse(node, "out of range", format!("from {least} to {most}"))
    }

    /// A whole number within bounds, both included.
    pub fn integer(&self, node: &Node<'t>, least: u32, most: u32) -> Option<u32> {
        let Value::Number = node.value else {
            return self.refuse(node, "not a whole number", format!("from {least} to {most}, without quotes"));
        };
        match node.raw.parse::<i128>() {
            Ok(value) if (i128::from(least)..=i128::from(most)).contains(&value) => u32::try_from(value).ok(),
            Ok(_) => self.refuse(node, "out of range", format!("from {least} to {most}")),
            Err(_) => self.refuse(node, "not a whole number", format!("from {least} to {most}")),
        }
    }

    /// A length of time above zero.
    pub fn span(&self, node: &Node<'t>) -> Option<Span> {
        let text = self.text(node)?;
        match Span::parse(&text) {
            Some(span) if span.0 > 0 => Some(span),
            Some(_) => self.refuse(node, "no time at all", "write a duration above zero"),
            None => self.refuse(node, "not a duration", "digits and one of `s m h d`: `90s`, `15m`, `12h`, `30d`"),
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, node: &Node<'t>, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(node)?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Some(*value),
            None => self.refuse(node, "unknown value", suggest(&text, words.iter().map(|(word, _)| *word))),
        }
    }

    /// The place in `names` of what a text names.
    pub fn reference(&self, node: &Node<'t>, kind: &str, names: &[String]) -> Option<usize> {
        let text = self.text(node)?;
        let found = names.iter().position(|name| *name == text);
        if found.is_none() {
            self.fault(node, format!("no such {kind}"), suggest(&text, names.iter().map(String::as_str)));
        }
        found
    }

    /// A listed currency.
    pub fn currency(&self, node: &Node<'t>) -> Option<Currency> {
        let text = self.text(node)?;
        match Currency::parse(&text).filter(|currency| currency.is_listed()) {
            Some(currency) => Some(currency),
            None => self.refuse(node, "not a currency", "an ISO 4217 code such as `USD`"),
        }
    }

    /// A path, relative to the file's folder.
    pub fn path(&self, node: &Node<'t>) -> Option<PathBuf> {
        self.text(node).map(|text| self.dir.join(text))
    }

    /// A path to a file that must be there.
    pub fn existing_file(&self, node: &Node<'t>) -> Option<PathBuf> {
        let path = self.path(node)?;
        if path.is_file() {
            return Some(path);
        }
        self.refuse(node, "no such file", format!("looked for {}", path.display()))
    }

    /// A host name or address, as URLs write it.
    pub fn host(&self, node: &Node<'t>) -> Option<String> {
        let text = self.text(node)?;
        match Host::parse(&text) {
            Ok(host) => Some(host.to_string()),
            Err(_) => self.refuse(node, "not a domain", "without scheme, port and path, such as `shop.example`"),
        }
    }

    /// A web address as written. Not normalised: that would escape the braces of macros.
    pub fn url(&self, node: &Node<'t>) -> Option<String> {
        let text = self.text(node)?;
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        match Url::parse(&text).ok().filter(is_web) {
            Some(_) => Some(text),
            None => self.refuse(node, "not a web address", "such as `https://shop.example/feed.xml`"),
        }
    }

    /// Each item of a list.
    pub fn list<T>(&self, node: &Node<'t>, read: impl Fn(&Reader<'t>, &Node<'t>) -> Option<T>) -> Option<Vec<T>> {
        Some(self.items(node)?.iter().filter_map(|item| read(self, item)).collect())
    }

    /// Notes a fault; for the last line of a reader.
    pub fn refuse<T>(&self, node: &Node<'t>, problem: impl Into<String>, remedy: impl Into<String>) -> Option<T> {
        self.fault(node, problem, remedy);
        None
    }
}

/// An object being read. A key whose value is `null` counts as not given.
pub(super) struct Object<'r, 't> {
    reader: &'r Reader<'t>,
    /// The object itself, for faults that concern all of it.
    pub node: &'r Node<'t>,
    entries: &'r [Entry<'t>],
    /// What its unknown keys were probably meant to be: one slip is one fault, so these are not also
    /// reported as missing.
    meant: Vec<&'static str>,
}

impl<'r, 't> Object<'r, 't> {
    /// Its entries, without the keys that are allowed anywhere.
    pub fn entries(&self) -> impl Iterator<Item = &'r Entry<'t>> + use<'r, 't> {
        self.entries.iter().filter(|entry| !KEYS_ANYWHERE.contains(&entry.key.as_str()))
    }

    /// The value of a key, `null` included.
    pub fn written(&self, key: &str) -> Option<&'r Node<'t>> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'r Node<'t>> {
        self.written(key).filter(|node| !node.is_null())
    }

    /// Whether a key is given, or was meant to be.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some() || self.meant.contains(&key)
    }

    /// The value of a key that must be given.
    pub fn must(&self, key: &str) -> Option<&'r Node<'t>> {
        let found = self.get(key);
        if !self.has(key) {
            self.reader.fault(self.node, format!("`{key}` is missing"), "it must be given");
        }
        found
    }

    /// Reads a key that must be given.
    pub fn required<T>(&self, key: &str, read: impl FnOnce(&Reader<'t>, &Node<'t>) -> Option<T>) -> Option<T> {
        self.must(key).and_then(|node| read(self.reader, node))
    }

    /// Reads a key if it is given.
    pub fn optional<T>(&self, key: &str, read: impl FnOnce(&Reader<'t>, &Node<'t>) -> Option<T>) -> Option<T> {
        self.get(key).and_then(|node| read(self.reader, node))
    }

    /// Reads a key, `default` where it is not given.
    pub fn or<T>(&self, key: &str, default: T, read: impl FnOnce(&Reader<'t>, &Node<'t>) -> Option<T>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// Reads each item of a list, none where it is not given.
    pub fn list<T>(&self, key: &str, read: impl Fn(&Reader<'t>, &Node<'t>) -> Option<T>) -> Vec<T> {
        self.or(key, Vec::new(), |r, n| r.list(n, read))
    }

    /// Reads an inner object, `read` being called with `None` where it is not given.
    pub fn inner<T>(&self, key: &str, keys: &[&'static str], read: impl FnOnce(Option<&Object<'_, 't>>) -> T) -> T {
        let object = self.get(key).and_then(|node| self.reader.object(node, keys));
        read(object.as_ref())
    }
}
