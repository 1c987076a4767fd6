//! `check`, `schema` and `init` from outside: planted faults against their exact text, a config made for
//! a shop that serves and bids.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Client;
use crate::life::{code, run};
use crate::rig::{Server, ask, bids};
use crate::shop::{Setup, advertiser, pretty, request};

/// What is planted in the files of `tests/golden/check`.
const PLANTED: usize = 40;
const FILES: usize = 5;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a line names file, line and column before its first words.
fn has_place(line: &str) -> bool {
    let Some((place, _)) = line.split_once(": ") else { return false };
    let mut parts = place.rsplitn(3, ':');
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok_and(|number| number > 0));
    is_number(parts.next()) && is_number(parts.next()) && parts.next().is_some()
}

#[test]
fn planted_faults_come_in_one_run() {
    let folder = repository().join("tests/golden/check");
    let output = run(&folder, &["check", "winback.json"]);
    let said = text(&output.stderr);
    let warned = text(&output.stdout);
    let golden = folder.join("said.txt");
    let golden_warned = folder.join("warned.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &said).expect("the golden text");
        fs::write(&golden_warned, &warned).expect("the golden text");
    }
    let expected = fs::read_to_string(&golden).expect("the golden text");
    assert_eq!(warned, fs::read_to_string(&golden_warned).expect("the golden text"));
    let differing: Vec<_> = said
        .lines()
        .zip(expected.lines())
        .filter(|(said, expected)| said != expected)
        .collect();
    differing
        .iter()
        .for_each(|(said, expected)| println!("{said}\n    in place of\n{expected}"));
    let differs = differing.len() + said.lines().count().abs_diff(expected.lines().count());
    let lines: Vec<&str> = said.lines().collect();
    let (summary, faults) = lines.split_last().expect("a summary");
    println!("{summary}\n{warned}");
    let files: usize = summary.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default();
    let mut figures = Figures::new();
    figures.exactly("check.files", files, FILES);
    figures.exactly("check.faults", faults.len(), PLANTED);
    figures.exactly("check.with_place", faults.iter().filter(|line| has_place(line)).count(), PLANTED);
    figures.exactly("check.suggested", faults.iter().filter(|line| line.contains("; ")).count(), PLANTED);
    figures.exactly("check.differs", differs, 0);
    figures.exactly("check.exit", code(&output), 1);
    figures.settle();
    assert!(!folder.join("data").exists(), "a check leaves no trace");
}

#[test]
fn a_place_is_told_from_none() {
    assert!(has_place("a/b.json:3:21: /bid: `1`: not so"));
    for line in [
        "a/b.json: cannot be read",
        "a/b.json:3: x",
        "a.json:0:0: x",
        "a.json",
        "5 files checked: 40 faults",
    ] {
        assert!(!has_place(line), "{line}");
    }
}

fn init(folder: &Path, domain: &str, feed: &str) -> std::process::Output {
    run(folder, &["init", "mine", "--domain", domain, "--feed", feed])
}

fn feed() -> PathBuf {
    repository().join("examples/shop/advertisers/alder-shoes-feed.xml")
}

/// Puts the listeners of a config on free ports.
fn free_ports(config: &Path) {
    let mut server: Value = serde_json::from_slice(&fs::read(config).expect("winback.json")).expect("json");
    for listener in ["bid", "public", "admin"] {
        server[listener]["listen"] = json!("127.0.0.1:0");
    }
    fs::write(config, pretty(&server)).expect("winback.json");
}

#[test]
fn what_init_writes_is_sound_and_bids() {
    let folder = tempfile::tempdir().expect("a folder");
    let feed = feed().display().to_string();
    let made = init(folder.path(), "alder-shoes.example", &feed);
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    let next = text(&made.stdout);
    for part in [
        "winback check mine/winback.json",
        "winback serve --config mine/winback.json",
        "/tag.js\" data-site=\"alder-shoes-web\">",
        "/api/explain/",
    ] {
        assert!(next.contains(part), "`{part}` is not in: {next}");
    }
    let mine = folder.path().join("mine");
    let checked = run(folder.path(), &["check", "mine/winback.json"]);
    let said = text(&checked.stdout);
    assert_eq!(
        (code(&checked), said.lines().count()),
        (0, 3),
        "one warning, the feed and the summary: {said}"
    );
    assert!(
        said.contains("gvl_vendor_id") && said.ends_with("3 files checked: 0 faults, 1 warning\n"),
        "{said}"
    );
    for (file, schema) in [("winback.json", "server"), ("advertisers/alder-shoes.json", "advertiser")] {
        let validator = validator(&run(&mine, &["schema", schema]).stdout);
        assert!(validator.is_valid(&json_of(&mine.join(file))), "{file}");
        let beside = mine.join("schema").join(format!("{schema}.json"));
        assert_eq!(fs::read(beside).expect("a schema"), run(&mine, &["schema", schema]).stdout);
    }
    let again = init(folder.path(), "alder-shoes.example", &feed);
    assert_eq!(code(&again), 1);
    assert!(
        text(&again.stderr).starts_with("mine/winback.json is there already"),
        "{}",
        text(&again.stderr)
    );
    free_ports(&mine.join("winback.json"));
    let server = Server::start(&mine);
    let log = server.log();
    let only = matches!(warnings(&log).as_slice(), [line] if line.contains("gvl_vendor_id"));
    assert!(only, "serve has only that to say too: {log}");
    bid_on(&server, &mine, &next);
}

/// The lines of a log that a person has to look at.
fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| !line.contains(" INFO ")).collect()
}

/// Sends the very event and request that `init` printed.
fn bid_on(server: &Server, mine: &Path, next: &str) {
    let bodies: Vec<&str> = next
        .lines()
        .filter_map(|line| line.trim().strip_suffix('\''))
        .filter(|line| line.starts_with('{'))
        .collect();
    let [event, ask] = bodies[..] else {
        panic!("two bodies in: {next}")
    };
    let secret = |path: &str| fs::read_to_string(mine.join(path)).expect("a key").trim().to_owned();
    let key = secret("advertisers/alder-shoes-event-key");
    let mut shop = Client::new(server.public).with("Authorization", &format!("Bearer {key}"));
    let told = shop.post("/e/alder-shoes-web", event.as_bytes()).expect("an answer");
    assert_eq!((told.status, told.json()["accepted"].as_u64()), (200, Some(1)), "{}", told.text());
    let mut exchange = Client::new(server.bid).with("X-Exchange-Key", &secret("exchange-1-key"));
    let answer = exchange.post("/bid/exchange-1", ask.as_bytes()).expect("an answer");
    assert_eq!((answer.status, bids(&answer).len()), (200, 1), "{}", answer.text());
}

fn validator(schema: &[u8]) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_slice(schema).expect("json")).expect("a schema")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("json")
}

#[test]
fn init_begins_with_a_preset() {
    let folder = tempfile::tempdir().expect("a folder");
    let feed = feed().display().to_string();
    let arguments = [
        "init",
        "mine",
        "--domain",
        "alder-shoes.example",
        "--feed",
        &feed,
        "--preset",
        "google",
    ];
    let made = run(folder.path(), &arguments);
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("price.encryption_key_file: "), "{}", text(&made.stdout));
    let check = || run(folder.path(), &["check", "mine/winback.json"]);
    let refused = check();
    let said = text(&refused.stderr);
    assert_eq!((code(&refused), said.matches("no such file").count()), (1, 2), "{said}");
    for key in ["encryption", "integrity"] {
        let path = folder.path().join(format!("mine/exchange-1-{key}-key"));
        fs::write(path, "skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o=").expect("a key file");
    }
    let sound = check();
    assert_eq!(code(&sound), 0, "{}", text(&sound.stderr));
}

#[test]
fn init_says_what_is_wrong_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let feed = feed().display().to_string();
    let german = feed.replace("alder-shoes", "bergfuchs");
    let setup = Setup::acme();
    setup.write();
    let foreign = setup.path().join("advertisers/acme.xml").display().to_string();
    let cases = [
        ("https://a.example", feed.as_str(), "--domain `https://a.example` is not a domain"),
        ("localhost", &feed, "--domain `localhost` is not a domain"),
        ("a.example", "nowhere.xml", "--feed `nowhere.xml` cannot be read"),
        ("a.example", "ftp://a.example/f", "--feed `ftp://a.example/f` is not a web address"),
        ("a.example", &foreign, "no item of feed"),
        ("bergfuchs.example", &german, "the shop's prices are in EUR"),
    ];
    for (domain, feed, expected) in cases {
        let output = init(folder.path(), domain, feed);
        let said = text(&output.stderr);
        assert!(said.starts_with(expected) && said.lines().count() == 1, "{said}");
        assert_eq!((code(&output), folder.path().join("mine").exists()), (1, false), "{said}");
    }
    assert_eq!(code(&run(folder.path(), &["schema", "nosuch"])), 2);
}

#[test]
fn sizes_nobody_asks_for_are_warned_of() {
    let mut setup = Setup::new();
    let mut shop = advertiser("acme");
    shop["creatives"][0]["sizes"] = json!([[320, 50], [300, 240]]);
    setup.advertisers.push(shop);
    setup.write();
    let before = run(setup.path(), &["check", "winback.json"]);
    assert!(!text(&before.stdout).contains("no creative for any size"), "nothing is known yet");
    let mut server = Server::start(setup.path());
    (0..5).for_each(|n| drop(ask(&mut server.exchange(), &request(&format!("r{n}"), "u", 1))));
    server.signal("TERM");
    assert!(
        server
            .ended(std::time::Duration::from_secs(10))
            .is_some_and(|status| status.success())
    );
    let after = run(setup.path(), &["check", "winback.json"]);
    let expected = "/campaigns/0/creatives: `[ \"card\" ]`: no creative for any size of the last day's requests: most asked for 300x250; \
                    add 300x250 beside 300x240";
    assert_eq!(code(&after), 0);
    assert!(text(&after.stdout).contains(expected), "{}", text(&after.stdout));
}

#[test]
fn two_files_of_one_advertiser_are_one_too_many() {
    let setup = Setup::acme();
    setup.write();
    let twin = setup.advertiser_path("twin");
    fs::copy(setup.advertiser_path("acme"), &twin).expect("a copy");
    let checked = run(setup.path(), &["check", "winback.json"]);
    let said = text(&checked.stderr);
    for part in [
        "twin.json:",
        "`id` of another advertiser too, in",
        "`site_key` of another advertiser too, in",
        "acme.json:",
    ] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert_eq!(code(&checked), 1);
    let server = Server::start(setup.path());
    assert!(server.log().contains("twin.json: advertiser `acme` is that of"), "{}", server.log());
    let listed = server.api().get("/api/advertisers").expect("an answer").text();
    assert_eq!(listed.matches("\"acme\"").count(), 1, "{listed}");
}
