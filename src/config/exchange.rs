//! An exchange of the server config, and how it is read (contract §2 `exchanges[]`).
//!
//! Key files are paths here; their contents are read by who uses them.

use ipnet::IpNet;

use super::node::Node;
use super::reader::{Object, Reader};
use crate::base::id::ExchangeNo;
use crate::base::limits::HOLD_S_MAX;
use crate::base::money::{Currency, Rates, Ratio};
use crate::base::time::Span;
use crate::model::exchange::{Auction, Auth, Billing, CapHoldS, Exchange, ExpS, Price, PriceEncoding, Sync};

const KEYS: [&str; 15] = [
    "id",
    "auth",
    "seat",
    "tmax_ms",
    "network_margin_ms",
    "max_qps",
    "auction",
    "billing",
    "price",
    "exp_s",
    "notice_grace_s",
    "cap_hold_s",
    "click_macro",
    "discrepancy",
    "sync",
];

const BILLING: [(&str, Billing); 3] = [
    ("burl", Billing::Burl),
    ("impression", Billing::Impression),
    ("nurl", Billing::Nurl),
];

const TMAX_MS_MAX: u32 = 10_000;
const SCALE_MAX: Ratio = Ratio(1_000_000 * Ratio::ONE.0);
const SHADE_DEFAULT: Ratio = Ratio(Ratio::ONE.0 / 10 * 8);

pub(super) fn exchange<'t>(r: &Reader<'t>, node: &Node<'t>, no: ExchangeNo, rates: &Rates) -> Option<Exchange> {
    let o = r.object(node, &KEYS)?;
    let id = o.required("id", Reader::id);
    let tmax_ms = o.or("tmax_ms", 120, |r, n| r.integer(n, 5, TMAX_MS_MAX));
    let exp_s = exp_s(&o);
    let notice_grace_s = o.or("notice_grace_s", 60, |r, n| r.integer(n, 0, HOLD_S_MAX));
    check_hold(r, &o, &exp_s, notice_grace_s);
    Some(Exchange {
        no,
        auth: auth(r, &o),
        seat: o.optional("seat", Reader::text),
        tmax_ms,
        network_margin_ms: network_margin_ms(r, &o, tmax_ms),
        max_qps: o.optional("max_qps", |r, n| r.integer(n, 1, 10_000_000)),
        auction: auction(&o),
        billing: o.or("billing", Billing::Burl, |r, n| r.word(n, &BILLING)),
        price: price(r, &o, rates),
        exp_s,
        notice_grace_s,
        cap_hold_s: cap_hold_s(&o),
        click_macro: o.optional("click_macro", Reader::text),
        discrepancy: o.or("discrepancy", Ratio(0), |r, n| r.ratio(n, Ratio(0), Ratio::ONE)),
        sync: sync(r, &o),
        id: id?,
    })
}

fn auth<'t>(r: &Reader<'t>, exchange: &Object<'_, 't>) -> Auth {
    exchange.inner("auth", &["allow", "header", "value_file"], |o| {
        let Some(o) = o else { return Auth::default() };
        let header = o.optional("header", header_name);
        let value_file = o.optional("value_file", Reader::path);
        if o.has("header") != o.has("value_file") {
            r.fault(o.node, "`header` and `value_file` go together", "give both or neither");
        }
        Auth {
            allow: o.list("allow", network),
            header: header.zip(value_file),
        }
    })
}

fn header_name<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    let text = r.text(node)?;
    match hyper::header::HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Some(text),
        Err(_) => r.refuse(node, "not a header name", "such as `X-Exchange-Key`"),
    }
}

/// A network, or a single address.
pub(super) fn network<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<IpNet> {
    let text = r.text(node)?;
    let network = text.parse().ok();
    match network.or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into())) {
        Some(network) => Some(network),
        None => r.refuse(node, "not a network", "such as `192.0.2.0/24` or `2001:db8::/32`"),
    }
}

fn network_margin_ms<'t>(r: &Reader<'t>, o: &Object<'_, 't>, tmax_ms: u32) -> u32 {
    let margin = o.or("network_margin_ms", 20, |r, n| r.integer(n, 0, TMAX_MS_MAX));
    if margin >= tmax_ms {
        let node = o.get("network_margin_ms").or(o.get("tmax_ms")).unwrap_or(o.node);
        r.fault(
            node,
            format!("the network's {margin} ms leave nothing of {tmax_ms} ms"),
            "`network_margin_ms` must be below `tmax_ms`",
        );
    }
    margin
}

fn auction(exchange: &Object<'_, '_>) -> Auction {
    exchange.inner("auction", &["default_at", "shade"], |o| Auction {
        default_at: o.map_or(1, |o| o.or("default_at", 1, |r, n| r.integer(n, 1, 2))),
        shade: o.map_or(SHADE_DEFAULT, |o| {
            o.or("shade", SHADE_DEFAULT, |r, n| r.ratio(n, Ratio(1), Ratio::ONE))
        }),
    })
}

fn price<'t>(r: &Reader<'t>, exchange: &Object<'_, 't>, rates: &Rates) -> Price {
    let keys = ["encoding", "encryption_key_file", "integrity_key_file", "scale", "currency"];
    exchange.inner("price", &keys, |o| {
        let Some(o) = o else {
            return Price {
                encoding: PriceEncoding::Plain,
                scale: Ratio::ONE,
                currency: None,
            };
        };
        let currency = o.optional("currency", Reader::currency);
        let is_rated = |currency: Currency| rates.conversion(currency, rates.base()).is_some();
        if let Some(node) = o.get("currency").filter(|_| !currency.is_none_or(is_rated)) {
            r.fault(node, "no rate for this currency", "add it to `currencies.rates`");
        }
        Price {
            encoding: encoding(r, o),
            scale: o.or("scale", Ratio::ONE, |r, n| r.ratio(n, Ratio(1), SCALE_MAX)),
            currency,
        }
    })
}

fn encoding<'t>(r: &Reader<'t>, o: &Object<'_, 't>) -> PriceEncoding {
    let is_google = o.or("encoding", false, |r, n| r.word(n, &[("plain", false), ("google", true)]));
    if !is_google {
        for key in ["encryption_key_file", "integrity_key_file"] {
            if let Some(node) = o.get(key) {
                r.fault(node, "not used by this encoding", "set `encoding` to `google`, or leave it out");
            }
        }
        return PriceEncoding::Plain;
    }
    if let Some(node) = o.get("encoding") {
        r.warn_unused(node, "encrypted prices count as the bid times the median share paid");
    }
    PriceEncoding::Google {
        encryption_key_file: o.required("encryption_key_file", Reader::existing_file).unwrap_or_default(),
        integrity_key_file: o.required("integrity_key_file", Reader::existing_file).unwrap_or_default(),
    }
}

const SHAPES: [&str; 4] = ["banner", "native", "video", "app"];

/// Four figures by what is shown and where.
fn by_shape(exchange: &Object<'_, '_>, key: &str, defaults: [u32; 4], least: u32, most: u32) -> [u32; 4] {
    exchange.inner(key, &SHAPES, |o| {
        let Some(o) = o else { return defaults };
        let mut figures = defaults;
        for (figure, shape) in figures.iter_mut().zip(SHAPES) {
            *figure = o.or(shape, *figure, |r, n| r.integer(n, least, most));
        }
        figures
    })
}

fn exp_s(exchange: &Object<'_, '_>) -> ExpS {
    let [banner, native, video, app] = by_shape(exchange, "exp_s", [300, 300, 900, 1800], 1, HOLD_S_MAX);
    ExpS {
        banner,
        native,
        video,
        app,
    }
}

fn cap_hold_s(exchange: &Object<'_, '_>) -> CapHoldS {
    let [banner, native, video, app] = by_shape(exchange, "cap_hold_s", [5, 5, 60, 30], 0, 3_600);
    CapHoldS {
        banner,
        native,
        video,
        app,
    }
}

/// A hold must not outlive the ring that sums it.
fn check_hold<'t>(r: &Reader<'t>, o: &Object<'_, 't>, exp_s: &ExpS, grace_s: u32) {
    let longest = exp_s.banner.max(exp_s.native).max(exp_s.video).max(exp_s.app);
    if longest + grace_s > HOLD_S_MAX {
        let node = o.get("exp_s").or(o.get("notice_grace_s")).unwrap_or(o.node);
        r.fault(
            node,
            format!("a budget hold of {longest} s and {grace_s} s of notice grace is too long"),
            format!("together at most {HOLD_S_MAX} s"),
        );
    }
}

fn sync<'t>(r: &Reader<'t>, exchange: &Object<'_, 't>) -> Option<Sync> {
    let node = exchange.get("sync")?;
    let o = r.object(node, &["push_url", "redirect_hosts", "ttl"])?;
    Some(Sync {
        push_url: o.optional("push_url", push_url),
        redirect_hosts: o.list("redirect_hosts", Reader::host),
        ttl: o.or("ttl", Span::days(30), Reader::span),
    })
}

fn push_url<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    let url = r.url(node)?;
    if url.contains("{uid}") {
        return Some(url);
    }
    r.refuse(node, "does not carry our id", "put `{uid}` where the exchange expects it")
}
