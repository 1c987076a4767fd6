//! What a decision ends in: bids, or a reason why not.
//!
//! A no-bid is a value, not an error. One enum gives the metric label, OpenRTB's `nbr` and the
//! sentence that explain shows.

use crate::base::id::{AdvertiserNo, BidTag, CampaignNo, CreativeNo, ExchangeNo, ProductKey, UserKey};
use crate::base::money::Money;
use crate::base::time::Secs;
use crate::model::hold::{BudgetHold, Taken, WinShare};
use crate::model::showing::Place;

macro_rules! reasons {
    ($($name:ident $label:literal $nbr:literal $sentence:literal),+ $(,)?) => {
        /// Why there is no bid, in the order of the path (contract §4): of several candidates the
        /// reason of the one that got furthest is the request's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum NoBid {
            $(#[doc = $sentence] $name),+
        }

        impl NoBid {
            /// Every reason, in path order.
            pub const ALL: &'static [NoBid] = &[$(NoBid::$name),+];

            /// The metric label and the word in explain.
            pub const fn label(self) -> &'static str {
                match self { $(NoBid::$name => $label),+ }
            }

            /// OpenRTB's no-bid reason code (2.6 §8).
            pub const fn nbr(self) -> u16 {
                match self { $(NoBid::$name => $nbr),+ }
            }

            /// The sentence that explain shows.
            pub const fn sentence(self) -> &'static str {
                match self { $(NoBid::$name => $sentence),+ }
            }
        }
    };
}

reasons! {
    Malformed "malformed" 2 "the request cannot be read",
    TooLarge "too_large" 2 "the request is larger than the limit",
    TooLate "too_late" 15 "too little time was left to answer",
    Overloaded "overloaded" 1 "the server has more requests than it can answer in time",
    NotReady "not_ready" 1 "the server is starting or draining",
    StorePoisoned "store_poisoned" 1 "the store refused a write, so nothing may be spent",
    TestOnly "test_only" 1 "this exchange is answered test requests only",
    Consent "consent" 0 "the privacy signals do not allow reading an id",
    OptedOut "opted_out" 8 "the user has opted out",
    NoId "no_id" 8 "the request names nobody",
    UnknownUser "unknown_user" 8 "no id of the request leads to a user with events",
    InvalidTraffic "invalid_traffic" 4 "the user behaves like a machine, or the device is a crawler's or in a data centre",
    NoAudience "no_audience" 8 "the user is in none of the campaign's audiences",
    Paused "paused" 0 "the campaign is paused or archived",
    Flight "flight" 0 "now is outside the campaign's flight",
    Hours "hours" 0 "now is outside the campaign's hours",
    Targeting "targeting" 0 "the request does not meet the campaign's targeting",
    HouseBlocked "house_blocked" 7 "the house blocks this domain, app, category or seller",
    BlockedAdvertiser "blocked_advertiser" 0 "the request blocks the advertiser's domain",
    BlockedCategory "blocked_category" 0 "the request blocks the advertiser's category",
    BlockedSeat "blocked_seat" 0 "the request does not admit our seat",
    CreativeBlocked "creative_blocked" 0 "the request does not admit the creative: attribute, type, media type, language or security",
    CreativeNotApproved "creative_not_approved" 0 "the exchange has not approved the creative",
    BillingId "billing_id" 0 "the imp is billed to none of our billing ids",
    Deal "deal" 0 "the imp is for deals that the campaign is not part of",
    Currency "currency" 0 "no currency of the request or its floor has a rate",
    Format "format" 0 "no creative has a format that the imp takes",
    Size "size" 0 "no creative has a size that the imp takes",
    Frequency "frequency" 9 "a frequency cap is reached",
    Budget "budget" 0 "the budget is spent or held by bids under way",
    Pacing "pacing" 0 "even pacing spares the budget for later",
    BelowFloor "below_floor" 0 "the impression is worth less than the floor",
    NoProduct "no_product" 0 "no product can be shown",
    NoCreative "no_creative" 0 "no creative can be rendered",
    Contended "contended" 1 "caps or budgets changed while the bid was made",
}

/// One imp's bid: all that committing and accounting need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Index of the imp in the request.
    pub imp: u16,
    /// The exchange asked.
    pub exchange: ExchangeNo,
    /// Who advertises.
    pub advertiser: AdvertiserNo,
    /// The advertiser's own book, where it has a budget or caps of its own.
    pub advertiser_book: CampaignNo,
    /// The campaign.
    pub campaign: CampaignNo,
    /// Index of the campaign in its advertiser.
    pub campaign_index: u32,
    /// The creative.
    pub creative: CreativeNo,
    /// The product shown.
    pub product: ProductKey,
    /// Whose impression it is.
    pub user: UserKey,
    /// What evidence will name.
    pub tag: BidTag,
    /// The CPM bid, in the currency of the answer.
    pub price: Money,
    /// What is held of the budgets, in the advertiser's currency.
    pub hold: BudgetHold,
    /// How much of it counts as likely to be paid.
    pub share: WinShare,
    /// When the bid was made.
    pub at: Secs,
    /// How long the budget hold stands.
    pub hold_s: u32,
    /// How long the frequency hold stands; 0 where no cap counts the campaign.
    pub cap_hold_s: u32,
    /// The imp's deal it is for, from one; 0 in the open market.
    pub deal: u16,
    /// Hash of page or app and placement: two bids for one within 2 s count once.
    pub placement: u16,
    /// `test` requests cost nothing and hold nothing.
    pub test: bool,
    /// Purchases may be led back to it.
    pub tracked: bool,
    /// Where the ad is to be shown.
    pub place: Place,
}

impl Pick {
    /// Its budget hold.
    pub fn taken(&self) -> Taken {
        Taken {
            exchange: self.exchange,
            amount: self.hold,
            at: self.at,
            hold_s: self.hold_s,
        }
    }
}

/// What `decide` ends in. The bytes of an answer are in the scratch it was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No imp is bid on; the reason of the candidate that got furthest.
    NoBid(NoBid),
    /// At least one imp is bid on.
    Bid {
        /// How many bids.
        bids: u16,
        /// State of the user's hold bucket that the decision saw.
        epoch: u32,
    },
}

impl Outcome {
    /// Why there is no bid.
    pub const fn why_not(&self) -> Option<NoBid> {
        match self {
            Outcome::NoBid(why) => Some(*why),
            Outcome::Bid { .. } => None,
        }
    }
}
