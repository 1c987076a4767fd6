//! `winback backup`, `winback restore` and `winback compact`: the store as a whole.
//!
//! Backup and compaction are asked of the running server; where none answers, the folder is opened. Files are whole
//! or not there, and only their owner may read them: a backup holds the keys.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use hyper::Method;
use tempfile::NamedTempFile;

use super::Failure;
use super::call::{Call, call, server};
use crate::app::StartError;
use crate::config::Server;
use crate::store::restore::Refused;
use crate::store::{Store, Trouble, backup as format, restore as from_backup};

/// Arguments of `winback backup`.
#[derive(clap::Args, Clone, Debug)]
pub struct Backup {
    /// Where to write it; it must not be there yet.
    pub file: PathBuf,
    /// The server's config.
    #[arg(long)]
    pub config: PathBuf,
}

/// Arguments of `winback restore`.
#[derive(clap::Args, Clone, Debug)]
pub struct Restore {
    /// A file that `winback backup` wrote.
    pub file: PathBuf,
    /// The config of the server to be; its `data_dir` must hold nothing but the list of the erased.
    #[arg(long)]
    pub config: PathBuf,
}

/// Arguments of `winback compact`.
#[derive(clap::Args, Clone, Debug)]
pub struct Compact {
    /// The server's config.
    #[arg(long)]
    pub config: PathBuf,
}

/// `winback backup`.
pub fn backup(arguments: &Backup) -> Result<(), Failure> {
    let server = server(&arguments.config)?;
    let file = &arguments.file;
    let failed = |error: io::Error| Failure::Unreachable(format!("cannot write {}: {error}", file.display()));
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.exists() {
        return Err(Failure::Faults(format!("{} is there already: name another file", file.display())));
    }
    let mut draft = NamedTempFile::new_in(dir).map_err(failed)?;
    let from = if ask(&server, "/api/backup", draft.as_file_mut()).map_err(|problem| broken(file, &problem))? {
        "the running server"
    } else {
        open_and_write(&server, draft.as_file_mut())?;
        "its folder"
    };
    draft.as_file().sync_all().map_err(failed)?;
    let mut written = BufReader::new(File::open(draft.path()).map_err(failed)?);
    let rows = format::check(&mut written).map_err(|error| broken(file, &error.to_string()))?;
    draft.persist_noclobber(file).map_err(|error| failed(error.error))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
    println!(
        "{rows} rows of {from} in {}: it holds the keys, so keep it as you keep them",
        file.display()
    );
    Ok(())
}

/// `winback restore`.
pub fn restore(arguments: &Restore) -> Result<(), Failure> {
    let server = server(&arguments.config)?;
    let restored = from_backup::restore(&arguments.file, &server.data_dir, &server.seal_keys_dir)?;
    println!(
        "{} rows restored up to commit {}, {} left out of people who were erased since",
        restored.rows, restored.commit, restored.left_out
    );
    Ok(())
}

/// `winback compact`.
pub fn compact(arguments: &Compact) -> Result<(), Failure> {
    let server = server(&arguments.config)?;
    let data_dir = server.data_dir.display();
    let mut answer = Vec::new();
    let asked = ask(&server, "/api/compact", &mut answer);
    let asked = asked.map_err(|problem| Failure::Unreachable(format!("cannot compact {data_dir}: {problem}: try again")))?;
    let (rows, of) = if asked {
        let told: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        (told["rows"].as_u64().unwrap_or(0), "of the running server ")
    } else {
        let store = existing(&server)?;
        let rows = store.turn(&mut |_| true)?.rows;
        drop(store);
        // Opened once more, it is looked over and takes its usual place.
        drop(existing(&server)?);
        (rows, "")
    };
    println!("{rows} rows {of}written anew: what was erased is no longer in {data_dir}");
    Ok(())
}

/// The store of a server that has one: a mistyped folder is not made.
fn existing(server: &Server) -> Result<Store, Failure> {
    if !server.data_dir.exists() {
        let missing = format!("there is no {}: check `data_dir`", server.data_dir.display());
        return Err(Failure::Faults(missing));
    }
    Ok(Store::open(&server.data_dir)?)
}

fn open_and_write(server: &Server, out: &mut File) -> Result<(), Failure> {
    let store = existing(server)?;
    let failed = |source| Failure::Environment {
        what: "cannot take the backup",
        source,
    };
    let keys = format::keys(&server.data_dir, &server.seal_keys_dir).map_err(failed)?;
    let mut out = BufWriter::new(out);
    format::write(&store, &keys, &mut out).map_err(failed)?;
    Ok(())
}

fn broken(file: &Path, problem: &str) -> Failure {
    Failure::Unreachable(format!("cannot back up into {}: {problem}: try again", file.display()))
}

/// Has the running server do something; false where none answers.
pub(super) fn ask(server: &Server, path: &str, out: &mut dyn Write) -> Result<bool, String> {
    call(server, Call::new(Method::POST, path), out).map_err(|refused| refused.message())
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        match refused {
            Refused::Trouble(trouble) => StartError::from(trouble).into(),
            Refused::File { .. } => Failure::Faults(refused.to_string()),
            Refused::NotEmpty { .. } | Refused::OtherKey(_) => Failure::Unreachable(refused.to_string()),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        StartError::from(trouble).into()
    }
}
