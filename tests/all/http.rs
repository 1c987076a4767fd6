//! A blocking HTTP/1.1 client for the tests: one kept-alive connection, Content-Length and chunked.
//!
//! It may assume a server on loopback. It never follows redirects and never decompresses.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(20);

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client of one listener. A connection is opened when needed and kept.
pub struct Client {
    addr: SocketAddr,
    headers: Vec<(String, String)>,
    wait: Duration,
    judge: Option<fn(&str, &Answer)>,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Nothing is opened yet.
    pub fn new(addr: SocketAddr) -> Self {
        Client {
            addr,
            headers: Vec::new(),
            wait: WAIT,
            judge: None,
            stream: None,
        }
    }

    /// Waits so long for an answer.
    pub fn patient(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sends this header with every call.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Shows every answer to somebody, with the path that was called.
    pub fn judged(mut self, judge: fn(&str, &Answer)) -> Self {
        self.judge = Some(judge);
        self
    }

    /// GET.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, &[], b"")
    }

    /// POST of JSON.
    pub fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.send("POST", path, &[("Content-Type", "application/json")], body)
    }

    /// One call.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let answer = self.call(method, path, headers, body)?;
        if let Some(judge) = self.judge {
            judge(path, &answer);
        }
        Ok(answer)
    }

    /// A kept connection that the server has closed meanwhile is replaced, once.
    fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let message = self.message(method, path, headers, body);
        if let Some(kept) = self.stream.take()
            && let Ok(answer) = self.exchange(kept, &message)
        {
            return Ok(answer);
        }
        let stream = TcpStream::connect_timeout(&self.addr, WAIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.wait))?;
        stream.set_write_timeout(Some(WAIT))?;
        self.exchange(BufReader::new(stream), &message)
    }

    fn message(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.addr);
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" || !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        message
    }

    fn exchange(&mut self, mut stream: BufReader<TcpStream>, message: &[u8]) -> io::Result<Answer> {
        // A server may refuse before it has read everything: its answer counts, not the broken pipe.
        let written = stream.get_mut().write_all(message);
        let answer = match (read(&mut stream), written) {
            (Ok(answer), _) => answer,
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        if !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut text = String::new();
    if stream.read_line(&mut text)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text.trim_end().to_owned())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let first = line(stream)?;
    let status: u16 = first
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| bad(&first))?;
    let mut headers = Vec::new();
    loop {
        let text = line(stream)?;
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':').ok_or_else(|| bad(&text))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if status == 100 {
        return read(stream);
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    answer.body = body(stream, &answer)?;
    Ok(answer)
}

fn body(stream: &mut BufReader<TcpStream>, answer: &Answer) -> io::Result<Vec<u8>> {
    if answer.status == 204 || answer.status == 304 {
        return Ok(Vec::new());
    }
    if answer.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        return chunks(stream);
    }
    let mut body = Vec::new();
    match answer.header("content-length") {
        Some(length) => {
            let length: usize = length.parse().map_err(|_| bad("content-length"))?;
            body.resize(length, 0);
            stream.read_exact(&mut body)?;
        }
        None => {
            stream.read_to_end(&mut body)?;
        }
    }
    Ok(body)
}

fn chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let head = line(stream)?;
        let size = head.split(';').next().unwrap_or("").trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| bad(&head))?;
        if size == 0 {
            while !line(stream)?.is_empty() {}
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        line(stream)?;
    }
}
