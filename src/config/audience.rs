//! Audiences and their rules (contract §3 `audiences`, `rule`).
//!
//! Refuses what the record of a user cannot remember. Never evaluates a rule.

use super::node::Node;
use super::reader::{Object, Reader};
use super::targeting::{given_span, remembered};
use crate::base::id::ProductKey;
use crate::base::time::Span;
use crate::model::advertiser::{Audience, Rule, RuleSubject};
use crate::model::event::EventKind;

/// What the record does not keep of an event.
const NOT_KEPT: [&str; 2] = ["channel", "url"];

/// What reading a rule needs to know.
pub(super) struct Memory<'a> {
    /// How long a user is remembered.
    pub retention: Span,
    /// The handle of an item.
    pub item: &'a dyn Fn(&str) -> ProductKey,
    /// The handle of a custom event, by its name with `custom:`.
    pub custom: &'a dyn Fn(&str) -> ProductKey,
}

/// `audiences[]`.
pub(super) fn audience(o: &Object<'_, '_>, memory: &Memory<'_>) -> Option<Audience> {
    let mut include = o.objects("include", |r, o| rule(r, o, memory));
    let exclude = o.objects("exclude", |r, o| rule(r, o, memory));
    // Who cannot be told apart is left out, not let in: an exclude rule that cannot be evaluated
    // empties the audience just as an include rule does.
    if let Some(never) = exclude.iter().find(|rule| is_never(rule)) {
        include.push(never.clone());
    }
    let id = o.read("id", Reader::plain)?;
    Some(Audience { id, include, exclude })
}

fn is_never(rule: &Rule) -> bool {
    rule.min_count == u32::MAX
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
    Some(Rule {
        within,
        older_than,
        min_count: if is_kept(r, o) { min_count } else { u32::MAX },
        max_count,
        min_value: o.money("min_value"),
        category: o.read("category", Reader::lower),
        brand: o.read("brand", Reader::lower),
        product: o.text("product").map(|item| (memory.item)(&item)),
        since: o.read("since", event_kind),
        subject: subject(o, memory)?,
    })
}

fn subject(o: &Object<'_, '_>, memory: &Memory<'_>) -> Option<RuleSubject> {
    if o.get("state").is_some() {
        return o.word("state", &[("cart", ())]).map(|()| RuleSubject::Cart);
    }
    let kind = o.read("event", event_kind)?;
    let handle = match kind {
        EventKind::Custom => (memory.custom)(&o.read("event", Reader::plain)?),
        _ => ProductKey::NONE,
    };
    Some(RuleSubject::Event(kind, handle))
}

/// An event's name, custom ones included.
pub(super) fn event_kind<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<EventKind> {
    EventKind::parse(r.string(node)?)
}

/// Whether the record keeps all that a rule asks for; a rule on what it does not keep never holds.
fn is_kept<'t>(r: &Reader<'t>, o: &Object<'_, 't>) -> bool {
    let mut is_kept = true;
    for key in NOT_KEPT {
        let Some(node) = o.get(key) else { continue };
        is_kept = false;
        let problem = format!("the record does not keep the `{key}` of events: this audience stays empty");
        r.warn(node, problem, "use `category`, `brand`, `product` or a custom event");
    }
    is_kept
}
