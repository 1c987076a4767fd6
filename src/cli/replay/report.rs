//! What a replay tells: as JSON for machines, as tables for people. Names of its members are stable; money is exact,
//! as decimal text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use super::decide::{Answer, Title};
use crate::base::money::{Currency, Money, Ratio, Round};
use crate::server::samples::record::{Bid, Record};

/// A figure of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// As recorded, or of the first config.
    pub before: T,
    /// Of the config that is held against it.
    pub after: T,
}

impl<T> Pair<T> {
    /// One of the sides.
    pub fn side(&mut self, is_after: bool) -> &mut T {
        if is_after { &mut self.after } else { &mut self.before }
    }
}

/// How requests differ, each counted once, by the first that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kinds {
    /// A bid where there was none.
    pub gained: usize,
    /// None where there was one.
    pub lost: usize,
    /// Another campaign, or an imp more or less.
    pub winner: usize,
    /// The same campaigns at other prices.
    pub price: usize,
    /// The same campaigns and prices with another creative or product.
    pub ad: usize,
    /// No bid, for another reason.
    pub reason: usize,
}

impl Kinds {
    /// Counts a pair of answers; whether they differ.
    pub fn note(&mut self, before: &Answer, after: &Answer) -> bool {
        let of = |answer: &Answer, part: fn(&Bid) -> Vec<String>| answer.bids.iter().map(part).collect::<Vec<_>>();
        let differ = |part: fn(&Bid) -> Vec<String>| of(before, part) != of(after, part);
        let kind = match (before.bids.is_empty(), after.bids.is_empty()) {
            (true, true) if before.reason != after.reason => &mut self.reason,
            (true, true) => return false,
            (true, false) => &mut self.gained,
            (false, true) => &mut self.lost,
            _ if differ(|bid| vec![bid.imp.to_string(), bid.advertiser.clone(), bid.campaign.clone()]) => &mut self.winner,
            _ if differ(|bid| vec![bid.price.clone(), bid.currency.clone()]) => &mut self.price,
            _ if differ(|bid| vec![bid.creative.clone(), bid.product.clone()]) => &mut self.ad,
            _ => return false,
        };
        *kind += 1;
        true
    }

    /// Requests that differ.
    pub fn all(&self) -> usize {
        let Kinds {
            gained,
            lost,
            winner,
            price,
            ad,
            reason,
        } = self;
        gained + lost + winner + price + ad + reason
    }
}

fn text<T: ToString, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value.to_string())
}

fn amounts<S: Serializer>(pair: &Pair<Money>, to: S) -> Result<S::Ok, S::Error> {
    let text = |amount: Money| amount.to_string();
    let Pair { before, after } = *pair;
    Pair {
        before: text(before),
        after: text(after),
    }
    .serialize(to)
}

/// Of one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CampaignRow {
    /// The advertiser's id.
    pub advertiser: String,
    /// The campaign's.
    pub campaign: String,
    /// Of the amounts: the advertiser's.
    #[serde(serialize_with = "text")]
    pub currency: Currency,
    /// Bids.
    pub bids: Pair<usize>,
    /// The mean of what is bid for a thousand impressions; 0 without bids.
    #[serde(serialize_with = "amounts")]
    pub mean_cpm: Pair<Money>,
    /// What the bids are expected to cost at most.
    #[serde(serialize_with = "amounts")]
    pub expected_spend: Pair<Money>,
    /// Bids where it had none.
    pub gained: usize,
    /// None where it had one.
    pub lost: usize,
    /// Bids that became dearer.
    pub dearer: usize,
    /// Bids that became cheaper.
    pub cheaper: usize,
    /// Bids with another creative or product.
    pub other_ad: usize,
    /// Requests for which it was a candidate and made no bid, by reason; of recorded answers none are known.
    pub reasons: BTreeMap<String, Pair<usize>>,
}

impl CampaignRow {
    /// Nothing counted yet.
    pub fn new(title: &Title, currency: Currency) -> CampaignRow {
        CampaignRow {
            advertiser: title.0.clone(),
            campaign: title.1.clone(),
            currency,
            bids: Pair::default(),
            mean_cpm: Pair::default(),
            expected_spend: Pair::default(),
            gained: 0,
            lost: 0,
            dearer: 0,
            cheaper: 0,
            other_ad: 0,
            reasons: BTreeMap::new(),
        }
    }

    /// Counts a bid of `cpm`, of which a share is expected to be paid.
    pub fn add(&mut self, cpm: &Money, share: Ratio, is_after: bool) {
        *self.bids.side(is_after) += 1;
        *self.mean_cpm.side(is_after) += *cpm;
        *self.expected_spend.side(is_after) += cpm.times(share, Round::Nearest);
    }

    /// Sums to means, and thousands to impressions.
    pub fn finished(mut self) -> CampaignRow {
        for is_after in [false, true] {
            let bids = (*self.bids.side(is_after)).max(1) as i128;
            let sum = self.mean_cpm.side(is_after);
            *sum = Money(sum.0 / bids);
            let spend = self.expected_spend.side(is_after);
            *spend = spend.per_impression(Round::Nearest);
        }
        self
    }
}

/// Of one exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExchangeRow {
    /// Its id.
    pub exchange: String,
    /// Requests.
    pub requests: usize,
    /// Requests that differ.
    pub differences: usize,
    /// Bids.
    pub bids: Pair<usize>,
    /// Requests without a bid, by reason.
    pub reasons: BTreeMap<String, Pair<usize>>,
}

/// One request that differs.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// When it came.
    pub at: String,
    /// From where.
    pub exchange: String,
    /// The reason, where there was no bid.
    pub reason: Pair<Option<String>>,
    /// The bids.
    pub bids: Pair<Vec<Bid>>,
    /// The request.
    pub request: Box<serde_json::value::RawValue>,
}

impl Example {
    /// Of a request and its answers.
    pub fn of(record: &Record, before: &Answer, after: &Answer) -> Example {
        Example {
            at: crate::base::time::Millis(record.at).to_rfc3339(),
            exchange: record.exchange.clone(),
            reason: Pair {
                before: before.reason.clone(),
                after: after.reason.clone(),
            },
            bids: Pair {
                before: before.bids.clone(),
                after: after.bids.clone(),
            },
            request: record.request.clone(),
        }
    }
}

/// The figures of a replay.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Requests that were answered by both sides.
    pub requests: usize,
    /// Lines that are no sampled request.
    pub unreadable: usize,
    /// Requests of exchanges that a config does not have.
    pub skipped: usize,
    /// When the first was recorded.
    pub from: Option<String>,
    /// When the last was.
    pub to: Option<String>,
    /// What is held against what.
    pub sides: Pair<String>,
    /// Faults and warnings of the configs and their feeds; they are told on standard error.
    pub remarks: usize,
    /// Requests that differ.
    pub differences: usize,
    /// The same by how they do.
    pub kinds: Kinds,
    /// By campaign.
    pub campaigns: Vec<CampaignRow>,
    /// By exchange.
    pub exchanges: Vec<ExchangeRow>,
    /// Some of the requests that differ.
    pub examples: Vec<Example>,
}

impl Report {
    /// As tables.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: String| {
            let _ = writeln!(out, "{name:<14} {text}");
        };
        let span = self.from.iter().zip(&self.to).map(|(from, to)| format!(", from {from} to {to}"));
        line("requests", format!("{}{}", self.requests, span.collect::<String>()));
        line("before", self.sides.before.clone());
        line("after", self.sides.after.clone());
        if self.unreadable + self.skipped > 0 {
            let (lines, others) = (self.unreadable, self.skipped);
            line(
                "left out",
                format!("{lines} lines that are no request, {others} requests of exchanges that a config lacks"),
            );
        }
        let Kinds {
            gained,
            lost,
            winner,
            price,
            ad,
            reason,
        } = self.kinds;
        line(
            "differences",
            format!(
                "{}: {gained} gained a bid, {lost} lost it, {winner} another winner, {price} another price, {ad} another ad, \
                 {reason} another reason",
                self.differences
            ),
        );
        self.campaigns.iter().for_each(|row| row.write(&mut out));
        self.exchanges.iter().for_each(|row| row.write(&mut out));
        for example in &self.examples {
            let _ = writeln!(out, "\n{} {}\n  {}", example.at, example.exchange, example.request);
            for (word, reason, bids) in [
                ("before", &example.reason.before, &example.bids.before),
                ("after", &example.reason.after, &example.bids.after),
            ] {
                let _ = writeln!(out, "  {word:<7} {}", said(reason.as_deref(), bids));
            }
        }
        out
    }
}

fn said(reason: Option<&str>, bids: &[Bid]) -> String {
    let bid = |bid: &Bid| {
        let imp = u32::from(bid.imp) + 1;
        format!(
            "imp {imp}: {}/{} {} {} with {}",
            bid.advertiser, bid.campaign, bid.price, bid.currency, bid.creative
        )
    };
    reason.map_or_else(|| bids.iter().map(bid).collect::<Vec<_>>().join("; "), str::to_owned)
}

fn reasons(out: &mut String, reasons: &BTreeMap<String, Pair<usize>>) {
    for (reason, count) in reasons {
        let _ = writeln!(out, "  {reason:<26} {:>9} -> {:<9}", count.before, count.after);
    }
}

impl CampaignRow {
    fn write(&self, out: &mut String) {
        let figure = |amount: Money| amount.to_decimals(4, Round::Nearest);
        let _ = writeln!(out, "\n{}/{}", self.advertiser, self.campaign);
        let _ = writeln!(out, "  {:<26} {:>9} -> {:<9}", "bids", self.bids.before, self.bids.after);
        for (name, pair) in [("mean CPM", self.mean_cpm), ("expected spend, at most", self.expected_spend)] {
            let (before, after) = (figure(pair.before).to_string(), figure(pair.after).to_string());
            let _ = writeln!(out, "  {name:<26} {before:>9} -> {after:<9} {}", self.currency);
        }
        let _ = writeln!(
            out,
            "  {:<26} {} gained, {} lost, {} dearer, {} cheaper, {} with another ad",
            "bids that change", self.gained, self.lost, self.dearer, self.cheaper, self.other_ad
        );
        reasons(out, &self.reasons);
    }
}

impl ExchangeRow {
    fn write(&self, out: &mut String) {
        let _ = writeln!(out, "\n{}: {} requests, {} differ", self.exchange, self.requests, self.differences);
        let _ = writeln!(out, "  {:<26} {:>9} -> {:<9}", "bids", self.bids.before, self.bids.after);
        reasons(out, &self.reasons);
    }
}
