//! VAST documents (IAB VAST 2.0 to 4.3), inline: the advertiser's files as a linear ad, the product in its
//! title, beside the player and on the end card.
//!
//! Appends to a buffer; allocates nothing but what that needs to grow. Addresses stand in CDATA, where
//! what an exchange puts in for its macros needs no escaping; texts are escaped. Never decides whether a
//! player takes the spot: [`Player`] does.

use std::io::Write;
use std::str::from_utf8;

use html_escape::encode_quoted_attribute_to_vec;
use memchr::memmem::find;
use quick_xml::events::BytesCData;

use super::player::{Beside, Player};
use crate::base::quoted::Quoting;
use crate::model::advertiser::Size;
use crate::model::product::picture_type;
use crate::model::spot::{Media, Spot, Verification};
use crate::model::template::{NO_PIXEL, Slots, Template, escape};

/// A version that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vast {
    /// 2.0.
    V2,
    /// 3.0.
    V3,
    /// 4.0.
    V40,
    /// 4.1.
    V41,
    /// 4.2.
    V42,
    /// 4.3.
    V43,
}

impl Vast {
    /// Every version, the one taken where several are offered first.
    pub const BEST_FIRST: [Vast; 6] = [Vast::V42, Vast::V43, Vast::V41, Vast::V40, Vast::V3, Vast::V2];

    /// Its code among AdCOM's creative subtypes, of an inline document.
    pub const fn protocol(self) -> u32 {
        match self {
            Vast::V2 => 2,
            Vast::V3 => 3,
            Vast::V40 => 7,
            Vast::V41 => 11,
            Vast::V42 => 13,
            Vast::V43 => 15,
        }
    }

    const fn root(self) -> &'static str {
        match self {
            Vast::V2 => r#"<VAST version="2.0">"#,
            Vast::V3 => r#"<VAST version="3.0">"#,
            Vast::V40 => r#"<VAST version="4.0" xmlns="http://www.iab.com/VAST">"#,
            Vast::V41 => r#"<VAST version="4.1" xmlns="http://www.iab.com/VAST">"#,
            Vast::V42 => r#"<VAST version="4.2" xmlns="http://www.iab.com/VAST">"#,
            Vast::V43 => r#"<VAST version="4.3" xmlns="http://www.iab.com/VAST">"#,
        }
    }

    /// Whether it has `skipoffset`.
    pub fn has_skip(self) -> bool {
        self >= Vast::V3
    }
}

/// What a player reports of a spot, as VAST names it: the last part but one of the address it calls.
pub const BEATS: [&str; 8] = [
    "start",
    "firstQuartile",
    "midpoint",
    "thirdQuartile",
    "complete",
    "skip",
    "creativeView",
    "error",
];

/// One document to be written.
pub struct Document<'a> {
    /// In which version.
    pub vast: Vast,
    /// For whom.
    pub player: &'a Player<'a>,
    /// Of what.
    pub spot: &'a Spot,
    /// Whether it is only heard.
    pub is_audio: bool,
    /// The size of the end card, and what it shows.
    pub end_card: Option<&'a (Size, Template)>,
    /// What it advertises, and its links.
    pub slots: Slots<'a>,
    /// Seconds after which it can be skipped.
    pub skip_after: Option<u32>,
    /// Who advertises.
    pub advertiser: &'a str,
    /// The creative's `crid`.
    pub crid: &'a str,
    /// The bid's tag.
    pub serving_id: u64,
    /// `public.url`, and the token that goes with every call.
    pub beats: (&'a str, &'a str),
}

impl Document<'_> {
    /// Appends it to `out`; `part` is memory.
    pub fn write(&self, part: &mut Vec<u8>, out: &mut Vec<u8>) {
        let is_v4 = self.vast >= Vast::V40;
        put(out, self.vast.root());
        // Writing into memory cannot fail.
        let _ = write!(out, r#"<Ad id="{:016x}""#, self.serving_id);
        if self.is_audio && self.vast >= Vast::V41 {
            put(out, r#" adType="audio""#);
        }
        put(out, r#"><InLine><AdSystem version="1.0">winback</AdSystem>"#);
        if !is_v4 {
            self.titles(out);
        }
        put(out, "<Error>");
        self.beat("error", "?code=[ERRORCODE]&wb=1", out);
        put(out, "</Error><Impression>");
        cdata(&[self.slots.pixel], out);
        put(out, "</Impression>");
        put(out, &self.spot.impressions);
        put(out, if is_v4 { &self.spot.viewable } else { "" });
        if self.vast >= Vast::V41 {
            let _ = write!(out, "<AdServingId>winback-{:016x}</AdServingId>", self.serving_id);
        }
        if is_v4 {
            self.titles(out);
        }
        put(out, "<Creatives>");
        self.creative("1", out, |out| self.linear(out));
        self.creative("2", out, |out| self.companions(part, out));
        put(out, "</Creatives>");
        if !is_v4 && self.is_measured() {
            put(out, r#"<Extensions><Extension type="AdVerifications">"#);
            put(out, &self.spot.verifications);
            put(out, "</Extension></Extensions>");
        }
        put(out, "</InLine></Ad></VAST>");
    }

    /// Whether others measure it here.
    pub fn is_measured(&self) -> bool {
        !self.spot.verifications.is_empty() && self.player.measures()
    }

    fn title(&self) -> &str {
        self.slots.products.first().map_or(self.advertiser, |product| &product.title)
    }

    fn titles(&self, out: &mut Vec<u8>) {
        put(out, "<AdTitle>");
        escape(self.title(), out);
        put(out, "</AdTitle>");
        if self.vast >= Vast::V40 && self.is_measured() {
            put(out, &self.spot.verifications);
        }
        if self.vast >= Vast::V3 {
            put(out, "<Advertiser>");
            escape(self.advertiser, out);
            put(out, "</Advertiser>");
        }
    }

    fn creative(&self, sequence: &str, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
        put(out, r#"<Creative id=""#);
        attribute(self.crid, out);
        put(out, r#"" sequence=""#);
        put(out, sequence);
        put(out, r#"">"#);
        content(out);
        put(
            out,
            match self.vast {
                Vast::V2 | Vast::V3 => "",
                Vast::V40 => r#"<UniversalAdId idRegistry="unknown" idValue="unknown">unknown</UniversalAdId>"#,
                _ => r#"<UniversalAdId idRegistry="unknown">unknown</UniversalAdId>"#,
            },
        );
        put(out, "</Creative>");
    }

    /// The address that a player calls at an event.
    fn beat(&self, event: &str, query: &str, out: &mut Vec<u8>) {
        let (url, token) = self.beats;
        put(out, "<![CDATA[");
        for part in [url, "/vast/", event, "/", token, query] {
            put(out, part);
        }
        put(out, "]]>");
    }

    fn tracking(&self, events: &[&str], out: &mut Vec<u8>) {
        put(out, "<TrackingEvents>");
        for event in events {
            put(out, r#"<Tracking event=""#);
            put(out, event);
            put(out, r#"">"#);
            self.beat(event, "", out);
            put(out, "</Tracking>");
        }
        put(out, "</TrackingEvents>");
    }

    fn linear(&self, out: &mut Vec<u8>) {
        let skip = self.skip_after.filter(|_| self.vast.has_skip());
        put(out, "<Linear");
        if let Some(after) = skip {
            put(out, r#" skipoffset=""#);
            clock(after, out);
            put(out, r#"""#);
        }
        put(out, ">");
        let duration = |out: &mut Vec<u8>| {
            put(out, "<Duration>");
            clock(self.spot.seconds, out);
            put(out, "</Duration>");
        };
        let events = if skip.is_some() { &BEATS[..6] } else { &BEATS[..5] };
        // The order of elements is the schemas'.
        if self.vast >= Vast::V40 {
            self.tracking(events, out);
            duration(out);
            self.media_files(out);
            self.clicks(out);
        } else {
            duration(out);
            self.tracking(events, out);
            self.clicks(out);
            self.media_files(out);
        }
        put(out, "</Linear>");
    }

    fn clicks(&self, out: &mut Vec<u8>) {
        let is_v4 = self.vast >= Vast::V40;
        put(out, "<VideoClicks>");
        put(out, if is_v4 { &self.spot.clicks } else { "" });
        put(out, "<ClickThrough>");
        cdata(&self.slots.click.parts(0), out);
        put(out, "</ClickThrough>");
        put(out, if is_v4 { "" } else { &self.spot.clicks });
        put(out, "</VideoClicks>");
    }

    fn media_files(&self, out: &mut Vec<u8>) {
        put(out, "<MediaFiles>");
        for media in self.spot.media.iter().filter(|media| self.player.takes_file(media)) {
            media_file(media, out);
        }
        put(out, "</MediaFiles>");
    }

    /// What the player has places for, and the end card.
    fn companions(&self, part: &mut Vec<u8>, out: &mut Vec<u8>) {
        put(out, "<CompanionAds>");
        let mut has_end_card = false;
        for beside in self.player.beside() {
            has_end_card |= beside.vcm == Some(1);
            self.companion(&beside, part, out);
        }
        if !has_end_card && let Some((size, _)) = self.end_card.or(self.spot.companions.first()) {
            let own = Beside {
                id: Default::default(),
                size: *size,
                vcm: Some(i64::from(self.end_card.is_some())),
            };
            self.companion(&own, part, out);
        }
        put(out, "</CompanionAds>");
    }

    fn companion(&self, beside: &Beside<'_>, part: &mut Vec<u8>, out: &mut Vec<u8>) {
        let html = self.html_for(beside.size).filter(|_| self.player.takes_beside(2));
        let first = self.slots.products.first();
        let picture = first.filter(|_| self.player.takes_beside(1)).map(|product| &*product.image_link);
        if html.is_none() && picture.is_none() {
            return;
        }
        put(out, "<Companion");
        let _ = write!(out, r#" width="{}" height="{}""#, beside.size.w, beside.size.h);
        if let Some(id) = beside.id.plain().filter(|id| !id.is_empty() && self.vast >= Vast::V3) {
            put(out, r#" adSlotId=""#);
            attribute(id, out);
            put(out, r#"""#);
        }
        if let (true, Some(vcm)) = (self.vast >= Vast::V41, beside.vcm) {
            put(
                out,
                if vcm == 1 {
                    r#" renderingMode="end-card""#
                } else {
                    r#" renderingMode="concurrent""#
                },
            );
        }
        put(out, ">");
        match (html, picture) {
            (Some(html), _) => {
                part.clear();
                // Seeing a companion is no impression.
                let slots = Slots {
                    pixel: NO_PIXEL,
                    ..self.slots
                };
                html.fill(&slots, Quoting::Plain, part);
                put(out, "<HTMLResource>");
                cdata(&[part], out);
                put(out, "</HTMLResource>");
            }
            (None, picture) => {
                let url = picture.unwrap_or_default();
                put(out, r#"<StaticResource creativeType=""#);
                put(out, picture_type(url).unwrap_or("image/jpeg"));
                put(out, r#"">"#);
                cdata(&[url.as_bytes()], out);
                put(out, "</StaticResource>");
            }
        }
        self.companion_end(out);
        put(out, "</Companion>");
    }

    fn companion_end(&self, out: &mut Vec<u8>) {
        let click = |out: &mut Vec<u8>| {
            put(out, "<CompanionClickThrough>");
            cdata(&self.slots.click.parts(0), out);
            put(out, "</CompanionClickThrough>");
        };
        let alt = |out: &mut Vec<u8>| {
            put(out, "<AltText>");
            escape(self.title(), out);
            put(out, "</AltText>");
        };
        if self.vast >= Vast::V40 {
            alt(out);
            click(out);
            self.tracking(&["creativeView"], out);
        } else {
            self.tracking(&["creativeView"], out);
            click(out);
            alt(out);
        }
    }

    /// The markup of a size, else the largest that has room in it.
    fn html_for(&self, size: Size) -> Option<&Template> {
        let all = || self.end_card.into_iter().chain(self.spot.companions.iter());
        let exact = all().find(|(own, _)| *own == size);
        let fits = |(own, _): &&(Size, Template)| own.w <= size.w && own.h <= size.h;
        let largest = || all().filter(fits).max_by_key(|(own, _)| u64::from(own.w) * u64::from(own.h));
        exact.or_else(largest).map(|(_, template)| template)
    }
}

fn media_file(media: &Media, out: &mut Vec<u8>) {
    put(out, r#"<MediaFile delivery=""#);
    put(out, if media.streaming { "streaming" } else { "progressive" });
    put(out, r#"" type=""#);
    attribute(&media.mime, out);
    let _ = write!(out, r#"" width="{}" height="{}""#, media.size.w, media.size.h);
    if let Some(rate) = media.bitrate_kbps {
        let _ = write!(out, r#" bitrate="{rate}""#);
    }
    if let Some(codec) = &media.codec {
        put(out, r#" codec=""#);
        attribute(codec, out);
        put(out, r#"""#);
    }
    put(out, ">");
    cdata(&[media.url.as_bytes()], out);
    put(out, "</MediaFile>");
}

/// An element for each address, for what is compiled with a creative.
pub fn elements_of(name: &str, urls: &[String]) -> String {
    let mut out = Vec::new();
    for url in urls {
        let _ = write!(out, "<{name}>");
        cdata(&[url.as_bytes()], &mut out);
        let _ = write!(out, "</{name}>");
    }
    String::from_utf8(out).unwrap_or_default()
}

/// What calls others once the spot has been seen; nothing for nobody.
pub fn viewable(urls: &[String]) -> String {
    match urls {
        [] => String::new(),
        urls => format!("<ViewableImpression>{}</ViewableImpression>", elements_of("Viewable", urls)),
    }
}

/// What has others measure the spot; nothing for nobody.
pub fn verifications(all: &[Verification]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut out = Vec::new();
    put(&mut out, "<AdVerifications>");
    for Verification { vendor, url, parameters } in all {
        put(&mut out, r#"<Verification vendor=""#);
        attribute(vendor, &mut out);
        put(&mut out, r#""><JavaScriptResource apiFramework="omid" browserOptional="true">"#);
        cdata(&[url.as_bytes()], &mut out);
        put(&mut out, "</JavaScriptResource>");
        if let Some(parameters) = parameters {
            put(&mut out, "<VerificationParameters>");
            cdata(&[parameters.as_bytes()], &mut out);
            put(&mut out, "</VerificationParameters>");
        }
        put(&mut out, "</Verification>");
    }
    put(&mut out, "</AdVerifications>");
    String::from_utf8(out).unwrap_or_default()
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn attribute(text: &str, out: &mut Vec<u8>) {
    for part in text.split(is_no_xml) {
        encode_quoted_attribute_to_vec(part, out);
    }
}

/// Text as it is, in parts that belong together, within as few CDATA sections as it takes.
fn cdata(parts: &[&[u8]], out: &mut Vec<u8>) {
    put(out, "<![CDATA[");
    for part in parts {
        // Nearly all is, the markup of whole banners among it.
        if is_plain(part) {
            out.extend_from_slice(part);
        } else {
            sections(part, out);
        }
    }
    put(out, "]]>");
}

/// Content of a CDATA section, and of those that it takes beside.
fn sections(part: &[u8], out: &mut Vec<u8>) {
    for clean in part.utf8_chunks().flat_map(|chunk| chunk.valid().split(is_no_xml)) {
        for (n, section) in BytesCData::escaped(clean).enumerate() {
            put(out, if n > 0 { "]]><![CDATA[" } else { "" });
            put(out, &section);
        }
    }
}

/// Whether bytes are text that may stand in a CDATA section and that does not end it. Says no where that takes
/// a closer look: at the last characters of the basic plane.
fn is_plain(bytes: &[u8]) -> bool {
    // Without a way out, so that it is done for many bytes at once.
    let is_sure = |byte: u8| (byte >= b' ') | (byte == b'\t') | (byte == b'\n') | (byte == b'\r');
    bytes.iter().fold(true, |plain, byte| plain & is_sure(*byte))
        && from_utf8(bytes).is_ok()
        && find(bytes, b"]]>").is_none()
        && find(bytes, b"\xef\xbf").is_none()
}

/// Characters that no XML document may contain (XML 1.0 §2.2).
fn is_no_xml(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// `HH:MM:SS`.
fn clock(seconds: u32, out: &mut Vec<u8>) {
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
}

#[cfg(test)]
mod tests;
