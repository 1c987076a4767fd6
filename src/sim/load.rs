//! Open-loop load: requests are sent when they are due, whatever the server does meanwhile.
//!
//! Assumes one current-thread runtime with a local task set of its own. Arrivals come at a constant rate
//! and are never skipped: one that finds every connection busy waits, and over a bound it is counted as
//! unsent. Latency counts from when a request was due. With [`Rate::Max`] the loop is closed, and the
//! report says so. Never believes itself: what the generator's own core did is in the report.

mod plot;
mod report;
mod series;
mod tally;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local, yield_now};
use tokio::time::{Sleep, sleep};

use super::business::Business;
use super::traffic::{Asked, Traffic, decimal};
use tally::{Core, Tally, bids_in, micros};
use wire::{Reply, Wire};

pub use plot::{Run as PlottedRun, page as plot};
pub use report::{Latency, Report};

/// Between two arrivals that wait at least: the timer wakes to the millisecond, so the rest is spun.
const SPIN: Duration = Duration::from_micros(1_500);
/// One look at the clock and at the sockets, at most.
const SPIN_ONCE_MAX: Duration = Duration::from_micros(10);
/// Arrivals that may wait for a connection, at least; else as many as come in one timeout.
const QUEUE_LEAST: usize = 1_000;
/// And at most, whatever the rate.
const QUEUE_MOST: usize = 100_000;
/// After a connection that broke, so that a server that is gone is not hammered.
const AFTER_ERROR: Duration = Duration::from_millis(20);

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many a second, evenly spaced.
    Constant(f64),
    /// As fast as the connections allow: each sends when it has its answer.
    Max,
}

/// What is sent.
#[derive(Debug)]
pub enum Source {
    /// Generated.
    Traffic(Box<Traffic>),
    /// Recorded bodies, in a cycle.
    Recorded(Vec<Vec<u8>>),
}

/// A load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where it goes.
    pub address: SocketAddr,
    /// The `Host` it is for.
    pub authority: String,
    /// The path, `/bid/{exchange}`.
    pub path: String,
    /// Header names and values besides the usual ones.
    pub headers: Vec<(String, String)>,
    /// How fast.
    pub rate: Rate,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Not counted.
    pub warmup: Duration,
    /// Counted.
    pub measured: Duration,
    /// An answer that takes longer is none, counted from sending; one that comes later than this after it was due is
    /// late.
    pub timeout: Duration,
    /// A request that finds no free connection for longer is not sent.
    pub wait: Duration,
    /// Says each second on standard error how it goes.
    pub progress: bool,
    /// Keeps status and length of every answer.
    pub record: bool,
}

/// A request that is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    counts: bool,
}

/// A run under way.
struct Run {
    load: Load,
    head: Vec<u8>,
    source: RefCell<Source>,
    business: Option<Rc<Business>>,
    start: Instant,
    /// The warm-up's end.
    begin: Instant,
    end: Instant,
    queue: RefCell<VecDeque<Due>>,
    queue_max: usize,
    wake: Notify,
    is_over: Cell<bool>,
    composed: Cell<usize>,
    /// Moves whenever a connection did something.
    stirred: Cell<u64>,
    spun: Cell<Duration>,
    tally: RefCell<Tally>,
    answers: RefCell<Vec<(u16, usize)>>,
}

/// What the generator's own thread did while it was measured.
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    core: Core,
    /// On the core with nothing to do but to wait for the next arrival.
    spun: Duration,
    wall: Duration,
}

/// Runs a load to its end. Answers with bids are handed to `business`, those of the warm-up too.
pub async fn load(load: Load, source: Source, business: Option<Rc<Business>>) -> Result<Report, String> {
    let run = Rc::new(Run::new(load, source, business)?);
    let lanes: Vec<JoinHandle<()>> = (0..run.load.connections.max(1)).map(|_| spawn_local(lane(run.clone()))).collect();
    let progress = run.load.progress.then(|| spawn_local(progress(run.clone())));
    let own = match run.load.rate {
        Rate::Max => watch(&run).await,
        Rate::Constant(rate) => pace(&run, rate).await,
    };
    run.is_over.set(true);
    run.wake.notify_waiters();
    for lane in lanes {
        lane.await.map_err(|fault| format!("a connection's task ended early: {fault}"))?;
    }
    if let Some(progress) = progress {
        progress.abort();
    }
    let left = run.queue.borrow().iter().filter(|due| due.counts).count();
    run.tally.borrow_mut().unsent += left as u64;
    let answers = run.answers.take();
    Ok(Report::of(&run.load, &run.tally.borrow(), own, answers))
}

/// Closed loop: the connections drive themselves. The core is kept awake meanwhile, or the server would pay
/// for waking it with every answer.
async fn watch(run: &Run) -> Own {
    while Instant::now() < run.begin {
        spin(run, Instant::now()).await;
    }
    run.spun.set(Duration::ZERO);
    let (core, from) = (Core::now(), Instant::now());
    while Instant::now() < run.end {
        spin(run, Instant::now()).await;
    }
    Own {
        core: Core::now().since(core),
        spun: run.spun.get(),
        wall: from.elapsed(),
    }
}

/// Lets everybody else go on, and notes the time where nobody had anything to do.
async fn spin(run: &Run, now: Instant) {
    let stirred = run.stirred.get();
    yield_now().await;
    if run.stirred.get() == stirred {
        // Longer, and others had the core meanwhile: that is not ours to subtract.
        run.spun.set(run.spun.get() + now.elapsed().min(SPIN_ONCE_MAX));
    }
}

/// Open loop: releases each arrival when it is due.
async fn pace(run: &Run, rate: f64) -> Own {
    let mut due = run.start;
    let mut measured: Option<(Core, Instant)> = None;
    let mut released: u64 = 0;
    while due < run.end {
        let now = Instant::now();
        if measured.is_none() && now >= run.begin {
            measured = Some((Core::now(), now));
            run.spun.set(Duration::ZERO);
        }
        let wait = due.saturating_duration_since(now);
        if wait.is_zero() {
            run.release(due, now);
            released += 1;
            // By multiplication: a sum of rounded gaps would drift.
            due = run.start + Duration::from_secs_f64(released as f64 / rate);
        } else if wait > SPIN {
            sleep(wait - SPIN).await;
        } else {
            spin(run, now).await;
        }
    }
    sleep(run.end.saturating_duration_since(Instant::now())).await;
    let (core, from) = measured.unwrap_or_else(|| (Core::now(), Instant::now()));
    Own {
        core: Core::now().since(core),
        spun: run.spun.get(),
        wall: from.elapsed(),
    }
}

impl Run {
    fn new(load: Load, source: Source, business: Option<Rc<Business>>) -> Result<Run, String> {
        let start = Instant::now();
        let begin = start + load.warmup;
        let queue_max = match load.rate {
            Rate::Constant(rate) => ((rate * load.timeout.as_secs_f64()) as usize).clamp(QUEUE_LEAST, QUEUE_MOST),
            Rate::Max => 0,
        };
        Ok(Run {
            head: head(&load),
            source: source.into(),
            business,
            start,
            begin,
            end: begin + load.measured,
            queue: RefCell::default(),
            queue_max,
            wake: Notify::new(),
            is_over: Cell::new(false),
            composed: Cell::new(0),
            stirred: Cell::new(0),
            spun: Cell::new(Duration::ZERO),
            tally: RefCell::new(Tally::new(begin, load.measured)?),
            answers: RefCell::default(),
            load,
        })
    }

    /// Lets an arrival in: the next free connection takes it.
    fn release(&self, at: Instant, now: Instant) {
        let counts = at >= self.begin;
        let mut queue = self.queue.borrow_mut();
        if queue.len() < self.queue_max {
            queue.push_back(Due { at, counts });
            self.wake.notify_one();
        } else if counts {
            self.tally.borrow_mut().unsent += 1;
        }
        if counts {
            let lag = micros(now.saturating_duration_since(at));
            self.tally.borrow_mut().lag.saturating_record(lag);
        }
    }

    /// The next request that is due; `None` at the end.
    async fn next(&self) -> Option<Due> {
        loop {
            self.stirred.set(self.stirred.get() + 1);
            if self.load.rate == Rate::Max {
                let at = Instant::now();
                let counts = at >= self.begin;
                return (at < self.end).then_some(Due { at, counts });
            }
            // What still waits at the end is sent, but not for longer than anybody waits for an answer.
            if self.is_over.get() && self.end.elapsed() > self.load.timeout {
                return None;
            }
            let due = self.queue.borrow_mut().pop_front();
            if let Some(Due { at, counts }) = due
                && at.elapsed() > self.load.wait
            {
                self.tally.borrow_mut().unsent += u64::from(counts);
                continue;
            }
            if due.is_some() || self.is_over.get() {
                return due;
            }
            self.wake.notified().await;
        }
    }

    /// Writes the next request; its place in the order of arrivals, and what to remember of it.
    fn compose(&self, body: &mut Vec<u8>, request: &mut Vec<u8>) -> (usize, Option<Asked>) {
        let index = self.composed.get();
        self.composed.set(index + 1);
        let mut source = self.source.borrow_mut();
        let (text, asked) = match &mut *source {
            Source::Traffic(traffic) => {
                let asked = traffic.write_next(body);
                (body.as_slice(), Some(asked))
            }
            Source::Recorded(bodies) => (bodies.get(index % bodies.len().max(1)).map_or(&[] as &[u8], Vec::as_slice), None),
        };
        request.clear();
        request.extend_from_slice(&self.head);
        decimal(request, text.len() as u64);
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(text);
        (index, asked)
    }

    fn answered(&self, due: Due, index: usize, reply: &Reply, body: &[u8], asked: Option<&Asked>) {
        let now = Instant::now();
        let bids = if reply.status == 200 { bids_in(body) } else { 0 };
        {
            let mut tally = self.tally.borrow_mut();
            tally.ever += 1;
            tally.in_window += u64::from(now >= self.begin && now < self.end);
            if due.counts {
                tally.took(due.at, now);
                tally.answer(reply.status, bids, reply.bytes);
                tally.in_time(bids, now.saturating_duration_since(due.at), self.load.timeout);
            }
        }
        if self.load.record {
            self.keep(index, (reply.status, body.len()));
        }
        if let (Some(business), Some(asked)) = (&self.business, asked)
            && reply.status == 200
        {
            business.answered(asked, body, bids, now);
        }
    }

    /// Remembers an answer; `0 0` stands for those that never came.
    fn keep(&self, index: usize, answer: (u16, usize)) {
        let mut answers = self.answers.borrow_mut();
        if answers.len() <= index {
            answers.resize(index + 1, (0, 0));
        }
        answers[index] = answer;
    }
}

/// The head of every request, up to the number of its body's bytes.
fn head(load: &Load) -> Vec<u8> {
    let mut head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", load.path, load.authority);
    for (name, value) in [("Content-Type", "application/json"), ("x-openrtb-version", "2.6")] {
        if !load.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    for (name, value) in &load.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("Content-Length: ");
    head.into_bytes()
}

/// One connection: takes what is due, one request at a time.
async fn lane(run: Rc<Run>) {
    let mut wire = Wire::new(run.load.address);
    let mut alarm = Alarm::new(run.load.timeout);
    let (mut body, mut request) = (Vec::new(), Vec::new());
    while let Some(due) = run.next().await {
        let (index, asked) = run.compose(&mut body, &mut request);
        if due.counts {
            run.tally.borrow_mut().bytes_sent += request.len() as u64;
        }
        let outcome = alarm.limit(wire.call(&request)).await;
        run.stirred.set(run.stirred.get() + 1);
        match outcome {
            Some(Ok(reply)) => run.answered(due, index, &reply, wire.body(&reply), asked.as_ref()),
            Some(Err(fault)) => {
                if due.counts {
                    run.tally.borrow_mut().error(&fault);
                }
                sleep(AFTER_ERROR).await;
            }
            None => {
                wire.close();
                if due.counts {
                    let mut tally = run.tally.borrow_mut();
                    tally.timeouts += 1;
                    tally.took(due.at, Instant::now());
                }
            }
        }
    }
}

/// A time limit for one call after another, with one timer: it is moved only when it rings, not for
/// every call.
struct Alarm {
    after: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    fn new(after: Duration) -> Alarm {
        Alarm {
            after,
            sleep: Box::pin(sleep(after)),
        }
    }

    /// What comes of a future; `None` where it took too long.
    async fn limit<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let deadline = Instant::now() + self.after;
        let mut future = pin!(future);
        let sleep = &mut self.sleep;
        poll_fn(|context| {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            while sleep.as_mut().poll(context).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(None);
                }
                sleep.as_mut().reset(deadline.into());
            }
            Poll::Pending
        })
        .await
    }
}

/// A line each second on standard error.
async fn progress(run: Rc<Run>) {
    let mut before = 0;
    loop {
        sleep(Duration::from_secs(1)).await;
        let tally = run.tally.borrow();
        eprintln!(
            "{:4} s{}: {}/s answered, {} waiting, {} bids, {} errors, {} timeouts, {} unsent, p99 {} us",
            run.start.elapsed().as_secs(),
            if Instant::now() < run.begin { " (warm-up)" } else { "" },
            tally.ever - before,
            run.queue.borrow().len(),
            tally.bids,
            tally.errors,
            tally.timeouts,
            tally.unsent,
            tally.latency_us(0.99)
        );
        before = tally.ever;
    }
}

#[cfg(test)]
mod tests;
