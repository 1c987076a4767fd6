//! How calls are answered: JSON, and failures in one shape (contract §5 `Errors`).
//!
//! `{"error": {"code", "message", "faults"?}}`. Codes are for programs and never change; messages are
//! for people. Also reads what every call reads of a request: path, query, body.

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::config::Fault;

/// What a call comes to.
pub type Answer = Result<Response, Fail>;

/// A failure.
#[derive(Debug)]
pub struct Fail {
    status: StatusCode,
    code: &'static str,
    message: String,
    faults: Option<Value>,
}

impl Fail {
    /// A failure with a code of its own.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Fail {
        Fail {
            status,
            code,
            message: message.into(),
            faults: None,
        }
    }

    /// What is wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// 401.
    pub fn unauthorized() -> Fail {
        let message = "no bearer token, or a wrong one: send `Authorization: Bearer <the token of admin.token_file>`";
        Fail::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 400: the call itself is at fault.
    pub fn bad_request(message: impl Into<String>) -> Fail {
        Fail::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 404.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Fail {
        Fail::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 405.
    pub fn wrong_method(method: &Method, path: &str) -> Fail {
        let message = format!("`{path}` does not take {method}: see the `Allow` header");
        Fail::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Fail {
        Fail::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 503: nothing was changed, or it is not known to be durable.
    pub fn unavailable(message: impl Into<String>) -> Fail {
        Fail::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// 400 with what is wrong with a config.
    pub fn invalid(faults: &[Fault]) -> Fail {
        let message = match faults.iter().filter(|fault| !fault.warning).count() {
            1 => "the advertiser has a fault: nothing was changed".to_owned(),
            wrong => format!("the advertiser has {wrong} faults: nothing was changed"),
        };
        Fail {
            faults: Some(faults.iter().map(fault_json).collect()),
            ..Fail::new(StatusCode::BAD_REQUEST, "invalid", message)
        }
    }
}

fn fault_json(fault: &Fault) -> Value {
    json!({
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "pointer": fault.pointer,
        "value": fault.value,
        "problem": fault.problem,
        "remedy": fault.remedy,
        "warning": fault.warning,
    })
}

impl IntoResponse for Fail {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(faults) = self.faults {
            error["faults"] = faults;
        }
        let mut response = (self.status, json(&json!({ "error": error }))).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON answer, 200.
pub fn json(value: &impl Serialize) -> Response {
    // Shapes here are maps with text keys: writing them does not fail.
    let body = serde_json::to_vec(value).unwrap_or_default();
    json_bytes(body)
}

/// An answer of JSON as it is, 200.
pub fn json_bytes(body: impl Into<Bytes>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body.into()).into_response()
}

/// The parts of the path, unescaped.
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fail> {
        let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        path.map(|Path(names)| Named(names))
            .map_err(|fault| Fail::bad_request(format!("the path cannot be read: {fault}")))
    }
}

/// The whole body.
pub struct Sent(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Fail;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fail> {
        let body = Bytes::from_request(request, state).await;
        body.map(Sent).map_err(|fault| match fault.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Fail::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large"),
            _ => Fail::bad_request(format!("the body cannot be read: {fault}")),
        })
    }
}

/// The query's parameters; of one that is repeated the first counts.
pub struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fail> {
        Ok(Query::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    /// What stands behind a `?`.
    pub fn of(text: &str) -> Query {
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// A parameter's value; none where it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Refuses parameters that are none of `known`: a misspelt one would quietly be left out.
    pub fn only(&self, known: &[&str]) -> Result<(), Fail> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(Fail::bad_request(format!(
                "unknown parameter `{key}`: known are {}",
                known.join(", ")
            ))),
            None => Ok(()),
        }
    }
}
