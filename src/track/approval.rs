//! What exchanges say of bids, from loss and win notices and Google's feedback, to what `state` counts:
//! verdicts on creatives, reasons of losses, prices that would have won.
//!
//! No facts: memory only, like the loss notices they come with. What is said of a creative that is none of
//! ours counts nothing.

use super::fact::Paid;
use super::notice::{Opened, parameter};
use super::price;
use crate::base::id::{CampaignNo, ExchangeNo};
use crate::base::money::{Currency, Money, Round};
use crate::base::time::Secs;
use crate::model::advertiser::Shop;
use crate::openrtb::feedback::{self, Feedback, Reason, Verdict};
use crate::state::State;
use crate::state::approvals::Suspended;
use crate::state::world::World;

/// A verdict on the creative of a bid, given with `code`; returns the suspension it brought about.
pub fn of_bid(world: &World, state: &State, opened: &Opened, verdict: Verdict, code: u32, now: Secs) -> Option<Suspended> {
    let ticket = &opened.ticket;
    let shop = world.shop(ticket.advertiser).filter(|_| !ticket.test)?;
    let creative = shop.advertiser.creatives.iter().find(|creative| creative.no == ticket.creative)?;
    state.approvals.hear(ticket.exchange, creative.crid_key, verdict, code, now)
}

/// A bid was lost, as the query of its notice says; returns the suspension that brought about.
pub fn of_loss(world: &World, state: &State, opened: &Opened, query: Option<&str>, now: Secs) -> Option<Suspended> {
    let code = parameter(query, "reason").and_then(|text| text.trim().parse::<u32>().ok());
    let pair = (opened.ticket.exchange, opened.ticket.campaign);
    state.losses.lost(pair, code.map_or(Reason::Untold, Reason::Loss));
    min_to_win(world, state, opened, query);
    of_bid(world, state, opened, feedback::of_loss(code?), code?, now)
}

/// Notes what would have won the auction of a bid, where the query of a notice says so.
pub fn min_to_win(world: &World, state: &State, opened: &Opened, query: Option<&str>) {
    let ticket = &opened.ticket;
    let told = parameter(query, "mtw").map(|text| price::quote(world, ticket, &text).paid);
    if let Some(Paid::Price(least)) = told.filter(|_| !ticket.test) {
        let least = ticket.conversion.apply(least, Round::Nearest);
        state.losses.min_to_win((ticket.exchange, ticket.campaign), least);
    }
}

/// What a raw `ext.bid_feedback` says of our creatives; returns the suspensions it brought about.
pub fn of_feedback(world: &World, state: &State, exchange: ExchangeNo, raw: &[u8], now: Secs) -> Vec<Suspended> {
    let hear = |entry: Feedback<'_>| {
        let key = world.hashes.crid(entry.crid.plain()?);
        let (shop, creative) = world.creative(key)?;
        let pair = (exchange, campaign_of(shop, creative));
        if entry.code != feedback::GOOGLE_WON {
            state.losses.lost(pair, Reason::Google(entry.code));
        }
        if let Some(least) = least(world, exchange, shop, &entry) {
            state.losses.min_to_win(pair, least);
        }
        state
            .approvals
            .hear(exchange, key, feedback::of_google(entry.code), entry.code, now)
    };
    feedback::entries(raw).filter_map(hear).collect()
}

/// The one campaign that shows a creative; where there are several, the advertiser's book.
fn campaign_of(shop: &Shop, creative: usize) -> CampaignNo {
    let shows = |campaign: &&crate::model::advertiser::Campaign| campaign.creatives.iter().any(|at| *at as usize == creative);
    let mut showing = shop.advertiser.campaigns.iter().filter(shows);
    match (showing.next(), showing.next()) {
        (Some(only), None) => only.no,
        _ => shop.advertiser.book,
    }
}

/// A `minimum_bid_to_win`, as CPM in the advertiser's currency.
fn least(world: &World, exchange: ExchangeNo, shop: &Shop, entry: &Feedback<'_>) -> Option<Money> {
    let least = Money::parse_lossy(entry.min_to_win.plain()?)
        .ok()
        .filter(|least| *least >= Money::ZERO)?;
    let currency = world.exchange(exchange)?.price.currency.unwrap_or(Currency::USD);
    let conversion = world.rates.conversion(currency, shop.advertiser.currency)?;
    Some(conversion.apply(least, Round::Nearest))
}
