//! The routes of the API, each with what the OpenAPI document says of it: a route that is not in the document
//! does not exist.

mod admin;
mod checkpoints;
mod objects;
mod pipelines;
mod plugins;
mod runs;
mod session;
mod streams;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AnyOf, Schema};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Who};
use crate::documents::Overview;
use crate::problem::{ProblemDetails, Reply};

/// Where the API begins.
const ROOT: &str = "/api/v1";
/// What a refusal is.
const PROBLEM: &str = "application/problem+json";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Mobula",
        description = "Runs, plugins and checkpoints of a Mobula server. Every route but `POST /session` \
            and `GET /login` needs `Authorization: Bearer mt_…` or the cookie of a session. Errors are \
            `application/problem+json`.",
    ),
    components(schemas(ProblemDetails))
)]
struct Document;

/// The routes, and their document.
pub(crate) fn api() -> (axum::Router<Arc<App>>, OpenApi) {
    let routes = OpenApiRouter::new()
        .routes(routes!(session::open, session::shown, session::close))
        .routes(routes!(session::redeem))
        .routes(routes!(overview))
        .routes(routes!(openapi))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::show))
        .routes(routes!(runs::events))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::resume))
        .routes(routes!(runs::rerun))
        .routes(routes!(runs::inject))
        .routes(routes!(runs::graph))
        .routes(routes!(runs::timeline))
        .routes(routes!(streams::run))
        .routes(routes!(streams::runs))
        .routes(routes!(objects::list))
        .routes(routes!(objects::rows))
        .routes(routes!(objects::image))
        .routes(routes!(pipelines::check))
        .routes(routes!(pipelines::list))
        .routes(routes!(pipelines::mounts))
        .routes(routes!(checkpoints::list))
        .routes(routes!(checkpoints::download))
        .routes(routes!(checkpoints::pin))
        .routes(routes!(checkpoints::unpin))
        .routes(routes!(checkpoints::remove))
        .routes(routes!(plugins::list, plugins::push))
        .routes(routes!(plugins::show, plugins::remove))
        .routes(routes!(plugins::enable))
        .routes(routes!(plugins::disable))
        .routes(routes!(plugins::try_out))
        .routes(routes!(admin::tenants, admin::add))
        .routes(routes!(admin::remove))
        .routes(routes!(admin::quota))
        .routes(routes!(admin::add_token))
        .routes(routes!(admin::revoke))
        .routes(routes!(admin::mount, admin::unmount))
        .routes(routes!(admin::audit))
        .routes(routes!(admin::workers));
    let (router, mut document) =
        OpenApiRouter::with_openapi(Document::openapi()).nest(ROOT, routes).split_for_parts();
    for operation in operations(&mut document) {
        name(operation);
        say_how_it_is_refused(operation);
    }
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    components.schemas.values_mut().for_each(let_anything_be_null);
    document.security = Some(vec![SecurityRequirement::new("token", [""; 0])]);
    (router, document)
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        all.into_iter().flatten()
    })
}

/// Operations are called as their functions are, which are alike in each module: the tag tells them apart.
fn name(operation: &mut Operation) {
    if let (Some(id), Some(tag)) =
        (&mut operation.operation_id, operation.tags.iter().flatten().next())
    {
        *id = format!("{tag}_{id}");
    }
}

/// Every route can be refused, for reasons that most share: no token, a broken query, too many requests. All
/// refusals are documents of one kind.
fn say_how_it_is_refused(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        if let (true, RefOr::T(response)) = (status.starts_with(['4', '5']), response) {
            let all = std::mem::take(&mut response.content).into_values();
            response.content = all.map(|content| (PROBLEM.to_owned(), content)).collect();
        }
    }
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails")));
    let refused = ResponseBuilder::new().description("Refused").content(PROBLEM, problem.build());
    responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(refused.build()));
}

/// `null` is JSON too: where any JSON may stand, or none, it is both, and not exactly one of the two.
fn let_anything_be_null(document: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = document else { return };
    for property in object.properties.values_mut() {
        let RefOr::T(Schema::OneOf(one)) = property else { continue };
        let is_any = |item: &RefOr<Schema>| matches!(item, RefOr::Ref(to) if to.ref_location.ends_with("/Value"));
        if one.items.iter().any(is_any) {
            let items = std::mem::take(&mut one.items);
            let (schema_type, description) = (one.schema_type.clone(), one.description.take());
            *property =
                RefOr::T(Schema::AnyOf(AnyOf { items, schema_type, description, ..AnyOf::new() }));
        }
    }
}

/// How the house stands.
#[utoipa::path(get, path = "/overview", tag = "house", responses((status = 200, body = Overview)))]
async fn overview(State(app): State<Arc<App>>, Who(caller): Who) -> Reply<axum::Json<Overview>> {
    Ok(axum::Json(app.ask(move |house| house.overview(&caller)).await?))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "house",
    responses((status = 200, body = serde_json::Value)))]
async fn openapi(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.openapi.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_of_the_document_has_a_name_of_its_own() {
        let document = serde_json::to_value(api().1).unwrap();
        let items = document["paths"].as_object().unwrap().values();
        let operations: Vec<_> =
            items.flat_map(|item| item.as_object().unwrap().values()).collect();
        let name =
            |operation: &&serde_json::Value| operation["operationId"].as_str().unwrap().to_owned();
        let names: BTreeSet<String> = operations.iter().map(name).collect();
        assert_eq!(names.len(), operations.len(), "{names:#?}");
        for known in ["runs_list", "plugins_list", "plugins_try_out", "admin_add_token"] {
            assert!(names.contains(known), "{known} is not in {names:#?}");
        }
    }
}
