//! The admin listener: advertisers, reports, users, explain and preview over HTTP (contract §5).
//!
//! For the people who run the server, behind one bearer token. Config is written to disk before it is
//! live, and changes one at a time; users change through facts only. Explain and preview decide and
//! leave no trace.

mod advertisers;
mod approvals;
mod backup;
mod compact;
pub mod explain;
mod export;
mod feeds;
mod files;
mod funnel;
mod health;
mod losses;
mod preview;
mod reply;
mod report;
mod stream;
mod users;
mod verdict;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, patch, post};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::base::limits::CONFIG_BYTES_MAX;
use crate::base::time::Millis;
use crate::server::engine::{Engine, same_secret};
pub use export::Wanted;
use reply::{Answer, Fail, Query};

/// Reads config and feeds again, and returns what is to be said about them.
pub type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<String>> + Send>> + Send + Sync>;

/// What the calls work with.
struct Desk {
    engine: Arc<Engine>,
    prometheus: PrometheusHandle,
    reload: Reload,
}

type Shared = State<Arc<Desk>>;

/// All calls of the listener. Health and metrics are open; the rest wants the bearer token.
pub fn router(engine: Arc<Engine>, prometheus: PrometheusHandle, reload: Reload) -> Router {
    let desk = Arc::new(Desk {
        engine,
        prometheus,
        reload,
    });
    let open = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .method_not_allowed_fallback(wrong_method);
    let advertiser = get(advertisers::show).put(advertisers::put).delete(advertisers::delete);
    let guarded = Router::new()
        .route("/api/advertisers", get(advertisers::list))
        .route("/api/advertisers/{id}", advertiser)
        .route("/api/advertisers/{id}/campaigns/{campaign}", patch(advertisers::edit))
        .route("/api/advertisers/{id}/campaigns/{campaign}/funnel", get(funnel::show))
        .route("/api/explain/{exchange}", get(explain::explain).post(explain::explain))
        .route("/api/preview/{advertiser}/{creative}", get(preview::preview))
        .route("/api/report", get(report::report))
        .route("/api/export", get(export::export))
        .route("/api/approvals", get(approvals::list))
        .route("/api/losses", get(losses::list))
        .route("/api/feeds", get(feeds::list))
        .route("/api/feeds/{advertiser}", get(feeds::show))
        .route("/api/feeds/{advertiser}/refresh", post(feeds::refresh))
        .route("/api/users/{id}", get(users::show).delete(users::delete))
        .route("/api/backup", post(backup::take))
        .route("/api/compact", post(compact::run))
        .route("/api/reload", post(reload_all))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_call)
        // One byte more than config may have, so that the config reader says what is too long.
        .layer(DefaultBodyLimit::max(CONFIG_BYTES_MAX + 1))
        .layer(from_fn_with_state(desk.clone(), guard));
    guarded.merge(open).with_state(desk)
}

/// Explains a request of an exchange, or with an empty body what the `user` of the query would come to, as the call
/// of the API does; what is wrong where it cannot. For a server that does not run.
pub fn explained(engine: &Engine, exchange: &str, query: &str, body: &[u8]) -> Result<String, String> {
    let query = Query::of(query);
    let told = explain::told(engine, exchange, body, &query, Millis::wall_clock()).map_err(|fail| fail.message().to_owned())?;
    match query.get("format") {
        Some("text") => Ok(told.to_string()),
        _ => serde_json::to_string(&told).map_err(|fault| fault.to_string()),
    }
}

/// The report of a query, as the call of the API answers it; what is wrong where it cannot. For a server that does
/// not run.
pub fn reported(engine: &Engine, query: &str) -> Result<Vec<u8>, String> {
    let told = report::told(engine, &Query::of(query), Millis::wall_clock()).map_err(|fail| fail.message().to_owned())?;
    match told {
        report::Told::Csv(text) => Ok(text),
        report::Told::Json(value) => serde_json::to_vec(&value).map_err(|fault| fault.to_string()),
    }
}

async fn guard(State(desk): Shared, request: Request, next: Next) -> Result<Response, Fail> {
    let given = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let settings = desk.engine.settings.load();
    let wanted = settings.admin_token.as_bytes();
    if wanted.is_empty() || !given.and_then(bearer).is_some_and(|token| same_secret(token, wanted)) {
        return Err(Fail::unauthorized());
    }
    drop(settings);
    Ok(next.run(request).await)
}

/// The token of an `Authorization` header; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

async fn reload_all(State(desk): Shared) -> Answer {
    let remarks = (desk.reload)().await;
    Ok(reply::json(&json!({ "remarks": remarks })))
}

async fn unknown_call(request: Request) -> Fail {
    Fail::not_found(
        "not_found",
        format!("no call `{}`: see the description of the admin api", request.uri().path()),
    )
}

async fn wrong_method(request: Request) -> Fail {
    Fail::wrong_method(request.method(), request.uri().path())
}
