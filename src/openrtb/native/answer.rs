//! The native ad: the assets asked for, filled from the product by their ids, with link and trackers, as
//! JSON (Native 1.2 §5; the older forms where a request says no better).
//!
//! Appends to a buffer; allocates nothing but what that needs to grow. Texts are cut between words, never
//! in the middle of a price or an address; whatever looks like a macro in them is defused, lest an
//! exchange replaces it. An asset that cannot be filled is left out, and where it is required there is no
//! ad.

use std::io::Write;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::{Asset, IMAGE, IMPRESSION, Kind, MEASURED, Method, NativeAsk, Picture, SCRIPT, VIEWABLE, VIEWABLE_VIDEO};
use crate::base::time::Millis;
use crate::model::advertiser::Size;
use crate::model::links::Click;
use crate::model::native::Native;
use crate::model::product::{Product, picture_type};
use crate::model::spot::{Media, Spot, Verification};
use crate::openrtb::json::{List, write_content, write_string};
use crate::openrtb::player::Player;

/// Types of pictures that are of the shop and not of the product: icon, logo.
const OF_SHOP: [i64; 2] = [1, 2];

/// What fills the assets of one ad.
pub struct Filling<'a> {
    /// What all ads of the creative share.
    pub native: &'a Native,
    /// The product; none makes the ad of the shop itself.
    pub product: Option<&'a Product>,
    /// When it is shown.
    pub now: Millis,
    /// Where a click goes.
    pub click: Click<'a>,
    /// The address of the impression pixel, up to the end of its token and on; with `.js` between, that of a
    /// script which counts the same.
    pub pixel: (&'a str, &'a str),
}

/// Appends a document as a JSON string, where the player takes the spot.
pub type Vast<'a> = dyn FnMut(&Player<'_>, &Spot, &mut Vec<u8>) -> bool + 'a;

/// A picture chosen.
struct Chosen<'a> {
    url: &'a str,
    size: Option<Size>,
}

impl NativeAsk {
    /// Appends the ad; `vast` appends the document of a video asset as a JSON string. Fails with the id of a required asset
    /// that cannot be filled, or with none where nothing is left to show; what was appended by then
    /// means nothing.
    pub fn write(&self, filling: &Filling<'_>, vast: &mut Vast<'_>, out: &mut Vec<u8>) -> Result<(), Option<i64>> {
        put(out, if self.wrapped { "{\"native\":{" } else { "{" });
        if let Some(version) = self.version {
            field("ver", version, out);
            put(out, ",");
        }
        put(out, "\"assets\":[");
        let (mut filled, mut plays) = (0, false);
        for asset in &self.assets {
            let start = out.len();
            put(out, if filled > 0 { "," } else { "" });
            if self.asset(asset, filling, vast, out) {
                filled += 1;
                plays |= matches!(asset.kind, Kind::Video(_));
            } else if asset.required {
                return Err(asset.id);
            } else {
                out.truncate(start);
            }
        }
        put(out, "],\"link\":{\"url\":\"");
        filling.click.parts(0).iter().for_each(|part| write_content(part, out));
        put(out, "\"");
        addresses(",\"clicktrackers\":[", filling.native.click.iter().map(String::as_str), out);
        put(out, "}");
        self.trackers(filling, plays, out);
        if let Some(url) = filling.native.privacy_url.as_deref().filter(|_| self.privacy) {
            put(out, ",");
            field("privacy", url, out);
        }
        put(out, if self.wrapped { "}}" } else { "}" });
        if filled == 0 { Err(None) } else { Ok(()) }
    }

    /// Appends one asset; false, and anything appended, where it cannot be filled.
    fn asset(&self, asset: &Asset, filling: &Filling<'_>, vast: &mut Vast<'_>, out: &mut Vec<u8>) -> bool {
        let Some(id) = asset.id else { return false };
        let _ = write!(out, "{{\"id\":{id},");
        let is_filled = match &asset.kind {
            Kind::Title(len) => text("title", "text", filling.title(), *len, out),
            Kind::Data(kind, len) => self.data(*kind, *len, filling, out),
            Kind::Picture(asked) => self.picture(asked, filling).map(|chosen| img(&chosen, out)).is_some(),
            Kind::Video(range) => self.video(range, filling, vast, out),
            Kind::Unknown => false,
        };
        put(out, "}");
        is_filled
    }

    /// Data by its type (Native 1.2 §7.3).
    fn data(&self, kind: i64, len: Option<usize>, filling: &Filling<'_>, out: &mut Vec<u8>) -> bool {
        let native = filling.native;
        let takes_sale = self.assets.iter().any(|asset| matches!(asset.kind, Kind::Data(7, _)));
        let product = filling.product;
        let sale = product.and_then(|product| product.sale_at(filling.now));
        let (value, may_cut) = match kind {
            1 => (Some(&*native.sponsor), true),
            2 => (Some(filling.description()), true),
            // Beside a sale price stands what was asked before.
            6 if takes_sale => (product.map(|product| &*product.price_text), false),
            6 => (product.map(|product| product.price_at(filling.now)), false),
            7 => (sale.map(|sale| &*sale.text), false),
            10 => (native.promotion_at(filling.now), true),
            11 => (Some(&*native.domain), false),
            12 => (Some(&*native.call_to_action), true),
            _ => (None, false),
        };
        let has_room = |value: &&str| may_cut || len.is_none_or(|len| value.chars().count() <= len);
        value.filter(has_room).is_some_and(|value| text("data", "value", value, len, out))
    }

    /// The picture of an asset: of the shop for icons and logos, else of the product.
    fn picture<'f>(&self, asked: &Picture, filling: &Filling<'f>) -> Option<Chosen<'f>> {
        let native = filling.native;
        let plain = |url: &'f str| {
            let size = asked.exact.or(asked.least).filter(|size| size.w > 0 && size.h > 0);
            self.takes_type(asked, picture_type(url)).then_some(Chosen { url, size })
        };
        let of_product = || plain(&filling.product?.image_link);
        let of_shop = || {
            let fits = |media: &&Media| self.takes_type(asked, Some(&media.mime)) && is_of_size(asked, media.size);
            let own = native.pictures.iter().filter(fits);
            let smallest = own.min_by_key(|media| u64::from(media.size.w) * u64::from(media.size.h));
            let own = smallest.map(|media| Chosen {
                url: &media.url,
                size: Some(media.size).filter(|size| size.w > 0 && size.h > 0),
            });
            own.or_else(|| plain(native.logo_url.as_deref()?))
        };
        match asked.kind {
            Some(kind) if OF_SHOP.contains(&kind) => of_shop().or_else(of_product),
            _ => of_product().or_else(of_shop),
        }
    }

    /// Whether a picture of a type is taken; one whose address does not tell may be.
    fn takes_type(&self, asked: &Picture, kind: Option<&str>) -> bool {
        let mimes = List::new(self.part(&asked.mimes));
        let Some(kind) = kind else { return true };
        let is_named = |mime: &str| mime.eq_ignore_ascii_case(kind) || (kind == "image/jpeg" && mime.eq_ignore_ascii_case("image/jpg"));
        mimes.is_empty() || mimes.iter().filter_map(|mime| mime.plain()).any(is_named)
    }

    /// A spot that the asset's player takes.
    fn video(&self, range: &Range<usize>, filling: &Filling<'_>, vast: &mut Vast<'_>, out: &mut Vec<u8>) -> bool {
        let (Some(spot), Some(player)) = (&filling.native.spot, self.player(range)) else {
            return false;
        };
        put(out, "\"video\":{\"vasttag\":");
        let written = vast(&player, spot, out);
        put(out, "}");
        written
    }

    /// Whom to tell of the impression, as the request says it may be told, else in the way of Native 1.0 and 1.1;
    /// and of more, where it lists that. `plays` is whether a video was filled in.
    fn trackers(&self, filling: &Filling<'_>, plays: bool, out: &mut Vec<u8>) {
        let Filling { native, pixel, .. } = filling;
        let mut list = EventTrackers { out, any: false };
        match self.events.impression {
            None => {}
            Some(Method::Image) => {
                list.add(IMPRESSION, IMAGE, &[pixel.0, pixel.1]);
                native.impression.iter().for_each(|url| list.add(IMPRESSION, IMAGE, &[url]));
            }
            Some(Method::Script) => list.add(IMPRESSION, SCRIPT, &[pixel.0, ".js", pixel.1]),
        }
        let (event, is_listed) = match plays {
            true => (VIEWABLE_VIDEO, self.events.viewable_video),
            false => (VIEWABLE, self.events.viewable),
        };
        let viewable = native.viewable.iter().filter(|_| is_listed);
        viewable.for_each(|url| list.add(event, IMAGE, &[url]));
        let measures = native.verification.iter().filter(|_| self.events.measured);
        measures.for_each(|verification| list.measure(verification));
        let any = list.any;
        put(out, if any { "]" } else { "" });
        if self.events.impression.is_none() {
            put(out, ",\"imptrackers\":[\"");
            [pixel.0, pixel.1].iter().for_each(|part| write_content(part.as_bytes(), out));
            put(out, "\"");
            for url in &native.impression {
                put(out, ",");
                write_string(url, out);
            }
            put(out, "]");
        }
    }
}

/// `eventtrackers` as it is written.
struct EventTrackers<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl EventTrackers<'_> {
    /// Opens one, up to its address's end.
    fn open(&mut self, event: i64, method: i64, url: &[&str]) {
        put(self.out, if self.any { "," } else { ",\"eventtrackers\":[" });
        self.any = true;
        let _ = write!(self.out, "{{\"event\":{event},\"method\":{method},\"url\":\"");
        url.iter().for_each(|part| write_content(part.as_bytes(), self.out));
        put(self.out, "\"");
    }

    fn add(&mut self, event: i64, method: i64, url: &[&str]) {
        self.open(event, method, url);
        put(self.out, "}");
    }

    fn measure(&mut self, verification: &Verification) {
        let Verification { vendor, url, parameters } = verification;
        self.open(MEASURED, SCRIPT, &[url]);
        put(self.out, ",\"ext\":{");
        field("vendorKey", vendor, self.out);
        if let Some(parameters) = parameters {
            put(self.out, ",");
            field("verification_parameters", parameters, self.out);
        }
        put(self.out, "}}");
    }
}

impl<'a> Filling<'a> {
    fn title(&self) -> &'a str {
        self.product.map_or(&self.native.headline, |product| &product.title)
    }

    /// Of the product, else what the shop says.
    fn description(&self) -> &'a str {
        let own = self.product.map(|product| &*product.description);
        own.filter(|text| !text.is_empty()).unwrap_or(&self.native.headline)
    }
}

/// Whether a size that is known is one asked for: exactly, or at least.
fn is_of_size(asked: &Picture, size: Size) -> bool {
    match (asked.least, asked.exact) {
        (Some(least), _) => size.w >= least.w && size.h >= least.h,
        (None, Some(exact)) => size == exact,
        (None, None) => true,
    }
}

fn img(chosen: &Chosen<'_>, out: &mut Vec<u8>) {
    put(out, "\"img\":{");
    field("url", chosen.url, out);
    if let Some(Size { w, h }) = chosen.size {
        let _ = write!(out, ",\"w\":{w},\"h\":{h}");
    }
    put(out, "}");
}

/// Appends `"asset":{"key":"…"}`; false where nothing of the text is left.
fn text(asset: &str, key: &str, text: &str, len: Option<usize>, out: &mut Vec<u8>) -> bool {
    let text = len.map_or(text, |len| cut(text, len));
    let _ = write!(out, "\"{asset}\":{{\"{key}\":");
    write_text(text, out);
    put(out, "}");
    !text.is_empty()
}

/// The beginning of a text, of at most so many characters: whole words, unless not even the first has
/// room.
pub fn cut(text: &str, chars_max: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(chars_max) else {
        return text;
    };
    let whole = |ends: &mut dyn Iterator<Item = usize>| ends.take_while(|at| *at <= end).last().unwrap_or(0);
    let words = whole(&mut text.split_word_bound_indices().map(|(at, word)| at + word.len()));
    let kept = text[..words].trim_end_matches(|c: char| c.is_whitespace() || ",;:-–—(&/+|".contains(c));
    if !kept.is_empty() {
        return kept;
    }
    &text[..whole(&mut text.grapheme_indices(true).map(|(at, character)| at + character.len()))]
}

/// Appends a text from outside as a JSON string: without controls and what reorders text, without what an
/// exchange takes for a macro or a page for a tag.
fn write_text(text: &str, out: &mut Vec<u8>) {
    put(out, "\"");
    for (at, c) in text.char_indices() {
        let after = &text[at + c.len_utf8()..];
        match c {
            '"' => put(out, "\\\""),
            '\\' => put(out, "\\\\"),
            '\t' | '\n' | '\r' => put(out, " "),
            '{' => put(out, "\\u007b"),
            '<' => put(out, "\\u003c"),
            '%' if after.starts_with('%') => put(out, "\\u0025"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => put(out, c.encode_utf8(&mut [0; 4])),
        }
    }
    put(out, "\"");
}

fn field(name: &str, value: &str, out: &mut Vec<u8>) {
    put(out, "\"");
    put(out, name);
    put(out, "\":");
    write_string(value, out);
}

/// Appends a list of addresses after `open`; nothing where there is none.
fn addresses<'u>(open: &str, urls: impl Iterator<Item = &'u str>, out: &mut Vec<u8>) {
    let mut before = open;
    for url in urls {
        put(out, before);
        write_string(url, out);
        before = ",";
    }
    if before != open {
        put(out, "]");
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
