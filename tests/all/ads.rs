//! The ads as shoppers see them: every template at every size with every kind of text, shown in a real
//! browser, which says what sticks out, what ran, what has no alternative text and what was asked of
//! whom. A contact sheet of all of them is left in `target/ads/`.
//!
//! Without Chromium there is nothing to look at; in CI that is a failure. Faults are planted beside the
//! ads, and the test fails where it does not see them.

pub mod browser;
mod frames;

use std::path::Path;

use serde::Deserialize;

use crate::figures::Figures;
use browser::{Chromium, Server};
use frames::{Frame, frames, page, planted};
use winback::base::limits::AD_BYTES_MAX;

/// Hosts that an ad may ask: pixel, pictures, logo and tracker; and the page that shows it.
const KNOWN_HOSTS: [&str; 5] = [
    "ads.localhost",
    "pictures.localhost",
    "logo.localhost",
    "seen.example",
    "page.localhost",
];
/// Hosts that only planted faults ask.
const PLANTED_HOSTS: [&str; 2] = ["plain.planted.example", "secure.planted.example"];
/// Where a browser looks for updates and accounts of its own, whatever page it shows.
const BROWSERS_OWN: [&str; 3] = [".google.com", ".googleapis.com", ".gstatic.com"];
/// Three templates, nine sizes, six texts.
const FRAMES_LEAST: usize = 3 * 9 * 6;

/// What the page saw.
#[derive(Debug, Deserialize)]
struct Seen {
    frames: usize,
    findings: Vec<Finding>,
}

/// One thing in one frame.
#[derive(Debug, Deserialize)]
struct Finding {
    frame: String,
    /// `overflow`, `ran`, `alt`, `link` or `request`.
    kind: String,
    what: String,
}

#[test]
fn shown_in_a_browser() {
    let Some(chromium) = Chromium::found() else { return };
    let server = Server::start();
    let frames = frames(server.port);
    let planted = planted(server.port);
    server.serve(frames.iter().chain(&planted));
    server.serve_page("/sheet", page(frames.iter().chain(&planted)));

    let sheet = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .with_file_name("ads")
        .join("contact-sheet.png");
    let seen = chromium.look(&server, "/sheet", &sheet, frames::SHEET);
    let seen: Seen = serde_json::from_str(&report(&seen)).expect("the page's report");
    let asked = server.asked();
    println!("contact sheet: {}", sheet.display());

    let mut figures = Figures::new();
    figures.at_least("ads.frames", seen.frames - planted.len(), FRAMES_LEAST);
    for (figure, kind) in [
        ("ads.overflow", "overflow"),
        ("ads.scripts_run", "ran"),
        ("ads.no_alt", "alt"),
        ("ads.foreign_links", "link"),
    ] {
        let found: Vec<&Finding> = seen.findings.iter().filter(|f| f.kind == kind && !f.is_planted()).collect();
        found
            .iter()
            .for_each(|finding| println!("{}: {}: {}", finding.frame, finding.kind, finding.what));
        figures.exactly(figure, found.len(), 0);
    }
    let foreign = |host: &&String| {
        let is_known = KNOWN_HOSTS.iter().chain(&PLANTED_HOSTS).any(|known| known == host);
        !is_known && !BROWSERS_OWN.iter().any(|domain| host.ends_with(domain))
    };
    let foreign: Vec<&String> = asked.iter().filter(foreign).collect();
    let of_frames = seen.findings.iter().filter(|f| f.kind == "request" && !f.is_planted()).count();
    println!("{} requests; to others: {foreign:?}, {of_frames} of them by frames", asked.len());
    figures.exactly("ads.foreign_requests", foreign.len() + of_frames, 0);
    for host in KNOWN_HOSTS {
        assert!(asked.iter().any(|asked| asked == host), "nothing was asked of {host}");
    }
    let missed = planted.iter().filter(|frame| !is_caught(frame, &seen, &asked));
    let missed: Vec<&str> = missed.map(|frame| frame.name.as_str()).collect();
    println!("planted and not seen: {missed:?}");
    figures.exactly("ads.canaries_caught", planted.len() - missed.len(), planted.len());
    assert!(sheet.metadata().is_ok_and(|file| file.len() > 100_000), "no contact sheet");
    figures.settle();
}

impl Finding {
    fn is_planted(&self) -> bool {
        self.frame.starts_with("planted-")
    }
}

/// A planted frame is named after what must be found in it.
fn is_caught(frame: &Frame, seen: &Seen, asked: &[String]) -> bool {
    let found = |f: &Finding| f.frame == frame.name && frame.name.starts_with(&format!("planted-{}", f.kind));
    let is_asked = |scheme: &str| asked.iter().any(|host| *host == format!("{scheme}.planted.example"));
    seen.findings.iter().any(found) && frame.name.strip_prefix("planted-request-").is_none_or(is_asked)
}

/// What the page wrote into its last element.
fn report(dom: &str) -> String {
    let (_, rest) = dom.rsplit_once("<pre id=\"report\">").expect("the report's place");
    let (report, _) = rest.split_once("</pre>").expect("its end");
    html_escape::decode_html_entities(report).into_owned()
}

#[test]
fn no_ad_is_heavy() {
    let frames = frames(80);
    let heaviest = frames.iter().max_by_key(|frame| frame.html.len()).expect("frames");
    println!("{} of {} frames: {} bytes", heaviest.name, frames.len(), heaviest.html.len());
    let mut figures = Figures::new();
    figures.at_most("ads.heaviest_bytes", heaviest.html.len(), AD_BYTES_MAX);
    assert!(frames.len() >= FRAMES_LEAST);
    figures.settle();
}
