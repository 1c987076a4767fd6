//! Matches that are older than they hold (`exchanges[].sync.ttl`): now and then all of them are looked at on the disk,
//! which knows when they were made, and those that are over are taken out; how old the others are is counted.
//!
//! Runs on the thread of the hand, some ranges of keys at a time, so that nothing else waits for it.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::base::id::{MatchKey, UserKey};
use crate::base::limits::EVICTED_PER_COMMIT_MAX;
use crate::base::time::Millis;
use crate::model::matched::Matched;
use crate::model::rows::{Table, head, tail};
use crate::server::ages::Ages;
use crate::server::engine::{Engine, Unavailable};
use crate::track::fact::Fact;

/// Ranges of keys, one after the other.
const RANGES: u64 = 1 << 9;
/// Those that are looked at before the hand goes on.
const STRIDE: u64 = 32;
/// Between two ranges.
const STEP: Duration = Duration::from_millis(2);
/// A match is out at the latest so much of its `ttl` after it is over, or after an hour.
const LATENESS: u64 = 24;

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct Lapses {
    /// The next range.
    next: u64,
    /// When all had been looked at last.
    ended: Option<Instant>,
    /// Those seen since the first range.
    ages: Ages,
}

impl Lapses {
    /// Looks at the next matches, if it is time to.
    pub fn turn(&mut self, engine: &Engine, stopping: &watch::Receiver<bool>) -> Result<(), Unavailable> {
        let world = engine.world.load_full();
        let ttls = world
            .exchanges()
            .filter_map(|exchange| exchange.sync.as_ref())
            .map(|sync| sync.ttl.0);
        let Some(shortest) = ttls.min() else { return Ok(()) };
        let pause = Duration::from_secs((u64::from(shortest) / LATENESS).clamp(1, 3_600));
        if self.next == 0 && self.ended.is_some_and(|ended| ended.elapsed() < pause) {
            return Ok(());
        }
        for _ in 0..STRIDE {
            if *stopping.borrow() {
                return Ok(());
            }
            let over = over(engine, self.next, &mut self.ages);
            for some in over.chunks(EVICTED_PER_COMMIT_MAX) {
                engine.facts.record_and_wait(Fact::Lapse(some.to_vec()))?;
                engine.meters.lapsed(some.len());
            }
            self.next = (self.next + 1) % RANGES;
            std::thread::sleep(STEP);
        }
        if self.next == 0 {
            self.ended = Some(Instant::now());
            engine.meters.matches(&world, &std::mem::take(&mut self.ages));
        }
        Ok(())
    }
}

/// Those of a range that are over. Counts the others.
fn over(engine: &Engine, range: u64, ages: &mut Ages) -> Vec<(UserKey, MatchKey)> {
    let (world, now) = (engine.world.load(), Millis::wall_clock().to_secs());
    let width = u64::MAX / RANGES + 1;
    let first = range * width;
    let mut over = Vec::new();
    let looked = engine.store.each(Table::UserMatches, first, first + (width - 1), |key, value| {
        let text = String::from_utf8_lossy(value);
        let (Some(user), Some(theirs)) = (head(key), tail(key)) else {
            return;
        };
        let matched = Matched::read(&text);
        if world.has_lapsed(&matched, now) {
            over.push((UserKey(user), MatchKey(theirs)));
        } else if let Some(exchange) = world.exchange_by_id(matched.namespace) {
            ages.count(exchange.no, matched.at.map(|at| now.since(at)));
        }
    });
    if let Err(error) = looked {
        tracing::warn!("cannot look for matches that are over: {error}");
    }
    over
}
