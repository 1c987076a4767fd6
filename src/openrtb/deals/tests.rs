//! Deals as they are written, and which of them a campaign uses.

use proptest::prelude::*;

use super::*;

fn used(deals: &str, ids: &[&str], open_market: bool, private_auction: bool) -> String {
    let imp = Imp {
        deals: deals.as_bytes(),
        private_auction,
        ..Imp::default()
    };
    let terms = Deals {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        open_market,
    };
    let site = Site::new("acme.example");
    let ways = ways(&imp, &terms, "seat", &site).map(|way| way.id.plain().unwrap_or("?").to_owned());
    ways.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

#[test]
fn deals_come_in_the_campaigns_order_and_guaranteed_ones_first() {
    let deals = r#"[{"id":"a"},{"id":"b","guar":1},{"id":7},{"id":"c","wseat":["other"]},{"id":"d","wadomain":"birch.example"},
        {"id":"e","wseat":["seat"],"wadomain":["www.acme.example"]},{},null]"#;
    assert_eq!(used(deals, &["7", "a", "b", "c", "d", "e", "f"], true, true), "b 7 a e");
    assert_eq!(used(deals, &[], true, true), "");
    let imp = Imp {
        deals: deals.as_bytes(),
        ..Imp::default()
    };
    assert_eq!(deal_id(&imp, 3).and_then(|id| id.plain()), Some("7"));
    assert!(deal_id(&imp, 0).is_none());
}

#[test]
fn the_open_market_comes_last_where_both_sides_want_it() {
    let count = |open_market, private| {
        let imp = Imp {
            deals: br#"{"id":"a"}"#,
            private_auction: private,
            ..Imp::default()
        };
        let terms = Deals {
            ids: vec!["a".to_owned()],
            open_market,
        };
        ways(&imp, &terms, "", &Site::default()).map(|way| way.deal).collect::<Vec<_>>()
    };
    assert_eq!(count(true, false), [1, 0]);
    assert_eq!(count(false, false), [1]);
    assert_eq!(count(true, true), [1]);
}

proptest! {
    /// Whatever deals an imp has: those of the campaign that its seat may use, each once, the guaranteed
    /// first, then as the campaign has them, then the open market.
    #[test]
    fn ways_are_those_of_both_sides_in_order(
        deals in prop::collection::vec((0..6u8, any::<bool>(), any::<bool>()), 0..9),
        ids in prop::sample::subsequence(vec!["3", "0", "5", "1", "4"], 0..=5),
        open_market: bool,
        private_auction: bool,
    ) {
        let written = |(id, guaranteed, ours): &(u8, bool, bool)| {
            format!(r#"{{"id":"{id}","guar":{},"wseat":["{}"]}}"#, u8::from(*guaranteed), if *ours { "seat" } else { "other" })
        };
        let text = format!("[{}]", deals.iter().map(written).collect::<Vec<_>>().join(","));
        let imp = Imp { deals: text.as_bytes(), private_auction, ..Imp::default() };
        let terms = Deals { ids: ids.iter().map(|id| (*id).to_owned()).collect(), open_market };
        let site = Site::new("acme.example");
        let places: Vec<u16> = ways(&imp, &terms, "seat", &site).map(|way| way.deal).collect();
        let rank = |id: u8| ids.iter().position(|wanted| *wanted == id.to_string());
        let mut expected: Vec<(bool, usize, u16)> = deals
            .iter()
            .zip(1..)
            .filter(|((_, _, ours), _)| *ours)
            .filter_map(|((id, guaranteed, _), place)| Some((!guaranteed, rank(*id)?, place)))
            .collect();
        expected.sort_unstable();
        let open = (open_market && !private_auction).then_some(0);
        let expected: Vec<u16> = expected.into_iter().map(|(_, _, place)| place).chain(open).collect();
        prop_assert_eq!(places, expected);
    }
}
