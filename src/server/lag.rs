//! How far the loop of one core is behind: what of a request's time was gone before its first byte was read.
//!
//! A loop that parks has seen to everything. What it finds when it wakes came since, or since the beat that
//! should have woken it, where the machine did not let it run. A loop that never parks is full; there the
//! beat tells, which queues behind the same tasks as the sockets do. Told the time, never reads a clock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A loop that parked for less had something to do already, which may be as old as what it did before.
const SLEPT: Duration = Duration::from_micros(100);
/// Between two beats.
pub const BEAT: Duration = Duration::from_millis(5);

/// The lateness of one core. Written by its own thread, read by any.
#[derive(Debug)]
pub struct Lag {
    began: Instant,
    /// When the next beat is due, in nanoseconds since it began, as all of them.
    due: AtomicU64,
    /// When it last had nothing to do.
    parked: AtomicU64,
    /// Whatever came before this had been seen to when the loop last woke.
    fresh_from: AtomicU64,
    /// By how much the last two beats were late.
    late: [AtomicU64; 2],
}

impl Lag {
    /// Of a loop that begins now.
    pub fn new(now: Instant) -> Lag {
        Lag {
            began: now,
            due: AtomicU64::new(BEAT.as_nanos() as u64),
            parked: AtomicU64::new(0),
            fresh_from: AtomicU64::new(0),
            late: Default::default(),
        }
    }

    fn since_began(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_nanos() as u64
    }

    /// The loop has nothing to do.
    pub fn parks(&self, now: Instant) {
        self.parked.store(self.since_began(now), Relaxed);
    }

    /// It has something to do again.
    pub fn woke(&self, now: Instant) {
        let now = self.since_began(now);
        if now.saturating_sub(self.parked.load(Relaxed)) >= SLEPT.as_nanos() as u64 {
            self.fresh_from.store(now.min(self.due.load(Relaxed)), Relaxed);
        }
    }

    /// The beat that was due comes now; the next is due then.
    pub fn beat(&self, now: Instant, next: Instant) {
        let late = self.since_began(now).saturating_sub(self.due.load(Relaxed));
        self.late[1].store(self.late[0].load(Relaxed), Relaxed);
        self.late[0].store(late, Relaxed);
        self.due.store(self.since_began(next), Relaxed);
    }

    /// By how much both of the last two beats were late: where one alone was, there was a stall, and it is over.
    pub fn lasting(&self) -> Duration {
        Duration::from_nanos(self.late[0].load(Relaxed).min(self.late[1].load(Relaxed)))
    }

    /// By how much the beat was late lately: the most that [`Lag::behind`] can be while beats come.
    pub fn lately(&self) -> Duration {
        Duration::from_nanos(self.late[0].load(Relaxed).max(self.late[1].load(Relaxed)))
    }

    /// How long what is read now may have been waiting, at most.
    pub fn behind(&self, now: Instant) -> Duration {
        let overdue = self.since_began(now).saturating_sub(self.due.load(Relaxed));
        self.unseen(now).min(Duration::from_nanos(overdue).max(self.lately()))
    }

    /// How long what is read now is likely to wait as long as there is as much to do as lately.
    pub fn full(&self, now: Instant) -> Duration {
        self.unseen(now).min(self.lasting())
    }

    fn unseen(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.since_began(now).saturating_sub(self.fresh_from.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn begun() -> (Lag, Instant) {
        let now = Instant::now();
        (Lag::new(now), now)
    }

    #[test]
    fn a_loop_with_nothing_to_do_is_not_behind() {
        let (lag, began) = begun();
        for ms in 0..100 {
            let now = began + MS(ms * 3);
            lag.beat(now, now + BEAT);
            lag.parks(now);
            lag.woke(now + MS(2));
            assert!(lag.behind(now + MS(2)) < MS(1), "{ms}: {:?}", lag.behind(now + MS(2)));
        }
    }

    #[test]
    fn what_a_full_loop_reads_is_as_old_as_its_beat_is_late() {
        let (lag, began) = begun();
        let mut now = began;
        for _ in 0..4 {
            let next = now + BEAT;
            now = next + MS(40);
            assert_eq!(lag.behind(now), (now - began).min(MS(40)), "before the beat comes");
            lag.beat(now, now + BEAT);
        }
        assert_eq!((lag.behind(now), lag.lately(), lag.full(now)), (MS(40), MS(40), MS(40)));
        // One good beat may be luck; two are none.
        for (late, expected) in [(1, 40), (1, 1)] {
            now += BEAT + MS(late);
            lag.beat(now, now + BEAT);
            assert_eq!(lag.behind(now), MS(expected));
        }
    }

    #[test]
    fn a_stall_ages_what_it_kept_waiting_and_nothing_after() {
        let (lag, began) = begun();
        lag.woke(began + MS(1));
        // Stopped as it slept: the beat was due at 5 ms, and it wakes at 300.
        let now = began + MS(300);
        lag.parks(began + MS(2));
        lag.woke(now);
        assert_eq!(lag.behind(now), MS(295));
        assert_eq!(lag.behind(now + MS(2)), MS(297), "those behind it waited longer");
        lag.beat(now + MS(3), now + MS(3) + BEAT);
        assert_eq!(lag.behind(now + MS(4)), MS(298), "not all of them have been seen to");
        assert_eq!(lag.full(now + MS(4)), MS(0), "there is not too much to do for all that");
        // It has looked again, and what it finds at once may have waited as long.
        lag.parks(now + MS(5));
        lag.woke(now + MS(5));
        assert_eq!(lag.behind(now + MS(5)), MS(298));
        // It has slept since: what comes now is new.
        lag.parks(now + MS(5));
        lag.woke(now + MS(6));
        assert_eq!(lag.behind(now + MS(6)), MS(0));
        assert_eq!(lag.lately(), MS(298));
    }
}
