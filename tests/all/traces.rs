//! What is left of people after all that they and others send: no raw foreign id, e-mail address or hash of
//! one, no full address, no user agent, in any file of the server's folder, its log at its loudest included.
//!
//! Every value is looked for as text in any case, as hexadecimal digits, as base64 at each of its three
//! alignments, and, where it stands for bytes, as those. A search that finds nothing would pass too: our own
//! id, which is kept, must be found, and so must every form of a value that is planted.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Client;
use crate::rig::{Server, ask, bids, call, tracking_paths};
use crate::shop::{Setup, cart, item, request};

const VALUES_MIN: usize = 15;
const CALLS_MIN: usize = 60;
/// Of the requests that are decided on, one of each user.
const SAMPLES_MIN: usize = 3;

/// Our own id of the user: kept, so that the cookie can be told from others.
const OURS: &str = "our-own-id-of-hers-0123456789";
const UID: &str = "CAESEFOREIGNuid-7f3a9c55e1b24d60";
const UID_SYNCED: &str = "synced-elsewhere-5b1e6f0a7c9d4e32";
const FIRST_PARTY: &str = "fp.1.1781092800.903214477";
const EMAIL: &str = "jane.saoirse@mail-of-hers.example";
const EMAIL_SHA256: &str = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b";
const IFA: &str = "6D92078A-8246-4BA4-AE5B-76104861E7DC";
const EID: &str = "AgAAAEIDofaUid2EncryptedToken77xyz";
const BUYERUID: &str = "a-strangers-buyeruid-4411ab";
const IPV4: &str = "203.0.113.197";
const IPV6: &str = "2001:db8:85a3:8d3:1319:8a2e:370:7348";
const AGENT: &str = "Mozilla/5.0 (Linux; Android 15; HerRarePhone X9) AppleWebKit/537.36 Chrome/137.0.7151.61 Mobile";
const CRAWLER: &str = "Mozilla/5.0 (compatible; HerCrawler/9.7; +http://crawler.of-hers.example/bot)";
const EVENT_ID: &str = "event-id-of-hers-e51c0d";
const ORDER: &str = "order-of-hers-2026-000777";
const SEARCHED: &str = "very private words she searched for";

/// Values, and the bytes that they stand for where they do.
fn values() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let hex = |text: &str| {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte"))
            .collect::<Vec<u8>>()
    };
    let v6: std::net::Ipv6Addr = IPV6.parse().expect("an address");
    let text = [
        UID,
        UID_SYNCED,
        FIRST_PARTY,
        EMAIL,
        EID,
        BUYERUID,
        IPV4,
        AGENT,
        CRAWLER,
        EVENT_ID,
        ORDER,
        SEARCHED,
    ];
    let mut values: Vec<(&'static str, Vec<Vec<u8>>)> = text.into_iter().map(|value| (value, Vec::new())).collect();
    values.push((EMAIL_SHA256, vec![hex(EMAIL_SHA256)]));
    values.push((IFA, vec![hex(IFA), IFA.replace('-', "").into_bytes()]));
    values.push((IPV6, vec![v6.octets().to_vec()]));
    values
}

/// What to look for, in lower case; bytes are looked for as they are.
struct Sought {
    value: &'static str,
    /// Looked for in any case.
    texts: Vec<Vec<u8>>,
    /// Looked for exactly.
    exact: Vec<Vec<u8>>,
}

impl Sought {
    fn new(value: &'static str, stands_for: Vec<Vec<u8>>) -> Sought {
        let mut sources = vec![value.as_bytes().to_vec(), value.to_ascii_lowercase().into_bytes()];
        sources.extend(stands_for);
        let mut texts = vec![value.to_ascii_lowercase().into_bytes()];
        let mut exact = Vec::new();
        for source in &sources {
            texts.push(source.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
            exact.extend([0, 1, 2].into_iter().flat_map(|shift| base64_at(source, shift)));
            exact.push(source.clone());
        }
        Sought { value, texts, exact }
    }

    /// How many of its forms are in `bytes`, whose lower case is `lower`.
    fn found(&self, bytes: &[u8], lower: &[u8]) -> usize {
        let texts = self.texts.iter().filter(|form| memchr::memmem::find(lower, form).is_some());
        let exact = self.exact.iter().filter(|form| memchr::memmem::find(bytes, form).is_some());
        texts.count() + exact.count()
    }
}

/// What base64 of anything with `source` at an offset of `shift` has of it for certain, in both alphabets.
fn base64_at(source: &[u8], shift: usize) -> Vec<Vec<u8>> {
    let padded = [&vec![0; shift][..], source].concat();
    let whole = padded.len() / 3 * 3;
    let from = if shift == 0 { 0 } else { 4 };
    [STANDARD_NO_PAD.encode(&padded[..whole]), URL_SAFE_NO_PAD.encode(&padded[..whole])]
        .into_iter()
        .map(|text| text.as_bytes()[from..].to_vec())
        .collect()
}

/// Every file below a folder, but what people wrote there.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(&path).expect("a file")));
        }
    }
}

/// Forms of values that are in any file of a folder, as text.
fn search(folder: &Path, sought: &[Sought]) -> Vec<String> {
    let mut all = Vec::new();
    files(folder, &mut all);
    let mut hits = Vec::new();
    for (name, bytes) in &all {
        let lower = bytes.to_ascii_lowercase();
        hits.extend(
            sought
                .iter()
                .filter(|value| value.found(bytes, &lower) > 0)
                .map(|value| format!("{} in {name}", value.value)),
        );
    }
    hits
}

/// Counts calls, and that each is answered.
struct Caller {
    server: Server,
    calls: usize,
}

impl Caller {
    /// One call to the public listener, with address and user agent; what came.
    fn browse(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let mut client = self.server.visitor();
        self.by(&mut client, method, path, headers, body)
    }

    fn by(&mut self, client: &mut Client, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let mut all = vec![("X-Forwarded-For", IPV4), ("User-Agent", AGENT)];
        all.extend_from_slice(headers);
        self.calls += 1;
        client.send(method, path, &all, body.as_bytes()).expect("an answer").status
    }
}

/// A bid request that tells everything of the person.
fn whole_request(id: &str, user: Value) -> Value {
    let mut whole = request(id, "replaced", 1);
    whole["user"] = user;
    whole["device"] = json!({"ua": AGENT, "ip": IPV4, "ipv6": IPV6, "ifa": IFA, "language": "en"});
    whole["site"]["page"] = json!(format!("https://news.example/?mail={EMAIL}"));
    whole
}

fn events(caller: &mut Caller) {
    let mut batch = cart(
        json!({"id": OURS, "first_party_id": FIRST_PARTY, "email_sha256": EMAIL_SHA256, "ifa": IFA, "exchange_ids": {"x": UID}}),
        "acme",
        7,
    );
    batch["events"][0]["event_id"] = json!(EVENT_ID);
    batch["events"][0]["url"] = json!(format!("https://acme.example/?mail={EMAIL}&q={SEARCHED}"));
    let purchase = json!({"event": "purchase", "transaction_id": ORDER, "value": 5, "url": format!("https://acme.example/thanks/{EMAIL}")});
    let search = json!({"event": "search", "url": format!("https://acme.example/s?q={SEARCHED}"), "channel": EMAIL});
    let custom = json!({"event": "custom:quiz", "event_id": EMAIL});
    let mut all = batch["events"].as_array().cloned().unwrap_or_default();
    all.extend([purchase, search, custom]);
    // Faulty ones: their faults are told, and nothing of it is logged.
    all.extend([
        json!({"event": EMAIL}),
        json!({"event": "view_item", "time": EMAIL}),
        json!({"event": "purchase", "value": EMAIL}),
    ]);
    batch["events"] = json!(all);
    let text = batch.to_string();
    let mut shop = caller.server.shop();
    assert_eq!(caller.by(&mut shop, "POST", "/e/acme-web", &[], &text), 200);
    let lines = format!("{text}\n{{\"user\": \"{EMAIL}\"}}\n{text}\n");
    let bulk = [("Content-Type", "application/x-ndjson")];
    assert_eq!(caller.by(&mut shop, "POST", "/e/acme-web", &bulk, &lines), 200);
    let again = cart(json!({"exchange_ids": {"x": UID}}), "acme", 7).to_string();
    assert_eq!(caller.by(&mut shop, "POST", "/e/acme-web", &[], &again), 200);
    for malformed in [
        format!("{{\"user\": {{\"id\": \"{UID}\", \"ifa\": \"{IFA}\""),
        format!("not json of {EMAIL}"),
        format!("{{\"user\": {{\"email_sha256\": 7}}, \"events\": [{{\"event\": \"{EMAIL}\"}}]}}"),
        format!("{{\"user\": {{}}, \"events\": [], \"consent\": {{\"gpp\": \"{EID}\", \"gdpr_consent\": \"{EID}\", \"gdpr\": 1}}}}"),
    ] {
        assert!(
            (200..500).contains(&caller.by(&mut shop, "POST", "/e/acme-web", &[], &malformed)),
            "{malformed}"
        );
    }
    let browser = json!({"user": {"first_party_id": FIRST_PARTY}, "events": [{"event": "view_item", "items": [{"item_id": item("acme", 3)}], "url": EMAIL}]});
    for origin in ["https://acme.example", "https://evil.example"] {
        for agent in [AGENT, CRAWLER] {
            let headers = [("Origin", origin), ("User-Agent", agent), ("Referer", IPV6)];
            assert!(caller.browse("POST", "/e/acme-web", &headers, &browser.to_string()) < 500);
        }
    }
    let gif = format!("/e/acme-web.gif?event=view_item&item_id={}&transaction_id={ORDER}", item("acme", 2));
    assert_eq!(caller.browse("GET", &gif, &[("Cookie", &format!("wb_uid={OURS}"))], ""), 200);
    assert_eq!(caller.browse("GET", &format!("/e/{UID}.gif?event={EMAIL}"), &[], ""), 404);
}

fn syncs(caller: &mut Caller) {
    let cookie = format!("wb_uid={OURS}");
    for path in [
        format!("/sync/x?uid={UID_SYNCED}&us_privacy=1YNN"),
        format!("/sync/x?uid={UID_SYNCED}&gdpr=1&gdpr_consent={EID}"),
        format!("/sync/x?uid={UID_SYNCED}&redirect=https%3A%2F%2F{UID}.example%2F"),
        format!("/sync/{UID}?uid={UID}"),
        format!("/sync/x?google_gid={UID_SYNCED}&google_cver=1&google_push={EID}"),
    ] {
        for headers in [&[("Cookie", cookie.as_str())][..], &[]] {
            assert!(caller.browse("GET", &path, headers, "") < 500, "{path}");
        }
    }
}

/// Bids, and all that follows of them.
fn ads(caller: &mut Caller) {
    let mut exchange = caller.server.exchange();
    let users = [
        json!({"id": UID, "buyeruid": OURS}),
        json!({"id": UID, "eids": [{"source": "uidapi.com", "uids": [{"id": EID}]}], "consent": EID}),
        json!({"id": BUYERUID, "buyeruid": BUYERUID}),
    ];
    let mut made = 0;
    for (n, user) in users.into_iter().enumerate() {
        let whole = whole_request(&format!("r{n}"), user);
        let answer = ask(&mut exchange, &whole);
        caller.calls += 1;
        let text = whole.to_string();
        let cut = &text[..text.len() - 3];
        assert_eq!(caller.by(&mut exchange, "POST", "/bid/x", &[], cut), 400);
        assert_eq!(caller.by(&mut exchange, "POST", &format!("/bid/{UID}"), &[], &text), 404);
        let mut api = caller.server.api();
        assert!(caller.by(&mut api, "POST", "/api/explain/x", &[], &text) < 500);
        if answer.status != 200 {
            continue;
        }
        for bid in bids(&answer) {
            made += 1;
            let markup = bid["adm"].as_str().expect("adm").to_owned();
            let follow = [
                call(&bid["nurl"], "1.00"),
                call(&bid["burl"], "1.00"),
                call(&bid["burl"], EMAIL.split('@').next().expect("a name")),
                call(&bid["lurl"], "1.00"),
                tracking_paths(&markup, "/imp/").remove(0),
                tracking_paths(&markup, "/click/").remove(0),
                tracking_paths(&markup, "/click/").remove(0),
            ];
            for path in follow {
                for agent in [AGENT, CRAWLER] {
                    assert!(
                        caller.browse("GET", &path, &[("User-Agent", agent), ("Referer", IPV6)], "") < 500,
                        "{path}"
                    );
                }
            }
            assert_eq!(caller.browse("GET", &format!("/click/{UID}"), &[], ""), 403);
        }
    }
    assert!(made >= 2, "{made} bids");
}

fn desk(caller: &mut Caller) {
    let mut api = caller.server.api();
    for id in [
        format!("x:{UID}"),
        format!("ifa:{IFA}"),
        format!("email_sha256:{EMAIL_SHA256}"),
        UID.to_owned(),
    ] {
        assert!(caller.by(&mut api, "GET", &format!("/api/users/{id}"), &[], "") < 500);
    }
    let mut thief = Client::new(caller.server.admin).with("Authorization", &format!("Bearer {UID}"));
    assert_eq!(caller.by(&mut thief, "GET", "/api/report", &[], ""), 401);
    let mine = format!("wb_uid={OURS}");
    assert_eq!(caller.browse("GET", "/mydata", &[("Cookie", &mine)], ""), 200);
}

#[test]
fn nothing_of_whom_it_was_is_left_in_the_data_or_the_log() {
    let mut setup = Setup::acme();
    setup.config["trusted_proxies"] = json!(["127.0.0.0/8"]);
    setup.config["invalid_traffic"] = json!({});
    setup.config["sampling"] = json!({"share": 1});
    setup.write();
    // What else stands in the folder was written by people: what the server writes is the log and the data.
    let mut caller = Caller {
        server: Server::start_with(setup.path(), &["--log-level", "trace"]),
        calls: 0,
    };
    events(&mut caller);
    syncs(&mut caller);
    ads(&mut caller);
    desk(&mut caller);
    let sought: Vec<Sought> = values().into_iter().map(|(value, bytes)| Sought::new(value, bytes)).collect();
    let samples = setup.path().join("data/samples");
    let written = || {
        fs::read_dir(&samples)
            .into_iter()
            .flatten()
            .filter_map(|entry| fs::read(entry.ok()?.path()).ok())
    };
    let lines = || written().flatten().filter(|byte| *byte == b'\n').count();
    for _ in 0..100 {
        if lines() >= SAMPLES_MIN {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let running = search(setup.path(), &sought);
    // Everything into tables; what is in journals is another form of it.
    let mut api = caller.server.api();
    assert!(api.send("POST", "/api/compact", &[], b"").expect("an answer").status < 500);
    let compacted = search(setup.path(), &sought);
    caller.server.signal("TERM");
    assert!(caller.server.ended(std::time::Duration::from_secs(30)).is_some(), "it drains");
    let ended = search(setup.path(), &sought);
    // Our own id is kept: a search that does not see it does not see into the store.
    let own = [Sought::new(OURS, Vec::new())];
    let seen = search(setup.path(), &own);
    let forms = planted(setup.path(), &sought);
    for hit in running.iter().chain(&compacted).chain(&ended) {
        println!("left: {hit}");
    }
    println!(
        "{} values, {} forms of them, our own id in {} files",
        sought.len(),
        forms.0,
        seen.len()
    );
    let mut figures = Figures::new();
    figures.at_least("traces.values", sought.len(), VALUES_MIN);
    figures.at_least("traces.calls", caller.calls, CALLS_MIN);
    figures.at_least("traces.samples", lines(), SAMPLES_MIN);
    figures.exactly("traces.left", running.len() + compacted.len() + ended.len(), 0);
    figures.at_least("traces.own_id_found", seen.len(), 1);
    figures.exactly("traces.planted_found", forms.1, forms.0);
    figures.settle();
}

/// Plants every form of every value, one after the other, and counts those that are found.
fn planted(folder: &Path, sought: &[Sought]) -> (usize, usize) {
    let data = folder.join("data/planted");
    fs::create_dir(&data).expect("a folder");
    let (file, mut forms, mut found) = (data.join("file"), 0, 0);
    for value in sought {
        for form in value.texts.iter().chain(&value.exact) {
            let loud = [&b"\x00\xffbefore "[..], form, b" after\n"].concat();
            fs::write(&file, &loud).expect("a file");
            let alone = [Sought {
                value: value.value,
                texts: value.texts.clone(),
                exact: value.exact.clone(),
            }];
            forms += 1;
            found += usize::from(!search(&data, &alone).is_empty());
        }
    }
    (forms, found)
}
