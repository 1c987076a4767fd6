//! What the banner of one imp takes: sizes, exact or flexible, and which markup (OpenRTB 2.6 §3.2.6, §3.2.10).
//!
//! Read once for each imp into memory that is used again; compared with every banner. Knows nothing of
//! other formats, approvals, deals or prices.

use super::json::{FormatEntry, formats};
use super::request::Banner;
use crate::base::limits::SIZES_MAX;
use crate::model::advertiser::{Creative, Size};

/// Banner types (`btype`) that markup of ours may be.
const XHTML_BANNER: i64 = 2;
const JAVASCRIPT: i64 = 3;
const IFRAME: i64 = 4;
/// What every markup of ours is.
const HTML: &str = "text/html";
/// The versions of MRAID among `api`.
pub const MRAID: [i64; 3] = [3, 5, 6];

/// Sizes that an imp takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    /// This one.
    Exact(Size),
    /// Any whose sides are to each other as these, not below a width.
    Ratio(Size, u32),
    /// Any between these, of the attributes before 2.5.
    Within(Size, Size),
}

impl Area {
    fn holds(self, size: Size) -> bool {
        match self {
            Area::Exact(exact) => exact == size,
            Area::Ratio(sides, least) => {
                u64::from(size.w) * u64::from(sides.h) == u64::from(size.h) * u64::from(sides.w) && size.w >= least
            }
            Area::Within(least, most) => (least.w..=most.w).contains(&size.w) && (least.h..=most.h).contains(&size.h),
        }
    }
}

/// What a banner takes.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    areas: Vec<Area>,
    attributes: Vec<u32>,
    takes_html: bool,
    blocks_plain: bool,
    blocks_scripts: bool,
    blocks_frames: bool,
    has_mraid: bool,
}

impl Slot {
    /// Reads `imp.banner`; without one it takes no size.
    pub fn read(&mut self, banner: &Banner<'_>) {
        self.areas.clear();
        self.attributes.clear();
        areas(banner, |area| self.areas.push(area));
        let attributes = banner.battr.iter().filter_map(|attr| u32::try_from(attr.integer()?).ok());
        self.attributes.extend(attributes);
        let blocks = |kind: i64| banner.btype.integers().any(|blocked| blocked == kind);
        (self.blocks_plain, self.blocks_scripts, self.blocks_frames) = (blocks(XHTML_BANNER), blocks(JAVASCRIPT), blocks(IFRAME));
        self.has_mraid = banner.api.integers().any(|api| MRAID.contains(&api));
        self.takes_html = banner.mimes.is_empty() || banner.mimes.iter().any(|mime| mime.plain().is_some_and(is_html));
    }

    /// Whether it admits a creative for what it is: attributes, type, language of its markup.
    pub fn admits(&self, creative: &Creative) -> bool {
        let traits = creative.traits;
        let is_blocked = creative.attr.iter().any(|attr| self.attributes.contains(attr))
            || if traits.scripts { self.blocks_scripts } else { self.blocks_plain }
            || traits.frames && self.blocks_frames
            || traits.mraid && !self.has_mraid;
        self.takes_html && !is_blocked
    }

    /// The place of the creative's size that fits, in the imp's order of preference.
    pub fn size(&self, creative: &Creative) -> Option<u16> {
        let place = |area: &Area| creative.ads.iter().position(|(size, _)| area.holds(*size));
        self.areas.iter().find_map(place).map(|at| at as u16)
    }
}

/// The ratio that a banner asked for where a size fits by nothing else: for the answer.
pub fn ratio_of(banner: &Banner<'_>, size: Size) -> Option<Size> {
    let (mut sides, mut is_exact) = (None, false);
    areas(banner, |area| match area {
        Area::Ratio(of, _) if area.holds(size) => sides = sides.or(Some(of)),
        area => is_exact |= area.holds(size),
    });
    sides.filter(|_| !is_exact)
}

/// Told of all that a banner takes, in its order of preference; its own size counts where it lists none.
fn areas(banner: &Banner<'_>, mut tell: impl FnMut(Area)) {
    let mut listed = 0;
    for entry in formats(banner.format).take(SIZES_MAX) {
        let areas = [positive(entry.w, entry.h).map(Area::Exact), ratio(&entry)];
        for area in areas.into_iter().flatten() {
            listed += 1;
            tell(area);
        }
    }
    if listed > 0 {
        return;
    }
    if let Some(size) = positive(banner.w, banner.h) {
        tell(Area::Exact(size));
    }
    if let Some(area) = within(banner) {
        tell(area);
    }
}

fn ratio(entry: &FormatEntry) -> Option<Area> {
    let least = entry.wmin.and_then(|least| u32::try_from(least).ok()).unwrap_or(0);
    positive(entry.wratio, entry.hratio).map(|sides| Area::Ratio(sides, least))
}

/// A range is taken where something bounds it above: never larger than what is said.
fn within(banner: &Banner<'_>) -> Option<Area> {
    let Banner {
        wmin, hmin, wmax, hmax, ..
    } = *banner;
    [wmin, hmin, wmax, hmax].into_iter().any(|bound| bound.is_some()).then_some(())?;
    let most = positive(wmax.or(banner.w), hmax.or(banner.h))?;
    let least = |bound: Option<i64>| bound.and_then(|least| u32::try_from(least).ok()).unwrap_or(0);
    Some(Area::Within(
        Size {
            w: least(wmin),
            h: least(hmin),
        },
        most,
    ))
}

fn positive(w: Option<i64>, h: Option<i64>) -> Option<Size> {
    let side = |side: Option<i64>| u32::try_from(side?).ok().filter(|side| *side > 0);
    Some(Size { w: side(w)?, h: side(h)? })
}

/// Whether a media type is that of HTML, with or without parameters.
fn is_html(mime: &str) -> bool {
    mime.split(';').next().is_some_and(|mime| mime.trim().eq_ignore_ascii_case(HTML))
}

#[cfg(test)]
mod tests;
