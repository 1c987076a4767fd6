//! An exchange as configured (contract §2 `exchanges[]`).
//!
//! Secrets and key files are not here: the listener that checks them holds them.

use crate::base::id::ExchangeNo;
use crate::base::money::{Currency, Ratio};
use crate::base::time::Span;

/// One exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its position in the file.
    pub no: ExchangeNo,
    /// `id`.
    pub id: String,
    /// `seat` that bids are made under, where the advertiser has none of its own.
    pub seat: String,
    /// `tmax_ms`: the deadline where the request has none; never waited longer.
    pub tmax_ms: u32,
    /// `network_margin_ms`: what of a deadline the way back needs.
    pub network_margin_ms: u32,
    /// `max_qps`.
    pub max_qps: Option<u32>,
    /// `auction`.
    pub auction: Auction,
    /// `billing`: the evidence of an impression.
    pub billing: Billing,
    /// `price`.
    pub price: Price,
    /// `exp_s`: what `exp` says, seconds.
    pub exp_s: PerFormat,
    /// `notice_grace_s`: how long after `exp` a budget hold stands.
    pub notice_grace_s: u32,
    /// `cap_hold_s`: how long a bid without notice counts for frequency, seconds.
    pub cap_hold_s: PerFormat,
    /// `click_macro`: prefix of click links.
    pub click_macro: Option<String>,
    /// `discrepancy`: by how much its invoices exceed our evidence.
    pub discrepancy: Ratio,
    /// `sync`.
    pub sync: Option<Sync>,
}

/// `auction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auction {
    /// Where a request has no `at`.
    pub default_at: i64,
    /// Share of the value that a first price auction is bid.
    pub shade: Ratio,
}

/// `billing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billing {
    /// The billing notice.
    Burl,
    /// The pixel, or VAST's Impression.
    Impression,
    /// The win notice.
    Nurl,
}

/// `price`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// How notices carry it.
    pub encoding: Encoding,
    /// What a notice's figure is multiplied by to be a CPM.
    pub scale: Ratio,
    /// Its currency.
    pub currency: Currency,
}

/// `price.encoding`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Decimal text.
    Plain,
    /// Google's scheme, with its key files.
    Google {
        /// `encryption_key_file`.
        encryption_key: std::path::PathBuf,
        /// `integrity_key_file`.
        integrity_key: std::path::PathBuf,
    },
}

/// Seconds for each kind of ad, and for anything in an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerFormat {
    /// Banner.
    pub banner: u32,
    /// Native.
    pub native: u32,
    /// Video.
    pub video: u32,
    /// Whatever stands in an app.
    pub app: u32,
}

/// `sync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Where to send our id, with `{uid}` and consent macros.
    pub push_url: String,
    /// Hosts a redirect may go to.
    pub redirect_hosts: Vec<String>,
    /// How long a match is fresh.
    pub ttl: Span,
}
