//! Health and metrics: open to whoever reaches the listener, so nothing here tells of a person.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Shared, configs, feeds, losses, reply};
use crate::base::money::Money;
use crate::base::time::Millis;
use crate::model::outcome::NoBid;
use crate::model::traffic::Invalid;
use crate::server::engine::Engine;
use crate::state::hand::Why;

/// That the process runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Live {
    live: bool,
}

/// Whether bids are made.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
    /// Why not, as `winback_no_bids_total` counts it.
    reason: Option<&'static str>,
    /// The same for people.
    sentence: Option<&'static str>,
}

/// That the process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Live)))]
pub async fn live() -> Response {
    reply::json(&Live { live: true })
}

/// Whether bids are made, else why not.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, body = Ready), (status = 503, description = "Bids are not made", body = Ready)))]
pub async fn ready(State(desk): Shared) -> Response {
    let status = &desk.engine.state.status;
    let why = match (status.is_poisoned(), status.is_ready()) {
        (true, _) => Some(NoBid::StorePoisoned),
        (false, false) => Some(NoBid::NotReady),
        (false, true) => None,
    };
    let code = if why.is_some() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let body = Ready {
        ready: why.is_none(),
        reason: why.map(NoBid::label),
        sentence: why.map(NoBid::sentence),
    };
    (code, reply::json(&body)).into_response()
}

/// All figures, as Prometheus text.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8")))]
pub async fn metrics(State(desk): Shared) -> Response {
    let mut text = gauges(&desk.engine);
    text.push_str(&desk.prometheus.render());
    text.push_str(&desk.engine.meters.counts_text());
    text.push_str(&desk.engine.meters.latency_text());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// How far each core is behind, and who was answered in time.
fn pressure(engine: &Engine, text: &mut String) {
    let _ = writeln!(text, "# TYPE winback_loop_behind_seconds gauge");
    for (core, lag) in engine.lags.get().into_iter().flatten().enumerate() {
        let _ = writeln!(
            text,
            "winback_loop_behind_seconds{{core=\"{core}\"}} {:.6}",
            lag.lately().as_secs_f64()
        );
    }
    let _ = writeln!(text, "# TYPE winback_in_time_share gauge");
    for (exchange, share) in engine.meters.in_time() {
        let _ = writeln!(text, "winback_in_time_share{{exchange=\"{exchange}\"}} {share:.6}");
    }
}

/// What is a state rather than an event: read off when asked for.
fn gauges(engine: &Engine) -> String {
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(text, "# TYPE winback_users gauge\nwinback_users {}", engine.state.users.len());
    let _ = writeln!(
        text,
        "# TYPE winback_users_bytes gauge\nwinback_users_bytes {}",
        engine.state.users_bytes()
    );
    let _ = writeln!(text, "# TYPE winback_evicted_total counter");
    for (why, count) in Why::ALL.iter().zip(&engine.state.evicted) {
        let (why, count) = (why.label(), count.load(std::sync::atomic::Ordering::Relaxed));
        let _ = writeln!(text, "winback_evicted_total{{reason=\"{why}\"}} {count}");
    }
    let _ = writeln!(text, "# TYPE winback_invalid_total counter");
    for (why, count) in Invalid::ALL.iter().zip(&engine.state.invalid) {
        let (why, count) = (why.label(), count.load(std::sync::atomic::Ordering::Relaxed));
        let _ = writeln!(text, "winback_invalid_total{{reason=\"{why}\"}} {count}");
    }
    let longest = engine.state.longest_holds();
    let _ = writeln!(text, "# TYPE winback_shard_lock_seconds_max gauge");
    for (table, ns) in [("steady", longest.steady_ns), ("doubling", longest.doubling_ns)] {
        let _ = writeln!(text, "winback_shard_lock_seconds_max{{table=\"{table}\"}} {:.9}", ns as f64 / 1e9);
    }
    let late = engine.state.cap_late.load(std::sync::atomic::Ordering::Relaxed);
    let _ = writeln!(text, "# TYPE winback_cap_late_total counter\nwinback_cap_late_total {late}");
    let suspended = engine.state.approvals.list(Millis::wall_clock().to_secs()).len();
    let _ = writeln!(
        text,
        "# TYPE winback_creatives_suspended gauge\nwinback_creatives_suspended {suspended}"
    );
    let _ = writeln!(text, "# TYPE winback_billed_total gauge");
    let mut billed: BTreeMap<u32, Money> = BTreeMap::new();
    for ((campaign, _), row) in engine.state.days.lock().iter() {
        *billed.entry(campaign.0).or_default() += row.billed;
    }
    let world = engine.world.load();
    for shop in world.shops() {
        let advertiser = &shop.advertiser;
        for campaign in &advertiser.campaigns {
            let sum = billed.remove(&campaign.no.0).unwrap_or_default();
            let labels = format!(
                "campaign=\"{}\",currency=\"{}\",advertiser=\"{}\"",
                campaign.id, advertiser.currency, advertiser.id
            );
            let _ = writeln!(text, "winback_billed_total{{{labels}}} {sum}");
        }
    }
    losses::metrics(engine, &world, &mut text);
    pressure(engine, &mut text);
    configs::metrics(engine, &mut text);
    feeds::metrics(engine, &world, &mut text);
    let unkept = engine.state.funnels.unkept();
    let _ = writeln!(
        text,
        "# TYPE winback_funnel_unkept_total counter\nwinback_funnel_unkept_total {unkept}"
    );
    text
}
