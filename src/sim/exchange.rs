//! The exchange: reads answers as a strict exchange does, auctions, and calls the winner's URLs.
//!
//! Assumes answers to the requests of an [`Offer`]. Pays at most what was bid; never bills a bid that fails
//! its checks.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::macros::escape;
use super::request::{BLOCKED_DOMAIN, Offer, Slot};
use super::rng::Rng;
use crate::base::money::{Money, Round};
use crate::model::targeting::Format;

/// The longest notice URL that this exchange stores.
const NOTICE_CHARS_MAX: usize = 400;
/// Decimals of a clearing price.
const PRICE_DECIMALS: u32 = 4;

/// A bid response (OpenRTB 2.6 §4.2), as far as an exchange needs it.
#[derive(Debug, Deserialize)]
pub struct Response {
    /// Echo of the request's.
    pub id: String,
    /// USD where it is absent.
    #[serde(default = "usd")]
    pub cur: String,
    /// What the bidder calls it.
    #[serde(default)]
    pub bidid: String,
    /// One for each seat.
    #[serde(default)]
    pub seatbid: Vec<SeatBid>,
}

/// `seatbid`.
#[derive(Debug, Deserialize)]
pub struct SeatBid {
    /// Whose.
    #[serde(default)]
    pub seat: String,
    /// The bids.
    pub bid: Vec<Bid>,
}

/// `bid`.
#[derive(Clone, Debug, Deserialize)]
pub struct Bid {
    /// The bidder's id of it.
    pub id: String,
    /// The placement.
    pub impid: String,
    /// CPM; kept as text, for money is exact.
    pub price: Box<RawValue>,
    /// The campaign.
    #[serde(default)]
    pub cid: String,
    /// The creative.
    #[serde(default)]
    pub crid: String,
    /// What the bidder calls the ad.
    #[serde(default)]
    pub adid: String,
    /// Whose ad it is.
    #[serde(default)]
    pub adomain: Vec<String>,
    /// The markup.
    #[serde(default)]
    pub adm: String,
    /// Width.
    #[serde(default)]
    pub w: u64,
    /// Height.
    #[serde(default)]
    pub h: u64,
    /// Called when it wins.
    #[serde(default)]
    pub nurl: String,
    /// Called when it is billed.
    #[serde(default)]
    pub burl: String,
    /// Called when it loses.
    #[serde(default)]
    pub lurl: String,
    /// The seat it came from.
    #[serde(skip)]
    pub seat: String,
    /// What the bidder calls its answer.
    #[serde(skip)]
    pub bidid: String,
}

fn usd() -> String {
    "USD".to_owned()
}

impl Bid {
    /// The CPM bid; `None` where it is no amount.
    pub fn price(&self) -> Option<Money> {
        Money::parse(self.price.get().trim_matches('"')).ok()
    }

    /// The first URL in the markup below a base, macros not yet replaced; from the base on, where it stands
    /// within another.
    pub fn url_in_markup(&self, base: &str) -> Option<String> {
        urls(&self.adm).into_iter().find_map(|url| below(&url, base))
    }
}

/// Reads an answer and checks each bid; returns the sound ones with their prices, and what is wrong
/// with the rest.
pub fn read(offer: &Offer, body: &[u8], public_url: &str) -> (Vec<(Bid, Money)>, Vec<String>) {
    let response: Response = match serde_json::from_slice(body) {
        Ok(response) => response,
        Err(fault) => return (Vec::new(), vec![format!("no bid response: {fault}")]),
    };
    let (mut sound, mut faults) = (Vec::new(), Vec::new());
    if response.id != offer.id {
        faults.push(format!("id is not the request's: {}", response.id));
    }
    if response.cur != "USD" {
        faults.push(format!("cur is not USD: {}", response.cur));
    }
    if !faults.is_empty() {
        return (sound, faults);
    }
    let mut taken = HashSet::new();
    let bidid = response.bidid;
    let of_seat = |SeatBid { seat, bid }: SeatBid| {
        let bidid = bidid.clone();
        let named = move |bid: Bid| Bid {
            seat: seat.clone(),
            bidid: bidid.clone(),
            ..bid
        };
        bid.into_iter().map(named)
    };
    for bid in response.seatbid.into_iter().flat_map(of_seat) {
        let problems = problems(offer, &bid, public_url);
        match bid.price() {
            Some(price) if problems.is_empty() && taken.insert(bid.impid.clone()) => sound.push((bid, price)),
            _ if problems.is_empty() => faults.push(format!("bid {}: a second bid for one imp, or no price: {}", bid.id, bid.impid)),
            _ => faults.extend(problems.into_iter().map(|problem| format!("bid {}: {problem}", bid.id))),
        }
    }
    (sound, faults)
}

/// What is wrong in general, of a fault of [`read`]: without the bid and without what it says.
pub fn kind_of(fault: &str) -> &str {
    let about_bid = fault.strip_prefix("bid ").and_then(|rest| rest.split_once(": "));
    let fault = about_bid.map_or(fault, |(_, rest)| rest);
    fault.split_once(": ").map_or(fault, |(kind, _)| kind)
}

/// What an exchange would refuse a bid for.
fn problems(offer: &Offer, bid: &Bid, public_url: &str) -> Vec<String> {
    let Some(slot) = offer.imps.iter().find(|slot| slot.id == bid.impid) else {
        return vec![format!("impid was not offered: {}", bid.impid)];
    };
    let mut problems = Vec::new();
    let mut claim = |holds: bool, problem: &str| {
        if !holds {
            problems.push(problem.to_owned());
        }
    };
    claim(
        bid.price().is_some_and(|price| price >= slot.floor && price > Money::ZERO),
        "price is below the floor",
    );
    let is_of_size = slot.format != Format::Banner || slot.sizes.contains(&(bid.w, bid.h));
    claim(is_of_size, "size was not offered");
    claim(!bid.crid.is_empty() && bid.crid.len() <= 80, "crid is missing or longer than 80");
    claim(!bid.cid.is_empty(), "cid is missing");
    claim(
        !bid.adomain.is_empty() && bid.adomain.iter().all(|domain| domain != BLOCKED_DOMAIN),
        "adomain is missing or blocked",
    );
    claim(!bid.adm.is_empty(), "adm is empty");
    for (name, url) in [("nurl", &bid.nurl), ("burl", &bid.burl), ("lurl", &bid.lurl)] {
        claim(
            url.starts_with(public_url) && url.len() <= NOTICE_CHARS_MAX,
            &format!("{name} is missing, foreign or too long"),
        );
    }
    for url in urls(&bid.adm) {
        claim(is_secure(&url), &format!("insecure address in adm: {url}"));
    }
    problems
}

/// Addresses in a native ad, which is JSON, or a spot, which has them as text of its document.
fn addresses(markup: &str) -> Vec<String> {
    let is_address = |text: &&str| text.starts_with("http:") || text.starts_with("https:");
    if markup.starts_with('{') {
        return markup.split('"').filter(is_address).map(str::to_owned).collect();
    }
    let texts = markup
        .split("<![CDATA[")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("]]>")?.0.trim()));
    texts.filter(is_address).map(str::to_owned).collect()
}

/// Addresses in attributes of markup, character references resolved.
fn urls(markup: &str) -> Vec<String> {
    let mut found = addresses(markup);
    for name in ["src=", "href=", "srcset="] {
        for (at, _) in markup.match_indices(name) {
            let value = &markup[at + name.len()..];
            let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
                continue;
            };
            if let Some(end) = value[1..].find(quote) {
                found.push(html_escape::decode_html_entities(&value[1..=end]).into_owned());
            }
        }
    }
    found
}

/// A URL from a base on, unescaped where it stands escaped in another.
fn below(url: &str, base: &str) -> Option<String> {
    let mut sought = base.to_owned();
    for escaped in 0..3 {
        if let Some(at) = url.find(&sought) {
            let whole = if escaped == 0 { &url[at..] } else { url[at..].split('&').next()? };
            return Some((0..escaped).fold(whole.to_owned(), |url, _| percent_decode_str(&url).decode_utf8_lossy().into_owned()));
        }
        sought = escape(&sought);
    }
    None
}

/// Whether a secure page may load it: https, data, this machine, or this exchange's own.
fn is_secure(url: &str) -> bool {
    if url.starts_with("%%") || url.starts_with("${") {
        return true;
    }
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    url.starts_with("https://") || url.starts_with("data:") || url.starts_with('#') || loopback.iter().any(|host| url.starts_with(host))
}

/// How one placement's auction ended for our bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Won at this price, CPM.
    Won(Money),
    /// Lost to this price, CPM.
    Lost(Money),
}

/// Rivals' bids, CPM with at most four decimals.
pub fn rivals(rng: &mut Rng) -> Vec<Money> {
    let count = 2 + rng.below(3);
    // 0.05 to 2.45, the low ones likelier, in ten-thousandths.
    (0..count)
        .map(|_| {
            let (a, b) = (rng.below(12_000), rng.below(12_000));
            Money(i128::from(500 + a.min(b) * 2) * 100_000)
        })
        .collect()
}

/// The least that wins a placement.
pub fn least(slot: &Slot, rivals: &[Money]) -> Money {
    rivals
        .iter()
        .copied()
        .filter(|rival| *rival >= slot.floor)
        .max()
        .unwrap_or(slot.floor)
}

/// Auctions one placement: the highest bid wins and pays its bid, or, at second price, the next one.
/// This exchange clears in ten-thousandths, cut in the buyer's favour, so that a price stays exact in
/// every currency of the demo.
pub fn auction(at: u64, slot: &Slot, price: Money, rivals: &[Money]) -> Verdict {
    let best = rivals
        .iter()
        .copied()
        .filter(|rival| *rival >= slot.floor)
        .max()
        .unwrap_or(Money::ZERO);
    if best >= price {
        return Verdict::Lost(best);
    }
    let paid = if at == 2 { best.max(slot.floor).min(price) } else { price };
    Verdict::Won(paid.to_decimals(PRICE_DECIMALS, Round::Down))
}
