//! A crowd on a clock of its own.

use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use super::*;

const BOUNDS: Bounds = Bounds {
    most: 3,
    idle_ms: 1_000,
    stall_ms: 100,
};

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn told(life: &Life) -> Told {
    life.told(&Context::from_waker(&Arc::new(Woken::default()).into()))
}

/// Looks at a crowd so many milliseconds after it began.
fn look(crowd: &Crowd, ms: u64) {
    crowd.look(crowd.began + Duration::from_millis(ms));
}

#[test]
fn each_phase_has_its_time() {
    let table = [
        (Phase::Idle, 1_000, true),
        (Phase::Idle, 1_001, false),
        (Phase::Head, 100, true),
        (Phase::Head, 101, false),
        (Phase::Body, 100, true),
        (Phase::Body, 101, false),
        (Phase::Served, 600_000, true),
        (Phase::Answered, 1_000, true),
        (Phase::Answered, 1_001, false),
    ];
    for (phase, after, stays) in table {
        let crowd = Crowd::new("test", BOUNDS);
        let open = crowd.admit().expect("room");
        look(&crowd, 50);
        open.enter(phase);
        look(&crowd, 50 + after);
        assert_eq!(told(&open) == Told::Nothing, stays, "{phase:?} after {after} ms");
    }
}

#[test]
fn a_body_may_come_slowly_but_not_forever() {
    let crowd = Crowd::new("test", BOUNDS);
    let open = crowd.admit().expect("room");
    open.enter(Phase::Body);
    let mut now = 0;
    while told(&open) == Told::Nothing {
        open.moved();
        now += 90;
        look(&crowd, now);
    }
    assert!((EVENTS_BODY_MS_MAX..EVENTS_BODY_MS_MAX + 200).contains(&now), "{now}");
}

#[test]
fn who_does_not_read_is_ended_in_any_phase() {
    for phase in Phase::ALL {
        let crowd = Crowd::new("test", BOUNDS);
        let open = crowd.admit().expect("room");
        open.enter(phase);
        open.blocked(true);
        look(&crowd, 60);
        // What begins again is not blocked any more.
        open.blocked(true);
        open.enter(phase);
        look(&crowd, 100);
        assert_eq!(told(&open), Told::Nothing, "{phase:?}");
        look(&crowd, 102);
        assert_eq!(told(&open), Told::Close, "{phase:?}");
    }
    let crowd = Crowd::new("test", BOUNDS);
    let open = crowd.admit().expect("room");
    open.enter(Phase::Answered);
    open.blocked(true);
    open.blocked(false);
    look(&crowd, 500);
    assert_eq!(told(&open), Told::Nothing);
}

#[test]
fn the_idle_give_way_and_the_busy_do_not() {
    let crowd = Crowd::new("test", BOUNDS);
    let first: Vec<Open> = (0..3).map_while(|_| crowd.admit()).collect();
    first[0].enter(Phase::Served);
    look(&crowd, 10);
    first[1].enter(Phase::Idle);
    assert_eq!((crowd.open(), first.len()), (3, 3));
    let fourth = crowd.admit().expect("one gives way");
    assert_eq!(
        first.iter().map(|open| told(open)).collect::<Vec<_>>(),
        [Told::Nothing, Told::Nothing, Told::Close]
    );
    fourth.enter(Phase::Head);
    let fifth = crowd.admit().expect("another gives way");
    assert_eq!(told(&first[1]), Told::Close);
    fifth.enter(Phase::Body);
    assert!(crowd.admit().is_none(), "all are busy");
    assert_eq!(crowd.open(), 3);
    drop(first);
    assert_eq!(crowd.open(), 2);
    assert!(crowd.admit().is_some());
}

#[test]
fn a_connection_is_woken_to_be_told() {
    let crowd = Crowd::new("test", BOUNDS);
    let open = crowd.admit().expect("room");
    let woken = Arc::new(Woken::default());
    let waker = woken.clone().into();
    assert_eq!(open.told(&Context::from_waker(&waker)), Told::Nothing);
    crowd.drain();
    assert_eq!((woken.0.load(Relaxed), told(&open)), (1, Told::Drain));
    assert_eq!(told(&crowd.admit().expect("room")), Told::Drain, "who comes while it drains");
    look(&crowd, 2_000);
    assert_eq!((woken.0.load(Relaxed), told(&open)), (2, Told::Close));
}

#[test]
fn few_descriptors_leave_some_for_each_listener() {
    let limits = Limits {
        memory_mib: None,
        body_kib: 256,
        commit_linger_ms: 2,
        connections: 16_384,
        idle_s: 75,
        stall_ms: 5_000,
    };
    let most = |descriptors| Crowds::bounds(&limits, descriptors).map(|bounds| bounds.most);
    assert_eq!(most(1_000_000), [16_384, 16_384, ADMIN_CONNECTIONS_MAX]);
    assert_eq!(most(20_000), [15_000, 4_000, ADMIN_CONNECTIONS_MAX]);
    assert_eq!(most(512), [375, 100, 25]);
}
