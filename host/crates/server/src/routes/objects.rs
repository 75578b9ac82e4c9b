//! Outputs of stages: what they are, and a look into those that are stored.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::app::{App, Who};
use crate::body::Asked;
use crate::documents::{FieldOf, Objects, Rows};
use crate::port::Why;
use crate::problem::{ProblemDetails, Refused, Reply};

/// Rows that are given at once, at most.
const ROWS_MAX: usize = 100;
const ROWS_DEFAULT: usize = 5;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowsQuery {
    /// The field.
    field: String,
    /// 1 to 100; 5 when not said.
    rows: Option<usize>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImageQuery {
    /// The field.
    field: String,
    /// From 0.
    row: Option<usize>,
}

fn field_of(run: String, stage: String, index: &str, field: String) -> Reply<FieldOf> {
    let wrong = |_| Refused::new(Why::NotFound, "an output has a number, from 0");
    Ok(FieldOf { run, stage, index: index.parse().map_err(wrong)?, field })
}

/// Outputs of a run's stages.
#[utoipa::path(get, path = "/runs/{run}/objects", tag = "objects", params(("run" = String, Path)),
    responses((status = 200, body = Objects), (status = 404, body = ProblemDetails)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
) -> Reply<Json<Objects>> {
    Ok(Json(app.ask(move |house| house.objects(&caller, &run)).await?))
}

/// The first rows of a stored tensor.
#[utoipa::path(get, path = "/runs/{run}/objects/{stage}/{index}", tag = "objects",
    params(("run" = String, Path), ("stage" = String, Path), ("index" = u32, Path), RowsQuery),
    responses((status = 200, body = Rows), (status = 404, body = ProblemDetails)))]
pub(crate) async fn rows(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path((run, stage, index)): Path<(String, String, String)>,
    Asked(RowsQuery { field, rows }): Asked<RowsQuery>,
) -> Reply<Json<Rows>> {
    let of = field_of(run, stage, &index, field)?;
    let rows = rows.unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX);
    Ok(Json(app.ask(move |house| house.rows(&caller, &of, rows)).await?))
}

/// A row of a stored tensor of u8 [n, h, w, 3], as a PNG.
#[utoipa::path(get, path = "/runs/{run}/objects/{stage}/{index}/image", tag = "objects",
    params(("run" = String, Path), ("stage" = String, Path), ("index" = u32, Path), ImageQuery),
    responses((status = 200, content_type = "image/png", body = String),
        (status = 404, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(crate) async fn image(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path((run, stage, index)): Path<(String, String, String)>,
    Asked(ImageQuery { field, row }): Asked<ImageQuery>,
) -> Reply<Response> {
    let of = field_of(run, stage, &index, field)?;
    let image = app.ask(move |house| house.image(&caller, &of, row.unwrap_or(0))).await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], image).into_response())
}
