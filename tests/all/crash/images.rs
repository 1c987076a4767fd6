//! Images of a store as a crash, or a bad disk, may leave it.
//!
//! Every prefix of the last writes is what a crash may have left: it opens, with all that was
//! acknowledged by then. A flipped bit is no crash: the store is refused, or whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use winback::model::rows::{Row, Table};
use winback::store::{Store, backup, restore};
use winback::track::fold::Disk;

use super::{copy, in_memory};
use crate::figures::Figures;

const JOURNAL: &str = "data/store/0.jnl";
/// Commits whose every prefix is opened.
const CUT_COMMITS: u64 = 3;
const FLIPS: usize = 300;
const FLIP_COMMITS: u64 = 2_000;
const TABLE_FLIPS: usize = 200;
const BACKUPS: usize = 5;
/// Rows that commits overwrite in turn.
const OVERWRITTEN: u64 = 50;

pub fn row(table: Table, key: u64, value: u64) -> Row {
    Row {
        table,
        key: key.to_be_bytes().to_vec(),
        value: Some(value.to_le_bytes().to_vec()),
    }
}

/// A store of so many commits, each with a row of its own and one that others overwrite, and how long
/// the journal was after each.
pub fn store_of(commits: u64) -> (TempDir, Vec<u64>) {
    let dir = in_memory();
    let mut store = Store::open(&dir.path().join("data")).expect("a store");
    let mut lengths = Vec::new();
    for n in 1..=commits {
        let rows = [row(Table::Paces, n, n), row(Table::Users, n % OVERWRITTEN, n)];
        store.commit(&rows).expect("a commit");
        lengths.push(fs::metadata(dir.path().join(JOURNAL)).expect("the journal").len());
    }
    (dir, lengths)
}

/// What a store that opened is.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds exactly what its commits wrote.
    Whole,
    /// It holds something else.
    Wrong,
    /// It says that it cannot be read.
    Unreadable,
}

pub fn verdict(store: &Store) -> Verdict {
    let last = store.last_commit();
    let number = |bytes: &[u8]| bytes.first_chunk::<8>().copied().expect("eight bytes");
    let pair = |row: Row| {
        let value = row.value.expect("a value");
        (u64::from_be_bytes(number(&row.key)), u64::from_le_bytes(number(&value)))
    };
    let rows = |table| store.rows(table).map(|row| row.map(pair)).collect::<Result<Vec<_>, _>>();
    let (Ok(own), Ok(users)) = (rows(Table::Paces), rows(Table::Users)) else {
        return Verdict::Unreadable;
    };
    // The last commit of each remainder.
    let latest = |key: u64| last.saturating_sub((last + OVERWRITTEN - key) % OVERWRITTEN);
    let latest = (0..OVERWRITTEN).map(|key| (key, latest(key))).filter(|(_, n)| *n > 0);
    match own == (1..=last).map(|n| (n, n)).collect::<Vec<_>>() && users == latest.collect::<Vec<_>>() {
        true => Verdict::Whole,
        false => Verdict::Wrong,
    }
}

/// Numbers that look random and are the same in every run.
pub struct Sequence(u64);

impl Default for Sequence {
    fn default() -> Sequence {
        Sequence(0x9e37_79b9_7f4a_7c15)
    }
}

impl Sequence {
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }
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
            Ok(store) if verdict(&store) == Verdict::Whole && store.last_commit() == durable => opened += 1,
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
    let mut sequence = Sequence::default();
    for _ in 0..FLIPS {
        // The middle half, at places that a fixed sequence picks.
        let bit = length * 2 + sequence.next() % (length * 4);
        let mut damaged = journal.clone();
        damaged[(bit / 8) as usize] ^= 1 << (bit % 8);
        match open_with(dir.path(), &damaged, None) {
            Ok(store) if verdict(&store) == Verdict::Whole && store.last_commit() == FLIP_COMMITS => whole += 1,
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

/// After a turn everything lies in tables, which carry checksums of their own: what is read of them is
/// what was written, or an error.
#[test]
fn a_flipped_bit_in_a_table_is_never_read() {
    let (dir, _) = store_of(FLIP_COMMITS);
    let data = dir.path().join("data");
    Store::open(&data).expect("a store").turn(&mut |_| true).expect("a turn");
    // Opened once more, its journal is as long as what is in it: images are small.
    drop(Store::open(&data).expect("a store"));
    let mut files = Vec::new();
    files_below(&data.join("store"), &mut files);
    let (mut refused, mut whole, mut wrong) = (0, 0, 0);
    let mut sequence = Sequence::default();
    for n in 0..TABLE_FLIPS {
        let image = in_memory();
        copy(dir.path(), image.path());
        let path = image.path().join(files[n % files.len()].strip_prefix(dir.path()).expect("below"));
        let mut bytes = fs::read(&path).expect("a file");
        let bit = sequence.next() % (8 * bytes.len() as u64);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        fs::write(&path, bytes).expect("written");
        let data = image.path().join("data");
        match std::panic::catch_unwind(|| Store::open(&data).map(|store| verdict(&store))) {
            Ok(Ok(Verdict::Whole)) => whole += 1,
            Ok(Ok(Verdict::Unreadable) | Err(_)) => refused += 1,
            other => {
                println!("{}, bit {bit}: {other:?}", path.display());
                wrong += 1;
            }
        }
    }
    println!("{} files: {refused} refused, {whole} opened whole", files.len());
    let mut figures = Figures::new();
    figures.exactly("crash.table_flips", refused + whole + wrong, TABLE_FLIPS);
    figures.exactly("crash.table_flips_read", wrong, 0);
    figures.settle();
}

/// A backup that is taken while commits go on holds all of each of them or nothing.
#[test]
fn a_backup_under_load_is_whole() {
    let (dir, _) = store_of(FLIP_COMMITS);
    let (data, seals, new) = (dir.path().join("data"), in_memory(), in_memory());
    fs::write(data.join("hash-key"), "5a".repeat(16)).expect("a key");
    let store = Store::open(&data).expect("a store");
    let keys = backup::keys(&data, seals.path()).expect("the keys");
    let (running, mut copies) = (AtomicBool::new(true), Vec::new());
    std::thread::scope(|scope| {
        let (mut writing, running) = (store.clone(), &running);
        scope.spawn(move || {
            for n in (FLIP_COMMITS + 1..).take_while(|_| running.load(Ordering::Relaxed)) {
                let rows = [row(Table::Paces, n, n), row(Table::Users, n % OVERWRITTEN, n)];
                writing.commit(&rows).expect("a commit");
            }
        });
        for _ in 0..BACKUPS {
            // However busy the machine is, something is written between two backups.
            let before = store.last_commit();
            while store.last_commit() == before {
                std::thread::yield_now();
            }
            let mut file = Vec::new();
            backup::write(&store, &keys, &mut file).expect("a backup");
            copies.push(file);
        }
        running.store(false, Ordering::Relaxed);
    });
    let (mut whole, mut ends) = (0, Vec::new());
    for (n, file) in copies.iter().enumerate() {
        let (path, data) = (new.path().join(format!("{n}.wb")), new.path().join(format!("data-{n}")));
        fs::write(&path, file).expect("written");
        restore::restore(&path, &data, &new.path().join("keys")).expect("restored");
        let store = Store::open(&data).expect("a store");
        whole += usize::from(verdict(&store) == Verdict::Whole);
        ends.push(store.last_commit());
    }
    println!("commits {FLIP_COMMITS} to {}, backups at {ends:?}", store.last_commit());
    ends.dedup();
    let mut figures = Figures::new();
    figures.exactly("crash.backups_whole", whole, BACKUPS);
    figures.at_least("crash.backups_apart", ends.len(), 2);
    figures.settle();
}

pub fn files_below(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, files);
        } else if fs::metadata(&path).expect("a file").len() > 0 && path.extension().is_none_or(|ending| ending != "jnl") {
            files.push(path);
        }
    }
    files.sort();
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
