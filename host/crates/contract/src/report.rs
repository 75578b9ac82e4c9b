//! The document that ends a run, as scripts read it. The names here are a contract.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::call::Receipt;
use crate::event::RunStatus;
use crate::id::{CheckpointId, RunId};

/// `run.finished`: everything that one run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RunReport {
    /// Always `run.finished`.
    #[serde(rename = "$type")]
    pub document: String,
    /// Which run.
    pub run: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// The seed of everything random in it.
    pub seed: u64,
    /// Seconds from its first start to its end, pauses between resumes included.
    pub wall_s: f64,
    /// Every attempt of every stage, in order of start.
    pub stages: Vec<StageReport>,
    /// The actors.
    pub actors: Vec<ActorReport>,
    /// Checkpoints that became durable.
    pub checkpoints: Vec<CheckpointReport>,
    /// What the controller decided.
    pub decisions: Vec<DecisionReport>,
    /// What was restored after failures.
    pub recoveries: Vec<RecoveryReport>,
    /// What all calls cost together, failed ones included.
    #[serde(default)]
    pub cost: CostReport,
    /// What checkpoints cost, and what they were worth.
    #[serde(default)]
    pub account: AccountReport,
    /// Numbers of the run as a whole, such as `test_accuracy`.
    pub result: Map<String, Json>,
    /// Why it failed; absent after success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One attempt of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StageReport {
    /// The stage.
    pub name: String,
    /// Which repetition, from 0; 0 for a stage without `repeat`.
    pub index: u32,
    /// `task` or `actor`.
    pub kind: String,
    /// Which worker ran it.
    pub worker: String,
    /// Counted from 1.
    pub attempt: u32,
    /// `succeeded`, `failed`, `interrupted` or `running`.
    pub status: String,
    /// Seconds since the run's first start.
    pub started_s: f64,
    /// Seconds since the run's first start; absent while it runs.
    pub ended_s: Option<f64>,
    /// JSON fields as they are, others described.
    pub outputs: Map<String, Json>,
    /// Whether it repeats work that a failure had undone.
    pub replay: bool,
    /// What it cost; absent while it runs, and where the worker died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The receipts of a run's calls together.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CostReport {
    /// Calls that ended.
    pub calls: u64,
    /// Those of them that were the first since a process took up their plugin.
    pub cold_calls: u64,
    /// Seconds of all calls, one after another.
    pub wall_s: f64,
    /// Seconds of computing.
    pub cpu_s: f64,
    /// Most bytes of guest memory that a call had.
    pub memory_peak_bytes: u64,
    /// Bytes that went into guests.
    pub bytes_in: u64,
    /// Bytes that came out of them.
    pub bytes_out: u64,
}

impl CostReport {
    pub(crate) fn add(&mut self, receipt: &Receipt) {
        self.calls += 1;
        self.cold_calls += u64::from(receipt.cold);
        self.wall_s += receipt.wall_s;
        self.cpu_s += receipt.cpu_s;
        self.memory_peak_bytes = self.memory_peak_bytes.max(receipt.memory_peak_bytes);
        self.bytes_in += receipt.bytes_in;
        self.bytes_out += receipt.bytes_out;
    }
}

/// One actor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ActorReport {
    /// The actor.
    pub name: String,
    /// How often it was made anew after a failure.
    pub restarts: u32,
    /// Digest of its state after its last call; absent when it never got there.
    pub state_digest: Option<String>,
}

/// One durable checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CheckpointReport {
    /// Which checkpoint.
    pub id: CheckpointId,
    /// The stage after which it was taken.
    pub stage: String,
    /// Which repetition of it.
    pub index: u32,
    /// Bytes of the state or object.
    pub bytes: u64,
    /// Seconds that the stage's worker was held up.
    pub blocking_s: f64,
    /// Seconds from the decision until it was durable.
    pub total_s: f64,
    /// `blake3:` and the digest of the bytes.
    pub digest: String,
}

/// One decision of the controller, with the numbers that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DecisionReport {
    /// The stage that had finished.
    pub stage: String,
    /// Which repetition of it.
    pub index: u32,
    /// Whether a checkpoint was taken.
    pub checkpoint: bool,
    /// In words.
    pub reason: String,
    /// Seconds that the stage ran.
    pub runtime_s: f64,
    /// What is compared with the threshold.
    pub ratio: f64,
    /// What the ratio has to reach.
    pub threshold: f64,
    /// What is left of the budget, in the unit of the policy; absent without a limit.
    pub budget_left: Option<f64>,
    /// Seconds that a failure right now would lose.
    pub expected_loss_s: f64,
    /// Seconds that the save is expected to cost.
    pub cost_s: f64,
    /// What else the policy knew; absent for policies that know nothing of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<DecisionDetail>,
}

/// What the adaptive policy knew when it decided.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DecisionDetail {
    /// Useful seconds that no checkpoint held.
    pub unsaved_s: f64,
    /// Failures per hour that were expected.
    pub failures_per_hour: f64,
    /// With nine chances in ten they were more than the first and fewer than the second.
    pub failures_per_hour_90: [f64; 2],
    /// Failures that it had seen.
    pub failures_seen: u32,
    /// Seconds that a save was expected to hold the worker up.
    pub cost_blocking_s: f64,
    /// Seconds that writing it was expected to slow others down.
    pub cost_background_s: f64,
    /// Share of the useful time that saves had taken so far.
    pub overhead_used: f64,
    /// The first rule that forbade the save, as one word; absent when it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// A save is expected after so many units more; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_in_units: Option<u32>,
}

/// One recovery from a failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RecoveryReport {
    /// The stage that was under way or next when state was lost.
    pub stage: String,
    /// Which repetition of it.
    pub index: u32,
    /// What was restored; absent when nothing had been saved.
    pub from_checkpoint: Option<CheckpointId>,
    /// Index of the last repetition that the checkpoint holds; absent without one.
    pub restored_to: Option<u32>,
    /// Seconds that the checkpoint kept, less the cost of the saves since the failure before.
    pub benefit_s: f64,
    /// The threshold before the controller learned from it.
    pub threshold_before: f64,
    /// And after.
    pub threshold_after: f64,
    /// Useful seconds that were lost with the state, the call under way included.
    #[serde(default)]
    pub lost_s: f64,
    /// Useful seconds that the checkpoint kept.
    #[serde(default)]
    pub kept_s: f64,
}

/// What checkpoints cost a run, and what they were worth.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccountReport {
    /// Seconds that saves held workers up.
    pub blocking_s: f64,
    /// Seconds that saves were written in the background.
    pub background_s: f64,
    /// Useful seconds that recoveries did not have to repeat.
    pub saved_s: f64,
    /// Useful seconds that failures took all the same.
    pub lost_s: f64,
    /// Useful seconds in all.
    pub useful_s: f64,
    /// What other policies would have needed for the same units, costs and failures, by simulation; empty
    /// where nothing was decided.
    pub policies: Vec<PolicyAccount>,
}

/// What one policy would have needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyAccount {
    /// The policy, as a pipeline file names it.
    pub policy: String,
    /// Seconds from start to end.
    pub makespan_s: f64,
    /// Checkpoints taken.
    pub checkpoints: u32,
}
