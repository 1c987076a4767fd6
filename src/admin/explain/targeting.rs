//! Which keys of a campaign's targeting a request does not meet, and what it says instead; and a `when` in words.
//!
//! Asks the very comparison that the decision makes, key by key.

use super::scene::{Scene, some};
use crate::model::advertiser::{Campaign, Shop};
use crate::model::targeting::{Adjustment, Choice, Deals, Format, Hours, Targeting};
use crate::state::world::World;

/// One key of a targeting by itself.
struct Part {
    key: &'static str,
    alone: Targeting,
    wants: String,
}

/// What of a campaign's targeting is not met.
pub(super) fn unmet(scene: &Scene<'_>, shop: &Shop, campaign: &Campaign) -> String {
    let targeting = &campaign.targeting;
    let mut missed: Vec<String> = parts(targeting, scene.world)
        .into_iter()
        .filter(|part| !scene.attributes.meet(&part.alone, scene.exchange.no))
        .map(|part| {
            let said = if part.key == "exchanges" {
                Some(scene.exchange.id.clone())
            } else {
                scene.attributes.said(part.key)
            };
            let said = said.map_or_else(
                || "the request says nothing of it".to_owned(),
                |said| format!("the request has {said}"),
            );
            format!("{}: {}, {said}", part.key, part.wants)
        })
        .collect();
    if campaign.schain_complete && scene.request.schain_complete != Some(true) {
        missed.push("schain: wants a complete supply chain, the request's is not".to_owned());
    }
    let creatives = || {
        campaign
            .creatives
            .iter()
            .filter_map(|index| shop.advertiser.creatives.get(*index as usize))
    };
    if !creatives().any(|creative| admits(&targeting.formats, creative.format)) {
        let has = some(creatives().map(|creative| creative.format.label()));
        missed.push(format!(
            "formats: {}, its creatives are {has}",
            of(&targeting.formats, |format| format.label().to_owned())
        ));
    }
    if missed.is_empty() {
        "passed over: too many campaigns for one request".to_owned()
    } else {
        missed.join("; ")
    }
}

fn admits(formats: &Choice<Format>, format: Format) -> bool {
    formats.admits(Some(format), |wanted, format| *wanted == format)
}

/// The keys that a request is compared with, each by itself; but for hours, formats and deals.
fn parts(targeting: &Targeting, world: &World) -> Vec<Part> {
    let mut parts = Vec::new();
    let text = |text: &String| text.clone();
    macro_rules! part {
        ($key:ident, $name:expr) => {
            if !targeting.$key.is_open() {
                let alone = Targeting {
                    $key: targeting.$key.clone(),
                    ..Targeting::default()
                };
                let wants = of(&targeting.$key, $name);
                parts.push(Part {
                    key: stringify!($key),
                    alone,
                    wants,
                });
            }
        };
    }
    part!(countries, |country| country.as_str().to_owned());
    part!(regions, text);
    part!(cities, text);
    part!(devices, |device| device.label().to_owned());
    part!(os, text);
    part!(browsers, text);
    part!(languages, text);
    part!(domains, text);
    part!(apps, text);
    part!(categories, text);
    part!(sellers, text);
    part!(exchanges, |no| world
        .exchange(*no)
        .map_or_else(|| "another".to_owned(), |exchange| exchange.id.clone()));
    parts
}

/// A choice in words.
fn of<T>(choice: &Choice<T>, name: impl Fn(&T) -> String) -> String {
    let wanted = choice.include().map(|list| format!("wants {}", some(list.iter().map(&name))));
    let refused = Some(choice.exclude()).filter(|list| !list.is_empty());
    let refused = refused.map(|list| format!("refuses {}", some(list.iter().map(&name))));
    wanted.into_iter().chain(refused).collect::<Vec<_>>().join(" and ")
}

/// When a bid adjustment holds, in words.
pub(super) fn when(adjustment: &Adjustment, world: &World) -> String {
    let targeting = &adjustment.targeting;
    let mut words: Vec<String> = Vec::new();
    words.extend(adjustment.within.map(|span| format!("last event within {span}")));
    words.extend(adjustment.older_than.map(|span| format!("last event older than {span}")));
    words.extend(adjustment.shown_min.map(|least| format!("shown at least {least} times in 7d")));
    words.extend(adjustment.shown_max.map(|most| format!("shown at most {most} times in 7d")));
    words.extend(parts(targeting, world).into_iter().map(|part| {
        let wants = part.wants.strip_prefix("wants ").unwrap_or(&part.wants).to_owned();
        format!("{} {wants}", part.key)
    }));
    if !targeting.formats.is_open() {
        words.push(of(&targeting.formats, |format| format.label().to_owned()).replace("wants", "formats"));
    }
    words.extend(targeting.hours.as_ref().map(hours));
    words.extend((!targeting.deals.is_open()).then(|| deals(&targeting.deals)));
    if words.is_empty() { "always".to_owned() } else { words.join(", ") }
}

/// Deals in words.
pub(super) fn deals(deals: &Deals) -> String {
    let open = if deals.open_market { " and the open market" } else { "" };
    format!("deals {}{open}", some(&deals.ids))
}

/// Hours as they are written: `mon 07:00-23:00`.
pub(super) fn hours(hours: &Hours) -> String {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    const DAY: u16 = 1_440;
    let time = |minute: u16| format!("{:02}:{:02}", minute % DAY / 60, minute % 60);
    let windows = hours.windows.iter().map(|window| {
        let day = DAYS[usize::from(window.from / DAY) % DAYS.len()];
        format!("{day} {}-{}", time(window.from), time(window.to))
    });
    let clock = if hours.user_clock {
        "on the user's clock"
    } else {
        "on the advertiser's clock"
    };
    format!("{} {clock}", some(windows))
}
