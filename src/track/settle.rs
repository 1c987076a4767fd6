//! Impressions and clicks: the first evidence bills, once (contract §2 `billing`).
//!
//! Idempotent by the bid's tag: a repeat finds its flag set. Booked on the advertiser's local day of
//! the auction.

use std::io;

use jiff::tz::TimeZone;

use super::fact::{Effect, Evidence, Paid, Sign};
use super::fold::{Change, Counted, Fold, Hold};
use super::invalid;
use super::told::Told;
use crate::base::id::{BidTag, ExchangeNo, UserKey};
use crate::base::limits::{CLICK_LIFE, NOTICE_LIFE};
use crate::base::money::{Ratio, Round};
use crate::base::time::{Day, Secs};
use crate::model::advertiser::Shop;
use crate::model::exchange::Billing;
use crate::model::exposure::{self, Exposure, evidence};
use crate::model::rows::{Table, pair};
use crate::model::ticket::Ticket;

/// Applies a sign of an impression.
pub fn evidence(fold: &mut Fold<'_>, sign: &Evidence) -> io::Result<Effect> {
    let life = if sign.sign == Sign::Click { CLICK_LIFE } else { NOTICE_LIFE };
    if sign.at.since(sign.ticket.at) > life.0 {
        return Ok(Effect::Expired);
    }
    if sign.ticket.test {
        return Ok(Effect::Test);
    }
    let flag = flag_of(sign.sign);
    let user = fold.holder(&sign.ticket);
    let Before { flags: before, place } = before(fold, user, sign.tag)?;
    if sign.sign == Sign::Click {
        let first = first_seen(fold, user, place);
        if let Some(why) = invalid::of_click(fold, sign, before, first) {
            invalid::keep_click(fold, sign, why, user)?;
            return Ok(Effect::Invalid);
        }
    }
    if before & flag != 0 {
        return Ok(Effect::Repeat);
    }
    let billing = fold
        .world
        .exchange(sign.ticket.exchange)
        .map_or(Billing::Burl, |exchange| exchange.billing);
    let bills = match billing {
        Billing::Burl => sign.sign == Sign::Bill,
        Billing::Impression => sign.sign == Sign::Pixel,
        Billing::Nurl => sign.sign == Sign::Win,
    };
    let settles = bills && before & evidence::SETTLED == 0;
    let unseen_by = sign.invalid.filter(|_| sign.sign == Sign::Pixel);
    let bit = |is_so: bool, bit: u8| if is_so { bit } else { 0 };
    let untracked = bit(!sign.ticket.tracked, evidence::UNTRACKED);
    let after = before | flag | untracked | bit(settles, evidence::SETTLED) | bit(unseen_by.is_some(), evidence::BAD_PIXEL);
    if after & (evidence::SEEN | evidence::CLICK) != 0 {
        fold.showing(&sign.ticket, sign.tag)?;
    }
    let hold = hold_before(fold, place, &sign.ticket);
    set_flags(fold, user, sign, after, place);
    fold.touch_browser(&sign.ticket, sign.at);
    if before & evidence::SEEN == 0 && after & evidence::SEEN != 0 {
        fold.state.traffic.moments.note(sign.tag, invalid::moment(sign));
    }
    if let Some(why) = unseen_by {
        invalid::keep(fold, "pixel", sign, why, user)?;
    }
    fold.changes.push(Change::Seen(sign.ticket.user, sign.tag, hold));
    if user != sign.ticket.user {
        fold.changes.push(Change::Moved(user));
    }
    let due = due(sign);
    if settles {
        settle(fold, &sign.ticket, sign.tag, sign.paid, sign.at)?;
        if before & proofs(billing) != 0 {
            wait_no_more(fold, due, sign.tag);
        }
    } else if flag & proofs(billing) != 0 && before & (proofs(billing) | evidence::SETTLED) == 0 {
        fold.wait(due, sign.tag, sign.ticket);
    }
    if is_unseen(after) && !is_unseen(before) {
        invalid::unsee(fold, &sign.ticket, sign.tag, sign.at)?;
    }
    if sign.sign == Sign::Click {
        click(fold, sign)?;
    }
    Ok(if settles { Effect::Settled } else { Effect::Recorded })
}

const fn flag_of(sign: Sign) -> u8 {
    match sign {
        Sign::Win => evidence::WIN,
        Sign::Bill => evidence::BILL,
        Sign::Pixel => evidence::PIXEL,
        Sign::Click => evidence::CLICK,
    }
}

/// The signs that there was an impression to be billed, beside the one that bills it: where that is lost,
/// the exchange charges all the same, and a budget must know of it.
const fn proofs(billing: Billing) -> u8 {
    match billing {
        Billing::Burl => evidence::PIXEL,
        Billing::Impression => evidence::BILL,
        Billing::Nurl => evidence::PIXEL | evidence::BILL,
    }
}

/// How long such a sign waits for the one that bills: until the bid's hold would lapse, for what has been
/// spent must not be spent again meanwhile; one that comes later than that, for the token's life.
fn due(sign: &Evidence) -> Secs {
    let Ticket { at, hold_s, .. } = sign.ticket;
    let lapses = Secs(at.0.saturating_add(u32::from(hold_s)));
    if sign.at < lapses {
        return lapses;
    }
    Secs(at.0.saturating_add(NOTICE_LIFE.0))
}

/// Bills an impression whose billing sign never came, now that the token's billing time has ended.
pub fn overdue(fold: &mut Fold<'_>, due: Secs, tag: BidTag, ticket: &Ticket, now: Secs) -> io::Result<()> {
    wait_no_more(fold, due, tag);
    let user = fold.holder(ticket);
    let Before { flags: before, place } = before(fold, user, tag)?;
    if before & evidence::SETTLED == 0 {
        let sign = Evidence {
            sign: Sign::Bill,
            ticket: *ticket,
            tag,
            paid: Paid::Unknown("never_billed"),
            at: now,
            ms: 0,
            invalid: None,
        };
        set_flags(fold, user, &sign, before | evidence::SETTLED, place);
        settle(fold, ticket, tag, sign.paid, now)?;
        if is_unseen(before | evidence::SETTLED) {
            invalid::unsee(fold, ticket, tag, now)?;
        }
    }
    Ok(())
}

/// Whether what was seen of a bid is an impression that is billed and that nobody looked at.
const fn is_unseen(flags: u8) -> bool {
    let both = evidence::SETTLED | evidence::BAD_PIXEL;
    flags & both == both
}

/// What is known of a bid before a sign of it.
struct Before {
    flags: u8,
    place: Place,
}

/// Where that is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// With the user, at this place.
    Listed(usize),
    /// Apart: the user was gone, or had too many impressions. It stays there if they come back.
    Orphaned,
    /// Nowhere.
    New,
}

/// What evidence of a bid has been seen: of a user who is here, else of one who is gone.
fn before(fold: &mut Fold<'_>, user: UserKey, tag: BidTag) -> io::Result<Before> {
    let list = fold.exposures(user);
    if let Some(at) = list.iter().position(|e| e.tag == tag) {
        return Ok(Before {
            flags: list[at].flags,
            place: Place::Listed(at),
        });
    }
    let orphan = fold.get(Table::Orphans, &tag.0.to_be_bytes())?;
    Ok(Before {
        flags: orphan.as_ref().and_then(|value| value.first().copied()).unwrap_or(0),
        place: if orphan.is_some() { Place::Orphaned } else { Place::New },
    })
}

/// When anything was first seen of a bid, where that is still known.
fn first_seen(fold: &mut Fold<'_>, user: UserKey, place: Place) -> Option<Secs> {
    match place {
        Place::Listed(at) => Some(fold.exposures(user)[at].at),
        Place::Orphaned | Place::New => None,
    }
}

fn set_flags(fold: &mut Fold<'_>, user: UserKey, sign: &Evidence, flags: u8, place: Place) {
    let clicked = |before: Secs| if sign.sign == Sign::Click { sign.at } else { before };
    let is_known = fold.is_known(user);
    let list = fold.exposures(user);
    match place {
        Place::Listed(at) => {
            let entry = &mut list[at];
            entry.flags = flags;
            entry.clicked = clicked(entry.clicked);
        }
        Place::New if is_known => {
            list.push(Exposure {
                tag: sign.tag,
                campaign: sign.ticket.campaign,
                creative: sign.ticket.creative,
                at: sign.at,
                clicked: clicked(Secs(0)),
                flags,
            });
            // Repeats of evidence of the one that leaves must still be known as such.
            for old in exposure::cut(list) {
                fold.orphan(old.tag, old.flags);
            }
            fold.touch(user, sign.at);
        }
        Place::New | Place::Orphaned => fold.orphan(sign.tag, flags),
    }
}

/// Whether the bid should have a frequency hold still.
fn hold_before(fold: &Fold<'_>, place: Place, ticket: &Ticket) -> Hold {
    match place {
        Place::New if is_capped(fold, ticket) => Hold::Expected,
        _ => Hold::No,
    }
}

/// Whether a cap counts the ticket's campaign.
fn is_capped(fold: &Fold<'_>, ticket: &Ticket) -> bool {
    let shop = fold.world.shop(ticket.advertiser);
    shop.is_some_and(|shop| {
        shop.advertiser
            .campaigns
            .iter()
            .any(|c| c.no == ticket.campaign && shop.advertiser.is_capped(c))
    })
}

/// Books an impression and gives its hold back.
fn settle(fold: &mut Fold<'_>, ticket: &Ticket, tag: BidTag, paid: Paid, now: Secs) -> io::Result<()> {
    let price = match paid {
        Paid::Price(price) => price.min(ticket.price),
        Paid::Unknown(_) => ticket.price.times(median(fold, ticket.exchange), Round::Nearest),
    };
    if let Paid::Price(_) = paid {
        fold.changes.push(Change::Paid(ticket.exchange.0, price, ticket.price));
    }
    let shop = fold.world.shop(ticket.advertiser).cloned();
    let fee = shop.as_ref().map_or(Ratio(0), |shop| shop.advertiser.fee);
    let discrepancy = fold
        .world
        .exchange(ticket.exchange)
        .map_or(Ratio(0), |exchange| exchange.discrepancy);
    let media_cost = ticket.media_cost(price);
    let billed = media_cost + media_cost.times(fee, Round::Nearest);
    let shown = fold.showing(ticket, tag)?;
    let day = fold.count(shop.as_deref(), &shown, ticket.at, |row| row.show(media_cost, billed))?;
    let book = shop.as_ref().map_or(ticket.campaign, |shop| shop.advertiser.book);
    fold.changes.push(Change::Count(ticket.campaign, Counted::Impression));
    fold.changes.push(Change::Spend(ticket.campaign, day, billed));
    if book != ticket.campaign {
        fold.changes.push(Change::Spend(book, day, billed));
    }
    fold.changes.push(Change::Settled {
        tag,
        campaign: ticket.campaign,
        book,
        taken: ticket.taken(fee, discrepancy),
        billed,
    });
    let told = Told::new("impression", now).of(fold, shop.as_deref(), &shown, ticket.at)?;
    let told = told.bid(ticket).amount("media_cost", media_cost).amount("billed", billed);
    told.log(fold, fold.holder(ticket))
}

/// The median share of its bids that an exchange charges, with what this commit has seen of it.
fn median(fold: &Fold<'_>, exchange: ExchangeNo) -> Ratio {
    let seen = fold.changes.iter().filter_map(|change| match change {
        Change::Paid(no, paid, bid) if *no == exchange.0 => Some((*paid, *bid)),
        _ => None,
    });
    let share = fold.state.paid.get(usize::from(exchange.0));
    share.map_or(Ratio::ONE, |share| share.median_with(seen))
}

fn click(fold: &mut Fold<'_>, sign: &Evidence) -> io::Result<()> {
    let shop = fold.world.shop(sign.ticket.advertiser).cloned();
    let shown = fold.showing(&sign.ticket, sign.tag)?;
    fold.count(shop.as_deref(), &shown, sign.ticket.at, |row| row.clicks += 1)?;
    fold.changes.push(Change::Count(sign.ticket.campaign, Counted::Click));
    let told = Told::new("click", sign.at).of(fold, shop.as_deref(), &shown, sign.ticket.at)?;
    told.bid(&sign.ticket).log(fold, fold.holder(&sign.ticket))
}

/// The clock of a shop; of one that is gone, UTC's.
pub(super) fn clock(shop: Option<&Shop>) -> &TimeZone {
    const GONE: &TimeZone = &TimeZone::UTC;
    shop.map_or(GONE, |shop| &shop.advertiser.timezone)
}

/// The local day of an instant on the shop's clock, and the first second of its local hour.
pub(super) fn hour_of(shop: Option<&Shop>, at: Secs) -> (Day, Secs) {
    let (day, hour) = at.to_millis().local_hour(clock(shop));
    (day, hour.to_secs())
}

fn wait_no_more(fold: &mut Fold<'_>, due: Secs, tag: BidTag) {
    fold.put(Table::Pending, pair(u64::from(due.0), tag.0), None);
    fold.changes.push(Change::Waited(due, tag));
}
