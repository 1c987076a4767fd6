//! Creatives (contract §3 `creatives[]`), compiled for each size where they can be shown.
//!
//! The revision in `crid` depends on what a reviewer at an exchange sees, and on nothing else.

use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::ad::own::{self, OwnTemplate};
use super::ad::{AdSpec, Kind, Promotion, Trackers, compile};
use super::advertiser::instant;
use super::node::{Node, Value};
use super::reader::{Object, Reader};
use super::targeting::FORMATS;
use crate::base::id::CreativeNo;
use crate::base::limits::{AD_BYTES_MAX, PRODUCTS_PER_AD_MAX, TRACKERS_MAX};
use crate::base::time::Millis;
use crate::model::advertiser::{Creative, Size};
use crate::model::targeting::Format;
use crate::model::template::Template;

/// Characters of a `crid` (contract §6).
const CRID_CHARS_MAX: usize = 80;
const SIDE_MAX: u32 = 10_000;
/// Products of a carousel that says nothing of it.
const PRODUCTS: u32 = 3;

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
    /// `timezone`: the clock of a promotion's end.
    pub timezone: &'a TimeZone,
}

/// `template`.
enum Source {
    ProductCard,
    Carousel,
    /// The text of a file and what it was read as.
    Own(String, OwnTemplate),
}

/// `promotion`.
struct Offer {
    text: String,
    code: Option<String>,
    ends: Option<Millis>,
}

/// `trackers`.
#[derive(Default)]
struct Called {
    impression: Vec<String>,
    click: Vec<String>,
}

/// What is written of a creative.
struct Draft {
    id: String,
    format: Format,
    sizes: Vec<Size>,
    template: Source,
    products: u32,
    headline: Option<String>,
    call_to_action: Option<String>,
    promotion: Option<Offer>,
    trackers: Called,
    attr: Vec<u32>,
    media: Vec<String>,
}

/// `creatives[]`; the number is given later.
pub(super) fn creative<'t>(r: &Reader<'t>, node: &Node<'t>, shop: &Shop<'_>) -> Option<Creative> {
    let o = r.object(node, &KEYS)?;
    let id = o.required("id", Reader::id);
    let format = o.required("format", |r, n| r.word(n, &FORMATS));
    let template = o.or("template", Source::ProductCard, template);
    let products = products(r, &o, &template);
    let draft = Draft {
        sizes: sizes(r, &o, format),
        template,
        products,
        trackers: o.or("trackers", Called::default(), trackers),
        headline: o.optional("headline", Reader::text),
        call_to_action: o.optional("call_to_action", Reader::text),
        promotion: o.optional("promotion", |r, n| promotion(r, n, shop.timezone)),
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
    if draft.format != Format::Banner {
        r.warn(node, "this creative is not shown yet by this version", "banners are");
    }
    if let Some((size, weight)) = ads
        .iter()
        .map(|(size, ad)| (size, ad.weight()))
        .find(|(_, weight)| *weight > AD_BYTES_MAX)
    {
        let problem = format!("about {weight} bytes at {}x{} with {} products", size.w, size.h, draft.products);
        let remedy = format!("at most {AD_BYTES_MAX} without pictures: a shorter template, or fewer products");
        r.fault(o.get("template").unwrap_or(node), problem, remedy);
    }
    Some(Creative {
        no: CreativeNo(0),
        id: draft.id,
        format: draft.format,
        crid,
        attr: draft.attr,
        products: draft.products,
        ads,
    })
}

fn ads(shop: &Shop<'_>, draft: &Draft) -> Vec<(Size, Template)> {
    if draft.format != Format::Banner {
        return Vec::new();
    }
    let spec = AdSpec {
        template: match &draft.template {
            Source::ProductCard => Kind::ProductCard,
            Source::Carousel => Kind::Carousel,
            Source::Own(_, own) => Kind::Own(own),
        },
        products: draft.products,
        language: shop.language,
        shop: shop.name,
        domain: shop.domain,
        logo_url: shop.logo_url,
        headline: draft.headline.as_deref(),
        call_to_action: draft.call_to_action.as_deref(),
        promotion: draft.promotion.as_ref().map(|offer| Promotion {
            text: &offer.text,
            code: offer.code.as_deref(),
            ends: offer.ends,
        }),
        ad_choices_url: shop.ad_choices_url,
        trackers: Trackers {
            impression: &draft.trackers.impression,
            click: &draft.trackers.click,
        },
    };
    draft.sizes.iter().map(|size| (*size, compile(&spec, *size))).collect()
}

/// `advertiser.creative.rev`.
fn crid(shop: &Shop<'_>, draft: &Draft) -> String {
    let sizes: Vec<[u32; 2]> = draft.sizes.iter().map(|size| [size.w, size.h]).collect();
    let format = FORMATS.iter().find(|(_, format)| *format == draft.format).map(|(word, _)| word);
    let template = match &draft.template {
        Source::ProductCard => "product-card",
        Source::Carousel => "carousel",
        Source::Own(text, _) => text,
    };
    let seen = json!([
        format,
        template,
        draft.media,
        [&draft.headline, &draft.call_to_action],
        draft.promotion.as_ref().map(|offer| (&offer.text, &offer.code)),
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

/// How many products the ad may show: one but where the template has room for several.
fn products<'t>(r: &Reader<'t>, o: &Object<'_, 't>, template: &Source) -> u32 {
    let given = o.optional("products", |r, n| r.integer(n, 1, PRODUCTS_PER_AD_MAX as u32));
    match (template, o.get("products")) {
        (Source::ProductCard, Some(node)) if given.is_some_and(|count| count > 1) => {
            r.warn(node, "`product-card` shows one product", "`carousel` shows several");
            1
        }
        (Source::ProductCard, _) => 1,
        _ => given.unwrap_or(PRODUCTS),
    }
}

fn template<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Source> {
    if let Value::Object(_) = node.value {
        let o = r.object(node, &["file"])?;
        let path = o.required("file", Reader::existing_file)?;
        return own_template(r, o.get("file").unwrap_or(node), path);
    }
    let name = r.word(node, &[("product-card", false), ("carousel", true)])?;
    Some(if name { Source::Carousel } else { Source::ProductCard })
}

/// Reads an advertiser's own file; what is wrong in it is reported with its place there.
fn own_template<'t>(r: &Reader<'t>, node: &Node<'t>, path: PathBuf) -> Option<Source> {
    let is_small = std::fs::metadata(&path).is_ok_and(|file| file.len() <= AD_BYTES_MAX as u64);
    if !is_small {
        let remedy = format!("an ad has at most {AD_BYTES_MAX} bytes without its pictures");
        return r.refuse(node, "a template that is too large, or no plain file", remedy);
    }
    let text = match std::fs::read(&path).map(String::from_utf8) {
        Ok(Ok(text)) => text.trim_start_matches('\u{feff}').to_owned(),
        Ok(Err(_)) => return r.refuse(node, "a template that is not UTF-8", "save it as UTF-8"),
        Err(e) => return r.refuse(node, format!("a template that cannot be read: {e}"), "make it readable"),
    };
    match own::parse(&text) {
        Ok(own) => Some(Source::Own(text, own)),
        Err(slips) => {
            for slip in slips {
                r.fault_within(node, &path, &text, slip.at, [slip.value, slip.problem, slip.remedy]);
            }
            None
        }
    }
}

fn promotion<'t>(r: &Reader<'t>, node: &Node<'t>, timezone: &TimeZone) -> Option<Offer> {
    let o = r.object(node, &["text", "code", "ends"])?;
    let text = o.required("text", Reader::text);
    let code = o.optional("code", Reader::text);
    let ends = o.optional("ends", |r, n| instant(r, n, timezone));
    Some(Offer { text: text?, code, ends })
}

fn trackers<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Called> {
    let o = r.object(node, &["impression", "click"])?;
    for key in ["impression", "click"] {
        if let Some(list) = o.get(key)
            && let Value::Array(urls) = &list.value
            && urls.len() > TRACKERS_MAX
        {
            r.fault(list, format!("{} trackers", urls.len()), format!("at most {TRACKERS_MAX}"));
        }
    }
    Some(Called {
        impression: o.list("impression", tracker),
        click: o.list("click", tracker),
    })
}

/// An address that a browser calls from other people's pages.
fn tracker<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<String> {
    let url = r.url(node)?;
    // Several of them stand in one attribute, with white space between.
    if url.starts_with("https://") && !url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some(url);
    }
    r.refuse(node, "not a secure address", "`https://` and no white space")
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
