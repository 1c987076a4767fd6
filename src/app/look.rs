//! The engine of a server that does not run, to be asked and nothing else: no listener, no writer.
//!
//! Opens the store as a start does; nothing is written but what every start makes, such as missing keys.

use std::io;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use super::{StartError, environment, faults, hashes, load, seals, settings, world};
use crate::base::time::Millis;
use crate::config;
use crate::server::engine::{Engine, Facts, Parts};
use crate::server::feeds::Feeds;
use crate::server::names::Names;
use crate::server::shops;
use crate::state::State;
use crate::store::Store;

/// Reads config, store, advertisers and feeds. Facts sent to it are refused.
pub fn look(config: &Path) -> Result<Engine, StartError> {
    open(config, |store, names| load::load(store, names, Millis::wall_clock().to_secs()))
}

/// The same without what is remembered of anybody, for whoever reads the store alone.
pub fn glance(config: &Path) -> Result<Engine, StartError> {
    open(config, |_, _| Ok(State::default()))
}

fn open(config: &Path, load: impl FnOnce(&Store, &Names) -> io::Result<State>) -> Result<Engine, StartError> {
    let (server, _) = config::server(config).map_err(faults)?;
    if !server.data_dir.exists() {
        let missing = format!("there is no {}: check `data_dir`", server.data_dir.display());
        return Err(StartError::Input(missing));
    }
    let store = Store::open(&server.data_dir)?;
    let hashes = hashes(&server.data_dir, &store)?;
    let names = Names::open(store.clone()).map_err(environment("cannot read the store"))?;
    let (server, settings) = settings(server, &names)?;
    let seals = seals(&server.seal_keys_dir)?;
    let feeds = Feeds::default();
    let world = world(&server, &server.url(server.public), hashes, seals);
    let (world, _) = shops::load_all(world, &server, &names, &feeds);
    let state = load(&store, &names).map_err(environment("cannot load the store"))?;
    state.popular.rank(&world, Millis::wall_clock().to_secs());
    state.status.set_ready(true);
    let (sender, _) = sync_channel(1);
    let parts = Parts {
        world,
        state,
        settings,
        facts: Facts(sender),
        store,
        names,
        feeds,
    };
    Engine::new(parts).map_err(environment("cannot draw a secret"))
}
