//! What is left of the campaigns while one request is decided: candidates, their offers for imps, and the
//! offers' ranks.
//!
//! Plain figures; the stages of the path fill them in, one after the other.

use std::cmp::Reverse;

use crate::base::id::{AdvertiserNo, CampaignNo, CreativeNo};
use crate::base::money::{Money, Ratio};
use crate::model::hold::Room;
use crate::model::targeting::Format;

/// A campaign that may bid, whatever the imp; later stages work its figures out once.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Whose.
    pub shop: AdvertiserNo,
    /// Index of the campaign in its advertiser.
    pub campaign: u32,
    /// What its audience multiplies the price by.
    pub multiplier: Ratio,
    /// What budgets leave, where that has been asked, in the advertiser's currency.
    pub room: Option<Room>,
    /// What it is worth in a format, where that has been asked and no deal changes it.
    pub worth: Option<(Format, Worth)>,
}

/// What an impression is worth, CPM in the currency of the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worth {
    /// By the advertiser's rule.
    pub full: Money,
    /// What of that its pace allows to be bid.
    pub paced: Money,
}

/// A campaign's creative for one imp; later stages fill in the figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer {
    /// Index of the imp.
    pub imp: u16,
    /// Index of the candidate.
    pub candidate: u16,
    /// Whose.
    pub shop: AdvertiserNo,
    /// Index of the campaign in its advertiser.
    pub campaign: u32,
    /// Its number.
    pub no: CampaignNo,
    /// Index of the creative in its advertiser.
    pub creative: u32,
    /// Its number.
    pub creative_no: CreativeNo,
    /// Index of the size in the creative.
    pub size: u16,
    /// The creative's.
    pub format: Format,
    /// Seconds that it plays.
    pub seconds: u32,
    /// What its tokens are told apart by: the imp, and which of the ads of a pod it is.
    pub slot: u16,
    /// What two bids for one impression share.
    pub placement: u16,
    /// What is bid, and in which way.
    pub terms: Terms,
}

/// What is bid for an imp.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// The imp's deal it is for, from one; 0 in the open market.
    pub deal: u16,
    /// That deal must be bid on.
    pub guaranteed: bool,
    /// What it is worth, as far as pacing allows: CPM in the currency of the answer.
    pub value: Money,
    /// What is bid, likewise.
    pub price: Money,
}

/// An offer's place among the others: guaranteed deals first, then the greatest value, ties by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// It is for a deal that must be bid on.
    pub guaranteed: bool,
    /// What it is worth.
    pub value: Money,
    /// Chance.
    pub tie: Reverse<u64>,
    /// Index of the offer.
    pub offer: u16,
}
