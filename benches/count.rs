//! Decisions and nothing else, so many times: what callgrind counts instructions of. No thread, no
//! socket, no clock: the same binary counts the same.

use winback::bid::{Scratch, Silent, decide};
use winback::model::outcome::Outcome;

use crate::market::{Market, ask, request};

/// Decides so many times about one of the people of the market.
pub fn of_person(user: &str, campaigns: usize, times: u128) {
    let market = Market::new(campaigns, 0);
    let body = request(user);
    let mut scratch = Scratch::default();
    let mut bids = 0;
    for seed in 0..times {
        let asked = ask(&body, seed);
        let outcome = decide(&market.rig.world, &market.rig.state, &asked, &mut scratch, &mut Silent);
        bids += u128::from(matches!(outcome, Outcome::Bid { .. }));
    }
    println!("{user}: {times} decisions, {bids} bids");
}
