//! Which formats an imp takes of which creative: banners by size, native assets by what a feed has, players
//! by document, file, length, shape and floor.
//!
//! Reads the very JSON again, leniently. Knows nothing of campaigns.

use serde_json::Value;

use super::openings::takes_size;
use super::request::{each, int, list, set, text};
use super::shopper::{ONE, nano};
use super::{Why, ensure};

/// Data of a native ad that a shop always has: its name, a description, its domain, its button.
const OF_SHOP: [i64; 4] = [1, 2, 11, 12];

/// What stands in an imp for a creative's format.
pub fn of_format<'v>(imp: &'v Value, creative: &Value) -> &'v Value {
    &imp[creative["format"].as_str().expect("a format")]
}

fn sides(w: &Value, h: &Value) -> Option<(i64, i64)> {
    Some((int(w)?, int(h)?)).filter(|(w, h)| *w > 0 && *h > 0)
}

/// The size of a banner or player.
pub fn size(of: &Value) -> Option<(i64, i64)> {
    sides(&of["w"], &of["h"])
}

/// Whether a creative suits an imp.
pub fn fits(imp: &Value, creative: &Value) -> Result<(), Why> {
    let of = of_format(imp, creative);
    ensure(nano(&imp["qty"]["multiplier"]).is_none_or(|times| times == ONE), "format")?;
    let own = || each(&creative["sizes"]).iter().filter_map(|size| sides(&size[0], &size[1]));
    match creative["format"].as_str() {
        Some("native") => ensure(!assets(imp).is_empty(), "format"),
        Some("banner") => {
            ensure(of.is_object(), "format")?;
            ensure(own().any(|size| takes_size(of, size)), "size")
        }
        _ => {
            ensure(of.is_object() && plays(of, creative), "format")?;
            let alike = |(w, h): (i64, i64)| size(of).is_none_or(|(a, b)| (w * b - a * h).abs() * 50 <= w * b);
            let boxes = of["boxingallowed"].is_null() || set(&of["boxingallowed"]);
            ensure(own().next().is_none() || boxes || own().any(alike), "size")
        }
    }
}

fn plays(player: &Value, creative: &Value) -> bool {
    let numbers = |key: &str| list(&player[key]).iter().filter_map(|n| n.parse::<i64>().ok()).collect::<Vec<_>>();
    let seconds = int(&creative["duration_s"]).expect("a length");
    let (codes, exact) = (numbers("protocols"), numbers("rqddurs"));
    let most = int(&player["maxduration"]).filter(|most| *most > 0);
    let in_range = int(&player["minduration"]).is_none_or(|least| least <= seconds) && most.is_none_or(|most| seconds <= most);
    let mimes = list(&player["mimes"]);
    let file = |media: &Value| mimes.is_empty() || mimes.iter().any(|mime| media["mime"] == mime.as_str());
    int(&player["linearity"]).is_none_or(|kind| kind == 1)
        && (codes.is_empty() || codes.iter().any(|code| [2, 3, 7, 11, 13, 15].contains(code)))
        && int(&player["poddur"]).is_none_or(|pod| pod <= 0 || seconds <= pod)
        && if exact.is_empty() { in_range } else { exact.contains(&seconds) }
        && each(&creative["media"]).iter().any(file)
}

/// The floor of a way for a creative, in billionths; `of` has those by length. None is zero.
pub fn floor(way: &Value, of: &Value, creative: &Value) -> i128 {
    let seconds = int(&creative["duration_s"]).filter(|_| sort(creative) == "video");
    let holds = |entry: &&Value, seconds: i64| {
        int(&entry["mindur"]).is_none_or(|least| least <= seconds) && int(&entry["maxdur"]).is_none_or(|most| seconds <= most)
    };
    let of_length = |seconds| {
        let entries = each(&of["durfloors"]).iter().filter(|entry| holds(entry, seconds));
        entries.map(|entry| nano(&entry["bidfloor"]).unwrap_or(0).max(0)).max()
    };
    let by_second = |seconds| {
        nano(&of["mincpmpersec"])
            .filter(|floor| *floor > 0)
            .map(|floor| floor * i128::from(seconds))
    };
    let own = seconds.and_then(|seconds| of_length(seconds).or_else(|| by_second(seconds)));
    own.or_else(|| nano(&way["bidfloor"])).filter(|floor| *floor > 0).unwrap_or(0)
}

/// Whether a creative has room in a pod beside others, each of the same format and another shop.
pub fn has_room(imp: &Value, creative: &Value, others: &[&Value]) -> bool {
    let player = of_format(imp, creative);
    let pod = int(&player["poddur"]).filter(|pod| *pod > 0 && creative["duration_s"].is_number());
    let seconds: i64 = others.iter().chain([&creative]).filter_map(|other| int(&other["duration_s"])).sum();
    let most = int(&player["maxseq"]).filter(|most| *most > 0).map_or(8, |most| most.min(8));
    let is_alike = |other: &&Value| other["format"] == creative["format"];
    pod.is_some_and(|pod| seconds <= pod) && (others.len() as i64) < most && others.iter().all(is_alike)
}

/// The assets of an imp's native request, as text or object, wrapped or not.
fn assets(imp: &Value) -> Vec<Value> {
    let root = match &imp["native"]["request"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        object => object.clone(),
    };
    let root = if root["native"].is_object() { &root["native"] } else { &root };
    each(&root["assets"]).to_vec()
}

/// Whether an ad has all that is required of it; without a product it has little, and no picture.
pub fn can_fill(imp: &Value, has_product: bool) -> bool {
    let fills = |asset: &Value| {
        let mimes = list(&asset["img"]["mimes"]);
        match int(&asset["data"]["type"]) {
            Some(6) => has_product,
            Some(kind) => OF_SHOP.contains(&kind),
            None if asset["img"].is_object() => has_product && (mimes.is_empty() || mimes.contains(&"image/jpeg".to_owned())),
            None => asset["title"].is_object(),
        }
    };
    let assets = assets(imp);
    assets.iter().any(fills) && assets.iter().all(|asset| !set(&asset["required"]) || fills(asset))
}

/// The key of a creative's format among an exchange's times.
pub fn sort(creative: &Value) -> &'static str {
    match text(&creative["format"]).as_deref() {
        Some("banner") => "banner",
        Some("native") => "native",
        _ => "video",
    }
}
