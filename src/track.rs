//! What happens after and around bids: events, matches, notices, impressions, clicks, conversions.
//!
//! Everything that must not be lost is a fact. Facts are folded into rows, rows are committed, and
//! only then does State change and the caller hear of it (architecture rules 3 and 4). Nothing here
//! reads a clock or does IO; the disk is a trait.

pub mod approval;
pub mod credit;
pub mod events;
pub mod fact;
pub mod fold;
mod invalid;
pub mod notice;
pub mod price;
pub mod settle;
mod told;
pub mod who;
pub mod writer;
#[cfg(test)]
mod tests;
