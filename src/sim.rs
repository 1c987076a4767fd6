//! The outside world: for the demo, shops, shoppers and an exchange that auctions, notifies, views and
//! clicks; for measuring, an exchange that sends load, and a bidder that decides nothing.
//!
//! Assumes a server whose addresses and keys it is handed ([`Stage`]) and talks to it by HTTP only,
//! as outsiders do. Never looks into the server's state, reads the wall clock only as outsiders
//! would, and writes to standard error only where a load is asked to tell its progress.

mod business;
mod demo;
mod exchange;
mod http;
mod ledger;
mod load;
mod macros;
mod null;
mod request;
mod rng;
mod shop;
mod shopper;
mod storefront;
mod story;
mod table;
mod traffic;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use business::{Business, Config, Habits, Kind, Model, Outcomes, Sent, Site, Span, secret};
pub use demo::demo;
pub use exchange::{Bid, Response};
pub use load::{Latency, Load, PlottedRun, Rate, Report, Source, load, plot};
pub use macros::{Macros, Paying};
pub use null::{Answers, null};
pub use request::{Offer, Slot};
pub use shop::{Listen, write_config};
pub use storefront::storefront;
pub use traffic::{Asked, Dialect, FORMATS, Mix, Traffic, format_name, known_uid};

/// The server as the world finds it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The bid listener.
    pub bid: SocketAddr,
    /// The public listener.
    pub public: SocketAddr,
    /// `public.url`: what tracking URLs begin with, without a slash at the end.
    pub public_url: String,
    /// The admin listener.
    pub admin: SocketAddr,
    /// A bearer token of the admin listener that may read.
    pub admin_token: String,
    /// The exchange's id in the config.
    pub exchange: String,
    /// The header and value that the exchange proves itself by.
    pub exchange_key: Option<(String, String)>,
    /// How each shop sends its events.
    pub shops: Vec<ShopDoor>,
    /// A folder that exists, for the ads as HTML.
    pub dir: PathBuf,
}

/// How one of the demo's shops sends its events.
#[derive(Clone, Debug)]
pub struct ShopDoor {
    /// The advertiser's id.
    pub id: String,
    /// `site_key`.
    pub site_key: String,
    /// The secret of its server events.
    pub event_key: String,
    /// `domain`; browsers send their events from it.
    pub domain: String,
    /// `currency`, ISO 4217.
    pub currency: String,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// From the start of the run to the first bid whose markup shows the product left in a cart.
    pub first_bid_after: Duration,
    /// Campaigns configured.
    pub campaigns: usize,
    /// Campaigns with wins, clicks and billed money.
    pub campaigns_with_everything: usize,
    /// The differences between `media_cost` as reported and the prices of the exchange's billing
    /// notices, without sign, added up in each currency: `0`, or amounts with their currencies.
    pub report_minus_notices: String,
    /// Bids that fail an exchange's own checks.
    pub errors: u64,
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
