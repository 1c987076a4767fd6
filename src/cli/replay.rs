//! `winback replay`: sampled requests decided on again, under one config or two, over the same data; what changes.
//!
//! Each request at its own time and with its own seed, so that the same config comes to the same. The data are a
//! copy: of the running server, of its folder where none runs, or of a backup. Nothing is held, counted or kept, and
//! links are sealed with a key that no listener opens.

mod compare;
mod decide;
mod report;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::{Failure, backup, call};
use crate::app::Still;
use crate::base::time::{Millis, Secs};
use crate::server::samples::folder::{FOLDER, files};
use crate::server::samples::record::Record;
use compare::Comparison;
use decide::Side;

/// Arguments of `winback replay`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
With one config what was answered then stands beside what it would answer; with --against both answer. The data are as \
they are now, whatever they were then: budgets, caps, rates and what shoppers did. They are copied to a temporary folder \
(TMPDIR), which takes as much room as `data_dir`.

Examples:
  winback replay --config winback.json
  winback replay --config winback.json --against tomorrow/winback.json --json changes.json
  winback replay --config winback.json --against other.json --backup monday.backup data/samples/2026-06-01.ndjson")]
pub struct Replay {
    /// The server's config; its `data_dir` has the data, and the samples where no LOG is given.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Another config, to hold against the first.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// The data of a backup, in place of those of the server.
    #[arg(long, value_name = "FILE")]
    pub backup: Option<PathBuf>,
    /// The figures as JSON into a file, or on standard output in place of the tables: -.
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<String>,
    /// Changed requests that are shown whole.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub examples: usize,
    /// A file of samples, or a folder of them; without it those of `data_dir`.
    #[arg(value_name = "LOG")]
    pub samples: Option<PathBuf>,
}

/// `winback replay`.
pub fn replay(arguments: &Replay) -> Result<(), Failure> {
    let server = call::server(&arguments.config)?;
    let log = arguments.samples.clone().unwrap_or_else(|| server.data_dir.join(FOLDER));
    let logs = logs(&log)?;
    let survey = Survey::of(&logs)?;
    if survey.requests == 0 {
        let hint = "set `sampling` in the server's config, or name a file that has some";
        return Err(Failure::Faults(format!("no sampled request in {}: {hint}", log.display())));
    }
    let still = match &arguments.backup {
        Some(file) => Still::of_backup(file)?,
        None => of_server(&server)?,
    };
    let state = still.state(survey.until(), |handle| survey.handles.contains(handle))?;
    let configs = std::iter::once(&arguments.config).chain(&arguments.against);
    let mut sides = Vec::new();
    for config in configs {
        let look = still.look(config, &state, survey.until())?;
        for remark in &look.remarks {
            tracing::warn!("{remark}");
        }
        sides.push(Side::new(config.display().to_string(), look));
    }
    let mut comparison = Comparison::new(&sides, &survey.shares, arguments.examples);
    each(&logs, |record| comparison.add(&record, &state, &mut sides))?;
    let report = comparison.report(&sides, survey.unreadable);
    tell(arguments, &report)
}

/// The data of the running server; of its folder where none answers.
fn of_server(server: &crate::config::Server) -> Result<Still, Failure> {
    let cannot = |source| Failure::Environment {
        what: "cannot make a temporary file",
        source,
    };
    let mut file = tempfile::NamedTempFile::new().map_err(cannot)?;
    let asked = backup::ask(server, "/api/backup", file.as_file_mut());
    let asked = asked.map_err(|problem| Failure::Unreachable(format!("cannot copy the data: {problem}: try again")))?;
    Ok(if asked {
        Still::of_backup(file.path())?
    } else {
        Still::of_folder(&server.data_dir)?
    })
}

/// The files that a path names, in the order of their days.
fn logs(log: &Path) -> Result<Vec<PathBuf>, Failure> {
    if log.is_file() {
        return Ok(vec![log.to_owned()]);
    }
    let found = files(log).map_err(|error| unreadable(log, &error))?;
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Faults(format!(
        "cannot read {}: {error}: name a file that `sampling` wrote",
        path.display()
    ))
}

/// Hands out every sample; how many lines are none.
fn each(logs: &[PathBuf], mut take: impl FnMut(Record)) -> Result<usize, Failure> {
    let mut not_read = 0;
    for path in logs {
        let failed = |error: io::Error| unreadable(path, &error);
        for line in BufReader::new(File::open(path).map_err(failed)?).split(b'\n') {
            let line = line.map_err(failed)?;
            match serde_json::from_slice(&line) {
                Ok(record) => take(record),
                // A restart begins with a new line.
                Err(_) => not_read += usize::from(!line.is_empty()),
            }
        }
    }
    Ok(not_read)
}

/// What has to be known of all samples before the first is decided on.
#[derive(Default)]
struct Survey {
    requests: usize,
    unreadable: usize,
    handles: HashSet<String>,
    last: Millis,
    shares: compare::Shares,
}

impl Survey {
    fn of(logs: &[PathBuf]) -> Result<Survey, Failure> {
        let mut survey = Survey::default();
        let unreadable = each(logs, |record| {
            survey.requests += 1;
            survey.handles.extend(record.handle());
            survey.last = survey.last.max(Millis(record.at));
            record.bids.iter().for_each(|bid| survey.shares.note(&record.exchange, bid));
        })?;
        Ok(Survey { unreadable, ..survey })
    }

    /// When the last was decided on: what the data are read as of.
    fn until(&self) -> Secs {
        self.last.to_secs()
    }
}

fn tell(arguments: &Replay, report: &report::Report) -> Result<(), Failure> {
    let cannot = |source| Failure::Environment {
        what: "cannot write the figures",
        source,
    };
    let json = serde_json::to_string(report).map_err(|error| cannot(error.into()))? + "\n";
    let text = match arguments.json.as_deref() {
        Some("-") => json,
        Some(path) => {
            let failed = |source| Failure::Unreachable(format!("cannot write {path}: {source}"));
            std::fs::write(path, json).map_err(failed)?;
            report.text()
        }
        None => report.text(),
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(cannot),
    }
}
