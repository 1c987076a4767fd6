//! Fixtures: a folder with a server config, advertisers with feeds, and their keys.
//!
//! Everything is generated; nothing outside the temporary folder is touched.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The exchange of every test.
pub const EXCHANGE: &str = "x";
/// What it authenticates with.
pub const EXCHANGE_KEY: &str = "exchange-key-0123456789abcdef0123456789";
/// What every shop sends server events with.
pub const EVENT_KEY: &str = "event-key-0123456789abcdef0123456789abcd";
/// What `public.url` says; the tests take only the path.
pub const PUBLIC_URL: &str = "https://ads.example.com";
/// The sizes the campaigns have a creative for.
pub const SIZES: [(u32, u32); 10] = [
    (300, 250),
    (300, 600),
    (320, 50),
    (728, 90),
    (300, 50),
    (160, 600),
    (320, 480),
    (320, 100),
    (970, 250),
    (336, 280),
];
/// Units of each currency for one dollar.
pub const RATES: [(&str, f64); 8] = [
    ("EUR", 0.92),
    ("GBP", 0.79),
    ("JPY", 150.0),
    ("MXN", 17.0),
    ("CHF", 0.88),
    ("RUB", 90.0),
    ("PLN", 4.0),
    ("AUD", 1.5),
];
/// Products of a feed.
pub const PRODUCTS: usize = 20;

/// A server's folder before it is started.
pub struct Setup {
    folder: TempDir,
    /// `winback.json`.
    pub config: Value,
    /// Files of `advertisers`.
    pub advertisers: Vec<Value>,
}

impl Setup {
    /// One exchange, no advertiser, no test for invalid traffic, free ports.
    pub fn new() -> Self {
        let rates: serde_json::Map<String, Value> = RATES
            .iter()
            .map(|(currency, rate)| ((*currency).to_owned(), json!(rate.to_string())))
            .collect();
        let config = json!({
            "bid": {"listen": "127.0.0.1:0"},
            "public": {"listen": "127.0.0.1:0", "url": PUBLIC_URL},
            "admin": {"listen": "127.0.0.1:0", "token_file": "admin-token"},
            "data_dir": "data",
            "seal_keys_dir": "seal-keys",
            "advertisers": "advertisers",
            "currencies": {"base": "USD", "rates": rates},
            "exchanges": [{
                "id": EXCHANGE,
                "auth": {"header": "X-Exchange-Key", "value_file": "x-key"},
                "seat": "winback",
                "auction": {"default_at": 1, "shade": 0.8},
                "billing": "burl",
                "price": {"encoding": "plain"}
            }],
            "privacy": {"gvl_vendor_id": null, "gvl_file": null, "gdpr_when_unknown": false, "retention": "90d"},
            "invalid_traffic": null
        });
        Setup {
            folder: tempfile::tempdir().expect("a temporary folder"),
            config,
            advertisers: Vec::new(),
        }
    }

    /// With one shop, `acme`.
    pub fn acme() -> Self {
        Setup::new().with(advertiser("acme"))
    }

    /// Adds an advertiser.
    pub fn with(mut self, advertiser: Value) -> Self {
        self.advertisers.push(advertiser);
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The config's path.
    pub fn config_path(&self) -> PathBuf {
        self.path().join("winback.json")
    }

    /// Where an advertiser's file is.
    pub fn advertiser_path(&self, id: &str) -> PathBuf {
        self.path().join("advertisers").join(format!("{id}.json"))
    }

    /// Writes every file.
    pub fn write(&self) {
        let advertisers = self.path().join("advertisers");
        fs::create_dir_all(&advertisers).expect("advertisers");
        fs::write(self.config_path(), pretty(&self.config)).expect("winback.json");
        secret(&self.path().join("x-key"), EXCHANGE_KEY);
        for advertiser in &self.advertisers {
            let id = advertiser["id"].as_str().expect("id");
            fs::write(self.advertiser_path(id), pretty(advertiser)).expect("advertiser");
            fs::write(advertisers.join(format!("{id}.xml")), feed(id)).expect("feed");
            secret(&advertisers.join(format!("{id}-event-key")), EVENT_KEY);
        }
    }
}

/// JSON as a person would write it.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("json")
}

fn secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("secret");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("permissions");
}

/// A shop of that id with one uncapped, practically unlimited campaign of CPM 4.
pub fn advertiser(id: &str) -> Value {
    let sizes: Vec<Value> = SIZES.iter().map(|(w, h)| json!([w, h])).collect();
    json!({
        "version": 1,
        "id": id,
        "name": format!("Shop {id}"),
        "domain": domain(id),
        "currency": "USD",
        "timezone": "UTC",
        "language": "en",
        "categories": ["IAB18-3"],
        "site_key": format!("{id}-web"),
        "event_key_file": format!("{id}-event-key"),
        "feed": {"path": format!("{id}.xml"), "refresh": "15m"},
        "audiences": [{"id": "cart", "include": [{"state": "cart", "within": "30d"}]}],
        "products": {"from": ["cart"]},
        "creatives": [{"id": "card", "format": "banner", "sizes": sizes, "template": "product-card"}],
        "campaigns": [{
            "id": format!("{id}-cart"),
            "status": "active",
            "audiences": ["cart"],
            "bid": {"type": "cpm", "amount": 4},
            "budget": {"total": 1_000_000, "pacing": "asap"},
            "frequency": [],
            "creatives": ["card"]
        }]
    })
}

/// A shop's domain.
pub fn domain(id: &str) -> String {
    format!("{id}.example")
}

/// A product's id, unique over all shops.
pub fn item(shop: &str, n: usize) -> String {
    format!("{shop}-sku-{n}")
}

/// A product's title, unique over all shops.
pub fn title(shop: &str, n: usize) -> String {
    format!("{shop} article {n:03}")
}

fn feed(shop: &str) -> String {
    let domain = domain(shop);
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel>\n",
    );
    text.push_str(&format!(
        "<title>{shop}</title><link>https://{domain}/</link><description>all of it</description>\n"
    ));
    for n in 0..PRODUCTS {
        let (id, title) = (item(shop, n), title(shop, n));
        text.push_str(&format!(
            "<item><g:id>{id}</g:id><g:title>{title}</g:title><g:description>one of {PRODUCTS}</g:description>\
             <g:link>https://{domain}/p/{id}</g:link><g:image_link>https://{domain}/i/{id}.jpg</g:image_link>\
             <g:availability>in_stock</g:availability><g:price>{}.90 USD</g:price><g:brand>{shop}</g:brand>\
             <g:condition>new</g:condition></item>\n",
            19 + n
        ));
    }
    text.push_str("</channel></rss>\n");
    text
}

/// A batch: this user put this product of this shop into the cart.
pub fn cart(user: Value, shop: &str, n: usize) -> Value {
    let item = json!({"item_id": item(shop, n), "quantity": 1, "price": 19 + n});
    json!({"user": user, "events": [{"event": "add_to_cart", "items": [item], "currency": "USD"}]})
}

/// The user that the exchange knows by that id.
pub fn theirs(id: &str) -> Value {
    json!({"exchange_ids": {EXCHANGE: id}})
}

/// A request for banners of 300x250, each on a placement of its own.
pub fn request(id: &str, user: &str, imps: usize) -> Value {
    let imps: Vec<Value> = (1..=imps)
        .map(|n| {
            let banner = json!({"format": [{"w": 300, "h": 250}]});
            json!({"id": n.to_string(), "tagid": format!("{id}-{n}"), "secure": 1, "bidfloor": 0.5, "banner": banner})
        })
        .collect();
    json!({
        "id": id, "at": 1, "cur": ["USD"], "imp": imps, "tmax": 1000,
        "site": {"domain": "news.example", "page": format!("https://news.example/{id}")},
        "device": {"ua": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "ip": "203.0.113.7"},
        "user": {"id": user}
    })
}
