//! What is fuzzed: one function for each kind of bytes that come from outside, and inputs to begin with.
//!
//! The fuzzer runs these with coverage to guide it, a property test runs the same on every change. An
//! entry ends the process, or the test, by a panic; to return is to pass. Nothing is written.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use winback::base::seal::Audience;
use winback::base::time::Millis;
use winback::bid::{Scratch, Silent, decide};
use winback::config::{draft_advertiser, server_from_text};
use winback::feed::{self, Shelf};
use winback::model::advertiser::FeedFormat;
use winback::model::outcome::Outcome;
use winback::openrtb::protobuf::transcribe;
use winback::openrtb::request::Opportunity;
use winback::openrtb::response::Form;
use winback::openrtb::{decode, feedback};
use winback::track::events::{self, Sender};
use winback::track::fact::Sign;
use winback::track::notice;

use crate::bench_rig::{NOWHERE, Rig, ask, item};

/// An entry by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("json", json_request),
    ("protobuf", protobuf_request),
    ("native", native_request),
    ("token", token),
    ("event", event),
    ("feed", feed_file),
    ("config", config_file),
];

const NOW: Millis = Millis(1_781_092_800_000);
/// What a body may come to.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Whom the exchange calls `u` and who left something in the cart, and what decisions share.
struct Bench {
    rig: Rig,
    scratch: Scratch,
    transcript: Vec<u8>,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(bench());
}

fn server() -> Value {
    json!({
        "public": {"url": "https://ads.example"},
        "exchanges": [{"id": "x", "seat": "winback"}],
        "privacy": {"gdpr_when_unknown": false},
        "invalid_traffic": null,
    })
}

fn advertiser() -> Value {
    json!({
        "version": 1, "id": "acme", "name": "Acme", "domain": "acme.example", "site_key": "acme-web", "categories": ["IAB18-3"],
        "audiences": [{"id": "cart", "include": [{"state": "cart", "within": "30d"}]}],
        "creatives": [
            {"id": "card", "format": "banner", "sizes": [[300, 250], [320, 50], [728, 90]]},
            {"id": "native", "format": "native"},
            {"id": "spot", "format": "video", "sizes": [[640, 360]], "duration_s": 15,
                "media": [{"url": "https://acme.example/spot.mp4", "mime": "video/mp4", "bitrate_kbps": 800}]},
        ],
        "campaigns": [{"id": "c", "audiences": ["cart"], "bid": {"type": "cpm", "amount": 4}, "budget": {"total": 1_000_000, "pacing": "asap"},
            "frequency": [], "creatives": ["card", "native", "spot"]}],
    })
}

fn bench() -> Bench {
    let mut rig = Rig::new(&server(), Path::new(NOWHERE)).expect("a sound config");
    let items: Vec<Value> = (0..4)
        .map(|n| item(&json!({"id": format!("sku-{n}")}), "acme.example", "USD"))
        .collect();
    rig.add(&advertiser(), &items).expect("a sound advertiser");
    let cart = json!({"user": {"exchange_ids": {"x": "u"}}, "events": [{"event": "add_to_cart", "items": [{"item_id": "sku-1"}]}]});
    assert_eq!(rig.tell("acme", &cart, NOW), 0);
    Bench {
        rig,
        scratch: Scratch::default(),
        transcript: Vec::new(),
    }
}

/// Decides about a body, twice: the same comes of it. What is answered is JSON where that is asked.
fn decided(bench: &mut Bench, body: &[u8], form: Form) -> bool {
    let ask = ask(body, form, NOW);
    let Bench { rig, scratch, .. } = bench;
    let outcome = decide(&rig.world, &rig.state, &ask, scratch, &mut Silent);
    let answer = scratch.out.split().freeze();
    let again = decide(&rig.world, &rig.state, &ask, scratch, &mut Silent);
    assert!(again == outcome && scratch.out == answer, "decided otherwise the second time");
    feedback::entries(&scratch.feedback).for_each(drop);
    let bids = matches!(outcome, Outcome::Bid { .. });
    if bids && form == Form::Json {
        serde_json::from_slice::<Value>(&answer).expect("the answer is JSON");
    }
    bids
}

/// A bid request as JSON.
pub fn json_request(body: &[u8]) {
    BENCH.with_borrow_mut(|bench| decided(bench, body, Form::Json));
}

/// A bid request as protobuf: its transcript is JSON, if it is UTF-8, and is read as what it is of.
pub fn protobuf_request(body: &[u8]) {
    BENCH.with_borrow_mut(|bench| {
        let mut transcript = std::mem::take(&mut bench.transcript);
        let written = transcribe(body, BODY_BYTES_MAX, &mut transcript);
        let is_json = written.is_ok() && std::str::from_utf8(&transcript).is_ok();
        if is_json {
            serde_json::from_slice::<serde::de::IgnoredAny>(&transcript).expect("the transcript is JSON");
        }
        let (mut memory, mut request) = (decode::Memory::default(), Opportunity::default());
        let in_place = decode::read(Form::Protobuf, body, &mut memory, &mut request).map(|()| request);
        let of_transcript = is_json.then(|| decode::decode(&transcript, Vec::new()).ok()).flatten();
        // What comes to too much as a whole may be read in place.
        if !matches!(written, Err(decode::Unreadable::TooLarge { .. })) {
            assert_eq!(format!("{:?}", in_place.ok()), format!("{of_transcript:?}"));
        }
        decided(bench, body, Form::Protobuf);
        bench.transcript = transcript;
    });
}

/// A native request, as text within a bid request and, where it is JSON, as it stands.
pub fn native_request(request: &[u8]) {
    let Ok(text) = std::str::from_utf8(request) else { return };
    BENCH.with_borrow_mut(|bench| {
        for request in [Some(json!(text)), serde_json::from_str(text).ok()].into_iter().flatten() {
            let imp = json!({"id": "1", "native": {"request": request}});
            let body = json!({"id": "r", "imp": [imp], "user": {"id": "u"}}).to_string();
            decided(bench, body.as_bytes(), Form::Json);
        }
    });
}

/// A token and the query behind it, as notices, pixels and clicks bring them.
pub fn token(url: &[u8]) {
    let Ok(url) = std::str::from_utf8(url) else { return };
    let (token, query) = url.split_once('?').map_or((url, None), |(token, query)| (token, Some(query)));
    BENCH.with_borrow_mut(|bench| {
        let world = &bench.rig.world;
        for (audience, signs) in [
            (Audience::Notice, [Sign::Win, Sign::Bill]),
            (Audience::View, [Sign::Pixel, Sign::Click]),
        ] {
            let Some(opened) = notice::open(world, audience, token) else {
                continue;
            };
            for sign in signs {
                notice::evidence(world, sign, opened, query, NOW);
            }
        }
    });
}

/// A batch of events of a shop's server.
pub fn event(batch: &[u8]) {
    let Ok(batch) = std::str::from_utf8(batch) else { return };
    BENCH.with_borrow_mut(|bench| {
        let world = &bench.rig.world;
        let fresh = (world.hashes.user(b"fresh"), "fresh".to_owned());
        let read = events::read(world, &bench.rig.shop("acme"), &Sender::Server, batch, NOW, fresh);
        if let Ok(read) = read {
            assert!(read.rejected.iter().all(|fault| !fault.problem.is_empty()));
        }
    });
}

/// A product feed of any form, not packed.
pub fn feed_file(file: &[u8]) {
    BENCH.with_borrow_mut(|bench| {
        let shop = bench.rig.shop("acme");
        let shelf = Shelf {
            advertiser: shop.advertiser.no,
            currency: shop.advertiser.currency,
            language: &shop.advertiser.language,
            landing_domains: &shop.advertiser.landing.domains,
            hashes: &bench.rig.world.hashes,
            zone: &shop.advertiser.timezone,
            format: FeedFormat::Auto,
        };
        match feed::read(file, "feed", &shelf) {
            Ok((_, report)) => assert_eq!(report.items, report.accepted + report.duplicates + report.rejected_total()),
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    });
}

/// A server's config and an advertiser's file.
pub fn config_file(file: &[u8]) {
    let Ok(text) = std::str::from_utf8(file) else { return };
    let dir = Path::new(NOWHERE);
    let (server, _) = server_from_text("winback.json", dir, &server().to_string()).expect("a sound config");
    let faults = server_from_text("winback.json", dir, text).err().unwrap_or_default();
    let (_, more) = draft_advertiser("acme.json", dir, text, &server);
    for fault in faults.iter().chain(&more) {
        assert!(!fault.to_string().is_empty());
    }
}

/// Inputs of a target to begin with: the project's fixtures, and the shared corpus where it is.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "json" => requests(),
        "protobuf" => protobufs(),
        "native" => natives(),
        "token" => tokens(),
        "event" => vec![
            json!({"user": {"exchange_ids": {"x": "u"}, "ifa": "6d92078a-8246-4ba4-ae5b-76104861e7dc"}, "consent": {"gdpr": 0, "us_privacy": "1YNN"},
                "events": [{"event": "purchase", "items": [{"item_id": "sku-1", "quantity": 2, "price": "19.90", "item_category": "Shoes"}],
                    "value": 39.8, "currency": "USD", "transaction_id": "t-1", "time": "2026-06-10T11:59:00Z", "event_id": "e-1"}]})
            .to_string()
            .into_bytes(),
        ],
        "feed" => files("tests/fixtures/feeds"),
        "config" => [files("src/config/tests"), files("tests/golden/check"), files("examples/shop/advertisers")].concat(),
        _ => Vec::new(),
    }
}

fn root() -> PathBuf {
    // The fuzzer's crate is a folder of the project's.
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if own.ends_with("fuzz") { own.parent().unwrap_or(own) } else { own };
    root.to_owned()
}

fn files(folder: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .expect("a folder of fixtures")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && path.extension().is_some_and(|ending| ending != "rs"))
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a fixture")).collect()
}

/// Lines of a file of the shared corpus.
fn lines(file: &str) -> Vec<Value> {
    let beside = root().join("../shared/corpus");
    let folder = std::env::var_os("WINBACK_CORPUS").map_or(beside, PathBuf::from);
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn requests() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(root().join("tests/fixtures/requests.ndjson")).expect("fixtures");
    let fixtures = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_known = |mut request: Value| {
        request["user"]["id"] = json!("u");
        request.to_string().into_bytes()
    };
    let fixtures = fixtures.filter_map(|fixture| Some(fixture["body"].as_str()?.as_bytes().to_vec()));
    let others = lines("requests.ndjson")
        .into_iter()
        .step_by(24)
        .map(|mut line| line["request"].take());
    fixtures
        .chain(others.filter(|request| request["user"].is_object()).map(of_known))
        .collect()
}

fn protobufs() -> Vec<Vec<u8>> {
    use base64::Engine;
    let rows = [
        lines("protobuf_iab26_generated.ndjson"),
        lines("protobuf_google_openrtb_samples.ndjson"),
    ]
    .concat();
    let bytes = |row: &Value| {
        base64::engine::general_purpose::STANDARD
            .decode(row["protobuf_base64"].as_str()?)
            .ok()
    };
    // Whose last user is the known one.
    let known = b"\x32\x03\x0a\x01u";
    let own = b"\x0a\x01r\x12\x0c\x0a\x01i\x12\x07\x7a\x05\x08\xac\x02\x10\xfa".to_vec();
    let of_corpus = rows.iter().step_by(4).filter_map(bytes).map(|body| [&body[..], known].concat());
    of_corpus.chain([own]).collect()
}

fn natives() -> Vec<Vec<u8>> {
    let own = r#"{"ver":"1.2","assets":[{"id":1,"required":1,"title":{"len":25}},{"id":2,"img":{"type":3,"wmin":300,"hmin":250}},{"id":3,"data":{"type":12,"len":15}}],"eventtrackers":[{"event":1,"methods":[1,2]}],"privacy":1}"#;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).into_bytes();
    let of_corpus = lines("native.ndjson").into_iter().filter_map(|line| {
        let request = line.get("request").or(line.get("native")).or(line.get("value"))?;
        Some(text(request))
    });
    of_corpus.chain([own.as_bytes().to_vec()]).collect()
}

/// The tokens of one bid, with what may stand behind them.
fn tokens() -> Vec<Vec<u8>> {
    let body = br#"{"id":"r","imp":[{"id":"1","banner":{"w":300,"h":250}}],"user":{"id":"u"}}"#;
    let answer = BENCH.with_borrow_mut(|bench| {
        assert!(decided(bench, body, Form::Json), "no bid for the known user");
        String::from_utf8_lossy(&bench.scratch.out).into_owned()
    });
    let mut seeds = Vec::new();
    for prefix in ["/n/win/", "/imp/", "/click/"] {
        let found = answer.split(prefix).nth(1).unwrap_or_default();
        let token = found
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)))
            .next()
            .unwrap_or_default();
        for query in ["", "?price=1.5", "?price=AUDIT&x=1", "?price=%24%7BAUCTION_PRICE%7D", "?n=1"] {
            seeds.push(format!("{token}{query}").into_bytes());
        }
    }
    seeds
}
