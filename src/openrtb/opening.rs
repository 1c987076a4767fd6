//! What an imp takes of each format, and whether a creative fits it: banners by [`Slot`], players, native
//! assets, the attributes that each of them blocks, and what the request asks of every ad (OpenRTB 2.6 §3.2.4).
//!
//! A banner is read for every imp, the rest when the first creative of its format asks. Assumes nothing of
//! who else may be shown there; prices nothing.

use super::attributes::plain;
use super::extension::allows;
use super::json::creatives;
use super::native::NativeAsk;
use super::player::Player;
use super::request::{Imp, Opportunity};
use super::slot::Slot;
use crate::base::money::Money;
use crate::model::advertiser::Creative;
use crate::model::outcome::NoBid;
use crate::model::targeting::Format;

/// Memory that openings are read into, one after the other.
#[derive(Debug, Default)]
pub struct Memory {
    slot: Slot,
    native: NativeAsk,
}

/// One imp as creatives are held against it.
pub struct Opening<'r, 'm> {
    imp: &'r Imp<'r>,
    memory: &'m mut Memory,
    /// Whose.
    exchange: &'r str,
    /// Whoever is shown must say themselves who pays (DSA).
    needs_reason: bool,
    /// Each once it has been asked for.
    video: Option<Option<Player<'r>>>,
    audio: Option<Option<Player<'r>>>,
    native: Option<bool>,
}

impl<'r, 'm> Opening<'r, 'm> {
    /// Of an imp of an exchange, by its id.
    pub fn of(exchange: &'r str, request: &Opportunity<'_>, imp: &'r Imp<'r>, memory: &'m mut Memory) -> Opening<'r, 'm> {
        memory.slot.read(&imp.banner.unwrap_or_default());
        let dsa = request.signals.dsa;
        Opening {
            imp,
            memory,
            exchange,
            needs_reason: dsa.is_some_and(|dsa| dsa.is_required() && dsa.publisher_renders == Some(0)),
            video: None,
            audio: None,
            native: None,
        }
    }

    /// The imp.
    pub fn imp(&self) -> &'r Imp<'r> {
        self.imp
    }

    fn player(&mut self, format: Format) -> Option<Player<'r>> {
        match format {
            Format::Video => *self.video.get_or_insert_with(|| Player::read(self.imp.video)),
            _ => *self.audio.get_or_insert_with(|| Player::read(self.imp.audio)),
        }
    }

    /// Whether it admits a creative for what it is: attributes, what is declared, and of a banner its type and
    /// markup.
    pub fn admits(&mut self, creative: &Creative) -> bool {
        let says_why = creative.traits.says_why || !self.needs_reason;
        if !says_why || !allows(self.exchange, creative, self.imp) {
            return false;
        }
        let battr = match creative.format {
            Format::Banner => return self.memory.slot.admits(creative),
            _ if creative.attr.is_empty() => return true,
            Format::Native => NativeAsk::battr(self.imp.native),
            format => self.player(format).map(|player| player.battr).unwrap_or_default(),
        };
        let has = |blocked: i64| creative.attr.iter().any(|attr| i64::from(*attr) == blocked);
        !battr.integers().any(has)
    }

    /// The index of the creative's size that is shown, in the imp's order of preference.
    pub fn fit(&mut self, creative: &Creative) -> Result<u16, NoBid> {
        match creative.format {
            // What is paid for many impressions at once has no price of ours.
            _ if self.imp.multiplied => Err(NoBid::Format),
            Format::Banner if self.imp.banner.is_none() => Err(NoBid::Format),
            Format::Banner => self.memory.slot.size(creative).ok_or(NoBid::Size),
            Format::Native => {
                let Opening { imp, memory, native, .. } = self;
                let is_readable = *native.get_or_insert_with(|| !imp.native.is_empty() && memory.native.read(imp.native));
                if is_readable { Ok(0) } else { Err(NoBid::Format) }
            }
            format => self.player(format).ok_or(NoBid::Format)?.fit(creative),
        }
    }
}

impl Opportunity<'_> {
    /// Whether more time may pass between auction and impression than an ad's format takes: in apps, and where a
    /// banner or a native ad is loaded ahead.
    pub fn is_shown_late(&self, imp: u16, format: Format) -> bool {
        let takes_long = matches!(format, Format::Video | Format::Audio);
        self.place.is_app || !takes_long && self.imps[usize::from(imp)].is_shown_late()
    }

    /// Page or app, and an imp's place in it, told to `hash`: what two offers of one impression share.
    pub fn place_of<T>(&self, imp: usize, hash: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (place, imp) = (&self.place, &self.imps[imp]);
        let page = if place.is_app { place.bundle } else { place.page };
        // Without a name of its own, a placement is told from others of the request by its imp's id.
        let name = imp.gpid.or(imp.tagid).or(imp.id);
        let format = imp.banner.as_ref().map_or(&[][..], |banner| banner.format);
        let size = imp.player(Format::Video).and_then(|player| player.size()).unwrap_or_default();
        let (w, h) = (size.w.to_le_bytes(), size.h.to_le_bytes());
        hash(&[page.raw(), place.domain.raw(), name.raw(), format, &w, &h])
    }
}

impl Imp<'_> {
    /// Whether the exchange says that it would not show a creative here.
    pub fn excludes(&self, creative: &Creative) -> bool {
        creatives(self.excluded_creatives).any(|crid| plain(crid) == Some(&creative.crid))
    }

    /// `exp`, where it is a time.
    pub fn exp_s(&self) -> Option<u32> {
        self.exp.and_then(|exp| u32::try_from(exp).ok()).filter(|exp| *exp > 0)
    }

    /// Its player of a format; a banner or native ad has none.
    pub fn player(&self, format: Format) -> Option<Player<'_>> {
        match format {
            Format::Banner | Format::Native => None,
            Format::Video => Player::read(self.video),
            Format::Audio => Player::read(self.audio),
        }
    }

    /// Bids that may be made on it.
    pub fn slots(&self) -> usize {
        let of = |format| self.player(format).map_or(1, |player| player.slots());
        of(Format::Video).max(of(Format::Audio))
    }

    /// The floor of an ad of a format that plays so many seconds: the player's own where it has one, else
    /// `bidfloor`.
    pub fn floor_of(&self, format: Format, seconds: u32) -> Option<Money> {
        self.player(format)
            .map_or(self.floor, |player| player.floors.or(self.floor, seconds))
    }
}
