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
use url::form_urlencoded;
use utoipa::ToSchema;

use super::door::Caller;
use crate::base::time::Day;
use crate::config::{Fault, Role};

/// What a call comes to.
pub type Answer = Result<Response, Fail>;

/// A failure.
#[derive(Debug)]
pub struct Fail {
    status: StatusCode,
    code: &'static str,
    message: String,
    faults: Option<Vec<FaultJson>>,
    /// After how many seconds it may go better.
    retry_after_s: Option<u64>,
}

impl Fail {
    /// A failure with a code of its own.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Fail {
        Fail {
            status,
            code,
            message: message.into(),
            faults: None,
            retry_after_s: None,
        }
    }

    /// What is wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// 401.
    pub fn unauthorized() -> Fail {
        let message = "no bearer token, or a wrong one: send `Authorization: Bearer <the token of admin.token_file>`, or log in";
        Fail::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403: the role does not suffice.
    pub fn forbidden(caller: &Caller, needed: Role, method: &Method, path: &str) -> Fail {
        let message = format!(
            "`{method} {path}` asks for the role {}: the token `{}` has {}",
            needed.label(),
            caller.name,
            caller.role.label()
        );
        Fail::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 429.
    pub fn too_many_logins(wait_s: u64) -> Fail {
        let message = format!("too many logins failed from this address: try again in {wait_s} seconds");
        Fail {
            retry_after_s: Some(wait_s),
            ..Fail::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", message)
        }
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
            faults: Some(faults.iter().map(FaultJson::from).collect()),
            ..Fail::new(StatusCode::BAD_REQUEST, "invalid", message)
        }
    }
}

/// What is wrong with a file, or worth saying of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub struct FaultJson {
    /// The file, as it was named.
    file: String,
    /// Line, from 1; 0 where the whole file is meant.
    line: u32,
    /// Column in characters, from 1; 0 where the whole line or file is meant.
    column: u32,
    /// JSON pointer; empty for the whole document.
    pointer: String,
    /// The value as written, shortened.
    value: String,
    /// What is wrong.
    problem: String,
    /// What would be right.
    remedy: Option<String>,
    /// The same in one line, for people.
    message: String,
    /// Worth saying, but the file is usable.
    warning: bool,
}

impl From<&Fault> for FaultJson {
    fn from(fault: &Fault) -> FaultJson {
        let remedy = fault.remedy.as_deref();
        FaultJson {
            file: fault.file.clone(),
            line: fault.line,
            column: fault.column,
            pointer: fault.pointer.clone(),
            value: fault.value.clone(),
            problem: fault.problem.clone(),
            message: remedy.map_or_else(|| fault.problem.clone(), |remedy| format!("{}; {remedy}", fault.problem)),
            remedy: fault.remedy.clone(),
            warning: fault.warning,
        }
    }
}

/// The body of every answer that is a failure.
#[derive(Serialize, ToSchema)]
pub struct Failed {
    error: ErrorJson,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
struct ErrorJson {
    /// For programs; never changes.
    code: &'static str,
    /// For people: what failed, on what, what to do.
    message: String,
    /// What is wrong with the config that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<FaultJson>>,
}

/// The code of a failure, for whoever writes down what a call came to.
#[derive(Clone, Copy)]
pub struct Code(pub &'static str);

impl IntoResponse for Fail {
    fn into_response(self) -> Response {
        let error = ErrorJson {
            code: self.code,
            message: self.message,
            faults: self.faults,
        };
        let mut response = (self.status, json(&Failed { error })).into_response();
        response.extensions_mut().insert(Code(self.code));
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        if let Some(wait_s) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, wait_s.into());
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

    /// A parameter that is a day; none where it is missing or empty.
    pub fn day(&self, name: &str) -> Result<Option<Day>, Fail> {
        let read = |text: &str| Day::parse(text).ok_or_else(|| Fail::bad_request(format!("`{name}` is no date like 2026-01-31")));
        self.get(name).map(read).transpose()
    }

    /// Whether a table is asked for, as CSV; else it is what the call answers by itself.
    pub fn is_csv(&self, otherwise: &str) -> Result<bool, Fail> {
        match self.get("format") {
            Some("csv") => Ok(true),
            None => Ok(false),
            Some(word) if word == otherwise => Ok(false),
            Some(other) => Err(Fail::bad_request(format!("unknown `format` `{other}`: known are {otherwise}, csv"))),
        }
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
