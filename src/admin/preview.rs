//! `GET /api/preview/{advertiser}/{creative}`: the ad as it would look: for one product (`product=`), for
//! what one user left (`user=`), or without any product (`fallback=brand`).
//!
//! Shown with the creative's own markup, video and audio with a player above what stands beside it, native
//! ads as a plain card of their assets; links lead straight to the shop, so nothing is counted. A `size` that the
//! creative does not list is shown as it would be if it did, which the page's title says.
//! For a user it shows what the decision would choose. Where the ad has room for more products than the one asked
//! for, others of the feed fill it. What is shown comes from feeds, so the page may run and load nothing but pictures
//! and media.

mod sized;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use html_escape::{encode_double_quoted_attribute, encode_text};

use super::advertisers::unknown;
use super::reply::{Answer, Fail, Failed, Named, Query};
use super::{Shared, users};
use crate::base::quoted::Quoting;
use crate::base::time::Millis;
use crate::model::advertiser::{Creative, Fallback, Shop, Size};
use crate::model::choice::Shelves;
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

/// An ad as it would look, as a page that runs nothing: for a product, for what a user left, or without any.
#[utoipa::path(get, path = "/api/preview/{advertiser}/{creative}", tag = "reports",
    params(("advertiser" = String, Path, description = "The advertiser's id"), ("creative" = String, Path, description = "The creative's id"),
        ("product" = Option<String>, Query, description = "`id` of the feed"),
        ("user" = Option<String>, Query, description = "Our id, or `exchange:theirs`"),
        ("size" = Option<String>, Query, description = "One that the creative lists, or any other", example = "300x250"),
        ("fallback" = Option<String>, Query, description = "`brand`: the ad without products")), responses(
    (status = 200, body = String, content_type = "text/html; charset=utf-8"),
    (status = 400, description = "A parameter cannot be read", body = Failed),
    (status = 404, description = "No such advertiser, creative, product, user or size", body = Failed)))]
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
    let wanted = query.get("size").map(size).transpose()?;
    let anew = match wanted.filter(|wanted| is_resizable(creative) && find(creative, Some(*wanted)).is_none()) {
        Some(size) => Some(sized::creative(engine, &world, shop, &creative.id, size)?),
        None => None,
    };
    let look = look(anew.as_ref().unwrap_or(creative), wanted, anew.is_some())?;
    let now = Millis::wall_clock();
    let wanted = match (query.get("fallback"), query.get("product"), query.get("user")) {
        (Some("brand"), ..) => return Ok(page(shop, &look, &[], now)),
        (Some(other), ..) => return Err(Fail::bad_request(format!("fallback `{other}` cannot be shown: known: `brand`"))),
        (None, Some(item_id), _) => vec![listed(&world, shop, item_id)?],
        (None, None, Some(user)) => return Ok(page(shop, &look, &chosen_for(engine, shop, user, look.places(), now)?, now)),
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
    /// Its markup at a size, which it may not list.
    Markup(Size, &'c Template, &'c Creative, bool),
    /// What native assets are filled with.
    Assets(&'c Native),
    /// What it plays, without any markup beside it.
    Player(&'c Creative),
}

impl Look<'_> {
    fn places(&self) -> usize {
        match self {
            Look::Markup(_, template, ..) => template.places() as usize,
            Look::Assets(_) | Look::Player(_) => 1,
        }
    }

    fn title(&self) -> String {
        match self {
            Look::Markup(size, _, creative, false) => format!("{} {}x{}", creative.id, size.w, size.h),
            Look::Markup(size, _, creative, true) => format!("{} {}x{}, which it does not list", creative.id, size.w, size.h),
            Look::Assets(_) => "native".to_owned(),
            Look::Player(creative) => creative.id.clone(),
        }
    }
}

fn look(creative: &Creative, wanted: Option<Size>, is_unlisted: bool) -> Result<Look<'_>, Fail> {
    if let Some(native) = &creative.native {
        return Ok(Look::Assets(native));
    }
    match find(creative, wanted) {
        Some((size, template)) => Ok(Look::Markup(size, template, creative, is_unlisted)),
        None if wanted.is_none() && creative.spot.is_some() => Ok(Look::Player(creative)),
        None => Err(no_such_size(creative, wanted)),
    }
}

/// Whether its markup is made for a size at all.
fn is_resizable(creative: &Creative) -> bool {
    matches!(creative.format, Format::Banner | Format::Video)
}

/// Its markup of a size; of the first where none is asked for.
fn find(creative: &Creative, wanted: Option<Size>) -> Option<(Size, &Template)> {
    let beside = creative.spot.as_ref().map_or(&[][..], |spot| &spot.companions);
    let mut looks = creative.ads.iter().chain(beside);
    let found = looks.find(|(size, _)| wanted.is_none_or(|wanted| wanted == *size));
    found.map(|(size, template)| (*size, template))
}

fn no_such_size(creative: &Creative, wanted: Option<Size>) -> Fail {
    let beside = creative.spot.as_ref().map_or(&[][..], |spot| &spot.companions);
    let has: Vec<String> = creative
        .ads
        .iter()
        .chain(beside)
        .map(|(size, _)| format!("{}x{}", size.w, size.h))
        .collect();
    let wanted = wanted.map_or_else(|| "markup".to_owned(), |size| format!("size {}x{}", size.w, size.h));
    let message = match has.is_empty() {
        true => format!("creative `{}` has no {wanted}: it has none to show", creative.id),
        false => format!("creative `{}` has no {wanted}: it has {}", creative.id, has.join(", ")),
    };
    Fail::not_found("size_not_found", message)
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

/// A size as it is written: `300x250`.
pub(super) fn size(text: &str) -> Result<Size, Fail> {
    let side = |side: &str| side.parse().ok().filter(|side| *side > 0);
    let parsed = text.split_once('x').and_then(|(w, h)| Some(Size { w: side(w)?, h: side(h)? }));
    parsed.ok_or_else(|| Fail::bad_request(format!("size `{text}` is not like 300x250")))
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

/// What the ad would show to a user, by the shop's rules; none where it would be an ad of the shop itself.
fn chosen_for<'s>(engine: &Engine, shop: &'s Shop, user: &str, places: usize, now: Millis) -> Result<Vec<&'s Product>, Fail> {
    let key = users::find(engine, user)?.ok_or_else(|| users::unknown(user))?;
    let (profile, _) = users::recall(engine, key);
    let events = profile
        .section(shop.advertiser.no)
        .map_or(&[][..], |section| profile.events(section));
    let mut lines = Vec::new();
    cart(events, &mut lines);
    let rankings = engine.state.popular.rankings();
    let shelves = Shelves {
        events,
        cart: &lines,
        catalog: &shop.catalog,
        ranking: rankings.get(&shop.advertiser.no),
        rules: &shop.advertiser.products,
        taken: &[],
        now,
    };
    let nothing = || {
        let id = &shop.advertiser.id;
        let message = format!("nothing that user `{user}` left at `{id}` can be shown: no bid would be made; name a `product`");
        Fail::not_found("product_not_found", message)
    };
    Ok(shelves.choose(places).ok_or_else(nothing)?.to_vec())
}

fn page(shop: &Shop, look: &Look<'_>, products: &[&Product], now: Millis) -> Response {
    let language = encode_double_quoted_attribute(&shop.advertiser.language);
    let head = format!(
        "<!doctype html><html lang=\"{language}\"><meta charset=\"utf-8\"><title>{}</title><style>body{{margin:0}}</style>",
        encode_text(&look.title())
    );
    let mut html = head.into_bytes();
    match look {
        Look::Markup(_, template, creative, _) => {
            player(creative, products.first().copied(), &mut html);
            let home = format!("https://{}/", shop.advertiser.domain);
            let slots = Slots {
                products,
                now,
                click: Click::to(if products.is_empty() { home.as_bytes() } else { b"" }),
                pixel: NO_PIXEL,
            };
            template.fill(&slots, Quoting::Plain, &mut html);
        }
        Look::Player(creative) => player(creative, products.first().copied(), &mut html),
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
