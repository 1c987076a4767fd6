//! The list of the erased: a file beside the store that outlives it, so that a restored backup does not
//! bring anybody back.
//!
//! It names nobody: keyed hashes of keys that are keyed hashes themselves, with the time of the erasure.
//! Only ever appended to; a torn last record is an erasure that was never acknowledged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use fjall::{Database, PersistMode};

use super::{Store, options, other};
use crate::base::hash::Hashes;
use crate::model::exposure::{self, Exposure};
use crate::model::rows::{Row, Table, head, tail};
use crate::model::ticket::Ticket;
use crate::track::fold::Disk;

/// Its file in the data folder.
pub const FILE: &str = "erased";
const RECORD_BYTES: usize = 16;

/// Hashes of erased keys to when, in seconds.
pub type Gone = BTreeMap<u64, u32>;

/// The open list.
pub struct Erased(File);

impl Erased {
    /// Opens the list, or makes it.
    pub fn open(data_dir: &Path) -> io::Result<Erased> {
        let file = File::options().create(true).append(true).open(data_dir.join(FILE))?;
        let torn = file.metadata()?.len() % RECORD_BYTES as u64;
        if torn != 0 {
            file.set_len(file.metadata()?.len() - torn)?;
        }
        Ok(Erased(file))
    }

    /// Adds rows of [`Table::Erased`]; returns once they are durable.
    pub fn note<'a>(&mut self, rows: impl Iterator<Item = &'a Row>) -> io::Result<()> {
        let of_row = |row: &Row| Some((head(&row.key)?, row.value.as_deref().and_then(when)?));
        self.note_all(&rows.filter_map(of_row).collect())
    }

    /// Adds hashes of keys; returns once they are durable.
    pub fn note_all(&mut self, gone: &Gone) -> io::Result<()> {
        let records: Vec<_> = gone.iter().map(|(key, at)| record(*key, *at)).collect();
        if records.is_empty() {
            return Ok(());
        }
        self.0.write_all(records.as_flattened())?;
        self.0.sync_data()
    }
}

/// Reads the list of a data folder; records that are not what was written are passed over.
pub fn read(data_dir: &Path) -> io::Result<Gone> {
    let bytes = match std::fs::read(data_dir.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let mut gone = Gone::new();
    for bytes in bytes.as_chunks::<RECORD_BYTES>().0 {
        let (key, at) = (head(bytes).unwrap_or(0), when(&bytes[8..]).unwrap_or(0));
        if record(key, at) == *bytes {
            let last = gone.entry(key).or_insert(at);
            *last = at.max(*last);
        }
    }
    Ok(gone)
}

impl Store {
    /// Does what was noted and, for a crash or a loss accepted, not done: nobody on the list is left.
    /// Returns how many rows went or were changed.
    pub fn finish_erasures(&mut self, hashes: &Hashes) -> io::Result<usize> {
        let known = self
            .rows(Table::Erased)
            .map(|row| row.map(|row| (head(&row.key), row.value.as_deref().and_then(when))));
        let known = known.collect::<io::Result<Vec<_>>>()?;
        let own = known.into_iter().filter_map(|(key, at)| Some((key?, at?))).collect();
        let gone = beyond(&read(&self.data_dir())?, &own);
        if gone.is_empty() {
            return Ok(0);
        }
        let (mut rows, mut seen) = (Vec::new(), Vec::new());
        for table in [
            Table::Users,
            Table::Exposures,
            Table::UserIds,
            Table::Claims,
            Table::Grants,
            Table::Handles,
            Table::Matches,
            Table::UserMatches,
            Table::Shared,
            Table::Pending,
        ] {
            for row in self.rows(table) {
                let row = row?;
                let value = row.value.as_deref().unwrap_or_default();
                if let Some(value) = of_nobody(&gone, hashes, table.name(), value) {
                    rows.push(Row { value: Some(value), ..row });
                    continue;
                }
                if !is_of(&gone, hashes, table.name(), &row.key, value) {
                    continue;
                }
                if table == Table::Exposures {
                    let mut list = Vec::new();
                    exposure::read(value, &mut list);
                    seen.extend(list);
                }
                rows.push(Row { value: None, ..row });
            }
        }
        let went = rows.len();
        rows.extend(gone.iter().map(|(key, at)| Row {
            table: Table::Erased,
            key: key.to_be_bytes().to_vec(),
            value: Some(at.to_le_bytes().to_vec()),
        }));
        orphan(&self.tables.load().db, &seen)?;
        self.commit(&rows)?;
        Ok(went)
    }
}

/// Keeps what was seen of the bids of people who are gone: a repeated notice must not bill again.
pub fn orphan(db: &Database, seen: &[Exposure]) -> io::Result<()> {
    if seen.is_empty() {
        return Ok(());
    }
    let orphans = db.keyspace(Table::Orphans.name(), options).map_err(other)?;
    let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
    for exposure in seen {
        batch.insert(&orphans, exposure.tag.0.to_be_bytes(), [exposure.flags]);
    }
    batch.commit().map_err(other)
}

/// What of the list a store does not know of, by its own rows.
pub fn beyond(list: &Gone, own: &Gone) -> Gone {
    let unknown = list.iter().filter(|(key, at)| own.get(key).is_none_or(|known| known < at));
    unknown.map(|(key, at)| (*key, *at)).collect()
}

/// The time in the value of a row.
pub fn when(value: &[u8]) -> Option<u32> {
    value.first_chunk::<4>().map(|at| u32::from_le_bytes(*at))
}

/// Whether a row is of somebody who is gone.
pub fn is_of(gone: &Gone, hashes: &Hashes, table: &str, key: &[u8], value: &[u8]) -> bool {
    let is_gone = |key: Option<u64>| key.is_some_and(|key| gone.contains_key(&hashes.erased(key)));
    const OF_USER: [Table; 6] = [
        Table::Users,
        Table::Exposures,
        Table::UserIds,
        Table::Claims,
        Table::Grants,
        Table::Handles,
    ];
    if OF_USER.iter().any(|of| of.name() == table) {
        return is_gone(head(key));
    }
    match table {
        _ if table == Table::Matches.name() => is_gone(head(key)) || is_gone(head(value)),
        _ if table == Table::UserMatches.name() => is_gone(head(key)) || is_gone(tail(key)),
        // A table that is divided by days.
        _ if table.split('.').next() == Some(Table::Shared.name()) => is_gone(tail(key)),
        _ => false,
    }
}

/// What becomes of an impression that waits for the sign that bills it, if it is of somebody who is gone.
pub fn of_nobody(gone: &Gone, hashes: &Hashes, table: &str, value: &[u8]) -> Option<Vec<u8>> {
    let ticket = Ticket::read(value).filter(|_| table == Table::Pending.name())?;
    let is_gone = gone.contains_key(&hashes.erased(ticket.user.0));
    is_gone.then(|| ticket.of_nobody().write().to_vec())
}

fn record(key: u64, at: u32) -> [u8; RECORD_BYTES] {
    let (key, at) = (key.to_be_bytes(), at.to_le_bytes());
    let check = Hashes::new(&[0; 16]).of(FILE, &[&key, &at]).to_le_bytes();
    let mut record = [0; RECORD_BYTES];
    record[..8].copy_from_slice(&key);
    record[8..12].copy_from_slice(&at);
    record[12..].copy_from_slice(&check[..4]);
    record
}
