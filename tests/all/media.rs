//! Native ads, video and audio over the very decision the server runs: requests that others made, and every
//! shape of player, each answer held against the published schemas.
//!
//! The corpus is where `corpus.rs` finds it. Shares no reading of requests with `src/`.

#[path = "media/calls.rs"]
mod calls;
#[path = "media/forms.rs"]
mod forms;
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
        Stage::titled(creative, TITLE)
    }

    /// With a product of that title.
    fn titled(creative: &Value, title: &str) -> Stage {
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
            &json!({"id": "boot", "title": title, "description": description, "price": "80.00 USD", "sale_price": "64.00 USD"}),
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
    fn ask(&mut self, imp: Value) -> Result<Value, &'static str> {
        self.asked += 1;
        let answer = self.answer(Form::Json, &request(imp).to_string().into_bytes())?;
        Ok(serde_json::from_slice(answer).expect("an answer"))
    }

    /// The answer's bytes; always the same for the same seed.
    fn answer(&mut self, form: Form, body: &[u8]) -> Result<&[u8], &'static str> {
        let ask = Ask {
            exchange: self.rig.world.exchange_by_id("x").expect("an exchange").no,
            body,
            now: NOW,
            waited_ms: 0,
            seed: self.asked << 64 | self.asked,
            barred: None,
            inert: false,
            form,
        };
        match decide(&self.rig.world, &self.rig.state, &ask, &mut self.scratch, &mut Silent) {
            Outcome::NoBid(why) => Err(why.label()),
            Outcome::Bid { .. } => Ok(&self.scratch.out),
        }
    }
}

/// A request for one imp, of the shopper.
fn request(mut imp: Value) -> Value {
    imp["id"] = json!("1");
    json!({"id": "r", "imp": [imp], "user": {"id": "u"}, "site": {"page": "https://news.example/a"}})
}

/// The only bid of an answer.
fn bid(answer: &Value) -> &Value {
    &answer["seatbid"][0]["bid"][0]
}
