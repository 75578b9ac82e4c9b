//! Runs: the history, one of them, and what can be done with it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::app::{App, Who};
use crate::body::{Asked, JsonBody};
use crate::documents::{
    Events, Graph, Inject, NewRun, NumberedEvent, Rerun, RunDocument, Runs, RunsQuery, Started,
};
use crate::problem::{ProblemDetails, Reply};

/// Events that are given at once, at most.
const EVENTS_MAX: usize = 2000;
const EVENTS_DEFAULT: usize = 500;

/// The history, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs", params(RunsQuery),
    responses((status = 200, body = Runs)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Asked(asked): Asked<RunsQuery>,
) -> Reply<Json<Runs>> {
    Ok(Json(app.ask(move |house| house.runs(&caller, &asked)).await?))
}

/// Begins a run.
#[utoipa::path(post, path = "/runs", tag = "runs", request_body = NewRun,
    responses((status = 201, body = Started), (status = 422, body = ProblemDetails),
        (status = 429, body = ProblemDetails)))]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    JsonBody(asked): JsonBody<NewRun>,
) -> Reply<Response> {
    let started = app.ask(move |house| house.start(&caller, &asked)).await?;
    Ok(created(started))
}

fn created(started: Started) -> Response {
    let place = format!("/api/v1/runs/{}", started.run);
    let place = HeaderValue::try_from(place).expect("names of runs are letters and digits");
    (StatusCode::CREATED, [(header::LOCATION, place)], Json(started)).into_response()
}

fn accepted(started: Started) -> Response {
    (StatusCode::ACCEPTED, Json(started)).into_response()
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowQuery {
    /// Leave the report's stages, checkpoints, decisions and recoveries empty: of a run of many stages they
    /// are long, and its events tell them as well.
    brief: Option<bool>,
}

/// One run.
#[utoipa::path(get, path = "/runs/{run}", tag = "runs",
    params(("run" = String, Path), ShowQuery),
    responses((status = 200, body = RunDocument), (status = 404, body = ProblemDetails)))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
    Asked(ShowQuery { brief }): Asked<ShowQuery>,
) -> Reply<Json<RunDocument>> {
    let brief = brief.unwrap_or(false);
    Ok(Json(app.ask(move |house| house.run(&caller, &run, brief)).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Only events with a number above this one.
    after: Option<u64>,
    /// 1 to 2000; 500 when not said.
    limit: Option<usize>,
}

/// Events of a run, in order.
#[utoipa::path(get, path = "/runs/{run}/events", tag = "runs",
    params(("run" = String, Path), EventsQuery),
    responses((status = 200, body = Events), (status = 404, body = ProblemDetails)))]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
    Asked(EventsQuery { after, limit }): Asked<EventsQuery>,
) -> Reply<Json<Events>> {
    let after = after.unwrap_or(0);
    let limit = limit.unwrap_or(EVENTS_DEFAULT).clamp(1, EVENTS_MAX);
    let found = app.ask(move |house| house.events(&caller, &run, after, limit)).await?;
    let events: Vec<NumberedEvent> = found.into_iter().map(NumberedEvent::new).collect();
    let last = events.last().map_or(after, |event| event.number);
    Ok(Json(Events { events, last }))
}

/// Stops a run; what is saved stays.
#[utoipa::path(post, path = "/runs/{run}/cancel", tag = "runs", params(("run" = String, Path)),
    responses((status = 202, body = Started), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails)))]
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
) -> Reply<Response> {
    Ok(accepted(app.ask(move |house| house.cancel(&caller, &run)).await?))
}

/// Takes up a run that was interrupted or failed.
#[utoipa::path(post, path = "/runs/{run}/resume", tag = "runs", params(("run" = String, Path)),
    responses((status = 202, body = Started), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails)))]
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
) -> Reply<Response> {
    Ok(accepted(app.ask(move |house| house.resume(&caller, &run)).await?))
}

/// Begins a run of the same pipeline, with changes.
#[utoipa::path(post, path = "/runs/{run}/rerun", tag = "runs", params(("run" = String, Path)),
    request_body = Rerun,
    responses((status = 201, body = Started), (status = 404, body = ProblemDetails),
        (status = 422, body = ProblemDetails)))]
pub(crate) async fn rerun(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
    JsonBody(changes): JsonBody<Rerun>,
) -> Reply<Response> {
    let started = app.ask(move |house| house.rerun(&caller, &run, &changes)).await?;
    Ok(created(started))
}

/// Makes a failure in a run that was started with `chaos`.
#[utoipa::path(post, path = "/runs/{run}/inject", tag = "runs", params(("run" = String, Path)),
    request_body = Inject,
    responses((status = 202, body = Started), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails)))]
pub(crate) async fn inject(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
    JsonBody(Inject { spec }): JsonBody<Inject>,
) -> Reply<Response> {
    Ok(accepted(app.ask(move |house| house.inject(&caller, &run, &spec)).await?))
}

/// Its stages and what they read of each other.
#[utoipa::path(get, path = "/runs/{run}/graph", tag = "runs", params(("run" = String, Path)),
    responses((status = 200, body = Graph), (status = 404, body = ProblemDetails)))]
pub(crate) async fn graph(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
) -> Reply<Json<Graph>> {
    Ok(Json(app.ask(move |house| house.graph(&caller, &run)).await?))
}

/// Which worker ran what and when, as a Chrome trace.
#[utoipa::path(get, path = "/runs/{run}/timeline", tag = "runs", params(("run" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 404, body = ProblemDetails)))]
pub(crate) async fn timeline(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Path(run): Path<String>,
) -> Reply<Json<serde_json::Value>> {
    Ok(Json(app.ask(move |house| house.timeline(&caller, &run)).await?))
}
