//! Decides when a checkpoint pays. Pure: time and costs are passed in, decisions come out.
//!
//! Knows nothing of stages, stores or clocks, and has no dependencies, so that it can be simulated,
//! replayed and embedded anywhere.

mod threshold;

pub use threshold::{Decision, NoReason, Observation, Threshold, ThresholdConfig};
