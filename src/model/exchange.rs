//! An exchange as configured (contract §2 `exchanges[]`).
//!
//! Built by `config`. The file of a header's value is a path here, which the server reads; price keys are
//! their bytes.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::base::id::ExchangeNo;
use crate::base::money::{Currency, Money, Ratio, Round};
use crate::base::time::Span;
use crate::base::winning_price::KeyPair;
use crate::model::links::Forms;
use crate::model::targeting::Format;

/// Fields of a bid that an exchange may not want; all others of ours are always sent.
pub const OMITTABLE: [&str; 6] = ["adid", "iurl", "nurl", "burl", "lurl", "language"];

/// What an answer may say in `ext` beside the standard, by the names of Google's extensions.
pub const EXTENSIONS: [&str; 7] = [
    "impression_tracking_url",
    "ad_choices_destination_url",
    "attribute",
    "restricted_category",
    "billing_id",
    "buyer_reporting_id",
    "processing_time_ms",
];

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
    /// Only its test requests are answered.
    pub test_only: bool,
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
    /// What its macros are called and where they stand.
    pub links: Forms,
    /// What of a bid it is not sent: of [`OMITTABLE`].
    pub omit: Vec<&'static str>,
    /// What it is told in `ext`: of [`EXTENSIONS`].
    pub ext: Vec<&'static str>,
    /// Which of its billing ids are ours, where advertisers do not bring their own; none takes any.
    pub billing_ids: Vec<i64>,
    /// By how much its invoices exceed our evidence.
    pub discrepancy: Ratio,
    /// Id match.
    pub sync: Option<Sync>,
}

impl Exchange {
    /// Milliseconds from arrival within which an answer is in time: the `tmax` of a request, at most the
    /// exchange's, less what the network needs; half of a `tmax` that is shorter than that. The longest is that of
    /// a request without.
    pub fn patience_ms(&self, tmax: Option<i64>) -> u32 {
        let asked = tmax.filter(|tmax| *tmax > 0).and_then(|tmax| u32::try_from(tmax).ok());
        let tmax = asked.map_or(self.tmax_ms, |tmax| tmax.min(self.tmax_ms));
        tmax.saturating_sub(self.network_margin_ms).max(tmax / 2).max(1)
    }
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

/// Decimals of a bid: what exchanges read without rounding.
pub const PRICE_DECIMALS: u32 = 6;
/// Auction type of a deal whose floor is the price agreed on (OpenRTB 2.6 §3.2.12).
pub const AGREED_PRICE: i64 = 3;

impl Auction {
    /// What is bid in an auction of type `at` for what is worth so much; none where that is less than the
    /// floor, which is rounded as bids are.
    pub fn bid(&self, at: i64, value: Money, floor: Money) -> Option<Money> {
        let wanted = match at {
            AGREED_PRICE if floor > Money::ZERO => floor,
            2 => value,
            _ => value.times(self.shade, Round::Down),
        };
        let bid = wanted.to_decimals(PRICE_DECIMALS, Round::Down).max(floor);
        (bid <= value && bid > Money::ZERO).then_some(bid)
    }
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
    /// The same in base64, as `${AUCTION_PRICE:B64}` asks for.
    Base64,
    /// Google's encrypted price, and the account's keys: the current pair first.
    Google(Vec<KeyPair>),
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
    /// Where a browser is sent with our id, for the exchange's, or both: a template with `{uid}`, `{return}`,
    /// `{gdpr}`, `{gdpr_consent}`, `{gpp}`, `{gpp_sid}`, `{us_privacy}`. None where it wants an account and has none.
    pub push_url: Option<String>,
    /// Hosts that `redirect` may lead to.
    pub redirect_hosts: Vec<String>,
    /// How long a match holds that a browser brought: after that it is taken out, and the browser sent again.
    pub ttl: Span,
    /// What the exchange calls what it tells.
    pub parameters: SyncParameters,
    /// What it replaces by its id in the address that stands for `{return}`; where there is none, it appends the id.
    pub uid_macro: Option<String>,
}

/// `sync.parameters`: names of query parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncParameters {
    /// Its id of the browser.
    pub uid: String,
    /// The version of its ids: another makes those of before void.
    pub version: Option<String>,
    /// Why it has no id.
    pub error: Option<String>,
    /// What must be sent back to `push_url` as it came.
    pub echo: Option<String>,
}

impl Sync {
    /// Whether a browser that is sent there comes back.
    pub fn returns(&self) -> bool {
        self.push_url.as_ref().is_some_and(|url| url.contains("{return}"))
    }
}
