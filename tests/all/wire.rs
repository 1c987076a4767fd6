//! Both forms of a request through the real listener: the same answer to JSON and to protobuf, packed or
//! not, and what is refused.

mod fields;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use base64::Engine;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use winback::base::time::Millis;
use winback::bid::{Scratch, Silent, decide};
use winback::openrtb::protobuf::transcribe;
use winback::openrtb::response::Form;

use crate::bench_rig::{self, NOWHERE, Rig};
use crate::corpus::corpus;
use crate::figures::Figures;
use crate::http::{Answer, Client};
use crate::judge;
use crate::protos::speech::{Dialect, decode_response, encode};
use crate::rig::{Server, tell};
use crate::shop::{self, EXCHANGE, PRODUCTS, Setup, advertiser, cart, request, theirs, title};

const PROTOBUF: &str = "application/x-protobuf";
const NOW: Millis = Millis(1_781_092_800_000);
/// What is sealed for each bid stands behind these.
const SEALED: [&str; 3] = ["/imp/", "/click/", "/n/"];

fn post(exchange: &mut Client, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    exchange
        .send("POST", &format!("/bid/{EXCHANGE}"), headers, body)
        .expect("an answer to a bid request")
}

fn unbase64(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("base64");
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

/// One request of the corpus in both forms, of a known user.
struct Asked {
    line: usize,
    user: Value,
    json: Value,
    protobuf: Vec<u8>,
}

fn asked(text: &str) -> Vec<Asked> {
    let lines = text.lines().enumerate();
    lines
        .map(|(n, line)| {
            let mut row: Value = serde_json::from_str(line).expect("a line of the corpus");
            let mut protobuf = unbase64(&row["protobuf_base64"]);
            let mut json = row["request"].take();
            let before = json["user"].clone();
            let user = judge::identify(&mut json, n, EXCHANGE);
            if json["user"] != before {
                // Of two messages of one field, protobuf makes one.
                let named = json!({"user": {"buyeruid": json["user"]["buyeruid"]}});
                protobuf.extend(encode(Dialect::Iab, &named));
            }
            Asked {
                line: n + 1,
                user,
                json,
                protobuf,
            }
        })
        .collect()
}

/// The answer without what is drawn for each bid; empty where there is none.
fn compared(answer: &Answer) -> Value {
    let is_protobuf = answer.header("content-type") == Some(PROTOBUF);
    let body = match is_protobuf {
        true => decode_response(Dialect::Iab, &answer.body).unwrap_or_else(|| json!("no response of OpenRTB")),
        false => answer.json(),
    };
    unsealed(body)
}

fn unsealed(value: Value) -> Value {
    match value {
        Value::Object(mut object) => {
            object.remove("bidid");
            if object.contains_key("impid") {
                object.remove("id");
            }
            object.into_iter().map(|(name, value)| (name, unsealed(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(unsealed).collect(),
        Value::String(text) => without_tokens(&text).into(),
        number => number.as_f64().map_or(number, Value::from),
    }
}

fn without_tokens(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, prefix)) = SEALED.iter().filter_map(|prefix| Some((rest.find(prefix)?, prefix))).min() {
        let (before, after) = rest.split_at(at + prefix.len());
        out.push_str(before);
        let of_token = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        // The kind of a notice stands before its token.
        let kind = after.find('/').filter(|_| *prefix == "/n/").map_or("", |end| &after[..=end]);
        out.push_str(kind);
        rest = after[kind.len()..].trim_start_matches(of_token);
    }
    out + rest
}

#[test]
fn tokens_and_nothing_else_are_left_out() {
    let text = r#"<a href="https://x/click/A-_9?y"><img src="https://x/imp/B"> https://x/n/win/C?p=${P}"#;
    let left = r#"<a href="https://x/click/?y"><img src="https://x/imp/"> https://x/n/win/?p=${P}"#;
    assert_eq!(without_tokens(text), left);
}

/// What is bid: prices, and the products that are shown.
fn bids(answer: &Value) -> Vec<(f64, Option<String>)> {
    let seats = answer["seatbid"].as_array().into_iter().flatten();
    let bids = seats.flat_map(|seat| seat["bid"].as_array().into_iter().flatten());
    let product = |bid: &Value| {
        (0..PRODUCTS)
            .map(|n| title("acme", n))
            .find(|title| bid["adm"].as_str().is_some_and(|adm| adm.contains(title)))
    };
    bids.map(|bid| (bid["price"].as_f64().unwrap_or(-1.0), product(bid))).collect()
}

/// Through the listener, where equal imps are chosen among by chance.
#[test]
fn parity() {
    let Some(folder) = corpus() else { return };
    let text = fs::read_to_string(folder.join("protobuf_iab26_generated.ndjson")).expect("the corpus is readable");
    let server = Server::fresh(Setup::acme());
    let asked = asked(&text);
    let mut shop = server.shop();
    for (n, asked) in asked.iter().enumerate() {
        tell(&mut shop, "acme", &cart(asked.user.clone(), "acme", n % PRODUCTS));
    }
    let mut exchange = server.exchange();
    let (mut same, mut with_bids) = (0, 0);
    for Asked { line, json, protobuf, .. } in &asked {
        let of_json = post(&mut exchange, &[("Content-Type", "application/json")], json.to_string().as_bytes());
        let of_protobuf = post(&mut exchange, &[("Content-Type", PROTOBUF)], protobuf);
        let (one, other) = (bids(&compared(&of_json)), bids(&compared(&of_protobuf)));
        let is_whole = one.iter().all(|(price, product)| *price > 0.0 && product.is_some());
        if (of_json.status, &one) == (of_protobuf.status, &other) && is_whole && one.is_empty() == (of_json.status != 200) {
            same += 1;
            with_bids += usize::from(!one.is_empty());
        } else {
            println!("line {line}: {} {one:?}, {} {other:?}", of_json.status, of_protobuf.status);
        }
    }
    let mut figures = Figures::new();
    figures.exactly("parity.same", same, 581);
    figures.at_least("parity.bids", with_bids, 60);
    figures.exactly("parity.google_samples", google_samples(&folder, &mut exchange), 3);
    figures.settle();
}

/// A World that knows the users of the requests.
fn knowing(asked: &[Asked]) -> Rig {
    let mut config = Setup::new().config;
    config["exchanges"][0]["auth"] = json!({});
    let mut rig = Rig::new(&config, Path::new(NOWHERE)).expect("a sound config");
    let mut acme = advertiser("acme");
    for file in ["event_key_file", "feed"] {
        acme.as_object_mut().expect("an object").remove(file);
    }
    let items: Vec<Value> = (0..PRODUCTS)
        .map(|n| bench_rig::item(&json!({"id": shop::item("acme", n)}), "acme.example", "USD"))
        .collect();
    rig.add(&acme, &items).expect("a sound advertiser");
    for (n, asked) in asked.iter().enumerate() {
        assert_eq!(rig.tell("acme", &cart(asked.user.clone(), "acme", n % PRODUCTS), NOW), 0);
    }
    rig
}

/// By the same seed, the answers are the same, token for token.
#[test]
fn answers_are_the_same_field_by_field() {
    let Some(folder) = corpus() else { return };
    let text = fs::read_to_string(folder.join("protobuf_iab26_generated.ndjson")).expect("the corpus is readable");
    let asked = asked(&text);
    let rig = knowing(&asked);
    let mut scratch = Scratch::default();
    let mut decided = |body: &[u8], form| {
        let ask = bench_rig::ask(body, form, NOW);
        let outcome = decide(&rig.world, &rig.state, &ask, &mut scratch, &mut Silent);
        (outcome, scratch.out.split().to_vec())
    };
    let (mut differ, mut fields) = (0, 0);
    for Asked { line, json, protobuf, .. } in &asked {
        let (outcome, of_json) = decided(json.to_string().as_bytes(), Form::Json);
        let (other, of_protobuf) = decided(protobuf, Form::Protobuf);
        let one = with_doubles(serde_json::from_slice(&of_json).unwrap_or_default());
        let two = decode_response(Dialect::Iab, &of_protobuf).map(with_doubles);
        let two = two.filter(|_| !of_protobuf.is_empty()).unwrap_or_default();
        if outcome != other || one != two {
            println!("line {line}: {outcome:?} {one}\n{other:?} {two}");
            differ += 1;
        }
        fields += two["seatbid"][0]["bid"][0].as_object().map_or(0, serde_json::Map::len);
    }
    let mut figures = Figures::new();
    figures.exactly("parity.answers_that_differ", differ, 0);
    figures.at_least("parity.fields_compared", fields, 60 * 18);
    figures.settle();
}

/// Numbers as doubles, which are one type.
fn with_doubles(value: Value) -> Value {
    match value {
        Value::Object(object) => object.into_iter().map(|(name, value)| (name, with_doubles(value))).collect(),
        Value::Array(values) => values.into_iter().map(with_doubles).collect(),
        other => other.as_f64().map_or(other, Value::from),
    }
}

/// How many of Google's samples are read: requests are answered, the response is what its decode says.
fn google_samples(corpus: &Path, exchange: &mut Client) -> usize {
    let text = fs::read_to_string(corpus.join("protobuf_google_openrtb_samples.ndjson")).expect("the corpus is readable");
    let rows = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line of the corpus"));
    rows.filter(|row| {
        let bytes = unbase64(&row["protobuf_base64"]);
        if row["message"] == "google BidResponse" {
            return decode_response(Dialect::Google, &bytes).as_ref() == Some(&row["decoded"]);
        }
        let mut json = Vec::new();
        transcribe(&bytes, 1 << 20, &mut json).expect("a protobuf message");
        let read: Value = serde_json::from_slice(&json).expect("JSON");
        let answer = post(exchange, &[("Content-Type", "application/octet-stream")], &bytes);
        println!("{}: {}", row["source"], answer.status);
        ["id", "cur", "bcat"].iter().all(|name| read[name] == row["decoded"][name])
            && read["imp"][0]["bidfloor"] == row["decoded"]["imp"][0]["bidfloor"]
            && read["device"]["geo"]["utcoffset"] == row["decoded"]["device"]["geo"]["utcoffset"]
            && answer.status == 204
    })
    .count()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

fn gunzip(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain).expect("gzip");
    plain
}

/// A server that knows `u`, and what it is asked about them.
fn known() -> (Server, Value) {
    let server = Server::fresh(Setup::acme());
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 7));
    (server, request("r\"1", "u", 1))
}

#[test]
fn packed_bodies_are_read_and_answered_packed_where_asked() {
    let (server, request) = known();
    let mut exchange = server.exchange();
    let expected = compared(&post(&mut exchange, &[], request.to_string().as_bytes()));
    assert_eq!(expected["seatbid"][0]["bid"][0]["impid"], "1");
    for (content_type, body) in [
        ("application/json", request.to_string().into_bytes()),
        (PROTOBUF, encode(Dialect::Iab, &request)),
    ] {
        for packed in [false, true] {
            let body = if packed { gzip(&body) } else { body.clone() };
            let encoding = if packed { "gzip" } else { "identity" };
            for accepted in ["gzip, deflate", "identity"] {
                let headers = [
                    ("Content-Type", content_type),
                    ("Content-Encoding", encoding),
                    ("Accept-Encoding", accepted),
                ];
                let mut answer = post(&mut exchange, &headers, &body);
                assert_eq!(answer.status, 200, "{headers:?}");
                assert_eq!(answer.header("content-type"), Some(content_type), "{headers:?}");
                assert_eq!(answer.header("content-encoding").is_some(), accepted != "identity", "{headers:?}");
                if accepted != "identity" {
                    answer.body = gunzip(&answer.body);
                }
                assert_eq!(compared(&answer), expected, "{headers:?}");
            }
        }
    }
}

#[test]
fn a_protobuf_request_is_explained() {
    let (server, request) = known();
    let body = gzip(&encode(Dialect::Iab, &request));
    let headers = [("Content-Type", PROTOBUF), ("Content-Encoding", "gzip")];
    let path = format!("/api/explain/{EXCHANGE}");
    let answer = server.api().send("POST", &path, &headers, &body).expect("an answer");
    assert_eq!((answer.status, &answer.json()["outcome"]), (200, &json!("bid")));
}

#[test]
fn what_cannot_be_unpacked_or_read_is_refused() {
    let (server, request) = known();
    let mut exchange = server.exchange();
    let json = request.to_string().into_bytes();
    let protobuf = encode(Dialect::Iab, &request);
    let packed = gzip(&json);
    let bomb = gzip(&vec![b' '; 16 << 20]);
    let wide = encode(Dialect::Iab, &json!({"id": "\u{1}".repeat(100_000)}));
    type Case<'a> = (&'a str, &'a str, &'a [u8], u16);
    let cases: [Case<'_>; 12] = [
        ("application/json", "gzip", &json, 400),
        ("application/json", "gzip", &packed[..packed.len() - 1], 400),
        ("application/json", "gzip", &bomb, 413),
        (PROTOBUF, "gzip", &bomb, 413),
        (PROTOBUF, "identity", &wide, 413),
        ("application/json", "deflate", &json, 415),
        ("application/json", "br", &json, 415),
        ("text/html", "identity", &json, 415),
        ("application/xml", "identity", &json, 415),
        (PROTOBUF, "identity", &json, 400),
        (PROTOBUF, "identity", b"", 400),
        ("application/octet-stream", "identity", &protobuf[..protobuf.len() - 1], 400),
    ];
    for (content_type, encoding, body, status) in cases {
        let answer = post(
            &mut exchange,
            &[("Content-Type", content_type), ("Content-Encoding", encoding)],
            body,
        );
        assert_eq!(answer.status, status, "{content_type} {encoding}");
        assert!(status != 400 || answer.body.is_empty(), "{content_type} {encoding}");
    }
    let whole = post(&mut exchange, &[("Content-Type", "application/octet-stream")], &protobuf);
    assert_eq!(
        (whole.status, whole.header("content-type")),
        (200, Some("application/octet-stream"))
    );
}

#[test]
fn a_no_bid_says_why_in_the_form_of_the_request() {
    let (server, _) = known();
    let mut exchange = server.exchange();
    let stranger = request("why \"quoted\"", "nobody", 1);
    let path = format!("/bid/{EXCHANGE}?nbr=1");
    let mut ask = |content_type, body: &[u8]| {
        exchange
            .send("POST", &path, &[("Content-Type", content_type)], body)
            .expect("an answer")
    };
    let of_json = ask("application/json", stranger.to_string().as_bytes());
    let of_protobuf = ask(PROTOBUF, &encode(Dialect::Iab, &stranger));
    assert_eq!((of_json.status, of_protobuf.status), (200, 200));
    assert_eq!(of_json.json(), json!({"id": "why \"quoted\"", "seatbid": [], "nbr": 8}));
    let decoded = decode_response(Dialect::Iab, &of_protobuf.body).expect("a response");
    assert_eq!(decoded, json!({"id": "why \"quoted\"", "nbr": 8}));
    assert_eq!(ask(PROTOBUF, b"\x0a").status, 400);
}
