//! The entries that `make fuzz` runs with coverage to guide it, on every change: a bounded number of
//! inputs, made from the same beginnings by chance alone.

#[path = "../../fuzz/entries.rs"]
mod entries;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::figures::Figures;
use entries::{TARGETS, seeds};

/// Inputs of each target.
const CASES: u32 = 400;

/// A change to an input at some place.
#[derive(Clone, Debug)]
enum Edit {
    Replace(u8),
    Insert(Vec<u8>),
    Remove(usize),
    /// What stands at another place comes here, too.
    Repeat(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let telling: Vec<&[u8]> = vec![
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"null",
        b"-1",
        b"1e400",
        b"99999999999999999999",
        b"\\ud800",
        b"\xff",
        b"\x00",
        b"<",
        b"&#0;",
        b"]]>",
        b"\t",
        b"\n",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
        b"\x0a\xff\x7f",
    ];
    prop_oneof![
        any::<u8>().prop_map(Edit::Replace),
        select(telling).prop_map(|bytes| Edit::Insert(bytes.to_vec())),
        (1usize..40).prop_map(Edit::Remove),
        (any::<Index>(), 1usize..60).prop_map(|(from, length)| Edit::Repeat(from, length)),
    ]
}

fn changed(mut input: Vec<u8>, edits: &[(Index, Edit)]) -> Vec<u8> {
    for (place, edit) in edits {
        let at = place.index(input.len() + 1);
        let until = |start: usize, length: usize| start..(start + length).min(input.len());
        match edit {
            Edit::Replace(byte) => input.iter_mut().skip(at).take(1).for_each(|old| *old = *byte),
            Edit::Insert(bytes) => drop(input.splice(at..at, bytes.iter().copied())),
            Edit::Remove(length) => drop(input.drain(until(at, *length))),
            Edit::Repeat(from, length) => {
                let copy = input[until(from.index(input.len() + 1), *length)].to_vec();
                drop(input.splice(at..at, copy));
            }
        }
    }
    input
}

/// Runs an entry over inputs of a target; the first that it panics on, in words.
fn run(target: &str, entry: impl Fn(&[u8])) -> Result<(), String> {
    let beginnings = seeds(target);
    assert!(!beginnings.is_empty(), "{target} begins with nothing");
    // The beginnings themselves pass unchanged.
    for seed in &beginnings {
        catch_unwind(AssertUnwindSafe(|| entry(seed))).map_err(|_| format!("a seed of {target}: {}", String::from_utf8_lossy(seed)))?;
    }
    let edits = prop::collection::vec((any::<Index>(), edit()), 1..6);
    let inputs = (select(beginnings), edits).prop_map(|(seed, edits)| changed(seed, &edits));
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let tested = runner.run(&inputs, |input| {
        entry(&input);
        Ok(())
    });
    tested.map_err(|failure| format!("{target}: {failure}"))
}

#[test]
fn no_entry_panics_on_what_chance_makes() {
    let mut failures = Vec::new();
    for (target, entry) in TARGETS {
        failures.extend(run(target, entry).err());
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    let mut figures = Figures::new();
    figures.exactly("fuzz.targets_tested", TARGETS.len(), 7);
    figures.exactly("fuzz.panics", failures.len(), 0);
    figures.settle();
}

/// A panic deep within one entry, where only a readable input that was changed gets: it is found.
#[test]
fn a_planted_panic_is_found() {
    let sound = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).is_ok();
    let originals = seeds("json");
    let planted = |body: &[u8]| {
        entries::json_request(body);
        assert!(!sound(body) || originals.iter().any(|seed| seed == body), "planted");
    };
    // What proptest finds, it tells on standard error as a panic would be.
    let found = run("json", planted).expect_err("the planted panic");
    assert!(found.contains("planted"), "{found}");
}
