//! Every call of the listener in one table: what it is, the role it asks for, whether it changes anything, and who
//! answers it.
//!
//! Routes, guard, audit log and description are made of it; whatever is not in it does not exist.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::{
    Desk, advertisers, approvals, audit, backup, campaigns, check, compact, configs, desk, door, explain, export, feeds, funnel, health,
    losses, openapi, overview, preview, reload_all, report, users,
};
use crate::config::Role;

/// A call.
pub(super) struct Call {
    pub method: Method,
    /// With the names of its parts.
    pub path: &'static str,
    /// Whose token it takes, and of those who may do more; none where anybody may make it.
    pub role: Option<Role>,
    /// Whether it is written into the audit log.
    pub changes: bool,
    pub route: MethodRouter<Arc<Desk>>,
}

/// All of them.
pub(super) fn calls() -> Vec<Call> {
    use Role::{Admin, Read, Write};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    vec![
        open(GET, "/health/live", health::live),
        open(GET, "/health/ready", health::ready),
        open(GET, "/metrics", health::metrics),
        look(GET, "/openapi.json", Read, openapi::document),
        open(GET, "/", desk::page),
        open(GET, "/desk/{file}", desk::file),
        open(GET, "/desk/{folder}/{file}", desk::file_within),
        open(POST, "/login", door::login),
        open(GET, "/login", door::logged_in),
        open(POST, "/logout", door::logout),
        look(GET, "/api/advertisers", Read, advertisers::list),
        look(GET, "/api/advertisers/{id}", Read, advertisers::show),
        change(Method::PUT, "/api/advertisers/{id}", Write, advertisers::put),
        change(Method::DELETE, "/api/advertisers/{id}", Write, advertisers::delete),
        change(
            Method::PATCH,
            "/api/advertisers/{id}/campaigns/{campaign}",
            Write,
            advertisers::edit,
        ),
        look(GET, "/api/advertisers/{id}/campaigns/{campaign}/funnel", Read, funnel::show),
        look(GET, "/api/advertisers/{id}/campaigns/{campaign}/pacing", Read, campaigns::pacing),
        look(GET, "/api/campaigns", Read, campaigns::list),
        look(GET, "/api/exchanges", Read, overview::exchanges),
        look(GET, "/api/overview", Read, overview::overview),
        look(GET, "/api/explain/{exchange}", Read, explain::explain_user),
        look(POST, "/api/explain/{exchange}", Read, explain::explain),
        look(GET, "/api/preview/{advertiser}/{creative}", Read, preview::preview),
        look(GET, "/api/report", Read, report::report),
        look(GET, "/api/export", Read, export::export),
        look(GET, "/api/approvals", Read, approvals::list),
        look(GET, "/api/losses", Read, losses::list),
        look(GET, "/api/feeds", Read, feeds::list),
        look(GET, "/api/feeds/{advertiser}", Read, feeds::show),
        change(POST, "/api/feeds/{advertiser}/refresh", Write, feeds::refresh),
        look(GET, "/api/config", Read, configs::list),
        look(GET, "/api/schema", Read, check::schema_of),
        look(POST, "/api/check", Write, check::check),
        look(GET, "/api/users/{id}", Read, users::show),
        change(Method::DELETE, "/api/users/{id}", Admin, users::delete),
        look(GET, "/api/audit", Admin, audit::list),
        change(POST, "/api/backup", Admin, backup::take),
        change(POST, "/api/compact", Admin, compact::run),
        change(POST, "/api/reload", Admin, reload_all),
    ]
}

/// One that anybody may make.
fn open<T: 'static>(method: Method, path: &'static str, handler: impl Handler<T, Arc<Desk>>) -> Call {
    call(method, path, None, handler)
}

/// One that leaves everything as it was.
fn look<T: 'static>(method: Method, path: &'static str, role: Role, handler: impl Handler<T, Arc<Desk>>) -> Call {
    call(method, path, Some(role), handler)
}

/// One that changes or hands out something.
fn change<T: 'static>(method: Method, path: &'static str, role: Role, handler: impl Handler<T, Arc<Desk>>) -> Call {
    Call {
        changes: true,
        ..call(method, path, Some(role), handler)
    }
}

fn call<T: 'static>(method: Method, path: &'static str, role: Option<Role>, handler: impl Handler<T, Arc<Desk>>) -> Call {
    // Every method above has a filter.
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    Call {
        method,
        path,
        role,
        changes: false,
        route: on(filter, handler),
    }
}
