//! Creatives (contract §3 `creatives[]`), compiled for each size where they can be shown.
//!
//! The revision in `crid` depends on what a reviewer at an exchange sees, and on nothing else.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::ad::{AdSpec, compile};
use super::node::{Node, Value};
use super::reader::{Object, Reader};
use super::targeting::FORMATS;
use crate::base::id::{CreativeNo, CridKey};
use crate::model::advertiser::{Creative, Size};
use crate::model::targeting::Format;

/// Characters of a `crid` (contract §6).
const CRID_CHARS_MAX: usize = 80;
const SIDE_MAX: u32 = 10_000;
const PRODUCT_CARD: &str = "product-card";

const KEYS: [&str; 12] = [
    "id",
    "format",
    "sizes",
    "template",
    "products",
    "headline",
    "call_to_action",
    "promotion",
    "attr",
    "media",
    "duration_s",
    "trackers",
];

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
pub(super) fn creative<'t>(r: &Reader<'t>, node: &Node<'t>, shop: &Shop<'_>) -> Option<Creative> {
    let o = r.object(node, &KEYS)?;
    let id = o.required("id", Reader::id);
    let format = o.required("format", |r, n| r.word(n, &FORMATS));
    o.optional("products", |r, n| r.integer(n, 1, 20));
    o.optional("trackers", trackers);
    let draft = Draft {
        sizes: sizes(r, &o, format),
        template: o.or("template", PRODUCT_CARD.to_owned(), template),
        headline: o.optional("headline", Reader::text),
        call_to_action: o.optional("call_to_action", Reader::text),
        promotion: o.optional("promotion", promotion),
        attr: o.list("attr", |r, n| r.integer(n, 1, 1_000)),
        media: media(&o, format),
        id: id?,
        format: format?,
    };
    let crid = crid(shop, &draft);
    if crid.chars().count() > CRID_CHARS_MAX {
        let problem = format!("`{crid}` is too long a `crid`");
        let remedy = format!("shorten the ids of advertiser or creative: at most {CRID_CHARS_MAX} characters");
        r.fault(o.get("id").unwrap_or(node), problem, remedy);
    }
    let ads = ads(shop, &draft);
    if ads.is_empty() {
        r.warn(
            node,
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

/// Required where a picture of a fixed size is shown.
fn sizes<'t>(r: &Reader<'t>, o: &Object<'_, 't>, format: Option<Format>) -> Vec<Size> {
    let is_required = matches!(format, Some(Format::Banner | Format::Video));
    let node = if is_required { o.must("sizes") } else { o.get("sizes") };
    let Some(node) = node else { return Vec::new() };
    let mut sizes = Vec::new();
    for item in r.some_items(node).unwrap_or_default() {
        let Some(size) = size(r, item) else { continue };
        if sizes.contains(&size) {
            r.fault(item, "size given twice", "leave one out");
        }
        sizes.push(size);
    }
    sizes
}

fn size<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Size> {
    let remedy = "`[300, 250]` or `\"300x250\"`";
    let (w, h) = match &node.value {
        Value::Array(sides) => match sides.as_slice() {
            [w, h] => (r.integer(w, 1, SIDE_MAX), r.integer(h, 1, SIDE_MAX)),
            _ => return r.refuse(node, "not a size", remedy),
        },
        Value::Text(text) => {
            let side = |text: &str| text.trim().parse().ok().filter(|side| (1..=SIDE_MAX).contains(side));
            match text.split_once('x').map(|(w, h)| (side(w), side(h))) {
                Some((Some(w), Some(h))) => (Some(w), Some(h)),
                _ => return r.refuse(node, "not a size", remedy),
            }
        }
        _ => return r.refuse(node, "not a size", remedy),
    };
    Some(Size { w: w?, h: h? })
}

fn template<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    if let Value::Object(_) = node.value {
        let o = r.object(node, &["file"])?;
        let file = o.required("file", Reader::existing_file)?;
        return Some(format!("file:{}", file.display()));
    }
    r.word(node, &[(PRODUCT_CARD, PRODUCT_CARD), ("carousel", "carousel")])
        .map(str::to_owned)
}

fn promotion<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<(String, Option<String>)> {
    let o = r.object(node, &["text", "code", "ends"])?;
    let text = o.required("text", Reader::text);
    let code = o.optional("code", Reader::text);
    if let Some(ends) = o.get("ends")
        && super::advertiser::local_time(r, ends).is_some()
    {
        r.warn(ends, "the promotion is shown after its end too", "remove it when it ends");
    }
    Some((text?, code))
}

fn trackers<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<()> {
    let o = r.object(node, &["impression", "click"])?;
    let urls = o.list("impression", Reader::url).len() + o.list("click", Reader::url).len();
    if urls > 0 {
        r.warn(node, "these trackers are not called yet by this version", "");
    }
    Some(())
}

/// Checks what video and audio need, and names the files for the revision.
fn media<'t>(o: &Object<'_, 't>, format: Option<Format>) -> Vec<String> {
    let seconds = |r: &Reader<'t>, n: &Node<'t>| r.integer(n, 1, 600);
    let file = |r: &Reader<'t>, n: &Node<'t>| {
        let o = r.object(n, &["url", "mime", "bitrate_kbps", "w", "h", "delivery", "codec"])?;
        o.optional("bitrate_kbps", |r, n| r.integer(n, 1, 1_000_000));
        o.optional("w", |r, n| r.integer(n, 1, SIDE_MAX));
        o.optional("h", |r, n| r.integer(n, 1, SIDE_MAX));
        o.optional("delivery", |r, n| r.word(n, &[("progressive", ()), ("streaming", ())]));
        o.optional("codec", Reader::text);
        let mime = o.required("mime", Reader::text);
        let url = o.required("url", Reader::url);
        mime.zip(url).map(|(_, url)| url)
    };
    if !matches!(format, Some(Format::Video | Format::Audio)) {
        o.optional("duration_s", seconds);
        return o.list("media", file);
    }
    o.required("duration_s", seconds);
    o.required("media", |r, n| r.some_of(n, file)).unwrap_or_default()
}
