//! What every listener works with: World, State, the writer's door, secrets.
//!
//! Built by `app`, shared by all threads. Config is swapped, never changed in place.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::sync::oneshot;

use super::audit::Audit;
use super::crowd::Crowds;
use super::feeds::Feeds;
use super::files::Files;
use super::funnel::Tally;
use super::history::History;
use super::lag::Lag;
use super::listener;
use super::meters::Meters;
use super::names::Names;
use super::samples::Samples;
use super::sizes::Sizes;
use super::tag;
use crate::base::hash::Hashes;
use crate::base::id::{ExchangeNo, UserKey};
use crate::base::limits::EXCHANGES_MAX;
use crate::base::time::Millis;
use crate::bid::{Ask, Scratch, decide};
use crate::config::{FIRST_TOKEN, Role, Server};
use crate::model::crawlers;
use crate::model::exchange::Exchange;
use crate::model::outcome::{NoBid, Outcome, Pick};
use crate::state::State;
use crate::state::holds::{Limits, Refused, commit};
use crate::state::world::World;
use crate::store::Store;
use crate::track::fact::{Effect, Fact};

/// All that listeners share.
pub struct Engine {
    /// Config, feeds and rates.
    pub world: ArcSwap<World>,
    /// Users, matches, holds, books.
    pub state: State,
    /// The server's config and secrets.
    pub settings: ArcSwap<Settings>,
    /// The way to the writer.
    pub facts: Facts,
    /// For reads of what is on disk only.
    pub store: Store,
    /// Numbers of configured ids.
    pub names: Names,
    /// Counters.
    pub meters: Meters,
    /// The last day, for the desk.
    pub history: History,
    /// Sizes asked for.
    pub sizes: Sizes,
    /// Requests kept for a replay.
    pub samples: Samples,
    /// The shops' tag.
    pub tag: tag::Kept,
    /// Who is connected.
    pub crowds: Crowds,
    /// How far each core of the bid listener is behind, once it listens.
    pub lags: OnceLock<Vec<Arc<Lag>>>,
    /// How feeds do.
    pub feeds: Feeds,
    /// Who changed what.
    pub audit: Audit,
    /// The files of the config as they were last looked at.
    pub files: Files,
    /// One change of config at a time.
    pub edits: tokio::sync::Mutex<()>,
    rates: Vec<Rate>,
    secret: Hashes,
    arrivals: AtomicU64,
}

/// Requests of the running second: the second in the high half, their count in the low one.
#[derive(Default)]
pub(super) struct Rate(AtomicU64);

impl Rate {
    /// What is left of this second, if `most` were counted in it.
    fn until_within(&self, most: u32, now: Millis) -> Option<Duration> {
        let seen = self.0.load(Ordering::Relaxed);
        let is_spent = seen >> 32 == (now.0 / 1000) as u64 & 0xffff_ffff && seen & 0xffff_ffff >= u64::from(most);
        is_spent.then(|| Duration::from_millis(1000 - now.0.rem_euclid(1000) as u64))
    }

    /// Counts a request; false beyond `most` in this second.
    fn admits(&self, most: u32, now: Millis) -> bool {
        self.count(now) <= u64::from(most)
    }

    /// Counts a request: which one of this second it is, from 1.
    pub(super) fn count(&self, now: Millis) -> u64 {
        let second = (now.0 / 1000) as u64 & 0xffff_ffff;
        let next = |seen: u64| if seen >> 32 == second { seen + 1 } else { second << 32 | 1 };
        let seen = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| Some(next(seen)));
        seen.map_or(0, |seen| next(seen) & 0xffff_ffff)
    }
}

/// The server's config with the secrets its files hold.
pub struct Settings {
    /// As read.
    pub server: Server,
    /// Who may send bid requests, by exchange number.
    pub doors: Vec<Option<Door>>,
    /// The bearer tokens of the admin listener, that of `token_file` first.
    pub tokens: Vec<Token>,
}

impl Settings {
    /// The token that is given. All are looked at, whichever it is.
    pub fn token(&self, given: &[u8]) -> Option<&Token> {
        let is_given = |token: &Token| !token.text.is_empty() & same_secret(given, token.text.as_bytes());
        let all = self.tokens.iter();
        all.fold(None, |found, token| if is_given(token) { Some(token) } else { found })
    }
}

/// A bearer token of the admin listener.
#[derive(Clone)]
pub struct Token {
    /// Who holds it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The token itself.
    pub text: String,
}

impl Token {
    /// That of `token_file`.
    pub fn first(text: impl Into<String>) -> Token {
        Token {
            name: FIRST_TOKEN.to_owned(),
            role: Role::Admin,
            text: text.into(),
        }
    }
}

/// Who may send an exchange's requests.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// Networks; any where empty.
    pub allow: Vec<IpNet>,
    /// A header and its value.
    pub header: Option<(String, String)>,
}

impl Door {
    /// Whether a caller from `peer` with the value of the header may enter.
    pub fn admits(&self, peer: IpAddr, value: Option<&[u8]>) -> bool {
        let network = self.allow.is_empty() || self.allow.iter().any(|net| net.contains(&peer));
        let secret = self
            .header
            .as_ref()
            .is_none_or(|(_, wanted)| value.is_some_and(|v| same_secret(v, wanted.as_bytes())));
        network && secret
    }
}

/// Compares secrets by their hashes, so that time tells nothing of where they differ.
pub fn same_secret(a: &[u8], b: &[u8]) -> bool {
    use sha2::{Digest, Sha256};
    Sha256::digest(a) == Sha256::digest(b)
}

/// Why a fact is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The queue is full.
    #[error("too many facts are waiting: try again")]
    Full,
    /// The store refused a write.
    #[error("the store cannot record: it needs a restart")]
    Poisoned,
}

/// Facts with the way back to who sent them.
pub type Envelope = (Fact, oneshot::Sender<Result<Effect, Unavailable>>);

/// The way to the writer.
#[derive(Clone)]
pub struct Facts(pub SyncSender<Envelope>);

impl Facts {
    /// Records a fact and waits until it is durable: for threads that serve nobody.
    pub fn record_and_wait(&self, fact: Fact) -> Result<Effect, Unavailable> {
        let (back, answer) = oneshot::channel();
        self.0.send((fact, back)).map_err(|_| Unavailable::Poisoned)?;
        answer.blocking_recv().unwrap_or(Err(Unavailable::Poisoned))
    }

    /// Records a fact; answers once it is durable.
    pub async fn record(&self, fact: Fact) -> Result<Effect, Unavailable> {
        let (back, answer) = oneshot::channel();
        match self.0.try_send((fact, back)) {
            Ok(()) => answer.await.unwrap_or(Err(Unavailable::Poisoned)),
            Err(TrySendError::Full(_)) => Err(Unavailable::Full),
            Err(TrySendError::Disconnected(_)) => Err(Unavailable::Poisoned),
        }
    }
}

/// What an engine is made of.
pub struct Parts {
    /// See [`Engine`].
    pub world: World,
    /// See [`Engine`].
    pub state: State,
    /// See [`Engine`].
    pub settings: Settings,
    /// See [`Engine`].
    pub facts: Facts,
    /// See [`Engine`].
    pub store: Store,
    /// See [`Engine`].
    pub names: Names,
    /// See [`Engine`].
    pub feeds: Feeds,
}

impl Engine {
    /// Puts it together; draws the secret of this process, and makes ready what a first request would wait for.
    pub fn new(parts: Parts) -> std::io::Result<Engine> {
        crawlers::prepare();
        let Parts {
            world,
            state,
            settings,
            facts,
            store,
            names,
            feeds,
        } = parts;
        let crowds = Crowds::new(&settings.server.limits, listener::descriptors());
        Ok(Engine {
            meters: Meters::new(&world),
            history: History::default(),
            sizes: Sizes::open(&settings.server.data_dir),
            samples: Samples::new(&settings.server),
            audit: Audit::new(&settings.server.data_dir),
            files: Files::default(),
            world: ArcSwap::from_pointee(world),
            state,
            settings: ArcSwap::from_pointee(settings),
            facts,
            store,
            names,
            tag: tag::Kept::default(),
            crowds,
            lags: OnceLock::new(),
            feeds,
            edits: tokio::sync::Mutex::default(),
            rates: (0..EXCHANGES_MAX).map(|_| Rate::default()).collect(),
            secret: Hashes::drawn()?,
            arrivals: AtomicU64::new(0),
        })
    }

    /// Never the same twice: for ties, bid ids and nonces.
    pub fn seed(&self, exchange: ExchangeNo, now: Millis) -> u128 {
        let arrival = self.arrivals.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let parts: [&[u8]; 3] = [&[exchange.0], &now.0.to_le_bytes(), &arrival];
        u128::from(self.secret.of("seed", &parts)) << 64 | u128::from(self.secret.of("tag", &parts))
    }

    /// A new user's id, 128 random bits, and its key.
    pub fn fresh_user(&self) -> (UserKey, String) {
        use base64::Engine as _;
        let mut bytes = [0; 16];
        // Without randomness no id may be given; the process-wide counter keeps ids apart even then.
        if getrandom::fill(&mut bytes).is_err() {
            let n = self.arrivals.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            bytes[..8].copy_from_slice(&self.secret.of("id", &[&n]).to_le_bytes());
            bytes[8..].copy_from_slice(&self.secret.of("id-tail", &[&n]).to_le_bytes());
        }
        let id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        (self.world.load().hashes.user(id.as_bytes()), id)
    }

    /// How long an exchange has to wait until it may ask more than `most` times a second again; none where it may now.
    pub fn until_within(&self, exchange: ExchangeNo, most: u32, now: Millis) -> Option<Duration> {
        self.rates.get(usize::from(exchange.0))?.until_within(most, now)
    }

    /// Why a request is not looked at: none of this exchange could be answered in time by now, or it has asked more
    /// often than `max_qps` this second.
    pub fn shed(&self, exchange: &Exchange, waited_ms: u32, now: Millis) -> Option<NoBid> {
        if waited_ms >= exchange.patience_ms(None) {
            return Some(NoBid::TooLate);
        }
        let rate = self.rates.get(usize::from(exchange.no.0));
        let is_within = exchange.max_qps.zip(rate).is_none_or(|(most, rate)| rate.admits(most, now));
        (!is_within).then_some(NoBid::Overloaded)
    }

    /// Decides on a request and takes its holds, and counts in `tally` what it came to. Refused, it decides once more;
    /// refused again, the answer is no-bid `contended`.
    pub fn bid(&self, world: &World, ask: Ask<'_>, scratch: &mut Scratch, tally: &mut Tally) -> Outcome {
        let outcome = self.decide_and_commit(world, ask, scratch, tally);
        tally.settle(ask.exchange, &outcome, &scratch.picks);
        if outcome.why_not().is_some() {
            scratch.picks.clear();
        }
        outcome
    }

    /// Refused twice, it leaves the picks that could not be had.
    fn decide_and_commit(&self, world: &World, mut ask: Ask<'_>, scratch: &mut Scratch, tally: &mut Tally) -> Outcome {
        for attempt in 0..2 {
            tally.begin();
            let outcome = decide(world, &self.state, &ask, scratch, tally);
            // Once a request, however often it is decided.
            for book in scratch.chances().iter().filter(|_| attempt == 0) {
                self.state.books.chance(*book);
            }
            let Outcome::Bid { epoch, .. } = outcome else { return outcome };
            match commit(&self.state, &scratch.picks, epoch, ask.now, |pick| limits(world, pick, ask.now)) {
                Ok(()) => return outcome,
                Err(Refused::Stale) => {}
                Err(Refused::Budget(campaign)) => ask.barred = Some(campaign),
            }
            ask.seed = ask.seed.rotate_left(29).wrapping_add(1);
        }
        Outcome::NoBid(NoBid::Contended)
    }
}

fn limits(world: &World, pick: &Pick, now: Millis) -> Limits {
    let nothing = crate::model::advertiser::Budget {
        total: Some(crate::base::money::Money::ZERO),
        ..Default::default()
    };
    let shop = world.shop(pick.advertiser);
    let campaign = shop.and_then(|shop| shop.advertiser.campaigns.get(pick.campaign_index as usize));
    match (shop, campaign) {
        (Some(shop), Some(campaign)) => Limits {
            campaign: campaign.budget,
            advertiser: shop.advertiser.budget,
            day: now.local_day(&shop.advertiser.timezone),
        },
        _ => Limits {
            campaign: nothing,
            advertiser: nothing,
            day: crate::base::time::Day(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_admits_so_many_a_second() {
        let rate = Rate::default();
        let at = |ms: i64| Millis(1_790_000_000_000 + ms);
        let admitted = (0..10).filter(|n| rate.admits(3, at(*n))).count();
        assert_eq!(admitted, 3);
        assert_eq!(rate.until_within(3, at(400)), Some(Duration::from_millis(600)));
        assert_eq!(rate.until_within(11, at(400)), None);
        assert_eq!(rate.until_within(3, at(1_000)), None);
        assert!(rate.admits(3, at(1_000)));
    }
}
