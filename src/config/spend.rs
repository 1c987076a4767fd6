//! Sound files that will never spend: warnings that a check gives beside those of reading.
//!
//! Says only what can be proven from the files, the clock and the sizes that were asked for:
//! - a flight that is over;
//! - an audience that no user can be in, because a rule that must hold is one that removes, or two
//!   rules contradict each other in number; a campaign whose audiences it excludes itself, or all of
//!   whose multipliers are zero;
//! - a bid below the smallest price, a budget below the price of one impression at the highest bid;
//! - a cap that another makes moot;
//! - targeting that includes only what it excludes, or admits no exchange or none of its formats;
//! - banners, and nothing else, in none of the sizes of the last day's requests;
//! - no feed, unless the shop itself is shown without one.
//!
//! Assumes an advertiser that was read from the text without faults. Archived campaigns are passed over.

use super::fault::Fault;
use super::node::{Node, Value, parse};
use super::reader::Reader;
use super::server::Server;
use crate::base::money::{Money, Ratio, Round};
use crate::base::time::Millis;
use crate::model::advertiser::{
    Advertiser, Audience, BidKind, Budget, Campaign, Cap, CapScope, Creative, Fallback, Rule, RuleSubject, Size, Status,
};
use crate::model::targeting::{Choice, Format, Targeting};

/// The smallest price that is bid, a CPM.
const PRICE_MIN: Money = Money(1_000);
/// Sizes that a warning names.
const SIZES_NAMED: usize = 3;

/// Warns of what will never spend. `seen` are the sizes of the last day's requests with how often each
/// was asked for, the most asked first; empty where that is not known.
pub fn never_spends(name: &str, text: &str, advertiser: &Advertiser, server: &Server, now: Millis, seen: &[(Size, u64)]) -> Vec<Fault> {
    let text = text.trim_start_matches('\u{feff}');
    let Ok(root) = parse(text) else { return Vec::new() };
    let reader = Reader::new(name, std::path::Path::new(""), text);
    let look = Look {
        r: &reader,
        root: &root,
        advertiser,
        server,
        now,
        seen,
    };
    look.over_all();
    for (no, campaign) in advertiser.campaigns.iter().enumerate() {
        if campaign.status != Status::Archived {
            look.at_campaign(&format!("/campaigns/{no}"), campaign);
        }
    }
    reader.finish()
}

struct Look<'a, 't> {
    r: &'a Reader<'t>,
    root: &'a Node<'t>,
    advertiser: &'a Advertiser,
    server: &'a Server,
    now: Millis,
    seen: &'a [(Size, u64)],
}

impl Look<'_, '_> {
    /// Warns at a pointer, or as near to it as the file goes.
    fn warn(&self, pointer: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let (mut node, mut rest) = (self.root, pointer);
        while let Some(step) = rest.strip_prefix('/') {
            let (key, further) = step.split_at(step.find('/').unwrap_or(step.len()));
            let inner = match &node.value {
                Value::Object(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
                Value::Array(items) => key.parse().ok().and_then(|no: usize| items.get(no)),
                _ => None,
            };
            let Some(inner) = inner else { break };
            (node, rest) = (inner, further);
        }
        self.r.warn(node, problem, remedy);
    }

    fn over_all(&self) {
        let advertiser = self.advertiser;
        let needs_products = advertiser.products.fallback != Fallback::Brand && !advertiser.campaigns.is_empty();
        if advertiser.feed.is_none() && needs_products {
            self.warn(
                "",
                "no `feed`: without products nothing is shown",
                "name a feed, such as `{\"path\": \"feed.xml\"}`",
            );
        }
        for (no, audience) in advertiser.audiences.iter().enumerate() {
            if let Some(why) = empty(audience) {
                self.warn(&format!("/audiences/{no}"), format!("nobody can be in this audience: {why}"), "");
            }
        }
        self.caps("", &advertiser.frequency);
        let dearest = advertiser.campaigns.iter().filter(|campaign| campaign.status != Status::Archived);
        if let Some(least) = dearest.filter_map(|campaign| self.highest(campaign)).min() {
            self.budget("/budget", &advertiser.budget, least);
        }
    }

    fn at_campaign(&self, at: &str, campaign: &Campaign) {
        if let Some(end) = campaign.end.filter(|end| *end <= self.now && campaign.status == Status::Active) {
            let problem = format!("this flight was over at {}", end.to_rfc3339());
            self.warn(&format!("{at}/flight/end"), problem, "archive the campaign, or give it another end");
        }
        let is_own = |no: &u32| campaign.exclude_audiences.contains(no);
        if !campaign.audiences.is_empty() && campaign.audiences.iter().all(|used| is_own(&used.audience)) {
            self.warn(
                &format!("{at}/exclude_audiences"),
                "every audience of this campaign is excluded: it never bids",
                "",
            );
        }
        if campaign.audiences.iter().all(|used| used.multiplier == Ratio(0)) {
            self.warn(
                &format!("{at}/audiences"),
                "every `bid_multiplier` is 0: it never bids",
                "pause the campaign instead",
            );
        }
        self.caps(at, &campaign.frequency);
        self.money(at, campaign);
        self.targeting(at, campaign);
        self.creatives(at, campaign);
    }

    /// The most a campaign bids for a thousand impressions, in its currency; none where that is not
    /// bounded.
    fn highest(&self, campaign: &Campaign) -> Option<Money> {
        if campaign.bid.kind != BidKind::Cpm {
            return campaign.bid.max_cpm;
        }
        let audience = campaign.audiences.iter().map(|used| used.multiplier).max().unwrap_or(Ratio::ONE);
        let raises = campaign
            .adjustments
            .iter()
            .map(|adjustment| adjustment.multiplier)
            .filter(|factor| *factor > Ratio::ONE);
        let value = raises.fold(campaign.bid.amount.times(audience, Round::Up), |value, factor| {
            value.times(factor, Round::Up)
        });
        Some(campaign.bid.max_cpm.map_or(value, |max| value.min(max)))
    }

    fn money(&self, at: &str, campaign: &Campaign) {
        let Some(highest) = self.highest(campaign) else { return };
        if highest < PRICE_MIN {
            let problem = format!("at most {highest} for a thousand impressions: below the smallest price, {PRICE_MIN}");
            self.warn(&format!("{at}/bid"), problem, "bid more");
        }
        self.budget(&format!("{at}/budget"), &campaign.budget, highest);
    }

    fn budget(&self, at: &str, budget: &Budget, cpm: Money) {
        let one = cpm.per_impression(Round::Up);
        for (key, amount) in [("daily", budget.daily), ("total", budget.total)] {
            if amount.is_some_and(|amount| amount < one) {
                let problem = format!("below what one impression may cost, {one}");
                self.warn(&format!("{at}/{key}"), problem, "give more, or bid less");
            }
        }
    }

    /// Warns of caps that never bind: another one of the same list, or of the advertiser, is as strict
    /// over as long a time and counts as much.
    fn caps(&self, at: &str, caps: &[Cap]) {
        let overall = if at.is_empty() { &[][..] } else { &self.advertiser.frequency };
        for (no, cap) in caps.iter().enumerate() {
            let others = caps.iter().enumerate().filter(|(other, _)| *other != no);
            let mut stricter = others.filter(|(other, by)| makes_moot(by, cap) && (*other < no || !makes_moot(cap, by)));
            let by = stricter
                .next()
                .map(|(_, by)| by)
                .or_else(|| overall.iter().find(|by| makes_moot(by, cap)));
            if let Some(by) = by {
                let problem = format!("this cap never binds: {} in {} is stricter", by.max, by.per);
                self.warn(&format!("{at}/frequency/{no}"), problem, "leave it out");
            }
        }
    }

    fn targeting(&self, at: &str, campaign: &Campaign) {
        let targeting = &campaign.targeting;
        for key in contradictions(targeting) {
            let problem = format!("all that `{key}` includes is excluded: it never bids");
            self.warn(&format!("{at}/targeting/{key}"), problem, "leave one of them out");
        }
        let admits = |no| targeting.exchanges.admits(Some(no), |listed, no| *listed == no);
        let exchanges = &self.server.exchanges;
        if !exchanges.is_empty() && !exchanges.iter().any(|exchange| admits(exchange.no)) && !is_void(&targeting.exchanges, |a, b| a == b) {
            self.warn(
                &format!("{at}/targeting/exchanges"),
                "every exchange is excluded: it never bids",
                "",
            );
        }
        let formats = campaign
            .creatives
            .iter()
            .filter_map(|no| self.advertiser.creatives.get(*no as usize));
        let mut formats = formats.map(|creative| creative.format).peekable();
        if formats.peek().is_some() && !formats.any(|format| targeting.formats.admits(Some(format), |listed, format| *listed == format)) {
            self.warn(
                &format!("{at}/targeting/formats"),
                "none of its creatives is of these formats: it never bids",
                "",
            );
        }
    }

    fn creatives(&self, at: &str, campaign: &Campaign) {
        let creatives = campaign
            .creatives
            .iter()
            .filter_map(|no| self.advertiser.creatives.get(*no as usize));
        let (banners, others): (Vec<&Creative>, Vec<&Creative>) = creatives.partition(|creative| creative.format == Format::Banner);
        let sizes: Vec<Size> = banners
            .iter()
            .flat_map(|creative| creative.ads.iter().map(|(size, _)| *size))
            .collect();
        let at = format!("{at}/creatives");
        // Players and native placements are not counted by size.
        if self.seen.is_empty() || !others.is_empty() || self.seen.iter().any(|(size, _)| sizes.contains(size)) {
            return;
        }
        let named: Vec<String> = self
            .seen
            .iter()
            .take(SIZES_NAMED)
            .map(|(size, _)| format!("{}x{}", size.w, size.h))
            .collect();
        let problem = format!(
            "no creative for any size of the last day's requests: most asked for {}",
            named.join(", ")
        );
        self.warn(&at, problem, nearest_fix(&sizes, self.seen));
    }
}

/// The size asked for that is nearest to one there is.
fn nearest_fix(have: &[Size], seen: &[(Size, u64)]) -> String {
    let distance = |a: &Size, b: &Size| a.w.abs_diff(b.w) + a.h.abs_diff(b.h);
    let pairs = seen
        .iter()
        .flat_map(|(asked, _)| have.iter().map(move |size| (distance(asked, size), asked, size)));
    match pairs.min_by_key(|(distance, ..)| *distance) {
        Some((_, asked, size)) => format!("add {}x{} beside {}x{}", asked.w, asked.h, size.w, size.h),
        None => String::new(),
    }
}

/// Whether `cap` can only be reached after `by` was. An advertiser's cap counts all that others do.
fn makes_moot(by: &Cap, cap: &Cap) -> bool {
    let counts_as_much = by.scope == cap.scope || by.scope == CapScope::Advertiser;
    counts_as_much && by.max <= cap.max && by.per >= cap.per
}

/// Why nobody can be in an audience, where that is certain.
fn empty(audience: &Audience) -> Option<String> {
    let mut pairs = audience
        .include
        .iter()
        .flat_map(|must| audience.exclude.iter().map(move |no| (must, no)));
    if pairs.any(|(must, no)| implies(must, no)) {
        return Some("an `exclude` rule holds wherever an `include` rule does".to_owned());
    }
    let mut pairs = audience.include.iter().flat_map(|a| audience.include.iter().map(move |b| (a, b)));
    let clash = |a: &Rule, b: &Rule| a.subject != RuleSubject::Cart && covers(b, a) && b.max_count.is_some_and(|max| a.min_count > max);
    let (more, fewer) = pairs.find(|(a, b)| !std::ptr::eq(*a, *b) && clash(a, b))?;
    Some(format!(
        "one rule asks for {} or more events, another for {} or fewer of the same",
        more.min_count,
        fewer.max_count.unwrap_or_default()
    ))
}

/// Whether a rule holds for everybody for whom another does.
fn implies(a: &Rule, b: &Rule) -> bool {
    let asks_no_more = b.min_count <= a.min_count && b.max_count.is_none() && b.min_value.is_none();
    a.min_count > 0 && asks_no_more && covers(b, a)
}

/// Whether a rule counts at least what another counts.
fn covers(wide: &Rule, narrow: &Rule) -> bool {
    fn open<T: PartialEq>(wide: &Option<T>, narrow: &Option<T>) -> bool {
        wide.is_none() || wide == narrow
    }
    let is_same = wide.category == narrow.category && wide.brand == narrow.brand && wide.product == narrow.product;
    let older = match wide.subject {
        // A cart is as old as its last addition: one that is looked at whole may be younger.
        RuleSubject::Cart if !is_same => wide.older_than.is_none(),
        _ => wide
            .older_than
            .is_none_or(|wide| narrow.older_than.is_some_and(|narrow| wide <= narrow)),
    };
    wide.subject == narrow.subject
        && wide.within >= narrow.within
        && older
        && open(&wide.category, &narrow.category)
        && open(&wide.brand, &narrow.brand)
        && open(&wide.product, &narrow.product)
        && open(&wide.since, &narrow.since)
}

/// Whether everything a choice includes is excluded by it.
fn is_void<T>(choice: &Choice<T>, covers: impl Fn(&T, &T) -> bool) -> bool {
    let include = choice.include().filter(|include| !include.is_empty());
    include.is_some_and(|include| include.iter().all(|wanted| choice.exclude().iter().any(|no| covers(no, wanted))))
}

/// Keys of targeting that let nothing through.
fn contradictions(targeting: &Targeting) -> Vec<&'static str> {
    let below = |no: &String, wanted: &String| wanted == no || wanted.strip_suffix(no.as_str()).is_some_and(|rest| rest.ends_with('.'));
    let texts = [
        ("regions", &targeting.regions),
        ("cities", &targeting.cities),
        ("os", &targeting.os),
        ("browsers", &targeting.browsers),
        ("languages", &targeting.languages),
        ("apps", &targeting.apps),
        ("categories", &targeting.categories),
        ("sellers", &targeting.sellers),
    ];
    let mut found: Vec<&str> = texts
        .iter()
        .filter(|(_, choice)| is_void(choice, |a, b| a == b))
        .map(|(key, _)| *key)
        .collect();
    found.extend(is_void(&targeting.countries, |a, b| a == b).then_some("countries"));
    found.extend(is_void(&targeting.devices, |a, b| a == b).then_some("devices"));
    found.extend(is_void(&targeting.domains, below).then_some("domains"));
    found.extend(is_void(&targeting.exchanges, |a, b| a == b).then_some("exchanges"));
    found.extend(is_void(&targeting.formats, |a, b| a == b).then_some("formats"));
    found
}
