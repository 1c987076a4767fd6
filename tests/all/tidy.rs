//! What no compiler holds: the order of the layers, the absences in the bid path, the size of things.
//!
//! Each kind of finding is first planted and must be found, so that no check can pass by finding nothing.

#[path = "tidy/checks.rs"]
mod checks;

use std::fs;
use std::path::{Path, PathBuf};

use crate::figures::Figures;
use checks::{Source, findings, measures};

const FILES_MIN: usize = 200;

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("a source folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        walk(&root.join(folder), &mut paths);
    }
    let read = |path: PathBuf| Source {
        name: path
            .strip_prefix(root)
            .expect("below the root")
            .to_string_lossy()
            .replace('\\', "/"),
        text: fs::read_to_string(&path).expect("a source file"),
    };
    paths.into_iter().map(read).collect()
}

/// A file of so many lines, in one function.
fn long(name: &str, lines: usize) -> Source {
    let inside = "    x();\n".repeat(lines.saturating_sub(4));
    planted(name, &format!("//! Long.\n\nfn f() {{\n{inside}}}\n"))
}

fn planted(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

/// One source for each kind of finding.
fn plants() -> Vec<(&'static str, Source)> {
    let code = |name: &str, line: &str| planted(name, &format!("//! Planted.\n\n{line}\n"));
    let shop = "src/bid/price.rs";
    vec![
        ("layer", code(shop, "use crate::server::engine;")),
        ("layer in a list", code(shop, "use crate::{base::id, config};")),
        ("layer by super", code(shop, "use super::super::track::fact;")),
        ("banned in bid", code(shop, "fn f() { x().await }")),
        ("banned in bid", code("src/bid.rs", "fn f() { x.unwrap() }")),
        (
            "allocation in bid",
            code(shop, "fn f() { trace.dropped(no, why, || format!(\"{}\", g())); format!(\"{x}\") }"),
        ),
        (
            "allocation in bid",
            code(shop, "fn a_detail() {\n    x.to_string()\n}\n\nfn f() {\n    x.to_string()\n}"),
        ),
        ("clock", code("src/state/books.rs", "fn f() { Millis::wall_clock() }")),
        ("clock", code("src/track/fold.rs", "fn f() { std::time::Instant::now() }")),
        ("module docs", planted("tests/all/x.rs", "use a::b;\n")),
        ("long file", long("benches/x.rs", 501)),
        ("long function", long("tests/all/x.rs", 75)),
        ("fn_lines_max", long("src/cli/x.rs", 75)),
        ("history", code("src/cli/x.rs", &("/".repeat(2) + " TODO: later"))),
        ("stage missing", code("src/bid.rs", "")),
        ("stages", code("src/bid/filter.rs", "fn f() {}")),
        ("kinship", code("tests/oracle/x.rs", "use winback::model::audience;")),
        ("fn_lines_median", long("src/cli/x.rs", 20)),
        ("fn_lines_p90", long("src/cli/x.rs", 40)),
        ("file_lines_median", long("src/cli/x.rs", 210)),
        ("file_lines_max", long("tests/all/x.rs", 510)),
        ("bid_lines", long("src/bid/price.rs", 1_510)),
        ("oracle_lines", long("tests/oracle.rs", 201)),
        ("oracle_part_lines", long("tests/oracle/x.rs", 301)),
        ("oracle_all_lines", long("tests/oracle/x.rs", 1_426)),
    ]
}

#[test]
fn the_crate_is_tidy_and_every_kind_of_mess_is_found() {
    let plants = plants();
    let is_found = |(kind, source): (&'static str, Source)| {
        let found = findings(&[source]).iter().any(|(of, _)| *of == kind);
        if !found {
            println!("not found: {kind}");
        }
        found
    };
    let planted = plants.len();
    let caught = plants.into_iter().filter_map(|plant| is_found(plant).then_some(())).count();
    let sources = sources();
    let found = findings(&sources);
    found.iter().for_each(|(kind, what)| println!("{kind}: {what}"));
    let mut figures = Figures::new();
    figures.at_least("tidy.files", sources.len(), FILES_MIN);
    figures.exactly("tidy.kinds_caught", caught, planted);
    for (name, (measured, most)) in measures(&sources) {
        figures.at_most(&format!("tidy.{name}"), measured, most);
    }
    figures.exactly("tidy.findings", found.len(), 0);
    figures.settle();
}

/// What a trace is told may allocate, and nothing beside it is taken for that.
#[test]
fn traces_may_allocate() {
    let told =
        "//! Planted.\n\nfn price_line() -> String {\n    format!(\"x\")\n}\n\nfn f() {\n    trace.priced(no, || format!(\"({x}\"));\n}\n";
    assert!(findings(&[planted("src/bid/price.rs", told)]).is_empty());
}
