//! What is kept about one browser, in words for whoever sits in front of it.
//!
//! Read from memory, and from the store what is on disk alone. Shows no hash, no key and no number of ours.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use crate::base::id::{MatchKey, UserKey};
use crate::base::time::{Day, Secs};
use crate::model::advertiser::Shop;
use crate::model::event::{EventKind, Happening};
use crate::model::exposure::{self, Exposure, evidence};
use crate::model::matched::Matched;
use crate::model::profile::{Profile, Section};
use crate::model::rows::Table;
use crate::privacy::grant::{Grant, label};
use crate::server::engine::Engine;
use crate::state::world::World;
use crate::track::fold::Disk;

/// All that is kept.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    /// The day of the last event or ad.
    pub last_seen: String,
    /// Whether the browser was taken for a machine.
    pub taken_for_a_machine: bool,
    /// What was last permitted; none where only a shop's word by an address, or nobody's, led here.
    pub permitted: Option<Permitted>,
    /// By shop.
    pub shops: Vec<AtShop>,
    /// Who else's id of this browser leads here, and how many ids.
    pub matches: BTreeMap<String, u32>,
}

/// What was last permitted.
#[derive(Debug, Serialize)]
pub(super) struct Permitted {
    /// The day.
    pub on: String,
    /// By which kind of signal.
    pub by: &'static str,
    /// The uses that are allowed.
    pub uses: Vec<&'static str>,
}

/// What one shop's visits left.
#[derive(Debug, Serialize)]
pub(super) struct AtShop {
    /// Its name.
    pub name: String,
    /// The day of the first event; of the last, where the events are kept under an address.
    pub since: String,
    /// The shop was given an e-mail address, and what happened there is kept under that. It is not shown here:
    /// whoever types somebody else's address must not see what they do.
    pub under_an_address: bool,
    /// The latest events, those remembered.
    pub events: Vec<Event>,
    /// Its ads that were shown, those remembered.
    pub ads_shown: usize,
    /// And clicked.
    pub ads_clicked: usize,
}

/// One item of an event, or an event without items.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    /// Its kind.
    pub event: &'static str,
    /// Its day, on the shop's clock.
    pub day: String,
    /// The product's title; none where there is none, or the shop no longer lists it.
    pub product: Option<String>,
}

/// What is kept of whoever carries this cookie; none where nothing is.
pub(super) fn kept(engine: &Engine, world: &World, cookie: &str) -> io::Result<Option<Kept>> {
    let named = world.hashes.user(cookie.as_bytes());
    // A user who turned out to be another leads there.
    let user = engine.state.matched(MatchKey(named.0)).unwrap_or(named);
    let mut profile = Profile::default();
    if engine.state.users.read(user.0, |record| profile.read(record)).is_none() {
        return Ok(None);
    }
    let mut shown = Vec::new();
    engine.state.exposures.read(user.0, |bytes| exposure::read(bytes, &mut shown));
    Ok(Some(Kept {
        last_seen: day_of(None, profile.seen).to_string(),
        taken_for_a_machine: profile.machine_until > profile.seen,
        permitted: permitted(engine, user)?,
        shops: profile
            .sections
            .iter()
            .map(|section| at_shop(world, &profile, section, &shown))
            .collect(),
        matches: matches(engine, world, user)?,
    }))
}

fn at_shop(world: &World, profile: &Profile, section: &Section, shown: &[Exposure]) -> AtShop {
    let shop = world.shop(section.advertiser).map(|shop| &**shop);
    let is_own = |exposure: &&Exposure| {
        let campaigns = shop.map_or(&[][..], |shop| &shop.advertiser.campaigns[..]);
        campaigns.iter().any(|campaign| campaign.no == exposure.campaign)
    };
    let own: Vec<&Exposure> = shown.iter().filter(is_own).collect();
    let count = |flags: u8| own.iter().filter(|exposure| exposure.flags & flags != 0).count();
    AtShop {
        name: shop.map_or("a shop that is no longer here".to_owned(), |shop| shop.advertiser.name.clone()),
        since: day_of(shop, section.first).to_string(),
        under_an_address: section.is_elsewhere(),
        events: profile.events(section).iter().map(|happening| event(shop, happening)).collect(),
        ads_shown: count(evidence::SEEN),
        ads_clicked: count(evidence::CLICK),
    }
}

fn event(shop: Option<&Shop>, happening: &Happening) -> Event {
    let is_about_a_product = happening.kind != EventKind::Custom && happening.product.is_some();
    let product = shop
        .filter(|_| is_about_a_product)
        .and_then(|shop| shop.catalog.get(happening.product));
    Event {
        event: happening.kind.label(),
        day: day_of(shop, happening.at).to_string(),
        product: product.map(|product| product.title.to_string()),
    }
}

fn day_of(shop: Option<&Shop>, at: Secs) -> Day {
    let utc = jiff::tz::TimeZone::UTC;
    at.to_millis().local_day(shop.map_or(&utc, |shop| &shop.advertiser.timezone))
}

fn permitted(engine: &Engine, user: UserKey) -> io::Result<Option<Permitted>> {
    let row = engine.store.get(Table::Grants, &user.0.to_be_bytes())?;
    Ok(row.as_deref().and_then(Grant::read).map(|grant| Permitted {
        on: day_of(None, grant.at).to_string(),
        by: grant.by.label(),
        uses: grant.uses().map(label).collect(),
    }))
}

fn matches(engine: &Engine, world: &World, user: UserKey) -> io::Result<BTreeMap<String, u32>> {
    let mut matches = BTreeMap::new();
    for (_, namespace) in engine.store.prefix(Table::UserMatches, &user.0.to_be_bytes())? {
        let row = String::from_utf8_lossy(&namespace);
        let with = match Matched::read(&row).namespace {
            "email_sha256" => "a hashed e-mail address, from a shop".to_owned(),
            "home" => "what a shop knows of you by that address".to_owned(),
            "ifa" => "the advertising id of a device".to_owned(),
            "merged" => "another browser or device of yours".to_owned(),
            name if world.exchange_by_id(name).is_some() => format!("the ad exchange {name}"),
            name => name.to_owned(),
        };
        *matches.entry(with).or_insert(0) += 1;
    }
    Ok(matches)
}
