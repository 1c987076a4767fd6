//! The server config, as used, and how `winback.json` is read (contract §2).
//!
//! Every path is made from the file's folder. Contents of key files are not kept here.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::exchange::{exchange, network};
use super::fault::Fault;
use super::house::house;
use super::node::{Node, parse};
use super::reader::{Object, Reader};
use crate::base::id::ExchangeNo;
use crate::base::limits::{BODY_BYTES_MAX, CONFIG_BYTES_MAX, EXCHANGES_MAX};
use crate::base::money::{Currency, Money, Rates};
use crate::base::time::Span;
use crate::model::exchange::Exchange;
use crate::model::house::HouseBlock;

/// The server config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
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
    /// What counts as invalid traffic; `None` where it is not looked for.
    pub invalid_traffic: Option<InvalidTraffic>,
    /// Bounds.
    pub limits: Limits,
    /// Whose `X-Forwarded-*` is read.
    pub trusted_proxies: Vec<IpNet>,
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
    /// Our id on IAB Europe's Global Vendor List.
    pub gvl_vendor_id: Option<u16>,
    /// A copy of that list.
    pub gvl_file: Option<PathBuf>,
    /// Whether GDPR applies to a request that does not say.
    pub gdpr_when_unknown: GdprWhenUnknown,
    /// How long anything about a user is kept.
    pub retention: Span,
}

/// `gdpr_when_unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GdprWhenUnknown {
    /// It applies.
    True,
    /// It does not.
    False,
    /// In the EEA, the UK and Switzerland, and where no country is known.
    ByCountry,
}

/// `house`: what holds for all advertisers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct House {
    /// What none of them is shown on.
    pub block: HouseBlock,
    /// Where the AdChoices mark leads.
    pub ad_choices_url: Option<String>,
}

/// `invalid_traffic`; `None` in a field is no such test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTraffic {
    /// Events of a user in a minute.
    pub events_per_min: Option<u32>,
    /// Items of a user in a day.
    pub items_per_day: Option<u32>,
    /// Bid requests of a user in a minute.
    pub bids_per_min: Option<u32>,
    /// Users that one foreign id is matched to.
    pub users_per_foreign_id: Option<u32>,
    /// Networks of data centres, one a line.
    pub ranges_file: Option<PathBuf>,
}

/// `limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory for users and matches, if limited.
    pub memory_mib: Option<u32>,
    /// A bid request's body.
    pub body_kib: u32,
}

const KEYS: [&str; 13] = [
    "bid",
    "public",
    "admin",
    "data_dir",
    "seal_keys_dir",
    "advertisers",
    "currencies",
    "exchanges",
    "privacy",
    "house",
    "invalid_traffic",
    "limits",
    "trusted_proxies",
];

/// Reads a server config; what it returns beside it are warnings.
pub fn server(file: &Path) -> Result<(Server, Vec<Fault>), Vec<Fault>> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| vec![Fault::of_file(&name, 0, 0, format!("cannot be read: {e}"))])?;
    server_from_text(&name, file.parent().unwrap_or(Path::new("")), &text)
}

/// Reads a server config from `text`, called `name`, with paths relative to `dir`.
pub fn server_from_text(name: &str, dir: &Path, text: &str) -> Result<(Server, Vec<Fault>), Vec<Fault>> {
    let root = document(name, text)?;
    let reader = Reader::new(name, dir, text.trim_start_matches('\u{feff}'));
    let server = read(&reader, &root, dir);
    let warnings = reader.finish()?;
    // Nothing to blame, yet nothing read: cannot be, but must not pass for a config.
    let server = server.ok_or_else(|| vec![Fault::of_file(name, 0, 0, "not a config")])?;
    Ok((server, warnings))
}

/// The tree of a file, or its one fault.
pub(super) fn document<'t>(name: &str, text: &'t str) -> Result<Node<'t>, Vec<Fault>> {
    if text.len() > CONFIG_BYTES_MAX {
        let problem = format!("{} bytes, more than the {CONFIG_BYTES_MAX} a config may have", text.len());
        return Err(vec![Fault::of_file(name, 0, 0, problem)]);
    }
    parse(text.trim_start_matches('\u{feff}')).map_err(|s| vec![Fault::of_file(name, s.line, s.column, s.problem)])
}

fn read<'t>(r: &Reader<'t>, root: &Node<'t>, dir: &Path) -> Option<Server> {
    let o = r.object(root, &KEYS)?;
    let (public, public_url) = o.inner("public", &["listen", "url"], |o| {
        (listen(o, 8081), o.and_then(|o| o.optional("url", base_url)))
    });
    let (admin, token_file) = o.inner("admin", &["listen", "token_file"], |o| {
        let default = dir.join("admin-token");
        let token_file = o.and_then(|o| o.optional("token_file", Reader::path)).unwrap_or(default);
        (listen(o, 9090), token_file)
    });
    let rates = rates(r, &o);
    let server = Server {
        bid: o.inner("bid", &["listen"], |o| listen(o, 8080)),
        public,
        public_url,
        admin,
        token_file,
        data_dir: o.or("data_dir", dir.join("data"), Reader::path),
        seal_keys_dir: o.or("seal_keys_dir", dir.join("seal-keys"), Reader::path),
        advertisers: o.or("advertisers", dir.join("advertisers"), Reader::path),
        exchanges: exchanges(r, &o, &rates),
        rates,
        privacy: privacy(r, &o),
        house: house(&o),
        invalid_traffic: invalid_traffic(r, &o),
        limits: limits(&o),
        trusted_proxies: o.list("trusted_proxies", network),
    };
    check_open_exchanges(r, &o, &server);
    Some(server)
}

fn listen(o: Option<&Object<'_, '_>>, port: u16) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    o.map_or(default, |o| {
        o.or("listen", default, |r, n| match r.text(n)?.parse() {
            Ok(address) => Some(address),
            Err(_) => r.refuse(n, "not an address with a port", format!("such as `127.0.0.1:{port}`")),
        })
    })
}

/// A web address that paths are appended to.
fn base_url<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    let url = r.url(node)?;
    if url.contains(['?', '#']) {
        return r.refuse(
            node,
            "paths cannot be appended to it",
            "without `?` and `#`, such as `https://ads.example.com`",
        );
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn rates<'t>(r: &Reader<'t>, o: &Object<'_, 't>) -> Rates {
    o.inner("currencies", &["base", "rates"], |o| {
        let Some(o) = o else {
            return Rates::new(Currency::USD, []);
        };
        let base = o.or("base", Currency::USD, Reader::currency);
        let mut rates = Vec::new();
        let Some(table) = o.get("rates").and_then(|node| r.map(node)) else {
            return Rates::new(base, []);
        };
        for entry in table.entries() {
            let currency = Currency::parse(&entry.key).filter(|c| c.is_listed() && entry.key == c.as_str());
            let Some(currency) = currency else {
                r.fault(&entry.node, "the key is not a currency", "an ISO 4217 code such as `EUR`");
                continue;
            };
            let Some(rate) = r.money(&entry.node) else { continue };
            if currency == base && rate != Money::units(1) {
                r.fault(&entry.node, "the base currency's rate is 1", "leave it out");
            }
            if u64::try_from(rate.0).is_err() {
                r.fault(&entry.node, "too large a rate", "units of the currency for one unit of the base");
            }
            rates.push((currency, rate));
        }
        Rates::new(base, rates)
    })
}

fn exchanges<'t>(r: &Reader<'t>, o: &Object<'_, 't>, rates: &Rates) -> Vec<Exchange> {
    let Some(node) = o.get("exchanges") else {
        return Vec::new();
    };
    let items = r.items(node).unwrap_or_default();
    if items.len() > EXCHANGES_MAX {
        r.fault(node, format!("{} exchanges", items.len()), format!("at most {EXCHANGES_MAX}"));
        return Vec::new();
    }
    r.ids(Some(node));
    (0u8..)
        .zip(items)
        .filter_map(|(no, item)| exchange(r, item, ExchangeNo(no), rates))
        .collect()
}

fn privacy<'t>(r: &Reader<'t>, server: &Object<'_, 't>) -> Privacy {
    let keys = ["gvl_vendor_id", "gvl_file", "gdpr_when_unknown", "retention"];
    server.inner("privacy", &keys, |o| {
        let retention = o.map_or(Span::days(90), |o| o.or("retention", Span::days(90), retention));
        let privacy = Privacy {
            gvl_vendor_id: o
                .and_then(|o| o.optional("gvl_vendor_id", |r, n| r.integer(n, 1, 65_535)))
                .and_then(|id| u16::try_from(id).ok()),
            gvl_file: o.and_then(|o| o.optional("gvl_file", Reader::existing_file)),
            gdpr_when_unknown: o.map_or(GdprWhenUnknown::ByCountry, |o| {
                o.or("gdpr_when_unknown", GdprWhenUnknown::ByCountry, gdpr_when_unknown)
            }),
            retention,
        };
        if o.is_none_or(|o| o.get("gvl_vendor_id").is_none()) {
            let node = o.and_then(|o| o.written("gvl_vendor_id")).or(o.map(|o| o.node));
            r.warn(
                node.unwrap_or(server.node),
                "without `gvl_vendor_id` every request under gdpr is no-bid `consent`",
                "register with IAB Europe and write your vendor id here",
            );
        }
        privacy
    })
}

fn retention<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Span> {
    let span = r.span(node)?;
    if (Span::DAY..=Span::days(400)).contains(&span) {
        return Some(span);
    }
    r.refuse(node, "out of range", "from 1d to 400d")
}

fn gdpr_when_unknown<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<GdprWhenUnknown> {
    match node.raw {
        "true" => Some(GdprWhenUnknown::True),
        "false" => Some(GdprWhenUnknown::False),
        "\"by_country\"" => Some(GdprWhenUnknown::ByCountry),
        _ => r.refuse(node, "unknown value", "`true`, `false` or `\"by_country\"`"),
    }
}

fn invalid_traffic<'t>(r: &Reader<'t>, server: &Object<'_, 't>) -> Option<InvalidTraffic> {
    let keys = [
        "events_per_min",
        "items_per_day",
        "bids_per_min",
        "users_per_foreign_id",
        "ranges_file",
    ];
    let o = match server.written("invalid_traffic") {
        Some(node) if node.is_null() => return None,
        Some(node) => {
            r.warn_unused(node, "no user is taken for a machine");
            r.object(node, &keys)
        }
        None => None,
    };
    let figure = |key: &str, default: u32| match o.as_ref().and_then(|o| o.written(key)) {
        Some(node) if node.is_null() => None,
        Some(node) => r.integer(node, 1, 1_000_000),
        None => Some(default),
    };
    Some(InvalidTraffic {
        events_per_min: figure("events_per_min", 60),
        items_per_day: figure("items_per_day", 300),
        bids_per_min: figure("bids_per_min", 20),
        users_per_foreign_id: figure("users_per_foreign_id", 5),
        ranges_file: o.as_ref().and_then(|o| o.optional("ranges_file", Reader::existing_file)),
    })
}

fn limits(server: &Object<'_, '_>) -> Limits {
    let body_kib_max = u32::try_from(BODY_BYTES_MAX / 1024).unwrap_or(u32::MAX);
    server.inner("limits", &["memory_mib", "body_kib"], |o| Limits {
        memory_mib: o.and_then(|o| o.optional("memory_mib", |r, n| r.integer(n, 64, u32::MAX))),
        body_kib: o.map_or(body_kib_max, |o| {
            o.or("body_kib", body_kib_max, |r, n| r.integer(n, 1, body_kib_max))
        }),
    })
}

/// An open bid listener would let anybody spend budgets by asking.
fn check_open_exchanges<'t>(r: &Reader<'t>, o: &Object<'_, 't>, server: &Server) {
    if server.bid.ip().is_loopback() {
        return;
    }
    let listen = o.get("bid").and_then(|node| r.map(node)).and_then(|bid| bid.get("listen"));
    for exchange in server.exchanges.iter().filter(|e| e.auth.is_none()) {
        r.fault(
            listen.unwrap_or(o.node),
            format!("not loopback, while exchange `{}` lets everybody in", exchange.id),
            "give that exchange `auth`, or listen on 127.0.0.1",
        );
    }
}
