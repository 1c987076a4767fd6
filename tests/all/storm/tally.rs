//! What storms are counted by, and what they broke.

use std::collections::BTreeMap;

/// What was counted, and what was broken.
#[derive(Default)]
pub struct Tally {
    pub counts: BTreeMap<&'static str, usize>,
    pub breaks: BTreeMap<&'static str, usize>,
    /// The first few, in words.
    pub told: Vec<String>,
    /// Of budgets: charged, limit.
    pub charged: (i128, i128),
}

impl Tally {
    pub fn count(&mut self, what: &'static str, n: usize) {
        *self.counts.entry(what).or_default() += n;
    }

    pub fn broke(&mut self, what: &'static str, detail: String) {
        *self.breaks.entry(what).or_default() += 1;
        if self.told.len() < 5 {
            self.told.push(format!("{what}: {detail}"));
        }
    }

    pub fn add(&mut self, other: Tally) {
        other.counts.into_iter().for_each(|(what, n)| self.count(what, n));
        for (what, n) in other.breaks {
            *self.breaks.entry(what).or_default() += n;
        }
        let room = 5 - self.told.len().min(5);
        self.told.extend(other.told.into_iter().take(room));
        self.charged = (self.charged.0 + other.charged.0, self.charged.1 + other.charged.1);
    }
}
