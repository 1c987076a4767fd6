//! Numbers of configured ids: given once, durable before they are used, never given again.
//!
//! Assumes that ids have been checked. A number that cannot be recorded is remembered as a failure,
//! and whoever reads config asks for that before using any.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::base::id::{AdvertiserNo, CampaignNo, CreativeNo, ExchangeNo};
use crate::base::limits::{CAMPAIGNS_MAX, EXCHANGES_MAX};
use crate::config::Numbers;
use crate::model::rows::{Row, Table};
use crate::store::Store;
use crate::track::fold::Disk;

/// The register.
pub struct Names {
    inner: Mutex<Inner>,
    failed: AtomicBool,
    makes_keys: bool,
}

struct Inner {
    store: Store,
    numbers: HashMap<String, u32>,
    /// The next free number of each space.
    next: HashMap<String, u32>,
    /// Campaigns by number: advertiser and id.
    campaigns: HashMap<u32, (String, String)>,
}

impl Inner {
    fn note(&mut self, full: String, number: u32) {
        let next = self.next.entry(space(&full).to_owned()).or_default();
        *next = (*next).max(number.saturating_add(1));
        if let Some((advertiser, campaign)) = full.strip_prefix(CAMPAIGN).and_then(|name| name.split_once('/')) {
            self.campaigns.insert(number, (advertiser.to_owned(), campaign.to_owned()));
        }
        self.numbers.insert(full, number);
    }
}

/// Kinds of names, as the keys of the register begin.
const ADVERTISER: &str = "a/";
const BOOK: &str = "b/";
const CAMPAIGN: &str = "c/";
const CREATIVE: &str = "k/";
const EXCHANGE: &str = "x/";

/// What a name is numbered among: books with campaigns, creatives within their advertiser.
fn space(full: &str) -> &str {
    match full.get(..2) {
        Some(BOOK | CAMPAIGN) => CAMPAIGN,
        Some(CREATIVE) => full.rsplit_once('/').map_or(full, |(advertiser, _)| advertiser),
        Some(kind) => kind,
        None => full,
    }
}

/// How many numbers there are of a kind: creatives are counted in one byte, within their advertiser.
fn most(kind: &str) -> u32 {
    match kind {
        BOOK | CAMPAIGN => CAMPAIGNS_MAX,
        CREATIVE => u32::from(u8::MAX),
        EXCHANGE => EXCHANGES_MAX as u32,
        _ => u32::MAX,
    }
}

impl Names {
    /// Reads the register.
    pub fn open(store: Store) -> io::Result<Names> {
        let mut inner = Inner {
            store: store.clone(),
            numbers: HashMap::new(),
            next: HashMap::new(),
            campaigns: HashMap::new(),
        };
        for row in store.rows(Table::Names) {
            let row = row?;
            let number = row.value.as_deref().and_then(|value| value.first_chunk::<4>());
            if let (Ok(name), Some(number)) = (String::from_utf8(row.key), number) {
                inner.note(name, u32::from_le_bytes(*number));
            }
        }
        Ok(Names {
            inner: Mutex::new(inner),
            failed: AtomicBool::new(false),
            makes_keys: true,
        })
    }

    /// For whoever only looks: nothing is made beside configs that are read with it.
    #[must_use]
    pub fn without_keys(self) -> Names {
        Names { makes_keys: false, ..self }
    }

    /// Whether a number could not be given since [`Names::begin`]: what was read with it must not be used.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Before an advertiser is read: what failed for another is not its fault.
    pub fn begin(&self) {
        self.failed.store(false, Ordering::Release);
    }

    /// An exchange's number.
    pub fn exchange(&self, id: &str) -> ExchangeNo {
        ExchangeNo(u8::try_from(self.number(EXCHANGE, id)).unwrap_or(u8::MAX))
    }

    /// The book of the advertiser a campaign belongs to.
    pub fn book_of(&self, campaign: CampaignNo) -> Option<CampaignNo> {
        let (advertiser, _) = self.campaign_name(campaign)?;
        let inner = self.inner.lock();
        inner.numbers.get(&format!("{BOOK}{advertiser}")).map(|no| CampaignNo(*no))
    }

    /// A campaign's advertiser and id.
    pub fn campaign_name(&self, campaign: CampaignNo) -> Option<(String, String)> {
        self.inner.lock().campaigns.get(&campaign.0).cloned()
    }

    /// The id of an advertiser's creative.
    pub fn creative_name(&self, advertiser: &str, creative: CreativeNo) -> Option<String> {
        self.named(&format!("{CREATIVE}{advertiser}/"), creative.0.into())
    }

    /// The id of an exchange.
    pub fn exchange_name(&self, exchange: ExchangeNo) -> Option<String> {
        self.named(EXCHANGE, exchange.0.into())
    }

    /// What stands after this in the name of that number.
    fn named(&self, before: &str, number: u32) -> Option<String> {
        let inner = self.inner.lock();
        let mut named = inner.numbers.iter().filter(|(_, no)| **no == number);
        named.find_map(|(name, _)| name.strip_prefix(before).map(str::to_owned))
    }

    /// The advertiser whose book it is.
    pub fn owner_of_book(&self, book: CampaignNo) -> Option<String> {
        self.named(BOOK, book.0)
    }

    /// All campaigns an advertiser ever had.
    pub fn campaigns_of(&self, advertiser: &str) -> Vec<(CampaignNo, String)> {
        let inner = self.inner.lock();
        let own = inner.campaigns.iter().filter(|(_, (owner, _))| owner == advertiser);
        let mut found: Vec<_> = own.map(|(no, (_, campaign))| (CampaignNo(*no), campaign.clone())).collect();
        found.sort();
        found
    }

    /// The number of a name of `kind`; the next free one of its space if it is new.
    fn number(&self, kind: &str, name: &str) -> u32 {
        let mut inner = self.inner.lock();
        let full = format!("{kind}{name}");
        if let Some(number) = inner.numbers.get(&full) {
            return *number;
        }
        let number = inner.next.get(space(&full)).copied().unwrap_or(0);
        let row = Row {
            table: Table::Names,
            key: full.clone().into_bytes(),
            value: Some(number.to_le_bytes().to_vec()),
        };
        // A number that is not durable, or that books have no room for, is not given.
        if number >= most(kind) || inner.store.commit(&[row]).is_err() {
            self.failed.store(true, Ordering::Release);
        } else {
            inner.note(full, number);
        }
        number
    }
}

impl Numbers for Names {
    fn advertiser(&self, id: &str) -> AdvertiserNo {
        AdvertiserNo(self.number(ADVERTISER, id))
    }

    fn book(&self, advertiser: &str) -> CampaignNo {
        CampaignNo(self.number(BOOK, advertiser))
    }

    fn campaign(&self, advertiser: &str, campaign: &str) -> CampaignNo {
        CampaignNo(self.number(CAMPAIGN, &format!("{advertiser}/{campaign}")))
    }

    fn creative(&self, advertiser: &str, creative: &str) -> CreativeNo {
        let number = self.number(CREATIVE, &format!("{advertiser}/{creative}"));
        CreativeNo(u8::try_from(number).unwrap_or(u8::MAX))
    }

    fn makes_keys(&self) -> bool {
        self.makes_keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_last_and_books_share_campaigns_numbers() {
        let dir = tempfile::tempdir().expect("folder");
        let first = {
            let names = Names::open(Store::open(dir.path()).expect("store")).expect("names");
            let numbers = [
                names.book("a").0,
                names.campaign("a", "x").0,
                names.campaign("b", "x").0,
                names.book("b").0,
            ];
            assert_eq!(names.creative("a", "card"), names.creative("b", "card"));
            assert_eq!(names.book_of(CampaignNo(numbers[1])), Some(CampaignNo(numbers[0])));
            numbers
        };
        let names = Names::open(Store::open(dir.path()).expect("store")).expect("names");
        assert_eq!(
            [
                names.book("a").0,
                names.campaign("a", "x").0,
                names.campaign("b", "x").0,
                names.book("b").0
            ],
            first
        );
        assert_eq!(first, [0, 1, 2, 3]);
        assert_eq!(names.campaigns_of("b"), [(CampaignNo(2), "x".to_owned())]);
        assert!(!names.has_failed());
        for n in 0..300 {
            names.creative("a", &format!("c{n}"));
        }
        assert!(names.has_failed(), "one byte holds 255 creatives");
        names.begin();
        assert!(!names.has_failed());
    }
}
