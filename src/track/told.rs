//! How facts are told in the log: as JSON, with all that reports tell apart of them, so that every figure can be
//! added up again from facts alone.
//!
//! Campaigns, creatives, exchanges and products are told by their numbers; whoever exports them has the names.

use std::io;

use serde_json::{Value, json};

use super::fold::Fold;
use super::settle::{clock, hour_of};
use crate::base::id::UserKey;
use crate::base::money::Money;
use crate::base::time::Secs;
use crate::model::advertiser::Shop;
use crate::model::dimension::{Dimension, NONE_WORD, OTHER_WORD};
use crate::model::showing::{Showing, SiteKey};
use crate::model::ticket::Ticket;

/// A fact on its way into the log.
pub(super) struct Told(Value);

impl Told {
    /// A fact of a kind that was recorded at `now`.
    pub fn new(fact: &str, now: Secs) -> Told {
        Told(json!({"fact": fact, "at": now.to_millis().to_rfc3339()}))
    }

    /// What it is about, and the local day and hour on which it is booked.
    pub fn of(mut self, fold: &Fold<'_>, shop: Option<&Shop>, shown: &Showing, booked: Secs) -> io::Result<Told> {
        let domain = match shown.place.site {
            SiteKey::NONE => NONE_WORD.to_owned(),
            site => fold.site_name(site)?.unwrap_or_else(|| OTHER_WORD.to_owned()),
        };
        let word = |dimension: Dimension| dimension.word(shown.value(dimension));
        self.set("campaign", shown.campaign.0);
        self.set("creative", shown.creative.0);
        self.set("exchange", shown.exchange.0);
        self.set("product", shown.product.0);
        self.set("domain", domain);
        for dimension in [Dimension::Device, Dimension::Format, Dimension::Recency, Dimension::Frequency] {
            self.set(dimension.label(), word(dimension));
        }
        Ok(self.booked(shop, booked, ["day", "hour"]))
    }

    /// A local day and hour, under these names.
    pub fn booked(mut self, shop: Option<&Shop>, at: Secs, [day_name, hour_name]: [&str; 2]) -> Told {
        let (day, hour) = hour_of(shop, at);
        self.set(day_name, day.to_string());
        self.set(hour_name, hour.to_millis().on_clock(clock(shop)));
        self
    }

    /// When the bid was made.
    pub fn bid(self, ticket: &Ticket) -> Told {
        self.with("auction", ticket.at.to_millis().to_rfc3339())
    }

    /// An amount in the advertiser's currency.
    pub fn amount(self, name: &str, amount: Money) -> Told {
        self.with(name, amount.to_string())
    }

    /// Anything else.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Told {
        self.set(name, value);
        self
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0[name] = value.into();
    }

    /// Into the log, with the handle of whom it happened to.
    pub fn log(self, fold: &mut Fold<'_>, user: UserKey) -> io::Result<()> {
        fold.log(self.0, user)
    }
}
