//! Feeds by address, from what is kept of the last to what runs: fetched, read beside the one in use, swapped in
//! whole.
//!
//! Nothing of a running catalogue changes before the new one has been read to its end. Fetching and reading
//! hold no lock; only the swap does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

use super::fetch::{self, Ask, FetchFault, Fetched, Manner, Validators, fetch};
use super::kept::Kept;
use super::{Claim, Outcome, name};
use crate::base::hash::Hashes;
use crate::base::time::Millis;
use crate::config::Server;
use crate::feed::{self, FeedFault, FeedReport};
use crate::model::advertiser::{Advertiser, FeedSource, Shop};
use crate::model::product::Catalog;
use crate::server::engine::Engine;
use crate::server::shops::{self, FeedRead};

/// The longest that nothing may come of a feed.
const IDLE: Duration = Duration::from_secs(60);
/// The longest that a check waits for all of one.
const PROBE: Duration = Duration::from_secs(60);

/// Why a feed by address is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It did not come.
    #[error(transparent)]
    Fetch(#[from] FetchFault),
    /// It came and cannot be read.
    #[error(transparent)]
    Feed(#[from] FeedFault),
}

impl Trouble {
    /// Its name in metrics and the API.
    pub fn kind(&self) -> &'static str {
        match self {
            Trouble::Fetch(fault) => fault.kind(),
            Trouble::Feed(_) => "unreadable",
        }
    }

    /// How long to leave the server alone, where it said so.
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Trouble::Fetch(fault) => fault.retry_after_s(),
            Trouble::Feed(_) => None,
        }
    }
}

/// What asking for a feed came to.
#[derive(Debug)]
pub enum Obtained {
    /// What runs is what is there.
    Unchanged,
    /// A new one, kept already.
    New(Box<(Catalog, FeedReport)>),
}

/// How the server's config says that feeds are fetched.
pub fn manner(server: &Server) -> Manner {
    let feeds = &server.feeds;
    let total = Duration::from_secs(u64::from(feeds.timeout.0));
    Manner {
        allow: feeds.allow.clone(),
        ca_file: feeds.ca_file.clone(),
        bytes_max: u64::from(feeds.max_mib) << 20,
        idle: IDLE.min(total),
        total,
        resolve: fetch::system(),
    }
}

/// What proves who asks: read each time, so that a key may be changed under a running server.
fn proof(source: &FeedSource) -> Result<Option<(HeaderName, HeaderValue)>, FetchFault> {
    let Some(auth) = &source.auth else { return Ok(None) };
    let failed = |source| FetchFault::Key {
        path: auth.file.clone(),
        source,
    };
    let text = std::fs::read_to_string(&auth.file).map_err(failed)?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(failed(std::io::Error::other("it is empty")));
    }
    let (name, value) = match &auth.user {
        None => (auth.header.as_str(), secret.to_owned()),
        Some(user) => {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"));
            (AUTHORIZATION.as_str(), format!("Basic {pair}"))
        }
    };
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|fault| failed(std::io::Error::other(fault)))?;
    let mut value = HeaderValue::from_str(&value).map_err(|_| failed(std::io::Error::other("it is no value of a header")))?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

fn ask<'u>(source: &FeedSource, url: &'u Url, known: Validators) -> Result<Ask<'u>, FetchFault> {
    let proof = proof(source)?;
    Ok(Ask { url, proof, known })
}

fn address(url: &str) -> Result<Url, FetchFault> {
    Url::parse(url).map_err(|fault| FetchFault::Machine(std::io::Error::other(fault)))
}

/// Asks for an advertiser's feed and reads it; `url` is its address. What it says of changes is only asked where
/// the catalogue of `running` is that of the kept body.
pub fn obtain(
    advertiser: &Advertiser,
    (source, url): (&FeedSource, &str),
    (server, manner): (&Server, &Manner),
    hashes: &Hashes,
    running: u64,
) -> Result<Obtained, Trouble> {
    let kept = Kept::of(&server.data_dir, &advertiser.id);
    let is_running = |path: &std::path::Path| feed::version(path) == Some(running);
    let known = kept.body(url).filter(|(path, _)| is_running(path));
    let at = address(url)?;
    let ask = ask(source, &at, known.map(|(_, note)| note.validators).unwrap_or_default())?;
    let mut draft = kept.begin().map_err(FetchFault::Keep)?;
    let file = draft.file().map_err(FetchFault::Keep)?;
    let Fetched::Body(validators) = fetch(&ask, manner, file)? else {
        return Ok(Obtained::Unchanged);
    };
    let read = feed::read_file_as(draft.path(), &name(source), &shops::shelf(advertiser, source, hashes))?;
    draft.keep(url, validators, Millis::wall_clock()).map_err(FetchFault::Keep)?;
    Ok(Obtained::New(Box::new(read)))
}

/// Asks for a feed once and reads it, for a check: keeps nothing.
pub fn probe(advertiser: &Advertiser, (source, url): (&FeedSource, &str), server: &Server, hashes: &Hashes) -> Result<FeedReport, Trouble> {
    let file = tempfile::NamedTempFile::new().map_err(FetchFault::Machine)?;
    let into = file.reopen().map_err(FetchFault::Machine)?;
    let mut manner = manner(server);
    manner.total = manner.total.min(PROBE);
    let at = address(url)?;
    fetch(&ask(source, &at, Validators::default())?, &manner, into)?;
    let (_, report) = feed::read_file_as(file.path(), &name(source), &shops::shelf(advertiser, source, hashes))?;
    Ok(report)
}

/// Fetches the feed that is claimed, and swaps it in where it is new. Blocks.
pub fn refresh(claim: &Claim) {
    let engine = &*claim.engine;
    let (world, settings) = (engine.world.load_full(), engine.settings.load_full());
    let Some(shop) = world.shop(claim.no) else { return };
    let advertiser = &shop.advertiser;
    let Some((source, url)) = by_url(advertiser) else { return };
    let server = &settings.server;
    let came = obtain(
        advertiser,
        (source, url),
        (server, &manner(server)),
        &world.hashes,
        shop.catalog.version,
    );
    let result = match &came {
        Ok(Obtained::Unchanged) => Outcome::Unchanged,
        Ok(Obtained::New(_)) => Outcome::Fetched,
        Err(_) => Outcome::Failed,
    };
    metrics::counter!("winback_feed_fetches_total", "advertiser" => advertiser.id.clone(), "result" => result.label()).increment(1);
    match came {
        Ok(Obtained::Unchanged) => engine.feeds.settle(advertiser, source.refresh, Ok((result, None))),
        Ok(Obtained::New(read)) => {
            let (catalog, report) = *read;
            let read = FeedRead::new(source, Ok(report.clone()));
            read.announce(&advertiser.id);
            read.remarks().iter().for_each(|remark| tracing::warn!("{remark}"));
            engine.feeds.settle(advertiser, source.refresh, Ok((result, Some(report))));
            if !install(engine, advertiser, catalog) {
                engine.feeds.hurry(advertiser);
            }
        }
        Err(trouble) => {
            tracing::warn!(
                "the feed of advertiser `{}` stays as it was: {}: {trouble}",
                advertiser.id,
                name(source)
            );
            engine.feeds.settle(advertiser, source.refresh, Err(&trouble));
        }
    }
}

/// An advertiser's feed by address.
pub(super) fn by_url(advertiser: &Advertiser) -> Option<(&FeedSource, &str)> {
    let source = advertiser.feed.as_ref()?;
    Some((source, source.url.as_deref()?))
}

/// Swaps a catalogue in, unless the advertiser has changed meanwhile in what it was read by: then what is kept is
/// not what runs, and the next fetch is for all of it. Whether it is in.
fn install(engine: &Engine, read_for: &Advertiser, catalog: Catalog) -> bool {
    let _alone = engine.edits.blocking_lock();
    let world = engine.world.load_full();
    let Some(shop) = world.shop(read_for.no) else { return false };
    let by = |of: &Advertiser| {
        (
            of.feed.clone(),
            of.currency,
            of.language.clone(),
            of.landing.domains.clone(),
            of.timezone_name.clone(),
        )
    };
    let fits = by(&shop.advertiser) == by(read_for);
    if fits {
        let advertiser = shop.advertiser.clone();
        let catalog = Arc::new(catalog);
        shops::install(engine, Shop { advertiser, catalog });
    }
    fits
}

/// Begins to fetch the feeds that are due, and says what is to be said of those that run.
pub fn fetch_due(engine: &Arc<Engine>) {
    let world = engine.world.load_full();
    let data_dir = engine.settings.load().server.data_dir.clone();
    let forget = |id: &str| Kept::of(&data_dir, id).remove();
    for shop in engine.feeds.due(&world, Instant::now(), forget) {
        let Some(claim) = Claim::of(engine, &shop.advertiser) else {
            continue;
        };
        tokio::spawn(async move {
            let engine = claim.engine.clone();
            // It is never closed.
            let Ok(_room) = engine.feeds.room.acquire().await else { return };
            // Whatever it says it has said already.
            let _ = tokio::task::spawn_blocking(move || refresh(&claim)).await;
        });
    }
    let at = Millis::wall_clock().to_secs();
    for complaint in engine.feeds.complaints(&world, Instant::now(), at) {
        tracing::warn!("{complaint}");
    }
}
