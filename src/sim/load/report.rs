//! What a load came to: a table for people, the same as JSON for machines.
//!
//! Says in words where its own latencies must not be believed: when the target rate was not reached, or
//! when the generator had its core full.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::series::Step;
use super::tally::Tally;
use super::{Load, Own, Rate};

/// Of the target rate, what must be achieved.
const REACHED: f64 = 0.99;
/// Of its core, what the generator may use before it is in doubt.
const BUSY_MAX: f64 = 90.0;
/// Of the time, what it may wait for its core.
const WAITED_MAX: f64 = 10.0;

/// The figures of a run. Names and units are stable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where it went.
    pub target: String,
    /// `true` where requests were sent when due, `false` where when connections were free.
    pub open_loop: bool,
    /// Requests due a second; none in a closed loop.
    pub target_rate: Option<f64>,
    /// Answers a second between warm-up and end.
    pub achieved_rate: f64,
    /// Whether that is at least 99 % of the target.
    pub reached: bool,
    /// Where it is not, or where the latencies are in doubt, why.
    pub doubt: Option<String>,
    /// Measured.
    pub seconds: f64,
    /// Before that.
    pub warmup_seconds: f64,
    /// Connections.
    pub connections: usize,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// The same by status code.
    pub by_status: BTreeMap<u16, u64>,
    /// Bids in the answers.
    pub bids: u64,
    /// Answers with any, of all answers, in percent.
    pub bid_percent: f64,
    /// Answers of status 200 or 204 without any.
    pub no_bids: u64,
    /// Answers that came later after their request was due than anybody waits.
    pub late: u64,
    /// Bids in them.
    pub late_bids: u64,
    /// Connections that broke, and answers that are none.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
    /// Requests without an answer in time.
    pub timeouts: u64,
    /// Requests that were never sent.
    pub unsent: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Microseconds from when a request was due to its answer.
    pub latency_us: Latency,
    /// The same of answers with bids alone.
    #[serde(default)]
    pub bid_latency_us: Latency,
    /// The same by percentile, for a curve.
    #[serde(default)]
    pub percentiles: Vec<Percentile>,
    /// By the second.
    #[serde(default)]
    pub series: Vec<Step>,
    /// The generator itself.
    pub generator: Generator,
    /// Status and body length of each answer, in the order of arrivals.
    #[serde(skip)]
    pub answers: Vec<(u16, usize)>,
}

/// One point of the distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// Of so many requests in a hundred.
    pub percent: f64,
    /// At most this.
    pub us: u64,
}

/// Latencies, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Of half of the requests at most this.
    pub p50: u64,
    /// Of 90 %.
    pub p90: u64,
    /// Of 99 %.
    pub p99: u64,
    /// Of 99.9 %.
    pub p99_9: u64,
    /// Of 99.99 %.
    pub p99_99: u64,
    /// The worst.
    pub max: u64,
}

impl Latency {
    fn of(latency: &Histogram<u64>) -> Latency {
        let at = |quantile| latency.value_at_quantile(quantile);
        Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: latency.max(),
        }
    }
}

/// What the generator's own thread did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Generator {
    /// Of its core it was at work, in percent; not what it spent looking at the clock.
    pub busy_percent: f64,
    /// Of the time it was ready and others had its core, in percent.
    pub waited_percent: f64,
    /// Microseconds from due to released, of 99 % of the requests at most.
    pub late_us_p99: u64,
    /// The worst.
    pub late_us_max: u64,
}

/// Eight points for each nine, as far as there are requests to tell them by.
fn percentiles(tally: &Tally) -> Vec<Percentile> {
    let steps = (tally.latency.len().max(1) as f64).log10() * 8.0;
    let point = |step: u32| {
        let share = 1.0 - 10f64.powf(-f64::from(step) / 8.0);
        Percentile {
            percent: (share * 1e8).round() / 1e6,
            us: tally.latency_us(share),
        }
    };
    (0..=steps as u32).map(point).collect()
}

/// To two decimals: nobody needs more, and lines stay short.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

impl Report {
    /// Of a run's counts.
    pub(super) fn of(load: &Load, tally: &Tally, own: Own, answers: Vec<(u16, usize)>) -> Report {
        let seconds = load.measured.as_secs_f64();
        let wall = own.wall.as_secs_f64().max(f64::MIN_POSITIVE);
        let achieved = tally.in_window as f64 / seconds.max(f64::MIN_POSITIVE);
        let target = match load.rate {
            Rate::Constant(rate) => Some(rate),
            Rate::Max => None,
        };
        let answered = tally.answered();
        let good: u64 = [200, 204].iter().filter_map(|status| tally.by_status.get(status)).sum();
        let mut report = Report {
            target: format!("http://{}{}", load.authority, load.path),
            open_loop: target.is_some(),
            target_rate: target,
            achieved_rate: rounded(achieved),
            reached: target.is_none_or(|target| achieved >= target * REACHED),
            doubt: None,
            seconds,
            warmup_seconds: load.warmup.as_secs_f64(),
            connections: load.connections,
            sent: tally.sent(),
            answered,
            by_status: tally.by_status.clone(),
            bids: tally.bids,
            bid_percent: rounded(tally.with_bids as f64 * 100.0 / answered.max(1) as f64),
            no_bids: good - tally.with_bids.min(good),
            late: tally.late,
            late_bids: tally.late_bids,
            errors: tally.errors,
            first_error: tally.first_error.clone(),
            timeouts: tally.timeouts,
            unsent: tally.unsent,
            bytes_sent: tally.bytes_sent,
            bytes_received: tally.bytes_received,
            latency_us: Latency::of(&tally.latency),
            bid_latency_us: Latency::of(&tally.bid_latency),
            percentiles: percentiles(tally),
            series: tally.series.steps(),
            generator: Generator {
                busy_percent: rounded(own.core.ran.saturating_sub(own.spun).as_secs_f64() * 100.0 / wall),
                waited_percent: rounded(own.core.waited.as_secs_f64() * 100.0 / wall),
                late_us_p99: tally.lag.value_at_quantile(0.99),
                late_us_max: tally.lag.max(),
            },
            answers,
        };
        report.doubt = report.doubts();
        report
    }

    /// Why the latencies are not to be believed; `None` where they are.
    fn doubts(&self) -> Option<String> {
        let Generator {
            busy_percent: busy,
            waited_percent: waited,
            ..
        } = self.generator;
        let own = if busy >= BUSY_MAX {
            Some(format!("the generator was busy {busy:.0} % of its core"))
        } else if waited >= WAITED_MAX {
            Some(format!("the generator waited {waited:.0} % of the time for its core"))
        } else {
            None
        };
        match (self.target_rate, own) {
            (Some(target), own) if !self.reached => Some(format!(
                "the target of {target}/s was not reached: {:.0}/s; {}",
                self.achieved_rate,
                own.unwrap_or_else(|| format!(
                    "the server answered late: {} timeouts, {} errors, {} unsent; the generator was busy {busy:.0} % of its core",
                    self.timeouts, self.errors, self.unsent
                ))
            )),
            (Some(_), Some(own)) => Some(format!("{own}: its own work is in these latencies")),
            _ => None,
        }
    }

    /// What most answers say of how they were asked; `None` where they are bids and no-bids.
    pub fn advice(&self) -> Option<String> {
        let (status, count) = self.by_status.iter().max_by_key(|(_, count)| **count)?;
        if count * 2 <= self.answered {
            return None;
        }
        let what = match status {
            400 => "it cannot read the requests: look at one with `POST /api/explain/{exchange}`",
            403 => {
                "it takes no requests without the exchange's key: pass --header 'X-Exchange-Key: VALUE', --header-file X-Exchange-Key=FILE or --config winback.json"
            }
            404 => "it knows no exchange of that name: end the target in /bid/ and the exchange's id",
            405 => "it takes no POST there: end the target in /bid/ and the exchange's id",
            413 => "the requests are too long for it",
            415 => "it takes no JSON there: end the target in /bid/ and the exchange's id",
            500.. => "it is in trouble: read its log",
            _ => return None,
        };
        Some(format!("the target answered {status} to {count} of {}: {what}", self.answered))
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let loop_text = if self.open_loop { "open loop" } else { "closed loop" };
        let statuses: Vec<String> = self.by_status.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        let mut line = |name: &str, text: String| out.push_str(&format!("{name:<14} {text}\n"));
        line(
            "target",
            format!(
                "{}, {loop_text}, {} connections, {} s after {} s of warm-up",
                self.target, self.connections, self.seconds, self.warmup_seconds
            ),
        );
        match self.target_rate {
            Some(rate) => line("target rate", format!("{rate}/s")),
            None => line(
                "target rate",
                "none: closed loop, as fast as the connections allow; latency counts from sending".to_owned(),
            ),
        }
        line("achieved rate", format!("{:.1}/s", self.achieved_rate));
        line(
            "answered",
            format!("{} of {} sent  ({})", self.answered, self.sent, statuses.join(", ")),
        );
        line(
            "bids",
            format!(
                "{} in {:.2} % of the answers; {} no-bids",
                self.bids, self.bid_percent, self.no_bids
            ),
        );
        line(
            "unanswered",
            format!("{} errors, {} timeouts, {} unsent", self.errors, self.timeouts, self.unsent),
        );
        line("late", format!("{} answers, with {} bids", self.late, self.late_bids));
        if let Some(fault) = &self.first_error {
            line("first error", fault.clone());
        }
        line("bytes", format!("{} sent, {} received", self.bytes_sent, self.bytes_received));
        let Latency {
            p50,
            p90,
            p99,
            p99_9,
            p99_99,
            max,
        } = self.latency_us;
        let tail = format!("p99.9 {p99_9}  p99.99 {p99_99}  max {max}");
        line("latency us", format!("p50 {p50}  p90 {p90}  p99 {p99}  {tail}"));
        let own = self.generator;
        line(
            "generator",
            format!(
                "busy {:.0} % of its core, waited {:.1} % for it; late p99 {} us, max {} us",
                own.busy_percent, own.waited_percent, own.late_us_p99, own.late_us_max
            ),
        );
        if let Some(doubt) = &self.doubt {
            line("NOTE", doubt.clone());
        }
        out
    }
}
