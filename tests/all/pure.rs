//! Explain and preview run the real decision and leave no trace of it.
//!
//! A twin server that was never asked to explain says what the budget must still allow.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::http::Client;
use crate::rig::{Server, ask, call, tell, tracking_paths};
use crate::shop::{Setup, advertiser, cart, request, theirs};

const EXPLAINS: usize = 1_000;
const PREVIEW_EVERY: usize = 4;
/// Tokens that are played back; the rest are of the same kinds.
const TOKENS: usize = 200;
const KINDS: [&str; 5] = ["/n/win/", "/n/bill/", "/n/loss/", "/imp/", "/click/"];

/// A shop whose budget allows a handful of bids, and one user with a cart and one cap.
fn tight() -> Server {
    let mut shop = advertiser("acme");
    shop["campaigns"][0]["budget"] = json!({"total": 0.05, "pacing": "asap"});
    shop["campaigns"][0]["frequency"] = json!([{"max": 5, "per": "1d"}]);
    let server = Server::fresh(Setup::new().with(shop));
    let mut events = server.shop();
    for user in 0..8 {
        tell(&mut events, "acme", &cart(theirs(&user_id(user)), "acme", user));
    }
    server
}

fn user_id(n: usize) -> String {
    format!("u{n}")
}

/// How many bids each user gets until neither caps nor budget allow more.
fn allowance(server: &Server) -> Vec<usize> {
    let mut exchange = server.exchange();
    let mut ask = |user: usize, n: usize| ask(&mut exchange, &request(&format!("left-{user}-{n}"), &user_id(user), 1)).status;
    (0..8).map(|user| (0..7).filter(|n| ask(user, *n) == 200).count()).collect()
}

/// All that could have changed, as it is answered.
fn books(api: &mut Client) -> Vec<String> {
    let mut paths = vec![
        "/api/report?advertiser=acme&by=campaign".to_owned(),
        "/api/advertisers/acme".to_owned(),
    ];
    paths.extend((0..8).map(|user| format!("/api/users/x:{}", user_id(user))));
    paths.iter().map(|path| api.get(path).expect("an answer").text()).collect()
}

#[test]
fn explain_is_pure() {
    let (server, twin) = (tight(), tight());
    let mut api = server.api();
    // One real impression, so that there is something to disturb.
    for server in [&server, &twin] {
        let mut exchange = server.exchange();
        let bid = crate::rig::bids(&ask(&mut exchange, &request("real", &user_id(0), 1))).remove(0);
        assert_eq!(exchange.get(&call(&bid["burl"], "1.00")).expect("an answer").status, 200);
    }
    let before = books(&mut api);
    let (tokens, failed) = explain_and_preview(&mut api);
    let played = play(&server, &tokens);
    let after = books(&mut api);
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .for_each(|(before, after)| println!("{before}\n{after}"));
    let (left, twins) = (allowance(&server), allowance(&twin));
    println!("tokens found {}, bids left {left:?}, twin's {twins:?}", tokens.len());
    let mut figures = Figures::new();
    figures.exactly("explain-is-pure.failed", failed, 0);
    figures.at_least("explain-is-pure.tokens", tokens.len(), 4);
    figures.exactly("explain-is-pure.not_403", played, 0);
    figures.exactly("explain-is-pure.changed", changed, 0);
    figures.at_least("explain-is-pure.twin_bids", twins.iter().sum::<usize>(), 1);
    figures.judge(
        "explain-is-pure.bids_left",
        left.iter().sum::<usize>(),
        format!("={}", twins.iter().sum::<usize>()),
        left == twins,
    );
    figures.settle();
}

/// Every tracking path that explains and previews show, and how many of them did not answer 200.
fn explain_and_preview(api: &mut Client) -> (BTreeSet<String>, usize) {
    let (mut tokens, mut failed) = (BTreeSet::new(), 0);
    for n in 0..EXPLAINS {
        let user = user_id(n % 8);
        let asked = request(&format!("why-{n}"), &user, 1).to_string();
        let answer = api.post("/api/explain/x", asked.as_bytes()).expect("an explanation");
        let explained = answer.json();
        let bid = answer.status == 200 && !explained["outcome"].is_null() && !explained["bid"].is_null();
        if !bid && failed < 3 {
            println!("explain: {} {}", answer.status, answer.text());
        }
        failed += usize::from(!bid);
        gather(&explained, &mut tokens);
        if n % PREVIEW_EVERY == 0 {
            let answer = api.get(&format!("/api/preview/acme/card?user=x:{user}")).expect("a preview");
            failed += usize::from(answer.status != 200);
            tokens.extend(KINDS.iter().flat_map(|kind| tracking_paths(&answer.text(), kind)));
        }
    }
    (tokens, failed)
}

/// Tracking paths in any text of a JSON value.
fn gather(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => into.extend(KINDS.iter().flat_map(|kind| tracking_paths(text, kind))),
        Value::Array(values) => values.iter().for_each(|value| gather(value, into)),
        Value::Object(members) => members.values().for_each(|value| gather(value, into)),
        _ => {}
    }
}

/// Calls an even share of each kind; how many did not answer 403. A click may still redirect: the
/// report says whether it counted.
fn play(server: &Server, tokens: &BTreeSet<String>) -> usize {
    let mut visitor = server.visitor();
    let mut wrong = 0;
    for kind in KINDS {
        for path in tokens.iter().filter(|path| path.starts_with(kind)).take(TOKENS / KINDS.len()) {
            let status = visitor.get(&format!("{path}?p=1.00")).expect("an answer").status;
            let ok = status == 403 || kind == "/click/" && status < 500;
            if !ok {
                println!("{status} {path}");
            }
            wrong += usize::from(!ok);
        }
    }
    wrong
}
