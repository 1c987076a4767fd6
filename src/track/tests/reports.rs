//! What reports tell apart: where it comes from, that it lasts, and its bounds.

use super::rig::Rig;
use crate::base::id::{ProductKey, UserKey};
use crate::base::limits::VALUES_PER_DAY_MAX;
use crate::base::money::Money;
use crate::base::time::Span;
use crate::model::dimension::{Dimension, OTHER};
use crate::model::showing::{Place, SiteKey};
use crate::model::targeting::Device;
use crate::model::ticket::Ticket;
use crate::track::fact::{Effect, Sign};

fn meet(rig: &mut Rig, user: &str) -> UserKey {
    let fact = rig.events(&format!(r#"{{"id": "{user}"}}"#), r#"{"event": "page_view"}"#);
    rig.one(fact);
    rig.key(user)
}

fn bill(rig: &mut Rig, ticket: impl Fn(&Rig) -> Ticket, tag: u64) {
    let ticket = ticket(rig);
    let fact = rig.sign(Sign::Bill, ticket, tag, "1");
    assert_eq!(rig.one(fact), Effect::Settled);
}

/// Values and impressions of the first campaign's day.
fn impressions(rig: &Rig, dimension: Dimension) -> Vec<(u64, u64)> {
    let zone = &rig.shop("acme").advertiser.timezone;
    let cells = rig.cells(dimension, rig.campaign(0), rig.now.local_day(zone));
    cells.into_iter().map(|(value, row)| (value, row.impressions)).collect()
}

#[test]
fn an_impression_is_told_apart_by_what_its_bid_and_its_shopper_say() {
    let mut rig = Rig::new();
    let anna = meet(&mut rig, "anna");
    rig.later(3_000);
    rig.state.sites.note("News.example");
    let place = Place {
        device: Some(Device::Desktop),
        site: SiteKey::of("news.example"),
    };
    for tag in 1..=3 {
        let ticket = Ticket {
            place,
            ..rig.ticket(anna, 0)
        };
        bill(&mut rig, |_| ticket, tag);
        let again = rig.sign(Sign::Bill, ticket, tag, "1");
        assert_eq!(rig.one(again), Effect::Repeat);
    }
    rig.restart();
    // The name of the site is known from what is stored, that of another is not.
    let unheard = Place {
        site: SiteKey::of("unheard.example"),
        ..place
    };
    for (place, tag) in [(place, 4), (unheard, 5)] {
        let at = |rig: &Rig| Ticket {
            place,
            ..rig.ticket(anna, 0)
        };
        bill(&mut rig, at, tag);
    }
    assert_eq!(impressions(&rig, Dimension::Domain), [(place.site.0.into(), 4), (OTHER, 1)]);
    assert_eq!(impressions(&rig, Dimension::Device), [(3, 5)]);
    assert_eq!(impressions(&rig, Dimension::Recency), [(2, 5)]);
    assert_eq!(impressions(&rig, Dimension::Frequency), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]);
    bill(&mut rig, |rig| rig.ticket(rig.key("stranger"), 0), 6);
    assert_eq!(impressions(&rig, Dimension::Frequency)[0], (0, 1), "of somebody unknown");
    rig.assert_durable();
}

#[test]
fn a_day_tells_so_many_products_apart_and_no_more() {
    let mut rig = Rig::new();
    let anna = meet(&mut rig, "anna");
    let most = u64::from(VALUES_PER_DAY_MAX);
    let of = |rig: &Rig, product: u64| Ticket {
        product: ProductKey(product),
        ..rig.ticket(anna, 0)
    };
    for chunk in (1..=most + 40).collect::<Vec<_>>().chunks(100) {
        let facts = chunk.iter().map(|n| rig.sign(Sign::Bill, of(&rig, *n), *n, "1")).collect();
        rig.record(facts);
    }
    rig.restart();
    bill(&mut rig, |rig| of(rig, 7), 5_000);
    let told = impressions(&rig, Dimension::Product);
    assert_eq!(told.len() as u64, most + 1);
    assert_eq!((told[6], told.last().copied()), ((7, 2), Some((OTHER, 40))));
    rig.assert_durable();
    rig.later(Span::DAY.0);
    bill(&mut rig, |rig| of(rig, most + 1), 6_000);
    assert_eq!(impressions(&rig, Dimension::Product), [(most + 1, 1)], "another day");
    rig.assert_durable();
}

#[test]
fn who_bought_before_is_no_new_customer() {
    let mut rig = Rig::new();
    let anna = meet(&mut rig, "anna");
    bill(&mut rig, |rig| rig.ticket(anna, 0), 1);
    let order = |id: u32| {
        format!(r#"{{"event": "purchase", "transaction_id": "{id}", "value": {id}0, "items": [{{"item_id": "a", "price": 9}}]}}"#)
    };
    let orders = [1, 2, 3].map(|id| rig.events(r#"{"id": "anna"}"#, &order(id)));
    rig.record(orders.into());
    let row = rig.row();
    assert_eq!((row.conversions, row.new_customers, row.repeat_purchases), (3, 1, 2));
    assert_eq!(
        (row.new_customer_value, row.repeat_purchase_value),
        (Money::units(10), Money::units(50))
    );
    for id in [1, 2] {
        let back = rig.events(r#"{"id": "anna"}"#, &format!(r#"{{"event": "refund", "transaction_id": "{id}"}}"#));
        rig.one(back);
    }
    let row = rig.row();
    assert_eq!((row.conversions, row.new_customers, row.repeat_purchases), (1, 0, 1));
    assert_eq!((row.new_customer_value, row.repeat_purchase_value), (Money::ZERO, Money::units(30)));
    rig.assert_durable();
}
