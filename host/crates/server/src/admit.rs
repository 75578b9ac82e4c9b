//! The layers before every route. Denies by default: what is not listed here as open needs a token or a
//! session. The outermost makes refusals documents, sets the headers that every response has, and writes
//! the log.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::{App, FAILURES_PER_MINUTE};
use crate::log;
use crate::port::{Caller, Refusal, Why};
use crate::problem::{self, Refused, Reply};

/// The cookie of a session.
pub(crate) const COOKIE: &str = "mobula_session";
/// Longest token that is looked at.
const TOKEN_CHARS_MAX: usize = 200;

/// Routes that need neither token nor session. Everything else under these roots does.
fn is_open(path: &str) -> bool {
    let guarded = path.starts_with("/api") || path == "/metrics";
    !guarded || OPEN.contains(&path)
}

/// Open routes of the API: by them one logs in.
const OPEN: [&str; 2] = ["/api/v1/login", SESSION];
const SESSION: &str = "/api/v1/session";

/// Lets in who may ask, and notes who it is.
pub(crate) async fn admit(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    match check(&app, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(refused) => axum::response::IntoResponse::into_response(refused),
    }
}

async fn check(app: &Arc<App>, request: &mut Request) -> Reply<()> {
    let path = request.uri().path().to_owned();
    if path != "/healthz" {
        app.hosts.check_host(request.headers())?;
    }
    let logs_in = path == SESSION && request.method() == axum::http::Method::POST;
    let shown = shown_token(request.headers());
    let by_cookie = matches!(shown, Some(Shown::Cookie(_)));
    let exempt = logs_in || path == "/api/v1/login";
    app.hosts.check_origin(request.method(), request.headers(), by_cookie && !exempt)?;
    if is_open(&path) && (path != SESSION || logs_in) {
        return Ok(());
    }
    let Some(Shown::Cookie(token) | Shown::Bearer(token)) = shown else {
        let detail = "log in first: open the link that the server printed, or send a token";
        return Err(Refused::new(Why::Unauthorized, detail));
    };
    let address = address(request);
    let caller = judge(app, address, token).await?;
    let tenant = caller.tenant.clone();
    let quota = app.ask(move |house| house.quota(&tenant)).await?;
    if let Some(most) = quota.requests_per_minute
        && !app.requests.take(&caller.tenant, most, Instant::now())
    {
        let detail = format!("more than {most} requests in a minute: wait a little");
        return Err(Refused::new(Why::Rate, detail));
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Whose token it is. Who guesses gets no more answers after some wrong ones: guesses at one token are
/// counted apart, so that they do not keep out others behind the same address.
pub(crate) async fn judge(app: &Arc<App>, address: IpAddr, token: String) -> Reply<Caller> {
    let wait = || Refused::new(Why::Rate, "too many wrong tokens from this address: wait a minute");
    let public: String = token.chars().take(11).collect();
    let (of_token, of_address) = ((address, public), (address, String::new()));
    if !app.failures.has(&of_token, FAILURES_PER_MINUTE, Instant::now()) {
        return Err(wait());
    }
    match app.ask(move |house| house.judge(&token)).await {
        Err(Refused(refusal)) if refusal.why == Why::Unauthorized => {
            app.counters.refused_logins.fetch_add(1, Ordering::Relaxed);
            let now = Instant::now();
            app.failures.take(&of_token, FAILURES_PER_MINUTE, now);
            match app.failures.take(&of_address, FAILURES_PER_MINUTE, now) {
                true => Err(Refused(refusal)),
                false => Err(wait()),
            }
        }
        judged => judged,
    }
}

/// A token as it came.
enum Shown {
    Bearer(String),
    Cookie(String),
}

fn shown_token(headers: &HeaderMap) -> Option<Shown> {
    let fits = |token: &&str| token.len() <= TOKEN_CHARS_MAX;
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value
            .to_str()
            .ok()?
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))?;
        return Some(token.1.trim()).filter(fits).map(|token| Shown::Bearer(token.to_owned()));
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    });
    pairs.next().filter(fits).map(|token| Shown::Cookie(token.to_owned()))
}

/// Where the connection comes from.
pub(crate) fn address(request: &Request) -> IpAddr {
    let found = request.extensions().get::<ConnectInfo<SocketAddr>>();
    found.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(address)| address.ip())
}

/// The outermost layer.
pub(crate) async fn outermost(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let log_id = log::id(app.next_log_id.fetch_add(1, Ordering::Relaxed));
    let method = request.method().clone();
    // The route, not the path: what people put into paths is not for the log.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let of_api = request.uri().path().starts_with("/api");
    let address = address(&request);
    let mut response = next.run(request).await;
    let caller = response.extensions_mut().remove::<Caller>();
    let mut refusal = response.extensions_mut().remove::<Refused>().map(|Refused(refusal)| refusal);
    let status = response.status();
    let bare = refusal.is_none() && (status.is_client_error() || status.is_server_error());
    if bare {
        refusal = Some(problem::of_status(status));
    }
    if let Some(refusal) = &refusal {
        response = problem::document(refusal, bare.then_some(status), &log_id);
    }
    headers(response.headers_mut(), of_api || refusal.is_some());
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    app.counters.answered(response.status().as_u16(), micros);
    log::request(&log::Entry {
        id: &log_id,
        method: method.as_str(),
        route: route.as_deref().unwrap_or("-"),
        status: response.status().as_u16(),
        micros,
        address,
        caller: caller.as_ref(),
        refusal: refusal.as_ref(),
    });
    response
}

/// What keeps browsers from doing more with a response than was meant.
fn headers(headers: &mut HeaderMap, of_api: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if of_api {
        set(header::CACHE_CONTROL, "no-store");
        set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox");
    }
}

/// Hands on to the log who asked.
pub(crate) async fn remember_caller(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let mut response = next.run(request).await;
    if let Some(caller) = caller {
        response.extensions_mut().insert(caller);
    }
    response
}

/// What a refusal without a request looks like in tests and fallbacks.
pub(crate) fn nowhere() -> Refused {
    Refused(Refusal::new(Why::NotFound, "there is no such page"))
}
