//! Requests sampled for `winback replay`: taken from the bid cores, rewritten so that they name nobody, and kept in
//! `data_dir` (`sampling` of the config; off without it).
//!
//! A core hands over a copy and goes on: where the queue is full the sample is dropped and counted. All else is done
//! by a thread that gives way. Whoever may be bid for may be stored, for a bid needs every purpose that an event
//! needs; of those the sample holds the handle that facts name them by, and of nobody else anything. It leads
//! nowhere once its user is erased. Who opted out is not sampled, nor what the server had no time to decide.

pub mod folder;
pub mod record;
pub mod rewrite;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use metrics::{Counter, counter};
use parking_lot::Mutex;

use super::engine::Engine;
use crate::base::id::{ExchangeNo, UserKey};
use crate::base::limits::{FACTS_PER_COMMIT_MAX, SAMPLES_QUEUE_BYTES_MAX, SAMPLES_QUEUE_MAX};
use crate::base::money::{Currency, Money, Ratio};
use crate::base::time::Millis;
use crate::bid::{Ask, Scratch};
use crate::config::Server;
use crate::model::outcome::{NoBid, Outcome, Pick};
use crate::model::rows::{Table, head};
use crate::openrtb::decode::{self, Memory};
use crate::openrtb::request::Opportunity;
use crate::openrtb::response::Form;
use crate::state::world::World;
use crate::track::fact::Fact;
use crate::track::fold::Disk;
use folder::{Bounds, Folder};
use record::{Bid, Record};
use rewrite::{Person, rewrite};

/// What is waited for company, and how often it is looked whether the server ends.
const TICK: Duration = Duration::from_millis(250);
/// How often old days are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// Samples rewritten together, so that handles are drawn in one commit.
const BATCH_MAX: usize = FACTS_PER_COMMIT_MAX;

/// A request that was sampled.
#[derive(Debug)]
struct Sampled {
    exchange: ExchangeNo,
    form: Form,
    body: Box<[u8]>,
    now: Millis,
    seed: u128,
    outcome: Outcome,
    picks: Vec<Pick>,
    user: Option<UserKey>,
}

/// Where the bid cores hand samples in.
pub struct Samples {
    /// Seeds up to this are sampled; 0 samples none.
    most: AtomicU64,
    queue: SyncSender<Sampled>,
    waiting: Mutex<Option<Receiver<Sampled>>>,
    queued_bytes: AtomicUsize,
    dropped: Counter,
}

impl Samples {
    /// As the config says.
    pub fn new(server: &Server) -> Samples {
        let (queue, waiting) = sync_channel(SAMPLES_QUEUE_MAX);
        let samples = Samples {
            most: AtomicU64::new(0),
            queue,
            waiting: Mutex::new(Some(waiting)),
            queued_bytes: AtomicUsize::new(0),
            dropped: result("dropped"),
        };
        samples.configure(server);
        samples
    }

    /// As a config that was read again says.
    pub fn configure(&self, server: &Server) {
        let most = server.sampling.map_or(0, |sampling| seeds(sampling.share));
        self.most.store(most, Ordering::Relaxed);
    }

    /// Takes a request, if it is one of the sample, with what it was answered.
    #[inline]
    pub fn offer(&self, ask: &Ask<'_>, outcome: &Outcome, scratch: &Scratch) {
        let most = self.most.load(Ordering::Relaxed);
        if most != 0 && ask.seed as u64 <= most {
            self.take(ask, outcome, scratch);
        }
    }

    #[cold]
    fn take(&self, ask: &Ask<'_>, outcome: &Outcome, scratch: &Scratch) {
        let user = match outcome.why_not() {
            Some(NoBid::OptedOut) => return,
            Some(why) if why < NoBid::Consent => return,
            Some(NoBid::Consent | NoBid::NoId | NoBid::UnknownUser) => None,
            _ => Some(scratch.known.key),
        };
        let length = ask.body.len();
        let before = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        let sampled = Sampled {
            exchange: ask.exchange,
            form: ask.form,
            body: if before < SAMPLES_QUEUE_BYTES_MAX {
                ask.body.into()
            } else {
                Box::default()
            },
            now: ask.now,
            seed: ask.seed,
            outcome: *outcome,
            picks: scratch.picks.clone(),
            user,
        };
        if before >= SAMPLES_QUEUE_BYTES_MAX || self.queue.try_send(sampled).is_err() {
            self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
            self.dropped.increment(1);
        }
    }
}

/// The seeds up to which a share of all lies.
fn seeds(share: Ratio) -> u64 {
    let part = u128::from(u64::MAX) * share.0.clamp(0, Ratio::ONE.0) as u128 / Ratio::ONE.0 as u128;
    part as u64
}

fn result(word: &'static str) -> Counter {
    counter!("winback_samples_total", "result" => word)
}

/// Rewrites and keeps what is handed in, until the server ends and nothing is left.
pub fn keep(engine: &Engine, closing: &AtomicBool) {
    let Some(receiver) = engine.samples.waiting.lock().take() else {
        return;
    };
    let mut keeper = Keeper {
        engine,
        folder: Folder::new(&engine.settings.load().server.data_dir),
        memory: Memory::default(),
        tidied: None,
    };
    loop {
        let last = closing.load(Ordering::Acquire);
        let batch = gather(&receiver);
        let bytes = batch.iter().map(|sampled| sampled.body.len()).sum();
        engine.samples.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        let is_idle = batch.is_empty();
        if let Err(error) = keeper.turn(batch) {
            result("failed").increment(1);
            tracing::warn!("cannot keep samples: {error}: free the disk, or take `sampling` out of the config");
        }
        if last && is_idle {
            return;
        }
    }
}

fn gather(receiver: &Receiver<Sampled>) -> Vec<Sampled> {
    match receiver.recv_timeout(TICK) {
        Ok(first) => std::iter::once(first).chain(receiver.try_iter().take(BATCH_MAX - 1)).collect(),
        Err(RecvTimeoutError::Timeout) => Vec::new(),
        Err(RecvTimeoutError::Disconnected) => {
            std::thread::sleep(TICK);
            Vec::new()
        }
    }
}

/// What keeps them.
struct Keeper<'e> {
    engine: &'e Engine,
    folder: Folder,
    memory: Memory,
    tidied: Option<Instant>,
}

impl Keeper<'_> {
    fn turn(&mut self, batch: Vec<Sampled>) -> io::Result<()> {
        let bounds = self.bounds();
        if self.tidied.is_none_or(|tidied| tidied.elapsed() > TIDY_EVERY) {
            self.tidied = Some(Instant::now());
            self.folder.tidy(Millis::wall_clock(), &bounds)?;
        }
        if batch.is_empty() {
            return Ok(());
        }
        let handles = self.handles(batch.iter().filter_map(|sampled| sampled.user).collect())?;
        let world = self.engine.world.load_full();
        for sampled in &batch {
            let Some(line) = line(&world, sampled, &handles, &mut self.memory) else {
                result("unreadable").increment(1);
                continue;
            };
            let is_kept = self.folder.append(&line, sampled.now, &bounds)?;
            result(if is_kept { "kept" } else { "over" }).increment(1);
        }
        self.folder.flush()
    }

    /// Without `sampling`, what there is from before stays as long as it may.
    fn bounds(&self) -> Bounds {
        let settings = self.engine.settings.load();
        let sampling = settings.server.sampling;
        Bounds {
            day_bytes: sampling.map_or(0, |sampling| sampling.day_bytes),
            total_bytes: sampling.map_or(u64::MAX, |sampling| sampling.total_bytes),
            retention: settings.server.privacy.retention,
        }
    }

    /// The handles of users, drawn for those who have none yet; none of those who have gone meanwhile.
    fn handles(&self, mut users: BTreeSet<UserKey>) -> io::Result<BTreeMap<UserKey, String>> {
        let mut handles = BTreeMap::new();
        for _ in 0..2 {
            for user in &users {
                let row = self.engine.store.get(Table::Handles, &user.0.to_be_bytes())?;
                handles.extend(row.and_then(|row| head(&row)).map(|handle| (*user, format!("{handle:016x}"))));
            }
            users.retain(|user| !handles.contains_key(user));
            let missing: Vec<UserKey> = users.iter().copied().collect();
            if missing.is_empty() || self.engine.facts.record_and_wait(Fact::Draw(missing)).is_err() {
                break;
            }
        }
        Ok(handles)
    }
}

/// The line of a sample; none where the request cannot be read.
fn line(world: &World, sampled: &Sampled, handles: &BTreeMap<UserKey, String>, memory: &mut Memory) -> Option<Vec<u8>> {
    let mut request = Opportunity::default();
    decode::read(sampled.form, &sampled.body, memory, &mut request).ok()?;
    let handle = sampled.user.map(|user| handles.get(&user).cloned());
    let person = match (handle, sampled.outcome.why_not()) {
        (Some(Some(handle)), _) => Person::Handle(handle),
        (Some(None), _) | (None, Some(NoBid::UnknownUser)) => Person::Unknown,
        (None, _) => Person::Nobody,
    };
    let currency = request.answer_currency(&world.rates).unwrap_or(Currency::USD);
    let rewritten = rewrite(&request, &person);
    let record = Record {
        at: sampled.now.0,
        seed: format!("{:032x}", sampled.seed),
        exchange: world.exchange(sampled.exchange)?.id.clone(),
        reason: sampled.outcome.why_not().map(|why| why.label().to_owned()),
        bids: sampled.picks.iter().filter_map(|pick| bid(world, pick, currency)).collect(),
        request: serde_json::value::to_raw_value(&rewritten).ok()?,
    };
    serde_json::to_vec(&record).ok()
}

/// A bid by the names that configs have.
pub fn bid(world: &World, pick: &Pick, currency: Currency) -> Option<Bid> {
    let advertiser = &world.shop(pick.advertiser)?.advertiser;
    let creative = advertiser.creatives.iter().find(|creative| creative.no == pick.creative)?;
    Some(Bid {
        imp: pick.imp,
        advertiser: advertiser.id.clone(),
        campaign: advertiser.campaigns.get(pick.campaign_index as usize)?.id.clone(),
        creative: creative.id.clone(),
        product: if pick.product.is_some() {
            format!("{:010x}", pick.product.0)
        } else {
            String::new()
        },
        price: pick.price.to_string(),
        currency: currency.to_string(),
        share: pick.share.of(Money::units(1)).likely.to_string(),
    })
}

#[cfg(test)]
mod tests;
