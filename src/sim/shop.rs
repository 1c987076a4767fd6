//! The demo's shops: their configuration, embedded from `examples/shop`, and what they sell.
//!
//! Assumes the embedded files, which a test reads. Never reads a file at run time; writes only into
//! the folder it is handed.

use std::io;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use crate::base::money::{Currency, Money, Rates};

/// Listening addresses, `host:port` with the ports that will really be bound: `public.url` is
/// written from them.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `bid.listen`.
    pub bid: String,
    /// `public.listen`.
    pub public: String,
    /// `admin.listen`.
    pub admin: String,
}

/// The server config as it is in the examples.
pub const SERVER: &str = include_str!("../../examples/shop/winback.json");

/// An advertiser's files.
pub struct Files {
    /// Its id, which the files are named after.
    pub id: &'static str,
    /// Its JSON.
    pub json: &'static str,
    /// Its feed.
    pub feed: &'static str,
}

/// The advertisers of the demo.
pub const FILES: [Files; 3] = [
    Files {
        id: "alder-shoes",
        json: include_str!("../../examples/shop/advertisers/alder-shoes.json"),
        feed: include_str!("../../examples/shop/advertisers/alder-shoes-feed.xml"),
    },
    Files {
        id: "hien-nha",
        json: include_str!("../../examples/shop/advertisers/hien-nha.json"),
        feed: include_str!("../../examples/shop/advertisers/hien-nha-feed.xml"),
    },
    Files {
        id: "bergfuchs",
        json: include_str!("../../examples/shop/advertisers/bergfuchs.json"),
        feed: include_str!("../../examples/shop/advertisers/bergfuchs-feed.xml"),
    },
];

/// The addresses that the examples are written with: bid, public, admin, storefront.
const WRITTEN: [&str; 4] = ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:9090", "127.0.0.1:8085"];

/// Writes the demo's configuration into a folder: `winback.json`, `advertisers/` and the feeds, with
/// pages and pictures at `storefront`. Key files are left to the server, which makes them. Returns
/// the path of `winback.json`.
pub fn write_config(dir: &Path, storefront: std::net::SocketAddr, listen: &Listen) -> io::Result<PathBuf> {
    let advertisers = dir.join("advertisers");
    std::fs::create_dir_all(&advertisers)?;
    // A wildcard address can be listened on but is no address to send a browser to.
    let url_host = listen.public.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let server = replaced(
        SERVER,
        &[
            ("\"127.0.0.1:8080\"", &format!("\"{}\"", listen.bid)),
            ("\"127.0.0.1:8081\"", &format!("\"{}\"", listen.public)),
            ("\"127.0.0.1:9090\"", &format!("\"{}\"", listen.admin)),
            ("http://127.0.0.1:8081", &format!("http://{url_host}")),
        ],
    );
    let config = dir.join("winback.json");
    std::fs::write(&config, server)?;
    for files in &FILES {
        std::fs::write(advertisers.join(format!("{}.json", files.id)), files.json)?;
        let feed = replaced(files.feed, &[(WRITTEN[3], &storefront.to_string())]);
        std::fs::write(advertisers.join(format!("{}-feed.xml", files.id)), feed)?;
    }
    Ok(config)
}

/// Replaces texts in one pass, so that nothing is replaced twice.
fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let next = pairs
            .iter()
            .filter_map(|pair| rest.find(pair.0).map(|at| (at, pair)))
            .min_by_key(|(at, _)| *at);
        let Some((at, (from, to))) = next else {
            out.push_str(rest);
            return out;
        };
        out.push_str(&rest[..at]);
        out.push_str(to);
        rest = &rest[at + from.len()..];
    }
}

/// A product, as the shop itself knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// `id`.
    pub id: String,
    /// `title`.
    pub title: String,
    /// `description` or `summary`.
    pub description: String,
    /// Amount and currency, the sale price where there is one.
    pub price: String,
    /// `product_type`.
    pub category: String,
}

/// A shop and its campaigns.
#[derive(Clone, Debug)]
pub struct Shop {
    /// The advertiser's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// Its language.
    pub language: String,
    /// Its currency.
    pub currency: Currency,
    /// Its campaigns: id and bid type.
    pub campaigns: Vec<(String, String)>,
    /// Whether it has a campaign for those who have not bought in a long time.
    pub courts_lapsed: bool,
    /// Whether it has a campaign for those who only looked.
    pub courts_viewers: bool,
    /// What it sells.
    pub items: Vec<Item>,
}

impl Shop {
    /// The item of an id.
    pub fn item(&self, id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }
}

impl Item {
    /// The amount of its price, as text.
    pub fn amount(&self) -> &str {
        self.price.split(' ').next().unwrap_or_default()
    }
}

/// The demo's shops, from the embedded files.
pub fn shops() -> Result<Vec<Shop>, String> {
    FILES
        .iter()
        .map(|files| shop(files).map_err(|fault| format!("embedded advertiser {}: {fault}", files.id)))
        .collect()
}

fn shop(files: &Files) -> Result<Shop, String> {
    let json: Value = serde_json::from_str(files.json).map_err(|fault| fault.to_string())?;
    let text = |key: &str| json[key].as_str().map(str::to_owned).ok_or_else(|| format!("no `{key}`"));
    let campaigns = json["campaigns"].as_array().ok_or("no `campaigns`")?;
    let audiences = json["audiences"].as_array().ok_or("no `audiences`")?;
    let first_event = |event: &str| audiences.iter().any(|audience| audience["include"][0]["event"] == event);
    Ok(Shop {
        id: text("id")?,
        name: text("name")?,
        domain: text("domain")?,
        language: text("language")?,
        currency: Currency::parse(&text("currency")?).ok_or("`currency` is no code")?,
        campaigns: campaigns
            .iter()
            .filter_map(|campaign| Some((campaign["id"].as_str()?.to_owned(), campaign["bid"]["type"].as_str()?.to_owned())))
            .collect(),
        courts_lapsed: first_event("purchase"),
        courts_viewers: first_event("view_item"),
        items: items(files.feed)?,
    })
}

/// The items of an RSS or Atom feed.
fn items(feed: &str) -> Result<Vec<Item>, String> {
    let mut reader = Reader::from_str(feed);
    let (mut items, mut open, mut field) = (Vec::new(), None::<Item>, String::new());
    loop {
        match reader.read_event().map_err(|fault| fault.to_string())? {
            Event::Start(tag) => {
                field = local(tag.local_name().as_ref());
                if field == "item" || field == "entry" {
                    open = Some(Item::default());
                }
            }
            Event::Text(text) => {
                let text = text.xml10_content();
                if let Some(item) = open.as_mut() {
                    fill(item, &field, text.trim());
                }
            }
            Event::End(tag) => {
                field.clear();
                if matches!(local(tag.local_name().as_ref()).as_str(), "item" | "entry") {
                    items.extend(open.take());
                }
            }
            Event::Eof => return Ok(items),
            _ => {}
        }
    }
}

fn local(name: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(name.as_ref()).into_owned()
}

fn fill(item: &mut Item, field: &str, text: &str) {
    let target = match field {
        "id" => &mut item.id,
        "title" => &mut item.title,
        "description" | "summary" => &mut item.description,
        "price" | "sale_price" => &mut item.price,
        "product_type" => &mut item.category,
        _ => return,
    };
    text.clone_into(target);
}

/// The exchange rates of the demo's server config.
pub fn rates() -> Result<Rates, String> {
    let json: Value = serde_json::from_str(SERVER).map_err(|fault| format!("embedded server config: {fault}"))?;
    let currencies = &json["currencies"];
    let base = currencies["base"]
        .as_str()
        .and_then(Currency::parse)
        .ok_or("embedded server config: no base currency")?;
    let rates = currencies["rates"].as_object().ok_or("embedded server config: no rates")?;
    let pairs = rates
        .iter()
        .filter_map(|(code, rate)| Some((Currency::parse(code)?, Money::parse(rate.as_str()?).ok()?)));
    Ok(Rates::new(base, pairs))
}
