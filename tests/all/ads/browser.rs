//! A server that answers whatever host is asked for and remembers which, and the browser that is sent
//! to it for every host there is.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::frames::Frame;

/// How long a browser may take to start, show everything and end.
const SECONDS: &str = "300";
/// Tells the page which frame ran something.
const TELL: &str = "<script>ran = what => parent.say(name, 'ran', what)</script>";

/// Pages by path, and the hosts that were asked.
pub struct Server {
    /// Where it listens, on loopback.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<HashMap<String, String>>,
    asked: Mutex<Vec<String>>,
}

impl Server {
    /// Listens until the process ends.
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = of_thread.clone();
                thread::spawn(move || drop(shared.answer(stream)));
            }
        });
        Server { port, shared }
    }

    /// Puts up frames, each as a document that can tell what ran in it.
    pub fn serve<'f>(&self, frames: impl Iterator<Item = &'f Frame>) {
        for frame in frames {
            let bare = frame.html.trim_start();
            let bare = bare.strip_prefix("<!doctype html>").unwrap_or(bare);
            self.serve_page(
                &format!("/frame/{}", frame.name),
                format!("<!doctype html><meta charset=utf-8>{TELL}{bare}"),
            );
        }
    }

    /// Puts up a page.
    pub fn serve_page(&self, path: &str, page: String) {
        self.shared.pages.lock().expect("a lock").insert(path.to_owned(), page);
    }

    /// The hosts that were asked, one for each request.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().expect("a lock").clone()
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut head = Vec::new();
        let mut part = [0; 4096];
        while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.first() != Some(&0x16) {
            match stream.read(&mut part)? {
                0 => return Ok(()),
                read => head.extend_from_slice(&part[..read]),
            }
        }
        if head.first() == Some(&0x16) {
            // The greeting may come in parts; the name stands in one of the first.
            while sni(&head).is_none() && head.len() < 16_384 {
                match stream.read(&mut part)? {
                    0 => break,
                    read => head.extend_from_slice(&part[..read]),
                }
            }
            self.note(sni(&head).unwrap_or_else(|| "unreadable".to_owned()));
            return Ok(());
        }
        let text = String::from_utf8_lossy(&head);
        let path = text.split(' ').nth(1).unwrap_or("/");
        let host = text
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("host")));
        let host = host.map_or("", |(_, host)| host);
        self.note(host.split(':').next().unwrap_or("").to_owned());
        let path = path.split('?').next().unwrap_or("/");
        let (kind, body) = match self.pages.lock().expect("a lock").get(path) {
            Some(page) => ("text/html; charset=utf-8", page.clone()),
            None => ("image/svg+xml", picture(path).unwrap_or_default()),
        };
        let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn note(&self, host: String) {
        self.asked.lock().expect("a lock").push(host);
    }
}

/// Products, the logo, the pixel.
fn picture(path: &str) -> Option<String> {
    let svg = |w: u32, h: u32, inside: &str| {
        Some(format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{w}' height='{h}' viewBox='0 0 {w} {h}'>{inside}</svg>"
        ))
    };
    let white = "<rect width='400' height='400' fill='#fff'/>";
    match path {
        "/0.svg" => svg(
            400,
            300,
            &format!(
                "{white}<path d='M40 210q20-90 90-70l60-60q40 60 130 90q50 20 40 60H40z' fill='#2f6f9f'/><path d='M36 232h328v22H36z' fill='#333'/>"
            ),
        ),
        "/1.svg" => svg(
            300,
            400,
            &format!("{white}<path d='M110 40h80v190l60 70q-40 70-90 30l-50-90z' fill='#b5523b'/>"),
        ),
        "/2.svg" => svg(
            400,
            400,
            &format!(
                "{white}<rect x='90' y='120' width='180' height='200' rx='24' fill='#4b7a4a'/><path d='M270 160q80 0 80 60t-80 60' fill='none' stroke='#4b7a4a' stroke-width='26'/>"
            ),
        ),
        "/3.svg" => svg(
            300,
            400,
            &format!(
                "{white}<rect x='60' y='80' width='180' height='280' rx='60' fill='#8a6d3b'/><rect x='90' y='210' width='120' height='90' rx='14' fill='#5c4827'/>"
            ),
        ),
        "/logo.svg" => svg(
            160,
            40,
            "<path d='M8 34L24 6l16 28z' fill='#2b6b4f'/><rect x='52' y='12' width='100' height='16' rx='8' fill='#2b6b4f'/>",
        ),
        _ if path.starts_with("/imp/") => svg(1, 1, "<g/>"),
        _ => None,
    }
}

/// The host a TLS greeting names (RFC 8446 §4.1.2, RFC 6066 §3).
fn sni(greeting: &[u8]) -> Option<String> {
    let number = |at: usize| Some(usize::from(u16::from_be_bytes([*greeting.get(at)?, *greeting.get(at + 1)?])));
    // Record 5, handshake 4, version 2, random 32; then session, ciphers, compressions.
    let mut at = 43;
    at += 1 + usize::from(*greeting.get(at)?);
    at += 2 + number(at)?;
    at += 1 + usize::from(*greeting.get(at)?);
    let end = at + 2 + number(at)?;
    at += 2;
    while at < end {
        let (kind, length) = (number(at)?, number(at + 2)?);
        if kind == 0 {
            let name = greeting.get(at + 9..at + 9 + number(at + 7)?)?;
            return String::from_utf8(name.to_vec()).ok();
        }
        at += 4 + length;
    }
    None
}

/// A browser without a window.
pub struct Chromium(&'static str);

impl Chromium {
    /// The one that is installed, if any; in CI there must be one.
    pub fn found() -> Option<Chromium> {
        let answers = |name: &&str| {
            Command::new(name)
                .arg("--version")
                .stderr(Stdio::null())
                .output()
                .is_ok_and(|said| said.status.success())
        };
        let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(answers);
        assert!(
            found.is_some() || std::env::var("CI").as_deref() != Ok("true"),
            "no chromium: `make test` as root installs Debian's"
        );
        if found.is_none() {
            println!("no chromium: no ad was looked at; `make test` as root installs Debian's");
        }
        found.map(Chromium)
    }

    /// What it is started by.
    pub fn name(&self) -> &'static str {
        self.0
    }

    /// Loads a page; its elements as they are then, and a picture of its upper left part in `file`.
    pub fn look(&self, server: &Server, path: &str, file: &Path, (w, h): (u32, u32)) -> String {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("timeout");
        command.args([
            SECONDS,
            self.0,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // Every host there is leads here.
        command.arg(format!("--host-resolver-rules=MAP * 127.0.0.1:{}", server.port));
        command.args(["--hide-scrollbars", "--dump-dom"]);
        command
            .arg(format!("--screenshot={}", file.display()))
            .arg(format!("--window-size={w},{h}"));
        command.arg(format!("http://page.localhost:{}{path}", server.port));
        let said = command.stderr(Stdio::null()).output().expect("the browser starts");
        assert!(said.status.success(), "the browser ended with {}", said.status);
        String::from_utf8_lossy(&said.stdout).into_owned()
    }
}
