//! Random facts: however they are split into commits, the same comes of them; and what is on disk is
//! what runs.

use super::rig::Rig;
use crate::base::hash::mix;
use crate::base::limits::NOTICE_LIFE;
use crate::model::ticket::Ticket;
use crate::track::fact::{Effect, Fact, Sign};

/// Numbers that only look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

const IDS: [&str; 5] = ["anna", "bob", "cleo", "dan", "eve"];

/// Bids are made at the start of a tick; their evidence comes whenever it likes.
#[derive(Default)]
struct Bids(Vec<(Ticket, u64)>);

fn user(dice: &mut Dice) -> String {
    let mut parts = Vec::new();
    if dice.below(2) == 0 {
        parts.push(format!(r#""id": "{}""#, dice.one(&IDS)));
    }
    if dice.below(3) == 0 {
        parts.push(format!(r#""first_party_id": "{}""#, dice.one(&["f1", "f2", "f3"])));
    }
    if parts.is_empty() || dice.below(3) == 0 {
        parts.push(format!(r#""address": "{}""#, dice.one(&["1", "2", "3", "4"])));
    }
    if dice.below(4) == 0 {
        parts.push(format!(r#""exchange_ids": {{"burl-x": "{}"}}"#, dice.one(&["t", "u", "v"])));
    }
    format!("{{{}}}", parts.join(", "))
}

fn event(dice: &mut Dice) -> String {
    let name = dice.one(&["page_view", "view_item", "add_to_cart", "purchase", "purchase", "custom:x"]);
    let mut extra = String::new();
    if dice.below(2) == 0 {
        extra += &format!(r#", "transaction_id": "o{}", "event_id": "e{}""#, dice.below(40), dice.below(60));
    }
    if dice.below(2) == 0 {
        extra += &format!(
            r#", "items": [{{"item_id": "p{}", "price": "{}.999", "quantity": {}}}, {{"item_id": "sku-1"}}]"#,
            dice.below(9),
            dice.below(500),
            1 + dice.below(3)
        );
    }
    format!(r#"{{"event": "{name}"{extra}}}"#)
}

fn fact(rig: &Rig, bids: &Bids, dice: &mut Dice) -> Fact {
    match dice.below(100) {
        0..40 => {
            let count = 1 + dice.below(3);
            let events: Vec<String> = (0..count).map(|_| event(dice)).collect();
            let Fact::Events(mut batch) = rig.events(&user(dice), &events.join(",")) else {
                unreachable!("events are events");
            };
            let fresh = format!("fresh-{}", dice.below(1_000_000));
            batch.fresh = (rig.key(&fresh), fresh);
            Fact::Events(batch)
        }
        40..46 => rig.matching(dice.one(&IDS), "burl-x", dice.one(&["t", "u", "v"])),
        46..49 => Fact::Forget {
            user: rig.key(dice.one(&IDS)),
            opt_out: dice.below(8) == 0,
        },
        _ => {
            let (ticket, tag) = bids.0[dice.below(bids.0.len() as u64) as usize];
            let sign = [Sign::Win, Sign::Bill, Sign::Pixel, Sign::Click][dice.below(4) as usize];
            rig.sign(sign, ticket, tag, dice.one(&["1.5", "2.4999999", "99", "", "AUDIT"]))
        }
    }
}

/// One run of a seed: `split` says how many facts go into the next commit.
fn run(seed: u64, mut split: impl FnMut() -> usize) -> (Rig, Vec<Effect>) {
    let (mut rig, mut dice, mut bids) = (Rig::new(), Dice(seed), Bids::default());
    let (mut effects, mut tag) = (Vec::new(), 1_000);
    for _ in 0..25 {
        rig.later(1 + dice.below(u64::from(NOTICE_LIFE.0) / 12) as u32);
        rig.record(vec![]);
        for _ in 0..1 + dice.below(4) {
            let of = dice.one(&IDS);
            let ticket = rig.ticket(rig.key(of), dice.below(3) as u8);
            rig.hold(&ticket);
            tag += 1;
            bids.0.push((ticket, tag));
        }
        for _ in 0..dice.below(3) {
            let (ticket, tag) = bids.0[dice.below(bids.0.len() as u64) as usize];
            rig.lose(ticket, tag);
        }
        let mut facts: Vec<Fact> = (0..dice.below(40)).map(|_| fact(&rig, &bids, &mut dice)).collect();
        while !facts.is_empty() {
            let rest = facts.split_off(split().clamp(1, facts.len()));
            effects.extend(rig.record(std::mem::replace(&mut facts, rest)));
        }
        rig.record(vec![]);
    }
    rig.assert_durable();
    (rig, effects)
}

#[test]
fn the_same_comes_of_facts_however_they_are_split() {
    for seed in 0..40 {
        let (single, effects) = run(seed, || 1);
        let mut dice = Dice(!seed);
        let (split, effects_of_split) = run(seed, || dice.below(12) as usize);
        assert_eq!(effects, effects_of_split, "seed {seed}");
        assert_eq!(single.disk.rows, split.disk.rows, "seed {seed}");
        assert_eq!(single.totals(), split.totals(), "seed {seed}");
        let billed = effects.iter().filter(|effect| **effect == Effect::Settled).count();
        assert!(billed > 10, "seed {seed}: {billed} billed");
    }
}

#[test]
fn no_bid_is_billed_twice_and_sums_agree() {
    for seed in 100..130 {
        let (rig, _) = run(seed, || 7);
        let row = rig.row();
        // The log has one line for each impression, and they sum to the row.
        let mut logged = (0, crate::base::money::Money::ZERO);
        for (_, value) in rig.disk.table(crate::model::rows::Table::Facts) {
            let line: serde_json::Value = serde_json::from_slice(value).expect("json");
            if line["fact"] == "impression" {
                let billed = line["billed"].as_str().expect("text");
                logged = (logged.0 + 1, logged.1 + crate::base::money::Money::parse(billed).expect("amount"));
            }
        }
        assert_eq!(logged, (row.impressions, row.billed), "seed {seed}");
        assert_eq!(rig.totals().0, row.billed);
        assert!(row.impressions <= 100);
    }
}
