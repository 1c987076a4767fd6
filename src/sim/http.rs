//! A small HTTP/1.1 client: one kept connection to one address.
//!
//! Assumes plain HTTP on loopback. Never follows redirects, keeps no cookies by itself and never
//! waits longer than [`TIMEOUT`]. Errors are sentences that name method, path and address.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, LOCATION, SET_COOKIE};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A connection to one address, opened when first used and again when it was closed.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What was asked, for error texts.
    asked: String,
}

/// Header names and values of a request.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

impl Client {
    /// A client of an address; opens nothing yet.
    pub fn new(address: SocketAddr) -> Client {
        Client { address, sender: None }
    }

    /// `GET`.
    pub async fn get(&mut self, path: &str, headers: Headers<'_>) -> Result<Answer, String> {
        self.send(Method::GET, path, headers, Bytes::new()).await
    }

    /// `POST` of JSON.
    pub async fn post(&mut self, path: &str, headers: Headers<'_>, body: impl Into<Bytes>) -> Result<Answer, String> {
        self.send(Method::POST, path, headers, body.into()).await
    }

    async fn send(&mut self, method: Method, path: &str, headers: Headers<'_>, body: Bytes) -> Result<Answer, String> {
        let asked = format!("{method} http://{}{}", self.address, shortened(path));
        // A server may close a kept connection at any moment; one fresh connection settles it. What
        // then arrives twice does no harm: a notice is idempotent, a purchase names its transaction,
        // and a second view or cart addition changes no audience of the demo.
        let kept = self.sender.is_some();
        match self.attempt(&method, path, headers, body.clone(), &asked).await {
            Err(_) if kept => {
                self.sender = None;
                self.attempt(&method, path, headers, body, &asked).await
            }
            result => result,
        }
    }

    async fn attempt(&mut self, method: &Method, path: &str, headers: Headers<'_>, body: Bytes, asked: &str) -> Result<Answer, String> {
        match tokio::time::timeout(TIMEOUT, self.exchange(method, path, headers, body, asked)).await {
            Ok(result) => result,
            Err(_) => {
                self.sender = None;
                Err(format!("{asked}: no answer within {} s", TIMEOUT.as_secs()))
            }
        }
    }

    async fn exchange(&mut self, method: &Method, path: &str, headers: Headers<'_>, body: Bytes, asked: &str) -> Result<Answer, String> {
        let host = self.address.to_string();
        let mut request = Request::builder().method(method.clone()).uri(path).header(HOST, host);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|fault| format!("{asked}: {fault}"))?;
        let sender = self.connected().await.map_err(|fault| format!("{asked}: {fault}"))?;
        let answer = sender.send_request(request).await.map_err(|fault| format!("{asked}: {fault}"))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|fault| format!("{asked}: answer broke off: {fault}"))?;
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_bytes(),
            asked: asked.to_owned(),
        })
    }

    async fn connected(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, String> {
        let usable = match self.sender.as_mut() {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = TcpStream::connect(self.address).await.map_err(|fault| fault.to_string())?;
            stream.set_nodelay(true).map_err(|fault| fault.to_string())?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|fault| fault.to_string())?;
            // Ends by itself when the sender is dropped; what breaks shows in the answer.
            tokio::spawn(async move {
                let _ = connection.await;
            });
            self.sender = Some(sender);
        }
        self.sender.as_mut().ok_or_else(|| "not connected".to_owned())
    }
}

impl Answer {
    /// This answer where its status is one of `wanted`; else a sentence with the start of its body.
    pub fn expect(self, wanted: &[u16]) -> Result<Answer, String> {
        if wanted.contains(&self.status) {
            return Ok(self);
        }
        let body: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
        Err(format!(
            "{}: answered {} where {wanted:?} was expected: {body}",
            self.asked, self.status
        ))
    }

    /// Its body as JSON.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|fault| format!("{}: the answer is no JSON: {fault}", self.asked))
    }

    /// Where it redirects to.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// The cookies it sets, as a `Cookie` header's value; without attributes.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let texts = self.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        texts
            .filter_map(|text| text.split(';').next()?.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect()
    }
}

/// The name of the header in which a jar is sent.
pub const COOKIE_HEADER: &str = "cookie";

/// The path and query of a URL of the server; `None` where it is another server's.
pub fn path_on<'a>(base: &str, url: &'a str) -> Option<&'a str> {
    let rest = url.strip_prefix(base)?;
    rest.starts_with('/').then_some(rest)
}

fn shortened(path: &str) -> String {
    if path.chars().count() <= 60 {
        return path.to_owned();
    }
    path.chars().take(57).chain("...".chars()).collect()
}
