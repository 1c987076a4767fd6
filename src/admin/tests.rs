//! The listener as its callers see it: every call, and what it refuses.
//!
//! Over an engine with one exchange, one shop with two products, and a writer on a thread of its own.

mod calls;
mod answers;
mod audits;
mod configs;
mod desk;
mod edits;
mod roles;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Weak};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::base::hash::Hashes;
use crate::base::id::CampaignNo;
use crate::base::money::Money;
use crate::base::seal::Seals;
use crate::base::time::{Day, Millis};
use crate::config::{Role, server_from_text};
use crate::server::audit::SERVER as SERVER_FILE;
use crate::server::engine::{Engine, Envelope, Facts, Parts, Settings, Token};
use crate::server::feeds::Feeds;
use crate::server::files::Known;
use crate::server::names::Names;
use crate::server::shops;
use crate::state::world::World;
use crate::state::{DayRow, State};
use crate::store::Store;
use crate::track::events::{self, Sender};
use crate::track::fact::Fact;
use crate::track::writer::Writer;
use answers::Described;

pub const TOKEN: &str = "open-sesame";
/// Tokens of the weaker roles.
pub const WEAKER: [(&str, Role); 2] = [("may-look", Role::Read), ("may-change", Role::Write)];

const SERVER: &str =
    r#"{"exchanges": [{"id": "demo-x", "seat": "winback"}], "advertisers": "advertisers", "privacy": {"gdpr_when_unknown": false}}"#;

pub const SHOP: &str = r#"{
  "version": 1,
  "id": "acme-shoes",
  "name": "Acme Shoes",
  "domain": "acme-shoes.example",
  "currency": "USD",
  "timezone": "Asia/Ho_Chi_Minh",
  "site_key": "acme-web-1",
  "feed": {"path": "acme-feed.xml"},
  "audiences": [{"id": "carts", "include": [{"state": "cart", "within": "30d"}]}],
  "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250], [336, 280]], "headline": "Still thinking?"},
                {"id": "row", "format": "banner", "sizes": [[728, 90]], "template": "carousel"}],
  "campaigns": [
    {"id": "cart-recovery", "audiences": ["carts"], "bid": {"type": "cpm", "amount": 5.00}, "budget": {"daily": 200.00},
     "creatives": ["card"]},
    {"id": "resting", "status": "paused", "audiences": ["carts"], "bid": {"type": "cpm", "amount": 9.00}, "budget": {"daily": 1.00},
     "creatives": ["card"]}
  ]
}
"#;

const FEED: &str = r#"<?xml version="1.0"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>
<item><g:id>runner</g:id><g:title>Road &lt;Runner&gt;</g:title><g:link>https://acme-shoes.example/p/runner</g:link>
<g:image_link>https://cdn.example/runner.jpg</g:image_link><g:price>99.00 USD</g:price><g:availability>in_stock</g:availability></item>
<item><g:id>boot</g:id><g:title>Hill Boot</g:title><g:link>https://acme-shoes.example/p/boot</g:link>
<g:image_link>https://cdn.example/boot.jpg</g:image_link><g:price>149.00 USD</g:price><g:availability>in_stock</g:availability></item>
</channel></rss>"#;

/// An engine with the router before it.
pub struct Rig {
    pub engine: Arc<Engine>,
    router: Router,
    described: Described,
    dir: TempDir,
    is_stopped: Arc<AtomicBool>,
}

/// What a call was answered.
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Status and the error's code.
    pub fn failure(&self) -> (u16, String) {
        let error = &self.json()["error"];
        assert!(
            error["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{}",
            self.text
        );
        (self.status.as_u16(), error["code"].as_str().unwrap_or_default().to_owned())
    }

    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    }
}

impl Rig {
    pub fn new() -> Rig {
        let dir = tempfile::tempdir().expect("folder");
        let (server, _) = server_from_text("winback.json", dir.path(), SERVER).expect("server");
        std::fs::write(&server.file, SERVER).expect("written");
        std::fs::create_dir(&server.advertisers).expect("folder");
        std::fs::write(server.advertisers.join("acme-shoes.json"), SHOP).expect("written");
        std::fs::write(server.advertisers.join("acme-feed.xml"), FEED).expect("written");
        let store = Store::open(&dir.path().join("data")).expect("store");
        let names = Names::open(store.clone()).expect("names");
        let (hashes, seals) = (Hashes::new(&[1; 16]), Seals::new(&[(1, [2; 32])], &[3; 32]));
        let mut world = World::new(
            server.exchanges.clone(),
            server.rates.clone(),
            "https://ads.example.com",
            hashes,
            seals,
        );
        world.privacy = Arc::new(server.privacy.policy.clone());
        let feeds = Feeds::default();
        let shops::Folder { world, remarks, files, .. } = shops::load_folder(world, &server, &names, &feeds);
        assert_eq!(remarks, [""; 0]);
        let settings = Settings {
            server,
            doors: Vec::new(),
            tokens: tokens(),
        };
        let (door, facts) = sync_channel(64);
        let (state, facts_in) = (State::default(), Facts(door));
        state.status.set_ready(true);
        let parts = Parts {
            world,
            state,
            settings,
            facts: facts_in,
            store: store.clone(),
            names,
            feeds,
        };
        let engine = Arc::new(Engine::new(parts).expect("engine"));
        let config = engine.settings.load().server.file.clone();
        engine.files.put(&config, Known::live(SERVER_FILE, SERVER.as_bytes(), Vec::new()));
        engine.files.renew(&config, files);
        let reader = Arc::downgrade(&engine);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let flag = is_stopped.clone();
        std::thread::spawn(move || write_all(&facts, &reader, store, &flag));
        let handle = PrometheusBuilder::new().build_recorder().handle();
        let router = super::router(
            engine.clone(),
            handle,
            Arc::new(|| Box::pin(async { vec!["nothing new".to_owned()] })),
        );
        Rig {
            engine,
            router,
            described: Described::new(),
            dir,
            is_stopped,
        }
    }

    /// A call with the token.
    pub async fn call(&self, method: Method, path: &str, body: &str) -> Got {
        self.send(method, path, body, &[("authorization", &format!("Bearer {TOKEN}"))])
            .await
    }

    pub async fn get(&self, path: &str) -> Got {
        self.call(Method::GET, path, "").await
    }

    /// A PUT of an advertiser on a condition.
    pub async fn put_if(&self, path: &str, body: &str, etag: &str) -> Got {
        let headers = [("authorization", &*format!("Bearer {TOKEN}")), ("if-match", etag)];
        self.send(Method::PUT, path, body, &headers).await
    }

    pub async fn send(&self, method: Method, path: &str, body: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = Request::builder().method(method.clone()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("request");
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("body");
        let got = Got {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("utf-8"),
        };
        self.described.hold(&method, path, &got);
        got
    }

    /// Records what a person did, as the shop's server would tell.
    pub async fn remember(&self, body: &str) {
        let world = self.engine.world.load_full();
        let shop = world.shop_by_id("acme-shoes").expect("shop");
        let fresh = self.engine.fresh_user();
        let read = events::read(&world, shop, &Sender::Server, body, Millis::wall_clock(), fresh).expect("batch");
        assert!(read.rejected.is_empty(), "{:?}", read.rejected);
        let fact = Fact::Events(read.batch.expect("events"));
        self.engine.facts.record(fact).await.expect("recorded");
    }

    /// A campaign's number.
    pub fn campaign(&self, id: &str) -> CampaignNo {
        let found = self
            .engine
            .names
            .campaigns_of("acme-shoes")
            .into_iter()
            .find(|(_, name)| name == id);
        found.expect("campaign").0
    }

    /// The shop's today, and so many days from it.
    pub fn day(&self, from_today: i32) -> Day {
        let world = self.engine.world.load();
        let zone = &world.shop_by_id("acme-shoes").expect("shop").advertiser.timezone;
        Millis::wall_clock().local_day(zone).plus(from_today)
    }

    /// Books a day of impressions that cost `billed` each hundred.
    pub fn book(&self, campaign: &str, day: Day, clicks: u64, billed: &str) {
        let billed = Money::parse(billed).expect("amount");
        let row = DayRow {
            impressions: 100,
            clicks,
            conversions: clicks / 2,
            media_cost: billed,
            billed,
            conversion_value: Money::units(if clicks > 0 { 10 } else { 0 }),
            earned: clicks / 3,
            earned_value: Money::units(if clicks > 0 { 9 } else { 0 }),
            ..DayRow::default()
        };
        self.engine.state.days.lock().insert((self.campaign(campaign), day), row);
    }

    /// The next fact finds the writer gone.
    pub fn stop_writer(&self) {
        self.is_stopped.store(true, Ordering::Release);
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("advertisers").join(name)
    }
}

/// One of each role.
fn tokens() -> Vec<Token> {
    let weaker = WEAKER.map(|(text, role)| Token {
        name: role.label().to_owned(),
        role,
        text: text.to_owned(),
    });
    std::iter::once(Token::first(TOKEN)).chain(weaker).collect()
}

/// Records what comes, as the server's writer does, until the engine is gone.
fn write_all(facts: &Receiver<Envelope>, engine: &Weak<Engine>, mut store: Store, is_stopped: &AtomicBool) {
    let mut writer = Writer::new(0, Hashes::new(&[9; 16]));
    while let Ok((fact, back)) = facts.recv() {
        let Some(engine) = engine.upgrade().filter(|_| !is_stopped.load(Ordering::Acquire)) else {
            return;
        };
        let world = engine.world.load_full();
        let effects = writer.record(&[fact], &engine.state, &world, &mut store, Millis::wall_clock());
        let _ = back.send(Ok(effects.expect("recorded")[0]));
    }
}
