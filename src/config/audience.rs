//! Audiences and their rules (contract §3 `audiences`, `rule`).
//!
//! Refuses what the record of a user cannot remember. Never evaluates a rule.

use super::node::Node;
use super::reader::{Object, Reader};
use super::targeting::{given_span, remembered};
use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, ProductKey};
use crate::base::time::Span;
use crate::model::advertiser::{Audience, Needle, Rule, RuleSubject};
use crate::model::event::{Aspect, EventKind, Mark, NamedKind};
use crate::model::product::category_path;

/// What reading a rule needs to know.
pub(super) struct Memory<'a> {
    /// How long a user is remembered.
    pub retention: Span,
    /// What handles are made with.
    pub hashes: &'a Hashes,
    /// Whose rules they are.
    pub advertiser: AdvertiserNo,
}

impl<'a> Memory<'a> {
    pub(super) fn new(retention: Span, hashes: &'a Hashes, advertiser: AdvertiserNo) -> Memory<'a> {
        Memory {
            retention,
            hashes,
            advertiser,
        }
    }
}

impl Memory<'_> {
    fn needle(&self, aspect: Aspect, text: String) -> Needle {
        let text = if aspect == Aspect::Category { category_path(&text) } else { text };
        let mark = Mark::of(self.hashes, aspect, &text);
        Needle { aspect, text, mark }
    }
}

/// `audiences[]`.
pub(super) fn audience(o: &Object<'_, '_>, memory: &Memory<'_>) -> Option<Audience> {
    let id = o.read("id", Reader::plain)?;
    let include = o.objects("include", |r, o| rule(r, o, memory));
    let exclude = o.objects("exclude", |r, o| rule(r, o, memory));
    Some(Audience { id, include, exclude })
}

fn rule<'t>(r: &Reader<'t>, o: &Object<'_, 't>, memory: &Memory<'_>) -> Option<Rule> {
    let within = remembered(r, o, "within", memory.retention)?;
    let older_than = given_span(r, o, "older_than", memory.retention);
    if older_than.is_some_and(|older| older >= within) {
        r.fault(o.node, "`older_than` is not below `within`: it can never hold", "");
    }
    let min_count = o.integer("min_count")?;
    let max_count = o.integer("max_count");
    if max_count.is_some_and(|max| max < min_count) {
        let remedy = "for `not at all` write `\"min_count\": 0` too";
        r.fault(o.node, "`max_count` is below `min_count`: it can never hold", remedy);
    }
    let subject = subject(o, memory)?;
    if let Some(product) = o.get("product")
        && matches!(subject, RuleSubject::Event(named) if named.kind == EventKind::Custom)
    {
        let remedy = "name a `category` or `brand`, or give each product an event of its own";
        r.fault(product, "the items of custom events are not remembered", remedy);
    }
    let needle = |key, aspect| o.read(key, Reader::lower).map(|text| memory.needle(aspect, text));
    Some(Rule {
        within,
        older_than,
        min_count,
        max_count,
        min_value: o.money("min_value"),
        category: needle("category", Aspect::Category),
        brand: needle("brand", Aspect::Brand),
        channel: needle("channel", Aspect::Channel),
        url: needle("url", Aspect::Url),
        product: o.text("product").map(|item| memory.hashes.product(memory.advertiser, &item)),
        since: o.read("since", |r, n| named_kind(r, n, memory.hashes)),
        subject,
    })
}

fn subject(o: &Object<'_, '_>, memory: &Memory<'_>) -> Option<RuleSubject> {
    if o.get("state").is_some() {
        return o.word("state", &[("cart", ())]).map(|()| RuleSubject::Cart);
    }
    o.read("event", |r, n| named_kind(r, n, memory.hashes)).map(RuleSubject::Event)
}

/// An event's kind, and of custom events which.
pub(super) fn named_kind<'t>(r: &Reader<'t>, node: &Node<'t>, hashes: &Hashes) -> Option<NamedKind> {
    let name = r.string(node)?;
    let kind = EventKind::parse(name)?;
    let custom = match kind {
        EventKind::Custom => hashes.custom_event(name),
        _ => ProductKey::NONE,
    };
    Some(NamedKind { kind, custom })
}
