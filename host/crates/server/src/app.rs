//! What all routes share, and how they ask the house: on threads that may wait for the disk.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::watch;

use crate::hosts::Hosts;
use crate::metrics::Counters;
use crate::port::{Answer, Caller, House, Why};
use crate::problem::{Refused, Reply};
use crate::rates::Rates;
use crate::tails::Tails;

/// Wrong tokens from one address in a minute, before it gets no answer for a while.
pub(crate) const FAILURES_PER_MINUTE: u32 = 20;

/// What all routes share.
pub(crate) struct App {
    pub(crate) house: Arc<dyn House>,
    pub(crate) hosts: Hosts,
    /// Whether browsers come by https, so that the cookie may say so.
    pub(crate) https: bool,
    /// Requests of each tenant.
    pub(crate) requests: Rates<String>,
    /// Wrong tokens from an address; with a token's public part where one is guessed at.
    pub(crate) failures: Rates<(IpAddr, String)>,
    pub(crate) tails: Tails,
    pub(crate) counters: Counters,
    /// Turns true when the server goes away.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) started: Instant,
    pub(crate) openapi: Bytes,
    pub(crate) next_log_id: AtomicU64,
}

impl App {
    /// Asks the house.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl FnOnce(&dyn House) -> Answer<T> + Send + 'static,
    ) -> Reply<T> {
        let house = Arc::clone(&self.house);
        match tokio::task::spawn_blocking(move || what(&*house)).await {
            Ok(answer) => answer.map_err(Refused::from),
            Err(failed) => Err(Refused::internal(format!("a question did not return: {failed}"))),
        }
    }
}

/// Who asks, as the layer before the routes found out.
pub(crate) struct Who(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Reply<Self> {
        let found = parts.extensions.get::<Caller>().cloned().map(Self);
        found.ok_or_else(|| Refused::new(Why::Unauthorized, "log in first"))
    }
}

/// Who asks, and may administer.
pub(crate) struct Admin(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Reply<Self> {
        let Who(caller) = Who::from_request_parts(parts, state).await?;
        if caller.admin {
            return Ok(Self(caller));
        }
        Err(Refused::new(Why::Denied, "this needs the token of an administrator"))
    }
}
