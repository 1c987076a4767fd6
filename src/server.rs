//! The listeners and what they share: bid requests on raw hyper, one runtime a core; browsers and
//! shops on axum.
//!
//! HTTP in, decisions and facts out. Never decides anything itself and changes nothing in the store but
//! through the writer.

pub mod ages;
pub mod audit;
pub mod bids;
pub mod bodies;
pub mod compaction;
pub mod counts;
pub mod crowd;
pub mod engine;
pub mod feeds;
pub mod files;
pub mod funnel;
pub mod history;
pub mod http;
pub mod intake;
pub mod labels;
pub mod lag;
pub mod listener;
pub mod meters;
pub mod names;
pub mod notices;
pub mod public;
mod rights;
pub mod samples;
mod share;
pub mod shops;
pub mod sizes;
mod socket;
pub mod sync;
pub mod tag;
mod valve;
mod visitor;
pub mod watch;
