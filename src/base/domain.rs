//! Domain names: what is below what, and how a site is named by lists that others keep.
//!
//! The public suffix list is asked when a site is read from config, never while a request is decided.
//! Names are compared in any case; nothing here resolves or converts one.

use psl::{Psl, Type};

/// Whether `domain` is `parent` or below it.
pub fn is_of_domain(domain: &str, parent: &str) -> bool {
    let (domain, parent) = (domain.as_bytes(), parent.trim_start_matches('.').as_bytes());
    let Some(start) = domain.len().checked_sub(parent.len()) else {
        return false;
    };
    !parent.is_empty() && domain[start..].eq_ignore_ascii_case(parent) && (start == 0 || domain[start - 1] == b'.')
}

/// A site's domain, as lists of blocked and of allowed ones may name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    domain: String,
    /// What its owner registered: all below it is the same site.
    registrable: String,
    /// The shortest name above it that is more than a top-level domain or its like: a host of shops
    /// may be named as a whole.
    widest: usize,
}

impl Site {
    /// Of a domain in lower case.
    pub fn new(domain: &str) -> Site {
        let tails = domain.rmatch_indices('.').map(|(dot, _)| &domain[dot + 1..]);
        let widest = tails.into_iter().find(|tail| !is_top(tail)).unwrap_or(domain).len();
        Site {
            domain: domain.to_owned(),
            registrable: psl::domain_str(domain).unwrap_or(domain).to_owned(),
            widest,
        }
    }

    /// Whether a [`host`] of a list means it: the domain itself, what it is below of, or anything below
    /// what its owner registered.
    pub fn is_named_by(&self, entry: &str) -> bool {
        let is_above = entry.len() >= self.widest && is_of_domain(&self.domain, entry);
        is_above || is_of_domain(entry, &self.registrable)
    }
}

/// Whether a name is a suffix that a registry sells below of, not a company's own.
fn is_top(name: &str) -> bool {
    psl::List
        .suffix(name.as_bytes())
        .is_some_and(|suffix| suffix.as_bytes().len() == name.len() && suffix.typ() != Some(Type::Private))
}

/// The host that an entry of a list means: some write addresses, or `*.` before a domain.
pub fn host(entry: &str) -> &str {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'.' | b'-');
    // Most are a name and nothing else.
    if entry.bytes().fold(true, |name, byte| name & is_of_name(byte)) {
        return entry.trim_matches('.');
    }
    let entry = entry.trim();
    let rest = entry.split_once("//").map_or(entry, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or(rest);
    host.trim_start_matches("*.").trim_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_cover_what_is_below_them() {
        for (domain, parent, expected) in [
            ("a.example", "a.example", true),
            ("x.A.example", "a.example", true),
            ("ba.example", "a.example", false),
            ("example", "a.example", false),
            ("a.example", "", false),
        ] {
            assert_eq!(is_of_domain(domain, parent), expected, "{domain} of {parent}");
        }
    }

    #[test]
    fn a_site_is_named_by_what_its_owner_registered() {
        for (site, entry, expected) in [
            ("shop.acme.co.uk", "acme.co.uk", true),
            ("shop.acme.co.uk", "WWW.Acme.co.uk", true),
            ("shop.acme.co.uk", "https://www.acme.co.uk/shoes?a=1", true),
            ("shop.acme.co.uk", "*.acme.co.uk", true),
            ("shop.acme.co.uk", "acme.co.uk.", true),
            ("shop.acme.co.uk", "co.uk", false),
            ("shop.acme.co.uk", "uk", false),
            ("shop.acme.co.uk", "other.co.uk", false),
            ("shop.acme.co.uk", "", false),
            ("acme.example", "example", false),
            ("acme.example", "cme.example", false),
            // A host of shops: each is a site of its own, and all may be named at once.
            ("acme.myshopify.com", "birch.myshopify.com", false),
            ("acme.myshopify.com", "acme.myshopify.com", true),
            ("acme.myshopify.com", "myshopify.com", true),
            ("acme.myshopify.com", "com", false),
            ("localhost", "localhost", true),
        ] {
            assert_eq!(Site::new(site).is_named_by(host(entry)), expected, "{site} by {entry}");
        }
    }
}
