//! The last day of the server, in steps of five minutes, and what each campaign spent of its day by the hour: for the
//! desk, which shows how things have gone.
//!
//! Made by looking once a minute at what is counted anyway; nothing on the bid path knows of it. In memory, of bounded
//! size: a restart begins anew, and a step or an hour in which nobody looked has no figures.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::counts::CELLS;
use super::engine::Engine;
use super::meters::{BUCKETS, Meters, bound_us};
use crate::base::id::{CampaignNo, ExchangeNo};
use crate::base::limits::{HISTORY_CAMPAIGNS_MAX, HISTORY_STEP_S, HISTORY_STEPS};
use crate::base::money::Money;
use crate::base::time::{Day, Millis};
use crate::model::advertiser::Status;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60);

/// The record.
#[derive(Default)]
pub struct History(Mutex<Record>);

#[derive(Default)]
struct Record {
    /// What was counted when it was last looked.
    seen: HashMap<ExchangeNo, [u64; CELLS]>,
    seen_latencies: Option<[u64; BUCKETS]>,
    /// The oldest first.
    steps: VecDeque<Step>,
    spent: HashMap<CampaignNo, DaySpent>,
}

/// What was counted in a while.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which one since 1970.
    pub no: i64,
    /// By exchange, what is counted of requests.
    pub exchanges: HashMap<ExchangeNo, [u64; CELLS]>,
    /// Answers by how long they took.
    pub latencies: [u64; BUCKETS],
}

/// What was spent of a local day by the end of each of its hours, or so far in the one that runs.
#[derive(Clone, Copy, Debug)]
struct DaySpent {
    day: Day,
    by_hour: [Option<Money>; 24],
}

impl Step {
    fn new(no: i64) -> Step {
        Step {
            no,
            exchanges: HashMap::new(),
            latencies: [0; BUCKETS],
        }
    }

    /// Adds what was counted in another.
    pub fn add(&mut self, other: &Step) {
        for (exchange, cells) in &other.exchanges {
            add(self.exchanges.entry(*exchange).or_insert([0; CELLS]), cells);
        }
        add(&mut self.latencies, &other.latencies);
    }

    /// The counts of all exchanges together.
    pub fn sum(&self) -> [u64; CELLS] {
        let mut sum = [0; CELLS];
        self.exchanges.values().for_each(|cells| add(&mut sum, cells));
        sum
    }

    /// How long answers took in milliseconds, at most, for this part of them; none where there were none. Exact to a
    /// bucket, whose bounds are a factor of 1.4 apart.
    pub fn quantile_ms(&self, part: f64) -> Option<f64> {
        let all: u64 = self.latencies.iter().sum();
        let rank = ((all as f64 * part).ceil() as u64).max(1);
        let mut so_far = 0;
        let bucket = self.latencies.iter().position(|count| {
            so_far += count;
            so_far >= rank
        })?;
        (all > 0).then(|| bound_us(bucket) / 1_000.0)
    }
}

fn add<const N: usize>(sum: &mut [u64; N], more: &[u64; N]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// What came since, where counts only grow.
fn less<const N: usize>(now: &[u64; N], before: &[u64; N]) -> [u64; N] {
    std::array::from_fn(|at| now[at].saturating_sub(before[at]))
}

impl History {
    /// Takes over what was counted since the last time, as of the step of `now`.
    pub fn gather(&self, meters: &Meters, now: Millis) {
        let record = &mut *self.0.lock();
        let no = step_of(now);
        record.steps.retain(|step| step.no > no - HISTORY_STEPS as i64);
        if record.steps.back().is_none_or(|last| last.no < no) {
            record.steps.push_back(Step::new(no));
        }
        let Some(step) = record.steps.back_mut() else { return };
        for reading in meters.read() {
            let before = record.seen.insert(reading.exchange, reading.cells).unwrap_or([0; CELLS]);
            let more = less(&reading.cells, &before);
            add(step.exchanges.entry(reading.exchange).or_insert([0; CELLS]), &more);
        }
        let latencies = meters.latencies();
        let before = record.seen_latencies.replace(latencies).unwrap_or([0; BUCKETS]);
        add(&mut step.latencies, &less(&latencies, &before));
    }

    /// Notes what a campaign has spent of a local day, at a second of it.
    fn note(&self, campaign: CampaignNo, day: Day, second: u32, spent: Money) {
        let all = &mut self.0.lock().spent;
        if all.len() >= HISTORY_CAMPAIGNS_MAX && !all.contains_key(&campaign) {
            return;
        }
        let nothing = DaySpent { day, by_hour: [None; 24] };
        let of = all.entry(campaign).or_insert(nothing);
        if of.day != day {
            *of = nothing;
        }
        of.by_hour[second as usize / 3_600 % 24] = Some(spent);
    }

    /// The steps of the day before `now`, the oldest first.
    pub fn steps(&self, now: Millis) -> Vec<Step> {
        let first = step_of(now) - HISTORY_STEPS as i64;
        let record = self.0.lock();
        record.steps.iter().filter(|step| step.no > first).cloned().collect()
    }

    /// What a campaign had spent of a local day by the end of each hour; none of hours nobody looked at.
    pub fn spent(&self, campaign: CampaignNo, day: Day) -> [Option<Money>; 24] {
        let record = self.0.lock();
        let of = record.spent.get(&campaign).filter(|of| of.day == day);
        of.map_or([None; 24], |of| of.by_hour)
    }

    /// Forgets campaigns that are no longer there.
    fn retain(&self, is_there: impl Fn(CampaignNo) -> bool) {
        self.0.lock().spent.retain(|campaign, _| is_there(*campaign));
    }
}

/// All steps together.
pub fn sum<'s>(steps: impl IntoIterator<Item = &'s Step>) -> Step {
    let mut all = Step::new(0);
    steps.into_iter().for_each(|step| all.add(step));
    all
}

fn step_of(now: Millis) -> i64 {
    now.0.div_euclid(i64::from(HISTORY_STEP_S) * 1_000)
}

/// Looks at everything once.
pub fn look(engine: &Engine, now: Millis) {
    engine.history.gather(&engine.meters, now);
    let world = engine.world.load_full();
    let mut there = std::collections::HashSet::new();
    for shop in world.shops() {
        let (day, second) = now.local(&shop.advertiser.timezone);
        for campaign in shop.advertiser.campaigns.iter().filter(|c| c.status != Status::Archived) {
            there.insert(campaign.no);
            let spent = engine.state.books.spent_on(campaign.no, day);
            if spent > Money::ZERO {
                engine.history.note(campaign.no, day, second, spent);
            }
        }
    }
    engine.history.retain(|campaign| there.contains(&campaign));
}

/// Keeps the record, for as long as the runtime lives.
pub async fn keep(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        let engine = engine.clone();
        let looked = tokio::task::spawn_blocking(move || look(&engine, Millis::wall_clock()));
        if looked.await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Day = Day(20_000);

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let mut step = Step::new(0);
        assert_eq!(step.quantile_ms(0.5), None);
        step.latencies[20] = 98;
        step.latencies[24] = 2;
        assert_eq!(step.quantile_ms(0.5), Some(1.024));
        assert_eq!(step.quantile_ms(0.98), Some(1.024));
        assert_eq!(step.quantile_ms(0.99), Some(4.096));
    }

    #[test]
    fn a_campaign_has_what_it_spent_by_each_hour_of_its_day() {
        let (history, no) = (History::default(), CampaignNo(3));
        history.note(no, DAY, 3_599, Money::units(1));
        history.note(no, DAY, 3_600, Money::units(2));
        history.note(no, DAY, 7_199, Money::units(3));
        let spent = history.spent(no, DAY);
        assert_eq!(spent[..3], [Some(Money::units(1)), Some(Money::units(3)), None]);
        history.note(no, DAY.plus(1), 0, Money::units(1));
        assert_eq!(history.spent(no, DAY), [None; 24]);
        for other in 0..HISTORY_CAMPAIGNS_MAX as u32 + 10 {
            history.note(CampaignNo(other), DAY, 0, Money::units(1));
        }
        assert_eq!(history.0.lock().spent.len(), HISTORY_CAMPAIGNS_MAX);
        history.retain(|campaign| campaign == no);
        assert_eq!(history.0.lock().spent.len(), 1);
    }

    #[test]
    fn steps_add_up() {
        let (mut one, mut other) = (Step::new(1), Step::new(2));
        one.exchanges.insert(ExchangeNo(1), [1; CELLS]);
        other.exchanges.insert(ExchangeNo(1), [2; CELLS]);
        other.exchanges.insert(ExchangeNo(2), [4; CELLS]);
        let all = sum([&one, &other]);
        assert_eq!((all.exchanges[&ExchangeNo(1)][0], all.sum()), (3, [7; CELLS]));
        assert_eq!(less(&[3, 1], &[1, 2]), [2, 0], "what begins anew counts nothing");
    }
}
