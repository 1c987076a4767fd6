//! Puts shoppers into the store of a server that is not running, in the order of their keys: what being
//! told of them would have left there, but for the ids that tell repeats.
//!
//! The n-th shopper is known to the exchange as `u{n}`, has four events at one shop and was last seen at a
//! time of the last eighty days. Nothing is synced but at the end.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use winback::base::hash::Hashes;
use winback::base::id::{AdvertiserNo, ProductKey};
use winback::base::money::Money;
use winback::base::time::{Millis, Secs};
use winback::model::event::{EventKind, Happening, Marks};
use winback::model::profile::Profile;
use winback::model::rows::{Table, pair};

use crate::canon::EXCHANGE;

/// Different records; the others are copies of them, seen at another time.
const KINDS: usize = 1_000;
const DAYS: usize = 80;

/// Puts so many shoppers into a data folder.
pub fn ingest(data: &Path, users: usize) {
    let hashes = hashes(data);
    let mut people: Vec<(u64, u64, u32)> = (0..users)
        .map(|n| {
            let foreign = hashes.foreign(EXCHANGE, format!("u{n}").as_bytes());
            (hashes.user(name(n).as_bytes()).0, foreign.0, n as u32)
        })
        .collect();
    people.sort_unstable();
    let records: Vec<Vec<u8>> = (0..KINDS).map(record).collect();
    let now = Millis::wall_clock().to_secs().0;
    let db = Database::builder(data.join("store")).open().expect("the store");
    let table = |table: Table| db.keyspace(table.name(), KeyspaceCreateOptions::default).expect("a table");
    fill(
        &table(Table::Users),
        people.iter().map(|(user, _, n)| {
            let mut record = records[*n as usize % KINDS].clone();
            let seen = now - (*n as usize * 7_919 % (DAYS * 86_400)) as u32;
            record[1..5].copy_from_slice(&seen.to_le_bytes());
            (user.to_be_bytes().to_vec(), record)
        }),
    );
    let names = people
        .iter()
        .map(|(user, _, n)| (user.to_be_bytes().to_vec(), name(*n as usize).into_bytes()));
    fill(&table(Table::UserIds), names);
    let lists = people
        .iter()
        .map(|(user, foreign, _)| (pair(*user, *foreign), EXCHANGE.as_bytes().to_vec()));
    fill(&table(Table::UserMatches), lists);
    people.sort_unstable_by_key(|(_, foreign, _)| *foreign);
    let matches = people
        .iter()
        .map(|(user, foreign, _)| (foreign.to_be_bytes().to_vec(), user.to_be_bytes().to_vec()));
    fill(&table(Table::Matches), matches);
}

/// Our id of the n-th shopper.
fn name(n: usize) -> String {
    format!("ingested-{n:013}")
}

fn fill(table: &Keyspace, rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) {
    let mut ingestion = table.start_ingestion().expect("an ingestion");
    for (key, value) in rows {
        ingestion.write(key, value).expect("a row");
    }
    ingestion.finish().expect("the table");
}

/// The hashes of the server that made the folder.
fn hashes(data: &Path) -> Hashes {
    let text = std::fs::read_to_string(data.join("hash-key")).expect("the key of hashes");
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hexadecimal digits");
    Hashes::new(&std::array::from_fn(byte))
}

/// A record of four events.
fn record(kind: usize) -> Vec<u8> {
    let mut profile = Profile::default();
    let seen = 100_000_000 + kind as u32;
    let before = [90_000 + kind as u32 * 60, 9_000, 340, 0];
    let kinds = [EventKind::ViewItem, EventKind::ViewItem, EventKind::AddToCart, EventKind::PageView];
    for (nth, (kind_of, before)) in kinds.into_iter().zip(before).enumerate() {
        let event = Happening {
            kind: kind_of,
            at: Secs(seen - before),
            continued: false,
            product: ProductKey(0x11_2233_4455 + (kind * 4 + nth) as u64),
            quantity: 1,
            value: Money::units(5 + kind as i64 % 300),
            marks: Marks::default(),
        };
        profile.remember(AdvertiserNo(1 + kind as u32 % 20), &[event]);
    }
    profile.write()
}
