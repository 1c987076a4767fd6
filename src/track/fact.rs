//! Facts: what is recorded, and what became of it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::id::{BidTag, MatchKey, UserKey};
use crate::base::money::Money;
use crate::base::time::Secs;
use crate::model::advertiser::Shop;
use crate::model::event::Happening;
use crate::model::ticket::Ticket;
use crate::model::traffic::Invalid;
use crate::privacy::grant::Grant;
use crate::state::hand::Leaving;

/// Something to be recorded.
#[derive(Debug)]
pub enum Fact {
    /// What one user did on an advertiser's site.
    Events(EventBatch),
    /// An exchange's id of a user of ours, and what was permitted with it.
    Match(Vec<IdRef>, Grant),
    /// A sign of an impression.
    Evidence(Evidence),
    /// A user is erased everywhere, and opted out for good if so wished.
    Forget {
        /// Whom.
        user: UserKey,
        /// Whether they opted out.
        opt_out: bool,
    },
    /// Users leave, to make room or because they were not seen for long; those seen since stay.
    Evict(Vec<Leaving>),
    /// Matches are older than they hold; those made anew since stay.
    Lapse(Vec<(UserKey, MatchKey)>),
    /// Users are to be told of who have no handle yet.
    Draw(Vec<UserKey>),
}

/// One id of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdRef {
    /// Ours: an unseen one makes a user.
    Ours(UserKey, String),
    /// Somebody else's, in their namespace.
    Foreign(MatchKey, String),
    /// The hash of an e-mail address, in the namespace of the shop that sent it: within that shop it makes one
    /// person of several users, and nowhere else.
    Email(MatchKey, String),
    /// Whose ad was clicked, by the token of the click: makes no user of somebody unknown.
    Clicked(UserKey),
}

/// Events of one user.
#[derive(Debug)]
pub struct EventBatch {
    /// Of whom.
    pub shop: Arc<Shop>,
    /// All ids are one person's, the most trusted first.
    pub ids: Vec<IdRef>,
    /// The id of a new user, should none of `ids` be known.
    pub fresh: (UserKey, String),
    /// What they did.
    pub events: Vec<NewEvent>,
    /// What was permitted with them.
    pub grant: Grant,
    /// Why the sender is nobody, where it is not: nothing is remembered of whom it names.
    pub invalid: Option<Invalid>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What is remembered of it: one entry for each item, the first not `continued`; never empty.
    pub entries: SmallVec<[Happening; 2]>,
    /// Hash of its `event_id`.
    pub event_id: Option<u64>,
    /// Hash of its `transaction_id`.
    pub order: Option<u64>,
    /// Its value in the advertiser's currency.
    pub value: Money,
    /// Whether it says a value or items: a refund that does not is of the whole order.
    pub is_stated: bool,
    /// The click that led to the page it happened on.
    pub click: Option<Clicked>,
}

/// A click, as the token on a landing page tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clicked {
    /// The bid whose ad was clicked.
    pub ticket: Ticket,
    /// Its tag.
    pub tag: BidTag,
}

/// What a sign says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The auction was won.
    Win,
    /// The impression is billed.
    Bill,
    /// The pixel was loaded.
    Pixel,
    /// The ad was clicked.
    Click,
}

/// A price as a notice carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    /// CPM in the currency of the answer.
    Price(Money),
    /// Empty, `AUDIT`, unreplaced, nonsense or undecryptable; which, for the counter.
    Unknown(&'static str),
}

/// A sign of one bid's impression.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// What it says.
    pub sign: Sign,
    /// The bid.
    pub ticket: Ticket,
    /// The bid's tag.
    pub tag: BidTag,
    /// What was paid.
    pub paid: Paid,
    /// When it came.
    pub at: Secs,
    /// Milliseconds into that second.
    pub ms: u16,
    /// Why it is no person's, as far as its request says; of a pixel or a click.
    pub invalid: Option<Invalid>,
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Recorded.
    Recorded,
    /// Recorded, and the impression billed.
    Settled,
    /// Known already: nothing changed.
    Repeat,
    /// The token's time is over: counted, not applied.
    Expired,
    /// A `test` request's: nothing is kept.
    Test,
    /// Kept and reported as invalid traffic.
    Invalid,
}

impl Effect {
    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Effect::Recorded => "recorded",
            Effect::Settled => "settled",
            Effect::Repeat => "repeat",
            Effect::Expired => "expired",
            Effect::Test => "test",
            Effect::Invalid => "invalid",
        }
    }
}
