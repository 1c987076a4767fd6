//! A shop's web server as feeds are fetched from, well or badly behaved: answers by a function of what was asked,
//! notes every request, and counts who as much as connects.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A part of an answer.
#[derive(Clone)]
pub enum Part {
    /// Is sent.
    Bytes(Vec<u8>),
    /// Nothing is sent for so long.
    Silence(Duration),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its path with the query.
    pub path: String,
    /// All lines of its head.
    pub head: Vec<String>,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.iter().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// How it answers.
pub type Answers = dyn Fn(&Asked) -> Vec<Part> + Send + Sync;

/// The server; it listens until the process ends.
#[derive(Clone)]
pub struct Source {
    /// Where.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answers: Mutex<Arc<Answers>>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    tls: Option<Arc<ServerConfig>>,
}

/// An answer with a body.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<Part> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    vec![Part::Bytes([head.as_bytes(), body].concat())]
}

/// On to another address.
pub fn redirect(to: &str) -> Vec<Part> {
    answer("302 Found", &format!("Location: {to}\r\n"), b"")
}

impl Source {
    /// Listens at an address of loopback; port 0 is a free one. None where there is no such address.
    pub fn at(address: impl Into<IpAddr>, port: u16) -> Option<Source> {
        Source::of(TcpListener::bind((address.into(), port)).ok()?, None)
    }

    /// The same over TLS as `localhost`, and the authority as PEM.
    pub fn over_tls() -> (Source, String) {
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = authority.self_signed(&authority_key).expect("an authority");
        let own = base64::engine::general_purpose::STANDARD.encode(own.der());
        let authority_pem = format!("-----BEGIN CERTIFICATE-----\n{own}\n-----END CERTIFICATE-----\n");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        let certificate = certificate.signed_by(&key, &Issuer::new(authority, authority_key)).expect("signed");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        (Source::of(listener, Some(Arc::new(config))).expect("a source"), authority_pem)
    }

    fn of(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Option<Source> {
        let shared = Arc::new(Shared {
            answers: Mutex::new(Arc::new(|_: &Asked| answer("404 Not Found", "", b""))),
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            tls,
        });
        let address = listener.local_addr().ok()?;
        let of_thread = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = of_thread.clone();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || match &shared.tls {
                    None => serve(&shared, stream),
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).expect("a connection");
                        serve(&shared, StreamOwned::new(connection, stream));
                    }
                });
            }
        });
        Some(Source { address, shared })
    }

    /// Answers so from now on.
    pub fn answers(&self, answers: impl Fn(&Asked) -> Vec<Part> + Send + Sync + 'static) {
        *self.shared.answers.lock().expect("a lock") = Arc::new(answers);
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("a lock").clone()
    }

    /// Whoever connected so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// An address of a path of it.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }
}

/// One request and its answer. The other side may leave whenever it likes.
fn serve(shared: &Shared, mut stream: impl Read + Write) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head: Vec<String> = String::from_utf8_lossy(&head).lines().map(str::to_owned).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let asked = Asked { path, head };
    shared.asked.lock().expect("a lock").push(asked.clone());
    let answers = shared.answers.lock().expect("a lock").clone();
    for part in answers(&asked) {
        match part {
            Part::Silence(time) => thread::sleep(time),
            Part::Bytes(bytes) => {
                if stream.write_all(&bytes).and_then(|()| stream.flush()).is_err() {
                    return;
                }
            }
        }
    }
}
