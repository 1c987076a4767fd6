//! A bid request as a sample keeps it: what a decision reads and nothing else, and nobody named in it.
//!
//! Written from the request as the bidder understood it, attribute by attribute, so that what no decision reads is
//! not there at all: a new attribute has to be given its place here before the crate compiles. Ids are left out,
//! for a handle; an address is cut to its network, a user agent to the words that tell system and browser, a page
//! to its host. Decided on, it comes to what the request came to.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::base::money::Currency;
use crate::model::crawlers::is_crawler;
use crate::openrtb::attributes::{page_host, plain};
use crate::openrtb::json::{List, Text, creatives, formats, hints};
use crate::openrtb::request::{Banner, Device, Dsa, Imp, Opportunity, Place, Signals, User};
use crate::privacy::gpp::GppString;
use crate::privacy::tcf::TcString;

/// Whom a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// Somebody with a record, by the handle that leads there.
    Handle(String),
    /// Somebody who is not known.
    Unknown,
    /// It carries no id.
    Nobody,
}

/// An id that leads nowhere whoever sends it.
const NOBODYS_ID: &str = "unknown";
/// A word by which a crawler is known.
const CRAWLER: &str = "Bot/";
/// Of a user agent, the words that are asked for: what tells devices and systems, then browsers.
const AGENT_WORDS: &str = "iPad,Tablet,Android,iPhone,Mobile,Mobi,TV,Windows NT,Macintosh,X11,CrOS,\
    Chrome/,CriOS,Safari/,Firefox,FxiOS,Edg,OPR,Opera,SamsungBrowser,UCBrowser,YaBrowser,Vivaldi,Brave,DuckDuckGo,Silk,\
    MiuiBrowser,HuaweiBrowser,HeyTapBrowser,VivoBrowser,coc_coc_browser,Whale,MSIE,Trident";
/// Members of what is handed on raw (players, native requests, deals) that anything reads.
const MEMBERS: &str = "api,assets,at,battr,bidfloor,bidfloorcur,boxingallowed,companionad,companiontype,data,delivery,durfloors,\
    event,eventrackers,eventtrackers,format,guar,h,hmin,id,img,len,linearity,maxbitrate,maxdur,maxduration,maxextended,maxseq,\
    methods,mimes,minbitrate,mincpmpersec,mindur,minduration,native,plcmt,poddur,privacy,protocol,protocols,request,\
    request_native,required,rqddurs,skip,skipafter,skipmin,title,type,vcm,ver,video,w,wadomain,wmin,wseat";
/// Strings within strings that a native request may stand in.
const LAYERS_MAX: usize = 3;

/// The request as JSON, about `person`.
pub fn rewrite(request: &Opportunity<'_>, person: &Person) -> Value {
    let Opportunity {
        id: _,
        imps,
        imps_dropped: _,
        test,
        at,
        tmax,
        cur,
        wseat,
        bseat,
        acat,
        bcat,
        cattax,
        badv,
        bapp,
        wlang,
        wlangb,
        place,
        device,
        user,
        signals,
        feedback: _,
        schain_complete,
    } = request;
    let mut out = Object::default();
    out.put("id", json!("1"));
    out.put("imp", imps.iter().map(|one| imp(one, &imps[..])).collect());
    out.flag("test", *test);
    for (key, number) in [("at", at), ("tmax", tmax), ("cattax", cattax)] {
        out.number(key, *number);
    }
    let lists = [
        ("cur", cur),
        ("wseat", wseat),
        ("bseat", bseat),
        ("acat", acat),
        ("bcat", bcat),
        ("badv", badv),
        ("bapp", bapp),
        ("wlang", wlang),
        ("wlangb", wlangb),
    ];
    lists.into_iter().for_each(|(key, list)| out.list(key, *list));
    let (key, of_place) = self::place(request, place);
    out.put(key, of_place);
    out.put("device", self::device(device, signals));
    out.put("user", self::user(user, person));
    out.put("regs", regs(signals));
    if signals.non_personalized {
        out.put("ext", json!({"privacy_treatments": {"non_personalized_ads_reason": [1]}}));
    }
    if let Some(complete) = schain_complete {
        out.put("source", json!({"schain": {"complete": u8::from(*complete)}}));
    }
    Value::Object(out.0)
}

/// An object under way; what is absent is not written.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    fn text(&mut self, key: &str, text: Text<'_>) {
        if text.is_present() {
            self.put(key, text.chars().collect::<String>().into());
        }
    }

    fn word(&mut self, key: &str, word: Option<String>) {
        if let Some(word) = word {
            self.put(key, word.into());
        }
    }

    fn list(&mut self, key: &str, list: List<'_>) {
        let texts: Vec<String> = list.iter().map(|text| text.chars().collect()).collect();
        if !texts.is_empty() {
            self.put(key, texts.into());
        }
    }

    fn number(&mut self, key: &str, number: Option<i64>) {
        if let Some(number) = number {
            self.put(key, number.into());
        }
    }

    fn flag(&mut self, key: &str, is_set: bool) {
        if is_set {
            self.put(key, 1.into());
        }
    }

    /// What is handed on raw, but for what nobody reads.
    fn raw(&mut self, key: &str, raw: &str) {
        if let Ok(value) = serde_json::from_str(raw) {
            self.put(key, pruned(value));
        }
    }
}

fn imp(imp: &Imp<'_>, all: &[Imp<'_>]) -> Value {
    let Imp {
        id,
        banner,
        video,
        audio,
        native,
        floor,
        floor_currency,
        tagid,
        gpid,
        excluded_creatives,
        billing_ids,
        vendor_types,
        restricted_categories,
        exp,
        interstitial,
        rewarded,
        secure,
        multiplied,
        private_auction,
        deals,
    } = imp;
    let mut out = Object::default();
    // Two of one id stay two of one id.
    let no = all.iter().position(|other| other.id == *id).unwrap_or(0) + 1;
    out.put("id", no.to_string().into());
    if let Some(of) = banner {
        out.put("banner", self::banner(of));
    }
    for (key, raw) in [("video", video), ("audio", audio), ("native", native)] {
        out.raw(key, raw);
    }
    out.word("bidfloor", floor.map(|amount| amount.to_string()));
    match floor_currency {
        Some(Currency::USD) => {}
        Some(other) => out.put("bidfloorcur", other.as_str().into()),
        None => out.put("bidfloorcur", "?".into()),
    }
    out.text("tagid", *tagid);
    out.number("exp", *exp);
    for (key, is_set) in [("instl", interstitial), ("rwdd", rewarded), ("secure", secure)] {
        out.flag(key, *is_set);
    }
    if *multiplied {
        out.put("qty", json!({"multiplier": 2}));
    }
    let mut pmp = Object::default();
    pmp.flag("private_auction", *private_auction);
    pmp.raw("deals", std::str::from_utf8(deals).unwrap_or_default());
    if !pmp.0.is_empty() {
        out.put("pmp", Value::Object(pmp.0));
    }
    let mut ext = Object::default();
    ext.text("gpid", *gpid);
    let excluded: Vec<String> = creatives(excluded_creatives).map(|crid| crid.chars().collect()).collect();
    if !excluded.is_empty() {
        ext.put("excluded_creatives", excluded.into());
    }
    ext.list("billing_id", *billing_ids);
    ext.list("allowed_vendor_type", *vendor_types);
    ext.list("allowed_restricted_category", *restricted_categories);
    if !ext.0.is_empty() {
        out.put("ext", Value::Object(ext.0));
    }
    Value::Object(out.0)
}

fn banner(banner: &Banner<'_>) -> Value {
    let Banner {
        format,
        w,
        h,
        wmin,
        hmin,
        wmax,
        hmax,
        battr,
        mimes,
        btype,
        api,
    } = banner;
    let mut out = Object::default();
    let sizes = formats(format).map(|entry| {
        let mut size = Object::default();
        for (key, side) in [
            ("w", entry.w),
            ("h", entry.h),
            ("wratio", entry.wratio),
            ("hratio", entry.hratio),
            ("wmin", entry.wmin),
        ] {
            size.number(key, side);
        }
        Value::Object(size.0)
    });
    let sizes: Vec<Value> = sizes.collect();
    if !sizes.is_empty() {
        out.put("format", sizes.into());
    }
    for (key, side) in [("w", w), ("h", h), ("wmin", wmin), ("hmin", hmin), ("wmax", wmax), ("hmax", hmax)] {
        out.number(key, *side);
    }
    for (key, list) in [("battr", battr), ("mimes", mimes), ("btype", btype), ("api", api)] {
        out.list(key, *list);
    }
    Value::Object(out.0)
}

/// Of a page its host alone: what follows may name anybody.
fn place(request: &Opportunity<'_>, place: &Place<'_>) -> (&'static str, Value) {
    let Place {
        is_app,
        domain,
        page: _,
        bundle,
        cat,
        sectioncat,
        pagecat,
        publisher,
    } = place;
    let mut out = Object::default();
    out.text("domain", *domain);
    out.text("bundle", *bundle);
    out.word("page", page_host(request).map(|host| format!("https://{host}/")));
    for (key, list) in [("cat", cat), ("sectioncat", sectioncat), ("pagecat", pagecat)] {
        out.list(key, *list);
    }
    if publisher.is_present() {
        let mut of = Object::default();
        of.text("id", *publisher);
        out.put("publisher", Value::Object(of.0));
    }
    (if *is_app { "app" } else { "site" }, Value::Object(out.0))
}

fn device(device: &Device<'_>, signals: &Signals<'_>) -> Value {
    let Device {
        ua,
        sua,
        ip,
        devicetype,
        os,
        language,
        ifa: _,
        country,
        region,
        city,
        utcoffset,
    } = device;
    let mut out = Object::default();
    out.word("ua", plain(*ua).map(agent));
    let network = plain(*ip).and_then(network);
    out.word("ip", network);
    out.number("devicetype", *devicetype);
    out.text("os", *os);
    out.text("language", *language);
    let mut geo = Object::default();
    for (key, text) in [("country", country), ("region", region), ("city", city)] {
        geo.text(key, *text);
    }
    geo.number("utcoffset", *utcoffset);
    out.put("geo", Value::Object(geo.0));
    if !sua.is_empty() {
        out.put("sua", client_hints(sua));
    }
    out.flag("lmt", signals.lmt);
    out.flag("dnt", signals.dnt);
    Value::Object(out.0)
}

/// The words of a user agent that a decision asks for.
fn agent(ua: &str) -> String {
    let lower = ua.to_ascii_lowercase();
    // Written otherwise it tells a browser all the same, and no device.
    let said = |word: &str| match word.to_ascii_lowercase() {
        _ if ua.contains(word) => Some(word.to_owned()),
        other => lower.contains(&other).then_some(other),
    };
    let mut kept: Vec<String> = AGENT_WORDS.split(',').filter_map(said).collect();
    if is_crawler(ua) {
        kept.push(CRAWLER.to_owned());
    }
    if kept.is_empty() { "-".to_owned() } else { kept.join(" ") }
}

/// The network that an address is in: its first three bytes, of IPv6 the first six.
fn network(ip: &str) -> Option<String> {
    let kept = match ip.parse().ok()? {
        IpAddr::V4(address) => ipnet::Ipv4Net::new(address, 24).ok()?.network().to_string(),
        IpAddr::V6(address) => ipnet::Ipv6Net::new(address, 48).ok()?.network().to_string(),
    };
    Some(kept)
}

/// Brands alone: versions and models tell one device from another.
fn client_hints(sua: &[u8]) -> Value {
    let hints = hints(sua);
    let mut out = Object::default();
    let brands: Vec<Value> = hints
        .brands()
        .map(|brand| json!({"brand": brand.chars().collect::<String>()}))
        .collect();
    if !brands.is_empty() {
        out.put("browsers", brands.into());
    }
    if hints.platform.is_present() {
        out.put("platform", json!({"brand": hints.platform.chars().collect::<String>()}));
    }
    out.number("mobile", hints.mobile);
    Value::Object(out.0)
}

/// A handle stands where an id of ours would; a consent string stays where it is one.
fn user(user: &User<'_>, person: &Person) -> Value {
    let User {
        id: _,
        buyeruid: _,
        eids: _,
        consent,
    } = user;
    let mut out = Object::default();
    match person {
        Person::Handle(handle) => out.put("buyeruid", handle.as_str().into()),
        Person::Unknown => out.put("id", NOBODYS_ID.into()),
        Person::Nobody => {}
    }
    let readable = plain(*consent).filter(|text| TcString::parse(text).is_ok());
    out.word("consent", readable.map(str::to_owned));
    Value::Object(out.0)
}

fn regs(signals: &Signals<'_>) -> Value {
    let Signals {
        gdpr,
        coppa,
        lmt: _,
        dnt: _,
        us_privacy,
        gpp,
        gpp_sid,
        gpc,
        non_personalized: _,
        dsa,
    } = signals;
    let mut out = Object::default();
    out.number("gdpr", *gdpr);
    out.flag("coppa", *coppa);
    // Four letters are all there is to it.
    let letters: String = us_privacy.chars().take(4).collect();
    out.word("us_privacy", Some(letters).filter(|letters| !letters.is_empty()));
    let kept = |text: &str| if GppString::parse(text).is_ok() { text } else { "?" }.to_owned();
    out.word("gpp", plain(*gpp).map(kept));
    out.list("gpp_sid", *gpp_sid);
    let mut ext = Object::default();
    ext.flag("gpc", *gpc);
    if let Some(Dsa {
        required,
        publisher_renders,
        data_to_publisher,
    }) = dsa
    {
        let mut of = Object::default();
        of.number("dsarequired", Some(*required));
        of.number("pubrender", *publisher_renders);
        of.number("datatopub", Some(*data_to_publisher));
        ext.put("dsa", Value::Object(of.0));
    }
    if !ext.0.is_empty() {
        out.put("ext", Value::Object(ext.0));
    }
    Value::Object(out.0)
}

/// A raw value with the members that anything reads.
fn pruned(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(pruned).collect(),
        Value::Object(members) => {
            let kept = members
                .into_iter()
                .filter(|(key, _)| MEMBERS.split(',').any(|member| member == key.trim()));
            let kept = kept.map(|(key, value)| {
                let is_text_of_json = matches!(key.as_str(), "request" | "request_native" | "native");
                let value = if is_text_of_json {
                    unwrapped(value, LAYERS_MAX)
                } else {
                    pruned(value)
                };
                (key, value)
            });
            Value::Object(kept.collect())
        }
        scalar => scalar,
    }
}

/// A native request as an object, in however many strings it stands.
fn unwrapped(value: Value, layers: usize) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::String(text),
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(inner) if layers > 0 => unwrapped(inner, layers - 1),
            _ => "?".into(),
        },
        other => pruned(other),
    }
}
