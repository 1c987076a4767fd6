//! Edits by hand of a running server's files: read again when asked, and watched.
//!
//! What is at fault stays as it was. What changed is in the audit log, who did it being the file.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{apply_server, settings};
use crate::base::time::Millis;
use crate::config::{self, Fault, Server};
use crate::server::audit::SERVER;
use crate::server::engine::{Engine, Settings};
use crate::server::files::{Known, etag};
use crate::server::shops;
use crate::server::watch::Watch;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);

/// Notes what a start has read. What the log does not know of was edited while no server ran.
pub(super) fn begin(engine: &Engine, files: Vec<(PathBuf, Known)>, warnings: Vec<Fault>) -> io::Result<()> {
    let file = engine.settings.load().server.file.clone();
    // Another text may be there by now: the watch finds that.
    let text = std::fs::read(&file).unwrap_or_default();
    engine.files.put(&file, Known::live(SERVER, &text, warnings));
    engine.files.renew(&file, files);
    let left = engine.audit.revisions()?.into_iter();
    let before: HashMap<String, String> = left.filter_map(|(of, tag)| Some((of, tag?))).collect();
    engine.files.witness(&engine.audit, &before, Millis::wall_clock());
    Ok(())
}

/// Reads config and feeds again, for SIGHUP, the API and the watch.
pub(super) async fn reload(engine: &Arc<Engine>, config: &Path) -> Vec<String> {
    let _alone = engine.edits.lock().await;
    let (engine, config) = (engine.clone(), config.to_owned());
    let work = move || {
        let text = std::fs::read(&config).unwrap_or_default();
        match read(&engine, &config) {
            Ok((server, settings, warnings)) => apply(&engine, server, settings, (&text, warnings)),
            Err(faults) => {
                let remarks = faults.iter().map(ToString::to_string).collect();
                let known = Known {
                    of: Some(SERVER.to_owned()),
                    live: None,
                    seen: Some(etag(&text)),
                    faults,
                };
                engine.files.put(&engine.settings.load().server.file, known);
                remarks
            }
        }
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| vec!["the reload failed: see the log".into()])
}

fn read(engine: &Engine, config: &Path) -> Result<(Server, Settings, Vec<Fault>), Vec<Fault>> {
    let (server, warnings) = config::server(config)?;
    let of_file = |problem| vec![Fault::of_file(&config.display().to_string(), 0, 0, problem)];
    let (server, settings) = settings(server, &engine.names).map_err(|problem| of_file(problem.to_string()))?;
    Ok((server, settings, warnings))
}

fn apply(engine: &Engine, server: Server, settings: Settings, (text, warnings): (&[u8], Vec<Fault>)) -> Vec<String> {
    let running = engine.settings.load_full();
    let mut remarks: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let lasting = |server: &Server| (server.bid, server.public, server.admin, server.data_dir.clone());
    if lasting(&server) != lasting(&running.server) {
        remarks.push("listeners and `data_dir` change at a restart only: they stay as they were".into());
    }
    let before = engine.files.revisions();
    let mut world = engine.world.load().reconfigured(server.exchanges.clone(), server.rates.clone());
    apply_server(&mut world, &server);
    let shops::Folder {
        world,
        remarks: found,
        files,
        ..
    } = shops::load_folder(world, &server, &engine.names, &engine.feeds);
    remarks.extend(found);
    engine.samples.configure(&settings.server);
    engine.settings.store(Arc::new(settings));
    engine.world.store(Arc::new(world));
    engine.files.renew(&server.file, files);
    engine.files.put(&server.file, Known::live(SERVER, text, warnings));
    engine.files.witness(&engine.audit, &before, Millis::wall_clock());
    remarks
}

/// Looks at the files for as long as the runtime lives.
pub(super) async fn watch(engine: Arc<Engine>, config: PathBuf) {
    let mut watch = Watch::default();
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        let turning = engine.clone();
        let turned = tokio::task::spawn_blocking(move || {
            let is_server_another = watch.turn(&turning);
            (watch, is_server_another)
        });
        let Ok((turned, is_server_another)) = turned.await else { return };
        watch = turned;
        if is_server_another {
            for remark in reload(&engine, &config).await {
                tracing::warn!("{remark}");
            }
        }
    }
}
