//! The store written anew while the server runs: when somebody asks for it, and at a time of the day on days
//! on which somebody was erased or left (`compact` of the config).
//!
//! It rests as long as it works, so that bids have the machine. A server that ends or cannot record gives it
//! up; the store is then as it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::time::Millis;
use crate::config::server::Compact;
use crate::server::engine::Engine;
use crate::store::{Step, Trouble, Turned};

/// How often it is looked whether it is time.
const EVERY: Duration = Duration::from_secs(30);
/// No rest is longer.
const REST_MAX: Duration = Duration::from_millis(20);

/// Writes the store anew; returns when what was erased is no longer on the disk.
pub fn compact(engine: &Engine) -> Result<Turned, Trouble> {
    let began = Instant::now();
    let mut working = Instant::now();
    let turned = engine.store.turn(&mut |step| {
        if step == Step::Streaming {
            std::thread::sleep(working.elapsed().min(REST_MAX));
        }
        working = Instant::now();
        engine.state.status.is_ready() && !engine.state.status.is_poisoned()
    })?;
    tracing::info!(
        "{} rows written anew in {:.1} s, in {:.0} ms of which nothing could be recorded",
        turned.rows,
        began.elapsed().as_secs_f64(),
        turned.held.as_secs_f64() * 1e3
    );
    Ok(turned)
}

/// Does so once a day, if anybody went, for as long as the runtime lives.
pub async fn nightly(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(EVERY);
    let mut last = Millis::wall_clock();
    loop {
        tick.tick().await;
        let (engine, from, to) = (engine.clone(), last, Millis::wall_clock());
        let Ok(done) = tokio::task::spawn_blocking(move || compact_if_due(&engine, from, to)).await else {
            return;
        };
        if let Err(problem) = done {
            tracing::warn!("what was erased stays on the disk for another day: {problem}");
        }
        last = to;
    }
}

/// Writes the store anew if its time came after `last` and is not after `now`, and bytes of somebody who went
/// may be in it.
pub fn compact_if_due(engine: &Engine, last: Millis, now: Millis) -> Result<Option<Turned>, String> {
    let when = engine.settings.load().server.compact.clone();
    if !when.is_some_and(|when| is_due(&when, last, now)) {
        return Ok(None);
    }
    match engine.store.has_leftovers() {
        Ok(false) => Ok(None),
        Ok(true) => compact(engine).map(Some).map_err(|trouble| trouble.to_string()),
        Err(error) => Err(format!("cannot read the store: {error}")),
    }
}

/// Whether the time of the day came after `last` and is not after `now`. A time that a day skips comes as
/// much later.
fn is_due(when: &Compact, last: Millis, now: Millis) -> bool {
    let today = now.local_day(&when.timezone);
    let came = |day: i32| {
        let date = today.plus(day).date()?;
        let zoned = when.timezone.to_ambiguous_zoned(date.to_datetime(when.at)).compatible().ok()?;
        Some(Millis(zoned.timestamp().as_millisecond()))
    };
    [-1, 0].into_iter().filter_map(came).any(|at| last < at && at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Span;

    fn when(at: &str, timezone: &str) -> Compact {
        Compact {
            at: jiff::civil::Time::strptime("%H:%M", at).expect("a time"),
            timezone: jiff::tz::TimeZone::get(timezone).expect("a zone"),
        }
    }

    fn millis(text: &str) -> Millis {
        Millis(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    }

    #[test]
    fn it_is_due_once_a_day_whatever_the_clock_does() {
        // Two days with a jump of the clock between them: spring, autumn and none.
        for (zone, start) in [
            ("UTC", "2026-03-28T00:00:10Z"),
            ("Europe/Berlin", "2026-03-28T00:00:10Z"),
            ("Europe/Berlin", "2026-10-24T00:00:10Z"),
        ] {
            for at in ["00:00", "02:30", "03:00", "23:59"] {
                let (mut due, mut now) = (Vec::new(), millis(start));
                for _ in 0..3 * 24 * 120 {
                    let last = now;
                    now = now.after(Span(30));
                    if is_due(&when(at, zone), last, now) {
                        due.push(now);
                    }
                }
                assert_eq!(due.len(), 3, "{at} in {zone} from {start}: {due:?}");
            }
        }
        let (zone, five) = (when("03:00", "Asia/Ho_Chi_Minh"), millis("2026-06-01T20:00:05Z"));
        assert!(is_due(&zone, millis("2026-06-01T19:59:35Z"), five), "three in the morning there");
        assert!(!is_due(&zone, five, millis("2026-06-01T20:00:35Z")));
        assert!(
            is_due(&zone, millis("2026-06-01T12:00:00Z"), millis("2026-06-02T12:00:00Z")),
            "late is not never"
        );
    }
}
