//! Seventh stage: what each offer is worth, what is bid for it, and which is best.
//!
//! An advertiser's rule becomes a value (CPM); adjustments multiply it, `max_cpm` cuts it; the auction
//! says how much of it is bid. A learned model would stand where `Entry::rates` does: it answers how likely
//! a click and a conversion are.

use std::cmp::Reverse;

use super::narrow::{Narrowed, admits_format, in_hours, ways_of};
use super::pace::once;
use super::{Case, Furthest, Known, Trace};
use crate::base::hash::mix;
use crate::base::id::CampaignNo;
use crate::base::money::{Conversion, Currency, Money, Ratio, Round};
use crate::base::time::{Secs, Span};
use crate::model::advertiser::{BidKind, Budget, Shop};
use crate::model::audience::in_window;
use crate::model::exchange::PRICE_DECIMALS;
use crate::model::offer::{Candidate, Offer, Rank, Terms, Worth};
use crate::model::outcome::NoBid;
use crate::model::targeting::Adjustment;
use crate::model::told::{Detail, Step};

/// Prices and ranks the offers, best first; returns the currency of the answer.
pub fn price<T: Trace>(
    case: &Case<'_>,
    known: &Known,
    narrowed: &mut Narrowed,
    furthest: &mut Furthest,
    trace: &mut T,
) -> Result<Currency, NoBid> {
    let Narrowed {
        candidates, offers, ranks, ..
    } = narrowed;
    let currency = case.request.answer_currency(&case.world.rates).ok_or(NoBid::Currency)?;
    let (mut of_imp, mut of_shop, mut of_candidate) = (None, None, None);
    offers.retain_mut(|offer| {
        let Some(shop) = case.world.shop(offer.shop) else { return false };
        let ad = (offer.format, offer.seconds);
        let open_floor = once(&mut of_imp, (offer.imp, ad), || {
            let imp = &case.request.imps[usize::from(offer.imp)];
            floor(case, imp.floor_of(ad.0, ad.1), imp.floor_currency, currency)
        });
        let last_event = once(&mut of_shop, offer.shop, || last_event(known, shop));
        // All creatives of a campaign that are alike are worth the same in one imp.
        let priced = once(&mut of_candidate, (offer.imp, offer.candidate, ad), || {
            let candidate = &mut candidates[usize::from(offer.candidate)];
            price_one(case, known, shop, offer, candidate, (open_floor, last_event), currency, trace)
        });
        match priced {
            Ok(terms) => offer.terms = terms,
            Err(why) => furthest.note(why),
        }
        priced.is_ok()
    });
    ranks.clear();
    ranks.extend(offers.iter().enumerate().map(|(at, offer)| {
        let of_offer = u64::from(offer.no.0) << 32 | u64::from(offer.imp) << 8 | u64::from(offer.creative_no.0);
        Rank {
            guaranteed: offer.terms.guaranteed,
            value: offer.terms.value,
            tie: Reverse(mix(case.ask.seed as u64 ^ of_offer)),
            offer: at as u16,
        }
    }));
    if offers.is_empty() { Err(furthest.0) } else { Ok(currency) }
}

/// Whether there are rates for an answer, and for a floor; what has none is no offer.
pub fn has_rates(case: &Case<'_>, amount: Option<Money>, of: Option<Currency>) -> bool {
    let currency = case.request.answer_currency(&case.world.rates);
    currency.is_some_and(|currency| floor(case, amount, of, currency).is_ok())
}

/// When the user last did anything at a shop.
fn last_event(known: &Known, shop: &Shop) -> Option<Secs> {
    let section = known.profile.section(shop.advertiser.no)?;
    known.profile.events(section).first().map(|event| event.at)
}

/// What is bid for an offer, and in which way: the first that is worth its floor.
#[allow(clippy::too_many_arguments)]
fn price_one<T: Trace>(
    case: &Case<'_>,
    known: &Known,
    shop: &Shop,
    offer: &Offer,
    candidate: &mut Candidate,
    (open_floor, last_event): (Result<Money, NoBid>, Option<Secs>),
    currency: Currency,
    trace: &mut T,
) -> Result<Terms, NoBid> {
    let conversion = case.world.rates.conversion(shop.advertiser.currency, currency);
    let campaign = &shop.advertiser.campaigns[offer.campaign as usize];
    let is_same = campaign.adjustments.iter().all(|adjustment| adjustment.targeting.deals.is_open());
    let auction = &case.exchange.auction;
    let mut failed = (NoBid::Currency, Money::ZERO, Money::ZERO);
    let imp = &case.request.imps[usize::from(offer.imp)];
    for way in ways_of(case, shop, campaign, imp) {
        let of_deal = || floor(case, way.floor_of(imp, offer.format, offer.seconds), way.floor_currency, currency);
        let floor = if way.deal == 0 { open_floor } else { of_deal() };
        let (Some(conversion), Ok(floor)) = (conversion, floor) else {
            continue;
        };
        let again = candidate.worth.filter(|(format, _)| is_same && *format == offer.format);
        let told = (last_event, way.id.plain());
        let worth = again.map(|(_, worth)| worth);
        let worth = worth.unwrap_or_else(|| worth_of(case, known, shop, offer, candidate.multiplier, told, (conversion, currency), trace));
        candidate.worth = Some((offer.format, worth));
        let at = way.auction_type(case.request.at, auction.default_at);
        // What must be bid on is not spared for later.
        let (deal, guaranteed) = (way.deal, way.guaranteed);
        let value = if guaranteed { worth.full } else { worth.paced };
        if let Some(price) = auction.bid(at, value, floor) {
            let (imp, shade, bid) = (offer.imp, auction.shade, price);
            let id = || way.id.plain().filter(|id| !id.is_empty()).map(str::to_owned);
            trace.priced(offer.no, || Step::Auction {
                imp,
                at,
                deal: id(),
                shade,
                value,
                floor,
                bid,
                currency,
            });
            return Ok(Terms {
                deal,
                guaranteed,
                value,
                price,
            });
        }
        let is_paced = auction.bid(at, worth.full, floor).is_some();
        let why = if is_paced { NoBid::Pacing } else { NoBid::BelowFloor };
        failed = failed.max((why, value, floor));
    }
    let (why, value, floor) = failed;
    trace.dropped(offer.no, why, || match why {
        NoBid::Currency => Detail::Imp(offer.imp),
        _ => Detail::Floor {
            imp: offer.imp,
            value,
            floor,
            currency,
        },
    });
    Err(why)
}

/// What a thousand impressions of a candidate are worth, in the currency of the bid.
#[allow(clippy::too_many_arguments)]
fn worth_of<T: Trace>(
    case: &Case<'_>,
    known: &Known,
    shop: &Shop,
    offer: &Offer,
    multiplier: Ratio,
    told: (Option<Secs>, Option<&str>),
    (conversion, currency): (Conversion, Currency),
    trace: &mut T,
) -> Worth {
    let full = conversion.apply(value(case, known, shop, offer, multiplier, told, trace), Round::Down);
    if currency != shop.advertiser.currency {
        trace.priced(offer.no, || Step::Converted(full, currency));
    }
    let pace = pace_of(case, shop, offer);
    let paced = full.times(pace, Round::Down);
    if pace != Ratio::ONE {
        trace.priced(offer.no, || Step::Paced(pace, paced));
    }
    Worth { full, paced }
}

/// What pacing multiplies bids with: the campaign's, or all of the advertiser's where that is less.
fn pace_of(case: &Case<'_>, shop: &Shop, offer: &Offer) -> Ratio {
    let advertiser = &shop.advertiser;
    let campaign = &advertiser.campaigns[offer.campaign as usize];
    let of = |no: CampaignNo, budget: &Budget| budget.even.then(|| case.state.books.multiplier(no));
    let paces = [of(offer.no, &campaign.budget), of(advertiser.book, &advertiser.budget)];
    paces.into_iter().flatten().min().unwrap_or(Ratio::ONE)
}

/// A floor in the currency of the answer, rounded up to what can be bid.
fn floor(case: &Case<'_>, amount: Option<Money>, of: Option<Currency>, currency: Currency) -> Result<Money, NoBid> {
    let Some(floor) = amount else { return Ok(Money::ZERO) };
    let conversion = case.world.rates.conversion(of.ok_or(NoBid::Currency)?, currency);
    let floor = conversion.ok_or(NoBid::Currency)?.apply(floor, Round::Up);
    Ok(floor.to_decimals(PRICE_DECIMALS, Round::Up))
}

/// What a thousand such impressions are worth to the advertiser, in its currency.
fn value<T: Trace>(
    case: &Case<'_>,
    known: &Known,
    shop: &Shop,
    offer: &Offer,
    multiplier: Ratio,
    at: (Option<Secs>, Option<&str>),
    trace: &mut T,
) -> Money {
    let campaign = &shop.advertiser.campaigns[offer.campaign as usize];
    let rule = &campaign.bid;
    let rates = match rule.kind {
        BidKind::Cpm => (Ratio::ONE, Ratio::ONE),
        BidKind::Cpc | BidKind::Cpa => case.state.books.entry(campaign.no).rates(rule),
    };
    let base = rule.cpm(rates);
    trace.priced(campaign.no, || Step::Rule {
        kind: rule.kind,
        amount: rule.amount,
        rates,
        cpm: base,
        currency: shop.advertiser.currency,
    });
    let mut factor = multiplier;
    if factor != Ratio::ONE {
        trace.priced(campaign.no, || Step::Audience(factor));
    }
    let adjusts = |(_, adjustment): &(usize, &Adjustment)| adjusts(case, known, shop, offer, at, adjustment);
    for (nth, adjustment) in campaign.adjustments.iter().enumerate().filter(adjusts) {
        factor = factor.times(adjustment.multiplier);
        trace.priced(campaign.no, || Step::Adjustment(nth, adjustment.multiplier));
    }
    let value = base.times(factor, Round::Down);
    let cut = rule.max_cpm.map_or(value, |max| value.min(max));
    if cut < value {
        trace.priced(campaign.no, || Step::Cut(cut));
    }
    cut
}

/// Whether an adjustment holds for this request and user, given the last event and the deal.
fn adjusts(
    case: &Case<'_>,
    known: &Known,
    shop: &Shop,
    offer: &Offer,
    (last_event, deal): (Option<Secs>, Option<&str>),
    adjustment: &Adjustment,
) -> bool {
    let now = case.ask.now.to_secs();
    let recent = match (adjustment.within, adjustment.older_than, last_event) {
        (None, None, _) => true,
        (within, older_than, Some(last)) => in_window(last, now, within.unwrap_or(Span(u32::MAX)), older_than),
        _ => false,
    };
    let shown = known
        .exposures
        .iter()
        .filter(|e| e.campaign == offer.no && now.since(e.at) < Span::days(7).0)
        .count() as u32;
    recent
        && adjustment.shown_min.is_none_or(|min| shown >= min)
        && adjustment.shown_max.is_none_or(|max| shown <= max)
        && admits_format(&adjustment.targeting, offer.format)
        && adjustment.targeting.hours.as_ref().is_none_or(|hours| in_hours(case, shop, hours))
        && adjustment.targeting.deals.admit(deal.filter(|id| !id.is_empty()))
        && case.attributes().meet(&adjustment.targeting, case.exchange.no)
}
