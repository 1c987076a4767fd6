//! The writer's thread: it gathers what arrives within a moment and commits it together.
//!
//! The only thread that records facts. A fact is answered once its commit is durable; a writer that
//! died or failed poisons, and answers that nothing more is recorded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::base::hash::Hashes;
use crate::base::limits::FACTS_PER_COMMIT_MAX;
use crate::base::time::Millis;
use crate::server::engine::{Engine, Envelope, Unavailable};
use crate::store::Store;
use crate::track::writer::Writer;

/// Starts the thread; it ends when it is told to close and nothing is left, or nobody can send any more.
pub(super) fn spawn(
    engine: Arc<Engine>,
    mut store: Store,
    receiver: Receiver<Envelope>,
    closing: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    let mut writer = Writer::new(store.next_fact()?, Hashes::drawn()?);
    std::thread::Builder::new().name("writer".into()).spawn(move || {
        super::give_way();
        let _watch = PoisonOnPanic(engine.clone());
        loop {
            let last = closing.load(Ordering::Acquire);
            let linger = Duration::from_millis(u64::from(engine.settings.load().server.limits.commit_linger_ms));
            let (batch, open) = gather(&receiver, linger);
            let idle = batch.is_empty();
            let (facts, backs): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let world = engine.world.load_full();
            let recorded = match engine.state.status.is_poisoned() {
                true => Err(Unavailable::Poisoned),
                false => writer
                    .record(&facts, &engine.state, &world, &mut store, Millis::wall_clock())
                    .map_err(|error| {
                        tracing::error!("{error}: {}", error.source);
                        Unavailable::Poisoned
                    }),
            };
            for (at, back) in backs.into_iter().enumerate() {
                // Whoever has stopped waiting hears nothing.
                let _ = back.send(recorded.as_ref().map(|effects| effects[at]).map_err(|problem| *problem));
            }
            if !open || (last && idle) {
                return;
            }
        }
    })
}

/// The writer wakes this often without facts: for pixels whose time is up and holds that changed.
const WRITER_TICK: Duration = Duration::from_millis(250);

/// A server whose writer died cannot record spending: it must not spend (architecture rule 5).
struct PoisonOnPanic(Arc<Engine>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state.status.poison();
        }
    }
}

/// What arrives until the first fact has waited long enough, and whether more may come.
fn gather(receiver: &Receiver<Envelope>, linger: Duration) -> (Vec<Envelope>, bool) {
    let mut batch = Vec::new();
    match receiver.recv_timeout(WRITER_TICK) {
        Ok(first) => batch.push(first),
        Err(RecvTimeoutError::Timeout) => return (batch, true),
        Err(RecvTimeoutError::Disconnected) => return (batch, false),
    }
    let until = Instant::now() + linger;
    while batch.len() < FACTS_PER_COMMIT_MAX {
        match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(next) => batch.push(next),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (batch, false),
        }
    }
    (batch, true)
}
