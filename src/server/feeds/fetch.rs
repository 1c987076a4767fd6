//! One feed by its address: asked for once, followed where it leads, written to a file as it comes.
//!
//! Every hop is resolved, judged and connected to in one go: the connection is made to an address that was
//! judged, so a name that changes its mind in between changes nothing. Size and time are bounded, memory is a
//! buffer. Blocks its thread; never retries, and never looks into what it fetched.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

use super::address::admits;
use super::sink::Sink;
use super::trust;
use crate::base::limits::{FEED_ADDRESSES_MAX, FEED_HEAD_BYTES_MAX, FEED_REDIRECTS_MAX};

/// How long one address is tried.
const CONNECT: Duration = Duration::from_secs(10);
/// An ETag or a date that is longer is not kept.
const VALIDATOR_CHARS_MAX: usize = 1_024;
const AGENT: &str = concat!("winback/", env!("CARGO_PKG_VERSION"), " (product feed)");

/// The addresses of a name, as a name server tells them now. May block.
pub type Resolve = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Names as the system resolves them.
pub fn system() -> Resolve {
    Arc::new(|host, port| Ok(std::net::ToSocketAddrs::to_socket_addrs(&(host, port))?.collect()))
}

/// How feeds are fetched, whosever they are.
#[derive(Clone)]
pub struct Manner {
    /// Networks that may be reached though they are not public.
    pub allow: Vec<IpNet>,
    /// Authorities trusted beside those that browsers trust, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The most that is taken, packed or not.
    pub bytes_max: u64,
    /// The longest that nothing may come.
    pub idle: Duration,
    /// The longest that all of it may take.
    pub total: Duration,
    /// How names are resolved.
    pub resolve: Resolve,
}

/// What a server said to tell one state of a feed from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What is asked for.
pub struct Ask<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// A header that proves who asks: told to the origin of `url` and to no other.
    pub proof: Option<(HeaderName, HeaderValue)>,
    /// Of the state that is here already.
    pub known: Validators,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// What is here already is what is there.
    Unchanged,
    /// A body, written to the file.
    Body(Validators),
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// The name leads to addresses that are nobody's to ask.
    #[error(
        "`{host}` leads to {address}, which is not public: allow its network in `feeds.allow` of the server config, or give another address"
    )]
    Private {
        /// As the address names it.
        host: String,
        /// The first of its addresses.
        address: IpAddr,
    },
    /// There is no such name, or nobody to ask.
    #[error("`{host}` cannot be resolved: {source}")]
    Unresolved {
        /// As the address names it.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("cannot connect to `{host}`: {source}")]
    Unreachable {
        /// As the address names it.
        host: String,
        /// What the system or the handshake said.
        source: io::Error,
    },
    /// What it says is no HTTP, or breaks off.
    #[error("`{host}` broke off or does not speak HTTP: {source}")]
    Broken {
        /// As the address names it.
        host: String,
        /// What the client said.
        source: hyper::Error,
    },
    /// It does not have it, or does not give it.
    #[error("`{host}` answered {status}{}", advice(.status))]
    Status {
        /// As the address names it.
        host: String,
        /// Of the answer.
        status: StatusCode,
        /// How long it wants to be left alone, in seconds.
        retry_after_s: Option<u32>,
    },
    /// It leads nowhere.
    #[error("`{host}` leads on to {problem}")]
    Redirect {
        /// As the address names it.
        host: String,
        /// Where, and why that is not followed.
        problem: String,
    },
    /// It is packed in a way that was not asked for.
    #[error("`{host}` encodes it with `{encoding}`: serve it with gzip, or as it is")]
    Encoding {
        /// As the address names it.
        host: String,
        /// `Content-Encoding`.
        encoding: String,
    },
    /// It took too long.
    #[error("{0}")]
    Slow(String),
    /// What proves who asks cannot be read.
    #[error("cannot read the key of the feed in {}: {source}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be written, is too large or packed wrongly.
    #[error("cannot keep what came: {0}")]
    Keep(#[source] io::Error),
    /// The machine would not.
    #[error("cannot fetch: {0}")]
    Machine(#[source] io::Error),
}

/// What a status means to whoever reads of it.
fn advice(status: &StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => ": give `feed.auth` what it asks for, or let winback in",
        404 | 410 => ": is the address right?",
        429 => ": it is asked too often",
        500.. => ": it is tried again",
        _ => "",
    }
}

impl FetchFault {
    /// Its name in metrics and the API.
    pub fn kind(&self) -> &'static str {
        match self {
            FetchFault::Private { .. } => "private_address",
            FetchFault::Unresolved { .. } => "dns",
            FetchFault::Unreachable { .. } => "connect",
            FetchFault::Broken { .. } => "http",
            FetchFault::Status { .. } => "status",
            FetchFault::Redirect { .. } => "redirect",
            FetchFault::Encoding { .. } => "encoding",
            FetchFault::Slow(_) => "timeout",
            FetchFault::Key { .. } => "key",
            FetchFault::Keep(_) => "body",
            FetchFault::Machine(_) => "machine",
        }
    }

    /// Whether config is at fault: trying again helps nobody.
    pub fn is_of_config(&self) -> bool {
        matches!(self, FetchFault::Private { .. } | FetchFault::Key { .. })
    }

    /// How long to leave the server alone, where it said so.
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            FetchFault::Status { retry_after_s, .. } => *retry_after_s,
            _ => None,
        }
    }
}

/// Asks for a feed and writes what comes to `into`, from its beginning. Of a fault, what was written is of no use.
pub fn fetch(ask: &Ask<'_>, manner: &Manner, into: File) -> Result<Fetched, FetchFault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(FetchFault::Machine)?;
    let outcome = runtime.block_on(async { timeout(manner.total, follow(ask, manner, into)).await });
    // A name that is still being resolved is waited for by nobody.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|_| {
        Err(FetchFault::Slow(format!(
            "not all of it came within {} s: see `feeds.timeout`",
            manner.total.as_secs()
        )))
    })
}

/// Goes where it leads.
async fn follow(ask: &Ask<'_>, manner: &Manner, into: File) -> Result<Fetched, FetchFault> {
    let mut url = ask.url.clone();
    for _ in 0..=FEED_REDIRECTS_MAX {
        let host = url.host_str().unwrap_or_default().to_owned();
        let (_open, response) = call(&url, &host, ask, manner).await?;
        let is_conditional = ask.known != Validators::default();
        match response.status() {
            StatusCode::OK => return receive(response, host, manner, into).await,
            StatusCode::NOT_MODIFIED if is_conditional => return Ok(Fetched::Unchanged),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => url = next(&url, &response).map_err(|problem| FetchFault::Redirect { host, problem })?,
            status => {
                let retry_after_s = text(&response, &header::RETRY_AFTER).and_then(retry_after_s);
                return Err(FetchFault::Status {
                    host,
                    status,
                    retry_after_s,
                });
            }
        }
    }
    Err(FetchFault::Redirect {
        host: url.host_str().unwrap_or_default().to_owned(),
        problem: format!("yet another place, after {FEED_REDIRECTS_MAX}: give the last address"),
    })
}

/// Where a redirect leads: never out of TLS, never to anything that is no web address.
fn next(url: &Url, response: &Response<Incoming>) -> Result<Url, String> {
    let location = text(response, &header::LOCATION).ok_or("nowhere: it redirects without an address")?;
    let to = url.join(location).map_err(|fault| format!("what is no address: {fault}"))?;
    match (url.scheme(), to.scheme()) {
        ("https", "http") => Err("an address without TLS: give an https address to the end, or begin with http".to_owned()),
        (_, "https" | "http") if to.has_host() => Ok(to),
        (_, scheme) => Err(format!("what is no web address, but `{scheme}:`")),
    }
}

fn text<'r>(response: &'r Response<Incoming>, name: &HeaderName) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

/// Seconds, or a date from now (RFC 9110 §10.2.3).
fn retry_after_s(text: &str) -> Option<u32> {
    let of_date = || {
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        u32::try_from(at.as_second() - jiff::Timestamp::now().as_second()).ok()
    };
    text.trim().parse().ok().or_else(of_date)
}

type Answer = (SendRequest<Empty<Bytes>>, Response<Incoming>);

/// Connects to one place and asks; the connection lives as long as the first of what is returned.
async fn call(url: &Url, host: &str, ask: &Ask<'_>, manner: &Manner) -> Result<Answer, FetchFault> {
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = connect(url, host, port, manner).await?;
    let request = request(url, ask)?;
    if url.scheme() != "https" {
        return exchange(stream, host, request, manner).await;
    }
    let unreachable = |source| FetchFault::Unreachable {
        host: host.to_owned(),
        source,
    };
    let name = match url.host() {
        Some(Host::Ipv4(address)) => ServerName::from(IpAddr::from(address)),
        Some(Host::Ipv6(address)) => ServerName::from(IpAddr::from(address)),
        _ => ServerName::try_from(host.to_owned()).map_err(|fault| unreachable(io::Error::other(fault)))?,
    };
    let config = trust::config(manner.ca_file.as_deref()).map_err(FetchFault::Machine)?;
    let shake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = timeout(CONNECT, shake)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    exchange(stream.map_err(unreachable)?, host, request, manner).await
}

/// A connection to the first address of the name that may be asked and answers.
async fn connect(url: &Url, host: &str, port: u16, manner: &Manner) -> Result<TcpStream, FetchFault> {
    let addresses = addresses(url, host, port, manner).await?;
    let (admitted, refused): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.into_iter().partition(|address| admits(&manner.allow, address.ip()));
    if let (true, Some(address)) = (admitted.is_empty(), refused.first()) {
        let (host, address) = (host.to_owned(), address.ip());
        return Err(FetchFault::Private { host, address });
    }
    let mut source = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in admitted.into_iter().take(FEED_ADDRESSES_MAX) {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(fault)) => source = fault,
            Err(_) => source = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(FetchFault::Unreachable {
        host: host.to_owned(),
        source,
    })
}

/// The addresses of a place; one that is written as an address is its own.
async fn addresses(url: &Url, host: &str, port: u16, manner: &Manner) -> Result<Vec<SocketAddr>, FetchFault> {
    match url.host() {
        Some(Host::Ipv4(address)) => return Ok(vec![(address, port).into()]),
        Some(Host::Ipv6(address)) => return Ok(vec![(address, port).into()]),
        _ => {}
    }
    let (resolve, name) = (manner.resolve.clone(), host.to_owned());
    let found = tokio::task::spawn_blocking(move || resolve(&name, port)).await;
    found
        .unwrap_or_else(|fault| Err(io::Error::other(fault)))
        .map_err(|source| FetchFault::Unresolved {
            host: host.to_owned(),
            source,
        })
}

fn request(url: &Url, ask: &Ask<'_>) -> Result<Request<Empty<Bytes>>, FetchFault> {
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let mut request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(header::HOST, host)
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::ACCEPT_ENCODING, "gzip");
    let known = [
        (header::IF_NONE_MATCH, &ask.known.etag),
        (header::IF_MODIFIED_SINCE, &ask.known.last_modified),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    if let Some((name, value)) = ask.proof.as_ref().filter(|_| url.origin() == ask.url.origin()) {
        request = request.header(name, value);
    }
    request
        .body(Empty::new())
        .map_err(|fault| FetchFault::Machine(io::Error::other(fault)))
}

/// One request over a stream.
async fn exchange<S>(stream: S, host: &str, request: Request<Empty<Bytes>>, manner: &Manner) -> Result<Answer, FetchFault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |source| FetchFault::Broken {
        host: host.to_owned(),
        source,
    };
    let handshake = http1::Builder::new()
        .max_buf_size(FEED_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream));
    let (mut send, connection) = handshake.await.map_err(broken)?;
    // It ends with the runtime, and its faults come with the answer.
    tokio::spawn(connection);
    let answer = timeout(manner.idle, send.send_request(request))
        .await
        .map_err(|_| silent(host, manner))?;
    Ok((send, answer.map_err(broken)?))
}

fn silent(host: &str, manner: &Manner) -> FetchFault {
    FetchFault::Slow(format!("`{host}` said nothing for {} s", manner.idle.as_secs()))
}

/// Writes the body as it comes.
async fn receive(response: Response<Incoming>, host: String, manner: &Manner, into: File) -> Result<Fetched, FetchFault> {
    let validator = |name| {
        text(&response, &name)
            .filter(|text| text.len() <= VALIDATOR_CHARS_MAX)
            .map(str::to_owned)
    };
    let validators = Validators {
        etag: validator(header::ETAG),
        last_modified: validator(header::LAST_MODIFIED),
    };
    let encoding = text(&response, &header::CONTENT_ENCODING)
        .unwrap_or("identity")
        .trim()
        .to_ascii_lowercase();
    let mut sink = match encoding.as_str() {
        "identity" | "" => Sink::plain(into, manner.bytes_max),
        "gzip" | "x-gzip" => Sink::gzip(into, manner.bytes_max),
        _ => return Err(FetchFault::Encoding { host, encoding }),
    };
    let mut body = response.into_body();
    loop {
        match timeout(manner.idle, body.frame()).await {
            Err(_) => return Err(silent(&host, manner)),
            Ok(None) => break,
            Ok(Some(Err(source))) => return Err(FetchFault::Broken { host, source }),
            Ok(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    sink.write(bytes).map_err(FetchFault::Keep)?;
                }
            }
        }
    }
    sink.finish().map_err(FetchFault::Keep)?;
    Ok(Fetched::Body(validators))
}
