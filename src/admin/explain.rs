//! `POST /api/explain/{exchange}`: why a request gets a bid, or does not, by the very decision the
//! server makes; and `?user=` in place of a body: why there is none for a shopper, by a request made up for them.
//!
//! Nothing is held or counted, and links are sealed with the key that no listener opens. Clocks are
//! read here, by the trace, never by the decision.

mod asked;
mod audience;
mod identity;
mod products;
mod scene;
mod steps;
mod targeting;
mod text;
mod why;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State as Given;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::reply::{self, Answer, Fail, Failed, Named, Query, Sent};
use super::{Shared, losses, verdict};
use crate::base::id::{CampaignNo, MatchKey, UserKey};
use crate::base::limits::BODY_BYTES_MAX;
use crate::base::time::{Millis, Secs};
use crate::bid::{Ask, Scratch, Trace, decide};
use crate::model::advertiser::{Campaign, Shop};
use crate::model::outcome::{NoBid, Outcome, Pick};
use crate::model::told::{Detail, Step};
use crate::openrtb::attributes::Attributes;
use crate::openrtb::decode::{self, Memory};
use crate::openrtb::request::Opportunity;
use crate::openrtb::response::Form;
use crate::server::bodies::{self, Reader};
use crate::server::engine::Engine;
use crate::state::State;
use crate::state::world::World;
use scene::Scene;
pub(super) use scene::local;
use steps::{Line, Pricing};

/// The reason of a campaign that was priced and lost to a better one: none of the path's own, as the
/// request got a bid.
pub(super) const OUTRANKED: (&str, &str) = ("outranked", "another campaign is worth more, or has the imps it could have had");

/// Why a shopper would get a bid at an exchange, or would not: by a request that is made up for them.
#[utoipa::path(get, path = "/api/explain/{exchange}", tag = "reports",
    params(("exchange" = String, Path, description = "The exchange's id"),
        ("user" = String, Query, description = "Our id, or `exchange:theirs`", example = "demo-x:u1"),
        ("size" = Option<String>, Query, description = "Of the imp", example = "300x250"),
        ("domain" = Option<String>, Query, description = "Of the page"),
        ("country" = Option<String>, Query, description = "ISO 3166", example = "VN"),
        ("device" = Option<String>, Query, description = "`mobile` (default), `desktop` or `tablet`"),
        ("format" = Option<String>, Query, description = "`json` (default) or `text`, for people")), responses(
    (status = 200, content((Explanation = "application/json"), (String = "text/plain"))),
    (status = 400, description = "A parameter cannot be read", body = Failed),
    (status = 404, description = "No such exchange or user", body = Failed)))]
pub(super) async fn explain_user(desk: Shared, exchange: Named<String>, query: Query, headers: HeaderMap, body: Sent) -> Answer {
    explain(desk, exchange, query, headers, body).await
}

/// Why a request gets a bid, or does not: stage by stage, campaign by campaign, by the very decision the server makes.
///
/// Nothing is held or counted; links open nowhere. A body is read as the bid listener reads it; of a type
/// that it would refuse, as JSON.
#[utoipa::path(post, path = "/api/explain/{exchange}", tag = "reports",
    params(("exchange" = String, Path, description = "The exchange's id"),
        ("format" = Option<String>, Query, description = "`json` (default) or `text`, for people")),
    request_body(content = Object, description = "An OpenRTB bid request",
        example = json!({"id": "r1", "imp": [{"id": "1", "banner": {"w": 300, "h": 250}}], "user": {"id": "u1"}})), responses(
    (status = 200, content((Explanation = "application/json"), (String = "text/plain"))),
    (status = 400, description = "A parameter cannot be read", body = Failed),
    (status = 404, description = "No such exchange", body = Failed)))]
pub(super) async fn explain(
    Given(desk): Shared,
    Named(exchange): Named<String>,
    query: Query,
    headers: HeaderMap,
    Sent(body): Sent,
) -> Answer {
    query.only(&[&asked::WISHES[..], &["format"]].concat())?;
    let is_text = match query.get("format") {
        None | Some("json") => false,
        Some("text") => true,
        Some(other) => return Err(Fail::bad_request(format!("unknown `format` `{other}`: known are json, text"))),
    };
    let mut reader = Reader::default();
    let read = bodies::manner(&headers).and_then(|manner| reader.json(manner, &body, BODY_BYTES_MAX).ok());
    let body = read.unwrap_or(&body);
    let told = told(&desk.engine, &exchange, body, &query, Millis::wall_clock())?;
    if is_text {
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        return Ok((headers, told.to_string()).into_response());
    }
    Ok(reply::json(&told))
}

/// Explains a request of an exchange, or without one what it would come to for the `user` of the query.
pub(super) fn told(engine: &Engine, exchange: &str, body: &[u8], query: &Query, now: Millis) -> Result<Explanation, Fail> {
    let world = engine.world.load_full();
    let Some(exchange) = world.exchange_by_id(exchange) else {
        let known: Vec<&str> = world.exchanges().map(|exchange| exchange.id.as_str()).collect();
        let message = format!("no exchange `{exchange}`: known are {}", known.join(", "));
        return Err(Fail::not_found("exchange_not_found", message));
    };
    let wish = asked::WISHES.into_iter().find(|wish| query.get(wish).is_some());
    let gone = |no| engine.names.campaign_name(no);
    let since = |user, key| identity::since(engine, user, key);
    let ground = Ground {
        world: &world,
        state: &engine.state,
        gone: &gone,
        since: &since,
    };
    let seed = engine.seed(exchange.no, now);
    let ask = Ask {
        exchange: exchange.no,
        body,
        form: Form::Json,
        now,
        waited_ms: 0,
        seed,
        barred: None,
        inert: true,
    };
    match (body.is_empty(), wish) {
        (false, Some(wish)) => Err(Fail::bad_request(format!(
            "`{wish}` is for a request made up: send no body with it"
        ))),
        (false, None) => ground.explain(&ask),
        (true, _) => {
            let asked = asked::ask(engine, &world, exchange, query)?;
            let body = asked.body.to_string();
            let body = body.as_bytes();
            let told = ground.explain(&Ask { body, ..ask })?;
            Ok(Explanation {
                request: Some(asked.body),
                assumed: asked.assumed,
                ..told
            })
        }
    }
}

/// What decisions are made in, to be explained.
pub struct Ground<'a> {
    /// Config and products.
    pub world: &'a World,
    /// Users, holds, books.
    pub state: &'a State,
    /// Advertiser and id of a campaign that is no longer configured.
    pub gone: &'a dyn Fn(CampaignNo) -> Option<(String, String)>,
    /// When a match of a user was made, where a browser brought it.
    pub since: &'a dyn Fn(UserKey, MatchKey) -> Option<Secs>,
}

/// What a decision tells, with the time of each stage.
#[derive(Default)]
struct Recorder {
    stages: Vec<(&'static str, Instant)>,
    end: Option<Instant>,
    dropped: Vec<Dropped>,
    priced: Vec<(CampaignNo, Step)>,
}

/// A campaign that was dropped, perhaps for one imp of several.
struct Dropped {
    campaign: CampaignNo,
    stage: &'static str,
    why: NoBid,
    detail: Detail,
}

impl Trace for Recorder {
    const ON: bool = true;

    fn stage(&mut self, stage: &'static str) {
        self.stages.push((stage, Instant::now()));
    }

    fn dropped(&mut self, campaign: CampaignNo, why: NoBid, detail: impl FnOnce() -> Detail) {
        let stage = self.stages.last().map_or("", |(stage, _)| stage);
        let detail = detail();
        self.dropped.push(Dropped {
            campaign,
            stage,
            why,
            detail,
        });
    }

    fn priced(&mut self, campaign: CampaignNo, step: impl FnOnce() -> Step) {
        self.priced.push((campaign, step()));
    }
}

/// The answer of the call. The shape is the contract's; fields are added, never renamed.
#[derive(Serialize, ToSchema)]
pub struct Explanation {
    /// bid or `no_bid`.
    outcome: &'static str,
    /// The word that `winback_no_bids_total` counts; null where there is a bid.
    reason: Option<&'static str>,
    /// The same for people.
    sentence: String,
    /// What was assumed, where the request was made up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assumed: Vec<String>,
    /// The request that was made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    request: Option<Value>,
    /// What the request's ids came to; null where it did not get so far.
    identity: Option<identity::Identity>,
    /// The stages that the request reached, in order.
    stages: Vec<Stage>,
    /// Every campaign of every advertiser that knows the user, and what became of it.
    campaigns: Vec<Row>,
    /// How the winners' prices came about, line by line; where nobody won, everybody's.
    price: Vec<String>,
    /// The same with the figures of each step, of every campaign that was priced.
    pricing: Vec<Pricing>,
    /// What is shown, and why these products.
    ads: Vec<products::Ad>,
    /// The answer as it would be sent.
    #[schema(value_type = Option<Object>)]
    bid: Option<Box<RawValue>>,
    /// What an exchange would refuse of it.
    exchange_would_reject: Vec<String>,
}

/// One stage that was reached.
#[derive(Serialize, ToSchema)]
#[schema(as = ExplainedStage)]
struct Stage {
    stage: &'static str,
    /// Microseconds, to the tenth.
    us: f64,
    /// The request's reason, where it ended here.
    ended: Option<&'static str>,
    /// Campaigns that got further; null before there were any.
    campaigns: Option<usize>,
}

/// What became of a campaign. It has several where several imps or creatives dropped it for different reasons.
#[derive(Serialize, PartialEq, ToSchema)]
#[schema(as = ExplainedCampaign)]
struct Row {
    advertiser: String,
    campaign: String,
    /// Where it was dropped, or `respond`.
    stage: &'static str,
    /// The reason's word, or `outranked`; null where it bids.
    reason: Option<&'static str>,
    /// With its figures, for people.
    detail: String,
}

impl Ground<'_> {
    /// Decides, and tells what it was told. Asks are of JSON; whoever shows the answer asks for inert links.
    pub fn explain(&self, ask: &Ask<'_>) -> Result<Explanation, Fail> {
        let (mut scratch, mut heard) = (Scratch::default(), Recorder::default());
        let outcome = decide(self.world, self.state, ask, &mut scratch, &mut heard);
        heard.end = Some(Instant::now());
        let (mut memory, mut request) = (Memory::default(), Opportunity::default());
        // What cannot be read has no campaigns to tell of.
        let _ = decode::read(Form::Json, ask.body, &mut memory, &mut request);
        let json: Value = serde_json::from_slice(ask.body).unwrap_or_default();
        let unknown = || Fail::not_found("exchange_not_found", "no such exchange");
        let scene = Scene {
            world: self.world,
            state: self.state,
            exchange: self.world.exchange(ask.exchange).ok_or_else(unknown)?,
            attributes: Attributes::of(&request),
            request: &request,
            json: &json,
            known: scratch.known(),
            now: ask.now,
        };
        self.told(&scene, &scratch, &heard, outcome)
    }

    fn told(&self, scene: &Scene<'_>, scratch: &Scratch, heard: &Recorder, outcome: Outcome) -> Result<Explanation, Fail> {
        let titles = Titles::new(scene, self.gone);
        let broken = |_| Fail::unavailable("the answer made is no json: report the request that led to it");
        let bid: Option<Box<RawValue>> = match outcome {
            Outcome::NoBid(_) => None,
            Outcome::Bid { .. } => Some(serde_json::from_slice(&scratch.out).map_err(broken)?),
        };
        let answer: Value = bid
            .as_ref()
            .and_then(|bid| serde_json::from_str(bid.get()).ok())
            .unwrap_or_default();
        let rejections = bid
            .as_ref()
            .map(|bid| verdict::rejections(scene.json, bid.get(), scene.exchange, &scene.world.rates));
        let (word, reason, sentence) = match outcome {
            Outcome::NoBid(why) => ("no_bid", Some(why.label()), why.sentence().to_owned()),
            Outcome::Bid { bids: 1, .. } => ("bid", None, "one bid is made".to_owned()),
            Outcome::Bid { bids, .. } => ("bid", None, format!("{bids} bids are made")),
        };
        let pricing = titles.pricing(scene, heard, &scratch.picks);
        Ok(Explanation {
            outcome: word,
            reason,
            sentence,
            assumed: Vec::new(),
            request: None,
            identity: identity::told(self, &scratch.sight, outcome, scene.now.to_secs()),
            stages: stages(heard, scratch, outcome),
            campaigns: titles.campaigns(scene, heard, &scratch.picks),
            price: prices(&pricing, scratch.picks.is_empty()),
            pricing,
            ads: products::ads(scene, &scratch.picks, &answer),
            bid,
            exchange_would_reject: rejections.unwrap_or_default(),
        })
    }
}

/// How far each campaign got: the last stage that it was in.
fn last_stages(heard: &Recorder, picks: &[Pick]) -> HashMap<CampaignNo, usize> {
    let place = |name: &str| heard.stages.iter().position(|(stage, _)| *stage == name).unwrap_or(0);
    let mut last: HashMap<CampaignNo, usize> = HashMap::new();
    let mut reach = |no: CampaignNo, at: usize| {
        let known = last.entry(no).or_default();
        *known = at.max(*known);
    };
    heard
        .dropped
        .iter()
        .for_each(|dropped| reach(dropped.campaign, place(dropped.stage)));
    let auctioned = heard.priced.iter().filter(|(_, step)| matches!(step, Step::Auction { .. }));
    auctioned.for_each(|(no, _)| reach(*no, place("render")));
    picks.iter().for_each(|pick| reach(pick.campaign, heard.stages.len()));
    last
}

fn stages(heard: &Recorder, scratch: &Scratch, outcome: Outcome) -> Vec<Stage> {
    let last = last_stages(heard, &scratch.picks);
    let ends = heard.stages.iter().skip(1).map(|(_, at)| Some(*at)).chain([heard.end]);
    let first_with_campaigns = heard.stages.iter().position(|(stage, _)| *stage == "narrow");
    let stage = |(at, ((stage, start), end)): (usize, (&(&'static str, Instant), Option<Instant>))| {
        let nanos = end.map_or(0, |end| end.saturating_duration_since(*start).as_nanos());
        let is_last = at + 1 == heard.stages.len();
        Stage {
            stage,
            us: (nanos / 100) as f64 / 10.0,
            ended: outcome.why_not().filter(|_| is_last).map(NoBid::label),
            campaigns: first_with_campaigns
                .filter(|first| at >= *first)
                .map(|_| last.values().filter(|reached| **reached > at).count()),
        }
    };
    heard.stages.iter().zip(ends).enumerate().map(stage).collect()
}

/// How the winners' prices came about; where nobody won, everybody's.
fn prices(pricing: &[Pricing], nobody_won: bool) -> Vec<String> {
    let shown: Vec<&Pricing> = pricing.iter().filter(|of| nobody_won || of.won).collect();
    let mut lines: Vec<String> = Vec::new();
    for of in &shown {
        for Line { line, .. } in &of.steps {
            let line = match shown.len() {
                1 => line.clone(),
                _ => format!("{}/{}: {line}", of.advertiser, of.campaign),
            };
            // A campaign is priced once for each imp and creative, mostly the same way.
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// Every campaign whose advertiser knows the user.
struct Titles<'a, 'g> {
    running: HashMap<CampaignNo, (&'a Shop, &'a Campaign)>,
    gone: &'g dyn Fn(CampaignNo) -> Option<(String, String)>,
}

impl<'a, 'g> Titles<'a, 'g> {
    fn new(scene: &Scene<'a>, gone: &'g dyn Fn(CampaignNo) -> Option<(String, String)>) -> Titles<'a, 'g> {
        // What a scratch knows of somebody before is not about this request.
        let sections = scene.known.profile.sections.iter();
        let shops = sections.filter_map(|section| scene.world.shop(section.advertiser));
        let of_shop = |shop: &'a Arc<Shop>| {
            shop.advertiser
                .campaigns
                .iter()
                .map(move |campaign| (campaign.no, (&**shop, campaign)))
        };
        Titles {
            running: shops.flat_map(of_shop).collect(),
            gone,
        }
    }

    fn row(&self, no: CampaignNo, stage: &'static str, reason: Option<&'static str>, detail: String) -> Row {
        let running = self.running.get(&no);
        let named = running.map(|(shop, campaign)| (shop.advertiser.id.clone(), campaign.id.clone()));
        let (advertiser, campaign) = named.or_else(|| (self.gone)(no)).unwrap_or_default();
        Row {
            advertiser,
            campaign,
            stage,
            reason,
            detail,
        }
    }

    /// One row for each reason that a campaign was dropped for, then those outranked, then the winners.
    fn campaigns(&self, scene: &Scene<'_>, heard: &Recorder, picks: &[Pick]) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for dropped in &heard.dropped {
            let detail = match self.running.get(&dropped.campaign) {
                Some((shop, campaign)) => why::told(scene, shop, campaign, dropped),
                None => dropped.why.sentence().to_owned(),
            };
            let row = self.row(dropped.campaign, dropped.stage, Some(dropped.why.label()), detail);
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        let ended = heard
            .dropped
            .iter()
            .filter(|dropped| dropped.stage == "render")
            .map(|dropped| dropped.campaign);
        let mut ended: HashSet<CampaignNo> = ended.chain(picks.iter().map(|pick| pick.campaign)).collect();
        for (no, step) in &heard.priced {
            if matches!(step, Step::Auction { .. }) && ended.insert(*no) {
                rows.push(self.row(*no, "render", Some(OUTRANKED.0), OUTRANKED.1.to_owned()));
            }
        }
        let dropped = heard.dropped.iter().map(|dropped| dropped.campaign);
        let seen: HashSet<CampaignNo> = dropped.chain(ended).collect();
        if heard.stages.iter().any(|(stage, _)| *stage == "narrow") {
            let mut passed: Vec<CampaignNo> = self.running.keys().copied().filter(|no| !seen.contains(no)).collect();
            passed.sort_unstable();
            let detail = "passed over: too many campaigns for one request";
            rows.extend(
                passed
                    .into_iter()
                    .map(|no| self.row(no, "narrow", Some(NoBid::Targeting.label()), detail.to_owned())),
            );
        }
        for pick in picks {
            let imp = u32::from(pick.imp) + 1;
            let detail = format!("bids {} for imp no. {imp} of the request", pick.price);
            rows.push(self.row(pick.campaign, "respond", None, detail));
        }
        rows
    }

    /// After how a price came about, what became of the bids before it.
    fn pricing(&self, scene: &Scene<'_>, heard: &Recorder, picks: &[Pick]) -> Vec<Pricing> {
        let priced = steps::by_campaign(&heard.priced).into_iter();
        let told = priced.map(|(no, steps)| {
            let Row { advertiser, campaign, .. } = self.row(no, "", None, String::new());
            let mut lines = steps::lines(scene, self.running.get(&no).copied(), &steps);
            let lost = losses::line(scene.state, scene.exchange.no, no);
            lines.extend(lost.map(|line| Line::remark("losses", line)));
            Pricing {
                advertiser,
                campaign,
                won: picks.iter().any(|pick| pick.campaign == no),
                steps: lines,
            }
        });
        told.collect()
    }
}
