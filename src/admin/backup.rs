//! A backup of the running server, as one stream (`store::backup`).
//!
//! The store goes on meanwhile: what is committed after the call began is not in it. A stream that
//! breaks off lacks its end, and is not taken for a backup.

use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Shared;
use super::reply::{Answer, Fail, Failed};
use crate::store::backup;

/// Parts of the stream that wait to be sent.
const WAITING_MAX: usize = 8;

/// All that the server knows, as one stream: what `winback restore` takes. One that breaks off lacks its end.
#[utoipa::path(post, path = "/api/backup", tag = "server", responses(
    (status = 200, description = "Its frames", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 503, description = "The keys cannot be read", body = Failed)))]
pub async fn take(State(desk): Shared) -> Answer {
    let engine = desk.engine.clone();
    let server = engine.settings.load().server.clone();
    let keys = backup::keys(&server.data_dir, &server.seal_keys_dir);
    let keys = keys.map_err(|error| Fail::unavailable(format!("cannot read the keys: {error}")))?;
    let (sender, receiver) = channel(WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe(sender);
        if let Err(error) = backup::write(&engine.store, &keys, &mut pipe) {
            tracing::warn!("the backup broke off: {error}");
            // Whoever listens hears that it is not whole.
            let _ = pipe.0.blocking_send(Err(error));
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::new(Stream(receiver))).into_response())
}

/// The end that is written to, from a thread that may wait.
struct Pipe(Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end that is sent.
struct Stream(Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data)))
    }
}
