//! The load against servers of its own: one that decides nothing, slow ones, one that stalls, one that
//! hangs up. Servers have a thread to themselves, so that what is measured is not the test.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper::{Request, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::*;
use crate::server::bids::connections;
use crate::server::http;
use crate::sim::null::{Answers, null};
use crate::sim::traffic::Mix;

#[derive(Clone, Copy)]
enum Manner {
    /// Answers at once, these in turn.
    Null(&'static str),
    /// Answers after a delay.
    Slow(Duration),
    /// Answers at once but for one stretch, so long after it began.
    Stalls(Duration, Duration),
    /// Accepts and closes.
    HangsUp,
}

/// A server until the test's process ends.
fn server(manner: Manner) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
            tell.send(listener.local_addr().expect("address")).expect("the test waits");
            serve(listener, manner).await;
        });
    });
    told.recv().expect("the server starts")
}

async fn serve(listener: TcpListener, manner: Manner) {
    let delay = match manner {
        Manner::Null(text) => return null(listener, Answers::read(text).expect("answers")).await,
        Manner::Slow(delay) => delay,
        Manner::Stalls(..) | Manner::HangsUp => Duration::ZERO,
    };
    let mut stalls = matches!(manner, Manner::Stalls(..));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        if matches!(manner, Manner::HangsUp) {
            continue;
        }
        if let Manner::Stalls(after, stall) = manner
            && std::mem::take(&mut stalls)
        {
            spawn_local(async move {
                sleep(after).await;
                // The whole thread: nothing is read or written meanwhile.
                std::thread::sleep(stall);
            });
        }
        let service = service_fn(move |_: Request<Incoming>| async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            Ok::<_, Infallible>(http::status(StatusCode::NO_CONTENT))
        });
        spawn_local(async move { connections().serve_connection(TokioIo::new(stream), service).await });
    }
}

fn plan(address: SocketAddr, rate: Rate, connections: usize) -> Load {
    Load {
        address,
        authority: address.to_string(),
        path: "/bid/x".to_owned(),
        headers: Vec::new(),
        rate,
        connections,
        warmup: Duration::from_millis(200),
        measured: Duration::from_millis(1_000),
        timeout: Duration::from_millis(1_000),
        wait: Duration::from_secs(60),
        progress: false,
        record: false,
    }
}

fn run(plan: Load) -> Report {
    let source = Source::Traffic(Box::new(Traffic::new(&Mix::default())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let report = LocalSet::new().block_on(&runtime, load(plan, source, None)).expect("a report");
    println!("{}", report.table());
    report
}

#[test]
fn who_does_not_wait_for_a_connection_is_late_for_none() {
    let slow = server(Manner::Slow(Duration::from_millis(40)));
    let impatient = Load {
        timeout: Duration::from_millis(100),
        wait: Duration::from_millis(5),
        ..plan(slow, Rate::Constant(200.0), 4)
    };
    let patient = Load {
        wait: Duration::from_secs(60),
        ..impatient.clone()
    };
    let (impatient, patient) = (run(impatient), run(patient));
    assert_eq!(impatient.sent + impatient.unsent, 200);
    assert!(
        impatient.unsent >= 80,
        "four connections can take half of them: {}",
        impatient.unsent
    );
    assert!(patient.late > impatient.late + 20, "{} and {}", patient.late, impatient.late);
}

#[test]
fn what_is_due_is_sent_and_answered() {
    let report = run(plan(server(Manner::Null("204 0\n200 300")), Rate::Constant(400.0), 8));
    // Every arrival of the measured second, neither fewer nor more.
    assert_eq!((report.sent, report.answered, report.unsent), (400, 400, 0));
    assert_eq!(report.by_status.values().sum::<u64>(), 400);
    assert!(
        report.by_status[&200] >= 150 && report.by_status[&204] >= 150,
        "{:?}",
        report.by_status
    );
    // A hiccup of the machine at the end of so short a run is more than the 1 % that is forgiven.
    assert!(report.open_loop && report.achieved_rate > 300.0, "{:?}", report.doubt);
    assert!(
        report.latency_us.p50 > 0 && report.latency_us.p50 < 200_000,
        "{:?}",
        report.latency_us
    );
    assert!(report.bytes_sent > 400 * 1_000);
}

#[test]
fn a_rate_that_cannot_be_reached_is_said() {
    // Two connections, 20 ms each: at most 100 a second.
    let mut plan = plan(server(Manner::Slow(Duration::from_millis(20))), Rate::Constant(1_000.0), 2);
    plan.warmup = Duration::ZERO;
    let report = run(plan);
    assert!(!report.reached && report.achieved_rate < 150.0, "{}", report.achieved_rate);
    let doubt = report.doubt.clone().unwrap_or_default();
    assert!(doubt.contains("the target of 1000/s was not reached"), "{doubt}");
    // Nothing is skipped silently.
    assert_eq!(report.sent + report.unsent, 1_000);
    // A timeout after the end, what still waits is given up.
    assert!(report.unsent > 500, "{}", report.unsent);
    // Those that waited say so.
    assert!(report.latency_us.p50 > 200_000, "{:?}", report.latency_us);
}

#[test]
fn a_stall_is_seen_by_everybody_who_should_have_been_served() {
    let mut plan = plan(
        server(Manner::Stalls(Duration::from_millis(700), Duration::from_millis(300))),
        Rate::Constant(200.0),
        1,
    );
    plan.measured = Duration::from_secs(2);
    let report = run(plan);
    assert_eq!(report.answered, 400);
    // 60 of 400 were due during the stall. A generator that waits for its answer before it counts the
    // next would have seen one, and a p99 as if there had been none.
    assert!(report.latency_us.p99 >= 200_000, "{:?}", report.latency_us);
    assert!(report.latency_us.p50 < 150_000, "{:?}", report.latency_us);
}

#[test]
fn closed_loops_say_that_they_are() {
    let mut plan = plan(server(Manner::Null("204 0")), Rate::Max, 4);
    plan.measured = Duration::from_millis(500);
    let report = run(plan);
    assert!(!report.open_loop && report.reached && report.target_rate.is_none());
    assert!(report.achieved_rate > 200.0, "{}", report.achieved_rate);
    assert!(report.table().contains("closed loop"));
}

#[test]
fn silence_counts_with_the_time_it_was_waited_for() {
    let mut plan = plan(server(Manner::Slow(Duration::from_secs(60))), Rate::Constant(50.0), 64);
    plan.timeout = Duration::from_millis(100);
    let report = run(plan);
    assert_eq!((report.answered, report.timeouts), (0, 50));
    assert!(report.latency_us.p50 >= 99_000, "{:?}", report.latency_us);
}

#[test]
fn broken_connections_are_errors_with_their_reason() {
    let report = run(plan(server(Manner::HangsUp), Rate::Constant(50.0), 4));
    assert_eq!((report.answered, report.errors), (0, 50));
    assert!(report.first_error.is_some_and(|fault| !fault.is_empty()));
}

#[test]
fn answers_are_kept_in_the_order_of_arrivals() {
    let mut plan = plan(server(Manner::Null("200 10\n204 0\n404 7")), Rate::Constant(100.0), 1);
    plan.record = true;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let source = Source::Recorded(vec![b"{}".to_vec(), b"[]".to_vec()]);
    let report = LocalSet::new().block_on(&runtime, load(plan, source, None)).expect("a report");
    assert_eq!(report.answers.len(), 120);
    for (at, answer) in report.answers.iter().enumerate() {
        assert_eq!(*answer, [(200, 10), (204, 0), (404, 7)][at % 3], "{at}");
    }
}

#[test]
fn a_target_that_was_asked_wrongly_is_told_plainly() {
    for (answers, part) in [
        ("404 0", "no exchange of that name"),
        ("403 0", "exchange's key"),
        ("415 0", "no JSON"),
    ] {
        let report = run(plan(server(Manner::Null(answers)), Rate::Constant(20.0), 1));
        let advice = report.advice().unwrap_or_default();
        assert!(advice.contains(part) && advice.contains(" of 20"), "{advice}");
    }
    assert_eq!(run(plan(server(Manner::Null("204 0")), Rate::Constant(20.0), 1)).advice(), None);
}
