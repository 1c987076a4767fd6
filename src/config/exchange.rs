//! An exchange of the server config, and how it is read (contract §2 `exchanges[]`).
//!
//! Keys of prices are read here, so that a file that holds none is a fault with its place; the header's key
//! is a path, for the server makes it.

use percent_encoding::utf8_percent_encode;

use super::links::forms;
use super::node::Node;
use super::reader::{Object, Reader};
use super::shape::form;
use crate::base::id::ExchangeNo;
use crate::base::limits::{HOLD_S_MAX, PRICE_KEYS_MAX};
use crate::base::money::{Currency, Rates};
use crate::base::winning_price::{self, KEY_BYTES, KeyPair};
use crate::model::exchange::{
    Auction, Auth, Billing, EXTENSIONS, Exchange, OMITTABLE, Price, PriceEncoding, SecondsBy, Sync, SyncParameters,
};
use crate::model::template::RESERVED;

const BILLING: [(&str, Billing); 3] = [
    ("burl", Billing::Burl),
    ("impression", Billing::Impression),
    ("nurl", Billing::Nurl),
];

pub(super) fn exchange<'t>(r: &Reader<'t>, o: &Object<'_, 't>, no: ExchangeNo, rates: &Rates) -> Option<Exchange> {
    let tmax_ms = o.integer("tmax_ms")?;
    let exp_s = exp_s(o)?;
    let notice_grace_s = o.integer("notice_grace_s")?;
    check_hold(r, o, &exp_s, notice_grace_s);
    let price = price(r, o, rates);
    let sync = sync(r, o);
    Some(Exchange {
        no,
        auth: auth(o),
        seat: o.text("seat"),
        tmax_ms,
        network_margin_ms: network_margin_ms(r, o, tmax_ms)?,
        test_only: o.boolean("test_only")?,
        max_qps: o.integer("max_qps"),
        auction: auction(o)?,
        billing: o.word("billing", &BILLING)?,
        price: price?,
        exp_s,
        notice_grace_s,
        cap_hold_s: cap_hold_s(o)?,
        links: forms(o),
        omit: o.list("omit", |r, n| r.word(n, &OMITTABLE.map(|field| (field, field)))),
        ext: o.list("ext", |r, n| r.word(n, &EXTENSIONS.map(|field| (field, field)))),
        billing_ids: o.list("billing_ids", billing_id),
        discrepancy: o.ratio("discrepancy")?,
        sync,
        id: o.read("id", Reader::plain)?,
    })
}

/// A billing id, which is digits.
pub(super) fn billing_id<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<i64> {
    r.string(node)?.parse().ok()
}

fn auth(exchange: &Object<'_, '_>) -> Auth {
    let o = exchange.inner("auth");
    let header = o.text("header");
    Auth {
        allow: o.list("allow", |r, n| form::network(r.string(n)?)),
        header: header.zip(o.path("value_file")),
    }
}

fn network_margin_ms<'t>(r: &Reader<'t>, o: &Object<'_, 't>, tmax_ms: u32) -> Option<u32> {
    let margin = o.integer("network_margin_ms")?;
    if margin >= tmax_ms {
        let node = o.get("network_margin_ms").or(o.get("tmax_ms")).unwrap_or(o.node);
        r.fault(
            node,
            format!("the network's {margin} ms leave nothing of {tmax_ms} ms"),
            "`network_margin_ms` must be below `tmax_ms`",
        );
    }
    Some(margin)
}

fn auction(exchange: &Object<'_, '_>) -> Option<Auction> {
    let o = exchange.inner("auction");
    Some(Auction {
        default_at: o.integer("default_at")?,
        shade: o.ratio("shade")?,
    })
}

fn price<'t>(r: &Reader<'t>, exchange: &Object<'_, 't>, rates: &Rates) -> Option<Price> {
    let o = exchange.inner("price");
    let currency = o.read("currency", Reader::currency);
    let is_rated = |currency: Currency| rates.conversion(currency, rates.base()).is_some();
    if let Some(node) = o.get("currency").filter(|_| !currency.is_none_or(is_rated)) {
        r.fault(node, "no rate for this currency", "add it to `currencies.rates`");
    }
    Some(Price {
        encoding: encoding(r, &o)?,
        scale: o.ratio("scale")?,
        currency,
    })
}

fn encoding<'t>(r: &Reader<'t>, o: &Object<'_, 't>) -> Option<PriceEncoding> {
    const FILES: [&str; 2] = ["encryption_key_file", "integrity_key_file"];
    let word = o.text("encoding")?;
    if word == "google" {
        // What is missing has been noted, and the exchange is known all the same.
        let [encryption, integrity] = FILES.map(|file| o.read(file, keys).unwrap_or_default());
        if let Some(node) = o.get(FILES[1]).filter(|_| encryption.len() != integrity.len()) {
            r.fault(
                node,
                format!("{} keys, where `{}` holds {}", integrity.len(), FILES[0], encryption.len()),
                "the keys of one account stand on the same line",
            );
        }
        let pairs = encryption.into_iter().zip(integrity);
        return Some(PriceEncoding::Google(
            pairs.map(|(encryption, integrity)| KeyPair { encryption, integrity }).collect(),
        ));
    }
    for node in FILES.iter().filter_map(|file| o.get(file)) {
        r.fault(node, "not used by this encoding", "set `encoding` to `google`, or leave it out");
    }
    Some(if word == "base64" {
        PriceEncoding::Base64
    } else {
        PriceEncoding::Plain
    })
}

/// The keys of a file, the current one first. What it holds is never told.
fn keys<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Vec<[u8; KEY_BYTES]>> {
    let path = r.existing_file(node)?;
    let Ok(text) = std::fs::read_to_string(&path) else {
        return r.refuse(node, "the file cannot be read", "it holds a key in base64");
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let keys: Option<Vec<_>> = lines.map(winning_price::key).collect();
    let keys = keys.filter(|keys| (1..=PRICE_KEYS_MAX).contains(&keys.len()));
    keys.or_else(|| {
        r.refuse(
            node,
            "the file holds no price keys",
            "32 bytes in base64 as the account's page shows them; the former key may stand on a second line",
        )
    })
}

/// Seconds by what is shown and where: banner, native, video, app.
fn by_shape(exchange: &Object<'_, '_>, key: &str) -> Option<[u32; 4]> {
    let o = exchange.inner(key);
    Some([o.integer("banner")?, o.integer("native")?, o.integer("video")?, o.integer("app")?])
}

fn exp_s(exchange: &Object<'_, '_>) -> Option<SecondsBy> {
    let [banner, native, video, app] = by_shape(exchange, "exp_s")?;
    Some(SecondsBy {
        banner,
        native,
        video,
        app,
    })
}

fn cap_hold_s(exchange: &Object<'_, '_>) -> Option<SecondsBy> {
    let [banner, native, video, app] = by_shape(exchange, "cap_hold_s")?;
    Some(SecondsBy {
        banner,
        native,
        video,
        app,
    })
}

/// A hold must not outlive the ring that sums it.
fn check_hold<'t>(r: &Reader<'t>, o: &Object<'_, 't>, exp_s: &SecondsBy, grace_s: u32) {
    let longest = exp_s.banner.max(exp_s.native).max(exp_s.video).max(exp_s.app);
    if longest.saturating_add(grace_s) > HOLD_S_MAX {
        let node = o.get("exp_s").or(o.get("notice_grace_s")).unwrap_or(o.node);
        r.fault(
            node,
            format!("a budget hold of {longest} s and {grace_s} s of notice grace is too long"),
            format!("together at most {HOLD_S_MAX} s"),
        );
    }
}

fn sync<'t>(r: &Reader<'t>, exchange: &Object<'_, 't>) -> Option<Sync> {
    let o = exchange.object("sync")?;
    let parameters = o.inner("parameters");
    Some(Sync {
        push_url: push_url(r, &o),
        redirect_hosts: o.list("redirect_hosts", Reader::host),
        ttl: o.span("ttl")?,
        parameters: SyncParameters {
            uid: parameters.text("uid")?,
            version: parameters.text("version"),
            error: parameters.text("error"),
            echo: parameters.text("echo"),
        },
        uid_macro: o.text("uid_macro"),
    })
}

/// With our account there filled in. One that wants an account leads nowhere before it has it.
fn push_url<'t>(r: &Reader<'t>, sync: &Object<'_, 't>) -> Option<String> {
    let url = sync.read("push_url", Reader::plain)?;
    if !url.contains("{account}") {
        return Some(url);
    }
    let account = sync.text("account");
    if account.is_none() {
        r.warn(
            sync.get("push_url").unwrap_or(sync.node),
            "no browser is sent there, so nobody is matched by it: `account` is missing",
            "add to `sync` what the exchange calls you, or set `push_url` to `null`",
        );
    }
    Some(url.replace("{account}", &utf8_percent_encode(&account?, RESERVED).to_string()))
}
