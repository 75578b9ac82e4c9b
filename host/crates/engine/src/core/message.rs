//! What reaches the core, and what it wants done.

use mobula_contract::{CheckpointId, EventBody, Failure, OutputNote, RunStatus};

use super::state::{ActorId, SaveId, WorkerId};
use crate::plan::UnitId;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The run begins.
    Started,
    /// A call ended.
    CallEnded {
        /// Which.
        unit: UnitId,
        /// On which worker.
        worker: WorkerId,
        /// Seconds that the call ran.
        runtime_s: f64,
        /// What the output holds and its bytes, or why there is none.
        result: Result<(Vec<(String, OutputNote)>, u64), Failure>,
    },
    /// An actor stands ready, or could not be made.
    ActorStarted {
        /// Which.
        actor: ActorId,
        /// On which worker.
        worker: WorkerId,
        /// Why not.
        result: Result<(), Failure>,
    },
    /// An actor let go after its last call.
    ActorFinished {
        /// Which.
        actor: ActorId,
        /// On which worker.
        worker: WorkerId,
        /// Digest of its state.
        result: Result<String, Failure>,
    },
    /// A worker's thread is gone.
    WorkerLost {
        /// Which.
        worker: WorkerId,
        /// In words.
        message: String,
    },
    /// The state or object is in the writer's hands; the worker goes on.
    SaveTaken {
        /// Which.
        save: SaveId,
        /// Seconds that the worker was held up.
        blocking_s: f64,
        /// Bytes to write.
        bytes: u64,
    },
    /// A save ended.
    SaveEnded {
        /// Which.
        save: SaveId,
        /// Seconds since the decision, and `blake3:…` of the bytes; or why there is none.
        result: Result<(f64, String), Failure>,
    },
    /// The user wants to stop.
    Cancelled,
    /// The host cannot go on, such as when the history cannot be written.
    HostFailed(String),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Start a pool worker.
    SpawnWorker(WorkerId),
    /// Call a task or a method.
    Call {
        /// Which.
        unit: UnitId,
        /// Where.
        worker: WorkerId,
        /// Counted from 1.
        attempt: u32,
    },
    /// Make an actor on a new worker of its own.
    StartActor {
        /// Which.
        actor: ActorId,
        /// The new worker.
        worker: WorkerId,
        /// What to restore.
        from: Option<CheckpointId>,
    },
    /// Give the digest of the actor's state, then let it go.
    FinishActor {
        /// Which.
        actor: ActorId,
        /// Its worker.
        worker: WorkerId,
    },
    /// Snapshot an actor and write it behind.
    SaveState {
        /// Which save.
        save: SaveId,
        /// Which actor.
        actor: ActorId,
        /// Its worker.
        worker: WorkerId,
        /// The call after which it is taken.
        after: UnitId,
        /// Its name from now on.
        id: CheckpointId,
        /// Calls that the state contains.
        position: usize,
    },
    /// Write a task's output behind.
    SaveObject {
        /// Which save.
        save: SaveId,
        /// Whose output.
        unit: UnitId,
        /// Its name from now on.
        id: CheckpointId,
    },
    /// Nobody needs this output any more.
    Release(UnitId),
    /// Write down what happened.
    Record(EventBody),
    /// Tell running calls to stop.
    CancelCalls,
    /// The run is over.
    Finish {
        /// How.
        status: RunStatus,
        /// Why it failed.
        error: Option<String>,
    },
}
