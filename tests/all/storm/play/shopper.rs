//! What shoppers do at shops, as the shops' servers tell of it: now and then twice.

use serde_json::json;
use winback::base::money::{Money, NANOS};

use super::{News, Storm, Told};

impl Storm<'_> {
    /// A shopper does something at a shop: bought things are sent back now and then, whole or in part.
    pub(super) fn tell(&mut self, user: usize, shop: usize, event: &str) {
        self.sent += 1;
        let event_id = self.sent;
        let mut doc = json!({"event": event, "event_id": event_id.to_string(), "items": [{"item_id": "boot"}]});
        let (mut order, is_refund) = (None, event == "refund");
        if event == "purchase" {
            // A reloaded page of thanks tells of the same order again.
            let again = self
                .orders
                .last()
                .filter(|(u, s, _)| (*u, *s) == (user, shop))
                .map(|(.., order)| *order);
            let number = again.unwrap_or(event_id);
            self.orders.push((user, shop, number));
            let value = i128::from(1 + self.rng.below(90)) * NANOS;
            (doc["transaction_id"], doc["value"]) = (json!(number.to_string()), json!(Money(value).to_string()));
            order = Some((number, Some(value)));
        } else if is_refund {
            let Some(nth) = (self.orders.len() as u64).checked_sub(1).map(|last| self.rng.below(last + 1)) else {
                return;
            };
            let (buyer, of, number) = self.orders[nth as usize];
            doc = json!({"event": event, "event_id": event_id.to_string(), "transaction_id": number.to_string()});
            let part = self.rng.chance(50).then(|| i128::from(1 + self.rng.below(40)) * NANOS);
            if let Some(part) = part {
                doc["value"] = json!(Money(part).to_string());
            }
            order = Some((number, part));
            return self.post(buyer, of, event_id, order, true, &doc);
        }
        self.post(user, shop, event_id, order, is_refund, &doc);
    }

    fn post(
        &mut self,
        user: usize,
        shop: usize,
        event_id: u64,
        order: Option<(u64, Option<i128>)>,
        is_refund: bool,
        doc: &serde_json::Value,
    ) {
        let name = format!("u{user}");
        let body = json!({"user": {"id": name, "exchange_ids": {"x": name, "y": name, "z": name}}, "events": [doc]}).to_string();
        let told = Told {
            user,
            shop,
            event_id,
            order,
            is_refund,
        };
        self.tally.count("events", 1);
        let news = News::Told { told, body };
        let after = 20 + self.rng.below(400);
        self.send(after, news.clone());
        if self.rng.chance(2) {
            self.tally.count("doubled", 1);
            self.send(after + 40, news);
        }
    }
}
