//! What an exchange wants to know beside the standard: Google's extensions of `imp` and of `bid` (Authorized
//! Buyers' OpenRTB extensions), and beside them what the Digital Services Act asks.
//!
//! An exchange is told what its entry lists (`ext`) and nothing else. Assumes that the bid has been admitted.
//! Counts nothing: whoever calls the pixel's address again counts no second impression.

use super::dsa;
use super::json::List;
use super::request::{Dsa, Imp};
use super::response::{Writer, answer, bid as field, ext, google};
use crate::model::advertiser::{Advertiser, Creative};
use crate::model::exchange::Exchange;
use crate::model::outcome::NoBid;
use crate::model::targeting::Format;

/// Which of our billing ids an imp is billed to: of those that it offers, the one we name first, or its first
/// where we name none. Nothing where the exchange does not bill so, or the imp offers none.
pub fn billing_id(exchange: &Exchange, advertiser: &Advertiser, imp: &Imp<'_>) -> Result<Option<i64>, NoBid> {
    let mut offered = imp.billing_ids.integers();
    if !wants(exchange, "billing_id") {
        return Ok(None);
    }
    let own = advertiser.billing_ids.iter().find(|(of, _)| *of == exchange.id);
    let own = own.map_or(&exchange.billing_ids, |(_, ids)| ids);
    if own.is_empty() || imp.billing_ids.is_empty() {
        return Ok(offered.next());
    }
    let is_offered = |id: &&i64| imp.billing_ids.integers().any(|offered| offered == **id);
    own.iter().find(is_offered).map(|id| Some(*id)).ok_or(NoBid::BillingId)
}

/// Whether an imp allows what a creative declares to its exchange: restricted categories and vendors are
/// allowed by name, or not at all.
pub fn allows(exchange: &str, creative: &Creative, imp: &Imp<'_>) -> bool {
    let Some(declared) = creative.declared(exchange) else { return true };
    let all = |wanted: &[u32], allowed: List<'_>| {
        let is_allowed = |wanted: &u32| allowed.integers().any(|allowed| allowed == i64::from(*wanted));
        wanted.iter().all(is_allowed)
    };
    all(&declared.restricted_categories, imp.restricted_categories) && all(&declared.vendor_types, imp.vendor_types)
}

/// A bid, as an exchange may want to know more of it.
pub struct Told<'a> {
    exchange: &'a Exchange,
    advertiser: &'a Advertiser,
    campaign: &'a str,
    creative: &'a Creative,
    imp: &'a Imp<'a>,
}

impl<'a> Told<'a> {
    /// Of an advertiser's campaign, by its index, with a creative.
    pub fn of(exchange: &'a Exchange, advertiser: &'a Advertiser, campaign: usize, creative: &'a Creative, imp: &'a Imp<'a>) -> Told<'a> {
        Told {
            exchange,
            advertiser,
            campaign: &advertiser.campaigns[campaign].id,
            creative,
            imp,
        }
    }

    fn billing_id(&self) -> Option<i64> {
        billing_id(self.exchange, self.advertiser, self.imp).ok().flatten()
    }

    /// `cid`: the campaign, where that is not the billing id's place.
    pub fn cid(&self, out: &mut impl Writer) {
        match self.billing_id() {
            Some(id) => out.text(field::CID, itoa::Buffer::new().format(id)),
            None if wants(self.exchange, "billing_id") => {}
            None => out.text(field::CID, self.campaign),
        }
    }

    /// `ext`: what the exchange wants, and the DSA's, where that is asked.
    pub fn ext(&self, (format, pixel): (Format, &str), (dsa, us): (Option<Dsa>, &str), out: &mut impl Writer) {
        let asked = dsa.filter(|dsa| dsa.is_asked());
        if asked.is_none() && self.exchange.ext.is_empty() {
            return;
        }
        let standard = |out: &mut _| {
            if let Some(asked) = asked {
                let says_why = self.creative.traits.says_why;
                Writer::message(out, ext::DSA, |out| dsa::write(asked, says_why, &self.advertiser.name, us, out));
            }
        };
        out.extensions(
            (field::EXT, standard),
            (field::EXT_GOOGLE, |out: &mut _| self.google(format, pixel, out)),
        );
    }

    fn google(&self, format: Format, pixel: &str, out: &mut impl Writer) {
        let wants = |name| wants(self.exchange, name);
        // A banner's markup is sure to load its pixel; other formats leave that to players and apps.
        if wants("impression_tracking_url") && format != Format::Banner {
            out.texts(google::IMPRESSION_TRACKING_URL, [pixel]);
        }
        let choices = self.creative.native.as_deref().and_then(|native| native.privacy_url.as_deref());
        if let Some(url) = choices.filter(|_| wants("ad_choices_destination_url")) {
            out.text(google::AD_CHOICES_DESTINATION_URL, url);
        }
        if let Some(declared) = self.creative.declared(&self.exchange.id) {
            if wants("attribute") {
                out.numbers(google::ATTRIBUTE, declared.attributes.iter().copied());
            }
            if wants("restricted_category") {
                out.numbers(google::RESTRICTED_CATEGORY, declared.restricted_categories.iter().copied());
            }
        }
        if let Some(id) = self.billing_id() {
            out.long(google::BILLING_ID, id);
        }
        if wants("buyer_reporting_id") {
            out.text(google::BUYER_REPORTING_ID, self.campaign);
        }
    }
}

/// `ext` of the answer: how long the request has waited for the decision, which takes no millisecond itself.
pub fn answered(exchange: &Exchange, waited_ms: u32, out: &mut impl Writer) {
    if wants(exchange, "processing_time_ms") {
        out.message(answer::EXT_GOOGLE, |out| out.number(google::PROCESSING_TIME_MS, waited_ms));
    }
}

fn wants(exchange: &Exchange, name: &str) -> bool {
    exchange.ext.contains(&name)
}
