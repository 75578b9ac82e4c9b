//! Pipelines, before they run.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::app::{App, Who};
use crate::body::JsonBody;
use crate::documents::{CheckPipeline, Checked, Mounts, Pipelines};
use crate::problem::Reply;

/// Looks at a pipeline without running it: for checks as one types.
#[utoipa::path(post, path = "/pipelines/check", tag = "pipelines", request_body = CheckPipeline,
    responses((status = 200, body = Checked)))]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    JsonBody(asked): JsonBody<CheckPipeline>,
) -> Reply<Json<Checked>> {
    Ok(Json(app.ask(move |house| house.check(&caller, &asked)).await?))
}

/// Pipelines to begin from: examples, and those of earlier runs.
#[utoipa::path(get, path = "/pipelines", tag = "pipelines",
    responses((status = 200, body = Pipelines)))]
pub(crate) async fn list(State(app): State<Arc<App>>, Who(caller): Who) -> Reply<Json<Pipelines>> {
    Ok(Json(app.ask(move |house| house.pipelines(&caller)).await?))
}

/// Names of folders that pipelines may mount.
#[utoipa::path(get, path = "/mounts", tag = "pipelines", responses((status = 200, body = Mounts)))]
pub(crate) async fn mounts(State(app): State<Arc<App>>, Who(caller): Who) -> Reply<Json<Mounts>> {
    Ok(Json(app.ask(move |house| house.mounts(&caller)).await?))
}
