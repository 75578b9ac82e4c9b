//! The dashboard's files, which are in the program. Only names that are in the program are answered: no
//! path leads to the disk. Every other path that a browser opens is a view of the dashboard, which its
//! first page shows.

use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use include_dir::{Dir, include_dir};

use crate::admit::nowhere;

static FILES: Dir<'_> = include_dir!("$OUT_DIR/web");

/// Scripts, styles, pictures and requests from our own server alone; no other page may frame ours.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// A file of the dashboard, or its first page.
pub(crate) async fn serve(method: Method, uri: Uri) -> Response<Body> {
    let path = uri.path().trim_start_matches('/');
    if uri.path().starts_with("/api") || !(method == Method::GET || method == Method::HEAD) {
        return nowhere().into_response();
    }
    let (path, file) = match FILES.get_file(path) {
        Some(file) => (path, file),
        // What the build made is there or not; views may have dots in their names, such as versions.
        None if path.starts_with("assets/") => return nowhere().into_response(),
        None => match FILES.get_file("index.html") {
            Some(file) => ("index.html", file),
            None => return nowhere().into_response(),
        },
    };
    // What the build names by its content never changes; the rest is asked for again each time.
    let cache = match path.starts_with("assets/") {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind(path))),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (StatusCode::OK, headers, file.contents()).into_response()
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
