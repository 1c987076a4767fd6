//! Native ads, video and audio over the very decision the server runs: requests that others made, and every
//! shape of player, each answer held against the published schemas.
//!
//! The corpus is where `corpus.rs` finds it. Shares no reading of requests with `src/`.

#[path = "media/calls.rs"]
mod calls;
#[path = "media/native.rs"]
mod native;
#[path = "media/vast.rs"]
mod vast;

use serde_json::{Value, json};
use winback::base::time::Millis;
use winback::bid::{Ask, Scratch, Silent, decide};
use winback::model::outcome::Outcome;
use winback::openrtb::response::Form;

use crate::bench_rig::{NOWHERE, Rig, item};

/// Wednesday noon, UTC.
const NOW: Millis = Millis(1_781_092_800_000);
/// What the shopper left in her cart.
const TITLE: &str = "The waterproof walking boot, made to last & \"resoled\" twice <by hand>";

/// A shop whose shopper left one product, with one creative.
struct Stage {
    rig: Rig,
    scratch: Scratch,
    asked: u128,
}

impl Stage {
    fn new(creative: &Value) -> Stage {
        let server = json!({
            "public": {"url": "https://ads.example"},
            "privacy": {"gdpr_when_unknown": false},
            "exchanges": [{"id": "x"}],
            "house": {"ad_choices_url": "https://house.example/choices"},
        });
        let advertiser = json!({
            "version": 1, "id": "acme", "name": "Acme Outdoor", "domain": "acme.example", "site_key": "acme-web",
            "logo_url": "https://acme.example/logo.png", "categories": ["IAB18-3"],
            "audiences": [{"id": "cart", "include": [{"state": "cart"}]}], "creatives": [creative],
            "campaigns": [{"id": "back", "audiences": ["cart"], "creatives": [creative["id"]], "bid": {"type": "cpm", "amount": 5},
                "budget": {"total": 1000000, "pacing": "asap"}, "frequency": []}],
        });
        let mut rig = Rig::new(&server, NOWHERE.as_ref()).expect("a sound server");
        let description = "Warm, dry and light on every trail. ".repeat(8);
        let boot = item(
            &json!({"id": "boot", "title": TITLE, "description": description, "price": "80.00 USD", "sale_price": "64.00 USD"}),
            "acme.example",
            "USD",
        );
        rig.add(&advertiser, &[boot]).expect("a sound advertiser");
        let batch = json!({"user": {"exchange_ids": {"x": "u"}}, "events": [{"event": "add_to_cart", "items": [{"item_id": "boot"}]}]});
        assert_eq!(rig.tell("acme", &batch, NOW), 0);
        Stage {
            rig,
            scratch: Scratch::default(),
            asked: 0,
        }
    }

    /// The answer to a request for one imp, or the reason why there is none.
    fn ask(&mut self, mut imp: Value) -> Result<Value, &'static str> {
        imp["id"] = json!("1");
        let request = json!({"id": "r", "imp": [imp], "user": {"id": "u"}, "site": {"page": "https://news.example/a"}});
        self.asked += 1;
        let body = request.to_string();
        let ask = Ask {
            exchange: self.rig.world.exchange_by_id("x").expect("an exchange").no,
            body: body.as_bytes(),
            now: NOW,
            waited_ms: 0,
            seed: self.asked << 64 | self.asked,
            barred: None,
            inert: false,
            form: Form::Json,
        };
        match decide(&self.rig.world, &self.rig.state, &ask, &mut self.scratch, &mut Silent) {
            Outcome::NoBid(why) => Err(why.label()),
            Outcome::Bid { .. } => Ok(serde_json::from_slice(&self.scratch.out).expect("an answer")),
        }
    }
}

/// The only bid of an answer.
fn bid(answer: &Value) -> &Value {
    &answer["seatbid"][0]["bid"][0]
}
