//! The desk's sources, without a browser: every text that a page says is in both languages and in no page's code, and files
//! stay short and say what they are for; and the calls whose figures they show.
//!
//! Each kind of finding is first planted and must be found.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::figures::Figures;
use crate::rig::{Server, ask, bids, call, tell};
use crate::shop::{Setup, advertiser, cart, request, theirs};

const LINES_MAX: usize = 500;
const FILES_MIN: usize = 20;
const TEXTS_MIN: usize = 200;
/// The name of the thing is the same in every language.
const NAMES: [&str; 1] = ["winback"];
/// Attributes whose values people hear or read.
const SPOKEN: [&str; 6] = ["title", "aria-label", "placeholder", "alt", "label", "hint"];

type Texts = Map<String, Value>;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/desk")
}

fn texts(language: &str) -> Texts {
    let text = fs::read_to_string(folder().join(format!("text/{language}.json"))).expect("a language");
    serde_json::from_str(&text).expect("texts by key")
}

/// The scripts, by name.
fn scripts() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).expect("the desk's folder").flatten();
    let mut scripts: Vec<_> = entries
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "js"))
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).expect("a script");
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    scripts.sort();
    scripts
}

/// What stands in templates, with a `\u{1}` in place of what is computed; those within others apart.
fn templates(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<(String, bool, u32)> = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let in_text = open.last().is_some_and(|(_, _, depth)| *depth == 0);
        let step = if !in_text && (rest.starts_with("html`") || rest.starts_with('`')) {
            let is_html = c == 'h';
            open.push((String::new(), is_html, 0));
            if is_html { 5 } else { 1 }
        } else if in_text && c == '`' {
            let (text, is_html, _) = open.pop().unwrap_or_default();
            found.extend(is_html.then_some(text));
            1
        } else if in_text && rest.starts_with("${") {
            if let Some((text, _, depth)) = open.last_mut() {
                text.push('\u{1}');
                *depth = 1;
            }
            2
        } else {
            if let Some((text, _, depth)) = open.last_mut() {
                match c {
                    _ if in_text => text.push(c),
                    '{' => *depth += 1,
                    '}' => *depth -= 1,
                    _ => {}
                }
            }
            c.len_utf8()
        };
        rest = &rest[step..];
    }
    found
}

/// Words that a template says by itself.
fn words(template: &str) -> Vec<String> {
    let mut said = Vec::new();
    let mut rest = template;
    let mut note = |text: &str| {
        let text = text.trim();
        if text.chars().any(char::is_alphabetic) && !NAMES.contains(&text) {
            said.push(text.to_owned());
        }
    };
    while let Some((text, tail)) = rest.split_once('<') {
        note(text);
        let (tag, after) = tail.split_once('>').unwrap_or((tail, ""));
        for (name, value) in tag.split(' ').filter_map(|attribute| attribute.split_once("=\"")) {
            if SPOKEN.contains(&name) {
                note(value.trim_end_matches('"'));
            }
        }
        rest = after;
    }
    note(rest);
    said
}

/// Keys that a script asks for, and beginnings of keys that it completes.
fn keys(code: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let until = |text: &str, end: &str| text.split(end).next().unwrap_or("").to_owned();
    let asks = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '.');
    let mut whole: BTreeSet<String> = BTreeSet::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("t('") {
        let at = from + at;
        if asks(&code[..at]) {
            whole.insert(until(&code[at + 3..], "'"));
        }
        from = at + 3;
    }
    let chosen = code.match_indices("t(of.won ? '").flat_map(|(at, mark)| {
        let line = until(&code[at + mark.len()..], ",");
        line.split('\'').step_by(2).map(str::to_owned).collect::<Vec<_>>()
    });
    whole.extend(chosen);
    let completed = code.match_indices("t(`").filter(|(at, _)| asks(&code[..*at]));
    let mut begun: BTreeSet<String> = completed.map(|(at, mark)| until(&code[at + mark.len()..], "$")).collect();
    begun.extend(code.split("word('").skip(1).map(|text| until(text, "'") + "."));
    (whole, begun)
}

type Finding = (&'static str, String);

fn findings(scripts: &[(String, String)], languages: &[(&str, Texts)]) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let (mut whole, mut begun) = (BTreeSet::new(), BTreeSet::new());
    for (name, code) in scripts {
        for text in templates(code).iter().flat_map(|template| words(template)) {
            found.push(("text in code", format!("{name}: {text}")));
        }
        if code.lines().count() > LINES_MAX {
            found.push(("long file", name.clone()));
        }
        if !code.starts_with("// ") {
            found.push(("no head", name.clone()));
        }
        if ["innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySetInnerHTML", "eval("]
            .iter()
            .any(|way| code.contains(way))
        {
            found.push(("unescaped", name.clone()));
        }
        let (more, beginnings) = keys(code);
        whole.extend(more);
        begun.extend(beginnings);
    }
    for (language, texts) in languages {
        let is_asked = |key: &str| whole.contains(key) || begun.iter().any(|begun| key.starts_with(begun.as_str()));
        found.extend(
            texts
                .keys()
                .filter(|key| !is_asked(key))
                .map(|key| ("unused text", format!("{language}: {key}"))),
        );
        found.extend(
            whole
                .iter()
                .filter(|key| !texts.contains_key(*key))
                .map(|key| ("missing text", format!("{language}: {key}"))),
        );
        for (other, theirs) in languages.iter().filter(|(other, _)| other != language) {
            for (key, text) in texts {
                match theirs.get(key) {
                    None => found.push(("missing text", format!("{other}: {key}"))),
                    Some(their) if places(text) != places(their) => found.push(("other places", format!("{other}: {key}"))),
                    Some(_) => {}
                }
            }
        }
    }
    found
}

/// What a text leaves room for.
fn places(text: &Value) -> BTreeSet<&str> {
    let parts = text.as_str().unwrap_or("").split('{').skip(1);
    parts.filter_map(|part| Some(part.split_once('}')?.0)).collect()
}

fn planted() -> Vec<(&'static str, &'static str)> {
    vec![
        ("text in code", "// x\nhtml`<p class=${f(\"}\")}>Hello</p>`"),
        (
            "text in code",
            "// x\nhtml`<p>${rows.map((row) => html`<b title=\"Hello\">${row}</b>`)}</p>`",
        ),
        ("no head", "const x = 1;"),
        ("unescaped", "// x\nplace.innerHTML = name;"),
        ("missing text", "// x\nt('nowhere')"),
    ]
}

#[test]
fn pages_say_nothing_that_is_not_in_both_languages() {
    let (scripts, languages) = (scripts(), [("en", texts("en")), ("vi", texts("vi"))]);
    let is_found = |(kind, code): &(&str, &str)| {
        let with = [scripts.clone(), vec![("planted.js".to_owned(), (*code).to_owned())]].concat();
        findings(&with, &languages).iter().any(|(of, _)| of == kind)
    };
    let mut caught = planted().iter().filter(|plant| is_found(plant)).count();
    let mut other = texts("vi");
    other.remove("save");
    other.insert("saved".into(), "{n}".into());
    other.insert("nobody.asks".into(), "x".into());
    let of_texts = findings(&scripts, &[("en", texts("en")), ("vi", other)]);
    let kinds = ["missing text", "other places", "unused text"];
    caught += kinds.iter().filter(|kind| of_texts.iter().any(|(of, _)| of == *kind)).count();
    let long = [("long.js".to_owned(), "// x\n".repeat(LINES_MAX + 1))];
    caught += usize::from(findings(&long, &[]).iter().any(|(kind, _)| *kind == "long file"));
    let found = findings(&scripts, &languages);
    found.iter().for_each(|(kind, what)| println!("{kind}: {what}"));
    let mut figures = Figures::new();
    figures.at_least("desk.scripts", scripts.len(), FILES_MIN);
    figures.at_least("desk.texts", languages[0].1.len(), TEXTS_MIN);
    figures.exactly("desk.text_kinds_caught", caught, planted().len() + kinds.len() + 1);
    figures.exactly("desk.text_findings", found.len(), 0);
    figures.settle();
}

/// Ten requests, of which two are of nobody; six bids are paid for, one is lost.
fn busy() -> Server {
    let mut evenly = advertiser("acme");
    evenly["campaigns"][0]["budget"] = json!({"daily": 100});
    let mut other = advertiser("boots");
    other["campaigns"][0]["status"] = json!("paused");
    let server = Server::fresh(Setup::new().with(evenly).with(other));
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let mut exchange = server.exchange();
    for n in 0..10 {
        let answer = ask(&mut exchange, &request(&format!("r-{n}"), if n < 8 { "u" } else { "nobody" }, 1));
        for bid in bids(&answer) {
            let notice = if n < 6 { call(&bid["burl"], "2") } else { call(&bid["lurl"], "2") };
            exchange.get(&notice).expect("an answer to a notice");
        }
    }
    server
}

#[test]
fn the_desks_figures_are_those_of_what_happened() {
    let server = busy();
    let get = |path: &str| server.api().get(path).expect("an answer").json();
    let overview = get("/api/overview");
    let hour = &overview["hour"];
    let figures = ["requests", "answers_with_bid", "bids", "impressions", "matched", "late"].map(|name| hour[name].as_u64());
    assert_eq!(figures, [10, 8, 8, 6, 8, 0].map(Some), "{hour}");
    assert_eq!((&hour["match_rate"], &hour["win_rate"]), (&json!(0.8), &json!(0.75)));
    assert!(hour["p99_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{hour}");
    assert_eq!((&overview["day"]["requests"], &overview["ready"]), (&json!(10), &json!(true)));
    let counted: u64 = overview["series"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|row| row["requests"].as_u64())
        .sum();
    assert_eq!(counted, 10);
    assert_eq!(
        (&overview["spend"][0]["allowance"], &overview["spend"][0]["spent_today"]),
        (&json!("100"), &json!("0.012"))
    );
    let exchange = get("/api/exchanges")["exchanges"][0].clone();
    assert_eq!(exchange["reasons"][0]["reason"], "unknown_user");
    assert_eq!(
        (&exchange["recognized"][0]["requests"], &exchange["day"]["late"]),
        (&json!(8), &json!(0))
    );
    assert_eq!(exchange["losses"][0]["bids"], 2);
    let metrics = server.api().get("/metrics").expect("metrics").text();
    for line in [
        "winback_requests_total{exchange=\"x\",outcome=\"bid\"} 8",
        "winback_no_bids_total{exchange=\"x\",reason=\"unknown_user\"} 2",
        "winback_match_total{exchange=\"x\",result=\"matched\"} 8",
        "winback_impressions_total{exchange=\"x\"} 6",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn campaigns_come_by_the_page() {
    let server = busy();
    let get = |query: &str| server.api().get(&format!("/api/campaigns{query}")).expect("an answer").json();
    let names = |query: &str| {
        let rows = get(query)["rows"].as_array().cloned().unwrap_or_default();
        rows.iter()
            .map(|row| row["campaign"].as_str().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["acme-cart", "boots-cart"]);
    assert_eq!(names("?order=desc"), ["boots-cart", "acme-cart"]);
    assert_eq!(names("?sort=spent&order=desc&limit=1"), ["acme-cart"]);
    assert_eq!(
        names("?sort=pace&order=desc"),
        ["acme-cart", "boots-cart"],
        "without a plan comes last"
    );
    assert_eq!(names("?sort=pace"), ["acme-cart", "boots-cart"], "either way");
    assert_eq!(
        (names("?status=paused"), names("?q=ACME")),
        (vec!["boots-cart".to_owned()], vec!["acme-cart".to_owned()])
    );
    assert_eq!(
        (get("?offset=1&limit=1")["total"].as_u64(), names("?offset=1&limit=1").len()),
        (Some(2), 1)
    );
    assert!(
        get("?sort=colour")["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("known are campaign, status"))
    );
    let pacing = server
        .api()
        .get("/api/advertisers/acme/campaigns/acme-cart/pacing")
        .expect("an answer")
        .json();
    let hours = pacing["hours"].as_array().expect("hours");
    let spent: Vec<&Value> = hours.iter().map(|hour| &hour["spent"]).filter(|spent| !spent.is_null()).collect();
    assert_eq!((hours.len(), spent), (24, vec![&json!("0.012")]));
    assert_eq!(
        (&hours[23]["expected"], &pacing["creatives"][0]["id"]),
        (&json!("100"), &json!("card"))
    );
}
