//! Images of a store as a crash, or a bad disk, may leave it.
//!
//! Every prefix of the last writes is what a crash may have left: it opens, with all that was
//! acknowledged by then. A flipped bit is no crash: the store is refused, or whole.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use winback::model::rows::{Row, Table};
use winback::store::Store;
use winback::track::fold::Disk;

use super::{copy, in_memory};
use crate::figures::Figures;

const JOURNAL: &str = "data/store/0.jnl";
/// Commits whose every prefix is opened.
const CUT_COMMITS: u64 = 3;
const FLIPS: usize = 300;
const FLIP_COMMITS: u64 = 2_000;
/// Rows that commits overwrite in turn.
const OVERWRITTEN: u64 = 50;

fn row(table: Table, key: u64, value: u64) -> Row {
    Row {
        table,
        key: key.to_be_bytes().to_vec(),
        value: Some(value.to_le_bytes().to_vec()),
    }
}

/// A store of so many commits, each with a row of its own and one that others overwrite, and how long
/// the journal was after each.
fn store_of(commits: u64) -> (TempDir, Vec<u64>) {
    let dir = in_memory();
    let mut store = Store::open(&dir.path().join("data")).expect("a store");
    let mut lengths = Vec::new();
    for n in 1..=commits {
        let rows = [row(Table::Facts, n, n), row(Table::Users, n % OVERWRITTEN, n)];
        store.commit(&rows).expect("a commit");
        lengths.push(fs::metadata(dir.path().join(JOURNAL)).expect("the journal").len());
    }
    (dir, lengths)
}

/// Whether a store holds exactly what its commits wrote.
fn is_whole(store: &Store) -> bool {
    let last = store.last_commit();
    let number = |row: &Row| {
        (
            u64::from_be_bytes(row.key[..8].try_into().unwrap()),
            u64::from_le_bytes(row.value.as_ref().unwrap()[..8].try_into().unwrap()),
        )
    };
    let rows = |table| {
        store
            .rows(table)
            .map(|row| row.as_ref().map(number).map_err(|e| e.to_string()))
            .collect::<Result<Vec<_>, _>>()
    };
    let facts = rows(Table::Facts).is_ok_and(|facts| facts == (1..=last).map(|n| (n, n)).collect::<Vec<_>>());
    // The last commit of each remainder.
    let latest = |key: u64| last - (last + OVERWRITTEN - key) % OVERWRITTEN;
    let expected: Vec<_> = (0..OVERWRITTEN).map(|key| (key, latest(key))).filter(|(_, n)| *n > 0).collect();
    facts && rows(Table::Users).is_ok_and(|users| users == expected)
}

/// Opens a copy of a store whose journal is this.
fn open_with(store: &Path, journal: &[u8], mark: Option<&[u8]>) -> Result<Store, String> {
    let image = in_memory();
    copy(store, image.path());
    fs::write(image.path().join(JOURNAL), journal).expect("the journal");
    if let Some(mark) = mark {
        fs::write(image.path().join("data/high-water"), mark).expect("the mark");
    }
    // The folder goes when this returns; what is open stays readable.
    Store::open(&image.path().join("data")).map_err(|trouble| trouble.to_string())
}

#[test]
fn every_prefix_of_the_last_writes_opens() {
    let (dir, lengths) = store_of(120);
    let journal = fs::read(dir.path().join(JOURNAL)).expect("the journal");
    let end = *lengths.last().unwrap() as usize;
    let from = lengths[lengths.len() - 1 - CUT_COMMITS as usize] as usize;
    // What was acknowledged by then: a mark of a store that ended there.
    let marks: Vec<Vec<u8>> = (0..=CUT_COMMITS)
        .map(|back| {
            let (dir, _) = store_of(120 - CUT_COMMITS + back);
            fs::read(dir.path().join("data/high-water")).expect("the mark")
        })
        .collect();
    let (mut tried, mut opened) = (0, 0);
    for cut in from..=end {
        let durable = lengths.iter().filter(|length| **length as usize <= cut).count() as u64;
        let acknowledged = (durable + CUT_COMMITS - 120) as usize;
        tried += 1;
        match open_with(dir.path(), &journal[..cut], Some(&marks[acknowledged])) {
            Ok(store) if is_whole(&store) && store.last_commit() == durable => opened += 1,
            Ok(store) => println!("cut at {cut}: ends at {} of {durable}", store.last_commit()),
            Err(problem) => println!("cut at {cut}: {problem}"),
        }
    }
    let mut figures = Figures::new();
    figures.at_least("crash.prefixes", tried, 300);
    figures.exactly("crash.prefixes_opened", opened, tried);
    figures.settle();
}

#[test]
fn a_flipped_bit_never_shortens_a_store_in_silence() {
    let (dir, lengths) = store_of(FLIP_COMMITS);
    let journal = fs::read(dir.path().join(JOURNAL)).expect("the journal");
    let length = *lengths.last().unwrap();
    let (mut refused, mut whole, mut short, mut dropped, mut disordered) = (0, 0, 0, 0, 0);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..FLIPS {
        // The middle half, at places that a fixed sequence picks.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let bit = length * 2 + (state >> 16) % (length * 4);
        let mut damaged = journal.clone();
        damaged[(bit / 8) as usize] ^= 1 << (bit % 8);
        match open_with(dir.path(), &damaged, None) {
            Ok(store) if is_whole(&store) && store.last_commit() == FLIP_COMMITS => whole += 1,
            Ok(store) => {
                println!("bit {bit}: opened at {}", store.last_commit());
                short += 1;
            }
            Err(problem) => {
                refused += 1;
                dropped += usize::from(problem.starts_with("store ends at"));
                disordered += usize::from(problem.contains("out of order"));
            }
        }
    }
    println!("flips: {refused} refused, {dropped} of them told by the mark alone and {disordered} by their order; {whole} opened whole");
    let mut figures = Figures::new();
    figures.exactly("crash.flips", refused + whole + short, FLIPS);
    figures.at_least("crash.flips_told_by_mark", dropped, 1);
    figures.exactly("crash.silently_short", short, 0);
    figures.settle();
}

/// The check itself notices what a number too low hides: without it this store would open with old rows.
#[test]
fn a_batch_out_of_order_is_refused() {
    let (dir, lengths) = store_of(120);
    let mut journal = fs::read(dir.path().join(JOURNAL)).expect("the journal");
    let start = lengths[99] as usize;
    // A batch begins with its tag and the count of its rows; then comes its number.
    assert_eq!(journal[start], 1);
    journal[start + 5..start + 13].copy_from_slice(&2u64.to_le_bytes());
    let refused = open_with(dir.path(), &journal, None).err().expect("refused");
    assert!(refused.contains("batch 2 of 0.jnl is out of order"), "{refused}");
}
