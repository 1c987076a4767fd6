//! Files edited under a running server, and while none runs: applied, told and written down by themselves.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::Server;
use crate::shop::Setup;

/// An edit is looked into within two seconds; a busy machine takes longer.
const APPLIED_MAX: Duration = Duration::from_secs(60);

fn get(server: &Server, path: &str) -> Value {
    let answer = server.api().get(path).expect("an answer");
    serde_json::from_str(&answer.text()).expect("json")
}

/// Waits until a call answers as wanted.
fn wait(server: &Server, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + APPLIED_MAX;
    loop {
        let told = get(server, path);
        if is_so(&told) {
            return told;
        }
        assert!(Instant::now() < end, "{path} still answers {told}\n{}", server.log());
        thread::sleep(Duration::from_millis(100));
    }
}

/// Call and target of what files did, the newest first.
fn by_file(server: &Server) -> Vec<String> {
    let told = get(server, "/api/audit");
    let entries = told["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter(|entry| entry["who"] == "file");
    entries
        .map(|entry| format!("{} {}", entry["call"], entry["target"]).replace('"', ""))
        .collect()
}

#[test]
fn edits_are_applied_under_a_running_server_and_found_by_the_next() {
    let setup = Setup::acme();
    setup.write();
    let acme = setup.advertiser_path("acme");
    let text = fs::read_to_string(&acme).expect("the file");
    let named = |name: &str| {
        let mut document: Value = serde_json::from_str(&text).expect("json");
        document["name"] = name.into();
        document.to_string()
    };
    let mut server = Server::start(setup.path());
    assert_eq!(by_file(&server), ["edit server", "edit acme"], "what the first start found");
    fs::write(&acme, named("By hand")).expect("written");
    wait(&server, "/api/advertisers", |told| told["advertisers"][0]["name"] == "By hand");
    fs::write(&acme, "{").expect("written");
    let is_told = |told: &Value| {
        told["files"]
            .as_array()
            .is_some_and(|files| files.iter().any(|file| file["faults"][0]["line"] == 1))
    };
    wait(&server, "/api/config", is_told);
    assert_eq!(get(&server, "/api/advertisers")["advertisers"][0]["name"], "By hand");
    fs::write(&acme, named("By hand")).expect("written");
    let config = setup.path().join("winback.json");
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&config).expect("the file")).expect("json");
    document["note"] = "edited".into();
    fs::write(&config, document.to_string()).expect("written");
    wait(&server, "/api/audit", |told| told["entries"][0]["target"] == "server");
    assert_eq!(by_file(&server), ["edit server", "edit acme", "edit server", "edit acme"]);
    server.signal("TERM");
    assert!(server.ended(Duration::from_secs(20)).is_some_and(|status| status.success()));
    fs::write(&acme, named("Meanwhile")).expect("written");
    let server = Server::start(setup.path());
    assert_eq!(by_file(&server)[0], "edit acme");
    assert_eq!(by_file(&server).len(), 5, "what is as it was is not written down again");
}
