//! A turn of a store that is written to meanwhile: images of the data folder at each of its steps are what
//! a crash may leave there, and each opens with all that was acknowledged by then.
//!
//! That the real server survives being killed in it is in `kill`.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use winback::model::rows::{Parts, Row, Table};
use winback::store::{Step, Store, Trouble};
use winback::track::fold::Disk;

use super::images::{Sequence, Verdict, row, store_of, verdict};
use super::{copy, holding, in_memory};
use crate::figures::Figures;

const BEFORE: u64 = 5_000;
/// Images in which something of a folder is gone that is being removed.
const HALF_REMOVED: usize = 40;
/// A disk would take as long.
const BETWEEN_COMMITS: Duration = Duration::from_micros(500);
/// Turns in a row beside commits.
const TURNS: usize = 8;

/// The commit after the last.
fn commit(store: &mut Store) {
    let n = store.last_commit() + 1;
    store
        .commit(&[row(Table::Paces, n, n), row(Table::Users, n % 50, n)])
        .expect("a commit");
}

/// An image, what was acknowledged by then, and the step.
type Image = (TempDir, u64, Step);

/// Images at each step of a turn, with commits between them.
fn images(dir: &Path) -> Vec<Image> {
    let store = Store::open(&dir.join("data")).expect("a store");
    let (mut writing, mut images) = (store.clone(), Vec::<Image>::new());
    let mut streaming = 0;
    let turned = store.turn(&mut |step| {
        // While it is marked nobody can ask for the number either: it is the one of before.
        let acknowledged = match step {
            Step::Marked => images.last().expect("an image").1,
            _ => writing.last_commit(),
        };
        streaming += usize::from(step == Step::Streaming);
        if step != Step::Streaming || streaming.is_multiple_of(3) {
            let image = in_memory();
            copy(dir, image.path());
            images.push((image, acknowledged, step));
        }
        if !matches!(step, Step::Replayed | Step::Marked) {
            (0..40).for_each(|_| commit(&mut writing));
        }
        true
    });
    let held = turned.expect("a turn").held;
    println!("{} images; nobody could commit for {held:?}", images.len());
    assert_eq!(verdict(&store), Verdict::Whole);
    images
}

/// Whether an image is a whole store with all that was acknowledged, and nothing is left beside it.
fn is_whole(image: &Path, acknowledged: u64) -> bool {
    let data = image.join("data");
    let store = match Store::open(&data) {
        Ok(store) => store,
        Err(trouble) => {
            println!("{trouble}");
            return false;
        }
    };
    let found = (verdict(&store), store.last_commit());
    let left = fs::read_dir(&data).expect("the folder").filter_map(Result::ok);
    let left = left
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("store."))
        .count();
    let is = found == (Verdict::Whole, acknowledged) && left == 0;
    if !is {
        println!("{found:?} of {acknowledged}, {left} folders left");
    }
    is
}

/// Removes a file below a folder.
fn remove_one(dir: &Path, nth: u64) {
    let mut files = Vec::new();
    super::images::files_below(dir, &mut files);
    let file = &files[(nth % files.len() as u64) as usize];
    fs::remove_file(file).expect("removed");
}

#[test]
fn a_crash_at_any_step_leaves_one_whole_store() {
    let (dir, _) = store_of(BEFORE);
    let images = images(dir.path());
    let (mut whole, mut half, mut half_whole) = (0, 0, 0);
    let steps = [
        Step::Streaming,
        Step::Streamed,
        Step::Replayed,
        Step::Marked,
        Step::Swapped,
        Step::Removed,
    ];
    let seen = steps.iter().filter(|step| images.iter().any(|(.., of)| of == *step)).count();
    let mut sequence = Sequence::default();
    for (image, acknowledged, step) in &images {
        // What is not the store any more, or not yet, may be there in part.
        let other = match step {
            Step::Streamed | Step::Replayed => "store.1",
            Step::Marked | Step::Swapped => "store",
            Step::Streaming | Step::Removed => "",
        };
        for _ in 0..if other.is_empty() { 0 } else { HALF_REMOVED / 4 } {
            let damaged = in_memory();
            copy(image.path(), damaged.path());
            for _ in 0..1 + sequence.next() % 4 {
                remove_one(&damaged.path().join("data").join(other), sequence.next());
            }
            half += 1;
            half_whole += usize::from(is_whole(damaged.path(), *acknowledged));
        }
        let is = is_whole(image.path(), *acknowledged);
        println!("{step:?} at {acknowledged}: {}", if is { "whole" } else { "not whole" });
        whole += usize::from(is);
    }
    let mut figures = Figures::new();
    figures.exactly("crash.turn_steps", seen, steps.len());
    figures.exactly("crash.turn_images_whole", whole, images.len());
    figures.at_least("crash.turn_half_removed", half, HALF_REMOVED);
    figures.exactly("crash.turn_half_removed_whole", half_whole, half);
    figures.settle();
}

/// Turns one after another while commits, reads and drops go on; then a restart.
#[test]
fn a_store_is_turned_while_it_is_used() {
    let (dir, _) = store_of(BEFORE);
    let data = dir.path().join("data");
    let store = Store::open(&data).expect("a store");
    let running = AtomicBool::new(true);
    let (mut commits, mut worst, mut reads) = (0, Duration::ZERO, 0);
    let mut helds = Vec::new();
    let part = |part: u64| Row {
        table: Table::EventIds,
        key: Parts::key(part, &part.to_be_bytes()),
        value: Some(b"seen".to_vec()),
    };
    std::thread::scope(|scope| {
        let (mut writing, reading, running) = (store.clone(), store.clone(), &running);
        let writer = scope.spawn(move || {
            let (mut commits, mut worst) = (0u64, Duration::ZERO);
            while running.load(Ordering::Relaxed) {
                let began = Instant::now();
                commit(&mut writing);
                worst = worst.max(began.elapsed());
                commits += 1;
                std::thread::sleep(BETWEEN_COMMITS);
                if commits.is_multiple_of(50) {
                    let n = writing.last_commit() + 1;
                    let over = Parts::drop_through(Table::EventIds, commits / 50 - 1);
                    let rows = [row(Table::Paces, n, n), row(Table::Users, n % 50, n), part(commits / 50), over];
                    writing.commit(&rows).expect("a commit");
                }
            }
            (commits, worst)
        });
        let reader = scope.spawn(move || {
            let mut reads = 0;
            while running.load(Ordering::Relaxed) {
                assert!(reading.get(Table::Paces, &1u64.to_be_bytes()).expect("a read").is_some());
                assert!(reading.rows(Table::Users).all(|row| row.is_ok()));
                reads += 1;
            }
            reads
        });
        for _ in 0..TURNS {
            helds.push(store.turn(&mut |_| true).expect("a turn").held);
        }
        running.store(false, Ordering::Relaxed);
        ((commits, worst), reads) = (writer.join().expect("the writer"), reader.join().expect("the reader"));
    });
    println!("{commits} commits, the longest {worst:?}, and {reads} reads beside {TURNS} turns that held for {helds:?}");
    let last = store.last_commit();
    let parts = store.rows(Table::EventIds).count();
    assert_eq!(verdict(&store), Verdict::Whole);
    drop(store);
    let store = Store::open(&data).expect("a store");
    assert_eq!((verdict(&store), store.last_commit()), (Verdict::Whole, last));
    let mut figures = Figures::new();
    figures.at_least("crash.turn_commits", commits as usize, 50);
    figures.at_least("crash.turn_reads", reads, 10);
    figures.exactly("crash.turn_parts", store.rows(Table::EventIds).count(), parts.max(1));
    figures.at_most("crash.turn_held_ms", helds.iter().max().expect("one").as_millis() as usize, 2_000);
    figures.settle();
}

#[test]
fn after_a_turn_what_was_erased_is_nowhere() {
    let dir = in_memory();
    let secret = b"a secret that is to go";
    let mut store = Store::open(dir.path()).expect("a store");
    let text = |table: Table, key: u64, value: Option<&[u8]>| Row {
        value: value.map(<[u8]>::to_vec),
        ..row(table, key, 0)
    };
    let users = [text(Table::Users, 1, Some(secret)), text(Table::Users, 2, Some(b"stays"))];
    store.commit(&users).expect("a commit");
    assert!(!store.has_leftovers().expect("known"));
    let erase = [text(Table::Users, 1, None), text(Table::Erased, 77, Some(&[1, 0, 0, 0]))];
    store.commit(&erase).expect("a commit");
    assert_eq!(
        (holding(dir.path(), secret), store.has_leftovers().expect("known")),
        (1, true),
        "the journal still has it"
    );
    let turned = store.turn(&mut |_| true).expect("a turn");
    assert_eq!((holding(dir.path(), secret), holding(dir.path(), b"stays")), (0, 1));
    assert!(!store.has_leftovers().expect("known"));
    drop(store);
    let store = Store::open(dir.path()).expect("a store");
    assert_eq!((store.rows(Table::Users).count(), store.last_commit(), turned.rows), (1, 2, 4));
}

/// What is erased while a turn is under way may be in what was streamed already: it waits for the next.
#[test]
fn what_is_erased_meanwhile_waits_for_the_next_turn() {
    let dir = in_memory();
    let store = Store::open(dir.path()).expect("a store");
    let secret = b"a secret that is to go";
    let mut writing = store.clone();
    let user = |value: Option<&[u8]>| Row {
        value: value.map(<[u8]>::to_vec),
        ..row(Table::Users, 1, 0)
    };
    writing.commit(&[user(Some(secret))]).expect("a commit");
    let mut waits = Vec::new();
    for _ in 0..2 {
        let turned = store.turn(&mut |step| {
            if step == Step::Streamed && waits.is_empty() {
                writing.commit(&[user(None), row(Table::Erased, 77, 1)]).expect("a commit");
            }
            true
        });
        turned.expect("a turn");
        waits.push((store.has_leftovers().expect("known"), holding(dir.path(), secret) > 0));
    }
    assert_eq!(waits, [(true, true), (false, false)]);
    assert_eq!(store.rows(Table::Users).count(), 0);
}

#[test]
fn one_turn_at_a_time_and_one_that_is_given_up_leaves_no_trace() {
    let (dir, _) = store_of(2_000);
    let data = dir.path().join("data");
    let store = Store::open(&data).expect("a store");
    let mut tried = 0;
    for stop in [Step::Streaming, Step::Streamed, Step::Replayed] {
        let refused = store.turn(&mut |step| {
            let second = store.turn(&mut |_| true).expect_err("one is under way");
            assert!(matches!(second, Trouble::Turning(_)), "{second}");
            tried += 1;
            step != stop
        });
        let said = refused.expect_err("given up").to_string();
        assert!(said.ends_with("it was given up: run it again"), "{said}");
        assert!(!data.join("store.1").exists());
        commit(&mut store.clone());
    }
    assert!(tried >= 3 && verdict(&store) == Verdict::Whole);
    store.turn(&mut |_| true).expect("a turn");
    assert_eq!((verdict(&store), store.last_commit()), (Verdict::Whole, 2_003));
}
