//! What the desk is shown with: three shops, one of them with a thousand campaigns, shoppers, bids, clicks and orders; and
//! names that would be elements if anybody let them.

use std::fs;

use serde_json::{Value, json};

use crate::rig::{Server, ask, bids, call, fill, tell, tracking_paths};
use crate::shop::{Setup, advertiser, cart, item, request, theirs};

/// Campaigns of the shop that has many.
pub const CAMPAIGNS: usize = 1_000;
/// What nothing may take for markup.
pub const STRANGER: &str = "<img src=x onerror=ran=1>";
const SHOPPERS: usize = 12;

/// The server, with all of that behind it.
pub struct House {
    /// Its process.
    pub server: Server,
}

impl House {
    /// Starts it and lets an hour's worth happen.
    pub fn build() -> House {
        let mut acme = advertiser("acme");
        acme["timezone"] = json!("Asia/Ho_Chi_Minh");
        acme["campaigns"][0]["budget"] = json!({"daily": 200, "total": 5_000, "pacing": "even"});
        let mut other = advertiser("boots");
        other["name"] = json!(format!("Boots {STRANGER}"));
        other["currency"] = json!("EUR");
        let mut many = advertiser("many");
        let campaigns = (0..CAMPAIGNS).map(|n| {
            let mut campaign = many["campaigns"][0].clone();
            campaign["id"] = json!(format!("many-{n:04}"));
            campaign["status"] = json!(if n % 3 == 0 { "paused" } else { "active" });
            campaign
        });
        many["campaigns"] = campaigns.collect::<Vec<_>>().into();
        let house = House {
            server: Server::fresh(Setup::new().with(acme).with(other).with(many)),
        };
        house.live();
        house
    }

    /// Carts, requests, impressions, clicks, an order, and events about products that no feed lists.
    fn live(&self) {
        let (mut shop, mut exchange, mut visitor) = (self.server.shop(), self.server.exchange(), self.server.visitor());
        for n in 0..SHOPPERS {
            let user = theirs(&format!("u-{n}"));
            tell(&mut shop, "acme", &cart(user.clone(), "acme", n));
            if n % 2 == 0 {
                tell(&mut shop, "boots", &cart(user, "boots", n));
            }
        }
        let unlisted = json!({"item_id": STRANGER, "quantity": 1});
        let known = json!({"item_id": format!("shop:{}", item("acme", 3))});
        tell(
            &mut shop,
            "acme",
            &json!({"user": theirs("u-1"), "events": [{"event": "view_item", "items": [unlisted]}, {"event": "view_item", "items": [known]}]}),
        );
        for n in 0..60 {
            let answer = ask(&mut exchange, &request(&format!("r-{n}"), &format!("u-{}", n % (SHOPPERS + 4)), 1));
            for bid in bids(&answer) {
                if n % 4 == 0 {
                    exchange.get(&call(&bid["lurl"], "2")).expect("an answer to a loss");
                    continue;
                }
                exchange.get(&call(&bid["burl"], "2.5")).expect("an answer to a notice");
                let markup = fill(bid["adm"].as_str().unwrap_or(""), "2.5");
                for pixel in tracking_paths(&markup, "/imp/") {
                    visitor.get(&pixel).expect("a pixel");
                }
                if n % 5 == 1 {
                    visitor.get(&tracking_paths(&markup, "/click/")[0]).expect("a landing page");
                }
            }
        }
        let order = json!({"event": "purchase", "transaction_id": "T-1", "value": 61, "currency": "USD",
            "items": [{"item_id": item("acme", 1), "quantity": 1, "price": 61}]});
        tell(&mut shop, "acme", &json!({"user": theirs("u-1"), "events": [order]}));
    }

    /// What opens the desk.
    pub fn token(&self) -> String {
        let file = self.server.folder().join("admin-token");
        fs::read_to_string(file).expect("the admin token").trim().to_owned()
    }

    /// An advertiser as it is on the disk.
    pub fn advertiser(&self, id: &str) -> Value {
        serde_json::from_str(&self.text(id)).expect("JSON")
    }

    /// The same as text.
    pub fn text(&self, id: &str) -> String {
        let file = self.server.folder().join("advertisers").join(format!("{id}.json"));
        fs::read_to_string(file).expect("an advertiser's file")
    }
}
