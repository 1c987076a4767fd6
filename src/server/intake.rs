//! Events from shops and browsers (contract §4 `POST /e/{site_key}` and the `.gif`).
//!
//! A server proves itself by its event key, a browser by its origin. What a 200 accepted is durable,
//! and the next bid sees it.

use std::sync::Arc;

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::engine::{Engine, same_secret};
use super::http::{self, Answer};
use super::public::{Shared, has_opted_out, out, set_id, stated};
use super::visitor::Visitor;
use crate::base::id::UserKey;
use crate::base::limits::FACTS_QUEUE_MAX;
use crate::base::time::Millis;
use crate::model::advertiser::Shop;
use crate::privacy::permission::Use;
use crate::track::events::{self, Rejected, Sender};
use crate::track::fact::{Fact, IdRef};
use crate::track::notice::parameter;

/// Rejections listed in one answer; the rest are counted.
const REJECTED_MAX: usize = 1_000;

/// `POST /e/{site_key}`: one batch as JSON, or many as NDJSON.
pub async fn batch(
    axum::extract::State(engine): Shared,
    Path(site): Path<String>,
    headers: HeaderMap,
    visitor: Visitor,
    body: Bytes,
) -> Response {
    let world = engine.world.load_full();
    let Some(shop) = world.shop_by_site_key(&site).cloned() else {
        return out(http::error(
            StatusCode::NOT_FOUND,
            "site_not_found",
            &format!("no advertiser has the site key `{site}`"),
        ));
    };
    let sender = match sender(&shop, &headers, &visitor) {
        Ok(sender) => sender,
        Err(problem) => return out(http::error(StatusCode::FORBIDDEN, "forbidden", &problem)),
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
        let problem = "batches in bulk are for servers: send `Authorization: Bearer <event key>`";
        return out(http::error(StatusCode::FORBIDDEN, "forbidden", problem));
    }
    let Ok(text) = std::str::from_utf8(&body) else {
        return out(http::error(StatusCode::BAD_REQUEST, "unreadable", "the body is not UTF-8"));
    };
    let fresh = engine.fresh_user();
    let id = fresh.1.clone();
    let (answer, is_new) = match bulk {
        true => (record_lines(&engine, &shop, text).await, false),
        false => record_batch(&engine, &shop, &sender, text, fresh).await,
    };
    let mut response = with_cors(out(answer), &headers, &shop);
    if is_new {
        set_id(&mut response, &world, &id);
    }
    response
}

/// Who sends: a server by its key, else a browser by its origin.
fn sender(shop: &Shop, headers: &HeaderMap, visitor: &Visitor) -> Result<Sender, String> {
    if let Some(authorization) = http::header(headers, "authorization") {
        let key = authorization.strip_prefix("Bearer ").unwrap_or("");
        let known = shop
            .advertiser
            .event_key
            .as_ref()
            .is_some_and(|wanted| same_secret(key.as_bytes(), wanted.as_bytes()));
        return match known {
            true => Ok(Sender::Server),
            false => Err("the event key is not this advertiser's: see its `event_key_file`".into()),
        };
    }
    let origin = http::header(headers, "origin").unwrap_or("");
    if !is_own_origin(shop, origin) {
        return Err(format!(
            "origin `{origin}` is not one of the advertiser's `origins`, and no event key was sent"
        ));
    }
    Ok(browser(headers, visitor))
}

/// A browser by its cookie, unless it carries our opt-out or Global Privacy Control.
fn browser(headers: &HeaderMap, visitor: &Visitor) -> Sender {
    if has_opted_out(headers) {
        return Sender::Objector;
    }
    Sender::Browser {
        cookie: http::cookie(headers, "wb_uid").map(str::to_owned),
        invalid: visitor.invalid,
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

/// Records one batch; tells whether it makes a new user of a browser with somebody before it, so that a cookie is to be
/// set. One who is known by the tag's id alone is given none: whoever could guess that id would be given the cookie of
/// its owner.
async fn record_batch(engine: &Engine, shop: &Arc<Shop>, sender: &Sender, text: &str, fresh: (UserKey, String)) -> (Answer, bool) {
    let world = engine.world.load_full();
    match events::read(&world, shop, sender, text, Millis::wall_clock(), fresh) {
        Err(problem) => (http::error(StatusCode::BAD_REQUEST, "unreadable", &problem), false),
        Ok(read) => {
            let is_known = |id: &IdRef| match id {
                IdRef::Foreign(key, _) | IdRef::Email(key, _) => engine.state.matched(*key).is_some(),
                IdRef::Ours(..) | IdRef::Clicked(_) => true,
            };
            let is_new = *sender != Sender::Server
                && read
                    .batch
                    .as_ref()
                    .is_some_and(|batch| batch.invalid.is_none() && !batch.ids.iter().any(is_known));
            engine.feeds.sighted(shop, &read, Millis::wall_clock().to_secs());
            if let Some(batch) = read.batch
                && let Err(problem) = engine.facts.record(Fact::Events(batch)).await
            {
                return (
                    http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &problem.to_string()),
                    false,
                );
            }
            (accepted(read.accepted, &read.rejected), is_new)
        }
    }
}

/// Lines are offered to the writer together, so that they share its commits. Indexes of rejections
/// count events over all lines.
async fn record_lines(engine: &Engine, shop: &Arc<Shop>, text: &str) -> Answer {
    let world = engine.world.load_full();
    let now = Millis::wall_clock();
    let (mut accepted_all, mut rejected, mut seen) = (0, Vec::new(), 0);
    let mut waiting = tokio::task::JoinSet::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match events::read(&world, shop, &Sender::Server, line, now, engine.fresh_user()) {
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
                engine.feeds.sighted(shop, &read, now.to_secs());
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
                if waiting.len() >= FACTS_QUEUE_MAX / 2
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

/// `OPTIONS /e/{site_key}`: whether a browser may send from where it is.
pub async fn preflight(axum::extract::State(engine): Shared, Path(site): Path<String>, headers: HeaderMap) -> Response {
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
pub async fn gif(
    axum::extract::State(engine): Shared,
    Path(site): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    visitor: Visitor,
) -> Response {
    let world = engine.world.load_full();
    let shop = site.strip_suffix(".gif").and_then(|key| world.shop_by_site_key(key)).cloned();
    let Some(shop) = shop else {
        return out(http::status(StatusCode::NOT_FOUND));
    };
    let query = query.as_deref();
    if !world.privacy.permit(&stated(query).signals()).allows(Use::Event) {
        return out(http::gif(StatusCode::OK));
    }
    let fresh = engine.fresh_user();
    let id = fresh.1.clone();
    let (answer, is_new) = record_batch(&engine, &shop, &browser(&headers, &visitor), &event_of_query(query), fresh).await;
    // An image has no use for words, only for whether the event counts.
    let mut response = out(http::gif(answer.status()));
    if is_new {
        set_id(&mut response, &world, &id);
    }
    response
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
    let said = stated(query);
    let consent = [
        ("gdpr", said.gdpr),
        ("gdpr_consent", said.gdpr_consent),
        ("gpp", said.gpp),
        ("gpp_sid", said.gpp_sid),
        ("us_privacy", said.us_privacy),
        ("gpc", said.gpc),
    ];
    let consent: serde_json::Map<String, serde_json::Value> = consent
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect();
    serde_json::json!({"consent": consent, "events": [event]}).to_string()
}
