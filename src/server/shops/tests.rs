//! A feed's file under a running engine: changed, cut, gone and back again.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::base::seal::Seals;
use crate::config::server_from_text;
use crate::server::engine::{Facts, Parts, Settings};
use crate::state::State;
use crate::store::Store;

const SHOP: &str = r#"{"version": 1, "id": "acme", "name": "Acme", "domain": "acme.example", "currency": "USD", "site_key": "acme-web",
  "feed": {"path": "feed.csv", "refresh": "1m"}}"#;

/// An engine with one shop, and its feed's file.
struct Rig {
    engine: Engine,
    refresh: Refresh,
    now: Instant,
    feed: PathBuf,
    _dir: TempDir,
}

impl Rig {
    fn new(feed: &str) -> (Rig, Vec<String>) {
        let dir = tempfile::tempdir().expect("folder");
        let (server, _) = server_from_text("winback.json", dir.path(), r#"{"advertisers": "."}"#).expect("server");
        fs::write(dir.path().join("acme.json"), SHOP).expect("written");
        let path = dir.path().join("feed.csv");
        fs::write(&path, feed).expect("written");
        let store = Store::open(&dir.path().join("data")).expect("store");
        let names = Names::open(store.clone()).expect("names");
        let seals = Seals::new(&[(1, [2; 32])], &[3; 32]);
        let world = World::new(
            Vec::new(),
            server.rates.clone(),
            "https://ads.example",
            Hashes::new(&[1; 16]),
            seals,
        );
        let feeds = Feeds::default();
        let (world, remarks) = load_all(world, &server, &names, &feeds);
        let settings = Settings {
            server,
            doors: Vec::new(),
            tokens: Vec::new(),
        };
        let parts = Parts {
            world,
            state: State::default(),
            settings,
            facts: Facts(sync_channel(1).0),
            store,
            names,
            feeds,
        };
        let rig = Rig {
            engine: Engine::new(parts).expect("engine"),
            refresh: Refresh::default(),
            now: Instant::now(),
            feed: path,
            _dir: dir,
        };
        (rig, remarks)
    }

    /// Looks at the files again, so many seconds later.
    fn look(&mut self, later: u64) -> Vec<String> {
        self.now += Duration::from_secs(later);
        self.refresh.turn(&self.engine, self.now)
    }

    /// The ids on offer.
    fn ids(&self) -> String {
        let world = self.engine.world.load();
        let shop = world.shop_by_id("acme").expect("shop");
        shop.catalog
            .iter()
            .map(|product| product.item_id.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn write(&self, feed: &str) {
        fs::write(&self.feed, feed).expect("written");
    }
}

fn csv(ids: &[&str]) -> String {
    let row = |id: &&str| format!("{id},Shoe,https://acme.example/{id},https://cdn.example/{id}.jpg,5 USD\n");
    let rows: String = ids.iter().map(row).collect();
    format!("id,title,link,image_link,price\n{rows}")
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn a_changed_feed_is_swapped_in_once_it_is_due_and_at_rest() {
    let (mut rig, remarks) = Rig::new(&csv(&["a"]));
    assert_eq!((remarks, rig.ids().as_str()), (none(), "a"));
    assert_eq!(rig.look(0), none());
    rig.write(&csv(&["a", "b"]));
    rig.look(10);
    assert_eq!(rig.ids(), "a", "not due yet");
    rig.write(&csv(&["a", "b", "c"]));
    rig.look(60);
    assert_eq!(rig.ids(), "a", "written to since the last look");
    rig.look(10);
    assert_eq!(rig.ids(), "a b c");
    let world = rig.engine.world.load_full();
    rig.look(60);
    rig.look(60);
    assert!(
        Arc::ptr_eq(&world, &rig.engine.world.load_full()),
        "read again though nothing changed"
    );
}

#[test]
fn a_feed_may_be_renamed_into_place_even_with_the_same_date_and_size() {
    let (mut rig, _) = Rig::new(&csv(&["a"]));
    rig.look(0);
    let aside = rig.feed.with_extension("new");
    fs::write(&aside, csv(&["b"])).expect("written");
    let dated = fs::metadata(&rig.feed).and_then(|file| file.modified()).expect("date");
    let file = fs::File::options().write(true).open(&aside).expect("file");
    file.set_modified(dated).expect("dated");
    fs::rename(&aside, &rig.feed).expect("renamed");
    rig.look(30);
    rig.look(30);
    assert_eq!(rig.ids(), "b");
}

#[test]
fn what_fails_is_said_once_and_keeps_what_was_there() {
    let (mut rig, _) = Rig::new(&csv(&["a"]));
    rig.look(0);
    rig.write("<rss><channel><item>");
    rig.look(30);
    let said = rig.look(30);
    assert!(said.len() == 1 && said[0].contains("feed.csv:1: the file ends inside"), "{said:?}");
    assert_eq!((rig.look(60), rig.ids().as_str()), (none(), "a"));
    fs::remove_file(&rig.feed).expect("removed");
    rig.look(30);
    let said = rig.look(60);
    assert!(said.len() == 1 && said[0].contains("cannot read feed"), "{said:?}");
    assert_eq!((rig.look(60), rig.ids().as_str()), (none(), "a"));
    rig.write(&csv(&["b"]));
    rig.look(30);
    assert_eq!((rig.look(60), rig.ids().as_str()), (none(), "b"));
}

#[test]
fn a_feed_that_is_missing_at_first_comes_when_it_is_there() {
    let (mut rig, _) = Rig::new("");
    rig.look(0);
    fs::remove_file(&rig.feed).expect("removed");
    rig.look(60);
    rig.write(&csv(&["a"]));
    rig.look(30);
    rig.look(30);
    assert_eq!(rig.ids(), "a");
}

#[test]
fn a_rejected_item_is_said_with_file_and_line() {
    let (mut rig, _) = Rig::new(&csv(&["a"]));
    rig.look(0);
    rig.write(&format!("{}short,row\n", csv(&["a", "b"])));
    rig.look(30);
    let said = rig.look(30);
    let expected = "feed.csv:4: item `short`: malformed `2 fields where the header has 5`";
    assert!(said.len() == 1 && said[0].contains(expected), "{said:?}");
    assert_eq!(rig.ids(), "a b");
}
