//! Impressions are billed once, at the right price, on whatever evidence the exchange's billing says.

use super::rig::Rig;
use crate::base::id::{AdvertiserNo, UserKey};
use crate::base::limits::{CLICK_LIFE, EXPOSURES_MAX, NOTICE_LIFE};
use crate::base::money::{Conversion, Money};
use crate::model::rows::Table;
use crate::track::fact::{Effect, Fact, Sign};

const SIGNS: [Sign; 4] = [Sign::Win, Sign::Bill, Sign::Pixel, Sign::Click];

/// A user with a record, and one without.
fn users(rig: &mut Rig) -> [UserKey; 2] {
    let fact = rig.events(r#"{"id": "anna"}"#, r#"{"event": "page_view"}"#);
    rig.record(vec![fact]);
    [rig.key("anna"), rig.key("stranger")]
}

#[test]
fn the_first_evidence_that_bills_bills_once_in_any_order() {
    for (exchange, billing) in [(0, Sign::Bill), (1, Sign::Pixel), (2, Sign::Win)] {
        let mut rig = Rig::new();
        let users = users(&mut rig);
        // Every order of the four signs, each sent three times over.
        for number in 0..256usize {
            let order: Vec<Sign> = (0..4).map(|n| SIGNS[number >> (2 * n) & 3]).collect();
            let before = rig.row();
            for (n, user) in users.into_iter().enumerate() {
                let (ticket, tag) = (rig.ticket(user, exchange), (2 * number + n) as u64);
                let mut seen: Vec<Sign> = Vec::new();
                for sign in order.iter().chain(&order).chain(&order) {
                    let expected = match (seen.contains(sign), *sign == billing) {
                        (true, _) => Effect::Repeat,
                        (false, true) => Effect::Settled,
                        (false, false) => Effect::Recorded,
                    };
                    seen.push(*sign);
                    let fact = rig.sign(*sign, ticket, tag, "1000");
                    assert_eq!(rig.one(fact), expected, "{exchange} {order:?} {sign:?} of user {n}");
                }
            }
            let (bills, clicks) = (order.contains(&billing), order.contains(&Sign::Click));
            let row = rig.row();
            let more = (row.impressions - before.impressions, row.clicks - before.clicks);
            assert_eq!(more, (2 * u64::from(bills), 2 * u64::from(clicks)));
            assert_eq!(row.billed > before.billed, bills);
            assert_eq!(rig.totals().0, row.billed);
        }
        rig.assert_durable();
    }
}

#[test]
fn amounts_are_exact_to_the_billionth() {
    let to_eur = Conversion {
        from: 1_000_000_000,
        to: 800_000_000,
    };
    // CPM 1.2345 costs 0.0012345 an impression, with 15 % 0.001419675; in another currency 0.8 of it.
    let cases = [
        ("1.2345", Conversion { from: 1, to: 1 }, 1_234_500, 1_419_675),
        ("1.2345", to_eur, 987_600, 1_135_740),
        ("0.000001", Conversion { from: 1, to: 1 }, 1, 1),
        ("0.0000004", Conversion { from: 1, to: 1 }, 0, 0),
        ("0", Conversion { from: 1, to: 1 }, 0, 0),
        ("2.5", Conversion { from: 1, to: 1 }, 2_500_000, 2_875_000),
        ("99", Conversion { from: 1, to: 1 }, 2_500_000, 2_875_000),
    ];
    for (price, conversion, media_cost, billed) in cases {
        let mut rig = Rig::new();
        let [user, _] = users(&mut rig);
        let ticket = crate::model::ticket::Ticket {
            conversion,
            ..rig.ticket(user, 0)
        };
        let fact = rig.sign(Sign::Bill, ticket, 1, price);
        assert_eq!(rig.one(fact), Effect::Settled);
        assert_eq!(
            (rig.row().media_cost, rig.row().billed),
            (Money(media_cost), Money(billed)),
            "{price}"
        );
        let book = rig.shop("acme").advertiser.book;
        assert_eq!(rig.state.books.totals(book, rig.now.to_secs()).0, Money(billed), "{price}");
    }
}

#[test]
fn macros_that_nobody_filled_in_are_told_from_nonsense() {
    let mut rig = Rig::new();
    let [user, _] = users(&mut rig);
    for (price, expected) in [
        ("{PRICE", "unreplaced"),
        ("PRICE}", "unreplaced"),
        ("%%PRICE", "unreplaced"),
        ("PRICE", "nonsense"),
    ] {
        let Fact::Evidence(sign) = rig.sign(Sign::Bill, rig.ticket(user, 0), 1, price) else {
            panic!("evidence")
        };
        assert!(
            matches!(sign.paid, crate::track::fact::Paid::Unknown(why) if why == expected),
            "{price}: {:?}",
            sign.paid
        );
    }
}

#[test]
fn a_price_that_is_none_counts_as_the_bid_times_the_median_share() {
    let nonsense = [
        "",
        "AUDIT",
        "${AUCTION_PRICE}",
        "%7BAUCTION_PRICE%7D",
        "%%WINNING_PRICE%%",
        "-1",
        "1,5",
        "NaN",
        "inf",
        "1e99",
        "0x10",
        "%FF%FE",
        "+",
        "1.2.3",
        "%00",
        "é",
    ];
    for price in nonsense {
        let mut rig = Rig::new();
        let [user, _] = users(&mut rig);
        let fact = rig.sign(Sign::Bill, rig.ticket(user, 0), 1, price);
        rig.record(vec![fact]);
        assert_eq!(rig.row().media_cost, Money(2_500_000), "{price}: nothing known, the whole bid");
        // Three of half the bid, in one batch with the next without a price.
        let mut facts: Vec<Fact> = (2..6).map(|tag| rig.sign(Sign::Bill, rig.ticket(user, 0), tag, "1.25")).collect();
        facts.push(rig.sign(Sign::Bill, rig.ticket(user, 0), 9, price));
        rig.record(facts);
        let last = rig.row().media_cost - Money(2_500_000 + 4 * 1_250_000);
        assert!(last > Money(1_200_000) && last < Money(1_300_000), "{price}: {last}");
    }
}

#[test]
fn the_scale_makes_a_cpm_of_what_is_written() {
    let mut rig = Rig::new();
    let [user, _] = users(&mut rig);
    let fact = rig.sign(Sign::Win, rig.ticket(user, 2), 1, "1234.5");
    assert_eq!(rig.one(fact), Effect::Settled);
    assert_eq!(rig.row().media_cost, Money(1_234_500));
}

#[test]
fn late_tokens_tests_and_strangers() {
    let mut rig = Rig::new();
    let [user, _] = users(&mut rig);
    let ticket = rig.ticket(user, 0);
    let test = crate::model::ticket::Ticket { test: true, ..ticket };
    for sign in SIGNS {
        let fact = rig.sign(sign, test, 5, "1");
        assert_eq!(rig.one(fact), Effect::Test);
    }
    assert_eq!((rig.exposures(user).len(), rig.row()), (0, Default::default()));
    rig.later(NOTICE_LIFE.0);
    let fact = rig.sign(Sign::Bill, ticket, 1, "1");
    assert_eq!(rig.one(fact), Effect::Settled, "the last second counts");
    rig.later(1);
    let facts = [Sign::Win, Sign::Bill, Sign::Pixel, Sign::Click].map(|sign| rig.sign(sign, ticket, 2, "1"));
    let effects = rig.record(facts.into());
    assert_eq!(effects, [Effect::Expired, Effect::Expired, Effect::Expired, Effect::Recorded]);
    rig.later(CLICK_LIFE.0 - NOTICE_LIFE.0);
    let fact = rig.sign(Sign::Click, ticket, 3, "");
    assert_eq!(rig.one(fact), Effect::Expired);
    assert_eq!((rig.row().impressions, rig.row().clicks), (1, 1));
    rig.assert_durable();
}

#[test]
fn an_advertiser_who_is_gone_is_still_billed_once_without_fee() {
    let mut rig = Rig::new();
    let [user, _] = users(&mut rig);
    let ticket = crate::model::ticket::Ticket {
        advertiser: AdvertiserNo(60_000),
        ..rig.ticket(user, 0)
    };
    let none = crate::base::money::Ratio(0);
    let taken = ticket.taken(none, none);
    let books = &rig.state.books;
    for _ in 0..3 {
        assert!(books.hold(ticket.campaign, &Default::default(), crate::base::time::Day(0), &taken));
    }
    let facts = vec![rig.sign(Sign::Bill, ticket, 1, "1"), rig.sign(Sign::Bill, ticket, 1, "1")];
    assert_eq!(rig.record(facts), [Effect::Settled, Effect::Repeat]);
    assert_eq!(rig.row().billed, Money(1_000_000));
    assert_eq!(
        rig.totals(),
        (Money(1_000_000), taken.amount.full + taken.amount.full),
        "one hold of three given back"
    );
}

#[test]
fn a_pixel_without_burl_settles_when_its_hold_would_lapse_once() {
    for restarts in [false, true] {
        let mut rig = Rig::new();
        for (n, user) in users(&mut rig).into_iter().enumerate() {
            let tag = 10 + n as u64;
            let ticket = rig.ticket(user, 0);
            let facts = vec![rig.sign(Sign::Pixel, ticket, tag, ""), rig.sign(Sign::Pixel, ticket, tag, "")];
            assert_eq!(rig.record(facts), [Effect::Recorded, Effect::Repeat]);
        }
        // Another whose burl comes in time, and one whose burl came first.
        let [paid, early] = [rig.ticket(rig.key("anna"), 0); 2];
        let facts = vec![
            rig.sign(Sign::Pixel, paid, 20, ""),
            rig.sign(Sign::Bill, paid, 20, "1"),
            rig.sign(Sign::Bill, early, 21, "1"),
            rig.sign(Sign::Pixel, early, 21, ""),
        ];
        rig.record(facts);
        assert_eq!((rig.state.pending.lock().len(), rig.disk.count(Table::Pending)), (2, 2));
        if restarts {
            rig.restart();
        }
        rig.later(u32::from(paid.hold_s) - 1);
        rig.record(vec![]);
        assert_eq!(rig.row().impressions, 2);
        for _ in 0..3 {
            rig.later(1);
            rig.record(vec![]);
            if restarts {
                rig.restart();
            }
        }
        let row = rig.row();
        assert_eq!(row.impressions, 4);
        let each = row.media_cost.0 - 2_000_000;
        // Of two bids at 2.50, both paid 1.00; a restart forgets the share and counts the whole bid.
        let expected = if restarts { 5_000_000..=5_000_000 } else { 1_900_000..=2_100_000 };
        assert!(expected.contains(&each), "{each}");
        assert_eq!(rig.disk.count(Table::Pending), 0);
        rig.assert_durable();
    }
}

#[test]
fn an_impression_whose_billing_sign_is_lost_is_billed_on_any_other_proof_of_it() {
    // By exchange: the signs that prove an impression, beside the one that bills it.
    let proofs: [&[Sign]; 3] = [&[Sign::Pixel], &[Sign::Bill], &[Sign::Pixel, Sign::Bill]];
    let billing = [Sign::Bill, Sign::Pixel, Sign::Win];
    for (exchange, proofs) in proofs.into_iter().enumerate() {
        for sign in SIGNS.into_iter().filter(|sign| *sign != billing[exchange]) {
            let mut rig = Rig::new();
            let [user, _] = users(&mut rig);
            let early = rig.ticket(user, exchange as u8);
            let facts = vec![rig.sign(sign, early, 1, "1"), rig.sign(sign, early, 1, "1")];
            rig.record(facts);
            rig.later(u32::from(early.hold_s));
            rig.record(vec![]);
            let expected = u64::from(proofs.contains(&sign));
            assert_eq!(rig.row().impressions, expected, "{exchange} {sign:?}");
            // What comes when the hold has lapsed anyway waits for its price as long as tokens live.
            let late = rig.sign(sign, early, 2, "1");
            rig.record(vec![late]);
            rig.later(NOTICE_LIFE.0 - 1 - u32::from(early.hold_s));
            rig.record(vec![]);
            assert_eq!(rig.row().impressions, expected, "{exchange} {sign:?}");
            rig.later(1);
            rig.record(vec![]);
            assert_eq!(rig.row().impressions, 2 * expected, "{exchange} {sign:?}");
            assert_eq!(rig.disk.count(Table::Pending), 0);
            rig.assert_durable();
        }
    }
}

#[test]
fn more_impressions_than_are_remembered_are_still_billed_once() {
    let mut rig = Rig::new();
    let [user, _] = users(&mut rig);
    let ticket = rig.ticket(user, 0);
    let many = EXPOSURES_MAX as u64 + 40;
    for round in 0..2 {
        for tag in 0..many {
            let fact = rig.sign(Sign::Bill, ticket, tag, "1");
            let expected = if round == 0 { Effect::Settled } else { Effect::Repeat };
            assert_eq!(rig.one(fact), expected, "{tag}");
        }
    }
    let fact = rig.sign(Sign::Pixel, ticket, 3, "");
    assert_eq!(rig.one(fact), Effect::Recorded);
    assert_eq!((rig.row().impressions, rig.exposures(user).len()), (many, EXPOSURES_MAX));
    rig.assert_durable();
}

#[test]
fn spend_is_of_the_shops_day_of_the_auction() {
    let mut rig = Rig::new();
    let [user, _] = users(&mut rig);
    // 21:13 there; the notice comes after midnight.
    let ticket = rig.ticket(user, 0);
    rig.later(4 * 3_600);
    let late = rig.ticket(user, 0);
    let facts = vec![rig.sign(Sign::Bill, ticket, 1, "1"), rig.sign(Sign::Bill, late, 2, "1")];
    rig.record(facts);
    let days = rig.state.days.lock();
    let mut named: Vec<String> = days.keys().map(|(_, day)| day.to_string()).collect();
    named.sort();
    assert_eq!(named, ["2026-09-21", "2026-09-22"]);
}

#[test]
fn conversions_go_to_the_last_click_else_the_last_view_in_its_window() {
    const DAY: u32 = 86_400;
    type Journey = (&'static [(Sign, u32)], u32, bool);
    let cases: [Journey; 7] = [
        (&[(Sign::Bill, 0)], DAY, true),
        (&[(Sign::Bill, 0)], DAY + 1, false),
        (&[(Sign::Pixel, 0)], DAY, true),
        (&[(Sign::Win, 0)], 10, false),
        (&[(Sign::Bill, 0), (Sign::Click, 10)], 30 * DAY, true),
        (&[(Sign::Click, 0)], 30 * DAY, true),
        (&[(Sign::Click, 0)], 30 * DAY + 1, false),
    ];
    // Without permission to measure nothing is led back, by whatever sign and however soon.
    let each = cases.iter().flat_map(|case| [true, false].map(|tracked| (case, tracked)));
    for ((signs, after, credited), tracked) in each {
        let mut rig = Rig::new();
        let [user, _] = users(&mut rig);
        let ticket = crate::model::ticket::Ticket {
            tracked,
            ..rig.ticket(user, 0)
        };
        for (sign, wait) in *signs {
            rig.later(*wait);
            let fact = rig.sign(*sign, ticket, 1, "1");
            rig.record(vec![fact]);
        }
        rig.later(*after);
        let order = r#"{"event": "purchase", "value": "59.90", "transaction_id": "o-1"}"#;
        let facts = vec![rig.events(r#"{"id": "anna"}"#, order), rig.events(r#"{"id": "anna"}"#, order)];
        rig.record(facts);
        let row = rig.row();
        let expected = if *credited && tracked {
            (1, Money(59_900_000_000))
        } else {
            (0, Money::ZERO)
        };
        assert_eq!((row.conversions, row.conversion_value), expected, "{signs:?} {after}");
        rig.assert_durable();
    }
}
