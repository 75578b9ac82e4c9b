//! Runs a pipeline: scheduler, workers, actors, objects, retries, recovery. A pure core decides
//! (`step(event, now) -> effects`), a thin shell of threads does.
//!
//! Knows nothing of wasm, sqlite or networks: those come in through the ports.

mod core;
mod fault;
mod plan;
mod port;
mod run;
mod worker;
mod writer;

pub use crate::core::{
    ActorId, Core, Effect, Event, Left, NameCheckpoint, Resume, SaveId, WorkerId,
};
pub use fault::{Fault, FaultKind};
pub use plan::{Plan, PlanActor, PlanUnit, UnitId};
pub use port::{Actor, Call, Journal, Policy, Save, Seen, Stages, Verdict};
pub use run::{CancelHandle, Outcome, Run, RunConfig};
pub use worker::CallContext;
