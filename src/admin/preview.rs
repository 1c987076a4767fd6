//! `GET /api/preview/{advertiser}/{creative}`: the ad as it would look: for one product (`product=`), for
//! what one user left (`user=`), or without any product (`fallback=brand`).
//!
//! Shown with the creative's own markup, video and audio with a player above what stands beside it, native
//! ads as a plain card of their assets; links lead straight to the shop, so nothing is counted.
//! Where the ad has room for more products than were asked for, others of the feed fill it. What is
//! shown comes from feeds, so the page may run and load nothing but pictures.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use html_escape::{encode_double_quoted_attribute, encode_text};

use super::advertisers::unknown;
use super::reply::{Answer, Fail, Named, Query};
use super::{Shared, users};
use crate::base::time::Millis;
use crate::model::advertiser::{Creative, Fallback, Shop, Size};
use crate::model::event::EventKind;
use crate::model::links::Click;
use crate::model::native::Native;
use crate::model::product::Product;
use crate::model::profile::cart;
use crate::model::targeting::Format;
use crate::model::template::{NO_PIXEL, Slots, Template};
use crate::server::engine::Engine;
use crate::state::world::World;

/// No scripts, no forms, no origin: the markup is somebody else's text. A click opens the shop.
const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src https: http: data:; \
     media-src https:; style-src 'unsafe-inline'";
/// Of a native ad: wide enough for a title of 90 characters.
const CARD: Size = Size { w: 320, h: 480 };

/// Answers with a page that is the ad.
pub async fn preview(State(desk): Shared, Named((advertiser, creative)): Named<(String, String)>, query: Query) -> Answer {
    query.only(&["product", "user", "size", "fallback"])?;
    let engine = &desk.engine;
    let world = engine.world.load_full();
    let shop = world.shop_by_id(&advertiser).ok_or_else(|| unknown(&advertiser))?;
    let no_creative = || {
        Fail::not_found(
            "creative_not_found",
            format!("no creative `{creative}` in advertiser `{advertiser}`"),
        )
    };
    let creative = shop
        .advertiser
        .creatives
        .iter()
        .find(|c| c.id == creative)
        .ok_or_else(no_creative)?;
    let look = match &creative.native {
        Some(native) => Look::Assets(native),
        None => {
            let (size, template) = template(creative, query.get("size"))?;
            Look::Markup(size, template, creative)
        }
    };
    let now = Millis::wall_clock();
    let wanted = match (query.get("fallback"), query.get("product"), query.get("user")) {
        (Some("brand"), ..) => return Ok(page(shop, &look, &[], now)),
        (Some(other), ..) => return Err(Fail::bad_request(format!("fallback `{other}` cannot be shown: known: `brand`"))),
        (None, Some(item_id), _) => vec![listed(&world, shop, item_id)?],
        (None, None, Some(user)) => left_by(engine, shop, user)?,
        (None, None, None) => Vec::new(),
    };
    let products = filled(wanted, shop, look.places(), now);
    if products.is_empty() && shop.advertiser.products.fallback != Fallback::Brand {
        let message = format!(
            "no product of advertiser `{advertiser}` can be shown: its feed has {} items",
            shop.catalog.len()
        );
        return Err(Fail::not_found("product_not_found", message));
    }
    Ok(page(shop, &look, &products, now))
}

/// What is to be seen of a creative.
enum Look<'c> {
    /// Its markup at a size.
    Markup(Size, &'c Template, &'c Creative),
    /// What native assets are filled with.
    Assets(&'c Native),
}

impl Look<'_> {
    fn places(&self) -> usize {
        match self {
            Look::Markup(_, template, _) => template.places() as usize,
            Look::Assets(_) => 1,
        }
    }

    fn size(&self) -> Size {
        match self {
            Look::Markup(size, ..) => *size,
            Look::Assets(_) => CARD,
        }
    }
}

/// What is wanted and others that can be shown, no product twice, as many as there are places.
fn filled<'s>(wanted: Vec<&'s Product>, shop: &'s Shop, places: usize, now: Millis) -> Vec<&'s Product> {
    let mut products: Vec<&Product> = Vec::new();
    let others = shop.catalog.iter().filter(|product| product.can_show(now));
    for product in wanted.into_iter().chain(others) {
        if products.len() >= places {
            break;
        }
        if products.iter().all(|shown| shown.key != product.key) {
            products.push(product);
        }
    }
    products
}

/// The markup of a size; of the first where none is asked for.
fn template<'c>(creative: &'c Creative, size: Option<&str>) -> Result<(Size, &'c Template), Fail> {
    let wanted = match size {
        None => None,
        Some(text) => {
            let parsed = text.split_once('x').and_then(|(w, h)| {
                Some(Size {
                    w: w.parse().ok()?,
                    h: h.parse().ok()?,
                })
            });
            Some(parsed.ok_or_else(|| Fail::bad_request(format!("size `{text}` is not like 300x250")))?)
        }
    };
    let fits = |size: &Size| wanted.is_none_or(|wanted| wanted == *size);
    let beside = creative.spot.as_ref().map_or(&[][..], |spot| &spot.companions);
    let looks = || creative.ads.iter().chain(beside);
    let found = looks().find(|(size, _)| fits(size)).map(|(size, template)| (*size, template));
    found.ok_or_else(|| {
        let has: Vec<String> = looks().map(|(size, _)| format!("{}x{}", size.w, size.h)).collect();
        let message = match (has.is_empty(), size) {
            (true, _) => format!("creative `{}` has no markup to show", creative.id),
            (false, size) => format!(
                "creative `{}` has no size {}: it has {}",
                creative.id,
                size.unwrap_or("?"),
                has.join(", ")
            ),
        };
        Fail::not_found("size_not_found", message)
    })
}

/// A product by its id in the feed, or as events write it.
fn listed<'s>(world: &World, shop: &'s Shop, item_id: &str) -> Result<&'s Product, Fail> {
    let prefixes = shop.advertiser.feed.as_ref().map_or(&[][..], |feed| &feed.id_prefixes);
    let cut = prefixes.iter().filter_map(|prefix| item_id.strip_prefix(prefix.as_str()));
    let key = |id: &str| world.hashes.product(shop.advertiser.no, id);
    let found = std::iter::once(item_id).chain(cut).find_map(|id| shop.catalog.get(key(id)));
    let message = || format!("no product `{item_id}` in the feed of advertiser `{}`", shop.advertiser.id);
    found.ok_or_else(|| Fail::not_found("product_not_found", message()))
}

/// What a user left here: in the cart, then what was looked at last; as far as the feed lists it.
fn left_by<'s>(engine: &Engine, shop: &'s Shop, user: &str) -> Result<Vec<&'s Product>, Fail> {
    let key = users::find(engine, user)?.ok_or_else(|| users::unknown(user))?;
    let (profile, _) = users::recall(engine, key);
    let Some(section) = profile.section(shop.advertiser.no) else {
        return Ok(Vec::new());
    };
    let events = profile.events(section);
    let mut lines = Vec::new();
    cart(events, &mut lines);
    let viewed = events
        .iter()
        .filter(|event| event.kind == EventKind::ViewItem)
        .map(|event| event.product);
    Ok(lines
        .iter()
        .map(|line| line.product)
        .chain(viewed)
        .filter_map(|product| shop.catalog.get(product))
        .collect())
}

fn page(shop: &Shop, look: &Look<'_>, products: &[&Product], now: Millis) -> Response {
    let size = look.size();
    let language = encode_double_quoted_attribute(&shop.advertiser.language);
    let head = format!(
        "<!doctype html><html lang=\"{language}\"><meta charset=\"utf-8\"><title>{}x{}</title><style>body{{margin:0}}</style>",
        size.w, size.h
    );
    let mut html = head.into_bytes();
    match look {
        Look::Markup(_, template, creative) => {
            player(creative, products.first().copied(), &mut html);
            let home = format!("https://{}/", shop.advertiser.domain);
            let slots = Slots {
                products,
                now,
                click: Click::to(if products.is_empty() { home.as_bytes() } else { b"" }),
                pixel: NO_PIXEL,
            };
            template.fill(&slots, &mut html);
        }
        Look::Assets(native) => html.extend(card(native, products.first().copied(), now).into_bytes()),
    }
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, html).into_response()
}

/// A player for what a creative plays.
fn player(creative: &Creative, product: Option<&Product>, html: &mut Vec<u8>) {
    let Some(spot) = &creative.spot else { return };
    let element = if creative.format == Format::Audio { "audio" } else { "video" };
    let poster = product.map_or("", |product| &product.image_link);
    let size = creative
        .ads
        .first()
        .map(|(Size { w, h }, _)| format!(" width=\"{w}\" height=\"{h}\""));
    let mut player = format!(
        "<{element} controls preload=\"metadata\" style=\"display:block\" poster=\"{}\"{}>",
        encode_double_quoted_attribute(poster),
        size.unwrap_or_default()
    );
    for file in &spot.media {
        let (url, mime) = (
            encode_double_quoted_attribute(&file.url),
            encode_double_quoted_attribute(&file.mime),
        );
        player += &format!("<source src=\"{url}\" type=\"{mime}\">");
    }
    html.extend(format!("{player}</{element}>").into_bytes());
}

/// The assets as a publisher might show them.
fn card(native: &Native, product: Option<&Product>, now: Millis) -> String {
    let home = format!("https://{}/", native.domain);
    let link = product.map_or(home.as_str(), |product| &product.link);
    let picture = product.map(|product| &*product.image_link).or(native.logo_url.as_deref());
    let description = product.map(|product| &*product.description).filter(|text| !text.is_empty());
    let text = |tag: &str, text: &str| format!("<{tag}>{}</{tag}>", encode_text(text));
    let mut card = format!(
        "<a href=\"{}\" target=\"_blank\" rel=\"noopener\" style=\"display:block;width:{}px;font:14px sans-serif;color:#222\">",
        encode_double_quoted_attribute(link),
        CARD.w
    );
    card += &text("small", &native.sponsor);
    if let Some(picture) = picture {
        card += &format!(
            "<img src=\"{}\" alt=\"\" style=\"display:block;width:100%\">",
            encode_double_quoted_attribute(picture)
        );
    }
    card += &text("h3", product.map_or(&native.headline, |product| &product.title));
    card += &text("p", description.unwrap_or(&native.headline));
    if let Some(product) = product {
        card += &text("b", product.price_at(now));
    }
    card += &text("p", native.promotion_at(now).unwrap_or_default());
    card + &text("button", &native.call_to_action) + "</a>"
}
