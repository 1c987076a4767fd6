//! Advertisers as JSON: shown as on disk, changed whole or by campaign.
//!
//! A change is checked in full, durable on disk, then live; only then it is answered. It runs to its
//! end on a thread of its own even if the caller goes away, so disk and World never part.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::audit::Before;
use super::files::{self, Found};
use super::reply::{self, Answer, Fail, Failed, Named, Sent};
use crate::base::id::is_id;
use crate::config::{EditFault, Fault, edit_campaign_text};
use crate::model::advertiser::{Campaign, Shop, Status};
use crate::server::engine::Engine;
use crate::server::files::Known;
use crate::server::shops;

/// Who is there.
#[derive(Serialize, ToSchema)]
pub(super) struct Advertisers {
    advertisers: Vec<Advertiser>,
}

/// An advertiser that runs.
#[derive(Serialize, ToSchema)]
struct Advertiser {
    id: String,
    name: String,
    /// ISO 4217.
    currency: String,
    /// As IANA names it.
    timezone: String,
    /// Products of its feed.
    products: usize,
    campaigns: Vec<Titled>,
}

/// A campaign by its id.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignStatus)]
struct Titled {
    id: String,
    /// `active`, `paused` or `archived`.
    status: &'static str,
}

/// What was stored, and runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Stored {
    id: String,
    /// What is worth saying of it, for people.
    warnings: Vec<String>,
}

/// Every advertiser that runs, with its campaigns.
#[utoipa::path(get, path = "/api/advertisers", tag = "advertisers", responses((status = 200, body = Advertisers)))]
pub async fn list(State(desk): Shared) -> Answer {
    let world = desk.engine.world.load();
    let advertisers = world.shops().map(|shop| summary(shop)).collect();
    Ok(reply::json(&Advertisers { advertisers }))
}

fn summary(shop: &Shop) -> Advertiser {
    let advertiser = &shop.advertiser;
    let titled = |campaign: &Campaign| Titled {
        id: campaign.id.clone(),
        status: status(campaign.status),
    };
    Advertiser {
        id: advertiser.id.clone(),
        name: advertiser.name.clone(),
        currency: advertiser.currency.to_string(),
        timezone: advertiser.timezone_name.clone(),
        products: shop.catalog.len(),
        campaigns: advertiser.campaigns.iter().map(titled).collect(),
    }
}

/// The word of configs.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Paused => "paused",
        Status::Archived => "archived",
    }
}

/// An advertiser's file, as it is on the disk.
#[utoipa::path(get, path = "/api/advertisers/{id}", tag = "advertisers", params(("id" = String, Path, description = "The advertiser's id")), responses(
    (status = 200, description = "What `GET /api/schema` describes", body = Object, headers(("ETag" = String))),
    (status = 404, description = "No such advertiser", body = Failed)))]
pub async fn show(State(desk): Shared, Named(id): Named<String>) -> Answer {
    blocking(move || {
        let found = find(&desk.engine, &id)?.ok_or_else(|| unknown(&id))?;
        let etag = files::etag(&found.bytes);
        Ok(([(header::ETAG, etag)], reply::json_bytes(found.bytes)).into_response())
    })
    .await
}

/// Adds or replaces an advertiser: checked, then durable, then live, then answered.
#[utoipa::path(put, path = "/api/advertisers/{id}", tag = "advertisers",
    params(("id" = String, Path, description = "The advertiser's id"),
        ("If-Match" = Option<String>, Header, description = "ETag of the text that this one replaces")),
    request_body(content = Object, description = "What `GET /api/schema` describes"), responses(
    (status = 200, description = "Replaced", body = Stored, headers(("ETag" = String))),
    (status = 201, description = "Added", body = Stored, headers(("ETag" = String))),
    (status = 400, description = "It has faults: each with its line", body = Failed),
    (status = 409, description = "It cannot be beside what is there", body = Failed),
    (status = 412, description = "It has changed since", body = Failed),
    (status = 413, description = "Too large", body = Failed)))]
pub async fn put(State(desk): Shared, Named(id): Named<String>, headers: HeaderMap, Sent(body): Sent) -> Answer {
    let condition = Condition::of(&headers);
    blocking(move || {
        let engine = &desk.engine;
        let _edit = engine.edits.blocking_lock();
        if !is_id(&id) {
            return Err(Fail::bad_request(format!(
                "`{id}` is no id: use up to 48 of a-z, 0-9, `.`, `_`, `-`"
            )));
        }
        let found = find(engine, &id)?;
        condition.check(found.as_ref())?;
        let text = std::str::from_utf8(&body).map_err(|fault| Fail::bad_request(format!("the body is not utf-8: {fault}")))?;
        store(engine, &id, found.as_ref(), text)
    })
    .await
}

/// Removes an advertiser and its file. Its figures stay in reports.
#[utoipa::path(delete, path = "/api/advertisers/{id}", tag = "advertisers",
    params(("id" = String, Path, description = "The advertiser's id"),
        ("If-Match" = Option<String>, Header, description = "ETag of the text that is removed")), responses(
    (status = 204, description = "Removed"),
    (status = 404, description = "No such advertiser", body = Failed),
    (status = 412, description = "It has changed since", body = Failed)))]
pub async fn delete(State(desk): Shared, Named(id): Named<String>, headers: HeaderMap) -> Answer {
    let condition = Condition::of(&headers);
    blocking(move || {
        let engine = &desk.engine;
        let _edit = engine.edits.blocking_lock();
        let found = find(engine, &id)?;
        let world = engine.world.load_full();
        let running = world.shop_by_id(&id).map(|shop| shop.advertiser.no);
        if found.is_none() && running.is_none() {
            return Err(unknown(&id));
        }
        condition.check(found.as_ref())?;
        let before = found.as_ref().map(|found| files::etag(&found.bytes));
        // Another file of the same id would bring it back at the next start.
        let mut next = found;
        while let Some(found) = next {
            files::remove(&found.path).map_err(|error| Fail::unavailable(format!("cannot remove {}: {error}", found.path.display())))?;
            engine.files.forget(&found.path);
            next = find(engine, &id)?;
        }
        if let Some(no) = running {
            engine.world.store(Arc::new(world.without_shop(no)));
        }
        Ok((Extension(Before(before)), StatusCode::NO_CONTENT).into_response())
    })
    .await
}

/// Changes status, bid or budget of a campaign within its file, the rest of which stays as it is written.
#[utoipa::path(patch, path = "/api/advertisers/{id}/campaigns/{campaign}", tag = "advertisers",
    params(("id" = String, Path, description = "The advertiser's id"), ("campaign" = String, Path, description = "The campaign's id"),
        ("If-Match" = Option<String>, Header, description = "ETag of the file's text")),
    request_body(content = Object, description = "`status`, `bid`, `budget`: what is given takes the place of what is there",
        example = json!({"status": "paused", "budget": {"daily": 50}})), responses(
    (status = 200, description = "Changed", body = Stored, headers(("ETag" = String))),
    (status = 400, description = "It has faults", body = Failed),
    (status = 404, description = "No such advertiser or campaign", body = Failed),
    (status = 412, description = "It has changed since", body = Failed)))]
pub async fn edit(State(desk): Shared, Named((id, campaign)): Named<(String, String)>, headers: HeaderMap, Sent(body): Sent) -> Answer {
    let condition = Condition::of(&headers);
    blocking(move || {
        let engine = &desk.engine;
        let _edit = engine.edits.blocking_lock();
        let found = find(engine, &id)?.ok_or_else(|| unknown(&id))?;
        condition.check(Some(&found))?;
        let patch = std::str::from_utf8(&body).map_err(|fault| Fail::bad_request(format!("the body is not utf-8: {fault}")))?;
        let text = std::str::from_utf8(&found.bytes)
            .map_err(|fault| Fail::conflict(format!("{} is not utf-8: {fault}: replace it first", found.path.display())))?;
        let edited = edit_campaign_text(text, &campaign, patch).map_err(|fault| match fault {
            EditFault::NoSuchCampaign => Fail::not_found("campaign_not_found", format!("no campaign `{campaign}` in advertiser `{id}`")),
            fault => Fail::bad_request(fault.to_string()),
        })?;
        store(engine, &id, Some(&found), &edited)
    })
    .await
}

/// Runs what waits for the disk; to its end, whether or not anyone still waits for it.
async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Fail::unavailable("the call broke off: see the log")))
}

pub(super) fn find(engine: &Engine, id: &str) -> Result<Option<Found>, Fail> {
    if !is_id(id) {
        return Ok(None);
    }
    let dir = &engine.settings.load().server.advertisers;
    files::find(dir, id).map_err(|error| Fail::unavailable(format!("cannot read the advertisers of {}: {error}", dir.display())))
}

pub(super) fn unknown(id: &str) -> Fail {
    Fail::not_found("advertiser_not_found", format!("no advertiser `{id}`: see /api/advertisers"))
}

/// `If-Match`, as sent (RFC 9110 §13.1.1).
struct Condition(Option<String>);

impl Condition {
    fn of(headers: &HeaderMap) -> Condition {
        let lines: Vec<_> = headers
            .get_all(header::IF_MATCH)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()))
            .collect();
        Condition((!lines.is_empty()).then(|| lines.join(",")))
    }

    fn check(&self, found: Option<&Found>) -> Result<(), Fail> {
        let Some(wanted) = &self.0 else { return Ok(()) };
        let tag = found.map(|found| files::etag(&found.bytes));
        let matches = |given: &str| tag.as_deref().is_some_and(|tag| given == tag || given == "*");
        if wanted.split(',').map(str::trim).any(matches) {
            return Ok(());
        }
        let message = "the advertiser has changed since: read it again, repeat the edit and send its new ETag";
        Err(Fail::new(StatusCode::PRECONDITION_FAILED, "stale", message))
    }
}

/// Checks an advertiser's text, writes it and lets it run. Called with `engine.edits` held.
fn store(engine: &Engine, id: &str, found: Option<&Found>, text: &str) -> Answer {
    let settings = engine.settings.load_full();
    let world = engine.world.load_full();
    let before = world.shop_by_id(id).map(|shop| &**shop);
    let path = found.map_or_else(
        || settings.server.advertisers.join(format!("{id}.json")),
        |found| found.path.clone(),
    );
    let name = path
        .file_name()
        .map_or_else(|| id.to_owned(), |name| name.to_string_lossy().into_owned());
    if found.is_none() && path.exists() {
        return Err(Fail::conflict(format!("{} holds another advertiser: rename it", path.display())));
    }
    same_id(&name, id, text)?;
    let loaded = shops::load(&name, text, &settings.server, &world.hashes, &engine.names, before).map_err(|faults| {
        if engine.names.has_failed() {
            return Fail::unavailable(shops::CANNOT_NUMBER);
        }
        Fail::invalid(&faults)
    })?;
    if loaded.shop.advertiser.id != id {
        return Err(Fail::bad_request(format!(
            "the advertiser is not `{id}`: put it to the address of its own id"
        )));
    }
    if let Some(problem) = shops::conflict(&world, &loaded.shop).or_else(|| shops::frozen(engine, before, &loaded.shop.advertiser)) {
        return Err(Fail::conflict(problem));
    }
    files::replace(&path, text.as_bytes()).map_err(|error| {
        Fail::unavailable(format!(
            "cannot write {}: {error}: free the disk or its permissions",
            path.display()
        ))
    })?;
    let remarks = loaded.remarks();
    if let Some(read) = &loaded.feed {
        engine.feeds.announce(&loaded.shop.advertiser, read);
    }
    engine.files.put(&path, Known::live(id, text.as_bytes(), loaded.warnings));
    shops::install(engine, loaded.shop);
    Ok(stored(id, found, text, &remarks))
}

fn stored(id: &str, before: Option<&Found>, text: &str, warnings: &[String]) -> Response {
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let etag = [(header::ETAG, files::etag(text.as_bytes()))];
    let before = before.map(|found| files::etag(&found.bytes));
    let told = reply::json(&Stored {
        id: id.to_owned(),
        warnings: warnings.to_vec(),
    });
    (status, etag, Extension(Before(before)), told).into_response()
}

/// Refuses a text of another id before it is given numbers.
fn same_id(name: &str, id: &str, text: &str) -> Result<(), Fail> {
    #[derive(serde::Deserialize)]
    struct Named<'t> {
        #[serde(borrow)]
        id: &'t serde_json::value::RawValue,
    }
    // What is no JSON, or has no text for an id, the config reader faults with all else.
    let Ok(named) = serde_json::from_str::<Named<'_>>(text.trim_start_matches('\u{feff}')) else {
        return Ok(());
    };
    let inside = serde_json::from_str::<String>(named.id.get()).unwrap_or_default();
    if inside.is_empty() || inside.trim() == id {
        return Ok(());
    }
    let at = (named.id.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let (line, column) = place(text, at);
    Err(Fail::invalid(&[Fault {
        pointer: "/id".into(),
        value: named.id.get().chars().take(60).collect(),
        remedy: Some(format!("write `{id}`, or put it to the address of its own id")),
        ..Fault::of_file(name, line, column, "is not the id of the address")
    }]))
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or_default();
    let (lines, last) = before
        .rsplit_once('\n')
        .map_or((0, before), |(lines, last)| (lines.matches('\n').count() + 1, last));
    let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
    (count(lines), count(last.chars().count()))
}
