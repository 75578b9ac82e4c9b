//! Bodies and queries of requests: with limits of length and time, and errors in words.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt as _;

use crate::port::Why;
use crate::problem::{Refused, Reply};

/// A pipeline file with everything in it is a few hundred kilobytes at most.
const JSON_BYTES_MAX: usize = 2 << 20;
/// Who needs longer for that sends a byte now and then, to keep a connection busy.
const JSON_TIME_MAX: Duration = Duration::from_secs(20);
/// For a plugin: 64 MiB at half a megabit a second.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(1024);
/// Longest pause within it.
const UPLOAD_PAUSE_MAX: Duration = Duration::from_secs(20);

/// What is read on of a body that is refused.
const DRAIN_BYTES_MAX: usize = 16 << 20;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(3);

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _state: &S) -> Reply<Self> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case("application/json")
        {
            let detail = "the body has to be JSON, with Content-Type: application/json";
            return Err(Refused::new(Why::Malformed, detail));
        }
        let collected = collect(request.into_body());
        let bytes = match tokio::time::timeout(JSON_TIME_MAX, collected).await {
            Err(_) => return Err(Refused::new(Why::Malformed, "the body took too long to come")),
            Ok(collected) => collected?,
        };
        // What is wrong with it says nothing of its values: they may be secrets.
        serde_json::from_slice(&bytes).map(Self).map_err(|e| {
            let what = match e.classify() {
                serde_json::error::Category::Data => data_error(&e.to_string()),
                _ => "it is no JSON".to_owned(),
            };
            let detail =
                format!("the body does not fit: {what} (line {}, column {})", e.line(), e.column());
            Refused::new(Why::Malformed, detail)
        })
    }
}

async fn collect(mut body: Body) -> Reply<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::new(Why::Malformed, "the body broke off"))?;
        let Ok(piece) = frame.into_data() else { continue };
        if bytes.len() + piece.len() > JSON_BYTES_MAX {
            drain(body).await;
            let detail = format!("the body has more than {JSON_BYTES_MAX} bytes");
            return Err(Refused::new(Why::TooLarge, detail));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads on for a while what is refused already: who still sends would not see the answer else.
async fn drain(mut body: Body) {
    let rest = async {
        let mut sum = 0;
        while let Some(Ok(frame)) = body.frame().await {
            sum += frame.data_ref().map_or(0, |piece| piece.len());
            if sum > DRAIN_BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, rest).await;
}

/// An error of serde about a document, without the value that was found.
fn data_error(text: &str) -> String {
    let cut = text.find(" at line ").map_or(text, |at| &text[..at]);
    match cut.split_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None if cut.starts_with("missing field") || cut.starts_with("unknown field") => {
            cut.chars().take(200).collect()
        }
        None => "a value is not what it should be".to_owned(),
    }
}

/// A query.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Reply<Self> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let wrong = "the query does not fit: a name in it is unknown, or a value is none of those that it \
                     may have";
        query.map(|Query(asked)| Self(asked)).map_err(|_| Refused::new(Why::Malformed, wrong))
    }
}

/// Writes a body into a file as it comes, and fails where it has more bytes than it may.
pub(crate) async fn to_file(
    mut body: Body,
    said: Option<u64>,
    file: &mut tokio::fs::File,
    bytes_max: u64,
) -> Reply<u64> {
    let too_large = || {
        let detail = format!("the upload has more than {bytes_max} bytes, which the quota allows");
        Refused::new(Why::TooLarge, detail)
    };
    if said.is_some_and(|said| said > bytes_max) {
        drain(body).await;
        return Err(too_large());
    }
    let broken = |e: std::io::Error| Refused::internal(format!("an upload cannot be written: {e}"));
    let copy = async {
        let mut sum = 0;
        loop {
            let slow = |_| Refused::new(Why::Malformed, "the upload took too long to come");
            let frame = tokio::time::timeout(UPLOAD_PAUSE_MAX, body.frame()).await.map_err(slow)?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|_| Refused::new(Why::Malformed, "the upload broke off"))?;
            let Ok(bytes) = frame.into_data() else { continue };
            sum += bytes.len() as u64;
            if sum > bytes_max {
                return Ok::<Option<u64>, Refused>(None);
            }
            file.write_all(&bytes).await.map_err(broken)?;
        }
        file.flush().await.map_err(broken)?;
        Ok(Some(sum))
    };
    let slow = |_| Refused::new(Why::Malformed, "the upload took too long to come");
    match tokio::time::timeout(UPLOAD_TIME_MAX, copy).await.map_err(slow)?? {
        Some(sum) => Ok(sum),
        None => {
            drain(body).await;
            Err(too_large())
        }
    }
}
