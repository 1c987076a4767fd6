//! Hostile titles in every format and both forms of answer: the markup is the same text in JSON and in protobuf,
//! with the title in it as text and nothing else.

use serde_json::{Value, json};
use winback::openrtb::response::Form;

use super::{Stage, bid, request};
use crate::figures::Figures;
use crate::protos::speech::{Dialect, decode_response, encode};

/// Titles, and what each reads as where it is shown.
const TITLES: [(&str, &str); 6] = [
    ("Boot \"Alpine\" <b>&amp; more</b>", "Boot \"Alpine\" "),
    ("C:\\boots\\new \\\"quoted\\\"", "C:\\boots\\new"),
    ("</script><script>alert(1)</script>", ""),
    ("bell\u{7} tab\tline\nend\u{1b}\u{9f}", "bell"),
    ("Stiefel \u{1f97e} \u{9774} \u{10ffff}", "Stiefel \u{1f97e} \u{9774}"),
    ("\\u0022 \\n %%X%% ${AUCTION_PRICE} {{x}} ]]>", "\\u0022 \\n"),
];

/// A creative of each format, and an imp for it.
fn formats() -> [(Value, Value); 3] {
    let media = json!([{"url": "https://cdn.acme.example/spot.mp4", "mime": "video/mp4", "bitrate_kbps": 800}]);
    let player = json!({"mimes": ["video/mp4"], "protocols": [11], "w": 640, "h": 360, "minduration": 5, "maxduration": 30});
    let assets = json!({"ver": "1.2", "assets": [{"id": 1, "required": 1, "title": {"len": 140}}]}).to_string();
    [
        (
            json!({"id": "b", "format": "banner", "sizes": [[300, 250]]}),
            json!({"banner": {"w": 300, "h": 250}}),
        ),
        (
            json!({"id": "n", "format": "native"}),
            json!({"native": {"request": assets, "ver": "1.2"}}),
        ),
        (
            json!({"id": "v", "format": "video", "sizes": [[640, 360]], "duration_s": 15, "media": media}),
            json!({"video": player}),
        ),
    ]
}

/// What a reader of the markup is shown of the title: entities and escapes undone.
fn shown(format: &str, markup: &str) -> String {
    match format {
        "native" => {
            let native: Value = serde_json::from_str(markup).expect("a native ad");
            let assets = if native["assets"].is_array() { &native } else { &native["native"] };
            assets["assets"][0]["title"]["text"].as_str().expect("a title").to_owned()
        }
        _ => html_escape::decode_html_entities(markup).into_owned(),
    }
}

#[test]
fn hostile_titles_are_the_same_text_in_both_forms() {
    let (mut markups, mut figures) = (0, Figures::new());
    for (creative, imp) in formats() {
        let format = creative["format"].as_str().expect("a format").to_owned();
        for (title, reads) in TITLES {
            let mut stage = Stage::titled(&creative, title);
            let request = request(imp.clone());
            let json = stage.answer(Form::Json, request.to_string().as_bytes()).expect("a bid").to_vec();
            let protobuf = stage
                .answer(Form::Protobuf, &encode(Dialect::Iab, &request))
                .expect("a bid")
                .to_vec();
            let json: Value = serde_json::from_slice(&json).expect("JSON");
            let protobuf = decode_response(Dialect::Iab, &protobuf).expect("a response");
            let markup = bid(&json)["adm"].as_str().expect("markup");
            assert_eq!(Some(markup), bid(&protobuf)["adm"].as_str(), "{format}: {title}");
            assert!(shown(&format, markup).contains(reads), "{format}: {title}: {markup}");
            assert!(
                !markup.contains("<script>alert") && !markup.chars().any(|c| c.is_control()),
                "{markup}"
            );
            markups += 1;
        }
    }
    figures.at_least("media.hostile_titles_in_both_forms", markups, 18);
    figures.settle();
}
