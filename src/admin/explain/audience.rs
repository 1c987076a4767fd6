//! Why a shopper is in none of a campaign's audiences: the first rule that fails, and what is remembered of it.
//!
//! Tells what the shop's own events say, nothing of other shops.

use super::scene::{Scene, Visit, some};
use crate::base::money::Money;
use crate::model::advertiser::{Audience, Campaign, Needle, Rule, RuleSubject, Shop};
use crate::model::event::NamedKind;

/// Why a campaign has no audience that the shopper is in.
pub(super) fn why(scene: &Scene<'_>, shop: &Shop, campaign: &Campaign) -> String {
    let visit = scene.visit(shop);
    let past = visit.past(shop, scene.now);
    let audience = |index: u32| shop.advertiser.audiences.get(index as usize);
    let mut excluded = campaign.exclude_audiences.iter().filter_map(|index| audience(*index));
    if let Some(audience) = excluded.find(|audience| past.is_in(audience)) {
        let rule = audience.include.first().map(|rule| told(scene, shop, &visit, rule));
        return format!("left out as one of `{}`: {}", audience.id, rule.unwrap_or_default());
    }
    let wanted = campaign.audiences.iter().filter_map(|used| audience(used.audience));
    some(wanted.map(|audience| format!("not in `{}`: {}", audience.id, missed(scene, shop, &visit, audience))))
}

/// The first rule that keeps the shopper out of an audience.
fn missed(scene: &Scene<'_>, shop: &Shop, visit: &Visit<'_>, audience: &Audience) -> String {
    let past = visit.past(shop, scene.now);
    if let Some(rule) = audience.include.iter().find(|rule| !past.holds(rule)) {
        return format!("wants {}", told(scene, shop, visit, rule));
    }
    let excluded = audience.exclude.iter().find(|rule| past.holds(rule));
    excluded.map_or_else(
        || "it holds".to_owned(),
        |rule| format!("leaves out {}", told(scene, shop, visit, rule)),
    )
}

/// A rule, and what is remembered of what it asks for.
fn told(scene: &Scene<'_>, shop: &Shop, visit: &Visit<'_>, rule: &Rule) -> String {
    let found = match rule.subject {
        RuleSubject::Cart => cart(scene, shop, visit),
        RuleSubject::Event(kind) => events(scene, shop, visit, kind),
    };
    format!("{} ({found})", describe(shop, rule))
}

fn cart(scene: &Scene<'_>, shop: &Shop, visit: &Visit<'_>) -> String {
    let Some(last) = visit.cart.iter().map(|line| line.at).max() else {
        return "the cart is empty".to_owned();
    };
    let worth: Money = visit.cart.iter().map(|line| line.value).sum();
    format!(
        "the cart has {} products worth {worth} {}, last added to {}",
        visit.cart.len(),
        shop.advertiser.currency,
        scene.at(shop, last)
    )
}

fn events(scene: &Scene<'_>, shop: &Shop, visit: &Visit<'_>, kind: NamedKind) -> String {
    let mut such = visit.events.iter().filter(|event| kind.is(event) && !event.continued);
    match such.next() {
        None => "none remembered".to_owned(),
        Some(last) => format!("{} remembered, the last at {}", 1 + such.count(), scene.at(shop, last.at)),
    }
}

/// A rule as it is written.
pub(super) fn describe(shop: &Shop, rule: &Rule) -> String {
    let name = |kind: NamedKind| kind.kind.label();
    let mut words = vec![match rule.subject {
        RuleSubject::Cart => "a cart".to_owned(),
        RuleSubject::Event(kind) => name(kind).to_owned(),
    }];
    words.push(format!("within {}", rule.within));
    words.extend(rule.older_than.map(|span| format!("older than {span}")));
    words.extend((rule.min_count != 1).then(|| format!("at least {}", rule.min_count)));
    words.extend(rule.max_count.map(|most| format!("at most {most}")));
    words.extend(rule.min_value.map(|least| format!("worth at least {least}")));
    let needle = |what: &str, needle: &Option<Needle>| needle.as_ref().map(|needle| format!("{what} `{}`", needle.text));
    words.extend(needle("of category", &rule.category));
    words.extend(needle("of brand", &rule.brand));
    words.extend(needle("by channel", &rule.channel));
    words.extend(needle("on pages with", &rule.url));
    if let Some(key) = rule.product {
        let listed = shop.catalog.get(key).map_or("that is not in the feed", |product| &product.item_id);
        words.push(format!("of product `{listed}`"));
    }
    words.extend(rule.since.map(|kind| format!("since the last {}", name(kind))));
    words.join(" ")
}
