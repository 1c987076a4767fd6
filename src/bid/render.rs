//! Eighth stage: the best offers become ads: a product is chosen, links are sealed, markup is filled.
//!
//! Every imp gets its own winner; an advertiser has one imp of a request unless it says more, and no
//! product is shown twice. Two seals a bid: one for the exchange's notices, one for the markup.

use std::ops::Range;

use super::narrow::Offer;
use super::pace::{placement, reached};
use super::{Case, Furthest, Known, Trace};
use crate::base::hash::mix;
use crate::base::id::ProductKey;
use crate::base::money::{Conversion, Currency, Money};
use crate::base::seal::Audience;
use crate::model::advertiser::{Shop, Size};
use crate::model::choice::{Chosen, Shelves};
use crate::model::outcome::{NoBid, Pick};
use crate::model::profile::cart;
use crate::model::template::Slots;
use crate::model::ticket::Ticket;

/// One rendered ad; ranges into the buffers of [`Ads`].
#[derive(Clone, Debug, Default)]
pub struct Ad {
    /// Index of the creative in its advertiser.
    pub creative: u32,
    /// What it measures.
    pub size: Size,
    /// The markup.
    pub markup: Range<usize>,
    /// `nurl`, `burl` and `lurl`.
    pub notices: [Range<usize>; 3],
    /// Seconds until the bid is stale.
    pub exp: u32,
}

/// The ads of one answer and the memory they are written in.
#[derive(Debug, Default)]
pub struct Ads {
    /// In the order of the picks.
    pub list: Vec<Ad>,
    /// Links, one after the other.
    pub links: Vec<u8>,
    /// Markup, one after the other.
    pub markup: Vec<u8>,
    /// Every product that one of them shows.
    pub shown: Vec<ProductKey>,
}

/// Fills `picks` and `ads`.
#[allow(clippy::too_many_arguments)]
pub fn render<T: Trace>(
    case: &Case<'_>,
    known: &mut Known,
    offers: &[Offer],
    currency: Currency,
    ads: &mut Ads,
    picks: &mut Vec<Pick>,
    furthest: &mut Furthest,
    trace: &mut T,
) -> Result<(), NoBid> {
    ads.list.clear();
    ads.links.clear();
    ads.markup.clear();
    ads.shown.clear();
    for offer in offers {
        let Some(shop) = case.world.shop(offer.shop) else { continue };
        let imp_id = |imp: u16| case.request.imps[usize::from(imp)].id.raw();
        let imp_taken = picks.iter().any(|pick| imp_id(pick.imp) == imp_id(offer.imp));
        let of_shop = picks.iter().filter(|pick| pick.advertiser == offer.shop);
        let (imps, held) = of_shop.fold((0, Money::ZERO), |(n, sum), pick| (n + 1, sum + pick.hold));
        if imp_taken || imps >= shop.advertiser.per_request || !has_hold_left(known, shop, offer, picks) {
            continue;
        }
        // Imps of one answer share one view of caps.
        if let Some((cap, shown)) = reached(case, known, &shop.advertiser, offer, picks) {
            furthest.note(NoBid::Frequency);
            trace.dropped(offer.no, NoBid::Frequency, || {
                format!("{shown} of {} per {} with the other imps of this request", cap.max, cap.per)
            });
            continue;
        }
        let Some(chosen) = choose(case, known, shop, offer, &ads.shown) else {
            furthest.note(NoBid::NoProduct);
            trace.dropped(offer.no, NoBid::NoProduct, || no_product_detail(shop));
            continue;
        };
        let first = chosen.first().map_or(ProductKey::NONE, |product| product.key);
        let pick = pick(case, known, shop, offer, currency, first);
        if offer.left.is_some_and(|left| left < held + pick.hold) {
            furthest.note(NoBid::Budget);
            trace.dropped(offer.no, NoBid::Budget, || "other imps of this request hold the rest".to_owned());
            continue;
        }
        match write_ad(case, shop, offer, &chosen, &pick, currency, ads) {
            Some(ad) => {
                ads.list.push(ad);
                ads.shown.extend(chosen.iter().map(|product| product.key));
                picks.push(pick);
            }
            None => {
                furthest.note(NoBid::NoCreative);
                trace.dropped(offer.no, NoBid::NoCreative, || "the creative has no markup of this size".to_owned());
            }
        }
    }
    if picks.is_empty() { Err(furthest.0) } else { Ok(()) }
}

fn is_capped(shop: &Shop, offer: &Offer) -> bool {
    shop.advertiser.is_capped(&shop.advertiser.campaigns[offer.campaign as usize])
}

/// Whether the user's bucket has a place for one more hold, where the campaign needs one.
fn has_hold_left(known: &Known, shop: &Shop, offer: &Offer, picks: &[Pick]) -> bool {
    let taken = picks.iter().filter(|pick| pick.cap_hold_s > 0).count();
    taken < known.holds.free() || !is_capped(shop, offer)
}

/// What the ad shows; none where nothing can be shown and the shop wants no ad then.
fn choose<'s>(case: &Case<'_>, known: &mut Known, shop: &'s Shop, offer: &Offer, taken: &[ProductKey]) -> Option<Chosen<'s>> {
    let section = *known.profile.section(shop.advertiser.no)?;
    cart(known.profile.events(&section), &mut known.cart);
    let creative = shop.advertiser.creatives.get(offer.creative as usize)?;
    let rankings = case.state.popular.rankings();
    let shelves = Shelves {
        events: known.profile.events(&section),
        cart: &known.cart,
        catalog: &shop.catalog,
        ranking: rankings.get(&shop.advertiser.no),
        rules: &shop.advertiser.products,
        taken,
        now: case.ask.now,
    };
    shelves.choose(creative.places(usize::from(offer.size)))
}

fn no_product_detail(shop: &Shop) -> String {
    format!("nothing this user left can be shown ({} products in the feed)", shop.catalog.len())
}

fn pick(case: &Case<'_>, known: &Known, shop: &Shop, offer: &Offer, currency: Currency, product: ProductKey) -> Pick {
    let exchange = case.exchange;
    let is_app = case.request.place.is_app;
    let exp = exp(case, offer.imp);
    let cap_hold_s = match is_app {
        _ if !is_capped(shop, offer) => 0,
        true => exchange.cap_hold_s.app,
        false => exchange.cap_hold_s.banner,
    };
    let mut pick = Pick {
        imp: offer.imp,
        exchange: exchange.no,
        advertiser: offer.shop,
        advertiser_book: shop.advertiser.book,
        campaign: offer.no,
        campaign_index: offer.campaign,
        creative: offer.creative_no,
        product,
        user: known.key,
        tag: Ticket::tag(&nonce(case.ask.seed, offer.imp, Audience::Notice)),
        price: offer.price,
        hold: Money::ZERO,
        at: case.ask.now.to_secs(),
        hold_s: exp + exchange.notice_grace_s,
        cap_hold_s,
        placement: placement(case, offer.imp),
        test: case.request.test,
    };
    pick.hold = ticket(case, shop, &pick, currency).hold(shop.advertiser.fee, exchange.discrepancy);
    pick
}

/// Seconds between auction and impression: the exchange's for the kind of ad, cut by `imp.exp`.
fn exp(case: &Case<'_>, imp: u16) -> u32 {
    let own = if case.request.place.is_app {
        case.exchange.exp_s.app
    } else {
        case.exchange.exp_s.banner
    };
    let asked = case.request.imps[usize::from(imp)]
        .exp
        .and_then(|exp| u32::try_from(exp).ok())
        .filter(|exp| *exp > 0);
    asked.map_or(own, |asked| own.min(asked))
}

fn ticket(case: &Case<'_>, shop: &Shop, pick: &Pick, currency: Currency) -> Ticket {
    let identity = Conversion { from: 1, to: 1 };
    Ticket {
        exchange: pick.exchange,
        test: pick.test,
        own_currency: case.exchange.price.currency.is_some_and(|own| own != currency),
        advertiser: pick.advertiser,
        campaign: pick.campaign,
        creative: pick.creative,
        user: pick.user,
        product: pick.product,
        at: pick.at,
        hold_s: u16::try_from(pick.hold_s).unwrap_or(u16::MAX),
        price: pick.price,
        conversion: case.world.rates.conversion(currency, shop.advertiser.currency).unwrap_or(identity),
    }
}

/// Twelve bytes that differ for every seed, imp and audience; the first eight are the bid's tag.
fn nonce(seed: u128, imp: u16, audience: Audience) -> [u8; 12] {
    let tag = mix(seed as u64 ^ mix(u64::from(imp) + 1));
    let rest = mix((seed >> 64) as u64 ^ tag);
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&tag.to_le_bytes());
    nonce[8..].copy_from_slice(&rest.to_le_bytes()[..4]);
    nonce[11] = audience as u8;
    nonce
}

/// The links of one ad, as ranges of the buffer they are written in.
struct Links {
    notices: [Range<usize>; 3],
    click: Range<usize>,
    pixel: Range<usize>,
}

/// Seals one token for each audience and writes the links that carry it; the path says what each does.
fn write_links(case: &Case<'_>, imp: u16, ticket: &Ticket, chosen: &Chosen<'_>, links: &mut Vec<u8>) -> Links {
    const KIN: &str = "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}";
    let further = chosen.iter().skip(1).map(|product| product.key);
    let (of_notice, of_view) = (ticket.write(), ticket.write_view(further));
    let key = case.world.seals.current(case.ask.inert);
    let mut seal = |audience: Audience, payload: &[u8]| {
        let start = links.len();
        key.seal(audience, &nonce(case.ask.seed, imp, audience), payload, links);
        start..links.len()
    };
    let (notice, view) = (seal(Audience::Notice, &of_notice), seal(Audience::View, &of_view));
    let mut link = |token: &Range<usize>, before: [&str; 3], after: [&str; 2]| {
        let start = links.len();
        before.iter().for_each(|part| links.extend_from_slice(part.as_bytes()));
        links.extend_from_within(token.clone());
        after.iter().for_each(|part| links.extend_from_slice(part.as_bytes()));
        start..links.len()
    };
    let url = case.world.public_url.as_str();
    let click_macro = case.exchange.click_macro.as_deref().unwrap_or("");
    Links {
        notices: [
            link(&notice, ["", url, "/n/win/"], [KIN, "&mtw=${AUCTION_MIN_TO_WIN}"]),
            link(&notice, ["", url, "/n/bill/"], [KIN, ""]),
            link(
                &notice,
                ["", url, "/n/loss/"],
                ["?reason=${AUCTION_LOSS}&price=${AUCTION_PRICE}", "&mtw=${AUCTION_MIN_TO_WIN}"],
            ),
        ],
        click: link(&view, [click_macro, url, "/click/"], ["", ""]),
        pixel: link(&view, ["", url, "/imp/"], [KIN, ""]),
    }
}

/// Writes the links and fills the template.
fn write_ad(
    case: &Case<'_>,
    shop: &Shop,
    offer: &Offer,
    chosen: &Chosen<'_>,
    pick: &Pick,
    currency: Currency,
    ads: &mut Ads,
) -> Option<Ad> {
    let creative = shop.advertiser.creatives.get(offer.creative as usize)?;
    let (size, template) = creative.ads.get(usize::from(offer.size))?;
    let Ads { links, markup, .. } = ads;
    let written = write_links(case, offer.imp, &ticket(case, shop, pick, currency), chosen, links);
    let start = markup.len();
    let slots = Slots {
        products: chosen,
        now: case.ask.now,
        click: &links[written.click],
        pixel: &links[written.pixel],
    };
    template.fill(&slots, markup);
    let markup = start..markup.len();
    let exp = exp(case, offer.imp);
    (!markup.is_empty()).then_some(Ad {
        creative: offer.creative,
        size: *size,
        markup,
        notices: written.notices,
        exp,
    })
}
