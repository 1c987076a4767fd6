//! Files as people write them, to values as the program uses them: checked whole, every fault of a
//! file in one run, each with its place (contract §2, §3).
//!
//! Assumes nothing of a file. Does no IO but on the files a config names: it looks whether they are
//! there, and makes missing event keys. Never reads an amount as a float, never numbers an advertiser
//! whose file has faults.

mod access;
pub mod ad;
mod advertiser;
mod audience;
mod campaign;
mod creative;
pub mod edit;
mod exchange;
pub mod fault;
mod hours;
mod house;
mod lines;
mod links;
mod media;
mod node;
mod preset;
mod product_rules;
mod reader;
pub mod schema;
mod secret;
pub mod server;
pub mod settings;
mod shape;
mod spend;
mod structure;
mod targeting;
#[cfg(test)]
mod tests;

pub use access::{BY_FILE, FIRST_TOKEN, Role, TokenFile};
pub use advertiser::{Claim, advertiser, claims, draft_advertiser, feed_url};
pub use edit::{EditFault, edit_campaign, edit_campaign_text};
pub use fault::Fault;
pub use preset::{PRESETS, preset};
pub use secret::secret;
pub use server::{Server, draft_server, server, server_from_text};
pub use spend::never_spends;

use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, CampaignNo, CreativeNo};

/// What an advertiser's file is read against.
pub struct Context<'a> {
    /// The server's config: its exchanges, rates and retention.
    pub server: &'a Server,
    /// How product handles are made.
    pub hashes: &'a Hashes,
    /// Who gives numbers.
    pub numbers: &'a dyn Numbers,
}

/// Gives out the numbers that stand for configured ids: the same for the same id, for ever.
pub trait Numbers {
    /// An advertiser's number.
    fn advertiser(&self, id: &str) -> AdvertiserNo;
    /// The number of an advertiser's own book.
    fn book(&self, advertiser: &str) -> CampaignNo;
    /// A campaign's number.
    fn campaign(&self, advertiser: &str, campaign: &str) -> CampaignNo;
    /// A creative's number within its advertiser.
    fn creative(&self, advertiser: &str, creative: &str) -> CreativeNo;
    /// Whether event keys that are missing are made: not for whoever only looks.
    fn makes_keys(&self) -> bool {
        true
    }
}
