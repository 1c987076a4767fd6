//! The traffic by itself: the same seed, sizes, shares, and that the bidder reads every request.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use super::*;
use crate::openrtb::decode::decode;

const REQUESTS: usize = 20_000;

fn requests(mix: &Mix, count: usize) -> Vec<(Asked, Vec<u8>)> {
    let mut traffic = Traffic::new(mix);
    let mut body = Vec::new();
    (0..count).map(|_| (traffic.write_next(&mut body), body.clone())).collect()
}

#[test]
fn one_seed_gives_one_sequence_of_bytes() {
    let mix = Mix::default();
    assert_eq!(requests(&mix, 500), requests(&mix, 500));
    let other = Mix { seed: 2, ..mix.clone() };
    assert_ne!(requests(&mix, 5), requests(&other, 5));
}

#[test]
fn requests_are_of_a_usual_size_and_in_the_shares_asked_for() {
    let mix = Mix::default();
    let made = requests(&mix, REQUESTS);
    let usual = made.iter().filter(|(_, body)| (1_000..=2_560).contains(&body.len())).count();
    let bytes: usize = made.iter().map(|(_, body)| body.len()).sum();
    let percent = |count: usize| count as f64 * 100.0 / REQUESTS as f64;
    let count = |holds: fn(&Asked) -> bool| made.iter().filter(|(asked, _)| holds(asked)).count();
    let mut dialects = BTreeMap::new();
    for (asked, _) in &made {
        *dialects.entry(asked.dialect).or_insert(0_usize) += 1;
    }
    let (apps, known, private) = (count(|a| a.is_app), count(|a| a.known), count(|a| a.private));
    let (imps, euros) = (
        made.iter().map(|(asked, _)| asked.offer.imps.len()).sum::<usize>(),
        made.iter()
            .filter(|(_, body)| body.windows(5).any(|part| part == b"\"EUR\""))
            .count(),
    );
    println!(
        "{REQUESTS} requests: {dialects:?}, sites {}, apps {apps}, known {known}, private {private}, euro floors {euros}, \
         imps {imps}, {usual} of 1 to 2.5 KB, {} bytes on average, {} to {}",
        REQUESTS - apps,
        bytes / REQUESTS,
        made.iter().map(|(_, body)| body.len()).min().unwrap_or(0),
        made.iter().map(|(_, body)| body.len()).max().unwrap_or(0),
    );
    assert!(percent(usual) >= 99.0, "{} % are of a usual size", percent(usual));
    for (dialect, weight) in Dialect::ALL.iter().zip(mix.dialects) {
        let share = percent(dialects[dialect]);
        assert!((share - weight as f64).abs() < 1.5, "{dialect:?}: {share} %");
    }
    for (share, wanted) in [(apps, 35.0), (known, 20.0), (private, 3.0), (euros, 4.0)] {
        assert!(
            (percent(share) - wanted).abs() < 1.5,
            "{} % where {wanted} % was asked for",
            percent(share)
        );
    }
}

#[test]
fn the_bidder_reads_each_as_the_exchange_remembers_it() {
    let made = requests(&Mix::default(), 5_000);
    let mut read = 0;
    for (asked, body) in &made {
        let text = String::from_utf8_lossy(body);
        serde_json::from_slice::<Value>(body).unwrap_or_else(|fault| panic!("{fault}: {text}"));
        let seen = decode(body, Vec::new()).unwrap_or_else(|fault| panic!("{fault}: {text}"));
        assert_eq!(seen.id.raw(), asked.offer.id.as_bytes(), "{text}");
        assert_eq!(seen.user.id.raw(), asked.user.as_bytes(), "{text}");
        assert_eq!(seen.at, Some(asked.offer.at as i64), "{text}");
        assert_eq!(seen.place.is_app, asked.is_app, "{text}");
        assert_eq!(seen.signals.gdpr == Some(1) || seen.signals.lmt, asked.private, "{text}");
        assert!(
            !seen.signals.coppa && seen.signals.gdpr.is_some() && seen.schain_complete == Some(true),
            "{text}"
        );
        assert_eq!(seen.device.ifa.raw().is_empty(), !asked.is_app, "{text}");
        assert!(seen.tmax.is_some_and(|tmax| tmax >= 100), "{text}");
        assert!((asked.dialect == Dialect::Google) == seen.user.eids.is_empty(), "{text}");
        assert_eq!(seen.imps.len(), asked.offer.imps.len(), "{text}");
        for (imp, slot) in seen.imps.iter().zip(&asked.offer.imps) {
            assert_eq!(imp.id.raw(), slot.id.as_bytes(), "{text}");
            assert_eq!(imp.floor.unwrap_or(Money::ZERO), slot.floor, "{text}");
            assert!(imp.banner.is_some() && imp.video.is_empty() && !imp.interstitial, "{text}");
        }
        read += 1;
    }
    println!("{read} requests read");
    assert!(read >= 5_000);
}

#[test]
fn a_request_is_cheap_to_make() {
    let mut traffic = Traffic::new(&Mix::default());
    let mut body = Vec::new();
    let began = Instant::now();
    for _ in 0..REQUESTS {
        traffic.write_next(&mut body);
    }
    // A debug build on a busy machine: only what would be far too dear is caught.
    let each = began.elapsed() / REQUESTS as u32;
    println!("{each:?} a request");
    assert!(each.as_micros() < 100, "{each:?} a request");
}
