//! What explain says against what was answered: over every scenario, and over the game that the oracle plays, whose
//! verdict on each campaign by itself must be explain's.
//!
//! An explanation is made of the very World and State that the decision saw. What an exchange would reject of our
//! own answers must be nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use winback::admin::explain::Ground;
use winback::bid::{Ask, Scratch, Silent, decide};
use winback::model::outcome::{NoBid, Outcome};

use crate::bench_rig::Rig;
use crate::figures::Figures;
use crate::game::Game;
use crate::game::facts::Asked;
use crate::oracle::judge;
use crate::scenarios;

const EXPLAINED_MIN: usize = 800;
const BIDS_MIN: usize = 500;
const REASONS_MIN: usize = 28;
const ROWS_MIN: usize = 1_000;
const ADS_MIN: usize = 500;
const WORLDS: u64 = 30;
const TURNS: usize = 60;
const CAMPAIGNS_MIN: usize = 2_000;
const OUTCOMES_MIN: usize = 18;
/// Faults that are printed.
const PRINTED: usize = 5;

/// What was seen of explanations.
#[derive(Default)]
struct Seen {
    explained: usize,
    bids: usize,
    reasons: BTreeSet<String>,
    rows: usize,
    ads: usize,
    /// Rows whose words add nothing to the reason's own.
    plain: BTreeMap<String, usize>,
    rejected: Vec<String>,
    wrong: Vec<String>,
}

fn explain(rig: &Rig, ask: &Ask<'_>) -> Value {
    let ground = Ground {
        world: &rig.world,
        state: &rig.state,
        gone: &|_| None,
        since: &|_, _| None,
    };
    let told = ground.explain(ask).expect("an explanation");
    assert!(!told.to_string().trim().is_empty());
    serde_json::to_value(told).expect("JSON")
}

/// The reason of a label, in its place on the path.
fn reason(label: &Value) -> Option<NoBid> {
    NoBid::ALL.iter().copied().find(|why| label == why.label())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Campaign, imp and price of every bid of an answer.
fn bids(answer: &Value) -> Vec<String> {
    let bids = list(&answer["seatbid"]).iter().flat_map(|seat| list(&seat["bid"]));
    let mut all: Vec<String> = bids
        .map(|bid| format!("{} {} {} {}", bid["cid"], bid["adid"], bid["impid"], bid["price"]))
        .collect();
    all.sort();
    all
}

impl Seen {
    fn look(&mut self, name: &str, rig: &Rig, ask: &Ask<'_>, outcome: Outcome, scratch: &Scratch) {
        let told = explain(rig, &Ask { inert: true, ..*ask });
        self.explained += 1;
        let answer: Value = serde_json::from_slice(&scratch.out).unwrap_or_default();
        let (word, why) = match outcome {
            Outcome::Bid { .. } => ("bid", Value::Null),
            Outcome::NoBid(why) => ("no_bid", json!(why.label())),
        };
        self.bids += usize::from(word == "bid");
        self.reasons.extend(why.as_str().map(str::to_owned));
        let mut wrong = |what: &str| self.wrong.push(format!("{name}: {what}: {told}"));
        if told["outcome"] != word || told["reason"] != why {
            wrong(&format!("the answer is {word} {why}"));
        }
        if bids(&told["bid"]) != bids(&answer) {
            wrong("other bids than the answer's");
        }
        let rows = list(&told["campaigns"]);
        let furthest = rows.iter().filter_map(|row| reason(&row["reason"])).max();
        let of_campaigns = outcome.why_not().filter(|why| *why > NoBid::NoAudience);
        if of_campaigns.is_some() && furthest != of_campaigns {
            wrong("the furthest of the campaigns is not the request's reason");
        }
        if list(&told["stages"]).iter().any(|stage| stage["stage"] == "narrow") {
            let shops = scratch
                .known()
                .profile
                .sections
                .iter()
                .filter_map(|section| rig.world.shop(section.advertiser));
            for campaign in shops.flat_map(|shop| shop.advertiser.campaigns.iter().map(move |c| (&shop.advertiser.id, &c.id))) {
                if !rows
                    .iter()
                    .any(|row| row["advertiser"] == *campaign.0 && row["campaign"] == *campaign.1)
                {
                    wrong(&format!("nothing of {campaign:?}"));
                }
            }
        }
        let ads = list(&told["ads"]);
        if ads.len() != scratch.picks.len() || !ads.iter().all(shows_its_products) {
            wrong("ads that the answer does not have");
        }
        self.ads += ads.len();
        self.rows += rows.len();
        for row in rows {
            let why = reason(&row["reason"]);
            if why.is_some_and(|why| row["detail"] == why.sentence()) {
                *self.plain.entry(row["reason"].to_string()).or_default() += 1;
            }
        }
        let rejected = list(&told["exchange_would_reject"]);
        self.rejected.extend(rejected.iter().map(|problem| format!("{name}: {problem}")));
    }
}

/// Whether titles of what is said to be shown are in the markup; native ads may be asked for anything else.
fn shows_its_products(ad: &Value) -> bool {
    let markup = ad["markup"].as_str().unwrap_or_default();
    let is_there = |title: &str| markup.contains(title) || markup.contains(&*html_escape::encode_quoted_attribute(title));
    let has_reason = |product: &Value| product["because"].as_str().is_some_and(|because| !because.is_empty());
    list(&ad["products"])
        .iter()
        .all(|product| has_reason(product) && (ad["format"] == "native" || product["title"].as_str().is_some_and(is_there)))
}

#[test]
fn explain_says_what_the_answer_says_in_every_scenario() {
    let mut seen = Seen::default();
    scenarios::watch(|name, rig, ask, outcome, scratch| seen.look(name, rig, ask, outcome, scratch));
    seen.wrong.iter().take(PRINTED).for_each(|wrong| println!("{wrong}\n"));
    seen.rejected.iter().for_each(|problem| println!("would be rejected: {problem}"));
    println!("rows without figures: {:?}", seen.plain);
    let mut figures = Figures::new();
    figures.at_least("explain.explained", seen.explained, EXPLAINED_MIN);
    figures.at_least("explain.bids", seen.bids, BIDS_MIN);
    figures.at_least("explain.reasons", seen.reasons.len(), REASONS_MIN);
    figures.at_least("explain.campaign_rows", seen.rows, ROWS_MIN);
    figures.at_least("explain.ads", seen.ads, ADS_MIN);
    figures.exactly("explain.differs_from_answer", seen.wrong.len(), 0);
    figures.exactly("explain.rows_without_figures", seen.plain.len(), 0);
    figures.exactly("explain.would_be_rejected", seen.rejected.len(), 0);
    figures.settle();
}

/// What the oracle says of each campaign by itself, all others being paused, beside what explain says of it.
#[derive(Default)]
struct Compared {
    campaigns: usize,
    outcomes: BTreeMap<String, usize>,
    differs: Vec<String>,
}

impl Compared {
    fn compare(&mut self, game: &mut Game, asked: &Asked, rows: &[Value]) {
        let names: Vec<(usize, usize)> = (0..game.facts.shops.len())
            .flat_map(|shop| (0..list(&game.facts.shops[shop]["campaigns"]).len()).map(move |campaign| (shop, campaign)))
            .collect();
        let whole = game.facts.shops.clone();
        for (shop, campaign) in &names {
            for (other, own) in names.iter().filter(|other| *other != &(*shop, *campaign)) {
                game.facts.shops[*other]["campaigns"][*own]["status"] = json!("paused");
            }
            let alone = judge(&game.facts, asked, &[]);
            game.facts.shops.clone_from(&whole);
            let (advertiser, id) = (&whole[*shop]["id"], &whole[*shop]["campaigns"][*campaign]["id"]);
            let own = || rows.iter().filter(|row| row["advertiser"] == *advertiser && row["campaign"] == *id);
            // A shop that does not know the shopper has nothing to say.
            if own().next().is_none() {
                continue;
            }
            let wins = own().any(|row| row["reason"].is_null() || row["reason"] == "outranked");
            let furthest = own().filter_map(|row| reason(&row["reason"])).max();
            let agrees = match alone {
                // Beside others it may have lost its product, its imp or its cap to them.
                Ok(_) => wins || furthest.is_some_and(|why| why >= NoBid::Frequency),
                // What others are dropped for is no less than that they are paused.
                Err("no_audience" | "paused") => furthest.is_some_and(|why| why <= NoBid::Paused),
                // Its imps were gone before its ad was tried.
                Err("budget" | "no_product" | "no_creative") if own().any(|row| row["reason"] == "outranked") => true,
                Err(why) => !wins && furthest.is_some_and(|furthest| furthest.label() == why),
            };
            self.campaigns += 1;
            let word = alone.as_ref().map_or_else(|why| (*why).to_owned(), |_| "bid".to_owned());
            *self.outcomes.entry(word.clone()).or_default() += 1;
            if !agrees {
                let own: Vec<&Value> = own().collect();
                self.differs.push(format!("oracle {word}, explain {own:?}"));
            }
        }
    }
}

#[test]
fn the_oracle_says_of_each_campaign_what_explain_says() {
    let mut compared = Compared::default();
    let mut scratch = Scratch::default();
    for seed in 0..WORLDS {
        let mut game = Game::new(seed);
        for _ in 0..TURNS {
            let asked = game.turn();
            let ask = game.ask(&asked);
            let outcome = decide(&game.rig.world, &game.rig.state, &ask, &mut scratch, &mut Silent);
            let told = explain(&game.rig, &ask);
            let label = outcome.why_not().map_or(Value::Null, |why| json!(why.label()));
            if told["reason"] != label {
                compared
                    .differs
                    .push(format!("SEED={seed}: answered {label}, explained {}", told["reason"]));
            }
            compared.compare(&mut game, &asked, list(&told["campaigns"]));
            if let Outcome::Bid { epoch, .. } = outcome {
                let won: Vec<[usize; 4]> = game.wins(&scratch).iter().map(|win| win.who).collect();
                let made = judge(&game.facts, &asked, &won).expect("the oracle bids too");
                game.commit(&scratch, epoch, &made);
            }
        }
    }
    println!("{:?}", compared.outcomes);
    compared.differs.iter().take(PRINTED).for_each(|differs| println!("{differs}"));
    let mut figures = Figures::new();
    figures.at_least("explain.oracle_campaigns", compared.campaigns, CAMPAIGNS_MIN);
    figures.at_least("explain.oracle_outcomes", compared.outcomes.len(), OUTCOMES_MIN);
    figures.exactly("explain.oracle_differs", compared.differs.len(), 0);
    figures.settle();
}
