//! What a notice says was paid: from any text to a price, and what is to be doubted of one.
//!
//! A text may be decimal, in base64, encrypted, empty, `AUDIT`, a macro nobody replaced, nonsense. Doubts
//! change nothing: a late notice is billed all the same, and they are counted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use smallvec::SmallVec;

use super::fact::Paid;
use crate::base::id::BidTag;
use crate::base::limits::PRICE_AGE_MAX;
use crate::base::money::{Money, Round};
use crate::base::time::Millis;
use crate::base::winning_price::{self, Iv};
use crate::model::exchange::{Exchange, PriceEncoding};
use crate::model::ticket::Ticket;
use crate::state::State;
use crate::state::world::World;

/// Texts in place of a price, and what they are counted as.
const NO_PRICES: [(&str, &str); 3] = [("", "empty"), ("AUDIT", "audit"), ("UNKNOWN", "unknown")];
/// What of a macro is left where nobody replaced it; the last two are its braces percent-encoded.
const LEFT_OF_MACROS: [&str; 5] = ["{", "}", "%%", "%7b", "%7d"];

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// CPM in the currency of the answer, or why there is none.
    pub paid: Paid,
    /// The vector of an encrypted price.
    iv: Option<Iv>,
}

impl Quote {
    /// Nothing is said, for this reason.
    pub const fn none(why: &'static str) -> Quote {
        Quote {
            paid: Paid::Unknown(why),
            iv: None,
        }
    }

    /// What is to be doubted of it, as labels for a counter; remembers an encrypted price.
    pub fn doubts(&self, state: &State, ticket: &Ticket, tag: BidTag, now: Millis) -> SmallVec<[&'static str; 4]> {
        let mut found = SmallVec::new();
        if let Paid::Price(price) = self.paid
            && price > ticket.price
        {
            found.push("above_bid");
        }
        if let Some(iv) = self.iv {
            if iv.made().after(PRICE_AGE_MAX) < now {
                found.push("stale");
            }
            if iv.made().before(PRICE_AGE_MAX) > now {
                found.push("future");
            }
            if state.prices_seen.is_of_another(iv.hash(), tag, now.to_secs()) {
                found.push("replayed");
            }
        }
        found
    }
}

/// What a text says was paid for the bid of a ticket.
pub fn quote(world: &World, ticket: &Ticket, text: &str) -> Quote {
    let text = text.trim();
    let Some(exchange) = world.exchange(ticket.exchange) else {
        return Quote::none("unknown_exchange");
    };
    let lower = text.to_ascii_lowercase();
    if let Some((_, why)) = NO_PRICES.iter().find(|(known, _)| *known == text) {
        return Quote::none(why);
    }
    if LEFT_OF_MACROS.iter().any(|part| lower.contains(part)) {
        return Quote::none("unreplaced");
    }
    let (amount, iv) = match amount(exchange, text) {
        Ok(read) => read,
        Err(why) => return Quote::none(why),
    };
    let in_answers = Some(amount).filter(|amount| *amount >= Money::ZERO);
    let scaled = in_answers.map(|amount| amount.times(exchange.price.scale, Round::Nearest));
    let paid = match scaled.map(|price| into_answers(world, ticket, exchange, price)) {
        Some(Some(price)) => Paid::Price(price),
        Some(None) => Paid::Unknown("no_rate"),
        None => Paid::Unknown("nonsense"),
    };
    Quote { paid, iv }
}

/// The amount that a text stands for at an exchange.
fn amount(exchange: &Exchange, text: &str) -> Result<(Money, Option<Iv>), &'static str> {
    let decimal = |text: &str| Money::parse_lossy(text).map(|amount| (amount, None)).map_err(|_| "nonsense");
    match &exchange.price.encoding {
        PriceEncoding::Plain => decimal(text),
        PriceEncoding::Base64 => {
            let plain = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
            let bytes = STANDARD_NO_PAD.decode(plain).map_err(|_| "undecryptable")?;
            decimal(std::str::from_utf8(&bytes).map_err(|_| "nonsense")?.trim())
        }
        PriceEncoding::Google(keys) => {
            let opened = winning_price::price(keys, text).map_err(|_| "undecryptable")?;
            Ok((opened.0, Some(opened.1)))
        }
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
