//! The public listener, for browsers and shops: events, syncs, notices, pixels, clicks, opting out.
//!
//! On the shared runtime, so a burst of browsers cannot slow a bid. Permission before identity: no
//! cookie is read or set where the parameters forbid.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;

use super::engine::Engine;
use super::http::{self, Answer};
use super::notices;
use crate::base::limits::EVENTS_BODY_BYTES_MAX;
use crate::base::time::Millis;
use crate::model::advertiser::Shop;
use crate::privacy::Regime;
use crate::track::events::{self, Rejected, Sender};
use crate::track::fact::{Fact, IdRef};
use crate::track::notice::parameter;

/// A batch in one JSON document.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How long the id cookie lasts: 13 months.
const COOKIE_AGE_S: u32 = 395 * 86_400;
/// How long an opt-out lasts: ten years.
const OPTOUT_AGE_S: u32 = 3_650 * 86_400;
/// Rejections listed in one answer; the rest are counted.
const REJECTED_MAX: usize = 1_000;

type Shared = State<Arc<Engine>>;

/// Its routes.
pub fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/n/{kind}/{token}", get(notice).post(notice))
        .route("/imp/{token}", get(pixel))
        .route("/click/{token}", get(click))
        .route("/e/{site}", post(post_events).options(preflight).get(gif_event))
        .route("/sync/{exchange}", get(sync))
        .route("/optout", any(opt_out))
        .route("/optout/status", get(opt_out_status))
        .layer(DefaultBodyLimit::max(EVENTS_BODY_BYTES_MAX))
        .with_state(engine)
}

fn out(answer: Answer) -> Response {
    answer.map(Body::new)
}

async fn notice(State(engine): Shared, Path((kind, token)): Path<(String, String)>, RawQuery(query): RawQuery) -> Response {
    out(notices::notice(&engine, &kind, &token, query.as_deref()).await)
}

async fn pixel(State(engine): Shared, Path(token): Path<String>, RawQuery(query): RawQuery) -> Response {
    out(notices::pixel(&engine, &token, query.as_deref()).await)
}

async fn click(State(engine): Shared, Path(token): Path<String>) -> Response {
    out(notices::click(&engine, &token).await)
}

/// `POST /e/{site_key}`: one batch as JSON, or many as NDJSON.
async fn post_events(State(engine): Shared, Path(site): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let world = engine.world.load_full();
    let Some(shop) = world.shop_by_site_key(&site).cloned() else {
        return out(http::error(
            StatusCode::NOT_FOUND,
            "site_not_found",
            &format!("no advertiser has the site key `{site}`"),
        ));
    };
    let sender = match sender(&shop, &headers) {
        Ok(sender) => sender,
        Err(answer) => return out(answer),
    };
    let kind = http::header(&headers, "content-type")
        .unwrap_or("")
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    let bulk = kind == "application/x-ndjson" || kind == "application/ndjson";
    if bulk && sender != Sender::Server {
        return out(http::error(
            StatusCode::FORBIDDEN,
            "server_only",
            "batches in bulk are for servers: send `Authorization: Bearer <event key>`",
        ));
    }
    let Ok(text) = std::str::from_utf8(&body) else {
        return out(http::error(StatusCode::BAD_REQUEST, "not_utf8", "the body is not UTF-8"));
    };
    if !bulk && text.len() > BATCH_BYTES_MAX {
        return out(http::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "a batch has at most 1 MiB: send `application/x-ndjson` for more",
        ));
    }
    let answer = if bulk {
        record_lines(&engine, &shop, &sender, text).await
    } else {
        record_batch(&engine, &shop, &sender, text).await
    };
    with_cors(out(answer), &headers, &shop)
}

/// Who sends: a server by its key, else a browser by its origin.
fn sender(shop: &Shop, headers: &HeaderMap) -> Result<Sender, Answer> {
    if let Some(authorization) = http::header(headers, "authorization") {
        let key = authorization.strip_prefix("Bearer ").unwrap_or("");
        let known = shop
            .advertiser
            .event_key
            .as_ref()
            .is_some_and(|wanted| super::engine::same_secret(key.as_bytes(), wanted.as_bytes()));
        let problem = "the event key is not this advertiser's: see `event_key_file`";
        return if known {
            Ok(Sender::Server)
        } else {
            Err(http::error(StatusCode::FORBIDDEN, "wrong_key", problem))
        };
    }
    let origin = http::header(headers, "origin").unwrap_or("");
    if !is_own_origin(shop, origin) {
        let problem = format!("origin `{origin}` is not one of the advertiser's `origins`, and no event key was sent");
        return Err(http::error(StatusCode::FORBIDDEN, "wrong_origin", &problem));
    }
    Ok(browser(headers))
}

/// A browser by its cookie, unless it objects: then no id of it is read.
fn browser(headers: &HeaderMap) -> Sender {
    if http::header(headers, "sec-gpc") == Some("1") || http::cookie(headers, "optout").is_some() {
        return Sender::Objector;
    }
    Sender::Browser {
        cookie: http::cookie(headers, "wb_uid").map(str::to_owned),
    }
}

fn is_own_origin(shop: &Shop, origin: &str) -> bool {
    !origin.is_empty()
        && shop
            .advertiser
            .origins
            .iter()
            .any(|own| own.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

async fn record_batch(engine: &Engine, shop: &Arc<Shop>, sender: &Sender, text: &str) -> Answer {
    let world = engine.world.load_full();
    match events::read(&world, shop, sender, text, Millis::wall_clock(), engine.fresh_user()) {
        Err(problem) => http::error(StatusCode::BAD_REQUEST, "unreadable", &problem),
        Ok(read) => {
            // A browser without any id is nobody we could show anything to.
            if let Some(batch) = read.batch.filter(|batch| !batch.ids.is_empty())
                && let Err(problem) = engine.facts.record(Fact::Events(batch)).await
            {
                return http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &problem.to_string());
            }
            accepted(read.accepted, &read.rejected)
        }
    }
}

/// Lines are offered to the writer together, so that they share its commits. Indexes of rejections
/// count events over all lines.
async fn record_lines(engine: &Engine, shop: &Arc<Shop>, sender: &Sender, text: &str) -> Answer {
    let world = engine.world.load_full();
    let now = Millis::wall_clock();
    let (mut accepted_all, mut rejected, mut seen) = (0, Vec::new(), 0);
    let mut waiting = tokio::task::JoinSet::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match events::read(&world, shop, sender, line, now, engine.fresh_user()) {
            Err(problem) => {
                rejected.push(Rejected {
                    index: seen,
                    pointer: format!("line {}", number + 1),
                    problem,
                });
                seen += 1;
            }
            Ok(read) => {
                let events = read.accepted + read.rejected.len();
                rejected.extend(read.rejected.into_iter().map(|mut fault| {
                    fault.index += seen;
                    fault
                }));
                seen += events;
                accepted_all += read.accepted;
                let Some(batch) = read.batch else { continue };
                let facts = engine.facts.clone();
                waiting.spawn(async move { facts.record(Fact::Events(batch)).await });
                // Half the queue is left to others.
                if waiting.len() >= crate::base::limits::FACTS_QUEUE_MAX / 2
                    && let Some(Err(problem)) = waiting.join_next().await.and_then(Result::ok)
                {
                    return http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &problem.to_string());
                }
            }
        }
    }
    while let Some(recorded) = waiting.join_next().await {
        if !matches!(recorded, Ok(Ok(_))) {
            return http::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "not every batch could be recorded: send all again, with event ids",
            );
        }
    }
    accepted(accepted_all, &rejected)
}

fn accepted(accepted: usize, rejected: &[Rejected]) -> Answer {
    let listed = &rejected[..rejected.len().min(REJECTED_MAX)];
    let mut body = serde_json::json!({"accepted": accepted, "rejected": listed});
    if listed.len() < rejected.len() {
        body["rejected_unlisted"] = serde_json::json!(rejected.len() - listed.len());
    }
    http::json(StatusCode::OK, &body)
}

fn with_cors(mut response: Response, headers: &HeaderMap, shop: &Shop) -> Response {
    let origin = headers
        .get(header::ORIGIN)
        .filter(|origin| origin.to_str().is_ok_and(|origin| is_own_origin(shop, origin)));
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

async fn preflight(State(engine): Shared, Path(site): Path<String>, headers: HeaderMap) -> Response {
    let world = engine.world.load_full();
    let Some(shop) = world.shop_by_site_key(&site) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = with_cors(StatusCode::NO_CONTENT.into_response(), &headers, shop);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `GET /e/{site_key}.gif`: one event of the browser whose cookie comes along.
async fn gif_event(State(engine): Shared, Path(site): Path<String>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let world = engine.world.load_full();
    let shop = site.strip_suffix(".gif").and_then(|key| world.shop_by_site_key(key)).cloned();
    let Some(shop) = shop else {
        return out(http::status(StatusCode::NOT_FOUND));
    };
    let query = query.as_deref();
    if !regime(query).allows_ids() {
        return out(http::gif(StatusCode::OK));
    }
    let sender = browser(&headers);
    if !matches!(sender, Sender::Browser { cookie: Some(_) }) {
        return out(http::gif(StatusCode::OK));
    }
    let read = events::read(
        &world,
        &shop,
        &sender,
        &event_of_query(query),
        Millis::wall_clock(),
        engine.fresh_user(),
    );
    let Ok(events::Read { batch: Some(batch), .. }) = read else {
        return out(http::gif(StatusCode::BAD_REQUEST));
    };
    match engine.facts.record(Fact::Events(batch)).await {
        Ok(_) => out(http::gif(StatusCode::OK)),
        Err(_) => out(http::gif(StatusCode::SERVICE_UNAVAILABLE)),
    }
}

/// The batch that the parameters of an image stand for.
fn event_of_query(query: Option<&str>) -> String {
    let get = |name| parameter(query, name).filter(|value| !value.is_empty());
    let mut event = serde_json::Map::new();
    for name in ["event", "value", "currency", "transaction_id"] {
        event.extend(get(name).map(|value| (name.to_owned(), value.into())));
    }
    let mut item = serde_json::Map::new();
    for name in ["item_id", "quantity", "price"] {
        item.extend(get(name).map(|value| (name.to_owned(), value.into())));
    }
    if item.contains_key("item_id") {
        event.insert("items".into(), serde_json::Value::Array(vec![item.into()]));
    }
    serde_json::json!({"events": [event]}).to_string()
}

/// The privacy parameters under any of their names.
fn regime(query: Option<&str>) -> Regime {
    let any = |names: &[&str]| names.iter().find_map(|name| parameter(query, name));
    let gdpr = any(&["gdpr", "gdprapplies", "gdpr_applies"]);
    let sid = any(&["gpp_sid", "gppsid"]);
    let us = any(&["us_privacy", "ccpa"]);
    Regime::of_parameters(gdpr.as_deref(), sid.as_deref(), us.as_deref(), any(&["gpc"]).as_deref())
}

/// `GET /sync/{exchange}?uid=`: the exchange's id and our cookie become one user. Without a cookie one
/// is set and the browser is bounced once, to see whether it keeps it.
async fn sync(
    State(engine): Shared,
    ConnectInfo(_): ConnectInfo<SocketAddr>,
    Path(exchange): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let world = engine.world.load_full();
    let Some(exchange) = world.exchange_by_id(&exchange).cloned() else {
        return out(http::status(StatusCode::NOT_FOUND));
    };
    let raw = query.as_deref();
    let gpc = http::header(&headers, "sec-gpc") == Some("1");
    if gpc || !regime(raw).allows_ids() || http::cookie(&headers, "optout").is_some() {
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
        set_cookie(&mut bounce, &world.public_url, "wb_uid", &id, COOKIE_AGE_S);
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
    set_cookie(&mut answer, &world.public_url, "wb_uid", cookie, COOKIE_AGE_S);
    answer
}

/// Where the browser goes after a sync: to a redirect whose host is allowed, with our id filled in,
/// else nowhere.
fn after_sync(exchange: &crate::model::exchange::Exchange, id: &str, query: Option<&str>) -> Answer {
    let Some(target) = parameter(query, "redirect").filter(|target| !target.is_empty()) else {
        return http::gif(StatusCode::OK);
    };
    let allowed = exchange.sync.as_ref().is_some_and(|sync| {
        let host = url::Url::parse(&target).ok().and_then(|url| url.host_str().map(str::to_owned));
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
    (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Third-party cookies need `SameSite=None; Secure`; on plain loopback HTTP they cannot be secure.
fn set_cookie(response: &mut Response, public_url: &str, name: &str, value: &str, age_s: u32) {
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
