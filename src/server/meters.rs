//! Counters of the server (contract §5 `metrics`), through the `metrics` crate.
//!
//! What is counted of every request, and the latency of bids, is kept in plain cells of our own: counting is one
//! addition, histograms of the crate grow until they are read, and the desk reads the same cells.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use metrics::{counter, gauge};

use super::ages::{Ages, BOUNDS_S};
use super::counts::{self, CELLS, Cell, Counts};
use super::share::Share;
use crate::base::id::ExchangeNo;
use crate::base::limits::{EXCHANGES_MAX, REFUSALS_MAX};
use crate::model::outcome::Outcome;
use crate::privacy::permission::Ground;
use crate::state::approvals::Suspended;
use crate::state::sight::{Recognition, Sight};
use crate::state::world::World;
use crate::track::fact::{Effect, Paid};

/// Of latencies.
pub const BUCKETS: usize = 40;
const OUTCOMES: [&str; 2] = ["bid", "no_bid"];

/// Why a connection is not read from for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its exchange asks more often than `max_qps`.
    Rate,
    /// The core is behind.
    Lag,
}

impl Held {
    /// As metrics name them.
    pub(super) const LABELS: [&str; 2] = ["max_qps", "lag"];
}

/// When a request was answered.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Since when it may have been waiting.
    pub arrived: Instant,
    /// Now.
    pub answered: Instant,
    /// Milliseconds within which an answer is in time.
    pub patience_ms: u32,
}

/// All of them.
pub struct Meters {
    began: Instant,
    exchanges: Vec<Option<OfExchange>>,
    latency: [Latency; OUTCOMES.len()],
}

struct OfExchange {
    no: ExchangeNo,
    id: String,
    counts: Counts,
    share: Share,
}

/// What was counted of one exchange since the start of the process.
pub struct Reading {
    /// Which one.
    pub exchange: ExchangeNo,
    /// By [`Cell::place`].
    pub cells: [u64; CELLS],
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
    /// With a place for every exchange.
    pub fn new(world: &World) -> Meters {
        let mut exchanges: Vec<Option<OfExchange>> = (0..EXCHANGES_MAX).map(|_| None).collect();
        for exchange in world.exchanges() {
            if let Some(place) = exchanges.get_mut(usize::from(exchange.no.0)) {
                *place = Some(OfExchange {
                    no: exchange.no,
                    id: exchange.id.clone(),
                    counts: Counts::default(),
                    share: Share::default(),
                });
            }
        }
        Meters {
            began: Instant::now(),
            exchanges,
            latency: Default::default(),
        }
    }

    fn of(&self, exchange: ExchangeNo) -> Option<&OfExchange> {
        self.exchanges.get(usize::from(exchange.0))?.as_ref()
    }

    /// Counts one answer, when it was given, and what the ids of the request came to.
    pub fn answered(&self, exchange: ExchangeNo, outcome: &Outcome, sight: &Sight, timing: Timing) {
        let took = timing.answered.saturating_duration_since(timing.arrived);
        let us = took.as_micros() as u64;
        if let Some(of) = self.of(exchange) {
            let is_late = us >= u64::from(timing.patience_ms) * 1_000;
            of.share
                .count(timing.answered.saturating_duration_since(self.began).as_secs(), is_late);
            if is_late {
                of.counts.add(Cell::Late, 1);
            }
            of.counts.add(Cell::Answered(outcome.why_not().is_none()), 1);
            match outcome {
                Outcome::Bid { bids, .. } => of.counts.add(Cell::Bids, u64::from(*bids)),
                Outcome::NoBid(why) => of.counts.add(Cell::NoBid(*why), 1),
            }
            if let Some(recognition) = sight.recognition(outcome.why_not()) {
                of.counts.add(Cell::Recognized(recognition), 1);
                if let Some(ground) = sight.ground.filter(|_| recognition == Recognition::Consent) {
                    of.counts.add(Cell::Refused(ground), 1);
                }
            }
        }
        let latency = &self.latency[usize::from(matches!(outcome, Outcome::NoBid(_)))];
        let bucket = (2.0 * (us.max(1) as f64).log2()).ceil() as usize;
        let bucket = bucket.min(BUCKETS - 1);
        latency.counts[bucket].fetch_add(1, Relaxed);
        latency.sum_us.fetch_add(us, Relaxed);
    }

    /// Counts a connection of an exchange that is not read from for a while.
    pub fn held(&self, exchange: ExchangeNo, why: Held) {
        if let Some(of) = self.of(exchange) {
            of.counts.add(Cell::Held(why), 1);
        }
    }

    /// Of each exchange that was answered lately, the share of answers in time.
    pub fn in_time(&self) -> impl Iterator<Item = (&str, f64)> {
        let second = self.began.elapsed().as_secs();
        let exchanges = self.exchanges.iter().flatten();
        exchanges.filter_map(move |of| Some((of.id.as_str(), of.share.in_time(second)?)))
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
        if effect == Effect::Settled.label()
            && let Some(of) = self.exchanges.iter().flatten().find(|of| of.id == exchange)
        {
            of.counts.add(Cell::Impressions, 1);
        }
    }

    /// Counts what a call for id match came to; one may come to several things.
    pub fn synced(&self, exchange: &str, result: &'static str) {
        counter!("winback_syncs_total", "exchange" => exchange.to_owned(), "result" => result).increment(1);
    }

    /// Counts what forbade a call for id match.
    pub fn sync_forbidden(&self, exchange: &str, ground: Option<Ground>) {
        let ground = ground.map_or("none", Ground::label);
        counter!("winback_sync_refusals_total", "exchange" => exchange.to_owned(), "ground" => ground).increment(1);
    }

    /// Counts an error that an exchange told in place of an id; what is no small number is one.
    pub fn sync_error(&self, exchange: &str, code: &str) {
        let code = code.parse::<u8>().map_or_else(|_| "other".to_owned(), |code| code.to_string());
        counter!("winback_sync_errors_total", "exchange" => exchange.to_owned(), "code" => code).increment(1);
    }

    /// Counts matches that were taken out because they were older than they hold.
    pub fn lapsed(&self, matches: usize) {
        counter!("winback_matches_lapsed_total").increment(matches as u64);
    }

    /// Counts how old a match was when it was made anew: the buckets of a histogram.
    pub fn match_age(&self, exchange: &str, age_s: u32) {
        let within = |most: &u32| (age_s <= *most).then(|| most.to_string());
        for le in BOUNDS_S.iter().filter_map(within).chain(["+Inf".to_owned()]) {
            counter!("winback_match_age_seconds_bucket", "exchange" => exchange.to_owned(), "le" => le).increment(1);
        }
    }

    /// Says how old the matches are that are held.
    pub fn matches(&self, world: &World, ages: &Ages) {
        for exchange in world.exchanges() {
            let of = ages.of(exchange.no);
            for (le, count) in of.buckets() {
                gauge!("winback_matches_by_age", "exchange" => exchange.id.clone(), "le" => le).set(count as f64);
            }
            gauge!("winback_matches_told_by_shops", "exchange" => exchange.id.clone()).set(of.told as f64);
        }
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

    /// What was counted of every exchange.
    pub fn read(&self) -> impl Iterator<Item = Reading> {
        self.exchanges.iter().flatten().map(|of| Reading {
            exchange: of.no,
            cells: of.counts.read(),
        })
    }

    /// How many answers, with a bid or without, took so long, by bucket.
    pub fn latencies(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|at| self.latency.iter().map(|latency| latency.counts[at].load(Relaxed)).sum())
    }

    /// The counts of every exchange as Prometheus text.
    pub fn counts_text(&self) -> String {
        counts::text(self.exchanges.iter().flatten().map(|of| (of.id.as_str(), &of.counts)))
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

/// The longest that the answers of a bucket took, in microseconds.
pub fn bound_us(bucket: usize) -> f64 {
    2f64.powf(bucket as f64 / 2.0)
}
