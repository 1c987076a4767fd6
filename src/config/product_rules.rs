//! What ads show of what a user did (contract §3 `products`).

use super::reader::Object;
use super::targeting::remembered;
use crate::base::time::Span;
use crate::model::advertiser::{Fallback, ProductRules, ProductSource};

const SOURCES: [(&str, ProductSource); 4] = [
    ("cart", ProductSource::Cart),
    ("viewed", ProductSource::Viewed),
    ("category", ProductSource::Category),
    ("popular", ProductSource::Popular),
];

const FALLBACKS: [(&str, Fallback); 3] = [
    ("popular", Fallback::Popular),
    ("brand", Fallback::Brand),
    ("no_bid", Fallback::NoBid),
];

/// `products`; by default cart, then viewed, then more of the category, nothing bought within 90 days
/// (or as long as a user is remembered), one variant of a group, else no bid.
pub(super) fn products(advertiser: &Object<'_, '_>, retention: Span) -> ProductRules {
    let default = ProductRules {
        from: vec![ProductSource::Cart, ProductSource::Viewed, ProductSource::Category],
        exclude_bought: Span::days(90).min(retention),
        one_per_group: true,
        fallback: Fallback::NoBid,
    };
    let keys = ["from", "exclude_bought", "one_per_group", "fallback"];
    advertiser.inner("products", &keys, |o| {
        let Some(o) = o else { return default };
        ProductRules {
            from: o.or("from", default.from, |r, n| r.some_of(n, |r, n| r.word(n, &SOURCES))),
            exclude_bought: o.or("exclude_bought", default.exclude_bought, |r, n| remembered(r, n, retention)),
            one_per_group: o.or("one_per_group", true, |r, n| r.boolean(n)),
            fallback: o.or("fallback", default.fallback, |r, n| r.word(n, &FALLBACKS)),
        }
    })
}
