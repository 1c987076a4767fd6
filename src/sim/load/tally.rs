//! What is counted while a load runs, and what is said of it afterwards.
//!
//! Counts requests that were due after the warm-up. Latency runs from the time a request was due, so a
//! server that stalls is seen by every request that should have been sent meanwhile. A request without an
//! answer counts with the time it waited.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memchr::memmem;

use super::series::Series;

/// The longest latency told apart, in microseconds.
pub const LATENCY_US_MAX: u64 = 600_000_000;

/// The counts of a run.
#[derive(Debug)]
pub struct Tally {
    /// Answers by status code.
    pub by_status: BTreeMap<u16, u64>,
    /// Bids in the answers.
    pub bids: u64,
    /// Answers with any.
    pub with_bids: u64,
    /// Answers that came too late after their request was due.
    pub late: u64,
    /// Bids in them.
    pub late_bids: u64,
    /// Connections that broke, and answers that are none.
    pub errors: u64,
    /// The first of them, as a sentence.
    pub first_error: Option<String>,
    /// Requests without an answer in time.
    pub timeouts: u64,
    /// Requests that were never sent: too many waited for a connection.
    pub unsent: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Answers that came after the warm-up and before the end, whenever their requests were due.
    pub in_window: u64,
    /// Answers since the start, warm-up and all.
    pub ever: u64,
    /// Microseconds from due to answered.
    pub latency: Histogram<u64>,
    /// Of answers with bids alone.
    pub bid_latency: Histogram<u64>,
    /// The same by the second.
    pub series: Series,
    /// Microseconds from due to released by the pacer.
    pub lag: Histogram<u64>,
}

impl Tally {
    /// Nothing counted yet of a load whose measured part begins then and lasts so long.
    pub fn new(begin: Instant, measured: Duration) -> Result<Tally, String> {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).map_err(|fault| format!("cannot make a histogram: {fault}"));
        Ok(Tally {
            by_status: BTreeMap::new(),
            bids: 0,
            with_bids: 0,
            late: 0,
            late_bids: 0,
            errors: 0,
            first_error: None,
            timeouts: 0,
            unsent: 0,
            bytes_sent: 0,
            bytes_received: 0,
            in_window: 0,
            ever: 0,
            latency: histogram()?,
            bid_latency: histogram()?,
            series: Series::new(begin, measured)?,
            lag: histogram()?,
        })
    }

    /// Requests answered.
    pub fn answered(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// Requests sent.
    pub fn sent(&self) -> u64 {
        self.answered() + self.errors + self.timeouts
    }

    /// Notes how long a request took, or was waited for.
    pub fn took(&mut self, due: Instant, now: Instant) {
        let took = now.saturating_duration_since(due);
        self.latency.saturating_record(micros(took));
        self.series.took(due, took);
    }

    /// Notes one answer.
    pub fn answer(&mut self, status: u16, bids: u64, bytes: usize) {
        *self.by_status.entry(status).or_insert(0) += 1;
        self.bids += bids;
        self.with_bids += u64::from(bids > 0);
        self.bytes_received += bytes as u64;
    }

    /// Notes how long an answer took, of at most so long.
    pub fn in_time(&mut self, bids: u64, took: Duration, most: Duration) {
        if took > most {
            self.late += 1;
            self.late_bids += bids;
        }
        if bids > 0 {
            self.bid_latency.saturating_record(micros(took));
        }
    }

    /// Notes a connection that broke.
    pub fn error(&mut self, fault: &std::io::Error) {
        self.errors += 1;
        if self.first_error.is_none() {
            self.first_error = Some(fault.to_string());
        }
    }

    /// The latency at a share of requests, in microseconds.
    pub fn latency_us(&self, quantile: f64) -> u64 {
        self.latency.value_at_quantile(quantile)
    }
}

/// Whole microseconds.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Bids in the text of an answer, without reading it: each has one `impid`, which in markup would stand
/// behind a backslash.
pub fn bids_in(body: &[u8]) -> u64 {
    memmem::find_iter(body, b"\"impid\":").count() as u64
}

/// What the kernel says of the calling thread: time on its core and time waiting for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Core {
    /// On it.
    pub ran: Duration,
    /// Ready, but others were on it.
    pub waited: Duration,
}

impl Core {
    /// Since the thread began; nothing where the kernel does not say.
    pub fn now() -> Core {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let mut nanos = text.split_whitespace().map(|part| Duration::from_nanos(part.parse().unwrap_or(0)));
        Core {
            ran: nanos.next().unwrap_or_default(),
            waited: nanos.next().unwrap_or_default(),
        }
    }

    /// What was added since then.
    pub fn since(self, then: Core) -> Core {
        Core {
            ran: self.ran.saturating_sub(then.ran),
            waited: self.waited.saturating_sub(then.waited),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bids_are_counted_by_their_placements_and_not_in_markup() {
        let body = br#"{"id":"1","seatbid":[{"bid":[{"impid":"1","adm":"{\"impid\":\"1\"}"},{"impid":"2"}]}]}"#;
        assert_eq!(bids_in(body), 2);
        assert_eq!(bids_in(b""), 0);
    }
}
