//! Money, ids, time, limits, hashing and seals: newtypes without any domain.
//!
//! Assumes nothing of the rest of the crate and never does IO.

pub mod country;
pub mod domain;
pub mod hash;
pub mod id;
pub mod limits;
pub mod money;
pub mod quoted;
pub mod seal;
pub mod time;
pub mod winning_price;
