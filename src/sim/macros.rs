//! What an exchange puts in the place of macros (OpenRTB 2.6 §4.4), and of some that exchanges have of
//! their own.
//!
//! Replaces text blindly, as exchanges do: it knows nothing of where a macro stands. What it has no value
//! for becomes nothing; what it does not know stays.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::exchange::Bid;
use super::request::Offer;
use crate::base::hash::mix;
use crate::base::money::{Money, Ratio};
use crate::base::winning_price::seal_price;
use crate::model::exchange::PriceEncoding;

/// Where this exchange has clicks go first.
const CLICK_SERVER: &str = "https://click.exchange.example/?to=";
/// `AUCTION_LOSS`: lost to a higher bid.
const LOSS_OUTBID: &str = "102";
/// `AUCTION_LOSS`: below the auction's floor.
const LOSS_FLOOR: &str = "100";
/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Billionths of a millionth.
const MICRO: i128 = 1_000;

/// How an exchange writes prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paying {
    /// In which form.
    pub encoding: PriceEncoding,
    /// What its figures are multiplied by to be a CPM.
    pub scale: Ratio,
}

/// What macros stand for.
#[derive(Clone, Copy, Debug)]
pub struct Macros<'a> {
    /// The request.
    pub offer: &'a Offer,
    /// The bid.
    pub bid: &'a Bid,
    /// The clearing price, CPM.
    pub price: Money,
    /// The least that would have won, CPM.
    pub least: Money,
    /// Whether the bid was outbid; `None` where it won.
    pub lost: Option<bool>,
    /// How the price is written; decimal, where it is not said.
    pub paying: Option<&'a Paying>,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

impl<'a> Macros<'a> {
    /// Of a plain exchange, for which the price is the least that would have won.
    pub fn of(offer: &'a Offer, bid: &'a Bid, price: Money, lost: Option<bool>) -> Macros<'a> {
        Macros {
            offer,
            bid,
            price,
            least: price,
            lost,
            paying: None,
            now_ms: 0,
        }
    }

    /// Replaces them in a text.
    pub fn fill(&self, text: &str) -> String {
        let values = self.values();
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_macro(rest) {
            out.push_str(before);
            let whole = &rest[before.len()..rest.len() - after.len()];
            out.push_str(&value(&values, name).unwrap_or_else(|| whole.to_owned()));
            rest = after;
        }
        out + rest
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        let (offer, bid) = (self.offer, self.bid);
        let (price, click) = (self.price_text(), CLICK_SERVER.to_owned());
        let loss = match self.lost {
            None => "0",
            Some(true) => LOSS_OUTBID,
            Some(false) => LOSS_FLOOR,
        };
        let bid_price = bid.price().unwrap_or_default();
        let share = if bid_price.0 > 0 {
            self.price.0 as f64 / bid_price.0 as f64
        } else {
            0.0
        };
        vec![
            ("AUCTION_ID", offer.id.clone()),
            ("AUCTION_BID_ID", bid.bidid.clone()),
            ("AUCTION_IMP_ID", bid.impid.clone()),
            ("AUCTION_SEAT_ID", bid.seat.clone()),
            ("AUCTION_AD_ID", bid.adid.clone()),
            ("AUCTION_PRICE", price.clone()),
            ("AUCTION_CURRENCY", "USD".to_owned()),
            ("AUCTION_MBR", format!("{share:.4}")),
            ("AUCTION_LOSS", loss.to_owned()),
            ("AUCTION_MIN_TO_WIN", self.least.to_string()),
            ("AUCTION_MULTIPLIER", "1".to_owned()),
            ("AUCTION_IMP_TS", self.now_ms.to_string()),
            ("AUCTION_DISCOUNT_PCT", String::new()),
            ("AUCTION_DISCOUNT_CPM", String::new()),
            ("WINNING_PRICE_ESC", escape(&price)),
            ("WINNING_PRICE", price),
            ("CLICK_URL_ESC_ESC", escape(&escape(&click))),
            ("CLICK_URL_ESC", escape(&click)),
            ("AN_CLICK_URL", click.clone()),
            ("CLICK_URL_UNESC", click),
            ("CACHEBUSTER", (mix(self.now_ms) as u32).to_string()),
        ]
    }

    fn price_text(&self) -> String {
        let Some(paying) = self.paying else { return self.price.to_string() };
        let figure = self.price.0 * i128::from(Ratio::ONE.0) / i128::from(paying.scale.0.max(1));
        match &paying.encoding {
            PriceEncoding::Plain | PriceEncoding::Base64 => Money(figure).to_string(),
            PriceEncoding::Google(keys) => {
                let micros = i64::try_from(figure / MICRO).unwrap_or(i64::MAX);
                keys.first().map_or_else(String::new, |pair| seal_price(pair, self.iv(), micros))
            }
        }
    }

    /// Seconds, microseconds, and what the bid is known by.
    fn iv(&self) -> [u8; 16] {
        let (seconds, micros) = ((self.now_ms / 1_000) as u32, (self.now_ms % 1_000 * 1_000) as u32);
        let of_bid = self.bid.id.bytes().fold(self.now_ms, |sum, byte| mix(sum ^ u64::from(byte)));
        let mut iv = [0; 16];
        iv[..4].copy_from_slice(&seconds.to_be_bytes());
        iv[4..8].copy_from_slice(&micros.to_be_bytes());
        iv[8..].copy_from_slice(&of_bid.to_be_bytes());
        iv
    }
}

/// Percent-encodes a text as a part of an address.
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The text before the next `${NAME}` or `%%NAME%%`, the name, and the text after it.
fn next_macro(text: &str) -> Option<(&str, &str, &str)> {
    let (at, open, close) = [("${", "}"), ("%%", "%%")]
        .into_iter()
        .filter_map(|(open, close)| Some((text.find(open)?, open, close)))
        .min()?;
    let (name, after) = text[at + open.len()..].split_once(close)?;
    Some((&text[..at], name, after))
}

/// The value of a macro, in the encoding that its name ends in.
fn value(values: &[(&str, String)], name: &str) -> Option<String> {
    let (name, encoding) = name.split_once(':').unwrap_or((name, ""));
    let (_, value) = values.iter().find(|(known, _)| *known == name)?;
    match encoding {
        "" => Some(value.clone()),
        "B64" => Some(STANDARD.encode(value)),
        _ => None,
    }
}
