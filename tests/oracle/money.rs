//! What an impression is worth to a campaign, what is bid for it, and whether caps and budgets leave room, by
//! adding up everything that ever happened.
//!
//! Amounts are billionths. What we bid is rounded down, floors and holds up, what was paid to the nearest.

use serde_json::{Value, json};

use super::openings::Way;
use super::request::{admits, each, first, in_hours, int, kin, list, meets, same, set, text};
use super::shopper::{ONE, nano, rate, seconds};
use super::{Auction, Why, ensure, media};
use crate::game::facts::{Bid, Made};

/// What an imp is worth: guaranteed deals first.
pub type Worth = (bool, i128);

const DAY: i64 = 86_400;
/// Holds of a minute and more lapse in steps of so many seconds.
const STEP: i64 = 32;

pub fn up(a: i128, b: i128) -> i128 {
    -(-a).div_euclid(b)
}

fn down(a: i128, b: i128) -> i128 {
    a.div_euclid(b)
}

/// A rate observed, with a prior that weighs as much as twenty events.
fn shrunk(events: i128, trials: i128, prior: i128) -> i128 {
    match (trials, prior) {
        (0, _) => prior,
        (_, 0) => events * ONE / trials,
        _ => (events.min(trials) + 20) * ONE / (trials + 20 * ONE / prior),
    }
}

impl Auction<'_> {
    /// The value of an imp, a guaranteed deal above any, and a bid for it in the first way that is worth it.
    pub(super) fn price(&self, who: [usize; 4], multiplier: i128, to: i128, ways: &[Way]) -> Result<(Worth, Made), Why> {
        let [imp, shop, campaign, creative] = who;
        let c = &self.doc["campaigns"][campaign];
        let mut bid = Bid {
            who: [self.person, shop, campaign, creative],
            spot: self.spot(imp),
            at: self.ask.now,
            day: self.ask_day(),
            ..Bid::default()
        };
        ensure(!self.is_capped(&bid, &[]), "frequency")?;
        let left = self.left(&bid);
        ensure(left.is_none_or(|left| left > 0), "budget")?;
        let own = rate(self.x, self.doc["currency"].as_str().unwrap_or("USD")).expect("a rate");
        let of = &self.doc["creatives"][creative];
        let paced = |budget: &Value| budget.is_object() && budget["pacing"] != "asap";
        let own_pace = Some(self.x.paces[self.shop][campaign]).filter(|_| paced(&c["budget"]));
        let all = Some(self.x.own_paces[self.shop]).filter(|_| paced(&self.doc["budget"]));
        let pace = own_pace.into_iter().chain(all).min().unwrap_or(ONE);
        let auction = &self.exchange()["auction"];
        let mut short = "pacing";
        let mut in_way = |way: &Way| {
            let full = down(self.value(c, campaign, of, multiplier, way.deal.as_deref()) * to, own);
            let value = if way.guaranteed { full } else { down(full * pace, ONE) };
            let of_request = || int(&self.r["at"]).filter(|at| *at != 3).or(int(&auction["default_at"]));
            let at = way.at.or_else(of_request).unwrap_or(1);
            let shade = nano(&auction["shade"]).filter(|_| at != 2);
            let shade = shade.unwrap_or(if at == 2 { ONE } else { ONE * 8 / 10 });
            // Exchanges read six decimals.
            let floor = up(way.floor, 1_000) * 1_000;
            let price = |value: i128| match at {
                3 if floor > 0 => floor,
                _ => (down(down(value * shade, ONE), 1_000) * 1_000).max(floor),
            };
            let fits = |value: i128| price(value) > 0 && price(value) <= value;
            if !fits(full) {
                short = "below_floor";
            }
            fits(value).then(|| (way.clone(), value, price(value)))
        };
        let (way, value, price) = ways.iter().find_map(&mut in_way).ok_or(short)?;
        let fee = nano(&self.doc["fee_percent"]).unwrap_or(0) / 100;
        let full = up(up(price * own, to), 1_000);
        let with_fee = full + up(full * fee, ONE);
        bid.hold = with_fee + up(with_fee * nano(&self.exchange()["discrepancy"]).unwrap_or(0), ONE);
        ensure(left.is_none_or(|left| left >= bid.hold), "budget")?;
        self.date(&mut bid, self.imps[imp], media::sort(of));
        let deal = way.deal;
        Ok((
            (way.guaranteed, value),
            Made {
                bid,
                imp,
                price,
                deal,
                ..Made::default()
            },
        ))
    }

    /// What a thousand impressions are worth, in the shop's currency.
    fn value(&self, c: &Value, campaign: usize, creative: &Value, multiplier: i128, deal: Option<&str>) -> i128 {
        let [impressions, clicks, conversions] = self.x.counts[self.shop][campaign];
        let (rule, prior) = (&c["bid"], &c["bid"]["prior"]);
        let ctr = shrunk(clicks, impressions, nano(&prior["ctr"]).unwrap_or(ONE * 15 / 10_000));
        let cvr = shrunk(conversions, clicks, nano(&prior["cvr"]).unwrap_or(ONE * 2 / 100));
        let amount = nano(&rule["amount"]).expect("an amount");
        let base = match rule["type"].as_str() {
            Some("cpm") => amount,
            Some("cpc") => down(amount * 1_000 * ctr, ONE),
            _ => down(down(amount * 1_000 * ctr, ONE) * cvr, ONE),
        };
        let adjustments = each(&c["bid_adjustments"])
            .iter()
            .filter(|a| self.adjusts(campaign, creative, deal, &a["when"]));
        let factor = adjustments.fold(multiplier, |f, a| down(f * nano(&a["bid_multiplier"]).expect("a factor"), ONE));
        let value = down(base * factor, ONE);
        nano(&rule["max_cpm"]).map_or(value, |most| value.min(most))
    }

    fn adjusts(&self, campaign: usize, creative: &Value, deal: Option<&str>, when: &Value) -> bool {
        let exchange = self.exchange()["id"].as_str().expect("an id");
        let last = self.her.past.iter().map(|e| e.at).max().expect("she did something");
        let dated = when["within"].is_string() || when["older_than"].is_string();
        let kin = kin(self.x, self.person, self.shop);
        let mine = self
            .x
            .bids
            .iter()
            .filter(|bid| kin.contains(&bid.who[0]) && bid.who[1..3] == [self.shop, campaign]);
        let shown = mine.filter(|bid| bid.seen.is_some_and(|at| self.second() - at < 7 * DAY)).count() as i64;
        let forever = json!({"within": first(&[&when["within"], &json!("9999d")]), "older_than": when["older_than"]});
        (!dated || self.her.is_within(&forever, last))
            && int(&when["shown_min"]).is_none_or(|least| shown >= least)
            && int(&when["shown_max"]).is_none_or(|most| shown <= most)
            && admits(&when["formats"], Vec::from_iter(text(&creative["format"])), same)
            && (when["hours"].is_null() || in_hours(self.r, &when["hours"], self.now(), &self.zone))
            && deal.map_or(when["deals"]["open_market"] != false, |id| {
                let named = list(&when["deals"]["ids"]);
                named.iter().any(|named| named == id) || named.is_empty() && when["deals"]["open_market"] != false
            })
            && meets(self.r, exchange, when)
    }

    /// Whether any cap leaves no room, with bids made for other imps of the request.
    fn is_capped(&self, bid: &Bid, made: &[Made]) -> bool {
        let [person, shop, campaign, creative] = bid.who;
        let own = &self.doc["campaigns"][campaign]["frequency"];
        let default = json!([{"max": 10, "per": "1d"}]);
        let own = each(if own.is_null() { &default } else { own })
            .iter()
            .map(|cap| (cap, cap["scope"].as_str().unwrap_or("campaign")));
        let kin = kin(self.x, person, shop);
        let caps = own.chain(each(&self.doc["frequency"]).iter().map(|cap| (cap, "advertiser")));
        caps.into_iter().any(|(cap, scope)| {
            let counts = |other: &&Bid| {
                let is_same = kin.contains(&other.who[0])
                    && other.who[1] == shop
                    && match scope {
                        "campaign" => other.who[2] == campaign,
                        "creative" => other.who[3] == creative,
                        _ => true,
                    };
                let mut others = made.iter().map(|made| &made.bid).chain([bid]);
                let replaces = |new: &Bid| other.who[..3] == new.who[..3] && other.spot == new.spot && bid.at - other.at <= 2_000;
                let again = others.any(replaces);
                let is_recent = |seen: i64| self.second() - seen < seconds(&cap["per"]).expect("a span");
                let is_held = other.who[0] == person && other.capped > bid.at && !again;
                is_same && other.seen.map_or(is_held, is_recent)
            };
            let of_request = made.iter().filter(|m| {
                m.bid.who[1] == shop
                    && match scope {
                        "campaign" => m.bid.who[2] == campaign,
                        "creative" => m.bid.who[3] == creative,
                        _ => true,
                    }
            });
            (self.x.bids.iter().filter(counts).count() + of_request.count()) as i64 >= int(&cap["max"]).expect("a number")
        })
    }

    /// What the budgets of campaign and shop leave; none where neither is bounded.
    fn left(&self, bid: &Bid) -> Option<i128> {
        let of = |budget: &Value, bids: &[&Bid]| {
            let step = |until: i64, bid: &Bid| {
                if bid.held - bid.at.div_euclid(1000) < 62 {
                    until
                } else {
                    until.div_euclid(STEP)
                }
            };
            let stands = |bid: &Bid| bid.held > 0 && step(self.second() - EPOCH, bid) <= step(bid.held - EPOCH, bid);
            let held: i128 = bids.iter().filter(|bid| stands(bid)).map(|bid| bid.hold).sum();
            let spent = |today: bool| bids.iter().filter(|b| !today || b.day == bid.day).map(|b| b.billed).sum::<i128>();
            let daily = nano(&budget["daily"]).map(|daily| daily - spent(true) - held);
            daily
                .into_iter()
                .chain(nano(&budget["total"]).map(|total| total - spent(false) - held))
                .min()
        };
        let of_shop: Vec<&Bid> = self.x.bids.iter().filter(|b| b.who[1] == self.shop).collect();
        let of_campaign: Vec<&Bid> = of_shop.iter().copied().filter(|b| b.who[2] == bid.who[2]).collect();
        let campaign = of(&self.doc["campaigns"][bid.who[2]]["budget"], &of_campaign);
        campaign.into_iter().chain(of(&self.doc["budget"], &of_shop)).min()
    }

    /// Whether an offer gets its imp: none where another has it or the shop has enough of this request.
    pub(super) fn take(&self, offer: &Made, made: &[Made], taken: &[Value]) -> Result<Option<Value>, Why> {
        let id = |made: &Made| text(&self.imps[made.imp]["id"]);
        let of_shop: Vec<&Made> = made.iter().filter(|m| m.bid.who[1] == self.shop).collect();
        let campaigns = each(&self.doc["campaigns"]).iter().map(|c| int(&c["per_request"]).unwrap_or(1));
        let most = int(&self.doc["per_request"]).or(campaigns.max()).unwrap_or(1);
        let creative = |made: &Made| &self.x.shops[made.bid.who[1]]["creatives"][made.bid.who[3]];
        let here: Vec<&Made> = made.iter().filter(|m| id(m) == id(offer)).collect();
        let others: Vec<&Value> = here.iter().map(|m| creative(m)).collect();
        let is_free = here.is_empty()
            || (here.iter().all(|m| m.bid.who[1] != self.shop) && media::has_room(self.imps[offer.imp], creative(offer), &others));
        if !is_free || of_shop.len() as i64 >= most {
            return Ok(None);
        }
        ensure(!self.is_capped(&offer.bid, made), "frequency")?;
        let product = self.her.product(taken).ok_or("no_product")?;
        let held: i128 = of_shop.iter().map(|m| m.bid.hold).sum();
        ensure(self.left(&offer.bid).is_none_or(|left| left >= held + offer.bid.hold), "budget")?;
        let is_native = self.doc["creatives"][offer.bid.who[3]]["format"] == "native";
        ensure(
            !is_native || media::can_fill(self.imps[offer.imp], product.is_string()),
            "no_creative",
        )?;
        Ok(Some(product))
    }

    fn ask_day(&self) -> String {
        self.now().to_zoned(self.zone.clone()).date().to_string()
    }

    /// Page or app, and placement: what two bids share that are for one impression.
    fn spot(&self, imp: usize) -> String {
        let (p, i) = (super::place(self.r), self.imps[imp]);
        let page = if self.r["app"].is_object() { &p["bundle"] } else { &p["page"] };
        let name = first(&[&i["ext"]["gpid"], &i["tagid"], &i["id"]]);
        format!(
            "{page} {} {name} {} {:?}",
            p["domain"],
            i["banner"]["format"],
            media::size(&i["video"])
        )
    }

    /// How long the bid's holds stand; `test` requests hold nothing.
    fn date(&self, bid: &mut Bid, imp: &Value, sort: &'static str) {
        let is_ahead = sort != "video" && (set(&imp["instl"]) || set(&imp["rwdd"]));
        let kind = match sort {
            _ if self.r["app"].is_object() || is_ahead => ("app", 1_800, 30),
            "video" => ("video", 900, 60),
            _ => (sort, 300, 5),
        };
        let x = self.exchange();
        if set(&self.r["test"]) {
            return;
        }
        let own = int(&x["exp_s"][kind.0]).unwrap_or(kind.1);
        let exp = int(&imp["exp"]).filter(|exp| *exp > 0).map_or(own, |exp| exp.min(own));
        bid.held = self.second() + exp + int(&x["notice_grace_s"]).unwrap_or(60);
        let counts_others = |cap: &Value| cap["scope"] == "creative" || cap["scope"] == "advertiser";
        let campaigns = each(&self.doc["campaigns"]);
        let others = campaigns.iter().any(|c| each(&c["frequency"]).iter().any(counts_others));
        let own = &campaigns[bid.who[2]]["frequency"];
        if others || own.is_null() || !each(own).is_empty() || !each(&self.doc["frequency"]).is_empty() {
            bid.capped = self.ask.now + 1_000 * int(&x["cap_hold_s"][kind.0]).unwrap_or(kind.2);
        }
    }
}

/// Steps are counted from 2024.
const EPOCH: i64 = 1_704_067_200;
