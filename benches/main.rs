//! What a decision costs, beside the cost of merely skipping over the same bytes (`skip`): machines
//! differ, ratios to `skip` do not much.
//!
//! Without a word, criterion's benches. The Worlds and States are those of the scenarios' rig, in
//! memory; commits are undone by losses.

#[path = "../tests/all/bench_rig.rs"]
#[allow(dead_code)]
mod bench_rig;
#[path = "../tests/all/http.rs"]
#[allow(dead_code)]
mod http;
#[path = "../tests/all/protos/speech.rs"]
#[allow(dead_code)]
mod speech;
mod ack;
mod canon;
mod consent;
mod count;
mod formats;
mod ingest;
mod market;
mod overload;
mod ratios;
mod scale;
mod server;
mod wire;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Bencher, BenchmarkGroup, Criterion, Throughput, criterion_group};
use serde::de::IgnoredAny;
use winback::base::id::BidTag;
use winback::base::id::CampaignNo;
use winback::base::money::{Conversion, Money};
use winback::base::seal::Audience;
use winback::bid::{Scratch, Silent, Trace, decide};
use winback::model::outcome::{NoBid, Outcome};
use winback::model::profile::Profile;
use winback::model::ticket::Ticket;
use winback::model::told::{Detail, Step};
use winback::privacy::recall::Recall;
use winback::server::bodies::Packer;

use count::Reading;
use market::{Market, NOW, ask, request};

/// How many campaigns the server has, besides the one of the shopper asked about.
const CAMPAIGNS: [usize; 3] = [0, 1_000, 100_000];
/// How many shoppers are known.
const USERS: [usize; 2] = [1_000, 1_000_000];

/// `--test` runs each bench once, to see that it runs: small markets will do.
fn fitting<const N: usize>(sizes: [usize; N]) -> impl Iterator<Item = usize> {
    let toy = std::env::args().any(|word| word == "--test");
    sizes.into_iter().filter(move |size| !toy || *size <= 1_000)
}

/// One request in both forms, of one imp and of ten; `skip` passes over the JSON.
fn reading(c: &mut Criterion) {
    for (name, imps) in [("read", 1), ("read_10_imps", 10)] {
        let [json, protobuf] = market::requests(imps);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function("skip", |b| {
            b.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&json)).is_ok());
        });
        let mut reading = Reading::default();
        group.bench_function("parse", |b| b.iter(|| reading.of_json(black_box(&json))));
        group.bench_function("parse_protobuf", |b| b.iter(|| reading.of_protobuf(black_box(&protobuf))));
        group.finish();
    }
}

/// What a TC string of a thousand vendors allows.
fn permitting(c: &mut Criterion) {
    let (policy, mut recall) = (consent::policy(), Recall::default());
    let mut group = c.benchmark_group("permission");
    for (name, as_ranges) in [("bits_of_1000_vendors", false), ("ranges_of_1000_vendors", true)] {
        let string = consent::string(as_ranges, 0);
        assert!(consent::permits(&policy, &mut recall, &string), "{name}: {string}");
        group.bench_function(name, |b| b.iter(|| consent::permits(&policy, &mut recall, black_box(&string))));
    }
    group.finish();
}

type Group<'a> = BenchmarkGroup<'a, criterion::measurement::WallTime>;

/// Decides about one body again and again, each time with another seed.
fn decide_on(group: &mut Group<'_>, name: &str, market: &Market, body: &[u8], bids: bool) {
    let mut scratch = Scratch::default();
    let mut seed = 0;
    let mut once = || {
        seed += 1;
        decide(
            &market.rig.world,
            &market.rig.state,
            &ask(black_box(body), seed),
            &mut scratch,
            &mut Silent,
        )
    };
    assert_eq!(matches!(once(), Outcome::Bid { .. }), bids, "{name}: {:?}", once());
    group.bench_function(name, |b| b.iter(&mut once));
}

fn deciding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    for campaigns in fitting(CAMPAIGNS) {
        let market = Market::new(campaigns, 0);
        let label = if campaigns == 0 { "1".to_owned() } else { campaigns.to_string() };
        for (name, user, bids) in [
            ("unknown_user", "stranger", false),
            ("no_audience", "looker", false),
            ("bid", "buyer", true),
        ] {
            decide_on(&mut group, &format!("{name}/{label}_campaigns"), &market, &request(user), bids);
        }
    }
    decide_on(
        &mut group,
        "bid/known_to_20_shops_of_10",
        &Market::new(200, 0),
        &request("everywhere"),
        true,
    );
    group.finish();
}

/// The record of a shopper taken at random: match, record, decoding.
fn looking_up(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    for users in fitting(USERS) {
        let market = Market::new(1_000, users);
        let mut profile = Profile::default();
        let mut next = 0;
        group.bench_function(format!("{users}_users"), |b| {
            b.iter(|| {
                // A prime stride visits all of them in an order that no cache foresees.
                next = (next + 7_919) % users;
                let user = market.rig.user(canon::EXCHANGE, &market::uid(next));
                user.and_then(|user| market.rig.state.users.read(user.0, |record| profile.read(record)))
            });
        });
        let bodies: Vec<Vec<u8>> = (0..1_024).map(|n| request(&market::uid(n * 7_919 % users))).collect();
        let mut scratch = Scratch::default();
        let mut at = 0;
        group.bench_function(format!("decide_about_{users}_users"), |b| {
            b.iter(|| {
                at += 1;
                let asked = ask(&bodies[at % bodies.len()], at as u128);
                decide(&market.rig.world, &market.rig.state, &asked, &mut scratch, &mut Silent)
            });
        });
    }
    group.finish();
}

/// Hears when one stage begins and when the next does.
struct Watch {
    stage: &'static str,
    began: Option<Instant>,
    spent: Duration,
}

impl Trace for Watch {
    const ON: bool = false;

    fn stage(&mut self, stage: &'static str) {
        if let Some(began) = self.began.take() {
            self.spent += began.elapsed();
        }
        if stage == self.stage {
            self.began = Some(Instant::now());
        }
    }

    fn dropped(&mut self, _: CampaignNo, _: NoBid, _: impl FnOnce() -> Detail) {}
    fn priced(&mut self, _: CampaignNo, _: impl FnOnce() -> Step) {}
}

/// Each stage of a bid by itself; two readings of the clock are in each figure.
fn staging(c: &mut Criterion) {
    stages(&mut c.benchmark_group("stage"), &Market::new(0, 0), &request("buyer"));
    stages(
        &mut c.benchmark_group("stage_of_20_shops_of_10"),
        &Market::new(200, 0),
        &request("everywhere"),
    );
}

fn stages(group: &mut Group<'_>, market: &Market, body: &[u8]) {
    let mut scratch = Scratch::default();
    for stage in ["decode", "identify", "lookup", "narrow", "pace", "price", "render", "respond"] {
        let timed = |b: &mut Bencher<'_>| {
            b.iter_custom(|times| {
                let mut watch = Watch {
                    stage,
                    began: None,
                    spent: Duration::ZERO,
                };
                for seed in 0..times {
                    let asked = ask(black_box(body), u128::from(seed));
                    decide(&market.rig.world, &market.rig.state, &asked, &mut scratch, &mut watch);
                    // The last stage ends with the decision.
                    watch.stage("");
                }
                watch.spent
            });
        };
        group.bench_function(stage, timed);
    }
}

fn sealing(c: &mut Criterion) {
    let market = Market::new(0, 0);
    let payload = Ticket::priced(Money::units(4), Conversion { from: 1, to: 1 }).write();
    let key = market.rig.world.seals.current(false);
    let (mut out, mut count) = (Vec::new(), 0u64);
    c.bench_function("seal", |b| {
        b.iter(|| {
            count += 1;
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&count.to_le_bytes());
            out.clear();
            key.seal(Audience::Notice, &nonce, black_box(&payload), &mut out);
        });
    });
}

/// A commit and the loss that frees what it took; and the whole request: decision, commit, answer.
fn committing(c: &mut Criterion) {
    let market = Market::new(0, 0);
    let body = request("buyer");
    let mut scratch = Scratch::default();
    let outcome = decide(&market.rig.world, &market.rig.state, &ask(&body, 1), &mut scratch, &mut Silent);
    assert!(matches!(outcome, Outcome::Bid { bids: 1, .. }), "{outcome:?}");
    let mut pick = scratch.picks[0];
    let mut tag = 0;
    c.bench_function("commit", |b| {
        b.iter(|| {
            tag += 1;
            pick.tag = BidTag(tag);
            let epoch = market.rig.state.cap_holds.view(pick.user, NOW).epoch;
            assert!(market.commit(&[pick], epoch));
            market.lose(&[pick]);
        });
    });
    let mut seed = 1;
    c.bench_function("whole_request", |b| {
        b.iter(|| {
            seed += 1;
            let asked = ask(black_box(&body), seed);
            let Outcome::Bid { epoch, .. } = decide(&market.rig.world, &market.rig.state, &asked, &mut scratch, &mut Silent) else {
                panic!("no bid");
            };
            assert!(market.commit(&scratch.picks, epoch));
            market.lose(&scratch.picks);
            scratch.out.split().freeze()
        });
    });
}

/// An answer packed with gzip, whole and cut to lengths around those from which it is.
fn packing(c: &mut Criterion) {
    let market = Market::new(0, 0);
    let mut scratch = Scratch::default();
    decide(
        &market.rig.world,
        &market.rig.state,
        &ask(&request("buyer"), 1),
        &mut scratch,
        &mut Silent,
    );
    let mut packer = Packer::default();
    let mut group = c.benchmark_group("gzip");
    for length in [700, 1_400, 2_800, 5_600, scratch.out.len()] {
        let answer = &scratch.out[..length];
        println!("{length} bytes become {}", packer.packed(answer).expect("gzip").len());
        group.bench_function(format!("{length}_bytes"), |b| b.iter(|| packer.packed(black_box(answer))));
    }
    group.finish();
}

criterion_group!(
    benches,
    reading,
    permitting,
    packing,
    deciding,
    formats::formats,
    looking_up,
    staging,
    sealing,
    committing
);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.first().map(String::as_str) {
        Some("ratios") => {
            let (crowded, known) = ratios::ratios();
            println!("bid at 100,000 campaigns / at one: {crowded:.2}");
            println!("bid for a shopper known to 20 shops of 10 campaigns / to one of one: {known:.2}");
        }
        Some("openrtb") => ratios::openrtb(),
        Some("permission") => ratios::permission(),
        Some("wire") => wire::wire(
            Path::new(&words[1]),
            words[2].parse().expect("a number of pairs"),
            words.get(3).and_then(|users| users.parse().ok()),
        ),
        Some("scale") => scale::scale(
            Path::new(&words[1]),
            words[2].parse().expect("a number of users"),
            words.get(3).is_some_and(|word| word == "ingest"),
        ),
        Some("ack") => ack::ack(
            Path::new(&words[1]),
            words[2].parse().expect("a number of rounds"),
            words[3].parse().expect("a number of seconds"),
            words[4].parse().expect("a number of users"),
        ),
        Some("overload") => overload::overload(Path::new(&words[1]), &overload::Sizes::of(&words[2..])),
        Some("floods") => overload::floods(Path::new(&words[1]), &overload::Sizes::of(&words[2..])),
        Some("mix") => count::of_mix(words[1].parse().expect("a number of decisions")),
        Some("reading") => count::of_reading(&words[1], words[2].parse().expect("a number of requests")),
        Some("person") => count::of_person(&words[1], words[2].parse().expect("a number of decisions")),
        _ => criterion(),
    }
}

fn criterion() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
