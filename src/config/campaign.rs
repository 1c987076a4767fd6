//! Campaigns, and the budgets and caps that advertisers have too (contract §3 `campaign`).
//!
//! Cross references come out as indexes into the advertiser's lists.

use jiff::tz::TimeZone;

use super::advertiser::instant;
use super::node::Node;
use super::reader::{Object, Reader};
use super::targeting::{Names, adjustment, given_span, targeting};
use crate::base::id::CampaignNo;
use crate::base::limits::CAPS_MAX;
use crate::base::money::Ratio;
use crate::base::time::{Millis, Span};
use crate::model::advertiser::{AudienceUse, BidKind, BidRule, Budget, Campaign, Cap, CapScope, Status};

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
pub(super) fn campaign<'t>(r: &Reader<'t>, o: &Object<'_, 't>, around: &Around<'_>) -> Option<(Campaign, u32)> {
    let (start, end) = flight(r, o, around.timezone);
    let bid = o.object("bid").and_then(|o| bid(&o));
    let budget = o.object("budget").and_then(|o| budget(&o));
    let audiences = o.list("audiences", |r, n| audience_use(r, o, n, around.audiences));
    once(r, o, "audiences", audiences.iter().map(|used| used.audience));
    let creatives = o.list("creatives", |r, n| index(r, n, "creative", around.creatives));
    once(r, o, "creatives", creatives.iter().copied());
    let campaign = Campaign {
        no: CampaignNo(0),
        status: o.word("status", &STATUS)?,
        start,
        end,
        audiences,
        exclude_audiences: o.list("exclude_audiences", |r, n| index(r, n, "audience", around.audiences)),
        adjustments: o.objects("bid_adjustments", |r, o| adjustment(r, o, &around.names)),
        frequency: caps(r, o, around.names.retention),
        targeting: targeting(r, &o.inner("targeting"), &around.names)?,
        creatives,
        schain_complete: o.word("schain", &[("any", false), ("complete", true)])?,
        id: o.read("id", Reader::plain)?,
        bid: bid?,
        budget: budget?,
    };
    Some((campaign, o.integer("per_request")?))
}

fn index<'t>(r: &Reader<'t>, node: &Node<'t>, kind: &str, names: &[String]) -> Option<u32> {
    r.reference(node, kind, names).and_then(|place| u32::try_from(place).ok())
}

fn audience_use<'t>(r: &Reader<'t>, campaign: &Object<'_, 't>, node: &Node<'t>, names: &[String]) -> Option<AudienceUse> {
    let Some(o) = campaign.item("audiences", node) else {
        return Some(AudienceUse {
            audience: index(r, node, "audience", names)?,
            multiplier: Ratio::ONE,
        });
    };
    Some(AudienceUse {
        audience: o.read("id", |r, n| index(r, n, "audience", names))?,
        multiplier: o.ratio("bid_multiplier")?,
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
    let o = campaign.inner("flight");
    let instant = |r: &Reader<'t>, n: &Node<'t>| instant(r, n, timezone);
    let (start, end) = (o.read("start", instant), o.read("end", instant));
    if start.zip(end).is_some_and(|(start, end)| end <= start) {
        r.fault(o.node, "`end` is not after `start`", "`end` is the first moment without ads");
    }
    (start, end)
}

fn bid(o: &Object<'_, '_>) -> Option<BidRule> {
    let prior = o.inner("prior");
    Some(BidRule {
        kind: o.word("type", &BIDS)?,
        amount: o.money("amount")?,
        max_cpm: o.money("max_cpm"),
        prior_ctr: prior.ratio("ctr")?,
        prior_cvr: prior.ratio("cvr")?,
    })
}

/// `budget`, of a campaign or over all of an advertiser's.
pub(super) fn budget(o: &Object<'_, '_>) -> Option<Budget> {
    Some(Budget {
        daily: o.money("daily"),
        total: o.money("total"),
        even: o.word("pacing", &[("even", true), ("asap", false)])?,
    })
}

/// `frequency`, of a campaign or over all of an advertiser's.
pub(super) fn caps<'t>(r: &Reader<'t>, o: &Object<'_, 't>, retention: Span) -> Vec<Cap> {
    if let Some(node) = o.get("frequency").filter(|node| r.items(node).len() > CAPS_MAX) {
        r.fault(node, "too many caps", format!("at most {CAPS_MAX}"));
    }
    o.objects("frequency", |r, o| {
        Some(Cap {
            max: o.integer("max")?,
            per: given_span(r, o, "per", retention)?,
            scope: o.word("scope", &SCOPES)?,
        })
    })
}
