//! libFuzzer around the entries: FUZZ names one, SEEDS a folder that its first inputs are written into.
//!
//! Says what the slowest input took, in CPU time, whenever there is a slower one.

#![no_main]

#[path = "../tests/all/bench_rig.rs"]
#[allow(dead_code)]
mod bench_rig;
mod entries;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use libfuzzer_sys::fuzz_target;
use rustix::time::{ClockId, clock_gettime};

static ENTRY: OnceLock<fn(&[u8])> = OnceLock::new();
static SLOWEST_US: AtomicI64 = AtomicI64::new(0);

fn cpu_us() -> i64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    spent.tv_sec * 1_000_000 + spent.tv_nsec / 1_000
}

fn prepare() {
    let name = std::env::var("FUZZ").unwrap_or_default();
    let Some((_, entry)) = entries::TARGETS.iter().find(|(target, _)| *target == name) else {
        eprintln!("fuzz: FUZZ names no target: {name}");
        std::process::exit(2);
    };
    if let Some(folder) = std::env::var_os("SEEDS") {
        for (n, seed) in entries::seeds(&name).iter().enumerate() {
            std::fs::write(std::path::Path::new(&folder).join(format!("seed-{n}")), seed).expect("the folder can be written");
        }
        std::process::exit(0);
    }
    // What entries need is built once, and charged to no input.
    entry(b"");
    ENTRY.get_or_init(|| *entry);
}

fuzz_target!(
    init: prepare(),
    |data: &[u8]| {
        let Some(entry) = ENTRY.get() else { return };
        let began = cpu_us();
        entry(data);
        let took = cpu_us() - began;
        if SLOWEST_US.fetch_max(took, Ordering::Relaxed) < took {
            eprintln!("slowest {took} us, {} bytes", data.len());
        }
    }
);
