//! What `decide` allocates once its scratch is warm: nothing for a no-bid of any reason, and at most one
//! allocation for a bid. Counted over the requests of the game that the oracle plays. And what fetching a feed
//! takes beside the catalogue it comes to.
//!
//! A binary of its own, for its allocator counts. Decides as the server does, with what counts reasons listening.

#[path = "all/bench_rig.rs"]
#[allow(dead_code)]
mod bench_rig;
#[path = "alloc/feed.rs"]
mod feed;
#[path = "all/figures.rs"]
#[allow(dead_code)]
mod figures;
#[path = "all/game.rs"]
#[allow(dead_code)]
mod game;
#[path = "oracle.rs"]
mod oracle;
#[path = "all/protos/speech.rs"]
#[allow(dead_code)]
mod speech;

use std::collections::BTreeMap;

use allocation_counter::measure;
use winback::bid::{Ask, Scratch, decide};
use winback::model::outcome::Outcome;
use winback::openrtb::response::Form;
use winback::server::funnel::Tally;
use winback::state::funnel::Funnels;

use figures::Figures;
use game::Game;
use game::facts::Asked;
use oracle::judge;
use speech::{Dialect, encode};

const WORLDS: u64 = 40;
/// Requests of one world, the last few of them to a server that is down.
const TURNS: u64 = 250;
/// Decisions counted of each reason that the game ends in.
const OF_A_REASON: u64 = 1_000;
/// Reasons that the game must end in.
const REASONS_MIN: usize = 33;

/// Decisions, and what they allocated.
#[derive(Default)]
struct Counted {
    decisions: u64,
    allocations: u64,
    bids: u64,
}

impl Counted {
    fn per_1000(&self) -> u64 {
        (self.allocations * 1_000).div_ceil(self.decisions.max(1))
    }
}

/// What a core of the server decides with.
struct Core {
    scratch: Scratch,
    tally: Tally,
}

impl Core {
    fn new() -> Core {
        Core {
            scratch: Scratch::default(),
            tally: Tally::new(Funnels::default().core()),
        }
    }

    fn decide(&mut self, game: &Game, ask: &Ask<'_>) -> Outcome {
        let Core { scratch, tally } = self;
        tally.begin();
        let outcome = decide(&game.rig.world, &game.rig.state, ask, scratch, tally);
        tally.settle(ask.exchange, &outcome, &scratch.picks);
        outcome
    }
}

/// Counts a request's decision as often as `times` says, after two that warm the scratch: some of its memory
/// changes places from one to the next.
fn count(game: &Game, asked: &Asked, core: &mut Core, times: u64) -> (Outcome, u64) {
    let ask = game.ask(asked);
    core.decide(game, &ask);
    let outcome = core.decide(game, &ask);
    let counted = measure(|| {
        for _ in 0..times {
            let again = core.decide(game, &ask);
            assert_eq!(again, outcome);
        }
    });
    (outcome, counted.count_total)
}

#[test]
fn a_warm_decision_allocates_nothing_or_once_for_a_bid() {
    let mut counts: BTreeMap<&str, Counted> = BTreeMap::new();
    let mut core = Core::new();
    for seed in 0..WORLDS {
        let mut game = Game::new(seed);
        for turn in 0..TURNS {
            match TURNS - turn {
                6 => game.down("not_ready"),
                3 => game.down("store_poisoned"),
                _ => {}
            }
            let asked = if game.facts.down.is_some() { game.ask_again() } else { game.turn() };
            let (outcome, allocations) = count(&game, &asked, &mut core, 1);
            let (name, bids) = match outcome {
                Outcome::NoBid(why) => (why.label(), 0),
                Outcome::Bid { bids, .. } => ("bid", u64::from(bids)),
            };
            let counted = counts.entry(name).or_default();
            counted.decisions += 1;
            counted.allocations += allocations;
            counted.bids += bids;
            // What is rare is asked again.
            let more = OF_A_REASON.saturating_sub(counted.decisions).min(OF_A_REASON / 4);
            counted.allocations += count(&game, &asked, &mut core, more).1;
            counted.decisions += more;
            counted.bids += bids * more;
            if let Outcome::Bid { epoch, .. } = outcome {
                core.decide(&game, &game.ask(&asked));
                let told: Vec<[usize; 4]> = game.wins(&core.scratch).iter().map(|win| win.who).collect();
                let made = judge(&game.facts, &asked, &told).expect("the oracle bids too");
                game.commit(&core.scratch, epoch, &made);
            }
        }
    }
    for (name, counted) in &counts {
        println!(
            "{name}: {} decisions, {} allocations per 1,000",
            counted.decisions,
            counted.per_1000()
        );
    }
    report(&counts);
}

fn report(counts: &BTreeMap<&str, Counted>) {
    let no_bids = || counts.iter().filter(|(name, _)| **name != "bid").map(|(_, counted)| counted);
    let bids = &counts["bid"];
    let mut figures = Figures::new();
    let enough = no_bids().filter(|counted| counted.decisions >= OF_A_REASON).count();
    figures.exactly("alloc.reasons", enough, REASONS_MIN);
    figures.exactly("alloc.per_1000_no_bids", no_bids().map(Counted::per_1000).max().unwrap_or(0), 0);
    figures.at_least("alloc.bids", bids.bids, OF_A_REASON);
    figures.at_most("alloc.per_1000_bids", (bids.allocations * 1_000).div_ceil(bids.bids.max(1)), 1_000);
    // The counter counts: one allocation is put between two decisions' worth of nothing.
    let canary = measure(|| drop(std::hint::black_box(String::from("an allocation"))));
    figures.exactly("alloc.canary", canary.count_total, 1);
    figures.settle();
}

/// A protobuf request is read and answered for as little.
#[test]
fn a_warm_protobuf_request_allocates_no_more() {
    let (mut game, mut core) = (Game::new(3), Core::new());
    let (mut requests, mut most_of_no_bids, mut most_of_bids) = (0u64, 0, 0);
    for _ in 0..TURNS {
        let asked = game.turn();
        let Ok(json) = serde_json::from_slice(&asked.body) else { continue };
        let body = encode(Dialect::Iab, &json);
        let mut answered = || {
            let ask = Ask {
                body: &body,
                form: Form::Protobuf,
                ..game.ask(&asked)
            };
            core.decide(&game, &ask)
        };
        let outcome = answered();
        let counted = measure(|| assert_eq!(answered(), outcome)).count_total;
        let most = match outcome {
            Outcome::Bid { .. } => &mut most_of_bids,
            Outcome::NoBid(_) => &mut most_of_no_bids,
        };
        *most = counted.max(*most);
        requests += 1;
    }
    let mut figures = Figures::new();
    figures.at_least("alloc.protobuf_requests", requests, TURNS / 2);
    figures.at_most("alloc.protobuf_no_bid_most", most_of_no_bids, 0);
    figures.at_most("alloc.protobuf_bid_most", most_of_bids, 1);
    figures.settle();
}
