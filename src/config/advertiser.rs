//! An advertiser's file (contract §3): checked in full, then numbered.
//!
//! A file with faults takes no numbers and makes no key file.

use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use url::Url;

use super::audience::{Memory, audience, event_kind};
use super::campaign::{Around, budget, campaign, caps, per_request};
use super::creative::{Shop, creative};
use super::fault::Fault;
use super::node::{Node, Value};
use super::reader::{Object, Reader};
use super::secret::secret;
use super::server::{Server, document};
use super::targeting::{Names, remembered};
use super::{Context, product_rules};
use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, CampaignNo, ProductKey};
use crate::base::limits::{CAMPAIGNS_PER_ADVERTISER_MAX, CREATIVES_MAX};
use crate::base::money::{Currency, NANOS, Ratio};
use crate::base::time::Span;
use crate::model::advertiser::{Advertiser, Attribution, Budget, CapScope, FeedFormat, FeedSource, Landing};
use crate::model::event::EventKind;

const KEYS: [&str; 25] = [
    "version",
    "id",
    "name",
    "domain",
    "currency",
    "timezone",
    "language",
    "categories",
    "cattax",
    "site_key",
    "event_key_file",
    "logo_url",
    "feed",
    "attribution",
    "landing",
    "origins",
    "budget",
    "frequency",
    "fee_percent",
    "seats",
    "per_request",
    "audiences",
    "products",
    "creatives",
    "campaigns",
];

const FEED_FORMATS: [(&str, FeedFormat); 6] = [
    ("auto", FeedFormat::Auto),
    ("rss", FeedFormat::Rss),
    ("atom", FeedFormat::Atom),
    ("tsv", FeedFormat::Tsv),
    ("csv", FeedFormat::Csv),
    ("jsonl", FeedFormat::Jsonl),
];

/// Reads an advertiser from `text`, called `name`, with paths relative to `dir`; what it returns
/// beside it are warnings.
pub fn advertiser(name: &str, dir: &Path, text: &str, context: &Context<'_>) -> Result<(Advertiser, Vec<Fault>), Vec<Fault>> {
    let root = document(name, text)?;
    let reader = Reader::new(name, dir, text.trim_start_matches('\u{feff}'));
    let advertiser = read(&reader, &root, context.server);
    let warnings = reader.finish()?;
    // Nothing to blame, yet nothing read: cannot be, but must not pass for an advertiser.
    let mut advertiser = advertiser.ok_or_else(|| vec![Fault::of_file(name, 0, 0, "not an advertiser")])?;
    number(&mut advertiser, &reader, &root, context);
    if let Some(path) = event_key_file(&reader, &root).filter(|path| context.make_keys || path.exists()) {
        let problem = |e: std::io::Error| format!("event key file {} cannot be used: {e}", path.display());
        let key = secret(&path).map_err(|e| vec![Fault::of_file(name, 0, 0, problem(e))])?;
        advertiser.event_key = Some(key);
    }
    Ok((advertiser, warnings))
}

/// Gives a checked advertiser its numbers, and its rules the product handles that depend on them.
fn number<'t>(advertiser: &mut Advertiser, r: &Reader<'t>, root: &Node<'t>, context: &Context<'_>) {
    let id = advertiser.id.as_str();
    let no = context.numbers.advertiser(id);
    advertiser.no = no;
    advertiser.book = context.numbers.book(id);
    for campaign in &mut advertiser.campaigns {
        campaign.no = context.numbers.campaign(id, &campaign.id);
    }
    for creative in &mut advertiser.creatives {
        creative.no = context.numbers.creative(id, &creative.id);
    }
    let memory = Memory {
        retention: context.server.privacy.retention,
        item: &|text| context.hashes.product(no, text),
        custom: &|name| custom_key(context.hashes, name),
    };
    if let Some(o) = r.map(root) {
        advertiser.audiences = o.list("audiences", |r, n| audience(r, n, &memory));
    }
}

/// What stands for a custom event's name, in rules as in records.
fn custom_key(hashes: &Hashes, name: &str) -> ProductKey {
    ProductKey((hashes.of("custom", &[name.as_bytes()]) & 0xff_ffff_ffff).max(1))
}

fn event_key_file<'t>(r: &Reader<'t>, root: &Node<'t>) -> Option<std::path::PathBuf> {
    r.map(root)?.optional("event_key_file", Reader::path)
}

fn read<'t>(r: &Reader<'t>, root: &Node<'t>, server: &Server) -> Option<Advertiser> {
    let o = r.object(root, &KEYS)?;
    o.optional("version", version);
    let retention = server.privacy.retention;
    let exchanges: Vec<String> = server.exchanges.iter().map(|exchange| exchange.id.clone()).collect();
    let id = o.required("id", Reader::id).unwrap_or_default();
    let name = o.required("name", Reader::text).unwrap_or_default();
    let domain = o.required("domain", Reader::host).unwrap_or_default();
    let language = o.or("language", "en".to_owned(), language);
    let logo_url = o.optional("logo_url", Reader::url);
    let (timezone, timezone_name) = o.or("timezone", (TimeZone::UTC, "UTC".to_owned()), timezone);
    let shop = Shop {
        id: &id,
        name: &name,
        domain: &domain,
        language: &language,
        logo_url: logo_url.as_deref(),
        ad_choices_url: server.house.ad_choices_url.as_deref(),
    };
    let around = Around {
        timezone: &timezone,
        audiences: &r.ids(o.get("audiences")),
        creatives: &r.ids(o.get("creatives")),
        names: Names {
            exchanges: &exchanges,
            retention,
        },
    };
    check_lists(r, &o);
    let memory = Memory {
        retention,
        item: &|_| ProductKey::NONE,
        custom: &|_| ProductKey::NONE,
    };
    let cattax = o.or("cattax", 1, |r, n| r.integer(n, 1, 1_000));
    let (campaigns, per_request_of_campaigns): (Vec<_>, Vec<_>) = o.list("campaigns", |r, n| campaign(r, n, &around)).into_iter().unzip();
    let per_request_default = per_request_of_campaigns.into_iter().max().unwrap_or(1);
    let creatives = o.list("creatives", |r, n| creative(r, n, &shop));
    Some(Advertiser {
        no: AdvertiserNo(0),
        book: CampaignNo(0),
        currency: o.or("currency", Currency::USD, |r, n| currency(r, n, server)),
        categories: o.list("categories", |r, n| category(r, n, cattax)),
        cattax,
        site_key: o.required("site_key", site_key).unwrap_or_default(),
        event_key: None,
        feed: o.optional("feed", feed),
        landing: landing(&o, &domain),
        origins: o.or("origins", vec![format!("https://{domain}")], |r, n| r.list(n, origin)),
        budget: o.or("budget", Budget::default(), budget),
        frequency: o.or("frequency", Vec::new(), |r, n| caps(r, n, CapScope::Advertiser, retention)),
        fee: o.or("fee_percent", Ratio(0), fee),
        seats: seats(r, &o, &exchanges),
        per_request: o.or("per_request", per_request_default, per_request),
        attribution: attribution(&o, retention),
        audiences: o.list("audiences", |r, n| audience(r, n, &memory)),
        products: product_rules::products(&o, retention),
        creatives,
        campaigns,
        timezone,
        timezone_name,
        logo_url,
        language,
        domain,
        name,
        id,
    })
}

fn version<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<()> {
    match node.raw {
        "1" => Some(()),
        _ => r.refuse(node, "unknown version", "this program reads version `1`"),
    }
}

fn check_lists<'t>(r: &Reader<'t>, o: &Object<'_, 't>) {
    r.ids(o.get("campaigns"));
    for (key, most) in [("creatives", CREATIVES_MAX), ("campaigns", CAMPAIGNS_PER_ADVERTISER_MAX)] {
        if let Some(node) = o.get(key)
            && let Value::Array(items) = &node.value
            && items.len() > most
        {
            r.fault(node, format!("{} {key}", items.len()), format!("at most {most}"));
        }
    }
}

/// A wall time on the advertiser's clock.
pub(super) fn local_time<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<DateTime> {
    let text = r.text(node)?;
    // An offset would be read past in silence, and the time be another than was meant.
    let has_offset = text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-', '[']));
    match text.parse::<DateTime>() {
        Ok(time) if !has_offset => Some(time),
        _ => r.refuse(
            node,
            "not a local time",
            "such as `2026-01-31T18:00:00`, in the advertiser's time zone, without offset",
        ),
    }
}

fn timezone<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<(TimeZone, String)> {
    let name = r.text(node)?;
    match TimeZone::get(&name) {
        Ok(zone) => Some((zone, name)),
        Err(_) => r.refuse(node, "unknown time zone", "an IANA name such as `Europe/Berlin`"),
    }
}

fn currency<'t>(r: &Reader<'t>, node: &Node<'t>, server: &Server) -> Option<Currency> {
    let currency = r.currency(node)?;
    if server.rates.conversion(currency, server.rates.base()).is_some() {
        return Some(currency);
    }
    r.refuse(
        node,
        "no rate for this currency",
        "add it to `currencies.rates` of the server config",
    )
}

/// A BCP 47 tag by its outer shape: letters, then short parts.
fn language<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    let text = r.text(node)?;
    let mut parts = text.split('-');
    let is_letters = |part: &str| (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic());
    let is_short = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if parts.next().is_some_and(is_letters) && parts.all(is_short) {
        return Some(text);
    }
    r.refuse(node, "not a language", "a BCP 47 tag such as `vi` or `pt-BR`")
}

/// In taxonomy 1 categories look like `IAB18-3`; others are numbers or longer codes.
fn category<'t>(r: &Reader<'t>, node: &Node<'t>, cattax: u32) -> Option<String> {
    let text = r.text(node)?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_first = |text: &str| text.strip_prefix("IAB").is_some_and(|rest| rest.splitn(2, '-').all(is_number));
    if cattax != 1 || is_first(&text) {
        return Some(text);
    }
    r.refuse(node, "not a category of taxonomy 1", "such as `IAB18-3`; for others set `cattax`")
}

/// A part of a URL.
fn site_key<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    let text = r.text(node)?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.len() <= 64 && text.bytes().all(is_plain) && !text.starts_with('.') {
        return Some(text);
    }
    r.refuse(node, "not a site key", "1 to 64 of letters, digits, `.`, `_`, `-`")
}

fn feed<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<FeedSource> {
    let o = r.object(node, &["path", "url", "format", "refresh", "id_prefixes"])?;
    let path = o.optional("path", Reader::path);
    let url = o.optional("url", Reader::url);
    if o.has("path") == o.has("url") {
        r.fault(node, "a feed is by `path` or by `url`", "give one of them");
    }
    if let Some(node) = o.get("url") {
        r.warn_unused(node, "fetch the feed yourself and give its file as `path`");
    }
    let refresh = o.or("refresh", Span(15 * 60), Reader::span);
    if let Some(node) = o.get("refresh").filter(|_| refresh < Span::MINUTE) {
        r.fault(node, "too often", "at least `1m`");
    }
    Some(FeedSource {
        path: path.unwrap_or_default(),
        url,
        format: o.or("format", FeedFormat::Auto, |r, n| r.word(n, &FEED_FORMATS)),
        refresh,
        id_prefixes: o.list("id_prefixes", Reader::text),
    })
}

fn landing(advertiser: &Object<'_, '_>, domain: &str) -> Landing {
    advertiser.inner("landing", &["append", "domains"], |o| {
        let mut domains = vec![domain.to_owned()];
        for host in o.map_or(Vec::new(), |o| o.list("domains", Reader::host)) {
            if !domains.contains(&host) {
                domains.push(host);
            }
        }
        Landing {
            append: o.map_or(String::new(), |o| o.or("append", String::new(), append)),
            domains,
        }
    })
}

/// Query text with macros.
fn append<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    let text = r.any_text(node)?;
    let known = ["{campaign}", "{creative}", "{exchange}"];
    let rest = known.iter().fold(text.clone(), |rest, name| rest.replace(name, ""));
    if rest.contains(['{', '}']) {
        return r.refuse(node, "unknown macro", "known: `{campaign}`, `{creative}`, `{exchange}`");
    }
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return r.refuse(node, "not query text", "such as `utm_source=winback&utm_campaign={campaign}`");
    }
    Some(text.trim_start_matches(['?', '&']).to_owned())
}

/// An origin, or a domain for its https origin.
fn origin<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    let text = r.text(node)?;
    if !text.contains("://") {
        return r.host(node).map(|host| format!("https://{host}"));
    }
    let is_origin = |url: &Url| matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
    match Url::parse(&text).ok().filter(is_origin) {
        Some(url) => Some(url.origin().ascii_serialization()),
        None => r.refuse(node, "not an origin", "scheme and host only, such as `https://shop.example`"),
    }
}

/// Percent as a ratio, exactly.
fn fee<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Ratio> {
    let percent = r.ratio(node, Ratio(0), Ratio(1_000 * NANOS as i64))?;
    if percent.0 % 100 == 0 {
        return Some(Ratio(percent.0 / 100));
    }
    r.refuse(node, "more than seven decimals", "write a rounder percentage")
}

fn seats<'t>(r: &Reader<'t>, o: &Object<'_, 't>, exchanges: &[String]) -> Vec<(String, String)> {
    let Some(map) = o.get("seats").and_then(|node| r.map(node)) else {
        return Vec::new();
    };
    let mut seats = Vec::new();
    for entry in map.entries() {
        if !exchanges.contains(&entry.key) {
            let remedy = super::fault::suggest(&entry.key, exchanges.iter().map(String::as_str));
            r.fault(&entry.node, "no such exchange", remedy);
        }
        if let Some(seat) = r.text(&entry.node) {
            seats.push((entry.key.clone(), seat));
        }
    }
    seats
}

fn goal<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<EventKind> {
    let kind = event_kind(r, node)?;
    if kind == EventKind::Custom {
        r.warn(
            node,
            "custom events are one kind here: each of them counts as a conversion",
            "name one of the standard events",
        );
    }
    Some(kind)
}

fn attribution(advertiser: &Object<'_, '_>, retention: Span) -> Attribution {
    advertiser.inner("attribution", &["goal", "click", "view"], |o| Attribution {
        goal: o.map_or(EventKind::Purchase, |o| o.or("goal", EventKind::Purchase, goal)),
        click: o.map_or(Span::days(30).min(retention), |o| {
            o.or("click", Span::days(30).min(retention), |r, n| remembered(r, n, retention))
        }),
        view: o.map_or(Span::DAY, |o| o.or("view", Span::DAY, |r, n| remembered(r, n, retention))),
    })
}
