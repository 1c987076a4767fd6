//! The accounting, proved on a disk in memory and a clock that is told the time.

mod events;
mod holds;
mod identity;
mod random;
mod rig;
mod settle;
mod world;
