//! Whether a shopper is in an audience: rules over the few events that are remembered.
//!
//! Evaluated at bid time, so windows are exact and no batch job lags. Pure; allocates nothing.

use crate::base::id::ProductKey;
use crate::base::money::Money;
use crate::base::time::{Secs, Span};
use crate::model::advertiser::{Audience, Needle, Rule, RuleSubject};
use crate::model::event::{Aspect, Happening, Marks};
use crate::model::product::{Catalog, LEVEL, Product, category_path};
use crate::model::profile::CartLine;

/// What rules look at: one advertiser's part of a shopper's record.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// Events, newest first.
    pub events: &'a [Happening],
    /// The cart as it stands.
    pub cart: &'a [CartLine],
    /// The advertiser's products, for categories and brands.
    pub catalog: &'a Catalog,
    /// Now.
    pub now: Secs,
}

impl Past<'_> {
    /// All of `include` and none of `exclude`.
    pub fn is_in(&self, audience: &Audience) -> bool {
        audience.include.iter().all(|rule| self.holds(rule)) && !audience.exclude.iter().any(|rule| self.holds(rule))
    }

    /// Whether one rule holds.
    pub fn holds(&self, rule: &Rule) -> bool {
        match rule.subject {
            RuleSubject::Cart => self.cart_holds(rule),
            RuleSubject::Event(subject) => {
                let since = rule.since.and_then(|since| self.events.iter().find(|e| since.is(e))).map(|e| e.at);
                let (mut count, mut value, mut counted) = (0u32, Money::ZERO, false);
                for event in self.events {
                    counted &= event.continued;
                    let matches = subject.is(event)
                        && in_window(event.at, self.now, rule.within, rule.older_than)
                        && since.is_none_or(|since| event.at > since)
                        && self.is_about(rule, event.product, event.marks);
                    if matches {
                        value += event.value;
                        count += u32::from(!counted);
                        counted = true;
                    }
                }
                count >= rule.min_count && rule.max_count.is_none_or(|max| count <= max) && rule.min_value.is_none_or(|min| value >= min)
            }
        }
    }

    fn cart_holds(&self, rule: &Rule) -> bool {
        let lines = || self.cart.iter().filter(|line| self.is_about(rule, line.product, line.marks));
        let Some(last) = lines().map(|line| line.at).max() else {
            return rule.min_count == 0;
        };
        let count = lines().count() as u32;
        in_window(last, self.now, rule.within, rule.older_than)
            && count >= rule.min_count
            && rule.max_count.is_none_or(|max| count <= max)
            && rule
                .min_value
                .is_none_or(|min| lines().map(|line| line.value).sum::<Money>() >= min)
    }

    /// Whether an entry is about what the rule names: by the feed, else by the event's own word.
    fn is_about(&self, rule: &Rule, product: ProductKey, marks: Marks) -> bool {
        let said = |needle: &Needle| marks.has(needle.mark);
        rule.product.is_none_or(|wanted| wanted == product)
            && rule.channel.as_ref().is_none_or(said)
            && rule.url.as_ref().is_none_or(said)
            && rule.category.as_ref().is_none_or(|wanted| {
                let is_listed = |product: &Product| product.categories.iter().any(|path| has_levels(path, &wanted.text));
                said(wanted) || self.catalog.get(product).is_some_and(is_listed)
            })
            && rule.brand.as_ref().is_none_or(|wanted| {
                let is_listed = |product: &Product| is_same(&product.brand, &wanted.text);
                said(wanted) || self.catalog.get(product).is_some_and(is_listed)
            })
    }
}

impl Needle {
    /// Whether an event's own text of the aspect is what the rule asks for.
    pub fn is_in(&self, text: &str) -> bool {
        match self.aspect {
            Aspect::Category => has_levels(&category_path(text), &self.text),
            Aspect::Brand | Aspect::Channel => is_same(text.trim(), &self.text),
            Aspect::Url => text.to_lowercase().contains(&self.text),
        }
    }
}

/// Whether a text is another that is in lower case.
fn is_same(text: &str, lower: &str) -> bool {
    text.chars().flat_map(char::to_lowercase).eq(lower.chars())
}

/// now − within ≤ time < now − older_than (contract §3 `rule`).
pub fn in_window(at: Secs, now: Secs, within: Span, older_than: Option<Span>) -> bool {
    at.0 >= now.0.saturating_sub(within.0) && older_than.is_none_or(|span| at.0 < now.0.saturating_sub(span.0))
}

/// Whether `wanted` is one or more whole levels of `path` (`a > b > c`), both lower case.
fn has_levels(path: &str, wanted: &str) -> bool {
    let mut rest = path;
    loop {
        let after = rest.strip_prefix(wanted);
        if after.is_some_and(|after| after.is_empty() || after.starts_with(LEVEL)) {
            return true;
        }
        // Levels hold no `>` themselves.
        let Some(next) = rest.as_bytes().iter().position(|byte| *byte == b'>') else {
            return false;
        };
        rest = rest[next + 1..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::Hashes;
    use crate::model::event::{EventKind, Mark, NamedKind};

    const NOW: Secs = Secs(1_000_000);

    fn rule(subject: RuleSubject) -> Rule {
        Rule {
            subject,
            within: Span::days(30),
            older_than: None,
            min_count: 1,
            max_count: None,
            min_value: None,
            category: None,
            brand: None,
            channel: None,
            url: None,
            product: None,
            since: None,
        }
    }

    fn event(kind: EventKind, ago: u32, continued: bool) -> Happening {
        let value = Money::units(10);
        Happening {
            kind,
            at: Secs(NOW.0 - ago),
            continued,
            product: ProductKey(1),
            quantity: 1,
            value,
            marks: Marks::default(),
        }
    }

    #[test]
    fn windows_counts_values_and_since() {
        let views = RuleSubject::Event(NamedKind::plain(EventKind::ViewItem));
        let events = [
            event(EventKind::ViewItem, 50, false),
            event(EventKind::Purchase, 60, false),
            event(EventKind::ViewItem, 100, false),
            event(EventKind::ViewItem, 100, true),
        ];
        let catalog = Catalog::default();
        let past = Past {
            events: &events,
            cart: &[],
            catalog: &catalog,
            now: NOW,
        };
        let with = |change: fn(&mut Rule)| {
            let mut rule = rule(views.clone());
            change(&mut rule);
            rule
        };
        let since = || Some(NamedKind::plain(EventKind::Purchase));
        let hats = || {
            let mark = Mark::of(&Hashes::new(&[0; 16]), Aspect::Category, "x");
            let (aspect, text) = (Aspect::Category, "x".into());
            Some(Needle { aspect, text, mark })
        };
        let cases = [
            (with(|_| {}), true),
            (with(|rule| rule.within = Span(50)), true),
            (with(|rule| rule.within = Span(49)), false),
            (with(|rule| rule.older_than = Some(Span(50))), true),
            (with(|rule| (rule.within, rule.older_than) = (Span(60), Some(Span(50)))), false),
            (with(|rule| rule.min_count = 2), true),
            (with(|rule| rule.min_count = 3), false),
            (with(|rule| rule.max_count = Some(1)), false),
            (with(|rule| rule.min_value = Some(Money::units(30))), true),
            (with(|rule| rule.min_value = Some(Money::units(31))), false),
            (
                Rule {
                    since: since(),
                    ..with(|rule| rule.min_count = 2)
                },
                false,
            ),
            (with(|rule| rule.product = Some(ProductKey(2))), false),
            (
                Rule {
                    category: hats(),
                    ..with(|_| {})
                },
                false,
            ),
        ];
        for (rule, expected) in cases {
            assert_eq!(past.holds(&rule), expected, "{rule:?}");
        }
    }

    #[test]
    fn a_cart_is_dated_by_its_last_addition() {
        let line = |ago, value| CartLine {
            product: ProductKey(1),
            quantity: 1,
            value: Money::units(value),
            at: Secs(NOW.0 - ago),
            marks: Marks::default(),
        };
        let cart = [line(10, 60), line(5_000, 50)];
        let catalog = Catalog::default();
        let past = Past {
            events: &[],
            cart: &cart,
            catalog: &catalog,
            now: NOW,
        };
        assert!(past.holds(&Rule {
            within: Span(10),
            min_value: Some(Money::units(110)),
            ..rule(RuleSubject::Cart)
        }));
        assert!(!past.holds(&Rule {
            within: Span(9),
            ..rule(RuleSubject::Cart)
        }));
        assert!(!past.holds(&Rule {
            min_value: Some(Money::units(111)),
            ..rule(RuleSubject::Cart)
        }));
        assert!(!Past { cart: &[], ..past }.holds(&rule(RuleSubject::Cart)));
    }

    #[test]
    fn categories_match_whole_levels() {
        assert!(has_levels("shoes > sneakers > low", "sneakers"));
        assert!(has_levels("shoes > sneakers > low", "shoes > sneakers"));
        assert!(!has_levels("shoes > sneakers > low", "sneaker"));
        assert!(!has_levels("snowshoes", "shoes"));
    }
}
