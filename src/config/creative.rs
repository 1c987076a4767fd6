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
use super::advertiser::{by_exchange, instant};
use super::fault::{Fault, position};
use super::media;
use super::node::Node;
use super::reader::{Object, Reader};
use super::shape::creative::DECLARED;
use super::structure::size_of_text;
use super::targeting::FORMATS;
use crate::base::id::{CreativeNo, CridKey};
use crate::base::limits::{AD_BYTES_MAX, TRACKERS_MAX};
use crate::base::time::Millis;
use crate::model::advertiser::{Creative, Declared, Size, Traits};
use crate::model::spot::{Media, Verification};
use crate::model::targeting::Format;
use crate::model::template::Template;

/// Characters of a `crid` (contract §6).
const CRID_CHARS_MAX: usize = 80;
/// Products of a carousel that says nothing of it.
const PRODUCTS: u32 = 3;

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
    /// Ids of exchanges.
    pub exchanges: &'a [String],
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
    viewable: Vec<String>,
    verification: Vec<Verification>,
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
    media: Vec<Media>,
    seconds: Option<u32>,
}

/// `creatives[]`; the number is given later.
pub(super) fn creative<'t>(r: &Reader<'t>, o: &Object<'_, 't>, shop: &Shop<'_>) -> Option<Creative> {
    let template = template(r, o);
    let (sizes, promotion, trackers) = (sizes(r, o), promotion(o, shop.timezone), trackers(r, o));
    let template = template?;
    let format = o.word("format", &FORMATS);
    let draft = Draft {
        media: media::media(r, o, format, sizes.first().copied().unwrap_or_default()),
        seconds: o.integer("duration_s"),
        sizes,
        products: products(r, o, &template),
        template,
        trackers,
        headline: o.text("headline"),
        call_to_action: o.text("call_to_action"),
        promotion,
        attr: o.list("attr", Reader::integer),
        id: o.read("id", Reader::plain)?,
        format: format?,
    };
    let traits = traits(&draft);
    let crid = crid(shop, &draft);
    if crid.chars().count() > CRID_CHARS_MAX {
        let problem = format!("`{crid}` is too long a `crid`");
        let remedy = format!("shorten the ids of advertiser or creative: at most {CRID_CHARS_MAX} characters");
        r.fault(o.get("id").unwrap_or(o.node), problem, remedy);
    }
    let spec = spec(shop, &draft);
    let sizes = draft.sizes.iter().filter(|_| draft.format != Format::Native);
    let shown = match draft.format {
        Format::Banner => spec,
        // An end card: what others count is in the document.
        _ => spec.untracked(),
    };
    let ads: Vec<(Size, Template)> = sizes.map(|size| (*size, compile(&shown, *size))).collect();
    let weights = ads.iter().map(|(size, ad)| (size, ad.weight()));
    if let Some((size, weight)) = weights.into_iter().find(|(_, weight)| *weight > AD_BYTES_MAX) {
        let problem = format!("about {weight} bytes at {}x{} with {} products", size.w, size.h, draft.products);
        let remedy = format!("at most {AD_BYTES_MAX} without pictures: a shorter template, or fewer products");
        r.fault(o.get("template").unwrap_or(o.node), problem, remedy);
    }
    let files = || draft.media.clone();
    let plays = matches!(draft.format, Format::Video | Format::Audio);
    let is_native = draft.format == Format::Native;
    Some(Creative {
        spot: draft
            .seconds
            .filter(|_| plays)
            .map(|seconds| media::spot(&spec, seconds, files()).into()),
        native: is_native.then(|| media::native(&spec, draft.seconds, files()).into()),
        no: CreativeNo(0),
        id: draft.id,
        format: draft.format,
        crid,
        crid_key: CridKey::default(),
        attr: draft.attr,
        declared: by_exchange(r, o.map("declared"), shop.exchanges, |r, n| {
            Some(declared(&r.object(n, &DECLARED)?))
        }),
        traits: Traits {
            // Only a banner has the link in its own markup.
            says_why: draft.format == Format::Banner && shop.ad_choices_url.is_some(),
            ..traits
        },
        products: draft.products,
        ads,
    })
}

/// `declared`, for one exchange.
fn declared(o: &Object<'_, '_>) -> Declared {
    Declared {
        attributes: o.list("attributes", Reader::integer),
        restricted_categories: o.list("restricted_categories", Reader::integer),
        vendor_types: o.list("vendor_types", Reader::integer),
    }
}

/// What an advertiser's own markup is made of; the built-in templates are plain,
/// but for what tells others that they were seen.
fn traits(draft: &Draft) -> Traits {
    let text = match &draft.template {
        Source::Own(text, _) => text.to_ascii_lowercase(),
        Source::ProductCard | Source::Carousel => String::new(),
    };
    let measures = draft.format == Format::Banner && !draft.trackers.viewable.is_empty();
    Traits {
        scripts: measures || text.contains("<script"),
        frames: text.contains("<iframe"),
        mraid: text.contains("mraid.js"),
        says_why: false,
    }
}

fn spec<'a>(shop: &Shop<'a>, draft: &'a Draft) -> AdSpec<'a> {
    AdSpec {
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
            viewable: &draft.trackers.viewable,
            verification: &draft.trackers.verification,
        },
    }
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
        draft.media.iter().map(|file| &file.url).collect::<Vec<_>>(),
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

/// How many products the ad may show: one but where the template has room for several.
fn products<'t>(r: &Reader<'t>, o: &Object<'_, 't>, template: &Source) -> u32 {
    let given = o.integer("products");
    match (template, o.get("products")) {
        (Source::ProductCard, Some(node)) if given.is_some_and(|count| count > 1) => {
            r.warn(node, "`product-card` shows one product", "`carousel` shows several");
            1
        }
        (Source::ProductCard, _) => 1,
        _ => given.unwrap_or(PRODUCTS),
    }
}

fn template<'t>(r: &Reader<'t>, creative: &Object<'_, 't>) -> Option<Source> {
    if let Some(own) = creative.object("template") {
        return own_template(r, own.get("file")?, own.read("file", Reader::existing_file)?);
    }
    let is_carousel = creative.word("template", &[("product-card", false), ("carousel", true)])?;
    Some(if is_carousel { Source::Carousel } else { Source::ProductCard })
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
                let (line, column) = position(&text, slip.at);
                r.add(Fault {
                    pointer: node.pointer.clone(),
                    value: slip.value,
                    remedy: Some(slip.remedy).filter(|remedy| !remedy.is_empty()),
                    ..Fault::of_file(&path.display().to_string(), line, column, slip.problem)
                });
            }
            None
        }
    }
}

fn promotion(creative: &Object<'_, '_>, timezone: &TimeZone) -> Option<Offer> {
    let o = creative.object("promotion")?;
    Some(Offer {
        text: o.text("text")?,
        code: o.text("code"),
        ends: o.read("ends", |r, n| instant(r, n, timezone)),
    })
}

fn trackers<'t>(r: &Reader<'t>, creative: &Object<'_, 't>) -> Called {
    let o = creative.inner("trackers");
    for key in ["impression", "click", "viewable"] {
        if let Some(list) = o.get(key).filter(|list| r.items(list).len() > TRACKERS_MAX) {
            r.fault(list, format!("{} trackers", r.items(list).len()), format!("at most {TRACKERS_MAX}"));
        }
    }
    Called {
        impression: o.list("impression", Reader::plain),
        click: o.list("click", Reader::plain),
        viewable: o.list("viewable", Reader::plain),
        verification: verification(r, creative),
    }
}

/// `verification`, which a banner has no place for.
fn verification<'t>(r: &Reader<'t>, creative: &Object<'_, 't>) -> Vec<Verification> {
    if let Some(list) = creative.get("verification").filter(|list| !r.items(list).is_empty()) {
        let count = r.items(list).len();
        if creative.text("format").is_some_and(|format| format == "banner") {
            r.warn(list, "a banner has no place for it", "name a script of its own in a `template`");
        } else if count > TRACKERS_MAX {
            r.fault(list, format!("{count} measurements"), format!("at most {TRACKERS_MAX}"));
        }
    }
    creative.objects("verification", |_, o| {
        Some(Verification {
            vendor: o.text("vendor")?.into(),
            url: o.read("url", Reader::plain)?.into(),
            parameters: o.text("parameters").map(Into::into),
        })
    })
}
