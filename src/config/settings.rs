//! Files of named settings: an object of names, each with the options that a command line would give.
//!
//! Knows no option: what is one, and which value it takes, the caller says. Every fault of a file is told in one run,
//! those of settings that nobody asked for too.

use std::path::Path;

use super::fault::{Fault, sound, suggest};
use super::node::{Entry, Node, Value};
use super::reader::{KEYS_ANYWHERE, Reader};
use super::server::document;

/// An option and its values, as a command line writes them: none for a flag that is set.
pub type Setting = (String, Vec<String>);

/// What is said of an option's value: what is wrong, and what would be right.
pub type Judge<'a> = &'a dyn Fn(&Setting) -> Result<(), (String, String)>;

/// The settings of a name in a file, which may use `options`, each as `judge` takes it.
pub fn settings(file: &Path, name: &str, options: &[String], judge: Judge<'_>) -> Result<Vec<Setting>, Vec<Fault>> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let problem = format!("cannot be read: {error}");
        vec![Fault::of_file(&shown, 0, 0, problem)]
    })?;
    let root = document(&shown, &text)?;
    let reader = Reader::new(&shown, file.parent().unwrap_or(Path::new("")), &text);
    let found = read(&reader, &root, name, options, judge);
    sound(found, &shown, reader.finish()).map(|(found, _)| found)
}

fn is_own(entry: &&Entry<'_>) -> bool {
    !KEYS_ANYWHERE.contains(&entry.key.as_str())
}

fn read(r: &Reader<'_>, root: &Node<'_>, name: &str, options: &[String], judge: Judge<'_>) -> Option<Vec<Setting>> {
    let Value::Object(groups) = &root.value else {
        return r.refuse(
            root,
            "not an object",
            "names, each with its settings: {\"evening\": {\"rate\": 2000}}",
        );
    };
    let mut wanted = None;
    for group in groups.iter().filter(is_own) {
        let Value::Object(entries) = &group.node.value else {
            r.fault(&group.node, "not an object", "options with their values, such as {\"rate\": 2000}");
            continue;
        };
        let read: Vec<Setting> = entries
            .iter()
            .filter(is_own)
            .filter_map(|entry| setting(r, entry, options, judge))
            .collect();
        if group.key == name {
            wanted = Some(read);
        }
    }
    let names = groups.iter().filter(is_own).map(|group| group.key.as_str());
    wanted.or_else(|| r.refuse(root, format!("no settings `{name}`"), suggest(name, names)))
}

fn setting(r: &Reader<'_>, entry: &Entry<'_>, options: &[String], judge: Judge<'_>) -> Option<Setting> {
    if !options.contains(&entry.key) {
        r.fault_of_key(entry, "no such option", suggest(&entry.key, options.iter().map(String::as_str)));
        return None;
    }
    let setting = (entry.key.clone(), values(r, &entry.node)?);
    // `false` leaves a flag as it is.
    let is_unset = matches!(entry.node.value, Value::Bool(false) | Value::Null);
    if is_unset {
        return None;
    }
    match judge(&setting) {
        Ok(()) => Some(setting),
        Err((problem, remedy)) => r.refuse(&entry.node, problem, remedy),
    }
}

fn values(r: &Reader<'_>, node: &Node<'_>) -> Option<Vec<String>> {
    match &node.value {
        Value::Null | Value::Bool(_) => Some(Vec::new()),
        Value::Number => Some(vec![node.raw.to_owned()]),
        Value::Text(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| values(r, item)?.pop()).collect(),
        Value::Object(_) => r.refuse(node, "an object", "a number, a text, true, or a list for what may be given again"),
    }
}
