//! Who may make a call: bearer tokens by their roles, and for browsers sessions that a login begins (contract §5).
//!
//! Sessions live in memory, bounded, and end after [`SESSION_LIFE`], at a logout, with the process, and once their
//! token is none of the config any more. Cookies are sent by whatever makes a browser call; so a call of a session
//! that may change something carries the session's CSRF token, which only our own page can read. Tokens are neither
//! kept nor logged, nor is an address for longer than the minute in which somebody failed to log in from it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequest, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::Shared;
use super::reply::{self, Answer, Fail, Failed, Sent};
use crate::base::limits::{LOGIN_ADDRESSES_MAX, LOGIN_FAILURES_PER_MIN, SESSION_LIFE, SESSIONS_MAX};
use crate::base::time::Millis;
use crate::config::Role;
use crate::server::engine::{Settings, same_secret};
use crate::server::http;

/// The cookie of a session.
const COOKIE: &str = "wb_session";
/// The header with a session's CSRF token.
const CSRF: &str = "x-csrf-token";
const MINUTE_MS: i64 = 60_000;

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of their token.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

type Hash = [u8; 32];

/// A browser that has logged in. Known by the hash of its cookie.
#[derive(Clone)]
struct Session {
    /// Of the token it logged in with.
    token: Hash,
    csrf: String,
    until: Millis,
}

/// Sessions, and from where logins failed of late.
#[derive(Default)]
pub struct Door {
    sessions: Mutex<HashMap<Hash, Session>>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

/// Logins that failed within a minute.
#[derive(Clone, Copy)]
struct Failures {
    minute: i64,
    count: u32,
}

impl Door {
    /// Who makes a call at `now`, by its headers; why nobody does.
    fn caller(&self, settings: &Settings, method: &Method, headers: &HeaderMap, now: Millis) -> Result<Caller, Fail> {
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            let token = bearer(given.as_bytes()).and_then(|token| settings.token(token));
            let caller = token.map(|token| Caller {
                name: token.name.clone(),
                role: token.role,
            });
            return caller.ok_or_else(Fail::unauthorized);
        }
        let (caller, session) = self.session(settings, headers, now).ok_or_else(Fail::unauthorized)?;
        let is_safe = [Method::GET, Method::HEAD].contains(method);
        if !is_safe && !is_token_of(&session, headers) {
            let message = "a call of a session that may change something needs the header `X-CSRF-Token`: GET /login tells its value";
            return Err(Fail::new(StatusCode::FORBIDDEN, "csrf", message));
        }
        Ok(caller)
    }

    /// The session that a cookie leads to.
    fn session(&self, settings: &Settings, headers: &HeaderMap, now: Millis) -> Option<(Caller, Session)> {
        let key = hash(http::cookie(headers, COOKIE)?.as_bytes());
        let session = self.sessions.lock().get(&key).filter(|session| now < session.until).cloned()?;
        let token = settings.tokens.iter().find(|token| hash(token.text.as_bytes()) == session.token)?;
        let caller = Caller {
            name: token.name.clone(),
            role: token.role,
        };
        Some((caller, session))
    }

    /// Begins one: its cookie's value, and itself. Of too many, the one that ends first gives way.
    fn begin(&self, token: &str, now: Millis) -> Result<(String, Session), Fail> {
        let (id, csrf) = (random()?, random()?);
        let session = Session {
            token: hash(token.as_bytes()),
            csrf,
            until: now.after(SESSION_LIFE),
        };
        let mut sessions = self.sessions.lock();
        sessions.retain(|_, session| now < session.until);
        if sessions.len() >= SESSIONS_MAX
            && let Some(first) = sessions.iter().min_by_key(|(_, session)| session.until).map(|(key, _)| *key)
        {
            sessions.remove(&first);
        }
        sessions.insert(hash(id.as_bytes()), session.clone());
        Ok((id, session))
    }

    /// For how many seconds nobody may try to log in from an address; none where one may.
    fn barred(&self, from: IpAddr, now: Millis) -> Option<u64> {
        let failures = self.failures.lock().get(&from).copied()?;
        let is_barred = failures.minute == now.0 / MINUTE_MS && failures.count >= LOGIN_FAILURES_PER_MIN;
        is_barred.then(|| (MINUTE_MS - now.0.rem_euclid(MINUTE_MS)).unsigned_abs().div_ceil(1_000))
    }

    /// Counts a login that failed. Beyond so many addresses a minute, all others share one count.
    fn failed(&self, from: IpAddr, now: Millis) {
        let minute = now.0 / MINUTE_MS;
        let mut failures = self.failures.lock();
        if failures.len() >= LOGIN_ADDRESSES_MAX && !failures.contains_key(&from) {
            failures.retain(|_, failures| failures.minute == minute);
        }
        let is_full = failures.len() >= LOGIN_ADDRESSES_MAX && !failures.contains_key(&from);
        let from = if is_full { OTHERS } else { from };
        let known = failures.entry(from).or_insert(Failures { minute, count: 0 });
        let count = if known.minute == minute { known.count } else { 0 };
        *known = Failures { minute, count: count + 1 };
    }
}

/// Stands for all addresses that there is no place for.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn is_token_of(session: &Session, headers: &HeaderMap) -> bool {
    let given = headers.get(CSRF).map(|value| value.as_bytes());
    given.is_some_and(|given| same_secret(given, session.csrf.as_bytes()))
}

fn hash(secret: &[u8]) -> Hash {
    Sha256::digest(secret).into()
}

/// 256 bits that nobody guesses, as text.
fn random() -> Result<String, Fail> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Fail::unavailable(format!("no randomness for a session: {error}")))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// The token of an `Authorization` header; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

/// Lets calls through that come of somebody with the role they ask for.
pub async fn guard(State(desk): Shared, mut request: Request, next: Next) -> Result<Response, Fail> {
    let caller = desk.door.caller(
        &desk.engine.settings.load(),
        request.method(),
        request.headers(),
        Millis::wall_clock(),
    )?;
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    // What is no call is told to anybody who may make one.
    let needed = path.and_then(|path| desk.role(request.method(), path)).unwrap_or(Role::Read);
    if caller.role < needed {
        return Err(Fail::forbidden(&caller, needed, request.method(), path.unwrap_or_default()));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// The address that a call comes from; of an IPv6 one the network, which is one subscriber's.
fn address(settings: &Settings, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let caller = peer.map(|ConnectInfo(peer)| http::caller(*peer, request.headers(), &settings.server.trusted_proxies));
    match caller.unwrap_or(OTHERS) {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> 64))),
        ip => ip,
    }
}

/// What a session is told of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct LoggedIn {
    /// The name of the token it logged in with.
    name: String,
    /// What it may do.
    role: Role,
    /// What calls that may change something send as `X-CSRF-Token`.
    csrf: String,
}

/// What a browser logs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The text of a token's file.
    #[schema(example = "3f1c...")]
    token: String,
}

/// Begins a session for a token: a cookie for a browser. After ten failures in a minute an address waits.
#[utoipa::path(post, path = "/login", tag = "access", request_body = Login, responses(
    (status = 200, description = "The session has begun", body = LoggedIn, headers(("Set-Cookie" = String))),
    (status = 400, description = "The body cannot be read", body = Failed),
    (status = 401, description = "No such token", body = Failed),
    (status = 429, description = "Too many logins failed", body = Failed, headers(("Retry-After" = u64)))))]
pub async fn login(State(desk): Shared, request: Request) -> Answer {
    let (settings, now) = (desk.engine.settings.load_full(), Millis::wall_clock());
    let from = address(&settings, &request);
    if let Some(wait_s) = desk.door.barred(from, now) {
        return Err(Fail::too_many_logins(wait_s));
    }
    let is_secure = is_secure(&settings, request.headers());
    let Sent(body) = Sent::from_request(request, &()).await?;
    let Login { token } = serde_json::from_slice(&body)
        .map_err(|fault| Fail::bad_request(format!("the body is not like {{\"token\": \"...\"}}: {fault}")))?;
    let Some(token) = settings.token(token.trim().as_bytes()) else {
        desk.door.failed(from, now);
        metrics::counter!("winback_logins_total", "result" => "failed").increment(1);
        return Err(Fail::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "no such token: send the text of a token's file",
        ));
    };
    let (id, session) = desk.door.begin(&token.text, now)?;
    metrics::counter!("winback_logins_total", "result" => "ok").increment(1);
    let told = LoggedIn {
        name: token.name.clone(),
        role: token.role,
        csrf: session.csrf,
    };
    let cookie = cookie(&id, SESSION_LIFE.0, is_secure);
    Ok(([(header::SET_COOKIE, cookie)], reply::json(&told)).into_response())
}

/// What the present session may do.
#[utoipa::path(get, path = "/login", tag = "access", responses(
    (status = 200, body = LoggedIn), (status = 401, description = "No session", body = Failed)))]
pub async fn logged_in(State(desk): Shared, headers: HeaderMap) -> Answer {
    let session = desk.door.session(&desk.engine.settings.load(), &headers, Millis::wall_clock());
    let (Caller { name, role }, Session { csrf, .. }) =
        session.ok_or_else(|| Fail::new(StatusCode::UNAUTHORIZED, "unauthorized", "no session: POST /login begins one"))?;
    Ok(reply::json(&LoggedIn { name, role, csrf }))
}

/// Ends the present session, where there is one.
#[utoipa::path(post, path = "/logout", tag = "access", responses(
    (status = 204, description = "There is none any more"),
    (status = 403, description = "Without the session's `X-CSRF-Token`", body = Failed)))]
pub async fn logout(State(desk): Shared, headers: HeaderMap) -> Answer {
    let settings = desk.engine.settings.load();
    if desk.door.session(&settings, &headers, Millis::wall_clock()).is_some() {
        desk.door
            .caller(&settings, &Method::POST, &without_bearer(&headers), Millis::wall_clock())?;
    }
    if let Some(id) = http::cookie(&headers, COOKIE) {
        desk.door.sessions.lock().remove(&hash(id.as_bytes()));
    }
    let gone = cookie("", 0, is_secure(&settings, &headers));
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// It is the session that is asked to end, whatever else is sent.
fn without_bearer(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(header::AUTHORIZATION);
    headers
}

fn cookie(value: &str, age_s: u32, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Max-Age={age_s}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// Whether browsers come by TLS: always, but to a listener on loopback without a proxy before it.
fn is_secure(settings: &Settings, headers: &HeaderMap) -> bool {
    !settings.server.admin.ip().is_loopback() || http::header(headers, "x-forwarded-proto") == Some("https")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Millis = Millis(1_790_000_000_000 / MINUTE_MS * MINUTE_MS);

    #[test]
    fn the_session_that_ends_first_gives_way() {
        let door = Door::default();
        let ids: Vec<String> = (0..=SESSIONS_MAX as i64)
            .map(|n| door.begin("token", Millis(AT.0 + n)).map(|(id, _)| id).unwrap_or_default())
            .collect();
        let sessions = door.sessions.lock();
        assert_eq!(sessions.len(), SESSIONS_MAX);
        assert!(!sessions.contains_key(&hash(ids[0].as_bytes())) && sessions.contains_key(&hash(ids[1].as_bytes())));
    }

    #[test]
    fn logins_that_fail_bar_an_address_for_the_rest_of_the_minute() {
        let door = Door::default();
        let ip = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        (1..LOGIN_FAILURES_PER_MIN).for_each(|_| door.failed(ip(1), AT));
        assert_eq!(door.barred(ip(1), AT), None);
        door.failed(ip(1), AT);
        assert_eq!(door.barred(ip(1), Millis(AT.0 + 500)), Some(60));
        assert_eq!((door.barred(ip(2), AT), door.barred(ip(1), Millis(AT.0 + MINUTE_MS))), (None, None));
        for n in 0..2 * LOGIN_ADDRESSES_MAX as u32 {
            door.failed(ip(100 + n), AT);
        }
        assert!(door.failures.lock().len() <= LOGIN_ADDRESSES_MAX + 1);
        door.failed(ip(7), Millis(AT.0 + MINUTE_MS));
        assert_eq!(door.failures.lock().len(), 1, "earlier minutes are forgotten");
    }
}
