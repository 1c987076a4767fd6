//! The command line: arguments, config, server, drain.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use winback::cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A retargeting bidder: from a cart left behind to an ad with that product.
#[derive(Parser)]
#[command(name = "winback", version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("WINBACK_COMMIT"), ")"))]
struct Arguments {
    /// How the log on standard error is written.
    #[arg(long, global = true, default_value = "text")]
    log: Log,
    /// What of it: error, warn, info, debug; without it info, and of the demo and a replay, which tell their own story, warn.
    #[arg(long, global = true)]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum Log {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Everything on embedded defaults in a temporary folder: shops, shoppers, an exchange, one story.
    Demo(cli::Demo),
    /// Checks server and advertiser files and their feeds: every fault in one run.
    Check {
        /// Server files, advertiser files or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Writes a working config for your own shop, and says what to do next.
    Init(cli::Init),
    /// Prints the JSON Schema that check enforces, so that an editor completes and explains.
    Schema {
        /// Of which file.
        file: winback::config::schema::File,
    },
    /// Tells why a request, or a shopper, gets a bid or does not: every campaign, the price, the ad.
    Explain(cli::Explain),
    /// Tells why a campaign does not spend: what became of the last hour's requests, and what to do.
    Why(cli::Why),
    /// Prints figures by campaign, day, hour and one dimension more: what was shown, clicked, bought and billed.
    Report(cli::Report),
    /// Writes what happened, fact by fact, as NDJSON or CSV; shoppers are named by random handles alone.
    Export(cli::Export),
    /// Plays an exchange against a running bidder: open-loop load, auctions, notices, clicks, purchases.
    Exchange(Box<cli::Exchange>),
    /// Writes all that the server knows into one file, while it runs or while it does not.
    Backup(cli::Backup),
    /// Puts a backup into an empty `data_dir`; whoever was erased since stays erased.
    Restore(cli::Restore),
    /// Decides on sampled requests again, under one config or two, and tells what would change. Leaves no trace.
    Replay(cli::Replay),
    /// Writes the store anew, so that what was erased is no longer on the disk, while the server runs or not.
    Compact(cli::Compact),
    /// Prints what completes commands and options in a shell.
    Completions(cli::Completions),
    /// Writes the man pages.
    Man(cli::Man),
    /// Serves.
    Serve(cli::Serve),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let usual = if matches!(arguments.command, Command::Demo(_) | Command::Replay(_)) {
        "warn"
    } else {
        "info"
    };
    let level = arguments.log_level.as_deref().unwrap_or(usual);
    cli::log_to_stderr(matches!(arguments.log, Log::Json), level);
    let done = match arguments.command {
        Command::Demo(demo) => cli::demo(&demo),
        Command::Check { paths } => cli::check(&paths),
        Command::Init(init) => cli::init(&init),
        Command::Schema { file } => cli::print_schema(file),
        Command::Explain(explain) => cli::explain(&explain),
        Command::Why(why) => cli::why(&why),
        Command::Report(report) => cli::report(&report),
        Command::Export(export) => cli::export(&export),
        Command::Exchange(exchange) => cli::exchange(&exchange),
        Command::Backup(backup) => cli::backup(&backup),
        Command::Restore(restore) => cli::restore(&restore),
        Command::Replay(replay) => cli::replay(&replay),
        Command::Compact(compact) => cli::compact(&compact),
        Command::Completions(completions) => cli::completions(&completions, Arguments::command()),
        Command::Man(man) => cli::man(&man, Arguments::command()),
        Command::Serve(serve) => cli::serve(&serve),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.to_string().lines() {
                eprintln!("{line}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
