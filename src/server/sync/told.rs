//! What a call for id match tells of a browser: the exchange's id, that it has none, or why.
//!
//! What parameters are called is the exchange's config. Never keeps or logs anything.

use crate::model::exchange::Exchange;
use crate::state::sight::is_nobody;
use crate::track::notice::parameter;

/// What an exchange tells of a browser.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It does not tell, it asks.
    Nothing,
    /// It has no id.
    Empty,
    /// What it tells is nobody's id.
    Nobody,
    /// An error.
    Error(String),
    /// Its id, and the version of its ids.
    Id { uid: String, version: Option<String> },
}

impl Told {
    /// What the query of a call says.
    pub fn of(exchange: &Exchange, query: Option<&str>) -> Told {
        let names = exchange.sync.as_ref().map(|sync| &sync.parameters);
        let value = |name: Option<&String>| name.and_then(|name| parameter(query, name));
        let error = value(names.and_then(|names| names.error.as_ref()));
        if let Some(code) = error.filter(|code| !code.is_empty()) {
            return Told::Error(code);
        }
        let uid = value(names.map(|names| &names.uid)).or_else(|| parameter(query, "uid"));
        match uid {
            None => Told::Nothing,
            Some(uid) if uid.is_empty() => Told::Empty,
            Some(uid) if is_nobody(uid.as_bytes()) => Told::Nobody,
            Some(uid) => Told::Id {
                uid,
                version: value(names.and_then(|names| names.version.as_ref())).filter(|version| is_version(version)),
            },
        }
    }

    /// What counters call it.
    pub fn label(&self) -> &'static str {
        match self {
            Told::Nothing => "asked",
            Told::Empty => "no_id",
            Told::Nobody => "nobody",
            Told::Error(_) => "error",
            Told::Id { .. } => "told",
        }
    }
}

/// What can be told from an exchange's id in a row.
fn is_version(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
