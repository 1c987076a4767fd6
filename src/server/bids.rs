//! The bid listener: raw hyper, one single-threaded runtime a core, `/bid/` and notices.
//!
//! One thread accepts and gives each connection to the core with the fewest. Nothing here waits for a
//! disk but a notice, whose fact is handed over. Overload is met by not reading (`valve`), then by 204;
//! trouble by 204, never 5xx.

mod body;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use tokio::sync::{mpsc, watch};

use super::bodies::{self, Manner, Packer, Reader};
use super::crowd::{Life, Open, Phase};
use super::engine::{Door, Engine};
use super::funnel::Tally;
use super::http::{self, Answer};
use super::lag::{BEAT, Lag};
use super::meters::Timing;
use super::notices;
use super::socket::{Socket, drive};
use super::valve::{Pressure, Valve};
use crate::base::id::ExchangeNo;
use crate::base::limits::{BODY_BYTES_MAX, DRAIN_MS_MAX, HEAD_BYTES_MAX, SOCKETS_PER_TURN_MAX};
use crate::base::time::Millis;
use crate::bid::{Ask, Scratch};
use crate::model::exchange::Exchange;
use crate::model::outcome::{NoBid, Outcome, Pick};
use crate::openrtb::attributes::Attributes;
use crate::openrtb::decode::{self, Memory};
use crate::openrtb::request::Opportunity;
use crate::openrtb::response::{self, Form};
use crate::track::approval;
use body::{Bodiless, body_of};

/// The version of OpenRTB that is spoken.
static VERSION: HeaderName = HeaderName::from_static("x-openrtb-version");
/// What most answers fit in.
const ANSWER_BYTES_USUAL: usize = 8 * 1024;
/// Between two looks whether a core has caught up, while all are too far behind to accept.
const BEHIND_LOOK: Duration = Duration::from_millis(1);

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
        let (load, lag) = (Arc::new(AtomicUsize::new(0)), Arc::new(Lag::new(Instant::now())));
        doors.push(CoreDoor {
            sender,
            load: load.clone(),
            lag: lag.clone(),
        });
        let engine = engine.clone();
        threads.push(
            std::thread::Builder::new()
                .name(format!("bid-{core}"))
                .spawn(move || run_core(engine, receiver, load, lag))?,
        );
    }
    let _ = engine.lags.set(doors.iter().map(|door| door.lag.clone()).collect());
    listener.set_nonblocking(true)?;
    let (engine, stop) = (engine.clone(), stop.clone());
    threads.push(
        std::thread::Builder::new()
            .name("bid-accept".into())
            .spawn(move || accept(&engine, listener, doors, stop))?,
    );
    Ok(threads)
}

type Accepted = (std::net::TcpStream, SocketAddr, Open);

/// Where a core takes connections in.
struct CoreDoor {
    sender: mpsc::UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
    lag: Arc<Lag>,
}

/// Returns once some core is behind by no more than half of what the most patient exchange waits: until then the
/// kernel keeps who wants to come.
async fn until_some_keeps_up(engine: &Engine, doors: &[CoreDoor]) {
    let is_behind = || {
        let world = engine.world.load();
        let patience = world.exchanges().map(|exchange| exchange.patience_ms(None)).max();
        let half = Duration::from_millis(u64::from(patience.unwrap_or(u32::MAX) / 2));
        let now = Instant::now();
        doors.iter().all(|door| door.lag.full(now) > half)
    };
    if is_behind() {
        metrics::counter!("winback_accepts_held_total").increment(1);
        while is_behind() {
            tokio::time::sleep(BEHIND_LOOK).await;
        }
    }
}

/// Gives each connection to the core with the fewest. On stop it empties the backlog first.
fn accept(engine: &Engine, listener: TcpListener, doors: Vec<CoreDoor>, mut stop: watch::Receiver<bool>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    let give = |stream: std::net::TcpStream, peer| {
        let fewest = doors.iter().min_by_key(|door| door.load.load(Ordering::Relaxed));
        // One that is not let in is closed.
        if let Some((door, open)) = fewest.zip(engine.crowds.bid.admit()) {
            door.load.fetch_add(1, Ordering::Relaxed);
            let _ = door.sender.send((stream, peer, open));
        }
    };
    let next = async |listener: &tokio::net::TcpListener| {
        until_some_keeps_up(engine, &doors).await;
        listener.accept().await
    };
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return;
        };
        loop {
            tokio::select! {
                accepted = next(&listener) => match accepted {
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
        engine.crowds.bid.drain();
    });
}

fn run_core(engine: Arc<Engine>, mut receiver: mpsc::UnboundedReceiver<Accepted>, load: Arc<AtomicUsize>, lag: Arc<Lag>) {
    let (parking, waking) = (lag.clone(), lag.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_io_events_per_tick(SOCKETS_PER_TURN_MAX)
        .on_thread_park(move || parking.parks(Instant::now()))
        .on_thread_unpark(move || waking.woke(Instant::now()))
        .build();
    let Ok(runtime) = runtime else { return };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        tokio::task::spawn_local(beat(lag.clone()));
        let desk = Rc::new(RefCell::new(Desk {
            tally: Tally::new(engine.state.funnels.core()),
            scratch: Scratch::default(),
            reader: Reader::default(),
            memory: Memory::default(),
            packer: Packer::default(),
        }));
        let pressure = Pressure::new(lag);
        // Ends when the acceptor has gone and dropped its sender.
        while let Some((stream, peer, life)) = receiver.recv().await {
            let (engine, desk, open) = (engine.clone(), desk.clone(), Counted(load.clone()));
            let valve = Valve::new(engine.clone(), pressure.clone());
            tokio::task::spawn_local(async move {
                connection(&engine, &desk, &valve, stream, peer, &life).await;
                drop(open);
            });
        }
        let deadline = Instant::now() + Duration::from_millis(DRAIN_MS_MAX);
        while load.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// Shows how late this core's tasks come to run.
async fn beat(lag: Arc<Lag>) {
    loop {
        let due = Instant::now() + BEAT;
        lag.beat(Instant::now(), due);
        tokio::time::sleep_until(due.into()).await;
    }
}

/// How connections are spoken to; what is measured beside this listener is spoken to likewise. Time is the crowd's.
pub fn connections() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    builder
}

/// A connection that counts for its core until it ends, however it ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(
    engine: &Engine,
    desk: &RefCell<Desk>,
    valve: &Rc<Valve>,
    stream: std::net::TcpStream,
    peer: SocketAddr,
    life: &Arc<Life>,
) {
    let prepared = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
    let Ok(stream) = prepared.and_then(|()| tokio::net::TcpStream::from_std(stream)) else {
        return;
    };
    let service = service_fn(|request| async move {
        life.enter(Phase::Served);
        let answer = handle(engine, desk, valve, life, peer, request).await;
        life.enter(Phase::Answered);
        Ok::<_, Infallible>(answer)
    });
    let served = connections().serve_connection(Socket::new(stream, life.clone(), valve.clone()), service);
    drive(life, served, |served| served.graceful_shutdown()).await;
}

async fn handle(engine: &Engine, desk: &RefCell<Desk>, valve: &Valve, life: &Life, peer: SocketAddr, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if let Some(exchange) = path.strip_prefix("/bid/") {
        if request.method() != Method::POST {
            return http::status(StatusCode::METHOD_NOT_ALLOWED);
        }
        return match asker(engine, peer, exchange, request.headers()) {
            Ok(asker) => bid(engine, desk, valve, life, asker, request).await,
            Err(answer) => *answer,
        };
    }
    if let Some((kind, token)) = path.strip_prefix("/n/").and_then(|rest| rest.split_once('/')) {
        if !matches!(*request.method(), Method::GET | Method::POST) {
            return http::status(StatusCode::METHOD_NOT_ALLOWED);
        }
        return notices::notice(engine, kind, token, request.uri().query()).await;
    }
    http::status(StatusCode::NOT_FOUND)
}

/// Who asks, and in which form; else what a request is answered whose body is not read.
fn asker(engine: &Engine, peer: SocketAddr, exchange: &str, headers: &HeaderMap) -> Result<(Arc<Exchange>, Manner), Box<Answer>> {
    let world = engine.world.load();
    let exchange = world.exchange_by_id(exchange).cloned();
    let exchange = exchange.ok_or_else(|| Box::new(http::status(StatusCode::NOT_FOUND)))?;
    if !enters(engine, &exchange, peer, headers) {
        return Err(Box::new(http::status(StatusCode::FORBIDDEN)));
    }
    let manner = bodies::manner(headers).ok_or_else(|| {
        let remedy = "send the bid request as `application/json` or `application/x-protobuf`, plain or with `content-encoding: gzip`";
        Box::new(http::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", remedy))
    })?;
    Ok((exchange, manner))
}

async fn bid(
    engine: &Engine,
    desk: &RefCell<Desk>,
    valve: &Valve,
    life: &Life,
    (exchange, manner): (Arc<Exchange>, Manner),
    request: Request<Incoming>,
) -> Answer {
    let limit = engine.settings.load().server.limits.body_kib as usize * 1024;
    let limit = limit.min(BODY_BYTES_MAX);
    valve.asked(&exchange);
    let (parts, body) = request.into_parts();
    let body = match body_of(&parts.headers, body, limit, valve.pressure(), life).await {
        Ok(body) => body,
        Err(Bodiless::Refused(status)) => return http::status(status),
        Err(Bodiless::Crowded) => {
            let Desk { scratch, tally, .. } = &mut *desk.borrow_mut();
            scratch.patience_ms = exchange.patience_ms(None);
            let outcome = refused(tally, &exchange, NoBid::Overloaded);
            count(engine, &exchange, &outcome, scratch, valve.arrived());
            return http::status(StatusCode::NO_CONTENT);
        }
    };
    let Desk {
        tally,
        scratch,
        reader,
        memory,
        packer,
    } = &mut *desk.borrow_mut();
    let says_why = parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "nbr=1"));
    // Unless it is read, and says otherwise.
    scratch.patience_ms = exchange.patience_ms(None);
    let now = Millis::wall_clock();
    let waited_ms = valve.arrived().elapsed().as_millis() as u32;
    let shed = engine.shed(&exchange, waited_ms, now);
    let body = match shed {
        // Not even unpacked.
        Some(why) if !says_why => Err(why),
        _ => reader.plain(manner, &body, limit),
    };
    let outcome = match (shed, body) {
        (Some(why), _) | (None, Err(why)) => refused(tally, &exchange, why),
        (None, Ok(body)) => {
            let ask = asked(engine, exchange.no, body, manner, now, waited_ms);
            decide(engine, scratch, tally, &ask)
        }
    };
    let mut answer = match outcome {
        Outcome::Bid { .. } => with_answer(manner, packer, scratch),
        Outcome::NoBid(why) => no_bid(why, says_why, manner, body.unwrap_or_default(), memory),
    };
    if let Some(version) = parts.headers.get(&VERSION) {
        answer.headers_mut().insert(&VERSION, version.clone());
    }
    count(engine, &exchange, &outcome, scratch, valve.arrived());
    if let Ok(body) = body {
        engine.sizes.sample(manner.form, body, memory, now);
        if let Outcome::Bid { .. } = outcome {
            name_site(engine, &scratch.picks, manner.form, body, memory);
        }
    }
    answer
}

fn asked<'b>(engine: &Engine, exchange: ExchangeNo, body: &'b [u8], manner: Manner, now: Millis, waited_ms: u32) -> Ask<'b> {
    Ask {
        exchange,
        body,
        form: manner.form,
        now,
        waited_ms,
        seed: engine.seed(exchange, now),
        barred: None,
        inert: false,
    }
}

/// What is not looked at: counted all the same.
fn refused(tally: &mut Tally, exchange: &Exchange, why: NoBid) -> Outcome {
    let outcome = Outcome::NoBid(why);
    tally.settle(exchange.no, &outcome, &[]);
    outcome
}

fn count(engine: &Engine, exchange: &Exchange, outcome: &Outcome, scratch: &Scratch, arrived: Instant) {
    let timing = Timing {
        arrived,
        answered: Instant::now(),
        patience_ms: scratch.patience_ms,
    };
    engine.meters.answered(exchange.no, outcome, &scratch.sight, timing);
}

fn decide(engine: &Engine, scratch: &mut Scratch, tally: &mut Tally, ask: &Ask<'_>) -> Outcome {
    let world = engine.world.load();
    // The last answer was given away with its memory: room for the next in one piece.
    scratch.out.reserve(ANSWER_BYTES_USUAL);
    let outcome = engine.bid(&world, *ask, scratch, tally);
    engine.samples.offer(ask, &outcome, scratch);
    if !scratch.feedback.is_empty() {
        for suspended in approval::of_feedback(&world, &engine.state, ask.exchange, &scratch.feedback, ask.now.to_secs()) {
            engine.meters.suspended(&world, &suspended);
        }
    }
    outcome
}

/// Whoever reports where an ad was shown has to have heard its name once.
fn name_site(engine: &Engine, picks: &[Pick], form: Form, body: &[u8], memory: &mut Memory) {
    let Some(_) = picks.first().filter(|pick| engine.state.sites.wants(pick.place.site)) else {
        return;
    };
    let mut request = Opportunity::default();
    if decode::read(form, body, memory, &mut request).is_ok()
        && let Some(name) = Attributes::of(&request).site()
    {
        engine.state.sites.note(name);
    }
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

fn no_bid(why: NoBid, says_why: bool, manner: Manner, body: &[u8], memory: &mut Memory) -> Answer {
    match why {
        NoBid::Malformed => http::status(StatusCode::BAD_REQUEST),
        NoBid::TooLarge => http::status(StatusCode::PAYLOAD_TOO_LARGE),
        why if says_why => spoken_no_bid(manner, body, memory, why),
        _ => http::status(StatusCode::NO_CONTENT),
    }
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
