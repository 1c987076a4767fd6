//! Advertisers on disk to shops in the World: read, checked, their feeds with them, swapped in whole.
//!
//! One bad advertiser never stops the others; a bad edit leaves the running version; a feed that fails
//! keeps the catalogue before it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::engine::Engine;
use super::names::Names;
use crate::base::hash::Hashes;
use crate::base::id::AdvertiserNo;
use crate::config::{Context, Fault, Server};
use crate::feed::{self, FeedFault, FeedReport, Shelf};
use crate::model::advertiser::{Advertiser, Shop};
use crate::model::product::Catalog;
use crate::state::world::World;

/// An advertiser that was read, and what is to be said about it.
pub struct Loaded {
    /// Ready for the World.
    pub shop: Shop,
    /// Warnings, and faults of its feed.
    pub remarks: Vec<String>,
    /// What its feed held, where it could be read.
    pub feed: Option<FeedReport>,
}

/// Why an advertiser that is sound cannot be used: its ids could not be given numbers.
pub const CANNOT_NUMBER: &str = "its campaigns or creatives cannot be numbered: free the disk, or use fewer ids (255 creatives ever)";

/// The advertiser files of a folder, in order of name.
pub fn files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads an advertiser from the text of its file, and its feed; `before` is the shop it replaces.
pub fn load(name: &str, text: &str, server: &Server, hashes: &Hashes, names: &Names, before: Option<&Shop>) -> Result<Loaded, Vec<Fault>> {
    names.begin();
    let context = Context {
        server,
        hashes,
        numbers: names,
    };
    let (advertiser, warnings) = crate::config::advertiser(name, &server.advertisers, text, &context)?;
    if names.has_failed() {
        return Err(vec![Fault::of_file(name, 1, 1, CANNOT_NUMBER)]);
    }
    let mut remarks: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let (catalog, feed) = stock(&advertiser, hashes, before, &mut remarks);
    Ok(Loaded {
        shop: Shop {
            advertiser: Arc::new(advertiser),
            catalog,
        },
        remarks,
        feed,
    })
}

/// Reads the feed, where it fails leaving what was there before.
fn stock(advertiser: &Advertiser, hashes: &Hashes, before: Option<&Shop>, remarks: &mut Vec<String>) -> (Arc<Catalog>, Option<FeedReport>) {
    let kept = || before.map_or_else(Arc::default, |shop| shop.catalog.clone());
    match (&advertiser.feed, read_feed(advertiser, hashes)) {
        (Some(source), Some(Ok((catalog, report)))) => {
            remarks.extend(report.examples.iter().map(|item| format!("{}: {item}", source.path.display())));
            (Arc::new(catalog), Some(report))
        }
        (_, Some(Err(fault))) => {
            remarks.push(fault.to_string());
            (kept(), None)
        }
        _ => (kept(), None),
    }
}

/// Reads an advertiser's feed; none where it has none that is a file.
pub fn read_feed(advertiser: &Advertiser, hashes: &Hashes) -> Option<Result<(Catalog, FeedReport), FeedFault>> {
    let source = advertiser.feed.as_ref().filter(|source| source.url.is_none())?;
    let shelf = Shelf {
        advertiser: advertiser.no,
        currency: advertiser.currency,
        language: &advertiser.language,
        landing_domains: &advertiser.landing.domains,
        hashes,
        zone: &advertiser.timezone,
    };
    Some(feed::read_file(&source.path, &shelf))
}

/// What a World may refuse of a shop that is sound by itself.
pub fn conflict(world: &World, shop: &Shop) -> Option<String> {
    let other = world.shop_by_site_key(&shop.advertiser.site_key)?;
    (other.advertiser.no != shop.advertiser.no).then(|| {
        format!(
            "site_key `{}` belongs to advertiser `{}`: choose another",
            shop.advertiser.site_key, other.advertiser.id
        )
    })
}

/// Reads every advertiser of the folder into a World, those whose files are gone leave it; returns it
/// with what is to be said.
pub fn load_all(mut world: World, server: &Server, names: &Names) -> (World, Vec<String>) {
    let mut remarks = Vec::new();
    let paths = files(&server.advertisers).unwrap_or_else(|error| {
        remarks.push(format!(
            "cannot read the advertisers of {}: {error}: make the folder",
            server.advertisers.display()
        ));
        Vec::new()
    });
    let hashes = world.hashes.clone();
    let mut seen = HashSet::new();
    let mut owners: HashMap<String, String> = HashMap::new();
    for path in paths {
        // A file that cannot be used leaves the running version of its advertiser.
        seen.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                remarks.push(format!("cannot read {name}: {error}"));
                continue;
            }
        };
        let before = world
            .shops()
            .find(|shop| path.file_stem().is_some_and(|stem| stem.to_str() == Some(&shop.advertiser.id)))
            .cloned();
        match load(&name, &text, server, &hashes, names, before.as_deref()) {
            Ok(loaded) => {
                remarks.extend(loaded.remarks);
                let id = loaded.shop.advertiser.id.clone();
                seen.insert(id.clone());
                if let Some(first) = owners.get(&id) {
                    remarks.push(format!("{name}: advertiser `{id}` is that of {first} too: remove one of them"));
                    continue;
                }
                owners.insert(id, name.clone());
                match conflict(&world, &loaded.shop) {
                    Some(problem) => remarks.push(format!("{name}: {problem}")),
                    None => world.put(loaded.shop),
                }
            }
            Err(faults) => remarks.extend(faults.iter().map(ToString::to_string)),
        }
    }
    let gone: Vec<_> = world
        .shops()
        .filter(|shop| !seen.contains(&shop.advertiser.id))
        .map(|shop| shop.advertiser.no)
        .collect();
    for no in gone {
        world = world.without_shop(no);
    }
    (world, remarks)
}

/// When each advertiser's feed file was last looked at, and how it was dated then.
#[derive(Default)]
pub struct Refresh(HashMap<AdvertiserNo, (Instant, Option<SystemTime>)>);

impl Refresh {
    /// Reads again the feeds that have changed and whose `refresh` has passed; returns what is to be said.
    /// A feed that fails leaves the catalogue before it.
    pub fn turn(&mut self, engine: &Engine, now: Instant) -> Vec<String> {
        let mut remarks = Vec::new();
        let world = engine.world.load_full();
        for shop in world.shops() {
            let Some(source) = shop.advertiser.feed.as_ref().filter(|source| source.url.is_none()) else {
                continue;
            };
            let dated = std::fs::metadata(&source.path).and_then(|file| file.modified()).ok();
            let (looked, before) = self.0.entry(shop.advertiser.no).or_insert((now, dated));
            if now.duration_since(*looked).as_secs() < u64::from(source.refresh.0) {
                continue;
            }
            *looked = now;
            if std::mem::replace(before, dated) != dated {
                let (catalog, _) = stock(&shop.advertiser, &world.hashes, Some(shop), &mut remarks);
                install(
                    engine,
                    Shop {
                        advertiser: shop.advertiser.clone(),
                        catalog,
                    },
                );
            }
        }
        remarks
    }
}

/// Swaps a shop into the running World. Held by whoever holds `engine.edits`.
pub fn install(engine: &Engine, shop: Shop) {
    let world = engine.world.load().with_shop(shop);
    engine.world.store(Arc::new(world));
}
