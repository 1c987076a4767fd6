//! The world of these tests: three exchanges, one for each way of billing, and two shops.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, CampaignNo, CreativeNo, ProductKey};
use crate::base::money::Money;
use crate::base::seal::Seals;
use crate::base::time::Span;
use crate::config::{Context, Numbers, advertiser, server_from_text};
use crate::model::advertiser::{FeedFormat, FeedSource, Shop};
use crate::model::product::{Product, Stock};
use crate::state::world::World;

const SERVER: &str = r#"{
  "currencies": {"base": "USD", "rates": {"EUR": "0.8", "VND": "25000"}},
  "exchanges": [
    {"id": "burl-x", "billing": "burl", "sync": {"ttl": "30d"}},
    {"id": "imp-x", "billing": "impression"},
    {"id": "nurl-x", "billing": "nurl", "price": {"encoding": "plain", "scale": 0.001}}
  ]
}"#;

const SHOP: &str = r#"{
  "version": 1, "id": "ID", "name": "A shop", "domain": "ID.example", "site_key": "ID-web",
  "timezone": "Asia/Ho_Chi_Minh", "fee_percent": 15,
  "attribution": {"goal": "purchase", "click": "30d", "view": "1d"},
  "audiences": [{"id": "all", "include": [{"event": "page_view"}]}],
  "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250]]}],
  "campaigns": [
    {"id": "one", "audiences": ["all"], "bid": {"type": "cpm", "amount": 5}, "budget": {"daily": 100}, "creatives": ["card"]},
    {"id": "two", "audiences": ["all"], "bid": {"type": "cpm", "amount": 5}, "budget": {"daily": 100}, "creatives": ["card"]}
  ]
}"#;

/// Numbers in the order they are asked for.
#[derive(Default)]
struct InOrder(RefCell<Vec<String>>);

impl InOrder {
    fn no(&self, name: &str) -> u32 {
        let mut names = self.0.borrow_mut();
        let known = names.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        u32::try_from(at + 1).expect("few")
    }
}

impl Numbers for InOrder {
    fn advertiser(&self, id: &str) -> AdvertiserNo {
        AdvertiserNo(self.no(&format!("a {id}")))
    }
    fn book(&self, advertiser: &str) -> CampaignNo {
        CampaignNo(self.no(&format!("b {advertiser}")))
    }
    fn campaign(&self, advertiser: &str, campaign: &str) -> CampaignNo {
        CampaignNo(self.no(&format!("c {advertiser} {campaign}")))
    }
    fn creative(&self, advertiser: &str, creative: &str) -> CreativeNo {
        CreativeNo(u8::try_from(self.no(&format!("k {advertiser} {creative}"))).expect("few"))
    }
}

/// The world of these tests: exchanges 0 (burl), 1 (impression), 2 (nurl); shops `acme` and `other`.
pub fn world() -> World {
    let (server, _) = server_from_text("winback.json", Path::new("/nowhere"), SERVER).expect("server");
    let hashes = Hashes::new(&[1; 16]);
    let seals = Seals::new(&[(1, [1; 32])], &[9; 32]);
    let numbers = InOrder::default();
    let mut world = World::new(
        server.exchanges.clone(),
        server.rates.clone(),
        "https://ads.example.com",
        hashes.clone(),
        seals,
    );
    for id in ["acme", "other"] {
        let context = Context {
            server: &server,
            hashes: &hashes,
            numbers: &numbers,
        };
        let dir = tempfile::tempdir().expect("folder");
        let read = advertiser("shop.json", dir.path(), &SHOP.replace("ID", id), &context);
        let (mut shop, _) = read.unwrap_or_else(|faults| panic!("{faults:?}"));
        shop.feed = Some(FeedSource {
            path: "feed.xml".into(),
            url: None,
            format: FeedFormat::Auto,
            refresh: Span::HOUR,
            id_prefixes: vec!["web_".into()],
            auth: None,
        });
        let mut stock = Stock::default();
        stock.put(product(hashes.product(shop.no, "sku-1")));
        let catalog = stock.close();
        world.put(Shop {
            advertiser: Arc::new(shop),
            catalog: Arc::new(catalog),
        });
    }
    world
}

fn product(key: ProductKey) -> Product {
    Product {
        key,
        item_id: "sku-1".into(),
        title: "A boot".into(),
        description: Box::default(),
        link: "https://acme.example/boot".into(),
        image_link: "https://acme.example/boot.jpg".into(),
        price: Money::units(20),
        price_text: "$20".into(),
        sale: None,
        group: 0,
        in_stock: true,
        showable: true,
        expires: None,
        brand: "".into(),
        categories: Box::default(),
    }
}
