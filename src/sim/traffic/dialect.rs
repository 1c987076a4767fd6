//! How the requests of several exchanges differ: where things stand, what else is said, how numbers
//! are written.
//!
//! Makes values with holes (see [`super::frame`]). Assumes nothing of any bidder; what stands in an
//! extension of a real exchange has its form and an invented content.

use serde_json::{Map, Value, json};

use super::stock::{City, KINDS, Machine, Size, WORDS};
use crate::model::targeting::Format;
use crate::sim::request::BLOCKED_DOMAIN;

/// The forms of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// OpenRTB 2.6: EIDs, consent, GDPR and the supply chain in places of their own.
    OpenRtb26,
    /// OpenRTB 2.5: the same below `ext`.
    OpenRtb25,
    /// Google's: `ext.google_query_id` and its kin.
    Google,
    /// Xandr's: `ext.appnexus`.
    Xandr,
    /// What Prebid Server passes on: `ext.prebid`, formats without `w` and `h`.
    PrebidServer,
    /// 2.5 with every number as text.
    Texts,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 6] = [
        Dialect::OpenRtb26,
        Dialect::OpenRtb25,
        Dialect::Google,
        Dialect::Xandr,
        Dialect::PrebidServer,
        Dialect::Texts,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::OpenRtb26 => "openrtb26",
            Dialect::OpenRtb25 => "openrtb25",
            Dialect::Google => "google",
            Dialect::Xandr => "xandr",
            Dialect::PrebidServer => "prebid_server",
            Dialect::Texts => "texts",
        }
    }

    /// Whether 2.6 places are used.
    const fn is_26(self) -> bool {
        matches!(self, Dialect::OpenRtb26 | Dialect::PrebidServer)
    }
}

/// An object.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The whole request but for placements, site or app, and device.
pub fn request(dialect: Dialect, is_app: bool) -> Value {
    let mut request = object(json!({
        "id": "<id>",
        "imp": ["<=imps>"],
        (if is_app { "app" } else { "site" }): "<=place>",
        "device": "<=device>",
        "user": user(dialect),
        "at": "<=at>",
        "tmax": match dialect { Dialect::Google => 300, Dialect::Xandr => 150, Dialect::PrebidServer => 850, _ => 200 },
        "cur": ["USD"],
        "bcat": ["IAB25", "IAB26", "IAB7-39"],
        "badv": [BLOCKED_DOMAIN, "lottery.example"],
        "regs": regs(dialect),
        "source": source(dialect),
    }));
    let more = match dialect {
        Dialect::OpenRtb26 => json!({"allimps": 0, "cattax": 1, "test": 0}),
        Dialect::OpenRtb25 | Dialect::Texts => json!({"allimps": 0, "test": 0, "ext": {"wt": 1, "dc": "sg-2"}}),
        Dialect::Google => json!({"ext": {"google_query_id": "ANy-z<hex>Kq<hex>PwE", "auction_environment": 0}}),
        Dialect::Xandr => json!({"allimps": 0, "ext": {"appnexus": {"seller_member_id": 2_041, "auction_id_64": "<hex>",
            "inventory_audit": 3, "trust": 1, "supply_type": if is_app { "mobile_app" } else { "web" }}}}),
        Dialect::PrebidServer => json!({"ext": {"prebid": {"auctiontimestamp": 1_781_092_800_000_u64, "integration": "web-kit",
            "targeting": {"includewinners": true, "includebidderkeys": false},
            "channel": {"name": if is_app { "app" } else { "pbjs" }, "version": "9.51.0"},
            "server": {"gvlid": 0, "datacenter": "ap-2"}}}}),
    };
    request.extend(object(more));
    Value::Object(request)
}

fn user(dialect: Dialect) -> Value {
    let eids = json!([
        {"source": "ids.example", "uids": [{"id": "AQ<hex>QIC5wM2LY4", "atype": 1}]}
    ]);
    match dialect {
        Dialect::OpenRtb26 => json!({"id": "<uid>", "eids": eids, "consent": "<consent>",
            "data": [{"id": "10", "name": "segments.example", "segment": [{"id": "4<number>", "value": "auto-intender"}]}]}),
        Dialect::PrebidServer => json!({"id": "<uid>", "ext": {"eids": eids, "consent": "<consent>", "prebid": {"buyeruids": {}}}}),
        Dialect::Google => json!({"id": "<uid>", "ext": {"consent": "<consent>"},
            "data": [{"id": "DetectedVerticals", "name": "DoubleClick", "segment": [{"id": "5<number>", "value": "0.7"}]}]}),
        Dialect::Xandr => json!({"id": "<uid>", "gender": "O", "ext": {"eids": eids, "consent": "<consent>", "sessiondepth": 3}}),
        Dialect::OpenRtb25 | Dialect::Texts => json!({"id": "<uid>", "yob": 1988, "keywords": "shoes,hiking,travel",
            "ext": {"eids": eids, "consent": "<consent>"}}),
    }
}

fn regs(dialect: Dialect) -> Value {
    if dialect.is_26() {
        json!({"coppa": 0, "gdpr": "<=gdpr>", "us_privacy": "1YNN"})
    } else {
        json!({"coppa": 0, "ext": {"gdpr": "<=gdpr>", "us_privacy": "1YNN"}})
    }
}

fn source(dialect: Dialect) -> Value {
    let schain = json!({"ver": "1.0", "complete": 1, "nodes": [
        {"asi": "ssp.example", "sid": "pub-<number>", "hp": 1}
    ]});
    if dialect.is_26() {
        json!({"fd": 0, "tid": "<uuid>", "schain": schain})
    } else {
        json!({"fd": 0, "tid": "<uuid>", "ext": {"schain": schain}})
    }
}

/// The `n`th site.
pub fn site(dialect: Dialect, n: usize) -> Value {
    let ((word, (kind, category)), pubid) = (named(n), 2_000 + n);
    let domain = format!("{word}-{kind}.example");
    let mut site = object(json!({
        "id": format!("s-{pubid}"),
        "domain": domain,
        "cat": [category],
        "page": format!("https://www.{domain}/2026/06/a-story-of-some-length-<number>.html?utm_source=front"),
        "publisher": {"id": format!("pub-{pubid}"), "name": format!("{word} {kind}")},
    }));
    let content =
        json!({"language": "en", "title": format!("What the {word} said, part <number>"), "keywords": format!("{kind},{word},local")});
    let more = match dialect {
        Dialect::OpenRtb26 => json!({"name": format!("{word} {kind}"), "ref": "https://search.example/", "mobile": 1, "cattax": 1,
            "privacypolicy": 1, "content": content, "inventorypartnerdomain": "partner.example"}),
        Dialect::OpenRtb25 | Dialect::Texts => json!({"name": format!("{word} {kind}"), "ref": "https://search.example/", "mobile": 1,
            "sectioncat": [category], "pagecat": [category], "privacypolicy": 1, "content": content}),
        Dialect::Google => json!({"content": {"contentrating": "DV-G", "language": "en", "cat": [category]}, "mobile": 1,
            "ext": {"amp": 0, "inventorypartnerdomain": "partner.example", "page_visibility": 1}}),
        Dialect::Xandr => {
            json!({"name": format!("{word} {kind}"), "ref": format!("https://www.{domain}/"), "ext": {"appnexus": {"site_id": 31_000 + n}}})
        }
        Dialect::PrebidServer => {
            json!({"ref": "https://search.example/", "content": content, "ext": {"amp": 0, "data": {"section": kind, "logged_in": "no"}}})
        }
    };
    site.extend(object(more));
    Value::Object(site)
}

/// The `n`th app.
pub fn app(dialect: Dialect, n: usize) -> Value {
    let ((word, (kind, category)), pubid) = (named(n * 7 + 3), 6_000 + n);
    let bundle = format!("com.example.{word}.{kind}");
    let mut app = object(json!({
        "id": format!("a-{pubid}"),
        "name": format!("{word} {kind}"),
        "bundle": bundle,
        "storeurl": format!("https://apps.example/store/details?id={bundle}"),
        "cat": [category],
        "ver": "7.2.<number>",
        "publisher": {"id": format!("pub-{pubid}"), "name": format!("{word} studio")},
    }));
    let more = match dialect {
        Dialect::Google => {
            json!({"content": {"contentrating": "DV-PG", "language": "en", "url": format!("https://apps.example/{bundle}/level-<number>")},
            "ext": {"installed_sdk": {"id": "com.google.android.gms.ads", "sdk_version": {"major": 23, "minor": 6, "micro": 0}}}})
        }
        Dialect::Xandr => json!({"ext": {"appnexus": {"app_id": 52_000 + n}}, "keywords": format!("{kind},{word}")}),
        _ => json!({"privacypolicy": 1, "paid": 0, "keywords": format!("{kind},{word},free,offline"), "content": {"language": "en",
            "title": format!("Level <number> of {word}"), "len": 900}, "ext": {"orientation": "portrait", "session": "<hex>"}}),
    };
    app.extend(object(more));
    Value::Object(app)
}

fn named(n: usize) -> (&'static str, (&'static str, &'static str)) {
    (WORDS[n % WORDS.len()], KINDS[(n / WORDS.len() + n) % KINDS.len()])
}

/// A device somewhere.
pub fn device(dialect: Dialect, machine: &Machine, city: &City, is_app: bool) -> Value {
    let degrees = |hundredths: i64| hundredths as f64 / 100.0;
    let mut geo = object(
        json!({"country": city.country, "region": city.region, "city": city.city, "zip": city.zip,
        "lat": degrees(city.at.0), "lon": degrees(city.at.1), "type": 2, "utcoffset": city.utcoffset}),
    );
    if dialect == Dialect::Google {
        geo.remove("type");
        geo.insert("accuracy".to_owned(), json!(5_000));
    }
    let mut device = object(json!({
        "ua": machine.ua,
        "ip": "203.0.113.<host>",
        "geo": geo,
        "devicetype": machine.kind,
        "os": machine.os.0,
        "language": city.language,
        "w": machine.screen.0,
        "h": machine.screen.1,
        "js": 1,
        "lmt": "<=lmt>",
        "connectiontype": if machine.kind == 2 { 1 } else { 6 },
    }));
    if !machine.model.0.is_empty() {
        device.extend(object(
            json!({"make": machine.model.0, "model": machine.model.1, "osv": machine.os.1}),
        ));
    }
    if is_app {
        device.extend(object(json!({"ifa": "<uuid>", "carrier": "Example Mobile"})));
    }
    let more = match dialect {
        Dialect::OpenRtb26 => {
            json!({"dnt": 0, "sua": {"source": 1, "mobile": u8::from(machine.kind != 2), "platform": {"brand": machine.os.0}}})
        }
        Dialect::Google => json!({"ext": {"session_depth": 2}}),
        Dialect::PrebidServer => json!({"dnt": 0, "ext": {"atts": 3, "cdep": "label_only_1"}}),
        _ => json!({"dnt": 0, "geofetch": 1}),
    };
    device.extend(object(more));
    Value::Object(device)
}

/// A placement of these sizes.
pub fn imp(dialect: Dialect, sizes: &[Size], is_app: bool, n: u64) -> Value {
    let (w, h) = sizes.first().copied().unwrap_or((300, 250));
    let tag = format!("/2041/{}/{w}x{h}-{n}", if is_app { "app" } else { "web" });
    let format: Vec<Value> = sizes.iter().map(|(w, h)| json!({"w": w, "h": h})).collect();
    let mut banner = object(json!({"format": format, "pos": 1 + n % 3, "battr": [1, 3, 8, 9, 14]}));
    if dialect != Dialect::PrebidServer {
        banner.extend(object(json!({"w": w, "h": h})));
    }
    if is_app {
        banner.insert("api".to_owned(), json!([5, 6, 7]));
    }
    let mut imp = object(json!({
        "id": "<impid>",
        "banner": banner,
        "tagid": tag,
        "bidfloor": "<=floor>",
        "bidfloorcur": "<floorcur>",
        "secure": 1,
        "instl": 0,
    }));
    let more = match dialect {
        Dialect::OpenRtb26 => json!({"exp": 300, "rwdd": 0, "ext": {"gpid": tag, "tid": "<uuid>"}}),
        Dialect::OpenRtb25 | Dialect::Texts => json!({"exp": 300, "displaymanager": "tag", "ext": {"gpid": tag, "viewability": 71}}),
        Dialect::Google => json!({"ext": {"billing_id": ["7<number>1204"], "publisher_settings_list_id": ["1<number>88213<number>"],
            "allowed_vendor_type": [79, 138, 144], "dfp_ad_unit_code": tag}}),
        Dialect::Xandr => {
            json!({"ext": {"appnexus": {"placement_id": 9_200_000 + n, "reserve_price": 0, "ad_type": "banner", "is_predicted": false}}})
        }
        Dialect::PrebidServer => json!({"ext": {"tid": "<uuid>", "gpid": tag,
            "bidder": {"endpoint": "ap-2", "placement": 100 + n}}}),
    };
    imp.extend(object(more));
    Value::Object(imp)
}

/// A placement for a native ad, or for a spot; of any other format, for a banner.
pub fn imp_for(dialect: Dialect, format: Format, n: u64) -> Value {
    let mut imp = object(imp(dialect, &[], false, n));
    let (key, asked) = match format {
        Format::Native => ("native", json!({"ver": "1.2", "request": native_request().to_string()})),
        Format::Video => ("video", video()),
        Format::Banner | Format::Audio => return Value::Object(imp),
    };
    imp.remove("banner");
    imp.insert(key.to_owned(), asked);
    let tag = format!("/2041/{key}-{n}");
    if let Some(ext) = imp
        .get_mut("ext")
        .and_then(Value::as_object_mut)
        .filter(|ext| ext.contains_key("gpid"))
    {
        ext.insert("gpid".to_owned(), json!(tag));
    }
    imp.insert("tagid".to_owned(), json!(tag));
    Value::Object(imp)
}

fn native_request() -> Value {
    json!({"ver": "1.2", "context": 1, "plcmttype": 1, "plcmtcnt": 1, "assets": [
        {"id": 1, "required": 1, "title": {"len": 90}},
        {"id": 2, "required": 1, "img": {"type": 3, "wmin": 300, "hmin": 157}},
        {"id": 3, "data": {"type": 2, "len": 140}},
        {"id": 4, "data": {"type": 12, "len": 15}}
    ], "eventtrackers": [{"event": 1, "methods": [1]}]})
}

fn video() -> Value {
    json!({"mimes": ["video/mp4", "video/webm"], "minduration": 5, "maxduration": 30, "protocols": [2, 3, 5, 6, 7, 8],
        "w": 640, "h": 360, "startdelay": 0, "plcmt": 1, "linearity": 1, "skip": 0, "playbackmethod": [2], "api": [2]})
}
