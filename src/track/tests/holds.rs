//! Holds of budgets and caps: taken once, given back once, restored as a sum; and what a failed commit
//! leaves behind.

use super::rig::Rig;
use crate::base::id::{AdvertiserNo, BidTag, CampaignNo, UserKey};
use crate::base::limits::HOLD_S_MAX;
use crate::base::money::Money;
use crate::base::time::{Day, Secs};
use crate::model::advertiser::Budget;
use crate::model::outcome::Pick;
use crate::model::rows::Table;
use crate::model::ticket::Ticket;
use crate::state::holds::{Limits, Refused, commit};
use crate::track::fact::{Effect, Fact, Sign};

/// A bid of the ticket as committing sees it.
fn pick(rig: &Rig, ticket: &Ticket, tag: u64) -> Pick {
    let shop = &rig.shop("acme").advertiser;
    Pick {
        imp: 0,
        exchange: ticket.exchange,
        advertiser: ticket.advertiser,
        advertiser_book: shop.book,
        campaign: ticket.campaign,
        campaign_index: 0,
        creative: ticket.creative,
        product: ticket.product,
        user: ticket.user,
        tag: BidTag(tag),
        price: ticket.price,
        hold: ticket.hold(shop.fee, crate::base::money::Ratio(0)),
        share: ticket.share,
        at: ticket.at,
        hold_s: u32::from(ticket.hold_s),
        cap_hold_s: 5,
        deal: 0,
        placement: tag as u16,
        test: false,
        tracked: true,
        place: Default::default(),
    }
}

fn epoch(rig: &Rig, user: UserKey) -> u32 {
    rig.state.cap_holds.view(user, rig.now).epoch
}

fn try_bid(rig: &Rig, ticket: &Ticket, tag: u64, epoch: u32) -> Result<(), Refused> {
    let limits = |_: &Pick| Limits {
        campaign: Budget::default(),
        advertiser: Budget::default(),
        day: Day(0),
    };
    commit(&rig.state, &[pick(rig, ticket, tag)], epoch, rig.now, limits)
}

fn bid(rig: &Rig, ticket: &Ticket, tag: u64) {
    assert_eq!(try_bid(rig, ticket, tag, epoch(rig, ticket.user)), Ok(()));
}

/// What the campaign and the advertiser's book hold, both being the same.
fn held(rig: &Rig) -> Money {
    let of = |no: CampaignNo| rig.state.books.totals(no, rig.now.to_secs()).1;
    assert_eq!(of(rig.campaign(0)), of(rig.shop("acme").advertiser.book));
    rig.totals().1
}

/// A bid of 2.50 with 15 % fee.
const HOLD: Money = Money(2_875_000);

#[test]
fn a_hold_is_given_back_once_by_whatever_comes_first() {
    enum Step {
        Lose(bool),
        Bill(Effect),
        Pixel,
        Win,
    }
    use Step::{Bill, Lose, Pixel, Win};
    let settled = Effect::Settled;
    // Steps, and what is held of two bids after them.
    let cases: [(&[Step], i128); 7] = [
        (&[Lose(true), Lose(false)], 1),
        (&[Bill(settled), Bill(Effect::Repeat)], 1),
        (&[Lose(true), Bill(settled), Lose(false)], 1),
        (&[Bill(settled), Lose(false), Lose(false)], 1),
        (&[Pixel, Lose(false)], 2),
        (&[Win, Lose(false), Bill(settled)], 1),
        (&[Lose(true), Pixel, Win, Bill(settled)], 1),
    ];
    for known in [true, false] {
        for (n, (steps, left)) in cases.iter().enumerate() {
            let mut rig = Rig::new();
            if known {
                let fact = rig.events(r#"{"id": "anna"}"#, r#"{"event": "page_view"}"#);
                rig.record(vec![fact]);
            }
            let ticket = rig.ticket(rig.key("anna"), 0);
            bid(&rig, &ticket, 1);
            bid(&rig, &ticket, 2);
            assert_eq!(held(&rig), Money(HOLD.0 * 2));
            for step in *steps {
                match step {
                    // Of a user without a record only memory tells what was resolved.
                    Lose(freed) => assert!(rig.lose(ticket, 1) == *freed || !known, "case {n}"),
                    Bill(effect) => {
                        let fact = rig.sign(Sign::Bill, ticket, 1, "1");
                        assert_eq!(rig.one(fact), *effect, "case {n}");
                    }
                    Pixel | Win => {
                        let sign = if matches!(step, Win) { Sign::Win } else { Sign::Pixel };
                        let fact = rig.sign(sign, ticket, 1, "1");
                        assert_eq!(rig.one(fact), Effect::Recorded, "case {n}");
                    }
                }
            }
            if known {
                assert_eq!(held(&rig), Money(HOLD.0 * left), "case {n}");
            }
            rig.record(vec![]);
            rig.assert_durable();
            rig.later(HOLD_S_MAX);
            assert_eq!(held(&rig), Money::ZERO);
        }
    }
}

#[test]
fn a_loss_of_a_merged_users_impression_frees_nothing() {
    let mut rig = Rig::new();
    for id in [r#"{"id": "anna"}"#, r#"{"first_party_id": "e"}"#] {
        let fact = rig.events(id, r#"{"event": "page_view"}"#);
        rig.record(vec![fact]);
    }
    let ticket = rig.ticket(rig.key("fresh"), 0);
    bid(&rig, &ticket, 1);
    let win = rig.sign(Sign::Win, ticket, 1, "1");
    let both = rig.events(r#"{"id": "anna", "first_party_id": "e"}"#, r#"{"event": "page_view"}"#);
    rig.record(vec![win, both]);
    rig.restart();
    assert!(!rig.lose(ticket, 1));
    assert_eq!(held(&rig), HOLD);
}

#[test]
fn what_was_held_at_a_crash_counts_and_lapses() {
    let mut rig = Rig::new();
    let ticket = rig.ticket(rig.key("anna"), 0);
    for tag in 0..3 {
        bid(&rig, &ticket, tag);
    }
    rig.record(vec![]);
    assert_eq!(rig.disk.count(Table::Holds), 2, "the campaign's and the book's");
    rig.later(20);
    rig.restart();
    assert_eq!(held(&rig), Money(HOLD.0 * 3));
    let fact = rig.sign(Sign::Bill, ticket, 1, "1");
    rig.record(vec![fact]);
    assert_eq!(held(&rig), Money(HOLD.0 * 2));
    rig.record(vec![]);
    rig.restart();
    assert_eq!(held(&rig), Money(HOLD.0 * 2), "written again when it changes");
    rig.later(HOLD_S_MAX);
    assert_eq!(held(&rig), Money::ZERO);
    rig.restart();
    assert_eq!(held(&rig), Money::ZERO, "nothing of what lapsed long ago comes back");
    assert_eq!(rig.totals().0, Money(1_150_000));
}

#[test]
fn evidence_takes_the_place_of_a_frequency_hold_and_moves_the_epoch() {
    for sign in [Sign::Win, Sign::Bill, Sign::Pixel] {
        let mut rig = Rig::new();
        let fact = rig.events(r#"{"id": "anna"}"#, r#"{"event": "page_view"}"#);
        rig.record(vec![fact]);
        let user = rig.key("anna");
        let ticket = rig.ticket(user, 0);
        bid(&rig, &ticket, 1);
        let counted = |rig: &Rig| rig.state.cap_holds.view(user, rig.now).holds().len() + rig.exposures(user).len();
        assert_eq!(counted(&rig), 1);
        let before = epoch(&rig, user);
        let fact = rig.sign(sign, ticket, 1, "1");
        rig.record(vec![fact]);
        assert_eq!((counted(&rig), rig.exposures(user).len()), (1, 1), "{sign:?}");
        assert_eq!(try_bid(&rig, &ticket, 2, before), Err(Refused::Stale));
    }
    let rig = Rig::new();
    let ticket = rig.ticket(rig.key("anna"), 0);
    bid(&rig, &ticket, 1);
    let before = epoch(&rig, ticket.user);
    assert!(rig.lose(ticket, 1));
    assert_eq!(rig.state.cap_holds.view(ticket.user, rig.now).holds().len(), 0);
    assert_eq!(try_bid(&rig, &ticket, 2, before), Err(Refused::Stale));
}

#[test]
fn a_merge_moves_the_epoch_of_who_gets_the_impressions() {
    let mut rig = Rig::new();
    for id in [r#"{"id": "anna"}"#, r#"{"first_party_id": "e"}"#] {
        let fact = rig.events(id, r#"{"event": "page_view"}"#);
        rig.record(vec![fact]);
    }
    let (anna, fresh) = (rig.key("anna"), rig.key("fresh"));
    let (before, ticket) = (epoch(&rig, anna), rig.ticket(anna, 0));
    let fact = rig.events(r#"{"id": "anna", "first_party_id": "e"}"#, r#"{"event": "page_view"}"#);
    rig.record(vec![fact]);
    assert_eq!(try_bid(&rig, &ticket, 1, before), Err(Refused::Stale));
    let before = epoch(&rig, anna);
    let fact = rig.sign(Sign::Bill, rig.ticket(fresh, 0), 2, "1");
    rig.record(vec![fact]);
    assert_eq!(try_bid(&rig, &ticket, 1, before), Err(Refused::Stale));
}

#[test]
fn a_failed_commit_changes_nothing_and_is_the_last() {
    let facts = |rig: &Rig| -> Vec<Fact> {
        let order = r#"{"event": "purchase", "value": 5, "transaction_id": "o"}"#;
        vec![
            rig.events(r#"{"id": "bob", "first_party_id": "e"}"#, order),
            rig.matching("bob", "burl-x", "theirs"),
            rig.sign(Sign::Bill, rig.ticket(rig.key("anna"), 0), 1, "1"),
            rig.sign(Sign::Pixel, rig.ticket(rig.key("anna"), 0), 2, ""),
            Fact::Forget {
                user: rig.key("anna"),
                opt_out: true,
            },
        ]
    };
    let mut rig = Rig::new();
    let fact = rig.events(r#"{"id": "anna"}"#, r#"{"event": "page_view"}"#);
    rig.record(vec![fact]);
    let ticket = rig.ticket(rig.key("anna"), 0);
    bid(&rig, &ticket, 1);
    rig.record(vec![]);
    let (before, moved) = (rig.disk.rows.clone(), epoch(&rig, ticket.user));
    rig.disk.fail_at = Some(rig.disk.commits + 1);
    let batch = facts(&rig);
    assert!(rig.try_record(&batch).is_err());
    for _ in 0..2 {
        assert!(rig.state.status.is_poisoned());
        assert_eq!(rig.disk.rows, before);
        assert_eq!((held(&rig), rig.totals().0, epoch(&rig, ticket.user)), (HOLD, Money::ZERO, moved));
        rig.assert_durable();
        // The disk works again, the State stays poisoned.
        let batch = facts(&rig);
        assert!(rig.try_record(&batch).is_err());
    }
    rig.restart();
    let batch = facts(&rig);
    assert_eq!(rig.record(batch)[2], Effect::Settled);
    rig.assert_durable();
    assert_eq!(rig.ticket(rig.key("x"), 0).advertiser, AdvertiserNo(1));
    assert!(rig.state.pending.lock().range((Secs(0), BidTag(0))..).count() == 1);
}
