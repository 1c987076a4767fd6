//! The commands of `docs/start.md`, in its order and in one bash, but for the build: with the binary under test.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::figures::Figures;

/// Behind which the ports of what `init` wrote become free ones.
const AFTER: &str = "winback init";
/// Said by the shell after each block.
const RAN: &str = "@@ ran ";

/// The page's ports, each with a free one.
fn ports() -> Vec<(&'static str, String)> {
    let sockets = ["8080", "8081", "9090"].map(|usual| (usual, TcpListener::bind("127.0.0.1:0").expect("a port")));
    let free = |(usual, socket): &(&'static str, TcpListener)| (*usual, socket.local_addr().expect("its port").port().to_string());
    sockets.iter().map(free).collect()
}

/// The blocks of commands.
fn blocks(page: &str) -> Vec<&str> {
    let parts = page.split("```sh\n").skip(1);
    parts.filter_map(|part| part.split_once("\n```").map(|(block, _)| block)).collect()
}

#[test]
fn every_command_of_the_page_for_newcomers_works() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/start.md");
    let page = fs::read_to_string(page).expect("the page");
    let all = blocks(&page);
    let (build, rest) = all.split_first().expect("commands");
    assert!(
        build.contains("git clone") && build.contains("cargo build"),
        "the first block builds: {build}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let ports = ports();
    let mut script = String::from("set -euo pipefail\n");
    for (no, block) in rest.iter().enumerate() {
        let block = ports
            .iter()
            .fold((*block).to_owned(), |block, (usual, free)| block.replace(usual, free));
        script += &format!("{block}\n");
        if block.contains(AFTER) {
            for (usual, free) in &ports {
                script += &format!("sed -i 's/{usual}/{free}/g' my-shop/winback.json\n");
            }
        }
        script += &format!("echo '{RAN}{no}'\n");
    }
    // Job control, as in a shell that somebody types into.
    let script = format!("set -m\n{script}");
    let path = format!(
        "{}:{}",
        Path::new(env!("CARGO_BIN_EXE_winback")).parent().expect("its folder").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let ran = Command::new("timeout")
        .args(["60", "bash", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{said}{}", String::from_utf8_lossy(&ran.stderr));
    let mut figures = Figures::new();
    figures.at_least("start.blocks", all.len(), 9);
    figures.exactly("start.blocks_run", said.matches(RAN).count(), rest.len());
    figures.exactly("start.bids", said.matches("\"cid\":\"cart-recovery\"").count(), 1);
    figures.exactly("start.explained", said.matches("one bid is made").count(), 1);
    figures.settle();
}
