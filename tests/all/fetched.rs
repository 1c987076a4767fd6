//! Feeds by address: where they are fetched from and where never, what comes of servers that behave badly, and a
//! running server whose feed changes, breaks and comes back.
//!
//! Everything is on loopback. 127.0.0.2, which config allows, stands for the public internet; on 127.0.0.1 and ::1
//! is a trap, which must never see a connection.

mod desk;
mod source;

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderValue};
use url::Url;
use winback::server::feeds::fetch::{Ask, FetchFault, Fetched, Manner, Resolve, Validators, fetch, system};

use crate::figures::Figures;
use source::{Part, Source, answer, redirect};

/// What stands for the public internet.
const PUBLIC: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Ways to a private address that are tried at least.
const TRIES_MIN: usize = 12;

/// As a server fetches that allows these networks.
fn manner(allow: &[&str], resolve: Resolve) -> Manner {
    Manner {
        allow: allow.iter().map(|network| network.parse().expect("a network")).collect(),
        ca_file: None,
        bytes_max: 1 << 20,
        idle: Duration::from_millis(600),
        total: Duration::from_secs(20),
        resolve,
    }
}

fn allowing_public() -> Manner {
    manner(&["127.0.0.2/32"], system())
}

/// Fetches; what was written beside what it came to.
fn get(url: &str, manner: &Manner, proof: Option<&str>) -> (Result<Fetched, FetchFault>, Vec<u8>) {
    let url = Url::parse(url).expect("an address");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let ask = Ask {
        url: &url,
        proof: proof.map(|value| (AUTHORIZATION, HeaderValue::from_str(value).expect("a value"))),
        known: Validators::default(),
    };
    let outcome = fetch(&ask, manner, file.reopen().expect("the file"));
    (outcome, fs::read(file.path()).expect("the file"))
}

/// Why it fails.
fn fault(url: &str, manner: &Manner) -> FetchFault {
    get(url, manner, None).0.map(|_| ()).expect_err(url)
}

/// A name server of one's own: of each name, the answers one after the other; the last of them stays.
fn names(of: impl Fn(&str, usize) -> Vec<IpAddr> + Send + Sync + 'static) -> (Resolve, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let resolve = move |name: &str, port: u16| {
        let found = of(name, count.fetch_add(1, Ordering::SeqCst));
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    };
    (Arc::new(resolve), asked)
}

/// A trap on a port of its own at every private address there is.
struct Trap {
    port: u16,
    sources: Vec<Source>,
}

impl Trap {
    fn set() -> Trap {
        let first = Source::at(Ipv4Addr::LOCALHOST, 0).expect("a port");
        let port = first.address.port();
        // A machine may be without IPv6.
        let sources: Vec<Source> = [Some(first), Source::at(Ipv6Addr::LOCALHOST, port)].into_iter().flatten().collect();
        for source in &sources {
            source.answers(|_| answer("200 OK", "", b"secret"));
        }
        Trap { port, sources }
    }

    fn sprung(&self) -> usize {
        self.sources.iter().map(Source::connections).sum()
    }
}

/// Ways to the trap: an address to begin with, and what names lead to, by how many were asked for before.
fn tries(port: u16, public: SocketAddr) -> Vec<(String, Vec<Vec<IpAddr>>)> {
    let (private, outside) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(PUBLIC));
    let literal = |host: &str| (format!("http://{host}:{port}/"), vec![]);
    let through = |path: String| (format!("http://{public}{path}"), vec![]);
    let to = |url: String| format!("/to?{url}");
    let named = |answers: &[&[IpAddr]]| {
        let answers = answers.iter().map(|of| of.to_vec()).collect();
        (format!("http://shop.example:{port}/"), answers)
    };
    vec![
        literal("127.0.0.1"),
        literal("2130706433"),
        literal("0x7f.1"),
        literal("0177.0.0.1"),
        literal("0.0.0.0"),
        literal("[::1]"),
        literal("[::]"),
        literal("[::ffff:127.0.0.1]"),
        named(&[&[private]]),
        named(&[&["::ffff:127.0.0.1".parse().expect("an address")]]),
        named(&[&[private, Ipv6Addr::LOCALHOST.into()]]),
        through(to(format!("http://127.0.0.1:{port}/"))),
        through(to(format!("http://[::1]:{port}/"))),
        through(to(format!("//127.0.0.1:{port}/"))),
        through(to(format!("http://{public}/to?http://{public}/to?http://127.1:{port}/"))),
        // A name that leads on to itself, and then to another address.
        (
            format!("http://shop.example:{}/to?http://shop.example:{port}/", public.port()),
            vec![vec![outside], vec![private]],
        ),
        (format!("http://{public}/to?http://inside.example:{port}/"), vec![vec![private]]),
    ]
}

/// How many of the tries are refused as they should be.
fn refused(trap: &Trap, public: &Source, allow: &[&str]) -> usize {
    let is_refused = |(url, answers): &(String, Vec<Vec<IpAddr>>)| {
        let answers = answers.clone();
        let (resolve, _) = names(move |_, at| answers[at.min(answers.len() - 1)].clone());
        let (outcome, body) = get(url, &manner(allow, resolve), None);
        let is_private = matches!(outcome, Err(FetchFault::Private { .. }));
        println!(
            "{url}: {}",
            outcome.as_ref().map_or_else(ToString::to_string, |_| "fetched".to_owned())
        );
        is_private && body.is_empty()
    };
    tries(trap.port, public.address).iter().filter(|try_| is_refused(try_)).count()
}

#[test]
fn no_way_leads_to_a_private_address() {
    let trap = Trap::set();
    let public = Source::at(PUBLIC, 0).expect("a port");
    public.answers(|asked| redirect(asked.path.strip_prefix("/to?").unwrap_or("nowhere:")));
    let all = tries(trap.port, public.address).len();
    let refused_ = refused(&trap, &public, &["127.0.0.2/32"]);
    let fetched = trap.sprung();
    // The same ways where config allows them: they do lead there.
    let allowed = ["127.0.0.0/8", "::1/128", "0.0.0.0/32", "::/128"];
    assert_eq!(refused(&trap, &public, &allowed), 0);
    let mut figures = Figures::new();
    figures.at_least("feeds.private_tries", all, TRIES_MIN);
    figures.exactly("feeds.private_refused", refused_, all);
    figures.exactly("feeds.private_fetched", fetched, 0);
    figures.at_least("feeds.private_reached_if_allowed", trap.sprung(), TRIES_MIN);
    figures.settle();
}

#[test]
fn the_address_that_was_judged_is_the_one_connected_to() {
    let trap = Trap::set();
    let public = Source::at(PUBLIC, 0).expect("a port");
    public.answers(|_| answer("200 OK", "", b"a feed"));
    // Of addresses of both kinds only the public one is asked; a second answer would be the trap's.
    let (private, outside) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(PUBLIC));
    let url = format!("http://shop.example:{}/feed.xml", public.address.port());
    let (resolve, asked) = names(move |_, at| if at == 0 { vec![private, outside] } else { vec![private] });
    let (outcome, body) = get(&url, &manner(&["127.0.0.2/32"], resolve), None);
    assert_eq!(
        (outcome.expect("fetched"), body.as_slice()),
        (Fetched::Body(Validators::default()), &b"a feed"[..])
    );
    assert_eq!((asked.load(Ordering::SeqCst), trap.sprung()), (1, 0));
    let host = public.asked()[0].header("host").map(str::to_owned);
    assert_eq!(host, Some(format!("shop.example:{}", public.address.port())));
}

/// What servers do wrong, and what is said of it.
fn misdeeds() -> Vec<(&'static str, Vec<Part>, &'static str)> {
    let long = Part::Silence(Duration::from_secs(3));
    let head = |text: &str| Part::Bytes(format!("HTTP/1.1 {text}\r\n\r\n").into_bytes());
    let megabyte = vec![b'x'; (1 << 20) + 1];
    let bomb = gzip(&vec![b'\n'; 40 << 20]);
    let drip: Vec<Part> = (0..200)
        .flat_map(|_| [Part::Bytes(b"x".to_vec()), Part::Silence(Duration::from_millis(50))])
        .collect();
    vec![
        (
            "not there",
            answer("404 Not Found", "", b""),
            "answered 404 Not Found: is the address right?",
        ),
        (
            "no",
            answer("401 Unauthorized", "", b""),
            "answered 401 Unauthorized: give `feed.auth`",
        ),
        ("half of it", answer("206 Partial Content", "", b"a"), "answered 206"),
        ("changed?", answer("304 Not Modified", "", b""), "answered 304"),
        ("nowhere", answer("302 Found", "", b""), "leads on to nowhere"),
        (
            "a file",
            redirect("file:///etc/passwd"),
            "leads on to what is no web address, but `file:`",
        ),
        ("in circles", redirect("/again"), "yet another place, after 5"),
        ("too much", answer("200 OK", "", &megabyte), "more than 1 MiB"),
        (
            "too much without saying so",
            vec![head("200 OK"), Part::Bytes(megabyte.clone())],
            "more than 1 MiB",
        ),
        ("a bomb", answer("200 OK", "Content-Encoding: gzip\r\n", &bomb), "more than 1 MiB"),
        (
            "no gzip",
            answer("200 OK", "Content-Encoding: gzip\r\n", b"plain text"),
            "gzip data is damaged",
        ),
        (
            "half a gzip",
            answer("200 OK", "Content-Encoding: gzip\r\n", &gzip(b"a feed, of some length")[..20]),
            "gzip data is damaged or cut short",
        ),
        ("brotli", answer("200 OK", "Content-Encoding: br\r\n", b"x"), "encodes it with `br`"),
        (
            "cut short",
            vec![head("200 OK\r\nContent-Length: 100"), Part::Bytes(b"id,title".to_vec())],
            "broke off or does not speak HTTP",
        ),
        (
            "no HTTP",
            vec![Part::Bytes(b"220 ftp ready\r\n".to_vec())],
            "broke off or does not speak HTTP",
        ),
        ("silence", vec![long.clone()], "said nothing for"),
        (
            "silence within",
            vec![head("200 OK"), Part::Bytes(b"id".to_vec()), long],
            "said nothing for",
        ),
        ("drips", [vec![head("200 OK")], drip].concat(), "not all of it came within 2 s"),
    ]
}

#[test]
fn what_servers_do_wrong_is_told_by_name() {
    let public = Source::at(PUBLIC, 0).expect("a port");
    let cases = misdeeds();
    let mut manner = allowing_public();
    manner.total = Duration::from_secs(2);
    let all = cases.len();
    let mut told = 0;
    for (what, parts, expected) in cases {
        public.answers(move |_| parts.clone());
        let said = fault(&public.url("/feed.xml"), &manner).to_string();
        println!("{what}: {said}");
        told += usize::from(said.contains(expected));
    }
    let mut figures = Figures::new();
    figures.exactly("feeds.faults_told", told, all);
    figures.settle();
}

#[test]
fn a_server_may_ask_for_time() {
    let public = Source::at(PUBLIC, 0).expect("a port");
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(500);
    let date = jiff::fmt::rfc2822::to_string(&later.to_zoned(jiff::tz::TimeZone::UTC)).expect("a date");
    for (given, least, most) in [("120", 120, 120), (date.as_str(), 480, 500)] {
        let headers = format!("Retry-After: {given}\r\n");
        public.answers(move |_| answer("503 Service Unavailable", &headers, b""));
        let wanted = fault(&public.url("/"), &allowing_public()).retry_after_s().expect(given);
        assert!((least..=most).contains(&wanted), "{given}: {wanted}");
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text).expect("packed");
    packed.finish().expect("packed")
}

#[test]
fn packing_for_the_way_is_undone_and_no_other() {
    let public = Source::at(PUBLIC, 0).expect("a port");
    let text = b"id,title".as_slice();
    for (headers, sent, kept) in [
        ("", text.to_vec(), text.to_vec()),
        ("Content-Encoding: gzip\r\n", gzip(text), text.to_vec()),
        ("Content-Type: application/gzip\r\n", gzip(text), gzip(text)),
        ("Content-Encoding: x-gzip\r\n", gzip(&gzip(text)), gzip(text)),
    ] {
        public.answers(move |_| answer("200 OK", headers, &sent));
        let (outcome, body) = get(&public.url("/"), &allowing_public(), None);
        assert!(outcome.is_ok() && body == kept, "{headers}: {outcome:?}");
    }
    assert_eq!(public.asked()[0].header("accept-encoding"), Some("gzip"));
}

#[test]
fn a_secret_is_told_to_the_feeds_own_host_only() {
    let (first, second) = (Source::at(PUBLIC, 0).expect("a port"), Source::at(PUBLIC, 0).expect("a port"));
    let on = second.url("/feed.xml");
    first.answers(move |asked| redirect(if asked.path == "/" { "/next" } else { &on }));
    second.answers(|_| answer("200 OK", "", b"a feed"));
    let (outcome, body) = get(&first.url("/"), &allowing_public(), Some("Bearer key"));
    assert!(outcome.is_ok() && body == b"a feed", "{outcome:?}");
    let told = |source: &Source| {
        source
            .asked()
            .iter()
            .map(|asked| asked.header("authorization").is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!((told(&first), told(&second)), (vec![true, true], vec![false]));
}

#[test]
fn tls_is_believed_by_known_authorities_only() {
    let (source, authority) = Source::over_tls();
    source.answers(|asked| match asked.path.as_str() {
        "/down" => redirect("http://localhost/feed.xml"),
        _ => answer("200 OK", "", b"a feed"),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        File::create(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("written");
        path
    };
    let mut manner = manner(&["127.0.0.0/8", "::1/128"], system());
    let url = format!("https://localhost:{}/feed.xml", source.address.port());
    let said = fault(&url, &manner).to_string();
    assert!(
        said.contains("cannot connect to `localhost`: invalid peer certificate: UnknownIssuer"),
        "{said}"
    );
    manner.ca_file = Some(file("authority.pem", &authority));
    let (outcome, body) = get(&url, &manner, None);
    assert!(outcome.is_ok() && body == b"a feed", "{outcome:?}");
    let said = fault(&source.url("/feed.xml"), &manner).to_string();
    assert!(
        said.contains("invalid peer certificate: certificate not valid for name \"127.0.0.1\""),
        "{said}"
    );
    let said = fault(&url.replace("feed.xml", "down"), &manner).to_string();
    assert!(said.contains("leads on to an address without TLS"), "{said}");
    manner.ca_file = Some(file("empty.pem", "nothing"));
    let said = fault(&url, &manner).to_string();
    assert!(said.contains("empty.pem: no certificate: give authorities as PEM"), "{said}");
}
