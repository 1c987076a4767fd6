//! The accounting, proved on a disk in memory and a clock that is told the time.

mod events;
mod facts;
mod holds;
mod homes;
mod identity;
mod leaving;
mod matches;
mod random;
mod reports;
mod rig;
mod settle;
mod world;
