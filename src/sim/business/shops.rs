//! What an exchange that we play ourselves may know of the bidder: its config, read as an operator would.
//!
//! Assumes config files that the server accepts, and takes of them only what outsiders are handed: domains,
//! site keys, event keys, the exchange's own key and those of its prices. Reads files at the start and never again.

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use crate::config;
use crate::sim::macros::Paying;

/// A shop of the bidder's.
#[derive(Clone, Debug)]
pub struct Site {
    /// `domain`, which bids name in `adomain`.
    pub domain: String,
    /// `site_key`.
    pub site_key: String,
    /// The secret of its server events.
    pub event_key: String,
    /// `currency`.
    pub currency: String,
}

/// What is known.
#[derive(Clone, Debug)]
pub struct Config {
    /// `public.url`, without a slash at the end: what URLs in bids begin with.
    pub public_url: String,
    /// `public.listen`, where its port is a real one.
    pub public: Option<SocketAddr>,
    /// How the exchange writes prices.
    pub paying: Paying,
    /// The header and value that the exchange proves itself by.
    pub header: Option<(String, String)>,
    /// The shops whose event keys can be read.
    pub sites: Vec<Site>,
}

#[derive(Deserialize)]
struct AdvertiserFile {
    domain: String,
    site_key: String,
    event_key_file: Option<String>,
    #[serde(default = "dollars")]
    currency: String,
}

fn dollars() -> String {
    "USD".to_owned()
}

/// A secret's file, without the line's end.
pub fn secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|fault| format!("cannot read {}: {fault}", path.display()))?;
    Ok(text.trim().to_owned())
}

impl Config {
    /// Reads a server's config for the exchange of this id.
    pub fn read(path: &Path, exchange: &str) -> Result<Config, String> {
        let told = |faults: Vec<config::Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let (server, _) = config::server(path).map_err(told)?;
        let own = server.exchange(exchange).ok_or_else(|| {
            let known: Vec<&str> = server.exchanges.iter().map(|known| known.id.as_str()).collect();
            format!(
                "{}: no exchange `{exchange}`: end the target in one of {}",
                path.display(),
                known.join(", ")
            )
        })?;
        let header = own.auth.header.as_ref();
        let header = header.map(|(name, file)| Ok::<_, String>((name.clone(), secret(file)?)));
        Ok(Config {
            public_url: server.public_url.clone().unwrap_or_default(),
            public: Some(server.public).filter(|listen| listen.port() != 0),
            paying: Paying {
                encoding: own.price.encoding.clone(),
                scale: own.price.scale,
            },
            header: header.transpose()?,
            sites: sites(&server.advertisers)?,
        })
    }
}

fn parsed<T: for<'d> Deserialize<'d>>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|fault| format!("cannot read {}: {fault}", path.display()))?;
    serde_json::from_str(&text).map_err(|fault| format!("{}: {fault}: try `winback check`", path.display()))
}

fn sites(folder: &Path) -> Result<Vec<Site>, String> {
    let entries = std::fs::read_dir(folder).map_err(|fault| format!("cannot read {}: {fault}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let mut sites = Vec::new();
    for path in paths {
        let file: AdvertiserFile = parsed(&path)?;
        // A shop without server events buys nothing here.
        let Some(key) = &file.event_key_file else { continue };
        sites.push(Site {
            domain: file.domain,
            site_key: file.site_key,
            event_key: secret(&folder.join(key))?,
            currency: file.currency,
        });
    }
    Ok(sites)
}
