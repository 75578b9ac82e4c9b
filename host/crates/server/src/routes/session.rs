//! Logging in and out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::admit::{COOKIE, judge};
use crate::app::{App, FAILURES_PER_MINUTE, Who};
use crate::body::{Asked, JsonBody};
use crate::documents::{Login, Session};
use crate::port::{Caller, OpenedSession, Why};
use crate::problem::{ProblemDetails, Refused, Reply};

type Address = ConnectInfo<std::net::SocketAddr>;

fn document(caller: &Caller) -> Json<Session> {
    Json(Session {
        tenant: caller.tenant.clone(),
        admin: caller.admin,
        token: caller.token.clone(),
        expires_ms: caller.expires_ms,
    })
}

/// Not readable by scripts, and sent with no request that another page makes.
fn cookie(app: &App, secret: &str, seconds: u64) -> HeaderValue {
    let secure = if app.https { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={secret}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).expect("tokens are letters, digits and underscores")
}

fn seconds_left(caller: &Caller) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_ms = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    caller.expires_ms.unwrap_or(now_ms).saturating_sub(now_ms) / 1000
}

/// Exchanges a token for a session: a cookie.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Login, security(()),
    responses((status = 200, body = Session), (status = 401, body = ProblemDetails)))]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    ConnectInfo(address): Address,
    JsonBody(Login { token }): JsonBody<Login>,
) -> Reply<Response> {
    let caller = judge(&app, address.ip(), token).await?;
    let OpenedSession { secret, caller } =
        app.ask(move |house| house.open_session(&caller)).await?;
    let cookie = cookie(&app, &secret, seconds_left(&caller));
    Ok(([(header::SET_COOKIE, cookie)], document(&caller)).into_response())
}

/// Who is logged in.
#[utoipa::path(get, path = "/session", tag = "session",
    responses((status = 200, body = Session), (status = 401, body = ProblemDetails)))]
pub(crate) async fn shown(Who(caller): Who) -> Json<Session> {
    document(&caller)
}

/// Logs out.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204)))]
pub(crate) async fn close(State(app): State<Arc<App>>, Who(caller): Who) -> Reply<Response> {
    app.ask(move |house| house.close_session(&caller)).await?;
    let gone = cookie(&app, "", 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Link {
    /// From the link that the server printed; good once, for some minutes.
    code: String,
}

/// Logs in by the link that the server printed, and goes to the dashboard.
#[utoipa::path(get, path = "/login", tag = "session", params(Link), security(()),
    responses((status = 303), (status = 401, body = ProblemDetails)))]
pub(crate) async fn redeem(
    State(app): State<Arc<App>>,
    ConnectInfo(address): Address,
    Asked(Link { code }): Asked<Link>,
) -> Reply<Response> {
    let key = (address.ip(), "code".to_owned());
    if !app.failures.has(&key, FAILURES_PER_MINUTE, Instant::now()) {
        return Err(Refused::new(
            Why::Rate,
            "too many wrong codes from this address: wait a minute",
        ));
    }
    let opened = app.ask(move |house| house.redeem(&code)).await;
    let OpenedSession { secret, caller } = opened.inspect_err(|_| {
        app.counters.refused_logins.fetch_add(1, Ordering::Relaxed);
        app.failures.take(&key, FAILURES_PER_MINUTE, Instant::now());
    })?;
    let cookie = cookie(&app, &secret, seconds_left(&caller));
    let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, HeaderValue::from_static("/"))];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}
