//! Acceptance from outside: the real binary, spoken to over HTTP, signals and its command line.
//!
//! Each test starts its own server on free ports and a temporary folder. The figures it is judged
//! by are printed as `show <name> <figure> <bar> ok|short`; `make show` gathers them.

mod ads;
mod agreement;
mod bench_rig;
mod browser;
mod budgets;
mod caps;
mod consent;
mod conformance;
mod corpus;
mod crash;
mod desk;
mod doors;
mod edited;
mod erase;
mod exchange;
mod explains;
mod feeds;
mod fetched;
mod figures;
mod floods;
mod frequency;
mod fuzz;
mod game;
mod grafana;
mod http;
mod invalid;
mod journeys;
mod judge;
mod kill;
mod leaving;
mod life;
mod losses;
mod macros;
mod media;
mod merge;
#[path = "../oracle.rs"]
mod oracle;
mod packaging;
mod presets;
mod replay;
mod reports;
mod prices;
mod permission;
mod protos;
mod pure;
mod responses;
mod rig;
mod rights;
mod scenarios;
mod shop;
mod smoke;
mod start;
mod storm;
mod syncs;
mod tidy;
mod traces;
mod wire;
mod check;
