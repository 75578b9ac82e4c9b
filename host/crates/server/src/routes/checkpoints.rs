//! Checkpoints: what is kept, and taking it elsewhere.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use crate::app::{App, Who};
use crate::body::Asked;
use crate::documents::Checkpoints;
use crate::port::Download;
use crate::problem::{ProblemDetails, Refused, Reply};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfRun {
    /// Of one run only.
    run: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HowMuch {
    /// The whole state as it is, instead of safetensors.
    state: Option<bool>,
}

/// Checkpoints, newest first.
#[utoipa::path(get, path = "/checkpoints", tag = "checkpoints", params(OfRun),
    responses((status = 200, body = Checkpoints), (status = 404, body = ProblemDetails)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Asked(OfRun { run }): Asked<OfRun>,
) -> Reply<Json<Checkpoints>> {
    Ok(Json(app.ask(move |house| house.checkpoints(&caller, run.as_deref())).await?))
}

/// A checkpoint as a safetensors file: the weights of a trainer, or the tensors of an output.
#[utoipa::path(get, path = "/checkpoints/{id}/download", tag = "checkpoints",
    params(("id" = String, Path), HowMuch),
    responses((status = 200, content_type = "application/octet-stream", body = String),
        (status = 404, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(crate) async fn download(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(id): Path<String>,
    Asked(HowMuch { state }): Asked<HowMuch>,
) -> Reply<Response> {
    let state = state.unwrap_or(false);
    let Download { file, name } = app.ask(move |house| house.download(&caller, &id, state)).await?;
    let wrong = |e: std::io::Error| Refused::internal(format!("a file cannot be read: {e}"));
    let bytes = file.metadata().map_err(wrong)?.len();
    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE_BYTES);
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// Keeps a checkpoint whatever the retention of its run says.
#[utoipa::path(post, path = "/checkpoints/{id}/pin", tag = "checkpoints",
    params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDetails)))]
pub(crate) async fn pin(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(id): Path<String>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.pin(&caller, &id, true)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a pinned checkpoint go when its time comes.
#[utoipa::path(post, path = "/checkpoints/{id}/unpin", tag = "checkpoints",
    params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDetails)))]
pub(crate) async fn unpin(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(id): Path<String>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.pin(&caller, &id, false)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Drops a checkpoint.
#[utoipa::path(delete, path = "/checkpoints/{id}", tag = "checkpoints",
    params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDetails)))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(id): Path<String>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.drop_checkpoint(&caller, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
