//! An exchange as configured (contract §2 `exchanges[]`).
//!
//! Built by `config`. Key files are paths here; their contents are read by who uses them.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::base::id::ExchangeNo;
use crate::base::money::{Currency, Ratio};
use crate::base::time::Span;
use crate::model::targeting::Format;

/// An exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its place in the file: the number changes when exchanges are put in another order, so what is
    /// kept for longer than a process goes by `id`.
    pub no: ExchangeNo,
    /// `id`: the last part of its bid address.
    pub id: String,
    /// Who may send its requests.
    pub auth: Auth,
    /// `seat`, where advertisers do not bring their own.
    pub seat: Option<String>,
    /// Time for a request that names none, and the most that is ever taken.
    pub tmax_ms: u32,
    /// What the network takes of it.
    pub network_margin_ms: u32,
    /// Requests a second, if limited.
    pub max_qps: Option<u32>,
    /// Its auctions.
    pub auction: Auction,
    /// What proves an impression.
    pub billing: Billing,
    /// How it tells what was paid.
    pub price: Price,
    /// How long a bid may still become an impression, in seconds.
    pub exp_s: SecondsBy,
    /// How late a notice may be after that, in seconds; with any of `exp_s` at most
    /// [`HOLD_S_MAX`](crate::base::limits::HOLD_S_MAX).
    pub notice_grace_s: u32,
    /// How long a bid without notice counts for frequency, in seconds.
    pub cap_hold_s: SecondsBy,
    /// Prefix of click URLs.
    pub click_macro: Option<String>,
    /// By how much its invoices exceed our evidence.
    pub discrepancy: Ratio,
    /// Id match.
    pub sync: Option<Sync>,
}

/// `auth`: whatever is given must match; [`Auth::is_none`] lets everybody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Networks, where given.
    pub allow: Vec<IpNet>,
    /// A header and the file with its value, where given.
    pub header: Option<(String, PathBuf)>,
}

impl Auth {
    /// Whether nothing is asked for.
    pub fn is_none(&self) -> bool {
        self.allow.is_empty() && self.header.is_none()
    }
}

/// `auction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auction {
    /// Auction type where a request names none: 1 first price, 2 second price.
    pub default_at: u32,
    /// Share of the value that is bid at first price.
    pub shade: Ratio,
}

/// `billing`: the evidence of an impression.
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
    /// How it is written.
    pub encoding: PriceEncoding,
    /// What it is multiplied by to be a CPM.
    pub scale: Ratio,
    /// Its currency, where that is not the bid's.
    pub currency: Option<Currency>,
}

/// How a clearing price is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriceEncoding {
    /// A decimal number.
    Plain,
    /// Google's encrypted price.
    Google {
        /// File with the encryption key.
        encryption_key_file: PathBuf,
        /// File with the integrity key.
        integrity_key_file: PathBuf,
    },
}

/// Seconds by what is shown and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondsBy {
    /// Banners on sites.
    pub banner: u32,
    /// Native.
    pub native: u32,
    /// Video and audio.
    pub video: u32,
    /// Whatever is shown in an app.
    pub app: u32,
}

impl SecondsBy {
    /// Of a format, in an app or not.
    pub fn of(&self, format: Format, in_app: bool) -> u32 {
        match format {
            _ if in_app => self.app,
            Format::Banner => self.banner,
            Format::Native => self.native,
            Format::Video | Format::Audio => self.video,
        }
    }
}

/// `sync`: id match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Where our id is sent, with `{uid}`, `{gdpr}`, `{gdpr_consent}`.
    pub push_url: Option<String>,
    /// Hosts that `redirect` may lead to.
    pub redirect_hosts: Vec<String>,
    /// How long a match holds.
    pub ttl: Span,
}
