//! Seeded bid requests as several exchanges send them, cheap enough to make while they are sent.
//!
//! Assumes nothing of any bidder but how it may know a viewer: by `user.id`, which is [`known_uid`] of a
//! number below [`Mix::users`] for those a shop has told it of. The same mix gives the same bytes. Names
//! and addresses are of the documentation ranges; no request trips consent but the share that says so.

mod dialect;
mod frame;
mod stock;

pub use dialect::Dialect;
pub(super) use frame::decimal;

use super::request::{Offer, Slot};
use super::rng::Rng;
use crate::base::money::Money;
use crate::model::targeting::Format;
use frame::{Frame, Hole};
use stock::Size;

/// Sites of each dialect.
const SITES: usize = 160;
/// Apps of each dialect.
const APPS: usize = 60;
/// Placements of each list of sizes.
const PLACEMENTS: u64 = 4;
/// What stands for a consent string where GDPR applies.
const CONSENT: &[u8] =
    b"CQAbCdEfGhIjKlMnOpQrStUvWxYzABENBbFsAP_gAEPgAAqII7Nd_X__bX9j-_5_f_t0eY1P9_r_v-Qzjhfdt-8N2L_W_L0X_2E7NF36tq4KuR4ku3bBIQ";

/// What requests are like.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Viewers whom the bidder may know.
    pub users: u64,
    /// Requests in a hundred that are for one of them.
    pub known_percent: u64,
    /// Of the randomness.
    pub seed: u64,
    /// How often each dialect comes, in the order of [`Dialect::ALL`].
    pub dialects: [u64; 6],
    /// How often a placement is for each format, in the order of [`FORMATS`].
    pub formats: [u64; 3],
    /// Requests in a hundred that come from apps.
    pub app_percent: u64,
    /// Requests in a hundred where GDPR applies or tracking is limited.
    pub privacy_percent: u64,
    /// Auctions in a hundred at second price.
    pub second_price_percent: u64,
    /// Requests in a hundred with floors in euros.
    pub euro_percent: u64,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            users: 10_000,
            known_percent: 20,
            seed: 1,
            dialects: [26, 20, 22, 10, 16, 6],
            formats: [1, 0, 0],
            app_percent: 35,
            privacy_percent: 3,
            second_price_percent: 20,
            euro_percent: 4,
        }
    }
}

/// Formats that placements are for.
pub const FORMATS: [Format; 3] = [Format::Banner, Format::Native, Format::Video];

/// A format's name in tables and options.
pub const fn format_name(format: Format) -> &'static str {
    match format {
        Format::Banner => "banner",
        Format::Native => "native",
        Format::Video => "video",
        Format::Audio => "audio",
    }
}

/// What the exchange remembers of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its id, its auction and its placements.
    pub offer: Offer,
    /// The viewer's `user.id`.
    pub user: String,
    /// Whether a shop may have told the bidder of the viewer.
    pub known: bool,
    /// How it was written.
    pub dialect: Dialect,
    /// Whether it came from an app.
    pub is_app: bool,
    /// Whether GDPR applies or tracking is limited.
    pub private: bool,
}

/// The `user.id` of the `n`th known viewer.
pub fn known_uid(n: u64) -> String {
    format!("u{n}")
}

/// The generator.
#[derive(Debug)]
pub struct Traffic {
    mix: Mix,
    kits: Vec<Kit>,
    rng: Rng,
}

/// Frames of one dialect.
#[derive(Debug)]
struct Kit {
    dialect: Dialect,
    /// From sites and from apps.
    requests: [Frame; 2],
    sites: Vec<Frame>,
    apps: Vec<Frame>,
    /// Wide screens, phones, phones in apps.
    devices: [Vec<Frame>; 3],
    /// For the same three, of each list of sizes, [`PLACEMENTS`] each.
    imps: [Vec<Frame>; 3],
    /// For native ads and for spots, [`PLACEMENTS`] each.
    natives: Vec<Frame>,
    videos: Vec<Frame>,
}

const WIDE: usize = 0;
const IN_APP: usize = 2;

impl Kit {
    fn new(dialect: Dialect) -> Kit {
        let frame = |mut value| {
            if dialect == Dialect::Texts {
                frame::as_texts(&mut value);
            }
            Frame::of(&value)
        };
        let devices = |machines: &[stock::Machine], is_app| {
            let pairs = machines
                .iter()
                .flat_map(|machine| stock::CITIES.iter().map(move |city| (machine, city)));
            pairs
                .map(|(machine, city)| frame(dialect::device(dialect, machine, city, is_app)))
                .collect()
        };
        let imps = |sizes: &[(&'static [Size], u64)], is_app| {
            let each = sizes.iter().flat_map(|(sizes, _)| (0..PLACEMENTS).map(move |n| (*sizes, n)));
            each.map(|(sizes, n)| frame(dialect::imp(dialect, sizes, is_app, n))).collect()
        };
        let others = |format| (0..PLACEMENTS).map(|n| frame(dialect::imp_for(dialect, format, n))).collect();
        Kit {
            dialect,
            natives: others(Format::Native),
            videos: others(Format::Video),
            requests: [false, true].map(|is_app| frame(dialect::request(dialect, is_app))),
            sites: (0..SITES).map(|n| frame(dialect::site(dialect, n))).collect(),
            apps: (0..APPS).map(|n| frame(dialect::app(dialect, n))).collect(),
            devices: [
                devices(&stock::DESKTOPS, false),
                devices(&stock::PHONES, false),
                devices(&stock::PHONES, true),
            ],
            imps: [imps(&stock::WIDE, false), imps(&stock::NARROW, false), imps(&stock::NARROW, true)],
        }
    }
}

impl Traffic {
    /// Traffic of a mix, from its beginning.
    pub fn new(mix: &Mix) -> Traffic {
        Traffic {
            mix: mix.clone(),
            kits: Dialect::ALL.map(Kit::new).into(),
            rng: Rng::new(mix.seed),
        }
    }

    /// Writes the next request in place of what `body` holds.
    pub fn write_next(&mut self, body: &mut Vec<u8>) -> Asked {
        body.clear();
        let weights = self.mix.dialects.iter().copied();
        let kit = &self.kits[weighted(&mut self.rng, weights)];
        let mut draw = Draw::new(kit, &self.mix, &mut self.rng);
        let request = &kit.requests[usize::from(draw.asked.is_app)];
        request.write(body, |hole, out| draw.fill(hole, out));
        draw.asked
    }
}

/// An index, drawn by weight; 0 where there are none.
fn weighted(rng: &mut Rng, weights: impl Iterator<Item = u64> + Clone) -> usize {
    let mut left = rng.below(weights.clone().sum());
    for (at, weight) in weights.enumerate() {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return at,
        }
    }
    0
}

/// One request on its way onto paper.
struct Draw<'a> {
    kit: &'a Kit,
    rng: &'a mut Rng,
    asked: Asked,
    /// The frame and the floor in cents of each placement.
    slots: [(usize, u64); 3],
    /// The placement being written.
    slot: usize,
    screen: usize,
    euro: bool,
    gdpr: bool,
    lmt: bool,
}

impl<'a> Draw<'a> {
    fn new(kit: &'a Kit, mix: &Mix, rng: &'a mut Rng) -> Draw<'a> {
        let is_app = rng.chance(mix.app_percent);
        let screen = if is_app { IN_APP } else { WIDE + usize::from(rng.chance(45)) };
        let known = mix.users > 0 && rng.chance(mix.known_percent);
        let private = rng.chance(mix.privacy_percent);
        let gdpr = private && rng.chance(50);
        let mut draw = Draw {
            kit,
            asked: Asked {
                offer: Offer {
                    id: request_id(kit.dialect, rng),
                    at: if rng.chance(mix.second_price_percent) { 2 } else { 1 },
                    imps: Vec::with_capacity(3),
                },
                user: if known { known_uid(rng.below(mix.users)) } else { stranger(rng) },
                known,
                dialect: kit.dialect,
                is_app,
                private,
            },
            slots: [(0, 0); 3],
            slot: 0,
            screen,
            euro: rng.chance(mix.euro_percent),
            gdpr,
            lmt: private && !gdpr,
            rng,
        };
        draw.place(&mix.formats);
        draw
    }

    /// Draws the placements: most requests have one, those of apps always.
    fn place(&mut self, formats: &[u64; 3]) {
        let count = match self.rng.below(100) {
            _ if self.asked.is_app => 1,
            0..70 => 1,
            70..95 => 2,
            _ => 3,
        };
        let lists: &[(&'static [Size], u64)] = if self.screen == WIDE { &stock::WIDE } else { &stock::NARROW };
        for (n, slot) in self.slots.iter_mut().enumerate().take(count) {
            let list = weighted(self.rng, lists.iter().map(|(_, weight)| *weight));
            let cents = match self.rng.below(100) {
                0..4 => 0,
                4..7 => 150 + self.rng.below(450),
                // 0.10 to 1.50, the low ones likelier.
                _ => 10 + self.rng.below(141).min(self.rng.below(141)),
            };
            let placement = self.rng.below(PLACEMENTS) as usize;
            // Of banners alone nothing more is drawn.
            let format = match formats {
                [_, 0, 0] => Format::Banner,
                shares => FORMATS[weighted(self.rng, shares.iter().copied())],
            };
            let is_banner = format == Format::Banner;
            let frame = if is_banner { list * PLACEMENTS as usize } else { 0 } + placement;
            *slot = (frame, cents);
            self.asked.offer.imps.push(Slot {
                id: imp_id(self.kit.dialect, n),
                format,
                sizes: if is_banner { lists[list].0 } else { &[] },
                floor: Money(i128::from(cents) * 10_000_000),
            });
        }
    }

    fn fill(&mut self, hole: Hole, out: &mut Vec<u8>) {
        let kit = self.kit;
        match hole {
            Hole::Id => out.extend_from_slice(self.asked.offer.id.as_bytes()),
            Hole::Imps => self.imps(out),
            Hole::Place => {
                let places = if self.asked.is_app { &kit.apps } else { &kit.sites };
                self.one_of(places, out);
            }
            Hole::Device => self.one_of(&kit.devices[self.screen], out),
            Hole::Uid => out.extend_from_slice(self.asked.user.as_bytes()),
            Hole::ImpId => out.extend_from_slice(self.asked.offer.imps[self.slot].id.as_bytes()),
            Hole::Floor => {
                let cents = self.slots[self.slot].1;
                frame::decimal(out, cents / 100);
                let digit = |number: u64| b'0' + (number % 10) as u8;
                out.extend_from_slice(&[b'.', digit(cents / 10), digit(cents)]);
            }
            Hole::FloorCurrency => out.extend_from_slice(if self.euro { b"EUR" } else { b"USD" }),
            Hole::At => frame::decimal(out, self.asked.offer.at),
            Hole::Gdpr => out.push(b'0' + u8::from(self.gdpr)),
            Hole::Consent => out.extend_from_slice(if self.gdpr { CONSENT } else { b"" }),
            Hole::Lmt => out.push(b'0' + u8::from(self.lmt)),
            Hole::Hex => frame::hex(out, self.rng.next()),
            Hole::Uuid => frame::uuid(out, self.rng.next(), self.rng.next()),
            Hole::Number => frame::decimal(out, 1_000 + self.rng.below(9_000)),
            Hole::Host => frame::decimal(out, 1 + self.rng.below(254)),
        }
    }

    fn imps(&mut self, out: &mut Vec<u8>) {
        let kit = self.kit;
        for slot in 0..self.asked.offer.imps.len() {
            if slot > 0 {
                out.push(b',');
            }
            self.slot = slot;
            let frames = match self.asked.offer.imps[slot].format {
                Format::Native => &kit.natives,
                Format::Video | Format::Audio => &kit.videos,
                Format::Banner => &kit.imps[self.screen],
            };
            let frame = &frames[self.slots[slot].0];
            frame.write(out, |hole, out| self.fill(hole, out));
        }
    }

    fn one_of(&mut self, frames: &[Frame], out: &mut Vec<u8>) {
        if let Some(frame) = self.rng.pick(frames) {
            frame.write(out, |hole, out| self.fill(hole, out));
        }
    }
}

fn stranger(rng: &mut Rng) -> String {
    let mut id = vec![b's'];
    frame::hex(&mut id, rng.next());
    text(id)
}

fn request_id(dialect: Dialect, rng: &mut Rng) -> String {
    let mut id = Vec::with_capacity(36);
    match dialect {
        Dialect::OpenRtb26 | Dialect::PrebidServer => frame::uuid(&mut id, rng.next(), rng.next()),
        Dialect::Xandr => frame::decimal(&mut id, rng.next() >> 1),
        Dialect::OpenRtb25 | Dialect::Google | Dialect::Texts => {
            frame::hex(&mut id, rng.next());
            frame::hex(&mut id, rng.next());
        }
    }
    text(id)
}

fn imp_id(dialect: Dialect, n: usize) -> String {
    match dialect {
        Dialect::PrebidServer => ["div-top", "div-side", "div-foot"][n.min(2)],
        _ => ["1", "2", "3"][n.min(2)],
    }
    .to_owned()
}

fn text(ascii: Vec<u8>) -> String {
    String::from_utf8(ascii).unwrap_or_default()
}

#[cfg(test)]
mod tests;
