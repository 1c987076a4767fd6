//! What an imp takes of each format, and whether a creative fits it: sizes of banners, players, native
//! assets, and the attributes that each of them blocks.
//!
//! A banner is read for every imp, the rest when the first creative of its format asks. Assumes nothing of
//! who else may be shown there; prices nothing.

use super::json::sizes as sizes_of;
use super::native::NativeAsk;
use super::player::Player;
use super::request::{Imp, Opportunity};
use crate::base::limits::SIZES_MAX;
use crate::base::money::Money;
use crate::model::advertiser::{Creative, Size};
use crate::model::outcome::NoBid;
use crate::model::targeting::Format;

/// Memory that openings are read into, one after the other.
#[derive(Debug, Default)]
pub struct Memory {
    sizes: Vec<Size>,
    blocked: Vec<u32>,
    native: NativeAsk,
}

/// One imp as creatives are held against it.
pub struct Opening<'r, 'm> {
    imp: &'r Imp<'r>,
    memory: &'m mut Memory,
    /// Each once it has been asked for.
    video: Option<Option<Player<'r>>>,
    audio: Option<Option<Player<'r>>>,
    native: Option<bool>,
}

impl<'r, 'm> Opening<'r, 'm> {
    /// Of an imp.
    pub fn of(imp: &'r Imp<'r>, memory: &'m mut Memory) -> Opening<'r, 'm> {
        let Memory { sizes, blocked, .. } = &mut *memory;
        sizes.clear();
        blocked.clear();
        if let Some(banner) = &imp.banner {
            let side = |n: i64| u32::try_from(n).ok().filter(|n| *n > 0);
            let positive = |(w, h): (i64, i64)| side(w).zip(side(h)).map(|(w, h)| Size { w, h });
            sizes.extend(sizes_of(banner.format).take(SIZES_MAX).filter_map(positive));
            if sizes.is_empty() {
                sizes.extend(banner.w.zip(banner.h).and_then(positive));
            }
            blocked.extend(banner.battr.iter().filter_map(|attr| u32::try_from(attr.integer()?).ok()));
        }
        Opening {
            imp,
            memory,
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

    /// Whether an attribute of the creative is blocked in what would show it.
    pub fn blocks(&mut self, creative: &Creative) -> bool {
        if creative.attr.is_empty() {
            return false;
        }
        let battr = match creative.format {
            Format::Banner => return creative.attr.iter().any(|attr| self.memory.blocked.contains(attr)),
            Format::Native => NativeAsk::battr(self.imp.native),
            format => self.player(format).map(|player| player.battr).unwrap_or_default(),
        };
        battr
            .integers()
            .any(|blocked| creative.attr.iter().any(|attr| i64::from(*attr) == blocked))
    }

    /// The index of the creative's size that is shown, in the imp's order of preference.
    pub fn fit(&mut self, creative: &Creative) -> Result<u16, NoBid> {
        match creative.format {
            Format::Banner => self.fit_banner(creative),
            Format::Native => {
                let Opening { imp, memory, native, .. } = self;
                let is_readable = *native.get_or_insert_with(|| !imp.native.is_empty() && memory.native.read(imp.native));
                if is_readable { Ok(0) } else { Err(NoBid::Format) }
            }
            format => self.player(format).ok_or(NoBid::Format)?.fit(creative),
        }
    }

    fn fit_banner(&self, creative: &Creative) -> Result<u16, NoBid> {
        if self.imp.banner.is_none() {
            return Err(NoBid::Format);
        }
        let place = |size: &Size| creative.ads.iter().position(|(own, _)| own == size);
        let found = self.memory.sizes.iter().find_map(place);
        found.map(|at| at as u16).ok_or(NoBid::Size)
    }
}

impl Opportunity<'_> {
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
        let own = self.player(format).and_then(|player| player.floor(seconds));
        own.map_or(self.floor, |own| Some(own).filter(|own| *own > Money::ZERO))
    }
}
