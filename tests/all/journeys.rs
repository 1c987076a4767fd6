//! Journeys as data: what shoppers are shown, click, buy and send back, and what is credited to whom on
//! which day (`tests/golden/journeys.json`), on virtual time.
//!
//! A journey is `{"name", "steps", "then"}`; `UPDATE_GOLDEN=1` writes every `then` anew. Steps come `after`
//! one another: `{"shown": BID, "user", "campaign", "signs"}`, `{"click": BID}`, `{"tell": BATCH, "browser":
//! COOKIE}`, `{"whose": FIRST-PARTY ID}`; in a batch, a number as `click_id` stands for that bid's token.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use winback::base::id::BidTag;
use winback::base::money::{Conversion, Money};
use winback::base::seal::Audience;
use winback::base::time::{Day, Millis, Span};
use winback::model::ticket::Ticket;
use winback::track::events::{self, Sender};
use winback::track::fact::{Evidence, Fact, Paid, Sign};

use crate::bench_rig::{NOWHERE, Rig};
use crate::figures::Figures;

const JOURNEYS: usize = 24;
/// Wednesday noon, UTC: seven in the evening where the shop is.
const START: Millis = Millis(1_781_092_800_000);
const DAYS: i32 = 70;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Journey<'t> {
    name: String,
    #[serde(borrow)]
    steps: Vec<&'t RawValue>,
    #[serde(default)]
    then: Value,
}

struct Walk {
    rig: Rig,
    now: Millis,
    bids: BTreeMap<u64, Ticket>,
    whose: BTreeMap<String, Value>,
}

fn advertiser(id: &str, campaigns: &[&str]) -> Value {
    let campaign = |name: &&str| json!({"id": name, "audiences": ["all"], "bid": {"type": "cpm", "amount": 5}, "budget": {"daily": 100}, "creatives": ["card"]});
    json!({
        "version": 1, "id": id, "name": "A shop", "domain": format!("{id}.example"), "site_key": format!("{id}-web"),
        "timezone": "Asia/Ho_Chi_Minh", "attribution": {"goal": "purchase", "click": "30d", "view": "1d"},
        "audiences": [{"id": "all", "include": [{"event": "page_view"}]}],
        "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250]]}],
        "campaigns": campaigns.iter().map(campaign).collect::<Vec<_>>(),
    })
}

impl Walk {
    fn new() -> Walk {
        let server = json!({"currencies": {"base": "USD", "rates": {"EUR": "0.8"}}, "exchanges": [{"id": "x"}], "invalid_traffic": null});
        let mut rig = Rig::new(&server, Path::new(NOWHERE)).expect("a sound server config");
        rig.add(&advertiser("acme", &["one", "two"]), &[]).expect("a shop");
        rig.add(&advertiser("other", &["three"]), &[]).expect("a shop");
        Walk {
            rig,
            now: START,
            bids: BTreeMap::new(),
            whose: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Value) {
        if let Some(after) = step["after"].as_str() {
            self.now = self.now.after(Span::parse(after).expect("a span"));
        }
        if let Some(bid) = step["shown"].as_u64() {
            let ticket = self.ticket(step);
            self.bids.insert(bid, ticket);
            let default = [json!("bill")];
            for name in step["signs"].as_array().map_or(&default[..], Vec::as_slice) {
                let sign = match name.as_str() {
                    Some("win") => Sign::Win,
                    Some("pixel") => Sign::Pixel,
                    _ => Sign::Bill,
                };
                self.sign(sign, bid);
            }
        } else if let Some(bid) = step["click"].as_u64() {
            self.sign(Sign::Click, bid);
        } else if let Some(id) = step["whose"].as_str() {
            let hashes = &self.rig.world.hashes;
            let user = self.rig.state.matched(hashes.foreign("acme.example", id.as_bytes()));
            let named = ["anna", "bob"].into_iter().find(|name| user == Some(hashes.user(name.as_bytes())));
            let whose = if user.is_some() {
                json!(named.unwrap_or("somebody new"))
            } else {
                Value::Null
            };
            self.whose.insert(id.to_owned(), whose);
        } else {
            self.tell(step);
        }
    }

    fn ticket(&self, step: &Value) -> Ticket {
        let campaign = step["campaign"].as_str().unwrap_or("one");
        let shop = self.rig.shop(if campaign == "three" { "other" } else { "acme" });
        Ticket {
            advertiser: shop.advertiser.no,
            campaign: shop.advertiser.campaigns.iter().find(|c| c.id == campaign).expect("a campaign").no,
            creative: shop.advertiser.creatives[0].no,
            user: self.rig.world.hashes.user(step["user"].as_str().unwrap_or("anna").as_bytes()),
            at: self.now.to_secs(),
            hold_s: 360,
            ..Ticket::priced(Money::units(2), Conversion { from: 1, to: 1 })
        }
    }

    fn sign(&mut self, sign: Sign, bid: u64) {
        let evidence = Evidence {
            sign,
            ticket: self.bids[&bid],
            tag: BidTag(bid),
            paid: Paid::Price(Money::units(1)),
            at: self.now.to_secs(),
            ms: 0,
            invalid: None,
        };
        self.rig.record(Fact::Evidence(evidence), self.now);
    }

    /// A batch of events, as a shop's server or a browser with a cookie sends it.
    fn tell(&mut self, step: &Value) {
        let mut batch = step["tell"].clone();
        for event in batch["events"].as_array_mut().expect("events") {
            if let Some(bid) = event["click_id"].as_u64() {
                event["click_id"] = json!(self.token(bid));
            }
        }
        let sender = match step["browser"].as_str() {
            Some(cookie) => Sender::Browser {
                cookie: Some(cookie.to_owned()),
                invalid: None,
            },
            None => Sender::Server,
        };
        let fresh = (self.rig.world.hashes.user(b"fresh"), "fresh".to_owned());
        let read = events::read(
            &self.rig.world,
            &self.rig.shop("acme"),
            &sender,
            &batch.to_string(),
            self.now,
            fresh,
        )
        .expect("a batch");
        assert!(read.rejected.is_empty(), "{:?}", read.rejected);
        self.rig.record(Fact::Events(read.batch.expect("events")), self.now);
    }

    fn token(&self, bid: u64) -> String {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&bid.to_le_bytes());
        let mut out = Vec::new();
        let payload = self.bids[&bid].write_view([]);
        self.rig.world.seals.current(false).seal(Audience::View, &nonce, &payload, &mut out);
        String::from_utf8(out).expect("text")
    }

    /// What came of it: by campaign and day what was booked and what was earned.
    fn credited(&self) -> Value {
        let mut told = json!({});
        for campaign in ["acme/one", "acme/two", "other/three"] {
            let (shop, name) = campaign.split_once('/').expect("a shop");
            let shop = self.rig.shop(shop);
            let no = shop.advertiser.campaigns.iter().find(|c| c.id == name).expect("a campaign").no;
            let first = START.local_day(&shop.advertiser.timezone);
            for day in (0..DAYS).map(|n| first.plus(n)) {
                let row = self.rig.state.days.lock().get(&(no, day)).copied().unwrap_or_default();
                if row.conversions > 0 || row.conversion_value != Money::ZERO {
                    told[name][day_of(day)]["booked"] = json!(format!("{} of {}", row.conversions, row.conversion_value));
                }
                if row.earned > 0 || row.earned_value != Money::ZERO {
                    told[name][day_of(day)]["earned"] = json!(format!("{} of {}", row.earned, row.earned_value));
                }
            }
            let observed = self
                .rig
                .state
                .books
                .entry(no)
                .conversions
                .load(std::sync::atomic::Ordering::Relaxed);
            let days = self.rig.state.days.lock();
            let booked: u64 = days.iter().filter(|((c, _), _)| *c == no).map(|(_, row)| row.conversions).sum();
            assert_eq!(observed, booked, "what prices are made of is what is reported");
        }
        for (id, whose) in &self.whose {
            told["whose"][id] = whose.clone();
        }
        told
    }
}

fn day_of(day: Day) -> String {
    day.to_string()
}

#[test]
fn what_is_credited_to_whom() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journeys.json");
    let text = fs::read_to_string(&path).expect("the journeys");
    let written: Vec<Journey<'_>> = serde_json::from_str(&text).expect("journeys");
    let came: Vec<Value> = written
        .iter()
        .map(|journey| {
            let mut walk = Walk::new();
            for step in &journey.steps {
                walk.step(&serde_json::from_str(step.get()).expect("a step"));
            }
            walk.credited()
        })
        .collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let line = |(journey, came): (&Journey<'_>, &Value)| {
            let steps: Vec<&str> = journey.steps.iter().map(|step| step.get()).collect();
            let name = Value::from(journey.name.as_str());
            format!(
                "{{\"name\": {name},\n \"steps\": [\n  {}],\n \"then\": {came}}}",
                steps.join(",\n  ")
            )
        };
        let lines: Vec<String> = written.iter().zip(&came).map(line).collect();
        fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n\n"))).expect("the journeys are written");
        return;
    }
    let differs = |(journey, came): &(&Journey<'_>, &Value)| journey.then != **came;
    let differing: Vec<_> = written.iter().zip(&came).filter(differs).collect();
    for (journey, came) in &differing {
        println!("{}:\n  must be {}\n  came    {came}", journey.name, journey.then);
    }
    let credited = came.iter().filter(|came| came.to_string().contains("booked")).count();
    let mut figures = Figures::new();
    figures.exactly("attribution.journeys", written.len(), JOURNEYS);
    figures.at_least("attribution.credited", credited, 15);
    figures.exactly("attribution.differ", differing.len(), 0);
    figures.settle();
}
