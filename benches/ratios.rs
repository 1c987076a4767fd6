//! Ratios of decisions that must not cost more where there is more on the server: timed in turns, so
//! that whatever else the machine does falls on all of them alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

use winback::bid::{Scratch, Silent, decide};
use winback::model::outcome::Outcome;

use crate::market::{Market, ask, request};

/// Decisions in one turn.
const TURN: u32 = 200;
/// Turns of each.
const TURNS: usize = 151;

/// One market and whom it is asked about.
struct Runner {
    market: Market,
    body: Vec<u8>,
    scratch: Scratch,
    seed: u128,
}

impl Runner {
    fn new(campaigns: usize, user: &str) -> Runner {
        let mut runner = Runner {
            market: Market::new(campaigns, 0),
            body: request(user),
            scratch: Scratch::default(),
            seed: 0,
        };
        assert!(matches!(runner.once(), Outcome::Bid { .. }), "no bid for {user}");
        runner
    }

    fn once(&mut self) -> Outcome {
        self.seed += 1;
        let rig = &self.market.rig;
        let asked = ask(black_box(&self.body), self.seed);
        decide(&rig.world, &rig.state, &asked, &mut self.scratch, &mut Silent)
    }

    fn turn(&mut self) -> Duration {
        let began = Instant::now();
        for _ in 0..TURN {
            black_box(self.once());
        }
        began.elapsed()
    }
}

/// The ratios of a bid at 100,000 campaigns, and of one for a shopper whom twenty shops of ten
/// campaigns know, to a bid of one shop with one campaign on the server: medians over turns.
pub fn ratios() -> (f64, f64) {
    let mut least = Runner::new(0, "buyer");
    let mut crowded = Runner::new(100_000, "buyer");
    let mut known = Runner::new(200, "everywhere");
    let (mut of_crowded, mut of_known) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let base = least.turn().as_secs_f64();
        of_crowded.push(crowded.turn().as_secs_f64() / base);
        of_known.push(known.turn().as_secs_f64() / base);
    }
    (median(&mut of_crowded), median(&mut of_known))
}

/// The one in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
