//! Which products an ad shows (contract §3 `products`): the shopper's cart, what she viewed, more of
//! those categories, what others look at, in the order configured.
//!
//! Never what was bought lately nor its variants, nor what another ad of the answer shows; in place of
//! what is out of stock another variant, else the next. Pure; allocates nothing for as many products as
//! an ad may hold.

use smallvec::SmallVec;

use crate::base::id::ProductKey;
use crate::base::limits::{PRODUCTS_PER_AD_MAX, RANKED_MAX};
use crate::base::time::Millis;
use crate::model::advertiser::{Fallback, ProductRules, ProductSource};
use crate::model::event::{EventKind, Happening};
use crate::model::product::{Catalog, Product, levels};
use crate::model::profile::CartLine;
use crate::model::ranking::Ranking;

/// The products of one ad, the first one first.
pub type Chosen<'s> = SmallVec<[&'s Product; PRODUCTS_PER_AD_MAX]>;

/// What a choice is made from: one advertiser's part of a shopper's record, and its products.
#[derive(Clone, Copy, Debug)]
pub struct Shelves<'a, 's> {
    /// Events, newest first.
    pub events: &'a [Happening],
    /// The cart, the last added first.
    pub cart: &'a [CartLine],
    /// All products.
    pub catalog: &'s Catalog,
    /// What others viewed; none where nobody did.
    pub ranking: Option<&'a Ranking>,
    /// The advertiser's rules.
    pub rules: &'a ProductRules,
    /// What other ads of the answer show.
    pub taken: &'a [ProductKey],
    /// Now.
    pub now: Millis,
}

impl<'s> Shelves<'_, 's> {
    /// At most `places` products. `None` where there is none and the rules want no ad then; an empty
    /// choice is an ad of the shop itself.
    pub fn choose(&self, places: usize) -> Option<Chosen<'s>> {
        let mut chosen = Chosen::new();
        for source in &self.rules.from {
            self.fill(*source, places, &mut chosen);
        }
        if chosen.is_empty() {
            match self.rules.fallback {
                Fallback::Popular => self.fill(ProductSource::Popular, places, &mut chosen),
                Fallback::Brand => return Some(chosen),
                Fallback::NoBid => {}
            }
        }
        (!chosen.is_empty()).then_some(chosen)
    }

    fn fill(&self, source: ProductSource, places: usize, chosen: &mut Chosen<'s>) {
        let catalog = self.catalog;
        let mut offer = |product: Option<&'s Product>| {
            if chosen.len() < places
                && let Some(product) = product.and_then(|product| self.fitting(product, chosen))
            {
                chosen.push(product);
            }
            chosen.len() >= places
        };
        let _ = match source {
            ProductSource::Cart => self.cart.iter().any(|line| offer(catalog.get(line.product))),
            ProductSource::Viewed => self.viewed().any(|product| offer(Some(product))),
            ProductSource::Category => self.seeds().any(|seed| {
                let paths = seed.categories.iter().flat_map(|path| levels(path));
                paths.into_iter().any(|path| {
                    let ranked = self.ranking.map_or(&[][..], |ranking| ranking.category(path));
                    ranked.iter().any(|key| offer(catalog.get(*key))) || catalog.category(path).any(|product| offer(Some(product)))
                })
            }),
            ProductSource::Popular => {
                let ranked = self.ranking.map_or(&[][..], Ranking::all);
                ranked.iter().any(|key| offer(catalog.get(*key))) || catalog.iter().take(RANKED_MAX).any(|product| offer(Some(product)))
            }
        };
    }

    /// What was viewed, newest first.
    fn viewed(&self) -> impl Iterator<Item = &'s Product> {
        let views = self.events.iter().filter(|e| e.kind == EventKind::ViewItem);
        views.filter_map(|e| self.catalog.get(e.product))
    }

    /// Products whose categories the shopper is interested in: in the cart, then viewed.
    fn seeds(&self) -> impl Iterator<Item = &'s Product> {
        let cart = self.cart.iter().filter_map(|line| self.catalog.get(line.product));
        cart.chain(self.viewed())
    }

    /// The product, or a variant where it is out of stock, if it may be shown beside those chosen.
    fn fitting(&self, product: &'s Product, chosen: &[&'s Product]) -> Option<&'s Product> {
        let fits = |product: &&'s Product| product.can_show(self.now) && !self.is_bought(product) && !self.is_shown(product, chosen);
        if product.in_stock || self.is_bought(product) {
            return Some(product).filter(fits);
        }
        self.catalog.variants(product.group).find(fits)
    }

    /// Whether it, or a variant of it, was bought within what the rules exclude.
    fn is_bought(&self, product: &Product) -> bool {
        let since = self.now.before(self.rules.exclude_bought).to_secs();
        let purchases = self.events.iter().filter(|e| e.kind == EventKind::Purchase && e.at >= since);
        purchases.filter(|e| e.product.is_some()).any(|e| {
            let group = self.catalog.get(e.product).map_or(0, |bought| bought.group);
            e.product == product.key || (group != 0 && group == product.group)
        })
    }

    /// Whether it, or a variant where one of a group is enough, is in this ad or another of the answer.
    fn is_shown(&self, product: &Product, chosen: &[&'s Product]) -> bool {
        let same = |key: ProductKey, group: u64| key == product.key || (self.rules.one_per_group && group != 0 && group == product.group);
        chosen.iter().any(|shown| same(shown.key, shown.group))
            || self
                .taken
                .iter()
                .any(|key| same(*key, self.catalog.get(*key).map_or(0, |shown| shown.group)))
    }
}
