//! What the store keeps, into memory at start: users, impressions and matches by several threads, each
//! with its own range of keys; then the rest.
//!
//! Keys are hashes, so ranges are alike in size, and rows in the order of keys fill one shard of a map after
//! another: each grows while it is in the cache, and no two threads want the same. Assumes that nobody
//! serves yet.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use crate::base::id::{AdvertiserNo, ProductKey, UserKey};
use crate::base::time::{Secs, Span};
use crate::model::event::EventKind;
use crate::model::profile::{self, Profile};
use crate::model::rows::{Row, Table, head};
use crate::server::names::Names;
use crate::state::State;
use crate::state::popular;
use crate::state::records::Filling;
use crate::store::Store;
use crate::track::writer::{install_row, restore};

/// Beyond so many threads the store gives no more.
const THREADS_MAX: usize = 8;

/// Views by advertiser, product and day since 2024.
type Views = HashMap<(AdvertiserNo, ProductKey, u32), u32>;

/// What one thread has counted.
#[derive(Default)]
struct Counted {
    filling: Filling,
    exposures: Filling,
    matches: usize,
    views: Views,
    profile: Profile,
}

/// Every user, match, impression and figure of the store into memory, as of `now`.
pub(super) fn load(store: &Store, names: &Names, now: Secs) -> io::Result<State> {
    let moved = store.divide(now)?;
    if moved > 0 {
        tracing::info!("{moved} rows of undivided tables moved to their parts");
    }
    let state = State::default();
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let counted: io::Result<Vec<Counted>> = std::thread::scope(|scope| {
        let state = &state;
        let threads: Vec<_> = ranges(threads as u64)
            .map(|(first, last)| scope.spawn(move || fill(store, state, first, last, now)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|counted| counted.unwrap_or_else(|_| Err(io::Error::other("a loading thread panicked"))))
            .collect()
    });
    for counted in counted? {
        state.users.filled(counted.filling);
        state.exposures.filled(counted.exposures);
        state.matches.filled(counted.matches);
        for ((advertiser, product, day), times) in counted.views {
            state.popular.views(advertiser, product, day, times);
        }
    }
    let (users, matches) = (state.users.len(), state.matches.len());
    tracing::info!(
        "loaded {users} users and {matches} matches in {:.3} s",
        began.elapsed().as_secs_f64()
    );
    for table in [Table::Days, Table::OptedOut] {
        for row in store.rows(table) {
            install_row(&row?, &state);
        }
    }
    let rest: Vec<Row> = [Table::Holds, Table::Paces, Table::Pending]
        .into_iter()
        .flat_map(|table| store.rows(table))
        .collect::<io::Result<_>>()?;
    restore(&state, rest.into_iter(), |campaign| names.book_of(campaign), now);
    Ok(state)
}

/// All keys in so many ranges, both ends included.
fn ranges(n: u64) -> impl Iterator<Item = (u64, u64)> {
    let width = u64::MAX / n;
    (0..n).map(move |at| {
        let last = if at + 1 == n { u64::MAX } else { (at + 1) * width - 1 };
        (at * width, last)
    })
}

fn fill(store: &Store, state: &State, first: u64, last: u64, now: Secs) -> io::Result<Counted> {
    let mut counted = Counted::default();
    let since = Secs(now.0.saturating_sub(popular::DAYS as u32 * Span::DAY.0));
    store.each(Table::Users, first, last, |key, record| {
        let Some(key) = head(key) else { return };
        if profile::seen(record) >= since {
            count_views(record, since, &mut counted);
        }
        state.users.fill(key, record.into(), &mut counted.filling);
    })?;
    store.each(Table::Exposures, first, last, |key, record| {
        if let Some(key) = head(key) {
            state.exposures.fill(key, record.into(), &mut counted.exposures);
        }
    })?;
    store.each(Table::Matches, first, last, |key, user| {
        if let (Some(key), Some(user)) = (head(key), head(user)) {
            state.matches.fill(key, UserKey(user));
            counted.matches += 1;
        }
    })?;
    Ok(counted)
}

/// Counts the views that a user's record remembers.
fn count_views(record: &[u8], since: Secs, counted: &mut Counted) {
    let Counted { views, profile, .. } = counted;
    profile.read(record);
    for section in &profile.sections {
        let viewed = profile.events(section).iter().take_while(|event| event.at >= since);
        for view in viewed.filter(|event| event.kind == EventKind::ViewItem && event.product.is_some()) {
            *views
                .entry((section.advertiser, view.product, view.at.0 / Span::DAY.0))
                .or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_all_keys_once() {
        for n in 1..=9 {
            let ranges: Vec<_> = ranges(n).collect();
            assert_eq!((ranges[0].0, ranges[n as usize - 1].1), (0, u64::MAX));
            assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ranges:?}");
        }
    }
}
