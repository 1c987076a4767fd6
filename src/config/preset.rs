//! What kinds of exchanges are known to want, as data (`presets/*.json`), laid under the entries that name
//! one.
//!
//! A preset is what an entry would say itself: everything in it can be said otherwise. Its values are held
//! against the same shapes; a fault in one stands where the preset is named. Never touches a key that is
//! given, not even one that is `null`.

use super::node::{Entry, Node, Value, parse};

/// The presets by name.
const FILES: [(&str, &str); 4] = [
    (PRESETS[0], include_str!("../../presets/generic.json")),
    (PRESETS[1], include_str!("../../presets/google.json")),
    (PRESETS[2], include_str!("../../presets/prebid-server.json")),
    (PRESETS[3], include_str!("../../presets/xandr.json")),
];

/// Their names.
pub const PRESETS: [&str; 4] = ["generic", "google", "prebid-server", "xandr"];

/// The text of a preset.
pub fn preset(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Completes every exchange of a server config by the preset it names.
pub(super) fn lay_under(root: &mut Node<'_>) {
    let Some(list) = member(root, "exchanges") else { return };
    let Value::Array(exchanges) = &mut list.value else { return };
    for exchange in exchanges {
        let named = member(exchange, "preset").map(|node| (node.at, name(node)));
        let Some((at, Some(text))) = named else { continue };
        // The tests read every preset.
        if let Some(wanted) = parse(text).ok().and_then(|preset| taken(preset, "exchange")) {
            complete(exchange, wanted, at);
        }
    }
}

/// The text of the preset that a value names.
fn name(node: &Node<'_>) -> Option<&'static str> {
    match &node.value {
        Value::Text(name) => preset(name),
        _ => None,
    }
}

fn member<'n, 't>(node: &'n mut Node<'t>, key: &str) -> Option<&'n mut Node<'t>> {
    let Value::Object(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
}

fn taken<'t>(node: Node<'t>, key: &str) -> Option<Node<'t>> {
    let Value::Object(entries) = node.value else { return None };
    entries.into_iter().find(|entry| entry.key == key).map(|entry| entry.node)
}

/// Adds to an object what it does not say, and to the objects within likewise.
fn complete<'t>(object: &mut Node<'t>, wanted: Node<'t>, at: usize) {
    let Value::Object(wanted) = wanted.value else { return };
    for mut entry in wanted {
        match member(object, &entry.key) {
            Some(given) => complete(given, entry.node, at),
            None => {
                let pointer = format!("{}/{}", object.pointer, entry.key);
                place(&mut entry, &pointer, at);
                if let Value::Object(entries) = &mut object.value {
                    entries.push(entry);
                }
            }
        }
    }
}

/// Values of a preset stand where it is named.
fn place(entry: &mut Entry<'_>, pointer: &str, at: usize) {
    entry.at = at;
    put(&mut entry.node, pointer, at);
}

fn put(node: &mut Node<'_>, pointer: &str, at: usize) {
    node.at = at;
    node.pointer = pointer.to_owned();
    match &mut node.value {
        Value::Object(entries) => entries
            .iter_mut()
            .for_each(|entry| place(entry, &format!("{pointer}/{}", entry.key.clone()), at)),
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .for_each(|(n, item)| put(item, &format!("{pointer}/{n}"), at)),
        _ => {}
    }
}
