//! A server that stands still: the State of a data folder, and the World of any config over it, for whoever wants to
//! decide and not to serve.
//!
//! On a copy in a temporary folder, which goes with it: neither the data nor what lies beside a config is touched.
//! The same data and configs give the same State and Worlds, whatever the clock says.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::{StartError, apply_server, environment, faults, hashes, load};
use crate::base::hash::Hashes;
use crate::base::id::UserKey;
use crate::base::seal::Seals;
use crate::base::time::Secs;
use crate::config;
use crate::model::rows::{Row, Table, head};
use crate::server::feeds::Feeds;
use crate::server::names::Names;
use crate::server::samples::folder::FOLDER;
use crate::server::shops;
use crate::state::State;
use crate::state::popular::Rankings;
use crate::state::world::World;
use crate::store::restore::{Refused, restore};
use crate::store::{Store, copy};

/// The data, opened.
pub struct Still {
    names: Names,
    hashes: Hashes,
    store: Store,
    /// Last, so that it goes when all else is closed.
    _folder: TempDir,
}

/// A World, and what is popular of it.
pub struct Look {
    /// Config and products.
    pub world: World,
    /// What is popular of them.
    pub rankings: Arc<Rankings>,
    /// What is to be said of the config, its advertisers and feeds.
    pub remarks: Vec<String>,
}

impl Still {
    /// Of a data folder that no server uses.
    pub fn of_folder(data_dir: &Path) -> Result<Still, StartError> {
        let folder = temporary()?;
        if !data_dir.exists() {
            return Err(StartError::Input(format!("there is no {}: check `data_dir`", data_dir.display())));
        }
        copy(data_dir, folder.path(), &[FOLDER])?;
        let data_dir = folder.path().to_owned();
        Still::open(&data_dir, folder)
    }

    /// Of a backup.
    pub fn of_backup(file: &Path) -> Result<Still, StartError> {
        let folder = temporary()?;
        let data_dir = folder.path().join("data");
        restore(file, &data_dir, &folder.path().join("seal-keys")).map_err(|refused| match refused {
            Refused::Trouble(trouble) => trouble.into(),
            refused => StartError::Input(refused.to_string()),
        })?;
        Still::open(&data_dir, folder)
    }

    fn open(data_dir: &Path, folder: TempDir) -> Result<Still, StartError> {
        let mut store = Store::open(data_dir)?;
        let hashes = hashes(data_dir, &store)?;
        store.finish_erasures(&hashes).map_err(environment("cannot erase in the copy"))?;
        let names = Names::open(store.clone()).map_err(environment("cannot read the store"))?;
        Ok(Still {
            names: names.without_keys(),
            hashes,
            store,
            _folder: folder,
        })
    }

    /// All that is remembered, as of `now`, ready to decide on. A handle for which `is_wanted` leads to its user as an
    /// id of ours would.
    pub fn state(&self, now: Secs, is_wanted: impl Fn(&str) -> bool) -> Result<State, StartError> {
        let cannot = || environment("cannot load the store");
        let state = load::load(&self.store, &self.names, now).map_err(cannot())?;
        for row in self.store.rows(Table::Handles) {
            let Row { key, value, .. } = row.map_err(cannot())?;
            if let (Some(user), Some(handle)) = (head(&key), value.as_deref().and_then(head)) {
                let handle = format!("{handle:016x}");
                if is_wanted(&handle) {
                    state.matches.put(self.hashes.user(handle.as_bytes()).0, UserKey(user));
                }
            }
        }
        state.status.set_ready(true);
        Ok(state)
    }

    /// What a config makes of the data.
    pub fn look(&self, file: &Path, state: &State, now: Secs) -> Result<Look, StartError> {
        let (mut server, warnings) = config::server(file).map_err(faults)?;
        for exchange in &mut server.exchanges {
            exchange.no = self.names.exchange(&exchange.id);
        }
        let mut inert = [0; 32];
        getrandom::fill(&mut inert).map_err(|error| environment("cannot draw a key")(std::io::Error::other(error.to_string())))?;
        let seals = Seals::new(&[], &inert);
        let url = server.url(server.public);
        let mut world = World::new(server.exchanges.clone(), server.rates.clone(), &url, self.hashes.clone(), seals);
        apply_server(&mut world, &server);
        let (world, found) = shops::load_all(world, &server, &self.names, &Feeds::default());
        let remarks = warnings.iter().map(ToString::to_string).chain(found).collect();
        let rankings = state.popular.ranked(&world, now);
        Ok(Look { world, rankings, remarks })
    }
}

fn temporary() -> Result<TempDir, StartError> {
    let made = tempfile::Builder::new().prefix("winback-").tempdir();
    made.map_err(environment(
        "cannot make a temporary folder: set TMPDIR to one with room for the data",
    ))
}
