//! A load by the second: how many requests were answered, and how long they took. For a picture of it.
//!
//! Bounded: of a load that lasts longer than some minutes one step is more than a second.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::tally::{LATENCY_US_MAX, micros};

/// Steps at most.
const STEPS_MAX: u64 = 600;

/// One step, by when its requests were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Seconds from the end of the warm-up to its begin.
    pub at_s: u64,
    /// Requests that were answered, or waited for in vain.
    pub requests: u64,
    /// Microseconds that half of them took at most.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
    /// The worst.
    pub max: u64,
}

/// The steps under way.
#[derive(Debug)]
pub struct Series {
    begin: Instant,
    step_s: u64,
    steps: Vec<Histogram<u64>>,
}

impl Series {
    /// Of a load whose measured part begins then and lasts so long.
    pub fn new(begin: Instant, measured: Duration) -> Result<Series, String> {
        let seconds = measured.as_secs().max(1);
        let step_s = seconds.div_ceil(STEPS_MAX);
        // Two digits are what a picture shows.
        let histogram = || Histogram::new_with_bounds(1, LATENCY_US_MAX, 2);
        let steps = (0..seconds.div_ceil(step_s)).map(|_| histogram()).collect::<Result<_, _>>();
        Ok(Series {
            begin,
            step_s,
            steps: steps.map_err(|fault| format!("cannot make a histogram: {fault}"))?,
        })
    }

    /// Notes how long a request took that was due then.
    pub fn took(&mut self, due: Instant, took: Duration) {
        let step = due.saturating_duration_since(self.begin).as_secs() / self.step_s;
        if let Some(step) = self.steps.get_mut(step as usize) {
            step.saturating_record(micros(took));
        }
    }

    /// The steps, in their order.
    pub fn steps(&self) -> Vec<Step> {
        let step = |(n, of): (u64, &Histogram<u64>)| Step {
            at_s: n * self.step_s,
            requests: of.len(),
            p50: of.value_at_quantile(0.5),
            p99: of.value_at_quantile(0.99),
            max: of.max(),
        };
        (0..).zip(&self.steps).map(step).collect()
    }
}
