//! An exchange's view of a request and of the answer to it, read from plain JSON.
//!
//! Written without a line of the bidder's code, so that it can judge it. Where a rule is open to
//! opinion (a blocked type, an unusual media type), a request counts as forbidden.

use serde_json::{Map, Value};

use crate::shop::{PUBLIC_URL, RATES, SIZES, domain};

/// What is bid on the requests that are judged, per thousand, in dollars.
const CPM: f64 = 4.0;
/// The seat of the test's exchange.
const SEAT: &str = "winback";
/// Milliseconds below which there is no time to answer over a network.
const TMAX_MIN: f64 = 50.0;
const CATEGORIES: [&str; 2] = ["IAB18", "IAB18-3"];

/// Reasons that are nobody's opinion: a bid in spite of one is a fault.
pub const NEVER: [&str; 7] = ["no id", "gdpr", "coppa or lmt", "us_privacy", "gpc", "seat", "private auction"];

/// A member of what may not be an object.
pub fn at<'v>(value: &'v Value, path: &[&str]) -> &'v Value {
    path.iter().fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// A list, or the single value that stands for one.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

/// A number, also as text or as a boolean.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(set) => Some(f64::from(u8::from(*set))),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}

/// Text that is not empty, also from a number.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_set(value: &Value) -> bool {
    number(value).is_some_and(|number| number != 0.0)
}

fn names(value: &Value, wanted: &[&str]) -> bool {
    list(value)
        .into_iter()
        .filter_map(text)
        .any(|entry| wanted.iter().any(|name| entry.eq_ignore_ascii_case(name)))
}

/// Units of a currency for one dollar.
fn rate(currency: &str) -> Option<f64> {
    if currency == "USD" {
        return Some(1.0);
    }
    RATES.iter().find(|(name, _)| *name == currency).map(|(_, rate)| *rate)
}

/// Why nobody may bid on this request as `acme.example`, if anything forbids it.
pub fn forbids(request: &Value) -> Option<&'static str> {
    if text(at(request, &["id"])).is_none() {
        return Some("no id");
    }
    if let Some(why) = privacy_forbids(request).or_else(|| lists_forbid(request)) {
        return Some(why);
    }
    if number(at(request, &["tmax"])).is_some_and(|tmax| tmax < TMAX_MIN) {
        return Some("tmax");
    }
    let currencies = list(at(request, &["cur"]));
    if !currencies.is_empty()
        && !currencies
            .iter()
            .any(|currency| currency.as_str().is_some_and(|name| rate(name).is_some()))
    {
        return Some("currency");
    }
    let Value::Array(imps) = at(request, &["imp"]) else {
        return Some("no imp");
    };
    let mut why = Some("no imp");
    for imp in imps {
        why = imp_forbids(imp);
        if why.is_none() {
            break;
        }
    }
    why
}

fn privacy_forbids(request: &Value) -> Option<&'static str> {
    let either = |name: &str| [at(request, &["regs", name]).clone(), at(request, &["regs", "ext", name]).clone()];
    let device = at(request, &["device"]);
    let section_forbids = |section: f64| section == 2.0 || (6.0..=99.0).contains(&section);
    // GPP first: where it applies it outranks the older signals, and what it allows is open to opinion.
    if either("gpp_sid").iter().flat_map(list).filter_map(number).any(section_forbids) {
        return Some("gpp_sid");
    }
    if either("gpp").iter().any(|gpp| text(gpp).is_some()) {
        return Some("gpp");
    }
    if either("gdpr").iter().any(is_set) {
        return Some("gdpr");
    }
    if either("coppa").iter().any(is_set) || is_set(at(device, &["lmt"])) {
        return Some("coppa or lmt");
    }
    if is_set(at(device, &["dnt"])) {
        return Some("dnt");
    }
    if either("us_privacy")
        .iter()
        .any(|usp| usp.as_str().is_some_and(|usp| matches!(usp.as_bytes().get(2), Some(b'Y' | b'y'))))
    {
        return Some("us_privacy");
    }
    either("gpc").iter().any(is_set).then_some("gpc")
}

fn lists_forbid(request: &Value) -> Option<&'static str> {
    let present = |name: &str| !list(at(request, &[name])).is_empty();
    let own = domain("acme");
    let blocked = |name: &str, wanted: &[&str]| names(at(request, &[name]), wanted);
    if present("wseat") && !blocked("wseat", &[SEAT]) || blocked("bseat", &[SEAT]) {
        return Some("seat");
    }
    if blocked("badv", &[&own]) {
        return Some("badv");
    }
    if blocked("bcat", &CATEGORIES) || present("acat") && !blocked("acat", &CATEGORIES) {
        return Some("category");
    }
    let dsa = at(request, &["regs", "ext", "dsa"]);
    let required = ["dsarequired", "required"]
        .iter()
        .any(|name| number(at(dsa, &[name])).is_some_and(|n| n >= 2.0));
    if required && number(at(dsa, &["pubrender"])) == Some(0.0) {
        return Some("dsa");
    }
    (present("wlang") && !blocked("wlang", &["en"]) || blocked("wlangb", &["en"])).then_some("language")
}

fn imp_forbids(imp: &Value) -> Option<&'static str> {
    if text(at(imp, &["id"])).is_none() {
        return Some("imp without id");
    }
    let banner = at(imp, &["banner"]);
    if !banner.is_object() {
        return Some("no banner");
    }
    if !sizes(banner).iter().any(|(w, h)| {
        SIZES
            .iter()
            .any(|(ours_w, ours_h)| *w == f64::from(*ours_w) && *h == f64::from(*ours_h))
    }) {
        return Some("size");
    }
    let mimes = at(banner, &["mimes"]);
    if !list(mimes).is_empty() && !names(mimes, &["text/html"]) {
        return Some("mimes");
    }
    if list(at(banner, &["btype"])).into_iter().filter_map(number).any(|kind| kind <= 3.0) {
        return Some("btype");
    }
    if number(at(imp, &["qty", "multiplier"])).is_some_and(|times| times != 1.0) {
        return Some("qty");
    }
    let private = is_set(at(imp, &["pmp", "private_auction"]));
    if private && !list(at(imp, &["pmp", "deals"])).is_empty() {
        return Some("private auction");
    }
    let (floor, currency) = floor(imp);
    match rate(&currency) {
        _ if floor <= 0.0 => None,
        None => Some("floor's currency"),
        Some(rate) => (floor / rate > CPM).then_some("floor"),
    }
}

fn floor(imp: &Value) -> (f64, String) {
    let currency = text(at(imp, &["bidfloorcur"])).unwrap_or_else(|| "USD".to_owned());
    (number(at(imp, &["bidfloor"])).unwrap_or(0.0), currency)
}

/// Every size a banner takes.
fn sizes(banner: &Value) -> Vec<(f64, f64)> {
    let mut all = list(at(banner, &["format"]));
    all.push(banner);
    let size = |of: &Value| Some((number(at(of, &["w"]))?, number(at(of, &["h"]))?));
    all.into_iter().filter_map(size).collect()
}

/// Whether a banner takes a size: one of its own, by a ratio, or between its bounds.
fn takes(banner: &Value, (w, h): (f64, f64)) -> bool {
    let of = |value: &Value, name: &str| number(at(value, &[name]));
    let by_ratio = |format: &Value| {
        let sides = of(format, "wratio").zip(of(format, "hratio"));
        sides.is_some_and(|(a, b)| w * b == h * a) && of(format, "wmin").is_none_or(|least| w >= least)
    };
    let within = |least: &str, most: &str, own: &str, side: f64| {
        let most = of(banner, most).or(of(banner, own));
        most.is_some_and(|most| side <= most) && of(banner, least).is_none_or(|least| side >= least)
    };
    sizes(banner).contains(&(w, h))
        || list(at(banner, &["format"])).into_iter().any(by_ratio)
        || within("wmin", "wmax", "w", w) && within("hmin", "hmax", "h", h)
}

/// What an exchange finds wrong with a response to its request; nothing where it would take it.
pub fn rejects(request: &Value, response: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if text(at(request, &["id"])) != text(at(response, &["id"])) {
        faults.push(format!("id is {}", response["id"]));
    }
    let currency = text(at(response, &["cur"])).unwrap_or_else(|| "USD".to_owned());
    let asked = list(at(request, &["cur"]));
    let takes = if asked.is_empty() {
        currency == "USD"
    } else {
        asked.iter().any(|name| name.as_str() == Some(&currency))
    };
    if !takes {
        faults.push(format!("cur {currency} was not asked for"));
    }
    let seats = list(at(response, &["seatbid"]));
    if seats.is_empty() {
        faults.push("no seatbid".to_owned());
    }
    for bid in seats.into_iter().flat_map(|seat| list(at(seat, &["bid"]))) {
        bid_rejects(request, bid, &currency, &mut faults);
    }
    faults
}

fn bid_rejects(request: &Value, bid: &Value, currency: &str, faults: &mut Vec<String>) {
    let imps = list(at(request, &["imp"]));
    let imp_id = text(at(bid, &["impid"]));
    let mut imps = imps.into_iter().filter(|imp| text(at(imp, &["id"])) == imp_id).peekable();
    if imps.peek().is_none() {
        faults.push(format!("impid {} was not offered", bid["impid"]));
        return;
    }
    // Imps may share an id: a bid fits if it fits one of them.
    let misfits: Vec<Vec<String>> = imps.map(|imp| misfit(imp, bid, currency)).collect();
    if misfits.iter().all(|misfit| !misfit.is_empty()) {
        faults.extend(misfits.into_iter().next().unwrap_or_default());
    }
    for name in ["id", "crid", "cid", "adm", "nurl", "burl"] {
        if bid[name].as_str().is_none_or(str::is_empty) {
            faults.push(format!("no {name}"));
        }
    }
    if bid["adomain"] != serde_json::json!([domain("acme")]) {
        faults.push(format!("adomain is {}", bid["adomain"]));
    }
    if bid["crid"].as_str().is_some_and(|crid| crid.len() > 80) {
        faults.push(format!("crid {} is longer than 80", bid["crid"]));
    }
    for name in ["nurl", "burl", "lurl", "iurl"] {
        let limit = if name == "iurl" { 2_000 } else { 400 };
        if bid[name]
            .as_str()
            .is_some_and(|url| url.len() > limit || !url.starts_with("https://"))
        {
            faults.push(format!("{name} is too long or not secure"));
        }
    }
    let markup = bid["adm"].as_str().unwrap_or("");
    if markup.contains("src=\"http://") || markup.contains("href=\"http://") || !markup.contains(PUBLIC_URL) {
        faults.push("adm is not secure or not tracked".to_owned());
    }
}

fn misfit(imp: &Value, bid: &Value, currency: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let price = bid["price"].as_f64().unwrap_or(0.0);
    let (floor, floor_currency) = floor(imp);
    let in_bid_currency = rate(&floor_currency)
        .zip(rate(currency))
        .map_or(floor, |(from, to)| floor / from * to);
    // A tenth of a billionth covers the division above; a bid below the floor is off by far more.
    if price <= 0.0 || price < in_bid_currency * (1.0 - 1e-10) {
        faults.push(format!("price {price} {currency}, floor {floor} {floor_currency}"));
    }
    let size = number(&bid["w"]).zip(number(&bid["h"]));
    if !size.is_some_and(|size| takes(at(imp, &["banner"]), size)) {
        faults.push(format!("size {} x {} was not offered", bid["w"], bid["h"]));
    }
    let blocked: Vec<f64> = list(at(imp, &["banner", "battr"])).into_iter().filter_map(number).collect();
    if list(at(bid, &["attr"]))
        .into_iter()
        .filter_map(number)
        .any(|attr| blocked.contains(&attr))
    {
        faults.push("a blocked attribute".to_owned());
    }
    if number(&bid["mtype"]).is_some_and(|kind| kind != 1.0) {
        faults.push(format!("mtype is {}", bid["mtype"]));
    }
    faults
}

/// Whether a device's id is a UUID, and not the one that stands for none.
fn is_device(ifa: &str) -> bool {
    let digits = ifa.replace('-', "");
    digits.len() == 32 && digits.chars().all(|c| c.is_ascii_hexdigit()) && digits.chars().any(|c| c != '0')
}

/// Who a request says its user is, as a batch of events would; the request may get a `buyeruid`
/// where it says nothing.
pub fn identify(request: &mut Value, n: usize, exchange: &str) -> Value {
    let theirs = text(at(request, &["user", "id"]));
    let ours = text(at(request, &["user", "buyeruid"]));
    let ifa = text(at(request, &["device", "ifa"])).filter(|ifa| is_device(ifa));
    let mut user = Map::new();
    if let Some(id) = &theirs {
        user.insert("exchange_ids".into(), serde_json::json!({exchange: id}));
    } else if let Some(ifa) = ifa.filter(|_| ours.is_none()) {
        user.insert("ifa".into(), ifa.into());
    }
    if let Some(id) = ours {
        user.insert("id".into(), id.into());
    }
    if user.is_empty() {
        let known = format!("known-{n}");
        if !at(request, &["user"]).is_object() {
            request["user"] = serde_json::json!({});
        }
        request["user"]["buyeruid"] = known.clone().into();
        user.insert("id".into(), known.into());
    }
    Value::Object(user)
}

#[test]
fn what_an_exchange_would_reject_is_rejected() {
    let request = crate::shop::request("r", "u", 1);
    assert_eq!(forbids(&request), None);
    let url = format!("{PUBLIC_URL}/n/win/t");
    let bid = serde_json::json!({
        "id": "b", "impid": "1", "price": 3.2, "crid": "acme.card.0", "cid": "c", "adm": format!("<img src='{PUBLIC_URL}/imp/t'>"),
        "nurl": url, "burl": url, "adomain": ["acme.example"], "w": 300, "h": 250, "mtype": 1
    });
    let response = |bid: &Value| serde_json::json!({"id": "r", "cur": "USD", "seatbid": [{"bid": [bid]}]});
    assert_eq!(rejects(&request, &response(&bid)), Vec::<String>::new());
    let spoilt = [
        ("impid", "2".into()),
        ("price", 0.49.into()),
        ("w", 301.into()),
        ("crid", "".into()),
        ("adm", "<p>".into()),
        ("mtype", 4.into()),
    ];
    for (name, value) in spoilt {
        let mut bid = bid.clone();
        bid[name] = value;
        assert_eq!(rejects(&request, &response(&bid)).len(), 1, "{name}");
    }
    for (pointer, value) in [
        ("regs", serde_json::json!({"ext": {"gdpr": "1"}})),
        ("wseat", serde_json::json!("other")),
        ("id", "".into()),
    ] {
        let mut request = request.clone();
        request[pointer] = value;
        assert!(forbids(&request).is_some_and(|why| NEVER.contains(&why)), "{pointer}");
    }
}
