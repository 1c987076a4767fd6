//! OpenRTB on the wire: the request as the bidder reads it, the answer as it writes it.
//!
//! Requests are read in place by a scanner of our own (measured: serde_json allocates); everything
//! else in the crate that is JSON is serde_json's. Nothing here decides anything.

pub mod attributes;
pub mod decode;
pub mod feedback;
pub mod json;
pub mod markup;
pub mod native;
pub mod opening;
pub mod player;
pub mod request;
pub mod vast;
