//! `POST /api/explain/{exchange}`: why a request gets a bid, or does not, by the very decision the
//! server makes.
//!
//! Nothing is held or counted, and links are sealed with the key that no listener opens. Clocks are
//! read here, by the trace, never by the decision.

mod identity;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::reply::{self, Answer, Fail, Named, Sent};
use super::{Shared, losses, verdict};
use crate::base::id::{CampaignNo, ExchangeNo};
use crate::base::limits::BODY_BYTES_MAX;
use crate::base::time::Millis;
use crate::bid::{Scratch, Trace};
use crate::model::outcome::{NoBid, Outcome, Pick};
use crate::server::bodies::{self, Reader};
use crate::server::engine::Engine;
use crate::state::world::World;

/// The reason of a campaign that was priced and lost to a better one: none of the path's own, as the
/// request got a bid.
const OUTRANKED: (&str, &str) = ("outranked", "another campaign is worth more, or has the imps it could have had");

/// Answers with what the decision was told about. A body is read as the bid listener reads it; of a type
/// that it would refuse, as JSON.
pub async fn explain(State(desk): Shared, Named(exchange): Named<String>, headers: HeaderMap, Sent(body): Sent) -> Answer {
    let engine = &desk.engine;
    let world = engine.world.load_full();
    let Some(exchange) = world.exchange_by_id(&exchange) else {
        let known: Vec<&str> = world.exchanges().map(|exchange| exchange.id.as_str()).collect();
        let message = format!("no exchange `{exchange}`: known are {}", known.join(", "));
        return Err(Fail::not_found("exchange_not_found", message));
    };
    let mut reader = Reader::default();
    let read = bodies::manner(&headers).and_then(|manner| reader.json(manner, &body, BODY_BYTES_MAX).ok());
    let body = read.unwrap_or(&body);
    let mut scratch = Scratch::default();
    let mut told = Recorder::default();
    let outcome = engine.rehearse(&world, exchange.no, body, Millis::wall_clock(), &mut scratch, &mut told);
    told.end = Some(Instant::now());
    told.remember_losses(engine, exchange.no);
    Ok(reply::json(&explanation(engine, &world, body, outcome, &scratch, &told)?))
}

/// What a decision tells, with the time of each stage.
#[derive(Default)]
struct Recorder {
    stages: Vec<(&'static str, Instant)>,
    end: Option<Instant>,
    dropped: Vec<Dropped>,
    priced: Vec<(CampaignNo, String)>,
}

struct Dropped {
    campaign: CampaignNo,
    stage: &'static str,
    why: NoBid,
    detail: String,
}

impl Trace for Recorder {
    const ON: bool = true;

    fn stage(&mut self, stage: &'static str) {
        self.stages.push((stage, Instant::now()));
    }

    fn dropped(&mut self, campaign: CampaignNo, why: NoBid, detail: impl FnOnce() -> String) {
        let stage = self.stages.last().map_or("", |(stage, _)| stage);
        let detail = detail();
        self.dropped.push(Dropped {
            campaign,
            stage,
            why,
            detail,
        });
    }

    fn priced(&mut self, campaign: CampaignNo, line: impl FnOnce() -> String) {
        self.priced.push((campaign, line()));
    }
}

impl Recorder {
    /// After how a price came about, what became of the bids before it.
    fn remember_losses(&mut self, engine: &Engine, exchange: ExchangeNo) {
        let priced: BTreeSet<CampaignNo> = self.priced.iter().map(|(campaign, _)| *campaign).collect();
        for campaign in priced {
            let line = losses::line(engine, exchange, campaign);
            self.priced.extend(line.map(|line| (campaign, line)));
        }
    }

    /// Microseconds of each stage reached, to the tenth.
    fn durations(&self) -> Vec<Value> {
        let ends = self.stages.iter().skip(1).map(|(_, at)| Some(*at)).chain([self.end]);
        let timed = self.stages.iter().zip(ends);
        timed
            .map(|((stage, start), end)| {
                let nanos = end.map_or(0, |end| end.saturating_duration_since(*start).as_nanos());
                json!({"stage": stage, "us": (nanos / 100) as f64 / 10.0})
            })
            .collect()
    }
}

/// The answer of the call. The shape is the contract's.
#[derive(serde::Serialize)]
struct Explanation<'a> {
    outcome: &'static str,
    reason: Option<&'static str>,
    sentence: String,
    identity: Value,
    stages: Vec<Value>,
    campaigns: Vec<Value>,
    price: Vec<String>,
    bid: Option<&'a RawValue>,
    exchange_would_reject: Vec<String>,
}

fn explanation<'a>(
    engine: &Engine,
    world: &World,
    body: &[u8],
    outcome: Outcome,
    scratch: &'a Scratch,
    told: &Recorder,
) -> Result<Explanation<'a>, Fail> {
    let titles = titles(engine, world, told, &scratch.picks);
    let broken = |_| Fail::unavailable("the answer made is no json: report the request that led to it");
    let (bid, rejections) = match outcome {
        Outcome::NoBid(_) => (None, Vec::new()),
        Outcome::Bid { .. } => {
            let bid: &RawValue = serde_json::from_slice(&scratch.out).map_err(broken)?;
            (Some(bid), verdict::rejections(body, bid.get(), &world.rates))
        }
    };
    let (word, reason, sentence) = match outcome {
        Outcome::NoBid(why) => ("no_bid", Some(why.label()), why.sentence().to_owned()),
        Outcome::Bid { bids: 1, .. } => ("bid", None, "one bid is made".to_owned()),
        Outcome::Bid { bids, .. } => ("bid", None, format!("{bids} bids are made")),
    };
    Ok(Explanation {
        outcome: word,
        reason,
        sentence,
        identity: identity::told(engine, &scratch.sight, outcome),
        stages: told.durations(),
        campaigns: campaigns(&titles, told, &scratch.picks),
        price: prices(&titles, told, &scratch.picks),
        bid,
        exchange_would_reject: rejections,
    })
}

/// Advertiser and id of every campaign that is mentioned.
type Titles = HashMap<CampaignNo, (String, String)>;

fn titles(engine: &Engine, world: &World, told: &Recorder, picks: &[Pick]) -> Titles {
    let mentioned = told.dropped.iter().map(|dropped| dropped.campaign);
    let mentioned = mentioned.chain(told.priced.iter().map(|(campaign, _)| *campaign));
    let wanted: HashSet<CampaignNo> = mentioned.chain(picks.iter().map(|pick| pick.campaign)).collect();
    let mut titles = Titles::new();
    for shop in world.shops() {
        for campaign in shop.advertiser.campaigns.iter().filter(|campaign| wanted.contains(&campaign.no)) {
            titles.insert(campaign.no, (shop.advertiser.id.clone(), campaign.id.clone()));
        }
    }
    for no in wanted {
        if !titles.contains_key(&no)
            && let Some(title) = engine.names.campaign_name(no)
        {
            titles.insert(no, title);
        }
    }
    titles
}

/// One row for each time a campaign was dropped, then those outranked, then the winners.
fn campaigns(titles: &Titles, told: &Recorder, picks: &[Pick]) -> Vec<Value> {
    let row = |no: CampaignNo, stage: &str, reason: Option<&str>, detail: &str| {
        let (advertiser, campaign) = titles.get(&no).cloned().unwrap_or_default();
        json!({"advertiser": advertiser, "campaign": campaign, "stage": stage, "reason": reason, "detail": detail})
    };
    let mut rows: Vec<Value> = told
        .dropped
        .iter()
        .map(|dropped| row(dropped.campaign, dropped.stage, Some(dropped.why.label()), &dropped.detail))
        .collect();
    let mut seen: HashSet<CampaignNo> = told.dropped.iter().map(|dropped| dropped.campaign).collect();
    seen.extend(picks.iter().map(|pick| pick.campaign));
    for (no, _) in &told.priced {
        if !picks.is_empty() && seen.insert(*no) {
            rows.push(row(*no, "render", Some(OUTRANKED.0), OUTRANKED.1));
        }
    }
    for pick in picks {
        rows.push(row(
            pick.campaign,
            "respond",
            None,
            &format!("bids {} for imp no. {} of the request", pick.price, u32::from(pick.imp) + 1),
        ));
    }
    rows
}

/// How the winners' prices came about; where nobody won, everybody's.
fn prices(titles: &Titles, told: &Recorder, picks: &[Pick]) -> Vec<String> {
    let won = |no: &CampaignNo| picks.is_empty() || picks.iter().any(|pick| pick.campaign == *no);
    let shown: Vec<&(CampaignNo, String)> = told.priced.iter().filter(|(no, _)| won(no)).collect();
    let several = shown.iter().any(|(no, _)| *no != shown[0].0);
    let mut lines: Vec<String> = Vec::new();
    for (no, line) in shown {
        let line = match titles.get(no).filter(|_| several) {
            Some((advertiser, campaign)) => format!("{advertiser}/{campaign}: {line}"),
            None => line.clone(),
        };
        // A campaign is priced once for each imp and creative, mostly the same way.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}
