//! Saved settings of `winback exchange`: a file of names, each with the options of a run.
//!
//! An option is checked as the command line checks it, and one that is given there wins.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, Parser};

use super::super::Failure;
use super::{Exchange, wrong};
use crate::config::settings::{Setting, settings};

/// Options that say what to do rather than how.
const NO_SETTINGS: [&str; 6] = ["profile", "profiles", "null", "answers", "compare", "help"];
/// A target, for an option that is looked at alone.
const SOME_TARGET: &str = "http://127.0.0.1:1/bid/x";

/// A command line of nothing but this command.
#[derive(Parser)]
#[command(name = "exchange", args_override_self = true)]
struct Alone {
    #[command(flatten)]
    exchange: Exchange,
    /// Read where the program starts.
    #[arg(long)]
    log: Option<String>,
    /// Likewise.
    #[arg(long)]
    log_level: Option<String>,
}

/// The arguments of a run with a profile laid under them; `own` is the command line behind the command's name.
pub fn settled(file: &Path, name: &str, own: impl Iterator<Item = OsString>) -> Result<Exchange, Failure> {
    let command = Exchange::augment_args(clap::Command::new("exchange"));
    let options = command.get_arguments().filter_map(|argument| argument.get_long());
    let options: Vec<String> = options.filter(|name| !NO_SETTINGS.contains(name)).map(str::to_owned).collect();
    let found = settings(file, name, &options, &judge);
    let found = found.map_err(|faults| wrong(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let line = std::iter::once("exchange".into()).chain(found.iter().flat_map(written)).chain(own);
    let alone = Alone::try_parse_from(line).map_err(|fault| wrong(fault.to_string()))?;
    Ok(alone.exchange)
}

/// A setting as the command line has it.
fn written((option, values): &Setting) -> Vec<OsString> {
    let name = format!("--{option}");
    match values.as_slice() {
        [] => vec![name.into()],
        values => values.iter().map(|value| format!("{name}={value}").into()).collect(),
    }
}

fn judge(setting: &Setting) -> Result<(), (String, String)> {
    let mut line: Vec<OsString> = vec!["exchange".into()];
    if setting.0 != "target" {
        line.extend(["--target".into(), SOME_TARGET.into()]);
    }
    line.extend(written(setting));
    Alone::try_parse_from(line).map(drop).map_err(|fault| {
        let text = fault.to_string();
        let said = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let (_, remedy) = said.rsplit_once(": ").unwrap_or(("", "see `winback exchange --help`"));
        ("not a value of that option".to_owned(), remedy.to_owned())
    })
}
