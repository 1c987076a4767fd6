//! What exchanges tell of lost bids, over the real listener: as a call, as metrics and in explain.

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Client;
use crate::rig::{Server, ask, bids, tell};
use crate::shop::{EXCHANGE, Setup, advertiser, cart, request, theirs};

/// A bid for a user of its own.
fn bid(server: &Server, n: usize) -> Value {
    let user = format!("u{n}");
    tell(&mut server.shop(), "acme", &cart(theirs(&user), "acme", 1));
    bids(&ask(&mut server.exchange(), &request(&format!("r{n}"), &user, 1))).remove(0)
}

/// Calls a notice with these values of its macros, all others emptied.
fn notify(server: &Server, url: &Value, values: &[(&str, &str)]) {
    let whole = url.as_str().expect("a URL");
    let filled = values
        .iter()
        .fold(whole.to_owned(), |url, (name, value)| url.replace(&format!("${{{name}}}"), value));
    let path = crate::rig::call(&json!(filled), "");
    assert_eq!(server.exchange().get(&path).expect("an answer").status, 200, "{path}");
}

#[test]
fn reasons_and_prices_are_told_by_exchange_and_campaign() {
    let server = Server::fresh(Setup::acme().with(advertiser("other")));
    let mut crid = String::new();
    for (n, (reason, least)) in [("102", "3.5"), ("102", "4.5"), ("100", ""), ("", "AUDIT"), ("512", "4")]
        .iter()
        .enumerate()
    {
        let bid = bid(&server, n);
        crid = bid["crid"].as_str().expect("a creative").to_owned();
        for _ in 0..2 {
            notify(&server, &bid["lurl"], &[("AUCTION_LOSS", *reason), ("AUCTION_MIN_TO_WIN", *least)]);
        }
    }
    let won = bid(&server, 90);
    notify(&server, &won["nurl"], &[("AUCTION_PRICE", "3.2"), ("AUCTION_MIN_TO_WIN", "2.5")]);
    let mut told = request("feedback", "nobody", 1);
    let entry = |crid: &str, code: u32| json!({"buyer_creative_id": crid, "creative_status_code": code, "minimum_bid_to_win": 9});
    told["ext"] = json!({"bid_feedback": [entry(&crid, 79), entry("acme.card.00000000", 79), entry("other", 79), {}, 7]});
    ask(&mut server.exchange(), &told);

    let rows = |query: &str| server.api().get(&format!("/api/losses{query}")).expect("an answer").json()["rows"].clone();
    let reason = |code: Value, reason: &str, bids: u64| json!({"code": code, "reason": reason, "bids": bids});
    let expected = json!([{"exchange": EXCHANGE, "advertiser": "acme", "campaign": "acme-cart", "lost": 6,
        "reasons": [reason(json!(102), "lost_to_higher_bid", 2), reason(json!(100), "below_floor", 1),
            reason(Value::Null, "untold", 1), reason(json!(512), "code_512", 1), reason(json!(79), "google_79", 1)],
        "min_to_win": {"median": "4", "told": 5, "currency": "USD"}}]);
    assert_eq!(rows(""), expected);
    assert_eq!(rows("?advertiser=acme&exchange=x"), expected);
    assert_eq!(rows("?advertiser=other"), json!([]));
    assert_eq!(server.api().get("/api/losses?advertisr=acme").expect("an answer").status, 400);

    let metrics = Client::new(server.admin).get("/metrics").expect("metrics").text();
    let labels = "exchange=\"x\",campaign=\"acme-cart\",advertiser=\"acme\"";
    for line in [
        format!("winback_losses_total{{{labels},reason=\"lost_to_higher_bid\"}} 2"),
        format!("winback_min_to_win{{{labels},currency=\"USD\"}} 4"),
        "winback_losses_unkept_total 0".to_owned(),
    ] {
        assert!(metrics.lines().any(|known| known == line), "no `{line}` in {metrics}");
    }
    let body = request("why", "u90", 1).to_string();
    let explained = server.api().post("/api/explain/x", body.as_bytes()).expect("an answer").json();
    let line = "6 bids lost here so far, 2 of them for lost_to_higher_bid; 4 would have won half of the last auctions told of";
    assert!(
        explained["price"].as_array().is_some_and(|lines| lines.contains(&json!(line))),
        "{explained}"
    );
    let mut figures = Figures::new();
    figures.exactly("losses.told", rows("")[0]["lost"].as_u64().unwrap_or(0), 6);
    figures.settle();
}
