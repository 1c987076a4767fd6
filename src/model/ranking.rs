//! What other shoppers look at: an advertiser's products by their views of the last seven days, all
//! told and within each category.
//!
//! Built from counts now and then, read on the decision path. Bounded whatever was viewed; what nobody
//! looked at is not in it, for that the catalogue's own order serves.

use std::collections::HashMap;

use crate::base::id::ProductKey;
use crate::base::limits::RANKED_MAX;
use crate::model::product::{Catalog, levels};

/// Products that were viewed, most viewed first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    all: Vec<ProductKey>,
    by_category: HashMap<Box<str>, Vec<ProductKey>>,
}

impl Ranking {
    /// From products with their views; equal ones in the order of their keys, so that the same counts
    /// give the same ranking.
    pub fn new(catalog: &Catalog, mut viewed: Vec<(ProductKey, u32)>) -> Ranking {
        viewed.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut ranking = Ranking::default();
        for product in viewed.iter().filter_map(|(key, _)| catalog.get(*key)) {
            if ranking.all.len() < RANKED_MAX {
                ranking.all.push(product.key);
            }
            for level in product.categories.iter().flat_map(|path| levels(path)) {
                let list = match ranking.by_category.get_mut(level) {
                    Some(list) => list,
                    None => ranking.by_category.entry(level.into()).or_default(),
                };
                // Two paths of a product share their upper levels.
                if list.len() < RANKED_MAX && list.last() != Some(&product.key) {
                    list.push(product.key);
                }
            }
        }
        ranking
    }

    /// Of the whole shop.
    pub fn all(&self) -> &[ProductKey] {
        &self.all
    }

    /// Of a category and those below it.
    pub fn category(&self, path: &str) -> &[ProductKey] {
        self.by_category.get(path).map_or(&[], Vec::as_slice)
    }
}
