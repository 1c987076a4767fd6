//! How feeds do, and whether shops name products as their feeds do: as calls and as metrics.
//!
//! Read off memory: of the feed in use since it was read, of events the last 24 hours.

mod told;

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::Shared;
use super::reply::{self, Answer, Fail, Failed, Named, Query};
use crate::base::time::{Millis, Secs};
use crate::feed;
use crate::model::advertiser::Shop;
use crate::model::product::Product;
use crate::server::engine::Engine;
use crate::server::feeds::{self, Claim, Unlisted};
use crate::server::shops;
use crate::state::world::World;

/// Ids for which the whole feed is searched for one like them.
const SEARCHED_MAX: usize = 10;

/// How every feed does, and whether its shop names products as it does.
#[utoipa::path(get, path = "/api/feeds", tag = "feeds", responses((status = 200, body = told::Feeds)))]
pub async fn list(State(desk): Shared, query: Query) -> Answer {
    query.only(&[])?;
    told(desk.engine.clone(), |engine, world| {
        let shops = world.shops().filter(|shop| shop.advertiser.feed.is_some());
        told::Feeds {
            feeds: shops.filter_map(|shop| row(engine, world, shop)).collect(),
        }
    })
    .await
}

/// How one feed does.
#[utoipa::path(get, path = "/api/feeds/{advertiser}", tag = "feeds", params(("advertiser" = String, Path, description = "The advertiser's id")),
    responses((status = 200, body = told::Feed), (status = 404, description = "No such advertiser, or it has no feed", body = Failed)))]
pub async fn show(State(desk): Shared, Named(id): Named<String>) -> Answer {
    let shop = with_feed(&desk.engine, &id)?;
    told(desk.engine.clone(), move |engine, world| row(engine, world, &shop)).await
}

/// Looks at a feed now, and answers as `GET` once it has.
#[utoipa::path(post, path = "/api/feeds/{advertiser}/refresh", tag = "feeds",
    params(("advertiser" = String, Path, description = "The advertiser's id")), responses((status = 200, body = told::Feed),
    (status = 404, description = "No such advertiser, or it has no feed", body = Failed),
    (status = 409, description = "It is being fetched", body = Failed)))]
pub async fn refresh(State(desk): Shared, Named(id): Named<String>) -> Answer {
    let shop = with_feed(&desk.engine, &id)?;
    let message = || format!("the feed of advertiser `{id}` is being fetched: wait for it");
    let claim = Claim::of(&desk.engine, &shop.advertiser).ok_or_else(|| Fail::new(StatusCode::CONFLICT, "busy", message()))?;
    let engine = desk.engine.clone();
    let is_by_url = shop.advertiser.feed.as_ref().is_some_and(|source| source.url.is_some());
    let work = move || {
        if is_by_url {
            return feeds::refresh(&claim);
        }
        let _alone = engine.edits.blocking_lock();
        if let Some(shop) = engine.world.load_full().shop(shop.advertiser.no) {
            shops::reread(&engine, shop);
        }
    };
    let failed = |_| Fail::unavailable("the feed could not be looked at: see the log");
    tokio::task::spawn_blocking(work).await.map_err(failed)?;
    let shop = with_feed(&desk.engine, &id)?;
    told(desk.engine.clone(), move |engine, world| row(engine, world, &shop)).await
}

/// Looks things up in feeds, which may be long: off the runtime.
async fn told<T: Serialize + Send + 'static>(engine: Arc<Engine>, tell: impl FnOnce(&Engine, &World) -> T + Send + 'static) -> Answer {
    let work = move || tell(&engine, &engine.world.load_full());
    let failed = |_| Fail::unavailable("the feeds could not be looked at: see the log");
    Ok(reply::json(&tokio::task::spawn_blocking(work).await.map_err(failed)?))
}

fn with_feed(engine: &Engine, id: &str) -> Result<Arc<Shop>, Fail> {
    let world = engine.world.load();
    let unknown = || Fail::not_found("advertiser_not_found", format!("no advertiser `{id}`"));
    let shop = world.shop_by_id(id).ok_or_else(unknown)?;
    match shop.advertiser.feed {
        Some(_) => Ok(shop.clone()),
        None => Err(Fail::not_found("feed_not_found", format!("advertiser `{id}` has no feed"))),
    }
}

fn row(engine: &Engine, world: &World, shop: &Shop) -> Option<told::Feed> {
    let advertiser = &shop.advertiser;
    let source = advertiser.feed.as_ref()?;
    let health = engine.feeds.health(advertiser.no).unwrap_or_default();
    let time = |at: Option<Millis>| at.map(Millis::to_rfc3339);
    let problem = health.problem.as_ref().map(|(code, message)| told::Problem {
        code: code.to_string(),
        message: message.to_string(),
    });
    Some(told::Feed {
        advertiser: advertiser.id.clone(),
        from: if source.url.is_some() { "url" } else { "path" },
        source: feeds::name(source),
        refresh_s: source.refresh.0,
        result: health.outcome.label(),
        problem,
        failures: health.failures,
        tried: time(health.tried),
        good: time(health.good),
        next: time(health.next),
        products: shop.catalog.len(),
        read: health.report.as_deref().map(told::Read::from),
        events: events(engine, world, shop),
    })
}

/// Items of the last day's events, and the ids among them that the feed still does not list.
fn events(engine: &Engine, world: &World, shop: &Shop) -> told::Items {
    let now = Millis::wall_clock().to_secs();
    let look = |sighted: &feeds::Sighted| (sighted.totals(now), sighted.unlisted(now));
    let ((listed, unlisted), ids) = engine.feeds.sightings(shop.advertiser.no, look);
    let missing = ids.into_iter().filter(|id| found(world, shop, &id.item_id).is_none());
    let missing = missing.enumerate().map(|(at, id)| unlisted_row(world, shop, at, &id));
    told::Items {
        hours: 24,
        items: listed + unlisted,
        not_in_feed: unlisted,
        match_rate: ratio(listed, listed + unlisted),
        ids_not_in_feed: missing.collect(),
    }
}

/// To four decimals, null over none.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

fn unlisted_row(world: &World, shop: &Shop, at: usize, id: &Unlisted) -> told::Missing {
    told::Missing {
        item_id: id.item_id.to_string(),
        count: id.count,
        last: id.last.to_millis().to_rfc3339(),
        hint: hint(world, shop, &id.item_id, at < SEARCHED_MAX),
    }
}

/// A product by its own id or by what a configured prefix leaves of it, as events are read.
fn found<'s>(world: &World, shop: &'s Shop, item_id: &str) -> Option<&'s Product> {
    let prefixes = shop.advertiser.feed.as_ref().map_or(&[][..], |feed| &feed.id_prefixes);
    let cut = prefixes.iter().filter_map(|prefix| item_id.strip_prefix(prefix.as_str()));
    std::iter::once(item_id).chain(cut).find_map(|id| listed(world, shop, id))
}

fn listed<'s>(world: &World, shop: &'s Shop, item_id: &str) -> Option<&'s Product> {
    shop.catalog.get(world.hashes.product(shop.advertiser.no, item_id))
}

/// What such an id most likely should have been; `deep` searches the whole feed.
fn hint(world: &World, shop: &Shop, item_id: &str, deep: bool) -> Option<String> {
    let is_gap = |c: char| matches!(c, '_' | '-' | ':' | '.' | '/');
    let tails = item_id
        .char_indices()
        .filter(|(_, c)| is_gap(*c))
        .map(|(at, _)| item_id.split_at(at + 1));
    if let Some((prefix, rest)) = tails.into_iter().find(|(_, rest)| listed(world, shop, rest).is_some()) {
        return Some(format!("the feed lists `{rest}`: add `{prefix}` to `feed.id_prefixes`"));
    }
    let group = feed::group(&world.hashes, shop.advertiser.no, item_id);
    if let Some(variant) = shop.catalog.variants(group).next() {
        let variant = &variant.item_id;
        return Some(format!(
            "it is an `item_group_id`: let events name the variant, such as `{variant}`"
        ));
    }
    let is_like = |product: &&Product| {
        let id = &product.item_id;
        id.eq_ignore_ascii_case(item_id) || id.strip_suffix(item_id).is_some_and(|head| head.ends_with(is_gap))
    };
    let like = shop.catalog.iter().filter(|_| deep).find(is_like)?;
    Some(format!("the feed lists `{}`: let events and feed say the same", like.item_id))
}

/// The same as Prometheus text.
pub fn metrics(engine: &Engine, world: &World, text: &mut String) {
    let now: Secs = Millis::wall_clock().to_secs();
    let shops: Vec<&Arc<Shop>> = world.shops().filter(|shop| shop.advertiser.feed.is_some()).collect();
    let mut family = |name: &str, values: &dyn Fn(&Shop) -> Vec<(&'static str, String)>| {
        // Writing into a String does not fail.
        let _ = writeln!(text, "# TYPE {name} gauge");
        for shop in &shops {
            for (label, value) in values(shop) {
                let _ = writeln!(text, "{name}{{advertiser=\"{}\"{label}}} {value}", shop.advertiser.id);
            }
        }
    };
    let health = |shop: &Shop| engine.feeds.health(shop.advertiser.no).unwrap_or_default();
    family("winback_feed_good_seconds", &|shop| {
        let good = health(shop).good;
        good.map(|at| ("", (at.0 / 1_000).to_string())).into_iter().collect()
    });
    family("winback_feed_failures", &|shop| vec![("", health(shop).failures.to_string())]);
    family("winback_feed_event_items", &|shop| {
        let (listed, unlisted) = engine.feeds.sightings(shop.advertiser.no, |sighted| sighted.totals(now));
        vec![
            (",listed=\"true\"", listed.to_string()),
            (",listed=\"false\"", unlisted.to_string()),
        ]
    });
}
