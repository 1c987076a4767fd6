//! What an advertiser can do about what holds a campaign back, in plain words and with its own figures.
//!
//! Guesses nothing: every sentence is about what was counted, or what the config says.

use crate::base::money::{Money, Round};
use crate::base::time::Millis;
use crate::model::advertiser::{Campaign, Creative, Shop, Status};
use crate::model::outcome::NoBid;
use crate::model::targeting::Format;
use crate::server::engine::Engine;
use crate::server::sizes;
use crate::state::funnel::Fate;

/// From this part of the requests on, in per cent, a reason is worth a word beside the largest.
const WORTH_PERCENT: u64 = 20;
/// Sizes told of those that are asked for most.
const SIZES_TOLD: usize = 5;

/// A campaign, and what was counted of it.
pub(super) struct Case<'a> {
    pub engine: &'a Engine,
    pub shop: &'a Shop,
    pub campaign: &'a Campaign,
    pub fates: &'a [(Fate, u64)],
    pub now: Millis,
    /// Of all exchanges, and those of people whom any advertiser knows.
    pub requests: u64,
    pub of_known: u64,
}

/// What to do, what matters most first.
pub(super) fn advice(case: &Case<'_>) -> Vec<String> {
    if let Some(stopped) = stopped(case) {
        return vec![stopped];
    }
    let met: u64 = case.fates.iter().map(|(_, count)| count).sum();
    if met == 0 {
        return vec![unmet(case)];
    }
    let mut largest: Vec<(Fate, u64)> = case.fates.to_vec();
    largest.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let first = largest.first().map(|(fate, _)| *fate);
    let told = largest
        .into_iter()
        .filter(|(fate, count)| Some(*fate) == first || count * 100 >= met * WORTH_PERCENT);
    told.map(|(fate, count)| format!("{} % of its requests: {}", (count * 100 + met / 2) / met, of(case, fate)))
        .collect()
}

/// Why it cannot run at all.
fn stopped(case: &Case<'_>) -> Option<String> {
    let campaign = case.campaign;
    match campaign.status {
        Status::Paused => return Some("it is paused: set its `status` to `active`".to_owned()),
        Status::Archived => return Some("it is archived, for good: make a new campaign of it".to_owned()),
        Status::Active => {}
    }
    let local = |at| super::super::explain::local(&case.shop.advertiser.timezone, at, case.now);
    if let Some(start) = campaign.start.filter(|start| case.now < *start) {
        return Some(format!("it starts {}: move `flight.start` to have it run now", local(start)));
    }
    let end = campaign.end.filter(|end| case.now >= *end)?;
    Some(format!("it ended {}: move `flight.end`", local(end)))
}

/// Why no request was about anybody whom the advertiser knows.
fn unmet(case: &Case<'_>) -> String {
    let users = case.engine.state.users.len();
    match (case.requests, case.of_known) {
        (0, _) => {
            "no exchange has sent a request in the last hour: see whether they know this server's address, and their `auth`".to_owned()
        }
        (requests, 0) => format!(
            "{requests} requests came in the last hour, none of anybody with events ({users} users are known): see `winback_match_total` \
             whether exchanges match ids at all, and their `sync`"
        ),
        (requests, known) => format!(
            "{requests} requests came in the last hour, {known} of people with events, none of them of this shop: see whether its site sends \
             events, by its tag or its server"
        ),
    }
}

/// What to do about a fate.
fn of(case: &Case<'_>, fate: Fate) -> String {
    match fate {
        Fate::Bid => bids(case),
        Fate::Outranked => "another campaign was worth more, or had the imps: raise its `bid`, or let the better one have them".to_owned(),
        Fate::Dropped(why) => dropped(case, why),
    }
}

fn bids(case: &Case<'_>) -> String {
    let told = case
        .engine
        .world
        .load()
        .exchanges()
        .filter_map(|exchange| case.engine.state.losses.of((exchange.no, case.campaign.no))?.median_to_win())
        .max();
    let least = told
        .map(|least| format!("; {least} would have won half of the auctions that were told of"))
        .unwrap_or_default();
    format!("it bids. If little of that is won, bids are too low for these auctions{least}: raise `bid.amount` or `max_cpm`")
}

fn dropped(case: &Case<'_>, why: NoBid) -> String {
    let (campaign, advertiser) = (case.campaign, &case.shop.advertiser);
    match why {
        NoBid::NoAudience => {
            let used = campaign
                .audiences
                .iter()
                .filter_map(|used| advertiser.audiences.get(used.audience as usize));
            let names: Vec<String> = used.map(|audience| format!("`{}`", audience.id)).collect();
            format!(
                "the shopper is in none of {}: widen `within`, or add an audience of those who only looked",
                names.join(", ")
            )
        }
        NoBid::Hours => "it was outside its `targeting.hours`: widen them, or wait".to_owned(),
        NoBid::Targeting => {
            "the request did not meet its `targeting`: explain one (`winback explain --user`) to see which key, and widen it".to_owned()
        }
        NoBid::HouseBlocked => "the house blocks where they came from: see `house.block` of the server's config".to_owned(),
        NoBid::BlockedAdvertiser => format!("publishers block {}: ask the exchange which, or buy elsewhere", advertiser.domain),
        NoBid::BlockedCategory => format!(
            "publishers block its categories ({}): see whether they are right",
            advertiser.categories.join(", ")
        ),
        NoBid::BlockedSeat => "requests do not admit our seat: see `seat` of the exchange and `seats` of the advertiser".to_owned(),
        NoBid::CreativeBlocked => {
            "imps do not admit its creatives: `attr`, scripts, language, or a `public.url` that is not https".to_owned()
        }
        NoBid::CreativeNotApproved => "the exchange does not approve its creatives: see /api/approvals, and its review".to_owned(),
        NoBid::Deal => "imps are for deals that it is not part of: add their ids to `targeting.deals`".to_owned(),
        NoBid::Currency => "no rate leads from a currency of the request to the advertiser's: add it to `currencies.rates`".to_owned(),
        NoBid::Format => format!(
            "imps take other formats than its creatives have ({}): add one of another",
            formats(case)
        ),
        NoBid::Size => size(case),
        NoBid::Frequency => frequency(case),
        NoBid::Budget => format!("its budget is spent or held{}: raise it, or wait for the next day", spent(case)),
        NoBid::Pacing => format!(
            "even pacing spares the budget for later (bids are multiplied by {}): raise the budget, or set `pacing` to `asap`",
            pace(case)
        ),
        NoBid::BelowFloor => below_floor(case),
        NoBid::NoProduct => format!(
            "nothing that the shopper left can be shown, of {} products in the feed: see the feed's health, and let `products.fallback` show what is popular",
            case.shop.catalog.len()
        ),
        NoBid::NoCreative => {
            "no creative could be filled: a native asset is required that products lack, or a player takes none of the files".to_owned()
        }
        NoBid::Contended => "its budget was taken by other bids at the same moment: it is nearly spent".to_owned(),
        why => why.sentence().to_owned(),
    }
}

fn creatives<'c>(case: &Case<'c>) -> impl Iterator<Item = &'c Creative> {
    let all = &case.shop.advertiser.creatives;
    case.campaign.creatives.iter().filter_map(|index| all.get(*index as usize))
}

fn formats(case: &Case<'_>) -> String {
    let mut labels: Vec<&str> = creatives(case).map(|creative| creative.format.label()).collect();
    labels.dedup();
    labels.join(", ")
}

fn size(case: &Case<'_>) -> String {
    let own: Vec<String> = creatives(case)
        .filter(|creative| creative.format == Format::Banner)
        .flat_map(|creative| creative.ads.iter().map(|(size, _)| format!("{}x{}", size.w, size.h)))
        .collect();
    let seen = sizes::seen(&case.engine.settings.load().server.data_dir, case.now);
    let all: u64 = seen.iter().map(|(_, count)| count).sum();
    let most: Vec<String> = seen
        .iter()
        .map(|(size, count)| (format!("{}x{}", size.w, size.h), count * 100 / all.max(1)))
        .filter(|(size, _)| !own.contains(size))
        .take(SIZES_TOLD)
        .map(|(size, percent)| format!("{size} ({percent} %)"))
        .collect();
    let asked = if most.is_empty() {
        String::new()
    } else {
        format!(", the last day's requests asked for {} too", most.join(", "))
    };
    format!("its creatives have {}{asked}: add creatives of these sizes", own.join(", "))
}

fn frequency(case: &Case<'_>) -> String {
    let caps = case.campaign.frequency.iter().chain(&case.shop.advertiser.frequency);
    let caps: Vec<String> = caps.map(|cap| format!("{} per {}", cap.max, cap.per)).collect();
    format!(
        "a frequency cap is reached ({}): raise `max`, or reach more shoppers by wider audiences",
        caps.join(", ")
    )
}

/// ` (daily 200: 200 spent, 0 held)`.
fn spent(case: &Case<'_>) -> String {
    let budget = &case.campaign.budget;
    let (ever, held) = case.engine.state.books.totals(case.campaign.no, case.now.to_secs());
    let day = case.now.local_day(&case.shop.advertiser.timezone);
    let today = case
        .engine
        .state
        .days
        .lock()
        .get(&(case.campaign.no, day))
        .map_or(Money::ZERO, |row| row.billed);
    let daily = budget.daily.map(|daily| format!("daily {daily}: {today} spent"));
    let total = budget.total.map(|total| format!("total {total}: {ever} spent"));
    let parts: Vec<String> = daily
        .into_iter()
        .chain(total)
        .chain([format!("{held} held by bids under way")])
        .collect();
    format!(" ({})", parts.join(", "))
}

fn pace(case: &Case<'_>) -> String {
    let (campaign, advertiser) = (case.campaign, &case.shop.advertiser);
    let books = [(campaign.no, &campaign.budget), (advertiser.book, &advertiser.budget)];
    let of = books.into_iter().filter(|(_, budget)| budget.even);
    let least = of.map(|(no, _)| case.engine.state.books.multiplier(no)).min();
    least.map_or_else(|| "1".to_owned(), |pace| pace.to_string())
}

/// What its rule makes of an impression today, beside what it would take.
fn below_floor(case: &Case<'_>) -> String {
    let rule = &case.campaign.bid;
    let rates = case.engine.state.books.entry(case.campaign.no).rates(rule);
    let cpm = match rule.kind {
        crate::model::advertiser::BidKind::Cpm => rule.amount,
        _ => rule.cpm(rates),
    };
    let worth = rule.max_cpm.map_or(cpm, |max| cpm.min(max)).to_decimals(4, Round::Down);
    let currency = case.shop.advertiser.currency;
    format!(
        "an impression is worth less than the floor: {worth} {currency} a thousand before audience and adjustments: raise `bid.amount` or `max_cpm`"
    )
}
