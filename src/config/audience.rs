//! Audiences and their rules (contract §3 `audiences`, `rule`).
//!
//! Refuses what the record of a user cannot remember. Never evaluates a rule.

use super::node::{Node, Value};
use super::reader::{Object, Reader};
use super::targeting::remembered;
use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, ProductKey};
use crate::base::limits::EVENTS_PER_SECTION_MAX;
use crate::base::time::Span;
use crate::model::advertiser::{Audience, Needle, Rule, RuleSubject};
use crate::model::event::{Aspect, EventKind, Mark, NamedKind};
use crate::model::product::category_path;

const RULE_KEYS: [&str; 13] = [
    "event",
    "state",
    "within",
    "older_than",
    "min_count",
    "max_count",
    "min_value",
    "category",
    "brand",
    "product",
    "channel",
    "url",
    "since",
];

/// What reading a rule needs to know.
pub(super) struct Memory<'a> {
    /// How long a user is remembered.
    pub retention: Span,
    /// What handles are made with.
    pub hashes: &'a Hashes,
    /// Whose rules they are.
    pub advertiser: AdvertiserNo,
}

impl Memory<'_> {
    fn needle(&self, aspect: Aspect, text: String) -> Needle {
        let text = if aspect == Aspect::Category { category_path(&text) } else { text };
        let mark = Mark::of(self.hashes, aspect, &text);
        Needle { aspect, text, mark }
    }
}

/// `audiences[]`.
pub(super) fn audience<'t>(r: &Reader<'t>, node: &Node<'t>, memory: &Memory<'_>) -> Option<Audience> {
    let o = r.object(node, &["id", "include", "exclude"])?;
    let id = o.required("id", Reader::id);
    let read = |r: &Reader<'t>, n: &Node<'t>| rule(r, n, memory);
    let include = o.list("include", read);
    let exclude = o.list("exclude", read);
    let is_given = |key: &str| {
        o.get(key)
            .is_some_and(|list| !matches!(&list.value, Value::Array(items) if items.is_empty()))
    };
    let is_meant = |key: &str| o.get(key).is_none() && o.has(key);
    if !["include", "exclude"].into_iter().any(|key| is_given(key) || is_meant(key)) {
        r.fault(node, "an audience without rules", "give `include` or `exclude` at least one rule");
    }
    Some(Audience { id: id?, include, exclude })
}

fn rule<'t>(r: &Reader<'t>, node: &Node<'t>, memory: &Memory<'_>) -> Option<Rule> {
    let o = r.object(node, &RULE_KEYS)?;
    let subject = subject(r, &o, memory);
    let within = o.or("within", memory.retention, |r, n| remembered(r, n, memory.retention));
    let older_than = o.optional("older_than", |r, n| remembered(r, n, memory.retention));
    if older_than.is_some_and(|older| older >= within) {
        r.fault(node, "`older_than` is not below `within`: it can never hold", "");
    }
    let (min_count, max_count) = counts(r, &o);
    let needle = |key, aspect| o.optional(key, Reader::lower).map(|text| memory.needle(aspect, text));
    Some(Rule {
        subject: subject?,
        within,
        older_than,
        min_count,
        max_count,
        min_value: o.optional("min_value", Reader::money),
        category: needle("category", Aspect::Category),
        brand: needle("brand", Aspect::Brand),
        channel: needle("channel", Aspect::Channel),
        url: needle("url", Aspect::Url),
        product: o
            .optional("product", Reader::text)
            .map(|item| memory.hashes.product(memory.advertiser, &item)),
        since: o.optional("since", |r, n| named_kind(r, n, memory.hashes)),
    })
}

fn subject<'t>(r: &Reader<'t>, o: &Object<'_, 't>, memory: &Memory<'_>) -> Option<RuleSubject> {
    match (o.get("event"), o.get("state")) {
        (Some(event), None) => named_kind(r, event, memory.hashes).map(RuleSubject::Event),
        (None, Some(state)) => r.word(state, &[("cart", ())]).map(|()| RuleSubject::Cart),
        (Some(_), Some(state)) => r.refuse(state, "both `event` and `state`", "give one of them"),
        (None, None) if o.has("event") || o.has("state") => None,
        (None, None) => r.refuse(o.node, "neither `event` nor `state`", "such as `\"event\": \"purchase\"`"),
    }
}

/// An event's name, custom ones included.
fn event_kind<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<EventKind> {
    let name = r.text(node)?;
    if let Some(kind) = EventKind::parse(&name) {
        return Some(kind);
    }
    let names: Vec<(&'static str, ())> = EventKind::ALL
        .iter()
        .filter(|kind| **kind != EventKind::Custom)
        .map(|kind| (kind.label(), ()))
        .chain([("custom:<name>", ())])
        .collect();
    r.word(node, &names);
    None
}

/// An event's kind, and of custom events which.
pub(super) fn named_kind<'t>(r: &Reader<'t>, node: &Node<'t>, hashes: &Hashes) -> Option<NamedKind> {
    let kind = event_kind(r, node)?;
    let custom = match kind {
        EventKind::Custom => hashes.custom_event(&r.text(node)?),
        _ => ProductKey::NONE,
    };
    Some(NamedKind { kind, custom })
}

/// `min_count` and `max_count`.
fn counts<'t>(r: &Reader<'t>, o: &Object<'_, 't>) -> (u32, Option<u32>) {
    let most = u32::try_from(EVENTS_PER_SECTION_MAX).unwrap_or(u32::MAX);
    let min_count = o.or("min_count", 1, |r, n| r.integer(n, 0, u32::MAX - 1));
    if let Some(node) = o.get("min_count").filter(|_| min_count > most) {
        r.fault(
            node,
            "the record cannot remember so many",
            format!("at most {most} events of a user are kept"),
        );
    }
    let max_count = o.optional("max_count", |r, n| r.integer(n, 0, u32::MAX - 1));
    if max_count.is_some_and(|max| max < min_count) {
        let remedy = "for `not at all` write `\"min_count\": 0` too";
        r.fault(o.node, "`max_count` is below `min_count`: it can never hold", remedy);
    }
    (min_count, max_count)
}
