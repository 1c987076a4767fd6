//! `house`: where the AdChoices mark leads, and the lists of what no advertiser is shown on (contract
//! §2).
//!
//! A list is a file of one name a line; what follows a `#` is for people. Every bad line is a fault with
//! its place in that file.

use std::collections::HashSet;
use std::path::Path;

use url::Host;

use super::fault::Fault;
use super::node::Node;
use super::reader::{Object, Reader};
use super::server::House;
use crate::model::house::HouseBlock;

/// A list is read whole; more is no list of names.
const LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// `house`.
pub(super) fn house(server: &Object<'_, '_>) -> House {
    let o = server.inner("house");
    let block = o.inner("block");
    let list = |key, read: fn(&str) -> Option<String>| block.read(key, |r, n| names(r, n, read)).unwrap_or_default();
    House {
        block: HouseBlock {
            domains: list("domains_file", domain),
            bundles: list("bundles_file", word),
            sellers: list("sellers_file", word),
            categories: block.list("categories", Reader::lower),
        },
        ad_choices_url: o.read("ad_choices_url", Reader::plain),
    }
}

/// The names of a file, in lower case.
fn names<'t>(r: &Reader<'t>, node: &Node<'t>, read: fn(&str) -> Option<String>) -> Option<HashSet<Box<str>>> {
    let path = r.existing_file(node)?;
    let text = match text(&path) {
        Ok(text) => text,
        Err(error) => return r.refuse(node, format!("cannot be read: {error}"), "a text file of one name a line"),
    };
    let mut names = HashSet::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let name = line.split('#').next().unwrap_or_default().trim();
        if name.is_empty() {
            continue;
        }
        match read(name) {
            Some(name) => {
                names.insert(name.into_boxed_str());
            }
            None => r.add(Fault {
                value: super::fault::shorten(name),
                remedy: Some("one name a line, such as `bad.example`; comments after `#`".into()),
                ..Fault::of_file(
                    &path.display().to_string(),
                    u32::try_from(at + 1).unwrap_or(u32::MAX),
                    u32::try_from(line.len() - line.trim_start().len() + 1).unwrap_or(u32::MAX),
                    "not a name that can be blocked",
                )
            }),
        }
    }
    Some(names)
}

fn text(path: &Path) -> std::io::Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > LIST_BYTES_MAX {
        return Err(std::io::Error::other(format!("{bytes} bytes, more than {LIST_BYTES_MAX}")));
    }
    std::fs::read_to_string(path)
}

fn domain(name: &str) -> Option<String> {
    let name = name.trim_start_matches("*.").trim_matches('.');
    let host = Host::parse(name).ok()?.to_string();
    name.contains('.').then_some(host)
}

fn word(name: &str) -> Option<String> {
    (!name.contains(char::is_whitespace)).then(|| name.to_lowercase())
}
