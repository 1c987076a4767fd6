//! Ninth stage: the OpenRTB answer (2.6 §7, contract §6), written straight into the buffer that goes
//! to the socket, in the form of the request.
//!
//! Assumes that picks and ads belong together. Never fails and decides nothing.

use bytes::BytesMut;

use super::Case;
use super::narrow::seat;
use super::render::{Ad, Ads};
use crate::base::hash::mix;
use crate::base::money::Currency;
use crate::model::advertiser::{Shop, Size};
use crate::model::outcome::Pick;
use crate::model::targeting::Format;
use crate::openrtb::deals::deal_id;
use crate::openrtb::extension::{Told, answered};
use crate::openrtb::response::{Field, Form, Json, Protobuf, Writer, answer, bid as field, seat as of_seat};
use crate::openrtb::slot::ratio_of;

/// Writes the answer: one `seatbid` for each seat.
pub fn respond(case: &Case<'_>, currency: Currency, picks: &[Pick], ads: &Ads, out: &mut BytesMut) {
    match case.ask.form {
        Form::Json => Json::document(out, |json| whole(case, currency, picks, ads, json)),
        Form::Protobuf => whole(case, currency, picks, ads, &mut Protobuf(out)),
    }
}

fn whole(case: &Case<'_>, currency: Currency, picks: &[Pick], ads: &Ads, out: &mut impl Writer) {
    out.echo(answer::ID, case.request.id);
    out.hex(answer::BIDID, mix(case.ask.seed as u64 ^ (case.ask.seed >> 64) as u64));
    out.text(answer::CUR, currency.as_str());
    answered(case.exchange, case.ask.waited_ms, out);
    let shop_of = |pick: &Pick| case.world.shop(pick.advertiser);
    let seat_of = |pick: &Pick| shop_of(pick).map_or("", |shop| seat(case, &shop.advertiser));
    let is_first = |at: usize| !picks[..at].iter().any(|before| seat_of(before) == seat_of(&picks[at]));
    out.messages(answer::SEATBID, (0..picks.len()).filter(|at| is_first(*at)), |out, at| {
        let name = seat_of(&picks[at]);
        if !name.is_empty() {
            out.text(of_seat::SEAT, name);
        }
        let of_same = picks.iter().zip(&ads.list).skip(at).filter(|(pick, _)| seat_of(pick) == name);
        let bids = of_same.filter_map(|(pick, ad)| Some((shop_of(pick)?, pick, ad)));
        out.messages(of_seat::BID, bids, |out, (shop, pick, ad)| bid(case, shop, pick, ad, ads, out));
    });
}

fn bid(case: &Case<'_>, shop: &Shop, pick: &Pick, ad: &Ad, ads: &Ads, out: &mut impl Writer) {
    let advertiser = &shop.advertiser;
    let creative = &advertiser.creatives[ad.creative as usize];
    let imp = &case.request.imps[usize::from(pick.imp)];
    let told = Told::of(case.exchange, advertiser, pick.campaign_index as usize, creative, imp);
    out.hex(field::ID, pick.tag.0);
    out.echo(field::IMPID, imp.id);
    out.amount(field::PRICE, pick.price);
    if let Some(id) = deal_id(imp, pick.deal) {
        out.echo(field::DEALID, id);
    }
    say(case, out, field::ADID, &creative.id);
    told.cid(out);
    say(case, out, field::CRID, &creative.crid);
    out.texts(field::ADOMAIN, [advertiser.domain.as_str()]);
    out.texts(field::CAT, advertiser.categories.iter().map(String::as_str));
    if !advertiser.categories.is_empty() {
        out.number(field::CATTAX, advertiser.cattax);
    }
    out.numbers(field::ATTR, creative.attr.iter().copied().filter(|attr| ad.made.shows(*attr)));
    out.numbers(field::APIS, ad.made.apis(imp, creative));
    if let Some(Size { w, h }) = ad.made.size {
        out.number(field::W, w);
        out.number(field::H, h);
    }
    if let Some((vast, seconds)) = ad.made.plays {
        out.number(field::PROTOCOL, vast.protocol());
        out.number(field::DUR, seconds);
    }
    out.number(field::MTYPE, ad.made.mtype());
    let asked = imp.banner.filter(|_| ad.made.format == Format::Banner).zip(ad.made.size);
    if let Some(sides) = asked.and_then(|(banner, size)| ratio_of(&banner, size)) {
        out.number(field::WRATIO, sides.w);
        out.number(field::HRATIO, sides.h);
    }
    let picture = shop.catalog.get(pick.product).map(|product| &*product.image_link);
    if let Some(picture) = picture.or(advertiser.logo_url.as_deref()) {
        say(case, out, field::IURL, picture);
    }
    for (notice, range) in [field::NURL, field::BURL, field::LURL].into_iter().zip(&ad.notices) {
        say(case, out, notice, text(&ads.links[range.clone()]));
    }
    out.ready(field::ADM, &ads.markup[ad.markup.clone()]);
    say(case, out, field::LANGUAGE, advertiser.language.split('-').next().unwrap_or("en"));
    out.number(field::EXP, ad.exp);
    let (pixel, dsa) = (text(&ads.links[ad.pixel.clone()]), case.request.signals.dsa);
    told.ext((ad.made.format, pixel), (dsa, &case.world.public_host), out);
}

/// A text, where the exchange does not read another meaning into its field.
fn say(case: &Case<'_>, out: &mut impl Writer, field: Field, value: &str) {
    if !case.exchange.omit.contains(&field.name()) {
        out.text(field, value);
    }
}

fn text(bytes: &[u8]) -> &str {
    simdutf8::basic::from_utf8(bytes).unwrap_or("")
}
