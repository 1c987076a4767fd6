//! Every host there is, on one port of loopback, over TLS with an authority of its own: two shops, two
//! exchanges, and winback behind a proxy. Whoever else is asked for is noted and not found.
//!
//! What arrives is kept, in order, with the cookies that came and what was answered.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, LOCATION, SET_COOKIE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::exchange::{self, Shown};
use super::shop;
use crate::rig::Server;

/// Where winback is for browsers.
pub const ADS: &str = "ads.winback.example";
/// The shops' hosts and the exchanges', in the order of a golden row.
pub const SHOPS: [&str; 2] = ["shop-a.example", "shop-b.example"];
/// See [`SHOPS`].
pub const EXCHANGES: [&str; 2] = ["match.x1.example", "match.x2.example"];
/// Where a browser looks for updates and accounts of its own, whatever page it shows.
const BROWSERS_OWN: [&str; 3] = [".google.com", ".googleapis.com", ".gstatic.com"];
const PATIENCE: Duration = Duration::from_secs(20);

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Call {
    /// Whom.
    pub host: String,
    /// What of it, with the query.
    pub path: String,
    /// `POST`, say.
    pub method: String,
    /// What was sent along.
    pub body: String,
    /// The answer's.
    pub status: u16,
    /// The answer's body, where it is text.
    pub answer: String,
}

/// What all connections share.
pub struct Shared {
    bid: SocketAddr,
    public: SocketAddr,
    calls: Mutex<Vec<Call>>,
    /// Our ids by an exchange's own, as it was told.
    pub told: Mutex<HashMap<String, String>>,
    /// What exchanges' pages came to show.
    pub shown: Mutex<Vec<Shown>>,
    /// Answers to events that get lost from now on.
    pub losing: AtomicUsize,
    /// What each shop's pages load the tag by.
    pub snippets: [String; 2],
}

/// The running street; it ends with the process.
pub struct Street {
    /// Where all hosts are.
    pub port: u16,
    /// The authority's public key, as a browser is told to trust it: SHA-256 in base64.
    pub authority: String,
    /// What connections share.
    pub shared: Arc<Shared>,
}

impl Street {
    /// Listens before a server.
    pub fn start(server: &Server, snippets: [String; 2]) -> Street {
        let (config, authority) = tls();
        let shared = Arc::new(Shared {
            bid: server.bid,
            public: server.public,
            calls: Mutex::default(),
            told: Mutex::default(),
            shown: Mutex::default(),
            losing: AtomicUsize::new(0),
            snippets,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let of_thread = shared.clone();
        thread::spawn(move || runtime.block_on(serve(listener, TlsAcceptor::from(Arc::new(config)), of_thread)));
        Street { port, authority, shared }
    }

    /// What has arrived so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("a lock").clone()
    }

    /// Waits until something has arrived since `from` calls; what it is.
    pub fn await_call(&self, from: usize, what: &str, is_it: impl Fn(&Call) -> bool) -> Call {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(call) = self.calls().into_iter().skip(from).find(|call| is_it(call)) {
                return call;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let came: Vec<String> = self.calls().iter().skip(from).map(|call| format!("{call:?}")).collect();
        panic!("no {what} among\n{}", came.join("\n"));
    }

    /// Hosts that are none of ours and no browser's own, one for each request.
    pub fn strangers(&self) -> Vec<String> {
        let is_known = |host: &str| host == ADS || SHOPS.contains(&host) || EXCHANGES.contains(&host);
        let hosts = self.calls().into_iter().map(|call| call.host);
        hosts
            .filter(|host| !is_known(host) && !BROWSERS_OWN.iter().any(|own| host.ends_with(own)))
            .collect()
    }
}

/// A certificate of all hosts under an authority, and the hash of the authority's key.
fn tls() -> (ServerConfig, String) {
    let authority_key = KeyPair::generate().expect("a key");
    let hash = Sha256::digest(authority_key.subject_public_key_info());
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let hosts: Vec<String> = [ADS]
        .iter()
        .chain(&SHOPS)
        .chain(&EXCHANGES)
        .map(|host| (*host).to_owned())
        .collect();
    let leaf = CertificateParams::new(hosts)
        .expect("names")
        .signed_by(&key, &issuer)
        .expect("a certificate");
    let chain = vec![leaf.der().clone(), root.der().clone()];
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_no_client_auth()
        .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .expect("a key that fits");
    (config, base64::engine::general_purpose::STANDARD.encode(hash))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(shared.clone(), request));
            let http = hyper::server::conn::http1::Builder::new();
            let mut first = [0];
            // A connection that ends early, or badly, is its browser's affair.
            if stream.peek(&mut first).await.is_ok_and(|_| first[0] == 0x16) {
                if let Ok(stream) = tls.accept(stream).await {
                    http.serve_connection(TokioIo::new(stream), service).await.ok();
                }
            } else {
                http.serve_connection(TokioIo::new(stream), service).await.ok();
            }
        });
    }
}

/// A request in one piece.
pub struct Asked {
    /// Whom.
    pub host: String,
    /// What of it.
    pub path: String,
    /// Its query.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Asked {
    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// A cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split("; ")).filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|whole| whole.to_bytes()).unwrap_or_default();
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("nobody");
    let asked = Asked {
        host: host.split(':').next().unwrap_or("").to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: head.headers.clone(),
    };
    let call = Call {
        host: asked.host.clone(),
        path: head.uri.path_and_query().map_or(String::new(), ToString::to_string),
        method: head.method.to_string(),
        body: String::from_utf8_lossy(&body).into_owned(),
        status: 0,
        answer: String::new(),
    };
    let mut answer = match asked.host.as_str() {
        ADS => {
            let request = Request::from_parts(head, Full::new(body));
            forward(shared.public, request).await
        }
        host if SHOPS.contains(&host) => shop::page(&asked, &shared.snippets),
        host if EXCHANGES.contains(&host) => exchange::page(&asked, &shared).await,
        _ => status(StatusCode::NOT_FOUND),
    };
    let is_event = call.method == "POST" && call.path.starts_with("/e/");
    let is_lost = is_event
        && shared
            .losing
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
    let text = answer
        .body()
        .clone()
        .collect()
        .await
        .map(|whole| whole.to_bytes())
        .unwrap_or_default();
    shared.calls.lock().expect("a lock").push(Call {
        status: answer.status().as_u16(),
        answer: String::from_utf8(text.to_vec()).unwrap_or_default(),
        ..call
    });
    if is_lost {
        answer = status(StatusCode::BAD_GATEWAY);
    }
    Ok(answer)
}

/// Asks winback for an exchange.
pub async fn ask(shared: &Shared, path: &str, body: String) -> (StatusCode, Bytes) {
    let request = Request::post(path).header(HOST, "bid").header(CONTENT_TYPE, "application/json");
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    let answer = forward(shared.bid, request).await;
    (
        answer.status(),
        answer.into_body().collect().await.map(|whole| whole.to_bytes()).unwrap_or_default(),
    )
}

/// To one of winback's listeners and back; 502 where it does not answer.
async fn forward(to: SocketAddr, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
    let asked = async {
        let stream = TcpStream::connect(to).await.ok()?;
        let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let answer = send.send_request(request).await.ok()?;
        let (head, body) = answer.into_parts();
        Some(Response::from_parts(head, Full::new(body.collect().await.ok()?.to_bytes())))
    };
    asked.await.unwrap_or_else(|| status(StatusCode::BAD_GATEWAY))
}

/// An answer without a body.
pub fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = code;
    answer
}

/// A page, or whatever has another type.
pub fn typed(content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    answer.headers_mut().insert(CONTENT_TYPE, content_type.parse().expect("a value"));
    answer
}

/// On to another address.
pub fn redirect(to: &str) -> Response<Full<Bytes>> {
    let mut answer = status(StatusCode::FOUND);
    answer.headers_mut().insert(LOCATION, to.parse().expect("an address"));
    answer
}

/// With a cookie that other sites' pages may send, too.
pub fn with_cookie(mut answer: Response<Full<Bytes>>, name: &str, value: &str) -> Response<Full<Bytes>> {
    let cookie = format!("{name}={value}; Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=None");
    answer.headers_mut().append(SET_COOKIE, cookie.parse().expect("a cookie"));
    answer
}
