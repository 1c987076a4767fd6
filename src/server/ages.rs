//! How old matches are, by exchange: those that are held, counted as they are looked through on the disk, and those that
//! are made anew.

use crate::base::id::ExchangeNo;
use crate::base::limits::EXCHANGES_MAX;

/// Bounds of histograms of ages, in seconds: from an hour to a quarter of a year.
pub const BOUNDS_S: [u32; 9] = [3_600, 21_600, 86_400, 259_200, 604_800, 1_209_600, 2_592_000, 5_184_000, 7_776_000];

/// Matches that are held.
#[derive(Debug, Default)]
pub struct Ages(Vec<OfExchange>);

/// Those of one exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfExchange {
    /// Told by shops, which do not say since when.
    pub told: u64,
    /// By bounds, those older than all last.
    brought: [u64; BOUNDS_S.len() + 1],
}

impl Ages {
    /// Counts a match of such an age; none of one that a shop told.
    pub fn count(&mut self, exchange: ExchangeNo, age_s: Option<u32>) {
        if self.0.is_empty() {
            self.0 = vec![OfExchange::default(); EXCHANGES_MAX];
        }
        let Some(of) = self.0.get_mut(usize::from(exchange.0)) else {
            return;
        };
        match age_s {
            Some(age_s) => of.brought[BOUNDS_S.partition_point(|bound| *bound < age_s)] += 1,
            None => of.told += 1,
        }
    }

    /// Those of an exchange.
    pub fn of(&self, exchange: ExchangeNo) -> OfExchange {
        self.0.get(usize::from(exchange.0)).copied().unwrap_or_default()
    }
}

impl OfExchange {
    /// Labels of buckets, and how many matches that browsers brought are no older than that.
    pub fn buckets(&self) -> impl Iterator<Item = (String, u64)> {
        let labels = BOUNDS_S.iter().map(u32::to_string).chain(["+Inf".to_owned()]);
        labels.zip(self.brought).scan(0, |sum, (label, count)| {
            *sum += count;
            Some((label, *sum))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_counted_by_the_least_bound_that_they_are_within() {
        let mut ages = Ages::default();
        for age_s in [0, 3_600, 3_601, 7_776_000, 7_776_001] {
            ages.count(ExchangeNo(2), Some(age_s));
        }
        ages.count(ExchangeNo(2), None);
        let of = ages.of(ExchangeNo(2));
        let counts: Vec<u64> = of.buckets().map(|(_, count)| count).collect();
        assert_eq!((of.told, counts), (1, vec![2, 3, 3, 3, 3, 3, 3, 3, 4, 5]));
        assert_eq!(of.buckets().last().map(|(label, _)| label).as_deref(), Some("+Inf"));
        assert_eq!(ages.of(ExchangeNo(1)), OfExchange::default());
    }
}
