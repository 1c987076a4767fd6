//! Creatives (contract §3 `creatives[]`), compiled for each size where they can be shown.
//!
//! The revision in `crid` depends on what a reviewer at an exchange sees, and on nothing else.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::ad::{AdSpec, compile};
use super::node::Node;
use super::reader::{Object, Reader};
use super::structure::size_of_text;
use super::targeting::FORMATS;
use crate::base::id::{CreativeNo, CridKey};
use crate::model::advertiser::{Creative, Size};
use crate::model::targeting::Format;

/// Characters of a `crid` (contract §6).
const CRID_CHARS_MAX: usize = 80;
const PRODUCT_CARD: &str = "product-card";

/// What an ad says of its advertiser.
pub(super) struct Shop<'a> {
    /// `id`.
    pub id: &'a str,
    /// `name`.
    pub name: &'a str,
    /// `domain`.
    pub domain: &'a str,
    /// `language`.
    pub language: &'a str,
    /// `logo_url`.
    pub logo_url: Option<&'a str>,
    /// The house's AdChoices address.
    pub ad_choices_url: Option<&'a str>,
}

/// What is written of a creative.
struct Draft {
    id: String,
    format: Format,
    sizes: Vec<Size>,
    template: String,
    headline: Option<String>,
    call_to_action: Option<String>,
    promotion: Option<(String, Option<String>)>,
    attr: Vec<u32>,
    media: Vec<String>,
}

/// `creatives[]`; the number is given later.
pub(super) fn creative<'t>(r: &Reader<'t>, o: &Object<'_, 't>, shop: &Shop<'_>) -> Option<Creative> {
    trackers(r, o);
    let (sizes, template, promotion) = (sizes(r, o), template(o), promotion(r, o));
    let draft = Draft {
        sizes,
        headline: o.text("headline"),
        call_to_action: o.text("call_to_action"),
        promotion,
        attr: o.list("attr", Reader::integer),
        media: o.objects("media", |_, o| o.read("url", Reader::plain)),
        template: template?,
        id: o.read("id", Reader::plain)?,
        format: o.word("format", &FORMATS)?,
    };
    let crid = crid(shop, &draft);
    if crid.chars().count() > CRID_CHARS_MAX {
        let problem = format!("`{crid}` is too long a `crid`");
        let remedy = format!("shorten the ids of advertiser or creative: at most {CRID_CHARS_MAX} characters");
        r.fault(o.get("id").unwrap_or(o.node), problem, remedy);
    }
    let ads = ads(shop, &draft);
    if ads.is_empty() {
        r.warn(
            o.node,
            "this creative is not shown yet by this version",
            "banners of `product-card` are",
        );
    }
    Some(Creative {
        no: CreativeNo(0),
        id: draft.id,
        format: draft.format,
        crid,
        crid_key: CridKey::default(),
        attr: draft.attr,
        ads,
    })
}

fn ads(shop: &Shop<'_>, draft: &Draft) -> Vec<(Size, crate::model::template::Template)> {
    if draft.format != Format::Banner || draft.template != PRODUCT_CARD {
        return Vec::new();
    }
    let spec = AdSpec {
        template: &draft.template,
        language: shop.language,
        shop: shop.name,
        domain: shop.domain,
        logo_url: shop.logo_url,
        headline: draft.headline.as_deref(),
        call_to_action: draft.call_to_action.as_deref(),
        promotion: draft.promotion.as_ref().map(|(text, code)| (text.as_str(), code.as_deref())),
        ad_choices_url: shop.ad_choices_url,
    };
    draft.sizes.iter().map(|size| (*size, compile(&spec, *size))).collect()
}

/// `advertiser.creative.rev`.
fn crid(shop: &Shop<'_>, draft: &Draft) -> String {
    let sizes: Vec<[u32; 2]> = draft.sizes.iter().map(|size| [size.w, size.h]).collect();
    let format = FORMATS.iter().find(|(_, format)| *format == draft.format).map(|(word, _)| word);
    let seen = json!([
        format,
        draft.template,
        draft.media,
        [&draft.headline, &draft.call_to_action],
        draft.promotion,
        sizes,
        draft.attr,
        shop.domain
    ]);
    let hash = Sha256::digest(seen.to_string());
    let mut crid = format!("{}.{}.", shop.id, draft.id);
    for byte in hash.iter().take(4) {
        // Writing into a String cannot fail.
        let _ = write!(crid, "{byte:02x}");
    }
    crid
}

fn sizes<'t>(r: &Reader<'t>, o: &Object<'_, 't>) -> Vec<Size> {
    let mut sizes = Vec::new();
    for item in o.get("sizes").map_or(&[][..], |node| r.items(node)) {
        let Some(size) = size(r, item) else { continue };
        if sizes.contains(&size) {
            r.fault(item, "size given twice", "leave one out");
        }
        sizes.push(size);
    }
    sizes
}

fn size<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Size> {
    match r.items(node) {
        [w, h] => Some(Size {
            w: r.integer(w)?,
            h: r.integer(h)?,
        }),
        _ => size_of_text(r.string(node)?),
    }
}

fn template(o: &Object<'_, '_>) -> Option<String> {
    match o.object("template") {
        Some(own) => Some(format!("file:{}", own.read("file", Reader::existing_file)?.display())),
        None => o.text("template"),
    }
}

fn promotion<'t>(r: &Reader<'t>, creative: &Object<'_, 't>) -> Option<(String, Option<String>)> {
    let o = creative.object("promotion")?;
    if let Some(ends) = o.get("ends") {
        r.warn(ends, "the promotion is shown after its end too", "remove it when it ends");
    }
    Some((o.text("text")?, o.text("code")))
}

fn trackers<'t>(r: &Reader<'t>, creative: &Object<'_, 't>) {
    let o = creative.inner("trackers");
    if !o.list("impression", Reader::plain).is_empty() || !o.list("click", Reader::plain).is_empty() {
        r.warn(o.node, "these trackers are not called yet by this version", "");
    }
}
