//! `winback report` and `winback export`: figures, and the facts they are made of.
//!
//! Asked of the running server; where none answers, of `data_dir`.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use hyper::Method;

use super::Failure;
use super::call::{Call, call, query, server};
use super::explain::refused;
use crate::admin;
use crate::app;

/// Whose figures or facts, and of which days.
#[derive(clap::Args, Clone, Debug)]
pub struct Range {
    /// The server's config.
    #[arg(long)]
    pub config: PathBuf,
    /// Of one advertiser alone.
    #[arg(long)]
    pub advertiser: Option<String>,
    /// The first day, as 2026-01-31 on each advertiser's clock; without it a report is of seven days, an export of all there are.
    #[arg(long)]
    pub from: Option<String>,
    /// The last day; today.
    #[arg(long)]
    pub to: Option<String>,
}

impl Range {
    /// The query of a call, with `further` beside.
    fn query(&self, further: [(&str, Option<&str>); 2]) -> String {
        let [one, other] = further;
        let own = [("advertiser", &self.advertiser), ("from", &self.from), ("to", &self.to)];
        let [advertiser, from, to] = own.map(|(name, value)| (name, value.as_deref()));
        query(&[advertiser, from, to, one, other])
    }
}

/// Arguments of `winback report`.
#[derive(clap::Args, Clone, Debug)]
pub struct Report {
    /// Of what.
    #[command(flatten)]
    pub range: Range,
    /// What rows are by: advertiser, campaign, day, hour, and one of creative, product, exchange, domain, device, format,
    /// recency, frequency.
    #[arg(long, default_value = "campaign")]
    pub by: String,
    /// As what it is printed.
    #[arg(long, default_value = "table")]
    pub format: Form,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Columns for people.
    Table,
    /// With a header.
    Csv,
    /// The API's.
    Json,
}

/// Arguments of `winback export`.
#[derive(clap::Args, Clone, Debug)]
pub struct Export {
    /// Of what.
    #[command(flatten)]
    pub range: Range,
    /// Which facts, separated by commas: impressions, clicks, conversions, refunds, invalid, merges; without it all.
    #[arg(long)]
    pub kind: Option<String>,
    /// As what they are written: ndjson or csv.
    #[arg(long, default_value = "ndjson")]
    pub format: String,
}

/// `winback report`.
pub fn report(arguments: &Report) -> Result<(), Failure> {
    let format = if arguments.format == Form::Json { "json" } else { "csv" };
    let query = arguments.range.query([("by", Some(&arguments.by)), ("format", Some(format))]);
    let server = server(&arguments.range.config)?;
    let mut told = Vec::new();
    let path = format!("/api/report?{query}");
    if !call(&server, Call::new(Method::GET, &path), &mut told).map_err(refused)? {
        let engine = app::look(&arguments.range.config)?;
        told = admin::reported(&engine, &query).map_err(Failure::Faults)?;
    }
    let told = match arguments.format {
        Form::Table => table(&told).into_bytes(),
        Form::Csv | Form::Json => told,
    };
    let mut out = std::io::stdout().lock();
    let end: &[u8] = if told.ends_with(b"\n") { b"" } else { b"\n" };
    written(out.write_all(&told).and_then(|()| out.write_all(end)))
}

/// `winback export`.
pub fn export(arguments: &Export) -> Result<(), Failure> {
    let query = arguments
        .range
        .query([("kind", arguments.kind.as_deref()), ("format", Some(&arguments.format))]);
    let server = server(&arguments.range.config)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let path = format!("/api/export?{query}");
    if !call(&server, Call::new(Method::GET, &path), &mut out).map_err(refused)? {
        let engine = app::glance(&arguments.range.config)?;
        let wanted = admin::Wanted::of(&query).map_err(Failure::Faults)?;
        return written(wanted.write(&engine, &mut out).and_then(|()| out.flush()));
    }
    written(out.flush())
}

fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        // Whoever reads has had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| Failure::Environment {
            what: "cannot write the figures",
            source,
        }),
    }
}

/// Columns as wide as what stands in them; numbers to the right.
fn table(csv: &[u8]) -> String {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
    let rows: Vec<Vec<String>> = reader
        .records()
        .filter_map(Result::ok)
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect();
    let columns = rows.first().map_or(0, Vec::len);
    let in_column = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let widths: Vec<usize> = (0..columns)
        .map(|at| in_column(at).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let is_number = |cell: &String| cell.is_empty() || cell.parse::<f64>().is_ok();
    let to_right: Vec<bool> = (0..columns).map(|at| in_column(at).skip(1).all(is_number)).collect();
    let mut out = String::new();
    for row in &rows {
        for ((cell, width), to_right) in row.iter().zip(&widths).zip(&to_right) {
            let padded = if *to_right {
                format!("{cell:>width$}  ")
            } else {
                format!("{cell:<width$}  ")
            };
            out.push_str(&padded);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_columns_below_one_another() {
        let told = table(b"campaign,clicks\ncart,7\n\"lapsed, buyers\",1234\n");
        assert_eq!(told, "campaign        clicks\ncart                 7\nlapsed, buyers    1234\n");
    }
}
