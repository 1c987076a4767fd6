//! A request made up for one shopper, as the exchange might send it: to ask why there is no bid for them there.
//!
//! What is made up is told, as what it leaves open: the shopper is named by our own id, and the imp takes whatever
//! the creatives of the shops that know them are made for. Nothing is stored.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::reply::{Fail, Query};
use super::super::{preview, users};
use crate::base::country::Country;
use crate::base::id::UserKey;
use crate::base::limits::SIZES_MAX;
use crate::model::advertiser::{Shop, Size};
use crate::model::exchange::Exchange;
use crate::model::targeting::Format;
use crate::server::engine::Engine;
use crate::state::world::World;

/// Parameters that change what is made up.
pub(super) const WISHES: [&str; 5] = ["user", "size", "domain", "country", "device"];
/// A phone's browser, where no other device is wished for.
const PHONE: (&str, u32, &str) = (
    "mobile",
    4,
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
);
const DESKTOP: (&str, u32, &str) = (
    "desktop",
    2,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
);
const TABLET: (&str, u32, &str) = (
    "tablet",
    5,
    "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/604.1",
);
const PAGE_DOMAIN: &str = "publisher.example";

/// A request, and what of it was assumed.
pub(super) struct Asked {
    pub body: Value,
    pub assumed: Vec<String>,
}

/// Makes one up for the user of an id, as `GET /api/users/{id}` takes it.
pub(super) fn ask(engine: &Engine, world: &World, exchange: &Exchange, query: &Query) -> Result<Asked, Fail> {
    let id = query
        .get("user")
        .ok_or_else(|| Fail::bad_request("give a bid request as the body, or `user`"))?;
    let user = users::find(engine, id)?.ok_or_else(|| users::unknown(id))?;
    let (profile, _) = users::recall(engine, user);
    let shops: Vec<_> = profile
        .sections
        .iter()
        .filter_map(|section| world.shop(section.advertiser))
        .collect();
    let mut assumed = Vec::new();
    let (named, device_id) = name(engine, world, exchange, (id, user), &mut assumed)?;
    let imp = imp(&shops, query.get("size"), &mut assumed)?;
    let (word, kind, agent) = device(query.get("device"))?;
    assumed.push(format!("on a {word} browser, on {}", query.get("domain").unwrap_or(PAGE_DOMAIN)));
    let country = country(&shops, query.get("country"), &mut assumed)?;
    assumed.push("asking is permitted (`regs.gdpr` 0), nothing is blocked, the floor is 0".to_owned());
    let domain = query.get("domain").unwrap_or(PAGE_DOMAIN);
    let mut body = json!({
        "id": "explain", "at": exchange.auction.default_at, "tmax": 1_000, "imp": [imp], "cur": ["USD"],
        "site": {"domain": domain, "page": format!("https://{domain}/"), "publisher": {"id": "publisher"}},
        "device": {"ua": agent, "devicetype": kind, "geo": {"country": country.as_ref().map(Country::as_str)}},
        "user": named, "regs": {"gdpr": 0},
    });
    if world
        .rates
        .conversion(crate::base::money::Currency::USD, world.rates.base())
        .is_none()
    {
        body["cur"] = json!([world.rates.base().as_str()]);
    }
    if exchange.test_only {
        body["test"] = json!(1);
    }
    if let Some(ifa) = device_id {
        body["device"]["ifa"] = json!(ifa);
    }
    Ok(Asked { body, assumed })
}

/// `user` of the request, and a device's id: what leads to the shopper for certain. Says what the exchange itself
/// could name them by.
fn name(
    engine: &Engine,
    world: &World,
    exchange: &Exchange,
    (id, user): (&str, UserKey),
    assumed: &mut Vec<String>,
) -> Result<(Value, Option<String>), Fail> {
    if let Some(theirs) = id.strip_prefix(&format!("{}:", exchange.id)) {
        return Ok((json!({"id": theirs}), None));
    }
    let is_matched = users::namespaces(engine, world, user)?.contains(&exchange.id);
    assumed.push(if is_matched {
        format!("`{}` is matched with this user, and would name them by its own id", exchange.id)
    } else {
        format!(
            "`{}` has no match of this user: its own requests lead to them only by an id of ours, an EID or a device id",
            exchange.id
        )
    });
    if let Some(ifa) = id.strip_prefix(crate::base::hash::NS_IFA) {
        return Ok((json!({}), Some(ifa.to_owned())));
    }
    match users::own_id(engine, user)? {
        Some(own) => Ok((json!({"buyeruid": own}), None)),
        None => {
            let message = format!("user `{id}` has no id of ours that a request could carry: send a request as the body");
            Err(Fail::not_found("user_not_nameable", message))
        }
    }
}

/// An imp that takes whatever the creatives of some shops are made for; of banners the one size that is asked for.
fn imp(shops: &[&std::sync::Arc<Shop>], size: Option<&str>, assumed: &mut Vec<String>) -> Result<Value, Fail> {
    let wanted = size.map(preview::size).transpose()?;
    let creatives = || shops.iter().flat_map(|shop| &shop.advertiser.creatives);
    let has = |format: Format| creatives().any(|creative| creative.format == format);
    let mut met = HashSet::new();
    let banners = creatives().filter(|creative| creative.format == Format::Banner);
    let mut sizes: Vec<Size> = banners.flat_map(|creative| creative.ads.iter().map(|(size, _)| *size)).collect();
    sizes.retain(|size| met.insert(*size));
    sizes.truncate(SIZES_MAX);
    let mut imp = json!({"id": "1", "secure": 1});
    if let Some(size) = wanted {
        sizes = vec![size];
    }
    let listed = sizes.iter().map(|Size { w, h }| format!("{w}x{h}"));
    assumed.push(format!("one imp for banners of {}", super::scene::some(listed)));
    let format: Vec<Value> = sizes.iter().map(|Size { w, h }| json!({"w": w, "h": h})).collect();
    imp["banner"] = json!({"format": format});
    if wanted.is_some() {
        return Ok(imp);
    }
    let protocols = [2, 3, 5, 6, 7, 8, 11, 12, 13, 14];
    if has(Format::Video) {
        imp["video"] = json!({"mimes": ["video/mp4", "video/webm"], "protocols": protocols, "w": 640, "h": 360,
            "minduration": 1, "maxduration": 120, "plcmt": 1, "linearity": 1});
    }
    if has(Format::Audio) {
        imp["audio"] = json!({"mimes": ["audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg"],
            "protocols": [9, 10, 2, 3, 7, 8, 13, 14], "minduration": 1, "maxduration": 120});
    }
    if has(Format::Native) {
        let asked = json!({"ver": "1.2", "assets": [
            {"id": 1, "required": 1, "title": {"len": 90}},
            {"id": 2, "required": 1, "img": {"type": 3, "wmin": 200, "hmin": 200}},
            {"id": 3, "data": {"type": 1, "len": 60}},
        ]});
        imp["native"] = json!({"ver": "1.2", "request": asked.to_string()});
    }
    let others = [Format::Video, Format::Audio, Format::Native]
        .into_iter()
        .filter(|format| has(*format));
    assumed.extend(others.map(|format| format!("or {}", format.label())));
    Ok(imp)
}

fn device(wished: Option<&str>) -> Result<(&'static str, u32, &'static str), Fail> {
    let known = [PHONE, DESKTOP, TABLET];
    let word = wished.unwrap_or(PHONE.0);
    known
        .into_iter()
        .find(|(name, ..)| *name == word)
        .ok_or_else(|| Fail::bad_request(format!("unknown `device` `{word}`: known are mobile, desktop, tablet")))
}

/// The country asked for, else the first that a campaign of theirs wants.
fn country(shops: &[&std::sync::Arc<Shop>], wished: Option<&str>, assumed: &mut Vec<String>) -> Result<Option<Country>, Fail> {
    if let Some(text) = wished {
        let read = Country::parse(text);
        return read
            .map(Some)
            .ok_or_else(|| Fail::bad_request(format!("`country` `{text}` is no ISO 3166 code like VN or VNM")));
    }
    let mut campaigns = shops.iter().flat_map(|shop| &shop.advertiser.campaigns);
    let first = campaigns.find_map(|campaign| campaign.targeting.countries.include()?.first().copied());
    assumed.extend(first.map(|country| format!("in {}, the first country that a campaign wants", country.as_str())));
    Ok(first)
}
