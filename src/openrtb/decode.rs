//! Bytes to an [`Opportunity`]: one pass over the body, leniently, without allocation; JSON and protobuf by
//! the same readers.
//!
//! Reads what can be made out and takes the rest as absent: numbers as text and text as numbers,
//! booleans as 0 and 1, one value for an array and the reverse, 2.5 and 2.6 places. Of duplicate keys
//! the last wins, but for privacy signals, of which the stricter does. Decides nothing about the
//! request, and never reads an id's meaning.

mod regs;
mod unreadable;

use crate::base::limits::IMPS_MAX;
use crate::base::money::Money;
use crate::openrtb::floor::{currency_of, floor_of};
use crate::openrtb::json::{Fault, Scan, Scanner, Text, eids, resolved};
use crate::openrtb::protobuf::{self, Wire};
use crate::openrtb::request::{Banner, Device, Imp, Opportunity, Place, User};
use crate::openrtb::response::Form;
use crate::openrtb::source::Source;
use regs::{Regs, regs};
pub use unreadable::Unreadable;

/// The byte order mark, which some libraries write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Memory that requests are read with, one after the other.
#[derive(Debug, Default)]
pub struct Memory {
    resolved: Vec<u8>,
    wire: protobuf::Memory,
}

/// Reads a bid request in either form, needless escapes resolved, into `ask`, as [`decode_into`] does.
pub fn read<'b>(form: Form, body: &'b [u8], memory: &'b mut Memory, ask: &mut Opportunity<'b>) -> Result<(), Unreadable> {
    match form {
        Form::Json => decode_into(resolved(body, &mut memory.resolved), ask),
        Form::Protobuf => {
            wire_into(body, &mut memory.wire, ask)?;
            answerable(ask)
        }
    }
}

/// Empties a vector of imps and lends its memory to the next body.
pub fn recycle<'b>(mut imps: Vec<Imp<'_>>) -> Vec<Imp<'b>> {
    imps.clear();
    imps.into_iter().map(|_| Imp::default()).collect()
}

/// Reads a bid request. `imps` lends its memory, see [`recycle`]; on an error that memory is lost,
/// which [`decode_into`] avoids.
pub fn decode<'b>(body: &'b [u8], imps: Vec<Imp<'b>>) -> Result<Opportunity<'b>, Unreadable> {
    let mut ask = Opportunity {
        imps,
        ..Opportunity::default()
    };
    decode_into(body, &mut ask)?;
    Ok(ask)
}

/// Reads a bid request into `ask`, which must be as [`Opportunity::default`] makes it, but for the
/// memory of `imps`. After an error the rest of `ask` means nothing.
pub fn decode_into<'b>(body: &'b [u8], ask: &mut Opportunity<'b>) -> Result<(), Unreadable> {
    ask.imps.clear();
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let marked = body.len() - text.len();
    let is_object = document(text, ask).map_err(|fault| match fault {
        Fault::Syntax(at) => Unreadable::NotJson { offset: at + marked },
        Fault::Depth(at) => Unreadable::TooDeep { offset: at + marked },
    })?;
    if is_object { answerable(ask) } else { Err(Unreadable::NotAnObject) }
}

/// Whether there is what every answer names.
fn answerable(ask: &Opportunity<'_>) -> Result<(), Unreadable> {
    if ask.id.is_empty() {
        Err(Unreadable::NoId)
    } else if ask.imps.is_empty() {
        Err(Unreadable::NoImp)
    } else {
        Ok(())
    }
}

fn wire_into<'b>(body: &'b [u8], memory: &'b mut protobuf::Memory, ask: &mut Opportunity<'b>) -> Result<(), Unreadable> {
    ask.imps.clear();
    let mut wire = Wire::new(body, memory);
    if request(&mut wire, ask).is_ok() {
        return Ok(());
    }
    let mut wire = wire.again(body)?;
    *ask = Opportunity {
        imps: std::mem::take(&mut ask.imps),
        ..Opportunity::default()
    };
    ask.imps.clear();
    request(&mut wire, ask).map_err(|_| wire.unreadable())
}

/// Places of which only one is used in the end.
#[derive(Default)]
struct Rivals<'b> {
    site: Option<Found<'b>>,
    app: Option<Found<'b>>,
    dooh: Option<Found<'b>>,
    here: Geo<'b>,
    home: Geo<'b>,
    regs: Regs<'b>,
    regs_ext: Regs<'b>,
    consent_ext: Text<'b>,
    eids_ext: &'b str,
    sua_ext: &'b [u8],
    /// `source.schain`, `source.ext.schain`, `ext.schain`.
    schain: [Option<bool>; 3],
}

/// A `site`, `app` or `dooh`, and whether it says anything.
struct Found<'b> {
    place: Place<'b>,
    filled: bool,
}

#[derive(Default)]
struct Geo<'b> {
    country: Text<'b>,
    region: Text<'b>,
    city: Text<'b>,
    utcoffset: Option<i64>,
}

fn document<'b>(body: &'b [u8], ask: &mut Opportunity<'b>) -> Result<bool, Fault> {
    let mut scanner = Scanner::of_bytes(body)?;
    let is_object = scanner.peek() == Some(b'{');
    let read = if is_object { request(&mut scanner, ask) } else { scanner.skip() };
    read.and_then(|()| scanner.end()).map_err(|_| scanner.fault())?;
    Ok(is_object)
}

fn request<'b>(s: &mut impl Source<'b>, ask: &mut Opportunity<'b>) -> Scan {
    let mut rivals = Rivals::default();
    members(s, ask, &mut rivals)?;
    settle(ask, rivals);
    Ok(())
}

fn members<'b>(s: &mut impl Source<'b>, ask: &mut Opportunity<'b>, rivals: &mut Rivals<'b>) -> Scan<bool> {
    s.object(|s, key| match key {
        b"id" => s.scalar().map(|text| ask.id = text),
        b"imp" => imps(s, ask),
        b"test" => s.flag().map(|set| ask.test = set),
        b"at" => s.integer().map(|n| ask.at = n),
        b"tmax" => s.integer().map(|n| ask.tmax = n),
        b"cur" => s.list().map(|list| ask.cur = list),
        b"wseat" => s.list().map(|list| ask.wseat = list),
        b"bseat" => s.list().map(|list| ask.bseat = list),
        b"acat" => s.list().map(|list| ask.acat = list),
        b"bcat" => s.list().map(|list| ask.bcat = list),
        b"cattax" => s.integer().map(|n| ask.cattax = n),
        b"badv" => s.list().map(|list| ask.badv = list),
        b"bapp" => s.list().map(|list| ask.bapp = list),
        b"wlang" => s.list().map(|list| ask.wlang = list),
        b"wlangb" => s.list().map(|list| ask.wlangb = list),
        b"site" => place(s).map(|found| rivals.site = found),
        b"app" => place(s).map(|found| rivals.app = found),
        b"dooh" => place(s).map(|found| rivals.dooh = found),
        b"device" => device(s, ask, rivals),
        b"user" => user(s, ask, rivals),
        b"regs" => regs(s, &mut ask.signals, rivals),
        b"source" => source(s, rivals),
        b"ext" => request_ext(s, ask, rivals),
        _ => s.skip(),
    })
}

/// Chooses between rival places.
fn settle<'b>(ask: &mut Opportunity<'b>, rivals: Rivals<'b>) {
    let Rivals {
        site,
        app,
        dooh,
        here,
        home,
        regs,
        regs_ext,
        ..
    } = rivals;
    let app_wins = match (&app, &site) {
        (Some(app), Some(site)) => app.filled || !site.filled,
        (app, _) => app.is_some(),
    };
    if let Some(found) = if app_wins { app } else { site.or(dooh) } {
        ask.place = Place {
            is_app: app_wins,
            ..found.place
        };
    }

    // The parts of two geos are mixed only where they cannot be of two countries.
    let mixable = here.country.is_empty() || home.country.is_empty() || same_text(here.country, home.country);
    let home = if mixable { home } else { Geo::default() };
    ask.device.country = here.country.or(home.country);
    ask.device.region = here.region.or(home.region);
    ask.device.city = here.city.or(home.city);
    ask.device.utcoffset = here.utcoffset.or(home.utcoffset);

    ask.signals.gdpr = regs.gdpr.or(regs_ext.gdpr);
    ask.signals.us_privacy = regs.us_privacy.or(regs_ext.us_privacy);
    ask.signals.gpp = regs.gpp.or(regs_ext.gpp);
    ask.signals.gpp_sid = regs.gpp_sid.or(regs_ext.gpp_sid);

    ask.user.consent = ask.user.consent.or(rivals.consent_ext);
    if ask.device.sua.is_empty() {
        ask.device.sua = rivals.sua_ext;
    }
    let eids_ext = rivals.eids_ext.as_bytes();
    if !eids_ext.is_empty() && eids(ask.user.eids).next().is_none() {
        ask.user.eids = eids_ext;
    }
    ask.schain_complete = rivals.schain.into_iter().flatten().next();
}

fn same_text(one: Text<'_>, other: Text<'_>) -> bool {
    one.raw().eq_ignore_ascii_case(other.raw())
}

fn place<'b>(s: &mut impl Source<'b>) -> Scan<Option<Found<'b>>> {
    let (mut place, mut filled) = (Place::default(), false);
    let found = s.object(|s, key| {
        filled = true;
        match key {
            b"domain" => s.text().map(|text| place.domain = text),
            b"page" => s.text().map(|text| place.page = text),
            b"bundle" => s.text().map(|text| place.bundle = text),
            b"cat" => s.list().map(|list| place.cat = list),
            b"sectioncat" => s.list().map(|list| place.sectioncat = list),
            b"pagecat" => s.list().map(|list| place.pagecat = list),
            b"publisher" => member(s, "id", |s| s.text()).map(|text| place.publisher = text),
            _ => s.skip(),
        }
    })?;
    Ok(found.then_some(Found { place, filled }))
}

/// The one member that matters of the object that comes next.
fn member<'b, S: Source<'b>, T: Default>(s: &mut S, name: &str, mut read: impl FnMut(&mut S) -> Scan<T>) -> Scan<T> {
    let mut value = T::default();
    s.object(|s, key| match key == name.as_bytes() {
        true => read(s).map(|read| value = read),
        false => s.skip(),
    })?;
    Ok(value)
}

fn device<'b>(s: &mut impl Source<'b>, ask: &mut Opportunity<'b>, rivals: &mut Rivals<'b>) -> Scan {
    let (mut device, signals) = (Device::default(), &mut ask.signals);
    let (mut ipv6, mut langb) = (Text::default(), Text::default());
    (rivals.here, rivals.sua_ext) = Default::default();
    s.object(|s, key| match key {
        b"ua" => s.text().map(|text| device.ua = text),
        b"ip" => s.text().map(|text| device.ip = text),
        b"ipv6" => s.text().map(|text| ipv6 = text),
        b"devicetype" => s.integer().map(|n| device.devicetype = n),
        b"os" => s.text().map(|text| device.os = text),
        b"language" => s.text().map(|text| device.language = text),
        b"langb" => s.text().map(|text| langb = text),
        b"ifa" => s.text().map(|text| device.ifa = text),
        b"lmt" => s.flag().map(|set| signals.lmt |= set),
        b"dnt" => s.flag().map(|set| signals.dnt |= set),
        b"geo" => geo(s).map(|geo| rivals.here = geo),
        b"sua" => s.raw().map(|raw| device.sua = raw.as_bytes()),
        b"ext" => member(s, "sua", |s| s.raw()).map(|raw| rivals.sua_ext = raw.as_bytes()),
        _ => s.skip(),
    })?;
    device.ip = device.ip.or(ipv6);
    device.language = device.language.or(langb);
    ask.device = device;
    Ok(())
}

fn geo<'b>(s: &mut impl Source<'b>) -> Scan<Geo<'b>> {
    let mut geo = Geo::default();
    s.object(|s, key| match key {
        b"country" => s.text().map(|text| geo.country = text),
        b"region" => s.text().map(|text| geo.region = text),
        b"city" => s.text().map(|text| geo.city = text),
        b"utcoffset" => s.integer().map(|n| geo.utcoffset = n),
        _ => s.skip(),
    })?;
    Ok(geo)
}

fn user<'b>(s: &mut impl Source<'b>, ask: &mut Opportunity<'b>, rivals: &mut Rivals<'b>) -> Scan {
    let mut user = User::default();
    (rivals.home, rivals.consent_ext, rivals.eids_ext) = Default::default();
    s.object(|s, key| match key {
        b"id" => s.text().map(|text| user.id = text),
        b"buyeruid" => s.text().map(|text| user.buyeruid = text),
        b"consent" => s.text().map(|text| user.consent = text),
        b"eids" => s.raw().map(|raw| user.eids = raw.as_bytes()),
        b"geo" => geo(s).map(|geo| rivals.home = geo),
        b"ext" => user_ext(s, rivals),
        _ => s.skip(),
    })?;
    ask.user = user;
    Ok(())
}

fn user_ext<'b>(s: &mut impl Source<'b>, rivals: &mut Rivals<'b>) -> Scan {
    (rivals.consent_ext, rivals.eids_ext) = Default::default();
    s.object(|s, key| match key {
        b"consent" => s.text().map(|text| rivals.consent_ext = text),
        b"eids" => s.raw().map(|raw| rivals.eids_ext = raw),
        _ => s.skip(),
    })
    .map(drop)
}

fn request_ext<'b>(s: &mut impl Source<'b>, ask: &mut Opportunity<'b>, rivals: &mut Rivals<'b>) -> Scan {
    (rivals.schain[2], ask.feedback) = Default::default();
    s.object(|s, key| match key {
        b"schain" => schain(s).map(|complete| rivals.schain[2] = complete),
        b"bid_feedback" => s.raw().map(|raw| ask.feedback = raw.as_bytes()),
        b"privacy_treatments" => non_personalized(s).map(|named| ask.signals.non_personalized |= named),
        _ => s.skip(),
    })
    .map(drop)
}

/// Whether a reason is named; 0 stands for none.
fn non_personalized<'b>(s: &mut impl Source<'b>) -> Scan<bool> {
    let reasons = member(s, "non_personalized_ads_reason", |s| s.list())?;
    Ok(reasons.integers().any(|reason| reason != 0))
}

fn source<'b>(s: &mut impl Source<'b>, rivals: &mut Rivals<'_>) -> Scan {
    rivals.schain[..2].fill(None);
    s.object(|s, key| match key {
        b"schain" => schain(s).map(|complete| rivals.schain[0] = complete),
        b"ext" => schain_in(s).map(|complete| rivals.schain[1] = complete),
        _ => s.skip(),
    })
    .map(drop)
}

fn schain_in<'b>(s: &mut impl Source<'b>) -> Scan<Option<bool>> {
    member(s, "schain", schain)
}

fn schain<'b>(s: &mut impl Source<'b>) -> Scan<Option<bool>> {
    member(s, "complete", |s| s.integer()).map(|n| n.map(|n| n == 1))
}

fn imps<'b>(s: &mut impl Source<'b>, ask: &mut Opportunity<'b>) -> Scan {
    ask.imps.clear();
    ask.imps_dropped = 0;
    s.objects(|s| {
        if ask.imps.len() >= IMPS_MAX {
            ask.imps_dropped += 1;
            return s.skip();
        }
        let imp = imp(s)?;
        // Without an id it cannot be answered.
        if imp.id.is_present() {
            ask.imps.push(imp);
        }
        Ok(())
    })
    .map(drop)
}

fn imp<'b>(s: &mut impl Source<'b>) -> Scan<Imp<'b>> {
    let (mut imp, mut currency) = (Imp::default(), Text::default());
    s.object(|s, key| match key {
        b"id" => s.scalar().map(|text| imp.id = text),
        b"banner" => banner(s).map(|banner| imp.banner = banner),
        b"video" => raw_object(s).map(|raw| imp.video = raw),
        b"audio" => raw_object(s).map(|raw| imp.audio = raw),
        b"native" => raw_object(s).map(|raw| imp.native = raw),
        b"bidfloor" => s.text().map(|text| imp.floor = floor_of(text)),
        b"bidfloorcur" => s.text().map(|text| currency = text),
        b"tagid" => s.text().map(|text| imp.tagid = text),
        b"exp" => s.integer().map(|n| imp.exp = n),
        b"instl" => s.flag().map(|set| imp.interstitial = set),
        b"rwdd" => s.flag().map(|set| imp.rewarded |= set),
        b"secure" => s.flag().map(|set| imp.secure = set),
        b"qty" => member(s, "multiplier", |s| s.text()).map(|text| imp.multiplied = is_multiple(text)),
        b"pmp" => pmp(s, &mut imp),
        b"ext" => imp_ext(s, &mut imp),
        _ => s.skip(),
    })?;
    imp.floor_currency = currency_of(currency);
    Ok(imp)
}

fn pmp<'b>(s: &mut impl Source<'b>, imp: &mut Imp<'b>) -> Scan {
    (imp.private_auction, imp.deals) = Default::default();
    s.object(|s, key| match key {
        b"private_auction" => s.flag().map(|set| imp.private_auction = set),
        b"deals" => s.raw().map(|raw| imp.deals = raw.as_bytes()),
        _ => s.skip(),
    })
    .map(drop)
}

/// Whether one win is so many impressions; one where nothing is said.
fn is_multiple(text: Text<'_>) -> bool {
    floor_of(text).is_some_and(|times| times != Money::units(1))
}

fn imp_ext<'b>(s: &mut impl Source<'b>, imp: &mut Imp<'b>) -> Scan {
    (imp.gpid, imp.excluded_creatives) = Default::default();
    (imp.billing_ids, imp.vendor_types, imp.restricted_categories) = Default::default();
    s.object(|s, key| match key {
        b"gpid" => s.text().map(|text| imp.gpid = text),
        b"excluded_creatives" => s.raw().map(|raw| imp.excluded_creatives = raw.as_bytes()),
        b"billing_id" => s.list().map(|list| imp.billing_ids = list),
        b"allowed_vendor_type" => s.list().map(|list| imp.vendor_types = list),
        b"allowed_restricted_category" => s.list().map(|list| imp.restricted_categories = list),
        b"is_rewarded_inventory" => s.flag().map(|set| imp.rewarded |= set),
        b"prebid" => member(s, "is_rewarded_inventory", |s| s.flag()).map(|set| imp.rewarded |= set),
        _ => s.skip(),
    })
    .map(drop)
}

/// An object, or an array with one in it, to be read when it is asked for; anything else is absent.
fn raw_object<'b>(s: &mut impl Source<'b>) -> Scan<&'b str> {
    let raw = s.raw()?;
    Ok(if raw.starts_with(['{', '[']) && raw.contains('{') {
        raw
    } else {
        ""
    })
}

fn banner<'b>(s: &mut impl Source<'b>) -> Scan<Option<Banner<'b>>> {
    let mut banner = Banner::default();
    let found = s.object(|s, key| match key {
        b"format" => s.raw().map(|raw| banner.format = raw.as_bytes()),
        b"w" => s.integer().map(|n| banner.w = n),
        b"h" => s.integer().map(|n| banner.h = n),
        b"wmin" => s.integer().map(|n| banner.wmin = n),
        b"hmin" => s.integer().map(|n| banner.hmin = n),
        b"wmax" => s.integer().map(|n| banner.wmax = n),
        b"hmax" => s.integer().map(|n| banner.hmax = n),
        b"battr" => s.list().map(|list| banner.battr = list),
        b"mimes" => s.list().map(|list| banner.mimes = list),
        b"btype" => s.list().map(|list| banner.btype = list),
        b"api" => s.list().map(|list| banner.api = list),
        _ => s.skip(),
    })?;
    Ok(found.then_some(banner))
}

#[cfg(test)]
mod tests;
