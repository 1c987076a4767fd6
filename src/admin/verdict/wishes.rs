//! What this very exchange has asked for, in its entry of the server config or the preset that it names: fields it
//! does not take, its click macro, the notices that carry its macros and bill.
//!
//! Looks at the answer only.

use html_escape::encode_text;
use serde_json::Value;

use super::text;
use crate::base::limits::NOTICE_CHARS_MAX;
use crate::model::exchange::{Billing, Exchange};

/// Characters of a `crid` that we promise not to exceed.
const CRID_CHARS_MAX: usize = 80;

/// What of a bid the exchange would not take, or could not bill.
pub(super) fn judge(bid: &Value, exchange: &Exchange, mut say: impl FnMut(String)) {
    for field in exchange.omit.iter().filter(|field| !bid[**field].is_null()) {
        say(format!("`{field}` is there, which the exchange does not take"));
    }
    let markup = text(&bid["adm"]).unwrap_or_default();
    let click = &exchange.links.click.before;
    let is_there = |text: &str| markup.contains(text) || markup.contains(&*encode_text(text));
    if !click.is_empty() && !is_there(click) {
        say(format!("the markup lacks the click macro {click}"));
    } else if !markup.contains("/click/") && !markup.contains("%2Fclick%2F") && !markup.contains("%252Fclick%252F") {
        say("the markup has no click address of ours: clicks would not be counted".to_owned());
    }
    for (field, query) in ["nurl", "burl", "lurl"].into_iter().zip(&exchange.links.notices) {
        let Some(url) = text(&bid[field]) else { continue };
        if url.chars().count() > NOTICE_CHARS_MAX {
            say(format!("`{field}` is longer than {NOTICE_CHARS_MAX} characters"));
        }
        if !url.ends_with(query.as_str()) {
            say(format!("`{field}` lacks the macros {query}"));
        }
    }
    let (bills, is_there) = match exchange.billing {
        Billing::Burl => ("`burl`", !bid["burl"].is_null()),
        Billing::Nurl => ("`nurl`", !bid["nurl"].is_null()),
        Billing::Impression => ("pixel in the markup", markup.contains("/imp/")),
    };
    if !is_there {
        say(format!("there is no {bills}, which is what bills here"));
    }
    if text(&bid["crid"]).is_some_and(|crid| crid.chars().count() > CRID_CHARS_MAX) {
        say(format!("`crid` is longer than {CRID_CHARS_MAX} characters"));
    }
}
