//! The shape of campaigns, and of the budgets and caps that advertisers have too (contract §3 `campaign`).

use super::form::{ID, LOCAL_TIME, REFERENCE};
use super::targeting::{TARGETING, WHEN};
use super::{ANY_SPAN, Kind, Rule, SHARE, SHOWN_MAX, Shape, may, must, named, or};
use crate::base::money::Ratio;

/// Multipliers beyond this are slips of the pen.
const MULTIPLIER: Kind = Kind::Ratio(Ratio(0), Ratio(100 * Ratio::ONE.0));
/// Imps of one request.
pub(super) const PER_REQUEST: Kind = Kind::Integer(1, 64);

/// `campaigns[]`.
pub(super) static CAMPAIGN: Shape = Shape {
    name: "campaign",
    help: "What is bid, for whom, where and how much.",
    base: None,
    keys: &[
        must("id", Kind::Text(&ID), "Its id in reports. Never reuse one."),
        or(
            "status",
            Kind::Words(&["active", "paused", "archived"]),
            "\"active\"",
            "Whether it bids.",
        ),
        or("flight", Kind::Object(&FLIGHT), "{}", "When it bids."),
        must(
            "audiences",
            Kind::Several(&named(Kind::Either(&[Kind::Text(&REFERENCE), Kind::Object(&AUDIENCE_USE)]))),
            "The user must be in any of these; the largest `bid_multiplier` of those that hold applies.",
        ),
        or(
            "exclude_audiences",
            Kind::List(&Kind::Text(&REFERENCE)),
            "[]",
            "The user must be in none of these.",
        ),
        must("bid", Kind::Object(&BID), "What an impression is worth."),
        or(
            "bid_adjustments",
            Kind::List(&Kind::Object(&ADJUSTMENT)),
            "[]",
            "What changes that: all that hold multiply, then `max_cpm` cuts.",
        ),
        must("budget", Kind::Object(&BUDGET), "What it may spend."),
        or(
            "frequency",
            Kind::List(&Kind::Object(&CAP)),
            "[{\"max\": 10, \"per\": \"1d\"}]",
            "How often a user may be shown it, at most 8 caps. An empty list: as often as it wins.",
        ),
        or(
            "targeting",
            Kind::Object(&TARGETING),
            "{}",
            "Where and when it bids; every key given must hold.",
        ),
        must(
            "creatives",
            Kind::Several(&named(Kind::Text(&REFERENCE))),
            "Ids of the creatives it may show.",
        ),
        or(
            "schain",
            Kind::Words(&["any", "complete"]),
            "\"any\"",
            "Whether only supply whose chain of sellers is complete will do.",
        ),
        or("per_request", PER_REQUEST, "1", "Impressions of one request it may have."),
    ],
    rules: &[],
};

static FLIGHT: Shape = Shape {
    name: "flight",
    help: "When a campaign bids.",
    base: None,
    keys: &[
        may(
            "start",
            Kind::Text(&LOCAL_TIME),
            "The first moment with ads, on the advertiser's clock. Default: at once.",
        ),
        may(
            "end",
            Kind::Text(&LOCAL_TIME),
            "The first moment without ads, on the advertiser's clock. Default: it does not end.",
        ),
    ],
    rules: &[],
};

static AUDIENCE_USE: Shape = Shape {
    name: "audience-use",
    help: "An audience and what it is worth there.",
    base: None,
    keys: &[
        must("id", Kind::Text(&REFERENCE), "The audience's id."),
        or("bid_multiplier", MULTIPLIER, "1", "What the bid is multiplied by for users in it."),
    ],
    rules: &[],
};

static BID: Shape = Shape {
    name: "bid",
    help: "What an impression is worth.",
    base: None,
    keys: &[
        must(
            "type",
            Kind::Words(&["cpm", "cpc", "cpa"]),
            "What `amount` is for: a thousand impressions, or on average for a click or a conversion.",
        ),
        must("amount", Kind::Money, "How much, in the advertiser's currency."),
        may(
            "max_cpm",
            Kind::Money,
            "Never more than this for a thousand impressions; must be given with `cpc` and `cpa`. Default: no limit.",
        ),
        or("prior", Kind::Object(&PRIOR), "{}", "Rates before anything is observed."),
    ],
    rules: &[Rule::Needs(
        "type",
        &["cpc", "cpa"],
        &["max_cpm"],
        "it must be given with `cpc` and `cpa`",
    )],
};

static PRIOR: Shape = Shape {
    name: "prior",
    help: "Rates before anything is observed.",
    base: None,
    keys: &[
        or("ctr", SHARE, "0.0015", "Clicks for an impression."),
        or("cvr", SHARE, "0.02", "Conversions for a click."),
    ],
    rules: &[],
};

static ADJUSTMENT: Shape = Shape {
    name: "bid-adjustment",
    help: "A change of the bid.",
    base: None,
    keys: &[
        must("when", Kind::Object(&WHEN), "When it applies; every key given must hold."),
        must("bid_multiplier", MULTIPLIER, "What the bid is multiplied by."),
    ],
    rules: &[],
};

/// `budget`, of a campaign or over all of an advertiser's.
pub(super) static BUDGET: Shape = Shape {
    name: "budget",
    help: "What may be spent, in the advertiser's currency, on what is billed: media cost and fee.",
    base: None,
    keys: &[
        may(
            "daily",
            Kind::Money,
            "On one of the advertiser's local days. Default: no limit; `daily` or `total` must be given.",
        ),
        may("total", Kind::Money, "Ever. Default: no limit; `daily` or `total` must be given."),
        or(
            "pacing",
            Kind::Words(&["even", "asap"]),
            "\"even\"",
            "Spread over the day, or spent as fast as bids are won.",
        ),
    ],
    rules: &[Rule::AnyOf(
        &["daily", "total"],
        ("neither `daily` nor `total`", "give at least one"),
    )],
};

/// `frequency[]` of an advertiser.
pub(super) static BOOK_CAP: Shape = Shape {
    name: "advertiser-cap",
    help: "At most `max` impressions of the advertiser's to a user in any window of `per`.",
    base: None,
    keys: &[
        must("max", Kind::Integer(1, SHOWN_MAX), "Impressions."),
        must("per", ANY_SPAN, "The rolling window."),
        or(
            "scope",
            Kind::Words(&["advertiser"]),
            "\"advertiser\"",
            "This cap is over all campaigns; give others to campaigns.",
        ),
    ],
    rules: &[],
};

/// `frequency[]` of a campaign.
static CAP: Shape = Shape {
    name: "cap",
    help: "At most `max` impressions to a user in any window of `per`.",
    base: None,
    keys: &[
        must("max", Kind::Integer(1, SHOWN_MAX), "Impressions."),
        must("per", ANY_SPAN, "The rolling window."),
        or(
            "scope",
            Kind::Words(&["campaign", "creative", "advertiser"]),
            "\"campaign\"",
            "Whose impressions count: the campaign's, the creative's, or all of the advertiser's.",
        ),
    ],
    rules: &[],
};
