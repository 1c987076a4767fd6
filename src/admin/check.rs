//! The JSON Schema of config files, and what is wrong with a text before it is one: for whoever edits in a browser.
//!
//! Gives no number, makes no key, changes nothing.

use std::path::Path;

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::door::Caller;
use super::reply::{self, Answer, Fail, Failed, FaultJson, Query, Sent};
use crate::base::time::Millis;
use crate::config::schema::{File, schema};
use crate::config::{self, Fault, Role, Server};
use crate::server::engine::Engine;
use crate::server::{shops, sizes};

fn kind(query: &Query) -> Result<File, Fail> {
    query.only(&["kind"])?;
    match query.get("kind") {
        None | Some("advertiser") => Ok(File::Advertiser),
        Some("server") => Ok(File::Server),
        Some(other) => Err(Fail::bad_request(format!("unknown `kind` `{other}`: known are advertiser, server"))),
    }
}

/// The JSON Schema (draft 2020-12) of an advertiser's file, or of the server's.
#[utoipa::path(get, path = "/api/schema", tag = "config",
    params(("kind" = Option<String>, Query, description = "`advertiser` (default) or `server`", example = "server")), responses(
    (status = 200, body = Object, content_type = "application/schema+json"),
    (status = 400, description = "An unknown kind", body = Failed)))]
pub(super) async fn schema_of(query: Query) -> Answer {
    let headers = [
        (header::CONTENT_TYPE, "application/schema+json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, schema(kind(&query)?)).into_response())
}

/// What is to be said of a text.
#[derive(Serialize, ToSchema)]
pub(super) struct Checked {
    /// Why it would be refused.
    faults: Vec<FaultJson>,
    /// What is worth saying, though it would be taken.
    warnings: Vec<FaultJson>,
}

/// Reads the body as a PUT, or the next start, would, and saves nothing. As a server's config names files of this
/// machine, and faults quote them, checking one asks for the role admin.
#[utoipa::path(post, path = "/api/check", tag = "config",
    params(("kind" = Option<String>, Query, description = "`advertiser` (default) or `server`", example = "advertiser")),
    request_body(content = Object, description = "The text of a file, sound or not"), responses(
    (status = 200, description = "What is to be said of it", body = Checked),
    (status = 400, description = "An unknown kind", body = Failed)))]
pub(super) async fn check(State(desk): Shared, Extension(caller): Extension<Caller>, query: Query, Sent(body): Sent) -> Answer {
    let kind = kind(&query)?;
    if kind == File::Server && caller.role < Role::Admin {
        return Err(Fail::forbidden(
            &caller,
            Role::Admin,
            &axum::http::Method::POST,
            "/api/check?kind=server",
        ));
    }
    let text = String::from_utf8(body.to_vec()).map_err(|fault| Fail::bad_request(format!("the body is not utf-8: {fault}")))?;
    let found = tokio::task::spawn_blocking(move || match kind {
        File::Server => of_server(&desk.engine, &text),
        File::Advertiser => of_advertiser(&desk.engine, &text),
    });
    let found = found.await.map_err(|_| Fail::unavailable("the check broke off: see the log"))?;
    let (warnings, faults): (Vec<Fault>, Vec<Fault>) = found.into_iter().partition(|fault| fault.warning);
    let told = |faults: &[Fault]| faults.iter().map(FaultJson::from).collect();
    Ok(reply::json(&Checked {
        faults: told(&faults),
        warnings: told(&warnings),
    }))
}

fn of_server(engine: &Engine, text: &str) -> Vec<Fault> {
    let settings = engine.settings.load();
    let file = &settings.server.file;
    let name = file
        .file_name()
        .map_or_else(|| "winback.json".into(), |name| name.to_string_lossy());
    let read = config::server_from_text(&name, file.parent().unwrap_or(Path::new("")), text);
    read.map_or_else(|faults| faults, |(_, warnings)| warnings)
}

/// Faults, those that only a running server can know, and why it might never spend.
fn of_advertiser(engine: &Engine, text: &str) -> Vec<Fault> {
    let settings = engine.settings.load_full();
    let server: &Server = &settings.server;
    let id = super::files::id_in(text.as_bytes()).unwrap_or_else(|| "advertiser".to_owned());
    let name = format!("{id}.json");
    let (advertiser, mut found) = config::draft_advertiser(&name, &server.advertisers, text, server);
    let Some(advertiser) = advertiser else { return found };
    let world = engine.world.load_full();
    let of_others = shops::taken(&world, &advertiser.id, &advertiser.site_key);
    let before = world.shop_by_id(&advertiser.id).map(|shop| &**shop);
    let frozen = shops::frozen(engine, before, &advertiser);
    found.extend(
        [of_others, frozen]
            .into_iter()
            .flatten()
            .map(|problem| Fault::of_file(&name, 0, 0, problem)),
    );
    if found.iter().all(|fault| fault.warning) {
        let now = Millis::wall_clock();
        let seen = sizes::seen(&server.data_dir, now);
        found.extend(config::never_spends(&name, text, &advertiser, server, now, &seen));
    }
    found
}
