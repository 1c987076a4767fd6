//! An advertiser's own template: an HTML file with placeholders, conditions and a loop, compiled to
//! the pieces the built-in templates are made of.
//!
//! # What may stand in the file
//!
//! | written | becomes |
//! | --- | --- |
//! | `{{product.title}}` and the other placeholders below | the value, escaped for where it stands |
//! | `{{#products}} … {{/products}}` | its inside once for each product; without products nothing |
//! | `{{#if product.on_sale}} … {{else}} … {{/if}}` | one side; true of any placeholder that has a value, of `product`, `product.on_sale` and `promotion` |
//! | `{{! … }}` | nothing: a remark |
//! | `\{{` | `{{` itself, for macros that others replace |
//!
//! `product.*` means the product of the loop, outside of one the first product. Placeholders stand in
//! text and in the double- or single-quoted values of `alt`, `title`, `class`, `aria-*`, `data-*` and
//! their like; addresses in `href` of links and `src` of pictures, where a text is encoded as a part
//! of an address that begins with `https://host/`. `{{width}}` and `{{height}}` stand in styles too.
//!
//! A link must lead to `{{click}}` or `{{product.link}}`; these get `target`, `rel` and the
//! creative's click trackers. The pixel is added at the end where `{{pixel}}` does not stand, and so
//! are impression trackers and the ad choices link. A file that never asks for `product` in an
//! `{{#if}}` is not used where there is no product to show: the built-in ad of the shop is.
//!
//! All that is loaded must be https, but for `mraid.js`, which apps have. Refused, with line and column, is whatever would let a value
//! become more than a value: see `parse`.

mod attributes;
mod parse;
#[cfg(test)]
mod tests;

pub use parse::parse;

use super::markup::Markup;
use super::{AdSpec, PRODUCTS_PER_AD_MAX, builtin, direction, is_web, own_or};
use crate::base::time::Millis;
use crate::model::advertiser::Size;
use crate::model::template::{Cond, Field, Piece, Place, Template};

/// A file read and checked, before it meets a creative and a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTemplate {
    nodes: Vec<Node>,
    has_pixel: bool,
    has_loop: bool,
    /// Whether it says itself what is shown without product.
    asks_for_product: bool,
}

/// What is wrong with a file, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// Its offset, in bytes.
    pub at: usize,
    /// What stands there.
    pub value: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// As it is.
    Text(String),
    /// A placeholder.
    Value(Value, Place),
    /// `{{#if}}`: both sides.
    If(Test, Vec<Node>, Vec<Node>),
    /// `{{#products}}`.
    Products(Vec<Node>),
    /// The end of a link that is clicked through us; `target` and `rel` where they are missing.
    LinkEnd { needs_target: bool },
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// Filled in for each impression.
    Product(Field),
    Headline,
    CallToAction,
    PromotionText,
    PromotionCode,
    ShopName,
    ShopDomain,
    ShopLogo,
    Language,
    Direction,
    Width,
    Height,
}

/// What an `{{#if}}` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    /// Whether there is a product.
    Product,
    /// Whether a placeholder has a value.
    Has(Value),
}

/// Where a value may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Text.
    Text,
    /// A number of ours: also in styles.
    Number,
    /// What a link may lead to.
    Link,
    /// What may be loaded as a picture.
    Picture,
}

/// Every placeholder.
const NAMES: [(&str, Value, Kind); 20] = [
    ("product.id", Value::Product(Field::Id), Kind::Text),
    ("product.title", Value::Product(Field::Title), Kind::Text),
    ("product.price", Value::Product(Field::Price), Kind::Text),
    ("product.old_price", Value::Product(Field::OldPrice), Kind::Text),
    ("product.brand", Value::Product(Field::Brand), Kind::Text),
    ("product.image", Value::Product(Field::Image), Kind::Picture),
    ("product.link", Value::Product(Field::Link), Kind::Link),
    ("click", Value::Product(Field::Click), Kind::Link),
    ("pixel", Value::Product(Field::Pixel), Kind::Picture),
    ("headline", Value::Headline, Kind::Text),
    ("call_to_action", Value::CallToAction, Kind::Text),
    ("promotion.text", Value::PromotionText, Kind::Text),
    ("promotion.code", Value::PromotionCode, Kind::Text),
    ("shop.name", Value::ShopName, Kind::Text),
    ("shop.domain", Value::ShopDomain, Kind::Text),
    ("shop.logo", Value::ShopLogo, Kind::Picture),
    ("language", Value::Language, Kind::Text),
    ("direction", Value::Direction, Kind::Text),
    ("width", Value::Width, Kind::Number),
    ("height", Value::Height, Kind::Number),
];

/// What only an `{{#if}}` asks.
const TESTS: [(&str, Test); 4] = [
    ("product", Test::Product),
    ("products", Test::Product),
    ("product.on_sale", Test::Has(Value::Product(Field::OldPrice))),
    ("promotion", Test::Has(Value::PromotionText)),
];

fn placeholder(name: &str) -> Option<(Value, Kind)> {
    NAMES
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, value, kind)| (*value, *kind))
}

fn test(name: &str) -> Option<Test> {
    let only = TESTS.iter().find(|(known, _)| *known == name).map(|(_, test)| *test);
    only.or_else(|| placeholder(name).map(|(value, _)| Test::Has(value)))
}

impl OwnTemplate {
    /// The ad of a creative at a size.
    pub(super) fn compile(&self, spec: &AdSpec<'_>, size: Size) -> Template {
        let places = if self.has_loop {
            spec.products.clamp(1, PRODUCTS_PER_AD_MAX as u32)
        } else {
            1
        };
        let lower = Lower { spec, size };
        let pieces = Markup::of(|ad| {
            if self.asks_for_product {
                lower.nodes(&self.nodes, ad);
                ad.counted(spec, size, self.has_pixel);
            } else {
                ad.when(Cond::HasProduct, |ad| {
                    lower.nodes(&self.nodes, ad);
                    ad.counted(spec, size, self.has_pixel);
                });
                ad.unless(Cond::HasProduct, |ad| {
                    builtin::without_product(ad, spec, size);
                    ad.counted(spec, size, false);
                });
            }
            ad.choices(spec, CHOICES);
        });
        Template::new(pieces, places)
    }
}

/// How the ad choices link looks in a document whose style is not ours.
const CHOICES: &str = r#"style="position:absolute;top:0;inset-inline-end:0;z-index:9;width:15px;height:15px;background:#fff;color:#5c626e;font:italic 700 11px/15px Georgia,serif;text-align:center;text-decoration:none""#;

/// From nodes to pieces, for a creative at a size.
struct Lower<'a> {
    spec: &'a AdSpec<'a>,
    size: Size,
}

impl Lower<'_> {
    fn nodes(&self, nodes: &[Node], ad: &mut Markup) {
        for node in nodes {
            match node {
                Node::Text(text) => {
                    ad.raw(text);
                }
                Node::Value(value, place) => self.value(*value, *place, ad),
                Node::Products(inner) => ad.each(|ad| self.nodes(inner, ad)),
                Node::If(test, then, other) => self.either(*test, then, other, ad),
                Node::LinkEnd { needs_target } => {
                    ad.ping(self.spec);
                    if *needs_target {
                        ad.raw(r#" target="_blank" rel="noopener""#);
                    }
                }
            }
        }
    }

    fn either(&self, test: Test, then: &[Node], other: &[Node], ad: &mut Markup) {
        let cond = match test {
            Test::Product => Cond::HasProduct,
            Test::Has(Value::Product(Field::OldPrice)) => Cond::OnSale,
            Test::Has(Value::Product(Field::Brand)) => Cond::HasBrand,
            Test::Has(Value::Product(Field::Click | Field::Pixel)) => return self.nodes(then, ad),
            Test::Has(Value::Product(_)) => Cond::HasProduct,
            Test::Has(Value::Width | Value::Height) => return self.nodes(then, ad),
            Test::Has(value) => match (self.text(value), self.ends(value)) {
                ("", _) => return self.nodes(other, ad),
                (_, Some(end)) => Cond::Until(end),
                (_, None) => return self.nodes(then, ad),
            },
        };
        ad.when(cond, |ad| self.nodes(then, ad));
        ad.unless(cond, |ad| self.nodes(other, ad));
    }

    fn value(&self, value: Value, place: Place, ad: &mut Markup) {
        match (value, self.ends(value)) {
            (Value::Product(field), _) => ad.piece(Piece::Field(field, place)),
            (Value::Width, _) => {
                ad.raw(&self.size.w.to_string());
            }
            (Value::Height, _) => {
                ad.raw(&self.size.h.to_string());
            }
            (_, Some(end)) => ad.when(Cond::Until(end), |ad| {
                ad.placed(self.text(value), place);
            }),
            (_, None) => {
                ad.placed(self.text(value), place);
            }
        }
    }

    /// When a value ceases to be there.
    fn ends(&self, value: Value) -> Option<Millis> {
        match value {
            Value::PromotionText | Value::PromotionCode => self.spec.promotion?.ends,
            _ => None,
        }
    }

    /// A value that is the same for every impression; empty where there is none.
    fn text(&self, value: Value) -> &str {
        let spec = self.spec;
        match value {
            Value::Headline => own_or(spec.headline, spec.language, |texts| texts.headline).0,
            Value::CallToAction => own_or(spec.call_to_action, spec.language, |texts| texts.call_to_action).0,
            Value::PromotionText => spec.promotion.map_or("", |promotion| promotion.text),
            Value::PromotionCode => spec.promotion.and_then(|promotion| promotion.code).unwrap_or(""),
            Value::ShopName => spec.shop,
            Value::ShopDomain => spec.domain,
            Value::ShopLogo => spec.logo_url.filter(is_web).unwrap_or(""),
            Value::Language => spec.language,
            Value::Direction => direction(spec.language),
            Value::Product(_) | Value::Width | Value::Height => "",
        }
    }
}
