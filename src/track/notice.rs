//! Win, billing and loss notices, pixels and clicks: from a sealed token and its parameters to
//! evidence.
//!
//! Losses are no facts: they free holds, in memory.

use percent_encoding::percent_decode_str;

use super::fact::{Evidence, Sign};
use super::price::{self, Quote};
use crate::base::id::{BidTag, MatchKey};
use crate::base::money::Ratio;
use crate::base::seal::Audience;
use crate::base::time::{Millis, Secs};
use crate::model::exposure;
use crate::model::ticket::{Further, Ticket};
use crate::state::State;
use crate::state::world::World;

/// An opened token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub ticket: Ticket,
    /// The further products of its ad; none in what the exchange holds.
    pub further: Further,
    /// Which bid.
    pub tag: BidTag,
}

/// Opens a token; none where it is forged, of another audience or of a key that is gone.
pub fn open(world: &World, audience: Audience, token: &str) -> Option<Opened> {
    let opened = world.seals.open(audience, token)?;
    let (ticket, further) = Ticket::read_view(opened.payload())?;
    Some(Opened {
        ticket,
        further,
        tag: Ticket::tag(&opened.nonce),
    })
}

/// The evidence of a sign at `now`, `query` being the URL's.
pub fn evidence(world: &World, sign: Sign, opened: Opened, query: Option<&str>, now: Millis) -> Evidence {
    Evidence {
        sign,
        ticket: opened.ticket,
        tag: opened.tag,
        paid: quote(world, sign, &opened.ticket, query).paid,
        at: now.to_secs(),
        ms: now.0.rem_euclid(1_000) as u16,
        invalid: None,
    }
}

/// What the query of a sign's URL says was paid; a click says nothing.
pub fn quote(world: &World, sign: Sign, ticket: &Ticket, query: Option<&str>) -> Quote {
    match sign {
        Sign::Click => Quote::none("click"),
        _ => price::quote(world, ticket, parameter(query, "price").as_deref().unwrap_or("")),
    }
}

/// The value of a query parameter, decoded.
pub fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
}

/// A lost auction frees what the bid holds, once, unless there is evidence of an impression. Returns
/// whether anything was freed.
pub fn lose(world: &World, state: &State, opened: &Opened, now: Secs) -> bool {
    let ticket = &opened.ticket;
    let mut seen = Vec::new();
    // Impressions of a user who turned out to be another are with that one.
    let user = state.matched(MatchKey(ticket.user.0)).unwrap_or(ticket.user);
    state.exposures.read(user.0, |bytes| exposure::read(bytes, &mut seen));
    if ticket.test || seen.iter().any(|e| e.tag == opened.tag) || !state.resolved.insert(opened.tag, now) {
        return false;
    }
    let shop = world.shop(ticket.advertiser);
    let fee = shop.map_or(Ratio(0), |shop| shop.advertiser.fee);
    let discrepancy = world.exchange(ticket.exchange).map_or(Ratio(0), |exchange| exchange.discrepancy);
    let taken = ticket.taken(fee, discrepancy);
    for book in [Some(ticket.campaign), shop.map(|shop| shop.advertiser.book)].into_iter().flatten() {
        state.books.release(book, &taken, now);
    }
    state.cap_holds.free(ticket.user, opened.tag, now.to_millis());
    true
}
