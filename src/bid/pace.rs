//! Sixth stage: frequency caps with holds counted, and whether budgets leave anything.
//!
//! Caps count impressions with any evidence and the holds of bids under way. Changes nothing: the
//! budget is taken when the decision is committed.

use super::narrow::Narrowed;
use super::{Case, Furthest, Known, Trace};
use crate::base::id::{CampaignNo, CreativeNo};
use crate::base::money::Money;
use crate::base::time::Secs;
use crate::model::advertiser::{Advertiser, Budget, Cap, CapScope};
use crate::model::offer::Offer;
use crate::model::outcome::{NoBid, Pick};
use crate::model::told::Detail;
use crate::state::holds::Hold;

/// Drops the offers that a cap or a budget forbids and notes what budgets leave of the rest.
pub fn pace<T: Trace>(
    case: &Case<'_>,
    known: &Known,
    narrowed: &mut Narrowed,
    furthest: &mut Furthest,
    trace: &mut T,
) -> Result<(), NoBid> {
    let Narrowed {
        candidates,
        offers,
        chances,
        ..
    } = narrowed;
    let now = case.ask.now.to_secs();
    let free = known.holds.free();
    let (mut of_imp, mut of_shop) = (None, None);
    offers.retain_mut(|offer| {
        let Some(shop) = case.world.shop(offer.shop) else { return false };
        let advertiser = &shop.advertiser;
        let campaign = &advertiser.campaigns[offer.campaign as usize];
        offer.placement = once(&mut of_imp, offer.imp, || placement(case, offer.imp));
        if let Some((cap, shown)) = reached(case, known, advertiser, offer, &[]) {
            furthest.note(NoBid::Frequency);
            trace.dropped(offer.no, NoBid::Frequency, || capped(offer, cap, shown, false));
            return false;
        }
        if free == 0 && advertiser.is_capped(campaign) {
            furthest.note(NoBid::Frequency);
            trace.dropped(offer.no, NoBid::Frequency, || Detail::HoldsFull);
            return false;
        }
        let room = *candidates[usize::from(offer.candidate)].room.get_or_insert_with(|| {
            let (day, of_all) = once(&mut of_shop, offer.shop, || {
                note_chance(chances, advertiser.book, &advertiser.budget);
                let day = case.ask.now.local_day(&advertiser.timezone);
                (day, case.state.books.room(advertiser.book, &advertiser.budget, day, now))
            });
            note_chance(chances, offer.no, &campaign.budget);
            let of_campaign = case.state.books.room(offer.no, &campaign.budget, day, now);
            of_campaign.min(of_all)
        });
        if case.ask.barred == Some(offer.no) || room.is_empty() {
            furthest.note(NoBid::Budget);
            let (left, wanted) = (room.full.max(Money::ZERO), Money::ZERO);
            trace.dropped(offer.no, NoBid::Budget, || Detail::Budget {
                left,
                wanted,
                beside: false,
            });
            return false;
        }
        true
    });
    if offers.is_empty() { Err(furthest.0) } else { Ok(()) }
}

/// Notes that a book whose budget is spread evenly could have been bid on: its pace is told by whoever bids.
fn note_chance(chances: &mut Vec<CampaignNo>, no: CampaignNo, budget: &Budget) {
    if budget.even && !chances.contains(&no) {
        chances.push(no);
    }
}

/// Works a value out for a key unless it is the last one's again: offers of an imp, and of a shop, stand
/// together.
pub fn once<K: Copy + PartialEq, V: Copy>(last: &mut Option<(K, V)>, key: K, work: impl FnOnce() -> V) -> V {
    match *last {
        Some((known, value)) if known == key => value,
        _ => last.insert((key, work())).1,
    }
}

/// The first cap that leaves no room for one more impression, with what it counts: impressions known,
/// bids under way, and the picks made already for other imps of this request.
pub fn reached(case: &Case<'_>, known: &Known, advertiser: &Advertiser, offer: &Offer, picks: &[Pick]) -> Option<(Cap, u32)> {
    // Nothing shown and nothing under way reaches no cap: `max` is at least one.
    if known.exposures.is_empty() && known.holds.holds().is_empty() && picks.is_empty() {
        return None;
    }
    let now = case.ask.now;
    let own = &advertiser.campaigns[offer.campaign as usize].frequency;
    own.iter().chain(&advertiser.frequency).copied().find_map(|cap| {
        let counts = |campaign, creative| in_scope(advertiser, offer, cap.scope, campaign, creative);
        let in_window = |at: Secs| now.to_secs().since(at) < cap.per.0;
        let seen = known
            .exposures
            .iter()
            .filter(|e| in_window(e.at) && counts(e.campaign, e.creative))
            .count();
        // A hold whose impression is bid again, by this offer or by a pick, gives its place to that.
        let again = |hold: &Hold| {
            let same = |campaign, place| hold.campaign() == campaign && hold.is_same_place(place, now);
            same(offer.no, offer.placement) || picks.iter().any(|pick| same(pick.campaign, pick.placement))
        };
        let held = known
            .holds
            .holds()
            .iter()
            .filter(|hold| !again(hold) && counts(hold.campaign(), hold.creative()))
            .count();
        let picked = picks.iter().filter(|pick| counts(pick.campaign, pick.creative)).count();
        let shown = (seen + held + picked) as u32;
        (shown >= cap.max).then_some((cap, shown))
    })
}

fn in_scope(advertiser: &Advertiser, offer: &Offer, scope: CapScope, campaign: CampaignNo, creative: CreativeNo) -> bool {
    let of_advertiser = || campaign == offer.no || advertiser.campaigns.iter().any(|c| c.no == campaign);
    match scope {
        CapScope::Campaign => campaign == offer.no,
        CapScope::Creative => creative == offer.creative_no && of_advertiser(),
        CapScope::Advertiser => of_advertiser(),
    }
}

/// What is told of an offer that a cap leaves no room for.
pub fn capped(offer: &Offer, cap: Cap, counted: u32, with_others: bool) -> Detail {
    Detail::Capped {
        cap,
        creative: offer.creative_no,
        counted,
        with_others,
    }
}

/// The hash of page or app and placement: what two bids share that are for one impression.
fn placement(case: &Case<'_>, imp: u16) -> u16 {
    case.request.place_of(imp.into(), |p| case.world.hashes.of("place", p) as u16)
}
