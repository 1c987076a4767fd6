//! The rules of a campaign and of its creatives, tried in the order of the contract's reasons.
//!
//! Assumes that the shopper did something at the shop. Looks at no cap, budget or price.

use jiff::civil::DateTime;
use serde_json::Value;

use super::request::{admits, app, each, first, host, in_hours, int, list, meets, of_domain, place, same, set, text, under};
use super::shopper::{ONE, nano, rate};
use super::{Auction, Why, ensure, media, money};
use crate::game::facts::Made;

impl<'x> Auction<'x> {
    /// Rules that no imp changes; the largest multiplier of her audiences.
    pub(super) fn campaign(&self, c: &Value) -> Result<i128, Why> {
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
    pub(super) fn offer(&self, imp: usize, campaign: usize, multiplier: i128, creative: &Value) -> Result<(i128, Made), Why> {
        let (i, c) = (self.imps[imp], &self.doc["campaigns"][campaign]);
        let (t, (no, creative)) = (&c["targeting"], self.creative(creative));
        ensure(self.has_format(t, creative), "targeting")?;
        let attributes = list(&creative["attr"]);
        ensure(
            !media::blocked(i, creative).iter().any(|attr| attributes.contains(attr)),
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
        let floor = media::floor(i, creative);
        let from = text(&i["bidfloorcur"]).unwrap_or("USD".to_owned());
        let from = if floor == 0 { to } else { rate(self.x, &from).ok_or("currency")? };
        media::fits(i, creative)?;
        self.price([imp, self.shop, campaign, no], multiplier, to, money::up(floor * to, from))
    }
}
