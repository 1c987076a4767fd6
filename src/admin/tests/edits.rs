//! Files edited by hand under a running engine, however editors and clusters do it, and calls of the API meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Rig, SHOP};
use crate::server::watch::Watch;

const PATH: &str = "/api/advertisers/acme-shoes";

/// An engine whose files are watched.
struct Watched {
    rig: Rig,
    watch: Watch,
}

impl Watched {
    fn new() -> Watched {
        let mut watched = Watched {
            rig: Rig::new(),
            watch: Watch::default(),
        };
        watched.settle();
        assert_eq!(watched.log().len(), 0, "nothing was edited");
        watched
    }

    /// One look at the files.
    fn look(&mut self) -> bool {
        let (watch, engine) = (&mut self.watch, &self.rig.engine);
        std::thread::scope(|scope| scope.spawn(|| watch.turn(engine)).join().expect("a look"))
    }

    /// As many looks as anything takes.
    fn settle(&mut self) {
        (0..4).for_each(|_| {
            self.look();
        });
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.rig.file(name), text).expect("written");
    }

    /// The name of the advertiser that runs under an id.
    fn name(&self, id: &str) -> Option<String> {
        let world = self.rig.engine.world.load();
        world.shop_by_id(id).map(|shop| shop.advertiser.name.clone())
    }

    /// Who changed what, the newest first.
    fn log(&self) -> Vec<(String, String, String)> {
        let entries = self.rig.engine.audit.read(100, |_| true).expect("the log");
        entries.into_iter().map(|entry| (entry.who, entry.call, entry.target)).collect()
    }

    /// What is told of a file.
    async fn told(&self, name: &str) -> Value {
        let told = self.rig.get("/api/config").await.json();
        let files = told["files"].as_array().expect("files").clone();
        let found = files
            .into_iter()
            .find(|file| file["file"].as_str().is_some_and(|path| path.ends_with(name)));
        found.unwrap_or_default()
    }

    async fn faults(&self) -> String {
        let metrics = self.rig.get("/metrics").await.text;
        let line = metrics.lines().find(|line| line.starts_with("winback_config_faults "));
        line.expect("a gauge").to_owned()
    }
}

fn named(name: &str) -> String {
    SHOP.replace("Acme Shoes", name)
}

fn other(id: &str, site_key: &str) -> String {
    SHOP.replace("acme-shoes\"", &format!("{id}\"")).replace("acme-web-1", site_key)
}

fn by_file(call: &str, target: &str) -> (String, String, String) {
    ("file".to_owned(), call.to_owned(), target.to_owned())
}

#[tokio::test]
async fn an_edit_is_applied_once_it_has_come_to_rest() {
    let mut watched = Watched::new();
    watched.write("acme-shoes.json", &SHOP[..300]);
    watched.look();
    watched.write("acme-shoes.json", &named("Whole"));
    watched.look();
    assert_eq!(
        watched.name("acme-shoes").as_deref(),
        Some("Acme Shoes"),
        "it may still be written to"
    );
    watched.look();
    assert_eq!(watched.name("acme-shoes").as_deref(), Some("Whole"));
    assert_eq!(watched.log(), [by_file("edit", "acme-shoes")], "half a file was never looked into");
    let told = watched.told("acme-shoes.json").await;
    let etag = watched.rig.get(PATH).await.header("etag");
    assert_eq!(
        (&told["applied"], &told["on_disk"], &told["faults"]),
        (&json!(etag), &json!(etag), &json!([])),
        "{told}"
    );
    let world = watched.rig.engine.world.load_full();
    watched.write("acme-shoes.json", &named("Whole"));
    watched.settle();
    assert!(Arc::ptr_eq(&world, &watched.rig.engine.world.load_full()), "it was only touched");
}

#[tokio::test]
async fn a_fault_is_told_with_its_line_and_leaves_what_runs() {
    let mut watched = Watched::new();
    let etag = watched.rig.get(PATH).await.header("etag");
    watched.write("acme-shoes.json", &named("Faulty").replace("\"headline\"", "\"headlin\""));
    watched.settle();
    assert_eq!(watched.name("acme-shoes").as_deref(), Some("Acme Shoes"));
    let told = watched.told("acme-shoes.json").await;
    assert_eq!(
        (&told["advertiser"], &told["applied"]),
        (&json!("acme-shoes"), &json!(etag)),
        "{told}"
    );
    assert_ne!(told["on_disk"], json!(etag));
    assert_eq!(
        (&told["faults"][0]["line"], &told["faults"][0]["pointer"]),
        (&json!(11), &json!("/creatives/0/headlin"))
    );
    assert_eq!(watched.faults().await, "winback_config_faults 1");
    assert_eq!(watched.log(), [], "nothing was applied");
    let mut told_of = 1;
    for (text, problem) in [
        ("{", "not json: EOF while parsing an object"),
        ("", "not json: EOF while parsing a value"),
    ] {
        watched.write("acme-shoes.json", text);
        watched.settle();
        let told = watched.told("acme-shoes.json").await;
        assert_eq!(
            (&told["faults"][0]["problem"], &told["applied"]),
            (&json!(problem), &json!(etag)),
            "{told}"
        );
        told_of += 1;
    }
    fs::write(watched.rig.file("acme-shoes.json"), b"{\"id\": \"\xff\"}").expect("written");
    watched.settle();
    let told = watched.told("acme-shoes.json").await;
    assert!(
        told["faults"][0]["problem"]
            .as_str()
            .is_some_and(|problem| problem.starts_with("not utf-8")),
        "{told}"
    );
    told_of += 1;
    println!("show api.watched_faults_told {told_of} >=4 ok");
    watched.write("acme-shoes.json", SHOP);
    watched.settle();
    assert_eq!(
        (watched.faults().await.as_str(), watched.log()),
        ("winback_config_faults 0", Vec::new()),
        "as it was"
    );
}

#[tokio::test]
async fn editors_that_rename_over_and_files_that_come_and_go() {
    let mut watched = Watched::new();
    let aside = watched.rig.file(".acme-shoes.json.swp.json");
    fs::write(&aside, named("Renamed")).expect("written");
    watched.settle();
    assert_eq!(
        watched.name("acme-shoes").as_deref(),
        Some("Acme Shoes"),
        "hidden files are the editor's"
    );
    fs::rename(&aside, watched.rig.file("acme-shoes.json")).expect("renamed");
    watched.settle();
    assert_eq!(watched.name("acme-shoes").as_deref(), Some("Renamed"));
    watched.write("beta.json", &other("beta", "beta-1"));
    watched.settle();
    assert_eq!(watched.name("beta").as_deref(), Some("Acme Shoes"));
    fs::remove_file(watched.rig.file("beta.json")).expect("removed");
    watched.settle();
    assert_eq!((watched.name("beta"), watched.told("beta.json").await), (None, Value::Null));
    let log = [by_file("remove", "beta"), by_file("edit", "beta"), by_file("edit", "acme-shoes")];
    assert_eq!(watched.log(), log);
    println!("show api.watched_applied {} =3 ok", log.len());
    fs::rename(watched.rig.file("acme-shoes.json"), watched.rig.file("shoes.json")).expect("renamed");
    for _ in 0..4 {
        watched.look();
        assert!(watched.name("acme-shoes").is_some(), "a file that is renamed is never gone");
    }
    assert_eq!(watched.log(), log, "the text is the same");
    watched.write("shoes.json", &other("gamma", "acme-web-1"));
    watched.settle();
    assert_eq!(
        (watched.name("acme-shoes"), watched.name("gamma").is_some()),
        (None, true),
        "a file of another id"
    );
    let dir = watched.rig.file("");
    fs::rename(&dir, dir.with_extension("away")).expect("renamed");
    watched.settle();
    assert!(watched.name("gamma").is_some(), "nothing is gone for certain");
    assert_eq!(watched.faults().await, "winback_config_faults 1");
    fs::rename(dir.with_extension("away"), &dir).expect("renamed");
    watched.settle();
    assert_eq!(
        (watched.name("gamma").is_some(), watched.faults().await.as_str()),
        (true, "winback_config_faults 0")
    );
}

/// `..data` leads to the folder of a version, and is swapped whole; the files in the folder lead through it.
#[tokio::test]
async fn a_config_map_is_swapped_behind_its_links() {
    let mut watched = Watched::new();
    let at = |name: &str| watched.rig.file(name);
    let version = |name: &str, files: &[(&str, String)]| {
        fs::create_dir(at(name)).expect("a folder");
        files
            .iter()
            .for_each(|(file, text)| fs::write(at(name).join(file), text).expect("written"));
    };
    version(
        "..v1",
        &[("acme-shoes.json", named("First")), ("beta.json", other("beta", "beta-1"))],
    );
    symlink("..v1", at("..data")).expect("a link");
    fs::remove_file(at("acme-shoes.json")).expect("removed");
    for file in ["acme-shoes.json", "beta.json"] {
        symlink(Path::new("..data").join(file), at(file)).expect("a link");
    }
    watched.settle();
    let at = |name: &str| watched.rig.file(name);
    assert_eq!(
        (watched.name("acme-shoes").as_deref(), watched.name("beta").is_some()),
        (Some("First"), true)
    );
    fs::create_dir(at("..v2")).expect("a folder");
    fs::write(at("..v2").join("acme-shoes.json"), named("Second")).expect("written");
    symlink("..v2", at("..data_tmp")).expect("a link");
    fs::rename(at("..data_tmp"), at("..data")).expect("swapped");
    watched.settle();
    let at = |name: &str| watched.rig.file(name);
    assert_eq!(watched.name("acme-shoes").as_deref(), Some("Second"));
    assert_eq!(watched.name("beta"), None, "its link leads nowhere");
    fs::remove_file(at("beta.json")).expect("removed");
    fs::remove_dir_all(at("..v1")).expect("removed");
    watched.settle();
    let log = [
        by_file("edit", "acme-shoes"),
        by_file("remove", "beta"),
        by_file("edit", "acme-shoes"),
        by_file("edit", "beta"),
    ];
    let (mut told, mut expected) = (watched.log(), log.to_vec());
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_a_call_wrote_is_not_applied_again_and_conditions_hold() {
    let mut watched = Watched::new();
    let etag = watched.rig.get(PATH).await.header("etag");
    let put = watched.rig.put_if(PATH, &named("By call"), &etag).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let world = watched.rig.engine.world.load_full();
    watched.settle();
    assert!(Arc::ptr_eq(&world, &watched.rig.engine.world.load_full()), "applied twice");
    assert_eq!(watched.log().len(), 1);
    watched.write("acme-shoes.json", &named("By hand"));
    let stale = watched.rig.put_if(PATH, &named("By call again"), &put.header("etag")).await;
    assert_eq!(stale.failure(), (412, "stale".to_owned()), "the edit on the disk is the newer one");
    watched.settle();
    assert_eq!(watched.name("acme-shoes").as_deref(), Some("By hand"));
    let newest = watched.rig.get(PATH).await.header("etag");
    assert_eq!(watched.rig.put_if(PATH, &named("At last"), &newest).await.status, 200);
    watched.settle();
    assert_eq!(watched.name("acme-shoes").as_deref(), Some("At last"));
    assert_eq!(watched.rig.call(Method::DELETE, PATH, "").await.status, 204);
    watched.settle();
    let calls: Vec<String> = watched.log().into_iter().map(|(who, call, _)| format!("{who} {call}")).collect();
    let of = |call: &str| format!("admin {call} /api/advertisers/{{id}}");
    assert_eq!(
        calls,
        [of("DELETE"), of("PUT"), "file edit".to_owned(), of("PUT"), of("PUT")],
        "one of them stale"
    );
}

#[tokio::test]
async fn what_one_file_takes_from_another_is_free_when_that_is_gone() {
    let mut watched = Watched::new();
    watched.write("copy.json", &named("Copy"));
    watched.write("twin.json", &other("twin", "acme-web-1"));
    watched.settle();
    assert_eq!(
        (watched.name("acme-shoes").as_deref(), watched.name("twin")),
        (Some("Acme Shoes"), None)
    );
    let told = watched.told("copy.json").await;
    assert!(
        told["faults"][0]["problem"]
            .as_str()
            .is_some_and(|problem| problem.contains("is that of")),
        "{told}"
    );
    let told = watched.told("twin.json").await;
    assert!(
        told["faults"][0]["problem"]
            .as_str()
            .is_some_and(|problem| problem.contains("belongs to")),
        "{told}"
    );
    assert_eq!(watched.faults().await, "winback_config_faults 2");
    fs::remove_file(watched.rig.file("copy.json")).expect("removed");
    fs::remove_file(watched.rig.file("acme-shoes.json")).expect("removed");
    watched.settle();
    assert_eq!(
        (watched.name("acme-shoes"), watched.name("twin").as_deref()),
        (None, Some("Acme Shoes"))
    );
    assert_eq!(watched.faults().await, "winback_config_faults 0");
}

#[tokio::test]
async fn the_servers_own_file_is_told_apart() {
    let mut watched = Watched::new();
    let file = watched.rig.engine.settings.load().server.file.clone();
    fs::write(&file, r#"{"note": "another"}"#).expect("written");
    assert!(!watched.look(), "it may still be written to");
    assert!(watched.look());
    fs::remove_file(&file).expect("removed");
    assert!(!watched.look() && !watched.look());
    assert_eq!(watched.faults().await, "winback_config_faults 1");
    let told = watched.told("winback.json").await;
    assert_eq!((&told["kind"], told["applied"].is_string()), (&json!("server"), true), "{told}");
}
