//! Storms: the pure parts of the server (`decide`, `commit`, the writer, loading) against a model that
//! counts by itself, on virtual time, from a seed.
//!
//! `SEEDS` and `STEPS` say how many and how long (`make sim`); `SEED` plays one of them alone and is what a
//! failure prints.

mod model;
mod play;
pub mod server;
mod tally;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::figures::Figures;
use tally::Tally;
use world::STARTS;

const SEEDS: usize = 200;
const STEPS: usize = 2_000;
/// What the long run must have seen of each; a shorter one in proportion.
const LEAST: usize = 1_000;
const LONG: usize = 1_000 * 2_000;
const LIVELY: [&str; 15] = [
    "bids",
    "wins",
    "losses",
    "late",
    "lost",
    "doubled",
    "crashes",
    "lapsed",
    "reordered",
    "refused",
    "unsaid",
    "stale",
    "capped",
    "broke",
    "conversions",
];
const BREAKS: [&str; 9] = ["books", "rows", "budgets", "caps", "lost", "twice", "reload", "poison", "late"];

fn of_environment(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn storms_break_nothing() {
    let (seeds, steps) = (of_environment("SEEDS", SEEDS), of_environment("STEPS", STEPS));
    let only = std::env::var("SEED").ok().and_then(|seed| seed.parse::<usize>().ok());
    let settings: Vec<_> = (0..2 * STARTS.len()).map(|n| world::setting(STARTS[n / 2], n % 2 == 1)).collect();
    let (next, total) = (AtomicUsize::new(only.unwrap_or(0)), Mutex::new(Tally::default()));
    let last = only.map_or(seeds, |only| only + 1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < last) {
                    // Three of four storms are about budgets.
                    let slow = usize::from(seed % 4 == 3);
                    let tally = play::play(&settings[seed % STARTS.len() * 2 + slow], slow == 1, seed as u64, steps);
                    if !tally.breaks.is_empty() {
                        println!("SEED={seed} STEPS={steps}: {:?} {:#?}", tally.breaks, tally.told);
                    }
                    total.lock().expect("no storm panics").add(tally);
                }
            });
        }
    });
    let total = total.into_inner().expect("no storm panics");
    println!("{} storms of {steps} steps: {:?}", last - only.unwrap_or(0), total.counts);
    if only.is_some() {
        return assert!(total.breaks.is_empty(), "{:?}", total.breaks);
    }
    judge(&total, seeds * steps);
}

fn judge(total: &Tally, played: usize) {
    let mut figures = Figures::new();
    for what in LIVELY {
        let least = (LEAST * played / LONG).max(20);
        figures.at_least(&format!("memory.sim_{what}"), total.counts.get(what).copied().unwrap_or(0), least);
    }
    for what in BREAKS {
        figures.exactly(
            &format!("memory.sim_breaks_{what}"),
            total.breaks.get(what).copied().unwrap_or(0),
            0,
        );
    }
    figures.exactly("memory.sim_breaks", total.breaks.values().sum::<usize>(), 0);
    // Of the budgets that were all but spent, the mean share that the exchanges charged.
    let (charged, limits) = total.charged;
    let percent = (charged * 10_000 / limits.max(1)) as f64 / 100.0;
    figures.at_most("memory.sim_charged_percent", percent, 100.5);
    figures.settle();
}
