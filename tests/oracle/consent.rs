//! What the privacy signals of a request allow, for the strings that the game knows: each is one of a few, of which
//! it is written down what they say. How a string is read is compared with others' decoders elsewhere.

use serde_json::Value;

use winback::base::country::Country;

use super::request::{each, first, int, set, text};
use crate::game::facts::{Facts, TC_GRANTS};

/// Where GDPR or a law like it holds, of the countries in the game.
const UNDER_GDPR: [&str; 1] = ["DEU"];

pub fn permitted(x: &Facts, r: &Value) -> bool {
    let (regs, ext) = (&r["regs"], &r["regs"]["ext"]);
    let of_regs = |key: &str| first(&[&regs[key], &ext[key]]);
    let ours = &x.server["privacy"];
    let flags = ["coppa", "gpc"].iter().any(|key| set(&regs[key]) || set(&ext[key]));
    let device = set(&r["device"]["lmt"]) || (set(&r["device"]["dnt"]) && ours["dnt"] != "ignore");
    let reasons = &r["ext"]["privacy_treatments"]["non_personalized_ads_reason"];
    if flags || device || each(reasons).iter().any(set) {
        return false;
    }
    let gpp = text(&of_regs("gpp")).unwrap_or_default();
    let sids: Vec<i64> = each(&of_regs("gpp_sid")).iter().filter_map(int).collect();
    let body = |prefix: &str| gpp.strip_prefix(prefix);
    let us_privacy = text(&of_regs("us_privacy")).unwrap_or_default();
    let is_read = |sid: i64| match sid {
        2 => true,
        6 if gpp.is_empty() => !us_privacy.is_empty(),
        6 => body("DBABTA~").is_some(),
        7 => body("DBABLA~").is_some(),
        other => other <= 0,
    };
    let opted_out = gpp.contains("~1YYN") || gpp.contains("~CVVa");
    let legacy = us_privacy.chars().nth(2).is_some_and(|c| c.eq_ignore_ascii_case(&'y'));
    let outranked = !gpp.is_empty() && sids.iter().any(|sid| *sid >= 6);
    if !sids.iter().all(|sid| is_read(*sid)) || (!sids.is_empty() && opted_out) || (legacy && !outranked) {
        return false;
    }
    let unsaid = match &ours["gdpr_when_unknown"] {
        Value::Bool(applies) => *applies,
        _ => {
            let code = text(&first(&[&r["device"]["geo"]["country"], &r["user"]["geo"]["country"]]));
            let country = code.and_then(|code| Country::parse(&code));
            country.is_none_or(|country| UNDER_GDPR.contains(&country.as_str()))
        }
    };
    let gdpr = of_regs("gdpr");
    let applies = match sids.is_empty() {
        true => int(&gdpr).map_or(unsaid, |flag| flag != 0),
        false => sids.contains(&2),
    };
    let legacy = text(&first(&[&r["user"]["consent"], &r["user"]["ext"]["consent"]])).unwrap_or_default();
    let string = if sids.is_empty() || gpp.is_empty() {
        legacy.as_str()
    } else {
        body("DBABMA~").unwrap_or("")
    };
    !applies || (ours["gvl_vendor_id"] == 10 && string == TC_GRANTS)
}
