//! The naive oracle: who wins, at what price, or why nobody does, worked out anew from the very JSON of
//! config and request and from a plain list of what happened. It loops over all campaigns and tries the
//! rules in the order of the contract's reasons; the candidate that got furthest gives the reason.
//!
//! Shares no decision with `src/`. Remembers nothing from one request to the next.

#[path = "oracle/money.rs"]
mod money;
#[path = "oracle/request.rs"]
mod request;
#[path = "oracle/shopper.rs"]
mod shopper;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

use crate::game::facts::{Asked, Facts, Made, Verdict};
use request::{admits, app, each, first, host, identify, in_hours, int, list, meets, of_domain, place, same, set, text, under};
use shopper::{ONE, Shopper, nano, rate};

/// Reasons in path order, but for those that no decision ends in.
const ORDER: &str = "malformed too_large too_late not_ready store_poisoned consent opted_out no_id unknown_user no_audience paused \
    flight hours targeting house_blocked blocked_advertiser blocked_category blocked_seat creative_blocked creative_not_approved deal \
    currency format size frequency budget below_floor no_product";

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

/// The verdict on a request. Where several have the same value either may win: `told` says who did.
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
    let person = identify(x, &r, exchange["id"].as_str().expect("an id"))?;
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
    let is_told = |made: &Made| told.contains(&[made.imp, made.bid.who[1], made.bid.who[2], made.bid.who[3]]);
    offers.sort_by_key(|(value, made)| (std::cmp::Reverse(*value), !is_told(made)));
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

    /// Rules that no imp changes; the largest multiplier of her audiences.
    fn campaign(&self, c: &Value) -> Result<i128, Why> {
        let (x, r, t) = (self.x, self.r, &c["targeting"]);
        let exchange = self.exchange();
        let excluded = each(&c["exclude_audiences"]).iter().any(|id| self.her.is_in(id));
        let uses = each(&c["audiences"]).iter().map(|used| {
            if used.is_object() {
                (&used["id"], nano(&used["bid_multiplier"]))
            } else {
                (used, None)
            }
        });
        let multiplier = uses
            .filter(|(id, _)| self.her.is_in(id))
            .map(|(_, multiplier)| multiplier.unwrap_or(ONE))
            .max();
        let multiplier = multiplier.filter(|_| !excluded).ok_or("no_audience")?;
        ensure(c["status"].as_str().is_none_or(|status| status == "active"), "paused")?;
        let at = |key: &str| {
            Some(
                c["flight"][key]
                    .as_str()?
                    .parse::<DateTime>()
                    .ok()?
                    .to_zoned(self.zone.clone())
                    .ok()?
                    .timestamp(),
            )
        };
        ensure(
            at("start").is_none_or(|start| start <= self.now()) && at("end").is_none_or(|end| self.now() < end),
            "flight",
        )?;
        ensure(t["hours"].is_null() || in_hours(r, &t["hours"], self.now(), &self.zone), "hours")?;
        let chains = first(&[
            &r["source"]["schain"]["complete"],
            &r["source"]["ext"]["schain"]["complete"],
            &r["ext"]["schain"]["complete"],
        ]);
        let formats = each(&c["creatives"]).iter().any(|id| self.has_format(t, self.creative(id).1));
        ensure(
            meets(r, exchange["id"].as_str().expect("an id"), t) && formats && (c["schain"] != "complete" || int(&chains) == Some(1)),
            "targeting",
        )?;
        let blocks = |name: &str, has: Vec<String>, matches: fn(&str, &str) -> bool| {
            each(&x.house[name])
                .iter()
                .any(|bad| has.iter().any(|has| matches(bad.as_str().expect("a name"), has)))
        };
        let domains = text(&place(r)["domain"]).into_iter().chain(host(r)).collect();
        let house = blocks("domains", domains, of_domain) || blocks("bundles", Vec::from_iter(app(r)), same);
        let house = house || blocks("sellers", Vec::from_iter(text(&place(r)["publisher"]["id"])), same);
        ensure(
            !house && !blocks("categories", list(&place(r)["cat"]), |bad, cat| under(bad, cat, &['-'])),
            "house_blocked",
        )?;
        let domain = self.doc["domain"].as_str().expect("a domain");
        ensure(!list(&r["badv"]).iter().any(|bad| of_domain(bad, domain)), "blocked_advertiser")?;
        let blocked = |category: &String| list(&r["bcat"]).iter().any(|bad| under(bad, category, &['-']));
        ensure(!list(&self.doc["categories"]).iter().any(blocked), "blocked_category")?;
        let seat = text(&self.doc["seats"][exchange["id"].as_str().expect("an id")])
            .or(text(&exchange["seat"]))
            .unwrap_or_default();
        let (wanted, refused) = (list(&r["wseat"]), list(&r["bseat"]));
        ensure(
            (wanted.is_empty() || wanted.contains(&seat)) && !refused.contains(&seat),
            "blocked_seat",
        )?;
        Ok(multiplier)
    }

    fn second(&self) -> i64 {
        self.ask.now.div_euclid(1000)
    }

    fn exchange(&self) -> &'x Value {
        &self.x.server["exchanges"][self.ask.exchange]
    }

    fn creative(&self, id: &Value) -> (usize, &'x Value) {
        each(&self.doc["creatives"])
            .iter()
            .enumerate()
            .find(|(_, creative)| creative["id"] == *id)
            .expect("a creative")
    }

    fn has_format(&self, t: &Value, creative: &Value) -> bool {
        admits(&t["formats"], Vec::from_iter(text(&creative["format"])), same)
    }

    /// Rules of one creative in one imp; then what it is worth, and what is bid.
    fn offer(&self, imp: usize, campaign: usize, multiplier: i128, creative: &Value) -> Result<(i128, Made), Why> {
        let (i, c) = (self.imps[imp], &self.doc["campaigns"][campaign]);
        let (t, (no, creative)) = (&c["targeting"], self.creative(creative));
        ensure(self.has_format(t, creative), "targeting")?;
        let attributes = list(&creative["attr"]);
        ensure(
            !list(&i["banner"]["battr"]).iter().any(|attr| attributes.contains(attr)),
            "creative_blocked",
        )?;
        let names = |entry: &Value| text(if entry.is_object() { &entry["buyer_creative_id"] } else { entry });
        let excluded = each(&i["ext"]["excluded_creatives"])
            .iter()
            .filter_map(names)
            .any(|id| id == self.x.crids[self.shop][no]);
        let here = (self.ask.exchange, self.shop, no);
        let suspended = self.x.suspended.iter().any(|s| (s.0, s.1, s.2) == here && self.second() < s.3);
        ensure(!excluded && !suspended, "creative_not_approved")?;
        ensure(!set(&i["pmp"]["private_auction"]) && t["deals"]["open_market"] != false, "deal")?;
        let asked = if list(&self.r["cur"]).is_empty() {
            vec!["USD".to_owned()]
        } else {
            list(&self.r["cur"])
        };
        let to = asked.iter().find_map(|code| rate(self.x, code)).ok_or("currency")?;
        let floor = nano(&i["bidfloor"]).filter(|floor| *floor > 0).unwrap_or(0);
        let from = text(&i["bidfloorcur"]).unwrap_or("USD".to_owned());
        let from = if floor == 0 { to } else { rate(self.x, &from).ok_or("currency")? };
        ensure(i["banner"].is_object() && creative["format"] == "banner", "format")?;
        let side = |size: &Value| Some((int(&size["w"])?, int(&size["h"])?)).filter(|(w, h)| *w > 0 && *h > 0);
        let listed: Vec<(i64, i64)> = each(&i["banner"]["format"]).iter().filter_map(side).collect();
        let wanted = if listed.is_empty() {
            Vec::from_iter(side(&i["banner"]))
        } else {
            listed
        };
        let of_creative = |size: &Value| Some((int(&size[0])?, int(&size[1])?));
        ensure(
            each(&creative["sizes"])
                .iter()
                .filter_map(of_creative)
                .any(|size| wanted.contains(&size)),
            "size",
        )?;
        self.price([imp, self.shop, campaign, no], multiplier, to, money::up(floor * to, from))
    }
}
