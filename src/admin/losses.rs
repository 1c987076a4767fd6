//! What exchanges tell of lost bids and of what would have won: as a call, as metrics and as a line for
//! explain.
//!
//! Read off state in memory: since the start of the process.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

use axum::extract::State as Given;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::reply::{self, Answer, Failed, Query};
use crate::base::id::{CampaignNo, ExchangeNo};
use crate::base::money::Currency;
use crate::openrtb::feedback::Reason;
use crate::server::engine::Engine;
use crate::state::State;
use crate::state::losses::Told;
use crate::state::world::World;

/// Who a pair is about: names, and the currency that its prices are in.
struct Title<'w> {
    exchange: &'w str,
    advertiser: &'w str,
    /// None where an exchange told of no single campaign.
    campaign: Option<&'w str>,
    currency: Currency,
}

type Titles<'w> = HashMap<CampaignNo, (&'w str, Option<&'w str>, Currency)>;

/// Every campaign, and every advertiser by its book.
fn titles(world: &World) -> Titles<'_> {
    let mut titles = Titles::new();
    for advertiser in world.shops().map(|shop| &shop.advertiser) {
        let own = (advertiser.id.as_str(), None, advertiser.currency);
        titles.insert(advertiser.book, own);
        titles.extend(advertiser.campaigns.iter().map(|c| (c.no, (own.0, Some(c.id.as_str()), own.2))));
    }
    titles
}

/// All that is told of whom the config knows, in a lasting order.
fn rows<'w>(engine: &Engine, world: &'w World) -> Vec<(Title<'w>, Told)> {
    let titles = titles(world);
    let (all, _) = engine.state.losses.all();
    let row = |((exchange, campaign), told): ((ExchangeNo, CampaignNo), Told)| {
        let (advertiser, campaign, currency) = *titles.get(&campaign)?;
        let exchange = world.exchange(exchange)?.id.as_str();
        let title = Title {
            exchange,
            advertiser,
            campaign,
            currency,
        };
        Some((title, told))
    };
    all.into_iter().filter_map(row).collect()
}

/// What exchanges told of.
#[derive(Serialize, ToSchema)]
pub(super) struct Losses {
    rows: Vec<Row>,
}

/// What an exchange told of one campaign.
#[derive(Serialize, ToSchema)]
#[schema(as = Loss)]
struct Row {
    exchange: String,
    advertiser: String,
    /// Null where the exchange told of no single campaign.
    campaign: Option<String>,
    /// Bids that were lost.
    lost: u64,
    reasons: Vec<LossReason>,
    min_to_win: MinToWin,
}

/// Bids lost for one reason.
#[derive(Serialize, ToSchema)]
struct LossReason {
    /// OpenRTB's loss reason code; null of reasons without one.
    code: Option<u32>,
    reason: Cow<'static, str>,
    bids: u64,
}

/// What would have won.
#[derive(Serialize, ToSchema)]
struct MinToWin {
    /// The median of the last auctions that were told of, CPM as decimal text.
    median: Option<String>,
    /// How many were.
    told: u64,
    /// ISO 4217.
    currency: String,
}

/// What exchanges tell of lost bids and of what would have won, since the start of the process.
#[utoipa::path(get, path = "/api/losses", tag = "exchanges",
    params(("advertiser" = Option<String>, Query, description = "Only of this one"),
        ("exchange" = Option<String>, Query, description = "Only of this one")),
    responses((status = 200, body = Losses), (status = 400, description = "An unknown parameter", body = Failed)))]
pub async fn list(Given(desk): Shared, query: Query) -> Answer {
    query.only(&["advertiser", "exchange"])?;
    let (advertiser, exchange) = (query.get("advertiser"), query.get("exchange"));
    let world = desk.engine.world.load();
    let is_asked_for = |(title, _): &(Title<'_>, Told)| {
        advertiser.is_none_or(|id| id == title.advertiser) && exchange.is_none_or(|id| id == title.exchange)
    };
    let found = rows(&desk.engine, &world).into_iter().filter(is_asked_for);
    let rows = found.map(|(title, told)| row(&title, &told)).collect();
    Ok(reply::json(&Losses { rows }))
}

fn row(title: &Title<'_>, told: &Told) -> Row {
    let reason = |(reason, bids): &(Reason, u64)| LossReason {
        code: reason.code(),
        reason: reason.label(),
        bids: *bids,
    };
    Row {
        exchange: title.exchange.to_owned(),
        advertiser: title.advertiser.to_owned(),
        campaign: title.campaign.map(str::to_owned),
        lost: told.lost(),
        reasons: told.reasons.iter().map(reason).collect(),
        min_to_win: MinToWin {
            median: told.median_to_win().map(|price| price.to_string()),
            told: told.mins_told,
            currency: title.currency.to_string(),
        },
    }
}

/// The same as Prometheus text.
pub fn metrics(engine: &Engine, world: &World, text: &mut String) {
    let rows = rows(engine, world);
    // Writing into a String does not fail.
    let _ = writeln!(text, "# TYPE winback_losses_total counter");
    for (title, told) in &rows {
        let labels = labels(title);
        for (reason, bids) in &told.reasons {
            let _ = writeln!(text, "winback_losses_total{{{labels},reason=\"{}\"}} {bids}", reason.label());
        }
    }
    let _ = writeln!(text, "# TYPE winback_min_to_win gauge");
    for (title, told) in &rows {
        if let Some(median) = told.median_to_win() {
            let labels = labels(title);
            let _ = writeln!(text, "winback_min_to_win{{{labels},currency=\"{}\"}} {median}", title.currency);
        }
    }
    let (_, unkept) = engine.state.losses.all();
    let _ = writeln!(
        text,
        "# TYPE winback_losses_unkept_total counter\nwinback_losses_unkept_total {unkept}"
    );
}

fn labels(title: &Title<'_>) -> String {
    let (exchange, campaign, advertiser) = (title.exchange, title.campaign.unwrap_or(""), title.advertiser);
    format!("exchange=\"{exchange}\",campaign=\"{campaign}\",advertiser=\"{advertiser}\"")
}

/// What became of a campaign's bids at an exchange of late, in one line; none where nothing was told.
pub fn line(state: &State, exchange: ExchangeNo, campaign: CampaignNo) -> Option<String> {
    let told = state.losses.of((exchange, campaign))?;
    let mut parts = Vec::new();
    if let Some((reason, bids)) = told.reasons.iter().max_by_key(|(_, bids)| *bids) {
        parts.push(format!(
            "{} bids lost here so far, {bids} of them for {}",
            told.lost(),
            reason.label()
        ));
    }
    if let Some(median) = told.median_to_win() {
        parts.push(format!("{median} would have won half of the last auctions told of"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
