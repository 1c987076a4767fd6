//! `GET /api/report`: figures by advertiser, campaign and local day, exact, as JSON or CSV.
//!
//! Rows are made of the day rows that settled impressions, clicks and conversions were added to.
//! Amounts are in each advertiser's currency, so no row ever adds up two advertisers. A campaign
//! without figures has a row of zeros, but not where rows are by day.
//!
//! Conversions stand on the day they came; beside them, on the day of the impression that earned them.
//! Invalid traffic is beside what counts: impressions stay billed, and rates are of valid ones. Events of
//! machines are of no campaign: they stand in rows of whole advertisers, and under `invalid`.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::Shared;
use super::advertisers::unknown;
use super::reply::{self, Answer, Fail, Failed, Query};
use crate::base::id::CampaignNo;
use crate::base::money::{Currency, Money};
use crate::base::time::{Day, Millis};
use crate::server::engine::Engine;
use crate::state::DayRow;

/// Days shown where no range is asked for, today included.
const DEFAULT_DAYS: i32 = 7;
/// One in millionths: ratios are shown to six decimals.
const MILLION: i128 = 1_000_000;
/// Billionths in a millionth.
const STEP: i128 = 1_000;

/// What is asked for.
struct Wanted {
    advertiser: Option<String>,
    from: Option<Day>,
    to: Option<Day>,
    by_campaign: bool,
    by_day: bool,
    csv: bool,
}

/// An advertiser of the report; a deleted one has no currency any more.
struct Owner {
    currency: Option<Currency>,
    from: Day,
    to: Day,
}

/// What a row is of: advertiser, then campaign and day where rows are by them.
type Key = (String, Option<String>, Option<Day>);

/// Figures by advertiser, campaign and local day, exact.
///
/// By default of the last 7 days in the advertiser's zone. A row has the columns that it is `by`.
#[utoipa::path(get, path = "/api/report", tag = "reports",
    params(("advertiser" = Option<String>, Query, description = "Only of this one"),
        ("from" = Option<String>, Query, description = "The first day", example = "2026-01-01"),
        ("to" = Option<String>, Query, description = "The last day", example = "2026-01-31"),
        ("by" = Option<String>, Query, description = "What rows are of, with commas between", example = "campaign,day"),
        ("format" = Option<String>, Query, description = "`json` (default) or `csv`")), responses(
    (status = 200, content((Object = "application/json"), (String = "text/csv"))),
    (status = 400, description = "A parameter cannot be read", body = Failed),
    (status = 404, description = "No such advertiser", body = Failed)))]
pub async fn report(State(desk): Shared, query: Query) -> Answer {
    let wanted = Wanted::read(&query)?;
    let Gathered { owners, rows, invalid } = gather(&desk.engine, &wanted, Millis::wall_clock())?;
    let rows: Vec<Map<String, Value>> = rows.iter().map(|(key, row)| line(&owners, key, row)).collect();
    if wanted.csv {
        return csv(&wanted, &rows);
    }
    let mut currencies = owners.values().map(|owner| owner.currency);
    let first = currencies.next().flatten();
    let currency = first.filter(|first| currencies.all(|other| other == Some(*first)));
    let invalid = json!({"impressions": invalid.invalid_impressions, "clicks": invalid.invalid_clicks, "events": invalid.invalid_events});
    Ok(reply::json(
        &json!({"currency": currency.map(|c| c.to_string()), "rows": rows, "invalid": invalid}),
    ))
}

impl Wanted {
    fn read(query: &Query) -> Result<Wanted, Fail> {
        query.only(&["advertiser", "from", "to", "by", "format"])?;
        let day = |name: &str| {
            let read = |text: &str| Day::parse(text).ok_or_else(|| Fail::bad_request(format!("`{name}` is no date like 2026-01-31")));
            query.get(name).map(read).transpose()
        };
        let by: Vec<&str> = query.get("by").unwrap_or("campaign").split(',').map(str::trim).collect();
        if let Some(other) = by.iter().find(|by| !["advertiser", "campaign", "day"].contains(by)) {
            return Err(Fail::bad_request(format!(
                "unknown `by` `{other}`: known are advertiser, campaign, day"
            )));
        }
        let csv = match query.get("format") {
            None | Some("json") => false,
            Some("csv") => true,
            Some(other) => return Err(Fail::bad_request(format!("unknown `format` `{other}`: known are json, csv"))),
        };
        Ok(Wanted {
            advertiser: query.get("advertiser").map(str::to_owned),
            from: day("from")?,
            to: day("to")?,
            by_campaign: by.contains(&"campaign"),
            by_day: by.contains(&"day"),
            csv,
        })
    }

    fn covers(&self, advertiser: &str) -> bool {
        self.advertiser.as_ref().is_none_or(|wanted| wanted == advertiser)
    }

    /// The range on an advertiser's clock.
    fn owner(&self, currency: Option<Currency>, zone: &TimeZone, now: Millis) -> Result<Owner, Fail> {
        let to = self.to.unwrap_or_else(|| now.local_day(zone).max(self.from.unwrap_or_default()));
        let from = self.from.unwrap_or_else(|| to.plus(1 - DEFAULT_DAYS));
        if from > to {
            return Err(Fail::bad_request(format!("`from` {from} is after `to` {to}")));
        }
        Ok(Owner { currency, from, to })
    }

    fn key(&self, advertiser: &str, campaign: &str, day: Day) -> Key {
        (
            advertiser.to_owned(),
            self.by_campaign.then(|| campaign.to_owned()),
            self.by_day.then_some(day),
        )
    }
}

/// What a report is made of.
struct Gathered {
    owners: HashMap<String, Owner>,
    rows: BTreeMap<Key, DayRow>,
    /// The sum of all that was invalid.
    invalid: DayRow,
}

fn gather(engine: &Engine, wanted: &Wanted, now: Millis) -> Result<Gathered, Fail> {
    let mut owners = HashMap::new();
    let mut titles: HashMap<CampaignNo, (String, String)> = HashMap::new();
    let mut rows: BTreeMap<Key, DayRow> = BTreeMap::new();
    let mut invalid = DayRow::default();
    let world = engine.world.load_full();
    for shop in world.shops().filter(|shop| wanted.covers(&shop.advertiser.id)) {
        let advertiser = &shop.advertiser;
        owners.insert(
            advertiser.id.clone(),
            wanted.owner(Some(advertiser.currency), &advertiser.timezone, now)?,
        );
        for campaign in &advertiser.campaigns {
            titles.insert(campaign.no, (advertiser.id.clone(), campaign.id.clone()));
            if !wanted.by_day {
                rows.entry(wanted.key(&advertiser.id, &campaign.id, Day::default())).or_default();
            }
        }
    }
    let days: Vec<((CampaignNo, Day), DayRow)> = engine.state.days.lock().iter().map(|(key, row)| (*key, *row)).collect();
    for ((no, day), figures) in days {
        // A campaign or an advertiser that is no longer configured keeps its name.
        let title = titles.entry(no).or_insert_with(|| {
            let of_book = || Some((engine.names.owner_of_book(no)?, String::new()));
            engine.names.campaign_name(no).or_else(of_book).unwrap_or_default()
        });
        let Some((advertiser, campaign)) = Some(&*title).filter(|(advertiser, _)| wanted.covers(advertiser)) else {
            continue;
        };
        if !owners.contains_key(advertiser) {
            owners.insert(advertiser.clone(), wanted.owner(None, &TimeZone::UTC, now)?);
        }
        if owners.get(advertiser).is_some_and(|owner| (owner.from..=owner.to).contains(&day)) {
            add(&mut invalid, &figures);
            if campaign.is_empty() && wanted.by_campaign {
                continue;
            }
            add(rows.entry(wanted.key(advertiser, campaign, day)).or_default(), &figures);
        }
    }
    match &wanted.advertiser {
        Some(id) if owners.is_empty() && engine.names.campaigns_of(id).is_empty() => Err(unknown(id)),
        _ => Ok(Gathered { owners, rows, invalid }),
    }
}

fn add(sum: &mut DayRow, more: &DayRow) {
    sum.impressions += more.impressions;
    sum.clicks += more.clicks;
    sum.conversions += more.conversions;
    sum.media_cost += more.media_cost;
    sum.billed += more.billed;
    sum.conversion_value += more.conversion_value;
    sum.earned += more.earned;
    sum.earned_value += more.earned_value;
    sum.invalid_impressions += more.invalid_impressions;
    sum.invalid_clicks += more.invalid_clicks;
    sum.invalid_events += more.invalid_events;
}

/// A row as it is shown: amounts and ratios as decimal text, ratios over nothing null.
fn line(owners: &HashMap<String, Owner>, (advertiser, campaign, day): &Key, row: &DayRow) -> Map<String, Value> {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
    let currency = owners.get(advertiser).and_then(|owner| owner.currency);
    put("advertiser", json!(advertiser));
    put("currency", json!(currency.map(|c| c.to_string())));
    if let Some(campaign) = campaign {
        put("campaign", json!(campaign));
    }
    if let Some(day) = day {
        put("day", json!(day.to_string()));
    }
    let (impressions, clicks, conversions) = (i128::from(row.impressions), i128::from(row.clicks), i128::from(row.conversions));
    let seen = i128::from(row.valid_impressions());
    put("impressions", json!(row.impressions));
    put("clicks", json!(row.clicks));
    put("conversions", json!(row.conversions));
    put("media_cost", json!(row.media_cost.to_string()));
    put("billed", json!(row.billed.to_string()));
    put("conversion_value", json!(row.conversion_value.to_string()));
    put("conversions_by_impression_day", json!(row.earned));
    put("conversion_value_by_impression_day", json!(row.earned_value.to_string()));
    put("ctr", ratio(clicks * MILLION, seen));
    put("cvr", ratio(conversions * MILLION, clicks));
    put("ecpm", ratio(row.billed.to_cpm().0, impressions.saturating_mul(STEP)));
    put("ecpc", ratio(row.billed.0, clicks.saturating_mul(STEP)));
    put("ecpa", ratio(row.billed.0, conversions.saturating_mul(STEP)));
    put("roas", ratio(row.conversion_value.0.saturating_mul(MILLION), row.billed.0));
    put("invalid_impressions", json!(row.invalid_impressions));
    put("invalid_clicks", json!(row.invalid_clicks));
    if campaign.is_none() {
        put("invalid_events", json!(row.invalid_events));
    }
    line
}

/// Millionths, rounded to the nearest, as decimal text; null over zero.
fn ratio(part: i128, whole: i128) -> Value {
    if whole <= 0 {
        return Value::Null;
    }
    let (quotient, rest) = (part.div_euclid(whole), part.rem_euclid(whole));
    let millionths = quotient + i128::from(rest >= whole - rest);
    json!(Money(millionths.saturating_mul(STEP)).to_string())
}

fn csv(wanted: &Wanted, rows: &[Map<String, Value>]) -> Answer {
    let keys = [("campaign", wanted.by_campaign), ("day", wanted.by_day)];
    let mut columns = vec!["advertiser", "currency"];
    columns.extend(keys.iter().filter(|(_, shown)| *shown).map(|(name, _)| *name));
    columns.extend(["impressions", "clicks", "conversions", "media_cost", "billed", "conversion_value"]);
    columns.extend(["ctr", "cvr", "ecpm", "ecpc", "ecpa", "roas"]);
    columns.extend(["conversions_by_impression_day", "conversion_value_by_impression_day"]);
    columns.extend(["invalid_impressions", "invalid_clicks"]);
    columns.extend((!wanted.by_campaign).then_some("invalid_events"));
    let cell = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(&columns).and_then(|()| {
        rows.iter()
            .try_for_each(|row| writer.write_record(columns.iter().map(|name| cell(row.get(*name)))))
    });
    // Writing into memory does not fail.
    let text = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    Ok(download(text))
}

fn download(text: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"report.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_round_to_the_nearest_millionth() {
        assert_eq!(ratio(2 * MILLION, 3), json!("0.666667"));
        assert_eq!(ratio(MILLION, 8), json!("0.125"));
        assert_eq!(ratio(-MILLION, 3), json!("-0.333333"));
        assert_eq!(ratio(5, 0), Value::Null);
    }
}
