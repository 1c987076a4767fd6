//! How a price came about, line by line: the rule, audience and adjustments by name, pacing, shading, floor,
//! currency, bid.
//!
//! The figures are the decision's own; only what stands after a factor is multiplied again.

use serde::Serialize;

use super::scene::Scene;
use super::targeting;
use crate::base::id::CampaignNo;
use crate::base::money::{Money, Ratio, Round};
use crate::model::advertiser::{Campaign, Shop};
use crate::model::told::Step;

/// One step on the way to a price.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[schema(as = PriceStep)]
pub struct Line {
    /// rule, audience, adjustment, max_cpm, currency, pacing, auction or losses.
    pub(super) step: &'static str,
    /// The same for people.
    pub(super) line: String,
    /// The CPM that stands after it, as decimal text; null where it changes none.
    cpm: Option<String>,
}

impl Line {
    /// One that changes nothing.
    pub(super) fn remark(step: &'static str, line: String) -> Line {
        Line { step, line, cpm: None }
    }
}

/// The steps of one campaign, in order.
pub(super) fn lines(scene: &Scene<'_>, of: Option<(&Shop, &Campaign)>, steps: &[Step]) -> Vec<Line> {
    let (mut base, mut factor) = (Money::ZERO, Ratio::ONE);
    steps
        .iter()
        .map(|step| {
            let multiplied = match step {
                Step::Rule { cpm, .. } => {
                    (base, factor) = (*cpm, Ratio::ONE);
                    None
                }
                Step::Audience(by) | Step::Adjustment(_, by) => {
                    factor = factor.times(*by);
                    Some(base.times(factor, Round::Down))
                }
                _ => None,
            };
            let named = of.and_then(|(shop, campaign)| name(scene, shop, campaign, step));
            let text = named.unwrap_or_else(|| step.to_string());
            let line = multiplied.map_or_else(|| text.clone(), |value| format!("{text} = {value}"));
            Line {
                step: step.label(),
                line,
                cpm: step.cpm().or(multiplied).map(|cpm| cpm.to_string()),
            }
        })
        .collect()
}

/// Which audience, or which adjustment.
fn name(scene: &Scene<'_>, shop: &Shop, campaign: &Campaign, step: &Step) -> Option<String> {
    match step {
        Step::Audience(factor) => {
            let visit = scene.visit(shop);
            let past = visit.past(shop, scene.now);
            let mut used = campaign.audiences.iter().filter(|used| used.multiplier == *factor);
            let audience = used.find_map(|used| {
                let audience = shop.advertiser.audiences.get(used.audience as usize)?;
                past.is_in(audience).then_some(audience)
            })?;
            Some(format!("audience `{}` × {factor}", audience.id))
        }
        Step::Adjustment(nth, factor) => {
            let adjustment = campaign.adjustments.get(*nth)?;
            Some(format!("bid adjustment × {factor} ({})", targeting::when(adjustment, scene.world)))
        }
        _ => None,
    }
}

/// The prices of one campaign.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Pricing {
    /// Whose.
    pub(super) advertiser: String,
    /// Which.
    pub(super) campaign: String,
    /// Whether it is among the bids.
    pub(super) won: bool,
    /// Step by step. A campaign is priced once for each imp, mostly the same way.
    pub(super) steps: Vec<Line>,
}

/// What a decision told of prices, campaign by campaign, in the order in which they were first told of.
pub(super) fn by_campaign(priced: &[(CampaignNo, Step)]) -> Vec<(CampaignNo, Vec<Step>)> {
    let mut all: Vec<(CampaignNo, Vec<Step>)> = Vec::new();
    for (no, step) in priced {
        match all.iter_mut().find(|(known, _)| known == no) {
            Some((_, steps)) => steps.push(step.clone()),
            None => all.push((*no, vec![step.clone()])),
        }
    }
    all
}
