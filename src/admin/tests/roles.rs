//! Who may make which call: every call by every role, logins, sessions and what they may not do.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::super::calls::{Call, calls};
use super::{Got, Rig, TOKEN, WEAKER};
use crate::base::limits::LOGIN_FAILURES_PER_MIN;
use crate::config::Role;

/// A path that the call would be made by, and that leads to nothing.
fn path(call: &Call) -> String {
    call.path
        .replace("{id}", "nobody")
        .replace("{campaign}", "nothing")
        .replace("{exchange}", "nowhere")
        .replace("{advertiser}", "nobody")
        .replace("{creative}", "nothing")
}

fn is_refusal(status: StatusCode) -> bool {
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status)
}

#[tokio::test]
async fn every_call_takes_the_roles_that_the_table_says() {
    let rig = Rig::new();
    let holders = WEAKER.into_iter().chain([(TOKEN, Role::Admin)]);
    let holders: Vec<(&str, Option<Role>)> = holders.map(|(token, role)| (token, Some(role))).chain([("none", None)]).collect();
    let (mut cells, mut wrong) = (0, Vec::new());
    let calls = calls();
    for call in &calls {
        for (token, role) in &holders {
            let bearer = format!("Bearer {token}");
            let headers: &[(&str, &str)] = if role.is_some() { &[("authorization", &bearer)] } else { &[] };
            let got = rig.send(call.method.clone(), &path(call), "", headers).await;
            let cell = format!("{} {} by {role:?}: {}", call.method, call.path, got.status);
            let is_right = match (call.role, role) {
                // A login without a token is refused for what it sends, not for who sends it.
                (None, _) => got.status != StatusCode::FORBIDDEN,
                (Some(_), None) => got.failure() == (401, "unauthorized".to_owned()),
                (Some(needed), Some(role)) if *role < needed => {
                    let asks = format!("asks for the role {}", needed.label());
                    got.failure() == (403, "forbidden".to_owned()) && got.text.contains(&asks)
                }
                _ => !is_refusal(got.status),
            };
            cells += 1;
            if !is_right {
                wrong.push(cell);
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    let checked = rig.described.checked();
    // One that is not as it is described ends the test where it is sent.
    assert!(checked >= 80, "{checked}");
    assert_eq!(cells, calls.len() * holders.len());
    println!("show api.answers_checked {checked} >=80 ok");
    println!("show api.role_cells {cells} ={} ok", calls.len() * holders.len());
    assert!(calls.len() >= 26, "{}", calls.len());
}

async fn login(rig: &Rig, token: &str) -> Got {
    rig.send(Method::POST, "/login", &json!({ "token": token }).to_string(), &[]).await
}

/// Name and value of the cookie that an answer sets.
fn cookie(got: &Got) -> String {
    got.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_browser_logs_in_works_and_logs_out() {
    let rig = Rig::new();
    let got = login(&rig, "may-change").await;
    assert_eq!((got.status.as_u16(), &got.json()["role"]), (200, &json!("write")), "{}", got.text);
    let attributes = got.header("set-cookie");
    for wanted in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(attributes.contains(wanted), "{attributes}");
    }
    assert!(!attributes.contains("Secure"), "on loopback without TLS: {attributes}");
    let (cookie, csrf) = (cookie(&got), got.json()["csrf"].as_str().expect("text").to_owned());
    let send = async |method: Method, path: &str, more: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> = [("cookie", &*cookie)].into_iter().chain(more.iter().copied()).collect();
        rig.send(method, path, "{}", &headers).await
    };
    let now = send(Method::GET, "/login", &[]).await;
    assert_eq!(now.json(), got.json());
    assert_eq!(send(Method::GET, "/api/advertisers", &[]).await.status, 200);
    let campaign = "/api/advertisers/acme-shoes/campaigns/resting";
    let unsafely = send(Method::PATCH, campaign, &[]).await;
    assert_eq!(unsafely.failure(), (403, "csrf".to_owned()));
    let forged = send(Method::PATCH, campaign, &[("x-csrf-token", "guess")]).await;
    assert_eq!(forged.failure(), (403, "csrf".to_owned()));
    assert_eq!(send(Method::PATCH, campaign, &[("x-csrf-token", &csrf)]).await.status, 200);
    let weak = send(Method::DELETE, "/api/users/x", &[("x-csrf-token", &csrf)]).await;
    assert_eq!(weak.failure(), (403, "forbidden".to_owned()));
    let both = send(Method::GET, "/api/advertisers", &[("authorization", "Bearer wrong")]).await;
    assert_eq!(both.failure().0, 401, "a token that is sent is the one that counts");
    assert_eq!(send(Method::POST, "/logout", &[]).await.failure(), (403, "csrf".to_owned()));
    let out = send(Method::POST, "/logout", &[("x-csrf-token", &csrf)]).await;
    assert_eq!(out.status, 204);
    assert!(
        out.header("set-cookie").starts_with("wb_session=; Max-Age=0;"),
        "{}",
        out.header("set-cookie")
    );
    assert_eq!(send(Method::GET, "/login", &[]).await.failure(), (401, "unauthorized".to_owned()));
    assert_eq!(send(Method::GET, "/api/advertisers", &[]).await.failure().0, 401);
    assert_eq!(send(Method::POST, "/logout", &[]).await.status, 204, "again");
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let rig = Rig::new();
    let cookie = cookie(&login(&rig, "may-look").await);
    let get = async || rig.send(Method::GET, "/api/advertisers", "", &[("cookie", &cookie)]).await.status;
    assert_eq!(get().await, 200);
    let mut settings = super::Settings {
        server: rig.engine.settings.load().server.clone(),
        doors: Vec::new(),
        tokens: super::tokens(),
    };
    settings.tokens.retain(|token| token.text != "may-look");
    rig.engine.settings.store(std::sync::Arc::new(settings));
    assert_eq!(get().await, 401);
}

#[tokio::test]
async fn cookies_are_for_tls_wherever_there_is_any() {
    let rig = Rig::new();
    let body = json!({ "token": TOKEN }).to_string();
    let behind = rig.send(Method::POST, "/login", &body, &[("x-forwarded-proto", "https")]).await;
    assert!(behind.header("set-cookie").ends_with("; Secure"), "{}", behind.header("set-cookie"));
    let mut server = rig.engine.settings.load().server.clone();
    server.admin = "192.0.2.1:9090".parse().expect("an address");
    let (doors, tokens) = (Vec::new(), super::tokens());
    rig.engine
        .settings
        .store(std::sync::Arc::new(super::Settings { server, doors, tokens }));
    assert!(login(&rig, TOKEN).await.header("set-cookie").ends_with("; Secure"));
}

#[tokio::test]
async fn whoever_guesses_waits() {
    let rig = Rig::new();
    for body in ["", "{}", "[]", r#"{"token": 1}"#, r#"{"token": "x", "role": "admin"}"#] {
        let got = rig.send(Method::POST, "/login", body, &[]).await;
        assert_eq!(got.failure(), (400, "bad_request".to_owned()), "{body}");
    }
    let mut waits = 0;
    for n in 0..LOGIN_FAILURES_PER_MIN * 3 {
        let got = login(&rig, &format!("guess {n}")).await;
        match got.failure() {
            (401, _) => {}
            (429, code) => {
                assert_eq!(code, "too_many_logins");
                let wait_s: u64 = got.header("retry-after").parse().expect("seconds");
                assert!((1..=60).contains(&wait_s), "{wait_s}");
                waits += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // A minute may have turned meanwhile.
    assert!(waits >= 1, "{waits}");
    assert_eq!(rig.get("/api/advertisers").await.status, 200, "others are not kept out");
}
