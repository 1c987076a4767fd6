//! Campaigns, and the budgets and caps that advertisers have too (contract §3 `campaign`).
//!
//! Cross references come out as indexes into the advertiser's lists.

use jiff::tz::TimeZone;

use super::advertiser::instant;
use super::node::{Node, Value};
use super::reader::{Object, Reader};
use super::targeting::{Names, adjustment, multiplier, targeting};
use crate::base::id::CampaignNo;
use crate::base::limits::{CAPS_MAX, EXPOSURES_MAX};
use crate::base::money::Ratio;
use crate::base::time::{Millis, Span};
use crate::model::advertiser::{AudienceUse, BidKind, BidRule, Budget, Campaign, Cap, CapScope, Status};
use crate::model::targeting::Targeting;

const KEYS: [&str; 13] = [
    "id",
    "status",
    "flight",
    "audiences",
    "exclude_audiences",
    "bid",
    "bid_adjustments",
    "budget",
    "frequency",
    "targeting",
    "creatives",
    "schain",
    "per_request",
];

const STATUS: [(&str, Status); 3] = [
    ("active", Status::Active),
    ("paused", Status::Paused),
    ("archived", Status::Archived),
];

const BIDS: [(&str, BidKind); 3] = [("cpm", BidKind::Cpm), ("cpc", BidKind::Cpc), ("cpa", BidKind::Cpa)];

const SCOPES: [(&str, CapScope); 3] = [
    ("campaign", CapScope::Campaign),
    ("creative", CapScope::Creative),
    ("advertiser", CapScope::Advertiser),
];

/// 0.0015
const CTR_DEFAULT: Ratio = Ratio(1_500_000);
/// 0.02
const CVR_DEFAULT: Ratio = Ratio(20_000_000);

const CAP_DEFAULT: Cap = Cap {
    max: 10,
    per: Span::DAY,
    scope: CapScope::Campaign,
};

/// What a campaign may refer to.
pub(super) struct Around<'a> {
    /// The clock of flights.
    pub timezone: &'a TimeZone,
    /// Ids of the advertiser's audiences.
    pub audiences: &'a [String],
    /// Ids of its creatives.
    pub creatives: &'a [String],
    /// What targeting may name.
    pub names: Names<'a>,
}

/// `campaigns[]` and its `per_request`; the number is given later.
pub(super) fn campaign<'t>(r: &Reader<'t>, node: &Node<'t>, around: &Around<'_>) -> Option<(Campaign, u32)> {
    let o = r.object(node, &KEYS)?;
    let id = o.required("id", Reader::id);
    let (start, end) = flight(r, &o, around.timezone);
    let bid = o.required("bid", bid);
    let budget = o.required("budget", budget);
    let audiences = o.required("audiences", |r, n| r.some_of(n, |r, n| audience_use(r, n, around.audiences)));
    let audiences = audiences.unwrap_or_default();
    once(r, &o, "audiences", audiences.iter().map(|used| used.audience));
    let creatives = o.required("creatives", |r, n| r.some_of(n, |r, n| index(r, n, "creative", around.creatives)));
    let creatives = creatives.unwrap_or_default();
    once(r, &o, "creatives", creatives.iter().copied());
    let campaign = Campaign {
        no: CampaignNo(0),
        status: o.or("status", Status::Active, |r, n| r.word(n, &STATUS)),
        start,
        end,
        audiences,
        exclude_audiences: o.list("exclude_audiences", |r, n| index(r, n, "audience", around.audiences)),
        adjustments: o.list("bid_adjustments", |r, n| adjustment(r, n, &around.names)),
        frequency: o.or("frequency", vec![CAP_DEFAULT], |r, n| {
            caps(r, n, CapScope::Campaign, around.names.retention)
        }),
        targeting: o.or("targeting", Targeting::default(), |r, n| targeting(r, n, &around.names)),
        creatives,
        schain_complete: o.or("schain", false, |r, n| r.word(n, &[("any", false), ("complete", true)])),
        id: id?,
        bid: bid?,
        budget: budget?,
    };
    let per_request = o.or("per_request", 1, per_request);
    Some((campaign, per_request))
}

/// Imps of one request.
pub(super) fn per_request<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<u32> {
    r.integer(node, 1, 64)
}

fn index<'t>(r: &Reader<'t>, node: &Node<'t>, kind: &str, names: &[String]) -> Option<u32> {
    r.reference(node, kind, names).and_then(|place| u32::try_from(place).ok())
}

fn audience_use<'t>(r: &Reader<'t>, node: &Node<'t>, names: &[String]) -> Option<AudienceUse> {
    let Value::Object(_) = node.value else {
        let audience = index(r, node, "audience", names)?;
        return Some(AudienceUse {
            audience,
            multiplier: Ratio::ONE,
        });
    };
    let o = r.object(node, &["id", "bid_multiplier"])?;
    let multiplier = o.or("bid_multiplier", Ratio::ONE, multiplier);
    Some(AudienceUse {
        audience: o.required("id", |r, n| index(r, n, "audience", names))?,
        multiplier,
    })
}

/// Faults a list that names something twice.
fn once<'t>(r: &Reader<'t>, o: &Object<'_, 't>, key: &str, places: impl Iterator<Item = u32>) {
    let mut seen: Vec<u32> = places.collect();
    seen.sort_unstable();
    if seen.windows(2).any(|pair| pair.first() == pair.last()) {
        r.fault(o.get(key).unwrap_or(o.node), "names one of them twice", "leave one out");
    }
}

fn flight<'t>(r: &Reader<'t>, campaign: &Object<'_, 't>, timezone: &TimeZone) -> (Option<Millis>, Option<Millis>) {
    campaign.inner("flight", &["start", "end"], |o| {
        let Some(o) = o else { return (None, None) };
        let instant = |r: &Reader<'t>, n: &Node<'t>| instant(r, n, timezone);
        let (start, end) = (o.optional("start", instant), o.optional("end", instant));
        if start.zip(end).is_some_and(|(start, end)| end <= start) {
            r.fault(o.node, "`end` is not after `start`", "`end` is the first moment without ads");
        }
        (start, end)
    })
}

fn bid<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<BidRule> {
    let o = r.object(node, &["type", "amount", "max_cpm", "prior"])?;
    let kind = o.required("type", |r, n| r.word(n, &BIDS));
    let amount = o.required("amount", Reader::money);
    let max_cpm = o.optional("max_cpm", Reader::money);
    if matches!(kind, Some(BidKind::Cpc | BidKind::Cpa)) && !o.has("max_cpm") {
        r.fault(node, "`max_cpm` is missing", "it must be given with `cpc` and `cpa`");
    }
    let rate = |r: &Reader<'t>, n: &Node<'t>| r.ratio(n, Ratio(1), Ratio::ONE);
    let (prior_ctr, prior_cvr) = o.inner("prior", &["ctr", "cvr"], |o| match o {
        Some(o) => (o.or("ctr", CTR_DEFAULT, rate), o.or("cvr", CVR_DEFAULT, rate)),
        None => (CTR_DEFAULT, CVR_DEFAULT),
    });
    Some(BidRule {
        kind: kind?,
        amount: amount?,
        max_cpm,
        prior_ctr,
        prior_cvr,
    })
}

/// `budget`, of a campaign or over all of an advertiser's.
pub(super) fn budget<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Budget> {
    let o = r.object(node, &["daily", "total", "pacing"])?;
    if !o.has("daily") && !o.has("total") {
        r.fault(node, "neither `daily` nor `total`", "give at least one");
    }
    if let Some(node) = o.get("pacing").filter(|node| node.raw == "\"even\"") {
        r.warn_unused(node, "budgets are spent as fast as bids are won");
    }
    Some(Budget {
        daily: o.optional("daily", Reader::money),
        total: o.optional("total", Reader::money),
        even: o.or("pacing", true, |r, n| r.word(n, &[("even", true), ("asap", false)])),
    })
}

/// `frequency`; `scope` is that of caps that name none.
pub(super) fn caps<'t>(r: &Reader<'t>, node: &Node<'t>, scope: CapScope, retention: Span) -> Option<Vec<Cap>> {
    if r.items(node)?.len() > CAPS_MAX {
        return r.refuse(node, "too many caps", format!("at most {CAPS_MAX}"));
    }
    r.list(node, |r, n| cap(r, n, scope, retention))
}

fn cap<'t>(r: &Reader<'t>, node: &Node<'t>, default: CapScope, retention: Span) -> Option<Cap> {
    let o = r.object(node, &["max", "per", "scope"])?;
    let most = u32::try_from(EXPOSURES_MAX).unwrap_or(u32::MAX);
    let max = o.required("max", |r, n| r.integer(n, 1, most));
    let per = o.required("per", |r, n| super::targeting::remembered(r, n, retention));
    let scope = o.or("scope", default, |r, n| r.word(n, &SCOPES));
    if let (CapScope::Advertiser, CapScope::Campaign | CapScope::Creative, Some(node)) = (default, scope, o.get("scope")) {
        r.fault(
            node,
            "this cap is over all campaigns",
            "its scope is `advertiser`; give others to campaigns",
        );
    }
    Some(Cap {
        max: max?,
        per: per?,
        scope,
    })
}
