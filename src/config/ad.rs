//! Banner ads: from a creative's settings and a size to compiled markup (contract §3 `creatives`,
//! §6).
//!
//! The markup is one `<style>` and one `<div>`, both within the prefix `wb-`: no script, nothing
//! loaded but the product's picture, the pixel and the shop's logo. What each size looks like is in
//! the style sheets beside this file; `LAYOUTS` says which is for what. Never judges the settings
//! (`check` does): whatever is given, the result is safe to show.

mod texts;

#[cfg(test)]
mod sheet;

use crate::model::advertiser::Size;
use crate::model::template::{Cond, Field, Piece, Template, escape};

/// What a creative and its advertiser say about an ad, as written.
#[derive(Clone, Copy, Debug)]
pub struct AdSpec<'a> {
    /// `template`; every name is laid out as `product-card`, the one-product template.
    pub template: &'a str,
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
    /// `promotion`: its text, and its code if any.
    pub promotion: Option<(&'a str, Option<&'a str>)>,
    /// `house.ad_choices_url`: a link in the corner.
    pub ad_choices_url: Option<&'a str>,
}

/// How ads of about one shape are laid out.
struct Layout {
    /// The class on the root, after `wb-`.
    name: &'static str,
    /// What comes on top of `base.css`.
    css: &'static str,
    /// The size at which one em is 10 pixels; a smaller ad shrinks with its tighter side.
    design: (u32, u32),
}

const BASE: &str = include_str!("ad/base.css");

/// Of these the one whose design is nearest in proportion is taken.
const LAYOUTS: [Layout; 7] = [
    Layout {
        name: "strip",
        css: include_str!("ad/strip.css"),
        design: (320, 50),
    },
    Layout {
        name: "banner",
        css: include_str!("ad/banner.css"),
        design: (320, 100),
    },
    Layout {
        name: "leaderboard",
        css: include_str!("ad/leaderboard.css"),
        design: (728, 90),
    },
    Layout {
        name: "billboard",
        css: include_str!("ad/billboard.css"),
        design: (970, 250),
    },
    Layout {
        name: "rectangle",
        css: include_str!("ad/rectangle.css"),
        design: (288, 244),
    },
    Layout {
        name: "halfpage",
        css: include_str!("ad/halfpage.css"),
        design: (300, 480),
    },
    Layout {
        name: "skyscraper",
        css: include_str!("ad/skyscraper.css"),
        design: (116, 480),
    },
];

/// Bounds of one em, in pixels: below, nothing is legible; above, nothing is gained.
const EM_PX: (f64, f64) = (7.5, 22.0);

/// Primary subtags of languages written from right to left.
const RIGHT_TO_LEFT: [&str; 10] = ["ar", "ckb", "dv", "fa", "he", "iw", "ps", "ug", "ur", "yi"];

/// Compiles the ad of a creative at a size.
pub fn compile(spec: &AdSpec<'_>, size: Size) -> Template {
    let layout = nearest(size);
    let mut ad = Markup::default();
    ad.raw("<style>").css(BASE).css(layout.css).raw("</style>");
    root(&mut ad, spec, layout, size);
    ad.raw(r#"<a href=""#).field(Field::Click);
    ad.raw(r#"" target="_blank" rel="noopener" class="wb-link">"#);
    story(&mut ad, spec);
    product(&mut ad, spec);
    action(&mut ad, spec);
    ad.raw(r#"</a><img src=""#).field(Field::Pixel);
    ad.raw(r#"" width="1" height="1" alt="" style="position:absolute;left:0;bottom:0">"#);
    if let Some(url) = spec.ad_choices_url.filter(is_web) {
        ad.raw(r#"<a class="wb-choices" target="_blank" rel="noopener" aria-label="AdChoices" href=""#);
        ad.text(url).raw(r#"">i</a>"#);
    }
    ad.raw("</div>");
    ad.done()
}

fn root(ad: &mut Markup, spec: &AdSpec<'_>, layout: &Layout, size: Size) {
    let dir = if is_right_to_left(spec.language) { "rtl" } else { "ltr" };
    let promo = if spec.promotion.is_some() { " wb-has-promo" } else { "" };
    let (Size { w, h }, em) = (size, em_px(layout, size));
    ad.raw(&format!(r#"<div class="wb-ad wb-{}{promo}" dir="{dir}" lang=""#, layout.name));
    ad.text(spec.language);
    ad.raw(&format!(r#"" style="width:{w}px;height:{h}px;font-size:{em:.1}px">"#));
}

/// Who speaks, and the hook.
fn story(ad: &mut Markup, spec: &AdSpec<'_>) {
    ad.raw(r#"<span class="wb-top">"#);
    match spec.logo_url.filter(is_web) {
        Some(url) => ad
            .raw(r#"<img src=""#)
            .text(url)
            .raw(r#"" alt=""#)
            .text(spec.shop)
            .raw(r#"" class="wb-logo">"#),
        None => ad.bdi("wb-shop", "", spec.shop),
    };
    let (headline, lang) = own_or(spec.headline, spec.language, |texts| texts.headline);
    ad.bdi("wb-head", lang, headline).raw("</span>");
}

/// The picture, the title, the price.
fn product(ad: &mut Markup, spec: &AdSpec<'_>) {
    ad.raw(r#"<span class="wb-media"><img src=""#)
        .field(Field::Image)
        .raw(r#"" alt=""#)
        .field(Field::Title)
        .raw(r#"">"#);
    let (sale, lang) = own_or(None, spec.language, |texts| texts.sale);
    ad.when(Cond::OnSale, |ad| {
        ad.bdi("wb-sale", lang, sale);
    });
    ad.raw(r#"</span><span class="wb-info">"#);
    ad.when(Cond::HasBrand, |ad| {
        ad.raw(r#"<bdi class="wb-brand">"#).field(Field::Brand).raw("</bdi>");
    });
    ad.raw(r#"<bdi class="wb-title">"#)
        .field(Field::Title)
        .raw(r#"</bdi><span class="wb-price"#);
    ad.when(Cond::OnSale, |ad| {
        ad.raw(" wb-was");
    });
    ad.when(Cond::LongPrice, |ad| {
        ad.raw(" wb-long");
    });
    ad.raw(r#""><bdi class="wb-now">"#).field(Field::Price).raw("</bdi>");
    ad.when(Cond::OnSale, |ad| {
        ad.raw("<s><bdi>").field(Field::RegularPrice).raw("</bdi></s>");
    });
    ad.raw("</span></span>");
}

/// The promotion, the button, where it leads.
fn action(ad: &mut Markup, spec: &AdSpec<'_>) {
    ad.raw(r#"<span class="wb-act">"#);
    if let Some((text, code)) = spec.promotion {
        ad.raw(r#"<span class="wb-promo">"#).bdi("wb-offer", "", text);
        if let Some(code) = code {
            ad.bdi("wb-code", "", code);
        }
        ad.raw("</span>");
    }
    let (call, lang) = own_or(spec.call_to_action, spec.language, |texts| texts.call_to_action);
    ad.raw(r#"<span class="wb-cta">"#).bdi("wb-go", lang, call).raw("</span>");
    ad.bdi("wb-domain", "", spec.domain).raw("</span>");
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

/// Whether a browser would load or open it without running it.
fn is_web(url: &&str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// Pieces in the making; neighbouring fixed texts become one.
#[derive(Default)]
struct Markup {
    pieces: Vec<Piece>,
    text: Vec<u8>,
}

impl Markup {
    /// Our own markup, as it is.
    fn raw(&mut self, markup: &str) -> &mut Markup {
        self.text.extend_from_slice(markup.as_bytes());
        self
    }

    /// Someone else's text, escaped.
    fn text(&mut self, text: &str) -> &mut Markup {
        escape(text, &mut self.text);
        self
    }

    /// A style sheet without its comments and line breaks.
    fn css(&mut self, css: &str) -> &mut Markup {
        for line in css.lines().filter(|line| !line.starts_with("/*")) {
            self.raw(line);
        }
        self
    }

    /// A text with a direction of its own, so that it cannot reorder what stands beside it.
    fn bdi(&mut self, class: &str, lang: &str, text: &str) -> &mut Markup {
        self.raw(r#"<bdi class=""#).raw(class);
        if !lang.is_empty() {
            self.raw(r#"" lang=""#).raw(lang);
        }
        self.raw(r#"">"#).text(text).raw("</bdi>")
    }

    fn field(&mut self, field: Field) -> &mut Markup {
        self.flush();
        self.pieces.push(Piece::Field(field));
        self
    }

    fn when(&mut self, cond: Cond, then: impl FnOnce(&mut Markup)) {
        let mut inner = Markup::default();
        then(&mut inner);
        self.flush();
        self.pieces.push(Piece::When(cond, inner.done().pieces));
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(String::from_utf8_lossy(&self.text).into()));
            self.text.clear();
        }
    }

    fn done(mut self) -> Template {
        self.flush();
        Template {
            pieces: self.pieces.into(),
        }
    }
}
