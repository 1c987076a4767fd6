//! HTML ads, banners and what stands beside players: from a creative's settings and a size to compiled markup (contract §3 `creatives`,
//! §6).
//!
//! The built-in markup is one `<style>` and one `<div>`, both within the prefix `wb-`: no script but
//! the one that viewable trackers ask for, nothing loaded but the products' pictures, the pixel, the shop's logo and the creative's trackers.
//! What each size looks like is in the style sheets beside this file; `LAYOUTS` says which is for
//! what. An advertiser's own template is `own`. Never judges the settings (`check` does): whatever is
//! given, the result is safe to show.

mod builtin;
mod markup;
pub mod own;
mod texts;

#[cfg(test)]
mod tests;

use crate::base::limits::PRODUCTS_PER_AD_MAX;
use crate::base::time::Millis;
use crate::model::advertiser::Size;
use crate::model::spot::Verification;
use crate::model::template::Template;

use own::OwnTemplate;

/// What a creative and its advertiser say about an ad, as written.
#[derive(Clone, Copy, Debug)]
pub struct AdSpec<'a> {
    /// `template`.
    pub template: Kind<'a>,
    /// `products`: how many the ad may show, where its template has room for several.
    pub products: u32,
    /// The advertiser's `language`, BCP 47.
    pub language: &'a str,
    /// Its `name`.
    pub shop: &'a str,
    /// Its `domain`.
    pub domain: &'a str,
    /// Its `logo_url`, shown in place of the name.
    pub logo_url: Option<&'a str>,
    /// `headline`; else one in `language`.
    pub headline: Option<&'a str>,
    /// `call_to_action`; else one in `language`.
    pub call_to_action: Option<&'a str>,
    /// `promotion`.
    pub promotion: Option<Promotion<'a>>,
    /// `house.ad_choices_url`: a link in the corner.
    pub ad_choices_url: Option<&'a str>,
    /// `trackers`.
    pub trackers: Trackers<'a>,
}

/// What an ad is made from.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// `product-card`: one product.
    ProductCard,
    /// `carousel`: several side by side.
    Carousel,
    /// The advertiser's own file.
    Own(&'a OwnTemplate),
}

/// `promotion`.
#[derive(Clone, Copy, Debug)]
pub struct Promotion<'a> {
    /// What is offered.
    pub text: &'a str,
    /// The code to enter.
    pub code: Option<&'a str>,
    /// From then on it is not shown.
    pub ends: Option<Millis>,
}

/// `trackers`: addresses others want called; macros of exchanges in them stay as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trackers<'a> {
    /// Loaded as pictures with the ad.
    pub impression: &'a [String],
    /// Called by the browser when a link is followed.
    pub click: &'a [String],
    /// Loaded as pictures once the ad has been seen.
    pub viewable: &'a [String],
    /// Measurement of what is no banner.
    pub verification: &'a [Verification],
}

impl<'a> AdSpec<'a> {
    /// The same ad with nothing of others' in it.
    pub fn untracked(self) -> AdSpec<'a> {
        AdSpec {
            trackers: Trackers::default(),
            ..self
        }
    }
}

/// How ads of about one shape are laid out.
struct Layout {
    /// The class on the root, after `wb-`.
    name: &'static str,
    /// What comes on top of `base.css` for one product.
    card: &'static str,
    /// What comes on top of `base.css` and `carousel.css` for several.
    carousel: &'static str,
    /// The size at which one em is 10 pixels; a smaller ad shrinks with its tighter side.
    design: (u32, u32),
    /// How many products stand in a row.
    row: Row,
}

/// What a row of products needs, in em.
struct Row {
    /// Whether it goes downwards.
    is_column: bool,
    /// For what stands before and after it.
    aside: f64,
    /// For each product.
    tile: f64,
    /// Never more than this.
    most: u32,
}

/// Of these the one whose design is nearest in proportion is taken.
const LAYOUTS: [Layout; 7] = [
    Layout {
        name: "strip",
        card: include_str!("ad/strip.css"),
        carousel: include_str!("ad/carousel/strip.css"),
        design: (320, 50),
        row: Row {
            is_column: false,
            aside: 0.0,
            tile: 15.0,
            most: 2,
        },
    },
    Layout {
        name: "banner",
        card: include_str!("ad/banner.css"),
        carousel: include_str!("ad/carousel/banner.css"),
        design: (320, 100),
        row: Row {
            is_column: false,
            aside: 0.0,
            tile: 15.0,
            most: 2,
        },
    },
    Layout {
        name: "leaderboard",
        card: include_str!("ad/leaderboard.css"),
        carousel: include_str!("ad/carousel/leaderboard.css"),
        design: (728, 90),
        row: Row {
            is_column: false,
            aside: 19.0,
            tile: 17.0,
            most: 4,
        },
    },
    Layout {
        name: "billboard",
        card: include_str!("ad/billboard.css"),
        carousel: include_str!("ad/carousel/billboard.css"),
        design: (970, 250),
        row: Row {
            is_column: false,
            aside: 29.0,
            tile: 16.5,
            most: 4,
        },
    },
    Layout {
        name: "rectangle",
        card: include_str!("ad/rectangle.css"),
        carousel: include_str!("ad/carousel/rectangle.css"),
        design: (288, 244),
        row: Row {
            is_column: false,
            aside: 0.0,
            tile: 7.0,
            most: 4,
        },
    },
    Layout {
        name: "halfpage",
        card: include_str!("ad/halfpage.css"),
        carousel: include_str!("ad/carousel/halfpage.css"),
        design: (300, 480),
        row: Row {
            is_column: true,
            aside: 15.0,
            tile: 10.5,
            most: 4,
        },
    },
    Layout {
        name: "skyscraper",
        card: include_str!("ad/skyscraper.css"),
        carousel: include_str!("ad/carousel/skyscraper.css"),
        design: (116, 480),
        row: Row {
            is_column: true,
            aside: 16.0,
            tile: 10.5,
            most: 3,
        },
    },
];

/// Bounds of one em, in pixels: below, nothing is legible; above, nothing is gained.
const EM_PX: (f64, f64) = (7.5, 22.0);

/// Primary subtags of languages written from right to left.
const RIGHT_TO_LEFT: [&str; 10] = ["ar", "ckb", "dv", "fa", "he", "iw", "ps", "ug", "ur", "yi"];

/// Compiles the ad of a creative at a size.
pub fn compile(spec: &AdSpec<'_>, size: Size) -> Template {
    match spec.template {
        Kind::ProductCard => builtin::compile(spec, size, 1),
        Kind::Carousel => builtin::compile(spec, size, places(spec.products, size)),
        Kind::Own(own) => own.compile(spec, size),
    }
}

/// What an ad without markup of its own says: headline and call to action.
pub fn hook<'a>(spec: &AdSpec<'a>) -> (&'a str, &'a str) {
    let own = |own, pick: fn(&texts::Texts) -> &'static str| own_or(own, spec.language, pick).0;
    (
        own(spec.headline, |texts| texts.headline),
        own(spec.call_to_action, |texts| texts.call_to_action),
    )
}

/// How many of `wanted` products a carousel of a size has room for.
fn places(wanted: u32, size: Size) -> u32 {
    let layout = nearest(size);
    let row = &layout.row;
    let side = f64::from(if row.is_column { size.h } else { size.w });
    // A float becomes the nearest number there is.
    let room = ((side / em_px(layout, size) - row.aside) / row.tile) as u32;
    wanted.min(room).clamp(1, row.most.min(PRODUCTS_PER_AD_MAX as u32))
}

/// The advertiser's own text, or ours; with the language of the text where it is not the ad's.
fn own_or<'a>(own: Option<&'a str>, language: &str, pick: impl Fn(&texts::Texts) -> &'static str) -> (&'a str, &'static str) {
    let texts = texts::of(language);
    match own.filter(|text| !text.trim().is_empty()) {
        Some(own) => (own, ""),
        None if primary(language).eq_ignore_ascii_case(primary(texts.language)) => (pick(texts), ""),
        None => (pick(texts), texts.language),
    }
}

fn nearest(size: Size) -> &'static Layout {
    let far = |a: u32, b: u32| (f64::from(a.max(1)) / f64::from(b)).ln().abs();
    let distance = |layout: &Layout| far(size.w, layout.design.0) + far(size.h, layout.design.1);
    let [first, rest @ ..] = &LAYOUTS;
    rest.iter()
        .fold(first, |best, next| if distance(next) < distance(best) { next } else { best })
}

fn em_px(layout: &Layout, size: Size) -> f64 {
    let (w, h) = layout.design;
    let scale = (f64::from(size.w) / f64::from(w)).min(f64::from(size.h) / f64::from(h));
    (scale * 10.0).clamp(EM_PX.0, EM_PX.1)
}

fn primary(language: &str) -> &str {
    language.split(['-', '_']).next().unwrap_or(language)
}

fn is_right_to_left(language: &str) -> bool {
    RIGHT_TO_LEFT.iter().any(|rtl| primary(language).eq_ignore_ascii_case(rtl))
}

/// Writing direction.
fn direction(language: &str) -> &'static str {
    if is_right_to_left(language) { "rtl" } else { "ltr" }
}

/// Whether a browser would load or open it without running it.
fn is_web(url: &&str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}
