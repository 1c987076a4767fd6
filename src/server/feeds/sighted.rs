//! What events say of products, held against the feed: how many of their items it lists, and which it does not.
//!
//! The classic mistake is a site that names products otherwise than its feed: then nobody's cart can be shown.
//! Bounded: a day by the hour, and as many ids as `FEED_UNLISTED_MAX`, those that come most often (the
//! Space-Saving algorithm: beyond that many different ids a count may be too high, never too low).

use crate::base::limits::FEED_UNLISTED_MAX;
use crate::base::time::Secs;

const HOUR_S: u32 = 3_600;
const HOURS: usize = 24;

/// Items of the last day's events.
#[derive(Debug, Default)]
pub struct Sighted {
    hours: [Hour; HOURS],
    ids: Vec<Unlisted>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Hour {
    /// Since 1970.
    no: u32,
    listed: u64,
    unlisted: u64,
}

/// An id that the feed did not list when an event named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    /// As the event wrote it.
    pub item_id: Box<str>,
    /// How often it came.
    pub count: u64,
    /// When it came last.
    pub last: Secs,
}

impl Sighted {
    /// Takes in the items of one batch.
    pub fn add(&mut self, listed: usize, unlisted: &[String], now: Secs) {
        let no = now.0 / HOUR_S;
        let hour = &mut self.hours[no as usize % HOURS];
        if hour.no != no {
            *hour = Hour { no, ..Hour::default() };
        }
        hour.listed += listed as u64;
        hour.unlisted += unlisted.len() as u64;
        unlisted.iter().for_each(|id| self.count(id, now));
    }

    fn count(&mut self, id: &str, now: Secs) {
        if let Some(known) = self.ids.iter_mut().find(|known| *known.item_id == *id) {
            known.count += 1;
            known.last = now;
            return;
        }
        let mut new = Unlisted {
            item_id: id.into(),
            count: 1,
            last: now,
        };
        if self.ids.len() < FEED_UNLISTED_MAX {
            return self.ids.push(new);
        }
        // Whoever is gone for a day makes room first, then whoever came least often.
        let rank = |known: &&mut Unlisted| (!known.is_over(now), known.count);
        if let Some(least) = self.ids.iter_mut().min_by_key(rank) {
            new.count += if least.is_over(now) { 0 } else { least.count };
            *least = new;
        }
    }

    /// Items of the last day that the feed listed when they came, and that it did not.
    pub fn totals(&self, now: Secs) -> (u64, u64) {
        let from = (now.0 / HOUR_S).saturating_sub(HOURS as u32 - 1);
        let hours = self.hours.iter().filter(|hour| hour.no >= from);
        hours.fold((0, 0), |(listed, unlisted), hour| (listed + hour.listed, unlisted + hour.unlisted))
    }

    /// The ids of the last day that were not listed, those that came most often first.
    pub fn unlisted(&self, now: Secs) -> Vec<Unlisted> {
        let mut ids: Vec<Unlisted> = self.ids.iter().filter(|id| !id.is_over(now)).cloned().collect();
        ids.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.item_id.cmp(&b.item_id)));
        ids
    }
}

impl Unlisted {
    fn is_over(&self, now: Secs) -> bool {
        now.since(self.last) >= HOURS as u32 * HOUR_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Secs = Secs(1_790_000_000);

    fn ids(sighted: &Sighted, now: Secs) -> Vec<(String, u64)> {
        let listed = sighted.unlisted(now);
        listed.iter().map(|id| (id.item_id.to_string(), id.count)).collect()
    }

    #[test]
    fn a_day_is_counted_and_then_forgotten() {
        let mut sighted = Sighted::default();
        let id = |n: &str| vec![n.to_owned()];
        sighted.add(3, &id("x"), NOW);
        sighted.add(1, &[], Secs(NOW.0 + 2 * HOUR_S));
        sighted.add(0, &[id("x"), id("y")].concat(), Secs(NOW.0 + 2 * HOUR_S));
        let soon = Secs(NOW.0 + 3 * HOUR_S);
        assert_eq!(sighted.totals(soon), (4, 3));
        assert_eq!(ids(&sighted, soon), [("x".to_owned(), 2), ("y".to_owned(), 1)]);
        let later = Secs(NOW.0 + 24 * HOUR_S);
        assert_eq!(sighted.totals(later), (1, 2));
        let much_later = Secs(NOW.0 + 27 * HOUR_S);
        assert_eq!(sighted.totals(much_later), (0, 0));
        assert_eq!(ids(&sighted, much_later), []);
    }

    #[test]
    fn ids_are_bounded_and_the_frequent_ones_stay() {
        let mut sighted = Sighted::default();
        for n in 0..10 * FEED_UNLISTED_MAX {
            sighted.add(0, &[format!("once-{n}"), "often".to_owned(), "twice".repeat(1 + n % 2)], NOW);
        }
        let found = ids(&sighted, NOW);
        assert_eq!(found.len(), FEED_UNLISTED_MAX);
        assert_eq!(found[0], ("often".to_owned(), 10 * FEED_UNLISTED_MAX as u64));
        assert_eq!(sighted.totals(NOW), (0, 30 * FEED_UNLISTED_MAX as u64));
    }
}
