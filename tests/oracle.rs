//! The naive oracle: who wins, at what price, or why nobody does, worked out anew from the very JSON of
//! config and request and from a plain list of what happened. It loops over all campaigns and tries the
//! rules in the order of the contract's reasons; the candidate that got furthest gives the reason.
//!
//! Shares no decision with `src/`. Remembers nothing from one request to the next.

#[path = "oracle/consent.rs"]
mod consent;
#[path = "oracle/media.rs"]
mod media;
#[path = "oracle/money.rs"]
mod money;
#[path = "oracle/openings.rs"]
mod openings;
#[path = "oracle/request.rs"]
mod request;
#[path = "oracle/rules.rs"]
mod rules;
#[path = "oracle/shopper.rs"]
mod shopper;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use crate::game::facts::{Asked, Facts, Made, Verdict};
use request::{each, identify, int, is_machine, place, set, text};
use shopper::Shopper;

/// Reasons in path order, but for those that no decision ends in.
const ORDER: &str = "malformed too_large too_late not_ready store_poisoned test_only consent opted_out no_id unknown_user \
    invalid_traffic no_audience paused flight hours targeting house_blocked blocked_advertiser blocked_category blocked_seat creative_blocked creative_not_approved billing_id deal \
    currency format size frequency budget pacing below_floor no_product no_creative";

type Why = &'static str;

/// One shop's part in one auction.
struct Auction<'x> {
    x: &'x Facts,
    ask: &'x Asked,
    r: &'x Value,
    imps: Vec<&'x Value>,
    person: usize,
    shop: usize,
    doc: &'x Value,
    her: Shopper<'x>,
    zone: TimeZone,
}

fn ensure(holds: bool, why: Why) -> Result<(), Why> {
    if holds { Ok(()) } else { Err(why) }
}

/// The verdict on a request. Where several have the same value either may win: `told` says who did, in their order.
pub fn judge(x: &Facts, ask: &Asked, told: &[[usize; 4]]) -> Verdict {
    ensure(ask.body.len() <= 256 * 1024, "too_large")?;
    x.down.map_or(Ok(()), Err)?;
    let r: Value = serde_json::from_slice(&ask.body).map_err(|_| "malformed")?;
    let imps: Vec<&Value> = each(&r["imp"]).iter().filter(|imp| text(&imp["id"]).is_some()).collect();
    ensure(text(&r["id"]).is_some() && !imps.is_empty(), "malformed")?;
    let exchange = &x.server["exchanges"][ask.exchange];
    let longest = int(&exchange["tmax_ms"]).unwrap_or(120);
    let tmax = int(&r["tmax"]).filter(|t| *t > 0).map_or(longest, |t| t.min(longest));
    ensure(
        ask.waited < (tmax - int(&exchange["network_margin_ms"]).unwrap_or(20)).max(tmax / 2),
        "too_late",
    )?;
    ensure(exchange["test_only"] != true || set(&r["test"]), "test_only")?;
    let person = identify(x, &r, exchange["id"].as_str().expect("an id"))?;
    ensure(!is_machine(x, &r, person, ask.now), "invalid_traffic")?;
    let (mut furthest, mut offers) = ("no_audience", Vec::new());
    let mut note = |why: Why| {
        furthest = [furthest, why]
            .into_iter()
            .max_by_key(|why| ORDER.split(' ').position(|w| w == *why))
            .expect("two")
    };
    let auctions: Vec<Auction<'_>> = (0..x.shops.len())
        .map(|shop| Auction::new(x, ask, &r, &imps, person, shop))
        .collect();
    for a in auctions.iter().filter(|a| !a.her.past.is_empty()) {
        for (campaign, c) in each(&a.doc["campaigns"]).iter().enumerate() {
            for (imp, creative) in (0..imps.len()).flat_map(|imp| (0..each(&c["creatives"]).len()).map(move |n| (imp, n))) {
                match a
                    .campaign(c)
                    .and_then(|multiplier| a.offer(imp, campaign, multiplier, &c["creatives"][creative]))
                {
                    Ok(offer) => offers.push(offer),
                    Err(why) => note(why),
                }
            }
        }
    }
    let place = |made: &Made| {
        let who = [made.imp, made.bid.who[1], made.bid.who[2], made.bid.who[3]];
        told.iter().position(|told| *told == who).unwrap_or(usize::MAX)
    };
    offers.sort_by_key(|(value, made)| (std::cmp::Reverse(*value), place(made)));
    let (mut made, mut taken): (Vec<Made>, Vec<Value>) = (Vec::new(), Vec::new());
    for (_, offer) in offers {
        match auctions[offer.bid.who[1]].take(&offer, &made, &taken) {
            Ok(Some(product)) => {
                made.push(offer);
                taken.push(product);
            }
            Ok(None) => {}
            Err(why) => note(why),
        }
    }
    if made.is_empty() { Err(furthest) } else { Ok(made) }
}

impl<'x> Auction<'x> {
    fn new(x: &'x Facts, ask: &'x Asked, r: &'x Value, imps: &[&'x Value], person: usize, shop: usize) -> Auction<'x> {
        let doc = &x.shops[shop];
        let zone = TimeZone::get(doc["timezone"].as_str().unwrap_or("UTC")).expect("a zone");
        let her = Shopper::new(x, person, shop, ask.now.div_euclid(1000));
        Auction {
            x,
            ask,
            r,
            imps: imps.to_vec(),
            person,
            shop,
            doc,
            her,
            zone,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.ask.now).expect("a time")
    }

    fn second(&self) -> i64 {
        self.ask.now.div_euclid(1000)
    }

    fn exchange(&self) -> &'x Value {
        &self.x.server["exchanges"][self.ask.exchange]
    }
}
