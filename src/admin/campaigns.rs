//! `GET /api/campaigns`: campaigns of all advertisers, searched, sorted and by the page; and
//! `GET /api/advertisers/{id}/campaigns/{campaign}/pacing`: how one spends its day.
//!
//! Amounts are in the advertiser's currency, as decimal text; sorted by an amount, they are compared in the server's
//! base currency.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::advertisers::{status, unknown};
use super::reply::{self, Answer, Fail, Failed, Named, Query};
use crate::base::money::{Currency, Money, Rates, Ratio, Round};
use crate::base::time::Millis;
use crate::model::advertiser::{Advertiser, BidKind, Campaign};
use crate::server::engine::Engine;
use crate::state::funnel::Fate;
use crate::state::pacing::plan::{Plan, plan};

/// Rows of a page where none says how many, and at most.
const LIMIT: (usize, usize) = (50, 500);
const SORTS: [&str; 7] = ["campaign", "status", "spent_today", "spent", "pace", "impressions", "clicks"];

/// What is asked for.
struct Wanted<'q> {
    search: String,
    advertiser: Option<&'q str>,
    status: Option<&'q str>,
    sort: &'q str,
    is_descending: bool,
    offset: usize,
    limit: usize,
}

impl Wanted<'_> {
    fn read(query: &Query) -> Result<Wanted<'_>, Fail> {
        query.only(&["q", "advertiser", "status", "sort", "order", "offset", "limit"])?;
        let number = |name: &str, default: usize| match query.get(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err(Fail::bad_request(format!("`{name}` is no whole number"))),
        };
        let one_of = |name: &str, known: &[&str]| match query.get(name) {
            Some(other) if !known.contains(&other) => Err(Fail::bad_request(format!(
                "unknown `{name}` `{other}`: known are {}",
                known.join(", ")
            ))),
            given => Ok(given),
        };
        Ok(Wanted {
            search: query.get("q").unwrap_or("").trim().to_lowercase(),
            advertiser: query.get("advertiser"),
            status: one_of("status", &["active", "paused", "archived"])?,
            sort: one_of("sort", &SORTS)?.unwrap_or("campaign"),
            is_descending: one_of("order", &["asc", "desc"])? == Some("desc"),
            offset: number("offset", 0)?,
            limit: number("limit", LIMIT.0)?.min(LIMIT.1),
        })
    }

    fn covers(&self, advertiser: &Advertiser, campaign: &Campaign) -> bool {
        let is_found = |text: &str| text.to_lowercase().contains(&self.search);
        self.advertiser.is_none_or(|wanted| wanted == advertiser.id)
            && self.status.is_none_or(|wanted| wanted == status(campaign.status))
            && (is_found(&campaign.id) || is_found(&advertiser.id) || is_found(&advertiser.name))
    }
}

/// A page of campaigns.
#[derive(Serialize, ToSchema)]
pub(super) struct Campaigns {
    /// How many there are in all.
    total: usize,
    rows: Vec<Row>,
}

/// Where a campaign stands. Amounts are decimal text in the advertiser's currency.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignRow)]
pub(super) struct Row {
    advertiser: String,
    advertiser_name: String,
    campaign: String,
    /// active, paused or archived.
    status: &'static str,
    currency: String,
    /// Whose days these are.
    timezone: String,
    bid: Bid,
    budget: OfBudget,
    today: Today,
    /// Since it began.
    spent: String,
    /// By bids under way.
    held: String,
    impressions: u64,
    clicks: u64,
    conversions: u64,
    last_hour: LastHour,
    /// Where it is asked for alone: its advertiser's local day, from 0 to 23.
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<Vec<Hour>>,
    /// Likewise: what it may show.
    #[serde(skip_serializing_if = "Option::is_none")]
    creatives: Option<Vec<OfCreative>>,
}

/// What it bids.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignBid)]
struct Bid {
    /// cpm, cpc or cpa.
    r#type: &'static str,
    amount: String,
    max_cpm: Option<String>,
}

/// What it may spend.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignBudget)]
struct OfBudget {
    daily: Option<String>,
    total: Option<String>,
    /// even or asap.
    pacing: &'static str,
}

/// Its day so far.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignDay)]
struct Today {
    day: String,
    spent: String,
    /// What may be spent on it in all; null where nothing limits the day.
    allowance: Option<String>,
    /// What should be spent by now; null where nothing limits the day, or it is spent as fast as it goes.
    expected: Option<String>,
    /// What pacing multiplies bids with.
    multiplier: f64,
}

/// Requests of shoppers that the advertiser knows, and those with a bid of this campaign.
#[derive(Serialize, ToSchema)]
struct LastHour {
    requests: u64,
    bids: u64,
}

/// Sums since midnight at the end of an hour, as decimal text.
#[derive(Serialize, ToSchema)]
#[schema(as = PacingHour)]
struct Hour {
    hour: usize,
    expected: Option<String>,
    /// Null of hours to come, and of those before the server started.
    spent: Option<String>,
}

/// A creative and its sizes.
#[derive(Serialize, ToSchema)]
#[schema(as = CreativeSizes)]
struct OfCreative {
    id: String,
    /// banner, native, video or audio.
    format: &'static str,
    /// Such as `300x250`.
    sizes: Vec<String>,
}

/// Campaigns of all advertisers: searched, sorted, by the page.
#[utoipa::path(get, path = "/api/campaigns", tag = "advertisers",
    params(("q" = Option<String>, Query, description = "Part of the id of the campaign, or of the advertiser's id or name"),
        ("advertiser" = Option<String>, Query, description = "Only of this one"),
        ("status" = Option<String>, Query, description = "`active`, `paused` or `archived`", example = "active"),
        ("sort" = Option<String>, Query, example = "spent_today",
            description = "`campaign` (default), `status`, `spent_today`, `spent`, `pace`, `impressions` or `clicks`"),
        ("order" = Option<String>, Query, description = "`asc` (default) or `desc`", example = "desc"),
        ("offset" = Option<u64>, Query, description = "How many to pass over"),
        ("limit" = Option<u64>, Query, description = "How many at most: 50, up to 500", example = 50)), responses(
    (status = 200, body = Campaigns), (status = 400, description = "A parameter cannot be read", body = Failed)))]
pub async fn list(State(desk): Shared, query: Query) -> Answer {
    let wanted = Wanted::read(&query)?;
    let (engine, now) = (&desk.engine, Millis::wall_clock());
    let world = engine.world.load_full();
    let shops = world.shops().map(|shop| &*shop.advertiser);
    let mut found: Vec<(&Advertiser, &Campaign)> = shops
        .flat_map(|advertiser| advertiser.campaigns.iter().map(move |campaign| (advertiser, campaign)))
        .filter(|(advertiser, campaign)| wanted.covers(advertiser, campaign))
        .collect();
    found.sort_by(|a, b| (&a.0.id, &a.1.id).cmp(&(&b.0.id, &b.1.id)));
    let direction = if wanted.is_descending { -1 } else { 1 };
    match wanted.sort {
        "campaign" if wanted.is_descending => found.reverse(),
        "campaign" => {}
        sort => found.sort_by_cached_key(|(advertiser, campaign)| {
            let rank = rank(engine, &world.rates, sort, advertiser, campaign, now);
            (rank.is_none(), rank.map(|rank| rank * direction))
        }),
    }
    let page = found.iter().skip(wanted.offset).take(wanted.limit);
    Ok(reply::json(&Campaigns {
        total: found.len(),
        rows: page.map(|(advertiser, campaign)| row(engine, advertiser, campaign, now)).collect(),
    }))
}

/// By what campaigns are sorted; those without come last either way.
fn rank(engine: &Engine, rates: &Rates, sort: &str, advertiser: &Advertiser, campaign: &Campaign, now: Millis) -> Option<i128> {
    use std::sync::atomic::Ordering::Relaxed;
    let entry = engine.state.books.entry(campaign.no);
    Some(match sort {
        "status" => campaign.status as i128,
        "impressions" => entry.impressions.load(Relaxed).into(),
        "clicks" => entry.clicks.load(Relaxed).into(),
        _ => {
            let plan = plan(&engine.state.books, advertiser, campaign, now);
            match sort {
                "pace" => share(plan.spent_today, plan.expected?),
                "spent" => in_base(rates, advertiser.currency, plan.spent),
                _ => in_base(rates, advertiser.currency, plan.spent_today),
            }
        }
    })
}

/// In thousandths.
fn share(part: Money, whole: Money) -> i128 {
    if whole.0 <= 0 { 0 } else { part.0.saturating_mul(1_000) / whole.0 }
}

fn in_base(rates: &Rates, currency: Currency, amount: Money) -> i128 {
    let conversion = rates.conversion(currency, rates.base());
    conversion.map_or(amount, |conversion| conversion.apply(amount, Round::Nearest)).0
}

fn row(engine: &Engine, advertiser: &Advertiser, campaign: &Campaign, now: Millis) -> Row {
    use std::sync::atomic::Ordering::Relaxed;
    let plan = plan(&engine.state.books, advertiser, campaign, now);
    let entry = engine.state.books.entry(campaign.no);
    let fates = engine.state.funnels.of(campaign.no, now);
    Row {
        advertiser: advertiser.id.clone(),
        advertiser_name: advertiser.name.clone(),
        campaign: campaign.id.clone(),
        status: status(campaign.status),
        currency: advertiser.currency.to_string(),
        timezone: advertiser.timezone_name.clone(),
        bid: bid(campaign),
        budget: budget(campaign),
        today: today(&plan),
        spent: plan.spent.to_string(),
        held: plan.held.to_string(),
        impressions: entry.impressions.load(Relaxed),
        clicks: entry.clicks.load(Relaxed),
        conversions: entry.conversions.load(Relaxed),
        last_hour: LastHour {
            requests: fates.iter().map(|(_, count)| count).sum(),
            bids: fates.iter().filter(|(fate, _)| *fate == Fate::Bid).map(|(_, count)| count).sum(),
        },
        hours: None,
        creatives: None,
    }
}

fn text(amount: Option<Money>) -> Option<String> {
    amount.map(|amount| amount.to_string())
}

fn bid(campaign: &Campaign) -> Bid {
    let rule = &campaign.bid;
    Bid {
        r#type: match rule.kind {
            BidKind::Cpm => "cpm",
            BidKind::Cpc => "cpc",
            BidKind::Cpa => "cpa",
        },
        amount: rule.amount.to_string(),
        max_cpm: text(rule.max_cpm),
    }
}

fn budget(campaign: &Campaign) -> OfBudget {
    OfBudget {
        daily: text(campaign.budget.daily),
        total: text(campaign.budget.total),
        pacing: if campaign.budget.even { "even" } else { "asap" },
    }
}

fn today(plan: &Plan) -> Today {
    Today {
        day: plan.day.to_string(),
        spent: plan.spent_today.to_string(),
        allowance: text(plan.allowance),
        expected: text(plan.expected),
        multiplier: ratio(plan.multiplier),
    }
}

/// To six decimals.
fn ratio(ratio: Ratio) -> f64 {
    (ratio.0 as f64 / 1e3).round() / 1e6
}

/// How a campaign spends its day, by the hour.
#[utoipa::path(get, path = "/api/advertisers/{id}/campaigns/{campaign}/pacing", tag = "reports",
    params(("id" = String, Path, description = "The advertiser's id"), ("campaign" = String, Path, description = "The campaign's id")), responses(
    (status = 200, body = Row), (status = 400, description = "An unknown parameter", body = Failed),
    (status = 404, description = "No such advertiser or campaign", body = Failed)))]
pub async fn pacing(State(desk): Shared, Named((advertiser, id)): Named<(String, String)>, query: Query) -> Answer {
    query.only(&[])?;
    let (engine, now) = (&desk.engine, Millis::wall_clock());
    let world = engine.world.load_full();
    let shop = world.shop_by_id(&advertiser).ok_or_else(|| unknown(&advertiser))?;
    let campaign = shop.advertiser.campaigns.iter().find(|campaign| campaign.id == id);
    let unknown = || Fail::not_found("campaign_not_found", format!("no campaign `{id}` in advertiser `{advertiser}`"));
    let campaign = campaign.ok_or_else(unknown)?;
    let plan = plan(&engine.state.books, &shop.advertiser, campaign, now);
    Ok(reply::json(&Row {
        hours: Some(hours(&plan, engine.history.spent(campaign.no, plan.day))),
        creatives: Some(creatives(&shop.advertiser, campaign)),
        ..row(engine, &shop.advertiser, campaign, now)
    }))
}

fn hours(plan: &Plan, mut spent: [Option<Money>; 24]) -> Vec<Hour> {
    let running = plan.second as usize / 3_600 % 24;
    spent[running] = Some(plan.spent_today);
    let hour = |(hour, spent): (usize, Option<Money>)| {
        let part = plan.by_hour.map(|by_hour| by_hour[hour]);
        let expected = plan.allowance.zip(part).map(|(all, part)| all.times(part, Round::Nearest));
        Hour {
            hour,
            expected: text(expected),
            spent: text(spent),
        }
    };
    spent.into_iter().enumerate().map(hour).collect()
}

/// What the campaign may show, and the sizes that each has.
fn creatives(advertiser: &Advertiser, campaign: &Campaign) -> Vec<OfCreative> {
    let of = campaign.creatives.iter().filter_map(|at| advertiser.creatives.get(*at as usize));
    of.map(|creative| OfCreative {
        id: creative.id.clone(),
        format: creative.format.label(),
        sizes: creative.ads.iter().map(|(size, _)| format!("{}x{}", size.w, size.h)).collect(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_by_the_hour() {
        let plan = Plan {
            day: Default::default(),
            second: 2 * 3_600 + 60,
            allowance: Some(Money::units(48)),
            spent_today: Money::units(5),
            spent: Money::units(50),
            held: Money::ZERO,
            multiplier: Ratio::ONE,
            by_hour: Some(std::array::from_fn(|hour| Ratio::of(hour as u64 + 1, 32))),
            expected: None,
        };
        let mut spent = [None; 24];
        spent[1] = Some(Money::units(3));
        let told = hours(&plan, spent);
        let told: Vec<_> = told.iter().map(|hour| (hour.expected.as_deref(), hour.spent.as_deref())).collect();
        assert_eq!(told[..3], [(Some("1.5"), None), (Some("3"), Some("3")), (Some("4.5"), Some("5"))]);
        assert_eq!((told[3].1, told[23].0, told.len()), (None, Some("36"), 24));
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused() {
        for wrong in ["sort=colour", "order=up", "status=gone", "limit=many", "page=2"] {
            assert!(Wanted::read(&Query::of(wrong)).is_err(), "{wrong}");
        }
        let wanted = Query::of("q=%20Shoe&limit=9999&order=desc");
        let wanted = Wanted::read(&wanted).expect("a wish");
        assert_eq!((wanted.search.as_str(), wanted.limit, wanted.is_descending), ("shoe", 500, true));
    }
}
