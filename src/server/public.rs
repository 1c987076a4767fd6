//! The public listener, for browsers and shops: the tag, events, syncs, notices, pixels, clicks, opting out.
//!
//! On the shared runtime, so a burst of browsers cannot slow a bid. Permission before identity: no
//! cookie is read or set where the parameters forbid.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};

use super::engine::Engine;
use super::http::{self, Answer};
use super::visitor::Visitor;
use super::{intake, notices, rights, sync, tag};
use crate::base::limits::EVENTS_BODY_BYTES_MAX;
use crate::privacy::signals::Stated;
use crate::state::world::World;
use crate::track::notice::parameter;

/// How long the id cookie lasts: 13 months.
pub const COOKIE_AGE_S: u32 = 395 * 86_400;

/// What a call works with.
pub type Shared = State<Arc<Engine>>;

/// Its routes.
pub fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/n/{kind}/{token}", get(notice).post(notice))
        .route("/imp/{token}", get(pixel))
        .route("/click/{token}", get(click))
        .route("/vast/{event}/{token}", get(beat))
        .route("/tag.js", get(tag::tag))
        .route("/e/{site}", post(intake::batch).options(intake::preflight).get(intake::gif))
        .route("/sync", get(sync::page).post(sync::page))
        .route("/sync.gif", get(sync::chain).post(sync::chain))
        .route("/sync/{exchange}", get(sync::one).post(sync::one))
        .merge(rights::routes())
        .layer(DefaultBodyLimit::max(EVENTS_BODY_BYTES_MAX))
        .with_state(engine)
}

/// An answer as axum wants it.
pub fn out(answer: Answer) -> Response {
    answer.map(Body::new)
}

async fn notice(State(engine): Shared, Path((kind, token)): Path<(String, String)>, RawQuery(query): RawQuery) -> Response {
    out(notices::notice(&engine, &kind, &token, query.as_deref()).await)
}

async fn pixel(State(engine): Shared, Path(token): Path<String>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    out(notices::pixel(&engine, &token, query.as_deref(), visitor.invalid).await)
}

async fn click(State(engine): Shared, Path(token): Path<String>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    out(notices::click(&engine, &token, query.as_deref(), visitor.invalid).await)
}

async fn beat(
    State(engine): Shared,
    Path((event, token)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    out(notices::beat(&engine, &event, &token, query.as_deref(), visitor.invalid))
}

/// Our opt-out cookie, or Global Privacy Control.
pub fn has_opted_out(headers: &HeaderMap) -> bool {
    http::cookie(headers, "optout").is_some() || http::header(headers, "sec-gpc") == Some("1")
}

/// The privacy parameters under any of their names.
pub fn stated(query: Option<&str>) -> Stated {
    let any = |names: &[&str]| names.iter().find_map(|name| parameter(query, name));
    Stated {
        gdpr: any(&["gdpr", "gdprapplies", "gdpr_applies"]),
        gdpr_consent: any(&["gdpr_consent", "cmp_cs", "consent", "euconsent"]),
        gpp: any(&["gpp"]),
        gpp_sid: any(&["gpp_sid", "gppsid"]),
        us_privacy: any(&["us_privacy", "ccpa"]),
        gpc: any(&["gpc"]),
    }
}

/// Lets the cookie's life begin anew, where it may.
pub fn renew_id(response: &mut Response, world: &World, id: &str) {
    if world.privacy.may_renew_cookies() {
        set_id(response, world, id);
    }
}

/// Sets the cookie that knows a browser again, for as long as we may.
pub fn set_id(response: &mut Response, world: &World, id: &str) {
    let age_s = world.privacy.cookie_age_s(COOKIE_AGE_S);
    set_cookie(response, &world.public_url, "wb_uid", id, age_s);
}

/// Third-party cookies need `SameSite=None; Secure`; on plain loopback HTTP they cannot be secure.
pub fn set_cookie(response: &mut Response, public_url: &str, name: &str, value: &str, age_s: u32) {
    let site = if public_url.starts_with("https:") {
        "Secure; SameSite=None"
    } else {
        "SameSite=Lax"
    };
    if let Ok(cookie) = HeaderValue::from_str(&format!("{name}={value}; Max-Age={age_s}; Path=/; HttpOnly; {site}")) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
