//! Decisions and nothing else, told to what listens to them in the server, or readings of requests, so many
//! times: what callgrind counts instructions of. No thread, no socket, no clock: the same binary counts the same.

use std::time::Instant;

use winback::bid::{Scratch, decide};
use winback::model::outcome::Outcome;
use winback::openrtb::decode::{self, Memory, recycle};
use winback::openrtb::request::{Imp, Opportunity};
use winback::openrtb::response::Form;
use winback::server::funnel::Tally;
use winback::sim::{Mix, Traffic};

use crate::market::{Market, ask, request, requests};

/// Shoppers of the canonical mix, as far as instructions are counted: their number changes none.
const USERS: usize = 20_000;
/// Campaigns of the canonical mix.
const CAMPAIGNS: usize = 1_000;

/// Reads so many times a request of ten imps in one of its forms.
pub fn of_reading(form: &str, times: usize) {
    let [json, protobuf] = requests(10);
    let mut reading = Reading::default();
    let read = (0..times).filter(|_| match form {
        "json" => reading.of_json(&json),
        _ => reading.of_protobuf(&protobuf),
    });
    println!(
        "{form}: {} of {times} read; {} bytes of JSON, {} of protobuf",
        read.count(),
        json.len(),
        protobuf.len()
    );
}

/// The memory that requests are read with, one after the other.
#[derive(Default)]
pub struct Reading {
    imps: Vec<Imp<'static>>,
    memory: Memory,
}

impl Reading {
    /// Whether JSON is read.
    #[inline(never)]
    pub fn of_json(&mut self, body: &[u8]) -> bool {
        self.read(Form::Json, body)
    }

    /// Whether protobuf is read.
    #[inline(never)]
    pub fn of_protobuf(&mut self, body: &[u8]) -> bool {
        self.read(Form::Protobuf, body)
    }

    fn read(&mut self, form: Form, body: &[u8]) -> bool {
        let mut request = Opportunity {
            imps: recycle(std::mem::take(&mut self.imps)),
            ..Opportunity::default()
        };
        let read = decode::read(form, body, &mut self.memory, &mut request).is_ok();
        self.imps = recycle(request.imps);
        read
    }
}

/// Decides so many times about one of the people of the market.
pub fn of_person(user: &str, times: usize) {
    let body = request(user);
    run(&Market::new(200, 0), std::iter::repeat_n(&body, times), user);
}

/// Decides about so many requests of the canonical mix: that of the bench over sockets.
pub fn of_mix(times: usize) {
    let mix = Mix {
        users: USERS as u64,
        known_percent: 30,
        ..Mix::default()
    };
    let mut traffic = Traffic::new(&mix);
    let bodies: Vec<Vec<u8>> = (0..times)
        .map(|_| {
            let mut body = Vec::new();
            traffic.write_next(&mut body);
            body
        })
        .collect();
    run(&Market::new(CAMPAIGNS, USERS), bodies.iter(), "mix");
}

fn run<'b>(market: &Market, bodies: impl ExactSizeIterator<Item = &'b Vec<u8>>, name: &str) {
    let (mut scratch, mut tally) = (Scratch::default(), Tally::new(market.rig.state.funnels.core()));
    let (mut bids, times) = (0, bodies.len());
    let began = Instant::now();
    for (seed, body) in bodies.enumerate() {
        let asked = ask(body, seed as u128);
        let outcome = decide(&market.rig.world, &market.rig.state, &asked, &mut scratch, &mut tally);
        tally.settle(asked.exchange, &outcome, &scratch.picks);
        bids += usize::from(matches!(outcome, Outcome::Bid { .. }));
    }
    let us = began.elapsed().as_secs_f64() * 1e6 / times as f64;
    println!("{name}: {times} decisions, {bids} bids, {us:.1} us each");
}
