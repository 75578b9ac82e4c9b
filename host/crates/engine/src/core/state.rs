//! What the core remembers of each unit, actor and save.

use std::fmt;

use mobula_contract::CheckpointId;

use crate::plan::{PlanActor, PlanUnit, UnitId};

/// A worker's number; never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u32);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0)
    }
}

/// An actor's number in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId(pub usize);

/// A save's number in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaveId(pub usize);

#[derive(Debug, Clone)]
pub(super) struct UnitState {
    /// Attempts begun, replays counted.
    pub(super) attempt: u32,
    /// The worker that runs it now.
    pub(super) on: Option<WorkerId>,
    /// It has succeeded at least once.
    pub(super) done: bool,
    /// Its output is in the object store.
    pub(super) held: bool,
    /// It will not read its inputs again.
    pub(super) settled: bool,
    /// Units that still read its output.
    pub(super) readers: usize,
    /// It has been handed to the queue of ready tasks.
    pub(super) queued: bool,
    /// The next attempt repeats work that a failure had undone.
    pub(super) replay: bool,
    /// Where it failed last.
    pub(super) failed_on: Option<WorkerId>,
    /// Seconds of its last success.
    pub(super) runtime_s: f64,
}

impl UnitState {
    pub(super) fn new(unit: &PlanUnit) -> Self {
        Self {
            attempt: 0,
            on: None,
            done: false,
            held: false,
            settled: false,
            readers: unit.consumers.len(),
            queued: false,
            replay: false,
            failed_on: None,
            runtime_s: 0.0,
        }
    }
}

/// Where an actor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not made yet, or to be made anew.
    Absent,
    /// State lost; what to restore is not decided yet.
    Lost,
    Starting,
    Idle,
    Busy,
    Finishing,
    Over,
}

/// A checkpoint of an actor's state that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Durable {
    pub(super) id: CheckpointId,
    /// Calls that it contains.
    pub(super) position: usize,
}

#[derive(Debug, Clone)]
pub(super) struct ActorState {
    pub(super) phase: Phase,
    pub(super) worker: Option<WorkerId>,
    /// The next call.
    pub(super) next: usize,
    /// Starts after the first.
    pub(super) restarts: u32,
    /// Those that count against the limit: not the death of the host.
    pub(super) failures: u32,
    /// In order of position.
    pub(super) durables: Vec<Durable>,
    /// The save under way.
    pub(super) in_flight: Option<SaveId>,
    /// Seconds spent on saves since the failure before.
    pub(super) spent_s: f64,
    /// Bytes of the newest snapshot.
    pub(super) bytes: Option<u64>,
}

impl ActorState {
    pub(super) fn new(actor: &PlanActor) -> Self {
        Self {
            phase: if actor.calls.is_empty() { Phase::Over } else { Phase::Absent },
            worker: None,
            next: 0,
            restarts: 0,
            failures: 0,
            durables: Vec::new(),
            in_flight: None,
            spent_s: 0.0,
            bytes: None,
        }
    }

    /// Calls that are safe on disk.
    pub(super) fn durable_position(&self) -> usize {
        self.durables.last().map_or(0, |durable| durable.position)
    }
}

/// A save under way or ended.
#[derive(Debug, Clone)]
pub(super) struct Saving {
    pub(super) id: CheckpointId,
    /// The unit after which it was decided.
    pub(super) after: UnitId,
    /// The task whose output it is.
    pub(super) unit: Option<UnitId>,
    /// The actor whose state it is.
    pub(super) actor: Option<ActorId>,
    /// Calls of the actor that it contains.
    pub(super) position: usize,
    pub(super) blocking_s: f64,
    pub(super) bytes: u64,
    /// The snapshot is made; the writer has it.
    pub(super) taken: bool,
    pub(super) ended: bool,
}
