//! The connections of one listener: how many there may be, how long each may take over what, and who gives
//! way when there are too many.
//!
//! A connection notes what it does, which costs it a store; one thread looks over all of them now and then, so
//! that no request arms a timer. Told to close, a connection ends at once; told to drain, after its answer.
//! Never looks at what is sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, counter, gauge};
use parking_lot::Mutex;

use crate::base::limits::{ADMIN_CONNECTIONS_MAX, EVENTS_BODY_MS_MAX, GIVING_WAY_AMONG};
use crate::config::server::Limits;

/// Between two looks over all of them.
pub const LOOK: Duration = Duration::from_millis(250);
/// So many are looked at under one lock.
const SHARDS: usize = 16;

macro_rules! ends {
    ($($name:ident $label:literal $sentence:literal),+ $(,)?) => {
        /// Why a connection was ended that its peer had not ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum End {
            $(#[doc = $sentence] $name),+
        }

        impl End {
            /// All of them.
            pub const ALL: &'static [End] = &[$(End::$name),+];

            /// The metric label.
            pub const fn label(self) -> &'static str {
                match self { $(End::$name => $label),+ }
            }
        }
    };
}

ends! {
    Idle "idle" "It said nothing for `limits.idle_s`.",
    SlowHead "slow_head" "Its request had begun, and its head was not whole in time.",
    SlowBody "slow_body" "The body of its request did not come in time.",
    SlowReader "slow_reader" "It did not take its answer.",
    GaveWay "gave_way" "It was idle, and others came.",
    LongHead "long_head" "The head of its request was too long: answered 431 or 414.",
    Unreadable "unreadable" "What it sent is no HTTP.",
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing: no byte of a request is here.
    Idle,
    /// A request's first bytes are here, not all of its head.
    Head,
    /// The rest of its body is waited for.
    Body,
    /// It is being answered.
    Served,
    /// The answer is made, and written but for what is blocked; nothing was read since.
    Answered,
}

impl Phase {
    const ALL: [Phase; 5] = [Phase::Idle, Phase::Head, Phase::Body, Phase::Served, Phase::Answered];
}

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Go on.
    Nothing,
    /// End after the present answer.
    Drain,
    /// End.
    Close,
}

/// One connection.
#[derive(Debug)]
pub struct Life {
    crowd: Arc<Crowd>,
    no: u64,
    phase: AtomicU8,
    /// When the phase began, on the crowd's clock.
    since: AtomicU64,
    /// When a byte of it came last.
    moved: AtomicU64,
    /// Since when bytes of an answer have been waiting for the peer; 0 where none are.
    blocked: AtomicU64,
    told: AtomicU8,
    /// Whether it is one of those that are open: until it ends, or is told to.
    counts: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Life {
    /// What it is doing.
    pub fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed))]
    }

    /// It begins something.
    pub fn enter(&self, phase: Phase) {
        let now = self.crowd.clock();
        self.phase.store(phase as u8, Relaxed);
        self.since.store(now, Relaxed);
        self.moved.store(now, Relaxed);
    }

    /// A byte came.
    pub fn moved(&self) {
        self.moved.store(self.crowd.clock(), Relaxed);
    }

    /// Whether bytes of an answer wait for the peer.
    pub fn blocked(&self, is_blocked: bool) {
        let before = self.blocked.load(Relaxed);
        if is_blocked != (before != 0) {
            let since = if is_blocked { self.crowd.clock().max(1) } else { 0 };
            self.blocked.store(since, Relaxed);
        }
    }

    /// What it has been told. The first call says whom to wake when that changes.
    pub fn told(&self, context: &Context<'_>) -> Told {
        if self.waker.get().is_none() {
            // A connection is a task of its own, whose waker stays the same.
            let _ = self.waker.set(context.waker().clone());
        }
        match self.told.load(Relaxed) {
            0 => Told::Nothing,
            1 => Told::Drain,
            _ => Told::Close,
        }
    }

    fn tell(&self, what: Told) {
        self.told.fetch_max(what as u8, Relaxed);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// It has been ended for a reason.
    pub fn ended(&self, why: End) {
        self.crowd.count(why);
    }

    /// Ends it for a reason, unless it has been told to end.
    fn end(&self, why: End) {
        if self.told.load(Relaxed) < Told::Close as u8 {
            self.ended(why);
            self.uncount();
            self.tell(Told::Close);
        }
    }

    fn uncount(&self) {
        if self.counts.swap(false, Relaxed) {
            self.crowd.open.fetch_sub(1, Relaxed);
        }
    }

    /// Why it has taken too long, if it has.
    fn overdue(&self, bounds: Bounds, now: u64) -> Option<End> {
        let after = |since: &AtomicU64| now.saturating_sub(since.load(Relaxed));
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 && now.saturating_sub(blocked) > bounds.stall_ms {
            return Some(End::SlowReader);
        }
        match self.phase() {
            Phase::Idle | Phase::Answered => (after(&self.since) > bounds.idle_ms).then_some(End::Idle),
            Phase::Head => (after(&self.since) > bounds.stall_ms).then_some(End::SlowHead),
            Phase::Body => {
                let stalls = after(&self.moved) > bounds.stall_ms || after(&self.since) > EVENTS_BODY_MS_MAX;
                stalls.then_some(End::SlowBody)
            }
            Phase::Served => None,
        }
    }
}

/// A connection that counts until it ends, however it ends.
#[derive(Debug)]
pub struct Open(Arc<Life>);

impl std::ops::Deref for Open {
    type Target = Arc<Life>;

    fn deref(&self) -> &Arc<Life> {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Life { crowd, no, .. } = &*self.0;
        self.0.uncount();
        // Freed without the lock.
        let _own = crowd.shard(*no).lock().remove(no);
    }
}

/// How many, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections.
    pub most: usize,
    /// Without a byte between requests.
    pub idle_ms: u64,
    /// For a head to be whole, and without a byte in the midst of a body or an answer.
    pub stall_ms: u64,
}

type Shard = Mutex<HashMap<u64, Arc<Life>>>;

/// The crowds of all listeners.
#[derive(Debug)]
pub struct Crowds {
    /// Of the bid listener.
    pub bid: Arc<Crowd>,
    /// Of the public one.
    pub public: Arc<Crowd>,
    /// Of the admin one.
    pub admin: Arc<Crowd>,
    descriptors: usize,
}

impl Crowds {
    /// With so many file descriptors for all of them together.
    pub fn new(limits: &Limits, descriptors: usize) -> Crowds {
        let [bid, public, admin] = Crowds::bounds(limits, descriptors);
        Crowds {
            bid: Crowd::new("bid", bid),
            public: Crowd::new("public", public),
            admin: Crowd::new("admin", admin),
            descriptors,
        }
    }

    fn bounds(limits: &Limits, descriptors: usize) -> [Bounds; 3] {
        let configured = limits.connections as usize;
        // What each may have of the descriptors, where those are few: in twentieths, together all of them.
        let share = |twentieths: usize, most: usize| most.min(descriptors / 20 * twentieths).max(1);
        let most = [share(15, configured), share(4, configured), share(1, ADMIN_CONNECTIONS_MAX)];
        most.map(|most| Bounds {
            most,
            idle_ms: u64::from(limits.idle_s) * 1_000,
            stall_ms: u64::from(limits.stall_ms),
        })
    }

    /// Sets the bounds of a config.
    pub fn bound(&self, limits: &Limits) {
        for (crowd, bounds) in self.all().iter().zip(Crowds::bounds(limits, self.descriptors)) {
            *crowd.bounds.lock() = bounds;
        }
    }

    /// How many connections there may be on the bid listener.
    pub fn most_bidding(&self) -> usize {
        self.bid.bounds.lock().most
    }

    /// All of them.
    pub fn all(&self) -> [&Arc<Crowd>; 3] {
        [&self.bid, &self.public, &self.admin]
    }
}

/// The connections of a listener.
#[derive(Debug)]
pub struct Crowd {
    began: Instant,
    /// Milliseconds since then, as of the last look.
    now: AtomicU64,
    bounds: Mutex<Bounds>,
    shards: [Shard; SHARDS],
    open: AtomicUsize,
    next: AtomicU64,
    drains: AtomicBool,
    ended: Vec<Counter>,
    refused: Counter,
    connections: Gauge,
}

impl Crowd {
    /// Of the listener of that name.
    pub fn new(listener: &'static str, bounds: Bounds) -> Arc<Crowd> {
        let ended = |end: &End| counter!("winback_connections_ended_total", "listener" => listener, "why" => end.label());
        Arc::new(Crowd {
            began: Instant::now(),
            now: AtomicU64::new(0),
            bounds: Mutex::new(bounds),
            shards: Default::default(),
            open: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            drains: AtomicBool::new(false),
            ended: End::ALL.iter().map(ended).collect(),
            refused: counter!("winback_connections_refused_total", "listener" => listener),
            connections: gauge!("winback_connections", "listener" => listener),
        })
    }

    fn clock(&self) -> u64 {
        self.now.load(Relaxed)
    }

    fn shard(&self, no: u64) -> &Shard {
        &self.shards[no as usize % SHARDS]
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    fn count(&self, why: End) {
        self.ended[why as usize].increment(1);
    }

    /// Lets one in, if need be in the place of one that has long been idle; none where all are busy.
    pub fn admit(self: &Arc<Crowd>) -> Option<Open> {
        if self.open() >= self.bounds.lock().most && !self.make_room() {
            self.refused.increment(1);
            return None;
        }
        self.open.fetch_add(1, Relaxed);
        let no = self.next.fetch_add(1, Relaxed);
        let now = self.clock();
        let life = Arc::new(Life {
            crowd: self.clone(),
            no,
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU64::new(now),
            moved: AtomicU64::new(now),
            blocked: AtomicU64::new(0),
            told: AtomicU8::new(if self.drains.load(Relaxed) { Told::Drain } else { Told::Nothing } as u8),
            counts: AtomicBool::new(true),
            waker: OnceLock::new(),
        });
        self.shard(no).lock().insert(no, life.clone());
        Some(Open(life))
    }

    /// Ends one that is idle: of some, the one that has been so longest. False where none is.
    fn make_room(&self) -> bool {
        let mut found: Option<Arc<Life>> = None;
        let mut left = GIVING_WAY_AMONG;
        // Another shard first each time, or the same few would always be asked.
        let first = self.next.fetch_add(1, Relaxed) as usize;
        for shard in (0..SHARDS).map(|n| &self.shards[(first + n) % SHARDS]) {
            for life in shard.lock().values().filter(|life| life.may_give_way()).take(left) {
                left -= 1;
                let since = |life: &Life| life.since.load(Relaxed);
                if found.as_ref().is_none_or(|found| since(life) < since(found)) {
                    found = Some(life.clone());
                }
            }
            if left == 0 {
                break;
            }
        }
        if let Some(life) = &found {
            life.end(End::GaveWay);
        }
        found.is_some()
    }

    /// Ends whoever has taken too long, by a clock that stands still between two looks.
    pub fn look(&self, now: Instant) {
        let now = now.saturating_duration_since(self.began).as_millis() as u64;
        self.now.store(now, Relaxed);
        self.connections.set(self.open() as f64);
        let bounds = *self.bounds.lock();
        for shard in &self.shards {
            let overdue: Vec<(Arc<Life>, End)> = {
                let lives = shard.lock();
                let overdue = lives
                    .values()
                    .filter_map(|life| life.overdue(bounds, now).map(|why| (life.clone(), why)));
                overdue.collect()
            };
            for (life, why) in overdue {
                life.end(why);
            }
        }
    }

    /// Tells all of them, and whoever comes, to end after the present answer.
    pub fn drain(&self) {
        self.drains.store(true, Relaxed);
        for shard in &self.shards {
            shard.lock().values().for_each(|life| life.tell(Told::Drain));
        }
    }
}

impl Life {
    fn may_give_way(&self) -> bool {
        matches!(self.phase(), Phase::Idle | Phase::Answered)
            && self.blocked.load(Relaxed) == 0
            && self.told.load(Relaxed) < Told::Close as u8
    }
}

#[cfg(test)]
mod tests;
