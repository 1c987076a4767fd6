//! A bidder that decides nothing: reads each body and answers from a list. What a server or a load
//! generator on this machine could do at best is measured against it.
//!
//! Assumes a loopback address and callers who mean it. Speaks to connections as the bid listener does
//! (the same hyper settings, one thread), and keeps its time by hyper's own timer; looks at no path, no
//! header and no byte of a body.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::base::limits::BODY_BYTES_MAX;
use crate::server::bids::connections;
use crate::server::http::{self, Answer};

/// Idle connections and slow headers are closed after this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// The longest answer of a list.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Answers, given in turn.
#[derive(Clone, Debug)]
pub struct Answers(Vec<(StatusCode, Bytes)>);

impl Default for Answers {
    fn default() -> Answers {
        Answers(vec![(StatusCode::NO_CONTENT, Bytes::new())])
    }
}

impl Answers {
    /// Reads `status length` a line, as `--record` writes them. What was not answered (`0 0`) is left out.
    pub fn read(text: &str) -> Result<Answers, String> {
        let mut answers = Vec::new();
        // One body of each length is made and shared: a list may have millions of lines.
        let filler = Bytes::from(vec![b' '; ANSWER_BYTES_MAX]);
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parts = line.trim().split_once(' ').and_then(|(status, length)| {
                let length: usize = length.trim().parse().ok()?;
                (length <= ANSWER_BYTES_MAX).then_some((status.parse::<u16>().ok()?, length))
            });
            let (status, length) = parts.ok_or_else(|| format!("line {}: `{line}`: write `status length`, such as `200 1432`", at + 1))?;
            if status == 0 {
                continue;
            }
            let known = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() >= 200);
            let status = known.ok_or_else(|| format!("line {}: {status} is no status of an answer", at + 1))?;
            answers.push((status, filler.slice(..length)));
        }
        match answers.is_empty() {
            true => Err("no answer in it: write `status length` lines, such as `204 0`".to_owned()),
            false => Ok(Answers(answers)),
        }
    }
}

/// Serves connections on the local task set until the future is dropped. One that cannot be accepted is
/// passed over.
pub async fn null(listener: TcpListener, answers: Answers) {
    let (answers, next) = (Rc::new(answers), Rc::new(Cell::new(0)));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::task::spawn_local(connection(stream, answers.clone(), next.clone()))),
            // Out of descriptors, most likely: let some be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn connection(stream: TcpStream, answers: Rc<Answers>, next: Rc<Cell<usize>>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request: Request<Incoming>| {
        let (answers, next) = (answers.clone(), next.clone());
        async move {
            let read = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
            Ok::<_, Infallible>(match read {
                Ok(_) => answer(&answers, &next),
                Err(_) => http::status(StatusCode::BAD_REQUEST),
            })
        }
    });
    // How a connection ends is the peer's business.
    let mut connections = connections();
    connections.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let _ = connections.serve_connection(TokioIo::new(stream), service).await;
}

fn answer(answers: &Answers, next: &Cell<usize>) -> Answer {
    let at = next.get();
    next.set((at + 1) % answers.0.len().max(1));
    match answers.0.get(at) {
        Some((status, body)) if !body.is_empty() => http::with_body(*status, "application/json", body.clone()),
        Some((status, _)) => http::status(*status),
        None => http::status(StatusCode::NO_CONTENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_answers_are_read_and_faults_have_their_line() {
        let answers = Answers::read("200 10\n204 0\n\n0 0\n").expect("answers");
        assert_eq!(
            answers
                .0
                .iter()
                .map(|(status, body)| (status.as_u16(), body.len()))
                .collect::<Vec<_>>(),
            [(200, 10), (204, 0)]
        );
        for (text, problem) in [
            ("204 0\nx", "line 2"),
            ("99 1", "no status"),
            ("", "no answer"),
            ("200 99999999999", "line 1"),
        ] {
            assert!(Answers::read(text).is_err_and(|fault| fault.contains(problem)), "{text}");
        }
    }
}
