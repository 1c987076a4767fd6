//! How the server does: `GET /api/overview` over the last hour and the last day, `GET /api/exchanges` the same by
//! exchange.
//!
//! Read off memory: a restart begins anew. Rates are numbers from 0 to 1, null over none; money is decimal text.

use std::collections::BTreeMap;

use axum::extract::State;
use serde_json::{Value, json};

use super::Shared;
use super::reply::{self, Answer, Query};
use crate::base::id::ExchangeNo;
use crate::base::limits::{HISTORY_STEP_S, HISTORY_STEPS};
use crate::base::money::Money;
use crate::base::time::{Millis, Span};
use crate::model::advertiser::Status;
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

/// `{"from", "to", "step_s", "ready", "users", "hour", "day", "series", "spend"}`: `hour` and `day` sum up, `series`
/// has one row for each step of the day that was looked at, `spend` what the active campaigns of each currency have spent of
/// what they may today.
pub async fn overview(State(desk): Shared, query: Query) -> Answer {
    query.only(&[])?;
    let (engine, now) = (&desk.engine, Millis::wall_clock());
    engine.history.gather(&engine.meters, now);
    let steps = engine.history.steps(now);
    let world = engine.world.load_full();
    let span_s = HISTORY_STEP_S * HISTORY_STEPS as u32;
    let status = &engine.state.status;
    Ok(reply::json(&json!({
        "from": now.before(Span(span_s)).to_rfc3339(),
        "to": now.to_rfc3339(),
        "step_s": HISTORY_STEP_S,
        "ready": status.is_ready() && !status.is_poisoned(),
        "users": engine.state.users.len(),
        "hour": figures(&history::sum(last_hour(&steps, now))),
        "day": figures(&history::sum(&steps)),
        "series": steps.iter().map(row).collect::<Vec<_>>(),
        "spend": spend(engine, &world, now),
    })))
}

/// `{"exchanges": [{"exchange", "on_time", "hour", "day", "reasons", "recognized", "refused", "losses"}]}`:
/// `on_time` is of the last two minutes, `reasons`, `recognized` and `refused` are of the day, `losses` since the start.
pub async fn exchanges(State(desk): Shared, query: Query) -> Answer {
    query.only(&[])?;
    let (engine, now) = (&desk.engine, Millis::wall_clock());
    engine.history.gather(&engine.meters, now);
    let steps = engine.history.steps(now);
    let (hour, day) = (history::sum(last_hour(&steps, now)), history::sum(&steps));
    let world = engine.world.load_full();
    let on_time: BTreeMap<&str, f64> = engine.meters.in_time().collect();
    let rows: Vec<Value> = world
        .exchanges()
        .map(|exchange| {
            let of = |step: &Step| step.exchanges.get(&exchange.no).copied().unwrap_or([0; CELLS]);
            let counts = of(&day);
            json!({
                "exchange": exchange.id,
                "on_time": on_time.get(exchange.id.as_str()),
                "hour": counted(&of(&hour)),
                "day": counted(&counts),
                "reasons": reasons(&counts),
                "recognized": recognized(&counts),
                "refused": refused(&counts),
                "losses": losses(engine, exchange.no),
            })
        })
        .collect();
    Ok(reply::json(&json!({ "exchanges": rows })))
}

fn last_hour(steps: &[Step], now: Millis) -> impl Iterator<Item = &Step> {
    let first = now.0.div_euclid(i64::from(HISTORY_STEP_S) * 1_000) - HOUR_STEPS as i64;
    steps.iter().filter(move |step| step.no > first)
}

/// Counts and rates, and how long answers took in milliseconds.
fn figures(step: &Step) -> Value {
    let mut figures = counted(&step.sum());
    for (name, part) in [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)] {
        figures[name] = json!(step.quantile_ms(part));
    }
    figures
}

/// One step, as a row of the series.
fn row(step: &Step) -> Value {
    let mut row = figures(step);
    row["at"] = json!(Millis(step.no * i64::from(HISTORY_STEP_S) * 1_000).to_rfc3339());
    row
}

fn counted(cells: &[u64; CELLS]) -> Value {
    let of = |cell: Cell| cells[cell.place()];
    let (with_bid, without) = (of(Cell::Answered(true)), of(Cell::Answered(false)));
    let requests = with_bid + without;
    let matched = of(Cell::Recognized(Recognition::Matched));
    let asked: u64 = Recognition::ALL.iter().map(|recognition| of(Cell::Recognized(*recognition))).sum();
    let (bids, impressions, late) = (of(Cell::Bids), of(Cell::Impressions), of(Cell::Late));
    json!({
        "requests": requests,
        "answers_with_bid": with_bid,
        "bids": bids,
        "impressions": impressions,
        "matched": matched,
        "late": late,
        "match_rate": rate(matched, asked),
        "bid_rate": rate(with_bid, requests),
        "win_rate": rate(impressions.min(bids), bids),
        "on_time_rate": rate(requests.saturating_sub(late), requests),
    })
}

/// To six decimals.
fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1e6).round() / 1e6)
}

/// Why there was no bid, the most frequent reason first.
fn reasons(cells: &[u64; CELLS]) -> Vec<Value> {
    let counted = NoBid::ALL.iter().map(|why| (why, cells[Cell::NoBid(*why).place()]));
    let mut reasons: Vec<_> = counted.filter(|(_, requests)| *requests > 0).collect();
    reasons.sort_by_key(|(_, requests)| std::cmp::Reverse(*requests));
    let row = |(why, requests): (&NoBid, u64)| json!({"reason": why.label(), "requests": requests, "sentence": why.sentence()});
    reasons.into_iter().map(row).collect()
}

/// What the ids of requests came to.
fn recognized(cells: &[u64; CELLS]) -> Vec<Value> {
    let row = |of: &Recognition| {
        let requests = cells[Cell::Recognized(*of).place()];
        (requests > 0).then(|| json!({"result": of.label(), "requests": requests, "sentence": of.sentence()}))
    };
    Recognition::ALL.iter().filter_map(row).collect()
}

/// Which signals forbade to look at ids.
fn refused(cells: &[u64; CELLS]) -> Vec<Value> {
    let row = |ground: &Ground| {
        let requests = cells[Cell::Refused(*ground).place()];
        (requests > 0).then(|| json!({"ground": ground.label(), "requests": requests}))
    };
    Ground::ALL.iter().filter_map(row).collect()
}

/// Why bids were lost, as far as the exchange told; the most frequent reason first.
fn losses(engine: &Engine, exchange: ExchangeNo) -> Vec<Value> {
    let mut sums: BTreeMap<String, (Option<u32>, u64)> = BTreeMap::new();
    let (all, _) = engine.state.losses.all();
    for (_, told) in all.iter().filter(|((of, _), _)| *of == exchange) {
        for (reason, bids) in &told.reasons {
            sums.entry(reason.label().into_owned()).or_insert((reason.code(), 0)).1 += bids;
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, (_, bids))| std::cmp::Reverse(*bids));
    let row = |(reason, (code, bids))| json!({"code": code, "reason": reason, "bids": bids});
    sums.into_iter().map(row).collect()
}

/// What active campaigns have spent today, each on its advertiser's day, by currency.
fn spend(engine: &Engine, world: &World, now: Millis) -> Vec<Value> {
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
    let row = |(currency, sum): (String, Sum)| {
        json!({
            "currency": currency,
            "campaigns": sum.campaigns,
            "spent_today": sum.spent.to_string(),
            "allowance": sum.limited.map(|(allowance, _)| allowance.to_string()),
            "spent_of_allowance": sum.limited.map(|(_, spent)| spent.to_string()),
            "expected": sum.planned.map(|(expected, _)| expected.to_string()),
            "spent_of_expected": sum.planned.map(|(_, spent)| spent.to_string()),
        })
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
        for (name, figure) in [
            ("requests", json!(100)),
            ("match_rate", json!(0.7)),
            ("bid_rate", json!(0.2)),
            ("win_rate", json!(0.2)),
            ("on_time_rate", json!(0.99)),
        ] {
            assert_eq!(told[name], figure, "{name}");
        }
        assert_eq!(counted(&[0; CELLS])["match_rate"], Value::Null);
        assert_eq!(reasons(&cells)[0]["reason"], "no_audience");
        assert_eq!(recognized(&cells).len(), 2);
    }
}
