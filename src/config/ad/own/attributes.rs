//! What an attribute's value means to a browser, and which addresses may be written out in it.
//!
//! A list of what is allowed: an attribute that is not known takes no value.

/// What may stand in an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Where a link leads.
    Link,
    /// Where a picture comes from.
    Picture,
    /// An address of something else: written out only.
    Address,
    /// Text.
    Text,
    /// Declarations of style.
    Style,
    /// Script, or a document: no value at all.
    Code,
    /// Anything else.
    Other,
}

/// Attributes with an address, on whatever element.
const ADDRESSES: [&str; 15] = [
    "href",
    "src",
    "srcset",
    "imagesrcset",
    "xlink:href",
    "action",
    "formaction",
    "data",
    "poster",
    "background",
    "ping",
    "cite",
    "longdesc",
    "manifest",
    "codebase",
];
/// Attributes in which text is only text.
const TEXTS: [&str; 12] = [
    "alt",
    "title",
    "class",
    "id",
    "name",
    "lang",
    "dir",
    "width",
    "height",
    "value",
    "label",
    "placeholder",
];
/// Elements whose attributes do more than describe.
const ACTIVE: [&str; 13] = [
    "script",
    "style",
    "link",
    "meta",
    "base",
    "iframe",
    "object",
    "embed",
    "param",
    "set",
    "animate",
    "animatetransform",
    "animatemotion",
];

/// What may stand in `attribute` of `element`, both in lower case.
pub(super) fn slot(element: &str, attribute: &str) -> Slot {
    match (element, attribute) {
        ("a" | "area", "href") => Slot::Link,
        ("img" | "source" | "input", "src") | ("video", "poster") | ("image", "href" | "xlink:href") => Slot::Picture,
        (_, "style") => Slot::Style,
        (_, "srcdoc") => Slot::Code,
        (_, name) if name.starts_with("on") => Slot::Code,
        (_, name) if ADDRESSES.contains(&name) => Slot::Address,
        (element, _) if ACTIVE.contains(&element) => Slot::Other,
        (_, name) if TEXTS.contains(&name) || name.starts_with("aria-") || name.starts_with("data-") => Slot::Text,
        _ => Slot::Other,
    }
}

/// What is wrong with a value that is written out, and what would be right.
pub(super) fn fault(slot: Slot, attribute: &str, value: &str) -> Option<(String, &'static str)> {
    match slot {
        Slot::Link | Slot::Picture => address(slot, value),
        Slot::Address if attribute.ends_with("srcset") => {
            let candidates = value.split(',').filter_map(|candidate| candidate.split_whitespace().next());
            candidates.filter_map(|candidate| address(slot, candidate)).next()
        }
        Slot::Address => address(slot, value),
        Slot::Style => style(value),
        Slot::Text | Slot::Code | Slot::Other => None,
    }
}

/// What is wrong with a style.
pub(super) fn style(text: &str) -> Option<(String, &'static str)> {
    let lower = text.to_ascii_lowercase();
    let found = ["http://", "javascript:"].into_iter().find(|bad| lower.contains(bad))?;
    Some((format!("`{found}` in a style"), "load over `https://`"))
}

/// Whether an address goes on within a path or query of an https host, so that no value can change
/// where it leads.
pub(super) fn has_host(address: &str) -> bool {
    let address = plain(address);
    let Some(rest) = address.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    host.len() < rest.len() && !host.is_empty() && !host.contains(['@', '\\'])
}

/// As a browser reads it: references replaced, white space and controls gone.
fn plain(value: &str) -> String {
    let decoded = html_escape::decode_html_entities(value);
    let kept: String = decoded.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    kept.trim_matches(|c: char| c <= ' ').to_owned()
}

fn address(slot: Slot, value: &str) -> Option<(String, &'static str)> {
    const SECURE: &str = "write it in full, with `https://`";
    let address = plain(value).to_ascii_lowercase();
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| address.starts_with(prefix));
    // Apps with MRAID have this script themselves (MRAID 3.0 §3.1).
    let is_mraid = slot == Slot::Address && address == "mraid.js";
    if is_mraid
        || begins(&["https://"])
        || slot == Slot::Link && begins(&["#", "mailto:", "tel:"])
        || slot == Slot::Picture && begins(&["data:image/"])
    {
        return None;
    }
    if begins(&["http://"]) {
        return Some(("plain http, which browsers block or warn of".into(), SECURE));
    }
    if begins(&["javascript:", "vbscript:", "data:"]) {
        return Some(("an address that runs script or is a document".into(), "a link leads to `https://`"));
    }
    Some(("not a full address: an ad has no folder of its own".into(), SECURE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_browsers_do() {
        for good in [
            "https://a.example/x",
            " HTTPS://a.example",
            "#top",
            "mailto:a@b.example",
            "&#104;ttps://a.example",
        ] {
            assert_eq!(address(Slot::Link, good), None, "{good}");
        }
        let bad = [
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "\u{1}javascript:x",
            "java&#115;cript:x",
            "java&Tab;script:x",
            "vbscript:x",
            "data:text/html,x",
            "data:image/png;base64,AA",
            "http://a.example",
            "//a.example",
            "/a",
            "a.png",
            "",
        ];
        for bad in bad {
            assert!(address(Slot::Link, bad).is_some(), "{bad}");
        }
        assert_eq!(address(Slot::Picture, "data:image/png;base64,AA"), None);
    }

    #[test]
    fn a_value_cannot_turn_an_address_with_a_host() {
        for (text, expected) in [
            ("https://a.example/x?", true),
            ("https://a.example/", true),
            ("https://a.example", false),
            ("https://", false),
            ("https:///x", false),
            ("https://u@a.example/", false),
            ("http://a.example/", false),
            ("/x", false),
        ] {
            assert_eq!(has_host(text), expected, "{text}");
        }
    }
}
