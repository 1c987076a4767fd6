//! Seventh stage: what each offer is worth, what is bid for it, and which is best.
//!
//! An advertiser's rule becomes a value (CPM); adjustments multiply it, `max_cpm` cuts it; the auction
//! says how much of it is bid. A learned model would stand where `rates` does: it answers how likely a
//! click and a conversion are.

use super::narrow::{Offer, in_hours, meets};
use super::{Case, Furthest, Known, Trace};
use crate::base::hash::mix;
use crate::base::money::{Currency, Money, Ratio, Round};
use crate::base::time::Span;
use crate::model::advertiser::{BidKind, BidRule, Campaign, Shop};
use crate::model::audience::in_window;
use crate::model::outcome::NoBid;
use crate::model::targeting::{Adjustment, Format};
use crate::model::ticket::Ticket;
use crate::openrtb::request::Imp;
use crate::state::books::Entry;

/// Events that a prior counts for: so many clicks or conversions have to be seen before observation
/// weighs as much as the prior.
const PRIOR_EVENTS: u64 = 20;
/// Decimals of a bid: what exchanges read without rounding.
const PRICE_DECIMALS: u32 = 6;

/// Prices and ranks the offers, best first; returns the currency of the answer.
pub fn price<T: Trace>(
    case: &Case<'_>,
    known: &Known,
    offers: &mut Vec<Offer>,
    furthest: &mut Furthest,
    trace: &mut T,
) -> Result<Currency, NoBid> {
    let currency = answer_currency(case).ok_or(NoBid::Currency)?;
    offers.retain_mut(|offer| {
        let Some(shop) = case.world.shop(offer.shop) else { return false };
        match price_one(case, known, shop, offer, currency, trace) {
            Ok(()) => true,
            Err(why) => {
                furthest.note(why);
                trace.dropped(offer.no, why, || format!("worth {} {currency}, floor {}", offer.value, offer.price));
                false
            }
        }
    });
    offers.sort_unstable_by(|a, b| b.value.cmp(&a.value).then(a.tie.cmp(&b.tie)));
    if offers.is_empty() { Err(furthest.0) } else { Ok(currency) }
}

/// The first of the request's currencies that has a rate; the default is US dollars.
fn answer_currency(case: &Case<'_>) -> Option<Currency> {
    let rated = |currency: &Currency| case.world.rates.conversion(*currency, *currency).is_some();
    if case.request.cur.is_empty() {
        return Some(Currency::USD).filter(rated);
    }
    case.request
        .cur
        .iter()
        .filter_map(|code| Currency::parse(code.plain()?))
        .find(rated)
}

/// Whether there are rates for an answer, and for the imp's floor; what has none is no offer.
pub fn has_rates(case: &Case<'_>, imp: &Imp<'_>) -> bool {
    answer_currency(case).is_some_and(|currency| floor(case, imp, currency).is_ok())
}

fn price_one<T: Trace>(
    case: &Case<'_>,
    known: &Known,
    shop: &Shop,
    offer: &mut Offer,
    currency: Currency,
    trace: &mut T,
) -> Result<(), NoBid> {
    let campaign = &shop.advertiser.campaigns[offer.campaign as usize];
    let imp = &case.request.imps[usize::from(offer.imp)];
    let conversion = case
        .world
        .rates
        .conversion(shop.advertiser.currency, currency)
        .ok_or(NoBid::Currency)?;
    let floor = floor(case, imp, currency)?;
    let value = value(case, known, shop, campaign, offer, trace);
    offer.value = conversion.apply(value, Round::Down);
    offer.price = floor;
    offer.tie = mix(case.ask.seed as u64 ^ (u64::from(offer.no.0) << 32 | u64::from(offer.imp) << 8 | u64::from(offer.creative_no.0)));
    let rule = &case.exchange.auction;
    let at = case.request.at.unwrap_or(i64::from(rule.default_at));
    let wanted = if at == 2 {
        offer.value
    } else {
        offer.value.times(rule.shade, Round::Down)
    };
    let least = floor.to_decimals(PRICE_DECIMALS, Round::Up);
    let bid = wanted.to_decimals(PRICE_DECIMALS, Round::Down).max(least);
    if bid > offer.value || bid <= Money::ZERO {
        return Err(NoBid::BelowFloor);
    }
    offer.price = bid;
    trace.priced(offer.no, || auction_line(at, rule.shade, offer.value, floor, bid, currency));
    let hold = Ticket::priced(bid, conversion.reverse()).hold(shop.advertiser.fee, case.exchange.discrepancy);
    if offer.left.is_some_and(|left| left < hold) {
        return Err(NoBid::Budget);
    }
    Ok(())
}

/// The imp's floor in the currency of the answer, rounded up.
fn floor(case: &Case<'_>, imp: &Imp<'_>, currency: Currency) -> Result<Money, NoBid> {
    let Some(floor) = imp.floor else { return Ok(Money::ZERO) };
    let from = imp.floor_currency.ok_or(NoBid::Currency)?;
    let conversion = case.world.rates.conversion(from, currency).ok_or(NoBid::Currency)?;
    Ok(conversion.apply(floor, Round::Up))
}

/// What a thousand such impressions are worth to the advertiser, in its currency.
fn value<T: Trace>(case: &Case<'_>, known: &Known, shop: &Shop, campaign: &Campaign, offer: &Offer, trace: &mut T) -> Money {
    let rule = &campaign.bid;
    let rates = rates(rule, case.state.books.entry(campaign.no));
    let base = base_value(rule, rates);
    trace.priced(campaign.no, || rule_line(rule, rates, base, shop.advertiser.currency));
    let mut factor = offer.multiplier;
    if factor != Ratio::ONE {
        trace.priced(campaign.no, || format!("audience × {factor}"));
    }
    for adjustment in campaign.adjustments.iter().filter(|a| adjusts(case, known, shop, campaign, a)) {
        factor = factor.times(adjustment.multiplier);
        trace.priced(campaign.no, || format!("bid adjustment × {}", adjustment.multiplier));
    }
    let value = base.times(factor, Round::Down);
    let cut = rule.max_cpm.map_or(value, |max| value.min(max));
    if cut < value {
        trace.priced(campaign.no, || format!("cut to max_cpm {cut}"));
    }
    cut
}

/// The rule's amount as CPM, at the rates expected.
fn base_value(rule: &BidRule, (ctr, cvr): (Ratio, Ratio)) -> Money {
    match rule.kind {
        BidKind::Cpm => rule.amount,
        BidKind::Cpc => rule.amount.to_cpm().times(ctr, Round::Down),
        BidKind::Cpa => rule.amount.to_cpm().times(ctr, Round::Down).times(cvr, Round::Down),
    }
}

fn rule_line(rule: &BidRule, (ctr, cvr): (Ratio, Ratio), base: Money, currency: Currency) -> String {
    match rule.kind {
        BidKind::Cpm => format!("cpm {} {currency}", rule.amount),
        BidKind::Cpc => format!("cpc {} × click rate {ctr} × 1000 = cpm {base} {currency}", rule.amount),
        BidKind::Cpa => format!(
            "cpa {} × click rate {ctr} × conversion rate {cvr} × 1000 = cpm {base} {currency}",
            rule.amount
        ),
    }
}

/// Click and conversion rate: observed, shrunk to the prior.
fn rates(rule: &BidRule, seen: &Entry) -> (Ratio, Ratio) {
    use std::sync::atomic::Ordering::Relaxed;
    let (impressions, clicks) = (seen.impressions.load(Relaxed), seen.clicks.load(Relaxed));
    let conversions = seen.conversions.load(Relaxed);
    (
        Ratio::shrunk(clicks, impressions, rule.prior_ctr, PRIOR_EVENTS),
        Ratio::shrunk(conversions, clicks, rule.prior_cvr, PRIOR_EVENTS),
    )
}

/// Whether an adjustment holds for this request and user.
fn adjusts(case: &Case<'_>, known: &Known, shop: &Shop, campaign: &Campaign, adjustment: &Adjustment) -> bool {
    let now = case.ask.now.to_secs();
    let last = known
        .profile
        .section(shop.advertiser.no)
        .and_then(|section| known.profile.events(section).first());
    let recent = match (adjustment.within, adjustment.older_than, last) {
        (None, None, _) => true,
        (within, older_than, Some(last)) => in_window(last.at, now, within.unwrap_or(Span(u32::MAX)), older_than),
        _ => false,
    };
    let shown = known
        .exposures
        .iter()
        .filter(|e| e.campaign == campaign.no && now.since(e.at) < Span::days(7).0)
        .count() as u32;
    recent
        && adjustment.shown_min.is_none_or(|min| shown >= min)
        && adjustment.shown_max.is_none_or(|max| shown <= max)
        && adjustment
            .targeting
            .formats
            .admits(Some(Format::Banner), |wanted, format| *wanted == format)
        && adjustment.targeting.hours.as_ref().is_none_or(|hours| in_hours(case, shop, hours))
        && adjustment.targeting.deals.open_market
        && meets(case, &adjustment.targeting)
}

fn auction_line(at: i64, shade: Ratio, value: Money, floor: Money, bid: Money, currency: Currency) -> String {
    match at {
        2 => format!("second price: bid the value {value} {currency}, floor {floor}"),
        _ => format!("first price: max(floor {floor}, {shade} × value {value}) = {bid} {currency}"),
    }
}
