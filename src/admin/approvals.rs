//! Creatives that are not offered at an exchange, which kept refusing them.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::reply::{self, Answer};
use crate::base::limits::REFUSALS_MAX;
use crate::base::time::Millis;
use crate::state::approvals::Suspended;
use crate::state::world::World;

/// Creatives that are not offered.
#[derive(Serialize, ToSchema)]
pub(super) struct Approvals {
    suspended: Vec<Row>,
}

/// A creative that an exchange is not offered.
#[derive(Serialize, ToSchema)]
#[schema(as = SuspendedCreative)]
struct Row {
    exchange: Option<String>,
    /// Null where no advertiser has it any more.
    crid: Option<String>,
    /// How often in a row it was refused.
    refusals: u32,
    /// The loss code of the last refusal.
    code: u32,
    /// When it is offered again, RFC 3339.
    until: String,
}

/// Creatives that are not offered at an exchange, which kept refusing them.
#[utoipa::path(get, path = "/api/approvals", tag = "exchanges", responses((status = 200, body = Approvals)))]
pub async fn list(State(desk): Shared) -> Answer {
    let world = desk.engine.world.load();
    let suspended = desk.engine.state.approvals.list(Millis::wall_clock().to_secs());
    let suspended = suspended.iter().map(|suspended| row(&world, suspended)).collect();
    Ok(reply::json(&Approvals { suspended }))
}

fn row(world: &World, suspended: &Suspended) -> Row {
    Row {
        exchange: world.exchange(suspended.exchange).map(|exchange| exchange.id.clone()),
        crid: world.crid(suspended.crid).map(str::to_owned),
        refusals: REFUSALS_MAX,
        code: suspended.code,
        until: suspended.until.to_millis().to_rfc3339(),
    }
}
