//! `GET /api/approvals`: creatives that are not offered at an exchange, which kept refusing them.

use axum::extract::State;
use serde_json::{Value, json};

use super::Shared;
use super::reply::{self, Answer};
use crate::base::limits::REFUSALS_MAX;
use crate::base::time::Millis;
use crate::state::approvals::Suspended;
use crate::state::world::World;

/// Answers `{"suspended": [{"exchange", "crid", "refusals", "code", "until"}]}`.
pub async fn list(State(desk): Shared) -> Answer {
    let world = desk.engine.world.load();
    let suspended = desk.engine.state.approvals.list(Millis::wall_clock().to_secs());
    let rows: Vec<Value> = suspended.iter().map(|s| row(&world, s)).collect();
    Ok(reply::json(&json!({ "suspended": rows })))
}

fn row(world: &World, suspended: &Suspended) -> Value {
    json!({
        "exchange": world.exchange(suspended.exchange).map(|exchange| exchange.id.as_str()),
        "crid": world.crid(suspended.crid),
        "refusals": REFUSALS_MAX,
        "code": suspended.code,
        "until": suspended.until.to_millis().to_rfc3339(),
    })
}
