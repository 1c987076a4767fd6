//! The tracking links of one ad: two sealed tokens, five addresses that carry them.
//!
//! One token goes to the exchange (`nurl`, `burl`, `lurl`), one into the markup (click, pixel); the path
//! says what a call does, within what its token was sealed for. What stands before and after them is the
//! exchange's wish, made ready when its config is read. The nonce of a seal is the caller's to keep unique.

use std::ops::Range;

use percent_encoding::utf8_percent_encode;

use crate::base::hash::mix;
use crate::base::seal::{Audience, SealKey};
use crate::model::template::RESERVED;

/// How an exchange wants links to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// The queries of win, billing and loss notices, with their `?`.
    pub notices: [String; 3],
    /// The query of the pixel, with its `?`.
    pub pixel: String,
    /// What stands around the address of a click.
    pub click: Around,
    /// What stands around the pixel's.
    pub around_pixel: Around,
}

/// What an exchange wants around an address of ours, which it may want escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Before it.
    pub before: String,
    /// How often it is percent-encoded; at most [`ESCAPED_MAX`].
    pub escaped: usize,
    /// After it.
    pub after: String,
}

/// The most that an address is percent-encoded: two servers on the way unescape it.
pub const ESCAPED_MAX: usize = 2;
/// Which of the ad's products a click is on, by how often it is percent-encoded.
const WHICH: [&str; ESCAPED_MAX + 1] = ["?n=", "%3Fn%3D", "%253Fn%253D"];
/// As many digits as an ad has products beside its first.
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Twelve bytes that differ for every seed, slot and audience; the first eight are the bid's tag.
pub fn nonce(seed: u128, slot: u16, audience: Audience) -> [u8; 12] {
    let tag = mix(seed as u64 ^ mix(u64::from(slot) + 1));
    let rest = mix((seed >> 64) as u64 ^ tag);
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&tag.to_le_bytes());
    nonce[8..].copy_from_slice(&rest.to_le_bytes()[..4]);
    nonce[11] = audience as u8;
    nonce
}

/// The links of one ad, as ranges of the buffer they are written in.
#[derive(Clone, Debug)]
pub struct Links {
    /// `nurl`, `burl`, `lurl`.
    pub notices: [Range<usize>; 3],
    /// Where a click goes, up to where it says which of the ad's products it is on.
    click: Range<usize>,
    /// The pixel's address.
    pub pixel: Range<usize>,
    /// The token that both carry.
    pub view: Range<usize>,
}

impl Links {
    /// The addresses of clicks, for markup of any kind: `links` is the buffer they are written in, `forms`
    /// are those they were written by.
    pub fn click<'a>(&self, links: &'a [u8], forms: &'a Forms) -> Click<'a> {
        Click {
            first: &links[self.click.clone()],
            which: WHICH[forms.click.escaped.min(ESCAPED_MAX)],
            after: &forms.click.after,
        }
    }
}

/// The addresses of the clicks of one ad: the exchange's click macro around ours. Macros are as they must
/// stand in the end: markup escapes an address for where it stands, and no further.
#[derive(Clone, Copy, Debug, Default)]
pub struct Click<'a> {
    first: &'a [u8],
    which: &'static str,
    after: &'a str,
}

impl<'a> Click<'a> {
    /// A click that goes straight to an address without a query.
    pub fn to(address: &'a [u8]) -> Click<'a> {
        Click {
            first: address,
            which: WHICH[0],
            after: "",
        }
    }

    /// The address of a click on the ad's `n`-th product, from 0, in parts that belong together.
    pub fn parts(&self, n: usize) -> [&'a [u8]; 4] {
        let which = DIGITS.get(n).filter(|_| n > 0).map_or(["", ""], |digit| [self.which, digit]);
        [self.first, which[0].as_bytes(), which[1].as_bytes(), self.after.as_bytes()]
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// Who seals, for which bid, and what the links are like.
#[derive(Clone, Copy)]
pub struct Sealing<'a> {
    /// The key.
    pub key: &'a SealKey,
    /// The seed of the decision; never the same twice under a key.
    pub seed: u128,
    /// Which of the bids of a decision: each has its own.
    pub slot: u16,
    /// `public.url`, without a slash at the end.
    pub url: &'a str,
    /// The exchange's.
    pub forms: &'a Forms,
}

impl Sealing<'_> {
    /// Seals a payload for each audience and appends the links to `out`.
    pub fn write(&self, notice: &[u8], view: &[u8], out: &mut Vec<u8>) -> Links {
        let mut seal = |audience: Audience, payload: &[u8]| {
            let start = out.len();
            self.key.seal(audience, &nonce(self.seed, self.slot, audience), payload, out);
            start..out.len()
        };
        let (notice, view) = (seal(Audience::Notice, notice), seal(Audience::View, view));
        let mut link = |path: &str, token: &Range<usize>, query: &str| {
            let start = out.len();
            out.extend_from_slice(self.url.as_bytes());
            out.extend_from_slice(path.as_bytes());
            out.extend_from_within(token.clone());
            out.extend_from_slice(query.as_bytes());
            start..out.len()
        };
        let [win, bill, loss] = &self.forms.notices;
        Links {
            notices: [
                link("/n/win/", &notice, win),
                link("/n/bill/", &notice, bill),
                link("/n/loss/", &notice, loss),
            ],
            pixel: self.pixel(&view, out),
            click: self.wrapped(&self.forms.click, "/click/", &view, out),
            view,
        }
    }

    fn pixel(&self, token: &Range<usize>, out: &mut Vec<u8>) -> Range<usize> {
        let Forms { pixel, around_pixel, .. } = self.forms;
        let start = self.wrapped(around_pixel, "/imp/", token, out).start;
        escape(pixel, around_pixel.escaped, out);
        out.extend_from_slice(around_pixel.after.as_bytes());
        start..out.len()
    }

    /// A link of the markup, up to where it may say more. A token needs no escaping.
    fn wrapped(&self, around: &Around, path: &str, token: &Range<usize>, out: &mut Vec<u8>) -> Range<usize> {
        let start = out.len();
        out.extend_from_slice(around.before.as_bytes());
        escape(self.url, around.escaped, out);
        escape(path, around.escaped, out);
        out.extend_from_within(token.clone());
        start..out.len()
    }
}

/// Appends a text percent-encoded so often.
fn escape(text: &str, times: usize, out: &mut Vec<u8>) {
    match times {
        0 => out.extend_from_slice(text.as_bytes()),
        _ => {
            for part in utf8_percent_encode(text, RESERVED) {
                escape(part, times - 1, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clicks(before: &str, escaped: usize, after: &str) -> [String; 2] {
        let forms = Forms {
            click: Around {
                before: before.to_owned(),
                escaped,
                after: after.to_owned(),
            },
            ..Forms::default()
        };
        let sealing = Sealing {
            key: &SealKey::new(1, &[1; 32]),
            seed: 7,
            slot: 0,
            url: "https://ads.example:8443/a",
            forms: &forms,
        };
        let mut out = Vec::new();
        let links = sealing.write(b"n", b"v", &mut out);
        let whole = |n| String::from_utf8(links.click(&out, &forms).parts(n).concat()).expect("text");
        [whole(0), whole(2)]
    }

    #[test]
    fn a_click_is_escaped_as_often_as_is_asked_and_says_which_product() {
        let token = |url: &str| url[url.find("click").expect("a path") + 5..].trim_start_matches("/").to_owned();
        let [first, third] = clicks("", 0, "");
        assert_eq!(first, format!("https://ads.example:8443/a/click/{}", token(&first)));
        assert_eq!(third, format!("{first}?n=2"));
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        for (escaped, times) in [(1, 1), (2, 2)] {
            for (url, plain) in clicks("%%C%%", escaped, "&e=1").iter().zip([&first, &third]) {
                let inner = url
                    .strip_prefix("%%C%%")
                    .and_then(|rest| rest.strip_suffix("&e=1"))
                    .expect("around it");
                assert!(inner.bytes().all(|b| b.is_ascii_alphanumeric() || b"%-_.~".contains(&b)), "{inner}");
                let plain_again = (0..times).fold(inner.to_owned(), |text, _| decode(&text));
                assert_eq!(&plain_again, plain);
            }
        }
    }

    #[test]
    fn a_pixel_is_escaped_with_its_macros() {
        let written = |before: &str, escaped: usize| {
            let forms = Forms {
                pixel: "?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}".to_owned(),
                around_pixel: Around {
                    before: before.to_owned(),
                    escaped,
                    after: String::new(),
                },
                ..Forms::default()
            };
            let sealing = Sealing {
                key: &SealKey::new(1, &[1; 32]),
                seed: 7,
                slot: 0,
                url: "https://ads.example",
                forms: &forms,
            };
            let mut out = Vec::new();
            let links = sealing.write(b"n", b"v", &mut out);
            String::from_utf8(out[links.pixel].to_vec()).expect("text")
        };
        let (plain, wrapped) = (written("", 0), written("${AN_IMP_URL}", 1));
        assert!(
            plain.starts_with("https://ads.example/imp/") && plain.ends_with("&cur=${AUCTION_CURRENCY}"),
            "{plain}"
        );
        let inner = wrapped.strip_prefix("${AN_IMP_URL}").expect("the macro before it");
        assert!(
            inner.ends_with("%3Fprice%3D%24%7BAUCTION_PRICE%7D%26cur%3D%24%7BAUCTION_CURRENCY%7D"),
            "{inner}"
        );
        let decoded = percent_encoding::percent_decode_str(inner).decode_utf8_lossy().into_owned();
        assert_eq!(decoded, plain);
    }
}
