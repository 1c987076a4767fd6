//! `GET /api/report`: figures by advertiser, campaign, local day and hour, and by one dimension beside; exact, as
//! JSON or CSV.
//!
//! Rows are made of the day rows that settled impressions, clicks and conversions were added to, or of the cells
//! that have the same once more by dimension and hour. Amounts are in each advertiser's currency, so no row ever
//! adds up two advertisers. A campaign without figures has a row of zeros, but not where rows are by anything else.
//!
//! Conversions stand on the day they came; beside them, on the day of the impression that earned them.
//! Invalid traffic is beside what counts: impressions stay billed, and rates are of valid ones. Events of
//! machines are of no campaign: they stand in rows of whole advertisers, and under `invalid`.

mod lines;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::extract::State;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::Shared;
use super::advertisers::unknown;
use super::reply::{self, Answer, Fail, Failed, Query};
use crate::base::id::CampaignNo;
use crate::base::limits::REPORT_ROWS_MAX;
use crate::base::money::Currency;
use crate::base::time::{Day, Millis, Secs};
use crate::model::dimension::{Dimension, OTHER, read_cell};
use crate::model::rows::Table;
use crate::server::engine::Engine;
use crate::server::labels::{Labels, Title};
use crate::state::DayRow;

/// Days shown where no range is asked for, today included.
const DEFAULT_DAYS: i32 = 7;

/// What is asked for.
struct Wanted {
    advertiser: Option<String>,
    from: Option<Day>,
    to: Option<Day>,
    by_campaign: bool,
    by_day: bool,
    by_hour: bool,
    dimension: Option<Dimension>,
    csv: bool,
}

/// An advertiser of the report; a deleted one has no currency any more.
struct Owner {
    currency: Option<Currency>,
    zone: TimeZone,
    from: Day,
    to: Day,
}

/// What a row is of: advertiser, then whatever rows are by. A value comes with its place in the order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    advertiser: String,
    campaign: Option<String>,
    day: Option<Day>,
    hour: Option<Secs>,
    value: Option<(u64, String)>,
}

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
    let told = told(&desk.engine, &query, Millis::wall_clock())?;
    Ok(match told {
        Told::Json(value) => reply::json(&value),
        Told::Csv(text) => lines::download(text),
    })
}

/// A report.
pub(super) enum Told {
    /// As an object.
    Json(Value),
    /// As a table.
    Csv(Vec<u8>),
}

/// The report that is asked for.
pub(super) fn told(engine: &Engine, query: &Query, now: Millis) -> Result<Told, Fail> {
    let wanted = Wanted::read(query)?;
    let Gathered { owners, rows, invalid } = gather(engine, &wanted, now)?;
    let rows: Vec<Map<String, Value>> = rows.iter().map(|(key, row)| lines::line(&wanted, &owners, key, row)).collect();
    if wanted.csv {
        return Ok(Told::Csv(lines::csv(&wanted, &rows)));
    }
    let mut currencies = owners.values().map(|owner| owner.currency);
    let first = currencies.next().flatten();
    let currency = first.filter(|first| currencies.all(|other| other == Some(*first)));
    let invalid = json!({"impressions": invalid.invalid_impressions, "clicks": invalid.invalid_clicks, "events": invalid.invalid_events});
    Ok(Told::Json(
        json!({"currency": currency.map(|c| c.to_string()), "rows": rows, "invalid": invalid}),
    ))
}

impl Wanted {
    fn read(query: &Query) -> Result<Wanted, Fail> {
        query.only(&["advertiser", "from", "to", "by", "format"])?;
        let by: Vec<&str> = query.get("by").unwrap_or("campaign").split(',').map(str::trim).collect();
        Ok(Wanted {
            advertiser: query.get("advertiser").map(str::to_owned),
            from: query.day("from")?,
            to: query.day("to")?,
            by_campaign: by.contains(&"campaign"),
            by_day: by.contains(&"day"),
            by_hour: by.contains(&"hour"),
            dimension: dimension(&by)?,
            csv: query.is_csv("json")?,
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
        Ok(Owner {
            currency,
            zone: zone.clone(),
            from,
            to,
        })
    }

    fn key(&self, title: &Title, day: Day) -> Key {
        Key {
            advertiser: title.advertiser.clone(),
            campaign: self.by_campaign.then(|| title.campaign.clone()),
            day: self.by_day.then_some(day),
            ..Key::default()
        }
    }

    /// Whose cells rows are made of; none where day rows have all that is asked for.
    fn cells(&self) -> Option<Dimension> {
        self.dimension.or(self.by_hour.then_some(Dimension::Hour))
    }
}

/// The one dimension that rows are by, beside campaign, day and hour.
fn dimension(by: &[&str]) -> Result<Option<Dimension>, Fail> {
    let mut found = None;
    for word in by.iter().filter(|word| !["advertiser", "campaign", "day", "hour"].contains(word)) {
        let Some(dimension) = Dimension::named(word) else {
            let known = Dimension::ALL.map(Dimension::label).join(", ");
            let message = format!("unknown `by` `{word}`: known are advertiser, campaign, day, {known}");
            return Err(Fail::bad_request(message));
        };
        if let Some(other) = found.replace(dimension).filter(|other| *other != dimension) {
            let (first, second) = (other.label(), dimension.label());
            let message = format!("`by` has both `{first}` and `{second}`: beside campaign, day and hour it takes one of them at a time");
            return Err(Fail::bad_request(message));
        }
    }
    Ok(found)
}

/// What a report is made of.
struct Gathered {
    owners: HashMap<String, Owner>,
    rows: BTreeMap<Key, DayRow>,
    /// The sum of all that was invalid.
    invalid: DayRow,
}

fn gather(engine: &Engine, wanted: &Wanted, now: Millis) -> Result<Gathered, Fail> {
    let mut labels = Labels::new(engine);
    let mut owners = HashMap::new();
    let mut rows: BTreeMap<Key, DayRow> = BTreeMap::new();
    let mut invalid = DayRow::default();
    let world = engine.world.load_full();
    for shop in world.shops().filter(|shop| wanted.covers(&shop.advertiser.id)) {
        let advertiser = &shop.advertiser;
        owners.insert(
            advertiser.id.clone(),
            wanted.owner(Some(advertiser.currency), &advertiser.timezone, now)?,
        );
        if !wanted.by_day && wanted.cells().is_none() {
            let titles = advertiser.campaigns.iter().map(|campaign| labels.title(campaign.no).clone());
            rows.extend(titles.map(|title| (wanted.key(&title, Day::default()), DayRow::default())));
        }
    }
    let days: Vec<((CampaignNo, Day), DayRow)> = engine.state.days.lock().iter().map(|(key, row)| (*key, *row)).collect();
    let mut of_cells = BTreeSet::new();
    for ((no, day), figures) in days {
        // A campaign or an advertiser that is no longer configured keeps its name.
        let title = labels.title(no);
        if !wanted.covers(&title.advertiser) {
            continue;
        }
        if !owners.contains_key(&title.advertiser) {
            owners.insert(title.advertiser.clone(), wanted.owner(None, &TimeZone::UTC, now)?);
        }
        let owner = owners.get(&title.advertiser);
        if owner.is_none_or(|owner| !(owner.from..=owner.to).contains(&day)) {
            continue;
        }
        invalid.add(&figures);
        if title.campaign.is_empty() && (wanted.by_campaign || wanted.dimension.is_some()) {
            continue;
        }
        if wanted.cells().is_some() {
            of_cells.insert(no);
        } else {
            rows.entry(wanted.key(title, day)).or_default().add(&figures);
        }
    }
    if let Some(dimension) = wanted.cells() {
        for no in of_cells {
            add_cells(engine, wanted, dimension, no, &owners, &mut labels, &mut rows)?;
        }
    }
    match &wanted.advertiser {
        Some(id) if owners.is_empty() && engine.names.campaigns_of(id).is_empty() => Err(unknown(id)),
        _ => Ok(Gathered { owners, rows, invalid }),
    }
}

/// Adds up the cells of a campaign's days.
fn add_cells(
    engine: &Engine,
    wanted: &Wanted,
    dimension: Dimension,
    no: CampaignNo,
    owners: &HashMap<String, Owner>,
    labels: &mut Labels<'_>,
    rows: &mut BTreeMap<Key, DayRow>,
) -> Result<(), Fail> {
    let title = labels.title(no).clone();
    let Some(owner) = owners.get(&title.advertiser) else {
        return Ok(());
    };
    let (first, last) = (dimension.of_day(no, owner.from), dimension.of_day(no, owner.to));
    let mut too_many = false;
    let read = engine.store.each(Table::Cells, first, last, |key, figures| {
        let (Some((day, value, hour)), Some(figures)) = (read_cell(key), DayRow::read(figures)) else {
            return;
        };
        let named = wanted.dimension.map(|dimension| {
            let word = labels.value(dimension, no, value).to_owned();
            let is_band = dimension.word(value).is_some() || value == OTHER;
            (if is_band { value } else { 0 }, word)
        });
        let key = Key {
            hour: wanted.by_hour.then_some(hour),
            value: named,
            ..wanted.key(&title, day)
        };
        too_many |= rows.len() >= REPORT_ROWS_MAX && !rows.contains_key(&key);
        if !too_many {
            rows.entry(key).or_default().add(&figures);
        }
    });
    read.map_err(|error| Fail::unavailable(format!("cannot read the store: {error}")))?;
    match too_many {
        true => Err(Fail::bad_request(format!(
            "the report has more than {REPORT_ROWS_MAX} rows: narrow `from`, `to` or `advertiser`, or leave `hour` out of `by`"
        ))),
        false => Ok(()),
    }
}
