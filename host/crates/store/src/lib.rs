//! Durable state in sqlite: runs, their events, checkpoints and plugins. Safe against the death of
//! the process at any instant; the only crate that writes what must outlive it.
//!
//! Synchronous, and usable without the rest of the house.

mod checkpoints;
mod error;
mod events;
mod lock;
mod open;
mod plugins;
mod runs;

pub use checkpoints::{CheckpointRow, Collected, NewCheckpoint, Subject};
pub use error::StoreError;
pub use lock::RunLock;
pub use open::Store;
pub use plugins::PluginRow;
pub use runs::{NewRun, RunRow};
