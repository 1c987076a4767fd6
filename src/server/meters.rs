//! Counters of the server (contract §5 `metrics`), through the `metrics` crate.
//!
//! Handles are registered before the first request, so counting is one addition. The latency of bids
//! is kept in plain buckets of our own, as histograms of the crate grow until they are read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::{Counter, counter};

use crate::base::id::ExchangeNo;
use crate::base::limits::{EXCHANGES_MAX, REFUSALS_MAX};
use crate::model::outcome::{NoBid, Outcome};
use crate::state::approvals::Suspended;
use crate::state::world::World;
use crate::track::fact::Paid;

const BUCKETS: usize = 40;
const OUTCOMES: [&str; 2] = ["bid", "no_bid"];

/// All of them.
pub struct Meters {
    exchanges: Vec<Option<OfExchange>>,
    latency: [Latency; OUTCOMES.len()],
}

struct OfExchange {
    bids: Counter,
    no_bids: Counter,
    reasons: Vec<Counter>,
    matched: Counter,
    unmatched: Counter,
}

/// Buckets whose bounds grow by the square root of two from one microsecond.
struct Latency {
    counts: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_us: AtomicU64::new(0),
        }
    }
}

impl Meters {
    /// Registers the counters of every exchange.
    pub fn new(world: &World) -> Meters {
        let mut exchanges: Vec<Option<OfExchange>> = (0..EXCHANGES_MAX).map(|_| None).collect();
        for exchange in world.exchanges() {
            let id = exchange.id.clone();
            let request = |outcome| counter!("winback_requests_total", "exchange" => id.clone(), "outcome" => outcome);
            let found = |result| counter!("winback_match_total", "exchange" => id.clone(), "result" => result);
            let reason = |why: &NoBid| counter!("winback_no_bids_total", "exchange" => id.clone(), "reason" => why.label());
            if let Some(place) = exchanges.get_mut(usize::from(exchange.no.0)) {
                *place = Some(OfExchange {
                    bids: request(OUTCOMES[0]),
                    no_bids: request(OUTCOMES[1]),
                    reasons: NoBid::ALL.iter().map(reason).collect(),
                    matched: found("matched"),
                    unmatched: found("unmatched"),
                });
            }
        }
        Meters {
            exchanges,
            latency: Default::default(),
        }
    }

    /// Counts one answer that took `us` microseconds.
    pub fn answered(&self, exchange: ExchangeNo, outcome: &Outcome, us: u64) {
        if let Some(Some(of)) = self.exchanges.get(usize::from(exchange.0)) {
            match outcome {
                Outcome::Bid { .. } => of.bids.increment(1),
                Outcome::NoBid(why) => {
                    of.no_bids.increment(1);
                    of.reasons[*why as usize].increment(1);
                }
            }
            match outcome {
                Outcome::NoBid(NoBid::UnknownUser) => of.unmatched.increment(1),
                Outcome::NoBid(why) if *why < NoBid::UnknownUser => {}
                _ => of.matched.increment(1),
            }
        }
        let latency = &self.latency[usize::from(matches!(outcome, Outcome::NoBid(_)))];
        let bucket = (2.0 * (us.max(1) as f64).log2()).ceil() as usize;
        let bucket = bucket.min(BUCKETS - 1);
        latency.counts[bucket].fetch_add(1, Relaxed);
        latency.sum_us.fetch_add(us, Relaxed);
    }

    /// Counts a creative that an exchange has refused too often, and says so.
    pub fn suspended(&self, world: &World, suspended: &Suspended) {
        let exchange = world
            .exchange(suspended.exchange)
            .map_or("unknown", |exchange| exchange.id.as_str());
        let (crid, code) = (world.crid(suspended.crid).unwrap_or("unknown"), suspended.code);
        let until = suspended.until.to_millis().to_rfc3339();
        tracing::warn!(
            "exchange `{exchange}` has refused creative `{crid}` {REFUSALS_MAX} times in a row, last with code {code}: \
             not offered there until {until}"
        );
        counter!("winback_creative_suspensions_total", "exchange" => exchange.to_owned()).increment(1);
    }

    /// Counts a notice.
    pub fn noticed(&self, exchange: &str, kind: &'static str, effect: &'static str) {
        counter!("winback_notices_total", "exchange" => exchange.to_owned(), "kind" => kind, "effect" => effect).increment(1);
    }

    /// Counts what was to be doubted of the price of an impression that was booked, or why there was none.
    pub fn paid(&self, exchange: &str, paid: Paid, doubts: &[&'static str]) {
        if let Paid::Unknown(why) = paid {
            counter!("winback_unpriced_total", "exchange" => exchange.to_owned(), "why" => why).increment(1);
        }
        for why in doubts {
            counter!("winback_price_doubts_total", "exchange" => exchange.to_owned(), "why" => *why).increment(1);
        }
    }

    /// The latency histogram as Prometheus text.
    pub fn latency_text(&self) -> String {
        use std::fmt::Write;
        let mut out = String::from("# TYPE winback_bid_seconds histogram\n");
        for (outcome, latency) in OUTCOMES.iter().zip(&self.latency) {
            let mut total = 0;
            for (at, count) in latency.counts.iter().enumerate() {
                total += count.load(Relaxed);
                let bound = if at == BUCKETS - 1 {
                    "+Inf".to_owned()
                } else {
                    format!("{:.9}", bound_us(at) / 1e6)
                };
                let _ = writeln!(out, "winback_bid_seconds_bucket{{outcome=\"{outcome}\",le=\"{bound}\"}} {total}");
            }
            let sum = latency.sum_us.load(Relaxed) as f64 / 1e6;
            let _ = writeln!(out, "winback_bid_seconds_sum{{outcome=\"{outcome}\"}} {sum}");
            let _ = writeln!(out, "winback_bid_seconds_count{{outcome=\"{outcome}\"}} {total}");
        }
        out
    }
}

fn bound_us(bucket: usize) -> f64 {
    2f64.powf(bucket as f64 / 2.0)
}
