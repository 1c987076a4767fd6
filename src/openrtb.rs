//! OpenRTB on the wire: the request as the bidder reads it, what an imp takes, and the markup of each format.
//!
//! Requests, native ones among them, are read in place, JSON by a scanner of our own (measured: serde_json
//! allocates); native ads are written as they are made. Everything else in the crate that is JSON is serde_json's. Nothing
//! here decides whether to bid.

pub mod attributes;
pub mod deals;
pub mod decode;
pub mod dsa;
pub mod eids;
pub mod extension;
pub mod feedback;
pub mod floor;
pub mod json;
pub mod markup;
pub mod native;
pub mod opening;
pub mod player;
pub mod protobuf;
pub mod request;
pub mod response;
pub mod slot;
pub mod source;
pub mod vast;
