//! How the oracle reads a bid request's JSON: leniently, as the contract asks, and what it says of place,
//! device and language in the words of `targeting`, and of whom.
//!
//! Assumes a document that is JSON. Decides nothing.

use jiff::{Timestamp, tz::Offset, tz::TimeZone};
use serde_json::Value;
use winback::base::country::Country;

use super::consent::permitted;
use super::{Why, ensure};
use crate::game::facts::Facts;

/// A scalar as text, or the first of a list; none where it is empty.
pub fn text(v: &Value) -> Option<String> {
    match v {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(list) => list.iter().find_map(text),
        Value::Number(_) | Value::Bool(_) => Some(v.to_string()),
        _ => None,
    }
}

pub fn int(v: &Value) -> Option<i64> {
    let text = text(v)?.replace("true", "1").replace("false", "0");
    let number = || text.trim().parse::<f64>().ok().map(|n| n as i64);
    text.trim().parse().ok().or_else(number)
}

pub fn set(v: &Value) -> bool {
    int(v).is_some_and(|n| n != 0)
}

/// A list of texts, or what stands between the commas of one.
pub fn list(v: &Value) -> Vec<String> {
    match v.as_array() {
        Some(list) => list.iter().filter_map(text).collect(),
        None => text(v).iter().flat_map(|t| t.split(',')).map(|t| t.trim().to_owned()).collect(),
    }
}

/// A list's entries, or the one thing given for a list.
pub fn each(v: &Value) -> &[Value] {
    match v {
        Value::Array(list) => list,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// The first of several places where something is said.
pub fn first(places: &[&Value]) -> Value {
    places.iter().find(|v| text(v).is_some()).map_or(Value::Null, |v| (*v).clone())
}

pub fn place(r: &Value) -> &Value {
    let site = if r["site"].is_object() { &r["site"] } else { &r["dooh"] };
    if r["app"].is_object() { &r["app"] } else { site }
}

pub fn categories(r: &Value) -> Vec<String> {
    ["cat", "sectioncat", "pagecat"]
        .iter()
        .flat_map(|key| list(&place(r)[*key]))
        .collect()
}

pub fn host(r: &Value) -> Option<String> {
    let page = text(&place(r)["page"])?;
    let (_, rest) = page.split_once("//")?;
    rest.split(['/', '?', '#', ':']).next().map(str::to_owned)
}

pub fn app(r: &Value) -> Option<String> {
    text(&r["app"]["bundle"]).or_else(|| text(&r["app"]["domain"]))
}

/// Permission first; then the first id that leads to somebody with events.
pub fn identify(x: &Facts, r: &Value, exchange: &str) -> Result<usize, Why> {
    ensure(permitted(x, r), "consent")?;
    let mut ids: Vec<(&str, String)> = Vec::new();
    ids.extend(text(&r["user"]["buyeruid"]).map(|id| ("", id)));
    ids.extend(text(&r["user"]["id"]).map(|id| (exchange, id)));
    let eids = if each(&r["user"]["eids"]).is_empty() {
        &r["user"]["ext"]["eids"]
    } else {
        &r["user"]["eids"]
    };
    // What a publisher observed comes after the rest, what is inferred is passed over; then it goes by source.
    let order = ["ads.example", "uidapi.com", "pubcid.org"];
    let mut trusted: Vec<(bool, usize, &str, String)> = Vec::new();
    for eid in each(eids).iter().filter(|eid| int(&eid["mm"]) != Some(5)) {
        let Some(source) = eid["source"].as_str() else { continue };
        let rank = order.iter().position(|known| *known == source).unwrap_or(order.len());
        let ids = each(&eid["uids"])
            .iter()
            .filter_map(|uid| text(if uid.is_object() { &uid["id"] } else { uid }));
        trusted.extend(ids.map(|id| (int(&eid["mm"]) == Some(4), rank, source, id)));
    }
    trusted.sort_by_key(|(observed, rank, ..)| (*observed, *rank));
    let mut ours = Vec::new();
    for (.., source, id) in trusted.into_iter().take(8) {
        ids.extend([(source, id.clone()), (exchange, id.clone())]);
        ours.extend((source == "ads.example" && ours.is_empty()).then_some(("", id)));
    }
    let digits = |ifa: &String| ifa.split('-').map(str::len).collect::<Vec<_>>();
    let is_uuid = |ifa: &String| {
        [vec![8, 4, 4, 4, 12], vec![32]].contains(&digits(ifa)) && !ifa.contains(|c: char| c != '-' && !c.is_ascii_hexdigit())
    };
    let ifa = text(&r["device"]["ifa"]).filter(|ifa| is_uuid(ifa) && ifa.contains(|c| c != '0' && c != '-'));
    ids.extend(ifa.map(|ifa| ("ifa:", ifa.to_lowercase().replace('-', ""))));
    ids.extend(ours);
    let of = |(owner, id): &(&str, String)| x.people.iter().position(|ids| ids.iter().any(|(o, i)| o == owner && i == id));
    let is_gone = |id: &(&str, String)| id.0.is_empty() && of(id).is_some_and(|person| x.gone.contains(&person));
    ensure(!ids.iter().any(is_gone), "opted_out")?;
    ensure(!ids.is_empty(), "no_id")?;
    let known = ids.iter().filter_map(of).filter(|person| !x.gone.contains(person));
    known
        .into_iter()
        .find(|person| x.told.iter().any(|told| told.0 == *person))
        .ok_or("unknown_user")
}

/// The people whom a shop takes for one: who were there, and gave it one address.
pub fn kin(x: &Facts, person: usize, shop: usize) -> Vec<usize> {
    let was_there = |one| x.told.iter().any(|told| (told.0, told.1) == (one, shop));
    let is_kin = |one: &usize| *one == person || x.is_near(*one, person) && was_there(*one) && was_there(person);
    (0..x.people.len()).filter(is_kin).collect()
}

/// Whether there were as many bids within a minute as a person gets, or the device is a crawler's or in a data
/// centre; `now` in milliseconds.
pub fn is_machine(x: &Facts, r: &Value, person: usize, now: i64) -> bool {
    let (tested, device) = (&x.server["invalid_traffic"], &r["device"]);
    let most = if tested["bids_per_min"].is_null() {
        i64::MAX
    } else {
        int(&tested["bids_per_min"]).expect("a number")
    };
    let is_recent = |at: i64| now.div_euclid(1000) - at.div_euclid(1000) < 60;
    let bids = x.bids.iter().filter(|bid| bid.who[0] == person && is_recent(bid.at)).count();
    let says = |key: &str, what: &str| text(&device[key]).is_some_and(|text| text.contains(what));
    tested.is_object() && (bids as i64 >= most || says("ua", "Googlebot/") || says("ip", "198.51.100."))
}

pub fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether `child` is `parent`, or continues it after a joint.
pub fn under(parent: &str, child: &str, joints: &[char]) -> bool {
    let (parent, child) = (parent.to_lowercase(), child.to_lowercase());
    child
        .strip_prefix(&parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(joints))
}

pub fn of_domain(parent: &str, child: &str) -> bool {
    let above = format!(".{}", parent.to_lowercase());
    same(parent, child) || child.to_lowercase().ends_with(&above)
}

/// Any of `include`, where given, and none of `exclude`.
pub fn admits(choice: &Value, has: Vec<String>, matches: impl Fn(&str, &str) -> bool) -> bool {
    let wanted = |list: &Value| each(list).iter().any(|w| has.iter().any(|h| matches(w.as_str().unwrap_or(""), h)));
    let include = if choice.is_object() { &choice["include"] } else { choice };
    (include.is_null() || wanted(include)) && !wanted(&choice["exclude"])
}

fn browser(wanted: &str, ua: &str) -> bool {
    match wanted.to_lowercase().as_str() {
        "chrome" => ua.contains("Chrome/") && !ua.contains("Edg") && !ua.contains("OPR"),
        "safari" => ua.contains("Safari/") && !ua.contains("Chrome/") && !ua.contains("Android"),
        other => ua.to_lowercase().contains(other),
    }
}

fn device(r: &Value) -> Option<String> {
    let ua = text(&r["device"]["ua"]);
    let kinds = ["mobile", "desktop", "tv", "mobile", "tablet", "other", "tv", "other"];
    let named = int(&r["device"]["devicetype"]).and_then(|kind| kinds.get(usize::try_from(kind - 1).ok()?));
    let told = || match ua? {
        ua if ua.contains("iPad") => Some(&"tablet"),
        ua if ua.contains("Mobi") => Some(&"mobile"),
        ua if ua.contains("Windows NT") || ua.contains("Macintosh") => Some(&"desktop"),
        _ => Some(&"other"),
    };
    named.or_else(told).map(|kind| (*kind).to_owned())
}

/// Whether a request meets what a targeting says, but for formats, hours and deals.
pub fn meets(r: &Value, exchange: &str, t: &Value) -> bool {
    let code = |geo: &Value| text(&geo["country"]).and_then(|code| Country::parse(&code));
    let (here, home, place) = (&r["device"]["geo"], &r["user"]["geo"], place(r));
    let apart = code(here).zip(code(home)).is_some_and(|(here, home)| here != home);
    let geo = |key: &str| Vec::from_iter(text(&here[key]).or_else(|| text(&home[key]).filter(|_| !apart)));
    let of_device = |key: &str| Vec::from_iter(text(&r["device"][key]));
    let domain = text(&place["domain"]).or_else(|| host(r));
    let is_country = |wanted: &str, code: &str| Country::parse(wanted) == Country::parse(code);
    admits(&t["countries"], geo("country"), is_country)
        && admits(&t["regions"], geo("region"), same)
        && admits(&t["cities"], geo("city"), same)
        && admits(&t["devices"], Vec::from_iter(device(r)), same)
        && admits(&t["os"], of_device("os"), same)
        && admits(&t["browsers"], of_device("ua"), browser)
        && admits(&t["languages"], of_device("language"), |w, tag| under(w, tag, &['-', '_']))
        && admits(&t["domains"], Vec::from_iter(domain), of_domain)
        && admits(&t["apps"], Vec::from_iter(app(r)), |w, app| same(w, app) || of_domain(w, app))
        && admits(&t["sellers"], Vec::from_iter(text(&place["publisher"]["id"])), same)
        && admits(&t["exchanges"], vec![exchange.to_owned()], same)
        && admits(&t["categories"], categories(r), |w, cat| under(w, cat, &['-']))
}

fn minutes(clock: &str) -> i16 {
    let (hour, minute) = clock.split_once(':').expect("a clock");
    hour.parse::<i16>().expect("hours") * 60 + minute.parse::<i16>().expect("minutes")
}

/// Whether now is within hours such as `mon-fri 07:00-23:00`, on the shop's clock or the user's.
pub fn in_hours(r: &Value, hours: &Value, now: Timestamp, zone: &TimeZone) -> bool {
    let windows = if hours.is_object() { &hours["windows"] } else { hours };
    let offset = int(&r["device"]["geo"]["utcoffset"]).or_else(|| int(&r["user"]["geo"]["utcoffset"]));
    let zone = match (hours["clock"] == "user", offset) {
        (false, _) => zone.clone(),
        (true, Some(minutes)) => Offset::from_seconds(minutes as i32 * 60).expect("an offset").to_time_zone(),
        (true, None) => return false,
    };
    let local = now.to_zoned(zone);
    let (today, minute) = (
        local.weekday().to_monday_zero_offset(),
        i16::from(local.hour()) * 60 + i16::from(local.minute()),
    );
    let no = |day: &str| {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
            .iter()
            .position(|d| *d == day)
            .expect("a day") as i8
    };
    each(windows).iter().filter_map(Value::as_str).any(|window| {
        let daily = window.starts_with(|c: char| c.is_ascii_digit());
        let (days, times) = if daily {
            ("mon-sun", window)
        } else {
            window.split_once(' ').unwrap_or((window, "00:00-24:00"))
        };
        let (from, to) = times.split_once('-').map(|(from, to)| (minutes(from), minutes(to))).expect("times");
        let on = |day: i8| {
            let spans = days.split(',').map(|part| part.split_once('-').unwrap_or((part, part)));
            spans
                .into_iter()
                .any(|(a, b)| (day - no(a)).rem_euclid(7) <= (no(b) - no(a)).rem_euclid(7))
        };
        match from < to {
            true => on(today) && (from..to).contains(&minute),
            false => on(today) && minute >= from || on((today + 6) % 7) && minute < to,
        }
    })
}
