//! What is known of one person, and its erasure (contract §5 `users`).
//!
//! An id is ours, or somebody's in their namespace: `exchange:theirs`, `ifa:...`, `email_sha256:...`,
//! `shop.example:first-party id`. Ids of others are hashed, never kept or shown. Every shop knows a customer
//! by their address for itself: what is shown is the first that does, what is erased are all of them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::reply::{self, Answer, Fail, Failed, Named};
use crate::base::hash::{NS_EMAIL, NS_IFA, email_namespace};
use crate::base::id::{AdvertiserNo, CampaignNo, MatchKey, UserKey, device_id};
use crate::model::event::Happening;
use crate::model::exposure::{Exposure, evidence};
use crate::model::matched::Matched;
use crate::model::profile::Profile;
use crate::model::rows::Table;
use crate::privacy::grant::{Grant, label};
use crate::server::engine::Engine;
use crate::state::home_key;
use crate::state::world::World;
use crate::track::fact::Fact;
use crate::track::fold::Disk;
use crate::track::who::email_hash;

/// What is known of one person, by any id of theirs.
#[utoipa::path(get, path = "/api/users/{id}", tag = "users",
    params(("id" = String, Path, description = "Ours, or somebody's: `exchange:theirs`, `ifa:...`, `email_sha256:...`", example = "demo-x:u1")), responses(
    (status = 200, body = Person),
    (status = 404, description = "Nothing is known of them", body = Failed)))]
pub async fn show(State(desk): Shared, Named(id): Named<String>) -> Answer {
    let user = find(&desk.engine, &id)?.ok_or_else(|| unknown(&id))?;
    Ok(reply::json(&record(&desk.engine, user)?))
}

/// Erases a person everywhere; answers once that is durable. Of somebody unknown nothing is left to erase.
#[utoipa::path(delete, path = "/api/users/{id}", tag = "users",
    params(("id" = String, Path, description = "As of `GET`")), responses(
    (status = 204, description = "Nothing is known of them any more"),
    (status = 503, description = "It cannot be recorded: call again", body = Failed)))]
pub async fn delete(State(desk): Shared, Named(id): Named<String>) -> Answer {
    while let Some(user) = find(&desk.engine, &id)? {
        let fact = Fact::Forget { user, opt_out: false };
        desk.engine
            .facts
            .record(fact)
            .await
            .map_err(|error| Fail::unavailable(error.to_string()))?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn unknown(id: &str) -> Fail {
    Fail::not_found(
        "user_not_found",
        format!("nothing is known of user `{id}`: give our id, or `exchange:theirs`"),
    )
}

/// The user of an id, merged users followed to where they went.
pub(super) fn find(engine: &Engine, id: &str) -> Result<Option<UserKey>, Fail> {
    let hashes = engine.world.load().hashes.clone();
    let own = hashes.user(id.as_bytes());
    if let Some(merged) = engine.state.matched(MatchKey(own.0)) {
        return Ok(Some(merged));
    }
    let is_kept = engine.state.users.contains(own.0) || engine.state.exposures.contains(own.0);
    if is_kept || get(engine, Table::UserIds, own)?.is_some() {
        return Ok(Some(own));
    }
    let matched = |namespace: &str, id: &[u8]| engine.state.matched(hashes.foreign(namespace, id));
    if let Some(text) = id.strip_prefix(NS_EMAIL) {
        let Ok(hash) = email_hash(text) else { return Ok(None) };
        let world = engine.world.load();
        let mut shops = world.shops().map(|shop| email_namespace(shop.advertiser.no));
        return Ok(shops.find_map(|namespace| matched(&namespace, &hash)));
    }
    if let Some(text) = id.strip_prefix(NS_IFA) {
        return Ok(device_id(text.as_bytes()).and_then(|id| matched(NS_IFA, &id)));
    }
    let theirs = id.split_once(':');
    Ok(theirs.and_then(|(namespace, theirs)| matched(namespace, theirs.as_bytes())))
}

/// What the audit log calls the person of an id: our keyed hash, which no id can be read off. Of somebody unknown that
/// of the id itself.
pub(super) fn handle(engine: &Engine, id: &str) -> String {
    let known = find(engine, id).ok().flatten();
    let user = known.unwrap_or_else(|| engine.world.load().hashes.user(id.as_bytes()));
    format!("user:{:016x}", user.0)
}

/// A user's record, opened, and what they were shown.
pub(super) fn recall(engine: &Engine, user: UserKey) -> (Profile, Vec<Exposure>) {
    let (mut profile, mut shown) = Default::default();
    engine.state.recall(user, &mut profile, &mut shown, &mut Default::default());
    (profile, shown)
}

/// The records that hold what is known of a user: their own, and those that shops keep of the person.
fn records(engine: &Engine, world: &World, user: UserKey) -> Vec<UserKey> {
    let homes = world
        .shops()
        .filter_map(|shop| engine.state.matched(home_key(user, shop.advertiser.no)));
    std::iter::once(user).chain(homes).collect()
}

fn get(engine: &Engine, table: Table, user: UserKey) -> Result<Option<Vec<u8>>, Fail> {
    engine.store.get(table, &user.0.to_be_bytes()).map_err(unreadable)
}

fn unreadable(error: std::io::Error) -> Fail {
    Fail::unavailable(format!("cannot read the store: {error}"))
}

/// A user's id of ours, where there is one.
pub(super) fn own_id(engine: &Engine, user: UserKey) -> Result<Option<String>, Fail> {
    Ok(get(engine, Table::UserIds, user)?.and_then(|id| String::from_utf8(id).ok()))
}

/// Who has a match of a user: the namespaces of foreign ids that lead to them.
pub(super) fn namespaces(engine: &Engine, world: &World, user: UserKey) -> Result<Vec<String>, Fail> {
    let mut matches: Vec<String> = Vec::new();
    for record in records(engine, world, user) {
        let rows = engine
            .store
            .prefix(Table::UserMatches, &record.0.to_be_bytes())
            .map_err(unreadable)?;
        let namespace = |(_, row): &(Vec<u8>, Vec<u8>)| Matched::read(&String::from_utf8_lossy(row)).namespace.to_owned();
        matches.extend(rows.iter().map(namespace));
    }
    matches.retain(|kind| kind != "home");
    matches.sort();
    Ok(matches)
}

/// What is known of a person.
#[derive(Serialize, ToSchema)]
pub(super) struct Person {
    /// Ours; null where they have none.
    id: Option<String>,
    /// What was last permitted; null where nobody said.
    permission: Option<Permission>,
    /// Namespaces of foreign ids that lead here.
    matches: Vec<String>,
    advertisers: Vec<AtAdvertiser>,
    /// What they were shown.
    shown: Vec<Impression>,
}

/// What was permitted, and by which kind of signal.
#[derive(Serialize, ToSchema)]
struct Permission {
    /// RFC 3339.
    at: String,
    by: &'static str,
    uses: Vec<&'static str>,
}

/// What a person did at one advertiser.
#[derive(Serialize, ToSchema)]
struct AtAdvertiser {
    /// Null of one that was deleted long ago.
    id: Option<String>,
    /// How many of its ads they were shown.
    shown: usize,
    events: Vec<UserEvent>,
}

/// One remembered entry; of an event with several items there are several.
#[derive(Serialize, ToSchema)]
struct UserEvent {
    event: &'static str,
    /// RFC 3339.
    time: String,
    /// Null where the feed no longer lists it: only its hash is kept.
    item_id: Option<String>,
    quantity: u32,
    /// In the advertiser's currency, as decimal text.
    value: String,
}

/// An ad that a person was shown.
#[derive(Serialize, ToSchema)]
struct Impression {
    advertiser: Option<String>,
    campaign: Option<String>,
    /// RFC 3339.
    time: String,
    billed: bool,
    clicked: bool,
}

fn record(engine: &Engine, user: UserKey) -> Result<Person, Fail> {
    let world = engine.world.load();
    let (id, matches) = (own_id(engine, user)?, namespaces(engine, &world, user)?);
    let (profile, mut exposures) = recall(engine, user);
    // A bid that was won only has not been seen by anyone yet.
    exposures.retain(|exposure| exposure.flags & !evidence::WIN != 0);
    let shown: Vec<Impression> = exposures
        .iter()
        .map(|exposure| impression(title(engine, &world, exposure.campaign), exposure))
        .collect();
    let mut advertisers = Vec::new();
    for section in &profile.sections {
        let id = advertiser(engine, &world, section.advertiser)?;
        let seen = shown.iter().filter(|shown| id.is_some() && shown.advertiser == id).count();
        let events = profile.events(section).iter();
        advertisers.push(AtAdvertiser {
            shown: seen,
            events: events.map(|happening| event(&world, section.advertiser, happening)).collect(),
            id,
        });
    }
    let permission = get(engine, Table::Grants, user)?.as_deref().and_then(Grant::read).map(permission);
    Ok(Person {
        id,
        permission,
        matches,
        advertisers,
        shown,
    })
}

fn permission(grant: Grant) -> Permission {
    Permission {
        at: grant.at.to_millis().to_rfc3339(),
        by: grant.by.label(),
        uses: grant.uses().map(label).collect(),
    }
}

fn event(world: &World, advertiser: AdvertiserNo, happening: &Happening) -> UserEvent {
    let listed = world.shop(advertiser).and_then(|shop| shop.catalog.get(happening.product));
    UserEvent {
        event: happening.kind.label(),
        time: happening.at.to_millis().to_rfc3339(),
        item_id: listed.map(|product| product.item_id.to_string()),
        quantity: happening.quantity,
        value: happening.value.to_string(),
    }
}

fn impression(title: Option<(String, String)>, exposure: &Exposure) -> Impression {
    let (advertiser, campaign) = title.unzip();
    Impression {
        advertiser,
        campaign,
        time: exposure.at.to_millis().to_rfc3339(),
        billed: exposure.flags & evidence::SETTLED != 0,
        clicked: exposure.flags & evidence::CLICK != 0,
    }
}

/// Advertiser and id of a campaign, running or not.
fn title(engine: &Engine, world: &World, no: CampaignNo) -> Option<(String, String)> {
    let running = world.shops().find_map(|shop| {
        let campaign = shop.advertiser.campaigns.iter().find(|campaign| campaign.no == no)?;
        Some((shop.advertiser.id.clone(), campaign.id.clone()))
    });
    running.or_else(|| engine.names.campaign_name(no))
}

/// The id of an advertiser, running or not.
fn advertiser(engine: &Engine, world: &World, no: AdvertiserNo) -> Result<Option<String>, Fail> {
    if let Some(shop) = world.shop(no) {
        return Ok(Some(shop.advertiser.id.clone()));
    }
    const KIND: &[u8] = b"a/";
    let names = engine.store.prefix(Table::Names, KIND).map_err(unreadable)?;
    let found = names.into_iter().find(|(_, number)| *number == no.0.to_le_bytes());
    Ok(found.and_then(|(name, _)| String::from_utf8(name.get(KIND.len()..)?.to_vec()).ok()))
}
