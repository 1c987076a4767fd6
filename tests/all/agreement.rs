//! The oracle against `decide`: a hundred thousand seeded requests in some hundreds of worlds, and each must
//! come to the same winners and prices, or to the same reason.
//!
//! `ORACLE_REQUESTS` plays fewer, of which the bars are the same shares; `SEED` plays one world alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use winback::bid::{Scratch, Silent, decide};
use winback::model::outcome::{NoBid, Outcome};

use crate::figures::Figures;
use crate::game::Game;
use crate::game::facts::{Asked, Verdict, Win};
use crate::oracle::judge;

const REQUESTS: u64 = 100_000;
const BIDS_MIN: u64 = 30_000;
const OF_A_REASON_MIN: u64 = 200;
/// Requests of one world, the last few of them to a server that is down.
const TURNS: u64 = 400;
/// Disagreements that are printed.
const PRINTED: usize = 3;

/// Reasons that no call of `decide` can end in, and where they come from.
fn elsewhere(reason: NoBid) -> Option<&'static str> {
    match reason {
        NoBid::Overloaded => Some("the engine's, before it decides: `max_qps`"),
        NoBid::Contended => Some("the engine's, after it decided: a commit was refused twice"),
        NoBid::Malformed | NoBid::TooLarge | NoBid::TooLate | NoBid::NotReady | NoBid::StorePoisoned | NoBid::TestOnly => None,
        NoBid::Consent | NoBid::OptedOut | NoBid::NoId | NoBid::UnknownUser => None,
        NoBid::InvalidTraffic | NoBid::NoAudience => None,
        NoBid::Paused | NoBid::Flight | NoBid::Hours | NoBid::Targeting | NoBid::HouseBlocked => None,
        NoBid::BlockedAdvertiser | NoBid::BlockedCategory | NoBid::BlockedSeat | NoBid::CreativeBlocked => None,
        NoBid::CreativeNotApproved | NoBid::BillingId | NoBid::Deal | NoBid::Currency | NoBid::Format | NoBid::Size => None,
        NoBid::Frequency | NoBid::Budget | NoBid::Pacing | NoBid::BelowFloor | NoBid::NoProduct | NoBid::NoCreative => None,
    }
}

/// What `decide` answered: winners by imp, or the reason's label.
type Answer = Result<Vec<Win>, &'static str>;

/// What was seen of some worlds.
#[derive(Default)]
struct Tally {
    requests: u64,
    bids: u64,
    reasons: BTreeMap<&'static str, u64>,
    disagreements: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.requests += other.requests;
        self.bids += other.bids;
        for (reason, n) in other.reasons {
            *self.reasons.entry(reason).or_default() += n;
        }
        self.disagreements.extend(other.disagreements);
    }
}

/// How an answer differs from the verdict; none where they agree.
fn difference(answer: &Answer, verdict: &Verdict) -> Option<String> {
    let by_imp = |mut wins: Vec<Win>| {
        wins.sort_by_key(|win| win.who);
        wins
    };
    let of = |made: &crate::game::facts::Made| Win {
        who: [made.imp, made.bid.who[1], made.bid.who[2], made.bid.who[3]],
        price: made.price,
        deal: made.deal.clone(),
        billed_to: made.billed_to.clone(),
    };
    let expected = verdict
        .as_ref()
        .map(|made| by_imp(made.iter().map(of).collect()))
        .map_err(|why| *why);
    let answer = answer.clone().map(by_imp);
    (answer != expected).then(|| format!("decide {answer:?}\noracle {expected:?}"))
}

/// Plays the world of a seed.
fn play(seed: u64, turns: u64) -> Tally {
    let mut game = Game::new(seed);
    let (mut tally, mut scratch) = (Tally::default(), Scratch::default());
    for turn in 0..turns {
        match turns - turn {
            6 => game.down("not_ready"),
            3 => game.down("store_poisoned"),
            _ => {}
        }
        let asked = if game.facts.down.is_some() { game.ask_again() } else { game.turn() };
        let outcome = decide(&game.rig.world, &game.rig.state, &game.ask(&asked), &mut scratch, &mut Silent);
        let answer: Answer = match outcome {
            Outcome::Bid { .. } => Ok(game.wins(&scratch)),
            Outcome::NoBid(why) => Err(why.label()),
        };
        let told: Vec<[usize; 4]> = answer.iter().flatten().map(|win| win.who).collect();
        let verdict = judge(&game.facts, &asked, &told);
        tally.requests += 1;
        match &answer {
            Ok(_) => tally.bids += 1,
            Err(why) => *tally.reasons.entry(why).or_default() += 1,
        }
        if let Some(difference) = difference(&answer, &verdict) {
            tally
                .disagreements
                .push(format!("SEED={seed} turn {turn}\n{difference}\n{}", told_of(&game, &asked)));
            // What follows would only repeat it.
            return tally;
        }
        if let (Outcome::Bid { epoch, .. }, Ok(made)) = (outcome, verdict) {
            game.commit(&scratch, epoch, &made);
        }
    }
    tally
}

/// World and request; of the shops and of what was told only what may matter.
fn told_of(game: &Game, asked: &Asked) -> String {
    let facts = &game.facts;
    let exchange = &facts.server["exchanges"][asked.exchange];
    let shops: Vec<String> = facts.shops.iter().map(ToString::to_string).collect();
    let told = facts
        .told
        .iter()
        .map(|(who, shop, at, event)| format!("{who} at {shop} {}s ago {event}", asked.now / 1_000 - at));
    let bids = facts.bids.iter().rev().take(8).map(|bid| format!("{bid:?}"));
    let body = String::from_utf8_lossy(&asked.body);
    let lines = [
        format!(
            "at {} waited {} house {} people {:?}",
            asked.now, asked.waited, facts.house, facts.people
        ),
        format!("request {body:.4000}\nexchange {exchange}\nshops\n{}", shops.join("\n")),
        format!(
            "last bids\n{}\ntold\n{}",
            bids.collect::<Vec<_>>().join("\n"),
            told.collect::<Vec<_>>().join("\n")
        ),
    ];
    lines.join("\n")
}

/// Plays worlds on every core, each with its own seed.
fn play_all(worlds: u64) -> Tally {
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let play_some = || {
        let mut tally = Tally::default();
        while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < worlds) {
            tally.add(play(seed, TURNS));
        }
        tally
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(play_some)).collect();
        let mut all = Tally::default();
        threads.into_iter().for_each(|thread| all.add(thread.join().expect("no panic")));
        all
    })
}

#[test]
fn the_oracle_agrees_with_every_decision() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        println!("{}", play(seed, TURNS).disagreements.join("\n\n"));
        return;
    }
    let requests = number("ORACLE_REQUESTS").unwrap_or(REQUESTS).max(TURNS);
    let share = |bar: u64| (bar * requests / REQUESTS) as usize;
    let tally = play_all(requests.div_ceil(TURNS));
    let reachable: Vec<NoBid> = NoBid::ALL.iter().copied().filter(|reason| elsewhere(*reason).is_none()).collect();
    let count = |reason: &NoBid| tally.reasons.get(reason.label()).copied().unwrap_or(0);
    for reason in NoBid::ALL {
        println!("{:>7} {} {}", count(reason), reason.label(), elsewhere(*reason).unwrap_or(""));
    }
    tally
        .disagreements
        .iter()
        .take(PRINTED)
        .for_each(|difference| println!("\n{difference}"));
    let least = reachable.iter().map(count).min().unwrap_or(0);
    let unplaced = NoBid::ALL
        .iter()
        .filter(|reason| elsewhere(**reason).is_some() && count(reason) > 0)
        .count();
    let mut figures = Figures::new();
    figures.at_least("oracle.requests", tally.requests as usize, requests as usize);
    figures.at_least("oracle.bids", tally.bids as usize, share(BIDS_MIN));
    figures.exactly(
        "oracle.reasons",
        reachable.iter().filter(|reason| count(reason) > 0).count(),
        reachable.len(),
    );
    figures.exactly("oracle.reasons_said_unreachable", unplaced, 0);
    figures.at_least("oracle.least_of_a_reason", least as usize, share(OF_A_REASON_MIN));
    figures.exactly("oracle.disagreements", tally.disagreements.len(), 0);
    figures.settle();
}

/// A comparison that finds nothing would pass too: each way in which an answer can be wrong must be told.
#[test]
fn a_doctored_answer_is_a_disagreement() {
    let (mut game, mut scratch) = (Game::new(1), Scratch::default());
    let (mut price, mut winner, mut reason, mut nobody) = (0, 0, 0, 0);
    let mut played = 0;
    while price.min(reason) < 50 {
        played += 1;
        let asked = game.turn();
        let outcome = decide(&game.rig.world, &game.rig.state, &game.ask(&asked), &mut scratch, &mut Silent);
        match outcome {
            Outcome::NoBid(why) => {
                let verdict = judge(&game.facts, &asked, &[]);
                let wrong = NoBid::ALL.iter().filter(|other| **other != why);
                assert!(difference(&Err(why.label()), &verdict).is_none());
                assert!(wrong.into_iter().all(|other| difference(&Err(other.label()), &verdict).is_some()));
                reason += 1;
            }
            Outcome::Bid { .. } => {
                let wins = game.wins(&scratch);
                let differs = |change: &dyn Fn(&mut Vec<Win>)| {
                    let mut doctored = wins.clone();
                    change(&mut doctored);
                    let told: Vec<[usize; 4]> = doctored.iter().map(|win| win.who).collect();
                    difference(&Ok(doctored), &judge(&game.facts, &asked, &told)).is_some()
                };
                assert!(!differs(&|_| {}));
                price += usize::from(differs(&|wins| wins[0].price += 1) && differs(&|wins| wins[0].price -= 1));
                winner += usize::from(differs(&|wins| wins[0].who[2] += 1) && differs(&|wins| wins[0].who[1] += 1));
                let bare = judge(&game.facts, &asked, &[]);
                nobody += usize::from(difference(&Err("no_audience"), &bare).is_some());
            }
        }
    }
    let mut figures = Figures::new();
    println!("{played} requests");
    let kinds = [price >= 50, winner > 0, reason >= 50, nobody >= 50]
        .into_iter()
        .filter(|caught| *caught)
        .count();
    figures.exactly("oracle.doctored_kinds_caught", kinds, 4);
    figures.settle();
}
