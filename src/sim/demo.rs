//! The demo's course: a story, a busy market until every campaign had its share, a table, and a
//! gentle market until the end.
//!
//! Assumes a server that answers until this returns. Writes to the output it is handed and nowhere
//! else but the ads' folder.

use std::time::Duration;

use tokio::sync::watch;

use super::story::{Out, say, tell};
use super::table::{Reported, differences, is_complete, settled, write};
use super::world::World;
use super::{Stage, Totals};

/// Shoppers who visit before the market opens.
const EARLY_SHOPPERS: usize = 60;
/// Shoppers who visit while it is busy, with the early ones.
const SHOPPERS: usize = 300;
/// Requests that the busy market sends at least.
const REQUESTS_LEAST: u64 = 600;
/// The longest that it is busy.
const BUSY_MAX: Duration = Duration::from_secs(25);
/// Kept back from `--seconds` for the table.
const CLOSING: Duration = Duration::from_millis(1_500);
/// Between two requests of the busy market.
const BUSY_PACE: Duration = Duration::from_millis(12);
/// Between two requests of the gentle one.
const GENTLE_PACE: Duration = Duration::from_millis(400);
/// Gentle requests to one new shopper.
const GENTLE_REQUESTS_PER_SHOPPER: u64 = 3;

/// Runs the world against a server for `seconds` from now, or until `stop` holds true; with neither,
/// until the future is dropped. Writes the story, the tables and a last line for machines to `out`.
pub async fn demo(stage: &Stage, seconds: Option<u64>, mut stop: watch::Receiver<bool>, out: Out<'_>) -> Result<Totals, String> {
    let mut world = World::new(stage)?;
    let end = seconds.map(|seconds| Duration::from_secs(seconds).saturating_sub(CLOSING));
    let first_bid_after = tell(&mut world, out).await?;
    busy(&mut world, &mut stop, end).await?;
    let mut reports = settled(&mut world).await?;
    show(&world, &reports, out)?;
    let asked = world.ledger.asked;
    if !is_over(&world, &stop, end) {
        let until = seconds.map_or("Ctrl-C ends it".to_owned(), |seconds| format!("{seconds} s in all, or Ctrl-C"));
        say(out, &format!("The market goes on, gently: {until}."))?;
        gentle(&mut world, &mut stop, end).await?;
    }
    if world.ledger.asked > asked {
        reports = settled(&mut world).await?;
        show(&world, &reports, out)?;
    }
    let totals = totals(&world, &reports, first_bid_after);
    if let Some(fault) = &world.ledger.first_rejection {
        say(out, &format!("a bid the exchange rejected: {fault}"))?;
    }
    say(out, &last_line(&totals))?;
    Ok(totals)
}

fn last_line(totals: &Totals) -> String {
    format!(
        "demo: campaigns={} complete={} report_minus_notices={} rejected={} first_bid_ms={}",
        totals.campaigns,
        totals.campaigns_with_everything,
        totals.report_minus_notices,
        totals.errors,
        totals.first_bid_after.as_millis()
    )
}

async fn busy(world: &mut World<'_>, stop: &mut watch::Receiver<bool>, end: Option<Duration>) -> Result<(), String> {
    for _ in 0..EARLY_SHOPPERS {
        world.arrive().await?;
    }
    let begun = world.elapsed();
    while !is_over(world, stop, end) && world.elapsed().saturating_sub(begun) < BUSY_MAX {
        if world.ledger.is_complete() && world.ledger.asked >= REQUESTS_LEAST {
            break;
        }
        if world.shoppers.len() < SHOPPERS && world.rng.chance(40) {
            world.arrive().await?;
        }
        world.trade().await?;
        pause(stop, BUSY_PACE).await;
    }
    Ok(())
}

async fn gentle(world: &mut World<'_>, stop: &mut watch::Receiver<bool>, end: Option<Duration>) -> Result<(), String> {
    while !is_over(world, stop, end) {
        if world.rng.below(GENTLE_REQUESTS_PER_SHOPPER) == 0 {
            world.arrive().await?;
        }
        world.trade().await?;
        pause(stop, GENTLE_PACE).await;
    }
    Ok(())
}

fn is_over(world: &World<'_>, stop: &watch::Receiver<bool>, end: Option<Duration>) -> bool {
    *stop.borrow() || end.is_some_and(|end| world.elapsed() >= end)
}

/// Waits, or less where `stop` changes.
async fn pause(stop: &mut watch::Receiver<bool>, time: Duration) {
    let sleep = tokio::time::sleep(time);
    tokio::pin!(sleep);
    tokio::select! {
        () = &mut sleep => {}
        changed = stop.changed() => {
            // Nobody is left who could stop it: then only time does.
            if changed.is_err() {
                sleep.await;
            }
        }
    }
}

fn show(world: &World<'_>, reports: &[Reported], out: Out<'_>) -> Result<(), String> {
    let seconds = world.elapsed().as_secs();
    say(
        out,
        &format!(
            "After {seconds} s: {} shoppers, {} bid requests",
            world.shoppers.len() + 1,
            world.ledger.asked
        ),
    )?;
    write(world, reports, out).map_err(|fault| format!("cannot write: {fault}"))?;
    say(out, &format!("report - notices = {}", differences(world, reports)))?;
    say(
        out,
        &format!(
            "{} ads to open in a browser: {}",
            world.ads.len(),
            world.stage.dir.join("ad-*.html").display()
        ),
    )
}

fn totals(world: &World<'_>, reports: &[Reported], first_bid_after: Duration) -> Totals {
    let lines = &world.ledger.lines;
    Totals {
        first_bid_after,
        campaigns: lines.len(),
        campaigns_with_everything: lines
            .iter()
            .zip(reports)
            .filter(|(line, reported)| is_complete(line, reported))
            .count(),
        report_minus_notices: differences(world, reports),
        errors: world.ledger.rejected,
    }
}
