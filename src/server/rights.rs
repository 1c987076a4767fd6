//! What a person may ask of us with nothing but a browser: to be left alone (`/optout`, contract §4), and to
//! see what is kept about that browser (`/mydata`).
//!
//! In plain words as a page, and as JSON where that is asked for. Whose data it is, the cookie tells alone:
//! nobody sees anybody else's, and no foreign id is shown, for none is kept. A cross-site call can opt a
//! browser out, which only protects; it cannot take an opt-out back.

mod access;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use super::engine::Engine;
use super::http;
use super::public::{Shared, out, set_cookie};
use super::sync;
use crate::state::world::World;
use crate::track::fact::Fact;
use page::Page;

/// How long an opt-out lasts: ten years.
const OPTOUT_AGE_S: u32 = 3_650 * 86_400;
/// A page that runs nothing, loads nothing and is framed by nobody.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Its routes.
pub(super) fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/optout", get(opt_out).post(opt_out))
        .route("/optout/undo", post(undo))
        .route("/optout/status", get(status))
        .route("/mydata", get(my_data))
}

/// What a browser says of itself.
#[derive(Clone, Copy)]
struct Standing {
    /// It carries our opt-out.
    opted_out: bool,
    /// It sends Global Privacy Control.
    gpc: bool,
}

impl Standing {
    fn of(headers: &HeaderMap) -> Standing {
        Standing {
            opted_out: http::cookie(headers, "optout").is_some(),
            gpc: http::header(headers, "sec-gpc") == Some("1"),
        }
    }
}

/// `GET` and `POST /optout`: erases the user for good, sets the opt-out and takes the id back.
async fn opt_out(State(engine): Shared, headers: HeaderMap) -> Response {
    let world = engine.world.load_full();
    let id = http::cookie(&headers, "wb_uid").filter(|id| !id.is_empty());
    if let Some(id) = id {
        let user = world.hashes.user(id.as_bytes());
        if let Err(problem) = engine.facts.record(Fact::Forget { user, opt_out: true }).await {
            return out(http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &problem.to_string()));
        }
    }
    let page = Page::OptedOut { was_known: id.is_some() };
    let mut reply = answer(&world, &headers, &page, json!({"opted_out": true}));
    set_cookie(&mut reply, &world.public_url, "optout", "1", OPTOUT_AGE_S);
    set_cookie(&mut reply, &world.public_url, "wb_uid", "", 0);
    set_cookie(&mut reply, &world.public_url, sync::MARKS_COOKIE, "", 0);
    reply
}

/// `POST /optout/undo`, from our own page alone: the browser is somebody new from now on. What led to who
/// it was stays barred.
async fn undo(State(engine): Shared, headers: HeaderMap) -> Response {
    if !is_of_own_page(&headers) {
        let message = "an opt-out is taken back on the page of `/optout`, and from nowhere else";
        return out(http::error(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let world = engine.world.load_full();
    let gpc = Standing::of(&headers).gpc;
    let mut reply = answer(&world, &headers, &Page::Undone { gpc }, json!({"opted_out": false, "gpc": gpc}));
    set_cookie(&mut reply, &world.public_url, "optout", "", 0);
    reply
}

/// `GET /optout/status`.
async fn status(headers: HeaderMap) -> Response {
    let Standing { opted_out, gpc } = Standing::of(&headers);
    let mut answer = out(http::json(StatusCode::OK, &json!({"opted_out": opted_out, "gpc": gpc})));
    never_stored(&mut answer);
    answer
}

/// `GET /mydata`: what is kept about this browser.
async fn my_data(State(engine): Shared, headers: HeaderMap) -> Response {
    let world = engine.world.load_full();
    let standing = Standing::of(&headers);
    let id = http::cookie(&headers, "wb_uid").filter(|id| !id.is_empty());
    let kept = id.map(|id| access::kept(&engine, &world, id)).transpose();
    let Ok(kept) = kept.map(Option::flatten) else {
        return out(http::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the store cannot be read: try again",
        ));
    };
    let retention = crate::base::time::Span(world.retention_s);
    let mut body = json!({"opted_out": standing.opted_out, "gpc": standing.gpc, "kept_for": retention.to_string()});
    body["data"] = json!(kept);
    answer(&world, &headers, &Page::Data { standing, retention, kept }, body)
}

/// The page, or JSON where that is asked for and no page is.
fn answer(world: &World, headers: &HeaderMap, page: &Page, json: serde_json::Value) -> Response {
    let accepted = http::header(headers, "accept").unwrap_or("");
    let mut answer = if accepted.contains("application/json") && !accepted.contains("text/html") {
        out(http::json(StatusCode::OK, &json))
    } else {
        out(http::with_body(
            StatusCode::OK,
            "text/html; charset=utf-8",
            page.html(&world.public_host),
        ))
    };
    never_stored(&mut answer);
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

fn never_stored(answer: &mut Response) {
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Whether a browser says that a page of this very address sends it: `Sec-Fetch-Site`, else `Origin`.
fn is_of_own_page(headers: &HeaderMap) -> bool {
    let host = http::header(headers, "host").unwrap_or("");
    match http::header(headers, "sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => {
            let origin = http::header(headers, "origin").and_then(|origin| origin.split_once("://"));
            origin.is_some_and(|(_, authority)| !host.is_empty() && authority.eq_ignore_ascii_case(host))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opt_out_is_taken_back_by_our_own_page_alone() {
        let sent = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("a value"));
            }
            is_of_own_page(&headers)
        };
        assert!(sent(&[("sec-fetch-site", "same-origin")]));
        assert!(sent(&[("origin", "https://Ads.example"), ("host", "ads.example")]));
        assert!(!sent(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://ads.example"),
            ("host", "ads.example")
        ]));
        assert!(!sent(&[("origin", "https://evil.example"), ("host", "ads.example")]));
        assert!(!sent(&[("origin", "null"), ("host", "ads.example")]));
        assert!(!sent(&[]));
    }
}
