//! What the bidder knows while it runs: the World (config, immutable) and the State (users, matches,
//! exposures, holds, books).
//!
//! Durable parts of State change only when the writer installs a committed batch; holds change when
//! a bid is committed. No guard of a map leaves this module, nothing here reads a clock or waits for
//! a disk.

pub mod approvals;
mod book;
pub mod books;
pub mod day_row;
pub mod funnel;
pub mod hand;
pub mod holds;
pub mod losses;
pub mod maps;
pub mod pacing;
pub mod popular;
pub mod prices_seen;
pub mod records;
pub mod resolved;
pub mod sight;
pub mod sites;
pub mod traffic;
mod wins;
pub mod world;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::base::hash::mix;
use crate::base::id::{AdvertiserNo, BidTag, CampaignNo, MatchKey, UserKey};
use crate::base::limits::EXCHANGES_MAX;
use crate::base::money::{Money, Ratio};
use crate::base::time::{Day, Secs};
use crate::model::exposure::{self, Exposure};
use crate::model::profile::{Profile, Section};
use crate::model::ticket::Ticket;
use crate::model::traffic::Invalid;
use approvals::Approvals;
use books::Books;
pub use day_row::{Buyer, DayRow};
use funnel::Funnels;
use holds::CapHolds;
use losses::Losses;
use maps::KeyedMap;
use popular::Popular;
use prices_seen::PricesSeen;
use records::Records;
use resolved::Resolved;
use sites::Sites;
use traffic::Traffic;

/// What leads from a user and an advertiser to the record where that one keeps what it knows of the user, if
/// it is not the user's own: a person with several browsers has one such record.
pub fn home_key(user: UserKey, advertiser: AdvertiserNo) -> MatchKey {
    MatchKey(mix(user.0 ^ mix(u64::from(advertiser.0) + 1)))
}

/// Everything that changes.
pub struct State {
    /// Records of users (`model::profile`).
    pub users: Records,
    /// Foreign ids to users.
    pub matches: KeyedMap<UserKey>,
    /// Impressions of users (`model::exposure`).
    pub exposures: Records,
    /// Users who opted out, and the foreign ids that led to them.
    pub opted_out: KeyedMap<()>,
    /// Frequency holds.
    pub cap_holds: CapHolds,
    /// Budgets: spent and held; observed rates.
    pub books: Books,
    /// Bids whose budget hold has been given back.
    pub resolved: Resolved,
    /// What reports are made of.
    pub days: Mutex<HashMap<(CampaignNo, Day), DayRow>>,
    /// Impressions that wait for the sign that bills them.
    pub pending: Mutex<BTreeMap<(Secs, BidTag), Ticket>>,
    /// What exchanges think of creatives.
    pub approvals: Approvals,
    /// What became of requests of late, campaign by campaign.
    pub funnels: Funnels,
    /// What they tell of lost bids.
    pub losses: Losses,
    /// What shoppers look at.
    pub popular: Popular,
    /// What exchanges charge of what is bid.
    pub paid: [PaidShare; EXCHANGES_MAX],
    /// Names of the sites that bids were made for of late.
    pub sites: Sites,
    /// Encrypted prices, and the bids they came with.
    pub prices_seen: PricesSeen,
    /// Impressions whose frequency hold had lapsed, or was forgotten in a crash, before any evidence.
    pub cap_late: AtomicU64,
    /// Users who left because they were not seen within the retention, and to stay within the memory.
    pub evicted: [AtomicU64; hand::Why::ALL.len()],
    /// What users do too much of to be persons.
    pub traffic: Traffic,
    /// Events, impressions and clicks that were invalid.
    pub invalid: [AtomicU64; Invalid::ALL.len()],
    /// Whether bids may be made and facts taken.
    pub status: Status,
}

impl Default for State {
    fn default() -> State {
        State {
            users: Records::of_profiles(),
            matches: KeyedMap::default(),
            exposures: Records::default(),
            opted_out: KeyedMap::default(),
            cap_holds: CapHolds::default(),
            books: Books::default(),
            resolved: Resolved::default(),
            days: Mutex::default(),
            pending: Mutex::default(),
            approvals: Approvals::default(),
            funnels: Funnels::default(),
            losses: Losses::default(),
            popular: Popular::default(),
            paid: std::array::from_fn(|_| PaidShare::default()),
            sites: Sites::default(),
            prices_seen: PricesSeen::default(),
            cap_late: AtomicU64::new(0),
            evicted: Default::default(),
            traffic: Traffic::default(),
            invalid: Default::default(),
            status: Status::default(),
        }
    }
}

impl State {
    /// Counts what was invalid.
    pub fn count_invalid(&self, why: Invalid, times: u64) {
        self.invalid[why as usize].fetch_add(times, Ordering::Relaxed);
    }

    /// The user of a foreign id.
    pub fn matched(&self, key: MatchKey) -> Option<UserKey> {
        self.matches.get(key.0)
    }

    /// Reads what is known of a user, with what shops keep of the person in another record; false where nothing
    /// is that they did. `memory` is for the other records.
    pub fn recall(&self, user: UserKey, profile: &mut Profile, shown: &mut Vec<Exposure>, memory: &mut (Profile, Vec<Exposure>)) -> bool {
        let found = self.users.read(user.0, |record| profile.read(record));
        if found.is_none() || profile.sections.is_empty() {
            return false;
        }
        if self.exposures.read(user.0, |entries| exposure::read(entries, shown)).is_none() {
            shown.clear();
        }
        if profile.sections.iter().any(Section::is_elsewhere) {
            let (other, also_shown) = memory;
            profile.fetch(other, |advertiser, other| {
                let Some(home) = self.matched(home_key(user, advertiser)) else {
                    return false;
                };
                if self.exposures.read(home.0, |entries| exposure::read(entries, also_shown)).is_some() {
                    shown.extend_from_slice(also_shown);
                }
                self.users.read(home.0, |record| other.read(record)).is_some()
            });
        }
        !profile.sections.is_empty()
    }

    /// What is remembered of users takes so many bytes at most.
    pub fn users_bytes(&self) -> u64 {
        self.users.bytes() + self.exposures.bytes() + self.matches.len() as u64 * maps::ENTRY_BYTES
    }

    /// From now on it is timed by this clock how long shards are locked.
    pub fn time_by(&self, clock: maps::Clock) {
        self.users.time_by(clock);
        self.exposures.time_by(clock);
        self.matches.time_by(clock);
    }

    /// The longest that a shard of any map was locked.
    pub fn longest_holds(&self) -> maps::Longest {
        let all = [self.users.longest(), self.exposures.longest(), self.matches.longest()];
        maps::Longest {
            steady_ns: all.iter().map(|of| of.steady_ns).max().unwrap_or(0),
            doubling_ns: all.iter().map(|of| of.doubling_ns).max().unwrap_or(0),
        }
    }
}

/// Whether the server may bid.
#[derive(Debug, Default)]
pub struct Status {
    ready: AtomicBool,
    poisoned: AtomicBool,
}

impl Status {
    /// Store loaded, every advertiser read, not draining.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Sets readiness.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// A durable write failed: nothing may be spent until a restart (architecture rule 5).
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Poisons, for good.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }
}

/// Whole per cents, so that half of a bid is exactly half.
const SHARE_STEPS: usize = 101;

/// What share of its bids an exchange charges: a histogram, for notices without a usable price.
#[derive(Debug)]
pub struct PaidShare([AtomicU64; SHARE_STEPS]);

impl Default for PaidShare {
    fn default() -> PaidShare {
        PaidShare(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl PaidShare {
    /// Notes a price paid for a bid.
    pub fn observe(&self, paid: Money, bid: Money) {
        if let Some(step) = PaidShare::step(paid, bid) {
            self.0[step].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn step(paid: Money, bid: Money) -> Option<usize> {
        let share = |bid: i128| (paid.0.clamp(0, bid).saturating_mul(SHARE_STEPS as i128 - 1) + bid / 2) / bid;
        (bid.0 > 0).then(|| (share(bid.0) as usize).min(SHARE_STEPS - 1))
    }

    /// The median share; one where nothing is known.
    pub fn median(&self) -> Ratio {
        self.median_with(std::iter::empty())
    }

    /// The median share with further prices paid for bids.
    pub fn median_with(&self, further: impl Iterator<Item = (Money, Money)>) -> Ratio {
        let mut counts: [u64; SHARE_STEPS] = std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed));
        for step in further.filter_map(|(paid, bid)| PaidShare::step(paid, bid)) {
            counts[step] += 1;
        }
        let half = counts.iter().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        for (step, count) in counts.iter().enumerate() {
            seen += count;
            if half > 0 && seen >= half {
                return Ratio::of(step as u64, SHARE_STEPS as u64 - 1);
            }
        }
        Ratio::ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_share_is_what_is_mostly_paid() {
        let paid = PaidShare::default();
        assert_eq!(paid.median(), Ratio::ONE);
        for price in [50, 50, 90] {
            paid.observe(Money(price), Money(100));
        }
        let median = paid.median();
        assert_eq!(median, Ratio(500_000_000));
    }
}
