//! A sampled request as it is kept, one line of JSON: when it came, from where, what it said, and what it was answered.
//!
//! Names campaigns by their ids, so that a sample outlives the numbers of a store. Says of a person a handle at most.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since 1970 at which it was decided.
    pub at: i64,
    /// The decision's seed, 32 hexadecimal digits.
    pub seed: String,
    /// The exchange's id.
    pub exchange: String,
    /// Why there was no bid: the label of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The bids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bids: Vec<Bid>,
    /// The request, rewritten.
    pub request: Box<RawValue>,
}

/// One bid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bid {
    /// Which imp of the request, from 0.
    pub imp: u16,
    /// Whose.
    pub advertiser: String,
    /// For what.
    pub campaign: String,
    /// With which creative.
    pub creative: String,
    /// The product's handle, 10 hexadecimal digits; empty without one.
    pub product: String,
    /// CPM in `currency`, exactly.
    pub price: String,
    /// ISO 4217.
    pub currency: String,
    /// Of what is bid, the share that was likely to be paid at most, of one.
    pub share: String,
}

impl Record {
    /// The seed.
    pub fn seed(&self) -> Option<u128> {
        u128::from_str_radix(&self.seed, 16).ok()
    }

    /// The handle of whom it is about, where it is about anybody known.
    pub fn handle(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Request {
            #[serde(default)]
            user: User,
        }
        #[derive(Default, Deserialize)]
        struct User {
            buyeruid: Option<String>,
        }
        let request: Request = serde_json::from_str(self.request.get()).ok()?;
        request.user.buyeruid
    }
}
