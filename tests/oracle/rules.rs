//! The rules of a campaign and of its creatives, tried in the order of the contract's reasons.
//!
//! Assumes that the shopper did something at the shop. Looks at no cap, budget or price.

use jiff::civil::DateTime;
use serde_json::Value;

use super::money::Worth;
use super::openings::{Way, billed_to, forbids, is_named, takes, wants_language, ways};
use super::request::{admits, app, categories, each, first, host, in_hours, int, list, meets, of_domain, place, same, set, text, under};
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
            !house && !blocks("categories", categories(r), |bad, cat| under(bad, cat, &['-'])),
            "house_blocked",
        )?;
        let bans_app = list(&r["bapp"]).iter().any(|app| list(&self.doc["apps"]).contains(app));
        ensure(
            !bans_app && !list(&r["badv"]).iter().any(|bad| is_named(self.domain(), bad)),
            "blocked_advertiser",
        )?;
        ensure(!forbids(r, &list(&self.doc["categories"])), "blocked_category")?;
        let (wanted, refused) = (list(&r["wseat"]), list(&r["bseat"]));
        ensure(
            (wanted.is_empty() || wanted.contains(&self.seat())) && !refused.contains(&self.seat()),
            "blocked_seat",
        )?;
        ensure(wants_language(r, self.doc["language"].as_str().unwrap_or("en")), "creative_blocked")?;
        Ok(multiplier)
    }

    fn domain(&self) -> &'x str {
        self.doc["domain"].as_str().expect("a domain")
    }

    fn seat(&self) -> String {
        let exchange = self.exchange();
        let own = text(&self.doc["seats"][exchange["id"].as_str().expect("an id")]);
        own.or(text(&exchange["seat"])).unwrap_or_default()
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
    pub(super) fn offer(&self, imp: usize, campaign: usize, multiplier: i128, creative: &Value) -> Result<(Worth, Made), Why> {
        let (i, c) = (self.imps[imp], &self.doc["campaigns"][campaign]);
        let (t, (no, creative)) = (&c["targeting"], self.creative(creative));
        ensure(self.has_format(t, creative), "targeting")?;
        let has_link = self.x.server["house"]["ad_choices_url"].is_string();
        ensure(takes(self.r, i, creative, self.exchange(), has_link), "creative_blocked")?;
        let names = |entry: &Value| text(if entry.is_object() { &entry["buyer_creative_id"] } else { entry });
        let excluded = each(&i["ext"]["excluded_creatives"])
            .iter()
            .filter_map(names)
            .any(|id| id == self.x.crids[self.shop][no]);
        let here = (self.ask.exchange, self.shop, no);
        let suspended = self.x.suspended.iter().any(|s| (s.0, s.1, s.2) == here && self.second() < s.3);
        ensure(!excluded && !suspended, "creative_not_approved")?;
        let billed_to = billed_to(i, self.exchange(), self.doc)?;
        let ways = ways(i, &t["deals"], &self.seat(), self.domain());
        ensure(!ways.is_empty(), "deal")?;
        let asked = if list(&self.r["cur"]).is_empty() {
            vec!["USD".to_owned()]
        } else {
            list(&self.r["cur"])
        };
        let to = asked.iter().find_map(|code| rate(self.x, code)).ok_or("currency")?;
        let rated = |way: &&Value| {
            let is_deal = !std::ptr::eq(*way, i);
            let floor = media::floor(way, if is_deal { way } else { media::of_format(i, creative) }, creative);
            let from = text(&way["bidfloorcur"]).unwrap_or("USD".to_owned());
            let from = if floor == 0 { to } else { rate(self.x, &from)? };
            Some(Way {
                deal: text(&way["id"]).filter(|_| is_deal),
                floor: money::up(floor * to, from),
                at: int(&way["at"]).filter(|_| is_deal),
                guaranteed: is_deal && set(&way["guar"]),
            })
        };
        let ways: Vec<Way> = ways.iter().filter_map(rated).collect();
        ensure(!ways.is_empty(), "currency")?;
        media::fits(i, creative)?;
        let (worth, made) = self.price([imp, self.shop, campaign, no], multiplier, to, &ways)?;
        Ok((worth, Made { billed_to, ..made }))
    }
}
