//! Addresses of exchanges with what they ask for filled in, and which of them a browser may be sent to.
//!
//! Pure. Whatever is filled in is percent-encoded, so nothing that a browser says changes where it goes.

use percent_encoding::utf8_percent_encode;
use url::Url;

use crate::model::template::RESERVED;
use crate::privacy::signals::Stated;

/// What macros stand for.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// Our id of the browser.
    pub uid: &'a str,
    /// Where the browser comes back to, in addresses of the config.
    pub back: Option<&'a str>,
    /// What is said of privacy.
    pub said: &'a Said,
}

/// The privacy parameters as they are passed on: what says nothing is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said([(&'static str, String); 5]);

impl Said {
    /// Of what a call states.
    pub fn of(stated: &Stated) -> Said {
        let signals = stated.signals();
        let gdpr = signals.gdpr.map_or("", |applies| if applies { "1" } else { "0" });
        let is_list = |text: &&str| text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'_' | b'-'));
        let sids = stated.gpp_sid.as_deref().filter(is_list).unwrap_or("");
        Said([
            ("gdpr", gdpr.to_owned()),
            ("gdpr_consent", signals.consent.to_owned()),
            ("gpp", signals.gpp.to_owned()),
            ("gpp_sid", sids.to_owned()),
            ("us_privacy", signals.us_privacy.to_owned()),
        ])
    }

    /// As the beginning of a query: those that say something.
    pub fn query(&self) -> String {
        let said = self.0.iter().filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| format!("{name}={}&", utf8_percent_encode(value, RESERVED)))
            .collect()
    }

    /// By a macro's name in lower case; some of IAB's end with the number of a vendor.
    fn value(&self, name: &str) -> Option<&str> {
        let unnumbered = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
        let name = match unnumbered {
            "gpp_string" => "gpp",
            "gdpr_consent" => "gdpr_consent",
            _ => name,
        };
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl Filling<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "uid" => Some(self.uid),
            "return" => self.back,
            name => self.said.value(name),
        }
    }
}

/// A text with its macros replaced: `{name}` and `${name}` by what they stand for, percent-encoded, and `$UID`; so too
/// where the macro itself is percent-encoded, as in an address within the address: encoded once more. What is no
/// macro of these stays.
pub fn fill(text: &str, filling: &Filling<'_>) -> String {
    let mut out = String::with_capacity(text.len() + filling.uid.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{', '%']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = macro_at(rest).and_then(|(name, times, len)| Some((filling.value(name)?, times, len)));
        match found {
            Some((value, times, len)) => {
                let encoded = (0..times).fold(value.to_owned(), |text, _| utf8_percent_encode(&text, RESERVED).to_string());
                out.push_str(&encoded);
                rest = &rest[len..];
            }
            None => {
                out.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// The macro that a text begins with: its name, how often its value is to be encoded, and its length.
fn macro_at(text: &str) -> Option<(&str, usize, usize)> {
    let forms = [(1, ["$", "{", "}"]), (2, ["%24", "%7b", "%7d"])];
    forms.into_iter().find_map(|(times, [dollar, open, close])| {
        let bare = strip(text, dollar);
        let rest = match strip(bare.unwrap_or(text), open) {
            Some(inner) => strip(&inner[name_len(inner)..], close).map(|rest| (&inner[..name_len(inner)], rest)),
            None => bare.map(|bare| bare.split_at(name_len(bare))).filter(|(name, _)| *name == "UID"),
        };
        rest.map(|(name, rest)| (name, times, text.len() - rest.len()))
    })
}

fn name_len(text: &str) -> usize {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.bytes().position(|b| !is_name(b)).unwrap_or(text.len())
}

/// What follows a beginning, in any case.
fn strip<'t>(text: &'t str, beginning: &str) -> Option<&'t str> {
    let head = text.get(..beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then(|| &text[beginning.len()..])
}

/// An address as browsers read it, if a browser may be sent there: on the web, to one of the hosts, on any port. What
/// readers of addresses disagree about is not allowed: white space, backslashes, names before an `@`.
pub fn allowed(target: &str, hosts: &[String]) -> Option<String> {
    let is_disputed = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let url = Url::parse(target).ok().filter(|_| !target.contains(is_disputed))?;
    let is_web = matches!(url.scheme(), "http" | "https");
    let is_plain = url.username().is_empty() && url.password().is_none();
    let host = url.host_str()?;
    let is_listed = hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
    // What was judged is what is sent, not the text that it was read from.
    (is_web && is_plain && is_listed).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_filled_as_often_encoded_as_they_stand_deep() {
        let stated = Stated {
            gdpr: Some("1".into()),
            gdpr_consent: Some("CQ-_a.b".into()),
            gpp: Some("DBABTA~1YNN".into()),
            gpp_sid: Some("2,6".into()),
            us_privacy: Some("${US_PRIVACY}".into()),
            gpc: None,
        };
        let said = Said::of(&stated);
        let filling = Filling {
            uid: "our-id",
            back: Some("https://a/?b=$UID"),
            said: &said,
        };
        for (text, wanted) in [
            ("u=$UID&v=${UID}&w={uid}&x=${uid}", "u=our-id&v=our-id&w=our-id&x=our-id"),
            ("u=%24UID%26v=%24%7BUID%7d&w=%7Buid%7D", "u=our-id%26v=our-id&w=our-id"),
            (
                "{gdpr}|{gdpr_consent}|{gpp}|{gpp_sid}|{us_privacy}|",
                "1|CQ-_a.b|DBABTA~1YNN|2%2C6||",
            ),
            (
                "${GDPR}|${GDPR_CONSENT_755}|${GPP_STRING_755}|${GPP_SID}",
                "1|CQ-_a.b|DBABTA~1YNN|2%2C6",
            ),
            ("r=http%3A%2F%2Fb%3Fs%3D%7Bgpp_sid%7D", "r=http%3A%2F%2Fb%3Fs%3D2%252C6"),
            ("r={return}", "r=https%3A%2F%2Fa%2F%3Fb%3D%24UID"),
            (
                "$UIDS ${UID {uid $ % {} ${} {other} %zz %7Buid é$UID",
                "$UIDS ${UID {uid $ % {} ${} {other} %zz %7Buid éour-id",
            ),
        ] {
            assert_eq!(fill(text, &filling), wanted, "{text}");
        }
        assert_eq!(said.query(), "gdpr=1&gdpr_consent=CQ-_a.b&gpp=DBABTA~1YNN&gpp_sid=2%2C6&");
        let foreign = Filling { back: None, ..filling };
        assert_eq!(fill("{return}", &foreign), "{return}", "of an address that others gave");
    }
}
