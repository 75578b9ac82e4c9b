//! The server: routes, authentication, limits, event streams, and the dashboard's files. Knows nothing of
//! stores, engines and sandboxes: it asks the house, by one port.

mod admit;
mod app;
mod assets;
mod body;
/// What the API says and takes.
pub mod documents;
mod hosts;
mod log;
mod metrics;
mod port;
mod problem;
mod rates;
mod routes;
mod serve;
mod tails;
mod tls;

pub use port::{Answer, Caller, Download, Follow, Gauge, House, OpenedSession, Push, Refusal, Why};
pub use serve::{ServeConfig, openapi, serve};
pub use tls::{Tls, TlsFiles};
/// What a run's readers wait on.
pub use tokio::sync::watch;
