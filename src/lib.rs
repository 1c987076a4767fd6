//! winback: a retargeting bidder. From a cart left behind to an ad with that product, in one binary.
//!
//! An exchange posts a bid request; [`bid::decide`] reads it, recognises the shopper, picks campaign,
//! price and product, and writes the answer; [`state::holds::commit`] takes the holds. Events, notices,
//! clicks and purchases are facts: [`track`] folds them, [`store`] makes them durable, and only then
//! does [`state`] change.
//!
//! Modules stand in the order in which they may import one another: each only from those above it.
//!
//! What is absent, on purpose: nothing under `bid/` awaits, logs, reads a clock, allocates once warm
//! or holds a lock across two stages; no amount of money is a float; no foreign id is kept in the
//! clear in memory; no tracking URL means anything without our keys.

pub mod base;
pub mod model;
pub mod openrtb;
pub mod privacy;
pub mod state;
pub mod bid;
pub mod track;
pub mod store;
pub mod config;
pub mod feed;
pub mod server;
pub mod admin;
