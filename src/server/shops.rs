//! Advertisers on disk to shops in the World: read, checked, their feeds with them, swapped in whole.
//!
//! One bad advertiser never stops the others; a bad edit leaves the running version; a feed that fails
//! keeps the catalogue before it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::engine::Engine;
use super::feeds::{self, Feeds};
use super::files::{Known, etag, id_in};
use super::names::Names;
use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, CampaignNo};
use crate::base::time::Millis;
use crate::config::{Context, Fault, Server};
use crate::feed::{self, FeedFault, FeedReport, Shelf};
use crate::model::advertiser::{Advertiser, FeedSource, Shop};
use crate::model::product::Catalog;
use crate::state::world::World;

/// An advertiser that was read, and what is to be said about it.
pub struct Loaded {
    /// Ready for the World.
    pub shop: Shop,
    /// Warnings about its file.
    pub warnings: Vec<Fault>,
    /// What came of its feed: its file, or what was fetched last.
    pub feed: Option<FeedRead>,
}

impl Loaded {
    /// All that is to be said, faults of the feed included.
    pub fn remarks(&self) -> Vec<String> {
        let of_feed = self.feed.iter().flat_map(FeedRead::remarks);
        self.warnings.iter().map(ToString::to_string).chain(of_feed).collect()
    }
}

/// A feed that was read, or could not be.
pub struct FeedRead {
    /// Its file or address.
    pub name: String,
    /// When it came, where it was fetched before.
    pub fetched: Option<Millis>,
    /// What it held.
    pub outcome: Result<FeedReport, FeedFault>,
}

impl FeedRead {
    /// What came of reading a feed just now.
    pub fn new(source: &FeedSource, outcome: Result<FeedReport, FeedFault>) -> FeedRead {
        FeedRead {
            name: feeds::name(source),
            fetched: None,
            outcome,
        }
    }

    /// One line about the whole, where it could be read.
    pub fn summary(&self) -> Option<String> {
        self.outcome.as_ref().ok().map(|report| format!("{}: {report}", self.name))
    }

    /// The first rejected items, each with its line.
    pub fn rejects(&self) -> Vec<String> {
        let examples = self.outcome.iter().flat_map(|report| &report.examples);
        examples.map(|item| format!("{}:{}: {item}", self.name, item.line)).collect()
    }

    /// Tells a running server's log and metrics.
    pub fn announce(&self, advertiser: &str) {
        let label = || advertiser.to_owned();
        let result = if self.outcome.is_ok() { "ok" } else { "failed" };
        metrics::counter!("winback_feed_loads_total", "advertiser" => label(), "result" => result).increment(1);
        let Ok(report) = &self.outcome else { return };
        tracing::info!("{}: {report}", self.name);
        for (state, items) in [
            ("accepted", report.accepted),
            ("rejected", report.rejected_total()),
            ("out_of_stock", report.out_of_stock),
            ("hidden", report.hidden),
        ] {
            metrics::gauge!("winback_feed_items", "advertiser" => label(), "state" => state).set(f64::from(items));
        }
    }

    /// What is to be said of it: items that were refused, or why it was.
    pub fn remarks(&self) -> Vec<String> {
        match &self.outcome {
            Ok(_) => self.rejects(),
            Err(fault) => vec![fault.to_string()],
        }
    }
}

/// Why an advertiser that is sound cannot be used: its ids could not be given numbers.
pub const CANNOT_NUMBER: &str = "its campaigns or creatives cannot be numbered: free the disk, or use fewer ids (255 creatives ever)";

/// The advertiser files of a folder, in order of name.
pub fn files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        // Editors put hidden files of their own beside the one that is edited.
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|ending| ending == "json") {
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
    let (catalog, feed) = stock(&advertiser, &server.data_dir, hashes, before);
    Ok(Loaded {
        shop: Shop {
            advertiser: Arc::new(advertiser),
            catalog,
        },
        warnings,
        feed,
    })
}

/// Reads the feed; where that fails, what was there before stays.
fn stock(advertiser: &Advertiser, data_dir: &Path, hashes: &Hashes, before: Option<&Shop>) -> (Arc<Catalog>, Option<FeedRead>) {
    let kept = || before.map_or_else(Arc::default, |shop| shop.catalog.clone());
    match read_feed(advertiser, data_dir, hashes) {
        None => (kept(), None),
        Some((catalog, read)) => (catalog.map_or_else(kept, Arc::new), Some(read)),
    }
}

/// Reads an advertiser's feed as it is here: its file, or what was fetched last of its address; none where there is
/// neither. There is a catalogue where it could be read.
pub fn read_feed(advertiser: &Advertiser, data_dir: &Path, hashes: &Hashes) -> Option<(Option<Catalog>, FeedRead)> {
    let source = advertiser.feed.as_ref()?;
    let (path, fetched) = match &source.url {
        None => (source.path.clone(), None),
        Some(url) => {
            let (path, note) = feeds::Kept::of(data_dir, &advertiser.id).body(url)?;
            (path, Some(note.fetched()))
        }
    };
    let name = feeds::name(source);
    let (catalog, outcome) = match feed::read_file_as(&path, &name, &shelf(advertiser, source, hashes)) {
        Ok((catalog, report)) => (Some(catalog), Ok(report)),
        Err(fault) => (None, Err(fault)),
    };
    Some((catalog, FeedRead { name, fetched, outcome }))
}

/// How an advertiser's feed is read.
pub fn shelf<'a>(advertiser: &'a Advertiser, source: &FeedSource, hashes: &'a Hashes) -> Shelf<'a> {
    Shelf {
        advertiser: advertiser.no,
        currency: advertiser.currency,
        language: &advertiser.language,
        landing_domains: &advertiser.landing.domains,
        hashes,
        zone: &advertiser.timezone,
        format: source.format,
    }
}

fn by_path(advertiser: &Advertiser) -> Option<&FeedSource> {
    advertiser.feed.as_ref().filter(|source| source.url.is_none())
}

/// What a World may refuse of a shop that is sound by itself.
pub fn conflict(world: &World, shop: &Shop) -> Option<String> {
    taken(world, &shop.advertiser.id, &shop.advertiser.site_key)
}

/// Who else has an advertiser's site key.
pub fn taken(world: &World, id: &str, site_key: &str) -> Option<String> {
    let other = world.shop_by_site_key(site_key).filter(|other| other.advertiser.id != id)?;
    let other = &other.advertiser.id;
    Some(format!("site_key `{site_key}` belongs to advertiser `{other}`: choose another"))
}

/// What may not change once money has been spent: amounts and days are kept in them.
pub fn frozen(engine: &Engine, before: Option<&Shop>, after: &Advertiser) -> Option<String> {
    let before = &before?.advertiser;
    let changed = match (before.currency == after.currency, before.timezone_name == after.timezone_name) {
        (true, true) => return None,
        (false, _) => format!("`currency` from {} to {}", before.currency, after.currency),
        (true, false) => format!("`timezone` from {} to {}", before.timezone_name, after.timezone_name),
    };
    let campaigns: Vec<CampaignNo> = engine.names.campaigns_of(&after.id).into_iter().map(|(no, _)| no).collect();
    let days = engine.state.days.lock();
    let has_spent = days
        .iter()
        .any(|((campaign, _), row)| row.impressions > 0 && campaigns.binary_search(campaign).is_ok());
    has_spent.then(|| {
        format!(
            "cannot change {changed}: advertiser `{}` has spent; make a new advertiser",
            after.id
        )
    })
}

/// What is wrong with a second file of one advertiser.
pub fn claimed_twice(id: &str, first: &str) -> String {
    format!("advertiser `{id}` is that of {first} too: remove one of them")
}

/// What came of reading all advertisers.
pub struct Folder {
    /// With them.
    pub world: World,
    /// What is to be said of it.
    pub remarks: Vec<String>,
    /// Each file, and what came of it.
    pub files: Vec<(PathBuf, Known)>,
    /// Whose file is which.
    owners: HashMap<String, String>,
}

/// Reads every advertiser of the folder into a World, those whose files are gone leave it; returns it
/// with what is to be said.
pub fn load_all(world: World, server: &Server, names: &Names, feeds: &Feeds) -> (World, Vec<String>) {
    let Folder { world, remarks, .. } = load_folder(world, server, names, feeds);
    (world, remarks)
}

/// The same, with what came of each file.
pub fn load_folder(world: World, server: &Server, names: &Names, feeds: &Feeds) -> Folder {
    let (mut remarks, files) = (Vec::new(), Vec::new());
    let paths = files_of(&server.advertisers, &mut remarks);
    let owners = HashMap::new();
    let mut folder = Folder {
        world,
        remarks,
        files,
        owners,
    };
    for path in paths {
        let text = fs::read(&path).map_err(|error| {
            vec![Fault::of_file(
                &path.display().to_string(),
                0,
                0,
                format!("cannot be read: {error}"),
            )]
        });
        let seen = text.as_ref().ok().map(|text| etag(text));
        let of = text.as_ref().ok().and_then(|text| id_in(text));
        let known = match text.and_then(|text| folder.read(&path, &text, server, names, feeds)) {
            Ok(known) => known,
            Err(faults) => {
                folder.remarks.extend(faults.iter().map(ToString::to_string));
                Known {
                    of,
                    live: None,
                    seen,
                    faults,
                }
            }
        };
        folder.files.push((path, known));
    }
    folder.world = folder.without_gone();
    folder
}

fn files_of(dir: &Path, remarks: &mut Vec<String>) -> Vec<PathBuf> {
    files(dir).unwrap_or_else(|error| {
        remarks.push(format!(
            "cannot read the advertisers of {}: {error}: make the folder",
            dir.display()
        ));
        Vec::new()
    })
}

impl Folder {
    /// Reads one file into the World.
    fn read(&mut self, path: &Path, text: &[u8], server: &Server, names: &Names, feeds: &Feeds) -> Result<Known, Vec<Fault>> {
        let name = path.display().to_string();
        let of_file = |problem: String| vec![Fault::of_file(&name, 0, 0, problem)];
        let utf8 = std::str::from_utf8(text).map_err(|fault| of_file(format!("not utf-8: {fault}")))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let before = stem.and_then(|stem| self.world.shop_by_id(stem)).cloned();
        let loaded = load(&name, utf8, server, &self.world.hashes.clone(), names, before.as_deref())?;
        self.remarks.extend(loaded.remarks());
        let Loaded { shop, warnings, feed } = loaded;
        if let Some(read) = &feed {
            feeds.announce(&shop.advertiser, read);
        }
        let id = &shop.advertiser.id;
        if let Some(first) = self.owners.get(id) {
            return Err(of_file(claimed_twice(id, first)));
        }
        self.owners.insert(id.clone(), name.clone());
        if let Some(problem) = conflict(&self.world, &shop) {
            return Err(of_file(problem));
        }
        let known = Known::live(id, text, warnings);
        self.world.put(shop);
        Ok(known)
    }

    /// Without those that no file is of; a file that cannot be used leaves the running version of its advertiser.
    fn without_gone(&self) -> World {
        let stems = self.files.iter().filter_map(|(path, _)| path.file_stem()?.to_str());
        let of = self.files.iter().filter_map(|(_, known)| known.of.as_deref());
        let seen: HashSet<&str> = stems.chain(of).collect();
        let mut world = self.world.clone();
        for shop in self.world.shops().filter(|shop| !seen.contains(shop.advertiser.id.as_str())) {
            world = world.without_shop(shop.advertiser.no);
        }
        world
    }
}

/// What is known of each advertiser's feed file.
#[derive(Default)]
pub struct Refresh(HashMap<AdvertiserNo, Watched>);

/// A feed file as it was seen; versions are those of [`feed::version`].
struct Watched {
    /// When its `refresh` began.
    since: Instant,
    /// What it was at the last look.
    seen: Option<u64>,
    /// What of it was read, or could not be.
    tried: Option<u64>,
}

impl Refresh {
    /// Reads again the feeds that have changed, whose `refresh` has passed and that have come to rest: a file
    /// that is another than at the last look may still be written to. Returns what is to be said. A feed that
    /// fails leaves the catalogue before it.
    pub fn turn(&mut self, engine: &Engine, now: Instant) -> Vec<String> {
        let mut remarks = Vec::new();
        let world = engine.world.load_full();
        self.0.retain(|no, _| world.shop(*no).is_some());
        for shop in world.shops() {
            let Some(source) = by_path(&shop.advertiser) else { continue };
            let version = feed::version(&source.path);
            let running = Some(shop.catalog.version);
            let watched = self.0.entry(shop.advertiser.no).or_insert(Watched {
                since: now,
                seen: version,
                tried: running,
            });
            let is_at_rest = std::mem::replace(&mut watched.seen, version) == version;
            let is_due = now.duration_since(watched.since).as_secs() >= u64::from(source.refresh.0);
            if !is_due || !is_at_rest {
                continue;
            }
            watched.since = now;
            if version == running || version == watched.tried {
                continue;
            }
            watched.tried = version;
            let (catalog, read) = stock(&shop.advertiser, Path::new(""), &world.hashes, Some(shop));
            if let Some(read) = read {
                // The next time may go better with the very same file.
                if matches!(read.outcome, Err(FeedFault::Changed { .. } | FeedFault::Io { .. })) {
                    watched.tried = None;
                }
                remarks.extend(read.remarks());
                engine.feeds.announce(&shop.advertiser, &read);
                if read.outcome.is_err() {
                    continue;
                }
            }
            let advertiser = shop.advertiser.clone();
            install(engine, Shop { advertiser, catalog });
        }
        remarks
    }
}

/// Reads an advertiser's file feed now, whatever its `refresh`, and swaps it in. Held by whoever holds `engine.edits`.
pub fn reread(engine: &Engine, shop: &Shop) {
    let world = engine.world.load_full();
    let (catalog, read) = stock(&shop.advertiser, Path::new(""), &world.hashes, Some(shop));
    let Some(read) = read else { return };
    engine.feeds.announce(&shop.advertiser, &read);
    if read.outcome.is_ok() {
        let advertiser = shop.advertiser.clone();
        install(engine, Shop { advertiser, catalog });
    }
}

/// Swaps a shop into the running World. Held by whoever holds `engine.edits`.
pub fn install(engine: &Engine, shop: Shop) {
    let world = engine.world.load().with_shop(shop);
    engine.world.store(Arc::new(world));
}

#[cfg(test)]
mod tests;
