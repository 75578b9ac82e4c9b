//! Durable state in sqlite: runs, their events, checkpoints, plugins, and what controllers learned.
//! Safe against
//! the death of the process at any instant, and against damage; the only crate that writes what must
//! outlive the process.
//!
//! Synchronous, and usable without the rest of the house. A [`Store`] is one connection; any number of
//! them, in
//! any number of processes, may have one home folder.

mod blobs;
mod checkpoints;
mod chunks;
mod error;
mod events;
mod files;
mod learned;
mod load;
mod lock;
mod migrate;
mod open;
mod plugins;
mod retention;
mod runs;
mod served;
mod tenants;
mod tend;
mod tokens;
mod verify;

pub use checkpoints::{Better, CheckpointRow, Metric, NewCheckpoint, Parts, Saved, Subject};
pub use error::StoreError;
pub use files::{Disk, Entry, Files, NewFile, WRITE_BYTES_MAX};
pub use learned::Learned;
pub use load::{Newest, SetAside};
pub use lock::RunLock;
pub use open::{OpenOptions, Store};
pub use plugins::PluginRow;
pub use retention::{Collected, Retention};
pub use runs::{NewRun, RunRow, RunsAsked};
pub use served::Served;
pub use tenants::{AuditEntry, DEFAULT_TENANT, TenantRow};
pub use tend::{Keeper, LOG_BYTES_MAX};
pub use tokens::{NewToken, TokenRow, Verdict};
pub use verify::{Finding, Verification};
