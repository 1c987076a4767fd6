//! `winback init`: a working config for one's own shop, and what to do next.
//!
//! Writes new files only: where one exists already, nothing is written. Keys are made by the server at
//! its first start.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Deserialize;
use url::{Host, Url};

use super::Failure;
use crate::base::hash::Hashes;
use crate::base::id::AdvertiserNo;
use crate::base::money::{Currency, Money};
use crate::config::schema::{File, schema};
use crate::config::{PRESETS, preset};
use crate::feed::{self, Rejection, Shelf};
use crate::model::advertiser::FeedFormat;

const SERVER: &str = include_str!("init/winback.json");
const ADVERTISER: &str = include_str!("init/advertiser.json");
const NEXT: &str = include_str!("init/next.txt");
/// Where the keys of encrypted prices are.
const PRICE_KEYS: &str =
    ",\n      \"price\": {\"encryption_key_file\": \"exchange-1-encryption-key\", \"integrity_key_file\": \"exchange-1-integrity-key\"}";
/// An id leaves room in `crid` for the creative's and the revision.
const ID_CHARS_MAX: usize = 40;

/// Arguments of `winback init`.
#[derive(clap::Args, Clone, Debug)]
pub struct Init {
    /// The folder to write into; made if it is not there.
    pub dir: PathBuf,
    /// The shop's domain, such as shop.example.
    #[arg(long)]
    pub domain: String,
    /// The shop's product feed: a file, or an address.
    #[arg(long, value_name = "PATH_OR_URL")]
    pub feed: String,
    /// The shop's currency: that of the feed's prices, else USD.
    #[arg(long)]
    pub currency: Option<String>,
    /// What kind of exchange will call; its entry can say otherwise.
    #[arg(long, default_value = "generic", value_parser = clap::builder::PossibleValuesParser::new(PRESETS))]
    pub preset: String,
    /// Units of that currency for one US dollar; must be given where it is another.
    #[arg(long)]
    pub rate: Option<String>,
}

/// `winback init`.
pub fn init(arguments: &Init) -> Result<(), Failure> {
    let domain = domain(&arguments.domain)?;
    let id = id_of(&domain);
    let feed = Feed::of(&arguments.feed)?;
    let product = feed.product(&domain)?;
    let currency = match &arguments.currency {
        Some(code) => currency(code)?,
        None => product.currency,
    };
    let rates = rates(currency, arguments.rate.as_deref())?;
    let kind = Kind::of(&arguments.preset);
    let is_encrypted = kind.exchange.price.encoding == "google";
    let words = [
        ("@id@", id.as_str()),
        ("@domain@", &domain),
        ("@currency@", currency.as_str()),
        ("\"@rates@\"", &rates),
        ("\"@feed@\"", &feed.to_json()),
        ("@preset@", &arguments.preset),
        ("@price@", if is_encrypted { PRICE_KEYS } else { "" }),
        ("@item@", &product.item_id),
        ("@dir@", &arguments.dir.display().to_string()),
    ];
    let fill = |text: &str| words.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let files = [
        ("winback.json".to_owned(), fill(SERVER)),
        (format!("advertisers/{id}.json"), fill(ADVERTISER)),
        ("schema/server.json".to_owned(), schema(File::Server)),
        ("schema/advertiser.json".to_owned(), schema(File::Advertiser)),
    ];
    write(&arguments.dir, &files)?;
    print!("{}", fill(NEXT));
    println!("\nOf {}, its entry in winback.json cannot know:", kind.name);
    for (what, how) in &kind.yours {
        println!("   {what}: {how}");
    }
    Ok(())
}

/// What `init` takes of a preset.
#[derive(Default, Deserialize)]
struct Kind {
    name: String,
    exchange: Wanted,
    yours: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Wanted {
    price: WantedPrice,
}

#[derive(Default, Deserialize)]
struct WantedPrice {
    encoding: String,
}

impl Kind {
    /// The tests read every preset.
    fn of(name: &str) -> Kind {
        let text = preset(name).unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }
}

fn input(problem: String) -> Failure {
    Failure::Faults(problem)
}

fn domain(text: &str) -> Result<String, Failure> {
    match Host::parse(text) {
        Ok(Host::Domain(domain)) if domain.contains('.') => Ok(domain),
        _ => Err(input(format!(
            "--domain `{text}` is not a domain: without scheme, port and path, such as shop.example"
        ))),
    }
}

/// `www.acme-shoes.co.uk` is `acme-shoes-co`.
fn id_of(domain: &str) -> String {
    let name = domain.strip_prefix("www.").unwrap_or(domain);
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name).replace('.', "-");
    let id: String = name.trim_start_matches(['-', '_']).chars().take(ID_CHARS_MAX).collect();
    if crate::base::id::is_id(&id) { id } else { "shop".to_owned() }
}

fn currency(code: &str) -> Result<Currency, Failure> {
    let listed = Currency::parse(code).filter(|currency| currency.is_listed());
    listed.ok_or_else(|| input(format!("--currency `{code}` is not a currency: an ISO 4217 code such as USD")))
}

/// The `rates` of a config whose base is the dollar, in which exchanges pay.
fn rates(currency: Currency, rate: Option<&str>) -> Result<String, Failure> {
    if currency == Currency::USD {
        return Ok("{}".to_owned());
    }
    let Some(text) = rate else {
        return Err(input(format!(
            "the shop's prices are in {currency} and exchanges pay in USD: say how many {currency} one dollar is, such as --rate 0.92"
        )));
    };
    match Money::parse(text) {
        Ok(rate) if rate.0 > 0 && u64::try_from(rate.0).is_ok() => Ok(format!("{{\"{currency}\": \"{rate}\"}}")),
        _ => Err(input(format!("--rate `{text}` is not a rate: a number above zero such as 0.92"))),
    }
}

enum Feed {
    Path(PathBuf),
    Url(String),
}

/// What a feed shows of itself.
struct Shown {
    currency: Currency,
    item_id: String,
}

impl Feed {
    fn of(text: &str) -> Result<Feed, Failure> {
        if text.contains("://") {
            let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
            return match Url::parse(text).ok().filter(is_web) {
                Some(_) => Ok(Feed::Url(text.to_owned())),
                None => Err(input(format!(
                    "--feed `{text}` is not a web address: such as https://shop.example/feed.xml"
                ))),
            };
        }
        // The config may lie elsewhere: a relative path is made whole.
        match fs::canonicalize(text) {
            Ok(path) if path.is_file() => Ok(Feed::Path(path)),
            Ok(_) => Err(input(format!("--feed `{text}` is no file: name the feed's file or address"))),
            Err(error) => Err(input(format!(
                "--feed `{text}` cannot be read: {error}: name the feed's file or address"
            ))),
        }
    }

    fn to_json(&self) -> String {
        match self {
            Feed::Path(path) => serde_json::json!({"path": path.display().to_string()}).to_string(),
            Feed::Url(url) => serde_json::json!({"url": url}).to_string(),
        }
    }

    /// Reads a feed that is a file: its currency and one item, for the commands that are shown.
    fn product(&self, domain: &str) -> Result<Shown, Failure> {
        let Feed::Path(path) = self else {
            return Ok(Shown {
                currency: Currency::USD,
                item_id: "ITEM-1".to_owned(),
            });
        };
        let mut currency = Currency::USD;
        // A feed in another currency says so by the first price that is refused.
        for _ in 0..2 {
            let shelf = Shelf {
                advertiser: AdvertiserNo(0),
                currency,
                language: "en",
                landing_domains: &[domain.to_owned()],
                hashes: &Hashes::new(&[0; 16]),
                format: FeedFormat::Auto,
                zone: &TimeZone::UTC,
            };
            let (catalog, report) = feed::read_file(path, &shelf).map_err(|fault| input(fault.to_string()))?;
            if let Some(product) = catalog.iter().find(|product| product.in_stock && product.showable) {
                let item_id = product.item_id.to_string();
                return Ok(Shown { currency, item_id });
            }
            let other = report.examples.iter().find(|item| item.reason == Rejection::Currency);
            match other.and_then(|item| feed::price::parse(&item.detail, currency).ok()) {
                Some((_, other)) => currency = other,
                None => {
                    let first = report.examples.first().map_or_else(String::new, |item| format!(": {item}"));
                    let problem = format!("no item of feed {} can be shown for {domain}{first}", path.display());
                    return Err(input(problem));
                }
            }
        }
        Err(input(format!("no item of feed {} can be shown for {domain}", path.display())))
    }
}

fn write(dir: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| dir.join(name)).collect();
    if let Some(taken) = paths.iter().find(|path| path.exists()) {
        return Err(exists(taken));
    }
    let failed = |what| move |source| Failure::Environment { what, source };
    for (path, (_, text)) in paths.iter().zip(files) {
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder).map_err(failed("cannot make the config's folder: choose another"))?;
        let mut file = match fs::File::create_new(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(path)),
            other => other.map_err(failed("cannot write the config: choose another folder"))?,
        };
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed("cannot write the config: free the disk"))?;
    }
    Ok(())
}

fn exists(path: &Path) -> Failure {
    input(format!(
        "{} is there already: choose another folder, or move it away",
        path.display()
    ))
}
