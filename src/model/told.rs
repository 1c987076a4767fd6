//! What a decision tells to whoever listens: of a campaign that it drops, and of how a price comes about.
//!
//! Figures as the decision had them; what they mean in words is worked out by whoever explains. Each step of a
//! price has a line for people.

use std::fmt;

use crate::base::id::CreativeNo;
use crate::base::money::{Currency, Money, Ratio};
use crate::model::advertiser::{BidKind, Cap};
use crate::model::exchange::AGREED_PRICE;

/// What is told of a campaign that is dropped, beside the reason. Imps are counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing more: config, request and record say it all.
    Plain,
    /// None of its creatives fits this imp.
    Imp(u16),
    /// A cap leaves no room.
    Capped {
        /// Which.
        cap: Cap,
        /// For this creative.
        creative: CreativeNo,
        /// What it counts: shown, under way, and bids for other imps of this request.
        counted: u32,
        /// Whether it is only reached together with those.
        with_others: bool,
    },
    /// Too many bids are under way for this user to note one more.
    HoldsFull,
    /// Budgets leave too little, in the advertiser's currency.
    Budget {
        /// What they leave.
        left: Money,
        /// What had to be held; zero where nothing is left.
        wanted: Money,
        /// Whether other imps of this request hold some of that.
        beside: bool,
    },
    /// It is worth less than the floor, CPM in the currency of the answer.
    Floor {
        /// Of which imp.
        imp: u16,
        /// What it is worth, as far as pacing allows.
        value: Money,
        /// The floor.
        floor: Money,
        /// Of both.
        currency: Currency,
    },
    /// A creative has nothing to show that the imp takes.
    Unrendered {
        /// The creative's index.
        creative: u32,
        /// The native asset that cannot be filled, where it is one.
        asset: Option<i64>,
    },
}

/// One step on the way to a price, with what stands after it. CPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The advertiser's rule.
    Rule {
        /// For what is paid.
        kind: BidKind,
        /// How much.
        amount: Money,
        /// Click and conversion rate expected.
        rates: (Ratio, Ratio),
        /// What that comes to.
        cpm: Money,
        /// Of both.
        currency: Currency,
    },
    /// The largest multiplier of the audiences that hold.
    Audience(Ratio),
    /// A bid adjustment that holds: its index, and what it multiplies with.
    Adjustment(usize, Ratio),
    /// The value was above `max_cpm`.
    Cut(Money),
    /// The value in the currency of the answer, where that is another.
    Converted(Money, Currency),
    /// What even pacing multiplies with, and what that leaves.
    Paced(Ratio, Money),
    /// What the auction makes of it.
    Auction {
        /// Index of the imp.
        imp: u16,
        /// 1 first price, 2 second price, 3 the price agreed on.
        at: i64,
        /// The deal's id, where it is one's.
        deal: Option<String>,
        /// Share of the value that is bid at first price.
        shade: Ratio,
        /// The value.
        value: Money,
        /// The floor.
        floor: Money,
        /// The bid.
        bid: Money,
        /// Of all three.
        currency: Currency,
    },
}

impl Step {
    /// Its name in explain.
    pub const fn label(&self) -> &'static str {
        match self {
            Step::Rule { .. } => "rule",
            Step::Audience(_) => "audience",
            Step::Adjustment(..) => "adjustment",
            Step::Cut(_) => "max_cpm",
            Step::Converted(..) => "currency",
            Step::Paced(..) => "pacing",
            Step::Auction { .. } => "auction",
        }
    }

    /// The CPM that stands after it; none where it is a factor only.
    pub const fn cpm(&self) -> Option<Money> {
        match self {
            Step::Rule { cpm: value, .. } | Step::Cut(value) | Step::Converted(value, _) | Step::Paced(_, value) => Some(*value),
            Step::Auction { bid, .. } => Some(*bid),
            Step::Audience(_) | Step::Adjustment(..) => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Rule {
                kind,
                amount,
                rates: (ctr, cvr),
                cpm,
                currency,
            } => match kind {
                BidKind::Cpm => write!(f, "cpm {amount} {currency}"),
                BidKind::Cpc => write!(f, "cpc {amount} × click rate {ctr} × 1000 = cpm {cpm} {currency}"),
                BidKind::Cpa => write!(
                    f,
                    "cpa {amount} × click rate {ctr} × conversion rate {cvr} × 1000 = cpm {cpm} {currency}"
                ),
            },
            Step::Audience(factor) => write!(f, "audience × {factor}"),
            Step::Adjustment(_, factor) => write!(f, "bid adjustment × {factor}"),
            Step::Cut(cut) => write!(f, "cut to max_cpm {cut}"),
            Step::Converted(value, currency) => write!(f, "that is {value} {currency}"),
            Step::Paced(factor, value) => write!(f, "even pacing × {factor} = {value}"),
            Step::Auction {
                at,
                deal,
                shade,
                value,
                floor,
                bid,
                currency,
                ..
            } => {
                if let Some(id) = deal {
                    write!(f, "deal {id}, ")?;
                }
                match at {
                    &AGREED_PRICE if bid == floor => write!(f, "agreed price {floor} {currency}, value {value}"),
                    2 => write!(f, "second price: bid the value {value} {currency}, floor {floor}"),
                    _ => write!(f, "first price: max(floor {floor}, {shade} × value {value}) = {bid} {currency}"),
                }
            }
        }
    }
}
