//! `GET /api/advertisers/{id}/campaigns/{campaign}/funnel`: why a campaign does not spend, or spends no more: what
//! became of the last hour's requests of shoppers that its advertiser knows, and what to do about what held most of
//! them back.
//!
//! Of requests that several reasons dropped, the last on the path counts. Exact to ten seconds at the hour's ends;
//! a restart begins anew. Changes nothing.

mod advice;

use std::fmt::{self, Display};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::advertisers::unknown;
use super::explain::OUTRANKED;
use super::reply::{self, Answer, Fail, Failed, Named, Query};
use super::{Shared, losses};
use crate::base::limits::FUNNEL_MINUTES;
use crate::base::time::{Millis, Span};
use crate::model::advertiser::{Campaign, Shop};
use crate::model::outcome::NoBid;
use crate::server::engine::Engine;
use crate::state::funnel::Fate;
use crate::state::world::World;

/// What the campaign was worth to the hour's requests. Fields are added, never renamed.
#[derive(Serialize, ToSchema)]
pub struct Funnel {
    advertiser: String,
    campaign: String,
    /// Start and end of the hour, RFC 3339.
    from: String,
    to: String,
    /// What to do, what matters most first.
    advice: Vec<String>,
    /// Requests of shoppers that the advertiser knows.
    requests: u64,
    /// How many of them were left after each stage that campaigns go through.
    stages: Vec<Left>,
    /// What became of those that got no bid of this campaign, in the order of the path.
    reasons: Vec<Reason>,
    /// Requests that got a bid of this campaign.
    bids: u64,
    /// What exchanges told of its lost bids since the start of the process.
    losses: Vec<String>,
    /// What became of all requests, exchange by exchange: most are of people whom nobody knows.
    exchanges: Vec<OfExchange>,
}

/// Requests left after a stage.
#[derive(Serialize, ToSchema)]
#[schema(as = FunnelStage)]
struct Left {
    stage: &'static str,
    requests: u64,
}

/// Requests that ended in a reason.
#[derive(Serialize, ToSchema)]
#[schema(as = FunnelReason)]
struct Reason {
    stage: &'static str,
    reason: &'static str,
    requests: u64,
    /// The same for people.
    sentence: &'static str,
}

/// All requests of an exchange.
#[derive(Serialize, ToSchema)]
#[schema(as = FunnelOfExchange)]
struct OfExchange {
    exchange: String,
    requests: u64,
    bids: u64,
    reasons: Vec<Reason>,
}

/// Why a campaign does not spend: what became of the last hour's requests, and what to do.
#[utoipa::path(get, path = "/api/advertisers/{id}/campaigns/{campaign}/funnel", tag = "reports",
    params(("id" = String, Path, description = "The advertiser's id"), ("campaign" = String, Path, description = "The campaign's id"),
        ("format" = Option<String>, Query, description = "`json` (default) or `text`, for people", example = "text")), responses(
    (status = 200, content((Funnel = "application/json"), (String = "text/plain"))),
    (status = 400, description = "A parameter cannot be read", body = Failed),
    (status = 404, description = "No such advertiser or campaign", body = Failed)))]
pub async fn show(State(desk): Shared, Named((advertiser, campaign)): Named<(String, String)>, query: Query) -> Answer {
    query.only(&["format"])?;
    let engine = &desk.engine;
    let world = engine.world.load_full();
    let shop = world.shop_by_id(&advertiser).ok_or_else(|| unknown(&advertiser))?;
    let campaign = shop.advertiser.campaigns.iter().find(|known| known.id == campaign).ok_or_else(|| {
        let known: Vec<&str> = shop.advertiser.campaigns.iter().map(|campaign| campaign.id.as_str()).collect();
        let message = format!(
            "no campaign `{campaign}` in advertiser `{advertiser}`: known are {}",
            known.join(", ")
        );
        Fail::not_found("campaign_not_found", message)
    })?;
    let now = Millis::wall_clock();
    engine.state.funnels.gather(now);
    let funnel = funnel(engine, &world, shop, campaign, now);
    match query.get("format") {
        None | Some("json") => Ok(reply::json(&funnel)),
        Some("text") => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            Ok((headers, funnel.to_string()).into_response())
        }
        Some(other) => Err(Fail::bad_request(format!("unknown `format` `{other}`: known are json, text"))),
    }
}

fn funnel(engine: &Engine, world: &World, shop: &Shop, campaign: &Campaign, now: Millis) -> Funnel {
    let fates = engine.state.funnels.of(campaign.no, now);
    let requests = fates.iter().map(|(_, count)| count).sum();
    let exchanges: Vec<OfExchange> = world
        .exchanges()
        .map(|exchange| {
            let fates = engine.state.funnels.of(exchange.no, now);
            OfExchange {
                exchange: exchange.id.clone(),
                requests: fates.iter().map(|(_, count)| count).sum(),
                bids: bids(&fates),
                reasons: reasons(&fates),
            }
        })
        .collect();
    let losses = world.exchanges().filter_map(|exchange| {
        let line = losses::line(&engine.state, exchange.no, campaign.no)?;
        Some(format!("{}: {line}", exchange.id))
    });
    let case = advice::Case {
        engine,
        shop,
        campaign,
        fates: &fates,
        now,
        requests: exchanges.iter().map(|of| of.requests).sum(),
        of_known: exchanges.iter().map(OfExchange::of_known).sum(),
    };
    Funnel {
        advertiser: shop.advertiser.id.clone(),
        campaign: campaign.id.clone(),
        from: now.before(Span(FUNNEL_MINUTES as u32 * 60)).to_rfc3339(),
        to: now.to_rfc3339(),
        advice: advice::advice(&case),
        requests,
        stages: stages(&fates, requests),
        reasons: reasons(&fates),
        bids: bids(&fates),
        losses: losses.collect(),
        exchanges,
    }
}

impl OfExchange {
    /// Requests that led to somebody with events.
    fn of_known(&self) -> u64 {
        let before = self
            .reasons
            .iter()
            .filter(|reason| ["admit", "decode", "identify", "lookup"].contains(&reason.stage));
        self.requests - before.map(|reason| reason.requests).sum::<u64>()
    }
}

fn bids(fates: &[(Fate, u64)]) -> u64 {
    fates.iter().filter(|(fate, _)| *fate == Fate::Bid).map(|(_, count)| count).sum()
}

fn reasons(fates: &[(Fate, u64)]) -> Vec<Reason> {
    let told = fates.iter().filter_map(|(fate, requests)| {
        let (stage, reason, sentence) = match fate {
            Fate::Bid => return None,
            Fate::Outranked => ("render", OUTRANKED.0, OUTRANKED.1),
            Fate::Dropped(why) => (stage(*why), why.label(), why.sentence()),
        };
        Some(Reason {
            stage,
            reason,
            requests: *requests,
            sentence,
        })
    });
    told.collect()
}

/// The stage that a reason belongs to.
fn stage(why: NoBid) -> &'static str {
    match why {
        NoBid::Malformed | NoBid::TooLate | NoBid::TestOnly => "decode",
        NoBid::TooLarge | NoBid::Overloaded | NoBid::NotReady | NoBid::StorePoisoned => "admit",
        NoBid::Consent | NoBid::OptedOut | NoBid::NoId => "identify",
        NoBid::UnknownUser | NoBid::InvalidTraffic => "lookup",
        why if why < NoBid::Frequency => "narrow",
        NoBid::Frequency | NoBid::Budget => "pace",
        NoBid::Pacing | NoBid::BelowFloor => "price",
        NoBid::Contended => "respond",
        _ => "render",
    }
}

/// What is left of the requests after each of the stages that look at campaigns.
fn stages(fates: &[(Fate, u64)], requests: u64) -> Vec<Left> {
    let dropped = reasons(fates);
    let mut left = requests;
    let stages = ["narrow", "pace", "price", "render", "respond"].into_iter();
    let of = |stage| dropped.iter().filter(move |reason| reason.stage == stage);
    stages
        .map(|stage| {
            left -= of(stage).map(|reason| reason.requests).sum::<u64>();
            Left { stage, requests: left }
        })
        .collect()
}

impl Display for Funnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}/{} from {} to {}", self.advertiser, self.campaign, self.from, self.to)?;
        self.advice.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "\n{:>10} requests of shoppers that the advertiser knows", self.requests)?;
        for Reason {
            stage,
            reason,
            requests,
            sentence,
        } in &self.reasons
        {
            writeln!(f, "{requests:>10} {reason} at {stage}: {sentence}")?;
        }
        writeln!(f, "{:>10} bids", self.bids)?;
        self.losses.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        for of in &self.exchanges {
            writeln!(
                f,
                "\n{:>10} requests of {} in all, {} with a bid of anybody's",
                of.requests, of.exchange, of.bids
            )?;
            for reason in &of.reasons {
                writeln!(f, "{:>10} {}: {}", reason.requests, reason.reason, reason.sentence)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_belongs_to_a_stage_and_the_stages_are_in_its_order() {
        let order = [
            "admit", "decode", "identify", "lookup", "narrow", "pace", "price", "render", "respond",
        ];
        let of_campaigns: Vec<usize> = NoBid::ALL
            .iter()
            .filter(|why| **why >= NoBid::NoAudience)
            .map(|why| order.iter().position(|stage| *stage == super::stage(*why)).expect("a stage"))
            .collect();
        assert!(of_campaigns.is_sorted() && of_campaigns[0] == 4, "{of_campaigns:?}");
        assert!(
            NoBid::ALL
                .iter()
                .filter(|why| **why < NoBid::NoAudience)
                .all(|why| order[..4].contains(&super::stage(*why)))
        );
    }

    #[test]
    fn what_is_left_shrinks_to_the_bids() {
        let fates = [
            (Fate::Dropped(NoBid::NoAudience), 50),
            (Fate::Dropped(NoBid::Frequency), 20),
            (Fate::Dropped(NoBid::BelowFloor), 10),
            (Fate::Outranked, 5),
            (Fate::Bid, 15),
        ];
        let left: Vec<u64> = stages(&fates, 100).iter().map(|left| left.requests).collect();
        assert_eq!(left, [50, 30, 20, 15, 15]);
        assert_eq!((bids(&fates), reasons(&fates).len()), (15, 4));
    }
}
