//! What a request says of place, device and language, in the terms that targeting compares.
//!
//! Reads as absent what is not there or not plain. Decides nothing.

use super::json::Text;
use super::request::Opportunity;
use crate::model::targeting::Device;

/// A text without escapes; none where it is empty.
pub fn plain(text: Text<'_>) -> Option<&str> {
    text.plain().filter(|text| !text.is_empty())
}

/// By `devicetype` (§8), else by what the user agent says.
pub fn device_kind(request: &Opportunity<'_>) -> Option<Device> {
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

/// `site.domain` or `app.domain`, else the host of `site.page`.
pub fn domain<'r>(request: &Opportunity<'r>) -> Option<&'r str> {
    plain(request.place.domain).or_else(|| page_host(request))
}

/// The host of `site.page`, whose slashes may be escaped.
pub fn page_host<'r>(request: &Opportunity<'r>) -> Option<&'r str> {
    let page = std::str::from_utf8(request.place.page.raw()).ok()?;
    let rest = &page[page.find("//").map(|at| at + 2).or_else(|| page.find("\\/\\/").map(|at| at + 4))?..];
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

/// The bundle of an app, else its domain.
pub fn app<'r>(request: &Opportunity<'r>) -> Option<&'r str> {
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
pub fn covers_language(wanted: &str, tag: &str) -> bool {
    covers_category(wanted, tag)
        || tag
            .get(..wanted.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(wanted) && tag.as_bytes()[wanted.len()] == b'_')
}

/// Whether a user agent names a product: `Firefox/` for `firefox`. Chrome's kin name Chrome too.
pub fn has_product_token(ua: &str, wanted: &str) -> bool {
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
