//! Runs tasks and actors: scheduler, workers, objects, retries, recovery. A pure core decides
//! (`step(event) -> effects`), a thin shell of threads does.
//!
//! Knows nothing of wasm, sqlite or networks: those come in through the ports.

mod actor;
mod context;
pub mod core;
mod drive;
mod engine;
mod fault;
mod inner;
mod input;
mod journal;
mod needs;
mod objects;
mod plan;
mod policy;
mod port;
mod refs;
mod retry;
mod run;
mod session;
mod slot;
mod task;
mod timer;
mod worker;
mod writer;

pub use crate::core::{Names, Need};
pub use actor::{Actor as NewActor, ActorHandle};
pub use engine::{
    CancelHandle, Engine, EngineConfig, PENDING_MAX, PROCESS_BYTES, Session, SessionConfig,
};
pub use fault::{Fault, FaultKind};
pub use needs::misfits;
pub use objects::MemoryUse;
pub use plan::Left;
pub use policy::{Cause, Learned, Lost, Policy, Restored, Saved, Seen, Subject, Verdict};
pub use port::{Actor, Call, Journal, Save, Stages};
pub use refs::{FieldRef, ObjectRef, ObjectStream, wait};
pub use retry::{DELAY_FIRST_MS, Retry};
pub use run::{Outcome, Run};
pub use task::{MAILBOX_MAX, Task};
