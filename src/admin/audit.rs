//! The audit log as a call, and what writes every change into it: before it is answered, and whether or not anybody
//! still waits for the answer.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::door::Caller;
use super::reply::{self, Answer, Code, Fail, Failed, Query};
use super::{Shared, users};
use crate::base::limits::AUDIT_ENTRIES_MAX;
use crate::base::time::{Day, Millis};
use crate::server::audit::{DONE, Entry, SERVER};
use crate::server::engine::Engine;
use crate::server::http::header;

/// Entries of an answer, where no other number is asked for.
const DEFAULT_ENTRIES: usize = 100;
/// Calls about a person.
const USERS: &str = "/api/users/";

/// The text that a change found; the one it left is the answer's `ETag`.
#[derive(Clone)]
pub(super) struct Before(pub Option<String>);

/// Writes down what changes something, and who did it.
pub(super) async fn witness(
    State(desk): Shared,
    names: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Result<Response, Fail> {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = path.filter(|path| desk.changes(request.method(), path));
    let (Some(path), Some(caller)) = (path, request.extensions().get::<Caller>().cloned()) else {
        return Ok(next.run(request).await);
    };
    let names: Vec<String> = names
        .iter()
        .flat_map(|names| names.iter().map(|(_, name)| name.to_owned()))
        .collect();
    let mut entry = Entry {
        who: caller.name,
        role: Some(caller.role.label().to_owned()),
        call: format!("{} {path}", request.method()),
        target: target(&desk.engine, &path, &names),
        ..Entry::default()
    };
    // A task of its own: it comes to its end, whoever goes away meanwhile.
    let done = tokio::spawn(async move {
        let answer = next.run(request).await;
        let now = Millis::wall_clock();
        entry.time = now.to_rfc3339();
        entry.from = answer.extensions().get::<Before>().and_then(|before| before.0.clone());
        entry.to = header(answer.headers(), "etag").map(str::to_owned);
        entry.outcome = answer.extensions().get::<Code>().map_or(DONE, |code| code.0).to_owned();
        let written = tokio::task::spawn_blocking(move || desk.engine.audit.write(&[entry], now)).await;
        match written.map_err(std::io::Error::other).flatten() {
            Ok(()) => Ok(answer),
            Err(error) => {
                tracing::error!("cannot write the audit log: {error}");
                let message = format!("it was done, but cannot be written into the audit log: {error}: free the disk, and do it again");
                Err(Fail::unavailable(message))
            }
        }
    });
    done.await
        .unwrap_or_else(|_| Err(Fail::unavailable("the call broke off: see the log")))
}

/// What a call is about. A person by their handle: whatever the id that they are named by.
fn target(engine: &Engine, path: &str, names: &[String]) -> String {
    match names {
        [] => SERVER.to_owned(),
        [id] if path.starts_with(USERS) => users::handle(engine, id),
        names => names.join("/"),
    }
}

/// The log as it is told.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLog)]
pub(super) struct Log {
    /// The newest first.
    entries: Vec<Entry>,
}

/// Who changed what, by a call or by a file on the disk, the newest first.
#[utoipa::path(get, path = "/api/audit", tag = "server",
    params(("from" = Option<String>, Query, description = "From this moment or day (UTC) on", example = "2026-01-31"),
        ("to" = Option<String>, Query, description = "To this moment or day (UTC), inclusive", example = "2026-01-31T08:00:00Z"),
        ("limit" = Option<usize>, Query, description = "At most so many, to 1000; default 100", example = 20)), responses(
    (status = 200, body = Log), (status = 400, description = "A parameter cannot be read", body = Failed)))]
pub(super) async fn list(State(desk): Shared, query: Query) -> Answer {
    query.only(&["from", "to", "limit"])?;
    let from = query.get("from").map(|text| moment(text, "from", 0)).transpose()?;
    let to = query.get("to").map(|text| moment(text, "to", 1)).transpose()?;
    let limit = query.get("limit").map_or(Ok(DEFAULT_ENTRIES), |text| {
        let limit = text.parse().ok().filter(|limit| (1..=AUDIT_ENTRIES_MAX).contains(limit));
        limit.ok_or_else(|| Fail::bad_request(format!("`limit` `{text}` is no number from 1 to {AUDIT_ENTRIES_MAX}")))
    })?;
    let is_wanted = move |entry: &Entry| {
        let at = Millis::parse(&entry.time).unwrap_or_default();
        from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to)
    };
    let read = tokio::task::spawn_blocking(move || desk.engine.audit.read(limit, is_wanted)).await;
    let entries = read
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| Fail::unavailable(format!("cannot read the audit log: {error}")))?;
    Ok(reply::json(&Log { entries }))
}

/// A moment; of a day its beginning, or with `days` 1 its end.
fn moment(text: &str, name: &str, days: i32) -> Result<Millis, Fail> {
    let of_day = || {
        let start = Day::parse(text)?.plus(days).start_utc()?;
        Some(Millis(start.0 - i64::from(days)))
    };
    let read = Millis::parse(text).or_else(of_day);
    read.ok_or_else(|| Fail::bad_request(format!("`{name}` is no date like 2026-01-31, nor a time like 2026-01-31T08:00:00Z")))
}
