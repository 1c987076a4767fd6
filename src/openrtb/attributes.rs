//! What a request says of place, device and language, in the terms that targeting compares.
//!
//! Reads as absent what is not there or not plain. Decides nothing.

use smallvec::SmallVec;

use super::json::{Hints, List, Text, hints};
use super::request::Opportunity;
use crate::base::country::Country;
use crate::base::domain::{host, is_of_domain};
use crate::base::id::ExchangeNo;
use crate::model::advertiser::Advertiser;
use crate::model::house::HouseBlock;
use crate::model::outcome::NoBid;
use crate::model::showing::{Place, SiteKey};
use crate::model::targeting::{Device, Targeting};
use crate::model::taxonomy::Taxonomy;

/// Entries of a list that are read once; those beyond are read whenever they are asked for.
const WORDS_READ: usize = 24;

/// The plain texts of a list that every advertiser is compared with.
#[derive(Clone, Debug)]
pub struct Words<'r> {
    read: SmallVec<[&'r str; WORDS_READ]>,
    list: List<'r>,
    more: bool,
    part: fn(&'r str) -> &'r str,
}

impl<'r> Words<'r> {
    fn of(list: List<'r>) -> Words<'r> {
        Words::parts(list, |word| word)
    }

    /// Of each entry a part.
    fn parts(list: List<'r>, part: fn(&'r str) -> &'r str) -> Words<'r> {
        let mut entries = list.iter();
        Words {
            read: entries.by_ref().take(WORDS_READ).filter_map(plain).map(part).collect(),
            list,
            more: entries.next().is_some(),
            part,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any of them is such.
    pub fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        let unread = || {
            let words = self.list.iter().skip(WORDS_READ).filter_map(plain);
            words.map(self.part).any(&is)
        };
        self.read.iter().any(|word| is(word)) || (self.more && unread())
    }
}

/// What campaigns are compared with, read from a request once for all of them.
#[derive(Clone, Debug)]
pub struct Attributes<'r> {
    badv: Words<'r>,
    bcat: Words<'r>,
    wseat: Words<'r>,
    bseat: Words<'r>,
    bapp: List<'r>,
    acat: List<'r>,
    taxonomy: Taxonomy,
    wlang: List<'r>,
    wlangb: List<'r>,
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
    further_categories: [List<'r>; 2],
    hints: Hints<'r>,
    names_browsers: bool,
}

impl<'r> Attributes<'r> {
    /// Of a request.
    pub fn of(request: &Opportunity<'r>) -> Attributes<'r> {
        let device = &request.device;
        let hints = hints(device.sua);
        let cattax = request.cattax.and_then(|cattax| u32::try_from(cattax).ok());
        Attributes {
            badv: Words::parts(request.badv, host),
            bcat: Words::of(request.bcat),
            wseat: Words::of(request.wseat),
            bseat: Words::of(request.bseat),
            bapp: request.bapp,
            acat: request.acat,
            taxonomy: Taxonomy::of(cattax.unwrap_or(1)),
            wlang: request.wlang,
            wlangb: request.wlangb,
            country: plain(device.country).and_then(Country::parse),
            device: device_kind(request, &hints),
            own_domain: plain(request.place.domain),
            page_host: page_host(request),
            region: plain(device.region),
            city: plain(device.city),
            os: plain(device.os).or(plain(hints.platform)),
            ua: plain(device.ua),
            language: plain(device.language),
            app: app(request),
            seller: plain(request.place.publisher),
            categories: Words::of(request.place.cat),
            further_categories: [request.place.sectioncat, request.place.pagecat],
            names_browsers: hints.brands().next().is_some(),
            hints,
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
            && targeting.browsers.admits(self.browser(), |wanted, browser| browser.is(wanted))
            && targeting
                .languages
                .admits(self.language, |wanted, tag| covers_language(wanted, tag))
            && targeting
                .apps
                .admits(self.app, |wanted, app| same(wanted, app) || is_of_domain(app, wanted))
            && targeting.sellers.admits(self.seller, same)
            && self.meet_categories(targeting)
    }

    /// Where an ad would be shown.
    pub fn place(&self) -> Place {
        Place {
            device: self.device,
            site: self.site().map_or(SiteKey::NONE, SiteKey::of),
        }
    }

    /// The bundle of the app, else the domain of the site.
    pub fn site(&self) -> Option<&'r str> {
        self.app.or(self.own_domain).or(self.page_host)
    }

    /// What the request says of what a key of targeting is compared with, for people; `page` is the host of its
    /// page. None where it says nothing.
    pub fn said(&self, key: &str) -> Option<String> {
        let word = match key {
            "countries" => self.country.as_ref().map(Country::as_str),
            "regions" => self.region,
            "cities" => self.city,
            "devices" => self.device.map(Device::label),
            "os" => self.os,
            "browsers" if !self.names_browsers => self.ua,
            "languages" => self.language,
            "domains" => self.own_domain.or(self.page_host),
            "page" => self.page_host,
            "apps" => self.app,
            "sellers" => self.seller,
            _ => None,
        };
        let further = || self.further_categories.iter().flat_map(List::iter);
        let words: Vec<&str> = match key {
            "browsers" if self.names_browsers => self.hints.brands().filter_map(plain).collect(),
            "categories" => self.categories.list.iter().chain(further()).filter_map(plain).collect(),
            _ => word.into_iter().collect(),
        };
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// `categories` is a list on both sides.
    fn meet_categories(&self, targeting: &Targeting) -> bool {
        // A request without categories has none of them: no include holds, and no exclude.
        targeting.categories.admits(Some(()), |wanted, ()| self.has_category(wanted))
    }

    fn has_category(&self, wanted: &str) -> bool {
        let further = || self.further_categories.iter().flat_map(List::iter).filter_map(plain);
        self.categories.any(|cat| covers_category(wanted, cat)) || further().any(|cat| covers_category(wanted, cat))
    }

    /// Client hints name browsers better than a user agent that may be frozen.
    fn browser(&self) -> Option<Browser<'_>> {
        let hinted = self.names_browsers.then_some(Browser::Hinted(&self.hints));
        hinted.or(self.ua.map(Browser::Agent))
    }

    /// Why nobody may bid for an advertiser here, under a seat and whatever the imp: the first of the
    /// request's lists that forbids it, in the order of the reasons.
    pub fn refusal(&self, advertiser: &Advertiser, seat: &str) -> Option<NoBid> {
        let is_app = |app: Text<'_>| advertiser.apps.iter().any(|own| app.eq_ignore_case(own));
        if self.badv.any(|entry| advertiser.site.is_named_by(entry)) || self.bapp.iter().any(is_app) {
            return Some(NoBid::BlockedAdvertiser);
        }
        let blocks = |name: &str| self.bcat.any(|blocked| blocked.eq_ignore_ascii_case(name));
        let allows = |name: &str| self.acat.iter().any(|allowed| allowed.eq_ignore_case(name));
        let names = &advertiser.names;
        if names.any(self.taxonomy, blocks) || !self.acat.is_empty() && !names.all(self.taxonomy, allows) {
            return Some(NoBid::BlockedCategory);
        }
        let admitted = self.wseat.is_empty() || self.wseat.any(|wanted| wanted == seat);
        if !admitted || self.bseat.any(|blocked| blocked == seat) {
            return Some(NoBid::BlockedSeat);
        }
        let speaks = |list: &List<'_>| {
            let mut tags = list.iter().filter_map(plain);
            list.is_empty() || tags.any(|tag| covers_language(tag, &advertiser.language))
        };
        (!speaks(&self.wlang) || !speaks(&self.wlangb)).then_some(NoBid::CreativeBlocked)
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

/// By `devicetype` (§8), else by what the user agent says, else by its hints.
fn device_kind(request: &Opportunity<'_>, hints: &Hints<'_>) -> Option<Device> {
    match request.device.devicetype {
        Some(1 | 4) => return Some(Device::Mobile),
        Some(5) => return Some(Device::Tablet),
        Some(2) => return Some(Device::Desktop),
        Some(3 | 7) => return Some(Device::Tv),
        Some(6 | 8) => return Some(Device::Other),
        _ => {}
    }
    let Some(ua) = plain(request.device.ua) else {
        let kind = |mobile| if mobile == 1 { Device::Mobile } else { Device::Desktop };
        return hints.mobile.map(kind);
    };
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
pub fn page_host<'r>(request: &Opportunity<'r>) -> Option<&'r str> {
    let page = std::str::from_utf8(request.place.page.raw()).ok()?;
    let slashes = |at: usize| page.as_bytes()[at..].starts_with(b"//").then_some(at + 2);
    let first = memchr::memchr(b'/', page.as_bytes()).and_then(slashes);
    // Nearly always the first slash is the first of the two.
    let rest = first.or_else(|| page.find("//").map(|at| at + 2));
    let rest = &page[rest.or_else(|| page.find("\\/\\/").map(|at| at + 4))?..];
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

/// What tells which browser it is.
#[derive(Clone, Copy)]
enum Browser<'a> {
    /// `sua.browsers`.
    Hinted(&'a Hints<'a>),
    /// The user agent.
    Agent(&'a str),
}

impl Browser<'_> {
    fn is(self, wanted: &str) -> bool {
        match self {
            Browser::Agent(ua) => has_product_token(ua, wanted),
            Browser::Hinted(hints) => {
                let brand = match wanted {
                    "chrome" => "Google Chrome",
                    "edge" => "Microsoft Edge",
                    "samsung" => "Samsung Internet",
                    other => other,
                };
                hints.brands().any(|named| named.eq_ignore_case(brand))
            }
        }
    }
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
    fn categories_and_languages_cover_their_children() {
        assert!(covers_category("IAB1", "IAB1-2") && covers_category("iab1", "IAB1"));
        assert!(!covers_category("IAB1", "IAB11") && !covers_category("IAB1-2", "IAB1"));
        assert!(covers_language("en", "en-GB") && covers_language("en", "EN_us") && !covers_language("en", "enx"));
    }
}
