//! Budgets: what each campaign (or advertiser) has spent and what is held by bids under way; and what
//! was observed of it.
//!
//! One book behind one small lock, in chunks that never move, so a reader takes no other lock. Holds
//! are summed in a ring of time buckets: lapse is dropping a bucket. Sums are `i128`, never atomics.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::base::id::CampaignNo;
use crate::base::limits::{CAMPAIGNS_MAX, HOLD_S_MAX, RING_BUCKET_S, RING_BUCKETS};
use crate::base::money::Money;
use crate::base::time::{Day, Secs};
use crate::model::advertiser::Budget;

const CHUNK: usize = 256;
/// Local days whose spend is kept at hand: today, and those whose bids still settle.
const DAYS: usize = 4;

/// All books by number.
pub struct Books {
    chunks: Box<[OnceLock<Box<[Entry]>>]>,
    dirty: Mutex<Vec<CampaignNo>>,
}

/// One campaign's book and counters.
#[derive(Default)]
pub struct Entry {
    book: Mutex<Book>,
    dirty: AtomicBool,
    /// Impressions settled, ever.
    pub impressions: AtomicU64,
    /// Clicks, ever.
    pub clicks: AtomicU64,
    /// Conversions, ever.
    pub conversions: AtomicU64,
}

#[derive(Clone, Debug)]
struct Book {
    spent: Money,
    days: [(Day, Money); DAYS],
    /// Holds of up to a minute, to the second; the others in coarser steps.
    rings: [Ring; 2],
    held: Money,
    /// Holds of before the start, by their sum; they lapse together.
    restored: Money,
    restored_until: Secs,
}

/// Holds by when they lapse.
#[derive(Clone, Debug)]
struct Ring {
    bucket_s: u32,
    /// The bucket of time up to which lapsed ones have been dropped.
    swept: u32,
    /// Elsewhere, so that what every decision reads of a book lies together; none before the first hold.
    slots: Option<Box<[Money; RING_BUCKETS]>>,
}

impl Ring {
    const fn new(bucket_s: u32) -> Ring {
        Ring {
            bucket_s,
            swept: 0,
            slots: None,
        }
    }

    /// Drops what has lapsed; returns its sum.
    fn sweep(&mut self, now: Secs) -> Money {
        let bucket = now.0 / self.bucket_s;
        let first = self.swept.max(bucket.saturating_sub(RING_BUCKETS as u32));
        self.swept = self.swept.max(bucket);
        let Some(slots) = &mut self.slots else { return Money::ZERO };
        (first..bucket)
            .map(|lapsed| std::mem::take(&mut slots[lapsed as usize % RING_BUCKETS]))
            .sum()
    }

    /// The slot of holds that lapse then: dropped once all of its time is over. None where it has been.
    fn slot(&mut self, lapses: Secs) -> Option<&mut Money> {
        let bucket = lapses.0 / self.bucket_s;
        let ahead = bucket.checked_sub(self.swept)?;
        let slots = self.slots.get_or_insert_with(|| Box::new([Money::ZERO; RING_BUCKETS]));
        ((ahead as usize) < RING_BUCKETS).then(|| &mut slots[bucket as usize % RING_BUCKETS])
    }
}

impl Default for Book {
    fn default() -> Book {
        Book {
            spent: Money::ZERO,
            days: [(Day(i32::MIN), Money::ZERO); DAYS],
            rings: [Ring::new(1), Ring::new(RING_BUCKET_S)],
            held: Money::ZERO,
            restored: Money::ZERO,
            restored_until: Secs(0),
        }
    }
}

impl Book {
    fn sweep(&mut self, now: Secs) {
        let lapsed: Money = self.rings.iter_mut().map(|ring| ring.sweep(now)).sum();
        self.held -= lapsed;
        if self.restored.0 != 0 && now >= self.restored_until {
            self.restored = Money::ZERO;
        }
    }

    /// The slot of a hold taken then for so long; none where it has lapsed.
    fn slot(&mut self, taken: Secs, hold_s: u32) -> Option<&mut Money> {
        let ring = &mut self.rings[usize::from(hold_s as usize >= RING_BUCKETS - 2)];
        ring.slot(Secs(taken.0.saturating_add(hold_s.min(HOLD_S_MAX))))
    }

    fn outstanding(&self) -> Money {
        self.held + self.restored
    }

    fn spent_on(&self, day: Day) -> Money {
        self.days.iter().find(|(d, _)| *d == day).map_or(Money::ZERO, |(_, spent)| *spent)
    }

    fn left(&self, budget: &Budget, day: Day) -> Option<Money> {
        let held = self.outstanding();
        let of_day = budget.daily.map(|daily| daily - self.spent_on(day) - held);
        let of_all = budget.total.map(|total| total - self.spent - held);
        match (of_day, of_all) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn book(&mut self, day: Day, amount: Money) {
        self.spent += amount;
        if let Some((_, spent)) = self.days.iter_mut().find(|(d, _)| *d == day) {
            *spent += amount;
        } else if let Some(oldest) = self.days.iter_mut().min_by_key(|(d, _)| *d).filter(|(d, _)| *d < day) {
            *oldest = (day, amount);
        }
    }
}

impl Default for Books {
    fn default() -> Books {
        let chunks = (0..CAMPAIGNS_MAX as usize / CHUNK).map(|_| OnceLock::new()).collect();
        Books {
            chunks,
            dirty: Mutex::default(),
        }
    }
}

impl Books {
    /// A campaign's entry; the last one for numbers beyond the limit, which config refuses.
    pub fn entry(&self, no: CampaignNo) -> &Entry {
        let no = no.0.min(CAMPAIGNS_MAX - 1) as usize;
        let chunk = self.chunks[no / CHUNK].get_or_init(|| (0..CHUNK).map(|_| Entry::default()).collect());
        &chunk[no % CHUNK]
    }

    /// What a budget leaves for further bids at `now`; `None` is no limit.
    pub fn left(&self, no: CampaignNo, budget: &Budget, day: Day, now: Secs) -> Option<Money> {
        let mut book = self.entry(no).book.lock();
        book.sweep(now);
        book.left(budget, day)
    }

    /// Takes a hold that lapses after `hold_s`, if the budget leaves room for it.
    pub fn hold(&self, no: CampaignNo, budget: &Budget, day: Day, amount: Money, now: Secs, hold_s: u32) -> bool {
        let entry = self.entry(no);
        let mut book = entry.book.lock();
        book.sweep(now);
        if book.left(budget, day).is_some_and(|left| left < amount) {
            return false;
        }
        if let Some(slot) = book.slot(now, hold_s) {
            *slot += amount;
            book.held += amount;
        }
        drop(book);
        self.touch(no, entry);
        true
    }

    /// Gives a hold back that was taken at `taken` for `hold_s`; nothing if it has lapsed.
    pub fn release(&self, no: CampaignNo, amount: Money, taken: Secs, hold_s: u32, now: Secs) {
        let entry = self.entry(no);
        let mut book = entry.book.lock();
        book.sweep(now);
        if let Some(slot) = book.slot(taken, hold_s) {
            let back = amount.min(*slot);
            *slot -= back;
            book.held -= back;
            let rest = amount - back;
            book.restored = book.restored.less(rest);
        }
        drop(book);
        self.touch(no, entry);
    }

    /// Books spend on a local day.
    pub fn spend(&self, no: CampaignNo, day: Day, amount: Money) {
        self.entry(no).book.lock().book(day, amount);
    }

    /// At start: what was held at `as_of`, before the process ended, as one sum. It lapses when the
    /// longest hold taken then would.
    pub fn restore_held(&self, no: CampaignNo, held: Money, as_of: Secs) {
        let mut book = self.entry(no).book.lock();
        book.restored = held;
        book.restored_until = Secs(as_of.0.saturating_add(HOLD_S_MAX));
    }

    /// Spent ever, and held at `now`.
    pub fn totals(&self, no: CampaignNo, now: Secs) -> (Money, Money) {
        let mut book = self.entry(no).book.lock();
        book.sweep(now);
        (book.spent, book.outstanding())
    }

    /// Books whose holds changed since the last call, with what they hold: written with the next
    /// group commit.
    pub fn take_dirty(&self, now: Secs) -> Vec<(CampaignNo, Money)> {
        let changed = std::mem::take(&mut *self.dirty.lock());
        let held = |no: CampaignNo| {
            self.entry(no).dirty.store(false, Ordering::Release);
            (no, self.totals(no, now).1)
        };
        changed.into_iter().map(held).collect()
    }

    fn touch(&self, no: CampaignNo, entry: &Entry) {
        if !entry.dirty.swap(true, Ordering::AcqRel) {
            self.dirty.lock().push(no);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: CampaignNo = CampaignNo(3);
    const DAY: Day = Day(20_000);
    const START: Secs = Secs(90_000_000);

    fn daily(units: i64) -> Budget {
        Budget {
            daily: Some(Money::units(units)),
            ..Budget::default()
        }
    }

    #[test]
    fn holds_fill_a_budget_and_lapse_by_themselves() {
        let books = Books::default();
        assert!(books.hold(NO, &daily(10), DAY, Money::units(6), START, 60));
        assert!(!books.hold(NO, &daily(10), DAY, Money::units(6), START, 60), "6 + 6 > 10");
        assert!(books.hold(NO, &daily(10), DAY, Money::units(4), START, 600));
        for after in 0..=60 {
            assert!(
                !books.hold(NO, &daily(10), DAY, Money(1), Secs(START.0 + after), 60),
                "after {after} s"
            );
        }
        let later = Secs(START.0 + 60 + 2 * RING_BUCKET_S);
        assert_eq!(books.totals(NO, later), (Money::ZERO, Money::units(4)));
        assert_eq!(books.totals(NO, Secs(START.0 + 700)), (Money::ZERO, Money::ZERO));
    }

    #[test]
    fn a_release_gives_back_what_was_held_and_no_more() {
        let books = Books::default();
        assert!(books.hold(NO, &daily(10), DAY, Money::units(6), START, 60));
        books.release(NO, Money::units(6), START, 60, START);
        books.release(NO, Money::units(6), START, 60, START);
        assert_eq!(books.totals(NO, START), (Money::ZERO, Money::ZERO));
        books.spend(NO, DAY, Money::units(9));
        assert!(!books.hold(NO, &daily(10), DAY, Money::units(2), START, 60));
        assert!(books.hold(NO, &daily(10), DAY.plus(1), Money::units(2), START, 60), "the next day");
        assert!(!books.hold(
            NO,
            &Budget {
                total: Some(Money::units(10)),
                ..daily(10)
            },
            DAY.plus(1),
            Money::units(2),
            START,
            60
        ));
    }

    #[test]
    fn what_was_held_before_a_restart_still_counts() {
        let books = Books::default();
        books.restore_held(NO, Money::units(9), START);
        assert!(!books.hold(NO, &daily(10), DAY, Money::units(2), START, 60));
        books.release(NO, Money::units(4), Secs(START.0 - 10), 60, START);
        assert!(books.hold(NO, &daily(10), DAY, Money::units(2), START, 60));
        assert_eq!(books.totals(NO, Secs(START.0 + HOLD_S_MAX + 1)).1, Money::ZERO);
        assert_eq!(books.take_dirty(START).len(), 1);
        assert!(books.take_dirty(START).is_empty());
    }

    #[test]
    fn random_holds_and_releases_agree_with_a_list() {
        let books = Books::default();
        let mut open: Vec<(Money, Secs, u32)> = Vec::new();
        let mut now = START;
        let mut seed = 7u64;
        for _ in 0..5_000 {
            seed = crate::base::hash::mix(seed.wrapping_add(0x9e37_79b9));
            now = Secs(now.0 + (seed % 7) as u32);
            let hold_s = (seed >> 8) as u32 % if seed & 16 == 0 { 1_800 } else { 60 };
            if seed & 3 == 0 && !open.is_empty() {
                let (amount, taken, held_s) = open.swap_remove((seed >> 20) as usize % open.len());
                books.release(NO, amount, taken, held_s, now);
            } else {
                let amount = Money(i128::from(seed >> 40));
                assert!(books.hold(NO, &Budget::default(), DAY, amount, now, hold_s));
                open.push((amount, now, hold_s));
            }
            let step = |held_s: u32| if (held_s as usize) < RING_BUCKETS - 2 { 1 } else { RING_BUCKET_S };
            open.retain(|(_, taken, held_s)| (taken.0 + held_s) / step(*held_s) >= now.0 / step(*held_s));
            let expected: Money = open.iter().map(|(amount, ..)| *amount).sum();
            assert_eq!(books.totals(NO, now).1, expected);
        }
    }
}
