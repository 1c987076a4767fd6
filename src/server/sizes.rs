//! The banner sizes that exchanges asked for in the last day, from a sample of requests: so that a check
//! can tell a campaign whose creatives fit none of them.
//!
//! Costs the bid path one addition: a request that is sampled is read again after its answer is
//! decided. Kept in a small file beside the store, which a check reads; it may lag by a minute, and
//! what is lost of it is missed by nobody.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::engine::{Engine, Rate};
use crate::base::limits::SIZES_SEEN_MAX;
use crate::base::time::Millis;
use crate::model::advertiser::Size;
use crate::openrtb::decode::{self, Memory};
use crate::openrtb::json::sizes;
use crate::openrtb::request::{Banner, Opportunity};
use crate::openrtb::response::Form;

/// Requests of a second that are all looked at.
const EACH_OF: u64 = 64;
/// Of those beyond, one in so many is, and stands for them.
const ONE_IN: u64 = 64;
const EVERY: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;
const HOURS: i64 = 24;
const FILE: &str = "sizes-seen.json";

/// Sizes by the hour since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Hours(BTreeMap<i64, HashMap<String, u64>>);

/// What is counted while serving.
#[derive(Default)]
pub struct Sizes {
    rate: Rate,
    hours: Mutex<Hours>,
}

impl Sizes {
    /// Goes on from what a server before this one wrote.
    pub fn open(data_dir: &Path) -> Sizes {
        Sizes {
            rate: Rate::default(),
            hours: Mutex::new(read(data_dir)),
        }
    }

    /// Counts the sizes of a request, if it is one of the sample.
    pub fn sample(&self, form: Form, body: &[u8], memory: &mut Memory, now: Millis) {
        let nth = self.rate.count(now);
        let stands_for = match nth {
            ..=EACH_OF => 1,
            nth if nth.is_multiple_of(ONE_IN) => ONE_IN,
            _ => return,
        };
        let mut request = Opportunity::default();
        if decode::read(form, body, memory, &mut request).is_err() {
            return;
        }
        let asked = request.imps.iter().filter_map(|imp| imp.banner.as_ref()).flat_map(sizes_of);
        let mut hours = self.hours.lock();
        let hour = hours.0.entry(now.0.div_euclid(HOUR_MS)).or_default();
        for Size { w, h } in asked {
            let name = format!("{w}x{h}");
            // Beyond the bound only what is known already is counted: the common sizes come first.
            if hour.len() < SIZES_SEEN_MAX || hour.contains_key(&name) {
                *hour.entry(name).or_default() += stands_for;
            }
        }
    }

    /// Writes what the last day's requests asked for.
    pub fn write(&self, data_dir: &Path, now: Millis) -> io::Result<()> {
        let hours = {
            let mut hours = self.hours.lock();
            hours.0.retain(|hour, _| is_recent(*hour, now));
            hours.clone()
        };
        let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
        serde_json::to_writer(&mut file, &hours).map_err(io::Error::from)?;
        file.flush()?;
        file.persist(path(data_dir)).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Writes them every minute, for as long as the runtime lives.
pub async fn keep(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.tick().await;
    loop {
        tick.tick().await;
        let engine = engine.clone();
        if tokio::task::spawn_blocking(move || write(&engine)).await.is_err() {
            return;
        }
    }
}

/// Writes them, at a drain too.
pub fn write(engine: &Engine) {
    let data_dir = engine.settings.load().server.data_dir.clone();
    if let Err(error) = engine.sizes.write(&data_dir, Millis::wall_clock()) {
        tracing::warn!("cannot write the sizes asked for into {}: {error}", data_dir.display());
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

fn read(data_dir: &Path) -> Hours {
    // What is not there, or was damaged, begins anew.
    let text = std::fs::read(path(data_dir)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn is_recent(hour: i64, now: Millis) -> bool {
    hour > now.0.div_euclid(HOUR_MS) - HOURS
}

/// Sizes of the last day's requests with how often each was asked for, the most asked first; none where
/// no server has written any.
pub fn seen(data_dir: &Path, now: Millis) -> Vec<(Size, u64)> {
    let mut total: HashMap<String, u64> = HashMap::new();
    let hours = read(data_dir).0.into_iter().filter(|(hour, _)| is_recent(*hour, now));
    for (name, count) in hours.flat_map(|(_, sizes)| sizes) {
        *total.entry(name).or_default() += count;
    }
    let size = |name: &str| {
        let (w, h) = name.split_once('x')?;
        Some(Size {
            w: w.parse().ok()?,
            h: h.parse().ok()?,
        })
    };
    let mut seen: Vec<(Size, u64)> = total.iter().filter_map(|(name, count)| Some((size(name)?, *count))).collect();
    seen.sort_by_key(|(size, count)| (std::cmp::Reverse(*count), size.w, size.h));
    seen
}

/// The sizes a banner takes: those of `format`, else its own.
fn sizes_of(banner: &Banner<'_>) -> Vec<Size> {
    let positive = |(w, h): (i64, i64)| {
        let side = |side: i64| u32::try_from(side).ok().filter(|side| *side > 0);
        Some(Size { w: side(w)?, h: side(h)? })
    };
    let formats: Vec<Size> = sizes(banner.format).filter_map(positive).collect();
    match banner.w.zip(banner.h).and_then(positive) {
        Some(own) if formats.is_empty() => vec![own],
        _ => formats,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = Millis(1_767_200_400_000);

    #[test]
    fn a_sample_is_counted_for_all_and_forgotten_after_a_day() {
        let dir = tempfile::tempdir().expect("folder");
        let sizes = Sizes::open(dir.path());
        let body = br#"{"id":"1","imp":[{"id":"1","banner":{"format":[{"w":300,"h":250},{"w":728,"h":90}]}}]}"#;
        let own = br#"{"id":"1","imp":[{"id":"1","banner":{"w":320,"h":50}},{"id":"2","video":{}}]}"#;
        let mut memory = Memory::default();
        let mut sample = |sizes: &Sizes, body: &[u8], now| sizes.sample(Form::Json, body, &mut memory, now);
        (0..64 + 640).for_each(|_| sample(&sizes, body, HOUR));
        sample(&sizes, own, HOUR.after(crate::base::time::Span(1)));
        sample(&sizes, b"{", HOUR.after(crate::base::time::Span(1)));
        sizes.write(dir.path(), HOUR).expect("written");
        let size = |w, h| Size { w, h };
        let expected = [(size(300, 250), 704), (size(728, 90), 704), (size(320, 50), 1)];
        assert_eq!(seen(dir.path(), HOUR), expected);
        let again = Sizes::open(dir.path());
        sample(&again, own, HOUR.after(crate::base::time::Span::HOUR));
        again.write(dir.path(), HOUR.after(crate::base::time::Span::HOUR)).expect("written");
        assert_eq!(seen(dir.path(), HOUR)[2], (size(320, 50), 2), "a restart goes on");
        let next_day = HOUR.after(crate::base::time::Span::DAY);
        assert_eq!(seen(dir.path(), next_day), [(size(320, 50), 1)], "the first hour is over a day ago");
        std::fs::write(dir.path().join(FILE), "damaged").expect("written");
        assert_eq!(seen(dir.path(), HOUR), []);
    }
}
