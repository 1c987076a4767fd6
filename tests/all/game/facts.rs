//! What the oracle is told: config as JSON, and a plain list of all that happened so far.
//!
//! Kept by the game beside the state that `decide` reads, and never made from it.

use serde_json::Value;

/// Which shop, campaign or creative: by their places in the documents.
pub type Place = usize;

/// A bid made earlier, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Bid {
    /// Person, shop, campaign, creative.
    pub who: [Place; 4],
    /// Page or app, and placement.
    pub spot: String,
    /// When, in milliseconds.
    pub at: i64,
    /// Until when, in milliseconds, it counts for frequency without any sign of an impression.
    pub capped: i64,
    /// When the first such sign came, in seconds.
    pub seen: Option<i64>,
    /// What it holds of budgets.
    pub hold: i128,
    /// Until when, in seconds, that hold stands.
    pub held: i64,
    /// What was billed for it.
    pub billed: i128,
    /// The shop's local day of the auction.
    pub day: String,
}

/// All that there is to know.
#[derive(Default)]
pub struct Facts {
    /// `winback.json`.
    pub server: Value,
    /// The house's lists, by their names in `house.block` without `_file`.
    pub house: Value,
    /// Advertisers' documents.
    pub shops: Vec<Value>,
    /// Their feeds' items.
    pub feeds: Vec<Vec<Value>>,
    /// What exchanges call each shop's creatives.
    pub crids: Vec<Vec<String>>,
    /// The ids that people go by, each with whose it is; ours are of `""`.
    pub people: Vec<Vec<(String, String)>>,
    /// The addresses that they give to shops, which may be other people's as well.
    pub addresses: Vec<Option<usize>>,
    /// People who opted out: only our own id still tells who they are.
    pub gone: Vec<usize>,
    /// Person, shop, second, event.
    pub told: Vec<(usize, Place, i64, Value)>,
    /// Every bid.
    pub bids: Vec<Bid>,
    /// Impressions, clicks and conversions of each shop's campaigns.
    pub counts: Vec<Vec<[i128; 3]>>,
    /// What each shop's campaigns multiply their bids with where their budgets are spread, in billionths.
    pub paces: Vec<Vec<i128>>,
    /// And each shop over all of its campaigns.
    pub own_paces: Vec<i128>,
    /// Exchange, shop, creative, and the second until which it is not offered there.
    pub suspended: Vec<(usize, Place, Place, i64)>,
    /// Why the server makes no bids at all, where it does not.
    pub down: Option<&'static str>,
}

impl Facts {
    /// Whether one is the other, or gives the same address.
    pub fn is_near(&self, one: usize, other: usize) -> bool {
        let address = |of: usize| self.addresses.get(of).copied().flatten();
        one == other || address(one).is_some() && address(one) == address(other)
    }
}

/// One request, as it is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Index of the exchange in the server's config.
    pub exchange: usize,
    /// The body.
    pub body: Vec<u8>,
    /// Now, in milliseconds.
    pub now: i64,
    /// Milliseconds since it arrived.
    pub waited: i64,
}

/// One imp's winner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Win {
    /// Index of the imp, shop, campaign, creative.
    pub who: [Place; 4],
    /// CPM in the currency of the answer, in billionths.
    pub price: i128,
    /// The deal it is for.
    pub deal: Option<String>,
    /// The billing id that it names.
    pub billed_to: Option<String>,
}

/// A winner, and what the oracle says of it that no answer does.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// As the game keeps it.
    pub bid: Bid,
    /// Index of the imp.
    pub imp: usize,
    /// See [`Win`].
    pub price: i128,
    /// See [`Win`].
    pub deal: Option<String>,
    /// See [`Win`].
    pub billed_to: Option<String>,
}

/// Winners, the best first; or the reason why nobody wins.
pub type Verdict = Result<Vec<Made>, &'static str>;

/// A TC string that grants every purpose we need to vendor 10 (privacy.md §2, test vectors).
pub const TC_GRANTS: &str = "CQSbk4AQSbk4AAKADBENBkFgAPLAAALAAAqIAtgBAAAEAABAAABAAIAtgBAAAAAAAAAAAAAIAAA.IAtwAwAFAAggCYALYA";
/// One that grants nobody consent (likewise).
pub const TC_DENIES: &str = "CQSbk4AQSbk4AAKADBENBkFgAAAAAELAAAqIAAABbAAAAAAAAAAAAAAAQAA.IAtgAAAAAAAAAAAAAAI";
