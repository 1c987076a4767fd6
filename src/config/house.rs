//! `house`: where the AdChoices mark leads, and the lists of what no advertiser is shown on (contract
//! §2).
//!
//! A list is a file of one name a line.

use std::collections::HashSet;

use url::Host;

use super::lines::{Entries, lines};
use super::node::Node;
use super::reader::{Object, Reader};
use super::server::House;
use crate::model::house::HouseBlock;

const NAMES: Entries = Entries {
    problem: "not a name that can be blocked",
    remedy: "one name a line, such as `bad.example`; comments after `#`",
};

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
    let names = lines(r, node, &NAMES, read)?;
    Some(names.into_iter().map(String::into_boxed_str).collect())
}

fn domain(name: &str) -> Option<String> {
    let name = name.trim_start_matches("*.").trim_matches('.');
    let host = Host::parse(name).ok()?.to_string();
    name.contains('.').then_some(host)
}

fn word(name: &str) -> Option<String> {
    (!name.contains(char::is_whitespace)).then(|| name.to_lowercase())
}
