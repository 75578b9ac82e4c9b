//! The native CNN trainer: networks, training step, sharding, optimizer, snapshots.
//!
//! Synchronous and alone: no wasm, no sqlite, no async. The same seed gives the same bytes on
//! any number of threads, on any instruction set, and after any restore.

mod buffer;
mod config;
mod core;
mod data;
mod epoch;
mod error;
mod model;
mod network;
mod pool;
mod program;
mod random;
mod schedule;
mod shard;
mod snapshot;
mod step;
mod trainer;

#[cfg(test)]
mod tests;

pub use config::{EpochArgs, Kernels, OptimizerKind, ScheduleKind, TrainerConfig};
pub use data::Images;
pub use epoch::{EpochReport, Evaluation, Progress};
pub use error::TrainError;
pub use model::PRESETS;
pub use network::LayerSummary;
pub use trainer::Trainer;
