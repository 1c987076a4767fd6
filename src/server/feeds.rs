//! Product feeds under a running server: how each one does, and fetching those that are by address.
//!
//! A feed that fails leaves the catalogue before it. What is known here is memory of fixed size for each
//! advertiser and never on the bid path; what was fetched is kept in `data_dir`.

pub mod address;
pub mod fetch;
mod kept;
mod refresh;
mod sighted;
mod sink;
pub mod trust;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::engine::Engine;
use super::shops::FeedRead;
use crate::base::id::AdvertiserNo;
use crate::base::limits::FEED_FETCHES_MAX;
use crate::base::time::{Millis, Secs, Span};
use crate::feed::FeedReport;
use crate::model::advertiser::{Advertiser, FeedSource, Shop};
use crate::state::world::World;
use crate::track::events::Read;

pub use kept::Kept;
pub use refresh::{Obtained, Trouble, fetch_due, manner, obtain, probe, refresh};
pub use sighted::{Sighted, Unlisted};

/// After the first failure a feed is asked for again so soon; after each further one twice as late.
const RETRY_FIRST_S: u32 = 60;
/// No later than this, or than `refresh` where that is later.
const RETRY_LAST_S: u32 = 3_600;
/// The longest that a server may send us away.
const RETRY_AFTER_MAX_S: u32 = 86_400;
/// From so many items a day on, and with such a part of them missing from the feed (one in so many), the log says so.
const COMPLAIN_FROM: u64 = 100;
const COMPLAIN_PART: u64 = 5;
const COMPLAIN_EVERY: Duration = Duration::from_secs(86_400);

/// What came of the last look at a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody has looked yet.
    #[default]
    Waiting,
    /// Its file was read, or what was fetched before.
    Read,
    /// It was fetched and read: 200.
    Fetched,
    /// It is what it was: 304.
    Unchanged,
    /// What was there before stays.
    Failed,
}

impl Outcome {
    /// Its name in metrics and the API.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Waiting => "waiting",
            Outcome::Read => "read",
            Outcome::Fetched => "fetched",
            Outcome::Unchanged => "unchanged",
            Outcome::Failed => "failed",
        }
    }
}

/// How a feed does.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// What came of the last look.
    pub outcome: Outcome,
    /// When that was.
    pub tried: Option<Millis>,
    /// Why it failed: a word for programs, and a sentence.
    pub problem: Option<(&'static str, String)>,
    /// Failures since the last success.
    pub failures: u32,
    /// When it was last known to be what its source has.
    pub good: Option<Millis>,
    /// What the feed in use held.
    pub report: Option<Arc<FeedReport>>,
    /// When it is asked for next, where it is by address.
    pub next: Option<Millis>,
}

/// What is known of one advertiser's feed.
#[derive(Default)]
struct Known {
    /// The advertiser's id.
    id: String,
    /// The address that the schedule is about.
    url: Option<String>,
    health: Health,
    sighted: Sighted,
    due: Option<Instant>,
    is_busy: bool,
    complained: Option<Instant>,
}

/// What is known of every feed.
pub struct Feeds {
    known: Mutex<HashMap<AdvertiserNo, Known>>,
    /// So many are fetched at a time.
    room: Semaphore,
}

impl Default for Feeds {
    fn default() -> Feeds {
        Feeds {
            known: Mutex::default(),
            room: Semaphore::new(FEED_FETCHES_MAX),
        }
    }
}

/// A feed's file or address as it is called: without user, password and query, which may be secrets.
pub fn name(source: &FeedSource) -> String {
    let Some(text) = &source.url else {
        return source.path.display().to_string();
    };
    let Ok(mut url) = url::Url::parse(text) else { return text.clone() };
    // Of an address without host both fail, and there is nothing to hide.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// How long to wait after so many failures in a row.
fn pause(failures: u32, refresh: Span, retry_after_s: Option<u32>) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::from_secs(u64::from(refresh.0));
    };
    let doubled = RETRY_FIRST_S.saturating_mul(1 << doublings.min(20));
    let wanted = retry_after_s.unwrap_or(0).min(RETRY_AFTER_MAX_S);
    Duration::from_secs(u64::from(doubled.min(refresh.0.max(RETRY_LAST_S)).max(wanted)))
}

impl Feeds {
    /// How a feed does; none where nothing is known.
    pub fn health(&self, no: AdvertiserNo) -> Option<Health> {
        let known = self.known.lock();
        let known = known.get(&no)?;
        let left = known.due.map(|due| due.saturating_duration_since(Instant::now()));
        let next = left.map(|left| Millis(Millis::wall_clock().0 + i64::try_from(left.as_millis()).unwrap_or(i64::MAX / 2)));
        Some(Health {
            next,
            ..known.health.clone()
        })
    }

    /// Looks at what events say of a feed's products.
    pub fn sightings<T>(&self, no: AdvertiserNo, look: impl FnOnce(&Sighted) -> T) -> T {
        match self.known.lock().get(&no) {
            Some(known) => look(&known.sighted),
            None => look(&Sighted::default()),
        }
    }

    /// Takes in what accepted events name, where there is a feed to hold it against; not what no person did.
    pub fn sighted(&self, shop: &Shop, read: &Read, now: Secs) {
        let is_real = read.batch.as_ref().is_some_and(|batch| batch.invalid.is_none());
        let names_any = read.named.listed + read.named.unlisted.len() > 0;
        if is_real && names_any && !shop.catalog.is_empty() {
            self.with(&shop.advertiser, |known| {
                known.sighted.add(read.named.listed, &read.named.unlisted, now);
            });
        }
    }

    /// Notes a feed that was read from a file, and tells log and metrics.
    pub fn announce(&self, advertiser: &Advertiser, read: &FeedRead) {
        read.announce(&advertiser.id);
        let now = Millis::wall_clock();
        self.with(advertiser, |known| {
            let health = &mut known.health;
            health.tried = Some(now);
            match &read.outcome {
                Ok(report) => {
                    *health = Health {
                        outcome: Outcome::Read,
                        tried: Some(now),
                        good: Some(read.fetched.unwrap_or(now)),
                        report: Some(Arc::new(report.clone())),
                        ..Health::default()
                    };
                }
                Err(fault) => health.fail("unreadable", fault.to_string()),
            }
        });
    }

    fn with<T>(&self, advertiser: &Advertiser, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock();
        let known = known.entry(advertiser.no).or_default();
        if known.id != advertiser.id {
            known.id.clone_from(&advertiser.id);
        }
        act(known)
    }

    /// The feeds by address that are to be fetched now. What was kept of advertisers that are gone goes.
    fn due(&self, world: &World, now: Instant, forget: impl Fn(&str)) -> Vec<Arc<Shop>> {
        self.known.lock().retain(|no, known| {
            let stays = world.shop(*no).is_some();
            if !stays {
                forget(&known.id);
            }
            stays
        });
        let mut found = Vec::new();
        for shop in world.shops() {
            let url = shop.advertiser.feed.as_ref().and_then(|source| source.url.as_ref());
            let is_due = self.with(&shop.advertiser, |known| {
                if known.url.as_ref() != url {
                    known.url = url.cloned();
                    known.due = None;
                    known.health.failures = 0;
                }
                url.is_some() && !known.is_busy && known.due.is_none_or(|due| due <= now)
            });
            if is_due {
                found.push(shop.clone());
            }
        }
        found
    }

    /// Notes what came of fetching.
    fn settle(&self, advertiser: &Advertiser, refresh: Span, came: Result<(Outcome, Option<FeedReport>), &Trouble>) {
        let now = Millis::wall_clock();
        self.with(advertiser, |known| {
            let health = &mut known.health;
            health.tried = Some(now);
            let retry_after_s = match came {
                Ok((outcome, report)) => {
                    health.outcome = outcome;
                    health.good = Some(now);
                    (health.problem, health.failures) = (None, 0);
                    health.report = report.map(Arc::new).or(health.report.take());
                    None
                }
                Err(trouble) => {
                    health.fail(trouble.kind(), trouble.to_string());
                    trouble.retry_after_s()
                }
            };
            known.due = Some(Instant::now() + pause(health.failures, refresh, retry_after_s));
        });
    }

    /// Has a feed fetched again at the next look.
    fn hurry(&self, advertiser: &Advertiser) {
        self.with(advertiser, |known| known.due = None);
    }

    /// Feeds whose site names products otherwise, each once a day.
    fn complaints(&self, world: &World, now: Instant, at: Secs) -> Vec<String> {
        let mut said = Vec::new();
        let mut known = self.known.lock();
        for (_, known) in known.iter_mut().filter(|(no, _)| world.shop(**no).is_some()) {
            let (listed, unlisted) = known.sighted.totals(at);
            let is_much = listed + unlisted >= COMPLAIN_FROM && unlisted * COMPLAIN_PART > listed + unlisted;
            let is_told = known.complained.is_some_and(|told| now.duration_since(told) < COMPLAIN_EVERY);
            let first = known.sighted.unlisted(at).into_iter().next();
            let Some(first) = first.filter(|_| is_much && !is_told) else {
                continue;
            };
            known.complained = Some(now);
            said.push(format!(
                "advertiser `{}`: {unlisted} of {} items in the last day's events are not in its feed, such as `{}`: see `GET /api/feeds`",
                known.id,
                listed + unlisted,
                first.item_id
            ));
        }
        said
    }
}

impl Health {
    fn fail(&mut self, kind: &'static str, problem: String) {
        self.outcome = Outcome::Failed;
        self.failures = self.failures.saturating_add(1);
        self.problem = Some((kind, problem));
    }
}

/// Whoever has it looks at the feed, and nobody else does.
pub struct Claim {
    engine: Arc<Engine>,
    no: AdvertiserNo,
}

impl Claim {
    /// Of an advertiser's feed; none while somebody has it.
    pub fn of(engine: &Arc<Engine>, advertiser: &Advertiser) -> Option<Claim> {
        let is_free = engine.feeds.with(advertiser, |known| !std::mem::replace(&mut known.is_busy, true));
        is_free.then(|| Claim {
            engine: engine.clone(),
            no: advertiser.no,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(known) = self.engine.feeds.known.lock().get_mut(&self.no) {
            known.is_busy = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::advertiser::FeedFormat;

    #[test]
    fn failures_are_tried_again_soon_and_then_seldom() {
        let seconds = |failures, refresh, retry| pause(failures, refresh, retry).as_secs();
        let quarter = Span(900);
        let waits: Vec<u64> = (0..9).map(|failures| seconds(failures, quarter, None)).collect();
        assert_eq!(waits, [900, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        assert_eq!(seconds(40, Span::DAY, None), 86_400);
        assert_eq!(seconds(1, quarter, Some(700)), 700);
        assert_eq!(seconds(1, quarter, Some(u32::MAX)), 86_400);
        assert_eq!(seconds(0, quarter, Some(700)), 900);
    }

    #[test]
    fn a_name_tells_no_secret() {
        let of = |url: &str| {
            name(&FeedSource {
                path: "x.xml".into(),
                url: Some(url.to_owned()).filter(|url| !url.is_empty()),
                format: FeedFormat::Auto,
                refresh: Span::HOUR,
                id_prefixes: Vec::new(),
                auth: None,
            })
        };
        assert_eq!(of(""), "x.xml");
        assert_eq!(
            of("https://me:pass@shop.example:8443/f.xml?key=1#a"),
            "https://shop.example:8443/f.xml"
        );
    }
}
