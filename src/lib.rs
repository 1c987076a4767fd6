//! winback: a retargeting bidder.
#![doc = ""]
pub mod base;
pub mod feed;
pub mod model;
pub mod openrtb;
