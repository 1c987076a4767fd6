//! The writer as a pure machine: facts in, one batch of rows out, effects applied once it is durable.
//!
//! Its thread lives in `app`, its disk is a trait, its clock is passed in: so simulation needs neither.

use std::sync::atomic::Ordering::Relaxed;

use super::fact::{Effect, Fact};
use super::fold::{Change, Counted, Disk, Fold, Folded, Hold, Numbering, Trust};
use super::settle;
use crate::base::hash::Hashes;
use crate::base::id::{BidTag, CampaignNo, UserKey};
use crate::base::limits::FACTS_PER_COMMIT_MAX;
use crate::base::money::Money;
use crate::base::time::{Day, Millis, Secs};
use crate::model::hold::BudgetHold;
use crate::model::rows::{Row, Table, head, tail};
use crate::model::ticket::Ticket;
use crate::state::pacing;
use crate::state::world::World;
use crate::state::{DayRow, State};

/// Folds and applies.
#[derive(Debug)]
pub struct Writer {
    facts: Numbering,
    /// When paces were last turned.
    turned: Secs,
    /// Up to when the parts of tables that are over have been dropped: once a day is enough.
    dropped: Option<Day>,
}

/// The store refused a read or a write: nothing of the batch has taken effect.
#[derive(Debug, thiserror::Error)]
#[error("cannot record {facts} facts: free the disk or repair `data_dir`, then restart")]
pub struct Unrecorded {
    /// How many were lost.
    pub facts: usize,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

impl Writer {
    /// A writer that numbers facts from `next_fact` and draws handles with `secret`, which must be another for
    /// each process.
    pub fn new(next_fact: u64, secret: Hashes) -> Writer {
        Writer {
            facts: Numbering { next: next_fact, secret },
            turned: Secs(0),
            dropped: None,
        }
    }

    /// Records facts: folds them, commits them in one batch, then changes State. The effects are in
    /// the order of the facts. On an error the State is poisoned and unchanged; a poisoned State takes
    /// nothing more.
    pub fn record(
        &mut self,
        facts: &[Fact],
        state: &State,
        world: &World,
        disk: &mut dyn Disk,
        now: Millis,
    ) -> Result<Vec<Effect>, Unrecorded> {
        if state.status.is_poisoned() {
            return Err(Unrecorded {
                facts: facts.len(),
                source: std::io::Error::other("an earlier write failed"),
            });
        }
        let today = now.local_day(&jiff::tz::TimeZone::UTC);
        let outcome = self
            .fold(facts, state, world, disk, now.to_secs())
            .and_then(|(mut folded, effects)| {
                let held = state.books.take_dirty(now.to_secs());
                folded
                    .rows
                    .extend(held.into_iter().map(|(no, held)| hold_row(no, held, now.to_secs())));
                if now.to_secs() != self.turned {
                    self.turned = now.to_secs();
                    folded.rows.extend(pacing::turn(world, &state.books, now).into_iter().map(pace_row));
                }
                if !folded.rows.is_empty() {
                    disk.commit(&folded.rows)?;
                }
                Ok((folded, effects))
            });
        match outcome {
            Ok((folded, effects)) => {
                self.facts.next = folded.next_fact;
                self.dropped = Some(today);
                install(&folded, state, now.to_secs());
                Ok(effects)
            }
            Err(source) => {
                state.status.poison();
                Err(Unrecorded {
                    facts: facts.len(),
                    source,
                })
            }
        }
    }

    fn fold(&self, facts: &[Fact], state: &State, world: &World, disk: &dyn Disk, now: Secs) -> std::io::Result<(Folded, Vec<Effect>)> {
        let mut fold = Fold::new(state, world, disk, self.facts.clone(), now);
        if self.dropped != Some(now.to_millis().local_day(&jiff::tz::TimeZone::UTC)) {
            fold.drop_past();
        }
        let due: Vec<((Secs, BidTag), Ticket)> = state
            .pending
            .lock()
            .range(..=(now, BidTag(u64::MAX)))
            .map(|(key, ticket)| (*key, *ticket))
            .take(FACTS_PER_COMMIT_MAX)
            .collect();
        for ((when, tag), ticket) in due {
            settle::overdue(&mut fold, when, tag, &ticket, now)?;
        }
        let mut effects = Vec::with_capacity(facts.len());
        for fact in facts {
            effects.push(match fact {
                Fact::Events(batch) => fold.events(batch, now)?,
                Fact::Match(ids, _) if ids.iter().any(|id| fold.is_opted_out(id)) => Effect::Repeat,
                Fact::Match(ids, grant) => match ids.first() {
                    Some(super::fact::IdRef::Ours(key, name)) => {
                        let own = fold.own(ids, None)?;
                        let user = fold.resolve(&own, &(*key, name.clone()), Trust::Browser)?;
                        fold.stamp(user, &own)?;
                        fold.permit(user, *grant)?;
                        fold.meet(user);
                        fold.touch(user, now);
                        Effect::Recorded
                    }
                    _ => Effect::Repeat,
                },
                Fact::Evidence(sign) => settle::evidence(&mut fold, sign)?,
                Fact::Forget { user, opt_out } => fold.erase(*user, *opt_out, now).map(|()| Effect::Recorded)?,
                Fact::Evict(leaving) if fold.evict(leaving)? => Effect::Recorded,
                Fact::Lapse(matches) if fold.lapse(matches)? => Effect::Recorded,
                Fact::Draw(users) => fold.draw(users).map(|()| Effect::Recorded)?,
                Fact::Evict(_) | Fact::Lapse(_) => Effect::Repeat,
            });
        }
        Ok((fold.finish(), effects))
    }
}

/// What is held at `now`: the sum, and when, for holds lapse without another row.
fn hold_row(no: CampaignNo, held: BudgetHold, now: Secs) -> Row {
    let parts = || [&held.full.0.to_le_bytes()[..], &now.0.to_le_bytes(), &held.likely.0.to_le_bytes()].concat();
    let value = (held != BudgetHold::NONE).then(parts);
    Row {
        table: Table::Holds,
        key: u64::from(no.0).to_be_bytes().to_vec(),
        value,
    }
}

fn pace_row((no, pace): pacing::Written) -> Row {
    Row {
        table: Table::Paces,
        key: u64::from(no.0).to_be_bytes().to_vec(),
        value: Some(pace),
    }
}

/// Changes State by what has become durable.
fn install(folded: &Folded, state: &State, now: Secs) {
    for row in &folded.rows {
        install_row(row, state);
    }
    for change in &folded.changes {
        match change {
            Change::Spend(book, day, amount) => state.books.spend(*book, *day, *amount),
            Change::Count(campaign, counted) => {
                let entry = state.books.entry(*campaign);
                let counter = match counted {
                    Counted::Impression => &entry.impressions,
                    Counted::Click => &entry.clicks,
                    Counted::Conversion => &entry.conversions,
                };
                counter.fetch_add(1, Relaxed);
            }
            Change::Uncount(campaign) => {
                let conversions = &state.books.entry(*campaign).conversions;
                // Only this thread counts.
                conversions.store(conversions.load(Relaxed).saturating_sub(1), Relaxed);
            }
            Change::Unseen(campaign) => {
                let impressions = &state.books.entry(*campaign).impressions;
                impressions.store(impressions.load(Relaxed).saturating_sub(1), Relaxed);
            }
            Change::Invalid(why, times) => state.count_invalid(*why, *times),
            Change::Seen(user, tag, hold) => {
                if !state.cap_holds.free(*user, *tag, now.to_millis()) && *hold == Hold::Expected {
                    state.cap_late.fetch_add(1, Relaxed);
                }
            }
            Change::Moved(user) => state.cap_holds.moved(*user),
            Change::Evicted(why) => drop(state.evicted[*why as usize].fetch_add(1, Relaxed)),
            Change::Settled {
                tag,
                campaign,
                book,
                taken,
                billed,
            } => {
                state.books.count_win(*campaign, taken.exchange, taken.at, *billed);
                if state.resolved.insert(*tag, now) {
                    for no in std::iter::once(*campaign).chain(Some(*book).filter(|book| book != campaign)) {
                        state.books.release(no, taken, now);
                    }
                }
            }
            Change::Viewed(advertiser, product, at) => state.popular.view(*advertiser, *product, *at),
            Change::Paid(exchange, paid, bid) => {
                if let Some(share) = state.paid.get(usize::from(*exchange)) {
                    share.observe(*paid, *bid);
                }
            }
            Change::Wait(due, tag, ticket) => {
                state.pending.lock().insert((*due, *tag), *ticket);
            }
            Change::Waited(due, tag) => {
                state.pending.lock().remove(&(*due, *tag));
            }
        }
    }
}

/// Puts one stored row where memory mirrors it: after a commit, and at start for every row.
pub fn install_row(row: &Row, state: &State) {
    let Some(key) = head(&row.key) else { return };
    match (row.table, &row.value) {
        (Table::Users, Some(value)) => state.users.put(key, value.clone().into_boxed_slice()),
        (Table::Users, None) => state.users.remove(key),
        (Table::Exposures, Some(value)) => state.exposures.put(key, value.clone().into_boxed_slice()),
        (Table::Exposures, None) => state.exposures.remove(key),
        (Table::Matches, Some(value)) => {
            if let Some(user) = head(value) {
                state.matches.put(key, UserKey(user));
            }
        }
        (Table::Matches, None) => drop(state.matches.remove(key)),
        (Table::Days, Some(value)) => {
            if let (Some(day), Some(figures)) = (tail(&row.key), DayRow::read(value)) {
                state.days.lock().insert((CampaignNo(key as u32), Day(day as u32 as i32)), figures);
            }
        }
        (Table::OptedOut, Some(_)) => drop(state.opted_out.put(key, ())),
        _ => {}
    }
}

/// At start: what is neither a mirror of rows nor told by one row alone. `book_of` names the
/// advertiser's book of a campaign.
pub fn restore(state: &State, rows: impl Iterator<Item = Row>, book_of: impl Fn(CampaignNo) -> Option<CampaignNo>, now: Secs) {
    for row in rows {
        let Some(key) = head(&row.key) else { continue };
        match (row.table, &row.value) {
            (Table::Holds, Some(value)) => {
                if let Some((full, rest)) = value.split_first_chunk::<16>() {
                    let as_of = rest.first_chunk::<4>().map_or(now, |at| Secs(u32::from_le_bytes(*at)).min(now));
                    // A store of before knows only full holds.
                    let likely = rest.get(4..).and_then(|rest| rest.first_chunk::<16>()).unwrap_or(full);
                    let held = BudgetHold {
                        full: Money(i128::from_le_bytes(*full)),
                        likely: Money(i128::from_le_bytes(*likely)),
                    };
                    state.books.restore_held(CampaignNo(key as u32), held, as_of);
                }
            }
            (Table::Paces, Some(value)) => {
                state.books.restore_pace(CampaignNo(key as u32), value);
            }
            (Table::Pending, Some(value)) => {
                if let (Some(tag), Some(ticket)) = (tail(&row.key), Ticket::read(value)) {
                    state.pending.lock().insert((Secs(key as u32), BidTag(tag)), ticket);
                }
            }
            _ => {}
        }
    }
    let days: Vec<((CampaignNo, Day), DayRow)> = state.days.lock().iter().map(|(key, row)| (*key, *row)).collect();
    for ((campaign, day), row) in days {
        let entry = state.books.entry(campaign);
        entry.impressions.fetch_add(row.valid_impressions(), Relaxed);
        entry.clicks.fetch_add(row.clicks, Relaxed);
        entry.conversions.fetch_add(row.conversions, Relaxed);
        state.books.spend(campaign, day, row.billed);
        if let Some(book) = book_of(campaign).filter(|book| *book != campaign) {
            state.books.spend(book, day, row.billed);
        }
    }
}
