//! OpenRTB 2.6 bid requests as an exchange writes them: sites and apps, one to three banner
//! placements, floors.
//!
//! Assumes nothing of any bidder. Addresses are of the documentation ranges and all publishers are
//! invented; no request asks for anybody who did not visit a shop of the demo, or a stranger.

use serde_json::{Value, json};

use super::rng::Rng;
use crate::base::money::Money;
use crate::model::targeting::Format;

/// A request and what the exchange has to remember of it.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is auctioned.
    pub offer: Offer,
    /// The request as JSON.
    pub json: Value,
}

/// What a request offers: all that an answer is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// `id`.
    pub id: String,
    /// 1 first price, 2 second price.
    pub at: u64,
    /// The placements.
    pub imps: Vec<Slot>,
}

/// A placement offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// `imp.id`.
    pub id: String,
    /// What it is for.
    pub format: Format,
    /// Sizes accepted, of a banner.
    pub sizes: &'static [(u64, u64)],
    /// `bidfloor`, CPM. One in another currency than USD counts by its figure, which is less than it is
    /// worth for those we write, so that no bid is refused for the rate of the bidder.
    pub floor: Money,
}

/// Who is looking.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    /// The exchange's id.
    pub uid: &'a str,
    /// The device's advertising id; makes it an app.
    pub ifa: Option<&'a str>,
    /// Alpha-3 country.
    pub country: &'a str,
}

/// Who is advertised against, always: `badv`.
pub const BLOCKED_DOMAIN: &str = "casino.example";

const SITES: [(&str, &str, &str); 6] = [
    ("danang-daily.example", "Da Nang Daily", "IAB12"),
    ("kitchen-notes.example", "Kitchen Notes", "IAB8"),
    ("trailhead.example", "Trailhead", "IAB17-9"),
    ("weather-now.example", "Weather Now", "IAB15-10"),
    ("bolt-football.example", "Bolt Football", "IAB17-12"),
    ("pocketwise.example", "Pocketwise", "IAB13"),
];
const APPS: [(&str, &str, &str); 3] = [
    ("com.example.sudoku", "Sudoku Garden", "IAB9-30"),
    ("com.example.transit", "Next Bus", "IAB20"),
    ("com.example.recipes", "Pan & Pot", "IAB8"),
];
/// Wide screens: user agent, operating system, device type.
const DESKTOPS: [(&str, &str, u64); 2] = [
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        "Windows",
        2,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
        "macOS",
        2,
    ),
];
const PHONES: [(&str, &str, u64); 2] = [
    (
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
        "Android",
        4,
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
        "iOS",
        4,
    ),
];
const WIDE: [&[(u64, u64)]; 5] = [
    &[(300, 250)],
    &[(728, 90), (970, 250)],
    &[(160, 600), (120, 600)],
    &[(970, 250)],
    &[(300, 250), (160, 600)],
];
const NARROW: [&[(u64, u64)]; 3] = [&[(320, 50)], &[(300, 250)], &[(300, 250), (320, 50)]];

impl Ask {
    /// A request for somebody.
    pub fn new(n: u64, viewer: Viewer<'_>, rng: &mut Rng) -> Ask {
        let phone = viewer.ifa.is_some() || rng.chance(45);
        let mut slots = Vec::new();
        let count = if viewer.ifa.is_some() { 1 } else { 1 + rng.below(3) };
        for at in 0..count {
            let sizes = if phone { rng.pick(&NARROW) } else { rng.pick(&WIDE) };
            slots.push(Slot {
                id: (at + 1).to_string(),
                format: Format::Banner,
                sizes: sizes.copied().unwrap_or_default(),
                // Whole cents from 0.10 to 1.09.
                floor: Money(i128::from(10 + rng.below(100)) * 10_000_000),
            });
        }
        let at = 1 + rng.below(2);
        Ask::of(format!("{n:06}-{:016x}", rng.next()), at, slots, viewer, phone, rng)
    }

    /// A request with everything said.
    pub fn of(id: String, at: u64, slots: Vec<Slot>, viewer: Viewer<'_>, phone: bool, rng: &mut Rng) -> Ask {
        let mut json = json!({
            "id": id,
            "imp": slots.iter().map(|slot| imp(slot, viewer.ifa.is_some(), rng)).collect::<Vec<_>>(),
            "device": device(viewer, phone, rng),
            "user": {"id": viewer.uid},
            "at": at,
            "tmax": 150,
            "cur": ["USD"],
            "bcat": ["IAB25", "IAB26", "IAB7-39"],
            "badv": [BLOCKED_DOMAIN],
            "regs": {"coppa": 0, "gdpr": 0},
            "source": {
                "fd": 0,
                "tid": format!("{:016x}{:016x}", rng.next(), rng.next()),
                "schain": {"ver": "1.0", "complete": 1, "nodes": [{"asi": "demo-x.example", "sid": "pub-2041", "rid": id, "hp": 1}]}
            }
        });
        let (key, place) = if viewer.ifa.is_some() {
            ("app", app(rng))
        } else {
            ("site", site(rng))
        };
        json[key] = place;
        let offer = Offer { id, at, imps: slots };
        Ask { offer, json }
    }

    /// The body.
    pub fn body(&self) -> String {
        self.json.to_string()
    }
}

fn imp(slot: &Slot, in_app: bool, rng: &mut Rng) -> Value {
    let format: Vec<Value> = slot.sizes.iter().map(|(w, h)| json!({"w": w, "h": h})).collect();
    let (w, h) = slot.sizes.first().copied().unwrap_or((300, 250));
    let place = format!("/2041/{}/{w}x{h}-{}", if in_app { "app" } else { "web" }, rng.below(40));
    json!({
        "id": slot.id,
        "banner": {"format": format, "w": w, "h": h, "pos": 1 + rng.below(3), "battr": [1, 2, 3, 8, 9, 14], "topframe": 0,
            "api": if in_app { json!([5, 6, 7]) } else { json!([]) }},
        "instl": 0,
        "tagid": place,
        "bidfloor": super::shopper::number(&slot.floor.to_string()),
        "bidfloorcur": "USD",
        "secure": 1,
        "exp": 300,
        "ext": {"gpid": place}
    })
}

fn site(rng: &mut Rng) -> Value {
    let (domain, name, category) = rng.pick(&SITES).copied().unwrap_or(SITES[0]);
    let story = rng.below(9_000) + 1_000;
    json!({
        "id": format!("site-{domain}"),
        "name": name,
        "domain": domain,
        "cat": [category],
        "page": format!("https://{domain}/2026/story-{story}"),
        "ref": "https://search.example/",
        "mobile": 1,
        "privacypolicy": 1,
        "publisher": {"id": "pub-2041", "name": name, "domain": domain},
        "content": {"language": "en", "title": format!("Story {story}"), "url": format!("https://{domain}/2026/story-{story}")}
    })
}

fn app(rng: &mut Rng) -> Value {
    let (bundle, name, category) = rng.pick(&APPS).copied().unwrap_or(APPS[0]);
    json!({
        "id": format!("app-{bundle}"),
        "name": name,
        "bundle": bundle,
        "storeurl": format!("https://apps.example/{bundle}"),
        "cat": [category],
        "ver": "7.2.1",
        "privacypolicy": 1,
        "paid": 0,
        "publisher": {"id": "pub-2041", "name": name}
    })
}

fn device(viewer: Viewer<'_>, phone: bool, rng: &mut Rng) -> Value {
    let kinds = if phone { &PHONES } else { &DESKTOPS };
    let (ua, os, kind) = rng.pick(kinds.as_slice()).copied().unwrap_or(kinds[0]);
    let (w, h, ratio) = if phone { (412, 915, 3) } else { (1920, 1080, 1) };
    let (region, city, offset) = match viewer.country {
        "VNM" => ("DN", "Da Nang", 420),
        "THA" => ("10", "Bangkok", 420),
        _ => ("NY", "New York", -300),
    };
    let mut device = json!({
        "ua": ua,
        "ip": format!("203.0.113.{}", 1 + rng.below(254)),
        "devicetype": kind,
        "os": os,
        "w": w, "h": h, "pxratio": ratio,
        "js": 1,
        "language": if viewer.country == "VNM" { "vi" } else { "en" },
        "connectiontype": if phone { 6 } else { 2 },
        "dnt": 0,
        "lmt": 0,
        "geo": {"type": 2, "country": viewer.country, "region": region, "city": city, "utcoffset": offset}
    });
    if let Some(ifa) = viewer.ifa {
        device["ifa"] = json!(ifa);
    }
    device
}
