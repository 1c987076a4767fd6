//! What one core of the bid listener does when there is too much: first it stops reading, from a connection at
//! a time; what it has read too late to answer in time is no-bid.
//!
//! An exchange above its `max_qps` is read from again when its next second begins, or half of its time later.
//! A core whose loop is behind by more than half of an exchange's time passes over so many of its connections
//! that the others can be answered in time: for as long as the exchange waits, so that what they sent is given
//! up by then. Were all of them served in turn, all answers would be late. Never waits for anything but time.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep};

use super::engine::Engine;
use super::lag::Lag;
use super::meters::Held;
use super::socket::Gate;
use crate::base::id::ExchangeNo;
use crate::base::limits::BODIES_BYTES_MAX;
use crate::base::time::Millis;
use crate::model::exchange::Exchange;

/// What a core's connections share.
pub struct Pressure {
    /// How far it is behind.
    pub lag: Arc<Lag>,
    /// Of a connection, what is still to be passed over: shares add up to whole ones.
    owed: Cell<f64>,
    /// Bytes of bodies that are waited for.
    awaited: Cell<usize>,
}

impl Pressure {
    /// Of a loop with that lag.
    pub fn new(lag: Arc<Lag>) -> Rc<Pressure> {
        Rc::new(Pressure {
            lag,
            owed: Cell::new(0.0),
            awaited: Cell::new(0),
        })
    }

    /// Whether a connection is passed over by a core that is behind by so much, where half of the time is so much:
    /// of all that are asked about, so many that those left would be just half of the time behind.
    fn passes_over(&self, behind: Duration, half: Duration) -> bool {
        if behind <= half {
            return false;
        }
        let owed = self.owed.get() + 1.0 - half.as_secs_f64() / behind.as_secs_f64();
        self.owed.set(owed - owed.floor());
        owed >= 1.0
    }

    /// Room for a body of so many bytes until it is dropped; none where too many are waited for.
    pub fn room(self: &Rc<Pressure>, bytes: usize) -> Option<Room> {
        let awaited = self.awaited.get() + bytes;
        (awaited <= BODIES_BYTES_MAX).then(|| {
            self.awaited.set(awaited);
            Room(self.clone(), bytes)
        })
    }
}

/// Room for a body that is waited for.
pub struct Room(Rc<Pressure>, usize);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.awaited.set(self.0.awaited.get() - self.1);
    }
}

/// What matters of the exchange that a connection's last request was from.
#[derive(Clone, Copy)]
struct Asker {
    no: ExchangeNo,
    max_qps: Option<u32>,
    tmax: Duration,
    patience: Duration,
}

/// One connection's.
pub struct Valve {
    engine: Arc<Engine>,
    pressure: Rc<Pressure>,
    asker: Cell<Option<Asker>>,
    /// Whether it rests, and since when what is read next may have been there.
    rests: Cell<bool>,
    rests_since: Cell<Option<Instant>>,
    rest: RefCell<Option<Pin<Box<Sleep>>>>,
    arrived: Cell<Instant>,
}

impl Valve {
    /// Of a connection that has asked nothing yet.
    pub fn new(engine: Arc<Engine>, pressure: Rc<Pressure>) -> Rc<Valve> {
        Rc::new(Valve {
            engine,
            pressure,
            asker: Cell::new(None),
            rests: Cell::new(false),
            rests_since: Cell::new(None),
            rest: RefCell::default(),
            arrived: Cell::new(Instant::now()),
        })
    }

    /// What its core's connections share.
    pub fn pressure(&self) -> &Rc<Pressure> {
        &self.pressure
    }

    /// Since when the present request may have been waiting, at most.
    pub fn arrived(&self) -> Instant {
        self.arrived.get()
    }

    /// The present request is from this exchange.
    pub fn asked(&self, exchange: &Exchange) {
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        self.asker.set(Some(Asker {
            no: exchange.no,
            max_qps: exchange.max_qps,
            tmax: ms(exchange.tmax_ms),
            patience: ms(exchange.patience_ms(None)),
        }));
    }

    /// How long to rest before the next request, and why.
    fn due_rest(&self) -> Option<(Asker, Duration, Held)> {
        let asker = self.asker.get()?;
        let half = asker.patience / 2;
        if let Some(most) = asker.max_qps
            && let Some(left) = self.engine.until_within(asker.no, most, Millis::wall_clock())
        {
            return Some((asker, left.min(half), Held::Rate));
        }
        let Pressure { lag, .. } = &*self.pressure;
        let passed_over = lag.lasting() > half && self.pressure.passes_over(lag.full(Instant::now()), half);
        passed_over.then_some((asker, asker.tmax, Held::Lag))
    }
}

impl Gate for Rc<Valve> {
    fn answered(&self) {
        let Some((asker, span, why)) = self.due_rest() else { return };
        self.engine.meters.held(asker.no, why);
        *self.rest.borrow_mut() = Some(Box::pin(sleep(span)));
        self.rests.set(true);
        self.rests_since.set(Some(Instant::now()));
    }

    fn poll_open(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.rests.get() {
            if let Some(rest) = &mut *self.rest.borrow_mut() {
                ready!(rest.as_mut().poll(context));
            }
            self.rests.set(false);
        }
        Poll::Ready(())
    }

    fn nothing_came(&self) {
        self.rests_since.set(None);
    }

    fn began(&self) {
        let now = Instant::now();
        let arrived = now.checked_sub(self.pressure.lag.behind(now)).unwrap_or(now);
        let since = self.rests_since.take().unwrap_or(arrived);
        self.arrived.set(arrived.min(since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_passed_over_as_leaves_half_of_the_time() {
        let pressure = Pressure::new(Arc::new(Lag::new(Instant::now())));
        let ms = Duration::from_millis;
        for (behind, passed_over) in [(0, 0), (40, 0), (50, 200), (80, 500), (400, 900)] {
            pressure.owed.set(0.0);
            let count = (0..1_000).filter(|_| pressure.passes_over(ms(behind), ms(40))).count();
            assert!(count.abs_diff(passed_over) <= 1, "{count} of 1,000 at {behind} ms");
        }
    }

    #[test]
    fn bodies_that_are_waited_for_have_room_for_so_many_bytes() {
        let pressure = Pressure::new(Arc::new(Lag::new(Instant::now())));
        let rooms: Vec<Room> = std::iter::from_fn(|| pressure.room(BODIES_BYTES_MAX / 4)).collect();
        assert_eq!(rooms.len(), 4);
        assert!(pressure.room(1).is_none());
        drop(rooms);
        assert!(pressure.room(BODIES_BYTES_MAX).is_some());
        assert!(pressure.room(BODIES_BYTES_MAX).is_some(), "what was dropped is free");
    }
}
