//! Documents for every shape of player: protocol, size, skip, companions; each valid by the schema of its
//! version, with the product in it and its calls sealed.
//!
//! `xmllint` judges where it is installed; without it documents are only read, but not where `CI=true`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};
use winback::base::seal::Audience;
use winback::track::notice;

use super::{Stage, bid};
use crate::corpus::corpus;
use crate::figures::Figures;
use crate::rig::fill;

/// The version of a document, by the code of its protocol; the schema where there is one.
const VERSIONS: [(u64, &str, Option<&str>); 6] = [
    (2, "2.0", None),
    (3, "3.0", Some("vast3_draft.xsd")),
    (7, "4.0", None),
    (11, "4.1", None),
    (13, "4.2", Some("vast_4.2.xsd")),
    (15, "4.3", None),
];
const DOCUMENTS_MIN: usize = 40;

/// A document and what it was made for.
struct Made {
    version: &'static str,
    player: Value,
    text: String,
}

fn verification() -> Value {
    json!([{"vendor": "count.example-omid", "url": "https://count.example/omid.js?a=1&b=2", "parameters": "{\"a\": \"]]>\"}"},
        {"vendor": "other \"&\"", "url": "https://other.example/omid.js"}])
}

fn creatives() -> [Value; 2] {
    [
        json!({"id": "v", "format": "video", "sizes": [[640, 360], [480, 480]], "duration_s": 15, "template": "carousel", "products": 3,
            "trackers": {"impression": ["https://count.example/i?a=1&b=2"], "click": ["https://count.example/c?x=1&y=2"],
                "viewable": ["https://count.example/v?a=1&b=2", "https://count.example/w"]}, "verification": verification(),
            "media": [{"url": "https://cdn.acme.example/spot.mp4?a=1&b=2", "mime": "video/mp4", "bitrate_kbps": 800},
                {"url": "https://cdn.acme.example/spot.webm", "mime": "video/webm", "w": 320, "h": 180, "codec": "vp9, \"opus\""}]}),
        json!({"id": "a", "format": "audio", "duration_s": 30, "verification": verification(),
            "media": [{"url": "https://cdn.acme.example/spot.mp3", "mime": "audio/mpeg", "bitrate_kbps": 128}]}),
    ]
}

/// Players of every shape there is a rule for.
fn players() -> Vec<Value> {
    let sizes = [json!({}), json!({"w": 640, "h": 360}), json!({"w": 300, "h": 600})];
    let skips = [json!({}), json!({"skip": 1, "skipafter": 5}), json!({"skip": 1, "skipmin": 20})];
    let beside = json!([{"id": "c&1", "w": 300, "h": 250, "vcm": 0}, {"format": [{"w": 200, "h": 200}]}, {"w": 640, "h": 360, "vcm": 1}]);
    let companions = [
        json!({}),
        json!({"companionad": beside}),
        json!({"companionad": beside, "companiontype": [1]}),
    ];
    let mut players = Vec::new();
    for (protocol, ..) in VERSIONS {
        for size in &sizes {
            for skip in &skips {
                for companion in &companions {
                    let mut player = json!({"mimes": ["video/mp4", "video/webm"], "protocols": [protocol], "maxduration": 30});
                    for more in [size, skip, companion] {
                        let fields = player.as_object_mut().expect("an object");
                        if protocol != 7 {
                            fields.insert("api".to_owned(), json!([7]));
                        }
                        fields.extend(more.as_object().expect("an object").clone());
                    }
                    players.push(player);
                }
            }
        }
    }
    players
}

fn documents() -> Vec<Made> {
    let version = |bid: &Value| VERSIONS.iter().find(|(code, ..)| bid["protocol"] == *code).expect("a version").1;
    let mut documents = Vec::new();
    for (creative, kind) in creatives().iter().zip(["video", "audio"]) {
        let mut stage = Stage::new(creative);
        for mut player in players() {
            if kind == "audio" {
                player["mimes"] = json!(["audio/mpeg"]);
            }
            let answer = stage.ask(json!({kind: player})).unwrap_or_else(|why| panic!("{why}: {player}"));
            let bid = bid(&answer);
            let text = bid["adm"].as_str().expect("adm").to_owned();
            assert_eq!(bid["protocol"], player["protocols"][0]);
            let (dur, mtype) = if kind == "audio" { (30, 3) } else { (15, 2) };
            assert!(bid["dur"] == dur && bid["mtype"] == mtype, "{bid}");
            calls_are_sealed(&stage, &text);
            documents.push(Made {
                version: version(bid),
                player,
                text,
            });
        }
    }
    documents
}

/// Every call of ours carries the token of the markup.
fn calls_are_sealed(stage: &Stage, text: &str) {
    let mut calls = 0;
    for (at, _) in text.match_indices("https://ads.example/") {
        let url = text[at..].split(['"', ']', '<', '?', '&']).next().unwrap_or_default();
        let token = url.rsplit('/').next().unwrap_or_default();
        assert!(notice::open(&stage.rig.world, Audience::View, token).is_some(), "{url}");
        calls += 1;
    }
    assert!(calls >= 9, "{calls} calls in {text}");
}

/// What is in a document, by the names of its elements; each with its text and attributes.
fn read(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<(String, String, String)> = Vec::new();
    let mut found: BTreeMap<String, Vec<_>> = BTreeMap::new();
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e}: {text}")) {
            Event::Start(tag) => open.push((tag.name().into_inner().to_owned(), (*tag).to_owned(), String::new())),
            Event::Text(part) => open.last_mut().map_or((), |(.., text)| text.push_str(&part)),
            Event::CData(part) => open.last_mut().map_or((), |(.., text)| text.push_str(&part)),
            Event::End(_) => {
                let (name, tag, text) = open.pop().expect("an element");
                found.entry(name).or_default().push((tag, text));
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// What a document lacks of what its player asked for.
fn faults(made: &Made) -> Vec<String> {
    let (found, player) = (read(&made.text), &made.player);
    let of = |name: &str| found.get(name).map_or(&[][..], Vec::as_slice);
    let mut faults = Vec::new();
    let mut judge = |ok: bool, what: &str| {
        if !ok {
            faults.push(format!("{what}: {} for {player}", made.text));
        }
    };
    let named = of("AdTitle").first().is_some_and(|(_, text)| text.contains("walking boot"));
    judge(
        made.text.contains(&format!("<VAST version=\"{}\"", made.version)),
        "another version",
    );
    judge(
        named || made.text.contains("<AdTitle>The waterproof walking boot"),
        "no product in the title",
    );
    judge(of("Impression").iter().any(|(_, url)| url.contains("/imp/")), "no impression");
    judge(
        !of("MediaFile").is_empty() && !of("ClickThrough").is_empty(),
        "no file, or no way to the shop",
    );
    let is_audio = player["mimes"][0] == "audio/mpeg";
    let seconds = if is_audio { 30 } else { 15 };
    judge(
        of("Duration").iter().all(|(_, text)| *text == format!("00:00:{seconds}")),
        "another length",
    );
    let skips = made.version != "2.0" && player["skip"] == 1 && seconds > player["skipmin"].as_u64().unwrap_or(0);
    let says = of("Linear").iter().any(|(tag, _)| tag.contains("skipoffset"));
    judge(skips == says, "skipped otherwise than the player asks");
    judge(
        says == of("Tracking").iter().any(|(tag, _)| tag.contains("\"skip\"")),
        "a skip that nobody is told of",
    );
    let beside = player["companionad"].as_array().map_or(0, Vec::len);
    let pictures_only = player["companiontype"].is_array();
    judge(of("Companion").len() >= beside.max(1), "a place beside the player is left empty");
    judge(
        pictures_only == of("HTMLResource").is_empty(),
        "HTML where it is not taken, or none where it is",
    );
    judge(
        of("HTMLResource")
            .iter()
            .all(|(_, html)| html.contains("/click/") && !html.contains("/imp/")),
        "an end card that counts",
    );
    faults
}

/// How many documents a schema refuses; none where there is nothing to judge with.
fn refused(schema: &Path, documents: &[String]) -> Option<usize> {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = documents.iter().enumerate().map(|(n, text)| {
        let path = dir.path().join(format!("{n}.xml"));
        // The official macro's brackets are no part of an address by the schemas.
        fs::write(&path, text.replace("[ERRORCODE]", "400")).expect("a document");
        path
    });
    let judged = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .arg(schema)
        .args(paths)
        .output()
        .ok()?;
    let told = String::from_utf8_lossy(&judged.stderr).into_owned();
    let valid = told.lines().filter(|line| line.ends_with(" validates")).count();
    told.lines()
        .filter(|line| !line.ends_with(" validates"))
        .take(5)
        .for_each(|line| println!("{line}"));
    Some(documents.len() - valid)
}

#[test]
fn documents_are_valid_for_every_shape_of_player() {
    let Some(folder) = corpus() else { return };
    let documents = documents();
    let wrong: Vec<String> = documents.iter().flat_map(faults).collect();
    println!("{}", wrong.iter().take(3).cloned().collect::<Vec<_>>().join("\n"));
    let mut figures = Figures::new();
    figures.at_least("vast.documents", documents.len(), DOCUMENTS_MIN);
    figures.exactly("vast.wrong", wrong.len(), 0);
    for (_, version, schema) in VERSIONS {
        let Some(schema) = schema.map(|name| folder.join("vast").join(name)) else {
            continue;
        };
        let of_version: Vec<String> = documents
            .iter()
            .filter(|made| made.version == version)
            .map(|made| made.text.clone())
            .collect();
        let filled: Vec<String> = of_version.iter().map(|text| fill(text, "1.5")).collect();
        let broken = [of_version[0].replace("<Duration>", "<Length>").replace("</Duration>", "</Length>")];
        let name = version.replace('.', "_");
        let Some(refused_raw) = refused(&schema, &of_version) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no xmllint: install libxml2-utils");
            println!("no xmllint: documents are not held against their schemas; install libxml2-utils");
            return figures.settle();
        };
        figures.at_least(&format!("vast.of_{name}"), of_version.len(), DOCUMENTS_MIN);
        let refused_filled = refused(&schema, &filled).expect("it was there");
        figures.exactly(&format!("vast.refused_{name}"), refused_raw + refused_filled, 0);
        figures.exactly(
            &format!("vast.broken_refused_{name}"),
            refused(&schema, &broken).expect("it was there"),
            1,
        );
    }
    figures.settle();
}
