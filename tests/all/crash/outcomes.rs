//! Each trouble has one outcome: an exit code and a message that says what to do, equal to a golden file.
//!
//! `UPDATE_GOLDEN=1` writes the file anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use winback::store::Store;

use super::{copy, has, has_strace, written};
use crate::figures::Figures;
use crate::http::Client;
use crate::rig::{Server, ask, bids, call, tell, tracking_paths, winback};
use crate::shop::{Setup, cart, request, theirs};

const GOLDEN: &str = "tests/golden/crash/outcomes.txt";
/// Events that were acknowledged before the trouble.
const BEFORE: usize = 5;
/// Events after which a full disk must have shown.
const FAILS_WITHIN: usize = 200;
const EACH_MAX: Duration = Duration::from_secs(60);

/// What is done to a folder with a store of some commits.
type Spoil = fn(&Path);

const SERVE: &[&str] = &["serve", "--config", "winback.json"];

/// A name, what is done to the folder, the command.
const REFUSED: [(&str, Spoil, &[&str]); 13] = [
    ("a store that lost its end", cut, SERVE),
    (
        "a store that lost its end, accepted",
        cut,
        &["serve", "--config", "winback.json", "--accept-loss"],
    ),
    ("a journal with a changed byte", flip, SERVE),
    (
        "a high-water mark of nonsense",
        |dir| fs::write(dir.join("data/high-water"), "x").unwrap(),
        SERVE,
    ),
    (
        "no high-water mark",
        |dir| fs::remove_file(dir.join("data/high-water")).unwrap(),
        SERVE,
    ),
    ("no store", |dir| fs::remove_dir_all(dir.join("data/store")).unwrap(), SERVE),
    ("no hash key", |dir| fs::remove_file(dir.join("data/hash-key")).unwrap(), SERVE),
    ("a newer version", newer, SERVE),
    ("an older version", older, SERVE),
    (
        "a restore that was interrupted",
        |dir| fs::write(dir.join("data/restoring"), "").unwrap(),
        SERVE,
    ),
    (
        "a restore of what is no backup",
        |_| {},
        &["restore", "winback.json", "--config", "winback.json"],
    ),
    (
        "a restore into a folder in use",
        taken,
        &["restore", "backup.wb", "--config", "winback.json"],
    ),
    (
        "a backup over another file",
        |_| {},
        &["backup", "winback.json", "--config", "winback.json"],
    ),
];

fn journal(dir: &Path) -> PathBuf {
    dir.join("data/store/0.jnl")
}

fn cut(dir: &Path) {
    let mut bytes = fs::read(journal(dir)).unwrap();
    bytes.truncate(written(&bytes) - 20);
    fs::write(journal(dir), bytes).unwrap();
}

/// Changes the checksum of the last batch: four bytes of a magic word follow it.
fn flip(dir: &Path) {
    let mut bytes = fs::read(journal(dir)).unwrap();
    let at = written(&bytes) - 5;
    bytes[at] ^= 1;
    fs::write(journal(dir), bytes).unwrap();
}

fn meta(dir: &Path, change: impl Fn(&fjall::Keyspace)) {
    let db = fjall::Database::builder(dir.join("data/store")).open().unwrap();
    change(&db.keyspace("meta", Default::default).unwrap());
    db.persist(fjall::PersistMode::SyncAll).unwrap();
}

fn newer(dir: &Path) {
    meta(dir, |meta| meta.insert("version", 9u32.to_le_bytes()).unwrap());
}

/// As the first program wrote it: the tables and nothing beside them.
fn older(dir: &Path) {
    meta(dir, |meta| {
        meta.remove("version").unwrap();
        meta.remove("commit").unwrap();
    });
    for name in ["high-water", "erased", "lock"] {
        fs::remove_file(dir.join("data").join(name)).unwrap();
    }
}

fn taken(dir: &Path) {
    let done = winback()
        .args(["backup", "backup.wb", "--config", "winback.json"])
        .current_dir(dir)
        .status();
    assert!(done.unwrap().success());
}

/// A folder whose server was killed after some facts.
fn killed() -> Setup {
    let setup = Setup::acme();
    setup.write();
    let mut server = Server::start(setup.path());
    let mut shop = server.shop();
    for n in 0..BEFORE {
        tell(&mut shop, "acme", &cart(theirs(&format!("before-{n}")), "acme", n));
    }
    server.kill();
    setup
}

/// Runs a command until it ends, or is ready and told to; its exit code and what it said of itself.
fn outcome(dir: &Path, arguments: &[&str]) -> String {
    let said = fs::File::create(dir.join("said")).unwrap();
    let mut child = winback()
        .args(["--log-level", "error"])
        .args(arguments)
        .current_dir(dir)
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .spawn()
        .unwrap();
    let end = Instant::now() + EACH_MAX;
    while child.try_wait().unwrap().is_none() && Instant::now() < end {
        if fs::read_to_string(dir.join("said")).unwrap().lines().any(|line| line == "ready") {
            terminate(&child);
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let status = child.wait().unwrap();
    let said = fs::read_to_string(dir.join("said")).unwrap();
    format!("exit {}\n{}", status.code().unwrap_or(-1), plain(&said, dir))
}

fn terminate(child: &Child) {
    let sent = Command::new("kill").arg(child.id().to_string()).status();
    assert!(sent.unwrap().success());
}

/// Without what differs from run to run.
fn plain(said: &str, dir: &Path) -> String {
    let folder = fs::canonicalize(dir).unwrap();
    let said = said
        .replace(&*folder.to_string_lossy(), "FOLDER")
        .replace(&*dir.to_string_lossy(), "FOLDER");
    let lines = said.lines().filter(|line| !line.contains(" listening on "));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// What a server that cannot write answers, and what is left after a restart.
fn poisoned(server: Server, dir: &Path, cure: impl FnOnce()) -> String {
    let (mut exchange, mut shop, mut visitor) = (server.exchange(), server.shop(), server.visitor());
    let mut health = Client::new(server.admin);
    // The ticket of a bid from before, for its links.
    let bid = fs::read_to_string(dir.join("bid")).unwrap();
    let bid: serde_json::Value = serde_json::from_str(&bid).unwrap();
    let event = cart(theirs("after"), "acme", 1).to_string();
    let mut said = String::new();
    let mut note = |what: &str, answer: std::io::Result<crate::http::Answer>| {
        writeln!(said, "{what}: {}", answer.map_or(0, |answer| answer.status)).unwrap();
    };
    // What is left of a block may take a few more.
    let first = (0..FAILS_WITHIN).map(|_| shop.post("/e/acme-web", event.as_bytes()));
    let failed = first
        .into_iter()
        .find(|answer| !answer.as_ref().is_ok_and(|answer| answer.status == 200));
    note(
        "the event that fails",
        failed.unwrap_or_else(|| Err(std::io::ErrorKind::Other.into())),
    );
    note("an event after it", shop.post("/e/acme-web", event.as_bytes()));
    note("ready", health.get("/health/ready"));
    note(
        "a bid request",
        exchange.post("/bid/x", request("p", "before-1", 1).to_string().as_bytes()),
    );
    note("a notice", exchange.get(&call(&bid["burl"], "1.25")));
    let markup = bid["adm"].as_str().unwrap();
    note("a click", visitor.get(&tracking_paths(markup, "/click/")[0]));
    let metrics = health.get("/metrics").unwrap().text();
    let counted = metrics.lines().any(|line| line.contains("store_poisoned") && !line.ends_with(" 0"));
    writeln!(said, "counted as store_poisoned: {counted}").unwrap();
    let log = server.log();
    let logged = log.lines().filter_map(|line| line.split_once("ERROR ")).map(|(_, error)| error);
    // What is held of budgets may have been due before the event.
    logged.for_each(|error| writeln!(said, "{}", error.replace("record 0 facts", "record 1 facts")).unwrap());
    drop(server);
    cure();
    let server = Server::start(dir);
    let mut api = server.api();
    let known = |n: &usize| {
        api.get(&format!("/api/users/x:before-{n}"))
            .is_ok_and(|answer| answer.status == 200)
    };
    let there = (0..BEFORE).filter(known).count();
    writeln!(said, "after a restart {there} of {BEFORE} are there").unwrap();
    let notice = server.exchange().get(&call(&bid["burl"], "1.25")).unwrap();
    writeln!(said, "the notice sent again: {}", notice.status).unwrap();
    said
}

/// A server with some facts and a bid whose links are kept.
fn running(setup: &Setup) -> Server {
    let server = Server::start(setup.path());
    let (mut shop, mut exchange) = (server.shop(), server.exchange());
    for n in 0..BEFORE {
        tell(&mut shop, "acme", &cart(theirs(&format!("before-{n}")), "acme", n));
    }
    let bid = bids(&ask(&mut exchange, &request("b", "before-0", 1))).remove(0);
    fs::write(setup.path().join("bid"), bid.to_string()).unwrap();
    server
}

/// From now on every sync of a running server fails.
fn failed_sync() -> String {
    let setup = Setup::acme();
    setup.write();
    let server = running(&setup);
    let mut strace = Command::new("strace")
        .args([
            "-f",
            "-e",
            "trace=fdatasync",
            "-e",
            "inject=fdatasync:error=EIO",
            "-o",
            "/dev/null",
            "-p",
        ])
        .arg(server.id().to_string())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says when it is attached; it ends with the server.
    let mut first = [0; 1];
    std::io::Read::read_exact(strace.stderr.as_mut().unwrap(), &mut first).unwrap();
    thread::sleep(Duration::from_millis(200));
    poisoned(server, setup.path(), || drop(strace.wait()))
}

/// A small file system of its own; unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    fn of(size: &str) -> Disk {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status();
        assert!(mounted.unwrap().success());
        Disk(dir)
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            let block = vec![1; size];
            while std::io::Write::write_all(&mut file, &block).is_ok() {}
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that was killed may not have let go yet.
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

fn full_disk_at_start() -> String {
    let disk = Disk::of("128k");
    let mut setup = Setup::acme();
    setup.config["data_dir"] = disk.0.path().join("data").to_string_lossy().into();
    setup.write();
    let said = outcome(setup.path(), SERVE);
    said.replace(&*disk.0.path().to_string_lossy(), "DISK")
}

fn full_disk_while_running() -> String {
    let disk = Disk::of("80m");
    let mut setup = Setup::acme();
    setup.config["data_dir"] = disk.0.path().join("data").to_string_lossy().into();
    setup.write();
    let server = running(&setup);
    disk.fill();
    let filler = disk.filler();
    poisoned(server, setup.path(), || fs::remove_file(filler).unwrap())
}

fn second_process(arguments: &[&str]) -> String {
    let setup = Setup::acme();
    setup.write();
    let _first = Server::start(setup.path());
    outcome(setup.path(), arguments)
}

#[test]
fn each_trouble_has_its_outcome() {
    let found = {
        let source = killed();
        // What is opened to be refused is a copy: only what is done to it differs.
        assert!(Store::open(&source.path().join("data")).is_ok());
        let each = REFUSED.iter().map(|(name, spoil, arguments)| {
            let dir = tempfile::tempdir().unwrap();
            copy(source.path(), dir.path());
            spoil(dir.path());
            (*name, outcome(dir.path(), arguments))
        });
        let mut found: Vec<(&str, String)> = each.collect();
        found.push(("a second server", second_process(SERVE)));
        found.push(("compact beside a server", second_process(&["compact", "--config", "winback.json"])));
        if has_strace() {
            found.push(("a sync that fails", failed_sync()));
        }
        if has("unshare", &["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]) {
            found.push(("a full disk at start", full_disk_at_start()));
            found.push(("a full disk while running", full_disk_while_running()));
        }
        found
    };
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = found.iter().map(|(name, said)| format!("== {name}\n{said}")).collect::<String>();
        fs::write(GOLDEN, text).unwrap();
    }
    let golden = fs::read_to_string(GOLDEN).unwrap_or_default();
    let golden: Vec<(&str, &str)> = golden.split("== ").filter_map(|block| block.split_once('\n')).collect();
    let equal = |(name, said): &&(&str, String)| {
        let is_equal = golden.iter().any(|(of, wanted)| of == name && wanted == said);
        println!(
            "== {name}: {}\n{}",
            if is_equal { "equal" } else { "differs" },
            if is_equal { "" } else { said }
        );
        is_equal
    };
    let mut figures = Figures::new();
    let outcomes = found.iter().filter(equal).count();
    figures.exactly("crash.outcomes_golden", outcomes, found.len());
    figures.judge(
        "crash.outcomes_tried",
        found.len(),
        golden.len(),
        found.len() == golden.len() || std::env::var_os("CI").is_none(),
    );
    figures.settle();
}
