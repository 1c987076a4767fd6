//! `winback exchange` against a real server: what the exchange says it billed is what the server reports.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::figures::billionths;
use crate::rig::{Server, tell, winback};
use crate::shop::{EXCHANGE, Setup, cart, theirs};

const USERS: usize = 150;

fn run(arguments: &[&str]) -> Output {
    winback().arg("exchange").args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the server reports of the one campaign, once it has as many impressions as that.
fn reported(server: &Server, impressions: u64) -> Value {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = server.api().get("/api/report?advertiser=acme&by=campaign").expect("a report");
        let row = answer.json()["rows"][0].clone();
        if row["impressions"] == impressions || Instant::now() > end {
            return row;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_the_exchange_billed_is_what_the_server_reports() {
    // Cheap enough to lose to some of the rivals.
    let mut setup = Setup::acme();
    setup.advertisers[0]["campaigns"][0]["bid"]["amount"] = json!(1.5);
    let server = Server::fresh(setup);
    let mut shop = server.shop();
    for n in 0..USERS {
        tell(&mut shop, "acme", &cart(theirs(&format!("u{n}")), "acme", n % 20));
    }
    let target = format!("http://{}/bid/{EXCHANGE}", server.bid);
    let config = server.folder().join("winback.json");
    // public.url is a name that does not resolve here.
    let public = format!("http://{}", server.public);
    let mut arguments = vec![
        "--target",
        &target,
        "--config",
        config.to_str().expect("a path"),
        "--public",
        &public,
    ];
    arguments.extend("--rate 200 --seconds 4 --warmup 1 --connections 16 --known 60 --json - --drain-s 30".split(' '));
    arguments.extend("--notice-ms 5-40 --view-ms 10-50 --click-ms 10-50 --conversion-ms 20-80 --ctr 0.5 --cvr 0.6".split(' '));
    let users = USERS.to_string();
    arguments.extend(["--users", &users]);
    let output = run(&arguments);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
    let auction = &figures["auction"];
    let row = reported(&server, auction["billed_impressions"].as_u64().expect("a count"));
    println!("{figures:#}\n{row:#}");

    let count = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no count: {value}"));
    // Floor and size make many a no-bid; the least is far below what comes here.
    assert!(count(&figures["bids"]) >= 60 && count(&auction["sound"]) >= 60);
    assert_eq!((count(&auction["refused"]), &auction["refusals"]), (0, &json!({})));
    assert_eq!(count(&auction["sound"]), count(&auction["won"]) + count(&auction["lost"]));
    assert!(count(&auction["won"]) >= 20 && count(&auction["lost"]) >= 1);
    assert_eq!(
        (
            count(&auction["dropped"]),
            count(&auction["undone"]),
            count(&auction["without_pixel"])
        ),
        (0, 0, 0)
    );
    let calls = &auction["calls"];
    for kind in ["nurl", "burl", "view"] {
        assert_eq!(calls[kind]["2xx"], auction["won"], "{kind}: {calls}");
    }
    assert_eq!(calls["lurl"]["2xx"], auction["lost"]);
    assert!(
        count(&calls["click"]["3xx"]) >= 5 && count(&calls["conversion"]["2xx"]) >= 1,
        "{calls}"
    );
    assert_eq!(calls["click"]["3xx"], calls["click"]["sent"]);
    assert_eq!(calls["conversion"]["2xx"], calls["conversion"]["sent"]);

    assert_eq!(row["impressions"], auction["billed_impressions"]);
    let money = |value: &Value| billionths(value.as_str().expect("an amount")).expect("exact");
    assert_eq!(money(&row["media_cost"]), money(&auction["spend"]));
    assert_eq!(money(&auction["won_value"]), money(&auction["spend"]));
    assert_eq!(row["clicks"], calls["click"]["3xx"]);
    assert_eq!(row["conversions"], calls["conversion"]["2xx"]);
}

#[test]
fn a_target_that_is_not_there_or_is_asked_wrongly_is_told_in_one_line() {
    let server = Server::fresh(Setup::acme());
    let bid = format!("http://{}", server.bid);
    let short = "--rate 50 --seconds 1 --warmup 0 --no-auction";
    let told = |target: &str, more: &str| {
        let output = run(&format!("--target {target} {more}").split_whitespace().collect::<Vec<_>>());
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, said) = told("http://127.0.0.1:1/bid/x", short);
    assert_eq!((code, said.lines().count()), (Some(3), 1), "{said}");
    assert!(said.contains("cannot reach http://127.0.0.1:1/bid/x"), "{said}");
    let (code, table, said) = told(&format!("{bid}/bid/nobody"), short);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(
        said.contains("answered 404 to 50 of 50") && table.contains("404: 50"),
        "{said}{table}"
    );
    let (code, _, said) = told(&format!("{bid}/bid/{EXCHANGE}"), short);
    assert!(code == Some(1) && said.contains("403") && said.contains("--header"), "{said}");
    let key = format!("--header-file X-Exchange-Key={}", server.folder().join("x-key").display());
    let (code, table, _) = told(&format!("{bid}/bid/{EXCHANGE}"), &format!("{short} {key}"));
    assert!(code == Some(0) && table.contains("204: 50"), "{table}");
    for wrong in [
        "--rate none",
        "--notice-ms 9-1",
        "--known 101",
        "--header nonsense",
        "--connections 0",
        "--bogus",
    ] {
        assert_eq!(told(&bid, wrong).0, Some(2), "{wrong}");
    }
    assert_eq!(run(&[]).status.code(), Some(2));
}

#[test]
fn recorded_requests_are_sent_in_turn_and_answers_recorded() {
    let server = Server::fresh(Setup::acme());
    let folder = server.folder();
    let (requests, answers, key) = (folder.join("requests.ndjson"), folder.join("answers.txt"), folder.join("x-key"));
    let request = crate::shop::request("r-1", "nobody", 1);
    std::fs::write(&requests, format!("{request}\nno request\n")).expect("requests");
    let target = format!("http://{}/bid/{EXCHANGE}", server.bid);
    let header = format!("X-Exchange-Key={}", key.display());
    let path = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let (requests, answers) = (path(&requests), path(&answers));
    let mut arguments = vec![
        "--target",
        &target,
        "--requests",
        &requests,
        "--record",
        &answers,
        "--header-file",
        &header,
    ];
    arguments.extend("--rate 100 --seconds 1 --warmup 0 --connections 4".split(' '));
    let output = run(&arguments);
    let lines: Vec<String> = std::fs::read_to_string(&answers)
        .expect("answers")
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 100, "{}", text(&output.stderr));
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line, ["204 0", "400 0"][at % 2], "{at}");
    }
}
