//! What a person may ask with a browser alone: to be left alone, and to see what is kept (contract §4).

use serde_json::{Value, json};

use crate::http::{Answer, Client};
use crate::rig::{Server, ask, bids, tell, tracking_paths};
use crate::shop::{Setup, cart, request, title};

const PAGE: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const JSON: (&str, &str) = ("Accept", "application/json");

/// A shopper with a cookie, whom the exchange knows, who was shown an ad.
fn shopper(server: &Server) {
    let user = json!({"id": "her-cookie", "exchange_ids": {"x": "theirs"}, "ifa": "6d92078a-8246-4ba4-ae5b-76104861e7dc"});
    tell(&mut server.shop(), "acme", &cart(user, "acme", 7));
    let bid = bids(&ask(&mut server.exchange(), &request("r", "theirs", 1))).remove(0);
    let pixel = tracking_paths(bid["adm"].as_str().expect("adm"), "/imp/").remove(0);
    assert_eq!(server.visitor().get(&pixel).expect("an answer").status, 200);
}

fn call(client: &mut Client, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    client.send(method, path, headers, b"").expect("an answer")
}

/// The cookies that an answer sets, by name.
fn cookies(answer: &Answer) -> Vec<(String, String)> {
    let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    set.filter_map(|(_, value)| value.split_once('=').map(|(name, rest)| (name.to_owned(), rest.to_owned())))
        .collect()
}

#[test]
fn what_is_kept_is_shown_to_whose_browser_it_is_and_to_nobody_else() {
    let server = Server::fresh(Setup::acme());
    shopper(&server);
    let mut visitor = server.visitor();
    let mine = ("Cookie", "a=b; wb_uid=her-cookie");
    let body = call(&mut visitor, "GET", "/mydata", &[mine, JSON]).json();
    assert_eq!(
        (&body["opted_out"], &body["gpc"], &body["kept_for"]),
        (&json!(false), &json!(false), &json!("90d")),
        "{body}"
    );
    let shop = &body["data"]["shops"][0];
    assert_eq!(shop["name"], "Shop acme");
    assert_eq!((&shop["ads_shown"], &shop["ads_clicked"]), (&json!(1), &json!(0)), "{shop}");
    let event = &shop["events"][0];
    assert_eq!(
        (&event["event"], &event["product"]),
        (&json!("add_to_cart"), &json!(title("acme", 7)))
    );
    let permitted = &body["data"]["permitted"];
    assert_eq!(permitted["by"], "nothing_said", "{permitted}");
    assert_eq!(permitted["uses"], json!(["event", "sync", "profile", "bid", "track"]));
    let matches = json!({"the ad exchange x": 1, "the advertising id of a device": 1});
    assert_eq!(body["data"]["matches"], matches);
    let page = call(&mut visitor, "GET", "/mydata", &[mine, PAGE]);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| policy.contains("frame-ancestors 'none'"))
    );
    for text in [
        "Shop acme",
        &title("acme", 7),
        "the ad exchange x",
        "erased 90 days after",
        "action=\"optout\"",
    ] {
        assert!(page.text().contains(text), "{text} is not in {}", page.text());
    }
    for secret in ["theirs", "6d92078a", "her-cookie"] {
        assert!(!page.text().contains(secret), "{secret} is in {}", page.text());
    }
    for nobody in [&[JSON][..], &[("Cookie", "wb_uid=another"), JSON], &[("Cookie", "wb_uid="), JSON]] {
        assert_eq!(
            call(&mut visitor, "GET", "/mydata?id=her-cookie", nobody).json()["data"],
            Value::Null
        );
    }
    assert!(page.header("access-control-allow-origin").is_none());
}

#[test]
fn an_opt_out_erases_and_stays_until_it_is_taken_back_on_our_own_page() {
    let server = Server::fresh(Setup::acme());
    shopper(&server);
    let (mut visitor, mut exchange) = (server.visitor(), server.exchange());
    let mine = ("Cookie", "wb_uid=her-cookie");
    let page = call(&mut visitor, "GET", "/optout", &[mine, PAGE]);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(
        page.text().contains("You have opted out") && page.text().contains("is erased"),
        "{}",
        page.text()
    );
    let set = cookies(&page);
    let is_set = |name: &str, value: &str| set.iter().any(|(n, rest)| n == name && rest.starts_with(value));
    assert!(
        is_set("optout", "1; Max-Age=315360000") && is_set("wb_uid", "; Max-Age=0"),
        "{set:?}"
    );
    assert!(set.iter().all(|(_, rest)| rest.contains("Secure; SameSite=None")), "{set:?}");
    // Nobody is bid for any more by any id, and neither a shop's server nor the old cookie brings her back.
    let reason = |exchange: &mut Client, user: &str| {
        let body = request("r", user, 1).to_string();
        exchange.post("/bid/x?nbr=1", body.as_bytes()).expect("an answer").json()["nbr"].clone()
    };
    assert_eq!(reason(&mut exchange, "theirs"), 8);
    tell(
        &mut server.shop(),
        "acme",
        &cart(json!({"exchange_ids": {"x": "theirs"}}), "acme", 7),
    );
    assert_eq!(server.api().get("/api/users/x:theirs").expect("an answer").status, 404);
    let gone = ("Cookie", "optout=1; wb_uid=her-cookie");
    let events = cart(json!({}), "acme", 7).to_string();
    let told = visitor.send(
        "POST",
        "/e/acme-web",
        &[gone, ("Origin", "https://acme.example")],
        events.as_bytes(),
    );
    assert_eq!(told.expect("an answer").json()["accepted"], 0);
    assert_eq!(
        call(&mut visitor, "GET", "/optout/status", &[gone]).json(),
        json!({"opted_out": true, "gpc": false})
    );
    assert!(call(&mut visitor, "GET", "/mydata", &[gone, PAGE]).text().contains("has opted out"));
    // Taking it back is for our own page alone.
    for other in [&[][..], &[("Origin", "https://evil.example")], &[("Sec-Fetch-Site", "cross-site")]] {
        assert_eq!(call(&mut visitor, "POST", "/optout/undo", other).status, 403, "{other:?}");
    }
    assert_eq!(call(&mut visitor, "GET", "/optout/undo", &[]).status, 405);
    let undone = call(
        &mut visitor,
        "POST",
        "/optout/undo",
        &[gone, JSON, ("Sec-Fetch-Site", "same-origin")],
    );
    assert_eq!(undone.json(), json!({"opted_out": false, "gpc": false}));
    assert_eq!(cookies(&undone)[0].0, "optout");
    assert!(cookies(&undone)[0].1.starts_with("; Max-Age=0"));
}

/// What was permitted last is shown, whether an event or a sync brought it, and erased with the rest.
#[test]
fn what_was_permitted_last_is_shown_until_it_is_erased() {
    const SOME: &str = "CQI9IYAQI9IYAAKABBENBkEgALAAAAAAAAYgAFABAAAAA";
    let mut setup = Setup::acme();
    setup.config["privacy"]["gvl_vendor_id"] = json!(10);
    let server = Server::fresh(setup);
    let (mut visitor, mut api) = (server.visitor(), server.api());
    let mut batch = cart(json!({"id": "her-cookie"}), "acme", 7);
    batch["consent"] = json!({"gdpr": 0});
    tell(&mut server.shop(), "acme", &batch);
    let mut told = |api: &mut Client| {
        let mine = call(&mut visitor, "GET", "/mydata", &[("Cookie", "wb_uid=her-cookie"), JSON]).json();
        let user = api.get("/api/users/her-cookie").expect("an answer").json();
        let (mine, user) = (&mine["data"]["permitted"], &user["permission"]);
        assert_eq!((&mine["by"], &mine["uses"]), (&user["by"], &user["uses"]));
        assert!(
            mine["on"]
                .as_str()
                .is_some_and(|on| user["at"].as_str().is_some_and(|at| at.starts_with(on))),
            "{user}"
        );
        (mine["by"].clone(), mine["uses"].clone())
    };
    let all = json!(["event", "sync", "profile", "bid", "track"]);
    assert_eq!(told(&mut api), (json!("gdpr_does_not_apply"), all));
    // What comes in the same second counts as both.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let path = format!("/sync/x?uid=theirs&gdpr=1&gdpr_consent={SOME}");
    let synced = call(&mut server.visitor(), "GET", &path, &[("Cookie", "wb_uid=her-cookie")]);
    assert_eq!(synced.status, 200);
    let (by, uses) = told(&mut api);
    assert_eq!(by, "tcf");
    assert!(
        uses.as_array().is_some_and(|uses| uses.contains(&json!("sync")) && uses.len() < 5),
        "{uses}"
    );
    assert_eq!(
        api.send("DELETE", "/api/users/her-cookie", &[], b"").expect("an answer").status,
        204
    );
    tell(
        &mut server.shop(),
        "acme",
        &cart(json!({"exchange_ids": {"x": "theirs"}}), "acme", 7),
    );
    let anew = api.get("/api/users/x:theirs").expect("an answer").json();
    assert_eq!(anew["permission"]["by"], "nothing_said", "nothing is left of before: {anew}");
}

#[test]
fn an_opt_out_answers_as_it_is_asked() {
    let server = Server::fresh(Setup::acme());
    let mut visitor = server.visitor();
    assert_eq!(call(&mut visitor, "POST", "/optout", &[JSON]).json(), json!({"opted_out": true}));
    assert!(
        call(&mut visitor, "GET", "/optout", &[])
            .text()
            .contains("We kept nothing about this browser.")
    );
    assert_eq!(call(&mut visitor, "PUT", "/optout", &[]).status, 405);
    let gpc = ("Sec-GPC", "1");
    assert_eq!(
        call(&mut visitor, "GET", "/optout/status", &[gpc]).json(),
        json!({"opted_out": false, "gpc": true})
    );
    assert!(
        call(&mut visitor, "GET", "/mydata", &[gpc, PAGE])
            .text()
            .contains("Global Privacy Control")
    );
    let events = cart(json!({}), "acme", 7).to_string();
    let told = visitor.send("POST", "/e/acme-web", &[gpc, ("Origin", "https://acme.example")], events.as_bytes());
    assert_eq!(told.expect("an answer").json()["accepted"], 0);
}
