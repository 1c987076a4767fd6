//! How a match is written beside its user: whose id it is, of which version, and since when.
//!
//! `exchange`, `exchange:version`, `exchange@seconds`, `exchange:version@seconds`; no exchange has a colon or an `@` in
//! its id. Namespaces of people (`ifa:`) have no version and no time.

use std::fmt;

use crate::base::time::Secs;

/// What is told of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched<'a> {
    /// Whose id it is.
    pub namespace: &'a str,
    /// The version of that exchange's ids, where they have one.
    pub version: Option<&'a str>,
    /// When a browser last brought both ids together; none where a shop told them.
    pub at: Option<Secs>,
}

impl<'a> Matched<'a> {
    /// As it is written.
    pub fn read(text: &'a str) -> Matched<'a> {
        let (label, at) = text.split_once('@').map_or((text, None), |(label, at)| (label, at.parse().ok()));
        let (namespace, version) = label.split_once(':').unwrap_or((label, ""));
        Matched {
            namespace,
            version: Some(version).filter(|version| !version.is_empty()),
            at: at.map(Secs),
        }
    }
}

impl fmt::Display for Matched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.namespace)?;
        if let Some(version) = self.version {
            write!(f, ":{version}")?;
        }
        self.at.map_or(Ok(()), |at| write!(f, "@{}", at.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, namespace, version, at) in [
            ("demo-x", "demo-x", None, None),
            ("google:2", "google", Some("2"), None),
            ("demo-x@91812345", "demo-x", None, Some(91_812_345)),
            ("google:2@91812345", "google", Some("2"), Some(91_812_345)),
        ] {
            let matched = Matched::read(text);
            assert_eq!(
                (matched.namespace, matched.version, matched.at.map(|at| at.0)),
                (namespace, version, at)
            );
            assert_eq!(matched.to_string(), text);
        }
        assert_eq!(Matched::read("ifa:").namespace, "ifa");
    }
}
