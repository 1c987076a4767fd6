//! An answer that is written while it is sent, by a thread that may wait: as much of it is in memory as waits to be
//! sent.

use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Parts of the stream that wait to be sent.
const WAITING_MAX: usize = 8;

/// A body that `write` makes on a thread of its own. Where it fails the stream breaks off, so that whoever listens
/// hears that it is not whole; `what` is for the log.
pub fn body(what: &'static str, write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Body {
    let (sender, receiver) = channel(WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe(sender);
        if let Err(error) = write(&mut pipe) {
            tracing::warn!("the {what} broke off: {error}");
            let _ = pipe.0.blocking_send(Err(error));
        }
    });
    Body::new(Stream(receiver))
}

/// The end that is written to.
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
