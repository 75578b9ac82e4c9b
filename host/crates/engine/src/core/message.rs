//! What reaches the core, and what it wants done.

use std::fmt;

use mobula_contract::{CheckpointId, EventBody, Failure, OutputNote, Receipt, RunStatus, StageRef};

use crate::retry::Retry;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);
    };
}

id!(
    /// One unit of work and the object that it gives; never used twice in an engine.
    UnitId
);
id!(
    /// An actor; never used twice in an engine.
    ActorId
);
id!(
    /// A session; never used twice in an engine.
    SessionId
);
id!(
    /// A save; never used twice in an engine.
    SaveId
);

/// A worker's number; never used twice in an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u32);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0)
    }
}

/// What a call needs while it runs, or an actor while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Need {
    /// Thousandths of a processor.
    pub cpus_milli: u64,
    /// Bytes.
    pub memory_bytes: u64,
}

/// A unit to be entered.
#[derive(Debug, Clone)]
pub struct Submit {
    /// Its number, new.
    pub unit: UnitId,
    /// Whose it is.
    pub session: SessionId,
    /// Its name in events.
    pub stage: StageRef,
    /// Distinct units whose objects it reads; all are known and not forgotten.
    pub sources: Vec<UnitId>,
    /// The actor that it calls; a task without one.
    pub actor: Option<ActorId>,
    /// What it needs while it runs.
    pub need: Need,
    /// What is done when it fails.
    pub retry: Retry,
    /// Finished by an earlier process: whether its object is at hand, and the seconds that it ran.
    pub done: Option<(bool, f64)>,
    /// Its object was put in from outside: it cannot be made again.
    pub given: bool,
}

/// An actor to be entered.
#[derive(Debug, Clone)]
pub struct NewActor {
    /// Its number, new.
    pub actor: ActorId,
    /// Whose it is.
    pub session: SessionId,
    /// Its name in events.
    pub name: String,
    /// What it needs while it lives; what a call needs comes with the call.
    pub need: Need,
    /// How often it may be made anew, and when.
    pub retry: Retry,
    /// It is made at once, not when its first call can run.
    pub eager: bool,
    /// What an earlier process left of it.
    pub left: Option<LeftActor>,
}

/// What an earlier process left of an actor.
#[derive(Debug, Clone, Default)]
pub struct LeftActor {
    /// Checkpoints that can be restored: name and calls contained, in order of position.
    pub durables: Vec<(CheckpointId, usize)>,
    /// Starts after the first.
    pub restarts: u32,
    /// The calls that had ended, and the seconds that each ran.
    pub ended: Vec<(StageRef, f64)>,
    /// The call that was under way or next.
    pub under_way: Option<StageRef>,
    /// The earlier process stopped because its user wanted it to: no failure to learn from.
    pub by_user: bool,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Units come in, in this order.
    Submitted(Vec<Submit>),
    /// An actor comes in.
    ActorCreated(Box<NewActor>),
    /// No more calls will come for this actor; it ends after the last.
    ActorSealed(ActorId),
    /// Nobody wants this actor to live on.
    ActorKilled(ActorId),
    /// Nothing more will come in this session; it ends with its last unit.
    SessionSealed(SessionId),
    /// The user wants the session to stop.
    SessionCancelled(SessionId),
    /// The session cannot go on, such as when its history cannot be written.
    SessionFailed(SessionId, String),
    /// The machine goes away in so many seconds: what is unsaved is saved as soon as that can be done,
    /// and then the session stops.
    SessionNoticed(SessionId, f64),
    /// Nobody outside wants the object of this unit any more.
    Dropped(UnitId),
    /// Nobody wants this unit to run, or to run on.
    Cancelled(UnitId),
    /// A call ended.
    CallEnded {
        /// Which.
        unit: UnitId,
        /// On which worker.
        worker: WorkerId,
        /// What it cost.
        receipt: Receipt,
        /// Whether the actor can be called again; true for tasks.
        alive: bool,
        /// What the output holds and its bytes, or why there is none.
        result: Result<(Vec<(String, OutputNote)>, u64), Failure>,
    },
    /// A running call waits for others and computes nothing: what it takes can be used meanwhile.
    Paused(UnitId),
    /// A paused call would go on.
    Resuming(UnitId),
    /// A running stream gave an object, which is in the store under a number of its own.
    Emitted {
        /// The stream.
        unit: UnitId,
        /// Counted from 0 in each attempt.
        index: usize,
        /// The number of the object: a new one for the first of this index.
        item: UnitId,
    },
    /// Whoever carries out a running call lost it, and began it anew without being told to.
    TriedAgain {
        /// Whose call.
        unit: UnitId,
        /// In words.
        message: String,
    },
    /// An object that should be in the store is not.
    Lost(UnitId),
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
    /// It waited to be written, and gave way to a newer one of the same actor.
    SaveReplaced(SaveId),
    /// A save ended.
    SaveEnded {
        /// Which.
        save: SaveId,
        /// Seconds since the decision, and `blake3:…` of the bytes; or why there is none.
        result: Result<(f64, String), Failure>,
    },
    /// The delay that the core asked for is over.
    Due(Due),
}

/// What waits for a delay to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Another attempt of a unit.
    Retry(UnitId),
    /// Another start of an actor.
    Restart(ActorId),
    /// The end of a session whose machine goes away.
    Notice(SessionId),
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
    /// Let an actor go as it is.
    DismissWorker(WorkerId),
    /// Snapshot an actor and write it behind.
    SaveState {
        /// Which save.
        save: SaveId,
        /// Which actor.
        actor: ActorId,
        /// Its worker.
        worker: WorkerId,
        /// The stage after which it is taken.
        after: StageRef,
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
        /// Its name in events.
        stage: StageRef,
        /// Its name from now on.
        id: CheckpointId,
    },
    /// The unit has its object, or will never have one.
    Resolved {
        /// Which.
        unit: UnitId,
        /// Why not.
        result: Result<(), Failure>,
    },
    /// The unit had its object, lost it, and makes it again.
    Unresolved(UnitId),
    /// A stream has one more object.
    ItemResolved {
        /// The stream.
        unit: UnitId,
        /// The number of the object.
        item: UnitId,
    },
    /// Nobody needs this object any more.
    Release(UnitId),
    /// Nothing will ask for this unit again.
    Forget(UnitId),
    /// Nothing will ask for this actor again.
    ForgetActor(ActorId),
    /// Write down what happened.
    Record(SessionId, EventBody),
    /// Tell a running call to stop.
    CancelCall(UnitId),
    /// Tell a paused call to go on.
    Resume(UnitId),
    /// Send word after so many milliseconds.
    Wake {
        /// Milliseconds from now.
        after_ms: u64,
        /// What for.
        due: Due,
    },
    /// The session is over.
    Finish {
        /// Which.
        session: SessionId,
        /// How.
        status: RunStatus,
        /// Why it failed.
        error: Option<String>,
    },
}
