//! Eighth stage: the best offers become ads: a product is chosen, links are sealed, markup is filled.
//!
//! Every imp gets its own winner; an advertiser has one imp of a request unless it says more, and no
//! product is shown twice. Two seals a bid: one for the exchange's notices, one for the markup.

use std::ops::Range;

use super::narrow::Narrowed;
use super::pace::{capped, reached};
use super::{Case, Furthest, Known, Trace};
use crate::base::id::ProductKey;
use crate::base::limits::IMPS_MAX;
use crate::base::money::{Conversion, Currency};
use crate::base::seal::Audience;
use crate::model::advertiser::Shop;
use crate::model::choice::{Chosen, Shelves};
use crate::model::hold::BudgetHold;
use crate::model::links::{Sealing, nonce};
use crate::model::offer::Offer;
use crate::model::outcome::{NoBid, Pick};
use crate::model::profile::cart;
use crate::model::template::Slots;
use crate::model::ticket::Ticket;
use crate::model::told::Detail;
use crate::openrtb::markup::{Made, Memory, Order};
use crate::openrtb::request::Imp;

/// One rendered ad; ranges into the buffers of [`Ads`].
#[derive(Clone, Debug, Default)]
pub struct Ad {
    /// Index of the creative in its advertiser.
    pub creative: u32,
    /// What the answer says of it.
    pub made: Made,
    /// The markup, as the form of the answer has it.
    pub markup: Range<usize>,
    /// `nurl`, `burl` and `lurl`.
    pub notices: [Range<usize>; 3],
    /// The pixel's address.
    pub pixel: Range<usize>,
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
    memory: Memory,
}

/// Fills `picks` and `ads`.
#[allow(clippy::too_many_arguments)]
pub fn render<T: Trace>(
    case: &Case<'_>,
    known: &mut Known,
    narrowed: &mut Narrowed,
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
    let slots: usize = case.request.imps.iter().map(Imp::slots).sum();
    while let Some(rank) = narrowed.ranks.pop()
        && picks.len() < slots
    {
        let offer = &mut narrowed.offers[usize::from(rank.offer)];
        let Some(shop) = case.world.shop(offer.shop) else { continue };
        let nth = picks.iter().filter(|pick| pick.imp == offer.imp).count();
        offer.slot = offer.imp + (IMPS_MAX * nth) as u16;
        let (offer, imp_taken) = (&*offer, is_taken(case, offer, picks, &ads.list));
        let of_shop = picks.iter().filter(|pick| pick.advertiser == offer.shop);
        let (imps, held) = of_shop.fold((0, BudgetHold::NONE), |(n, sum), pick| (n + 1, sum + pick.hold));
        if imp_taken || imps >= shop.advertiser.per_request || !has_hold_left(known, shop, offer, picks) {
            continue;
        }
        // Imps of one answer share one view of caps.
        if let Some((cap, shown)) = reached(case, known, &shop.advertiser, offer, picks) {
            furthest.note(NoBid::Frequency);
            trace.dropped(offer.no, NoBid::Frequency, || capped(offer, cap, shown, true));
            continue;
        }
        let mut pick = pick(case, known, shop, offer, currency);
        let room = narrowed.candidates[usize::from(offer.candidate)].room;
        if let Some(room) = room.filter(|room| !room.fits(held + pick.hold)) {
            furthest.note(NoBid::Budget);
            trace.dropped(offer.no, NoBid::Budget, || Detail::Budget {
                left: room.full,
                wanted: (held + pick.hold).full,
                beside: held != BudgetHold::NONE,
            });
            continue;
        }
        let Some(chosen) = choose(case, known, shop, offer, &ads.shown) else {
            furthest.note(NoBid::NoProduct);
            trace.dropped(offer.no, NoBid::NoProduct, || Detail::Plain);
            continue;
        };
        pick.product = chosen.first().map_or(ProductKey::NONE, |product| product.key);
        match write_ad(case, shop, offer, &chosen, &pick, currency, ads) {
            Ok(ad) => {
                ads.list.push(ad);
                ads.shown.extend(chosen.iter().map(|product| product.key));
                picks.push(pick);
            }
            Err(asset) => {
                furthest.note(NoBid::NoCreative);
                let creative = offer.creative;
                trace.dropped(offer.no, NoBid::NoCreative, || Detail::Unrendered { creative, asset });
            }
        }
    }
    if picks.is_empty() { Err(furthest.0) } else { Ok(()) }
}

/// Whether an imp has its bid; a pod has room for others of its kind, each of another advertiser.
fn is_taken(case: &Case<'_>, offer: &Offer, picks: &[Pick], ads: &[Ad]) -> bool {
    let imp = |imp: u16| &case.request.imps[usize::from(imp)];
    let same = |pick: &Pick| imp(pick.imp).id.raw() == imp(offer.imp).id.raw();
    let (mut count, mut seconds, mut fits) = (0, 0, true);
    for (pick, ad) in picks.iter().zip(ads).filter(|(pick, _)| same(pick)) {
        (count, seconds) = (count + 1, seconds + ad.made.plays.map_or(0, |(_, seconds)| seconds));
        fits &= pick.advertiser != offer.shop && ad.made.format == offer.format;
    }
    let has_room = || {
        imp(offer.imp)
            .player(offer.format)
            .is_some_and(|player| player.has_room(count, seconds, offer.seconds))
    };
    count > 0 && !(fits && has_room())
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

fn pick(case: &Case<'_>, known: &Known, shop: &Shop, offer: &Offer, currency: Currency) -> Pick {
    let exchange = case.exchange;
    let is_late = case.request.is_shown_late(offer.imp, offer.format);
    let cap_hold_s = exchange.cap_hold_s.of(offer.format, is_late);
    let mut pick = Pick {
        imp: offer.imp,
        exchange: exchange.no,
        advertiser: offer.shop,
        advertiser_book: shop.advertiser.book,
        campaign: offer.no,
        campaign_index: offer.campaign,
        creative: offer.creative_no,
        product: ProductKey::NONE,
        user: known.key,
        tag: Ticket::tag(&nonce(case.ask.seed, offer.slot, Audience::Notice)),
        price: offer.terms.price,
        hold: BudgetHold::NONE,
        share: case.state.books.share(offer.no, exchange.no, case.ask.now.to_secs()),
        at: case.ask.now.to_secs(),
        hold_s: exp(case, offer) + exchange.notice_grace_s,
        cap_hold_s: if is_capped(shop, offer) { cap_hold_s } else { 0 },
        deal: offer.terms.deal,
        placement: offer.placement,
        test: case.request.test,
        tracked: known.tracked,
        place: case.attributes().place(),
    };
    pick.hold = ticket(case, shop, &pick, currency).hold(shop.advertiser.fee, exchange.discrepancy);
    pick
}

/// Seconds between auction and impression: the exchange's for the kind of ad, cut by `imp.exp`.
fn exp(case: &Case<'_>, offer: &Offer) -> u32 {
    let own = case
        .exchange
        .exp_s
        .of(offer.format, case.request.is_shown_late(offer.imp, offer.format));
    let asked = case.request.imps[usize::from(offer.imp)].exp_s();
    asked.map_or(own, |asked| own.min(asked))
}

fn ticket(case: &Case<'_>, shop: &Shop, pick: &Pick, currency: Currency) -> Ticket {
    let identity = Conversion { from: 1, to: 1 };
    Ticket {
        exchange: pick.exchange,
        test: pick.test,
        tracked: pick.tracked,
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
        share: pick.share,
        place: pick.place,
    }
}

/// Writes the links and the markup; what fails names the native asset at fault, if one is.
fn write_ad(
    case: &Case<'_>,
    shop: &Shop,
    offer: &Offer,
    chosen: &Chosen<'_>,
    pick: &Pick,
    currency: Currency,
    ads: &mut Ads,
) -> Result<Ad, Option<i64>> {
    let Ads { links, markup, memory, .. } = ads;
    let ticket = ticket(case, shop, pick, currency);
    let sealing = Sealing {
        key: case.world.seals.current(case.ask.inert),
        seed: case.ask.seed,
        slot: offer.slot,
        url: &case.world.public_url,
        forms: &case.exchange.links,
    };
    let further = chosen.iter().skip(1).map(|product| product.key);
    let written = sealing.write(&ticket.write(), &ticket.write_view(further), links);
    let order = Order {
        imp: &case.request.imps[usize::from(offer.imp)],
        advertiser: &shop.advertiser,
        creative: shop.advertiser.creatives.get(offer.creative as usize).ok_or(None)?,
        size: usize::from(offer.size),
        slots: Slots {
            products: chosen,
            now: case.ask.now,
            click: written.click(links, sealing.forms),
            pixel: &links[written.pixel.clone()],
        },
        view: (&case.world.public_url, &links[written.view]),
        tag: pick.tag,
        quoting: case.ask.form.quoting(),
    };
    let start = markup.len();
    let made = order.write(memory, markup)?;
    Ok(Ad {
        creative: offer.creative,
        made,
        markup: start..markup.len(),
        notices: written.notices,
        pixel: written.pixel,
        exp: exp(case, offer),
    })
}
