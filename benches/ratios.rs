//! Ratios of decisions that must not cost more where there is more on the server: timed in turns, so
//! that whatever else the machine does falls on all of them alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use winback::bid::{Scratch, Silent, decide};
use winback::model::outcome::Outcome;
use winback::privacy::recall::Recall;

use crate::consent;
use crate::count::Reading;
use crate::formats;
use crate::market::{Market, ask, request, requests};

/// Decisions in one turn.
const TURN: u32 = 200;
/// Turns of each.
const TURNS: usize = 151;
/// Calls in one turn of what takes a microsecond or a few.
const SHORT_TURN: u32 = 20;
/// Strings of consent, too many for any cache, and how far from one to the next.
const COLD_STRINGS: usize = 100_003;
const COLD_STEP: usize = 7_919;
/// Such turns.
const SHORT_TURNS: usize = 1_001;

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

/// Prints what reading a request in each form takes, and writing an ad of each format, in units of what
/// serde_json takes to skip a request of one imp.
pub fn openrtb() {
    let [json, _] = requests(1);
    let mut skip = || serde_json::from_slice::<IgnoredAny>(black_box(&json)).is_ok();
    let mut reading = Reading::default();
    for (name, imps, most) in [("", 1, [2.0, 2.0]), ("_10_imps", 10, [7.0, 9.0])] {
        let [json, protobuf] = requests(imps);
        let of_json = over(&mut || reading.of_json(black_box(&json)), &mut skip);
        let of_protobuf = over(&mut || reading.of_protobuf(black_box(&protobuf)), &mut skip);
        show(&format!("parse{name}"), of_json, most[0]);
        show(&format!("parse{name}_protobuf"), of_protobuf, most[1]);
    }
    formats::each(|format, write| {
        let most = if format == "banner" { 1.5 } else { 8.0 };
        show(&format!("markup_{format}"), over(&mut || write() > 0, &mut skip), most);
    });
}

/// Prints what it takes to tell what a string of a thousand vendors allows, in the same units: the one string
/// again and again, and each time another one, at a place of its own.
pub fn permission() {
    let [json, _] = requests(1);
    let mut skip = || serde_json::from_slice::<IgnoredAny>(black_box(&json)).is_ok();
    let (policy, mut recall) = (consent::policy(), Recall::default());
    for (name, as_ranges) in [("bits", false), ("ranges", true)] {
        let strings: Vec<String> = (0..COLD_STRINGS as u64).map(|n| consent::string(as_ranges, n)).collect();
        let mut next = 0;
        let mut other = || {
            next = (next + COLD_STEP) % COLD_STRINGS;
            consent::permits(&policy, &mut recall, black_box(&strings[next]))
        };
        show(&format!("permission_{name}_cold"), over(&mut other, &mut skip), 1.2);
        let mut same = || consent::permits(&policy, &mut recall, black_box(&strings[0]));
        show(&format!("permission_{name}_warm"), over(&mut same, &mut skip), 0.25);
    }
}

fn show(name: &str, skips: f64, most: f64) {
    let verdict = if skips <= most { "ok" } else { "short" };
    println!("show skips.{name} {skips:.2} <={most} {verdict}");
}

/// What the one takes over what the other does: by the shortest turn of each, as on a busy machine longer turns
/// are interrupted more often.
fn over(one: &mut dyn FnMut() -> bool, other: &mut dyn FnMut() -> bool) -> f64 {
    let turn = |run: &mut dyn FnMut() -> bool| {
        let began = Instant::now();
        (0..SHORT_TURN).for_each(|_| assert!(black_box(run())));
        began.elapsed().as_secs_f64()
    };
    let (mut of_one, mut of_other) = (f64::MAX, f64::MAX);
    for _ in 0..SHORT_TURNS {
        of_one = turn(one).min(of_one);
        of_other = turn(other).min(of_other);
    }
    of_one / of_other
}

/// The one in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
