//! Links of feed items: where a click may lead and where a picture may come from.
//!
//! Links end up in ads on other people's pages, so they are parsed, checked and written anew rather
//! than copied. Never resolves a name.

use url::{Host, Url};

/// The longest link kept, in bytes.
const LINK_BYTES_MAX: usize = 2048;

/// Why a link may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkFault {
    /// No absolute http or https URL, with a user in it, or too long.
    Bad,
    /// Plain http to another machine.
    Insecure,
    /// A host outside the landing domains.
    Foreign,
}

/// Hosts that links may lead to.
pub(super) struct Landing {
    domains: Vec<String>,
}

impl Landing {
    /// From domains as configured; names in other scripts are put into their ASCII form.
    pub fn new(domains: &[String]) -> Landing {
        let ascii = |domain: &String| match Host::parse(domain.trim().trim_matches('.')) {
            Ok(host) => host.to_string(),
            Err(_) => domain.to_ascii_lowercase(),
        };
        Landing {
            domains: domains.iter().map(ascii).collect(),
        }
    }

    /// A landing page, https and of a landing domain; or of this machine.
    pub fn page(&self, text: &str) -> Result<Box<str>, LinkFault> {
        let url = secure(text)?;
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let ours = |domain: &String| match host.strip_suffix(domain.as_str()) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        };
        if !is_loopback(&url) && !self.domains.iter().any(ours) {
            return Err(LinkFault::Foreign);
        }
        Ok(String::from(url).into_boxed_str())
    }
}

/// A picture, https or of this machine.
pub(super) fn picture(text: &str) -> Result<Box<str>, LinkFault> {
    secure(text).map(|url| String::from(url).into_boxed_str())
}

/// What a browser treats as secure: https, or http to this machine.
fn secure(text: &str) -> Result<Url, LinkFault> {
    let url = Url::parse(text).map_err(|_| LinkFault::Bad)?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if url.as_str().len() > LINK_BYTES_MAX || has_user || url.host().is_none() {
        return Err(LinkFault::Bad);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(LinkFault::Insecure),
        _ => Err(LinkFault::Bad),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_must_be_secure_and_ours() {
        let landing = Landing::new(&["Shop.example".to_owned(), "bücher.example".to_owned()]);
        let cases = [
            ("https://shop.example/a?b=1&c=2", Ok("https://shop.example/a?b=1&c=2")),
            ("https://www.SHOP.example", Ok("https://www.shop.example/")),
            ("https://shop.example/a b\"<", Ok("https://shop.example/a%20b%22%3C")),
            ("https://bücher.example/", Ok("https://xn--bcher-kva.example/")),
            ("http://localhost:8000/a", Ok("http://localhost:8000/a")),
            ("http://127.0.0.1/a", Ok("http://127.0.0.1/a")),
            ("http://[::1]:8/a", Ok("http://[::1]:8/a")),
            ("http://shop.example/", Err(LinkFault::Insecure)),
            ("https://notshop.example/", Err(LinkFault::Foreign)),
            ("https://shop.example.evil.example/", Err(LinkFault::Foreign)),
            ("https://shop.example@evil.example/", Err(LinkFault::Bad)),
            ("javascript:alert(1)", Err(LinkFault::Bad)),
            ("//shop.example/a", Err(LinkFault::Bad)),
            ("/a", Err(LinkFault::Bad)),
        ];
        for (text, expected) in cases {
            assert_eq!(landing.page(text).as_deref(), expected.as_ref().map(|s| &**s), "{text}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(LINK_BYTES_MAX));
        assert_eq!(landing.page(&long), Err(LinkFault::Bad));
        assert_eq!(
            picture("https://cdn.elsewhere.example/a.jpg").as_deref(),
            Ok("https://cdn.elsewhere.example/a.jpg")
        );
        assert_eq!(picture("data:image/png;base64,AA=="), Err(LinkFault::Bad));
    }
}
