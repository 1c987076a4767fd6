//! What the command line says of itself: completions for shells, and man pages, both made from its definition.

use std::io::Write;
use std::path::PathBuf;

use clap_complete::Shell;

use super::Failure;

/// Arguments of `winback completions`.
#[derive(clap::Args, Clone, Debug)]
pub struct Completions {
    /// Of which shell.
    pub shell: Shell,
}

/// Arguments of `winback man`.
#[derive(clap::Args, Clone, Debug)]
pub struct Man {
    /// The folder to write winback.1, winback-serve.1 and so on into; made if it is not there.
    pub dir: PathBuf,
}

/// `winback completions`: the script to standard output.
pub fn completions(arguments: &Completions, mut command: clap::Command) -> Result<(), Failure> {
    // Made in memory: the generator panics where whoever reads its output goes away.
    let (mut script, name) = (Vec::new(), command.get_name().to_owned());
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    let written = std::io::stdout().write_all(&script);
    written.map_err(|source| Failure::Environment {
        what: "cannot write the completions",
        source,
    })
}

/// `winback man`: a page of the program and one of each command.
pub fn man(arguments: &Man, command: clap::Command) -> Result<(), Failure> {
    let pages = || {
        std::fs::create_dir_all(&arguments.dir)?;
        clap_mangen::generate_to(command, &arguments.dir)
    };
    pages().map_err(|source| Failure::Environment {
        what: "cannot write the man pages",
        source,
    })
}
