//! Conversions and refunds: an order is credited to the last click in its window, else to the last
//! impression in its own; what is refunded is taken back from whom it was credited to (contract §3
//! `attribution`, §4 `refund`, `click_id`).
//!
//! One order, one campaign. What a refund needs to know is kept with the order's row. Nothing is taken
//! back that was not credited.

use std::io;

use serde_json::json;

use super::fact::{Clicked, NewEvent};
use super::fold::{Change, Counted, Fold};
use super::settle::day_of;
use crate::base::id::{AdvertiserNo, CampaignNo, UserKey};
use crate::base::limits::CLICK_LIFE;
use crate::base::money::Money;
use crate::base::time::{Day, Secs, Span};
use crate::model::advertiser::Shop;
use crate::model::exposure::{Exposure, evidence};
use crate::model::rows::{Table, pair};
use crate::model::ticket::Ticket;

/// Bytes of the row of an order that was credited; of another it has the first eight alone.
const ORDER_BYTES: usize = 53;

/// What a refund has to know of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    /// When it was recorded.
    at: u64,
    /// To whom it was credited.
    campaign: CampaignNo,
    /// On which day.
    day: Day,
    /// The day of the impression that earned it.
    earned_on: Day,
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

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ORDER_BYTES);
        out.extend(self.at.to_be_bytes());
        out.extend(self.campaign.0.to_le_bytes());
        out.extend(self.day.0.to_le_bytes());
        out.extend(self.earned_on.0.to_le_bytes());
        out.extend(self.value.0.to_le_bytes());
        out.extend(self.refunded.0.to_le_bytes());
        out.push(u8::from(self.is_void));
        out
    }

    /// None of an order that was credited to nobody.
    fn read(bytes: &[u8]) -> Option<Order> {
        let bytes: &[u8; ORDER_BYTES] = bytes.first_chunk()?;
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let amount = |at: usize| bytes[at..].first_chunk::<16>().map(|bytes| Money(i128::from_le_bytes(*bytes)));
        Some(Order {
            at: u64::from_be_bytes(*bytes.first_chunk()?),
            campaign: CampaignNo(u32::from_le_bytes(word(8))),
            day: Day(i32::from_le_bytes(word(12))),
            earned_on: Day(i32::from_le_bytes(word(16))),
            value: amount(20)?,
            refunded: amount(36)?,
            is_void: bytes[52] != 0,
        })
    }
}

/// What an order may be credited to.
#[derive(Clone, Copy)]
struct Touch {
    campaign: CampaignNo,
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
            at: e.at,
            shown: e.at,
        }
    }

    fn unrecorded(ticket: &Ticket) -> Touch {
        Touch {
            campaign: ticket.campaign,
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

/// Credits a conversion.
pub fn convert(fold: &mut Fold<'_>, shop: &Shop, user: UserKey, event: &NewEvent, now: Secs) -> io::Result<()> {
    let Some(touch) = touched(fold, shop, user, event) else {
        return Ok(());
    };
    let at = event.entries[0].at;
    let (day, earned_on) = (day_of(Some(shop), at), day_of(Some(shop), touch.shown));
    fold.day(touch.campaign, day).convert(event.value);
    fold.day(touch.campaign, earned_on).earn(event.value);
    fold.changes.push(Change::Count(touch.campaign, Counted::Conversion));
    if let Some(order) = event.order {
        let kept = Order {
            at: u64::from(now.0),
            campaign: touch.campaign,
            day,
            earned_on,
            value: event.value,
            refunded: Money::ZERO,
            is_void: false,
        };
        fold.put(Table::Orders, Order::key(shop.advertiser.no, order), Some(kept.write()));
    }
    let fact = json!({"fact": "conversion", "campaign": touch.campaign.0, "day": day.to_string(), "impression_day": earned_on.to_string(),
        "at": now.to_millis().to_rfc3339(), "value": event.value.to_string(), "currency": shop.advertiser.currency.as_str()});
    fold.log(fact, user)
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
    let touch = recorded.filter(|e| is_clicked(e)).map_or(Touch::unrecorded(&ticket), Touch::click);
    (ticket.tracked && touch.at.since(ticket.at) <= CLICK_LIFE.0).then_some(touch)
}

/// Takes back what a refund says of its order, at most what is left of it; without a value or items all of
/// it. An order all of which is taken back is no conversion any more.
pub fn refund(fold: &mut Fold<'_>, advertiser: AdvertiserNo, user: UserKey, event: &NewEvent, now: Secs) -> io::Result<()> {
    let Some(order) = event.order else { return Ok(()) };
    let key = Order::key(advertiser, order);
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
    fold.day(order.campaign, order.day).refund(back, ends);
    fold.day(order.campaign, order.earned_on).unearn(back, ends);
    if ends {
        fold.changes.push(Change::Uncount(order.campaign));
    }
    fold.put(Table::Orders, key, Some(order.write()));
    let fact = json!({"fact": "refund", "campaign": order.campaign.0, "day": order.day.to_string(), "impression_day": order.earned_on.to_string(),
        "at": now.to_millis().to_rfc3339(), "value": back.to_string(), "is_whole": ends});
    fold.log(fact, user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_and_one_of_before_was_credited_to_nobody() {
        let order = Order {
            at: 90_000_000,
            campaign: CampaignNo(7),
            day: Day(20_000),
            earned_on: Day(19_999),
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
