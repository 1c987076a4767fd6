//! Bid requests: mostly ones that could be bid on, with now and then something in the way, and the oddities
//! of real traffic: numbers as text, scalars for lists, 2.5 places, escapes.
//!
//! Every reason that a decision can end in has something here, or in the worlds, that leads to it.

use serde_json::{Value, json};
use winback::base::limits::BODY_BYTES_MAX;

use super::facts::{Asked, Facts, TC_DENIES, TC_GRANTS};
use super::rng::{Rng, one};
use super::vendor;
use super::world::{SIZES, strangers};

const UAS: [&str; 4] = [
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:139.0) Gecko/20100101 Firefox/139.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0",
];
const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
/// Letters that are written as escapes now and then: none of them stands in a literal or a number.
const ESCAPED: [&str; 8] = ["/", "m", "d", "c", "I", "U", "w", "x"];

/// A request at `now`.
pub fn request(rng: &mut Rng, facts: &Facts, now: i64) -> Asked {
    let exchange = rng.below(2) as usize;
    let mut r = whole(rng);
    identify(rng, facts, exchange, &mut r);
    for _ in 0..if rng.chance(32) { 1 + rng.below(2) } else { 0 } {
        hinder(rng, facts, &mut r);
    }
    if rng.chance(15) {
        oddity(rng, &mut r);
    }
    // Drawn apart, so that all else is as it is without it.
    let mut apart = Rng(rng.0 ^ 0x001d_7a11);
    match apart.below(40) {
        0 => r["device"]["ua"] = json!(CRAWLER),
        1 => r["device"]["ip"] = json!(format!("198.51.100.{}", apart.below(256))),
        _ => {}
    }
    vendor::offer(&mut apart, &mut r);
    let mut body = r.to_string();
    if rng.chance(6) {
        let letter = one(rng, &ESCAPED);
        let escape = if letter == "/" {
            "\\/".to_owned()
        } else {
            format!("\\u{:04x}", letter.as_bytes()[0])
        };
        body = body.replace(letter, &escape);
    }
    if rng.chance(1) {
        body = spoil(rng, body);
    }
    let waited = if rng.chance(2) { rng.below(200) as i64 } else { 0 };
    Asked {
        exchange,
        body: body.into_bytes(),
        now,
        waited,
    }
}

fn whole(rng: &mut Rng) -> Value {
    let imps = one(rng, &[1, 1, 1, 2, 3]);
    let mut r = json!({
        "id": format!("r{}", rng.below(1_000_000)),
        "imp": (0..imps).map(|n| imp(rng, n)).collect::<Vec<_>>(),
        "device": {"ua": one(rng, &UAS), "geo": {"country": one(rng, &["USA", "USA", "VNM", "DEU"])}},
        "user": {},
    });
    let maker = json!({"id": one(rng, &["Pub-7", "pub-8", "pub-9"])});
    let cat = one(rng, &[&["IAB12-2"][..], &["IAB17", "IAB9"], &[]]);
    let domain = one(rng, &["news.example", "www.blog.example", "games.example"]);
    match rng.chance(30) {
        true => r["app"] = json!({"bundle": one(rng, &["com.good.game", "com.chat"]), "cat": cat, "publisher": maker}),
        false => r["site"] = json!({"domain": domain, "page": format!("https://{domain}/a?b=1"), "cat": cat, "publisher": maker}),
    }
    let device = [
        ("devicetype", json!(1 + rng.below(8))),
        ("os", json!(one(rng, &["android", "iOS"]))),
        ("language", json!(one(rng, &["en", "vi-VN"]))),
    ];
    for (key, value) in device.into_iter().filter(|_| rng.chance(70)) {
        r["device"][key] = value;
    }
    let geo = [
        ("region", json!(one(rng, &["CA", "SG"]))),
        ("city", json!(one(rng, &["San Jose", "Hue"]))),
        ("utcoffset", json!(one(rng, &[-420, 0, 420]))),
    ];
    for (key, value) in geo.into_iter().filter(|_| rng.chance(60)) {
        r["device"]["geo"][key] = value;
    }
    if rng.chance(70) {
        r["at"] = json!(one(rng, &[1, 2, 2, 3]));
    }
    if rng.chance(50) {
        r["tmax"] = json!(one(rng, &[0, 15, 80, 120, 500]));
    }
    if rng.chance(40) {
        r["cur"] = one(rng, &[&["USD"][..], &["EUR", "USD"], &["XXX", "JPY"], &["vnd"]]).into();
    }
    if rng.chance(60) {
        r["regs"] = json!({"gdpr": 0, "us_privacy": "1YNN"});
    }
    if rng.chance(30) {
        r["source"] = json!({"schain": {"complete": rng.below(2)}});
    }
    if rng.chance(4) {
        r["test"] = json!(1);
    }
    r
}

fn imp(rng: &mut Rng, n: usize) -> Value {
    let mut sizes: Vec<Value> = (0..1 + rng.below(2))
        .map(|_| one(rng, &SIZES))
        .map(|[w, h]| json!({"w": w, "h": h}))
        .collect();
    if rng.chance(75) {
        sizes.push(json!({"w": 728, "h": 90}));
    }
    let mut i = json!({"id": (n + 1).to_string(), "banner": {"format": sizes}});
    if rng.chance(20) {
        i["banner"] = json!({"w": 300, "h": 250});
    }
    if rng.chance(35) {
        if rng.chance(25) {
            i.as_object_mut().expect("an imp").remove("banner");
        }
        for kind in ["native", "video", "audio"] {
            if rng.chance(50) {
                i[kind] = if kind == "native" { native(rng) } else { player(rng, kind) };
            }
        }
    }
    if rng.chance(60) {
        i["tagid"] = json!(one(rng, &["top", "side"]));
    }
    if rng.chance(50) {
        i["bidfloor"] = json!(one(rng, &["0.01", "0.35", "0.0000005", "1.25"]).parse::<f64>().expect("a number"));
    }
    if rng.chance(20) {
        i["bidfloorcur"] = json!(one(rng, &["USD", "EUR", "GBP", "jpy"]));
    }
    if rng.chance(25) {
        i["pmp"] = pmp(rng);
    }
    for key in ["instl", "rwdd", "secure"].into_iter().filter(|_| rng.chance(8)) {
        i[key] = json!(1);
    }
    if rng.chance(20) {
        i["exp"] = json!(one(rng, &[0, 45, 200, 4_000]));
    }
    i
}

/// Deals: some that nobody uses, or that are for others, or above what anything is worth.
fn pmp(rng: &mut Rng) -> Value {
    let mut deal = || {
        let mut deal = json!({"id": one(rng, &["d1", "d2", "d3", "d4"])});
        let chances = [
            ("bidfloor", 80, json!(one(rng, &[0.01, 0.4, 2.0, 30.0]))),
            ("bidfloorcur", 30, json!(one(rng, &["USD", "EUR", "vnd", "XXX"]))),
            ("at", 60, json!(one(rng, &[1, 2, 3]))),
            ("guar", 20, json!(rng.below(2))),
            ("mincpmpersec", 15, json!(one(rng, &[0.01, 0.2]))),
            (
                "wseat",
                15,
                json!(one(rng, &[&["winback"][..], &["nobody"], &["wb-2", "acme-seat"]])),
            ),
            (
                "wadomain",
                15,
                json!(one(rng, &[&["acme.example"][..], &["www.birch.example", "cedar.example"]])),
            ),
        ];
        for (key, percent, value) in chances {
            if rng.chance(percent) {
                deal[key] = value;
            }
        }
        deal
    };
    let deals = [deal(), deal(), deal()];
    let few = &deals[..1 + rng.below(3) as usize];
    json!({"private_auction": u8::from(rng.chance(15)), "deals": few})
}

/// A native request in one of its forms; now and then one that nobody can read or fill.
fn native(rng: &mut Rng) -> Value {
    let mut assets = vec![json!({"id": 1, "required": 1, "title": {"len": 40}})];
    let picture = one(
        rng,
        &[
            r#"{"type": 3, "wmin": 100, "hmin": 90}"#,
            r#"{"type": 1, "w": 80, "h": 80}"#,
            r#"{"mimes": ["image/jpeg"]}"#,
        ],
    );
    let picture = if rng.chance(8) { r#"{"mimes": ["image/gif"]}"# } else { picture };
    let picture: Value = picture.parse().expect("json");
    if rng.chance(70) {
        assets.push(json!({"id": 2, "required": rng.below(2), "img": picture}));
    }
    for id in 3..3 + rng.below(4) {
        let kind = one(rng, &[1, 2, 6, 11, 12, 1, 2, 6, 11, 12, 3, 7, 9]);
        assets.push(json!({"id": id, "required": rng.below(2), "data": {"type": kind}}));
    }
    let mut request = json!({"ver": "1.2", "assets": assets, "eventtrackers": [{"event": 1, "methods": [1]}]});
    if rng.chance(40) {
        request = json!({"native": request});
    }
    match rng.below(20) {
        0 => json!({"request": "{json string}"}),
        1 => json!({"request": {"assets": []}, "battr": [3]}),
        2 => json!({"request": request, "battr": [3, 9]}),
        3..10 => json!({"request": request.to_string()}),
        _ => json!({"request": request}),
    }
}

/// A video or audio player; now and then one that takes none of what there is.
fn player(rng: &mut Rng, kind: &str) -> Value {
    let file = if kind == "audio" { "audio/mpeg" } else { "video/mp4" };
    let mut p = json!({"mimes": [one(rng, &[file, file, file, "video/ogg"]), "video/webm"]});
    let more = [
        ("protocols", one(rng, &["[2, 3, 5, 6]", "[13]", "[5, 6]", "[\"7\"]", "3"])),
        ("maxduration", one(rng, &["30", "60", "10"])),
        ("minduration", one(rng, &["5", "15", "20"])),
        ("rqddurs", one(rng, &["[15, 30]", "[15]", "[6]"])),
        ("poddur", one(rng, &["60", "20", "45"])),
        ("maxseq", one(rng, &["2", "3"])),
        ("linearity", one(rng, &["1", "1", "2"])),
        ("boxingallowed", one(rng, &["1", "0"])),
        ("battr", one(rng, &["[1]", "[8]"])),
        ("mincpmpersec", one(rng, &["0.01", "0.2"])),
        (
            "durfloors",
            r#"[{"maxdur": 10, "bidfloor": 0.02}, {"mindur": 11, "maxdur": 20, "bidfloor": 0.4}, {"mindur": 15, "maxdur": 15}]"#,
        ),
    ];
    for (key, value) in more {
        if rng.chance(25) {
            p[key] = value.parse().expect("json");
        }
    }
    let sides = one(rng, &[None, Some((640, 360)), Some((1_920, 1_080)), Some((300, 600))]);
    if let Some((w, h)) = sides {
        (p["w"], p["h"]) = (json!(w), json!(h));
    }
    p
}

/// A device's id, given its digits; seldom one that is none.
fn device(rng: &mut Rng, digits: &str) -> String {
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    match rng.below(40) {
        0..3 => digits.to_owned(),
        3 => parts.join("-")[1..].to_owned(),
        4 => format!("{}g", &digits[1..]),
        5..20 => parts.join("-").to_uppercase(),
        _ => parts.join("-"),
    }
}

/// Names a person by some of the ids they go by; sometimes ids that lead nowhere, or to another, beside.
fn identify(rng: &mut Rng, facts: &Facts, exchange: usize, r: &mut Value) {
    let known = facts.people.len() as u64 - 2;
    let person = if rng.chance(98) { rng.below(known) } else { known + rng.below(2) } as usize;
    let exchange = ["x", "y"][exchange];
    let mut named = false;
    let mut eids = Vec::new();
    for (owner, id) in &facts.people[person] {
        let left_out = owner != exchange && rng.chance(22);
        match owner.as_str() {
            _ if left_out => continue,
            "" if rng.chance(70) => r["user"]["buyeruid"] = json!(id),
            "" => eids.push(json!({"source": "ads.example", "uids": [{"id": id}]})),
            "ifa:" => r["device"]["ifa"] = json!(device(rng, id)),
            source @ ("ids.example" | "uidapi.com") => {
                let mut eid = json!({"source": source, "uids": [{"id": id, "atype": 1}]});
                eid["mm"] = one(rng, &["null", "null", "null", "3", "3", "3", "\"3\"", "0", "4", "\"4\"", "4", "5"])
                    .parse()
                    .expect("json");
                eids.push(eid);
            }
            owner if owner == exchange && rng.chance(80) => r["user"]["id"] = json!(id),
            owner if owner == exchange => eids.push(json!({"source": "vouched.example", "uids": [id]})),
            _ => continue,
        }
        named = true;
    }
    if !named && rng.chance(80) {
        r["user"]["id"] = json!(facts.people[rng.below(known) as usize][0].1);
    }
    if rng.chance(4) {
        r["user"]["buyeruid"] = json!("nobody");
    }
    if rng.chance(4) {
        let source = one(rng, &["other.example", "pubcid.org"]);
        eids.insert(0, json!({"source": source, "mm": one(rng, &[0, 4, 5]), "uids": strangers(rng)}));
    }
    // An id of another, by a source that is trusted more.
    if rng.chance(3) {
        let id = format!("token-{}", rng.below(known));
        eids.push(json!({"source": "uidapi.com", "mm": one(rng, &[3, 4]), "uids": [{"id": id}]}));
    }
    if !eids.is_empty() {
        let place = if rng.chance(70) {
            &mut r["user"]["eids"]
        } else {
            &mut r["user"]["ext"]["eids"]
        };
        *place = json!(eids);
    }
}

/// Puts something in the way of a bid.
fn hinder(rng: &mut Rng, facts: &Facts, r: &mut Value) {
    let shop = |rng: &mut Rng| {
        facts.shops[rng.below(facts.shops.len() as u64) as usize]["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let shops: Vec<&str> = facts.shops.iter().filter_map(|shop| shop["id"].as_str()).collect();
    match rng.below(31) {
        0 => object(rng, r),
        1 => r["device"][one(rng, &["lmt", "dnt"])] = json!(1),
        2 => {
            r["user"] = json!({});
            r["device"]["ifa"] = json!("00000000-0000-0000-0000-000000000000");
        }
        3 => {
            r["user"] = json!({"id": "stranger"});
            r["device"]["ifa"] = json!("");
        }
        4 => r["user"] = json!({"id": format!("x-{}", facts.people.len() - 2), "buyeruid": one(rng, &["our-gone", "idle"])}),
        5 | 6 if r["site"].is_object() => r["site"]["domain"] = json!(one(rng, &["bad.example", "w.Bad.example"])),
        5 | 6 => r["app"]["bundle"] = json!("com.bad.game"),
        7 => r["badv"] = shops.iter().map(|id| json!(format!("{id}.example"))).collect(),
        8 => r["badv"] = json!(format!("{}.example", shop(rng))),
        9 => r["bcat"] = json!(one(rng, &[&["IAB18"][..], &["IAB18", "IAB22"], &["iab18-3"]])),
        10 => r["wseat"] = json!(one(rng, &[&["nobody"][..], &["winback"], &["acme-seat"]])),
        11 => r["bseat"] = json!(["winback", "wb-2", format!("{}-seat", shop(rng))]),
        12 | 13 | 24 | 25 => each_imp(r, |imp| {
            for kind in ["banner", "native", "video", "audio"] {
                if imp[kind].is_object() {
                    imp[kind]["battr"] = json!([1, "3", 8]);
                }
            }
        }),
        14 | 15 => exclude(rng, facts, r),
        16 => each_imp(r, |imp| imp["pmp"] = json!({"private_auction": 1, "deals": [{"id": "d1"}]})),
        17 if rng.chance(50) => r["cur"] = json!(["XXX", "CHF"]),
        17 => each_imp(r, |imp| (imp["bidfloor"], imp["bidfloorcur"]) = (json!(0.1), json!("dollars"))),
        18 => each_imp(r, |imp| {
            imp["video"] = imp["banner"].take();
            imp.as_object_mut().expect("an imp").remove("banner");
        }),
        19 => each_imp(r, |imp| imp["banner"] = json!({"format": [{"w": 1, "h": 1}, {"w": 970, "h": 250}]})),
        20 | 21 => {
            let floor = one(rng, &[3.5, 40.0, 1_000_000.0]);
            each_imp(r, |imp| imp["bidfloor"] = json!(floor));
        }
        22 => r["device"]["geo"] = json!({}),
        23..=30 => forbid(rng, r),
        _ => r["site"]["cat"] = json!(["IAB25-3"]),
    }
}

/// What some requests do not take: languages, categories, apps, markup, ads that do not say who pays.
fn forbid(rng: &mut Rng, r: &mut Value) {
    match rng.below(8) {
        0 => r[one(rng, &["wlang", "wlangb"])] = json!(one(rng, &[&["en"][..], &["fr", "vi"], &["en-GB"]])),
        1 => {
            r["cattax"] = json!(one(rng, &[1, 2, 6, 8]));
            let list = one(rng, &["acat", "bcat"]);
            r[list] = json!(one(
                rng,
                &[&["IAB18", "iab22"][..], &["552"], &["1058", "1055"], &["1494"], &["IAB1"]]
            ));
        }
        2 => r["bapp"] = json!(["com.acme.shoes", "other"]),
        3 => each_imp(r, |imp| imp["banner"]["mimes"] = json!(["image/png"])),
        4 => each_imp(r, |imp| imp["banner"]["btype"] = json!([1, 2])),
        5 => each_imp(r, |imp| imp["qty"] = json!({"multiplier": 2.5})),
        6 => r["regs"] = json!({"gdpr": 0, "ext": {"dsa": {"dsarequired": 2 + rng.below(2), "pubrender": rng.below(3)}}}),
        _ => {
            let place = if r["app"].is_object() { "app" } else { "site" };
            r[place]["pagecat"] = json!(["IAB25"]);
        }
    }
}

/// No creative of some shops, or of any, is approved.
fn exclude(rng: &mut Rng, facts: &Facts, r: &mut Value) {
    let of = if rng.chance(80) { facts.crids.len() } else { 1 };
    let entries = facts.crids[..of].iter().flatten().map(|crid| json!({"buyer_creative_id": crid}));
    let entries: Vec<Value> = entries.collect();
    each_imp(r, |imp| imp["ext"] = json!({"excluded_creatives": entries}));
}

fn each_imp(r: &mut Value, mut change: impl FnMut(&mut Value)) {
    r["imp"].as_array_mut().into_iter().flatten().for_each(&mut change);
}

/// Something that others write in another way.
fn oddity(rng: &mut Rng, r: &mut Value) {
    match rng.below(14) {
        9 => r["badv"] = json!(["https://www.acme.example/x", "example", "*.birch.example"]),
        10 => {
            let least = one(rng, &[250, 300, 301]);
            each_imp(r, |imp| {
                imp["banner"]["format"] = json!([{"wratio": 6, "hratio": 5, "wmin": least}])
            });
        }
        11 => each_imp(r, |imp| imp["banner"] = json!({"w": 400, "h": 300, "wmin": 100, "hmin": 80})),
        12 => each_imp(r, |imp| imp["banner"]["mimes"] = json!("text/html,image/png")),
        13 => {
            let site = r["site"].take();
            r.as_object_mut().expect("a request").remove("site");
            if site.is_object() {
                r["dooh"] = site;
            }
        }
        0 => each_imp(r, |imp| imp["bidfloor"] = json!("0.35")),
        1 => r["at"] = json!("2"),
        2 => r["cur"] = json!("EUR,USD"),
        3 => each_imp(r, |imp| imp["banner"] = json!({"w": "300", "h": 250.0})),
        4 => {
            let geo = r["device"]["geo"].take();
            r["user"]["geo"] = geo;
        }
        5 => r["source"] = json!({"ext": {"schain": {"complete": true}}}),
        6 => r["badv"] = json!([null, "", 7]),
        7 => {
            let only = r["imp"][0].clone();
            r["imp"] = only;
        }
        _ => {
            let first = r["imp"][0].clone();
            r["imp"].as_array_mut().expect("a list").push(first);
        }
    }
}

/// What is no bid request at all, or too large a one.
fn spoil(rng: &mut Rng, body: String) -> String {
    match rng.below(7) {
        0 => body[..body.len() / 2].to_owned(),
        1 => body.replace("\"imp\"", "\"imps\""),
        2 => format!("{body}}}"),
        3 => "{\"id\": \"\", \"imp\": [{\"id\": 1}]}".to_owned(),
        _ => body + &" ".repeat(BODY_BYTES_MAX),
    }
}

/// Signs of a privacy regime or of an objection, and what may allow all the same.
fn object(rng: &mut Rng, r: &mut Value) {
    r["regs"] = one(
        rng,
        &[
            r#"{"gdpr": 1}"#,
            r#"{"ext": {"gdpr": "1"}}"#,
            r#"{"coppa": 1}"#,
            r#"{"gpp_sid": [7]}"#,
            r#"{"us_privacy": "1NYN"}"#,
            r#"{"us_privacy": "1NYN", "gpp": "DBABTA~1YNN", "gpp_sid": [6]}"#,
            r#"{"us_privacy": "1NNN", "gpp_sid": [6]}"#,
            r#"{"gpp": "DBABTA~1YYN", "gpp_sid": [6]}"#,
            r#"{"gpp": "DBABLA~CVVqAAAAAACA.QA", "gpp_sid": [7]}"#,
            r#"{"gpp": "DBABLA~CVVaAAAAAACA.QA", "ext": {"gpp_sid": ["7"]}}"#,
            r#"{"gdpr": 1, "gpp_sid": [-1]}"#,
            r#"{"gpp_sid": [5]}"#,
        ],
    )
    .parse()
    .expect("json");
    match rng.below(4) {
        0 => r["regs"] = json!({"gpp_sid": [2], "gpp": format!("DBABMA~{}", one(rng, &[TC_GRANTS, TC_DENIES]))}),
        1 => r["regs"] = json!({"gdpr": 1}),
        _ => {}
    }
    if rng.chance(70) {
        let string = one(rng, &[TC_GRANTS, TC_GRANTS, TC_DENIES, &TC_GRANTS[..40]]);
        let place = if rng.chance(30) {
            json!({"ext": {"consent": string}})
        } else {
            json!({"consent": string})
        };
        for (key, value) in place.as_object().expect("an object") {
            r["user"][key] = value.clone();
        }
    }
}
