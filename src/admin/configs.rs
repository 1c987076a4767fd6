//! The files that the config is made of, which text of each runs, and what is wrong with what is
//! there.
//!
//! Read off memory, as the files were last looked at: at most seconds ago.

use std::fmt::Write;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::reply::{self, Answer, FaultJson};
use crate::server::audit::SERVER;
use crate::server::engine::Engine;

/// All files.
#[derive(Serialize, ToSchema)]
pub(super) struct Configs {
    /// In order of their paths.
    files: Vec<Config>,
}

/// One of them.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigFile)]
struct Config {
    /// Where it is.
    file: String,
    /// `server` or `advertiser`.
    kind: &'static str,
    /// Of an advertiser's file: whose. Null where that cannot be told.
    advertiser: Option<String>,
    /// ETag of the text that runs; null where none of this file does.
    applied: Option<String>,
    /// ETag of the text that is there; null where it cannot be read.
    on_disk: Option<String>,
    /// What is wrong with that, so that what ran before goes on.
    faults: Vec<FaultJson>,
    /// What is worth saying of it.
    warnings: Vec<FaultJson>,
}

/// The files of the config: which text of each runs, and what is wrong with what is there.
#[utoipa::path(get, path = "/api/config", tag = "config", responses((status = 200, body = Configs)))]
pub(super) async fn list(State(desk): Shared) -> Answer {
    let server = desk.engine.settings.load().server.file.clone();
    let told = desk.engine.files.all().into_iter().map(|(path, known)| {
        let is_server = path == server;
        let (warnings, faults): (Vec<_>, Vec<_>) = known.faults.iter().partition(|fault| fault.warning);
        Config {
            file: path.display().to_string(),
            kind: if is_server { SERVER } else { "advertiser" },
            advertiser: known.of.filter(|_| !is_server),
            applied: known.live,
            on_disk: known.seen,
            faults: faults.into_iter().map(FaultJson::from).collect(),
            warnings: warnings.into_iter().map(FaultJson::from).collect(),
        }
    });
    Ok(reply::json(&Configs { files: told.collect() }))
}

/// How many faults there are, as Prometheus text.
pub(super) fn metrics(engine: &Engine, text: &mut String) {
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "# TYPE winback_config_faults gauge\nwinback_config_faults {}",
        engine.files.faults()
    );
}
