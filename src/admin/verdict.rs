//! An answer of ours as an exchange looks at it: what of it would be refused, and why (OpenRTB 2.6
//! §3.2, §4.2).
//!
//! Reads request and answer anew with readers of its own, so that it shares no fault with the path that made the
//! answer. Empty means that nothing was found, not that an exchange must agree.

mod shape;
mod wishes;

use serde_json::Value;
use url::{Host, Url};

use crate::base::money::{Currency, Money, Rates, Round};
use crate::model::exchange::Exchange;

/// What comes before the address of something a page loads by itself.
const LOADS: [&str; 5] = ["src=", "srcset=", "poster=", "background=", "url("];

/// Elements of VAST whose address a player loads by itself.
const LOADED: [&str; 4] = ["mediafile", "impression", "tracking", "staticresource"];

/// Why an exchange would refuse the answer, one sentence each.
pub fn rejections(request: &Value, answer_text: &str, exchange: &Exchange, rates: &Rates) -> Vec<String> {
    let Ok(answer) = serde_json::from_str::<Value>(answer_text) else {
        return vec!["the answer is no strict json".to_owned()];
    };
    let mut found: Vec<String> = shape::fault(answer_text).into_iter().collect();
    if text(&request["id"]) != text(&answer["id"]) {
        found.push(format!("`id` is {} where the request has {}", answer["id"], request["id"]));
    }
    let currency = text(&answer["cur"]).unwrap_or_else(|| "USD".into());
    let asked: Vec<String> = list(&request["cur"]).filter_map(text).collect();
    if !asked.is_empty() && !asked.iter().any(|code| code.eq_ignore_ascii_case(&currency)) {
        found.push(format!("`cur` is {currency} where the request takes {}", asked.join(", ")));
    }
    let bids: Vec<&Value> = list(&answer["seatbid"]).flat_map(|seat| list(&seat["bid"])).collect();
    if bids.is_empty() {
        found.push("there is no bid in it".to_owned());
    }
    let seats = list(&answer["seatbid"]).filter_map(|seat| seat_problem(request, seat));
    found.extend(seats);
    for (at, bid) in bids.iter().enumerate() {
        let impid = text(&bid["impid"]).unwrap_or_default();
        if bids[..at].iter().any(|before| before["id"] == bid["id"]) {
            found.push(format!("imp {impid}: `id` {} is another bid's too", bid["id"]));
        }
        let mut say = |problem: String| found.push(format!("imp {impid}: {problem}"));
        wishes::judge(bid, exchange, &mut say);
        match list(&request["imp"]).find(|imp| text(&imp["id"]).as_ref() == Some(&impid)) {
            Some(imp) => judge(request, imp, bid, &currency, rates, say),
            None => found.push(format!("`impid` {} is no imp of the request", bid["impid"])),
        }
    }
    found
}

/// Why a seat may not bid here.
fn seat_problem(request: &Value, seat: &Value) -> Option<String> {
    let name = text(&seat["seat"]).unwrap_or_default();
    let has = |key: &str| list(&request[key]).filter_map(text).any(|listed| listed == name);
    let wanted = list(&request["wseat"]).next().is_some();
    (wanted && !has("wseat") || has("bseat")).then(|| format!("`seat` {name} is not admitted by the request"))
}

fn judge(request: &Value, imp: &Value, bid: &Value, currency: &str, rates: &Rates, mut say: impl FnMut(String)) {
    for key in ["id", "crid", "adm"] {
        if text(&bid[key]).is_none_or(|text| text.is_empty()) {
            say(format!("`{key}` is missing"));
        }
    }
    let domains: Vec<String> = list(&bid["adomain"]).filter_map(text).collect();
    if domains.is_empty() {
        say("`adomain` is missing".to_owned());
    }
    for blocked in list(&request["badv"]).filter_map(text) {
        if domains.iter().any(|domain| domain.eq_ignore_ascii_case(&blocked)) {
            say(format!("`adomain` {blocked} is blocked by the request"));
        }
    }
    blocks(request, imp, bid, &mut say);
    if let Some(problem) = price(imp, bid, currency, rates) {
        say(problem);
    }
    let kind = bid["mtype"].as_u64().unwrap_or(1);
    if let Some(problem) = match kind {
        1 if !imp["banner"].is_object() => Some("the imp takes no banner".to_owned()),
        1 if bid["w"].is_null() || bid["h"].is_null() => Some("`w` or `h` is missing".to_owned()),
        1 => None,
        2 => spot(&imp["video"], bid, "video"),
        3 => spot(&imp["audio"], bid, "audio"),
        4 => native(&imp["native"], bid),
        _ => Some(format!("`mtype` {kind} is none of 1 to 4")),
    } {
        say(problem);
    }
    let (sizes, size) = (sizes(&imp["banner"]), (bid["w"].as_i64(), bid["h"].as_i64()));
    let is_flexible = ["wratio", "wmin", "wmax"].iter().any(|key| imp["banner"].to_string().contains(key));
    if kind == 1 && !sizes.is_empty() && !is_flexible && !sizes.iter().any(|(w, h)| size == (Some(*w), Some(*h))) {
        let all: Vec<String> = sizes.iter().map(|(w, h)| format!("{w}x{h}")).collect();
        say(format!("size {}x{} is none of {}", bid["w"], bid["h"], all.join(", ")));
    }
    if imp["secure"].as_i64() == Some(1) || imp["secure"].as_bool() == Some(true) {
        let markup = text(&bid["adm"]).unwrap_or_default();
        let picture = text(&bid["iurl"]).filter(|url| is_insecure(url)).into_iter();
        for asset in insecure_assets(&markup).into_iter().chain(picture) {
            say(format!("{asset} is not https where the imp is secure"));
        }
    }
}

/// What of the ad the request or the imp blocks: categories, attributes, languages.
fn blocks(request: &Value, imp: &Value, bid: &Value, mut say: impl FnMut(String)) {
    let tax = |of: &Value| of["cattax"].as_i64().unwrap_or(1);
    let blocked: Vec<String> = list(&request["bcat"]).filter_map(text).collect();
    let covers = |above: &str, cat: &str| cat.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    for cat in list(&bid["cat"]).filter_map(text).filter(|_| tax(request) == tax(bid)) {
        if blocked.iter().any(|above| covers(above, &cat)) {
            say(format!("`cat` {cat} is blocked by the request"));
        }
    }
    let format = ["", "banner", "video", "audio", "native"][bid["mtype"].as_u64().filter(|kind| *kind < 5).unwrap_or(1) as usize];
    let battr: Vec<i64> = list(&imp[format]["battr"]).filter_map(Value::as_i64).collect();
    for attr in list(&bid["attr"]).filter_map(Value::as_i64).filter(|attr| battr.contains(attr)) {
        say(format!("`attr` {attr} is blocked by the imp"));
    }
    let wanted: Vec<String> = list(&request["wlang"]).filter_map(text).collect();
    let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let speaks = |language: &String| wanted.iter().any(|tag| primary(tag) == primary(language));
    if let Some(language) = text(&bid["language"]).filter(|language| !wanted.is_empty() && !speaks(language)) {
        say(format!("`language` {language} is none of {}", wanted.join(", ")));
    }
}

/// What is wrong with a bid that plays something.
fn spot(player: &Value, bid: &Value, name: &str) -> Option<String> {
    let Some(player) = list(player).find(|player| player.is_object()) else {
        return Some(format!("the imp takes no {name}"));
    };
    let integers = |value: &Value| list(value).filter_map(Value::as_i64).collect::<Vec<_>>();
    let (protocols, lengths, dur) = (integers(&player["protocols"]), integers(&player["rqddurs"]), bid["dur"].as_i64()?);
    let is_short = player["minduration"].as_i64().is_some_and(|min| dur < min);
    let is_long = player["maxduration"].as_i64().is_some_and(|max| dur > max);
    let extends = player["maxextended"].as_i64().is_some_and(|more| more != 0);
    match () {
        () if !protocols.is_empty() && !protocols.contains(&bid["protocol"].as_i64().unwrap_or(0)) => {
            Some(format!("`protocol` {} is none of {protocols:?}", bid["protocol"]))
        }
        () if !lengths.is_empty() && !lengths.contains(&dur) => Some(format!("`dur` {dur} is none of {lengths:?}")),
        () if lengths.is_empty() && (is_short || (is_long && !extends)) => Some(format!("`dur` {dur} is out of range")),
        () if !text(&bid["adm"]).unwrap_or_default().starts_with("<VAST ") => Some("`adm` is no VAST document".to_owned()),
        () => shape::xml_fault(&text(&bid["adm"]).unwrap_or_default()).or_else(|| mimes(player, bid)),
    }
}

/// Whether the player takes none of the document's files.
fn mimes(player: &Value, bid: &Value) -> Option<String> {
    let taken: Vec<String> = list(&player["mimes"]).filter_map(text).collect();
    let markup = text(&bid["adm"])?;
    let files = markup.split("<MediaFile ").skip(1);
    let types: Vec<&str> = files.filter_map(|file| file.split_once("type=\"")?.1.split('"').next()).collect();
    let is_same = |taken: &str, mime: &str| {
        // Some name a type by its second part.
        let part = mime.split_once('/').map_or(mime, |(_, part)| part);
        taken.eq_ignore_ascii_case(mime) || taken.eq_ignore_ascii_case(part)
    };
    let is_taken = types.iter().any(|mime| taken.iter().any(|taken| is_same(taken, mime)));
    (!taken.is_empty() && !is_taken).then(|| format!("no file is of {}, they are {}", taken.join(", "), types.join(", ")))
}

/// What is wrong with a native bid: its markup is no JSON, or lacks a required asset.
fn native(native: &Value, bid: &Value) -> Option<String> {
    let parse = |value: &Value| match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    let inner = |value: Value| {
        if value["native"].is_object() {
            value["native"].clone()
        } else {
            value
        }
    };
    if text(&bid["adm"]).is_some_and(|markup| !shape::is_json(&markup)) {
        return Some("`adm` of a native ad is no json".to_owned());
    }
    let (asked, ad) = (inner(parse(&native["request"])), inner(parse(&bid["adm"])));
    let given: Vec<&Value> = list(&ad["assets"]).map(|asset| &asset["id"]).collect();
    let is_missing = |asset: &&Value| asset["required"].as_i64() == Some(1) && !given.contains(&&asset["id"]);
    match list(&asked["assets"]).find(is_missing) {
        _ if !native.is_object() => Some("the imp takes no native ad".to_owned()),
        _ if given.is_empty() || !ad["link"]["url"].is_string() => Some("`adm` is no native ad".to_owned()),
        Some(asset) => Some(format!("native asset {} is required and missing", asset["id"])),
        None => None,
    }
}

fn price(imp: &Value, bid: &Value, currency: &str, rates: &Rates) -> Option<String> {
    let Some(price) = amount(&bid["price"]).filter(|price| *price > Money::ZERO) else {
        return Some(format!("`price` {} is no amount above zero", bid["price"]));
    };
    let mut deals = list(&imp["pmp"]["deals"]);
    let is_private = imp["pmp"]["private_auction"].as_i64() == Some(1) || imp["pmp"]["private_auction"].as_bool() == Some(true);
    if is_private && bid["dealid"].is_null() {
        return Some("the imp is for its deals alone, and there is no `dealid`".to_owned());
    }
    let of = match text(&bid["dealid"]) {
        Some(id) => match deals.find(|deal| text(&deal["id"]).as_ref() == Some(&id)) {
            Some(deal) => deal,
            None => return Some(format!("`dealid` {id} is no deal of the imp")),
        },
        None => imp,
    };
    let floor = amount(&of["bidfloor"]).filter(|floor| *floor > Money::ZERO)?;
    let floor_currency = text(&of["bidfloorcur"]).unwrap_or_else(|| "USD".into());
    let code = |text: &str| Currency::parse(text);
    let conversion = code(&floor_currency)
        .zip(code(currency))
        .and_then(|(from, to)| rates.conversion(from, to));
    let Some(conversion) = conversion else {
        return Some(format!("`bidfloor` in {floor_currency} cannot be compared with {currency}"));
    };
    let floor = conversion.apply(floor, Round::Up);
    (price < floor).then(|| format!("`price` {price} is below the floor of {floor} {currency}"))
}

/// The sizes a banner takes; none where it names none.
fn sizes(banner: &Value) -> Vec<(i64, i64)> {
    let size = |of: &Value| of["w"].as_i64().zip(of["h"].as_i64()).filter(|(w, h)| *w > 0 && *h > 0);
    list(&banner["format"]).chain([banner]).filter_map(size).collect()
}

/// Addresses with http that markup loads, but for those of this machine.
fn insecure_assets(markup: &str) -> Vec<String> {
    let lower = markup.to_ascii_lowercase();
    let mut found = Vec::new();
    for (at, _) in lower.match_indices("http://") {
        let before = lower[..at].trim_end_matches(['"', '\'', ' ']);
        let rest = &markup[at..];
        let url = &rest[..rest.find(['"', '\'', ' ', ')', '>', '<', ']']).unwrap_or(rest.len())];
        let tag = before.strip_suffix("<![cdata[").and_then(|before| before.rsplit('<').next());
        let is_file = tag.is_some_and(|tag| LOADED.iter().any(|name| tag.starts_with(name)));
        if (is_file || LOADS.iter().any(|load| before.ends_with(load))) && is_insecure(url) {
            found.push(url.to_owned());
        }
    }
    found
}

fn is_insecure(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_here = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
        None => false,
    };
    url.scheme() == "http" && !is_here
}

/// A list's members; what is no list where one should be is its only member.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let one = if value.is_null() { &[][..] } else { std::slice::from_ref(value) };
    value.as_array().map_or(one, Vec::as_slice).iter()
}

/// Text, or a number where text should be.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn amount(value: &Value) -> Option<Money> {
    Money::parse_lossy(&text(value)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const REQUEST: &str = r#"{"id": 7, "cur": ["EUR", "USD"], "badv": ["blocked.example"], "imp": [
        {"id": "1", "secure": 1, "bidfloor": 0.92, "bidfloorcur": "EUR", "banner": {"format": [{"w": 300, "h": 250}], "battr": [3]}}],
        "bcat": ["IAB7"], "wseat": ["us"], "wlang": ["en-GB"]}"#;

    /// One with a click macro, that takes no `adid`.
    fn exchange() -> Exchange {
        let entry = r#"{"id": "x", "click_macro": "%%CLICK%%", "omit": ["adid"]}"#;
        let config = format!("{{\"exchanges\": [{entry}], \"advertisers\": \"a\"}}");
        let (server, _) = crate::config::server_from_text("winback.json", std::path::Path::new("."), &config).expect("sound");
        server.exchanges[0].clone()
    }

    fn rejected(change: impl Fn(&mut Value)) -> Vec<String> {
        let rates = Rates::new(
            Currency::USD,
            [(Currency::parse("EUR").expect("code"), Money::parse("0.92").expect("rate"))],
        );
        let mut answer = json!({"id": "7", "cur": "USD", "seatbid": [{"seat": "us", "bid": [{"id": "b", "language": "en", "impid": "1", "price": 1.0, "crid": "c",
            "adomain": ["acme.example"], "w": 300, "h": 250,
            "burl": format!("https://a.example/n/bill/t{}", exchange().links.notices[1]), "mtype": 1, "attr": [1], "cat": ["IAB1-2"],
            "adm": "<a href=\"%%CLICK%%http://acme.example/click/t\"><img src=\"https://a.example/x.png\"><img src='http://127.0.0.1:1/imp'></a>"}]}]});
        change(&mut answer);
        rejections(
            &serde_json::from_str(REQUEST).expect("json"),
            &answer.to_string(),
            &exchange(),
            &rates,
        )
    }

    #[test]
    fn a_sound_answer_passes() {
        assert_eq!(rejected(|_| ()), [""; 0]);
    }

    #[test]
    fn each_slip_is_named() {
        let bid = |answer: &mut Value, key: &str, value: Value| answer["seatbid"][0]["bid"][0][key] = value;
        let slip = |key: &str, value: Value| rejected(|answer| bid(answer, key, value.clone())).join("; ");
        assert_eq!(slip("price", json!(0.99)), "imp 1: `price` 0.99 is below the floor of 1 USD");
        assert_eq!(slip("price", json!(-1)), "imp 1: `price` -1 is no amount above zero");
        assert_eq!(slip("impid", json!("2")), "`impid` \"2\" is no imp of the request");
        assert_eq!(slip("crid", json!("")), "imp 1: `crid` is missing");
        assert_eq!(slip("adomain", json!([])), "imp 1: `adomain` is missing");
        assert_eq!(
            slip("adomain", json!(["blocked.example"])),
            "imp 1: `adomain` blocked.example is blocked by the request"
        );
        assert_eq!(slip("dealid", json!("d1")), "imp 1: `dealid` d1 is no deal of the imp");
        assert_eq!(slip("h", json!(251)), "imp 1: size 300x251 is none of 300x250");
        let asset = slip(
            "adm",
            json!("<div style=\"background:url('http://x.example/a.png')\" href=\"%%CLICK%%/click/\">"),
        );
        assert_eq!(asset, "imp 1: http://x.example/a.png is not https where the imp is secure");
        assert_eq!(slip("attr", json!([1, 3])), "imp 1: `attr` 3 is blocked by the imp");
        assert_eq!(slip("cat", json!(["IAB7-39"])), "imp 1: `cat` IAB7-39 is blocked by the request");
        assert_eq!(slip("language", json!("vi")), "imp 1: `language` vi is none of en-GB");
        assert_eq!(
            slip("w", Value::Null),
            "imp 1: `w` or `h` is missing; imp 1: size nullx250 is none of 300x250"
        );
        assert_eq!(slip("mtype", json!(2)), "imp 1: the imp takes no video");
        assert_eq!(
            slip("adid", json!("card")),
            "imp 1: `adid` is there, which the exchange does not take"
        );
        assert_eq!(slip("burl", Value::Null), "imp 1: there is no `burl`, which is what bills here");
        assert!(slip("burl", json!("https://a.example/n/bill/t")).starts_with("imp 1: `burl` lacks the macros ?"));
        assert_eq!(
            slip("adm", json!("<a href=\"https://ads.example/click/t\">")),
            "imp 1: the markup lacks the click macro %%CLICK%%"
        );
        let of_types = slip("exp", json!("soon"));
        assert!(of_types.starts_with("the answer is no BidResponse: invalid type"), "{of_types}");
        let seat = rejected(|answer| answer["seatbid"][0]["seat"] = json!("them"));
        assert_eq!(seat, ["`seat` them is not admitted by the request"]);
        let twice = rejected(|answer| {
            let bid = answer["seatbid"][0]["bid"][0].clone();
            answer["seatbid"][0]["bid"] = json!([bid, bid]);
        });
        assert_eq!(twice, ["imp 1: `id` \"b\" is another bid's too"]);
        assert_eq!(rejected(|answer| answer["id"] = json!("8")).len(), 1);
        assert_eq!(
            rejected(|answer| answer["cur"] = json!("VND")).len(),
            2,
            "currency, and a floor that cannot be compared"
        );
        assert_eq!(rejected(|answer| answer["seatbid"] = json!([])), ["there is no bid in it"]);
    }

    #[test]
    fn documents_of_players_are_looked_into() {
        let player = json!({"mimes": ["video/mp4"], "protocols": [2]});
        let judged = |document: &str| spot(&player, &json!({"dur": 15, "protocol": 2, "adm": document}), "video");
        let file =
            |mime: &str| format!("<VAST version=\"3.0\"><MediaFile type=\"{mime}\"><![CDATA[http://x.example/a.mp4]]></MediaFile></VAST>");
        assert_eq!(judged(&file("video/mp4")), None);
        assert_eq!(
            judged(&file("video/ogg")).expect("a fault"),
            "no file is of video/mp4, they are video/ogg"
        );
        assert_eq!(
            judged("<VAST version=\"3.0\"><Ad>").expect("a fault"),
            "`adm` ends within an element"
        );
        assert!(judged("<VAST version=\"3.0\"><Ad></Bd></VAST>").is_some_and(|fault| fault.contains("well-formed")));
        assert_eq!(insecure_assets(&file("video/mp4")), ["http://x.example/a.mp4"]);
    }
}
