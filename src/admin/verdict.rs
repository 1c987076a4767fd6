//! An answer of ours as an exchange looks at it: what of it would be refused, and why (OpenRTB 2.6
//! §3.2, §4.2).
//!
//! Reads request and answer anew with a reader of its own, leniently, so that it shares no fault with
//! the path that made the answer. Empty means that nothing was found, not that an exchange must agree.

use serde_json::Value;
use url::{Host, Url};

use crate::base::money::{Currency, Money, Rates, Round};

/// What comes before the address of something a page loads by itself.
const LOADS: [&str; 5] = ["src=", "srcset=", "poster=", "background=", "url("];

/// Why an exchange would refuse the answer, one sentence each.
pub fn rejections(request: &[u8], answer: &str, rates: &Rates) -> Vec<String> {
    let (Ok(request), Ok(answer)) = (serde_json::from_slice::<Value>(request), serde_json::from_str::<Value>(answer)) else {
        return vec!["request or answer is no strict json".to_owned()];
    };
    let mut found = Vec::new();
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
    for bid in bids {
        let impid = text(&bid["impid"]).unwrap_or_default();
        let say = |problem: String| found.push(format!("imp {impid}: {problem}"));
        match list(&request["imp"]).find(|imp| text(&imp["id"]).as_ref() == Some(&impid)) {
            Some(imp) => judge(&request, imp, bid, &currency, rates, say),
            None => found.push(format!("`impid` {} is no imp of the request", bid["impid"])),
        }
    }
    found
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
    if let Some(problem) = price(imp, bid, currency, rates) {
        say(problem);
    }
    let kind = bid["mtype"].as_u64().unwrap_or(1);
    if let Some(problem) = match kind {
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

/// What is wrong with a bid that plays something.
fn spot(player: &Value, bid: &Value, name: &str) -> Option<String> {
    let integers = |value: &Value| list(value).filter_map(Value::as_i64).collect::<Vec<_>>();
    let (protocols, lengths, dur) = (integers(&player["protocols"]), integers(&player["rqddurs"]), bid["dur"].as_i64()?);
    let is_short = player["minduration"].as_i64().is_some_and(|min| dur < min);
    let is_long = player["maxduration"].as_i64().is_some_and(|max| dur > max);
    let extends = player["maxextended"].as_i64().is_some_and(|more| more != 0);
    match () {
        () if !player.is_object() => Some(format!("the imp takes no {name}")),
        () if !protocols.is_empty() && !protocols.contains(&bid["protocol"].as_i64().unwrap_or(0)) => {
            Some(format!("`protocol` {} is none of {protocols:?}", bid["protocol"]))
        }
        () if !lengths.is_empty() && !lengths.contains(&dur) => Some(format!("`dur` {dur} is none of {lengths:?}")),
        () if lengths.is_empty() && (is_short || (is_long && !extends)) => Some(format!("`dur` {dur} is out of range")),
        () if !text(&bid["adm"]).unwrap_or_default().starts_with("<VAST ") => Some("`adm` is no VAST document".to_owned()),
        () => None,
    }
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
        let url = &rest[..rest.find(['"', '\'', ' ', ')', '>', '<']).unwrap_or(rest.len())];
        if LOADS.iter().any(|load| before.ends_with(load)) && is_insecure(url) {
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

/// A list's members; nothing where it is no list.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
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
        {"id": "1", "secure": 1, "bidfloor": 0.92, "bidfloorcur": "EUR", "banner": {"format": [{"w": 300, "h": 250}]}}]}"#;

    fn rejected(change: impl Fn(&mut Value)) -> Vec<String> {
        let rates = Rates::new(
            Currency::USD,
            [(Currency::parse("EUR").expect("code"), Money::parse("0.92").expect("rate"))],
        );
        let mut answer = json!({"id": "7", "cur": "USD", "seatbid": [{"bid": [{"id": "b", "impid": "1", "price": 1.0, "crid": "c",
            "adomain": ["acme.example"], "w": 300, "h": 250,
            "adm": "<a href=\"http://acme.example\"><img src=\"https://a.example/x.png\"><img src='http://127.0.0.1:1/imp'></a>"}]}]});
        change(&mut answer);
        rejections(REQUEST.as_bytes(), &answer.to_string(), &rates)
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
        let asset = slip("adm", json!("<div style=\"background:url('http://x.example/a.png')\">"));
        assert_eq!(asset, "imp 1: http://x.example/a.png is not https where the imp is secure");
        assert_eq!(rejected(|answer| answer["id"] = json!("8")).len(), 1);
        assert_eq!(
            rejected(|answer| answer["cur"] = json!("VND")).len(),
            2,
            "currency, and a floor that cannot be compared"
        );
        assert_eq!(rejected(|answer| answer["seatbid"] = json!([])), ["there is no bid in it"]);
    }
}
