//! `imp.video` and `imp.audio` (OpenRTB 2.6 §3.2.7, §3.2.8): what a player takes, and what it asks for it.
//!
//! Reads in place, leniently: an attribute that cannot be made out counts as absent. Says whether a spot
//! fits; never which spot is the better one.

use crate::base::limits::{COMPANIONS_MAX, POD_ADS_MAX};
use crate::model::advertiser::{Creative, Size};
use crate::model::outcome::NoBid;
use crate::model::spot::{Media, Spot};

use super::floor::{ByLength, floor_of};
use super::json::{List, Scanner, Text, elements, sizes};
use super::vast::Vast;

/// What `placement` by `plcmt` (AdCOM "Plcmt Subtypes - Video") no linear spot fills: pause, overlay,
/// squeezeback, in-scene.
const NOT_LINEAR: [i64; 4] = [5, 7, 8, 9];
/// Open Measurement, among `api`.
pub const OMID: i64 = 7;
/// Two shapes are the same where they differ by no more than one part in so many.
const SHAPE_PARTS: u64 = 50;

/// A video or audio player.
#[derive(Clone, Copy, Debug, Default)]
pub struct Player<'b> {
    /// `battr`.
    pub battr: List<'b>,
    /// `durfloors` and `mincpmpersec`, in the imp's currency.
    pub floors: ByLength<'b>,
    mimes: List<'b>,
    protocols: List<'b>,
    rqddurs: List<'b>,
    delivery: List<'b>,
    companiontype: List<'b>,
    api: List<'b>,
    companionad: &'b str,
    /// `w` and `h`.
    side: (Option<i64>, Option<i64>),
    /// `minduration` and `maxduration`.
    length: (Option<i64>, Option<i64>),
    /// `minbitrate` and `maxbitrate`.
    bitrate: (Option<i64>, Option<i64>),
    maxextended: Option<i64>,
    poddur: Option<i64>,
    maxseq: Option<i64>,
    linearity: Option<i64>,
    plcmt: Option<i64>,
    boxingallowed: Option<i64>,
    skip: Option<i64>,
    skipmin: Option<i64>,
    skipafter: Option<i64>,
}

/// A place beside the player (`companionad[]`, a banner).
#[derive(Clone, Copy, Debug)]
pub struct Beside<'b> {
    /// `id`.
    pub id: Text<'b>,
    /// Its size.
    pub size: Size,
    /// `vcm`: 1 is an end card, 0 is shown beside the spot.
    pub vcm: Option<i64>,
}

impl<'b> Player<'b> {
    /// From the raw text of `imp.video` or `imp.audio`; none where that is no object.
    pub fn read(raw: &'b str) -> Option<Player<'b>> {
        let mut p = Player::default();
        let mut protocol = List::default();
        let found = Scanner::new(raw).object(|s, key| match key {
            b"mimes" => s.list().map(|list| p.mimes = list),
            b"protocols" => s.list().map(|list| p.protocols = list),
            b"protocol" => s.list().map(|list| protocol = list),
            b"battr" => s.list().map(|list| p.battr = list),
            b"rqddurs" => s.list().map(|list| p.rqddurs = list),
            b"delivery" => s.list().map(|list| p.delivery = list),
            b"companiontype" => s.list().map(|list| p.companiontype = list),
            b"api" => s.list().map(|list| p.api = list),
            b"companionad" => s.raw().map(|raw| p.companionad = raw),
            b"durfloors" => s.raw().map(|raw| p.floors.lengths = raw),
            b"mincpmpersec" => s.text().map(|text| p.floors.a_second = floor_of(text)),
            _ => match p.figure(key) {
                Some(figure) => s.integer().map(|n| *figure = n),
                None => s.skip(),
            },
        });
        p.protocols = p.protocols.or(protocol);
        found.is_ok_and(|found| found).then_some(p)
    }

    /// Where an attribute goes that is a number.
    fn figure(&mut self, key: &[u8]) -> Option<&mut Option<i64>> {
        Some(match key {
            b"w" => &mut self.side.0,
            b"h" => &mut self.side.1,
            b"minduration" => &mut self.length.0,
            b"maxduration" => &mut self.length.1,
            b"minbitrate" => &mut self.bitrate.0,
            b"maxbitrate" => &mut self.bitrate.1,
            b"maxextended" => &mut self.maxextended,
            b"poddur" => &mut self.poddur,
            b"maxseq" => &mut self.maxseq,
            b"linearity" => &mut self.linearity,
            b"plcmt" => &mut self.plcmt,
            b"boxingallowed" => &mut self.boxingallowed,
            b"skip" => &mut self.skip,
            b"skipmin" => &mut self.skipmin,
            b"skipafter" => &mut self.skipafter,
            _ => return None,
        })
    }

    /// The index of the creative's size that suits the player, or why its spot does not.
    pub fn fit(&self, creative: &Creative) -> Result<u16, NoBid> {
        let spot = creative.spot.as_deref().ok_or(NoBid::Format)?;
        let is_linear = self.linearity.is_none_or(|kind| kind == 1) && self.plcmt.is_none_or(|kind| !NOT_LINEAR.contains(&kind));
        if !is_linear || self.vast().is_none() || !self.takes_spot(spot) {
            return Err(NoBid::Format);
        }
        if creative.ads.is_empty() {
            return Ok(0);
        }
        self.size_among(creative.ads.iter().map(|(size, _)| *size))
            .map(|at| at as u16)
            .ok_or(NoBid::Size)
    }

    /// The document's version: the best of those offered, 3 where none is named, for all players read it.
    pub fn vast(&self) -> Option<Vast> {
        let is_offered = |vast: &Vast| self.protocols.integers().any(|code| code == i64::from(vast.protocol()));
        match self.protocols.is_empty() {
            true => Some(Vast::V3),
            false => Vast::BEST_FIRST.into_iter().find(is_offered),
        }
    }

    /// Whether length and a file of a spot suit.
    pub fn takes_spot(&self, spot: &Spot) -> bool {
        self.takes_length(i64::from(spot.seconds)) && spot.media.iter().any(|media| self.takes_file(media))
    }

    /// `rqddurs`, else the range; and no more than is left of a pod whose slots the bids divide.
    fn takes_length(&self, seconds: i64) -> bool {
        let (min, max) = self.length;
        let is_in_range = || {
            let max = max.filter(|max| *max > 0).map(|max| match self.maxextended {
                Some(-1) => i64::MAX,
                more => max.saturating_add(more.unwrap_or(0).max(0)),
            });
            min.is_none_or(|min| min <= seconds) && max.is_none_or(|max| seconds <= max)
        };
        let fits = match self.rqddurs.is_empty() {
            true => is_in_range(),
            false => self.rqddurs.integers().any(|exact| exact == seconds),
        };
        fits && self.poddur.filter(|pod| *pod > 0).is_none_or(|pod| seconds <= pod)
    }

    /// Ads that may be given it: one, but for a pod whose slots the bids divide (`poddur`, `maxseq`).
    pub fn slots(&self) -> usize {
        let most = self.maxseq.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0);
        match self.poddur {
            Some(pod) if pod > 0 => most.unwrap_or(POD_ADS_MAX).min(POD_ADS_MAX),
            _ => 1,
        }
    }

    /// Whether a spot has room beside others, so many of so many seconds together.
    pub fn has_room(&self, others: usize, of_others: u32, seconds: u32) -> bool {
        others < self.slots() && self.poddur.is_some_and(|pod| i64::from(of_others) + i64::from(seconds) <= pod)
    }

    /// Whether the player plays a file: by its type, delivery and, where that is said, bitrate.
    pub fn takes_file(&self, media: &Media) -> bool {
        let subtype = media.mime.rsplit('/').next().unwrap_or_default();
        let is_named = |mime: Text<'_>| mime.eq_ignore_case(&media.mime) || mime.eq_ignore_case(subtype);
        let delivers = |way: i64| if media.streaming { way == 1 } else { way == 2 || way == 3 };
        let (min, max) = self.bitrate;
        let rate = media.bitrate_kbps.map(i64::from);
        (self.mimes.is_empty() || self.mimes.iter().any(is_named))
            && (self.delivery.is_empty() || self.delivery.integers().any(delivers))
            && rate.is_none_or(|rate| min.is_none_or(|min| min <= rate) && max.filter(|max| *max > 0).is_none_or(|max| rate <= max))
    }

    /// The player's size, where it names one.
    pub fn size(&self) -> Option<Size> {
        let side = |n: Option<i64>| u32::try_from(n?).ok().filter(|n| *n > 0);
        Some(Size {
            w: side(self.side.0)?,
            h: side(self.side.1)?,
        })
    }

    /// The size nearest to the player's: of its shape, or of any where it may be boxed.
    fn size_among(&self, sizes: impl Iterator<Item = Size> + Clone) -> Option<usize> {
        let Some(own) = self.size() else { return Some(0) };
        let area = |size: Size| u64::from(size.w) * u64::from(size.h);
        let is_alike = |size: Size| {
            let (a, b) = (u64::from(size.w) * u64::from(own.h), u64::from(own.w) * u64::from(size.h));
            a.abs_diff(b) * SHAPE_PARTS <= a
        };
        let nearest = |alike: bool| {
            let sizes = sizes.clone().enumerate().filter(|(_, size)| !alike || is_alike(*size));
            sizes.min_by_key(|(_, size)| area(*size).abs_diff(area(own))).map(|(at, _)| at)
        };
        nearest(true).or_else(|| nearest(false).filter(|_| self.boxingallowed != Some(0)))
    }

    /// Seconds after which the player lets the spot be skipped; none where it does not.
    pub fn skip_after(&self, seconds: u32) -> Option<u32> {
        let is_long_enough = i64::from(seconds) > self.skipmin.unwrap_or(0);
        let after = u32::try_from(self.skipafter.unwrap_or(0).max(0)).unwrap_or(u32::MAX);
        (self.skip == Some(1) && is_long_enough).then_some(after.min(seconds))
    }

    /// Whether it has others measure by Open Measurement.
    pub fn measures(&self) -> bool {
        self.api.integers().any(|api| api == OMID)
    }

    /// Whether something of a kind may stand beside: 1 a picture, 2 HTML.
    pub fn takes_beside(&self, kind: i64) -> bool {
        self.companiontype.is_empty() || self.companiontype.integers().any(|listed| listed == kind)
    }

    /// The places beside it.
    pub fn beside(&self) -> impl Iterator<Item = Beside<'b>> {
        elements(self.companionad).filter_map(beside).take(COMPANIONS_MAX)
    }
}

fn beside(raw: &str) -> Option<Beside<'_>> {
    let (mut id, mut format, mut w, mut h, mut vcm) = (Text::default(), "", None, None, None);
    let read = Scanner::new(raw).object(|s, key| match key {
        b"id" => s.text().map(|text| id = text),
        b"format" => s.raw().map(|raw| format = raw),
        b"w" => s.integer().map(|n| w = n),
        b"h" => s.integer().map(|n| h = n),
        b"vcm" => s.integer().map(|n| vcm = n),
        _ => s.skip(),
    });
    read.ok()?;
    let side = |n: i64| u32::try_from(n).ok().filter(|n| *n > 0);
    let size = |(w, h): (i64, i64)| side(w).zip(side(h)).map(|(w, h)| Size { w, h });
    let size = sizes(format.as_bytes()).find_map(size).or_else(|| size(w.zip(h)?))?;
    Some(Beside { id, size, vcm })
}
