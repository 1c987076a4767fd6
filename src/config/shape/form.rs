//! Forms of text: what config files write as text and is more than any text.
//!
//! A pattern is for editors and may let more through than the form accepts, never less.

use std::net::SocketAddr;

use ipnet::IpNet;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use url::{Host, Url};

use crate::base::country::Country;
use crate::base::id::is_id;
use crate::base::money::Currency;
use crate::config::hours;
use crate::model::targeting::WeekWindow;

/// A form of text.
#[derive(Debug)]
pub(in crate::config) struct Form {
    /// What it is called in a schema.
    pub name: &'static str,
    /// A regular expression of ECMA 262 that every accepted text matches; empty for any.
    pub pattern: &'static str,
    /// Two texts of the form, for editors and tests.
    pub examples: [&'static str; 2],
    /// What is wrong with others.
    pub problem: &'static str,
    /// What would be right.
    pub remedy: &'static str,
    /// The form it narrows; its faults come first.
    pub narrows: Option<&'static Form>,
    /// Whether a text has the form.
    pub accepts: fn(&str) -> bool,
}

/// Text with something in it.
const SOMETHING: Form = Form {
    name: "",
    pattern: r"\S",
    examples: ["", ""],
    problem: "empty text",
    remedy: "say something, or leave the key out",
    narrows: None,
    accepts: |text| !text.trim().is_empty(),
};

/// Text for people and for others' systems, trimmed.
pub(in crate::config) static TEXT: Form = Form {
    name: "text",
    examples: ["Acme Shoes", "Back to your cart"],
    ..SOMETHING
};

/// A file or folder, relative to the file that names it.
pub(in crate::config) static PATH: Form = Form {
    name: "path",
    examples: ["data", "acme-feed.xml"],
    ..SOMETHING
};

/// The id of something that is defined elsewhere; whether it is, is not a matter of form.
pub(in crate::config) static REFERENCE: Form = Form {
    name: "reference",
    examples: ["cart-abandoners", "card"],
    ..SOMETHING
};

/// An id (contract, preamble).
pub(in crate::config) static ID: Form = Form {
    name: "id",
    pattern: "^[a-z0-9][a-z0-9._-]{0,47}$",
    examples: ["acme-shoes", "0.x_y"],
    problem: "not an id",
    remedy: "1 to 48 of `a-z`, `0-9`, `.`, `_`, `-`, the first a letter or digit",
    narrows: None,
    accepts: is_id,
};

/// A part of a URL.
pub(in crate::config) static SITE_KEY: Form = Form {
    name: "site-key",
    pattern: "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$",
    examples: ["acme-web-1", "Acme_2"],
    problem: "not a site key",
    remedy: "1 to 64 of letters, digits, `.`, `_`, `-`",
    narrows: None,
    accepts: |text| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        (1..=64).contains(&text.len()) && text.bytes().all(is_plain) && !text.starts_with('.')
    },
};

/// A host name or address, as URLs write it.
pub(in crate::config) static HOST: Form = Form {
    name: "host",
    pattern: r"^(\[[0-9A-Fa-f:.]+\]|[^\s/:?#@\[\]\\]+)$",
    examples: ["shop.example", "127.0.0.1"],
    problem: "not a domain",
    remedy: "without scheme, port and path, such as `shop.example`",
    narrows: None,
    accepts: |text| Host::parse(text).is_ok(),
};

/// A web address.
pub(in crate::config) static URL: Form = Form {
    name: "url",
    pattern: r"^[Hh][Tt][Tt][Pp][Ss]?:",
    examples: ["https://shop.example/feed.xml", "http://127.0.0.1:8081"],
    problem: "not a web address",
    remedy: "such as `https://shop.example/feed.xml`",
    narrows: None,
    accepts: |text| Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
};

/// An address that a browser calls from other people's pages; several may stand in one attribute, with
/// white space between.
pub(in crate::config) static SECURE_URL: Form = Form {
    name: "secure-url",
    pattern: r"^[Hh][Tt][Tt][Pp][Ss]:[^\s]+$",
    examples: ["https://count.example/i?a=1", "https://count.example/%%CACHEBUSTER%%"],
    problem: "not a secure address",
    remedy: "`https://` and no white space",
    narrows: Some(&URL),
    accepts: |text| text.to_ascii_lowercase().starts_with("https:") && !text.contains(|c: char| c.is_whitespace() || c.is_control()),
};

/// The media type of a file that is shown or played; manifests of streams are of `application`.
pub(in crate::config) static MEDIA_TYPE: Form = Form {
    name: "media-type",
    pattern: r"^(image|video|audio|application)/[^\s/]+$",
    examples: ["video/mp4", "application/x-mpegURL"],
    problem: "not a type of media",
    remedy: "such as `video/mp4`, `audio/mpeg` or `image/jpeg`",
    narrows: None,
    accepts: |text| {
        let is_kind = |kind| ["image", "video", "audio", "application"].contains(&kind);
        let is_name = |name: &str| !name.is_empty() && !name.contains(|c: char| c == '/' || c.is_whitespace());
        text.split_once('/').is_some_and(|(kind, name)| is_kind(kind) && is_name(name))
    },
};

/// A web address that paths are appended to.
pub(in crate::config) static BASE_URL: Form = Form {
    name: "base-url",
    pattern: r"^[Hh][Tt][Tt][Pp][Ss]?:[^?#]+$",
    examples: ["https://ads.example.com", "http://127.0.0.1:8081/a"],
    problem: "paths cannot be appended to it",
    remedy: "without `?` and `#`, such as `https://ads.example.com`",
    narrows: Some(&URL),
    accepts: |text| !text.contains(['?', '#']),
};

/// What an exchange replaces in a query.
pub(in crate::config) static MACRO: Form = Form {
    name: "macro",
    pattern: r"^[^\s&#]+$",
    examples: ["${AUCTION_PRICE}", "%%WINNING_PRICE_ESC%%"],
    problem: "not the value of a query",
    remedy: "without white space, `&` and `#`, such as `${AUCTION_PRICE}`",
    narrows: None,
    accepts: |text| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '&' | '#')),
};

/// A part of a query.
pub(in crate::config) static QUERY: Form = Form {
    name: "query",
    pattern: r"^[^\s#?&][^\s#]*$",
    examples: ["auction=${AUCTION_ID}", "a=${AUCTION_IMP_ID}&b=1"],
    problem: "not a part of a query",
    remedy: "without white space, `#` and a `?` or `&` before it, such as `auction=${AUCTION_ID}`",
    narrows: None,
    accepts: |text| {
        let is_none = |c: char| c.is_whitespace() || c.is_control() || c == '#';
        !text.is_empty() && !text.starts_with(['?', '&']) && !text.contains(is_none)
    },
};

/// Where an exchange wants the address of a click, or of the pixel.
pub(in crate::config) static CLICK_MACRO: Form = Form {
    name: "click-macro",
    examples: ["%%CLICK_URL_UNESC%%{url_esc}", "https://click.demo-x.example/?to={url_esc}&e=1"],
    problem: "more than one place for the address",
    remedy: "one of `{url}`, `{url_esc}`, `{url_esc_esc}`, once",
    narrows: Some(&TEXT),
    accepts: |text| CLICK_PLACES.iter().map(|(place, _)| text.matches(place).count()).sum::<usize>() <= 1,
    ..SOMETHING
};

/// A number of 64 bits that an exchange bills by.
pub(in crate::config) static BILLING_ID: Form = Form {
    name: "billing-id",
    pattern: "^[1-9][0-9]{0,17}$",
    examples: ["56982500334", "1"],
    problem: "not a billing id",
    remedy: "its digits as text, such as `\"56982500334\"`",
    narrows: None,
    accepts: |text| (1..=18).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()),
};

/// Where it may stand, and how often it is percent-encoded there.
pub(in crate::config) const CLICK_PLACES: [(&str, usize); 3] = [("{url}", 0), ("{url_esc}", 1), ("{url_esc_esc}", 2)];

/// A web address that carries our id of a user, or the way back to us for another's.
pub(in crate::config) static PUSH_URL: Form = Form {
    name: "push-url",
    pattern: r"^[Hh][Tt][Tt][Pp][Ss]?:.*\{(uid|return)\}",
    examples: [
        "https://match.demo-x.example/set?uid={uid}",
        "https://match.demo-x.example/get?gdpr={gdpr}&gdpr_consent={gdpr_consent}&redirect={return}",
    ],
    problem: "does not carry our id",
    remedy: "put `{uid}` where the exchange expects it",
    narrows: Some(&URL),
    accepts: |text| text.contains("{uid}") || text.contains("{return}"),
};

/// The name of a query parameter.
pub(in crate::config) static PARAMETER: Form = Form {
    name: "parameter",
    pattern: r"^[A-Za-z0-9_.-]+$",
    examples: ["uid", "google_gid"],
    problem: "not the name of a parameter",
    remedy: "letters, digits, `_`, `.` and `-`, such as `uid`",
    narrows: None,
    accepts: |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')),
};

/// What an exchange replaces by its id of a browser.
pub(in crate::config) static UID_MACRO: Form = Form {
    name: "uid-macro",
    pattern: r"^\S+$",
    examples: ["$UID", "#PMUID"],
    problem: "not a macro",
    remedy: "without white space, such as `$UID`",
    narrows: None,
    accepts: |text| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control()),
};

/// An origin, or a domain for its https origin.
pub(in crate::config) static ORIGIN: Form = Form {
    name: "origin",
    pattern: r"^([Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+/?|\[[0-9A-Fa-f:.]+\]|[^\s/:?#@\[\]\\]+)$",
    examples: ["https://shop.example", "shop.example"],
    problem: "not an origin",
    remedy: "scheme and host only, such as `https://shop.example`",
    narrows: None,
    accepts: |text| origin(text).is_some(),
};

/// What an origin is compared as.
pub(in crate::config) fn origin(text: &str) -> Option<String> {
    if !text.contains("://") {
        return Host::parse(text).ok().map(|host| format!("https://{host}"));
    }
    let is_origin = |url: &Url| matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
    let url = Url::parse(text).ok().filter(is_origin)?;
    Some(url.origin().ascii_serialization())
}

/// Where something listens.
pub(in crate::config) static ADDRESS: Form = Form {
    name: "address",
    pattern: r"^(\[[0-9A-Fa-f:.%]+\]|[0-9.]+):[0-9]+$",
    examples: ["127.0.0.1:8080", "[::1]:0"],
    problem: "not an address with a port",
    remedy: "such as `127.0.0.1:8080`",
    narrows: None,
    accepts: |text| text.parse::<SocketAddr>().is_ok(),
};

/// A network, or a single address.
pub(in crate::config) static NETWORK: Form = Form {
    name: "network",
    pattern: r"^[0-9A-Fa-f:.]+(/[0-9]+)?$",
    examples: ["192.0.2.0/24", "::1"],
    problem: "not a network",
    remedy: "such as `192.0.2.0/24` or `2001:db8::/32`",
    narrows: None,
    accepts: |text| network(text).is_some(),
};

/// A network of its text.
pub(in crate::config) fn network(text: &str) -> Option<IpNet> {
    let single = || text.parse().ok().map(|address: std::net::IpAddr| address.into());
    text.parse().ok().or_else(single)
}

/// The name of an HTTP header.
pub(in crate::config) static HEADER: Form = Form {
    name: "header-name",
    pattern: r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
    examples: ["X-Exchange-Key", "authorization"],
    problem: "not a header name",
    remedy: "such as `X-Exchange-Key`",
    narrows: None,
    accepts: |text| hyper::header::HeaderName::from_bytes(text.as_bytes()).is_ok(),
};

/// A currency.
pub(in crate::config) static CURRENCY: Form = Form {
    name: "currency",
    pattern: "^[A-Za-z]{3}$",
    examples: ["USD", "EUR"],
    problem: "not a currency",
    remedy: "an ISO 4217 code such as `USD`",
    narrows: None,
    accepts: |text| text.len() == 3 && Currency::parse(text).is_some_and(Currency::is_listed),
};

/// A currency as a key.
pub(in crate::config) static CURRENCY_KEY: Form = Form {
    name: "currency-key",
    pattern: "^[A-Z]{3}$",
    examples: ["EUR", "VND"],
    problem: "the key is not a currency",
    remedy: "an ISO 4217 code such as `EUR`",
    narrows: None,
    accepts: |text| Currency::parse(text).is_some_and(|currency| currency.is_listed() && currency.as_str() == text),
};

/// An exchange's id as a key; whether it is one, is not a matter of form.
pub(in crate::config) static EXCHANGE_KEY: Form = Form {
    name: "exchange-key",
    pattern: "",
    examples: ["demo-x", "other-x"],
    problem: "",
    remedy: "",
    narrows: None,
    accepts: |_| true,
};

/// A country.
pub(in crate::config) static COUNTRY: Form = Form {
    name: "country",
    pattern: "^[A-Za-z]{2,3}$",
    examples: ["VN", "VNM"],
    problem: "not a country",
    remedy: "an ISO 3166-1 code such as `VN` or `VNM`",
    narrows: None,
    accepts: |text| (2..=3).contains(&text.len()) && Country::parse(text).is_some(),
};

/// A time zone.
pub(in crate::config) static TIMEZONE: Form = Form {
    name: "timezone",
    pattern: r"^[A-Za-z][A-Za-z0-9/_+-]*$",
    examples: ["UTC", "Asia/Ho_Chi_Minh"],
    problem: "unknown time zone",
    remedy: "an IANA name such as `Europe/Berlin`",
    narrows: None,
    accepts: |text| TimeZone::get(text).is_ok(),
};

/// A time of the day.
pub(in crate::config) static CLOCK: Form = Form {
    name: "clock",
    pattern: r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
    examples: ["03:00", "23:30"],
    problem: "not a time of the day",
    remedy: "such as `03:00`, from `00:00` to `23:59`",
    narrows: None,
    accepts: |text| clock(text).is_some(),
};

/// The time of the day in a [`CLOCK`].
pub(in crate::config) fn clock(text: &str) -> Option<jiff::civil::Time> {
    jiff::civil::Time::strptime("%H:%M", text).ok().filter(|_| text.len() == 5)
}

/// A BCP 47 tag by its outer shape: letters, then short parts.
pub(in crate::config) static LANGUAGE: Form = Form {
    name: "language",
    pattern: "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
    examples: ["vi", "pt-BR"],
    problem: "not a language",
    remedy: "a BCP 47 tag such as `vi` or `pt-BR`",
    narrows: None,
    accepts: |text| {
        let mut parts = text.split('-');
        let is_letters = |part: &str| (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic());
        let is_short = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        parts.next().is_some_and(is_letters) && parts.all(is_short)
    },
};

/// Query text with macros.
pub(in crate::config) static APPEND: Form = Form {
    name: "append",
    pattern: r"^([^\s{}#]|\{(campaign|creative|exchange)\})*$",
    examples: ["utm_source=winback&utm_campaign={campaign}", ""],
    problem: "not query text",
    remedy: "such as `utm_source=winback&utm_campaign={campaign}`",
    narrows: Some(&MACROS),
    accepts: |text| !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#'),
};

static MACROS: Form = Form {
    name: "macros",
    pattern: "",
    examples: ["", "{campaign}"],
    problem: "unknown macro",
    remedy: "known: `{campaign}`, `{creative}`, `{exchange}`",
    narrows: None,
    accepts: |text| {
        let known = ["{campaign}", "{creative}", "{exchange}"];
        let rest = known.iter().fold(text.to_owned(), |rest, name| rest.replace(name, ""));
        !rest.contains(['{', '}'])
    },
};

/// A wall time on the advertiser's clock.
pub(in crate::config) static LOCAL_TIME: Form = Form {
    name: "local-time",
    pattern: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.]+)?$",
    examples: ["2026-01-31T18:00:00", "2026-02-01"],
    problem: "not a local time",
    remedy: "such as `2026-01-31T18:00:00`, in the advertiser's time zone, without offset",
    narrows: None,
    accepts: |text| local_time(text).is_some(),
};

/// A wall time of its text.
pub(in crate::config) fn local_time(text: &str) -> Option<DateTime> {
    // An offset would be read past in silence, and the time be another than was meant.
    let has_offset = text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-', '[']));
    text.parse().ok().filter(|_| !has_offset)
}

/// Hours of the week.
pub(in crate::config) static HOURS: Form = Form {
    name: "hours",
    pattern: concat!(
        r"^\s*([A-Za-z]{3}([-,][A-Za-z]{3})*(\s+[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2})?",
        r"|[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2})\s*$"
    ),
    examples: ["mon-fri 07:00-23:00", "sat,sun 22:00-04:00"],
    problem: "not hours",
    remedy: "such as `mon-fri 07:00-23:00`, `sat,sun 22:00-04:00` or `00:00-24:00`",
    narrows: None,
    accepts: |text| week(text).is_some(),
};

/// Hours of their text.
pub(in crate::config) fn week(text: &str) -> Option<Vec<WeekWindow>> {
    hours::parse(&text.to_lowercase())
}
