//! Id match through the real listener: journeys as data (`tests/golden/syncs.json`), redirects that must not be
//! followed, chains over exchanges played on loopback, and what is counted and explained of all that.
//!
//! A journey is `{"name", "jar", "steps", "known"}`. A step calls an address of ours, or follows where the last answer
//! led, as a browser that keeps cookies; `UPDATE_GOLDEN=1` writes every `then` and `known` anew. Ids that are new are
//! `<id>`, times `<t>`; cookies are shown without their attributes where these are the usual ones.

mod partners;
mod seen;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::{Answer, Client};
use crate::rig::Server;
use crate::shop::{PUBLIC_URL, Setup};

const JOURNEYS_MIN: usize = 30;
const REFUSED_MIN: usize = 25;
/// Attributes of a cookie over https.
const USUAL: &str = "; Max-Age=34128000; Path=/; HttpOnly; Secure; SameSite=None";

/// A browser: its cookies, and where it was led.
pub struct Browser {
    client: Client,
    /// Its cookies for us, by name.
    pub jar: BTreeMap<String, String>,
}

impl Browser {
    /// With these cookies.
    pub fn new(server: &Server, jar: BTreeMap<String, String>) -> Browser {
        Browser {
            client: server.visitor(),
            jar,
        }
    }

    /// Calls an address of ours, by its path.
    pub fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = pairs.join("; ");
        let mut all = headers.to_vec();
        if !cookies.is_empty() {
            all.push(("Cookie", &cookies));
        }
        let answer = self.client.send(method, path, &all, b"").expect("an answer");
        for (name, value, rest) in cookies_of(&answer) {
            match rest.contains("Max-Age=0;") {
                true => self.jar.remove(&name),
                false => self.jar.insert(name, value),
            };
        }
        answer
    }
}

/// Name, value and attributes of the cookies that an answer sets.
fn cookies_of(answer: &Answer) -> Vec<(String, String, String)> {
    let lines = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    lines
        .map(|(_, line)| {
            let (pair, rest) = line.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            (name.to_owned(), value.to_owned(), format!(";{rest}"))
        })
        .collect()
}

/// The exchanges of the journeys.
fn exchanges() -> Vec<Value> {
    let privacy = "gdpr={gdpr}&gdpr_consent={gdpr_consent}&gpp={gpp}&gpp_sid={gpp_sid}&us_privacy={us_privacy}";
    let push = format!("https://match.push.example/set?dsp={{account}}&uid={{uid}}&{privacy}");
    let plain = json!({"encoding": "plain", "scale": 1});
    vec![
        json!({"id": "open", "sync": {"redirect_hosts": ["match.open.example", "127.0.0.1", "[::1]", "bücher.example"]}}),
        json!({"id": "push", "sync": {"push_url": push, "account": "wb 1"}}),
        json!({"id": "ask", "sync": {"push_url": "https://match.ask.example/get?to={return}", "uid_macro": "$UID",
            "parameters": {"uid": "their_id"}, "ttl": "2d"}}),
        json!({"id": "google", "preset": "google", "price": plain, "sync": {"account": "nid-1"}}),
        json!({"id": "xandr", "preset": "xandr", "seat": "s"}),
        json!({"id": "none"}),
    ]
}

fn served() -> Server {
    let mut setup = Setup::acme();
    setup.config["exchanges"].as_array_mut().expect("a list").extend(exchanges());
    setup.config["privacy"]["gvl_vendor_id"] = json!(10);
    Server::fresh(setup)
}

/// What an answer is, as the table tells it.
fn shown(answer: &Answer, before: &BTreeMap<String, String>) -> Value {
    let mut then = json!({"status": answer.status});
    let known = before.get("wb_uid").map_or("", String::as_str);
    let hide = |text: &str| match text {
        "" => String::new(),
        text if text == known => text.to_owned(),
        _ => "<id>".to_owned(),
    };
    if let Some(location) = answer.header("location") {
        then["to"] = json!(location);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{location}");
    }
    let sets = cookies_of(answer).into_iter().map(|(name, value, rest)| {
        let value = if name == "wb_sync" { timeless(&value) } else { hide(&value) };
        format!("{name}={value}{}", if rest == USUAL { "" } else { &rest })
    });
    let sets: Vec<String> = sets.collect();
    if !sets.is_empty() {
        then["sets"] = json!(sets);
    }
    let body = match answer.header("content-type").unwrap_or("") {
        "image/gif" if answer.body.len() == 43 => json!("gif"),
        "text/html; charset=utf-8" => json!({"page": partners::pictures(&answer.text())}),
        "application/json" => answer.json()["error"]["code"].clone(),
        "" if answer.body.is_empty() => Value::Null,
        other => json!(format!("{other}: {} bytes", answer.body.len())),
    };
    if !body.is_null() {
        then["body"] = body;
    }
    then
}

/// Marks without their times.
fn timeless(marks: &str) -> String {
    let mark = |mark: &str| mark.find(['.', '_']).map_or(mark.to_owned(), |at| format!("{}<t>", &mark[..=at]));
    marks.split('-').map(mark).collect::<Vec<_>>().join("-")
}

/// Plays a journey: its `then`s and `known`, as they come.
fn played(server: &Server, journey: &Value) -> Value {
    let jar = journey["jar"].as_object().into_iter().flatten();
    let jar = jar.map(|(name, value)| (name.clone(), value.as_str().expect("a cookie").to_owned()));
    let mut browser = Browser::new(server, jar.collect());
    let mut came = journey.clone();
    let mut led = String::new();
    for step in came["steps"].as_array_mut().expect("steps") {
        let path = match step["call"].as_str() {
            Some(path) => path.to_owned(),
            None => led.strip_prefix(PUBLIC_URL).unwrap_or_else(|| panic!("led to {led}")).to_owned(),
        };
        let headers = step["headers"].as_object().cloned().unwrap_or_default();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or("")))
            .collect();
        let before = browser.jar.clone();
        let answer = browser.call(step["method"].as_str().unwrap_or("GET"), &path, &headers);
        led = answer.header("location").unwrap_or("").to_owned();
        // An id that was made on the way is no text of a table.
        let own = browser.jar.get("wb_uid").filter(|id| id.len() == 22).cloned();
        let mut then = shown(&answer, &before).to_string();
        if let Some(own) = own {
            then = then.replace(&own, "<id>");
        }
        step["then"] = serde_json::from_str(&then).expect("json");
    }
    let own = browser.jar.get("wb_uid").cloned().unwrap_or_default();
    let known = came["known"].as_object().cloned().unwrap_or_default();
    let mut api = server.api();
    for id in known.keys() {
        let answer = api.get(&format!("/api/users/{id}")).expect("an answer");
        let whose = match (answer.status, answer.json()["id"].as_str()) {
            (404, _) => json!("nobody"),
            (_, Some(id)) if id == own => json!("the browser"),
            _ => json!("another"),
        };
        came["known"][id] = whose;
    }
    came
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/syncs.json")
}

/// One journey a line, but for its steps.
fn written(table: &Value) -> String {
    let mut text = String::from("{\n\"journeys\": [\n");
    let journeys: Vec<String> = table["journeys"].as_array().expect("journeys").iter().map(line).collect();
    text.push_str(&journeys.join(",\n"));
    text.push_str("\n],\n");
    let lists = ["allowed", "refused"].map(|name| {
        let lines: Vec<String> = table[name].as_array().expect("a list").iter().map(Value::to_string).collect();
        format!("\"{name}\": [\n{}\n]", lines.join(",\n"))
    });
    text + &lists.join(",\n") + "\n}\n"
}

fn line(journey: &Value) -> String {
    let steps: Vec<String> = journey["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| format!("   {step}"))
        .collect();
    let steps = format!("\"steps\": [\n{}\n ]", steps.join(",\n"));
    let rest = ["jar", "known"].map(|name| journey.get(name).map_or(String::new(), |value| format!("\"{name}\": {value},\n ")));
    format!("{{\"name\": {},\n {}{}{steps}}}", journey["name"], rest[0], rest[1])
}

#[test]
fn journeys_end_as_the_table_says() {
    let server = served();
    let text = fs::read_to_string(golden()).expect("the table");
    let mut table: Value = serde_json::from_str(&text).expect("json");
    let (mut steps, mut wrong) = (0, 0);
    for journey in table["journeys"].as_array_mut().expect("journeys") {
        let came = played(&server, journey);
        steps += came["steps"].as_array().map_or(0, Vec::len);
        if came != *journey {
            wrong += 1;
            println!("{}\n  came out as\n{}", line(journey), line(&came));
        }
        *journey = came;
    }
    let journeys = table["journeys"].as_array().map_or(0, Vec::len);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden(), written(&table)).expect("written");
    }
    let targets = |name: &str| table[name].as_array().expect("a list").clone();
    let mut browser = Browser::new(&server, [("wb_uid".to_owned(), "ours-1".to_owned())].into());
    let mut led = |target: &Value| {
        let target = percent_encoding::utf8_percent_encode(target.as_str().expect("a target"), percent_encoding::NON_ALPHANUMERIC);
        let answer = browser.call("GET", &format!("/sync/open?redirect={target}"), &[]);
        (answer.status, answer.header("location").map(str::to_owned))
    };
    let followed = targets("refused").into_iter().filter(|target| led(target) != (400, None));
    let followed: Vec<Value> = followed.inspect(|target| println!("followed: {target}")).collect();
    let lost = targets("allowed")
        .into_iter()
        .filter(|pair| led(&pair[0]) != (302, pair[1].as_str().map(str::to_owned)));
    let lost: Vec<Value> = lost.inspect(|pair| println!("not followed as it should be: {pair}")).collect();
    let mut figures = Figures::new();
    figures.at_least("sync.journeys", journeys, JOURNEYS_MIN);
    figures.at_least("sync.calls", steps, journeys);
    figures.exactly("sync.journeys_wrong", wrong, 0);
    figures.at_least("sync.redirects_refused", targets("refused").len() - followed.len(), REFUSED_MIN);
    figures.exactly("sync.open_redirects", followed.len(), 0);
    figures.exactly("sync.redirects_lost", lost.len(), 0);
    figures.settle();
}

/// On plain loopback cookies cannot be secure; and they live no longer than the vendor list says, nor again.
#[test]
fn cookies_are_as_secure_and_as_old_as_they_may_be() {
    let mut setup = Setup::acme();
    setup.config["public"]["url"] = json!("http://127.0.0.1:8081/ads");
    setup.config["privacy"]["gvl_vendor_id"] = json!(10);
    setup.config["privacy"]["gvl_file"] = json!("gvl.json");
    setup.config["exchanges"].as_array_mut().expect("a list").extend(exchanges());
    let row = json!({"id": 10, "purposes": [1, 2, 3, 4, 7], "cookieMaxAgeSeconds": 86_400, "usesCookies": true, "cookieRefresh": false});
    fs::write(setup.path().join("gvl.json"), json!({"vendors": {"10": row}}).to_string()).expect("a list");
    let server = Server::fresh(setup);
    let mut browser = Browser::new(&server, BTreeMap::new());
    let bounced = browser.call("GET", "/sync/push?a=1", &[]);
    let back = "http://127.0.0.1:8081/ads/sync/push?a=1&wb_ck=1";
    assert_eq!(bounced.header("location"), Some(back));
    let attributes = "; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax";
    let of = |answer: &Answer| {
        cookies_of(answer)
            .into_iter()
            .map(|(name, _, rest)| (name, rest))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&bounced), [("wb_uid".to_owned(), attributes.to_owned())]);
    let sent = browser.call("GET", "/sync/push?a=1&wb_ck=1", &[]);
    assert_eq!(
        of(&sent),
        [("wb_sync".to_owned(), attributes.to_owned())],
        "its life does not begin anew"
    );
}
