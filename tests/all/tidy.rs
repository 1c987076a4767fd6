//! What no compiler holds: the order of the layers, the absences in the bid path, the size of things.
//!
//! Each check is first shown a planted fault, so that it cannot pass by finding nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order in which they may import one another: each only from those before it.
const LAYERS: [&str; 15] = [
    "base", "model", "openrtb", "privacy", "state", "bid", "track", "store", "config", "feed", "server", "admin", "sim", "app", "cli",
];
/// What the bid path never does: wait, log, read a clock, panic, allocate a string outside a trace.
const BANNED_IN_BID: [&str; 9] = [
    ".await",
    ".unwrap()",
    ".expect(",
    "panic!",
    "Instant::now",
    "wall_clock",
    "tracing::",
    "println!",
    "std::fs",
];
/// The nine verbs of the path.
const STAGES: [&str; 9] = [
    "admit", "decode", "identify", "lookup", "narrow", "pace", "price", "render", "respond",
];
const FILE_LINES_MAX: usize = 500;
const BID_LINES_MAX: usize = 1_500;

struct Source {
    /// Below `src/`, with slashes.
    name: String,
    text: String,
}

impl Source {
    fn layer(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap_or("")
    }

    /// The text before the file's own tests.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]").next().unwrap_or("")
    }

    fn is_test(&self) -> bool {
        self.name.contains("tests") || self.name == "sim/fake.rs"
    }
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("the source folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/"),
        text: fs::read_to_string(&path).expect("a source file"),
    };
    paths.into_iter().map(read).collect()
}

/// `crate::x` of a layer that stands after the file's own.
fn climbs(source: &Source) -> Vec<String> {
    let place = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let Some(own) = place(source.layer()).filter(|_| !source.is_test()) else {
        return Vec::new();
    };
    let used = source
        .code()
        .match_indices("crate::")
        .map(|(at, found)| &source.code()[at + found.len()..]);
    let names = used.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""));
    names
        .filter(|name| place(name).is_some_and(|other| other > own))
        .map(|name| format!("{} imports {name}", source.name))
        .collect()
}

fn bans(source: &Source) -> Vec<String> {
    if source.layer() != "bid" {
        return Vec::new();
    }
    let lines = source.code().lines().filter(|line| !line.trim_start().starts_with("//"));
    let hits = lines.flat_map(|line| BANNED_IN_BID.iter().filter(move |ban| line.contains(**ban)));
    hits.map(|ban| format!("{} has `{ban}`", source.name)).collect()
}

fn shape(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !source.text.starts_with("//!") {
        found.push(format!("{} does not open with //!", source.name));
    }
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(format!("{} has {lines} lines", source.name));
    }
    found
}

#[test]
fn layers_bans_and_shapes_hold() {
    let sources = sources();
    let planted = Source {
        name: "bid/price.rs".into(),
        text: "use crate::server::engine;\nfn f() { x().await; }".into(),
    };
    assert_eq!(climbs(&planted), ["bid/price.rs imports server"]);
    assert_eq!(bans(&planted), ["bid/price.rs has `.await`"]);
    assert_eq!(shape(&planted), ["bid/price.rs does not open with //!"]);
    let findings: Vec<String> = sources.iter().flat_map(|s| [climbs(s), bans(s), shape(s)].concat()).collect();
    println!("{} files, {} findings", sources.len(), findings.len());
    assert!(sources.len() > 100 && findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn the_path_is_nine_verbs_and_one_sitting() {
    let sources = sources();
    let path: Vec<&Source> = sources.iter().filter(|source| source.layer() == "bid").collect();
    let mut stages: Vec<&str> = path
        .iter()
        .filter_map(|s| s.name.strip_prefix("bid/")?.strip_suffix(".rs"))
        .collect();
    stages.sort_unstable();
    assert_eq!(stages, STAGES);
    let lines: usize = path.iter().map(|source| source.text.lines().count()).sum();
    println!("{lines} lines from request to answer");
    assert!(lines <= BID_LINES_MAX, "{lines} lines: at most {BID_LINES_MAX}");
}
