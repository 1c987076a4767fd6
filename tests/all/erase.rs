//! Erasure and opt-out of the real binary: after `winback compact` no byte of who was erased is left in the
//! store's folder, and nobody who opted out is made anew by any id that led to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use winback::base::hash::{Hashes, email_namespace};
use winback::base::id::{AdvertiserNo, UserKey};
use winback::state::home_key;
use winback::track::who::email_hash;

use crate::crash::holding;
use crate::figures::Figures;
use crate::http::Client;
use crate::rig::{Server, ask, bids, call, tell};
use crate::shop::{EXCHANGE, Setup, cart, request};

const DEVICE: &str = "6d92078a-8246-4ba4-ae5b-76104861e7dc";
/// Acme is the only shop; its number is one of these.
const SHOPS: [AdvertiserNo; 3] = [AdvertiserNo(0), AdvertiserNo(1), AdvertiserNo(2)];

fn address(of: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(of).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every id that a shopper may go by, one at a time.
fn ids(name: &str) -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("ours", json!({"id": format!("{name}-cookie-of-ours")})),
        ("first_party", json!({"first_party_id": format!("{name}-of-the-shop")})),
        ("address", json!({"email_sha256": address(name)})),
        ("device", json!({"ifa": DEVICE})),
        ("exchange", json!({"exchange_ids": {EXCHANGE: format!("{name}-of-the-exchange")}})),
    ])
}

fn user(name: &str) -> Value {
    let mut all = json!({});
    for id in ids(name).values() {
        crate::bench_rig::merge(&mut all, id);
    }
    all
}

/// What must be nowhere once the shopper is erased: ids as they came, and the keys that stood for them.
fn traces(folder: &Path, name: &str, other: &str) -> Vec<(&'static str, Vec<u8>)> {
    let key = fs::read_to_string(folder.join("data/hash-key")).expect("the key of hashes");
    let hashes = Hashes::from_hex(key.trim()).expect("a key");
    let (ours, theirs) = (format!("{name}-cookie-of-ours"), format!("{name}-of-the-exchange"));
    let (user, other): (UserKey, UserKey) = (hashes.user(ours.as_bytes()), hashes.user(other.as_bytes()));
    let hash = email_hash(&address(name)).expect("a hash");
    let foreign = [
        ("first-party id", "acme.example", format!("{name}-of-the-shop").into_bytes()),
        ("device", "ifa:", DEVICE.replace('-', "").into_bytes()),
        ("exchange's id", EXCHANGE, theirs.into_bytes()),
    ];
    let mut numbers = vec![("user", user.0), ("other browser", other.0)];
    numbers.extend(foreign.iter().map(|(what, namespace, id)| (*what, hashes.foreign(namespace, id).0)));
    for shop in SHOPS {
        numbers.push(("address", hashes.foreign(&email_namespace(shop), &hash).0));
        numbers.extend([user, other].map(|user| ("home", home_key(user, shop).0)));
    }
    let mut traces: Vec<_> = foreign.into_iter().map(|(what, _, id)| (what, id)).collect();
    traces.push(("address as bytes", hash.to_vec()));
    traces.push(("our id", ours.into_bytes()));
    traces.push(("name", name.as_bytes().to_vec()));
    traces.push(("address in hexadecimal", address(name).into_bytes()));
    for (what, number) in numbers {
        traces.push((what, number.to_be_bytes().to_vec()));
        traces.push((what, number.to_le_bytes().to_vec()));
    }
    traces
}

/// How many events are known by an id; none where it leads to nobody.
fn known(api: &mut Client, id: &str) -> Option<usize> {
    let answer = api.get(&format!("/api/users/{id}")).expect("an answer");
    let of = |shop: &Value| shop["events"].as_array().map_or(0, Vec::len);
    (answer.status == 200).then(|| answer.json()["advertisers"].as_array().expect("advertisers").iter().map(of).sum())
}

fn events(user: Value) -> Value {
    cart(user, "acme", 1)
}

/// A shopper with two browsers and one address, an impression, and a handle that facts name them by.
fn shopper(server: &Server, name: &str) -> String {
    let (mut shop, mut exchange) = (server.shop(), server.exchange());
    let other = format!("{name}-phone");
    tell(&mut shop, "acme", &events(user(name)));
    tell(&mut shop, "acme", &events(json!({"id": other, "email_sha256": address(name)})));
    let bid = bids(&ask(&mut exchange, &request(name, &format!("{name}-of-the-exchange"), 1))).remove(0);
    assert_eq!(exchange.get(&call(&bid["burl"], "1.25")).expect("an answer").status, 200);
    other
}

#[test]
fn of_who_was_erased_no_byte_is_left() {
    let server = Server::fresh(Setup::acme());
    let folder = server.folder().to_owned();
    let data = folder.join("data");
    let other = shopper(&server, "magdalena");
    let mut api = server.api();
    assert_eq!(
        known(&mut api, "magdalena-cookie-of-ours"),
        known(&mut api, &other),
        "one person at the shop"
    );
    let traces = traces(&folder, "magdalena", &other);
    // Ids of others are kept as hashes alone, so only what is kept can be found before.
    let before = traces.iter().filter(|(_, trace)| holding(&data, trace) > 0).count();
    let path = "/api/users/magdalena-cookie-of-ours";
    assert_eq!(api.send("DELETE", path, &[], b"").expect("an answer").status, 204);
    // The other browser's own record stays, without what the shop kept of the person.
    assert_eq!(known(&mut api, &other).unwrap_or(0), 0);
    assert_eq!(
        api.send("DELETE", &format!("/api/users/{other}"), &[], b"")
            .expect("an answer")
            .status,
        204
    );
    assert_eq!(api.post("/api/compact", b"").expect("an answer").status, 200);
    let left: Vec<_> = traces
        .iter()
        .filter(|(_, trace)| holding(&data, trace) > 0)
        .map(|(what, _)| *what)
        .collect();
    println!("of {} traces {before} were found before, {left:?} after", traces.len());
    let planted = traces.iter().filter(|(_, trace)| {
        let file = data.join("planted");
        fs::write(&file, [b"some", &trace[..], b"more"].concat()).expect("written");
        let found = holding(&data, trace);
        fs::remove_file(file).expect("removed");
        found == 1
    });
    let mut figures = Figures::new();
    figures.exactly("erase.left", left.len(), 0);
    figures.at_least("erase.found_before", before, 6);
    figures.exactly("erase.planted_found", planted.count(), traces.len());
    figures.settle();
}

#[test]
fn an_event_of_who_opted_out_makes_no_user() {
    let server = Server::fresh(Setup::acme());
    let (mut shop, mut api, mut visitor) = (server.shop(), server.api(), server.visitor());
    let users = |api: &mut Client| {
        let text = api.get("/metrics").expect("metrics").text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("winback_users ")?.trim().parse::<u64>().ok());
        line.expect("a figure")
    };
    shopper(&server, "magdalena");
    let cookie = [("Cookie", "wb_uid=magdalena-cookie-of-ours")];
    assert_eq!(visitor.send("GET", "/optout", &cookie, b"").expect("an answer").status, 200);
    let before = users(&mut api);
    let (mut tried, mut came_back) = (0, 0);
    for (kind, id) in ids("magdalena") {
        for with in [json!({}), json!({"id": "somebody-new"}), json!({"first_party_id": "new"})] {
            let mut user = with;
            crate::bench_rig::merge(&mut user, &id);
            tell(&mut shop, "acme", &events(user.clone()));
            if users(&mut api) != before {
                println!("{kind} brings somebody back: {user}");
                came_back += 1;
            }
            tried += 1;
        }
    }
    let bid = ask(&mut server.exchange(), &request("magdalena", "magdalena-of-the-exchange", 1));
    assert_eq!(bid.status, 204);
    let mut figures = Figures::new();
    figures.exactly("erase.came_back", came_back, 0);
    figures.at_least("erase.ids_tried", tried, 15);
    figures.settle();
}
