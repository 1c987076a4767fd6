//! `GET /api/campaigns`: campaigns of all advertisers, searched, sorted and by the page; and
//! `GET /api/advertisers/{id}/campaigns/{campaign}/pacing`: how one spends its day.
//!
//! Amounts are in the advertiser's currency, as decimal text; sorted by an amount, they are compared in the server's
//! base currency.

use axum::extract::State;
use serde_json::{Value, json};

use super::Shared;
use super::advertisers::{status, unknown};
use super::reply::{self, Answer, Fail, Named, Query};
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

/// `{"total", "rows": [{"advertiser", "advertiser_name", "campaign", "status", "currency", "timezone", "bid", "budget",
/// "today", "spent", "held", "impressions", "clicks", "conversions", "last_hour"}]}`. `status`, `q`, `advertiser` narrow,
/// `sort` and `order` sort, `offset` and `limit` (50, at most 500) page.
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
    let rows: Vec<Value> = page.map(|(advertiser, campaign)| row(engine, advertiser, campaign, now)).collect();
    Ok(reply::json(&json!({"total": found.len(), "rows": rows})))
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

fn row(engine: &Engine, advertiser: &Advertiser, campaign: &Campaign, now: Millis) -> Value {
    use std::sync::atomic::Ordering::Relaxed;
    let plan = plan(&engine.state.books, advertiser, campaign, now);
    let entry = engine.state.books.entry(campaign.no);
    let fates = engine.state.funnels.of(campaign.no, now);
    let bids: u64 = fates.iter().filter(|(fate, _)| *fate == Fate::Bid).map(|(_, count)| count).sum();
    json!({
        "advertiser": advertiser.id,
        "advertiser_name": advertiser.name,
        "campaign": campaign.id,
        "status": status(campaign.status),
        "currency": advertiser.currency.to_string(),
        "timezone": advertiser.timezone_name,
        "bid": bid(campaign),
        "budget": budget(campaign),
        "today": today(&plan),
        "spent": plan.spent.to_string(),
        "held": plan.held.to_string(),
        "impressions": entry.impressions.load(Relaxed),
        "clicks": entry.clicks.load(Relaxed),
        "conversions": entry.conversions.load(Relaxed),
        "last_hour": {"requests": fates.iter().map(|(_, count)| count).sum::<u64>(), "bids": bids},
    })
}

fn bid(campaign: &Campaign) -> Value {
    let kind = match campaign.bid.kind {
        BidKind::Cpm => "cpm",
        BidKind::Cpc => "cpc",
        BidKind::Cpa => "cpa",
    };
    let max_cpm = campaign.bid.max_cpm.map(|cpm| cpm.to_string());
    json!({"type": kind, "amount": campaign.bid.amount.to_string(), "max_cpm": max_cpm})
}

fn budget(campaign: &Campaign) -> Value {
    let text = |amount: Option<Money>| amount.map(|amount| amount.to_string());
    let budget = &campaign.budget;
    json!({"daily": text(budget.daily), "total": text(budget.total), "pacing": if budget.even { "even" } else { "asap" }})
}

fn today(plan: &Plan) -> Value {
    let text = |amount: Option<Money>| amount.map(|amount| amount.to_string());
    json!({
        "day": plan.day.to_string(),
        "spent": plan.spent_today.to_string(),
        "allowance": text(plan.allowance),
        "expected": text(plan.expected),
        "multiplier": ratio(plan.multiplier),
    })
}

/// To six decimals.
fn ratio(ratio: Ratio) -> f64 {
    (ratio.0 as f64 / 1e3).round() / 1e6
}

/// The row of the campaign, and `hours`: `{"hour", "expected", "spent"}` of its advertiser's local day, from 0 to 23, sums since
/// midnight at the end of each hour; `spent` is null of hours to come and of those before the server started.
pub async fn pacing(State(desk): Shared, Named((advertiser, id)): Named<(String, String)>, query: Query) -> Answer {
    query.only(&[])?;
    let (engine, now) = (&desk.engine, Millis::wall_clock());
    let world = engine.world.load_full();
    let shop = world.shop_by_id(&advertiser).ok_or_else(|| unknown(&advertiser))?;
    let campaign = shop.advertiser.campaigns.iter().find(|campaign| campaign.id == id);
    let unknown = || Fail::not_found("campaign_not_found", format!("no campaign `{id}` in advertiser `{advertiser}`"));
    let campaign = campaign.ok_or_else(unknown)?;
    let plan = plan(&engine.state.books, &shop.advertiser, campaign, now);
    let mut told = row(engine, &shop.advertiser, campaign, now);
    told["hours"] = hours(&plan, engine.history.spent(campaign.no, plan.day));
    told["creatives"] = creatives(&shop.advertiser, campaign);
    Ok(reply::json(&told))
}

fn hours(plan: &Plan, mut spent: [Option<Money>; 24]) -> Value {
    let running = plan.second as usize / 3_600 % 24;
    spent[running] = Some(plan.spent_today);
    let hour = |(hour, spent): (usize, Option<Money>)| {
        let part = plan.by_hour.map(|by_hour| by_hour[hour]);
        let expected = plan
            .allowance
            .zip(part)
            .map(|(all, part)| all.times(part, Round::Nearest).to_string());
        json!({"hour": hour, "expected": expected, "spent": spent.map(|spent| spent.to_string())})
    };
    spent.into_iter().enumerate().map(hour).collect()
}

/// What the campaign may show, and the sizes that each has.
fn creatives(advertiser: &Advertiser, campaign: &Campaign) -> Value {
    let of = campaign.creatives.iter().filter_map(|at| advertiser.creatives.get(*at as usize));
    of.map(|creative| {
        let sizes: Vec<String> = creative.ads.iter().map(|(size, _)| format!("{}x{}", size.w, size.h)).collect();
        json!({"id": creative.id, "format": creative.format.label(), "sizes": sizes})
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
        assert_eq!(told[0], json!({"hour": 0, "expected": "1.5", "spent": null}));
        assert_eq!(
            (&told[1]["spent"], &told[2]["spent"], &told[3]["spent"]),
            (&json!("3"), &json!("5"), &Value::Null)
        );
        assert_eq!((&told[23]["expected"], told.as_array().map(Vec::len)), (&json!("36"), Some(24)));
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
