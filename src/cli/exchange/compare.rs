//! Two runs of `winback exchange` beside one another, from what `--json` wrote.
//!
//! Says where two runs are not alike: then a difference may be theirs and not the server's.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::super::Failure;
use super::{read, wrong};
use crate::sim::Report;

/// A figure of both runs.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What it is.
    pub figure: &'static str,
    /// Of the first run.
    pub a: f64,
    /// Of the second.
    pub b: f64,
    /// The second by the first; none where that is zero.
    pub ratio: Option<f64>,
}

/// What two runs come to.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The figures.
    pub rows: Vec<Row>,
    /// In what the runs were not alike, and why one of them is to be doubted.
    pub notes: Vec<String>,
}

/// The report that `--json` wrote into a file.
pub fn report(path: &Path) -> Result<Report, Failure> {
    let remedy = "name a file that `winback exchange --json FILE` wrote";
    serde_json::from_str(&read(path)?).map_err(|fault| wrong(format!("{}: {fault}: {remedy}", path.display())))
}

/// Holds two runs against one another.
pub fn compare(a: &Report, b: &Report) -> Comparison {
    let row = |figure, of: fn(&Report) -> f64| {
        let (a, b) = (of(a), of(b));
        let ratio = (a != 0.0).then(|| (b / a * 1_000.0).round() / 1_000.0);
        Row { figure, a, b, ratio }
    };
    let rows = vec![
        row("achieved rate", |of| of.achieved_rate),
        row("bids, % of answers", |of| of.bid_percent),
        row("unanswered", |of| (of.errors + of.timeouts + of.unsent) as f64),
        row("p50 us", |of| of.latency_us.p50 as f64),
        row("p90 us", |of| of.latency_us.p90 as f64),
        row("p99 us", |of| of.latency_us.p99 as f64),
        row("p99.9 us", |of| of.latency_us.p99_9 as f64),
        row("p99.99 us", |of| of.latency_us.p99_99 as f64),
        row("worst us", |of| of.latency_us.max as f64),
        row("bytes an answer", |of| of.bytes_received as f64 / of.answered.max(1) as f64),
    ];
    Comparison { rows, notes: notes(a, b) }
}

fn notes(a: &Report, b: &Report) -> Vec<String> {
    let rate = |of: &Report| of.target_rate.map_or_else(|| "max".to_owned(), |rate| rate.to_string());
    let unlike = [
        ("target rate", rate(a), rate(b)),
        ("connections", a.connections.to_string(), b.connections.to_string()),
        ("seconds", a.seconds.to_string(), b.seconds.to_string()),
    ];
    let unlike = unlike.into_iter().filter(|(_, a, b)| a != b);
    let mut notes: Vec<String> = unlike.map(|(what, a, b)| format!("not alike: {what} {a} and {b}")).collect();
    for (name, report) in [("A", a), ("B", b)] {
        notes.extend(report.doubt.iter().map(|doubt| format!("{name}: {doubt}")));
    }
    notes
}

impl Comparison {
    /// The table.
    pub fn table(&self, names: [&str; 2]) -> String {
        let mut out = format!("A              {}\nB              {}\n\n", names[0], names[1]);
        let _ = writeln!(out, "{:<20} {:>12} {:>12} {:>8}", "", "A", "B", "B / A");
        for Row { figure, a, b, ratio } in &self.rows {
            let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
            let number = |n: f64| if n.fract() == 0.0 { format!("{n:.0}") } else { format!("{n:.2}") };
            let _ = writeln!(out, "{figure:<20} {:>12} {:>12} {ratio:>8}", number(*a), number(*b));
        }
        for note in &self.notes {
            let _ = writeln!(out, "NOTE           {note}");
        }
        out
    }
}
