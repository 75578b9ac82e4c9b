//! Listening: connections with limits of number and time, and an end in order.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::admit::{admit, outermost, remember_caller};
use crate::app::{Admin, App};
use crate::hosts::Hosts;
use crate::metrics::Counters;
use crate::port::House;
use crate::problem::Reply;
use crate::rates::Rates;
use crate::tails::Tails;
use crate::tls::Tls;
use crate::{assets, routes};

/// Connections at one time.
const CONNECTIONS_MAX: usize = 2000;
/// Of one address.
const CONNECTIONS_PER_ADDRESS: u32 = 600;
/// In this time a request has to say what it wants, and a connection that is kept has to be used again.
const HEAD_TIME_MAX: Duration = Duration::from_secs(15);
/// A reader that takes nothing for so long is gone.
const WRITE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// How long connections have to end when the server does.
const END_TIME_MAX: Duration = Duration::from_secs(5);
/// Threads that ask the house.
const ASKING_THREADS: usize = 32;

/// How to listen.
#[derive(Debug)]
pub struct ServeConfig {
    /// Where.
    pub listener: TcpListener,
    /// What the server is called besides its address: `name` or `name:port`.
    pub hosts: Vec<String>,
    /// Whether browsers come by https, through a proxy.
    pub https: bool,
    /// Connections are encrypted with this; plain when absent.
    pub tls: Option<Tls>,
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> String {
    routes::api().1.to_pretty_json().expect("a document becomes JSON")
}

/// Serves until `stopping` turns true and the connections ended, on this thread and some of its own.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(
    config: ServeConfig,
    house: Arc<dyn House>,
    stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(ASKING_THREADS)
        .thread_name("server")
        .enable_all()
        .build()?;
    runtime.block_on(listen(config, house, stopping))?;
    runtime.shutdown_timeout(END_TIME_MAX);
    Ok(())
}

fn router(app: &Arc<App>, api: Router<Arc<App>>) -> Router {
    // From the innermost to the outermost.
    api.route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .fallback(assets::serve)
        .layer(from_fn(remember_caller))
        .layer(from_fn_with_state(Arc::clone(app), admit))
        .layer(from_fn_with_state(Arc::clone(app), outermost))
        .with_state(Arc::clone(app))
}

async fn metrics(State(app): State<Arc<App>>, _: Admin) -> Reply<Response> {
    let gauges = app.ask(|house| house.gauges()).await?;
    let text = app.counters.text(app.started.elapsed().as_secs_f64(), &gauges);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

async fn listen(
    config: ServeConfig,
    house: Arc<dyn House>,
    mut stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let ServeConfig { listener, hosts, https, tls } = config;
    let (api, document) = routes::api();
    let app = Arc::new(App {
        house,
        hosts: Hosts::new(listener.local_addr()?, &hosts),
        https: https || tls.is_some(),
        requests: Rates::default(),
        failures: Rates::default(),
        tails: Tails::default(),
        counters: Counters::default(),
        stopping: stopping.clone(),
        started: Instant::now(),
        openapi: document.to_json().expect("a document becomes JSON").into(),
        next_log_id: AtomicU64::new(1),
    });
    let router = router(&app, api);
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let addresses = Arc::new(Addresses::default());
    let mut open = JoinSet::new();
    while !*stopping.borrow() {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stopping.changed() => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
        };
        let Some((stream, address, place)) = accepted else { continue };
        let Some(counted) = addresses.enter(address.ip()) else { continue };
        let (app, router) = (Arc::clone(&app), router.clone());
        let acceptor = tls.as_ref().map(Tls::acceptor);
        open.spawn(async move {
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => connection(app, router, stream, address).await,
                Some(acceptor) => {
                    let greeting = tokio::time::timeout(HEAD_TIME_MAX, acceptor.accept(stream));
                    if let Ok(Ok(stream)) = greeting.await {
                        connection(app, router, stream, address).await;
                    }
                }
            }
            drop((place, counted));
        });
    }
    drop(listener);
    let all = async { while open.join_next().await.is_some() {} };
    // Who does not go is left behind.
    let _ = tokio::time::timeout(END_TIME_MAX, all).await;
    Ok(())
}

async fn accept(
    listener: &tokio::net::TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(_) => {
            // Out of files, for instance: trying at once would only keep the processor busy.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection(
    app: Arc<App>,
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    address: SocketAddr,
) {
    app.counters.connections.fetch_add(1, Ordering::Relaxed);
    let mut stream = tokio_io_timeout::TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_PAUSE_MAX));
    let service = router.map_request(move |mut request: axum::http::Request<_>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(service.map_request(
                |request: axum::http::Request<hyper::body::Incoming>| {
                    request.map(axum::body::Body::new)
                },
            )),
        );
    let mut serving = std::pin::pin!(serving);
    let mut stopping = app.stopping.clone();
    let stopped = async {
        while !*stopping.borrow() {
            if stopping.changed().await.is_err() {
                return;
            }
        }
    };
    // What goes wrong with a connection is the business of its other end.
    tokio::select! {
        _ = serving.as_mut() => {}
        () = stopped => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
    app.counters.connections.fetch_sub(1, Ordering::Relaxed);
}

/// Connections of each address.
#[derive(Debug, Default)]
struct Addresses(Mutex<HashMap<IpAddr, u32>>);

/// One of them, while it is open.
struct Counted(Arc<Addresses>, IpAddr);

impl Addresses {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= CONNECTIONS_PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Counted(Arc::clone(self), address))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}
