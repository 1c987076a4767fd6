//! Views of products in the last seven days, and the rankings made of them.
//!
//! Counts change when the writer installs a commit; rankings are made anew now and then, away from the
//! decision path, which reads one pointer. A restart counts again from users' records. Bounded for each
//! advertiser; never durable by itself.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use crate::base::id::{AdvertiserNo, ProductKey};
use crate::base::limits::VIEWED_MAX;
use crate::base::time::{Secs, Span};
use crate::model::ranking::Ranking;
use crate::state::world::World;

/// Days that count, the running one among them.
pub const DAYS: usize = 7;

/// Views of one product by day, in a ring.
#[derive(Clone, Copy, Debug, Default)]
struct Week {
    /// The last day counted.
    last: u32,
    counts: [u32; DAYS],
}

impl Week {
    /// Empties the days that `day` leaves behind.
    fn turn_to(&mut self, day: u32) {
        for gone in 0..day.saturating_sub(self.last).min(DAYS as u32) {
            self.counts[((day - gone) as usize) % DAYS] = 0;
        }
        self.last = self.last.max(day);
    }

    fn add(&mut self, day: u32, views: u32) {
        self.turn_to(day);
        if self.last - day < DAYS as u32 {
            let count = &mut self.counts[day as usize % DAYS];
            *count = count.saturating_add(views);
        }
    }

    fn sum(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// The ranking of each advertiser that has views.
pub type Rankings = HashMap<AdvertiserNo, Ranking>;

/// What is popular, by advertiser.
#[derive(Default)]
pub struct Popular {
    views: Mutex<HashMap<AdvertiserNo, HashMap<ProductKey, Week>>>,
    rankings: ArcSwap<Rankings>,
}

impl Popular {
    /// Counts a view. For the writer.
    pub fn view(&self, advertiser: AdvertiserNo, product: ProductKey, at: Secs) {
        self.views(advertiser, product, at.0 / Span::DAY.0, 1);
    }

    /// Counts so many views on a day since 2024. For the start.
    pub fn views(&self, advertiser: AdvertiserNo, product: ProductKey, day: u32, times: u32) {
        let mut views = self.views.lock();
        let of = views.entry(advertiser).or_default();
        if of.len() < VIEWED_MAX || of.contains_key(&product) {
            of.entry(product).or_default().add(day, times);
        }
    }

    /// Makes the rankings anew, as of `now`, and forgets what nobody viewed for a week.
    pub fn rank(&self, world: &World, now: Secs) {
        self.install(self.ranked(world, now));
    }

    /// The rankings of a World as of `now`; forgets likewise.
    pub fn ranked(&self, world: &World, now: Secs) -> Arc<Rankings> {
        let mut counted: Vec<(AdvertiserNo, Vec<(ProductKey, u32)>)> = Vec::new();
        {
            let mut views = self.views.lock();
            for (advertiser, of) in views.iter_mut() {
                of.retain(|_, week| {
                    week.turn_to(now.0 / Span::DAY.0);
                    week.sum() > 0
                });
                counted.push((*advertiser, of.iter().map(|(key, week)| (*key, week.sum())).collect()));
            }
            views.retain(|_, of| !of.is_empty());
        }
        let rank = |(no, viewed)| Some((no, Ranking::new(&world.shop(no)?.catalog, viewed)));
        Arc::new(counted.into_iter().filter_map(rank).collect())
    }

    /// Puts rankings in the place of those that stand.
    pub fn install(&self, rankings: Arc<Rankings>) {
        self.rankings.store(rankings);
    }

    /// The rankings as they stand.
    pub fn rankings(&self) -> Guard<Arc<Rankings>> {
        self.rankings.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_forgets_the_day_before_it() {
        let mut week = Week::default();
        for day in [100, 101, 101, 106] {
            week.add(day, 1);
        }
        assert_eq!(week.sum(), 4);
        week.turn_to(107);
        assert_eq!(week.sum(), 3, "day 100 is a week ago");
        week.add(100, 1);
        assert_eq!(week.sum(), 3, "and stays so");
        week.add(102, 1);
        week.turn_to(108);
        assert_eq!(week.sum(), 2, "late ones count while their day does");
        week.turn_to(1_000);
        assert_eq!(week.sum(), 0);
    }
}
