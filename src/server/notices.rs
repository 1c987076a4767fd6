//! Win, billing and loss notices, the pixel and the click (contract §4), on either listener; what video
//! players report.
//!
//! A 2xx is sent after the fact is durable. A click is sent on whatever happens to the fact, and only
//! ever to a page of the advertiser.

use std::time::Duration;

use hyper::StatusCode;

use super::engine::Engine;
use super::http::{self, Answer};
use crate::base::id::ProductKey;
use crate::base::limits::NOTICE_LIFE;
use crate::base::seal::Audience;
use crate::base::time::Millis;
use crate::model::advertiser::Shop;
use crate::model::ticket::Ticket;
use crate::model::traffic::Invalid;
use crate::openrtb::feedback::Verdict;
use crate::openrtb::vast::BEATS;
use crate::state::world::World;
use crate::track::fact::{Effect, Evidence, Fact, Sign};
use crate::track::{approval, notice};

/// A click waits this long for its fact; then the browser goes on.
const CLICK_PATIENCE: Duration = Duration::from_millis(1_500);

/// `GET or POST /n/{kind}/{token}`.
pub async fn notice(engine: &Engine, kind: &str, token: &str, query: Option<&str>) -> Answer {
    let sign = match kind {
        "win" => Some(Sign::Win),
        "bill" => Some(Sign::Bill),
        "loss" => None,
        _ => return http::error(StatusCode::BAD_REQUEST, "unknown_notice", "a notice is `win`, `bill` or `loss`"),
    };
    let world = engine.world.load_full();
    let Some(opened) = notice::open(&world, Audience::Notice, token) else {
        engine.meters.noticed("unknown", kind_label(sign), "forged");
        return http::status(StatusCode::FORBIDDEN);
    };
    let now = Millis::wall_clock();
    let exchange = world
        .exchange(opened.ticket.exchange)
        .map_or("unknown", |exchange| exchange.id.as_str());
    match sign {
        Some(sign) => record(engine, &world, sign, opened, query, None, now)
            .await
            .map_or_else(http::status, |()| http::status(StatusCode::OK)),
        None => {
            let freed = notice::lose(&world, &engine.state, &opened, now.to_secs());
            if freed && let Some(suspended) = approval::of_loss(&world, &engine.state, &opened, query, now.to_secs()) {
                engine.meters.suspended(&world, &suspended);
            }
            engine.meters.noticed(exchange, "loss", if freed { "freed" } else { "repeat" });
            http::status(StatusCode::OK)
        }
    }
}

/// `GET /imp/{token}`: a picture; with `.js` after the token a script that does nothing. `invalid` is why
/// nobody looks at it, where nobody does.
pub async fn pixel(engine: &Engine, token: &str, query: Option<&str>, invalid: Option<Invalid>) -> Answer {
    let (token, answer): (&str, fn(StatusCode) -> Answer) = match token.strip_suffix(".js") {
        Some(token) => (token, http::empty_script),
        None => (token, http::gif),
    };
    let world = engine.world.load_full();
    let Some(opened) = notice::open(&world, Audience::View, token) else {
        engine.meters.noticed("unknown", "pixel", "forged");
        return http::status(StatusCode::FORBIDDEN);
    };
    let recorded = record(engine, &world, Sign::Pixel, opened, query, invalid, Millis::wall_clock()).await;
    answer(recorded.err().unwrap_or(StatusCode::OK))
}

/// `GET /vast/{event}/{token}`: what a player reports of a spot. Counted, and no fact; as invalid where nobody
/// watches, which `invalid` says.
pub fn beat(engine: &Engine, event: &str, token: &str, query: Option<&str>, invalid: Option<Invalid>) -> Answer {
    let Some(event) = BEATS.into_iter().find(|known| *known == event) else {
        let message = format!("an event is one of {}", BEATS.join(", "));
        return http::error(StatusCode::BAD_REQUEST, "unknown_event", &message);
    };
    let world = engine.world.load_full();
    let Some(opened) = notice::open(&world, Audience::View, token) else {
        engine.meters.noticed("unknown", event, "forged");
        return http::status(StatusCode::FORBIDDEN);
    };
    let exchange = world
        .exchange(opened.ticket.exchange)
        .map_or("unknown", |exchange| exchange.id.as_str());
    if let Some(why) = invalid {
        engine.state.count_invalid(why, 1);
        engine.meters.noticed(exchange, event, Effect::Invalid.label());
        return http::gif(StatusCode::OK);
    }
    let is_late = Millis::wall_clock().to_secs().since(opened.ticket.at) > NOTICE_LIFE.0;
    engine.meters.noticed(exchange, event, if is_late { "expired" } else { "counted" });
    // Codes are VAST's, of three digits; anything else, a macro nobody replaced among it, is one.
    let code = notice::parameter(query, "code").and_then(|code| code.parse::<u16>().ok());
    if event == "error" {
        let code = code
            .filter(|code| (100..1_000).contains(code))
            .map_or("unknown".to_owned(), |code| code.to_string());
        metrics::counter!("winback_vast_errors_total", "exchange" => exchange.to_owned(), "code" => code).increment(1);
    }
    http::gif(StatusCode::OK)
}

/// `GET /click/{token}`: to the product's own page; with `?n=1` and so on to that of the ad's further
/// products. Nothing else about where it leads is in the visitor's hand. `invalid` is why that is nobody,
/// where it is.
pub async fn click(engine: &Engine, token: &str, query: Option<&str>, invalid: Option<Invalid>) -> Answer {
    let world = engine.world.load_full();
    let Some(opened) = notice::open(&world, Audience::View, token) else {
        engine.meters.noticed("unknown", "click", "forged");
        return http::status(StatusCode::FORBIDDEN);
    };
    let fact = record(engine, &world, Sign::Click, opened, None, invalid, Millis::wall_clock());
    // Recorded or not, the shopper goes on.
    let _ = tokio::time::timeout(CLICK_PATIENCE, fact).await;
    match world.shop(opened.ticket.advertiser) {
        Some(shop) => http::redirect(&landing(&world, shop, &opened.ticket, clicked(&opened, query), token)),
        None => http::error(StatusCode::GONE, "advertiser_gone", "the advertiser of this ad is no longer here"),
    }
}

async fn record(
    engine: &Engine,
    world: &World,
    sign: Sign,
    opened: notice::Opened,
    query: Option<&str>,
    invalid: Option<Invalid>,
    now: Millis,
) -> Result<(), StatusCode> {
    let exchange = world
        .exchange(opened.ticket.exchange)
        .map_or("unknown", |exchange| exchange.id.as_str());
    let evidence = Evidence {
        invalid,
        ..notice::evidence(world, sign, opened, query, now)
    };
    let effect = engine.facts.record(Fact::Evidence(evidence)).await;
    if matches!(effect, Ok(Effect::Recorded | Effect::Settled)) {
        approval::of_bid(world, &engine.state, &opened, Verdict::Admitted, 0, now.to_secs());
        if sign == Sign::Win {
            approval::min_to_win(world, &engine.state, &opened, query);
        }
    }
    if effect == Ok(Effect::Settled) {
        let quote = notice::quote(world, sign, &opened.ticket, query);
        let doubts = quote.doubts(&engine.state, &opened.ticket, opened.tag, now);
        engine.meters.paid(exchange, quote.paid, &doubts);
    }
    let label = effect.map_or("unavailable", |effect| effect.label());
    engine.meters.noticed(exchange, kind_label(Some(sign)), label);
    effect.map(|_| ()).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

const fn kind_label(sign: Option<Sign>) -> &'static str {
    match sign {
        Some(Sign::Win) => "win",
        Some(Sign::Bill) => "bill",
        Some(Sign::Pixel) => "pixel",
        Some(Sign::Click) => "click",
        None => "loss",
    }
}

/// The product whose link it was; the first where the ad has no such.
pub fn clicked(opened: &notice::Opened, query: Option<&str>) -> ProductKey {
    let n = notice::parameter(query, "n").and_then(|n| n.parse().ok());
    n.and_then(|n| opened.further.nth(n)).unwrap_or(opened.ticket.product)
}

/// The product's page with `wb_click` and `landing.append`; the shop's own where the product is gone
/// or the ad showed none.
pub fn landing(world: &World, shop: &Shop, ticket: &Ticket, product: ProductKey, token: &str) -> String {
    let home = format!("https://{}/", shop.advertiser.domain);
    let link = shop.catalog.get(product).map_or(home.as_str(), |product| &product.link);
    let Ok(mut url) = url::Url::parse(link) else { return home };
    let name = |found: Option<&str>| found.unwrap_or("").to_owned();
    let campaign = shop.advertiser.campaigns.iter().find(|campaign| campaign.no == ticket.campaign);
    let creative = shop.advertiser.creatives.iter().find(|creative| creative.no == ticket.creative);
    let exchange = world.exchange(ticket.exchange);
    let append = shop
        .advertiser
        .landing
        .append
        .trim_start_matches(['?', '&'])
        .replace("{campaign}", &name(campaign.map(|c| c.id.as_str())))
        .replace("{creative}", &name(creative.map(|c| c.id.as_str())))
        .replace("{exchange}", &name(exchange.map(|e| e.id.as_str())));
    if !append.is_empty() {
        let query = url
            .query()
            .filter(|query| !query.is_empty())
            .map_or_else(|| append.clone(), |query| format!("{query}&{append}"));
        url.set_query(Some(&query));
    }
    url.query_pairs_mut().append_pair("wb_click", token);
    url.into()
}
