//! Conversions and refunds: an order is credited to the last click in its window, else to the last
//! impression in its own; what is refunded is taken back from whom it was credited to (contract §3
//! `attribution`, §4 `refund`, `click_id`).
//!
//! One order, one campaign. What a refund needs to know is kept with the order's row. Nothing is taken
//! back that was not credited.

use std::io;

use super::fact::{Clicked, NewEvent};
use super::fold::{Change, Counted, Fold};
use super::told::Told;
use crate::base::id::{AdvertiserNo, BidTag, CampaignNo, UserKey};
use crate::base::limits::CLICK_LIFE;
use crate::base::money::Money;
use crate::base::time::{Secs, Span};
use crate::model::advertiser::Shop;
use crate::model::exposure::{Exposure, evidence};
use crate::model::rows::{Table, pair};
use crate::model::showing::{SHOWING_BYTES, Showing};
use crate::model::ticket::Ticket;
use crate::state::Buyer;

/// Bytes of the row of an order that was credited; of another it has the first eight alone.
const ORDER_BYTES: usize = 50 + SHOWING_BYTES;

/// What a refund has to know of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    /// When it was recorded.
    at: u64,
    /// To what it was credited.
    shown: Showing,
    /// When the order was made.
    made: Secs,
    /// When the impression was that earned it.
    earned: Secs,
    /// Whose it was.
    buyer: Buyer,
    /// What it was worth.
    value: Money,
    /// What of that was given back.
    refunded: Money,
    /// Whether it counts no more.
    is_void: bool,
}

impl Order {
    fn key(advertiser: AdvertiserNo, order: u64) -> Vec<u8> {
        pair(u64::from(advertiser.0), order)
    }

    /// What may still be given back.
    fn left(&self) -> Money {
        self.value.less(self.refunded)
    }

    /// A fact of it.
    fn told(&self, fold: &Fold<'_>, fact: &str, shop: &Shop, now: Secs) -> io::Result<Told> {
        let told = Told::new(fact, now).of(fold, Some(shop), &self.shown, self.made)?;
        let told = told.booked(Some(shop), self.earned, ["impression_day", "impression_hour"]);
        Ok(told.with("new_customer", self.buyer == Buyer::New))
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ORDER_BYTES);
        out.extend(self.at.to_be_bytes());
        out.extend(self.made.0.to_le_bytes());
        out.extend(self.earned.0.to_le_bytes());
        out.extend(self.value.0.to_le_bytes());
        out.extend(self.refunded.0.to_le_bytes());
        out.push(u8::from(self.buyer == Buyer::Repeat));
        out.push(u8::from(self.is_void));
        out.extend(self.shown.write());
        out
    }

    /// None of an order that was credited to nobody.
    fn read(bytes: &[u8]) -> Option<Order> {
        let bytes: &[u8; ORDER_BYTES] = bytes.first_chunk()?;
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let amount = |at: usize| bytes[at..].first_chunk::<16>().map(|bytes| Money(i128::from_le_bytes(*bytes)));
        Some(Order {
            at: u64::from_be_bytes(*bytes.first_chunk()?),
            made: Secs(u32::from_le_bytes(word(8))),
            earned: Secs(u32::from_le_bytes(word(12))),
            value: amount(16)?,
            refunded: amount(32)?,
            buyer: if bytes[48] == 0 { Buyer::New } else { Buyer::Repeat },
            is_void: bytes[49] != 0,
            shown: Showing::read(&bytes[50..])?,
        })
    }
}

/// What an order may be credited to.
#[derive(Clone, Copy)]
struct Touch {
    campaign: CampaignNo,
    tag: BidTag,
    /// The bid, where the order tells of it.
    ticket: Option<Ticket>,
    /// When the click or the impression was.
    at: Secs,
    /// When the impression was.
    shown: Secs,
}

impl Touch {
    fn click(e: &Exposure) -> Touch {
        Touch {
            at: e.clicked,
            ..Touch::view(e)
        }
    }

    fn view(e: &Exposure) -> Touch {
        Touch {
            campaign: e.campaign,
            tag: e.tag,
            ticket: None,
            at: e.at,
            shown: e.at,
        }
    }

    fn unrecorded(ticket: &Ticket, tag: BidTag) -> Touch {
        Touch {
            campaign: ticket.campaign,
            tag,
            ticket: Some(*ticket),
            at: ticket.at,
            shown: ticket.at,
        }
    }

    /// Whether an order at `at` may be credited to it, within `window`.
    fn counts(&self, at: Secs, window: Span) -> bool {
        self.at <= at && at.since(self.at) <= window.0
    }
}

fn is_clicked(e: &Exposure) -> bool {
    e.flags & evidence::CLICK != 0
}

/// An auction won is no impression yet.
fn is_shown(e: &Exposure) -> bool {
    e.flags & evidence::SEEN != 0
}

fn is_of(shop: &Shop, campaign: CampaignNo) -> bool {
    shop.advertiser.campaigns.iter().any(|c| c.no == campaign)
}

/// Credits a conversion of a buyer.
pub fn convert(fold: &mut Fold<'_>, shop: &Shop, (user, buyer): (UserKey, Buyer), event: &NewEvent, now: Secs) -> io::Result<()> {
    let Some(touch) = touched(fold, shop, user, event) else {
        return Ok(());
    };
    let (at, value) = (event.entries[0].at, event.value);
    let shown = shown_by(fold, &touch)?;
    fold.count(Some(shop), &shown, at, |row| row.convert(value, buyer))?;
    fold.count(Some(shop), &shown, touch.shown, |row| row.earn(value))?;
    fold.changes.push(Change::Count(touch.campaign, Counted::Conversion));
    let kept = Order {
        at: u64::from(now.0),
        shown,
        made: at,
        earned: touch.shown,
        buyer,
        value,
        refunded: Money::ZERO,
        is_void: false,
    };
    if let Some(order) = event.order {
        fold.put(Table::Orders, Order::key(shop.advertiser.no, order), Some(kept.write()));
    }
    let told = kept.told(fold, "conversion", shop, now)?.amount("value", value);
    told.with("currency", shop.advertiser.currency.as_str()).log(fold, user)
}

/// What was shown by a bid, as far as that is still known.
fn shown_by(fold: &mut Fold<'_>, touch: &Touch) -> io::Result<Showing> {
    match (fold.shown(touch.tag)?, &touch.ticket) {
        (Some(shown), _) => Ok(shown),
        (None, Some(ticket)) => fold.unseen(ticket),
        (None, None) => Ok(Showing::forgotten(touch.campaign)),
    }
}

/// The last click in its window, else the last impression in its own.
fn touched(fold: &mut Fold<'_>, shop: &Shop, user: UserKey, event: &NewEvent) -> Option<Touch> {
    let at = event.entries[0].at;
    let windows = shop.advertiser.attribution;
    let told = event.click.and_then(|click| told(fold, click));
    let seen = fold.exposures(user);
    let tracked = || seen.iter().filter(|e| e.flags & evidence::UNTRACKED == 0);
    let own = tracked().filter(|e| is_clicked(e)).map(Touch::click);
    let views = tracked().filter(|e| is_shown(e)).map(Touch::view);
    let last = |touches: &mut dyn Iterator<Item = Touch>, window| {
        let counted = touches.filter(|touch| is_of(shop, touch.campaign) && touch.counts(at, window));
        counted.max_by_key(|touch| touch.at)
    };
    last(&mut own.chain(told), windows.click).or_else(|| last(&mut { views }, windows.view))
}

/// The click that a landing page tells of, whoever is there now. Of one that was not recorded it is known
/// only that it came after the bid.
fn told(fold: &mut Fold<'_>, Clicked { ticket, tag }: Clicked) -> Option<Touch> {
    let user = fold.holder(&ticket);
    let recorded = fold.exposures(user).iter().find(|e| e.tag == tag);
    if recorded.is_some_and(|e| e.flags & evidence::BAD_CLICK != 0 && !is_clicked(e)) {
        return None;
    }
    let touch = recorded
        .filter(|e| is_clicked(e))
        .map_or(Touch::unrecorded(&ticket, tag), |e| Touch {
            ticket: Some(ticket),
            ..Touch::click(e)
        });
    (ticket.tracked && touch.at.since(ticket.at) <= CLICK_LIFE.0).then_some(touch)
}

/// Takes back what a refund says of its order, at most what is left of it; without a value or items all of
/// it. An order all of which is taken back is no conversion any more.
pub fn refund(fold: &mut Fold<'_>, shop: &Shop, user: UserKey, event: &NewEvent, now: Secs) -> io::Result<()> {
    let Some(order) = event.order else { return Ok(()) };
    let key = Order::key(shop.advertiser.no, order);
    let Some(mut order) = fold.get(Table::Orders, &key)?.and_then(|row| Order::read(&row)) else {
        return Ok(());
    };
    let left = order.left();
    let back = if event.is_stated { event.value.min(left) } else { left };
    let ends = !order.is_void && (back == left && (!event.is_stated || back > Money::ZERO));
    if back == Money::ZERO && !ends {
        return Ok(());
    }
    order.refunded += back;
    order.is_void |= ends;
    fold.count(Some(shop), &order.shown, order.made, |row| row.refund(back, ends, order.buyer))?;
    fold.count(Some(shop), &order.shown, order.earned, |row| row.unearn(back, ends))?;
    if ends {
        fold.changes.push(Change::Uncount(order.shown.campaign));
    }
    fold.put(Table::Orders, key, Some(order.write()));
    let told = order.told(fold, "refund", shop, now)?.amount("value", back);
    told.with("is_whole", ends).log(fold, user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_and_one_of_before_was_credited_to_nobody() {
        let order = Order {
            at: 90_000_000,
            shown: Showing {
                campaign: CampaignNo(7),
                frequency: 3,
                ..Showing::default()
            },
            made: Secs(20_000),
            earned: Secs(19_999),
            buyer: Buyer::Repeat,
            value: Money(59_900_000_000),
            refunded: Money(1),
            is_void: true,
        };
        assert_eq!(Order::read(&order.write()), Some(order));
        assert_eq!(Order::read(&order.write()[..8]), None);
        let at = crate::model::rows::head(&order.write());
        assert_eq!(at, Some(90_000_000), "it begins with what others have alone");
    }
}
