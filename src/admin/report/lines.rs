//! The rows of a report as they are shown: amounts and ratios as decimal text.

use std::collections::HashMap;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::{Key, Owner, Wanted};
use crate::base::money::Money;
use crate::state::DayRow;

/// One in millionths: ratios are shown to six decimals.
const MILLION: i128 = 1_000_000;
/// Billionths in a millionth.
const STEP: i128 = 1_000;
/// What stands behind the names of a row in a table.
const FIGURES: [&str; 20] = [
    "impressions",
    "clicks",
    "conversions",
    "media_cost",
    "billed",
    "conversion_value",
    "ctr",
    "cvr",
    "ecpm",
    "ecpc",
    "ecpa",
    "roas",
    "conversions_by_impression_day",
    "conversion_value_by_impression_day",
    "invalid_impressions",
    "invalid_clicks",
    "new_customers",
    "new_customer_value",
    "repeat_purchases",
    "repeat_purchase_value",
];

/// A row as it is shown; ratios over nothing are null.
pub(super) fn line(wanted: &Wanted, owners: &HashMap<String, Owner>, key: &Key, row: &DayRow) -> Map<String, Value> {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
    let owner = owners.get(&key.advertiser);
    let currency = owner.and_then(|owner| owner.currency);
    put("advertiser", json!(key.advertiser));
    put("currency", json!(currency.map(|c| c.to_string())));
    if let Some(campaign) = &key.campaign {
        put("campaign", json!(campaign));
    }
    if let Some(day) = key.day {
        put("day", json!(day.to_string()));
    }
    if let (Some(hour), Some(owner)) = (key.hour, owner) {
        put("hour", json!(hour.to_millis().on_clock(&owner.zone)));
    }
    if let (Some((_, value)), Some(dimension)) = (&key.value, wanted.dimension) {
        put(dimension.label(), json!(value));
    }
    figures(row, &mut put);
    if wanted.has_events() {
        put("invalid_events", json!(row.invalid_events));
    }
    line
}

fn figures(row: &DayRow, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let (impressions, clicks, conversions) = (i128::from(row.impressions), i128::from(row.clicks), i128::from(row.conversions));
    let seen = i128::from(row.valid_impressions());
    for (name, count) in [
        ("impressions", row.impressions),
        ("clicks", row.clicks),
        ("conversions", row.conversions),
        ("conversions_by_impression_day", row.earned),
        ("new_customers", row.new_customers),
        ("repeat_purchases", row.repeat_purchases),
        ("invalid_impressions", row.invalid_impressions),
        ("invalid_clicks", row.invalid_clicks),
    ] {
        put(name, json!(count));
    }
    for (name, amount) in [
        ("media_cost", row.media_cost),
        ("billed", row.billed),
        ("conversion_value", row.conversion_value),
        ("conversion_value_by_impression_day", row.earned_value),
        ("new_customer_value", row.new_customer_value),
        ("repeat_purchase_value", row.repeat_purchase_value),
    ] {
        put(name, json!(amount.to_string()));
    }
    put("ctr", ratio(clicks * MILLION, seen));
    put("cvr", ratio(conversions * MILLION, clicks));
    put("ecpm", ratio(row.billed.to_cpm().0, impressions.saturating_mul(STEP)));
    put("ecpc", ratio(row.billed.0, clicks.saturating_mul(STEP)));
    put("ecpa", ratio(row.billed.0, conversions.saturating_mul(STEP)));
    put("roas", ratio(row.conversion_value.0.saturating_mul(MILLION), row.billed.0));
}

impl Wanted {
    /// Whether rows are of whole advertisers, and so of the events of machines too.
    fn has_events(&self) -> bool {
        !self.by_campaign && self.dimension.is_none()
    }
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

/// The rows as a table.
pub(super) fn csv(wanted: &Wanted, rows: &[Map<String, Value>]) -> Vec<u8> {
    let keys = [("campaign", wanted.by_campaign), ("day", wanted.by_day), ("hour", wanted.by_hour)];
    let mut columns = vec!["advertiser", "currency"];
    columns.extend(keys.iter().filter(|(_, shown)| *shown).map(|(name, _)| *name));
    columns.extend(wanted.dimension.map(|dimension| dimension.label()));
    columns.extend(FIGURES);
    columns.extend(wanted.has_events().then_some("invalid_events"));
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
    written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default()
}

/// A table as a file.
pub(super) fn download(text: Vec<u8>) -> Response {
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
