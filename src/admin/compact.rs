//! The store of the running server written anew, so that what was erased leaves the disk.
//!
//! Answers when it is done. Bids, events and notices go on meanwhile.

use axum::extract::State;
use serde_json::json;

use super::Shared;
use super::reply::{self, Answer, Fail};
use crate::server::compaction;
use crate::store::Trouble;

/// `POST /api/compact`: how many rows there are, and for how many milliseconds nothing could be recorded.
pub async fn run(State(desk): Shared) -> Answer {
    let engine = desk.engine.clone();
    let done = tokio::task::spawn_blocking(move || compaction::compact(&engine)).await;
    match done {
        Ok(Ok(turned)) => Ok(reply::json(
            &json!({"rows": turned.rows, "held_ms": turned.held.as_millis() as u64}),
        )),
        Ok(Err(trouble @ Trouble::Turning(_))) => Err(Fail::conflict(trouble.to_string())),
        Ok(Err(trouble)) => Err(Fail::unavailable(trouble.to_string())),
        Err(_) => Err(Fail::unavailable("the store could not be written anew: see the log")),
    }
}
