//! The native CNN trainer: networks, training step, sharding, optimizer, snapshots.
//!
//! Synchronous and alone: no wasm, no sqlite, no async. The same seed gives the same bytes on
//! any number of threads, on any instruction set, and after any restore.

mod buffer;
mod config;
mod core;
mod data;
mod dense;
mod epoch;
mod error;
mod memory;
mod model;
mod network;
mod parse;
mod pool;
mod program;
mod random;
mod recipe;
mod schedule;
mod settings;
mod shard;
mod snapshot;
mod step;
mod summary;
mod trainer;
mod weights;

#[cfg(test)]
mod tests;

pub use config::{EpochArgs, Kernels, OptimizerKind, Recipe, ScheduleKind, TrainerConfig};
pub use data::Images;
pub use epoch::{EpochReport, Evaluation, Progress};
pub use error::TrainError;
pub use memory::MemoryReport;
pub use model::PRESETS;
pub use settings::TrainerSettings;
pub use summary::{Flops, LayerSummary};
pub use trainer::Trainer;
