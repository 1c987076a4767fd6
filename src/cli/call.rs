//! Calls of the running server's JSON API, for commands that ask it.
//!
//! Whether none answers is told apart from an answer that is an error.

use std::fs;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use url::form_urlencoded::Serializer;

use super::Failure;
use crate::config::{self, Server};

/// A server that has not begun to answer by then is none.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// One call.
pub(super) struct Call<'a> {
    pub method: Method,
    /// With its query.
    pub path: &'a str,
    pub body: Vec<u8>,
}

impl Call<'_> {
    /// Without a body.
    pub fn new(method: Method, path: &str) -> Call<'_> {
        Call {
            method,
            path,
            body: Vec::new(),
        }
    }
}

/// The query of a call, without what is not given.
pub(super) fn query(given: &[(&str, Option<&str>)]) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in given {
        query.extend_pairs(value.map(|value| (name, value)));
    }
    query.finish()
}

/// Reads a server's config.
pub(super) fn server(config: &Path) -> Result<Server, Failure> {
    let read = config::server(config);
    let (server, _) = read.map_err(|faults| Failure::Faults(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    Ok(server)
}

/// What a call came to that was not answered as wished.
pub(super) enum Refused {
    /// The call itself is at fault: 4xx.
    Asked(String),
    /// The server is, or the way to it.
    Broken(String),
}

impl Refused {
    /// The same for people.
    pub fn message(self) -> String {
        match self {
            Refused::Asked(message) | Refused::Broken(message) => message,
        }
    }
}

/// Makes a call of the running server, whose answer goes to `out`; false where none answers.
pub(super) fn call(server: &Server, call: Call<'_>, out: &mut dyn Write) -> Result<bool, Refused> {
    let Ok(token) = fs::read_to_string(&server.token_file) else {
        return Ok(false);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refused::Broken(error.to_string()))?;
    runtime.block_on(fetch(server.admin, token.trim(), call, out))
}

async fn fetch(admin: SocketAddr, token: &str, call: Call<'_>, out: &mut dyn Write) -> Result<bool, Refused> {
    let connecting = tokio::time::timeout(CONNECT_MAX, tokio::net::TcpStream::connect(admin)).await;
    let Ok(Ok(stream)) = connecting else { return Ok(false) };
    let said = |error: hyper::Error| Refused::Broken(format!("the server at {admin} broke off: {error}"));
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(said)?;
    // Ends by itself; what breaks shows in the answer.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header(HOST, admin.to_string())
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(call.body)))
        .map_err(|error| Refused::Broken(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(said)?;
    let status = answer.status();
    let mut body = answer.into_body();
    if !status.is_success() {
        let told = body.collect().await.map_err(said)?.to_bytes();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
        let why = told["error"]["message"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        let message = format!("the server at {admin} answered {status}{why}");
        return Err(if status.is_client_error() {
            Refused::Asked(message)
        } else {
            Refused::Broken(message)
        });
    }
    let written = |error: std::io::Error| Refused::Broken(error.to_string());
    let mut out = BufWriter::new(out);
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(said)?.into_data() {
            out.write_all(&bytes).map_err(written)?;
        }
    }
    out.flush().map_err(written)?;
    Ok(true)
}
