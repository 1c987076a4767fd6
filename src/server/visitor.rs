//! Who calls the public listener, as far as a request says: somebody who looks, or a machine.
//!
//! Address and user agent are looked at and let go: neither is kept, logged or handed on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::engine::Engine;
use super::http;
use crate::model::traffic::Invalid;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Why that is nobody, where it is and is tested for.
    pub invalid: Option<Invalid>,
    /// Whether what is asked for is loaded in advance and may never be looked at.
    pub is_ahead: bool,
}

impl FromRequestParts<Arc<Engine>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, engine: &Arc<Engine>) -> Result<Visitor, Infallible> {
        let headers = &parts.headers;
        let settings = engine.settings.load();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let ip = peer.map(|ConnectInfo(peer)| http::caller(*peer, headers, &settings.server.trusted_proxies));
        let tested = engine.world.load().invalid_traffic.clone();
        let is_ahead = is_prefetch(headers);
        Ok(Visitor {
            invalid: tested.of_sender(is_ahead, http::header(headers, "user-agent"), ip),
            is_ahead,
        })
    }
}

/// Whether a browser loads in advance what may never be shown: `Sec-Purpose` (Fetch standard), and what
/// browsers said before it.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().any(|name| {
        let said = http::header(headers, name).unwrap_or("").to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|word| said.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_in_advance_says_so() {
        for (name, value, is_ahead) in [
            ("sec-purpose", "prefetch", true),
            ("sec-purpose", "prefetch;prerender", true),
            ("purpose", "prefetch", true),
            ("x-purpose", "preview", true),
            ("x-moz", "Prefetch", true),
            ("x-moz", "livebookmarks", false),
            ("sec-fetch-dest", "document", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            assert_eq!(is_prefetch(&headers), is_ahead, "{name}: {value}");
        }
    }
}
