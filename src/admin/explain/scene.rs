//! What explanations are made of: the request as it was read, who it is about, and the World it was decided in.
//!
//! Reads again what the decision read, at leisure; decides nothing. Times are told on the advertiser's clock.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::base::time::{Millis, Secs};
use crate::bid::Known;
use crate::model::advertiser::Shop;
use crate::model::audience::Past;
use crate::model::event::Happening;
use crate::model::exchange::Exchange;
use crate::model::profile::{CartLine, cart};
use crate::openrtb::attributes::Attributes;
use crate::openrtb::request::Opportunity;
use crate::state::State;
use crate::state::world::World;

/// One decision that is explained.
pub(super) struct Scene<'a> {
    pub world: &'a World,
    pub state: &'a State,
    pub exchange: &'a Exchange,
    pub request: &'a Opportunity<'a>,
    pub attributes: Attributes<'a>,
    /// The request as plain JSON, to quote from; null where it is not quite that.
    pub json: &'a Value,
    pub known: &'a Known,
    pub now: Millis,
}

/// What one shop knows of the shopper.
pub(super) struct Visit<'a> {
    /// Newest first.
    pub events: &'a [Happening],
    pub cart: Vec<CartLine>,
}

impl<'a> Scene<'a> {
    /// What a shop knows; nothing where it knows nobody.
    pub fn visit(&self, shop: &Shop) -> Visit<'a> {
        let profile = &self.known.profile;
        let events = profile
            .section(shop.advertiser.no)
            .map_or(&[][..], |section| profile.events(section));
        let mut lines = Vec::new();
        cart(events, &mut lines);
        Visit { events, cart: lines }
    }

    /// An imp as plain JSON, by its place among those that have an id.
    pub fn imp(&self, at: u16) -> &Value {
        let id = self.request.imps.get(usize::from(at)).and_then(|imp| imp.id.plain());
        let same = |imp: &&Value| match &imp["id"] {
            Value::String(text) => id == Some(text),
            Value::Number(number) => id == Some(number.to_string().as_str()),
            _ => false,
        };
        let found = self.json["imp"].as_array().into_iter().flatten().find(same);
        found.unwrap_or(&Value::Null)
    }

    /// An imp's id, for people.
    pub fn imp_id(&self, at: u16) -> &str {
        let imp = self.request.imps.get(usize::from(at));
        imp.and_then(|imp| imp.id.plain()).unwrap_or("?")
    }

    /// A time on a shop's clock: of today the time alone.
    pub fn at(&self, shop: &Shop, at: Secs) -> String {
        local(&shop.advertiser.timezone, at.to_millis(), self.now)
    }
}

impl Visit<'_> {
    /// What rules of audiences look at.
    pub fn past<'v>(&'v self, shop: &'v Shop, now: Millis) -> Past<'v> {
        Past {
            events: self.events,
            cart: &self.cart,
            catalog: &shop.catalog,
            now: now.to_secs(),
        }
    }
}

/// A time on a clock: `11:02` of today, else `2026-11-27 11:02`.
pub(in crate::admin) fn local(zone: &TimeZone, at: Millis, now: Millis) -> String {
    let Ok(instant) = Timestamp::from_millisecond(at.0) else {
        return at.to_rfc3339();
    };
    let form = if at.local_day(zone) == now.local_day(zone) {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    instant.to_zoned(zone.clone()).strftime(form).to_string()
}

/// What is told of several things: all of few, of more the first.
pub(super) fn some<S: AsRef<str>>(of: impl IntoIterator<Item = S>) -> String {
    const TOLD: usize = 12;
    let all: Vec<S> = of.into_iter().collect();
    let mut told: Vec<&str> = all.iter().take(TOLD).map(AsRef::as_ref).collect();
    let more = format!("{} more", all.len().saturating_sub(TOLD));
    if all.len() > TOLD {
        told.push(&more);
    }
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}
