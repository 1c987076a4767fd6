//! The World: config, feeds and rates, checked whole and swapped in one pointer (architecture rule 7).
//!
//! A request takes one World at the top and sees no other. A swap clones pointers and builds one
//! shop; nothing here changes after it is built.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::domain::is_of_domain;
use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, CridKey, ExchangeNo};
use crate::base::money::Rates;
use crate::base::seal::Seals;
use crate::base::time::Secs;
use crate::model::advertiser::Shop;
use crate::model::eids::EidSources;
use crate::model::exchange::Exchange;
use crate::model::house::HouseBlock;
use crate::model::matched::Matched;
use crate::model::traffic::InvalidTraffic;
use crate::privacy::permission::Policy;

/// What does not change while a request is decided.
#[derive(Clone)]
pub struct World {
    /// Exchange rates.
    pub rates: Rates,
    /// `public.url`, without a trailing slash.
    pub public_url: String,
    /// Whether what `public_url` serves may be loaded by a secure page: https, or of this very machine.
    pub is_secure: bool,
    /// The host of `public_url`: the source of EIDs that carry our own id.
    pub public_host: String,
    /// Keyed hashes of ids.
    pub hashes: Hashes,
    /// Keys of tracking tokens.
    pub seals: Arc<Seals>,
    /// How old an event may be and still count, seconds.
    pub retention_s: u32,
    /// What no advertiser is shown on.
    pub house: Arc<HouseBlock>,
    /// What privacy signals allow.
    pub privacy: Arc<Policy>,
    /// Which ids of `user.eids` are looked at.
    pub eids: Arc<EidSources>,
    /// What is taken for the doing of machines.
    pub invalid_traffic: Arc<InvalidTraffic>,
    exchanges: Vec<Option<Arc<Exchange>>>,
    shops: Vec<Option<Arc<Shop>>>,
    by_id: HashMap<String, AdvertiserNo>,
    by_site_key: HashMap<String, AdvertiserNo>,
    /// Advertisers and the places of their creatives.
    by_crid: HashMap<CridKey, (AdvertiserNo, usize)>,
}

impl World {
    /// A World without advertisers.
    pub fn new(exchanges: Vec<Exchange>, rates: Rates, public_url: &str, hashes: Hashes, seals: Seals) -> World {
        let public_url = public_url.trim_end_matches('/').to_owned();
        let url = url::Url::parse(&public_url).ok();
        let public_host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default().to_owned();
        World {
            exchanges: by_number(exchanges),
            rates,
            is_secure: url.is_some_and(|url| is_secure(&url)),
            public_url,
            public_host,
            hashes,
            seals: Arc::new(seals),
            retention_s: 90 * 86_400,
            house: Arc::default(),
            privacy: Arc::default(),
            eids: Arc::default(),
            invalid_traffic: Arc::default(),
            shops: Vec::new(),
            by_id: HashMap::new(),
            by_site_key: HashMap::new(),
            by_crid: HashMap::new(),
        }
    }

    /// This World under another server config.
    pub fn reconfigured(&self, exchanges: Vec<Exchange>, rates: Rates) -> World {
        World {
            exchanges: by_number(exchanges),
            rates,
            ..self.clone()
        }
    }

    /// This World with an advertiser added or replaced.
    pub fn with_shop(&self, shop: Shop) -> World {
        let mut world = self.clone();
        world.put(shop);
        world
    }

    /// This World without an advertiser.
    pub fn without_shop(&self, no: AdvertiserNo) -> World {
        let mut world = self.clone();
        world.drop_indexes(no);
        if let Some(place) = world.shops.get_mut(no.0 as usize) {
            *place = None;
        }
        world
    }

    /// Adds or replaces an advertiser; for building a World, before anyone sees it.
    pub fn put(&mut self, shop: Shop) {
        let no = shop.advertiser.no;
        self.drop_indexes(no);
        self.by_id.insert(shop.advertiser.id.clone(), no);
        self.by_site_key.insert(shop.advertiser.site_key.clone(), no);
        let creatives = shop.advertiser.creatives.iter().enumerate();
        self.by_crid.extend(creatives.map(|(at, creative)| (creative.crid_key, (no, at))));
        let place = no.0 as usize;
        if self.shops.len() <= place {
            self.shops.resize(place + 1, None);
        }
        self.shops[place] = Some(Arc::new(shop));
    }

    fn drop_indexes(&mut self, no: AdvertiserNo) {
        let before = self.shops.get(no.0 as usize).and_then(Option::as_ref);
        for creative in before.into_iter().flat_map(|shop| &shop.advertiser.creatives) {
            self.by_crid.remove(&creative.crid_key);
        }
        self.by_id.retain(|_, n| *n != no);
        self.by_site_key.retain(|_, n| *n != no);
    }

    /// An advertiser by number.
    pub fn shop(&self, no: AdvertiserNo) -> Option<&Arc<Shop>> {
        self.shops.get(no.0 as usize)?.as_ref()
    }

    /// An advertiser by id.
    pub fn shop_by_id(&self, id: &str) -> Option<&Arc<Shop>> {
        self.shop(*self.by_id.get(id)?)
    }

    /// An advertiser by the key its events are sent to.
    pub fn shop_by_site_key(&self, site_key: &str) -> Option<&Arc<Shop>> {
        self.shop(*self.by_site_key.get(site_key)?)
    }

    /// All advertisers, in the order of their numbers.
    pub fn shops(&self) -> impl Iterator<Item = &Arc<Shop>> {
        self.shops.iter().flatten()
    }

    /// The creative of ours that a key stands for, and whose it is.
    pub fn creative(&self, key: CridKey) -> Option<(&Arc<Shop>, usize)> {
        let (advertiser, at) = *self.by_crid.get(&key)?;
        Some((self.shop(advertiser)?, at))
    }

    /// The `crid` that a key stands for.
    pub fn crid(&self, key: CridKey) -> Option<&str> {
        let (shop, at) = self.creative(key)?;
        shop.advertiser.creatives.get(at).map(|creative| creative.crid.as_str())
    }

    /// Whether a match is older than it holds.
    pub fn has_lapsed(&self, matched: &Matched<'_>, now: Secs) -> bool {
        let sync = || self.exchange_by_id(matched.namespace)?.sync.as_ref();
        matched.at.is_some_and(|at| sync().is_some_and(|sync| now.since(at) >= sync.ttl.0))
    }

    /// An exchange by number.
    pub fn exchange(&self, no: ExchangeNo) -> Option<&Arc<Exchange>> {
        self.exchanges.get(usize::from(no.0))?.as_ref()
    }

    /// An exchange by id.
    pub fn exchange_by_id(&self, id: &str) -> Option<&Arc<Exchange>> {
        self.exchanges().find(|exchange| exchange.id == id)
    }

    /// All exchanges, in the order of their numbers.
    pub fn exchanges(&self) -> impl Iterator<Item = &Arc<Exchange>> {
        self.exchanges.iter().flatten()
    }
}

/// As browsers judge it (W3C Secure Contexts §3.1).
fn is_secure(url: &url::Url) -> bool {
    let is_here = match url.host() {
        Some(url::Host::Domain(name)) => is_of_domain(name, "localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    is_here || url.scheme() == "https"
}

fn by_number(exchanges: Vec<Exchange>) -> Vec<Option<Arc<Exchange>>> {
    let mut places = Vec::new();
    for exchange in exchanges {
        let place = usize::from(exchange.no.0);
        if places.len() <= place {
            places.resize(place + 1, None);
        }
        places[place] = Some(Arc::new(exchange));
    }
    places
}
