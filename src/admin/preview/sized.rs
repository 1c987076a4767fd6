//! A creative as it would be at a size that it does not list: its advertiser's file read anew, with that size in
//! place of its own.
//!
//! Nothing is given a number, written or put live.

use serde_json::{Value, json};

use super::super::advertisers;
use super::super::reply::Fail;
use crate::base::id::{AdvertiserNo, CampaignNo, CreativeNo};
use crate::config::{self, Context, Numbers};
use crate::model::advertiser::{Creative, Shop, Size};
use crate::server::engine::Engine;
use crate::state::world::World;

/// Numbers of what is only looked at.
struct OfNobody(AdvertiserNo);

impl Numbers for OfNobody {
    fn advertiser(&self, _: &str) -> AdvertiserNo {
        self.0
    }

    fn book(&self, _: &str) -> CampaignNo {
        CampaignNo::default()
    }

    fn campaign(&self, _: &str, _: &str) -> CampaignNo {
        CampaignNo::default()
    }

    fn creative(&self, _: &str, _: &str) -> CreativeNo {
        CreativeNo::default()
    }
}

/// Reads the creative with one size: what is wrong with that, or with the file as it stands, is the caller's fault.
pub(super) fn creative(engine: &Engine, world: &World, shop: &Shop, id: &str, size: Size) -> Result<Creative, Fail> {
    let advertiser = &shop.advertiser.id;
    let found = advertisers::find(engine, advertiser)?.ok_or_else(|| advertisers::unknown(advertiser))?;
    let name = found
        .path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&found.bytes);
    let broken = |fault| Fail::bad_request(format!("{name} cannot be read: {fault}"));
    let mut document: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(broken)?;
    let creatives = document["creatives"].as_array_mut().into_iter().flatten();
    for written in creatives.filter(|written| written["id"].as_str().map(str::trim) == Some(id)) {
        written["sizes"] = json!([[size.w, size.h]]);
    }
    let settings = engine.settings.load_full();
    let context = Context {
        server: &settings.server,
        hashes: &world.hashes,
        numbers: &OfNobody(shop.advertiser.no),
    };
    let (read, _) = config::advertiser(&name, &settings.server.advertisers, &document.to_string(), &context).map_err(|faults| {
        let first = faults.iter().find(|fault| !fault.warning).map(|fault| {
            let remedy = fault.remedy.as_deref().unwrap_or_default();
            format!("{}: {}; {remedy}", fault.pointer, fault.problem)
        });
        Fail::bad_request(format!(
            "creative `{id}` cannot be {}x{}: {}",
            size.w,
            size.h,
            first.unwrap_or_default()
        ))
    })?;
    let found = read.creatives.into_iter().find(|creative| creative.id == id);
    found.ok_or_else(|| Fail::not_found("creative_not_found", format!("no creative `{id}` in {name}")))
}
