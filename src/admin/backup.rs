//! A backup of the running server, as one stream (`store::backup`).
//!
//! The store goes on meanwhile: what is committed after the call began is not in it. A stream that
//! breaks off lacks its end, and is not taken for a backup.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Shared;
use super::reply::{Answer, Fail, Failed};
use super::stream;
use crate::store::backup;

/// All that the server knows, as one stream: what `winback restore` takes. One that breaks off lacks its end.
#[utoipa::path(post, path = "/api/backup", tag = "server", responses(
    (status = 200, description = "Its frames", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 503, description = "The keys cannot be read", body = Failed)))]
pub async fn take(State(desk): Shared) -> Answer {
    let engine = desk.engine.clone();
    let server = engine.settings.load().server.clone();
    let keys = backup::keys(&server.data_dir, &server.seal_keys_dir);
    let keys = keys.map_err(|error| Fail::unavailable(format!("cannot read the keys: {error}")))?;
    let body = stream::body("backup", move |pipe| backup::write(&engine.store, &keys, pipe).map(drop));
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body).into_response())
}
