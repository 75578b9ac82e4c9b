//! Everything that happens in a run, as one list of events. The report and the timeline are computed
//! from it; what is not here did not happen.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::call::{FailureKind, Level, Receipt};
use crate::id::CheckpointId;
use crate::report::{CheckpointReport, DecisionReport, RecoveryReport};

/// How a run stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// A process works on it.
    Running,
    /// All stages are done.
    Succeeded,
    /// A stage failed for good.
    Failed,
    /// Stopped by its user or by the death of its host; can be resumed.
    Interrupted,
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        })
    }
}

/// One repetition of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StageRef {
    /// The stage.
    pub name: String,
    /// Which repetition, from 0.
    pub index: u32,
    /// Whether the stage has `repeat`, so that the index is worth showing.
    pub repeated: bool,
}

impl fmt::Display for StageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.repeated {
            write!(f, "{}[{}]", self.name, self.index)
        } else {
            f.write_str(&self.name)
        }
    }
}

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RunEvent {
    /// Seconds since the run's first start.
    pub at_s: f64,
    /// What happened.
    pub body: EventBody,
}

/// What an event keeps of one field of an output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum OutputNote {
    /// The whole document.
    Json {
        /// The document.
        value: Json,
    },
    /// A tensor's description.
    Tensor {
        /// Element type.
        dtype: String,
        /// Lengths of its axes.
        shape: Vec<u64>,
    },
    /// How many bytes.
    Bytes {
        /// Length.
        len: u64,
    },
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// A process took the run up.
    RunStarted {
        /// Pool workers.
        workers: u32,
        /// Whether an earlier process had begun it.
        resumed: bool,
    },
    /// A worker took a stage.
    StageStarted {
        /// Which.
        stage: StageRef,
        /// Where.
        worker: String,
        /// Counted from 1.
        attempt: u32,
        /// Whether on an actor.
        on_actor: bool,
        /// Whether it repeats work that a failure had undone.
        replay: bool,
    },
    /// A stage gave its output.
    StageFinished {
        /// Which.
        stage: StageRef,
        /// Where.
        worker: String,
        /// Counted from 1.
        attempt: u32,
        /// Seconds that the call ran.
        runtime_s: f64,
        /// Fields of the output, in their order.
        outputs: Vec<(String, OutputNote)>,
        /// What it cost; absent in histories of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Receipt>,
    },
    /// An attempt failed.
    StageFailed {
        /// Which.
        stage: StageRef,
        /// Where.
        worker: String,
        /// Counted from 1.
        attempt: u32,
        /// What kind of failure.
        kind: FailureKind,
        /// In words.
        message: String,
        /// Whether it will be tried again.
        retried: bool,
        /// What it cost; absent in histories of older versions, and where the worker died.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Receipt>,
    },
    /// It is known how often a stage with `foreach` runs.
    Expanded {
        /// The stage.
        stage: String,
        /// Repetitions so far; all of them once `whole`.
        count: u32,
        /// Whether no more will come.
        whole: bool,
    },
    /// An actor stands ready.
    ActorStarted {
        /// Which.
        actor: String,
        /// Its dedicated worker.
        worker: String,
        /// How many starts before this one.
        restarts: u32,
    },
    /// An actor's state is gone.
    ActorLost {
        /// Which.
        actor: String,
        /// Its worker.
        worker: String,
        /// In words.
        message: String,
    },
    /// An actor did its last call.
    ActorFinished {
        /// Which.
        actor: String,
        /// Digest of its state; absent for a class without one.
        state_digest: Option<String>,
    },
    /// The controller decided.
    Decided {
        /// With all its numbers.
        decision: DecisionReport,
    },
    /// A checkpoint is durable.
    CheckpointSaved {
        /// Which and at what cost.
        checkpoint: CheckpointReport,
        /// The actor whose state it is; absent for a task's output.
        actor: Option<String>,
    },
    /// A checkpoint could not be saved; the run goes on.
    CheckpointFailed {
        /// Which.
        id: CheckpointId,
        /// In words.
        message: String,
    },
    /// A checkpoint that waited to be written gave way to a newer one of the same actor.
    CheckpointReplaced {
        /// Which.
        id: CheckpointId,
    },
    /// A checkpoint proved damaged and is not used; the one before it is.
    CheckpointSetAside {
        /// Which.
        id: CheckpointId,
        /// What is wrong with it.
        message: String,
    },
    /// What the controller knew from earlier runs when this one began.
    Remembered {
        /// In words.
        note: String,
        /// As it keeps it.
        learned: Json,
    },
    /// State was restored after a failure.
    Recovered {
        /// From where, to where.
        recovery: RecoveryReport,
    },
    /// A log line of a stage.
    Log {
        /// Which.
        stage: StageRef,
        /// How loud.
        level: Level,
        /// The line.
        message: String,
    },
    /// A point of a curve.
    Metric {
        /// Which stage.
        stage: StageRef,
        /// Which curve.
        name: String,
        /// Where on it.
        step: u64,
        /// The value.
        value: f64,
    },
    /// How far a call is; shown live, not kept.
    Progress {
        /// Which.
        stage: StageRef,
        /// Units done.
        done: u64,
        /// Units in all, when known.
        total: Option<u64>,
    },
    /// The process let go of the run.
    RunEnded {
        /// How it stands now.
        status: RunStatus,
        /// Numbers of the run as a whole.
        result: Map<String, Json>,
        /// Why it failed.
        error: Option<String>,
    },
}
