//! The shop's tag (contract §4 `GET /tag.js`): its source, with what it has to know of this server.
//!
//! The same for every shop and visitor, so that whatever stands between may keep it. Sets no cookie.

use std::io::Write;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::extract::State;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use sha2::{Digest, Sha256};

use super::bodies::takes_packed;
use super::http::{self, Answer};
use super::public::{COOKIE_AGE_S, Shared, out};
use crate::base::limits::{CLICK_LIFE, ITEMS_PER_EVENT_MAX};
use crate::state::world::World;

const SOURCE: &str = include_str!("tag.js");
/// What stands in the source for the settings.
const SETTINGS: &str = "'@settings@'";
/// A change reaches every browser within the hour; until another day is over an older one is used while it is asked for.
const FRESHNESS: &str = "public, max-age=3600, stale-while-revalidate=86400";
/// Headers of any answer: any page may load it, also with `crossorigin`.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, FRESHNESS),
    (header::VARY, "Accept-Encoding"),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
];

/// The tag under some settings, ready to be sent.
#[derive(Debug)]
struct Tag {
    settings: String,
    etag: String,
    plain: Bytes,
    packed: Bytes,
}

/// The tag as it was last asked for.
#[derive(Default)]
pub struct Kept(ArcSwapOption<Tag>);

impl Kept {
    fn of(&self, world: &World) -> Arc<Tag> {
        let settings = settings(world);
        if let Some(kept) = self.0.load_full().filter(|kept| kept.settings == settings) {
            return kept;
        }
        let made = Arc::new(Tag::new(settings));
        self.0.store(Some(made.clone()));
        made
    }
}

impl Tag {
    fn new(settings: String) -> Tag {
        let plain = bare(SOURCE).replacen(SETTINGS, &settings, 1);
        let hash: String = Sha256::digest(&plain).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Tag {
            // Weak: packed or not, it is one script.
            etag: format!("W/\"{hash}\""),
            packed: packed(plain.as_bytes()).into(),
            plain: plain.into(),
            settings,
        }
    }
}

/// `GET /tag.js`.
pub async fn tag(State(engine): Shared, headers: HeaderMap) -> axum::response::Response {
    let tag = engine.tag.of(&engine.world.load());
    out(answer(&tag, &headers))
}

fn answer(tag: &Tag, headers: &HeaderMap) -> Answer {
    let known = http::header(headers, "if-none-match").unwrap_or("");
    let is_known = known.split(',').map(str::trim).any(|known| known == "*" || known == tag.etag);
    let is_packed = takes_packed(headers) && !tag.packed.is_empty();
    let mut answer = match is_known {
        true => http::status(StatusCode::NOT_MODIFIED),
        false if is_packed => script(tag.packed.clone()),
        false => script(tag.plain.clone()),
    };
    let fields = answer.headers_mut();
    if is_packed && !is_known {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    fields.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    fields.extend(HeaderValue::from_str(&tag.etag).ok().map(|etag| (header::ETAG, etag)));
    answer
}

fn script(body: Bytes) -> Response<Full<Bytes>> {
    http::with_body(StatusCode::OK, "application/javascript; charset=utf-8", body)
}

/// What the tag has to know, as JSON.
fn settings(world: &World) -> String {
    let vendor = world.privacy.vendor;
    serde_json::json!({
        "url": world.public_url,
        "vendor": vendor.map(|vendor| vendor.id),
        "age": world.privacy.cookie_age_s(COOKIE_AGE_S),
        "refresh": vendor.is_none_or(|vendor| vendor.cookie_refresh),
        "click": CLICK_LIFE.0,
        "items": ITEMS_PER_EVENT_MAX,
        "sync": has_partners(world),
    })
    .to_string()
}

/// Whether there is any exchange to send a browser to.
fn has_partners(world: &World) -> bool {
    world
        .exchanges()
        .any(|exchange| exchange.sync.as_ref().is_some_and(|sync| sync.push_url.is_some()))
}

/// A script without indentation and comments that fill their lines; none of its texts goes over lines.
fn bare(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    code.flat_map(|line| [line, "\n"]).collect()
}

/// Empty where memory cannot be written, which does not happen.
fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &str)]) -> Answer {
        let pairs = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (HeaderName::from_static(name), value)
        });
        answer(&Tag::new("{}".to_owned()), &pairs.collect())
    }

    #[test]
    fn the_settings_stand_in_their_place_once() {
        assert_eq!(SOURCE.matches(SETTINGS).count(), 1);
        let tag = Tag::new("{\"url\":\"x\"}".to_owned());
        let text = std::str::from_utf8(&tag.plain).expect("text");
        assert!(text.ends_with("})(window, document, {\"url\":\"x\"});\n") && text.starts_with("(function (w, d, settings) {\n"));
        assert!(!text.contains('`'), "a text over lines would lose its indentation");
    }

    #[test]
    fn whoever_has_it_is_told_so() {
        let fresh = asked(&[("accept-encoding", "gzip")]);
        let field = |answer: &Answer, name: &str| http::header(answer.headers(), name).unwrap_or("").to_owned();
        assert_eq!(
            (fresh.status(), field(&fresh, "content-encoding").as_str()),
            (StatusCode::OK, "gzip")
        );
        assert_eq!(field(&fresh, "content-type"), "application/javascript; charset=utf-8");
        let etag = field(&fresh, "etag");
        for (known, status) in [(etag.as_str(), 304), ("*", 304), (&format!("\"x\", {etag}"), 304), ("\"x\"", 200)] {
            let again = asked(&[("if-none-match", known)]);
            assert_eq!((again.status().as_u16(), field(&again, "etag")), (status, etag.clone()), "{known}");
            assert!(field(&again, "cache-control").starts_with("public, max-age=") && field(&again, "access-control-allow-origin") == "*");
            assert_eq!(field(&again, "content-encoding"), "");
        }
    }
}
