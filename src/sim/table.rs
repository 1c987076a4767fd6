//! The table at the end: each campaign by the bidder's report, beside the exchange's own book.
//!
//! Assumes the report is of today and of this run alone. Amounts are compared exactly, as decimals.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::Value;

use super::ledger::{Line, names};
use super::world::World;
use crate::base::money::Money;

/// How often the report is read again where it differs from the notices: it may be a moment behind.
const REPORT_RETRIES: u32 = 20;
/// Between two readings.
const REPORT_PAUSE: Duration = Duration::from_millis(100);

/// What the report says of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// `impressions`.
    pub impressions: u64,
    /// `clicks`.
    pub clicks: u64,
    /// `conversions`.
    pub conversions: u64,
    /// `media_cost`.
    pub media_cost: Money,
    /// `billed`.
    pub billed: Money,
    /// `ecpm`, as the report writes it.
    pub ecpm: String,
}

/// Each campaign's report, in the order of the ledger's lines.
async fn report(world: &mut World<'_>) -> Result<Vec<Reported>, String> {
    let bearer = format!("Bearer {}", world.stage.admin_token);
    let mut reports = Vec::new();
    for shop in &world.shops {
        let path = format!("/api/report?advertiser={}&by=campaign&format=json", shop.id);
        let answer = world
            .admin
            .get(&path, &[("authorization", &bearer)])
            .await?
            .expect(&[200])?
            .json()?;
        let rows = answer["rows"].as_array().cloned().unwrap_or_default();
        for (campaign, _) in &shop.campaigns {
            let row = rows
                .iter()
                .find(|row| row["campaign"].as_str().is_some_and(|name| names(name, &shop.id, campaign)));
            reports.push(match row {
                Some(row) => reported(row).map_err(|fault| format!("GET {path}: row of {campaign}: {fault}"))?,
                None => Reported::default(),
            });
        }
    }
    Ok(reports)
}

/// The report, once it agrees with the notices or had time enough to.
pub async fn settled(world: &mut World<'_>) -> Result<Vec<Reported>, String> {
    for _ in 0..REPORT_RETRIES {
        let reports = report(world).await?;
        if differences(world, &reports) == "0" {
            return Ok(reports);
        }
        tokio::time::sleep(REPORT_PAUSE).await;
    }
    report(world).await
}

fn reported(row: &Value) -> Result<Reported, String> {
    let count = |key: &str| row[key].as_u64().or_else(|| row[key].as_str()?.parse().ok()).unwrap_or_default();
    let money = |key: &str| {
        let text = text(&row[key]);
        Money::parse(&text).map_err(|fault| format!("`{key}` is {text}: {fault}"))
    };
    Ok(Reported {
        impressions: count("impressions"),
        clicks: count("clicks"),
        conversions: count("conversions"),
        media_cost: money("media_cost")?,
        billed: money("billed")?,
        ecpm: text(&row["ecpm"]),
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a campaign has wins, clicks and billed money.
pub fn is_complete(line: &Line, reported: &Reported) -> bool {
    line.wins > 0 && reported.clicks > 0 && reported.billed > Money::ZERO
}

/// Without sign, how far a report is from the notices.
pub fn difference(line: &Line, reported: &Reported) -> Money {
    let difference = reported.media_cost - line.billed;
    if difference < Money::ZERO { -difference } else { difference }
}

/// The differences added up in each currency: `0`, or amounts with their currencies.
pub fn differences(world: &World<'_>, reports: &[Reported]) -> String {
    let mut parts = Vec::new();
    for (at, shop) in world.shops.iter().enumerate() {
        let lines = world.ledger.lines.iter().zip(reports).filter(|(line, _)| line.shop == at);
        let sum: Money = lines.map(|(line, reported)| difference(line, reported)).sum();
        if sum > Money::ZERO {
            parts.push(format!("{sum}{}", shop.currency));
        }
    }
    if parts.is_empty() { "0".to_owned() } else { parts.join("+") }
}

/// Writes the table.
pub fn write(world: &World<'_>, reports: &[Reported], out: &mut (dyn Write + Send)) -> io::Result<()> {
    writeln!(
        out,
        "{:<11} {:<13} {:<4} {:>5} {:>5} {:>6} {:>5} {:>13} {:>13} {:>9} {:<3} {:>14}",
        "shop", "campaign", "bid", "bids", "wins", "clicks", "conv", "media_cost", "billed", "ecpm", "cur", "report-notices"
    )?;
    for (line, reported) in world.ledger.lines.iter().zip(reports) {
        let Some(shop) = world.shops.get(line.shop) else {
            continue;
        };
        writeln!(
            out,
            "{:<11} {:<13} {:<4} {:>5} {:>5} {:>6} {:>5} {:>13} {:>13} {:>9} {:<3} {:>14}",
            shop.id,
            line.campaign,
            line.kind,
            line.bids,
            line.wins,
            reported.clicks,
            reported.conversions,
            reported.media_cost.to_string(),
            reported.billed.to_string(),
            cut(&reported.ecpm),
            shop.currency.as_str(),
            (reported.media_cost - line.billed).to_string(),
        )?;
    }
    Ok(())
}

/// A decimal with at most two places, for people.
fn cut(text: &str) -> String {
    match Money::parse_lossy(text) {
        Ok(amount) => amount.to_decimals(2, crate::base::money::Round::Nearest).to_string(),
        Err(_) => "-".to_owned(),
    }
}
