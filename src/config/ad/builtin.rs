//! The built-in templates: `product-card`, `carousel`, and what both show where there is no product.
//!
//! A carousel with one product to show is the product card of its size: it is laid out for that.

use super::markup::Markup;
use super::{AdSpec, Layout, direction, em_px, is_web, nearest, own_or};
use crate::model::advertiser::Size;
use crate::model::template::{Cond, Field, Template};

const BASE: &str = include_str!("base.css");
const CAROUSEL: &str = include_str!("carousel.css");
const SHOP: &str = include_str!("shop.css");

/// An ad of so many products at most, in the layout of its size.
pub(super) fn compile(spec: &AdSpec<'_>, size: Size, places: u32) -> Template {
    let frame = Frame {
        spec,
        size,
        layout: nearest(size),
    };
    let pieces = Markup::of(|ad| {
        ad.when(Cond::HasProduct, |ad| {
            if places == 1 {
                return card(ad, &frame);
            }
            ad.when(Cond::Shows(1), |ad| card(ad, &frame));
            ad.unless(Cond::Shows(1), |ad| carousel(ad, &frame, places));
        });
        ad.unless(Cond::HasProduct, |ad| shop(ad, &frame));
        ad.counted(spec, size, false);
        ad.choices(spec, r#"class="wb-choices""#).raw("</div>");
    });
    Template::new(pieces, places)
}

/// The ad of the shop itself at a size, complete.
pub(super) fn without_product(ad: &mut Markup, spec: &AdSpec<'_>, size: Size) {
    let layout = nearest(size);
    shop(ad, &Frame { spec, size, layout });
    ad.raw("</div>");
}

/// What every ad is made of.
struct Frame<'f> {
    spec: &'f AdSpec<'f>,
    size: Size,
    layout: &'static Layout,
}

impl Frame<'_> {
    /// Opens the root; `class` is written within its class attribute.
    fn open(&self, ad: &mut Markup, class: impl FnOnce(&mut Markup)) {
        let (Size { w, h }, em) = (self.size, em_px(self.layout, self.size));
        ad.raw(r#"<div class="wb-ad wb-"#).raw(self.layout.name);
        class(ad);
        ad.while_promoted(self.spec, |ad, _| {
            ad.raw(" wb-has-promo");
        });
        ad.raw(&format!(r#"" dir="{}" lang=""#, direction(self.spec.language)));
        ad.text(self.spec.language);
        ad.raw(&format!(r#"" style="width:{w}px;height:{h}px;font-size:{em:.1}px">"#));
    }
}

/// One product; the whole ad is its link.
fn card(ad: &mut Markup, frame: &Frame<'_>) {
    ad.raw("<style>").css(BASE).css(frame.layout.card).raw("</style>");
    frame.open(ad, |_| {});
    link(ad, frame.spec, Field::Click, "wb-link");
    ad.raw(r#"<span class="wb-top">"#);
    story(ad, frame.spec);
    ad.raw("</span>");
    product(ad, frame.spec);
    ad.raw(r#"<span class="wb-act">"#);
    action(ad, frame.spec);
    ad.raw("</span></a>");
}

/// Several products, each with a link of its own; hook and button lead to the first.
fn carousel(ad: &mut Markup, frame: &Frame<'_>, places: u32) {
    ad.raw("<style>").css(BASE).css(CAROUSEL).css(frame.layout.carousel).raw("</style>");
    frame.open(ad, |ad| {
        for count in 2..=places {
            ad.when(Cond::Shows(count), |ad| {
                ad.raw(&format!(" wb-n{count}"));
            });
        }
    });
    ad.raw(r#"<div class="wb-grid">"#);
    link(ad, frame.spec, Field::Click, "wb-top");
    story(ad, frame.spec);
    ad.raw(r#"</a><div class="wb-row">"#);
    ad.each(|ad| {
        link(ad, frame.spec, Field::Link, "wb-item");
        product(ad, frame.spec);
        ad.raw("</a>");
    });
    ad.raw("</div>");
    link(ad, frame.spec, Field::Click, "wb-act");
    action(ad, frame.spec);
    ad.raw("</a></div>");
}

/// No product: the shop, the hook, the button.
fn shop(ad: &mut Markup, frame: &Frame<'_>) {
    ad.raw("<style>").css(BASE).css(SHOP).raw("</style>");
    let is_wide = frame.size.w > 2 * frame.size.h;
    frame.open(ad, |ad| {
        ad.raw(if is_wide { " wb-wide" } else { " wb-tall" });
    });
    link(ad, frame.spec, Field::Click, "wb-link");
    ad.raw(r#"<span class="wb-top">"#);
    story(ad, frame.spec);
    ad.raw(r#"</span><span class="wb-act">"#);
    action(ad, frame.spec);
    ad.raw("</span></a>");
}

fn link(ad: &mut Markup, spec: &AdSpec<'_>, to: Field, class: &str) {
    ad.raw(r#"<a href=""#).field(to).raw(r#"" target="_blank" rel="noopener""#);
    ad.ping(spec).raw(r#" class=""#).raw(class).raw(r#"">"#);
}

/// Who speaks, and the hook.
fn story(ad: &mut Markup, spec: &AdSpec<'_>) {
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
    ad.bdi("wb-head", lang, headline);
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
        ad.raw("<s><bdi>").field(Field::OldPrice).raw("</bdi></s>");
    });
    ad.raw("</span></span>");
}

/// The promotion, the button, where it leads.
fn action(ad: &mut Markup, spec: &AdSpec<'_>) {
    ad.while_promoted(spec, |ad, promotion| {
        ad.raw(r#"<span class="wb-promo">"#).bdi("wb-offer", "", promotion.text);
        if let Some(code) = promotion.code {
            ad.bdi("wb-code", "", code);
        }
        ad.raw("</span>");
    });
    let (call, lang) = own_or(spec.call_to_action, spec.language, |texts| texts.call_to_action);
    ad.raw(r#"<span class="wb-cta">"#).bdi("wb-go", lang, call).raw("</span>");
    ad.bdi("wb-domain", "", spec.domain);
}
