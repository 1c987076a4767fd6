//! What each call answers when something is wrong with it (contract §4 and §5).

use serde_json::{Value, json};

use crate::http::Client;
use crate::rig::{Server, ask, bids, call, fill, tell, tracking_paths};
use crate::shop::{PUBLIC_URL, Setup, cart, item, request, theirs, title};

fn acme() -> Server {
    Server::fresh(Setup::acme())
}

/// The status of a bid call with this body and content type.
fn bid_status(exchange: &mut Client, path: &str, content_type: Option<&str>, body: &[u8]) -> u16 {
    let headers: Vec<(&str, &str)> = content_type.map(|value| ("Content-Type", value)).into_iter().collect();
    exchange.send("POST", path, &headers, body).expect("an answer").status
}

#[test]
fn bid_statuses() {
    let server = acme();
    let mut exchange = server.exchange();
    let body = request("r", "nobody", 1).to_string();
    let body = body.as_bytes();
    for content_type in [
        None,
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        Some("text/plain"),
    ] {
        assert_eq!(bid_status(&mut exchange, "/bid/x", content_type, body), 204, "{content_type:?}");
    }
    assert_eq!(bid_status(&mut exchange, "/bid/x", Some("text/html"), body), 415);
    assert_eq!(bid_status(&mut exchange, "/bid/nosuch", None, body), 404);
    assert_eq!(exchange.get("/bid/x").expect("an answer").status, 405);
    let mut stranger = Client::new(server.bid).with("X-Exchange-Key", "not the key");
    assert_eq!(bid_status(&mut stranger, "/bid/x", None, body), 403);
    assert_eq!(bid_status(&mut Client::new(server.bid), "/bid/x", None, body), 403);
    let large = format!("{{\"id\":\"{}\"}}", "x".repeat(300 * 1024));
    assert_eq!(bid_status(&mut server.exchange(), "/bid/x", None, large.as_bytes()), 413);
}

#[test]
fn unreadable_requests_get_400_without_a_body() {
    let server = acme();
    let mut exchange = server.exchange();
    let bodies: [&[u8]; 6] = [
        b"",
        b"{",
        b"not json",
        b"{\"id\":\"1\",}",
        b"{\"id\":\"1\"} trailing",
        b"\xff\xfe{}",
    ];
    for body in bodies {
        let answer = exchange.post("/bid/x", body).expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_no_bid_says_why_when_asked() {
    let server = acme();
    let body = request("why", "nobody", 1).to_string();
    let answer = server.exchange().post("/bid/x?nbr=1", body.as_bytes()).expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["id"], "why");
    assert_eq!(answer.json()["nbr"], 8, "an unmatched user");
}

#[test]
fn a_known_user_gets_the_product_of_the_cart() {
    let server = acme();
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 7));
    let mut exchange = server.exchange();
    let body = request("r", "u", 1).to_string();
    let answer = exchange
        .send("POST", "/bid/x", &[("x-openrtb-version", "2.6")], body.as_bytes())
        .expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.header("x-openrtb-version").is_some_and(|version| version.starts_with("2.6")));
    let bid = bids(&answer).remove(0);
    let markup = bid["adm"].as_str().expect("adm");
    assert!(markup.contains(&title("acme", 7)), "{markup}");
    assert_eq!(bid["adomain"], json!(["acme.example"]));
    assert_eq!(
        (&bid["w"], &bid["h"], &bid["mtype"], &bid["impid"]),
        (&json!(300), &json!(250), &json!(1), &json!("1"))
    );
    assert!(
        bid["crid"].as_str().is_some_and(|crid| crid.starts_with("acme.card.")),
        "{}",
        bid["crid"]
    );
    for name in ["nurl", "burl", "lurl"] {
        assert!(
            bid[name]
                .as_str()
                .is_some_and(|url| url.starts_with(PUBLIC_URL) && url.len() <= 400),
            "{name}"
        );
    }
    let click = tracking_paths(markup, "/click/").remove(0);
    let landed = server.visitor().get(&click).expect("an answer");
    let location = landed.header("location").unwrap_or_default().to_owned();
    assert_eq!(landed.status, 302);
    assert!(
        location.starts_with(&format!("https://acme.example/p/{}", item("acme", 7))),
        "{location}"
    );
    assert!(location.contains("wb_click="), "{location}");
}

#[test]
fn forged_tokens_are_refused() {
    let server = acme();
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let mut exchange = server.exchange();
    let bid = bids(&ask(&mut exchange, &request("r", "u", 1))).remove(0);
    let burl = call(&bid["burl"], "1.00");
    let kind_and_token: Vec<&str> = burl.splitn(4, '/').collect();
    let forged = flip(&burl, burl.find(kind_and_token[3]).expect("a token") + 40);
    let pixel = tracking_paths(bid["adm"].as_str().expect("adm"), "/imp/").remove(0);
    let moved = burl.replace(token(&burl), token(&pixel));
    for path in [forged.as_str(), moved.as_str(), "/n/bill/AAAA?p=1"] {
        for client in [&mut exchange, &mut server.visitor()] {
            assert_eq!(client.get(path).expect("an answer").status, 403, "{path}");
        }
    }
    assert_eq!(server.visitor().get(&flip(&pixel, 45)).expect("an answer").status, 403);
    assert_eq!(crate::kill::reported(&mut server.api()), (0, 0));
    let answer = server.visitor().send("POST", &burl, &[], b"").expect("an answer");
    assert_eq!(answer.status, 200, "a notice may come by POST, and to the public listener");
    assert_eq!(crate::kill::reported(&mut server.api()).0, 1);
}

/// A path with one character of its token changed.
fn flip(path: &str, at: usize) -> String {
    let changed = if path.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{changed}{}", &path[..at], &path[at + 1..])
}

/// A tracking path's token: what stands last before any query.
fn token(path: &str) -> &str {
    path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or("")
}

#[test]
fn event_statuses() {
    let server = acme();
    let good = cart(theirs("u"), "acme", 1);
    let mut shop = server.shop();
    assert_eq!(shop.post("/e/nosuch", good.to_string().as_bytes()).expect("an answer").status, 404);
    let mut thief = Client::new(server.public).with("Authorization", "Bearer wrong");
    assert_eq!(
        thief.post("/e/acme-web", good.to_string().as_bytes()).expect("an answer").status,
        403
    );
    let stranger = server.visitor().send(
        "POST",
        "/e/acme-web",
        &[("Origin", "https://evil.example")],
        good.to_string().as_bytes(),
    );
    assert_eq!(stranger.expect("an answer").status, 403);
    assert_eq!(shop.post("/e/acme-web", b"{").expect("an answer").status, 400);
    let large = vec![b' '; 17 * 1024 * 1024];
    assert_eq!(server.shop().post("/e/acme-web", &large).expect("an answer").status, 413);
}

#[test]
fn faulty_events_are_named_and_the_rest_is_taken() {
    let server = acme();
    let mut batch = cart(theirs("u"), "acme", 1);
    let faulty = json!({"event": "no such event"});
    batch["events"].as_array_mut().expect("events").push(faulty);
    let answer = server.shop().post("/e/acme-web", batch.to_string().as_bytes()).expect("an answer");
    let body = answer.json();
    assert_eq!((answer.status, &body["accepted"]), (200, &json!(1)), "{body}");
    let rejected = body["rejected"].as_array().cloned().unwrap_or_default();
    assert_eq!(rejected.len(), 1, "{body}");
    assert_eq!(rejected[0]["index"], 1);
    assert!(rejected[0]["pointer"].is_string() && rejected[0]["problem"].is_string(), "{body}");
    assert_eq!(ask(&mut server.exchange(), &request("r", "u", 1)).status, 200);
}

#[test]
fn the_same_event_id_is_one_event() {
    let server = acme();
    let mut batch = cart(theirs("u"), "acme", 1);
    batch["events"][0]["event_id"] = json!("once");
    for _ in 0..3 {
        assert_eq!(
            server
                .shop()
                .post("/e/acme-web", batch.to_string().as_bytes())
                .expect("an answer")
                .status,
            200
        );
    }
    let user = server.api().get("/api/users/x:u").expect("the user").json();
    let events = &user["advertisers"][0]["events"];
    assert!(
        *events == json!(1) || events.as_array().is_some_and(|events| events.len() == 1),
        "{user}"
    );
}

#[test]
fn an_erased_user_is_unknown() {
    let server = acme();
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let (mut exchange, mut api) = (server.exchange(), server.api());
    let bid = bids(&ask(&mut exchange, &request("before", "u", 1))).remove(0);
    assert_eq!(api.send("DELETE", "/api/users/x:u", &[], b"").expect("an answer").status / 100, 2);
    assert_eq!(ask(&mut exchange, &request("after", "u", 1)).status, 204);
    assert_eq!(api.get("/api/users/x:u").expect("an answer").status, 404);
    // The exchange will still charge for what was won before.
    assert_eq!(exchange.get(&call(&bid["burl"], "1.00")).expect("an answer").status, 200);
    assert_eq!(crate::kill::reported(&mut api), (1, 1_000_000));
}

#[test]
fn admin_statuses() {
    let server = acme();
    let mut nobody = Client::new(server.admin);
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(nobody.get(path).expect("an answer").status, 200, "{path}");
    }
    let mut thief = Client::new(server.admin).with("Authorization", "Bearer wrong");
    for path in ["/api/advertisers", "/api/report?advertiser=acme", "/api/users/x:u"] {
        assert_eq!(nobody.get(path).expect("an answer").status, 401, "{path}");
        assert_eq!(thief.get(path).expect("an answer").status, 401, "{path}");
    }
    let mut api = server.api();
    let missing = api.get("/api/advertisers/nosuch").expect("an answer");
    assert_eq!(missing.status, 404);
    assert!(missing.json()["error"]["code"].is_string() && missing.json()["error"]["message"].is_string());
    assert_eq!(api.get("/api/users/x:nobody").expect("an answer").status, 404);
}

#[test]
fn edits_are_checked_live_and_guarded() {
    let server = acme();
    let (mut api, mut exchange) = (server.api(), server.exchange());
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let stored = api.get("/api/advertisers/acme").expect("an answer");
    let etag = stored.header("etag").expect("an etag").to_owned();
    let mut edited = stored.json();
    edited["campaigns"][0]["status"] = json!("paused");
    let mut put = |advertiser: &Value, etag: &str| {
        let headers = [("Content-Type", "application/json"), ("If-Match", etag)];
        api.send("PUT", "/api/advertisers/acme", &headers, advertiser.to_string().as_bytes())
            .expect("an answer")
    };
    let saved = put(&edited, &etag);
    assert_eq!(saved.status / 100, 2, "{}", saved.text());
    assert_eq!(ask(&mut exchange, &request("paused", "u", 1)).status, 204);
    assert_eq!(put(&edited, &etag).status, 412);
    edited["campaigns"][0]["budget"] = json!({"total": -1});
    let current = server
        .api()
        .get("/api/advertisers/acme")
        .expect("an answer")
        .header("etag")
        .expect("an etag")
        .to_owned();
    let refused = put(&edited, &current);
    assert!((400..=422).contains(&refused.status), "{}", refused.status);
    assert!(
        refused.json()["error"]["faults"]
            .as_array()
            .is_some_and(|faults| !faults.is_empty()),
        "{}",
        refused.text()
    );
}

#[test]
fn macros_are_filled_as_an_exchange_does() {
    assert_eq!(
        fill("/n/win/t?p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}", "1.50"),
        "/n/win/t?p=1.50&c="
    );
    assert_eq!(call(&json!("https://ads.example.com/n/win/t"), "1"), "/n/win/t");
    assert_eq!(
        tracking_paths("<img src=\"https://a/imp/AB-_9?x=1\"> /imp/AB-_9", "/imp/"),
        ["/imp/AB-_9"]
    );
    assert_eq!(token("/n/win/abc?p=1"), "abc");
}

#[test]
fn a_creative_refused_twenty_times_is_suspended_where_everybody_can_see_it() {
    let server = acme();
    let (mut exchange, mut api) = (server.exchange(), server.api());
    tell(&mut server.shop(), "acme", &cart(theirs("u-1"), "acme", 3));
    let listed = |api: &mut Client| api.get("/api/approvals").expect("an answer").json()["suspended"].clone();
    assert_eq!(listed(&mut api), json!([]));
    let mut crid = Value::Null;
    for n in 0..20 {
        let bid = bids(&ask(&mut exchange, &request(&format!("r-{n}"), "u-1", 1))).remove(0);
        let lost = call(&bid["lurl"], "").replace("reason=", "reason=202");
        assert_eq!(exchange.get(&lost).expect("an answer").status, 200);
        assert_eq!(exchange.get(&lost).expect("an answer").status, 200, "told twice, counted once");
        crid = bid["crid"].clone();
    }
    let body = request("after", "u-1", 1).to_string();
    assert_eq!(exchange.post("/bid/x", body.as_bytes()).expect("an answer").status, 204);
    let suspended = listed(&mut api);
    assert_eq!(
        (&suspended[0]["exchange"], &suspended[0]["crid"]),
        (&json!("x"), &crid),
        "{suspended}"
    );
    assert_eq!((&suspended[0]["code"], &suspended[0]["refusals"]), (&json!(202), &json!(20)));
    let explained = api.post("/api/explain/x", body.as_bytes()).expect("an answer").json();
    assert_eq!(explained["reason"], "creative_not_approved");
    let detail = explained["campaigns"][0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("refused 20 times in a row, last with code 202"), "{detail}");
    let metrics = api.get("/metrics").expect("an answer").text();
    assert!(metrics.contains("winback_creatives_suspended 1\n"), "{metrics}");
    assert!(
        metrics.contains("winback_creative_suspensions_total{exchange=\"x\"} 1"),
        "{metrics}"
    );
    assert!(server.log().contains("has refused creative `acme.card."), "{}", server.log());
}
