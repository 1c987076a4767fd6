//! What an installed winback says of itself: man pages, completions, its unit.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::figures::Figures;
use crate::life::{code, run};

/// The commands that `--help` lists.
fn commands(folder: &Path) -> BTreeSet<String> {
    let help = run(folder, &["--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next());
    listed.filter(|command| *command != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_a_man_page_and_completes() {
    let folder = tempfile::tempdir().expect("a folder");
    let commands = commands(folder.path());
    assert_eq!(code(&run(folder.path(), &["man", "pages/man"])), 0);
    let page = |name: &str| fs::read_to_string(folder.path().join("pages/man").join(name)).unwrap_or_default();
    let has_page = |command: &&String| page(&format!("winback-{command}.1")).contains(".SH SYNOPSIS");
    let shells = ["bash", "zsh", "fish"];
    let scripts = shells.map(|shell| String::from_utf8_lossy(&run(folder.path(), &["completions", shell]).stdout).into_owned());
    let completes = |command: &&String| scripts.iter().all(|script| script.contains(command.as_str()));
    let mut figures = Figures::new();
    figures.at_least("packaging.commands", commands.len(), 14);
    figures.exactly("packaging.man_pages", commands.iter().filter(has_page).count(), commands.len());
    figures.exactly("packaging.completed", commands.iter().filter(completes).count(), commands.len());
    assert!(page("winback.1").contains("retargeting bidder"));
    figures.settle();
}

#[test]
fn the_unit_is_one() {
    let unit = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/winback.service")).expect("the unit");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("winback.service");
    // Where winback is not installed there is no program that could be looked at, nor its man page.
    let installed = unit
        .replace("/usr/bin/winback", "/bin/true")
        .replace("Documentation=man:winback(1)\n", "");
    assert_ne!(installed, unit);
    fs::write(&file, installed).expect("the unit");
    let Ok(verified) = Command::new("systemd-analyze").arg("verify").arg(&file).output() else {
        println!("no systemd-analyze here: the unit is not verified");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && said.trim().is_empty(), "{said}");
}
