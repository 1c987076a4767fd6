//! The body of a request on the bid listener, taken in within bounds of length, room and time.
//!
//! Looks at no byte of it.

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use tokio::time::error::Elapsed;

use crate::base::limits::BODY_MS_MAX;
use crate::server::crowd::{End, Life};
use crate::server::valve::Pressure;

/// Why there is no body.
pub(super) enum Bodiless {
    /// It is at fault.
    Refused(StatusCode),
    /// Too many are waited for.
    Crowded,
}

/// The body, of at most so many bytes.
pub(super) async fn body_of(
    headers: &HeaderMap,
    body: Incoming,
    limit: usize,
    pressure: &Rc<Pressure>,
    life: &Life,
) -> Result<Bytes, Bodiless> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Bodiless::Refused(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let _room = pressure.room(announced.unwrap_or(limit)).ok_or(Bodiless::Crowded)?;
    let whole = in_time(whole(Limited::new(body, limit)));
    Err(Bodiless::Refused(match whole.await {
        Ok(Ok(body)) => return Ok(body),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => StatusCode::PAYLOAD_TOO_LARGE,
        Ok(Err(_)) => StatusCode::BAD_REQUEST,
        Err(_) => {
            life.ended(End::SlowBody);
            StatusCode::BAD_REQUEST
        }
    }))
}

/// All of a body; one that comes in one piece, as most do, is not moved.
async fn whole(mut body: Limited<Incoming>) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing.
        let Ok(piece) = frame?.into_data() else { continue };
        if pieces.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        pieces.extend_from_slice(&piece);
    }
    Ok(pieces.freeze())
}

/// What comes in within the time of a body. Hyper reads none before it is asked, and most are here then: a timer
/// is armed for those only that are not.
async fn in_time<T>(body: impl Future<Output = T>) -> Result<T, Elapsed> {
    let (mut body, mut is_asked) = (pin!(body), false);
    let at_once = poll_fn(|context| match body.as_mut().poll(context) {
        Poll::Ready(whole) => Poll::Ready(Some(whole)),
        Poll::Pending if is_asked => Poll::Ready(None),
        Poll::Pending => {
            is_asked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match at_once.await {
        Some(whole) => Ok(whole),
        None => tokio::time::timeout(Duration::from_millis(BODY_MS_MAX), body).await,
    }
}
