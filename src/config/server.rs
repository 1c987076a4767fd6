//! The server config, as used, and how `winback.json` is read (contract §2).
//!
//! Every path is made from the file's folder. Contents of key files are not kept here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::access::{self, TokenFile};
use super::exchange::exchange;
use super::fault::{Fault, sound};
use super::house::house;
use super::lines::{Entries, lines};
use super::links::check_length;
use super::node::{Node, parse};
use super::preset;
use super::reader::{Object, Reader};
use super::shape::form;
use super::shape::server::SERVER;
use crate::base::country::Country;
use crate::base::id::ExchangeNo;
use crate::base::limits::{CONFIG_BYTES_MAX, EXCHANGES_MAX};
use crate::base::money::{Currency, Money, Rates, Ratio};
use crate::base::time::Span;
use crate::model::eids::EidSources;
use crate::model::exchange::Exchange;
use crate::model::house::HouseBlock;
use crate::model::traffic::{InvalidTraffic, Ranges};
use crate::privacy::permission::{Policy, WhenUnknown};
use crate::privacy::vendor::Vendor;

/// The server config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it was read from.
    pub file: PathBuf,
    /// Where exchanges call.
    pub bid: SocketAddr,
    /// Where browsers and shops call.
    pub public: SocketAddr,
    /// How they reach it, without a slash at the end; see [`Server::url`].
    pub public_url: Option<String>,
    /// Where its people call.
    pub admin: SocketAddr,
    /// The file with the bearer token of the admin listener.
    pub token_file: PathBuf,
    /// Further tokens, by their roles.
    pub tokens: Vec<TokenFile>,
    /// The store's folder.
    pub data_dir: PathBuf,
    /// The folder of the keys that seal tokens.
    pub seal_keys_dir: PathBuf,
    /// The folder of advertiser files.
    pub advertisers: PathBuf,
    /// Exchange rates.
    pub rates: Rates,
    /// Exchanges, by number.
    pub exchanges: Vec<Exchange>,
    /// Permission.
    pub privacy: Privacy,
    /// What no advertiser may be shown on.
    pub house: House,
    /// Which ids of `user.eids` are looked at.
    pub eids: EidSources,
    /// What counts as invalid traffic.
    pub invalid_traffic: InvalidTraffic,
    /// Bounds.
    pub limits: Limits,
    /// When the store is written anew; `None` where it is only when asked for.
    pub compact: Option<Compact>,
    /// What is kept of requests, if anything.
    pub sampling: Option<Sampling>,
    /// Whose `X-Forwarded-*` is read.
    pub trusted_proxies: Vec<IpNet>,
    /// How feeds by address are fetched.
    pub feeds: Feeds,
}

impl Server {
    /// The address that URLs in ads and tags start with: `public.url`, else that of the listener.
    pub fn url(&self, bound: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{bound}"))
    }

    /// The exchange of an id.
    pub fn exchange(&self, id: &str) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.id == id)
    }
}

/// `privacy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// Who we are to the framework, and what law leaves to us.
    pub policy: Policy,
    /// How long anything about a user is kept.
    pub retention: Span,
}

/// `house`: what holds for all advertisers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct House {
    /// What none of them is shown on.
    pub block: HouseBlock,
    /// Where the AdChoices mark leads.
    pub ad_choices_url: Option<String>,
}

/// `limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory for users and matches, if limited.
    pub memory_mib: Option<u32>,
    /// A bid request's body.
    pub body_kib: u32,
    /// How long a fact waits for others before they are made durable together.
    pub commit_linger_ms: u32,
    /// Connections of the bid listener, and of the public one.
    pub connections: u32,
    /// How long a connection may say nothing between two requests.
    pub idle_s: u32,
    /// How long a request or an answer may stand still.
    pub stall_ms: u32,
}

/// `sampling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Of all requests.
    pub share: Ratio,
    /// Kept of one day at most.
    pub day_bytes: u64,
    /// Kept in all at most.
    pub total_bytes: u64,
}

/// `feeds`: how feeds by address are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feeds {
    /// Networks that may be reached though they are not public.
    pub allow: Vec<IpNet>,
    /// Authorities trusted beside those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// How long one may take.
    pub timeout: Span,
    /// How much one may have.
    pub max_mib: u32,
}

/// `compact`: a time of the day on a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compact {
    /// When.
    pub at: Time,
    /// On whose clock.
    pub timezone: TimeZone,
}

/// Reads a server config; what it returns beside it are warnings.
pub fn server(file: &Path) -> Result<(Server, Vec<Fault>), Vec<Fault>> {
    let (server, found) = draft_server(file);
    sound(server, &file.display().to_string(), found)
}

/// What can be made out of a server config even where it has faults, and all that is to be said of it:
/// for checking the files it names in the same run.
pub fn draft_server(file: &Path) -> (Option<Server>, Vec<Fault>) {
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => draft(&name, file.parent().unwrap_or(Path::new("")), &text),
        Err(e) => (None, vec![Fault::of_file(&name, 0, 0, format!("cannot be read: {e}"))]),
    }
}

/// Reads a server config from `text`, called `name`, with paths relative to `dir`.
pub fn server_from_text(name: &str, dir: &Path, text: &str) -> Result<(Server, Vec<Fault>), Vec<Fault>> {
    let (server, found) = draft(name, dir, text);
    sound(server, name, found)
}

fn draft(name: &str, dir: &Path, text: &str) -> (Option<Server>, Vec<Fault>) {
    let mut root = match document(name, text) {
        Ok(root) => root,
        Err(faults) => return (None, faults),
    };
    preset::lay_under(&mut root);
    let reader = Reader::new(name, dir, text.trim_start_matches('\u{feff}'));
    let server = read(&reader, &root);
    (server, reader.finish())
}

/// The tree of a file, or its one fault.
pub(super) fn document<'t>(name: &str, text: &'t str) -> Result<Node<'t>, Vec<Fault>> {
    if text.len() > CONFIG_BYTES_MAX {
        let problem = format!("{} bytes, more than the {CONFIG_BYTES_MAX} a config may have", text.len());
        return Err(vec![Fault::of_file(name, 0, 0, problem)]);
    }
    parse(text.trim_start_matches('\u{feff}')).map_err(|s| vec![Fault::of_file(name, s.line, s.column, s.problem)])
}

fn read<'t>(r: &Reader<'t>, root: &Node<'t>) -> Option<Server> {
    let o = r.open(root, &SERVER)?;
    let (bid, public, admin) = (o.inner("bid"), o.inner("public"), o.inner("admin"));
    let rates = rates(r, &o)?;
    let token_file = admin.path("token_file")?;
    let server = Server {
        file: r.file(),
        bid: bid.read("listen", listen)?,
        public: public.read("listen", listen)?,
        public_url: public.read("url", base_url),
        admin: admin.read("listen", listen)?,
        tokens: access::tokens(r, &admin, &token_file),
        token_file,
        data_dir: o.path("data_dir")?,
        seal_keys_dir: o.path("seal_keys_dir")?,
        advertisers: o.path("advertisers")?,
        exchanges: exchanges(r, &o, &rates),
        rates,
        privacy: privacy(r, &o)?,
        house: house(&o),
        eids: eids(&o)?,
        invalid_traffic: invalid_traffic(&o),
        limits: limits(&o)?,
        compact: compact(&o),
        sampling: sampling(&o),
        trusted_proxies: o.list("trusted_proxies", |r, n| form::network(r.string(n)?)),
        feeds: feeds(&o)?,
    };
    check_open_exchanges(r, &o, &server);
    Some(server)
}

fn listen<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<SocketAddr> {
    r.string(node)?.parse().ok()
}

/// A web address that paths are appended to.
fn base_url<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    Some(r.string(node)?.trim_end_matches('/').to_owned())
}

fn rates<'t>(r: &Reader<'t>, server: &Object<'_, 't>) -> Option<Rates> {
    let o = server.inner("currencies");
    let base = o.read("base", Reader::currency)?;
    let mut rates = Vec::new();
    for entry in o.map("rates") {
        let Some(currency) = Currency::parse(&entry.key).filter(|currency| currency.is_listed()) else {
            continue;
        };
        // A rate with a fault has been noted; its currency is known all the same.
        let rate = r.money(&entry.node).unwrap_or(Money::units(1));
        if currency == base && rate != Money::units(1) {
            r.fault(&entry.node, "the base currency's rate is 1", "leave it out");
        }
        if u64::try_from(rate.0).is_err() {
            r.fault(&entry.node, "too large a rate", "units of the currency for one unit of the base");
        }
        rates.push((currency, rate));
    }
    Some(Rates::new(base, rates))
}

fn exchanges<'t>(r: &Reader<'t>, o: &Object<'_, 't>, rates: &Rates) -> Vec<Exchange> {
    let public_url = o.inner("public").read("url", base_url).unwrap_or_default();
    let read = |no, item| {
        let o = o.item("exchanges", item)?;
        let exchange = exchange(r, &o, ExchangeNo(no), rates)?;
        check_length(r, &o, &public_url, &exchange);
        Some(exchange)
    };
    let Some(node) = o.get("exchanges") else {
        return Vec::new();
    };
    let items = r.items(node);
    if items.len() > EXCHANGES_MAX {
        r.fault(node, format!("{} exchanges", items.len()), format!("at most {EXCHANGES_MAX}"));
        return Vec::new();
    }
    r.ids(Some(node));
    (0u8..).zip(items).filter_map(|(no, item)| read(no, item)).collect()
}

fn privacy<'t>(r: &Reader<'t>, server: &Object<'_, 't>) -> Option<Privacy> {
    let o = server.inner("privacy");
    if o.get("gvl_vendor_id").is_none() {
        r.warn(
            o.written("gvl_vendor_id").unwrap_or(o.node),
            "without `gvl_vendor_id` every request under gdpr is no-bid `consent`",
            "register with IAB Europe and write your vendor id here",
        );
    }
    let vendor = vendor(&o);
    let policy = Policy {
        vendor,
        when_unknown: o.read("gdpr_when_unknown", |_, n| match n.raw {
            "true" => Some(WhenUnknown::Applies),
            "false" => Some(WhenUnknown::DoesNot),
            _ => Some(WhenUnknown::ByCountry),
        })?,
        ignore_dnt: o.word("dnt", &[("limit", false), ("ignore", true)])?,
        purpose_one_exempt: o.list("purpose_one_exempt", |r, n| Country::parse(r.string(n)?)),
    };
    Some(Privacy {
        policy,
        retention: retention(r, &o, vendor)?,
    })
}

/// Our row of the vendor list; by consent only where there is no list.
fn vendor(privacy: &Object<'_, '_>) -> Option<Vendor> {
    let id = privacy.integer("gvl_vendor_id").and_then(|id| u16::try_from(id).ok());
    let row = privacy.read("gvl_file", |r, n| {
        let list = std::fs::read(r.existing_file(n)?).map_err(|fault| fault.to_string());
        let row = list.and_then(|list| Vendor::of_list(id.unwrap_or(0), &list).map_err(|fault| fault.to_string()));
        row.map_or_else(|why| r.refuse(n, "no row of a vendor list", why), Some)
    });
    row.or_else(|| id.filter(|_| privacy.get("gvl_file").is_none()).map(Vendor::by_consent))
}

/// Never longer than we registered; by default as long as that, at most 90 days.
fn retention<'t>(r: &Reader<'t>, privacy: &Object<'_, 't>, vendor: Option<Vendor>) -> Option<Span> {
    let wanted = privacy.span("retention")?;
    let Some(days) = vendor.and_then(|vendor| vendor.retention_days) else {
        return Some(wanted);
    };
    let registered = Span::days(days);
    if let Some(node) = privacy.get("retention").filter(|_| wanted > registered) {
        let problem = "longer than the row of `gvl_vendor_id` in `gvl_file` says";
        return r.refuse(node, problem, format!("at most `{registered}`"));
    }
    Some(wanted.min(registered))
}

const NETWORKS: Entries = Entries {
    problem: "not a network",
    remedy: "one network a line, such as `203.0.113.0/24` or `2001:db8::/32`; comments after `#`",
};

fn eids(server: &Object<'_, '_>) -> Option<EidSources> {
    let o = server.inner("eids");
    Some(EidSources::new(o.list("sources", Reader::words), o.boolean("others")?))
}

/// `null` in place of a number is no such test, in place of the whole no test at all.
fn invalid_traffic(server: &Object<'_, '_>) -> InvalidTraffic {
    if server.written("invalid_traffic").is_some_and(Node::is_null) {
        return InvalidTraffic::default();
    }
    let o = server.inner("invalid_traffic");
    let figure = |key: &str| match o.written(key) {
        Some(node) if node.is_null() => None,
        _ => o.integer(key),
    };
    let ranges = o.read("ranges_file", |r, n| lines(r, n, &NETWORKS, form::network));
    InvalidTraffic {
        is_tested: true,
        events_per_min: figure("events_per_min"),
        items_per_day: figure("items_per_day"),
        bids_per_min: figure("bids_per_min"),
        users_per_foreign_id: figure("users_per_foreign_id"),
        ranges: Ranges::new(&ranges.unwrap_or_default()),
    }
}

fn limits(server: &Object<'_, '_>) -> Option<Limits> {
    let o = server.inner("limits");
    Some(Limits {
        memory_mib: o.integer("memory_mib"),
        body_kib: o.integer("body_kib")?,
        commit_linger_ms: o.integer("commit_linger_ms")?,
        connections: o.integer("connections")?,
        idle_s: o.integer("idle_s")?,
        stall_ms: o.integer("stall_ms")?,
    })
}

fn feeds(server: &Object<'_, '_>) -> Option<Feeds> {
    let o = server.inner("feeds");
    Some(Feeds {
        allow: o.list("allow", |r, n| form::network(r.string(n)?)),
        ca_file: o.read("ca_file", Reader::existing_file),
        timeout: o.span("timeout")?,
        max_mib: o.integer("max_mib")?,
    })
}

fn compact(server: &Object<'_, '_>) -> Option<Compact> {
    if server.written("compact").is_some_and(Node::is_null) {
        return None;
    }
    let o = server.inner("compact");
    Some(Compact {
        at: o.read("at", |r, n| form::clock(r.string(n)?))?,
        timezone: o.read("timezone", |r, n| TimeZone::get(r.string(n)?).ok())?,
    })
}

fn sampling(server: &Object<'_, '_>) -> Option<Sampling> {
    let o = server.object("sampling")?;
    let bytes = |key| Some(u64::from(o.integer(key)?) << 20);
    Some(Sampling {
        share: o.ratio("share")?,
        day_bytes: bytes("day_mib")?,
        total_bytes: bytes("total_mib")?,
    })
}

/// An open bid listener would let anybody spend budgets by asking.
fn check_open_exchanges<'t>(r: &Reader<'t>, o: &Object<'_, 't>, server: &Server) {
    if server.bid.ip().is_loopback() {
        return;
    }
    let listen = o.inner("bid").get("listen");
    for exchange in server.exchanges.iter().filter(|e| e.auth.is_none()) {
        r.fault(
            listen.unwrap_or(o.node),
            format!("not loopback, while exchange `{}` lets everybody in", exchange.id),
            "give that exchange `auth`, or listen on 127.0.0.1",
        );
    }
}
