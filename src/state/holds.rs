//! Frequency holds, and `commit`: the one place where a decision takes effect before any evidence.
//!
//! A fixed table of buckets by user. A bucket's epoch moves with whatever changes what a cap counts
//! for its users; `commit` refuses a decision that was made at another epoch. Locks are taken in one
//! order (bucket, then books by number) and never together with a map's.

use parking_lot::Mutex;

use super::State;
use crate::base::id::{BidTag, CampaignNo, CreativeNo, UserKey};
use crate::base::limits::{HOLD_BUCKETS, HOLDS_PER_BUCKET, SAME_PLACEMENT_MS};
use crate::base::time::{Day, Millis};
use crate::model::advertiser::Budget;
use crate::model::outcome::Pick;

/// One bid that counts for frequency until evidence, loss or lapse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    user: u32,
    tag: u32,
    campaign: u32,
    placement: u16,
    creative: u8,
    taken: Millis,
    lapses: Millis,
}

impl Hold {
    /// Its campaign.
    pub fn campaign(&self) -> CampaignNo {
        CampaignNo(self.campaign)
    }

    /// Its creative.
    pub fn creative(&self) -> CreativeNo {
        CreativeNo(self.creative)
    }

    /// Whether a bid now for this placement is the same impression bid again.
    pub fn is_same_place(&self, placement: u16, now: Millis) -> bool {
        self.placement == placement && now.0 - self.taken.0 <= i64::from(SAME_PLACEMENT_MS)
    }
}

/// A user's bucket as one decision sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct BucketView {
    /// The state it was copied at.
    pub epoch: u32,
    /// The user's own, the first `own` of them.
    holds: [Hold; HOLDS_PER_BUCKET],
    own: u8,
    free: u8,
}

impl BucketView {
    /// The user's own holds.
    pub fn holds(&self) -> &[Hold] {
        &self.holds[..usize::from(self.own)]
    }

    /// Holds that can still be taken.
    pub fn free(&self) -> usize {
        usize::from(self.free)
    }
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    epoch: u32,
    holds: [Hold; HOLDS_PER_BUCKET],
}

/// The table.
pub struct CapHolds {
    buckets: Box<[Mutex<Bucket>]>,
}

impl Default for CapHolds {
    fn default() -> CapHolds {
        CapHolds {
            buckets: (0..HOLD_BUCKETS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl CapHolds {
    fn bucket(&self, user: UserKey) -> &Mutex<Bucket> {
        &self.buckets[(user.0 >> 20) as usize & (HOLD_BUCKETS - 1)]
    }

    /// Copies what a user's bucket holds of the user. Copy it before the user's exposures: an impression
    /// that arrives in between moves the epoch, and the decision is refused rather than wrong.
    pub fn view(&self, user: UserKey, now: Millis) -> BucketView {
        let bucket = self.bucket(user).lock();
        let mut view = BucketView {
            epoch: bucket.epoch,
            ..BucketView::default()
        };
        for hold in &bucket.holds {
            if hold.lapses <= now {
                view.free += 1;
            } else if hold.user == user.0 as u32 {
                view.holds[usize::from(view.own)] = *hold;
                view.own += 1;
            }
        }
        view
    }

    /// Frees a bid's hold: evidence has taken its place, or it lost. Moves the epoch; tells whether the
    /// hold still stood: one that has lapsed may not have been written over yet.
    pub fn free(&self, user: UserKey, tag: BidTag, now: Millis) -> bool {
        let mut bucket = self.bucket(user).lock();
        bucket.epoch = bucket.epoch.wrapping_add(1);
        let found = bucket
            .holds
            .iter_mut()
            .find(|hold| hold.user == user.0 as u32 && hold.tag == tag.0 as u32);
        found.is_some_and(|hold| std::mem::take(hold).lapses > now)
    }
}

impl CapHolds {
    /// Moves the epoch of a user's bucket: what caps count has changed otherwise than by a bid.
    pub fn moved(&self, user: UserKey) {
        let mut bucket = self.bucket(user).lock();
        bucket.epoch = bucket.epoch.wrapping_add(1);
    }
}

/// Why a decision was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// What caps count has changed since.
    Stale,
    /// This campaign's budget leaves no room any more.
    Budget(CampaignNo),
}

/// The budgets a pick is held against.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The campaign's.
    pub campaign: Budget,
    /// The advertiser's over all campaigns.
    pub advertiser: Budget,
    /// The advertiser's local day.
    pub day: Day,
}

/// Takes the holds of a decision, all or none. `limits` gives each pick's budgets.
pub fn commit(state: &State, picks: &[Pick], epoch: u32, now: Millis, limits: impl Fn(&Pick) -> Limits) -> Result<(), Refused> {
    let Some(user) = picks.first().map(|pick| pick.user) else {
        return Ok(());
    };
    let mut bucket = state.cap_holds.bucket(user).lock();
    if bucket.epoch != epoch {
        return Err(Refused::Stale);
    }
    for (at, pick) in picks.iter().enumerate() {
        if !pick.test && !hold_budgets(state, pick, &limits(pick)) {
            for taken in picks[..at].iter().filter(|taken| !taken.test) {
                release_budgets(state, taken);
            }
            return Err(Refused::Budget(pick.campaign));
        }
    }
    for pick in picks.iter().filter(|pick| !pick.test) {
        state.books.count_bid(pick.campaign, pick.advertiser_book, &pick.taken());
    }
    for pick in picks.iter().filter(|pick| !pick.test && pick.cap_hold_s > 0) {
        take_hold(&mut bucket, pick, now);
    }
    bucket.epoch = bucket.epoch.wrapping_add(1);
    drop(bucket);
    let made = picks.iter().filter(|pick| !pick.test).count() as u16;
    if made > 0 {
        state.traffic.bids.add(user, now.to_secs(), made);
    }
    Ok(())
}

fn hold_budgets(state: &State, pick: &Pick, limits: &Limits) -> bool {
    let taken = pick.taken();
    if !state.books.hold(pick.campaign, &limits.campaign, limits.day, &taken) {
        return false;
    }
    if state.books.hold(pick.advertiser_book, &limits.advertiser, limits.day, &taken) {
        return true;
    }
    state.books.release(pick.campaign, &taken, taken.at);
    false
}

fn release_budgets(state: &State, pick: &Pick) {
    for book in [pick.campaign, pick.advertiser_book] {
        state.books.release(book, &pick.taken(), pick.at);
    }
}

fn take_hold(bucket: &mut Bucket, pick: &Pick, now: Millis) {
    let user = pick.user.0 as u32;
    let again = bucket
        .holds
        .iter()
        .position(|h| h.user == user && h.campaign == pick.campaign.0 && h.lapses > now && h.is_same_place(pick.placement, now));
    let place = again.or_else(|| bucket.holds.iter().position(|h| h.lapses <= now));
    // A decision saw the free places at this epoch, so there is one.
    if let Some(place) = place {
        bucket.holds[place] = Hold {
            user,
            tag: pick.tag.0 as u32,
            campaign: pick.campaign.0,
            placement: pick.placement,
            creative: pick.creative.0,
            taken: now,
            lapses: Millis(now.0 + i64::from(pick.cap_hold_s) * 1000),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{AdvertiserNo, ExchangeNo, ProductKey};
    use crate::base::money::Money;
    use crate::model::hold::WinShare;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn pick(campaign: u32, tag: u64, hold: i64) -> Pick {
        Pick {
            imp: 0,
            exchange: ExchangeNo(0),
            advertiser: AdvertiserNo(1),
            advertiser_book: CampaignNo(100),
            campaign: CampaignNo(campaign),
            campaign_index: 0,
            creative: CreativeNo(1),
            product: ProductKey(1),
            user: UserKey(77),
            tag: BidTag(tag),
            price: Money::units(1),
            hold: WinShare::FULL.of(Money::units(hold)),
            share: WinShare::FULL,
            at: NOW.to_secs(),
            hold_s: 60,
            cap_hold_s: 5,
            deal: 0,
            placement: tag as u16,
            test: false,
            tracked: true,
            place: Default::default(),
        }
    }

    fn limits(total: i64) -> Limits {
        let budget = Budget {
            total: Some(Money::units(total)),
            ..Budget::default()
        };
        Limits {
            campaign: budget,
            advertiser: Budget::default(),
            day: Day(1),
        }
    }

    #[test]
    fn a_decision_made_on_an_old_view_is_refused() {
        let state = State::default();
        let view = state.cap_holds.view(UserKey(77), NOW);
        assert_eq!(commit(&state, &[pick(1, 5, 1)], view.epoch, NOW, |_| limits(10)), Ok(()));
        assert_eq!(
            commit(&state, &[pick(1, 6, 1)], view.epoch, NOW, |_| limits(10)),
            Err(Refused::Stale)
        );
        let view = state.cap_holds.view(UserKey(77), NOW);
        assert_eq!(view.holds().len(), 1);
        assert!(state.cap_holds.free(UserKey(77), BidTag(5), NOW));
        assert_eq!(
            commit(&state, &[pick(1, 6, 1)], view.epoch, NOW, |_| limits(10)),
            Err(Refused::Stale)
        );
        assert_eq!(state.cap_holds.view(UserKey(77), NOW).holds().len(), 0);
    }

    #[test]
    fn a_refused_pick_gives_back_what_others_took() {
        let state = State::default();
        let view = state.cap_holds.view(UserKey(77), NOW);
        let refused = commit(&state, &[pick(1, 5, 6), pick(2, 6, 20)], view.epoch, NOW, |_| limits(10));
        assert_eq!(refused, Err(Refused::Budget(CampaignNo(2))));
        for book in [1, 2, 100] {
            assert_eq!(state.books.totals(CampaignNo(book), NOW.to_secs()).1, Money::ZERO, "book {book}");
        }
    }

    #[test]
    fn the_same_placement_within_two_seconds_counts_once_and_holds_lapse() {
        let state = State::default();
        for (tag, later_ms) in [(5, 0), (5, 1_500)] {
            let now = Millis(NOW.0 + later_ms);
            let epoch = state.cap_holds.view(UserKey(77), now).epoch;
            assert_eq!(commit(&state, &[pick(1, tag, 0)], epoch, now, |_| limits(10)), Ok(()));
        }
        assert_eq!(state.cap_holds.view(UserKey(77), Millis(NOW.0 + 1_500)).holds().len(), 1);
        let lapsed = Millis(NOW.0 + 6_500);
        assert_eq!(state.cap_holds.view(UserKey(77), lapsed).holds().len(), 0);
        assert!(!state.cap_holds.free(UserKey(77), BidTag(5), lapsed), "it stands no more");
        assert_eq!(state.cap_holds.view(UserKey(78), NOW).holds().len(), 0, "another user's");
    }
}
