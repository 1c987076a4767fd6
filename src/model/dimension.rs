//! What reports tell apart beside campaign and time: the dimensions, their values as numbers, and the keys of
//! the cells that figures are added up in.
//!
//! A cell is of one dimension alone, never of two: so their number grows with the values of each, not with the
//! combinations. Which value a number stands for, where it is no band, is told by whoever has the names.

use crate::base::id::CampaignNo;
use crate::base::time::{Day, Secs, Span};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// None: the hours of a campaign.
    Hour,
    /// The creative shown.
    Creative,
    /// The product shown, the first of several.
    Product,
    /// The exchange that sold the impression.
    Exchange,
    /// The domain of the site, or the bundle of the app.
    Domain,
    /// The kind of device.
    Device,
    /// The kind of ad.
    Format,
    /// How long after the shopper's last event of the advertiser the ad was shown, in bands.
    Recency,
    /// The how-many-th impression of the campaign it was for the shopper, in bands.
    Frequency,
}

/// The value that takes up those beyond the limit of a day, and those whose name is not known.
pub const OTHER: u64 = u64::MAX;
/// How that is written.
pub const OTHER_WORD: &str = "(other)";
/// How a value is written that could not be found out.
pub const UNKNOWN_WORD: &str = "(unknown)";
/// How no value is written: an ad without a product, a request without a domain.
pub const NONE_WORD: &str = "(none)";

/// Up to how long ago the last event was, and the word for it.
const RECENCIES: [(Span, &str); 8] = [
    (Span(15 * 60), "0-15m"),
    (Span::HOUR, "15m-1h"),
    (Span(6 * 3_600), "1h-6h"),
    (Span::DAY, "6h-1d"),
    (Span::days(3), "1d-3d"),
    (Span::days(7), "3d-7d"),
    (Span::days(14), "7d-14d"),
    (Span::days(30), "14d-30d"),
];
const LATER: &str = "30d+";
const FREQUENCIES: [&str; FREQUENCY_MAX as usize] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10+"];
/// The last band of frequency, which has no end.
pub const FREQUENCY_MAX: u8 = 10;
const DEVICES: [&str; 5] = ["mobile", "tablet", "desktop", "tv", "other"];
const FORMATS: [&str; 4] = ["banner", "native", "video", "audio"];

impl Dimension {
    /// Every one.
    pub const ALL: [Dimension; 9] = [
        Dimension::Hour,
        Dimension::Creative,
        Dimension::Product,
        Dimension::Exchange,
        Dimension::Domain,
        Dimension::Device,
        Dimension::Format,
        Dimension::Recency,
        Dimension::Frequency,
    ];

    /// The word of `by=`, and the column's.
    pub const fn label(self) -> &'static str {
        match self {
            Dimension::Hour => "hour",
            Dimension::Creative => "creative",
            Dimension::Product => "product",
            Dimension::Exchange => "exchange",
            Dimension::Domain => "domain",
            Dimension::Device => "device",
            Dimension::Format => "format",
            Dimension::Recency => "recency",
            Dimension::Frequency => "frequency",
        }
    }

    /// The dimension of a word.
    pub fn named(word: &str) -> Option<Dimension> {
        Dimension::ALL.into_iter().find(|dimension| dimension.label() == word)
    }

    /// Whether there may be more values in a day than are kept apart.
    pub const fn is_open(self) -> bool {
        matches!(self, Dimension::Product | Dimension::Domain)
    }

    /// The word for a value of a dimension whose values are known beforehand; none of any other.
    pub fn word(self, value: u64) -> Option<&'static str> {
        let words: &[&'static str] = match self {
            Dimension::Device => &DEVICES,
            Dimension::Format => &FORMATS,
            Dimension::Frequency => &FREQUENCIES,
            Dimension::Recency if value as usize > RECENCIES.len() => return Some(LATER),
            Dimension::Recency => return Some(RECENCIES.get((value as usize).wrapping_sub(1)).map_or(UNKNOWN_WORD, |band| band.1)),
            _ => return None,
        };
        Some(words.get((value as usize).wrapping_sub(1)).copied().unwrap_or(UNKNOWN_WORD))
    }

    /// What the keys of its cells of a campaign's day begin with; in the order of days.
    pub const fn of_day(self, campaign: CampaignNo, day: Day) -> u64 {
        (self as u64) << 56 | (campaign.0 as u64) << 32 | day.0 as u32 as u64
    }
}

/// The band of a time since the last event, from one.
pub fn recency(since: u32) -> u8 {
    let ended = RECENCIES.iter().filter(|(end, _)| since >= end.0).count();
    ended as u8 + 1
}

/// The key of a cell: of a dimension's day, a value and the hour's first second.
pub fn cell(of_day: u64, value: u64, hour: Secs) -> Vec<u8> {
    [&of_day.to_be_bytes()[..], &value.to_be_bytes(), &hour.0.to_be_bytes()].concat()
}

/// What a cell's key says: day, value and hour; none of rows that are no cells.
pub fn read_cell(key: &[u8]) -> Option<(Day, u64, Secs)> {
    let (day, rest) = key.get(4..)?.split_first_chunk::<4>()?;
    let (value, hour) = rest.split_first_chunk::<8>()?;
    let hour: [u8; 4] = hour.try_into().ok()?;
    Some((
        Day(u32::from_be_bytes(*day) as i32),
        u64::from_be_bytes(*value),
        Secs(u32::from_be_bytes(hour)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_have_their_ends() {
        for (since, word) in [
            (0, "0-15m"),
            (899, "0-15m"),
            (900, "15m-1h"),
            (86_400, "1d-3d"),
            (2_591_999, "14d-30d"),
            (2_592_000, "30d+"),
        ] {
            assert_eq!(Dimension::Recency.word(recency(since).into()), Some(word), "{since}");
        }
        assert_eq!(Dimension::Frequency.word(10), Some("10+"));
        assert_eq!(Dimension::Device.word(3), Some("desktop"));
        for dimension in [Dimension::Frequency, Dimension::Recency, Dimension::Device, Dimension::Format] {
            assert_eq!(dimension.word(0), Some(UNKNOWN_WORD));
        }
        assert_eq!(Dimension::Creative.word(1), None);
    }

    #[test]
    fn keys_say_what_they_are_of() {
        let of_day = Dimension::Frequency.of_day(CampaignNo(0xab_cdef), Day(20_000));
        assert_eq!(read_cell(&cell(of_day, 7, Secs(9))), Some((Day(20_000), 7, Secs(9))));
        assert_eq!(read_cell(&of_day.to_be_bytes()), None);
        assert!(of_day < Dimension::Frequency.of_day(CampaignNo(0xab_cdef), Day(20_001)));
    }
}
