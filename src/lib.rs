//! winback: a retargeting bidder.
#![doc = ""]
pub mod base;
pub mod config;
pub mod model;
pub mod openrtb;
