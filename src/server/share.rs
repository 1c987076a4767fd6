//! The share of answers that were in time, over the present minute and the one before: what an exchange judges a
//! bidder by.
//!
//! Two cells for each of two minutes; counts that meet at the turn of a minute may be lost. Told the time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
struct Minute {
    no: AtomicU64,
    answers: AtomicU64,
    late: AtomicU64,
}

/// The last two minutes.
#[derive(Debug, Default)]
pub struct Share([Minute; 2]);

impl Share {
    /// Counts an answer, `second` seconds after whatever the seconds are counted from.
    pub fn count(&self, second: u64, is_late: bool) {
        // The minute 0 has never been.
        let no = second / 60 + 1;
        let minute = &self.0[(no % 2) as usize];
        if minute.no.load(Relaxed) != no {
            minute.no.store(no, Relaxed);
            minute.answers.store(0, Relaxed);
            minute.late.store(0, Relaxed);
        }
        minute.answers.fetch_add(1, Relaxed);
        if is_late {
            minute.late.fetch_add(1, Relaxed);
        }
    }

    /// Of the answers, how many were in time; none where there were none.
    pub fn in_time(&self, second: u64) -> Option<f64> {
        let no = second / 60 + 1;
        let (mut answers, mut late) = (0, 0);
        for minute in self.0.iter().filter(|minute| minute.no.load(Relaxed) + 1 >= no) {
            answers += minute.answers.load(Relaxed);
            late += minute.late.load(Relaxed);
        }
        (answers > 0).then(|| answers.saturating_sub(late) as f64 / answers as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_two_minutes_count() {
        let share = Share::default();
        assert_eq!(share.in_time(0), None);
        (0..8).for_each(|n| share.count(n, n < 4));
        assert_eq!(share.in_time(59), Some(0.5));
        (0..8).for_each(|n| share.count(60 + n, false));
        assert_eq!(share.in_time(100), Some(0.75));
        share.count(120, true);
        assert_eq!(share.in_time(125), Some(8.0 / 9.0), "the first minute is over");
        assert_eq!(share.in_time(240), None);
    }
}
