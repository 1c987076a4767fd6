//! Products as a feed lists them, ready to be shown: one catalogue for each advertiser, swapped whole.
//!
//! Built by `feed`; read on the decision path, so prices are texts already and lookups are by key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use crate::base::hash::Spread;
use crate::base::id::ProductKey;
use crate::base::limits::RANKED_MAX;
use crate::base::money::Money;
use crate::base::time::Millis;

/// One item of a feed (Merchant Center attributes, feeds.md §1). Only what may be shown is kept as
/// showable; the rest stays, so that events about it still mean something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Hash of advertiser and `id`.
    pub key: ProductKey,
    /// `id`, as events name it.
    pub item_id: Box<str>,
    /// `title`, plain text.
    pub title: Box<str>,
    /// `description`, plain text, as much of it as ads have room for; may be empty.
    pub description: Box<str>,
    /// `link`: the landing page, https and of a landing domain.
    pub link: Box<str>,
    /// `image_link`, https.
    pub image_link: Box<str>,
    /// `price`, in the advertiser's currency.
    pub price: Money,
    /// `price` as the shop's language writes it, currency included.
    pub price_text: Box<str>,
    /// `sale_price` and when it holds.
    pub sale: Option<Sale>,
    /// Hash of `item_group_id`; zero is none.
    pub group: u64,
    /// `availability` is in stock (or preorder, backorder).
    pub in_stock: bool,
    /// Neither adult, paused, excluded nor without a picture.
    pub showable: bool,
    /// `expiration_date`.
    pub expires: Option<Millis>,
    /// `brand`.
    pub brand: Box<str>,
    /// `product_type` and `google_product_category`, each a path of levels.
    pub categories: Box<[Box<str>]>,
}

/// A sale price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// `sale_price`.
    pub price: Money,
    /// As text, currency included.
    pub text: Box<str>,
    /// Start of `sale_price_effective_date`, inclusive.
    pub from: Option<Millis>,
    /// Its end, exclusive.
    pub until: Option<Millis>,
}

impl Product {
    /// The sale in force at `now`: below the price and within its window.
    pub fn sale_at(&self, now: Millis) -> Option<&Sale> {
        self.sale
            .as_ref()
            .filter(|sale| sale.price < self.price && sale.from.is_none_or(|t| t <= now) && sale.until.is_none_or(|t| now < t))
    }

    /// The price in force at `now`, as text.
    pub fn price_at(&self, now: Millis) -> &str {
        self.sale_at(now).map_or(&self.price_text, |sale| &sale.text)
    }

    /// Whether an ad may show it at `now`.
    pub fn can_show(&self, now: Millis) -> bool {
        self.showable && self.in_stock && self.expires.is_none_or(|t| now < t)
    }
}

/// The media type of a picture by its address; none where that does not tell.
pub fn picture_type(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let (_, ending) = path.rsplit_once('.')?;
    let types = [
        (&["jpg", "jpeg"][..], "image/jpeg"),
        (&["png"], "image/png"),
        (&["gif"], "image/gif"),
        (&["webp"], "image/webp"),
        (&["bmp"], "image/bmp"),
        (&["tif", "tiff"], "image/tiff"),
    ];
    let is_of = |(endings, _): &&(&[&str], &str)| endings.iter().any(|known| known.eq_ignore_ascii_case(ending));
    types.iter().find(is_of).map(|(_, name)| *name)
}

/// What stands between the levels of a category path.
pub const LEVEL: &str = " > ";

/// A category as paths are kept: levels trimmed, in lower case, with [`LEVEL`] between them; empty where
/// there is none.
pub fn category_path(text: &str) -> String {
    let gap = |c: char| c.is_whitespace() || c.is_control();
    let one_line = |level: &str| {
        level
            .split(gap)
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase()
    };
    let levels: Vec<String> = text.split('>').map(one_line).filter(|level| !level.is_empty()).collect();
    levels.join(LEVEL)
}

/// A path and the paths above it, the longest first: `a > b`, `a`.
pub fn levels(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once(LEVEL).map(|(above, _)| above))
}

type Places<K> = HashMap<K, u32, BuildHasherDefault<Spread>>;

/// Products in the order in which they came, in pieces: a table that grows takes no second place beside
/// the first.
#[derive(Clone, Debug, Default)]
struct Rows(Vec<Vec<Product>>);

impl Rows {
    /// A power of two, so that a place is two parts of a number.
    const PIECE: usize = 1024;

    fn push(&mut self, product: Product) {
        match self.0.last_mut().filter(|piece| piece.len() < Rows::PIECE) {
            Some(piece) => piece.push(product),
            None => {
                let mut piece = Vec::with_capacity(Rows::PIECE);
                piece.push(product);
                self.0.push(piece);
            }
        }
    }

    fn at(&self, at: u32) -> &Product {
        &self.0[at as usize / Rows::PIECE][at as usize % Rows::PIECE]
    }

    fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * Rows::PIECE + last.len())
    }

    fn iter(&self) -> impl Iterator<Item = &Product> {
        self.0.iter().flatten()
    }
}

/// Products as they come in, one for each key: what a catalogue is made of.
#[derive(Debug, Default)]
pub struct Stock {
    products: Rows,
    by_key: Places<ProductKey>,
}

impl Stock {
    /// Adds a product, in the place of an earlier one with the same key, which is handed back.
    pub fn put(&mut self, product: Product) -> Option<Product> {
        match self.by_key.entry(product.key) {
            Entry::Vacant(free) => {
                free.insert(self.products.len() as u32);
                self.products.push(product);
                None
            }
            Entry::Occupied(taken) => {
                let at = *taken.get() as usize;
                Some(std::mem::replace(&mut self.products.0[at / Rows::PIECE][at % Rows::PIECE], product))
            }
        }
    }

    /// The product of a key.
    pub fn get(&self, key: ProductKey) -> Option<&Product> {
        self.by_key.get(&key).map(|at| self.products.at(*at))
    }

    /// The catalogue of them.
    pub fn close(self) -> Catalog {
        let Stock { mut products, by_key } = self;
        if let Some(last) = products.0.last_mut() {
            last.shrink_to_fit();
        }
        let mut by_group: HashMap<u64, Vec<u32>, BuildHasherDefault<Spread>> = HashMap::default();
        let mut by_category: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        for (at, product) in products.iter().enumerate() {
            if product.group != 0 {
                by_group.entry(product.group).or_default().push(at as u32);
            }
            for level in product.categories.iter().flat_map(|path| levels(path)) {
                let list = match by_category.get_mut(level) {
                    Some(list) => list,
                    None => by_category.entry(level.into()).or_default(),
                };
                if list.len() < RANKED_MAX && list.last() != Some(&(at as u32)) {
                    list.push(at as u32);
                }
            }
        }
        Catalog {
            version: 0,
            products,
            by_key,
            by_group,
            by_category,
        }
    }
}

/// An advertiser's products.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Tells one state of the file it was read from from another; zero where there is no file.
    pub version: u64,
    products: Rows,
    by_key: Places<ProductKey>,
    by_group: HashMap<u64, Vec<u32>, BuildHasherDefault<Spread>>,
    by_category: HashMap<Box<str>, Vec<u32>>,
}

impl Catalog {
    /// The product of a key.
    pub fn get(&self, key: ProductKey) -> Option<&Product> {
        self.by_key.get(&key).map(|at| self.products.at(*at))
    }

    /// The products that share a group, in feed order; none for group zero.
    pub fn variants(&self, group: u64) -> impl Iterator<Item = &Product> {
        self.by_group.get(&group).into_iter().flatten().map(|at| self.products.at(*at))
    }

    /// The first products of a category and those below it, in feed order.
    pub fn category(&self, path: &str) -> impl Iterator<Item = &Product> {
        let places = self.by_category.get(path).into_iter().flatten();
        places.map(|at| self.products.at(*at))
    }

    /// All products, in feed order.
    pub fn iter(&self) -> impl Iterator<Item = &Product> {
        self.products.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.products.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.products.0.is_empty()
    }
}
