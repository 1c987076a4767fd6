//! JSON as a tree that remembers where every value stood and how it was written.
//!
//! For config files only: amounts keep their exact text and faults their place. Assumes nothing of
//! the text. Never reads a number as a float.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::base::limits::JSON_DEPTH_MAX;

/// A value of the file.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// Its offset in the file's text, in bytes.
    pub at: usize,
    /// Its text as written.
    pub raw: &'t str,
    /// Its JSON pointer.
    pub pointer: String,
    /// What it is.
    pub value: Value<'t>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Value<'t> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as [`Node::raw`] writes it.
    Number,
    /// Text, unescaped.
    Text(String),
    /// A list.
    Array(Vec<Node<'t>>),
    /// An object, keys in the order of the file, doubles included.
    Object(Vec<Entry<'t>>),
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    /// The key, unescaped.
    pub key: String,
    /// The key as written.
    pub raw_key: &'t str,
    /// The key's offset in the file's text, in bytes.
    pub at: usize,
    /// Its value.
    pub node: Node<'t>,
}

/// Why a text is no JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong.
    pub problem: String,
}

impl Syntax {
    fn new(error: &serde_json::Error) -> Syntax {
        let text = error.to_string();
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        Syntax {
            line: u32::try_from(error.line()).unwrap_or(u32::MAX),
            column: u32::try_from(error.column()).unwrap_or(u32::MAX),
            problem: format!("not json: {problem}"),
        }
    }
}

impl Node<'_> {
    /// The place of what stands in no file.
    pub const NOWHERE: usize = usize::MAX;

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
}

/// Reads a whole document.
pub(super) fn parse(text: &str) -> Result<Node<'_>, Syntax> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| Syntax::new(&e))?;
    build(text, raw.get(), String::new(), JSON_DEPTH_MAX)
}

fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

fn build<'t>(text: &'t str, raw: &'t str, pointer: String, depth: usize) -> Result<Node<'t>, Syntax> {
    let at = offset(text, raw);
    let local = |error: serde_json::Error| {
        let (line, column) = super::fault::position(text, at);
        Syntax {
            line,
            column,
            ..Syntax::new(&error)
        }
    };
    if depth == 0 {
        let (line, column) = super::fault::position(text, at);
        let problem = format!("nested deeper than {JSON_DEPTH_MAX}");
        return Err(Syntax { line, column, problem });
    }
    let value = match raw.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'t> = serde_json::from_str(raw).map_err(local)?;
            Value::Object(entries(text, members, &pointer, depth)?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(local)?;
            let nodes = items
                .into_iter()
                .enumerate()
                .map(|(index, item)| build(text, item.get(), format!("{pointer}/{index}"), depth - 1));
            Value::Array(nodes.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(raw).map_err(local)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => Value::Number,
    };
    Ok(Node { at, raw, pointer, value })
}

fn entries<'t>(text: &'t str, members: Members<'t>, pointer: &str, depth: usize) -> Result<Vec<Entry<'t>>, Syntax> {
    let mut entries = Vec::with_capacity(members.0.len());
    for (raw_key, value) in members.0 {
        let at = offset(text, raw_key.get());
        let key: String = serde_json::from_str(raw_key.get()).map_err(|e| {
            let (line, column) = super::fault::position(text, at);
            Syntax {
                line,
                column,
                ..Syntax::new(&e)
            }
        })?;
        let child = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        entries.push(Entry {
            key,
            raw_key: raw_key.get(),
            at,
            node: build(text, value.get(), child, depth - 1)?,
        });
    }
    Ok(entries)
}

/// An object's members with doubles kept, keys and values as written.
struct Members<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_texts_survive() {
        let text = "{\n  \"a/b\": [1.50, {\"é\": null}],\n  \"a/b\": \"x\\n\"}";
        let root = parse(text).expect("json");
        let Value::Object(entries) = &root.value else { panic!("object") };
        assert_eq!(entries.len(), 2, "doubles are kept");
        assert_eq!(entries[0].node.pointer, "/a~1b");
        assert_eq!(super::super::fault::position(text, entries[1].at), (3, 3));
        let Value::Array(items) = &entries[0].node.value else {
            panic!("list")
        };
        assert_eq!((items[0].raw, items[0].pointer.as_str()), ("1.50", "/a~1b/0"));
        assert!(matches!(&entries[1].node.value, Value::Text(t) if t == "x\n"));
    }

    #[test]
    fn bad_syntax_has_a_place_and_depth_an_end() {
        let broken = parse("{\n \"a\": 1,\n}").expect_err("trailing comma");
        assert_eq!((broken.line, broken.problem.as_str()), (3, "not json: key must be a string"));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(parse(&deep).expect_err("deep").problem, "nested deeper than 64");
    }
}
