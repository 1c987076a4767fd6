//! What a tracking token says: all that accounting for one bid needs, so that no bid is kept.
//!
//! Sealed by `base::seal`. Fixed layout, little endian; a payload of another length or version is
//! no ticket. What the markup carries goes on after the ticket with the further products of the ad,
//! so that each of its links leads to its own.

use smallvec::SmallVec;

use crate::base::id::{AdvertiserNo, BidTag, CampaignNo, CreativeNo, ExchangeNo, ProductKey, UserKey};
use crate::base::limits::PRODUCTS_PER_AD_MAX;
use crate::base::money::{Conversion, Money, Ratio, Round};
use crate::base::time::Secs;
use crate::model::hold::{BudgetHold, Taken, WinShare};
use crate::model::showing::{Place, SiteKey, device_code, device_of};

const VERSION: u8 = 2;
/// The version before, which does not say where an ad is shown: it has zeros there, and ends earlier.
const VERSION_PLACELESS: u8 = 1;
const PLACELESS_BYTES: usize = 55;
/// Beside the version: no purchase may be led back to it.
const UNTRACKED: u8 = 0x80;
/// Bytes of a ticket.
pub const TICKET_BYTES: usize = 58;

/// Bytes of a product's key.
const KEY_BYTES: usize = 5;
/// Products of an ad beside the ticket's own.
pub const FURTHER_MAX: usize = PRODUCTS_PER_AD_MAX - 1;
/// Bytes of a ticket and as many further products as there may be.
pub const VIEW_BYTES_MAX: usize = TICKET_BYTES + KEY_BYTES * FURTHER_MAX;
const _: () = assert!(VIEW_BYTES_MAX <= crate::base::seal::PAYLOAD_MAX, "a view fits into a token");

/// The payload of a token in markup.
pub type ViewPayload = SmallVec<[u8; 128]>;

/// The products of an ad beside the ticket's own, in the order they are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Further {
    keys: [ProductKey; FURTHER_MAX],
    count: u8,
}

impl Further {
    /// The `n`-th, from 1.
    pub fn nth(&self, n: usize) -> Option<ProductKey> {
        self.keys[..usize::from(self.count)].get(n.checked_sub(1)?).copied()
    }
}

/// One bid, as evidence of it names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where it was made.
    pub exchange: ExchangeNo,
    /// `test` requests cost nothing.
    pub test: bool,
    /// The exchange states prices in a currency of its own, not the answer's.
    pub own_currency: bool,
    /// A purchase may be led back to it: the person's signals allowed that (`privacy::permission`).
    pub tracked: bool,
    /// Who advertises.
    pub advertiser: AdvertiserNo,
    /// The campaign.
    pub campaign: CampaignNo,
    /// The creative.
    pub creative: CreativeNo,
    /// Whose impression it is.
    pub user: UserKey,
    /// The product shown.
    pub product: ProductKey,
    /// When the bid was made.
    pub at: Secs,
    /// How long its budget hold stands, and its impression waits for the sign that bills it.
    pub hold_s: u16,
    /// The CPM bid, in the currency of the answer; at most 9.2 billion units.
    pub price: Money,
    /// From the currency of the answer to the advertiser's, as it was then.
    pub conversion: Conversion,
    /// How much of the bid its budget hold counts as likely to be paid.
    pub share: WinShare,
    /// Where it is to be shown.
    pub place: Place,
}

impl Ticket {
    /// The payload.
    pub fn write(&self) -> [u8; TICKET_BYTES] {
        let mut out = [0u8; TICKET_BYTES];
        out[0] = VERSION | if self.tracked { 0 } else { UNTRACKED };
        out[1] = self.exchange.0;
        out[2] = u8::from(self.test) | u8::from(self.own_currency) << 1 | self.share.bits() << 2;
        let site = self.place.site.0.to_le_bytes();
        // Of both there are fewer than three bytes can count.
        out[3..6].copy_from_slice(&self.advertiser.0.to_le_bytes()[..3]);
        out[6] = device_code(self.place.device);
        out[7..10].copy_from_slice(&self.campaign.0.to_le_bytes()[..3]);
        out[10] = site[0];
        out[11] = self.creative.0;
        out[12..20].copy_from_slice(&self.user.0.to_le_bytes());
        out[20..25].copy_from_slice(&self.product.0.to_le_bytes()[..5]);
        out[25..29].copy_from_slice(&self.at.0.to_le_bytes());
        out[29..31].copy_from_slice(&self.hold_s.to_le_bytes());
        let price = i64::try_from(self.price.0).unwrap_or(i64::MAX);
        out[31..39].copy_from_slice(&price.to_le_bytes());
        out[39..47].copy_from_slice(&self.conversion.from.to_le_bytes());
        out[47..55].copy_from_slice(&self.conversion.to.to_le_bytes());
        out[55..58].copy_from_slice(&site[1..]);
        out
    }

    /// Reads a payload.
    pub fn read(payload: &[u8]) -> Option<Ticket> {
        let mut bytes = [0; TICKET_BYTES];
        if payload.len() != length(payload)? {
            return None;
        }
        bytes[..payload.len()].copy_from_slice(payload);
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        Some(Ticket {
            exchange: ExchangeNo(bytes[1]),
            test: bytes[2] & 1 != 0,
            own_currency: bytes[2] & 2 != 0,
            tracked: bytes[0] & UNTRACKED == 0,
            advertiser: AdvertiserNo(word(3) & 0xff_ffff),
            campaign: CampaignNo(word(7) & 0xff_ffff),
            creative: CreativeNo(bytes[11]),
            user: UserKey(long(12)),
            product: product_key([bytes[20], bytes[21], bytes[22], bytes[23], bytes[24]]),
            at: Secs(word(25)),
            hold_s: u16::from_le_bytes([bytes[29], bytes[30]]),
            price: Money(i128::from(long(31) as i64)),
            conversion: Conversion {
                from: long(39),
                to: long(47),
            },
            share: WinShare::from_bits(bytes[2] >> 2),
            place: Place {
                device: device_of(bytes[6]),
                site: SiteKey(u32::from_le_bytes([bytes[10], bytes[55], bytes[56], bytes[57]])),
            },
        })
    }

    /// The same bid, of nobody: what settles it is known by its tag.
    pub const fn of_nobody(self) -> Ticket {
        Ticket {
            user: UserKey::NOBODY,
            ..self
        }
    }

    /// The payload for the markup: with the further products of the ad, at most [`FURTHER_MAX`].
    pub fn write_view(&self, further: impl IntoIterator<Item = ProductKey>) -> ViewPayload {
        let mut out = ViewPayload::from_slice(&self.write());
        for key in further.into_iter().take(FURTHER_MAX) {
            out.extend_from_slice(&key.0.to_le_bytes()[..KEY_BYTES]);
        }
        out
    }

    /// Reads a payload with or without further products.
    pub fn read_view(payload: &[u8]) -> Option<(Ticket, Further)> {
        let (ticket, rest) = payload.split_at_checked(length(payload)?)?;
        let (keys, remainder) = rest.as_chunks::<KEY_BYTES>();
        if keys.len() > FURTHER_MAX || !remainder.is_empty() {
            return None;
        }
        let mut further = Further::default();
        for (slot, key) in further.keys.iter_mut().zip(keys) {
            *slot = product_key(*key);
            further.count += 1;
        }
        Some((Ticket::read(ticket)?, further))
    }

    /// A ticket that says nothing but its price: what a bid would hold.
    pub fn priced(price: Money, conversion: Conversion) -> Ticket {
        Ticket {
            exchange: ExchangeNo(0),
            test: false,
            own_currency: false,
            tracked: true,
            advertiser: AdvertiserNo(0),
            campaign: CampaignNo(0),
            creative: CreativeNo(0),
            user: UserKey(0),
            product: ProductKey::NONE,
            at: Secs(0),
            hold_s: 0,
            price,
            conversion,
            share: WinShare::FULL,
            place: Place::default(),
        }
    }

    /// What an impression at CPM `paid` (in the currency of the answer) costs, in the advertiser's
    /// currency.
    pub fn media_cost(&self, paid: Money) -> Money {
        self.conversion.apply(paid, Round::Nearest).per_impression(Round::Nearest)
    }

    /// What is held of budgets until evidence: the full bid with fee and discrepancy, rounded up.
    pub fn hold(&self, fee: Ratio, discrepancy: Ratio) -> BudgetHold {
        let full = self.conversion.apply(self.price, Round::Up).per_impression(Round::Up);
        let with_fee = full + full.times(fee, Round::Up);
        self.share.of(with_fee + with_fee.times(discrepancy, Round::Up))
    }

    /// Its hold as it was taken.
    pub fn taken(&self, fee: Ratio, discrepancy: Ratio) -> Taken {
        Taken {
            exchange: self.exchange,
            amount: self.hold(fee, discrepancy),
            at: self.at,
            hold_s: u32::from(self.hold_s),
        }
    }

    /// The tag of the bid whose token has this nonce.
    pub fn tag(nonce: &[u8; 12]) -> BidTag {
        BidTag(u64::from_le_bytes([
            nonce[0], nonce[1], nonce[2], nonce[3], nonce[4], nonce[5], nonce[6], nonce[7],
        ]))
    }
}

/// Bytes of a ticket of the version that a payload begins with; none of an unknown one.
fn length(payload: &[u8]) -> Option<usize> {
    match payload.first()? & !UNTRACKED {
        VERSION => Some(TICKET_BYTES),
        VERSION_PLACELESS => Some(PLACELESS_BYTES),
        _ => None,
    }
}

fn product_key(bytes: [u8; KEY_BYTES]) -> ProductKey {
    let [a, b, c, d, e] = bytes;
    ProductKey(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_survives_writing_and_reading() {
        let ticket = Ticket {
            exchange: ExchangeNo(3),
            test: true,
            own_currency: false,
            tracked: false,
            advertiser: AdvertiserNo(70_000),
            campaign: CampaignNo(1 << 20),
            creative: CreativeNo(9),
            user: UserKey(u64::MAX - 5),
            product: ProductKey(0xff_1234_5678),
            at: Secs(90_000_000),
            hold_s: 360,
            price: Money::units(12),
            conversion: Conversion {
                from: 1_000_000_000,
                to: 25_400_000_000_000,
            },
            share: WinShare::from_bits(41),
            place: Place {
                device: Some(crate::model::targeting::Device::Tablet),
                site: SiteKey(0xfedc_ba98),
            },
        };
        assert_eq!(Ticket::read(&ticket.write()), Some(ticket));
        let mut placeless = ticket.write()[..PLACELESS_BYTES].to_vec();
        placeless[0] = VERSION_PLACELESS | UNTRACKED;
        (placeless[6], placeless[10]) = (0, 0);
        let place = Place::default();
        assert_eq!(Ticket::read(&placeless), Some(Ticket { place, ..ticket }), "of the version before");
        placeless.extend([7; KEY_BYTES]);
        assert!(Ticket::read_view(&placeless).is_some_and(|(_, further)| further.nth(1).is_some()));
        let tracked = Ticket { tracked: true, ..ticket };
        assert_eq!(Ticket::read(&tracked.write()), Some(tracked));
        for cut in 0..TICKET_BYTES {
            assert_eq!(Ticket::read(&ticket.write()[..cut]), None);
        }
        for count in 0..=FURTHER_MAX + 1 {
            let keys: Vec<_> = (1..=count as u64).map(|n| ProductKey(0xff_0000_0000 + n)).collect();
            let payload = ticket.write_view(keys.iter().copied());
            let (read, further) = Ticket::read_view(&payload).expect("our own");
            assert_eq!((read, further.nth(0), further.nth(FURTHER_MAX + 1)), (ticket, None, None));
            let listed: Vec<_> = (1..=count).filter_map(|n| further.nth(n)).collect();
            assert_eq!(listed, keys[..count.min(FURTHER_MAX)], "{count} further products");
            assert_eq!(Ticket::read_view(&payload[..payload.len() - 1]), None);
        }
        assert_eq!(
            Ticket::read_view(&[VERSION; VIEW_BYTES_MAX + KEY_BYTES]),
            None,
            "more than there may be"
        );
    }
}
