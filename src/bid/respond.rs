//! Ninth stage: the OpenRTB answer (2.6 §7, contract §6), written straight into the buffer that goes
//! to the socket.
//!
//! Assumes that picks and ads belong together. Never fails and decides nothing.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

use super::Case;
use super::narrow::seat;
use super::render::{Ad, Ads};
use crate::base::hash::mix;
use crate::base::money::Currency;
use crate::model::advertiser::{Shop, Size};
use crate::model::outcome::Pick;
use crate::openrtb::json::{Text, write_string};

/// Writes the answer: one `seatbid` for each seat.
pub fn respond(case: &Case<'_>, currency: Currency, picks: &[Pick], ads: &Ads, out: &mut BytesMut) {
    out.put_slice(b"{\"id\":");
    echo(out, case.request.id);
    let bidid = mix(case.ask.seed as u64 ^ (case.ask.seed >> 64) as u64);
    let _ = write!(out, ",\"bidid\":\"{bidid:016x}\",\"cur\":\"{currency}\",\"seatbid\":[");
    let shop_of = |pick: &Pick| case.world.shop(pick.advertiser);
    let seat_of = |pick: &Pick| shop_of(pick).map_or("", |shop| seat(case, &shop.advertiser));
    let mut first_seat = true;
    for (at, pick) in picks.iter().enumerate() {
        let name = seat_of(pick);
        if picks[..at].iter().any(|before| seat_of(before) == name) {
            continue;
        }
        comma(out, &mut first_seat);
        out.put_slice(b"{");
        if !name.is_empty() {
            out.put_slice(b"\"seat\":");
            write_string(name, out);
            out.put_slice(b",");
        }
        out.put_slice(b"\"bid\":[");
        let mut first_bid = true;
        for (pick, ad) in picks.iter().zip(&ads.list).skip(at).filter(|(pick, _)| seat_of(pick) == name) {
            if let Some(shop) = shop_of(pick) {
                comma(out, &mut first_bid);
                bid(case, shop, pick, ad, ads, out);
            }
        }
        out.put_slice(b"]}");
    }
    out.put_slice(b"]}");
}

fn bid(case: &Case<'_>, shop: &Shop, pick: &Pick, ad: &Ad, ads: &Ads, out: &mut BytesMut) {
    let advertiser = &shop.advertiser;
    let creative = &advertiser.creatives[ad.creative as usize];
    let _ = write!(out, "{{\"id\":\"{:016x}\",\"impid\":", pick.tag.0);
    echo(out, case.request.imps[usize::from(pick.imp)].id);
    let _ = write!(out, ",\"price\":{}", pick.price);
    field(out, "adid", &creative.id);
    field(out, "cid", &advertiser.campaigns[pick.campaign_index as usize].id);
    field(out, "crid", &creative.crid);
    out.put_slice(b",\"adomain\":[");
    write_string(&advertiser.domain, out);
    out.put_slice(b"]");
    if !advertiser.categories.is_empty() {
        list(out, "cat", &advertiser.categories);
        let _ = write!(out, ",\"cattax\":{}", advertiser.cattax);
    }
    let mut before = ",\"attr\":[";
    for attr in creative.attr.iter().filter(|attr| ad.made.shows(**attr)) {
        let _ = write!(out, "{before}{attr}");
        before = ",";
    }
    out.put_slice(if before == "," { b"]" } else { b"" });
    if let Some(Size { w, h }) = ad.made.size {
        let _ = write!(out, ",\"w\":{w},\"h\":{h}");
    }
    if let Some((vast, seconds)) = ad.made.plays {
        let _ = write!(out, ",\"protocol\":{},\"dur\":{seconds}", vast.protocol());
    }
    let _ = write!(out, ",\"mtype\":{}", ad.made.mtype());
    let picture = shop.catalog.get(pick.product).map(|product| &*product.image_link);
    if let Some(picture) = picture.or(advertiser.logo_url.as_deref()) {
        field(out, "iurl", picture);
    }
    for (name, range) in ["nurl", "burl", "lurl"].into_iter().zip(&ad.notices) {
        field(out, name, text(&ads.links[range.clone()]));
    }
    field(out, "adm", text(&ads.markup[ad.markup.clone()]));
    field(out, "language", advertiser.language.split('-').next().unwrap_or("en"));
    let _ = write!(out, ",\"exp\":{}}}", ad.exp);
}

/// A text of the request, given back as it came: raw text is valid within quotes.
fn echo(out: &mut BytesMut, text: Text<'_>) {
    out.put_u8(b'"');
    out.put_slice(text.raw());
    out.put_u8(b'"');
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

fn field(out: &mut BytesMut, name: &str, value: &str) {
    out.put_slice(b",\"");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\":");
    write_string(value, out);
}

fn list(out: &mut BytesMut, name: &str, values: &[String]) {
    let _ = write!(out, ",\"{name}\":[");
    let mut first = true;
    for value in values {
        comma(out, &mut first);
        write_string(value, out);
    }
    out.put_slice(b"]");
}

fn comma(out: &mut BytesMut, first: &mut bool) {
    if !std::mem::replace(first, false) {
        out.put_u8(b',');
    }
}
