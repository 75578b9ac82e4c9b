//! Policies against failures, simulated: the same controller that the engine uses, and yardsticks that
//! know more than any policy can.

mod chain;
mod clairvoyant;
mod drawn;
mod failure;
mod job;
mod named;
mod policy;
mod random;
mod recorded;
mod regime;
mod table;

pub use chain::{Chain, ChainPolicy, against_best, best_s, chains, decided_s, expected_s};
pub use drawn::drawn_regimes;
pub use failure::{Failure, instants_s};
pub use job::{
    Decider, Happened, JOB, JOB_BYTES, Job, Outcome, RATIO_MAX, controller_at_start, simulate,
    traced,
};
pub use named::named_regimes;
pub use policy::{Budgeted, SimulatedPolicy};
pub use recorded::{RecordedRun, Replayed, replay};
pub use regime::{Problem, Regime, UNITS_MAX};
pub use table::{Row, summarise};
