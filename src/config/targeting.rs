//! Targeting and the conditions of bid adjustments (contract §3 `targeting`, `when`).
//!
//! Texts come out lower case and trimmed, as the decision compares them.

use super::hours::hours;
use super::node::Node;
use super::reader::{Object, Reader};
use crate::base::country::Country;
use crate::base::id::ExchangeNo;
use crate::base::time::Span;
use crate::model::targeting::{Adjustment, Choice, Deals, Device, Format, Targeting};

const DEVICES: [(&str, Device); 5] = [
    ("mobile", Device::Mobile),
    ("tablet", Device::Tablet),
    ("desktop", Device::Desktop),
    ("tv", Device::Tv),
    ("other", Device::Other),
];

/// The formats of creatives and targeting.
pub(super) const FORMATS: [(&str, Format); 4] = [
    ("banner", Format::Banner),
    ("native", Format::Native),
    ("video", Format::Video),
    ("audio", Format::Audio),
];

/// What a campaign's targeting may name.
pub(super) struct Names<'a> {
    /// Ids of the server's exchanges, by number.
    pub exchanges: &'a [String],
    /// How long a user is remembered.
    pub retention: Span,
}

/// `bid_adjustments[]`.
pub(super) fn adjustment<'t>(r: &Reader<'t>, o: &Object<'_, 't>, names: &Names<'_>) -> Option<Adjustment> {
    let when = o.object("when")?;
    let within = given_span(r, &when, "within", names.retention);
    let older_than = given_span(r, &when, "older_than", names.retention);
    if within.zip(older_than).is_some_and(|(within, older)| older >= within) {
        r.fault(when.node, "`older_than` is not below `within`: it can never hold", "");
    }
    let (shown_min, shown_max) = (when.integer("shown_min"), when.integer("shown_max"));
    if shown_min.zip(shown_max).is_some_and(|(min, max)| min > max) {
        r.fault(when.node, "`shown_min` is above `shown_max`: it can never hold", "");
    }
    Some(Adjustment {
        targeting: targeting(r, &when, names)?,
        within,
        older_than,
        shown_min,
        shown_max,
        multiplier: o.ratio("bid_multiplier")?,
    })
}

/// A span within which a user is still remembered; retention where it is not given, or where its
/// default is longer.
pub(super) fn remembered<'t>(r: &Reader<'t>, o: &Object<'_, 't>, key: &str, retention: Span) -> Option<Span> {
    let span = o.span(key).unwrap_or(retention);
    match o.get(key) {
        Some(node) if span > retention => r.refuse(
            node,
            "the record cannot remember that long",
            format!("at most `{retention}`, the server's `privacy.retention`"),
        ),
        _ => Some(span.min(retention)),
    }
}

/// The same, `None` where it is not given.
pub(super) fn given_span<'t>(r: &Reader<'t>, o: &Object<'_, 't>, key: &str, retention: Span) -> Option<Span> {
    o.get(key).and_then(|_| remembered(r, o, key, retention))
}

/// `targeting`, and that of `when`.
pub(super) fn targeting<'t>(r: &Reader<'t>, o: &Object<'_, 't>, names: &Names<'_>) -> Option<Targeting> {
    let exchange = |r: &Reader<'t>, n: &Node<'t>| {
        let place = r.reference(n, "exchange", names.exchanges)?;
        u8::try_from(place).ok().map(ExchangeNo)
    };
    Some(Targeting {
        countries: choice(o, "countries", |r, n| Country::parse(r.string(n)?)),
        regions: choice(o, "regions", Reader::lower),
        cities: choice(o, "cities", Reader::lower),
        devices: choice(o, "devices", |r, n| r.word(n, &DEVICES)),
        os: choice(o, "os", Reader::lower),
        browsers: choice(o, "browsers", Reader::lower),
        languages: choice(o, "languages", Reader::lower),
        domains: choice(o, "domains", Reader::host),
        apps: choice(o, "apps", Reader::lower),
        categories: choice(o, "categories", Reader::lower),
        sellers: choice(o, "sellers", Reader::lower),
        exchanges: choice(o, "exchanges", exchange),
        formats: choice(o, "formats", |r, n| r.word(n, &FORMATS)),
        hours: hours(o),
        deals: deals(r, o)?,
    })
}

/// A list, or `{include, exclude}`.
fn choice<'t, T>(o: &Object<'_, 't>, key: &str, read: impl Fn(&Reader<'t>, &Node<'t>) -> Option<T>) -> Choice<T> {
    match o.object(key) {
        Some(o) => Choice::new(o.read("include", |r, n| r.list(n, &read)), o.list("exclude", &read)),
        None => Choice::new(o.read(key, |r, n| r.list(n, &read)), Vec::new()),
    }
}

fn deals<'t>(r: &Reader<'t>, targeting: &Object<'_, 't>) -> Option<Deals> {
    let o = targeting.inner("deals");
    let deals = Deals {
        ids: o.list("ids", Reader::words),
        open_market: o.boolean("open_market")?,
    };
    if deals.ids.is_empty() && !deals.open_market {
        r.fault(
            o.node,
            "neither deals nor the open market: it can never bid",
            "name `ids`, or set `open_market`",
        );
    }
    Some(deals)
}
