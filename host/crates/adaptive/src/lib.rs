//! Decides when a checkpoint pays. Pure: time and costs are passed in, decisions come out.
//!
//! Knows nothing of stages, stores or clocks, and has no dependencies, so that it can be simulated,
//! replayed and embedded anywhere. What it does and why is in `host/CONTROLLER.md`.

mod breakeven;
mod budget;
mod controller;
mod decision;
mod feedback;
mod kind;
mod learned;
mod output;
mod rate;
pub mod simulate;
mod subject;
mod threshold;

pub use breakeven::{expected_loss_s, pays_from_s};
pub use budget::BudgetState;
pub use controller::{Config, Controller, StateSeen};
pub use decision::{Answer, Cost, Decision, NoReason, YesReason};
pub use feedback::{Feedback, Restored, Saved};
pub use kind::{PolicyKind, UnknownPolicy};
pub use learned::{Learned, LearnedSubject};
pub use output::{OutputSeen, Use};
pub use rate::{LearnedRate, RATES, RateEstimate, RateModel};
pub use subject::{Probe, SubjectId, SubjectKind};
pub use threshold::{BasicDecision, BasicNo, Observation, Threshold, ThresholdConfig};
