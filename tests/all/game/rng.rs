//! Seeded randomness: the same seed plays the same game.
//!
//! SplitMix64 over `base::hash::mix`. Not for secrets.

use winback::base::hash::mix;

/// A generator.
pub struct Rng(pub u64);

impl Rng {
    /// The next 64 bits.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is above zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// One of a list with something in it.
pub fn one<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.below(list.len() as u64) as usize]
}
