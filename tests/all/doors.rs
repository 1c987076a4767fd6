//! Keys of the server's config that no decision feels: who may call, from where, how often and how much,
//! and where files and listeners are. Each has a call that it lets through and one that it does not.

use std::fs;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::http::Client;
use crate::rig::Server;
use crate::shop::{EVENT_KEY, EXCHANGE_KEY, Setup, advertiser, cart, request, theirs};

/// A shop whose browsers call from `www.`, at a server with an exchange for each kind of door.
fn served() -> Server {
    let mut shop = advertiser("acme");
    shop["origins"] = json!(["www.acme.example", "http://localhost:8000"]);
    let mut setup = Setup::new().with(shop);
    let config = &mut setup.config;
    config["bid"]["listen"] = json!("127.0.0.2:0");
    config["public"]["listen"] = json!("127.0.0.3:0");
    config["admin"]["listen"] = json!("127.0.0.4:0");
    config["data_dir"] = json!("elsewhere/data");
    config["seal_keys_dir"] = json!("elsewhere/seals");
    config["limits"] = json!({"body_kib": 8});
    config["trusted_proxies"] = json!(["127.0.0.0/8"]);
    let exchanges = config["exchanges"].as_array_mut().expect("a list");
    exchanges.push(json!({"id": "net", "auth": {"allow": ["192.0.2.0/24", "2001:db8::1"]}}));
    exchanges.push(json!({"id": "both", "auth": {"allow": ["192.0.2.0/24"], "header": "X-Key", "value_file": "x-key"}}));
    exchanges.push(json!({"id": "slow", "max_qps": 2, "auth": {"allow": []}}));
    exchanges.push(json!({"id": "open"}));
    Server::fresh(setup)
}

/// The status of a bid call to an exchange with these headers.
fn knock(client: &mut Client, exchange: &str, headers: &[(&str, &str)], body: &Value) -> u16 {
    let path = format!("/bid/{exchange}?nbr=1");
    client
        .send("POST", &path, headers, body.to_string().as_bytes())
        .expect("an answer")
        .status
}

#[test]
fn exchanges_come_by_header_network_or_both() {
    let server = served();
    let mut client = Client::new(server.bid);
    let from = |ip| ("X-Forwarded-For", ip);
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);
    let cases: [Case<'_>; 9] = [
        ("x", &[("X-Exchange-Key", EXCHANGE_KEY)], 200),
        ("x", &[("X-Exchange-Key", "another")], 403),
        ("net", &[from("192.0.2.7")], 200),
        ("net", &[from("2001:db8::1")], 200),
        ("net", &[from("192.0.3.7")], 403),
        ("net", &[], 403),
        ("both", &[from("192.0.2.7"), ("X-Key", EXCHANGE_KEY)], 200),
        ("both", &[from("192.0.2.7")], 403),
        ("both", &[("X-Key", EXCHANGE_KEY)], 403),
    ];
    for (exchange, headers, status) in cases {
        let got = knock(&mut client, exchange, headers, &request("r", "nobody", 1));
        assert_eq!(got, status, "{exchange} {headers:?}");
    }
}

#[test]
fn an_exchange_beyond_its_rate_is_told_no() {
    let server = served();
    let mut client = Client::new(server.bid);
    let mut overloaded = |exchange: &str| {
        let path = format!("/bid/{exchange}?nbr=1");
        let body = request("r", "nobody", 1).to_string();
        let answers = (0..40).map(|_| client.post(&path, body.as_bytes()).expect("an answer").json()["nbr"].clone());
        answers.filter(|nbr| *nbr == 1).count()
    };
    assert_eq!(overloaded("open"), 0);
    let refused = overloaded("slow");
    assert!(refused >= 20, "{refused} of 40 at two a second");
}

#[test]
fn bodies_are_as_long_as_is_said() {
    let server = served();
    let mut client = Client::new(server.bid);
    let padded = |bytes: usize| {
        let mut body = request("r", "nobody", 1);
        body["pad"] = json!("x".repeat(bytes));
        body
    };
    assert_eq!(knock(&mut client, "open", &[], &padded(6 * 1024)), 200);
    assert_eq!(knock(&mut client, "open", &[], &padded(8 * 1024)), 413);
}

#[test]
fn events_come_from_the_shops_origins_or_with_its_key() {
    let server = served();
    let mut client = Client::new(server.public);
    let mut status = |headers: &[(&str, &str)], batch: Value| {
        let body = batch.to_string();
        client
            .send("POST", "/e/acme-web", headers, body.as_bytes())
            .expect("an answer")
            .status
    };
    let browser = || json!({"events": [{"event": "page_view"}]});
    assert_eq!(status(&[("Origin", "https://www.acme.example")], browser()), 200);
    assert_eq!(status(&[("Origin", "http://localhost:8000")], browser()), 200);
    assert_eq!(status(&[("Origin", "https://acme.example")], browser()), 403);
    let bearer = format!("Bearer {EVENT_KEY}");
    assert_eq!(status(&[("Authorization", &bearer)], cart(theirs("u"), "acme", 1)), 200);
    assert_eq!(status(&[("Authorization", "Bearer x")], cart(theirs("u"), "acme", 1)), 403);
}

#[test]
fn listeners_and_files_are_where_the_config_says() {
    let server = served();
    let ips = [server.bid, server.public, server.admin].map(|at| at.ip());
    assert_eq!(
        ips,
        ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(|ip| ip.parse::<IpAddr>().expect("an address"))
    );
    let folder = server.folder();
    for there in [
        "elsewhere/data/hash-key",
        "elsewhere/seals/1.key",
        "admin-token",
        "advertisers/acme.json",
    ] {
        assert!(folder.join(there).is_file(), "{there}");
    }
    for not_there in ["data", "seal-keys"] {
        assert!(fs::metadata(folder.join(not_there)).is_err(), "{not_there}");
    }
    assert_eq!(server.api().get("/api/advertisers/acme").expect("an answer").status, 200);
}
