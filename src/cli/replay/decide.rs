//! One config's side of a replay: what it answers to a sampled request.
//!
//! The very decision of the server, told what campaigns were dropped for, with the key that no listener opens.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::app::still::Look;
use crate::base::id::CampaignNo;
use crate::base::money::Currency;
use crate::base::time::Millis;
use crate::bid::{Ask, Scratch, Trace, decide};
use crate::model::outcome::{NoBid, Outcome};
use crate::model::told::{Detail, Step};
use crate::openrtb::response::Form;
use crate::server::samples::bid;
use crate::server::samples::record::{Bid, Record};
use crate::state::State;

/// Advertiser and id of a campaign.
pub type Title = (String, String);

/// A config, ready to decide.
pub struct Side {
    /// What it is called in the report.
    pub name: String,
    /// Its World.
    pub look: Look,
    scratch: Scratch,
    titles: BTreeMap<CampaignNo, Title>,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why there was no bid.
    pub reason: Option<String>,
    /// The bids, by imp.
    pub bids: Vec<Bid>,
    /// The reason of each campaign that was a candidate and made no bid; of a recorded answer none is known.
    pub dropped: BTreeMap<Title, NoBid>,
}

impl Answer {
    /// As it was recorded.
    pub fn recorded(record: &Record) -> Answer {
        let mut bids = record.bids.clone();
        bids.sort();
        Answer {
            reason: record.reason.clone(),
            bids,
            dropped: BTreeMap::new(),
        }
    }
}

/// The reason of each campaign, of several the one that got furthest.
#[derive(Default)]
struct Dropped(BTreeMap<CampaignNo, NoBid>);

impl Trace for Dropped {
    const ON: bool = true;
    fn stage(&mut self, _: &'static str) {}
    fn dropped(&mut self, campaign: CampaignNo, why: NoBid, _: impl FnOnce() -> Detail) {
        let furthest = self.0.entry(campaign).or_insert(why);
        *furthest = why.max(*furthest);
    }
    fn priced(&mut self, _: CampaignNo, _: impl FnOnce() -> Step) {}
}

impl Side {
    /// Of a config that was read.
    pub fn new(name: String, look: Look) -> Side {
        let mut titles = BTreeMap::new();
        for shop in look.world.shops() {
            let advertiser = &shop.advertiser;
            let of = advertiser.campaigns.iter();
            titles.extend(of.map(|campaign| (campaign.no, (advertiser.id.clone(), campaign.id.clone()))));
        }
        Side {
            name,
            look,
            scratch: Scratch::default(),
            titles,
        }
    }

    /// What it answers; none where it does not know the exchange, or the seed is none.
    pub fn answer(&mut self, record: &Record, state: &State) -> Option<Answer> {
        let world = &self.look.world;
        let ask = Ask {
            exchange: world.exchange_by_id(&record.exchange)?.no,
            body: record.request.get().as_bytes(),
            form: Form::Json,
            now: Millis(record.at),
            waited_ms: 0,
            seed: record.seed()?,
            barred: None,
            inert: true,
        };
        state.popular.install(self.look.rankings.clone());
        let mut told = Dropped::default();
        let outcome = decide(world, state, &ask, &mut self.scratch, &mut told);
        let picks = &self.scratch.picks;
        let title = |no: &CampaignNo| self.titles.get(no).cloned();
        let lost = told.0.iter().filter(|(no, _)| picks.iter().all(|pick| pick.campaign != **no));
        let dropped = lost.filter_map(|(no, why)| Some((title(no)?, *why))).collect();
        let (reason, mut bids) = match outcome {
            Outcome::NoBid(why) => (Some(why.label().to_owned()), Vec::new()),
            Outcome::Bid { .. } => {
                let currency = currency(&self.scratch.out);
                (None, picks.iter().filter_map(|pick| bid(world, pick, currency)).collect())
            }
        };
        bids.sort();
        Some(Answer { reason, bids, dropped })
    }
}

/// The currency that an answer names.
fn currency(answer: &[u8]) -> Currency {
    #[derive(Deserialize)]
    struct Named {
        cur: String,
    }
    let named = serde_json::from_slice::<Named>(answer).ok();
    named.and_then(|named| Currency::parse(&named.cur)).unwrap_or(Currency::USD)
}
