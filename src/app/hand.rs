//! The thread of the hand: asks for a plan now and then, goes over the shards one a moment, and has the
//! writer let the users leave whom the plan is about; then looks at whether matches are over.
//!
//! It waits for the writer, so it never takes more of a commit than it may, and rests where nobody has to
//! leave. Ends with the server.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::lapse::Lapses;
use crate::base::limits::EVICTED_PER_COMMIT_MAX;
use crate::base::time::Millis;
use crate::server::engine::{Engine, Unavailable};
use crate::state::hand::{Bounds, Plan};
use crate::state::maps::SHARDS;
use crate::track::fact::Fact;

/// Between two looks at whether somebody has to leave.
const REST: Duration = Duration::from_millis(250);
/// Between two shards.
const STEP: Duration = Duration::from_millis(1);
/// As many as a shard of ten million users has; more take more memory.
const LEAVING_USUAL: usize = 4_096;
const MIB: u64 = 1 << 20;

/// Nanoseconds that this thread has run: holds of locks are timed by it, so that what the machine does
/// meanwhile to others is not counted.
pub(super) fn thread_cpu_ns() -> u64 {
    let ran = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    ran.tv_sec.unsigned_abs() * 1_000_000_000 + ran.tv_nsec.unsigned_abs()
}

/// Starts it.
pub(super) fn spawn(engine: Arc<Engine>, stopping: watch::Receiver<bool>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("hand".into()).spawn(move || {
        super::give_way();
        let mut lapses = Lapses::default();
        while !*stopping.borrow() {
            if round(&engine, &stopping).and_then(|()| lapses.turn(&engine, &stopping)).is_err() {
                // Poisoned: there is nothing left to do before a restart.
                return;
            }
            std::thread::sleep(REST);
        }
    })
}

/// One round over all shards, if anybody has to leave.
fn round(engine: &Engine, stopping: &watch::Receiver<bool>) -> Result<(), Unavailable> {
    let bounds = Bounds {
        retention_s: engine.world.load().retention_s,
        bytes_max: engine.settings.load().server.limits.memory_mib.map(|mib| u64::from(mib) * MIB),
    };
    let Some(mut plan) = Plan::new(&engine.state, &bounds, Millis::wall_clock().to_secs()) else {
        return Ok(());
    };
    let mut leaving = Vec::with_capacity(LEAVING_USUAL);
    for shard in 0..SHARDS {
        if *stopping.borrow() {
            return Ok(());
        }
        plan.sweep(&engine.state, shard, &mut leaving);
        for some in leaving.chunks(EVICTED_PER_COMMIT_MAX) {
            engine.facts.record_and_wait(Fact::Evict(some.to_vec()))?;
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}
