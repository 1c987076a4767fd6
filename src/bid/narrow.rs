//! Fifth stage: which campaigns of the advertisers that know the user may bid on which imp.
//!
//! Candidates come from the user's record, so cost does not grow with the campaigns on the server.
//! Rules are tried in the order of the reasons; the first that fails is the candidate's reason. Looks
//! at no cap, budget or price.

use super::price::has_rates;
use super::{Case, Furthest, Known, Trace};
use crate::base::country::Country;
use crate::base::id::{AdvertiserNo, CampaignNo, CreativeNo};
use crate::base::limits::{CANDIDATES_MAX, OFFERS_MAX, REFUSALS_MAX, SIZES_MAX};
use crate::base::money::{Money, Ratio};
use crate::model::advertiser::{Advertiser, Campaign, Creative, Shop, Size, Status};
use crate::model::audience::Past;
use crate::model::outcome::NoBid;
use crate::model::profile::cart;
use crate::model::targeting::{Format, Hours, Targeting};
use crate::openrtb::attributes::{
    app, covers_category, covers_language, device_kind, domain, has_product_token, is_of_domain, page_host, plain,
};
use crate::openrtb::json::{List, Text, creatives, sizes as sizes_of};
use crate::openrtb::request::{Imp, Opportunity};
use crate::state::approvals::Suspended;

/// A campaign that may bid, whatever the imp.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    shop: AdvertiserNo,
    campaign: u32,
    multiplier: Ratio,
}

/// An imp, and what of it is the same for every campaign.
struct Slot<'r> {
    at: u16,
    imp: &'r Imp<'r>,
    sizes: &'r [(u32, u32)],
    has_rates: bool,
}

/// A campaign's creative for one imp; later stages fill in the figures.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Index of the imp.
    pub imp: u16,
    /// Whose.
    pub shop: AdvertiserNo,
    /// Index of the campaign in its advertiser.
    pub campaign: u32,
    /// Its number.
    pub no: CampaignNo,
    /// Index of the creative in its advertiser.
    pub creative: u32,
    /// Its number.
    pub creative_no: CreativeNo,
    /// Index of the size in the creative.
    pub size: u16,
    /// What its audience multiplies the price by.
    pub multiplier: Ratio,
    /// What budgets leave, in the advertiser's currency.
    pub left: Option<Money>,
    /// What it is worth, as CPM in the currency of the answer.
    pub value: Money,
    /// What is bid.
    pub price: Money,
    /// Breaks ties between equal values.
    pub tie: u64,
}

/// Fills `offers`.
pub fn narrow<T: Trace>(
    case: &Case<'_>,
    known: &mut Known,
    candidates: &mut Vec<Candidate>,
    sizes: &mut Vec<(u32, u32)>,
    offers: &mut Vec<Offer>,
    furthest: &mut Furthest,
    trace: &mut T,
) -> Result<(), NoBid> {
    candidates.clear();
    offers.clear();
    let house_blocked = is_house_blocked(case);
    for at in 0..known.profile.sections.len() {
        let section = known.profile.sections[at];
        let Some(shop) = case.world.shop(section.advertiser) else {
            continue;
        };
        let events = known.profile.events(&section);
        cart(events, &mut known.cart);
        let past = Past {
            events,
            cart: &known.cart,
            catalog: &shop.catalog,
            now: case.ask.now.to_secs(),
        };
        for (index, campaign) in shop.advertiser.campaigns.iter().enumerate() {
            match audience(&past, &shop.advertiser, campaign).and_then(|m| admit_campaign(case, shop, campaign, house_blocked).map(|()| m))
            {
                Ok(multiplier) if candidates.len() < CANDIDATES_MAX => {
                    candidates.push(Candidate {
                        shop: section.advertiser,
                        campaign: index as u32,
                        multiplier,
                    });
                }
                Ok(_) => furthest.note(NoBid::Targeting),
                Err(why) => {
                    furthest.note(why);
                    trace.dropped(campaign.no, why, || why.sentence().to_owned());
                }
            }
        }
    }
    for (at, imp) in case.request.imps.iter().enumerate() {
        banner_sizes(imp, sizes);
        let slot = Slot {
            at: at as u16,
            imp,
            sizes,
            has_rates: has_rates(case, imp),
        };
        for candidate in candidates.iter() {
            offer(case, &slot, candidate, offers, furthest, trace);
        }
    }
    if offers.is_empty() { Err(furthest.0) } else { Ok(()) }
}

/// The largest multiplier of the audiences that hold.
fn audience(past: &Past<'_>, advertiser: &Advertiser, campaign: &Campaign) -> Result<Ratio, NoBid> {
    let is_in = |index: u32| {
        advertiser
            .audiences
            .get(index as usize)
            .is_some_and(|audience| past.is_in(audience))
    };
    if campaign.exclude_audiences.iter().any(|index| is_in(*index)) {
        return Err(NoBid::NoAudience);
    }
    campaign
        .audiences
        .iter()
        .filter(|wanted| is_in(wanted.audience))
        .map(|wanted| wanted.multiplier)
        .max()
        .ok_or(NoBid::NoAudience)
}

/// Rules of a campaign that no imp changes.
fn admit_campaign(case: &Case<'_>, shop: &Shop, campaign: &Campaign, house_blocked: bool) -> Result<(), NoBid> {
    let now = case.ask.now;
    if campaign.status != Status::Active {
        return Err(NoBid::Paused);
    }
    if campaign.start.is_some_and(|start| now < start) || campaign.end.is_some_and(|end| now >= end) {
        return Err(NoBid::Flight);
    }
    if let Some(hours) = &campaign.targeting.hours
        && !in_hours(case, shop, hours)
    {
        return Err(NoBid::Hours);
    }
    let creatives = &shop.advertiser.creatives;
    let shows = |index: &u32| {
        creatives
            .get(*index as usize)
            .is_some_and(|c| admits_format(&campaign.targeting, c.format))
    };
    let chained = !campaign.schain_complete || case.request.schain_complete == Some(true);
    if !chained || !meets(case, &campaign.targeting) || !campaign.creatives.iter().any(shows) {
        return Err(NoBid::Targeting);
    }
    if house_blocked {
        return Err(NoBid::HouseBlocked);
    }
    let request = case.request;
    if request
        .badv
        .iter()
        .any(|blocked| plain(blocked).is_some_and(|blocked| is_of_domain(&shop.advertiser.domain, blocked)))
    {
        return Err(NoBid::BlockedAdvertiser);
    }
    let blocks = |category: &String| {
        request
            .bcat
            .iter()
            .any(|blocked| plain(blocked).is_some_and(|b| covers_category(b, category)))
    };
    if shop.advertiser.categories.iter().any(blocks) {
        return Err(NoBid::BlockedCategory);
    }
    let seat = seat(case, &shop.advertiser);
    let lists = |list: List<'_>| list.iter().any(|entry| plain(entry) == Some(seat));
    if (!request.wseat.is_empty() && !lists(request.wseat)) || lists(request.bseat) {
        return Err(NoBid::BlockedSeat);
    }
    Ok(())
}

/// Whether the house shows nobody here: a site under its domain and its page's, an app under its bundle.
fn is_house_blocked(case: &Case<'_>) -> bool {
    let (house, request) = (&case.world.house, case.request);
    let has = |category: &String| {
        let mut cats = request.place.cat.iter();
        cats.any(|cat| plain(cat).is_some_and(|cat| covers_category(category, cat)))
    };
    !house.is_empty()
        && (plain(request.place.domain).is_some_and(|domain| house.has_domain(domain))
            || page_host(request).is_some_and(|host| house.has_domain(host))
            || app(request).is_some_and(|app| house.has_bundle(app))
            || plain(request.place.publisher).is_some_and(|seller| house.has_seller(seller))
            || house.categories.iter().any(has))
}

/// The seat an advertiser bids under here; empty where neither it nor the exchange names one.
pub fn seat<'a>(case: &Case<'a>, advertiser: &'a Advertiser) -> &'a str {
    let own = advertiser.seats.iter().find(|(exchange, _)| *exchange == case.exchange.id);
    own.map(|(_, seat)| seat.as_str()).or(case.exchange.seat.as_deref()).unwrap_or("")
}

/// Adds the offers of a candidate for one imp: one for each creative that fits.
fn offer<T: Trace>(
    case: &Case<'_>,
    slot: &Slot<'_>,
    candidate: &Candidate,
    offers: &mut Vec<Offer>,
    furthest: &mut Furthest,
    trace: &mut T,
) {
    let Some(shop) = case.world.shop(candidate.shop) else { return };
    let campaign = &shop.advertiser.campaigns[candidate.campaign as usize];
    let (mut why, mut found) = (NoBid::Targeting, false);
    for index in &campaign.creatives {
        match fit(case, shop, slot, *index, &campaign.targeting) {
            Ok(size) if offers.len() < OFFERS_MAX => {
                found = true;
                offers.push(Offer {
                    imp: slot.at,
                    shop: candidate.shop,
                    campaign: candidate.campaign,
                    no: campaign.no,
                    creative: *index,
                    creative_no: shop.advertiser.creatives[*index as usize].no,
                    size,
                    multiplier: candidate.multiplier,
                    left: None,
                    value: Money::ZERO,
                    price: Money::ZERO,
                    tie: 0,
                });
            }
            Ok(_) => {}
            Err(reason) => why = why.max(reason),
        }
    }
    if !found {
        furthest.note(why);
        trace.dropped(campaign.no, why, || misfit_detail(case, shop, campaign, slot.imp, why));
    }
}

/// The index of the creative's size that fits the imp, in the imp's order of preference.
fn fit(case: &Case<'_>, shop: &Shop, slot: &Slot<'_>, creative: u32, targeting: &Targeting) -> Result<u16, NoBid> {
    let creative = shop.advertiser.creatives.get(creative as usize).ok_or(NoBid::Targeting)?;
    let (imp, banner) = (slot.imp, &slot.imp.banner);
    if !admits_format(targeting, creative.format) {
        return Err(NoBid::Targeting);
    }
    let blocks = |blocked: Text<'_>| blocked.integer().is_some_and(|b| creative.attr.iter().any(|a| i64::from(*a) == b));
    if banner.as_ref().is_some_and(|banner| banner.battr.iter().any(blocks)) {
        return Err(NoBid::CreativeBlocked);
    }
    if is_excluded(imp, creative) || suspension(case, creative).is_some() {
        return Err(NoBid::CreativeNotApproved);
    }
    if imp.private_auction || !targeting.deals.open_market {
        return Err(NoBid::Deal);
    }
    if !slot.has_rates {
        return Err(NoBid::Currency);
    }
    if banner.is_none() || creative.format != Format::Banner {
        return Err(NoBid::Format);
    }
    let place = |(w, h): &(u32, u32)| creative.ads.iter().position(|(size, _)| *size == Size { w: *w, h: *h });
    slot.sizes.iter().find_map(place).map(|at| at as u16).ok_or(NoBid::Size)
}

fn admits_format(targeting: &Targeting, format: Format) -> bool {
    targeting.formats.admits(Some(format), |wanted, format| *wanted == format)
}

/// Whether the exchange says that it would not show a creative in this imp.
fn is_excluded(imp: &Imp<'_>, creative: &Creative) -> bool {
    creatives(imp.excluded_creatives).any(|crid| plain(crid) == Some(&creative.crid))
}

fn suspension(case: &Case<'_>, creative: &Creative) -> Option<Suspended> {
    let now = case.ask.now.to_secs();
    case.state.approvals.suspended(case.exchange.no, creative.crid_key, now)
}

/// What explain says of an imp that none of a campaign's creatives fits.
fn misfit_detail(case: &Case<'_>, shop: &Shop, campaign: &Campaign, imp: &Imp<'_>, why: NoBid) -> String {
    let mut detail = format!("imp {}: {}", imp.id.plain().unwrap_or("?"), why.sentence());
    let creatives = campaign
        .creatives
        .iter()
        .filter_map(|index| shop.advertiser.creatives.get(*index as usize));
    for creative in creatives.filter(|_| why == NoBid::CreativeNotApproved) {
        if let Some(Suspended { code, until, .. }) = suspension(case, creative) {
            let until = until.to_millis().to_rfc3339();
            detail += &format!(
                "; `{}` was refused {REFUSALS_MAX} times in a row, last with code {code}: suspended until {until}",
                creative.crid
            );
        }
    }
    detail
}

/// The sizes an imp's banner takes, its own first.
fn banner_sizes(imp: &Imp<'_>, sizes: &mut Vec<(u32, u32)>) {
    sizes.clear();
    let Some(banner) = &imp.banner else { return };
    let positive = |(w, h): (i64, i64)| Some((u32::try_from(w).ok().filter(|w| *w > 0)?, u32::try_from(h).ok().filter(|h| *h > 0)?));
    sizes.extend(sizes_of(banner.format).take(SIZES_MAX).filter_map(positive));
    if sizes.is_empty() {
        sizes.extend(banner.w.zip(banner.h).and_then(positive));
    }
}

/// Whether a request meets a targeting, but for hours, formats and deals.
pub fn meets(case: &Case<'_>, targeting: &Targeting) -> bool {
    let request = case.request;
    let device = &request.device;
    let same = |wanted: &String, text: &str| wanted.eq_ignore_ascii_case(text);
    let country = plain(device.country).and_then(Country::parse);
    targeting.exchanges.admits(Some(case.exchange.no), |wanted, no| *wanted == no)
        && targeting.countries.admits(country, |wanted, country| *wanted == country)
        && targeting.devices.admits(device_kind(request), |wanted, kind| *wanted == kind)
        && targeting
            .domains
            .admits(domain(request), |wanted, domain| is_of_domain(domain, wanted))
        && targeting.regions.admits(plain(device.region), same)
        && targeting.cities.admits(plain(device.city), same)
        && targeting.os.admits(plain(device.os), same)
        && targeting
            .browsers
            .admits(plain(device.ua), |wanted, ua| has_product_token(ua, wanted))
        && targeting
            .languages
            .admits(plain(device.language), |wanted, tag| covers_language(wanted, tag))
        && targeting
            .apps
            .admits(app(request), |wanted, app| same(wanted, app) || is_of_domain(app, wanted))
        && targeting.sellers.admits(plain(request.place.publisher), same)
        && meets_categories(request, targeting)
}

/// `categories` is a list on both sides.
fn meets_categories(request: &Opportunity<'_>, targeting: &Targeting) -> bool {
    let choice = &targeting.categories;
    if choice.is_open() {
        return true;
    }
    let has = |wanted: &String| {
        request
            .place
            .cat
            .iter()
            .any(|cat| plain(cat).is_some_and(|cat| covers_category(wanted, cat)))
    };
    choice.include.as_ref().is_none_or(|list| list.iter().any(has)) && !choice.exclude.iter().any(has)
}

/// Whether now is within the hours.
pub fn in_hours(case: &Case<'_>, shop: &Shop, hours: &Hours) -> bool {
    hours.hold(case.ask.now, &shop.advertiser.timezone, case.request.device.utcoffset)
}
