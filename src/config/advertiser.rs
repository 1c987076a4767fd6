//! An advertiser's file (contract §3): checked in full, then numbered.
//!
//! A file with faults takes no numbers and makes no key file.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::audience::{Memory, audience, named_kind};
use super::campaign::{Around, budget, campaign, caps};
use super::creative::{Shop, creative};
use super::exchange::billing_id;
use super::fault::{Fault, sound};
use super::node::{Entry, Node};
use super::reader::{Object, Reader};
use super::secret::secret;
use super::server::{Server, document};
use super::shape::advertiser::ADVERTISER;
use super::shape::form;
use super::targeting::{Names, remembered};
use super::{Context, product_rules};
use crate::base::domain::Site;
use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, CampaignNo};
use crate::base::limits::{CAMPAIGNS_PER_ADVERTISER_MAX, CREATIVES_MAX};
use crate::base::money::{Currency, Ratio};
use crate::base::time::{Millis, Span};
use crate::model::advertiser::{Advertiser, Attribution, Audience, FeedAuth, FeedFormat, FeedSource, Landing, Needle, Rule};
use crate::model::taxonomy::Categories;

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
    let advertiser = read(&reader, &root, context.server, context.hashes);
    let (mut advertiser, warnings) = sound(advertiser, name, reader.finish())?;
    number(&mut advertiser, &reader, &root, context);
    let is_wanted = |path: &PathBuf| context.numbers.makes_keys() || path.exists();
    if let Some(path) = event_key_file(&reader, &root).filter(is_wanted) {
        let problem = |e: std::io::Error| format!("event key file {} cannot be used: {e}", path.display());
        let key = secret(&path).map_err(|e| vec![Fault::of_file(name, 0, 0, problem(e))])?;
        advertiser.event_key = Some(key);
    }
    Ok((advertiser, warnings))
}

/// What can be made out of an advertiser's text even where it has faults, without numbers and keys, and
/// all that is to be said of it: a check leaves no trace.
pub fn draft_advertiser(name: &str, dir: &Path, text: &str, server: &Server) -> (Option<Advertiser>, Vec<Fault>) {
    let root = match document(name, text) {
        Ok(root) => root,
        Err(faults) => return (None, faults),
    };
    let reader = Reader::new(name, dir, text.trim_start_matches('\u{feff}'));
    // Nobody looks anything up by the handles of a draft.
    let advertiser = read(&reader, &root, server, &Hashes::new(&[0; 16]));
    check_event_key(&reader, &root);
    (advertiser, reader.finish())
}

/// Something that no two advertisers may have in common.
pub struct Claim {
    /// `id` or `site_key`.
    pub key: &'static str,
    /// What it is.
    pub value: String,
    /// Where it stands: a fault without words.
    pub fault: Fault,
}

/// What an advertiser's text claims for itself, whatever else is wrong with it.
pub fn claims(name: &str, text: &str) -> Vec<Claim> {
    let Ok(root) = document(name, text) else { return Vec::new() };
    let r = Reader::new(name, Path::new(""), text.trim_start_matches('\u{feff}'));
    let Some(o) = r.object(&root, &ADVERTISER) else { return Vec::new() };
    let claim = |key| {
        let node = o.get(key)?;
        r.fault(node, "", "");
        let fault = r.finish().pop()?;
        Some(Claim {
            key,
            value: r.string(node)?.to_owned(),
            fault,
        })
    };
    ["id", "site_key"].into_iter().filter_map(claim).collect()
}

/// Where an advertiser's text names the address of its feed: a fault without words.
pub fn feed_url(name: &str, text: &str) -> Option<Fault> {
    let root = document(name, text).ok()?;
    let r = Reader::new(name, Path::new(""), text.trim_start_matches('\u{feff}'));
    let feed = r.object(&root, &ADVERTISER)?.object("feed")?;
    r.fault(feed.get("url")?, "", "");
    r.finish().pop()
}

/// A key file that is there must be of use; one that is not is made at first start.
fn check_event_key<'t>(r: &Reader<'t>, root: &Node<'t>) {
    let Some(path) = event_key_file(r, root).filter(|path| path.exists()) else {
        return;
    };
    if let (Err(error), Some(node)) = (secret(&path), r.object(root, &ADVERTISER).and_then(|o| o.get("event_key_file"))) {
        r.fault(node, format!("the key file cannot be used: {error}"), "");
    }
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
        creative.crid_key = context.hashes.crid(&creative.crid);
    }
    let memory = Memory::new(context.server.privacy.retention, context.hashes, no);
    if let Some(o) = r.object(root, &ADVERTISER) {
        advertiser.audiences = o.objects("audiences", |_, o| audience(o, &memory));
    }
    advertiser.needles = needles(&advertiser.audiences);
}

/// What rules look for in events' own texts, each once.
fn needles(audiences: &[Audience]) -> Vec<Needle> {
    let mut needles: Vec<Needle> = Vec::new();
    let rules = audiences
        .iter()
        .flat_map(|audience| audience.include.iter().chain(&audience.exclude));
    for needle in rules.flat_map(Rule::needles) {
        if !needles.contains(needle) {
            needles.push(needle.clone());
        }
    }
    needles
}

fn event_key_file<'t>(r: &Reader<'t>, root: &Node<'t>) -> Option<std::path::PathBuf> {
    r.object(root, &ADVERTISER)?.path("event_key_file")
}

fn read<'t>(r: &Reader<'t>, root: &Node<'t>, server: &Server, hashes: &Hashes) -> Option<Advertiser> {
    let o = r.open(root, &ADVERTISER)?;
    let retention = server.privacy.retention;
    let exchanges: Vec<String> = server.exchanges.iter().map(|exchange| exchange.id.clone()).collect();
    // What is missing has been noted, and the rest is read on.
    let id = o.read("id", Reader::plain).unwrap_or_default();
    let name = o.text("name").unwrap_or_default();
    let domain = o.read("domain", Reader::host).unwrap_or_default();
    let site_key = o.read("site_key", Reader::plain).unwrap_or_default();
    let language = o.read("language", Reader::plain)?;
    let logo_url = o.read("logo_url", Reader::plain);
    let (timezone, timezone_name) = o.read("timezone", timezone)?;
    let shop = Shop {
        id: &id,
        name: &name,
        domain: &domain,
        language: &language,
        logo_url: logo_url.as_deref(),
        ad_choices_url: server.house.ad_choices_url.as_deref(),
        timezone: &timezone,
        exchanges: &exchanges,
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
    let memory = Memory::new(retention, hashes, AdvertiserNo(0));
    let (campaigns, per_request): (Vec<_>, Vec<_>) = o.objects("campaigns", |r, o| campaign(r, o, &around)).into_iter().unzip();
    let (cattax, categories) = categories(&o)?;
    Some(Advertiser {
        no: AdvertiserNo(0),
        book: CampaignNo(0),
        currency: o.read("currency", |r, n| currency(r, n, server))?,
        site: Site::new(&domain),
        apps: o.list("apps", Reader::words),
        names: Categories::new(cattax, &categories),
        categories,
        cattax,
        site_key,
        event_key: None,
        feed: o.object("feed").and_then(|o| feed(r, &o)),
        landing: landing(&o, &domain)?,
        origins: origins(&o, &domain),
        budget: o.object("budget").and_then(|o| budget(&o)).unwrap_or_default(),
        frequency: caps(r, &o, retention),
        fee: o.read("fee_percent", fee)?,
        seats: by_exchange(r, o.map("seats"), &exchanges, |r, n| r.words(n)),
        billing_ids: by_exchange(r, o.map("billing_ids"), &exchanges, |r, n| r.list(n, billing_id)),
        per_request: o.integer("per_request").or(per_request.into_iter().max()).unwrap_or(1),
        attribution: attribution(r, &o, retention, hashes)?,
        needles: Vec::new(),
        audiences: o.objects("audiences", |_, o| audience(o, &memory)),
        products: product_rules::products(r, &o, retention)?,
        creatives: o.objects("creatives", |r, o| creative(r, o, &shop)),
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

fn check_lists<'t>(r: &Reader<'t>, o: &Object<'_, 't>) {
    r.ids(o.get("campaigns"));
    for (key, most) in [("creatives", CREATIVES_MAX), ("campaigns", CAMPAIGNS_PER_ADVERTISER_MAX)] {
        if let Some(node) = o.get(key).filter(|node| r.items(node).len() > most) {
            r.fault(node, format!("{} {key}", r.items(node).len()), format!("at most {most}"));
        }
    }
}

/// The instant of a wall time on the advertiser's clock.
pub(super) fn instant<'t>(r: &Reader<'t>, node: &Node<'t>, timezone: &TimeZone) -> Option<Millis> {
    let time = form::local_time(r.string(node)?)?;
    match timezone.to_ambiguous_zoned(time).compatible() {
        Ok(zoned) => Some(Millis(zoned.timestamp().as_millisecond())),
        Err(_) => r.refuse(node, "beyond the calendar", "write a nearer time"),
    }
}

fn timezone<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<(TimeZone, String)> {
    let name = r.string(node)?;
    Some((TimeZone::get(name).ok()?, name.to_owned()))
}

fn currency<'t>(r: &Reader<'t>, node: &Node<'t>, server: &Server) -> Option<Currency> {
    let currency = r.currency(node)?;
    if server.rates.conversion(currency, server.rates.base()).is_none() {
        r.fault(
            node,
            "no rate for this currency",
            "add it to `currencies.rates` of the server config",
        );
    }
    Some(currency)
}

/// What is sold, and in which taxonomy.
fn categories(o: &Object<'_, '_>) -> Option<(u32, Vec<String>)> {
    let cattax = o.integer("cattax")?;
    Some((cattax, o.list("categories", |r, n| category(r, n, cattax))))
}

/// In taxonomy 1 categories look like `IAB18-3`; others are numbers or longer codes.
fn category<'t>(r: &Reader<'t>, node: &Node<'t>, cattax: u32) -> Option<String> {
    let text = r.words(node)?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_first = |text: &str| text.strip_prefix("IAB").is_some_and(|rest| rest.splitn(2, '-').all(is_number));
    if cattax != 1 || is_first(&text) {
        return Some(text);
    }
    r.refuse(node, "not a category of taxonomy 1", "such as `IAB18-3`; for others set `cattax`")
}

fn feed<'t>(r: &Reader<'t>, o: &Object<'_, 't>) -> Option<FeedSource> {
    let path = o.path("path");
    if let (Some(path), Some(node)) = (&path, o.get("path"))
        && !path.is_file()
    {
        r.warn(node, "no such file", format!("looked for {}", path.display()));
    }
    let auth = o.object("auth").and_then(|auth| feed_auth(&auth));
    let url = o.read("url", Reader::plain);
    if let (Some(url), Some(node)) = (&url, o.get("url")) {
        check_feed_url(r, node, url, auth.is_some());
    }
    if let (Some(_), Some(node)) = (&path, o.get("auth")) {
        r.warn(node, "nobody is asked for a file", "give the feed's `url`, or leave `auth` out");
    }
    Some(FeedSource {
        path: path.unwrap_or_default(),
        url,
        auth,
        format: o.word("format", &FEED_FORMATS)?,
        refresh: o.span("refresh")?,
        id_prefixes: o.list("id_prefixes", Reader::words),
    })
}

/// Addresses are written into logs, so secrets have no place in them, nor on a line that others can read.
fn check_feed_url<'t>(r: &Reader<'t>, node: &Node<'t>, text: &str, has_auth: bool) {
    let Ok(url) = url::Url::parse(text) else { return };
    if !url.username().is_empty() || url.password().is_some() {
        r.fault(
            node,
            "a user or password in the address",
            "give `feed.auth` with `user` and `password_file`",
        );
    }
    if has_auth && url.scheme() == "http" {
        r.warn(node, "`auth` goes over the net in the clear", "give an https address");
    }
}

fn feed_auth(o: &Object<'_, '_>) -> Option<FeedAuth> {
    let file = |key| o.read(key, Reader::existing_file);
    let (password, value) = (file("password_file"), file("value_file"));
    Some(FeedAuth {
        header: o.text("header")?,
        user: o.read("user", Reader::plain).filter(|_| password.is_some()),
        file: password.or(value)?,
    })
}

fn landing(advertiser: &Object<'_, '_>, domain: &str) -> Option<Landing> {
    let o = advertiser.inner("landing");
    let mut domains = vec![domain.to_owned()];
    for host in o.list("domains", Reader::host) {
        if !domains.contains(&host) {
            domains.push(host);
        }
    }
    let append = o.read("append", Reader::plain)?;
    Some(Landing {
        append: append.trim_start_matches(['?', '&']).to_owned(),
        domains,
    })
}

fn origins(advertiser: &Object<'_, '_>, domain: &str) -> Vec<String> {
    let given = advertiser.read("origins", |r, n| r.list(n, |r, n| form::origin(r.string(n)?)));
    given.unwrap_or_else(|| vec![format!("https://{domain}")])
}

/// Percent as a ratio, exactly.
fn fee<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Ratio> {
    let percent = r.ratio(node)?;
    if percent.0 % 100 == 0 {
        return Some(Ratio(percent.0 / 100));
    }
    r.refuse(node, "more than seven decimals", "write a rounder percentage")
}

/// What is said for each of some exchanges; one that is not there is a fault.
pub(super) fn by_exchange<'n, 't: 'n, T>(
    r: &Reader<'t>,
    entries: Vec<&'n Entry<'t>>,
    exchanges: &[String],
    read: impl Fn(&Reader<'t>, &'n Node<'t>) -> Option<T>,
) -> Vec<(String, T)> {
    let mut said = Vec::new();
    for entry in entries {
        if !exchanges.contains(&entry.key) {
            let remedy = super::fault::suggest(&entry.key, exchanges.iter().map(String::as_str));
            r.fault(&entry.node, "no such exchange", remedy);
        }
        said.extend(read(r, &entry.node).map(|value| (entry.key.clone(), value)));
    }
    said
}

fn attribution<'t>(r: &Reader<'t>, advertiser: &Object<'_, 't>, retention: Span, hashes: &Hashes) -> Option<Attribution> {
    let o = advertiser.inner("attribution");
    Some(Attribution {
        goal: o.read("goal", |r, n| named_kind(r, n, hashes))?,
        click: remembered(r, &o, "click", retention)?,
        view: remembered(r, &o, "view", retention)?,
    })
}
