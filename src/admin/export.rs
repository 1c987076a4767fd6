//! `GET /api/export`: what happened, fact by fact, as NDJSON or CSV: impressions, clicks, conversions, refunds, what
//! was invalid, and who turned out to be one person.
//!
//! Streamed from the store: as much is in memory as is being sent. Shoppers are named by their random handles
//! alone (`track::fold`), which an erasure drops. Facts are there for as long as `privacy.retention` says.

use std::io::{self, BufWriter, Write};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Map, Value};

use super::Shared;
use super::reply::{Answer, Fail, Failed, Query};
use super::stream;
use crate::base::id::CampaignNo;
use crate::base::time::Day;
use crate::model::dimension::Dimension;
use crate::model::rows::Table;
use crate::server::engine::Engine;
use crate::server::labels::Labels;

/// What is gathered before it is sent.
const PART_BYTES: usize = 64 * 1024;
/// The kinds of facts: as they are asked for, and as they are told.
const KINDS: [(&str, &str); 6] = [
    ("impressions", "impression"),
    ("clicks", "click"),
    ("conversions", "conversion"),
    ("refunds", "refund"),
    ("invalid", "invalid"),
    ("merges", "merge"),
];
/// The columns of a table.
const COLUMNS: [&str; 28] = [
    "fact",
    "at",
    "advertiser",
    "campaign",
    "creative",
    "exchange",
    "product",
    "domain",
    "device",
    "format",
    "recency",
    "frequency",
    "day",
    "hour",
    "auction",
    "media_cost",
    "billed",
    "value",
    "currency",
    "impression_day",
    "impression_hour",
    "new_customer",
    "is_whole",
    "of",
    "why",
    "count",
    "user",
    "merged",
];

/// Which facts are asked for, and how they are written.
#[derive(Clone, Debug)]
pub struct Wanted {
    advertiser: Option<String>,
    from: Option<Day>,
    to: Option<Day>,
    kinds: Vec<&'static str>,
    csv: bool,
}

/// What happened, fact by fact: impressions, clicks, conversions, refunds, what was invalid, and who turned out to be
/// one person.
///
/// Shoppers are named by random handles, which an erasure drops.
#[utoipa::path(get, path = "/api/export", tag = "reports",
    params(("advertiser" = Option<String>, Query, description = "Only of this one"),
        ("from" = Option<String>, Query, description = "The first local day", example = "2026-01-01"),
        ("to" = Option<String>, Query, description = "The last local day", example = "2026-01-31"),
        ("kind" = Option<String>, Query, description = "Which facts, with commas between; all where absent", example = "impressions,clicks"),
        ("format" = Option<String>, Query, description = "`ndjson` (default) or `csv`")), responses(
    (status = 200, content((Vec<u8> = "application/x-ndjson"), (String = "text/csv"))),
    (status = 400, description = "A parameter cannot be read", body = Failed)))]
pub async fn export(State(desk): Shared, query: Query) -> Answer {
    let wanted = Wanted::read(&query)?;
    let engine = desk.engine.clone();
    let kind = if wanted.csv {
        "text/csv; charset=utf-8"
    } else {
        "application/x-ndjson"
    };
    let body = stream::body("export", move |pipe| wanted.write(&engine, pipe));
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], body).into_response())
}

impl Wanted {
    /// Of a query, as the call of the API reads it; what is wrong where it cannot.
    pub fn of(query: &str) -> Result<Wanted, String> {
        Wanted::read(&Query::of(query)).map_err(|fail| fail.message().to_owned())
    }

    fn read(query: &Query) -> Result<Wanted, Fail> {
        query.only(&["advertiser", "from", "to", "kind", "format"])?;
        let kind = |word: &str| {
            let found = KINDS.iter().find(|(asked, told)| *asked == word || *told == word);
            let known = KINDS.map(|(asked, _)| asked).join(", ");
            found
                .map(|(_, told)| *told)
                .ok_or_else(|| Fail::bad_request(format!("unknown `kind` `{word}`: known are {known}")))
        };
        let kinds = query
            .get("kind")
            .map(|list| list.split(',').map(|word| kind(word.trim())).collect());
        Ok(Wanted {
            advertiser: query.get("advertiser").map(str::to_owned),
            from: query.day("from")?,
            to: query.day("to")?,
            kinds: kinds.unwrap_or_else(|| Ok(KINDS.map(|(_, told)| told).to_vec()))?,
            csv: query.is_csv("ndjson")?,
        })
    }

    /// Whether a fact is asked for, once it has its names: by its local day, or the day in UTC of one that has none.
    fn covers(&self, fact: &Map<String, Value>) -> bool {
        let text = |name: &str| fact.get(name).and_then(Value::as_str).unwrap_or_default();
        let day = Some(text("day"))
            .filter(|day| !day.is_empty())
            .or(text("at").get(..10))
            .and_then(Day::parse);
        let is_within = day.is_some_and(|day| self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to));
        let is_theirs = self.advertiser.as_ref().is_none_or(|wanted| wanted == text("advertiser"));
        is_within && is_theirs && self.kinds.contains(&text("fact"))
    }

    /// Writes every fact that is asked for, in the order they were recorded.
    pub fn write(&self, engine: &Engine, out: &mut dyn Write) -> io::Result<()> {
        let mut labels = Labels::new(engine);
        let mut out = BufWriter::with_capacity(PART_BYTES, out);
        let facts = engine.store.rows(Table::Facts).filter_map(|row| {
            let row = match row {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            let mut fact: Map<String, Value> = serde_json::from_slice(&row.value?).ok()?;
            name(&mut labels, &mut fact);
            self.covers(&fact).then_some(Ok(fact))
        });
        if !self.csv {
            for fact in facts {
                serde_json::to_writer(&mut out, &fact?)?;
                out.write_all(b"\n")?;
            }
            return out.flush();
        }
        let mut table = csv::Writer::from_writer(out);
        table.write_record(COLUMNS)?;
        for fact in facts {
            let fact = fact?;
            table.write_record(COLUMNS.iter().map(|name| cell(fact.get(*name))))?;
        }
        table.flush()
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Puts names in the place of numbers.
fn name(labels: &mut Labels<'_>, fact: &mut Map<String, Value>) {
    let number = |fact: &Map<String, Value>, name: &str| fact.get(name).and_then(Value::as_u64);
    let book = fact.remove("book").and_then(|book| book.as_u64());
    let Some(no) = book.or(number(fact, "campaign")).map(|no| CampaignNo(no as u32)) else {
        return;
    };
    for dimension in [Dimension::Creative, Dimension::Exchange, Dimension::Product] {
        if let Some(value) = number(fact, dimension.label()) {
            fact.insert(dimension.label().to_owned(), labels.value(dimension, no, value).into());
        }
    }
    let title = labels.title(no).clone();
    if let Some(currency) = labels.currency(&title.advertiser) {
        fact.insert("currency".to_owned(), currency.to_string().into());
    }
    fact.insert("advertiser".to_owned(), title.advertiser.into());
    if book.is_none() {
        fact.insert("campaign".to_owned(), title.campaign.into());
    }
}
