//! Refusals as documents: `application/problem+json` (RFC 9457), with an id that finds the rest in the log.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::documents::Problem;
use crate::port::{Refusal, Why};

/// What every error looks like.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDetails {
    /// What kind it is, such as `/problems/not-found`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The kind in words.
    pub(crate) title: String,
    /// The status of the response.
    pub(crate) status: u16,
    /// What happened and what to do.
    pub(crate) detail: String,
    /// Finds the request in the server's log.
    pub(crate) log_id: String,
    /// What is wrong with a pipeline, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<Problem>,
}

/// A refusal on its way out; the outermost layer makes it a document.
#[derive(Debug, Clone)]
pub(crate) struct Refused(pub(crate) Refusal);

/// What handlers give.
pub(crate) type Reply<T> = Result<T, Refused>;

impl Refused {
    pub(crate) fn new(why: Why, detail: impl Into<String>) -> Self {
        Self(Refusal::new(why, detail))
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self(Refusal::internal(message))
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let mut response = status(self.0.why).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn status(why: Why) -> StatusCode {
    match why {
        Why::Malformed => StatusCode::BAD_REQUEST,
        Why::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Why::Unauthorized => StatusCode::UNAUTHORIZED,
        Why::Denied => StatusCode::FORBIDDEN,
        Why::NotFound => StatusCode::NOT_FOUND,
        Why::Conflict => StatusCode::CONFLICT,
        Why::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Why::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Why::Quota | Why::Rate => StatusCode::TOO_MANY_REQUESTS,
        Why::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Why::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn names(why: Why) -> (&'static str, &'static str) {
    match why {
        Why::Malformed => ("malformed", "the request is broken"),
        Why::Invalid => ("invalid", "what was asked is not valid"),
        Why::Unauthorized => ("unauthorized", "not logged in"),
        Why::Denied => ("denied", "not allowed"),
        Why::NotFound => ("not-found", "not found"),
        Why::Conflict => ("conflict", "not possible as things stand"),
        Why::TooLarge => ("too-large", "too large"),
        Why::Misdirected => ("misdirected", "not a name of this server"),
        Why::Quota => ("quota", "quota used up"),
        Why::Rate => ("rate", "too many requests"),
        Why::Unavailable => ("unavailable", "not available now"),
        Why::Internal => ("internal", "the server failed"),
    }
}

/// The document of a refusal; `bare` is the status that the router gave, where it was the router's.
pub(crate) fn document(
    refusal: &Refusal,
    bare: Option<StatusCode>,
    log_id: &str,
) -> Response<Body> {
    let (kind, title) = names(refusal.why);
    let status = bare.unwrap_or_else(|| status(refusal.why));
    let details = ProblemDetails {
        kind: format!("/problems/{kind}"),
        title: title.to_owned(),
        status: status.as_u16(),
        detail: refusal.detail.clone(),
        log_id: log_id.to_owned(),
        problems: refusal.problems.clone(),
    };
    let text = serde_json::to_string(&details).expect("texts become JSON");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let problem = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, problem);
    match refusal.why {
        Why::Unauthorized => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Why::Rate => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    response
}

/// The refusal that a bare status stands for: of the router, which writes no documents.
pub(crate) fn of_status(status: StatusCode) -> Refusal {
    match status {
        StatusCode::NOT_FOUND => {
            let detail = "there is no such route: /api/v1/openapi.json lists those there are";
            Refusal::new(Why::NotFound, detail)
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            Refusal::new(Why::Malformed, "the route does not take this method")
        }
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(Why::TooLarge, "the body is too long"),
        other if other.is_client_error() => {
            Refusal::new(Why::Malformed, "the request cannot be read")
        }
        other => Refusal::internal(format!("a bare {other}")),
    }
}
