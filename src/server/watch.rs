//! Edits by hand: the config's files are looked at again and again, and what has changed and come to rest is applied,
//! or told why not.
//!
//! By polling: a look is one `stat` a file, sees whatever a symlink leads to, however it was put there, and works on
//! every file system, where notices of changes do not. Only texts count: a file that is touched, or that a call of the
//! API has just written, has nothing to apply. What is at fault leaves the running version.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::engine::Engine;
use super::files::{Known, etag, id_in};
use super::shops;
use crate::base::time::Millis;
use crate::config::Fault;
use crate::feed;
use crate::state::world::World;

/// What is remembered of files between two looks.
#[derive(Default)]
pub struct Watch(HashMap<PathBuf, Seen>);

/// A state of a file, as [`feed::version`] tells them apart; none where there is none.
struct Seen {
    version: Option<u64>,
    /// The state that was looked into.
    done: Option<Option<u64>>,
}

impl Watch {
    /// Looks at all files and applies what changed of advertisers. True where the server's own file has another text:
    /// whoever can reads it again.
    pub fn turn(&mut self, engine: &Engine) -> bool {
        let settings = engine.settings.load_full();
        let (server, dir) = (&settings.server.file, &settings.server.advertisers);
        let mut paths = vec![server.clone()];
        match shops::files(dir) {
            Ok(found) => {
                let mut gone = engine.files.paths();
                gone.retain(|path| path != server && path != dir && found.binary_search(path).is_err());
                // What is there first: a file that was renamed is never gone meanwhile.
                paths.extend(found);
                paths.extend(gone);
                engine.files.forget(dir);
            }
            // Nothing is gone for certain while the folder cannot be read.
            Err(error) => refuse(engine, dir, None, vec![of_io(dir, "cannot be read", &error)]),
        }
        self.0.retain(|path, _| paths.contains(path));
        let changed: Vec<PathBuf> = paths.into_iter().filter(|path| self.has_changed(path)).collect();
        if changed.is_empty() {
            return false;
        }
        let _alone = engine.edits.blocking_lock();
        let before = engine.files.revisions();
        let (of_server, of_advertisers): (Vec<_>, Vec<_>) = changed.into_iter().partition(|path| path == server);
        of_advertisers.iter().for_each(|path| look_into(engine, path));
        if before != engine.files.revisions() {
            self.again(engine);
        }
        engine.files.witness(&engine.audit, &before, Millis::wall_clock());
        of_server.iter().any(|path| is_another(engine, path))
    }

    /// Whether a file is another than was looked into, and has not changed since the last look: it may still be
    /// written to.
    fn has_changed(&mut self, path: &Path) -> bool {
        let version = feed::version(path);
        let seen = self.0.entry(path.to_owned()).or_insert(Seen { version, done: None });
        let is_at_rest = std::mem::replace(&mut seen.version, version) == version;
        let is_new = seen.done != Some(version);
        if is_at_rest && is_new {
            seen.done = Some(version);
        }
        is_at_rest && is_new
    }

    /// What was refused may be right now that others have changed: an id or a site key may be free.
    fn again(&mut self, engine: &Engine) {
        for (path, known) in engine.files.all() {
            if !known.is_sound()
                && let Some(seen) = self.0.get_mut(&path)
            {
                seen.done = None;
                engine.files.put(&path, Known { seen: None, ..known });
            }
        }
    }
}

/// Whether the server's file has a text that was not looked at.
fn is_another(engine: &Engine, path: &Path) -> bool {
    let seen = engine.files.get(path).and_then(|known| known.seen);
    match fs::read(path) {
        Ok(text) => seen.as_deref() != Some(&etag(&text)),
        Err(error) => {
            refuse(engine, path, None, vec![of_io(path, "cannot be read", &error)]);
            false
        }
    }
}

/// Applies an advertiser's file as it is now.
fn look_into(engine: &Engine, path: &Path) {
    let known = engine.files.get(path).unwrap_or_default();
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return remove(engine, path, &known),
        Err(error) => return refuse(engine, path, None, vec![of_io(path, "cannot be read", &error)]),
    };
    let tag = etag(&text);
    if known.seen.as_ref() == Some(&tag) {
        return;
    }
    match apply(engine, path, &text, &known) {
        Ok((id, warnings)) => {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            tracing::info!("{}: applied", path.display());
            engine.files.put(path, Known::live(&id, &text, warnings));
        }
        Err(faults) => refuse(engine, path, Some((id_in(&text), tag)), faults),
    }
}

/// Checks a text and lets it run: whose it is, and what is worth saying of it.
fn apply(engine: &Engine, path: &Path, text: &[u8], known: &Known) -> Result<(String, Vec<Fault>), Vec<Fault>> {
    let name = path.display().to_string();
    let of_file = |problem: String| vec![Fault::of_file(&name, 0, 0, problem)];
    let text = std::str::from_utf8(text).map_err(|fault| of_file(format!("not utf-8: {fault}")))?;
    let (settings, mut world) = (engine.settings.load_full(), World::clone(&engine.world.load()));
    let id = id_in(text.as_bytes()).unwrap_or_default();
    if let Some(other) = engine.files.other_of(&id, path).filter(|other| other.exists()) {
        return Err(of_file(shops::claimed_twice(&id, &other.display().to_string())));
    }
    // The file may have been another advertiser's, whose site key is free now.
    if let Some(former) = former(engine, path, known).filter(|former| **former != id) {
        world = without(&world, former);
    }
    let before = world.shop_by_id(&id).cloned();
    let before = before.as_deref();
    let loaded = shops::load(&name, text, &settings.server, &world.hashes, &engine.names, before)?;
    let refused = shops::conflict(&world, &loaded.shop).or_else(|| shops::frozen(engine, before, &loaded.shop.advertiser));
    if let Some(problem) = refused {
        return Err(of_file(problem));
    }
    let id = loaded.shop.advertiser.id.clone();
    if let Some(read) = &loaded.feed {
        engine.feeds.announce(&loaded.shop.advertiser, read);
    }
    engine.world.store(Arc::new(world.with_shop(loaded.shop)));
    Ok((id, loaded.warnings))
}

/// A file is gone, and its advertiser with it, unless another file is theirs.
fn remove(engine: &Engine, path: &Path, known: &Known) {
    engine.files.forget(path);
    if let Some(id) = former(engine, path, known) {
        tracing::info!("{}: gone", path.display());
        engine.world.store(Arc::new(without(&engine.world.load(), id)));
    }
}

/// Whose text has been running from a file, and from no other.
fn former<'k>(engine: &Engine, path: &Path, known: &'k Known) -> Option<&'k String> {
    let id = known.of.as_ref().filter(|_| known.live.is_some())?;
    engine.files.other_of(id, path).is_none().then_some(id)
}

fn without(world: &World, id: &str) -> World {
    match world.shop_by_id(id) {
        Some(shop) => world.without_shop(shop.advertiser.no),
        None => world.clone(),
    }
}

/// Notes what is wrong, and tells the log once.
fn refuse(engine: &Engine, path: &Path, of: Option<(Option<String>, String)>, faults: Vec<Fault>) {
    let known = engine.files.get(path).unwrap_or_default();
    if known.faults != faults {
        faults.iter().for_each(|fault| tracing::warn!("{fault}"));
        if known.live.is_some() {
            tracing::warn!("{}: what ran before goes on", path.display());
        }
    }
    let (of, seen) = of.map_or((None, None), |(id, tag)| (id, Some(tag)));
    // Whose text runs stays, whatever the one that is refused says.
    let of = known.of.filter(|_| known.live.is_some()).or(of);
    let live = None;
    engine.files.put(path, Known { of, live, seen, faults });
}

fn of_io(path: &Path, what: &str, error: &std::io::Error) -> Fault {
    Fault::of_file(&path.display().to_string(), 0, 0, format!("{what}: {error}"))
}
