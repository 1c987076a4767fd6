//! Invalid traffic: kept as a fact and reported as such, and out of audiences and rates.
//!
//! Events of senders that are nobody are counted and make no user; those of a user who does more than a
//! person does are not remembered, and nobody bids for that user for a day. A click is valid once for each
//! bid, on an impression that was seen, from a second to a day after it (contract §2 `invalid_traffic`).

use std::io;

use super::fact::{Evidence, NewEvent};
use super::fold::{Change, Fold};
use super::settle::hour_of;
use super::told::Told;
use crate::base::id::{BidTag, UserKey};
use crate::base::limits::{CLICK_AFTER_MAX, CLICK_AFTER_MS_MIN, MACHINE_LIFE};
use crate::base::time::{Millis, Secs};
use crate::model::advertiser::Shop;
use crate::model::event::EventKind;
use crate::model::exposure::evidence;
use crate::model::showing::Showing;
use crate::model::ticket::Ticket;
use crate::model::traffic::Invalid;

/// Why an event of a user is not a person's, where it is not. Counts it; and notes of the user that they
/// are no person.
pub(super) fn of_event(fold: &mut Fold<'_>, user: UserKey, event: &NewEvent) -> Option<Invalid> {
    let (tested, traffic) = (fold.world.invalid_traffic.clone(), &fold.state.traffic);
    let at = event.entries[0].at;
    let too_fast = tested.events_per_min.is_some_and(|most| traffic.events.add(user, at, 1) > most);
    let items = event
        .entries
        .iter()
        .filter(|entry| entry.kind != EventKind::Custom && entry.product.is_some());
    let too_many = tested.items_per_day.is_some_and(|most| {
        let beyond = items.map(|entry| traffic.items.is_beyond(user, entry.product, at, most));
        beyond.fold(false, |any, beyond| any | beyond)
    });
    let why = match (too_fast, too_many) {
        (true, _) => Invalid::Events,
        (_, true) => Invalid::Items,
        _ => return None,
    };
    let profile = fold.profile(user);
    profile.seen = profile.seen.max(at);
    profile.machine_until = profile.machine_until.max(Secs(at.0.saturating_add(MACHINE_LIFE.0)));
    Some(why)
}

/// Keeps that so many events of a shop were invalid.
pub(super) fn keep_events(fold: &mut Fold<'_>, shop: &Shop, why: Invalid, events: &[NewEvent], user: UserKey, now: Secs) -> io::Result<()> {
    let advertiser = &shop.advertiser;
    fold.changes.push(Change::Invalid(why, events.len() as u64));
    // Most come in one hour: one fact for each.
    for same in events.chunk_by(|a, b| hour_of(Some(shop), a.entries[0].at) == hour_of(Some(shop), b.entries[0].at)) {
        let (at, count) = (same[0].entries[0].at, same.len() as u64);
        fold.count_book(shop, advertiser.book, at, |row| row.invalid_events += count)?;
        let told = Told::new("invalid", now).with("of", "events").with("why", why.label());
        let told = told.with("book", advertiser.book.0).with("count", count);
        told.booked(Some(shop), at, ["day", "hour"]).log(fold, user)?;
    }
    Ok(())
}

/// Why a click is invalid, where it is. `seen` is what was seen of the bid before, and when that was first.
pub(super) fn of_click(fold: &Fold<'_>, click: &Evidence, flags: u8, first: Option<Secs>) -> Option<Invalid> {
    if !fold.world.invalid_traffic.is_tested {
        return None;
    }
    if click.invalid.is_some() {
        return click.invalid;
    }
    if flags & evidence::CLICK != 0 {
        return Some(Invalid::Again);
    }
    if flags & evidence::SEEN == 0 {
        return Some(Invalid::Unseen);
    }
    // Of somebody who has left it is known that there was an impression, and no longer when.
    let first = first.unwrap_or(click.ticket.at);
    let after_ms = match fold.state.traffic.moments.get(click.tag) {
        Some(seen) => moment(click).0 - seen.0,
        None => i64::from(click.at.since(first)) * 1_000,
    };
    if after_ms < CLICK_AFTER_MS_MIN {
        Some(Invalid::Early)
    } else {
        (click.at.since(first) > CLICK_AFTER_MAX.0).then_some(Invalid::Late)
    }
}

/// Keeps that a click was invalid.
pub(super) fn keep_click(fold: &mut Fold<'_>, click: &Evidence, why: Invalid, user: UserKey) -> io::Result<()> {
    let exposures = fold.exposures(user);
    if let Some(shown) = exposures.iter_mut().find(|shown| shown.tag == click.tag) {
        shown.flags |= evidence::BAD_CLICK;
    }
    let shown = fold.showing(&click.ticket, click.tag)?;
    let shop = fold.world.shop(click.ticket.advertiser).cloned();
    fold.count(shop.as_deref(), &shown, click.ticket.at, |row| row.invalid_clicks += 1)?;
    keep(fold, "click", click, why, user)
}

/// An impression that is billed was looked at by nobody: it stays billed, and no rate counts it.
pub(super) fn unsee(fold: &mut Fold<'_>, ticket: &Ticket, tag: BidTag, now: Secs) -> io::Result<()> {
    let shown = fold.showing(ticket, tag)?;
    let shop = fold.world.shop(ticket.advertiser).cloned();
    fold.count(shop.as_deref(), &shown, ticket.at, |row| row.invalid_impressions += 1)?;
    fold.changes.push(Change::Unseen(ticket.campaign));
    tell(fold, "impression", ticket, &shown, now)?.log(fold, fold.holder(ticket))
}

/// Keeps that a sign was invalid.
pub(super) fn keep(fold: &mut Fold<'_>, of: &str, sign: &Evidence, why: Invalid, user: UserKey) -> io::Result<()> {
    fold.changes.push(Change::Invalid(why, 1));
    let shown = fold.showing(&sign.ticket, sign.tag)?;
    let told = tell(fold, of, &sign.ticket, &shown, sign.at)?;
    told.with("why", why.label()).log(fold, user)
}

fn tell(fold: &Fold<'_>, of: &str, ticket: &Ticket, shown: &Showing, now: Secs) -> io::Result<Told> {
    let shop = fold.world.shop(ticket.advertiser).cloned();
    let told = Told::new("invalid", now).with("of", of);
    Ok(told.of(fold, shop.as_deref(), shown, ticket.at)?.bid(ticket))
}

/// When a sign came, to the millisecond.
pub(super) fn moment(sign: &Evidence) -> Millis {
    Millis(sign.at.to_millis().0 + i64::from(sign.ms))
}
