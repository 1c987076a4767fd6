//! Requests that the server samples, and `winback replay` of them: what is kept decides as what came, the same config
//! comes to the same, a changed bid changes the requests of its campaign, and nothing is left of it all.
//!
//! `REPLAY_REQUESTS` says how many are recorded; 3,000 where it is not set.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use winback::bid::{Scratch, Silent, decide};
use winback::model::outcome::{NoBid, Outcome, Pick};
use winback::openrtb::decode::{self, Memory};
use winback::openrtb::request::Opportunity;
use winback::openrtb::response::Form;
use winback::server::samples::rewrite::{Person, rewrite};
use winback::sim::{Mix, Traffic, known_uid};

use crate::figures::Figures;
use crate::game::Game;
use crate::game::facts::Asked;
use crate::rig::{Server, tell, winback};
use crate::shop::{EXCHANGE, Setup, advertiser, cart, pretty, theirs};

const WORLDS: u64 = 24;
const TURNS: usize = 150;
/// Of one world's requests and those of the fixtures, all told.
const BIDS_MIN: usize = 500;
const REASONS_MIN: usize = 20;
const REQUESTS: usize = 3_000;
/// Sent before it is waited for what is kept of them.
const AT_ONCE: usize = 400;
const KEPT_MAX: Duration = Duration::from_secs(60);

/// What a decision came to, but for what tells one page from another of the same site.
fn came_to(game: &Game, asked: &Asked, scratch: &mut Scratch) -> (Option<NoBid>, Vec<Pick>) {
    let ask = winback::bid::Ask {
        waited_ms: 0,
        ..game.ask(asked)
    };
    let outcome = decide(&game.rig.world, &game.rig.state, &ask, scratch, &mut Silent);
    let picks = scratch.picks.iter().map(|pick| Pick { placement: 0, ..*pick });
    match outcome {
        Outcome::NoBid(why) => (Some(why), Vec::new()),
        Outcome::Bid { .. } => (None, picks.collect()),
    }
}

/// A request as a sample keeps it, and what leads to its user.
fn sampled(game: &Game, asked: &Asked, why: Option<NoBid>, scratch: &Scratch) -> Option<Asked> {
    let (mut memory, mut request) = (Memory::default(), Opportunity::default());
    decode::read(Form::Json, &asked.body, &mut memory, &mut request).ok()?;
    let person = match why {
        Some(NoBid::UnknownUser) => Person::Unknown,
        Some(why) if why < NoBid::UnknownUser => Person::Nobody,
        _ => {
            let (user, handle) = (scratch.known.key, format!("{:016x}", scratch.known.key.0.rotate_left(7)));
            let key = game.rig.world.hashes.user(handle.as_bytes());
            game.rig.state.matches.put(key.0, user);
            Person::Handle(handle)
        }
    };
    let body = rewrite(&request, &person).to_string().into_bytes();
    Some(Asked { body, ..asked.clone() })
}

/// Requests of others' shapes, each about somebody of the game.
fn fixtures(game: &Game) -> Vec<Asked> {
    let text = include_str!("../fixtures/requests.ndjson");
    let people = game
        .facts
        .people
        .iter()
        .filter_map(|ids| ids.iter().find(|(owner, _)| owner.is_empty()));
    let people: Vec<&String> = people.map(|(_, id)| id).collect();
    let about = |(n, line): (usize, &str)| {
        let mut request: Value = serde_json::from_str(line).ok()?;
        request["user"]["buyeruid"] = json!(people[n % people.len()]);
        // Most are from where consent has to be asked for.
        for key in ["regs", "gdpr"] {
            request.as_object_mut()?.remove(key);
        }
        Some(Asked {
            exchange: 0,
            body: request.to_string().into_bytes(),
            now: 1_781_092_800_000,
            waited: 0,
        })
    };
    text.lines().enumerate().filter_map(about).collect()
}

#[test]
fn a_sample_comes_to_what_its_request_came_to() {
    let (mut bids, mut differ, mut compared) = (0, 0, 0);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut scratch = Scratch::default();
    for seed in 0..WORLDS {
        let mut game = Game::new(7_000 + seed);
        let mut all: Vec<Asked> = if seed % 6 == 0 { fixtures(&game) } else { Vec::new() };
        all.extend((0..TURNS).map(|_| game.turn()));
        for asked in &all {
            let came = came_to(&game, asked, &mut scratch);
            // What is not decided on is not sampled, nor is who opted out.
            if came.0.is_some_and(|why| why < NoBid::Consent || why == NoBid::OptedOut) {
                continue;
            }
            let Some(kept) = sampled(&game, asked, came.0, &scratch) else {
                continue;
            };
            let again = came_to(&game, &kept, &mut scratch);
            compared += 1;
            bids += came.1.len();
            *reasons.entry(came.0.map_or("bid", NoBid::label)).or_default() += 1;
            if came != again {
                differ += 1;
                if differ <= 3 {
                    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
                    println!("{seed}: {came:?}\n{again:?}\n{}\n{}\n", text(&asked.body), text(&kept.body));
                }
            }
        }
    }
    println!("{compared} compared: {reasons:?}");
    let mut figures = Figures::new();
    figures.at_least("replay.rewritten_bids", bids, BIDS_MIN);
    figures.at_least("replay.rewritten_reasons", reasons.len(), REASONS_MIN);
    figures.exactly("replay.rewritten_differ", differ, 0);
    figures.settle();
}

fn requests() -> usize {
    std::env::var("REPLAY_REQUESTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(REQUESTS)
}

/// Two shops, each of which half of the shoppers know; all that is asked is sampled.
fn setup() -> Setup {
    let mut setup = Setup::new();
    for id in ["acme", "birch"] {
        let mut shop = advertiser(id);
        shop["campaigns"][0]["bid"]["amount"] = json!(20);
        setup = setup.with(shop);
    }
    // In full, so that a changed bid is always a changed price.
    setup.config["exchanges"][0]["auction"]["shade"] = json!(1);
    setup.config["sampling"] = json!({"share": 1, "day_mib": 4_096, "total_mib": 8_192});
    setup
}

/// A config beside the first one under which one campaign bids more; without keys, which a replay must not make.
fn dearer(folder: &Path) -> PathBuf {
    let (from, to) = (folder.join("advertisers"), folder.join("dearer"));
    fs::create_dir(&to).expect("a folder");
    for id in ["acme", "birch"] {
        let mut shop: Value = serde_json::from_slice(&fs::read(from.join(format!("{id}.json"))).expect("a file")).expect("json");
        if id == "acme" {
            shop["campaigns"][0]["bid"]["amount"] = json!(25);
        }
        fs::write(to.join(format!("{id}.json")), pretty(&shop)).expect("a file");
        fs::copy(from.join(format!("{id}.xml")), to.join(format!("{id}.xml"))).expect("a feed");
    }
    let mut config: Value = serde_json::from_slice(&fs::read(folder.join("winback.json")).expect("a file")).expect("json");
    config["advertisers"] = json!("dearer");
    let path = folder.join("dearer.json");
    fs::write(&path, pretty(&config)).expect("a file");
    path
}

/// How many samples the server says it has kept.
fn kept(server: &Server) -> usize {
    let text = server.api().get("/metrics").expect("metrics").text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("winback_samples_total{result=\"kept\"} "));
    line.map_or(0, |figure| figure.trim().parse().expect("a figure"))
}

/// Asks as many seeded requests, no faster than they are kept.
fn record(server: &Server, count: usize, users: u64) {
    let mut traffic = Traffic::new(&Mix {
        users,
        known_percent: 60,
        ..Mix::default()
    });
    let (mut exchange, mut body) = (server.exchange(), Vec::new());
    let path = format!("/bid/{EXCHANGE}");
    for n in 1..=count {
        traffic.write_next(&mut body);
        let status = exchange.post(&path, &body).expect("an answer").status;
        assert!(matches!(status, 200 | 204), "{status}");
        if n % AT_ONCE == 0 || n == count {
            let end = Instant::now() + KEPT_MAX;
            while kept(server) < n && Instant::now() < end {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// The samples of a folder.
fn samples(folder: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder.join("data/samples")).expect("samples") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("text");
        all.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a sample")));
    }
    all
}

/// The server's config with the port that it took, so that it can be asked.
fn asking(server: &Server) -> &'static str {
    let path = server.folder().join("winback.json");
    let mut config: Value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("json");
    config["admin"]["listen"] = json!(server.admin.to_string());
    fs::write(server.folder().join("asking.json"), pretty(&config)).expect("a file");
    "asking.json"
}

/// What `winback replay` tells, under a config and with these arguments, in a folder.
fn replay(folder: &Path, config: &str, arguments: &[&str]) -> Value {
    let output = winback()
        .args(["replay", "--json", "-", "--config", config])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let is_expected = |line: &str| line.contains("gvl_vendor_id");
    assert!(errors.lines().all(is_expected), "all that is to be said of these configs: {errors}");
    serde_json::from_slice(&output.stdout).expect("json")
}

fn count(value: &Value) -> usize {
    value.as_u64().unwrap_or_else(|| panic!("no count: {value}")) as usize
}

/// Every file of a folder with what is in it.
fn everything(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            everything(&path, all);
        } else {
            all.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
}

#[test]
fn the_same_config_comes_to_the_same_and_a_changed_bid_to_its_campaigns_requests() {
    let (setup, wanted) = (setup(), requests());
    setup.write();
    let users = (wanted / 8).max(100) as u64;
    let mut server = Server::start(setup.path());
    let mut shop = server.shop();
    for n in 0..users {
        let id = if n % 2 == 0 { "acme" } else { "birch" };
        tell(&mut shop, id, &cart(theirs(&known_uid(n)), id, n as usize % 20));
    }
    record(&server, wanted, users);
    dearer(setup.path());
    // Of the running server first, then of the folder that it leaves.
    let running = replay(setup.path(), asking(&server), &["--against", "dearer.json"]);
    server.signal("TERM");
    assert!(server.ended(Duration::from_secs(30)).is_some(), "it drains");
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    everything(setup.path(), &mut before);
    let as_recorded = replay(setup.path(), "winback.json", &[]);
    let same = replay(setup.path(), "winback.json", &["--against", "winback.json"]);
    let changed = replay(setup.path(), "winback.json", &["--against", "dearer.json", "--examples", "1"]);
    everything(setup.path(), &mut after);
    println!("{changed:#}");

    let samples = samples(setup.path());
    let of_acme = |sample: &&Value| {
        sample["bids"]
            .as_array()
            .is_some_and(|bids| bids.iter().any(|bid| bid["advertiser"] == "acme"))
    };
    let expected = samples.iter().filter(of_acme).count();
    let rows = changed["campaigns"].as_array().expect("campaigns");
    let row = |advertiser: &str| rows.iter().find(|row| row["advertiser"] == advertiser).expect("a row").clone();
    assert_eq!(
        (&row("acme")["mean_cpm"]["before"], &row("acme")["mean_cpm"]["after"]),
        (&json!("20"), &json!("25"))
    );
    assert_eq!(row("birch")["mean_cpm"]["after"], "20");
    assert_eq!(
        count(&changed["kinds"]["price"]),
        count(&changed["differences"]),
        "nothing but prices"
    );
    let touched = before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes)).count();
    let new = after.keys().filter(|path| !before.contains_key(*path)).count();
    let mut figures = Figures::new();
    figures.exactly("replay.recorded", samples.len(), wanted);
    figures.exactly("replay.replayed", count(&same["requests"]), wanted);
    figures.exactly("replay.as_recorded_differ", count(&as_recorded["differences"]), 0);
    figures.exactly("replay.same_differ", count(&same["differences"]), 0);
    figures.at_least("replay.of_campaign", expected, wanted / 50);
    figures.exactly("replay.changed_differ", count(&changed["differences"]), expected);
    figures.exactly(
        "replay.running_differs_from_stopped",
        usize::from(strip(running) != strip(changed)),
        0,
    );
    figures.exactly("replay.files_touched", touched + new, 0);
    figures.settle();
}

/// Without the examples, of which one call asked for fewer, and the names of the configs.
fn strip(mut report: Value) -> Value {
    for key in ["examples", "sides"] {
        report.as_object_mut().expect("an object").remove(key);
    }
    report
}

#[test]
fn whoever_is_erased_is_nobody_in_a_replay() {
    let setup = setup();
    setup.write();
    let mut server = Server::start(setup.path());
    let mut shop = server.shop();
    for n in 0..2 {
        tell(&mut shop, "acme", &cart(theirs(&known_uid(n)), "acme", n as usize));
    }
    record(&server, 120, 2);
    let backup = |name: &str| {
        let output = winback()
            .args(["backup", name, "--config", asking(&server)])
            .current_dir(setup.path())
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    backup("before.backup");
    let erased = server
        .api()
        .send("DELETE", &format!("/api/users/{EXCHANGE}:{}", known_uid(0)), &[], b"")
        .expect("an answer");
    assert_eq!(erased.status, 204);
    let unknown = |report: &Value| count(&report["exchanges"][0]["reasons"]["unknown_user"]["after"]);
    let now = replay(setup.path(), asking(&server), &[]);
    let then = replay(setup.path(), "winback.json", &["--backup", "before.backup"]);
    server.signal("TERM");
    assert!(server.ended(Duration::from_secs(30)).is_some(), "it drains");
    let stopped = replay(setup.path(), "winback.json", &[]);
    let handles: BTreeMap<String, usize> = samples(setup.path()).iter().fold(BTreeMap::new(), |mut all, sample| {
        if let Some(handle) = sample["request"]["user"]["buyeruid"].as_str() {
            *all.entry(handle.to_owned()).or_default() += 1;
        }
        all
    });
    let fewest = handles.values().min().copied().unwrap_or(0);
    let gained = unknown(&now) - unknown(&then);
    println!("{handles:?}, {gained} requests more of nobody\n{now:#}");
    let mut figures = Figures::new();
    figures.exactly("replay.handles", handles.len(), 2);
    figures.at_least("replay.of_the_fewest", fewest, 10);
    figures.judge("replay.erased_are_nobody", gained, "=asked", handles.values().any(|n| *n == gained));
    figures.exactly("replay.known_before", count(&then["differences"]), 0);
    figures.exactly("replay.known_when_stopped", usize::from(strip(stopped) != strip(now)), 0);
    figures.settle();
}
