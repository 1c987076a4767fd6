//! Targeting and the conditions of bid adjustments (contract §3 `targeting`, `when`).
//!
//! Texts come out lower case and trimmed, as the decision compares them.

use super::hours::hours;
use super::node::{Node, Value};
use super::reader::{Object, Reader};
use crate::base::country::Country;
use crate::base::id::ExchangeNo;
use crate::base::limits::EXPOSURES_MAX;
use crate::base::money::Ratio;
use crate::base::time::Span;
use crate::model::targeting::{Adjustment, Choice, Deals, Device, Format, Targeting};

const KEYS: [&str; 15] = [
    "countries",
    "regions",
    "cities",
    "devices",
    "os",
    "browsers",
    "languages",
    "domains",
    "apps",
    "categories",
    "sellers",
    "exchanges",
    "formats",
    "hours",
    "deals",
];

const WHEN_KEYS: [&str; 4] = ["within", "older_than", "shown_min", "shown_max"];

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

/// Multipliers beyond this are slips of the pen.
const MULTIPLIER_MAX: Ratio = Ratio(100 * Ratio::ONE.0);

/// What a campaign's targeting may name.
pub(super) struct Names<'a> {
    /// Ids of the server's exchanges, by number.
    pub exchanges: &'a [String],
    /// How long a user is remembered.
    pub retention: Span,
}

/// `targeting`.
pub(super) fn targeting<'t>(r: &Reader<'t>, node: &Node<'t>, names: &Names<'_>) -> Option<Targeting> {
    let o = r.object(node, &KEYS)?;
    Some(conditions(r, &o, names))
}

/// `bid_multiplier`.
pub(super) fn multiplier<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Ratio> {
    r.ratio(node, Ratio(0), MULTIPLIER_MAX)
}

/// `bid_adjustments[]`.
pub(super) fn adjustment<'t>(r: &Reader<'t>, node: &Node<'t>, names: &Names<'_>) -> Option<Adjustment> {
    let o = r.object(node, &["when", "bid_multiplier"])?;
    let multiplier = o.required("bid_multiplier", multiplier);
    let keys: Vec<&'static str> = KEYS.into_iter().chain(WHEN_KEYS).collect();
    let when = r.object(o.must("when")?, &keys)?;
    let within = when.optional("within", |r, n| remembered(r, n, names.retention));
    let older_than = when.optional("older_than", |r, n| remembered(r, n, names.retention));
    if within.zip(older_than).is_some_and(|(within, older)| older >= within) {
        r.fault(when.node, "`older_than` is not below `within`: it can never hold", "");
    }
    let most = u32::try_from(EXPOSURES_MAX).unwrap_or(u32::MAX);
    let shown_min = when.optional("shown_min", |r, n| r.integer(n, 0, most));
    let shown_max = when.optional("shown_max", |r, n| r.integer(n, 0, most));
    if shown_min.zip(shown_max).is_some_and(|(min, max)| min > max) {
        r.fault(when.node, "`shown_min` is above `shown_max`: it can never hold", "");
    }
    Some(Adjustment {
        targeting: conditions(r, &when, names),
        within,
        older_than,
        shown_min,
        shown_max,
        multiplier: multiplier?,
    })
}

/// A span within which a user is still remembered.
pub(super) fn remembered<'t>(r: &Reader<'t>, node: &Node<'t>, retention: Span) -> Option<Span> {
    let span = r.span(node)?;
    if span <= retention {
        return Some(span);
    }
    r.refuse(
        node,
        "the record cannot remember that long",
        format!("at most `{retention}`, the server's `privacy.retention`"),
    )
}

fn conditions<'t>(r: &Reader<'t>, o: &Object<'_, 't>, names: &Names<'_>) -> Targeting {
    Targeting {
        countries: choice(o, "countries", country),
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
        exchanges: choice(o, "exchanges", |r, n| {
            let place = r.reference(n, "exchange", names.exchanges)?;
            u8::try_from(place).ok().map(ExchangeNo)
        }),
        formats: choice(o, "formats", |r, n| r.word(n, &FORMATS)),
        hours: o.optional("hours", hours),
        deals: deals(r, o),
    }
}

fn country<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Country> {
    match Country::parse(&r.text(node)?) {
        Some(country) => Some(country),
        None => r.refuse(node, "not a country", "an ISO 3166-1 code such as `VN` or `VNM`"),
    }
}

/// A list, or `{include, exclude}`. An empty include would let nothing through, which nobody means.
fn choice<'t, T>(o: &Object<'_, 't>, key: &str, read: impl Fn(&Reader<'t>, &Node<'t>) -> Option<T>) -> Choice<T> {
    o.or(key, Choice::default(), |r, n| {
        let (include, exclude) = match &n.value {
            Value::Object(_) => {
                let o = r.object(n, &["include", "exclude"])?;
                (o.get("include"), o.list("exclude", &read))
            }
            _ => (Some(n), Vec::new()),
        };
        let include = include.and_then(|list| match r.list(list, &read) {
            Some(_) if matches!(&list.value, Value::Array(items) if items.is_empty()) => {
                r.refuse(list, "an empty list lets nothing through", "leave it out, or list what is wanted")
            }
            other => other,
        });
        Some(Choice { include, exclude })
    })
}

fn deals<'t>(r: &Reader<'t>, targeting: &Object<'_, 't>) -> Deals {
    let Some(node) = targeting.get("deals") else {
        return Deals::default();
    };
    let Some(o) = r.object(node, &["ids", "open_market"]) else {
        return Deals::default();
    };
    let deals = Deals {
        ids: o.list("ids", Reader::text),
        open_market: o.or("open_market", true, Reader::boolean),
    };
    if deals.ids.is_empty() && !deals.open_market {
        r.fault(
            node,
            "neither deals nor the open market: it can never bid",
            "name `ids`, or set `open_market`",
        );
    }
    deals
}
