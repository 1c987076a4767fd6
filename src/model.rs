//! The domain as plain data: campaigns, products, events, what is remembered of a shopper, and what
//! a decision may end in.
//!
//! Everything here has been checked by whoever built it. Nothing here does IO, reads a clock or
//! holds a lock.

pub mod advertiser;
pub mod audience;
pub mod choice;
pub mod crawlers;
pub mod dimension;
pub mod eids;
pub mod event;
pub mod exchange;
pub mod exposure;
pub mod hold;
pub mod house;
pub mod links;
pub mod matched;
pub mod native;
pub mod offer;
pub mod outcome;
pub mod product;
pub mod profile;
pub mod ranking;
pub mod rows;
pub mod showing;
pub mod spot;
pub mod targeting;
pub mod taxonomy;
pub mod template;
pub mod ticket;
pub mod told;
pub mod traffic;
