//! winback: a retargeting bidder.
#![doc = ""]
pub mod base;
pub mod model;
pub mod openrtb;
pub mod sim;
