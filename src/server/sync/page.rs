//! The page that a frame shows: a picture for each exchange, and nothing else.

use std::fmt::Write;

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};

use crate::server::http::{self, Answer};

/// No script, no style, nothing but pictures from anywhere.
const POLICY: &str = "default-src 'none'; img-src http: https:";

/// A page that loads addresses as pictures.
pub fn page(targets: &[String]) -> Answer {
    let mut html = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>id match</title></head><body>");
    for target in targets {
        let target = html_escape::encode_double_quoted_attribute(target);
        // Writing into a String does not fail.
        let _ = write!(html, "<img src=\"{target}\" width=\"1\" height=\"1\" alt=\"\">");
    }
    html.push_str("</body></html>");
    let mut answer = http::with_body(StatusCode::OK, "text/html; charset=utf-8", html);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn addresses_stay_within_their_attribute() {
        let body = page(&["https://a/?b=1&c=\"><script>".to_owned()])
            .into_body()
            .collect()
            .await
            .expect("a body");
        let text = String::from_utf8(body.to_bytes().to_vec()).expect("text");
        assert!(
            text.contains("<img src=\"https://a/?b=1&amp;c=&quot;&gt;&lt;script&gt;\" "),
            "{text}"
        );
    }
}
