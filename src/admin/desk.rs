//! The desk: pages for people, from the binary (contract §5 `GET /`).
//!
//! Static and open to whoever reaches the listener: they tell nothing, and whatever they show they ask of the API, which
//! wants a session. They load nothing but what is here, and run no script that is written into a page.

use std::io::Write;
use std::sync::OnceLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::reply::{Answer, Fail, Failed, Named};
use crate::server::bodies::takes_packed;
use crate::server::http::header as text_of;

/// Previews of ads are frames of the same origin, which their own policy keeps from running anything.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        /// What is served below `/desk/`, in the order of their names.
        const FILES: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("desk/", $name)))),+];
    };
}

files! {
    "ads.js",
    "advertisers.js",
    "api.js",
    "campaign.js",
    "campaigns.js",
    "chart.js",
    "code.js",
    "complete.js",
    "editor.js",
    "exchanges.js",
    "explain.js",
    "explained.js",
    "feeds.js",
    "figures.js",
    "funnel.js",
    "icon.svg",
    "index.html",
    "login.js",
    "main.js",
    "overview.js",
    "pacing.js",
    "parts.js",
    "style.css",
    "text.js",
    "text/en.json",
    "text/vi.json",
    "users.js",
    "vendor/LICENSES.txt",
    "vendor/codemirror.js",
    "vendor/preact.js",
    "vendor/uplot.css",
    "vendor/uplot.js",
}

/// A file, ready to be sent.
struct Asset {
    name: &'static str,
    kind: &'static str,
    etag: String,
    plain: &'static [u8],
    /// Made when it is first asked for so.
    packed: OnceLock<Bytes>,
}

impl Asset {
    fn new(name: &'static str, plain: &'static [u8]) -> Asset {
        let hash: String = Sha256::digest(plain).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Asset {
            name,
            kind: kind(name),
            // Weak: packed or not, it is one file.
            etag: format!("W/\"{hash}\""),
            plain,
            packed: OnceLock::new(),
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = text_of(headers, "if-none-match").unwrap_or("");
        let is_known = known.split(',').map(str::trim).any(|known| known == "*" || known == self.etag);
        let common = [
            (header::ETAG, self.etag.as_str()),
            // A new binary has new pages: it is asked each time, and mostly answers that nothing changed.
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "Accept-Encoding"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        if is_known {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind)];
        let packed = takes_packed(headers).then(|| self.packed.get_or_init(|| packed(self.plain).into()));
        match packed.filter(|packed| !packed.is_empty()) {
            Some(packed) => (common, kind, [(header::CONTENT_ENCODING, "gzip")], packed.clone()).into_response(),
            None => (common, kind, self.plain).into_response(),
        }
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// Empty where memory cannot be written, which does not happen.
fn packed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// All files.
fn assets() -> &'static [Asset] {
    static ASSETS: OnceLock<Vec<Asset>> = OnceLock::new();
    ASSETS.get_or_init(|| FILES.iter().map(|(name, plain)| Asset::new(name, plain)).collect())
}

fn found(name: &str, headers: &HeaderMap) -> Answer {
    let asset = assets().iter().find(|asset| asset.name == name);
    let unknown = || Fail::not_found("not_found", format!("no file `{name}` of the desk: open `/`"));
    Ok(asset.ok_or_else(unknown)?.answer(headers))
}

/// The desk: pages for people.
#[utoipa::path(get, path = "/", tag = "desk", responses(
    (status = 200, body = String, content_type = "text/html; charset=utf-8"), (status = 304, description = "What was sent is still so")))]
pub async fn page(headers: HeaderMap) -> Answer {
    found("index.html", &headers)
}

/// A file of the desk.
#[utoipa::path(get, path = "/desk/{file}", tag = "desk", params(("file" = String, Path, description = "Its name")), responses(
    (status = 200, body = String, content_type = "text/javascript; charset=utf-8"), (status = 304, description = "What was sent is still so"),
    (status = 404, description = "No such file", body = Failed)))]
pub async fn file(Named(name): Named<String>, headers: HeaderMap) -> Answer {
    found(&name, &headers)
}

/// A file of the desk in a folder: of others, or with texts.
#[utoipa::path(get, path = "/desk/{folder}/{file}", tag = "desk",
    params(("folder" = String, Path, description = "Its folder"), ("file" = String, Path, description = "Its name")), responses(
    (status = 200, body = String, content_type = "text/javascript; charset=utf-8"), (status = 304, description = "What was sent is still so"),
    (status = 404, description = "No such file", body = Failed)))]
pub async fn file_within(Named((folder, name)): Named<(String, String)>, headers: HeaderMap) -> Answer {
    found(&format!("{folder}/{name}"), &headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_none_is_forgotten() {
        fn walk(folder: &std::path::Path, prefix: &str, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).expect("the desk's folder") {
                let path = entry.expect("an entry").path();
                let name = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
                match path.is_dir() {
                    true => walk(&path, &format!("{name}/"), names),
                    false => names.push(name),
                }
            }
        }
        let mut names = Vec::new();
        walk(
            std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/desk")),
            "",
            &mut names,
        );
        names.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, listed);
    }

    #[test]
    fn a_file_is_packed_for_who_takes_it_and_sent_once() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let pair = |(name, value): &(&'static str, &str)| (axum::http::HeaderName::from_static(name), value.parse().expect("a value"));
            pairs.iter().map(pair).collect::<HeaderMap>()
        };
        let plain = found("index.html", &headers(&[])).expect("the page");
        let text = |response: &Response, name: header::HeaderName| {
            response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
        };
        assert_eq!((plain.status(), text(&plain, header::CONTENT_ENCODING)), (StatusCode::OK, None));
        assert_eq!(text(&plain, header::CONTENT_TYPE).as_deref(), Some("text/html; charset=utf-8"));
        let policy = text(&plain, header::CONTENT_SECURITY_POLICY).expect("a policy");
        assert!(!policy.contains("unsafe") && policy.contains("script-src 'self';"), "{policy}");
        let packed = found("index.html", &headers(&[("accept-encoding", "gzip, br")])).expect("the page");
        assert_eq!(text(&packed, header::CONTENT_ENCODING).as_deref(), Some("gzip"));
        let etag = text(&plain, header::ETAG).expect("a tag");
        let again = found("index.html", &headers(&[("if-none-match", &etag)])).expect("the page");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(found("../admin.rs", &headers(&[])).is_err());
    }
}
