//! `GET /openapi.json`: what every call takes and answers, made of the handlers and the types they answer with.
//!
//! Roles come from the table of calls. A test holds routes and description to one another, and answers to what is
//! described.

use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi as Document, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::calls::calls;
use super::{
    advertisers, approvals, audit, backup, campaigns, check, compact, configs, desk, door, explain, export, feeds, funnel, health,
};
use super::{losses, overview, preview, reply, report, users};
use crate::config::Role;

/// The document; what the roles add comes from [`Roles`].
#[derive(OpenApi)]
#[openapi(
    info(title = "winback", description = "The admin listener of winback, a retargeting bidder."),
    servers((url = "/", description = "The admin listener")),
    paths(
        health::live, health::ready, health::metrics, document,
        desk::page, desk::file, desk::file_within, door::login, door::logged_in, door::logout,
        advertisers::list, advertisers::show, advertisers::put, advertisers::delete, advertisers::edit,
        campaigns::list, campaigns::pacing, overview::overview, overview::exchanges,
        funnel::show, explain::explain_user, explain::explain, preview::preview, report::report, export::export,
        approvals::list, losses::list, feeds::list, feeds::show, feeds::refresh,
        users::show, users::delete, configs::list, check::schema_of, check::check,
        audit::list, backup::take, compact::run, super::reload_all,
    ),
    components(schemas(reply::Failed)),
    tags(
        (name = "advertisers", description = "Advertisers and their campaigns, as JSON"),
        (name = "reports", description = "What came of campaigns, and why"),
        (name = "feeds", description = "How product feeds do"),
        (name = "exchanges", description = "What exchanges tell"),
        (name = "users", description = "What is known of people, and its erasure"),
        (name = "config", description = "Config files"),
        (name = "server", description = "Keeping the server"),
        (name = "desk", description = "Pages for people"),
        (name = "access", description = "Sessions of browsers"),
        (name = "health", description = "Open to whoever reaches the listener"),
    ),
    modifiers(&Roles)
)]
struct Api;

/// Who may make each call, and what everybody else is told.
struct Roles;

impl Modify for Roles {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let cookie = ApiKeyValue::with_description(
            "wb_session",
            "What `POST /login` sets; calls that may change something send `X-CSRF-Token`, too",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        for call in calls() {
            let item = document.paths.paths.get_mut(call.path);
            let operation = item.and_then(|item| match call.method.as_str() {
                "GET" => item.get.as_mut(),
                "PUT" => item.put.as_mut(),
                "POST" => item.post.as_mut(),
                "DELETE" => item.delete.as_mut(),
                "PATCH" => item.patch.as_mut(),
                _ => None,
            });
            if let (Some(operation), Some(role)) = (operation, call.role) {
                guard(operation, role);
            }
        }
    }
}

fn guard(operation: &mut Operation, role: Role) {
    let needs = |scheme: &str| SecurityRequirement::new(scheme, [role.label()]);
    operation.security = Some(vec![needs("token"), needs("session")]);
    let refused = |what: &str| {
        let content = Content::new(Some(Ref::from_schema_name("Failed")));
        ResponseBuilder::new()
            .description(what)
            .content("application/json", content)
            .build()
    };
    let responses = &mut operation.responses.responses;
    responses.insert("401".into(), refused("Nobody who may make calls").into());
    let weak = format!("The role does not suffice: {} is asked for", role.label());
    responses.insert("403".into(), refused(&weak).into());
    let mut may = |status: &str, what: &str| {
        responses.entry(status.into()).or_insert_with(|| refused(what).into());
    };
    may("503", "It cannot be done now, or not be written down: call again");
    if operation.parameters.is_some() {
        may("400", "A part of the path cannot be read");
    }
}

/// The document, indented.
pub(super) fn text() -> String {
    // Shapes here are maps with text keys: writing them does not fail.
    let mut text = Api::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// This description (OpenAPI 3.1).
#[utoipa::path(get, path = "/openapi.json", tag = "server", responses((status = 200, body = Object)))]
pub(super) async fn document() -> Response {
    reply::json_bytes(text()).into_response()
}
