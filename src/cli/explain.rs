//! `winback explain` and `winback why`: why a request, or a shopper, gets a bid or does not; why a campaign does not
//! spend.
//!
//! Asked of the running server. Where none answers, a request is explained by what is in `data_dir`: without holds
//! of bids under way, which are in the server's memory, as the last hour of a campaign is.

use std::io::{Read, Write};
use std::path::PathBuf;

use hyper::Method;

use super::Failure;
use super::call::{Call, Refused, call, query, server};
use crate::admin;
use crate::app;
use crate::base::limits::BODY_BYTES_MAX;

/// Arguments of `winback explain`.
#[derive(clap::Args, Clone, Debug)]
pub struct Explain {
    /// A bid request as JSON; `-` for standard input, which is read too where neither this nor `--user` is given.
    pub request: Option<PathBuf>,
    /// The server's config.
    #[arg(long)]
    pub config: PathBuf,
    /// The exchange that asks.
    #[arg(long)]
    pub exchange: String,
    /// In place of a request: a shopper, by our id or as `exchange:theirs`; a request is made up for them.
    #[arg(long, conflicts_with = "request")]
    pub user: Option<String>,
    /// Of the request made up: the banner's size, as 300x250.
    #[arg(long, requires = "user")]
    pub size: Option<String>,
    /// Of the request made up: the site's domain.
    #[arg(long, requires = "user")]
    pub domain: Option<String>,
    /// Of the request made up: the country, as VN or VNM.
    #[arg(long, requires = "user")]
    pub country: Option<String>,
    /// Of the request made up: mobile, desktop or tablet.
    #[arg(long, requires = "user")]
    pub device: Option<String>,
    /// Print the API's JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `winback why`.
#[derive(clap::Args, Clone, Debug)]
pub struct Why {
    /// The campaign, as ADVERTISER/CAMPAIGN.
    pub campaign: String,
    /// The server's config.
    #[arg(long)]
    pub config: PathBuf,
    /// Print the API's JSON.
    #[arg(long)]
    pub json: bool,
}

/// `winback explain`.
pub fn explain(arguments: &Explain) -> Result<(), Failure> {
    let server = server(&arguments.config)?;
    let body = if arguments.user.is_some() {
        Vec::new()
    } else {
        request(arguments)?
    };
    let query = query(&[
        ("user", arguments.user.as_deref()),
        ("size", arguments.size.as_deref()),
        ("domain", arguments.domain.as_deref()),
        ("country", arguments.country.as_deref()),
        ("device", arguments.device.as_deref()),
        ("format", Some(form(arguments.json))),
    ]);
    let path = format!("/api/explain/{}?{query}", escaped(&arguments.exchange));
    let wanted = Call {
        body: body.clone(),
        ..Call::new(Method::POST, &path)
    };
    let mut told = Vec::new();
    if !call(&server, wanted, &mut told).map_err(refused)? {
        let engine = app::look(&arguments.config)?;
        let explained = admin::explained(&engine, &arguments.exchange, &query, &body);
        told = explained.map_err(Failure::Faults)?.into_bytes();
    }
    print(&told)
}

/// `winback why`.
pub fn why(arguments: &Why) -> Result<(), Failure> {
    let server = server(&arguments.config)?;
    let Some((advertiser, campaign)) = arguments.campaign.split_once('/') else {
        let message = format!("`{}` is no campaign: write ADVERTISER/CAMPAIGN", arguments.campaign);
        return Err(Failure::Faults(message));
    };
    let (advertiser, campaign) = (escaped(advertiser), escaped(campaign));
    let path = format!(
        "/api/advertisers/{advertiser}/campaigns/{campaign}/funnel?format={}",
        form(arguments.json)
    );
    let mut told = Vec::new();
    if !call(&server, Call::new(Method::GET, &path), &mut told).map_err(refused)? {
        let message = format!(
            "no server answers at {}: the last hour of a campaign is in its memory",
            server.admin
        );
        return Err(Failure::Unreachable(message));
    }
    print(&told)
}

fn form(is_json: bool) -> &'static str {
    if is_json { "json" } else { "text" }
}

/// A part of a path.
fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The bid request, of a file or of standard input.
fn request(arguments: &Explain) -> Result<Vec<u8>, Failure> {
    let named = arguments.request.as_ref().filter(|path| path.as_os_str() != "-");
    let mut body = Vec::new();
    let most = BODY_BYTES_MAX as u64 + 1;
    let read = match named {
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut body)),
        None => std::io::stdin().lock().take(most).read_to_end(&mut body),
    };
    let name = named.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    read.map_err(|error| Failure::Faults(format!("cannot read {name}: {error}")))?;
    if body.trim_ascii().is_empty() {
        return Err(Failure::Faults(format!("{name} is empty: give a bid request, or --user")));
    }
    Ok(body)
}

/// A call that was not answered as wished.
pub(super) fn refused(refused: Refused) -> Failure {
    match refused {
        Refused::Asked(message) => Failure::Faults(message),
        Refused::Broken(message) => Failure::Unreachable(message),
    }
}

/// Prints what was told, with an end of line.
fn print(told: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let end: &[u8] = if told.ends_with(b"\n") { b"" } else { b"\n" };
    match out.write_all(told).and_then(|()| out.write_all(end)) {
        // Whoever reads has had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| Failure::Environment {
            what: "cannot write the explanation",
            source,
        }),
    }
}
