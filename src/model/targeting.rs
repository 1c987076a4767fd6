//! Where and when a campaign may bid, and what changes its price (contract §3 `targeting`, `when`).
//!
//! Texts are lower case and trimmed already, so that a comparison at bid time is one pass.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::base::country::Country;
use crate::base::id::ExchangeNo;
use crate::base::money::Ratio;
use crate::base::time::{Millis, Span};

/// Any of `include` (if given) and none of `exclude`. An absent attribute fails an include and
/// passes an exclude. Most choices say nothing, and that takes no more than a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<T>(Option<Box<Lists<T>>>);

/// What a choice says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lists<T> {
    include: Option<Vec<T>>,
    exclude: Vec<T>,
}

impl<T> Default for Choice<T> {
    fn default() -> Choice<T> {
        Choice(None)
    }
}

impl<T> Choice<T> {
    /// Any of the first, where they are given, and none of the others.
    pub fn new(include: Option<Vec<T>>, exclude: Vec<T>) -> Choice<T> {
        let says_something = include.is_some() || !exclude.is_empty();
        Choice(says_something.then(|| Box::new(Lists { include, exclude })))
    }

    /// Any of these, where given.
    pub fn include(&self) -> Option<&[T]> {
        self.0.as_ref()?.include.as_deref()
    }

    /// None of these.
    pub fn exclude(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |lists| &lists.exclude)
    }

    /// Whether a request passes, given whether its attribute (`None` where absent) matches an entry.
    #[inline]
    pub fn admits<A: Copy>(&self, attribute: Option<A>, matches: impl Fn(&T, A) -> bool) -> bool {
        let Some(lists) = &self.0 else { return true };
        lists.admit(attribute.map(|a| move |entry: &T| matches(entry, a)))
    }

    /// Whether it says nothing.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }
}

impl<T> Lists<T> {
    /// Given whether an entry matches the attribute, where there is one.
    fn admit(&self, matches: Option<impl Fn(&T) -> bool>) -> bool {
        match matches {
            None => self.include.is_none(),
            Some(matches) => self.include.as_ref().is_none_or(|list| list.iter().any(&matches)) && !self.exclude.iter().any(&matches),
        }
    }
}

/// Kinds of device (contract §3 `devices`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A phone; OpenRTB's 1 (mobile or tablet) and 4.
    Mobile,
    /// OpenRTB's 5.
    Tablet,
    /// OpenRTB's 2.
    Desktop,
    /// OpenRTB's 3 and 7.
    Tv,
    /// Anything else that is named.
    Other,
}

impl Device {
    /// The word of configs.
    pub const fn label(self) -> &'static str {
        match self {
            Device::Mobile => "mobile",
            Device::Tablet => "tablet",
            Device::Desktop => "desktop",
            Device::Tv => "tv",
            Device::Other => "other",
        }
    }
}

/// Kinds of ad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// HTML in a fixed size.
    #[default]
    Banner,
    /// Native assets.
    Native,
    /// VAST.
    Video,
    /// VAST without pictures.
    Audio,
}

impl Format {
    /// The word of configs.
    pub const fn label(self) -> &'static str {
        match self {
            Format::Banner => "banner",
            Format::Native => "native",
            Format::Video => "video",
            Format::Audio => "audio",
        }
    }
}

/// A window of the week on a clock, in minutes since Monday 00:00; `from` > `to` goes over the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekWindow {
    /// First minute.
    pub from: u16,
    /// First minute after.
    pub to: u16,
}

/// When, on whose clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The user's clock (by `device.geo.utcoffset`) and not the advertiser's.
    pub user_clock: bool,
    /// Any of these.
    pub windows: Vec<WeekWindow>,
}

impl Hours {
    /// Whether `now` is within them, on the clock they are meant for: the advertiser's, in its zone, or
    /// the user's, by its offset from UTC in minutes; where that is not known they do not hold.
    pub fn hold(&self, now: Millis, zone: &TimeZone, utcoffset: Option<i64>) -> bool {
        let Ok(now) = Timestamp::from_millisecond(now.0) else {
            return false;
        };
        let clock = if self.user_clock {
            let seconds = utcoffset.and_then(|minutes| i32::try_from(minutes.checked_mul(60)?).ok());
            match seconds.and_then(|seconds| Offset::from_seconds(seconds).ok()) {
                Some(offset) => offset.to_datetime(now),
                None => return false,
            }
        } else {
            zone.to_datetime(now)
        };
        let day = clock.weekday().to_monday_zero_offset() as u16;
        let minute = day * 1_440 + clock.hour() as u16 * 60 + clock.minute() as u16;
        self.windows.iter().any(|w| match w.from <= w.to {
            true => (w.from..w.to).contains(&minute),
            false => minute >= w.from || minute < w.to,
        })
    }
}

/// Conditions on a request; every one given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targeting {
    /// By `device.geo.country`, else `user.geo.country`.
    pub countries: Choice<Country>,
    /// By `geo.region`.
    pub regions: Choice<String>,
    /// By `geo.city`.
    pub cities: Choice<String>,
    /// By `device.devicetype`, else the user agent.
    pub devices: Choice<Device>,
    /// By `device.os`.
    pub os: Choice<String>,
    /// By `device.sua`, else the user agent.
    pub browsers: Choice<String>,
    /// By `device.language`.
    pub languages: Choice<String>,
    /// By `site.domain`, else the page's host; subdomains too.
    pub domains: Choice<String>,
    /// By `app.bundle`, or its domain.
    pub apps: Choice<String>,
    /// By `site.cat` or `app.cat`; parents cover children.
    pub categories: Choice<String>,
    /// By `publisher.id`.
    pub sellers: Choice<String>,
    /// By exchange.
    pub exchanges: Choice<ExchangeNo>,
    /// By kind of ad.
    pub formats: Choice<Format>,
    /// By the clock.
    pub hours: Option<Hours>,
    /// Deals, and whether the open market is bid on too.
    pub deals: Deals,
}

/// `deals` of a targeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deals {
    /// Deal ids.
    pub ids: Vec<String>,
    /// Whether imps without such a deal are bid on.
    pub open_market: bool,
}

impl Deals {
    /// Whether they say nothing.
    pub fn is_open(&self) -> bool {
        self.ids.is_empty() && self.open_market
    }

    /// Whether they admit a bid under a deal, or in the open market.
    pub fn admit(&self, deal: Option<&str>) -> bool {
        match deal {
            None => self.open_market,
            Some(id) => self.is_open() || self.ids.iter().any(|wanted| wanted == id),
        }
    }
}

impl Default for Deals {
    fn default() -> Deals {
        Deals {
            ids: Vec::new(),
            open_market: true,
        }
    }
}

/// A bid adjustment: where all of it holds, the price is multiplied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Conditions on the request.
    pub targeting: Targeting,
    /// The user's last event here is at most this old.
    pub within: Option<Span>,
    /// And at least this old.
    pub older_than: Option<Span>,
    /// At least so many impressions of the campaign in 7 days.
    pub shown_min: Option<u32>,
    /// At most so many.
    pub shown_max: Option<u32>,
    /// By what.
    pub multiplier: Ratio,
}
