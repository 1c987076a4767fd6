//! The names of what figures and facts are told by numbers: campaigns, creatives, exchanges, products, sites.
//!
//! Whatever is no longer configured keeps the name it was given, but for products: of one that the feed lists no
//! longer only what stood for it is known.

use std::collections::HashMap;
use std::sync::Arc;

use super::engine::Engine;
use crate::base::id::{CampaignNo, CreativeNo, ExchangeNo, ProductKey};
use crate::base::money::Currency;
use crate::model::dimension::{Dimension, NONE_WORD, OTHER, OTHER_WORD, UNKNOWN_WORD};
use crate::model::rows::Table;
use crate::state::world::World;
use crate::track::fold::Disk;

/// A campaign, or the book of an advertiser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// Whose.
    pub advertiser: String,
    /// Empty of a book.
    pub campaign: String,
}

/// Finds names, each once.
pub struct Labels<'e> {
    engine: &'e Engine,
    world: Arc<World>,
    titles: HashMap<CampaignNo, Title>,
    values: HashMap<(Dimension, CampaignNo, u64), String>,
}

impl<'e> Labels<'e> {
    /// Of a server, as it is configured now.
    pub fn new(engine: &'e Engine) -> Labels<'e> {
        Labels {
            engine,
            world: engine.world.load_full(),
            titles: HashMap::new(),
            values: HashMap::new(),
        }
    }

    /// Whose a campaign or a book is; of an unknown one all is empty.
    pub fn title(&mut self, no: CampaignNo) -> &Title {
        let names = &self.engine.names;
        self.titles.entry(no).or_insert_with(|| {
            let of_book = || Some((names.owner_of_book(no)?, String::new()));
            let (advertiser, campaign) = names.campaign_name(no).or_else(of_book).unwrap_or_default();
            Title { advertiser, campaign }
        })
    }

    /// An advertiser's currency; none of one that is gone.
    pub fn currency(&self, advertiser: &str) -> Option<Currency> {
        self.world.shop_by_id(advertiser).map(|shop| shop.advertiser.currency)
    }

    /// The name of a dimension's value, of a campaign.
    pub fn value(&mut self, dimension: Dimension, campaign: CampaignNo, value: u64) -> &str {
        if !self.values.contains_key(&(dimension, campaign, value)) {
            let advertiser = self.title(campaign).advertiser.clone();
            let found = self.find(dimension, &advertiser, value);
            self.values.insert((dimension, campaign, value), found);
        }
        &self.values[&(dimension, campaign, value)]
    }

    fn find(&self, dimension: Dimension, advertiser: &str, value: u64) -> String {
        if let Some(word) = dimension.word(value) {
            return word.to_owned();
        }
        let found = match dimension {
            _ if value == OTHER => Some(OTHER_WORD.to_owned()),
            Dimension::Creative => self.engine.names.creative_name(advertiser, CreativeNo(value as u8)),
            Dimension::Exchange => self.engine.names.exchange_name(ExchangeNo(value as u8)),
            Dimension::Product | Dimension::Domain if value == 0 => Some(NONE_WORD.to_owned()),
            Dimension::Product => Some(self.product(advertiser, ProductKey(value))),
            Dimension::Domain => self.site(value as u32),
            _ => None,
        };
        found.unwrap_or_else(|| UNKNOWN_WORD.to_owned())
    }

    fn product(&self, advertiser: &str, key: ProductKey) -> String {
        let shop = self.world.shop_by_id(advertiser);
        let listed = shop.and_then(|shop| shop.catalog.get(key));
        listed.map_or_else(|| format!("#{:010x}", key.0), |product| product.item_id.to_string())
    }

    fn site(&self, key: u32) -> Option<String> {
        let name = self.engine.store.get(Table::Sites, &key.to_be_bytes()).ok()??;
        String::from_utf8(name).ok()
    }
}
