//! The desk as people have it: Chromium at every page, in light, dark and at a phone's width, and everything that a page
//! may change, changed.
//!
//! What a page may not do is counted: complaints on the console, requests that fail, requests to anybody else, faults of
//! accessibility, texts wider than the screen, markup of strangers that became elements. Each kind is first planted and must
//! be counted. Pictures are left in `target/screenshots`, to be looked at.

mod deeds;
mod guest;
mod house;

use std::path::{Path, PathBuf};

use crate::ads::browser::Chromium;
use crate::figures::Figures;
use guest::{Guest, Tally};
use house::{CAMPAIGNS, House};

/// As pages look: name, width, whether dark.
const LOOKS: [(&str, u32, bool); 3] = [("light", 1280, false), ("dark", 1280, true), ("phone", 360, false)];
/// What a page of campaigns shows at most.
const ROWS_MAX: usize = 50;

/// Every page: its picture's name and its address. The first is what nobody sees who has signed in.
fn pages() -> Vec<(&'static str, String)> {
    let of = |name, address: &str| (name, address.to_owned());
    vec![
        of("overview", "#/overview"),
        of("campaigns", "#/campaigns"),
        of("campaign", "#/campaign/acme/acme-cart"),
        of("advertisers", "#/advertisers"),
        of("editor", "#/editor/acme"),
        of("users", "#/users"),
        of("user", "#/users/x%3Au-1"),
        of("feeds", "#/feeds"),
        of("feed", "#/feeds/acme"),
        of("feed-rejected", "#/feeds/boots"),
        of("exchanges", "#/exchanges"),
        of("explain", "#/explain"),
        of("explained", "#/explain?exchange=x&user=x%3Au-4"),
    ]
}

/// The pages that the frame knows, by its own list.
fn listed() -> Vec<String> {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/desk/main.js")).expect("the frame");
    let (_, list) = source.split_once("const PAGES = {").expect("the list of pages");
    let (list, _) = list.split_once("};").expect("its end");
    list.lines()
        .filter_map(|line| Some(line.split_once(": () =>")?.0.trim().to_owned()))
        .collect()
}

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots")
}

#[test]
fn every_page_is_whole_and_every_deed_is_done() {
    let Some(chromium) = Chromium::found() else { return };
    let house = House::build();
    let mut guest = Guest::new(&chromium, &house.server);
    let planted = guest.planted();
    let mut tally = Tally::default();
    let (mut opened, mut expected) = (0, 0);
    for (look, width, is_dark) in LOOKS {
        guest.dress(width, is_dark);
        guest.sign_out();
        for (name, address) in [("login", "#/".to_owned())].into_iter().chain(pages()) {
            expected += 1;
            if name == "overview" {
                guest.sign_in(&house.token());
            }
            guest.open(&address);
            opened += usize::from(guest.is_open(name == "login"));
            tally += guest.look_around(&format!("{name} in {look}"));
            guest.browser.whole_picture(&pictures().join(format!("{name}-{look}.png")));
        }
    }
    guest.dress(LOOKS[0].1, false);
    let rows = guest.rows_of_all(CAMPAIGNS);
    let deeds = deeds::all(&mut guest, &house);
    tally += guest.look_around("deeds");
    let done = deeds.iter().filter(|(_, done)| *done).count();
    for (name, _) in deeds.iter().filter(|(_, done)| !done) {
        println!("not done: {name}");
    }
    let unvisited = listed()
        .into_iter()
        .filter(|page| !pages().iter().any(|(_, to)| to.starts_with(&format!("#/{page}"))));
    let unvisited: Vec<String> = unvisited.collect();
    println!(
        "{} requests; pictures in {}; pages nobody opened: {unvisited:?}",
        tally.requests,
        pictures().display()
    );
    let mut figures = Figures::new();
    figures.exactly("desk.pages_opened", opened, expected);
    figures.exactly("desk.pages_unvisited", unvisited.len(), 0);
    figures.exactly("desk.console_errors", tally.complaints, 0);
    figures.exactly("desk.failed_requests", tally.failed, 0);
    figures.exactly("desk.outside_requests", tally.outside, 0);
    figures.exactly("desk.axe_serious", tally.axe, 0);
    figures.exactly("desk.too_wide", tally.wide, 0);
    figures.exactly("desk.injected", tally.injected, 0);
    figures.at_most("desk.rows_of_1000", rows, ROWS_MAX);
    figures.exactly("desk.deeds_done", done, deeds.len());
    figures.exactly("desk.planted_caught", planted, Guest::KINDS);
    figures.settle();
}
