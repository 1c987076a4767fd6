//! Everything that a page may change, done by hand, and whether the file, the campaign or the user changed.

use std::fs;

use serde_json::{Value, json};

use super::guest::Guest;
use super::house::House;
use crate::shop::pretty;

const CTRL: u32 = 2;
const CAMPAIGN: &str = "#/campaign/acme/acme-cart";

/// Does something at the desk; whether it was done.
type Deed = fn(&mut Guest, &House) -> bool;

/// Each deed, and whether it was done.
pub fn all(guest: &mut Guest, house: &House) -> Vec<(&'static str, bool)> {
    let deeds: [(&str, Deed); 13] = [
        ("search campaigns", search),
        ("pause", pause),
        ("resume", resume),
        ("edit bid and budget", edit_money),
        ("ask for another dimension", other_dimension),
        ("look at an ad", look_at_an_ad),
        ("complete by the schema", complete),
        ("save JSON", save_json),
        ("refuse a fault at its line", refuse_a_fault),
        ("refuse what changed meanwhile", refuse_the_stale),
        ("refresh a feed", refresh_a_feed),
        ("speak Vietnamese", speak_vietnamese),
        ("erase", erase),
    ];
    deeds.into_iter().map(|(name, deed)| (name, deed(guest, house))).collect()
}

fn search(guest: &mut Guest, _: &House) -> bool {
    guest.open("#/campaigns");
    guest.write("input[type=search]", "many-0777");
    guest.until("document.querySelectorAll('tbody tr').length === 1 && document.querySelector('tbody').innerText.includes('many-0777')")
}

fn campaign(house: &House) -> Value {
    house.advertiser("acme")["campaigns"][0].clone()
}

fn pause(guest: &mut Guest, house: &House) -> bool {
    guest.open(CAMPAIGN);
    guest.press("Pause");
    guest.until("document.querySelector('.title .badge').innerText === 'paused'") && campaign(house)["status"] == "paused"
}

fn resume(guest: &mut Guest, house: &House) -> bool {
    guest.press("Resume");
    guest.until("document.querySelector('.title .badge').innerText === 'active'") && campaign(house)["status"] == "active"
}

fn edit_money(guest: &mut Guest, house: &House) -> bool {
    guest.open(CAMPAIGN);
    guest.write("input[name=amount]", "4.25");
    guest.write("input[name=daily]", "150");
    guest.press("Save");
    guest.until(
        "document.querySelector('input[name=daily]')?.value === '150' && !document.querySelector('.act button:disabled ~ [role=alert]')",
    );
    guest.settle();
    let now = campaign(house);
    (&now["bid"]["amount"], &now["budget"]["daily"], &now["budget"]["total"]) == (&json!(4.25), &json!(150), &json!(5_000))
}

/// What the server cannot tell apart is said, and the page stays whole.
fn other_dimension(guest: &mut Guest, _: &House) -> bool {
    guest.open(CAMPAIGN);
    let choose = "(() => { const s = document.querySelector('#figures').parentElement.querySelector('select'); s.value = 'exchange'; \
        s.dispatchEvent(new Event('change', {bubbles: true})); return true; })()";
    guest.browser.run(choose);
    guest.until("!!document.querySelector('#figures').parentElement.querySelector('[role=alert], tbody')")
        && guest.browser.run("!!document.querySelector('#ads')") == true
}

fn look_at_an_ad(guest: &mut Guest, _: &House) -> bool {
    guest.open(CAMPAIGN);
    guest.press("Show the ad");
    guest.until("document.querySelector('iframe.ad')?.width === '300'")
}

/// Writes over all of the editor's text.
fn write_json(guest: &mut Guest, text: &str) {
    let content = "document.querySelector('.editor')?.shadowRoot?.querySelector('.cm-content')";
    assert!(guest.until(&format!("!!{content}")), "no editor");
    guest.browser.run(&format!("{content}.focus()"));
    guest.key("a", 65, CTRL);
    guest.browser.call("Input.insertText", json!({"text": text}));
}

fn complete(guest: &mut Guest, _: &House) -> bool {
    guest.open("#/editor/acme");
    write_json(guest, "{\"version\": 1, \"campaigns\": [{\"id\": \"a\", \"bud");
    guest.key(" ", 32, CTRL);
    guest.until("[...document.querySelector('.editor').shadowRoot.querySelectorAll('.cm-tooltip-autocomplete li')].some((li) => li.innerText.startsWith('budget'))")
}

fn save_json(guest: &mut Guest, house: &House) -> bool {
    guest.open("#/editor/acme");
    let mut now = house.advertiser("acme");
    now["name"] = json!("Acme, renamed");
    write_json(guest, &pretty(&now));
    guest.press("Save");
    guest.until("document.querySelector('.note.good')?.innerText.startsWith('Saved')")
        && house.advertiser("acme")["name"] == "Acme, renamed"
}

fn refuse_a_fault(guest: &mut Guest, house: &House) -> bool {
    let before = house.text("acme");
    let mut wrong = house.advertiser("acme");
    wrong["campaigns"][0]["status"] = json!("running");
    let text = pretty(&wrong);
    let line = 1 + text
        .lines()
        .position(|line| line.contains("\"running\""))
        .expect("the fault's line");
    write_json(guest, &text);
    guest.press("Save");
    let said = format!("[...document.querySelectorAll('.faults button')].some((b) => b.innerText === 'Line {line}')");
    let marked = "!!document.querySelector('.editor').shadowRoot.querySelector('.cm-lint-marker-error')";
    guest.until(&said) && guest.until(marked) && guest.until("!!document.querySelector('[role=alert]')") && house.text("acme") == before
}

fn refuse_the_stale(guest: &mut Guest, house: &House) -> bool {
    guest.open("#/editor/acme");
    let mut theirs = house.advertiser("acme");
    theirs["name"] = json!("Renamed by somebody else");
    let put = house
        .server
        .api()
        .send("PUT", "/api/advertisers/acme", &[], pretty(&theirs).as_bytes());
    assert_eq!(put.expect("an answer").status, 200);
    let mut ours = theirs.clone();
    ours["name"] = json!("Ours");
    write_json(guest, &pretty(&ours));
    guest.press("Save");
    let is_said = guest.until("[...document.querySelectorAll('button')].some((b) => b.innerText.startsWith('Discard'))");
    is_said && house.advertiser("acme")["name"] == "Renamed by somebody else"
}

fn refresh_a_feed(guest: &mut Guest, house: &House) -> bool {
    let file = house.server.folder().join("advertisers/acme.xml");
    let feed = fs::read_to_string(&file).expect("the feed");
    let (head, _) = feed.rsplit_once("<item>").expect("items");
    guest.open("#/feeds/acme");
    fs::write(&file, format!("{head}</channel></rss>\n")).expect("the feed");
    guest.press("Read it now");
    guest.until("document.querySelector('.tiles dd').innerText.startsWith('19')")
}

fn speak_vietnamese(guest: &mut Guest, _: &House) -> bool {
    let choose = |tag: &str| {
        format!(
            "(() => {{ const s = document.querySelector('header select'); s.value = '{tag}'; s.dispatchEvent(new Event('change', {{bubbles: true}})); return true; }})()"
        )
    };
    guest.open("#/overview");
    guest.browser.run(&choose("vi"));
    let is_vietnamese = guest.until("document.documentElement.lang === 'vi' && document.querySelector('h1')?.innerText === 'Tổng quan'");
    guest.settle();
    guest.browser.whole_picture(&super::pictures().join("overview-vietnamese.png"));
    guest.browser.run(&choose("en"));
    is_vietnamese && guest.until("document.querySelector('h1')?.innerText === 'Overview'")
}

fn erase(guest: &mut Guest, house: &House) -> bool {
    guest.open("#/users/x%3Au-2");
    guest.press("Erase");
    guest.press("Erase for good");
    let is_said = guest.until("document.querySelector('.note.good')?.innerText.startsWith('Erased')");
    is_said && house.server.api().get("/api/users/x:u-2").expect("an answer").status == 404
}
