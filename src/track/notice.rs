//! Win, billing and loss notices, pixels and clicks: from a sealed token and its parameters to
//! evidence.
//!
//! A notice's price may be anything: decimal text, nothing, `AUDIT`, a macro nobody replaced, a blob.
//! Losses are no facts: they free holds, in memory.

use percent_encoding::percent_decode_str;

use super::fact::{Evidence, Paid, Sign};
use crate::base::id::{BidTag, MatchKey};
use crate::base::money::{Money, Ratio, Round};
use crate::base::seal::Audience;
use crate::base::time::{Millis, Secs};
use crate::model::exchange::{Exchange, PriceEncoding};
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
    let paid = match sign {
        Sign::Click => Paid::Unknown("click"),
        _ => paid(world, &opened.ticket, parameter(query, "price").as_deref()),
    };
    Evidence {
        sign,
        ticket: opened.ticket,
        tag: opened.tag,
        paid,
        at: now.to_secs(),
    }
}

/// What a price text says, as CPM in the currency of the answer.
fn paid(world: &World, ticket: &Ticket, text: Option<&str>) -> Paid {
    let text = text.unwrap_or("").trim();
    let Some(exchange) = world.exchange(ticket.exchange) else {
        return Paid::Unknown("unknown_exchange");
    };
    match text {
        "" => return Paid::Unknown("empty"),
        "AUDIT" => return Paid::Unknown("audit"),
        _ if text.contains(['{', '}']) || text.starts_with("%%") => return Paid::Unknown("unreplaced"),
        _ => {}
    }
    if exchange.price.encoding != PriceEncoding::Plain {
        return Paid::Unknown("undecryptable");
    }
    match Money::parse_lossy(text) {
        Ok(price) if price >= Money::ZERO => {
            let price = price.times(exchange.price.scale, Round::Nearest);
            into_answers(world, ticket, exchange, price).map_or(Paid::Unknown("no_rate"), Paid::Price)
        }
        _ => Paid::Unknown("nonsense"),
    }
}

/// A price in the currency of the answer, from the exchange's own where that is another: by today's rate
/// into the advertiser's, and back by the rate of the bid, which settles.
fn into_answers(world: &World, ticket: &Ticket, exchange: &Exchange, price: Money) -> Option<Money> {
    let Some(own) = exchange.price.currency.filter(|_| ticket.own_currency) else {
        return Some(price);
    };
    let shop = world.shop(ticket.advertiser)?;
    let into_advertisers = world.rates.conversion(own, shop.advertiser.currency)?;
    let back = ticket.conversion.reverse();
    Some(back.apply(into_advertisers.apply(price, Round::Nearest), Round::Nearest))
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
