//! Small things both listeners need: bodies, headers, cookies, callers.
//!
//! Never trusts a forwarded address from a peer that is not a trusted proxy.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use ipnet::IpNet;

/// A whole answer.
pub type Answer = Response<Full<Bytes>>;

/// A transparent pixel.
pub const GIF: &[u8] = &[
    71, 73, 70, 56, 57, 97, 1, 0, 1, 0, 128, 0, 0, 0, 0, 0, 0, 0, 0, 33, 249, 4, 1, 0, 0, 0, 0, 44, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 68, 1,
    0, 59,
];

/// An answer without a body.
pub fn status(code: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = code;
    answer
}

/// An answer with a body of a type.
pub fn with_body(code: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// JSON.
pub fn json(code: StatusCode, value: &serde_json::Value) -> Answer {
    with_body(code, "application/json", value.to_string())
}

/// An error as the contract words it: `{"error": {"code", "message"}}`.
pub fn error(code: StatusCode, name: &str, message: &str) -> Answer {
    json(code, &serde_json::json!({"error": {"code": name, "message": message}}))
}

/// An answer that is never cached.
pub fn unstored(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The pixel, never cached.
pub fn gif(code: StatusCode) -> Answer {
    unstored(with_body(code, "image/gif", GIF))
}

/// A script that does nothing, never cached.
pub fn empty_script(code: StatusCode) -> Answer {
    unstored(with_body(code, "text/javascript", ""))
}

/// Sends the browser on; `Cache-Control: no-store`. A target that is no header value is not followed.
pub fn redirect(target: &str) -> Answer {
    let Ok(target) = HeaderValue::from_str(target) else {
        return status(StatusCode::NOT_FOUND);
    };
    let mut answer = status(StatusCode::FOUND);
    answer.headers_mut().insert(hyper::header::LOCATION, target);
    unstored(answer)
}

/// A header's value as text.
pub fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// A cookie's value.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers
        .get_all(hyper::header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(key, _)| *key == name);
    values.next().map(|(_, value)| value)
}

/// The caller's address: the last hop's that is no trusted proxy.
pub fn caller(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    if !is_trusted(&peer.ip()) {
        return peer.ip();
    }
    let hops = header(headers, "x-forwarded-for").unwrap_or("");
    let mut hops = hops.rsplit(',').filter_map(|hop| hop.trim().parse().ok());
    hops.find(|hop| !is_trusted(hop)).unwrap_or(peer.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_addresses_count_from_trusted_proxies_only() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 1.2.3.4, 10.0.0.2"));
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("net")];
        let from = |peer: &str| caller(format!("{peer}:1").parse().expect("address"), &headers, &trusted).to_string();
        assert_eq!(from("10.0.0.1"), "1.2.3.4");
        assert_eq!(from("9.9.9.9"), "9.9.9.9");
    }

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(hyper::header::COOKIE, HeaderValue::from_static("a=1; wb_uid=xyz"));
        assert_eq!(cookie(&headers, "wb_uid"), Some("xyz"));
        assert_eq!(cookie(&headers, "uid"), None);
    }
}
