//! The markup of a bid, by its creative's format: HTML, a native ad, or a VAST document.
//!
//! Reads what the imp asks for anew, for few of the creatives that fit are ever shown. Assumes that the
//! creative fits the imp; appends to a buffer and allocates nothing but what that needs to grow.

use std::str::from_utf8;

use super::json::write_string;
use super::native::{Filling, NativeAsk};
use super::player::{OMID, Player};
use super::request::Imp;
use super::slot::MRAID;
use super::vast::{Document, Vast};
use crate::base::id::BidTag;
use crate::base::quoted::Quoting;
use crate::model::advertiser::{Advertiser, Creative, Size};
use crate::model::spot::Spot;
use crate::model::targeting::Format;
use crate::model::template::Slots;

/// AdCOM's creative attribute "skip button": an ad that can be skipped by its own doing.
const SKIPPABLE: u32 = 16;
/// Seconds after which such an ad can be skipped, where the player does not say.
const SKIPPABLE_AFTER_S: u32 = 5;

/// What is to be shown where.
pub struct Order<'a> {
    /// The imp.
    pub imp: &'a Imp<'a>,
    /// Whose ad.
    pub advertiser: &'a Advertiser,
    /// Which.
    pub creative: &'a Creative,
    /// Index of its size.
    pub size: usize,
    /// Products and links.
    pub slots: Slots<'a>,
    /// `public.url`, and the token of the markup's links.
    pub view: (&'a str, &'a [u8]),
    /// The bid's tag.
    pub tag: BidTag,
    /// Where the markup lands.
    pub quoting: Quoting,
}

/// Memory for markup within markup.
#[derive(Debug, Default)]
pub struct Memory {
    native: NativeAsk,
    document: Vec<u8>,
    part: Vec<u8>,
}

/// What the answer says of the markup.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// What it is.
    pub format: Format,
    /// What it measures, where that is one size.
    pub size: Option<Size>,
    /// The version of its document, and the seconds it plays.
    pub plays: Option<(Vast, u32)>,
    /// Whether others measure it.
    pub measured: bool,
    /// Whether it says of itself that it can be skipped, in vain: the player decides, or the document cannot.
    pub hides_skip: bool,
}

impl Made {
    /// `mtype` (§7.7).
    pub const fn mtype(&self) -> u32 {
        match self.format {
            Format::Banner => 1,
            Format::Video => 2,
            Format::Audio => 3,
            Format::Native => 4,
        }
    }

    /// The APIs of those that an imp lists which it uses: for the answer.
    pub fn apis<'b>(&self, imp: &Imp<'b>, creative: &Creative) -> impl Iterator<Item = u32> + use<'b> {
        let of_banner = imp.banner.into_iter().flat_map(|banner| banner.api.integers());
        let is_mraid = self.format == Format::Banner && creative.traits.mraid;
        let of_banner = of_banner.filter(move |api| is_mraid && MRAID.contains(api));
        of_banner.chain(self.measured.then_some(OMID)).map(|api| api as u32)
    }

    /// Whether the answer names an attribute of the creative.
    pub const fn shows(&self, attr: u32) -> bool {
        !(self.hides_skip && attr == SKIPPABLE)
    }
}

impl Order<'_> {
    /// Appends the markup, as it lands there. Fails with the id of a required native asset that cannot be filled, or
    /// with none where there is nothing to show.
    pub fn write(&self, memory: &mut Memory, out: &mut Vec<u8>) -> Result<Made, Option<i64>> {
        let start = out.len();
        let made = match self.creative.format {
            Format::Banner => return self.banner(out).ok_or(None),
            Format::Native => self.native(memory, out)?,
            format => self.spot(format, memory, out).ok_or(None)?,
        };
        self.quoting.fit(start, out);
        Ok(made)
    }

    /// The pixel's address, up to the end of its token and on.
    fn pixel(&self) -> (&str, &str) {
        let (pixel, token) = (from_utf8(self.slots.pixel).unwrap_or(""), from_utf8(self.view.1).unwrap_or(""));
        let end = pixel.find(token).map_or(pixel.len(), |at| at + token.len());
        pixel.split_at(end)
    }

    fn banner(&self, out: &mut Vec<u8>) -> Option<Made> {
        let (size, template) = self.creative.ads.get(self.size)?;
        let start = out.len();
        template.fill(&self.slots, self.quoting, out);
        (out.len() > start).then_some(Made {
            size: Some(*size),
            ..Made::default()
        })
    }

    fn native(&self, memory: &mut Memory, out: &mut Vec<u8>) -> Result<Made, Option<i64>> {
        let native = self.creative.native.as_deref().ok_or(None)?;
        let Memory {
            native: ask,
            document,
            part,
        } = memory;
        if !ask.read(self.imp.native) {
            return Err(None);
        }
        let mut vast = |player: &Player<'_>, spot: &Spot, out: &mut Vec<u8>| {
            let Some(vast) = player.vast().filter(|_| player.takes_spot(spot)) else {
                return false;
            };
            document.clear();
            self.document(vast, player, spot).write(part, document);
            write_string(from_utf8(document).unwrap_or(""), out);
            true
        };
        let filling = Filling {
            native,
            product: self.slots.products.first().copied(),
            now: self.slots.now,
            click: self.slots.click,
            pixel: self.pixel(),
        };
        ask.write(&filling, &mut vast, out)?;
        Ok(Made {
            format: Format::Native,
            ..Made::default()
        })
    }

    fn spot(&self, format: Format, memory: &mut Memory, out: &mut Vec<u8>) -> Option<Made> {
        let player = self.imp.player(format)?;
        let (spot, vast) = (self.creative.spot.as_deref()?, player.vast()?);
        let document = self.document(vast, &player, spot);
        document.write(&mut memory.part, out);
        Some(Made {
            measured: document.is_measured(),
            format,
            size: self.creative.ads.get(self.size).map(|(size, _)| *size),
            plays: Some((vast, spot.seconds)),
            hides_skip: player.skip_after(spot.seconds).is_some() || !vast.has_skip(),
        })
    }

    fn document<'d>(&'d self, vast: Vast, player: &'d Player<'d>, spot: &'d Spot) -> Document<'d> {
        let own = || {
            self.creative
                .attr
                .contains(&SKIPPABLE)
                .then_some(SKIPPABLE_AFTER_S.min(spot.seconds))
        };
        Document {
            vast,
            player,
            spot,
            is_audio: self.creative.format == Format::Audio,
            end_card: self.creative.ads.get(self.size),
            slots: self.slots,
            skip_after: player.skip_after(spot.seconds).or_else(own),
            advertiser: &self.advertiser.name,
            crid: &self.creative.crid,
            serving_id: self.tag.0,
            beats: (self.view.0, from_utf8(self.view.1).unwrap_or("")),
        }
    }
}
