//! `winback check`: every fault of all files and feeds in one run, each with its place.
//!
//! Follows a server file to its advertisers and those to their feeds, whatever is wrong on the way.
//! Leaves no trace: gives no numbers, makes no keys, opens no store. Warnings go to standard output and
//! do not fail; faults go to standard error.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::base::hash::Hashes;
use crate::base::time::Millis;
use crate::config::{self, Claim, Fault, Server};
use crate::feed::{FeedFault, FeedReport};
use crate::model::advertiser::{Advertiser, FeedSource, Size};
use crate::server::feeds::{self, Trouble};
use crate::server::{shops, sizes};

/// `winback check`.
pub fn check(paths: &[PathBuf]) -> Result<(), Failure> {
    let mut report = Report::default();
    for path in paths {
        report.path(path);
    }
    report
        .said
        .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let (warnings, faults): (Vec<_>, Vec<_>) = report.said.into_iter().partition(|said| said.warning);
    for line in warnings.iter().map(ToString::to_string).chain(report.feeds) {
        println!("{line}");
    }
    let files = report.files.len();
    let summary = format!(
        "{} checked: {}, {}",
        count(files, "file"),
        count(faults.len(), "fault"),
        count(warnings.len(), "warning")
    );
    if faults.is_empty() {
        println!("{summary}");
        return Ok(());
    }
    let lines: Vec<String> = faults.iter().map(ToString::to_string).chain([summary]).collect();
    Err(Failure::Faults(lines.join("\n")))
}

/// `1 file`, `2 files`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[derive(Default)]
struct Report {
    /// Files that were looked at, each once.
    files: BTreeSet<PathBuf>,
    said: Vec<Fault>,
    /// A line about each feed that could be read.
    feeds: Vec<String>,
    /// Which file has an advertiser's id or site key.
    claimed: HashMap<(&'static str, String), String>,
}

impl Report {
    /// Counts a file; false where it was counted already.
    fn begins(&mut self, path: &Path) -> bool {
        self.files.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }

    fn fault(&mut self, file: &Path, problem: String) {
        self.said.push(Fault::of_file(&file.display().to_string(), 0, 0, problem));
    }

    /// A server file is told from an advertiser's by having no site key.
    fn path(&mut self, path: &Path) {
        if path.is_dir() {
            let found = shops::files(path).unwrap_or_default();
            if found.is_empty() {
                self.fault(path, "no .json file in this folder: name a server file or an advertiser's".into());
            }
            return found.iter().for_each(|file| self.path(file));
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let is_advertiser = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| value.get("site_key").is_some());
        if !is_advertiser {
            return self.server(path);
        }
        let Some(file) = beside(path) else {
            let problem = "no winback.json beside or above it: check the server file, which names its advertisers";
            return self.fault(path, problem.into());
        };
        match config::draft_server(&file) {
            (Some(server), _) => self.advertiser(&server, path),
            (None, faults) => self.said.extend(faults),
        }
    }

    fn server(&mut self, path: &Path) {
        if !self.begins(path) {
            return;
        }
        let (server, found) = config::draft_server(path);
        self.said.extend(found);
        let Some(server) = server else { return };
        match shops::files(&server.advertisers) {
            Ok(files) => files.iter().for_each(|file| self.advertiser(&server, file)),
            Err(error) => self.fault(&server.advertisers, format!("cannot be read: {error}: make the folder")),
        }
    }

    fn advertiser(&mut self, server: &Server, path: &Path) {
        if !self.begins(path) {
            return;
        }
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.fault(path, format!("cannot be read: {error}")),
        };
        for claim in config::claims(&name, &text) {
            self.claim(claim);
        }
        let (advertiser, found) = config::draft_advertiser(&name, &server.advertisers, &text, server);
        let is_sound = found.iter().all(|fault| fault.warning);
        let first = self.said.len();
        self.said.extend(found);
        let Some(advertiser) = advertiser else { return };
        match advertiser.feed.as_ref().and_then(|source| Some((source, source.url.as_deref()?))) {
            Some(by_url) => self.fetched_feed(&advertiser, by_url, server, config::feed_url(&name, &text)),
            None => self.feed(&advertiser, first),
        }
        if is_sound {
            let seen: Vec<(Size, u64)> = sizes::seen(&server.data_dir, Millis::wall_clock());
            let warnings = config::never_spends(&name, &text, &advertiser, server, Millis::wall_clock(), &seen);
            self.said.extend(warnings);
        }
    }

    /// Ids and site keys are unique over all advertisers.
    fn claim(&mut self, claim: Claim) {
        let Claim { key, value, mut fault } = claim;
        let place = format!("{}:{}", fault.file, fault.line);
        match self.claimed.get(&(key, value.clone())) {
            Some(first) => {
                fault.problem = format!("`{key}` of another advertiser too, in {first}");
                fault.remedy = Some("choose another".into());
                self.said.push(fault);
            }
            None => drop(self.claimed.insert((key, value), place)),
        }
    }

    /// Reads the feed; what was said of its advertiser stands from `first` on.
    fn feed(&mut self, advertiser: &Advertiser, first: usize) {
        let Some(source) = advertiser.feed.as_ref() else { return };
        let name = source.path.display().to_string();
        let Some((_, read)) = shops::read_feed(advertiser, Path::new(""), &Hashes::new(&[0; 16])) else {
            return;
        };
        self.feeds.extend(read.summary());
        if matches!(read.outcome, Ok(_) | Err(FeedFault::Unreadable { .. })) {
            self.begins(&source.path);
        }
        self.read_feed(&name, read.outcome, first);
    }

    /// Asks for a feed by address, once. That its server does not answer now is no fault of any file: the running
    /// server asks again.
    fn fetched_feed(&mut self, advertiser: &Advertiser, by_url: (&FeedSource, &str), server: &Server, place: Option<Fault>) {
        let name = feeds::name(by_url.0);
        match feeds::probe(advertiser, by_url, server, &Hashes::new(&[0; 16])) {
            Ok(report) => {
                self.feeds.push(format!("{name}: {report}"));
                self.read_feed(&name, Ok(report), self.said.len());
            }
            Err(Trouble::Feed(fault)) => self.read_feed(&name, Err(fault), self.said.len()),
            Err(Trouble::Fetch(fault)) => {
                let Some(place) = place else { return };
                self.said.push(Fault {
                    problem: format!("the feed cannot be fetched: {fault}"),
                    warning: !fault.is_of_config(),
                    ..place
                });
            }
        }
    }

    /// What came of reading a feed that is called `name`.
    fn read_feed(&mut self, name: &str, outcome: Result<FeedReport, FeedFault>, first: usize) {
        match outcome {
            Ok(report) => {
                let warning = |line, value: &str, problem| Fault {
                    value: value.to_owned(),
                    warning: true,
                    ..Fault::of_file(name, line, u32::from(line > 0), problem)
                };
                self.said.extend(report.examples.iter().map(|item| Fault {
                    remedy: Some(item.reason.remedy().to_owned()),
                    ..warning(item.line, &item.detail, format!("item `{}`: {}", item.item_id, item.reason))
                }));
                if report.rejected_total() as usize > report.examples.len() || report.accepted == 0 {
                    let problem = format!("{} of {} items can be used", report.accepted, report.items);
                    self.said.push(warning(0, "", problem));
                }
            }
            Err(FeedFault::Unreadable { line, problem, .. }) => {
                let (problem, remedy) = problem.split_once(": ").unwrap_or((&problem, ""));
                self.said.push(Fault {
                    remedy: Some(remedy.to_owned()).filter(|remedy| !remedy.is_empty()),
                    ..Fault::of_file(name, line, 1, problem)
                });
            }
            Err(FeedFault::Io { source: error, .. }) => {
                // A feed may come later; here it is to be read now.
                let said = self.said.get_mut(first..).unwrap_or_default();
                match said.iter_mut().find(|fault| fault.pointer == "/feed/path") {
                    Some(missing) => missing.warning = false,
                    None => self.said.push(Fault::of_file(name, 0, 0, format!("cannot be read: {error}"))),
                }
            }
            Err(FeedFault::Changed { .. }) => self.said.push(Fault {
                remedy: Some("check again when it is written".into()),
                ..Fault::of_file(name, 0, 0, "it changed while it was read")
            }),
        }
    }
}

/// The server file of an advertiser's file: in its folder or the one above.
fn beside(path: &Path) -> Option<PathBuf> {
    let folders = path
        .parent()
        .into_iter()
        .flat_map(|dir| [Some(dir.to_owned()), dir.parent().map(Path::to_owned)]);
    folders.flatten().map(|dir| dir.join("winback.json")).find(|file| file.is_file())
}
