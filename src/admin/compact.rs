//! The store of the running server written anew, so that what was erased leaves the disk.
//!
//! Answers when it is done. Bids, events and notices go on meanwhile.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::reply::{self, Answer, Fail, Failed};
use crate::server::compaction;
use crate::store::Trouble;

/// What it came to.
#[derive(Serialize, ToSchema)]
pub(super) struct Compacted {
    /// Rows of the store.
    rows: u64,
    /// Milliseconds for which nothing could be recorded.
    held_ms: u64,
}

/// Writes the store anew, so that what was erased leaves the disk; answers when it is done.
#[utoipa::path(post, path = "/api/compact", tag = "server", responses((status = 200, body = Compacted),
    (status = 409, description = "It is being done already", body = Failed),
    (status = 503, description = "It cannot be written", body = Failed)))]
pub async fn run(State(desk): Shared) -> Answer {
    let engine = desk.engine.clone();
    let done = tokio::task::spawn_blocking(move || compaction::compact(&engine)).await;
    match done {
        Ok(Ok(turned)) => Ok(reply::json(&Compacted {
            rows: turned.rows,
            held_ms: turned.held.as_millis() as u64,
        })),
        Ok(Err(trouble @ Trouble::Turning(_))) => Err(Fail::conflict(trouble.to_string())),
        Ok(Err(trouble)) => Err(Fail::unavailable(trouble.to_string())),
        Err(_) => Err(Fail::unavailable("the store could not be written anew: see the log")),
    }
}
