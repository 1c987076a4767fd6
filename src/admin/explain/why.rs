//! Why a campaign was dropped, with the figures of config, request and record that decided it.
//!
//! One sentence for each reason, of what can be told beside the reason itself. Money is in the advertiser's
//! currency, times are on its clock.

use serde_json::Value;

use super::scene::{Scene, some};
use super::{Dropped, audience, products, targeting};
use crate::base::id::CampaignNo;
use crate::base::limits::REFUSALS_MAX;
use crate::base::money::Money;
use crate::model::advertiser::{Advertiser, Budget, Campaign, CapScope, Creative, Shop, Status};
use crate::model::outcome::NoBid;
use crate::model::targeting::Format;
use crate::model::told::Detail;
use crate::openrtb::opening::{Memory, Opening};

/// Why, in a sentence.
pub(super) fn told(scene: &Scene<'_>, shop: &Shop, campaign: &Campaign, dropped: &Dropped) -> String {
    let advertiser = &shop.advertiser;
    let why = match (dropped.why, dropped.detail) {
        (NoBid::Frequency, Detail::Capped { .. } | Detail::HoldsFull) => frequency(scene, shop, campaign, &dropped.detail),
        (NoBid::Budget, Detail::Budget { left, wanted, beside }) => budget(scene, shop, campaign, (left, wanted, beside)),
        (
            why,
            Detail::Floor {
                imp,
                value,
                floor,
                currency,
            },
        ) => {
            let imp = several(scene, imp);
            let paced = if why == NoBid::Pacing {
                format!(" after even pacing × {}", pace(scene, advertiser, campaign))
            } else {
                String::new()
            };
            format!("{imp}worth {value} {currency}{paced}, floor {floor}")
        }
        (_, Detail::Unrendered { creative, asset }) => unrendered(shop, creative, asset),
        (why, Detail::Imp(imp)) => format!("imp {}: {}", scene.imp_id(imp), misfit(scene, shop, campaign, imp, why)),
        (NoBid::NoAudience, _) => audience::why(scene, shop, campaign),
        (NoBid::Paused, _) => format!("its status is {}", status(campaign.status)),
        (NoBid::Flight, _) => flight(scene, shop, campaign),
        (NoBid::Hours, _) => {
            let hours = campaign.targeting.hours.as_ref().map(targeting::hours).unwrap_or_default();
            format!("it is {}, its hours are {hours}", now(scene, shop))
        }
        (NoBid::Targeting, _) => targeting::unmet(scene, shop, campaign),
        (NoBid::HouseBlocked, _) => house(scene),
        (NoBid::BlockedAdvertiser | NoBid::BlockedCategory | NoBid::BlockedSeat | NoBid::CreativeBlocked, _) => {
            refusal(scene, advertiser, dropped.why)
        }
        (NoBid::NoProduct, _) => products::none(scene, shop),
        (why, _) => why.sentence().to_owned(),
    };
    if why.is_empty() { dropped.why.sentence().to_owned() } else { why }
}

/// Names the imp where the request has more than one.
fn several(scene: &Scene<'_>, imp: u16) -> String {
    if scene.request.imps.len() < 2 {
        return String::new();
    }
    format!("imp {}: ", scene.imp_id(imp))
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Paused => "paused",
        Status::Archived => "archived",
    }
}

/// Weekday and time on the advertiser's clock.
fn now(scene: &Scene<'_>, shop: &Shop) -> String {
    let zone = &shop.advertiser.timezone;
    let instant = jiff::Timestamp::from_millisecond(scene.now.0).unwrap_or_default();
    let local = instant.to_zoned(zone.clone()).strftime("%a %H:%M").to_string().to_lowercase();
    format!("{local} in {}", shop.advertiser.timezone_name)
}

fn flight(scene: &Scene<'_>, shop: &Shop, campaign: &Campaign) -> String {
    let local = |at| super::scene::local(&shop.advertiser.timezone, at, scene.now);
    match (campaign.start, campaign.end) {
        (Some(start), _) if scene.now < start => format!("it starts {}", local(start)),
        (_, Some(end)) => format!("it ended {}", local(end)),
        _ => String::new(),
    }
}

fn house(scene: &Scene<'_>) -> String {
    let (house, said) = (&scene.world.house, |key: &str| scene.attributes.said(key));
    let domain = ["domains", "page"]
        .into_iter()
        .filter_map(said)
        .find(|domain| house.has_domain(domain));
    let app = said("apps").filter(|app| house.has_bundle(app));
    let seller = said("sellers").filter(|seller| house.has_seller(seller));
    let named = [("domain", domain), ("app", app), ("seller", seller)];
    let mut found = named
        .into_iter()
        .filter_map(|(what, name)| Some(format!("the house blocks {what} {}", name?)));
    found.next().unwrap_or_else(|| {
        let categories = said("categories").unwrap_or_default();
        format!(
            "the house blocks categories {}, the request has {categories}",
            some(&house.categories)
        )
    })
}

/// What of the request's lists refuses the advertiser.
fn refusal(scene: &Scene<'_>, advertiser: &Advertiser, why: NoBid) -> String {
    let quoted = |keys: &[&str]| {
        let given = keys.iter().filter(|key| !scene.json[**key].is_null());
        some(given.map(|key| format!("`{key}` {}", scene.json[*key])))
    };
    match why {
        NoBid::BlockedAdvertiser => {
            let own = some(
                [advertiser.domain.as_str()]
                    .into_iter()
                    .chain(advertiser.apps.iter().map(String::as_str)),
            );
            format!("its domain and apps are {own}, the request has {}", quoted(&["badv", "bapp"]))
        }
        NoBid::BlockedCategory => format!(
            "its categories are {} (taxonomy {}), the request has {}",
            some(&advertiser.categories),
            advertiser.cattax,
            quoted(&["bcat", "acat", "cattax"])
        ),
        NoBid::BlockedSeat => {
            let own = advertiser.seats.iter().find(|(exchange, _)| *exchange == scene.exchange.id);
            let seat = own
                .map(|(_, seat)| seat.as_str())
                .or(scene.exchange.seat.as_deref())
                .unwrap_or("none");
            format!("its seat is {seat}, the request has {}", quoted(&["wseat", "bseat"]))
        }
        _ => format!(
            "its language is {}, the request has {}",
            advertiser.language,
            quoted(&["wlang", "wlangb"])
        ),
    }
}

/// Why none of a campaign's creatives fits an imp.
fn misfit(scene: &Scene<'_>, shop: &Shop, campaign: &Campaign, at: u16, why: NoBid) -> String {
    let imp = scene.imp(at);
    let creatives: Vec<&Creative> = campaign
        .creatives
        .iter()
        .filter_map(|index| shop.advertiser.creatives.get(*index as usize))
        .collect();
    match why {
        NoBid::Deal => format!("{}; the campaign has {}", deals(imp), targeting::deals(&campaign.targeting.deals)),
        NoBid::Currency => format!(
            "the request takes {} and its floor is in {}; there are no rates for those",
            quote(&scene.json["cur"], "USD"),
            quote(&imp["bidfloorcur"], "USD")
        ),
        NoBid::Format => format!(
            "it takes {}, the creatives are {}",
            formats(imp),
            some(creatives.iter().map(|c| c.format.label()))
        ),
        NoBid::Size => format!(
            "it takes {}, {}",
            sizes(imp),
            some(creatives.iter().map(|creative| own_sizes(creative)))
        ),
        NoBid::CreativeBlocked => blocked(scene, at, &creatives),
        NoBid::CreativeNotApproved => unapproved(scene, &creatives),
        why => why.sentence().to_owned(),
    }
}

fn quote(value: &Value, default: &str) -> String {
    if value.is_null() { default.to_owned() } else { value.to_string() }
}

fn deals(imp: &Value) -> String {
    let pmp = &imp["pmp"];
    let listed = pmp["deals"].as_array().into_iter().flatten();
    let listed = some(listed.map(|deal| quote(&deal["id"], "?")));
    let private = if quote(&pmp["private_auction"], "0") == "0" {
        ""
    } else {
        " and nobody else"
    };
    format!("it is for deals {listed}{private}")
}

fn formats(imp: &Value) -> String {
    let asked = ["banner", "video", "audio", "native"]
        .into_iter()
        .filter(|format| imp[*format].is_object());
    some(asked)
}

/// The sizes that an imp's banner or player asks for.
fn sizes(imp: &Value) -> String {
    let size = |of: &Value| Some(format!("{}x{}", of["w"].as_i64()?, of["h"].as_i64()?));
    let banner = &imp["banner"];
    let listed = banner["format"].as_array().into_iter().flatten().chain([banner, &imp["video"]]);
    some(listed.filter_map(size))
}

fn own_sizes(creative: &Creative) -> String {
    let listed = creative.ads.iter().map(|(size, _)| format!("{}x{}", size.w, size.h));
    format!("`{}` has {}", creative.id, some(listed))
}

/// What an imp does not admit of creatives for what they are.
fn blocked(scene: &Scene<'_>, at: u16, creatives: &[&Creative]) -> String {
    let Some(imp) = scene.request.imps.get(usize::from(at)) else {
        return String::new();
    };
    let mut memory = Memory::default();
    let mut opening = Opening::of(&scene.exchange.id, scene.request, imp, &mut memory);
    let blocks = |value: &Value| ["battr", "btype", "mimes"].iter().any(|key| !value[*key].is_null());
    let json = scene.imp(at);
    let lists = ["banner", "video", "audio", "native"]
        .into_iter()
        .filter(|format| blocks(&json[*format]));
    let asked = some(lists.map(|format| format!("{format} {}", json[format])));
    let why = creatives.iter().map(|creative| {
        if opening.admits(creative) {
            format!("`{}`: the imp is secure, `public.url` is not", creative.id)
        } else {
            let attributes = some(creative.attr.iter().map(u32::to_string));
            format!(
                "`{}` has attributes {attributes}, scripts: {}",
                creative.id, creative.traits.scripts
            )
        }
    });
    format!("{}; the imp has {asked}", some(why))
}

fn unapproved(scene: &Scene<'_>, creatives: &[&Creative]) -> String {
    let approvals = &scene.state.approvals;
    let told = creatives.iter().map(
        |creative| match approvals.suspended(scene.exchange.no, creative.crid_key, scene.now.to_secs()) {
            Some(suspended) => format!(
                "`{}` was refused {REFUSALS_MAX} times in a row, last with code {}: suspended until {}",
                creative.crid,
                suspended.code,
                suspended.until.to_millis().to_rfc3339()
            ),
            None => format!("`{}` is among those that this imp excludes, or another does not fit", creative.crid),
        },
    );
    some(told)
}

/// Which cap, and when what it counts was shown.
fn frequency(scene: &Scene<'_>, shop: &Shop, campaign: &Campaign, detail: &Detail) -> String {
    let Detail::Capped {
        cap,
        creative,
        counted,
        with_others,
    } = *detail
    else {
        return "too many bids are under way for this user to note one more".to_owned();
    };
    let of_advertiser = |no: CampaignNo| shop.advertiser.campaigns.iter().any(|other| other.no == no);
    let is_counted = |no: CampaignNo, of| match cap.scope {
        CapScope::Campaign => no == campaign.no,
        CapScope::Creative => of == creative && of_advertiser(no),
        CapScope::Advertiser => of_advertiser(no),
    };
    let now = scene.now.to_secs();
    let shown: Vec<_> = scene
        .known
        .exposures
        .iter()
        .filter(|shown| now.since(shown.at) < cap.per.0 && is_counted(shown.campaign, shown.creative))
        .collect();
    let mut times: Vec<_> = shown.iter().map(|shown| shown.at).collect();
    times.sort_unstable();
    let scope = match cap.scope {
        CapScope::Campaign => "",
        CapScope::Creative => " of the creative",
        CapScope::Advertiser => " of the advertiser",
    };
    let mut told = format!("frequency {} per {}{scope} reached: ", cap.max, cap.per);
    let listed: Vec<String> = times.iter().map(|at| scene.at(shop, *at)).collect();
    told += &if listed.is_empty() {
        "none shown".to_owned()
    } else {
        format!("shown {}", some(listed))
    };
    let under_way = (counted as usize).saturating_sub(shown.len());
    if under_way > 0 {
        let of = if with_others {
            "under way or for other imps of this request"
        } else {
            "under way"
        };
        told += &format!(", {under_way} {of}");
    }
    told
}

/// What budgets leave, and where the rest is.
fn budget(scene: &Scene<'_>, shop: &Shop, campaign: &Campaign, (left, wanted, beside): (Money, Money, bool)) -> String {
    let advertiser = &shop.advertiser;
    let mut told = format!("{left} {} left", advertiser.currency);
    if wanted > Money::ZERO {
        told += &format!(", {wanted} to be held");
    }
    told += if beside { " with other imps of this request" } else { "" };
    let books = [
        ("", campaign.no, &campaign.budget),
        ("advertiser's ", advertiser.book, &advertiser.budget),
    ];
    for (whose, no, budget) in books {
        told += &spent(scene, shop, whose, no, budget);
    }
    told
}

/// `; daily 200: 199.8 spent today; total 5000: 4100 spent; 0.2 held by bids under way`.
pub(super) fn spent(scene: &Scene<'_>, shop: &Shop, whose: &str, no: CampaignNo, budget: &Budget) -> String {
    let state = &scene.state;
    let day = scene.now.local_day(&shop.advertiser.timezone);
    let (ever, held) = state.books.totals(no, scene.now.to_secs());
    let today = state.days.lock();
    let of_day = |no: CampaignNo| today.get(&(no, day)).map_or(Money::ZERO, |row| row.billed);
    let is_whole = no == shop.advertiser.book;
    let billed: Money = if is_whole {
        shop.advertiser.campaigns.iter().map(|campaign| of_day(campaign.no)).sum()
    } else {
        of_day(no)
    };
    let daily = budget.daily.map(|daily| format!("; {whose}daily {daily}: {billed} spent today"));
    let total = budget.total.map(|total| format!("; {whose}total {total}: {ever} spent"));
    if daily.is_none() && total.is_none() {
        return String::new();
    }
    format!(
        "{}{}; {held} held by bids under way",
        daily.unwrap_or_default(),
        total.unwrap_or_default()
    )
}

/// What even pacing multiplies with: the campaign's, or the advertiser's where that is less.
fn pace(scene: &Scene<'_>, advertiser: &Advertiser, campaign: &Campaign) -> String {
    let books = [(campaign.no, &campaign.budget), (advertiser.book, &advertiser.budget)];
    let of = books.into_iter().filter(|(_, budget)| budget.even);
    let least = of.map(|(no, _)| scene.state.books.multiplier(no)).min();
    least.map_or_else(|| "1".to_owned(), |pace| pace.to_string())
}

fn unrendered(shop: &Shop, creative: u32, asset: Option<i64>) -> String {
    let creative = shop.advertiser.creatives.get(creative as usize);
    let name = creative.map_or("?", |creative| creative.id.as_str());
    match asset {
        Some(id) => format!("native asset {id} is required, and `{name}` cannot fill it for this product"),
        None if creative.is_some_and(|creative| matches!(creative.format, Format::Video | Format::Audio)) => {
            format!("`{name}` has no file that the player takes")
        }
        None => format!("`{name}` has nothing to show that the imp takes"),
    }
}
