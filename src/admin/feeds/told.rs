//! The shapes in which it is told how feeds do. Fields are added, never renamed.

use serde::Serialize;
use utoipa::ToSchema;

use crate::feed::FeedReport;

/// How feeds do.
#[derive(Serialize, ToSchema)]
pub struct Feeds {
    /// Of advertisers that have one.
    pub feeds: Vec<Feed>,
}

/// How a feed does.
#[derive(Serialize, ToSchema)]
pub struct Feed {
    /// Whose.
    pub advertiser: String,
    /// `url` or `path`.
    pub from: &'static str,
    /// Its address or file.
    pub source: String,
    /// Seconds between two looks.
    pub refresh_s: u32,
    /// What the last look came to.
    pub result: &'static str,
    /// Why it failed, where it did.
    pub problem: Option<Problem>,
    /// Looks in a row that failed.
    pub failures: u32,
    /// When it was last looked at, RFC 3339.
    pub tried: Option<String>,
    /// When it was last found sound.
    pub good: Option<String>,
    /// When it is looked at again.
    pub next: Option<String>,
    /// Products in use.
    pub products: usize,
    /// What was read of it; null where nothing was since the start.
    pub read: Option<Read>,
    /// Items of the last day's events.
    pub events: Items,
}

/// Why a look failed.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedProblem)]
pub struct Problem {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What a feed held.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedRead)]
pub struct Read {
    /// Its dialect.
    format: String,
    items: u32,
    accepted: u32,
    out_of_stock: u32,
    /// Adult, paused or excluded ones.
    hidden: u32,
    duplicates: u32,
    /// Sale prices that were not used.
    sales_ignored: u32,
    /// Sale dates that could not be read.
    dates_ignored: u32,
    rejected: Rejected,
}

/// Items that cannot be used.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedRejected)]
struct Rejected {
    items: u32,
    reasons: Vec<Reason>,
    /// The first of them.
    examples: Vec<Example>,
}

/// Why items cannot be used.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedReason)]
struct Reason {
    reason: &'static str,
    items: u32,
    /// What would be right.
    remedy: &'static str,
}

/// An item that cannot be used.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedExample)]
struct Example {
    line: u32,
    item_id: String,
    reason: &'static str,
    /// What of it is wrong.
    value: String,
}

/// Items of events, against the feed.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedItems)]
pub struct Items {
    /// So many back.
    pub hours: u32,
    /// Items of events.
    pub items: u64,
    /// Those that the feed did not list.
    pub not_in_feed: u64,
    /// The share of those that it did; null where there were none.
    pub match_rate: Option<f64>,
    /// What it still does not list.
    pub ids_not_in_feed: Vec<Missing>,
}

/// An id of events that is not in the feed.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedMissing)]
pub struct Missing {
    /// As the events write it.
    pub item_id: String,
    /// How often.
    pub count: u64,
    /// When last, RFC 3339.
    pub last: String,
    /// What it most likely should have been.
    pub hint: Option<String>,
}

impl From<&FeedReport> for Read {
    fn from(report: &FeedReport) -> Read {
        let reasons = report.rejected.iter().map(|(reason, items)| Reason {
            reason: reason.as_str(),
            items: *items,
            remedy: reason.remedy(),
        });
        let examples = report.examples.iter().map(|item| Example {
            line: item.line,
            item_id: item.item_id.to_string(),
            reason: item.reason.as_str(),
            value: item.detail.to_string(),
        });
        Read {
            format: report.format.to_string(),
            items: report.items,
            accepted: report.accepted,
            out_of_stock: report.out_of_stock,
            hidden: report.hidden,
            duplicates: report.duplicates,
            sales_ignored: report.sales_ignored,
            dates_ignored: report.dates_ignored,
            rejected: Rejected {
                items: report.rejected_total(),
                reasons: reasons.collect(),
                examples: examples.collect(),
            },
        }
    }
}
