//! What the store keeps, as tables and rows: the seam between facts and the disk.
//!
//! Keys are big endian so that order is meaning. Nothing here reads or writes a disk.

use crate::base::limits::{CLICK_LIFE, EVENT_ID_LIFE, ORDER_LIFE, SHOWN_LIFE};
use crate::base::time::{Secs, Span};

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// User key to record.
    Users,
    /// User key to impressions.
    Exposures,
    /// Match key to user key.
    Matches,
    /// User key to our id as text: on disk only.
    UserIds,
    /// Users who came with an id of ours, in a cookie or named by a shop: on disk only.
    Claims,
    /// User key to what was last permitted (`privacy::grant`): on disk only.
    Grants,
    /// User key and match key to the namespace, so that a user's matches can be found: on disk only.
    UserMatches,
    /// Part, advertiser and hash of `event_id` to when: on disk only.
    EventIds,
    /// Part, advertiser and hash of `transaction_id` to when, and to what it was credited: on disk only.
    Orders,
    /// Part and bid tag to evidence flags, for users who are gone and impressions beyond those remembered:
    /// on disk only.
    Orphans,
    /// Book and day to its row.
    Days,
    /// Book to what is held, and when it was.
    Holds,
    /// Book to how its budget is spread over the day.
    Paces,
    /// When and bid tag to the ticket of an impression that waits for the sign that bills it.
    Pending,
    /// Users who opted out, and the foreign ids that led to them.
    OptedOut,
    /// Part and running number to what happened, as JSON: impressions, clicks, conversions, refunds, mergers.
    Facts,
    /// Names to the numbers given to them.
    Names,
    /// Hashes of erased keys to when: on disk only, and in a list that outlives the store.
    Erased,
    /// User key to the random number that facts name them by: on disk only.
    Handles,
    /// Part and foreign id to the users who came with it that day, by four bytes of a hash each: on disk only.
    Shared,
    /// Dimension, campaign, day, value and hour to figures; before the hour, which values a day tells apart, and
    /// before the value how many (`model::dimension`): on disk only.
    Cells,
    /// Part and bid tag to what was shown (`model::showing`): on disk only.
    Shown,
    /// What stands for a site to its name: on disk only.
    Sites,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 23] = [
        Table::Users,
        Table::Exposures,
        Table::Matches,
        Table::UserIds,
        Table::Claims,
        Table::Grants,
        Table::UserMatches,
        Table::EventIds,
        Table::Orders,
        Table::Orphans,
        Table::Days,
        Table::Holds,
        Table::Paces,
        Table::Pending,
        Table::OptedOut,
        Table::Facts,
        Table::Names,
        Table::Erased,
        Table::Handles,
        Table::Shared,
        Table::Cells,
        Table::Shown,
        Table::Sites,
    ];

    /// Its name on disk: never change one.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Users => "users",
            Table::Exposures => "exposures",
            Table::Matches => "matches",
            Table::UserIds => "user_ids",
            Table::Claims => "claims",
            Table::Grants => "grants",
            Table::UserMatches => "user_matches",
            Table::EventIds => "event_ids",
            Table::Orders => "orders",
            Table::Orphans => "orphans",
            Table::Days => "days",
            Table::Holds => "holds",
            Table::Paces => "paces",
            Table::Pending => "pending",
            Table::OptedOut => "opted_out",
            Table::Facts => "facts",
            Table::Names => "names",
            Table::Erased => "erased",
            Table::Handles => "handles",
            Table::Shared => "shared",
            Table::Cells => "cells",
            Table::Shown => "shown",
            Table::Sites => "sites",
        }
    }
}

/// How a table is divided by time, so that what is over can be dropped whole. The keys of such a table
/// begin with the number of their part; a row is found in any part that is not over, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Seconds of one part.
    span_s: u32,
    /// How long a row is needed.
    life_s: u32,
}

impl Table {
    /// How it is divided, if it is.
    pub const fn parts(self) -> Option<Parts> {
        let (span, life) = match self {
            Table::EventIds => (Span::DAY, EVENT_ID_LIFE),
            Table::Orphans => (Span::days(5), CLICK_LIFE),
            Table::Shared => (Span::DAY, Span(0)),
            Table::Shown => (Span::days(40), SHOWN_LIFE),
            Table::Orders => (Span::days(40), ORDER_LIFE),
            // As long as `privacy.retention` says, which is known where they are dropped.
            Table::Facts => (Span::DAY, Span(u32::MAX)),
            _ => return None,
        };
        Some(Parts {
            span_s: span.0,
            life_s: life.0,
        })
    }
}

impl Parts {
    /// The part of rows written at `now`.
    pub const fn of(self, now: Secs) -> u64 {
        (now.0 / self.span_s) as u64
    }

    /// The oldest part that may hold a row still needed at `now`.
    pub const fn oldest(self, now: Secs) -> u64 {
        self.oldest_within(self.life_s, now)
    }

    /// The oldest part that may hold a row of the last so many seconds.
    pub const fn oldest_within(self, life_s: u32, now: Secs) -> u64 {
        (now.0.saturating_sub(life_s) / self.span_s) as u64
    }

    /// A key in a part.
    pub fn key(part: u64, key: &[u8]) -> Vec<u8> {
        [&part.to_be_bytes(), key].concat()
    }

    /// The row that drops all parts of `table` up to this one, that one included: a part's number alone.
    pub fn drop_through(table: Table, part: u64) -> Row {
        Row {
            table,
            key: part.to_be_bytes().to_vec(),
            value: None,
        }
    }
}

/// The part up to which a row drops everything, if it is such a row.
pub fn drops_through(row: &Row) -> Option<u64> {
    let is_drop = row.table.parts().is_some() && row.value.is_none() && row.key.len() == 8;
    head(&row.key).filter(|_| is_drop)
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub table: Table,
    /// The key.
    pub key: Vec<u8>,
    /// The value; none removes.
    pub value: Option<Vec<u8>>,
}

/// A key of two numbers.
pub fn pair(a: u64, b: u64) -> Vec<u8> {
    [a.to_be_bytes(), b.to_be_bytes()].concat()
}

/// The number a key begins with.
pub fn head(key: &[u8]) -> Option<u64> {
    key.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The number that follows it.
pub fn tail(key: &[u8]) -> Option<u64> {
    head(key.get(8..)?)
}
