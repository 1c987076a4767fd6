//! What became of requests, campaign by campaign and exchange by exchange: how many ended in which reason,
//! minute by minute of the last hour. It answers why a campaign does not spend.
//!
//! Every core adds to counts of its own, which only grow: no lock, no clock, no allocation once a campaign is
//! known. Whoever keeps the hour looks now and then what was added. Memory only: a restart begins anew. Nothing
//! is decided by it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::base::id::{CampaignNo, ExchangeNo};
use crate::base::limits::{CAMPAIGNS_MAX, EXCHANGES_MAX, FUNNEL_MINUTES, FUNNEL_PAIRS_MAX};
use crate::base::time::Millis;
use crate::model::outcome::NoBid;

/// What one request came to for one campaign, or for the exchange that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Dropped, for the reason that came last on the path.
    Dropped(NoBid),
    /// Priced, and another was worth more or had the imps it could have had.
    Outranked,
    /// A bid was made.
    Bid,
}

const FATES: usize = NoBid::ALL.len() + 2;
/// Bits of a key that name the fate.
const FATE_BITS: u32 = 6;
const _: () = assert!(FATES <= 1 << FATE_BITS, "a fate's place must fit its bits");
const _: () = assert!(
    CAMPAIGNS_MAX + EXCHANGES_MAX as u32 <= 1 << (32 - FATE_BITS),
    "and a row's the rest"
);

impl Fate {
    /// Its place in a row.
    fn place(self) -> usize {
        match self {
            Fate::Dropped(why) => why as usize,
            Fate::Outranked => FATES - 2,
            Fate::Bid => FATES - 1,
        }
    }

    fn of_place(place: usize) -> Fate {
        match NoBid::ALL.get(place) {
            Some(why) => Fate::Dropped(*why),
            None if place == FATES - 2 => Fate::Outranked,
            None => Fate::Bid,
        }
    }
}

/// What is counted of: a campaign, or an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row(u32);

impl From<CampaignNo> for Row {
    fn from(no: CampaignNo) -> Row {
        Row(no.0.min(CAMPAIGNS_MAX - 1))
    }
}

impl From<ExchangeNo> for Row {
    fn from(no: ExchangeNo) -> Row {
        Row(CAMPAIGNS_MAX + u32::from(no.0).min(EXCHANGES_MAX as u32 - 1))
    }
}

impl Row {
    fn key(self, place: usize) -> u32 {
        self.0 << FATE_BITS | place as u32
    }
}

/// Rows whose counts lie together.
const PAGE: usize = 64;
const PAGES: usize = (CAMPAIGNS_MAX as usize + EXCHANGES_MAX).div_ceil(PAGE);
type Page = Box<[AtomicU32]>;

/// What one core has counted since the start. Only that core adds.
pub struct Counts(Box<[OnceLock<Page>]>);

impl Counts {
    fn new() -> Counts {
        Counts((0..PAGES).map(|_| OnceLock::new()).collect())
    }

    /// Counts one more. With one writer, a load and a store lose nothing.
    pub fn add(&self, row: Row, fate: Fate) {
        let (page, at) = (row.0 as usize / PAGE, row.0 as usize % PAGE);
        let page = self.0[page].get_or_init(|| (0..PAGE * FATES).map(|_| AtomicU32::new(0)).collect());
        let count = &page[at * FATES + fate.place()];
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// The counts of all cores, and the last hour of them.
#[derive(Default)]
pub struct Funnels {
    hour: Mutex<Hour>,
    unkept: AtomicU64,
}

#[derive(Default)]
struct Hour {
    cores: Vec<Core>,
    /// The oldest first.
    minutes: VecDeque<Minute>,
}

struct Core {
    counts: Arc<Counts>,
    /// What of it has been taken over, page by page.
    taken: Vec<Option<Box<[u32]>>>,
}

struct Minute {
    /// Which one since 1970.
    no: i64,
    counts: BTreeMap<u32, u32>,
}

impl Funnels {
    /// The counts of one more core.
    pub fn core(&self) -> Arc<Counts> {
        let counts = Arc::new(Counts::new());
        self.hour.lock().cores.push(Core {
            counts: counts.clone(),
            taken: (0..PAGES).map(|_| None).collect(),
        });
        counts
    }

    /// Takes over what was counted since the last time, as of the minute of `now`, and forgets what is over an
    /// hour old.
    pub fn gather(&self, now: Millis) {
        let Hour { cores, minutes } = &mut *self.hour.lock();
        let no = now.0.div_euclid(60_000);
        minutes.retain(|minute| minute.no > no - FUNNEL_MINUTES);
        if minutes.back().is_none_or(|last| last.no < no) {
            minutes.push_back(Minute {
                no,
                counts: BTreeMap::new(),
            });
        }
        let Some(minute) = minutes.back_mut() else { return };
        for core in cores {
            core.take(|key, more| {
                if minute.counts.len() < FUNNEL_PAIRS_MAX || minute.counts.contains_key(&key) {
                    *minute.counts.entry(key).or_default() += more;
                } else {
                    self.unkept.fetch_add(u64::from(more), Relaxed);
                }
            });
        }
    }

    /// What became of the requests of the hour before `now` that were about a campaign, or from an exchange, in
    /// the order of the path. Only what has been gathered.
    pub fn of(&self, row: impl Into<Row>, now: Millis) -> Vec<(Fate, u64)> {
        let row = row.into();
        let since = now.0.div_euclid(60_000) - FUNNEL_MINUTES;
        let mut sums = [0u64; FATES];
        for minute in self.hour.lock().minutes.iter().filter(|minute| minute.no > since) {
            for (key, count) in minute.counts.range(row.key(0)..=row.key(FATES - 1)) {
                sums[(key & ((1 << FATE_BITS) - 1)) as usize] += u64::from(*count);
            }
        }
        let counted = sums.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(place, count)| (Fate::of_place(place), *count)).collect()
    }

    /// How much was counted that found no place in its minute.
    pub fn unkept(&self) -> u64 {
        self.unkept.load(Relaxed)
    }
}

impl Core {
    /// Tells what was added to each pair since the last time.
    fn take(&mut self, mut tell: impl FnMut(u32, u32)) {
        for (at, (page, taken)) in self.counts.0.iter().zip(&mut self.taken).enumerate() {
            let Some(page) = page.get() else { continue };
            let taken = taken.get_or_insert_with(|| vec![0; PAGE * FATES].into());
            for (place, (count, taken)) in page.iter().zip(taken.iter_mut()).enumerate() {
                let now = count.load(Relaxed);
                let more = now.wrapping_sub(std::mem::replace(taken, now));
                if more > 0 {
                    tell(Row((at * PAGE + place / FATES) as u32).key(place % FATES), more);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Span;

    const NOW: Millis = Millis(1_790_000_000_000);
    const NO: CampaignNo = CampaignNo(7);

    #[test]
    fn what_all_cores_count_is_of_the_minute_and_gone_after_an_hour() {
        let funnels = Funnels::default();
        let (one, other) = (funnels.core(), funnels.core());
        let frequency = Fate::Dropped(NoBid::Frequency);
        for _ in 0..3 {
            one.add(NO.into(), frequency);
            other.add(NO.into(), frequency);
        }
        one.add(NO.into(), Fate::Bid);
        one.add(CampaignNo(8).into(), Fate::Outranked);
        one.add(ExchangeNo(7).into(), Fate::Dropped(NoBid::UnknownUser));
        assert!(funnels.of(NO, NOW).is_empty(), "not gathered yet");
        funnels.gather(NOW);
        assert_eq!(funnels.of(NO, NOW), [(frequency, 6), (Fate::Bid, 1)]);
        assert_eq!(funnels.of(CampaignNo(8), NOW), [(Fate::Outranked, 1)]);
        assert_eq!(funnels.of(ExchangeNo(7), NOW), [(Fate::Dropped(NoBid::UnknownUser), 1)]);
        let later = NOW.after(Span(30 * 60));
        one.add(NO.into(), Fate::Bid);
        funnels.gather(later);
        assert_eq!(funnels.of(NO, later), [(frequency, 6), (Fate::Bid, 2)]);
        let after = NOW.after(Span(60 * 60));
        assert_eq!(funnels.of(NO, after), [(Fate::Bid, 1)], "without gathering, too");
        funnels.gather(after);
        assert_eq!(funnels.of(NO, after), [(Fate::Bid, 1)]);
        assert!(funnels.of(NO, NOW.after(Span(90 * 60))).is_empty());
    }

    #[test]
    fn a_minute_keeps_so_many_pairs_and_counts_the_rest() {
        let funnels = Funnels::default();
        let core = funnels.core();
        let most = FUNNEL_PAIRS_MAX as u32;
        for no in 0..most + 10 {
            core.add(CampaignNo(no).into(), Fate::Bid);
        }
        funnels.gather(NOW);
        assert_eq!(funnels.unkept(), 10);
        core.add(CampaignNo(3).into(), Fate::Bid);
        funnels.gather(NOW);
        assert_eq!((funnels.of(CampaignNo(3), NOW), funnels.unkept()), (vec![(Fate::Bid, 2)], 10));
    }

    #[test]
    fn counts_go_on_past_their_width() {
        let funnels = Funnels::default();
        let core = funnels.core();
        core.add(NO.into(), Fate::Bid);
        core.0[0].get().expect("a page")[NO.0 as usize * FATES + Fate::Bid.place()].store(u32::MAX, Relaxed);
        funnels.gather(NOW.before(Span(2 * 3_600)));
        core.add(NO.into(), Fate::Bid);
        core.add(NO.into(), Fate::Bid);
        funnels.gather(NOW);
        assert_eq!(funnels.of(NO, NOW), [(Fate::Bid, 2)]);
    }
}
