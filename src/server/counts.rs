//! What is counted of each exchange's requests, in plain cells: `/metrics` and the last day's record read them.
//!
//! Adding is one addition, made after the answer is written. Counts only grow; nothing is decided by them.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::meters::Held;
use crate::model::outcome::NoBid;
use crate::privacy::permission::Ground;
use crate::state::sight::Recognition;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Cell {
    /// Requests answered with a bid, or without one.
    Answered(bool),
    /// Requests without a bid, by reason.
    NoBid(NoBid),
    /// Requests by what their ids came to.
    Recognized(Recognition),
    /// Requests whose ids no signal permits to look at, by signal.
    Refused(Ground),
    /// Connections that were not read from for a while.
    Held(Held),
    /// Answers that came too late.
    Late,
    /// Bids, of which one answer may have several.
    Bids,
    /// Impressions that were booked when a notice or a pixel told of them.
    Impressions,
}

const REASONS: usize = 2;
const RECOGNITIONS: usize = REASONS + NoBid::ALL.len();
const GROUNDS: usize = RECOGNITIONS + Recognition::ALL.len();
const HELD: usize = GROUNDS + Ground::ALL.len();
const LATE: usize = HELD + Held::LABELS.len();
const BIDS: usize = LATE + 1;
const IMPRESSIONS: usize = BIDS + 1;
/// How many there are.
pub const CELLS: usize = IMPRESSIONS + 1;

impl Cell {
    /// Its place among all.
    pub const fn place(self) -> usize {
        match self {
            Cell::Answered(with_bid) => !with_bid as usize,
            Cell::NoBid(why) => REASONS + why as usize,
            Cell::Recognized(recognition) => RECOGNITIONS + recognition as usize,
            Cell::Refused(ground) => GROUNDS + ground as usize,
            Cell::Held(why) => HELD + why as usize,
            Cell::Late => LATE,
            Cell::Bids => BIDS,
            Cell::Impressions => IMPRESSIONS,
        }
    }
}

/// The counts of one exchange.
#[derive(Debug)]
pub struct Counts([AtomicU64; CELLS]);

impl Default for Counts {
    fn default() -> Counts {
        Counts(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counts {
    /// Counts so many more.
    pub fn add(&self, cell: Cell, more: u64) {
        self.0[cell.place()].fetch_add(more, Relaxed);
    }

    /// As they stand.
    pub fn read(&self) -> [u64; CELLS] {
        std::array::from_fn(|at| self.0[at].load(Relaxed))
    }
}

/// A family of metrics: its name, the label that tells its members apart, and where these stand.
struct Family {
    name: &'static str,
    label: Option<&'static str>,
    first: usize,
    words: Vec<&'static str>,
}

fn families() -> [Family; 8] {
    let family = |name, label, first, words| Family { name, label, first, words };
    [
        family("winback_requests_total", Some("outcome"), 0, vec!["bid", "no_bid"]),
        family(
            "winback_no_bids_total",
            Some("reason"),
            REASONS,
            NoBid::ALL.iter().map(|why| why.label()).collect(),
        ),
        family(
            "winback_match_total",
            Some("result"),
            RECOGNITIONS,
            Recognition::ALL.iter().map(|of| of.label()).collect(),
        ),
        family(
            "winback_consent_refusals_total",
            Some("ground"),
            GROUNDS,
            Ground::ALL.iter().map(|of| of.label()).collect(),
        ),
        family("winback_reads_held_total", Some("why"), HELD, Held::LABELS.into()),
        family("winback_late_total", None, LATE, vec![""]),
        family("winback_bids_total", None, BIDS, vec![""]),
        family("winback_impressions_total", None, IMPRESSIONS, vec![""]),
    ]
}

/// The counts of all exchanges as Prometheus text.
pub fn text<'c>(exchanges: impl Iterator<Item = (&'c str, &'c Counts)>) -> String {
    let all: Vec<(&str, [u64; CELLS])> = exchanges.map(|(id, counts)| (id, counts.read())).collect();
    let mut out = String::new();
    for family in families() {
        // Writing into a String does not fail.
        let _ = writeln!(out, "# TYPE {} counter", family.name);
        for (id, counts) in &all {
            for (word, count) in family.words.iter().zip(&counts[family.first..]) {
                let label = family.label.map(|label| format!(",{label}=\"{word}\"")).unwrap_or_default();
                let _ = writeln!(out, "{}{{exchange=\"{id}\"{label}}} {count}", family.name);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_one_place_and_one_line() {
        let counts = Counts::default();
        let mut cells = vec![
            Cell::Answered(true),
            Cell::Answered(false),
            Cell::Late,
            Cell::Bids,
            Cell::Impressions,
        ];
        cells.extend(NoBid::ALL.iter().map(|why| Cell::NoBid(*why)));
        cells.extend(Recognition::ALL.iter().map(|of| Cell::Recognized(*of)));
        cells.extend(Ground::ALL.iter().map(|of| Cell::Refused(*of)));
        cells.extend([Held::Rate, Held::Lag].map(Cell::Held));
        assert_eq!(cells.len(), CELLS);
        for (at, cell) in cells.iter().enumerate() {
            counts.add(*cell, at as u64 + 1);
        }
        let text = text([("x", &counts)].into_iter());
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let mut values: Vec<usize> = lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, (1..=CELLS).collect::<Vec<_>>());
        for line in [
            "winback_requests_total{exchange=\"x\",outcome=\"bid\"} 1",
            "winback_requests_total{exchange=\"x\",outcome=\"no_bid\"} 2",
            "winback_late_total{exchange=\"x\"} 3",
            "winback_no_bids_total{exchange=\"x\",reason=\"malformed\"} 6",
        ] {
            assert!(lines.contains(&line), "{line} is not in {text}");
        }
    }
}
