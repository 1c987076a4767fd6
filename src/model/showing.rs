//! What is known of an impression beside its price: what reports tell apart, and what a ticket says of the place.

use crate::base::id::{CampaignNo, CreativeNo, ExchangeNo, ProductKey};
use crate::model::dimension::{Dimension, OTHER};
use crate::model::targeting::{Device, Format};

/// Stands for a domain or a bundle: a hash, so that it fits into a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SiteKey(pub u32);

impl SiteKey {
    /// The request names none.
    pub const NONE: SiteKey = SiteKey(0);
    /// Its name is not known.
    pub const UNKNOWN: SiteKey = SiteKey(u32::MAX);

    /// Of a name, whatever its case (FNV-1a).
    pub fn of(name: &str) -> SiteKey {
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
        SiteKey(name.bytes().fold(0x811c_9dc5, mix).clamp(1, u32::MAX - 1))
    }

    /// Whether there is a name to be known.
    pub fn is_named(self) -> bool {
        self != SiteKey::NONE && self != SiteKey::UNKNOWN
    }
}

/// Where an ad is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// On what.
    pub device: Option<Device>,
    /// On which site or in which app.
    pub site: SiteKey,
}

/// The kinds of device in the order of their numbers, from one.
const DEVICES: [Device; 5] = [Device::Mobile, Device::Tablet, Device::Desktop, Device::Tv, Device::Other];
const FORMATS: [Format; 4] = [Format::Banner, Format::Native, Format::Video, Format::Audio];

/// A device as a number; 0 is none.
pub fn device_code(device: Option<Device>) -> u8 {
    place_of(&DEVICES, device)
}

/// The device of a number.
pub fn device_of(code: u8) -> Option<Device> {
    DEVICES.get(usize::from(code).wrapping_sub(1)).copied()
}

fn place_of<T: PartialEq>(all: &[T], one: Option<T>) -> u8 {
    one.and_then(|one| all.iter().position(|of| *of == one))
        .map_or(0, |at| at as u8 + 1)
}

/// Bytes of one as stored.
pub const SHOWING_BYTES: usize = 19;

/// What reports tell apart of an impression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Showing {
    /// Whose.
    pub campaign: CampaignNo,
    /// The creative.
    pub creative: CreativeNo,
    /// Who sold it.
    pub exchange: ExchangeNo,
    /// The product, the first of several.
    pub product: ProductKey,
    /// Where.
    pub place: Place,
    /// The kind of ad; none where the creative is no longer there.
    pub format: Option<Format>,
    /// The band of the time since the shopper's last event ([`super::dimension::recency`]); 0 where that is not known.
    pub recency: u8,
    /// The how-many-th it was for the shopper, cut to the last band; 0 where that is not known.
    pub frequency: u8,
}

impl Showing {
    /// Of a campaign, and nothing else is known any more.
    pub fn forgotten(campaign: CampaignNo) -> Showing {
        Showing {
            campaign,
            // Numbers that nobody is given.
            creative: CreativeNo(u8::MAX),
            exchange: ExchangeNo(u8::MAX),
            place: Place {
                device: None,
                site: SiteKey::UNKNOWN,
            },
            ..Showing::default()
        }
    }

    /// Its value of a dimension.
    pub fn value(&self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::Hour => 0,
            Dimension::Creative => self.creative.0.into(),
            Dimension::Product => self.product.0,
            Dimension::Exchange => self.exchange.0.into(),
            Dimension::Domain if self.place.site == SiteKey::UNKNOWN => OTHER,
            Dimension::Domain => self.place.site.0.into(),
            Dimension::Device => device_code(self.place.device).into(),
            Dimension::Format => place_of(&FORMATS, self.format).into(),
            Dimension::Recency => self.recency.into(),
            Dimension::Frequency => self.frequency.into(),
        }
    }

    /// As stored.
    pub fn write(&self) -> [u8; SHOWING_BYTES] {
        let mut out = [0; SHOWING_BYTES];
        out[..4].copy_from_slice(&self.campaign.0.to_le_bytes());
        out[4] = self.creative.0;
        out[5] = self.exchange.0;
        out[6..11].copy_from_slice(&self.product.0.to_le_bytes()[..5]);
        out[11..15].copy_from_slice(&self.place.site.0.to_le_bytes());
        out[15] = device_code(self.place.device);
        out[16] = place_of(&FORMATS, self.format);
        out[17] = self.recency;
        out[18] = self.frequency;
        out
    }

    /// From what is stored.
    pub fn read(bytes: &[u8]) -> Option<Showing> {
        let bytes: &[u8; SHOWING_BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Some(Showing {
            campaign: CampaignNo(word(0)),
            creative: CreativeNo(bytes[4]),
            exchange: ExchangeNo(bytes[5]),
            product: ProductKey(u64::from(word(6)) | u64::from(bytes[10]) << 32),
            place: Place {
                device: device_of(bytes[15]),
                site: SiteKey(word(11)),
            },
            format: FORMATS.get(usize::from(bytes[16]).wrapping_sub(1)).copied(),
            recency: bytes[17],
            frequency: bytes[18],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_survives() {
        let shown = Showing {
            campaign: CampaignNo(0xab_cdef),
            creative: CreativeNo(200),
            exchange: ExchangeNo(63),
            product: ProductKey(0xff_1234_5678),
            place: Place {
                device: Some(Device::Tv),
                site: SiteKey::of("News.Example"),
            },
            format: Some(Format::Audio),
            recency: 9,
            frequency: 10,
        };
        assert_eq!(Showing::read(&shown.write()), Some(shown));
        assert_eq!(Showing::read(&Showing::default().write()), Some(Showing::default()));
        assert_eq!(Showing::read(&shown.write()[1..]), None);
        assert_eq!(SiteKey::of("news.example"), shown.place.site);
        for dimension in [Dimension::Device, Dimension::Format] {
            let word = match dimension {
                Dimension::Device => Device::Tv.label(),
                _ => Format::Audio.label(),
            };
            assert_eq!(dimension.word(shown.value(dimension)), Some(word));
        }
    }
}
