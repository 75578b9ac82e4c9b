//! For administrators: tenants, quotas, tokens, the audit log, workers.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::app::{Admin, App};
use crate::body::{Asked, JsonBody};
use crate::documents::{
    Audit, NewMount, NewTenant, NewToken, NewTokenDocument, Tenant, Tenants, Workers,
};
use crate::problem::{ProblemDetails, Reply};

/// Entries of the audit log that are given at once, at most.
const AUDIT_MAX: usize = 1000;
const AUDIT_DEFAULT: usize = 100;

/// All tenants, with what they use.
#[utoipa::path(get, path = "/admin/tenants", tag = "admin",
    responses((status = 200, body = Tenants), (status = 403, body = ProblemDetails)))]
pub(crate) async fn tenants(State(app): State<Arc<App>>, _: Admin) -> Reply<Json<Tenants>> {
    let mut found = app.ask(|house| house.tenants()).await?;
    for tenant in &mut found.tenants {
        tenant.used.requests_last_minute = app.requests.taken(&tenant.name, Instant::now());
    }
    Ok(Json(found))
}

/// Enters a tenant.
#[utoipa::path(post, path = "/admin/tenants", tag = "admin", request_body = NewTenant,
    responses((status = 201, body = Tenant), (status = 403, body = ProblemDetails),
        (status = 409, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    JsonBody(new): JsonBody<NewTenant>,
) -> Reply<Response> {
    let tenant = app.ask(move |house| house.add_tenant(&caller, &new)).await?;
    Ok((StatusCode::CREATED, Json(tenant)).into_response())
}

/// Removes a tenant with all it has.
#[utoipa::path(delete, path = "/admin/tenants/{tenant}", tag = "admin",
    params(("tenant" = String, Path)),
    responses((status = 204), (status = 403, body = ProblemDetails),
        (status = 404, body = ProblemDetails), (status = 409, body = ProblemDetails)))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(tenant): Path<String>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.remove_tenant(&caller, &tenant)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says anew what a tenant may use: what is not said stays, `null` is no limit.
#[utoipa::path(patch, path = "/admin/tenants/{tenant}/quota", tag = "admin",
    params(("tenant" = String, Path)), request_body = serde_json::Value,
    responses((status = 200, body = Tenant), (status = 403, body = ProblemDetails),
        (status = 404, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(crate) async fn quota(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(tenant): Path<String>,
    JsonBody(change): JsonBody<serde_json::Value>,
) -> Reply<Json<Tenant>> {
    Ok(Json(app.ask(move |house| house.set_quota(&caller, &tenant, &change)).await?))
}

/// Gives a tenant a token, which is shown this once.
#[utoipa::path(post, path = "/admin/tenants/{tenant}/tokens", tag = "admin",
    params(("tenant" = String, Path)), request_body = NewToken,
    responses((status = 201, body = NewTokenDocument), (status = 403, body = ProblemDetails),
        (status = 404, body = ProblemDetails)))]
pub(crate) async fn add_token(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(tenant): Path<String>,
    JsonBody(new): JsonBody<NewToken>,
) -> Reply<Response> {
    let token = app.ask(move |house| house.add_token(&caller, &tenant, &new)).await?;
    Ok((StatusCode::CREATED, Json(token)).into_response())
}

/// Takes a token back, and the sessions that it opened.
#[utoipa::path(delete, path = "/admin/tenants/{tenant}/tokens/{token}", tag = "admin",
    params(("tenant" = String, Path), ("token" = String, Path)),
    responses((status = 204), (status = 403, body = ProblemDetails),
        (status = 404, body = ProblemDetails)))]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path((tenant, token)): Path<(String, String)>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.revoke_token(&caller, &tenant, &token)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets pipelines of a tenant mount a folder of this machine, under a name.
#[utoipa::path(put, path = "/admin/tenants/{tenant}/mounts/{mount}", tag = "admin",
    params(("tenant" = String, Path), ("mount" = String, Path)), request_body = NewMount,
    responses((status = 204), (status = 403, body = ProblemDetails),
        (status = 404, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(crate) async fn mount(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path((tenant, mount)): Path<(String, String)>,
    JsonBody(NewMount { folder }): JsonBody<NewMount>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.set_mount(&caller, &tenant, &mount, Some(&folder))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the folder back; runs that have it keep it.
#[utoipa::path(delete, path = "/admin/tenants/{tenant}/mounts/{mount}", tag = "admin",
    params(("tenant" = String, Path), ("mount" = String, Path)),
    responses((status = 204), (status = 403, body = ProblemDetails),
        (status = 404, body = ProblemDetails)))]
pub(crate) async fn unmount(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path((tenant, mount)): Path<(String, String)>,
) -> Reply<StatusCode> {
    app.ask(move |house| house.set_mount(&caller, &tenant, &mount, None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// 1 to 1000; 100 when not said.
    limit: Option<usize>,
}

/// What was done last.
#[utoipa::path(get, path = "/admin/audit", tag = "admin", params(AuditQuery),
    responses((status = 200, body = Audit), (status = 403, body = ProblemDetails)))]
pub(crate) async fn audit(
    State(app): State<Arc<App>>,
    _: Admin,
    Asked(AuditQuery { limit }): Asked<AuditQuery>,
) -> Reply<Json<Audit>> {
    let limit = limit.unwrap_or(AUDIT_DEFAULT).clamp(1, AUDIT_MAX);
    Ok(Json(app.ask(move |house| house.audit(limit)).await?))
}

/// Who uses what just now.
#[utoipa::path(get, path = "/admin/workers", tag = "admin",
    responses((status = 200, body = Workers), (status = 403, body = ProblemDetails)))]
pub(crate) async fn workers(State(app): State<Arc<App>>, _: Admin) -> Reply<Json<Workers>> {
    Ok(Json(app.ask(|house| house.workers()).await?))
}
