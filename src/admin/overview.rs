//! How the server does: `GET /api/overview` over the last hour and the last day, `GET /api/exchanges` the same by
//! exchange.
//!
//! Read off memory: a restart begins anew. Rates are numbers from 0 to 1, null over none; money is decimal text.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::reply::{self, Answer, Failed, Query};
use crate::base::id::ExchangeNo;
use crate::base::limits::{HISTORY_STEP_S, HISTORY_STEPS};
use crate::base::money::Money;
use crate::base::time::{Millis, Span};
use crate::model::advertiser::Status;
use crate::model::exchange::Exchange;
use crate::model::outcome::NoBid;
use crate::privacy::permission::Ground;
use crate::server::counts::{CELLS, Cell};
use crate::server::engine::Engine;
use crate::server::history::{self, Step};
use crate::state::pacing::plan::plan;
use crate::state::sight::Recognition;
use crate::state::world::World;

/// Steps of an hour.
const HOUR_STEPS: usize = (3_600 / HISTORY_STEP_S) as usize;

/// How the server does.
#[derive(Serialize, ToSchema)]
pub(super) struct Overview {
    /// The last day, RFC 3339.
    from: String,
    to: String,
    /// Seconds of a row of `series`.
    step_s: u32,
    /// Whether bids are made.
    ready: bool,
    /// Users that something is kept of.
    users: usize,
    hour: Figures,
    day: Figures,
    /// Each step of the day that was looked at, the oldest first.
    series: Vec<Figures>,
    /// What active campaigns have spent of what they may today, by currency.
    spend: Vec<Spend>,
}

/// Counts of requests in a while, and rates from 0 to 1: null over none.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Figures {
    /// Where the while is a step of a series: its beginning, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    requests: u64,
    answers_with_bid: u64,
    /// An answer may have several.
    bids: u64,
    /// Told of by notices and pixels.
    impressions: u64,
    /// Requests whose ids led to a user with events.
    matched: u64,
    /// Answers that came too late.
    late: u64,
    match_rate: Option<f64>,
    bid_rate: Option<f64>,
    win_rate: Option<f64>,
    on_time_rate: Option<f64>,
    /// How long answers took at most, in milliseconds: half of them, nineteen of twenty, ninety-nine of a hundred. Null of a
    /// single exchange.
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// Amounts of all active campaigns of a currency, as decimal text.
#[derive(Serialize, ToSchema)]
pub(super) struct Spend {
    currency: String,
    campaigns: u64,
    spent_today: String,
    /// What may be spent today by those that something limits; null where nothing limits any.
    allowance: Option<String>,
    /// What those have spent.
    spent_of_allowance: Option<String>,
    /// What should be spent by now by those that are evenly paced; null where none is.
    expected: Option<String>,
    /// What those have spent.
    spent_of_expected: Option<String>,
}

/// All exchanges.
#[derive(Serialize, ToSchema)]
pub(super) struct Exchanges {
    exchanges: Vec<OfExchange>,
}

/// How one exchange does.
#[derive(Serialize, ToSchema)]
#[schema(as = ExchangeFigures)]
struct OfExchange {
    exchange: String,
    /// Of the last two minutes' answers, the part in time; null without any.
    on_time: Option<f64>,
    hour: Figures,
    day: Figures,
    /// Why there was no bid in the day, the most frequent reason first.
    reasons: Vec<NoBids>,
    /// What the ids of the day's requests came to.
    recognized: Vec<Recognized>,
    /// Which signals forbade to look at ids.
    refused: Vec<Refused>,
    /// Why bids were lost since the start, as far as the exchange told.
    losses: Vec<Lost>,
}

/// Requests without a bid.
#[derive(Debug, Serialize, ToSchema)]
struct NoBids {
    reason: &'static str,
    requests: u64,
    /// The same for people.
    sentence: &'static str,
}

/// Requests by what their ids came to.
#[derive(Serialize, ToSchema)]
struct Recognized {
    result: &'static str,
    requests: u64,
    /// The same for people.
    sentence: &'static str,
}

/// Requests that a signal forbade to look at.
#[derive(Serialize, ToSchema)]
struct Refused {
    ground: &'static str,
    requests: u64,
}

/// Bids that were lost.
#[derive(Serialize, ToSchema)]
struct Lost {
    /// OpenRTB's loss reason code; null of reasons without one.
    code: Option<u32>,
    reason: String,
    bids: u64,
}

/// How the server does: the last hour and the last day.
#[utoipa::path(get, path = "/api/overview", tag = "reports", responses(
    (status = 200, body = Overview), (status = 400, description = "An unknown parameter", body = Failed)))]
pub async fn overview(State(desk): Shared, query: Query) -> Answer {
    query.only(&[])?;
    let (engine, now) = (&desk.engine, Millis::wall_clock());
    engine.history.gather(&engine.meters, now);
    let steps = engine.history.steps(now);
    let world = engine.world.load_full();
    let status = &engine.state.status;
    Ok(reply::json(&Overview {
        from: now.before(Span(HISTORY_STEP_S * HISTORY_STEPS as u32)).to_rfc3339(),
        to: now.to_rfc3339(),
        step_s: HISTORY_STEP_S,
        ready: status.is_ready() && !status.is_poisoned(),
        users: engine.state.users.len(),
        hour: figures(&history::sum(last_hour(&steps, now))),
        day: figures(&history::sum(&steps)),
        series: steps.iter().map(row).collect(),
        spend: spend(engine, &world, now),
    }))
}

/// How exchanges do: the last hour and the last day.
#[utoipa::path(get, path = "/api/exchanges", tag = "exchanges", responses(
    (status = 200, body = Exchanges), (status = 400, description = "An unknown parameter", body = Failed)))]
pub async fn exchanges(State(desk): Shared, query: Query) -> Answer {
    query.only(&[])?;
    let (engine, now) = (&desk.engine, Millis::wall_clock());
    engine.history.gather(&engine.meters, now);
    let steps = engine.history.steps(now);
    let (hour, day) = (history::sum(last_hour(&steps, now)), history::sum(&steps));
    let world = engine.world.load_full();
    let on_time: BTreeMap<&str, f64> = engine.meters.in_time().collect();
    let of_exchange = |exchange: &Arc<Exchange>| {
        let of = |step: &Step| step.exchanges.get(&exchange.no).copied().unwrap_or([0; CELLS]);
        let counts = of(&day);
        OfExchange {
            exchange: exchange.id.clone(),
            on_time: on_time.get(exchange.id.as_str()).copied(),
            hour: counted(&of(&hour)),
            day: counted(&counts),
            reasons: reasons(&counts),
            recognized: recognized(&counts),
            refused: refused(&counts),
            losses: losses(engine, exchange.no),
        }
    };
    Ok(reply::json(&Exchanges {
        exchanges: world.exchanges().map(of_exchange).collect(),
    }))
}

fn last_hour(steps: &[Step], now: Millis) -> impl Iterator<Item = &Step> {
    let first = now.0.div_euclid(i64::from(HISTORY_STEP_S) * 1_000) - HOUR_STEPS as i64;
    steps.iter().filter(move |step| step.no > first)
}

fn figures(step: &Step) -> Figures {
    Figures {
        p50_ms: step.quantile_ms(0.5),
        p95_ms: step.quantile_ms(0.95),
        p99_ms: step.quantile_ms(0.99),
        ..counted(&step.sum())
    }
}

fn row(step: &Step) -> Figures {
    Figures {
        at: Some(Millis(step.no * i64::from(HISTORY_STEP_S) * 1_000).to_rfc3339()),
        ..figures(step)
    }
}

fn counted(cells: &[u64; CELLS]) -> Figures {
    let of = |cell: Cell| cells[cell.place()];
    let (with_bid, without) = (of(Cell::Answered(true)), of(Cell::Answered(false)));
    let requests = with_bid + without;
    let matched = of(Cell::Recognized(Recognition::Matched));
    let asked: u64 = Recognition::ALL.iter().map(|recognition| of(Cell::Recognized(*recognition))).sum();
    let (bids, impressions, late) = (of(Cell::Bids), of(Cell::Impressions), of(Cell::Late));
    Figures {
        requests,
        answers_with_bid: with_bid,
        bids,
        impressions,
        matched,
        late,
        match_rate: rate(matched, asked),
        bid_rate: rate(with_bid, requests),
        win_rate: rate(impressions.min(bids), bids),
        on_time_rate: rate(requests.saturating_sub(late), requests),
        ..Figures::default()
    }
}

/// To six decimals.
fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1e6).round() / 1e6)
}

fn reasons(cells: &[u64; CELLS]) -> Vec<NoBids> {
    let counted = NoBid::ALL.iter().map(|why| NoBids {
        reason: why.label(),
        requests: cells[Cell::NoBid(*why).place()],
        sentence: why.sentence(),
    });
    let mut reasons: Vec<NoBids> = counted.filter(|of| of.requests > 0).collect();
    reasons.sort_by_key(|of| std::cmp::Reverse(of.requests));
    reasons
}

fn recognized(cells: &[u64; CELLS]) -> Vec<Recognized> {
    let all = Recognition::ALL.iter().map(|of| Recognized {
        result: of.label(),
        requests: cells[Cell::Recognized(*of).place()],
        sentence: of.sentence(),
    });
    all.filter(|of| of.requests > 0).collect()
}

fn refused(cells: &[u64; CELLS]) -> Vec<Refused> {
    let all = Ground::ALL.iter().map(|of| Refused {
        ground: of.label(),
        requests: cells[Cell::Refused(*of).place()],
    });
    all.filter(|of| of.requests > 0).collect()
}

/// The most frequent reason first.
fn losses(engine: &Engine, exchange: ExchangeNo) -> Vec<Lost> {
    let mut sums: BTreeMap<String, Lost> = BTreeMap::new();
    let (all, _) = engine.state.losses.all();
    for (_, told) in all.iter().filter(|((of, _), _)| *of == exchange) {
        for (why, bids) in &told.reasons {
            let reason = why.label().into_owned();
            let nothing = Lost {
                code: why.code(),
                reason: reason.clone(),
                bids: 0,
            };
            sums.entry(reason).or_insert(nothing).bids += bids;
        }
    }
    let mut sums: Vec<Lost> = sums.into_values().collect();
    sums.sort_by_key(|lost| std::cmp::Reverse(lost.bids));
    sums
}

/// What active campaigns have spent today, each on its advertiser's day, by currency.
fn spend(engine: &Engine, world: &World, now: Millis) -> Vec<Spend> {
    #[derive(Default)]
    struct Sum {
        campaigns: u64,
        spent: Money,
        /// What may be spent by those that something limits, and what they have; what the evenly paced should have, likewise.
        limited: Option<(Money, Money)>,
        planned: Option<(Money, Money)>,
    }
    let add = |sum: &mut Option<(Money, Money)>, goal: Option<Money>, spent: Money| {
        if let Some(goal) = goal {
            let (goals, so_far) = sum.unwrap_or_default();
            *sum = Some((goals + goal, so_far + spent));
        }
    };
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for advertiser in world.shops().map(|shop| &shop.advertiser) {
        let sum = sums.entry(advertiser.currency.to_string()).or_default();
        for campaign in advertiser.campaigns.iter().filter(|c| c.status == Status::Active) {
            let plan = plan(&engine.state.books, advertiser, campaign, now);
            sum.campaigns += 1;
            sum.spent += plan.spent_today;
            add(&mut sum.limited, plan.allowance, plan.spent_today);
            add(&mut sum.planned, plan.expected, plan.spent_today);
        }
    }
    let row = |(currency, sum): (String, Sum)| Spend {
        currency,
        campaigns: sum.campaigns,
        spent_today: sum.spent.to_string(),
        allowance: sum.limited.map(|(allowance, _)| allowance.to_string()),
        spent_of_allowance: sum.limited.map(|(_, spent)| spent.to_string()),
        expected: sum.planned.map(|(expected, _)| expected.to_string()),
        spent_of_expected: sum.planned.map(|(_, spent)| spent.to_string()),
    };
    sums.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_what_they_say() {
        let mut cells = [0; CELLS];
        let mut set = |cell: Cell, count| cells[cell.place()] = count;
        set(Cell::Answered(true), 20);
        set(Cell::Answered(false), 80);
        set(Cell::NoBid(NoBid::NoAudience), 50);
        set(Cell::NoBid(NoBid::UnknownUser), 30);
        set(Cell::Recognized(Recognition::Matched), 70);
        set(Cell::Recognized(Recognition::UnknownId), 30);
        set(Cell::Bids, 25);
        set(Cell::Impressions, 5);
        set(Cell::Late, 1);
        let told = counted(&cells);
        let rates = [told.match_rate, told.bid_rate, told.win_rate, told.on_time_rate];
        assert_eq!((told.requests, rates), (100, [0.7, 0.2, 0.2, 0.99].map(Some)));
        assert_eq!(counted(&[0; CELLS]).match_rate, None);
        assert_eq!(reasons(&cells)[0].reason, "no_audience");
        assert_eq!(recognized(&cells).len(), 2);
    }
}
