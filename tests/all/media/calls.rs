//! What players and pages call: over sockets, with the addresses that answers carry.

use serde_json::{Value, json};

use crate::http::Client;
use crate::rig::Server;
use crate::shop::{EXCHANGE, PUBLIC_URL, Setup, advertiser, cart, request, theirs};

/// A shop with an ad of each format, whose impressions are billed by the pixel.
fn served() -> Server {
    let mut shop = advertiser("acme");
    let media = json!([{"url": "https://cdn.acme.example/a.mp4", "mime": "video/mp4"}]);
    shop["creatives"].as_array_mut().expect("a list").extend([
        json!({"id": "n", "format": "native"}),
        json!({"id": "v", "format": "video", "sizes": [[640, 360]], "duration_s": 15, "media": media}),
        json!({"id": "a", "format": "audio", "duration_s": 15, "media": [{"url": "https://cdn.acme.example/a.mp3", "mime": "audio/mpeg"}]}),
    ]);
    let ids: Vec<Value> = shop["creatives"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| c["id"].clone())
        .collect();
    shop["campaigns"][0]["creatives"] = json!(ids);
    let mut setup = Setup::new().with(shop);
    setup.config["exchanges"][0]["billing"] = json!("impression");
    Server::fresh(setup)
}

fn asked(imp: &Value) -> Value {
    let mut asked = request("r", "u1", 1);
    asked["imp"] = json!([imp]);
    asked
}

/// The markup of a bid on an imp.
fn markup(exchange: &mut Client, imp: &Value) -> (Value, String) {
    let answer = exchange
        .post(&format!("/bid/{EXCHANGE}"), asked(imp).to_string().as_bytes())
        .expect("an answer");
    assert_eq!(answer.status, 200, "{imp}");
    let bid = answer.json()["seatbid"][0]["bid"][0].clone();
    let adm = bid["adm"].as_str().expect("adm").to_owned();
    (bid, adm)
}

/// The path of the first address of ours in markup that has this in it.
fn path(markup: &str, part: &str) -> String {
    let markup = markup.replace("[ERRORCODE]", "402");
    let at = markup
        .find(&format!("{PUBLIC_URL}{part}"))
        .unwrap_or_else(|| panic!("no {part} in {markup}"));
    let url = markup[at + PUBLIC_URL.len()..].split(['"', ']', '<']).next().unwrap_or_default();
    url.replace("${AUCTION_PRICE}", "1.5").replace("${AUCTION_CURRENCY}", "USD")
}

#[test]
fn impressions_and_what_players_report_are_counted() {
    let server = served();
    let mut shop = server.shop();
    let batch = cart(theirs("u1"), "acme", 0).to_string();
    assert_eq!(
        shop.send("POST", "/e/acme-web", &[], batch.as_bytes()).expect("an answer").status,
        200
    );
    let mut exchange = server.exchange();
    let asset = json!({"id": 1, "required": 1, "title": {"len": 90}});
    let script = json!({"id": "1", "native": {"request": {"assets": [asset], "eventtrackers": [{"event": 1, "methods": [2]}]}}});
    let (bid, native) = markup(&mut exchange, &script);
    assert_eq!(bid["mtype"], 4);
    let answer = shop.send("GET", &path(&native, "/imp/"), &[], b"").expect("an answer");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/javascript")));
    let (bid, vast) = markup(
        &mut exchange,
        &json!({"id": "1", "video": {"mimes": ["video/mp4"], "protocols": [13], "skip": 1}}),
    );
    assert_eq!((&bid["mtype"], &bid["w"]), (&json!(2), &json!(640)));
    for call in [
        "/imp/",
        "/vast/start/",
        "/vast/firstQuartile/",
        "/vast/midpoint/",
        "/vast/thirdQuartile/",
        "/vast/complete/",
    ] {
        let answer = shop.send("GET", &path(&vast, call), &[], b"").expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/gif")), "{call}");
    }
    for call in ["/vast/skip/", "/vast/creativeView/", "/vast/error/"] {
        assert_eq!(
            shop.send("GET", &path(&vast, call), &[], b"").expect("an answer").status,
            200,
            "{call}"
        );
    }
    assert_eq!(shop.send("GET", &path(&vast, "/click/"), &[], b"").expect("an answer").status, 302);
    let token = path(&vast, "/vast/start/").rsplit('/').next().expect("a token").to_owned();
    for (call, status) in [
        (format!("/vast/mute/{token}"), 400),
        ("/vast/start/forged".to_owned(), 403),
        ("/imp/forged.js".to_owned(), 403),
    ] {
        assert_eq!(shop.send("GET", &call, &[], b"").expect("an answer").status, status, "{call}");
    }
    let (bid, _) = markup(&mut exchange, &json!({"id": "1", "audio": {"mimes": ["audio/mpeg"]}}));
    assert_eq!((&bid["mtype"], &bid["w"], &bid["dur"]), (&json!(3), &Value::Null, &json!(15)));
    let mut api = server.api();
    let metrics = api.get("/metrics").expect("metrics").text();
    for line in [
        r#"winback_notices_total{exchange="x",kind="complete",effect="counted"} 1"#,
        r#"winback_vast_errors_total{exchange="x",code="402"} 1"#,
        r#"winback_notices_total{exchange="x",kind="pixel",effect="settled"} 2"#,
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
    explained(&mut api, &script);
    previewed(&mut api);
}

/// Explain shows the bid, and names the asset where one is in the way.
fn explained(api: &mut Client, imp: &Value) {
    let mut explain = |imp: &Value| {
        let answer = api.post(&format!("/api/explain/{EXCHANGE}"), asked(imp).to_string().as_bytes());
        answer.expect("an answer").json()
    };
    let told = explain(imp);
    assert_eq!(
        (&told["outcome"], &told["exchange_would_reject"]),
        (&json!("bid"), &json!([])),
        "{told}"
    );
    let rated = json!({"id": "1", "native": {"request": {"assets": [{"id": 7, "required": 1, "data": {"type": 3}}]}}});
    let told = explain(&rated);
    assert_eq!((&told["outcome"], &told["reason"]), (&json!("no_bid"), &json!("no_creative")));
    assert!(told["campaigns"].to_string().contains("native asset 7 is required"), "{told}");
    for player in [
        json!({"id": "1", "video": {"protocols": [3], "minduration": 5, "maxduration": 15}}),
        json!({"id": "1", "audio": {}}),
    ] {
        let told = explain(&player);
        assert_eq!(
            (&told["outcome"], &told["exchange_would_reject"]),
            (&json!("bid"), &json!([])),
            "{told}"
        );
    }
}

fn previewed(api: &mut Client) {
    let mut page = |creative: &str| {
        let answer = api.get(&format!("/api/preview/acme/{creative}")).expect("an answer");
        assert_eq!(answer.status, 200, "{creative}: {}", answer.text());
        answer.text()
    };
    let (native, video, audio) = (page("n"), page("v"), page("a"));
    assert!(native.contains("<h3>") && native.contains("<img src=\"https://"), "{native}");
    assert!(
        video.contains("<video controls") && video.contains("https://cdn.acme.example/a.mp4") && video.contains("wb-ad"),
        "{video}"
    );
    assert!(audio.contains("<audio controls") && audio.contains("wb-ad"), "{audio}");
    assert!(
        ![native, video, audio].iter().any(|page| page.contains("/imp/")),
        "nothing is counted"
    );
}
