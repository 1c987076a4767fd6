//! What ads show of what a user did (contract §3 `products`).

use super::reader::{Object, Reader};
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

/// `products`.
pub(super) fn products<'t>(r: &Reader<'t>, advertiser: &Object<'_, 't>, retention: Span) -> Option<ProductRules> {
    let o = advertiser.inner("products");
    Some(ProductRules {
        from: o.list("from", |r, n| r.word(n, &SOURCES)),
        exclude_bought: remembered(r, &o, "exclude_bought", retention)?,
        one_per_group: o.boolean("one_per_group")?,
        fallback: o.word("fallback", &FALLBACKS)?,
    })
}
