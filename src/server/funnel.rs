//! Counts what decisions come to, campaign by campaign: what listens to them in the server, and the task that
//! keeps the last hour.
//!
//! Of a request that drops a campaign more than once, as one with several imps may, the stage that comes last
//! counts, and of its reasons the last in the order of the path. Allocates only for campaigns never met before.

use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use crate::base::id::{CampaignNo, ExchangeNo};
use crate::base::limits::CANDIDATES_MAX;
use crate::base::time::Millis;
use crate::bid::Trace;
use crate::model::outcome::{NoBid, Outcome, Pick};
use crate::model::told::{Detail, Step};
use crate::state::funnel::{Counts, Fate};

/// How often it is looked what was counted: so exact are the ends of the hour.
const EVERY: Duration = Duration::from_secs(10);
/// Not met by the request.
const UNMET: u16 = 0;
/// What a stage adds to how far a request got; below it is why it got no further: none, or a reason's place from 1.
const STAGE: u16 = 1 << 6;
const _: () = assert!(NoBid::ALL.len() < STAGE as usize, "a reason's place stays below a stage");

/// What listens to the decisions of one core, one after the other.
pub struct Tally {
    counts: Arc<Counts>,
    /// How many stages the request has reached.
    stage: u16,
    /// How far it got with each campaign, by its number.
    furthest: Vec<u16>,
    /// Those that it met.
    met: Vec<CampaignNo>,
}

impl Tally {
    /// Of a core's counts.
    pub fn new(counts: Arc<Counts>) -> Tally {
        Tally {
            counts,
            stage: 0,
            furthest: Vec::new(),
            met: Vec::with_capacity(CANDIDATES_MAX),
        }
    }

    /// A decision begins: one before it that was refused is forgotten.
    pub fn begin(&mut self) {
        self.stage = 0;
        for campaign in self.met.drain(..) {
            self.furthest[campaign.0 as usize] = UNMET;
        }
    }

    /// Counts what a request came to, for its exchange and for every campaign that it met. `picks` are the bids
    /// that were made, or that were refused twice.
    #[inline(never)]
    pub fn settle(&mut self, exchange: ExchangeNo, outcome: &Outcome, picks: &[Pick]) {
        let of_request = outcome.why_not().map_or(Fate::Bid, Fate::Dropped);
        self.counts.add(exchange.into(), of_request);
        for campaign in self.met.drain(..) {
            let furthest = std::mem::replace(&mut self.furthest[campaign.0 as usize], UNMET);
            let reason = usize::from(furthest % STAGE).checked_sub(1).and_then(|place| NoBid::ALL.get(place));
            let fate = match reason {
                _ if picks.iter().any(|pick| pick.campaign == campaign) => of_request,
                Some(why) => Fate::Dropped(*why),
                None => Fate::Outranked,
            };
            self.counts.add(campaign.into(), fate);
        }
    }

    fn note(&mut self, campaign: CampaignNo, why: u16) {
        let at = campaign.0 as usize;
        if at >= self.furthest.len() {
            self.furthest.resize(at + 1, UNMET);
        }
        let furthest = &mut self.furthest[at];
        if *furthest == UNMET {
            self.met.push(campaign);
        }
        *furthest = (self.stage | why).max(*furthest);
    }
}

impl Trace for Tally {
    const ON: bool = false;

    fn stage(&mut self, _: &'static str) {
        self.stage += STAGE;
    }

    fn dropped(&mut self, campaign: CampaignNo, why: NoBid, _: impl FnOnce() -> Detail) {
        self.note(campaign, why as u16 + 1);
    }

    fn priced(&mut self, campaign: CampaignNo, _: impl FnOnce() -> Step) {
        self.note(campaign, 0);
    }
}

/// Keeps the last hour, for as long as the runtime lives.
pub async fn keep(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        let engine = engine.clone();
        let gathered = tokio::task::spawn_blocking(move || engine.state.funnels.gather(Millis::wall_clock()));
        if gathered.await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hold::{BudgetHold, WinShare};
    use crate::state::funnel::Funnels;

    const NOW: Millis = Millis(1_790_000_000_000);
    const EXCHANGE: ExchangeNo = ExchangeNo(1);

    fn pick(campaign: CampaignNo) -> Pick {
        Pick {
            imp: 0,
            exchange: EXCHANGE,
            advertiser: Default::default(),
            advertiser_book: Default::default(),
            campaign,
            campaign_index: 0,
            creative: Default::default(),
            product: Default::default(),
            user: Default::default(),
            tag: crate::base::id::BidTag(1),
            price: Default::default(),
            hold: BudgetHold::NONE,
            share: WinShare::FULL,
            at: Default::default(),
            hold_s: 0,
            cap_hold_s: 0,
            deal: 0,
            placement: 0,
            test: false,
            tracked: false,
            place: Default::default(),
        }
    }

    /// A decision about campaigns 1 to 5: dropped for two imps, priced and dropped, outranked, dropped at the end
    /// for what is tried early too, and picked.
    fn decide(tally: &mut Tally) {
        let no = CampaignNo;
        let drop = |tally: &mut Tally, campaign, why| tally.dropped(no(campaign), why, || Detail::Plain);
        let price = |tally: &mut Tally, campaign| tally.priced(no(campaign), || Step::Cut(Default::default()));
        tally.begin();
        for stage in ["admit", "decode", "identify", "lookup", "narrow"] {
            tally.stage(stage);
        }
        drop(tally, 1, NoBid::Size);
        drop(tally, 1, NoBid::Format);
        drop(tally, 3, NoBid::Size);
        tally.stage("pace");
        tally.stage("price");
        (2..=5).for_each(|campaign| price(tally, campaign));
        drop(tally, 2, NoBid::BelowFloor);
        tally.stage("render");
        drop(tally, 4, NoBid::Budget);
    }

    #[test]
    fn the_furthest_that_each_campaign_got_is_counted_once() {
        let funnels = Funnels::default();
        let mut tally = Tally::new(funnels.core());
        let picks = [pick(CampaignNo(5))];
        // Of one that was refused nothing stays.
        tally.begin();
        tally.stage("admit");
        tally.dropped(CampaignNo(6), NoBid::Paused, || Detail::Plain);
        decide(&mut tally);
        tally.settle(EXCHANGE, &Outcome::Bid { bids: 1, epoch: 0 }, &picks);
        decide(&mut tally);
        tally.settle(EXCHANGE, &Outcome::NoBid(NoBid::Contended), &picks);
        tally.settle(EXCHANGE, &Outcome::NoBid(NoBid::Malformed), &[]);
        funnels.gather(NOW);
        let of = |campaign| funnels.of(CampaignNo(campaign), NOW);
        assert_eq!(of(1), [(Fate::Dropped(NoBid::Size), 2)]);
        assert_eq!(of(2), [(Fate::Dropped(NoBid::BelowFloor), 2)]);
        assert_eq!(of(3), [(Fate::Outranked, 2)], "another of its imps was priced");
        assert_eq!(of(4), [(Fate::Dropped(NoBid::Budget), 2)]);
        assert_eq!(of(5), [(Fate::Dropped(NoBid::Contended), 1), (Fate::Bid, 1)]);
        assert!(of(6).is_empty());
        let exchange = [
            (Fate::Dropped(NoBid::Malformed), 1),
            (Fate::Dropped(NoBid::Contended), 1),
            (Fate::Bid, 1),
        ];
        assert_eq!(funnels.of(EXCHANGE, NOW), exchange);
    }
}
