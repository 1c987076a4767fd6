//! What users do too fast, or too much of, to be persons: events and bids of the last minute, items of a
//! day, and when impressions were seen, to the millisecond.
//!
//! Memory only, in tables of a fixed size: where there are too many users, those who do least are forgotten
//! first. A restart counts anew; that a user was taken for a machine is kept in their record
//! (`model::profile`). Times are those of what happened, so virtual time does as well as any.

use parking_lot::Mutex;

use super::State;
use super::world::World;
use crate::base::id::{BidTag, ProductKey, UserKey};
use crate::base::limits::{LOOKED_BUCKETS, LOOKED_PER_BUCKET, MOMENTS_MAX, RATE_BUCKETS, RATES_PER_BUCKET};
use crate::base::time::{Millis, Secs, Span};
use crate::model::crawlers::is_crawler;
use crate::model::profile::Profile;

/// Seconds of a minute, each counted by itself.
const MINUTE: usize = Span::MINUTE.0 as usize;

/// The tables.
#[derive(Default)]
pub struct Traffic {
    /// Events by user.
    pub events: Rates,
    /// Bids by user.
    pub bids: Rates,
    /// Items by user.
    pub items: Looked,
    /// When impressions were seen.
    pub moments: Moments,
}

/// Whether a bid request is about a machine, or from one: for the decision path, which it costs no
/// allocation. What the device says is its user agent and its address.
pub fn is_machine(world: &World, state: &State, user: UserKey, profile: &Profile, says: [Option<&str>; 2], now: Millis) -> bool {
    let ([agent, ip], now) = (says, now.to_secs());
    let test = &*world.invalid_traffic;
    let is_in_ranges = |ip: &str| ip.parse().is_ok_and(|ip| test.ranges.has(ip));
    let bids_enough = |most| state.traffic.bids.count(user, now) >= most;
    test.is_tested
        && (profile.machine_until > now
            || test.bids_per_min.is_some_and(bids_enough)
            || agent.is_some_and(is_crawler)
            || !test.ranges.is_empty() && ip.is_some_and(is_in_ranges))
}

/// What one user did in the minute that ends with `last`, second by second.
#[derive(Clone, Copy)]
struct Rate {
    user: UserKey,
    last: Secs,
    counts: [u16; MINUTE],
}

impl Rate {
    const NONE: Rate = Rate {
        user: UserKey(0),
        last: Secs(0),
        counts: [0; MINUTE],
    };

    /// Empties the seconds that `now` leaves behind.
    fn turn_to(&mut self, now: Secs) {
        for gone in 0..now.since(self.last).min(MINUTE as u32) {
            self.counts[(now.0 - gone) as usize % MINUTE] = 0;
        }
        self.last = self.last.max(now);
    }

    fn sum(&self) -> u32 {
        self.counts.iter().map(|count| u32::from(*count)).sum()
    }

    /// What was done in the minute that ends with `now`.
    fn count(&self, now: Secs) -> u32 {
        let mut turned = *self;
        turned.turn_to(now);
        turned.sum()
    }
}

/// How often users did something in the last minute.
pub struct Rates {
    buckets: Box<[Mutex<[Rate; RATES_PER_BUCKET]>]>,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            buckets: (0..RATE_BUCKETS).map(|_| Mutex::new([Rate::NONE; RATES_PER_BUCKET])).collect(),
        }
    }
}

impl Rates {
    fn bucket(&self, user: UserKey) -> &Mutex<[Rate; RATES_PER_BUCKET]> {
        &self.buckets[(user.0 >> 20) as usize & (RATE_BUCKETS - 1)]
    }

    /// Counts what a user did `times` at `at`; how often it was within the minute then, this included. What
    /// is told of a minute that is over counts for nothing.
    pub fn add(&self, user: UserKey, at: Secs, times: u16) -> u32 {
        let mut bucket = self.bucket(user).lock();
        let own = bucket.iter().position(|rate| rate.user == user && rate.last > Secs(0));
        let place = own.unwrap_or_else(|| idlest(&*bucket, at));
        let rate = &mut bucket[place];
        if own.is_none() {
            *rate = Rate {
                user,
                last: at,
                ..Rate::NONE
            };
        }
        rate.turn_to(at);
        if rate.last.since(at) >= MINUTE as u32 {
            return 0;
        }
        let count = &mut rate.counts[at.0 as usize % MINUTE];
        *count = count.saturating_add(times);
        rate.sum()
    }

    /// How often a user did it in the minute that ends with `now`.
    pub fn count(&self, user: UserKey, now: Secs) -> u32 {
        let bucket = self.bucket(user).lock();
        bucket.iter().find(|rate| rate.user == user).map_or(0, |rate| rate.count(now))
    }
}

/// Whose place is taken by somebody new: of a user whose minute is over, else of the one who did least.
fn idlest(bucket: &[Rate], now: Secs) -> usize {
    let done = |at: &usize| bucket[*at].count(now);
    (0..bucket.len()).min_by_key(done).unwrap_or(0)
}

/// What one user looked at in a day.
#[derive(Clone, Debug, Default)]
struct Look {
    user: UserKey,
    since: Secs,
    /// The low halves of products' keys, in order: two of a few hundred are alike once in a hundred thousand
    /// users.
    items: Vec<u32>,
}

/// Which items users looked at within a day, which begins with the first of them. For the writer alone.
pub struct Looked {
    buckets: Mutex<Box<[[Look; LOOKED_PER_BUCKET]]>>,
}

impl Default for Looked {
    fn default() -> Looked {
        Looked {
            buckets: Mutex::new((0..LOOKED_BUCKETS).map(|_| Default::default()).collect()),
        }
    }
}

impl Looked {
    /// Notes an item that a user looked at; whether that makes more than `most` within the day. What was
    /// before that day is not noted.
    pub fn is_beyond(&self, user: UserKey, item: ProductKey, at: Secs, most: u32) -> bool {
        let mut buckets = self.buckets.lock();
        let bucket = &mut buckets[(user.0 >> 20) as usize & (LOOKED_BUCKETS - 1)];
        let own = bucket.iter().position(|look| look.user == user && !look.items.is_empty());
        let is_over = |look: &Look| at.since(look.since) >= Span::DAY.0;
        let idlest = || (0..bucket.len()).min_by_key(|n| if is_over(&bucket[*n]) { 0 } else { bucket[*n].items.len() });
        let place = own.or_else(idlest).unwrap_or(0);
        let look = &mut bucket[place];
        if own.is_none() || is_over(look) {
            look.user = user;
            look.since = at;
            look.items.clear();
        }
        if look.since.since(at) >= Span::DAY.0 {
            return false;
        }
        if let Err(place) = look.items.binary_search(&(item.0 as u32)) {
            // One more than there may be tells as much as all of them.
            if look.items.len() > most as usize {
                return true;
            }
            look.items.insert(place, item.0 as u32);
        }
        look.items.len() > most as usize
    }
}

/// When the latest impressions were first seen, to the millisecond: records keep seconds. For the writer
/// alone.
pub struct Moments {
    places: Mutex<Box<[(BidTag, Millis)]>>,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments {
            places: Mutex::new(vec![(BidTag(0), Millis(0)); MOMENTS_MAX].into_boxed_slice()),
        }
    }
}

impl Moments {
    /// Notes when the impression of a bid was seen.
    pub fn note(&self, tag: BidTag, at: Millis) {
        self.places.lock()[tag.0 as usize & (MOMENTS_MAX - 1)] = (tag, at);
    }

    /// When it was; none where that is no longer known.
    pub fn get(&self, tag: BidTag) -> Option<Millis> {
        let (of, at) = self.places.lock()[tag.0 as usize & (MOMENTS_MAX - 1)];
        (of == tag && at > Millis(0)).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Secs = Secs(90_000_000);

    fn later(s: u32) -> Secs {
        Secs(NOW.0 + s)
    }

    #[test]
    fn a_minute_rolls() {
        let rates = Rates::default();
        let user = UserKey(7 << 40);
        let counts: Vec<u32> = [0, 0, 10, 59].iter().map(|s| rates.add(user, later(*s), 1)).collect();
        assert_eq!(counts, [1, 2, 3, 4]);
        assert_eq!(rates.count(user, later(59)), 4);
        assert_eq!(rates.count(user, later(60)), 2, "the first two are a minute ago");
        assert_eq!(rates.count(user, later(119)), 0);
        assert_eq!(rates.count(UserKey(8 << 40), later(59)), 0);
        assert_eq!(rates.add(user, later(200), 3), 3);
        assert_eq!(rates.add(user, later(150), 1), 4, "late, and within the minute");
        assert_eq!(rates.add(user, later(140), 1), 0, "of a minute that is over");
        assert_eq!(rates.count(user, later(200)), 4);
    }

    /// The same as a list of all times says, whatever happens in whatever steps.
    #[test]
    fn rates_are_what_a_list_of_times_says() {
        let (rates, user) = (Rates::default(), UserKey(3));
        let (mut at, mut all) = (NOW, Vec::new());
        for n in 0..5_000u64 {
            at = Secs(at.0 + [0, 0, 0, 1, 1, 2, 7, 30, 61][(crate::base::hash::mix(n) % 9) as usize]);
            all.push(at);
            let listed = all.iter().filter(|then| at.since(**then) < 60).count() as u32;
            assert_eq!(rates.add(user, at, 1), listed, "{n}");
            assert_eq!(rates.count(user, at), listed);
        }
    }

    #[test]
    fn whoever_does_least_is_forgotten_first() {
        let rates = Rates::default();
        let of = |n: u64| UserKey(n);
        for _ in 0..50 {
            rates.add(of(1), NOW, 1);
        }
        for n in 2..1_000 {
            rates.add(of(n), NOW, 1);
        }
        assert_eq!(rates.count(of(1), NOW), 50, "all of them share a bucket");
        assert_eq!(rates.count(of(999), NOW), 1);
        let kept = (2..1_000).filter(|n| rates.count(of(*n), NOW) > 0).count();
        assert_eq!(kept, RATES_PER_BUCKET - 1);
    }

    #[test]
    fn items_of_a_day_are_counted_once_each() {
        let looked = Looked::default();
        let user = UserKey(9 << 40);
        let look = |item: u64, s: u32| looked.is_beyond(user, ProductKey(item), later(s), 3);
        assert!(![1, 2, 2, 1, 3, 3].iter().any(|item| look(*item, 5)));
        assert!(look(4, 6));
        assert!(look(1, 7), "and so is all else of that day");
        assert!(look(5, 8));
        assert!(!looked.is_beyond(UserKey(10 << 40), ProductKey(4), later(6), 3), "somebody else");
        assert!(!look(6, 86_405), "a day later");
        assert!(!look(7, 1), "what comes late of the day before");
    }

    #[test]
    fn moments_are_kept_until_others_come() {
        let moments = Moments::default();
        assert_eq!(moments.get(BidTag(0)), None);
        moments.note(BidTag(5), Millis(123_456));
        assert_eq!(moments.get(BidTag(5)), Some(Millis(123_456)));
        moments.note(BidTag(5 + MOMENTS_MAX as u64), Millis(123_457));
        assert_eq!(moments.get(BidTag(5)), None);
    }
}
