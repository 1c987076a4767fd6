//! The bid request as the bidder sees it: only fields that it uses, borrowed from the body.
//!
//! Lenient as real traffic demands: numbers as text, text as numbers, scalars for arrays, `null`
//! and `{}` anywhere, 2.5 and 2.6 places (the 2.6 place wins). What cannot be understood reads as
//! absent; only a body that is no JSON object, or whose `id` or `imp` cannot be made out, is
//! malformed.

use crate::base::money::{Currency, Money};
use crate::openrtb::json::{List, Text};

/// One bid request (OpenRTB 2.5 and 2.6 §3.2). Absent attributes are empty or `None`.
#[derive(Debug, Default)]
pub struct Opportunity<'b> {
    /// `id`.
    pub id: Text<'b>,
    /// `imp`, those with an id, at most `IMPS_MAX`; lent from scratch. Ids may repeat.
    pub imps: Vec<Imp<'b>>,
    /// Imps passed over because there were more.
    pub imps_dropped: u32,
    /// `test` is 1.
    pub test: bool,
    /// `at`.
    pub at: Option<i64>,
    /// `tmax`, milliseconds.
    pub tmax: Option<i64>,
    /// `cur`.
    pub cur: List<'b>,
    /// `wseat`.
    pub wseat: List<'b>,
    /// `bseat`.
    pub bseat: List<'b>,
    /// `acat`.
    pub acat: List<'b>,
    /// `bcat`.
    pub bcat: List<'b>,
    /// `cattax`: the taxonomy of `acat` and `bcat`.
    pub cattax: Option<i64>,
    /// `badv`.
    pub badv: List<'b>,
    /// `bapp`.
    pub bapp: List<'b>,
    /// `wlang`.
    pub wlang: List<'b>,
    /// `wlangb`.
    pub wlangb: List<'b>,
    /// Site, app or screen.
    pub place: Place<'b>,
    /// `device`.
    pub device: Device<'b>,
    /// `user`.
    pub user: User<'b>,
    /// Privacy signals.
    pub signals: Signals<'b>,
    /// `ext.bid_feedback`, Google's: the raw array, read by [`crate::openrtb::feedback::entries`].
    pub feedback: &'b [u8],
    /// `source.schain.complete` (or its 2.5 places).
    pub schain_complete: Option<bool>,
}

/// `site`, `app` or `dooh` (§3.2.13, §3.2.14, §3.2.34), whichever the request has; `app` before `site`
/// before `dooh` where it has more.
#[derive(Debug, Default)]
pub struct Place<'b> {
    /// Whether it is an app.
    pub is_app: bool,
    /// `site.domain` or `app.domain`.
    pub domain: Text<'b>,
    /// `site.page`.
    pub page: Text<'b>,
    /// `app.bundle`.
    pub bundle: Text<'b>,
    /// `cat`.
    pub cat: List<'b>,
    /// `sectioncat`.
    pub sectioncat: List<'b>,
    /// `pagecat`.
    pub pagecat: List<'b>,
    /// `publisher.id`.
    pub publisher: Text<'b>,
}

/// `device` (§3.2.18).
#[derive(Debug, Default)]
pub struct Device<'b> {
    /// `ua`.
    pub ua: Text<'b>,
    /// `sua`, else `ext.sua`: the raw object, read by [`crate::openrtb::json::hints`].
    pub sua: &'b [u8],
    /// `ip`, else `ipv6`.
    pub ip: Text<'b>,
    /// `devicetype`.
    pub devicetype: Option<i64>,
    /// `os`.
    pub os: Text<'b>,
    /// `language`, else `langb`.
    pub language: Text<'b>,
    /// `ifa`.
    pub ifa: Text<'b>,
    /// `geo.country`, else `user.geo.country`.
    pub country: Text<'b>,
    /// `geo.region`, likewise; not of another country than `country`.
    pub region: Text<'b>,
    /// `geo.city`, likewise.
    pub city: Text<'b>,
    /// `geo.utcoffset`, minutes.
    pub utcoffset: Option<i64>,
}

/// `user` (§3.2.20).
#[derive(Debug, Default)]
pub struct User<'b> {
    /// `id`: the exchange's.
    pub id: Text<'b>,
    /// `buyeruid`: ours.
    pub buyeruid: Text<'b>,
    /// `eids`, else `ext.eids`: the raw array, read by [`crate::openrtb::json::eids`].
    pub eids: &'b [u8],
    /// `consent`, else `ext.consent`.
    pub consent: Text<'b>,
}

/// Privacy signals (privacy.md §1), 2.6 places before 2.5 ones.
#[derive(Debug, Default)]
pub struct Signals<'b> {
    /// `regs.gdpr`.
    pub gdpr: Option<i64>,
    /// `regs.coppa` is 1.
    pub coppa: bool,
    /// `device.lmt` is 1.
    pub lmt: bool,
    /// `device.dnt` is 1.
    pub dnt: bool,
    /// `regs.us_privacy`.
    pub us_privacy: Text<'b>,
    /// `regs.gpp`.
    pub gpp: Text<'b>,
    /// `regs.gpp_sid`.
    pub gpp_sid: List<'b>,
    /// `regs.ext.gpc` is 1.
    pub gpc: bool,
    /// `ext.privacy_treatments.non_personalized_ads_reason` names one (Google's).
    pub non_personalized: bool,
    /// `regs.ext.dsa`.
    pub dsa: Option<Dsa>,
}

/// What the EU's Digital Services Act asks of an ad (privacy.md §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dsa {
    /// `dsarequired`: 0 not, 1 supported, 2 required, 3 required of an online platform.
    pub required: i64,
    /// `pubrender`: whether the publisher shows who pays: 0 cannot, 1 may, 2 will.
    pub publisher_renders: Option<i64>,
    /// `datatopub`: whether it wants to be told: 0 no, 1 optional, 2 yes.
    pub data_to_publisher: i64,
}

impl Dsa {
    /// Whether a bid must say who pays for the ad.
    pub fn is_required(self) -> bool {
        self.required >= 2
    }

    /// Whether a bid says who pays for the ad.
    pub fn is_asked(self) -> bool {
        self.required >= 1 || self.data_to_publisher >= 1
    }
}

/// One impression offered (§3.2.4).
#[derive(Debug, Default)]
pub struct Imp<'b> {
    /// `id`.
    pub id: Text<'b>,
    /// `banner`, where it is an object.
    pub banner: Option<Banner<'b>>,
    /// `video`: the raw object, read by [`crate::openrtb::player::Player`].
    pub video: &'b str,
    /// `audio`, likewise.
    pub audio: &'b str,
    /// `native`: the raw object, read by [`crate::openrtb::native::NativeAsk`].
    pub native: &'b str,
    /// `bidfloor`, CPM; none where absent, no number or not above zero. One too large for money is
    /// [`crate::openrtb::floor::FLOOR_UNREACHABLE`].
    pub floor: Option<Money>,
    /// `bidfloorcur`, USD where absent; `None` where it is there and no three letters (a floor
    /// without a rate is no bid).
    pub floor_currency: Option<Currency>,
    /// `tagid`.
    pub tagid: Text<'b>,
    /// `ext.gpid`.
    pub gpid: Text<'b>,
    /// `ext.excluded_creatives`, Google's: the raw array, read by [`crate::openrtb::json::creatives`].
    pub excluded_creatives: &'b [u8],
    /// `ext.billing_id`, Google's.
    pub billing_ids: List<'b>,
    /// `ext.allowed_vendor_type`, Google's.
    pub vendor_types: List<'b>,
    /// `ext.allowed_restricted_category`, Google's.
    pub restricted_categories: List<'b>,
    /// `exp`, seconds.
    pub exp: Option<i64>,
    /// `instl` is 1.
    pub interstitial: bool,
    /// `rwdd` is 1, or what stood for it before 2.6.
    pub rewarded: bool,
    /// `secure` is 1.
    pub secure: bool,
    /// `qty.multiplier` is not 1: one win is so many impressions.
    pub multiplied: bool,
    /// `pmp.private_auction` is 1.
    pub private_auction: bool,
    /// `pmp.deals`: the raw array, read by [`crate::openrtb::deals::ways`].
    pub deals: &'b [u8],
}

impl Imp<'_> {
    /// Whether its ad is loaded well before it is shown, as interstitials and rewarded ads are.
    pub fn is_shown_late(&self) -> bool {
        self.interstitial || self.rewarded
    }
}

/// `imp.banner` (§3.2.6).
#[derive(Clone, Copy, Debug, Default)]
pub struct Banner<'b> {
    /// `format`: the raw array, read by [`crate::openrtb::json::formats`].
    pub format: &'b [u8],
    /// `w`.
    pub w: Option<i64>,
    /// `h`.
    pub h: Option<i64>,
    /// `wmin`, before 2.5.
    pub wmin: Option<i64>,
    /// `hmin`, before 2.5.
    pub hmin: Option<i64>,
    /// `wmax`, before 2.5.
    pub wmax: Option<i64>,
    /// `hmax`, before 2.5.
    pub hmax: Option<i64>,
    /// `battr`.
    pub battr: List<'b>,
    /// `mimes`.
    pub mimes: List<'b>,
    /// `btype`.
    pub btype: List<'b>,
    /// `api`.
    pub api: List<'b>,
}
