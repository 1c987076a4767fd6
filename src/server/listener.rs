//! A listener of axum's routes, for browsers, shops and people: the same crowd as the bid listener's, so that
//! neither slow nor silent nor too many callers take its memory or its time.
//!
//! Bodies are taken in within bounds, one by one and all together. Knows no route.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use super::crowd::{Crowd, LOOK, Life, Open, Phase};
use super::engine::Engine;
use super::http;
use super::socket::{AlwaysOpen, Socket, drive};
use crate::base::limits::{EVENTS_BODIES_BYTES_MAX, EVENTS_BODY_BYTES_MAX, FILES_MIN, HEAD_BYTES_MAX};

/// After a connection that could not be accepted.
const AFTER_ERROR: Duration = Duration::from_millis(5);
/// Between two looks whether all connections have ended.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// Raises the number of files that this process may have open as far as it may; what is left of it for
/// connections.
pub fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: maximum, maximum };
    // Where it may not, what there is has to do.
    let _ = setrlimit(Resource::Nofile, wanted);
    let current = getrlimit(Resource::Nofile).current;
    let files = current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    files.saturating_sub(FILES_MIN).max(FILES_MIN)
}

/// Looks over all connections now and then, with the bounds of the running config, for as long as the runtime
/// lives.
pub async fn look(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(LOOK);
    loop {
        let now = tick.tick().await.into_std();
        engine.crowds.bound(&engine.settings.load().server.limits);
        engine.crowds.all().iter().for_each(|crowd| crowd.look(now));
    }
}

/// Serves routes until `stop` turns true and connections have ended.
pub fn serve(
    runtime: &tokio::runtime::Runtime,
    listener: TcpListener,
    router: axum::Router,
    crowd: Arc<Crowd>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    listener.set_nonblocking(true)?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let room = Arc::new(Semaphore::new(EVENTS_BODIES_BYTES_MAX));
    Ok(runtime.spawn(async move {
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    // One that is not let in is closed.
                    Ok((stream, peer)) => if let Some(open) = crowd.admit() {
                        tokio::spawn(connection(stream, peer, open, router.clone(), room.clone()));
                    },
                    // Out of descriptors, most likely: let some be closed.
                    Err(_) => tokio::time::sleep(AFTER_ERROR).await,
                },
                () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
            }
        }
        drop(listener);
        crowd.drain();
        while crowd.open() > 0 {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }))
}

async fn connection(stream: tokio::net::TcpStream, peer: SocketAddr, open: Open, router: axum::Router, room: Arc<Semaphore>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let life: &Arc<Life> = &open;
    let routes = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        life.enter(Phase::Served);
        request.extensions_mut().insert(ConnectInfo(peer));
        let admitted = admit(request, life, &room).map(|request| routes.call(request));
        async move {
            let answer = match admitted {
                Some(answer) => answer.await?,
                None => no_room(),
            };
            life.enter(Phase::Answered);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let served = builder.serve_connection(Socket::new(stream, life.clone(), AlwaysOpen), service);
    drive(life, served, |served| served.graceful_shutdown()).await;
}

/// A request with a body that is watched; none where there is no room for it.
fn admit(request: Request<Incoming>, life: &Arc<Life>, room: &Arc<Semaphore>) -> Option<Request<Body>> {
    let hint = request.body().size_hint();
    // One of unknown length may become as long as any; one that is too long is refused before it is read.
    let announced = hint
        .upper()
        .unwrap_or(EVENTS_BODY_BYTES_MAX as u64)
        .min(EVENTS_BODY_BYTES_MAX as u64) as u32;
    let taken = room.clone().try_acquire_many_owned(announced).ok()?;
    Some(request.map(|body| {
        Body::new(Watched {
            body,
            life: life.clone(),
            _taken: taken,
        })
    }))
}

fn no_room() -> Response<Body> {
    metrics::counter!("winback_bodies_refused_total").increment(1);
    let problem = "too many bodies are being received: send it again later";
    let mut answer = http::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", problem).map(Body::new);
    let headers = answer.headers_mut();
    headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    answer
}

/// A body whose connection waits for it, and does not once it is here.
struct Watched {
    body: Incoming,
    life: Arc<Life>,
    _taken: OwnedSemaphorePermit,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let is_waited_for = match &frame {
            Poll::Pending => true,
            Poll::Ready(Some(Ok(_))) => !self.body.is_end_stream(),
            Poll::Ready(_) => false,
        };
        let phase = if is_waited_for { Phase::Body } else { Phase::Served };
        if self.life.phase() != phase {
            self.life.enter(phase);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
