//! Reports against the facts they are made of: two generated days over a clock change, with several advertisers,
//! currencies and time zones, with signs that are late, lost or come twice, with refunds and invalid traffic.
//!
//! Every cell of every report is added up again by `tools/recount`, which knows the export alone; DuckDB reads the
//! same export. On virtual time, on the real store.

mod days;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use winback::admin::{self, Wanted};
use winback::server::engine::Engine;

use crate::figures::Figures;
use crate::rig::{Server, ask, bids, call, tell, winback};
use crate::shop::{Setup, cart, request, theirs};
use days::{Days, SHOPPERS, setup};

const RANGE: &str = "from=2026-10-20&to=2026-11-03";
const DIMENSIONS: [&str; 8] = [
    "creative",
    "product",
    "exchange",
    "domain",
    "device",
    "format",
    "recency",
    "frequency",
];

/// Every way that rows can be by.
fn ways() -> Vec<String> {
    let plain = [
        "campaign",
        "advertiser",
        "day",
        "campaign,day",
        "hour",
        "campaign,hour",
        "campaign,day,hour",
    ];
    let with = |one: &'static str| [one.to_owned(), format!("campaign,day,{one}"), format!("campaign,hour,{one}")];
    plain
        .into_iter()
        .map(str::to_owned)
        .chain(DIMENSIONS.into_iter().flat_map(with))
        .collect()
}

fn write_reports(engine: &Engine, folder: &Path) -> Vec<PathBuf> {
    let write = |(n, by): (usize, &String)| {
        let told = admin::reported(engine, &format!("by={by}&{RANGE}")).unwrap_or_else(|problem| panic!("{by}: {problem}"));
        let file = folder.join(format!("report-{n}.json"));
        fs::write(&file, told).expect("a report");
        file
    };
    ways().iter().enumerate().map(write).collect()
}

/// What `tools/recount` says last, and whether it found no difference.
fn recount(facts: &Path, reports: &[PathBuf]) -> (String, bool) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/recount");
    let run = Command::new("python3")
        .arg(script)
        .arg(facts)
        .args(reports)
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    (said, run.status.success())
}

/// The number behind a word of the last line.
fn said(text: &str, word: &str) -> u64 {
    let words: Vec<&str> = text.lines().last().unwrap_or_default().split(' ').collect();
    let at = words.iter().position(|other| *other == word).unwrap_or_else(|| panic!("{text}"));
    words[at + 1].parse().expect("a number")
}

fn rows(file: &Path) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&fs::read(file).expect("a report")).expect("json");
    report["rows"].as_array().cloned().expect("rows")
}

#[test]
fn every_cell_is_what_the_facts_add_up_to() {
    let setup = setup();
    let mut days = Days::new(&setup.config_path());
    days.pass();
    let (facts, seen) = (setup.path().join("facts.ndjson"), days.seen.clone());
    let mut out = Vec::new();
    let wanted = Wanted::of(RANGE).expect("a query");
    wanted.write(&days.engine, &mut out).expect("facts");
    fs::write(&facts, &out).expect("facts");
    let reports = write_reports(&days.engine, setup.path());
    let (text, same) = recount(&facts, &reports);
    print!("{text}");
    let mut figures = Figures::new();
    figures.exactly("reports.differ", said(&text, "differ"), 0);
    figures.at_least("reports.facts", said(&text, "facts"), 3_000);
    figures.at_least("reports.cells", said(&text, "cells"), 100_000);
    for (what, least) in [
        ("lost", 300),
        ("doubled", 150),
        ("repeated", 100),
        ("expired", 30),
        ("invalid", 60),
        ("settled", 1_000),
    ] {
        figures.at_least(&format!("reports.{what}"), seen.get(what).copied().unwrap_or(0), least);
    }
    let text_of = |kind: &str| String::from_utf8_lossy(&out).matches(&format!(r#""fact":"{kind}""#)).count();
    figures.at_least("reports.refunds", text_of("refund"), 40);
    let by_campaign = rows(&reports[0]);
    let sum = |column: &str| by_campaign.iter().filter_map(|row| row[column].as_u64()).sum::<u64>();
    figures.at_least("reports.new_customers", sum("new_customers"), 40);
    figures.at_least("reports.repeat_purchases", sum("repeat_purchases"), 40);
    figures.at_least("reports.invalid_impressions", sum("invalid_impressions"), 30);
    let hours = rows(&reports[4]);
    let of_change = hours
        .iter()
        .filter(|row| row["advertiser"] == "kaufhaus" && row["hour"].as_str().is_some_and(|hour| hour.starts_with("2026-10-25")));
    figures.exactly("reports.hours_of_the_change", of_change.count(), 25);
    assert_eq!(same, said(&text, "differ") == 0);
    figures.at_least("reports.plants_found", plants(&facts, &reports), 3);
    duckdb(&setup, &days.engine, &facts, sum("impressions"), &mut figures);
    by_command(&setup, days, &facts, &reports[0]);
    figures.settle();
}

/// Figures that are wrong on purpose are found.
fn plants(facts: &Path, reports: &[PathBuf]) -> usize {
    let plant = |at: usize, change: fn(&mut Vec<Value>)| {
        let mut planted = rows(&reports[at]);
        change(&mut planted);
        let file = reports[at].with_extension("planted.json");
        fs::write(&file, json!({ "rows": planted }).to_string()).expect("a report");
        !recount(facts, &[file]).1
    };
    let found = [
        plant(0, |rows| rows[0]["clicks"] = json!(rows[0]["clicks"].as_u64().unwrap_or(0) + 1)),
        plant(3, |rows| drop(rows.remove(0))),
        plant(9, |rows| rows[0]["billed"] = json!("0.000001")),
    ];
    found.into_iter().filter(|found| *found).count()
}

/// The interpreter that has DuckDB: `tools/test` makes it.
fn duckdb_python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let has = |python: &PathBuf| {
        Command::new(python)
            .args(["-c", "import duckdb"])
            .output()
            .is_ok_and(|run| run.status.success())
    };
    [own, PathBuf::from("python3")].into_iter().find(has)
}

/// What was exported is read by DuckDB as it comes: NDJSON and CSV.
fn duckdb(setup: &Setup, engine: &Engine, facts: &Path, impressions: u64, figures: &mut Figures) {
    let Some(python) = duckdb_python() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "no DuckDB for Python: run tools/test, or pip install duckdb"
        );
        println!("no DuckDB for Python: the export is not read back with it");
        return;
    };
    let table = setup.path().join("facts.csv");
    let mut out = Vec::new();
    let wanted = Wanted::of(&format!("{RANGE}&format=csv")).expect("a query");
    wanted.write(engine, &mut out).expect("facts");
    fs::write(&table, out).expect("facts");
    let query = "import duckdb, sys\n\
        for source in [f\"read_json('{sys.argv[1]}', union_by_name = true)\", f\"read_csv('{sys.argv[2]}')\"]:\n\
        \x20   print(*duckdb.sql(f\"select count(*), count(distinct \\\"user\\\") from {source} where fact = 'impression'\").fetchall()[0])";
    let run = Command::new(python)
        .args(["-c", query])
        .arg(facts)
        .arg(table)
        .output()
        .expect("python");
    let told = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let lines: Vec<&str> = told.lines().collect();
    figures.exactly(
        "reports.duckdb_impressions",
        lines.concat().split(' ').next().unwrap_or_default().to_owned(),
        impressions.to_string(),
    );
    assert!(lines.len() == 2 && lines[0] == lines[1], "{told}");
    figures.at_least(
        "reports.duckdb_shoppers",
        lines[0].split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0),
        SHOPPERS,
    );
}

/// The commands tell the same of a server that does not run.
fn by_command(setup: &Setup, days: Days, facts: &Path, report: &Path) {
    drop(days);
    let run = |arguments: &[&str]| {
        let run = winback()
            .args(arguments)
            .args(["--config", "winback.json"])
            .current_dir(setup.path())
            .output();
        let run = run.expect("the binary");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        run.stdout
    };
    let range = ["--from", "2026-10-20", "--to", "2026-11-03"];
    assert!(run(&[&["export"][..], &range[..]].concat()) == fs::read(facts).expect("facts"));
    let told: Value = serde_json::from_slice(&run(&[&["report", "--format", "json"][..], &range[..]].concat())).expect("json");
    assert_eq!(told["rows"], Value::Array(rows(report)));
    let table = String::from_utf8(run(&[&["report", "--by", "campaign,frequency"][..], &range[..]].concat())).expect("text");
    assert!(table.lines().count() > 40 && table.starts_with("advertiser"), "{table}");
    let wrong = winback()
        .args(["report", "--config", "winback.json", "--by", "device,product"])
        .current_dir(setup.path())
        .output();
    let wrong = wrong.expect("the binary");
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        wrong.status.code() == Some(1) && said.contains("both `device` and `product`"),
        "{said}"
    );
}

#[test]
fn a_running_server_tells_where_an_ad_was_shown() {
    let server = Server::fresh(Setup::acme());
    let (mut exchange, mut api) = (server.exchange(), server.api());
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    for n in 0..3 {
        let bid = bids(&ask(&mut exchange, &request(&format!("r{n}"), "u", 1))).remove(0);
        assert_eq!(exchange.get(&call(&bid["burl"], "1.00")).expect("an answer").status, 200);
    }
    let mut only = |by: &str, column: &str| {
        let report = api.get(&format!("/api/report?by={by}")).expect("an answer").json();
        let rows = report["rows"].as_array().cloned().unwrap_or_default();
        rows.iter()
            .map(|row| {
                (
                    row[column].as_str().unwrap_or_default().to_owned(),
                    row["impressions"].as_u64().unwrap_or(0),
                )
            })
            .collect::<Vec<_>>()
    };
    for (by, value) in [
        ("domain", "news.example"),
        ("device", "desktop"),
        ("product", "acme-sku-1"),
        ("exchange", "x"),
        ("recency", "0-15m"),
    ] {
        assert_eq!(only(by, by), [(value.to_owned(), 3)]);
    }
    assert_eq!(only("frequency", "frequency"), ["1", "2", "3"].map(|nth| (nth.to_owned(), 1)));
    let facts = api.get("/api/export?kind=impressions").expect("an answer").text();
    assert!(
        facts.lines().count() == 3 && facts.contains(r#""domain":"news.example""#),
        "{facts}"
    );
    let refused = api.get("/api/report?by=domain,device").expect("an answer");
    assert!(
        refused.status == 400 && refused.text().contains("one of them at a time"),
        "{}",
        refused.text()
    );
    assert_eq!(api.get("/api/export?kind=nonsense").expect("an answer").status, 400);
}
