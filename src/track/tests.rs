//! The accounting, proved on a disk in memory and a clock that is told the time.

mod rig;
mod settle;
