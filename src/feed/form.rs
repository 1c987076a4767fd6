//! What a file is, told by how it begins, never by its name.

use super::json::{self, Shape};
use super::raw::{Halt, unreadable};
use super::table;
use crate::model::advertiser::FeedFormat;

/// The forms a feed comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// RSS or Atom: its root element tells.
    Xml,
    /// JSON.
    Json(Shape),
    /// A table, and what stands between its fields.
    Table(u8),
}

impl Form {
    /// The format, as far as `feed.format` tells them apart and the beginning shows.
    pub fn format(self) -> FeedFormat {
        match self {
            Form::Xml => FeedFormat::Auto,
            Form::Json(_) => FeedFormat::Jsonl,
            Form::Table(b'\t') => FeedFormat::Tsv,
            Form::Table(_) => FeedFormat::Csv,
        }
    }
}

/// The form of a feed that begins with `head`.
pub(super) fn tell(head: &[u8]) -> Result<Form, Halt> {
    match head.trim_ascii_start() {
        [] => unreadable("nothing in it: give RSS 2.0, Atom 1.0, TSV, CSV or JSON lines"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => unreadable("UTF-16: save the feed as UTF-8"),
        [b'<', ..] => Ok(Form::Xml),
        [b'{' | b'[', ..] => Ok(Form::Json(json::shape(head))),
        _ => match table::delimiter(head) {
            Some(delimiter) => Ok(Form::Table(delimiter)),
            None => unreadable(
                "no feed: neither XML nor JSON, and its first row does not name `id` and other attributes as columns: \
                 give RSS 2.0, Atom 1.0, TSV, CSV or JSON lines",
            ),
        },
    }
}

/// Refuses what is not of the format that the advertiser says it is.
pub(super) fn agree(found: FeedFormat, expected: FeedFormat) -> Result<(), Halt> {
    if expected == FeedFormat::Auto || found == expected {
        return Ok(());
    }
    unreadable(format!(
        "it is {found}, and `feed.format` says {expected}: correct it, or leave it out"
    ))
}
