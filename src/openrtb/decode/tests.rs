//! Requests as they are sent: our own, each with what must be read of it, and the shared corpus.

use super::*;
use crate::openrtb::floor::FLOOR_UNREACHABLE;
use crate::openrtb::json::{List, sizes};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The shapes of odd requests that fixtures must cover.
const SHAPES: [&str; 13] = [
    "plain",
    "float-for-integer",
    "string-for-number",
    "scalar-for-array",
    "empty-value",
    "ext-no-object",
    "native-forms",
    "two-places",
    "extreme-number",
    "structure",
    "odd-identity",
    "broken-body",
    "protobuf-json",
];

fn plain(text: Text<'_>) -> Value {
    text.unescape(&mut String::new()).into()
}

fn list(list: List<'_>) -> Value {
    list.iter().map(plain).collect()
}

/// All that is read of a request, the first imp's attributes at the top.
fn observed(ask: &Opportunity<'_>) -> Value {
    let eids: Vec<_> = eids(ask.user.eids).map(|eid| [plain(eid.source), plain(eid.id)]).collect();
    let mut all = json!({
        "id": plain(ask.id), "imps": ask.imps.len(), "imps_dropped": ask.imps_dropped, "test": ask.test, "at": ask.at, "tmax": ask.tmax,
        "cur": list(ask.cur), "wseat": list(ask.wseat), "bseat": list(ask.bseat), "bcat": list(ask.bcat), "badv": list(ask.badv),
        "is_app": ask.place.is_app, "domain": plain(ask.place.domain), "page": plain(ask.place.page), "bundle": plain(ask.place.bundle),
        "cat": list(ask.place.cat), "publisher": plain(ask.place.publisher), "schain_complete": ask.schain_complete,
        "ua": plain(ask.device.ua), "ip": plain(ask.device.ip), "devicetype": ask.device.devicetype, "os": plain(ask.device.os),
        "language": plain(ask.device.language), "ifa": plain(ask.device.ifa), "country": plain(ask.device.country),
        "region": plain(ask.device.region), "city": plain(ask.device.city), "utcoffset": ask.device.utcoffset,
        "user.id": plain(ask.user.id), "user.buyeruid": plain(ask.user.buyeruid), "user.consent": plain(ask.user.consent), "eids": eids,
        "gdpr": ask.signals.gdpr, "coppa": ask.signals.coppa, "lmt": ask.signals.lmt, "dnt": ask.signals.dnt, "gpc": ask.signals.gpc,
        "us_privacy": plain(ask.signals.us_privacy), "gpp": plain(ask.signals.gpp),
        "gpp_sid": ask.signals.gpp_sid.integers().collect::<Vec<_>>(),
        "imp_ids": ask.imps.iter().map(|imp| plain(imp.id)).collect::<Vec<_>>(),
    });
    let imp = &ask.imps[0];
    let banner = imp.banner.unwrap_or_default();
    let first = json!({
        "banner": imp.banner.is_some(), "video": !imp.video.is_empty(), "audio": !imp.audio.is_empty(), "native": !imp.native.is_empty(),
        "sizes": sizes(banner.format).map(|(w, h)| [w, h]).collect::<Vec<_>>(), "w": banner.w, "h": banner.h,
        "battr": list(banner.battr), "btype": list(banner.btype), "mimes": list(banner.mimes),
        "floor": imp.floor.map(|floor| if floor == FLOOR_UNREACHABLE { "unreachable".into() } else { floor.to_string() }),
        "floor_currency": imp.floor_currency.map(|code| code.to_string()), "tagid": plain(imp.tagid), "gpid": plain(imp.gpid),
        "exp": imp.exp, "interstitial": imp.interstitial, "private_auction": imp.private_auction,
    });
    for (key, value) in first.as_object().expect("an object") {
        all[key] = value.clone();
    }
    all
}

/// What is wrong with how a fixture was read, if anything.
fn misread(fixture: &Value) -> Option<String> {
    let body = fixture["body"].as_str().expect("a body");
    let (kind, seen) = match decode(body.as_bytes(), Vec::new()) {
        Ok(ask) => ("read", observed(&ask)),
        Err(fault) => ("malformed", json!({"reason": fault.label()})),
    };
    let mut wrong = String::new();
    if fixture["expect"] != kind {
        wrong += &format!(" is {kind} {seen}");
    }
    for (key, expected) in fixture["check"].as_object().into_iter().flatten() {
        if seen.get(key) != Some(expected) {
            wrong += &format!(" {key} is {}, not {expected};", seen[key]);
        }
    }
    (!wrong.is_empty()).then(|| format!("{}:{wrong}", fixture["name"]))
}

#[test]
fn our_own_requests_are_read_as_they_are_meant() {
    let text = include_str!("../../../tests/fixtures/requests.ndjson");
    let fixtures: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a fixture is JSON"))
        .collect();
    let mut shapes: BTreeMap<&str, u32> = BTreeMap::new();
    for fixture in &fixtures {
        *shapes.entry(fixture["shape"].as_str().unwrap_or("none")).or_default() += 1;
    }
    println!("{} requests: {shapes:?}", fixtures.len());
    assert!(fixtures.len() >= 200, "at least 200 requests");
    for shape in SHAPES {
        assert!(shapes.get(shape).is_some_and(|n| *n >= 5), "{shape} is hardly covered");
    }
    assert_eq!(shapes.len(), SHAPES.len(), "a shape is misspelt");
    let wrong: Vec<String> = fixtures.iter().filter_map(misread).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fixtures' bodies that are to be read.
fn readable() -> Vec<String> {
    let text = include_str!("../../../tests/fixtures/requests.ndjson");
    let fixtures = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a fixture is JSON"));
    let read = fixtures.filter(|fixture| fixture["expect"] == "read");
    read.map(|fixture| fixture["body"].as_str().expect("a body").trim_end().to_owned())
        .collect()
}

#[test]
fn every_cut_of_a_request_is_malformed() {
    for body in readable() {
        for end in (0..body.len()).rev().step_by(body.len() / 256 + 1) {
            assert!(decode(&body.as_bytes()[..end], Vec::new()).is_err(), "{body} cut at {end}");
        }
    }
}

#[test]
fn a_damaged_request_is_read_only_if_it_is_json_still() {
    for body in readable() {
        let mut damaged = body.trim_start_matches('\u{feff}').as_bytes().to_vec();
        for at in (0..damaged.len()).step_by(damaged.len() / 64 + 1) {
            for with in *b"\"\\{}[],:0 \xff\x00" {
                let before = std::mem::replace(&mut damaged[at], with);
                if let Ok(ask) = decode(&damaged, Vec::new()) {
                    observed(&ask);
                    assert!(serde_json::from_slice::<Value>(&damaged).is_ok(), "{body} with {with} at {at}");
                }
                damaged[at] = before;
            }
        }
    }
}

#[test]
fn imps_beyond_the_limit_are_counted_and_memory_is_kept() {
    let imps: Vec<Value> = (0..IMPS_MAX + 3).map(|n| json!({"id": n})).collect();
    let body = json!({"id": "r", "imp": imps}).to_string();
    let ask = decode(body.as_bytes(), Vec::with_capacity(IMPS_MAX)).expect("readable");
    assert_eq!((ask.imps.len(), ask.imps_dropped), (IMPS_MAX, 3));
    let (place, capacity) = (ask.imps.as_ptr() as usize, ask.imps.capacity());
    let again = recycle(ask.imps);
    assert_eq!((again.len(), again.as_ptr() as usize, again.capacity()), (0, place, capacity));
}

/// The shared corpus, where it is: `WINBACK_CORPUS`, else beside the crate. CI must have it.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("WINBACK_CORPUS").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no corpus at {}", folder.display());
    println!("skipped: no corpus at {}", folder.display());
    None
}

fn read_lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("the corpus is readable");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("the corpus is NDJSON"))
        .collect()
}

/// The bodies of a corpus file as they were sent: number literals and duplicate keys kept.
fn bodies(file: &Path) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Line<'l> {
        #[serde(borrow)]
        request: &'l serde_json::value::RawValue,
    }
    let text = std::fs::read_to_string(file).expect("the corpus is readable");
    let request = |line: &str| serde_json::from_str::<Line<'_>>(line).map(|line| line.request.get().to_owned());
    text.lines().map(|line| request(line).expect("the corpus is NDJSON")).collect()
}

#[test]
fn the_corpus_is_read_but_for_a_known_few() {
    let Some(folder) = corpus() else { return };
    let mut malformed = Vec::new();
    let mut imps = Vec::new();
    for (n, body) in bodies(&folder.join("requests.ndjson")).iter().enumerate() {
        match decode(body.as_bytes(), recycle(imps)) {
            Ok(ask) => {
                observed(&ask);
                imps = recycle(ask.imps);
            }
            Err(fault) => {
                malformed.push(json!({"line": n + 1, "reason": fault.label()}));
                imps = Vec::new();
            }
        }
    }
    println!("{} malformed", malformed.len());
    assert!(malformed.len() <= 35, "{malformed:?}");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/corpus_malformed.json");
    let lines: Vec<String> = malformed.iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).expect("the golden file can be written");
    }
    let kept = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(kept, text, "UPDATE_GOLDEN=1 rewrites {}", golden.display());
}

#[test]
fn bad_and_near_requests_of_the_corpus_are_answered_without_panic() {
    use base64::Engine;
    let Some(folder) = corpus() else { return };
    let judge = |body: &[u8]| match decode(body, Vec::new()) {
        Ok(ask) => drop(observed(&ask)),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    };
    for file in ["requests_invalid.ndjson", "requests_nearmiss.ndjson"] {
        bodies(&folder.join(file)).iter().for_each(|body| judge(body.as_bytes()));
    }
    for line in read_lines(&folder.join("requests_malformed.ndjson")) {
        let coded = line["body_base64"].as_str().expect("a body");
        let body = base64::engine::general_purpose::STANDARD.decode(coded).expect("base64");
        judge(&body);
        assert!(
            matches!(decode(&body, Vec::new()), Err(Unreadable::NotJson { .. })),
            "{}",
            line["source"]
        );
    }
}
