//! Backup, erasure, compaction and restore of the real binary: nobody comes back, nothing is billed twice.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use winback::base::hash::Hashes;

use super::holding;
use crate::http::Client;
use crate::kill::reported;
use crate::rig::{Server, ask, bids, call, tell, tracking_paths, winback};
use crate::shop::{Setup, cart, request, theirs};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    winback().args(arguments).current_dir(folder).output().expect("the binary runs")
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert!(server.ended(Duration::from_secs(10)).is_some_and(|status| status.success()));
}

fn status(api: &mut Client, user: &str) -> u16 {
    api.get(&format!("/api/users/x:{user}")).expect("an answer").status
}

/// Two shoppers with an impression each and another that waits for its bill; their notices, and the id and
/// key of the second.
fn shoppers(server: &Server) -> (Vec<String>, [Vec<u8>; 3]) {
    let (mut shop, mut exchange, mut api) = (server.shop(), server.exchange(), server.api());
    let mut visitor = server.visitor();
    let mut notices = Vec::new();
    for user in ["stays", "goes"] {
        tell(&mut shop, "acme", &cart(theirs(user), "acme", 1));
        let bid = bids(&ask(&mut exchange, &request(user, user, 1))).remove(0);
        notices.push(call(&bid["burl"], "1.25"));
        assert_eq!(exchange.get(notices.last().unwrap()).expect("an answer").status, 200);
        let waits = bids(&ask(&mut exchange, &request(&format!("{user}-waits"), user, 1))).remove(0);
        let pixels = tracking_paths(waits["adm"].as_str().expect("markup"), "/imp/");
        assert_eq!(visitor.get(&pixels[0]).expect("a pixel").status, 200);
    }
    let shown = api.get("/api/users/x:goes").expect("the user").json();
    let id = shown["id"].as_str().expect("an id").to_owned();
    let key = fs::read_to_string(server.folder().join("data/hash-key")).expect("the key of hashes");
    let key = Hashes::from_hex(key.trim()).expect("a key").user(id.as_bytes());
    (
        notices,
        [id.into_bytes(), key.0.to_be_bytes().to_vec(), key.0.to_le_bytes().to_vec()],
    )
}

#[test]
fn nobody_erased_comes_back_and_nothing_is_billed_twice() {
    let setup = Setup::acme();
    setup.write();
    let folder = setup.path();
    let server = Server::start(folder);
    let (notices, traces) = shoppers(&server);
    let left = |data: &Path| traces.each_ref().map(|trace| holding(data, trace));
    let mut api = server.api();
    let config = fs::read_to_string(setup.config_path()).expect("the config");
    // The command finds the running server where the config says.
    let running = config.replacen("\"listen\": \"127.0.0.1:0\"", &format!("\"listen\": \"{}\"", server.admin), 1);
    fs::write(folder.join("running.json"), running).expect("written");
    let taken = run(folder, &["backup", "backup.wb", "--config", "running.json"]);
    let said = String::from_utf8_lossy(&taken.stdout).into_owned();
    assert!(taken.status.success() && said.contains("the running server"), "{taken:?}");
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(folder.join("backup.wb")).expect("the backup").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner may read the keys in it");

    assert_eq!(api.send("DELETE", "/api/users/x:goes", &[], b"").expect("an answer").status, 204);
    assert_eq!((status(&mut api, "goes"), status(&mut api, "stays")), (404, 200));
    let books = reported(&mut api);
    let data = folder.join("data");
    let before = left(&data);
    assert!(
        before.iter().all(|files| *files > 0),
        "the journal still has all of them: {before:?}"
    );
    let compacted = run(folder, &["compact", "--config", "running.json"]);
    let said = String::from_utf8_lossy(&compacted.stdout).into_owned();
    assert!(
        compacted.status.success() && said.contains("of the running server"),
        "{compacted:?}"
    );
    assert_eq!(left(&data), [0; 3], "nowhere after compact, while the server runs");
    let more = cart(theirs("stays"), "acme", 2);
    tell(&mut server.shop(), "acme", &more);
    assert_eq!((status(&mut api, "goes"), reported(&mut api)), (404, books));
    stop(server);
    assert_eq!(left(&data), [0; 3], "nor after it");
    let compacted = run(folder, &["compact", "--config", "winback.json"]);
    assert!(compacted.status.success(), "of a server that does not run: {compacted:?}");

    // It is gone after a restart and in a restore; a notice sent again changes nothing.
    for step in ["restart", "restore"] {
        if step == "restore" {
            fs::rename(&data, folder.join("data.old")).expect("moved");
            fs::create_dir(&data).expect("a folder");
            fs::copy(folder.join("data.old/erased"), data.join("erased")).expect("the list of the erased");
            let restored = run(folder, &["restore", "backup.wb", "--config", "winback.json"]);
            let said = String::from_utf8_lossy(&restored.stdout).into_owned();
            assert!(restored.status.success() && !said.contains(" 0 left out"), "{restored:?}");
            assert_eq!(left(&data), [0; 3], "nowhere after restore");
        }
        let server = Server::start(folder);
        let (mut api, mut exchange) = (server.api(), server.exchange());
        assert_eq!((status(&mut api, "goes"), status(&mut api, "stays")), (404, 200), "{step}");
        for notice in &notices {
            assert_eq!(exchange.get(notice).expect("an answer").status, 200, "{step}");
        }
        assert_eq!(reported(&mut api), books, "{step}");
        stop(server);
    }
}
