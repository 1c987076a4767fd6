//! What a request says of place, device and language, in the terms that targeting compares.
//!
//! Reads as absent what is not there or not plain. Decides nothing.

use smallvec::SmallVec;

use super::json::{List, Text};
use super::request::Opportunity;
use crate::base::country::Country;
use crate::base::id::ExchangeNo;
use crate::model::house::HouseBlock;
use crate::model::targeting::{Device, Targeting};

/// Entries of a list that are read once; those beyond are read whenever they are asked for.
const WORDS_READ: usize = 24;

/// The plain texts of a list that every advertiser is compared with.
#[derive(Clone, Debug)]
pub struct Words<'r> {
    read: SmallVec<[&'r str; WORDS_READ]>,
    list: List<'r>,
    more: bool,
}

impl<'r> Words<'r> {
    fn of(list: List<'r>) -> Words<'r> {
        let mut entries = list.iter();
        Words {
            read: entries.by_ref().take(WORDS_READ).filter_map(plain).collect(),
            list,
            more: entries.next().is_some(),
        }
    }

    /// Whether any of them is such.
    pub fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        let unread = || self.list.iter().skip(WORDS_READ).any(|text| plain(text).is_some_and(&is));
        self.read.iter().any(|word| is(word)) || (self.more && unread())
    }
}

/// What campaigns are compared with, read from a request once for all of them.
#[derive(Clone, Debug)]
pub struct Attributes<'r> {
    /// `badv`.
    pub badv: Words<'r>,
    /// `bcat`.
    pub bcat: Words<'r>,
    /// `wseat`.
    pub wseat: Words<'r>,
    /// `bseat`.
    pub bseat: Words<'r>,
    country: Option<Country>,
    device: Option<Device>,
    own_domain: Option<&'r str>,
    page_host: Option<&'r str>,
    region: Option<&'r str>,
    city: Option<&'r str>,
    os: Option<&'r str>,
    ua: Option<&'r str>,
    language: Option<&'r str>,
    app: Option<&'r str>,
    seller: Option<&'r str>,
    categories: Words<'r>,
}

impl<'r> Attributes<'r> {
    /// Of a request.
    pub fn of(request: &Opportunity<'r>) -> Attributes<'r> {
        let device = &request.device;
        Attributes {
            badv: Words::of(request.badv),
            bcat: Words::of(request.bcat),
            wseat: Words::of(request.wseat),
            bseat: Words::of(request.bseat),
            country: plain(device.country).and_then(Country::parse),
            device: device_kind(request),
            own_domain: plain(request.place.domain),
            page_host: page_host(request),
            region: plain(device.region),
            city: plain(device.city),
            os: plain(device.os),
            ua: plain(device.ua),
            language: plain(device.language),
            app: app(request),
            seller: plain(request.place.publisher),
            categories: Words::of(request.place.cat),
        }
    }

    /// Whether a request of this exchange meets a targeting, but for hours, formats and deals.
    pub fn meet(&self, targeting: &Targeting, exchange: ExchangeNo) -> bool {
        let same = |wanted: &String, text: &str| wanted.eq_ignore_ascii_case(text);
        targeting.exchanges.admits(Some(exchange), |wanted, no| *wanted == no)
            && targeting.countries.admits(self.country, |wanted, country| *wanted == country)
            && targeting.devices.admits(self.device, |wanted, kind| *wanted == kind)
            && targeting
                .domains
                .admits(self.own_domain.or(self.page_host), |wanted, domain| is_of_domain(domain, wanted))
            && targeting.regions.admits(self.region, same)
            && targeting.cities.admits(self.city, same)
            && targeting.os.admits(self.os, same)
            && targeting.browsers.admits(self.ua, |wanted, ua| has_product_token(ua, wanted))
            && targeting
                .languages
                .admits(self.language, |wanted, tag| covers_language(wanted, tag))
            && targeting
                .apps
                .admits(self.app, |wanted, app| same(wanted, app) || is_of_domain(app, wanted))
            && targeting.sellers.admits(self.seller, same)
            && self.meet_categories(targeting)
    }

    /// `categories` is a list on both sides.
    fn meet_categories(&self, targeting: &Targeting) -> bool {
        // A request without categories has none of them: no include holds, and no exclude.
        targeting.categories.admits(Some(()), |wanted, ()| self.has_category(wanted))
    }

    fn has_category(&self, wanted: &str) -> bool {
        self.categories.any(|cat| covers_category(wanted, cat))
    }

    /// Whether the house shows nobody here: a site under its domain and its page's, an app under its
    /// bundle.
    pub fn are_blocked_by(&self, house: &HouseBlock) -> bool {
        let hosts = [self.own_domain, self.page_host];
        !house.is_empty()
            && (hosts.into_iter().flatten().any(|domain| house.has_domain(domain))
                || self.app.is_some_and(|app| house.has_bundle(app))
                || self.seller.is_some_and(|seller| house.has_seller(seller))
                || house.categories.iter().any(|category| self.has_category(category)))
    }
}

/// A text without escapes; none where it is empty.
pub fn plain(text: Text<'_>) -> Option<&str> {
    text.plain().filter(|text| !text.is_empty())
}

/// By `devicetype` (§8), else by what the user agent says.
fn device_kind(request: &Opportunity<'_>) -> Option<Device> {
    match request.device.devicetype {
        Some(1 | 4) => return Some(Device::Mobile),
        Some(5) => return Some(Device::Tablet),
        Some(2) => return Some(Device::Desktop),
        Some(3 | 7) => return Some(Device::Tv),
        Some(6 | 8) => return Some(Device::Other),
        _ => {}
    }
    let ua = plain(request.device.ua)?;
    let has = |word: &str| ua.contains(word);
    Some(match () {
        () if has("iPad") || has("Tablet") || (has("Android") && !has("Mobile")) => Device::Tablet,
        () if has("Mobi") || has("iPhone") => Device::Mobile,
        () if has("TV") => Device::Tv,
        () if has("Windows NT") || has("Macintosh") || has("X11") || has("CrOS") => Device::Desktop,
        () => Device::Other,
    })
}

/// The host of `site.page`, whose slashes may be escaped.
fn page_host<'r>(request: &Opportunity<'r>) -> Option<&'r str> {
    let page = std::str::from_utf8(request.place.page.raw()).ok()?;
    let rest = &page[page.find("//").map(|at| at + 2).or_else(|| page.find("\\/\\/").map(|at| at + 4))?..];
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

/// The bundle of an app, else its domain.
fn app<'r>(request: &Opportunity<'r>) -> Option<&'r str> {
    request
        .place
        .is_app
        .then(|| plain(request.place.bundle).or_else(|| plain(request.place.domain)))
        .flatten()
}

/// Whether `domain` is `parent` or below it.
pub fn is_of_domain(domain: &str, parent: &str) -> bool {
    let (domain, parent) = (domain.as_bytes(), parent.trim_start_matches('.').as_bytes());
    let Some(start) = domain.len().checked_sub(parent.len()) else {
        return false;
    };
    !parent.is_empty() && domain[start..].eq_ignore_ascii_case(parent) && (start == 0 || domain[start - 1] == b'.')
}

/// Whether category `parent` is `category` or above it: IAB1 covers IAB1-2.
pub fn covers_category(parent: &str, category: &str) -> bool {
    category.len() >= parent.len()
        && category.as_bytes()[..parent.len()].eq_ignore_ascii_case(parent.as_bytes())
        && matches!(category.as_bytes().get(parent.len()), None | Some(b'-'))
}

/// Whether language `en` covers tag `en-GB`.
fn covers_language(wanted: &str, tag: &str) -> bool {
    covers_category(wanted, tag)
        || tag
            .get(..wanted.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(wanted) && tag.as_bytes()[wanted.len()] == b'_')
}

/// Whether a user agent names a product: `Firefox/` for `firefox`. Chrome's kin name Chrome too.
fn has_product_token(ua: &str, wanted: &str) -> bool {
    let token = match wanted {
        "edge" => "Edg",
        "opera" => "OPR",
        "samsung" => "SamsungBrowser",
        "safari" => return ua.contains("Safari/") && !ua.contains("Chrome/") && !ua.contains("Android"),
        "chrome" => return ua.contains("Chrome/") && !["Edg", "OPR", "SamsungBrowser"].iter().any(|kin| ua.contains(kin)),
        other => other,
    };
    ua.as_bytes()
        .windows(token.len())
        .any(|window| window.eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_cover_what_is_below_them() {
        for (domain, parent, expected) in [
            ("a.example", "a.example", true),
            ("x.A.example", "a.example", true),
            ("ba.example", "a.example", false),
            ("example", "a.example", false),
            ("a.example", "", false),
        ] {
            assert_eq!(is_of_domain(domain, parent), expected, "{domain} of {parent}");
        }
    }

    #[test]
    fn categories_and_languages_cover_their_children() {
        assert!(covers_category("IAB1", "IAB1-2") && covers_category("iab1", "IAB1"));
        assert!(!covers_category("IAB1", "IAB11") && !covers_category("IAB1-2", "IAB1"));
        assert!(covers_language("en", "en-GB") && covers_language("en", "EN_us") && !covers_language("en", "enx"));
    }
}
