//! What came of the bids: auctions, money, and what was called afterwards.
//!
//! Money is exact. Counts the whole run, warm-up too, so that it can be held against the bidder's report.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use super::Habits;
use crate::base::money::Money;
use crate::model::targeting::Format;
use crate::sim::exchange::kind_of;
use crate::sim::http::Answer;
use crate::sim::traffic::format_name;

/// Reasons of refusals that are told.
const REASONS_MAX: usize = 5;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The win notice.
    Nurl,
    /// The billing notice.
    Burl,
    /// The loss notice.
    Lurl,
    /// The pixel.
    View,
    /// The click.
    Click,
    /// The purchase, told by the shop.
    Conversion,
}

impl Kind {
    const ALL: [(Kind, &'static str); 6] = [
        (Kind::Nurl, "nurl"),
        (Kind::Burl, "burl"),
        (Kind::Lurl, "lurl"),
        (Kind::View, "view"),
        (Kind::Click, "click"),
        (Kind::Conversion, "conversion"),
    ];
}

/// How calls of one kind were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// All.
    pub sent: u64,
    /// 2xx.
    #[serde(rename = "2xx")]
    pub ok: u64,
    /// 3xx.
    #[serde(rename = "3xx")]
    pub moved: u64,
    /// 4xx.
    #[serde(rename = "4xx")]
    pub refused: u64,
    /// 5xx.
    #[serde(rename = "5xx")]
    pub broken: u64,
    /// No answer.
    pub unanswered: u64,
}

/// The exchange's totals. Names are stable.
#[derive(Clone, Debug, Serialize)]
pub struct Outcomes {
    /// Answers with bids in a hundred that were auctioned.
    pub share_percent: u64,
    /// Bids that passed the exchange's checks.
    pub sound: u64,
    /// Bids that did not.
    pub refused: u64,
    /// Why, with how often; a bid may have several.
    #[serde(serialize_with = "topmost")]
    pub refusals: BTreeMap<String, u64>,
    /// The sound ones by format.
    pub by_format: BTreeMap<&'static str, u64>,
    /// Auctions won.
    pub won: u64,
    /// Auctions lost.
    pub lost: u64,
    /// Prices of the auctions won, an impression each, in USD.
    #[serde(serialize_with = "text")]
    pub won_value: Money,
    /// Billing notices answered 200.
    pub billed_impressions: u64,
    /// Their prices, an impression each, in USD.
    #[serde(serialize_with = "text")]
    pub spend: Money,
    /// What was called.
    pub calls: BTreeMap<Kind, Sent>,
    /// The first call without an answer, as a sentence.
    pub first_failure: Option<String>,
    /// Won ads whose markup has no pixel below the address of the notices.
    pub without_pixel: u64,
    /// What found no place to wait.
    pub dropped: u64,
    /// What was still to be done at the end.
    pub undone: u64,
    /// Whether there are conversions: they take the bidder's config.
    pub conversions_known: bool,
}

fn text<S: Serializer>(money: &Money, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&money.to_string())
}

fn topmost<S: Serializer>(refusals: &BTreeMap<String, u64>, out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(top(refusals))
}

/// The most frequent reasons first.
fn top(refusals: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut all: Vec<(&str, u64)> = refusals.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.truncate(REASONS_MAX);
    all
}

impl Outcomes {
    /// Nothing yet.
    pub(super) fn new(habits: &Habits) -> Outcomes {
        Outcomes {
            share_percent: habits.share_percent,
            sound: 0,
            refused: 0,
            refusals: BTreeMap::new(),
            by_format: BTreeMap::new(),
            won: 0,
            lost: 0,
            won_value: Money::ZERO,
            billed_impressions: 0,
            spend: Money::ZERO,
            calls: Kind::ALL.iter().map(|(kind, _)| (*kind, Sent::default())).collect(),
            first_failure: None,
            without_pixel: 0,
            dropped: 0,
            undone: 0,
            conversions_known: habits.config.as_ref().is_some_and(|config| !config.sites.is_empty()),
        }
    }

    /// Notes an answer's bids: how many, how many of them sound, and what is wrong.
    pub(super) fn judge(&mut self, bids: u64, sound: u64, faults: &[String]) {
        self.sound += sound;
        self.refused += bids.saturating_sub(sound);
        for fault in faults {
            *self.refusals.entry(kind_of(fault).to_owned()).or_insert(0) += 1;
        }
    }

    /// Notes the format of a sound bid.
    pub(super) fn sound(&mut self, format: Format) {
        *self.by_format.entry(format_name(format)).or_insert(0) += 1;
    }

    /// Notes an auction's end.
    pub(super) fn auctioned(&mut self, won: bool, price: Money) {
        self.won += u64::from(won);
        self.lost += u64::from(!won);
        if won {
            self.won_value += price.per_impression(crate::base::money::Round::Nearest);
        }
    }

    /// Notes a billing notice that was taken.
    pub(super) fn bill(&mut self, price: Money) {
        self.billed_impressions += 1;
        self.spend += price;
    }

    /// Notes a call.
    pub(super) fn done(&mut self, kind: Kind, answer: &Result<Answer, String>) {
        let sent = self.calls.entry(kind).or_default();
        sent.sent += 1;
        match answer {
            Ok(answer) => match answer.status {
                200..300 => sent.ok += 1,
                300..400 => sent.moved += 1,
                400..500 => sent.refused += 1,
                _ => sent.broken += 1,
            },
            Err(fault) => {
                sent.unanswered += 1;
                if self.first_failure.is_none() {
                    self.first_failure = Some(fault.clone());
                }
            }
        }
    }

    /// Calls of a kind.
    pub fn calls(&self, kind: Kind) -> Sent {
        self.calls.get(&kind).copied().unwrap_or_default()
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: String| out.push_str(&format!("{name:<14} {text}\n"));
        line(
            "auctions",
            format!(
                "{} % of the answers with bids: {} bids sound, {} refused; won {}, lost {}",
                self.share_percent, self.sound, self.refused, self.won, self.lost
            ),
        );
        for (reason, count) in top(&self.refusals) {
            line("  refused", format!("{count} x {reason}"));
        }
        line(
            "billed",
            format!(
                "{} impressions for {} USD (won for {} USD)",
                self.billed_impressions, self.spend, self.won_value
            ),
        );
        for (kind, name) in Kind::ALL {
            let sent = self.calls(kind);
            let mut text = sent.sent.to_string();
            for (class, count) in [
                ("2xx", sent.ok),
                ("3xx", sent.moved),
                ("4xx", sent.refused),
                ("5xx", sent.broken),
                ("unanswered", sent.unanswered),
            ] {
                if count > 0 {
                    let _ = write!(text, "  {class}: {count}");
                }
            }
            if kind == Kind::Conversion && !self.conversions_known {
                text = "none: they take the bidder's config, --config winback.json".to_owned();
            }
            line(&format!("  {name}"), text);
        }
        if let Some(fault) = &self.first_failure {
            line("  first failure", fault.clone());
        }
        line("left", format!("{} dropped, {} still to be done", self.dropped, self.undone));
        out
    }
}
