//! Id match with exchanges (contract §4 `GET /sync/{exchange}`; sync.md §1 to §5): their id of a browser to us, ours to
//! them, one exchange at a time or several that are due.
//!
//! What differs between exchanges is said by their config alone. Permission before identity: no cookie is read or set
//! where signals forbid. Sends browsers nowhere but to addresses of the config and hosts that it allows.

mod marks;
mod page;
mod template;
mod told;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use percent_encoding::utf8_percent_encode;

use self::marks::Marks;
use self::template::{Filling, Said};
use self::told::Told;
use super::engine::Engine;
use super::http::{self, Answer};
use super::public::{COOKIE_AGE_S, Shared, has_opted_out, out, renew_id, set_cookie, set_id, stated};
use super::visitor::Visitor;
use crate::base::limits::SYNCS_PER_PAGE_MAX;
use crate::base::time::{Millis, Secs};
use crate::model::exchange::Exchange;
use crate::model::template::RESERVED;
use crate::model::traffic::Invalid;
use crate::privacy::grant::Grant;
use crate::privacy::permission::{Ground, Use};
use crate::privacy::signals::Stated;
use crate::state::world::World;
use crate::track::fact::{Effect, Fact, IdRef};
use crate::track::notice::parameter;

/// The cookie of the marks, which goes where the id goes.
pub use self::marks::COOKIE as MARKS_COOKIE;

/// What a browser that was bounced brings back.
const BOUNCED: &str = "wb_ck";
/// How many more exchanges a browser may be sent to, one after the other.
const FURTHER: &str = "wb_next";
/// Where a partner says that it wants the browser back.
const REDIRECTS: [&str; 10] = [
    "redirect",
    "redir",
    "redirect_url",
    "redirectUrl",
    "redirect_uri",
    "redirectUri",
    "predirect",
    "rd",
    "r",
    "pu",
];
/// What counters call a call about no exchange in particular.
const ANY: &str = "any";

/// What the answer is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// A picture, or a redirect.
    Picture,
    /// A page with pictures.
    Page,
}

/// `GET or POST /sync/{exchange}`, or `/sync/{exchange}.html`: with the exchange's id of the browser it is kept; with a
/// redirect the browser goes back with our id; with neither it is sent to `push_url`.
pub async fn one(
    State(engine): Shared,
    Path(name): Path<String>,
    method: Method,
    RawQuery(query): RawQuery,
    visitor: Visitor,
    headers: HeaderMap,
) -> Response {
    let world = engine.world.load_full();
    let framed = || Some((world.exchange_by_id(name.strip_suffix(".html")?)?, Shape::Page));
    let found = world
        .exchange_by_id(&name)
        .map(|exchange| (exchange, Shape::Picture))
        .or_else(framed);
    let Some((exchange, shape)) = found else {
        return out(http::status(StatusCode::NOT_FOUND));
    };
    let call = Call::new(&engine, &world, method, visitor, query.as_deref(), &headers);
    match call.gate() {
        Gate::Enter(id) => call.meet(exchange, id, shape).await,
        stopped => call.stopped(stopped, &exchange.id, &format!("/sync/{name}"), shape),
    }
}

/// `GET /sync`: a page that sends to the exchanges that are due, at once.
pub async fn page(State(engine): Shared, method: Method, RawQuery(query): RawQuery, visitor: Visitor, headers: HeaderMap) -> Response {
    let world = engine.world.load_full();
    let call = Call::new(&engine, &world, method, visitor, query.as_deref(), &headers);
    match call.gate() {
        Gate::Enter(id) => {
            let mut visit = call.visit(id);
            let then = Then::Page(visit.send_to_due(SYNCS_PER_PAGE_MAX));
            visit.leave(then)
        }
        stopped => call.stopped(stopped, ANY, "/sync", Shape::Page),
    }
}

/// `GET /sync.gif`: a picture that leads over the exchanges that are due, one after the other.
pub async fn chain(State(engine): Shared, method: Method, RawQuery(query): RawQuery, visitor: Visitor, headers: HeaderMap) -> Response {
    let world = engine.world.load_full();
    let call = Call::new(&engine, &world, method, visitor, query.as_deref(), &headers);
    match call.gate() {
        Gate::Enter(id) => {
            let mut visit = call.visit(id);
            let then = visit.go_on(SYNCS_PER_PAGE_MAX);
            visit.leave(then)
        }
        stopped => call.stopped(stopped, ANY, "/sync.gif", Shape::Picture),
    }
}

/// What a browser calls with.
struct Call<'a> {
    engine: &'a Engine,
    world: &'a World,
    method: Method,
    visitor: Visitor,
    query: Option<&'a str>,
    headers: &'a HeaderMap,
    stated: Stated,
    now: Secs,
}

/// Whether a call goes further.
enum Gate<'a> {
    /// With our id of the browser.
    Enter(&'a str),
    /// Nobody looks at the answer.
    Prefetch,
    /// A machine asks.
    Machine(Invalid),
    OptedOut,
    Forbidden(Option<Ground>),
    /// The browser has no cookie of ours.
    Nameless,
    /// It does not keep one.
    Cookieless,
}

impl<'a> Call<'a> {
    fn new(
        engine: &'a Engine,
        world: &'a World,
        method: Method,
        visitor: Visitor,
        query: Option<&'a str>,
        headers: &'a HeaderMap,
    ) -> Call<'a> {
        Call {
            engine,
            world,
            method,
            visitor,
            query,
            headers,
            stated: stated(query),
            now: Millis::wall_clock().to_secs(),
        }
    }

    fn gate(&self) -> Gate<'a> {
        match self.visitor.invalid {
            Some(why) if why != Invalid::Prefetch => return Gate::Machine(why),
            _ if self.method == Method::HEAD || self.visitor.is_ahead => return Gate::Prefetch,
            _ => {}
        }
        if has_opted_out(self.headers) {
            return Gate::OptedOut;
        }
        let permission = self.world.privacy.permit(&self.stated.signals());
        if !permission.allows(Use::Sync) {
            return Gate::Forbidden(permission.because);
        }
        match http::cookie(self.headers, "wb_uid").filter(|id| is_cookie_id(id)) {
            Some(id) if self.engine.state.opted_out.contains(self.world.hashes.user(id.as_bytes()).0) => Gate::OptedOut,
            Some(id) => Gate::Enter(id),
            None if parameter(self.query, BOUNCED).is_some() => Gate::Cookieless,
            None => Gate::Nameless,
        }
    }

    fn count(&self, exchange: &str, result: &'static str) {
        self.engine.meters.synced(exchange, result);
    }

    /// The answer to a call that goes no further; `path` is ours.
    fn stopped(&self, gate: Gate<'_>, exchange: &str, path: &str, shape: Shape) -> Response {
        if let Some(why) = self.visitor.invalid {
            self.engine.state.count_invalid(why, 1);
        }
        let result = match gate {
            Gate::Prefetch => "prefetch",
            Gate::Machine(why) => why.label(),
            Gate::OptedOut => "opted_out",
            Gate::Forbidden(ground) => {
                self.engine.meters.sync_forbidden(exchange, ground);
                "consent"
            }
            Gate::Cookieless => "no_cookie",
            Gate::Nameless | Gate::Enter(_) => "bounced",
        };
        self.count(exchange, result);
        match (result, shape) {
            ("bounced", _) => self.bounce(path),
            ("no_cookie", Shape::Picture) => out(http::gif(StatusCode::OK)),
            ("no_cookie", Shape::Page) => out(page::page(&[])),
            _ => out(http::unstored(http::status(StatusCode::NO_CONTENT))),
        }
    }

    /// The browser is given an id and comes back at once, to show whether it keeps it.
    fn bounce(&self, path: &str) -> Response {
        let (_, id) = self.engine.fresh_user();
        let query = self.query.filter(|query| !query.is_empty());
        let query = query.map_or_else(String::new, |query| format!("{query}&"));
        let target = format!("{}{path}?{query}{BOUNCED}=1", self.world.public_url);
        let mut bounce = out(self.redirect(&target));
        set_id(&mut bounce, self.world, &id);
        // Marks are of the id that is gone.
        if http::cookie(self.headers, MARKS_COOKIE).is_some() {
            set_cookie(&mut bounce, &self.world.public_url, MARKS_COOKIE, "", 0);
        }
        bounce
    }

    /// After a POST a browser is to come with a GET.
    fn redirect(&self, target: &str) -> Answer {
        let mut answer = http::redirect(target);
        if self.method == Method::POST && answer.status() == StatusCode::FOUND {
            *answer.status_mut() = StatusCode::SEE_OTHER;
        }
        answer
    }

    fn visit(&'a self, id: &'a str) -> Visit<'a> {
        let marks = http::cookie(self.headers, MARKS_COOKIE).unwrap_or("");
        let marks = Marks::read(marks, self.world, self.now);
        Visit {
            call: self,
            id,
            said: Said::of(&self.stated),
            is_marked: false,
            marks,
        }
    }

    /// Of a browser with our id: the exchange's id is kept, if it tells one, and the browser goes on.
    async fn meet(&self, exchange: &Arc<Exchange>, id: &str, shape: Shape) -> Response {
        let mut visit = self.visit(id);
        let told = Told::of(exchange, self.query);
        let then = match visit.then(exchange, &told) {
            Then::Refused => {
                self.count(&exchange.id, "redirect_refused");
                let message = "the redirect's host is not in `sync.redirect_hosts`, or its address can be read in more than one way";
                return out(http::error(StatusCode::BAD_REQUEST, "redirect_not_allowed", message));
            }
            then => then,
        };
        self.count(&exchange.id, told.label());
        match &told {
            Told::Id { uid, version } => match visit.keep(exchange, uid, version.as_deref()).await {
                Some(Effect::Repeat) => return self.stopped(Gate::OptedOut, &exchange.id, "", shape),
                Some(_) => {}
                None => {
                    self.count(&exchange.id, "unavailable");
                    return out(http::gif(StatusCode::SERVICE_UNAVAILABLE));
                }
            },
            Told::Error(code) => self.engine.meters.sync_error(&exchange.id, code),
            Told::Nothing | Told::Empty | Told::Nobody => {}
        }
        let then = match (shape, then) {
            (Shape::Picture, then) => then,
            (Shape::Page, Then::Go(target)) => {
                let mut targets = vec![target];
                targets.extend(visit.send_to_due(SYNCS_PER_PAGE_MAX - 1));
                Then::Page(targets)
            }
            (Shape::Page, _) => Then::Page(visit.send_to_due(SYNCS_PER_PAGE_MAX)),
        };
        visit.leave(then)
    }
}

/// Where a browser goes.
enum Then {
    /// Nowhere.
    Pixel,
    /// To an address.
    Go(String),
    /// To several at once.
    Page(Vec<String>),
    /// Where it wants to go it may not.
    Refused,
}

/// A browser with our id, on its way.
struct Visit<'a> {
    call: &'a Call<'a>,
    id: &'a str,
    said: Said,
    marks: Marks,
    /// Whether the marks have changed.
    is_marked: bool,
}

impl Visit<'_> {
    /// Where an exchange wants the browser to go.
    fn then(&mut self, exchange: &Exchange, told: &Told) -> Then {
        let query = self.call.query;
        let value = |name: &str| parameter(query, name).filter(|value| !value.is_empty());
        let echo = exchange.sync.as_ref().and_then(|sync| sync.parameters.echo.as_ref());
        if let Some((name, token)) = echo.and_then(|name| Some((name, value(name)?))) {
            let token = utf8_percent_encode(&token, RESERVED);
            let join = |url: &str| if url.contains('?') { '&' } else { '?' };
            let pushed = self.push(exchange, None);
            return pushed.map_or(Then::Pixel, |url| Then::Go(format!("{url}{}{name}={token}", join(&url))));
        }
        if let Some(target) = REDIRECTS.into_iter().find_map(value) {
            return self.redirected(exchange, &target);
        }
        if let Some(left) = parameter(query, FURTHER) {
            let left = left.parse().unwrap_or(0);
            return self.go_on(SYNCS_PER_PAGE_MAX.min(left));
        }
        match told {
            Told::Nothing => self.push(exchange, None).map_or(Then::Pixel, Then::Go),
            _ => Then::Pixel,
        }
    }

    fn redirected(&self, exchange: &Exchange, target: &str) -> Then {
        let filling = Filling {
            uid: self.id,
            back: None,
            said: &self.said,
        };
        let hosts = exchange.sync.as_ref().map_or(&[][..], |sync| &sync.redirect_hosts);
        match template::allowed(&template::fill(target, &filling), hosts) {
            Some(url) => {
                self.call.count(&exchange.id, "redirected");
                Then::Go(url)
            }
            None => Then::Refused,
        }
    }

    /// The address that the browser is to be sent to, which it then has been.
    fn push(&mut self, exchange: &Exchange, further: Option<usize>) -> Option<String> {
        let sync = exchange.sync.as_ref()?;
        let template = sync.push_url.as_ref()?;
        let further = further.map_or_else(String::new, |left| format!("{FURTHER}={left}&"));
        let back = format!(
            "{}/sync/{}?{}{further}{}={}",
            self.call.world.public_url,
            exchange.id,
            self.said.query(),
            sync.parameters.uid,
            sync.uid_macro.as_deref().unwrap_or("")
        );
        let filling = Filling {
            uid: self.id,
            back: Some(&back),
            said: &self.said,
        };
        self.note_age(exchange);
        self.marks.sent(exchange, self.call.now);
        self.is_marked = true;
        self.call.count(&exchange.id, "sent");
        Some(template::fill(template, &filling))
    }

    /// How old the match is that is made anew.
    fn note_age(&self, exchange: &Exchange) {
        if let Some(mark) = self.marks.of(exchange).filter(|mark| !mark.is_asked) {
            self.call.engine.meters.match_age(&exchange.id, self.call.now.since(mark.at));
        }
    }

    /// To as many of those that are due.
    fn send_to_due(&mut self, most: usize) -> Vec<String> {
        let due = self.marks.due(self.call.world, self.call.now);
        due.into_iter()
            .take(most)
            .filter_map(|exchange| self.push(exchange, None))
            .collect()
    }

    /// To one that is due and brings the browser back, else to one that does not, which is the last.
    fn go_on(&mut self, left: usize) -> Then {
        let due = self.marks.due(self.call.world, self.call.now);
        let returns = |exchange: &&&Arc<Exchange>| exchange.sync.as_ref().is_some_and(|sync| sync.returns());
        let next = due.iter().find(returns).or(due.first()).filter(|_| left > 0);
        let target = next.and_then(|exchange| self.push(exchange, Some(left - 1)));
        target.map_or(Then::Pixel, Then::Go)
    }

    /// Keeps an exchange's id; none where it could not be.
    async fn keep(&mut self, exchange: &Exchange, uid: &str, version: Option<&str>) -> Option<Effect> {
        let hashes = &self.call.world.hashes;
        let ours = IdRef::Ours(hashes.user(self.id.as_bytes()), self.id.to_owned());
        let namespace = version.map_or_else(|| exchange.id.clone(), |version| format!("{}:{version}", exchange.id));
        let theirs = IdRef::Foreign(hashes.foreign(&exchange.id, uid.as_bytes()), namespace);
        let signals = self.call.stated.signals();
        let grant = Grant::of(self.call.world.privacy.permit(&signals), &signals, self.call.now);
        let fact = Fact::Match(vec![ours, theirs], grant);
        let effect = self.call.engine.facts.record(fact).await.ok()?;
        if effect != Effect::Repeat {
            self.note_age(exchange);
            self.marks.matched(exchange, self.call.now);
            self.is_marked = true;
        }
        Some(effect)
    }

    /// The answer, with the cookies that the browser is to have.
    fn leave(self, then: Then) -> Response {
        let world = self.call.world;
        let mut answer = out(match then {
            Then::Go(target) => self.call.redirect(&target),
            Then::Page(targets) => page::page(&targets),
            Then::Pixel | Then::Refused => http::gif(StatusCode::OK),
        });
        renew_id(&mut answer, world, self.id);
        if self.is_marked {
            let age_s = world.privacy.cookie_age_s(COOKIE_AGE_S);
            set_cookie(&mut answer, &world.public_url, MARKS_COOKIE, &self.marks.write(), age_s);
        }
        answer
            .headers_mut()
            .insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
        answer
    }
}

/// Ids we gave, or that could be: web-safe base64.
fn is_cookie_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
