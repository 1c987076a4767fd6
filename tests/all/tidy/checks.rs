//! The checks of tidiness, each from sources to findings. They read text, as the formatter writes it, and
//! know nothing of Rust beyond that.
//!
//! A finding names its kind, so that each kind can be shown to be found where it is planted.

use std::collections::BTreeMap;

/// Modules in the order in which they may import one another: each only from those before it.
const LAYERS: [&str; 15] = [
    "base", "model", "openrtb", "privacy", "state", "bid", "track", "store", "config", "feed", "server", "admin", "sim", "app", "cli",
];
/// What the bid path never does: wait, log, panic, touch a file or another thread.
const BANNED_IN_BID: [&str; 12] = [
    ".await",
    ".unwrap(",
    ".expect(",
    "panic!",
    "unreachable!",
    "todo!",
    "tracing::",
    "println!",
    "eprintln!",
    "std::fs",
    "thread::",
    "Mutex",
];
/// What allocates. In `bid/` only what a trace is told may: see [`without_traces`].
const ALLOCATES: [&str; 11] = [
    "format!",
    ".to_string(",
    ".to_owned(",
    "String::from",
    "String::new",
    "vec!",
    "Vec::new",
    "Box::new",
    "Arc::new",
    ".collect",
    ".to_vec(",
];
/// Reads of a clock; a layer that is in [`TIMELESS`] is told the time.
const CLOCKS: [&str; 5] = ["wall_clock", "Instant::now", "SystemTime", "Timestamp::now", "Zoned::now"];
const TIMELESS: [&str; 6] = ["model", "openrtb", "privacy", "state", "bid", "track"];
/// The nine verbs of the path.
const STAGES: [&str; 9] = [
    "admit", "decode", "identify", "lookup", "narrow", "pace", "price", "render", "respond",
];
/// What belongs into the log of versions, and not into a comment.
const HISTORY: [&str; 6] = ["TODO", "FIXME", "XXX:", "phase 1", "phase 2", "issue #"];

const FILE_LINES_MAX: usize = 500;
const FILE_LINES_MEDIAN_MAX: usize = 200;
const FN_LINES_MAX: usize = 70;
const FN_LINES_P90_MAX: usize = 30;
const FN_LINES_MEDIAN_MAX: usize = 8;
const BID_LINES_MAX: usize = 1_500;
const ORACLE_LINES_MAX: usize = 200;
/// What the oracle reads with: each part, and all of them with the matcher.
const ORACLE_PART_LINES_MAX: usize = 300;
const ORACLE_ALL_LINES_MAX: usize = 1_425;

/// A file of the crate.
pub struct Source {
    /// Below the crate's root, with slashes.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// A kind, and what was found.
pub type Finding = (&'static str, String);

impl Source {
    /// Below `src/`, without the ending; none for a test.
    fn module(&self) -> Option<&str> {
        let path = self.name.strip_prefix("src/")?.strip_suffix(".rs")?;
        let is_test = path.split('/').any(|part| part == "tests") || path == "sim/fake";
        (!is_test).then_some(path)
    }

    fn layer(&self) -> &str {
        self.module().map_or("", |module| module.split('/').next().unwrap_or(""))
    }

    fn is_oracle(&self) -> bool {
        self.name == "tests/oracle.rs" || self.name.starts_with("tests/oracle/")
    }

    /// The text before the file's own tests, without comments.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]").next().unwrap_or("");
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines
            .map(|line| line.split(" // ").next().unwrap_or(""))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The functions: name and number of lines.
    fn functions(&self) -> Vec<(&str, usize)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let all = lines.iter().enumerate();
        all.filter_map(|(at, line)| Some((fn_name(line)?.1, fn_lines(&lines[at..])?)))
            .collect()
    }
}

/// Indentation and name of the function that a line begins.
fn fn_name(line: &str) -> Option<(usize, &str)> {
    let mut rest = line.trim_start();
    let indent = line.len() - rest.len();
    while let Some(after) = ["pub ", "const ", "async "].iter().find_map(|word| rest.strip_prefix(word)) {
        rest = after;
    }
    if let Some(after) = rest.strip_prefix("pub(").and_then(|after| after.split_once(") ")) {
        rest = after.1.trim_start_matches("const ").trim_start_matches("async ");
    }
    let name = rest.strip_prefix("fn ")?;
    Some((indent, name.split(|c: char| !c.is_alphanumeric() && c != '_').next()?))
}

/// How many lines the function has that begins here; none where it has no body.
fn fn_lines(lines: &[&str]) -> Option<usize> {
    let first = lines.first()?;
    let indent = &first[..first.len() - first.trim_start().len()];
    if first.ends_with(['}', ';']) {
        return first.ends_with('}').then_some(1);
    }
    let ends = |line: &&str| {
        line.strip_prefix(indent)
            .is_some_and(|rest| rest == "}" || (rest.starts_with(')') && rest.ends_with(';')))
    };
    let last = 1 + lines[1..].iter().position(ends)?;
    lines[last].ends_with('}').then_some(last + 1)
}

/// Every check over all sources.
pub fn findings(sources: &[Source]) -> Vec<Finding> {
    let each: [fn(&Source) -> Vec<Finding>; 7] = [climbs, bans, allocations, clocks, shape, long_functions, history];
    let mut found: Vec<Finding> = sources
        .iter()
        .flat_map(|source| each.iter().flat_map(move |check| check(source)))
        .collect();
    found.extend(sizes(sources));
    found.extend(stages(sources));
    found.extend(sources.iter().flat_map(kinship));
    found
}

/// Imports of a layer that stands after the file's own, by `crate::` or by climbing to the root.
fn climbs(source: &Source) -> Vec<Finding> {
    let place = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let (Some(own), Some(module)) = (place(source.layer()), source.module()) else {
        return Vec::new();
    };
    let to_root = "super::".repeat(module.split('/').count());
    let code = source.code();
    let mut found = Vec::new();
    for (kind, root) in [("layer", "crate::"), ("layer by super", &*to_root)] {
        for (at, _) in code.match_indices(root).filter(|(at, _)| !code[..*at].ends_with("super::")) {
            let rest = &code[at + root.len()..];
            let list = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(list, _)| list);
            for name in list.unwrap_or(rest.split([';', ' ', '(']).next().unwrap_or("")).split(',') {
                let name = name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
                if place(name).is_some_and(|other| other > own) {
                    found.push((
                        if list.is_some() { "layer in a list" } else { kind },
                        format!("{} imports {name}", source.name),
                    ));
                }
            }
        }
    }
    found
}

/// What the words of a list are used in.
fn uses(source: &Source, code: &str, kind: &'static str, words: &[&str]) -> Vec<Finding> {
    let hits = words.iter().filter(|word| code.contains(**word));
    hits.map(|word| (kind, format!("{} has `{word}`", source.name))).collect()
}

fn bans(source: &Source) -> Vec<Finding> {
    if source.layer() != "bid" {
        return Vec::new();
    }
    uses(source, &source.code(), "banned in bid", &BANNED_IN_BID)
}

fn allocations(source: &Source) -> Vec<Finding> {
    if source.layer() != "bid" {
        return Vec::new();
    }
    uses(source, &without_traces(&source.code()), "allocation in bid", &ALLOCATES)
}

/// Code without what only a listener is told: functions named `*_detail` and `*_line`, and what is handed to
/// `trace.dropped` and `trace.priced`.
fn without_traces(code: &str) -> String {
    let lines: Vec<&str> = code.lines().collect();
    let mut kept = String::new();
    let mut at = 0;
    while at < lines.len() {
        let told = fn_name(lines[at]).filter(|(_, name)| name.ends_with("_detail") || name.ends_with("_line"));
        match told.and_then(|_| fn_lines(&lines[at..])) {
            Some(skipped) => at += skipped,
            None => {
                kept.push_str(lines[at]);
                kept.push('\n');
                at += 1;
            }
        }
    }
    for call in ["trace.dropped(", "trace.priced("] {
        while let Some(start) = kept.find(call) {
            let mut depth = 0;
            let closes = |c: char| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            };
            let open = start + call.len() - 1;
            let end = kept[open..].find(closes).map_or(kept.len(), |end| open + end + 1);
            kept.replace_range(start..end, "");
        }
    }
    kept
}

fn clocks(source: &Source) -> Vec<Finding> {
    if !TIMELESS.contains(&source.layer()) {
        return Vec::new();
    }
    uses(source, &source.code(), "clock", &CLOCKS)
}

fn shape(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    if !source.text.starts_with("//!") {
        found.push(("module docs", format!("{} does not open with //!", source.name)));
    }
    let lines = source.lines();
    if lines > FILE_LINES_MAX {
        found.push(("long file", format!("{} has {lines} lines", source.name)));
    }
    found
}

fn long_functions(source: &Source) -> Vec<Finding> {
    let long = source.functions().into_iter().filter(|(_, lines)| *lines > FN_LINES_MAX);
    long.map(|(name, lines)| ("long function", format!("{}: {name} has {lines} lines", source.name)))
        .collect()
}

/// Comments that tell of plans and of what once was; but for the lists above, which are no comments.
fn history(source: &Source) -> Vec<Finding> {
    let comments = source
        .text
        .lines()
        .filter_map(|line| line.split_once("//").map(|(_, comment)| comment));
    let is_history = |comment: &&str| HISTORY.iter().any(|word| comment.contains(word));
    let told = comments.filter(is_history);
    told.map(|comment| ("history", format!("{}:{comment}", source.name))).collect()
}

/// The nine stages and nothing else, where the path itself is there.
fn stages(sources: &[Source]) -> Vec<Finding> {
    let of_bid: Vec<&str> = sources.iter().filter_map(|source| source.module()?.strip_prefix("bid/")).collect();
    let others = of_bid.iter().filter(|stage| !STAGES.contains(stage));
    let mut found: Vec<Finding> = others
        .map(|stage| ("stages", format!("bid/{stage} is none of the nine verbs")))
        .collect();
    if sources.iter().any(|source| source.name == "src/bid.rs") {
        let missing = STAGES.iter().filter(|stage| !of_bid.contains(stage));
        found.extend(missing.map(|stage| ("stage missing", format!("no bid/{stage}"))));
    }
    found
}

/// The oracle knows the words of money, time and countries; no decision, no config, no state.
fn kinship(source: &Source) -> Vec<Finding> {
    if !source.is_oracle() {
        return Vec::new();
    }
    let code = source.code();
    let used = code.match_indices("winback::").map(|(at, found)| &code[at + found.len()..]);
    let kin = used.filter(|rest| !rest.starts_with("base::"));
    kin.map(|rest| ("kinship", format!("{} uses winback::{rest:.20}", source.name)))
        .collect()
}

/// What is measured of a crate, for its figures and its bars.
pub fn measures(sources: &[Source]) -> BTreeMap<&'static str, (usize, usize)> {
    let sorted = |numbers: Vec<usize>| {
        let mut numbers = numbers;
        numbers.sort_unstable();
        numbers
    };
    let of_crate: Vec<&Source> = sources.iter().filter(|source| source.name.starts_with("src/")).collect();
    let functions = sorted(
        of_crate
            .iter()
            .flat_map(|source| source.functions())
            .map(|(_, lines)| lines)
            .collect(),
    );
    let files = sorted(of_crate.iter().map(|source| source.lines()).collect());
    let at = |numbers: &[usize], percent: usize| numbers.get(numbers.len() * percent / 100).copied().unwrap_or(0);
    let sum = |of: &dyn Fn(&Source) -> bool| sources.iter().filter(|source| of(source)).map(Source::lines).sum::<usize>();
    let parts = sources
        .iter()
        .filter(|source| source.name.starts_with("tests/oracle/"))
        .map(Source::lines);
    let longest = sources
        .iter()
        .flat_map(Source::functions)
        .map(|(_, lines)| lines)
        .max()
        .unwrap_or(0);
    BTreeMap::from([
        ("fn_lines_median", (at(&functions, 50), FN_LINES_MEDIAN_MAX)),
        ("fn_lines_p90", (at(&functions, 90), FN_LINES_P90_MAX)),
        ("fn_lines_max", (longest, FN_LINES_MAX)),
        ("file_lines_median", (at(&files, 50), FILE_LINES_MEDIAN_MAX)),
        (
            "file_lines_max",
            (sources.iter().map(Source::lines).max().unwrap_or(0), FILE_LINES_MAX),
        ),
        ("bid_lines", (sum(&|source| source.layer() == "bid"), BID_LINES_MAX)),
        ("oracle_lines", (sum(&|source| source.name == "tests/oracle.rs"), ORACLE_LINES_MAX)),
        ("oracle_part_lines", (parts.max().unwrap_or(0), ORACLE_PART_LINES_MAX)),
        ("oracle_all_lines", (sum(&Source::is_oracle), ORACLE_ALL_LINES_MAX)),
    ])
}

fn sizes(sources: &[Source]) -> Vec<Finding> {
    let short = measures(sources).into_iter().filter(|(_, (measured, most))| measured > most);
    short
        .map(|(name, (measured, most))| (name, format!("{name} is {measured}, at most {most}")))
        .collect()
}
