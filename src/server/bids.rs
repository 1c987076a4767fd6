//! The bid listener: raw hyper, one single-threaded runtime a core, `/bid/` and notices.
//!
//! One thread accepts and gives each connection to the core with the fewest. Nothing here waits for a
//! disk but a notice, whose fact is handed over. Overload and trouble are answered 204, never 5xx.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{mpsc, watch};

use super::bodies::{self, Manner, Packer, Reader};
use super::engine::{Door, Engine};
use super::funnel::Tally;
use super::http::{self, Answer};
use super::notices;
use crate::base::limits::{BODY_BYTES_MAX, DRAIN_MS_MAX};
use crate::base::time::Millis;
use crate::bid::{Ask, Scratch};
use crate::model::exchange::Exchange;
use crate::model::outcome::{NoBid, Outcome};
use crate::openrtb::decode::{self, Memory};
use crate::openrtb::request::Opportunity;
use crate::openrtb::response;
use crate::track::approval;

/// Idle connections and slow headers are closed after this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// A body that has begun must be whole within this.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What most answers fit in.
const ANSWER_BYTES_USUAL: usize = 8 * 1024;

/// What one core works with, one request after the other.
struct Desk {
    tally: Tally,
    scratch: Scratch,
    reader: Reader,
    memory: Memory,
    packer: Packer,
}

/// Starts the cores and the thread that accepts; they end when `stop` turns true and connections have
/// drained.
pub fn serve(
    engine: &Arc<Engine>,
    listener: TcpListener,
    cores: usize,
    stop: &watch::Receiver<bool>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    let mut doors = Vec::new();
    for core in 0..cores.max(1) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        doors.push((sender, load.clone()));
        let (engine, stop) = (engine.clone(), stop.clone());
        threads.push(
            std::thread::Builder::new()
                .name(format!("bid-{core}"))
                .spawn(move || run_core(engine, receiver, load, stop))?,
        );
    }
    listener.set_nonblocking(true)?;
    let stop = stop.clone();
    threads.push(
        std::thread::Builder::new()
            .name("bid-accept".into())
            .spawn(move || accept(listener, doors, stop))?,
    );
    Ok(threads)
}

type Accepted = (std::net::TcpStream, SocketAddr);
type CoreDoor = (mpsc::UnboundedSender<Accepted>, Arc<AtomicUsize>);

/// Gives each connection to the core with the fewest. On stop it empties the backlog first.
fn accept(listener: TcpListener, doors: Vec<CoreDoor>, mut stop: watch::Receiver<bool>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    let give = |stream: std::net::TcpStream, peer| {
        let fewest = doors.iter().min_by_key(|(_, load)| load.load(Ordering::Relaxed));
        if let Some((door, load)) = fewest {
            load.fetch_add(1, Ordering::Relaxed);
            let _ = door.send((stream, peer));
        }
    };
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return;
        };
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => { let _ = stream.into_std().map(|stream| give(stream, peer)); }
                    // Out of descriptors, most likely: let some be closed.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                },
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        while let Ok(Ok((stream, peer))) = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await {
            let _ = stream.into_std().map(|stream| give(stream, peer));
        }
    });
}

fn run_core(engine: Arc<Engine>, mut receiver: mpsc::UnboundedReceiver<Accepted>, load: Arc<AtomicUsize>, stop: watch::Receiver<bool>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let desk = Rc::new(RefCell::new(Desk {
            tally: Tally::new(engine.state.funnels.core()),
            scratch: Scratch::default(),
            reader: Reader::default(),
            memory: Memory::default(),
            packer: Packer::default(),
        }));
        // Ends when the acceptor has gone and dropped its sender.
        while let Some((stream, peer)) = receiver.recv().await {
            let (engine, desk, load, stop) = (engine.clone(), desk.clone(), load.clone(), stop.clone());
            tokio::task::spawn_local(async move {
                let _open = Open(load);
                connection(&engine, &desk, stream, peer, stop).await;
            });
        }
        let deadline = Instant::now() + Duration::from_millis(DRAIN_MS_MAX);
        while load.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// How connections are spoken to; what is measured beside this listener is spoken to likewise.
pub fn connections() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
}

/// A connection that counts until it ends, however it ends.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(engine: &Engine, desk: &RefCell<Desk>, stream: std::net::TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>) {
    let prepared = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
    let Ok(stream) = prepared.and_then(|()| tokio::net::TcpStream::from_std(stream)) else {
        return;
    };
    let service = service_fn(|request| async move { Ok::<_, Infallible>(handle(engine, desk, peer, request).await) });
    let served = connections().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    tokio::select! {
        // How a connection ends is the peer's business.
        _ = served.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

async fn handle(engine: &Engine, desk: &RefCell<Desk>, peer: SocketAddr, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if let Some(exchange) = path.strip_prefix("/bid/") {
        if request.method() != Method::POST {
            return http::status(StatusCode::METHOD_NOT_ALLOWED);
        }
        let exchange = exchange.to_owned();
        return bid(engine, desk, peer, &exchange, request).await;
    }
    if let Some((kind, token)) = path.strip_prefix("/n/").and_then(|rest| rest.split_once('/')) {
        if !matches!(*request.method(), Method::GET | Method::POST) {
            return http::status(StatusCode::METHOD_NOT_ALLOWED);
        }
        return notices::notice(engine, kind, token, request.uri().query()).await;
    }
    http::status(StatusCode::NOT_FOUND)
}

async fn bid(engine: &Engine, desk: &RefCell<Desk>, peer: SocketAddr, exchange: &str, request: Request<Incoming>) -> Answer {
    let arrived = Instant::now();
    let world = engine.world.load();
    let Some(exchange) = world.exchange_by_id(exchange).cloned() else {
        return http::status(StatusCode::NOT_FOUND);
    };
    drop(world);
    if !enters(engine, &exchange, peer, request.headers()) {
        return http::status(StatusCode::FORBIDDEN);
    }
    let Some(manner) = bodies::manner(request.headers()) else {
        let remedy = "send the bid request as `application/json` or `application/x-protobuf`, plain or with `content-encoding: gzip`";
        return http::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", remedy);
    };
    let limit = engine.settings.load().server.limits.body_kib as usize * 1024;
    let limit = limit.min(BODY_BYTES_MAX);
    let (parts, body) = request.into_parts();
    let body = match body_of(&parts.headers, body, limit).await {
        Ok(body) => body,
        Err(status) => return http::status(status),
    };
    let Desk {
        tally,
        scratch,
        reader,
        memory,
        packer,
    } = &mut *desk.borrow_mut();
    let body = reader.plain(manner, &body, limit);
    let outcome = match body {
        Ok(body) => decide(engine, (scratch, tally), &exchange, body, manner, arrived),
        Err(why) => {
            let outcome = Outcome::NoBid(why);
            tally.settle(exchange.no, &outcome, &[]);
            outcome
        }
    };
    let says_why = parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "nbr=1"));
    let mut answer = match outcome {
        Outcome::Bid { .. } => with_answer(manner, packer, scratch),
        Outcome::NoBid(NoBid::Malformed) => http::status(StatusCode::BAD_REQUEST),
        Outcome::NoBid(NoBid::TooLarge) => http::status(StatusCode::PAYLOAD_TOO_LARGE),
        Outcome::NoBid(why) if says_why => spoken_no_bid(manner, body.unwrap_or_default(), memory, why),
        Outcome::NoBid(_) => http::status(StatusCode::NO_CONTENT),
    };
    if let Some(version) = parts.headers.get("x-openrtb-version") {
        answer.headers_mut().insert("x-openrtb-version", version.clone());
    }
    engine
        .meters
        .answered(exchange.no, &outcome, &scratch.sight, arrived.elapsed().as_micros() as u64);
    if let Ok(body) = body {
        engine.sizes.sample(manner.form, body, memory, Millis::wall_clock());
    }
    answer
}

fn decide(
    engine: &Engine,
    (scratch, tally): (&mut Scratch, &mut Tally),
    exchange: &Exchange,
    body: &[u8],
    manner: Manner,
    arrived: Instant,
) -> Outcome {
    let world = engine.world.load();
    let now = Millis::wall_clock();
    let waited_ms = arrived.elapsed().as_millis() as u32;
    let ask = Ask {
        exchange: exchange.no,
        body,
        form: manner.form,
        now,
        waited_ms,
        seed: engine.seed(exchange.no, now),
        barred: None,
        inert: false,
    };
    // The last answer was given away with its memory: room for the next in one piece.
    scratch.out.reserve(ANSWER_BYTES_USUAL);
    let outcome = engine.bid(&world, ask, scratch, tally);
    if !scratch.feedback.is_empty() {
        for suspended in approval::of_feedback(&world, &engine.state, exchange.no, &scratch.feedback, now.to_secs()) {
            engine.meters.suspended(&world, &suspended);
        }
    }
    outcome
}

/// The answer made, packed where that is asked for and worth it.
fn with_answer(manner: Manner, packer: &mut Packer, scratch: &mut Scratch) -> Answer {
    let (bytes, packed) = packer.answer(manner, &mut scratch.out);
    let mut answer = http::with_body(StatusCode::OK, manner.content_type, bytes);
    if packed {
        answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

/// `?nbr=1`: 200 with the reason in place of 204.
fn spoken_no_bid(manner: Manner, body: &[u8], memory: &mut Memory, why: NoBid) -> Answer {
    let (mut out, mut request) = (BytesMut::new(), Opportunity::default());
    let read = decode::read(manner.form, body, memory, &mut request);
    let id = read.map(|()| request.id).unwrap_or_default();
    response::no_bid(manner.form, id, u32::from(why.nbr()), &mut out);
    http::with_body(StatusCode::OK, manner.content_type, out)
}

fn enters(engine: &Engine, exchange: &Exchange, peer: SocketAddr, headers: &HeaderMap) -> bool {
    let settings = engine.settings.load();
    let Some(Some(door)) = settings.doors.get(usize::from(exchange.no.0)) else {
        return false;
    };
    let Door { header, .. } = door;
    let value = header
        .as_ref()
        .and_then(|(name, _)| headers.get(name.as_str()))
        .map(HeaderValue::as_bytes);
    door.admits(http::caller(peer, headers, &settings.server.trusted_proxies), value)
}

async fn body_of(headers: &HeaderMap, body: Incoming, limit: usize) -> Result<Bytes, StatusCode> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}
