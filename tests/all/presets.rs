//! Each preset through the real listener: an exchange of one entry bids in its dialect and settles by its
//! own evidence, at the price it wrote.

use std::fs;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use winback::base::winning_price::{KeyPair, seal_price};

use crate::figures::Figures;
use crate::http::Client;
use crate::protos::speech::{self, encode, known_of_response};
use crate::rig::{Server, bids, call, tell};
use crate::shop::{PUBLIC_URL, Setup, cart, request};

/// What an exchange of a preset does.
struct Dialect {
    preset: &'static str,
    /// What stands before the address of a click, and whether that is escaped.
    click: (&'static str, bool),
    /// The notice that is evidence of an impression.
    billing: &'static str,
    /// Queries of the notices.
    queries: [(&'static str, &'static str); 3],
    /// What bids do not carry.
    omitted: &'static [&'static str],
    /// Two dollars as it writes them.
    two_dollars: fn() -> String,
}

fn plain() -> String {
    "2".to_owned()
}

/// The cost of one impression, in micros.
fn encrypted() -> String {
    let [encryption, integrity] = KEYS;
    seal_price(&KeyPair { encryption, integrity }, [7; 16], 2_000)
}

const KEYS: [[u8; 32]; 2] = [[3; 32], [4; 32]];
const PRICE: &str = "?price=${AUCTION_PRICE}";
const DIALECTS: [Dialect; 4] = [
    Dialect {
        preset: "generic",
        click: ("", false),
        billing: "burl",
        queries: [
            ("nurl", "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}&mtw=${AUCTION_MIN_TO_WIN}"),
            ("burl", "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}"),
            ("lurl", "?reason=${AUCTION_LOSS}&price=${AUCTION_PRICE}&mtw=${AUCTION_MIN_TO_WIN}"),
        ],
        omitted: &[],
        two_dollars: plain,
    },
    Dialect {
        preset: "google",
        click: ("%%CLICK_URL_UNESC%%", true),
        billing: "burl",
        queries: [("nurl", PRICE), ("burl", PRICE), ("lurl", PRICE)],
        omitted: &[],
        two_dollars: encrypted,
    },
    Dialect {
        preset: "prebid-server",
        click: ("", false),
        billing: "burl",
        queries: [
            ("nurl", "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}"),
            ("burl", "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}"),
            ("lurl", PRICE),
        ],
        omitted: &[],
        two_dollars: plain,
    },
    Dialect {
        preset: "xandr",
        click: ("${AN_CLICK_URL}", true),
        billing: "nurl",
        queries: [
            ("nurl", "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}"),
            ("burl", ""),
            ("lurl", "?reason=${AUCTION_LOSS}&price=${AUCTION_PRICE}"),
        ],
        omitted: &["adid", "burl"],
        two_dollars: plain,
    },
];

fn served() -> Server {
    let mut setup = Setup::acme();
    let acme = &mut setup.advertisers[0];
    let native = json!({"id": "native", "format": "native", "declared": {"google": {"attributes": [47]}}});
    acme["creatives"].as_array_mut().expect("a list").push(native);
    acme["campaigns"][0]["creatives"] = json!(["card", "native"]);
    let exchanges = setup.config["exchanges"].as_array_mut().expect("a list");
    for dialect in &DIALECTS {
        let mut exchange = json!({"id": dialect.preset, "preset": dialect.preset, "seat": "seat"});
        if dialect.preset == "google" {
            exchange["price"] = json!({"encryption_key_file": "e-key", "integrity_key_file": "i-key"});
            exchange["billing_ids"] = json!(["56982500334"]);
        }
        exchanges.push(exchange);
    }
    exchanges.push(
        json!({"id": "mine", "preset": "google", "seat": "seat", "click_macro": null, "billing": "impression",
        "price": {"encoding": "plain", "scale": 1}}),
    );
    for (name, key) in ["e-key", "i-key"].into_iter().zip(KEYS) {
        use base64::Engine;
        let text = base64::engine::general_purpose::URL_SAFE.encode(key);
        fs::write(setup.path().join(name), text).expect("a key file");
    }
    Server::fresh(setup)
}

/// A bid of this exchange for a user of its own.
fn bid(server: &Server, exchange: &str) -> Value {
    let user = json!({"exchange_ids": {exchange: "u"}});
    tell(&mut server.shop(), "acme", &cart(user, "acme", 1));
    let body = request(&format!("r-{exchange}"), "u", 1).to_string();
    let answer = Client::new(server.bid)
        .post(&format!("/bid/{exchange}"), body.as_bytes())
        .expect("an answer");
    assert_eq!(answer.status, 200, "{exchange}: {}", server.log());
    bids(&answer).remove(0)
}

/// The address of a click as the exchange makes a browser follow it in the end.
fn click_of(bid: &Value, (before, is_escaped): (&str, bool)) -> String {
    let markup = html_escape::decode_html_entities(bid["adm"].as_str().expect("markup")).into_owned();
    let (_, rest) = markup
        .split_once(&format!("href=\"{before}"))
        .unwrap_or_else(|| panic!("no `{before}` in {markup}"));
    let address = rest.split('"').next().expect("an address");
    match is_escaped {
        true => percent_decode_str(address).decode_utf8().expect("text").into_owned(),
        false => address.to_owned(),
    }
}

fn path(url: &str) -> &str {
    url.strip_prefix(PUBLIC_URL).unwrap_or_else(|| panic!("not ours: {url}"))
}

#[test]
fn each_bids_and_settles_in_its_dialect() {
    let server = served();
    for (n, dialect) in DIALECTS.iter().enumerate() {
        let bid = bid(&server, dialect.preset);
        for (notice, query) in dialect.queries.iter().filter(|(notice, _)| !dialect.omitted.contains(notice)) {
            let url = bid[*notice].as_str().unwrap_or_else(|| panic!("no {notice}: {bid}"));
            assert_eq!(&url[url.find('?').expect("a query")..], *query, "{} {notice}", dialect.preset);
        }
        for field in ["adid", "iurl", "nurl", "burl", "lurl", "language"] {
            assert_eq!(bid[field].is_null(), dialect.omitted.contains(&field), "{} {field}", dialect.preset);
        }
        let click = click_of(&bid, dialect.click);
        let answer = server.visitor().get(path(&click)).expect("an answer");
        assert_eq!(answer.status, 302, "{}: {click}", dialect.preset);
        let price = (dialect.two_dollars)();
        for other in ["nurl", "burl"]
            .iter()
            .filter(|other| **other != dialect.billing && bid[**other].is_string())
        {
            Client::new(server.bid).get(&call(&bid[*other], &price)).expect("an answer");
            assert_eq!(
                crate::kill::reported(&mut server.api()).0,
                n,
                "{}: {other} is no evidence",
                dialect.preset
            );
        }
        let notice = call(&bid[dialect.billing], &price);
        assert_eq!(Client::new(server.bid).get(&notice).expect("an answer").status, 200, "{notice}");
        assert_eq!(
            crate::kill::reported(&mut server.api()),
            (n + 1, (n as i128 + 1) * 2_000_000),
            "{}: {notice}",
            dialect.preset
        );
    }
    let mut figures = Figures::new();
    figures.exactly("presets.settled", crate::kill::reported(&mut server.api()).0, DIALECTS.len());
    figures.settle();
    what_an_entry_says_itself_wins(&server);
    google_is_told_what_its_extensions_ask(&server);
    xandr_counts_before_us(&server);
}

/// In both of its forms; and an impression that it counts itself is not counted twice.
fn google_is_told_what_its_extensions_ask(server: &Server) {
    let mut body = request("r-ext", "u", 1);
    let native = json!({"request": json!({"ver": "1.2", "assets": [{"id": 1, "title": {"len": 90}}]}).to_string()});
    body["imp"] = json!([{"id": "1", "native": native, "ext": {"billing_id": ["7", "56982500334"]}}]);
    let ask = |exchange: &str, content_type: &str, body: &[u8]| {
        let path = format!("/bid/{exchange}");
        let sent = Client::new(server.bid).send("POST", &path, &[("Content-Type", content_type)], body);
        let answer = sent.expect("an answer");
        assert_eq!(answer.status, 200, "{exchange} {content_type}: {}", server.log());
        answer
    };
    let of_json = ask("google", "application/json", body.to_string().as_bytes()).json();
    let mut asked = body.clone();
    asked["imp"][0]["ext"]["billing_id"] = json!([7, 56_982_500_334_u64]);
    let of_protobuf = ask("google", "application/x-protobuf", &encode(speech::Dialect::Google, &asked));
    let of_protobuf = known_of_response(speech::Dialect::Google, &of_protobuf.body).expect("Google's response");
    assert!(
        of_json["ext"]["processing_time_ms"].is_number() && of_protobuf["ext"].is_object(),
        "{of_json} {of_protobuf}"
    );
    for (answer, id) in [(&of_json, json!("56982500334")), (&of_protobuf, json!(56_982_500_334_u64))] {
        let bid = &answer["seatbid"][0]["bid"][0];
        assert_eq!((&bid["cid"], &bid["ext"]["billing_id"]), (&json!("56982500334"), &id), "{bid}");
        assert_eq!(bid["ext"]["buyer_reporting_id"], "acme-cart", "{bid}");
        assert_eq!(bid["ext"]["attribute"], json!([47]), "{bid}");
        let told = bid["ext"]["impression_tracking_url"][0].as_str().expect("the pixel");
        assert!(bid["adm"].as_str().is_some_and(|adm| adm.contains(told)), "{bid}");
    }
    body["imp"][0]["ext"]["billing_id"] = json!(["8"]);
    let refused = Client::new(server.bid)
        .post("/bid/google?nbr=1", body.to_string().as_bytes())
        .expect("an answer");
    assert_eq!(refused.json()["nbr"], 0, "{}", refused.json());
    body["imp"][0]["ext"] = json!({});
    let of_mine = ask("mine", "application/json", body.to_string().as_bytes());
    let bid = bids(&of_mine).remove(0);
    let told = bid["ext"]["impression_tracking_url"][0].as_str().expect("the pixel");
    let (before, _) = crate::kill::reported(&mut server.api());
    for _ in 0..2 {
        let called = crate::rig::fill(told.strip_prefix(PUBLIC_URL).expect("ours"), "2");
        assert_eq!(server.visitor().get(&called).expect("an answer").status, 200, "{called}");
    }
    assert_eq!(
        crate::kill::reported(&mut server.api()).0,
        before + 1,
        "Google calls it, and the ad does"
    );
}

/// What it redirects to is our pixel, with its price.
fn xandr_counts_before_us(server: &Server) {
    let bid = bid(server, "xandr");
    let markup = html_escape::decode_html_entities(bid["adm"].as_str().expect("markup")).into_owned();
    let (_, rest) = markup.split_once("src=\"${AN_IMP_URL}").expect("its macro");
    let encoded = rest.split('"').next().expect("an address");
    let pixel = percent_decode_str(encoded).decode_utf8().expect("text").into_owned();
    assert!(
        path(&pixel).starts_with("/imp/") && pixel.contains("price=${AUCTION_PRICE}"),
        "{pixel}"
    );
    assert_eq!(server.visitor().get(&call(&json!(pixel), "2")).expect("an answer").status, 200);
}

fn what_an_entry_says_itself_wins(server: &Server) {
    let bid = bid(server, "mine");
    let (before, _) = crate::kill::reported(&mut server.api());
    assert!(click_of(&bid, ("", false)).starts_with(PUBLIC_URL));
    let markup = html_escape::decode_html_entities(bid["adm"].as_str().expect("markup")).into_owned();
    let (_, rest) = markup.split_once(&format!("src=\"{PUBLIC_URL}/imp/")).expect("a pixel");
    let pixel = format!("/imp/{}", crate::rig::fill(rest.split('"').next().expect("an address"), "2"));
    assert_eq!(server.visitor().get(&pixel).expect("an answer").status, 200);
    assert_eq!(
        crate::kill::reported(&mut server.api()),
        (before + 1, (before as i128 + 1) * 2_000_000)
    );
}
