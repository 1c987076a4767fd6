//! The admin listener: advertisers, reports, users, explain and preview over HTTP (contract §5).
//!
//! For the people who run the server, behind bearer tokens and their roles. Config is written to disk before it is
//! live, and changes one at a time; users change through facts only. Explain and preview decide and
//! leave no trace.

mod advertisers;
mod approvals;
mod audit;
mod backup;
mod calls;
mod campaigns;
mod check;
mod compact;
mod configs;
mod desk;
mod door;
pub mod explain;
mod export;
mod feeds;
mod files;
mod funnel;
mod health;
mod losses;
mod openapi;
mod overview;
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
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::limits::CONFIG_BYTES_MAX;
use crate::base::time::Millis;
use crate::config::Role;
use crate::server::engine::Engine;
use calls::Call;
pub use export::Wanted;
use reply::{Answer, Fail, Query};

/// Reads config and feeds again, and returns what is to be said about them.
pub type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<String>> + Send>> + Send + Sync>;

/// What the calls work with.
struct Desk {
    engine: Arc<Engine>,
    prometheus: PrometheusHandle,
    reload: Reload,
    door: door::Door,
    /// All calls that are not open to anybody: which role each asks for, and whether it changes anything.
    calls: Vec<(Method, &'static str, Role, bool)>,
}

impl Desk {
    /// The role that a call asks for, by its path as the table has it; none where there is no such call.
    fn role(&self, method: &Method, path: &str) -> Option<Role> {
        // What is answered to HEAD is what GET would be, without its body.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let found = self.calls.iter().find(|(of, at, ..)| of == method && *at == path);
        found.map(|(_, _, role, _)| *role)
    }

    /// Whether a call changes anything.
    fn changes(&self, method: &Method, path: &str) -> bool {
        self.calls
            .iter()
            .any(|(of, at, _, changes)| *changes && of == method && *at == path)
    }
}

type Shared = State<Arc<Desk>>;

/// All calls of the listener.
pub fn router(engine: Arc<Engine>, prometheus: PrometheusHandle, reload: Reload) -> Router {
    let desk = Arc::new(Desk {
        engine,
        prometheus,
        reload,
        door: door::Door::default(),
        calls: calls::calls()
            .into_iter()
            .filter_map(|call| Some((call.method, call.path, call.role?, call.changes)))
            .collect(),
    });
    let (mut open, mut guarded) = (Router::new(), Router::new());
    for Call { path, role, route, .. } in calls::calls() {
        match role {
            None => open = open.route(path, route),
            Some(_) => guarded = guarded.route(path, route),
        }
    }
    let guarded = guarded.method_not_allowed_fallback(wrong_method).fallback(unknown_call);
    // The guard stands before the witness: layers are passed from the last to the first.
    let guarded = guarded
        .layer(from_fn_with_state(desk.clone(), audit::witness))
        .layer(from_fn_with_state(desk.clone(), door::guard));
    let open = open.method_not_allowed_fallback(wrong_method);
    // One byte more than config may have, so that the config reader says what is too long.
    let bounded = guarded.merge(open).layer(DefaultBodyLimit::max(CONFIG_BYTES_MAX + 1));
    bounded.with_state(desk)
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

/// What a reload found.
#[derive(Serialize, ToSchema)]
struct Reloaded {
    /// What is to be said of config and feeds, for people.
    remarks: Vec<String>,
}

/// Reads config and feeds again. What is at fault stays as it was.
#[utoipa::path(post, path = "/api/reload", tag = "server", responses((status = 200, body = Reloaded)))]
async fn reload_all(State(desk): Shared) -> Answer {
    let remarks = (desk.reload)().await;
    Ok(reply::json(&Reloaded { remarks }))
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
