//! Fifth stage: which campaigns of the advertisers that know the user may bid on which imp.
//!
//! Candidates come from the user's record, so cost does not grow with the campaigns on the server.
//! Rules are tried in the order of the reasons; the first that fails is the candidate's reason. Looks
//! at no cap, budget or price.

use std::collections::BinaryHeap;

use super::price::has_rates;
use super::{Case, Furthest, Known, Trace};
use crate::base::id::CampaignNo;
use crate::base::limits::{CANDIDATES_MAX, OFFERS_MAX};
use crate::base::money::Ratio;
use crate::model::advertiser::{Advertiser, Campaign, Creative, Shop, Status};
use crate::model::audience::Past;
use crate::model::offer::{Candidate, Offer, Rank};
use crate::model::outcome::NoBid;
use crate::model::profile::cart;
use crate::model::targeting::{Format, Hours, Targeting};
use crate::model::told::Detail;
use crate::openrtb::deals::{Ways, ways};
use crate::openrtb::extension::billing_id;
use crate::openrtb::opening::{Memory, Opening};
use crate::openrtb::request::Imp;

/// What is left of the campaigns, and memory for what is asked of them more than once.
#[derive(Default)]
pub struct Narrowed {
    /// Campaigns.
    pub candidates: Vec<Candidate>,
    /// Their creatives for imps, imp by imp, those of one campaign together.
    pub offers: Vec<Offer>,
    /// Their ranks: the best is taken first, and few are ever taken.
    pub ranks: BinaryHeap<Rank>,
    /// Books with an even pace that could have been bid on, caps allowing.
    pub chances: Vec<CampaignNo>,
    memory: Memory,
    has_rates: bool,
    audiences: Vec<Option<bool>>,
    fits: Vec<Option<Result<u16, NoBid>>>,
}

/// Fills `narrowed`.
pub fn narrow<T: Trace>(
    case: &Case<'_>,
    known: &mut Known,
    narrowed: &mut Narrowed,
    furthest: &mut Furthest,
    trace: &mut T,
) -> Result<(), NoBid> {
    narrowed.candidates.clear();
    narrowed.offers.clear();
    for at in 0..known.profile.sections.len() {
        candidates(case, known, at, narrowed, furthest, trace);
    }
    let is_wanted = !narrowed.candidates.is_empty();
    let mut memory = std::mem::take(&mut narrowed.memory);
    for (at, imp) in case.request.imps.iter().enumerate().filter(|_| is_wanted) {
        let mut opening = Opening::of(&case.exchange.id, case.request, imp, &mut memory);
        narrowed.has_rates = has_rates(case, imp.floor, imp.floor_currency);
        for candidate in 0..narrowed.candidates.len() {
            offer(case, at as u16, &mut opening, candidate, narrowed, furthest, trace);
        }
    }
    narrowed.memory = memory;
    if narrowed.offers.is_empty() { Err(furthest.0) } else { Ok(()) }
}

/// Adds the candidates of one advertiser that knows the user.
fn candidates<T: Trace>(
    case: &Case<'_>,
    known: &mut Known,
    section: usize,
    narrowed: &mut Narrowed,
    furthest: &mut Furthest,
    trace: &mut T,
) {
    let Narrowed { candidates, audiences, .. } = narrowed;
    let section = known.profile.sections[section];
    let Some(shop) = case.world.shop(section.advertiser) else { return };
    let advertiser = &shop.advertiser;
    let events = known.profile.events(&section);
    cart(events, &mut known.cart);
    let past = Past {
        events,
        cart: &known.cart,
        catalog: &shop.catalog,
        now: case.ask.now.to_secs(),
    };
    audiences.clear();
    audiences.resize(advertiser.audiences.len(), None);
    let mut is_in = |index: u32| {
        let known = audiences.get_mut(index as usize).zip(advertiser.audiences.get(index as usize));
        known.is_some_and(|(known, audience)| *known.get_or_insert_with(|| past.is_in(audience)))
    };
    let mut of_shop = None;
    for (index, campaign) in advertiser.campaigns.iter().enumerate() {
        let multiplier = audience(campaign, &mut is_in).and_then(|multiplier| {
            admit_campaign(case, shop, campaign)?;
            let admitted = of_shop.get_or_insert_with(|| admit_shop(case, advertiser));
            admitted.map(|()| multiplier)
        });
        match multiplier {
            Ok(multiplier) if candidates.len() < CANDIDATES_MAX => candidates.push(Candidate {
                shop: section.advertiser,
                campaign: index as u32,
                multiplier,
                room: None,
                worth: None,
            }),
            Ok(_) => furthest.note(NoBid::Targeting),
            Err(why) => {
                furthest.note(why);
                trace.dropped(campaign.no, why, || Detail::Plain);
            }
        }
    }
}

/// The largest multiplier of the audiences that hold.
fn audience(campaign: &Campaign, mut is_in: impl FnMut(u32) -> bool) -> Result<Ratio, NoBid> {
    if campaign.exclude_audiences.iter().any(|index| is_in(*index)) {
        return Err(NoBid::NoAudience);
    }
    let wanted = campaign.audiences.iter().filter(|wanted| is_in(wanted.audience));
    wanted.map(|wanted| wanted.multiplier).max().ok_or(NoBid::NoAudience)
}

/// Rules of a campaign that no imp changes.
fn admit_campaign(case: &Case<'_>, shop: &Shop, campaign: &Campaign) -> Result<(), NoBid> {
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
    let met = case.attributes().meet(&campaign.targeting, case.exchange.no);
    if !chained || !met || !campaign.creatives.iter().any(shows) {
        return Err(NoBid::Targeting);
    }
    Ok(())
}

/// What is the same for all campaigns of an advertiser: who blocks it here.
fn admit_shop(case: &Case<'_>, advertiser: &Advertiser) -> Result<(), NoBid> {
    if case.attributes().are_blocked_by(&case.world.house) {
        return Err(NoBid::HouseBlocked);
    }
    case.attributes().refusal(advertiser, seat(case, advertiser)).map_or(Ok(()), Err)
}

/// The seat an advertiser bids under here; empty where neither it nor the exchange names one.
pub fn seat<'a>(case: &'a Case<'_>, advertiser: &'a Advertiser) -> &'a str {
    let own = advertiser.seats.iter().find(|(exchange, _)| *exchange == case.exchange.id);
    own.map(|(_, seat)| seat.as_str()).or(case.exchange.seat.as_deref()).unwrap_or("")
}

/// Adds the offers of a candidate for one imp: one for each creative that fits.
fn offer<T: Trace>(
    case: &Case<'_>,
    at: u16,
    opening: &mut Opening<'_, '_>,
    candidate: usize,
    narrowed: &mut Narrowed,
    furthest: &mut Furthest,
    trace: &mut T,
) {
    let Narrowed {
        candidates,
        offers,
        has_rates,
        fits,
        ..
    } = narrowed;
    let (imp, no, index) = (opening.imp(), candidates[candidate].shop, candidates[candidate].campaign);
    let Some(shop) = case.world.shop(no) else { return };
    let campaign = &shop.advertiser.campaigns[index as usize];
    if candidate == 0 || candidates[candidate - 1].shop != no {
        fits.clear();
        fits.resize(shop.advertiser.creatives.len(), None);
    }
    let (mut why, mut found, mut way) = (NoBid::Targeting, false, None);
    for creative_at in &campaign.creatives {
        let Some(creative) = shop.advertiser.creatives.get(*creative_at as usize) else {
            continue;
        };
        let fits = *fits[*creative_at as usize].get_or_insert_with(|| fit(case, opening, creative));
        let fit = match fits {
            _ if !admits_format(&campaign.targeting, creative.format) => Err(NoBid::Targeting),
            Err(why) if why < NoBid::BillingId => Err(why),
            fits => way.get_or_insert_with(|| find_way(case, shop, campaign, imp, *has_rates)).and(fits),
        };
        match fit {
            Ok(size) if offers.len() < OFFERS_MAX => {
                found = true;
                offers.push(Offer {
                    imp: at,
                    candidate: candidate as u16,
                    shop: no,
                    campaign: index,
                    no: campaign.no,
                    creative: *creative_at,
                    creative_no: creative.no,
                    size,
                    format: creative.format,
                    seconds: creative.seconds(),
                    ..Offer::default()
                });
            }
            Ok(_) => {}
            Err(reason) => why = why.max(reason),
        }
    }
    if !found {
        furthest.note(why);
        trace.dropped(campaign.no, why, || Detail::Imp(at));
    }
}

/// Whether a targeting takes a format.
pub fn admits_format(targeting: &Targeting, format: Format) -> bool {
    targeting.formats.admits(Some(format), |wanted, format| *wanted == format)
}

/// Whether it may be billed, and the campaign bid in any way, under a deal or without, whose floor has a rate.
fn find_way(case: &Case<'_>, shop: &Shop, campaign: &Campaign, imp: &Imp<'_>, has_open_rates: bool) -> Result<(), NoBid> {
    billing_id(case.exchange, &shop.advertiser, imp)?;
    let mut why = NoBid::Deal;
    for way in ways_of(case, shop, campaign, imp) {
        let is_rated = if way.deal == 0 {
            has_open_rates
        } else {
            has_rates(case, way.floor, way.floor_currency)
        };
        if is_rated {
            return Ok(());
        }
        why = NoBid::Currency;
    }
    Err(why)
}

/// The ways in which a campaign may bid on an imp, the preferred one first.
#[inline]
pub fn ways_of<'a>(case: &'a Case<'_>, shop: &'a Shop, campaign: &'a Campaign, imp: &'a Imp<'_>) -> Ways<'a> {
    ways(imp, &campaign.targeting.deals, seat(case, &shop.advertiser), &shop.advertiser.site)
}

/// The index of the creative's size that fits the imp.
fn fit(case: &Case<'_>, opening: &mut Opening<'_, '_>, creative: &Creative) -> Result<u16, NoBid> {
    if !opening.admits(creative) || (opening.imp().secure && !case.world.is_secure) {
        return Err(NoBid::CreativeBlocked);
    }
    let (approvals, now) = (&case.state.approvals, case.ask.now.to_secs());
    if opening.imp().excludes(creative) || approvals.suspended(case.exchange.no, creative.crid_key, now).is_some() {
        return Err(NoBid::CreativeNotApproved);
    }
    opening.fit(creative)
}

/// Whether now is within the hours.
pub fn in_hours(case: &Case<'_>, shop: &Shop, hours: &Hours) -> bool {
    hours.hold(case.ask.now, &shop.advertiser.timezone, case.request.device.utcoffset)
}
