//! A connection's socket as hyper reads and writes it: notes what it does for whoever looks after the crowd,
//! and reads no request before its gate is open.
//!
//! A gate that is shut is how a bidder says that it has enough: nothing is read, so the kernel's buffer fills
//! and the peer has to wait. Looks at no byte.

use std::future::poll_fn;
use std::io::{IoSlice, Result};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::crowd::{End, Life, Phase, Told};

/// What decides whether the next request is read.
pub trait Gate {
    /// The last answer is on its way: the next request may come.
    fn answered(&self) {}
    /// Whether it may be read.
    fn poll_open(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
    /// It may, and there is none.
    fn nothing_came(&self) {}
    /// Its first bytes are here.
    fn began(&self) {}
}

/// Always open.
#[derive(Clone, Copy, Debug)]
pub struct AlwaysOpen;

impl Gate for AlwaysOpen {}

/// A socket with its life and its gate.
#[derive(Debug)]
pub struct Socket<G> {
    stream: TokioIo<TcpStream>,
    life: Arc<Life>,
    gate: G,
}

impl<G> Socket<G> {
    /// Of a connection that was let in.
    pub fn new(stream: TcpStream, life: Arc<Life>, gate: G) -> Socket<G> {
        Socket {
            stream: TokioIo::new(stream),
            life,
            gate,
        }
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.life.blocked(written.is_pending());
        written
    }
}

impl<G: Gate + Unpin> Read for Socket<G> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        if this.life.phase() == Phase::Answered {
            this.life.enter(Phase::Idle);
            this.gate.answered();
        }
        let is_between = this.life.phase() == Phase::Idle;
        if is_between {
            ready!(this.gate.poll_open(context));
        }
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        match (is_between, read.is_ready()) {
            (true, true) => {
                this.life.enter(Phase::Head);
                this.gate.began();
            }
            (true, false) => this.gate.nothing_came(),
            (false, true) => this.life.moved(),
            (false, false) => {}
        }
        read
    }
}

impl<G: Gate + Unpin> Write for Socket<G> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Drives a connection until it ends by itself or is told to; `shut` lets it end after the present answer.
pub async fn drive<C: Future<Output = hyper::Result<()>>>(life: &Life, connection: C, shut: fn(Pin<&mut C>)) {
    let mut connection = pin!(connection);
    let mut drains = false;
    let ended = poll_fn(|context| {
        match life.told(context) {
            Told::Nothing => {}
            Told::Drain if drains => {}
            Told::Drain => {
                drains = true;
                shut(connection.as_mut());
            }
            Told::Close => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(context)
    });
    // How else it ends is the peer's business.
    match ended.await {
        Err(fault) if fault.is_parse_too_large() => life.ended(End::LongHead),
        Err(fault) if fault.is_parse() => life.ended(End::Unreadable),
        _ => {}
    }
}
