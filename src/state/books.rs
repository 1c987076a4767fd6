//! Budgets: what each campaign (or advertiser) has spent and what is held by bids under way; and what
//! was observed of it.
//!
//! One book behind one small lock, in chunks that never move, so a reader takes no other lock. Sums are
//! `i128`, never atomics.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::book::Book;
use super::pacing::Pace;
use crate::base::id::{CampaignNo, ExchangeNo};
use crate::base::limits::CAMPAIGNS_MAX;
use crate::base::money::{Money, Ratio, Round};
use crate::base::time::{Day, Secs};
use crate::model::advertiser::{BidRule, Budget};
use crate::model::hold::{BudgetHold, Room, Taken, WinShare};

const CHUNK: usize = 256;
/// Events that a prior counts for: so many clicks or conversions have to be seen before observation
/// weighs as much as the prior.
const PRIOR_EVENTS: u64 = 20;

/// All books by number.
pub struct Books {
    chunks: Box<[OnceLock<Box<[Entry]>>]>,
    dirty: Mutex<Vec<CampaignNo>>,
}

/// One campaign's book and counters.
pub struct Entry {
    book: Mutex<Book>,
    dirty: AtomicBool,
    /// Where the budget is spread evenly: how.
    pace: Mutex<Option<Box<Pace>>>,
    /// What bids are multiplied with, in billionths.
    multiplier: AtomicI64,
    /// Impressions settled, ever.
    pub impressions: AtomicU64,
    /// Clicks, ever.
    pub clicks: AtomicU64,
    /// Conversions, ever.
    pub conversions: AtomicU64,
}

impl Default for Entry {
    fn default() -> Entry {
        Entry {
            book: Mutex::default(),
            dirty: AtomicBool::new(false),
            pace: Mutex::default(),
            multiplier: AtomicI64::new(Ratio::ONE.0),
            impressions: AtomicU64::new(0),
            clicks: AtomicU64::new(0),
            conversions: AtomicU64::new(0),
        }
    }
}

impl Entry {
    /// Click and conversion rate: observed, shrunk to the rule's priors.
    pub fn rates(&self, rule: &BidRule) -> (Ratio, Ratio) {
        let [impressions, clicks, conversions] =
            [&self.impressions, &self.clicks, &self.conversions].map(|count| count.load(Ordering::Relaxed));
        (
            Ratio::shrunk(clicks, impressions, rule.prior_ctr, PRIOR_EVENTS),
            Ratio::shrunk(conversions, clicks, rule.prior_cvr, PRIOR_EVENTS),
        )
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

    /// What a budget leaves for further bids at `now`.
    pub fn room(&self, no: CampaignNo, budget: &Budget, day: Day, now: Secs) -> Room {
        self.with(no, now, |book| book.room(budget, day))
    }

    /// How much of what a campaign bids on an exchange will have to be paid at most.
    pub fn share(&self, no: CampaignNo, exchange: ExchangeNo, now: Secs) -> WinShare {
        self.entry(no).book.lock().share(exchange, now)
    }

    /// What pacing multiplies the campaign's bids with.
    pub fn multiplier(&self, no: CampaignNo) -> Ratio {
        Ratio(self.entry(no).multiplier.load(Ordering::Relaxed))
    }

    /// Takes a hold, if the budget leaves room for it.
    pub fn hold(&self, no: CampaignNo, budget: &Budget, day: Day, taken: &Taken) -> bool {
        let held = self.with(no, taken.at, |book| {
            let fits = book.room(budget, day).fits(taken.amount);
            if fits {
                book.take(taken);
            }
            fits
        });
        if held {
            self.touch(no);
        }
        held
    }

    /// Gives a hold back; nothing if it has lapsed.
    pub fn release(&self, no: CampaignNo, taken: &Taken, now: Secs) {
        self.with(no, now, |book| book.give_back(taken));
        self.touch(no);
    }

    /// Counts a bid whose holds have been taken, for what becomes of such bids and for the pace of both books.
    pub fn count_bid(&self, no: CampaignNo, advertiser_book: CampaignNo, taken: &Taken) {
        let expected = self.entry(no).book.lock().count_bid(taken);
        for book in std::iter::once(no).chain(Some(advertiser_book).filter(|book| *book != no)) {
            if let Some(pace) = &mut *self.entry(book).pace.lock() {
                pace.expect(expected);
            }
        }
    }

    /// Counts an impression of a bid made at `at`.
    pub fn count_win(&self, no: CampaignNo, exchange: ExchangeNo, at: Secs, spent: Money) {
        self.entry(no).book.lock().count_win(exchange, at, spent);
    }

    /// Counts a request that a campaign (or advertiser) with an even pace could have bid on.
    pub fn chance(&self, no: CampaignNo) {
        self.entry(no).pace.lock().get_or_insert_default().chance();
    }

    /// Lets `work` see the pace of a book, where it has one, and publishes the multiplier it returns.
    pub(super) fn steer(&self, no: CampaignNo, now: Secs, work: impl FnOnce(&mut Pace, &dyn Fn(Day) -> Standing) -> Ratio) {
        let entry = self.entry(no);
        if let Some(pace) = &mut *entry.pace.lock() {
            let standing = |day| {
                self.with(no, now, |book| Standing {
                    spent: book.spent,
                    spent_today: book.spent_on(day),
                    expected: book.outstanding().full.times(book.expected(now), Round::Nearest),
                })
            };
            entry.multiplier.store(work(pace, &standing).0, Ordering::Relaxed);
        }
    }

    /// What was spent on a local day: today, or one of the few before.
    pub fn spent_on(&self, no: CampaignNo, day: Day) -> Money {
        self.entry(no).book.lock().spent_on(day)
    }

    /// Lets `look` see how a book's budget is spread, where it is spread evenly.
    pub(super) fn pace<R>(&self, no: CampaignNo, look: impl FnOnce(Option<&Pace>) -> R) -> R {
        look(self.entry(no).pace.lock().as_deref())
    }

    /// At start: the pace as it was stored.
    pub fn restore_pace(&self, no: CampaignNo, stored: &[u8]) {
        if let Some(pace) = Pace::read(stored) {
            let entry = self.entry(no);
            entry.multiplier.store(pace.multiplier().0, Ordering::Relaxed);
            *entry.pace.lock() = Some(Box::new(pace));
        }
    }

    /// Books what was spent on a local day.
    pub fn spend(&self, no: CampaignNo, day: Day, amount: Money) {
        self.entry(no).book.lock().spend(day, amount);
    }

    /// At start: what was held by bids before, as of then.
    pub fn restore_held(&self, no: CampaignNo, held: BudgetHold, as_of: Secs) {
        self.entry(no).book.lock().restore(held, as_of);
    }

    /// Spent ever, and held in full at `now`.
    pub fn totals(&self, no: CampaignNo, now: Secs) -> (Money, Money) {
        self.with(no, now, |book| (book.spent, book.outstanding().full))
    }

    /// Books whose holds changed since the last call, with what they hold: written with the next
    /// group commit.
    pub fn take_dirty(&self, now: Secs) -> Vec<(CampaignNo, BudgetHold)> {
        let changed = std::mem::take(&mut *self.dirty.lock());
        let held = |no: CampaignNo| {
            self.entry(no).dirty.store(false, Ordering::Release);
            (no, self.with(no, now, |book| book.outstanding()))
        };
        changed.into_iter().map(held).collect()
    }

    /// Lets `work` see a book without the holds that have lapsed.
    fn with<R>(&self, no: CampaignNo, now: Secs, work: impl FnOnce(&mut Book) -> R) -> R {
        let mut book = self.entry(no).book.lock();
        book.sweep(now);
        work(&mut book)
    }

    fn touch(&self, no: CampaignNo) {
        if !self.entry(no).dirty.swap(true, Ordering::AcqRel) {
            self.dirty.lock().push(no);
        }
    }
}

/// Where a book stands, for its pace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Ever.
    pub spent: Money,
    /// On the local day asked for.
    pub spent_today: Money,
    /// What bids under way are expected to come to.
    pub expected: Money,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{HOLD_S_MAX, RING_BUCKET_S, RING_BUCKETS};

    const NO: CampaignNo = CampaignNo(3);
    const DAY: Day = Day(20_000);
    const START: Secs = Secs(90_000_000);

    fn daily(units: i64) -> Budget {
        Budget {
            daily: Some(Money::units(units)),
            ..Budget::default()
        }
    }

    /// A hold of so much, taken so many seconds after the start.
    fn taken(units: i64, after: u32, hold_s: u32) -> Taken {
        Taken {
            exchange: ExchangeNo(0),
            amount: WinShare::FULL.of(Money::units(units)),
            at: Secs(START.0 + after),
            hold_s,
        }
    }

    #[test]
    fn holds_fill_a_budget_and_lapse_by_themselves() {
        let books = Books::default();
        assert!(books.hold(NO, &daily(10), DAY, &taken(6, 0, 60)));
        assert!(!books.hold(NO, &daily(10), DAY, &taken(6, 0, 60)), "6 + 6 > 10");
        assert!(books.hold(NO, &daily(10), DAY, &taken(4, 0, 600)));
        for after in 0..=60 {
            assert!(!books.hold(NO, &daily(10), DAY, &taken(1, after, 60)), "after {after} s");
        }
        let later = Secs(START.0 + 60 + 2 * RING_BUCKET_S);
        assert_eq!(books.totals(NO, later), (Money::ZERO, Money::units(4)));
        assert_eq!(books.totals(NO, Secs(START.0 + 700)), (Money::ZERO, Money::ZERO));
    }

    #[test]
    fn a_release_gives_back_what_was_held_and_no_more() {
        let books = Books::default();
        assert!(books.hold(NO, &daily(10), DAY, &taken(6, 0, 60)));
        books.release(NO, &taken(6, 0, 60), START);
        books.release(NO, &taken(6, 0, 60), START);
        assert_eq!(books.totals(NO, START), (Money::ZERO, Money::ZERO));
        books.spend(NO, DAY, Money::units(9));
        assert!(!books.hold(NO, &daily(10), DAY, &taken(2, 0, 60)));
        assert!(books.hold(NO, &daily(10), DAY.plus(1), &taken(2, 0, 60)), "the next day");
        let total = Budget {
            total: Some(Money::units(10)),
            ..daily(10)
        };
        assert!(!books.hold(NO, &total, DAY.plus(1), &taken(2, 0, 60)));
    }

    #[test]
    fn what_was_held_before_a_restart_still_counts() {
        let books = Books::default();
        books.restore_held(NO, taken(9, 0, 60).amount, START);
        assert!(!books.hold(NO, &daily(10), DAY, &taken(2, 0, 60)));
        let before = Taken {
            at: Secs(START.0 - 10),
            ..taken(4, 0, 60)
        };
        books.release(NO, &before, START);
        assert!(books.hold(NO, &daily(10), DAY, &taken(2, 0, 60)));
        assert_eq!(books.totals(NO, Secs(START.0 + HOLD_S_MAX + 1)).1, Money::ZERO);
        assert_eq!(books.take_dirty(START).len(), 1);
        assert!(books.take_dirty(START).is_empty());
    }

    #[test]
    fn where_full_holds_would_stop_a_campaign_what_is_likely_is_held() {
        let books = Books::default();
        // A tenth of the bids are won.
        for n in 0..600 {
            let bid = taken(1, n, 60);
            books.count_bid(NO, NO, &bid);
            if n % 10 == 0 {
                books.count_win(NO, ExchangeNo(0), bid.at, Money::units(1));
            }
        }
        let share = books.share(NO, ExchangeNo(0), Secs(START.0 + 900));
        let bid = |n: u32| Taken {
            amount: share.of(Money::units(1)),
            ..taken(1, 900 + n / 100, 60)
        };
        let likely = bid(0).amount.likely;
        assert!(likely > Money(100_000_000) && likely < Money(400_000_000), "{likely}");
        let most = (0..2_000).filter(|n| books.hold(NO, &daily(100), DAY, &bid(*n))).count();
        assert!((300..1_000).contains(&most), "{most}");
        // In the last part all is held in full: nothing more until what is under way has come to an end.
        books.spend(NO, DAY, Money::units(96));
        assert!(!books.hold(NO, &daily(100), DAY, &bid(2_000)));
        assert!(
            !books.hold(NO, &daily(4_000), DAY, &taken(4_000, 920, 60)),
            "not more than there is"
        );
        let later = Taken {
            at: Secs(START.0 + 1_200),
            ..bid(0)
        };
        let last = (0..100).filter(|_| books.hold(NO, &daily(100), DAY, &later)).count();
        assert_eq!(last, 4);
    }

    #[test]
    fn random_holds_and_releases_agree_with_a_list() {
        let books = Books::default();
        let mut open: Vec<Taken> = Vec::new();
        let mut now = START;
        let mut seed = 7u64;
        for _ in 0..5_000 {
            seed = crate::base::hash::mix(seed.wrapping_add(0x9e37_79b9));
            now = Secs(now.0 + (seed % 7) as u32);
            let hold_s = (seed >> 8) as u32 % if seed & 16 == 0 { 1_800 } else { 60 };
            if seed & 3 == 0 && !open.is_empty() {
                let hold = open.swap_remove((seed >> 20) as usize % open.len());
                books.release(NO, &hold, now);
            } else {
                let hold = Taken {
                    exchange: ExchangeNo(0),
                    amount: WinShare::from_bits((seed >> 34) as u8).of(Money(i128::from(seed >> 40))),
                    at: now,
                    hold_s,
                };
                assert!(books.hold(NO, &Budget::default(), DAY, &hold));
                open.push(hold);
            }
            let step = |held_s: u32| if (held_s as usize) < RING_BUCKETS - 2 { 1 } else { RING_BUCKET_S };
            open.retain(|hold| (hold.at.0 + hold.hold_s) / step(hold.hold_s) >= now.0 / step(hold.hold_s));
            let expected: BudgetHold = open.iter().map(|hold| hold.amount).sum();
            assert_eq!(books.take_dirty(now).last().map_or(expected, |(_, held)| *held), expected);
            assert_eq!(books.totals(NO, now).1, expected.full);
        }
    }
}
