//! Start, reload, drain, and the commands that need no server.

use std::fs;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::rig::{Server, ask, bids, call, tell, winback};
use crate::shop::{Setup, advertiser, cart, pretty, request, theirs};

const DRAIN_MAX: Duration = Duration::from_secs(10);
const COMMAND_MAX: Duration = Duration::from_secs(20);
const RELOAD_MAX: Duration = Duration::from_secs(15);

/// Runs a command that ends by itself; one that does not is killed.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    // Files, for a pipe that nobody reads is full some day.
    let (mut stdout, mut stderr) = (tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("a file"));
    let mut command = winback();
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().expect("the file"))
        .stderr(stderr.try_clone().expect("the file"));
    let mut child = command.spawn().expect("the binary starts");
    let end = Instant::now() + COMMAND_MAX;
    while Instant::now() < end && child.try_wait().is_ok_and(|status| status.is_none()) {
        thread::sleep(Duration::from_millis(10));
    }
    // It fails where the command has ended, as it should have.
    child.kill().ok();
    let status = child.wait().expect("its end");
    let read = |file: &mut fs::File| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("its output");
        bytes
    };
    Output {
        status,
        stdout: read(&mut stdout),
        stderr: read(&mut stderr),
    }
}

/// Its exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

#[test]
fn term_drains_and_loses_nothing() {
    let setup = Setup::acme();
    setup.write();
    let mut server = Server::start(setup.path());
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let bid = bids(&ask(&mut server.exchange(), &request("r", "u", 1))).remove(0);
    assert_eq!(server.exchange().get(&call(&bid["burl"], "1.00")).expect("an answer").status, 200);
    server.signal("TERM");
    let status = server
        .ended(DRAIN_MAX)
        .unwrap_or_else(|| panic!("still running after {DRAIN_MAX:?}\n{}", server.log()));
    assert_eq!(status.code(), Some(0), "{}", server.log());
    let again = Server::start(setup.path());
    assert_eq!(crate::kill::reported(&mut again.api()), (1, 1_000_000));
    assert_eq!(ask(&mut again.exchange(), &request("r2", "u", 1)).status, 200);
}

#[test]
fn links_of_before_a_restart_still_work() {
    let setup = Setup::acme();
    setup.write();
    let mut server = Server::start(setup.path());
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let bid = bids(&ask(&mut server.exchange(), &request("r", "u", 1))).remove(0);
    server.kill();
    let server = Server::start(setup.path());
    assert_eq!(server.exchange().get(&call(&bid["burl"], "1.00")).expect("an answer").status, 200);
    assert_eq!(crate::kill::reported(&mut server.api()), (1, 1_000_000));
}

/// Whether the server comes to answer the user with this status.
fn comes_to(server: &Server, status: u16) -> bool {
    let mut exchange = server.exchange();
    let end = Instant::now() + RELOAD_MAX;
    let mut n = 0;
    while Instant::now() < end {
        n += 1;
        if ask(&mut exchange, &request(&format!("reload-{status}-{n}"), "u", 1)).status == status {
            return true;
        }
        thread::sleep(Duration::from_millis(100));
    }
    false
}

#[test]
fn a_term_that_comes_as_config_is_read_again_is_not_lost() {
    let setup = Setup::acme();
    setup.write();
    let mut server = Server::start(setup.path());
    server.signal("HUP");
    server.signal("TERM");
    let status = server.ended(DRAIN_MAX).expect("it ends in time");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn hup_reads_an_edited_advertiser() {
    let setup = Setup::acme();
    setup.write();
    let server = Server::start(setup.path());
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 1));
    let mut edited = advertiser("acme");
    edited["campaigns"][0]["status"] = json!("paused");
    fs::write(setup.advertiser_path("acme"), pretty(&edited)).expect("the edited file");
    server.signal("HUP");
    assert!(comes_to(&server, 204), "the edit is not live\n{}", server.log());
    fs::write(setup.advertiser_path("acme"), "{ broken").expect("a broken file");
    server.signal("HUP");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(
        server.api().get("/health/ready").expect("an answer").status,
        200,
        "a bad edit leaves the running version"
    );
    fs::write(setup.advertiser_path("acme"), pretty(&advertiser("acme"))).expect("the file as it was");
    server.signal("HUP");
    assert!(comes_to(&server, 200), "the edit back is not live\n{}", server.log());
}

#[test]
fn check_says_by_its_exit_code() {
    let mut setup = Setup::acme();
    setup.write();
    let good = run(setup.path(), &["check", "winback.json"]);
    assert_eq!(code(&good), 0, "{}", String::from_utf8_lossy(&good.stderr));
    setup.advertisers[0]["campaigns"][0]["budget"] = json!({"total": -5});
    setup.advertisers[0]["creatives"][0]["sizs"] = json!([]);
    setup.write();
    let bad = run(setup.path(), &["check", "winback.json"]);
    let said = format!("{}{}", String::from_utf8_lossy(&bad.stdout), String::from_utf8_lossy(&bad.stderr));
    assert_eq!(code(&bad), 1, "{said}");
    for part in ["acme.json:", "budget", "sizs", "sizes"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
}

#[test]
fn exit_codes_tell_usage_from_environment() {
    let setup = Setup::acme();
    setup.write();
    assert_eq!(code(&run(setup.path(), &["--version"])), 0);
    assert_eq!(code(&run(setup.path(), &["--help"])), 0);
    assert_eq!(code(&run(setup.path(), &["nosuch"])), 2);
    assert_eq!(code(&run(setup.path(), &["serve"])), 2, "without --config");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut config = setup.config.clone();
    config["bid"]["listen"] = json!(taken.local_addr().expect("its address").to_string());
    fs::write(setup.config_path(), pretty(&config)).expect("the config");
    let refused = run(setup.path(), &["serve", "--config", "winback.json"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(code(&refused), 3, "{said}");
    assert!(
        said.contains("listen") || said.contains("port") || said.contains("in use"),
        "{said}"
    );
}

#[test]
fn serve_refuses_an_open_bid_listener_without_auth() {
    let mut setup = Setup::acme();
    setup.config["bid"]["listen"] = json!("0.0.0.0:0");
    setup.config["exchanges"][0].as_object_mut().expect("an exchange").remove("auth");
    setup.write();
    let refused = run(setup.path(), &["serve", "--config", "winback.json"]);
    assert_eq!(code(&refused), 1, "{}", String::from_utf8_lossy(&refused.stderr));
}
