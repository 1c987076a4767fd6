//! The public listener, for browsers and shops: the tag, events, syncs, notices, pixels, clicks, opting out.
//!
//! On the shared runtime, so a burst of browsers cannot slow a bid. Permission before identity: no
//! cookie is read or set where the parameters forbid.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use percent_encoding::utf8_percent_encode;

use super::engine::Engine;
use super::http::{self, Answer};
use super::{intake, notices, tag};
use crate::base::limits::EVENTS_BODY_BYTES_MAX;
use crate::model::template::RESERVED;
use crate::privacy::permission::Use;
use crate::privacy::signals::Stated;
use crate::state::world::World;
use crate::track::fact::{Fact, IdRef};
use crate::track::notice::parameter;

/// How long the id cookie lasts: 13 months.
pub const COOKIE_AGE_S: u32 = 395 * 86_400;
/// How long an opt-out lasts: ten years.
const OPTOUT_AGE_S: u32 = 3_650 * 86_400;

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
        .route("/sync/{exchange}", get(sync))
        .route("/optout", any(opt_out))
        .route("/optout/status", get(opt_out_status))
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

async fn pixel(State(engine): Shared, Path(token): Path<String>, RawQuery(query): RawQuery) -> Response {
    out(notices::pixel(&engine, &token, query.as_deref()).await)
}

async fn click(State(engine): Shared, Path(token): Path<String>, RawQuery(query): RawQuery) -> Response {
    out(notices::click(&engine, &token, query.as_deref()).await)
}

async fn beat(State(engine): Shared, Path((event, token)): Path<(String, String)>, RawQuery(query): RawQuery) -> Response {
    out(notices::beat(&engine, &event, &token, query.as_deref()))
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

/// `GET /sync/{exchange}?uid=`: the exchange's id and our cookie become one user. Without a cookie one
/// is set and the browser is bounced once, to see whether it keeps it.
async fn sync(State(engine): Shared, Path(exchange): Path<String>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let world = engine.world.load_full();
    let Some(exchange) = world.exchange_by_id(&exchange).cloned() else {
        return out(http::status(StatusCode::NOT_FOUND));
    };
    let raw = query.as_deref();
    if has_opted_out(&headers) || !world.privacy.permit(&stated(raw).signals()).allows(Use::Sync) {
        return out(http::status(StatusCode::NO_CONTENT));
    }
    let Some(cookie) = http::cookie(&headers, "wb_uid").filter(|id| is_cookie_id(id)) else {
        if parameter(raw, "wb_ck").is_some() {
            return out(http::gif(StatusCode::OK));
        }
        let (_, id) = engine.fresh_user();
        let join = raw
            .filter(|query| !query.is_empty())
            .map(|query| format!("{query}&"))
            .unwrap_or_default();
        let mut bounce = out(http::redirect(&format!("{}/sync/{}?{join}wb_ck=1", world.public_url, exchange.id)));
        set_id(&mut bounce, &world, &id);
        return bounce;
    };
    if let Some(uid) = parameter(raw, "uid").filter(|uid| is_foreign_id(uid)) {
        let foreign = IdRef::Foreign(world.hashes.foreign(&exchange.id, uid.as_bytes()), exchange.id.clone());
        let ours = IdRef::Ours(world.hashes.user(cookie.as_bytes()), cookie.to_owned());
        let effect = engine.facts.record(Fact::Match(vec![ours, foreign])).await;
        if effect.is_err() {
            return out(http::gif(StatusCode::SERVICE_UNAVAILABLE));
        }
    }
    let mut answer = out(after_sync(&exchange, cookie, raw));
    set_id(&mut answer, &world, cookie);
    answer
}

/// Where the browser goes after a sync: to a redirect whose host is allowed, with our id filled in; without
/// one, and without the exchange's id, to its `push_url`; else nowhere.
fn after_sync(exchange: &crate::model::exchange::Exchange, id: &str, query: Option<&str>) -> Answer {
    let Some(target) = parameter(query, "redirect").filter(|target| !target.is_empty()) else {
        let push_url = exchange.sync.as_ref().and_then(|sync| sync.push_url.as_deref());
        return match push_url.filter(|_| parameter(query, "uid").is_none()) {
            Some(push_url) => http::redirect(&pushed(push_url, id, query)),
            None => http::gif(StatusCode::OK),
        };
    };
    let allowed = exchange.sync.as_ref().is_some_and(|sync| {
        let url = url::Url::parse(&target).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let host = url.and_then(|url| url.host_str().map(str::to_owned));
        host.is_some_and(|host| sync.redirect_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host)))
    });
    match allowed {
        true => http::redirect(&target.replace("${UID}", id).replace("$UID", id).replace("{uid}", id)),
        false => http::error(
            StatusCode::BAD_REQUEST,
            "redirect_not_allowed",
            "the redirect's host is not in `sync.redirect_hosts`",
        ),
    }
}

/// A `push_url` with our id and what was said about privacy.
fn pushed(push_url: &str, id: &str, query: Option<&str>) -> String {
    let said = stated(query);
    let fields = [
        ("{uid}", Some(id.to_owned())),
        ("{gdpr}", said.gdpr),
        ("{gdpr_consent}", said.gdpr_consent),
        ("{gpp}", said.gpp),
        ("{gpp_sid}", said.gpp_sid),
        ("{us_privacy}", said.us_privacy),
    ];
    fields.into_iter().fold(push_url.to_owned(), |url, (name, value)| {
        let value = value.unwrap_or_default();
        url.replace(name, &utf8_percent_encode(&value, RESERVED).to_string())
    })
}

/// What may be an exchange's id of a user: no macro nobody replaced and no word for nobody, which would
/// make one person of all who are sent with it.
fn is_foreign_id(uid: &str) -> bool {
    let is_macro = uid.contains(['{', '}', '[', ']']) || uid.starts_with("%%") || uid.starts_with('$');
    let is_nobody = uid.bytes().all(|b| matches!(b, b'0' | b'-'))
        || ["null", "none", "undefined", "nan", "unknown"]
            .iter()
            .any(|word| uid.eq_ignore_ascii_case(word));
    uid.len() <= 256 && !is_macro && !is_nobody
}

/// Ids we gave, or that could be: web-safe base64.
fn is_cookie_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
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

/// `/optout`: erases the user, sets the opt-out and takes the id back.
async fn opt_out(State(engine): Shared, method: Method, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::POST) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let world = engine.world.load_full();
    if let Some(id) = http::cookie(&headers, "wb_uid") {
        let user = world.hashes.user(id.as_bytes());
        if let Err(problem) = engine.facts.record(Fact::Forget { user, opt_out: true }).await {
            return out(http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &problem.to_string()));
        }
    }
    let mut answer = out(http::json(StatusCode::OK, &serde_json::json!({"opted_out": true})));
    set_cookie(&mut answer, &world.public_url, "optout", "1", OPTOUT_AGE_S);
    set_cookie(&mut answer, &world.public_url, "wb_uid", "", 0);
    answer
}

async fn opt_out_status(headers: HeaderMap) -> Response {
    out(http::json(
        StatusCode::OK,
        &serde_json::json!({"opted_out": http::cookie(&headers, "optout").is_some()}),
    ))
}
