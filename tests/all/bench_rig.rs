//! A World, a State and a disk in memory, built from the very JSON and feeds that a server reads, under
//! a clock that callers move: for scenarios and benches.
//!
//! Touches no file but through `config`, which is pointed at a folder that does not exist. Panics on
//! whatever is wrong with its input: that is the test's fault, and its text says where.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use winback::base::hash::Hashes;
use winback::base::id::{AdvertiserNo, CampaignNo, CreativeNo, ExchangeNo, UserKey};
use winback::base::seal::Seals;
use winback::base::time::Millis;
use winback::bid::Ask;
use winback::config::schema::{File, schema};
use winback::config::{self, Context, Fault, Numbers, Server};
use winback::feed::{self, Shelf};
use winback::model::advertiser::{FeedFormat, Shop};
use winback::model::rows::{Row, Table};
use winback::openrtb::response::Form;
use winback::privacy::grant::Grant;
use winback::state::State;
use winback::state::world::World;
use winback::track::events::{self, Read, Sender};
use winback::track::fact::{Effect, Fact};
use winback::track::fold::Disk;
use winback::track::writer::{Writer, install_row, restore};

/// A folder that does not exist.
pub const NOWHERE: &str = "/nonexistent";

/// How the first exchange asks, at once and by the same seed.
pub fn ask(body: &[u8], form: Form, now: Millis) -> Ask<'_> {
    Ask {
        exchange: ExchangeNo(0),
        body,
        form,
        now,
        waited_ms: 0,
        seed: 7,
        barred: None,
        inert: false,
    }
}

/// The published schemas.
static SCHEMAS: LazyLock<[Validator; 2]> = LazyLock::new(|| {
    [File::Server, File::Advertiser].map(|file| {
        let schema = serde_json::from_str(&schema(file)).expect("json");
        jsonschema::validator_for(&schema).expect("a schema")
    })
});

/// What is read must be what the schema says may be written.
fn accept(file: File, document: &Value) {
    let [server, advertiser] = &*SCHEMAS;
    let schema = if file == File::Server { server } else { advertiser };
    let problems: Vec<String> = schema
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}\n{document}");
}

/// The store's rows, in memory.
#[derive(Default)]
pub struct MemoryDisk(BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl MemoryDisk {
    fn rows(&self) -> impl Iterator<Item = Row> {
        self.0.iter().map(|((table, key), value)| Row {
            table: *table,
            key: key.clone(),
            value: Some(value.clone()),
        })
    }
}

impl Disk for MemoryDisk {
    fn get(&self, table: Table, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn prefix(&self, table: Table, prefix: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let from = self.0.range((table, prefix.to_vec())..);
        let found = from.take_while(|((t, key), _)| *t == table && key.starts_with(prefix));
        Ok(found.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&mut self, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            let key = (row.table, row.key.clone());
            match &row.value {
                Some(value) => self.0.insert(key, value.clone()),
                None => self.0.remove(&key),
            };
        }
        Ok(())
    }
}

/// Numbers in the order they are asked for, each kind of name by itself.
#[derive(Default)]
struct Numbering(RefCell<HashMap<String, HashMap<String, u32>>>);

impl Numbering {
    fn no(&self, kind: &str, name: String) -> u32 {
        let mut kinds = self.0.borrow_mut();
        let names = kinds.entry(kind.to_owned()).or_default();
        let next = u32::try_from(names.len() + 1).expect("few names");
        *names.entry(name).or_insert(next)
    }
}

impl Numbers for Numbering {
    fn advertiser(&self, id: &str) -> AdvertiserNo {
        AdvertiserNo(self.no("advertisers", id.to_owned()))
    }
    fn book(&self, advertiser: &str) -> CampaignNo {
        CampaignNo(self.no("books", format!("{advertiser} of all")))
    }
    fn campaign(&self, advertiser: &str, campaign: &str) -> CampaignNo {
        CampaignNo(self.no("books", format!("{advertiser} {campaign}")))
    }
    fn creative(&self, advertiser: &str, creative: &str) -> CreativeNo {
        CreativeNo(u8::try_from(self.no(&format!("creatives of {advertiser}"), creative.to_owned())).expect("few names"))
    }
}

/// All that a decision is made on.
pub struct Rig {
    /// Config and products.
    pub world: World,
    /// Users, holds, books.
    pub state: State,
    server: Server,
    dir: PathBuf,
    disk: MemoryDisk,
    writer: Writer,
    numbers: Numbering,
    users: u32,
}

impl Rig {
    /// Of a whole server config that names files relative to `dir`, without advertisers; ready. Its
    /// faults, where it has any.
    pub fn new(server: &Value, dir: &Path) -> Result<Rig, Vec<Fault>> {
        let document = server;
        let (server, _) = config::server_from_text("winback.json", dir, &document.to_string())?;
        accept(File::Server, document);
        let url = server.url(server.public);
        let seals = Seals::new(&[(1, [1; 32])], &[2; 32]);
        let mut world = World::new(server.exchanges.clone(), server.rates.clone(), &url, Hashes::new(&[3; 16]), seals);
        world.retention_s = server.privacy.retention.0;
        world.house = Arc::new(server.house.block.clone());
        world.privacy = Arc::new(server.privacy.policy.clone());
        world.eids = Arc::new(server.eids.clone());
        world.invalid_traffic = Arc::new(server.invalid_traffic.clone());
        let state = State::default();
        state.status.set_ready(true);
        Ok(Rig {
            world,
            state,
            server,
            dir: dir.to_owned(),
            disk: MemoryDisk::default(),
            writer: Writer::new(0, Hashes::new(&[9; 16])),
            numbers: Numbering::default(),
            users: 0,
        })
    }

    /// Adds an advertiser of whole JSON, with a feed of whole items; its faults, where it has any.
    pub fn add(&mut self, advertiser: &Value, items: &[Value]) -> Result<(), Vec<Fault>> {
        let text = advertiser.to_string();
        let context = Context {
            server: &self.server,
            hashes: &self.world.hashes,
            numbers: &self.numbers,
        };
        let document = advertiser;
        let (advertiser, _) = config::advertiser("advertiser.json", &self.dir, &text, &context)?;
        accept(File::Advertiser, document);
        let shelf = Shelf {
            advertiser: advertiser.no,
            currency: advertiser.currency,
            language: &advertiser.language,
            landing_domains: &advertiser.landing.domains,
            hashes: &self.world.hashes,
            zone: &advertiser.timezone,
            format: FeedFormat::Auto,
        };
        let rss = rss(items);
        let (catalog, report) = feed::read(rss.as_bytes(), "feed.xml", &shelf).unwrap_or_else(|fault| panic!("{fault}\n{rss}"));
        assert_eq!(report.accepted as usize, items.len(), "{report:?}\n{rss}");
        let catalog = Arc::new(catalog);
        self.world.put(Shop {
            advertiser: advertiser.into(),
            catalog,
        });
        Ok(())
    }

    /// An advertiser by id.
    pub fn shop(&self, id: &str) -> Arc<Shop> {
        self.world.shop_by_id(id).unwrap_or_else(|| panic!("no advertiser `{id}`")).clone()
    }

    /// Records a batch as a shop's server sends it, at `at`; returns how many events were rejected.
    pub fn tell(&mut self, advertiser: &str, batch: &Value, at: Millis) -> usize {
        let read = self.read(advertiser, batch, at);
        if let Some(batch) = read.batch {
            self.record(Fact::Events(batch), at);
        }
        read.rejected.len()
    }

    /// Reads a batch as a shop's server sends it, at `at`.
    pub fn read(&mut self, advertiser: &str, batch: &Value, at: Millis) -> Read {
        self.users += 1;
        let name = format!("made-{}", self.users);
        let fresh = (self.world.hashes.user(name.as_bytes()), name);
        let shop = self.shop(advertiser);
        let read = events::read(&self.world, &shop, &Sender::Server, &batch.to_string(), at, fresh);
        read.unwrap_or_else(|problem| panic!("{problem}: {batch}"))
    }

    /// What a user last permitted.
    pub fn granted(&self, user: UserKey) -> Option<Grant> {
        let row = self.disk.get(Table::Grants, &user.0.to_be_bytes()).expect("memory has it");
        row.as_deref().and_then(Grant::read)
    }

    /// Records a fact at `at`.
    pub fn record(&mut self, fact: Fact, at: Millis) -> Effect {
        let effects = self.writer.record(&[fact], &self.state, &self.world, &mut self.disk, at);
        effects.expect("memory takes it")[0]
    }

    /// Lets the writer do what is due at `at`, without any fact.
    pub fn tick(&mut self, at: Millis) {
        let done = self.writer.record(&[], &self.state, &self.world, &mut self.disk, at);
        done.expect("memory takes it");
    }

    /// The process dies and starts again at `at`: what is on the disk is all that is left.
    pub fn restart(&mut self, at: Millis) {
        let state = State::default();
        let rows: Vec<Row> = self.disk.rows().collect();
        for row in &rows {
            install_row(row, &state);
        }
        let shops: Vec<_> = self.world.shops().cloned().collect();
        let book_of = |no: CampaignNo| {
            let owner = shops.iter().find(|shop| shop.advertiser.campaigns.iter().any(|c| c.no == no));
            owner.map(|shop| shop.advertiser.book)
        };
        let facts = rows.iter().filter(|row| row.table == Table::Facts).count();
        restore(&state, rows.into_iter(), book_of, at.to_secs());
        state.status.set_ready(true);
        (self.state, self.writer) = (state, Writer::new(facts as u64, Hashes::new(&[9; 16])));
    }

    /// The user an exchange calls `id`.
    pub fn user(&self, exchange: &str, id: &str) -> Option<UserKey> {
        self.state.matched(self.world.hashes.foreign(exchange, id.as_bytes()))
    }
}

/// RFC 7396: objects are merged, null removes, all else replaces.
pub fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().expect("made one").remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}

/// An item with what a feed must say, but for what it says itself: `id` alone will do.
pub fn item(item: &Value, domain: &str, currency: &str) -> Value {
    let id = item["id"].as_str().unwrap_or_else(|| panic!("an item without id: {item}"));
    let mut whole = json!({
        "title": format!("The {id}"),
        "link": format!("https://{domain}/{id}"),
        "image_link": format!("https://{domain}/{id}.jpg"),
        "price": format!("50.00 {currency}"),
        "availability": "in_stock",
    });
    merge(&mut whole, item);
    whole
}

/// Items as Merchant Center's RSS; a list is an element for each entry.
fn rss(items: &[Value]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\"?>\n<rss version=\"2.0\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel>\n");
    for item in items {
        xml.push_str("<item>");
        for (name, value) in item.as_object().expect("an item is an object") {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for text in values.iter().map(|value| value.as_str().expect("an item's attribute is text")) {
                write!(xml, "<g:{name}>{}</g:{name}>", html_escape::encode_text(text)).expect("memory");
            }
        }
        xml.push_str("</item>\n");
    }
    xml + "</channel></rss>\n"
}
