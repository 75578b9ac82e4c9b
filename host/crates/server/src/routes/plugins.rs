//! Plugins: what there is, and uploads, which go to the disk as they come and are looked into before they
//! count.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::app::{App, Who};
use crate::body::{Asked, JsonBody, to_file};
use crate::documents::{Plugin, Plugins, Tried, Try};
use crate::port::{Push, Why};
use crate::problem::{ProblemDetails, Refused, Reply};

/// Where the quota sets no limit: far more than any component has.
const UPLOAD_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PushQuery {
    /// Let pipelines use it at once.
    enable: Option<bool>,
    /// Take the place of other content under the same name and version, as for a plugin that is still
    /// written; runs that began with the other go on with it.
    replace: Option<bool>,
}

/// All plugins that pipelines can name, and those that are switched off.
#[utoipa::path(get, path = "/plugins", tag = "plugins", responses((status = 200, body = Plugins)))]
pub(crate) async fn list(State(app): State<Arc<App>>, Who(caller): Who) -> Reply<Json<Plugins>> {
    Ok(Json(app.ask(move |house| house.plugins(&caller)).await?))
}

/// Uploads a component: the body is the component itself.
#[utoipa::path(post, path = "/plugins", tag = "plugins", params(PushQuery),
    request_body(content = String, content_type = "application/wasm"),
    responses((status = 201, body = Plugin), (status = 409, body = ProblemDetails),
        (status = 413, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Asked(PushQuery { enable, replace }): Asked<PushQuery>,
    request: Request,
) -> Reply<Response> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_none_or(|kind| !kind.eq_ignore_ascii_case("application/wasm")) {
        let detail = "the body has to be a component, with Content-Type: application/wasm";
        return Err(Refused::new(Why::Malformed, detail));
    }
    let said = request.headers().get(header::CONTENT_LENGTH);
    let said = said.and_then(|said| said.to_str().ok()?.parse().ok());
    let asking = caller.clone();
    let (folder, quota) = app
        .ask(move |house| Ok((house.upload_folder(&asking)?, house.quota(&asking.tenant)?)))
        .await?;
    let wrong = |e: std::io::Error| Refused::internal(format!("an upload has no place: {e}"));
    let place = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
    let mut file = tokio::fs::File::from_std(place.reopen().map_err(wrong)?);
    let bytes_max = quota.upload_bytes.unwrap_or(UPLOAD_BYTES_MAX).min(UPLOAD_BYTES_MAX);
    to_file(request.into_body(), said, &mut file, bytes_max).await?;
    let how = Push { enable: enable.unwrap_or(false), replace: replace.unwrap_or(false) };
    let plugin = app.ask(move |house| house.push(&caller, place.path(), how)).await?;
    Ok((StatusCode::CREATED, Json(plugin)).into_response())
}

/// One plugin: exports, schemas, imports, what it asks for.
#[utoipa::path(get, path = "/plugins/{name}/{version}", tag = "plugins",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = Plugin), (status = 404, body = ProblemDetails)))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path((name, version)): Path<(String, String)>,
) -> Reply<Json<Plugin>> {
    Ok(Json(app.ask(move |house| house.plugin(&caller, &name, &version)).await?))
}

/// Lets pipelines use it.
#[utoipa::path(post, path = "/plugins/{name}/{version}/enable", tag = "plugins",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDetails)))]
pub(crate) async fn enable(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path((name, version)): Path<(String, String)>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.enable(&caller, &name, &version, true)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps pipelines from using it.
#[utoipa::path(post, path = "/plugins/{name}/{version}/disable", tag = "plugins",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails)))]
pub(crate) async fn disable(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path((name, version)): Path<(String, String)>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.enable(&caller, &name, &version, false)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets it.
#[utoipa::path(delete, path = "/plugins/{name}/{version}", tag = "plugins",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails)))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path((name, version)): Path<(String, String)>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.remove_plugin(&caller, &name, &version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Runs a task of it on a sample.
#[utoipa::path(post, path = "/plugins/{name}/{version}/try", tag = "plugins",
    params(("name" = String, Path), ("version" = String, Path)), request_body = Try,
    responses((status = 200, body = Tried), (status = 404, body = ProblemDetails),
        (status = 422, body = ProblemDetails)))]
pub(crate) async fn try_out(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path((name, version)): Path<(String, String)>,
    JsonBody(sample): JsonBody<Try>,
) -> Reply<Json<Tried>> {
    Ok(Json(app.ask(move |house| house.try_plugin(&caller, &name, &version, &sample)).await?))
}
