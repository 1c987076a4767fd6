//! `imp.native` (OpenRTB 2.6 §3.2.9; Native Ads 1.0 to 1.2): the assets an imp asks for.
//!
//! The request may be a string of JSON, an object, or either within `{"native": …}`; it may stand in
//! `request`, in Google's `request_native`, or in `imp.native` itself. Reads leniently, into memory that
//! is kept from one request to the next. How assets are filled is in `answer`.

mod answer;

pub use answer::{Filling, Vast, cut};

use std::ops::Range;

use super::json::{List, Scan, Scanner, Text};
use super::player::Player;
use crate::base::limits::ASSETS_MAX;
use crate::model::advertiser::Size;

/// Strings within strings that are looked into for the request.
const LAYERS_MAX: usize = 3;
/// Events (Native 1.2 §7.6): an impression, and MRC's viewable one of half an ad for a second, of half a video
/// for two.
const IMPRESSION: i64 = 1;
const VIEWABLE: i64 = 2;
const VIEWABLE_VIDEO: i64 = 4;
/// Open Measurement's, which is beyond them.
const MEASURED: i64 = 555;
/// Ways of telling (§7.7).
const IMAGE: i64 = 1;
const SCRIPT: i64 = 2;

/// A native request, and the memory it is read into.
#[derive(Debug, Default)]
pub struct NativeAsk {
    /// The request's JSON.
    text: String,
    /// Memory for unescaping.
    spare: String,
    /// What the answer's root must be: `{"native": …}` or not.
    wrapped: bool,
    /// `ver` as the answer repeats it.
    version: Option<&'static str>,
    /// Assets that have an id, and those required that have none.
    assets: Vec<Asset>,
    /// What may be told how.
    events: Events,
    /// `privacy` is 1.
    privacy: bool,
}

/// Events that the request lists among its `eventtrackers` (Native 1.2 §7.6), by the ways of telling that are
/// of use.
#[derive(Clone, Copy, Debug, Default)]
struct Events {
    /// How an impression is told.
    impression: Option<Method>,
    /// Whether a picture tells that it was seen, of an ad without video.
    viewable: bool,
    /// The same of one with video.
    viewable_video: bool,
    /// Whether scripts may measure it by Open Measurement.
    measured: bool,
}

/// How an event is told (Native 1.2 §7.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// A picture is loaded.
    Image,
    /// A script is.
    Script,
}

/// `assets[]`.
#[derive(Clone, Debug, Default)]
struct Asset {
    id: Option<i64>,
    required: bool,
    kind: Kind,
}

/// What an asset is.
#[derive(Clone, Debug, Default)]
enum Kind {
    /// `title`, of so many characters at most.
    Title(Option<usize>),
    /// `img`.
    Picture(Picture),
    /// `data`: its type, and its characters at most.
    Data(i64, Option<usize>),
    /// `video`: where in the text it stands.
    Video(Range<usize>),
    /// None of these.
    #[default]
    Unknown,
}

/// `assets[].img`.
#[derive(Clone, Debug, Default)]
struct Picture {
    kind: Option<i64>,
    exact: Option<Size>,
    least: Option<Size>,
    /// `mimes`: where in the text they stand.
    mimes: Range<usize>,
}

impl NativeAsk {
    /// Reads the raw text of `imp.native`; false where no assets can be made out in it.
    pub fn read(&mut self, native: &str) -> bool {
        let (mut of_string, mut of_object) = ("", "");
        let read = Scanner::new(native).object(|s, key| match key {
            b"request" => s.raw().map(|raw| of_string = raw),
            b"request_native" => s.raw().map(|raw| of_object = raw),
            _ => s.skip(),
        });
        let is_said = |raw: &&str| !matches!(*raw, "" | "\"\"");
        let raw = [of_string, of_object].into_iter().find(is_said).unwrap_or(native);
        self.text.clear();
        self.text.push_str(raw);
        for _ in 0..LAYERS_MAX {
            let Ok(Some(text)) = string_of(&self.text) else { break };
            self.spare.clear();
            self.spare.extend(text.chars());
            std::mem::swap(&mut self.text, &mut self.spare);
        }
        read.is_ok() && self.parse()
    }

    /// Attributes that the raw `imp.native` blocks.
    pub fn battr(native: &str) -> List<'_> {
        let mut battr = List::default();
        let read = Scanner::new(native).object(|s, key| match key {
            b"battr" => s.list().map(|list| battr = list),
            _ => s.skip(),
        });
        read.map_or(List::default(), |_| battr)
    }

    fn parse(&mut self) -> bool {
        let NativeAsk {
            text,
            wrapped,
            version,
            assets,
            events,
            privacy,
            ..
        } = self;
        assets.clear();
        (*wrapped, *version, *events, *privacy) = (false, None, Events::default(), false);
        let mut root = |s: &mut Scanner<'_>, key: &[u8]| match key {
            b"ver" => s.text().map(|ver| *version = repeated(ver)),
            b"assets" => s.objects(|s| asset(s, text, assets)).map(drop),
            b"eventtrackers" | b"eventrackers" => s.objects(|s| tracker(s, events)).map(drop),
            b"privacy" => s.flag().map(|set| *privacy = set),
            _ => s.skip(),
        };
        let mut scanner = Scanner::new(text);
        let read = scanner.object(|s, key| match key {
            b"native" => s.object(&mut root).map(|found| *wrapped |= found),
            _ => root(s, key),
        });
        read.and_then(|_| scanner.end()).is_ok() && !assets.is_empty()
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The player of a video asset.
    fn player(&self, range: &Range<usize>) -> Option<Player<'_>> {
        Player::read(self.part(range))
    }
}

/// What a JSON text holds where it is one string.
fn string_of(text: &str) -> Scan<Option<Text<'_>>> {
    let mut scanner = Scanner::new(text);
    if scanner.peek() != Some(b'"') {
        return Ok(None);
    }
    let held = scanner.scalar()?;
    scanner.end().map(|()| Some(held))
}

/// Versions that the answer names where the request does; the first one has a number where others have a
/// text, and goes without.
fn repeated(ver: Text<'_>) -> Option<&'static str> {
    ["1.1", "1.2"].into_iter().find(|known| ver.plain() == Some(known))
}

/// Where a part of a text stands in it.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    if part.is_empty() { 0..0 } else { start..start + part.len() }
}

/// A figure above zero.
fn positive(n: Option<i64>) -> Option<u32> {
    u32::try_from(n?).ok().filter(|n| *n > 0)
}

fn asset(s: &mut Scanner<'_>, text: &str, assets: &mut Vec<Asset>) -> Scan {
    let (mut asset, mut kinds) = (Asset::default(), [const { None }; 4]);
    s.object(|s, key| match key.trim_ascii() {
        b"id" => s.integer().map(|n| asset.id = n),
        b"required" => s.flag().map(|set| asset.required = set),
        b"title" => length(s).map(|found| kinds[0] = found.map(|(_, len)| Kind::Title(len))),
        b"img" => picture(s, text).map(|found| kinds[1] = found.map(Kind::Picture)),
        b"data" => length(s).map(|found| kinds[2] = found.map(|(kind, len)| Kind::Data(kind, len))),
        b"video" => s
            .raw()
            .map(|raw| kinds[3] = (raw.contains('{')).then(|| Kind::Video(place(text, raw)))),
        _ => s.skip(),
    })?;
    asset.kind = kinds.into_iter().flatten().next().unwrap_or_default();
    let says_something = asset.required || (asset.id.is_some() && !matches!(asset.kind, Kind::Unknown));
    if says_something && assets.len() < ASSETS_MAX {
        assets.push(asset);
    }
    Ok(())
}

/// `type` and `len` of a title or of data.
fn length(s: &mut Scanner<'_>) -> Scan<Option<(i64, Option<usize>)>> {
    let (mut kind, mut len) = (0, None);
    let found = s.object(|s, key| match key {
        b"type" => s.integer().map(|n| kind = n.unwrap_or(0)),
        b"len" => s.integer().map(|n| len = positive(n).map(|n| n as usize)),
        _ => s.skip(),
    })?;
    Ok(found.then_some((kind, len)))
}

fn picture(s: &mut Scanner<'_>, text: &str) -> Scan<Option<Picture>> {
    let mut picture = Picture::default();
    let [mut w, mut h, mut wmin, mut hmin] = [None; 4];
    let found = s.object(|s, key| match key {
        b"type" => s.integer().map(|n| picture.kind = n),
        b"w" => s.integer().map(|n| w = positive(n)),
        b"h" => s.integer().map(|n| h = positive(n)),
        b"wmin" => s.integer().map(|n| wmin = positive(n)),
        b"hmin" => s.integer().map(|n| hmin = positive(n)),
        b"mimes" => s.raw().map(|raw| picture.mimes = place(text, raw)),
        _ => s.skip(),
    })?;
    picture.exact = w.zip(h).map(|(w, h)| Size { w, h });
    picture.least = (wmin.is_some() || hmin.is_some()).then(|| Size {
        w: wmin.unwrap_or(0),
        h: hmin.unwrap_or(0),
    });
    Ok(found.then_some(picture))
}

/// Notes how an event may be told; an impression by a picture before a script.
fn tracker(s: &mut Scanner<'_>, events: &mut Events) -> Scan {
    let (mut event, mut methods) = (None, List::default());
    s.object(|s, key| match key {
        b"event" => s.integer().map(|n| event = n),
        b"methods" => s.list().map(|list| methods = list),
        _ => s.skip(),
    })?;
    let offers = |method: i64| methods.integers().any(|listed| listed == method);
    match event {
        Some(IMPRESSION) if offers(IMAGE) => events.impression = Some(Method::Image),
        Some(IMPRESSION) if offers(SCRIPT) => events.impression = events.impression.or(Some(Method::Script)),
        Some(VIEWABLE) => events.viewable |= offers(IMAGE),
        Some(VIEWABLE_VIDEO) => events.viewable_video |= offers(IMAGE),
        Some(MEASURED) => events.measured |= offers(SCRIPT),
        _ => {}
    }
    Ok(())
}
