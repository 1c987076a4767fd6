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

/// Runs against a bidder that decides nothing, and what it wrote.
fn measured(folder: &std::path::Path, more: &str) -> Output {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let mut null = winback()
        .args(["exchange", "--null", &address.to_string()])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the binary starts");
    let end = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(address).is_err() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let target = format!("http://{address}/bid/x");
    let output = winback()
        .args(["exchange", "--target", &target])
        .args(more.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    null.kill().expect("it ends");
    null.wait().expect("it ended");
    output
}

#[test]
fn a_run_is_drawn_and_held_against_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let short = "--seconds 2 --warmup 0 --connections 4 --no-auction";
    for (name, rate) in [("a", 200), ("b", 300)] {
        let output = measured(
            folder.path(),
            &format!("{short} --rate {rate} --json {name}.json --plot {name}.html"),
        );
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let report: Value = serde_json::from_slice(&std::fs::read(at("a.json")).expect("a file")).expect("json");
    let steps = report["series"].as_array().expect("steps");
    let in_steps: u64 = steps.iter().map(|step| step["requests"].as_u64().expect("a count")).sum();
    assert_eq!(
        (steps.len(), in_steps),
        (2, report["answered"].as_u64().expect("a count")),
        "{report}"
    );
    let curve: Vec<u64> = report["percentiles"]
        .as_array()
        .expect("points")
        .iter()
        .map(|p| p["us"].as_u64().expect("us"))
        .collect();
    assert!(curve.len() >= 16 && curve.is_sorted(), "{curve:?}");
    assert!(curve.last() <= report["latency_us"]["max"].as_u64().as_ref(), "{report}");

    let compared = winback()
        .args(["exchange", "--compare", "a.json", "b.json", "--plot", "both.html", "--json", "-"])
        .current_dir(folder.path())
        .output()
        .expect("the binary runs");
    assert!(compared.status.success(), "{}", text(&compared.stderr));
    let compared: Value = serde_json::from_slice(&compared.stdout).expect("json");
    let rows = compared["rows"].as_array().expect("rows");
    let rate = rows.iter().find(|row| row["figure"] == "achieved rate").expect("a row");
    assert!((1.3..1.7).contains(&rate["ratio"].as_f64().expect("a ratio")), "{rate}");
    assert_eq!(compared["notes"][0], "not alike: target rate 200 and 300");
    for (page, runs) in [("a.html", 1), ("both.html", 2)] {
        let html = std::fs::read_to_string(at(page)).expect("a page");
        assert_eq!(html.matches("<svg").count(), 3, "{page}");
        assert_eq!(html.matches("var(--b)\"").count() > 0, runs == 2, "{page}");
        for foreign in ["<script", "<link", "src=", "url(", "#010203", "#0A0B0C"] {
            assert!(!html.contains(foreign), "{page} has {foreign}");
        }
        // `xmlns` names a form and loads nothing; the target is told as text.
        assert_eq!(html.matches("http").count(), 3 + html.matches("http://127.0.0.1").count(), "{page}");
    }
    std::fs::write(at("c.json"), "{}").expect("written");
    let refused = run(&[
        "--compare",
        at("a.json").to_str().expect("a path"),
        at("c.json").to_str().expect("a path"),
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("c.json: missing field"), "{}", text(&refused.stderr));
}

#[test]
fn a_profile_is_laid_under_the_command_line_and_its_faults_are_told_in_one_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("profiles.json");
    let sound = json!({"evening": {"rate": 150, "seconds": 2, "warmup": 0, "connections": 3, "no-auction": true, "known": 5,
        "header": ["X-A: 1", "X-B: 2"], "progress": false, "note": "after supper"}});
    std::fs::write(&path, sound.to_string()).expect("written");
    let output = measured(folder.path(), "--profile evening --connections 2 --json -");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(
        (&report["target_rate"], &report["connections"], &report["seconds"]),
        (&json!(150.0), &json!(2), &json!(2.0)),
        "the profile's, but for what is given"
    );
    let faulty =
        "{\n  \"evening\": {\"rte\": 5, \"known\": 300,\n    \"notice-ms\": \"9-1\", \"forms\": \"google=1,bing=2\"},\n  \"noon\": 7\n}\n";
    std::fs::write(&path, faulty).expect("written");
    let output = measured(folder.path(), "--profile evening");
    let said = text(&output.stderr);
    println!("{said}");
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 5), "{said}");
    for line in [
        "profiles.json:2:15: /evening/rte: `5`: no such option; did you mean `rate`?",
        "profiles.json:2:34: /evening/known: `300`: not a value of that option; 300 is not in 0..=100",
        "profiles.json:3:18: /evening/notice-ms: `\"9-1\"`: not a value of that option; milliseconds from and to, such as 50-300",
        "profiles.json:3:34: /evening/forms: `\"google=1,bing=2\"`: not a value of that option; shares of openrtb26, openrtb25, google, xandr, prebid_server, texts, such as openrtb26=3",
        "profiles.json:4:11: /noon: `7`: not an object; options with their values, such as {\"rate\": 2000}",
    ] {
        assert!(said.lines().any(|told| told.ends_with(line)), "{line}\n{said}");
    }
    let output = measured(folder.path(), "--profile evenin");
    assert!(text(&output.stderr).contains("no settings `evenin`"), "{}", text(&output.stderr));
}

#[test]
fn native_ads_and_spots_are_asked_for_auctioned_and_followed() {
    let mut setup = Setup::acme();
    let spot = json!({"id": "spot", "format": "video", "sizes": [[640, 360]], "duration_s": 15, "media": [{"url": "https://cdn.acme.example/spot.mp4",
        "mime": "video/mp4", "bitrate_kbps": 800}]});
    let shop = &mut setup.advertisers[0];
    shop["creatives"]
        .as_array_mut()
        .expect("creatives")
        .extend([json!({"id": "native", "format": "native"}), spot]);
    shop["campaigns"][0]["creatives"] = json!(["card", "native", "spot"]);
    let server = Server::fresh(setup);
    let mut events = server.shop();
    for n in 0..USERS {
        tell(&mut events, "acme", &cart(theirs(&format!("u{n}")), "acme", n % 20));
    }
    let target = format!("http://{}/bid/{EXCHANGE}", server.bid);
    let config = server.folder().join("winback.json");
    let public = format!("http://{}", server.public);
    let mut arguments = vec![
        "--target",
        &target,
        "--config",
        config.to_str().expect("a path"),
        "--public",
        &public,
    ];
    arguments.extend("--rate 150 --seconds 3 --warmup 0 --known 90 --users 150 --json - --drain-s 30".split(' '));
    arguments.extend("--formats banner=2,native=1,video=1 --forms openrtb26=1,google=1,texts=1".split(' '));
    arguments
        .extend("--notice-ms 5-40 --view-ms 10-50 --click-ms 10-50 --conversion-ms 20-80 --ctr 1 --click-repeat 0.5 --cvr 0".split(' '));
    let output = run(&arguments);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
    let auction = &figures["auction"];
    println!("{auction:#}");
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    for format in ["banner", "native", "video"] {
        assert!(count(&auction["by_format"][format]) >= 20, "{format}: {auction}");
    }
    assert_eq!(
        (
            count(&auction["refused"]),
            count(&auction["without_pixel"]),
            count(&auction["undone"])
        ),
        (0, 0, 0),
        "{auction}"
    );
    let (views, clicks) = (count(&auction["calls"]["view"]["2xx"]), count(&auction["calls"]["click"]["3xx"]));
    assert_eq!(views, count(&auction["won"]));
    // Each viewer clicks at first, and less and less.
    assert!(clicks >= 100 && clicks < views * 9 / 10, "{clicks} clicks of {views} views");
}
